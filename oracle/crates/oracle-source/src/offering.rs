//! Offers batches to the sink until it takes them.

use std::{
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::Duration,
};

use bytes::Bytes;
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};

use crate::counters::{add, subtract, Counters};

/// Bounds of the wait the sink asks for.
const SHORTEST_RETRY: Duration = Duration::from_millis(10);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The wait after an answer that does not fit the question.
const MISCOUNTED_RETRY: Duration = Duration::from_secs(1);

/// The code of a rejection because the message is larger than allowed.
pub const TOO_LARGE: &str = "too-large";

/// Bytes that are kept of a message that is too large.
pub const REFUSED_BYTES: usize = 4096;

/// Messages that go to the sink together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
	messages: Vec<Bytes>,
	refused: Vec<(Bytes, Rejection)>,
	bytes: usize,
}

impl Batch {
	/// Adds a message.
	pub fn push(&mut self, message: Bytes) {
		self.bytes += message.len();
		self.messages.push(message);
	}

	/// Adds a message that the source refuses itself.
	pub fn refuse(&mut self, message: Bytes, rejection: Rejection) {
		self.bytes += message.len();
		self.refused.push((message, rejection));
	}

	/// Adds a message that is larger than allowed. Only its beginning is kept.
	pub fn refuse_too_large(&mut self, message: &[u8], maximum_bytes: usize) {
		let beginning = &message[..message.len().min(REFUSED_BYTES)];
		let rejection = Rejection {
			field: "$".to_owned(),
			reason: format!("has {} bytes; the limit is {maximum_bytes}", message.len()),
			code: TOO_LARGE.to_owned(),
		};
		self.refuse(Bytes::copy_from_slice(beginning), rejection);
	}

	/// Number of messages, the refused ones included.
	pub fn len(&self) -> usize {
		self.messages.len() + self.refused.len()
	}

	/// Whether there is nothing in it.
	pub fn is_empty(&self) -> bool {
		self.len() == 0
	}

	/// Bytes held for all messages.
	pub fn bytes(&self) -> usize {
		self.bytes
	}
}

/// A sink and how it does with what it is offered. Cheap to clone.
#[derive(Debug)]
pub struct Offering<S> {
	sink: Arc<S>,
	counters: Arc<Counters>,
	refused_now: Arc<AtomicUsize>,
}

impl<S> Clone for Offering<S> {
	fn clone(&self) -> Self {
		Self {
			sink: self.sink.clone(),
			counters: self.counters.clone(),
			refused_now: self.refused_now.clone(),
		}
	}
}

/// Counts as refused for as long as it lives, also when the task that holds it is aborted.
struct RefusedNow<'count>(&'count AtomicUsize);

impl<'count> RefusedNow<'count> {
	fn new(count: &'count AtomicUsize) -> Self {
		count.fetch_add(1, Ordering::AcqRel);
		Self(count)
	}
}

impl Drop for RefusedNow<'_> {
	fn drop(&mut self) {
		self.0.fetch_sub(1, Ordering::AcqRel);
	}
}

/// Messages that count as in flight for as long as it lives.
struct InFlight<'counters>(&'counters Counters, usize);

impl Drop for InFlight<'_> {
	fn drop(&mut self) {
		subtract(&self.0.in_flight, self.1);
	}
}

impl<S: ReadingSink> Offering<S> {
	/// Offers to this sink and counts what it answers.
	pub fn new(sink: Arc<S>, counters: Arc<Counters>) -> Self {
		Self { sink, counters, refused_now: Arc::default() }
	}

	/// Whether the sink refuses a batch at present.
	pub fn is_refused(&self) -> bool {
		self.refused_now.load(Ordering::Acquire) > 0
	}

	/// Offers a batch again and again, and returns when the sink has taken all of it: every message
	/// may be acknowledged then. The refused ones go first.
	pub async fn offer(&self, batch: &Batch) {
		let counters = &*self.counters;
		add(&counters.in_flight, batch.len());
		let _in_flight = InFlight(counters, batch.len());
		let mut refused = None;
		while !batch.refused.is_empty() {
			match self.sink.reject(batch.refused.clone()).await {
				Ok(()) => {
					add(&counters.refused, batch.refused.len());
					break;
				}
				Err(unavailable) => self.wait(&mut refused, unavailable).await,
			}
		}
		while !batch.messages.is_empty() {
			match self.sink.submit(batch.messages.clone()).await {
				Ok(verdicts) if verdicts.len() == batch.messages.len() => {
					count(counters, &verdicts);
					break;
				}
				Ok(verdicts) => {
					tracing::error!(
						messages = batch.messages.len(),
						verdicts = verdicts.len(),
						"the sink did not answer for each message; offering them again"
					);
					let reason = "the sink did not answer for each message".to_owned();
					let retry_after = MISCOUNTED_RETRY;
					self.wait(&mut refused, Unavailable { reason, retry_after }).await;
				}
				Err(unavailable) => self.wait(&mut refused, unavailable).await,
			}
		}
	}

