//! The files of a log.

use std::{
	fs::{self, File},
	io,
	path::{Path, PathBuf},
};

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
	/// The sequence number of its first entry.
	pub(super) first: u64,
	pub(super) path: PathBuf,
}

impl Segment {
	pub(super) fn new(folder: &Path, first: u64) -> Self {
		Self { first, path: folder.join(format!("audit-{first:020}.jsonl")) }
	}

	/// The name without the folder.
	pub(super) fn name(&self) -> String {
		self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
	}
}

/// The segments of a folder, in order. Other files are left alone.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
	let mut segments = Vec::new();
	for file in fs::read_dir(folder)? {
		let name = file?.file_name();
		let number = name
			.to_str()
			.and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"))
			.and_then(|number| number.parse().ok());
		if let Some(segment) = number.map(|first| Segment::new(folder, first)) {
			if segment.path.file_name() == Some(name.as_os_str()) {
				segments.push(segment);
			}
		}
	}
	segments.sort();
	Ok(segments)
}

/// Makes new and removed names durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
	File::open(folder)?.sync_all()
}
