//! Delivery out of a cluster in this process: what is committed, and when.

#![allow(clippy::unwrap_used)]

mod support;

use oracle_kafka::{Configuration, Settings, Source, Status, TOMBSTONE, TOO_LARGE};
use oracle_source::testing::{until, Mode, TestSink};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_all_partitions_are_handed_over_in_batches_and_committed() {
	let cluster = Cluster::start(3);
	cluster.produce_numbers(0..1000);
	let sink = TestSink::new(Mode::Open);
	let mut source =
		Running::start(Configuration { batch_messages: 100, ..cluster.configuration() }, &sink);
	source.subscribed().await;
	sink.stored(1000).await;
	let counters = source.counters.clone();
	source.stop().await;
	assert_eq!(cluster.committed(), [Some(334), Some(333), Some(333)]);
	assert!((0..1000).all(|number| sink.has(message(number).as_bytes())));
	assert!(sink.offered.borrow().iter().all(|size| *size <= 100), "{:?}", sink.offered);
	assert_eq!(value(&counters.received), 1000);
	assert_eq!(value(&counters.accepted), 1000);
	assert_eq!(value(&counters.duplicate), 0);
	assert_eq!(value(&counters.in_flight), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_that_cannot_be_handed_over_is_refused_and_committed() {
	let cluster = Cluster::start(1);
	let large = vec![b'1'; 101];
	let limit = vec![b'1'; 100];
	cluster.produce(0, [Some(large), None, Some(limit.clone()), Some(b"no json".to_vec())]);
	let sink = TestSink::new(Mode::Open);
	let source = Running::start(
		Configuration { maximum_payload_bytes: 100, ..cluster.configuration() },
		&sink,
	);
	sink.stored(1).await;
	until(&sink.refused_count, |count| *count == 2).await;
	let counters = source.counters.clone();
	source.stop().await;
	assert!(sink.has(&limit));
	let refused = sink.refused();
	assert_eq!((refused[0].1.code.as_str(), refused[0].0.len()), (TOO_LARGE, 101));
	assert_eq!((refused[1].1.code.as_str(), refused[1].0.len()), (TOMBSTONE, 0));
	assert_eq!(cluster.committed(), [Some(4)]);
	assert_eq!(value(&counters.refused), 2);
	assert_eq!(value(&counters.rejected), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_or_fetched_on_while_the_sink_is_unavailable() {
	let cluster = Cluster::start(2);
	cluster.produce_numbers(0..200);
	let sink = TestSink::new(Mode::Unavailable);
	let configuration =
		Configuration { batch_messages: 10, commit_interval_ms: 0, ..cluster.configuration() };
	let mut source = Running::start(configuration, &sink);
	source.subscribed().await;
	sink.offers(|sizes| sizes.len() >= 10).await;
	assert_eq!(cluster.committed(), [None, None]);
	// No more than a batch that waits and two that are offered.
	assert!(value(&source.counters.received) <= 30, "{:?}", source.counters);
	assert!(value(&source.counters.unavailable) >= 9);

	sink.mode.send_replace(Mode::Open);
	sink.stored(200).await;
	cluster.committed_soon(&[Some(100), Some(100)]);
	assert_eq!(*sink.duplicate_count.borrow(), 0);
	source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_batch_is_not_committed_before_an_earlier_one() {
	let cluster = Cluster::start(1);
	cluster.produce_numbers(0..10);
	let sink = TestSink::new(Mode::Held);
	let configuration =
		// All are offered, however they come in.
		Configuration {
			batch_messages: 5,
			concurrent_batches: 10,
			commit_interval_ms: 0,
			..cluster.configuration()
		};
	let source = Running::start(configuration, &sink);
	sink.offers(|sizes| sizes.iter().sum::<usize>() == 10).await;
	assert_eq!(cluster.committed(), [None]);
	sink.mode.send_replace(Mode::Open);
	cluster.committed_soon(&[Some(10)]);
	source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_paused_while_the_sink_does_not_answer_and_go_on_when_it_does() {
	let cluster = Cluster::start(1);
	cluster.produce_numbers(0..100);
	let sink = TestSink::new(Mode::Held);
	let configuration = Configuration { batch_messages: 10, ..cluster.configuration() };
	let source = Running::start(configuration, &sink);
	sink.offers(|sizes| sizes.len() == 2).await;
	soon(|| value(&source.counters.received) >= 20).await;
	// Longer than the source waits before it pauses: it is the time itself that is tested.
	tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
	assert!(value(&source.counters.received) <= 30);
	sink.mode.send_replace(Mode::Open);
	sink.stored(100).await;
	assert_eq!(*sink.duplicate_count.borrow(), 0);
	source.stop().await;
	assert_eq!(cluster.committed(), [Some(100)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_again_when_the_source_ends_before_the_sink_answered() {
	let cluster = Cluster::start(1);
	cluster.produce_numbers(0..50);
	let sink = TestSink::new(Mode::Held);
	let source = Running::start(cluster.configuration(), &sink);
	sink.offers(|sizes| !sizes.is_empty()).await;
	source.abandon().await;
	assert_eq!(cluster.committed(), [None]);
	sink.mode.send_replace(Mode::Open);
	let source = Running::start(cluster.configuration(), &sink);
	sink.stored(50).await;
	source.stop().await;
	assert_eq!(cluster.committed(), [Some(50)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_again_as_duplicates_when_the_source_ends_before_the_commit() {
	let cluster = Cluster::start(1);
	cluster.produce_numbers(0..50);
	let sink = TestSink::new(Mode::Open);
	let seldom = Configuration { commit_interval_ms: 3_600_000, ..cluster.configuration() };
	let source = Running::start(seldom, &sink);
	sink.stored(50).await;
	source.abandon().await;
	assert_eq!(cluster.committed(), [None]);
	let source = Running::start(cluster.configuration(), &sink);
	until(&sink.duplicate_count, |count| *count == 50).await;
	let counters = source.counters.clone();
	source.stop().await;
	assert_eq!(value(&counters.duplicate), 50);
	assert_eq!(cluster.committed(), [Some(50)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_consumer_takes_over_what_the_first_has_not_handled() {
	let cluster = Cluster::start(4);
	cluster.produce_numbers(0..400);
	let sink = TestSink::new(Mode::Open);
	let seldom = Configuration {
		commit_interval_ms: 3_600_000,
		batch_messages: 16,
		// The cluster goes on without a member that does not join within two thirds of this.
		session_timeout_ms: 3000,
		..cluster.configuration()
	};
	let first = Running::start(seldom.clone(), &sink);
	sink.stored(100).await;
	cluster.tell_the_leader_last();
	let mut second = Running::start(seldom, &sink);
	second.subscribed().await;
	sink.stored(400).await;
	// Until the second one has partitions, all goes to the first.
	let mut number = 400;
	while value(&second.counters.received) == 0 {
		cluster.produce_numbers(number..number + 4);
		number += 4;
		sink.stored(number).await;
	}
	assert_eq!(*sink.duplicate_count.borrow(), 0, "of what the first one handled");
	first.stop().await;
	cluster.produce_numbers(number..number + 40);
	sink.stored(number + 40).await;
	second.stop().await;
	assert_eq!(*sink.duplicate_count.borrow(), 0, "of what either one handled");
	let each = Some(i64::try_from((number + 40) / 4).unwrap());
	assert_eq!(cluster.committed(), [each; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_go_without_the_answer_of_a_sink_that_is_too_slow_and_nothing_is_lost() {
	let cluster = Cluster::start(2);
	cluster.produce_numbers(0..20);
	let slow = TestSink::new(Mode::Held);
	// All are offered, however they come in.
	let impatient =
		Configuration { revoke_timeout_ms: 50, concurrent_batches: 20, ..cluster.configuration() };
	let first = Running::start(impatient, &slow);
	slow.offers(|sizes| sizes.iter().sum::<usize>() == 20).await;
	let quick = TestSink::new(Mode::Open);
	let second = Running::start(cluster.configuration(), &quick);
	// One of the two partitions goes to the second one, with records the first one has in hand.
	quick.stored(10).await;
	slow.mode.send_replace(Mode::Open);
	slow.stored(20).await;
	second.stop().await;
	first.stop().await;
	assert_eq!(cluster.committed(), [Some(10), Some(10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_that_failed_is_made_again() {
	let cluster = Cluster::start(1);
	let sink = TestSink::new(Mode::Open);
	let frequent = Configuration { commit_interval_ms: 1, ..cluster.configuration() };
	let mut source = Running::start(frequent, &sink);
	source.subscribed().await;
	let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
	cluster.mock().request_errors(RDKafkaApiKey::OffsetCommit, &[refusal, refusal]);
	cluster.produce_numbers(0..10);
	sink.stored(10).await;
	cluster.committed_soon(&[Some(10)]);
	source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_that_goes_and_comes_back_is_noticed() {
	let cluster = Cluster::start(1);
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(cluster.configuration(), &sink);
	source.subscribed().await;
	cluster.produce_numbers(0..10);
	sink.stored(10).await;
	cluster.mock().broker_down(1).unwrap();
	let reason = source.refused().await;
	assert!(reason.contains("AllBrokersDown"), "{reason}");
	cluster.mock().broker_up(1).unwrap();
	source.subscribed().await;
	cluster.produce_numbers(10..20);
	sink.stored(20).await;
	assert!(value(&source.counters.reconnects) >= 1);
	source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_does_not_wait_for_a_cluster_that_is_not_there() {
	let configuration: Configuration = serde_json::from_str(
		r#"{"brokers":["127.0.0.1:1"],"group_id":"g","topics":["t"],"reconnect_minimum_ms":10}"#,
	)
	.unwrap();
	let mut source = Running::start(configuration, &TestSink::new(Mode::Open));
	let mut status = source.status.clone();
	source.refused().await;
	source.stop().await;
	assert_eq!(*status.borrow_and_update(), Status::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_that_cannot_be_read_is_named() {
	let configuration: Configuration = serde_json::from_str(
		r#"{"brokers":["a:1"],"group_id":"g","topics":["t"],"username":"u",
			"password_file":"/none/such"}"#,
	)
	.unwrap();
	let settings = Settings::try_from(configuration).unwrap();
	let error = Source::new(settings, TestSink::new(Mode::Open)).unwrap_err();
	assert_eq!(error.field, "password_file");
	assert!(error.to_string().contains("/none/such"), "{error}");
}
