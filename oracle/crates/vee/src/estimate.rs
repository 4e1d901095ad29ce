//! Estimates for gaps: by the neighbours, by similar days, scaled to the register.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wia_ene_014::canonical::{CanonicalInterval, Quality};

use crate::{apportion::apportion, calendar::Calendar, timeline::TimeSpan};

/// The version of the arithmetic of [`estimate_gap`].
pub const ESTIMATION_VERSION: u16 = 1;
/// Most slots of one gap: a month of quarter hours.
pub const MAX_GAP_SLOTS: u64 = 2_976;
/// Most intervals that one estimate looks at: a hundred days of quarter hours.
pub const MAX_SERIES: usize = 9_600;

/// How gaps are filled.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EstimationRule {
	/// Longest gap in seconds that is filled on a straight line between its neighbours.
	pub max_linear_seconds: u64,
	/// Most similar days that are averaged.
	pub similar_days: u8,
	/// How many days back a similar day may lie.
	pub lookback_days: u16,
}

impl Default for EstimationRule {
	/// Two hours, three days, four weeks.
	fn default() -> Self {
		Self { max_linear_seconds: 7_200, similar_days: 3, lookback_days: 28 }
	}
}

/// A gap to fill.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
	/// The time without figures.
	pub span: TimeSpan,
	/// Length of the slots to estimate, in seconds; the span is a whole number of them.
	pub slot_seconds: u32,
	/// What is known of the meter, in any order. Only figures of quality `Valid`, as validation left
	/// it, and of the length of a slot are used.
	pub known: &'a [CanonicalInterval],
	/// Energy taken in the gap as the register counted it: see [`remaining_wh`].
	pub import_wh: Option<u64>,
	/// Energy given in the gap as the register counted it.
	pub export_wh: Option<u64>,
}

/// How a figure was estimated.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
	/// On a straight line between the figure before the gap and the one after it.
	LinearInterpolation,
	/// The average of the same local time on similar days.
	SimilarDays,
	/// The register's energy in equal parts, for want of anything else.
	EvenSpread,
	/// Not at all: there is nothing to go by.
	None,
}

/// An estimated figure for forecasting, dispatch and display. It is not a reading: it has no
/// signature and is never attested.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
	/// First second.
	pub start_seconds: u64,
	/// Length in seconds.
	pub duration_seconds: u32,
	/// Energy taken, in watt-hours.
	pub import_wh: u64,
	/// Energy given, in watt-hours.
	pub export_wh: u64,
	/// `Estimated`, or `Missing` with no energy where there was nothing to go by.
	pub quality: Quality,
	/// How it was estimated.
	pub method: Method,
	/// Whether energy taken was scaled to the register.
	pub import_scaled: bool,
	/// Whether energy given was scaled to the register.
	pub export_scaled: bool,
	/// The first seconds of the figures it was computed from.
	pub inputs: Vec<u64>,
}

/// Why a gap cannot be filled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EstimateError {
	/// The gap is not a positive whole number of slots.
	#[error("span: not a whole number of slots of {slot_seconds} seconds")]
	NotWholeSlots {
		/// Length of a slot.
		slot_seconds: u32,
	},
	/// The gap is too long.
	#[error("span: {slots} slots, at most {MAX_GAP_SLOTS} are allowed")]
	TooManySlots {
		/// Slots of the gap.
		slots: u64,
	},
	/// Too many figures to look at.
	#[error("known: {count} figures, at most {MAX_SERIES} are allowed")]
	TooManyFigures {
		/// Figures given.
		count: usize,
	},
	/// Two figures for the same time.
	#[error("known: two figures start at {start_seconds}")]
	Conflict {
		/// The time.
		start_seconds: u64,
	},
	/// A figure within the gap: it is none.
	#[error("known: the figure at {start_seconds} lies in the gap")]
	KnownInGap {
		/// The time.
		start_seconds: u64,
	},
	/// The intervals have more energy than the register counted.
	#[error("the intervals have {measured_wh} Wh, the register counted only {register_wh} Wh")]
	MoreThanRegister {
		/// Energy of the intervals.
		measured_wh: u64,
		/// Energy of the register.
		register_wh: u64,
	},
	/// Figures too large to compute with.
	#[error("the energy is too large to compute with")]
	EnergyOverflow,
}

