//! Standing orders: placed anew in every slot, within a budget.

use crate::{
	accounts::Purse, orders::Desk, Config, Error, Event, HoldingsOf, Pallet, Placed, Renewal,
	Renewals, StandingIds, StandingOrders, Terms, WeightInfo,
};
use energy_primitives::{OrderRequest, Slot, SlotClock, StandingId, StandingOrder, ZoneId};
use frame_support::{traits::Get, weights::WeightMeter};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	/// The slot whose turn it is: its gate closes in one to two slots' time.
	fn slot_to_renew(zone: ZoneId) -> Option<Slot> {
		let gate = u64::from(Terms::<T>::get(zone)?.gate_closure_seconds);
		let closed = Self::calendar(zone).at(Self::now_seconds().saturating_add(gate));
		Some(closed.next().next())
	}

	/// Places the standing orders of every zone in the slot whose turn it is, as far as the meter
	/// allows. A slot that could not be finished before the next one's turn is left.
	pub(crate) fn renew_standing_orders(meter: &mut WeightMeter) {
		// As many entries as there are zones, which are few and given by governance.
		for (zone, mut renewal) in Renewals::<T>::iter() {
			if meter.try_consume(T::WeightInfo::look_at_renewal()).is_err() {
				return;
			}
			let Some(slot) = Self::slot_to_renew(zone) else { continue };
			if slot > renewal.slot {
				renewal = Renewal { slot, after: None };
			}
			let ids = StandingIds::<T>::get(zone);
			let first = match renewal.after {
				None => 0,
				Some(after) => ids.partition_point(|id| *id <= after),
			};
			for id in ids.iter().skip(first) {
				if meter.try_consume(T::WeightInfo::renew_order()).is_err() {
					break;
				}
				Self::renew(zone, slot, *id);
				renewal.after = Some(*id);
			}
			if ids.is_empty() {
				Renewals::<T>::remove(zone);
			} else {
				Renewals::<T>::insert(zone, renewal);
			}
		}
	}

	/// Places one standing order in a slot, or says why not; forgets it when its time is over.
	fn renew(zone: ZoneId, slot: Slot, id: StandingId) {
		let Some(standing) = StandingOrders::<T>::get(zone, id) else { return };
		if slot > standing.last {
			Self::end_standing(zone, id, &standing.account);
			return;
		}
		if slot < standing.first {
			return;
		}
		let request = OrderRequest {
			slot,
			side: standing.side,
			price: standing.price,
			energy_wh: standing.energy_wh,
			minimum_wh: standing.minimum_wh,
			expires_seconds: None,
		};
		let mut purse = Purse::open(&standing.account);
		purse.limit(standing.budget);
		let placed = frame_support::storage::with_storage_layer::<Placed, DispatchError, _>(|| {
			Self::ensure_trader(&standing.account, zone)?;
			let mut desk = Desk::new(zone);
			let placed = Self::put_order(&mut desk, &request, &mut purse, Some(id))?;
			desk.close();
			purse.close()?;
			Ok(placed)
		});
		match placed {
			Ok(Placed { held, .. }) => {
				let budget = standing.budget.saturating_sub(held);
				StandingOrders::<T>::insert(zone, id, StandingOrder { budget, ..standing });
			}
			Err(error) => {
				Self::deposit_event(Event::StandingOrderSkipped { zone, slot, id, error })
			}
		}
	}

	/// Forgets a standing order. Orders that it has placed stay.
	pub(crate) fn end_standing(zone: ZoneId, id: StandingId, account: &T::AccountId) {
		StandingOrders::<T>::remove(zone, id);
		StandingIds::<T>::mutate(zone, |ids| ids.retain(|other| *other != id));
		Self::change_holdings(account, |holdings| {
			holdings.standing = holdings.standing.saturating_sub(1)
		});
		Self::deposit_event(Event::StandingOrderEnded { zone, id });
	}

	/// Counts one more standing order of an account.
	pub(crate) fn count_standing(account: &T::AccountId) -> Result<(), Error<T>> {
		let mut holdings = HoldingsOf::<T>::get(account);
		if holdings.standing >= T::MaxStandingOrdersPerAccount::get() {
			return Err(Error::<T>::TooManyStandingOrders);
		}
		holdings.standing = holdings.standing.saturating_add(1);
		HoldingsOf::<T>::insert(account, holdings);
		Ok(())
	}

	/// Changes the counts of an account; forgets them when they are zero.
	pub(crate) fn change_holdings(
		account: &T::AccountId,
		change: impl FnOnce(&mut crate::Holdings),
	) {
		HoldingsOf::<T>::mutate_exists(account, |stored| {
			let mut holdings = stored.take().unwrap_or_default();
			change(&mut holdings);
			*stored = (holdings != crate::Holdings::default()).then_some(holdings);
		});
	}
}
