//! The arithmetic that decides who trades, at what price, and who owes what.
//!
//! Pure functions over whole numbers: no chain, no clock, no I/O. The pallets, the tests and the
//! benchmarks all call these, so that there is one answer to every question.
//!
//! # Example
//!
//! Two bids and one offer, prices as ticks 0 to 3:
//!
//! ```
//! use energy_market_core::{clear, Side};
//! //             tick:  0    1    2    3
//! let bids: [u64; 4] = [0, 100, 300, 200];
//! let asks: [u64; 4] = [0, 400, 0, 0];
//! let clearing = clear(&bids, &asks).expect("500 Wh are wanted at or above the offer's price");
//! assert_eq!((clearing.tick, clearing.volume), (2, 400));
//! // Bids above the margin fill whole, 300 of tick 2 and 200 of tick 3 do not all fit: 200 left.
//! let margin = clearing.ration(Side::Bid);
//! assert_eq!((margin.tick, margin.available, margin.total), (2, 200, 300));
//! ```
//!
//! # Several zones
//!
//! [`coupling`] checks a proposed outcome for zones that are joined by links.
//!
//! # Units
//!
//! Energy in Wh, prices in minor units per kWh, money in minor units.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod allocation;
mod clearing;
pub mod coupling;
mod imbalance;
mod minimum;
mod settlement;

pub use allocation::*;
pub use clearing::*;
pub use imbalance::*;
pub use minimum::*;
pub use settlement::*;
