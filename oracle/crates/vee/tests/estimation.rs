//! Estimates: exact sums, never outside the neighbours, the same in any order.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use vee::*;
use wia_ene_014::canonical::{CanonicalInterval, Quality};

const DAY: u64 = 86_400;
/// 2026-01-05T00:00:00Z, a Monday.
const MONDAY_START: u64 = 1_767_571_200;

fn hour(start_seconds: u64, import_wh: u64, export_wh: u64) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds,
		duration_seconds: 3_600,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	}
}

fn gap(start_seconds: u64, slots: u64, known: &[CanonicalInterval]) -> Gap<'_> {
	let span = TimeSpan { start_seconds, end_seconds: start_seconds + slots * 3_600 };
	Gap { span, slot_seconds: 3_600, known, import_wh: None, export_wh: None }
}

fn fill(gap: &Gap<'_>) -> Result<Vec<Estimate>, EstimateError> {
	estimate_gap(gap, &EstimationRule::default(), &Calendar::default())
}

fn imports(estimates: &[Estimate]) -> Vec<u64> {
	estimates.iter().map(|estimate| estimate.import_wh).collect()
}

#[test]
fn short_gap_lies_on_a_straight_line() {
	let known = [hour(MONDAY_START, 100, 9), hour(MONDAY_START + 3 * 3_600, 201, 0)];
	let filled = fill(&gap(MONDAY_START + 3_600, 2, &known)).unwrap();
	// 100 + 101 / 3 = 133.67 and 167.33; 9 falls to 6 and 3.
	assert_eq!(imports(&filled), [134, 167]);
	assert_eq!(filled.iter().map(|slot| slot.export_wh).collect::<Vec<_>>(), [6, 3]);
	for slot in &filled {
		assert_eq!(slot.method, Method::LinearInterpolation);
		assert_eq!(slot.quality, Quality::Estimated);
		assert_eq!(slot.inputs, [MONDAY_START, MONDAY_START + 3 * 3_600]);
		assert!(!slot.import_scaled && !slot.export_scaled);
	}
}

/// One hour of each of many days before the gap: 100 Wh for the day before, 200 Wh for the one
/// before that, and so on.
fn earlier_days(start_seconds: u64, days: u64) -> Vec<CanonicalInterval> {
	(1..=days).map(|back| hour(start_seconds - back * DAY, back * 100, back)).collect()
}

#[test]
fn long_gap_takes_the_latest_days_of_the_same_kind() {
	let known = earlier_days(MONDAY_START, 30);
	let filled = fill(&gap(MONDAY_START, 3, &known)).unwrap();
	// Friday, Thursday and Wednesday are 3, 4 and 5 days back.
	assert_eq!(imports(&filled), [400, 0, 0]);
	assert_eq!(filled[0].method, Method::SimilarDays);
	assert_eq!(filled[0].inputs, [3, 4, 5].map(|back| MONDAY_START - back * DAY));
	assert_eq!((filled[1].method, filled[1].quality), (Method::None, Quality::Missing));

	// On a Saturday: 7, 14 and 21 days back.
	let saturday = MONDAY_START + 5 * DAY;
	let filled = fill(&gap(saturday, 3, &earlier_days(saturday, 30))).unwrap();
	assert_eq!(filled[0].import_wh, 1_400);

	// A holiday counts as a Sunday: the Sundays are 1, 8 and 15 days back.
	let holiday = Calendar::new(Vec::new(), [MONDAY_START / DAY]).unwrap();
	let rule = EstimationRule::default();
	let filled = estimate_gap(&gap(MONDAY_START, 3, &known), &rule, &holiday).unwrap();
	assert_eq!(filled[0].import_wh, 800);
	let one = EstimationRule { similar_days: 1, ..rule };
	let filled = estimate_gap(&gap(MONDAY_START, 3, &known), &one, &holiday).unwrap();
	assert_eq!(filled[0].import_wh, 100);
	let none = EstimationRule { lookback_days: 2, ..rule };
	let filled = estimate_gap(&gap(MONDAY_START, 3, &known), &none, &Calendar::default()).unwrap();
	assert_eq!(filled[0].method, Method::None);
}

#[test]
fn short_gap_takes_similar_days_when_a_neighbour_is_not_valid() {
	let mut known = earlier_days(MONDAY_START, 30);
	known.push(hour(MONDAY_START - 3_600, 1, 1));
	known.push(CanonicalInterval { quality: Quality::Suspect, ..hour(MONDAY_START + 3_600, 1, 1) });
	let filled = fill(&gap(MONDAY_START, 1, &known)).unwrap();
	assert_eq!((filled[0].import_wh, filled[0].method), (400, Method::SimilarDays));
}

#[test]
fn estimates_are_scaled_to_the_register() {
	let known = [hour(MONDAY_START, 100, 0), hour(MONDAY_START + 3 * 3_600, 200, 0)];
	let rest = remaining_wh(1_000, 300).unwrap();
	let scaled = Gap { import_wh: Some(rest), ..gap(MONDAY_START + 3_600, 2, &known) };
	let filled = fill(&scaled).unwrap();
	// 133 and 167 of 300, times 700, cumulated and rounded down.
	assert_eq!(imports(&filled), [310, 390]);
	assert!(filled[0].import_scaled && !filled[0].export_scaled);

	let spread = Gap { import_wh: Some(10), ..gap(MONDAY_START, 4, &[]) };
	let filled = fill(&spread).unwrap();
	assert_eq!(imports(&filled), [2, 3, 2, 3]);
	assert!(filled
		.iter()
		.all(|slot| { slot.method == Method::EvenSpread && slot.quality == Quality::Estimated }));
}

