//! A chain with quick slots, its node, its contract, its oracle, and three homes on it.

use std::{
	fs,
	path::{Path, PathBuf},
	time::Duration,
};

use anyhow::{ensure, Context, Result};
use energy_primitives::{AccountId, MeterId, Role, Roles, ZoneId, MINOR_UNITS};
use energy_wallet::{
	calls,
	client::{account_of, Call, ChainClient},
};
use serde_json::{json, Value};
use sp_core::{H160, H256};
use subxt_signer::{
	sr25519::{dev, Keypair},
	SecretUri,
};
use wia_ene_014::canonical::{meter_id, DeviceKey};

use crate::{
	homes::{Home, HOMES},
	process::{self, Output, Running},
};

/// The zone of the development chain.
pub const ZONE: ZoneId = ZoneId(1);
/// The settlement currency that every home gets: 100.
pub const POCKET_MONEY: u128 = 100 * MINOR_UNITS;
/// A half-hour's energy in a slot of seconds is a large power: 5 MW.
const RATED_POWER_W: u32 = 5_000_000;
/// How long a program may take to start.
const START: Duration = Duration::from_secs(60);
/// How long a wallet's command may take.
const WALLET: Duration = Duration::from_secs(60);
/// How long a program may take to stop.
pub const STOP: Duration = Duration::from_secs(30);

/// The times of the chain, seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
	/// The length of a slot.
	pub slot: u32,
	/// How long before the slot the gate closes.
	pub gate: u32,
	/// How long an attestation may be challenged.
	pub dispute: u32,
	/// How long after the slot attestations are taken.
	pub deadline: u32,
}

/// Twelve-second slots.
pub const QUICK: Times = Times { slot: 12, gate: 4, dispute: 10, deadline: 36 };

/// Which of the node's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
	/// One validator, one oracle.
	Development,
	/// Four validators, and three oracles of which two must agree.
	Local,
}

impl Chain {
	fn name(self) -> &'static str {
		match self {
			Self::Development => "dev",
			Self::Local => "local",
		}
	}

	fn validators(self) -> &'static [&'static str] {
		match self {
			Self::Development => &["alice"],
			Self::Local => &["alice", "bob", "charlie", "dave"],
		}
	}
}

/// A node that runs.
pub struct Node {
	/// The process.
	pub process: Running,
	/// The address of its WebSocket.
	pub url: String,
}

/// A started chain with everything on it.
pub struct Network {
	/// Where everything is kept.
	pub folder: PathBuf,
	/// The times of the chain.
	pub times: Times,
	/// The validators' nodes.
	pub nodes: Vec<Node>,
	/// The address of the first node's WebSocket.
	pub node_url: String,
	/// A connection to the first node.
	pub client: ChainClient,
	/// The settlement contract.
	pub contract: H160,
	/// The accounts of [`HOMES`].
	pub homes: Vec<Keypair>,
}

/// The secret URI of a home's key: a made-up development key.
fn home_uri(home: &Home) -> String {
	format!("//Home//{}", home.name)
}

/// A key by its secret URI.
///
/// # Errors
/// When it is none.
pub fn keypair(uri: &str) -> Result<Keypair> {
	let uri: SecretUri = uri.parse().map_err(|error| anyhow::anyhow!("{uri}: {error}"))?;
	Keypair::from_uri(&uri).map_err(|error| anyhow::anyhow!("a key cannot be made: {error}"))
}

