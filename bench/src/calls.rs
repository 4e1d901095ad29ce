//! The calls that are measured. Whoever changes a call of the runtime changes it here.

use anyhow::{anyhow, Result};
use energy_primitives::{
	MarketTerms, MeterValue, OrderIndex, OrderRequest, Quality, Side, Slot, METERS_PER_PAGE,
};
use energy_runtime::{
	genesis_config_presets::ZONE, AccountId, BalancesCall, RuntimeCall, MILLI_UNIT, UNIT,
};
use frame_support::{weights::Weight, BoundedVec};
use sp_core::{H160, H256};

/// Orders in one batch at most.
pub const BATCH: usize = 100;

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
	/// For when.
	pub slot: Slot,
	/// Bid or ask.
	pub side: Side,
	/// The limit, minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
}

/// Gives a little native coin to somebody.
pub fn transfer(to: &AccountId) -> RuntimeCall {
	RuntimeCall::Balances(BalancesCall::transfer_keep_alive {
		dest: to.clone().into(),
		value: MILLI_UNIT,
	})
}

/// Places one order.
pub fn place(order: &Order) -> RuntimeCall {
	let Order { slot, side, price, energy_wh } = *order;
	RuntimeCall::EnergyMarket(pallet_energy_market::Call::place {
		zone: ZONE,
		slot,
		side,
		price,
		energy_wh,
	})
}

/// Places orders, in as few batches as possible.
///
/// # Errors
/// When the runtime takes fewer than [`BATCH`] orders in a batch.
pub fn place_batches(orders: &[Order]) -> Result<Vec<RuntimeCall>> {
	orders
		.chunks(BATCH)
		.map(|chunk| {
			let requests: Vec<OrderRequest> = chunk
				.iter()
				.map(|order| OrderRequest {
					slot: order.slot,
					side: order.side,
					price: order.price,
					energy_wh: order.energy_wh,
					minimum_wh: 0,
					expires_seconds: None,
				})
				.collect();
			let orders = BoundedVec::try_from(requests)
				.map_err(|_| anyhow!("the runtime takes no batches of {BATCH} orders"))?;
			Ok(RuntimeCall::EnergyMarket(pallet_energy_market::Call::place_batch {
				zone: ZONE,
				owner: None,
				orders,
			}))
		})
		.collect()
}

/// Takes an order back.
pub fn cancel(slot: Slot, index: u32) -> RuntimeCall {
	RuntimeCall::EnergyMarket(pallet_energy_market::Call::cancel {
		zone: ZONE,
		slot,
		index: OrderIndex(index),
	})
}

/// Sets the terms of slots that open from now on.
pub fn set_terms(terms: MarketTerms) -> RuntimeCall {
	RuntimeCall::EnergyMarket(pallet_energy_market::Call::set_terms { zone: ZONE, terms })
}

/// Says what meters measured, a page in a call. `measured` has import and export of each meter, Wh.
///
/// # Errors
/// When the runtime takes no pages of [`METERS_PER_PAGE`] meters.
pub fn attest(slot: Slot, measured: &[(u64, u64)]) -> Result<Vec<RuntimeCall>> {
	let lines: Vec<MeterValue> = (0..)
		.zip(measured)
		.map(|(meter, (import_wh, export_wh))| MeterValue {
			meter,
			import_wh: *import_wh,
			export_wh: *export_wh,
			quality: Quality::Valid,
		})
		.collect();
	(0..)
		.zip(lines.chunks(METERS_PER_PAGE as usize))
		.map(|(page, lines)| {
			Ok(RuntimeCall::Metering(pallet_metering::Call::attest {
				zone: ZONE,
				slot,
				page,
				values: BoundedVec::try_from(lines.to_vec())
					.map_err(|_| anyhow!("a page has fewer meters than expected"))?,
				readings_root: H256::repeat_byte(1),
				readings_count: lines.len() as u32,
			}))
		})
		.collect()
}

/// The most weight that the deployment and a call of a contract may take.
fn contract_weight() -> Weight {
	Weight::from_parts(400_000_000_000, 16 * 1024 * 1024)
}

/// Deploys a contract.
pub fn deploy(code: Vec<u8>) -> RuntimeCall {
	RuntimeCall::Revive(pallet_revive::Call::instantiate_with_code {
		value: 0,
		weight_limit: contract_weight(),
		storage_deposit_limit: 500 * UNIT,
		code,
		data: Vec::new(),
		salt: None,
	})
}

/// Asks the policy contract about so many positions, by a transaction.
pub fn ask_policy(contract: H160, positions: usize) -> RuntimeCall {
	RuntimeCall::Revive(pallet_revive::Call::call {
		dest: contract,
		value: 0,
		weight_limit: contract_weight(),
		storage_deposit_limit: UNIT,
		data: question(positions),
	})
}

/// `settle(Terms, Position[])` of `contracts/interfaces/ISettlementPolicy.sol`, in Solidity's ABI:
/// everybody bought a kilowatt-hour and took most of it.
fn question(positions: usize) -> Vec<u8> {
	const SIGNATURE: &str = "settle(\
		(uint64,uint64,uint32,uint32,bool,uint64,uint64,uint64,uint64),\
		(uint64,uint64,uint128,uint128,uint64,uint64,uint128)[])";
	// Price, grid fee, its part, tolerance, single price, shortage and surplus price, both
	// energies.
	const TERMS: [u64; 9] = [150_000, 30_000, 0, 0, 0, 2_100_000, 40_000, 0, 0];
	// Bought, sold, payable, receivable, import, export, held.
	const POSITION: [u64; 7] = [1_000, 0, 150_000, 0, 900, 0, 200_000];
	let word = |number: u64| {
		let mut word = [0; 32];
		word[24..].copy_from_slice(&number.to_be_bytes());
		word
	};
	let mut data = sp_io::hashing::keccak_256(SIGNATURE.as_bytes())[..4].to_vec();
	// The array is behind the terms and the word that says where it is.
	let head = TERMS.into_iter().chain([(TERMS.len() as u64 + 1) * 32, positions as u64]);
	for number in head.chain(std::iter::repeat_n(POSITION, positions).flatten()) {
		data.extend(word(number));
	}
	data
}

/// Does nothing and uses so much weight, picoseconds. What is left of a block is what the market
/// may use in idle time.
///
/// There are two calls, because none may use all of a block alone. They are the superuser's, whose
/// transactions may use more of a block than others'.
pub fn fill(picoseconds: u64) -> Vec<RuntimeCall> {
	let half = picoseconds / 2;
	[half, picoseconds - half]
		.map(|part| as_superuser(frame_system::Call::set_storage { items: Vec::new() }, part))
		.into()
}

/// Writes into the storage directly, without a weight.
pub fn write(items: Vec<(Vec<u8>, Vec<u8>)>) -> RuntimeCall {
	as_superuser(frame_system::Call::set_storage { items }, 0)
}

fn as_superuser(
	call: frame_system::Call<energy_runtime::Runtime>,
	picoseconds: u64,
) -> RuntimeCall {
	RuntimeCall::Sudo(pallet_sudo::Call::sudo_unchecked_weight {
		call: Box::new(RuntimeCall::System(call)),
		weight: Weight::from_parts(picoseconds, 0),
	})
}
