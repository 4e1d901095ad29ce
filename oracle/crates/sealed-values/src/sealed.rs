//! The layout of a sealed value.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | version, 1 |
//! | 4 | id of the data key, big-endian |
//! | 12 | nonce |
//! | as the value | ciphertext |
//! | 16 | tag |

use std::fmt;

use crate::data_key::{NONCE_BYTES, TAG_BYTES};

/// The version of the layout. Never 0, so that a store can mark plain values with 0.
pub const SEALED_VERSION: u8 = 1;

/// How many bytes a sealed value is longer than the value.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// The longest value that can be sealed, bytes.
pub const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

pub(crate) const KEY_ID_AT: usize = 1;
pub(crate) const KEY_ID_BYTES: usize = 4;
const NONCE_AT: usize = KEY_ID_AT + KEY_ID_BYTES;
pub(crate) const HEADER_BYTES: usize = NONCE_AT + NONCE_BYTES;

/// The number of a data key within its ring. Never given twice, even after the key was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		self.0.fmt(formatter)
	}
}

/// Why bytes are no sealed value, told from their layout alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
	/// Too short for a version, a key id, a nonce and a tag.
	#[error(
		"the sealed value has {length} bytes, fewer than the {OVERHEAD_BYTES} of an empty one"
	)]
	TooShort {
		/// Its bytes.
		length: usize,
	},
	/// Written by another version, or not sealed at all.
	#[error("the sealed value has version {found}, this program reads {SEALED_VERSION}")]
	UnknownVersion {
		/// The version byte.
		found: u8,
	},
}

/// The parts of a sealed value.
pub(crate) struct Parts<'a> {
	pub(crate) header: &'a [u8; HEADER_BYTES],
	pub(crate) ciphertext: &'a [u8],
	pub(crate) tag: &'a [u8],
}

impl<'a> Parts<'a> {
	/// Takes a sealed value apart. The version is looked at first, as another may be shorter.
	pub(crate) fn of(sealed: &'a [u8]) -> Result<Self, LayoutError> {
		let too_short = LayoutError::TooShort { length: sealed.len() };
		match sealed.first() {
			None => return Err(too_short),
			Some(&SEALED_VERSION) => {}
			Some(&found) => return Err(LayoutError::UnknownVersion { found }),
		}
		let (header, rest) = sealed.split_first_chunk().ok_or(too_short)?;
		let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(too_short)?;
		Ok(Self { header, ciphertext, tag })
	}

	pub(crate) fn key_id(&self) -> KeyId {
		let mut bytes = [0; KEY_ID_BYTES];
		bytes.copy_from_slice(&self.header[KEY_ID_AT..NONCE_AT]);
		KeyId(u32::from_be_bytes(bytes))
	}

	pub(crate) fn nonce(&self) -> [u8; NONCE_BYTES] {
		let mut nonce = [0; NONCE_BYTES];
		nonce.copy_from_slice(&self.header[NONCE_AT..]);
		nonce
	}
}

/// The first bytes of a sealed value.
pub(crate) fn header(key_id: KeyId, nonce: &[u8; NONCE_BYTES]) -> [u8; HEADER_BYTES] {
	let mut header = [SEALED_VERSION; HEADER_BYTES];
	header[KEY_ID_AT..NONCE_AT].copy_from_slice(&key_id.0.to_be_bytes());
	header[NONCE_AT..].copy_from_slice(nonce);
	header
}

/// Which data key a value was sealed with, as its header says. Nothing is authenticated.
///
/// # Errors
/// When the bytes have not the layout of a sealed value.
pub fn key_id_of(sealed: &[u8]) -> Result<KeyId, LayoutError> {
	Parts::of(sealed).map(|parts| parts.key_id())
}
