//! What is left of trades: state, database and memory over many slots, and after everything that is
//! not kept for good was forgotten.
//!
//! The chain keeps what was settled for a number of slots. So that this number is passed long
//! before the end, people trade in one slot of several only: a quarter of the way fills what the
//! chain keeps, and from then on nothing may grow but what is kept for good.
//!
//! What trades leave is looked for in the pallets of the market. Others have lists of a fixed
//! length that only fill in the beginning: the hashes of the last blocks.
//!
//! There is one node. It removes the bodies of old blocks and has a small cache of the database,
//! which would else keep everything in memory and in its log for a long time.

use anyhow::{Context, Result};
use energy_primitives::Slot;
use energy_runtime::Runtime;
use frame_support::traits::Get;
use sc_service::BlocksPruning;
use serde::Serialize;

use super::Bench;
use crate::{
	calls,
	census::Census,
	chain::{Nodes, Queue},
	market,
	people::Dice,
	town::{matched_order, Plan, Town},
};

const SCENARIO: &str = "growth";
/// Where trades leave something.
const TRADING: [&str; 5] = ["Assets", "AssetsHolder", "EnergyMarket", "Participants", "Settlement"];
/// Where each slot leaves something for good: who vouched for which measurements.
const METERING: [&str; 1] = ["Metering"];
/// The cache of the database, MiB.
const CACHE_MEBIBYTES: usize = 16;
/// How often is counted.
const COUNTS: usize = 4;
/// The most blocks in which old things are forgotten at the end.
const MOST_BLOCKS: usize = 4_000;
/// Blocks after which the state is looked at again, at the end.
const BLOCKS_BETWEEN: usize = 50;

/// What was counted after some slots.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
	/// Slots in which there were trades, so far.
	pub slots: usize,
	/// Trades so far.
	pub trades: u64,
	/// What the chain takes.
	pub census: Census,
}

/// The growth of a chain.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
	/// For how many slots things are kept.
	pub retention_slots: u32,
	/// The distance of slots in which there were trades.
	pub step: u32,
	/// Before the first trade, after each quarter of the slots, and at last.
	pub counts: Vec<Count>,
	/// State that one trade leaves while it is kept, bytes.
	pub kept_bytes_per_trade: f64,
	/// State that one trade leaves for good, bytes; with its share of what its slot leaves.
	pub bytes_per_trade: f64,
	/// State that the measurements of a slot leave for good, bytes.
	pub metering_bytes_per_slot: f64,
	/// The state of trading after all slots by that after a quarter of them.
	pub last_by_first: f64,
}

/// Lets a chain grow.
///
/// # Errors
/// When the chain refuses something, or a trade is not settled.
pub fn run(bench: &Bench) -> Result<Growth> {
	let retention_slots: u32 = {
		let market: u32 = <Runtime as pallet_energy_market::Config>::RetentionSlots::get();
		let bills: u32 = <Runtime as pallet_settlement::Config>::RetentionSlots::get();
		market.max(bills)
	};
	let slots = bench.sizes.watched_slots;
	// The first quarter is a little longer than what is kept.
	let step = retention_slots / (slots / COUNTS).saturating_sub(10).max(1) as u32 + 1;
	eprintln!("growth: {slots} slots, one of {step}; {retention_slots} are kept");
	let mut plan = Plan::new(bench.seed, bench.sizes.watched_people);
	plan.nodes = Nodes::One;
	plan.blocks = BlocksPruning::Some(256);
	plan.cache_mebibytes = CACHE_MEBIBYTES;
	plan.slot_seconds = 60;
	let mut town = Town::new(&bench.workshop, plan)?;
	town.deploy(&bench.policy)?;

	let mut counts = vec![Count { slots: 0, trades: 0, census: Census::take(town.chain.node())? }];
	let mut trades = 0;
	let mut dice = Dice::new(bench.seed);
	for done in 1..=slots {
		trades += trade(bench, &mut town, &mut dice, step)?;
		if done % (slots / COUNTS) == 0 {
			let census = Census::take(town.chain.node())?;
			eprintln!(
				"  {done} slots: state {} entries, {} bytes; database {} bytes",
				census.state.entries, census.state.bytes, census.database_bytes
			);
			counts.push(Count { slots: done, trades, census });
		}
	}
	let census = forget(&mut town, retention_slots)?;
	counts.push(Count { slots, trades, census });

	let at = |place: usize| counts.get(place).context("not everything was counted");
	let (first, quarter, end, last) = (at(0)?, at(1)?, at(COUNTS)?, at(counts.len() - 1)?);
	let grown = |from: &Count, to: &Count, pallets: &[&str]| {
		to.census.bytes_of(pallets) as f64 - from.census.bytes_of(pallets) as f64
	};
	// At the end of the quarter, what is kept is of the last slots.
	let kept_slots = quarter.slots.min((retention_slots / step) as usize + 1);
	let kept_trades = quarter.trades as f64 * kept_slots as f64 / quarter.slots as f64;
	let trading_for_good = grown(first, last, &TRADING);
	let metering_for_good = grown(first, last, &METERING);
	Ok(Growth {
		retention_slots,
		step,
		kept_bytes_per_trade: grown(first, quarter, &TRADING) / kept_trades,
		bytes_per_trade: (trading_for_good + metering_for_good) / trades as f64,
		metering_bytes_per_slot: metering_for_good / slots as f64,
		last_by_first: end.census.bytes_of(&TRADING) as f64
			/ quarter.census.bytes_of(&TRADING) as f64,
		counts,
	})
}

/// Everyone trades in the slot that is `step` slots away.
fn trade(bench: &Bench, town: &mut Town<'_>, dice: &mut Dice, step: u32) -> Result<u64> {
	let slot = Slot(town.slot().0 + step.max(2));
	let before = town.plan.calendar().start_seconds(slot);
	let terms = town.plan.terms();
	let mut queue = Queue::new();
	for person in 0..town.people.len() {
		let order = matched_order(&terms, dice, person, slot);
		queue.push_back(town.by_person(person, calls::place(&order)));
	}
	// Orders come in the slot before.
	town.chain.jump_to(before - u64::from(town.plan.slot_seconds));
	while !queue.is_empty() {
		let made = town.chain.block(&mut queue, usize::MAX)?;
		bench.note(SCENARIO, "orders", &made);
	}
	market::clear(town, slot, |made| bench.note(SCENARIO, "clearing", made))?;
	market::settle(town, slot, 1, |made| bench.note(SCENARIO, "settlement", made))?;
	market::trades(town, slot, 1)
}

/// Makes blocks, later than anything is kept, until the state does not get smaller.
fn forget(town: &mut Town<'_>, retention_slots: u32) -> Result<Census> {
	let wait = u64::from(retention_slots + 2) * u64::from(town.plan.slot_seconds);
	town.chain.jump_to(town.chain.next_seconds() + wait);
	let mut smallest = Census::take(town.chain.node())?;
	for _ in 0..MOST_BLOCKS / BLOCKS_BETWEEN {
		for _ in 0..BLOCKS_BETWEEN {
			town.chain.block(&mut Queue::new(), 0)?;
		}
		let census = Census::take(town.chain.node())?;
		if census.state.entries >= smallest.state.entries {
			return Ok(census);
		}
		smallest = census;
	}
	Ok(smallest)
}
