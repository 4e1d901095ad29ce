use crate::support::*;
use webhook_delivery::*;

/// What every store must do; an empty one is given.
fn contract(store: &dyn DeliveryStore) {
	let delivery =
		|subscription: &str, id: &str| Delivery::new(subscription, &event(id), NOW_MILLIS).unwrap();
	let added = |dropped| Enqueued::Added { dropped };
	assert_eq!(store.head("a").unwrap(), None);
	assert_eq!(store.count("a").unwrap(), 0);
	assert!(store.waiting().unwrap().is_empty());

	// Sequences go up by one for each subscription, ids are queued once.
	assert_eq!(store.enqueue(&delivery("a", "1"), 3).unwrap(), added(0));
	assert_eq!(store.enqueue(&delivery("a", "2"), 3).unwrap(), added(0));
	assert_eq!(store.enqueue(&delivery("a", "2"), 3).unwrap(), Enqueued::AlreadyQueued);
	assert_eq!(store.enqueue(&delivery("b", "1"), 3).unwrap(), added(0));
	assert_eq!((store.count("a").unwrap(), store.count("b").unwrap()), (2, 1));
	let mut waiting = store.waiting().unwrap();
	waiting.sort();
	assert_eq!(waiting, ["a", "b"]);
	let head = store.head("a").unwrap().unwrap();
	assert_eq!(head, Delivery { sequence: 1, ..delivery("a", "1") });

	// A delivery that is put off stays the first.
	let failed = Delivery { attempts: 3, next_attempt_millis: u64::MAX, ..head };
	store.reschedule(&failed).unwrap();
	assert_eq!(store.head("a").unwrap().as_ref(), Some(&failed));

	// The oldest makes room; nothing is done to what is not there any more.
	assert_eq!(store.enqueue(&delivery("a", "3"), 3).unwrap(), added(0));
	assert_eq!(store.enqueue(&delivery("a", "4"), 3).unwrap(), added(1));
	store.reschedule(&failed).unwrap();
	store.delivered(&failed).unwrap();
	assert_eq!(store.count("a").unwrap(), 3);
	assert_eq!(store.head("a").unwrap().unwrap().sequence, 2);
	assert_eq!(store.enqueue(&delivery("a", "5"), 1).unwrap(), added(3));

	// An empty queue goes on with its sequences.
	store.delivered(&store.head("a").unwrap().unwrap()).unwrap();
	assert_eq!(store.waiting().unwrap(), ["b"]);
	assert_eq!(store.enqueue(&delivery("a", "1"), 3).unwrap(), added(0));
	assert_eq!(store.head("a").unwrap().unwrap().sequence, 6);

	assert_eq!(store.remove_subscription("a").unwrap(), 1);
	assert_eq!(store.remove_subscription("a").unwrap(), 0);
	store.reschedule(&failed).unwrap();
	assert_eq!(store.count("a").unwrap(), 0);
	assert_eq!(store.count("b").unwrap(), 1);
}

#[test]
fn memory_store_does_what_every_store_must_do() {
	contract(&MemoryDeliveryStore::default());
}

#[test]
fn pause_changes_an_active_subscription_once() {
	let store = MemorySubscriptionStore::default();
	assert!(!store.pause("a", &PauseReason::Gone, 5).unwrap());
	store.put(subscription("a", "https://receiver.example/".into()));
	assert!(store.pause("a", &PauseReason::Gone, 5).unwrap());
	assert!(!store.pause("a", &PauseReason::ByOwner, 6).unwrap());
	let state = store.subscription("a").unwrap().unwrap().state;
	assert_eq!(state, SubscriptionState::Paused { reason: PauseReason::Gone, since_seconds: 5 });
	assert!(store.remove("a").is_some());
	assert_eq!(store.subscriptions().unwrap(), []);
}

#[test]
fn delivery_survives_its_bytes() {
	let mut event = event("line\n\"quote\" \u{1f50c}");
	event.subject = Some("\u{0}".into());
	let delivery = Delivery {
		sequence: 7,
		attempts: 2,
		failures: 1,
		failing_since_millis: Some(5),
		..Delivery::new("a", &event, NOW_MILLIS).unwrap()
	};
	let bytes = delivery.to_bytes().unwrap();
	assert_eq!(Delivery::from_bytes(&bytes).unwrap(), delivery);
	for end in [0, 1, bytes.len() - 1] {
		assert!(Delivery::from_bytes(&bytes[..end]).is_err(), "{end}");
	}
}

#[test]
fn delivery_id_is_of_the_subscription_the_source_and_the_event() {
	let id = |subscription: &str, source: &str, event_id: &str| {
		let event = Event { source: source.into(), ..event(event_id) };
		Delivery::new(subscription, &event, 0).unwrap().id
	};
	let first = id("a", "/b", "c");
	assert_eq!(first, id("a", "/b", "c"));
	assert_eq!(first.len(), "msg_".len() + 32);
	for other in [id("b", "/b", "c"), id("a", "/c", "c"), id("a", "/b", "d"), id("a", "/", "bc")] {
		assert_ne!(first, other);
	}
}
