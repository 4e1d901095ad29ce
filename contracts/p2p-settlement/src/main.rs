//! The settlement policy for trades between peers, as a contract: the interface is
//! `interfaces/ISettlementPolicy.sol`, the rules are in the library of this package.

#![cfg_attr(target_arch = "riscv64", no_std, no_main)]

#[cfg(target_arch = "riscv64")]
#[ink::contract]
mod contract {
	use ink::prelude::vec::Vec;
	use settlement_policy::{CashFlow, Position, Terms};

	/// Nothing is remembered: the answer depends on the question alone.
	#[ink(storage)]
	pub struct P2pSettlement {}

	impl P2pSettlement {
		/// Takes no arguments.
		#[ink(constructor)]
		#[allow(clippy::new_without_default)]
		pub fn new() -> Self {
			Self {}
		}

		/// The cash flow of each position, in the order of the positions.
		#[ink(message)]
		pub fn settle(&self, terms: Terms, positions: Vec<Position>) -> Vec<CashFlow> {
			positions
				.iter()
				.map(|position| {
					p2p_settlement::settle(&terms, position)
						.expect("the amounts of real energies and prices fit 127 bits")
				})
				.collect()
		}
	}
}

#[cfg(not(target_arch = "riscv64"))]
fn main() {
	eprintln!("a contract runs on PolkaVM: build it with contracts-builder");
}
