//! A real home with a solar plant, a year of half-hours. Read from the folder that `ENERGY_DATA_DIR`
//! names; without it the tests say so and check nothing.

#![allow(clippy::unwrap_used)]

use std::{io::Write, path::PathBuf};
use vee::*;
use wia_ene_014::canonical::{CanonicalInterval, Quality};

const FILE: &str = "ausgrid-customer12-2011-2012.csv";
/// 2011-07-01T00:00 in Sydney (ten hours ahead of UTC), in unix seconds.
const START: u64 = 1_309_442_400;

/// Consumption and generation of each half-hour in watt-hours, each as import and as export.
fn household() -> Option<Vec<(u64, u64)>> {
	let Some(folder) = std::env::var_os("ENERGY_DATA_DIR") else {
		// Straight to the stream, so that it is seen although the test passes.
		let note = b"NOTE: ENERGY_DATA_DIR is not set: the real household was NOT checked\n";
		std::io::stderr().write_all(note).unwrap();
		return None;
	};
	let text = std::fs::read_to_string(PathBuf::from(folder).join(FILE)).unwrap();
	let wh = |kwh: &str| (kwh.parse::<f64>().unwrap() * 1_000.0).round() as u64;
	let rows = text.lines().skip(1).map(|line| {
		let mut fields = line.split(',').skip(1);
		(wh(fields.next().unwrap()), wh(fields.next().unwrap()))
	});
	Some(rows.collect())
}

fn sydney() -> Calendar {
	Calendar::new(vec![OffsetChange { from_seconds: 0, offset_seconds: 36_000 }], []).unwrap()
}

fn half_hour(place: usize, import_wh: u64, export_wh: u64) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds: START + place as u64 * 1_800,
		duration_seconds: 1_800,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	}
}

/// How many intervals, then how many days, each rule found something in.
fn findings(class: MeterClass, series: &[CanonicalInterval]) -> Vec<(Rule, usize)> {
	let validator = Validator::new(RuleSet::default_1(class)).unwrap();
	let facts = MeterFacts { interval_seconds: 1_800, ..MeterFacts::rated(10_000) };
	let (calendar, mut history) = (sydney(), MeterHistory::default());
	let mut found = Vec::new();
	let mut most_bytes = 0;
	for interval in series {
		let received = interval.start_seconds + 1_860;
		let taken = validator.take(&facts, &calendar, &mut history, interval, received);
		most_bytes = most_bytes.max(history.to_bytes().len());
		let of_day = taken.finished_day.map(|(_, verdict)| verdict.findings).unwrap_or_default();
		found.extend(taken.verdict.findings.iter().chain(&of_day).map(|finding| finding.rule));
	}
	println!("{class:?}: the state took at most {most_bytes} bytes stored");
	Rule::ALL
		.into_iter()
		.map(|rule| (rule, found.iter().filter(|found| **found == rule).count()))
		.filter(|(_, count)| *count > 0)
		.inspect(|(rule, count)| println!("{class:?}: {rule:?} {count}"))
		.collect()
}

#[test]
fn real_household_is_seldom_suspect() {
	let Some(rows) = household() else { return };
	let load: Vec<_> = rows.iter().enumerate().map(|(n, row)| half_hour(n, row.0, 0)).collect();
	let solar: Vec<_> = rows.iter().enumerate().map(|(n, row)| half_hour(n, 0, row.1)).collect();
	for (class, series) in [(MeterClass::Consumer, &load), (MeterClass::Solar, &solar)] {
		let found = findings(class, series);
		assert!(found.iter().all(|(rule, _)| !matches!(rule, Rule::Range | Rule::Sequence)));
		let sum: usize = found.iter().map(|(_, count)| count).sum();
		assert!(sum * 50 < series.len(), "{found:?}");
	}
	// Twelve hours late, the sun shines at night.
	let shifted: Vec<_> =
		rows.iter().enumerate().map(|(n, row)| half_hour(n + 24, 0, row.1)).collect();
	let night = findings(MeterClass::Solar, &shifted);
	assert!(night.iter().any(|(rule, count)| *rule == Rule::NightProduction && *count > 1_000));
}

#[test]
fn estimates_of_the_real_household_sum_to_the_register() {
	let Some(rows) = household() else { return };
	let load: Vec<_> = rows.iter().enumerate().map(|(n, row)| half_hour(n, row.0, row.1)).collect();
	let (mut of_estimate, mut of_last_slot, mut of_total) = (0u64, 0u64, 0u64);
	for (from, slots) in [(2_000, 2), (5_000, 4), (9_000, 10), (12_000, 48), (15_000, 96)] {
		let missing = &load[from..from + slots];
		let known: Vec<_> = load[from - 30 * 48..from]
			.iter()
			.chain(&load[from + slots..from + slots + 1])
			.copied()
			.collect();
		let sum = |energy: fn(&CanonicalInterval) -> u64| missing.iter().map(energy).sum::<u64>();
		let gap = Gap {
			span: TimeSpan {
				start_seconds: missing[0].start_seconds,
				end_seconds: missing[slots - 1].end_seconds().unwrap(),
			},
			slot_seconds: 1_800,
			known: &known,
			import_wh: Some(sum(|slot| slot.import_wh)),
			export_wh: Some(sum(|slot| slot.export_wh)),
		};
		let filled = estimate_gap(&gap, &EstimationRule::default(), &sydney()).unwrap();
		let expected = if slots <= 4 { Method::LinearInterpolation } else { Method::SimilarDays };
		assert!(filled.iter().all(|slot| slot.method == expected));
		assert_eq!(filled.iter().map(|slot| slot.import_wh).sum::<u64>(), sum(|s| s.import_wh));
		assert_eq!(filled.iter().map(|slot| slot.export_wh).sum::<u64>(), sum(|s| s.export_wh));
		for (slot, real) in filled.iter().zip(missing) {
			of_estimate += slot.import_wh.abs_diff(real.import_wh);
			of_last_slot += load[from - 1].import_wh.abs_diff(real.import_wh);
			of_total += real.import_wh;
		}
	}
	println!(
		"error {of_estimate} Wh, repeating the last figure {of_last_slot} Wh, of {of_total} Wh"
	);
	assert!(of_estimate < of_last_slot);
}
