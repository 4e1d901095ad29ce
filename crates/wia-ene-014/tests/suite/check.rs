//! Limits: each at its border.

use wia_ene_014::{
	check, CanonicalMessage, DeviceSignature, Limits, RejectionCode, SignedMessage,
	END_TOLERANCE_SECONDS, MAX_INTERVALS,
};

use crate::support::{interval, sample, with_intervals, NOW};

fn outcome(message: CanonicalMessage, limits: Limits) -> Result<(), (String, RejectionCode)> {
	let signed = SignedMessage { message, signature: DeviceSignature::Ed25519([0; 64]) };
	check(&signed, &limits).map_err(|rejection| (rejection.field, rejection.code))
}

fn refused(field: &str, code: RejectionCode) -> Result<(), (String, RejectionCode)> {
	Err((field.into(), code))
}

#[test]
fn accepted_when_fresh() {
	assert_eq!(outcome(sample().canonical().unwrap(), Limits::at(NOW)), Ok(()));
}

#[test]
fn rules_of_the_message_come_first() {
	let message = with_intervals(vec![interval(NOW - 900, 0)]);
	let expected = refused("readings[0].durationSeconds", RejectionCode::ZeroDuration);
	assert_eq!(outcome(message, Limits::at(0)), expected);
}

#[test]
fn age_is_limited() {
	let aged = |age| outcome(sample().canonical().unwrap(), Limits::at(NOW + age));
	assert_eq!(aged(86_400), Ok(()));
	assert_eq!(aged(86_401), refused("timestamp", RejectionCode::Stale));
}

#[test]
fn clock_error_is_limited() {
	let ahead = |ahead| outcome(sample().canonical().unwrap(), Limits::at(NOW - ahead));
	assert_eq!(ahead(300), Ok(()));
	assert_eq!(ahead(301), refused("timestamp", RejectionCode::Future));
}

#[test]
fn reading_ends_no_later_than_the_timestamp_and_its_tolerance() {
	let ending = |end| outcome(with_intervals(vec![interval(end - 900, 900)]), Limits::at(NOW));
	assert_eq!(ending(NOW + END_TOLERANCE_SECONDS), Ok(()));
	assert_eq!(
		ending(NOW + END_TOLERANCE_SECONDS + 1),
		refused("readings[0].durationSeconds", RejectionCode::EndsAfterTimestamp)
	);
}

#[test]
fn number_of_readings_is_limited() {
	let limited = |max_intervals| {
		let limits = Limits { max_intervals, ..Limits::at(NOW) };
		outcome(sample().canonical().unwrap(), limits)
	};
	assert_eq!(limited(2), Ok(()));
	assert_eq!(limited(1), refused("readings", RejectionCode::TooManyReadings));
	let many = (0..97).map(|index| interval(index * 900, 900)).collect();
	let limits = Limits { max_intervals: usize::MAX, ..Limits::at(NOW) };
	assert_eq!(
		outcome(with_intervals(many), limits),
		refused("readings", RejectionCode::TooManyReadings)
	);
	assert_eq!(Limits::at(NOW).max_intervals, MAX_INTERVALS);
}

mod power {
	use super::*;

	fn measured(
		duration: u32,
		import_wh: u64,
		export_wh: u64,
		max_power_w: u64,
	) -> Result<(), (String, RejectionCode)> {
		let mut interval = interval(NOW - 86_400, duration);
		(interval.import_wh, interval.export_wh) = (import_wh, export_wh);
		let limits = Limits { max_power_w: Some(max_power_w), ..Limits::at(NOW) };
		outcome(with_intervals(vec![interval]), limits)
	}

	#[test]
	fn energy_up_to_the_limit_is_accepted() {
		assert_eq!(measured(900, 250, 250, 1_000), Ok(()));
		assert_eq!(
			measured(900, 251, 0, 1_000),
			refused("readings[0].import.value", RejectionCode::AbsurdPower)
		);
		assert_eq!(
			measured(900, 0, 251, 1_000),
			refused("readings[0].export.value", RejectionCode::AbsurdPower)
		);
	}

	#[test]
	fn limit_is_rounded_up_to_a_whole_watt_hour() {
		assert_eq!(measured(900, 1, 0, 1), Ok(()));
		assert!(measured(900, 2, 0, 1).is_err());
		assert_eq!(measured(3_600, 1, 0, 1), Ok(()));
		assert!(measured(3_600, 2, 0, 1).is_err());
		assert_eq!(measured(3_601, 2, 0, 1), Ok(()));
		assert!(measured(1, 1, 0, 0).is_err());
		assert_eq!(measured(1, 0, 0, 0), Ok(()));
	}

	#[test]
	fn largest_numbers_do_not_overflow() {
		assert_eq!(measured(86_400, u64::MAX, u64::MAX, u64::MAX), Ok(()));
		assert!(measured(3_599, u64::MAX, 0, u64::MAX).is_err());
	}

	#[test]
	fn no_limit_when_none_is_set() {
		let mut interval = interval(NOW - 900, 900);
		interval.import_wh = u64::MAX;
		assert_eq!(outcome(with_intervals(vec![interval]), Limits::at(NOW)), Ok(()));
	}
}

#[test]
fn extreme_clocks_do_not_overflow() {
	for timestamp_seconds in [0, u64::MAX] {
		for now in [0, u64::MAX] {
			let message =
				CanonicalMessage { timestamp_seconds, ..with_intervals(vec![interval(0, 1)]) };
			let limits = Limits {
				max_age_seconds: u64::MAX,
				max_future_seconds: u64::MAX,
				..Limits::at(now)
			};
			assert_eq!(outcome(message, limits), Ok(()));
		}
	}
}

#[test]
fn now_is_after_this_was_written() {
	assert!(Limits::now().now_seconds > 1_760_000_000);
}
