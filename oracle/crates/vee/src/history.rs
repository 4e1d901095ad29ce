//! The little that is remembered of each meter so that a new interval can be judged at once.

use codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use wia_ene_014::canonical::{CanonicalInterval, Quality, MAX_INTERVAL_SECONDS};

use crate::calendar::Calendar;

/// How many days of each weekday are remembered.
pub const REMEMBERED_WEEKS: usize = 3;
/// First byte of [`MeterHistory::to_bytes`].
pub const HISTORY_FORMAT: u8 = 1;

/// Energy in both directions, in watt-hours.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq)]
pub struct Energy {
	/// Taken from the grid.
	#[codec(compact)]
	pub import_wh: u64,
	/// Given to the grid.
	#[codec(compact)]
	pub export_wh: u64,
}

impl Energy {
	fn of(interval: &CanonicalInterval) -> Self {
		Self { import_wh: interval.import_wh, export_wh: interval.export_wh }
	}

	fn saturating_add(self, other: Self) -> Self {
		Self {
			import_wh: self.import_wh.saturating_add(other.import_wh),
			export_wh: self.export_wh.saturating_add(other.export_wh),
		}
	}
}

/// The last interval that was observed.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq)]
struct LastInterval {
	#[codec(compact)]
	start_seconds: u64,
	#[codec(compact)]
	duration_seconds: u32,
	energy: Energy,
}

/// A local day as far as it was observed.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq)]
struct OpenDay {
	#[codec(compact)]
	day: u64,
	#[codec(compact)]
	covered_seconds: u64,
	#[codec(compact)]
	intervals: u32,
	energy: Energy,
	peaks: [Energy; 3],
}

impl OpenDay {
	fn new(day: u64) -> Self {
		Self {
			day,
			covered_seconds: 0,
			intervals: 0,
			energy: Energy::default(),
			peaks: [Energy::default(); 3],
		}
	}
}

/// A finished local day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DaySummary {
	/// Local days since 1970-01-01.
	pub day: u64,
	/// First second of the day.
	pub start_seconds: u64,
	/// First second after it.
	pub end_seconds: u64,
	/// How many intervals started in it.
	pub intervals: u32,
	/// Seconds for which there is a figure.
	pub covered_seconds: u64,
	/// Sum of its intervals; sums that do not fit are held at `u64::MAX`.
	pub energy: Energy,
	/// The three highest intervals, highest first, each direction by itself.
	pub peaks: [Energy; 3],
	/// The same weekday of earlier weeks, latest first, as far as `known_weeks` says.
	pub earlier_weeks: [Energy; REMEMBERED_WEEKS],
	/// How many entries of `earlier_weeks` are known.
	pub known_weeks: u8,
}

impl DaySummary {
	/// The summary of a local day from all its intervals, in any order: for intervals that arrive
	/// late. Of intervals that share time the first by start, length and energy counts. Earlier
	/// weeks, latest first, are given as far as they are known; at most three are kept.
	pub fn from_intervals(
		day: u64,
		calendar: &Calendar,
		intervals: &[CanonicalInterval],
		earlier_weeks: &[Energy],
	) -> Self {
		let mut of_day: Vec<_> = intervals
			.iter()
			.filter(|interval| calendar.local(interval.start_seconds).day == day)
			.collect();
		of_day.sort_unstable_by_key(|interval| {
			let CanonicalInterval { start_seconds, duration_seconds, .. } = interval;
			(start_seconds, duration_seconds, interval.import_wh, interval.export_wh)
		});
		let mut history = MeterHistory::default();
		for interval in of_day {
			history.observe(interval, calendar);
		}
		let mut summary = history.finish(history.open_day.unwrap_or(OpenDay::new(day)), calendar);
		for (kept, week) in summary.earlier_weeks.iter_mut().zip(earlier_weeks) {
			*kept = *week;
			summary.known_weeks = summary.known_weeks.saturating_add(1);
		}
		summary
	}

	/// Whether there is a figure for every second.
	pub fn is_complete(&self) -> bool {
		self.covered_seconds == self.end_seconds.saturating_sub(self.start_seconds)
	}
}

