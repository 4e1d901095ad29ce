//! Terms, halting and resuming.

use crate::{mock::*, Error, Event, Halted, Terms};
use energy_primitives::{HaltReason, MarketTerms, ZoneId};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;

fn set(terms: MarketTerms) -> DispatchResult {
	EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, terms)
}

#[test]
fn terms_are_set_by_the_council_and_by_the_zones_utility() {
	run(|| {
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::signed(utility())] {
			let mut new = terms();
			new.grid_fee += 1;
			assert_ok!(EnergyMarket::set_terms(origin, ZONE, new.clone()));
			assert_eq!(Terms::<Test>::get(ZONE), Some(new.clone()));
			System::assert_last_event(Event::TermsSet { zone: ZONE, terms: new }.into());
		}
	});
}

#[test]
fn terms_are_refused_when_set_by_others_or_for_an_unknown_zone() {
	run(|| {
		for who in [account(1), regulator()] {
			assert_noop!(
				EnergyMarket::set_terms(RuntimeOrigin::signed(who), ZONE, terms()),
				Error::<Test>::NotAllowed
			);
		}
		assert_noop!(
			EnergyMarket::set_terms(RuntimeOrigin::signed(utility()), BARE_ZONE, terms()),
			Error::<Test>::NotAllowed
		);
		assert_noop!(
			EnergyMarket::set_terms(RuntimeOrigin::root(), ZoneId(9), terms()),
			Error::<Test>::ZoneUnknown
		);
	});
}

#[test]
fn terms_are_refused_when_prices_make_no_sense() {
	run(|| {
		for (tick_count, tick_size, price_floor) in
			[(0, 1, 0), (201, 1, 0), (1, 0, 0), (200, u64::MAX, 0), (2, 1, u64::MAX)]
		{
			assert_noop!(
				set(MarketTerms { tick_count, tick_size, price_floor, ..terms() }),
				Error::<Test>::TermsPricesInvalid
			);
		}
	});
}

#[test]
fn terms_are_refused_when_orders_could_have_no_size() {
	run(|| {
		assert_noop!(
			set(MarketTerms { max_order_wh: 0, ..terms() }),
			Error::<Test>::TermsOrderSizeInvalid
		);
	});
}

#[test]
fn terms_are_refused_when_the_gate_closes_more_than_a_week_ahead() {
	run(|| {
		assert_ok!(set(MarketTerms { gate_closure_seconds: 604_800, ..terms() }));
		assert_noop!(
			set(MarketTerms { gate_closure_seconds: 604_801, ..terms() }),
			Error::<Test>::TermsGateInvalid
		);
	});
}

#[test]
fn terms_are_refused_when_it_would_pay_not_to_deliver_or_not_to_take() {
	run(|| {
		assert_ok!(set(MarketTerms { shortage_price: 500_000, surplus_price: 50_000, ..terms() }));
		assert_noop!(
			set(MarketTerms { shortage_price: 499_999, ..terms() }),
			Error::<Test>::TermsRewardImbalance
		);
		assert_noop!(
			set(MarketTerms { surplus_price: 50_001, ..terms() }),
			Error::<Test>::TermsRewardImbalance
		);
	});
}

#[test]
fn terms_are_refused_when_a_part_is_more_than_the_whole_or_there_is_no_bond() {
	run(|| {
		for bad in [
			MarketTerms { bond_ppm: 0, ..terms() },
			MarketTerms { bond_ppm: 1_000_001, ..terms() },
			MarketTerms { grid_fee_ppm: 1_000_001, ..terms() },
			MarketTerms { tolerance_ppm: 1_000_001, ..terms() },
		] {
			assert_noop!(set(bad), Error::<Test>::TermsPartsInvalid);
		}
		assert_ok!(set(MarketTerms { bond_ppm: 1, tolerance_ppm: 1_000_000, ..terms() }));
	});
}

#[test]
fn market_is_halted_and_resumed_by_the_council_and_the_regulator() {
	run(|| {
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::signed(regulator())] {
			assert_ok!(EnergyMarket::halt(origin.clone(), ZONE));
			assert_eq!(Halted::<Test>::get(ZONE), Some(HaltReason::Ordered));
			assert_noop!(EnergyMarket::halt(origin.clone(), ZONE), Error::<Test>::ZoneHalted);
			assert_ok!(EnergyMarket::resume(origin.clone(), ZONE));
			System::assert_last_event(Event::ZoneResumed { zone: ZONE }.into());
			assert_noop!(EnergyMarket::resume(origin, ZONE), Error::<Test>::ZoneNotHalted);
		}
		assert_noop!(
			EnergyMarket::halt(RuntimeOrigin::root(), ZoneId(9)),
			Error::<Test>::ZoneUnknown
		);
	});
}

#[test]
fn market_is_not_halted_or_resumed_by_others() {
	run(|| {
		let utility = || RuntimeOrigin::signed(utility());
		assert_noop!(EnergyMarket::halt(utility(), ZONE), Error::<Test>::NotAllowed);
		assert_noop!(EnergyMarket::resume(utility(), ZONE), Error::<Test>::NotAllowed);
	});
}
