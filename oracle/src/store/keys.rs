//! The keys that values are encrypted with.
//!
//! Values are sealed with AES-256-GCM under data keys; these are wrapped by a key-encryption key, which
//! is kept outside of the folder. The crate `sealed-values` says how, and what it does not hide.

use std::path::Path;

use sealed_values::{KeyEncryptionKey, KeyFile, KeyInfo, KeyRing, Place};

use super::StoreError;

/// When fewer than a quarter of the blocks of a session are left, it is time for another data key.
const RENEW_BELOW: u64 = sealed_values::MAX_BLOCKS_PER_SESSION / 4;

fn failed(error: impl std::fmt::Display) -> StoreError {
	StoreError::Keys(error.to_string())
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
