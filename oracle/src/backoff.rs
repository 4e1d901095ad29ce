//! Waiting between attempts: longer each time, never quite as long as another one waits.

use std::{
	collections::hash_map::RandomState,
	hash::{BuildHasher, Hasher},
	time::Duration,
};

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
	/// The wait after the first failure.
	pub first: Duration,
	/// The longest wait.
	pub longest: Duration,
}

/// Doubles the wait with every failure, and takes a random part of it off.
#[derive(Clone, Debug)]
pub struct Backoff {
	pace: Pace,
	next: Duration,
}

impl Backoff {
	/// No failure yet.
	pub fn new(pace: Pace) -> Self {
		Self { pace, next: pace.first }
	}

	/// The wait after one more failure: between half of the present step and all of it.
	pub fn after_failure(&mut self) -> Duration {
		let step = self.next.min(self.pace.longest);
		self.next = step.saturating_mul(2).min(self.pace.longest);
		// Each `RandomState` has fresh keys, which is random enough to keep oracles apart.
		let random = RandomState::new().build_hasher().finish() % 1_000;
		let share = u32::try_from(random).unwrap_or(0);
		let half = step / 2;
		half.saturating_add(half.saturating_mul(share) / 1_000)
	}

	/// Begins anew.
	pub fn reset(&mut self) {
		self.next = self.pace.first;
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn wait_doubles_up_to_the_longest_and_keeps_within_its_step() {
		let pace = Pace { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
		let mut backoff = Backoff::new(pace);
		for step in [100, 200, 400, 800, 1_000, 1_000] {
			let wait = backoff.after_failure();
			let step = Duration::from_millis(step);
			assert!(wait >= step / 2 && wait <= step, "{wait:?} for {step:?}");
		}
		backoff.reset();
		assert!(backoff.after_failure() <= pace.first);
	}
}
