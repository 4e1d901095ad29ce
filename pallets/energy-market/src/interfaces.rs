//! What the pallet answers to others: reads for the runtime's API, and the traits through which other
//! pallets ask.

use crate::{
	place_of, Books, Calendars, Config, Event, Halted, Offers, Orders, Pallet, PositionOf,
	Positions, SlotSeconds, StandingIds, StandingOrders, Terms, ENTRIES_PER_PAGE,
};
use alloc::vec::Vec;
use energy_primitives::{
	api::{DepthLevel, OpenOffer, OpenOrder, PastSlot, ORDERS_LOOKED_AT},
	AccountId as ChainAccountId, Balance, ClearedMarket, ClearingResult, HaltReason, MarketTerms,
	OfferId, OfferRequest, OrderIndex, Position, Side, Slot, SlotCalendar, SlotClock, SlotState,
	StandingId, StandingOrder, UnsettledSlots, ZoneId,
};
use frame_support::traits::{fungible::Mutate, tokens::Preservation, UnixTime};
use sp_core::H160;
use sp_runtime::{DispatchError, DispatchResult};

/// The most pages of orders that one read looks at.
const MAX_PAGES_LOOKED_AT: usize = (ORDERS_LOOKED_AT / ENTRIES_PER_PAGE) as usize;

/// Reads for the runtime's API; off chain only.
impl<T: Config> Pallet<T> {
	/// The prices of an open book at which there is energy.
	pub fn depth(zone: ZoneId, slot: Slot) -> Vec<DepthLevel> {
		let Some(book) = Books::<T>::get(zone, slot) else { return Vec::new() };
		let terms = book.terms;
		let [bids, asks] =
			[Side::Bid, Side::Ask].map(|side| Self::depth_of(zone, slot, side, terms.tick_count));
		(0u16..)
			.zip(bids.into_iter().zip(asks))
			.filter(|(_, (bid_wh, ask_wh))| *bid_wh > 0 || *ask_wh > 0)
			.map(|(tick, (bid_wh, ask_wh))| DepthLevel {
				price: terms.price_of(tick),
				bid_wh,
				ask_wh,
			})
			.collect()
	}

	/// Open orders from an index on, of one account or of all, at most `limit`.
	pub fn orders(
		zone: ZoneId,
		slot: Slot,
		account: Option<&T::AccountId>,
		from: OrderIndex,
		limit: u32,
	) -> Vec<OpenOrder>
	where
		T::AccountId: Into<ChainAccountId>,
	{
		let Some(book) = Books::<T>::get(zone, slot) else { return Vec::new() };
		// Bounded, so that an account with few orders among many is found page by page.
		let (first_page, _) = place_of(from.0);
		(first_page..book.next_order.div_ceil(ENTRIES_PER_PAGE))
			.take(MAX_PAGES_LOOKED_AT)
			.flat_map(|page| {
				let first = page.saturating_mul(ENTRIES_PER_PAGE);
				(first..).zip(Orders::<T>::get((zone, slot), page))
			})
			.filter(|(index, _)| *index >= from.0)
			.filter_map(|(index, order)| {
				let (index, order) = (OrderIndex(index), order?);
				account.is_none_or(|account| *account == order.account).then(|| OpenOrder {
					index,
					account: order.account.into(),
					side: order.side,
					price: book.terms.price_of(order.tick),
					energy_wh: order.energy_wh,
					held: order.held,
					minimum_wh: order.conditions.map_or(0, |conditions| conditions.minimum_wh),
					expires_seconds: order
						.conditions
						.and_then(|conditions| conditions.expires_seconds),
					standing: order.standing,
					agent: order.agent.map(Into::into),
				})
			})
			.take(limit as usize)
			.collect()
	}

	/// Standing orders from a number on, of one account or of all, at most `limit`.
	pub fn standing_orders(
		zone: ZoneId,
		account: Option<&T::AccountId>,
		from: StandingId,
		limit: u32,
	) -> Vec<(StandingId, StandingOrder<T::AccountId>)> {
		let ids = StandingIds::<T>::get(zone);
		ids.iter()
			.skip(ids.partition_point(|id| *id < from))
			.filter_map(|id| Some((*id, StandingOrders::<T>::get(zone, id)?)))
			.filter(|(_, standing)| account.is_none_or(|account| *account == standing.account))
			.take(limit as usize)
			.collect()
	}

	/// Bilateral offers of a zone among the `limit` that come after one, and the last of these, if there
	/// may be more.
	pub fn offers(
		zone: ZoneId,
		after: Option<OfferId>,
		limit: u32,
	) -> (Vec<OpenOffer>, Option<OfferId>)
	where
		T::AccountId: Into<ChainAccountId>,
		OfferRequest<T::AccountId>: Into<OfferRequest<ChainAccountId>>,
	{
		let all = match after {
			Some(last) => Offers::<T>::iter_from(Offers::<T>::hashed_key_for(last)),
			None => Offers::<T>::iter(),
		};
		let page: Vec<_> = all.take(limit as usize).collect();
		let is_full = page.len() == limit as usize;
		let last = page.last().map(|(id, _)| *id).filter(|_| is_full);
		let offers = page
			.into_iter()
			.filter(|(_, offer)| offer.zone == zone)
			.map(|(id, offer)| OpenOffer {
				id,
				maker: offer.maker.into(),
				request: offer.request.into(),
				remaining_wh: offer.remaining.into_inner(),
			})
			.collect();
		(offers, last)
	}

