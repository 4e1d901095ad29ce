//! Exact numbers: a decimal as JSON writes it, and an energy that is whole watt-hours.

use core::{fmt, str::FromStr};

use serde::{ser::SerializeStruct, Serialize, Serializer};

/// Most significant digits of a [`Decimal`].
const MAX_DIGITS: u32 = 30;
/// Largest power of ten of a [`Decimal`], and with a minus sign the smallest.
const MAX_EXPONENT: i64 = 30;
/// Longest text of a [`Decimal`], in bytes.
const MAX_TEXT: usize = 128;

/// Why a number is no energy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
	/// Not a number as JSON writes it.
	#[error("not a number")]
	NotANumber,
	/// More digits or a larger exponent than [`Decimal`] holds.
	#[error("more than {MAX_DIGITS} digits, or an exponent beyond {MAX_EXPONENT}")]
	TooManyDigits,
	/// The energy has a fraction of a watt-hour.
	#[error("not a whole watt-hour")]
	NotWholeWattHour,
	/// The energy is below zero.
	#[error("negative")]
	Negative,
	/// The number is beyond the range of its field.
	#[error("out of range")]
	OutOfRange,
}

/// A decimal number, kept exactly: never a binary fraction on the way from the meter to the bill.
///
/// It holds up to 30 significant digits and powers of ten from -30 to 30. Numbers of equal value
/// are equal: `1250.50`, `1.2505e3` and `1250.5` are one `Decimal`, displayed as `1250.5`, without
/// an exponent.
///
/// ```
/// # use wia_ene_014::Decimal;
/// let decimal: Decimal = "1.25050e3".parse()?;
/// assert_eq!(decimal.to_string(), "1250.5");
/// # Ok::<(), wia_ene_014::QuantityError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Decimal {
	/// No multiple of ten, except zero.
	mantissa: i128,
	/// Zero when the mantissa is.
	exponent: i32,
}

impl Decimal {
	/// `self * 10^power`, when that is an integer.
	///
	/// # Errors
	/// [`QuantityError::NotWholeWattHour`] when it has a fraction, [`QuantityError::OutOfRange`]
	/// when it does not fit in an `i128`.
	fn scaled_by(self, power: u32) -> Result<i128, QuantityError> {
		let exponent = i64::from(self.exponent).saturating_add(power.into());
		let exponent =
			u32::try_from(exponent).map_err(|_negative| QuantityError::NotWholeWattHour)?;
		10i128
			.checked_pow(exponent)
			.and_then(|factor| self.mantissa.checked_mul(factor))
			.ok_or(QuantityError::OutOfRange)
	}

	/// The number as an integer, or `None` when it has a fraction or does not fit.
	pub fn to_integer(self) -> Option<i128> {
		self.scaled_by(0).ok()
	}

	/// `integer * 10^exponent`, normalised. The caller keeps both within the limits of the type.
	fn normalized(mut mantissa: i128, mut exponent: i32) -> Self {
		if mantissa == 0 {
			return Self { mantissa, exponent: 0 };
		}
		while mantissa % 10 == 0 {
			mantissa /= 10;
			exponent = exponent.saturating_add(1);
		}
		Self { mantissa, exponent }
	}
}

impl From<u64> for Decimal {
	fn from(integer: u64) -> Self {
		Self::normalized(integer.into(), 0)
	}
}

impl From<i64> for Decimal {
	fn from(integer: i64) -> Self {
		Self::normalized(integer.into(), 0)
	}
}

/// Splits leading ASCII digits off.
fn split_digits(text: &str) -> (&str, &str) {
	let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
	text.split_at(end)
}

impl FromStr for Decimal {
	type Err = QuantityError;

