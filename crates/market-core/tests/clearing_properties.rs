//! The fast clearing beside a slow and obvious one, on many random books.

use energy_market_core::{clear, Side};
use proptest::prelude::*;

/// An order: side, tick, energy.
type Order = (bool, u16, u64);

const TICKS: u16 = 12;

fn orders() -> impl Strategy<Value = Vec<Order>> {
	prop::collection::vec((any::<bool>(), 0..TICKS, 1u64..2_000), 0..40)
}

fn depth(orders: &[Order]) -> (Vec<u64>, Vec<u64>) {
	let mut sides = (vec![0; TICKS as usize], vec![0; TICKS as usize]);
	for &(is_bid, tick, energy) in orders {
		let side = if is_bid { &mut sides.0 } else { &mut sides.1 };
		side[tick as usize] += energy;
	}
	sides
}

fn demand(orders: &[Order], price: i32) -> u64 {
	orders.iter().filter(|order| order.0 && i32::from(order.1) >= price).map(|order| order.2).sum()
}

fn supply(orders: &[Order], price: i32) -> u64 {
	orders.iter().filter(|order| !order.0 && i32::from(order.1) <= price).map(|order| order.2).sum()
}

/// Price and volume by trying every price.
fn reference(orders: &[Order]) -> Option<(u16, u64)> {
	let prices = 0..i32::from(TICKS);
	let volume =
		prices.clone().map(|price| demand(orders, price).min(supply(orders, price))).max()?;
	if volume == 0 {
		return None;
	}
	let equilibria: Vec<i32> = prices
		.filter(|&price| {
			demand(orders, price + 1) <= supply(orders, price)
				&& supply(orders, price - 1) <= demand(orders, price)
		})
		.collect();
	let (lowest, highest) = (*equilibria.first()?, *equilibria.last()?);
	Some((((lowest + highest) / 2) as u16, volume))
}

/// What each order receives, in the order given.
fn fills(orders: &[Order]) -> Vec<u64> {
	let (bids, asks) = depth(orders);
	let Some(clearing) = clear(&bids, &asks) else { return vec![0; orders.len()] };
	let mut before = [0, 0];
	orders
		.iter()
		.map(|&(is_bid, tick, energy)| {
			let ration = clearing.ration(if is_bid { Side::Bid } else { Side::Ask });
			let before = &mut before[usize::from(is_bid)];
			let fill = ration.fill(tick, energy, *before);
			if tick == ration.tick {
				*before += energy;
			}
			fill
		})
		.collect()
}

fn cases() -> u32 {
	std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(cases()))]

	#[test]
	fn price_and_volume_are_those_of_the_reference(orders in orders()) {
		let (bids, asks) = depth(&orders);
		let fast = clear(&bids, &asks).map(|clearing| (clearing.tick, clearing.volume));
		prop_assert_eq!(fast, reference(&orders));
	}

	#[test]
	fn bought_is_sold_to_the_watt_hour(orders in orders()) {
		let (bids, asks) = depth(&orders);
		let volume = clear(&bids, &asks).map_or(0, |clearing| clearing.volume);
		let sum = |bid: bool| -> u64 {
			fills(&orders).iter().zip(&orders).filter(|(_, o)| o.0 == bid).map(|(f, _)| f).sum()
		};
		prop_assert_eq!(sum(true), volume);
		prop_assert_eq!(sum(false), volume);
	}

	#[test]
	fn limits_are_respected_and_better_orders_fill_whole(orders in orders()) {
		let (bids, asks) = depth(&orders);
		if let Some(clearing) = clear(&bids, &asks) {
			for (&(is_bid, tick, energy), fill) in orders.iter().zip(fills(&orders)) {
				prop_assert!(fill <= energy);
				let (better, worse) = if is_bid {
					(tick > clearing.tick, tick < clearing.tick)
				} else {
					(tick < clearing.tick, tick > clearing.tick)
				};
				if better {
					prop_assert_eq!(fill, energy);
				}
				if worse {
					prop_assert_eq!(fill, 0);
				}
			}
		}
	}

	#[test]
	fn price_lies_within_the_book(orders in orders()) {
		let (bids, asks) = depth(&orders);
		if let Some(clearing) = clear(&bids, &asks) {
			let best_bid = orders.iter().filter(|o| o.0).map(|o| o.1).max().expect("a bid traded");
			let best_ask = orders.iter().filter(|o| !o.0).map(|o| o.1).min().expect("an ask traded");
			prop_assert!(best_ask <= clearing.tick && clearing.tick <= best_bid);
		}
	}

	#[test]
	fn order_of_arrival_moves_a_fill_by_at_most_one_watt_hour(orders in orders()) {
		let mut reversed = orders.clone();
		reversed.reverse();
		let mut again = fills(&reversed);
		again.reverse();
		for (fill, again) in fills(&orders).into_iter().zip(again) {
			prop_assert!(fill.abs_diff(again) <= 1);
		}
	}

	#[test]
	fn another_bid_never_lowers_the_price_nor_another_ask_raises_it(
		orders in orders(),
		added in (any::<bool>(), 0..TICKS, 1u64..2_000),
	) {
		let price = |orders: &[Order]| {
			let (bids, asks) = depth(orders);
			clear(&bids, &asks).map(|clearing| clearing.tick)
		};
		let mut more = orders.clone();
		more.push(added);
		if let (Some(before), Some(after)) = (price(&orders), price(&more)) {
			let moved_the_right_way = if added.0 { after >= before } else { after <= before };
			prop_assert!(moved_the_right_way);
		}
	}
}