impl Network {
	/// Starts a chain with these times and deploys the settlement contract. `say` hears of every
	/// step.
	///
	/// # Errors
	/// When something cannot be started, with the end of its log.
	pub async fn start(
		folder: &Path,
		chain: Chain,
		times: Times,
		say: impl Fn(&str),
	) -> Result<Self> {
		fs::create_dir_all(folder)?;
		let spec = write_spec(folder, chain, times).await?;
		let mut nodes: Vec<Node> = Vec::new();
		for validator in chain.validators() {
			say(&format!("starting the node of {validator}"));
			let first = match nodes.first() {
				Some(node) => Some(listen_address(&node.url).await?),
				None => None,
			};
			nodes.push(start_node(folder, &spec, validator, first).await?);
		}
		let node_url = nodes[0].url.clone();
		let client = ChainClient::connect(&node_url).await?;

		say("building and deploying the settlement contract");
		let blob = tokio::task::spawn_blocking(|| contracts_builder::build("p2p-settlement"))
			.await?
			.context("the settlement contract does not build")?;
		let homes =
			HOMES.iter().map(|home| keypair(&home_uri(home))).collect::<Result<Vec<_>>>()?;
		let mut network = Self {
			folder: folder.into(),
			times,
			nodes,
			node_url,
			client,
			contract: H160::zero(),
			homes,
		};
		let deployed = network
			.wallet(&[
				"admin",
				"deploy-contract",
				&blob.display().to_string(),
				"--dev-key",
				"//Alice",
			])
			.await?;
		network.contract = deployed["contract"]
			.as_str()
			.context("the wallet names no contract")?
			.parse()
			.map_err(|error| anyhow::anyhow!("not the address of a contract: {error:?}"))?;
		network
			.wallet(&[
				"admin",
				"set-policy",
				"--zone",
				&ZONE.to_string(),
				"--contract",
				&format!("{:?}", network.contract),
				"--dev-key",
				"//Alice",
			])
			.await?;
		Ok(network)
	}

	/// The utility admits the homes, registers their meters, and each home gets money. The keys of the
	/// homes and of their meters are written to files.
	///
	/// # Errors
	/// When the chain refuses.
	pub async fn admit_homes(&self) -> Result<()> {
		let utility = dev::alice();
		self.admit_homes_to(&[(ZONE, &utility); HOMES.len()]).await
	}

	/// The same for homes in several zones: for each its zone, and the key of the utility that runs
	/// it. The money is Alice's.
	///
	/// # Errors
	/// When the chain refuses.
	pub async fn admit_homes_to(&self, places: &[(ZoneId, &Keypair); HOMES.len()]) -> Result<()> {
		let bank = dev::alice();
		let mut steps: Vec<(&Keypair, Call)> = Vec::new();
		for ((home, key), &(zone, utility)) in HOMES.iter().zip(&self.homes).zip(places) {
			let account = account_of(key);
			let admission = calls::admit(&account, Roles::from(Role::Prosumer), zone, H256::zero());
			let registration = calls::register_meter(
				MeterId(meter_id(home.meter)),
				&account,
				zone,
				DeviceKey::Ed25519(
					ed25519_dalek::SigningKey::from_bytes(&home.meter_seed)
						.verifying_key()
						.to_bytes(),
				),
				RATED_POWER_W,
			);
			steps.push((utility, admission));
			steps.push((utility, registration));
			steps.push((&bank, calls::transfer(&account, POCKET_MONEY)));
			fs::write(self.meter_key_file(home), hex::encode(home.meter_seed))?;
		}
		// One after the other into the pool, together into a block.
		let sent = steps.iter().map(|(signer, call)| self.client.submit(signer, call));
		for outcome in futures::future::join_all(sent).await {
			outcome?;
		}
		fs::write(self.passphrase_file(), "demonstration only")?;
		for home in &HOMES {
			let uri_file = self.folder.join(format!("{}.uri", home.name));
			fs::write(&uri_file, home_uri(home))?;
			self.wallet(&[
				"key",
				"import",
				home.name,
				"--uri-file",
				&uri_file.display().to_string(),
				"--passphrase-file",
				&self.passphrase_file().display().to_string(),
			])
			.await?;
			fs::remove_file(uri_file)?;
		}
		Ok(())
	}

	/// Starts an oracle with a development key. It waits `grace_seconds` for meters that are late.
	///
	/// # Errors
	/// When it does not start.
	pub async fn start_oracle(
		&self,
		name: &str,
		listen: &str,
		grace_seconds: u32,
	) -> Result<(Running, String)> {
		self.start_oracle_of(&[ZONE], name, listen, grace_seconds).await
	}

