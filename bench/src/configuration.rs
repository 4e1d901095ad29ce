//! The settings of the nodes: what the node's command line would give with `--validator` and
//! nothing else, on a folder of its own and without a network.

use std::path::Path;

use anyhow::{Context, Result};
use energy_runtime::WASM_BINARY;
use sc_service::{
	config::{
		ExecutorConfiguration, KeystoreConfig, NetworkConfiguration, OffchainWorkerConfig,
		RpcBatchRequestConfig, RpcConfiguration,
	},
	BasePath, BlocksPruning, ChainType, Configuration, DatabaseSource, GenericChainSpec,
	PruningMode, Role, RpcMethods, TracingReceiver,
};
use tokio::runtime::Handle;

/// The node's default cache of the state trie, bytes.
const TRIE_CACHE_BYTES: usize = 1024 * 1024 * 1024;
/// The node's default cache of the database, MiB.
pub const DATABASE_CACHE_MEBIBYTES: usize = 1024;
/// How many final blocks keep their state: the node's default.
const KEPT_STATES: u32 = 256;

/// How a node stores what it knows.
#[derive(Clone, Copy, Debug)]
pub struct StorageSettings {
	/// How many final blocks keep their bodies.
	pub blocks: BlocksPruning,
	/// The cache of the database, MiB.
	pub cache_mebibytes: usize,
}

/// How the runtime's Wasm is run: compiled, as the node does.
pub fn executor() -> ExecutorConfiguration {
	ExecutorConfiguration::default()
}

/// The runtime's Wasm.
///
/// # Errors
/// When this program was built without it.
pub fn wasm() -> Result<&'static [u8]> {
	WASM_BINARY.context("this program was built without the runtime's Wasm")
}

/// A validator's settings with its database in `folder`.
///
/// # Errors
/// As [`wasm`].
pub fn node(
	folder: &Path,
	tokio_handle: Handle,
	storage: StorageSettings,
) -> Result<Configuration> {
	// Only its name is used: the genesis is given to the client directly.
	let chain_spec = <GenericChainSpec>::builder(wasm()?, None)
		.with_name("Energy Bench")
		.with_id("bench")
		.with_chain_type(ChainType::Development)
		.with_genesis_config_patch(serde_json::json!({}))
		.build();
	Ok(Configuration {
		impl_name: env!("CARGO_PKG_NAME").into(),
		impl_version: env!("CARGO_PKG_VERSION").into(),
		role: Role::Authority,
		tokio_handle,
		transaction_pool: Default::default(),
		network: NetworkConfiguration::new_memory(),
		keystore: KeystoreConfig::InMemory,
		database: DatabaseSource::RocksDb {
			path: folder.join("db"),
			cache_size: storage.cache_mebibytes,
		},
		trie_cache_maximum_size: Some(TRIE_CACHE_BYTES),
		warm_up_trie_cache: None,
		state_pruning: Some(PruningMode::blocks_pruning(KEPT_STATES)),
		blocks_pruning: storage.blocks,
		chain_spec: Box::new(chain_spec),
		executor: executor(),
		wasm_runtime_overrides: None,
		rpc: RpcConfiguration {
			addr: None,
			max_connections: 0,
			cors: None,
			methods: RpcMethods::Safe,
			max_request_size: 0,
			max_response_size: 0,
			id_provider: None,
			max_subs_per_conn: 0,
			port: 0,
			message_buffer_capacity: 0,
			batch_config: RpcBatchRequestConfig::Disabled,
			rate_limit: None,
			rate_limit_whitelisted_ips: Vec::new(),
			rate_limit_trust_proxy_headers: false,
			request_logger_limit: 0,
		},
		prometheus_config: None,
		telemetry_endpoints: None,
		offchain_worker: OffchainWorkerConfig::default(),
		force_authoring: false,
		disable_grandpa: true,
		dev_key_seed: None,
		tracing_targets: None,
		tracing_receiver: TracingReceiver::Log,
		announce_block: false,
		data_path: folder.into(),
		base_path: BasePath::new(folder),
	})
}
