//! What is done in the idle time of blocks: slots are shared, deposits given back, old shares
//! forgotten.

use crate::{
	CommunitiesIn, Community, CommunityOf, Config, Event, Guarantees, HoldReason, Invitations,
	Memberships, Pallet, Pass, Progress, ProgressOf, Promised, Reading, Readings, Retired,
	RetiredRange, Seat, Seats, Share, Shares, Turn, WeightInfo, Zones, LOG_TARGET,
};
use alloc::vec::Vec;
use energy_market_core::{
	affordable_wh, allocate, cost_rounded_down, cost_rounded_up, residual, Key, Residual,
};
use energy_primitives::{
	Balance, CommunityId, Measured, MeterIndex, MeteredEnergy, MeteringStatus, Meters,
	Participants, Quality, Slot, SlotClock, UnsettledSlots, ZoneId, ZonePots,
};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	storage::with_storage_layer,
	traits::{
		fungible::{Inspect, MutateHold},
		tokens::{DepositConsequence, Fortitude, Precision, Provenance, Restriction},
		Get,
	},
	weights::{Weight, WeightMeter},
	BoundedVec,
};
use sp_runtime::{ArithmeticError, DispatchError};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
	/// There is more to do for the zone.
	Further,
	/// The zone waits for a slot to be ready.
	Waits,
	/// There is not enough weight for the next step.
	OutOfWeight,
	/// The zone has no community any more.
	ZoneDone,
}

/// Money on its way to or from an account, minor units.
type Payment<AccountId> = (AccountId, Balance);

/// Sums over the members of a community in a slot.
#[derive(Default)]
struct Sums {
	volume_wh: u64,
	paid: Balance,
	received: Balance,
	grid_fees: Balance,
}

impl Sums {
	fn add(&mut self, share: &Share) -> Option<()> {
		self.volume_wh = self.volume_wh.checked_add(share.taken_wh)?;
		self.paid = self.paid.checked_add(share.paid)?;
		self.received = self.received.checked_add(share.received)?;
		self.grid_fees = self.grid_fees.checked_add(share.grid_fee)?;
		Some(())
	}
}

