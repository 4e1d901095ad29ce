//! From messages to an answer that may be relied on.
//!
//! Every source (the HTTP interface, a broker) hands messages in here. They are parsed, checked, their
//! signatures are verified, and their values are encrypted, on a thread pool. What passes goes through
//! a bounded queue to the one [writer](writer) thread, which alone decides what is new, what is known
//! already and what contradicts it, and which merges all that waits into one synced write. Only then is
//! anybody answered: what is reported as accepted is on disk, and what is reported as rejected is kept,
//! for a while, with the reason.
//!
//! # Too much at once
//!
//! Messages wait for a [thread](checker), for as long as their source has patience; a thread waits for
//! the writer. So when the disk is slow, threads stay busy, and what comes in is turned away after that
//! time, before any work was put into it, instead of filling memory. What was taken is answered soon.
//!
//! # Idempotence
//!
//! A figure is known by its meter and its time. A message all of whose figures are stored already,
//! with the same content, is a duplicate, whoever sends it and however often, also after its slot was
//! sealed. A message is taken whole or not at all.

use std::{
	collections::BTreeSet,
	sync::{Arc, Mutex},
	time::Duration,
};

use bytes::Bytes;
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use tokio::{
	sync::{mpsc, oneshot},
	time::{timeout_at, Instant},
};

use crate::{
	clock::Clock,
	metrics::Metrics,
	reading::TimeLimits,
	registry::RegistryCell,
	store::{Store, StoreError},
};
use check::{CheckRules, CheckedBatch};
use checker::{Checker, Job};
use energy_primitives::{MeterId, Slot, ZoneId};

pub mod body;
pub mod check;
pub mod checker;
pub mod figure;
pub mod writer;

/// How long a busy oracle asks a source to wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why messages could not be served. Nothing of them may be assumed to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
	/// The body is no list of messages.
	#[error(transparent)]
	Body(#[from] body::BodyError),
	/// The chain has not been read yet, so no meter is known.
	#[error("the registry of meters has not been read from the chain yet")]
	NoRegistry,
	/// There is more to do than can be done in time.
	#[error("too many readings are waiting to be checked and written")]
	Busy,
	/// The oracle is shutting down.
	#[error("the oracle is shutting down")]
	Closed,
	/// The disk failed.
	#[error(transparent)]
	Store(#[from] Arc<StoreError>),
}

/// Limits of the way in.
#[derive(Clone, Copy, Debug)]
pub struct IngestLimits {
	/// How old and how new a message may be.
	pub time: TimeLimits,
	/// The longest body, bytes.
	pub max_body_bytes: usize,
	/// The most messages in one request.
	pub max_messages: usize,
	/// How long a request may wait for its turn, before it is told to come back.
	pub patience: Duration,
	/// How many batches may wait to be checked, and how many for the writer.
	pub queue_length: usize,
	/// How many threads check.
	pub parallel: usize,
	/// Whether signatures are verified. No option of the oracle switches it off: it is here so that
	/// the rest can be measured by itself.
	pub verifies_signatures: bool,
}

impl Default for IngestLimits {
	fn default() -> Self {
		Self {
			time: TimeLimits::default(),
			max_body_bytes: 8 * 1024 * 1024,
			max_messages: 10_000,
			patience: Duration::from_millis(100),
			queue_length: 64,
			parallel: std::thread::available_parallelism().map_or(2, usize::from),
			verifies_signatures: true,
		}
	}
}

/// Messages that came together.
#[derive(Clone, Debug)]
pub enum Messages {
	/// A body that has to be taken apart.
	Body(body::Format, Bytes),
	/// One by one.
	Each(Vec<Bytes>),
}

impl Messages {
	/// How many there are; of a body, a guess that is rather too large.
	fn estimated_count(&self) -> usize {
		/// A message is hardly ever shorter.
		const SHORT_MESSAGE: usize = 256;
		match self {
			Self::Body(_, body) => body.len().div_ceil(SHORT_MESSAGE),
			Self::Each(documents) => documents.len(),
		}
	}
}

/// Of which meters somebody may send readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sender {
	/// Of all: they are signed.
	#[default]
	Anyone,
	/// Of this one.
	Meter(MeterId),
	/// Of those of these zones.
	Zones(BTreeSet<ZoneId>),
}

impl Sender {
	/// Whether readings of a meter of a zone may come from here.
	pub fn may_send(&self, meter: &MeterId, zone: ZoneId) -> bool {
		match self {
			Self::Anyone => true,
			Self::Meter(own) => own == meter,
			Self::Zones(zones) => zones.contains(&zone),
		}
	}
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
	registry: Arc<RegistryCell>,
	clock: Arc<dyn Clock>,
	metrics: Arc<Metrics>,
	limits: IngestLimits,
	jobs: mpsc::Sender<Job>,
	writer: mpsc::Sender<writer::Command>,
}

