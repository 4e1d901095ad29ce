//! Zones that are cleared together.
//!
//! After the gate of a slot anyone may propose prices, volumes and flows for all zones of a region. The
//! chain takes a proposal only with the proof that no other is better
//! ([`energy_market_core::coupling`]); of several it keeps the one with the largest welfare. When
//! the time for proposals is over the zones are cleared by it, or, without one, each by itself.
//!
//! What importing zones pay beyond what exporting zones receive (fees of the links, losses, the rent
//! of full links) goes to the account of the region when the last of its zones is settled.

use crate::{
	AcceptedProposal, Book, Books, Capacities, Config, CoupledSlot, CoupledSlots, CoupledZone,
	Error, Event, Halted, Margin, Outcome, Pallet, Proposals, RegionOf, Regions, Terms,
};
use alloc::{collections::BTreeSet, vec::Vec};
use energy_market_core::{
	coupling::{verify, Link, Proposal, ZoneBook},
	Side as CoreSide, MILLION,
};
use energy_primitives::{
	AccountId as ChainAccountId, ClearedMarket, ClearingResult, CouplingProposal, CouplingSummary,
	MarketTerms, Participants, Region, RegionId, Side, Slot, SlotClock, SlotState, ZoneId,
};
use frame_support::{dispatch::DispatchResult, ensure, traits::Get, BoundedVec};
use sp_runtime::{traits::AccountIdConversion, ArithmeticError, DispatchError};

/// What is to be done with a book whose gate has closed.
pub(crate) enum Coupling {
	/// The zone is cleared by itself.
	Alone,
	/// Proposals are still taken.
	Waits,
	/// The zone is cleared as was proposed.
	Coupled(CoupledZone),
}

/// The depth of a zone's book.
struct ZoneDepth {
	terms: MarketTerms,
	bids: Vec<u64>,
	asks: Vec<u64>,
}

impl<T: Config> Pallet<T> {
	/// The account to which what is left of coupled slots goes.
	pub fn region_account(region: RegionId) -> T::AccountId {
		T::PalletId::get().into_sub_account_truncating(("region", region))
	}

	/// The region that a zone belongs to in a slot, with the capacities of the slot.
	pub(crate) fn region_at(zone: ZoneId, slot: Slot) -> Option<(RegionId, Region)> {
		let id = RegionOf::<T>::get(zone)?;
		let region = Self::region_in(id, slot)?;
		region.zones.contains(&zone).then_some((id, region))
	}

	/// A region as it is in a slot, with the capacities of the slot.
	pub(crate) fn region_in(id: RegionId, slot: Slot) -> Option<Region> {
		let (_, mut region) =
			Regions::<T>::get(id).into_iter().rev().find(|(since, _)| *since <= slot)?;
		if let Some(capacities) = Capacities::<T>::get(id, slot) {
			for (link, capacity_wh) in region.links.iter_mut().zip(capacities) {
				link.capacity_wh = capacity_wh;
			}
		}
		(!region.zones.is_empty()).then_some(region)
	}

	/// Whether a zone is cleared together with others in a slot or a later one.
	pub(crate) fn is_in_region_from(zone: ZoneId, slot: Slot) -> bool {
		let Some(id) = RegionOf::<T>::get(zone) else { return false };
		Regions::<T>::get(id)
			.iter()
			.rev()
			.scan(false, |is_before, (since, region)| {
				// The last version that began before the slot is the last that matters.
				let matters = !*is_before;
				*is_before = *since <= slot;
				matters.then_some(region)
			})
			.any(|region| region.zones.contains(&zone))
	}

