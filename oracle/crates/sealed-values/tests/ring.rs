//! The key ring: reading, rotation, wrapping anew, dropping keys.

mod support;

use std::{
	convert::Infallible,
	sync::atomic::{AtomicBool, Ordering},
	thread,
};

use proptest::{collection::vec, prelude::*};
use sealed_values::{
	key_id_of, ChangeError, KekError, KeyEncryptionKey, KeyFile, KeyId, KeyRing, LayoutError,
	OpenError, RecordError, ResealError, RingError, SecretKey, SecretName, MAX_KEK_ID_BYTES,
	MAX_WRAPPED_BYTES,
};
use support::{new_kek, opened, persist, ring, sealed, Kept, PLACE};

fn ring_error(result: Result<(), ChangeError<Infallible>>) -> RingError {
	match result.expect_err("it is refused") {
		ChangeError::Ring(error) => error,
		ChangeError::Persist(never) => match never {},
	}
}

mod reading {
	use super::*;

	#[test]
	fn ring_opens_the_values_of_the_ring_it_was_read_from() {
		let (kek, kept) = (new_kek(), Kept::default());
		let ring = KeyRing::generate(&kek, 1).expect("a ring");
		ring.start_session(&kek, 1, |bytes| kept.write(bytes)).expect("a session");
		let old = sealed(&ring.cipher(), PLACE, b"old");
		ring.rotate(&kek, 2, |bytes| kept.write(bytes)).expect("it rotates");
		let new = sealed(&ring.cipher(), PLACE, b"new");
		assert_eq!(ring.to_bytes(), kept.bytes());

		let read = KeyRing::from_bytes(&kept.bytes(), &kek).expect("a ring");
		assert_eq!(read.keys(), ring.keys());
		assert_eq!(read.to_bytes(), kept.bytes());
		assert_eq!(opened(&read.cipher(), PLACE, &old), b"old");
		assert_eq!(opened(&read.cipher(), PLACE, &new), b"new");
	}

	/// A ring and a value written by version 1 of both layouts open for ever.
	#[test]
	fn ring_and_value_of_version_1_still_open() {
		let secret = SecretKey::filled(|bytes| hex::decode_to_slice(golden::KEY_FILE, bytes));
		let kek = KeyFile::from_secret(&secret.expect("a secret of 32 bytes"));
		assert_eq!(kek.id(), golden::KEK_ID);
		let bytes = hex::decode(golden::RING).expect("hexadecimal");
		let ring = KeyRing::from_bytes(&bytes, &kek).expect("a ring");
		let value = hex::decode(golden::VALUE).expect("hexadecimal");
		assert_eq!(opened(&ring.cipher(), PLACE, &value), b"a reading");
		assert_eq!(hex::encode(ring.blinding().blind(b"meter")), golden::BLINDED);
	}

	#[test]
	fn ring_is_refused_with_another_key() {
		let (kek, other) = (new_kek(), new_kek());
		let bytes = ring(&kek).to_bytes();
		assert_eq!(KeyRing::kek_id_of(&bytes).expect("a ring"), kek.id());
		match KeyRing::from_bytes(&bytes, &other).expect_err("another key") {
			RingError::OtherKek { expected, found } => {
				assert_eq!((expected.as_str(), found.as_str()), (kek.id(), other.id()));
			}
			error => panic!("{error}"),
		}
		let ring = ring(&kek);
		let refused = |result| assert!(matches!(ring_error(result), RingError::OtherKek { .. }));
		refused(ring.start_session(&other, 1, persist));
		refused(ring.rotate(&other, 1, persist));
		refused(ring.rewrap(&other, &kek, persist));
	}

	#[test]
	fn ring_is_refused_for_every_changed_bit() {
		let kek = new_kek();
		let ring = ring(&kek);
		ring.rotate(&kek, 2, persist).expect("it rotates");
		let bytes = ring.to_bytes();
		KeyRing::from_bytes(&bytes, &kek).expect("it is whole");
		for bit in 0..bytes.len() * 8 {
			let mut changed = bytes.clone();
			changed[bit / 8] ^= 1 << (bit % 8);
			KeyRing::from_bytes(&changed, &kek).expect_err("it was changed");
		}
	}

