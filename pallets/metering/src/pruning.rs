//! Forgets the lines of old slots, a few pages in each block that has time left.

use crate::{
	Candidates, Config, Corrected, Event, PageValues, Pallet, Progress, PruneQueue, PruneState,
	Pruning, Votes, WeightInfo,
};
use alloc::collections::BTreeSet;
use energy_primitives::{MeteredEnergy, MeteringStatus, Slot, SlotClock, UnsettledSlots, ZoneId};
use frame_support::{traits::Get, weights::WeightMeter};

impl<T: Config> Pallet<T> {
	/// Whether the slot's lines are not needed any more: final, and older than lines are kept.
	fn is_prunable(zone: ZoneId, slot: Slot) -> bool {
		slot.0.saturating_add(T::RetentionSlots::get()) < T::Clock::running(zone).0
			&& Self::status(zone, slot) == MeteringStatus::Final
	}

	/// Whether a settlement still needs the slot's lines: its own, or one that may estimate from it.
	fn is_awaited(zone: ZoneId, slot: Slot) -> bool {
		(0..=T::EstimateLookback::get())
			.any(|later| T::Market::is_unsettled(zone, Slot(slot.0.saturating_add(later))))
	}

	/// Remembers to prune the slot one day.
	pub(crate) fn enqueue(zone: ZoneId, slot: Slot) {
		Pruning::<T>::mutate(|state| {
			PruneQueue::<T>::insert(state.next, (zone, slot));
			state.next = state.next.saturating_add(1);
		});
	}

	/// Removes old lines while there is weight.
	pub(crate) fn prune(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::prune_base()).is_err() {
			return;
		}
		let before = Pruning::<T>::get();
		let mut state = before;
		while state.first < state.next {
			if meter.try_consume(T::WeightInfo::prune_slot()).is_err() {
				break;
			}
			let entry = PruneQueue::<T>::get(state.first);
			// What is not settled holds up what comes after it, until its market goes on.
			if entry.is_some_and(|(zone, slot)| {
				!Self::is_prunable(zone, slot) || Self::is_awaited(zone, slot)
			}) {
				break;
			}
			let pages = entry.and_then(Progress::<T>::get).map_or(0, |p| p.pages());
			if let Some((zone, slot)) = entry {
				while state.page < pages && meter.try_consume(T::WeightInfo::prune_page()).is_ok() {
					Self::prune_page(zone, slot, state.page);
					state.page = state.page.saturating_add(1);
				}
				if state.page < pages {
					break;
				}
				Self::deposit_event(Event::ValuesPruned { zone, slot });
			}
			PruneQueue::<T>::remove(state.first);
			state = PruneState { first: state.first.saturating_add(1), page: 0, ..state };
		}
		if state != before {
			Pruning::<T>::put(state);
		}
	}

	/// Removes everything of a page but its root.
	pub(crate) fn prune_page(zone: ZoneId, slot: Slot, page: u32) {
		PageValues::<T>::remove((zone, slot), page);
		Corrected::<T>::remove((zone, slot), page);
		let digests = Votes::<T>::take((zone, slot, page)).into_iter().map(|(_, digest)| digest);
		for digest in digests.collect::<BTreeSet<_>>() {
			Candidates::<T>::remove((zone, slot, page), digest);
		}
	}
}
