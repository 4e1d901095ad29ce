//! Each rule: passes, suspect, reject, and the borders between them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use vee::*;
use wia_ene_014::{
	canonical::{CanonicalInterval, CanonicalMessage, DeviceSignature, Quality, SignedMessage},
	check::{check, Limits},
};

/// 2026-01-01T00:00:00Z, a Thursday.
const START: u64 = 1_767_225_600;

fn interval(start_seconds: u64, import_wh: u64, export_wh: u64) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds,
		duration_seconds: 900,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	}
}

fn facts() -> MeterFacts {
	MeterFacts { interval_seconds: 900, ..MeterFacts::rated(4_000) }
}

fn validator(class: MeterClass) -> Validator {
	Validator::new(RuleSet::default_1(class)).unwrap()
}

fn judge(
	class: MeterClass,
	history: &MeterHistory,
	interval: &CanonicalInterval,
	late: u64,
) -> Verdict {
	let received = interval.end_seconds().unwrap_or(START) + late;
	validator(class).check_interval(&facts(), &Calendar::default(), history, interval, received)
}

fn only(verdict: &Verdict) -> Option<(Rule, Outcome, Reason)> {
	assert!(verdict.findings.len() < 2, "{verdict:?}");
	verdict.findings.first().map(|finding| (finding.rule, finding.outcome, finding.reason))
}

/// Shows a rule's findings for one interval of a meter without history, a minute after it ended.
fn fresh(class: MeterClass, interval: CanonicalInterval) -> Option<(Rule, Outcome, Reason)> {
	only(&judge(class, &MeterHistory::default(), &interval, 60))
}

#[test]
fn interval_length_table() {
	let with = |start, duration_seconds| {
		fresh(MeterClass::Consumer, CanonicalInterval { duration_seconds, ..interval(start, 1, 0) })
	};
	let rule = Rule::IntervalLength;
	assert_eq!(with(START, 900), None);
	assert_eq!(
		with(START, 899),
		Some((
			rule,
			Outcome::Suspect,
			Reason::UnexpectedLength { duration_seconds: 899, expected_seconds: 900 }
		))
	);
	assert_eq!(
		with(START + 1, 900),
		Some((rule, Outcome::Suspect, Reason::Misaligned { seconds: 1 }))
	);
	for duration_seconds in [0, 86_401] {
		let with = |start, duration_seconds| {
			let interval = CanonicalInterval { duration_seconds, ..interval(start, 0, 0) };
			let verdict = judge(MeterClass::Consumer, &MeterHistory::default(), &interval, 60);
			verdict.findings.first().map(|found| (found.rule, found.outcome, found.reason))
		};
		let found = with(START, duration_seconds);
		assert_eq!(
			found,
			Some((rule, Outcome::Reject, Reason::ImpossibleLength { duration_seconds }))
		);
	}
	let endless = interval(u64::MAX - 15, 0, 0);
	let verdict = validator(MeterClass::Consumer).check_interval(
		&facts(),
		&Calendar::default(),
		&MeterHistory::default(),
		&endless,
		START,
	);
	assert_eq!(verdict.outcome(), Outcome::Reject);
}

#[test]
fn time_table() {
	let at = |received: u64| {
		let verdict = validator(MeterClass::Consumer).check_interval(
			&facts(),
			&Calendar::default(),
			&MeterHistory::default(),
			&interval(START, 1, 0),
			received,
		);
		only(&verdict)
	};
	let end = START + 900;
	assert_eq!(at(end - 360), None);
	assert_eq!(
		at(end - 361),
		Some((
			Rule::Future,
			Outcome::Reject,
			Reason::Future { ahead_seconds: 361, allowed_seconds: 360 }
		))
	);
	assert_eq!(at(end + 86_400), None);
	assert_eq!(
		at(end + 86_401),
		Some((
			Rule::Stale,
			Outcome::Reject,
			Reason::Stale { age_seconds: 86_401, allowed_seconds: 86_400 }
		))
	);
}