impl<T: Config> Pallet<T> {
	/// What is done in the idle time of a block.
	pub(crate) fn work(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::work_base()).is_err() {
			return;
		}
		let zones = Zones::<T>::get();
		let turn = (Turn::<T>::get() as usize).min(zones.len());
		// The zone at which the weight ran out had the most of this block: the next block begins
		// with the one after it.
		let in_turn = (0usize..).zip(&zones).skip(turn).chain((0usize..).zip(&zones).take(turn));
		for (place, zone) in in_turn {
			if Self::work_on_zone(*zone, meter) == Step::OutOfWeight {
				let next = place.saturating_add(1);
				Turn::<T>::put(if next < zones.len() { next as u32 } else { 0 });
				break;
			}
		}
		Self::forget_old(meter);
	}

	/// Brings a zone as far as the meter allows.
	pub(crate) fn work_on_zone(zone: ZoneId, meter: &mut WeightMeter) -> Step {
		if meter.try_consume(T::WeightInfo::look_at_slot()).is_err() {
			return Step::OutOfWeight;
		}
		let Some(before) = ProgressOf::<T>::get(zone) else { return Step::Waits };
		let mut progress = before;
		let last = loop {
			let step = Self::step(zone, &mut progress, meter);
			if step != Step::Further {
				break step;
			}
		};
		if last != Step::ZoneDone && progress != before {
			ProgressOf::<T>::insert(zone, progress);
		}
		last
	}

	/// One page of one pass for one community, or the beginning or end of a slot.
	pub(crate) fn step(zone: ZoneId, progress: &mut Progress, meter: &mut WeightMeter) -> Step {
		match progress.pass {
			Pass::Wait => return Self::begin_slot(zone, progress),
			Pass::Promises => return Self::read_promises(zone, progress, meter),
			Pass::Read | Pass::Share | Pass::Part => {}
		}
		if meter.try_consume(T::WeightInfo::look_at_community()).is_err() {
			return Step::OutOfWeight;
		}
		let Some(id) = CommunitiesIn::<T>::get(zone).get(progress.community as usize).copied()
		else {
			// All are done. Whether the next slot is ready has to be looked at, too.
			if meter.try_consume(T::WeightInfo::look_at_slot()).is_err() {
				return Step::OutOfWeight;
			}
			*progress = Progress::new(progress.slot.next());
			return Step::Further;
		};
		let Some(community) = CommunityOf::<T>::get(id) else {
			progress.next_community();
			return Step::Further;
		};
		match progress.pass {
			Pass::Wait | Pass::Promises => Step::Further,
			Pass::Read => Self::read(zone, progress, id, &community, meter),
			Pass::Share => Self::share(zone, progress, id, &community, meter),
			Pass::Part => Self::part(zone, progress, id, &community, meter),
		}
	}

	/// Waits until a slot has ended and all is known of it.
	fn begin_slot(zone: ZoneId, progress: &mut Progress) -> Step {
		let slot = progress.slot;
		let now = T::Clock::running(zone);
		if slot >= now {
			return Step::Waits;
		}
		progress.lapsed = slot.0.saturating_add(T::LapseSlots::get()) < now.0;
		if progress.lapsed {
			Self::deposit_event(Event::SlotLapsed { zone, slot });
		} else if T::Metering::status(zone, slot) != MeteringStatus::Final
			|| T::Market::is_unsettled(zone, slot)
		{
			return Step::Waits;
		}
		progress.start(if progress.lapsed { Pass::Part } else { Pass::Promises });
		Step::Further
	}

	/// Reads a page of members.
	fn read(
		zone: ZoneId,
		progress: &mut Progress,
		id: CommunityId,
		community: &Community<T::AccountId>,
		meter: &mut WeightMeter,
	) -> Step {
		let slot = progress.slot;
		if progress.lapsed || !community.shares(slot) {
			progress.start(Pass::Part);
			return Step::Further;
		}
		let seats = Seats::<T>::get(id);
		let (start, size) = (progress.next as usize, T::PageSize::get() as usize);
		let page: Vec<_> =
			seats.iter().skip(start).take(size).filter(|seat| seat.takes_part(slot)).collect();
		let count = page.len() as u32;
		let most = Self::most_to_read(count);
		if !meter.can_consume(most) {
			return Step::OutOfWeight;
		}
		let (readings, pages) = Self::readings(zone, slot, page);
		let used = T::WeightInfo::read(count).saturating_add(T::WeightInfo::read_lines(pages));
		meter.consume(used.min(most));
		if !readings.is_empty() {
			Readings::<T>::mutate(zone, |all| {
				// There is a place for everyone who has a seat.
				readings.into_iter().for_each(|reading| {
					let _ = all.try_push(reading);
				});
			});
		}
		let end = start.saturating_add(size);
		if end < seats.len() {
			progress.next = end as u32;
		} else {
			progress.start(Pass::Share);
		}
		Step::Further
	}

	/// The most that reading `count` members costs.
	pub(crate) fn most_to_read(count: u32) -> Weight {
		let slots = T::EstimateLookback::get().saturating_add(1);
		let lines = count.saturating_mul(T::MaxMetersPerOwner::get()).saturating_mul(slots);
		T::WeightInfo::read(count).saturating_add(T::WeightInfo::read_lines(lines))
	}

	/// What the active ones of some members have to share, and how many pages of lines were read.
	/// A member counts even if that is nothing: the part of its key goes to the others.
	fn readings(
		zone: ZoneId,
		slot: Slot,
		seats: Vec<&Seat<T::AccountId>>,
	) -> (Vec<Reading<T::AccountId>>, u32) {
		let mut meters: Vec<MeterIndex> = Vec::new();
		let active: Vec<_> = seats
			.into_iter()
			.filter(|seat| T::Participants::is_active(&seat.account))
			.map(|seat| {
				let own = T::Meters::meters_of(&seat.account, zone);
				let count = own.len();
				meters.extend(own);
				(seat, count)
			})
			.collect();
		let (measured, pages) = T::Metering::measured_all(zone, slot, &meters);
		let mut measured = measured.into_iter();
		let readings = active
			.into_iter()
			.map(|(seat, count)| {
				let Measured { import_wh, export_wh, quality } =
					Self::sum(measured.by_ref().take(count));
				let (bought_wh, sold_wh) = Self::promised(zone, slot, &seat.account);
				let Residual { surplus_wh, need_wh } =
					residual(bought_wh, sold_wh, import_wh, export_wh);
				let (account, key_ppm) = (seat.account.clone(), seat.key_ppm.at(slot));
				Reading { account, key_ppm, surplus_wh, need_wh, quality }
			})
			.collect();
		(readings, pages)
	}

	/// What several meters measured together; the worst quality of them.
	fn sum(measured: impl Iterator<Item = Measured>) -> Measured {
		let nothing = Measured { import_wh: 0, export_wh: 0, quality: Quality::Valid };
		measured.fold(nothing, |sum, one| Measured {
			import_wh: sum.import_wh.saturating_add(one.import_wh),
			export_wh: sum.export_wh.saturating_add(one.export_wh),
			quality: sum.quality.max(one.quality),
		})
	}

	/// Shares the slot among the members that were read.
	fn share(
		zone: ZoneId,
		progress: &mut Progress,
		id: CommunityId,
		community: &Community<T::AccountId>,
		meter: &mut WeightMeter,
	) -> Step {
		let slot = progress.slot;
		let readings = Readings::<T>::get(zone);
		if meter.try_consume(T::WeightInfo::share(readings.len() as u32)).is_err() {
			return Step::OutOfWeight;
		}
		let shared = with_storage_layer(|| Self::settle(id, community, slot, &readings));
		if let Err(error) = shared {
			log::error!(target: LOG_TARGET, "community {id}, slot {slot}: {error:?}");
			Self::deposit_event(Event::SharingFailed { community: id, slot, error });
		}
		Readings::<T>::remove(zone);
		progress.start(Pass::Part);
		Step::Further
	}

	/// Allocates the energy and moves the money.
	fn settle(
		id: CommunityId,
		community: &Community<T::AccountId>,
		slot: Slot,
		readings: &[Reading<T::AccountId>],
	) -> DispatchResult {
		let price = community.price_per_kwh.at(slot);
		let grid_fee = community.grid_fee_per_kwh.at(slot);
		let surplus: Vec<_> = readings.iter().map(Self::payable_surplus).collect();
		let need: Vec<_> = readings
			.iter()
			.map(|reading| Self::affordable_need(id, slot, reading, price, grid_fee))
			.collect();
		let keys: Vec<_> = readings.iter().map(|reading| Key(reading.key_ppm)).collect();
		let allocation = allocate(&surplus, &need, &keys, community.method.into());

		let mut sums = Sums::default();
		let mut shares = Vec::new();
		let (mut payers, mut payees) = (Vec::new(), Vec::new());
		let energies = allocation.given.into_iter().zip(allocation.taken);
		for (reading, (given_wh, taken_wh)) in readings.iter().zip(energies) {
			if given_wh == 0 && taken_wh == 0 {
				continue;
			}
			let (account, quality) = (reading.account.clone(), reading.quality);
			let share = Share {
				given_wh,
				taken_wh,
				received: cost_rounded_down(given_wh, price),
				paid: cost_rounded_up(taken_wh, price),
				grid_fee: cost_rounded_up(taken_wh, grid_fee),
				quality,
			};
			sums.add(&share).ok_or(ArithmeticError::Overflow)?;
			let charged =
				share.paid.checked_add(share.grid_fee).ok_or(ArithmeticError::Overflow)?;
			if charged > 0 {
				Self::charge(id, &account, charged)?;
				payers.push((account.clone(), charged));
			}
			payees.push((account.clone(), share.received));
			shares.push((account, share));
		}
		let Sums { volume_wh, paid, received, grid_fees } = sums;
		let remainder = paid.checked_sub(received).ok_or(ArithmeticError::Underflow)?;
		payees.push((T::Pots::fees(community.zone), grid_fees));
		payees.push((T::Pots::imbalance(community.zone), remainder));
		Self::pay(payers, payees)?;

		for (account, share) in &shares {
			let (account, share) = (account.clone(), *share);
			Self::deposit_event(Event::MemberShared { community: id, slot, account, share });
		}
		if !shares.is_empty() {
			let shares = BoundedVec::try_from(shares).map_err(|_| DispatchError::Corruption)?;
			Shares::<T>::insert(id, slot, shares);
			let (first, end) = RetiredRange::<T>::get();
			Retired::<T>::insert(end, (community.zone, id, slot));
			RetiredRange::<T>::put((first, end.saturating_add(1)));
		}
		Self::deposit_event(Event::CommunityShared {
			community: id,
			slot,
			volume_wh,
			paid,
			received,
			grid_fees,
			remainder,
		});
		Ok(())
	}

	/// What a member can give: nothing, if its account cannot be paid.
	fn payable_surplus(reading: &Reading<T::AccountId>) -> u64 {
		let can_be_paid = || {
			T::Currency::can_deposit(&reading.account, 1, Provenance::Extant)
				== DepositConsequence::Success
		};
		if reading.surplus_wh > 0 && can_be_paid() {
			reading.surplus_wh
		} else {
			0
		}
	}

	/// What a member can take: as much as both its deposit and its limit pay for.
	fn affordable_need(
		id: CommunityId,
		slot: Slot,
		reading: &Reading<T::AccountId>,
		price: u64,
		grid_fee: u64,
	) -> u64 {
		if reading.need_wh == 0 {
			return 0;
		}
		let money = Guarantees::<T>::get(id, &reading.account)
			.map_or(0, |member| member.deposit.min(member.limit_per_slot.at(slot)));
		affordable_wh(reading.need_wh, money, price, grid_fee)
	}

	/// Takes money off a member's deposit; it stays on hold.
	fn charge(id: CommunityId, account: &T::AccountId, amount: Balance) -> DispatchResult {
		Guarantees::<T>::try_mutate(id, account, |member| {
			let member = member.as_mut().ok_or(DispatchError::Corruption)?;
			member.deposit =
				member.deposit.checked_sub(amount).ok_or(ArithmeticError::Underflow)?;
			Ok(())
		})
	}

	/// Moves held money from those who pay to those who receive, one after another: there are at
	/// most as many transfers as payers and payees together. Both sum to the same.
	fn pay(
		payers: Vec<Payment<T::AccountId>>,
		payees: Vec<Payment<T::AccountId>>,
	) -> DispatchResult {
		let mut payers = payers.into_iter();
		let mut payer = payers.next();
		for (to, mut owed) in payees {
			while owed > 0 {
				let (from, left) = payer.as_mut().ok_or(DispatchError::Corruption)?;
				let amount = owed.min(*left);
				T::Currency::transfer_on_hold(
					&HoldReason::Community.into(),
					from,
					&to,
					amount,
					Precision::Exact,
					Restriction::Free,
					Fortitude::Polite,
				)?;
				owed = owed.saturating_sub(amount);
				*left = left.saturating_sub(amount);
				if *left == 0 {
					payer = payers.next();
				}
			}
		}
		ensure!(payer.is_none(), DispatchError::Corruption);
		Ok(())
	}

	/// Gives deposits back to a page of those whose last slot is done; ends a community without
	/// seats.
	fn part(
		zone: ZoneId,
		progress: &mut Progress,
		id: CommunityId,
		community: &Community<T::AccountId>,
		meter: &mut WeightMeter,
	) -> Step {
		if meter.try_consume(T::WeightInfo::part_base()).is_err() {
			return Step::OutOfWeight;
		}
		let open = progress.slot.next();
		let all_go = community.is_over(open);
		let (start, size) = (progress.next as usize, T::PageSize::get() as usize);
		let mut seats = Seats::<T>::get(id);
		let gone: Vec<_> = (0usize..)
			.zip(&seats)
			.skip(start)
			.filter(|(_, seat)| all_go || seat.is_over(open))
			.map(|(place, seat)| (place, seat.account.clone()))
			.take(size)
			.collect();
		if meter.try_consume(T::WeightInfo::release(gone.len() as u32)).is_err() {
			return Step::OutOfWeight;
		}
		let is_last_page = gone.len() < size;
		if let Some((last, _)) = gone.last() {
			let last = *last;
			let released: Vec<_> = gone
				.into_iter()
				.map(|(_, account)| account)
				.filter(|account| Self::release_member(zone, id, account))
				.collect();
			// Who could not be paid back keeps the seat, and it is tried again after the next slot.
			seats.retain(|seat| !released.contains(&seat.account));
			progress.next = last.saturating_add(1).saturating_sub(released.len()) as u32;
			Seats::<T>::insert(id, &seats);
		}
		if is_last_page && all_go && seats.is_empty() {
			return Self::close(zone, progress, id);
		}
		if is_last_page {
			progress.next_community();
		}
		Step::Further
	}

	/// Gives a member's deposit back and forgets it. Says whether that was possible.
	fn release_member(zone: ZoneId, id: CommunityId, account: &T::AccountId) -> bool {
		let released = with_storage_layer::<_, DispatchError, _>(|| {
			let deposit = Guarantees::<T>::take(id, account).map_or(0, |member| member.deposit);
			Memberships::<T>::remove(zone, account);
			Promised::<T>::remove(zone, account);
			Self::release_deposit(account, deposit)?;
			Ok(deposit)
		});
		match released {
			Ok(released) => {
				let account = account.clone();
				Self::deposit_event(Event::MemberParted { community: id, account, released });
				true
			}
			Err(error) => {
				log::error!(target: LOG_TARGET, "community {id}: deposit not released: {error:?}");
				false
			}
		}
	}

	/// Forgets a community that has ended.
	fn close(zone: ZoneId, progress: &mut Progress, id: CommunityId) -> Step {
		CommunityOf::<T>::remove(id);
		Seats::<T>::remove(id);
		Invitations::<T>::remove(id);
		Self::deposit_event(Event::CommunityClosed { community: id });
		let mut others = CommunitiesIn::<T>::get(zone);
		others.retain(|other| *other != id);
		if others.is_empty() {
			CommunitiesIn::<T>::remove(zone);
			ProgressOf::<T>::remove(zone);
			Zones::<T>::mutate(|zones| zones.retain(|other| *other != zone));
			return Step::ZoneDone;
		}
		CommunitiesIn::<T>::insert(zone, others);
		// The next community has moved to this one's place.
		progress.start(Pass::Read);
		Step::Further
	}

	/// Forgets shares of long ago.
	pub(crate) fn forget_old(meter: &mut WeightMeter) {
		let (mut first, end) = RetiredRange::<T>::get();
		let start = first;
		while first < end {
			if meter.try_consume(T::WeightInfo::forget_share()).is_err() {
				break;
			}
			if let Some((zone, community, slot)) = Retired::<T>::get(first) {
				if slot.0.saturating_add(T::RetentionSlots::get()) >= T::Clock::running(zone).0 {
					break;
				}
				Shares::<T>::remove(community, slot);
			}
			Retired::<T>::remove(first);
			first = first.saturating_add(1);
		}
		if first != start {
			RetiredRange::<T>::put((first, end));
		}
	}
}
