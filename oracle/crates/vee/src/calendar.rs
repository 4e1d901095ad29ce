//! Local days: which day a second belongs to, what weekday it is, and whether it is a holiday.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Seconds of a day of ordinary length.
pub const SECONDS_PER_DAY: u64 = 86_400;
/// Monday, as [`Calendar::weekday`] counts.
pub const MONDAY: u8 = 0;
/// Tuesday, as [`Calendar::weekday`] counts.
pub const TUESDAY: u8 = 1;
/// Wednesday, as [`Calendar::weekday`] counts.
pub const WEDNESDAY: u8 = 2;
/// Thursday, as [`Calendar::weekday`] counts.
pub const THURSDAY: u8 = 3;
/// Friday, as [`Calendar::weekday`] counts.
pub const FRIDAY: u8 = 4;
/// Saturday, as [`Calendar::weekday`] counts.
pub const SATURDAY: u8 = 5;
/// Sunday, as [`Calendar::weekday`] counts. Holidays count as Sundays.
pub const SUNDAY: u8 = 6;

/// From a moment on, local time runs so many seconds ahead of UTC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OffsetChange {
	/// First second for which the offset holds, in unix seconds.
	pub from_seconds: u64,
	/// Local time minus UTC, in seconds; at most a day either way.
	pub offset_seconds: i32,
}

/// Why a calendar cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CalendarError {
	/// The changes are not in order of time, each later than the one before.
	#[error("offsets[{index}].from_seconds: not later than the change before")]
	Unsorted {
		/// Place of the change.
		index: usize,
	},
	/// An offset of more than a day.
	#[error("offsets[{index}].offset_seconds: more than a day")]
	OffsetTooLarge {
		/// Place of the change.
		index: usize,
	},
}

/// A second as a clock on the wall shows it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LocalTime {
	/// Local days since 1970-01-01.
	pub day: u64,
	/// Seconds since local midnight as the clock shows it, below 86,400.
	pub second_of_day: u32,
}

/// Days that are alike in how much energy is used.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DayKind {
	/// Monday to Friday, no holiday.
	Workday,
	/// A Saturday that is no holiday.
	Saturday,
	/// A Sunday or a holiday.
	SundayOrHoliday,
}

/// Local time and holidays, given as data. The default is UTC without holidays.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "CalendarData", into = "CalendarData")]
pub struct Calendar {
	offsets: Vec<OffsetChange>,
	holidays: BTreeSet<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CalendarData {
	offsets: Vec<OffsetChange>,
	holidays: BTreeSet<u64>,
}

impl TryFrom<CalendarData> for Calendar {
	type Error = CalendarError;

	fn try_from(data: CalendarData) -> Result<Self, CalendarError> {
		Self::new(data.offsets, data.holidays)
	}
}

impl From<Calendar> for CalendarData {
	fn from(calendar: Calendar) -> Self {
		Self { offsets: calendar.offsets, holidays: calendar.holidays }
	}
}

impl Calendar {
	/// A calendar from the changes of the offset, in order of time, and the holidays as local days
	/// since 1970-01-01. Before the first change local time is UTC.
	///
	/// # Errors
	/// See [`CalendarError`].
	pub fn new(
		offsets: Vec<OffsetChange>,
		holidays: impl IntoIterator<Item = u64>,
	) -> Result<Self, CalendarError> {
		let mut previous = None;
		for (index, change) in offsets.iter().enumerate() {
			if u64::from(change.offset_seconds.unsigned_abs()) > SECONDS_PER_DAY {
				return Err(CalendarError::OffsetTooLarge { index });
			}
			if previous.is_some_and(|earlier| change.from_seconds <= earlier) {
				return Err(CalendarError::Unsorted { index });
			}
			previous = Some(change.from_seconds);
		}
		Ok(Self { offsets, holidays: holidays.into_iter().collect() })
	}

	/// Local time minus UTC at a moment, in seconds.
	pub fn offset_at(&self, seconds: u64) -> i32 {
		let after = self.offsets.partition_point(|change| change.from_seconds <= seconds);
		after.checked_sub(1).and_then(|last| self.offsets.get(last)).map_or(0, |c| c.offset_seconds)
	}

	/// The local time of a moment. Moments before the local 1970-01-01 count as its first second.
	pub fn local(&self, seconds: u64) -> LocalTime {
		let local = seconds.saturating_add_signed(self.offset_at(seconds).into());
		// The remainder is below 86,400.
		let second_of_day = u32::try_from(local % SECONDS_PER_DAY).unwrap_or(0);
		LocalTime { day: local / SECONDS_PER_DAY, second_of_day }
	}

	/// First second of a local day, in unix seconds.
	pub fn day_start_seconds(&self, day: u64) -> u64 {
		let midnight = day.saturating_mul(SECONDS_PER_DAY);
		let back = |offset: i32| midnight.saturating_add_signed(i64::from(offset).saturating_neg());
		// The offset just before the midnight that the first guess gives is the one in force.
		back(self.offset_at(back(self.offset_at(midnight))))
	}

	/// How long a local day is in seconds: 86,400, or an hour more or less when clocks change.
	pub fn day_length_seconds(&self, day: u64) -> u64 {
		self.day_start_seconds(day.saturating_add(1)).saturating_sub(self.day_start_seconds(day))
	}

