//! The exchange with the sink: messages go in, in batches, and answers come back in order.

use std::{
	collections::VecDeque,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::Duration,
};

use bytes::Bytes;
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
	configuration::BatchLimits,
	counters::{add, subtract, Counters},
	protocol::Acknowledgement,
};

/// Bounds of the wait the sink asks for.
const SHORTEST_RETRY: Duration = Duration::from_millis(10);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// An acknowledgement and the connection it is for. On any other it would confirm a message that
/// was never seen: packet identifiers are used again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
	pub(crate) connection: u64,
	pub(crate) acknowledgement: Acknowledgement,
}

/// Messages that go to the sink together.
#[derive(Debug, Default)]
struct Batch {
	/// Messages for the sink to judge.
	payloads: Vec<Bytes>,
	/// Messages that are refused already, for the sink to keep with the reason.
	refused: Vec<(Bytes, Rejection)>,
	/// Bytes of all of them.
	bytes: usize,
	/// What is owed to the broker for all of them, in the order in which they came (MQTT 5.0, 4.6).
	owed: Vec<Owed>,
	/// When the first one came.
	since: Option<Instant>,
}

impl Batch {
	fn messages(&self) -> usize {
		self.payloads.len() + self.refused.len()
	}
}

/// Messages on their way to the sink and back.
pub(crate) struct Exchange<S> {
	sink: Arc<S>,
	counters: Arc<Counters>,
	limits: BatchLimits,
	waiting: Batch,
	offered: VecDeque<JoinHandle<Vec<Owed>>>,
	refused_now: Arc<AtomicUsize>,
}

impl<S: ReadingSink> Exchange<S> {
	pub(crate) fn new(sink: Arc<S>, counters: Arc<Counters>, limits: BatchLimits) -> Self {
		Self {
			sink,
			counters,
			limits,
			waiting: Batch::default(),
			offered: VecDeque::new(),
			refused_now: Arc::default(),
		}
	}

	/// Whether another message may wait.
	pub(crate) fn has_room(&self) -> bool {
		!self.is_full() && self.refused_now.load(Ordering::Acquire) == 0
	}

	fn is_full(&self) -> bool {
		self.waiting.messages() >= self.limits.messages || self.waiting.bytes >= self.limits.bytes
	}

	/// Whether the sink has something to answer for.
	pub(crate) fn is_offered(&self) -> bool {
		!self.offered.is_empty()
	}

	/// Whether nothing is on its way.
	pub(crate) fn is_empty(&self) -> bool {
		self.offered.is_empty() && self.waiting.messages() == 0
	}

	/// Adds a message that the sink is to judge.
	pub(crate) fn push(&mut self, payload: Bytes, owed: Option<Owed>) {
		self.note(payload.len(), owed);
		self.waiting.payloads.push(payload);
	}

	/// Adds a message that is refused, or its beginning, for the sink to keep.
	pub(crate) fn push_refused(
		&mut self,
		payload: Bytes,
		rejection: Rejection,
		owed: Option<Owed>,
	) {
		self.note(payload.len(), owed);
		self.waiting.refused.push((payload, rejection));
	}

	fn note(&mut self, bytes: usize, owed: Option<Owed>) {
		self.waiting.owed.extend(owed);
		self.waiting.since.get_or_insert_with(Instant::now);
		self.waiting.bytes += bytes;
		add(&self.counters.in_flight, 1);
	}

	/// When the messages that wait have waited long enough. `None` when that makes no difference.
	pub(crate) fn deadline(&self) -> Option<Instant> {
		let may_offer = self.offered.len() < self.limits.concurrent;
		self.waiting.since.filter(|_| may_offer).map(|since| since + self.limits.linger)
	}

