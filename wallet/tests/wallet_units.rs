//! Money, prices and energy: from text to the chain's numbers and back, exactly.

use energy_wallet::units::{
	format_energy, format_money, format_part, format_price, format_signed_money, parse_kwh,
	parse_money, parse_percent, parse_price, UnitError,
};
use proptest::prelude::*;

mod parse {
	use super::*;

	#[test]
	fn money_is_exact() {
		assert_eq!(parse_money("12.5"), Ok(12_500_000));
		assert_eq!(parse_money("0.000001"), Ok(1));
		assert_eq!(parse_money("0"), Ok(0));
		assert_eq!(parse_money("007"), Ok(7_000_000));
		// A tenth has no exact binary fraction; here it is exact.
		assert_eq!(parse_money("0.1"), Ok(100_000));
		assert_eq!(parse_money("340282366920938463463374607431768.211455"), Ok(u128::MAX));
	}

	#[test]
	fn price_is_exact() {
		assert_eq!(parse_price("0.25"), Ok(250_000));
		assert_eq!(parse_price("18446744073709.551615"), Ok(u64::MAX));
	}

	#[test]
	fn energy_is_exact() {
		assert_eq!(parse_kwh("1.5"), Ok(1_500));
		assert_eq!(parse_kwh("0.001"), Ok(1));
	}

	#[test]
	fn percent_is_exact_and_at_most_the_whole() {
		assert_eq!(parse_percent("2.5"), Ok(25_000));
		assert_eq!(parse_percent("0.0001"), Ok(1));
		assert_eq!(parse_percent("100"), Ok(1_000_000));
		for text in ["100.0001", "429496.7296", "340282366920938463463374607431768"] {
			assert!(matches!(parse_percent(text), Err(UnitError::TooLarge { .. })), "{text}");
		}
		assert!(matches!(parse_percent("33.33333"), Err(UnitError::TooFine { .. })));
		assert!(matches!(parse_percent("5%"), Err(UnitError::NotDecimal { .. })));
	}

	#[test]
	fn zeros_at_the_end_are_allowed_when_there_are_too_many() {
		assert_eq!(parse_money("1.5000000000"), Ok(1_500_000));
		assert_eq!(parse_kwh("2.0000"), Ok(2_000));
	}

	#[test]
	fn text_is_refused_when_it_is_no_plain_decimal() {
		for text in [
			"", ".", "1.", ".5", "-1", "+1", "1,5", "1e3", "0x10", " 1", "1 ", "1.2.3", "١",
			"1_000", "inf", "NaN",
		] {
			assert!(
				matches!(parse_money(text), Err(UnitError::NotDecimal { .. })),
				"{text:?} was taken"
			);
		}
	}

	#[test]
	fn text_is_refused_when_it_is_finer_than_the_chain_counts() {
		assert!(matches!(parse_money("0.0000001"), Err(UnitError::TooFine { .. })));
		assert!(matches!(parse_price("0.2500001"), Err(UnitError::TooFine { .. })));
		let error = parse_kwh("1.2345").expect_err("is refused").to_string();
		assert!(error.contains("0.001 kWh"), "{error}");
	}

	#[test]
	fn text_is_refused_when_it_does_not_fit() {
		for text in ["340282366920938463463374607431768.211456", &"9".repeat(60)] {
			assert!(matches!(parse_money(text), Err(UnitError::TooLarge { .. })), "{text}");
		}
		assert!(matches!(parse_price("18446744073709.551616"), Err(UnitError::TooLarge { .. })));
		assert!(matches!(parse_kwh("18446744073709551.616"), Err(UnitError::TooLarge { .. })));
	}
}

mod format {
	use super::*;

	#[test]
	fn money_has_six_decimals() {
		assert_eq!(format_money(12_500_000), "12.500000");
		assert_eq!(format_money(1), "0.000001");
	}

	#[test]
	fn owed_money_has_a_sign() {
		assert_eq!(format_signed_money(0), "0.000000");
		assert_eq!(format_signed_money(1_250_000), "+1.250000");
		assert_eq!(format_signed_money(-1), "-0.000001");
		assert_eq!(format_signed_money(i128::MIN), "-170141183460469231731687303715884.105728");
	}

	#[test]
	fn price_has_at_least_two_decimals() {
		assert_eq!(format_price(250_000), "0.25");
		assert_eq!(format_price(1_000_000), "1.00");
		assert_eq!(format_price(255_500), "0.2555");
	}

	#[test]
	fn part_is_in_percent() {
		assert_eq!(format_part(1_000_000), "100 %");
		assert_eq!(format_part(25_000), "2.5 %");
		assert_eq!(format_part(1), "0.0001 %");
		assert_eq!(format_part(0), "0 %");
	}

	#[test]
	fn energy_has_no_more_decimals_than_it_needs() {
		assert_eq!(format_energy(1_500), "1.5 kWh");
		assert_eq!(format_energy(2_000), "2 kWh");
		assert_eq!(format_energy(1), "0.001 kWh");
		assert_eq!(format_energy(10_000), "10 kWh");
	}
}

proptest! {
	/// What is written is read back, whatever it is.
	#[test]
	fn money_round_trips(money: u128) {
		prop_assert_eq!(parse_money(&format_money(money)), Ok(money));
	}

	#[test]
	fn price_round_trips(price: u64) {
		prop_assert_eq!(parse_price(&format_price(price)), Ok(price));
	}

	#[test]
	fn energy_round_trips(energy_wh: u64) {
		let text = format_energy(energy_wh);
		prop_assert_eq!(parse_kwh(text.trim_end_matches(" kWh")), Ok(energy_wh));
	}

	/// Reading is the schoolbook: whole part and fraction, digit by digit.
	#[test]
	fn money_is_whole_part_and_fraction(whole in 0u64.., fraction in 0u32..1_000_000, digits in 0usize..=6) {
		let kept = &format!("{fraction:06}")[..digits];
		let text = if digits == 0 { whole.to_string() } else { format!("{whole}.{kept}") };
		let expected = u128::from(whole) * 1_000_000
			+ format!("{kept:0<6}").parse::<u128>().expect("digits");
		prop_assert_eq!(parse_money(&text), Ok(expected));
	}

	/// No text makes it panic, and what is taken is a plain decimal.
	#[test]
	fn parsing_never_panics(text in "\\PC{0,40}") {
		if parse_money(&text).is_ok() {
			prop_assert!(text.chars().all(|letter| letter.is_ascii_digit() || letter == '.'));
		}
		let _ = parse_price(&text);
		let _ = parse_kwh(&text);
	}
}
