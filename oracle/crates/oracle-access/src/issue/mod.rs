//! A token endpoint for an oracle that has no outside identity provider: OAuth 2.0 client
//! credentials (RFC 6749, section 4.4), for machines.
//!
//! The client file is TOML, one table per client:
//!
//! ```
//! # use oracle_access::issue::{Clients, Secret, SecretHash};
//! # let secret = Secret::generate()?;
//! # let hash = SecretHash::of(&secret)?;
//! let file = format!(
//!     r#"
//!     [[client]]
//!     id = "utility-east"
//!     secret_hashes = ["{}"]
//!     roles = ["utility"]
//!     scopes = ["readings:read", "meters:read", "dispatches:write"]
//!     account = "5F3sa2TJAWMqDhXG6jhV4N8ko9SxwGy8TpaNS1repo5EYjQX"
//!     zones = [1, 2]
//!     "#,
//!     hash.phc()
//! );
//! let clients = Clients::parse(&file)?;
//! assert!(clients.authenticate("utility-east", &secret).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod client_file;
mod endpoint;
mod key_file;
mod key_ring;
mod request;
mod secret;

pub use client::{Client, Clients};
pub use client_file::{ClientError, ClientsError};
pub use endpoint::{
	EndpointSettings, EndpointSettingsError, RevocationAsked, TokenAnswer, TokenEndpoint,
};
pub use key_file::KeyFileError;
pub use key_ring::{KeyRing, KeyRingError, KeyRingSettings, LocalKeys, SigningKey};
pub use request::EndpointError;
pub use secret::{Secret, SecretError, SecretHash};
