//! The bytes in which a key ring is kept.
//!
//! Integers are big-endian; a "string of bytes" is its length as `u16` and the bytes.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `SVKR` |
//! | 1 | version, 1 |
//! | 2 + n | id of the key-encryption key, a string of bytes (UTF-8) |
//! | 2 + n | the wrapped root secret, a string of bytes |
//! | 4 | the id for the next data key |
//! | 4 | the id of the active data key |
//! | 4 | how many data keys follow |
//! | per data key, by ascending id | id 4, seconds since 1970 when it was made 8, sessions 2, the wrapped key as a string of bytes |
//! | 32 | HMAC-SHA-256 of everything before, under a key that HKDF-SHA-256 derives from the root secret |

use aws_lc_rs::hmac;

use crate::{
	kek::{MAX_KEK_ID_BYTES, MAX_WRAPPED_BYTES},
	sealed::KeyId,
	session::MAX_SESSIONS_PER_KEY,
};

/// The version of the bytes of a key ring.
pub const RING_VERSION: u8 = 1;

/// How many data keys a ring may have. Drop unused ones before that.
pub const MAX_DATA_KEYS: usize = 4096;

const MAGIC: &[u8; 4] = b"SVKR";
const AUTHENTICATION_CODE_BYTES: usize = 32;

/// Why bytes are no key ring, told without any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
	/// The bytes do not begin as a key ring does.
	#[error("the bytes are no key ring")]
	NotAKeyRing,
	/// Another version wrote it.
	#[error("the key ring has version {found}, this program reads {RING_VERSION}")]
	UnknownVersion {
		/// The version byte.
		found: u8,
	},
	/// It ends within a field.
	#[error("the key ring ends within {field}")]
	Truncated {
		/// The field.
		field: &'static str,
	},
	/// A field has a value that is never written.
	#[error("the key ring is damaged: {field}")]
	Damaged {
		/// The field, and what is wrong with it.
		field: &'static str,
	},
}

/// A data key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
	pub(crate) id: KeyId,
	pub(crate) created_at_seconds: u64,
	/// How many session numbers were claimed.
	pub(crate) sessions: u16,
	pub(crate) wrapped: Vec<u8>,
}

/// A key ring as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingRecord {
	pub(crate) kek_id: String,
	pub(crate) wrapped_root: Vec<u8>,
	pub(crate) next_key_id: u32,
	pub(crate) active: KeyId,
	/// By ascending id.
	pub(crate) keys: Vec<KeyRecord>,
}

impl RingRecord {
	/// Takes the next session number of the active data key; `None` when it has no more.
	pub(crate) fn claim_session(&mut self) -> Option<u8> {
		let active = self.active;
		let key = self.keys.iter_mut().find(|key| key.id == active)?;
		let number = u8::try_from(key.sessions).ok()?;
		key.sessions += 1;
		Some(number)
	}

	/// The bytes, with their authentication code. Every part has at most the length that
	/// [`parse`] allows, as the ring takes care of.
	pub(crate) fn to_bytes(&self, authentication: &hmac::Key) -> Vec<u8> {
		let mut bytes = Vec::new();
		bytes.extend_from_slice(MAGIC);
		bytes.push(RING_VERSION);
		push_string(&mut bytes, self.kek_id.as_bytes());
		push_string(&mut bytes, &self.wrapped_root);
		bytes.extend_from_slice(&self.next_key_id.to_be_bytes());
		bytes.extend_from_slice(&self.active.0.to_be_bytes());
		bytes.extend_from_slice(&(self.keys.len() as u32).to_be_bytes());
		for key in &self.keys {
			bytes.extend_from_slice(&key.id.0.to_be_bytes());
			bytes.extend_from_slice(&key.created_at_seconds.to_be_bytes());
			bytes.extend_from_slice(&key.sessions.to_be_bytes());
			push_string(&mut bytes, &key.wrapped);
		}
		let code = hmac::sign(authentication, &bytes);
		bytes.extend_from_slice(code.as_ref());
		bytes
	}
}

fn push_string(bytes: &mut Vec<u8>, string: &[u8]) {
	bytes.extend_from_slice(&(string.len() as u16).to_be_bytes());
	bytes.extend_from_slice(string);
}

/// A ring that was read and not yet authenticated.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
	pub(crate) record: RingRecord,
	authenticated: &'a [u8],
	code: &'a [u8],
}

