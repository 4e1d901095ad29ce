//! The figures as JSON and as a table.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{json, Value};

use crate::{
	machine::Machine,
	scenarios::{
		clearing::Clearing,
		growth::Growth,
		latency::Waits,
		steps::Step,
		throughput::{Rate, Rates},
		trades::Trades,
	},
};

/// What others have published, beside our own figures. They were not measured on this machine, nor
/// do they count the same thing.
const ANCHORS: [(&str, &str, &str); 3] = [
	("GSY DEX, trades in a second", "309", "derived from what its authors published"),
	("energy market on Hyperledger Fabric, transactions in a second", "448", "published"),
	("Substrate balance transfers in a second", "800 to 1,112", "published"),
];
/// The longest clearing by the shortest.
const GOAL_CLEARING: f64 = 1.2;
/// From the gate to the positions, seconds.
const GOAL_GATE_SECONDS: f64 = 10.0;
/// From the end of the slot to the money, seconds.
const GOAL_PAID_SECONDS: f64 = 30.0;
/// From which on the time on the wall by that of the processor is remarked upon.
const BUSY: f64 = 1.15;
/// The state of trading after all slots by that after a quarter of them.
const GOAL_GROWTH: f64 = 1.1;

/// What was measured. Parts that were not asked for are missing.
#[derive(Default)]
pub struct Figures {
	/// Transactions and orders in a second.
	pub rates: Option<Rates>,
	/// The time to find a price.
	pub clearing: Option<Vec<Clearing>>,
	/// Delays.
	pub waits: Option<Waits>,
	/// Trades in a second, in both variants.
	pub trades: Option<[Trades; 2]>,
	/// Storage.
	pub growth: Option<Growth>,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
	/// What was typed.
	pub command: String,
	/// The seed of keys and orders.
	pub seed: u64,
	/// Whether the numbers were small.
	pub quick: bool,
	/// How long it took, seconds.
	pub seconds: f64,
	/// The blocks' time by the clock on the wall, by what the processor did for them.
	pub wall_by_processor: Option<f64>,
	/// On what.
	pub machine: Machine,
}

/// A goal and what came of it.
fn goal(value: Option<f64>, limit: f64) -> Value {
	json!({ "value": value, "limit": limit, "is_met": value.map(|value| value <= limit) })
}

impl Figures {
	fn clearing_spread(&self) -> Option<f64> {
		let times = self.clearing.as_ref()?.iter().map(|clearing| clearing.milliseconds);
		let max = times.clone().max_by(f64::total_cmp)?;
		// Where little is measured, noise can make it negative.
		times.min_by(f64::total_cmp).filter(|min| *min > 0.0).map(|min| max / min)
	}

	/// As it is written to `market.json`.
	pub fn json(&self, run: &Run) -> Value {
		let rate = |pick: fn(&Rates) -> &Rate| {
			self.rates.as_ref().map(|rates| pick(rates).per_second.median)
		};
		let transfers = rate(|rates| &rates.transfers);
		let ratio = |value: Option<f64>| value.zip(transfers).map(|(value, base)| value / base);
		let single = rate(|rates| &rates.orders_single);
		let batched = rate(|rates| &rates.orders_batched);
		let trades = self.trades.as_ref().map(|[trades, _]| trades.per_second);
		let clearing: serde_json::Map<_, _> = self
			.clearing
			.iter()
			.flatten()
			.map(|clearing| (clearing.orders.to_string(), json!(clearing.milliseconds)))
			.collect();
		let gate = self.waits.as_ref().map(|waits| waits.gate_to_positions.chain_seconds);
		let paid = self.waits.as_ref().map(|waits| waits.slot_to_paid.chain_seconds);
		let growth = self.growth.as_ref().map(|growth| growth.last_by_first);
		json!({
			"transfers_per_s": transfers,
			"orders_single_per_s": single,
			"orders_batched_per_s": batched,
			"trades_settled_per_s": trades,
			"clearing_ms": clearing,
			"gate_to_positions_s": gate,
			"slot_to_paid_s": paid,
			"bytes_per_trade": self.growth.as_ref().map(|growth| growth.bytes_per_trade),
			"ratios_to_transfers": {
				"orders_single": ratio(single),
				"orders_batched": ratio(batched),
				"trades_settled": ratio(trades),
			},
			"goals": {
				"clearing_longest_by_shortest": goal(self.clearing_spread(), GOAL_CLEARING),
				"gate_to_positions_s": goal(gate, GOAL_GATE_SECONDS),
				"slot_to_paid_s": goal(paid, GOAL_PAID_SECONDS),
				"trading_state_last_by_first": goal(growth, GOAL_GROWTH),
			},
			"details": {
				"rates": self.rates,
				"clearing": self.clearing,
				"waits": self.waits,
				"trades": self.trades,
				"growth": self.growth,
			},
			"published": ANCHORS.map(|(what, value, source)| {
				json!({ "what": what, "value": value, "source": source })
			}),
			"run": run,
		})
	}

