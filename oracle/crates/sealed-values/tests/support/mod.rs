//! What the tests share.
#![allow(dead_code)]

use std::{convert::Infallible, sync::Mutex};

use sealed_values::{
	KekError, KeyEncryptionKey, KeyFile, KeyId, KeyRing, Place, SecretKey, ValueCipher,
};

pub const PLACE: Place<'static> = Place { column_family: "readings", key: b"zone 1, slot 2" };

/// Stands for a store: the bytes last written.
#[derive(Default)]
pub struct Kept(Mutex<Vec<u8>>);

impl Kept {
	pub fn write(&self, bytes: &[u8]) -> Result<(), Infallible> {
		*self.0.lock().expect("no test panics while writing") = bytes.to_vec();
		Ok(())
	}

	pub fn bytes(&self) -> Vec<u8> {
		self.0.lock().expect("no test panics while writing").clone()
	}
}

pub fn new_kek() -> KeyFile {
	KeyFile::from_secret(&SecretKey::random().expect("random bytes"))
}

pub fn persist(_bytes: &[u8]) -> Result<(), Infallible> {
	Ok(())
}

/// A ring that seals.
pub fn ring(kek: &dyn KeyEncryptionKey) -> KeyRing {
	let ring = KeyRing::generate(kek, 1).expect("a ring");
	ring.start_session(kek, 1, persist).expect("a session");
	ring
}

pub fn sealed(cipher: &ValueCipher, place: Place<'_>, value: &[u8]) -> Vec<u8> {
	let mut output = Vec::new();
	cipher.seal_into(place, value, &mut output).expect("it seals");
	output
}

pub fn opened(cipher: &ValueCipher, place: Place<'_>, sealed: &[u8]) -> Vec<u8> {
	let mut output = Vec::new();
	cipher.open_into(place, sealed, &mut output).expect("it opens");
	output
}

/// Shows the secrets that a ring gives to be wrapped: the way for a test to know a data key.
pub struct TransparentKek {
	inner: KeyFile,
	pub secrets: Mutex<Vec<[u8; 32]>>,
}

impl TransparentKek {
	pub fn new() -> Self {
		Self { inner: new_kek(), secrets: Mutex::default() }
	}

	/// The data key; the root secret is wrapped first, then the data keys by ascending id from 1.
	pub fn data_key(&self, id: KeyId) -> [u8; 32] {
		self.secrets.lock().expect("no test panics while wrapping")[id.0 as usize]
	}
}

impl KeyEncryptionKey for TransparentKek {
	fn id(&self) -> &str {
		self.inner.id()
	}

	fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError> {
		self.secrets.lock().expect("no test panics while wrapping").push(*secret.expose());
		self.inner.wrap(secret, context)
	}

	fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError> {
		self.inner.unwrap(wrapped, context)
	}
}
