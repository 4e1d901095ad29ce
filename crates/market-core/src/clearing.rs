//! The call auction: one price for all, found from the depth of the book.
//!
//! # Which price
//!
//! With `D(p)` the energy of all bids at or above the price `p` and `S(p)` that of all offers at
//! or below it, `p` is an equilibrium when everyone who is strictly better than `p` can be
//! served: `D(p + 1) <= S(p)` and `S(p - 1) <= D(p)`. The equilibria form a closed interval of ticks, and
//! the volume `min(D(p), S(p))` is the largest possible at each of them. The clearing price is the
//! middle of that interval, rounded down. This is the k-double auction with k = 1/2 (Chatterjee and
//! Samuelson 1983; Satterthwaite and Williams 1989) on a grid of prices; wholesale
//! day-ahead markets take the middle too where a range of prices clears.
//!
//! # Who is rationed
//!
//! On each side the best prices fill first. All orders of one price are treated alike: at the one
//! tick where the energy runs out, each order receives its share, see [`Ration::fill`]. When an order
//! arrived plays no part in how much a price level receives, and moves an order's fill
//! by less than one watt-hour.

/// Buying or selling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
	/// An offer to buy at or below a limit.
	Bid,
	/// An offer to sell at or above a limit.
	Ask,
}

/// The margin of one side: the tick at which the energy runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ration {
	/// Which side.
	pub side: Side,
	/// The marginal tick: better ticks fill whole, worse ones not at all.
	pub tick: u16,
	/// What is left for the marginal tick, Wh; at most `total`.
	pub available: u64,
	/// What the orders of the marginal tick ask for, Wh.
	pub total: u64,
}

/// The outcome of a call auction in which energy changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearing {
	/// The tick of the one price.
	pub tick: u16,
	/// The energy that changes hands, Wh. Never zero.
	pub volume: u64,
	bid: Ration,
	ask: Ration,
}

impl Clearing {
	/// The margin of a side.
	pub fn ration(&self, side: Side) -> Ration {
		match side {
			Side::Bid => self.bid,
			Side::Ask => self.ask,
		}
	}
}

impl Ration {
	/// What an order receives, Wh.
	///
	/// `before` is the energy of the orders at the same tick that were looked at earlier: the
	/// shares telescope, `floor(c2 * R / Q) - floor(c1 * R / Q)` with `c1 = before` and
	/// `c2 = before + energy`, so that they sum to `R` to the watt-hour whatever the order in
	/// which they are taken.
	pub fn fill(&self, tick: u16, energy: u64, before: u64) -> u64 {
		let better = match self.side {
			Side::Bid => tick > self.tick,
			Side::Ask => tick < self.tick,
		};
		if better {
			energy
		} else if tick == self.tick {
			self.share(before.saturating_add(energy)).saturating_sub(self.share(before))
		} else {
			0
		}
	}

	/// `floor(cumulative * R / Q)`, at most `R`.
	fn share(&self, cumulative: u64) -> u64 {
		if cumulative >= self.total {
			return self.available;
		}
		let share = u128::from(cumulative) * u128::from(self.available) / u128::from(self.total);
		// Below `available`, because `cumulative < total`.
		share as u64
	}
}

