//! What the pallet stores.

use codec::{Decode, Encode, MaxEncodedLen};
use energy_market_core::{cost_rounded_up, part_rounded_up, MinimumOrder, Ration, MILLION};
use energy_primitives::{
	Balance, ClearingResult, MarketTerms, OfferRequest, OrderIndex, Position, Side, Slot,
	SlotState, StandingId, ZoneId, MAX_COUPLED_ZONES, MAX_RECURRENCE, POSITIONS_PER_PAGE,
};
use frame_support::{pallet_prelude::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Prices on one page of the book.
pub const TICKS_PER_PAGE: u16 = 64;

/// Orders, or positions, on one page. Their keys in the trie cost more than their bytes: a page
/// is one key.
pub const ENTRIES_PER_PAGE: u32 = POSITIONS_PER_PAGE;

/// A page of orders; what was cancelled leaves a gap.
pub type OrderPage<AccountId> = BoundedVec<Option<Order<AccountId>>, ConstU32<ENTRIES_PER_PAGE>>;
/// A page of positions.
pub type PositionPage<AccountId> = BoundedVec<Position<AccountId>, ConstU32<ENTRIES_PER_PAGE>>;

/// The page of an entry, and its place on the page.
pub fn place_of(number: u32) -> (u32, usize) {
	(number / ENTRIES_PER_PAGE, (number % ENTRIES_PER_PAGE) as usize)
}

/// The energy at one price of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct TickDepth {
	/// The price's place on the page.
	pub place: u8,
	/// Wh; not zero.
	#[codec(compact)]
	pub energy_wh: u64,
}

/// The energy at the prices of one page of one side of the book, by ascending price; prices without
/// energy are left out. Most pages have few prices, and then fit into a node of the trie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct DepthPage(BoundedVec<TickDepth, ConstU32<{ TICKS_PER_PAGE as u32 }>>);

impl DepthPage {
	/// The page that has a tick, and the tick's place on it.
	pub fn place(tick: u16) -> (u16, u8) {
		// Less than the ticks of a page, which are few.
		(tick / TICKS_PER_PAGE, (tick % TICKS_PER_PAGE) as u8)
	}

	/// The prices that have energy.
	pub fn ticks(&self) -> &[TickDepth] {
		&self.0
	}

	/// The energy at a place, Wh.
	pub fn energy_at(&self, place: u8) -> u64 {
		match self.0.binary_search_by_key(&place, |tick| tick.place) {
			Ok(index) => self.0[index].energy_wh,
			Err(_) => 0,
		}
	}

	/// Adds energy at a place.
	pub fn add(&mut self, place: u8, energy_wh: u64) {
		self.change(place, |before| before.saturating_add(energy_wh));
	}

	/// Takes energy away from a place.
	pub fn take(&mut self, place: u8, energy_wh: u64) {
		self.change(place, |before| before.saturating_sub(energy_wh));
	}

	fn change(&mut self, place: u8, change: impl FnOnce(u64) -> u64) {
		match self.0.binary_search_by_key(&place, |tick| tick.place) {
			Ok(index) => {
				let energy_wh = change(self.0[index].energy_wh);
				if energy_wh == 0 {
					self.0.remove(index);
				} else {
					self.0[index].energy_wh = energy_wh;
				}
			}
			Err(index) => {
				let energy_wh = change(0);
				if energy_wh > 0 {
					// There is room for every place.
					let inserted = self.0.try_insert(index, TickDepth { place, energy_wh });
					debug_assert!(inserted.is_ok());
				}
			}
		}
	}
}

/// What makes an order need a look of its own when the gate closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Conditions {
	/// The least that is accepted, Wh.
	pub minimum_wh: u64,
	/// When it expires, seconds since 1970.
	pub expires_seconds: Option<u64>,
	/// Whether it was taken out of the book at the gate: expired, or its minimum could not be
	/// met.
	pub excluded: bool,
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
	/// The money committed for it, minor units.
	pub held: Balance,
	/// What makes it special, if anything.
	pub conditions: Option<Conditions>,
	/// The standing order that it came from.
	pub standing: Option<StandingId>,
	/// The agent that placed it, if its owner did not.
	pub agent: Option<AccountId>,
}

impl<AccountId> Order<AccountId> {
	/// Whether it was taken out of the book at the gate.
	pub fn is_excluded(&self) -> bool {
		self.conditions.is_some_and(|conditions| conditions.excluded)
	}

	/// The order as the arithmetic of minimums has it.
	pub fn minimum_order(&self) -> MinimumOrder {
		MinimumOrder {
			side: core_side(self.side),
			tick: self.tick,
			energy: self.energy_wh,
			minimum: self.conditions.map_or(0, |conditions| conditions.minimum_wh),
		}
	}
}

/// A side as the arithmetic has it.
pub fn core_side(side: Side) -> energy_market_core::Side {
	match side {
		Side::Bid => energy_market_core::Side::Bid,
		Side::Ask => energy_market_core::Side::Ask,
	}
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
			side: core_side(side),
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

impl Margin {
	/// The margin of a side of which nothing is filled.
	pub fn nothing(side: Side) -> Self {
		// No order is better than these.
		let tick = match side {
			Side::Bid => u16::MAX,
			Side::Ask => 0,
		};
		Self { tick, available: 0, total: 0, filled_before: 0 }
	}
}

/// What a proposal says of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct CoupledZone {
	/// Which.
	pub zone: ZoneId,
	/// Price, volume, and what comes from other zones.
	pub result: ClearingResult,
	/// The margin of the bids, if some are filled.
	pub bid: Option<Margin>,
	/// The margin of the asks, if some are filled.
	pub ask: Option<Margin>,
}

