//! The keys that tokens are signed with, and their rotation.
//!
//! A key is published before it signs, so that everybody who caches the set has it in time, and it
//! stays published after its successor took over until the last of its tokens has expired:
//!
//! ```text
//! old key   ── signs ───────────────────────┤ published only ├─
//! new key            ├ published only ┤ signs ─────────────────
//!                    │ lead           │ overlap              │
//! ```

use std::{
	fmt,
	path::Path,
	sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
	digest::{digest, SHA256},
	rand::SystemRandom,
	signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use super::key_file::KeyFileError;
use crate::{
	clock::Clock,
	token::{Fetch, Jwk, JwkSet, KeySource, KeySourceError},
};

/// When keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRingSettings {
	/// How long a key signs, seconds.
	pub period_seconds: u64,
	/// How long a new key is published before it signs, seconds: longer than anybody caches the
	/// set.
	pub lead_seconds: u64,
	/// How long an old key stays published after it signed last, seconds: longer than the
	/// lifetime of a token and the leeway of who verifies it.
	pub overlap_seconds: u64,
}

impl Default for KeyRingSettings {
	fn default() -> Self {
		let period_seconds = 30 * 24 * 60 * 60;
		Self { period_seconds, lead_seconds: 60 * 60, overlap_seconds: 2 * 60 * 60 }
	}
}

/// Why keys cannot be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
	/// No key could be made.
	#[error("no random numbers are available")]
	Random,
	/// It is not an Ed25519 private key in PKCS #8.
	#[error("key {index} is not an Ed25519 private key in PKCS #8")]
	NotEd25519 {
		/// Which key, from 0.
		index: usize,
	},
	/// There is no key.
	#[error("there is no key")]
	Empty,
	/// A newer key is published and waits for its time to sign.
	#[error("the next key is published and signs from {active_from} on")]
	Pending {
		/// When it signs.
		active_from: u64,
	},
}

/// A private key. Overwritten when dropped, never printed.
pub struct SigningKey {
	/// The SHA-256 thumbprint of the public key (RFC 7638), base64url.
	pub key_id: String,
	/// The first second at which it signs.
	pub active_from: u64,
	pub(super) pkcs8: Zeroizing<Vec<u8>>,
	/// The public key, base64url.
	public: String,
}

impl fmt::Debug for SigningKey {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("SigningKey")
			.field("key_id", &self.key_id)
			.field("active_from", &self.active_from)
			.finish_non_exhaustive()
	}
}

impl SigningKey {
	fn generate(active_from: u64) -> Result<Self, KeyRingError> {
		let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
			.map_err(|_| KeyRingError::Random)?;
		Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()), active_from)
			.ok_or(KeyRingError::Random)
	}

	pub(super) fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>, active_from: u64) -> Option<Self> {
		let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
		let public = URL_SAFE_NO_PAD.encode(pair.public_key());
		// The members that RFC 7638 requires, in its order.
		let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
		let key_id = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
		Some(Self { key_id, active_from, pkcs8, public })
	}

	/// The key in the form that signs. The library overwrites it when dropped.
	pub(super) fn encoding_key(&self) -> EncodingKey {
		EncodingKey::from_ed_der(&self.pkcs8)
	}

	/// The public key as published.
	pub fn jwk(&self) -> Jwk {
		Jwk {
			kty: "OKP".to_owned(),
			crv: Some("Ed25519".to_owned()),
			x: Some(self.public.clone()),
			y: None,
			kid: Some(self.key_id.clone()),
			alg: Some("EdDSA".to_owned()),
			public_key_use: Some("sig".to_owned()),
			key_ops: None,
		}
	}
}

/// The keys of the token endpoint, at least one.
#[derive(Debug)]
pub struct KeyRing {
	/// By the time from which they sign.
	keys: Vec<SigningKey>,
	settings: KeyRingSettings,
}

impl KeyRing {
	/// A new ring with one key, which signs from now on.
	pub fn create(settings: KeyRingSettings, now: u64) -> Result<Self, KeyRingError> {
		Ok(Self { keys: vec![SigningKey::generate(now)?], settings })
	}

	pub(super) fn from_keys(
		mut keys: Vec<SigningKey>,
		settings: KeyRingSettings,
	) -> Result<Self, KeyRingError> {
		if keys.is_empty() {
			return Err(KeyRingError::Empty);
		}
		keys.sort_by_key(|key| key.active_from);
		Ok(Self { keys, settings })
	}

