//! From flows in floating point to flows in whole watt-hours.
//!
//! The prices of the linear programme tell which links are full, which are idle, and which may send
//! anything; likewise what each zone may sell on balance. Rounded flows are off by a few
//! watt-hours. What a zone is short of, or has too much of, is passed on over links that may send
//! anything, on the shortest way, to a zone that can give or take it.
//!
//! Two links that join the same zones in parallel with different losses can determine the prices
//! of both zones without any order at the margin. Then no zone can give or take anything, and
//! instead the flow is shifted around the circle until the roundings add up.

use crate::{
	curves::Curves,
	linear::{arriving, Optimum},
	problem::Problem,
};
use energy_market_core::coupling::Link;
use std::collections::VecDeque;

/// Floating-point prices are taken to be equal when they differ by less than this part.
const PRICE_PRECISION: f64 = 1e-7;

/// How often watt-hours are passed on before giving up.
const MOST_ROUNDS: usize = 500;

/// How far a flow is shifted to see what comes of it, Wh.
const PROBE: i64 = 1_000;

/// How often a shift is corrected.
const MOST_STEPS: usize = 40;

/// How far around a shift all others are tried, Wh.
const MOST_NEARBY: i64 = 500;

/// Whole flows near those of an optimum, Wh, at the fees for which it is the optimum.
///
/// They are the best that was found, and need not be balanced; see [`crate::prices`] for whether
/// they are.
pub fn whole_flows(
	problem: &Problem,
	curves: &[Curves],
	optimum: &Optimum,
	fees: &[f64],
) -> Vec<u64> {
	let mut network = Network::new(problem, curves, optimum, fees);
	network.pass_on();
	network.shift_circles();
	network.flows
}

/// Flows that are being balanced.
#[derive(Clone)]
struct Network<'a> {
	links: &'a [Link],
	flows: Vec<u64>,
	/// What each link may send, Wh.
	bounds: Vec<(u64, u64)>,
	/// What each zone may sell on balance, Wh.
	allowed: Vec<(i128, i128)>,
	/// Links that are left as they are.
	is_kept: Vec<bool>,
}

/// In which way a zone is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
	/// It would have to sell more than it can: something must come in.
	Short,
	/// It would have to sell less than it must: something must go out.
	Over,
}

/// One link on a way over which watt-hours are passed on.
#[derive(Clone, Copy, Debug)]
struct Step {
	link: usize,
	/// Whether the link leads to the zone that passes on, or away from it.
	leads_here: bool,
}

impl<'a> Network<'a> {
	fn new(problem: &'a Problem, curves: &[Curves], optimum: &Optimum, fees: &[f64]) -> Self {
		let links = problem.links();
		let uncertainty = |price: f64| PRICE_PRECISION * (1.0 + price.abs());
		let offered = problem.offered_wh();
		let mut flows = Vec::new();
		let mut bounds = Vec::new();
		for ((link, &flow), fee) in links.iter().zip(&optimum.flows_wh).zip(fees) {
			let (from, to) = (optimum.prices[link.from], optimum.prices[link.to]);
			let margin = arriving(link) * to - from - fee;
			let most = link.capacity_wh;
			let (least, most) = if margin > uncertainty(from + to + fee) {
				// Where all that is offered is too little to fill it, floating point is wrong.
				let full = most.min(offered);
				(full, full)
			} else if margin < -uncertainty(from + to + fee) {
				(0, 0)
			} else {
				(0, most)
			};
			bounds.push((least, most));
			// Flows are not negative, but for noise, and far below 2^64.
			flows.push((flow.round().max(0.0) as u64).clamp(least, most));
		}
		let allowed = curves
			.iter()
			.zip(&optimum.prices)
			.map(|(curves, &price)| curves.net_sales_near(price, uncertainty(price)).into_inner());
		let is_kept = vec![false; links.len()];
		Self { links, flows, bounds, allowed: allowed.collect(), is_kept }
	}

	/// What each zone has to sell on balance, Wh.
	fn net_sales(&self) -> Vec<i128> {
		net_sales(self.links, &self.flows, self.allowed.len())
	}