/// What became of an interval shown to a [`MeterHistory`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Observed {
	/// Remembered; with it began a new day, and the one before is finished.
	FinishedDay(DaySummary),
	/// Remembered.
	SameDay,
	/// Not remembered: it carries no figure, or begins before the last one ended.
	PassedOver,
}

/// Bytes that are no history.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HistoryError {
	/// The first byte names no format of this crate.
	#[error("format: not {HISTORY_FORMAT}")]
	UnknownFormat,
	/// Not exactly one history.
	#[error("the bytes are not exactly one history")]
	Malformed,
}

/// What is remembered of one meter: a fixed size in memory, updated in constant time.
///
/// It follows a meter in order of time. An interval that begins before the last one ended is passed
/// over, so the history depends on the order of arrival; what arrives late is judged by the rules
/// for whole days and by [`timeline`](crate::timeline()), which do not.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq)]
pub struct MeterHistory {
	last: Option<LastInterval>,
	#[codec(compact)]
	zero_run_seconds: u64,
	#[codec(compact)]
	frozen_run_seconds: u64,
	open_day: Option<OpenDay>,
	known_weeks: [u8; 7],
	weeks: [[Energy; REMEMBERED_WEEKS]; 7],
}

impl MeterHistory {
	/// Remembers an interval, and finishes the day before if the interval begins a later one.
	///
	/// A finished day is remembered for its weekday if there is a figure for every second of it. A
	/// day is finished by the first interval of a later day only, and an interval belongs to the day
	/// in which it starts.
	pub fn observe(&mut self, interval: &CanonicalInterval, calendar: &Calendar) -> Observed {
		if interval.quality == Quality::Missing
			|| interval.duration_seconds == 0
			|| interval.duration_seconds > MAX_INTERVAL_SECONDS
			|| interval.end_seconds().is_none()
			|| self.end_seconds().is_some_and(|end| interval.start_seconds < end)
		{
			return Observed::PassedOver;
		}
		self.zero_run_seconds = self.zero_run_with(interval);
		self.frozen_run_seconds = self.frozen_run_with(interval);
		let energy = Energy::of(interval);
		self.last = Some(LastInterval {
			start_seconds: interval.start_seconds,
			duration_seconds: interval.duration_seconds,
			energy,
		});
		let day = calendar.local(interval.start_seconds).day;
		let finished = match &self.open_day {
			Some(open) if open.day != day => Some(*open),
			_ => None,
		};
		let finished = finished.map(|open| self.finish(open, calendar));
		let open = self.open_day.get_or_insert(OpenDay::new(day));
		open.covered_seconds =
			open.covered_seconds.saturating_add(interval.duration_seconds.into());
		open.intervals = open.intervals.saturating_add(1);
		open.energy = open.energy.saturating_add(energy);
		keep_highest(&mut open.peaks, energy);
		finished.map_or(Observed::SameDay, Observed::FinishedDay)
	}

	/// Closes a day and remembers it for its weekday.
	fn finish(&mut self, open: OpenDay, calendar: &Calendar) -> DaySummary {
		self.open_day = None;
		let weekday = usize::from(calendar.weekday(open.day));
		// A weekday is below 7.
		let (weeks, known) = (&mut self.weeks[weekday], &mut self.known_weeks[weekday]);
		let summary = DaySummary {
			day: open.day,
			start_seconds: calendar.day_start_seconds(open.day),
			end_seconds: calendar.day_start_seconds(open.day.saturating_add(1)),
			intervals: open.intervals,
			covered_seconds: open.covered_seconds,
			energy: open.energy,
			peaks: open.peaks,
			earlier_weeks: *weeks,
			known_weeks: *known,
		};
		if summary.is_complete() {
			weeks.rotate_right(1);
			weeks[0] = open.energy;
			*known = known.saturating_add(1).min(REMEMBERED_WEEKS as u8);
		}
		summary
	}

	/// First second after the last interval.
	pub fn end_seconds(&self) -> Option<u64> {
		self.last.map(|last| last.start_seconds.saturating_add(last.duration_seconds.into()))
	}

	/// Whether an interval has the time and the energy of the last one.
	pub fn is_repeated_by(&self, interval: &CanonicalInterval) -> bool {
		self.last.is_some_and(|last| {
			last.start_seconds == interval.start_seconds
				&& last.duration_seconds == interval.duration_seconds
				&& last.energy == Energy::of(interval)
		})
	}

