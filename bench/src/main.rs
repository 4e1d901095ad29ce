//! Measures the energy chain on its real runtime.
//!
//! - [`chain`] and [`node`]: nodes and blocks. What is measured is what a node does with a block
//!   that it did not build.
//! - [`configuration`]: the nodes' settings.
//! - [`town`]: a chain with people on it, and the orders that they place; [`people`] sign, and
//!   [`calls`] are what they sign.
//! - [`market`]: the way of a slot, block by block.
//! - [`scenarios`]: what is measured.
//! - [`stopwatch`], [`measure`], [`census`], [`machine`], [`events`]: times, samples, storage, the
//!   machine, what happened.
//! - [`report`]: the figures.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod calls;
mod census;
mod chain;
mod cli;
mod configuration;
mod events;
mod machine;
mod market;
mod measure;
mod node;
mod people;
mod report;
mod scenarios;
mod stopwatch;
mod town;

use std::{cell::RefCell, fs, path::Path, time::Instant};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{
	cli::{Cli, Command, Options, Part},
	machine::Machine,
	measure::Journal,
	node::Workshop,
	report::{Figures, Run},
	scenarios::{clearing, growth, latency, steps, throughput, trades, Bench, Sizes},
};

fn main() -> Result<()> {
	match Cli::parse().command {
		Command::Market { options, only } => market_figures(&options, &only),
		Command::Steps { options } => steps_figures(&options),
	}
}

fn bench(options: &Options) -> Result<Bench> {
	let policy = match &options.policy {
		Some(file) => file.clone(),
		None => contracts_builder::build("p2p-settlement")
			.context("the settlement contract does not build")?,
	};
	let policy = fs::read(&policy).with_context(|| format!("cannot read {}", policy.display()))?;
	Ok(Bench {
		workshop: Workshop::new(&options.out)?,
		sizes: if options.quick { Sizes::quick() } else { Sizes::full() },
		seed: options.seed,
		policy,
		journal: RefCell::new(Journal::default()),
	})
}

fn run(options: &Options, machine: Machine, start: Instant, journal: &Journal) -> Run {
	let program = |argument: String| {
		let path = Path::new(&argument);
		path.file_name().map_or(argument.clone(), |name| name.to_string_lossy().into_owned())
	};
	let mut arguments = std::env::args();
	let command: Vec<_> = arguments.next().map(program).into_iter().chain(arguments).collect();
	Run {
		command: command.join(" "),
		seed: options.seed,
		quick: options.quick,
		seconds: start.elapsed().as_secs_f64(),
		wall_by_processor: journal.wall_by_processor(),
		machine,
	}
}

fn market_figures(options: &Options, only: &[Part]) -> Result<()> {
	let (machine, start) = (Machine::this(), Instant::now());
	let bench = bench(options)?;
	let is_wanted = |part: Part| only.is_empty() || only.contains(&part);
	let mut figures = Figures::default();
	if is_wanted(Part::Throughput) {
		figures.rates = Some(throughput::run(&bench).context("throughput")?);
	}
	if is_wanted(Part::Clearing) {
		figures.clearing = Some(clearing::run(&bench).context("clearing")?);
	}
	if is_wanted(Part::Latency) {
		figures.waits = Some(latency::run(&bench).context("latency")?);
	}
	if is_wanted(Part::Trades) {
		figures.trades = Some(trades::run(&bench).context("trades")?);
	}
	if is_wanted(Part::Growth) {
		figures.growth = Some(growth::run(&bench).context("growth")?);
	}
	let journal = bench.journal.into_inner();
	let run = run(options, machine, start, &journal);
	figures.print(&run);
	report::write(&options.out, "market.json", &figures.json(&run))?;
	report::write(&options.out, "market-samples.json", &journal.0)
}

fn steps_figures(options: &Options) -> Result<()> {
	let (machine, start) = (Machine::this(), Instant::now());
	let bench = bench(options)?;
	let steps = steps::run(&bench).context("steps")?;
	let run = run(options, machine, start, &bench.journal.borrow());
	report::print_steps(&steps);
	let content = serde_json::json!({ "steps": steps, "run": run });
	report::write(&options.out, "steps.json", &content)
}
