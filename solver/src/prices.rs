//! From whole flows to whole prices, exactly.
//!
//! Given the flows, each zone allows a range of prices, and each link bounds one of its prices by
//! the other: one that sends must not lose, one that is not full must not gain, but for what
//! the certificate explains by rounding. All bounds are of the form "this price is at least a
//! growing function of that one", so that the prices that keep them all have a least and a greatest
//! element, and between the two a least one above any wish (the lattice of monotone inequalities
//! with two variables each; Hochbaum and Naor 1994). Each is found by raising, or lowering, prices
//! that break a bound until none does.
//!
//! The wish is the middle between the least and the greatest prices, as in the call auction of a
//! single zone; a zone in which no one trades gets the price nearest to its own orders.

use crate::{curves::Curves, flows::net_sales, problem::Problem};
use energy_market_core::coupling::{Link, Proposal, ZoneProposal};

/// How often prices are moved before giving up.
const MOST_MOVES: usize = 100_000;

const PPM: i128 = 1_000_000;

/// Into how many steps the allowance for rounding is divided.
const ALLOWANCE_STEPS: i128 = 8;

/// Prices and volumes for given flows, with as little rounding as is possible. `None` when no
/// prices go with them.
pub fn proposal(problem: &Problem, curves: &[Curves], flows_wh: &[u64]) -> Option<Proposal> {
	(0..=ALLOWANCE_STEPS).find_map(|steps| proposal_within(problem, curves, flows_wh, steps))
}

/// The same, with so many steps of the allowance.
fn proposal_within(
	problem: &Problem,
	curves: &[Curves],
	flows_wh: &[u64],
	steps: i128,
) -> Option<Proposal> {
	let links = problem.links();
	let net = net_sales(links, flows_wh, curves.len());
	let ranges: Vec<(Option<i128>, Option<i128>)> =
		curves.iter().zip(&net).map(|(curves, &net)| curves.prices(net)).collect::<Option<_>>()?;
	// No price needs to be above all limits, but for roundings on the way.
	let top = curves.iter().map(Curves::price_past_the_end).max().unwrap_or(0);
	let ceiling = top + 10_000;

	let bounds: Vec<Bound> =
		links.iter().zip(flows_wh).flat_map(|(link, &flow)| Bound::of(link, flow, steps)).collect();
	let lowest: Vec<i128> = ranges.iter().map(|(lowest, _)| lowest.unwrap_or(0)).collect();
	let highest: Vec<i128> = ranges.iter().map(|(_, highest)| highest.unwrap_or(ceiling)).collect();
	let least = raised(lowest, &bounds, &highest)?;
	let greatest = lowered(highest, &bounds, &least)?;
	let wishes = ranges.iter().zip(least.iter().zip(&greatest));
	let wishes = wishes.map(|(range, (&least, &greatest))| match range {
		(Some(_), None) => least,
		(None, Some(_)) => greatest,
		(None, None) if greatest > top => least,
		_ => least + (greatest - least) / 2,
	});
	let prices = raised(wishes.collect(), &bounds, &greatest)?;

	let zones = curves.iter().zip(&net).zip(&prices).map(|((curves, &net), &price)| {
		let (bought, sold) = curves.volumes(price, net);
		Some(ZoneProposal {
			price: u64::try_from(price).ok()?,
			bought_wh: u64::try_from(bought).ok()?,
			sold_wh: u64::try_from(sold).ok()?,
		})
	});
	Some(Proposal { zones: zones.collect::<Option<_>>()?, flows_wh: flows_wh.to_vec() })
}

/// `price[zone] * factor + allowance >= price[than] * than_factor + constant`.
struct Bound {
	zone: usize,
	factor: i128,
	than: usize,
	than_factor: i128,
	/// With the allowance already taken off.
	constant: i128,
}

impl Bound {
	/// The bounds of a link with a given flow, and so many steps of the allowance.
	fn of(link: &Link, flow: u64, steps: i128) -> impl Iterator<Item = Bound> {
		let arriving = PPM - i128::from(link.loss_ppm);
		let paid = PPM + i128::from(link.fee_ppm);
		let fee = i128::from(link.fee_per_kwh) * PPM;
		let is_exact = link.loss_ppm == 0 && link.fee_ppm == 0;
		let whole = if is_exact { 0 } else { (paid + arriving) / 2 };
		let allowance = whole * steps / ALLOWANCE_STEPS;
		// In use, a link must not lose.
		let in_use = (flow > 0).then_some(Bound {
			zone: link.to,
			factor: arriving,
			than: link.from,
			than_factor: paid,
			constant: fee - allowance,
		});
		// With room for more, it must not gain.
		let not_full = (flow < link.capacity_wh).then_some(Bound {
			zone: link.from,
			factor: paid,
			than: link.to,
			than_factor: arriving,
			constant: -fee - allowance,
		});
		in_use.into_iter().chain(not_full)
	}

	/// What the lower price must be at least.
	fn least(&self, prices: &[i128]) -> i128 {
		let right = prices[self.than] * self.than_factor + self.constant;
		-(-right).div_euclid(self.factor)
	}

	/// What the other price must be at most.
	fn most(&self, prices: &[i128]) -> i128 {
		(prices[self.zone] * self.factor - self.constant).div_euclid(self.than_factor)
	}
}

/// The least prices from `prices` upwards that keep all bounds. `None` when one would have to rise
/// above its highest.
fn raised(mut prices: Vec<i128>, bounds: &[Bound], highest: &[i128]) -> Option<Vec<i128>> {
	for _ in 0..MOST_MOVES {
		if prices.iter().zip(highest).any(|(price, highest)| price > highest) {
			return None;
		}
		let mut moved = false;
		for bound in bounds {
			let least = bound.least(&prices);
			if prices[bound.zone] < least {
				prices[bound.zone] = least;
				moved = true;
			}
		}
		if !moved {
			return Some(prices);
		}
	}
	None
}

/// The greatest prices from `prices` downwards that keep all bounds. `None` when one would have to
/// fall below its lowest.
fn lowered(mut prices: Vec<i128>, bounds: &[Bound], lowest: &[i128]) -> Option<Vec<i128>> {
	for _ in 0..MOST_MOVES {
		if prices.iter().zip(lowest).any(|(price, lowest)| price < lowest) {
			return None;
		}
		let mut moved = false;
		for bound in bounds {
			let most = bound.most(&prices);
			if prices[bound.than] > most {
				prices[bound.than] = most;
				moved = true;
			}
		}
		if !moved {
			return Some(prices);
		}
	}
	None
}
