use crate::ExportError;

/// How the customer's clock differs from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
	/// Local standard time minus UTC, in seconds, from -14 to 14 hours.
	pub offset_seconds: i32,
	/// The summer half of the year; none where the clock is never changed.
	pub daylight_saving: Option<DaylightSaving>,
}

/// When the clock is changed, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaylightSaving {
	/// Daylight saving time minus standard time, in seconds, from 1 second to 2 hours.
	pub offset_seconds: u32,
	/// When it begins.
	pub start: SwitchRule,
	/// When it ends.
	pub end: SwitchRule,
}

/// A moment of each year at which the clock is changed: a weekday of a month at a full hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchRule {
	/// Month, from 1 to 12.
	pub month: u8,
	/// Which of the month's weekdays.
	pub occurrence: Occurrence,
	/// The weekday.
	pub weekday: Weekday,
	/// Hour of the local clock before the change, from 0 to 23.
	pub hour: u8,
}

/// Which of the weekdays of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
	/// The first.
	First,
	/// The second.
	Second,
	/// The third.
	Third,
	/// The fourth.
	Fourth,
	/// The last.
	Last,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Weekday {
	Monday,
	Tuesday,
	Wednesday,
	Thursday,
	Friday,
	Saturday,
	Sunday,
}

/// `DstRuleType` of a clock that is never changed.
const NO_SWITCH: u32 = 0xFFFF_FFFF;

const MAX_OFFSET_SECONDS: i32 = 14 * 3600;
const MAX_DAYLIGHT_SAVING_SECONDS: u32 = 2 * 3600;

impl SwitchRule {
	/// The rule as `DstRuleType` of ESPI. From the highest bit: month (4 bits), which weekday (3:
	/// 2 is the first, 7 the last), day of the month (5, unused), weekday (3: 1 is Monday, 7
	/// Sunday), hour (5), second of the hour (12, unused).
	pub fn code(self) -> u32 {
		let occurrence: u32 = match self.occurrence {
			Occurrence::First => 2,
			Occurrence::Second => 3,
			Occurrence::Third => 4,
			Occurrence::Fourth => 5,
			Occurrence::Last => 7,
		};
		let weekday: u32 = match self.weekday {
			Weekday::Monday => 1,
			Weekday::Tuesday => 2,
			Weekday::Wednesday => 3,
			Weekday::Thursday => 4,
			Weekday::Friday => 5,
			Weekday::Saturday => 6,
			Weekday::Sunday => 7,
		};
		u32::from(self.month) << 28 | occurrence << 25 | weekday << 17 | u32::from(self.hour) << 12
	}
}

impl LocalTime {
	/// `dstStartRule`, `dstEndRule` and `dstOffset` (seconds) of ESPI.
	pub(crate) fn daylight_saving_codes(&self) -> (u32, u32, u32) {
		match self.daylight_saving {
			Some(saving) => (saving.start.code(), saving.end.code(), saving.offset_seconds),
			None => (NO_SWITCH, NO_SWITCH, 0),
		}
	}

	/// Number of the local standard day, counted from 1970-01-01.
	pub(crate) fn day(&self, seconds: u64) -> i128 {
		(i128::from(seconds) + i128::from(self.offset_seconds)).div_euclid(86_400)
	}

	pub(crate) fn check(&self) -> Result<(), ExportError> {
		check_range(
			"offset_seconds",
			self.offset_seconds.into(),
			(-MAX_OFFSET_SECONDS).into(),
			MAX_OFFSET_SECONDS.into(),
		)?;
		let Some(saving) = self.daylight_saving else { return Ok(()) };
		check_range(
			"daylight_saving.offset_seconds",
			saving.offset_seconds.into(),
			1,
			MAX_DAYLIGHT_SAVING_SECONDS.into(),
		)?;
		for rule in [saving.start, saving.end] {
			check_range("daylight_saving.month", rule.month.into(), 1, 12)?;
			check_range("daylight_saving.hour", rule.hour.into(), 0, 23)?;
		}
		Ok(())
	}
}

pub(crate) fn check_range(
	field: &'static str,
	value: i128,
	least: i128,
	most: i128,
) -> Result<(), ExportError> {
	if (least..=most).contains(&value) {
		Ok(())
	} else {
		Err(ExportError::OutOfRange { field, value, least, most })
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn sunday(month: u8, occurrence: Occurrence, hour: u8) -> SwitchRule {
		SwitchRule { month, occurrence, weekday: Weekday::Sunday, hour }
	}

	/// The two rules that feeds from the United States carry.
	#[test]
	fn code_is_the_published_one_for_the_united_states() {
		assert_eq!(sunday(3, Occurrence::Second, 2).code(), 0x360E_2000);
		assert_eq!(sunday(11, Occurrence::First, 2).code(), 0xB40E_2000);
	}

	#[test]
	fn code_has_each_field_in_its_bits() {
		let rule = SwitchRule {
			month: 10,
			occurrence: Occurrence::Last,
			weekday: Weekday::Monday,
			hour: 23,
		};
		let code = rule.code();
		assert_eq!(code >> 28, 10);
		assert_eq!(code >> 25 & 0b111, 7);
		assert_eq!(code >> 20 & 0b1_1111, 0);
		assert_eq!(code >> 17 & 0b111, 1);
		assert_eq!(code >> 12 & 0b1_1111, 23);
		assert_eq!(code & 0xFFF, 0);
	}

	#[test]
	fn day_turns_at_local_midnight() {
		let local = |offset_seconds| LocalTime { offset_seconds, daylight_saving: None };
		assert_eq!(local(3600).day(86_400 - 3601), 0);
		assert_eq!(local(3600).day(86_400 - 3600), 1);
		assert_eq!(local(-3600).day(86_400 + 3599), 0);
		assert_eq!(local(-3600).day(0), -1);
	}
}
