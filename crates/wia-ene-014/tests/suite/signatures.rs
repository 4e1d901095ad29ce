//! Keys and signatures: known answers, and everything that must not verify.

use wia_ene_014::{
	ed25519_dalek, p256::ecdsa::Signature, signing_bytes, DeviceKey, DeviceSignature, Message,
	SignatureError, SignedMessage,
};

use crate::support::{ed25519_key, ed25519_secret, p256_key, p256_secret, sample, verify};

/// Made by another implementation (OpenSSL) over the pinned signing bytes, secret key 32 times 7.
const ED25519_PUBLIC: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const ED25519_SIGNATURE: &str = concat!(
	"db5069713cc31a59af1dd76abb00bf7d7e5bca948f44c3a8e19e2715894e2b85",
	"cd485a9a6994d68eed6cee38873c007346b6e61bb9ec84fcadccbb0a2ae9ff07",
);
const P256_PUBLIC: &str = "031e18532fd4754c02f3041d9c75ceb33b83ffd81ac7ce4fe882ccb1c98bc5896e";
const P256_HIGH: &str = concat!(
	"51cd9f036016ca05f1252b5aff6c4d92bf9cab929b1719102074b186914cee0a",
	"90a94563dcdc3f15c0db902b71693e103fbe4af74c515dee057ee158daf39f9e",
);
const P256_LOW: &str = concat!(
	"51cd9f036016ca05f1252b5aff6c4d92bf9cab929b1719102074b186914cee0a",
	"6f56ba9b2323c0eb3f246fd48e96c1ef7d28afb65ac64096ee3ae96a216f85b3",
);

fn bytes<const N: usize>(text: &str) -> [u8; N] {
	hex::decode(text).unwrap().try_into().unwrap()
}

fn pinned_bytes() -> Vec<u8> {
	signing_bytes(&sample().canonical().unwrap())
}

fn ed25519_signed() -> SignedMessage {
	SignedMessage::try_from(&sample().sign_ed25519(&ed25519_secret()).unwrap()).unwrap()
}

fn p256_signed() -> SignedMessage {
	SignedMessage::try_from(&sample().sign_p256(&p256_secret()).unwrap()).unwrap()
}

fn raw(signature: DeviceSignature) -> [u8; 64] {
	match signature {
		DeviceSignature::Ed25519(bytes) | DeviceSignature::P256(bytes) => bytes,
	}
}

mod known_answers {
	use super::*;

	#[test]
	fn ed25519_signature_is_that_of_openssl() {
		assert_eq!(ed25519_key(), DeviceKey::Ed25519(bytes(ED25519_PUBLIC)));
		assert_eq!(ed25519_signed().signature, DeviceSignature::Ed25519(bytes(ED25519_SIGNATURE)));
		assert_eq!(ed25519_signed().verify(&ed25519_key()), Ok(()));
	}

	#[test]
	fn p256_signature_of_openssl_verifies_in_its_lower_form() {
		assert_eq!(p256_key(), DeviceKey::P256(bytes(P256_PUBLIC)));
		let high = DeviceSignature::P256(bytes(P256_HIGH));
		let low = DeviceSignature::P256(bytes(P256_LOW));
		assert_eq!(verify(&p256_key(), &pinned_bytes(), &low), Ok(()));
		assert_eq!(verify(&p256_key(), &pinned_bytes(), &high), Err(SignatureError::HighS));
		assert_eq!(high.normalized(), low);
		assert_eq!(low.normalized(), low);
	}

	#[test]
	fn message_with_higher_s_is_taken_in_its_lower_form() {
		let message = sample().sign(|_bytes| DeviceSignature::P256(bytes(P256_HIGH))).unwrap();
		assert_eq!(message.signature, Some(DeviceSignature::P256(bytes(P256_LOW))));
		let received =
			Message { signature: Some(DeviceSignature::P256(bytes(P256_HIGH))), ..sample() };
		let signed = SignedMessage::try_from(&received).unwrap();
		assert_eq!(signed.verify(&p256_key()), Ok(()));
	}

	#[test]
	fn p256_signature_of_ours_verifies() {
		assert_eq!(p256_signed().verify(&p256_key()), Ok(()));
	}
}

mod refused {
	use super::*;

