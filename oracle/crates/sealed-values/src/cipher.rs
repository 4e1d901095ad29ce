//! Sealing and opening of values.

use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::{
	data_key::{DataKey, TAG_BYTES},
	place::{AuthenticatedData, Place, PlaceTooLong},
	sealed::{self, KeyId, LayoutError, Parts, HEADER_BYTES, MAX_VALUE_BYTES, OVERHEAD_BYTES},
	session::Session,
};

/// Why a value was not sealed. The output is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
	/// No session was started, so this process may not seal.
	#[error("no session was started: values can be opened and not sealed")]
	NoSession,
	/// The session has encrypted all it may. Start another one, or rotate the data key.
	#[error("the session of data key {key_id} is used up: rotate the data key")]
	SessionExhausted {
		/// The data key.
		key_id: KeyId,
	},
	/// The value is longer than [`MAX_VALUE_BYTES`].
	#[error("the value has {length} bytes, at most {MAX_VALUE_BYTES} are allowed")]
	ValueTooLong {
		/// Its bytes.
		length: usize,
	},
	/// The place is too long.
	#[error(transparent)]
	Place(#[from] PlaceTooLong),
	/// The cipher failed for a reason it does not tell.
	#[error("the cipher failed")]
	Cipher,
}

/// Why a value was not opened. The output is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
	/// The bytes are no sealed value.
	#[error(transparent)]
	Layout(#[from] LayoutError),
	/// The ring had no such data key when this cipher was taken from it.
	#[error("the sealed value names data key {key_id}, which the ring does not have")]
	UnknownKey {
		/// The data key that the header names.
		key_id: KeyId,
	},
	/// The tag does not fit: the value was changed or cut short, or is not at the place that it was
	/// sealed for. A tag cannot tell which.
	#[error(
		"the value sealed with data key {key_id} is not authentic: \
		 changed, cut short, or moved from another key or column family"
	)]
	NotAuthentic {
		/// The data key that the header names.
		key_id: KeyId,
	},
	/// The place is too long.
	#[error(transparent)]
	Place(#[from] PlaceTooLong),
}

