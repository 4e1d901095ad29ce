//! Whether an audit log is as it was written, by itself and by the chain.

use std::{collections::BTreeMap, path::Path};

use chrono::DateTime;
use codec::Encode;
use oracle_access::audit::{self, DayDigest, SECONDS_PER_DAY};
use serde::Serialize;

use super::{read, remark_of, start_of, AnchorError, AnchoredDay, ANCHORS_FILE};
use crate::chain::{ChainError, FinalizedBlocks};

/// What is known of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DayState {
	/// The chain has its digest.
	OnChain,
	/// It was anchored, and the chain was not asked.
	NotAsked,
	/// It was not anchored. That is so for the present day, and for what was missed.
	NotAnchored,
	/// The log has something else than what was anchored.
	Changed,
	/// The log has no entry of the day that was anchored.
	Missing,
	/// The block is not finalized, not of this chain, or has something else.
	NotOnChain,
}

impl DayState {
	/// Whether somebody has changed something.
	pub const fn is_breach(self) -> bool {
		matches!(self, Self::Changed | Self::Missing | Self::NotOnChain)
	}

	/// In words.
	pub const fn text(self) -> &'static str {
		match self {
			Self::OnChain => "on the chain",
			Self::NotAsked => "anchored, the chain was not asked",
			Self::NotAnchored => "not anchored",
			Self::Changed => "CHANGED since it was anchored",
			Self::Missing => "MISSING in the log",
			Self::NotOnChain => "NOT ON THE CHAIN where it should be",
		}
	}
}

/// A day of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DayReport {
	/// The day in UTC, `YYYY-MM-DD`.
	pub date: String,
	/// The number of its last entry.
	pub last_entry: u64,
	/// What is known of it.
	pub state: DayState,
	/// The number of the block with its digest.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub block_number: Option<u64>,
}

/// What a check of a whole log found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
	/// How many entries there were ever.
	pub entries: u64,
	/// The hash of the last entry.
	pub head: audit::Digest,
	/// How many files it has.
	pub segments: usize,
	/// Bytes of a last line that was cut off, or is being written now.
	pub torn_bytes: u64,
	/// The days, oldest first.
	pub days: Vec<DayReport>,
	/// Whether nothing was changed, as far as was looked.
	pub is_good: bool,
}

/// Why a log cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
	/// The log or the file of anchored days cannot be read, or the log is broken.
	#[error(transparent)]
	Log(#[from] AnchorError),
	/// The node does not answer.
	#[error(transparent)]
	Chain(#[from] ChainError),
}

fn date_of(day: u64) -> String {
	let seconds = i64::try_from(day.saturating_mul(SECONDS_PER_DAY)).ok();
	let date = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
	date.map_or_else(|| format!("day {day}"), |date| date.format("%Y-%m-%d").to_string())
}

/// Whether a transaction ends with a remark of these bytes. The call is the last part of a transaction,
/// and the bytes, with their length before them, the last part of the call.
fn has_remark(extrinsic: &[u8], remark: &[u8]) -> bool {
	extrinsic.ends_with(&remark.encode())
}

/// Checks the log in a folder: every entry against the one before it, every anchored day against the
/// log, and, with a node, against the chain.
///
/// # Errors
/// When something cannot be read, or the log is broken. A day that differs is no error: see the report.
pub async fn verify<B: FinalizedBlocks>(
	folder: &Path,
	blocks: Option<&B>,
) -> Result<AuditReport, VerifyError> {
	let start = start_of(folder)?;
	let (anchored, _) = read(&folder.join(ANCHORS_FILE))?;
	let verified = audit::verify(folder, &start).map_err(AnchorError::from)?;
	let days = audit::digests_of_days(folder, &start, 0, u64::MAX).map_err(AnchorError::from)?;
	let mut by_day: BTreeMap<u64, (Option<&DayDigest>, Option<&AnchoredDay>)> =
		days.iter().map(|day| (day.day, (Some(day), None))).collect();
	// What was archived is not here to be compared.
	let archived = days.first().map_or(0, |first| first.day);
	for day in anchored.iter().filter(|day| start.next == 0 || day.day >= archived) {
		by_day.entry(day.day).or_default().1 = Some(day);
	}
	let mut reports = Vec::with_capacity(by_day.len());
	for (day, (found, anchor)) in by_day {
		let state = state_of(found, anchor, start.next, blocks).await?;
		reports.push(DayReport {
			date: date_of(day),
			last_entry: found.map(|day| day.last).or(anchor.map(|day| day.last)).unwrap_or(0),
			state,
			block_number: anchor.map(|day| day.block_number),
		});
	}
	Ok(AuditReport {
		entries: verified.end.next,
		head: verified.end.head,
		segments: verified.segments,
		torn_bytes: verified.torn_bytes,
		is_good: !reports.iter().any(|day| day.state.is_breach()),
		days: reports,
	})
}

async fn state_of<B: FinalizedBlocks>(
	found: Option<&DayDigest>,
	anchor: Option<&AnchoredDay>,
	first_entry: u64,
	blocks: Option<&B>,
) -> Result<DayState, VerifyError> {
	let (found, anchor) = match (found, anchor) {
		(_, None) => return Ok(DayState::NotAnchored),
		(None, Some(_)) => return Ok(DayState::Missing),
		(Some(found), Some(anchor)) => (found, anchor),
	};
	// The beginning of the first day may have been archived; its end is the same.
	let is_cut = first_entry > 0 && found.first == first_entry;
	if found.last != anchor.last || (!is_cut && found.digest() != anchor.digest) {
		return Ok(DayState::Changed);
	}
	let Some(blocks) = blocks else { return Ok(DayState::NotAsked) };
	let extrinsic = blocks.extrinsic(&anchor.inclusion()).await?;
	let mut remark = remark_of(found);
	if is_cut {
		remark[32..].copy_from_slice(&anchor.digest.0);
	}
	Ok(match extrinsic.is_some_and(|extrinsic| has_remark(&extrinsic, &remark)) {
		true => DayState::OnChain,
		false => DayState::NotOnChain,
	})
}