/// Clears a book in one pass over its ticks.
///
/// `bids[t]` and `asks[t]` are the energy at tick `t`, Wh; the lowest price is tick 0. Both slices
/// have the same length of at most 65,536, and each side sums to at most `u64::MAX`; ticks past the shorter
/// slice are taken as empty, and sums beyond are held at the largest number. `None` when no bid
/// reaches an offer.
pub fn clear(bids: &[u64], asks: &[u64]) -> Option<Clearing> {
	let ticks = bids.len().min(asks.len()).min(1 << 16);
	let (bids, asks) = (&bids[..ticks], &asks[..ticks]);

	// D(p + 1) falls and S(p) grows with p: the lowest equilibrium is the first tick where they
	// cross, the highest is the last at which S(p - 1) <= D(p) still holds.
	let mut demand: u64 = bids.iter().fold(0, |sum, energy| sum.saturating_add(*energy));
	let mut supply: u64 = 0;
	let mut lowest = None;
	let mut highest = 0;
	let mut volume = 0;
	for tick in 0..ticks {
		// Here `demand` is D(tick) and `supply` is S(tick - 1).
		if supply <= demand {
			highest = tick;
		} else {
			break;
		}
		supply = supply.saturating_add(asks[tick]);
		volume = volume.max(demand.min(supply));
		demand = demand.saturating_sub(bids[tick]);
		if lowest.is_none() && demand <= supply {
			lowest = Some(tick);
		}
	}
	let lowest = lowest?;
	if volume == 0 {
		return None;
	}
	let bid = ration(Side::Bid, volume, bids.iter().enumerate().rev())?;
	let ask = ration(Side::Ask, volume, asks.iter().enumerate())?;
	Some(Clearing { tick: ((lowest + highest) / 2) as u16, volume, bid, ask })
}

/// Goes from the best price to the one where the volume is used up.
pub(crate) fn ration<'a>(
	side: Side,
	volume: u64,
	best_first: impl Iterator<Item = (usize, &'a u64)>,
) -> Option<Ration> {
	let mut left = volume;
	for (tick, &total) in best_first {
		if total >= left {
			return Some(Ration { side, tick: tick as u16, available: left, total });
		}
		left -= total;
	}
	None
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn clear_is_none_when_book_is_empty_or_does_not_cross() {
		assert_eq!(clear(&[], &[]), None);
		assert_eq!(clear(&[0, 0], &[0, 0]), None);
		assert_eq!(clear(&[5, 0], &[0, 0]), None);
		assert_eq!(clear(&[0, 0], &[0, 5]), None);
		assert_eq!(clear(&[5, 0], &[0, 5]), None);
	}

	#[test]
	fn price_is_the_middle_of_the_range_when_one_bid_meets_one_ask() {
		let clearing = clear(&[0, 0, 0, 0, 7], &[0, 7, 0, 0, 0]).unwrap();
		assert_eq!((clearing.tick, clearing.volume), (2, 7));
	}

	#[test]
	fn price_is_the_marginal_bid_when_supply_is_scarce_between_bids() {
		// 10 Wh offered at tick 0; bids of 10 at tick 5 and of 10 at tick 2: the range is 2 to 5.
		let clearing = clear(&[0, 0, 10, 0, 0, 10], &[10, 0, 0, 0, 0, 0]).unwrap();
		assert_eq!((clearing.tick, clearing.volume), (3, 10));
		// Only 8 offered: tick 5 is rationed, and the price is its limit.
		let clearing = clear(&[0, 0, 10, 0, 0, 10], &[8, 0, 0, 0, 0, 0]).unwrap();
		assert_eq!((clearing.tick, clearing.volume), (5, 8));
		assert_eq!(clearing.ration(Side::Bid).fill(5, 10, 0), 8);
		assert_eq!(clearing.ration(Side::Bid).fill(2, 10, 0), 0);
	}

	#[test]
	fn shares_sum_to_what_is_available() {
		let ration = Ration { side: Side::Bid, tick: 1, available: 100, total: 300 };
		let fills = [ration.fill(1, 100, 0), ration.fill(1, 100, 100), ration.fill(1, 100, 200)];
		assert_eq!(fills, [33, 33, 34]);
	}

	#[test]
	fn largest_energies_do_not_overflow() {
		let clearing = clear(&[u64::MAX, 0], &[u64::MAX, 0]).unwrap();
		assert_eq!((clearing.tick, clearing.volume), (0, u64::MAX));
		assert_eq!(clearing.ration(Side::Ask).fill(0, u64::MAX, 0), u64::MAX);
	}
}
