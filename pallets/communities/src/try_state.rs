//! What is always true of the pallet's storage.

use crate::{
	keys_fit, CommunitiesIn, CommunityOf, Config, Guarantees, HoldReason, Invitations, Memberships,
	NextCommunity, Pallet, Pass, ProgressOf, Promised, Readings, Retired, RetiredRange, Seats,
	Share, Shares, Zones,
};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};
use energy_market_core::MILLION;
use energy_primitives::Balance;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// What must always be true of the pallet's storage:
	///
	/// 1. The money held for an account is what its memberships say.
	/// 2. Every seat has a member and a membership, every account one seat in a zone, and all of
	///    these are of communities that are known. Promises are noted of members only.
	/// 3. The keys of a community sum to at most the whole, in every slot that is not done.
	/// 4. The zones with communities are listed, with their communities, once and no others, and
	///    each of them has a progress.
	/// 5. There are readings only where a zone is reading or about to share, of accounts that have
	///    a seat.
	/// 6. No key that is offered is more than the whole, and nobody is invited twice, nor where it
	///    has a seat.
	/// 7. What members of a community gave in a slot is what others took; they paid at least what
	///    others received; and nobody gave and took.
	/// 8. Every share is queued once to be forgotten, and the queue has no gaps.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::check_members()?;
		Self::check_zones()?;
		Self::check_shares()
	}

	fn check_members() -> Result<(), TryRuntimeError> {
		let mut held = BTreeMap::<T::AccountId, Balance>::new();
		let mut seated = 0usize;
		for (id, community) in CommunityOf::<T>::iter() {
			ensure!(id < NextCommunity::<T>::get(), "2: a community of the future");
			let seats = Seats::<T>::get(id);
			seated = seated.saturating_add(seats.len());
			for seat in &seats {
				let member = Guarantees::<T>::get(id, &seat.account);
				let deposit = member.ok_or("2: a seat without a member")?.deposit;
				let sum = held.entry(seat.account.clone()).or_default();
				*sum = sum.saturating_add(deposit);
				ensure!(
					Memberships::<T>::get(community.zone, &seat.account) == Some(id),
					"2: a seat without a membership"
				);
			}
			let progress = ProgressOf::<T>::get(community.zone);
			let oldest = progress.ok_or("4: a zone has no progress")?.slot;
			ensure!(keys_fit(&seats, oldest), "3: keys exceed the whole");

			let invited = Invitations::<T>::get(id);
			let distinct: BTreeSet<_> = invited.iter().map(|(account, _)| account).collect();
			ensure!(distinct.len() == invited.len(), "6: invited twice");
			ensure!(
				invited.iter().all(|(account, key_ppm)| {
					*key_ppm <= MILLION && seats.iter().all(|seat| seat.account != *account)
				}),
				"6: an odd invitation"
			);
		}
		// With the above: as many seats as members and memberships, so none is left over or twice.
		ensure!(Guarantees::<T>::iter_keys().count() == seated, "2: a member without a seat");
		ensure!(Memberships::<T>::iter_keys().count() == seated, "2: a membership without a seat");
		ensure!(
			Promised::<T>::iter_keys()
				.all(|(zone, account)| Memberships::<T>::contains_key(zone, account)),
			"2: a promise of a stranger"
		);
		ensure!(
			Seats::<T>::iter_keys()
				.chain(Invitations::<T>::iter_keys())
				.all(CommunityOf::<T>::contains_key),
			"2: a list of a community that is not"
		);
		for (account, amount) in held {
			let on_hold = T::Currency::balance_on_hold(&HoldReason::Community.into(), &account);
			ensure!(on_hold == amount, "1: money held differs from the deposits");
		}
		Ok(())
	}

	fn check_zones() -> Result<(), TryRuntimeError> {
		let mut zones = Zones::<T>::get().into_inner();
		zones.sort();
		let mut with_progress: Vec<_> = ProgressOf::<T>::iter_keys().collect();
		with_progress.sort();
		let mut with_communities: Vec<_> = CommunitiesIn::<T>::iter_keys().collect();
		with_communities.sort();
		ensure!(zones == with_progress && zones == with_communities, "4: zones differ");
		let mut listed = 0usize;
		for (zone, communities) in CommunitiesIn::<T>::iter() {
			ensure!(!communities.is_empty(), "4: a zone without communities");
			listed = listed.saturating_add(communities.len());
			let distinct: BTreeSet<_> = communities.iter().collect();
			ensure!(distinct.len() == communities.len(), "4: a community is listed twice");
			for id in &communities {
				ensure!(
					CommunityOf::<T>::get(id).is_some_and(|community| community.zone == zone),
					"4: a community is listed elsewhere"
				);
			}
		}
		ensure!(CommunityOf::<T>::iter_keys().count() == listed, "4: a community is not listed");

		for (zone, readings) in Readings::<T>::iter() {
			let progress = ProgressOf::<T>::get(zone).ok_or("5: readings of no zone")?;
			ensure!(matches!(progress.pass, Pass::Read | Pass::Share), "5: readings were left");
			let communities = CommunitiesIn::<T>::get(zone);
			let id = communities.get(progress.community as usize).ok_or("5: readings of nobody")?;
			let seats = Seats::<T>::get(id);
			ensure!(
				readings
					.iter()
					.all(|reading| seats.iter().any(|seat| seat.account == reading.account)),
				"5: a reading of a stranger"
			);
		}
		Ok(())
	}

	fn check_shares() -> Result<(), TryRuntimeError> {
		let mut shared = BTreeSet::new();
		for (id, slot, shares) in Shares::<T>::iter() {
			ensure!(!shares.is_empty(), "7: nothing was shared");
			shared.insert((id, slot));
			let sum = |part: fn(&Share) -> Balance| -> Balance {
				shares.iter().fold(0, |sum, (_, share)| sum.saturating_add(part(share)))
			};
			let (given, taken) =
				(sum(|share| share.given_wh.into()), sum(|share| share.taken_wh.into()));
			ensure!(given == taken, "7: given differs from taken");
			ensure!(
				sum(|share| share.paid) >= sum(|share| share.received),
				"7: more was received than paid"
			);
			ensure!(
				shares.iter().all(|(_, share)| (share.given_wh == 0) != (share.taken_wh == 0)),
				"7: a member gave and took, or neither"
			);
		}
		let (first, end) = RetiredRange::<T>::get();
		let mut queued = BTreeSet::new();
		for (number, (_, community, slot)) in Retired::<T>::iter() {
			ensure!((first..end).contains(&number), "8: an entry beyond the queue");
			ensure!(queued.insert((community, slot)), "8: a slot is shared twice");
		}
		ensure!(end.saturating_sub(first) == queued.len() as u64, "8: the queue has a gap");
		ensure!(shared == queued, "8: shares differ from the queue");
		Ok(())
	}
}
