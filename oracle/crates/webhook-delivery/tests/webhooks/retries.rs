//! What follows a failed attempt.

use crate::support::*;
use std::{sync::Arc, time::Duration};
use webhook_delivery::*;

/// One subscription `s` to one receiver, and one event.
async fn started(settings: Settings) -> (Receiver, Arc<MemoryDeliveryStore>, Oracle) {
	let receiver = Receiver::new().await;
	let deliveries = Arc::new(MemoryDeliveryStore::default());
	let oracle = Oracle::new(&receiver, deliveries.clone(), settings);
	oracle.subscriptions.put(subscription("s", receiver.url()));
	assert_eq!(oracle.publish("1").await.queued, 1);
	(receiver, deliveries, oracle)
}

fn give_up(give_up_failures: u32) -> Settings {
	let retry = RetryPolicy { give_up_failures, ..RetryPolicy::default() };
	Settings { retry, ..Settings::default() }
}

#[tokio::test]
async fn delivery_is_tried_again_until_it_is_taken() {
	let (mut receiver, deliveries, oracle) = started(Settings::default()).await;
	let key = signed_webhooks::SigningKey::ed25519(&SEED).unwrap().verifying_key();
	let mut ids = Vec::new();
	for (attempt, status) in [(1, 500), (2, 404), (3, 302), (4, 200)] {
		let seen = receiver.request().await;
		// Signed anew: days can be between the attempts.
		let now_seconds = oracle.clock.now_millis() / 1000;
		let verified = seen.verify(&key, now_seconds).unwrap();
		assert_eq!(verified.created_seconds, now_seconds);
		assert_eq!(seen.field("webhook-attempt"), attempt.to_string());
		assert_eq!(seen.sequence(), 1);
		ids.push(seen.id().to_owned());
		seen.answer(status);
		if status != 200 {
			let waited = oracle.clock.pass().await;
			let bounds = RetryPolicy::default().bounds_millis(attempt);
			assert!((bounds.0..=bounds.1).contains(&waited), "{waited} of {bounds:?}");
		}
	}
	oracle.deliverer.stop().await;
	ids.dedup();
	assert_eq!(ids.len(), 1);
	assert_eq!(deliveries.count("s").unwrap(), 0);
	let counts = Counts { queued: 1, delivered: 1, failed_attempts: 3, ..Counts::default() };
	assert_eq!(oracle.deliverer.counts(), counts);
}

