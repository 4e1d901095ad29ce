//! Secrets of 32 bytes, and keys derived from them.

use std::fmt;

use aws_lc_rs::{constant_time, hkdf, hkdf::KeyType, rand};
use zeroize::Zeroize;

/// Bytes of every symmetric key and secret here.
pub const SECRET_BYTES: usize = 32;

/// The operating system gave no random bytes. Nothing was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random number generator failed")]
pub struct RandomFailed;

/// A secret of 32 bytes. It is overwritten when dropped, and `Debug` does not show it.
///
/// The bytes stay in one place on the heap, so that moving the secret leaves no copy behind.
pub struct SecretKey(Box<[u8; SECRET_BYTES]>);

impl SecretKey {
	/// A new random secret.
	///
	/// # Errors
	/// When the random number generator fails.
	pub fn random() -> Result<Self, RandomFailed> {
		Self::filled(|bytes| rand::fill(bytes).map_err(|_error| RandomFailed))
	}

	/// A secret that `fill` writes in place; `fill` is given 32 zeros.
	///
	/// # Errors
	/// The error of `fill`.
	pub fn filled<E>(
		fill: impl FnOnce(&mut [u8; SECRET_BYTES]) -> Result<(), E>,
	) -> Result<Self, E> {
		let mut secret = Self(Box::new([0; SECRET_BYTES]));
		fill(&mut secret.0)?;
		Ok(secret)
	}

	/// The bytes, for a key-encryption key to wrap.
	pub fn expose(&self) -> &[u8; SECRET_BYTES] {
		&self.0
	}

	/// Whether two secrets are the same, in constant time.
	pub fn matches(&self, other: &Self) -> bool {
		constant_time::verify_slices_are_equal(&*self.0, &*other.0).is_ok()
	}

	/// A secret for one purpose, which says nothing of this one or of those for other purposes:
	/// HKDF-SHA-256 (RFC 5869) with this secret as the input keying material, no salt (the input is
	/// uniformly random) and the purpose as `info`.
	pub(crate) fn derive(&self, purpose: &[u8]) -> Self {
		hkdf_sha256(&[], &*self.0, purpose)
	}
}

impl Drop for SecretKey {
	fn drop(&mut self) {
		self.0.zeroize();
	}
}

impl fmt::Debug for SecretKey {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str("SecretKey(hidden)")
	}
}

/// How much key material HKDF is to give.
struct SecretLength;

impl KeyType for SecretLength {
	fn len(&self) -> usize {
		SECRET_BYTES
	}
}

/// The first 32 bytes of HKDF-SHA-256.
fn hkdf_sha256(salt: &[u8], keying_material: &[u8], info: &[u8]) -> SecretKey {
	let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(keying_material);
	let filled = SecretKey::filled(|bytes| {
		extracted.expand(&[info], SecretLength).and_then(|material| material.fill(bytes))
	});
	filled.expect("32 bytes are one block, and RFC 5869 allows 255; qed")
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn hkdf_agrees_with_rfc_5869_test_case_1() {
		let salt = hex::decode("000102030405060708090a0b0c").expect("hexadecimal");
		let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").expect("hexadecimal");
		let derived = hkdf_sha256(&salt, &[0x0b; 22], &info);
		assert_eq!(
			hex::encode(derived.expose()),
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
		);
	}

	#[test]
	fn hkdf_agrees_with_rfc_5869_test_case_3_without_salt_and_info() {
		let derived = hkdf_sha256(&[], &[0x0b; 22], &[]);
		assert_eq!(
			hex::encode(derived.expose()),
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
		);
	}

	#[test]
	fn derived_secrets_differ_by_purpose_and_from_their_origin() {
		let origin = SecretKey::random().expect("random bytes");
		let (first, second) = (origin.derive(b"first"), origin.derive(b"second"));
		assert!(first.matches(&origin.derive(b"first")));
		assert!(!first.matches(&second));
		assert!(!first.matches(&origin));
	}

	#[test]
	fn debug_hides_the_bytes() {
		let secret = SecretKey::filled(|bytes| {
			bytes.fill(0xab);
			Ok::<(), RandomFailed>(())
		})
		.expect("filled");
		assert_eq!(format!("{secret:?}"), "SecretKey(hidden)");
	}
}