	async fn wait<'count>(
		&'count self,
		refused: &mut Option<RefusedNow<'count>>,
		unavailable: Unavailable,
	) {
		add(&self.counters.unavailable, 1);
		if refused.is_none() {
			tracing::warn!(reason = unavailable.reason, "the oracle takes no readings now");
			*refused = Some(RefusedNow::new(&self.refused_now));
		}
		let wait = unavailable.retry_after.clamp(SHORTEST_RETRY, LONGEST_RETRY);
		tokio::time::sleep(wait.mul_f64(1.0 + 0.25 * fastrand::f64())).await;
	}
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

#[cfg(test)]
mod tests {
	use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

	use super::*;
	use crate::testing::{Mode, TestSink};

	fn value(counter: &AtomicU64) -> u64 {
		counter.load(Relaxed)
	}

	fn batch() -> Batch {
		let mut batch = Batch::default();
		batch.push(Bytes::from_static(b"1"));
		batch.push(Bytes::from_static(b"1"));
		batch.push(Bytes::from_static(b"no json"));
		batch.refuse_too_large(&[b'x'; 5000], 4999);
		batch
	}

	#[tokio::test]
	async fn batch_is_taken_and_counted() {
		let sink = TestSink::new(Mode::Open);
		let offering = Offering::new(sink.clone(), Arc::default());
		assert_eq!((batch().len(), batch().bytes()), (4, 9 + REFUSED_BYTES));
		offering.offer(&batch()).await;
		let counters = &offering.counters;
		assert_eq!(value(&counters.accepted), 1);
		assert_eq!(value(&counters.duplicate), 1);
		assert_eq!(value(&counters.rejected), 1);
		assert_eq!(value(&counters.refused), 1);
		assert_eq!(value(&counters.in_flight), 0);
		let refused = sink.refused();
		assert_eq!(refused[0].0.len(), REFUSED_BYTES);
		assert_eq!(refused[0].1.code, TOO_LARGE);
		assert_eq!(refused[0].1.reason, "has 5000 bytes; the limit is 4999");
	}

	#[tokio::test(start_paused = true)]
	async fn the_same_batch_is_offered_until_the_sink_is_back() {
		for mode in [Mode::Unavailable, Mode::Miscounting] {
			let sink = TestSink::new(mode);
			let offering = Offering::new(sink.clone(), Arc::default());
			let task = tokio::spawn({
				let offering = offering.clone();
				async move { offering.offer(&batch()).await }
			});
			sink.offers(|sizes| sizes.len() >= 3).await;
			assert!(offering.is_refused());
			assert_eq!(value(&offering.counters.in_flight), 4);
			assert!(value(&offering.counters.unavailable) >= 2);
			sink.mode.send_replace(Mode::Open);
			task.await.unwrap();
			assert!(!offering.is_refused());
			assert!(sink.has(b"1"));
			assert_eq!(sink.refused().len(), 1);
			assert_eq!(value(&offering.counters.in_flight), 0);
		}
	}

	#[tokio::test(start_paused = true)]
	async fn messages_are_offered_again_when_nothing_is_refused_by_the_source() {
		let sink = TestSink::new(Mode::Unavailable);
		let offering = Offering::new(sink.clone(), Arc::default());
		let task = tokio::spawn({
			let offering = offering.clone();
			let mut batch = Batch::default();
			batch.push(Bytes::from_static(b"1"));
			async move { offering.offer(&batch).await }
		});
		sink.offers(|sizes| sizes == [1, 1, 1]).await;
		assert!(offering.is_refused() && !sink.has(b"1"));
		sink.mode.send_replace(Mode::Open);
		task.await.unwrap();
		assert!(sink.has(b"1"));
	}

	#[tokio::test(start_paused = true)]
	async fn aborted_offer_is_no_longer_in_flight_nor_refused() {
		let sink = TestSink::new(Mode::Unavailable);
		let offering = Offering::new(sink.clone(), Arc::default());
		let task = tokio::spawn({
			let offering = offering.clone();
			async move { offering.offer(&batch()).await }
		});
		sink.offers(|sizes| sizes.len() >= 2).await;
		task.abort();
		assert!(task.await.unwrap_err().is_cancelled());
		assert!(!offering.is_refused());
		assert_eq!(value(&offering.counters.in_flight), 0);
	}
}
