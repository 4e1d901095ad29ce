//! The answer: as JSON, and in words.

use crate::{problem::Problem, solve::Solution};
use energy_market_core::coupling::BILLIONTHS_PER_MINOR_UNIT;
use serde::Serialize;
use std::fmt::Write;

/// An accepted outcome, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
	/// One for each zone, in the order of the problem.
	pub zones: Vec<ZoneAnswer>,
	/// One for each link, in the order of the problem.
	pub links: Vec<LinkAnswer>,
	/// Minor units, a decimal number with nine places; a text, because it need not fit the numbers
	/// of all readers of JSON. So are all sums of money.
	pub welfare: String,
	/// Minor units: by how much another outcome can be better at most.
	pub gap: String,
	/// Minor units: what rounding explains of the gap.
	pub tolerance: String,
}

/// The outcome of one zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneAnswer {
	/// The zone.
	pub name: String,
	/// Its price, minor units per kWh.
	pub price: u64,
	/// What its bids buy, Wh.
	pub bought_wh: u64,
	/// What its asks sell, Wh.
	pub sold_wh: u64,
}

/// The outcome of one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkAnswer {
	/// Where it begins.
	pub from: String,
	/// Where it ends.
	pub to: String,
	/// What is sent, Wh.
	pub flow_wh: u64,
	/// What arrives, Wh.
	pub arriving_wh: u64,
	/// Fees and congestion rent, minor units.
	pub income: String,
}

impl Answer {
	/// Puts names and numbers together.
	pub fn new(problem: &Problem, solution: &Solution) -> Self {
		let zones = problem.zones().iter().zip(&solution.proposal.zones);
		let name = |zone: usize| problem.zones()[zone].name.clone();
		let flows = solution.proposal.flows_wh.iter().zip(&solution.verified.links);
		let links = problem.links().iter().zip(flows);
		let verified = &solution.verified;
		Self {
			zones: zones
				.map(|(zone, proposed)| ZoneAnswer {
					name: zone.name.clone(),
					price: proposed.price,
					bought_wh: proposed.bought_wh,
					sold_wh: proposed.sold_wh,
				})
				.collect(),
			links: links
				.map(|(link, (&flow_wh, outcome))| LinkAnswer {
					from: name(link.from),
					to: name(link.to),
					flow_wh,
					arriving_wh: outcome.arriving_wh,
					income: decimal(outcome.income < 0, outcome.income.unsigned_abs()),
				})
				.collect(),
			welfare: decimal(verified.welfare < 0, verified.welfare.unsigned_abs()),
			gap: decimal(false, verified.gap),
			tolerance: decimal(false, verified.tolerance),
		}
	}
}

/// Billionths of a minor unit as minor units.
fn decimal(is_negative: bool, billionths: u128) -> String {
	let sign = if is_negative { "-" } else { "" };
	let whole = billionths / BILLIONTHS_PER_MINOR_UNIT;
	let part = billionths % BILLIONTHS_PER_MINOR_UNIT;
	format!("{sign}{whole}.{part:09}")
}

/// The answer for people: a line for each zone and each link that is in use.
pub fn summary(answer: &Answer, rounds: usize) -> String {
	let mut text = String::new();
	// Writing to a text does not fail.
	let _ =
		writeln!(text, "{:<20} {:>12} {:>18} {:>18}", "zone", "price/kWh", "bought Wh", "sold Wh");
	for zone in &answer.zones {
		let ZoneAnswer { name, price, bought_wh, sold_wh } = zone;
		let _ = writeln!(text, "{name:<20} {price:>12} {bought_wh:>18} {sold_wh:>18}");
	}
	let used: Vec<&LinkAnswer> = answer.links.iter().filter(|link| link.flow_wh > 0).collect();
	if !used.is_empty() {
		let _ = writeln!(text, "{:<33} {:>18} {:>18}", "link", "sent Wh", "arriving Wh");
	}
	for link in &used {
		let ends = format!("{} → {}", link.from, link.to);
		let _ = writeln!(text, "{ends:<33} {:>18} {:>18}", link.flow_wh, link.arriving_wh);
	}
	let idle = answer.links.len() - used.len();
	if idle > 0 {
		let _ = writeln!(text, "{idle} of {} links idle", answer.links.len());
	}
	let times = if rounds == 1 { "once" } else { "several times" };
	let _ = writeln!(
		text,
		"welfare {} minor units; proven the best up to {}, all of it by rounding; solved {times}",
		answer.welfare, answer.gap
	);
	text
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn money_is_decimal() {
		assert_eq!(decimal(false, 8_500_000_001), "8.500000001");
		assert_eq!(decimal(true, 1), "-0.000000001");
	}
}
