//! The program: what is typed, what is printed.

mod admin;
mod agents;
mod args;
mod batch;
mod bill;
mod community;
mod coupling;
mod holdings;
mod keys;
mod market;
mod money;
mod offers;
mod orders;
mod secrets;
mod standing;
mod text;

use std::{
	io::{IsTerminal, Write},
	process::ExitCode,
};

use clap::Parser;
use energy_primitives::{api::ZoneSummary, AccountId, ZoneId};
use serde_json::{json, Value};

pub use args::Cli;
use args::{Command, Global, WhoArgs, ZoneChoice};

use crate::{
	client::{ChainClient, ClientError, TxOutcome},
	keystore::{Keystore, KeystoreError},
	oracle::OracleError,
	units::UnitError,
};

/// The status when something could not be done.
const FAILED: u8 = 1;
/// The status when a bill could not be verified.
const UNVERIFIED: u8 = 2;

/// Reads the command line, does what it says, prints what came of it.
pub fn main() -> ExitCode {
	let cli = match Cli::try_parse() {
		Ok(cli) => cli,
		Err(error) => {
			// A closed pipe is no reason to fail: nobody reads any more.
			let _ = error.print();
			// Status 2 is kept for bills that do not hold.
			return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
		}
	};
	let json = cli.global.json;
	match run(cli) {
		Ok(report) => {
			print(&report, json);
			ExitCode::from(report.status)
		}
		Err(failure) => {
			eprintln!("{}", failure.render(json));
			ExitCode::from(FAILED)
		}
	}
}

fn run(cli: Cli) -> Result<Report, Failure> {
	let context = Context::new(cli.global)?;
	let runtime = tokio::runtime::Builder::new_current_thread()
		.enable_all()
		.build()
		.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
	runtime.block_on(async {
		match cli.command {
			Command::Key(command) => keys::run(&context, command),
			Command::Balance(args) => money::balance(&context, args).await,
			Command::Clock(args) => market::clock(&context, args).await,
			Command::Zone(args) => market::zone(&context, args).await,
			Command::Market(args) => market::market(&context, args).await,
			Command::History(args) => market::history(&context, args).await,
			Command::Bid(args) => orders::bid(&context, args).await,
			Command::Ask(args) => orders::ask(&context, args).await,
			Command::Batch(args) => batch::run(&context, args).await,
			Command::Replace(args) => orders::replace(&context, args).await,
			Command::Cancel(args) => orders::cancel(&context, args).await,
			Command::Standing(command) => standing::run(&context, command).await,
			Command::Offer(command) => offers::run(&context, command).await,
			Command::Agent(command) => agents::run(&context, command).await,
			Command::Community(command) => community::run(&context, command).await,
			Command::Coupling(command) => coupling::run(&context, command).await,
			Command::Orders(args) => holdings::orders(&context, args).await,
			Command::Positions(args) => holdings::positions(&context, args).await,
			Command::Meters(args) => holdings::meters(&context, args).await,
			Command::Bill(args) => bill::run(&context, args).await,
			Command::Send(args) => money::send(&context, args).await,
			Command::Withdraw(args) => money::withdraw(&context, args).await,
			Command::Admin(args) => admin::run(&context, args).await,
		}
	})
}

/// What a command says: the same twice.
struct Report {
	json: Value,
	text: String,
	status: u8,
}

impl Report {
	fn new(json: Value, text: impl Into<String>) -> Self {
		Self { json, text: text.into(), status: 0 }
	}
}

/// Adds to what a command says to programs where its transaction is.
fn with_block(mut json: Value, outcome: &TxOutcome) -> Value {
	json["blockHash"] = format!("{:?}", outcome.block_hash).into();
	json["blockNumber"] = outcome.block_number.into();
	json["transactionHash"] = format!("{:?}", outcome.transaction_hash).into();
	json
}

/// Where a transaction is, for people.
fn block_pair(outcome: &TxOutcome) -> (&'static str, String) {
	("block", format!("{} {:?}", outcome.block_number, outcome.block_hash))
}

fn print(report: &Report, json: bool) {
	let text = if json {
		serde_json::to_string_pretty(&report.json).unwrap_or_default()
	} else {
		report.text.trim_end().to_owned()
	};
	// A closed pipe is no reason to fail: nobody reads any more.
	let _ = writeln!(std::io::stdout(), "{text}");
}

/// Why a command could not be done, and what to do about it.
#[derive(Debug)]
struct Failure {
	message: String,
	help: Option<String>,
}

impl Failure {
	fn new(message: impl Into<String>) -> Self {
		Self { message: message.into(), help: None }
	}

	fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
		Self { message: message.into(), help: Some(help.into()) }
	}

	fn render(&self, json: bool) -> String {
		if json {
			let error = json!({ "error": { "message": self.message, "help": self.help } });
			return serde_json::to_string_pretty(&error).unwrap_or_default();
		}
		match &self.help {
			Some(help) => format!("error: {}\n  help: {help}", self.message),
			None => format!("error: {}", self.message),
		}
	}
}

impl From<ClientError> for Failure {
	fn from(error: ClientError) -> Self {
		Self { message: error.to_string(), help: error.help() }
	}
}

