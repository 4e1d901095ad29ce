//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use energy_primitives::{Slot, ZoneId};

use crate::{
	config::{ConfigError, FileConfig},
	keys_command::KeysArgs,
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
	/// Run the oracle: serve HTTP, take from brokers, follow a node, attest.
	Run(Box<RunArgs>),
	/// Look whether `run` could start with these settings, and show them.
	CheckConfig(Box<CheckArgs>),
	/// Look at the keys of a data folder, and change them, while no oracle has it open.
	Keys(Box<KeysArgs>),
	/// Make a secret for a client of the token endpoint, and the line for the file of clients.
	ClientSecret,
	/// Play a meter: sign the intervals of a CSV file and send them to an oracle.
	Replay(ReplayArgs),
	/// Check the audit log: each entry against the one before it, each day against the chain.
	VerifyAudit(VerifyAuditArgs),
	/// Show what a running oracle is doing, as JSON.
	Status(StatusArgs),
}

/// Where settings come from: a file, over it the environment, over it these options.
#[derive(Debug, Args)]
pub struct Settings {
	/// Configuration file (TOML). Each of its keys can be set by a variable as well, such as
	/// ENERGY_ORACLE__HTTP__LISTEN.
	#[arg(long, env = "ENERGY_ORACLE_CONFIG", value_name = "FILE")]
	pub config: Option<PathBuf>,
	/// WebSocket address of the node [default: ws://127.0.0.1:9944].
	#[arg(long, env = "ENERGY_ORACLE_NODE", value_name = "URL")]
	pub node: Option<String>,
	/// Folder of the database; made if it is not there.
	#[arg(long, env = "ENERGY_ORACLE_DATA", value_name = "DIR")]
	pub data: Option<PathBuf>,
	/// Address to serve HTTP on [default: 127.0.0.1:8080].
	#[arg(long, env = "ENERGY_ORACLE_LISTEN", value_name = "ADDRESS")]
	pub listen: Option<SocketAddr>,
	/// Zones whose readings are taken, separated by commas.
	#[arg(long, env = "ENERGY_ORACLE_ZONE", value_delimiter = ',')]
	pub zone: Vec<ZoneId>,
	/// File with the secret phrase, secret URI or hexadecimal seed of the oracle's account (sr25519).
	/// Nobody else should be able to read it (mode 600).
	#[arg(long, env = "ENERGY_ORACLE_KEY_FILE", value_name = "FILE")]
	pub key_file: Option<PathBuf>,
	/// For development only: a key that everybody knows, such as //Oracle, instead of a key file.
	#[arg(long, value_name = "NAME", conflicts_with = "key_file")]
	pub dev_key: Option<String>,
	/// Seconds to wait for readings after a slot ends, by the chain's clock [default: 10, or a sixth
	/// of the slot where that is less].
	#[arg(long, env = "ENERGY_ORACLE_GRACE_SECONDS", value_name = "S")]
	pub grace_seconds: Option<u32>,
	/// Seconds after which the whole registry of meters is read again [default: 60].
	#[arg(long, env = "ENERGY_ORACLE_REGISTRY_REFRESH_SECONDS", value_name = "S")]
	pub registry_refresh_seconds: Option<u64>,
}

impl Settings {
	/// All settings together.
	///
	/// # Errors
	/// When the file or a variable is wrong.
	pub fn load(&self) -> Result<FileConfig, ConfigError> {
		let mut config = FileConfig::load(self.config.as_deref(), std::env::vars())?;
		if !self.zone.is_empty() {
			config.zones.clone_from(&self.zone);
		}
		if let Some(url) = &self.node {
			config.node.url.clone_from(url);
		}
		if let Some(seconds) = self.registry_refresh_seconds {
			config.node.registry_refresh_seconds = seconds;
		}
		if let Some(listen) = self.listen {
			config.http.listen = listen;
		}
		if self.data.is_some() {
			config.storage.folder.clone_from(&self.data);
		}
		if self.grace_seconds.is_some() {
			config.attestation.grace_seconds = self.grace_seconds;
		}
		if self.key_file.is_some() || self.dev_key.is_some() {
			config.account.key_file.clone_from(&self.key_file);
			config.account.development_key.clone_from(&self.dev_key);
		}
		Ok(config)
	}
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
	/// How to run.
	#[command(flatten)]
	pub settings: Settings,
	/// While another process has the data folder open, wait, and take the folder over when it is free.
	#[arg(long)]
	pub standby: bool,
}

/// Arguments of `check-config`.
#[derive(Debug, Args)]
pub struct CheckArgs {
	/// What is looked at.
	#[command(flatten)]
	pub settings: Settings,
	/// Print the settings as JSON.
	#[arg(long)]
	pub json: bool,
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
	/// Base address of the oracle, http:// or https://.
	#[arg(long, env = "ENERGY_ORACLE_URL", default_value = "http://127.0.0.1:8080")]
	pub url: String,
	/// File with the authorities (PEM) that the oracle's certificate must come from [default: those
	/// that this machine trusts].
	#[arg(long, env = "ENERGY_ORACLE_CA_FILE", value_name = "FILE")]
	pub ca_file: Option<PathBuf>,
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
	/// Base address of the oracle, http:// or https://.
	#[arg(long, env = "ENERGY_ORACLE_URL", default_value = "http://127.0.0.1:8080")]
	pub url: String,
	/// File with the authorities (PEM) that the oracle's certificate must come from [default: those
	/// that this machine trusts].
	#[arg(long, env = "ENERGY_ORACLE_CA_FILE", value_name = "FILE")]
	pub ca_file: Option<PathBuf>,
}

/// Arguments of `verify-audit`.
#[derive(Debug, Args)]
pub struct VerifyAuditArgs {
	/// Folder of the audit log.
	#[arg(long, value_name = "DIR")]
	pub folder: PathBuf,
	/// WebSocket address of a node that has all blocks, to compare with the chain.
	#[arg(long, env = "ENERGY_ORACLE_NODE", value_name = "URL")]
	pub node: Option<String>,
	/// Print the report as JSON.
	#[arg(long)]
	pub json: bool,
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
	fn options_come_over_the_rest() {
		let run =
			["energy-oracle", "run", "--data", "d", "--zone", "2,1,2", "--dev-key", "//Oracle"];
		let Ok(Cli { command: Command::Run(args) }) = Cli::try_parse_from(run) else {
			panic!("it parses");
		};
		assert!(!args.standby);
		let config = args.settings.load().expect("nothing is wrong");
		assert_eq!(config.account.development_key.as_deref(), Some("//Oracle"));
		let service = config.service().expect("nothing is wrong");
		assert_eq!(service.zones, [ZoneId(1), ZoneId(2)]);
		let both = run.iter().chain(&["--key-file", "k"]);
		assert!(Cli::try_parse_from(both).is_err());
	}
}
