//! A cluster of Kafka in this process: the one that librdkafka has for tests, over a local socket.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use rdkafka::{
	mocking::MockCluster,
	producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
	ClientConfig,
};

/// The topic of readings.
pub const TOPIC: &str = "readings";
/// The cluster drops what exceeds 5 MiB of a partition.
const RECORDS_PER_PARTITION: usize = 8_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster that has some messages.
pub struct Cluster {
	cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Cluster {
	/// Starts one, and puts the messages into its topic.
	///
	/// # Errors
	/// When it does not start, or does not take a message.
	pub fn with(messages: &[Bytes]) -> Result<Self> {
		let cluster = MockCluster::new(1)?;
		let partitions = messages.len().div_ceil(RECORDS_PER_PARTITION).max(1);
		cluster.create_topic(TOPIC, i32::try_from(partitions)?, 1)?;
		let producer: BaseProducer = ClientConfig::new()
			.set("bootstrap.servers", cluster.bootstrap_servers())
			.set("queue.buffering.max.messages", "1000000")
			.set("batch.size", "1000000")
			.set("linger.ms", "20")
			.create()?;
		for (number, message) in messages.iter().enumerate() {
			let partition = i32::try_from(number / RECORDS_PER_PARTITION)?;
			let mut record =
				BaseRecord::<(), [u8]>::to(TOPIC).partition(partition).payload(&message[..]);
			while let Err((error, again)) = producer.send(record) {
				let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
				if error.rdkafka_error_code() != Some(full) {
					return Err(error.into());
				}
				producer.poll(Duration::from_millis(10));
				record = again;
			}
		}
		producer.flush(PATIENCE)?;
		Ok(Self { cluster })
	}

	/// Where its brokers listen.
	pub fn brokers(&self) -> Vec<String> {
		self.cluster.bootstrap_servers().split(',').map(str::to_owned).collect()
	}
}