	/// Whether a region makes sense.
	fn check_region(id: RegionId, region: &Region, since: Slot) -> Result<(), Error<T>> {
		let zones: BTreeSet<_> = region.zones.iter().collect();
		ensure!(zones.len() == region.zones.len(), Error::<T>::RegionInvalid);
		for zone in &region.zones {
			ensure!(T::Participants::zone_exists(*zone), Error::<T>::ZoneUnknown);
			ensure!(
				RegionOf::<T>::get(zone).is_none_or(|region| region == id),
				Error::<T>::OtherRegion
			);
		}
		let mut calendars = region.zones.iter().map(|zone| Self::calendar(*zone));
		if let Some(first) = calendars.next() {
			ensure!(
				calendars.all(|other| other.agrees_from(&first, since)),
				Error::<T>::SlotsDiffer
			);
		}
		let links_make_sense = region.links.iter().all(|link| {
			link.from != link.to
				&& zones.contains(&link.from)
				&& zones.contains(&link.to)
				&& link.loss_ppm < MILLION
				&& link.fee_ppm <= MILLION
		});
		ensure!(links_make_sense, Error::<T>::RegionInvalid);
		Ok(())
	}

	/// Sets a region from a slot on; see [`crate::Call::set_region`].
	pub(crate) fn do_set_region(id: RegionId, region: Region, since: Slot) -> DispatchResult {
		let mut versions = Regions::<T>::get(id);
		// No slot from there on can be open yet, in the zones that are and in those that were coupled.
		let former = versions.iter().flat_map(|(_, version)| &version.zones);
		let running = region.zones.iter().chain(former).map(|zone| Self::running(*zone));
		let now = running.max().unwrap_or_default();
		ensure!(since.0 > now.0.saturating_add(T::MaxSlotsAhead::get()), Error::<T>::RegionTooSoon);
		Self::check_region(id, &region, since)?;
		versions.retain(|(other, _)| *other < since);
		// What holds for slots that are long over is forgotten.
		let oldest = Slot(now.0.saturating_sub(T::MaxSlotsAhead::get()));
		while versions.get(1).is_some_and(|(next, _)| *next <= oldest) {
			versions.remove(0);
		}
		for zone in &region.zones {
			RegionOf::<T>::insert(zone, id);
		}
		versions
			.try_push((since, region.clone()))
			.map_err(|_| Error::<T>::TooManyRegionVersions)?;
		Regions::<T>::insert(id, versions);
		Self::deposit_event(Event::RegionSet { id, since, region });
		Ok(())
	}

	/// When proposals for a slot are taken: from the last gate of the region's zones on, seconds since
	/// 1970.
	pub(crate) fn proposal_window(region: &Region, slot: Slot) -> Option<(u64, u64)> {
		let opens = region
			.zones
			.iter()
			.filter_map(|zone| Some((*zone, Self::terms_of(*zone, slot)?)))
			.map(|(zone, terms)| Self::gate_closes_seconds(&Self::calendar(zone), &terms, slot))
			.max()?;
		Some((opens, opens.saturating_add(region.proposal_seconds.into())))
	}

	/// The terms of a slot: those of its book, or those it would have.
	fn terms_of(zone: ZoneId, slot: Slot) -> Option<MarketTerms> {
		Books::<T>::get(zone, slot).map(|book| book.terms).or_else(|| Terms::<T>::get(zone))
	}

