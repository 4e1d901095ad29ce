//! A sink that does as it is told, for tests of sources.

use std::{
	collections::HashSet,
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};

use bytes::Bytes;
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use tokio::{sync::watch, time::timeout};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the sink does with what it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
	/// Takes everything.
	Open,
	/// Takes messages and does not answer until the mode changes.
	Held,
	/// Takes nothing.
	Unavailable,
	/// Answers for one message too few.
	Miscounting,
}

/// A sink that keeps what it gets; messages that are neither numbers nor objects it rejects.
#[derive(Debug)]
pub struct TestSink {
	/// What it does from now on.
	pub mode: watch::Sender<Mode>,
	/// Sizes of the batches offered so far.
	pub offered: watch::Sender<Vec<usize>>,
	/// Number of messages on disk.
	pub stored_count: watch::Sender<usize>,
	/// Number of messages the source refused.
	pub refused_count: watch::Sender<usize>,
	/// Number of messages that were on disk already.
	pub duplicate_count: watch::Sender<usize>,
	stored: Mutex<HashSet<Bytes>>,
	refused: Mutex<Vec<(Bytes, Rejection)>>,
}

impl TestSink {
	/// An empty one.
	pub fn new(mode: Mode) -> Arc<Self> {
		Arc::new(Self {
			mode: watch::Sender::new(mode),
			offered: watch::Sender::new(Vec::new()),
			stored_count: watch::Sender::new(0),
			refused_count: watch::Sender::new(0),
			duplicate_count: watch::Sender::new(0),
			stored: Mutex::default(),
			refused: Mutex::default(),
		})
	}

	/// Whether a message is on disk.
	pub fn has(&self, message: &[u8]) -> bool {
		self.stored.lock().unwrap_or_else(PoisonError::into_inner).contains(message)
	}

	/// The messages the source refused, in order.
	pub fn refused(&self) -> Vec<(Bytes, Rejection)> {
		self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// Waits until so many messages are on disk.
	///
	/// # Panics
	/// When that takes too long.
	pub async fn stored(&self, number: usize) {
		until(&self.stored_count, |count| *count >= number).await;
	}

	/// Waits until the sizes of the batches offered so far are as wanted.
	///
	/// # Panics
	/// When that takes too long.
	pub async fn offers(&self, condition: impl Fn(&[usize]) -> bool) {
		until(&self.offered, |sizes| condition(sizes)).await;
	}

	async fn answer(&self) -> Result<Mode, Unavailable> {
		let mut mode = self.mode.subscribe();
		let unavailable =
			|| Unavailable { reason: "told so".to_owned(), retry_after: Duration::from_millis(20) };
		let mode = *mode.wait_for(|mode| *mode != Mode::Held).await.map_err(|_| unavailable())?;
		if mode == Mode::Unavailable {
			return Err(unavailable());
		}
		Ok(mode)
	}
}

/// Waits until a watched value is as wanted.
///
/// # Panics
/// When that takes too long.
pub async fn until<V: std::fmt::Debug>(sender: &watch::Sender<V>, condition: impl Fn(&V) -> bool) {
	let mut receiver = sender.subscribe();
	let waited = timeout(PATIENCE, receiver.wait_for(|value| condition(value))).await.is_ok();
	assert!(waited, "waited too long; is {:?}", sender.borrow());
}

impl ReadingSink for TestSink {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		self.offered.send_modify(|sizes| sizes.push(messages.len()));
		let mode = self.answer().await?;
		let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
		let mut verdicts: Vec<Verdict> = messages
			.into_iter()
			.map(|message| {
				if !message.first().is_some_and(|byte| *byte == b'{' || byte.is_ascii_digit()) {
					Verdict::Rejected(Rejection {
						field: "$".to_owned(),
						reason: "no JSON".to_owned(),
						code: "not-json".to_owned(),
					})
				} else if stored.insert(message) {
					Verdict::Accepted
				} else {
					Verdict::Duplicate
				}
			})
			.collect();
		let duplicate = verdicts.iter().filter(|verdict| **verdict == Verdict::Duplicate).count();
		self.stored_count.send_replace(stored.len());
		self.duplicate_count.send_modify(|count| *count += duplicate);
		if mode == Mode::Miscounting {
			verdicts.pop();
		}
		Ok(verdicts)
	}

	async fn reject(&self, messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		self.offered.send_modify(|sizes| sizes.push(messages.len()));
		self.answer().await?;
		let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
		refused.extend(messages);
		self.refused_count.send_replace(refused.len());
		Ok(())
	}
}
