//! When the other side may be tried again.

use std::{
	sync::{Mutex, PoisonError},
	time::Duration,
};

use oracle_source::Backoff;
use tokio::time::{sleep_until, Instant};

/// Makes callers wait after a failure, longer with every one.
pub(crate) struct Pace(Mutex<State>);

struct State {
	backoff: Backoff,
	not_before: Option<Instant>,
}

impl Pace {
	pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
		let backoff = Backoff::new(shortest, longest);
		Self(Mutex::new(State { backoff, not_before: None }))
	}

	/// Returns when the next try may begin: at once, unless the last one failed.
	pub(crate) async fn wait(&self) {
		let not_before = self.change(|state| state.not_before);
		if let Some(moment) = not_before {
			sleep_until(moment).await;
		}
	}

	/// The other side is there.
	pub(crate) fn succeeded(&self) {
		self.change(|state| {
			state.backoff.reset();
			state.not_before = None;
		});
	}

	/// The other side is not there. Returns the wait until the next try.
	pub(crate) fn failed(&self) -> Duration {
		self.change(|state| {
			let wait = state.backoff.wait();
			state.not_before = Some(Instant::now() + wait);
			wait
		})
	}

	/// A change is never left half done, so a panic elsewhere spoils nothing.
	fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
		change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
	}
}