	/// Reads a number by the grammar of RFC 8259, section 6.
	fn from_str(text: &str) -> Result<Self, QuantityError> {
		if text.len() > MAX_TEXT {
			return Err(QuantityError::TooManyDigits);
		}
		let (negative, rest) = match text.strip_prefix('-') {
			Some(rest) => (true, rest),
			None => (false, text),
		};
		let (integer, rest) = split_digits(rest);
		if integer.is_empty() || (integer.len() > 1 && integer.starts_with('0')) {
			return Err(QuantityError::NotANumber);
		}
		let (fraction, rest) = match rest.strip_prefix('.') {
			Some(rest) => split_digits(rest),
			None => ("0", rest),
		};
		let stated_exponent = match rest.strip_prefix(['e', 'E']) {
			Some(rest) => {
				let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
				if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
					return Err(QuantityError::NotANumber);
				}
				// Digits and a sign only fail to parse when they are too many.
				let limit = if rest.starts_with('-') { i32::MIN } else { i32::MAX };
				rest.parse::<i32>().unwrap_or(limit)
			}
			None if rest.is_empty() => 0,
			None => return Err(QuantityError::NotANumber),
		};
		if fraction.is_empty() {
			return Err(QuantityError::NotANumber);
		}

		let mut mantissa = 0i128;
		let mut significant = 0u32;
		let mut zeros = 0u32;
		for digit in integer.bytes().chain(fraction.bytes()).map(|byte| byte - b'0') {
			if digit == 0 {
				// Counted only when another digit follows, so that zeros cost no digits.
				zeros = zeros.saturating_add(u32::from(significant > 0));
				continue;
			}
			significant = significant.saturating_add(zeros).saturating_add(1);
			if significant > MAX_DIGITS {
				return Err(QuantityError::TooManyDigits);
			}
			mantissa = 10i128
				.checked_pow(zeros.saturating_add(1))
				.and_then(|factor| mantissa.checked_mul(factor))
				.and_then(|shifted| shifted.checked_add(digit.into()))
				.ok_or(QuantityError::TooManyDigits)?;
			zeros = 0;
		}
		if mantissa == 0 {
			return Ok(Self { mantissa: 0, exponent: 0 });
		}
		let exponent = i64::from(stated_exponent)
			.saturating_add(zeros.into())
			.saturating_sub_unsigned(fraction.len() as u64);
		if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
			return Err(QuantityError::TooManyDigits);
		}
		let exponent = i32::try_from(exponent).map_err(|_error| QuantityError::TooManyDigits)?;
		Ok(Self { mantissa: if negative { mantissa.saturating_neg() } else { mantissa }, exponent })
	}
}

impl fmt::Display for Decimal {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		if self.mantissa < 0 {
			formatter.write_str("-")?;
		}
		let digits = self.mantissa.unsigned_abs().to_string();
		match usize::try_from(self.exponent) {
			Ok(zeros) => write!(formatter, "{digits}{:0<zeros$}", ""),
			Err(_negative) => {
				let places = self.exponent.unsigned_abs() as usize;
				let padded = format!("{digits:0>width$}", width = places.saturating_add(1));
				let (integer, fraction) = padded.split_at(padded.len().saturating_sub(places));
				write!(formatter, "{integer}.{fraction}")
			}
		}
	}
}

impl Serialize for Decimal {
	/// As a JSON number with all its digits. Needs `serde_json` as the format.
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serde_json::value::RawValue::from_string(self.to_string())
			.map_err(serde::ser::Error::custom)?
			.serialize(serializer)
	}
}

/// The units of energy that a message may use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, Serialize)]
pub enum EnergyUnit {
	/// Watt-hour.
	#[serde(rename = "Wh")]
	WattHour,
	/// Kilowatt-hour, 1000 Wh.
	#[serde(rename = "kWh")]
	KilowattHour,
	/// Megawatt-hour, 1 000 000 Wh.
	#[serde(rename = "MWh")]
	MegawattHour,
}

impl EnergyUnit {
	/// Every unit there is.
	pub const ALL: [Self; 3] = [Self::WattHour, Self::KilowattHour, Self::MegawattHour];

