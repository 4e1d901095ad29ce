//! Where a value is stored, as additional authenticated data.

use crate::sealed::{HEADER_BYTES, KEY_ID_AT, KEY_ID_BYTES};

/// The longest place: bytes of the column family's name and of the key together.
pub const MAX_PLACE_BYTES: usize = 512;

const LENGTH_BYTES: usize = 4;
const PREFIX_BYTES: usize = KEY_ID_AT + KEY_ID_BYTES;
const MAX_BYTES: usize = PREFIX_BYTES + 2 * LENGTH_BYTES + MAX_PLACE_BYTES;

/// Where the store keeps a value. A sealed value opens at its own place only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
	/// The name of the column family.
	pub column_family: &'a str,
	/// The key under which the store keeps the value.
	pub key: &'a [u8],
}

/// A place is longer than [`MAX_PLACE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
	"column family and key have {length} bytes together, at most {MAX_PLACE_BYTES} are allowed"
)]
pub struct PlaceTooLong {
	/// Bytes of the column family's name and of the key together.
	pub length: usize,
}

/// What the tag of a sealed value covers beside the value.
///
/// Version byte and key id as in the value's header, then the column family and the key, each after
/// its length in bytes as a big-endian `u32`. No two places give the same bytes.
pub(crate) struct AuthenticatedData {
	bytes: [u8; MAX_BYTES],
	length: usize,
}

impl AuthenticatedData {
	pub(crate) fn new(header: &[u8; HEADER_BYTES], place: Place<'_>) -> Result<Self, PlaceTooLong> {
		let length = place.column_family.len().saturating_add(place.key.len());
		if length > MAX_PLACE_BYTES {
			return Err(PlaceTooLong { length });
		}
		let mut data = Self { bytes: [0; MAX_BYTES], length: 0 };
		data.push(&header[..PREFIX_BYTES]);
		for part in [place.column_family.as_bytes(), place.key] {
			// No truncation: a part has at most MAX_PLACE_BYTES.
			data.push(&(part.len() as u32).to_be_bytes());
			data.push(part);
		}
		Ok(data)
	}

	fn push(&mut self, part: &[u8]) {
		let end = self.length + part.len();
		self.bytes[self.length..end].copy_from_slice(part);
		self.length = end;
	}
}

impl AsRef<[u8]> for AuthenticatedData {
	fn as_ref(&self) -> &[u8] {
		&self.bytes[..self.length]
	}
}
