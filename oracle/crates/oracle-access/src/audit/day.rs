//! One hash for each day, to be kept where the operator of the log cannot change it.

use std::path::Path;

use serde::Serialize;

use super::{
	entry::{Checkpoint, Digest},
	error::AuditError,
	scan::Scan,
	segment,
};

/// Seconds of a day in UTC.
pub const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// What separates this hash from every other use of SHA-256.
const DOMAIN: &[u8] = b"energy-oracle/audit-day/1";

/// The entries of a day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayDigest {
	/// Days since 1970-01-01.
	pub day: u64,
	/// The number of its first entry.
	pub first: u64,
	/// The number of its last entry.
	pub last: u64,
	/// The hash of the entry before the first.
	pub before: Digest,
	/// The hash of the last entry, which stands for all entries up to it.
	pub head: Digest,
}

impl DayDigest {
	/// The hash to keep: SHA-256 of `energy-oracle/audit-day/1`, the day, the first and the last
	/// number (64 bits each, big-endian) and the two hashes.
	pub fn digest(&self) -> Digest {
		let mut bytes = DOMAIN.to_vec();
		for number in [self.day, self.first, self.last] {
			bytes.extend(number.to_be_bytes());
		}
		bytes.extend(self.before.0);
		bytes.extend(self.head.0);
		Digest::of(&bytes)
	}
}

/// The digest of a day, days since 1970-01-01 in UTC, after the whole log from `start` on was
/// verified. `None` if the day has no entry. It is final when the day is over.
pub fn digest_of_day(
	folder: &Path,
	start: &Checkpoint,
	day: u64,
) -> Result<Option<DayDigest>, AuditError> {
	let mut found: Option<DayDigest> = None;
	Scan::from(start).segments(&segment::list(folder)?, |entry, hash| {
		if entry.time / SECONDS_PER_DAY == day {
			let (first, before) =
				found.map_or((entry.sequence, entry.previous), |found| (found.first, found.before));
			found = Some(DayDigest { day, first, last: entry.sequence, before, head: *hash });
		}
	})?;
	Ok(found)
}

/// The digests of the days from `from` on and before `until` that have entries, by day, after the whole
/// log from `start` on was verified in one walk.
pub fn digests_of_days(
	folder: &Path,
	start: &Checkpoint,
	from: u64,
	until: u64,
) -> Result<Vec<DayDigest>, AuditError> {
	let mut days: Vec<DayDigest> = Vec::new();
	Scan::from(start).segments(&segment::list(folder)?, |entry, hash| {
		let day = entry.time / SECONDS_PER_DAY;
		if !(from..until).contains(&day) {
			return;
		}
		let (last, head) = (entry.sequence, *hash);
		match days.last_mut().filter(|found| found.day == day) {
			Some(found) => (found.last, found.head) = (last, head),
			None => {
				days.push(DayDigest { day, first: last, last, before: entry.previous, head });
			}
		}
	})?;
	Ok(days)
}
