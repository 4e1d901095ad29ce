//! Trades between two partners at a price of their own.

use crate::{mock::*, Error, Event, HoldingsOf, Offers};
use energy_primitives::{
	Agreed, Audience, ClearedMarket, CommunityId, EnergyKind, OfferId, OfferRequest, Side, Slot,
	SlotState, SETTLEMENT_ASSET,
};
use frame_support::{assert_noop, assert_ok, weights::Weight};
use sp_runtime::DispatchResult;

const ID: OfferId = OfferId(0);

fn offer(side: Side) -> OfferRequest<crate::mock::AccountId> {
	OfferRequest {
		side,
		audience: Audience::Anyone,
		kind: EnergyKind::Solar,
		price: 123_457,
		energy_wh: 1_000,
		minimum_wh: 300,
		first: SLOT,
		slots: 2,
	}
}

fn make(who: u8, offer: OfferRequest<crate::mock::AccountId>) -> DispatchResult {
	EnergyMarket::make_offer(RuntimeOrigin::signed(account(who)), ZONE, offer)
}

fn accept(who: u8, slot: Slot, energy_wh: u64) -> DispatchResult {
	accept_as(who, slot, energy_wh, EnergyKind::Any)
}

fn accept_as(who: u8, slot: Slot, energy_wh: u64, kind: EnergyKind) -> DispatchResult {
	EnergyMarket::accept_offer(RuntimeOrigin::signed(account(who)), ID, slot, energy_wh, kind)
}

fn agreed(who: u8, slot: Slot) -> Agreed {
	EnergyMarket::position_of(ZONE, slot, &account(who)).unwrap().agreed
}

#[test]
fn both_partners_have_a_position_at_their_price() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		// Two slots of 1,000 Wh at the shortage price.
		assert_eq!(held(1), 1_200_000);
		assert_ok!(accept(2, SLOT, 301));
		// 301 Wh at 0.123457: 37160.557 rounded up, and a fee of 903.301 rounded up.
		assert_eq!((held(1), held(2)), (1_200_000, 37_161 + 904));
		let bought = Agreed { bought_wh: 301, payable: 37_161, ..Default::default() };
		assert_eq!(agreed(2, SLOT), bought);
		let sold = Agreed { sold_wh: 301, receivable: 37_160, ..Default::default() };
		assert_eq!(agreed(1, SLOT), sold);
		System::assert_last_event(
			Event::OfferAccepted {
				id: ID,
				zone: ZONE,
				slot: SLOT,
				buyer: account(2),
				seller: account(1),
				kind: EnergyKind::Solar,
				price: 123_457,
				energy_wh: 301,
			}
			.into(),
		);
		assert_ok!(accept(3, SLOT, 699));
		assert_ok!(accept(3, Slot(102), 1_000));
		System::assert_last_event(Event::OfferEnded { id: ID }.into());
		assert_eq!(Offers::<Test>::iter().count(), 0);
		assert_eq!(HoldingsOf::<Test>::iter().count(), 0);
		assert_eq!(held(1), 1_200_000);
	});
}

#[test]
fn slot_with_agreements_alone_goes_to_settlement() {
	run(|| {
		assert_ok!(make(1, offer(Side::Bid)));
		assert_ok!(accept_as(2, SLOT, 1_000, EnergyKind::Solar));
		assert_eq!(agreed(2, SLOT).sold_wh, 1_000);
		clear();
		assert_eq!(ClearedSlots::get(), [(ZONE, SLOT, 2)]);
		assert_eq!(<EnergyMarket as ClearedMarket<_>>::result(ZONE, SLOT), None);
	});
}

#[test]
fn agreement_and_auction_make_one_position() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		assert_ok!(accept(2, SLOT, 500));
		assert_ok!(place(2, Side::Bid, 150_000, 100));
		assert_ok!(place(3, Side::Ask, 150_000, 100));
		clear();
		let position = EnergyMarket::position_of(ZONE, SLOT, &account(2)).unwrap();
		assert_eq!((position.bought_wh, position.agreed.bought_wh), (100, 500));
		assert_eq!(position.held, held(2));
		let promise = position.promise(150_000);
		assert_eq!((promise.bought_wh, promise.payable), (600, 15_000 + 61_729));
	});
}

