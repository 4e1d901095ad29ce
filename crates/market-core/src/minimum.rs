//! Orders with a minimum: at least so much, or nothing.
//!
//! Such an order is in the book like any other. It is served whole when its price is better than the
//! margin. When it stands at the marginal tick and its pro-rata share, rounded down, is below its minimum,
//! it is taken out and the book is cleared again, until every minimum that is left is met. An
//! order that was taken out may then be better than the final price and yet receive nothing: a
//! paradoxically rejected order, as block orders of European day-ahead markets are (NEMO Committee,
//! "EUPHEMIA Public Description"). Who is taken out does not depend on when orders came.

use crate::{clear, Clearing, Side};
use alloc::{vec, vec::Vec};

/// An order that is to be served with at least its minimum, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinimumOrder {
	/// Buying or selling.
	pub side: Side,
	/// The tick of its limit.
	pub tick: u16,
	/// What it asks for, Wh.
	pub energy: u64,
	/// The least it accepts, Wh; at most `energy`.
	pub minimum: u64,
}

/// What became of a book with minimums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinimumClearing {
	/// Price, volume and margins, without the orders that were taken out.
	pub clearing: Option<Clearing>,
	/// For each order with a minimum, whether it was taken out.
	pub excluded: Vec<bool>,
}

/// Clears a book; see the top of this page. `bids` and `asks` are as [`clear`] has them and include
/// `orders`; what is taken out is subtracted from them.
///
/// Each round takes out at least one order, so there are at most one more rounds than `orders`.
pub fn clear_with_minimums(
	bids: &mut [u64],
	asks: &mut [u64],
	orders: &[MinimumOrder],
) -> MinimumClearing {
	let mut excluded = vec![false; orders.len()];
	loop {
		let clearing = clear(bids, asks);
		let Some(found) = clearing else { return MinimumClearing { clearing, excluded } };
		let mut is_final = true;
		for (order, excluded) in orders.iter().zip(&mut excluded) {
			let margin = found.ration(order.side);
			// The first share that is handed out is rounded down.
			let share = margin.fill(order.tick, order.energy, 0);
			if *excluded || order.tick != margin.tick || share >= order.minimum {
				continue;
			}
			*excluded = true;
			is_final = false;
			let depth = match order.side {
				Side::Bid => &mut *bids,
				Side::Ask => &mut *asks,
			};
			if let Some(energy) = depth.get_mut(usize::from(order.tick)) {
				*energy = energy.saturating_sub(order.energy);
			}
		}
		if is_final {
			return MinimumClearing { clearing, excluded };
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn order(side: Side, tick: u16, energy: u64, minimum: u64) -> MinimumOrder {
		MinimumOrder { side, tick, energy, minimum }
	}

	#[test]
	fn minimum_is_kept_when_the_share_reaches_it() {
		let orders = [order(Side::Bid, 1, 100, 50)];
		let cleared = clear_with_minimums(&mut [0, 200], &mut [100, 0], &orders);
		assert_eq!(cleared.excluded, [false]);
		assert_eq!(cleared.clearing.unwrap().volume, 100);
	}

	#[test]
	fn order_is_taken_out_when_its_share_is_too_small() {
		let orders = [order(Side::Bid, 1, 100, 51)];
		let (mut bids, mut asks) = ([0, 200], [100, 0]);
		let cleared = clear_with_minimums(&mut bids, &mut asks, &orders);
		assert_eq!(cleared.excluded, [true]);
		assert_eq!((bids, cleared.clearing.unwrap().volume), ([0, 100], 100));
	}

	#[test]
	fn both_sides_may_lose_orders_one_after_the_other() {
		// The bid of 100 or nothing finds 60; without it the ask of at least 50 finds 10.
		let orders = [order(Side::Bid, 1, 100, 100), order(Side::Ask, 0, 60, 50)];
		let cleared = clear_with_minimums(&mut [0, 110], &mut [60, 0], &orders);
		assert_eq!(cleared, MinimumClearing { clearing: None, excluded: vec![true, true] });
	}
}