#[test]
fn estimate_fails_when_the_request_makes_no_sense() {
	let not_whole = EstimateError::NotWholeSlots { slot_seconds: 3_600 };
	assert_eq!(fill(&gap(MONDAY_START, 0, &[])), Err(not_whole.clone()));
	let mut odd = gap(MONDAY_START, 1, &[]);
	odd.span.end_seconds += 1;
	assert_eq!(fill(&odd), Err(not_whole.clone()));
	odd.span.end_seconds = 0;
	assert_eq!(fill(&odd), Err(not_whole));
	let no_length = Gap { slot_seconds: 0, ..gap(MONDAY_START, 1, &[]) };
	assert_eq!(fill(&no_length), Err(EstimateError::NotWholeSlots { slot_seconds: 0 }));
	let slots = MAX_GAP_SLOTS + 1;
	assert_eq!(fill(&gap(MONDAY_START, slots, &[])), Err(EstimateError::TooManySlots { slots }));
	let many = vec![hour(0, 0, 0); MAX_SERIES + 1];
	assert_eq!(
		fill(&gap(MONDAY_START, 1, &many)),
		Err(EstimateError::TooManyFigures { count: MAX_SERIES + 1 })
	);
	assert_eq!(
		fill(&gap(MONDAY_START, 1, &many[..2])),
		Err(EstimateError::Conflict { start_seconds: 0 })
	);
	let inside = [hour(MONDAY_START - 1, 0, 0)];
	assert_eq!(
		fill(&gap(MONDAY_START, 1, &inside)),
		Err(EstimateError::KnownInGap { start_seconds: MONDAY_START - 1 })
	);
	assert_eq!(
		remaining_wh(9, 10),
		Err(EstimateError::MoreThanRegister { measured_wh: 10, register_wh: 9 })
	);
	let huge =
		[hour(MONDAY_START - 3_600, u64::MAX, 0), hour(MONDAY_START + 2 * 3_600, u64::MAX, 0)];
	let overflow = Gap { import_wh: Some(u64::MAX), ..gap(MONDAY_START, 2, &huge) };
	assert_eq!(fill(&overflow), Err(EstimateError::EnergyOverflow));
}

proptest! {
	#[test]
	fn estimates_sum_to_the_register_in_any_order(
		slots in 1u64..30,
		present in proptest::collection::vec((0u64..40 * 24, 0u64..5_000, 0u64..5_000), 0..400),
		import_wh in proptest::option::of(0u64..1 << 40),
		export_wh in proptest::option::of(0u64..1 << 40),
	) {
		let present: std::collections::BTreeMap<u64, (u64, u64)> =
			present.into_iter().map(|(back, import, export)| (back, (import, export))).collect();
		let mut known: Vec<_> = present
			.iter()
			.map(|(back, (import, export))| hour(MONDAY_START - (back + 1) * 3_600, *import, *export))
			.collect();
		let request = Gap { import_wh, export_wh, ..gap(MONDAY_START, slots, &known) };
		let filled = fill(&request).unwrap();
		prop_assert_eq!(filled.len() as u64, slots);
		if let Some(import_wh) = import_wh {
			prop_assert_eq!(filled.iter().map(|slot| slot.import_wh).sum::<u64>(), import_wh);
		}
		if let Some(export_wh) = export_wh {
			prop_assert_eq!(filled.iter().map(|slot| slot.export_wh).sum::<u64>(), export_wh);
		}
		for slot in &filled {
			prop_assert_ne!(slot.quality, Quality::Valid);
			prop_assert!(slot.quality != Quality::Missing || (slot.import_wh, slot.export_wh) == (0, 0));
			if slot.method == Method::SimilarDays && import_wh.is_none() {
				// Slow reference: look at every day back.
				// Monday is 0; Monday to Friday are alike. There is no holiday.
				let kind = |at: u64| ((at / DAY + 3) % 7).max(4);
				let of_days: Vec<u64> = (1..=28u64)
					.filter(|back| kind(slot.start_seconds) == kind(slot.start_seconds - back * DAY))
					.filter_map(|back| known.iter().find(|k| k.start_seconds == slot.start_seconds - back * DAY))
					.take(3)
					.map(|k| k.import_wh)
					.collect();
				let sum: u64 = of_days.iter().sum();
				let count = of_days.len() as u64;
				prop_assert_eq!(slot.import_wh, (2 * sum + count) / (2 * count));
			}
		}
		known.reverse();
		let reversed = Gap { import_wh, export_wh, ..gap(MONDAY_START, slots, &known) };
		prop_assert_eq!(fill(&reversed).unwrap(), filled);
	}

	#[test]
	fn interpolation_lies_between_the_neighbours_and_never_turns(
		before in any::<u64>(),
		after in any::<u64>(),
		slots in 1u64..50,
	) {
		let known = [
			hour(MONDAY_START - 3_600, before, 0),
			hour(MONDAY_START + slots * 3_600, after, 0),
		];
		let rule = EstimationRule { max_linear_seconds: u64::MAX, ..EstimationRule::default() };
		let filled = estimate_gap(&gap(MONDAY_START, slots, &known), &rule, &Calendar::default());
		let mut line = imports(&filled.unwrap());
		line.insert(0, before);
		line.push(after);
		prop_assert!(line.windows(2).all(|pair| {
			if before <= after { pair[0] <= pair[1] } else { pair[0] >= pair[1] }
		}), "{:?}", line);
	}
}
