//! What was done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
	/// Deliveries that were queued.
	pub queued: u64,
	/// Deliveries that a receiver took.
	pub delivered: u64,
	/// Attempts that failed.
	pub failed_attempts: u64,
	/// Deliveries that were dropped: the oldest of full queues, and those of removed subscriptions.
	pub dropped: u64,
	/// Subscriptions that were paused here.
	pub paused: u64,
	/// Calls of the stores that failed.
	pub store_failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
	pub(crate) queued: AtomicU64,
	pub(crate) delivered: AtomicU64,
	pub(crate) failed_attempts: AtomicU64,
	pub(crate) dropped: AtomicU64,
	pub(crate) paused: AtomicU64,
	pub(crate) store_failures: AtomicU64,
}

impl Counters {
	pub(crate) fn counts(&self) -> Counts {
		let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
		Counts {
			queued: of(&self.queued),
			delivered: of(&self.delivered),
			failed_attempts: of(&self.failed_attempts),
			dropped: of(&self.dropped),
			paused: of(&self.paused),
			store_failures: of(&self.store_failures),
		}
	}
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: usize) {
	counter.fetch_add(count as u64, Ordering::Relaxed);
}