	/// Offers what waits if the sink is idle, the batch is full, or it has waited long enough.
	/// Whether it did.
	pub(crate) fn offer(&mut self, now: Instant) -> bool {
		let Some(since) = self.waiting.since else { return false };
		let due = self.offered.is_empty() || self.is_full() || now >= since + self.limits.linger;
		if !due || self.offered.len() >= self.limits.concurrent {
			return false;
		}
		let batch = std::mem::take(&mut self.waiting);
		self.offered.push_back(tokio::spawn(answer(
			self.sink.clone(),
			batch,
			self.counters.clone(),
			self.refused_now.clone(),
		)));
		true
	}

	/// What is owed for the batch that was offered first, once the sink has answered. Waits for
	/// ever when nothing is offered. May be dropped at any time and called again.
	pub(crate) async fn answered(&mut self) -> Vec<Owed> {
		let Some(first) = self.offered.front_mut() else { return std::future::pending().await };
		let answered = first.await;
		self.offered.pop_front();
		match answered {
			Ok(owed) => owed,
			Err(error) => match error.try_into_panic() {
				Ok(panic) => std::panic::resume_unwind(panic),
				// Only the runtime cancels, when it ends; the broker sends these messages again.
				Err(_) => Vec::new(),
			},
		}
	}
}

impl<S> Drop for Exchange<S> {
	fn drop(&mut self) {
		for offered in &self.offered {
			offered.abort();
		}
	}
}

/// Offers a batch again and again until the sink has taken all of it.
async fn answer<S: ReadingSink>(
	sink: Arc<S>,
	batch: Batch,
	counters: Arc<Counters>,
	refused_now: Arc<AtomicUsize>,
) -> Vec<Owed> {
	let messages = batch.messages();
	let Batch { mut payloads, mut refused, owed, .. } = batch;
	let mut waited = false;
	while let Err(wait) = offer_once(&*sink, &mut payloads, &mut refused, &counters).await {
		add(&counters.unavailable, 1);
		if !waited {
			waited = true;
			refused_now.fetch_add(1, Ordering::AcqRel);
		}
		tokio::time::sleep(wait.mul_f64(1.0 + 0.25 * fastrand::f64())).await;
	}
	if waited {
		refused_now.fetch_sub(1, Ordering::AcqRel);
	}
	subtract(&counters.in_flight, messages);
	owed
}

/// Offers once what is left of a batch, and empties what is taken. How long to wait, when something
/// is left.
async fn offer_once<S: ReadingSink>(
	sink: &S,
	payloads: &mut Vec<Bytes>,
	refused: &mut Vec<(Bytes, Rejection)>,
	counters: &Counters,
) -> Result<(), Duration> {
	if !payloads.is_empty() {
		let verdicts = sink.submit(payloads.clone()).await.map_err(|error| wait(&error))?;
		if verdicts.len() != payloads.len() {
			tracing::error!(
				messages = payloads.len(),
				verdicts = verdicts.len(),
				"the sink did not answer for each message; offering them again"
			);
			return Err(Duration::from_secs(1));
		}
		count(counters, &verdicts);
		payloads.clear();
	}
	if !refused.is_empty() {
		sink.reject(refused.clone()).await.map_err(|error| wait(&error))?;
		add(&counters.rejected, refused.len());
		refused.clear();
	}
	Ok(())
}

fn wait(unavailable: &Unavailable) -> Duration {
	tracing::warn!(reason = unavailable.reason, "the oracle takes no readings now");
	unavailable.retry_after.clamp(SHORTEST_RETRY, LONGEST_RETRY)
}

fn count(counters: &Counters, verdicts: &[Verdict]) {
	let (mut accepted, mut duplicate, mut rejected) = (0, 0, 0);
	for verdict in verdicts {
		match verdict {
			Verdict::Accepted => accepted += 1,
			Verdict::Duplicate => duplicate += 1,
			Verdict::Rejected(_) => rejected += 1,
		}
	}
	add(&counters.accepted, accepted);
	add(&counters.duplicate, duplicate);
	add(&counters.rejected, rejected);
}
