//! `admin`.

use std::{fs, path::Path};

use codec::Decode;
use energy_market_core::MILLION;
use energy_primitives::{Balance, ImbalancePricing, MarketTerms, MeterId, Region, Role, Roles};
use serde_json::{json, Map, Value};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;
use subxt_signer::sr25519::Keypair;
use wia_ene_014::canonical::meter_id;

use super::{
	args::{AdminArgs, AdminCommand, Bytes, IdentityArgs, RoleName},
	existing_zone, progress,
	secrets::signer,
	text::pairs,
	Context, Failure, Report,
};
use crate::{
	address,
	calls::{self, Instantiated, Weight},
	client::{account_of, Call, ChainClient, ClientError, TxOutcome},
};

/// What is known before the call is made: what to say, and more for programs.
struct Plan {
	call: Call,
	/// Ends the sentence "Done: ..".
	deed: String,
	details: Vec<(&'static str, String)>,
}

impl Plan {
	fn new(call: Call, deed: impl Into<String>) -> Self {
		Self { call, deed: deed.into(), details: Vec::new() }
	}

	fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
		self.details.push((name, value.into()));
		self
	}
}

/// Does what those who run the chain do.
pub async fn run(context: &Context, args: AdminArgs) -> Result<Report, Failure> {
	let AdminArgs { command, sudo, call_data, wait, signer: signer_args } = args;

	// What can be found wrong without the chain is found before anybody types a passphrase.
	let prepared = prepare(command)?;
	if matches!(prepared, Prepared::Deploy(_)) && (sudo || call_data) {
		return Err(Failure::with_help(
			"a contract belongs to the account that deploys it, so that account signs",
			"leave out --sudo and --call-data",
		));
	}
	let key = if call_data { None } else { Some(signer(context, &signer_args)?) };
	let client = context.connect().await?;

	let plan = match prepared {
		Prepared::Plan(plan) => plan,
		Prepared::SetPolicy { zone, contract } => {
			let terms = existing_zone(&client, zone).await?.terms.ok_or_else(|| {
				Failure::with_help(
					format!("zone {zone} has no terms yet"),
					"set them first, with `admin set-terms`",
				)
			})?;
			let terms = MarketTerms { policy: Some(contract), ..terms };
			Plan::new(
				calls::set_terms(zone, &terms),
				format!("slots of zone {zone} that open from now on are settled by {contract:?}"),
			)
		}
		Prepared::Deploy(deployment) => {
			let key = key.ok_or_else(|| Failure::new("nobody signs"))?;
			return deploy(context, &client, &key, deployment, wait.into()).await;
		}
	};

	let Some(key) = key else {
		let bytes = client.call_data(&plan.call).await?;
		return Ok(call_data_report(&plan.call, &bytes, &plan.details));
	};
	let call = if sudo { client.sudo(&plan.call).await? } else { plan.call.clone() };
	progress(context, "sent; waiting for a block");
	let outcome = client.submit_until(&key, &call, wait.into()).await?;
	Ok(done_report(&plan, &outcome))
}

