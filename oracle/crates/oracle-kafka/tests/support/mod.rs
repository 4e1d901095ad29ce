//! A cluster in this process, records in it, and a source at work.

use std::{
	sync::{
		atomic::{AtomicU64, Ordering::Relaxed},
		Arc,
	},
	time::{Duration, Instant},
};

use oracle_kafka::{Configuration, Counters, Settings, Source, Status};
use oracle_source::testing::{TestSink, PATIENCE};
use rdkafka::{
	bindings::{
		rd_kafka_handle_mock_cluster, rd_kafka_mock_broker_push_request_error_rtts,
		rd_kafka_mock_group_initial_rebalance_delay_ms,
	},
	consumer::{BaseConsumer, Consumer},
	mocking::MockCluster,
	producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
	types::{RDKafkaApiKey, RDKafkaRespErr},
	ClientConfig, Offset, TopicPartitionList,
};
use tokio::{
	sync::{oneshot, watch},
	task::JoinHandle,
	time::timeout,
};

pub const TOPIC: &str = "readings";
pub const GROUP: &str = "oracles";

pub struct Cluster {
	/// The cluster lives as long as this client of it.
	producer: BaseProducer,
	partitions: i32,
}

impl Cluster {
	pub fn start(partitions: i32) -> Self {
		let producer: BaseProducer = ClientConfig::new()
			.set("test.mock.num.brokers", "1")
			.set("message.max.bytes", "2000000")
			.create()
			.unwrap();
		// Otherwise a group waits three seconds for its members.
		// SAFETY: both pointers are of the client, which outlives the calls.
		unsafe {
			let mock = rd_kafka_handle_mock_cluster(producer.client().native_ptr());
			rd_kafka_mock_group_initial_rebalance_delay_ms(mock, 0);
		}
		let cluster = Self { producer, partitions };
		cluster.mock().create_topic(TOPIC, partitions, 1).unwrap();
		cluster
	}

	pub fn mock(&self) -> MockCluster<'_, DefaultProducerContext> {
		self.producer.client().mock_cluster().expect("the client has one")
	}

	/// The next consumer that joins, joins a group that has one: of the two, the one that was there
	/// hears of it last.
	///
	/// It is the leader. When its assignment is there before the other one asks for it, this cluster
	/// sends the other one away to join again; then it takes no commits, unlike a broker, which
	/// takes those of the generation before.
	pub fn tell_the_leader_last(&self) {
		let (join, none) =
			(RDKafkaApiKey::JoinGroup as i16, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
		let (at_once, late_ms) = (0, 1000);
		// SAFETY: the pointer is of the client, which outlives the call, and two pairs of an error
		// and a delay follow their number.
		let error = unsafe {
			let mock = rd_kafka_handle_mock_cluster(self.producer.client().native_ptr());
			rd_kafka_mock_broker_push_request_error_rtts(
				mock,
				1,
				join,
				2,
				none as i32,
				at_once,
				none as i32,
				late_ms,
			)
		};
		assert_eq!(error, none);
	}

	/// Puts records into a partition and returns when the broker has them.
	pub fn produce<V: AsRef<[u8]>>(
		&self,
		partition: i32,
		values: impl IntoIterator<Item = Option<V>>,
	) {
		for value in values {
			let value = value.as_ref().map(AsRef::as_ref);
			let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(partition).key(b"k");
			record.payload = value;
			self.producer.send(record).map_err(|(error, _)| error).unwrap();
		}
		self.producer.flush(PATIENCE).unwrap();
	}

	/// Spreads numbered messages over the partitions.
	pub fn produce_numbers(&self, numbers: std::ops::Range<usize>) {
		for partition in 0..self.partitions {
			let mine = |number: &usize| *number as i32 % self.partitions == partition;
			self.produce(
				partition,
				numbers.clone().filter(mine).map(|number| Some(message(number))),
			);
		}
	}

	/// What the group has committed, in the order of the partitions.
	pub fn committed(&self) -> Vec<Option<i64>> {
		let consumer: BaseConsumer = ClientConfig::new()
			.set("bootstrap.servers", self.mock().bootstrap_servers())
			.set("group.id", GROUP)
			.create()
			.unwrap();
		let mut partitions = TopicPartitionList::new();
		partitions.add_partition_range(TOPIC, 0, self.partitions - 1);
		let committed = consumer.committed_offsets(partitions, PATIENCE).unwrap();
		let offset = |offset| match offset {
			Offset::Offset(offset) => Some(offset),
			_ => None,
		};
		committed.elements().iter().map(|element| offset(element.offset())).collect()
	}

	/// Asks until the group has committed this.
	pub fn committed_soon(&self, wanted: &[Option<i64>]) {
		let begin = Instant::now();
		loop {
			let committed = self.committed();
			if committed == wanted {
				return;
			}
			assert!(begin.elapsed() < PATIENCE, "committed: {committed:?}");
		}
	}

	pub fn configuration(&self) -> Configuration {
		serde_json::from_value(serde_json::json!({
			"brokers": self.mock().bootstrap_servers().split(',').collect::<Vec<_>>(),
			"group_id": GROUP,
			"topics": [TOPIC],
			"session_timeout_ms": 1000,
			"reconnect_minimum_ms": 10,
			"reconnect_maximum_ms": 100,
		}))
		.unwrap()
	}
}

/// A message; the number makes it one of its own.
pub fn message(number: usize) -> String {
	format!(r#"{{"meterId":"KR-1","number":{number}}}"#)
}

pub fn value(counter: &AtomicU64) -> u64 {
	counter.load(Relaxed)
}

/// A source at work.
pub struct Running {
	pub counters: Arc<Counters>,
	pub status: watch::Receiver<Status>,
	stop: oneshot::Sender<()>,
	task: JoinHandle<()>,
}

impl Running {
	pub fn start(configuration: Configuration, sink: &Arc<TestSink>) -> Self {
		let settings = Settings::try_from(configuration).unwrap();
		let source = Source::new(settings, sink.clone()).unwrap();
		let (stop, stopped) = oneshot::channel();
		Self {
			counters: source.counters(),
			status: source.status(),
			stop,
			task: tokio::spawn(source.run(async { stopped.await.unwrap_or_default() })),
		}
	}

	pub async fn status(&mut self, condition: impl Fn(&Status) -> bool) -> Status {
		let status = self.status.clone();
		match timeout(PATIENCE, self.status.wait_for(|status| condition(status))).await {
			Ok(Ok(status)) => status.clone(),
			_ => panic!("is {:?}", status.borrow()),
		}
	}

	pub async fn subscribed(&mut self) {
		self.status(|status| *status == Status::Subscribed).await;
	}

	/// The reason why nothing comes.
	pub async fn refused(&mut self) -> String {
		match self.status(|status| matches!(status, Status::Disconnected { .. })).await {
			Status::Disconnected { reason } => reason,
			other => panic!("{other:?}"),
		}
	}

	/// Stops in order.
	pub async fn stop(self) {
		self.stop.send(()).expect("the source runs");
		timeout(PATIENCE, self.task).await.expect("stops in time").expect("does not panic");
	}

	/// Ends without a commit, and returns when the consumer has left.
	pub async fn abandon(mut self) {
		self.task.abort();
		self.status(|status| *status == Status::Stopped).await;
	}
}

/// A condition that comes true by itself.
pub async fn soon(condition: impl Fn() -> bool) {
	let begin = Instant::now();
	while !condition() {
		assert!(begin.elapsed() < PATIENCE, "waited too long");
		tokio::time::sleep(Duration::from_millis(2)).await;
	}
}
