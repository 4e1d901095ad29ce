//! The data keys of a store, and how they change.

use std::{
	fmt,
	sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
};

use aws_lc_rs::hmac;

use crate::{
	blinding::MeterBlinding,
	cipher::ValueCipher,
	data_key::DataKey,
	kek::{KekError, KeyEncryptionKey, MAX_KEK_ID_BYTES, MAX_WRAPPED_BYTES},
	record::{self, KeyRecord, RecordError, RingRecord, MAX_DATA_KEYS},
	sealed::KeyId,
	secret::{RandomFailed, SecretKey},
	session::Session,
	usage::KeyUsage,
};

const ROOT_CONTEXT: &[u8] = b"sealed-values: root secret v1";
const DATA_KEY_CONTEXT: &[u8] = b"sealed-values: data key v1 ";
const AUTHENTICATION: &[u8] = b"sealed-values: key ring authentication v1";
const FIRST_KEY: KeyId = KeyId(1);

/// Why a ring was not made, not read or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
	/// The bytes are no key ring.
	#[error(transparent)]
	Record(#[from] RecordError),
	/// The ring is wrapped by another key-encryption key.
	#[error("the key ring is wrapped by the key-encryption key {expected:?}, not by {found:?}")]
	OtherKek {
		/// The id in the ring.
		expected: String,
		/// The id of the key at hand.
		found: String,
	},
	/// The key-encryption key has an id that cannot be kept.
	#[error(
		"the id of the key-encryption key has {length} bytes, 1 to {MAX_KEK_ID_BYTES} are allowed"
	)]
	KekId {
		/// Its bytes.
		length: usize,
	},
	/// The key-encryption key failed, or does not fit one of the wrapped secrets.
	#[error("{secret}: {source}")]
	Kek {
		/// Which secret.
		secret: SecretName,
		/// The reason.
		source: KekError,
	},
	/// The key-encryption key wrapped a secret into more bytes than can be kept.
	#[error("{secret} has {length} bytes when wrapped, at most {MAX_WRAPPED_BYTES} are allowed")]
	WrappedTooLong {
		/// Which secret.
		secret: SecretName,
		/// The bytes.
		length: usize,
	},
	/// The key-encryption key does not unwrap what it has just wrapped. Nothing was sealed with it.
	#[error("{secret} was not the same after it was wrapped and unwrapped")]
	WrappedWrongly {
		/// Which secret.
		secret: SecretName,
	},
	/// The ring was changed by somebody who has not the key.
	#[error("the key ring is not authentic: its authentication code does not fit")]
	NotAuthentic,
	/// There are no random bytes for a key.
	#[error(transparent)]
	Random(#[from] RandomFailed),
	/// The ring has [`MAX_DATA_KEYS`] data keys. Seal values anew and drop unused keys.
	#[error("the key ring has {MAX_DATA_KEYS} data keys, no more are allowed: drop unused ones")]
	TooManyKeys,
	/// All ids were given.
	#[error("no id is left for another data key")]
	KeyIdsUsedUp,
	/// The ring has no such data key.
	#[error("the key ring has no data key {id}")]
	KeyUnknown {
		/// The data key.
		id: KeyId,
	},
	/// New values are sealed with this data key.
	#[error("data key {id} is the active one: rotate first")]
	KeyActive {
		/// The data key.
		id: KeyId,
	},
	/// A cipher taken from the ring before the rotation may still seal with this data key.
	#[error("data key {id} may still be sealing: a cipher from before the rotation is in use")]
	KeyHeld {
		/// The data key.
		id: KeyId,
	},
}

/// A secret of a ring, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretName {
	/// The secret behind the ring's authentication code and the blinding of meter ids.
	Root,
	/// A data key.
	DataKey(KeyId),
}

impl fmt::Display for SecretName {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Root => formatter.write_str("the root secret"),
			Self::DataKey(id) => write!(formatter, "data key {id}"),
		}
	}
}

impl SecretName {
	/// What a wrapped secret is bound to, so that it cannot stand in for another one.
	fn context(self) -> Vec<u8> {
		match self {
			Self::Root => ROOT_CONTEXT.to_vec(),
			Self::DataKey(id) => [DATA_KEY_CONTEXT, &id.0.to_be_bytes()].concat(),
		}
	}

