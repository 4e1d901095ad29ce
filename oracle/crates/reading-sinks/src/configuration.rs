//! Checks that several configurations need.

use std::{net::IpAddr, time::Duration};

use oracle_source::{invalid, milliseconds, positive, ConfigurationError};

/// A wait that is at least a millisecond.
///
/// # Errors
/// When it is zero or longer than a day.
pub(crate) fn wait(field: &'static str, value_ms: u64) -> Result<Duration, ConfigurationError> {
	milliseconds(field, positive(field, value_ms)?)
}

/// A number from 1 to a limit.
///
/// # Errors
/// When it is outside.
pub(crate) fn at_most(
	field: &'static str,
	value: usize,
	limit: usize,
) -> Result<usize, ConfigurationError> {
	match positive(field, value)? {
		value if value > limit => Err(invalid(field, format!("must be at most {limit}"))),
		value => Ok(value),
	}
}

/// The shortest and the longest wait between two tries to reach the other side.
///
/// # Errors
/// When one is no wait or they are the wrong way round.
pub(crate) fn retries(
	minimum_ms: u64,
	maximum_ms: u64,
) -> Result<(Duration, Duration), ConfigurationError> {
	let minimum = wait("reconnect_minimum_ms", minimum_ms)?;
	let maximum = wait("reconnect_maximum_ms", maximum_ms)?;
	if maximum < minimum {
		return Err(invalid("reconnect_maximum_ms", "must be at least reconnect_minimum_ms"));
	}
	Ok((minimum, maximum))
}

/// Whether what is sent to a host stays on this machine.
pub(crate) fn is_this_machine(host: &str) -> bool {
	host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn limits_are_checked() {
		assert_eq!(wait("a", 0).unwrap_err().to_string(), "a: must be at least 1");
		assert_eq!(wait("a", 86_400_001).unwrap_err().field, "a");
		assert_eq!(wait("a", 5).unwrap(), Duration::from_millis(5));
		assert_eq!(at_most("a", 0, 3).unwrap_err().to_string(), "a: must be at least 1");
		assert_eq!(at_most("a", 4, 3).unwrap_err().to_string(), "a: must be at most 3");
		assert_eq!(at_most("a", 3, 3).unwrap(), 3);
		assert_eq!(retries(0, 1).unwrap_err().field, "reconnect_minimum_ms");
		assert_eq!(retries(2, 1).unwrap_err().field, "reconnect_maximum_ms");
		assert!(retries(2, 2).is_ok());
	}

	#[test]
	fn only_loopback_is_this_machine() {
		for (host, is) in [
			("localhost", true),
			("127.1.2.3", true),
			("::1", true),
			("localhost.example", false),
			("10.0.0.1", false),
			("", false),
		] {
			assert_eq!(is_this_machine(host), is, "{host}");
		}
	}
}