	/// The weekday, Monday is 0. A holiday counts as [`SUNDAY`].
	pub fn weekday(&self, day: u64) -> u8 {
		if self.holidays.contains(&day) {
			return SUNDAY;
		}
		// 1970-01-01 was a Thursday. The remainder is below 7.
		u8::try_from((day % 7).saturating_add(3) % 7).unwrap_or(0)
	}

	/// What kind of day it is.
	pub fn day_kind(&self, day: u64) -> DayKind {
		match self.weekday(day) {
			SUNDAY => DayKind::SundayOrHoliday,
			SATURDAY => DayKind::Saturday,
			_ => DayKind::Workday,
		}
	}
}

/// The month of a local day since 1970-01-01, January is 0, in the Gregorian calendar.
pub(crate) fn month_of_day(day: u64) -> usize {
	// Days of 400 years repeat; 1970-01-01 is day 719,162 of the proleptic calendar from 0001-01-01.
	let mut rest = day.saturating_add(719_162) % 146_097;
	let centuries = (rest / 36_524).min(3);
	rest = rest.saturating_sub(centuries.saturating_mul(36_524));
	let fours = rest / 1_461;
	rest %= 1_461;
	let years = (rest / 365).min(3);
	rest = rest.saturating_sub(years.saturating_mul(365));
	let leap = years == 3 && (fours != 24 || centuries == 3);
	let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
	for (month, length) in lengths.iter().enumerate() {
		if rest < *length {
			return month;
		}
		rest = rest.saturating_sub(*length);
	}
	11
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn month_is_right_when_counted_day_by_day_for_a_thousand_years() {
		let mut day = 0u64;
		for year in 1970..2970u64 {
			let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
			let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
			for (month, length) in lengths.iter().enumerate() {
				for _ in 0..*length {
					assert_eq!(month_of_day(day), month, "day {day} of year {year}");
					day += 1;
				}
			}
		}
	}

	#[test]
	fn weekday_is_thursday_when_day_is_zero() {
		let calendar = Calendar::new(Vec::new(), [4]).unwrap();
		assert_eq!(calendar.weekday(0), THURSDAY);
		assert_eq!(calendar.weekday(3), SUNDAY);
		assert_eq!(calendar.weekday(4), SUNDAY, "a holiday counts as a Sunday");
		assert_eq!(calendar.weekday(11), MONDAY);
		assert_eq!(calendar.day_kind(4), DayKind::SundayOrHoliday);
		assert_eq!(calendar.day_kind(2), DayKind::Saturday);
		assert_eq!(calendar.day_kind(11), DayKind::Workday);
	}

	/// Berlin in 2026: summer time from 2026-03-29 01:00 UTC to 2026-10-25 01:00 UTC.
	fn berlin() -> Calendar {
		Calendar::new(
			vec![
				OffsetChange { from_seconds: 0, offset_seconds: 3_600 },
				OffsetChange { from_seconds: 1_774_746_000, offset_seconds: 7_200 },
				OffsetChange { from_seconds: 1_792_890_000, offset_seconds: 3_600 },
			],
			[],
		)
		.unwrap()
	}

	#[test]
	fn day_is_an_hour_shorter_or_longer_when_clocks_change() {
		let calendar = berlin();
		let spring = calendar.local(1_774_746_000).day;
		let autumn = calendar.local(1_792_890_000).day;
		assert_eq!(calendar.day_length_seconds(spring), 82_800);
		assert_eq!(calendar.day_length_seconds(autumn), 90_000);
		assert_eq!(calendar.day_length_seconds(spring + 1), 86_400);
		assert_eq!(calendar.weekday(spring), SUNDAY);
		for day in [spring, spring + 1, autumn, autumn + 1] {
			let start = calendar.day_start_seconds(day);
			assert_eq!(calendar.local(start), LocalTime { day, second_of_day: 0 });
			assert_eq!(calendar.local(start - 1).day, day - 1);
		}
	}

	#[test]
	fn new_fails_when_changes_are_unsorted_or_too_large() {
		let change = |from_seconds, offset_seconds| OffsetChange { from_seconds, offset_seconds };
		assert_eq!(
			Calendar::new(vec![change(5, 0), change(5, 60)], []),
			Err(CalendarError::Unsorted { index: 1 })
		);
		assert_eq!(
			Calendar::new(vec![change(5, -86_401)], []),
			Err(CalendarError::OffsetTooLarge { index: 0 })
		);
		let json = r#"{"offsets":[{"from_seconds":5,"offset_seconds":90000}],"holidays":[]}"#;
		assert!(serde_json::from_str::<Calendar>(json).unwrap_err().to_string().contains("a day"));
	}

	#[test]
	fn local_does_not_panic_when_at_the_ends_of_time() {
		let calendar =
			Calendar::new(vec![OffsetChange { from_seconds: 0, offset_seconds: -3_600 }], [])
				.unwrap();
		assert_eq!(calendar.local(0), LocalTime { day: 0, second_of_day: 0 });
		assert_eq!(calendar.local(u64::MAX).day, (u64::MAX - 3_600) / SECONDS_PER_DAY);
		assert!(calendar.day_start_seconds(u64::MAX) > 0);
	}
}
