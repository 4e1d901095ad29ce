//! The keys that values are encrypted with.
//!
//! Values are sealed with AES-256-GCM under data keys; these are wrapped by a key-encryption key, which
//! is kept outside of the folder. The crate `sealed-values` says how, and what it does not hide.

use std::path::{Path, PathBuf};

use sealed_values::{
	ChangeError, KeyEncryptionKey, KeyFile, KeyId, KeyInfo, KeyRing, Place, RingError,
};
use sealed_values_pkcs11::{Pkcs11Key, Pkcs11Settings};

use super::StoreError;

/// When fewer than a quarter of the blocks of a session are left, it is time for another data key.
const RENEW_BELOW: u64 = sealed_values::MAX_BLOCKS_PER_SESSION / 4;

fn failed(error: impl std::fmt::Display) -> StoreError {
	StoreError::Keys(error.to_string())
}

/// Where a key-encryption key is.
#[derive(Clone, Debug)]
pub enum KekSettings {
	/// In a file; made for a new database.
	File(PathBuf),
	/// On a PKCS#11 token, where it has to be already.
	Token(Pkcs11Settings),
}

/// The key-encryption key of the database in `folder`.
///
/// # Errors
/// See [`key_file_of`]; or when the token has no such key, or cannot be used.
pub fn kek_of(
	folder: &Path,
	settings: &KekSettings,
) -> Result<Box<dyn KeyEncryptionKey>, StoreError> {
	Ok(match settings {
		KekSettings::File(path) => Box::new(key_file_of(folder, path)?),
		KekSettings::Token(settings) => Box::new(Pkcs11Key::open(settings).map_err(failed)?),
	})
}

/// The key-encryption key of the database in `folder`, from a file; the file is made for a new
/// database.
///
/// # Errors
/// When the file cannot be read or made, others may read it, it is no key, or there is a database and
/// no file.
pub fn key_file_of(folder: &Path, path: &Path) -> Result<KeyFile, StoreError> {
	if !path.exists() && folder.join("CURRENT").exists() {
		return Err(StoreError::Keys(format!(
			"there is a database in {} and no key in {}",
			folder.display(),
			path.display()
		)));
	}
	key_file(path)
}

/// The key-encryption key of a file; the file is made if there is none.
///
/// # Errors
/// When the file cannot be read or made, others may read it, or it is no key.
pub fn key_file(path: &Path) -> Result<KeyFile, StoreError> {
	if path.exists() {
		return KeyFile::open(path).map_err(failed);
	}
	tracing::warn!(path = %path.display(), "a new key-encryption key was made: keep a copy of it");
	KeyFile::create(path).map_err(failed)
}

/// The key ring of a store, and the key that wraps it.
pub struct StoreKeys {
	ring: KeyRing,
	kek: Box<dyn KeyEncryptionKey>,
}

impl StoreKeys {
	/// The keys of a store: those of the ring it keeps, or new ones. `persist` has to have synced the
	/// ring to the disk when it returns.
	///
	/// # Errors
	/// When the ring does not belong to the key-encryption key, or cannot be kept.
	pub fn open(
		kept: Option<&[u8]>,
		kek: Box<dyn KeyEncryptionKey>,
		now_seconds: u64,
		persist: impl FnOnce(&[u8]) -> Result<(), StoreError>,
	) -> Result<Self, StoreError> {
		let ring = match kept {
			Some(bytes) => KeyRing::from_bytes(bytes, kek.as_ref()),
			None => KeyRing::generate(kek.as_ref(), now_seconds),
		}
		.map_err(failed)?;
		ring.start_session(kek.as_ref(), now_seconds, persist).map_err(failed)?;
		Ok(Self { ring, kek })
	}

	/// The ring.
	pub fn ring(&self) -> &KeyRing {
		&self.ring
	}

	/// Encrypts with a new data key from now on.
	///
	/// # Errors
	/// When the ring cannot be kept.
	pub fn rotate(
		&self,
		now_seconds: u64,
		persist: impl FnOnce(&[u8]) -> Result<(), StoreError>,
	) -> Result<(), StoreError> {
		self.ring.rotate(self.kek.as_ref(), now_seconds, persist).map_err(failed)
	}

	/// Wraps the secrets with another key-encryption key. What is kept opens with it when this has
	/// returned; [`set_kek`](Self::set_kek) has to follow.
	///
	/// # Errors
	/// When it is the same key, it fails, or the ring cannot be kept. The old one stays.
	pub fn rewrap(
		&self,
		kek: &dyn KeyEncryptionKey,
		persist: impl FnOnce(&[u8]) -> Result<(), StoreError>,
	) -> Result<(), StoreError> {
		if kek.id() == self.kek.id() {
			return Err(StoreError::Keys(format!("they are wrapped by {} already", kek.id())));
		}
		self.ring.rewrap(self.kek.as_ref(), kek, persist).map_err(failed)
	}

	/// Uses the key-encryption key that the secrets were wrapped with.
	pub fn set_kek(&mut self, kek: Box<dyn KeyEncryptionKey>) {
		self.kek = kek;
	}

	/// The name of the key-encryption key.
	pub fn kek_id(&self) -> &str {
		self.kek.id()
	}

	/// Forgets a data key for good. Whether it could be: somebody may still seal with it.
	///
	/// # Errors
	/// When it is the active one, there is none, or the ring cannot be kept.
	pub fn drop_key(
		&self,
		id: KeyId,
		persist: impl FnOnce(&[u8]) -> Result<(), StoreError>,
	) -> Result<bool, StoreError> {
		match self.ring.drop_key(id, persist) {
			Ok(()) => Ok(true),
			Err(ChangeError::Ring(RingError::KeyHeld { .. })) => Ok(false),
			Err(error) => Err(failed(error)),
		}
	}

