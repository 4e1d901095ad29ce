//! The certificate for coupled zones beside slow and obvious references, on many random networks.
//!
//! Three references: the conditions of an equilibrium, order by order and link by link; the best
//! welfare of small networks, by trying all flows; and an optimum of larger networks without
//! losses, by cancelling negative cycles (Klein 1967).

use energy_market_core::{
	clear,
	coupling::{verify, Link, Proposal, Rejection, ZoneBook, ZoneProposal},
	Side,
};
use proptest::prelude::*;

const PPM: i128 = 1_000_000;

/// 2,000 cases, or as many as the environment says.
fn config() -> ProptestConfig {
	match std::env::var_os("PROPTEST_CASES") {
		Some(_) => ProptestConfig::default(),
		None => ProptestConfig::with_cases(2_000),
	}
}

#[derive(Clone, Debug)]
struct Zone {
	bids: Vec<u64>,
	asks: Vec<u64>,
	price_floor: u64,
	tick_size: u64,
}

impl Zone {
	fn book(&self) -> ZoneBook<'_> {
		ZoneBook {
			bids: &self.bids,
			asks: &self.asks,
			price_floor: self.price_floor,
			tick_size: self.tick_size,
		}
	}

	/// Limit and energy of every order, the best first.
	fn orders(&self, side: Side) -> Vec<(u64, u64)> {
		let depth = match side {
			Side::Bid => &self.bids,
			Side::Ask => &self.asks,
		};
		let orders = depth
			.iter()
			.enumerate()
			.map(|(tick, &energy)| (self.price_floor + tick as u64 * self.tick_size, energy));
		match side {
			Side::Bid => orders.rev().collect(),
			Side::Ask => orders.collect(),
		}
	}

	/// Each order's limit, energy and fill when the best orders are filled up to `volume`.
	fn fills(&self, side: Side, volume: u64) -> Option<Vec<(u64, u64, u64)>> {
		let mut left = volume;
		let fills = self
			.orders(side)
			.into_iter()
			.map(|(limit, energy)| {
				let fill = energy.min(left);
				left -= fill;
				(limit, energy, fill)
			})
			.collect();
		(left == 0).then_some(fills)
	}

	/// What the filled energy is worth at its limits, thousandths of a minor unit.
	fn worth(&self, side: Side, volume: u64) -> Option<i128> {
		let fills = self.fills(side, volume)?;
		Some(fills.iter().map(|&(limit, _, fill)| i128::from(limit) * i128::from(fill)).sum())
	}
}

#[derive(Clone, Debug)]
struct Problem {
	zones: Vec<Zone>,
	links: Vec<Link>,
}

impl Problem {
	fn verify(
		&self,
		proposal: &Proposal,
	) -> Result<energy_market_core::coupling::Verified, Rejection> {
		let books: Vec<ZoneBook> = self.zones.iter().map(Zone::book).collect();
		verify(&books, &self.links, proposal)
	}
}

/// The books of one zone: some ticks of each side hold energy.
fn zone(ticks: usize, energy: u64) -> impl Strategy<Value = Zone> {
	let side = move || {
		let level = prop_oneof![2 => Just(0), 1 => 1..=energy];
		prop::collection::vec(level, 0..=ticks)
	};
	(side(), side(), 0u64..30, prop_oneof![Just(1u64), Just(2), Just(13)]).prop_map(
		|(bids, asks, price_floor, tick_size)| Zone { bids, asks, price_floor, tick_size },
	)
}

fn loss_ppm() -> impl Strategy<Value = u32> {
	prop_oneof![
		2 => Just(0u32),
		1 => prop::sample::select(vec![1, 20_000, 100_000, 250_000, 333_333, 500_000, 900_000]),
		1 => 0u32..600_000,
	]
}

fn fee_ppm() -> impl Strategy<Value = u32> {
	prop_oneof![
		3 => Just(0u32),
		1 => prop::sample::select(vec![10_000, 100_000, 500_000, 1_000_000]),
	]
}