	#[test]
	fn ring_is_refused_when_a_key_has_other_sessions() {
		let kek = new_kek();
		let mut bytes = ring(&kek).to_bytes();
		// Before the authentication code of 32 bytes: sessions 2, length 2, nonce, key and tag.
		let sessions_at = bytes.len() - 32 - 60 - 2 - 2;
		assert_eq!(bytes[sessions_at..sessions_at + 2], [0, 1]);
		bytes[sessions_at + 1] = 0;
		let error = KeyRing::from_bytes(&bytes, &kek).expect_err("it was changed");
		assert!(matches!(error, RingError::NotAuthentic), "{error}");
	}

	#[test]
	fn ring_is_refused_when_the_root_secret_is_that_of_another_ring() {
		let kek = new_kek();
		let (mut bytes, other) = (ring(&kek).to_bytes(), ring(&kek).to_bytes());
		let root_at = 4 + 1 + 2 + kek.id().len() + 2;
		bytes[root_at..root_at + 60].copy_from_slice(&other[root_at..root_at + 60]);
		let error = KeyRing::from_bytes(&bytes, &kek).expect_err("it was changed");
		assert!(matches!(error, RingError::NotAuthentic), "{error}");
		bytes[root_at] ^= 1;
		let error = KeyRing::from_bytes(&bytes, &kek).expect_err("it was changed");
		let RingError::Kek { secret: SecretName::Root, source: KekError::NotAuthentic } = error
		else {
			panic!("{error}");
		};
	}

	#[test]
	fn ring_is_refused_when_it_is_none_or_of_another_version() {
		let kek = new_kek();
		let error = |bytes: &[u8]| match KeyRing::from_bytes(bytes, &kek).expect_err("no ring") {
			RingError::Record(error) => error,
			error => panic!("{error}"),
		};
		assert_eq!(error(b""), RecordError::NotAKeyRing);
		assert_eq!(error(b"SVKR\x02"), RecordError::UnknownVersion { found: 2 });
		assert_eq!(error(b"SVKR"), RecordError::Truncated { field: "the version" });
	}

	proptest! {
		#[test]
		fn arbitrary_bytes_are_refused_without_a_panic(
			bytes in vec(any::<u8>(), 0..200),
			begins_well in any::<bool>(),
		) {
			let start: &[u8] = if begins_well { b"SVKR\x01\x00" } else { b"" };
			KeyRing::from_bytes(&[start, &bytes].concat(), &new_kek()).expect_err("no ring");
		}
	}

	#[test]
	fn debug_shows_no_secret() {
		let kek = new_kek();
		let ring = ring(&kek);
		let text = format!("{ring:?} {:?} {:?} {kek:?}", ring.cipher(), ring.blinding());
		assert!(text.contains("KeyId(1)") && text.contains("MeterBlinding(hidden)"), "{text}");
		assert!(!text.contains('['.to_string().repeat(2).as_str()), "{text}");
		assert!(!text.contains("wrapped"), "{text}");
	}
}

mod rotation {
	use super::*;

	#[test]
	fn rotate_seals_new_values_with_the_new_key_and_opens_old_ones() {
		let kek = new_kek();
		let ring = ring(&kek);
		let old = sealed(&ring.cipher(), PLACE, b"old");
		ring.rotate(&kek, 2, persist).expect("it rotates");
		let new = sealed(&ring.cipher(), PLACE, b"new");
		assert_eq!((key_id_of(&old), key_id_of(&new)), (Ok(KeyId(1)), Ok(KeyId(2))));
		assert_eq!(opened(&ring.cipher(), PLACE, &old), b"old");
		assert_eq!(opened(&ring.cipher(), PLACE, &new), b"new");
	}

	#[test]
	fn rotate_has_no_effect_when_the_ring_is_not_written() {
		let kek = new_kek();
		let ring = ring(&kek);
		let before = ring.to_bytes();
		let fail = |_bytes: &[u8]| Err("disk full");
		let failed = |result: Result<(), ChangeError<&str>>| {
			let error = result.expect_err("it was not written");
			assert_eq!(error.to_string(), "the changed key ring was not written: disk full");
			assert_eq!(ring.to_bytes(), before);
			assert_eq!(ring.cipher().active_key(), Some(KeyId(1)));
		};
		failed(ring.rotate(&kek, 2, fail));
		failed(ring.start_session(&kek, 2, fail));
		failed(ring.rewrap(&kek, &new_kek(), fail));
		ring.rotate(&kek, 2, persist).expect("it can be tried again");
		assert_eq!(ring.cipher().active_key(), Some(KeyId(2)));
	}

