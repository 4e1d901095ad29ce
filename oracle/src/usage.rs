//! Roll-ups: how much energy a meter took and gave in an hour, a day and a month.
//!
//! They are made of the values that were sealed, page by page, when a slot is judged, and are kept as one
//! whole with how far that has come, so that no slot counts twice. They stay when retention forgets the
//! readings. Hours, days and months are those of UTC; a slot counts to the period in which it begins.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use codec::{Decode, Encode};
use energy_primitives::{MeterIndex, MeterValue, Slot, SlotSpan, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wia_ene_014::canonical::Quality;

use crate::store::StoreError;

/// The length of a period.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
	/// An hour.
	Hour,
	/// A day of UTC.
	Day,
	/// A calendar month of UTC.
	Month,
}

impl Granularity {
	/// Every length.
	pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

	/// When the period begins in which a moment is, seconds since 1970; `None` for moments after the year
	/// 9999.
	pub fn period_start(self, seconds: u64) -> Option<u64> {
		let moment = DateTime::<Utc>::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
		let day = match self {
			Self::Hour | Self::Day => moment.date_naive(),
			Self::Month => NaiveDate::from_ymd_opt(moment.year(), moment.month(), 1)?,
		};
		let hour = if self == Self::Hour { moment.hour() } else { 0 };
		let start = day.and_hms_opt(hour, 0, 0)?.and_utc();
		(start.year() <= 9999).then(|| u64::try_from(start.timestamp()).ok())?
	}

	/// When the period after that one begins.
	pub fn next_period(self, start_seconds: u64) -> Option<u64> {
		let longest = match self {
			Self::Hour => 3_600,
			Self::Day => 86_400,
			// The first day of a month and 31 days are in the month after it.
			Self::Month => 31 * 86_400,
		};
		self.period_start(start_seconds.checked_add(longest)?)
	}

	/// The number that keys have for it.
	pub(crate) fn code(self) -> u8 {
		match self {
			Self::Hour => 0,
			Self::Day => 1,
			Self::Month => 2,
		}
	}
}

/// Energy of a meter in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
	/// Taken from the grid, Wh.
	pub import_wh: u64,
	/// Given to the grid, Wh.
	pub export_wh: u64,
	/// Slots that were measured whole.
	pub valid_slots: u32,
	/// Slots whose figures are estimated or doubted.
	pub other_slots: u32,
	/// The seconds that these slots have.
	pub seconds: u64,
}

impl Usage {
	/// Adds a value of a slot.
	fn add(&mut self, value: &MeterValue, slot_seconds: u64) {
		self.import_wh = self.import_wh.saturating_add(value.import_wh);
		self.export_wh = self.export_wh.saturating_add(value.export_wh);
		let slots = match value.quality {
			Quality::Valid => &mut self.valid_slots,
			_ => &mut self.other_slots,
		};
		*slots = slots.saturating_add(1);
		self.seconds = self.seconds.saturating_add(slot_seconds);
	}
}

/// Energy of a page's meters in a period, by ascending meter.
pub type PageUsage = Vec<(u32, Usage)>;

/// Adds the values of a sealed page to a period.
pub fn add_page(usage: &mut PageUsage, values: &[MeterValue], span: SlotSpan) {
	let seconds = span.length_seconds();
	for value in values {
		let at = match usage.binary_search_by_key(&value.meter, |(meter, _)| *meter) {
			Ok(at) => at,
			Err(at) => {
				usage.insert(at, (value.meter, Usage::default()));
				at
			}
		};
		if let Some((_, usage)) = usage.get_mut(at) {
			usage.add(value, seconds);
		}
	}
}

/// A sealed value of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotValue {
	/// The slot.
	pub slot: Slot,
	/// What was sealed.
	pub value: MeterValue,
}

/// Keeps roll-ups.
pub trait UsageStore: Send + Sync + 'static {
	/// What a meter used in the period of a length that begins at a moment.
	///
	/// # Errors
	/// When the store fails.
	fn usage(
		&self,
		zone: ZoneId,
		meter: MeterIndex,
		granularity: Granularity,
		start_seconds: u64,
	) -> Result<Option<Usage>, StoreError>;

	/// What was sealed of a meter in some slots, oldest first, at most `limit` slots with pages.
	///
	/// # Errors
	/// When the store fails.
	fn slot_values(
		&self,
		zone: ZoneId,
		meter: MeterIndex,
		slots: std::ops::Range<Slot>,
		limit: usize,
	) -> Result<Vec<SlotValue>, StoreError>;
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn at(text: &str) -> u64 {
		DateTime::parse_from_rfc3339(text).expect("a moment").timestamp() as u64
	}

	#[test]
	fn periods_are_those_of_utc() {
		let moment = at("2024-02-29T23:59:59Z");
		let start = |granularity: Granularity| granularity.period_start(moment);
		assert_eq!(start(Granularity::Hour), Some(at("2024-02-29T23:00:00Z")));
		assert_eq!(start(Granularity::Day), Some(at("2024-02-29T00:00:00Z")));
		assert_eq!(start(Granularity::Month), Some(at("2024-02-01T00:00:00Z")));
		let next = |granularity: Granularity| granularity.next_period(start(granularity)?);
		for granularity in Granularity::ALL {
			assert_eq!(next(granularity), Some(at("2024-03-01T00:00:00Z")), "{granularity:?}");
		}
		assert_eq!(Granularity::Hour.period_start(u64::MAX), None);
		assert_eq!(Granularity::Hour.period_start(at("9999-12-31T23:59:59Z") + 1), None);
	}

	proptest! {
		#[test]
		fn a_moment_is_in_its_period(seconds in 0u64..250_000_000_000) {
			for granularity in Granularity::ALL {
				let start = granularity.period_start(seconds).expect("before the year 9999");
				let next = granularity.next_period(start).expect("before the year 9999");
				prop_assert!(start <= seconds && seconds < next);
				prop_assert_eq!(granularity.period_start(next - 1), Some(start));
				prop_assert_eq!(granularity.period_start(next), Some(next));
			}
		}

		#[test]
		fn a_roll_up_is_the_sum(
			values in prop::collection::vec((0u32..6, 0u64..1_000, 0u64..1_000, any::<bool>()), 0..60),
		) {
			let calendar = energy_primitives::SlotCalendar::uniform(60);
			let value = |(meter, import_wh, export_wh, is_valid): &(u32, u64, u64, bool)| MeterValue {
				meter: *meter,
				import_wh: *import_wh,
				export_wh: *export_wh,
				quality: if *is_valid { Quality::Valid } else { Quality::Suspect },
			};
			let mut usage = PageUsage::new();
			for one in &values {
				add_page(&mut usage, &[value(one)], calendar.span(Slot(9)));
			}
			prop_assert!(usage.windows(2).all(|pair| pair[0].0 < pair[1].0));
			for meter in 0..6 {
				let of: Vec<_> = values.iter().filter(|one| one.0 == meter).collect();
				let found = usage.iter().find(|(one, _)| *one == meter).map(|(_, usage)| *usage);
				let expected = (!of.is_empty()).then(|| Usage {
					import_wh: of.iter().map(|one| one.1).sum(),
					export_wh: of.iter().map(|one| one.2).sum(),
					valid_slots: of.iter().filter(|one| one.3).count() as u32,
					other_slots: of.iter().filter(|one| !one.3).count() as u32,
					seconds: of.len() as u64 * 60,
				});
				prop_assert_eq!(found, expected);
			}
		}
	}
}