impl Ingest {
	/// The way in to a writer that takes from the other end of `writer`, and to whose store `store`
	/// seals. Starts the threads that check; they end with the last way in.
	///
	/// # Errors
	/// When a thread cannot be started.
	pub fn start(
		registry: Arc<RegistryCell>,
		clock: Arc<dyn Clock>,
		metrics: Arc<Metrics>,
		store: Arc<dyn Store>,
		limits: IngestLimits,
		writer: mpsc::Sender<writer::Command>,
	) -> std::io::Result<Self> {
		let (jobs, waiting) = mpsc::channel(limits.queue_length.max(1));
		let checker = Checker {
			jobs: Mutex::new(waiting),
			store,
			rules: CheckRules {
				time: limits.time,
				verifies_signatures: limits.verifies_signatures,
			},
			max_messages: limits.max_messages,
			threads: limits.parallel.max(1),
		};
		checker.start(&writer)?;
		Ok(Self { registry, clock, metrics, limits, jobs, writer })
	}

	/// The limits.
	pub fn limits(&self) -> &IngestLimits {
		&self.limits
	}

	/// Takes messages from a source, and answers for each, in order. Waits for its turn no longer
	/// than `patience`.
	///
	/// # Errors
	/// See [`IngestError`].
	pub async fn submit(
		&self,
		source: &'static str,
		sender: Sender,
		messages: Messages,
		patience: Duration,
	) -> Result<Vec<Verdict>, IngestError> {
		let registry = self.registry.load().ok_or(IngestError::NoRegistry)?;
		let ((taken, turn), (answer, verdicts)) = (oneshot::channel(), oneshot::channel());
		let job = Job {
			source,
			sender,
			messages,
			received_seconds: self.clock.now_seconds(),
			registry,
			taken: Some(taken),
			answer,
		};
		let deadline = Instant::now() + patience;
		let turn = async {
			self.jobs.send(job).await.map_err(|_closed| IngestError::Closed)?;
			turn.await.map_err(|_dropped| IngestError::Closed)
		};
		timeout_at(deadline, turn).await.unwrap_or_else(|_elapsed| {
			self.metrics.count_turned_away();
			Err(IngestError::Busy)
		})?;
		let verdicts = verdicts.await.map_err(|_dropped| IngestError::Closed)??;
		self.metrics.count_verdicts(&verdicts);
		Ok(verdicts)
	}

	/// Keeps messages that a source refused itself.
	///
	/// # Errors
	/// See [`IngestError`].
	pub async fn keep_rejected(
		&self,
		source: &'static str,
		messages: Vec<(Bytes, Rejection)>,
	) -> Result<(), IngestError> {
		let mut batch = CheckedBatch::new(source, self.clock.now_seconds());
		for (document, rejection) in messages {
			batch.reject(&document, rejection);
		}
		let (answer, verdicts) = oneshot::channel();
		let command = writer::Command::Store { batch: Box::new(batch), answer };
		self.writer.send(command).await.map_err(|_closed| IngestError::Closed)?;
		let verdicts = verdicts.await.map_err(|_dropped| IngestError::Closed)??;
		self.metrics.count_verdicts(&verdicts);
		Ok(())
	}

	/// Takes no more readings for slots up to `through`. When it returns, every reading that was
	/// accepted for them is on disk.
	///
	/// # Errors
	/// When the writer is gone.
	pub async fn close(&self, zone: ZoneId, through: Slot) -> Result<(), IngestError> {
		let (answer, done) = oneshot::channel();
		self.writer
			.send(writer::Command::Close { zone, through, answer })
			.await
			.map_err(|_closed| IngestError::Closed)?;
		done.await.map_err(|_dropped| IngestError::Closed)
	}
}

/// The port of one source. It waits for as long as the oracle needs: the source waits with it.
#[derive(Clone)]
pub struct SourcePort {
	ingest: Ingest,
	name: &'static str,
}

impl SourcePort {
	/// How long a source waits for its turn before it hears that the oracle is busy.
	const PATIENCE: Duration = Duration::from_secs(5);

	/// The port for a source of that name.
	pub fn new(ingest: Ingest, name: &'static str) -> Self {
		Self { ingest, name }
	}
}

fn unavailable(error: IngestError) -> Unavailable {
	Unavailable { reason: error.to_string(), retry_after: RETRY_AFTER }
}

impl ReadingSink for SourcePort {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		self.ingest
			.submit(self.name, Sender::Anyone, Messages::Each(messages), Self::PATIENCE)
			.await
			.map_err(unavailable)
	}

	async fn reject(&self, messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		self.ingest.keep_rejected(self.name, messages).await.map_err(unavailable)
	}
}
