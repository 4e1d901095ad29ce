//! What the pallet stores.

use codec::{Decode, Encode, MaxEncodedLen};
use energy_market_core::{Deviation, Deviations};
use energy_primitives::{Balance, CashFlow, SlotDeviations, POSITIONS_PER_PAGE};
use scale_info::TypeInfo;

/// The pots of a zone. The index of each is part of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Pot {
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
	/// What was measured is put beside what was promised.
	Measure,
	/// The policy contract is asked.
	Ask,
	/// The bills are paid.
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
	/// To be received for energy at the agreed prices, less what is to be paid.
	pub promised: i128,
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
	/// of the energy flows, without what other zones are owed.
	pub fn imbalance_pot(&self, owed_to_other_zones: i128) -> Option<i128> {
		self.energy.checked_add(self.imbalance)?.checked_add(owed_to_other_zones)?.checked_neg()
	}
}

/// How far the settlement of a slot has come.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Job {
	/// How many positions the slot has.
	pub positions: u32,
	/// The pass that is being made.
	pub pass: Pass,
	/// The page of positions that is next in the pass.
	pub next: u32,
	/// The sums so far.
	pub sums: Sums,
	/// The deviations so far; complete once all positions are measured.
	pub deviations: SlotDeviations,
}

impl Job {
	/// A slot that has just been cleared.
	pub fn new(positions: u32) -> Self {
		Self {
			positions,
			pass: Pass::Wait,
			next: 0,
			sums: Sums::default(),
			deviations: SlotDeviations::default(),
		}
	}

	/// Starts a pass with the first page.
	pub fn start(&mut self, pass: Pass) {
		self.pass = pass;
		self.next = 0;
	}

	/// Adds a participant's deviation to those of the slot.
	pub fn add_deviation(&mut self, deviation: Deviation) {
		let SlotDeviations { shortage_wh, surplus_wh } = self.deviations;
		let mut sums = Deviations { shortage_wh, surplus_wh };
		sums.add(deviation);
		self.deviations =
			SlotDeviations { shortage_wh: sums.shortage_wh, surplus_wh: sums.surplus_wh };
	}

	/// The next pages, at most `most`.
	pub fn pages(&self, most: u32) -> core::ops::Range<u32> {
		self.next..self.next.saturating_add(most).min(self.page_count())
	}

	/// The positions on some pages.
	pub fn positions_on(&self, pages: &core::ops::Range<u32>) -> u32 {
		let end = pages.end.saturating_mul(POSITIONS_PER_PAGE).min(self.positions);
		end.saturating_sub(pages.start.saturating_mul(POSITIONS_PER_PAGE))
	}

	/// How many pages the positions fill.
	pub fn page_count(&self) -> u32 {
		self.positions.div_ceil(POSITIONS_PER_PAGE)
	}

	/// Whether the pass is through.
	pub fn is_at_end(&self) -> bool {
		self.next >= self.page_count()
	}
}
