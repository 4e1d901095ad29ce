//! The calls about energy communities, and the events that say what came of them.
//!
//! Money is in minor units, prices are in minor units per kWh, keys in parts per million.

use codec::{Compact, Decode, Encode};
use energy_primitives::{AccountId, Balance, CommunityId, Method, Slot, ZoneId};

use crate::client::Call;

/// The pallet's name in the runtime.
pub const PALLET: &str = "Communities";

/// `Communities.CommunityCreated`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommunityCreated {
	/// Its number.
	pub community: CommunityId,
	/// Where.
	pub zone: ZoneId,
	/// Who invites members, and sets keys and price.
	pub manager: AccountId,
	/// By what rule it shares.
	pub method: Method,
	/// What a member pays another, minor units per kWh.
	pub price_per_kwh: u64,
	/// What a member that takes pays the grid, minor units per kWh.
	pub grid_fee_per_kwh: u64,
	/// The first slot that is shared.
	pub active_from: Slot,
}

/// `Communities.MemberJoined`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberJoined {
	/// The community.
	pub community: CommunityId,
	/// Who.
	pub account: AccountId,
	/// Its part of the surplus, parts per million.
	pub key_ppm: u32,
	/// The most it is charged for a slot, minor units.
	pub limit_per_slot: Balance,
	/// Money held, minor units.
	pub deposit: Balance,
	/// The first slot in which it takes part.
	pub from: Slot,
}

/// `Communities.MemberLeaving`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberLeaving {
	/// The community.
	pub community: CommunityId,
	/// Who.
	pub account: AccountId,
	/// The first slot in which it does not take part any more.
	pub until: Slot,
}

/// `Communities.LimitSet`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LimitSet {
	/// The community.
	pub community: CommunityId,
	/// Whose.
	pub account: AccountId,
	/// The most it is charged for a slot, minor units.
	pub limit_per_slot: Balance,
	/// The first slot that has it.
	pub from: Slot,
}

/// `Communities.CommunityDissolved`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CommunityDissolved {
	/// The community.
	pub community: CommunityId,
	/// The first slot that is not shared any more.
	pub ends: Slot,
}

/// Creates a community. The zone's utility or the council.
pub fn create(
	zone: ZoneId,
	manager: &AccountId,
	method: Method,
	price_per_kwh: u64,
	grid_fee_per_kwh: u64,
	active_from: Slot,
) -> Call {
	let args = (zone, manager, method, price_per_kwh, grid_fee_per_kwh, active_from);
	Call::new(PALLET, "create", args)
}

/// Gives a community another manager. The zone's utility or the council.
pub fn appoint_manager(community: CommunityId, manager: &AccountId) -> Call {
	Call::new(PALLET, "appoint_manager", (community, manager))
}

/// Invites an account to join with a key, parts per million. The manager.
pub fn invite(community: CommunityId, account: &AccountId, key_ppm: u32) -> Call {
	Call::new(PALLET, "invite", (community, account, key_ppm))
}

/// Takes an invitation back, or declines it. The manager, or who is invited.
pub fn revoke_invitation(community: CommunityId, account: &AccountId) -> Call {
	Call::new(PALLET, "revoke_invitation", (community, account))
}

/// Joins a community, with money in minor units. Who is invited with this key.
pub fn join(
	community: CommunityId,
	key_ppm: u32,
	limit_per_slot: Balance,
	deposit: Balance,
) -> Call {
	let args = (community, key_ppm, Compact(limit_per_slot), Compact(deposit));
	Call::new(PALLET, "join", args)
}

/// Leaves a community with the first slot that has not begun. A member.
pub fn leave(community: CommunityId) -> Call {
	Call::new(PALLET, "leave", community)
}

/// Lets a member leave, after the time of notice. The manager.
pub fn exclude(community: CommunityId, account: &AccountId) -> Call {
	Call::new(PALLET, "exclude", (community, account))
}

/// Gives members other keys, parts per million, from a slot on. The manager.
pub fn set_keys(community: CommunityId, keys: &[(AccountId, u32)], from: Slot) -> Call {
	Call::new(PALLET, "set_keys", (community, keys, from))
}

/// Sets what a member pays another, minor units per kWh, from a slot on. The manager.
pub fn set_price(community: CommunityId, price_per_kwh: u64, from: Slot) -> Call {
	Call::new(PALLET, "set_price", (community, price_per_kwh, from))
}