	/// The same for an oracle of several zones.
	///
	/// # Errors
	/// When it does not start.
	pub async fn start_oracle_of(
		&self,
		zones: &[ZoneId],
		name: &str,
		listen: &str,
		grace_seconds: u32,
	) -> Result<(Running, String)> {
		let zones: Vec<String> = zones.iter().map(ToString::to_string).collect();
		let data = self.folder.join(format!("oracle-{name}"));
		let arguments = strings(&[
			"run",
			"--node",
			&self.node_url,
			"--data",
			&data.display().to_string(),
			"--listen",
			listen,
			"--zone",
			&zones.join(","),
			"--dev-key",
			&format!("//{name}"),
			"--grace-seconds",
			&grace_seconds.to_string(),
			"--registry-refresh-seconds",
			"10",
		]);
		let log = self.folder.join(format!("oracle-{name}.log"));
		let mut oracle = Running::start("energy-oracle", &arguments, &log)?;
		let url = oracle.wait_for("listening on ", START).await?;
		// It can take readings when it has read the registry of meters.
		oracle.wait_for("the registry is up to date", START).await?;
		Ok((oracle, url))
	}

	/// Runs the wallet and returns the JSON that it prints.
	///
	/// # Errors
	/// When it ends with another status than 0; with what it says.
	pub async fn wallet(&self, arguments: &[&str]) -> Result<Value> {
		let Output { status, stdout, stderr } = self.wallet_output(arguments, true).await?;
		ensure!(status.success(), "energy-wallet {arguments:?}: {status}\n{stderr}{stdout}");
		Ok(serde_json::from_str(&stdout)?)
	}

	/// Runs the wallet.
	///
	/// # Errors
	/// When it cannot be run.
	pub async fn wallet_output(&self, arguments: &[&str], as_json: bool) -> Result<Output> {
		let mut all = strings(&[
			"--node",
			&self.node_url,
			"--keystore",
			&self.folder.join("keys").display().to_string(),
		]);
		if as_json {
			all.push("--json".into());
		}
		all.extend(strings(arguments));
		process::run("energy-wallet", &all, WALLET).await
	}

	/// Runs the wallet, which must be refused, and returns the reason that it gives.
	///
	/// # Errors
	/// When it ends with another status than 1, or its error is no JSON.
	pub async fn refusal(&self, arguments: &[&str]) -> Result<String> {
		let Output { status, stdout, stderr } = self.wallet_output(arguments, true).await?;
		ensure!(status.code() == Some(1), "energy-wallet {arguments:?}: {status}\n{stdout}");
		// A development key comes with a warning in front.
		let (_, error) = stderr.split_at(stderr.find('{').unwrap_or_default());
		let error: Value = serde_json::from_str(error)
			.with_context(|| format!("the error of {arguments:?} is no JSON: {stderr}"))?;
		error["error"]["message"].as_str().map(str::to_owned).context("an error without a message")
	}

	/// Runs the wallet of a home, which signs.
	///
	/// # Errors
	/// As [`Network::wallet`].
	pub async fn wallet_of(&self, home: &Home, arguments: &[&str]) -> Result<Value> {
		let passphrase = self.passphrase_file().display().to_string();
		let mut all = arguments.to_vec();
		all.extend(["--key", home.name, "--passphrase-file", &passphrase]);
		self.wallet(&all).await
	}

	/// Asks the node over JSON-RPC.
	///
	/// # Errors
	/// When the node does not answer, or with an error.
	pub async fn rpc(&self, method: &str, params: Value) -> Result<Value> {
		rpc(&self.node_url, method, params).await
	}

