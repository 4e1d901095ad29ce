//! The calls of the chain that the wallet makes, each with its arguments in order.

pub mod communities;

use codec::{Compact, Decode, Encode};
use energy_primitives::{
	AccountId, AgentLimits, Balance, CouplingProposal, EnergyKind, MarketTerms, MeterId, OfferId,
	OfferRequest, OrderIndex, OrderRequest, Region, RegionId, Roles, Side, Slot, StandingId,
	ZoneId, SETTLEMENT_ASSET,
};
use sp_core::{H160, H256};
use sp_runtime::{DispatchError, MultiAddress};
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
	/// The least that is accepted, Wh.
	pub minimum_wh: u64,
	/// When it expires, seconds since 1970.
	pub expires_seconds: Option<u64>,
	/// The standing order that it came from.
	pub standing: Option<StandingId>,
	/// The money committed for it, minor units.
	pub held: Balance,
}

/// `EnergyMarket.OrderRejected`: an order of a batch that was not placed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OrderRejected {
	/// Where.
	pub zone: ZoneId,
	/// For when.
	pub slot: Slot,
	/// Whose it would have been.
	pub account: AccountId,
	/// Its place in the batch, from zero.
	pub item: u32,
	/// Why.
	pub error: DispatchError,
}

/// `EnergyMarket.StandingOrderPlaced`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StandingOrderPlaced {
	/// Where.
	pub zone: ZoneId,
	/// Its number in the zone.
	pub id: StandingId,
	/// Whose it is.
	pub account: AccountId,
}

/// `EnergyMarket.OfferMade`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OfferMade {
	/// Its number.
	pub id: OfferId,
	/// Where.
	pub zone: ZoneId,
	/// Whose it is.
	pub maker: AccountId,
	/// What was asked for.
	pub offer: OfferRequest<AccountId>,
	/// The money committed for it, minor units.
	pub held: Balance,
}

/// `EnergyMarket.OfferAccepted`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OfferAccepted {
	/// The offer's number.
	pub id: OfferId,
	/// Where.
	pub zone: ZoneId,
	/// For when.
	pub slot: Slot,
	/// Who buys.
	pub buyer: AccountId,
	/// Who sells.
	pub seller: AccountId,
	/// What the seller declares the energy to be.
	pub kind: EnergyKind,
	/// What is paid, minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
}

/// `EnergyMarket.Withdrawn`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Withdrawn {
	/// Whose money.
	pub account: AccountId,
	/// Minor units.
	pub amount: Balance,
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

/// Places many orders at once, for `owner` if the signer is its agent. The participant's own.
pub fn place_batch(zone: ZoneId, owner: Option<&AccountId>, orders: &[OrderRequest]) -> Call {
	Call::new("EnergyMarket", "place_batch", (zone, owner, orders))
}

/// Takes an order out and places another in its stead. The participant's own, or its agent's.
pub fn replace(zone: ZoneId, slot: Slot, index: OrderIndex, order: &OrderRequest) -> Call {
	Call::new("EnergyMarket", "replace", (zone, slot, index, order))
}

/// Takes free money out of the market, in minor units. The participant's own.
pub fn withdraw(amount: Balance) -> Call {
	Call::new("EnergyMarket", "withdraw", Compact(amount))
}

/// Lets an agent place orders with the signer's money. The participant's own.
pub fn set_agent(agent: &AccountId, limits: &AgentLimits) -> Call {
	Call::new("EnergyMarket", "set_agent", (agent, limits))
}

/// Takes an agent's right away. The participant's own.
pub fn remove_agent(agent: &AccountId) -> Call {
	Call::new("EnergyMarket", "remove_agent", agent)
}

/// Leaves an order that is placed anew in every slot from its own to `last`, as long as `budget`
/// minor units last. It must not expire. The participant's own.
pub fn place_standing(zone: ZoneId, order: &OrderRequest, last: Slot, budget: Balance) -> Call {
	Call::new("EnergyMarket", "place_standing", (zone, order, last, budget))
}

/// Ends a standing order. The participant's own.
pub fn cancel_standing(zone: ZoneId, id: StandingId) -> Call {
	Call::new("EnergyMarket", "cancel_standing", (zone, id))
}

/// Offers a trade at a price of its own. The participant's own.
pub fn make_offer(zone: ZoneId, offer: &OfferRequest<AccountId>) -> Call {
	Call::new("EnergyMarket", "make_offer", (zone, offer))
}

/// Accepts energy of an offer in a slot; `kind` is what the signer declares to sell, or wants to
/// buy. The participant's own.
pub fn accept_offer(id: OfferId, slot: Slot, energy_wh: u64, kind: EnergyKind) -> Call {
	Call::new("EnergyMarket", "accept_offer", (id, slot, energy_wh, kind))
}

/// Withdraws what is left of an offer. Its maker.
pub fn withdraw_offer(id: OfferId) -> Call {
	Call::new("EnergyMarket", "withdraw_offer", id)
}

/// Calls off a slot of a halted zone. The regulator or the council.
pub fn annul(zone: ZoneId, slot: Slot) -> Call {
	Call::new("EnergyMarket", "annul", (zone, slot))
}

/// Proposes prices, volumes and flows for all zones of a region in a slot. Any participant.
pub fn propose_coupling(region: RegionId, slot: Slot, proposal: &CouplingProposal) -> Call {
	Call::new("EnergyMarket", "propose_coupling", (region, slot, proposal))
}

/// Says which zones are cleared together from a slot on. The council.
pub fn set_region(id: RegionId, region: &Region, since: Slot) -> Call {
	Call::new("EnergyMarket", "set_region", (id, region, since))
}