fn link(zones: usize, capacity: u64) -> impl Strategy<Value = Link> {
	let fee = prop_oneof![Just(0u64), 0u64..30];
	(0..zones, 1..zones, 0..=capacity, loss_ppm(), fee, fee_ppm()).prop_map(
		move |(from, step, capacity_wh, loss_ppm, fee_per_kwh, fee_ppm)| Link {
			from,
			to: (from + step) % zones,
			capacity_wh,
			loss_ppm,
			fee_per_kwh,
			fee_ppm,
		},
	)
}

/// Networks that can be searched exhaustively.
fn small_problem() -> impl Strategy<Value = Problem> {
	(2usize..4, 1u64..6).prop_flat_map(|(zones, energy)| {
		(prop::collection::vec(zone(4, energy), zones), prop::collection::vec(link(zones, 4), 0..4))
			.prop_map(|(zones, links)| Problem { zones, links })
	})
}

/// The same, with nothing lost and no percentages.
fn small_lossless_problem() -> impl Strategy<Value = Problem> {
	small_problem().prop_map(without_losses)
}

fn without_losses(mut problem: Problem) -> Problem {
	for link in &mut problem.links {
		(link.loss_ppm, link.fee_ppm) = (0, 0);
	}
	problem
}

fn larger_lossless_problem() -> impl Strategy<Value = Problem> {
	(1usize..7).prop_flat_map(|zones| {
		let links = if zones == 1 { 0..1 } else { 0..13 };
		(
			prop::collection::vec(zone(12, 5_000), zones),
			prop::collection::vec(link(zones.max(2), 9_000), links),
		)
			.prop_map(|(zones, links)| without_losses(Problem { zones, links }))
	})
}

/// The first reference: feasible, everyone better than the price filled whole, nobody beyond the
/// limit, no link off by more than the rounding of two prices, nothing unmatched at a price.
fn is_equilibrium(problem: &Problem, proposal: &Proposal) -> bool {
	let (zones, links) = (&problem.zones, &problem.links);
	let mut balance = vec![0i128; zones.len()];
	for (link, &flow) in links.iter().zip(&proposal.flows_wh) {
		let flow = i128::from(flow);
		if flow > i128::from(link.capacity_wh) {
			return false;
		}
		let arriving_ppm = PPM - i128::from(link.loss_ppm);
		balance[link.from] -= flow;
		balance[link.to] += flow * arriving_ppm / PPM;
		let (from, to) = (proposal.zones[link.from].price, proposal.zones[link.to].price);
		let cost = i128::from(from) * (PPM + i128::from(link.fee_ppm))
			+ i128::from(link.fee_per_kwh) * PPM;
		let margin = i128::from(to) * arriving_ppm - cost;
		let exact = link.loss_ppm == 0 && link.fee_ppm == 0;
		let twice_allowed = if exact { 0 } else { PPM + arriving_ppm + i128::from(link.fee_ppm) };
		if 2 * margin > twice_allowed && flow < i128::from(link.capacity_wh)
			|| 2 * margin < -twice_allowed && flow > 0
		{
			return false;
		}
	}
	zones.iter().zip(&proposal.zones).zip(balance).all(|((zone, proposed), balance)| {
		let price = proposed.price;
		let (Some(bids), Some(asks)) =
			(zone.fills(Side::Bid, proposed.bought_wh), zone.fills(Side::Ask, proposed.sold_wh))
		else {
			return false;
		};
		let bids_fair = bids.iter().all(|&(limit, energy, fill)| {
			(limit <= price || fill == energy) && (limit >= price || fill == 0)
		});
		let asks_fair = asks.iter().all(|&(limit, energy, fill)| {
			(limit >= price || fill == energy) && (limit <= price || fill == 0)
		});
		let left = |fills: &[(u64, u64, u64)]| {
			fills.iter().any(|&(limit, energy, fill)| limit == price && fill < energy)
		};
		bids_fair
			&& asks_fair
			&& !(left(&bids) && left(&asks))
			&& i128::from(proposed.sold_wh) + balance == i128::from(proposed.bought_wh)
	})
}

