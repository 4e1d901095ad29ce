//! Delivery through a real broker: what is acknowledged, and when.

#![allow(clippy::unwrap_used)]

mod support;

use oracle_amqp::{Binding, Configuration, QueueType, Settings, Source, TOO_LARGE};
use oracle_source::testing::{until, Mode, TestSink};
use support::*;

#[tokio::test]
async fn queue_is_declared_and_bound_and_its_messages_are_handed_over_in_batches() {
	let queue = "declared";
	let sink = TestSink::new(Mode::Open);
	let binding = Binding { exchange: "amq.topic".into(), routing_key: "readings.#".into() };
	let mut source = Running::start(
		Configuration {
			declare: Some(QueueType::Classic),
			bindings: vec![binding],
			batch_messages: 50,
			..configuration(queue)
		},
		&sink,
	);
	source.subscribed().await;
	let client = Client::connect().await;
	client.publish("amq.topic", "readings.seoul", (0..500).map(message)).await;
	sink.stored(500).await;
	let counters = source.counters.clone();
	source.stop().await;
	assert_eq!(client.left(queue).await, 0);
	assert!((0..500).all(|number| sink.has(message(number).as_bytes())));
	assert!(sink.offered.borrow().iter().all(|size| *size <= 50));
	assert_eq!(value(&counters.accepted), 500);
	assert_eq!(value(&counters.duplicate), 0);
	assert_eq!(value(&counters.in_flight), 0);
	client.close().await;
}

