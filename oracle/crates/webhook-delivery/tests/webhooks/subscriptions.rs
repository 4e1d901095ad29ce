use crate::support::*;
use std::collections::BTreeSet;
use webhook_delivery::*;

fn good() -> Subscription {
	subscription("s-1", "https://receiver.example/".into())
}

fn set(entries: &[&str]) -> BTreeSet<String> {
	entries.iter().map(|entry| (*entry).to_owned()).collect()
}

#[test]
fn check_gives_the_target() {
	let target = good().check(&UrlRules::default()).unwrap();
	assert_eq!(target.host, Host::Name("receiver.example".into()));
}

#[test]
fn check_names_the_field_that_is_not_taken() {
	let long = "a".repeat(MAX_NAME_BYTES + 1);
	let many: BTreeSet<String> = (0..=MAX_LIST_ENTRIES).map(|n| n.to_string()).collect();
	for (wrong, field) in [
		(Subscription { id: String::new(), ..good() }, "id: "),
		(Subscription { id: "a b".into(), ..good() }, "id: "),
		(Subscription { id: "a".repeat(MAX_ID_BYTES + 1), ..good() }, "id: "),
		(Subscription { url: "http://receiver.example/".into(), ..good() }, "url: "),
		(Subscription { url: "https://10.0.0.1/".into(), ..good() }, "url: "),
		(Subscription { owner: String::new(), ..good() }, "owner: "),
		(Subscription { owner: "a\n".into(), ..good() }, "owner: "),
		(Subscription { event_kinds: set(&[]), ..good() }, "event_kinds: "),
		(Subscription { event_kinds: set(&[""]), ..good() }, "event_kinds: "),
		(Subscription { meters: set(&[&long]), ..good() }, "meters: "),
		(Subscription { zones: many, ..good() }, "zones: "),
		(
			Subscription { key: SubscriptionKey::SharedSecret(Secret::new(vec![1; 31])), ..good() },
			"secret: ",
		),
	] {
		let error = wrong.check(&UrlRules::default()).unwrap_err().to_string();
		assert!(error.starts_with(field), "{field}{error}");
	}
}

#[test]
fn wants_events_by_kind_meter_and_zone() {
	let about = |meters: &[&str], zones: &[&str]| Event {
		meters: meters.iter().map(|one| (*one).to_owned()).collect(),
		zones: zones.iter().map(|one| (*one).to_owned()).collect(),
		..event("1")
	};
	let all = good();
	let some = Subscription { meters: set(&["m1", "m2"]), zones: set(&["north"]), ..good() };
	for (event, all_wants, some_wants) in [
		(about(&[], &[]), true, true),
		(about(&["m2", "m3"], &[]), true, true),
		(about(&["m3"], &[]), true, false),
		(about(&["m1"], &["north"]), true, true),
		(about(&["m1"], &["south"]), true, false),
		(about(&[], &["south", "north"]), true, true),
		(Event { kind: "other".into(), ..about(&["m1"], &[]) }, false, false),
	] {
		assert_eq!(all.wants(&event), all_wants, "{event:?}");
		assert_eq!(some.wants(&event), some_wants, "{event:?}");
	}
}

#[test]
fn secret_is_kept_and_not_shown() {
	let secret =
		SubscriptionKey::SharedSecret(Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()));
	let with_secret = Subscription { key: secret, ..good() };
	let shown = format!("{with_secret:?}");
	assert!(shown.contains("Secret(..)"), "{shown}");
	let text = serde_json::to_string(&with_secret).unwrap();
	assert_eq!(serde_json::from_str::<Subscription>(&text).unwrap(), with_secret);
	let broken = text.replace("MDEyMzQ1", "!!!!!!!!");
	assert_ne!(broken, text);
	let error = serde_json::from_str::<Subscription>(&broken).unwrap_err().to_string();
	assert!(error.starts_with("secret: not base64"), "{error}");
}

#[test]
fn event_is_a_cloud_event() {
	let body: serde_json::Value = serde_json::from_str(&event("e-1").body().unwrap()).unwrap();
	let expected = serde_json::json!({
		"specversion": "1.0",
		"id": "e-1",
		"source": "/oracle/1",
		"type": "energy.slot.sealed",
		"time": "2026-09-21T14:13:20.123Z",
		"subject": "slot/42",
		"datacontenttype": "application/json",
		"data": { "slot": 42 },
	});
	assert_eq!(body, expected);
	let without = Event { subject: None, ..event("e-1") }.body().unwrap();
	assert!(!without.contains("subject"), "{without}");
}

#[test]
fn event_is_refused_with_the_reason() {
	let long = serde_json::value::to_raw_value(&"a".repeat(MAX_BODY_BYTES)).unwrap();
	let year_10000 = 253_402_300_800_000;
	assert!(Event { time_millis: year_10000 - 1, ..event("1") }.body().is_ok());
	for (wrong, error) in [
		(Event { id: String::new(), ..event("1") }, EventError::Empty("id")),
		(Event { source: String::new(), ..event("1") }, EventError::Empty("source")),
		(Event { kind: String::new(), ..event("1") }, EventError::Empty("kind")),
		(Event { subject: Some(String::new()), ..event("1") }, EventError::Empty("subject")),
		(Event { source: "/a b".into(), ..event("1") }, EventError::Source),
		(Event { time_millis: year_10000, ..event("1") }, EventError::Time),
	] {
		assert_eq!(wrong.body(), Err(error));
	}
	let error = Event { data: long, ..event("1") }.body().unwrap_err();
	assert!(matches!(error, EventError::TooLong(bytes) if bytes > MAX_BODY_BYTES), "{error}");
}