#[test]
fn quality_table() {
	let with = |quality, import_wh| {
		let interval = CanonicalInterval { quality, ..interval(START, import_wh, 0) };
		judge(MeterClass::Consumer, &MeterHistory::default(), &interval, 60)
	};
	assert_eq!(with(Quality::Valid, 5).quality(Quality::Valid), Quality::Valid);
	assert_eq!(only(&with(Quality::Estimated, 5)), None);
	let doubted = with(Quality::Suspect, 5);
	assert_eq!(only(&doubted), Some((Rule::MeterDoubt, Outcome::Suspect, Reason::MeterDoubts)));
	assert_eq!(doubted.quality(Quality::Estimated), Quality::Suspect);
	assert_eq!(doubted.quality(Quality::Missing), Quality::Missing);
	let missing = with(Quality::Missing, 0);
	assert_eq!(only(&missing), None);
	assert!(missing.ran(Rule::MissingEnergy) && !missing.ran(Rule::Range));
	assert_eq!(
		only(&with(Quality::Missing, 1)),
		Some((Rule::MissingEnergy, Outcome::Reject, Reason::MissingWithEnergy))
	);
}

#[test]
fn range_table() {
	// 4,000 W for a quarter of an hour are 1,000 Wh; nine tenths of it are usual.
	let rule = Rule::Range;
	assert_eq!(fresh(MeterClass::Prosumer, interval(START, 900, 900)), None);
	assert_eq!(
		fresh(MeterClass::Prosumer, interval(START, 901, 0)),
		Some((rule, Outcome::Suspect, Reason::NearRating { energy_wh: 901, usual_wh: 900 }))
	);
	assert_eq!(
		fresh(MeterClass::Prosumer, interval(START, 0, 1_001)),
		Some((rule, Outcome::Reject, Reason::AboveRating { energy_wh: 1_001, allowed_wh: 1_000 }))
	);
	assert_eq!(fresh(MeterClass::Storage, interval(START, 1_000, 0)), None);
	let unknown = MeterFacts { rated_import_w: None, rated_export_w: None, ..facts() };
	let verdict = validator(MeterClass::Consumer).check_interval(
		&unknown,
		&Calendar::default(),
		&MeterHistory::default(),
		&interval(START, u64::MAX, 0),
		START + 900,
	);
	assert!(verdict.findings.is_empty() && !verdict.ran(rule));
}

#[test]
fn sequence_table() {
	let mut history = MeterHistory::default();
	history.observe(&interval(START, 5, 0), &Calendar::default());
	let next = |interval: CanonicalInterval| judge(MeterClass::Consumer, &history, &interval, 60);
	let rule = Rule::Sequence;
	assert_eq!(only(&next(interval(START + 900, 6, 0))), None);
	assert_eq!(next(interval(START + 900, 6, 0)).gap_before_seconds, 0);
	assert_eq!(next(interval(START + 2_700, 6, 0)).gap_before_seconds, 1_800);
	assert_eq!(
		only(&next(interval(START, 5, 0))),
		Some((rule, Outcome::Reject, Reason::Duplicate))
	);
	let overlap =
		Some((rule, Outcome::Reject, Reason::Overlap { known_until_seconds: START + 900 }));
	assert_eq!(only(&next(interval(START, 6, 0))), overlap);
	let half = CanonicalInterval { duration_seconds: 1_800, ..interval(START - 900, 1, 0) };
	assert!(next(half).findings.iter().any(|finding| finding.rule == rule));
	let late = next(interval(START - 900, 6, 0));
	assert!(late.findings.is_empty() && !late.ran(rule) && !late.ran(Rule::ZeroRun));
}

#[test]
fn direction_table() {
	assert_eq!(fresh(MeterClass::Consumer, interval(START, 5, 0)), None);
	assert_eq!(
		fresh(MeterClass::Consumer, interval(START, 0, 1)),
		Some((Rule::ReverseEnergy, Outcome::Suspect, Reason::ReverseEnergy { energy_wh: 1 }))
	);
	assert_eq!(fresh(MeterClass::Prosumer, interval(START, 0, 1)), None);
	let night = |start, export_wh| fresh(MeterClass::Solar, interval(start, 0, export_wh));
	let dark =
		Some((Rule::NightProduction, Outcome::Suspect, Reason::NightProduction { energy_wh: 6 }));
	assert_eq!(night(START, 6), dark);
	assert_eq!(night(START, 5), None);
	// Dark until 02:00 and from 22:00.
	assert_eq!(night(START + 6_300, 6), dark);
	assert_eq!(night(START + 7_200, 6), None);
	assert_eq!(night(START + 78_300, 6), None);
	assert_eq!(night(START + 79_200, 6), dark);
}

/// The verdicts on intervals with the same energy, one after the other.
fn run(class: MeterClass, energy_wh: u64, count: u64) -> Vec<Verdict> {
	let mut history = MeterHistory::default();
	(0..count)
		.map(|n| {
			let interval = interval(START + n * 900, energy_wh, 0);
			let calendar = Calendar::default();
			let received = interval.start_seconds + 960;
			validator(class).take(&facts(), &calendar, &mut history, &interval, received).verdict
		})
		.collect()
}

