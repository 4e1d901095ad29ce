//! Duplicates, overlaps and gaps of a series, whatever order it arrived in.

use wia_ene_014::canonical::{CanonicalInterval, Quality};

/// A span of time, `[start, end)`, in unix seconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TimeSpan {
	/// First second.
	pub start_seconds: u64,
	/// First second after it.
	pub end_seconds: u64,
}

/// What a window of time has too much of and what it lacks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
	/// One entry for each repetition of an interval with the same time and the same figures.
	pub duplicates: Vec<TimeSpan>,
	/// One entry for each interval that shares time with an earlier one but is not the same.
	pub overlaps: Vec<TimeSpan>,
	/// Parts of the window for which there is no figure.
	pub gaps: Vec<TimeSpan>,
	/// Seconds of the window for which there is a figure.
	pub covered_seconds: u64,
}

/// Looks at every interval that shares time with the window `[start, end)`.
///
/// Intervals of quality `Missing`, of no length, or with an end that does not fit in a `u64` carry
/// no figure and are passed over. The result does not depend on the order of `intervals`.
pub fn timeline(window: TimeSpan, intervals: &[CanonicalInterval]) -> Timeline {
	let mut figures: Vec<(TimeSpan, u64, u64, Quality)> = intervals
		.iter()
		.filter(|interval| interval.quality != Quality::Missing && interval.duration_seconds > 0)
		.filter_map(|interval| {
			let span = TimeSpan {
				start_seconds: interval.start_seconds,
				end_seconds: interval.end_seconds()?,
			};
			Some((span, interval.import_wh, interval.export_wh, interval.quality))
		})
		.filter(|(span, ..)| {
			span.start_seconds < window.end_seconds && span.end_seconds > window.start_seconds
		})
		.collect();
	figures.sort_unstable();
	let mut result = Timeline::default();
	let mut reached = window.start_seconds;
	let mut latest_end = 0u64;
	let mut previous = None;
	for figure in figures {
		let span = figure.0;
		if previous == Some(figure) {
			result.duplicates.push(span);
			continue;
		}
		if previous.is_some() && span.start_seconds < latest_end {
			result.overlaps.push(span);
		}
		if span.start_seconds > reached {
			result.gaps.push(TimeSpan { start_seconds: reached, end_seconds: span.start_seconds });
		}
		let from = span.start_seconds.max(reached);
		let to = span.end_seconds.min(window.end_seconds);
		result.covered_seconds = result.covered_seconds.saturating_add(to.saturating_sub(from));
		reached = reached.max(to);
		latest_end = latest_end.max(span.end_seconds);
		previous = Some(figure);
	}
	if reached < window.end_seconds {
		result.gaps.push(TimeSpan { start_seconds: reached, end_seconds: window.end_seconds });
	}
	result
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn interval(start_seconds: u64, duration_seconds: u32, import_wh: u64) -> CanonicalInterval {
		CanonicalInterval {
			start_seconds,
			duration_seconds,
			import_wh,
			export_wh: 0,
			quality: Quality::Valid,
		}
	}

	fn span(start_seconds: u64, end_seconds: u64) -> TimeSpan {
		TimeSpan { start_seconds, end_seconds }
	}

	#[test]
	fn timeline_finds_all_three() {
		let found = timeline(
			span(100, 200),
			&[
				interval(110, 10, 1),
				interval(110, 10, 1),
				interval(115, 10, 1),
				interval(110, 10, 2),
				interval(190, 50, 1),
				interval(200, 10, 1),
				CanonicalInterval { quality: Quality::Missing, ..interval(130, 10, 0) },
			],
		);
		assert_eq!(found.duplicates, [span(110, 120)]);
		assert_eq!(found.overlaps, [span(110, 120), span(115, 125)]);
		assert_eq!(found.gaps, [span(100, 110), span(125, 190)]);
		assert_eq!(found.covered_seconds, 25);
	}

	#[test]
	fn timeline_finds_nothing_when_intervals_touch() {
		let found = timeline(span(100, 120), &[interval(110, 10, 1), interval(100, 10, 1)]);
		assert_eq!(found, Timeline { covered_seconds: 20, ..Timeline::default() });
	}

	#[test]
	fn timeline_is_one_gap_when_there_is_no_figure() {
		assert_eq!(timeline(span(5, 9), &[]).gaps, [span(5, 9)]);
		assert_eq!(timeline(span(9, 9), &[]).gaps, []);
		assert_eq!(timeline(span(0, 9), &[interval(u64::MAX, 1, 1)]).gaps, [span(0, 9)]);
	}

	proptest! {
		#[test]
		fn timeline_is_the_same_in_any_order_and_agrees_with_counting_seconds(
			(series, shuffled) in proptest::collection::vec((0u64..120, 0u32..20, 0u64..2), 0..20)
				.prop_map(|parts| parts.into_iter().map(|(s, d, w)| interval(s, d, w)).collect())
				.prop_flat_map(|series: Vec<_>| {
					(Just(series.clone()), Just(series).prop_shuffle())
				}),
		) {
			let window = span(20, 100);
			let found = timeline(window, &series);
			prop_assert_eq!(&found, &timeline(window, &shuffled));
			let covered = |second: u64| {
				series.iter().any(|i| i.start_seconds <= second && second < i.end_seconds().unwrap())
			};
			let in_gap =
				|second: u64| found.gaps.iter().any(|g| g.start_seconds <= second && second < g.end_seconds);
			for second in window.start_seconds..window.end_seconds {
				prop_assert_eq!(covered(second), !in_gap(second), "second {}", second);
			}
			let seconds = (window.start_seconds..window.end_seconds).filter(|s| covered(*s)).count();
			prop_assert_eq!(found.covered_seconds, seconds as u64);
			// Somewhere two different figures share a second, if and only if an overlap is reported.
			let shared = series.iter().enumerate().any(|(place, one)| series[..place].iter().any(|other| {
				one != other
					&& one.duration_seconds > 0 && other.duration_seconds > 0
					&& one.start_seconds < other.end_seconds().unwrap()
					&& other.start_seconds < one.end_seconds().unwrap()
					&& [one, other].iter().all(|i| i.start_seconds < 100 && i.end_seconds().unwrap() > 20)
			}));
			prop_assert_eq!(shared, !found.overlaps.is_empty());
		}
	}
}
