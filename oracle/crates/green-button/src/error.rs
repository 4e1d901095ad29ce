use std::io;
use thiserror::Error;

/// Why an export was not written. After an error the output has no closing tag, so no reader
/// takes it for a whole feed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
	/// A text of the description is empty or too long.
	#[error("{field}: {characters} characters, from 1 to {limit} are allowed")]
	TextLength {
		/// Field of the description.
		field: &'static str,
		/// Characters it has.
		characters: usize,
		/// Most characters it may have.
		limit: usize,
	},
	/// A text of the description has a character that its place does not allow.
	#[error("{field}: the character U+{:04X} is not allowed", u32::from(*.character))]
	Character {
		/// Field of the description.
		field: &'static str,
		/// The character.
		character: char,
	},
	/// A number is outside its range.
	#[error("{field}: {value} is not from {least} to {most}")]
	OutOfRange {
		/// Field of the description or of the interval.
		field: &'static str,
		/// The number.
		value: i128,
		/// Least that is allowed.
		least: i128,
		/// Most that is allowed.
		most: i128,
	},
	/// An interval does not have the length that the description promises.
	#[error("duration_seconds: the interval at {start_seconds} has {found}, expected {expected}")]
	IntervalLength {
		/// Start of the interval.
		start_seconds: u64,
		/// Its length, in seconds.
		found: u32,
		/// Length that the description gives, in seconds.
		expected: u32,
	},
	/// An interval starts before the one before it has ended.
	#[error("start_seconds: {start_seconds} is before {previous_end_seconds}, where the last interval ends")]
	OutOfOrder {
		/// Start of the interval.
		start_seconds: u64,
		/// End of the interval before it.
		previous_end_seconds: u64,
	},
	/// An interval is not wholly inside the period.
	#[error("start_seconds: the interval at {start_seconds} is not wholly inside the period")]
	OutsidePeriod {
		/// Start of the interval.
		start_seconds: u64,
	},
	/// An interval is marked as missing and has energy all the same.
	#[error("quality: the interval at {start_seconds} is missing and has energy")]
	MissingWithEnergy {
		/// Start of the interval.
		start_seconds: u64,
	},
	/// The output failed.
	#[error("output: {0}")]
	Output(#[from] io::Error),
}
