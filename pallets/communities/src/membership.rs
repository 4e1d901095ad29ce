//! Who may do what in a community, and what a member may take back.

use crate::{
	keys_fit, ChangePending, CommunitiesIn, Community, CommunityOf, Config, Error, Event,
	Guarantee, Guarantees, HoldReason, Invitations, KeysOf, Memberships, Method, NextCommunity,
	Pallet, Progress, ProgressOf, Scheduled, Seat, Seats, Share, Shares, Zones,
};
use energy_primitives::{
	AccountId as ChainAccountId, Balance, CommunityId, CommunityMember, CommunityMembers,
	CommunitySummary, Participants, Role, Slot, SlotClock, UnsettledSlots, ZoneId,
};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{fungible::MutateHold, tokens::Precision, EnsureOrigin, Get},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	/// The first slot of a zone that has not begun.
	pub fn first_open(zone: ZoneId) -> Slot {
		T::Clock::running(zone).next()
	}

	/// The first slot of a zone that can have another price, grid fee or key.
	pub fn first_with_notice(zone: ZoneId) -> Slot {
		Slot(Self::first_open(zone).0.saturating_add(T::NoticeSlots::get()))
	}

	/// The first slot of a zone that is not done.
	pub(crate) fn oldest(zone: ZoneId) -> Slot {
		ProgressOf::<T>::get(zone).map_or(Slot(u32::MAX), |progress| progress.slot)
	}

	/// What a member gave and took in a slot. `None` if nothing, if the slot is not shared yet, or
	/// if it is longer ago than shares are kept.
	pub fn share_of(community: CommunityId, slot: Slot, account: &T::AccountId) -> Option<Share> {
		Shares::<T>::get(community, slot)
			.into_iter()
			.find(|(member, _)| member == account)
			.map(|(_, share)| share)
	}

	/// A community with its members, for those off the chain.
	pub fn summary(id: CommunityId) -> Option<CommunitySummary>
	where
		T::AccountId: Into<ChainAccountId>,
	{
		let Community { zone, manager, method, price_per_kwh, grid_fee_per_kwh, active_from, ends } =
			CommunityOf::<T>::get(id)?;
		let members = Seats::<T>::get(id)
			.into_iter()
			.filter_map(|Seat { account, from, until, key_ppm }| {
				let Guarantee { deposit, limit_per_slot } = Guarantees::<T>::get(id, &account)?;
				let account = account.into();
				Some(CommunityMember { account, key_ppm, from, until, deposit, limit_per_slot })
			})
			.collect();
		let invited = Invitations::<T>::get(id);
		Some(CommunitySummary {
			id,
			zone,
			manager: manager.into(),
			method,
			price_per_kwh,
			grid_fee_per_kwh,
			active_from,
			ends,
			next_slot: Self::oldest(zone),
			members,
			invited: invited.into_iter().map(|(account, key)| (account.into(), key)).collect(),
		})
	}

	/// A community that does not end.
	pub(crate) fn living(id: CommunityId) -> Result<Community<T::AccountId>, DispatchError> {
		let community = CommunityOf::<T>::get(id).ok_or(Error::<T>::CommunityUnknown)?;
		ensure!(community.ends.is_none(), Error::<T>::CommunityDissolved);
		Ok(community)
	}

	/// A community that does not end, of which the signer is the manager.
	pub(crate) fn managed(
		origin: OriginFor<T>,
		id: CommunityId,
	) -> Result<Community<T::AccountId>, DispatchError> {
		let who = ensure_signed(origin)?;
		let community = Self::living(id)?;
		ensure!(Self::manages(&who, &community), Error::<T>::NotTheManager);
		Ok(community)
	}

	pub(crate) fn manages(who: &T::AccountId, community: &Community<T::AccountId>) -> bool {
		community.manager == *who && T::Participants::is_active(who)
	}

	pub(crate) fn runs(who: &T::AccountId, zone: ZoneId) -> bool {
		T::Participants::utility_of(zone).as_ref() == Some(who) && T::Participants::is_active(who)
	}

	/// `None` for the council, else the account that signed.
	pub(crate) fn signer_or_governance(
		origin: OriginFor<T>,
	) -> Result<Option<T::AccountId>, DispatchError> {
		match T::GovernanceOrigin::try_origin(origin) {
			Ok(_) => Ok(None),
			Err(origin) => Ok(Some(ensure_signed(origin)?)),
		}
	}

	pub(crate) fn ensure_governs(origin: OriginFor<T>, zone: ZoneId) -> DispatchResult {
		if let Some(who) = Self::signer_or_governance(origin)? {
			ensure!(Self::runs(&who, zone), Error::<T>::NotAllowed);
		}
		Ok(())
	}

	pub(crate) fn ensure_fit_manager(manager: &T::AccountId, zone: ZoneId) -> DispatchResult {
		let fit =
			T::Participants::is_active(manager) && T::Participants::zone_of(manager) == Some(zone);
		ensure!(fit, Error::<T>::ManagerUnfit);
		Ok(())
	}

	pub(crate) fn pending(_: ChangePending) -> Error<T> {
		Error::<T>::ChangePending
	}

	/// Schedules a change of which members must have notice.
	pub(crate) fn schedule(
		zone: ZoneId,
		scheduled: &mut Scheduled<u64>,
		value: u64,
		from: Slot,
	) -> DispatchResult {
		ensure!(from >= Self::first_with_notice(zone), Error::<T>::NoticeTooShort);
		scheduled
			.schedule(value, from, Self::first_open(zone), Self::oldest(zone))
			.map_err(Self::pending)?;
		Ok(())
	}

	pub(crate) fn do_create(
		zone: ZoneId,
		manager: T::AccountId,
		method: Method,
		price_per_kwh: u64,
		grid_fee_per_kwh: u64,
		active_from: Slot,
	) -> DispatchResult {
		Self::ensure_fit_manager(&manager, zone)?;
		let first_open = Self::first_open(zone);
		ensure!(active_from >= first_open, Error::<T>::SlotBegun);
		let id = NextCommunity::<T>::get();
		let next = id.0.checked_add(1).ok_or(Error::<T>::TooManyCommunities)?;
		let mut communities = CommunitiesIn::<T>::get(zone);
		communities.try_push(id).map_err(|_| Error::<T>::TooManyCommunities)?;
		if !ProgressOf::<T>::contains_key(zone) {
			Zones::<T>::try_append(zone).map_err(|()| Error::<T>::TooManyCommunities)?;
			ProgressOf::<T>::insert(zone, Progress::new(first_open));
		}
		CommunitiesIn::<T>::insert(zone, communities);
		let community = Community {
			zone,
			manager: manager.clone(),
			method,
			price_per_kwh: Scheduled::new(price_per_kwh),
			grid_fee_per_kwh: Scheduled::new(grid_fee_per_kwh),
			active_from,
			ends: None,
		};
		CommunityOf::<T>::insert(id, community);
		NextCommunity::<T>::put(CommunityId(next));
		Self::deposit_event(Event::CommunityCreated {
			community: id,
			zone,
			manager,
			method,
			price_per_kwh,
			grid_fee_per_kwh,
			active_from,
		});
		Ok(())
	}

	pub(crate) fn do_join(
		id: CommunityId,
		account: T::AccountId,
		key_ppm: u32,
		limit_per_slot: Balance,
		deposit: Balance,
	) -> DispatchResult {
		let community = Self::living(id)?;
		let zone = community.zone;
		ensure!(T::Participants::has_role(&account, Role::Prosumer), Error::<T>::NotAProsumer);
		ensure!(T::Participants::zone_of(&account) == Some(zone), Error::<T>::OtherZone);
		ensure!(!Memberships::<T>::contains_key(zone, &account), Error::<T>::AlreadyMember);
		let mut invited = Invitations::<T>::get(id);
		let offered = Self::take_invitation(&mut invited, &account)?;
		ensure!(offered == key_ppm, Error::<T>::KeyDiffers);
		ensure!(deposit >= T::MinDeposit::get(), Error::<T>::DepositTooSmall);
		let first_open = Self::first_open(zone);
		let from = first_open.max(community.active_from);
		let mut seats = Seats::<T>::get(id);
		let key = Scheduled::new(key_ppm);
		let seat = Seat { account: account.clone(), from, until: None, key_ppm: key };
		seats.try_push(seat).map_err(|_| Error::<T>::CommunityFull)?;
		ensure!(keys_fit(&seats, first_open), Error::<T>::KeysExceedWhole);

		T::Currency::hold(&HoldReason::Community.into(), &account, deposit)
			.map_err(|_| Error::<T>::NotEnoughMoney)?;
		Invitations::<T>::insert(id, invited);
		Seats::<T>::insert(id, seats);
		let limit = Scheduled::new(limit_per_slot);
		Guarantees::<T>::insert(id, &account, Guarantee { deposit, limit_per_slot: limit });
		Memberships::<T>::insert(zone, &account, id);
		Self::deposit_event(Event::MemberJoined {
			community: id,
			account,
			key_ppm,
			limit_per_slot,
			deposit,
			from,
		});
		Ok(())
	}

	/// Takes an account off the list of those invited. The key it was offered.
	pub(crate) fn take_invitation(
		invited: &mut KeysOf<T>,
		account: &T::AccountId,
	) -> Result<u32, DispatchError> {
		let place = invited
			.iter()
			.position(|(other, _)| other == account)
			.ok_or(Error::<T>::InvitationUnknown)?;
		Ok(invited.remove(place).1)
	}

	pub(crate) fn member(
		id: CommunityId,
		account: &T::AccountId,
	) -> Result<(Community<T::AccountId>, Guarantee), DispatchError> {
		let community = CommunityOf::<T>::get(id).ok_or(Error::<T>::CommunityUnknown)?;
		let member = Guarantees::<T>::get(id, account).ok_or(Error::<T>::NotAMember)?;
		Ok((community, member))
	}

	pub(crate) fn end_membership(
		id: CommunityId,
		account: T::AccountId,
		until: fn(ZoneId) -> Slot,
	) -> DispatchResult {
		let community = CommunityOf::<T>::get(id).ok_or(Error::<T>::CommunityUnknown)?;
		let until = until(community.zone);
		let until = Seats::<T>::try_mutate(id, |seats| {
			let seat = seats.iter_mut().find(|seat| seat.account == account);
			seat.map(|seat| seat.end(until)).ok_or(Error::<T>::NotAMember)
		})?;
		Self::deposit_event(Event::MemberLeaving { community: id, account, until });
		Ok(())
	}

	/// What may still be charged to a member for slots that have begun, minor units.
	pub(crate) fn pledged(
		id: CommunityId,
		community: &Community<T::AccountId>,
		account: &T::AccountId,
		member: &Guarantee,
	) -> Result<Balance, DispatchError> {
		let seats = Seats::<T>::get(id);
		let seat =
			seats.iter().find(|seat| seat.account == *account).ok_or(Error::<T>::NotAMember)?;
		let first = Self::oldest(community.zone).max(seat.from);
		let ends = [seat.until, community.ends].into_iter().flatten();
		let end = ends.fold(Self::first_open(community.zone), Slot::min);
		let Some(last) = end.0.checked_sub(1).map(Slot).filter(|last| *last >= first) else {
			return Ok(0);
		};
		let limit = member.limit_per_slot.at(first).max(member.limit_per_slot.at(last));
		let slots = end.0.saturating_sub(first.0);
		Ok(limit.saturating_mul(slots.into()))
	}

	pub(crate) fn release_deposit(account: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount > 0 {
			T::Currency::release(&HoldReason::Community.into(), account, amount, Precision::Exact)?;
		}
		Ok(())
	}
}

impl<T: Config> CommunityMembers<T::AccountId> for Pallet<T> {
	fn is_member(id: CommunityId, who: &T::AccountId) -> bool {
		Self::living(id).is_ok()
			&& Seats::<T>::get(id).iter().any(|seat| seat.account == *who && seat.until.is_none())
	}
}

/// Which slots still need what was measured: those that are not shared.
impl<T: Config> UnsettledSlots for Pallet<T> {
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool {
		ProgressOf::<T>::get(zone).is_some_and(|progress| progress.slot <= slot)
	}
}
