//! What one pallet asks another. The runtime ties the knots; no pallet imports its neighbour.

use crate::{
	Balance, CashFlow, ClearingResult, HaltReason, MarketTerms, Measured, Meter, MeterId,
	MeterIndex, MeteringStatus, PolicyQuestion, Position, Role, Slot, ZoneId,
};
use alloc::vec::Vec;
use sp_core::H160;
use sp_runtime::DispatchResult;
use wia_ene_014::canonical::DeviceKey;

/// Who takes part. Given by `participants`.
pub trait Participants<AccountId> {
	/// Whether the account is admitted and not suspended.
	fn is_active(who: &AccountId) -> bool;
	/// Whether the account is active and has the role.
	fn has_role(who: &AccountId, role: Role) -> bool;
	/// The zone the account belongs to, if it is admitted.
	fn zone_of(who: &AccountId) -> Option<ZoneId>;
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
	/// The length of a slot in seconds. Never zero.
	fn slot_seconds() -> u32;
	/// Seconds since 1970, as of this block.
	fn now_seconds() -> u64;
}

/// Which slots still need what was measured. Given by `energy-market`.
pub trait UnsettledSlots {
	/// Whether the zone has a market in the slot in which not everyone is paid.
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool;
}

/// What was measured. Given by `metering`.
pub trait MeteredEnergy {
	/// How far the measurement has come.
	fn status(zone: ZoneId, slot: Slot) -> MeteringStatus;
	/// What one meter measured; an estimate, flagged as such, where it is missing.
	fn measured(zone: ZoneId, slot: Slot, meter: MeterIndex) -> Measured;
}

/// What the market hands to settlement. Given by `energy-market`.
pub trait ClearedMarket<AccountId> {
	/// The terms under which the slot was opened.
	fn terms(zone: ZoneId, slot: Slot) -> Option<MarketTerms>;
	/// The price and volume.
	fn result(zone: ZoneId, slot: Slot) -> Option<ClearingResult>;
	/// The contract that is to be asked: the zone's present one, so that a broken one can be
	/// replaced.
	fn policy(zone: ZoneId) -> Option<H160>;
	/// One position. Positions are numbered from zero without gaps.
	fn position(zone: ZoneId, slot: Slot, index: u32) -> Option<Position<AccountId>>;
	/// Moves money held for a position to an account.
	fn collect(
		zone: ZoneId,
		slot: Slot,
		index: u32,
		amount: Balance,
		to: &AccountId,
	) -> DispatchResult;
	/// Gives the money that is still held for a position back to its owner and forgets the
	/// position.
	fn release(zone: ZoneId, slot: Slot, index: u32) -> DispatchResult;
	/// The slot is being settled from now on.
	fn settling(zone: ZoneId, slot: Slot);
	/// The slot is settled.
	fn settled(zone: ZoneId, slot: Slot);
	/// Whether the zone stands still.
	fn is_halted(zone: ZoneId) -> bool;
	/// Stops the zone's market until governance resumes it.
	fn halt(zone: ZoneId, reason: HaltReason);
}

/// Hears that a slot is cleared. Taken by `settlement`.
pub trait OnCleared {
	/// All positions of the slot are final.
	fn on_cleared(zone: ZoneId, slot: Slot, positions: u32) -> DispatchResult;
}

/// Why a policy contract gave no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
	/// It reverted, trapped, or ran out of weight.
	Failed,
	/// What it returned is not a list of as many flows as positions.
	Unreadable,
}

/// Asks the policy contract what is owed. Given by the runtime.
pub trait SettlementPolicy {
	/// One call for one page of positions. The answer has a flow for each question, in order.
	fn cash_flows(
		policy: H160,
		clearing_price: u64,
		terms: &MarketTerms,
		page: &[PolicyQuestion],
	) -> Result<Vec<CashFlow>, PolicyError>;
}
