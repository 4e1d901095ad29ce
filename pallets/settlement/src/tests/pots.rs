//! The pots of a zone.

use crate::{mock::*, Error, Event, Pallet, Pot};
use energy_primitives::{Side, ZoneId};
use frame_support::{assert_noop, assert_ok};

fn fees() {
	place(1, Side::Ask, 150_000, 1_000);
	place(2, Side::Bid, 150_000, 1_000);
	reads(1, 0, 1_000);
	reads(2, 1_000, 0);
	settle();
	assert_eq!(pot(Pot::Fees), 3_001);
}

#[test]
fn utility_takes_the_fees_of_its_zone() {
	run(|| {
		fees();
		assert_ok!(Settlement::withdraw_fees(RuntimeOrigin::signed(account(61)), ZONE, 3_000));
		assert_eq!((pot(Pot::Fees), free(61)), (1, 3_000));
		System::assert_last_event(
			Event::FeesWithdrawn { zone: ZONE, utility: account(61), amount: 3_000 }.into(),
		);
	});
}

#[test]
fn fees_stay_when_another_asks_or_asks_for_too_much() {
	run(|| {
		fees();
		let withdraw = |who, zone, amount| {
			Settlement::withdraw_fees(RuntimeOrigin::signed(account(who)), zone, amount)
		};
		assert_noop!(withdraw(1, ZONE, 1), Error::<Test>::NotTheUtility);
		assert_noop!(withdraw(61, ZoneId(2), 1), Error::<Test>::NotTheUtility);
		// The utility of zone 2 is suspended.
		assert_noop!(withdraw(62, ZoneId(2), 0), Error::<Test>::NotTheUtility);
		assert_noop!(withdraw(61, ZONE, 3_002), Error::<Test>::PotShort);
	});
}

#[test]
fn every_pot_of_every_zone_has_an_account_of_its_own() {
	let accounts: std::collections::BTreeSet<_> = [Pot::Fees, Pot::Imbalance]
		.into_iter()
		.flat_map(|pot| (0..5).map(move |zone| Pallet::<Test>::pot(ZoneId(zone), pot)))
		.collect();
	assert_eq!(accounts.len(), 10);
}