#[test]
fn run_tables() {
	let zeros = run(MeterClass::Consumer, 0, 97);
	assert!(zeros[..95].iter().all(|verdict| verdict.findings.is_empty()));
	for (place, run_seconds) in [(95, 86_400), (96, 87_300)] {
		assert_eq!(
			only(&zeros[place]),
			Some((Rule::ZeroRun, Outcome::Suspect, Reason::ZeroRun { run_seconds }))
		);
	}
	let same = run(MeterClass::Consumer, 50, 32);
	assert!(same[..31].iter().all(|verdict| verdict.findings.is_empty()));
	assert_eq!(
		only(&same[31]),
		Some((Rule::FrozenRun, Outcome::Suspect, Reason::FrozenRun { run_seconds: 28_800 }))
	);
	assert!(run(MeterClass::Consumer, 49, 40).iter().all(|verdict| verdict.findings.is_empty()));
}

fn day() -> DaySummary {
	let energy = |import_wh| Energy { import_wh, export_wh: 0 };
	DaySummary {
		day: START / 86_400,
		start_seconds: START,
		end_seconds: START + 86_400,
		intervals: 96,
		covered_seconds: 86_400,
		energy: energy(10_000),
		peaks: [energy(400), energy(300), energy(250)],
		earlier_weeks: [energy(9_000), energy(11_000), energy(0)],
		known_weeks: 2,
	}
}

fn judge_day(day: &DaySummary, registers: DayRegisters) -> Verdict {
	validator(MeterClass::Consumer).check_day(&facts(), day, &registers, START + 90_000)
}

fn registers(earlier_wh: u64, later_wh: u64) -> DayRegisters {
	let reading = |at_seconds, reading_wh| RegisterReading { at_seconds, reading_wh };
	DayRegisters {
		import: Some(RegisterPair {
			earlier: reading(START, earlier_wh),
			later: reading(START + 86_400, later_wh),
		}),
		export: None,
	}
}

#[test]
fn sum_check_table() {
	// One step of the register and one watt-hour for each of 96 intervals.
	for (register_wh, differs) in
		[(10_000, false), (10_097, false), (9_903, false), (10_098, true), (9_902, true)]
	{
		let verdict = judge_day(&day(), registers(7, 7 + register_wh));
		let reason = Reason::SumDiffers { sum_wh: 10_000, register_wh, tolerance_wh: 97 };
		assert_eq!(only(&verdict), differs.then_some((Rule::SumCheck, Outcome::Suspect, reason)));
		assert!(verdict.ran(Rule::SumCheck));
	}
	let incomplete = DaySummary { covered_seconds: 85_500, ..day() };
	assert!(!judge_day(&incomplete, registers(0, 1)).ran(Rule::SumCheck));
	let mut elsewhere = registers(0, 1);
	if let Some(pair) = &mut elsewhere.import {
		pair.later.at_seconds += 1;
	}
	assert!(!judge_day(&day(), elsewhere).ran(Rule::SumCheck));
	assert!(!judge_day(&day(), DayRegisters::default()).ran(Rule::Register));
}

#[test]
fn register_table() {
	let mut facts = facts();
	facts.import_register = RegisterFacts { modulus_wh: Some(1_000_000), resolution_wh: 1 };
	let outcome = |earlier_wh, later_wh| {
		let verdict = validator(MeterClass::Consumer).check_day(
			&facts,
			&day(),
			&registers(earlier_wh, later_wh),
			START,
		);
		verdict.findings.first().map(|finding| (finding.rule, finding.outcome))
	};
	assert_eq!(outcome(995_000, 5_000), None);
	// 96 kWh and one step are the most in a day.
	assert_eq!(outcome(0, 96_001), Some((Rule::SumCheck, Outcome::Suspect)));
	assert_eq!(outcome(0, 96_002), Some((Rule::Register, Outcome::Suspect)));
	assert_eq!(outcome(500_000, 499_999), Some((Rule::Register, Outcome::Suspect)));
	assert_eq!(outcome(0, 1_000_000), Some((Rule::Register, Outcome::Reject)));
}