	/// As it is shown.
	pub fn print(&self, run: &Run) {
		let Machine { cpu, cores, memory_mebibytes, system, rustc, commit, .. } = &run.machine;
		println!("\n{cpu}, {cores} cores, {memory_mebibytes} MiB, {system}, {rustc}, {commit}");
		if run.quick {
			println!("A quick run: the figures only show that everything works.");
		}
		if let Some(ratio) = run.wall_by_processor.filter(|ratio| *ratio > BUSY) {
			println!(
				"The machine was busy with something else: blocks took {ratio:.2} times as long as \
				 the processor worked for them."
			);
		}
		if let Some(rates) = &self.rates {
			rates_table(rates);
		}
		if let Some(clearing) = &self.clearing {
			println!("\nFinding the price at {} prices", crate::town::TICKS);
			for Clearing { orders, milliseconds, orders_filled, .. } in clearing {
				println!(
					"  {orders:>9} orders {milliseconds:>9.2} ms ({orders_filled} filled besides)"
				);
			}
			if let Some(spread) = self.clearing_spread() {
				println!("  longest by shortest: {spread:.2}, goal {GOAL_CLEARING}");
			}
		}
		if let Some(waits) = &self.waits {
			println!("\nDelays with {} people and {} orders", waits.people, waits.orders);
			for (name, wait, goal) in [
				("gate closed to positions known", &waits.gate_to_positions, GOAL_GATE_SECONDS),
				("slot ended to everyone paid", &waits.slot_to_paid, GOAL_PAID_SECONDS),
			] {
				println!(
					"  {name:<32} {:>6.0} s of the chain, {:>7.2} s of work, goal {goal} s",
					wait.chain_seconds, wait.execution_seconds
				);
			}
		}
		for trades in self.trades.iter().flatten() {
			println!("\nTrades from order to payment, {} orders a slot", trades.orders_per_slot);
			println!(
				"  {:.0} a second of work, {:.0} of the processor, {:.0} of the chain; {} trades, \
				 {:.2} positions each",
				trades.per_second,
				trades.per_processor_second,
				trades.chain_time_per_second,
				trades.trades,
				trades.positions_per_trade
			);
			for (phase, share) in &trades.shares {
				println!("  {phase:<12} {:>5.1} %", share * 100.0);
			}
		}
		if let Some(growth) = &self.growth {
			growth_table(growth);
		}
		println!("\nPublished by others");
		for (what, value, source) in ANCHORS {
			println!("  {value:>12}  {what} ({source})");
		}
	}
}

fn rates_table(rates: &Rates) {
	println!(
		"\n{:<32} {:>9} {:>9} {:>9} {:>9} {:>8} {:>10} {:>10}",
		"In a second of work",
		"median",
		"min",
		"max",
		"processor",
		"in block",
		"chain time",
		"by transf."
	);
	for (name, rate) in [
		("transfers", &rates.transfers),
		("single orders", &rates.orders_single),
		("orders in batches", &rates.orders_batched),
		("orders in batches, one slot", &rates.orders_batched_in_one_slot),
	] {
		let count = |value: Option<f64>| {
			value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
		};
		println!(
			"  {name:<30} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>8} {:>10} {:>10.2}",
			rate.per_second.median,
			rate.per_second.min,
			rate.per_second.max,
			rate.per_processor_second.median,
			count(rate.per_full_block),
			count(rate.chain_time_per_second),
			rate.per_second.median / rates.transfers.per_second.median,
		);
	}
}

fn growth_table(growth: &Growth) {
	println!(
		"\nGrowth: one slot of {} is traded in, {} slots are kept",
		growth.step, growth.retention_slots
	);
	println!(
		"  {:>6} {:>8} {:>9} {:>12} {:>13} {:>12}",
		"slots", "trades", "entries", "state bytes", "database MiB", "memory MiB"
	);
	for count in &growth.counts {
		println!(
			"  {:>6} {:>8} {:>9} {:>12} {:>13} {:>12}",
			count.slots,
			count.trades,
			count.census.state.entries,
			count.census.state.bytes,
			count.census.database_bytes >> 20,
			count.census.resident_bytes >> 20
		);
	}
	println!(
		"  a trade leaves {:.1} bytes while it is kept, {:.1} for good, with its share of the {:.0} \
		 that a slot's measurements leave; trading at the end by that after a quarter: {:.2}",
		growth.kept_bytes_per_trade,
		growth.bytes_per_trade,
		growth.metering_bytes_per_slot,
		growth.last_by_first
	);
}

/// Shows what steps take.
pub fn print_steps(steps: &[Step]) {
	println!("\n{:<40} {:>12} {:>14}", "Step", "us", "its block, us");
	for step in steps {
		let show = |value: Option<f64>, digits| {
			value.map_or_else(String::new, |value| format!("{value:.digits$}"))
		};
		println!(
			"  {:<38} {:>12} {:>14}",
			step.name,
			show(step.microseconds, 2),
			show(step.block_microseconds, 0)
		);
	}
}

/// Writes a file.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, content: &impl Serialize) -> Result<()> {
	let path = folder.join(name);
	let mut text = serde_json::to_string_pretty(content)?;
	text.push('\n');
	fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
	eprintln!("wrote {}", path.display());
	Ok(())
}
