//! When to try again.

use crate::clock::millis;
use chrono::DateTime;
use http::HeaderValue;
use std::time::Duration;

/// When to try again after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
	/// Shortest wait.
	pub shortest: Duration,
	/// Longest wait that is not asked for by the receiver.
	pub longest: Duration,
	/// Longest wait that a receiver can ask for.
	pub longest_asked_for: Duration,
	/// After failing so many times in a row a delivery's subscription is paused.
	pub give_up_failures: u32,
	/// After failing for so long a delivery's subscription is paused.
	pub give_up_after: Duration,
}

impl Default for RetryPolicy {
	/// From a second to an hour; a day if the receiver asks for it. Paused after three days, or
	/// after 200 failures, whichever comes first.
	fn default() -> Self {
		Self {
			shortest: Duration::from_secs(1),
			longest: Duration::from_secs(3600),
			longest_asked_for: Duration::from_secs(24 * 3600),
			give_up_failures: 200,
			give_up_after: Duration::from_secs(3 * 24 * 3600),
		}
	}
}

impl RetryPolicy {
	/// The bounds of the wait after so many failures in a row (from 1), in milliseconds: from the
	/// shortest to the shortest doubled with each failure, at most the longest.
	pub fn bounds_millis(&self, failures: u32) -> (u64, u64) {
		let shortest = millis(self.shortest);
		let doubled = 1u64.checked_shl(failures).map_or(u64::MAX, |f| shortest.saturating_mul(f));
		(shortest, doubled.clamp(shortest, millis(self.longest).max(shortest)))
	}

	/// The wait after so many failures in a row, in milliseconds: anything between the bounds by
	/// chance, so that those who failed together do not come back together; longer if the receiver
	/// asked for it.
	pub fn wait_millis(&self, failures: u32, asked_for: Option<Duration>) -> u64 {
		let (shortest, longest) = self.bounds_millis(failures);
		let asked_for = asked_for.map_or(0, |wait| millis(wait.min(self.longest_asked_for)));
		fastrand::u64(shortest..=longest).max(asked_for)
	}
}

/// The wait that a value of `Retry-After` asks for (RFC 9110, section 10.2.3): seconds or a date.
/// `None` when it is neither. A date that has passed asks for no wait.
pub(crate) fn retry_after(value: &HeaderValue, now_millis: u64) -> Option<Duration> {
	let text = value.to_str().ok()?.trim();
	if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
		// More seconds than fit are more than any bound.
		return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
	}
	let date = DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
	Some(Duration::from_millis(u64::try_from(date).unwrap_or(0).saturating_sub(now_millis)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn asked(text: &str) -> Option<Duration> {
		let now_millis = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT
		retry_after(&HeaderValue::from_str(text).unwrap(), now_millis)
	}

	#[test]
	fn retry_after_is_seconds_or_a_date() {
		assert_eq!(asked("120"), Some(Duration::from_secs(120)));
		assert_eq!(asked(" 0 "), Some(Duration::ZERO));
		assert_eq!(asked("99999999999999999999"), Some(Duration::from_secs(u64::MAX)));
		assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
		assert_eq!(asked("Sun, 06 Nov 1994 08:49:36 GMT"), Some(Duration::ZERO));
		for neither in ["", "-1", "1.5", "soon", "+5", "Sun, 06 Nov"] {
			assert_eq!(asked(neither), None, "{neither}");
		}
	}

	#[test]
	fn bounds_double_up_to_the_longest() {
		let policy = RetryPolicy::default();
		let longest: Vec<u64> = (1..=13).map(|n| policy.bounds_millis(n).1 / 1000).collect();
		assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
		for failures in [63, 64, u32::MAX] {
			assert_eq!(policy.bounds_millis(failures), (1000, 3_600_000));
		}
	}

	proptest! {
		#[test]
		fn wait_is_within_the_bounds(failures: u32, asked_millis: Option<u64>) {
			let policy = RetryPolicy::default();
			let wait = policy.wait_millis(failures, asked_millis.map(Duration::from_millis));
			let (shortest, longest) = policy.bounds_millis(failures);
			let asked = asked_millis.unwrap_or(0).min(24 * 3_600_000);
			prop_assert!(wait >= shortest.max(asked) && wait <= longest.max(asked));
		}
	}

	#[test]
	fn wait_is_by_chance() {
		let policy = RetryPolicy::default();
		let waits: std::collections::BTreeSet<u64> =
			(0..100).map(|_| policy.wait_millis(12, None)).collect();
		assert!(waits.len() > 50, "{waits:?}");
	}
}
