//! What time it is: a port, so that tests decide.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
	/// Seconds since 1970-01-01T00:00:00Z.
	fn now_seconds(&self) -> u64;
}

/// The clock of this machine. A clock before 1970 counts as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
	fn now_seconds(&self) -> u64 {
		SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
	}
}
