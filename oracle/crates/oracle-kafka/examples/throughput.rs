//! Records per second out of a cluster in this process, with a sink that answers at once.
//!
//! ```sh
//! cargo run --release --example throughput -p oracle-kafka -- 1000000
//! ```
//!
//! The cluster of librdkafka keeps records in memory and serves them over a local socket from one
//! thread, in this process: its work is in the figure per second of the processor.

use std::{
	error::Error,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use bytes::Bytes;
use oracle_kafka::{Configuration, Settings, Source};
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use rdkafka::{
	mocking::MockCluster,
	producer::{BaseProducer, BaseRecord, Producer},
	ClientConfig,
};
use tokio::sync::Notify;

const TOPIC: &str = "readings";
/// The cluster drops what exceeds 5 MiB of a partition.
const RECORDS_PER_PARTITION: u64 = 8000;
const RECORD_BYTES: usize = 440;
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers at once, and remembers when the first and the last record came.
struct InstantSink {
	answered: AtomicU64,
	records: u64,
	first: std::sync::OnceLock<(Instant, f64)>,
	done: Notify,
}

impl ReadingSink for InstantSink {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		self.first.get_or_init(|| (Instant::now(), cpu_seconds().unwrap_or(f64::NAN)));
		let number = messages.len() as u64;
		if self.answered.fetch_add(number, Ordering::Relaxed) + number >= self.records {
			self.done.notify_one();
		}
		Ok(vec![Verdict::Accepted; messages.len()])
	}

	async fn reject(&self, messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		self.answered.fetch_add(messages.len() as u64, Ordering::Relaxed);
		Ok(())
	}
}

fn main() -> Result<(), Box<dyn Error>> {
	let records: u64 = std::env::args().nth(1).unwrap_or("1000000".to_owned()).parse()?;
	let cluster = MockCluster::new(1)?;
	let partitions = i32::try_from(records / RECORDS_PER_PARTITION + 1)?;
	cluster.create_topic(TOPIC, partitions, 1)?;
	fill(&cluster.bootstrap_servers(), records)?;

	let configuration: Configuration = serde_json::from_value(serde_json::json!({
		"brokers": cluster.bootstrap_servers().split(',').collect::<Vec<_>>(),
		"group_id": "throughput",
		"topics": [TOPIC],
	}))?;
	let sink = Arc::new(InstantSink {
		answered: AtomicU64::new(0),
		records,
		first: std::sync::OnceLock::new(),
		done: Notify::new(),
	});
	let source = Source::new(Settings::try_from(configuration)?, sink.clone())?;
	let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
	let (end, cpu_end) = runtime.block_on(async {
		let (sender, receiver) = tokio::sync::oneshot::channel();
		let stop = async {
			sink.done.notified().await;
			// Read here: leaving the group takes its time.
			let _ = sender.send((Instant::now(), cpu_seconds().unwrap_or(f64::NAN)));
		};
		tokio::time::timeout(PATIENCE, source.run(stop)).await?;
		Ok::<_, Box<dyn Error>>(receiver.await?)
	})?;
	let (first, cpu_first) = *sink.first.get().ok_or("no record came")?;
	let seconds = (end - first).as_secs_f64();
	let cpu = cpu_end - cpu_first;
	println!(
		"{records} records of {RECORD_BYTES} bytes in {seconds:.3} s: {:.0} records/s, {:.0} records \
		 per second of the processor (the cluster included)",
		records as f64 / seconds,
		records as f64 / cpu
	);
	Ok(())
}

fn fill(brokers: &str, records: u64) -> Result<(), Box<dyn Error>> {
	let producer: BaseProducer = ClientConfig::new()
		.set("bootstrap.servers", brokers)
		.set("queue.buffering.max.messages", "1000000")
		.set("batch.size", "1000000")
		.set("linger.ms", "20")
		.create()?;
	for number in 0..records {
		let mut value = format!(r#"{{"meterId":"KR-0001","number":{number},"filler":""#);
		let filler = RECORD_BYTES - value.len() - 2;
		value.extend(std::iter::repeat_n('x', filler));
		value.push_str("\"}");
		let partition = i32::try_from(number / RECORDS_PER_PARTITION)?;
		let mut record = BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(&value);
		while let Err((error, again)) = producer.send(record) {
			if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::QueueFull) {
				return Err(error.into());
			}
			producer.poll(Duration::from_millis(10));
			record = again;
		}
	}
	producer.flush(PATIENCE)?;
	Ok(())
}

/// User and system time of this process. The kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
	let text = std::fs::read_to_string("/proc/self/stat")?;
	let (_, fields) = text.rsplit_once(')').ok_or("unknown form of /proc")?;
	let fields: Vec<&str> = fields.split_whitespace().collect();
	Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
