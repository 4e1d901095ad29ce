//! Keys that verify many signatures.

#[cfg(feature = "std")]
use std::sync::OnceLock;

use p256::ecdsa::signature::Verifier;

use crate::{
	canonical::{
		ed25519_key, p256_key, signing_bytes, verify_p256, DeviceKey, DeviceSignature,
		SignedMessage,
	},
	error::SignatureError,
};

/// A [`DeviceKey`] whose point is decompressed once, for whoever knows the meters beforehand.
///
/// It gives the answers of [`DeviceKey::verify`], errors and all, and takes some 200 bytes.
///
/// # Why it is the same rule
///
/// `verify_strict` decompresses `R` only to learn whether it is of small order. It then computes
/// `R` anew from the other values and compares the encodings. Where they are equal, the encoding is
/// the one canonical encoding of a point, and a point is of small order exactly if its canonical
/// encoding is one of eight. So comparing with those eight, and then verifying without the
/// decompression, has the same result.
#[derive(Clone, Debug)]
pub struct PreparedKey(Prepared);

#[derive(Clone, Debug)]
enum Prepared {
	/// Or the error that this key makes of every Ed25519 signature.
	Ed25519(Result<Ed25519Key, SignatureError>),
	/// Or the error that this key makes of every P-256 signature.
	P256(Result<p256::ecdsa::VerifyingKey, SignatureError>),
}

/// A point of the curve that is not of small order.
#[derive(Clone, Debug)]
struct Ed25519Key {
	key: ed25519_dalek::VerifyingKey,
	/// Whether it is in the group of prime order; found out when a batch first asks.
	#[cfg(feature = "std")]
	is_in_group: OnceLock<bool>,
}

impl From<&DeviceKey> for PreparedKey {
	/// Never fails: a key that is no usable point refuses every signature, as it always has.
	fn from(key: &DeviceKey) -> Self {
		Self(match key {
			DeviceKey::Ed25519(bytes) => Prepared::Ed25519(match ed25519_key(bytes) {
				Ok(key) if key.is_weak() => Err(SignatureError::InvalidSignature),
				Ok(key) => Ok(Ed25519Key {
					key,
					#[cfg(feature = "std")]
					is_in_group: OnceLock::new(),
				}),
				Err(error) => Err(error),
			}),
			DeviceKey::P256(bytes) => Prepared::P256(p256_key(bytes)),
		})
	}
}

impl PreparedKey {
	/// The key, when it is one of Ed25519 that is usable and in the group of prime order. The first
	/// call costs as much as a signature, so keep the key for the next.
	#[cfg(feature = "std")]
	pub(crate) fn ed25519_in_group(&self) -> Option<&ed25519_dalek::VerifyingKey> {
		let Prepared::Ed25519(Ok(Ed25519Key { key, is_in_group })) = &self.0 else { return None };
		let is_in_group = is_in_group.get_or_init(|| crate::batch::is_in_group(&key.to_edwards()));
		is_in_group.then_some(key)
	}

	/// Verifies a signature over `bytes`, by the rules of [`DeviceKey::verify`].
	///
	/// # Errors
	/// See [`SignatureError`].
	pub fn verify(&self, bytes: &[u8], signature: &DeviceSignature) -> Result<(), SignatureError> {
		match (&self.0, signature) {
			(Prepared::Ed25519(key), DeviceSignature::Ed25519(signature)) => {
				let Ed25519Key { key, .. } = key.as_ref().map_err(|error| *error)?;
				let signature = ed25519_dalek::Signature::from_bytes(signature);
				if is_small_order(signature.r_bytes()) {
					return Err(SignatureError::InvalidSignature);
				}
				key.verify(bytes, &signature).map_err(|_error| SignatureError::InvalidSignature)
			}
			(Prepared::P256(key), DeviceSignature::P256(signature)) => {
				verify_p256(key.as_ref().map_err(|error| *error)?, bytes, signature)
			}
			(Prepared::Ed25519(_), DeviceSignature::P256(_))
			| (Prepared::P256(_), DeviceSignature::Ed25519(_)) => Err(SignatureError::AlgorithmMismatch),
		}
	}
}

impl SignedMessage {
	/// Verifies the signature with the key registered for the meter, as
	/// [`SignedMessage::verify`] does.
	///
	/// # Errors
	/// See [`SignatureError`].
	pub fn verify_prepared(&self, key: &PreparedKey) -> Result<(), SignatureError> {
		key.verify(&signing_bytes(&self.message), &self.signature)
	}
}

/// The canonical y coordinates of the eight points of Ed25519 whose order divides 8: of the
/// neutral point, of that of order 2, of the two of order 4, and of the four of order 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
	[
		1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0,
	],
	[
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0x7f,
	],
	[0; 32],
	[
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
		0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
		0xfc, 0x05,
	],
	[
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
		0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
		0x03, 0x7a,
	],
];

/// Whether a canonical encoding is of a point whose order divides 8.
pub(crate) fn is_small_order(encoding: &[u8; 32]) -> bool {
	let mut y = *encoding;
	// The highest bit is the sign of x.
	y[31] &= 0x7f;
	SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
	use super::*;
	use curve25519_dalek::{
		constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION},
		edwards::CompressedEdwardsY,
	};
	use std::collections::BTreeSet;

	#[test]
	fn small_order_is_that_of_the_eight_points() {
		let eight: BTreeSet<_> =
			EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
		assert_eq!(eight.len(), 8);
		assert!(eight.iter().all(is_small_order));
		// And each entry of the list is of one of them.
		for y in SMALL_ORDER {
			let point = CompressedEdwardsY(y).decompress().expect("a point of the curve");
			assert!(point.is_small_order());
			assert_eq!(point.compress().to_bytes(), y);
		}
		assert!(!is_small_order(ED25519_BASEPOINT_COMPRESSED.as_bytes()));
	}
}
