use aws_lc_rs::{
	hmac,
	signature::{Ed25519KeyPair, KeyPair, UnparsedPublicKey, ED25519},
};
use std::fmt;
use thiserror::Error;

/// Fewest bytes of a shared secret: as many as the digest has (RFC 2104, section 3).
pub const MIN_SECRET_BYTES: usize = 32;

/// A signature algorithm of the registry of RFC 9421, section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
	/// EdDSA with edwards25519 (section 3.3.6).
	Ed25519,
	/// HMAC with SHA-256 (section 3.3.3).
	HmacSha256,
}

impl Algorithm {
	/// Name in the registry.
	pub fn name(self) -> &'static str {
		match self {
			Self::Ed25519 => "ed25519",
			Self::HmacSha256 => "hmac-sha256",
		}
	}
}

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
	/// The seed of an Ed25519 key has 32 bytes.
	#[error("seed: not a seed of an Ed25519 key, which has 32 bytes")]
	Seed,
	/// The public key of an Ed25519 key has 32 bytes.
	#[error("public_key: {0} bytes, an Ed25519 key has 32")]
	PublicKeyLength(usize),
	/// The shared secret is too short.
	#[error("secret: {0} bytes, at least {MIN_SECRET_BYTES} are needed")]
	SecretTooShort(usize),
}

/// A key that signs. The cryptography library wipes it when it is dropped.
pub struct SigningKey(Signing);

enum Signing {
	Ed25519(Ed25519KeyPair),
	HmacSha256(Box<hmac::Key>),
}

impl SigningKey {
	/// From the 32-byte seed of an Ed25519 key (RFC 8032, section 5.1.5).
	pub fn ed25519(seed: &[u8]) -> Result<Self, KeyError> {
		let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Seed)?;
		Ok(Self(Signing::Ed25519(pair)))
	}

	/// From a secret that the receiver has too.
	pub fn hmac_sha256(secret: &[u8]) -> Result<Self, KeyError> {
		Ok(Self(Signing::HmacSha256(hmac_key(secret)?)))
	}

	/// The algorithm it signs with.
	pub fn algorithm(&self) -> Algorithm {
		match self.0 {
			Signing::Ed25519(_) => Algorithm::Ed25519,
			Signing::HmacSha256(_) => Algorithm::HmacSha256,
		}
	}

	/// The key that verifies what this one signs.
	pub fn verifying_key(&self) -> VerifyingKey {
		VerifyingKey(match &self.0 {
			Signing::Ed25519(pair) => Verifying::Ed25519(pair.public_key().as_ref().to_vec()),
			Signing::HmacSha256(key) => Verifying::HmacSha256(key.clone()),
		})
	}

	pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
		match &self.0 {
			Signing::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
			Signing::HmacSha256(key) => hmac::sign(key, message).as_ref().to_vec(),
		}
	}
}

/// A key that verifies.
pub struct VerifyingKey(Verifying);

enum Verifying {
	Ed25519(Vec<u8>),
	HmacSha256(Box<hmac::Key>),
}

impl VerifyingKey {
	/// From the 32 bytes of an Ed25519 public key.
	pub fn ed25519(public_key: &[u8]) -> Result<Self, KeyError> {
		if public_key.len() != 32 {
			return Err(KeyError::PublicKeyLength(public_key.len()));
		}
		Ok(Self(Verifying::Ed25519(public_key.to_vec())))
	}

	/// From a secret that the sender has too.
	pub fn hmac_sha256(secret: &[u8]) -> Result<Self, KeyError> {
		Ok(Self(Verifying::HmacSha256(hmac_key(secret)?)))
	}

	/// The only algorithm it verifies.
	pub fn algorithm(&self) -> Algorithm {
		match self.0 {
			Verifying::Ed25519(_) => Algorithm::Ed25519,
			Verifying::HmacSha256(_) => Algorithm::HmacSha256,
		}
	}

	/// Whether the signature is of this message. The comparison of an HMAC takes the same time
	/// wherever the two differ.
	pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
		match &self.0 {
			Verifying::Ed25519(key) => {
				UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
			}
			Verifying::HmacSha256(key) => hmac::verify(key, message, signature).is_ok(),
		}
	}
}

fn hmac_key(secret: &[u8]) -> Result<Box<hmac::Key>, KeyError> {
	if secret.len() < MIN_SECRET_BYTES {
		return Err(KeyError::SecretTooShort(secret.len()));
	}
	Ok(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
}

impl fmt::Debug for SigningKey {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(formatter, "SigningKey({})", self.algorithm().name())
	}
}

impl fmt::Debug for VerifyingKey {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(formatter, "VerifyingKey({})", self.algorithm().name())
	}
}