	/// Takes a proposal; see [`crate::Call::propose_coupling`].
	pub(crate) fn do_propose(
		who: T::AccountId,
		id: RegionId,
		slot: Slot,
		proposal: CouplingProposal,
	) -> DispatchResult {
		ensure!(T::Participants::is_active(&who), Error::<T>::NotAllowed);
		let region = Self::region_in(id, slot).ok_or(Error::<T>::RegionUnknown)?;
		let (opens, closes) =
			Self::proposal_window(&region, slot).ok_or(Error::<T>::ZoneWithoutTerms)?;
		let now = Self::now_seconds();
		ensure!((opens..closes).contains(&now), Error::<T>::NoTimeForProposals);

		let depths = region
			.zones
			.iter()
			.map(|zone| Self::depth_for_coupling(*zone, slot))
			.collect::<Result<Vec<_>, _>>()?;
		let books: Vec<ZoneBook> = depths
			.iter()
			.map(|depth| ZoneBook {
				bids: &depth.bids,
				asks: &depth.asks,
				price_floor: depth.terms.price_floor,
				tick_size: depth.terms.tick_size,
			})
			.collect();
		let links = Self::core_links(&region)?;
		let core_proposal = Proposal {
			zones: proposal
				.zones
				.iter()
				.map(|zone| energy_market_core::coupling::ZoneProposal {
					price: zone.price,
					bought_wh: zone.bought_wh,
					sold_wh: zone.sold_wh,
				})
				.collect(),
			flows_wh: proposal.flows_wh.to_vec(),
		};
		let verified = verify(&books, &links, &core_proposal).map_err(|rejection| {
			log::debug!(target: crate::LOG_TARGET, "region {id} slot {slot}: {rejection}");
			Error::<T>::ProposalNotOptimal
		})?;
		ensure!(
			Proposals::<T>::get(id, slot).is_none_or(|best| best.welfare < verified.welfare),
			Error::<T>::ProposalNotBetter
		);

		let mut zones = Vec::new();
		let mut balance: i128 = 0;
		for ((zone, proposed), fills) in
			region.zones.iter().zip(&proposal.zones).zip(&verified.zones)
		{
			let result = ClearingResult {
				price: proposed.price,
				volume_wh: proposed.bought_wh,
				net_import_wh: i64::try_from(
					i128::from(proposed.bought_wh) - i128::from(proposed.sold_wh),
				)
				.map_err(|_| ArithmeticError::Overflow)?,
			};
			let owed = result.owed_to_other_zones().ok_or(ArithmeticError::Overflow)?;
			balance = balance.checked_add(owed).ok_or(ArithmeticError::Overflow)?;
			let bid = fills.ration(CoreSide::Bid).map(Margin::new);
			let ask = fills.ration(CoreSide::Ask).map(Margin::new);
			zones.push(CoupledZone { zone: *zone, result, bid, ask });
		}
		// Prices are whole numbers: they could leave exporters a little short.
		ensure!(balance >= 0, Error::<T>::ProposalLosesMoney);
		let welfare = verified.welfare;
		let zones = BoundedVec::truncate_from(zones);
		let proposer = who.clone();
		Proposals::<T>::insert(id, slot, AcceptedProposal { proposer, welfare, zones });
		Self::deposit_event(Event::CouplingProposed { id, slot, proposer: who, welfare, proposal });
		Ok(())
	}

	/// The depth of a zone that waits to be cleared; an empty one where there is no book.
	fn depth_for_coupling(zone: ZoneId, slot: Slot) -> Result<ZoneDepth, DispatchError> {
		ensure!(!Halted::<T>::contains_key(zone), Error::<T>::ZoneHalted);
		let Some(book) = Books::<T>::get(zone, slot) else {
			let terms = Terms::<T>::get(zone).ok_or(Error::<T>::ZoneWithoutTerms)?;
			return Ok(ZoneDepth { terms, bids: Vec::new(), asks: Vec::new() });
		};
		ensure!(book.state == SlotState::Open, Error::<T>::NoTimeForProposals);
		let [bids, asks] = [Side::Bid, Side::Ask]
			.map(|side| Self::depth_of(zone, slot, side, book.terms.tick_count));
		Ok(ZoneDepth { terms: book.terms, bids, asks })
	}

	fn core_links(region: &Region) -> Result<Vec<Link>, Error<T>> {
		let place = |zone: ZoneId| {
			region.zones.iter().position(|other| *other == zone).ok_or(Error::<T>::RegionInvalid)
		};
		region
			.links
			.iter()
			.map(|link| {
				Ok(Link {
					from: place(link.from)?,
					to: place(link.to)?,
					capacity_wh: link.capacity_wh,
					loss_ppm: link.loss_ppm,
					fee_per_kwh: link.fee_per_kwh,
					fee_ppm: link.fee_ppm,
				})
			})
			.collect()
	}

