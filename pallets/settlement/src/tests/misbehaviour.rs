//! A contract that answers wrongly stops its zone, and nothing is lost.

use crate::{mock::*, Jobs, Pot};
use energy_primitives::{HaltReason, Side, SlotState};
use frame_support::assert_ok;

/// Trades, lets the contract misbehave, checks that nothing moved and that the market goes on
/// when an honest contract has taken its place.
fn halts_with(behaviour: Behaviour, reason: HaltReason) {
	run(|| {
		for who in 1..4 {
			place(who, Side::Ask, 150_000, 500);
			place(who + 10, Side::Bid, 150_000, 500);
			reads(who, 0, 500);
			reads(who + 10, 500, 0);
		}
		let held = 300_000 + 75_000 + 1_501;
		Policy::set(behaviour);
		settle();
		assert_eq!(pallet_energy_market::Halted::<Test>::get(ZONE), Some(reason));
		assert_eq!(free(1) + free(11), 2 * MONEY - held, "everything is still held");
		assert_eq!((pot(Pot::Fees), pot(Pot::Imbalance)), (0, POT));
		let calls = PolicyCalls::get().len();
		settle();
		assert_eq!(PolicyCalls::get().len(), calls, "a halted zone asks nobody");

		Policy::set(Behaviour::Honest);
		assert_ok!(EnergyMarket::resume(RuntimeOrigin::root(), ZONE));
		settle();
		let book = pallet_energy_market::Books::<Test>::get(ZONE, SLOT).unwrap();
		assert_eq!(book.state, SlotState::Settled);
		assert_eq!(Jobs::<Test>::iter().count(), 0);
		assert_eq!((free(1), free(11)), (MONEY + 75_000, MONEY - 75_000 - 1_501));
		assert_eq!(pot(Pot::Imbalance), POT);
	});
}

#[test]
fn zone_is_halted_when_the_contract_fails() {
	halts_with(Behaviour::Fails, HaltReason::PolicyFailed);
}

#[test]
fn zone_is_halted_when_the_answer_is_unreadable() {
	halts_with(Behaviour::Unreadable, HaltReason::PolicyAnswerUnreadable);
}

#[test]
fn zone_is_halted_when_a_flow_is_missing() {
	halts_with(Behaviour::OneFlowTooFew, HaltReason::PolicyAnswerUnreadable);
}

#[test]
fn zone_is_halted_when_a_seller_would_get_one_minor_unit_too_much() {
	halts_with(Behaviour::AddsEnergy(1), HaltReason::PolicyOverpaysParticipant);
}

#[test]
fn zone_is_halted_when_a_buyer_would_get_more_than_its_surplus_is_worth() {
	// 500 Wh at the clearing price, the dearest that a surplus can have here, and one more.
	halts_with(Behaviour::AddsImbalance(75_001), HaltReason::PolicyOverpaysParticipant);
}

#[test]
fn zone_is_halted_when_someone_would_pay_more_than_is_held() {
	halts_with(Behaviour::AddsFee(375_001), HaltReason::PolicyOverchargesParticipant);
	halts_with(Behaviour::AddsFee(u128::MAX / 4), HaltReason::PolicyOverchargesParticipant);
}

#[test]
fn zone_is_halted_when_someone_would_pay_more_than_the_terms_say() {
	// One minor unit: within what is held, for the grid, and out of a seller's bond.
	halts_with(Behaviour::AddsFee(1), HaltReason::PolicyOverchargesParticipant);
	// Who has sold nothing owes nothing for imbalance.
	halts_with(Behaviour::AddsImbalance(-300_001), HaltReason::PolicyOverchargesParticipant);
}

#[test]
fn zone_is_halted_when_the_flows_of_the_slot_do_not_sum_to_zero() {
	// The contract cheats the first seller of each of two pages.
	halts_with(Behaviour::AddsEnergy(-1_000), HaltReason::PolicyNotConserving);
}

#[test]
fn zone_is_halted_when_it_has_no_contract() {
	run(|| {
		place(1, Side::Ask, 150_000, 500);
		place(2, Side::Bid, 150_000, 500);
		let without = energy_primitives::MarketTerms { policy: None, ..terms() };
		assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), ZONE, without));
		settle();
		assert_eq!(
			pallet_energy_market::Halted::<Test>::get(ZONE),
			Some(HaltReason::PolicyMissing)
		);
	});
}

#[test]
fn zone_is_halted_when_the_imbalance_pot_is_short_and_goes_on_when_it_is_filled() {
	run(|| {
		place(1, Side::Ask, 150_000, 1_000_000);
		place(2, Side::Bid, 150_000, 1_000_000);
		reads(1, 0, 1_000_000);
		let empty = |to: u8, amount| {
			use frame_support::traits::{fungible::Mutate, tokens::Preservation};
			type Currency = <Test as crate::Config>::Currency;
			let pot = crate::Pallet::<Test>::pot(ZONE, Pot::Imbalance);
			let (from, to) = if to == 0 { (account(30), pot) } else { (pot, account(to)) };
			assert_ok!(Currency::transfer(&from, &to, amount, Preservation::Expendable));
		};
		empty(30, POT - 20_000_999);
		settle();
		assert_eq!(
			pallet_energy_market::Halted::<Test>::get(ZONE),
			Some(HaltReason::ImbalancePotShort)
		);
		empty(0, 1);
		assert_ok!(EnergyMarket::resume(RuntimeOrigin::root(), ZONE));
		settle();
		assert_eq!(pot(Pot::Imbalance), 0);
		assert_eq!(free(2), MONEY - 150_000_000 - 3_001_000 + 20_001_000);
	});
}