	#[test]
	fn every_case_of_the_table() {
		let (ed, p) = (ed25519_signed(), p256_signed());
		let message = pinned_bytes();
		let other_ed = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
		let other_ed = DeviceKey::Ed25519(other_ed.verifying_key().to_bytes());
		let other_p = wia_ene_014::p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
		let other_p = other_p.verifying_key().to_encoded_point(true);
		let other_p = DeviceKey::P256(other_p.as_bytes().try_into().unwrap());
		let invalid = SignatureError::InvalidSignature;
		let order = bytes::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
		let with_s = |s: [u8; 32]| {
			let mut signature = raw(p.signature);
			signature[32..].copy_from_slice(&s);
			DeviceSignature::P256(signature)
		};
		let cases = [
			("wrong ed25519 key", other_ed, ed.signature, invalid),
			("wrong p256 key", other_p, p.signature, invalid),
			("p256 key", p256_key(), ed.signature, SignatureError::AlgorithmMismatch),
			("ed25519 key", ed25519_key(), p.signature, SignatureError::AlgorithmMismatch),
			(
				"p256 bytes called ed25519",
				ed25519_key(),
				DeviceSignature::Ed25519(raw(p.signature)),
				invalid,
			),
			(
				"ed25519 bytes called p256",
				p256_key(),
				DeviceSignature::P256(raw(ed.signature)),
				invalid,
			),
			("zero ed25519", ed25519_key(), DeviceSignature::Ed25519([0; 64]), invalid),
			("zero p256", p256_key(), DeviceSignature::P256([0; 64]), invalid),
			("s zero", p256_key(), with_s([0; 32]), invalid),
			("s is the order", p256_key(), with_s(order), invalid),
			("s beyond the order", p256_key(), with_s([0xff; 32]), invalid),
			(
				"key is no point",
				DeviceKey::Ed25519(NO_POINT),
				ed.signature,
				SignatureError::InvalidKey,
			),
			("key is zero", DeviceKey::P256([0; 33]), p.signature, SignatureError::InvalidKey),
		];
		for (name, key, signature, expected) in cases {
			let result = verify(&key, &message, &signature);
			// Random bytes may happen to hold a high s, which is refused earlier.
			let high = result == Err(SignatureError::HighS) && name.contains("called p256");
			assert!(result == Err(expected) || high, "{name}: {result:?}");
		}
	}

	/// y = 2 gives no x on the curve.
	const NO_POINT: [u8; 32] = {
		let mut bytes = [0; 32];
		bytes[0] = 2;
		bytes
	};

	#[test]
	fn every_flipped_bit_of_the_signature() {
		for (key, signed) in [(ed25519_key(), ed25519_signed()), (p256_key(), p256_signed())] {
			let message = pinned_bytes();
			for bit in 0..512 {
				let mut signature = raw(signed.signature);
				signature[bit / 8] ^= 1 << (bit % 8);
				let signature = match signed.signature {
					DeviceSignature::Ed25519(_) => DeviceSignature::Ed25519(signature),
					DeviceSignature::P256(_) => DeviceSignature::P256(signature),
				};
				assert!(key.verify(&message, &signature).is_err(), "bit {bit}");
			}
		}
	}

	#[test]
	fn every_flipped_or_missing_byte_of_the_message() {
		for (key, signed) in [(ed25519_key(), ed25519_signed()), (p256_key(), p256_signed())] {
			let message = pinned_bytes();
			for index in 0..message.len() {
				let mut changed = message.clone();
				changed[index] ^= 1;
				assert!(key.verify(&changed, &signed.signature).is_err(), "byte {index}");
				assert!(key.verify(&message[..index], &signed.signature).is_err());
			}
		}
	}

	#[test]
	fn ed25519_scalar_that_is_not_canonical() {
		const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
		let mut signature = raw(ed25519_signed().signature);
		let mut carry = 0u16;
		for (byte, order) in signature[32..].iter_mut().zip(bytes::<32>(ORDER)) {
			carry += u16::from(*byte) + u16::from(order);
			*byte = carry as u8;
			carry >>= 8;
		}
		assert_eq!(carry, 0, "s + L still fits in 256 bits");
		let result = verify(&ed25519_key(), &pinned_bytes(), &DeviceSignature::Ed25519(signature));
		assert_eq!(result, Err(SignatureError::InvalidSignature));
	}