	/// First second of the last interval.
	pub fn start_seconds(&self) -> Option<u64> {
		self.last.map(|last| last.start_seconds)
	}

	/// Seconds without energy up to the end of an interval that would come next. Gaps count nothing
	/// and end nothing.
	pub fn zero_run_with(&self, interval: &CanonicalInterval) -> u64 {
		if (interval.import_wh, interval.export_wh) != (0, 0) {
			return 0;
		}
		self.zero_run_seconds.saturating_add(interval.duration_seconds.into())
	}

	/// Seconds with the same figures up to the end of an interval that would come next, all of the
	/// same length. Gaps count nothing and end nothing.
	pub fn frozen_run_with(&self, interval: &CanonicalInterval) -> u64 {
		let same = self.last.is_some_and(|last| {
			last.energy == Energy::of(interval)
				&& last.duration_seconds == interval.duration_seconds
		});
		let before = if same { self.frozen_run_seconds } else { 0 };
		before.saturating_add(interval.duration_seconds.into())
	}

	/// The history as bytes: [`HISTORY_FORMAT`] and the SCALE encoding.
	pub fn to_bytes(&self) -> Vec<u8> {
		let mut bytes = vec![HISTORY_FORMAT];
		self.encode_to(&mut bytes);
		bytes
	}

	/// Reads what [`to_bytes`](Self::to_bytes) wrote.
	///
	/// # Errors
	/// See [`HistoryError`].
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, HistoryError> {
		let mut body = bytes.strip_prefix(&[HISTORY_FORMAT]).ok_or(HistoryError::UnknownFormat)?;
		let history = Self::decode_all(&mut body).map_err(|_error| HistoryError::Malformed)?;
		if history.known_weeks.iter().any(|known| usize::from(*known) > REMEMBERED_WEEKS) {
			return Err(HistoryError::Malformed);
		}
		Ok(history)
	}
}

