//! What peers owe each other for one delivery slot: the rules, apart from the contract that
//! publishes them.
//!
//! Every rounding favours the pot that the money passes through: who pays, pays the next whole
//! minor unit; who receives, receives the last one. So when the energy bought equals the energy
//! sold, the pot never runs short.
//!
//! # Nothing overflows
//!
//! Every product is one of two `u64`, so at most `(2^64 - 1)^2 < 2^128`, which a `u128` holds;
//! divided by 1000 it is below `2^119`, so it fits an `i128`, and so does the difference of two of
//! them. A net quantity is the difference of two `u64`, so its magnitude is at most `2^64 - 1`.
//! The arithmetic is checked nevertheless.

#![cfg_attr(target_arch = "riscv64", no_std)]

use settlement_policy::{CashFlow, Position, Terms};

#[cfg(test)]
mod tests;

/// Wh in a kWh, the unit of prices.
const WH_PER_KWH: u128 = 1_000;

/// The cash flow of one participant.
///
/// - Energy: what was sold, rounded down, less what was bought, rounded up, both at the clearing
///   price.
/// - Imbalance: a net buyer gets back, at the surplus price and rounded down, what it did not
///   take; a net seller pays, at the shortage price and rounded up, what it did not deliver.
///   Beyond its contract nobody is paid or charged.
/// - Grid fee: on what was bought, rounded up.
///
/// `None` stands for an overflow, which cannot happen (see the [crate] documentation).
pub fn settle(terms: &Terms, position: &Position) -> Option<CashFlow> {
	let received = signed(rounded_down(position.sold_wh, terms.clearing_price)?)?;
	let paid = signed(rounded_up(position.bought_wh, terms.clearing_price)?)?;
	Some(CashFlow {
		energy: received.checked_sub(paid)?,
		imbalance: imbalance(terms, position)?,
		grid_fee: rounded_up(position.bought_wh, terms.grid_fee)?,
	})
}

/// The price of the deviation between what was contracted and what was metered.
fn imbalance(terms: &Terms, position: &Position) -> Option<i128> {
	let Position { bought_wh, sold_wh, import_wh, export_wh } = *position;
	if bought_wh >= sold_wh {
		let contracted_wh = bought_wh.checked_sub(sold_wh)?;
		let taken_wh = import_wh.saturating_sub(export_wh).min(contracted_wh);
		let untaken_wh = contracted_wh.checked_sub(taken_wh)?;
		signed(rounded_down(untaken_wh, terms.surplus_price)?)
	} else {
		let contracted_wh = sold_wh.checked_sub(bought_wh)?;
		let delivered_wh = export_wh.saturating_sub(import_wh).min(contracted_wh);
		let short_wh = contracted_wh.checked_sub(delivered_wh)?;
		signed(rounded_up(short_wh, terms.shortage_price)?)?.checked_neg()
	}
}

/// The cost of an energy in minor units, the fraction left out.
fn rounded_down(energy_wh: u64, price_per_kwh: u64) -> Option<u128> {
	u128::from(energy_wh).checked_mul(price_per_kwh.into())?.checked_div(WH_PER_KWH)
}

/// The cost of an energy in minor units, a fraction counted as a whole one.
fn rounded_up(energy_wh: u64, price_per_kwh: u64) -> Option<u128> {
	Some(u128::from(energy_wh).checked_mul(price_per_kwh.into())?.div_ceil(WH_PER_KWH))
}

fn signed(amount: u128) -> Option<i128> {
	amount.try_into().ok()
}
