//! From the gate to positions.

use crate::{
	mock::*, weights::ReckonedWeight, Books, Event, OpenBooks, Pallet, WeightInfo, ENTRIES_PER_PAGE,
};
use energy_primitives::{
	ClearedMarket, ClearingResult, HaltReason, MarketTerms, OrderIndex, Position, Side, SlotState,
	SETTLEMENT_ASSET,
};
use frame_support::{assert_noop, assert_ok, storage::with_storage_layer, weights::Weight};

fn position(index: u32) -> Option<Position<crate::mock::AccountId>> {
	EnergyMarket::position(ZONE, SLOT, index)
}

fn state() -> SlotState {
	Books::<Test>::get(ZONE, SLOT).unwrap().state
}

#[test]
fn marginal_bids_share_what_is_offered() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 1_000));
		assert_ok!(place(2, Side::Bid, 200_000, 700));
		assert_ok!(place(3, Side::Bid, 150_000, 400));
		assert_ok!(place(4, Side::Bid, 150_000, 500));
		assert_ok!(place(5, Side::Bid, 140_000, 900));
		clear();
		// 300 Wh are left for 900 Wh of bids at 0.15, which is the price.
		let result = ClearingResult { price: 150_000, volume_wh: 1_000, net_import_wh: 0 };
		assert_eq!(<EnergyMarket as ClearedMarket<_>>::result(ZONE, SLOT), Some(result));
		let positions: Vec<_> = (0..4).map(|index| position(index).unwrap()).collect();
		let energies: Vec<_> = positions.iter().map(|p| (p.bought_wh, p.sold_wh)).collect();
		assert_eq!(energies, [(0, 1_000), (700, 0), (133, 0), (167, 0)]);
		assert_eq!(position(4), None);
		assert_eq!(held(1), 600_000);
		// 700 Wh at 0.15 and the fee of ceil(700 * 3001 / 1000).
		assert_eq!(held(2), 105_000 + 2_101);
		assert_eq!(held(5), 0);
		assert_eq!(state(), SlotState::Cleared);
		assert_eq!(ClearedSlots::get(), [(ZONE, SLOT, 4)]);
		assert!(OpenBooks::<Test>::get().is_empty());
		System::assert_has_event(
			Event::GateClosed { zone: ZONE, slot: SLOT, result: Some(result) }.into(),
		);
		System::assert_has_event(
			Event::OrderFilled {
				zone: ZONE,
				slot: SLOT,
				index: OrderIndex(4),
				account: account(5),
				filled_wh: 0,
				released: 126_000 + 2_701,
			}
			.into(),
		);
	});
}

#[test]
fn cancelled_orders_leave_no_gap_in_the_shares() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		for who in 2..6 {
			assert_ok!(place(who, Side::Bid, 100_000, 100));
		}
		assert_ok!(EnergyMarket::cancel(
			RuntimeOrigin::signed(account(3)),
			ZONE,
			SLOT,
			OrderIndex(2)
		));
		clear();
		let bought: Vec<_> = (1..4).map(|index| position(index).unwrap().bought_wh).collect();
		assert_eq!(bought, [33, 33, 34]);
	});
}

#[test]
fn orders_of_one_account_make_one_position() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		assert_ok!(place(2, Side::Bid, 100_000, 30));
		assert_ok!(place(2, Side::Bid, 110_000, 70));
		clear();
		let position = position(1).unwrap();
		assert_eq!((position.account, position.bought_wh), (account(2), 100));
		assert_eq!(position.held, held(2));
		assert_eq!(Books::<Test>::get(ZONE, SLOT).unwrap().positions, 2);
	});
}

#[test]
fn everything_is_given_back_when_no_bid_reaches_an_offer() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 200_000, 100));
		assert_ok!(place(2, Side::Bid, 100_000, 100));
		clear();
		assert_eq!((held(1), held(2)), (0, 0));
		assert_eq!(state(), SlotState::Settled);
		assert_eq!(ClearedSlots::get(), []);
		System::assert_has_event(Event::GateClosed { zone: ZONE, slot: SLOT, result: None }.into());
	});
}

#[test]
fn nothing_is_cleared_when_the_gate_is_open_or_the_zone_halted() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		NowSeconds::set(6_049);
		idle(Weight::MAX);
		assert_eq!(state(), SlotState::Open);
		assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), ZONE));
		clear();
		assert_eq!(state(), SlotState::Open);
		assert_ok!(EnergyMarket::resume(RuntimeOrigin::root(), ZONE));
		clear();
		assert_eq!(state(), SlotState::Settled);
	});
}