#[test]
fn money_of_past_slots_comes_back_by_itself() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		NowSeconds::set(6_050);
		idle(Weight::MAX);
		assert_eq!(held(1), 600_000);
		assert_noop!(accept(2, SLOT, 500), Error::<Test>::GateClosed);
		NowSeconds::set(6_110);
		idle(Weight::MAX);
		idle(Weight::MAX);
		assert_eq!(held(1), 0);
		assert_eq!(Offers::<Test>::iter().count(), 0);
		assert_eq!(Assets::balance(SETTLEMENT_ASSET, account(1)), MONEY);
	});
}

#[test]
fn maker_withdraws_what_is_left() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		assert_ok!(accept(2, SLOT, 500));
		let withdraw = |who| EnergyMarket::withdraw_offer(RuntimeOrigin::signed(account(who)), ID);
		assert_noop!(withdraw(2), Error::<Test>::NotYourOrder);
		assert_ok!(withdraw(1));
		assert_noop!(withdraw(1), Error::<Test>::OfferUnknown);
		assert_eq!(held(1), 300_000, "the bond of what was accepted");
	});
}

#[test]
fn only_those_it_is_made_to_accept_it() {
	run(|| {
		let to = |audience| OfferRequest { audience, ..offer(Side::Ask) };
		let community = Audience::Community(CommunityId(1));
		assert_noop!(make(3, to(community.clone())), Error::<Test>::NotForYou);
		assert_ok!(make(3, to(Audience::Partner(account(4)))));
		assert_noop!(accept(5, SLOT, 500), Error::<Test>::NotForYou);
		assert_ok!(accept(4, SLOT, 500));
		assert_ok!(make(1, to(community)));
		let of_community = |who| {
			let who = RuntimeOrigin::signed(account(who));
			EnergyMarket::accept_offer(who, OfferId(1), SLOT, 500, EnergyKind::Any)
		};
		assert_noop!(of_community(4), Error::<Test>::NotForYou);
		assert_ok!(of_community(2));
		assert_noop!(make(3, to(Audience::Partner(account(3)))), Error::<Test>::OwnOffer);
		assert_noop!(accept(3, SLOT, 500), Error::<Test>::OwnOffer);
		let regulator = RuntimeOrigin::signed(regulator());
		assert_noop!(
			EnergyMarket::accept_offer(regulator, ID, SLOT, 500, EnergyKind::Any),
			Error::<Test>::NotATrader
		);
	});
}

#[test]
fn kind_of_energy_must_be_what_the_buyer_wants() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		assert_noop!(accept_as(2, SLOT, 500, EnergyKind::Wind), Error::<Test>::WrongEnergyKind);
		assert_ok!(accept_as(2, SLOT, 500, EnergyKind::Solar));
		assert_ok!(make(3, OfferRequest { kind: EnergyKind::Wind, ..offer(Side::Bid) }));
		let sell = |kind| {
			let who = RuntimeOrigin::signed(account(4));
			EnergyMarket::accept_offer(who, OfferId(1), SLOT, 500, kind)
		};
		assert_noop!(sell(EnergyKind::Any), Error::<Test>::WrongEnergyKind);
		assert_ok!(sell(EnergyKind::Wind));
	});
}

#[test]
fn energy_and_slot_must_be_in_the_offer() {
	run(|| {
		assert_noop!(accept(2, SLOT, 500), Error::<Test>::OfferUnknown);
		assert_ok!(make(1, offer(Side::Ask)));
		assert_noop!(accept(2, SLOT, 0), Error::<Test>::NoEnergy);
		assert_noop!(accept(2, SLOT, 299), Error::<Test>::BelowMinimum);
		assert_noop!(accept(2, SLOT, 1_001), Error::<Test>::NotInOffer);
		assert_noop!(accept(2, Slot(103), 500), Error::<Test>::NotInOffer);
		assert_ok!(accept(2, SLOT, 800));
		// The rest may be accepted though it is less than the minimum.
		assert_ok!(accept(2, SLOT, 200));
	});
}

