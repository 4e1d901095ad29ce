//! The wallet of the energy chain: keys, balances, orders, positions and bills.
//!
//! The program `energy-wallet` is a thin shell around this library. Other programs use
//!
//! * [`client`]: a connection to the chain — typed reads ([`api`]), transactions, errors that say
//!   what to do;
//! * [`calls`]: the chain's calls with their arguments;
//! * [`bill`] and [`oracle`]: the proof behind a bill, down to what the meters signed;
//! * [`keystore`]: encrypted keys that Polkadot wallets can open;
//! * [`units`] and [`address`]: exact conversions between text and the chain's numbers.

pub mod address;
pub mod api;
pub mod bill;
pub mod calls;
pub mod cli;
pub mod client;
pub mod keystore;
pub mod oracle;
pub mod units;
