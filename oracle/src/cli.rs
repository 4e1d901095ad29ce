//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use energy_primitives::{Slot, ZoneId};

use crate::{
	chain::node::Account,
	ingest::IngestLimits,
	key::{account_from_file, development_account, KeyError},
	outbox::OutboxConfig,
	reading::TimeLimits,
	service::Config,
};

/// Takes signed meter readings, keeps them, and attests them to the energy chain.
#[derive(Debug, Parser)]
#[command(name = "energy-oracle", version, max_term_width = 100)]
pub struct Cli {
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Run the oracle: serve HTTP, follow a node, attest.
	Run(Box<RunArgs>),
	/// Play a meter: sign the intervals of a CSV file and send them to an oracle.
	Replay(ReplayArgs),
	/// Show what a running oracle is doing, as JSON.
	Status(StatusArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
	/// WebSocket address of the node.
	#[arg(long, env = "ENERGY_ORACLE_NODE", default_value = "ws://127.0.0.1:9944")]
	pub node: String,
	/// Folder of the database; made if it is not there.
	#[arg(long, env = "ENERGY_ORACLE_DATA", value_name = "DIR")]
	pub data: PathBuf,
	/// Address to serve HTTP on. There is no TLS and no login: keep it local, or put a proxy that
	/// has both in front.
	#[arg(long, env = "ENERGY_ORACLE_LISTEN", default_value = "127.0.0.1:8080")]
	pub listen: SocketAddr,
	/// Zones whose readings are taken, separated by commas.
	#[arg(long, env = "ENERGY_ORACLE_ZONE", value_delimiter = ',', required = true)]
	pub zone: Vec<ZoneId>,
	/// The key of the oracle's account.
	#[command(flatten)]
	pub key: AccountKey,
	/// Seconds to wait for readings after a slot ends, by the chain's clock [default: 10, or a sixth
	/// of the slot where that is less].
	#[arg(long, env = "ENERGY_ORACLE_GRACE_SECONDS", value_name = "S")]
	pub grace_seconds: Option<u32>,
	/// The greatest age of a message and of a reading in it, in seconds.
	#[arg(
		long,
		env = "ENERGY_ORACLE_MAX_AGE_SECONDS",
		value_name = "S",
		default_value_t = TimeLimits::default().max_age_seconds
	)]
	pub max_age_seconds: u64,
	/// How far the clock of a meter may be ahead, in seconds.
	#[arg(
		long,
		env = "ENERGY_ORACLE_MAX_FUTURE_SECONDS",
		value_name = "S",
		default_value_t = TimeLimits::default().max_future_seconds
	)]
	pub max_future_seconds: u64,
	/// Seconds after which the whole registry of meters is read again.
	#[arg(
		long,
		env = "ENERGY_ORACLE_REGISTRY_REFRESH_SECONDS",
		value_name = "S",
		default_value_t = 60
	)]
	pub registry_refresh_seconds: u64,
	/// Milliseconds a request waits for a place in the queue before it is told to come back.
	#[arg(
		long,
		env = "ENERGY_ORACLE_QUEUE_TIMEOUT_MS",
		value_name = "MS",
		default_value_t = 5_000
	)]
	pub queue_timeout_ms: u64,
	/// The most pages on their way to the chain at once.
	#[arg(
		long,
		env = "ENERGY_ORACLE_PARALLEL_PAGES",
		value_name = "N",
		default_value_t = OutboxConfig::default().parallel
	)]
	pub parallel_pages: usize,
}

/// Where the key of the oracle's account comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct AccountKey {
	/// File with the secret phrase, secret URI or hexadecimal seed of the oracle's account (sr25519).
	/// Nobody else should be able to read it (mode 600).
	#[arg(long, env = "ENERGY_ORACLE_KEY_FILE", value_name = "FILE")]
	pub key_file: Option<PathBuf>,
	/// For development only: a key that everybody knows, such as //Oracle.
	#[arg(long, value_name = "NAME")]
	pub dev_key: Option<String>,
}

impl AccountKey {
	/// The account.
	///
	/// # Errors
	/// When the file cannot be read or holds no key.
	pub fn account(&self) -> Result<Account, KeyError> {
		let key = match (&self.key_file, &self.dev_key) {
			(Some(path), _) => account_from_file(path)?,
			(None, Some(name)) => {
				tracing::warn!(name, "a development key: everybody can attest in its name");
				development_account(name)?
			}
			(None, None) => return Err(KeyError::NotADevelopmentKey),
		};
		Ok(Account::new(key))
	}
}

