//! Many signatures at once have the answers they have alone.

use curve25519_dalek::{constants::EIGHT_TORSION, edwards::EdwardsPoint, scalar::Scalar};
use sha2::{Digest, Sha512};
use wia_ene_014::{
	ed25519_dalek::SigningKey, signing_bytes, verify_all, CanonicalMessage, DeviceKey,
	DeviceSignature, PreparedKey, SignatureError, SignedMessage,
};

use crate::support::{interval, p256_key, p256_secret, with_intervals, NOW};

/// Enough for a batch.
const MANY: usize = 200;

fn secret(number: u8) -> SigningKey {
	SigningKey::from_bytes(&[number; 32])
}

fn message(number: usize) -> CanonicalMessage {
	with_intervals(vec![interval(NOW - 900 - number as u64, 900)])
}

/// Signs with a nonce point of which a part is of small order.
fn sign(secret: &SigningKey, message: CanonicalMessage, small: &EdwardsPoint) -> SignedMessage {
	sign_with(secret, message, Scalar::from(7u64), small)
}

fn sign_with(
	secret: &SigningKey,
	message: CanonicalMessage,
	nonce: Scalar,
	small: &EdwardsPoint,
) -> SignedMessage {
	let point = (EdwardsPoint::mul_base(&nonce) + small).compress();
	let hash = Sha512::new()
		.chain_update(point.as_bytes())
		.chain_update(secret.verifying_key().as_bytes())
		.chain_update(signing_bytes(&message));
	let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(point.as_bytes());
	signature[32..].copy_from_slice((nonce + challenge * secret.to_scalar()).as_bytes());
	SignedMessage { message, signature: DeviceSignature::Ed25519(signature) }
}

fn prepared(secret: &SigningKey) -> PreparedKey {
	PreparedKey::from(&DeviceKey::Ed25519(secret.verifying_key().to_bytes()))
}

/// Good messages of four meters, each with its key.
fn many() -> Vec<(SignedMessage, PreparedKey)> {
	let meters: Vec<_> = (0..4).map(|number| (secret(number), prepared(&secret(number)))).collect();
	(0..MANY)
		.map(|number| {
			let (secret, key) = &meters[number % 4];
			(sign(secret, message(number), &EIGHT_TORSION[0]), key.clone())
		})
		.collect()
}

/// All answers at once; each has to be the one that the message has alone.
fn answers(messages: &[(SignedMessage, PreparedKey)]) -> Vec<Result<(), SignatureError>> {
	let pairs: Vec<_> = messages.iter().map(|(signed, key)| (signed, key)).collect();
	let answers = verify_all(&pairs);
	let alone: Vec<_> = messages.iter().map(|(signed, key)| signed.verify_prepared(key)).collect();
	assert_eq!(answers, alone);
	answers
}

#[test]
fn good_messages_are_good_in_any_number() {
	let messages = many();
	for number in [0, 1, 191, MANY] {
		assert_eq!(answers(&messages[..number]), vec![Ok(()); number]);
	}
}

#[test]
fn every_bad_message_among_good_ones_has_its_own_error() {
	let mut messages = many();
	messages[0].0.message.timestamp_seconds += 1;
	messages[3].1 = prepared(&secret(9));
	messages[70].0.signature = DeviceSignature::P256([1; 64]);
	messages[71].1 = PreparedKey::from(&DeviceKey::P256([0; 33]));
	let mut no_point = [0; 32];
	no_point[0] = 2;
	messages[72].1 = PreparedKey::from(&DeviceKey::Ed25519(no_point));
	let mut identity = [0; 64];
	identity[0] = 1;
	messages[73].0.signature = DeviceSignature::Ed25519(identity);
	messages[74].0.signature = DeviceSignature::Ed25519([0xff; 64]);
	let mut expected = vec![Ok(()); MANY];
	for index in [0, 3, 73, 74] {
		expected[index] = Err(SignatureError::InvalidSignature);
	}
	expected[70] = Err(SignatureError::AlgorithmMismatch);
	expected[71] = Err(SignatureError::AlgorithmMismatch);
	expected[72] = Err(SignatureError::InvalidKey);
	assert_eq!(answers(&messages), expected);
}

#[test]
fn p256_messages_stand_among_the_others() {
	use wia_ene_014::p256::ecdsa::signature::Signer;
	let mut messages = many();
	let unsigned = message(1_000);
	let signature: wia_ene_014::p256::ecdsa::Signature =
		p256_secret().sign(&signing_bytes(&unsigned));
	let signature = DeviceSignature::P256(signature.to_bytes().into()).normalized();
	let signed = SignedMessage { message: unsigned, signature };
	messages.insert(100, (signed, PreparedKey::from(&p256_key())));
	assert_eq!(answers(&messages), vec![Ok(()); MANY + 1]);
}

#[test]
fn nonce_point_of_mixed_order_is_refused_among_good_ones() {
	// Of order 8 and 2.
	for small in [&EIGHT_TORSION[1], &EIGHT_TORSION[4]] {
		let mut messages = many();
		messages[5] = (sign(&secret(1), message(5), small), prepared(&secret(1)));
		messages[6] = (sign(&secret(1), message(6), &-small), prepared(&secret(1)));
		let mut expected = vec![Ok(()); MANY];
		expected[5] = Err(SignatureError::InvalidSignature);
		expected[6] = Err(SignatureError::InvalidSignature);
		assert_eq!(answers(&messages), expected);
	}
}

/// The neutral point is in the group and its equation holds; the rule for one refuses it.
#[test]
fn neutral_nonce_point_is_refused_among_good_ones() {
	let mut messages = many();
	messages[5].0 = sign_with(&secret(1), message(5), Scalar::ZERO, &EIGHT_TORSION[0]);
	let mut expected = vec![Ok(()); MANY];
	expected[5] = Err(SignatureError::InvalidSignature);
	assert_eq!(answers(&messages), expected);
}