	fn wrap(self, kek: &dyn KeyEncryptionKey, secret: &SecretKey) -> Result<Vec<u8>, RingError> {
		let failed = |source| RingError::Kek { secret: self, source };
		let context = self.context();
		let wrapped = kek.wrap(secret, &context).map_err(failed)?;
		if wrapped.len() > MAX_WRAPPED_BYTES {
			return Err(RingError::WrappedTooLong { secret: self, length: wrapped.len() });
		}
		// Values sealed with a key that does not come back would be lost, so make sure of it first.
		match kek.unwrap(&wrapped, &context).map_err(failed)?.matches(secret) {
			true => Ok(wrapped),
			false => Err(RingError::WrappedWrongly { secret: self }),
		}
	}

	fn unwrap(self, kek: &dyn KeyEncryptionKey, wrapped: &[u8]) -> Result<SecretKey, RingError> {
		kek.unwrap(wrapped, &self.context())
			.map_err(|source| RingError::Kek { secret: self, source })
	}
}

/// Why a ring was not changed. It goes on as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
	/// The change is not possible.
	#[error(transparent)]
	Ring(#[from] RingError),
	/// The changed ring was not written.
	#[error("the changed key ring was not written: {0}")]
	Persist(E),
}

/// What may be known of a data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
	/// Its number.
	pub id: KeyId,
	/// When it was made, seconds since 1970.
	pub created_at_seconds: u64,
	/// How many sessions sealed with it.
	pub sessions: u16,
	/// Whether new values are sealed with it.
	pub is_active: bool,
}

/// The data keys of a store.
///
/// The store keeps the ring's [bytes](Self::to_bytes), in which every secret is wrapped by a
/// [`KeyEncryptionKey`], under one of its own keys. A ring opens values as soon as it is there; to
/// seal, it needs a [session](Self::start_session).
///
/// Every change is given to the `persist` function before it has any effect. `persist` writes the
/// bytes to the store and returns after they are on the disk. If it fails, the ring goes on as
/// before; whether the bytes are on the disk or not makes no difference, and the change can be tried
/// again. Changes wait for each other; they never hold up sealing and opening.
///
/// One process at a time may change the ring of a store.
pub struct KeyRing {
	state: Mutex<State>,
	authentication: hmac::Key,
	blinding: MeterBlinding,
	cipher: RwLock<Arc<ValueCipher>>,
}

struct State {
	record: RingRecord,
	/// The sessions that some cipher may still use.
	sessions: Vec<Weak<Session>>,
}

impl KeyRing {
	/// A ring for a new store, with one data key. `now_seconds` are seconds since 1970.
	///
	/// # Errors
	/// See [`RingError`].
	pub fn generate(kek: &dyn KeyEncryptionKey, now_seconds: u64) -> Result<Self, RingError> {
		let root = SecretKey::random()?;
		let mut record = RingRecord {
			kek_id: checked_id(kek)?,
			wrapped_root: SecretName::Root.wrap(kek, &root)?,
			next_key_id: FIRST_KEY.0,
			active: FIRST_KEY,
			keys: Vec::new(),
		};
		let key = add_key(&mut record, kek, now_seconds)?;
		Ok(Self::new(record, &root, vec![key]))
	}

	/// Reads what [`to_bytes`](Self::to_bytes) or a change wrote. The ring has no session.
	///
	/// # Errors
	/// [`RingError::OtherKek`] with the wrong key, [`RingError::NotAuthentic`] when somebody changed
	/// the bytes, and others; see [`RingError`].
	pub fn from_bytes(bytes: &[u8], kek: &dyn KeyEncryptionKey) -> Result<Self, RingError> {
		let unverified = record::parse(bytes)?;
		check_kek(&unverified.record, kek)?;
		let root = SecretName::Root.unwrap(kek, &unverified.record.wrapped_root)?;
		let record =
			unverified.verify(&authentication_key(&root)).ok_or(RingError::NotAuthentic)?;
		let unwrap = |key: &KeyRecord| {
			let secret = SecretName::DataKey(key.id).unwrap(kek, &key.wrapped)?;
			Ok(Arc::new(DataKey::new(key.id, &secret)))
		};
		let keys = record.keys.iter().map(unwrap).collect::<Result<_, RingError>>()?;
		Ok(Self::new(record, &root, keys))
	}

