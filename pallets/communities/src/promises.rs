//! What members promised in the market: found by going once through the bills of a slot, so that nobody
//! else's trades cost the chain an index.

use crate::{
	sharing::Step, Config, Memberships, Pallet, Pass, Progress, Promise, Promised, WeightInfo,
};
use energy_primitives::{SettledPromise, SettledPromises, Slot, ZoneId, POSITIONS_PER_PAGE};
use frame_support::weights::WeightMeter;

impl<T: Config> Pallet<T> {
	/// Notes what the members on a page of bills promised.
	pub(crate) fn read_promises(
		zone: ZoneId,
		progress: &mut Progress,
		meter: &mut WeightMeter,
	) -> Step {
		let slot = progress.slot;
		let most = T::WeightInfo::read_promises(POSITIONS_PER_PAGE, POSITIONS_PER_PAGE);
		if !meter.can_consume(most) {
			return Step::OutOfWeight;
		}
		let promises = T::Promises::promises(zone, slot, progress.next);
		let (mut accounts, mut members) = (0u32, 0u32);
		for SettledPromise { account, bought_wh, sold_wh } in promises {
			accounts = accounts.saturating_add(1);
			if Memberships::<T>::contains_key(zone, &account) {
				members = members.saturating_add(1);
				Promised::<T>::insert(zone, account, Promise { slot, bought_wh, sold_wh });
			}
		}
		meter.consume(T::WeightInfo::read_promises(accounts, members).min(most));
		if accounts == 0 {
			progress.start(Pass::Read);
		} else {
			progress.next = progress.next.saturating_add(1);
		}
		Step::Further
	}

	/// What a member bought and sold in the slot at which its zone is, Wh.
	pub(crate) fn promised(zone: ZoneId, slot: Slot, account: &T::AccountId) -> (u64, u64) {
		Promised::<T>::get(zone, account)
			.filter(|promise| promise.slot == slot)
			.map_or((0, 0), |promise| (promise.bought_wh, promise.sold_wh))
	}
}
