//! The file with the PIN.

use std::path::Path;

use cryptoki::types::AuthPin;
use sealed_values::{read_private, PrivateFileError};
use zeroize::Zeroizing;

use crate::error::PinFileError;

/// The longest PIN, bytes.
const MAX_PIN_BYTES: usize = 255;

/// The longest file, bytes: the PIN, and a line end of two.
const MAX_FILE_BYTES: usize = MAX_PIN_BYTES + 2;

/// The PIN in a file that only its owner has rights to. It is overwritten when dropped.
///
/// On systems other than Unix the rights are not checked: protect the folder.
pub(crate) fn read(path: &Path) -> Result<AuthPin, PinFileError> {
	// One byte more than allowed tells a file that is too long.
	let mut content = Zeroizing::new([0; MAX_FILE_BYTES + 1]);
	let length = read_private(path, content.as_mut_slice()).map_err(|error| {
		let path = path.to_owned();
		match error {
			PrivateFileError::Unreadable(source) => PinFileError::Unreadable { path, source },
			PrivateFileError::NotAFile => PinFileError::NotAFile { path },
			PrivateFileError::OpenToOthers(mode) => PinFileError::OpenToOthers { path, mode },
		}
	})?;
	let pin = parse(&content[..length])
		.ok_or_else(|| PinFileError::Malformed { path: path.to_owned() })?;
	Ok(AuthPin::new(pin.into()))
}

/// The PIN in the content of a file.
fn parse(content: &[u8]) -> Option<&str> {
	let line = content.strip_suffix(b"\n").unwrap_or(content);
	let line = line.strip_suffix(b"\r").unwrap_or(line);
	let is_one_line = !line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
	let fits = (1..=MAX_PIN_BYTES).contains(&line.len()) && is_one_line;
	std::str::from_utf8(line).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_pin_is_one_line() {
		for content in ["1234", "1234\n", "1234\r\n"] {
			assert_eq!(parse(content.as_bytes()), Some("1234"), "{content:?}");
		}
		assert_eq!(parse(" pin ".as_bytes()), Some(" pin "), "spaces belong to the PIN");
		let longest = "1".repeat(MAX_PIN_BYTES);
		assert_eq!(parse(longest.as_bytes()), Some(longest.as_str()));
		let too_long = "1".repeat(MAX_PIN_BYTES + 1);
		for content in ["", "\n", "\r\n", "1234\n\n", "12\n34", "12\x0034", &too_long] {
			assert_eq!(parse(content.as_bytes()), None, "{content:?}");
		}
		assert_eq!(parse(b"\xff1234"), None);
	}
}
