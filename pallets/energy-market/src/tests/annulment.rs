//! Slots that are called off: everyone has everything back.

use crate::{mock::*, Books, Error, Event, OpenBooks, Orders, ENTRIES_PER_PAGE};
use energy_primitives::{ClearedMarket, Side, SlotState, SETTLEMENT_ASSET};
use frame_support::{assert_noop, assert_ok, weights::Weight};
use sp_runtime::DispatchResult;

fn annul() -> DispatchResult {
	EnergyMarket::annul(RuntimeOrigin::signed(regulator()), ZONE, SLOT)
}

fn halt() {
	assert_ok!(EnergyMarket::halt(RuntimeOrigin::signed(regulator()), ZONE));
}

fn state() -> SlotState {
	Books::<Test>::get(ZONE, SLOT).unwrap().state
}

fn trade() {
	assert_ok!(place(1, Side::Ask, 100_000, 1_000));
	assert_ok!(place(2, Side::Bid, 100_000, 700));
	assert_ok!(place(3, Side::Bid, 90_000, 700));
}

fn everyone_has_everything() {
	assert_eq!(state(), SlotState::Annulled);
	for who in 1..4 {
		assert_eq!(Assets::balance(SETTLEMENT_ASSET, account(who)), MONEY);
	}
	assert_eq!(Orders::<Test>::iter().count(), 0);
	assert!(OpenBooks::<Test>::get().is_empty());
	System::assert_has_event(Event::SlotAnnulled { zone: ZONE, slot: SLOT }.into());
}

#[test]
fn open_slot_is_called_off_while_the_zone_is_halted() {
	run(|| {
		trade();
		halt();
		assert_ok!(annul());
		System::assert_last_event(Event::SlotAnnulling { zone: ZONE, slot: SLOT }.into());
		idle(Weight::MAX);
		everyone_has_everything();
		assert!(ClearedSlots::get().is_empty());
	});
}

#[test]
fn cleared_slot_is_called_off_and_settlement_forgets_it() {
	run(|| {
		trade();
		clear();
		assert_eq!(ClearedSlots::get().len(), 1);
		halt();
		assert_ok!(annul());
		idle(Weight::MAX);
		everyone_has_everything();
		assert!(ClearedSlots::get().is_empty());
	});
}

#[test]
fn slot_being_cleared_is_called_off_in_many_blocks() {
	run(|| {
		use crate::WeightInfo;
		type W = crate::weights::ReckonedWeight<Test>;
		trade();
		for _ in 0..97 {
			assert_ok!(place(4, Side::Bid, 80_000, 1));
		}
		NowSeconds::set(6_050);
		let page = W::fill_orders(ENTRIES_PER_PAGE)
			+ W::change_accounts(ENTRIES_PER_PAGE)
			+ W::return_money() * u64::from(ENTRIES_PER_PAGE);
		idle(W::work_base() + W::look_at_book() + W::find_price(0) + page);
		assert_eq!(state(), SlotState::Clearing);
		halt();
		assert_ok!(annul());
		let mut blocks = 0;
		while state() != SlotState::Annulled {
			idle(W::work_base() + W::look_at_book() + page);
			crate::Pallet::<Test>::do_try_state().unwrap();
			blocks += 1;
			assert!(blocks < 20, "it must end");
		}
		assert!(blocks > 1);
		everyone_has_everything();
	});
}

#[test]
fn is_refused_when_zone_goes_on_or_slot_is_over_or_unknown() {
	run(|| {
		trade();
		assert_noop!(annul(), Error::<Test>::ZoneNotHalted);
		halt();
		let other = energy_primitives::Slot(102);
		assert_noop!(
			EnergyMarket::annul(RuntimeOrigin::root(), ZONE, other),
			Error::<Test>::SlotUnknown
		);
		assert_noop!(
			EnergyMarket::annul(RuntimeOrigin::signed(account(1)), ZONE, SLOT),
			Error::<Test>::NotAllowed
		);
		assert_ok!(annul());
		assert_noop!(annul(), Error::<Test>::SlotUnknown);
		idle(Weight::MAX);
		assert_noop!(annul(), Error::<Test>::SlotUnknown);
	});
}

#[test]
fn is_refused_when_money_has_moved() {
	run(|| {
		trade();
		clear();
		<EnergyMarket as ClearedMarket<crate::mock::AccountId>>::settling(ZONE, SLOT);
		halt();
		SettlementTakesMore::set(false);
		assert_noop!(annul(), Error::<Test>::TooLateToAnnul);
		SettlementTakesMore::set(true);
		assert_ok!(annul());
	});
}
