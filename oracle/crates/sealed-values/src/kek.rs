//! The port to the key-encryption key.

use std::error::Error;

use crate::secret::{RandomFailed, SecretKey};

/// The longest name of a key-encryption key, bytes.
pub const MAX_KEK_ID_BYTES: usize = 255;

/// The longest wrapped secret, bytes. What a key management service answers is far shorter.
pub const MAX_WRAPPED_BYTES: usize = 4096;

/// Wraps and unwraps the secrets of a [`KeyRing`](crate::KeyRing), and is used for nothing else.
///
/// [`KeyFile`](crate::KeyFile) is the implementation here. The key itself never passes through this
/// port, so it may live in hardware or in a service:
///
/// - **PKCS#11**: `id` is the token's label and the key's `CKA_ID`. `wrap` is `C_Encrypt` with
///   `CKM_AES_GCM`, a nonce from the token, and `context` as its additional data; the wrapped form is
///   nonce, ciphertext and tag. The key is made with `CKA_EXTRACTABLE` false.
/// - **A key management service**: `id` is the key's resource name without its version. `wrap` and
///   `unwrap` are the service's encrypt and decrypt calls with `context` as encryption context or
///   additional authenticated data; the wrapped form is the service's opaque answer, which names
///   the version. When the service rotates the key, [`KeyRing::rewrap`](crate::KeyRing::rewrap) with
///   this key as the old and the new one brings everything under the newest version.
/// - **A mechanism without additional data** (AES-KW, RFC 3394): `context` goes unused. A wrapped
///   secret that was put into another place is then found by the ring's own authentication code.
///
/// Calls may wait for a network; they happen when a ring is loaded or changed, never when a value is
/// sealed or opened. Loading makes one `unwrap` call for each data key and one more.
pub trait KeyEncryptionKey: Send + Sync {
	/// Which key this is, 1 to 255 bytes. Two different keys have different ids; no secret.
	fn id(&self) -> &str;

	/// Encrypts and authenticates a secret, at most [`MAX_WRAPPED_BYTES`].
	///
	/// # Errors
	/// See [`KekError`].
	fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError>;

	/// The secret that [`wrap`](Self::wrap) was given together with the same context.
	///
	/// # Errors
	/// [`KekError::NotAuthentic`] when the bytes or the context are not those of a `wrap` with this
	/// key; see [`KekError`].
	fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError>;
}

/// The key-encryption key did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KekError {
	/// The wrapped secret was changed, belongs elsewhere, or was wrapped with another key.
	#[error("the wrapped secret is not authentic under this key-encryption key")]
	NotAuthentic,
	/// There are no random bytes for a nonce.
	#[error(transparent)]
	Random(#[from] RandomFailed),
	/// The device or service that holds the key failed. Asking again later may help.
	#[error("the key-encryption key is not available: {0}")]
	Unavailable(#[source] Box<dyn Error + Send + Sync>),
	/// The cipher failed for a reason it does not tell.
	#[error("the cipher of the key-encryption key failed")]
	Cipher,
}
