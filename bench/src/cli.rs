//! What can be typed after `energy-bench`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures the energy chain on its real runtime, in this process: real nodes on RocksDB, signed
/// transactions, blocks executed in Wasm and committed.
#[derive(Debug, Parser)]
#[command(name = "energy-bench", version)]
pub struct Cli {
	/// What to measure.
	#[command(subcommand)]
	pub command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Orders, clearing and settlement in a second; delays; storage.
	///
	/// Writes market.json, with the figures, and market-samples.json, with every block. Takes some
	/// minutes and some gigabytes of memory and disk.
	Market {
		#[command(flatten)]
		options: Options,
		/// Only these parts, with commas between them. The figures of the others are null.
		#[arg(long, value_enum, value_delimiter = ',')]
		only: Vec<Part>,
	},
	/// What single steps take, for the weights of the runtime.
	///
	/// Writes steps.json.
	Steps {
		#[command(flatten)]
		options: Options,
	},
}

/// What both have in common.
#[derive(Clone, Debug, Args)]
pub struct Options {
	/// Small numbers: shows in a minute that everything works; the figures say nothing.
	#[arg(long)]
	pub quick: bool,
	/// The keys and orders follow from this number.
	#[arg(long, default_value_t = 14)]
	pub seed: u64,
	/// Where the figures are written, and the databases while they are needed.
	#[arg(long, value_name = "FOLDER", default_value = "target/bench")]
	pub out: PathBuf,
	/// The compiled policy contract. Without this, p2p-settlement is built.
	#[arg(long, value_name = "FILE")]
	pub policy: Option<PathBuf>,
}

/// A part of `market`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
	/// Transfers, single orders, batches of orders in a second.
	Throughput,
	/// The time to find a price.
	Clearing,
	/// From the gate to the positions, from the end of the slot to the money.
	Latency,
	/// Trades settled in a second.
	Trades,
	/// Storage over many slots.
	Growth,
}
