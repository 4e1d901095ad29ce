//! Measures the oracle.

mod corpus;
mod kill;
mod pipeline;
mod usage;

use anyhow::Result;
use clap::{Parser, Subcommand};

use energy_oracle::clock::{Clock, SystemClock};

use corpus::Corpus;
use pipeline::Plan;

/// Measures the oracle.
#[derive(Debug, Parser)]
#[command(name = "energy-oracle-bench", version)]
struct Cli {
	#[command(subcommand)]
	command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
	/// From bodies in memory to synced writes, without a network.
	Pipeline {
		/// Meters.
		#[arg(long, default_value_t = 100_000)]
		meters: u32,
		/// Messages of each meter.
		#[arg(long, default_value_t = 10)]
		slots: u32,
		/// Messages in a body.
		#[arg(long, default_value_t = 100)]
		batch: usize,
		/// Bodies on their way at once.
		#[arg(long, default_value_t = 64)]
		in_flight: usize,
		/// Threads that check.
		#[arg(long, default_value_t = 2)]
		threads: usize,
		/// Verify signatures too.
		#[arg(long)]
		signatures: bool,
		/// Of the meters' keys.
		#[arg(long, default_value_t = 14)]
		seed: u64,
	},
	/// Kill the oracle under load, again and again, and compare what it acknowledged with its store.
	Kill {
		/// How often.
		#[arg(long, default_value_t = 100)]
		runs: usize,
		/// Meters.
		#[arg(long, default_value_t = 20_000)]
		meters: u32,
		/// Messages of each meter.
		#[arg(long, default_value_t = 80)]
		slots: u32,
		/// Of the meters' keys.
		#[arg(long, default_value_t = 14)]
		seed: u64,
	},
}

#[tokio::main]
async fn main() -> Result<()> {
	tracing_subscriber::fmt()
		.with_writer(std::io::stderr)
		.with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
		.init();
	match Cli::parse().command {
		Command::Pipeline { meters, slots, batch, in_flight, threads, signatures, seed } => {
			let corpus = Corpus::new(seed, meters, slots, 1_800_000_000);
			eprintln!(
				"{} messages of {} bytes",
				corpus.messages.len(),
				corpus.messages.first().map_or(0, |message| message.len())
			);
			let folder = tempfile::tempdir_in(".")?;
			let plan = Plan { batch, in_flight, verifies_signatures: signatures, threads };
			let figures = pipeline::run(&corpus, folder.path(), plan).await?;
			println!("{}", serde_json::to_string_pretty(&figures)?);
		}
		Command::Kill { runs, meters, slots, seed } => {
			let now_seconds = SystemClock.now_seconds();
			let corpus = Corpus::new(seed, meters, slots, now_seconds);
			let folder = tempfile::tempdir_in(".")?;
			let figures = kill::run(&corpus, folder.path(), runs).await?;
			println!("{}", serde_json::to_string_pretty(&figures)?);
		}
	}
	Ok(())
}
