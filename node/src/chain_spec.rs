//! The chains that the node knows by name. Their state comes from the runtime's own presets.

use energy_runtime::WASM_BINARY;
use sc_service::{ChainType, Properties};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

/// A chain specification without extensions.
pub type ChainSpec = sc_service::GenericChainSpec;

fn chain_spec(
	name: &str,
	id: &str,
	chain_type: ChainType,
	preset: &str,
) -> Result<ChainSpec, String> {
	let wasm = WASM_BINARY.ok_or("this node was built without the runtime's Wasm")?;
	let mut properties = Properties::new();
	properties.insert("tokenSymbol".into(), "GRID".into());
	properties.insert("tokenDecimals".into(), 12.into());
	properties.insert("ss58Format".into(), 42.into());
	Ok(ChainSpec::builder(wasm, None)
		.with_name(name)
		.with_id(id)
		.with_chain_type(chain_type)
		.with_protocol_id("energy")
		.with_properties(properties)
		.with_genesis_config_preset_name(preset)
		.build())
}

/// One validator, for a developer's own machine.
pub fn development() -> Result<ChainSpec, String> {
	chain_spec("Energy Development", "dev", ChainType::Development, DEV_RUNTIME_PRESET)
}

/// Four validators on one machine or in one network.
pub fn local() -> Result<ChainSpec, String> {
	chain_spec("Energy Local", "local", ChainType::Local, LOCAL_TESTNET_RUNTIME_PRESET)
}
