//! The key of a reading, and its value on the way to the disk.

use std::{ops::Range, sync::Arc};

use codec::Encode;
use energy_primitives::{MeterIndex, Slot, ZoneId};
use sealed_values::{Place, ValueCipher};
use wia_ene_014::canonical::SignedMessage;

use super::StoreError;

/// The column family of readings. Its name is authenticated with every value.
pub const READINGS: &str = "readings";

/// Bytes of a [`ReadingKey`].
const BYTES: usize = 20;

/// Where a reading is: zone 4, slot 4, place of the meter in the zone 4, start 8, all big-endian.
///
/// So the readings of a slot, of a page, and of a meter in a slot are one range each. The meter is
/// there by its place, a number that only the chain's registry leads back to a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingKey([u8; BYTES]);

impl ReadingKey {
	/// The key of the reading that begins at `start_seconds`.
	pub fn new(zone: ZoneId, slot: Slot, meter: MeterIndex, start_seconds: u64) -> Self {
		let mut key = [0; BYTES];
		key[..4].copy_from_slice(&zone.0.to_be_bytes());
		key[4..8].copy_from_slice(&slot.0.to_be_bytes());
		key[8..12].copy_from_slice(&meter.0.to_be_bytes());
		key[12..].copy_from_slice(&start_seconds.to_be_bytes());
		Self(key)
	}

	/// The keys of some meters in a slot, as a range of bytes.
	pub fn range(zone: ZoneId, slot: Slot, meters: Range<u32>) -> Range<Self> {
		let at = |meter| Self::new(zone, slot, MeterIndex(meter), 0);
		at(meters.start)..at(meters.end)
	}

	/// The key of these bytes; `None` if there are not as many as a key has.
	pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
		bytes.try_into().map(Self).ok()
	}

	/// The bytes.
	pub fn as_bytes(&self) -> &[u8] {
		&self.0
	}

	/// The slot.
	pub fn slot(&self) -> Slot {
		Slot(self.number_at(4))
	}

	/// The place of the meter.
	pub fn meter(&self) -> MeterIndex {
		MeterIndex(self.number_at(8))
	}

	/// When the reading begins, seconds since 1970.
	pub fn start_seconds(&self) -> u64 {
		(u64::from(self.number_at(12)) << 32) | u64::from(self.number_at(16))
	}

	fn number_at(&self, at: usize) -> u32 {
		let mut bytes = [0; 4];
		bytes.copy_from_slice(&self.0[at..at + 4]);
		u32::from_be_bytes(bytes)
	}
}

/// Encodes and encrypts readings with the keys of one moment.
pub struct ReadingSealer {
	cipher: Arc<ValueCipher>,
	plain: Vec<u8>,
}

impl ReadingSealer {
	/// With the keys that `cipher` has.
	pub fn new(cipher: Arc<ValueCipher>) -> Self {
		Self { cipher, plain: Vec::new() }
	}

	/// Appends the sealed value of a reading to `output`, and says where in it.
	///
	/// # Errors
	/// When the keys cannot seal at present.
	pub fn seal(
		&mut self,
		key: &ReadingKey,
		signed: &SignedMessage,
		output: &mut Vec<u8>,
	) -> Result<Range<usize>, StoreError> {
		self.plain.clear();
		signed.encode_to(&mut self.plain);
		let start = output.len();
		let place = Place { column_family: READINGS, key: key.as_bytes() };
		self.cipher
			.seal_into(place, &self.plain, output)
			.map_err(|error| StoreError::Keys(error.to_string()))?;
		Ok(start..output.len())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_key_says_what_it_was_made_of_and_sorts_by_it() {
		let key = ReadingKey::new(ZoneId(7), Slot(8), MeterIndex(9), (3 << 32) + 4);
		assert_eq!(key.slot(), Slot(8));
		assert_eq!(key.meter(), MeterIndex(9));
		assert_eq!(key.start_seconds(), (3 << 32) + 4);
		assert_eq!(ReadingKey::from_bytes(key.as_bytes()), Some(key));
		assert_eq!(ReadingKey::from_bytes(&key.as_bytes()[1..]), None);
		let range = ReadingKey::range(ZoneId(7), Slot(8), 9..10);
		assert!(range.contains(&key));
		for other in [
			ReadingKey::new(ZoneId(6), Slot(8), MeterIndex(9), 4),
			ReadingKey::new(ZoneId(7), Slot(9), MeterIndex(9), 4),
			ReadingKey::new(ZoneId(7), Slot(8), MeterIndex(10), 4),
		] {
			assert!(!range.contains(&other));
		}
	}
}
