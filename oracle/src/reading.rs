//! A meter's message on its way from the wire to the disk, and the rules it must pass.
//!
//! # The rules, in this order
//!
//! | rule | code |
//! |---|---|
//! | it is a message of the standard | the codes of [`wia_ene_014::error::RejectionCode`] |
//! | neither too old nor from the future, no impossible power | `stale`, `future`, `absurd-power`, .. |
//! | the meter is registered in a zone of this oracle | [`UNKNOWN_METER`] |
//! | at least one interval carries a figure | [`NO_FIGURE`] |
//! | each figure lies within one slot of the chain | [`CROSSES_SLOT`] |
//! | the registered key of the meter signed it | `signature-invalid` |
//! | no other figure of the meter is known for the same time | [`CONFLICTING_READING`] |
//! | the slot is not sealed yet | [`SLOT_SEALED`] |
//!
//! The last two are decided by the [writer](crate::ingest), which alone knows what is stored.
//!
//! An interval of quality `missing` carries no figure: it is kept as part of the signed message,
//! takes up no time, and can be followed by a message that has the figure.

use energy_primitives::{MeterId, MeterIndex, SlotCalendar, SlotSpan, ZoneId};
use serde::Serialize;
use wia_ene_014::{
	canonical::{CanonicalInterval, Quality, SignedMessage},
	check::{check, Limits},
	error::{Rejection, RejectionCode},
};

use crate::registry::Registry;

/// No zone of this oracle has such a meter.
pub const UNKNOWN_METER: &str = "unknown-meter";
/// Every interval is of quality `missing`.
pub const NO_FIGURE: &str = "no-figure";
/// An interval begins in one slot and ends in another.
pub const CROSSES_SLOT: &str = "crosses-slot";
/// A different figure of the meter is stored for the same time.
pub const CONFLICTING_READING: &str = "conflicting-reading";
/// The slot has been attested; its readings can no longer change.
pub const SLOT_SEALED: &str = "slot-sealed";

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
	/// Path of the field in the JSON document, `$` for the document as a whole.
	pub field: String,
	/// One sentence for a human.
	pub reason: String,
	/// The same for a machine; never changed once published.
	pub code: &'static str,
}

impl Refusal {
	/// A refusal because of `field`.
	pub fn new(
		field: impl Into<String>,
		code: &'static str,
		reason: impl std::fmt::Display,
	) -> Self {
		Self { field: field.into(), reason: reason.to_string(), code }
	}
}

impl From<Rejection> for Refusal {
	fn from(rejection: Rejection) -> Self {
		Self { code: rejection.code.as_str(), field: rejection.field, reason: rejection.reason }
	}
}

/// The figures of a message that fall into one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotPart {
	/// The slot and its time.
	pub slot: SlotSpan,
	/// The figures in order of time, each with its place among the intervals of the message.
	pub figures: Vec<(usize, CanonicalInterval)>,
}

/// A message that passed every rule that needs no look into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedReading {
	/// The zone of the meter.
	pub zone: ZoneId,
	/// The place of the meter in the zone.
	pub meter: MeterIndex,
	/// The message and the signature, as they will be stored and attested.
	pub signed: SignedMessage,
	/// What it says, slot by slot.
	pub parts: Vec<SlotPart>,
}

/// How old and how new a message may be.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
	/// The greatest age of a message, and of the end of a reading in it, in seconds.
	pub max_age_seconds: u64,
	/// How far ahead a meter's clock may be, in seconds.
	pub max_future_seconds: u64,
}

impl Default for TimeLimits {
	/// A day, and five minutes.
	fn default() -> Self {
		Self { max_age_seconds: 86_400, max_future_seconds: 300 }
	}
}

/// Reads one JSON message and applies the rules to it.
///
/// # Errors
/// The first broken rule.
pub fn check_reading(
	json: &[u8],
	registry: &Registry,
	now_seconds: u64,
	limits: TimeLimits,
) -> Result<CheckedReading, Refusal> {
	check_signed(SignedMessage::parse(json)?, registry, now_seconds, limits)
}

/// Applies the rules to a message that was read.
///
/// # Errors
/// The first broken rule.
pub fn check_signed(
	signed: SignedMessage,
	registry: &Registry,
	now_seconds: u64,
	limits: TimeLimits,
) -> Result<CheckedReading, Refusal> {
	let meter = registry.meter(&MeterId(signed.message.meter_id));
	check(
		&signed,
		&Limits {
			max_age_seconds: limits.max_age_seconds,
			max_future_seconds: limits.max_future_seconds,
			max_power_w: meter.map(|meter| u64::from(meter.rated_power_w)),
			..Limits::at(now_seconds)
		},
	)?;
	let Some(meter) = meter else {
		return Err(Refusal::new(
			"meterId",
			UNKNOWN_METER,
			"no zone of this oracle has such a meter",
		));
	};
	let Some(calendar) = registry.calendar(meter.zone) else {
		return Err(Refusal::new("meterId", UNKNOWN_METER, "the slots of its zone are not known"));
	};
	let parts = slot_parts(&signed, calendar, now_seconds, limits)?;
	signed.verify_prepared(&meter.key).map_err(Rejection::from)?;
	Ok(CheckedReading { zone: meter.zone, meter: meter.index, signed, parts })
}

/// Sorts the figures of a message into slots.
fn slot_parts(
	signed: &SignedMessage,
	calendar: &SlotCalendar,
	now_seconds: u64,
	limits: TimeLimits,
) -> Result<Vec<SlotPart>, Refusal> {
	let mut parts: Vec<SlotPart> = Vec::new();
	for (place, interval) in signed.message.intervals.iter().enumerate() {
		if interval.quality == Quality::Missing {
			continue;
		}
		let slot = calendar.span(calendar.at(interval.start_seconds));
		let within = interval.end_seconds().filter(|end| *end <= slot.end_seconds);
		let Some(end) = within else {
			return Err(Refusal::new(
				format!("readings[{place}]"),
				CROSSES_SLOT,
				format_args!(
					"a reading must lie within one slot, and the slot in which it begins lasts {} seconds",
					slot.length_seconds()
				),
			));
		};
		let age_seconds = now_seconds.saturating_sub(end);
		if age_seconds > limits.max_age_seconds {
			return Err(Refusal::new(
				format!("readings[{place}].start"),
				RejectionCode::Stale.as_str(),
				format_args!(
					"the reading ended {age_seconds} seconds ago, {} are allowed",
					limits.max_age_seconds
				),
			));
		}
		match parts.last_mut() {
			Some(part) if part.slot == slot => part.figures.push((place, *interval)),
			_ => parts.push(SlotPart { slot, figures: vec![(place, *interval)] }),
		}
	}
	if parts.is_empty() {
		return Err(Refusal::new(
			"readings",
			NO_FIGURE,
			"every reading is of quality missing: there is nothing to attest",
		));
	}
	Ok(parts)
}

/// The figures of a message in one slot, in order of time.
pub fn figures_in(
	signed: &SignedMessage,
	slot: SlotSpan,
) -> impl Iterator<Item = CanonicalInterval> + '_ {
	signed.message.intervals.iter().copied().filter(move |interval| {
		interval.quality != Quality::Missing
			&& interval.start_seconds >= slot.start_seconds
			&& interval.end_seconds().is_some_and(|end| end <= slot.end_seconds)
	})
}
