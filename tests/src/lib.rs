//! The whole system, started for real: what the demo and the end-to-end tests share.
//!
//! A [`network::Network`] is a node with a chain whose market slots last seconds instead of minutes,
//! a settlement contract, an oracle, and homes with wallets and meters. The homes' load and PV
//! are rows of a real household's file, one row for each slot: a half-hour of that household goes by
//! in one slot.

pub mod chart;
pub mod homes;
pub mod network;
pub mod process;
pub mod solver;
pub mod summary;
pub mod trading;
pub mod watch;
