//! Placing and cancelling.

use crate::{mock::*, Books, Depth, Error, Event, OpenBooks};
use energy_primitives::{OrderIndex, Side, Slot, ZoneId};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;

fn place_as(
	who: crate::mock::AccountId,
	zone: ZoneId,
	slot: Slot,
	price: u64,
	energy_wh: u64,
) -> DispatchResult {
	EnergyMarket::place(RuntimeOrigin::signed(who), zone, slot, Side::Bid, price, energy_wh)
}

mod place {
	use super::*;

	#[test]
	fn bid_is_in_the_book_and_holds_its_cost_with_the_fee() {
		run(|| {
			assert_ok!(place(1, Side::Bid, 120_000, 1_501));
			// ceil(1501 * 120000 / 1000) + ceil(1501 * 3001 / 1000) = 180120 + 4505.
			assert_eq!(held(1), 184_625);
			let book = Books::<Test>::get(ZONE, SLOT).unwrap();
			assert_eq!((book.bid_wh, book.ask_wh, book.next_order), (1_501, 0, 1));
			assert_eq!(Depth::<Test>::get((ZONE, SLOT), (Side::Bid, 0)).energy_at(7), 1_501);
			System::assert_has_event(
				Event::OrderPlaced {
					zone: ZONE,
					slot: SLOT,
					index: OrderIndex(0),
					account: account(1),
					side: Side::Bid,
					price: 120_000,
					energy_wh: 1_501,
					minimum_wh: 0,
					expires_seconds: None,
					standing: None,
					held: 184_625,
				}
				.into(),
			);
		});
	}

	#[test]
	fn ask_holds_a_bond_at_the_shortage_price() {
		run(|| {
			assert_ok!(place(1, Side::Ask, 120_000, 1_501));
			assert_eq!(held(1), 900_600);
		});
	}

	#[test]
	fn orders_of_one_price_add_up() {
		run(|| {
			assert_ok!(place(1, Side::Ask, 50_000, 10));
			assert_ok!(place(2, Side::Ask, 50_000, 20));
			assert_eq!(Depth::<Test>::get((ZONE, SLOT), (Side::Ask, 0)).energy_at(0), 30);
			let depth = EnergyMarket::depth(ZONE, SLOT);
			assert_eq!(depth.len(), 1);
			assert_eq!((depth[0].price, depth[0].bid_wh, depth[0].ask_wh), (50_000, 0, 30));
			let orders = EnergyMarket::orders(ZONE, SLOT, Some(&account(2)), OrderIndex(0), 9);
			assert_eq!(orders.len(), 1);
			assert_eq!((orders[0].index, orders[0].energy_wh), (OrderIndex(1), 20));
		});
	}