	#[test]
	fn ed25519_key_of_small_order_that_would_fit_any_message() {
		let mut identity = [0; 32];
		identity[0] = 1;
		let mut signature = [0; 64];
		signature[0] = 1;
		let key = DeviceKey::Ed25519(identity);
		let signature = DeviceSignature::Ed25519(signature);
		assert_eq!(verify(&key, b"anything", &signature), Err(SignatureError::InvalidSignature));
		assert_eq!(key.check(), Err(SignatureError::InvalidKey));
	}

	#[test]
	fn p256_higher_s_of_a_valid_signature() {
		let signature = Signature::from_slice(&raw(p256_signed().signature)).unwrap();
		let (r, s) = signature.split_scalars();
		let high = Signature::from_scalars(r, -s).unwrap();
		let high = DeviceSignature::P256(high.to_bytes().into());
		assert_eq!(verify(&p256_key(), &pinned_bytes(), &high), Err(SignatureError::HighS));
		assert_eq!(high.normalized(), p256_signed().signature);
	}
}

mod check_key {
	use super::*;

	#[test]
	fn real_keys_are_accepted() {
		assert_eq!(ed25519_key().check(), Ok(()));
		assert_eq!(p256_key().check(), Ok(()));
	}

	#[test]
	fn ed25519_refused_when_no_point_or_of_small_order() {
		let mut two = [0; 32];
		two[0] = 2;
		let order_eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
		for key in [two, [0; 32], bytes(order_eight)] {
			assert_eq!(DeviceKey::Ed25519(key).check(), Err(SignatureError::InvalidKey));
		}
	}

	#[test]
	fn ed25519_refused_when_not_canonical() {
		let mut readable = 0;
		for low in 0xed..=0xff {
			for sign in [0x7f, 0xff] {
				let mut key = [0xff; 32];
				(key[0], key[31]) = (low, sign);
				readable += usize::from(ed25519_dalek::VerifyingKey::from_bytes(&key).is_ok());
				assert_eq!(DeviceKey::Ed25519(key).check(), Err(SignatureError::InvalidKey));
			}
		}
		assert!(readable > 0, "the library reads some of them, so the check is needed");
	}

	#[test]
	fn p256_refused_when_no_point_or_not_compressed() {
		let DeviceKey::P256(good) = p256_key() else { unreachable!() };
		for tag in [0, 1, 4, 5, 6, 7, 0xff] {
			let mut key = good;
			key[0] = tag;
			assert_eq!(DeviceKey::P256(key).check(), Err(SignatureError::InvalidKey), "{tag}");
		}
		let refused = (0..=u8::MAX)
			.filter(|last| {
				let mut key = good;
				key[32] = *last;
				DeviceKey::P256(key).check().is_err()
			})
			.count();
		assert!((64..192).contains(&refused), "about half of all x lie on the curve: {refused}");
		let mut beyond = [0xff; 33];
		beyond[0] = 2;
		assert_eq!(DeviceKey::P256(beyond).check(), Err(SignatureError::InvalidKey));
	}
}

mod json {
	use super::*;

	#[test]
	fn keys_and_signatures_return_from_json() {
		for key in [ed25519_key(), p256_key()] {
			let json = serde_json::to_string(&key).unwrap();
			assert_eq!(serde_json::from_str::<DeviceKey>(&json).unwrap(), key);
		}
		for signature in [ed25519_signed().signature, p256_signed().signature] {
			let json = serde_json::to_string(&signature).unwrap();
			assert_eq!(serde_json::from_str::<DeviceSignature>(&json).unwrap(), signature);
		}
		assert_eq!(
			serde_json::to_string(&ed25519_key()).unwrap(),
			format!(r#"{{"algorithm":"ed25519","value":"{ED25519_PUBLIC}"}}"#)
		);
	}

	#[test]
	fn refused_when_truncated_or_of_another_algorithm() {
		let refuse = |algorithm: &str, value: &str| {
			let json = format!(r#"{{"algorithm":"{algorithm}","value":"{value}"}}"#);
			assert!(serde_json::from_str::<DeviceKey>(&json).is_err(), "{json}");
			assert!(serde_json::from_str::<DeviceSignature>(&json).is_err(), "{json}");
		};
		refuse("ed25519", &ED25519_PUBLIC[2..]);
		refuse("p256", &P256_PUBLIC[2..]);
		refuse("ed25519", &ED25519_SIGNATURE[1..]);
		refuse("secp256k1", ED25519_PUBLIC);
		refuse("ed25519", &"zz".repeat(32));
	}
}
