//! Sealing and opening of single values.

mod support;

use aes_gcm::{
	aead::{Aead, Payload},
	Aes256Gcm, KeyInit,
};
use proptest::{collection::vec, prelude::*};
use sealed_values::{
	key_id_of, KeyId, KeyRing, LayoutError, OpenError, Place, PlaceTooLong, ResealError, SealError,
	MAX_PLACE_BYTES, MAX_VALUE_BYTES, OVERHEAD_BYTES,
};
use support::{new_kek, opened, ring, sealed, TransparentKek, PLACE};

/// The documented layout, written down a second time and with another library.
mod reference {
	use super::*;

	fn authenticated(key_id: u32, place: Place<'_>) -> Vec<u8> {
		let mut bytes = vec![1];
		bytes.extend(key_id.to_be_bytes());
		bytes.extend((place.column_family.len() as u32).to_be_bytes());
		bytes.extend(place.column_family.bytes());
		bytes.extend((place.key.len() as u32).to_be_bytes());
		bytes.extend(place.key);
		bytes
	}

	pub fn seal(
		key: &[u8; 32],
		key_id: u32,
		nonce: &[u8; 12],
		place: Place<'_>,
		value: &[u8],
	) -> Vec<u8> {
		let aad = authenticated(key_id, place);
		let ciphertext_and_tag = Aes256Gcm::new(key.into())
			.encrypt(nonce.into(), Payload { msg: value, aad: &aad })
			.expect("it encrypts");
		[&[1][..], &key_id.to_be_bytes(), nonce, &ciphertext_and_tag].concat()
	}

	pub fn open(key: &[u8; 32], place: Place<'_>, sealed: &[u8]) -> Vec<u8> {
		let key_id = u32::from_be_bytes(sealed[1..5].try_into().expect("four bytes"));
		let aad = authenticated(key_id, place);
		let nonce: [u8; 12] = sealed[5..17].try_into().expect("twelve bytes");
		Aes256Gcm::new(key.into())
			.decrypt(&nonce.into(), Payload { msg: &sealed[17..], aad: &aad })
			.expect("it decrypts")
	}
}

/// Opens, and sees that a refusal leaves the output as it was.
fn refused(ring: &KeyRing, place: Place<'_>, sealed: &[u8]) -> OpenError {
	let mut output = b"before".to_vec();
	let error = ring.cipher().open_into(place, sealed, &mut output).expect_err("it is refused");
	assert_eq!(output, b"before");
	error
}

/// What opening says after the byte at `index` was changed, in a ring with data key 1 alone.
fn error_for_change_at(index: usize, changed: &[u8]) -> OpenError {
	match index {
		0 => OpenError::Layout(LayoutError::UnknownVersion { found: changed[0] }),
		1..=4 => {
			OpenError::UnknownKey { key_id: key_id_of(changed).expect("the version is known") }
		}
		_ => OpenError::NotAuthentic { key_id: KeyId(1) },
	}
}