/// The best proposal for a region and slot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct AcceptedProposal<AccountId> {
	/// Whose it is.
	pub proposer: AccountId,
	/// Billionths of a minor unit.
	pub welfare: i128,
	/// One for each zone of the region.
	pub zones: BoundedVec<CoupledZone, ConstU32<MAX_COUPLED_ZONES>>,
}

/// How far the settlement of a coupled slot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct CoupledSlot {
	/// Zones with a market that are not settled yet.
	pub zones_left: u32,
	/// What settled zones owe others less what they are owed, minor units.
	pub balance: i128,
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
	/// The order that is filled next while the slot is being cleared; the order, then the position,
	/// that is released next while it is being annulled.
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

/// A book in which there is something to do, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct OpenBook {
	/// Zone.
	pub zone: ZoneId,
	/// Delivery slot.
	pub slot: Slot,
	/// When there is something to do, seconds since 1970.
	pub due_seconds: u64,
}

/// What an account has in the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct ClearingAccount {
	/// The account's money in the pallet's account, minor units.
	pub balance: Balance,
	/// The part of it that is committed to orders, offers and positions; never more than all.
	pub committed: Balance,
}

/// How far the standing orders of a zone are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Renewal {
	/// The slot in which they are being placed, or were placed last.
	pub slot: Slot,
	/// The last one that was looked at; all of them when this is the largest number.
	pub after: Option<StandingId>,
}

/// A bilateral offer that waits to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Offer<AccountId> {
	/// Zone.
	pub zone: ZoneId,
	/// Whose it is.
	pub maker: AccountId,
	/// What was asked for.
	pub request: OfferRequest<AccountId>,
	/// The zone's terms when it was made: what its money was reckoned with.
	pub terms: MarketTerms,
	/// What is left in each slot, Wh.
	pub remaining: BoundedVec<u64, ConstU32<MAX_RECURRENCE>>,
}

impl<AccountId> Offer<AccountId> {
	/// The slot at a place of [`Offer::remaining`].
	pub fn slot_at(&self, place: usize) -> Slot {
		Slot(self.request.first.0.saturating_add(u32::try_from(place).unwrap_or(u32::MAX)))
	}

	/// The money committed for what is left, minor units. `None` on overflow.
	pub fn held(&self) -> Option<Balance> {
		self.remaining
			.iter()
			.try_fold(0, |sum: Balance, energy_wh| sum.checked_add(self.held_for(*energy_wh)?))
	}

	/// The money committed for `energy_wh` left in one slot, minor units.
	pub fn held_for(&self, energy_wh: u64) -> Option<Balance> {
		self.terms.worst_case(self.request.side, energy_wh, self.request.price)
	}
}

/// How many of the lasting things an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Holdings {
	/// Standing orders.
	pub standing: u32,
	/// Bilateral offers.
	pub offers: u32,
}

/// The most money an order or a fill of it can cost.
pub trait WorstCase {
	/// What must be committed for `energy_wh` at `price` per kWh, minor units.
	///
	/// - A bid: the energy at its price and the grid's fees, each rounded up.
	/// - An ask: the bond: its part of the energy at the shortage price, rounded up.
	fn worst_case(&self, side: Side, energy_wh: u64, price: u64) -> Option<Balance>;
}

impl WorstCase for MarketTerms {
	fn worst_case(&self, side: Side, energy_wh: u64, price: u64) -> Option<Balance> {
		match side {
			Side::Bid => {
				let cost = cost_rounded_up(energy_wh, price);
				cost.checked_add(self.grid_fee_of(energy_wh, cost))
			}
			Side::Ask => Some(part_rounded_up(
				cost_rounded_up(energy_wh, self.shortage_price),
				self.bond_ppm.into(),
				MILLION.into(),
			)),
		}
	}
}

/// An order that has just been placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
	/// Its number.
	pub index: OrderIndex,
	/// The money committed for it, minor units.
	pub held: Balance,
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_page_of_the_book_is_a_row_of_sums() {
		let mut page = DepthPage::default();
		let mut sums = [0u64; TICKS_PER_PAGE as usize];
		// A walk over all places, with steps that come back to each of them.
		for step in 0u64..1_000 {
			let place = (step * 29 + step / 7) % u64::from(TICKS_PER_PAGE);
			let sum = &mut sums[place as usize];
			let place = place as u8;
			if step % 3 == 2 {
				page.take(place, step);
				*sum = sum.saturating_sub(step);
			} else {
				page.add(place, step);
				*sum += step;
			}
			assert_eq!(page.energy_at(place), *sum);
		}
		let kept: Vec<(u8, u64)> =
			page.ticks().iter().map(|tick| (tick.place, tick.energy_wh)).collect();
		let expected: Vec<(u8, u64)> = (0u8..).zip(sums).filter(|(_place, sum)| *sum > 0).collect();
		assert_eq!(kept, expected);
		assert!(page.encoded_size() <= DepthPage::max_encoded_len());
	}

	#[test]
	fn a_page_with_one_price_fits_into_a_node_of_the_trie() {
		let mut page = DepthPage::default();
		page.add(63, u64::MAX);
		assert!(page.encoded_size() <= 32);
	}
}
