//! Who is told of what.

use crate::{Event, Target, UrlError, UrlRules};
use base64::{engine::general_purpose::STANDARD, Engine};
use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};
use signed_webhooks::{KeyError, SigningKey};
use std::{collections::BTreeSet, fmt};
use thiserror::Error;
use zeroize::Zeroizing;

/// Most bytes of a subscription's id.
pub const MAX_ID_BYTES: usize = 64;
/// Most bytes of an owner, a kind of event, a meter or a zone.
pub const MAX_NAME_BYTES: usize = 256;
/// Most entries of each list of a subscription.
pub const MAX_LIST_ENTRIES: usize = 1000;

/// Somebody who wants to be told of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
	/// Id: letters, digits, `.`, `_`, `-`; at most [`MAX_ID_BYTES`].
	pub id: String,
	/// Where the events go; see [`UrlRules::parse`].
	pub url: String,
	/// Who made the subscription.
	pub owner: String,
	/// Kinds of events that are wanted, at least one.
	pub event_kinds: BTreeSet<String>,
	/// Only events about one of these meters, and those that name no meter. Empty: no limit.
	pub meters: BTreeSet<String>,
	/// Only events about one of these zones, and those that name no zone. Empty: no limit.
	pub zones: BTreeSet<String>,
	/// What its webhooks are signed with.
	pub key: SubscriptionKey,
	/// Whether webhooks are sent.
	pub state: SubscriptionState,
	/// When it was made, in seconds since 1970-01-01T00:00:00Z.
	pub created_seconds: u64,
}

/// What the webhooks of a subscription are signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubscriptionKey {
	/// The Ed25519 key of the sender.
	Ed25519,
	/// HMAC with a secret that the receiver has too. The name of the key is the subscription's id.
	SharedSecret(Secret),
}

/// A shared secret, wiped when it is dropped. It is serialized in base64: what it is kept in must
/// be encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
	/// From its bytes.
	pub fn new(bytes: Vec<u8>) -> Self {
		Self(Zeroizing::new(bytes))
	}

	/// The key to sign with.
	///
	/// # Errors
	/// When the secret is too short.
	pub fn signing_key(&self) -> Result<SigningKey, KeyError> {
		SigningKey::hmac_sha256(&self.0)
	}
}

impl fmt::Debug for Secret {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str("Secret(..)")
	}
}

impl Serialize for Secret {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.serialize_str(&Zeroizing::new(STANDARD.encode(&*self.0)))
	}
}

impl<'de> Deserialize<'de> for Secret {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let text = Zeroizing::new(String::deserialize(deserializer)?);
		let bytes = STANDARD.decode(text.as_bytes());
		bytes.map(Self::new).map_err(|_| D::Error::custom("secret: not base64"))
	}
}

/// Whether webhooks are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
	/// They are.
	Active,
	/// They are not; events are queued meanwhile, as many as the queue takes.
	Paused {
		/// Why.
		reason: PauseReason,
		/// Since when, in seconds since 1970-01-01T00:00:00Z.
		since_seconds: u64,
	},
}

/// Why no webhooks are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PauseReason {
	/// The owner wants none for now.
	ByOwner,
	/// The receiver answered 410, that it is gone.
	Gone,
	/// One delivery failed again and again.
	Failing {
		/// How many attempts failed in a row.
		attempts: u32,
		/// Why the last one did.
		last_failure: String,
	},
}

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscriptionError {
	/// The URL is not taken.
	#[error(transparent)]
	Url(#[from] UrlError),
	/// The shared secret is not taken.
	#[error(transparent)]
	Key(#[from] KeyError),
	/// A field is empty, too long, or has a character that it must not have.
	#[error("{field}: {reason}")]
	Field {
		/// Name of the field.
		field: &'static str,
		/// What is wrong with it.
		reason: &'static str,
	},
}

impl Subscription {
	/// Checks every field, and gives the parsed URL.
	///
	/// # Errors
	/// With the first field that is not taken, and why.
	pub fn check(&self, rules: &UrlRules) -> Result<Target, SubscriptionError> {
		let is_id = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
		if self.id.is_empty() || self.id.len() > MAX_ID_BYTES || !self.id.bytes().all(is_id) {
			let reason = "must be 1 to 64 letters, digits, dots, underscores or dashes";
			return Err(SubscriptionError::Field { field: "id", reason });
		}
		let target = rules.parse(&self.url)?;
		name("owner", &self.owner)?;
		if self.event_kinds.is_empty() {
			let reason = "must name at least one kind";
			return Err(SubscriptionError::Field { field: "event_kinds", reason });
		}
		list("event_kinds", &self.event_kinds)?;
		list("meters", &self.meters)?;
		list("zones", &self.zones)?;
		if let SubscriptionKey::SharedSecret(secret) = &self.key {
			secret.signing_key()?;
		}
		Ok(target)
	}

	/// Whether this event is wanted.
	pub fn wants(&self, event: &Event) -> bool {
		let about = |wanted: &BTreeSet<String>, named: &[String]| {
			wanted.is_empty() || named.is_empty() || named.iter().any(|one| wanted.contains(one))
		};
		self.event_kinds.contains(&event.kind)
			&& about(&self.meters, &event.meters)
			&& about(&self.zones, &event.zones)
	}
}

fn name(field: &'static str, text: &str) -> Result<(), SubscriptionError> {
	if text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
		let reason = "must have 1 to 256 bytes and no control character";
		return Err(SubscriptionError::Field { field, reason });
	}
	Ok(())
}

fn list(field: &'static str, entries: &BTreeSet<String>) -> Result<(), SubscriptionError> {
	if entries.len() > MAX_LIST_ENTRIES {
		return Err(SubscriptionError::Field { field, reason: "has more than 1000 entries" });
	}
	entries.iter().try_for_each(|entry| name(field, entry))
}
