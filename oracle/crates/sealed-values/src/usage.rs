//! Which data keys are still needed.

use std::collections::BTreeMap;

use crate::{
	cipher::OpenError,
	sealed::{key_id_of, KeyId},
};

/// Counts the sealed values of a store by data key, to find the keys that none of them needs.
///
/// Begin with [`KeyRing::usage`](crate::KeyRing::usage), show every sealed value of the store, then
/// [drop](crate::KeyRing::drop_key) the keys that [are unused](Self::unused). Values may be written
/// meanwhile, as they are sealed with the active key; what was sealed before the last rotation must be
/// in the store when the count begins, and the next rotation waits until the count is done.
#[derive(Clone, Debug)]
pub struct KeyUsage {
	counts: BTreeMap<KeyId, u64>,
	/// The keys with which nobody could seal any more when the count began.
	retired: Vec<KeyId>,
}

impl KeyUsage {
	pub(crate) fn new(keys: impl Iterator<Item = KeyId>, retired: Vec<KeyId>) -> Self {
		Self { counts: keys.map(|id| (id, 0)).collect(), retired }
	}

	/// Counts one value of the store. Its header is read and nothing is authenticated.
	///
	/// # Errors
	/// When the bytes are no sealed value, or one of a key that the ring did not have when the count
	/// began. Nothing is counted then.
	pub fn count(&mut self, sealed: &[u8]) -> Result<(), OpenError> {
		let key_id = key_id_of(sealed)?;
		let count = self.counts.get_mut(&key_id).ok_or(OpenError::UnknownKey { key_id })?;
		*count = count.saturating_add(1);
		Ok(())
	}

	/// How many values of each data key were shown, by ascending id.
	pub fn counts(&self) -> impl Iterator<Item = (KeyId, u64)> + '_ {
		self.counts.iter().map(|(id, count)| (*id, *count))
	}

	/// The retired data keys of which no value was shown. Never the active key.
	pub fn unused(&self) -> impl Iterator<Item = KeyId> + '_ {
		self.retired.iter().copied().filter(|id| self.counts.get(id) == Some(&0))
	}
}