	/// The number of the newest block.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn best_block(&self) -> Result<u64> {
		let header = self.rpc("chain_getHeader", json!([])).await?;
		let number = header["number"].as_str().context("a header without a number")?;
		Ok(u64::from_str_radix(number.trim_start_matches("0x"), 16)?)
	}

	/// The file with the passphrase of the homes' keys.
	pub fn passphrase_file(&self) -> PathBuf {
		self.folder.join("passphrase")
	}

	/// The file with the seed of a home's meter.
	pub fn meter_key_file(&self, home: &Home) -> PathBuf {
		self.folder.join(format!("{}.meter", home.name))
	}

	/// The accounts of [`HOMES`].
	pub fn home_accounts(&self) -> Vec<AccountId> {
		self.homes.iter().map(account_of).collect()
	}

	/// Stops the nodes.
	///
	/// # Errors
	/// When one does not stop.
	pub async fn stop(self) -> Result<()> {
		for node in self.nodes {
			node.process.stop(STOP).await?;
		}
		Ok(())
	}
}

fn strings(words: &[&str]) -> Vec<String> {
	words.iter().map(|word| (*word).to_owned()).collect()
}

/// Asks a node over JSON-RPC.
///
/// # Errors
/// When it does not answer, or with an error.
pub async fn rpc(node_url: &str, method: &str, params: Value) -> Result<Value> {
	let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
	let mut answer: Value = reqwest::Client::new()
		.post(node_url.replacen("ws://", "http://", 1))
		.json(&question)
		.timeout(START)
		.send()
		.await?
		.json()
		.await?;
	ensure!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
	Ok(answer["result"].take())
}

/// Where other nodes of this machine reach a node.
async fn listen_address(node_url: &str) -> Result<String> {
	let addresses = rpc(node_url, "system_localListenAddresses", json!([])).await?;
	addresses
		.as_array()
		.into_iter()
		.flatten()
		.filter_map(Value::as_str)
		.find(|address| address.starts_with("/ip4/127.0.0.1/"))
		.map(str::to_owned)
		.with_context(|| format!("the node listens nowhere on this machine: {addresses}"))
}

/// A chain with other times.
async fn write_spec(folder: &Path, chain: Chain, times: Times) -> Result<PathBuf> {
	let arguments = strings(&["export-chain-spec", "--chain", chain.name()]);
	let exported = process::run("energy-node", &arguments, START).await?;
	ensure!(exported.status.success(), "no chain specification: {}", exported.stderr);
	let mut spec: Value = serde_json::from_str(&exported.stdout)?;
	let genesis = spec
		.pointer_mut("/genesis/runtimeGenesis")
		.and_then(Value::as_object_mut)
		.context("the specification has no genesis of the runtime")?;
	let patch = genesis
		.get_mut("patch")
		.context("the specification is not a patch of the runtime's genesis")?;
	patch["energyMarket"]["slotSeconds"] = json!(times.slot);
	for terms in patch["energyMarket"]["terms"].as_array_mut().context("no terms")? {
		terms[1]["gateClosureSeconds"] = json!(times.gate);
	}
	patch["metering"]["parameters"] =
		json!({ "disputeSeconds": times.dispute, "deadlineSeconds": times.deadline });
	let file = folder.join("chain.json");
	fs::write(&file, serde_json::to_vec(&spec)?)?;
	Ok(file)
}

/// Starts the node of a validator, which knows the `first` node of its network.
async fn start_node(
	folder: &Path,
	spec: &Path,
	validator: &str,
	first: Option<String>,
) -> Result<Node> {
	let mut arguments = strings(&[
		"--chain",
		&spec.display().to_string(),
		"--base-path",
		&folder.join(validator).display().to_string(),
		&format!("--{validator}"),
		"--validator",
		"--rpc-port",
		"0",
		"--listen-addr",
		"/ip4/127.0.0.1/tcp/0",
		"--no-telemetry",
		"--no-prometheus",
		"--no-mdns",
		"--unsafe-force-node-key-generation",
	]);
	if let Some(first) = first {
		arguments.extend(["--bootnodes".into(), first]);
	}
	let log = folder.join(format!("node-{validator}.log"));
	let mut process = Running::start("energy-node", &arguments, &log)?;
	let addresses = process.wait_for("Running JSON-RPC server: addr=", START).await?;
	let address = addresses.split(',').next().unwrap_or_default().trim().to_owned();
	Ok(Node { process, url: format!("ws://{address}") })
}
