//! How many complete trades a node settles in a second, from the first signed order to the last
//! payment.
//!
//! A trade is two signed orders that meet, the metered delivery of both, and the payment that the
//! policy contract of the zone names. Every prosumer signs one batch. In one variant, which is the
//! figure that counts, its orders are for as many slots, so that every order has a position of its
//! own and every trade two; in the other, ten orders of a slot become one position.
//!
//! All blocks from the first order to the last payment count, none in between are left out; the
//! chain jumps over the times at which there is nothing to do.

use std::collections::BTreeMap;

use anyhow::Result;
use energy_primitives::Slot;
use energy_runtime::MILLISECONDS_PER_BLOCK;
use serde::Serialize;

use super::Bench;
use crate::{
	calls,
	chain::{Made, Queue},
	market,
	people::Dice,
	town::{matched_order, Plan, Town},
};

const SCENARIO: &str = "trades";
/// What the parts of the way are called, and in which order.
const ORDERS: &str = "orders";
const CLEARING: &str = "clearing";
const ATTESTATION: &str = "attestation";
const SETTLEMENT: &str = "settlement";

/// The trades of one variant.
#[derive(Clone, Debug, Serialize)]
pub struct Trades {
	/// How many orders each person has in each slot.
	pub orders_per_slot: usize,
	/// How many trades there were.
	pub trades: u64,
	/// Positions for each trade.
	pub positions_per_trade: f64,
	/// Blocks that were needed.
	pub blocks: usize,
	/// Seconds that a node worked for them.
	pub execution_seconds: f64,
	/// Seconds that its processor did.
	pub processor_seconds: f64,
	/// Trades in a second of work.
	pub per_second: f64,
	/// Trades in a second of the processor.
	pub per_processor_second: f64,
	/// Trades in a second of a chain whose blocks follow each other without a pause.
	pub chain_time_per_second: f64,
	/// The share of each part of the way. Of a block with attestations, all is theirs.
	pub shares: BTreeMap<&'static str, f64>,
}

#[derive(Default)]
struct Work {
	blocks: usize,
	seconds: BTreeMap<&'static str, f64>,
	processor_seconds: f64,
}

impl Work {
	fn note(&mut self, bench: &Bench, phase: &'static str, made: &Made) {
		bench.note(SCENARIO, phase, made);
		self.blocks += 1;
		*self.seconds.entry(phase).or_default() += made.seconds();
		self.processor_seconds += made.took().processor.as_secs_f64();
	}
}

/// Trades in both variants, the one that counts first.
///
/// # Errors
/// When the chain refuses something, or a trade is not settled.
pub fn run(bench: &Bench) -> Result<[Trades; 2]> {
	let slots = bench.sizes.traded_slots;
	let together = 10.min(slots);
	Ok([variant(bench, slots, 1)?, variant(bench, slots / together, together)?])
}

fn variant(bench: &Bench, slots: usize, orders_per_slot: usize) -> Result<Trades> {
	let people = bench.sizes.traders;
	eprintln!("trades: {people} people, {slots} slots, {orders_per_slot} orders each");
	let mut plan = Plan::new(bench.seed, people);
	plan.slot_seconds = 60;
	// With the next block: attestations and payments are not in one.
	plan.dispute_seconds = 1;
	let mut town = Town::new(&bench.workshop, plan)?;
	town.deploy(&bench.policy)?;
	let mut work = Work::default();

	let slots: Vec<_> = (0..slots as u32).map(|number| Slot(town.slot().0 + 40 + number)).collect();
	let mut queue = Queue::new();
	let terms = town.plan.terms();
	let mut dice = Dice::new(bench.seed);
	for person in 0..people {
		let orders: Vec<_> = slots
			.iter()
			.flat_map(|slot| std::iter::repeat_n(*slot, orders_per_slot))
			.map(|slot| matched_order(&terms, &mut dice, person, slot))
			.collect();
		for call in calls::place_batches(&orders)? {
			queue.push_back(town.by_person(person, call));
		}
	}
	while !queue.is_empty() {
		let made = town.chain.block(&mut queue, usize::MAX)?;
		work.note(bench, ORDERS, &made);
	}

	// The gate of a slot closes before the slot before it ends.
	let (mut trades, mut positions) = (0, 0);
	let mut open = slots.iter().peekable();
	for slot in &slots {
		while let Some(next) = open.next_if(|next| next.0 <= slot.0 + 1) {
			market::clear(&mut town, *next, |made| work.note(bench, CLEARING, made))?;
			positions += u64::from(town.chain.slot(*next)?.positions);
		}
		market::settle(&mut town, *slot, orders_per_slot as u64, |made| {
			let phase = if made.transactions > 0 { ATTESTATION } else { SETTLEMENT };
			work.note(bench, phase, made);
		})?;
		trades += market::trades(&town, *slot, orders_per_slot as u64)?;
	}

	let execution_seconds: f64 = work.seconds.values().sum();
	let chain_seconds = work.blocks as f64 * MILLISECONDS_PER_BLOCK as f64 / 1e3;
	let result = Trades {
		orders_per_slot,
		trades,
		positions_per_trade: positions as f64 / trades as f64,
		blocks: work.blocks,
		execution_seconds,
		processor_seconds: work.processor_seconds,
		per_second: trades as f64 / execution_seconds,
		per_processor_second: trades as f64 / work.processor_seconds,
		chain_time_per_second: trades as f64 / chain_seconds,
		shares: work
			.seconds
			.into_iter()
			.map(|(phase, seconds)| (phase, seconds / execution_seconds))
			.collect(),
	};
	eprintln!(
		"  {} trades in {} blocks, {:.0} a second",
		result.trades, result.blocks, result.per_second
	);
	Ok(result)
}
