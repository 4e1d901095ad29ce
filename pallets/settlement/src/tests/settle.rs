//! What everyone pays and receives when the policy is honest.

use crate::{
	mock::*, weights::ReckonedWeight, Bills, Event, Jobs, Pallet, Pass, Pending, Pot, Sums,
	WeightInfo,
};
use energy_primitives::{
	Agreed, Bill, CashFlow, Measured, Quality, Side, Slot, SlotState, POSITIONS_PER_PAGE,
};

fn state(slot: Slot) -> SlotState {
	pallet_energy_market::Books::<Test>::get(ZONE, slot).unwrap().state
}

/// Home 1 sells 1,000 Wh, homes 2 and 3 buy 600 and 400 Wh, at 0.15 per kWh.
fn trade() {
	place(1, Side::Ask, 150_000, 1_000);
	place(2, Side::Bid, 150_000, 600);
	place(3, Side::Bid, 150_000, 400);
}

#[test]
fn promises_are_told_when_the_slot_is_settled_and_no_sooner() {
	use energy_primitives::{SettledPromise, SettledPromises};
	run(|| {
		trade();
		for home in 1..=3 {
			reads(home, 0, 0);
		}
		let promises = |page| -> Vec<SettledPromise<AccountId>> {
			<Settlement as SettledPromises<_>>::promises(ZONE, SLOT, page)
		};
		assert_eq!(promises(0), []);
		settle();
		let promise = |home, bought_wh, sold_wh| SettledPromise {
			account: account(home),
			bought_wh,
			sold_wh,
		};
		assert_eq!(promises(0), [promise(1, 0, 1_000), promise(2, 600, 0), promise(3, 400, 0)]);
		assert_eq!(promises(1), []);
	});
}

#[test]
fn everyone_pays_for_what_it_promised_when_all_is_delivered() {
	run(|| {
		trade();
		reads(1, 0, 1_200);
		reads(2, 600, 0);
		reads(3, 900, 0);
		settle();
		assert_eq!(free(1), MONEY + 150_000);
		// 600 * 3001 / 1000 = 1800.6 and 400 * 3001 / 1000 = 1200.4, rounded up.
		assert_eq!(free(2), MONEY - 90_000 - 1_801);
		assert_eq!(free(3), MONEY - 60_000 - 1_201);
		assert_eq!(pot(Pot::Fees), 3_002);
		assert_eq!(pot(Pot::Imbalance), POT);
		assert_eq!(state(SLOT), SlotState::Settled);
		let bill = Bill {
			bought_wh: 600,
			sold_wh: 0,
			agreed: Agreed::default(),
			measured: Measured { import_wh: 600, export_wh: 0, quality: Quality::Valid },
			flow: CashFlow { energy: -90_000, imbalance: 0, grid_fee: 1_801 },
		};
		assert_eq!(Settlement::bill(ZONE, SLOT, &account(2)), Some(bill));
		System::assert_has_event(
			Event::Billed { zone: ZONE, slot: SLOT, account: account(2), bill }.into(),
		);
		System::assert_has_event(
			Event::SlotSettled {
				zone: ZONE,
				slot: SLOT,
				collected: 153_002,
				paid: 150_000,
				grid_fees: 3_002,
				imbalance: 0,
			}
			.into(),
		);
		assert_eq!(PolicyCalls::get(), [3]);
	});
}

#[test]
fn seller_that_delivers_too_little_pays_the_shortage_price() {
	run(|| {
		trade();
		reads(1, 0, 699);
		reads(2, 600, 0);
		reads(3, 400, 0);
		settle();
		// 301 Wh short at 0.60.
		assert_eq!(free(1), MONEY + 150_000 - 180_600);
		assert_eq!(pot(Pot::Imbalance), POT + 180_600);
	});
}

#[test]
fn buyer_that_takes_too_little_is_paid_the_surplus_price() {
	run(|| {
		trade();
		reads(1, 0, 1_000);
		reads(2, 500, 1);
		reads(3, 400, 0);
		settle();
		// 101 Wh not taken at 0.020001: 2020.101, rounded down.
		assert_eq!(free(2), MONEY - 90_000 - 1_801 + 2_020);
		assert_eq!(pot(Pot::Imbalance), POT - 2_020);
	});
}

#[test]
fn silent_meter_is_settled_by_its_estimate_and_the_bill_says_so() {
	run(|| {
		trade();
		reads(1, 0, 1_000);
		reads(3, 400, 0);
		settle();
		let bill = Settlement::bill(ZONE, SLOT, &account(2)).unwrap();
		assert_eq!(bill.measured.quality, Quality::Estimated);
		assert_eq!(bill.flow.imbalance, 12_000);
	});
}

#[test]
fn all_meters_of_an_account_count() {
	run(|| {
		place(1, Side::Ask, 150_000, 1_000);
		place(9, Side::Bid, 150_000, 1_000);
		reads(1, 0, 1_000);
		reads(9, 400, 0);
		reads(10, 600, 0);
		settle();
		let bill = Settlement::bill(ZONE, SLOT, &account(9)).unwrap();
		assert_eq!(bill.measured.import_wh, 1_000);
		assert_eq!(bill.flow.imbalance, 0);
	});
}

