//! What one pallet asks another. The runtime ties the knots; no pallet imports its neighbour.

use crate::{
	Balance, CashFlow, ClearingResult, CommunityId, HaltReason, MarketTerms, Measured, Meter,
	MeterId, MeterIndex, MeteringStatus, PolicyContext, PolicyQuestion, Position, Role, Slot,
	SlotCalendar, ZoneId,
};
use alloc::vec::Vec;
use sp_core::H160;
use sp_runtime::{DispatchError, DispatchResult, Weight};
use wia_ene_014::canonical::DeviceKey;

/// Who takes part. Given by `participants`.
pub trait Participants<AccountId> {
	/// Whether the account is admitted and not suspended.
	fn is_active(who: &AccountId) -> bool;
	/// Whether the account is active and has the role.
	fn has_role(who: &AccountId, role: Role) -> bool;
	/// The zone the account belongs to, if it is admitted.
	fn zone_of(who: &AccountId) -> Option<ZoneId>;
	/// The zone in which the account may trade: that of an active prosumer, aggregator or utility.
	fn trading_zone(who: &AccountId) -> Option<ZoneId> {
		[Role::Prosumer, Role::Aggregator, Role::Utility]
			.into_iter()
			.any(|role| Self::has_role(who, role))
			.then(|| Self::zone_of(who))
			.flatten()
	}
	/// Whether the zone exists.
	fn zone_exists(zone: ZoneId) -> bool;
	/// The utility that runs the zone's grid.
	fn utility_of(zone: ZoneId) -> Option<AccountId>;
}

/// Which meters there are. Given by `participants`.
pub trait Meters<AccountId> {
	/// A meter by its identifier.
	fn meter(id: MeterId) -> Option<Meter<AccountId>>;
	/// A meter by its place in the zone.
	fn meter_at(zone: ZoneId, index: MeterIndex) -> Option<(MeterId, Meter<AccountId>)>;
	/// The places in `zone` of the meters that `owner` is billed for. Bounded.
	fn meters_of(owner: &AccountId, zone: ZoneId) -> Vec<MeterIndex>;
	/// How many places of meters the zone has given out.
	fn meter_count(zone: ZoneId) -> u32;
	/// The key that the meter had before its present one, for readings that were signed with it.
	fn previous_key(_id: MeterId) -> Option<DeviceKey> {
		None
	}
}

/// What time it is, in seconds and in slots. Given by `energy-market`.
pub trait SlotClock {
	/// How the slots of a zone lie in time.
	fn calendar(zone: ZoneId) -> SlotCalendar;
	/// Seconds since 1970, as of this block.
	fn now_seconds() -> u64;
	/// The slot of a zone that is running.
	fn running(zone: ZoneId) -> Slot {
		Self::calendar(zone).at(Self::now_seconds())
	}
}

/// Which accounts share energy as a community. Given by a pallet of communities; by nobody where
/// there are none.
pub trait CommunityMembers<AccountId> {
	/// Whether the account is a member of the community at present.
	fn is_member(community: CommunityId, who: &AccountId) -> bool;
}

impl<AccountId> CommunityMembers<AccountId> for () {
	fn is_member(_: CommunityId, _: &AccountId) -> bool {
		false
	}
}

/// Which slots still need what was measured. Given by `energy-market` and `communities`.
pub trait UnsettledSlots {
	/// Whether somebody in the zone is still to be paid for the slot.
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool;
}

/// What was bought and sold in slots that are settled. Given by `settlement`.
///
/// If an answer is wrong, communities pay for energy twice or not at all.
pub trait SettledPromises<AccountId> {
	/// What each account of a page bought and sold, in all ways of trading together. Pages are numbered
	/// from zero without gaps; empty beyond the last one, and where nothing is settled. Known for as
	/// long as bills are kept.
	fn promises(zone: ZoneId, slot: Slot, page: u32) -> Vec<SettledPromise<AccountId>>;
}

/// What an account bought and sold in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledPromise<AccountId> {
	/// Whose.
	pub account: AccountId,
	/// Energy bought, Wh.
	pub bought_wh: u64,
	/// Energy sold, Wh.
	pub sold_wh: u64,
}