/// All flows within the capacities.
fn all_flows(links: &[Link]) -> Vec<Vec<u64>> {
	links.iter().fold(vec![vec![]], |flows, link| {
		flows
			.iter()
			.flat_map(|flow| {
				(0..=link.capacity_wh).map(move |next| [flow.as_slice(), &[next]].concat())
			})
			.collect()
	})
}

/// What each zone must sell on balance, Wh.
fn net_sales(problem: &Problem, flows: &[u64]) -> Vec<i128> {
	let mut net = vec![0; problem.zones.len()];
	for (link, &flow) in problem.links.iter().zip(flows) {
		net[link.from] += i128::from(flow);
		net[link.to] -= i128::from(flow) * (PPM - i128::from(link.loss_ppm)) / PPM;
	}
	net
}

/// The second reference: the best welfare, thousandths of a minor unit, by trying all flows and
/// all volumes. Only for links without percentages.
fn best_welfare(problem: &Problem) -> i128 {
	let candidates = all_flows(&problem.links).into_iter().filter_map(|flows| {
		let mut welfare = 0;
		for (zone, net) in problem.zones.iter().zip(net_sales(problem, &flows)) {
			let most: u64 = zone.bids.iter().sum();
			welfare += (0..=most)
				.filter_map(|bought| {
					let sold = u64::try_from(i128::from(bought) + net).ok()?;
					Some(zone.worth(Side::Bid, bought)? - zone.worth(Side::Ask, sold)?)
				})
				.max()?;
		}
		let fees = problem.links.iter().zip(&flows);
		let fees: u64 = fees.map(|(link, flow)| link.fee_per_kwh * flow).sum();
		Some(welfare - i128::from(fees))
	});
	candidates.max().expect("no flow at all is always possible")
}

/// Volumes of one zone at a price that sell `net` on balance, if the limits allow, as large as
/// they can be.
fn volumes(zone: &Zone, price: u64, net: i128) -> Option<ZoneProposal> {
	let wanted: u64 =
		zone.orders(Side::Bid).iter().filter(|(limit, _)| *limit >= price).map(|o| o.1).sum();
	let offered: u64 =
		zone.orders(Side::Ask).iter().filter(|(limit, _)| *limit <= price).map(|o| o.1).sum();
	let bought = i128::from(wanted).min(i128::from(offered) - net);
	let bought_wh = u64::try_from(bought).ok()?;
	let sold_wh = u64::try_from(bought + net).ok()?;
	Some(ZoneProposal { price, bought_wh, sold_wh })
}

/// Whether everyone in a zone who is better than its price is filled whole.
fn better_are_filled(zone: &Zone, proposed: &ZoneProposal) -> bool {
	let filled = |side, volume, is_better: fn(u64, u64) -> bool| {
		let fills = zone.fills(side, volume).unwrap_or_default();
		fills
			.iter()
			.all(|&(limit, energy, fill)| !is_better(limit, proposed.price) || fill == energy)
	};
	filled(Side::Bid, proposed.bought_wh, |limit, price| limit > price)
		&& filled(Side::Ask, proposed.sold_wh, |limit, price| limit < price)
}

/// Some equilibrium of a small network, by trying all flows and all prices.
fn search(problem: &Problem) -> Option<Proposal> {
	let highest = problem
		.zones
		.iter()
		.map(|zone| zone.price_floor + 5 * zone.tick_size)
		.max()
		.expect("there are zones");
	all_flows(&problem.links).into_iter().find_map(|flows| {
		let net = net_sales(problem, &flows);
		let contents = problem.zones.iter().zip(net).map(|(zone, net)| {
			(0..=highest)
				.filter_map(|price| volumes(zone, price, net))
				.filter(|proposed| better_are_filled(zone, proposed))
				.collect()
		});
		let candidates: Vec<Vec<ZoneProposal>> = contents.collect();
		complete(problem, &flows, &candidates, &mut Vec::new())
	})
}

