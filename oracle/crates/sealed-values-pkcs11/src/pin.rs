//! The file with the PIN.

use std::{
	fs::{self, File, Metadata},
	io::{self, Read},
	path::Path,
};

use cryptoki::types::AuthPin;
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
	let unreadable = |source| PinFileError::Unreadable { path: path.to_owned(), source };
	// Before opening, as opening a pipe may wait for ever.
	refuse_what_is_no_file(path, &fs::metadata(path).map_err(unreadable)?)?;
	let file = File::open(path).map_err(unreadable)?;
	// And again for what was opened: the path may lead elsewhere by now.
	let metadata = file.metadata().map_err(unreadable)?;
	refuse_what_is_no_file(path, &metadata)?;
	refuse_rights_of_others(path, &metadata)?;

	// One byte more than allowed tells a file that is too long.
	let mut content = Zeroizing::new([0; MAX_FILE_BYTES + 1]);
	let length = read_up_to(file, content.as_mut_slice()).map_err(unreadable)?;
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

fn refuse_what_is_no_file(path: &Path, metadata: &Metadata) -> Result<(), PinFileError> {
	match metadata.is_file() {
		true => Ok(()),
		false => Err(PinFileError::NotAFile { path: path.to_owned() }),
	}
}

#[cfg(unix)]
fn refuse_rights_of_others(path: &Path, metadata: &Metadata) -> Result<(), PinFileError> {
	use std::os::unix::fs::PermissionsExt;
	let mode = metadata.permissions().mode() & 0o777;
	if mode & 0o077 != 0 {
		return Err(PinFileError::OpenToOthers { path: path.to_owned(), mode });
	}
	Ok(())
}

#[cfg(not(unix))]
fn refuse_rights_of_others(_: &Path, _: &Metadata) -> Result<(), PinFileError> {
	Ok(())
}

/// Fills the buffer as far as the source goes, and tells how far that was.
fn read_up_to(mut source: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
	let mut length = 0;
	while length < buffer.len() {
		match source.read(&mut buffer[length..]) {
			Ok(0) => break,
			Ok(count) => length += count,
			Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
			Err(error) => return Err(error),
		}
	}
	Ok(length)
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