impl RunArgs {
	/// The configuration of the service.
	pub fn config(&self) -> Config {
		let mut zones = self.zone.clone();
		zones.sort_unstable();
		zones.dedup();
		Config {
			grace_seconds: self.grace_seconds,
			registry_refresh_seconds: self.registry_refresh_seconds,
			limits: IngestLimits {
				time: TimeLimits {
					max_age_seconds: self.max_age_seconds,
					max_future_seconds: self.max_future_seconds,
				},
				queue_timeout: Duration::from_millis(self.queue_timeout_ms),
				..IngestLimits::default()
			},
			outbox: OutboxConfig {
				parallel: self.parallel_pages.max(1),
				..OutboxConfig::default()
			},
			..Config::new(self.data.clone(), self.listen, zones)
		}
	}
}

/// The slot of the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartSlot {
	/// The slot that is now.
	Now,
	/// This one.
	At(Slot),
}

impl std::str::FromStr for StartSlot {
	type Err = String;

	fn from_str(text: &str) -> Result<Self, String> {
		match text {
			"now" => Ok(Self::Now),
			number => number.parse().map(Self::At).map_err(|_error| {
				format!("{number:?} is neither a slot's number nor the word now")
			}),
		}
	}
}

fn positive(text: &str) -> Result<f64, String> {
	match text.parse::<f64>() {
		Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
		_ => Err("not a number above zero".into()),
	}
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
	/// CSV file: a header line, then time, consumption in kWh, generation in kWh.
	pub file: PathBuf,
	/// The identifier printed on the meter.
	#[arg(long, value_name = "TEXT_ID")]
	pub meter: wia_ene_014::message::MeterId,
	/// File with the meter's ed25519 seed: 64 hexadecimal digits.
	#[arg(long, env = "ENERGY_ORACLE_DEVICE_KEY_FILE", value_name = "FILE")]
	pub key_file: PathBuf,
	/// Base address of the oracle.
	#[arg(long, env = "ENERGY_ORACLE_URL", default_value = "http://127.0.0.1:8080")]
	pub url: String,
	/// The time of the first row, as written in the file [default: the first row].
	#[arg(long, value_name = "TIME")]
	pub from: Option<String>,
	/// How many rows [default: all that follow].
	#[arg(long, value_name = "N")]
	pub intervals: Option<usize>,
	/// The length of the chain's slots. One row becomes one slot, whatever it was measured over.
	#[arg(long, value_name = "S", default_value_t = 900,
		value_parser = clap::value_parser!(u32).range(1..=86_400))]
	pub interval_seconds: u32,
	/// The slot of the first row: its number, or now.
	#[arg(long, value_name = "K", default_value = "now")]
	pub start_slot: StartSlot,
	/// How much faster than real time, counted from the end of the first slot. The oracle refuses
	/// what is too far in the future.
	#[arg(long, value_name = "X", default_value = "1", value_parser = positive)]
	pub speed: f64,
	/// Send everything at once.
	#[arg(long, conflicts_with = "speed")]
	pub no_wait: bool,
	/// Print the summary as JSON.
	#[arg(long)]
	pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
	/// Base address of the oracle.
	#[arg(long, env = "ENERGY_ORACLE_URL", default_value = "http://127.0.0.1:8080")]
	pub url: String,
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn the_command_line_is_consistent() {
		Cli::command().debug_assert();
	}

	#[test]
	fn run_needs_exactly_one_key() {
		let parse = |more: &[&str]| {
			let run = ["energy-oracle", "run", "--data", "d", "--zone", "2,1,2"];
			Cli::try_parse_from(run.iter().chain(more))
		};
		assert!(parse(&[]).is_err());
		assert!(parse(&["--dev-key", "//Oracle", "--key-file", "k"]).is_err());
		let Ok(Cli { command: Command::Run(args) }) = parse(&["--dev-key", "//Oracle"]) else {
			panic!("it parses");
		};
		assert_eq!(args.config().zones, [ZoneId(1), ZoneId(2)]);
	}
}
