//! One test binary, so that it is linked once.

#![allow(clippy::unwrap_used)]

mod audit;
mod audit_properties;
mod audit_tampering;
mod clients;
mod endpoint;
mod key_cache;
mod key_ring;
mod key_set;
mod matrix;
mod policy;
mod remembered;
mod revocation;
mod revocation_file;
mod support;
mod token_attacks;
mod tokens;
mod vocabulary;
