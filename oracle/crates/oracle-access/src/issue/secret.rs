//! Client secrets and their hashes.

use std::fmt;

use argon2::{
	password_hash::{
		phc::{Output, PasswordHash},
		PasswordHasher, PasswordVerifier,
	},
	Algorithm, Argon2, Params, Version,
};
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use zeroize::Zeroizing;

/// Random bytes in a secret that is made here.
const SECRET_BYTES: usize = 32;
/// Random bytes of a salt.
const SALT_BYTES: usize = 16;
/// The least memory times passes, KiB: the smallest setting that OWASP's password storage cheat
/// sheet recommends for argon2id.
const MIN_MEMORY_PASSES: u64 = 7_168 * 5;
/// The most memory of one hash, KiB.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// The most passes of one hash.
const MAX_PASSES: u32 = 16;
/// The most lanes of one hash.
const MAX_LANES: u32 = 4;

/// What a client proves who it is with. Overwritten when dropped, never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
	/// A secret that somebody presents or that was read from a file.
	pub fn new(text: String) -> Self {
		Self(Zeroizing::new(text))
	}

	/// A new secret of 256 random bits, base64url.
	pub fn generate() -> Result<Self, SecretError> {
		let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
		aws_lc_rs::rand::fill(bytes.as_mut()).map_err(|_| SecretError::Random)?;
		Ok(Self::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
	}

	/// The secret itself, to be shown once to the client's owner.
	pub fn expose(&self) -> &str {
		&self.0
	}
}

impl From<Zeroizing<String>> for Secret {
	fn from(text: Zeroizing<String>) -> Self {
		Self(text)
	}
}

impl fmt::Debug for Secret {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str("Secret([redacted])")
	}
}

/// Why a secret cannot be hashed or a hash not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
	/// The operating system gives no random numbers.
	#[error("no random numbers are available")]
	Random,
	/// The hash function failed.
	#[error("the secret cannot be hashed: {0}")]
	Hash(String),
	/// It is not the text form of an argon2id hash.
	#[error("not a hash of the form `$argon2id$v=19$m=..,t=..,p=..$salt$hash`")]
	NotArgon2id,
	/// The hash is cheaper to try than is safe, or dearer to check than is harmless.
	#[error("the cost is out of range: m·t at least 35840 KiB, m at most 65536, t at most 16, p at most 4")]
	Cost,
}

/// What a hash costs: memory in KiB, passes, lanes.
pub(super) type Cost = (u32, u32, u32);

/// The argon2id hash of a secret.
#[derive(Clone)]
pub struct SecretHash {
	hash: PasswordHash,
	cost: Cost,
}

impl fmt::Debug for SecretHash {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("SecretHash").field("cost", &self.cost).finish_non_exhaustive()
	}
}

impl SecretHash {
	/// Hashes a secret with 19 MiB, two passes and one lane.
	pub fn of(secret: &Secret) -> Result<Self, SecretError> {
		Self::with_cost(secret, Self::default_cost())
	}

	pub(super) const fn default_cost() -> Cost {
		(19 * 1024, 2, 1)
	}

	/// Hashes a secret with `memory_kib`, `passes` and `lanes`.
	pub fn with_cost(
		secret: &Secret,
		(memory_kib, passes, lanes): (u32, u32, u32),
	) -> Result<Self, SecretError> {
		let failed = |error: &dyn fmt::Display| SecretError::Hash(error.to_string());
		let params =
			Params::new(memory_kib, passes, lanes, None).map_err(|error| failed(&error))?;
		let mut salt = [0u8; SALT_BYTES];
		aws_lc_rs::rand::fill(&mut salt).map_err(|_| SecretError::Random)?;
		let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
			.hash_password_with_salt(secret.expose().as_bytes(), &salt)
			.map_err(|error| failed(&error))?;
		Self::checked(hash)
	}

	/// Reads the text form (PHC string).
	pub fn parse(text: &str) -> Result<Self, SecretError> {
		Self::checked(PasswordHash::new(text).map_err(|_| SecretError::NotArgon2id)?)
	}

	fn checked(hash: PasswordHash) -> Result<Self, SecretError> {
		let is_complete = hash.algorithm.as_str() == "argon2id"
			&& hash.version == Some(Version::V0x13.into())
			&& hash.salt.is_some_and(|salt| salt.len() >= SALT_BYTES)
			&& hash.hash.is_some_and(|output: Output| output.len() >= 32);
		let params = Params::try_from(&hash).map_err(|_| SecretError::NotArgon2id)?;
		if !is_complete {
			return Err(SecretError::NotArgon2id);
		}
		let cost = (params.m_cost(), params.t_cost(), params.p_cost());
		let (memory_kib, passes, lanes) = cost;
		if u64::from(memory_kib) * u64::from(passes) < MIN_MEMORY_PASSES
			|| memory_kib > MAX_MEMORY_KIB
			|| passes > MAX_PASSES
			|| lanes > MAX_LANES
		{
			return Err(SecretError::Cost);
		}
		Ok(Self { hash, cost })
	}

	/// The text form (PHC string), for the client file.
	pub fn phc(&self) -> String {
		self.hash.to_string()
	}

	pub(super) const fn cost(&self) -> Cost {
		self.cost
	}

	/// Whether it is the hash of a secret. Takes the time of one hash, whatever the answer.
	pub fn matches(&self, secret: &Secret) -> bool {
		Argon2::default().verify_password(secret.expose().as_bytes(), &self.hash).is_ok()
	}
}
