//! What the pallet asks others.

use energy_primitives::{Slot, ZoneId};

/// What the market settled. Given by `settlement`.
///
/// If an answer is wrong, energy is paid for twice or not at all.
pub trait PromisedEnergy<AccountId> {
	/// What an account bought and sold in a zone and slot, Wh, in all ways of trading together.
	/// `None` if it did neither. Asked only for slots that are not unsettled; must be known for as
	/// long as communities may share a slot.
	fn promised(zone: ZoneId, slot: Slot, who: &AccountId) -> Option<(u64, u64)>;
}

/// Which accounts are the pots of a zone. Given by `settlement`.
pub trait ZonePots<AccountId> {
	/// What the grid is paid.
	fn fees(zone: ZoneId) -> AccountId;
	/// What is left over by roundings goes there.
	fn imbalance(zone: ZoneId) -> AccountId;
}