	#[test]
	fn value_of_a_later_key_is_unknown_to_an_earlier_cipher() {
		let kek = new_kek();
		let ring = ring(&kek);
		let earlier = ring.cipher();
		ring.rotate(&kek, 2, persist).expect("it rotates");
		let new = sealed(&ring.cipher(), PLACE, b"new");
		assert_eq!(
			earlier.open_into(PLACE, &new, &mut Vec::new()),
			Err(OpenError::UnknownKey { key_id: KeyId(2) })
		);
	}

	#[test]
	fn values_sealed_while_keys_rotate_all_open() {
		let kek = new_kek();
		let ring = ring(&kek);
		let is_done = AtomicBool::new(false);
		let values: Vec<Vec<u8>> = thread::scope(|scope| {
			let seal = || {
				let mut values = Vec::new();
				while !is_done.load(Ordering::Relaxed) {
					values.push(sealed(&ring.cipher(), PLACE, b"value"));
				}
				values
			};
			let handles = [scope.spawn(seal), scope.spawn(seal)];
			for now_seconds in 0..50 {
				ring.rotate(&kek, now_seconds, persist).expect("it rotates");
				sealed(&ring.cipher(), PLACE, b"value");
			}
			is_done.store(true, Ordering::Relaxed);
			handles.into_iter().flat_map(|handle| handle.join().expect("it seals")).collect()
		});
		for value in &values {
			assert_eq!(opened(&ring.cipher(), PLACE, value), b"value");
		}
	}

	#[test]
	fn reseal_replaces_values_of_older_keys_only() {
		let kek = new_kek();
		let ring = ring(&kek);
		let old = sealed(&ring.cipher(), PLACE, b"value");
		let mut output = b"before".to_vec();
		assert_eq!(ring.cipher().reseal_into(PLACE, &old, &mut output), Ok(false));
		assert_eq!(output, b"before");

		ring.rotate(&kek, 2, persist).expect("it rotates");
		assert_eq!(ring.cipher().reseal_into(PLACE, &old, &mut output), Ok(true));
		let new = output.strip_prefix(b"before").expect("it appends");
		assert_eq!(key_id_of(new), Ok(KeyId(2)));
		assert_eq!(opened(&ring.cipher(), PLACE, new), b"value");
	}

	#[test]
	fn reseal_is_refused_when_the_value_does_not_open() {
		let kek = new_kek();
		let ring = ring(&kek);
		let mut old = sealed(&ring.cipher(), PLACE, b"value");
		ring.rotate(&kek, 2, persist).expect("it rotates");
		old[20] ^= 1;
		let mut output = Vec::new();
		let mut error = |value: &[u8]| ring.cipher().reseal_into(PLACE, value, &mut output);
		let expected = OpenError::NotAuthentic { key_id: KeyId(1) };
		assert_eq!(error(&old), Err(ResealError::Open(expected)));
		let expected = OpenError::Layout(LayoutError::TooShort { length: 0 });
		assert_eq!(error(b""), Err(ResealError::Open(expected)));
		assert!(output.is_empty());
	}
}

mod wrapping {
	use super::*;

	#[test]
	fn rewrap_changes_the_key_that_the_ring_needs_and_no_value() {
		let (old, new, kept) = (new_kek(), new_kek(), Kept::default());
		let ring = ring(&old);
		let first = sealed(&ring.cipher(), PLACE, b"first");
		ring.rotate(&old, 2, persist).expect("it rotates");
		let second = sealed(&ring.cipher(), PLACE, b"second");
		let blinded = ring.blinding().blind(b"meter");
		ring.rewrap(&old, &new, |bytes| kept.write(bytes)).expect("it is wrapped anew");
		assert_eq!(opened(&ring.cipher(), PLACE, &first), b"first");

		let bytes = kept.bytes();
		assert_eq!(KeyRing::kek_id_of(&bytes).expect("a ring"), new.id());
		KeyRing::from_bytes(&bytes, &old).expect_err("the old key is of no use");
		let read = KeyRing::from_bytes(&bytes, &new).expect("a ring");
		assert_eq!(opened(&read.cipher(), PLACE, &first), b"first");
		assert_eq!(opened(&read.cipher(), PLACE, &second), b"second");
		assert_eq!(read.blinding().blind(b"meter"), blinded);
		assert_eq!(read.keys(), ring.keys());
		ring.rotate(&new, 3, persist).expect("the new key rotates");
	}

