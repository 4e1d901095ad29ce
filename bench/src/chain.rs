//! A chain in this process: nodes with the real database and the real Wasm runtime, and blocks
//! whose time is chosen here, not by the clock on the wall.
//!
//! Two nodes make a chain. One builds each block and commits the changes that it computed, as
//! a validator does with its own blocks; that is the *build* time. The other has a database and
//! caches of its own and knows nothing of the block before it gets it: it executes it in Wasm with
//! every signature, checks the state root, commits to RocksDB, and makes an earlier block final.
//! That is the *import* time, what every other node of a network pays for a block.
//!
//! With [`Nodes::One`] the builder executes its own block a second time instead. That costs half
//! the memory, but its caches are warm.

use std::{collections::VecDeque, time::Duration};

use anyhow::{anyhow, bail, Context, Result};
use codec::Decode;
use energy_primitives::{
	api::{EnergyApi, SlotSummary, ZoneSummary},
	Slot,
};
use energy_runtime::{
	genesis_config_presets::ZONE,
	opaque::{Block, Hash},
	AccountId, Balance, Nonce, Runtime, MILLISECONDS_PER_BLOCK,
};
use frame_support::{dispatch::PerDispatchClass, weights::Weight};
use frame_system::AccountInfo;
use pallet_balances::AccountData;
use sc_block_builder::{BlockBuilderBuilder, BuiltBlock};
use sc_client_api::{HeaderBackend, StorageProvider};
use sc_consensus::StateAction;
use sp_api::{ApiExt, Core, ProvideRuntimeApi};
use sp_blockchain::{ApplyExtrinsicFailed, Error as BlockchainError};
use sp_consensus_aura::{digests::CompatibleDigestItem, sr25519::AuthoritySignature};
use sp_core::{
	storage::{Storage, StorageKey},
	traits::CallContext,
};
use sp_inherents::InherentData;
use sp_runtime::{traits::Block as _, Digest, DigestItem, OpaqueExtrinsic};
use tempfile::TempDir;

use crate::{
	configuration::StorageSettings,
	events::Events,
	node::{Node, Workshop},
	stopwatch::{Stopwatch, Took},
};

/// Signed transactions that wait for a block.
pub type Queue = VecDeque<OpaqueExtrinsic>;

/// The time of the first block, milliseconds since 1970: the start of a block and of a slot,
/// however long slots are.
pub const START_MILLISECONDS: u64 = 1_800_000_000_000;
/// How often it is tried to open a database that is still being closed.
const REOPENINGS: usize = 50;
/// How many blocks finality is behind.
const FINALITY_LAG: usize = 2;

/// How many nodes a chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
	/// One builds and executes again.
	One,
	/// One builds, another one executes.
	Two,
}

/// A block that was made and imported.
#[derive(Clone, Debug)]
pub struct Made {
	/// Its number.
	pub number: u32,
	/// Its time, milliseconds since 1970.
	pub milliseconds: u64,
	/// Transactions in it, without the one that sets the time.
	pub transactions: usize,
	/// Whether a transaction found no more room.
	pub is_full: bool,
	/// Building it.
	pub build: Took,
	/// Executing and committing it. Zero if the block was not to be measured.
	pub import: Took,
	/// Making an earlier block final.
	pub finalise: Took,
	/// The weight that it used.
	pub weight: Weight,
	/// What happened in it.
	pub events: Events,
}

impl Made {
	/// What the block costs a node that did not build it.
	pub fn took(&self) -> Took {
		self.import + self.finalise
	}

	/// The same by the clock on the wall, seconds.
	pub fn seconds(&self) -> f64 {
		self.took().wall.as_secs_f64()
	}
}

/// A block that was built and is not part of the chain.
pub struct Trial {
	/// The block.
	pub block: Block,
	/// What happened in it.
	pub events: Events,
}

struct Built {
	block: BuiltBlock<Block>,
	events: Events,
	weight: Weight,
	taken: usize,
	is_full: bool,
	took: Took,
}

/// A chain. See the top of this page.
pub struct Chain<'a> {
	workshop: &'a Workshop,
	builder: Node,
	verifier: Option<Node>,
	recent: VecDeque<Hash>,
	next_milliseconds: u64,
	genesis: Storage,
	storage: StorageSettings,
	/// Removed with the chain.
	_folder: TempDir,
}

