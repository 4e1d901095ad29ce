//! Checks that need a clock or a limit, for the moment a message arrives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
	canonical::{SignedMessage, MAX_INTERVALS},
	error::{Rejection, RejectionCode},
};

/// How many seconds after the timestamp of its message a reading may end.
///
/// Covers a gateway that takes the moment of assembly from its own clock. It is no licence to
/// read the future: that is bounded by [`Limits::max_future_seconds`].
pub const END_TOLERANCE_SECONDS: u64 = 60;

/// What an operator accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
	/// The moment of arrival, in unix seconds.
	pub now_seconds: u64,
	/// How old a message may be. Bounds the message, not the readings in it: a meter that was
	/// offline for a day sends old readings in a new message.
	pub max_age_seconds: u64,
	/// How far ahead of us the clock of a meter may be.
	pub max_future_seconds: u64,
	/// Largest mean power of a reading in watts, import and export each; `None` for no limit.
	///
	/// The energy allowed is `max_power_w * durationSeconds / 3600` watt-hours, rounded up, because
	/// a meter that counts whole watt-hours may tick at any moment.
	pub max_power_w: Option<u64>,
	/// Most readings in a message; at most [`MAX_INTERVALS`] whatever is set.
	pub max_intervals: usize,
}

impl Limits {
	/// A day of age, five minutes of clock error, no power limit, 96 readings.
	pub const fn at(now_seconds: u64) -> Self {
		Self {
			now_seconds,
			max_age_seconds: 86_400,
			max_future_seconds: 300,
			max_power_w: None,
			max_intervals: MAX_INTERVALS,
		}
	}

	/// [`Limits::at`] the present. A clock before 1970 counts as 1970.
	pub fn now() -> Self {
		let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
		Self::at(now.as_secs())
	}
}

/// Checks a message against [`CanonicalMessage::validate`] and the limits.
///
/// The signature is not verified here, because that needs the key: see [`SignedMessage::verify`].
/// The totals of `energyData` are not compared with the readings: the standard does not say over
/// which period they run, and consumption behind the meter is not import.
///
/// [`CanonicalMessage::validate`]: crate::CanonicalMessage::validate
///
/// # Errors
/// The first rule broken: those of `validate`, then [`RejectionCode::TooManyReadings`],
/// [`RejectionCode::Stale`], [`RejectionCode::Future`], and for each reading
/// [`RejectionCode::EndsAfterTimestamp`] and [`RejectionCode::AbsurdPower`].
pub fn check(signed: &SignedMessage, limits: &Limits) -> Result<(), Rejection> {
	let message = &signed.message;
	message.validate()?;
	if message.intervals.len() > limits.max_intervals {
		return Err(Rejection::new(
			"readings",
			RejectionCode::TooManyReadings,
			format_args!(
				"there are {} readings, at most {} are allowed",
				message.intervals.len(),
				limits.max_intervals
			),
		));
	}
	let age_seconds = limits.now_seconds.saturating_sub(message.timestamp_seconds);
	if age_seconds > limits.max_age_seconds {
		return Err(Rejection::new(
			"timestamp",
			RejectionCode::Stale,
			format_args!("{age_seconds} seconds old, {} are allowed", limits.max_age_seconds),
		));
	}
	let ahead_seconds = message.timestamp_seconds.saturating_sub(limits.now_seconds);
	if ahead_seconds > limits.max_future_seconds {
		return Err(Rejection::new(
			"timestamp",
			RejectionCode::Future,
			format_args!(
				"{ahead_seconds} seconds in the future, {} are allowed",
				limits.max_future_seconds
			),
		));
	}
	let latest_end = message.timestamp_seconds.saturating_add(END_TOLERANCE_SECONDS);
	for (index, interval) in message.intervals.iter().enumerate() {
		if interval.end_seconds().is_none_or(|end| end > latest_end) {
			return Err(Rejection::new(
				format_args!("readings[{index}].durationSeconds"),
				RejectionCode::EndsAfterTimestamp,
				"the reading ends after the timestamp of the message",
			));
		}
		let Some(max_power_w) = limits.max_power_w else { continue };
		let most_wh = u128::from(max_power_w)
			.saturating_mul(interval.duration_seconds.into())
			.div_ceil(3_600);
		for (field, energy_wh) in [("import", interval.import_wh), ("export", interval.export_wh)] {
			if u128::from(energy_wh) > most_wh {
				return Err(Rejection::new(
					format_args!("readings[{index}].{field}.value"),
					RejectionCode::AbsurdPower,
					format_args!(
						"{energy_wh} Wh in {} seconds, at most {most_wh} Wh are possible",
						interval.duration_seconds
					),
				));
			}
		}
	}
	Ok(())
}