/// Chooses prices zone after zone, and gives up early where a link is not content.
fn complete(
	problem: &Problem,
	flows: &[u64],
	candidates: &[Vec<ZoneProposal>],
	chosen: &mut Vec<ZoneProposal>,
) -> Option<Proposal> {
	let zone = chosen.len();
	let Some(choices) = candidates.get(zone) else {
		let proposal = Proposal { zones: chosen.clone(), flows_wh: flows.to_vec() };
		return is_equilibrium(problem, &proposal).then_some(proposal);
	};
	for choice in choices {
		chosen.push(*choice);
		let content = problem.links.iter().zip(flows).all(|(link, &flow)| {
			if link.from.max(link.to) != zone {
				return true;
			}
			let (from, to) = (chosen[link.from].price, chosen[link.to].price);
			let arriving = PPM - i128::from(link.loss_ppm);
			let margin = i128::from(to) * arriving
				- i128::from(from) * (PPM + i128::from(link.fee_ppm))
				- i128::from(link.fee_per_kwh) * PPM;
			let exact = link.loss_ppm == 0 && link.fee_ppm == 0;
			let allowed = if exact { 0 } else { PPM + arriving + i128::from(link.fee_ppm) };
			(flow == link.capacity_wh || 2 * margin <= allowed)
				&& (flow == 0 || 2 * margin >= -allowed)
		});
		if content {
			if let Some(proposal) = complete(problem, flows, candidates, chosen) {
				return Some(proposal);
			}
		}
		chosen.pop();
	}
	None
}

/// An arc of a network in which energy flows in circles through a market place.
#[derive(Clone, Copy)]
struct Arc {
	from: usize,
	to: usize,
	capacity: i128,
	cost: i128,
	flow: i128,
}

/// The third reference, for links without losses and percentages: cancel circles that lower the
/// cost until there are none; then the distances from the market place are the prices.
fn cheapest_circulation(problem: &Problem) -> Proposal {
	let zones = problem.zones.len();
	let market = zones;
	let mut arcs = Vec::new();
	let mut add = |from, to, capacity: u64, cost: i128| {
		arcs.push(Arc { from, to, capacity: i128::from(capacity), cost, flow: 0 });
	};
	for link in &problem.links {
		add(link.from, link.to, link.capacity_wh, i128::from(link.fee_per_kwh));
	}
	for (index, zone) in problem.zones.iter().enumerate() {
		for (limit, energy) in zone.orders(Side::Ask) {
			add(market, index, energy, i128::from(limit));
		}
		for (limit, energy) in zone.orders(Side::Bid) {
			add(index, market, energy, -i128::from(limit));
		}
		// An endless offer that nobody takes, so that every zone has a distance.
		add(market, index, u64::MAX, 1_000_000);
	}
	loop {
		let (distances, cycle) = shortest_paths(&arcs, zones + 1, market);
		let Some(cycle) = cycle else {
			let flows_wh = arcs[..problem.links.len()].iter().map(|arc| arc.flow as u64).collect();
			let proposal = Proposal { zones: vec![], flows_wh };
			let net = net_sales(problem, &proposal.flows_wh);
			let prices = problem.zones.iter().zip(net).zip(distances);
			let zones = prices.map(|((zone, net), price)| {
				let price = u64::try_from(price.max(0)).expect("not negative");
				volumes(zone, price, net).expect("the circulation is feasible")
			});
			return Proposal { zones: zones.collect(), ..proposal };
		};
		let room = |&(arc, forward): &(usize, bool)| {
			let arc = &arcs[arc];
			if forward {
				arc.capacity - arc.flow
			} else {
				arc.flow
			}
		};
		let amount = cycle.iter().map(room).min().expect("a circle has arcs");
		for (arc, forward) in cycle {
			arcs[arc].flow += if forward { amount } else { -amount };
		}
	}
}