#[test]
fn account_without_meter_delivers_nothing() {
	run(|| {
		place(20, Side::Ask, 150_000, 1_000);
		place(2, Side::Bid, 150_000, 1_000);
		reads(2, 1_000, 0);
		settle();
		assert_eq!(free(20), MONEY + 150_000 - 600_000);
	});
}

#[test]
fn account_that_bought_and_sold_is_netted() {
	run(|| {
		place(1, Side::Ask, 100_000, 500);
		place(1, Side::Bid, 200_000, 800);
		place(2, Side::Ask, 100_000, 300);
		reads(1, 300, 0);
		reads(2, 0, 300);
		settle();
		let bill = Settlement::bill(ZONE, SLOT, &account(1)).unwrap();
		assert_eq!((bill.bought_wh, bill.sold_wh), (800, 500));
		assert_eq!(bill.flow.energy, -45_000);
		assert_eq!(bill.flow.imbalance, 0);
	});
}

#[test]
fn nothing_happens_until_the_meters_are_final() {
	run(|| {
		trade();
		MetersAreFinal::set(false);
		settle();
		assert_eq!(state(SLOT), SlotState::Cleared);
		assert_eq!(PolicyCalls::get(), Vec::<usize>::new());
		MetersAreFinal::set(true);
		settle();
		assert_eq!(state(SLOT), SlotState::Settled);
	});
}

#[test]
fn many_positions_are_settled_page_by_page_over_many_blocks() {
	run(|| {
		place(1, Side::Ask, 150_000, 1_000);
		for who in 100..140 {
			place(who, Side::Bid, 150_000, 25);
			reads(who, 25, 0);
		}
		reads(1, 0, 1_000);
		NowSeconds::set(6_050);
		use frame_support::traits::Hooks;
		EnergyMarket::on_idle(1, frame_support::weights::Weight::MAX);
		type W = ReckonedWeight<Test>;
		let dearest = [Pass::Measure, Pass::Ask, Pass::Pay]
			.into_iter()
			.map(|pass| Pallet::<Test>::most(pass, POSITIONS_PER_PAGE))
			.fold(frame_support::weights::Weight::zero(), |most, one| most.max(one));
		let little = W::work_base() + W::look_at_job() + dearest;
		let mut blocks = 0;
		while state(SLOT) != SlotState::Settled {
			Settlement::on_idle(1, little);
			Pallet::<Test>::do_try_state().unwrap();
			assert_eq!(all_money(), ALL_MONEY);
			if state(SLOT) != SlotState::Settled {
				assert_eq!(Settlement::bill(ZONE, SLOT, &account(100)), None, "not final yet");
			}
			blocks += 1;
			assert!(blocks < 100, "settlement must end");
		}
		assert!(blocks > 2);
		assert_eq!(PolicyCalls::get(), [32, 9]);
		assert_eq!(free(1), MONEY + 150_000);
		assert_eq!(Bills::<Test>::iter_prefix((ZONE, SLOT)).count(), 2);
		assert!(Settlement::bill(ZONE, SLOT, &account(139)).is_some());
	});
}

#[test]
fn waiting_slot_does_not_hold_up_another() {
	run(|| {
		trade();
		settle();
		let other = Slot(SLOT.0 + 1);
		place_in(other, 1, Side::Ask, 150_000, 10);
		place_in(other, 2, Side::Bid, 150_000, 10);
		NowSeconds::set(6_120);
		settle();
		assert_eq!(state(other), SlotState::Settled);
		assert!(Pending::<Test>::get().is_empty());
		assert_eq!(Jobs::<Test>::iter().count(), 0);
	});
}

#[test]
fn market_keeps_a_slot_back_when_too_many_are_pending() {
	run(|| {
		MetersAreFinal::set(false);
		for slot in 101..104 {
			place_in(Slot(slot), 1, Side::Ask, 150_000, 10);
			place_in(Slot(slot), 2, Side::Bid, 150_000, 10);
		}
		NowSeconds::set(6_500);
		settle();
		assert_eq!(Pending::<Test>::get().len(), 2);
		assert_eq!(state(Slot(103)), SlotState::Clearing);
		MetersAreFinal::set(true);
		settle();
		settle();
		assert_eq!(state(Slot(103)), SlotState::Settled);
	});
}

#[test]
fn bills_are_forgotten_after_the_retention() {
	run(|| {
		trade();
		settle();
		NowSeconds::set((u64::from(SLOT.0) + 6) * 60);
		settle();
		assert_eq!(Settlement::bill(ZONE, SLOT, &account(2)), None);
		assert_eq!(crate::Retired::<Test>::iter().count(), 0);
	});
}

#[test]
fn sums_of_a_job_start_at_zero_when_the_contract_is_asked_again() {
	let job = crate::Job::new(7);
	assert_eq!((job.pass, job.sums), (Pass::Wait, Sums::default()));
	assert_eq!((job.pages(3), job.positions_on(&(0..1)), job.page_count()), (0..1, 7, 1));
}
