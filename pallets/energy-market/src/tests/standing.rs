//! Orders that are placed anew in every slot.

use crate::{mock::*, Books, Error, Event, HoldingsOf, Renewals, StandingOrders};
use energy_primitives::{Balance, OrderRequest, Side, Slot, StandingId};
use frame_support::{assert_noop, assert_ok, weights::Weight};
use sp_runtime::DispatchResult;

const ID: StandingId = StandingId(0);

fn order(first: u32) -> OrderRequest {
	OrderRequest {
		slot: Slot(first),
		side: Side::Bid,
		price: 100_000,
		energy_wh: 1_000,
		minimum_wh: 0,
		expires_seconds: None,
	}
}

fn stand(who: u8, order: OrderRequest, last: u32, budget: Balance) -> DispatchResult {
	let who = RuntimeOrigin::signed(account(who));
	EnergyMarket::place_standing(who, ZONE, order, Slot(last), budget)
}

fn budget() -> Balance {
	StandingOrders::<Test>::get(ZONE, ID).unwrap().budget
}

fn orders_in(slot: u32) -> u32 {
	Books::<Test>::get(ZONE, Slot(slot)).map_or(0, |book| book.next_order)
}

#[test]
fn order_is_placed_once_in_each_slot_from_the_first_to_the_last() {
	run(|| {
		assert_ok!(stand(1, order(103), 104, 1_000_000));
		assert_eq!(held(1), 0, "nothing is committed before it is placed");
		for now in (6_000..6_400).step_by(10) {
			NowSeconds::set(now);
			idle(Weight::MAX);
		}
		let placed: Vec<_> = (101..107).map(orders_in).collect();
		assert_eq!(placed, [0, 0, 1, 1, 0, 0]);
		System::assert_has_event(Event::StandingOrderEnded { zone: ZONE, id: ID }.into());
		assert_eq!(StandingOrders::<Test>::iter().count(), 0);
		assert_eq!(HoldingsOf::<Test>::iter().count(), 0);
		assert_eq!(Renewals::<Test>::iter().count(), 0);
	});
}

#[test]
fn budget_is_used_by_what_is_bought_and_comes_back_for_the_rest() {
	run(|| {
		// Each order commits 100,000 and a fee of 3,001.
		assert_ok!(stand(1, order(102), 110, 150_000));
		idle(Weight::MAX);
		assert_eq!((orders_in(102), budget()), (1, 46_999));
		let slot = Slot(102);
		assert_ok!(EnergyMarket::place(
			RuntimeOrigin::signed(account(2)),
			ZONE,
			slot,
			Side::Ask,
			50_000,
			400
		));
		NowSeconds::set(6_060);
		idle(Weight::MAX);
		// The second is more than what is left.
		System::assert_has_event(
			Event::StandingOrderSkipped {
				zone: ZONE,
				slot: Slot(103),
				id: ID,
				error: Error::<Test>::AllowanceUsedUp.into(),
			}
			.into(),
		);
		NowSeconds::set(6_110);
		idle(Weight::MAX);
		// 400 Wh were bought at 0.10: 40,000 and a fee of 1,201. With the rest that came back there
		// is enough for the next slot again, whose turn it is in the same block.
		assert_eq!(orders_in(104), 1);
		assert_eq!(held(1), 41_201 + 103_001);
		assert_eq!(budget(), 150_000 - 41_201 - 103_001);
	});
}

#[test]
fn owner_ends_it_and_nobody_else() {
	run(|| {
		assert_ok!(stand(1, order(102), 110, 150_000));
		let end =
			|who| EnergyMarket::cancel_standing(RuntimeOrigin::signed(account(who)), ZONE, ID);
		assert_noop!(end(2), Error::<Test>::NotYourOrder);
		assert_ok!(end(1));
		assert_noop!(end(1), Error::<Test>::StandingOrderUnknown);
		idle(Weight::MAX);
		assert_eq!(orders_in(102), 0);
	});
}

#[test]
fn skipped_when_the_money_is_missing_and_stays_for_the_next_slot() {
	run(|| {
		let large = OrderRequest { energy_wh: 1_000_000, price: 500_000, ..order(102) };
		assert_ok!(stand(1, large, 110, Balance::MAX));
		assert_ok!(stand(1, large, 110, Balance::MAX));
		idle(Weight::MAX);
		assert_eq!(orders_in(102), 1, "there is money for one");
		System::assert_has_event(
			Event::StandingOrderSkipped {
				zone: ZONE,
				slot: Slot(102),
				id: StandingId(1),
				error: Error::<Test>::NotEnoughMoney.into(),
			}
			.into(),
		);
		assert_eq!(StandingOrders::<Test>::iter().count(), 2);
	});
}

#[test]
fn many_are_placed_over_many_blocks() {
	run(|| {
		use crate::WeightInfo;
		type W = crate::weights::ReckonedWeight<Test>;
		for who in [1, 2] {
			assert_ok!(stand(who, order(102), 110, 150_000));
			assert_ok!(stand(who, order(102), 110, 150_000));
		}
		for placed in 1..=4 {
			idle(W::work_base() + W::look_at_renewal() + W::renew_order());
			assert_eq!(orders_in(102), placed);
		}
		idle(Weight::MAX);
		assert_eq!(orders_in(102), 4);
	});
}

#[test]
fn is_refused_when_it_makes_no_sense_or_there_are_too_many() {
	run(|| {
		let refused = |order, last, error: Error<Test>| {
			assert_noop!(stand(1, order, last, 1), error);
		};
		refused(order(105), 104, Error::StandingSlotsInvalid);
		refused(order(90), 100, Error::StandingSlotsInvalid);
		let expires_seconds = Some(7_000);
		refused(OrderRequest { expires_seconds, ..order(102) }, 110, Error::StandingSlotsInvalid);
		refused(OrderRequest { price: 1, ..order(102) }, 110, Error::PriceNotOnGrid);
		refused(OrderRequest { energy_wh: 0, ..order(102) }, 110, Error::NoEnergy);
		refused(OrderRequest { energy_wh: 1_000_001, ..order(102) }, 110, Error::TooMuchEnergy);
		refused(OrderRequest { minimum_wh: 1_001, ..order(102) }, 110, Error::MinimumTooLarge);
		for who in [1, 1, 2, 2] {
			assert_ok!(stand(who, order(102), 110, 1));
		}
		refused(order(102), 110, Error::TooManyStandingOrders);
		assert_noop!(stand(3, order(102), 110, 1), Error::<Test>::TooManyStandingOrders);
	});
}
