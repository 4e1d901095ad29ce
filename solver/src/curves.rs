//! Demand and supply of a zone as functions of the price.

use crate::problem::Zone;
use std::ops::RangeInclusive;

/// Demand and supply of one zone, summed up so that each question takes one look.
///
/// Of the energy that the zone sells on balance, sold less bought, a price allows a range: everyone
/// who is better than the price is filled, everyone at the price may be.
pub struct Curves {
	price_floor: i128,
	tick_size: i128,
	/// `demand[t]`: what is wanted at tick `t` or above, Wh.
	demand: Vec<i128>,
	/// `supply[t]`: what is offered below tick `t`, Wh.
	supply: Vec<i128>,
}

impl Curves {
	/// Sums up the book of a zone.
	pub fn new(zone: &Zone) -> Self {
		let ticks = zone.bids.len().max(zone.asks.len());
		let at = |depth: &[u64], tick: usize| i128::from(depth.get(tick).copied().unwrap_or(0));
		let mut demand = vec![0; ticks + 1];
		let mut supply = vec![0; ticks + 1];
		for tick in 0..ticks {
			supply[tick + 1] = supply[tick] + at(&zone.asks, tick);
		}
		for tick in (0..ticks).rev() {
			demand[tick] = demand[tick + 1] + at(&zone.bids, tick);
		}
		Self {
			price_floor: i128::from(zone.price_floor),
			tick_size: i128::from(zone.tick_size),
			demand,
			supply,
		}
	}

	/// The price of the first tick past the book, minor units per kWh.
	pub fn price_past_the_end(&self) -> i128 {
		self.price(self.ticks())
	}

	fn ticks(&self) -> usize {
		self.supply.len() - 1
	}

	fn price(&self, tick: usize) -> i128 {
		self.price_floor + self.tick_size * tick as i128
	}

	/// How many ticks have a price below `price`.
	fn below(&self, price: i128) -> usize {
		let steps = (price - self.price_floor).max(0);
		((steps + self.tick_size - 1) / self.tick_size).min(self.ticks() as i128) as usize
	}

	/// How many ticks have a price of at most `price`.
	fn up_to(&self, price: i128) -> usize {
		self.below(price + 1)
	}

	/// What the zone may sell on balance at a price, Wh.
	pub fn net_sales(&self, price: i128) -> RangeInclusive<i128> {
		let (below, up_to) = (self.below(price), self.up_to(price));
		self.supply[below] - self.demand[below]..=self.supply[up_to] - self.demand[up_to]
	}

	/// The same for a price in floating point that may be off a little: limits within
	/// `uncertainty` are taken to be at the price.
	pub fn net_sales_near(&self, price: f64, uncertainty: f64) -> RangeInclusive<i128> {
		// Prices are at most 10^12 and a little, far within 128 bits.
		let lowest = (price - uncertainty).ceil() as i128;
		let highest = (price + uncertainty).floor() as i128;
		// Between two whole numbers there are no limits: then `lowest` is above `highest`.
		let (below, up_to) = (self.below(lowest), self.up_to(highest));
		self.supply[below] - self.demand[below]..=self.supply[up_to] - self.demand[up_to]
	}

	/// The lowest and the highest whole price at which the zone may sell `net` on balance. `None`
	/// in place of the lowest when any price down to nothing will do, and of the highest when any
	/// price up to infinity will.
	///
	/// `None` when the zone has not as many orders.
	pub fn prices(&self, net: i128) -> Option<(Option<i128>, Option<i128>)> {
		let sales = |tick: usize| self.supply[tick] - self.demand[tick];
		let ticks = self.ticks();
		if net < sales(0) || net > sales(ticks) {
			return None;
		}
		// `sales` grows with the tick. The first number of ticks that is enough, of which the last
		// must be at or below the price:
		let enough = first(ticks, |tick| sales(tick) >= net);
		let lowest = enough.checked_sub(1).map(|tick| self.price(tick));
		// The last number of ticks that is not too much; the next must be at or above the price:
		let too_much = first(ticks + 1, |tick| sales(tick) > net);
		let highest = (too_much <= ticks).then(|| self.price(too_much - 1));
		Some((lowest, highest))
	}

	/// What is bought and sold at a price when the zone sells `net` on balance: as much as the
	/// limits allow. Meant for a price and a `net` that go together.
	pub fn volumes(&self, price: i128, net: i128) -> (i128, i128) {
		let wanted = self.demand[self.below(price)];
		let offered = self.supply[self.up_to(price)];
		let bought = wanted.min(offered - net);
		(bought, bought + net)
	}
}

/// The first number below `end` for which a condition holds that, once it holds, goes on to hold;
/// `end` if there is none.
fn first(end: usize, holds: impl Fn(usize) -> bool) -> usize {
	let (mut low, mut high) = (0, end);
	while low < high {
		let middle = low + (high - low) / 2;
		if holds(middle) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	low
}

#[cfg(test)]
mod tests {
	use super::*;

	/// Prices 10, 12, 14: bids of 5 at 14 and 3 at 12, asks of 4 at 12.
	fn curves() -> Curves {
		Curves::new(&Zone {
			name: "zone".into(),
			price_floor: 10,
			tick_size: 2,
			bids: vec![0, 3, 5],
			asks: vec![0, 4],
		})
	}

	#[test]
	fn net_sales_follow_the_price() {
		let curves = curves();
		let expected = [
			(0, -8..=-8),
			(10, -8..=-8),
			(11, -8..=-8),
			(12, -8..=-1),
			(13, -1..=-1),
			(14, -1..=4),
			(15, 4..=4),
			(1_000, 4..=4),
		];
		for (price, range) in expected {
			assert_eq!(curves.net_sales(price), range, "{price}");
			assert_eq!(curves.net_sales_near(price as f64, 1e-6), range, "{price}");
		}
		assert_eq!(curves.net_sales_near(11.9999999, 1e-6), -8..=-1);
		assert_eq!(curves.net_sales_near(11.99, 1e-6), -8..=-8);
	}

	#[test]
	fn prices_are_those_whose_range_holds_the_net_sales() {
		let curves = curves();
		for net in -10..=6 {
			let allowed: Vec<i128> =
				(0..100).filter(|price| curves.net_sales(*price).contains(&net)).collect();
			let found = curves.prices(net).map(|(lowest, highest)| {
				(lowest.unwrap_or(0)..=highest.unwrap_or(99)).collect::<Vec<_>>()
			});
			assert_eq!(found.unwrap_or_default(), allowed, "{net}");
		}
	}

	#[test]
	fn volumes_are_as_large_as_the_limits_allow() {
		let curves = curves();
		assert_eq!(curves.volumes(12, -4), (8, 4));
		assert_eq!(curves.volumes(13, -1), (5, 4));
		assert_eq!(curves.volumes(14, 4), (0, 4));
	}
}