impl Unverified<'_> {
	/// The record, if the code is that of the bytes.
	pub(crate) fn verify(self, authentication: &hmac::Key) -> Option<RingRecord> {
		hmac::verify(authentication, self.authenticated, self.code).ok()?;
		Some(self.record)
	}
}

/// Reads the bytes of a ring and checks what can be checked without a key.
pub(crate) fn parse(bytes: &[u8]) -> Result<Unverified<'_>, RecordError> {
	let mut reader = Reader { rest: bytes };
	if !bytes.starts_with(MAGIC) {
		return Err(RecordError::NotAKeyRing);
	}
	reader.array::<4>("the magic bytes")?;
	let [version] = reader.array("the version")?;
	if version != RING_VERSION {
		return Err(RecordError::UnknownVersion { found: version });
	}

	let kek_id = reader.string("the id of the key-encryption key", MAX_KEK_ID_BYTES)?.to_vec();
	let kek_id = String::from_utf8(kek_id).map_err(|_error| RecordError::Damaged {
		field: "the id of the key-encryption key is no UTF-8",
	})?;
	let wrapped_root = reader.string("the root secret", MAX_WRAPPED_BYTES)?.to_vec();
	let next_key_id = u32::from_be_bytes(reader.array("the id for the next data key")?);
	let active = KeyId(u32::from_be_bytes(reader.array("the id of the active data key")?));
	let count = u32::from_be_bytes(reader.array("the number of data keys")?) as usize;
	if count > MAX_DATA_KEYS {
		return Err(RecordError::Damaged { field: "more data keys than a ring may have" });
	}
	let keys = (0..count).map(|_index| reader.key()).collect::<Result<Vec<_>, _>>()?;
	let authenticated = &bytes[..bytes.len() - reader.rest.len()];
	let code = reader.take("the authentication code", AUTHENTICATION_CODE_BYTES)?;
	if !reader.rest.is_empty() {
		return Err(RecordError::Damaged { field: "bytes after the authentication code" });
	}

	let record = RingRecord { kek_id, wrapped_root, next_key_id, active, keys };
	check(&record)?;
	Ok(Unverified { record, authenticated, code })
}

fn check(record: &RingRecord) -> Result<(), RecordError> {
	let damaged = |field| Err(RecordError::Damaged { field });
	if !record.keys.is_sorted_by(|first, second| first.id < second.id) {
		return damaged("the data keys are not by ascending id");
	}
	if record.keys.iter().any(|key| key.id.0 >= record.next_key_id) {
		return damaged("a data key has an id that was not given yet");
	}
	if record.keys.iter().any(|key| key.sessions > MAX_SESSIONS_PER_KEY) {
		return damaged("a data key has more sessions than it may");
	}
	if !record.keys.iter().any(|key| key.id == record.active) {
		return damaged("the active data key is missing");
	}
	Ok(())
}

struct Reader<'a> {
	rest: &'a [u8],
}

