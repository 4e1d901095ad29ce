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
//! | the meter has not too many figures in the slot | [`TOO_MANY_FIGURES`] |
//! | the slot is not sealed yet | [`SLOT_SEALED`] |
//!
//! The last three are decided by the [writer](crate::ingest), which alone knows what is stored.
//!
//! An interval of quality `missing` carries no figure: it is kept as part of the signed message,
//! takes up no time, and can be followed by a message that has the figure.

use std::fmt::Display;

use energy_primitives::{MeterId, SlotCalendar, SlotSpan};
use oracle_port::Rejection;
use smallvec::{smallvec, SmallVec};
use wia_ene_014::{
	canonical::{CanonicalInterval, Quality, SignedMessage},
	check::{check, Limits},
	error::{Rejection as Fault, RejectionCode},
};

use crate::registry::{RegisteredMeter, Registry};

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

/// Whoever sends may not send for this meter.
pub const NOT_PERMITTED: &str = "not-permitted";
/// A meter has as many figures in the slot as it may have.
pub const TOO_MANY_FIGURES: &str = "too-many-figures";

/// A rejection because of `field`.
pub fn rejection(field: impl Into<String>, code: &str, reason: impl Display) -> Rejection {
	Rejection { field: field.into(), reason: reason.to_string(), code: code.to_owned() }
}

/// A rejection for what the standard says.
pub fn fault(fault: Fault) -> Rejection {
	rejection(fault.field, fault.code.as_str(), fault.reason)
}

/// The intervals of a message that fall into one slot, by their places in it, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotPart {
	/// The slot and its time.
	pub slot: SlotSpan,
	/// Places among the intervals of the message.
	pub places: SmallVec<[u16; 4]>,
}

/// The parts of a message; most have one.
pub type SlotParts = SmallVec<[SlotPart; 1]>;

/// A message that passed every rule but for its signature and the look into the store.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
	/// The meter that it is said to come from.
	pub meter: &'a RegisteredMeter,
	/// The message and the signature, as they will be stored and attested.
	pub signed: SignedMessage,
	/// What it says, slot by slot.
	pub parts: SlotParts,
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

/// Applies the rules down to the slots to a message that was read.
///
/// # Errors
/// The first broken rule.
pub fn check_rules<'a>(
	signed: SignedMessage,
	registry: &'a Registry,
	now_seconds: u64,
	limits: TimeLimits,
) -> Result<Candidate<'a>, Rejection> {
	let meter = registry.meter(&MeterId(signed.message.meter_id));
	check(
		&signed,
		&Limits {
			max_age_seconds: limits.max_age_seconds,
			max_future_seconds: limits.max_future_seconds,
			max_power_w: meter.map(|meter| u64::from(meter.rated_power_w)),
			..Limits::at(now_seconds)
		},
	)
	.map_err(fault)?;
	let unknown = |reason| rejection("meterId", UNKNOWN_METER, reason);
	let meter = meter.ok_or_else(|| unknown("no zone of this oracle has such a meter"))?;
	let calendar = registry
		.calendar(meter.zone)
		.ok_or_else(|| unknown("the slots of its zone are not known"))?;
	let parts = slot_parts(&signed, calendar, now_seconds, limits)?;
	Ok(Candidate { meter, signed, parts })
}

/// Sorts the figures of a message into slots.
fn slot_parts(
	signed: &SignedMessage,
	calendar: &SlotCalendar,
	now_seconds: u64,
	limits: TimeLimits,
) -> Result<SlotParts, Rejection> {
	let mut parts = SlotParts::new();
	for (place, interval) in (0u16..).zip(&signed.message.intervals) {
		if interval.quality == Quality::Missing {
			continue;
		}
		let slot = calendar.span(calendar.at(interval.start_seconds));
		let within = interval.end_seconds().filter(|end| *end <= slot.end_seconds);
		let Some(end) = within else {
			return Err(rejection(
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
			return Err(rejection(
				format!("readings[{place}].start"),
				RejectionCode::Stale.as_str(),
				format_args!(
					"the reading ended {age_seconds} seconds ago, {} are allowed",
					limits.max_age_seconds
				),
			));
		}
		match parts.last_mut() {
			Some(part) if part.slot == slot => part.places.push(place),
			_ => parts.push(SlotPart { slot, places: smallvec![place] }),
		}
	}
	if parts.is_empty() {
		return Err(rejection(
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
