//! Bilateral offers: a trade with one partner at the price that was offered.
//!
//! What is agreed joins the positions of both partners in the slot, beside what they buy and sell in the
//! auction, and is measured and settled with it. A buyer pays the price of each trade rounded up, a
//! seller receives it rounded down.

use crate::{
	accounts::Purse, orders::Hours, Books, Config, Error, Event, Offer, OfferSweep, Offers, Pallet,
	Terms, WeightInfo, WorstCase,
};
use energy_market_core::{cost_rounded_down, cost_rounded_up};
use energy_primitives::{
	Audience, Balance, CommunityMembers, EnergyKind, OfferId, OfferRequest, Position, Side, Slot,
	SlotClock, ZoneId, MAX_RECURRENCE,
};
use frame_support::{dispatch::DispatchResult, ensure, traits::Get, weights::WeightMeter};
use sp_runtime::{ArithmeticError, BoundedVec};

impl<T: Config> Pallet<T> {
	/// Makes an offer; see [`crate::Call::make_offer`].
	pub(crate) fn do_make_offer(
		who: T::AccountId,
		zone: ZoneId,
		request: OfferRequest<T::AccountId>,
	) -> DispatchResult {
		Self::ensure_trader(&who, zone)?;
		let terms = Terms::<T>::get(zone).ok_or(Error::<T>::ZoneWithoutTerms)?;
		ensure!((1..=MAX_RECURRENCE).contains(&request.slots), Error::<T>::RecurrenceInvalid);
		ensure!(
			(terms.price_floor..=terms.price_cap()).contains(&request.price),
			Error::<T>::PriceNotOnGrid
		);
		ensure!(request.energy_wh > 0, Error::<T>::NoEnergy);
		ensure!(request.energy_wh <= terms.max_order_wh, Error::<T>::TooMuchEnergy);
		ensure!(request.minimum_wh <= request.energy_wh, Error::<T>::MinimumTooLarge);
		ensure!(request.audience != Audience::Partner(who.clone()), Error::<T>::OwnOffer);
		if let Audience::Community(community) = request.audience {
			ensure!(T::Communities::is_member(community, &who), Error::<T>::NotForYou);
		}
		// The first slot must still take orders; so do the later ones, then.
		Hours::<T>::of(zone).book(request.first)?;
		let remaining = alloc::vec![request.energy_wh; request.slots as usize];
		let offer = Offer {
			zone,
			maker: who.clone(),
			terms,
			remaining: BoundedVec::truncate_from(remaining),
			request: request.clone(),
		};
		let held = offer.held().ok_or(Error::<T>::NotEnoughMoney)?;
		let mut purse = Purse::<T>::open(&who);
		purse.commit(held)?;
		let mut holdings = crate::HoldingsOf::<T>::get(&who);
		ensure!(holdings.offers < T::MaxOffersPerAccount::get(), Error::<T>::TooManyOffers);
		let id = crate::NextOffer::<T>::get();
		let next = id.0.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		purse.close()?;
		holdings.offers = holdings.offers.saturating_add(1);
		crate::HoldingsOf::<T>::insert(&who, holdings);
		crate::NextOffer::<T>::put(OfferId(next));
		Offers::<T>::insert(id, offer);
		Self::deposit_event(Event::OfferMade { id, zone, maker: who, offer: request, held });
		Ok(())
	}

	/// Whether `who` is among those an offer is made to.
	fn may_accept(who: &T::AccountId, audience: &Audience<T::AccountId>) -> bool {
		match audience {
			Audience::Anyone => true,
			Audience::Partner(partner) => partner == who,
			Audience::Community(community) => T::Communities::is_member(*community, who),
		}
	}

