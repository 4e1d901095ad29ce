//! How long people wait: from the closing of the gate until every position is known, and from the
//! end of the slot until everyone is paid. In chain time, which is what the weights allow, and in
//! the time that a node works for it.

use anyhow::Result;
use energy_primitives::Slot;
use energy_runtime::MILLISECONDS_PER_BLOCK;
use serde::Serialize;

use super::Bench;
use crate::{
	calls,
	chain::Queue,
	market,
	people::Dice,
	stopwatch::Took,
	town::{matched_order, Plan, Town},
};

const SCENARIO: &str = "latency";

/// One wait.
#[derive(Clone, Debug, Serialize)]
pub struct Wait {
	/// Blocks that were needed.
	pub blocks: usize,
	/// Seconds of the chain: the blocks, each with its time.
	pub chain_seconds: f64,
	/// Seconds that a node worked for them.
	pub execution_seconds: f64,
	/// Seconds that its processor did.
	pub processor_seconds: f64,
}

/// Both waits.
#[derive(Clone, Debug, Serialize)]
pub struct Waits {
	/// People with orders and meters.
	pub people: usize,
	/// Orders in the slot.
	pub orders: usize,
	/// Positions that came of them.
	pub positions: u32,
	/// From the closing of the gate until every position is known.
	pub gate_to_positions: Wait,
	/// From the end of the slot until everyone is paid.
	pub slot_to_paid: Wait,
}

/// Waits.
///
/// # Errors
/// When the chain refuses something, or somebody is not paid.
pub fn run(bench: &Bench) -> Result<Waits> {
	let people = bench.sizes.people;
	let orders = people * bench.sizes.orders_per_person;
	eprintln!("latency: {people} people with {orders} orders in one slot");
	let mut town = Town::new(&bench.workshop, Plan::new(bench.seed, people))?;
	town.deploy(&bench.policy)?;
	let slot = Slot(town.slot().0 + 8);
	let terms = town.plan.terms();
	let mut dice = Dice::new(bench.seed);
	let mut queue = Queue::new();
	for person in 0..people {
		let batch: Vec<_> = (0..bench.sizes.orders_per_person)
			.map(|_| matched_order(&terms, &mut dice, person, slot))
			.collect();
		for call in calls::place_batches(&batch)? {
			queue.push_back(town.by_person(person, call));
		}
	}
	town.chain.prepare(&mut queue)?;

	let mut took = Took::default();
	let blocks = market::clear(&mut town, slot, |made| {
		bench.note(SCENARIO, "clearing", made);
		took = took + made.took();
	})?;
	let gate_to_positions = wait(blocks, took);
	let positions = town.chain.slot(slot)?.positions;
	eprintln!("  {positions} positions after {} s", gate_to_positions.chain_seconds);

	let mut took = Took::default();
	let orders_each = bench.sizes.orders_per_person as u64;
	let blocks = market::settle(&mut town, slot, orders_each, |made| {
		bench.note(SCENARIO, "settlement", made);
		took = took + made.took();
	})?;
	let slot_to_paid = wait(blocks, took);
	market::trades(&town, slot, orders_each)?;
	eprintln!("  everyone paid after {} s", slot_to_paid.chain_seconds);
	Ok(Waits { people, orders, positions, gate_to_positions, slot_to_paid })
}

fn wait(blocks: usize, took: Took) -> Wait {
	Wait {
		blocks,
		chain_seconds: blocks as f64 * MILLISECONDS_PER_BLOCK as f64 / 1e3,
		execution_seconds: took.wall.as_secs_f64(),
		processor_seconds: took.processor.as_secs_f64(),
	}
}