	#[test]
	fn open_slot_keeps_its_terms_when_the_zone_gets_new_ones() {
		run(|| {
			assert_ok!(place(1, Side::Bid, 120_000, 1_000));
			let mut dear = terms();
			dear.grid_fee = 900_000;
			assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, dear.clone()));
			assert_ok!(place(2, Side::Bid, 120_000, 1_000));
			assert_eq!(held(1), held(2));
			let later = Slot(SLOT.0 + 1);
			assert_ok!(place_as(account(3), ZONE, later, 120_000, 1_000));
			assert_eq!(held(3), 120_000 + 900_000);
		});
	}

	#[test]
	fn is_refused_when_zone_is_unknown() {
		run(|| {
			assert_noop!(
				place_as(account(1), ZoneId(9), SLOT, 120_000, 1),
				Error::<Test>::ZoneUnknown
			);
		});
	}

	#[test]
	fn is_refused_when_zone_has_no_terms() {
		run(|| {
			assert_noop!(
				place_as(elsewhere(), BARE_ZONE, SLOT, 120_000, 1),
				Error::<Test>::ZoneWithoutTerms
			);
		});
	}

	#[test]
	fn is_refused_when_account_belongs_to_another_zone() {
		run(|| {
			assert_noop!(place_as(elsewhere(), ZONE, SLOT, 120_000, 1), Error::<Test>::OtherZone);
		});
	}

	#[test]
	fn is_refused_when_account_is_no_trader_or_suspended() {
		run(|| {
			for who in [regulator(), suspended()] {
				assert_noop!(place_as(who, ZONE, SLOT, 120_000, 1), Error::<Test>::NotATrader);
			}
		});
	}

	#[test]
	fn is_refused_when_zone_is_halted() {
		run(|| {
			assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), ZONE));
			assert_noop!(place(1, Side::Bid, 120_000, 1), Error::<Test>::ZoneHalted);
		});
	}

	#[test]
	fn is_taken_until_the_second_before_the_gate_closes() {
		run(|| {
			NowSeconds::set(6_049);
			assert_ok!(place(1, Side::Bid, 120_000, 1));
			NowSeconds::set(6_050);
			assert_noop!(place(1, Side::Bid, 120_000, 1), Error::<Test>::GateClosed);
			assert_noop!(
				place_as(account(1), ZONE, Slot(1), 120_000, 1),
				Error::<Test>::GateClosed
			);
		});
	}

	#[test]
	fn is_refused_when_slot_is_too_far_ahead() {
		run(|| {
			assert_ok!(place_as(account(1), ZONE, Slot(110), 120_000, 1));
			assert_noop!(
				place_as(account(1), ZONE, Slot(111), 120_000, 1),
				Error::<Test>::SlotTooFarAhead
			);
		});
	}

	#[test]
	fn is_refused_when_price_is_off_the_grid() {
		run(|| {
			for price in [0, 49_999, 40_000, 125_000, 510_000, u64::MAX] {
				assert_noop!(place(1, Side::Bid, price, 1), Error::<Test>::PriceNotOnGrid);
			}
			assert_ok!(place(1, Side::Bid, 50_000, 1));
			assert_ok!(place(1, Side::Bid, 500_000, 1));
		});
	}

	#[test]
	fn is_refused_when_energy_is_zero_or_too_much() {
		run(|| {
			assert_noop!(place(1, Side::Bid, 120_000, 0), Error::<Test>::NoEnergy);
			assert_noop!(place(1, Side::Bid, 120_000, 1_000_001), Error::<Test>::TooMuchEnergy);
			assert_ok!(place(1, Side::Bid, 120_000, 1_000_000));
		});
	}

	#[test]
	fn is_refused_when_money_is_missing() {
		run(|| {
			assert_noop!(
				place_as(penniless(), ZONE, SLOT, 120_000, 1),
				Error::<Test>::NotEnoughMoney
			);
			// 1 MWh at 0.50: 500 and the fee; the second such order is one too many.
			assert_ok!(place(1, Side::Bid, 500_000, 1_000_000));
			assert_noop!(place(1, Side::Bid, 500_000, 1_000_000), Error::<Test>::NotEnoughMoney);
		});
	}

	#[test]
	fn is_refused_when_book_is_full() {
		run(|| {
			for _ in 0..100 {
				assert_ok!(place(1, Side::Bid, 120_000, 1));
			}
			assert_noop!(place(1, Side::Bid, 120_000, 1), Error::<Test>::BookFull);
		});
	}

	#[test]
	fn is_refused_when_too_many_books_are_open() {
		run(|| {
			for slot in 101..104 {
				assert_ok!(place_as(account(1), ZONE, Slot(slot), 120_000, 1));
			}
			assert_noop!(
				place_as(account(1), ZONE, Slot(104), 120_000, 1),
				Error::<Test>::TooManyOpenBooks
			);
		});
	}
}

mod cancel {
	use super::*;

	fn cancel(who: u8, index: u32) -> DispatchResult {
		EnergyMarket::cancel(RuntimeOrigin::signed(account(who)), ZONE, SLOT, OrderIndex(index))
	}

	#[test]
	fn frees_the_money_and_leaves_the_book() {
		run(|| {
			assert_ok!(place(1, Side::Bid, 120_000, 1_000));
			assert_ok!(place(1, Side::Bid, 120_000, 500));
			assert_ok!(cancel(1, 0));
			assert_eq!(held(1), 60_000 + 1_501);
			assert_eq!(Books::<Test>::get(ZONE, SLOT).unwrap().bid_wh, 500);
			assert!(EnergyMarket::order(ZONE, SLOT, OrderIndex(0)).is_none());
			System::assert_has_event(
				Event::OrderCancelled { zone: ZONE, slot: SLOT, index: OrderIndex(0) }.into(),
			);
		});
	}

	#[test]
	fn is_refused_when_order_is_unknown_or_already_cancelled() {
		run(|| {
			assert_noop!(cancel(1, 0), Error::<Test>::OrderUnknown);
			assert_ok!(place(1, Side::Bid, 120_000, 1_000));
			assert_ok!(cancel(1, 0));
			assert_noop!(cancel(1, 0), Error::<Test>::OrderUnknown);
		});
	}

	#[test]
	fn is_refused_when_order_is_another_accounts() {
		run(|| {
			assert_ok!(place(1, Side::Bid, 120_000, 1_000));
			assert_noop!(cancel(2, 0), Error::<Test>::NotYourOrder);
		});
	}

	#[test]
	fn is_refused_when_gate_is_closed_unless_the_zone_is_halted() {
		run(|| {
			assert_ok!(place(1, Side::Bid, 120_000, 1_000));
			NowSeconds::set(6_050);
			assert_noop!(cancel(1, 0), Error::<Test>::GateClosed);
			assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), ZONE));
			assert_ok!(cancel(1, 0));
			assert_eq!(held(1), 0);
			assert_eq!(OpenBooks::<Test>::get().len(), 1);
		});
	}
}
