//! The tests of the crate, one module per subject.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used)]

mod canonical;
mod check;
mod message;
mod properties;
mod quantity;
mod rejections;
mod round_trip;
mod schema;
mod signatures;
mod support;
