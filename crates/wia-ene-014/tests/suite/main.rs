//! The tests of the crate, one module per subject.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used)]

mod batch;
mod canonical;
mod check;
mod message;
mod plain;
mod prepared;
mod properties;
mod quantity;
mod rejections;
mod round_trip;
mod schema;
mod signatures;
mod support;