	fn new(record: RingRecord, root: &SecretKey, keys: Vec<Arc<DataKey>>) -> Self {
		Self {
			state: Mutex::new(State { record, sessions: Vec::new() }),
			authentication: authentication_key(root),
			blinding: MeterBlinding::new(root),
			cipher: RwLock::new(Arc::new(ValueCipher::new(keys))),
		}
	}

	/// The ring with wrapped secrets: a version, a layout of at most a few hundred bytes per key, and
	/// an authentication code over all of it.
	///
	/// Whoever can write to the disk cannot change the ring, but can put back an older one. This
	/// brings back dropped keys and takes away newer ones; nonces stay unique.
	pub fn to_bytes(&self) -> Vec<u8> {
		self.state().record.to_bytes(&self.authentication)
	}

	/// Which key-encryption key the bytes of a ring need. Nothing is authenticated.
	///
	/// # Errors
	/// When the bytes are no key ring.
	pub fn kek_id_of(bytes: &[u8]) -> Result<String, RecordError> {
		record::parse(bytes).map(|unverified| unverified.record.kek_id)
	}

	/// The keys as they are now, to seal and open values.
	///
	/// Take it once for a batch of values: it holds a read lock for a moment.
	pub fn cipher(&self) -> Arc<ValueCipher> {
		self.cipher.read().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// The blinding of meter ids, the same for the life of the ring.
	pub fn blinding(&self) -> &MeterBlinding {
		&self.blinding
	}

	/// The data keys by ascending id.
	pub fn keys(&self) -> Vec<KeyInfo> {
		let state = self.state();
		let info = |key: &KeyRecord| KeyInfo {
			id: key.id,
			created_at_seconds: key.created_at_seconds,
			sessions: key.sessions,
			is_active: key.id == state.record.active,
		};
		state.record.keys.iter().map(info).collect()
	}

	/// Lets this process seal with the active data key. Call it once after the ring was read or
	/// generated.
	///
	/// A data key has [`MAX_SESSIONS_PER_KEY`](crate::MAX_SESSIONS_PER_KEY) sessions; after them this makes a new data key, as
	/// [`rotate`](Self::rotate) does.
	///
	/// # Errors
	/// See [`ChangeError`].
	pub fn start_session<E>(
		&self,
		kek: &dyn KeyEncryptionKey,
		now_seconds: u64,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
	) -> Result<(), ChangeError<E>> {
		self.change(persist, |record, cipher| {
			check_kek(record, kek)?;
			match (cipher.key(record.active), record.claim_session()) {
				(Some(key), Some(number)) => seal_with(cipher, key.clone(), number),
				_ => seal_with_new_key(record, cipher, kek, now_seconds),
			}
		})
	}

	/// Makes a new data key and seals with it from now on. Values under the older keys still open.
	///
	/// A cipher taken before goes on with the older key.
	///
	/// # Errors
	/// See [`ChangeError`].
	pub fn rotate<E>(
		&self,
		kek: &dyn KeyEncryptionKey,
		now_seconds: u64,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
	) -> Result<(), ChangeError<E>> {
		self.change(persist, |record, cipher| {
			check_kek(record, kek)?;
			seal_with_new_key(record, cipher, kek, now_seconds)
		})
	}

	/// Wraps every secret with another key-encryption key. Data keys stay the same, so no value
	/// changes. When it has returned, the old key is needed for old copies of the store only.
	///
	/// # Errors
	/// See [`ChangeError`].
	pub fn rewrap<E>(
		&self,
		old: &dyn KeyEncryptionKey,
		new: &dyn KeyEncryptionKey,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
	) -> Result<(), ChangeError<E>> {
		self.change(persist, |record, cipher| {
			check_kek(record, old)?;
			let rewrap = |secret: SecretName, wrapped: &[u8]| {
				secret.wrap(new, &secret.unwrap(old, wrapped)?)
			};
			record.kek_id = checked_id(new)?;
			record.wrapped_root = rewrap(SecretName::Root, &record.wrapped_root)?;
			for key in &mut record.keys {
				key.wrapped = rewrap(SecretName::DataKey(key.id), &key.wrapped)?;
			}
			Ok(cipher.clone())
		})
	}

	/// Begins to count which data keys the store still needs.
	pub fn usage(&self) -> KeyUsage {
		let mut state = self.state();
		let held = state.held_keys();
		let keys = || state.record.keys.iter().map(|key| key.id);
		let is_retired = |id: &KeyId| *id != state.record.active && !held.contains(id);
		KeyUsage::new(keys(), keys().filter(is_retired).collect())
	}

	/// Forgets a data key for good. A value that it sealed can never be opened again, so count the
	/// values with [`usage`](Self::usage) first. Old copies of the store keep the key, wrapped.
	///
	/// # Errors
	/// When the key is the active one, a cipher may still seal with it, or there is none; see
	/// [`ChangeError`].
	pub fn drop_key<E>(
		&self,
		id: KeyId,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
	) -> Result<(), ChangeError<E>> {
		let mut state = self.state();
		let is_held = state.held_keys().contains(&id);
		self.change_state(&mut state, persist, |record, cipher| {
			if id == record.active {
				return Err(RingError::KeyActive { id });
			}
			if is_held {
				return Err(RingError::KeyHeld { id });
			}
			let index = record
				.keys
				.binary_search_by_key(&id, |key| key.id)
				.map_err(|_place| RingError::KeyUnknown { id })?;
			record.keys.remove(index);
			Ok(cipher.without(id))
		})
	}

	fn change<E>(
		&self,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
		edit: impl FnOnce(&mut RingRecord, &ValueCipher) -> Result<ValueCipher, RingError>,
	) -> Result<(), ChangeError<E>> {
		self.change_state(&mut self.state(), persist, edit)
	}

	/// Edits a copy, writes it, and only then puts it into effect.
	fn change_state<E>(
		&self,
		state: &mut State,
		persist: impl FnOnce(&[u8]) -> Result<(), E>,
		edit: impl FnOnce(&mut RingRecord, &ValueCipher) -> Result<ValueCipher, RingError>,
	) -> Result<(), ChangeError<E>> {
		let mut record = state.record.clone();
		let cipher = edit(&mut record, &self.cipher())?;
		persist(&record.to_bytes(&self.authentication)).map_err(ChangeError::Persist)?;
		state.record = record;
		if let Some(session) = cipher.session() {
			state.remember(session);
		}
		*self.cipher.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(cipher);
		Ok(())
	}

	/// A panic in `persist` leaves the state as it was, so a poisoned lock is of no concern.
	fn state(&self) -> MutexGuard<'_, State> {
		self.state.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

impl State {
	fn remember(&mut self, session: &Arc<Session>) {
		let new = Arc::downgrade(session);
		if !self.sessions.iter().any(|known| known.ptr_eq(&new)) {
			self.sessions.push(new);
		}
	}

	/// The data keys with which some cipher may still seal.
	fn held_keys(&mut self) -> Vec<KeyId> {
		self.sessions.retain(|session| session.strong_count() > 0);
		let sessions = self.sessions.iter().filter_map(Weak::upgrade);
		sessions.map(|session| session.key.id).collect()
	}
}

impl fmt::Debug for KeyRing {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.debug_struct("KeyRing").field("keys", &self.keys()).finish_non_exhaustive()
	}
}

fn authentication_key(root: &SecretKey) -> hmac::Key {
	hmac::Key::new(hmac::HMAC_SHA256, root.derive(AUTHENTICATION).expose())
}

fn checked_id(kek: &dyn KeyEncryptionKey) -> Result<String, RingError> {
	match kek.id().len() {
		1..=MAX_KEK_ID_BYTES => Ok(kek.id().to_owned()),
		length => Err(RingError::KekId { length }),
	}
}

fn check_kek(record: &RingRecord, kek: &dyn KeyEncryptionKey) -> Result<(), RingError> {
	match record.kek_id == kek.id() {
		true => Ok(()),
		false => {
			Err(RingError::OtherKek { expected: record.kek_id.clone(), found: kek.id().to_owned() })
		}
	}
}

/// Draws a data key and makes it the active one.
fn add_key(
	record: &mut RingRecord,
	kek: &dyn KeyEncryptionKey,
	now_seconds: u64,
) -> Result<Arc<DataKey>, RingError> {
	if record.keys.len() >= MAX_DATA_KEYS {
		return Err(RingError::TooManyKeys);
	}
	let id = KeyId(record.next_key_id);
	record.next_key_id = id.0.checked_add(1).ok_or(RingError::KeyIdsUsedUp)?;
	let secret = SecretKey::random()?;
	let wrapped = SecretName::DataKey(id).wrap(kek, &secret)?;
	record.keys.push(KeyRecord { id, created_at_seconds: now_seconds, sessions: 0, wrapped });
	record.active = id;
	Ok(Arc::new(DataKey::new(id, &secret)))
}

fn seal_with_new_key(
	record: &mut RingRecord,
	cipher: &ValueCipher,
	kek: &dyn KeyEncryptionKey,
	now_seconds: u64,
) -> Result<ValueCipher, RingError> {
	let key = add_key(record, kek, now_seconds)?;
	let number = record.claim_session().expect("a new key has all its sessions; qed");
	seal_with(cipher, key, number)
}

/// The cipher of a new session, whose number was claimed.
fn seal_with(
	cipher: &ValueCipher,
	key: Arc<DataKey>,
	number: u8,
) -> Result<ValueCipher, RingError> {
	Ok(cipher.with_session(Arc::new(Session::new(key, number)?)))
}

#[cfg(test)]
mod tests {
	use std::convert::Infallible;

