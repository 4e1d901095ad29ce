//! A chain with people on it: the development preset, and in its zone as many prosumers as wanted,
//! each with one meter and more money than it will spend.

use anyhow::{Context, Result};
use energy_primitives::{
	Balance, MarketTerms, MeterId, Role, Side, Slot, SlotCalendar, SETTLEMENT_ASSET,
};
use energy_runtime::{
	genesis_config_presets::{self, ZONE},
	RuntimeCall, RuntimeGenesisConfig, UNIT,
};
use pallet_participants::{GenesisKey, GenesisMeter, GenesisParticipant};
use sc_service::BlocksPruning;
use sp_core::{
	storage::{well_known_keys::CODE, Storage},
	H160, H256,
};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{BuildStorage, OpaqueExtrinsic};

use crate::{
	calls::{self, Order},
	chain::{Chain, Nodes, Queue},
	configuration::{self, StorageSettings, DATABASE_CACHE_MEBIBYTES},
	node::Workshop,
	people::{Dice, Person},
};

/// How many prices a market has.
pub const TICKS: u16 = 2_000;
/// The native coin that everyone has: enough for every fee.
const COINS: Balance = 100_000 * UNIT;
/// The settlement currency that everyone has, minor units: more than all orders can hold.
const MONEY: Balance = 1_000_000_000_000_000;

/// What a town is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
	/// From which keys and orders are made.
	pub seed: u64,
	/// How many prosumers there are.
	pub people: usize,
	/// How many nodes.
	pub nodes: Nodes,
	/// How many final blocks keep their bodies.
	pub blocks: BlocksPruning,
	/// The cache of the database of each node, MiB.
	pub cache_mebibytes: usize,
	/// The length of a slot, seconds.
	pub slot_seconds: u32,
	/// How long before the slot the gate closes, seconds.
	pub gate_seconds: u32,
	/// How long an attestation may be challenged, seconds.
	pub dispute_seconds: u32,
	/// How long after a slot attestations are waited for, seconds.
	pub deadline_seconds: u32,
}

impl Plan {
	/// Quarter-hours whose gates close ten seconds before, on two nodes.
	pub fn new(seed: u64, people: usize) -> Self {
		Self {
			seed,
			people,
			nodes: Nodes::Two,
			blocks: BlocksPruning::KeepFinalized,
			cache_mebibytes: DATABASE_CACHE_MEBIBYTES,
			slot_seconds: 900,
			gate_seconds: 10,
			dispute_seconds: 0,
			deadline_seconds: 3_600,
		}
	}

	/// When the slots are.
	pub fn calendar(&self) -> SlotCalendar {
		SlotCalendar::uniform(self.slot_seconds)
	}

	fn storage(&self) -> StorageSettings {
		StorageSettings { blocks: self.blocks, cache_mebibytes: self.cache_mebibytes }
	}

	/// The terms of the market: those of the preset with [`TICKS`] prices.
	pub fn terms(&self) -> MarketTerms {
		let terms = genesis_config_presets::terms();
		let cap = terms.price_floor + terms.tick_size * (u64::from(TICKS) - 1);
		MarketTerms {
			gate_closure_seconds: self.gate_seconds,
			tick_count: TICKS,
			shortage_price: terms.shortage_price.max(cap),
			..terms
		}
	}

	fn genesis(&self, people: &[Person]) -> Result<Storage> {
		let preset =
			genesis_config_presets::get_preset(&sp_genesis_builder::DEV_RUNTIME_PRESET.into())
				.context("the runtime has no development preset")?;
		let mut config = serde_json::to_value(RuntimeGenesisConfig::default())?;
		sc_chain_spec::json_merge(&mut config, serde_json::from_slice(&preset)?);
		let mut config: RuntimeGenesisConfig = serde_json::from_value(config)?;
		config.energy_market.slot_seconds = self.slot_seconds;
		config.energy_market.terms = vec![(ZONE, self.terms())];
		config.metering.parameters.dispute_seconds = self.dispute_seconds;
		config.metering.parameters.deadline_seconds = self.deadline_seconds;
		let well_known: Vec<_> =
			Sr25519Keyring::well_known().map(|who| who.to_account_id()).collect();
		config.balances.balances = well_known
			.into_iter()
			.chain(people.iter().map(|person| person.account.clone()))
			.map(|account| (account, COINS))
			.collect();
		config
			.assets
			.accounts
			.extend(people.iter().map(|person| (SETTLEMENT_ASSET, person.account.clone(), MONEY)));
		config.participants.participants.extend(people.iter().map(|person| GenesisParticipant {
			account: person.account.clone(),
			roles: vec![Role::Prosumer],
			zone: ZONE,
			identity: H256::zero(),
		}));
		config.participants.meters = people
			.iter()
			.map(|person| GenesisMeter {
				id: MeterId(sp_io::hashing::blake2_256(person.account.as_ref())),
				owner: person.account.clone(),
				zone: ZONE,
				// Nobody asks for the proof of a reading here.
				key: GenesisKey::Ed25519(H256(Ed25519Keyring::Alice.public().0)),
				rated_power_w: 1_000_000,
			})
			.collect();
		let mut storage = config.build_storage().map_err(anyhow::Error::msg)?;
		storage.top.insert(CODE.to_vec(), configuration::wasm()?.to_vec());
		Ok(storage)
	}
}