impl From<KeystoreError> for Failure {
	fn from(error: KeystoreError) -> Self {
		let help = match &error {
			KeystoreError::UnknownKey { .. } => Some("`key list` lists the keys there are"),
			KeystoreError::PassphraseTooShort => Some("four or five random words are a good one"),
			KeystoreError::WrongPassphrase => Some(
				"type it again; if it is lost, import the key anew from its secret words, under \
				 another name",
			),
			KeystoreError::Tampered { .. } => Some(
				"do not use this file: restore it from a copy, or import the key from its secret \
				 words",
			),
			_ => None,
		};
		Self { message: error.to_string(), help: help.map(Into::into) }
	}
}

impl From<OracleError> for Failure {
	fn from(error: OracleError) -> Self {
		let help = match &error {
			OracleError::InvalidUrl { .. } | OracleError::Unreachable { .. } => {
				Some("name the oracle of your zone with --oracle or in ENERGY_ORACLE")
			}
			_ => None,
		};
		Self { message: error.to_string(), help: help.map(Into::into) }
	}
}

impl From<UnitError> for Failure {
	fn from(error: UnitError) -> Self {
		Self::new(error.to_string())
	}
}

/// What every command works with.
struct Context {
	global: Global,
	keystore: Keystore,
}

impl Context {
	fn new(global: Global) -> Result<Self, Failure> {
		let folder =
			global.keystore.clone().or_else(Keystore::default_folder).ok_or_else(|| {
				Failure::with_help(
					"there is no home folder to keep keys in",
					"give a folder with --keystore or in ENERGY_KEYSTORE",
				)
			})?;
		Ok(Self { global, keystore: Keystore::new(folder) })
	}

	async fn connect(&self) -> Result<ChainClient, Failure> {
		let url = &self.global.node;
		if url.starts_with("ws://") && !is_on_this_machine(url) {
			warn(
				"the connection to the node is not encrypted: others can see what you ask, and \
				 answer in the node's place. Use wss://",
			);
		}
		Ok(ChainClient::connect_with(url, self.global.options()).await?)
	}

	/// The account that is asked about.
	fn account(&self, who: &WhoArgs) -> Result<AccountId, Failure> {
		if let Some(account) = &who.address {
			return Ok(account.clone());
		}
		if let Some(dev_key) = &who.dev_key {
			return Ok(crate::client::account_of(&secrets::dev_key(dev_key)?));
		}
		let name = secrets::key_name(&self.keystore, who.key.as_deref())?;
		Ok(self.keystore.info(&name)?.account)
	}

	/// The account that is asked about, if one is named or there is only one.
	fn account_if_any(&self, who: &WhoArgs) -> Result<Option<AccountId>, Failure> {
		let is_named = who.address.is_some() || who.dev_key.is_some() || who.key.is_some();
		if is_named || self.keystore.list()?.len() == 1 {
			return self.account(who).map(Some);
		}
		Ok(None)
	}
}

/// The zone that is named, else the one that the account belongs to.
async fn choose_zone(
	client: &ChainClient,
	choice: &ZoneChoice,
	account: Option<&AccountId>,
) -> Result<ZoneId, Failure> {
	if let Some(zone) = choice.zone {
		return Ok(zone);
	}
	let Some(account) = account else {
		return Err(Failure::with_help(
			"which zone?",
			"give it with --zone or in ENERGY_ZONE, or name an account with --key or --address",
		));
	};
	match client.participant(account).await? {
		Some(participant) => Ok(participant.zone),
		None => Err(Failure::with_help(
			format!("{} is not a participant of this chain", crate::address::format(account)),
			"ask the utility of your zone to admit it, or give a zone with --zone",
		)),
	}
}

/// A zone that is there.
async fn existing_zone(client: &ChainClient, zone: ZoneId) -> Result<ZoneSummary, Failure> {
	client
		.zone(zone)
		.await?
		.ok_or_else(|| Failure::with_help(format!("there is no zone {zone}"), "check --zone"))
}

fn is_on_this_machine(url: &str) -> bool {
	let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
	let host = rest.split('/').next().unwrap_or_default();
	["127.", "localhost:", "[::1]"].iter().any(|start| host.starts_with(start))
		|| host == "localhost"
}

/// Says something that is no result, where it does not get into a pipe.
fn warn(message: &str) {
	eprintln!("warning: {message}");
}

/// Says what is going on, to people only.
fn progress(context: &Context, message: &str) {
	if !context.global.json && std::io::stderr().is_terminal() {
		eprintln!("{message}");
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn warning_is_for_other_machines_only() {
		for url in
			["ws://127.0.0.1:9944", "ws://localhost:9944", "ws://[::1]:9944", "ws://localhost"]
		{
			assert!(is_on_this_machine(url), "{url}");
		}
		for url in
			["ws://10.0.0.1:9944", "ws://localhost.example.org:1", "ws://example.org/127.0.0.1"]
		{
			assert!(!is_on_this_machine(url), "{url}");
		}
	}

	#[test]
	fn failure_is_json_when_json_is_asked_for() {
		let failure = Failure::with_help("no", "yes");
		assert_eq!(failure.render(false), "error: no\n  help: yes");
		let value: Value = serde_json::from_str(&failure.render(true)).expect("is JSON");
		assert_eq!(value["error"]["help"], "yes");
	}
}
