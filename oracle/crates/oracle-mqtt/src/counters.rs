//! What happened so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers since the start, except [`in_flight`](Self::in_flight), which goes up and down.
#[derive(Debug, Default)]
pub struct Counters {
	/// Messages that came from the broker, those that came again included.
	pub received: AtomicU64,
	/// Messages the sink stored.
	pub accepted: AtomicU64,
	/// Messages the sink had stored already.
	pub duplicate: AtomicU64,
	/// Messages refused for good, by the sink or by the source itself, and kept by the sink.
	pub rejected: AtomicU64,
	/// Messages whose topic names another device than the message does, those that came again
	/// included. Part of `rejected` as soon as they are kept.
	pub topic_mismatch: AtomicU64,
	/// Messages with a payload larger than allowed, those that came again included. Part of
	/// `rejected` as soon as their beginning is kept.
	pub too_large: AtomicU64,
	/// Times the sink could take nothing.
	pub unavailable: AtomicU64,
	/// Connections made after the first one.
	pub reconnects: AtomicU64,
	/// Messages received and not answered yet.
	pub in_flight: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, number: usize) {
	counter.fetch_add(number as u64, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, number: usize) {
	counter.fetch_sub(number as u64, Ordering::Relaxed);
}
