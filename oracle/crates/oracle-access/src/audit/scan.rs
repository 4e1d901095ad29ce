//! Reading a log and checking its chain.

use std::{
	fs::{self, File},
	io::{BufRead as _, BufReader, Read as _},
	path::Path,
};

use super::{
	entry::{Checkpoint, Digest, Entry, MAX_LINE_BYTES},
	error::{AuditError, Breach},
	segment::{self, Segment},
};

/// What a check of the chain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
	/// Where the log begins.
	pub start: Checkpoint,
	/// Where it ends. Compare it with a checkpoint that was kept elsewhere.
	pub end: Checkpoint,
	/// How many files it has.
	pub segments: usize,
	/// Bytes of a last line that was cut off when the machine stopped.
	pub torn_bytes: u64,
}

/// Checks every entry of every segment in `folder`. The log must begin at `start`:
/// [`Checkpoint::GENESIS`], or what [`prune`] returned.
pub fn verify(folder: &Path, start: &Checkpoint) -> Result<Verified, AuditError> {
	let segments = segment::list(folder)?;
	let mut scan = Scan::from(start);
	scan.segments(&segments, |_, _| {})?;
	Ok(Verified {
		start: *start,
		end: scan.at,
		segments: segments.len(),
		torn_bytes: scan.torn_bytes,
	})
}

/// Removes the segments that have only entries before `keep_from`, after all of the log from
/// `start` on was verified. Returns where the rest begins. The last segment with an entry stays.
pub fn prune(folder: &Path, start: &Checkpoint, keep_from: u64) -> Result<Checkpoint, AuditError> {
	let segments = segment::list(folder)?;
	let mut scan = Scan::from(start);
	// Where each segment begins that has an entry.
	let mut begins = Vec::new();
	scan.segments(&segments, |entry, _| {
		let next = begins.len();
		if segments.get(next).is_some_and(|segment| segment.first == entry.sequence) {
			begins.push(Checkpoint { next: entry.sequence, head: entry.previous });
		}
	})?;
	if keep_from > scan.at.next {
		return Err(AuditError::NoSuchEntry(keep_from));
	}
	// The last segment with an entry stays, because it has the head of the chain.
	let over = begins.iter().skip(1).take_while(|begin| begin.next <= keep_from).count();
	let kept = begins.get(over).copied().unwrap_or(*start);
	for segment in &segments[..over] {
		fs::remove_file(&segment.path)?;
	}
	segment::sync_folder(folder)?;
	Ok(kept)
}

/// A walk along the chain.
pub(super) struct Scan {
	/// Where it is.
	pub(super) at: Checkpoint,
	/// The time of the last entry.
	pub(super) time: u64,
	/// Bytes of the last segment that are whole lines.
	pub(super) whole_bytes: u64,
	/// Bytes after them.
	pub(super) torn_bytes: u64,
	/// The file and line of the last entry.
	last: Option<(String, u64)>,
	/// Whether the hash before the next entry is known.
	pub(super) is_anchored: bool,
}

impl Scan {
	pub(super) fn from(start: &Checkpoint) -> Self {
		Self { at: *start, time: 0, whole_bytes: 0, torn_bytes: 0, last: None, is_anchored: true }
	}

	/// A walk that believes what the first entry says of the one before it.
	pub(super) fn unanchored(next: u64) -> Self {
		let at = Checkpoint { next, ..Checkpoint::GENESIS };
		Self { is_anchored: next == 0, ..Self::from(&at) }
	}

	/// Walks through segments that are the end of a log. `visit` sees every entry and its hash.
	pub(super) fn segments(
		&mut self,
		segments: &[Segment],
		mut visit: impl FnMut(&Entry, &Digest),
	) -> Result<(), AuditError> {
		for (index, segment) in segments.iter().enumerate() {
			let is_last = index + 1 == segments.len();
			if segment.first != self.at.next {
				return Err(self.broken(segment, 1, Breach::Displaced));
			}
			self.segment(segment, is_last, &mut visit)?;
		}
		Ok(())
	}

	fn segment(
		&mut self,
		segment: &Segment,
		is_last: bool,
		visit: &mut impl FnMut(&Entry, &Digest),
	) -> Result<(), AuditError> {
		let mut reader = BufReader::with_capacity(256 * 1024, File::open(&segment.path)?);
		let mut line = Vec::new();
		(self.whole_bytes, self.torn_bytes) = (0, 0);
		for number in 1.. {
			line.clear();
			let limit = MAX_LINE_BYTES as u64 + 1;
			let length = reader.by_ref().take(limit).read_until(b'\n', &mut line)? as u64;
			if length == 0 {
				break;
			}
			if line.pop_if(|byte| *byte == b'\n').is_none() {
				if length == limit {
					return Err(self.broken(segment, number, Breach::TooLong));
				}
				if !is_last {
					return Err(self.broken(segment, number, Breach::CutOff));
				}
				self.torn_bytes = length;
				break;
			}
			self.whole_bytes += length;
			self.line(segment, number, &line, visit)?;
		}
		Ok(())
	}

	fn line(
		&mut self,
		segment: &Segment,
		number: u64,
		line: &[u8],
		visit: &mut impl FnMut(&Entry, &Digest),
	) -> Result<(), AuditError> {
		let broken = |breach| self.broken(segment, number, breach);
		let entry: Entry = serde_json::from_slice(line).map_err(|_| broken(Breach::NotAnEntry))?;
		if entry.sequence != self.at.next {
			return Err(broken(Breach::Displaced));
		}
		if self.is_anchored && entry.previous != self.at.head {
			// The entry before is not the one that this one was made after.
			let Some((name, line)) = &self.last else {
				return Err(broken(Breach::Changed));
			};
			return Err(AuditError::Broken {
				sequence: entry.sequence - 1,
				segment: name.clone(),
				line: *line,
				breach: Breach::Changed,
			});
		}
		if entry.time < self.time {
			return Err(broken(Breach::TimeBackwards));
		}
		let hash = Digest::of(line);
		visit(&entry, &hash);
		self.at = Checkpoint { next: entry.sequence + 1, head: hash };
		self.time = entry.time;
		self.is_anchored = true;
		self.last = Some((segment.name(), number));
		Ok(())
	}

	fn broken(&self, segment: &Segment, line: u64, breach: Breach) -> AuditError {
		AuditError::Broken { sequence: self.at.next, segment: segment.name(), line, breach }
	}
}
