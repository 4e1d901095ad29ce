//! Bearer tokens: JSON Web Tokens (RFC 7519, RFC 9068) that an issuer signed.
//!
//! [`TokenVerifier::verify`] checks, in this order:
//!
//! 1. the length, before anything is parsed;
//! 2. the header: EdDSA or ES256, a key id, nothing critical, nothing that brings its own key;
//! 3. no claim is there twice;
//! 4. the issuer is one of the trusted and published the key, which is for that algorithm;
//! 5. the signature;
//! 6. the claims: `iss`, `aud`, `exp`, `nbf`, `iat`, `sub`, `jti`, the lifetime;
//! 7. the revocations.
//!
//! A token that was verified is remembered by its SHA-256 until it expires, its issuer's keys are
//! fetched again, or there is no more room; the times and the revocations are checked at every use.
//!
//! Keys are fetched in tasks of the Tokio runtime that [`TokenVerifier::verify`] is called in.

mod claims;
mod error;
mod header;
mod jwks;
mod key_cache;
mod revocation;
mod revocation_file;
mod verified;
mod verifier;

pub use error::TokenError;
pub use jwks::{Jwk, JwkSet, KeySet, KeySetError, SigningAlgorithm, VerificationKey};
pub use key_cache::{Fetch, KeyCache, KeyCacheLimits, KeyCacheStatus, KeySource, KeySourceError};
pub use revocation::{Revocation, RevocationError, Revocations};
pub use revocation_file::{RevocationFile, RevocationFileError};
pub use verifier::{bearer_token, TokenVerifier, TrustedIssuer, VerifierError, VerifierSettings};

/// Makes sure that `jsonwebtoken` uses AWS-LC, whatever other crates switch on in it.
pub(crate) fn install_cryptography() {
	static ONCE: std::sync::Once = std::sync::Once::new();
	ONCE.call_once(|| {
		// An error means that the process has chosen a provider already; that choice stays.
		let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
	});
}