	/// The symbol as in the JSON message; case matters.
	pub const fn symbol(self) -> &'static str {
		match self {
			Self::WattHour => "Wh",
			Self::KilowattHour => "kWh",
			Self::MegawattHour => "MWh",
		}
	}

	/// The unit is `10^power` watt-hours.
	pub(crate) const fn power_of_ten(self) -> u32 {
		match self {
			Self::WattHour => 0,
			Self::KilowattHour => 3,
			Self::MegawattHour => 6,
		}
	}
}

/// An energy as a message writes it, known to be a whole number of watt-hours.
///
/// Nothing is ever rounded: `0.0005 kWh` is refused. Two quantities are equal when they are
/// written alike; compare [`watt_hours`](Self::watt_hours) to compare energies.
///
/// ```
/// # use wia_ene_014::{EnergyQuantity, EnergyUnit, QuantityError};
/// let energy = EnergyQuantity::new("1250.5".parse()?, EnergyUnit::KilowattHour)?;
/// assert_eq!(energy.unsigned_wh()?, 1_250_500);
/// let refused = EnergyQuantity::new("0.0005".parse()?, EnergyUnit::KilowattHour);
/// assert_eq!(refused, Err(QuantityError::NotWholeWattHour));
/// # Ok::<(), QuantityError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EnergyQuantity {
	value: Decimal,
	unit: EnergyUnit,
	watt_hours: i128,
}

impl EnergyQuantity {
	/// `value` times `unit`.
	///
	/// # Errors
	/// [`QuantityError::NotWholeWattHour`], or [`QuantityError::OutOfRange`] beyond
	/// `i64::MIN..=u64::MAX` watt-hours.
	pub fn new(value: Decimal, unit: EnergyUnit) -> Result<Self, QuantityError> {
		let watt_hours = value.scaled_by(unit.power_of_ten())?;
		if watt_hours < i128::from(i64::MIN) || watt_hours > i128::from(u64::MAX) {
			return Err(QuantityError::OutOfRange);
		}
		Ok(Self { value, unit, watt_hours })
	}

	/// Watt-hours, written as watt-hours.
	pub fn from_wh(watt_hours: u64) -> Self {
		Self { value: watt_hours.into(), unit: EnergyUnit::WattHour, watt_hours: watt_hours.into() }
	}

	/// Watt-hours that may be below zero, written as watt-hours.
	pub fn from_signed_wh(watt_hours: i64) -> Self {
		Self { value: watt_hours.into(), unit: EnergyUnit::WattHour, watt_hours: watt_hours.into() }
	}

	/// The number as written.
	pub const fn value(&self) -> Decimal {
		self.value
	}

	/// The unit as written.
	pub const fn unit(&self) -> EnergyUnit {
		self.unit
	}

	/// The energy, exactly, in watt-hours.
	pub const fn watt_hours(&self) -> i128 {
		self.watt_hours
	}

	/// The energy in watt-hours, of a field that knows no sign.
	///
	/// # Errors
	/// [`QuantityError::Negative`].
	pub fn unsigned_wh(&self) -> Result<u64, QuantityError> {
		u64::try_from(self.watt_hours).map_err(|_negative| QuantityError::Negative)
	}

	/// The energy in watt-hours, of a field with a sign.
	///
	/// # Errors
	/// [`QuantityError::OutOfRange`] above `i64::MAX`.
	pub fn signed_wh(&self) -> Result<i64, QuantityError> {
		i64::try_from(self.watt_hours).map_err(|_too_large| QuantityError::OutOfRange)
	}
}

impl Serialize for EnergyQuantity {
	/// As `{"value": number, "unit": "kWh"}`.
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		let mut object = serializer.serialize_struct("EnergyQuantity", 2)?;
		object.serialize_field("value", &self.value)?;
		object.serialize_field("unit", &self.unit)?;
		object.end()
	}
}
