//! How much one client may ask for: a bucket of requests that fills again (the generic cell rate
//! algorithm), for each address before anything is known of its sender, and for each client after.

use std::{
	hash::Hash,
	net::{IpAddr, Ipv6Addr},
	num::NonZeroU32,
	sync::atomic::{AtomicU64, Ordering},
	time::Duration,
};

use axum::http::StatusCode;
use governor::{clock::Clock, DefaultKeyedRateLimiter, Quota};
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// After how many requests clients that have been quiet are forgotten.
const FORGET_EVERY: u64 = 1_024;

/// How many requests a client may send.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
	/// Requests in a second, over a long time, of one client; no limit with 0. Requests that bring
	/// readings do not count: the way in has limits of its own.
	pub requests_per_second: u32,
	/// Requests at once.
	pub burst: u32,
	/// How many clients may share an address, for the limit that holds before a token is looked at.
	pub clients_per_address: u32,
	/// Requests with readings in a second, of one address; no limit with 0.
	pub reading_requests_per_second: u32,
}

impl Default for RateSettings {
	/// 50 requests in a second and 200 at once of a client, 8 clients at an address; readings without
	/// limit.
	fn default() -> Self {
		Self {
			requests_per_second: 50,
			burst: 200,
			clients_per_address: 8,
			reading_requests_per_second: 0,
		}
	}
}

/// A limit for each client of a kind.
pub struct Rate<K: Hash + Eq + Clone> {
	limiter: Option<DefaultKeyedRateLimiter<K>>,
	checks: AtomicU64,
}

impl<K: Hash + Eq + Clone> Rate<K> {
	/// So many requests in a second, and `burst` at once; no limit with 0.
	pub fn new(per_second: u32, burst: u32) -> Self {
		let quota = NonZeroU32::new(per_second).map(|per_second| {
			Quota::per_second(per_second).allow_burst(NonZeroU32::new(burst).unwrap_or(per_second))
		});
		Self { limiter: quota.map(DefaultKeyedRateLimiter::keyed), checks: AtomicU64::new(0) }
	}

	/// Counts a request.
	///
	/// # Errors
	/// 429 when there were too many.
	pub fn check(&self, key: &K) -> Result<(), Problem> {
		let Some(limiter) = &self.limiter else { return Ok(()) };
		if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
			limiter.retain_recent();
		}
		limiter.check_key(key).map_err(|early| {
			let wait = early.wait_time_from(limiter.clock().now());
			Problem {
				retry_after_seconds: Some(whole_seconds(wait)),
				..Problem::new(
					StatusCode::TOO_MANY_REQUESTS,
					"too-many-requests",
					"this client asks too often",
				)
			}
		})
	}
}

fn whole_seconds(wait: Duration) -> u32 {
	let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
	u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// What counts as one address: of IPv6 the network, because whoever has one address has all of it.
pub fn network_of(address: IpAddr) -> IpAddr {
	match address.to_canonical() {
		IpAddr::V4(address) => IpAddr::V4(address),
		IpAddr::V6(address) => {
			let [a, b, c, d, ..] = address.segments();
			IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn each_client_has_its_own_bucket() {
		let rate = Rate::new(1, 3);
		for _ in 0..3 {
			assert!(rate.check(&"first").is_ok());
		}
		let problem = rate.check(&"first").expect_err("the bucket is empty");
		assert_eq!((problem.status, problem.retry_after_seconds), (429, Some(1)));
		assert!(rate.check(&"second").is_ok());
		assert!(Rate::new(0, 1).check(&"anybody").is_ok());
	}

	#[test]
	fn clients_that_are_quiet_are_forgotten() {
		let rate = Rate::new(1_000_000, 1);
		for key in 0..10 * FORGET_EVERY {
			let _ = rate.check(&key);
		}
		let kept = rate.limiter.as_ref().map_or(0, |limiter| limiter.len()) as u64;
		assert!(kept < 3 * FORGET_EVERY, "{kept}");
	}

	#[test]
	fn addresses_of_one_network_are_one() {
		let of = |text: &str| network_of(text.parse().expect("an address"));
		assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
		assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
		assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
		assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
		assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
	}
}
