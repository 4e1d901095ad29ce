//! Webhooks signed with HTTP Message Signatures (RFC 9421).
//!
//! [`sign`] makes the two header fields of a request's signature, [`verify`] checks them at the
//! receiver. The body is covered through its digest ([`content_digest`], RFC 9530). Algorithms are
//! Ed25519 and HMAC with SHA-256. Times are arguments, in whole seconds since
//! 1970-01-01T00:00:00Z.

mod digest;
mod key;
mod message;
mod sign;
mod verify;

pub use digest::{content_digest, content_digest_matches};
pub use key::{Algorithm, KeyError, SigningKey, VerifyingKey, MIN_SECRET_BYTES};
pub use message::{Component, ComponentError, Message};
pub use sign::{sign, webhook_components, Parameters, SignError, SignatureFields, LABEL};
pub use verify::{verify, Policy, Verified, VerifyError};

/// Header field with the id of a delivery, the same for each attempt.
pub const DELIVERY_ID_HEADER: &str = "webhook-id";
