//! What the pallet stores.

use codec::{Decode, Encode, MaxEncodedLen};
use energy_primitives::{Balance, CashFlow};
use scale_info::TypeInfo;

/// The pots of a zone. The index of each is part of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Pot {
	/// Money on its way from those who pay to those who receive.
	Escrow,
	/// What the grid is paid.
	Fees,
	/// What shortages bring in and surpluses take out.
	Imbalance,
}

/// A pass over the positions of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub enum Pass {
	/// The meters are not known yet.
	Wait,
	/// The policy contract is asked.
	Ask,
	/// Those who pay, pay.
	Collect,
	/// Those who receive are paid.
	Pay,
}

/// Sums over the positions of a slot, minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Sums {
	/// Received for energy; negative: paid.
	pub energy: i128,
	/// Received for imbalance; negative: paid.
	pub imbalance: i128,
	/// Paid to the grid.
	pub grid_fees: Balance,
	/// Taken from those who pay.
	pub collected: Balance,
	/// Given to those who receive.
	pub paid: Balance,
}

impl Sums {
	/// Adds a participant's flows. `None` on overflow.
	pub fn add(&mut self, flow: &CashFlow) -> Option<()> {
		self.energy = self.energy.checked_add(flow.energy)?;
		self.imbalance = self.imbalance.checked_add(flow.imbalance)?;
		self.grid_fees = self.grid_fees.checked_add(flow.grid_fee)?;
		Some(())
	}

	/// What the imbalance pot receives: the other side of all imbalance flows, and the roundings
	/// of the energy flows.
	pub fn imbalance_pot(&self) -> Option<i128> {
		self.energy.checked_add(self.imbalance)?.checked_neg()
	}
}

/// How far the settlement of a slot has come.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Job {
	/// How many positions the slot has.
	pub positions: u32,
	/// The pass that is being made.
	pub pass: Pass,
	/// The position that is next in the pass.
	pub next: u32,
	/// The sums so far.
	pub sums: Sums,
}

impl Job {
	/// A slot that has just been cleared.
	pub fn new(positions: u32) -> Self {
		Self { positions, pass: Pass::Wait, next: 0, sums: Sums::default() }
	}

	/// Starts a pass with the first position.
	pub fn start(&mut self, pass: Pass) {
		self.pass = pass;
		self.next = 0;
	}

	/// The positions that are next.
	pub fn page(&self, size: u32) -> core::ops::Range<u32> {
		self.next..self.next.saturating_add(size).min(self.positions)
	}

	/// Whether the pass is through.
	pub fn is_at_end(&self) -> bool {
		self.next >= self.positions
	}
}