#[tokio::test]
async fn message_is_acknowledged_only_after_the_sink_answered() {
	let queue = "held";
	let client = Client::with_queue(queue).await;
	client.publish("", queue, (0..10).map(message)).await;
	let sink = TestSink::new(Mode::Held);
	let configured = Configuration { stop_timeout_ms: 20, ..configuration(queue) };
	let source = Running::start(configured.clone(), &sink);
	sink.offers(|sizes| !sizes.is_empty()).await;
	source.stop().await;
	assert_eq!(client.left(queue).await, 10);
	sink.mode.send_replace(Mode::Open);
	let source = Running::start(Configuration { stop_timeout_ms: 10_000, ..configured }, &sink);
	sink.stored(10).await;
	source.stop().await;
	assert_eq!(client.left(queue).await, 0);
	client.close().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_or_taken_while_the_sink_is_unavailable() {
	let queue = "unavailable";
	let client = Client::with_queue(queue).await;
	client.publish("", queue, (0..100).map(message)).await;
	let sink = TestSink::new(Mode::Unavailable);
	let source = Running::start(
		Configuration { batch_messages: 10, prefetch_messages: 50, ..configuration(queue) },
		&sink,
	);
	sink.offers(|sizes| sizes.len() >= 10).await;
	assert!(value(&source.counters.received) <= 30, "{:?}", source.counters);
	assert!(value(&source.counters.unavailable) >= 9);
	// More than the window is never with the source: the rest is still in the queue.
	assert_eq!(client.left(queue).await, 50);
	sink.mode.send_replace(Mode::Open);
	sink.stored(100).await;
	source.stop().await;
	assert_eq!(client.left(queue).await, 0);
	assert_eq!(*sink.duplicate_count.borrow(), 0);
	client.close().await;
}

#[tokio::test]
async fn message_that_is_too_large_is_refused_and_acknowledged() {
	let queue = "large";
	let client = Client::with_queue(queue).await;
	let limit = vec![b'1'; 100];
	let large = vec![b'1'; 200_000];
	client.publish("", queue, [limit.clone(), large, b"no json".to_vec()]).await;
	let sink = TestSink::new(Mode::Open);
	let source =
		Running::start(Configuration { maximum_payload_bytes: 100, ..configuration(queue) }, &sink);
	sink.stored(1).await;
	until(&sink.refused_count, |count| *count == 1).await;
	let counters = source.counters.clone();
	// Of the third message nobody but the counter tells.
	while value(&counters.rejected) == 0 {
		tokio::time::sleep(std::time::Duration::from_millis(2)).await;
	}
	source.stop().await;
	assert!(sink.has(&limit));
	assert_eq!(sink.refused()[0].1.code, TOO_LARGE);
	assert_eq!(client.left(queue).await, 0);
	assert_eq!(value(&counters.refused), 1);
	assert_eq!(value(&counters.rejected), 1);
	client.close().await;
}

#[tokio::test]
async fn messages_come_again_when_the_connection_is_lost_before_the_sink_answered() {
	let queue = "lost";
	let client = Client::with_queue(queue).await;
	client.publish("", queue, (0..20).map(message)).await;
	let proxy = Proxy::start().await;
	let sink = TestSink::new(Mode::Held);
	let mut source = Running::start(
		Configuration {
			broker_url: format!("amqp://127.0.0.1:{}", proxy.port),
			// All are offered, however they come in.
			concurrent_batches: 20,
			..configuration(queue)
		},
		&sink,
	);
	sink.offers(|sizes| sizes.iter().sum::<usize>() == 20).await;
	proxy.cut();
	source.refused().await;
	source.subscribed().await;
	sink.mode.send_replace(Mode::Open);
	until(&sink.duplicate_count, |count| *count == 20).await;
	let counters = source.counters.clone();
	source.stop().await;
	assert_eq!(value(&counters.accepted), 20);
	assert_eq!(value(&counters.reconnects), 1);
	assert_eq!(client.left(queue).await, 0);
	client.close().await;
}

#[tokio::test]
async fn source_goes_on_when_its_queue_is_deleted_and_made_again() {
	let queue = "deleted";
	let client = Client::with_queue(queue).await;
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(configuration(queue), &sink);
	source.subscribed().await;
	client.delete(queue).await;
	source.refused().await;
	client.declare(queue).await;
	source.subscribed().await;
	client.publish("", queue, [message(1)]).await;
	sink.stored(1).await;
	source.stop().await;
	client.close().await;
}

#[tokio::test]
async fn reason_of_a_refusal_is_told() {
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(configuration("no-such-queue"), &sink);
	let reason = source.refused().await;
	assert!(reason.contains("no queue 'no-such-queue'"), "{reason}");
	source.stop().await;

	let wrong = tempfile::NamedTempFile::new().unwrap();
	std::fs::write(wrong.path(), "wrong").unwrap();
	let configured =
		Configuration { password_file: Some(wrong.path().into()), ..configuration("any") };
	let mut source = Running::start(configured, &sink);
	let reason = source.refused().await;
	assert!(reason.contains("ACCESS"), "{reason}");
	source.stop().await;
}

#[tokio::test]
async fn messages_come_over_tls_from_a_broker_that_is_vouched_for() {
	let queue = "tls";
	let client = Client::with_queue(queue).await;
	client.publish("", queue, [message(1)]).await;
	let sink = TestSink::new(Mode::Open);
	let secure = Configuration {
		broker_url: format!("amqps://localhost:{}", broker().tls_port),
		ca_file: Some(broker().ca_file.clone()),
		..configuration(queue)
	};
	let source = Running::start(secure.clone(), &sink);
	sink.stored(1).await;
	source.stop().await;

	let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
	let file = tempfile::NamedTempFile::new().unwrap();
	std::fs::write(file.path(), stranger.serialize_pem().unwrap()).unwrap();
	let configured = Configuration { ca_file: Some(file.path().into()), ..secure.clone() };
	let mut source = Running::start(configured, &sink);
	let reason = source.refused().await;
	assert!(reason.contains("certificate"), "{reason}");
	source.stop().await;

	std::fs::write(file.path(), "nothing").unwrap();
	let configured = Configuration { ca_file: Some(file.path().into()), ..secure };
	let error = Source::new(Settings::try_from(configured).unwrap(), sink).unwrap_err();
	assert_eq!(error.field, "ca_file");
	client.close().await;
}
