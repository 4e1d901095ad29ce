//! Measures the oracle.

mod broker;
mod chain;
mod cluster;
mod corpus;
mod ingest;
mod kill;
mod load;
mod machine;
mod pipeline;
mod serve;
mod usage;

use std::path::PathBuf;

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
	/// Everything about the way in: pipeline, HTTPS, delays, MQTT, kill -9. Prints JSON.
	Ingest {
		/// Meters.
		#[arg(long, default_value_t = 40_000)]
		meters: u32,
		/// Messages of each meter, at most those of a day.
		#[arg(long, default_value_t = 80)]
		slots: u32,
		/// How often the oracle is killed.
		#[arg(long, default_value_t = 100)]
		kills: usize,
		/// Messages a second that are stated as the rated load.
		#[arg(long, default_value_t = 25_000.0)]
		rated: f64,
		/// Seconds of each run with a given rate.
		#[arg(long, default_value_t = 10)]
		seconds: u64,
		/// Of the meters' keys.
		#[arg(long, default_value_t = 14)]
		seed: u64,
		/// Where the figures are written to.
		#[arg(long, value_name = "FILE")]
		out: Option<PathBuf>,
	},
	/// Run an oracle for load from another process.
	Serve(serve::ServeArgs),
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
		Command::Ingest { meters, slots, kills, rated, seconds, seed, out } => {
			let plan =
				ingest::Plan { meters, slots, kills, rated_per_second: rated, seconds, seed };
			let folder = tempfile::tempdir_in(".")?;
			let figures = ingest::run(&plan, folder.path()).await?;
			let text = serde_json::to_string_pretty(&figures)?;
			if let Some(path) = out {
				std::fs::write(&path, &text)?;
			}
			println!("{text}");
		}
		Command::Serve(args) => serve::run(args).await?,
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
