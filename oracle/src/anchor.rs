//! The audit log on the chain: one hash for each day, where the operator of the log cannot change it.
//!
//! A few moments after midnight UTC the digest of the day that is over goes to the chain as a remark of
//! 64 bytes, numbers big-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0 to 15 | the tag `wia014-audit-day` |
//! | 16 to 23 | the day, days since 1970-01-01 |
//! | 24 to 31 | the number of the day's last entry |
//! | 32 to 63 | [`DayDigest::digest`] |
//!
//! When the remark is in a finalized block, its place is written to the file `anchors.jsonl` beside the
//! log. A day without entries has no remark. After a crash between the two, the day goes to the chain
//! once more, which does no harm: both remarks say the same. Of days that were missed, the newest
//! [`MAX_DAYS_AT_ONCE`] are made up for; older ones are covered by the day after them, whose digest
//! stands for all entries before it.
//!
//! [`verify`](verify::verify) compares the log, the file and the chain.

use std::{
	fs::{self, File, OpenOptions},
	io::{self, Read as _, Write as _},
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use oracle_access::audit::{self, AuditError, Checkpoint, DayDigest, SECONDS_PER_DAY};
use serde::{Deserialize, Serialize};
use sp_core::H256;

use crate::{
	backoff::{Backoff, Pace},
	chain::{AttestError, ChainClient, Inclusion},
	clock::Clock,
};

pub mod verify;

/// What every remark begins with.
pub const TAG: [u8; 16] = *b"wia014-audit-day";
/// The length of a remark.
pub const REMARK_BYTES: usize = 64;
/// How many days are made up for at once.
pub const MAX_DAYS_AT_ONCE: usize = 31;
/// The file of anchored days, in the folder of the audit log.
pub const ANCHORS_FILE: &str = "anchors.jsonl";
/// How long after midnight a day is over for sure: a decision of its last second is written by then.
const GRACE_SECONDS: u64 = 60;
/// How often it is looked whether a day is over.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How long to wait before a remark is sent again.
const PACE: Pace = Pace { first: Duration::from_secs(10), longest: Duration::from_secs(600) };
/// The longest file of anchored days, bytes: two centuries of days.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The remark of a day.
pub fn remark_of(day: &DayDigest) -> [u8; REMARK_BYTES] {
	let mut bytes = [0; REMARK_BYTES];
	bytes[..16].copy_from_slice(&TAG);
	bytes[16..24].copy_from_slice(&day.day.to_be_bytes());
	bytes[24..32].copy_from_slice(&day.last.to_be_bytes());
	bytes[32..].copy_from_slice(&day.digest().0);
	bytes
}

/// A day that is on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchoredDay {
	/// Days since 1970-01-01.
	pub day: u64,
	/// The number of the day's last entry.
	pub last: u64,
	/// The digest of the day.
	pub digest: audit::Digest,
	/// The number of the block.
	pub block_number: u64,
	/// The hash of the block.
	pub block_hash: H256,
	/// The place of the transaction in the block.
	pub extrinsic_index: u32,
}

impl AnchoredDay {
	fn new(day: &DayDigest, at: Inclusion) -> Self {
		let Inclusion { block_number, block_hash, extrinsic_index } = at;
		let (digest, last) = (day.digest(), day.last);
		Self { day: day.day, last, digest, block_number, block_hash, extrinsic_index }
	}

	fn inclusion(&self) -> Inclusion {
		let Self { block_number, block_hash, extrinsic_index, .. } = *self;
		Inclusion { block_number, block_hash, extrinsic_index }
	}
}

