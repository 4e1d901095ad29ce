//! What was rejected, kept for a while so that somebody can look into it.

use codec::{Decode, Encode};

use oracle_port::Rejection;

/// The longest part of a rejected message that is kept, bytes.
pub const MAX_MESSAGE_BYTES: usize = 4_096;

/// A rejected message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeadLetter {
	/// When it came in, seconds since 1970.
	pub received_seconds: u64,
	/// Where it came from, such as `http` or `mqtt`.
	pub source: String,
	/// Path of the field that it was rejected for.
	pub field: String,
	/// Why, for a machine.
	pub code: String,
	/// Why, for a human.
	pub reason: String,
	/// The message as it came in, at most [`MAX_MESSAGE_BYTES`] of it.
	pub message: Vec<u8>,
}

impl DeadLetter {
	/// A message that is not taken.
	pub fn new(received_seconds: u64, source: &str, rejection: &Rejection, message: &[u8]) -> Self {
		Self {
			received_seconds,
			source: source.to_owned(),
			field: rejection.field.clone(),
			code: rejection.code.clone(),
			reason: rejection.reason.clone(),
			message: message.get(..MAX_MESSAGE_BYTES).unwrap_or(message).to_vec(),
		}
	}
}

/// A rejected message with its number, by which it can be found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDeadLetter {
	/// They are numbered in the order in which they were kept.
	pub number: u64,
	/// The message.
	pub letter: DeadLetter,
}
