//! What the sources of meter readings have in common.
//!
//! A source puts what it receives into a [`Batch`] and gives it to an [`Offering`], which offers it
//! to the sink until the sink has taken all of it. Only then may the source acknowledge. While a
//! batch is refused, [`Offering::is_refused`] says so, and the source takes nothing more.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backoff;
mod configuration;
mod counters;
mod offering;
mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use backoff::Backoff;
pub use configuration::{invalid, milliseconds, positive, read_password, ConfigurationError};
pub use counters::{add, subtract, Counters};
pub use offering::{Batch, Offering, REFUSED_BYTES, TOO_LARGE};
pub use status::Status;
