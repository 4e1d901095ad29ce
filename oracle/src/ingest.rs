//! From a request's body to an answer that may be relied on.
//!
//! A request is parsed and its signatures are verified on a thread pool. What passes goes through a
//! bounded queue to the one [writer](writer) thread, which alone decides what is new, what is known
//! already and what contradicts it, and which merges all requests that wait into one synced write.
//! Only then is anybody answered: what is reported as accepted is on disk.
//!
//! # Idempotence
//!
//! A figure is known by its meter and its time. A message all of whose figures are stored already,
//! with the same content, is a duplicate, whoever sends it and however often, also after its slot was
//! sealed. A message is taken whole or not at all.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, Semaphore};

use crate::{
	clock::Clock,
	metrics::Metrics,
	reading::{check_reading, check_signed, CheckedReading, Refusal, TimeLimits},
	registry::RegistryCell,
	store::StoreError,
};
use energy_primitives::{Slot, ZoneId};

pub mod body;
pub mod writer;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
	/// It is on disk.
	Accepted,
	/// It was on disk already.
	Duplicate,
	/// It was not taken.
	Rejected(Refusal),
}

/// Why a whole request could not be served. Nothing of it may be assumed to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
	/// The body is no list of messages.
	#[error(transparent)]
	Body(#[from] body::BodyError),
	/// The chain has not been read yet, so no meter is known.
	#[error("the registry of meters has not been read from the chain yet")]
	NoRegistry,
	/// The queue stayed full.
	#[error("too many readings are waiting to be written")]
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
	/// How long a request may wait for a place, before it is told to come back.
	pub queue_timeout: Duration,
	/// How many requests may wait for the writer.
	pub queue_length: usize,
	/// How many requests may be parsed and verified at once.
	pub parallel: usize,
}

impl Default for IngestLimits {
	fn default() -> Self {
		Self {
			time: TimeLimits::default(),
			max_body_bytes: 8 * 1024 * 1024,
			max_messages: 10_000,
			queue_timeout: Duration::from_secs(5),
			queue_length: 64,
			parallel: std::thread::available_parallelism().map_or(2, usize::from),
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
	verifying: Arc<Semaphore>,
	writer: mpsc::Sender<writer::Command>,
}

impl Ingest {
	/// The way in to a writer that takes from the other end of `writer`.
	pub fn new(
		registry: Arc<RegistryCell>,
		clock: Arc<dyn Clock>,
		metrics: Arc<Metrics>,
		limits: IngestLimits,
		writer: mpsc::Sender<writer::Command>,
	) -> Self {
		let verifying = Arc::new(Semaphore::new(limits.parallel.max(1)));
		Self { registry, clock, metrics, limits, verifying, writer }
	}

	/// The limits.
	pub fn limits(&self) -> &IngestLimits {
		&self.limits
	}

	/// Takes a request's body, and answers for each message in it, in order.
	///
	/// # Errors
	/// See [`IngestError`].
	pub async fn submit(
		&self,
		format: body::Format,
		body: impl AsRef<[u8]> + Send + 'static,
	) -> Result<Vec<Outcome>, IngestError> {
		let registry = self.registry.load().ok_or(IngestError::NoRegistry)?;

		let place = self.verifying.clone().acquire_owned();
		let permit = tokio::time::timeout(self.limits.queue_timeout, place)
			.await
			.map_err(|_elapsed| IngestError::Busy)?
			.map_err(|_closed| IngestError::Closed)?;
		let (now_seconds, limits) = (self.clock.now_seconds(), self.limits);
		let checked = tokio::task::spawn_blocking(move || {
			let _permit = permit;
			let body = body.as_ref();
			// Most bodies are an array of plain messages, which is read in one pass.
			if let Some(messages) = body::plain_messages(format, body, limits.max_messages) {
				let check = |signed| check_signed(signed, &registry, now_seconds, limits.time);
				return Ok(messages.into_iter().map(check).collect::<Vec<_>>());
			}
			let messages = body::split(format, body, limits.max_messages)?;
			let check = |json: &[u8]| check_reading(json, &registry, now_seconds, limits.time);
			Ok::<_, body::BodyError>(messages.into_iter().map(check).collect::<Vec<_>>())
		})
		.await
		.map_err(|_panicked| IngestError::Closed)??;

		// The good ones go to the writer, the others keep their places.
		let mut good = Vec::with_capacity(checked.len());
		let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(checked.len());
		for result in checked {
			outcomes.push(match result {
				Ok(reading) => {
					good.push(reading);
					None
				}
				Err(refusal) => Some(Outcome::Rejected(refusal)),
			});
		}
		let mut verdicts = self.store(good).await?.into_iter();
		let outcomes: Vec<Outcome> = outcomes
			.into_iter()
			.map(|known| known.or_else(|| verdicts.next()).ok_or(IngestError::Closed))
			.collect::<Result<_, _>>()?;
		self.metrics.count_outcomes(&outcomes);
		Ok(outcomes)
	}

	async fn store(&self, readings: Vec<CheckedReading>) -> Result<Vec<Outcome>, IngestError> {
		if readings.is_empty() {
			return Ok(Vec::new());
		}
		let place = tokio::time::timeout(self.limits.queue_timeout, self.writer.reserve())
			.await
			.map_err(|_elapsed| IngestError::Busy)?
			.map_err(|_closed| IngestError::Closed)?;
		let (answer, verdicts) = oneshot::channel();
		place.send(writer::Command::Store { readings, answer });
		Ok(verdicts.await.map_err(|_dropped| IngestError::Closed)??)
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