	#[test]
	fn rewrap_changes_every_wrapped_secret() {
		let kek = new_kek();
		let ring = ring(&kek);
		let before = ring.to_bytes();
		ring.rewrap(&kek, &kek, persist).expect("it is wrapped anew");
		let after = ring.to_bytes();
		let root_at = 4 + 1 + 2 + kek.id().len() + 2;
		let key_at = after.len() - 32 - 60;
		for at in [root_at, key_at] {
			assert_ne!(before[at..at + 60], after[at..at + 60]);
		}
	}

	/// A key-encryption key that does something wrong.
	struct Faulty {
		inner: KeyFile,
		id: String,
		fault: Fault,
	}

	#[derive(Clone, Copy, PartialEq)]
	enum Fault {
		None,
		Offline,
		LongAnswers,
		OtherSecrets,
	}

	impl Faulty {
		fn new(id: &str, fault: Fault) -> Self {
			Self { inner: new_kek(), id: id.to_owned(), fault }
		}
	}

	impl KeyEncryptionKey for Faulty {
		fn id(&self) -> &str {
			&self.id
		}

		fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError> {
			match self.fault {
				Fault::Offline => Err(KekError::Unavailable("the token was removed".into())),
				Fault::LongAnswers => Ok(vec![0; MAX_WRAPPED_BYTES + 1]),
				_ => self.inner.wrap(secret, context),
			}
		}

		fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError> {
			match self.fault {
				Fault::OtherSecrets => Ok(SecretKey::random()?),
				_ => self.inner.unwrap(wrapped, context),
			}
		}
	}

	fn refused(fault: Fault) -> RingError {
		KeyRing::generate(&Faulty::new("faulty", fault), 1).expect_err("it is refused")
	}

	#[test]
	fn ring_is_refused_when_the_key_fails() {
		let error = refused(Fault::Offline);
		assert_eq!(
			error.to_string(),
			"the root secret: the key-encryption key is not available: the token was removed"
		);
		let error = refused(Fault::LongAnswers);
		let length = MAX_WRAPPED_BYTES + 1;
		assert!(
			matches!(error, RingError::WrappedTooLong { secret: SecretName::Root, length: found } if found == length),
			"{error}"
		);
		let error = refused(Fault::OtherSecrets);
		assert!(matches!(error, RingError::WrappedWrongly { secret: SecretName::Root }), "{error}");
	}

	#[test]
	fn rewrap_is_refused_when_the_new_key_fails_and_nothing_is_written() {
		let kek = new_kek();
		let ring = ring(&kek);
		let before = ring.to_bytes();
		for fault in [Fault::Offline, Fault::LongAnswers, Fault::OtherSecrets] {
			let result = ring.rewrap(&kek, &Faulty::new("faulty", fault), |_bytes| {
				panic!("nothing may be written")
			});
			ring_error(result);
			assert_eq!(ring.to_bytes(), before);
		}
	}

	#[test]
	fn ring_is_refused_when_the_id_of_the_key_cannot_be_kept() {
		for (length, is_allowed) in
			[(0, false), (1, true), (MAX_KEK_ID_BYTES, true), (MAX_KEK_ID_BYTES + 1, false)]
		{
			let kek = Faulty::new(&"x".repeat(length), Fault::None);
			match KeyRing::generate(&kek, 1) {
				Ok(ring) => {
					assert!(is_allowed);
					KeyRing::from_bytes(&ring.to_bytes(), &kek).expect("a ring");
				}
				Err(error) => {
					assert!(!is_allowed);
					assert!(matches!(error, RingError::KekId { length: found } if found == length));
				}
			}
		}
	}

