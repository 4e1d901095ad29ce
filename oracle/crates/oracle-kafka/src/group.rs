//! What librdkafka tells the consumer: partitions given and taken away.

use std::{
	collections::VecDeque,
	sync::{
		atomic::{AtomicBool, Ordering},
		Mutex, PoisonError,
	},
};

use rdkafka::{
	config::RDKafkaLogLevel,
	consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
	error::{KafkaError, KafkaResult},
	types::RDKafkaRespErr,
	ClientContext, TopicPartitionList,
};

/// A change of the partitions this consumer has. It holds only when [`apply`] was called.
#[derive(Debug)]
pub(crate) enum Change {
	Assigned(TopicPartitionList),
	Revoked(TopicPartitionList),
}

/// Keeps what librdkafka tells until the consumer's loop asks for it: the loop has to do things
/// before partitions go.
#[derive(Debug, Default)]
pub(crate) struct Group {
	changes: Mutex<VecDeque<Change>>,
	closing: AtomicBool,
}

impl Group {
	/// The next change that was not taken yet.
	pub(crate) fn take_change(&self) -> Option<Change> {
		self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
	}

	/// Keeps a change until it is taken.
	pub(crate) fn add(&self, change: Change) {
		self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
	}

	/// From now on changes are applied at once: nobody asks for them any more.
	pub(crate) fn close(&self) {
		self.closing.store(true, Ordering::Release);
	}
}

/// Accepts a change.
///
/// # Errors
/// When librdkafka does not agree, for example because the consumer ends.
pub(crate) fn apply(consumer: &BaseConsumer<Group>, change: &Change) -> KafkaResult<()> {
	let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
	match change {
		Change::Assigned(partitions) if cooperative => consumer.incremental_assign(partitions),
		Change::Assigned(partitions) => consumer.assign(partitions),
		Change::Revoked(partitions) if cooperative => consumer.incremental_unassign(partitions),
		Change::Revoked(_) => consumer.unassign(),
	}
}

impl ClientContext for Group {
	fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
		match level {
			RDKafkaLogLevel::Emerg
			| RDKafkaLogLevel::Alert
			| RDKafkaLogLevel::Critical
			| RDKafkaLogLevel::Error
			| RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "librdkafka"),
			RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
				tracing::info!(facility, message, "librdkafka");
			}
			RDKafkaLogLevel::Debug => tracing::debug!(facility, message, "librdkafka"),
		}
	}

	// The same error comes out of the poll, where it is dealt with.
	fn error(&self, error: KafkaError, reason: &str) {
		tracing::debug!(%error, reason, "librdkafka");
	}
}

impl ConsumerContext for Group {
	fn rebalance(
		&self,
		consumer: &BaseConsumer<Self>,
		what: RDKafkaRespErr,
		partitions: &mut TopicPartitionList,
	) {
		let change = match what {
			RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
				Change::Assigned(partitions.clone())
			}
			_ => Change::Revoked(partitions.clone()),
		};
		if self.closing.load(Ordering::Acquire) {
			if let Err(error) = apply(consumer, &change) {
				tracing::warn!(%error, "partitions could not be given back");
			}
		} else {
			self.add(change);
		}
	}
}