	/// The slots with a market among the `count` from one on.
	pub fn slots(zone: ZoneId, from: Slot, count: u32) -> Vec<PastSlot> {
		(from.0..from.0.saturating_add(count))
			.filter_map(|slot| {
				let slot = Slot(slot);
				let book = Books::<T>::get(zone, slot)?;
				Some(PastSlot {
					slot,
					state: book.state,
					result: book.outcome.map(|outcome| outcome.result),
					positions: book.positions,
				})
			})
			.collect()
	}

	/// Positions from a number on that are not settled, at most `limit`.
	pub fn positions_from(
		zone: ZoneId,
		slot: Slot,
		from: u32,
		limit: u32,
	) -> Vec<Position<T::AccountId>> {
		let (first_page, place) = place_of(from);
		let (last_page, _) = place_of(from.saturating_add(limit));
		(first_page..=last_page)
			.flat_map(|page| Positions::<T>::get((zone, slot), page))
			.skip(place)
			.take(limit as usize)
			.collect()
	}

	/// A position that is not settled, by its number.
	pub fn position(zone: ZoneId, slot: Slot, number: u32) -> Option<Position<T::AccountId>> {
		let (page, place) = place_of(number);
		Positions::<T>::get((zone, slot), page).into_inner().into_iter().nth(place)
	}

	/// What an account promised in a slot that is not settled.
	pub fn position_of(
		zone: ZoneId,
		slot: Slot,
		account: &T::AccountId,
	) -> Option<Position<T::AccountId>> {
		Self::position(zone, slot, PositionOf::<T>::get((zone, slot), account)?)
	}
}

impl<T: Config> SlotClock for Pallet<T> {
	fn calendar(zone: ZoneId) -> SlotCalendar {
		Calendars::<T>::get(zone).unwrap_or_else(|| SlotCalendar::uniform(SlotSeconds::<T>::get()))
	}

	fn now_seconds() -> u64 {
		T::Time::now().as_secs()
	}
}

impl<T: Config> UnsettledSlots for Pallet<T> {
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool {
		Books::<T>::get(zone, slot).is_some_and(|book| !book.state.is_final())
	}
}

impl<T: Config> ClearedMarket<T::AccountId> for Pallet<T> {
	fn terms(zone: ZoneId, slot: Slot) -> Option<MarketTerms> {
		Books::<T>::get(zone, slot).map(|book| book.terms)
	}

	fn result(zone: ZoneId, slot: Slot) -> Option<ClearingResult> {
		Books::<T>::get(zone, slot)?.outcome.map(|outcome| outcome.result)
	}

	fn policy(zone: ZoneId) -> Option<H160> {
		Terms::<T>::get(zone)?.policy
	}

	fn positions(zone: ZoneId, slot: Slot, page: u32) -> Vec<Position<T::AccountId>> {
		Positions::<T>::get((zone, slot), page).into_inner()
	}

	fn finish(zone: ZoneId, slot: Slot, page: u32, nets: &[i128]) -> Result<u32, DispatchError> {
		Self::finish_positions(zone, slot, page, nets)
	}

	fn pay_out(to: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		T::Currency::transfer(&Self::clearing_house(), to, amount, Preservation::Expendable)?;
		let change = i128::try_from(amount).map_err(|_| sp_runtime::ArithmeticError::Overflow)?;
		Self::change_transit(change)
	}

	fn pay_in(from: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		T::Currency::transfer(from, &Self::clearing_house(), amount, Preservation::Expendable)?;
		let change = i128::try_from(amount).map_err(|_| sp_runtime::ArithmeticError::Overflow)?;
		Self::change_transit(change.saturating_neg())
	}

	fn owed_to_other_zones(zone: ZoneId, slot: Slot) -> i128 {
		Self::result(zone, slot).and_then(|result| result.owed_to_other_zones()).unwrap_or_default()
	}

	fn settling(zone: ZoneId, slot: Slot) {
		Self::set_state(zone, slot, SlotState::Settling);
	}

	fn settled(zone: ZoneId, slot: Slot) {
		if let Err(error) = Self::coupled_zone_settled(zone, slot) {
			log::error!(target: crate::LOG_TARGET, "zone {zone} slot {slot}: {error:?}");
			<Self as ClearedMarket<T::AccountId>>::halt(zone, HaltReason::BooksInconsistent);
		}
		Self::retire(zone, slot, SlotState::Settled);
	}

	fn is_halted(zone: ZoneId) -> bool {
		Halted::<T>::contains_key(zone)
	}

	fn halt(zone: ZoneId, reason: HaltReason) {
		Halted::<T>::insert(zone, reason);
		Self::deposit_event(Event::ZoneHalted { zone, reason });
	}
}
