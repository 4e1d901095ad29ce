//! Reads a file that only its owner has rights to.

use std::{
	fs::{self, File, Metadata},
	io::{self, Read},
	path::Path,
};

/// Why a file was not read.
#[derive(Debug)]
pub enum PrivateFileError {
	/// It cannot be read.
	Unreadable(io::Error),
	/// The path names a folder, a pipe, a socket or a device.
	NotAFile,
	/// Somebody beside the owner has a right to it; its permission bits.
	OpenToOthers(u32),
}

/// Fills the buffer as far as the file goes, and tells how far that was. A buffer that is full afterwards
/// may not be all of the file.
///
/// On systems other than Unix the rights are not checked: protect the folder.
///
/// # Errors
/// See [`PrivateFileError`].
pub fn read_private(path: &Path, buffer: &mut [u8]) -> Result<usize, PrivateFileError> {
	// Before opening, as opening a pipe may wait for ever.
	refuse_what_is_no_file(&fs::metadata(path).map_err(PrivateFileError::Unreadable)?)?;
	let file = File::open(path).map_err(PrivateFileError::Unreadable)?;
	// And again for what was opened: the path may lead elsewhere by now.
	let metadata = file.metadata().map_err(PrivateFileError::Unreadable)?;
	refuse_what_is_no_file(&metadata)?;
	refuse_rights_of_others(&metadata)?;
	read_up_to(file, buffer).map_err(PrivateFileError::Unreadable)
}

fn refuse_what_is_no_file(metadata: &Metadata) -> Result<(), PrivateFileError> {
	match metadata.is_file() {
		true => Ok(()),
		false => Err(PrivateFileError::NotAFile),
	}
}

#[cfg(unix)]
fn refuse_rights_of_others(metadata: &Metadata) -> Result<(), PrivateFileError> {
	use std::os::unix::fs::PermissionsExt;
	match metadata.permissions().mode() & 0o777 {
		mode if mode & 0o077 != 0 => Err(PrivateFileError::OpenToOthers(mode)),
		_only_the_owner => Ok(()),
	}
}

#[cfg(not(unix))]
fn refuse_rights_of_others(_: &Metadata) -> Result<(), PrivateFileError> {
	Ok(())
}

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
