//! Orders with a minimum receive at least it, or nothing, and the books still balance.

use energy_market_core::{clear, clear_with_minimums, MinimumOrder, Side};
use proptest::prelude::*;

const TICKS: u16 = 8;

/// Side, tick, energy, and the minimum in hundredths of the energy; zero for none.
type Order = (bool, u16, u64, u64);

fn orders() -> impl Strategy<Value = Vec<Order>> {
	prop::collection::vec(
		(any::<bool>(), 0..TICKS, 1u64..500, prop_oneof![Just(0u64), 1u64..=100]),
		0..24,
	)
}

fn side(is_bid: bool) -> Side {
	if is_bid {
		Side::Bid
	} else {
		Side::Ask
	}
}

fn minimum((_, _, energy, hundredths): Order) -> u64 {
	(energy * hundredths).div_ceil(100)
}

fn depth<'a>(orders: impl Iterator<Item = &'a Order>) -> [Vec<u64>; 2] {
	let mut sides = [vec![0; TICKS as usize], vec![0; TICKS as usize]];
	for &(is_bid, tick, energy, _) in orders {
		sides[usize::from(is_bid)][tick as usize] += energy;
	}
	sides
}

/// Which orders are taken out, in the order given.
fn excluded(orders: &[Order]) -> Vec<bool> {
	let [mut asks, mut bids] = depth(orders.iter());
	let special: Vec<MinimumOrder> = orders
		.iter()
		.filter(|order| order.3 > 0)
		.map(|order| MinimumOrder {
			side: side(order.0),
			tick: order.1,
			energy: order.2,
			minimum: minimum(*order),
		})
		.collect();
	let mut found = clear_with_minimums(&mut bids, &mut asks, &special).excluded.into_iter();
	orders.iter().map(|order| order.3 > 0 && found.next().unwrap_or(false)).collect()
}

/// The same, by clearing whole books of orders again and again.
fn slowly(orders: &[Order]) -> Vec<bool> {
	let mut out = vec![false; orders.len()];
	loop {
		let [asks, bids] =
			depth(orders.iter().zip(&out).filter(|(_, out)| !**out).map(|(order, _)| order));
		let Some(clearing) = clear(&bids, &asks) else { return out };
		let below: Vec<usize> = (0..orders.len())
			.filter(|&place| {
				let (is_bid, tick, energy, hundredths) = orders[place];
				let margin = clearing.ration(side(is_bid));
				let share = u128::from(energy) * u128::from(margin.available)
					/ u128::from(margin.total.max(1));
				!out[place]
					&& hundredths > 0
					&& tick == margin.tick
					&& (share as u64) < minimum(orders[place])
			})
			.collect();
		if below.is_empty() {
			return out;
		}
		below.into_iter().for_each(|place| out[place] = true);
	}
}

fn cases() -> u32 {
	std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(cases()))]

	#[test]
	fn taken_out_are_those_of_the_reference(orders in orders()) {
		prop_assert_eq!(excluded(&orders), slowly(&orders));
	}

	#[test]
	fn order_of_arrival_does_not_matter(orders in orders()) {
		let mut reversed = orders.clone();
		reversed.reverse();
		let mut again = excluded(&reversed);
		again.reverse();
		prop_assert_eq!(excluded(&orders), again);
	}

	#[test]
	fn minimums_are_met_and_bought_is_sold(orders in orders()) {
		let out = excluded(&orders);
		let left: Vec<Order> =
			orders.iter().zip(&out).filter(|(_, out)| !**out).map(|(order, _)| *order).collect();
		let [asks, bids] = depth(left.iter());
		let clearing = clear(&bids, &asks);
		let (mut before, mut sums) = ([0, 0], [0, 0]);
		for order in left {
			let (is_bid, tick, energy, _) = order;
			let Some(clearing) = clearing else { continue };
			let margin = clearing.ration(side(is_bid));
			let fill = margin.fill(tick, energy, before[usize::from(is_bid)]);
			if tick == margin.tick {
				before[usize::from(is_bid)] += energy;
			}
			sums[usize::from(is_bid)] += fill;
			prop_assert!(fill == 0 || fill >= minimum(order));
		}
		let volume = clearing.map_or(0, |clearing| clearing.volume);
		prop_assert_eq!(sums, [volume, volume]);
	}
}
