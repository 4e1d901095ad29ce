//! The calls of the chain that the wallet makes, each with its arguments in order.

use codec::{Compact, Decode, Encode};
use energy_primitives::{
	AccountId, Balance, MarketTerms, MeterId, OrderIndex, Roles, Side, Slot, ZoneId,
	SETTLEMENT_ASSET,
};
use sp_core::{H160, H256};
use sp_runtime::MultiAddress;
use wia_ene_014::canonical::DeviceKey;

use crate::client::Call;

/// `EnergyMarket.OrderPlaced`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OrderPlaced {
	/// Where.
	pub zone: ZoneId,
	/// For when.
	pub slot: Slot,
	/// The order's number in the zone and slot.
	pub index: OrderIndex,
	/// Whose it is.
	pub account: AccountId,
	/// Bid or ask.
	pub side: Side,
	/// The limit, minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
	/// The money held for it, minor units.
	pub held: Balance,
}

/// `Revive.Instantiated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Instantiated {
	/// Who paid for it.
	pub deployer: H160,
	/// Where it is.
	pub contract: H160,
}

/// The time and the proof size that a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Weight {
	/// Picoseconds on the reference machine.
	#[codec(compact)]
	pub ref_time: u64,
	/// Bytes.
	#[codec(compact)]
	pub proof_size: u64,
}

/// Places an order: energy in Wh, limit in minor units per kWh. The participant's own.
pub fn place(zone: ZoneId, slot: Slot, side: Side, price: u64, energy_wh: u64) -> Call {
	Call::new("EnergyMarket", "place", (zone, slot, side, price, energy_wh))
}

/// Takes an order back before the gate closes. The participant's own.
pub fn cancel(zone: ZoneId, slot: Slot, index: OrderIndex) -> Call {
	Call::new("EnergyMarket", "cancel", (zone, slot, index))
}

/// Sets the rules of slots that open from now on. The zone's utility or the council.
pub fn set_terms(zone: ZoneId, terms: &MarketTerms) -> Call {
	Call::new("EnergyMarket", "set_terms", (zone, terms))
}

/// Stops a zone's market. The regulator or the council.
pub fn halt(zone: ZoneId) -> Call {
	Call::new("EnergyMarket", "halt", zone)
}

/// Lets a zone's market go on. The regulator or the council.
pub fn resume(zone: ZoneId) -> Call {
	Call::new("EnergyMarket", "resume", zone)
}

/// Names the oracles of a zone and how many must agree. The council.
pub fn set_oracles(zone: ZoneId, members: &[AccountId], threshold: u32) -> Call {
	Call::new("Metering", "set_group", (zone, members, threshold))
}

/// Makes a zone. The council.
pub fn register_zone(zone: ZoneId, utility: &AccountId) -> Call {
	Call::new("Participants", "register_zone", (zone, utility))
}

/// Admits an account. `identity` is a commitment to who it is, salted; nothing personal. The
/// zone's utility or the council.
pub fn admit(who: &AccountId, roles: Roles, zone: ZoneId, identity: H256) -> Call {
	Call::new("Participants", "admit", (who, roles, zone, identity))
}

/// Suspends an account. The regulator or the council.
pub fn suspend(who: &AccountId) -> Call {
	Call::new("Participants", "suspend", who)
}

/// Ends a suspension. The regulator or the council.
pub fn reinstate(who: &AccountId) -> Call {
	Call::new("Participants", "reinstate", who)
}

/// Removes an account. The council.
pub fn remove(who: &AccountId) -> Call {
	Call::new("Participants", "remove", who)
}

/// Registers a meter and its device key. The zone's utility.
pub fn register_meter(
	id: MeterId,
	owner: &AccountId,
	zone: ZoneId,
	key: DeviceKey,
	rated_power_w: u32,
) -> Call {
	Call::new("Participants", "register_meter", (id, owner, zone, key, rated_power_w))
}

/// Gives a meter a new device key. The zone's utility.
pub fn rotate_meter_key(id: MeterId, key: DeviceKey) -> Call {
	Call::new("Participants", "rotate_meter_key", (id, key))
}

/// Sends settlement currency, in minor units.
pub fn transfer(to: &AccountId, amount: Balance) -> Call {
	Call::new(
		"Assets",
		"transfer",
		(Compact(SETTLEMENT_ASSET), MultiAddress::<_, ()>::Id(to.clone()), Compact(amount)),
	)
}

/// Registers the 20-byte address of the sender's account with the contracts pallet.
pub fn map_account() -> Call {
	Call::new("Revive", "map_account", ())
}

/// Uploads a contract and makes one instance of it.
pub fn instantiate(
	code: &[u8],
	constructor_data: &[u8],
	salt: Option<[u8; 32]>,
	weight_limit: Weight,
	storage_deposit_limit: Balance,
) -> Call {
	Call::new(
		"Revive",
		"instantiate_with_code",
		(
			Compact(0 as Balance),
			weight_limit,
			Compact(storage_deposit_limit),
			code,
			constructor_data,
			salt,
		),
	)
}

/// Where the contracts pallet keeps that an account's 20-byte address is registered.
pub fn mapping_key(account: &AccountId) -> Vec<u8> {
	let mut key = Vec::with_capacity(52);
	key.extend_from_slice(&sp_crypto_hashing::twox_128(b"Revive"));
	key.extend_from_slice(&sp_crypto_hashing::twox_128(b"OriginalAccount"));
	key.extend_from_slice(contract_address_of(account).as_bytes());
	key
}

/// The 20-byte address under which contracts know an account: the end of its Keccak-256.
pub fn contract_address_of(account: &AccountId) -> H160 {
	let bytes: &[u8; 32] = account.as_ref();
	match bytes {
		// An account made of an Ethereum address: the address, then twelve times 0xEE.
		[address @ .., 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE] => {
			H160::from_slice(address)
		}
		_ => H160::from_slice(&sp_crypto_hashing::keccak_256(bytes)[12..]),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn place_is_the_plain_scale_of_its_arguments() {
		let call = place(ZoneId(1), Slot(2), Side::Ask, 250_000, 1_500);
		let mut expected = vec![1, 0, 0, 0, 2, 0, 0, 0, 1];
		expected.extend(250_000u64.to_le_bytes());
		expected.extend(1_500u64.to_le_bytes());
		assert_eq!(call.args, expected);
	}

	#[test]
	fn transfer_names_the_settlement_currency() {
		let call = transfer(&AccountId::new([7; 32]), 1);
		let mut expected = vec![4, 0];
		expected.extend([7u8; 32]);
		expected.push(4);
		assert_eq!(call.args, expected);
	}

	#[test]
	fn oracles_are_a_list_with_its_length() {
		let call = set_oracles(ZoneId(3), &[AccountId::new([1; 32])], 1);
		let mut expected = vec![3, 0, 0, 0, 4];
		expected.extend([1u8; 32]);
		expected.extend([1, 0, 0, 0]);
		assert_eq!(call.args, expected);
	}

	#[test]
	fn contract_address_is_that_of_the_contracts_pallet() {
		// `AccountId32Mapper` documents both ways.
		let mut account = [0xEE; 32];
		account[..20].copy_from_slice(&[5; 20]);
		assert_eq!(contract_address_of(&AccountId::new(account)), H160([5; 20]));
		let alice = subxt_signer::sr25519::dev::alice().public_key().0;
		assert_eq!(
			contract_address_of(&AccountId::new(alice)).as_bytes(),
			hex::decode("9621dde636de098b43efb0fa9b61facfe328f99d").expect("is hex")
		);
	}
}