proptest! {
	#[test]
	fn value_opens_as_it_was_sealed(
		value in vec(any::<u8>(), 0..600),
		column_family in "[a-zä]{0,20}",
		key in vec(any::<u8>(), 0..60),
		before in vec(any::<u8>(), 0..5),
	) {
		let kek = TransparentKek::new();
		let ring = ring(&kek);
		let place = Place { column_family: &column_family, key: &key };

		let mut output = before.clone();
		ring.cipher().seal_into(place, &value, &mut output).expect("it seals");
		prop_assert_eq!(&output[..before.len()], &before);
		let sealed = &output[before.len()..];
		prop_assert_eq!(sealed.len(), value.len() + OVERHEAD_BYTES);
		prop_assert_eq!(&reference::open(&kek.data_key(KeyId(1)), place, sealed), &value);

		let mut output = before.clone();
		ring.cipher().open_into(place, sealed, &mut output).expect("it opens");
		prop_assert_eq!(&output[..before.len()], &before);
		prop_assert_eq!(&output[before.len()..], &value);
	}

	#[test]
	fn value_opens_when_the_reference_sealed_it(
		value in vec(any::<u8>(), 0..600),
		column_family in "[a-z]{0,20}",
		key in vec(any::<u8>(), 0..60),
		nonce in any::<[u8; 12]>(),
	) {
		let kek = TransparentKek::new();
		let ring = ring(&kek);
		let place = Place { column_family: &column_family, key: &key };
		let sealed = reference::seal(&kek.data_key(KeyId(1)), 1, &nonce, place, &value);
		prop_assert_eq!(opened(&ring.cipher(), place, &sealed), value);
	}

	#[test]
	fn value_is_refused_when_any_bit_is_changed(
		value in vec(any::<u8>(), 0..300),
		bit in any::<prop::sample::Index>(),
	) {
		let ring = ring(&new_kek());
		let mut changed = sealed(&ring.cipher(), PLACE, &value);
		let bit = bit.index(changed.len() * 8);
		changed[bit / 8] ^= 1 << (bit % 8);
		prop_assert_eq!(refused(&ring, PLACE, &changed), error_for_change_at(bit / 8, &changed));
	}

	#[test]
	fn value_is_refused_at_any_other_place(
		first in ("[ab]{0,3}", "[ab]{0,3}"),
		second in ("[ab]{0,3}", "[ab]{0,3}"),
	) {
		let place = |names: &'static (String, String)| Place {
			column_family: &names.0,
			key: names.1.as_bytes(),
		};
		let (first, second) = (Box::leak(Box::new(first)), Box::leak(Box::new(second)));
		let ring = ring(&new_kek());
		let sealed = sealed(&ring.cipher(), place(first), b"value");
		if first == second {
			prop_assert_eq!(opened(&ring.cipher(), place(second), &sealed), b"value");
		} else {
			let expected = OpenError::NotAuthentic { key_id: KeyId(1) };
			prop_assert_eq!(refused(&ring, place(second), &sealed), expected);
		}
	}

	#[test]
	fn arbitrary_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..100)) {
		refused(&ring(&new_kek()), PLACE, &bytes);
	}
}

#[test]
fn value_is_refused_for_every_changed_bit() {
	let ring = ring(&new_kek());
	let sealed = sealed(&ring.cipher(), PLACE, b"a reading of 40 bytes, more than 2 blocks");
	for bit in 0..sealed.len() * 8 {
		let mut changed = sealed.clone();
		changed[bit / 8] ^= 1 << (bit % 8);
		assert_eq!(refused(&ring, PLACE, &changed), error_for_change_at(bit / 8, &changed));
	}
}

#[test]
fn value_is_refused_when_cut_anywhere_or_made_longer() {
	let ring = ring(&new_kek());
	let mut sealed = sealed(&ring.cipher(), PLACE, b"reading");
	for length in 0..sealed.len() {
		let expected = match length < OVERHEAD_BYTES {
			true => OpenError::Layout(LayoutError::TooShort { length }),
			false => OpenError::NotAuthentic { key_id: KeyId(1) },
		};
		assert_eq!(refused(&ring, PLACE, &sealed[..length]), expected);
	}
	sealed.push(0);
	assert_eq!(refused(&ring, PLACE, &sealed), OpenError::NotAuthentic { key_id: KeyId(1) });
}

#[test]
fn value_is_refused_when_moved() {
	let ring = ring(&new_kek());
	let sealed = sealed(&ring.cipher(), PLACE, b"reading");
	let expected = OpenError::NotAuthentic { key_id: KeyId(1) };
	let moved = |column_family, key| Place { column_family, key };
	assert_eq!(refused(&ring, moved("readings", b"zone 1, slot 3"), &sealed), expected);
	assert_eq!(refused(&ring, moved("pages", PLACE.key), &sealed), expected);
	assert_eq!(refused(&ring, moved("reading", b"szone 1, slot 2"), &sealed), expected);
}

#[test]
fn value_is_refused_when_its_header_names_another_key_of_the_ring() {
	let kek = new_kek();
	let ring = ring(&kek);
	let mut sealed = sealed(&ring.cipher(), PLACE, b"reading");
	ring.rotate(&kek, 2, support::persist).expect("it rotates");
	sealed[4] = 2;
	assert_eq!(refused(&ring, PLACE, &sealed), OpenError::NotAuthentic { key_id: KeyId(2) });
}