/// Bellman and Ford: distances, and a circle of negative cost if there is one.
fn shortest_paths(
	arcs: &[Arc],
	nodes: usize,
	source: usize,
) -> (Vec<i128>, Option<Vec<(usize, bool)>>) {
	const FAR: i128 = 1 << 100;
	let mut distances = vec![FAR; nodes];
	let mut reached_by: Vec<Option<(usize, usize, bool)>> = vec![None; nodes];
	distances[source] = 0;
	for round in 0..=nodes {
		let mut changed = None;
		for (index, arc) in arcs.iter().enumerate() {
			let ways = [
				(arc.from, arc.to, arc.cost, arc.flow < arc.capacity, true),
				(arc.to, arc.from, -arc.cost, arc.flow > 0, false),
			];
			for (from, to, cost, open, forward) in ways {
				if open && distances[from] < FAR && distances[from] + cost < distances[to] {
					distances[to] = distances[from] + cost;
					reached_by[to] = Some((from, index, forward));
					changed = Some(to);
				}
			}
		}
		let Some(mut node) = changed else { return (distances, None) };
		if round == nodes {
			// Going back as often as there are nodes ends on the circle.
			for _ in 0..nodes {
				node = reached_by[node].expect("on the way back from a circle").0;
			}
			let mut cycle = Vec::new();
			let start = node;
			loop {
				let (from, arc, forward) = reached_by[node].expect("on the circle");
				cycle.push((arc, forward));
				node = from;
				if node == start {
					return (distances, Some(cycle));
				}
			}
		}
	}
	unreachable!("the last round returns")
}

/// Somewhere near an outcome.
#[derive(Clone, Copy, Debug)]
enum Change {
	Price {
		zone: usize,
		by: i64,
	},
	Bought {
		zone: usize,
		by: i64,
	},
	Sold {
		zone: usize,
		by: i64,
	},
	/// Both sides of a zone, so that it stays balanced.
	Volume {
		zone: usize,
		by: i64,
	},
	Flow {
		link: usize,
		by: i64,
	},
	/// Another flow, and volumes at both ends that balance it.
	BalancedFlow {
		link: usize,
		by: i64,
	},
	/// Nothing is sent over a link, and both ends balance that.
	DroppedFlow {
		link: usize,
	},
}

fn change() -> impl Strategy<Value = Change> {
	let by = || prop_oneof![Just(1i64), Just(-1), -20i64..20];
	prop_oneof![
		(0usize..6, by()).prop_map(|(zone, by)| Change::Price { zone, by }),
		(0usize..6, by()).prop_map(|(zone, by)| Change::Bought { zone, by }),
		(0usize..6, by()).prop_map(|(zone, by)| Change::Sold { zone, by }),
		(0usize..6, by()).prop_map(|(zone, by)| Change::Volume { zone, by }),
		(0usize..12, by()).prop_map(|(link, by)| Change::Flow { link, by }),
		(0usize..12, by()).prop_map(|(link, by)| Change::BalancedFlow { link, by }),
		(0usize..12).prop_map(|link| Change::DroppedFlow { link }),
	]
}

fn moved(number: u64, by: i64) -> u64 {
	number.saturating_add_signed(by)
}

/// Applies a change; one of a link that is not there changes nothing.
fn changed(problem: &Problem, proposal: &Proposal, change: Change) -> Proposal {
	let mut proposal = proposal.clone();
	let zones = proposal.zones.len();
	let links = proposal.flows_wh.len();
	let set_flow = |proposal: &mut Proposal, link: usize, flow: u64| {
		proposal.flows_wh[link] = flow.min(problem.links[link].capacity_wh);
		let net = net_sales(problem, &proposal.flows_wh);
		for zone in [problem.links[link].from, problem.links[link].to] {
			let price = proposal.zones[zone].price;
			if let Some(volumes) = volumes(&problem.zones[zone], price, net[zone]) {
				proposal.zones[zone] = volumes;
			}
		}
	};
	match change {
		Change::Price { zone, by } => {
			let proposed = &mut proposal.zones[zone % zones];
			proposed.price = moved(proposed.price, by);
		}
		Change::Bought { zone, by } => {
			let proposed = &mut proposal.zones[zone % zones];
			proposed.bought_wh = moved(proposed.bought_wh, by);
		}
		Change::Sold { zone, by } => {
			let proposed = &mut proposal.zones[zone % zones];
			proposed.sold_wh = moved(proposed.sold_wh, by);
		}
		Change::Volume { zone, by } => {
			let proposed = &mut proposal.zones[zone % zones];
			proposed.bought_wh = moved(proposed.bought_wh, by);
			proposed.sold_wh = moved(proposed.sold_wh, by);
		}
		_ if links == 0 => {}
		Change::Flow { link, by } => {
			let flow = &mut proposal.flows_wh[link % links];
			*flow = moved(*flow, by);
		}
		Change::BalancedFlow { link, by } => {
			let flow = moved(proposal.flows_wh[link % links], by);
			set_flow(&mut proposal, link % links, flow);
		}
		Change::DroppedFlow { link } => set_flow(&mut proposal, link % links, 0),
	}
	proposal
}

