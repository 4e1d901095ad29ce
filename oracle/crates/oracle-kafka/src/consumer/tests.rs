//! What is committed when partitions go. The tests stand in for the group: it takes partitions away
//! at the moment they choose, and no time-out of its own plays a part.

use std::thread::JoinHandle;

use oracle_source::testing::{Mode, TestSink, PATIENCE};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use self::support::{soon, Cluster, TOPIC};
use super::*;
use crate::{source::client_config, Configuration};

#[allow(dead_code)]
#[path = "../../tests/support/mod.rs"]
mod support;

/// A consumer at work, and the hand of the group on it.
struct Running {
	member: Arc<Member>,
	orders: Arc<Orders>,
	thread: JoinHandle<()>,
}

impl Running {
	fn start(configuration: Configuration, sink: &Arc<TestSink>) -> Self {
		let settings = Settings::try_from(configuration).unwrap();
		let (orders, sink, runtime) =
			(Arc::new(Orders::default()), sink.clone(), Handle::current());
		let (opened, member) = mpsc::channel();
		let thread = std::thread::spawn({
			let orders = orders.clone();
			move || {
				let counters = Arc::<Counters>::default();
				let mut exchange = Exchange::new(Offering::new(sink, counters.clone()), runtime);
				let status = watch::Sender::new(Status::Connecting);
				let client = client_config(&settings).unwrap();
				let consumer =
					Consumer::open(&settings, &client, counters, &status, &orders, &mut exchange);
				let consumer = consumer.unwrap();
				opened.send(consumer.member.clone()).unwrap();
				assert!(matches!(consumer.run(), Ended::Stopped));
			}
		});
		Self { member: member.recv_timeout(PATIENCE).unwrap(), orders, thread }
	}

	/// Takes a partition away, as a rebalance does.
	fn revoke(&self, partition: i32) {
		let mut partitions = TopicPartitionList::new();
		partitions.add_partition(TOPIC, partition);
		self.member.0.context().add(Change::Revoked(partitions));
	}

	fn has(&self, partition: i32) -> bool {
		self.member.0.assignment().unwrap().find_partition(TOPIC, partition).is_some()
	}

	fn stop(self) {
		self.orders.give(Order::Stop);
		drop(self.member);
		self.thread.join().unwrap();
	}
}

/// Nothing is committed but when partitions go, and the group never misses a member.
fn patient(cluster: &Cluster) -> Configuration {
	Configuration {
		session_timeout_ms: 60_000,
		commit_interval_ms: 3_600_000,
		// All are offered, however they come in.
		concurrent_batches: 20,
		..cluster.configuration()
	}
}

/// The answers of a coordinator that is busy, and of one that fails.
fn refuse_commits(cluster: &Cluster) {
	use RDKafkaRespErr::*;
	let refusals = [
		RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
		RD_KAFKA_RESP_ERR_UNKNOWN,
		RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
	];
	cluster.mock().request_errors(RDKafkaApiKey::OffsetCommit, &refusals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partition_goes_only_after_the_answers_for_it_and_their_commit() {
	let cluster = Cluster::start(2);
	cluster.produce_numbers(0..20);
	let sink = TestSink::new(Mode::Held);
	let running = Running::start(patient(&cluster), &sink);
	sink.offers(|sizes| sizes.iter().sum::<usize>() == 20).await;
	refuse_commits(&cluster);
	running.revoke(0);
	assert_eq!(cluster.committed(), [None, None]);
	assert!(running.has(0));
	sink.mode.send_replace(Mode::Open);
	soon(|| !running.has(0)).await;
	// The one that gets the partition now begins after what was handled.
	assert_eq!(cluster.committed()[0], Some(10));
	assert!(running.has(1));
	running.stop();
	assert_eq!(cluster.committed(), [Some(10), Some(10)]);
}

/// Ten records are handled and ten more are with a sink that does not answer in time. Returns what
/// is committed then.
async fn committed_when(ends: impl AsyncFnOnce(Running)) -> Vec<Option<i64>> {
	let cluster = Cluster::start(1);
	cluster.produce_numbers(0..10);
	let sink = TestSink::new(Mode::Open);
	let impatient =
		Configuration { revoke_timeout_ms: 20, stop_timeout_ms: 20, ..patient(&cluster) };
	let running = Running::start(impatient, &sink);
	sink.stored(10).await;
	sink.mode.send_replace(Mode::Held);
	cluster.produce_numbers(10..20);
	sink.offers(|sizes| sizes.iter().sum::<usize>() == 20).await;
	assert_eq!(cluster.committed(), [None]);
	refuse_commits(&cluster);
	ends(running).await;
	cluster.committed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handled_is_committed_when_a_partition_goes_without_the_rest() {
	let committed = committed_when(async |running| {
		running.revoke(0);
		soon(|| !running.has(0)).await;
		running.stop();
	});
	assert_eq!(committed.await, [Some(10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handled_is_committed_when_a_stop_does_not_wait_for_the_rest() {
	assert_eq!(committed_when(async |running| running.stop()).await, [Some(10)]);
}