/// What is left for a gap: what the register counted less what the other intervals have.
///
/// # Errors
/// [`EstimateError::MoreThanRegister`]; then the sum check fails and nothing is scaled.
pub fn remaining_wh(register_wh: u64, measured_wh: u64) -> Result<u64, EstimateError> {
	register_wh
		.checked_sub(measured_wh)
		.ok_or(EstimateError::MoreThanRegister { measured_wh, register_wh })
}

/// Fills a gap, slot by slot.
///
/// 1. A gap of at most [`EstimationRule::max_linear_seconds`] with a figure right before and right
///    after it: on a straight line, `(before * (n + 1 - k) + after * k) / (n + 1)` for slot `k` of
///    `n`, rounded half up.
/// 2. Else each slot: the average, rounded half up, of the same local time on up to
///    [`EstimationRule::similar_days`] earlier days of the same kind, the latest first.
/// 3. If the register's energy is known and a slot has nothing to go by, that energy is spread evenly
///    over the whole gap; a direction whose register is not known gets nothing.
/// 4. Else such a slot is `Missing` and has no energy.
///
/// Where the register's energy is known the estimates are scaled to it by [`apportion`], so they sum
/// to it to the watt-hour. No estimate is negative. The result does not depend on the order of
/// `known`.
///
/// # Errors
/// See [`EstimateError`].
pub fn estimate_gap(
	gap: &Gap<'_>,
	rule: &EstimationRule,
	calendar: &Calendar,
) -> Result<Vec<Estimate>, EstimateError> {
	let slots = slot_count(gap)?;
	let known = usable(gap)?;
	let starts: Vec<u64> = (0..slots)
		.map(|slot| {
			gap.span.start_seconds.saturating_add(slot.saturating_mul(gap.slot_seconds.into()))
		})
		.collect();
	let mut estimates = match linear(gap, rule, &known, &starts) {
		Some(estimates) => estimates,
		None => similar_days(gap, rule, calendar, &known, &starts),
	};
	let has_register = gap.import_wh.is_some() || gap.export_wh.is_some();
	if has_register && estimates.iter().any(|slot| slot.method == Method::None) {
		estimates = starts
			.iter()
			.map(|start| estimate(gap, *start, Method::EvenSpread, Vec::new()))
			.collect();
	}
	scale(&mut estimates, gap.import_wh, |estimate| {
		(&mut estimate.import_wh, &mut estimate.import_scaled)
	})?;
	scale(&mut estimates, gap.export_wh, |estimate| {
		(&mut estimate.export_wh, &mut estimate.export_scaled)
	})?;
	Ok(estimates)
}

fn slot_count(gap: &Gap<'_>) -> Result<u64, EstimateError> {
	let slot_seconds = u64::from(gap.slot_seconds);
	let not_whole = EstimateError::NotWholeSlots { slot_seconds: gap.slot_seconds };
	let length = gap.span.end_seconds.checked_sub(gap.span.start_seconds);
	let length = length.filter(|length| *length > 0).ok_or(not_whole.clone())?;
	if length.checked_rem(slot_seconds) != Some(0) {
		return Err(not_whole);
	}
	let slots = length.checked_div(slot_seconds).ok_or(not_whole)?;
	if slots > MAX_GAP_SLOTS {
		return Err(EstimateError::TooManySlots { slots });
	}
	Ok(slots)
}

/// The figures that may be used, by their first second.
fn usable(gap: &Gap<'_>) -> Result<BTreeMap<u64, CanonicalInterval>, EstimateError> {
	if gap.known.len() > MAX_SERIES {
		return Err(EstimateError::TooManyFigures { count: gap.known.len() });
	}
	let mut known = BTreeMap::new();
	for interval in gap.known {
		let usable = interval.quality == Quality::Valid
			&& interval.duration_seconds == gap.slot_seconds
			&& interval.end_seconds().is_some();
		if !usable {
			continue;
		}
		let start_seconds = interval.start_seconds;
		let in_gap = start_seconds < gap.span.end_seconds
			&& interval.end_seconds().is_some_and(|end| end > gap.span.start_seconds);
		if in_gap {
			return Err(EstimateError::KnownInGap { start_seconds });
		}
		if known.insert(start_seconds, *interval).is_some() {
			return Err(EstimateError::Conflict { start_seconds });
		}
	}
	Ok(known)
}