/// Keeps the three highest of each direction, highest first.
fn keep_highest(peaks: &mut [Energy; 3], mut energy: Energy) {
	for peak in peaks {
		if energy.import_wh > peak.import_wh {
			std::mem::swap(&mut energy.import_wh, &mut peak.import_wh);
		}
		if energy.export_wh > peak.export_wh {
			std::mem::swap(&mut energy.export_wh, &mut peak.export_wh);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn interval(start_seconds: u64, import_wh: u64, export_wh: u64) -> CanonicalInterval {
		CanonicalInterval {
			start_seconds,
			duration_seconds: 21_600,
			import_wh,
			export_wh,
			quality: Quality::Valid,
		}
	}

	/// The summaries of all days but the last, from the whole series at once.
	fn slow_days(series: &[CanonicalInterval], calendar: &Calendar) -> Vec<DaySummary> {
		let mut days: Vec<u64> =
			series.iter().map(|interval| calendar.local(interval.start_seconds).day).collect();
		days.dedup();
		let mut summaries: Vec<DaySummary> = Vec::new();
		for day in days.iter().take(days.len().saturating_sub(1)) {
			let of_day: Vec<_> =
				series.iter().filter(|i| calendar.local(i.start_seconds).day == *day).collect();
			let mut import: Vec<u64> = of_day.iter().map(|i| i.import_wh).collect();
			let mut export: Vec<u64> = of_day.iter().map(|i| i.export_wh).collect();
			for values in [&mut import, &mut export] {
				values.sort_unstable_by(|one, other| other.cmp(one));
				values.resize(values.len().max(3), 0);
			}
			let earlier: Vec<Energy> = summaries
				.iter()
				.rev()
				.filter(|s| calendar.weekday(s.day) == calendar.weekday(*day) && s.is_complete())
				.map(|s| s.energy)
				.take(3)
				.collect();
			let mut earlier_weeks = [Energy::default(); 3];
			earlier_weeks[..earlier.len()].copy_from_slice(&earlier);
			summaries.push(DaySummary {
				day: *day,
				start_seconds: day * 86_400,
				end_seconds: (day + 1) * 86_400,
				intervals: of_day.len() as u32,
				covered_seconds: of_day.len() as u64 * 21_600,
				energy: Energy { import_wh: import.iter().sum(), export_wh: export.iter().sum() },
				peaks: [0, 1, 2].map(|n| Energy { import_wh: import[n], export_wh: export[n] }),
				earlier_weeks,
				known_weeks: earlier.len() as u8,
			});
		}
		summaries
	}

	proptest! {
		#[test]
		fn history_agrees_with_the_whole_series_and_survives_bytes(
			parts in proptest::collection::vec((prop::bool::weighted(0.95), 0u64..5, 0u64..5), 1..200),
			holiday in 0u64..50,
		) {
			let calendar = Calendar::new(Vec::new(), [holiday]).unwrap();
			let series: Vec<_> = parts
				.iter()
				.enumerate()
				.filter(|(_, (there, ..))| *there)
				.map(|(n, (_, import, export))| interval(n as u64 * 21_600, *import, *export))
				.collect();
			let mut history = MeterHistory::default();
			let mut days = Vec::new();
			for (place, interval) in series.iter().enumerate() {
				let zero = series[..=place]
					.iter().rev().take_while(|i| (i.import_wh, i.export_wh) == (0, 0)).count();
				let frozen = series[..=place].iter().rev()
					.take_while(|i| (i.import_wh, i.export_wh) == (interval.import_wh, interval.export_wh))
					.count();
				prop_assert_eq!(history.zero_run_with(interval), zero as u64 * 21_600);
				prop_assert_eq!(history.frozen_run_with(interval), frozen as u64 * 21_600);
				if let Observed::FinishedDay(day) = history.observe(interval, &calendar) {
					days.push(day);
				}
				let bytes = history.to_bytes();
				prop_assert!(bytes.len() <= 1 + MeterHistory::max_encoded_len());
				prop_assert_eq!(&MeterHistory::from_bytes(&bytes).unwrap(), &history);
			}
			prop_assert_eq!(&days, &slow_days(&series, &calendar));
			let reversed: Vec<_> = series.iter().rev().copied().collect();
			for day in days {
				let earlier = &day.earlier_weeks[..day.known_weeks.into()];
				for series in [&series, &reversed] {
					let again = DaySummary::from_intervals(day.day, &calendar, series, earlier);
					prop_assert_eq!(&again, &day);
				}
			}
		}

		#[test]
		fn from_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
			if let Ok(history) = MeterHistory::from_bytes(&bytes) {
				prop_assert_eq!(history.to_bytes(), bytes);
			}
		}
	}

	#[test]
	fn summary_is_empty_when_the_day_has_no_interval() {
		let summary = DaySummary::from_intervals(3, &Calendar::default(), &[], &[]);
		assert_eq!((summary.day, summary.intervals, summary.known_weeks), (3, 0, 0));
		assert!(!summary.is_complete());
	}

	#[test]
	fn from_bytes_fails_when_not_exactly_one_history() {
		let mut bytes = MeterHistory::default().to_bytes();
		bytes.push(0);
		assert_eq!(MeterHistory::from_bytes(&bytes), Err(HistoryError::Malformed));
		assert_eq!(MeterHistory::from_bytes(&[]), Err(HistoryError::UnknownFormat));
		assert_eq!(MeterHistory::from_bytes(&[2, 0]), Err(HistoryError::UnknownFormat));
		let too_many = MeterHistory { known_weeks: [4; 7], ..MeterHistory::default() };
		assert_eq!(MeterHistory::from_bytes(&too_many.to_bytes()), Err(HistoryError::Malformed));
	}

	#[test]
	fn observe_passes_over_when_late_or_without_figure() {
		let calendar = Calendar::default();
		let mut history = MeterHistory::default();
		assert_eq!(history.observe(&interval(21_600, 1, 0), &calendar), Observed::SameDay);
		let before = history.clone();
		for late in [
			interval(43_199, 1, 0),
			interval(0, 1, 0),
			CanonicalInterval { quality: Quality::Missing, ..interval(43_200, 0, 0) },
			CanonicalInterval { duration_seconds: 0, ..interval(43_200, 0, 0) },
			interval(u64::MAX, 0, 0),
		] {
			assert_eq!(history.observe(&late, &calendar), Observed::PassedOver);
		}
		assert_eq!(history, before);
		assert_eq!(history.observe(&interval(43_200, 1, 0), &calendar), Observed::SameDay);
	}
}
