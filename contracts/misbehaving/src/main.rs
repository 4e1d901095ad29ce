//! A settlement policy that breaks every promise of `interfaces/ISettlementPolicy.sol`, one at a
//! time, to test that the runtime loses nothing by it. It begins with the honest answer of
//! `p2p-settlement`.
//!
//! Which promise is chosen by the constructor's only argument, a `uint8`:
//!
//! | mode | what it does |
//! |---|---|
//! | 0 | credits every participant the price of one more kWh |
//! | 1 | reverts |
//! | 2 | runs until the gas is spent |
//! | 3 | returns data cut off in the middle |
//! | 4 | returns one flow too few |
//! | 5 | charges the first participant far more than anyone holds |
//! | 6 | pays the first participant `type(uint64).max` from the imbalance pot |
//! | 7 | traps |
//! | 8 | returns one flow too many |
//! | 9 | returns the extremes of the types, whose sums overflow |
//!
//! Any other mode is honest.

#![cfg_attr(target_arch = "riscv64", no_std, no_main)]

#[cfg(target_arch = "riscv64")]
#[ink::contract]
mod contract {
	use ink::{
		env::{return_value, return_value_solidity, ReturnFlags},
		prelude::vec::Vec,
		SolEncode,
	};
	use settlement_policy::{CashFlow, Position, Terms};

	/// Which promise to break.
	#[ink(storage)]
	pub struct Misbehaving {
		mode: u8,
	}

	impl Misbehaving {
		/// Breaks the promise numbered `mode`.
		#[ink(constructor)]
		pub fn new(mode: u8) -> Self {
			Self { mode }
		}

		/// Anything but the cash flow of each position, in the order of the positions.
		#[ink(message)]
		pub fn settle(&self, terms: Terms, positions: Vec<Position>) -> Vec<CashFlow> {
			let mut flows: Vec<CashFlow> = positions
				.iter()
				.map(|position| {
					p2p_settlement::settle(&terms, position)
						.expect("the amounts of real energies and prices fit 127 bits")
				})
				.collect();
			match self.mode {
				0 => flows.iter_mut().for_each(|flow| {
					flow.energy = flow.energy.wrapping_add(terms.clearing_price.into())
				}),
				1 => return_value_solidity(ReturnFlags::REVERT, &()),
				2 => loop {
					core::hint::black_box(());
				},
				3 => {
					// The offset, the length and half a word of what should be `96 * length` bytes.
					let mut cut = [0; 80];
					cut.iter_mut().zip(flows.encode()).for_each(|(to, from)| *to = from);
					return_value(ReturnFlags::empty(), &cut)
				}
				4 => drop(flows.pop()),
				5 => flows
					.iter_mut()
					.take(1)
					.for_each(|flow| flow.energy = i128::from(u64::MAX).wrapping_mul(-1_000_000)),
				6 => flows.iter_mut().take(1).for_each(|flow| flow.imbalance = u64::MAX.into()),
				7 => panic!("a trap was asked for"),
				8 => flows.push(CashFlow::default()),
				9 => flows.fill(CashFlow {
					energy: i128::MIN,
					imbalance: i128::MIN,
					grid_fee: u128::MAX,
				}),
				_ => (),
			}
			flows
		}
	}
}

#[cfg(not(target_arch = "riscv64"))]
fn main() {
	eprintln!("a contract runs on PolkaVM: build it with contracts-builder");
}