/// A call for a motion or a multisig, and what else is to be known of it.
pub fn call_data_report(call: &Call, bytes: &[u8], details: &[(&'static str, String)]) -> Report {
	let hash = format!("{:?}", H256(blake2_256(bytes)));
	let data = format!("0x{}", hex::encode(bytes));
	let name = format!("{}.{}", call.pallet, call.name);
	let mut lines = vec![
		("call", name.clone()),
		("hash", hash.clone()),
		("length", bytes.len().to_string()),
		("data", data.clone()),
	];
	lines.extend(details.iter().cloned());
	let mut json =
		json!({ "call": name, "callData": data, "callHash": hash, "length": bytes.len() });
	add_details(&mut json, details);
	Report::new(json, pairs(&lines))
}

fn done_report(plan: &Plan, outcome: &TxOutcome) -> Report {
	let mut lines = plan.details.clone();
	lines.push(("block", format!("{} {:?}", outcome.block_number, outcome.block_hash)));
	let mut json = json!({
		"call": format!("{}.{}", plan.call.pallet, plan.call.name),
		"blockHash": format!("{:?}", outcome.block_hash),
		"blockNumber": outcome.block_number,
		"transactionHash": format!("{:?}", outcome.transaction_hash),
		"events": outcome
			.events
			.iter()
			.map(|event| format!("{}.{}", event.pallet, event.name))
			.collect::<Vec<_>>(),
	});
	add_details(&mut json, &plan.details);
	Report::new(json, format!("Done: {}.\n\n{}", plan.deed, pairs(&lines)))
}

fn add_details(json: &mut Value, details: &[(&'static str, String)]) {
	for (name, value) in details {
		json[*name] = value.as_str().into();
	}
}

/// A command as far as it can be prepared without the chain.
enum Prepared {
	Plan(Plan),
	SetPolicy { zone: energy_primitives::ZoneId, contract: sp_core::H160 },
	Deploy(Deployment),
}

struct Deployment {
	code: Vec<u8>,
	data: Vec<u8>,
	salt: Option<[u8; 32]>,
	ref_time: Option<u64>,
	proof_size: Option<u64>,
	storage_deposit_limit: Balance,
}

fn prepare(command: AdminCommand) -> Result<Prepared, Failure> {
	let plan = match command {
		AdminCommand::Admit { account, roles, zone, identity } => {
			let (identity, salt) = commitment(&identity)?;
			let plan = Plan::new(
				calls::admit(&account, roles_of(&roles), zone, identity),
				format!("{} is admitted in zone {zone}", address::format(&account)),
			)
			.detail("identity", format!("{identity:?}"));
			match salt {
				Some(salt) => plan.detail("salt", format!("{salt:?}")),
				None => plan,
			}
		}
		AdminCommand::Suspend { account } => Plan::new(
			calls::suspend(&account),
			format!("{} is suspended", address::format(&account)),
		),
		AdminCommand::Reinstate { account } => Plan::new(
			calls::reinstate(&account),
			format!("{} may take part again", address::format(&account)),
		),
		AdminCommand::Remove { account } => Plan::new(
			calls::remove(&account),
			format!("{} is no longer a participant", address::format(&account)),
		),
		AdminCommand::RegisterZone { zone, utility } => Plan::new(
			calls::register_zone(zone, &utility),
			format!("zone {zone} is there, its utility is {}", address::format(&utility)),
		),
		AdminCommand::RegisterMeter { meter_text, owner, zone, device_key, rated_power_w } => {
			let id = MeterId(meter_id(&meter_text));
			Plan::new(
				calls::register_meter(id, &owner, zone, device_key, rated_power_w),
				format!(
					"the meter {meter_text} of {} is registered in zone {zone}",
					address::format(&owner)
				),
			)
			.detail("meter", format!("0x{id:?}"))
		}
		AdminCommand::RotateMeterKey { meter_text, device_key } => {
			let id = MeterId(meter_id(&meter_text));
			Plan::new(
				calls::rotate_meter_key(id, device_key),
				format!("the meter {meter_text} signs with a new key"),
			)
			.detail("meter", format!("0x{id:?}"))
		}
		AdminCommand::SetTerms { zone, file } => Plan::new(
			calls::set_terms(zone, &read_terms(&file)?),
			format!("slots of zone {zone} that open from now on have new terms"),
		),
		AdminCommand::SetSlotLength { zone, seconds, from } => Plan::new(
			calls::set_slot_length(zone, seconds, from),
			format!("slots of zone {zone} last {seconds} s from slot {from} on"),
		),
		AdminCommand::SetPolicy { zone, contract } => {
			return Ok(Prepared::SetPolicy { zone, contract })
		}
		AdminCommand::Resume { zone } => {
			Plan::new(calls::resume(zone), format!("the market of zone {zone} goes on"))
		}
		AdminCommand::Halt { zone } => {
			Plan::new(calls::halt(zone), format!("the market of zone {zone} is halted"))
		}
		AdminCommand::Annul { zone, slot } => Plan::new(
			calls::annul(zone, slot),
			format!("slot {slot} of zone {zone} is called off: everyone gets everything back"),
		),
		AdminCommand::SetRegion { region, file, since } => Plan::new(
			calls::set_region(region, &read_region(&file)?, since),
			format!("region {region} is as given from slot {since} on"),
		),
		AdminCommand::SetCapacities { region, slot, capacities_wh } => Plan::new(
			calls::set_capacities(region, slot, &capacities_wh),
			format!("the links of region {region} have other capacities in slot {slot}"),
		),
		AdminCommand::SetOracles { zone, mut members, threshold } => {
			let named = members.len();
			members.sort();
			members.dedup();
			if members.len() != named {
				return Err(Failure::new("an oracle is named twice"));
			}
			if threshold == 0 || usize::try_from(threshold).is_ok_and(|needed| needed > named) {
				return Err(Failure::new(format!(
					"of {named} oracles, 1 to {named} can be asked to agree, not {threshold}"
				)));
			}
			Plan::new(
				calls::set_oracles(zone, &members, threshold),
				format!("{threshold} of {named} oracles must agree in zone {zone}"),
			)
		}
		AdminCommand::DeployContract {
			file,
			data: Bytes(data),
			salt,
			ref_time,
			proof_size,
			storage_deposit_limit,
		} => {
			return Ok(Prepared::Deploy(Deployment {
				code: read_program(&file)?,
				data,
				salt: salt.map(|salt| salt.0),
				ref_time,
				proof_size,
				storage_deposit_limit,
			}))
		}
	};
	Ok(Prepared::Plan(plan))
}

fn roles_of(names: &[RoleName]) -> Roles {
	let roles: Vec<Role> = names.iter().copied().map(Role::from).collect();
	Roles::of(&roles)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
	fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// The commitment to an identity, and the salt if one was made.
fn commitment(args: &IdentityArgs) -> Result<(H256, Option<H256>), Failure> {
	if let Some(identity) = args.identity {
		return Ok((identity, None));
	}
	let Some(path) = &args.identity_file else { return Ok((H256::zero(), None)) };
	let mut salted = vec![0u8; 32];
	getrandom::getrandom(&mut salted)
		.map_err(|error| Failure::new(format!("the system gives no random numbers: {error}")))?;
	let salt = H256::from_slice(&salted);
	salted.extend(read(path)?);
	Ok((H256(blake2_256(&salted)), Some(salt)))
}

fn read_region(path: &Path) -> Result<Region, Failure> {
	serde_json::from_slice(&read(path)?).map_err(|error| {
		Failure::with_help(
			format!("{} does not hold a region: {error}", path.display()),
			"`admin set-region --help` shows one",
		)
	})
}

fn read_terms(path: &Path) -> Result<MarketTerms, Failure> {
	let terms = parse_terms(&read(path)?).map_err(|error| {
		Failure::with_help(
			format!("{} does not hold the terms of a market: {error}", path.display()),
			"`admin set-terms --help` names the fields",
		)
	})?;
	if terms.tick_size == 0 || terms.tick_count == 0 {
		return Err(Failure::new("a market has at least one price and a step above zero"));
	}
	let parts = [terms.bond_ppm, terms.grid_fee_ppm, terms.tolerance_ppm];
	if terms.bond_ppm == 0 || parts.into_iter().any(|part| part > MILLION) {
		return Err(Failure::new(
			"bondPpm is from 1 to 1000000, gridFeePpm and tolerancePpm from 0 to 1000000",
		));
	}
	Ok(terms)
}

/// Reads terms; what may be left out is what it was before there was a choice.
fn parse_terms(json: &[u8]) -> Result<MarketTerms, serde_json::Error> {
	let mut fields: Map<String, Value> = serde_json::from_slice(json)?;
	for (name, default) in [
		("gridFeePpm", json!(0)),
		("bondPpm", json!(MILLION)),
		("tolerancePpm", json!(0)),
		("imbalancePricing", json!(ImbalancePricing::Dual)),
	] {
		fields.entry(name).or_insert(default);
	}
	serde_json::from_value(fields.into())
}

fn read_program(path: &Path) -> Result<Vec<u8>, Failure> {
	let code = read(path)?;
	if !code.starts_with(b"PVM\0") {
		return Err(Failure::with_help(
			format!("{} is not a PolkaVM program", path.display()),
			"give the linked .polkavm file, not the ELF file",
		));
	}
	Ok(code)
}

async fn deploy(
	context: &Context,
	client: &ChainClient,
	key: &Keypair,
	deployment: Deployment,
	wait: crate::client::Wait,
) -> Result<Report, Failure> {
	let account = account_of(key);
	// Chains that map accounts by themselves have done so already.
	if client.storage(&calls::mapping_key(&account)).await?.is_none() {
		progress(context, "registering the account's 20-byte address");
		client.submit(key, &calls::map_account()).await?;
	}
	let half = half_of_the_most(client).await?;
	let weight_limit = Weight {
		ref_time: deployment.ref_time.unwrap_or(half.ref_time),
		proof_size: deployment.proof_size.unwrap_or(half.proof_size),
	};
	let call = calls::instantiate(
		&deployment.code,
		&deployment.data,
		deployment.salt,
		weight_limit,
		deployment.storage_deposit_limit,
	);
	progress(context, "sent; waiting for a block");
	let outcome = client.submit_until(key, &call, wait).await?;
	let Instantiated { deployer, contract } = outcome.event("Revive", "Instantiated")?;
	let code_hash = H256(sp_crypto_hashing::keccak_256(&deployment.code));
	let words = format!(
		"The contract is at {contract:?}.\n\n{}",
		pairs(&[
			("code", format!("{code_hash:?}, {} bytes", deployment.code.len())),
			("deployer", format!("{} ({deployer:?})", address::format(&account))),
			("block", format!("{} {:?}", outcome.block_number, outcome.block_hash)),
		])
	);
	let json = json!({
		"contract": format!("{contract:?}"),
		"codeHash": format!("{code_hash:?}"),
		"codeBytes": deployment.code.len(),
		"deployer": address::format(&account),
		"deployerAddress": format!("{deployer:?}"),
		"blockHash": format!("{:?}", outcome.block_hash),
		"blockNumber": outcome.block_number,
		"transactionHash": format!("{:?}", outcome.transaction_hash),
	});
	Ok(Report::new(json, words))
}

/// Half of what one transaction may use: the call itself needs some of the rest.
async fn half_of_the_most(client: &ChainClient) -> Result<Weight, ClientError> {
	let bytes = client.constant("System", "BlockWeights").await?.unwrap_or_default();
	// The beginning of `frame_system::limits::BlockWeights`: base block, most of a block, then of
	// ordinary transactions the base and the most of one.
	let most = <(Weight, Weight, Weight, Option<Weight>)>::decode(&mut bytes.as_slice())
		.map_err(|error| ClientError::Undecodable {
			what: "the constant System.BlockWeights".into(),
			reason: error.to_string(),
		})
		.map(|(_, block, _, most)| most.unwrap_or(block))?;
	Ok(Weight { ref_time: most.ref_time / 2, proof_size: most.proof_size / 2 })
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::Parser;

	fn prepare_line(line: &str) -> Result<Prepared, Failure> {
		let words = ["energy-wallet", "admin"].into_iter().chain(line.split_whitespace());
		let cli = super::super::Cli::try_parse_from(words).expect("is a command");
		let super::super::Command::Admin(args) = cli.command else { panic!("not admin") };
		prepare(args.command)
	}

	fn call(line: &str) -> Call {
		match prepare_line(line) {
			Ok(Prepared::Plan(plan)) => plan.call,
			Ok(_) => panic!("not a plan"),
			Err(failure) => panic!("{failure:?}"),
		}
	}

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
	const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

	#[test]
	fn admit_carries_roles_and_zone() {
		let call = call(&format!("admit --account {ALICE} --roles prosumer,oracle --zone 7"));
		let alice = address::parse(ALICE).expect("is an address");
		let roles = Roles::of(&[Role::Prosumer, Role::Oracle]);
		assert_eq!(call, calls::admit(&alice, roles, energy_primitives::ZoneId(7), H256::zero()));
	}

	#[test]
	fn meter_is_known_by_the_hash_of_its_text() {
		let key = "5866666666666666666666666666666666666666666666666666666666666666";
		let call = call(&format!(
			"register-meter --meter-text M-1 --owner {ALICE} --zone 1 --device-key ed25519:{key} \
			 --rated-power-w 11000"
		));
		assert!(call.args.starts_with(&meter_id("M-1")));
	}

	#[test]
	fn oracles_are_refused_when_they_could_never_agree() {
		let line = |members: &str, threshold: u32| {
			prepare_line(&format!(
				"set-oracles --zone 1 --members {members} --threshold {threshold}"
			))
		};
		assert!(line(&format!("{ALICE},{BOB}"), 2).is_ok());
		assert!(line(&format!("{ALICE},{BOB}"), 3).is_err());
		assert!(line(&format!("{ALICE},{BOB}"), 0).is_err());
		assert!(line(&format!("{ALICE},{ALICE}"), 1).is_err());
	}

	#[test]
	fn annulment_names_zone_and_slot() {
		let call = call("annul --zone 7 --slot 29925643");
		assert_eq!((call.pallet, call.name), ("EnergyMarket", "annul"));
		assert_eq!(call.args, [7u32.to_le_bytes(), 29_925_643u32.to_le_bytes()].concat());
	}

	#[test]
	fn slot_length_is_from_a_second_to_a_day() {
		let call = call("set-slot-length --zone 7 --seconds 300 --from 29925643");
		assert_eq!((call.pallet, call.name), ("EnergyMarket", "set_slot_length"));
		let numbers = [7u32, 300, 29_925_643].map(u32::to_le_bytes);
		assert_eq!(call.args, numbers.concat());
		for seconds in ["0", "86401"] {
			let line = format!("admin set-slot-length --zone 7 --seconds {seconds} --from 1");
			let words = ["energy-wallet"].into_iter().chain(line.split_whitespace());
			assert!(super::super::Cli::try_parse_from(words).is_err(), "{seconds}");
		}
	}

	const TERMS: &str = r#""gateClosureSeconds": 10, "priceFloor": 50000, "tickSize": 1000,
		"tickCount": 551, "maxOrderWh": 1000000, "gridFee": 30000, "shortagePrice": 600000,
		"surplusPrice": 40000, "policy": null"#;

	fn terms(more: &str) -> Result<MarketTerms, Failure> {
		let folder = tempfile::tempdir().expect("is made");
		let path = folder.path().join("terms.json");
		fs::write(&path, format!("{{{TERMS}{more}}}")).expect("is written");
		read_terms(&path)
	}

	#[test]
	fn terms_have_defaults_for_what_may_be_left_out() {
		let plain = terms("").expect("are terms");
		assert_eq!((plain.grid_fee_ppm, plain.bond_ppm, plain.tolerance_ppm), (0, 1_000_000, 0));
		assert_eq!(plain.imbalance_pricing, ImbalancePricing::Dual);
		let other = terms(
			r#", "gridFeePpm": 1, "bondPpm": 2, "tolerancePpm": 3, "imbalancePricing": "single""#,
		)
		.expect("are terms");
		assert_eq!((other.grid_fee_ppm, other.bond_ppm, other.tolerance_ppm), (1, 2, 3));
		assert_eq!(other.imbalance_pricing, ImbalancePricing::Single);
	}

	#[test]
	fn terms_are_refused_when_a_part_is_more_than_the_whole() {
		for more in [
			r#", "bondPpm": 0"#,
			r#", "bondPpm": 1000001"#,
			r#", "gridFeePpm": 1000001"#,
			r#", "tolerancePpm": 1000001"#,
			r#", "imbalancePricing": "triple""#,
		] {
			assert!(terms(more).is_err(), "{more}");
		}
	}

	#[test]
	fn identity_is_committed_to_with_a_salt() {
		let folder = tempfile::tempdir().expect("is made");
		let path = folder.path().join("identity");
		fs::write(&path, "Jane Doe").expect("is written");
		let args = IdentityArgs { identity: None, identity_file: Some(path) };
		let (identity, salt) = commitment(&args).expect("is made");
		let salt = salt.expect("there is one");
		let mut salted = salt.0.to_vec();
		salted.extend(b"Jane Doe");
		assert_eq!(identity, H256(blake2_256(&salted)));
		assert_ne!(commitment(&args).expect("is made").0, identity);
	}
}
