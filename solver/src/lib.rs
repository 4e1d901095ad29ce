//! Finds the best outcome of coupled zones, in whole numbers and with prices that prove it.
//!
//! The chain does not search for the outcome of coupled markets, it checks one that is handed in:
//! [`energy_market_core::coupling`]. This crate finds it:
//!
//! 1. The linear programme of the coupling is solved in floating point by HiGHS ([`linear`]).
//! 2. Its flows become whole watt-hours; what roundings leave over is passed on to where orders
//!    can take it ([`flows`]).
//! 3. From the whole flows follow the whole prices, exactly, without floating point ([`prices`]).
//! 4. The certificate is checked. If it does not hold, the programme is solved again, with what
//!    was lost by rounding and with fees at the prices found, until it does ([`solve()`]).
//!
//! # Example
//!
//! ```
//! let problem = energy_solver::Problem::from_json(r#"{
//!     "zones": [
//!         {
//!             "name": "north", "price_floor": 10, "tick_size": 10,
//!             "asks": [{ "tick": 0, "energy_wh": 1000 }]
//!         },
//!         {
//!             "name": "south", "price_floor": 10, "tick_size": 10,
//!             "bids": [{ "tick": 2, "energy_wh": 800 }]
//!         }
//!     ],
//!     "links": [{ "from": "north", "to": "south", "capacity_wh": 500, "loss_ppm": 100000 }]
//! }"#)?;
//! let solution = energy_solver::solve(&problem)?;
//! assert_eq!(solution.proposal.flows_wh, [500]);
//! assert_eq!(solution.proposal.zones[1].bought_wh, 450);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Units
//!
//! Energy in Wh, prices and fees in minor units per kWh, losses and percentages in ppm.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod curves;
pub mod flows;
pub mod linear;
pub mod prices;
mod problem;
pub mod sample;
mod solve;

pub use answer::{summary, Answer, LinkAnswer, ZoneAnswer};
pub use curves::Curves;
pub use problem::{Problem, ProblemError, Zone, MAX_ENERGY_WH, MAX_PRICE};
pub use solve::{solve, Solution, SolveError};