	/// Accepts a part of an offer in one slot; see [`crate::Call::accept_offer`].
	pub(crate) fn do_accept_offer(
		who: T::AccountId,
		id: OfferId,
		slot: Slot,
		energy_wh: u64,
		kind: EnergyKind,
	) -> DispatchResult {
		let mut offer = Offers::<T>::get(id).ok_or(Error::<T>::OfferUnknown)?;
		let zone = offer.zone;
		Self::ensure_trader(&who, zone)?;
		Self::ensure_trader(&offer.maker, zone).map_err(|_| Error::<T>::MakerInactive)?;
		ensure!(offer.maker != who, Error::<T>::OwnOffer);
		ensure!(Self::may_accept(&who, &offer.request.audience), Error::<T>::NotForYou);
		let (wanted, declared) = match offer.request.side {
			Side::Bid => (offer.request.kind, kind),
			Side::Ask => (kind, offer.request.kind),
		};
		ensure!(wanted.accepts(declared), Error::<T>::WrongEnergyKind);
		let hours = Hours::<T>::of(zone);
		let (mut book, is_new) = hours.book(slot)?;
		let place = slot
			.0
			.checked_sub(offer.request.first.0)
			.map(|place| place as usize)
			.filter(|place| *place < offer.remaining.len())
			.ok_or(Error::<T>::NotInOffer)?;
		let left = offer.remaining[place];
		ensure!(energy_wh > 0, Error::<T>::NoEnergy);
		ensure!(energy_wh <= left, Error::<T>::NotInOffer);
		ensure!(
			energy_wh == left || energy_wh >= offer.request.minimum_wh,
			Error::<T>::BelowMinimum
		);

		let price = offer.request.price;
		// The slot may have opened under other terms than those the offer was made under.
		ensure!(
			(book.terms.price_floor..=book.terms.price_cap()).contains(&price),
			Error::<T>::PriceNotOnGrid
		);
		ensure!(energy_wh <= book.terms.max_order_wh, Error::<T>::TooMuchEnergy);
		let sides = match offer.request.side {
			Side::Bid => [(Side::Bid, &offer.maker), (Side::Ask, &who)],
			Side::Ask => [(Side::Ask, &offer.maker), (Side::Bid, &who)],
		};
		let freed = offer
			.held_for(left)
			.and_then(|held| held.checked_sub(offer.held_for(left.checked_sub(energy_wh)?)?))
			.ok_or(ArithmeticError::Overflow)?;
		for (side, party) in sides {
			let held =
				book.terms.worst_case(side, energy_wh, price).ok_or(ArithmeticError::Overflow)?;
			let mut purse = Purse::<T>::open(party);
			if *party == offer.maker {
				purse.uncommit(freed)?;
			}
			purse.commit(held).map_err(|error| {
				if *party == offer.maker {
					Error::<T>::MakerCannotPay
				} else {
					error
				}
			})?;
			purse.close()?;
			Self::change_position(zone, slot, &mut book, party, |position| {
				agree(position, side, energy_wh, price, held)
			})?;
		}
		if is_new {
			hours.list_book(slot, &book)?;
		}
		Books::<T>::insert(zone, slot, book);
		offer.remaining[place] = left.saturating_sub(energy_wh);
		let [(_, buyer), (_, seller)] = match offer.request.side {
			Side::Bid => sides,
			Side::Ask => [sides[1], sides[0]],
		};
		Self::deposit_event(Event::OfferAccepted {
			id,
			zone,
			slot,
			buyer: buyer.clone(),
			seller: seller.clone(),
			kind: declared,
			price,
			energy_wh,
		});
		if offer.remaining.iter().all(|left| *left == 0) {
			Self::end_offer(id, &offer.maker);
		} else {
			Offers::<T>::insert(id, offer);
		}
		Ok(())
	}

	/// Forgets an offer for which no money is committed any more.
	pub(crate) fn end_offer(id: OfferId, maker: &T::AccountId) {
		Offers::<T>::remove(id);
		Self::change_holdings(maker, |holdings| {
			holdings.offers = holdings.offers.saturating_sub(1)
		});
		Self::deposit_event(Event::OfferEnded { id });
	}

	/// Looks at one offer a block, one after the other, and frees the money of slots whose gate has
	/// closed by the terms of the offer. An offer without slots is forgotten.
	pub(crate) fn sweep_offers(meter: &mut WeightMeter) {
		let next = crate::NextOffer::<T>::get();
		if next.0 == 0 || meter.try_consume(T::WeightInfo::sweep_offer()).is_err() {
			return;
		}
		let from = OfferSweep::<T>::get();
		let mut offers = match from {
			Some(last) => Offers::<T>::iter_from(Offers::<T>::hashed_key_for(last)),
			None => Offers::<T>::iter(),
		};
		let found = offers.next();
		OfferSweep::<T>::set(found.as_ref().map(|(id, _)| *id));
		let Some((id, mut offer)) = found else { return };
		let now = Self::now_seconds();
		let mut freed: Balance = 0;
		let mut past = alloc::vec::Vec::new();
		let calendar = Self::calendar(offer.zone);
		for (place, left) in offer.remaining.iter().enumerate() {
			let gate = Self::gate_closes_seconds(&calendar, &offer.terms, offer.slot_at(place));
			let is_past = now >= gate;
			if is_past && *left > 0 {
				freed = freed.saturating_add(offer.held_for(*left).unwrap_or_default());
				past.push(place);
			}
		}
		if past.is_empty() {
			return;
		}
		for place in past {
			offer.remaining[place] = 0;
		}
		if let Err(error) = Self::uncommit(&offer.maker, freed) {
			log::error!(target: crate::LOG_TARGET, "offer {id}: {error:?}");
			return;
		}
		if offer.remaining.iter().all(|left| *left == 0) {
			Self::end_offer(id, &offer.maker);
		} else {
			Offers::<T>::insert(id, offer);
		}
	}
}

/// Adds a trade to a position. `None` on overflow.
fn agree<AccountId>(
	position: &mut Position<AccountId>,
	side: Side,
	energy_wh: u64,
	price: u64,
	held: Balance,
) -> Option<()> {
	let agreed = &mut position.agreed;
	match side {
		Side::Bid => {
			agreed.bought_wh = agreed.bought_wh.checked_add(energy_wh)?;
			agreed.payable = agreed.payable.checked_add(cost_rounded_up(energy_wh, price))?;
		}
		Side::Ask => {
			agreed.sold_wh = agreed.sold_wh.checked_add(energy_wh)?;
			agreed.receivable =
				agreed.receivable.checked_add(cost_rounded_down(energy_wh, price))?;
		}
	}
	position.held = position.held.checked_add(held)?;
	Some(())
}
