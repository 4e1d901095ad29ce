//! What time it is, and waiting: a port, so that tests decide.

use std::{
	future::Future,
	pin::Pin,
	time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A future in a box.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tells the time and waits.
pub trait Clock: Send + Sync + 'static {
	/// Milliseconds since 1970-01-01T00:00:00Z.
	fn now_millis(&self) -> u64;

	/// Ready when it is that time, or later.
	fn sleep_until(&self, millis: u64) -> BoxFuture<()>;
}

/// The clock of this machine. A clock before 1970 counts as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
	fn now_millis(&self) -> u64 {
		let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
		millis(since)
	}

	/// Waits as long as it is until then by now: a clock that is set meanwhile changes nothing.
	fn sleep_until(&self, millis: u64) -> BoxFuture<()> {
		let wait = Duration::from_millis(millis.saturating_sub(self.now_millis()));
		Box::pin(tokio::time::sleep(wait))
	}
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
	u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
