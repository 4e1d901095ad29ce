//! Prepared keys give the answers of plain ones, also to whoever knows the secret key and plays with
//! points of small order.

use curve25519_dalek::{
	constants::EIGHT_TORSION, edwards::EdwardsPoint, scalar::Scalar, traits::IsIdentity,
};
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use wia_ene_014::{
	ed25519_dalek::{Signature, Verifier, VerifyingKey},
	DeviceKey, DeviceSignature, PreparedKey, SignatureError,
};

use crate::support::{ed25519_key, ed25519_secret, p256_key, verify};

fn challenge(nonce_point: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
	let hash = Sha512::new().chain_update(nonce_point).chain_update(key).chain_update(message);
	Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// Signs as a cheat can: with any key point whose part in the main group belongs to `secret`, and
/// any nonce point.
fn sign(secret: &Scalar, key: &[u8; 32], nonce: &Scalar, point: &[u8; 32], m: &[u8]) -> [u8; 64] {
	let s = nonce + challenge(point, key, m) * secret;
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(point);
	signature[32..].copy_from_slice(s.as_bytes());
	signature
}

/// Every encoding of a coordinate `y`, canonical or not, with both signs.
fn encodings_of_small_order() -> Vec<[u8; 32]> {
	let mut encodings: Vec<_> =
		EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
	// y = 0 and y = 1, written as the prime 2^255 - 19 and one more.
	for low in [0xed, 0xee] {
		let mut encoding = [0xff; 32];
		(encoding[0], encoding[31]) = (low, 0x7f);
		encodings.push(encoding);
	}
	let signs = encodings.clone().into_iter().map(|mut encoding| {
		encoding[31] ^= 0x80;
		encoding
	});
	encodings.extend(signs);
	encodings
}

#[test]
fn errors_of_unusable_keys_are_those_of_the_key_itself() {
	let mut no_point = [0; 32];
	no_point[0] = 2;
	let ed25519 = DeviceSignature::Ed25519([0; 64]);
	let p256 = DeviceSignature::P256([0; 64]);
	for (key, signature, error) in [
		(DeviceKey::Ed25519(no_point), ed25519, SignatureError::InvalidKey),
		(DeviceKey::Ed25519(no_point), p256, SignatureError::AlgorithmMismatch),
		(DeviceKey::P256([0; 33]), p256, SignatureError::InvalidKey),
		(DeviceKey::P256([0; 33]), ed25519, SignatureError::AlgorithmMismatch),
		(ed25519_key(), p256, SignatureError::AlgorithmMismatch),
		(p256_key(), ed25519, SignatureError::AlgorithmMismatch),
		(ed25519_key(), ed25519, SignatureError::InvalidSignature),
		(p256_key(), p256, SignatureError::InvalidSignature),
	] {
		assert_eq!(verify(&key, b"message", &signature), Err(error), "{key:?} {signature:?}");
	}
}

/// With such an `R` and its own key a cheat has a signature that the plain equation accepts.
#[test]
fn nonce_point_of_small_order_is_refused_where_the_equation_holds() {
	let secret = ed25519_secret().to_scalar();
	let key = ed25519_secret().verifying_key().to_bytes();
	let mut holds = 0;
	for point in encodings_of_small_order() {
		let signature = sign(&secret, &key, &Scalar::ZERO, &point, b"message");
		let plain = VerifyingKey::from_bytes(&key).unwrap();
		let parsed = Signature::from_bytes(&signature);
		holds += usize::from(plain.verify(b"message", &parsed).is_ok());
		let signature = DeviceSignature::Ed25519(signature);
		let result = verify(&DeviceKey::Ed25519(key), b"message", &signature);
		assert_eq!(result, Err(SignatureError::InvalidSignature));
	}
	assert!(holds > 0, "the neutral point fulfils the equation, so the rule is needed");
}

#[test]
fn key_of_small_order_is_refused_with_any_nonce_point() {
	for key in encodings_of_small_order() {
		let points =
			encodings_of_small_order()
				.into_iter()
				.chain([EdwardsPoint::mul_base(&Scalar::ONE).compress().to_bytes()]);
		for point in points {
			for nonce in [Scalar::ZERO, Scalar::ONE] {
				let signature = sign(&Scalar::ZERO, &key, &nonce, &point, b"message");
				let signature = DeviceSignature::Ed25519(signature);
				assert!(verify(&DeviceKey::Ed25519(key), b"message", &signature).is_err());
			}
		}
	}
}

/// Why a sum alone is no batch: eight times such a signature's equation holds, though once it does not.
#[test]
fn nonce_point_of_mixed_order_is_refused_and_would_vanish_in_a_sum() {
	let secret = ed25519_secret().to_scalar();
	let key_point = ed25519_secret().verifying_key().to_edwards();
	let key = key_point.compress().to_bytes();
	let nonce = Scalar::from(12_345u64);
	for small in &EIGHT_TORSION[1..] {
		let point = EdwardsPoint::mul_base(&nonce) + small;
		assert!(!point.is_small_order(), "a look at the order of R alone finds nothing");
		let encoding = point.compress().to_bytes();
		let signature = sign(&secret, &key, &nonce, &encoding, b"message");
		let s = nonce + challenge(&encoding, &key, b"message") * secret;
		let difference =
			EdwardsPoint::mul_base(&s) - point - key_point * challenge(&encoding, &key, b"message");
		assert!(!difference.is_identity());
		assert!((Scalar::from(8u8) * difference).is_identity());
		let result = verify(&ed25519_key(), b"message", &DeviceSignature::Ed25519(signature));
		assert_eq!(result, Err(SignatureError::InvalidSignature));
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	/// All points that a cheat can make out of a secret, a nonce and two points of small order.
	#[test]
	fn prepared_key_agrees_on_everything_a_cheat_can_sign(
		secret in 0u64..4,
		nonce in 0u64..4,
		key_part in 0usize..8,
		nonce_part in 0usize..8,
		message: [u8; 8],
	) {
		let (secret, nonce) = (Scalar::from(secret), Scalar::from(nonce));
		let key = (EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[key_part]).compress().to_bytes();
		let point = EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[nonce_part];
		let point = point.compress().to_bytes();
		let signature = DeviceSignature::Ed25519(sign(&secret, &key, &nonce, &point, &message));
		let key = DeviceKey::Ed25519(key);
		let result = key.verify(&message, &signature);
		prop_assert_eq!(PreparedKey::from(&key).verify(&message, &signature), result);
	}

	#[test]
	fn prepared_key_agrees_on_any_change_to_a_signature(
		place in 0usize..96,
		change: u8,
		message: [u8; 8],
	) {
		let secret = ed25519_secret();
		let nonce = Scalar::from(u64::from_le_bytes(message) | 1);
		let mut key = secret.verifying_key().to_bytes();
		let point = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
		let mut signature = sign(&secret.to_scalar(), &key, &nonce, &point, &message);
		prop_assert_eq!(
			verify(&DeviceKey::Ed25519(key), &message, &DeviceSignature::Ed25519(signature)),
			Ok(())
		);
		match place.checked_sub(64) {
			Some(place) => key[place] ^= change,
			None => signature[place] ^= change,
		}
		let result =
			verify(&DeviceKey::Ed25519(key), &message, &DeviceSignature::Ed25519(signature));
		prop_assert_eq!(result.is_ok(), change == 0);
	}
}