/// A chain with people on it.
pub struct Town<'a> {
	/// The chain.
	pub chain: Chain<'a>,
	/// What it was made from.
	pub plan: Plan,
	/// The prosumers. The place of each is that of its meter.
	pub people: Vec<Person>,
	/// The policy contract, once it is deployed.
	pub contract: Option<H160>,
	utility: Person,
	oracle: Person,
}

impl<'a> Town<'a> {
	/// Builds the town, with a first block.
	///
	/// # Errors
	/// When the genesis is refused or a node does not start.
	pub fn new(workshop: &'a Workshop, plan: Plan) -> Result<Self> {
		let people: Vec<_> =
			(0..plan.people).map(|number| Person::prosumer(plan.seed, number)).collect();
		let genesis = plan.genesis(&people)?;
		let mut chain = Chain::new(workshop, genesis, plan.nodes, plan.storage())?;
		// The runtime is compiled with the first block.
		chain.block(&mut Queue::new(), 0)?;
		Ok(Self {
			chain,
			plan,
			people,
			contract: None,
			utility: Person::well_known(Sr25519Keyring::Alice),
			oracle: Person::well_known(Sr25519Keyring::Eve),
		})
	}

	/// Deploys a policy contract and has the market ask it from now on.
	///
	/// # Errors
	/// When the chain refuses.
	pub fn deploy(&mut self, code: &[u8]) -> Result<()> {
		let mut queue = Queue::from([self.by_utility(calls::deploy(code.to_vec()))?]);
		let deployed = self.chain.block(&mut queue, usize::MAX)?;
		let contract =
			deployed.events.contract.context("the deployment of the contract left no event")?;
		let terms = MarketTerms { policy: Some(contract), ..self.plan.terms() };
		let mut queue = Queue::from([self.by_utility(calls::set_terms(terms))?]);
		self.chain.block(&mut queue, usize::MAX)?;
		self.contract = Some(contract);
		Ok(())
	}

	/// A call that the utility, who is the superuser too, signs for the next block or for a trial.
	///
	/// # Errors
	/// As [`Town::all_by_utility`].
	pub fn by_utility(&mut self, call: RuntimeCall) -> Result<OpaqueExtrinsic> {
		let mut signed = self.all_by_utility(vec![call])?;
		signed.pop().context("a call was not signed")
	}

	/// All calls that the utility signs for the next block or for a trial, in their order.
	///
	/// # Errors
	/// When the chain does not say how many transactions the utility has sent. Those that deploy a
	/// contract count twice.
	pub fn all_by_utility(&mut self, calls: Vec<RuntimeCall>) -> Result<Vec<OpaqueExtrinsic>> {
		let genesis = self.chain.genesis_hash();
		self.utility.nonce = self.chain.nonce(&self.utility.account)?;
		Ok(calls.into_iter().map(|call| self.utility.sign(genesis, call)).collect())
	}

	/// A call that the oracle signs.
	pub fn by_oracle(&mut self, call: RuntimeCall) -> OpaqueExtrinsic {
		self.oracle.sign(self.chain.genesis_hash(), call)
	}

	/// A call that a prosumer signs.
	pub fn by_person(&mut self, number: usize, call: RuntimeCall) -> OpaqueExtrinsic {
		let genesis = self.chain.genesis_hash();
		self.people[number].sign(genesis, call)
	}

	/// The slot that the next block falls into.
	pub fn slot(&self) -> Slot {
		self.plan.calendar().at(self.chain.next_seconds())
	}

	/// The time at which the gate of a slot closes, seconds since 1970.
	pub fn gate(&self, slot: Slot) -> u64 {
		self.plan.calendar().start_seconds(slot).saturating_sub(u64::from(self.plan.gate_seconds))
	}

	/// The time at which a slot ends, seconds since 1970.
	pub fn end(&self, slot: Slot) -> u64 {
		self.plan.calendar().end_seconds(slot)
	}
}

/// An order of any side, price and size.
pub fn any_order(terms: &MarketTerms, dice: &mut Dice, slot: Slot) -> Order {
	let tick = dice.below(u64::from(TICKS)) as u16;
	Order {
		slot,
		side: if dice.below(2) == 0 { Side::Bid } else { Side::Ask },
		price: terms.price_of(tick),
		energy_wh: 100 + dice.below(1_900),
	}
}

/// The energy of a [`matched_order`], Wh.
pub const MATCHED_WH: u64 = 1_000;

/// An order that is filled completely if as many people sell as buy: whoever has an even number
/// offers below the middle of the prices, the others bid above it.
pub fn matched_order(terms: &MarketTerms, dice: &mut Dice, person: usize, slot: Slot) -> Order {
	let half = u64::from(TICKS / 2);
	let tick = dice.below(half);
	let (side, tick) = if sells(person) { (Side::Ask, tick) } else { (Side::Bid, tick + half) };
	Order { slot, side, price: terms.price_of(tick as u16), energy_wh: MATCHED_WH }
}

/// Whether a person's [`matched_order`] is an offer.
pub fn sells(person: usize) -> bool {
	person.is_multiple_of(2)
}