impl<'a> Reader<'a> {
	fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], RecordError> {
		let split = self.rest.split_at_checked(length);
		let (taken, rest) = split.ok_or(RecordError::Truncated { field })?;
		self.rest = rest;
		Ok(taken)
	}

	fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
		let mut array = [0; N];
		array.copy_from_slice(self.take(field, N)?);
		Ok(array)
	}

	fn string(&mut self, field: &'static str, longest: usize) -> Result<&'a [u8], RecordError> {
		let length = usize::from(u16::from_be_bytes(self.array(field)?));
		if length > longest {
			return Err(RecordError::Damaged { field });
		}
		self.take(field, length)
	}

	fn key(&mut self) -> Result<KeyRecord, RecordError> {
		Ok(KeyRecord {
			id: KeyId(u32::from_be_bytes(self.array("the id of a data key")?)),
			created_at_seconds: u64::from_be_bytes(self.array("the time of a data key")?),
			sessions: u16::from_be_bytes(self.array("the sessions of a data key")?),
			wrapped: self.string("a wrapped data key", MAX_WRAPPED_BYTES)?.to_vec(),
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn key() -> hmac::Key {
		hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
	}

	fn record() -> RingRecord {
		let key_record =
			|id| KeyRecord { id: KeyId(id), created_at_seconds: 5, sessions: 3, wrapped: vec![9] };
		RingRecord {
			kek_id: "test".to_owned(),
			wrapped_root: vec![1, 2, 3],
			next_key_id: 9,
			active: KeyId(8),
			keys: vec![key_record(2), key_record(8)],
		}
	}

	fn refused(change: impl FnOnce(&mut RingRecord)) -> RecordError {
		let mut record = record();
		change(&mut record);
		parse(&record.to_bytes(&key())).expect_err("such a ring is never written")
	}

	#[test]
	fn record_is_read_as_it_was_written() {
		let bytes = record().to_bytes(&key());
		let read = parse(&bytes).expect("it is a key ring");
		assert_eq!(read.verify(&key()), Some(record()));
	}

	#[test]
	fn record_has_the_documented_bytes() {
		let bytes = record().to_bytes(&key());
		let (body, code) = bytes.split_at(bytes.len() - AUTHENTICATION_CODE_BYTES);
		let expected = concat!(
			"53564b52",     // magic
			"01",           // version
			"000474657374", // "test"
			"0003010203",   // root
			"00000009",     // next
			"00000008",     // active
			"00000002",     // count
			"00000002",
			"0000000000000005",
			"0003", // first key
			"000109",
			"00000008",
			"0000000000000005",
			"0003", // second key
			"000109",
		);
		assert_eq!(hex::encode(body), expected);
		assert_eq!(code, hmac::sign(&key(), body).as_ref());
	}

	#[test]
	fn record_is_refused_when_cut_anywhere() {
		let bytes = record().to_bytes(&key());
		for length in 0..bytes.len() {
			let error = parse(&bytes[..length]).expect_err("it is cut");
			if length < MAGIC.len() {
				assert_eq!(error, RecordError::NotAKeyRing);
			} else {
				assert!(matches!(error, RecordError::Truncated { .. }), "{length}: {error}");
			}
		}
	}

	#[test]
	fn record_is_refused_when_another_version_wrote_it() {
		let mut bytes = record().to_bytes(&key());
		bytes[4] = 2;
		let error = parse(&bytes).expect_err("another version");
		assert_eq!(error, RecordError::UnknownVersion { found: 2 });
	}

	#[test]
	fn record_is_refused_when_a_field_cannot_be() {
		let damaged = |field| RecordError::Damaged { field };
		assert_eq!(
			refused(|record| record.keys.reverse()),
			damaged("the data keys are not by ascending id")
		);
		assert_eq!(
			refused(|record| record.keys[0].id = KeyId(8)),
			damaged("the data keys are not by ascending id")
		);
		assert_eq!(
			refused(|record| record.next_key_id = 8),
			damaged("a data key has an id that was not given yet")
		);
		assert_eq!(
			refused(|record| record.keys[1].sessions = MAX_SESSIONS_PER_KEY + 1),
			damaged("a data key has more sessions than it may")
		);
		assert_eq!(
			refused(|record| record.active = KeyId(3)),
			damaged("the active data key is missing")
		);
		assert_eq!(
			refused(|record| record.kek_id = "x".repeat(MAX_KEK_ID_BYTES + 1)),
			damaged("the id of the key-encryption key")
		);
		assert_eq!(
			refused(|record| record.wrapped_root = vec![0; MAX_WRAPPED_BYTES + 1]),
			damaged("the root secret")
		);
		let mut bytes = record().to_bytes(&key());
		bytes[7] = 0xff;
		assert_eq!(
			parse(&bytes).expect_err("no UTF-8"),
			damaged("the id of the key-encryption key is no UTF-8")
		);
		let mut bytes = record().to_bytes(&key());
		bytes.push(0);
		assert_eq!(
			parse(&bytes).expect_err("longer"),
			damaged("bytes after the authentication code")
		);
		let mut bytes = record().to_bytes(&key());
		let count_at = 4 + 1 + 6 + 5 + 4 + 4;
		bytes[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
		assert_eq!(
			parse(&bytes).expect_err("too many"),
			damaged("more data keys than a ring may have")
		);
	}

	#[test]
	fn record_is_not_verified_when_a_bit_was_changed() {
		let bytes = record().to_bytes(&key());
		for bit in 0..bytes.len() * 8 {
			let mut changed = bytes.clone();
			changed[bit / 8] ^= 1 << (bit % 8);
			let verified = parse(&changed).ok().and_then(|read| read.verify(&key()));
			assert_eq!(verified, None, "bit {bit}");
		}
	}
}
