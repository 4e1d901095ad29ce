//! One node: the node's own client on a database of its own.

use std::{
	path::{Path, PathBuf},
	sync::Arc,
};

use anyhow::{ensure, Context, Result};
use energy_runtime::{
	apis::RuntimeApi,
	opaque::{Block, Hash},
};
use sc_client_api::{Finalizer, HeaderBackend};
use sc_consensus::{BlockImport, BlockImportParams, ForkChoiceStrategy, ImportResult, StateAction};
use sc_executor::WasmExecutor;
use sc_service::{TFullBackend, TFullClient, TaskManager};
use sp_consensus::BlockOrigin;
use sp_core::storage::Storage;
use sp_runtime::traits::Block as _;
use tempfile::TempDir;

use crate::{
	configuration::{self, StorageSettings},
	stopwatch::{Stopwatch, Took},
};

/// Runs the runtime's Wasm.
pub type Executor = WasmExecutor<sp_io::SubstrateHostFunctions>;
/// The client of the node.
pub type Client = TFullClient<Block, RuntimeApi, Executor>;

/// What all chains of a run share.
pub struct Workshop {
	executor: Executor,
	tokio: tokio::runtime::Runtime,
	folder: PathBuf,
}

impl Workshop {
	/// A workshop that keeps its databases in temporary folders in `folder`.
	///
	/// # Errors
	/// When the folder cannot be made or no threads can be started.
	pub fn new(folder: &Path) -> Result<Self> {
		std::fs::create_dir_all(folder)
			.with_context(|| format!("cannot create {}", folder.display()))?;
		Ok(Self {
			executor: sc_service::new_wasm_executor(&configuration::executor()),
			tokio: tokio::runtime::Runtime::new()?,
			folder: folder.into(),
		})
	}

	/// A new folder for the databases of a chain. It is removed when it is dropped.
	///
	/// # Errors
	/// When it cannot be made.
	pub fn chain_folder(&self) -> Result<TempDir> {
		Ok(tempfile::Builder::new().prefix("chain-").tempdir_in(&self.folder)?)
	}
}

/// One node: a client on a database.
pub struct Node {
	/// The client.
	pub client: Arc<Client>,
	/// The state and the blocks.
	pub backend: Arc<TFullBackend<Block>>,
	/// Where the database is.
	pub folder: PathBuf,
	_tasks: TaskManager,
}

impl Node {
	/// Opens the database in `folder`, which begins with `genesis` if it is new.
	///
	/// # Errors
	/// When it cannot be opened.
	pub fn open(
		workshop: &Workshop,
		folder: PathBuf,
		genesis: Storage,
		storage: StorageSettings,
	) -> Result<Self> {
		let config = configuration::node(&folder, workshop.tokio.handle().clone(), storage)?;
		let backend = sc_service::new_db_backend(config.db_config())?;
		let genesis = sc_service::GenesisBlockBuilder::new_with_storage(
			genesis,
			true,
			backend.clone(),
			workshop.executor.clone(),
		)?;
		let (client, backend, _, tasks) =
			sc_service::new_full_parts_with_genesis_builder::<Block, RuntimeApi, Executor, _>(
				&config,
				None,
				workshop.executor.clone(),
				backend,
				genesis,
				false,
			)?;
		Ok(Self { client: Arc::new(client), backend, folder, _tasks: tasks })
	}

	/// Imports a block as if the network had brought it.
	///
	/// # Errors
	/// When it is not valid, or not the best one.
	pub fn import(
		&self,
		workshop: &Workshop,
		block: Block,
		action: StateAction<Block>,
	) -> Result<Took> {
		let (header, body) = block.deconstruct();
		let mut params = BlockImportParams::new(BlockOrigin::NetworkBroadcast, header);
		params.body = Some(body);
		params.state_action = action;
		params.fork_choice = Some(ForkChoiceStrategy::LongestChain);
		let start = Stopwatch::start();
		let outcome = workshop.tokio.block_on(self.client.import_block(params))?;
		let took = start.took();
		ensure!(
			matches!(&outcome, ImportResult::Imported(imported) if imported.is_new_best),
			"a block was not taken as the best one: {outcome:?}"
		);
		Ok(took)
	}

	/// Makes a block final, if one is given.
	///
	/// # Errors
	/// When it is not known.
	pub fn finalise(&self, hash: Option<Hash>) -> Result<Took> {
		let start = Stopwatch::start();
		if let Some(hash) = hash {
			self.client.finalize_block(hash, None, false)?;
		}
		Ok(start.took())
	}

	/// The newest block.
	pub fn best(&self) -> Hash {
		self.client.info().best_hash
	}
}
