//! What peers owe each other for one delivery slot: the rules, apart from the contract that
//! publishes them.
//!
//! The arithmetic is that of `energy_market_core::imbalance`, which says where each rule comes from;
//! this package puts it together. Every rounding favours the pot that the money passes through: who
//! pays, pays the next whole minor unit; who receives, receives the last one. So when the energy
//! bought equals the energy sold, the pot never runs short.

#![cfg_attr(target_arch = "riscv64", no_std)]

use energy_market_core::{grid_fee, imbalance, Deviations, ImbalanceTerms, Pricing, Promise};
use settlement_policy::{CashFlow, Position, Terms};

#[cfg(test)]
mod tests;

/// The cash flow of one participant.
///
/// - Energy: what is to be received for what was sold, less what is to be paid for what was bought.
/// - Imbalance: the price of the deviation from the promise. Beyond its promise nobody is paid or
///   charged. Where the bond does not cover what is owed, all that is committed is taken, and the
///   imbalance pot bears the rest.
/// - Grid fee: on what was bought, rounded up.
///
/// `None` stands for an amount of more than 127 bits, which no real energy and price make.
pub fn settle(terms: &Terms, position: &Position) -> Option<CashFlow> {
	let Position { bought_wh, sold_wh, import_wh, export_wh, .. } = *position;
	let (payable, receivable) = (position.payable_amount, position.receivable_amount);
	let energy = i128::try_from(receivable).ok()?.checked_sub(i128::try_from(payable).ok()?)?;
	let grid_fee = grid_fee(bought_wh, payable, terms.grid_fee, terms.grid_fee_ppm);
	let promise = Promise { bought_wh, sold_wh, payable, receivable };
	let owed = imbalance(&imbalance_terms(terms), &promise, import_wh, export_wh)?;
	// What a shortage can take at most: all that is committed and received, less the fee.
	let most = i128::try_from(position.held)
		.ok()?
		.checked_add(energy)?
		.checked_sub(i128::try_from(grid_fee).ok()?)?;
	let imbalance = owed.max(most.checked_neg()?.min(0));
	Some(CashFlow { energy, imbalance, grid_fee })
}

fn imbalance_terms(terms: &Terms) -> ImbalanceTerms {
	ImbalanceTerms {
		clearing_price: terms.clearing_price,
		shortage_price: terms.shortage_price,
		surplus_price: terms.surplus_price,
		tolerance_ppm: terms.tolerance_ppm,
		pricing: if terms.single_price { Pricing::Single } else { Pricing::Dual },
		deviations: Deviations { shortage_wh: terms.shortage_wh, surplus_wh: terms.surplus_wh },
	}
}