#[test]
fn offer_is_refused_when_it_makes_no_sense() {
	run(|| {
		let good = offer(Side::Ask);
		for (bad, error) in [
			(OfferRequest { slots: 0, ..good.clone() }, Error::<Test>::RecurrenceInvalid),
			(OfferRequest { slots: 97, ..good.clone() }, Error::RecurrenceInvalid),
			(OfferRequest { price: 49_999, ..good.clone() }, Error::PriceNotOnGrid),
			(OfferRequest { price: 500_001, ..good.clone() }, Error::PriceNotOnGrid),
			(OfferRequest { energy_wh: 0, ..good.clone() }, Error::NoEnergy),
			(OfferRequest { energy_wh: 1_000_001, ..good.clone() }, Error::TooMuchEnergy),
			(OfferRequest { minimum_wh: 1_001, ..good.clone() }, Error::MinimumTooLarge),
			(OfferRequest { first: Slot(100), ..good.clone() }, Error::GateClosed),
			(OfferRequest { energy_wh: 1_000_000, ..good.clone() }, Error::NotEnoughMoney),
		] {
			assert_noop!(make(1, bad), error);
		}
		assert_ok!(make(1, good.clone()));
		assert_ok!(make(1, good.clone()));
		assert_noop!(make(1, good), Error::<Test>::TooManyOffers);
	});
}

#[test]
fn maker_must_still_be_able_to_pay_and_to_trade() {
	run(|| {
		let mut dear = terms();
		assert_ok!(make(1, OfferRequest { energy_wh: 700_000, slots: 1, ..offer(Side::Ask) }));
		// A slot that opens with a higher shortage price asks for more than the maker has.
		dear.shortage_price = 2_000_000;
		assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, dear));
		assert_noop!(accept(2, SLOT, 700_000), Error::<Test>::MakerCannotPay);
		assert_ok!(accept(2, SLOT, 300));
		Admitted::mutate(|admitted| {
			admitted.insert(account(1), (BARE_ZONE, energy_primitives::Role::Prosumer))
		});
		assert_noop!(accept(2, SLOT, 300), Error::<Test>::MakerInactive);
	});
}

#[test]
fn price_must_be_one_of_the_slot_it_is_accepted_in() {
	run(|| {
		// The slot opens under the old terms, the offer is made under a higher cap.
		assert_ok!(place(9, Side::Bid, 50_000, 1));
		let dearer = energy_primitives::MarketTerms {
			tick_count: 60,
			shortage_price: 700_000,
			max_order_wh: 2_000_000,
			..terms()
		};
		assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, dearer));
		assert_ok!(make(1, OfferRequest { price: 620_000, ..offer(Side::Ask) }));
		assert_noop!(accept(2, SLOT, 500), Error::<Test>::PriceNotOnGrid);
		assert_ok!(accept(2, Slot(102), 500));
		let large =
			OfferRequest { energy_wh: 1_200_000, slots: 1, price: 50_000, ..offer(Side::Bid) };
		assert_ok!(make(3, large));
		let sell = EnergyMarket::accept_offer(
			RuntimeOrigin::signed(account(2)),
			OfferId(1),
			SLOT,
			1_200_000,
			EnergyKind::Solar,
		);
		assert_eq!(sell, Err(Error::<Test>::TooMuchEnergy.into()));
	});
}

#[test]
fn agreement_is_called_off_with_its_slot() {
	run(|| {
		assert_ok!(make(1, offer(Side::Ask)));
		assert_ok!(accept(2, SLOT, 1_000));
		assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), ZONE));
		assert_ok!(EnergyMarket::annul(RuntimeOrigin::root(), ZONE, SLOT));
		idle(Weight::MAX);
		let book = crate::Books::<Test>::get(ZONE, SLOT).unwrap();
		assert_eq!(book.state, SlotState::Annulled);
		assert_eq!((held(1), held(2)), (600_000, 0));
	});
}
