//! From events to queues to receivers.

use crate::support::*;
use signed_webhooks::{SigningKey, VerifyError, VerifyingKey};
use std::{
	io::Write,
	process::{Command, Stdio},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex,
	},
};
use webhook_delivery::*;

fn memory() -> Arc<MemoryDeliveryStore> {
	Arc::new(MemoryDeliveryStore::default())
}

fn ed25519() -> VerifyingKey {
	SigningKey::ed25519(&SEED).unwrap().verifying_key()
}

fn with_secret(url: String) -> Subscription {
	let key = SubscriptionKey::SharedSecret(Secret::new(SECRET.to_vec()));
	Subscription { key, ..subscription("secret", url) }
}

#[tokio::test]
async fn receiver_verifies_what_it_gets() {
	let mut receiver = Receiver::new().await;
	let oracle = Oracle::new(&receiver, memory(), Settings::default());
	let hmac = SigningKey::hmac_sha256(&SECRET).unwrap().verifying_key();
	for (subscription, key, other, key_id) in [
		(subscription("own", receiver.url()), &ed25519(), &hmac, "oracle-1"),
		(with_secret(receiver.url()), &hmac, &ed25519(), "secret"),
	] {
		let id = subscription.id.clone();
		oracle.subscriptions.put(subscription);
		assert_eq!(oracle.publish(&id).await.queued, 1);
		let mut seen = receiver.request().await;
		let verified = seen.verify(key, NOW_MILLIS / 1000).unwrap();
		assert_eq!(verified.key_id, key_id);
		assert_eq!(verified.delivery_id.as_deref(), Some(seen.id()));
		assert_eq!(seen.field("content-type"), CONTENT_TYPE);
		assert_eq!(seen.body, event(&id).body().unwrap());

		// Not with another key, later, with another body or another number of the attempt.
		assert!(seen.verify(other, NOW_MILLIS / 1000).is_err());
		let later = seen.verify(key, NOW_MILLIS / 1000 + 301);
		assert_eq!(later, Err(VerifyError::Expired));
		for field in [ATTEMPT_HEADER, SEQUENCE_HEADER, "webhook-id"] {
			let value = seen.headers.insert(field, "9".parse().unwrap()).unwrap();
			let changed = seen.verify(key, NOW_MILLIS / 1000);
			assert_eq!(changed, Err(VerifyError::WrongSignature), "{field}");
			seen.headers.insert(field, value);
		}
		let body = std::mem::take(&mut seen.body);
		let changed = seen.verify(key, NOW_MILLIS / 1000);
		assert_eq!(changed, Err(VerifyError::WrongDigest));
		seen.body = body;
		seen.answer(200);
		oracle.subscriptions.remove(&id);
	}
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn deliveries_come_in_order_one_at_a_time() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let oracle = Oracle::new(&receiver, deliveries.clone(), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	for id in ["1", "2", "3"] {
		oracle.publish(id).await;
	}
	receiver.request().await.answer(500);
	oracle.clock.pass().await;
	for (sequence, id) in [(1, "1"), (2, "2"), (3, "3")] {
		let seen = receiver.request().await;
		assert!(receiver.is_idle());
		assert_eq!((seen.sequence(), seen.event_id().as_str()), (sequence, id));
		seen.answer(204);
	}
	// What comes later finds the queue empty or not, and goes out in any case.
	oracle.publish("4").await;
	let seen = receiver.request().await;
	assert_eq!(seen.sequence(), 4);
	seen.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(deliveries.count("s").unwrap(), 0);
}

#[tokio::test]
async fn event_that_is_published_twice_is_queued_once() {
	let mut receiver = Receiver::new().await;
	let oracle = Oracle::new(&receiver, memory(), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	assert_eq!(oracle.publish("1").await.queued, 1);
	let seen = receiver.request().await;
	let again = oracle.publish("1").await;
	assert_eq!(again, Published { already_queued: 1, ..Published::default() });
	seen.answer(200);
	oracle.deliverer.stop().await;
	assert!(receiver.is_idle());
}

#[tokio::test]
async fn slow_receiver_does_not_hold_up_others() {
	let mut receiver = Receiver::new().await;
	let settings = Settings { parallel_attempts: 2, ..Settings::default() };
	let oracle = Oracle::new(&receiver, memory(), settings);
	oracle.subscriptions.put(subscription("quick", receiver.url()));
	oracle.subscriptions.put(subscription("slow", format!("{}&slow", receiver.url())));
	assert_eq!(oracle.publish("0").await.queued, 2);
	let (first, second) = (receiver.request().await, receiver.request().await);
	let (held, mut next) = match first.uri.query() {
		Some("a=b&slow") => (first, second),
		_ => (second, first),
	};
	for id in 1..=20 {
		next.answer(200);
		oracle.publish(&id.to_string()).await;
		next = receiver.request().await;
		assert_eq!((next.uri.query(), next.event_id()), (Some("a=b"), id.to_string()));
	}
	next.answer(200);
	assert_eq!(held.event_id(), "0");
	held.answer(200);
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn attempts_at_the_same_time_are_bounded() {
	let mut receiver = Receiver::new().await;
	let settings = Settings { parallel_attempts: 2, ..Settings::default() };
	let oracle = Oracle::new(&receiver, memory(), settings);
	for id in ["a", "b", "c"] {
		oracle.subscriptions.put(subscription(id, receiver.url()));
	}
	assert_eq!(oracle.publish("1").await.queued, 3);
	let (first, second) = (receiver.request().await, receiver.request().await);
	// A third would have to be made before the names are asked for a third time.
	assert_eq!(oracle.names.asked(), 2);
	first.answer(200);
	let third = receiver.request().await;
	assert_eq!(oracle.names.asked(), 3);
	second.answer(200);
	third.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(oracle.deliverer.counts().delivered, 3);
}

#[tokio::test]
async fn oldest_is_dropped_when_the_queue_is_full() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let settings = Settings { queue_limit: 2, ..Settings::default() };
	let oracle = Oracle::new(&receiver, deliveries.clone(), settings);
	oracle.subscriptions.put(subscription("s", receiver.url()));
	oracle.publish("1").await;
	// The first is on its way while it is dropped.
	let first = receiver.request().await;
	assert_eq!(oracle.publish("2").await.dropped, 0);
	assert_eq!(oracle.publish("3").await.dropped, 1);
	assert_eq!(oracle.publish("4").await.dropped, 1);
	assert_eq!(deliveries.count("s").unwrap(), 2);
	first.answer(200);
	for sequence in [3, 4] {
		let seen = receiver.request().await;
		assert_eq!(seen.sequence(), sequence);
		seen.answer(200);
	}
	oracle.deliverer.stop().await;
	assert_eq!(oracle.deliverer.counts().dropped, 2);
	assert_eq!(deliveries.count("s").unwrap(), 0);
}

/// A store that does what a test wants in between.
struct Hooked {
	inner: Arc<MemoryDeliveryStore>,
	/// Before a delivery is taken out.
	before_delivered: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
	/// After a queue was seen empty, and before that is told.
	after_empty: Box<dyn Fn() + Send + Sync>,
}

impl Hooked {
	/// Fails so many times to take a delivery out.
	fn failing(inner: Arc<MemoryDeliveryStore>, failures: usize) -> Arc<Self> {
		let left = AtomicUsize::new(failures);
		let take = |left: usize| left.checked_sub(1);
		let before_delivered =
			move || match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
				Ok(_) => Err(StoreError::new("the disk is full")),
				Err(_) => Ok(()),
			};
		let before_delivered = Box::new(before_delivered);
		Arc::new(Self { inner, before_delivered, after_empty: Box::new(|| ()) })
	}
}

impl DeliveryStore for Hooked {
	fn enqueue(&self, delivery: &Delivery, limit: usize) -> Result<Enqueued, StoreError> {
		self.inner.enqueue(delivery, limit)
	}

	fn head(&self, subscription_id: &str) -> Result<Option<Delivery>, StoreError> {
		let head = self.inner.head(subscription_id)?;
		if head.is_none() {
			(self.after_empty)();
		}
		Ok(head)
	}

	fn reschedule(&self, delivery: &Delivery) -> Result<(), StoreError> {
		self.inner.reschedule(delivery)
	}

	fn delivered(&self, delivery: &Delivery) -> Result<(), StoreError> {
		(self.before_delivered)()?;
		self.inner.delivered(delivery)
	}

	fn count(&self, subscription_id: &str) -> Result<usize, StoreError> {
		self.inner.count(subscription_id)
	}

	fn waiting(&self) -> Result<Vec<String>, StoreError> {
		self.inner.waiting()
	}

	fn remove_subscription(&self, subscription_id: &str) -> Result<usize, StoreError> {
		self.inner.remove_subscription(subscription_id)
	}
}

/// The end comes after the receiver's answer and before it is written down.
#[tokio::test]
async fn delivery_comes_again_after_a_crash() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let crashing = Hooked::failing(deliveries.clone(), usize::MAX);
	let oracle = Oracle::new(&receiver, crashing, Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	oracle.publish("1").await;
	let first = receiver.request().await;
	let id = first.id().to_owned();
	first.answer(200);
	oracle.clock.sleeper().await;
	oracle.deliverer.stop().await;
	assert_eq!(deliveries.count("s").unwrap(), 1);

	let oracle = Oracle::new(&receiver, deliveries.clone(), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	oracle.deliverer.start().await.unwrap();
	let again = receiver.request().await;
	assert_eq!((again.id(), again.sequence()), (id.as_str(), 1));
	again.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(deliveries.count("s").unwrap(), 0);
}

#[tokio::test]
async fn store_that_fails_is_asked_again_without_sending_again() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let oracle =
		Oracle::new(&receiver, Hooked::failing(deliveries.clone(), 2), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	oracle.publish("1").await;
	oracle.publish("2").await;
	receiver.request().await.answer(200);
	oracle.clock.pass().await;
	oracle.clock.pass().await;
	let second = receiver.request().await;
	assert_eq!(second.sequence(), 2);
	second.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(oracle.deliverer.counts().store_failures, 2);
	assert_eq!(deliveries.count("s").unwrap(), 0);
}

/// An event comes after the queue was seen empty and before its task ended.
#[tokio::test]
async fn event_that_comes_while_the_queue_ends_is_delivered() {
	let mut receiver = Receiver::new().await;
	let (seen_empty, mut empty) = tokio::sync::mpsc::unbounded_channel();
	let (go_on, wait) = std::sync::mpsc::channel::<()>();
	let wait = Mutex::new(wait);
	let after_empty = move || {
		// The test may be over.
		let _ = seen_empty.send(());
		let _ = wait.lock().unwrap().recv();
	};
	let store = Hooked {
		inner: memory(),
		before_delivered: Box::new(|| Ok(())),
		after_empty: Box::new(after_empty),
	};
	let oracle = Oracle::new(&receiver, Arc::new(store), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	oracle.publish("1").await;
	receiver.request().await.answer(200);
	soon(empty.recv()).await.unwrap();
	oracle.publish("2").await;
	go_on.send(()).unwrap();
	// From here on nothing waits any more.
	drop(go_on);
	let second = receiver.request().await;
	assert_eq!(second.sequence(), 2);
	second.answer(200);
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn only_the_active_who_want_it_are_told() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let oracle = Oracle::new(&receiver, deliveries.clone(), Settings::default());
	let other_kind = Subscription {
		event_kinds: ["other".to_owned()].into(),
		..subscription("other-kind", receiver.url())
	};
	let state = SubscriptionState::Paused { reason: PauseReason::ByOwner, since_seconds: 1 };
	oracle.subscriptions.put(other_kind);
	oracle.subscriptions.put(Subscription { state, ..subscription("paused", receiver.url()) });
	oracle.subscriptions.put(subscription("active", receiver.url()));
	assert_eq!(oracle.publish("1").await.queued, 2);
	receiver.request().await.answer(200);

	// Made active again, it gets what was queued meanwhile.
	oracle.subscriptions.put(subscription("paused", receiver.url()));
	oracle.deliverer.retry("paused");
	receiver.request().await.answer(200);
	oracle.deliverer.stop().await;
	assert!(receiver.is_idle());
	assert_eq!(oracle.deliverer.counts().delivered, 2);
}

#[tokio::test]
async fn queue_of_a_removed_subscription_is_dropped() {
	let mut receiver = Receiver::new().await;
	let deliveries = memory();
	let oracle = Oracle::new(&receiver, deliveries.clone(), Settings::default());
	oracle.subscriptions.put(subscription("told", receiver.url()));
	oracle.subscriptions.put(subscription("found", receiver.url()));
	oracle.publish("1").await;
	oracle.publish("2").await;
	let (first, second) = (receiver.request().await, receiver.request().await);
	oracle.subscriptions.remove("told");
	oracle.subscriptions.remove("found");
	assert_eq!(oracle.deliverer.remove_subscription("told").await.unwrap(), 2);
	first.answer(500);
	second.answer(500);
	// That `found` was removed is seen at the next attempt.
	oracle.clock.pass().await;
	soon(async {
		while oracle.deliverer.counts().dropped < 4 {
			tokio::task::yield_now().await;
		}
	})
	.await;
	oracle.deliverer.stop().await;
	assert_eq!((deliveries.count("told").unwrap(), deliveries.count("found").unwrap()), (0, 0));
	assert!(receiver.is_idle());
}

#[tokio::test]
async fn event_that_is_not_taken_is_not_queued() {
	let receiver = Receiver::new().await;
	let deliveries = memory();
	let oracle = Oracle::new(&receiver, deliveries.clone(), Settings::default());
	oracle.subscriptions.put(subscription("s", receiver.url()));
	let error = oracle.deliverer.publish(event("")).await.unwrap_err();
	assert_eq!(error.to_string(), "id: must not be empty");
	assert_eq!(deliveries.count("s").unwrap(), 0);
}

/// Against the Python package `http-message-signatures` 3.0.0. `PYTHON` names the interpreter.
#[tokio::test]
#[ignore = "needs Python with http-message-signatures"]
async fn another_implementation_verifies_what_it_gets() {
	let mut receiver = Receiver::new().await;
	let oracle = Oracle::new(&receiver, memory(), Settings::default());
	// Python looks at its own clock.
	let now_millis = SystemClock.now_millis();
	oracle.clock.set(now_millis);
	for (subscription, algorithm, secret) in [
		(subscription("own", receiver.url()), "ed25519", SEED),
		(with_secret(receiver.url()), "hmac-sha256", SECRET),
	] {
		let id = subscription.id.clone();
		oracle.subscriptions.put(subscription);
		oracle.publish(&id).await;
		let seen = receiver.request().await;
		let headers: std::collections::BTreeMap<&str, &str> =
			seen.headers.keys().map(|name| (name.as_str(), seen.field(name.as_str()))).collect();
		let given = serde_json::json!({
			"method": "POST",
			"url": seen.uri.to_string(),
			"headers": headers,
			"algorithm": algorithm,
			"secret": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret),
		});
		let covered = python(&given);
		for name in ["\"@target-uri\"", "\"content-digest\"", "\"webhook-attempt\""] {
			assert!(covered.contains(&format!("{name:?}")), "{covered}");
		}
		seen.answer(200);
		oracle.subscriptions.remove(&id);
	}
	oracle.deliverer.stop().await;
}

fn python(given: &serde_json::Value) -> String {
	let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
	let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../signed-webhooks/tests/interop.py");
	let mut child = Command::new(python)
		.args([script, "verify"])
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.spawn()
		.unwrap();
	child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
	let output = child.wait_with_output().unwrap();
	assert!(output.status.success());
	String::from_utf8(output.stdout).unwrap()
}
