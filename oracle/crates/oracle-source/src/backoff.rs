//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from the shortest to the longest wait.
#[derive(Debug)]
pub struct Backoff {
	shortest: Duration,
	longest: Duration,
	next: Duration,
}

impl Backoff {
	/// Begins with the shortest wait.
	pub fn new(shortest: Duration, longest: Duration) -> Self {
		Self { shortest, longest, next: shortest }
	}

	/// The next wait, between half of it and the whole: many that lost the same broker do not come
	/// back at the same moment.
	pub fn wait(&mut self) -> Duration {
		let whole = self.next;
		self.next = whole.saturating_mul(2).min(self.longest);
		whole.mul_f64(0.5 + 0.5 * fastrand::f64())
	}

	/// Begins again with the shortest wait.
	pub fn reset(&mut self) {
		self.next = self.shortest;
	}

	/// The longest wait.
	pub fn longest(&self) -> Duration {
		self.longest
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn wait_doubles_up_to_the_longest_and_begins_again() {
		let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
		for whole in [100, 200, 350, 350] {
			let wait = backoff.wait();
			let whole = Duration::from_millis(whole);
			assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
		}
		backoff.reset();
		assert!(backoff.wait() <= Duration::from_millis(100));
	}
}