	use super::*;
	use crate::{
		cipher::SealError, key_file::KeyFile, place::Place, session::MAX_BLOCKS_PER_SESSION,
	};

	const PLACE: Place<'static> = Place { column_family: "readings", key: b"key" };

	fn persist(_bytes: &[u8]) -> Result<(), Infallible> {
		Ok(())
	}

	fn ring() -> (KeyFile, KeyRing) {
		let kek = KeyFile::from_secret(&SecretKey::random().expect("random bytes"));
		let ring = KeyRing::generate(&kek, 1).expect("a ring");
		ring.start_session(&kek, 1, persist).expect("a session");
		(kek, ring)
	}

	#[test]
	fn seal_is_refused_when_the_session_is_used_up_until_there_is_another() {
		let (kek, ring) = ring();
		let mut output = b"before".to_vec();
		for renew in [KeyRing::rotate, KeyRing::start_session] {
			let cipher = ring.cipher();
			let session = cipher.session().expect("a session");
			session.skip_to(MAX_BLOCKS_PER_SESSION - 2);
			assert_eq!(
				cipher.seal_into(PLACE, &[0; 17], &mut output),
				Err(SealError::SessionExhausted { key_id: session.key.id })
			);
			assert_eq!(output, b"before");
			assert_eq!(cipher.remaining_blocks(), Some(0));
			renew(&ring, &kek, 2, persist).expect("a session");
			ring.cipher().seal_into(PLACE, &[0; 17], &mut Vec::new()).expect("it seals again");
		}
	}

	#[test]
	fn rotate_is_refused_when_the_ring_is_full_until_a_key_is_dropped() {
		let (kek, ring) = ring();
		{
			let mut state = ring.state();
			let mut key = state.record.keys.remove(0);
			while state.record.keys.len() < MAX_DATA_KEYS {
				key.id = KeyId(state.record.next_key_id);
				state.record.next_key_id += 1;
				state.record.keys.push(key.clone());
			}
			state.record.active = key.id;
		}
		let error = ring.rotate(&kek, 2, persist).expect_err("the ring is full");
		assert!(matches!(error, ChangeError::Ring(RingError::TooManyKeys)), "{error}");
		ring.drop_key(KeyId(2), persist).expect("it is dropped");
		ring.rotate(&kek, 2, persist).expect("there is room");
	}

	#[test]
	fn rotate_is_refused_when_all_ids_were_given() {
		let (kek, ring) = ring();
		ring.state().record.next_key_id = u32::MAX;
		let error = ring.rotate(&kek, 2, persist).expect_err("there is no id");
		assert!(matches!(error, ChangeError::Ring(RingError::KeyIdsUsedUp)), "{error}");
	}
}