	#[test]
	fn ring_reads_the_longest_wrapped_secrets() {
		struct Padding(KeyFile);
		impl KeyEncryptionKey for Padding {
			fn id(&self) -> &str {
				self.0.id()
			}
			fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError> {
				let mut wrapped = self.0.wrap(secret, context)?;
				wrapped.resize(MAX_WRAPPED_BYTES, 0);
				Ok(wrapped)
			}
			fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError> {
				self.0.unwrap(&wrapped[..60], context)
			}
		}
		let kek = Padding(new_kek());
		let bytes = KeyRing::generate(&kek, 1).expect("a ring").to_bytes();
		KeyRing::from_bytes(&bytes, &kek).expect("a ring");
	}
}

mod dropping {
	use super::*;

	#[test]
	fn usage_counts_values_and_finds_unused_keys() {
		let kek = new_kek();
		let ring = ring(&kek);
		let mut values = vec![sealed(&ring.cipher(), PLACE, b"first"); 2];
		for now_seconds in 2..5 {
			ring.rotate(&kek, now_seconds, persist).expect("it rotates");
		}
		values.push(sealed(&ring.cipher(), PLACE, b"second"));
		values.push(sealed(&ring.cipher(), PLACE, b"third"));

		let mut usage = ring.usage();
		for value in &values {
			usage.count(value).expect("it is sealed");
		}
		let counts: Vec<_> = usage.counts().collect();
		assert_eq!(counts, [(KeyId(1), 2), (KeyId(2), 0), (KeyId(3), 0), (KeyId(4), 2)]);
		assert_eq!(usage.unused().collect::<Vec<_>>(), [KeyId(2), KeyId(3)]);
	}

	#[test]
	fn usage_never_finds_the_active_key_unused_nor_one_that_may_still_seal() {
		let kek = new_kek();
		let ring = ring(&kek);
		let earlier = ring.cipher();
		ring.rotate(&kek, 2, persist).expect("it rotates");
		assert_eq!(ring.usage().unused().count(), 0);
		drop(earlier);
		assert_eq!(ring.usage().unused().collect::<Vec<_>>(), [KeyId(1)]);
		let read = KeyRing::from_bytes(&ring.to_bytes(), &kek).expect("a ring");
		assert_eq!(read.usage().unused().collect::<Vec<_>>(), [KeyId(1)]);
	}

	#[test]
	fn usage_refuses_what_is_no_value_of_the_ring() {
		let kek = new_kek();
		let (ring, mut value) = (ring(&kek), vec![0; 40]);
		let mut usage = ring.usage();
		let error = OpenError::Layout(LayoutError::UnknownVersion { found: 0 });
		assert_eq!(usage.count(&value), Err(error));
		let error = OpenError::Layout(LayoutError::TooShort { length: 0 });
		assert_eq!(usage.count(&[]), Err(error));
		value[0] = 1;
		assert_eq!(usage.count(&value), Err(OpenError::UnknownKey { key_id: KeyId(0) }));
		assert_eq!(usage.counts().collect::<Vec<_>>(), [(KeyId(1), 0)]);
	}

	#[test]
	fn drop_key_forgets_the_key_for_good() {
		let (kek, kept) = (new_kek(), Kept::default());
		let ring = ring(&kek);
		let old = sealed(&ring.cipher(), PLACE, b"old");
		ring.rotate(&kek, 2, persist).expect("it rotates");
		ring.drop_key(KeyId(1), |bytes| kept.write(bytes)).expect("it is dropped");
		let read = KeyRing::from_bytes(&kept.bytes(), &kek).expect("a ring");
		for ring in [&ring, &read] {
			assert_eq!(
				ring.cipher().open_into(PLACE, &old, &mut Vec::new()),
				Err(OpenError::UnknownKey { key_id: KeyId(1) })
			);
		}
		let new = sealed(&ring.cipher(), PLACE, b"new");
		assert_eq!(opened(&read.cipher(), PLACE, &new), b"new");
	}

