//! One line of the log.

use std::{fmt, fmt::Write as _};

use aws_lc_rs::digest::{digest, SHA256};
use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};

use crate::{
	policy::Decision,
	resource::{Action, Resource},
};

/// The longest text that is written as it is, bytes. A longer one is written as its SHA-256, so
/// that nobody fills the log and nothing that was asked goes unnamed.
pub(super) const MAX_TEXT_BYTES: usize = 256;
/// The longest line without its end, bytes.
pub(super) const MAX_LINE_BYTES: usize = 32 * 1024;

/// A SHA-256 hash, in hexadecimal when written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
	/// The hash of some bytes.
	pub fn of(bytes: &[u8]) -> Self {
		let mut hash = [0; 32];
		hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
		Self(hash)
	}
}

impl fmt::Display for Digest {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&hex::encode(self.0))
	}
}

impl fmt::Debug for Digest {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		fmt::Display::fmt(self, f)
	}
}

impl Serialize for Digest {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(self)
	}
}

impl<'de> Deserialize<'de> for Digest {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let mut hash = [0; 32];
		hex::decode_to_slice(String::deserialize(deserializer)?, &mut hash)
			.map_err(D::Error::custom)?;
		Ok(Self(hash))
	}
}

/// A place in the chain: how many entries there are before it and the hash of the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
	/// The sequence number of the entry that comes next.
	pub next: u64,
	/// The hash of the entry before it.
	pub head: Digest,
}

impl Checkpoint {
	/// The beginning of every log.
	pub const GENESIS: Self = Self { next: 0, head: Digest([0; 32]) };
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
	/// It was allowed.
	Allow,
	/// It was denied.
	Deny,
}

/// What is written about a request. The log adds the time and the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
	/// Who asked: [`crate::Principal::id`], or why there is no principal.
	pub principal: String,
	/// What was to be done.
	pub action: String,
	/// With what: the kind and the identifier.
	pub resource: String,
	/// What was answered.
	pub outcome: Outcome,
	/// The policies that decided, or the reason of a refusal before them.
	pub policies: Vec<String>,
	/// The consent that the answer rests on.
	pub consent: Option<String>,
	/// The identifier of the request.
	pub request_id: String,
}

impl Record {
	/// The record of a request that is denied before there is a principal, with the code of the
	/// reason, such as [`crate::token::TokenError::code`].
	pub fn of_refusal(
		reason: &str,
		action: Action,
		resource: impl Into<String>,
		request_id: impl Into<String>,
	) -> Self {
		Self {
			principal: "unauthenticated".to_owned(),
			action: action.name().to_owned(),
			resource: resource.into(),
			outcome: Outcome::Deny,
			policies: vec![reason.to_owned()],
			consent: None,
			request_id: request_id.into(),
		}
	}

	/// The record of a decision.
	pub fn of_decision(
		principal_id: impl Into<String>,
		action: Action,
		resource: &Resource,
		decision: &Decision,
		request_id: impl Into<String>,
	) -> Self {
		Self {
			principal: principal_id.into(),
			action: action.name().to_owned(),
			resource: format!("{}/{}", resource.kind, resource.id),
			outcome: if decision.is_allowed() { Outcome::Allow } else { Outcome::Deny },
			policies: decision.policies().to_vec(),
			consent: decision.consent().map(str::to_owned),
			request_id: request_id.into(),
		}
	}
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
	/// Its number, from 0, without gaps.
	pub sequence: u64,
	/// When, seconds since 1970. Never before the entry before it, even if the clock was set back.
	pub time: u64,
	/// Who asked.
	pub principal: String,
	/// What was to be done.
	pub action: String,
	/// With what.
	pub resource: String,
	/// What was answered.
	pub outcome: Outcome,
	/// Why.
	pub policies: Vec<String>,
	/// The consent that the answer rests on.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub consent: Option<String>,
	/// The identifier of the request.
	pub request_id: String,
	/// The hash of the line before it.
	pub previous: Digest,
}

impl Entry {
	/// The entry for a record at a place in the chain.
	pub(super) fn new(record: &Record, time: u64, at: &Checkpoint) -> Self {
		Self {
			sequence: at.next,
			time,
			principal: bounded(&record.principal),
			action: bounded(&record.action),
			resource: bounded(&record.resource),
			outcome: record.outcome,
			policies: record.policies.iter().map(|policy| bounded(policy)).collect(),
			consent: record.consent.as_deref().map(bounded),
			request_id: bounded(&record.request_id),
			previous: at.head,
		}
	}

	/// The line without its end: JSON, every byte of it printable ASCII.
	pub(super) fn line(&self) -> Result<String, serde_json::Error> {
		let json = serde_json::to_string(self)?;
		let mut line = String::with_capacity(json.len());
		for c in json.chars() {
			if (' '..='~').contains(&c) {
				line.push(c);
			} else {
				// Outside of texts JSON is ASCII, and inside of them this is the same character.
				for unit in c.encode_utf16(&mut [0; 2]) {
					// Writing to a text does not fail.
					let _ = write!(line, "\\u{unit:04x}");
				}
			}
		}
		Ok(line)
	}
}

fn bounded(text: &str) -> String {
	if text.len() <= MAX_TEXT_BYTES {
		text.to_owned()
	} else {
		format!("sha256:{}", Digest::of(text.as_bytes()))
	}
}