#[test]
fn spike_table() {
	let found = |highest: u64, third: u64, intervals| {
		let peak = |import_wh| Energy { import_wh, export_wh: 0 };
		let day =
			DaySummary { peaks: [peak(highest), peak(third), peak(third)], intervals, ..day() };
		only(&judge_day(&day, DayRegisters::default()))
	};
	assert_eq!(found(1_400, 500, 96), None);
	assert_eq!(
		found(1_401, 500, 96),
		Some((Rule::Spike, Outcome::Suspect, Reason::Spike { highest_wh: 1_401, third_wh: 500 }))
	);
	assert_eq!(found(999, 0, 96), None);
	assert!(found(1_000, 0, 96).is_some());
	assert_eq!(found(1_000, 0, 2), None);
}

#[test]
fn usage_table() {
	let found = |import_wh, known_weeks| {
		let day = DaySummary { energy: Energy { import_wh, export_wh: 0 }, known_weeks, ..day() };
		let verdict = judge_day(&day, DayRegisters::default());
		(only(&verdict), verdict.ran(Rule::Usage))
	};
	let high = Reason::HighUsage { day_wh: 30_001, usual_wh: 10_000 };
	let low = Reason::LowUsage { day_wh: 2_499, usual_wh: 10_000 };
	assert_eq!(found(30_000, 2), (None, true));
	assert_eq!(found(30_001, 2), (Some((Rule::Usage, Outcome::Suspect, high)), true));
	assert_eq!(found(2_500, 2), (None, true));
	assert_eq!(found(2_499, 2), (Some((Rule::Usage, Outcome::Suspect, low)), true));
	assert_eq!(found(30_001, 1), (None, false));
	let small = DaySummary {
		energy: Energy { import_wh: 2_000, export_wh: 0 },
		earlier_weeks: [Energy::default(); 3],
		..day()
	};
	assert_eq!(only(&judge_day(&small, DayRegisters::default())), None);
}

#[test]
fn take_remembers_nothing_when_rejected_and_finishes_days() {
	let mut history = MeterHistory::default();
	let calendar = Calendar::default();
	let validator = validator(MeterClass::Consumer);
	let mut take = |interval: CanonicalInterval| {
		let received = interval.start_seconds + 960;
		let before = history.clone();
		let taken = validator.take(&facts(), &calendar, &mut history, &interval, received);
		assert_eq!(taken.verdict.outcome() == Outcome::Reject, before == history);
		taken
	};
	for n in 0..96 {
		assert!(take(interval(START + n * 900, 100 + n, 0)).finished_day.is_none());
	}
	assert_eq!(take(interval(START + 86_400, 9_999, 0)).verdict.outcome(), Outcome::Reject);
	let (day, verdict) = take(interval(START + 86_400, 1, 0)).finished_day.unwrap();
	assert!(day.is_complete() && verdict.ran(Rule::Spike) && !verdict.ran(Rule::Usage));
	assert_eq!(day.energy.import_wh, (100..196).sum::<u64>());
}

#[test]
fn verdict_is_the_same_when_repeated_from_what_was_kept() {
	let set = RuleSet::default_1(MeterClass::Consumer);
	let kept_set = serde_json::to_string(&set).unwrap();
	let interval = interval(START, 5, 7);
	let history = MeterHistory::default();
	let verdict = judge(MeterClass::Consumer, &history, &interval, 60);
	let kept = serde_json::to_string(&verdict).unwrap();
	assert!(kept.contains("default-1") && kept.contains("reverse-energy"), "{kept}");

	let set: RuleSet = serde_json::from_str(&kept_set).unwrap();
	let old: Verdict = serde_json::from_str(&kept).unwrap();
	assert_eq!(set.reference(), old.rule_set);
	let again = Validator::new(set).unwrap().check_interval(
		&facts(),
		&Calendar::default(),
		&MeterHistory::from_bytes(&history.to_bytes()).unwrap(),
		&interval,
		old.received_seconds,
	);
	assert_eq!(again, old);
}

#[test]
fn every_rule_has_a_name_and_a_row_in_the_documentation() {
	let page = include_str!("../docs/vee.md");
	for rule in Rule::ALL {
		let name = serde_json::to_string(&rule).unwrap();
		assert_eq!(name, format!("\"{}\"", rule.as_str()));
		let row = format!("\n| `{}` | {} |", rule.as_str(), rule.version());
		assert_eq!(page.matches(&row).count(), 1, "{row}");
		assert!(!rule.description().is_empty());
	}
}

