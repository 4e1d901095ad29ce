//! Writing the log.

use std::{
	fs::{self, File, OpenOptions, TryLockError},
	io::{self, Write as _},
	path::{Path, PathBuf},
	sync::Arc,
};

use super::{
	entry::{Checkpoint, Entry, Record, MAX_LINE_BYTES},
	error::AuditError,
	scan::Scan,
	segment::{self, Segment},
};
use crate::clock::Clock;

/// When entries are made durable (`fdatasync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
	/// Before an append returns. An entry that was acknowledged survives a loss of power; the
	/// entries of one [`AuditLog::append_all`] share one sync.
	EveryAppend,
	/// When [`AuditLog::sync`] is called and when a segment is full. A loss of power loses the
	/// entries since then; the end of the process alone loses none.
	OnRequest,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
	/// The size that a segment does not exceed, bytes. Taken as 64 KiB if it is less, which is
	/// more than the longest entry.
	pub segment_bytes: u64,
	/// When entries are made durable.
	pub sync: SyncPolicy,
}

impl Default for LogSettings {
	fn default() -> Self {
		Self { segment_bytes: 64 * 1024 * 1024, sync: SyncPolicy::EveryAppend }
	}
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
	/// The number of the entry.
	pub sequence: u64,
	/// The time that it has.
	pub time: u64,
}

/// A log that was opened.
pub struct Opened {
	/// The log.
	pub log: AuditLog,
	/// Bytes of a last line that was cut off when the machine stopped, and which were removed.
	pub repaired_bytes: u64,
}

/// The end of a log, to which entries are appended. One process at a time has it.
pub struct AuditLog {
	folder: PathBuf,
	settings: LogSettings,
	clock: Arc<dyn Clock>,
	file: File,
	segment: Segment,
	/// Bytes of the segment.
	length: u64,
	at: Checkpoint,
	/// The time of the last entry.
	time: u64,
	has_failed: bool,
	/// Held while the log is open.
	_lock: File,
}

/// Entries that are not written yet, and the chain after them.
struct Pending {
	bytes: Vec<u8>,
	at: Checkpoint,
	time: u64,
}

impl AuditLog {
	/// Opens the log in a folder, or begins one. The last two segments are checked; [`super::verify`]
	/// checks them all.
	pub fn open(
		folder: &Path,
		settings: LogSettings,
		clock: Arc<dyn Clock>,
	) -> Result<Opened, AuditError> {
		fs::create_dir_all(folder)?;
		let lock = private(OpenOptions::new().create(true).write(true).truncate(false))
			.open(folder.join("audit.lock"))?;
		lock.try_lock().map_err(|error| match error {
			TryLockError::WouldBlock => AuditError::Locked,
			TryLockError::Error(error) => AuditError::Io(error),
		})?;
		let segments = segment::list(folder)?;
		// The last one may be empty, then the chain's head is in the one before it.
		let tail = &segments[segments.len().saturating_sub(2)..];
		let mut scan = Scan::unanchored(tail.first().map_or(0, |segment| segment.first));
		scan.segments(tail, |_, _| {})?;
		if !scan.is_anchored {
			return Err(AuditError::NoSuchEntry(scan.at.next.saturating_sub(1)));
		}
		let (segment, file) = match segments.last() {
			Some(last) => (last.clone(), OpenOptions::new().append(true).open(&last.path)?),
			None => create(folder, 0)?,
		};
		if scan.torn_bytes > 0 {
			file.set_len(scan.whole_bytes)?;
			file.sync_all()?;
		}
		let log = Self {
			folder: folder.to_owned(),
			settings,
			clock,
			file,
			segment,
			length: scan.whole_bytes,
			at: scan.at,
			time: scan.time,
			has_failed: false,
			_lock: lock,
		};
		Ok(Opened { log, repaired_bytes: scan.torn_bytes })
	}

	/// Where the log ends.
	pub const fn end(&self) -> Checkpoint {
		self.at
	}

	/// Appends an entry. When it returns, the entry is as durable as the sync policy says.
	pub fn append(&mut self, record: &Record) -> Result<Receipt, AuditError> {
		let sequence = self.at.next;
		self.append_all(std::slice::from_ref(record))?;
		Ok(Receipt { sequence, time: self.time })
	}

	/// Appends entries in their order with one write and one sync, unless a segment becomes full
	/// on the way. After an error the log goes on where it ended, see [`Self::end`]: none of the
	/// entries is half written.
	pub fn append_all(&mut self, records: &[Record]) -> Result<(), AuditError> {
		if self.has_failed {
			return Err(AuditError::Failed);
		}
		let now = self.clock.now_seconds();
		let mut pending = self.nothing();
		for record in records {
			let time = now.max(pending.time);
			let entry = Entry::new(record, time, &pending.at);
			let mut line = entry.line().map_err(io::Error::from)?;
			if line.len() >= MAX_LINE_BYTES {
				let (length, limit) = (line.len(), MAX_LINE_BYTES - 1);
				return Err(AuditError::EntryTooLong { length, limit });
			}
			let head = super::Digest::of(line.as_bytes());
			line.push('\n');
			let length = self.length + (pending.bytes.len() + line.len()) as u64;
			if length > self.settings.segment_bytes.max(2 * MAX_LINE_BYTES as u64) {
				self.write(pending)?;
				self.begin_segment()?;
				pending = self.nothing();
			}
			pending.bytes.extend(line.as_bytes());
			pending.at = Checkpoint { next: entry.sequence + 1, head };
			pending.time = time;
		}
		self.write(pending)?;
		match self.settings.sync {
			SyncPolicy::EveryAppend => self.sync(),
			SyncPolicy::OnRequest => Ok(()),
		}
	}

	/// Makes all entries durable.
	pub fn sync(&mut self) -> Result<(), AuditError> {
		// After a failed sync nobody knows what is on the disk, and a second one may lie.
		self.file.sync_data().map_err(|error| {
			self.has_failed = true;
			AuditError::Io(error)
		})
	}

	const fn nothing(&self) -> Pending {
		Pending { bytes: Vec::new(), at: self.at, time: self.time }
	}

	fn write(&mut self, pending: Pending) -> Result<(), AuditError> {
		if let Err(error) = self.file.write_all(&pending.bytes) {
			// A part of it may be there; the next entry must not come after that.
			self.has_failed = self.file.set_len(self.length).is_err();
			return Err(error.into());
		}
		self.length += pending.bytes.len() as u64;
		self.at = pending.at;
		self.time = pending.time;
		Ok(())
	}

	/// Begins a segment after the last one is durable.
	fn begin_segment(&mut self) -> Result<(), AuditError> {
		if self.segment.first == self.at.next {
			return Ok(());
		}
		self.sync()?;
		(self.segment, self.file) = create(&self.folder, self.at.next)?;
		self.length = 0;
		Ok(())
	}
}

fn create(folder: &Path, first: u64) -> io::Result<(Segment, File)> {
	let segment = Segment::new(folder, first);
	let file = private(OpenOptions::new().append(true).create_new(true)).open(&segment.path)?;
	segment::sync_folder(folder)?;
	Ok((segment, file))
}

/// New files may be read by their owner only.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
	#[cfg(unix)]
	std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
	options
}
