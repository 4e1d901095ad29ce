//! What can be wrong with a log.

use std::io;

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
	/// It is not a line that this log writes.
	#[error("it is not an entry")]
	NotAnEntry,
	/// It is longer than any entry.
	#[error("it is too long for an entry")]
	TooLong,
	/// Its line has no end, but others follow.
	#[error("it is cut off and others follow")]
	CutOff,
	/// Another entry is in its place: it is missing, or one was added or moved.
	#[error("another entry is in its place")]
	Displaced,
	/// Its hash is not the one that the next entry has, or it is the first one and does not follow
	/// from where the log should begin.
	#[error("it is not the entry that the chain was made with")]
	Changed,
	/// Its time is before that of the entry before it.
	#[error("its time is before that of the entry before it")]
	TimeBackwards,
}

/// Why a log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
	/// The file system refuses.
	#[error("the audit log cannot be read or written: {0}")]
	Io(#[from] io::Error),
	/// Somebody changed the log. All entries before this one are as they were written.
	#[error("audit log broken at entry {sequence} ({segment}, line {line}): {breach}")]
	Broken {
		/// The first entry that cannot be trusted.
		sequence: u64,
		/// The file.
		segment: String,
		/// The line in the file, from 1.
		line: u64,
		/// What is wrong.
		breach: Breach,
	},
	/// Another process has the log open.
	#[error("another process writes to the audit log")]
	Locked,
	/// An entry would be too long.
	#[error("the entry would have {length} bytes, the limit is {limit}")]
	EntryTooLong {
		/// Bytes of the entry.
		length: usize,
		/// The most there may be.
		limit: usize,
	},
	/// A write failed before and what is on the disk is not known. The log must be opened again.
	#[error("the audit log failed before and must be opened again")]
	Failed,
	/// The entry that something is to begin with, or to continue from, is not there.
	#[error("entry {0} is not in the log")]
	NoSuchEntry(u64),
}