impl<'a> Chain<'a> {
	/// A new chain that begins with `genesis`.
	///
	/// # Errors
	/// When a node does not start.
	pub fn new(
		workshop: &'a Workshop,
		genesis: Storage,
		nodes: Nodes,
		storage: StorageSettings,
	) -> Result<Self> {
		let folder = workshop.chain_folder()?;
		let open = |name| Node::open(workshop, folder.path().join(name), genesis.clone(), storage);
		let builder = open("builder")?;
		let verifier = match nodes {
			Nodes::One => None,
			Nodes::Two => Some(open("verifier")?),
		};
		Ok(Self {
			workshop,
			builder,
			verifier,
			recent: VecDeque::new(),
			next_milliseconds: START_MILLISECONDS,
			genesis,
			storage,
			_folder: folder,
		})
	}

	/// The node that is measured.
	pub fn node(&self) -> &Node {
		self.verifier.as_ref().unwrap_or(&self.builder)
	}

	/// Stops the node that verifies and opens its database again, with empty caches.
	///
	/// # Errors
	/// When there is no such node, or the database cannot be opened in some seconds.
	pub fn reopen(&mut self) -> Result<()> {
		let folder = self.verifier.take().context("one node alone does not verify")?.folder;
		let mut outcome = Ok(());
		for _ in 0..REOPENINGS {
			// There is a genesis already: what is given here is not looked at.
			let genesis = self.genesis.clone();
			match Node::open(self.workshop, folder.clone(), genesis, self.storage) {
				Ok(node) => {
					self.verifier = Some(node);
					return Ok(());
				}
				Err(error) => outcome = Err(error),
			}
			std::thread::sleep(Duration::from_millis(200));
		}
		outcome
	}

	/// The hash of the first block.
	pub fn genesis_hash(&self) -> Hash {
		self.builder.client.info().genesis_hash
	}

	/// The time of the next block, seconds since 1970.
	pub fn next_seconds(&self) -> u64 {
		self.next_milliseconds / 1_000
	}

	/// Lets the next block have this time or, if it is later, the time it would have had. Rounded
	/// up to the time of a block.
	pub fn jump_to(&mut self, seconds: u64) {
		let wanted = seconds.saturating_mul(1_000).next_multiple_of(MILLISECONDS_PER_BLOCK);
		self.next_milliseconds = self.next_milliseconds.max(wanted);
	}

	/// Makes one block with as many transactions from the front of the queue as fit, at most
	/// `most`.
	///
	/// # Errors
	/// When a transaction is refused or fails, or the block is not taken.
	pub fn block(&mut self, queue: &mut Queue, most: usize) -> Result<Made> {
		self.make(queue, most, true)
	}

	/// Makes blocks until the queue is empty. On a chain with one node they are not executed a
	/// second time.
	///
	/// # Errors
	/// As [`Chain::block`].
	pub fn prepare(&mut self, queue: &mut Queue) -> Result<Vec<Made>> {
		let mut blocks = Vec::new();
		while !queue.is_empty() {
			blocks.push(self.make(queue, usize::MAX, false)?);
		}
		Ok(blocks)
	}

	fn make(&mut self, queue: &mut Queue, most: usize, is_measured: bool) -> Result<Made> {
		let milliseconds = self.next_milliseconds;
		let built = self.build(milliseconds, queue.iter().take(most))?;
		queue.drain(..built.taken);
		if let Some(reason) = &built.events.first_failure {
			let number = built.events.failed;
			bail!("{number} transactions of a block failed, the first with {reason}");
		}
		let (block, changes) = built.block.into_inner();
		let hash = block.header().hash();
		let number = block.header().number;
		self.recent.push_back(hash);
		let final_block =
			if self.recent.len() > FINALITY_LAG { self.recent.pop_front() } else { None };
		let own = StateAction::ApplyChanges(sc_consensus::StorageChanges::Changes(changes));
		let (import, finalise) = match (&self.verifier, is_measured) {
			(Some(verifier), _) => {
				let took = verifier.import(self.workshop, block.clone(), StateAction::Execute)?;
				let finalised = verifier.finalise(final_block)?;
				self.builder.import(self.workshop, block, own)?;
				self.builder.finalise(final_block)?;
				(took, finalised)
			}
			(None, true) => {
				let took = self.builder.import(self.workshop, block, StateAction::Execute)?;
				(took, self.builder.finalise(final_block)?)
			}
			(None, false) => {
				self.builder.import(self.workshop, block, own)?;
				self.builder.finalise(final_block)?;
				(Took::default(), Took::default())
			}
		};
		self.next_milliseconds = milliseconds.saturating_add(MILLISECONDS_PER_BLOCK);
		Ok(Made {
			number,
			milliseconds,
			transactions: built.taken,
			is_full: built.is_full,
			build: built.took,
			import,
			finalise,
			weight: built.weight,
			events: built.events,
		})
	}

