//! The words the parts of the energy chain share: identifiers, units, delivery slots, and the
//! traits through which one pallet asks another.
//!
//! # Units
//!
//! | quantity | type | unit |
//! |---|---|---|
//! | energy | `u64`, differences `i64` | Wh |
//! | power | `u64` | W |
//! | money | [`Balance`] | minor units of the settlement currency (six decimals) |
//! | price | `u64` | minor units per kWh |
//! | time | `u64` | seconds since 1970-01-01T00:00:00Z |
//!
//! There are no floating-point numbers. Every rounding is stated where it happens.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod api;
mod calendar;
mod community;
mod coupling;
pub mod merkle;
mod orders;
mod traits;
mod types;

pub use calendar::*;
pub use community::*;
pub use coupling::*;
pub use orders::*;
pub use traits::*;
pub use types::*;