	pub(super) fn keys(&self) -> &[SigningKey] {
		&self.keys
	}

	/// The key that signs: the newest whose time has come. Before the first one's time, the first.
	pub fn signing_key(&self, now: u64) -> &SigningKey {
		let started = self.keys.iter().rfind(|key| key.active_from <= now);
		started.unwrap_or(&self.keys[0])
	}

	/// The public keys to publish, the oldest first.
	pub fn published(&self, now: u64) -> JwkSet {
		let keys = self.keys.iter().enumerate();
		let keys = keys.filter(|(index, _)| !self.is_over(*index, now));
		JwkSet { keys: keys.map(|(_, key)| key.jwk()).collect() }
	}

	/// Whether all tokens of a key have expired: the overlap after its successor took over.
	fn is_over(&self, index: usize, now: u64) -> bool {
		self.keys.get(index + 1).is_some_and(|successor| {
			now >= successor.active_from.saturating_add(self.settings.overlap_seconds)
		})
	}

	/// Publishes a new key, which signs after the lead, and removes the keys that are over.
	pub fn rotate(&mut self, now: u64) -> Result<(), KeyRingError> {
		if let Some(pending) = self.keys.last().filter(|key| key.active_from > now) {
			return Err(KeyRingError::Pending { active_from: pending.active_from });
		}
		let key = SigningKey::generate(now.saturating_add(self.settings.lead_seconds))?;
		self.keys.push(key);
		self.remove_over(now);
		Ok(())
	}

	/// Rotates if the newest key has signed for its period less the lead; tells whether it did.
	/// To be called now and then, and the ring to be stored if it did.
	pub fn rotate_if_due(&mut self, now: u64) -> Result<bool, KeyRingError> {
		let newest = self.keys.last().map_or(0, |key| key.active_from);
		let due = newest
			.saturating_add(self.settings.period_seconds)
			.saturating_sub(self.settings.lead_seconds);
		if newest > now || now < due {
			return Ok(false);
		}
		self.rotate(now).map(|()| true)
	}

	/// Replaces all keys at once, because one may be known to others. Every token issued so far
	/// is refused as soon as those who verify fetch the set again.
	pub fn replace_all(&mut self, now: u64) -> Result<(), KeyRingError> {
		self.keys = vec![SigningKey::generate(now)?];
		Ok(())
	}

	fn remove_over(&mut self, now: u64) {
		let over = (0..self.keys.len()).take_while(|index| self.is_over(*index, now)).count();
		self.keys.drain(..over);
	}
}

/// A ring that the token endpoint signs with and the verifier of the same process reads from.
pub struct LocalKeys {
	ring: RwLock<KeyRing>,
	clock: Arc<dyn Clock>,
}

impl LocalKeys {
	/// Shares a ring.
	pub fn new(ring: KeyRing, clock: Arc<dyn Clock>) -> Self {
		Self { ring: RwLock::new(ring), clock }
	}

	/// Does something with the ring as it is.
	pub fn read<T>(&self, look: impl FnOnce(&KeyRing) -> T) -> T {
		look(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
	}

	/// Changes the ring.
	pub fn change<T>(&self, change: impl FnOnce(&mut KeyRing) -> T) -> T {
		change(&mut self.ring.write().unwrap_or_else(PoisonError::into_inner))
	}

	/// Rotates the keys if that is due, and keeps them in `path` before anybody sees the new one;
	/// tells whether it did. When the file cannot be written the ring is as before, and the old key
	/// goes on signing. To be called now and then: a new key signs only after its lead.
	pub fn rotate_if_due(&self, path: &Path) -> Result<bool, KeyFileError> {
		let now = self.clock.now_seconds();
		self.change(|ring| {
			if !ring.rotate_if_due(now)? {
				return Ok(false);
			}
			let stored = ring.store(path);
			if stored.is_err() {
				ring.keys.pop();
			}
			stored.map(|()| true)
		})
	}

	/// The document to publish: a JSON Web Key set (`application/jwk-set+json`).
	pub fn document(&self) -> Result<Vec<u8>, serde_json::Error> {
		let now = self.clock.now_seconds();
		serde_json::to_vec(&self.read(|ring| ring.published(now)))
	}
}

impl KeySource for LocalKeys {
	fn fetch(&self) -> Fetch<'_> {
		let document = self.document().map_err(|error| KeySourceError(error.to_string()));
		Box::pin(std::future::ready(document))
	}
}