#[test]
fn plain_value_is_refused_by_its_version() {
	let error = refused(&ring(&new_kek()), PLACE, &[0; 100]);
	assert_eq!(error, OpenError::Layout(LayoutError::UnknownVersion { found: 0 }));
	assert_eq!(error.to_string(), "the sealed value has version 0, this program reads 1");
}

#[test]
fn each_refusal_has_its_own_message() {
	let messages = [
		OpenError::from(LayoutError::TooShort { length: 3 }),
		OpenError::from(LayoutError::UnknownVersion { found: 9 }),
		OpenError::UnknownKey { key_id: KeyId(7) },
		OpenError::NotAuthentic { key_id: KeyId(7) },
		OpenError::Place(PlaceTooLong { length: 600 }),
	]
	.map(|error| error.to_string());
	assert_eq!(
		messages,
		[
			"the sealed value has 3 bytes, fewer than the 33 of an empty one",
			"the sealed value has version 9, this program reads 1",
			"the sealed value names data key 7, which the ring does not have",
			"the value sealed with data key 7 is not authentic: \
			 changed, cut short, or moved from another key or column family",
			"column family and key have 600 bytes together, at most 512 are allowed",
		]
	);
}

#[test]
fn seal_is_refused_when_the_place_is_too_long() {
	let ring = ring(&new_kek());
	let key = vec![7; MAX_PLACE_BYTES];
	let longest = Place { column_family: "", key: &key };
	let too_long = Place { column_family: "x", key: &key };
	let sealed = sealed(&ring.cipher(), longest, b"value");
	assert_eq!(opened(&ring.cipher(), longest, &sealed), b"value");

	let mut output = b"before".to_vec();
	let error = PlaceTooLong { length: MAX_PLACE_BYTES + 1 };
	assert_eq!(
		ring.cipher().seal_into(too_long, b"value", &mut output),
		Err(SealError::Place(error))
	);
	assert_eq!(output, b"before");
	assert_eq!(refused(&ring, too_long, &sealed), OpenError::Place(error));
}

#[test]
fn seal_is_refused_when_the_value_is_too_long() {
	let ring = ring(&new_kek());
	let mut value = vec![7; MAX_VALUE_BYTES];
	let sealed = sealed(&ring.cipher(), PLACE, &value);
	assert!(opened(&ring.cipher(), PLACE, &sealed) == value);

	value.push(7);
	let mut output = b"before".to_vec();
	assert_eq!(
		ring.cipher().seal_into(PLACE, &value, &mut output),
		Err(SealError::ValueTooLong { length: MAX_VALUE_BYTES + 1 })
	);
	assert_eq!(output, b"before");
}

#[test]
fn seal_is_refused_before_a_session_was_started() {
	let kek = new_kek();
	let ring = KeyRing::generate(&kek, 1).expect("a ring");
	let mut output = Vec::new();
	let cipher = ring.cipher();
	assert_eq!(cipher.seal_into(PLACE, b"value", &mut output), Err(SealError::NoSession));
	assert_eq!(
		cipher.reseal_into(PLACE, b"value", &mut output),
		Err(ResealError::Seal(SealError::NoSession))
	);
	assert_eq!((cipher.active_key(), cipher.remaining_blocks()), (None, None));
	assert!(output.is_empty());
}

#[test]
fn equal_values_look_different() {
	let ring = ring(&new_kek());
	let cipher = ring.cipher();
	let (first, second) = (sealed(&cipher, PLACE, &[0; 64]), sealed(&cipher, PLACE, &[0; 64]));
	assert_ne!(first[5..17], second[5..17], "nonces");
	assert_ne!(first[17..81], second[17..81], "ciphertexts");
}

#[test]
fn plain_text_is_not_in_the_sealed_value() {
	let ring = ring(&new_kek());
	let value = b"meter 4711 took 12 kWh";
	let sealed = sealed(&ring.cipher(), PLACE, value);
	assert!(!sealed.windows(5).any(|bytes| value.windows(5).any(|part| part == bytes)));
}