fn estimate(gap: &Gap<'_>, start_seconds: u64, method: Method, inputs: Vec<u64>) -> Estimate {
	Estimate {
		start_seconds,
		duration_seconds: gap.slot_seconds,
		import_wh: 0,
		export_wh: 0,
		quality: if method == Method::None { Quality::Missing } else { Quality::Estimated },
		method,
		import_scaled: false,
		export_scaled: false,
		inputs,
	}
}

fn linear(
	gap: &Gap<'_>,
	rule: &EstimationRule,
	known: &BTreeMap<u64, CanonicalInterval>,
	starts: &[u64],
) -> Option<Vec<Estimate>> {
	if gap.span.end_seconds.saturating_sub(gap.span.start_seconds) > rule.max_linear_seconds {
		return None;
	}
	let before = known.get(&gap.span.start_seconds.checked_sub(gap.slot_seconds.into())?)?;
	let after = known.get(&gap.span.end_seconds)?;
	let parts = (starts.len() as u64).saturating_add(1);
	let at = |from: u64, to: u64, part: u64| {
		// Both factors are at most 2,977, so no product reaches 2^76, and the result lies between
		// `from` and `to`.
		let sum = u128::from(from)
			.saturating_mul(parts.saturating_sub(part).into())
			.saturating_add(u128::from(to).saturating_mul(part.into()));
		rounded(sum, parts)
	};
	starts
		.iter()
		.zip(1..)
		.map(|(start, part)| {
			let inputs = vec![before.start_seconds, after.start_seconds];
			Some(Estimate {
				import_wh: at(before.import_wh, after.import_wh, part)?,
				export_wh: at(before.export_wh, after.export_wh, part)?,
				..estimate(gap, *start, Method::LinearInterpolation, inputs)
			})
		})
		.collect()
}

/// A sum divided by a count, rounded half up.
fn rounded(sum: u128, count: u64) -> Option<u64> {
	let half = u128::from(count / 2);
	u64::try_from(sum.saturating_add(half).checked_div(count.into())?).ok()
}

fn similar_days(
	gap: &Gap<'_>,
	rule: &EstimationRule,
	calendar: &Calendar,
	known: &BTreeMap<u64, CanonicalInterval>,
	starts: &[u64],
) -> Vec<Estimate> {
	// When clocks are set back a local time comes twice; the first counts.
	let mut by_local_time = BTreeMap::new();
	for interval in known.values() {
		by_local_time.entry(calendar.local(interval.start_seconds)).or_insert(interval);
	}
	starts
		.iter()
		.map(|start| {
			let local = calendar.local(*start);
			let kind = calendar.day_kind(local.day);
			let days: Vec<_> = (1..=u64::from(rule.lookback_days))
				.map_while(|back| local.day.checked_sub(back))
				.filter(|day| calendar.day_kind(*day) == kind)
				.filter_map(|day| {
					by_local_time.get(&crate::calendar::LocalTime { day, ..local }).copied()
				})
				.take(rule.similar_days.into())
				.collect();
			let count = days.len() as u64;
			let average = |energy: fn(&CanonicalInterval) -> u64| {
				rounded(days.iter().map(|day| u128::from(energy(day))).sum(), count)
			};
			match (average(|day| day.import_wh), average(|day| day.export_wh)) {
				(Some(import_wh), Some(export_wh)) => Estimate {
					import_wh,
					export_wh,
					..estimate(
						gap,
						*start,
						Method::SimilarDays,
						days.iter().map(|day| day.start_seconds).collect(),
					)
				},
				_ => estimate(gap, *start, Method::None, Vec::new()),
			}
		})
		.collect()
}

fn scale(
	estimates: &mut [Estimate],
	total_wh: Option<u64>,
	field: fn(&mut Estimate) -> (&mut u64, &mut bool),
) -> Result<(), EstimateError> {
	let Some(total_wh) = total_wh else { return Ok(()) };
	let weights: Vec<u64> = estimates.iter_mut().map(|slot| *field(slot).0).collect();
	let parts = apportion(total_wh, &weights).ok_or(EstimateError::EnergyOverflow)?;
	for (slot, part) in estimates.iter_mut().zip(parts) {
		let (energy_wh, scaled) = field(slot);
		*energy_wh = part;
		*scaled = true;
	}
	Ok(())
}
