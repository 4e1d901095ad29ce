//! How long it takes to find the price of a book, by how many orders are in it.
//!
//! Two blocks are built on the same parent: in one the gate of the book closes, in the other, two
//! seconds earlier, it does not. Transactions of the superuser use up so much of both blocks that
//! there is just enough idle time left to find the price, and not to fill the orders as well. Both
//! are executed again and again, in turns, and nothing is committed; the difference is the time it
//! takes to find the price. All times are those of the processor.

use anyhow::{ensure, Context, Result};
use energy_primitives::Slot;
use energy_runtime::configs::RuntimeBlockWeights;
use serde::Serialize;

use super::Bench;
use crate::{
	calls::{self, BATCH},
	chain::{Nodes, Queue, Trial},
	market,
	measure::Spread,
	people::Dice,
	town::{any_order, Plan, Town},
};

/// How far ahead the first book is, in slots: placing the orders takes many blocks.
const SLOTS_AHEAD: u32 = 100;
/// The distance of the books, in slots: so does filling them.
const SLOTS_BETWEEN: u32 = 8;
/// How exactly the idle time is found, picoseconds.
const EXACTNESS: u64 = 2_000_000;

/// The clearing of one book.
#[derive(Clone, Debug, Serialize)]
pub struct Clearing {
	/// Orders in the book.
	pub orders: usize,
	/// Finding the price, ms.
	pub milliseconds: f64,
	/// Executing the block in which the gate does not close, ms.
	pub without_gate: Spread,
	/// Executing the block in which it does, ms.
	pub with_gate: Spread,
	/// Orders that were filled in that block, because there was still time.
	pub orders_filled: u32,
}

/// Clears a book of each size.
///
/// # Errors
/// When the chain refuses something, or a price is not found.
pub fn run(bench: &Bench) -> Result<Vec<Clearing>> {
	let mut plan = Plan::new(bench.seed, bench.sizes.people);
	// The books take memory enough for one node.
	plan.nodes = Nodes::One;
	// No slot is settled here.
	plan.deadline_seconds = 100 * 24 * 3_600;
	let mut town = Town::new(&bench.workshop, plan)?;
	let mut dice = Dice::new(bench.seed);
	// All books are filled before the first is cleared, so that they are part of the same state.
	let first = town.slot().0 + SLOTS_AHEAD;
	let books: Vec<_> = (0..)
		.zip(bench.sizes.books)
		.map(|(number, orders)| (Slot(first + number * SLOTS_BETWEEN), orders))
		.collect();
	for (slot, orders) in &books {
		eprintln!("clearing: placing {orders} orders");
		fill_book(&mut town, &mut dice, *slot, *orders)?;
	}
	let mut cleared = Vec::new();
	for (slot, orders) in &books {
		town.chain.jump_to(town.gate(*slot) - 4);
		// Whatever was waiting for the time that was jumped over is done.
		town.chain.block(&mut Queue::new(), 0)?;
		let clearing = clear(bench, &mut town, *slot, *orders)?;
		eprintln!("  price of {orders} orders found in {:.2} ms", clearing.milliseconds);
		cleared.push(clearing);
		if cleared.len() < books.len() {
			market::clear(&mut town, *slot, |_| {})?;
		}
	}
	Ok(cleared)
}

fn fill_book(town: &mut Town<'_>, dice: &mut Dice, slot: Slot, orders: usize) -> Result<()> {
	let terms = town.plan.terms();
	let mut left = orders;
	let mut next = 0;
	while left > 0 {
		// Not all at once, for the sake of memory.
		let mut queue = Queue::new();
		for _ in 0..200 {
			let batch: Vec<_> =
				(0..left.min(BATCH)).map(|_| any_order(&terms, dice, slot)).collect();
			left -= batch.len();
			for call in calls::place_batches(&batch)? {
				queue.push_back(town.by_person(next, call));
			}
			next = (next + 1) % town.people.len();
		}
		town.chain.prepare(&mut queue)?;
	}
	let placed = town.chain.slot(slot)?.orders as usize;
	ensure!(placed == orders, "{placed} orders were placed in the place of {orders}");
	Ok(())
}

/// The block at `seconds` of whose weight the superuser uses `picoseconds`.
pub fn trial(town: &mut Town<'_>, seconds: u64, picoseconds: u64) -> Result<Option<Trial>> {
	let filler = town.all_by_utility(calls::fill(picoseconds))?;
	town.chain.try_block(seconds, &filler)
}

fn clear(bench: &Bench, town: &mut Town<'_>, slot: Slot, orders: usize) -> Result<Clearing> {
	let gate = town.gate(slot);
	ensure!(town.chain.next_seconds() <= gate - 2, "the gate closed too early");
	// The gate closes with no filler and not with one that uses the whole block.
	let (mut low, mut high) = (0, RuntimeBlockWeights::get().max_block.ref_time());
	while high - low > EXACTNESS {
		let middle = low + (high - low) / 2;
		match trial(town, gate, middle)? {
			Some(trial) if trial.events.gates_closed > 0 => low = middle,
			_ => high = middle,
		}
	}
	let fits = "the block that was built before does not fit any more";
	let closing = trial(town, gate, low)?.context(fits)?;
	let control = trial(town, gate - 2, low)?.context(fits)?;
	ensure!(closing.events.gates_closed == 1, "the gate does not close");
	ensure!(control.events.gates_closed == 0, "the gate closes too early");
	let (mut with_gate, mut without_gate) = (Vec::new(), Vec::new());
	for _ in 0..bench.sizes.repeats {
		without_gate.push(town.chain.execute(&control)?.processor.as_secs_f64() * 1e3);
		with_gate.push(town.chain.execute(&closing)?.processor.as_secs_f64() * 1e3);
	}
	let (with_gate, without_gate) = (Spread::of(with_gate), Spread::of(without_gate));
	Ok(Clearing {
		orders,
		milliseconds: with_gate.median - without_gate.median,
		without_gate,
		with_gate,
		orders_filled: closing.events.orders_filled,
	})
}