/// Sets what a member that takes pays the grid, minor units per kWh, from a slot on. The zone's
/// utility or the council.
pub fn set_grid_fee(community: CommunityId, grid_fee_per_kwh: u64, from: Slot) -> Call {
	Call::new(PALLET, "set_grid_fee", (community, grid_fee_per_kwh, from))
}

/// Sets the most that the signer is charged for a slot, minor units. A member.
pub fn set_limit(community: CommunityId, limit_per_slot: Balance) -> Call {
	Call::new(PALLET, "set_limit", (community, Compact(limit_per_slot)))
}

/// Adds to the signer's deposit, minor units. A member.
pub fn deposit(community: CommunityId, amount: Balance) -> Call {
	Call::new(PALLET, "deposit", (community, Compact(amount)))
}

/// Takes back a part of the signer's deposit, minor units. A member.
pub fn withdraw(community: CommunityId, amount: Balance) -> Call {
	Call::new(PALLET, "withdraw", (community, Compact(amount)))
}

/// Ends a community with the first slot that has not begun. The manager, the zone's utility or the
/// council.
pub fn dissolve(community: CommunityId) -> Call {
	Call::new(PALLET, "dissolve", community)
}

#[cfg(test)]
mod tests {
	use super::*;

	const ID: CommunityId = CommunityId(3);

	fn account(byte: u8) -> AccountId {
		AccountId::new([byte; 32])
	}

	#[test]
	fn community_is_created_with_both_prices_and_its_first_slot() {
		let call = create(ZoneId(1), &account(7), Method::ProportionalToNeed, 8, 9, Slot(10));
		let mut expected = [vec![1, 0, 0, 0], vec![7; 32], vec![1]].concat();
		expected.extend(8u64.to_le_bytes());
		expected.extend(9u64.to_le_bytes());
		expected.extend([10, 0, 0, 0]);
		assert_eq!((call.pallet, call.name), ("Communities", "create"));
		assert_eq!(call.args, expected);
	}

	#[test]
	fn joining_names_the_key_and_then_compact_money() {
		assert_eq!(join(ID, 5, 1, 2).args, [3, 0, 0, 0, 5, 0, 0, 0, 4, 8]);
	}

	#[test]
	fn money_of_a_member_is_compact() {
		for (call, name) in [
			(set_limit(ID, 1), "set_limit"),
			(deposit(ID, 1), "deposit"),
			(withdraw(ID, 1), "withdraw"),
		] {
			assert_eq!((call.name, call.args), (name, vec![3, 0, 0, 0, 4]));
		}
	}

	#[test]
	fn keys_are_a_list_with_its_length() {
		let call = set_keys(ID, &[(account(7), 5), (account(8), 6)], Slot(9));
		let expected = [
			vec![3, 0, 0, 0, 8],
			vec![7; 32],
			vec![5, 0, 0, 0],
			vec![8; 32],
			vec![6, 0, 0, 0],
			vec![9, 0, 0, 0],
		];
		assert_eq!(call.args, expected.concat());
	}

	#[test]
	fn prices_have_eight_bytes_before_their_slot() {
		for (call, name) in [
			(set_price(ID, 5, Slot(6)), "set_price"),
			(set_grid_fee(ID, 5, Slot(6)), "set_grid_fee"),
		] {
			let expected = vec![3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0];
			assert_eq!((call.name, call.args), (name, expected));
		}
	}

	#[test]
	fn accounts_come_after_the_community() {
		let named = [vec![3, 0, 0, 0], vec![7; 32]].concat();
		assert_eq!(appoint_manager(ID, &account(7)).args, named);
		assert_eq!(revoke_invitation(ID, &account(7)).args, named);
		assert_eq!(exclude(ID, &account(7)).args, named);
		let invited = [named, vec![5, 0, 0, 0]].concat();
		assert_eq!(invite(ID, &account(7), 5).args, invited);
	}

	#[test]
	fn leaving_and_dissolving_name_the_community_only() {
		assert_eq!((leave(ID).name, leave(ID).args), ("leave", vec![3, 0, 0, 0]));
		assert_eq!((dissolve(ID).name, dissolve(ID).args), ("dissolve", vec![3, 0, 0, 0]));
	}
}
