//! Money, prices and energy as people write them, and as the chain counts them.
//!
//! | quantity | written | counted | finest step |
//! |---|---|---|---|
//! | money | `12.5` (settlement currency) | minor units, `u128` | 0.000001 |
//! | price | `0.25` (settlement currency per kWh) | minor units per kWh, `u64` | 0.000001 |
//! | energy | `1.5` (kWh) or `1500` (Wh) | Wh, `u64` | 0.001 kWh |
//! | part of a whole | `2.5` (percent) | parts per million, `u32` | 0.0001 % |
//!
//! Every conversion is exact, with integers only. What cannot be said exactly is refused, never
//! rounded.

use energy_market_core::MILLION;
use energy_primitives::Balance;

/// Decimals of the settlement currency.
pub const MONEY_DECIMALS: u32 = 6;

/// Decimals between a kilowatt-hour and a watt-hour.
pub const ENERGY_DECIMALS: u32 = 3;

/// Decimals between a percent and a part per million.
pub const PERCENT_DECIMALS: u32 = 4;

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
	/// Not digits with at most one point between them.
	#[error("`{text}` is not a plain decimal number such as 12 or 0.25 (no sign, no comma, no exponent)")]
	NotDecimal {
		/// What was given.
		text: String,
	},
	/// More decimals than the chain can count.
	#[error("`{text}` has more than {decimals} decimals; {unit} is counted in steps of {step}")]
	TooFine {
		/// What was given.
		text: String,
		/// How many decimals there may be.
		decimals: u32,
		/// What is counted.
		unit: &'static str,
		/// The finest step.
		step: &'static str,
	},
	/// Larger than the chain can count.
	#[error("`{text}` is too large for {unit}")]
	TooLarge {
		/// What was given.
		text: String,
		/// What is counted.
		unit: &'static str,
	},
}

/// What is counted: only for the words of an error.
#[derive(Clone, Copy)]
struct Unit {
	name: &'static str,
	decimals: u32,
	step: &'static str,
}

const MONEY: Unit = Unit { name: "money", decimals: MONEY_DECIMALS, step: "0.000001" };
const PRICE: Unit = Unit { name: "a price", decimals: MONEY_DECIMALS, step: "0.000001 per kWh" };
const ENERGY: Unit = Unit { name: "energy", decimals: ENERGY_DECIMALS, step: "0.001 kWh" };
const PART: Unit = Unit { name: "a part of a whole", decimals: PERCENT_DECIMALS, step: "0.0001 %" };

/// Reads `digits[.digits]` as a whole number of `10^-decimals`.
fn parse_decimal(text: &str, unit: Unit) -> Result<u128, UnitError> {
	let not_decimal = || UnitError::NotDecimal { text: text.into() };
	let too_large = || UnitError::TooLarge { text: text.into(), unit: unit.name };
	let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());

	let (whole, fraction) = match text.split_once('.') {
		Some((whole, fraction)) if digits(whole) && digits(fraction) => (whole, fraction),
		None if digits(text) => (text, ""),
		_ => return Err(not_decimal()),
	};
	// Zeros at the end say nothing: 1.5000000 is 1.5.
	let fraction = fraction.trim_end_matches('0');
	let length = u32::try_from(fraction.len()).map_err(|_| not_decimal())?;
	let Some(missing) = unit.decimals.checked_sub(length) else {
		return Err(UnitError::TooFine {
			text: text.into(),
			decimals: unit.decimals,
			unit: unit.name,
			step: unit.step,
		});
	};

	let mut value = 0u128;
	for byte in whole.bytes().chain(fraction.bytes()) {
		value = value
			.checked_mul(10)
			.and_then(|value| value.checked_add(u128::from(byte - b'0')))
			.ok_or_else(too_large)?;
	}
	value.checked_mul(10u128.pow(missing)).ok_or_else(too_large)
}

/// Writes `value * 10^-decimals` with all its decimals.
fn format_decimal(value: u128, decimals: u32) -> String {
	let one = 10u128.pow(decimals);
	format!("{}.{:0width$}", value / one, value % one, width = decimals as usize)
}

/// Removes zeros at the end, down to `least` decimals.
fn trim_zeros(mut text: String, least: usize) -> String {
	let Some(point) = text.find('.') else { return text };
	while text.ends_with('0') && text.len() > point + 1 + least {
		text.pop();
	}
	if text.ends_with('.') {
		text.pop();
	}
	text
}

/// Money as minor units: `"12.5"` is 12 500 000.
///
/// # Errors
/// When the text is no decimal number, is finer than a minor unit, or does not fit.
pub fn parse_money(text: &str) -> Result<Balance, UnitError> {
	parse_decimal(text, MONEY)
}

/// A price as minor units per kWh: `"0.25"` is 250 000.
///
/// # Errors
/// When the text is no decimal number, is finer than a minor unit per kWh, or does not fit.
pub fn parse_price(text: &str) -> Result<u64, UnitError> {
	let price = parse_decimal(text, PRICE)?;
	u64::try_from(price).map_err(|_| UnitError::TooLarge { text: text.into(), unit: PRICE.name })
}

/// Energy written in kWh as Wh: `"1.5"` is 1500.
///
/// # Errors
/// When the text is no decimal number, is finer than 1 Wh, or does not fit.
pub fn parse_kwh(text: &str) -> Result<u64, UnitError> {
	let energy = parse_decimal(text, ENERGY)?;
	u64::try_from(energy).map_err(|_| UnitError::TooLarge { text: text.into(), unit: ENERGY.name })
}

/// A part of a whole written in percent as parts per million: `"2.5"` is 25 000.
///
/// # Errors
/// When the text is no decimal number, is finer than a part per million, or more than the whole.
pub fn parse_percent(text: &str) -> Result<u32, UnitError> {
	let parts = parse_decimal(text, PART)?;
	u32::try_from(parts)
		.ok()
		.filter(|parts| *parts <= MILLION)
		.ok_or_else(|| UnitError::TooLarge { text: text.into(), unit: PART.name })
}

/// Money with its six decimals: 12 500 000 is `12.500000`.
pub fn format_money(minor_units: Balance) -> String {
	format_decimal(minor_units, MONEY_DECIMALS)
}

/// Money that may be owed, always with a sign: `+1.250000`, `-0.300000`, `0.000000`.
pub fn format_signed_money(minor_units: i128) -> String {
	let sign = match minor_units {
		0 => "",
		1.. => "+",
		_ => "-",
	};
	format!("{sign}{}", format_money(minor_units.unsigned_abs()))
}

/// A price per kWh with two decimals, or more where it has more: 250 000 is `0.25`.
pub fn format_price(minor_units_per_kwh: u64) -> String {
	trim_zeros(format_decimal(minor_units_per_kwh.into(), MONEY_DECIMALS), 2)
}

/// A part of a whole in percent, with as many decimals as it has: 25 000 parts per million are
/// `2.5 %`.
pub fn format_part(parts_per_million: u32) -> String {
	format!("{} %", trim_zeros(format_decimal(parts_per_million.into(), PERCENT_DECIMALS), 0))
}

/// Energy as kWh, with as many decimals as it has: 1500 is `1.5 kWh`.
pub fn format_energy(energy_wh: u64) -> String {
	format!("{} kWh", trim_zeros(format_decimal(energy_wh.into(), ENERGY_DECIMALS), 0))
}