	/// Whether a new data key is needed soon: what may be encrypted with this one is nearly used up, or
	/// it is older than `max_age_seconds`.
	pub fn is_rotation_due(&self, now_seconds: u64, max_age_seconds: u64) -> bool {
		let is_used_up =
			self.ring.cipher().remaining_blocks().is_some_and(|blocks| blocks < RENEW_BELOW);
		let is_old = |key: &KeyInfo| {
			key.is_active && now_seconds.saturating_sub(key.created_at_seconds) > max_age_seconds
		};
		is_used_up || self.ring.keys().iter().any(is_old)
	}

	/// Appends a sealed value to `output`.
	///
	/// # Errors
	/// When the keys cannot seal at present.
	pub fn seal(
		&self,
		family: &'static str,
		key: &[u8],
		value: &[u8],
		output: &mut Vec<u8>,
	) -> Result<(), StoreError> {
		let place = Place { column_family: family, key };
		self.ring.cipher().seal_into(place, value, output).map_err(failed)
	}

	/// Replaces `output` by what was sealed.
	///
	/// # Errors
	/// When the value is not authentic, or its data key is not there.
	pub fn open_value(
		&self,
		family: &'static str,
		key: &[u8],
		sealed: &[u8],
		output: &mut Vec<u8>,
	) -> Result<(), StoreError> {
		output.clear();
		let place = Place { column_family: family, key };
		self.ring.cipher().open_into(place, sealed, output).map_err(|error| {
			tracing::error!(family, %error, "a stored value does not open");
			StoreError::Damaged { place: family }
		})
	}
}

#[cfg(test)]
mod tests {
	use std::cell::RefCell;

	use sealed_values::{SecretKey, MAX_SESSIONS_PER_KEY};

	use super::*;

	fn kek() -> Box<KeyFile> {
		Box::new(KeyFile::from_secret(&SecretKey::random().expect("random bytes")))
	}

	#[test]
	fn a_start_beyond_the_last_of_a_data_key_makes_another_one() {
		let secret = SecretKey::random().expect("random bytes");
		let kept = RefCell::new(None::<Vec<u8>>);
		let starts = 2 * u64::from(MAX_SESSIONS_PER_KEY) + 1;
		let mut sealed = Vec::new();
		for start in 0..starts {
			let ring = kept.borrow().clone();
			let keep = |bytes: &[u8]| {
				*kept.borrow_mut() = Some(bytes.to_vec());
				Ok(())
			};
			let kek = Box::new(KeyFile::from_secret(&secret));
			let keys = StoreKeys::open(ring.as_deref(), kek, start, keep).expect("it starts");
			let mut value = Vec::new();
			keys.seal("family", b"key", &start.to_be_bytes(), &mut value).expect("it seals");
			sealed.push(value);
			if start + 1 == starts {
				let made: Vec<_> = keys
					.ring()
					.keys()
					.iter()
					.map(|key| (key.id.0, key.created_at_seconds, key.sessions))
					.collect();
				assert_eq!(made, [(1, 0, 256), (2, 256, 256), (3, 512, 1)]);
				for (start, value) in sealed.iter().enumerate() {
					let mut opened = Vec::new();
					keys.open_value("family", b"key", value, &mut opened).expect("it opens");
					assert_eq!(opened, (start as u64).to_be_bytes());
				}
			}
		}
	}

	#[test]
	fn rewrapping_stopped_at_any_step_leaves_a_ring_for_the_old_or_the_new_key() {
		let (old_secret, new_secret) = (
			SecretKey::random().expect("random bytes"),
			SecretKey::random().expect("random bytes"),
		);
		let old = || Box::new(KeyFile::from_secret(&old_secret));
		let new = || Box::new(KeyFile::from_secret(&new_secret));
		let kept = RefCell::new(Vec::new());
		let keep = |bytes: &[u8]| {
			*kept.borrow_mut() = bytes.to_vec();
			Ok(())
		};
		let mut keys = StoreKeys::open(None, old(), 1, keep).expect("new keys");
		keys.rotate(2, keep).expect("another data key");
		let opens = |kek: Box<KeyFile>| {
			let ring = kept.borrow().clone();
			StoreKeys::open(Some(&ring), kek, 3, |_ring| Ok(())).map(|_keys| ())
		};
		assert!(keys.rewrap(old().as_ref(), keep).is_err(), "the same key");
		// Before the write.
		let stop = |_: &[u8]| Err(StoreError::Database("stopped".into()));
		assert!(keys.rewrap(new().as_ref(), stop).is_err());
		assert!(opens(old()).is_ok() && opens(new()).is_err());
		// It goes on with the old one, and can be tried again.
		keys.rotate(3, keep).expect("another data key");
		assert!(opens(old()).is_ok() && opens(new()).is_err());
		// After the write, before the key is in use.
		keys.rewrap(new().as_ref(), keep).expect("it is rewrapped");
		assert!(opens(new()).is_ok() && opens(old()).is_err());
		assert!(keys.rotate(4, keep).is_err(), "the old key is not used any more");
		// At the end.
		keys.set_kek(new());
		keys.rotate(4, keep).expect("another data key");
		assert!(opens(new()).is_ok() && opens(kek()).is_err());
	}
}