	/// What is to be done with a book whose gate has closed.
	pub(crate) fn coupling_of(zone: ZoneId, slot: Slot) -> Coupling {
		let Some((id, region)) = Self::region_at(zone, slot) else { return Coupling::Alone };
		let Some((_, closes)) = Self::proposal_window(&region, slot) else {
			return Coupling::Alone;
		};
		if Self::now_seconds() < closes {
			return Coupling::Waits;
		}
		let proposed = Proposals::<T>::get(id, slot)
			.and_then(|best| best.zones.into_iter().find(|coupled| coupled.zone == zone));
		match proposed {
			Some(coupled) => Coupling::Coupled(coupled),
			None => Coupling::Alone,
		}
	}

	/// Clears a book as was proposed.
	pub(crate) fn take_proposal(zone: ZoneId, slot: Slot, book: &mut Book, coupled: CoupledZone) {
		book.state = SlotState::Clearing;
		let CoupledZone { result, bid, ask, .. } = coupled;
		book.outcome = (bid.is_some() || ask.is_some()).then(|| Outcome {
			result,
			bid: bid.unwrap_or(Margin::nothing(Side::Bid)),
			ask: ask.unwrap_or(Margin::nothing(Side::Ask)),
		});
		Self::forget_depth(zone, slot, book.terms.tick_count);
		let result = book.outcome.map(|outcome| outcome.result);
		Self::deposit_event(Event::GateClosed { zone, slot, result });
	}

	/// Whether a proposal was accepted for the slot, so that other zones count on this one.
	pub(crate) fn is_coupled(zone: ZoneId, slot: Slot) -> bool {
		Self::region_at(zone, slot).is_some_and(|(id, _)| Proposals::<T>::contains_key(id, slot))
	}

	/// A zone of a coupled slot is settled; with the last one the region is paid.
	pub(crate) fn coupled_zone_settled(zone: ZoneId, slot: Slot) -> DispatchResult {
		let Some((id, _)) = Self::region_at(zone, slot) else { return Ok(()) };
		let Some(accepted) = Proposals::<T>::get(id, slot) else { return Ok(()) };
		let owed = <Self as ClearedMarket<T::AccountId>>::owed_to_other_zones(zone, slot);
		let mut coupled = CoupledSlots::<T>::get(id, slot).unwrap_or_else(|| CoupledSlot {
			zones_left: accepted
				.zones
				.iter()
				.filter(|coupled| Books::<T>::contains_key(coupled.zone, slot))
				.count() as u32,
			balance: 0,
		});
		coupled.balance = coupled.balance.checked_add(owed).ok_or(ArithmeticError::Overflow)?;
		coupled.zones_left = coupled.zones_left.saturating_sub(1);
		if coupled.zones_left > 0 {
			CoupledSlots::<T>::insert(id, slot, coupled);
			return Ok(());
		}
		let income = u128::try_from(coupled.balance).map_err(|_| ArithmeticError::Underflow)?;
		<Self as ClearedMarket<T::AccountId>>::pay_out(&Self::region_account(id), income)?;
		CoupledSlots::<T>::remove(id, slot);
		Proposals::<T>::remove(id, slot);
		Capacities::<T>::remove(id, slot);
		Self::deposit_event(Event::RegionSettled { id, slot, income });
		Ok(())
	}

	/// How the coupling of a region stands in a slot.
	pub fn coupling(id: RegionId, slot: Slot) -> Option<CouplingSummary>
	where
		T::AccountId: Into<ChainAccountId>,
	{
		let region = Self::region_in(id, slot)?;
		let (opens_seconds, closes_seconds) = Self::proposal_window(&region, slot)?;
		let best = Proposals::<T>::get(id, slot).map(|best| (best.proposer.into(), best.welfare));
		Some(CouplingSummary { slot, region, opens_seconds, closes_seconds, best })
	}
}
