//! Checks that every configuration needs.

use std::{fmt, io, path::Path, time::Duration};

use zeroize::Zeroizing;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigurationError {
	/// Name of the field in the configuration.
	pub field: &'static str,
	/// One sentence for a human.
	pub reason: String,
}

/// An error about a field.
pub fn invalid(field: &'static str, reason: impl fmt::Display) -> ConfigurationError {
	ConfigurationError { field, reason: reason.to_string() }
}

/// Passes a number on.
///
/// # Errors
/// When it is zero.
pub fn positive<N: PartialEq + Default>(
	field: &'static str,
	value: N,
) -> Result<N, ConfigurationError> {
	if value == N::default() {
		return Err(invalid(field, "must be at least 1"));
	}
	Ok(value)
}

/// A wait. None is longer than a day; that also keeps every deadline within the clock's range.
///
/// # Errors
/// When it is longer.
pub fn milliseconds(field: &'static str, value: u64) -> Result<Duration, ConfigurationError> {
	const DAY_MS: u64 = 24 * 3600 * 1000;
	if value > DAY_MS {
		return Err(invalid(field, "must be at most 86400000, a day"));
	}
	Ok(Duration::from_millis(value))
}

/// A password out of a file, without one line break at the end. Wiped when it is dropped.
///
/// # Errors
/// When the file cannot be read or is no UTF-8.
pub fn read_password(file: &Path) -> io::Result<Zeroizing<String>> {
	let bytes = Zeroizing::new(std::fs::read(file)?);
	let text = std::str::from_utf8(&bytes)
		.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the password is no UTF-8"))?;
	let line = text.strip_suffix('\n').unwrap_or(text);
	Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn limits_are_checked() {
		assert_eq!(positive("a", 0u16).unwrap_err().to_string(), "a: must be at least 1");
		assert_eq!(positive("a", 7usize).unwrap(), 7);
		assert_eq!(milliseconds("b", 86_400_000).unwrap(), Duration::from_secs(86_400));
		assert_eq!(milliseconds("b", 86_400_001).unwrap_err().field, "b");
	}

	#[test]
	fn password_loses_one_line_break_only() {
		let folder = tempfile::TempDir::new().unwrap();
		let file = folder.path().join("password");
		for (content, password) in
			[("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")]
		{
			std::fs::write(&file, content).unwrap();
			assert_eq!(read_password(&file).unwrap().as_str(), password);
		}
		std::fs::write(&file, [0xff]).unwrap();
		assert_eq!(read_password(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
		assert_eq!(
			read_password(&folder.path().join("none")).unwrap_err().kind(),
			io::ErrorKind::NotFound
		);
	}
}
