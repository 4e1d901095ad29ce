//! What the settlement pallet asks a policy contract, and what the contract answers.
//!
//! The Rust side of `interfaces/ISettlementPolicy.sol`, field by field: the Solidity ABI encodes a
//! struct by the order of its fields, so the order here is part of the interface. Units: energy in
//! Wh, money in minor units of the settlement currency, prices in minor units per kWh.

#![cfg_attr(target_arch = "riscv64", no_std)]

/// The terms of one zone and one delivery slot: prices in minor units of the settlement currency per
/// kWh, parts in millionths.
#[cfg_attr(target_arch = "riscv64", derive(ink::SolDecode, ink::SolEncode))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
	/// The uniform price at which the auction cleared; zero if nothing was traded in it.
	pub clearing_price: u64,
	/// What the grid operator takes for each kWh bought.
	pub grid_fee: u64,
	/// What the grid operator takes besides, as a part of what is paid for the energy.
	pub grid_fee_ppm: u32,
	/// The part of a promise that may be missed without an imbalance price.
	pub tolerance_ppm: u32,
	/// Whether shortages and surpluses have one price, by the state of the slot.
	pub single_price: bool,
	/// The imbalance price of shortages.
	pub shortage_price: u64,
	/// The imbalance price of surpluses.
	pub surplus_price: u64,
	/// Sold and not delivered beyond the tolerance, in the whole slot, Wh.
	pub shortage_wh: u64,
	/// Bought and not taken beyond the tolerance, in the whole slot, Wh.
	pub surplus_wh: u64,
}

/// What one participant promised, and what its meters measured, in one delivery slot: energy in Wh,
/// money in minor units.
#[cfg_attr(target_arch = "riscv64", derive(ink::SolDecode, ink::SolEncode))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
	/// Bought, in the auction and bilaterally.
	pub bought_wh: u64,
	/// Sold, likewise.
	pub sold_wh: u64,
	/// To be paid for what was bought.
	pub payable_amount: u128,
	/// To be received for what was sold.
	pub receivable_amount: u128,
	/// Taken from the grid.
	pub import_wh: u64,
	/// Fed into the grid.
	pub export_wh: u64,
	/// The money committed for the position: the most that it can pay on balance.
	pub held: u128,
}

/// What one participant receives or pays, in minor units of the settlement currency.
#[cfg_attr(target_arch = "riscv64", derive(ink::SolDecode, ink::SolEncode))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashFlow {
	/// For the energy contracted: positive, the participant receives; negative, it pays.
	pub energy: i128,
	/// For the deviation from the contract: positive, the participant receives; negative, it pays.
	pub imbalance: i128,
	/// What the participant pays for the grid.
	pub grid_fee: u128,
}
