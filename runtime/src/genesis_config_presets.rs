//! How a new chain begins.
//!
//! | preset | validators | slots | sudo | oracles that must agree |
//! |---|---|---|---|---|
//! | `development` | Alice | 60 s | Alice | 1 of 1 |
//! | `local_testnet` | Alice, Bob, Charlie, Dave | 60 s | nobody | 2 of 3 |
//!
//! Both have one zone with the utility Alice, the regulator Ferdie, and money for Alice and the zone's
//! imbalance pot. Their keys are known to everyone: they are for development only.

use crate::{
	configs::SettlementPalletId, AccountId, AssetsConfig, BalancesConfig, CouncilConfig,
	EnergyMarketConfig, MeteringConfig, ParticipantsConfig, RuntimeGenesisConfig, SessionConfig,
	SessionKeys, SudoConfig, UNIT,
};
use alloc::{vec, vec::Vec};
use energy_primitives::{
	Balance, ImbalancePricing, MarketTerms, Role, ZoneId, MINOR_UNITS, SETTLEMENT_ASSET,
};
use frame_support::build_struct_json_patch;
use pallet_metering::Parameters;
use pallet_participants::GenesisParticipant;
use pallet_settlement::Pot;
use serde_json::Value;
use sp_core::H256;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::traits::AccountIdConversion;

/// The zone that both presets have.
pub const ZONE: ZoneId = ZoneId(1);

/// The settlement currency that Alice has at the start: 1,000,000.
const ALICE_MONEY: Balance = 1_000_000 * MINOR_UNITS;
/// The settlement currency in the imbalance pot at the start: 10,000.
const POT_MONEY: Balance = 10_000 * MINOR_UNITS;

/// Terms for a small neighbourhood: prices from 0.05 to 0.60 in steps of 0.001 per kWh, a grid fee of
/// 0.03, shortages at 0.60, surpluses at 0.04.
pub fn terms() -> MarketTerms {
	MarketTerms {
		gate_closure_seconds: 10,
		price_floor: 50_000,
		tick_size: 1_000,
		tick_count: 551,
		max_order_wh: 1_000_000,
		grid_fee: 30_000,
		grid_fee_ppm: 0,
		bond_ppm: 1_000_000,
		tolerance_ppm: 0,
		imbalance_pricing: ImbalancePricing::Dual,
		shortage_price: 600_000,
		surplus_price: 40_000,
		policy: None,
	}
}

struct Network {
	validators: Vec<Sr25519Keyring>,
	oracles: Vec<Sr25519Keyring>,
	threshold: u32,
	sudo: Option<Sr25519Keyring>,
}

fn session_keys(validator: Sr25519Keyring) -> SessionKeys {
	let grandpa = match validator {
		Sr25519Keyring::Bob => Ed25519Keyring::Bob,
		Sr25519Keyring::Charlie => Ed25519Keyring::Charlie,
		Sr25519Keyring::Dave => Ed25519Keyring::Dave,
		_ => Ed25519Keyring::Alice,
	};
	SessionKeys { aura: validator.public().into(), grandpa: grandpa.public().into() }
}

fn genesis(network: Network) -> Value {
	let alice = Sr25519Keyring::Alice.to_account_id();
	let validators: Vec<AccountId> =
		network.validators.iter().map(|validator| validator.to_account_id()).collect();
	let oracles: Vec<AccountId> =
		network.oracles.iter().map(|oracle| oracle.to_account_id()).collect();
	let member = |account: &AccountId, role| GenesisParticipant {
		account: account.clone(),
		roles: vec![role],
		zone: ZONE,
		identity: H256::zero(),
	};
	let participants = validators
		.iter()
		.filter(|validator| **validator != alice)
		.map(|validator| member(validator, Role::Utility))
		.chain(oracles.iter().map(|oracle| member(oracle, Role::Oracle)))
		.chain([member(&Sr25519Keyring::Ferdie.to_account_id(), Role::Regulator)])
		.collect();
	let imbalance_pot: AccountId =
		SettlementPalletId::get().into_sub_account_truncating((Pot::Imbalance, ZONE));
	// Nobody has the key of the currency's owner: money is made and taken by the council alone.
	let nobody: AccountId = SettlementPalletId::get().into_account_truncating();
	let endowed = Sr25519Keyring::well_known().map(|who| (who.to_account_id(), 1_000 * UNIT));

	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig { balances: endowed.collect::<Vec<_>>() },
		session: SessionConfig {
			keys: network
				.validators
				.iter()
				.map(|validator| {
					let account = validator.to_account_id();
					(account.clone(), account, session_keys(*validator))
				})
				.collect::<Vec<_>>(),
		},
		assets: AssetsConfig {
			assets: vec![(SETTLEMENT_ASSET, nobody, true, 1)],
			metadata: vec![(SETTLEMENT_ASSET, b"Settlement currency".to_vec(), b"EUR".to_vec(), 6)],
			accounts: vec![
				(SETTLEMENT_ASSET, alice.clone(), ALICE_MONEY),
				(SETTLEMENT_ASSET, imbalance_pot, POT_MONEY),
			],
		},
		sudo: SudoConfig { key: network.sudo.map(|sudo| sudo.to_account_id()) },
		council: CouncilConfig { members: validators.clone() },
		participants: ParticipantsConfig { zones: vec![(ZONE, alice)], participants: participants },
		metering: MeteringConfig {
			groups: vec![(ZONE, oracles, network.threshold)],
			parameters: Parameters { dispute_seconds: 6, deadline_seconds: 60 },
		},
		energy_market: EnergyMarketConfig { slot_seconds: 60, terms: vec![(ZONE, terms())] },
	})
}

/// A preset by its name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	use Sr25519Keyring::{Alice, Bob, Charlie, Dave, Eve, One, Two};
	let network = match id.as_ref() {
		DEV_RUNTIME_PRESET => {
			Network { validators: vec![Alice], oracles: vec![Eve], threshold: 1, sudo: Some(Alice) }
		}
		LOCAL_TESTNET_RUNTIME_PRESET => Network {
			validators: vec![Alice, Bob, Charlie, Dave],
			oracles: vec![Eve, One, Two],
			threshold: 2,
			sudo: None,
		},
		_ => return None,
	};
	serde_json::to_vec(&genesis(network)).ok()
}

/// The names of the presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![DEV_RUNTIME_PRESET.into(), LOCAL_TESTNET_RUNTIME_PRESET.into()]
}
