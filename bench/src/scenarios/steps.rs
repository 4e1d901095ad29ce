//! What single steps take, microseconds, through the import of blocks: execution in Wasm,
//! signatures, state root, commit. Blocks of different sizes are made and a line is laid through
//! them: its slope is what a step takes, where it begins is what a block takes. All times are those
//! of the processor.
//!
//! This is where the runtime's weights come from.

use anyhow::{Context, Result};
use codec::{Decode, Encode};
use energy_primitives::{Slot, SlotState};
use energy_runtime::{configs::RuntimeBlockWeights, genesis_config_presets::ZONE, Runtime};
use pallet_energy_market::ENTRIES_PER_PAGE;
use pallet_settlement::{Job, Jobs, Pass};
use sc_client_api::{Backend, StorageProvider, TrieCacheContext};
use serde::Serialize;
use sp_api::ProvideRuntimeApi;
use sp_core::storage::StorageKey;
use sp_runtime::OpaqueExtrinsic;
use sp_state_machine::Backend as _;

use super::Bench;
use crate::{
	calls::{self, BATCH},
	chain::{Made, Queue},
	measure::{fit, Spread},
	people::Dice,
	stopwatch::Stopwatch,
	town::{any_order, matched_order, sells, Plan, Town, MATCHED_WH},
};

const SCENARIO: &str = "steps";
/// How often blocks of each size are made at most.
const ROUNDS: usize = 6;
/// Parts of the idle time that are left to the market, in hundredths.
const IDLE_PARTS: [u64; 5] = [2, 4, 8, 16, 32];
/// Entries that are read one by one.
const READ_ENTRIES: usize = 20_000;
/// Bytes of a value that is written directly.
const VALUE_BYTES: usize = 80;

/// What a step takes.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
	/// Which step.
	pub name: String,
	/// What one takes, microseconds; unless the blocks do not tell.
	pub microseconds: Option<f64>,
	/// What the block takes besides, microseconds; where it was asked for.
	pub block_microseconds: Option<f64>,
	/// How many in a block, and what the block took, microseconds.
	pub samples: Vec<(Vec<f64>, f64)>,
}

/// Measures every step.
///
/// # Errors
/// When the chain refuses something, or samples do not decide a step.
pub fn run(bench: &Bench) -> Result<Vec<Step>> {
	let mut plan = Plan::new(bench.seed, bench.sizes.people);
	plan.slot_seconds = 60;
	plan.dispute_seconds = 1;
	let mut town = Town::new(&bench.workshop, plan)?;
	town.deploy(&bench.policy)?;
	let mut steps = vec![empty_blocks(bench, &mut town)?];
	steps.extend(transactions(bench, &mut town)?);
	steps.push(attestations(bench, &mut town)?);
	steps.push(contract(bench, &mut town)?);
	steps.extend(idle_time(bench, &mut town)?);
	steps.extend(writes(bench, &mut town)?);
	steps.extend(reads(&mut town)?);
	Ok(steps)
}

fn microseconds(made: &Made) -> f64 {
	made.took().processor.as_secs_f64() * 1e6
}

/// Lays a line through samples with one feature.
fn line(name: &str, samples: Vec<(Vec<f64>, f64)>) -> Step {
	let found = fit(&samples).unwrap_or_default();
	let step = Step {
		name: name.into(),
		microseconds: found.get(1).copied(),
		block_microseconds: found.first().copied(),
		samples,
	};
	say(&step);
	step
}

fn say(step: &Step) {
	match step.microseconds {
		Some(microseconds) => eprintln!("  {}: {microseconds:.1} us", step.name),
		None => eprintln!("  {}: the blocks do not tell", step.name),
	}
}

