//! What the pallet stores.

use codec::{Decode, Encode, MaxEncodedLen};
use energy_market_core::Ration;
use energy_primitives::{Balance, ClearingResult, MarketTerms, Side, SlotState};
use scale_info::TypeInfo;

/// Prices on one page of the book.
pub const TICKS_PER_PAGE: u16 = 64;

/// The energy at the prices of one page of one side of the book, Wh.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct DepthPage(pub [u64; TICKS_PER_PAGE as usize]);

impl Default for DepthPage {
	fn default() -> Self {
		Self([0; TICKS_PER_PAGE as usize])
	}
}

impl DepthPage {
	/// The page that has a tick, and the tick's place on it.
	pub fn place(tick: u16) -> (u16, usize) {
		(tick / TICKS_PER_PAGE, usize::from(tick % TICKS_PER_PAGE))
	}
}

/// An order in the book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Order<AccountId> {
	/// Whose it is.
	pub account: AccountId,
	/// Bid or ask.
	pub side: Side,
	/// The limit as a tick of the slot's terms.
	pub tick: u16,
	/// Wh.
	pub energy_wh: u64,
	/// The money held for it, minor units.
	pub held: Balance,
}

/// The margin of one side, as [`energy_market_core::Ration`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Margin {
	/// The marginal tick.
	pub tick: u16,
	/// What is left for it, Wh.
	pub available: u64,
	/// What its orders ask for, Wh.
	pub total: u64,
	/// What those of them ask for that have been filled so far, Wh.
	pub filled_before: u64,
}

impl Margin {
	/// The margin before any order is filled.
	pub fn new(ration: Ration) -> Self {
		Self {
			tick: ration.tick,
			available: ration.available,
			total: ration.total,
			filled_before: 0,
		}
	}

	/// What an order receives, Wh. Orders are to be taken one after another.
	pub fn fill(&mut self, side: Side, tick: u16, energy_wh: u64) -> u64 {
		let ration = Ration {
			side: match side {
				Side::Bid => energy_market_core::Side::Bid,
				Side::Ask => energy_market_core::Side::Ask,
			},
			tick: self.tick,
			available: self.available,
			total: self.total,
		};
		let fill = ration.fill(tick, energy_wh, self.filled_before);
		if tick == self.tick {
			self.filled_before = self.filled_before.saturating_add(energy_wh);
		}
		fill
	}
}

/// The price of a slot, and how its orders are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Outcome {
	/// Price and volume.
	pub result: ClearingResult,
	/// The margin of the bids.
	pub bid: Margin,
	/// The margin of the asks.
	pub ask: Margin,
}

/// The market of one zone and slot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Book {
	/// The rules, as they were when the first order came.
	pub terms: MarketTerms,
	/// Where it stands.
	pub state: SlotState,
	/// The number of the next order; orders so far, cancelled ones too.
	pub next_order: u32,
	/// Energy of the open bids, Wh.
	pub bid_wh: u64,
	/// Energy of the open asks, Wh.
	pub ask_wh: u64,
	/// The price, once the gate is closed and energy changes hands.
	pub outcome: Option<Outcome>,
	/// The order that is filled next, while the slot is being cleared.
	pub cursor: u32,
	/// Positions so far.
	pub positions: u32,
}

impl Book {
	/// A book without orders.
	pub fn new(terms: MarketTerms) -> Self {
		Self {
			terms,
			state: SlotState::Open,
			next_order: 0,
			bid_wh: 0,
			ask_wh: 0,
			outcome: None,
			cursor: 0,
			positions: 0,
		}
	}

	/// The energy of one side.
	pub fn side_mut(&mut self, side: Side) -> &mut u64 {
		match side {
			Side::Bid => &mut self.bid_wh,
			Side::Ask => &mut self.ask_wh,
		}
	}
}

/// The sides of a book, and the most money an order or a fill of it can cost.
pub trait WorstCase {
	/// What must be held for `energy_wh` at `price` per kWh, minor units.
	///
	/// - A bid: the energy at its price and the grid fee, each rounded up.
	/// - An ask: the energy at the shortage price, rounded up: what it owes if nothing is
	///   delivered.
	fn worst_case(&self, side: Side, energy_wh: u64, price: u64) -> Option<Balance>;
}

impl WorstCase for MarketTerms {
	fn worst_case(&self, side: Side, energy_wh: u64, price: u64) -> Option<Balance> {
		use energy_market_core::cost_rounded_up;
		match side {
			Side::Bid => cost_rounded_up(energy_wh, price)
				.checked_add(cost_rounded_up(energy_wh, self.grid_fee)),
			Side::Ask => Some(cost_rounded_up(energy_wh, self.shortage_price)),
		}
	}
}
