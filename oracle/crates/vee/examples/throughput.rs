//! Prints how many intervals a core judges per second, and how large the state of a meter is.

use std::time::Instant;

use vee::{
	Calendar, MeterClass, MeterFacts, MeterHistory, OffsetChange, Outcome, RuleSet, Validator,
};
use wia_ene_014::canonical::{CanonicalInterval, Quality};

/// Meters, in the order of which each quarter hour comes in.
const METERS: u64 = 10_000;
/// Quarter hours: five weeks, so that every weekday is remembered three times.
const SLOTS: u64 = 35 * 96;
const START_SECONDS: u64 = 1_767_225_600;

fn interval(meter: u64, slot: u64) -> CanonicalInterval {
	// Any figures that neither repeat for long nor come near the rating.
	let noise =
		(meter ^ slot.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
	CanonicalInterval {
		start_seconds: START_SECONDS + slot * 900,
		duration_seconds: 900,
		import_wh: 50 + noise % 400,
		export_wh: 0,
		quality: Quality::Valid,
	}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
	let validator = Validator::new(RuleSet::default_1(MeterClass::Consumer))?;
	let facts = MeterFacts { interval_seconds: 900, ..MeterFacts::rated(10_000) };
	let calendar =
		Calendar::new(vec![OffsetChange { from_seconds: 0, offset_seconds: 3_600 }], [])?;
	let mut histories = vec![MeterHistory::default(); METERS as usize];
	let mut findings = 0usize;
	let started = Instant::now();
	for slot in 0..SLOTS {
		for (meter, history) in (0u64..).zip(&mut histories) {
			let interval = interval(meter, slot);
			let received_seconds = interval.start_seconds + 960;
			let taken = validator.take(&facts, &calendar, history, &interval, received_seconds);
			findings += usize::from(taken.verdict.outcome() != Outcome::Pass);
		}
	}
	let seconds = started.elapsed().as_secs_f64();
	let intervals = METERS * SLOTS;
	println!(
		"take (judge, remember, finish days): {:.2} million intervals/s",
		intervals as f64 / seconds / 1e6
	);
	println!("{intervals} intervals in {seconds:.2} s, {findings} with findings");

	let started = Instant::now();
	for (meter, history) in (0u64..).zip(&histories) {
		for slot in SLOTS..SLOTS + 96 {
			let interval = interval(meter, slot);
			let verdict = validator.check_interval(
				&facts,
				&calendar,
				history,
				&interval,
				interval.start_seconds + 960,
			);
			findings += usize::from(verdict.outcome() != Outcome::Pass);
		}
	}
	let rate = (METERS * 96) as f64 / started.elapsed().as_secs_f64() / 1e6;
	println!("check_interval alone: {rate:.2} million intervals/s, {findings} with findings");

	let stored: usize = histories.iter().map(|history| history.to_bytes().len()).sum();
	println!(
		"state of a meter: {} bytes in memory, {:.1} bytes stored on average, for 10 million meters {:.2} GB and {:.2} GB",
		size_of::<MeterHistory>(),
		stored as f64 / METERS as f64,
		size_of::<MeterHistory>() as f64 / 100.0,
		stored as f64 / METERS as f64 / 100.0,
	);
	Ok(())
}