/// Why a value was not sealed again. The output is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
	/// The old value does not open.
	#[error(transparent)]
	Open(#[from] OpenError),
	/// The value does not seal.
	#[error(transparent)]
	Seal(#[from] SealError),
}

/// Seals and opens values with the keys that a [`KeyRing`](crate::KeyRing) had at one moment.
///
/// Take it from the ring once for a batch of values and share it between threads; no call takes a
/// lock, and none allocates but to enlarge its output. Take it again for the next batch: until then it
/// seals with the older key after a rotation, and does not know the newer one. To read with an
/// iterator, take the cipher after the iterator.
#[derive(Clone, Debug)]
pub struct ValueCipher {
	/// By ascending id.
	keys: Vec<Arc<DataKey>>,
	session: Option<Arc<Session>>,
}

impl ValueCipher {
	/// A cipher that opens. The keys have different ids.
	pub(crate) fn new(mut keys: Vec<Arc<DataKey>>) -> Self {
		keys.sort_unstable_by_key(|key| key.id);
		Self { keys, session: None }
	}

	/// The same keys, and the one of the session, with which this cipher seals.
	pub(crate) fn with_session(&self, session: Arc<Session>) -> Self {
		let mut keys = self.keys.clone();
		if self.key(session.key.id).is_none() {
			keys.push(session.key.clone());
		}
		Self { session: Some(session), ..Self::new(keys) }
	}

	/// The same keys but one.
	pub(crate) fn without(&self, id: KeyId) -> Self {
		let keys = self.keys.iter().filter(|key| key.id != id).cloned().collect();
		Self { keys, session: self.session.clone() }
	}

	pub(crate) fn key(&self, id: KeyId) -> Option<&Arc<DataKey>> {
		let index = self.keys.binary_search_by_key(&id, |key| key.id).ok()?;
		self.keys.get(index)
	}

	pub(crate) fn session(&self) -> Option<&Arc<Session>> {
		self.session.as_ref()
	}

	/// Appends the sealed value to `output`, [`OVERHEAD_BYTES`] more than the value has.
	///
	/// The same value gives other bytes each time.
	///
	/// # Errors
	/// See [`SealError`].
	pub fn seal_into(
		&self,
		place: Place<'_>,
		value: &[u8],
		output: &mut Vec<u8>,
	) -> Result<(), SealError> {
		let session = self.session.as_ref().ok_or(SealError::NoSession)?;
		if value.len() > MAX_VALUE_BYTES {
			return Err(SealError::ValueTooLong { length: value.len() });
		}
		let key_id = session.key.id;
		let nonce = session
			.nonce(value.len())
			.map_err(|_exhausted| SealError::SessionExhausted { key_id })?;
		let header = sealed::header(key_id, &nonce);
		let authenticated = AuthenticatedData::new(&header, place)?;

		let start = output.len();
		output.reserve(value.len() + OVERHEAD_BYTES);
		output.extend_from_slice(&header);
		output.resize(start + value.len() + OVERHEAD_BYTES, 0);
		let (ciphertext, tag) = output[start + HEADER_BYTES..].split_at_mut(value.len());
		let encrypted = session.key.encrypt(nonce, authenticated, value, ciphertext, tag);
		encrypted.map_err(|_failed| {
			output.truncate(start);
			SealError::Cipher
		})
	}

	/// Appends the value to `output`, [`OVERHEAD_BYTES`] fewer than the sealed value has.
	///
	/// # Errors
	/// See [`OpenError`].
	pub fn open_into(
		&self,
		place: Place<'_>,
		sealed: &[u8],
		output: &mut Vec<u8>,
	) -> Result<(), OpenError> {
		let parts = Parts::of(sealed)?;
		let key_id = parts.key_id();
		let key = self.key(key_id).ok_or(OpenError::UnknownKey { key_id })?;
		let authenticated = AuthenticatedData::new(parts.header, place)?;

		let start = output.len();
		output.resize(start + parts.ciphertext.len(), 0);
		let plaintext = &mut output[start..];
		key.decrypt(parts.nonce(), authenticated, parts.ciphertext, parts.tag, plaintext).map_err(
			|_failed| {
				// Nobody may see what was not authenticated.
				output[start..].zeroize();
				output.truncate(start);
				OpenError::NotAuthentic { key_id }
			},
		)
	}

	/// Appends to `output` the value sealed anew, if another data key than the active one sealed it.
	///
	/// Says whether it did so: `false` leaves `output` as it was, and the value need not be written.
	/// The store makes sure that nobody writes the value between reading and replacing it.
	///
	/// # Errors
	/// See [`ResealError`].
	pub fn reseal_into(
		&self,
		place: Place<'_>,
		sealed: &[u8],
		output: &mut Vec<u8>,
	) -> Result<bool, ResealError> {
		let session = self.session.as_ref().ok_or(SealError::NoSession)?;
		if sealed::key_id_of(sealed).map_err(OpenError::from)? == session.key.id {
			return Ok(false);
		}
		// As large as it gets, so that no copy is left behind by growing.
		let mut value = Zeroizing::new(Vec::with_capacity(sealed.len() - TAG_BYTES));
		self.open_into(place, sealed, &mut value)?;
		self.seal_into(place, &value, output)?;
		Ok(true)
	}

	/// The data key that seals; `None` before a session was started.
	pub fn active_key(&self) -> Option<KeyId> {
		self.session.as_ref().map(|session| session.key.id)
	}

	/// How many AES blocks the session may still encrypt; a value of `n` bytes takes ⌈n/16⌉ + 1.
	/// `None` before a session was started.
	///
	/// When less than a quarter is left of
	/// [`MAX_BLOCKS_PER_SESSION`](crate::MAX_BLOCKS_PER_SESSION), it is time to rotate.
	pub fn remaining_blocks(&self) -> Option<u64> {
		self.session.as_ref().map(|session| session.remaining_blocks())
	}
}