	#[test]
	fn drop_key_never_frees_an_id() {
		let kek = new_kek();
		let ring = ring(&kek);
		ring.rotate(&kek, 2, persist).expect("it rotates");
		ring.rotate(&kek, 3, persist).expect("it rotates");
		ring.drop_key(KeyId(2), persist).expect("it is dropped");
		let read = KeyRing::from_bytes(&ring.to_bytes(), &kek).expect("a ring");
		read.rotate(&kek, 4, persist).expect("it rotates");
		let ids: Vec<_> = read.keys().iter().map(|key| key.id).collect();
		assert_eq!(ids, [KeyId(1), KeyId(3), KeyId(4)]);
	}

	#[test]
	fn drop_key_goes_on_with_the_session() {
		let kek = new_kek();
		let ring = ring(&kek);
		ring.rotate(&kek, 2, persist).expect("it rotates");
		sealed(&ring.cipher(), PLACE, b"value");
		let before = ring.cipher().remaining_blocks();
		ring.drop_key(KeyId(1), persist).expect("it is dropped");
		assert_eq!(ring.cipher().remaining_blocks(), before);
	}

	#[test]
	fn drop_key_is_refused_when_the_key_is_needed_or_unknown() {
		let kek = new_kek();
		let ring = ring(&kek);
		let error = ring_error(ring.drop_key(KeyId(1), persist));
		assert!(matches!(error, RingError::KeyActive { id: KeyId(1) }), "{error}");
		assert_eq!(error.to_string(), "data key 1 is the active one: rotate first");
		let error = ring_error(ring.drop_key(KeyId(9), persist));
		assert_eq!(error.to_string(), "the key ring has no data key 9");

		let earlier = ring.cipher();
		ring.rotate(&kek, 2, persist).expect("it rotates");
		let error = ring_error(ring.drop_key(KeyId(1), persist));
		assert!(matches!(error, RingError::KeyHeld { id: KeyId(1) }), "{error}");
		drop(earlier);
		ring.drop_key(KeyId(1), persist).expect("nobody seals with it");
	}
}

mod blinding {
	use super::*;
	use std::collections::HashSet;

	#[test]
	fn blinded_ids_stay_when_keys_change_and_the_ring_is_read_again() {
		let kek = new_kek();
		let ring = ring(&kek);
		let blinded = ring.blinding().blind(b"meter");
		ring.rotate(&kek, 2, persist).expect("it rotates");
		assert_eq!(ring.blinding().blind(b"meter"), blinded);
		let read = KeyRing::from_bytes(&ring.to_bytes(), &kek).expect("a ring");
		assert_eq!(read.blinding().blind(b"meter"), blinded);
	}

	#[test]
	fn blinded_ids_differ_by_meter_and_by_ring() {
		let (first, second) = (ring(&new_kek()), ring(&new_kek()));
		assert_ne!(first.blinding().blind(b"meter"), second.blinding().blind(b"meter"));
		let blind = |index: u32| first.blinding().blind(&index.to_be_bytes());
		assert_eq!((0..10_000).map(blind).collect::<HashSet<_>>().len(), 10_000);
	}
}

mod golden {
	pub const KEY_FILE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	pub const KEK_ID: &str = "file:ae835b8ccb5071a4967170fce2fbcf99";
	pub const RING: &str =
		"53564b5201002566696c653a61653833356238636362353037316134393637313730666365326662\
		63663939003c557cb6b099234204878d5f0d3187e34a19d600a3a799aa95bc04563faa509d6fab1f\
		2e6313df5e8d69ba77928cc9d2d9f17626bf6c49780bf8f3c8af0000000300000002000000020000\
		0001000000006553f1000001003cdad8435a7f992b22ee070ac7225de53ee819bff84f715bb05d4b\
		00b77b9116095206d4eb591b8557430df2b960bf02580af38fbda23b5d258f5c4341000000020000\
		0000655542800001003ccdb79c9b50c841afdff1cfbfa606e7ee1b9ffaf7e3b0ae2d37cb92cab7e4\
		c38e89b5cb98535ad2efee7d36a6937ade943a3c41ca3a15dc01654baa73ef3f83ed47fe936443c1\
		c683c533ad0d830750baab61d0e2823c1f15b9dd23ff";
	pub const VALUE: &str =
		"010000000200d0b7dfee08e50000000000ebcfcd0a296cf77a9106b61e6482b13f9b5e8b62ce74c9\
		7ae5";
	pub const BLINDED: &str = "eababb9e3a88c5f19ad05faf76e73c82";
}
