//! Takes messages from brokers: MQTT, Kafka, AMQP.
//!
//! Each source runs by itself, hands what it gets to the [ingest](crate::ingest), and acknowledges what is
//! on disk. It connects again when its broker was away, and ends only when the oracle stops.

use std::{
	fmt::Display,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
	ingest::{Ingest, SourcePort},
	metrics::Metrics,
};

/// The metric with the numbers of sources.
const METRIC: &str = "source_messages";
const HELP: &str = "Numbers of the brokers' sources.";

/// The brokers that messages are taken from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
	/// Brokers of MQTT 3.1.1 and 5.
	pub mqtt: Vec<oracle_mqtt::Settings>,
	/// Clusters of Kafka.
	pub kafka: Vec<oracle_kafka::Settings>,
	/// Brokers of AMQP 0-9-1.
	pub amqp: Vec<oracle_amqp::Settings>,
}

/// A source cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {reason}")]
pub struct SourceError {
	/// Which, such as `mqtt-0`.
	pub source_name: String,
	/// Why.
	pub reason: String,
}

impl Sources {
	/// Starts them. They end when `stop` becomes true, or its sender is gone.
	///
	/// # Errors
	/// When one cannot be started; then none runs.
	pub fn start(
		self,
		ingest: &Ingest,
		metrics: &Metrics,
		stop: &watch::Sender<bool>,
	) -> Result<JoinSet<()>, SourceError> {
		let mut running = JoinSet::new();
		let stopped = || {
			let mut stop = stop.subscribe();
			async move {
				// An error means that the service is gone, which is a reason to stop as well.
				let _ = stop.wait_for(|stop| *stop).await;
			}
		};
		let port = |name| Arc::new(SourcePort::new(ingest.clone(), name));

		for (number, settings) in self.mqtt.into_iter().enumerate() {
			let name = format!("mqtt-{number}");
			let source = oracle_mqtt::Source::new(settings, port("mqtt"))
				.map_err(|error| failed(&name, error))?;
			let (counters, status) = (source.counters(), source.status());
			metrics.add_gauges(METRIC, HELP, name, move || {
				let oracle_mqtt::Counters {
					received,
					accepted,
					duplicate,
					rejected,
					topic_mismatch,
					too_large,
					unavailable,
					reconnects,
					in_flight,
				} = counters.as_ref();
				let mut numbers = read([
					("received", received),
					("accepted", accepted),
					("duplicate", duplicate),
					("rejected", rejected),
					("topic-mismatch", topic_mismatch),
					("too-large", too_large),
					("unavailable", unavailable),
					("reconnects", reconnects),
					("in-flight", in_flight),
				]);
				let status = status.borrow();
				numbers.push(subscribed(matches!(*status, oracle_mqtt::Status::Subscribed)));
				numbers
			});
			running.spawn(source.run(stopped()));
		}
		for (number, settings) in self.kafka.into_iter().enumerate() {
			let name = format!("kafka-{number}");
			let source = oracle_kafka::Source::new(settings, port("kafka"))
				.map_err(|error| failed(&name, error))?;
			add_gauges(metrics, name, source.counters(), source.status());
			running.spawn(source.run(stopped()));
		}
		for (number, settings) in self.amqp.into_iter().enumerate() {
			let name = format!("amqp-{number}");
			let source = oracle_amqp::Source::new(settings, port("amqp"))
				.map_err(|error| failed(&name, error))?;
			add_gauges(metrics, name, source.counters(), source.status());
			running.spawn(source.run(stopped()));
		}
		Ok(running)
	}
}

fn failed(name: &str, error: impl Display) -> SourceError {
	SourceError { source_name: name.to_owned(), reason: error.to_string() }
}

fn read<const N: usize>(counters: [(&'static str, &AtomicU64); N]) -> Vec<(&'static str, u64)> {
	counters.map(|(name, counter)| (name, counter.load(Ordering::Relaxed))).to_vec()
}

fn subscribed(is_subscribed: bool) -> (&'static str, u64) {
	("subscribed", is_subscribed.into())
}

fn add_gauges(
	metrics: &Metrics,
	name: String,
	counters: Arc<oracle_source::Counters>,
	status: watch::Receiver<oracle_source::Status>,
) {
	metrics.add_gauges(METRIC, HELP, name, move || {
		let oracle_source::Counters {
			received,
			accepted,
			duplicate,
			rejected,
			refused,
			unavailable,
			reconnects,
			in_flight,
		} = counters.as_ref();
		let mut numbers = read([
			("received", received),
			("accepted", accepted),
			("duplicate", duplicate),
			("rejected", rejected),
			("refused", refused),
			("unavailable", unavailable),
			("reconnects", reconnects),
			("in-flight", in_flight),
		]);
		numbers.push(subscribed(matches!(*status.borrow(), oracle_source::Status::Subscribed)));
		numbers
	});
}