	/// Builds the block that could come next, at a time of its own, and does not keep it.
	///
	/// # Errors
	/// When a transaction is refused or fails. `None` if one finds no room.
	pub fn try_block(
		&self,
		seconds: u64,
		transactions: &[OpaqueExtrinsic],
	) -> Result<Option<Trial>> {
		let built = self.build(seconds.saturating_mul(1_000), transactions.iter())?;
		if built.is_full {
			return Ok(None);
		}
		if let Some(reason) = built.events.first_failure {
			bail!("a transaction of a trial failed with {reason}");
		}
		Ok(Some(Trial { block: built.block.block, events: built.events }))
	}

	/// Executes the block of a trial on the node that is measured and commits nothing.
	///
	/// # Errors
	/// When the block is not valid.
	pub fn execute(&self, trial: &Trial) -> Result<Took> {
		let parent = trial.block.header().parent_hash;
		let block = trial.block.clone().into();
		let mut api = self.node().client.runtime_api();
		api.set_call_context(CallContext::Onchain { import: true });
		let start = Stopwatch::start();
		api.execute_block(parent, block)?;
		Ok(start.took())
	}

	fn build<'b>(
		&self,
		milliseconds: u64,
		transactions: impl Iterator<Item = &'b OpaqueExtrinsic>,
	) -> Result<Built> {
		let client = &*self.builder.client;
		let slot = milliseconds / MILLISECONDS_PER_BLOCK;
		let author =
			<DigestItem as CompatibleDigestItem<AuthoritySignature>>::aura_pre_digest(slot.into());
		let start = Stopwatch::start();
		let mut builder = BlockBuilderBuilder::new(client)
			.on_parent_block(self.builder.best())
			.fetch_parent_block_number(client)?
			.with_inherent_digests(Digest { logs: vec![author] })
			.build()?;
		let mut inherents = InherentData::new();
		let time = sp_timestamp::Timestamp::new(milliseconds);
		inherents.put_data(sp_timestamp::INHERENT_IDENTIFIER, &time)?;
		for inherent in builder.create_inherents(inherents)? {
			builder.push(inherent).context("the time cannot be set")?;
		}
		let mut taken = 0;
		let mut is_full = false;
		for transaction in transactions {
			match builder.push(transaction.clone()) {
				Ok(()) => taken += 1,
				Err(BlockchainError::ApplyExtrinsicFailed(ApplyExtrinsicFailed::Validity(
					error,
				))) if error.exhausted_resources() => {
					is_full = true;
					break;
				}
				Err(error) => return Err(anyhow!(error).context("a transaction was refused")),
			}
		}
		let block = builder.build()?;
		let took = start.took();
		let change = |item| changed(&block, item);
		let events = Events::read(change("Events")?)?;
		let weight = PerDispatchClass::<Weight>::decode(&mut change("BlockWeight")?)?.total();
		Ok(Built { events, weight, block, taken, is_full, took })
	}

	/// A slot at a glance.
	///
	/// # Errors
	/// When there is no book for it.
	pub fn slot(&self, slot: Slot) -> Result<SlotSummary> {
		let node = self.node();
		node.client
			.runtime_api()
			.slot(node.best(), ZONE, slot)?
			.with_context(|| format!("slot {slot} has no book"))
	}

	/// How many transactions an account has sent.
	///
	/// # Errors
	/// When the state cannot be read.
	pub fn nonce(&self, account: &AccountId) -> Result<Nonce> {
		let node = self.node();
		let key = StorageKey(frame_system::Account::<Runtime>::hashed_key_for(account));
		Ok(match node.client.storage(node.best(), &key)? {
			Some(account) => {
				AccountInfo::<Nonce, AccountData<Balance>>::decode(&mut &account.0[..])?.nonce
			}
			None => 0,
		})
	}

	/// The zone at a glance.
	///
	/// # Errors
	/// When there is no zone.
	pub fn zone(&self) -> Result<ZoneSummary> {
		let node = self.node();
		node.client.runtime_api().zone(node.best(), ZONE)?.context("there is no zone")
	}
}

/// What a block put into an item of the system's storage.
fn changed<'b>(block: &'b BuiltBlock<Block>, item: &str) -> Result<&'b [u8]> {
	use sp_io::hashing::twox_128;
	let key = [twox_128(b"System"), twox_128(item.as_bytes())].concat();
	block
		.storage_changes
		.main_storage_changes
		.iter()
		.find(|(changed, _)| *changed == key)
		.and_then(|(_, value)| value.as_deref())
		.with_context(|| format!("a block left no System.{item}"))
}
