//! Exact decimals and energies.

use wia_ene_014::{Decimal, EnergyQuantity, EnergyUnit, QuantityError};

fn decimal(text: &str) -> Result<String, QuantityError> {
	text.parse::<Decimal>().map(|decimal| decimal.to_string())
}

fn wh(value: &str, unit: EnergyUnit) -> Result<i128, QuantityError> {
	EnergyQuantity::new(value.parse()?, unit).map(|quantity| quantity.watt_hours())
}

mod decimals {
	use super::*;

	#[test]
	fn printed_without_exponent_and_superfluous_zeros() {
		for (text, printed) in [
			("0", "0"),
			("-0", "0"),
			("0.000", "0"),
			("0e999999999999999999", "0"),
			("-0.0E-5", "0"),
			("7", "7"),
			("-7", "-7"),
			("1250.5", "1250.5"),
			("1250.500", "1250.5"),
			("1.2505e3", "1250.5"),
			("12505E-1", "1250.5"),
			("1e3", "1000"),
			("1E+3", "1000"),
			("100e-2", "1"),
			("0.001", "0.001"),
			("-0.05", "-0.05"),
			("1e-5", "0.00001"),
			("10.01", "10.01"),
			("18446744073709551615", "18446744073709551615"),
			("0.1000000000000000055511151231", "0.1000000000000000055511151231"),
		] {
			assert_eq!(decimal(text).as_deref(), Ok(printed), "{text}");
		}
	}

	#[test]
	fn refused_when_not_the_grammar_of_json() {
		for text in [
			"", "-", "+1", ".5", "1.", "01", "00", "-01", "1e", "1e+", "1.e3", "e3", "1,5", "1 ",
			" 1", "0x10", "NaN", "Infinity", "1e1.5", "1_000", "--1", "1e--1", "٣", "\"1\"",
			"null",
		] {
			assert_eq!(decimal(text), Err(QuantityError::NotANumber), "{text}");
		}
	}

	#[test]
	fn digits_are_limited_to_thirty() {
		let nines = "9".repeat(30);
		assert_eq!(decimal(&nines), Ok(nines.clone()));
		assert_eq!(decimal(&format!("-0.{nines}")), Ok(format!("-0.{nines}")));
		assert_eq!(decimal(&"9".repeat(31)), Err(QuantityError::TooManyDigits));
		let zeros_within = format!("1{}1", "0".repeat(29));
		assert_eq!(decimal(&zeros_within), Err(QuantityError::TooManyDigits));
	}

	#[test]
	fn exponent_is_limited_to_thirty() {
		assert_eq!(decimal("1e30"), Ok(format!("1{}", "0".repeat(30))));
		assert_eq!(decimal("1e-30"), Ok(format!("0.{}1", "0".repeat(29))));
		for text in ["1e31", "1e-31", "1e99999999999999999999", "1e-99999999999999999999"] {
			assert_eq!(decimal(text), Err(QuantityError::TooManyDigits), "{text}");
		}
		assert_eq!(decimal(&format!("1{}", "0".repeat(31))), Err(QuantityError::TooManyDigits));
		assert_eq!(decimal("0.1e31").map(|text| text.len()), Ok(31));
	}

	#[test]
	fn text_is_limited() {
		assert_eq!(decimal(&format!("1.{}", "0".repeat(126))), Ok("1".into()));
		let long = format!("1.{}", "0".repeat(127));
		assert_eq!(decimal(&long), Err(QuantityError::TooManyDigits));
	}

	#[test]
	fn integers_convert() {
		for integer in [0, 1, 10, 1_000, u64::MAX] {
			assert_eq!(Decimal::from(integer), integer.to_string().parse().unwrap());
			assert_eq!(Decimal::from(integer).to_integer(), Some(integer.into()));
		}
		for integer in [i64::MIN, -10, -1, i64::MAX] {
			assert_eq!(Decimal::from(integer), integer.to_string().parse().unwrap());
		}
		assert_eq!("0.5".parse::<Decimal>().unwrap().to_integer(), None);
		assert_eq!(format!("{}e30", "9".repeat(30)).parse::<Decimal>().unwrap().to_integer(), None);
	}
}

mod energies {
	use super::*;
	use EnergyUnit::{KilowattHour, MegawattHour, WattHour};

	#[test]
	fn units_are_powers_of_ten() {
		assert_eq!(wh("1250.5", KilowattHour), Ok(1_250_500));
		assert_eq!(wh("1250", WattHour), Ok(1_250));
		assert_eq!(wh("0.000001", MegawattHour), Ok(1));
		assert_eq!(wh("-3", KilowattHour), Ok(-3_000));
		assert_eq!(wh("0", MegawattHour), Ok(0));
	}

	#[test]
	fn refused_when_not_a_whole_watt_hour() {
		for (value, unit) in [
			("0.5", WattHour),
			("1250.5005", KilowattHour),
			("0.0001", KilowattHour),
			("-0.0001", KilowattHour),
			("0.0000001", MegawattHour),
			("1e-30", MegawattHour),
		] {
			assert_eq!(wh(value, unit), Err(QuantityError::NotWholeWattHour), "{value}");
		}
	}

	#[test]
	fn range_is_that_of_sixty_four_bits() {
		assert_eq!(wh("18446744073709551615", WattHour), Ok(u64::MAX.into()));
		assert_eq!(wh("18446744073709551.615", KilowattHour), Ok(u64::MAX.into()));
		assert_eq!(wh("-9223372036854775808", WattHour), Ok(i64::MIN.into()));
		for (value, unit) in [
			("18446744073709551616", WattHour),
			("-9223372036854775809", WattHour),
			("18446744073709.551616", MegawattHour),
			("999999999999999999999999999999e30", MegawattHour),
		] {
			assert_eq!(wh(value, unit), Err(QuantityError::OutOfRange), "{value}");
		}
	}

	#[test]
	fn sign_belongs_to_the_field() {
		assert_eq!(EnergyQuantity::from_signed_wh(-1).unsigned_wh(), Err(QuantityError::Negative));
		assert_eq!(EnergyQuantity::from_signed_wh(-1).signed_wh(), Ok(-1));
		assert_eq!(EnergyQuantity::from_wh(u64::MAX).signed_wh(), Err(QuantityError::OutOfRange));
		assert_eq!(EnergyQuantity::from_wh(u64::MAX).unsigned_wh(), Ok(u64::MAX));
	}

	#[test]
	fn constructors_agree_with_each_other() {
		let written = EnergyQuantity::new("250".parse().unwrap(), WattHour).unwrap();
		assert_eq!(EnergyQuantity::from_wh(250), written);
		assert_eq!(EnergyQuantity::from_signed_wh(250), written);
		assert_eq!((written.value(), written.unit()), ("250".parse().unwrap(), WattHour));
	}
}