/// Sets the capacities of a region's links in a slot, Wh, in the order of the links. The council.
pub fn set_capacities(id: RegionId, slot: Slot, capacities_wh: &[u64]) -> Call {
	Call::new("EnergyMarket", "set_capacities", (id, slot, capacities_wh))
}

/// Sets the rules of slots that open from now on. The zone's utility or the council.
pub fn set_terms(zone: ZoneId, terms: &MarketTerms) -> Call {
	Call::new("EnergyMarket", "set_terms", (zone, terms))
}

/// Gives the slots of a zone another length, seconds, from a slot on. The zone's utility or the
/// council.
pub fn set_slot_length(zone: ZoneId, slot_seconds: u32, from: Slot) -> Call {
	Call::new("EnergyMarket", "set_slot_length", (zone, slot_seconds, from))
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
	use energy_primitives::{Audience, CommunityId};

	#[test]
	fn place_is_the_plain_scale_of_its_arguments() {
		let call = place(ZoneId(1), Slot(2), Side::Ask, 250_000, 1_500);
		let mut expected = vec![1, 0, 0, 0, 2, 0, 0, 0, 1];
		expected.extend(250_000u64.to_le_bytes());
		expected.extend(1_500u64.to_le_bytes());
		assert_eq!(call.args, expected);
	}

	fn order() -> OrderRequest {
		OrderRequest {
			slot: Slot(2),
			side: Side::Bid,
			price: 250_000,
			energy_wh: 1_500,
			minimum_wh: 500,
			expires_seconds: Some(9),
		}
	}

	/// What `order` is in bytes.
	fn order_bytes() -> Vec<u8> {
		let mut bytes = vec![2, 0, 0, 0, 0];
		bytes.extend(250_000u64.to_le_bytes());
		bytes.extend(1_500u64.to_le_bytes());
		bytes.extend(500u64.to_le_bytes());
		bytes.push(1);
		bytes.extend(9u64.to_le_bytes());
		bytes
	}

	#[test]
	fn batch_is_a_list_for_oneself_or_an_owner() {
		let own = place_batch(ZoneId(1), None, &[order()]);
		assert_eq!(own.args, [vec![1, 0, 0, 0, 0, 4], order_bytes()].concat());
		let owner = AccountId::new([7; 32]);
		let call = place_batch(ZoneId(1), Some(&owner), &[]);
		assert_eq!(call.args, [vec![1, 0, 0, 0, 1], vec![7; 32], vec![0]].concat());
	}

	#[test]
	fn replacement_names_the_old_order_first() {
		let call = replace(ZoneId(1), Slot(5), OrderIndex(6), &order());
		let place = vec![1, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0];
		assert_eq!(call.args, [place, order_bytes()].concat());
	}

	#[test]
	fn standing_order_ends_with_its_last_slot_and_budget() {
		let call = place_standing(ZoneId(1), &order(), Slot(3), 4);
		let end = [3u32.to_le_bytes().to_vec(), 4u128.to_le_bytes().to_vec()].concat();
		assert_eq!(call.args, [vec![1, 0, 0, 0], order_bytes(), end].concat());
		assert_eq!(cancel_standing(ZoneId(1), StandingId(2)).args, [1, 0, 0, 0, 2, 0, 0, 0]);
	}

	#[test]
	fn offer_names_who_may_accept() {
		let offer = |audience| OfferRequest {
			side: Side::Ask,
			audience,
			kind: EnergyKind::Wind,
			price: 1,
			energy_wh: 2,
			minimum_wh: 3,
			first: Slot(4),
			slots: 5,
		};
		let rest = [
			vec![2],
			1u64.to_le_bytes().to_vec(),
			2u64.to_le_bytes().to_vec(),
			3u64.to_le_bytes().to_vec(),
			vec![4, 0, 0, 0, 5, 0, 0, 0],
		]
		.concat();
		let partner = [vec![1], vec![7; 32]].concat();
		for (audience, bytes) in [
			(Audience::Anyone, vec![0]),
			(Audience::Partner(AccountId::new([7; 32])), partner),
			(Audience::Community(CommunityId(9)), vec![2, 9, 0, 0, 0]),
		] {
			let call = make_offer(ZoneId(1), &offer(audience));
			assert_eq!(call.args, [vec![1, 0, 0, 0, 1], bytes, rest.clone()].concat());
		}
	}

	#[test]
	fn acceptance_names_offer_slot_energy_and_kind() {
		let call = accept_offer(OfferId(1), Slot(2), 3, EnergyKind::Storage);
		assert_eq!(call.args, [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5]);
	}

	#[test]
	fn slot_length_comes_before_its_first_slot() {
		let call = set_slot_length(ZoneId(1), 300, Slot(5));
		assert_eq!((call.pallet, call.name), ("EnergyMarket", "set_slot_length"));
		assert_eq!(call.args, [1, 0, 0, 0, 44, 1, 0, 0, 5, 0, 0, 0]);
	}

	#[test]
	fn agent_has_its_limits() {
		let limits = AgentLimits { allowance: 1, max_order_wh: 2, until_seconds: 3 };
		let call = set_agent(&AccountId::new([7; 32]), &limits);
		let mut expected = vec![7; 32];
		expected.extend(1u128.to_le_bytes());
		expected.extend(2u64.to_le_bytes());
		expected.extend(3u64.to_le_bytes());
		assert_eq!(call.args, expected);
	}

	#[test]
	fn withdrawal_is_compact() {
		assert_eq!(withdraw(1).args, [4]);
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