#[test]
fn clearing_goes_on_over_many_blocks_when_each_has_little_time() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 1_000));
		for who in 0..99 {
			assert_ok!(place(2 + who % 30, Side::Bid, 100_000, 20));
		}
		NowSeconds::set(6_050);
		type W = ReckonedWeight<Test>;
		let page = W::fill_orders(ENTRIES_PER_PAGE)
			+ W::change_accounts(ENTRIES_PER_PAGE)
			+ W::return_money() * u64::from(ENTRIES_PER_PAGE);
		let weight = W::work_base() + W::look_at_book() + W::find_price(0);
		assert!(idle(weight + page).all_lte(weight + page));
		assert_eq!(Books::<Test>::get(ZONE, SLOT).unwrap().cursor, ENTRIES_PER_PAGE);
		assert_eq!(state(), SlotState::Clearing);
		Pallet::<Test>::do_try_state().unwrap();
		let mut blocks = 0;
		while state() == SlotState::Clearing {
			idle(W::work_base() + W::look_at_book() + page);
			blocks += 1;
			assert!(blocks < 100, "clearing must end");
		}
		let bought: u64 = (1..31).map(|index| position(index).unwrap().bought_wh).sum();
		assert_eq!(bought, 1_000);
		assert!(blocks > 1);
	});
}

#[test]
fn slot_stays_uncleared_until_settlement_takes_it() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		assert_ok!(place(2, Side::Bid, 100_000, 100));
		SettlementTakesMore::set(false);
		clear();
		assert_eq!(state(), SlotState::Clearing);
		SettlementTakesMore::set(true);
		clear();
		assert_eq!(state(), SlotState::Cleared);
		assert_eq!(ClearedSlots::get(), [(ZONE, SLOT, 2)]);
	});
}

#[test]
fn a_block_has_time_for_a_market_of_the_largest_size() {
	run(|| {
		type W = ReckonedWeight<Test>;
		let needed = W::work_base() + W::look_at_book() + W::find_price(0);
		assert!(needed.all_lt(block_weight() / 4));
	});
}

#[test]
fn settlement_ends_positions_and_moves_money_between_accounts() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		assert_ok!(place(2, Side::Bid, 100_000, 100));
		clear();
		type Market = EnergyMarket;
		let before = held(2);
		assert_noop!(
			with_storage_layer(|| {
				<Market as ClearedMarket<_>>::finish(ZONE, SLOT, 0, &[0, -(before as i128) - 1])
			}),
			sp_runtime::ArithmeticError::Underflow
		);
		<Market as ClearedMarket<_>>::settling(ZONE, SLOT);
		assert_eq!(state(), SlotState::Settling);
		assert_eq!(<Market as ClearedMarket<_>>::finish(ZONE, SLOT, 0, &[900, -1_000]), Ok(2));
		assert_eq!(crate::InTransit::<Test>::get(), -100);
		assert_ok!(<Market as ClearedMarket<_>>::pay_in(&account(3), 50));
		assert_ok!(<Market as ClearedMarket<_>>::pay_out(&account(3), 150));
		assert_eq!(crate::InTransit::<Test>::get(), 0);
		assert_eq!((held(1), held(2)), (0, 0));
		assert!(<Market as ClearedMarket<_>>::finish(ZONE, SLOT, 0, &[0, 0]).is_err());
		<Market as ClearedMarket<_>>::settled(ZONE, SLOT);
		assert_eq!(state(), SlotState::Settled);
		let balances = [1, 2, 3].map(|who| Assets::balance(SETTLEMENT_ASSET, account(who)));
		assert_eq!(balances, [MONEY + 900, MONEY - 1_000, MONEY + 100]);
	});
}

#[test]
fn settled_book_is_forgotten_after_the_retention() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		clear();
		NowSeconds::set((u64::from(SLOT.0) + 5) * u64::from(SLOT_SECONDS));
		idle(Weight::MAX);
		assert!(Books::<Test>::contains_key(ZONE, SLOT));
		NowSeconds::set((u64::from(SLOT.0) + 6) * u64::from(SLOT_SECONDS));
		idle(Weight::MAX);
		assert!(!Books::<Test>::contains_key(ZONE, SLOT));
		assert_eq!(crate::Retired::<Test>::iter().count(), 0);
	});
}

#[test]
fn present_policy_is_used_for_slots_opened_under_an_older_one() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		let policy = Some(sp_core::H160::repeat_byte(9));
		let new = MarketTerms { policy, ..terms() };
		assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, new));
		assert_eq!(<EnergyMarket as ClearedMarket<crate::mock::AccountId>>::policy(ZONE), policy);
		<EnergyMarket as ClearedMarket<_>>::halt(ZONE, HaltReason::PolicyFailed);
		assert!(<EnergyMarket as ClearedMarket<crate::mock::AccountId>>::is_halted(ZONE));
	});
}
