//! How many transactions and orders a node executes in a second: transfers as the base line, single
//! orders, and orders in batches, in blocks that are as full as the weights allow.
//!
//! A prosumer plans a day: the orders of a batch are for as many slots as there are orders.
//! A batch with all orders in one slot is measured beside it.

use anyhow::Result;
use energy_runtime::MILLISECONDS_PER_BLOCK;
use serde::Serialize;
use sp_runtime::OpaqueExtrinsic;

use super::Bench;
use crate::{
	calls::{self, BATCH},
	chain::{Made, Queue},
	measure::Spread,
	people::Dice,
	town::{any_order, Plan, Town},
};

const SCENARIO: &str = "throughput";
/// How far ahead the slot of the orders is: later than the scenario lasts.
const SLOTS_AHEAD: u32 = 60;

/// How quickly something is done.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
	/// By the time that executing and committing the blocks takes.
	pub per_second: Spread,
	/// By what the processor does for it.
	pub per_processor_second: Spread,
	/// In a block that is full.
	pub per_full_block: Option<f64>,
	/// What a chain can do that makes full blocks in their time.
	pub chain_time_per_second: Option<f64>,
	/// The weight of one, microseconds on the reference machine, with its share of a block's own.
	pub weight_us: f64,
	/// What the processor does for one in fact, microseconds.
	pub measured_us: f64,
}

/// All rates.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
	/// `Balances.transfer_keep_alive`.
	pub transfers: Rate,
	/// `EnergyMarket.place`.
	pub orders_single: Rate,
	/// `EnergyMarket.place_batch`, each order in another slot.
	pub orders_batched: Rate,
	/// `EnergyMarket.place_batch`, all orders in one slot.
	pub orders_batched_in_one_slot: Rate,
}

/// Measures all rates.
///
/// # Errors
/// When the chain refuses something.
pub fn run(bench: &Bench) -> Result<Rates> {
	eprintln!("throughput: a chain with {} prosumers", bench.sizes.people);
	let mut town = Town::new(&bench.workshop, Plan::new(bench.seed, bench.sizes.people))?;
	let terms = town.plan.terms();
	let mut dice = Dice::new(bench.seed);
	let slot = energy_primitives::Slot(town.slot().0 + SLOTS_AHEAD);
	let all = town.people.len();

	let transfers = rate(bench, &mut town, "transfers", 1, |town| {
		(0..all)
			.map(|from| {
				let to = town.people[(from + 1) % all].account.clone();
				Ok(town.by_person(from, calls::transfer(&to)))
			})
			.collect()
	})?;
	let orders_single = rate(bench, &mut town, "single orders", 1, |town| {
		(0..all)
			.map(|person| {
				let order = any_order(&terms, &mut dice, slot);
				Ok(town.by_person(person, calls::place(&order)))
			})
			.collect()
	})?;
	let mut batches = |town: &mut Town<'_>, step: u32| {
		let mut signed = Vec::new();
		for person in 0..all.min(200) {
			let orders: Vec<_> = (0..BATCH as u32)
				.map(|number| {
					let slot = energy_primitives::Slot(slot.0 + number * step);
					any_order(&terms, &mut dice, slot)
				})
				.collect();
			for call in calls::place_batches(&orders)? {
				signed.push(town.by_person(person, call));
			}
		}
		Ok(signed)
	};
	let orders_batched = rate(bench, &mut town, "batched orders", BATCH, |town| batches(town, 1))?;
	let orders_batched_in_one_slot =
		rate(bench, &mut town, "batched orders in one slot", BATCH, |town| batches(town, 0))?;
	Ok(Rates { transfers, orders_single, orders_batched, orders_batched_in_one_slot })
}

/// Fills blocks with what `sign` makes and measures all but the first. Each transaction counts for
/// `size`.
fn rate(
	bench: &Bench,
	town: &mut Town<'_>,
	phase: &'static str,
	size: usize,
	mut sign: impl FnMut(&mut Town<'_>) -> Result<Vec<OpaqueExtrinsic>>,
) -> Result<Rate> {
	let mut queue = Queue::new();
	let mut blocks: Vec<Made> = Vec::new();
	while blocks.len() <= bench.sizes.blocks {
		if queue.is_empty() {
			queue.extend(sign(town)?);
		}
		let made = town.chain.block(&mut queue, bench.sizes.most)?;
		bench.note(SCENARIO, phase, &made);
		// The end of the queue may leave a small block.
		let is_whole = made.is_full || !queue.is_empty();
		if is_whole || blocks.first().is_none_or(|first| made.transactions >= first.transactions) {
			blocks.push(made);
		}
	}
	// What is signed already is sent, so that the next nonces fit.
	while !queue.is_empty() {
		town.chain.block(&mut queue, bench.sizes.most)?;
	}
	// Whoever has signed something that is not sent cannot send anything else.
	town.chain.prepare(&mut queue)?;
	blocks.remove(0);
	let size = size as f64;
	let counts: Vec<f64> = blocks.iter().map(|made| made.transactions as f64 * size).collect();
	let total: f64 = counts.iter().sum();
	let weight: f64 = blocks.iter().map(|made| made.weight.ref_time() as f64 / 1e6).sum();
	let full: Vec<f64> = blocks
		.iter()
		.zip(&counts)
		.filter(|(made, _)| made.is_full)
		.map(|(_, count)| *count)
		.collect();
	let per_full_block = (!full.is_empty()).then(|| Spread::of(full).median);
	let per_second = Spread::of(
		blocks.iter().zip(&counts).map(|(made, count)| count / made.seconds()).collect(),
	);
	eprintln!(
		"  {phase}: {:.0} a second, {:.0} in a block, {} blocks",
		per_second.median,
		total / blocks.len() as f64,
		blocks.len()
	);
	let work = |made: &Made| made.took().processor.as_secs_f64();
	let per_processor_second =
		Spread::of(blocks.iter().zip(&counts).map(|(made, count)| count / work(made)).collect());
	Ok(Rate {
		per_second,
		per_processor_second,
		per_full_block,
		chain_time_per_second: per_full_block
			.map(|count| count * 1_000.0 / MILLISECONDS_PER_BLOCK as f64),
		weight_us: weight / total,
		measured_us: blocks.iter().map(work).sum::<f64>() * 1e6 / total,
	})
}
