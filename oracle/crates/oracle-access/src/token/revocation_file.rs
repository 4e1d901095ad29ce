//! Keeping revocations over a restart.

use std::{
	fs::{self, File, OpenOptions},
	io::{self, Read as _, Write as _},
	path::{Path, PathBuf},
};

use super::revocation::{Revocation, RevocationError, Revocations};

/// The longest file that is read, bytes: more than a full list of revocations and its changes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Lines beyond those in force before the file is written anew.
const SPARE_LINES: usize = 1_000;

/// Why revocations cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationFileError {
	/// The file system refuses.
	#[error("the file of revocations cannot be read or written: {0}")]
	Io(#[from] io::Error),
	/// A whole line is not a revocation. Nothing is taken from the file then, because who was
	/// revoked in that line would be let in again.
	#[error("line {line} of the file of revocations is not a revocation")]
	Malformed {
		/// The line, from 1.
		line: usize,
	},
	/// The list is full.
	#[error(transparent)]
	Full(#[from] RevocationError),
}

/// A file with a revocation in JSON on each line. One process at a time has it.
///
/// A line is on the disk before [`Self::revoke`] returns. The file is written anew without what has
/// expired when it is opened, and when it has many more lines than there are revocations in force:
/// so its length is bounded as the list is.
pub struct RevocationFile {
	path: PathBuf,
	file: File,
	/// Lines of the file.
	lines: usize,
}

impl RevocationFile {
	/// Reads a file, if there is one, into a list, and begins a new one without what has expired. A
	/// last line without an end is what remains when the machine stops while it is written: it was
	/// never reported as done, and is left out.
	pub fn open(
		path: &Path,
		revocations: &Revocations,
		now: u64,
	) -> Result<Self, RevocationFileError> {
		for revocation in read(path)? {
			revocations.revoke(revocation, now)?;
		}
		let (file, lines) = write_anew(path, revocations, now)?;
		Ok(Self { path: path.to_owned(), file, lines })
	}

	/// Takes a revocation into the list and writes it down. After an error it may be in force in
	/// this process, and is not kept.
	pub fn revoke(
		&mut self,
		revocation: Revocation,
		revocations: &Revocations,
		now: u64,
	) -> Result<(), RevocationFileError> {
		let mut line = serde_json::to_vec(&revocation).map_err(io::Error::from)?;
		line.push(b'\n');
		revocations.revoke(revocation, now)?;
		let length = self.file.metadata()?.len();
		let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
		if let Err(error) = written {
			// No half line may stand before the next one.
			self.file.set_len(length)?;
			return Err(error.into());
		}
		self.lines += 1;
		let in_force = revocations.in_force(now).len();
		if self.lines > in_force.saturating_mul(2).saturating_add(SPARE_LINES) {
			(self.file, self.lines) = write_anew(&self.path, revocations, now)?;
		}
		Ok(())
	}
}

fn read(path: &Path) -> Result<Vec<Revocation>, RevocationFileError> {
	let file = match File::open(path) {
		Ok(file) => file,
		Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
		Err(error) => return Err(error.into()),
	};
	let mut text = Vec::new();
	file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
	if text.len() as u64 > MAX_FILE_BYTES {
		return Err(io::Error::other("the file is too long").into());
	}
	let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
	let lines = text[..whole].split_inclusive(|byte| *byte == b'\n');
	lines
		.enumerate()
		.map(|(index, line)| {
			serde_json::from_slice(line)
				.map_err(|_| RevocationFileError::Malformed { line: index + 1 })
		})
		.collect()
}

/// Writes what is in force beside the file and puts it in the file's place.
fn write_anew(
	path: &Path,
	revocations: &Revocations,
	now: u64,
) -> Result<(File, usize), RevocationFileError> {
	let in_force = revocations.in_force(now);
	let mut text = Vec::new();
	for revocation in &in_force {
		serde_json::to_writer(&mut text, revocation).map_err(io::Error::from)?;
		text.push(b'\n');
	}
	let mut name = path.file_name().unwrap_or_default().to_owned();
	name.push(".new");
	let new_path = path.with_file_name(name);
	let mut options = OpenOptions::new();
	options.write(true).create(true).truncate(true);
	#[cfg(unix)]
	std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
	let mut new_file = options.open(&new_path)?;
	new_file.write_all(&text)?;
	new_file.sync_all()?;
	fs::rename(&new_path, path)?;
	let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
	File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
	Ok((OpenOptions::new().append(true).open(path)?, in_force.len()))
}
