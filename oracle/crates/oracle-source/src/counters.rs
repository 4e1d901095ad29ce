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
	/// Messages the sink refused for good.
	pub rejected: AtomicU64,
	/// Messages the source refused itself; not part of `rejected`.
	pub refused: AtomicU64,
	/// Times the sink could take nothing.
	pub unavailable: AtomicU64,
	/// Connections made after the first one.
	pub reconnects: AtomicU64,
	/// Messages offered to the sink and not answered yet.
	pub in_flight: AtomicU64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, number: usize) {
	counter.fetch_add(number as u64, Ordering::Relaxed);
}

/// Subtracts from a counter.
pub fn subtract(counter: &AtomicU64, number: usize) {
	counter.fetch_sub(number as u64, Ordering::Relaxed);
}