#[test]
fn rule_set_is_refused_when_it_makes_no_sense() {
	let set = RuleSet::default_1(MeterClass::Consumer);
	for class in
		[MeterClass::Consumer, MeterClass::Prosumer, MeterClass::Solar, MeterClass::Storage]
	{
		assert_eq!(RuleSet::default_1(class).check(), Ok(()));
	}
	let mut unknown = set.clone();
	unknown.rules[1].version = 2;
	assert_eq!(
		Validator::new(unknown.clone()).err(),
		Some(RuleSetError::UnknownVersion { index: 1, rule: Rule::Future, version: 2 })
	);
	assert_ne!(unknown.reference(), set.reference(), "the digest covers everything");
	let mut twice = set.clone();
	twice.rules.push(set.rules[0].clone());
	let index = set.rules.len();
	assert_eq!(twice.check(), Err(RuleSetError::Repeated { index, rule: Rule::IntervalLength }));
	for parameters in [
		Parameters::Range { suspect_above_per_mille: 1_001 },
		Parameters::ZeroRun { suspect_from_seconds: 0 },
		Parameters::FrozenRun { suspect_from_seconds: 0, ignore_below_wh: 0 },
		Parameters::NightProduction {
			tolerance_wh: 0,
			dark: [DarkHours { from_minute: 1_441, until_minute: 0 }; 12],
		},
		Parameters::Usage {
			low_per_mille: 5,
			high_per_mille: 5,
			ignore_difference_wh: 0,
			minimum_days: 1,
		},
		Parameters::Usage {
			low_per_mille: 1,
			high_per_mille: 5,
			ignore_difference_wh: 0,
			minimum_days: 4,
		},
	] {
		let rules = vec![ConfiguredRule { version: 1, parameters }];
		let broken = RuleSet { rules, ..set.clone() };
		assert!(
			matches!(broken.check(), Err(RuleSetError::Parameters { index: 0, .. })),
			"{broken:?}"
		);
	}
	for name in [
		"default",
		"default-0",
		"default-01",
		"-1",
		"a--1",
		"A-1",
		"a-1-",
		"a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-1",
	] {
		assert_eq!(name.parse::<RuleSetName>(), Err(RuleSetNameError), "{name}");
	}
	assert_eq!("korea-solar-12".parse::<RuleSetName>().unwrap().to_string(), "korea-solar-12");
	let typo = r#"{"version":1,"parameters":{"future":{"max_future_second":1}}}"#;
	assert!(serde_json::from_str::<ConfiguredRule>(typo)
		.unwrap_err()
		.to_string()
		.contains("unknown field"));
}

proptest! {
	/// What is rejected here for its time or its energy, the standard's own check refuses as well.
	#[test]
	fn rejection_agrees_with_the_standard(
		start in START - 3_000..START + 3_000,
		duration_seconds in prop_oneof![Just(0u32), Just(900), 1u32..100_000],
		import_wh in 0u64..2_000,
		export_wh in 0u64..2_000,
		missing in any::<bool>(),
		timestamp in START - 3_000..START + 3_000,
	) {
		let quality = if missing { Quality::Missing } else { Quality::Valid };
		let figure =
			CanonicalInterval { start_seconds: start, duration_seconds, import_wh, export_wh, quality };
		let verdict = validator(MeterClass::Prosumer).check_interval(
			&facts(), &Calendar::default(), &MeterHistory::default(), &figure, START,
		);
		let signed = SignedMessage {
			message: CanonicalMessage {
				meter_id: [0; 32],
				timestamp_seconds: timestamp,
				intervals: vec![figure],
				consumption_wh: None,
				generation_wh: None,
				storage_wh: None,
				quality: Quality::Valid,
			},
			signature: DeviceSignature::Ed25519([0; 64]),
		};
		let refused = check(&signed, &Limits { max_power_w: Some(4_000), ..Limits::at(START) }).is_err();
		if verdict.outcome() == Outcome::Reject {
			prop_assert!(refused, "{:?}", verdict);
		}
	}

	#[test]
	fn validation_never_panics(
		start_seconds in any::<u64>(),
		duration_seconds in any::<u32>(),
		import_wh in any::<u64>(),
		export_wh in any::<u64>(),
		received in any::<u64>(),
		class in prop::sample::select(vec![MeterClass::Consumer, MeterClass::Solar]),
	) {
		let quality = Quality::Valid;
		let figure =
			CanonicalInterval { start_seconds, duration_seconds, import_wh, export_wh, quality };
		let mut history = MeterHistory::default();
		let calendar = Calendar::default();
		let validator = validator(class);
		let loose = MeterFacts { rated_import_w: None, rated_export_w: None, ..facts() };
		validator.take(&loose, &calendar, &mut history, &interval(0, u64::MAX, 1), 900);
		let taken = validator.take(&loose, &calendar, &mut history, &figure, received);
		prop_assert_eq!(taken.verdict.received_seconds, received);
	}
}
