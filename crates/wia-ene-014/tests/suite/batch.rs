//! Many signatures at once have the answers they have alone.

use std::sync::LazyLock;

use curve25519_dalek::{constants::EIGHT_TORSION, edwards::EdwardsPoint, scalar::Scalar};
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use wia_ene_014::{
	ed25519_dalek::SigningKey, signing_bytes, verify_all, CanonicalMessage, DeviceKey,
	DeviceSignature, PreparedKey, SignatureError, SignedMessage,
};

use crate::support::{interval, p256_key, p256_secret, with_intervals, NOW};

/// Enough for a batch, and not for two.
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
	for number in [0, 1, 127, 128, MANY] {
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

/// Signs with the secret scalar 5, as the key to which a point of small order was added.
fn sign_outside(message: CanonicalMessage, nonce: u64, small: usize) -> (SignedMessage, DeviceKey) {
	let key = (EdwardsPoint::mul_base(&Scalar::from(5u64)) + EIGHT_TORSION[1]).compress();
	let nonce = Scalar::from(nonce);
	let point = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[small]).compress();
	let hash = Sha512::new()
		.chain_update(point.as_bytes())
		.chain_update(key.as_bytes())
		.chain_update(signing_bytes(&message));
	let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(point.as_bytes());
	signature[32..].copy_from_slice((nonce + challenge * Scalar::from(5u64)).as_bytes());
	let signature = DeviceSignature::Ed25519(signature);
	(SignedMessage { message, signature }, DeviceKey::Ed25519(key.to_bytes()))
}

/// Such a key can be registered, and the rule for one accepts each eighth of its signatures.
#[test]
fn key_of_mixed_order_has_the_answers_of_the_rule_for_one() {
	let mut messages = many();
	let mut expected = vec![Ok(()); MANY];
	for place in 0..48 {
		let (signed, key) = sign_outside(message(place), place as u64 + 1, place % 8);
		assert_eq!(key.check(), Ok(()));
		expected[place] = signed.verify(&key);
		messages[place] = (signed, PreparedKey::from(&key));
	}
	let accepted = expected[..48].iter().filter(|answer| answer.is_ok()).count();
	assert!(accepted > 0 && accepted < 48, "{accepted}");
	assert_eq!(answers(&messages), expected);
}

#[test]
fn bad_message_in_one_of_several_batches_is_found() {
	let good = many();
	let mut messages: Vec<_> = good.iter().cycle().take(1_300).cloned().collect();
	let mut expected = vec![Ok(()); messages.len()];
	for place in [0, 649, 650, 1_299] {
		messages[place].0.message.timestamp_seconds += 1;
		expected[place] = Err(SignatureError::InvalidSignature);
	}
	assert_eq!(answers(&messages), expected);
}

/// The same bad message many times has as many random numbers as it has places.
#[test]
fn one_bad_message_many_times_is_refused_each_time() {
	for small in [&EIGHT_TORSION[0], &EIGHT_TORSION[4]] {
		let mut bad = (sign(&secret(1), message(5), small), prepared(&secret(1)));
		if small == &EIGHT_TORSION[0] {
			bad.0.message.timestamp_seconds += 1;
		}
		let refused = Err(SignatureError::InvalidSignature);
		assert_eq!(answers(&vec![bad.clone(); MANY]), vec![refused; MANY]);
		let mut messages = many();
		let mut expected = vec![Ok(()); MANY];
		for place in 10..74 {
			messages[place] = bad.clone();
			expected[place] = refused;
		}
		assert_eq!(answers(&messages), expected);
	}
}

/// What may be wrong with a message.
#[derive(Clone, Copy, Debug)]
enum Fault {
	Bit(usize),
	OtherMessage,
	OtherKey,
	SmallPart(usize),
	KeyOfMixedOrder(usize),
	P256Signature,
	HighS,
}

fn fault() -> impl Strategy<Value = Fault> {
	prop_oneof![
		(0usize..512).prop_map(Fault::Bit),
		Just(Fault::OtherMessage),
		Just(Fault::OtherKey),
		(1usize..8).prop_map(Fault::SmallPart),
		(0usize..8).prop_map(Fault::KeyOfMixedOrder),
		Just(Fault::P256Signature),
		Just(Fault::HighS),
	]
}

fn spoil(place: usize, one: &mut (SignedMessage, PreparedKey), fault: Fault) {
	let DeviceSignature::Ed25519(mut signature) = one.0.signature else { return };
	match fault {
		Fault::Bit(bit) => signature[bit / 8] ^= 1 << (bit % 8),
		Fault::OtherMessage => one.0.message.timestamp_seconds += 1,
		Fault::OtherKey => one.1 = prepared(&secret(9)),
		Fault::SmallPart(small) => {
			*one = (sign(&secret(2), message(place), &EIGHT_TORSION[small]), prepared(&secret(2)));
			return;
		}
		Fault::KeyOfMixedOrder(small) => {
			let (signed, key) = sign_outside(message(place), place as u64 + 1, small);
			*one = (signed, PreparedKey::from(&key));
			return;
		}
		Fault::P256Signature => {
			one.0.signature = DeviceSignature::P256(signature);
			return;
		}
		// The order of the group, which is one more than `-Scalar::ONE`, is added to `s`.
		Fault::HighS => {
			let mut carry = 1u16;
			let order_less_one = (-Scalar::ONE).to_bytes();
			for (byte, add) in signature[32..].iter_mut().zip(order_less_one) {
				carry += u16::from(*byte) + u16::from(add);
				*byte = carry as u8;
				carry >>= 8;
			}
		}
	}
	one.0.signature = DeviceSignature::Ed25519(signature);
}

static MESSAGES: LazyLock<Vec<(SignedMessage, PreparedKey)>> = LazyLock::new(many);

proptest! {
	#![proptest_config(ProptestConfig::with_cases(24))]

	#[test]
	fn answers_are_those_of_the_rule_for_one(
		number in 120..=MANY,
		faults in prop::collection::vec((0..MANY, fault()), 0..6),
	) {
		let mut messages = MESSAGES[..number].to_vec();
		for (place, fault) in faults {
			if let Some(one) = messages.get_mut(place) {
				spoil(place, one, fault);
			}
		}
		answers(&messages);
	}
}