#[tokio::test]
async fn retry_after_is_kept_within_bounds() {
	let (mut receiver, _, oracle) = started(Settings::default()).await;
	let date = "Mon, 21 Sep 2026 14:33:20 GMT"; // 20 minutes after the clock's begin
	for (value, expected) in [(date, 1_200_000 - 123), ("7200", 7_200_000), ("9999999", 86_400_000)]
	{
		receiver.request().await.answer_with(503, &[("retry-after", value)]);
		assert_eq!(oracle.clock.pass().await, expected, "{value}");
	}
	// Sooner than by chance it is not, whatever the receiver asks for.
	receiver.request().await.answer_with(429, &[("retry-after", "0")]);
	assert!(oracle.clock.pass().await >= 1000);
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn failure_without_an_answer_is_tried_again() {
	let (mut receiver, _, oracle) = started(Settings::default()).await;
	receiver.request().await.answer(500);
	oracle.names.set(NAME, &[&["127.1.2.3"], &["127.0.0.1"]]);
	oracle.clock.pass().await;
	// The second attempt is refused here, the third gets through.
	oracle.clock.pass().await;
	let seen = receiver.request().await;
	assert_eq!(seen.field("webhook-attempt"), "3");
	seen.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(oracle.deliverer.counts().failed_attempts, 2);
}

#[tokio::test]
async fn gone_pauses_at_once_and_keeps_the_queue() {
	let (mut receiver, deliveries, mut oracle) = started(Settings::default()).await;
	receiver.request().await.answer(410);
	assert_eq!(oracle.pause().await, ("s".into(), PauseReason::Gone));
	assert_eq!(oracle.publish("2").await.queued, 1);
	oracle.deliverer.stop().await;
	assert!(receiver.is_idle());
	assert_eq!(deliveries.count("s").unwrap(), 2);
	let state = oracle.subscriptions.subscription("s").unwrap().unwrap().state;
	let since_seconds = NOW_MILLIS / 1000;
	assert_eq!(state, SubscriptionState::Paused { reason: PauseReason::Gone, since_seconds });
	assert_eq!(oracle.deliverer.counts().paused, 1);
}

#[tokio::test]
async fn subscription_is_paused_after_too_many_failures_and_begins_anew() {
	let (mut receiver, _, mut oracle) = started(give_up(2)).await;
	let failing = PauseReason::Failing { attempts: 2, last_failure: "answered 500".into() };
	for round in 0..2 {
		receiver.request().await.answer(500);
		oracle.clock.pass().await;
		receiver.request().await.answer(500);
		assert_eq!(oracle.pause().await, ("s".into(), failing.clone()), "{round}");
		oracle.subscriptions.put(subscription("s", receiver.url()));
		oracle.deliverer.retry("s");
	}
	let seen = receiver.request().await;
	assert_eq!(seen.field("webhook-attempt"), "5");
	seen.answer(200);
	oracle.deliverer.stop().await;
	let counts = oracle.deliverer.counts();
	assert_eq!((counts.paused, counts.delivered), (2, 1));
}

#[tokio::test]
async fn subscription_is_paused_after_failing_for_too_long() {
	let (mut receiver, _, mut oracle) = started(Settings::default()).await;
	receiver.request().await.answer(500);
	oracle.clock.pass().await;
	let seen = receiver.request().await;
	oracle.clock.advance(3 * 24 * 3_600_000);
	seen.answer(500);
	let failing = PauseReason::Failing { attempts: 2, last_failure: "answered 500".into() };
	assert_eq!(oracle.pause().await, ("s".into(), failing));
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn reason_of_a_pause_names_no_address() {
	let receiver = Receiver::new().await;
	let mut oracle = Oracle::new(&receiver, Arc::new(MemoryDeliveryStore::default()), give_up(1));
	oracle.names.set("inside.example", &[&["127.1.2.3"]]);
	oracle.subscriptions.put(subscription("s", "https://inside.example/".into()));
	oracle.publish("1").await;
	let (_, reason) = oracle.pause().await;
	let last_failure = "the host has a loopback address, which is not allowed".to_owned();
	assert_eq!(reason, PauseReason::Failing { attempts: 1, last_failure });
	oracle.deliverer.stop().await;
}

#[tokio::test]
async fn retry_ends_the_wait() {
	let (mut receiver, _, oracle) = started(Settings::default()).await;
	receiver.request().await.answer(500);
	oracle.clock.sleeper().await;
	oracle.deliverer.retry("s");
	let seen = receiver.request().await;
	assert_eq!(seen.field("webhook-attempt"), "2");
	seen.answer(200);
	oracle.deliverer.stop().await;
	assert_eq!(oracle.clock.now_millis(), NOW_MILLIS);
}

#[tokio::test]
async fn stop_ends_the_wait_and_keeps_the_delivery() {
	let (mut receiver, deliveries, oracle) = started(Settings::default()).await;
	receiver.request().await.answer(500);
	oracle.clock.sleeper().await;
	soon(oracle.deliverer.stop()).await;
	let queued = deliveries.head("s").unwrap().unwrap();
	assert_eq!((queued.attempts, queued.failures), (1, 1));
	assert_eq!(queued.failing_since_millis, Some(NOW_MILLIS));
	assert!(queued.next_attempt_millis >= NOW_MILLIS + 1000);
	// Nothing is begun any more, but nothing is lost.
	assert_eq!(oracle.publish("2").await.queued, 1);
	oracle.deliverer.retry("s");
	assert_eq!(deliveries.count("s").unwrap(), 2);
	assert!(receiver.is_idle());
}

#[test]
fn settings_are_refused_with_the_field() {
	let policy = RetryPolicy::default;
	let retry = |retry| Settings { retry, ..Settings::default() };
	let zero = Duration::ZERO;
	for (settings, field) in [
		(Settings { parallel_attempts: 0, ..Settings::default() }, "parallel_attempts"),
		(Settings { parallel_attempts: usize::MAX, ..Settings::default() }, "parallel_attempts"),
		(Settings { queue_limit: 0, ..Settings::default() }, "queue_limit"),
		(Settings { signature_lifetime: zero, ..Settings::default() }, "signature_lifetime"),
		(retry(RetryPolicy { shortest: zero, ..policy() }), "shortest"),
		(retry(RetryPolicy { longest: zero, ..policy() }), "longest"),
		(retry(RetryPolicy { give_up_failures: 0, ..policy() }), "give_up_failures"),
	] {
		assert_eq!(settings.check().unwrap_err().field, field);
	}
	assert_eq!(Settings::default().check(), Ok(()));
}
