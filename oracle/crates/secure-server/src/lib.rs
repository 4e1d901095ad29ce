//! Serves an [`axum::Router`] over TLS 1.3, or over plain TCP for loopback and tests.
//!
//! Begin with [`Settings`], bind with [`Server::bind`], keep a [`Handle`] from
//! [`Server::handle`] for reloads and counters, and call [`Server::run`].
//!
//! Every wait on the network has a time-out and every resource a peer can take has a limit.
//! Certificates are exchanged while the server runs: new connections get the new certificate,
//! connections already open go on.
//!
//! Handlers find who called in the request extensions: [`PeerAddress`] always,
//! [`PeerIdentity`] when the peer presented a verified client certificate.
//!
//! Time-outs for request bodies belong to the router, because only it knows what a handler may
//! take.

mod counters;
mod credentials;
mod identity;
mod limits;
mod server;
mod service;
mod settings;

pub use counters::{Counters, CountersSnapshot};
pub use credentials::{CredentialsError, Status};
pub use identity::{PeerAddress, PeerIdentity};
pub use server::{Drained, Handle, Server, ServerError};
pub use settings::{ClientAuthentication, Limits, Settings, SettingsError, TlsSettings};
