//! What can be wrong: two small enums for the chain, and a [`Rejection`] for everyone else.

use core::fmt;

/// A canonical message breaks a rule of its own. `index` counts intervals from zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CanonicalError {
	/// The bytes are not exactly one encoded message.
	NotCanonical,
	/// There is no interval.
	NoIntervals,
	/// There are more than [`MAX_INTERVALS`](crate::MAX_INTERVALS) intervals.
	TooManyIntervals {
		/// How many there are.
		count: usize,
	},
	/// The interval is empty.
	ZeroDuration {
		/// Which interval.
		index: usize,
	},
	/// The interval is longer than [`MAX_INTERVAL_SECONDS`](crate::MAX_INTERVAL_SECONDS).
	DurationTooLong {
		/// Which interval.
		index: usize,
	},
	/// The end of the interval does not fit in a `u64`.
	EndOutOfRange {
		/// Which interval.
		index: usize,
	},
	/// The interval starts before the one before it starts.
	Unsorted {
		/// Which interval.
		index: usize,
	},
	/// The interval starts before the one before it ends.
	Overlap {
		/// Which interval.
		index: usize,
	},
	/// The interval is of quality `Missing` and yet carries energy.
	MissingWithEnergy {
		/// Which interval.
		index: usize,
	},
	/// A sum of energies does not fit in a `u64`.
	EnergyOverflow,
}

impl fmt::Display for CanonicalError {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::NotCanonical => formatter.write_str("the bytes are not exactly one message"),
			Self::NoIntervals => formatter.write_str("there is no reading"),
			Self::TooManyIntervals { count } => write!(
				formatter,
				"there are {count} readings, at most {} are allowed",
				crate::MAX_INTERVALS
			),
			Self::ZeroDuration { .. } => formatter.write_str("the duration is zero"),
			Self::DurationTooLong { .. } => {
				write!(formatter, "the duration is above {} seconds", crate::MAX_INTERVAL_SECONDS)
			}
			Self::EndOutOfRange { .. } => formatter.write_str("the end is out of range"),
			Self::Unsorted { .. } => {
				formatter.write_str("starts before the start of the reading before it")
			}
			Self::Overlap { .. } => {
				formatter.write_str("starts before the end of the reading before it")
			}
			Self::MissingWithEnergy { .. } => {
				formatter.write_str("is of quality missing and yet carries energy")
			}
			Self::EnergyOverflow => formatter.write_str("the sum of the energies is out of range"),
		}
	}
}

impl core::error::Error for CanonicalError {}

/// A signature or key was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignatureError {
	/// The key and the signature belong to different algorithms.
	AlgorithmMismatch,
	/// The key is no usable point of its curve.
	InvalidKey,
	/// The signature is malformed, or is not by this key over these bytes.
	InvalidSignature,
	/// An ECDSA signature with the higher of its two values of `s`.
	HighS,
}

impl fmt::Display for SignatureError {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(match self {
			Self::AlgorithmMismatch => "the algorithm is not that of the registered key",
			Self::InvalidKey => "the registered key is no usable point of its curve",
			Self::InvalidSignature => {
				"the signature is not by the registered key over this message"
			}
			Self::HighS => "s of the ECDSA signature is not in the lower half",
		})
	}
}

impl core::error::Error for SignatureError {}

#[cfg(feature = "std")]
pub use rejection::{Rejection, RejectionCode};

#[cfg(feature = "std")]
mod rejection {
	use super::{CanonicalError, SignatureError};
	use std::fmt;

