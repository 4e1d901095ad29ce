//! What the settlement pallet asks a policy contract, and what the contract answers.
//!
//! The Rust side of `interfaces/ISettlementPolicy.sol`, field by field: the Solidity ABI encodes a
//! struct by the order of its fields, so the order here is part of the interface. Units: energy in
//! Wh, money in minor units of the settlement currency, prices in minor units per kWh.

#![cfg_attr(target_arch = "riscv64", no_std)]

/// The prices of one zone and one delivery slot, in minor units of the settlement currency per kWh.
#[cfg_attr(target_arch = "riscv64", derive(ink::SolDecode, ink::SolEncode))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
	/// The uniform price at which the market cleared.
	pub clearing_price: u64,
	/// What the grid operator takes for each kWh bought.
	pub grid_fee: u64,
	/// What a seller pays for energy it sold and did not deliver.
	pub shortage_price: u64,
	/// What a buyer gets back for energy it bought and did not take.
	pub surplus_price: u64,
}

/// What one participant contracted, and what its meters measured, in one delivery slot, in Wh.
#[cfg_attr(target_arch = "riscv64", derive(ink::SolDecode, ink::SolEncode))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
	/// Bought on the market.
	pub bought_wh: u64,
	/// Sold on the market.
	pub sold_wh: u64,
	/// Taken from the grid.
	pub import_wh: u64,
	/// Fed into the grid.
	pub export_wh: u64,
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
