//! JSON Web Key sets (RFC 7517, RFC 8037): the keys that an issuer publishes.

use std::collections::{HashMap, HashSet};

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::header::MAX_KEY_ID_BYTES;

/// The longest document, bytes.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// The most keys in a document, usable or not.
const MAX_KEYS: usize = 64;
/// Bytes of an Ed25519 key and of a P-256 coordinate.
const COORDINATE_BYTES: usize = 32;

/// The signature algorithms that are taken. There are no others, and no setting adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
	/// EdDSA with Ed25519 (RFC 8037).
	EdDsa,
	/// ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
	Es256,
}

impl SigningAlgorithm {
	pub(super) const fn for_library(self) -> jsonwebtoken::Algorithm {
		match self {
			Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
			Self::Es256 => jsonwebtoken::Algorithm::ES256,
		}
	}
}

/// A public key as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
	/// The key type: `OKP` or `EC`.
	pub kty: String,
	/// The curve: `Ed25519` or `P-256`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub crv: Option<String>,
	/// The key or its first coordinate, base64url.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub x: Option<String>,
	/// The second coordinate, base64url.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub y: Option<String>,
	/// The key's identifier.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub kid: Option<String>,
	/// The algorithm it is for.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub alg: Option<String>,
	/// What it is for: `sig`.
	#[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
	pub public_key_use: Option<String>,
	/// What it is for, in detail.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub key_ops: Option<Vec<String>>,
}

/// A document of keys, as an issuer publishes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
	/// The keys.
	pub keys: Vec<Jwk>,
}

/// A key that signatures are checked with.
#[derive(Clone, Debug)]
pub struct VerificationKey {
	/// The only algorithm that it is used with.
	pub algorithm: SigningAlgorithm,
	pub(super) key: DecodingKey,
}

impl VerificationKey {
	/// The key of a published one, `None` when it is not for checking EdDSA or ES256 signatures.
	fn from_jwk(jwk: &Jwk) -> Option<Self> {
		let for_signatures = jwk.public_key_use.as_deref().is_none_or(|purpose| purpose == "sig");
		let verifies = jwk
			.key_ops
			.as_ref()
			.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
		if !for_signatures || !verifies {
			return None;
		}
		let coordinate = |text: &Option<String>| {
			let text = text.as_deref()?;
			let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
			(bytes.len() == COORDINATE_BYTES).then(|| text.to_owned())
		};
		let (algorithm, name, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
			("OKP", Some("Ed25519")) => (
				SigningAlgorithm::EdDsa,
				"EdDSA",
				DecodingKey::from_ed_components(&coordinate(&jwk.x)?).ok()?,
			),
			("EC", Some("P-256")) => (
				SigningAlgorithm::Es256,
				"ES256",
				DecodingKey::from_ec_components(&coordinate(&jwk.x)?, &coordinate(&jwk.y)?).ok()?,
			),
			_ => return None,
		};
		jwk.alg.as_deref().is_none_or(|alg| alg == name).then_some(Self { algorithm, key })
	}
}

/// The usable keys of a document, by identifier.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
	keys: HashMap<String, VerificationKey>,
	skipped: usize,
}

/// Why a document of keys is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
	/// The document is too long.
	#[error("the key set has {length} bytes, the limit is {MAX_DOCUMENT_BYTES}")]
	TooLong {
		/// Bytes of the document.
		length: usize,
	},
	/// There are too many keys.
	#[error("the key set has {count} keys, the limit is {MAX_KEYS}")]
	TooMany {
		/// Keys in the document.
		count: usize,
	},
	/// It is not a JSON object with a list `keys`.
	#[error("the key set is not a JSON object with a list `keys`")]
	Malformed,
	/// Two keys have one identifier, so that it does not say which is meant.
	#[error("the key set has the key id `{key_id}` twice")]
	KeyIdTwice {
		/// The identifier.
		key_id: String,
	},
	/// No key can be used.
	#[error("the key set has no key for EdDSA or ES256 with a key id")]
	NoUsableKey,
}

impl KeySet {
	/// Reads a document. Keys of other types, for other uses or without an identifier are skipped,
	/// because providers publish them side by side.
	pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
		#[derive(Deserialize)]
		struct Document {
			keys: Vec<Value>,
		}
		if document.len() > MAX_DOCUMENT_BYTES {
			return Err(KeySetError::TooLong { length: document.len() });
		}
		let Document { keys } =
			serde_json::from_slice(document).map_err(|_| KeySetError::Malformed)?;
		if keys.len() > MAX_KEYS {
			return Err(KeySetError::TooMany { count: keys.len() });
		}
		let mut set = Self::default();
		let mut seen = HashSet::new();
		for value in keys {
			// An identifier may not be shared even with a key that is skipped.
			if let Some(key_id) = value.get("kid").and_then(Value::as_str) {
				if !seen.insert(key_id.to_owned()) {
					return Err(KeySetError::KeyIdTwice { key_id: key_id.to_owned() });
				}
			}
			let usable = serde_json::from_value::<Jwk>(value).ok().and_then(|jwk| {
				let key = VerificationKey::from_jwk(&jwk)?;
				let key_id = jwk.kid?;
				(!key_id.is_empty() && key_id.len() <= MAX_KEY_ID_BYTES).then_some((key_id, key))
			});
			match usable {
				Some((key_id, key)) => drop(set.keys.insert(key_id, key)),
				None => set.skipped += 1,
			}
		}
		if set.keys.is_empty() {
			return Err(KeySetError::NoUsableKey);
		}
		Ok(set)
	}

	/// The key with an identifier.
	pub fn key(&self, key_id: &str) -> Option<&VerificationKey> {
		self.keys.get(key_id)
	}

	/// How many keys can be used.
	pub fn len(&self) -> usize {
		self.keys.len()
	}

	/// Whether no key can be used.
	pub fn is_empty(&self) -> bool {
		self.keys.is_empty()
	}

	/// How many keys of the document cannot be used.
	pub fn skipped(&self) -> usize {
		self.skipped
	}
}