	/// Declares the enum, its list and its words in one place, so that they cannot differ.
	macro_rules! rejection_codes {
		($($(#[$documentation:meta])* $name:ident = $word:literal,)*) => {
			/// Why a message was refused, as a short word for metrics and for client programs.
			#[derive(
				Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize,
				serde::Serialize,
			)]
			#[non_exhaustive]
			pub enum RejectionCode {
				$($(#[$documentation])* #[serde(rename = $word)] $name,)*
			}

			impl RejectionCode {
				/// Every code there is.
				pub const ALL: &'static [Self] = &[$(Self::$name,)*];

				/// The word: lower case, joined by hyphens, never changed once published.
				pub const fn as_str(self) -> &'static str {
					match self {
						$(Self::$name => $word,)*
					}
				}
			}
		};
	}

	rejection_codes! {
		/// The document is longer than [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES).
		TooLarge = "too-large",
		/// The document is not JSON in UTF-8.
		NotJson = "not-json",
		/// A value is of another JSON type than the standard says.
		WrongType = "wrong-type",
		/// The standard knows no such field, so nobody would know whether it was signed.
		UnknownField = "unknown-field",
		/// A field occurs twice in one object.
		DuplicateField = "duplicate-field",
		/// A field that must be there is not.
		MissingField = "missing-field",
		/// Another standard, version or phase than this crate reads.
		UnsupportedVersion = "unsupported-version",
		/// Not a moment of RFC 3339 in whole seconds from 1970 on.
		BadTimestamp = "bad-timestamp",
		/// Not 1 to 64 visible ASCII characters.
		BadMeterId = "bad-meter-id",
		/// A number with too many digits or too large an exponent.
		BadNumber = "bad-number",
		/// An energy that is not a whole number of watt-hours.
		NotWholeWattHour = "not-whole-watt-hour",
		/// A negative energy where only a positive one has a meaning.
		Negative = "negative",
		/// A number, or a sum of numbers, beyond its range.
		OutOfRange = "out-of-range",
		/// A unit other than Wh, kWh, MWh.
		UnknownUnit = "unknown-unit",
		/// A quality that is not in the table.
		UnknownQuality = "unknown-quality",
		/// The quality of a total differs from the one quality that is signed.
		QualityMismatch = "quality-mismatch",
		/// A signature algorithm other than ed25519 and p256.
		UnknownAlgorithm = "unknown-algorithm",
		/// A signature that is not 64 bytes in hexadecimal.
		BadSignatureEncoding = "bad-signature-encoding",
		/// Signing bytes or leaf bytes that are not exactly one message.
		NotCanonical = "not-canonical",
		/// More readings than one message may hold.
		TooManyReadings = "too-many-readings",
		/// A reading over no time.
		ZeroDuration = "zero-duration",
		/// A reading longer than a day.
		DurationTooLong = "duration-too-long",
		/// A reading that starts before the one before it.
		Unsorted = "unsorted",
		/// A reading that starts before the one before it ends.
		Overlap = "overlap",
		/// A reading of quality missing that carries energy.
		MissingWithEnergy = "missing-with-energy",
		/// The message is older than the limit.
		Stale = "stale",
		/// The message is from the future.
		Future = "future",
		/// A reading ends after the message was made.
		EndsAfterTimestamp = "ends-after-timestamp",
		/// More power than the limit.
		AbsurdPower = "absurd-power",
		/// The signature is not by the registered key over this message.
		SignatureInvalid = "signature-invalid",
	}

	impl fmt::Display for RejectionCode {
		fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
			formatter.write_str(self.as_str())
		}
	}

	/// Why a message was refused, and which of its fields is to blame.
	///
	/// Displayed as `field: reason`. A document that is refused as a whole has the field `$`.
	#[derive(
		Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize, thiserror::Error,
	)]
	#[error("{field}: {reason}")]
	#[non_exhaustive]
	pub struct Rejection {
		/// Path of the field in the JSON document, such as `readings[2].import.value`.
		pub field: String,
		/// One sentence for a human.
		pub reason: String,
		/// The same for a machine.
		pub code: RejectionCode,
	}

	impl Rejection {
		/// A rejection of `field`.
		pub fn new(
			field: impl fmt::Display,
			code: RejectionCode,
			reason: impl fmt::Display,
		) -> Self {
			Self { field: field.to_string(), reason: reason.to_string(), code }
		}
	}

	impl From<CanonicalError> for Rejection {
		fn from(error: CanonicalError) -> Self {
			let reading = |index: usize, field: &str| format!("readings[{index}]{field}");
			let (field, code) = match error {
				CanonicalError::NotCanonical => ("$".into(), RejectionCode::NotCanonical),
				CanonicalError::NoIntervals => ("readings".into(), RejectionCode::MissingField),
				CanonicalError::TooManyIntervals { .. } => {
					("readings".into(), RejectionCode::TooManyReadings)
				}
				CanonicalError::ZeroDuration { index } => {
					(reading(index, ".durationSeconds"), RejectionCode::ZeroDuration)
				}
				CanonicalError::DurationTooLong { index } => {
					(reading(index, ".durationSeconds"), RejectionCode::DurationTooLong)
				}
				CanonicalError::EndOutOfRange { index } => {
					(reading(index, ".durationSeconds"), RejectionCode::OutOfRange)
				}
				CanonicalError::Unsorted { index } => {
					(reading(index, ".start"), RejectionCode::Unsorted)
				}
				CanonicalError::Overlap { index } => {
					(reading(index, ".start"), RejectionCode::Overlap)
				}
				CanonicalError::MissingWithEnergy { index } => {
					(reading(index, ""), RejectionCode::MissingWithEnergy)
				}
				CanonicalError::EnergyOverflow => ("readings".into(), RejectionCode::OutOfRange),
			};
			Self::new(field, code, error)
		}
	}

	impl From<SignatureError> for Rejection {
		fn from(error: SignatureError) -> Self {
			Self::new("signature", RejectionCode::SignatureInvalid, error)
		}
	}
}