	/// A zone that is off, how, and by how much.
	fn off(&self, except: &[bool]) -> Option<(usize, Off, u64)> {
		let net = self.net_sales();
		let zones = net.into_iter().zip(&self.allowed).enumerate();
		zones.filter(|(zone, _)| !except[*zone]).find_map(|(zone, (net, &(least, most)))| {
			// Sums of energies are below 2^64.
			if net > most {
				Some((zone, Off::Short, (net - most) as u64))
			} else if net < least {
				Some((zone, Off::Over, (least - net) as u64))
			} else {
				None
			}
		})
	}

	fn pass_on(&mut self) {
		let mut given_up = vec![false; self.allowed.len()];
		for _ in 0..MOST_ROUNDS {
			let Some((zone, off, amount)) = self.off(&given_up) else { return };
			if !self.pass_on_from(zone, off, amount) {
				given_up[zone] = true;
			}
		}
	}

	/// Shifts the flow around circles through each zone that is still off.
	fn shift_circles(&mut self) {
		let mut given_up = vec![false; self.allowed.len()];
		while let Some((zone, _, _)) = self.off(&given_up) {
			let shifted = (0..self.links.len()).find_map(|link| self.shifted(zone, link));
			match shifted {
				Some(flows) => self.flows = flows,
				None => given_up[zone] = true,
			}
		}
	}

	/// The flows with one link shifted so that, when all others have followed, the zone is balanced.
	///
	/// What the zone is off by is nearly linear in the shift: it is approached as a straight line,
	/// and then every shift nearby is tried until the roundings add up.
	fn shifted(&self, zone: usize, link: usize) -> Option<Vec<u64>> {
		let (least, most) = self.bounds[link];
		let flow = self.flows[link];
		if least == most {
			return None;
		}
		let off_after = |shift: i64| {
			let shifted = flow.checked_add_signed(shift)?;
			(least..=most).contains(&shifted).then(|| self.off_after(zone, link, shifted))?
		};
		let probe = [PROBE, -PROBE, 1, -1];
		let (off, _) = off_after(0)?;
		let (probe, (off_probe, _)) =
			probe.into_iter().find_map(|probe| Some((probe, off_after(probe)?)))?;
		let slope = (off_probe - off) as f64 / probe as f64;
		if slope == 0.0 {
			// The circle has nothing to do with the zone.
			return None;
		}
		let mut shift = 0;
		for _ in 0..MOST_STEPS {
			let (off, flows) = off_after(shift)?;
			if off == 0 {
				return Some(flows);
			}
			// What does not fit is cut off, and is then outside the bounds.
			let step = (off as f64 / slope).round() as i64;
			if step == 0 {
				break;
			}
			shift = shift.saturating_sub(step);
		}
		(1..=MOST_NEARBY)
			.flat_map(|distance| [shift + distance, shift - distance])
			.find_map(|shift| off_after(shift).and_then(|(off, flows)| (off == 0).then_some(flows)))
	}

	/// What the zone is off by, more positive the more it is short of, and the flows, when one link
	/// gets another flow and all other zones are balanced at the expense of this one.
	fn off_after(&self, zone: usize, link: usize, flow: u64) -> Option<(i128, Vec<u64>)> {
		let mut others = self.clone();
		others.flows[link] = flow;
		others.is_kept[link] = true;
		// More than all energy there is, in both directions.
		others.allowed[zone] = (-(1 << 64), 1 << 64);
		others.pass_on();
		if others.off(&vec![false; self.allowed.len()]).is_some() {
			return None;
		}
		let net = others.net_sales()[zone];
		let (least, most) = self.allowed[zone];
		Some(((net - most).max(0) + (net - least).min(0), others.flows))
	}