/// Which accounts are the pots of a zone. Given by `settlement`.
pub trait ZonePots<AccountId> {
	/// What the grid is paid.
	fn fees(zone: ZoneId) -> AccountId;
	/// What is left over by roundings goes there.
	fn imbalance(zone: ZoneId) -> AccountId;
}

/// What was measured. Given by `metering`.
pub trait MeteredEnergy {
	/// How far the measurement has come.
	fn status(zone: ZoneId, slot: Slot) -> MeteringStatus;
	/// What one meter measured; an estimate, flagged as such, where it is missing.
	fn measured(zone: ZoneId, slot: Slot, meter: MeterIndex) -> Measured;
	/// What each of a list of meters measured, in the order of the list, and how many pages of lines
	/// were read to find out.
	fn measured_all(zone: ZoneId, slot: Slot, meters: &[MeterIndex]) -> (Vec<Measured>, u32);
}

/// What the market hands to settlement. Given by `energy-market`.
pub trait ClearedMarket<AccountId> {
	/// The terms under which the slot was opened.
	fn terms(zone: ZoneId, slot: Slot) -> Option<MarketTerms>;
	/// The price and volume of the auction; `None` when nothing was traded in it.
	fn result(zone: ZoneId, slot: Slot) -> Option<ClearingResult>;
	/// The contract that is to be asked: the zone's present one, so that a broken one can be
	/// replaced.
	fn policy(zone: ZoneId) -> Option<H160>;
	/// A page of positions. Positions are numbered from zero without gaps; page `p` has those from
	/// `p * POSITIONS_PER_PAGE` on. Empty once it is finished.
	fn positions(zone: ZoneId, slot: Slot, page: u32) -> Vec<Position<AccountId>>;
	/// Ends the positions of a page: for each, its `net` is added to what its owner has in the market
	/// (negative: taken from the money committed for it), the rest of that money is free, and the
	/// position is forgotten. Says for how many of them money left the market for the owner's own
	/// account.
	fn finish(zone: ZoneId, slot: Slot, page: u32, nets: &[i128]) -> Result<u32, DispatchError>;
	/// Moves money that no participant owns any more out of the market.
	fn pay_out(to: &AccountId, amount: Balance) -> DispatchResult;
	/// Moves money into the market, for participants to receive.
	fn pay_in(from: &AccountId, amount: Balance) -> DispatchResult;
	/// What the zone owes other zones for energy that came from them in the slot, minor units;
	/// negative: what they owe it. Part of what its participants pay, and of nobody's bill.
	fn owed_to_other_zones(zone: ZoneId, slot: Slot) -> i128;
	/// The slot is being settled from now on.
	fn settling(zone: ZoneId, slot: Slot);
	/// The slot is settled.
	fn settled(zone: ZoneId, slot: Slot);
	/// Whether the zone stands still.
	fn is_halted(zone: ZoneId) -> bool;
	/// Stops the zone's market until governance resumes it.
	fn halt(zone: ZoneId, reason: HaltReason);
}

/// Hears what became of a slot. Taken by `settlement`.
pub trait OnCleared {
	/// All positions of the slot are final.
	fn on_cleared(zone: ZoneId, slot: Slot, positions: u32) -> DispatchResult;
	/// The market of the slot is called off. An error if money has already moved.
	fn on_annulled(zone: ZoneId, slot: Slot) -> DispatchResult;
}

/// Why a policy contract gave no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
	/// It reverted, trapped, or ran out of weight.
	Failed,
	/// What it returned is not a list of as many flows as positions.
	Unreadable,
}

/// What a call of a policy contract came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyAnswer {
	/// A flow for each question, in order.
	pub flows: Result<Vec<CashFlow>, PolicyError>,
	/// What the call cost.
	pub consumed: Weight,
}

/// Asks the policy contract what is owed. Given by the runtime.
pub trait SettlementPolicy {
	/// One call for one page of positions.
	fn cash_flows(
		policy: H160,
		terms: &MarketTerms,
		context: &PolicyContext,
		page: &[PolicyQuestion],
	) -> PolicyAnswer;
}
