//! How long it takes to find the price of a book, by how many orders are in it.
//!
//! Two blocks are built on the same parent: in one the gate of the book closes, in the other, two
//! seconds earlier, it does not. A transaction of the superuser uses up so much of both blocks that
//! there is just enough idle time left to find the price, and not to fill the orders as well. Both
//! are executed again and again, in turns, and nothing is committed; the difference is the time it
//! takes to find the price.

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

/// The distance of the books, in slots: placing the orders takes many blocks.
const SLOTS_BETWEEN: u32 = 60;
/// The time in which more orders are filled, picoseconds.
const MORE_TIME: u64 = 60_000_000_000;
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
	/// Executing the block with more time to fill orders, ms.
	pub with_more: Spread,
	/// Orders that were filled in that block.
	pub more_filled: u32,
}

impl Clearing {
	/// What it takes to fill an order, ms; where the blocks tell.
	fn fill(&self) -> Option<f64> {
		let more = self.more_filled.checked_sub(self.orders_filled).filter(|more| *more > 0)?;
		Some((self.with_more.median - self.with_gate.median) / f64::from(more))
	}
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
	let mut cleared = Vec::new();
	for (number, orders) in (1..).zip(bench.sizes.books) {
		let slot = Slot(town.slot().0 + SLOTS_BETWEEN);
		eprintln!("clearing: placing {orders} orders");
		fill_book(&mut town, &mut dice, slot, orders)?;
		let clearing = clear(bench, &mut town, slot, orders)?;
		cleared.push(clearing);
		if number < bench.sizes.books.len() {
			market::clear(&mut town, slot, |_| {})?;
		}
	}
	let fills = Spread::of(cleared.iter().filter_map(Clearing::fill).collect()).median;
	for clearing in &mut cleared {
		clearing.milliseconds = clearing.with_gate.median
			- clearing.without_gate.median
			- fills * f64::from(clearing.orders_filled);
		eprintln!("  price of {} orders: {:.2} ms", clearing.orders, clearing.milliseconds);
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
	let filler = town.by_utility(calls::fill(picoseconds))?;
	town.chain.try_block(seconds, &[filler])
}

fn clear(bench: &Bench, town: &mut Town<'_>, slot: Slot, orders: usize) -> Result<Clearing> {
	let gate = town.gate(slot);
	ensure!(town.chain.next_seconds() < gate - 2, "placing the orders took too long");
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
	let more = trial(town, gate, low.saturating_sub(MORE_TIME))?.context(fits)?;
	let control = trial(town, gate - 2, low)?.context(fits)?;
	ensure!(closing.events.gates_closed == 1, "the gate does not close");
	ensure!(control.events.gates_closed == 0, "the gate closes too early");
	let trials = [&control, &closing, &more];
	let mut times = [(); 3].map(|()| Vec::new());
	for _ in 0..bench.sizes.repeats {
		for (trial, times) in trials.into_iter().zip(&mut times) {
			times.push(town.chain.execute(trial)?.as_secs_f64() * 1e3);
		}
	}
	let [without_gate, with_gate, with_more] = times.map(Spread::of);
	Ok(Clearing {
		orders,
		// Known when all books are cleared.
		milliseconds: 0.0,
		without_gate,
		with_gate,
		orders_filled: closing.events.orders_filled,
		with_more,
		more_filled: more.events.orders_filled,
	})
}