	/// Passes on what one zone is off by, or a part of it. Whether that was possible.
	fn pass_on_from(&mut self, zone: usize, off: Off, amount: u64) -> bool {
		let mut blocked = self.is_kept.clone();
		while let Some(way) = self.way(zone, off, &blocked) {
			for part in [amount, 1] {
				match self.passed_on(&way, off, part) {
					Ok(flows) => {
						self.flows = flows;
						return true;
					}
					Err(link) if part == 1 => blocked[link] = true,
					Err(_) => {}
				}
			}
		}
		false
	}

	/// The shortest way from a zone that is off to one that can give or take.
	fn way(&self, start: usize, off: Off, blocked: &[bool]) -> Option<Vec<Step>> {
		let net = self.net_sales();
		let mut reached: Vec<Option<(usize, Step)>> = vec![None; net.len()];
		let mut waiting = VecDeque::from([start]);
		while let Some(zone) = waiting.pop_front() {
			let (least, most) = self.allowed[zone];
			let has_room = match off {
				Off::Short => net[zone] < most,
				Off::Over => net[zone] > least,
			};
			if zone != start && has_room {
				let mut way = Vec::new();
				let mut at = zone;
				while at != start {
					let (before, step) = reached[at]?;
					way.push(step);
					at = before;
				}
				way.reverse();
				return Some(way);
			}
			for (link, ends) in self.links.iter().enumerate() {
				let leads_here = ends.to == zone;
				if blocked[link] || !(leads_here || ends.from == zone) {
					continue;
				}
				let next = if leads_here { ends.from } else { ends.to };
				let step = Step { link, leads_here };
				if next != start && reached[next].is_none() && self.changed(step, off, 1).is_some()
				{
					reached[next] = Some((zone, step));
					waiting.push_back(next);
				}
			}
		}
		None
	}

	/// The flow over a link that relieves the zone by `amount`, if the link may send that.
	fn changed(&self, step: Step, off: Off, amount: u64) -> Option<u64> {
		let link = &self.links[step.link];
		let flow = self.flows[step.link];
		let (least, most) = self.bounds[step.link];
		let flow = match (off, step.leads_here) {
			(Off::Short, true) => least_sent(link, link.arriving_wh(flow).checked_add(amount)?),
			(Off::Short, false) => flow.checked_sub(amount)?,
			(Off::Over, false) => flow.checked_add(amount)?,
			(Off::Over, true) => most_sent(link, link.arriving_wh(flow).checked_sub(amount)?),
		};
		(least..=most).contains(&flow).then_some(flow)
	}

	/// The flows after passing on an amount, or the link that cannot.
	fn passed_on(&self, way: &[Step], off: Off, amount: u64) -> Result<Vec<u64>, usize> {
		let mut flows = self.flows.clone();
		let mut amount = amount;
		for step in way {
			if amount == 0 {
				// The rounding of what arrives has swallowed it.
				break;
			}
			let link = &self.links[step.link];
			let before = flows[step.link];
			let after = self.changed(*step, off, amount).ok_or(step.link)?;
			amount = if step.leads_here {
				before.abs_diff(after)
			} else {
				link.arriving_wh(before).abs_diff(link.arriving_wh(after))
			};
			flows[step.link] = after;
		}
		Ok(flows)
	}
}

/// What each zone has to sell on balance, Wh.
pub(crate) fn net_sales(links: &[Link], flows: &[u64], zones: usize) -> Vec<i128> {
	let mut net = vec![0; zones];
	for (link, &flow) in links.iter().zip(flows) {
		net[link.from] += i128::from(flow);
		net[link.to] -= i128::from(link.arriving_wh(flow));
	}
	net
}

/// The least that must be sent for `arriving_wh` to arrive, Wh.
fn least_sent(link: &Link, arriving_wh: u64) -> u64 {
	let sent =
		(u128::from(arriving_wh) * 1_000_000).div_ceil(u128::from(1_000_000 - link.loss_ppm));
	u64::try_from(sent).unwrap_or(u64::MAX)
}

/// The most that can be sent with no more than `arriving_wh` arriving, Wh.
fn most_sent(link: &Link, arriving_wh: u64) -> u64 {
	least_sent(link, arriving_wh.saturating_add(1)).saturating_sub(1)
}