/// Makes blocks with so many transactions as `sizes` says, each of `size` steps.
fn blocks(
	bench: &Bench,
	town: &mut Town<'_>,
	name: &'static str,
	sizes: &[usize],
	size: usize,
	mut sign: impl FnMut(&mut Town<'_>, usize) -> Result<Vec<OpaqueExtrinsic>>,
) -> Result<Step> {
	let mut samples = Vec::new();
	for round in 0..bench.sizes.blocks.min(ROUNDS) {
		for count in sizes {
			let mut queue = Queue::from(sign(town, *count)?);
			loop {
				let made = town.chain.block(&mut queue, usize::MAX)?;
				bench.note(SCENARIO, name, &made);
				let steps = (made.transactions * size) as f64;
				// The first round fills the caches.
				if round > 0 {
					samples.push((vec![steps], microseconds(&made)));
				}
				if queue.is_empty() {
					break;
				}
			}
		}
	}
	Ok(line(name, samples))
}

fn empty_blocks(bench: &Bench, town: &mut Town<'_>) -> Result<Step> {
	let mut samples = Vec::new();
	for _ in 0..bench.sizes.blocks.max(10) {
		let made = town.chain.block(&mut Queue::new(), 0)?;
		bench.note(SCENARIO, "empty block", &made);
		samples.push((Vec::new(), microseconds(&made)));
	}
	let spread = Spread::of(samples.iter().map(|(_, took)| *took).collect());
	let name = "empty block".into();
	let step = Step { name, microseconds: Some(spread.median), block_microseconds: None, samples };
	say(&step);
	Ok(step)
}

fn transactions(bench: &Bench, town: &mut Town<'_>) -> Result<Vec<Step>> {
	let terms = town.plan.terms();
	let mut dice = Dice::new(bench.seed);
	let all = town.people.len();
	let sizes = [1, 2, 4].map(|times| times * (all / 100).max(10));
	let slot = |town: &Town<'_>| Slot(town.slot().0 + 60);

	let transfers = blocks(bench, town, "transfer", &sizes, 1, |town, count| {
		let to = |from: usize| (from + 1) % all;
		Ok((0..count)
			.map(|from| {
				let to = town.people[to(from)].account.clone();
				town.by_person(from, calls::transfer(&to))
			})
			.collect())
	})?;
	let places = blocks(bench, town, "place", &sizes, 1, |town, count| {
		let slot = slot(town);
		Ok((0..count)
			.map(|person| {
				let order = any_order(&terms, &mut dice, slot);
				town.by_person(person, calls::place(&order))
			})
			.collect())
	})?;
	let batched = blocks(bench, town, "batch item", &[1, 3, 6], BATCH, |town, count| {
		let first = slot(town).0;
		let mut signed = Vec::new();
		for person in 0..count {
			let orders: Vec<_> = (0..BATCH as u32)
				.map(|number| any_order(&terms, &mut dice, Slot(first + number)))
				.collect();
			for call in calls::place_batches(&orders)? {
				signed.push(town.by_person(person, call));
			}
		}
		Ok(signed)
	})?;
	// Each block cancels what one before it placed.
	let cancels = blocks(bench, town, "cancel", &sizes, 1, |town, count| {
		let slot = Slot(slot(town).0 + 1);
		let first = town.chain.slot(slot).map_or(0, |slot| slot.orders);
		let mut placed: Queue = (0..count)
			.map(|person| {
				let order = any_order(&terms, &mut dice, slot);
				town.by_person(person, calls::place(&order))
			})
			.collect();
		town.chain.prepare(&mut placed)?;
		Ok((0..count)
			.map(|person| town.by_person(person, calls::cancel(slot, first + person as u32)))
			.collect())
	})?;
	Ok(vec![transfers, places, batched, cancels])
}

fn attestations(bench: &Bench, town: &mut Town<'_>) -> Result<Step> {
	let meters = town.people.len();
	let pages = meters.div_ceil(256);
	let mut slot = town.slot();
	// Slots that have ended and in which nobody trades.
	town.chain.jump_to(town.end(Slot(slot.0 + 40)));
	blocks(
		bench,
		town,
		"attestation of a page",
		&[0, pages.div_ceil(2), pages],
		1,
		|town, count| {
			slot.0 += 1;
			let measured = vec![(1_000, 0); meters];
			let pages = calls::attest(slot, &measured)?.into_iter().take(count);
			Ok(pages.map(|call| town.by_oracle(call)).collect())
		},
	)
}

fn contract(bench: &Bench, town: &mut Town<'_>) -> Result<Step> {
	let contract = town.contract.context("no contract is deployed")?;
	let mut samples = Vec::new();
	for _ in 0..bench.sizes.blocks.min(ROUNDS) {
		for positions in [1, 16, 64, 128] {
			let call = calls::ask_policy(contract, positions);
			let mut queue = Queue::from([town.by_utility(call)?]);
			let made = town.chain.block(&mut queue, usize::MAX)?;
			bench.note(SCENARIO, "contract position", &made);
			samples.push((vec![positions as f64], microseconds(&made)));
		}
	}
	Ok(line("contract position", samples))
}

/// A block of whose idle time the market may use a part.
fn idle_block(town: &mut Town<'_>, hundredths: u64) -> Result<Made> {
	let whole = RuntimeBlockWeights::get().max_block.ref_time();
	// What is left of a block without anything is a little less than all of it.
	let used = (whole / 100 * 98).saturating_sub(whole / 100 * hundredths);
	let mut queue = Queue::from(town.all_by_utility(calls::fill(used))?);
	town.chain.block(&mut queue, usize::MAX)
}

/// One slot with two orders of everyone, through clearing and settlement, with more and less idle
/// time.
fn idle_time(bench: &Bench, town: &mut Town<'_>) -> Result<Vec<Step>> {
	const ORDERS: u64 = 2;
	let slot = Slot(town.slot().0 + 40);
	let terms = town.plan.terms();
	let mut dice = Dice::new(bench.seed);
	let people = town.people.len();
	let mut queue = Queue::new();
	for person in 0..people {
		let orders: Vec<_> =
			(0..ORDERS).map(|_| matched_order(&terms, &mut dice, person, slot)).collect();
		for call in calls::place_batches(&orders)? {
			queue.push_back(town.by_person(person, call));
		}
	}
	town.chain.prepare(&mut queue)?;

	town.chain.jump_to(town.gate(slot));
	let mut parts = IDLE_PARTS.iter().cycle();
	let mut part = || parts.next().copied().unwrap_or(100);
	let mut fills = Vec::new();
	while matches!(town.chain.slot(slot)?.state, SlotState::Open | SlotState::Clearing) {
		let made = idle_block(town, part())?;
		bench.note(SCENARIO, "filling", &made);
		// The first one finds the price as well.
		if made.events.gates_closed == 0 {
			fills.push((vec![f64::from(made.events.orders_filled)], microseconds(&made)));
		}
	}
	let fills = line("order filled in idle time", fills);

	town.chain.jump_to(town.end(slot));
	let energy = ORDERS * MATCHED_WH;
	let measured: Vec<_> =
		(0..people).map(|person| if sells(person) { (0, energy) } else { (energy, 0) }).collect();
	let mut queue: Queue =
		calls::attest(slot, &measured)?.into_iter().map(|call| town.by_oracle(call)).collect();
	town.chain.prepare(&mut queue)?;
	let mut before = settled(town, slot)?;
	let mut samples = Vec::new();
	while !town.chain.slot(slot)?.state.is_final() {
		let made = idle_block(town, part())?;
		bench.note(SCENARIO, "settlement", &made);
		let after = settled(town, slot)?;
		let done: Vec<f64> =
			after.iter().zip(&before).map(|(after, before)| after - before).collect();
		samples.push((done, microseconds(&made)));
		before = after;
	}
	let found = fit(&samples).unwrap_or_default();
	let mut steps = vec![fills];
	for (number, name) in (1..).zip(PASSES) {
		let step = Step {
			name: format!("position {name}"),
			microseconds: found.get(number).copied(),
			block_microseconds: found.first().copied(),
			samples: samples.clone(),
		};
		say(&step);
		steps.push(step);
	}
	Ok(steps)
}

/// What is done with a position, in this order.
const PASSES: [&str; 3] = ["measured", "asked", "paid"];

/// How many positions of a slot each of the [`PASSES`] has behind it.
fn settled(town: &Town<'_>, slot: Slot) -> Result<[f64; 3]> {
	let node = town.chain.node();
	let key = StorageKey(Jobs::<Runtime>::hashed_key_for((ZONE, slot)));
	let all = f64::from(town.chain.slot(slot)?.positions);
	let Some(job) = node.client.storage(node.best(), &key)? else { return Ok([all; 3]) };
	let job = Job::decode(&mut &job.0[..])?;
	// The job counts pages.
	let next = f64::from(job.next.saturating_mul(ENTRIES_PER_PAGE)).min(all);
	Ok(match job.pass {
		Pass::Wait => [0.0; 3],
		Pass::Measure => [next, 0.0, 0.0],
		Pass::Ask => [all, next, 0.0],
		Pass::Pay => [all, all, next],
	})
}

fn writes(bench: &Bench, town: &mut Town<'_>) -> Result<Vec<Step>> {
	let mut written = 0u64;
	let mut write = |town: &mut Town<'_>, name: &'static str, is_new: bool| {
		let mut samples = Vec::new();
		for round in 0..bench.sizes.blocks.min(ROUNDS) {
			for count in [100u64, 1_000, 4_000] {
				let first = if is_new { written } else { 0 };
				let items = (first..first + count)
					.map(|number| {
						let key = sp_io::hashing::blake2_256(&("bench", number).encode());
						let value = sp_io::hashing::blake2_256(&(round as u64, number).encode());
						(key.to_vec(), value.repeat(3)[..VALUE_BYTES].to_vec())
					})
					.collect();
				written += if is_new { count } else { 0 };
				let mut queue = Queue::from([town.by_utility(calls::write(items))?]);
				let made = town.chain.block(&mut queue, usize::MAX)?;
				bench.note(SCENARIO, name, &made);
				samples.push((vec![count as f64], microseconds(&made)));
			}
		}
		anyhow::Ok(line(name, samples))
	};
	Ok(vec![write(town, "write of a new entry", true)?, write(town, "write of an entry", false)?])
}

fn reads(town: &mut Town<'_>) -> Result<Vec<Step>> {
	let node = town.chain.node();
	let mut keys: Vec<_> =
		node.client.storage_keys(node.best(), None, None)?.take(READ_ENTRIES).collect();
	let mut dice = Dice::new(town.plan.seed);
	for place in (1..keys.len()).rev() {
		keys.swap(place, dice.below(place as u64 + 1) as usize);
	}
	let mut steps = Vec::new();
	town.chain.reopen()?;
	for name in ["read, caches empty", "read, caches filled"] {
		let node = town.chain.node();
		let state = node.backend.state_at(node.best(), TrieCacheContext::Trusted)?;
		let start = Stopwatch::start();
		for key in &keys {
			state.storage(&key.0).map_err(|error| anyhow::anyhow!("{error}"))?;
		}
		steps.push(each(name, start.took().processor.as_secs_f64() * 1e6, keys.len()));
	}
	town.chain.reopen()?;
	for name in ["read in Wasm, caches empty", "read in Wasm, caches filled"] {
		use energy_primitives::api::EnergyApi;
		let node = town.chain.node();
		let start = Stopwatch::start();
		let mut reads = 0;
		for first in (0..town.people.len()).step_by(256) {
			let first = energy_primitives::MeterIndex(first as u32);
			// Two entries for each meter.
			reads += node.client.runtime_api().meters(node.best(), ZONE, first)?.len() * 2;
		}
		steps.push(each(name, start.took().processor.as_secs_f64() * 1e6, reads));
	}
	Ok(steps)
}

fn each(name: &str, microseconds: f64, count: usize) -> Step {
	let microseconds = Some(microseconds / count.max(1) as f64);
	let step =
		Step { name: name.into(), microseconds, block_microseconds: None, samples: Vec::new() };
	say(&step);
	step
}
