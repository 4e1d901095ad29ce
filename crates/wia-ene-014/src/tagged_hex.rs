//! Keys and signatures as JSON: `{"algorithm": "ed25519", "value": "<hex>"}`.

use serde::{Deserialize, Serialize};

use crate::canonical::{DeviceKey, DeviceSignature};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
	Ed25519,
	P256,
}

/// The JSON form that keys and signatures share.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaggedHex {
	algorithm: Algorithm,
	value: String,
}

impl TaggedHex {
	fn new(algorithm: Algorithm, bytes: &[u8]) -> Self {
		Self { algorithm, value: hex::encode(bytes) }
	}

	fn bytes<const N: usize>(&self) -> Result<[u8; N], String> {
		let mut bytes = [0; N];
		hex::decode_to_slice(&self.value, &mut bytes).map_err(|error| {
			format!("value is not {} hexadecimal digits: {error}", N.saturating_mul(2))
		})?;
		Ok(bytes)
	}
}

impl From<DeviceKey> for TaggedHex {
	fn from(key: DeviceKey) -> Self {
		match key {
			DeviceKey::Ed25519(bytes) => Self::new(Algorithm::Ed25519, &bytes),
			DeviceKey::P256(bytes) => Self::new(Algorithm::P256, &bytes),
		}
	}
}

impl TryFrom<TaggedHex> for DeviceKey {
	type Error = String;

	fn try_from(tagged: TaggedHex) -> Result<Self, String> {
		match tagged.algorithm {
			Algorithm::Ed25519 => tagged.bytes().map(Self::Ed25519),
			Algorithm::P256 => tagged.bytes().map(Self::P256),
		}
	}
}

impl From<DeviceSignature> for TaggedHex {
	fn from(signature: DeviceSignature) -> Self {
		match signature {
			DeviceSignature::Ed25519(bytes) => Self::new(Algorithm::Ed25519, &bytes),
			DeviceSignature::P256(bytes) => Self::new(Algorithm::P256, &bytes),
		}
	}
}

impl TryFrom<TaggedHex> for DeviceSignature {
	type Error = String;

	fn try_from(tagged: TaggedHex) -> Result<Self, String> {
		match tagged.algorithm {
			Algorithm::Ed25519 => tagged.bytes().map(Self::Ed25519),
			Algorithm::P256 => tagged.bytes().map(Self::P256),
		}
	}
}