/// Why days cannot be anchored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
	/// The log cannot be read, or was changed.
	#[error(transparent)]
	Audit(#[from] AuditError),
	/// The file of anchored days cannot be read or written.
	#[error("the file of anchored days: {0}")]
	File(#[from] io::Error),
	/// A line of the file of anchored days cannot be read.
	#[error("line {line} of the file of anchored days: {reason}")]
	Malformed {
		/// The line, from 1.
		line: usize,
		/// What is wrong.
		reason: String,
	},
	/// The chain did not take the remark, as far as is known.
	#[error("the chain: {0}")]
	Chain(#[from] AttestError),
	/// A part broke off.
	#[error("reading the log broke off")]
	BrokeOff,
}

/// The whole lines of the file of anchored days, and how many bytes they have. A last line without an
/// end is what remains when the machine stops while it is written.
fn read(path: &Path) -> Result<(Vec<AnchoredDay>, u64), AnchorError> {
	let mut text = Vec::new();
	match File::open(path) {
		Ok(file) => file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?,
		Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
		Err(error) => return Err(error.into()),
	};
	if text.len() as u64 > MAX_FILE_BYTES {
		return Err(io::Error::other("it is too long").into());
	}
	let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
	let mut days: Vec<AnchoredDay> = Vec::new();
	for (index, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
		let malformed =
			|reason: String| AnchorError::Malformed { line: index.saturating_add(1), reason };
		let day: AnchoredDay =
			serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
		if days.last().is_some_and(|before| before.day >= day.day) {
			return Err(malformed("its day is not after the one before it".to_owned()));
		}
		days.push(day);
	}
	Ok((days, whole as u64))
}

/// Adds a line; it is on disk when this returns.
fn append(path: &Path, day: &AnchoredDay) -> Result<(), AnchorError> {
	let (_days, whole) = read(path)?;
	let mut line = serde_json::to_vec(day).map_err(io::Error::from)?;
	line.push(b'\n');
	let mut options = OpenOptions::new();
	options.create(true).append(true);
	#[cfg(unix)]
	std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
	let mut file = options.open(path)?;
	file.set_len(whole)?;
	file.write_all(&line)?;
	file.sync_all()?;
	let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
	File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
	Ok(())
}

/// The first day that may get more entries.
const fn first_open_day(now_seconds: u64) -> u64 {
	now_seconds.saturating_sub(GRACE_SECONDS) / SECONDS_PER_DAY
}

/// Brings the digest of each day to the chain.
pub struct Anchor<C> {
	/// The chain.
	pub chain: Arc<C>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// The folder of the audit log.
	pub folder: PathBuf,
}

/// Runs what reads the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
	work: impl FnOnce() -> Result<T, AnchorError> + Send + 'static,
) -> Result<T, AnchorError> {
	tokio::task::spawn_blocking(work).await.unwrap_or(Err(AnchorError::BrokeOff))
}

impl<C: ChainClient> Anchor<C> {
	/// Anchors each day when it is over, and what was missed. Does not end; to stop it, drop it.
	///
	/// A chain that is away, or a log that cannot be read, is no reason to stop taking readings: it is
	/// tried again.
	pub async fn run(&self) {
		let mut backoff = Backoff::new(PACE);
		let mut done_before = 0;
		loop {
			let until = first_open_day(self.clock.now_seconds());
			if until <= done_before {
				tokio::time::sleep(LOOK_INTERVAL).await;
				continue;
			}
			match self.catch_up(until).await {
				Ok(anchored) => {
					if anchored > 0 {
						tracing::info!(days = anchored, "the audit log is anchored on the chain");
					}
					done_before = until;
					backoff = Backoff::new(PACE);
				}
				Err(error) => {
					let wait = backoff.after_failure();
					match &error {
						AnchorError::Chain(_) => {
							tracing::warn!(%error, ?wait, "the audit log is not anchored yet");
						}
						_ => tracing::error!(%error, ?wait, "the audit log cannot be anchored"),
					}
					tokio::time::sleep(wait).await;
				}
			}
		}
	}

	/// Anchors the days before `until` that are not, the oldest first; how many.
	///
	/// # Errors
	/// The first thing that goes wrong. The days before it are anchored.
	pub async fn catch_up(&self, until: u64) -> Result<usize, AnchorError> {
		let (folder, path) = (self.folder.clone(), self.folder.join(ANCHORS_FILE));
		let days = blocking(move || {
			let (anchored, _) = read(&folder.join(ANCHORS_FILE))?;
			let from = anchored.last().map_or(0, |last| last.day.saturating_add(1));
			let start = start_of(&folder)?;
			Ok(audit::digests_of_days(&folder, &start, from, until)?)
		})
		.await?;
		let missed = days.len().saturating_sub(MAX_DAYS_AT_ONCE);
		if missed > 0 {
			tracing::warn!(missed, "these days are anchored by the days after them only");
		}
		let mut count: usize = 0;
		for day in &days[missed..] {
			let at = self.chain.remark(&remark_of(day)).await?;
			let (path, anchored) = (path.clone(), AnchoredDay::new(day, at));
			blocking(move || append(&path, &anchored)).await?;
			count = count.saturating_add(1);
		}
		Ok(count)
	}
}

/// The file that says where a log begins whose oldest segments were archived: a [`Checkpoint`] in JSON,
/// as `prune` returns it.
pub const START_FILE: &str = "start.json";

/// Where a log begins.
fn start_of(folder: &Path) -> Result<Checkpoint, AnchorError> {
	match fs::read(folder.join(START_FILE)) {
		Ok(text) => Ok(serde_json::from_slice(&text).map_err(io::Error::from)?),
		Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Checkpoint::GENESIS),
		Err(error) => Err(error.into()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_day_is_over_a_minute_after_midnight() {
		let midnight = 20_000 * SECONDS_PER_DAY;
		for (now, expected) in [
			(0, 0),
			(midnight - 1, 19_999),
			(midnight, 19_999),
			(midnight + 59, 19_999),
			(midnight + 60, 20_000),
			(midnight + SECONDS_PER_DAY, 20_000),
		] {
			assert_eq!(first_open_day(now), expected, "{now}");
		}
	}
}