/// What buyers pay less what sellers are paid, thousandths of a minor unit.
fn paid_on_balance(proposal: &Proposal) -> i128 {
	let zones = proposal.zones.iter();
	zones
		.map(|zone| {
			let net = i128::from(zone.bought_wh) - i128::from(zone.sold_wh);
			i128::from(zone.price) * net
		})
		.sum()
}

proptest! {
	#![proptest_config(config())]

	#[test]
	fn equilibrium_in_whole_numbers_exists_and_is_accepted(problem in small_problem()) {
		let proposal = search(&problem);
		prop_assert!(proposal.is_some(), "no equilibrium in whole numbers");
		if let Some(proposal) = proposal {
			let verified = problem.verify(&proposal);
			prop_assert!(verified.is_ok(), "{verified:?} for {proposal:?}");
		}
	}

	#[test]
	fn accepted_is_the_best_of_all_when_nothing_is_lost(problem in small_lossless_problem()) {
		let proposal = cheapest_circulation(&problem);
		let verified = problem.verify(&proposal);
		prop_assert!(verified.is_ok(), "{verified:?} for {proposal:?}");
		if let Ok(verified) = verified {
			prop_assert_eq!((verified.gap, verified.tolerance), (0, 0));
			prop_assert_eq!(verified.welfare, best_welfare(&problem) * PPM);
		}
	}

	#[test]
	fn accepted_is_the_best_of_all_up_to_its_gap_when_energy_is_lost(
		problem in small_problem(),
	) {
		let mut problem = problem;
		for link in &mut problem.links {
			link.fee_ppm = 0;
		}
		if let Some(proposal) = search(&problem) {
			let verified = problem.verify(&proposal);
			prop_assert!(verified.is_ok(), "{verified:?} for {proposal:?}");
			if let Ok(verified) = verified {
				let best = best_welfare(&problem) * PPM;
				prop_assert!(verified.gap <= verified.tolerance);
				prop_assert!(verified.welfare <= best);
				prop_assert!(best <= verified.welfare + verified.gap as i128);
			}
		}
	}

	#[test]
	fn cheapest_circulation_is_accepted_without_a_gap(problem in larger_lossless_problem()) {
		let proposal = cheapest_circulation(&problem);
		prop_assert!(is_equilibrium(&problem, &proposal));
		let verified = problem.verify(&proposal);
		prop_assert!(verified.is_ok(), "{verified:?} for {proposal:?}");
		if let Ok(verified) = verified {
			prop_assert_eq!((verified.gap, verified.tolerance), (0, 0));
		}
	}

	#[test]
	fn change_is_rejected_or_equally_good_when_nothing_is_lost(
		problem in larger_lossless_problem(),
		changes in prop::collection::vec(change(), 1..4),
	) {
		let optimum = cheapest_circulation(&problem);
		let best = problem.verify(&optimum).map(|verified| verified.welfare);
		let mut proposal = optimum;
		for change in changes {
			proposal = changed(&problem, &proposal, change);
			let verified = problem.verify(&proposal);
			prop_assert_eq!(verified.is_ok(), is_equilibrium(&problem, &proposal));
			if let Ok(verified) = verified {
				prop_assert_eq!(Ok(verified.welfare), best);
			}
		}
	}

	#[test]
	fn change_is_accepted_only_in_equilibrium_when_energy_is_lost(
		problem in small_problem(),
		changes in prop::collection::vec(change(), 1..6),
	) {
		if let Some(mut proposal) = search(&problem) {
			for change in changes {
				proposal = changed(&problem, &proposal, change);
				let verified = problem.verify(&proposal);
				prop_assert_eq!(verified.is_ok(), is_equilibrium(&problem, &proposal));
			}
		}
	}

	#[test]
	fn any_feasible_outcome_is_judged_as_the_reference_does(
		problem in small_problem(),
		prices in prop::collection::vec(0u64..60, 3),
		flows in prop::collection::vec(0u64..5, 3),
	) {
		let flows_wh: Vec<u64> =
			problem.links.iter().zip(flows).map(|(link, flow)| flow.min(link.capacity_wh)).collect();
		let net = net_sales(&problem, &flows_wh);
		let zones = problem.zones.iter().zip(prices).zip(net);
		let zones: Option<Vec<ZoneProposal>> =
			zones.map(|((zone, price), net)| volumes(zone, price, net)).collect();
		if let Some(zones) = zones {
			let proposal = Proposal { zones, flows_wh };
			let verified = problem.verify(&proposal);
			prop_assert_eq!(verified.is_ok(), is_equilibrium(&problem, &proposal));
		}
	}

	#[test]
	fn price_moved_beyond_rounding_is_rejected_where_both_ends_are_fixed(
		asked in 0u64..50,
		loss_ppm in 0u32..900_000,
		fee_per_kwh in 0u64..50,
		fee_ppm in fee_ppm(),
		capacity_wh in 2u64..10_000,
	) {
		// Half of the link is used, and the price of the first zone is pinned by its ask.
		let link = Link { from: 0, to: 1, capacity_wh, loss_ppm, fee_per_kwh, fee_ppm };
		let arriving = link.arriving_wh(capacity_wh / 2);
		let first = Zone { bids: vec![], asks: vec![capacity_wh], price_floor: asked, tick_size: 1 };
		let second =
			Zone { bids: vec![arriving], asks: vec![], price_floor: 1_000_000, tick_size: 1 };
		let problem = Problem { zones: vec![first, second], links: vec![link] };
		let cost = asked * (1_000_000 + u64::from(fee_ppm)) + fee_per_kwh * 1_000_000;
		let remaining = u64::from(1_000_000 - loss_ppm);
		let nearest = (cost + remaining / 2) / remaining;
		let verified = |price| problem.verify(&Proposal {
			zones: vec![
				ZoneProposal { price: asked, bought_wh: 0, sold_wh: capacity_wh / 2 },
				ZoneProposal { price, bought_wh: arriving, sold_wh: 0 },
			],
			flows_wh: vec![capacity_wh / 2],
		});
		prop_assert!(verified(nearest).is_ok());
		let exact = loss_ppm == 0 && fee_ppm == 0;
		let allowed =
			if exact { 0 } else { 1_000_000 + remaining + u64::from(fee_ppm) }.div_ceil(2 * remaining);
		for price in (nearest + allowed + 1)..(nearest + allowed + 5) {
			let is_refused = matches!(verified(price), Err(Rejection::GapTooLarge { .. }));
			prop_assert!(is_refused);
		}
		for price in nearest.saturating_sub(allowed + 5)..nearest.saturating_sub(allowed) {
			let is_refused = matches!(verified(price), Err(Rejection::GapTooLarge { .. }));
			prop_assert!(is_refused);
		}
	}

	#[test]
	fn single_zone_has_the_outcomes_of_clear(zone in zone(12, 2_000), price in 0u64..250) {
		let problem = Problem { zones: vec![zone.clone()], links: vec![] };
		let outcome = |price, volume| Proposal {
			zones: vec![ZoneProposal { price, bought_wh: volume, sold_wh: volume }],
			flows_wh: vec![],
		};
		let ticks = zone.bids.len().max(zone.asks.len());
		let padded = |depth: &[u64]| {
			let mut padded = depth.to_vec();
			padded.resize(ticks, 0);
			padded
		};
		let (bids, asks) = (padded(&zone.bids), padded(&zone.asks));
		let clearing = clear(&bids, &asks);
		let volume = clearing.map_or(0, |clearing| clearing.volume);
		for tick in 0..ticks {
			let price = zone.price_floor + tick as u64 * zone.tick_size;
			let demand_above: u64 = bids[tick + 1..].iter().sum();
			let supply_below: u64 = asks[..tick].iter().sum();
			let in_equilibrium = demand_above <= supply_below + asks[tick]
				&& supply_below <= demand_above + bids[tick];
			let verified = problem.verify(&outcome(price, volume));
			prop_assert_eq!(verified.is_ok(), in_equilibrium);
			if let (Ok(verified), Some(clearing)) = (verified, clearing) {
				prop_assert_eq!(verified.gap, 0);
				for side in [Side::Bid, Side::Ask] {
					prop_assert_eq!(verified.zones[0].ration(side), Some(clearing.ration(side)));
				}
			}
			for other in [volume.wrapping_sub(1), volume + 1, volume / 2] {
				if other != volume {
					prop_assert!(problem.verify(&outcome(price, other)).is_err());
				}
			}
		}
		// A price that need not be a tick.
		let verified = problem.verify(&outcome(price, volume)).is_ok();
		prop_assert_eq!(verified, is_equilibrium(&problem, &outcome(price, volume)));
	}

	#[test]
	fn what_buyers_pay_is_what_sellers_and_links_receive(problem in small_problem()) {
		if let Some(proposal) = search(&problem) {
			let verified = problem.verify(&proposal);
			prop_assert!(verified.is_ok());
			if let Ok(verified) = verified {
				let incomes: i128 = verified.links.iter().map(|link| link.income).sum();
				prop_assert_eq!(incomes, paid_on_balance(&proposal) * PPM);
				for (zone, fills) in proposal.zones.iter().zip(&verified.zones) {
					let sides = [(Side::Bid, zone.bought_wh), (Side::Ask, zone.sold_wh)];
					for (side, volume) in sides {
						prop_assert_eq!(fills.ration(side).is_some(), volume > 0);
					}
				}
			}
		}
	}

	#[test]
	fn rations_fill_the_orders_to_the_volume(problem in larger_lossless_problem()) {
		let proposal = cheapest_circulation(&problem);
		let verified = problem.verify(&proposal);
		prop_assert!(verified.is_ok());
		if let Ok(verified) = verified {
			let zones = problem.zones.iter().zip(&proposal.zones).zip(&verified.zones);
			for ((zone, proposed), fills) in zones {
				let sides = [
					(Side::Bid, &zone.bids, proposed.bought_wh),
					(Side::Ask, &zone.asks, proposed.sold_wh),
				];
				for (side, depth, volume) in sides {
					let ration = fills.ration(side);
					let filled = |(tick, &energy): (usize, &u64)| {
						ration.map_or(0, |ration| ration.fill(tick as u16, energy, 0))
					};
					prop_assert_eq!(depth.iter().enumerate().map(filled).sum::<u64>(), volume);
				}
			}
		}
	}

	#[test]
	fn any_input_is_answered(
		sides in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..4), 6),
		grids in prop::collection::vec(any::<(u64, u64)>(), 3),
		links in prop::collection::vec(any::<(u8, u8, u64, u32, u64, u32)>(), 0..4),
		proposed in prop::collection::vec(any::<(u64, u64, u64)>(), 2..4),
		flows_wh in prop::collection::vec(any::<u64>(), 0..4),
	) {
		let books: Vec<ZoneBook> = sides
			.chunks(2)
			.zip(&grids)
			.map(|(sides, &(price_floor, tick_size))| ZoneBook {
				bids: &sides[0],
				asks: &sides[1],
				price_floor,
				tick_size,
			})
			.collect();
		let links: Vec<Link> = links
			.into_iter()
			.map(|(from, to, capacity_wh, loss_ppm, fee_per_kwh, fee_ppm)| Link {
				from: usize::from(from % 4),
				to: usize::from(to % 4),
				capacity_wh,
				loss_ppm,
				fee_per_kwh,
				fee_ppm,
			})
			.collect();
		let zones = proposed
			.into_iter()
			.map(|(price, bought_wh, sold_wh)| ZoneProposal { price, bought_wh, sold_wh })
			.collect();
		let _ = verify(&books, &links, &Proposal { zones, flows_wh });
	}
}
