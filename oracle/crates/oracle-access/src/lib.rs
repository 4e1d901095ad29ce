//! Who may do what on the oracle's HTTP interface.
//!
//! A request passes four gates, each a part of this crate, none of them knows HTTP:
//!
//! 1. [`token`]: the bearer token is a JWT (RFC 7519), signed with EdDSA or ES256 by an issuer that
//!    is trusted, for this oracle, now, and not revoked. The result is a [`Principal`].
//! 2. [`policy`]: the principal's roles permit the action on the resource, its token's scopes
//!    cover it, and it owns the resource, serves its zone, takes part in it or holds a consent.
//!    What no policy permits is denied.
//! 3. [`audit`]: the decision, whichever it is, is written to a hash-chained log.
//! 4. Only then does the oracle serve the request.
//!
//! [`issue`] is a token endpoint for an oracle without an outside identity provider: the OAuth 2.0
//! client-credentials grant (RFC 6749, section 4.4) for machines. People sign in at an outside
//! provider with the authorisation-code grant and PKCE (RFC 7636); the oracle has no part in that
//! and only verifies the tokens that the provider issues.
//!
//! Times are whole seconds since 1970-01-01T00:00:00Z. Wherever a time is needed it comes from a
//! [`Clock`] or as an argument, so that tests decide what time it is.

pub mod audit;
mod clock;
pub mod issue;

pub mod policy;
mod principal;
mod resource;
mod role;
mod scope;
pub mod token;

pub use clock::{Clock, SystemClock};
pub use principal::Principal;
pub use resource::{Action, Consent, Kind, Resource, UnknownName};
pub use role::Role;
pub use scope::{Scope, Scopes};
