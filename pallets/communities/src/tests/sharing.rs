//! Who gives, who takes, and who pays what.

use super::*;

/// A giver without a key, and two takers with the keys 60 % and 40 %.
fn neighbours() {
	create(Method::StaticKeys);
	join(FIRST, 1, 0);
	join(FIRST, 2, 600_000);
	join(FIRST, 3, 400_000);
}

#[test]
fn surplus_is_shared_by_keys_and_paid_to_the_minor_unit() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, 1_001);
		reads(SLOT, 2, 500, 0);
		reads(SLOT, 3, 900, 0);
		finish(SLOT);
		// Of 1,001 Wh, 600.6 are the second's, which needs 500 only.
		// 1001 * 150001 / 1000 = 150151.001, rounded down.
		let given = Share {
			given_wh: 1_001,
			taken_wh: 0,
			received: 150_151,
			paid: 0,
			grid_fee: 0,
			quality: Quality::Valid,
		};
		// 500 * 150001 / 1000 = 75000.5 and 500 * 20001 / 1000 = 10000.5, rounded up.
		let capped = Share {
			given_wh: 0,
			taken_wh: 500,
			received: 0,
			paid: 75_001,
			grid_fee: 10_001,
			..given
		};
		// 501 * 150001 / 1000 = 75150.501 and 501 * 20001 / 1000 = 10020.501, rounded up.
		let other = Share { taken_wh: 501, paid: 75_151, grid_fee: 10_021, ..capped };
		for (who, share) in [(1, given), (2, capped), (3, other)] {
			assert_eq!(share_of(SLOT, who), Some(share));
			let account = account(who);
			System::assert_has_event(
				Event::MemberShared { community: FIRST, slot: SLOT, account, share }.into(),
			);
		}
		System::assert_has_event(
			Event::CommunityShared {
				community: FIRST,
				slot: SLOT,
				volume_wh: 1_001,
				paid: 150_152,
				received: 150_151,
				grid_fees: 20_022,
				remainder: 1,
			}
			.into(),
		);
		assert_eq!((free(1), held(1)), (MONEY - DEPOSIT + 150_151, DEPOSIT));
		assert_eq!((free(2), held(2)), (MONEY - DEPOSIT, DEPOSIT - 85_002));
		assert_eq!((free(3), held(3)), (MONEY - DEPOSIT, DEPOSIT - 85_172));
		assert_eq!((fees(), imbalance()), (20_022, 1));
	});
}

#[test]
fn surplus_is_shared_in_proportion_to_need() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=4 {
			join(FIRST, who, 0);
		}
		reads(SLOT, 1, 0, 300);
		reads(SLOT, 2, 0, 100);
		reads(SLOT, 3, 600, 0);
		reads(SLOT, 4, 200, 0);
		finish(SLOT);
		assert_eq!(
			[1, 2, 3, 4].map(|who| energies(SLOT, who)),
			[(300, 0), (100, 0), (0, 300), (0, 100)]
		);
	});
}

#[test]
fn part_that_no_key_stands_for_is_not_shared() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		join(FIRST, 2, 250_000);
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 900, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 2), (0, 250));
	});
}

#[test]
fn what_the_market_settled_is_not_shared() {
	run(|| {
		neighbours();
		// Sold 800 of 1,001; bought 450 of 500; bought 100, took nothing, gave 30.
		reads(SLOT, 1, 0, 1_001);
		promises(SLOT, 1, 0, 800);
		reads(SLOT, 2, 500, 0);
		promises(SLOT, 2, 450, 0);
		reads(SLOT, 3, 0, 30);
		promises(SLOT, 3, 100, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 2), (0, 50), "50 of 500 were not bought");
		// 201 and 30 are left over, of which 50 are taken.
		assert_eq!([1, 3].map(|who| energies(SLOT, who)), [(43, 0), (7, 0)]);
	});
}

#[test]
fn promises_are_found_on_every_page_of_the_bills_and_noted_of_members_only() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 500, 0);
		// The bills of strangers fill the pages before and after.
		for stranger in 40..=250 {
			promises(SLOT, stranger, 1, 0);
		}
		promises(SLOT, 2, 450, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 2), (0, 50));
		let noted: Vec<_> = Promised::<Test>::iter_keys().collect();
		assert_eq!(noted, [(ZONE, account(2))]);
	});
}

#[test]
fn promise_of_an_earlier_slot_does_not_count() {
	run(|| {
		neighbours();
		promises(SLOT, 2, 450, 0);
		finish(SLOT);
		reads(SLOT.next(), 1, 0, 1_000);
		reads(SLOT.next(), 2, 500, 0);
		finish(SLOT.next());
		assert_eq!(energies(SLOT.next(), 2), (0, 500));
	});
}

#[test]
fn imbalance_is_not_shared() {
	run(|| {
		neighbours();
		// The first sold more than it gave, the second bought more than it took.
		reads(SLOT, 1, 0, 500);
		promises(SLOT, 1, 0, 800);
		reads(SLOT, 2, 500, 0);
		promises(SLOT, 2, 700, 0);
		reads(SLOT, 3, 500, 0);
		finish(SLOT);
		assert_eq!([1, 2, 3].map(|who| share_of(SLOT, who)), [None; 3]);
	});
}

#[test]
fn all_meters_of_a_member_count() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in [1, 9, 20] {
			join(FIRST, who, 0);
		}
		reads(SLOT, 1, 0, 500);
		reads(SLOT, 9, 0, 100);
		reads(SLOT, 109, 300, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 9), (0, 200));
		assert_eq!(energies(SLOT, 1), (200, 0));
		assert_eq!(share_of(SLOT, 20), None, "no meter, nothing to share");
	});
}

#[test]
fn share_says_when_a_meter_was_estimated() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, 500);
		Measurements::mutate(|all| all.insert((SLOT, 2), (500, 0, Quality::Estimated)));
		finish(SLOT);
		assert_eq!(share_of(SLOT, 1).unwrap().quality, Quality::Valid);
		assert_eq!(share_of(SLOT, 2).unwrap().quality, Quality::Estimated);
	});
}

#[test]
fn member_is_charged_no_more_than_its_limit() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		// 117 Wh cost 17550.117 and 2340.117, rounded up 19,892; 118 Wh cost 20,062.
		join_with(FIRST, 2, 0, 20_061, DEPOSIT);
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 2), (0, 117));
		assert_eq!(held(2), DEPOSIT - 19_892);
	});
}

#[test]
fn member_is_charged_no_more_than_its_deposit() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		join_with(FIRST, 2, 0, Balance::MAX, MIN_DEPOSIT);
		let mut left = MIN_DEPOSIT;
		for slot in (SLOT.0..SLOT.0 + 4).map(Slot) {
			reads(slot, 1, 0, 3_000);
			reads(slot, 2, 3_000, 0);
			finish(slot);
			let share = share_of(slot, 2);
			left -= share.map_or(0, |share| share.paid + share.grid_fee);
			assert_eq!(held(2), left);
			if slot == SLOT {
				// 5,882 Wh would cost 999,994.
				assert_eq!(energies(slot, 2), (0, 3_000));
			}
		}
		// One more watt-hour would cost two roundings of 150.001 and 20.001.
		assert!(left < 172);
	});
}

#[test]
fn member_that_cannot_pay_leaves_its_part_to_the_others() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		join_with(FIRST, 2, 500_000, 0, DEPOSIT);
		join(FIRST, 3, 500_000);
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		reads(SLOT, 3, 1_000, 0);
		finish(SLOT);
		assert_eq!(share_of(SLOT, 2), None);
		assert_eq!(energies(SLOT, 3), (0, 1_000));
	});
}

#[test]
fn part_of_a_member_that_needs_nothing_goes_to_the_others() {
	// It neither gave nor took; it gave; it took no more than it had bought.
	for (import, export, bought) in [(0, 0, 0), (0, 10, 0), (500, 0, 500)] {
		run(|| {
			neighbours();
			reads(SLOT, 1, 0, 1_000);
			reads(SLOT, 2, import, export);
			promises(SLOT, 2, bought, 0);
			reads(SLOT, 3, 900, 0);
			finish(SLOT);
			assert_eq!(energies(SLOT, 3), (0, 900));
		});
	}
}

#[test]
fn suspended_member_takes_no_part() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		reads(SLOT, 3, 1_000, 0);
		suspend(2);
		finish(SLOT);
		// As if it were not there: its part is not shared.
		assert_eq!([2, 3].map(|who| energies(SLOT, who)), [(0, 0), (0, 400)]);
		suspend(1);
		reads(SLOT.next(), 1, 0, 1_000);
		reads(SLOT.next(), 3, 1_000, 0);
		finish(SLOT.next());
		assert_eq!(share_of(SLOT.next(), 3), None);
	});
}

#[test]
fn energy_is_free_when_the_price_is_zero() {
	run(|| {
		let (method, manager) = (Method::ProportionalToNeed, account(MANAGER));
		assert_ok!(Communities::create(root(), ZONE, manager, method, 0, 0, SLOT));
		join(FIRST, 1, 0);
		join_with(FIRST, 2, 0, 0, MIN_DEPOSIT);
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 700, 0);
		finish(SLOT);
		assert_eq!(energies(SLOT, 2), (0, 700));
		assert_eq!((wealth(1), wealth(2), fees()), (MONEY, MONEY, 0));
	});
}

#[test]
fn slot_has_the_price_the_fee_the_keys_and_the_limits_of_its_time() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		join(FIRST, 2, 200_000);
		let from = Slot(SLOT.0 + NOTICE);
		let keys = BoundedVec::truncate_from(vec![(account(2), 300_000)]);
		assert_ok!(Communities::set_price(signed(MANAGER), FIRST, 100_000, from));
		assert_ok!(Communities::set_grid_fee(root(), FIRST, 10_000, from));
		assert_ok!(Communities::set_keys(signed(MANAGER), FIRST, keys, from));
		begin(Slot(from.0 - 1));
		assert_ok!(Communities::set_limit(signed(2), FIRST, 22_000));
		for slot in (SLOT.0..=from.0).map(Slot) {
			reads(slot, 1, 0, 1_000);
			reads(slot, 2, 1_000, 0);
		}
		// Everything is shared only now.
		finish(from);
		let old = share_of(Slot(from.0 - 1), 2).unwrap();
		assert_eq!((old.taken_wh, old.paid, old.grid_fee), (200, 30_001, 4_001));
		let new = share_of(from, 2).unwrap();
		assert_eq!((new.taken_wh, new.paid, new.grid_fee), (200, 20_000, 2_000));
	});
}

#[test]
fn member_takes_part_from_the_slot_after_it_joined_until_it_left() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		let slots = [SLOT, SLOT.next(), SLOT.next().next()];
		for slot in slots {
			reads(slot, 1, 0, 500);
			reads(slot, 2, 500, 0);
		}
		begin(slots[0]);
		join(FIRST, 2, 0);
		begin(slots[1]);
		assert_ok!(Communities::leave(signed(2), FIRST));
		finish(slots[2]);
		assert_eq!(slots.map(|slot| energies(slot, 2)), [(0, 0), (0, 500), (0, 0)]);
	});
}

#[test]
fn account_that_cannot_be_paid_gives_nothing() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in [1, 2, 3] {
			join(FIRST, who, 0);
		}
		reads(SLOT, 1, 0, 500);
		reads(SLOT, 2, 0, 500);
		reads(SLOT, 3, 1_000, 0);
		let id = codec::Compact(energy_primitives::SETTLEMENT_ASSET);
		assert_ok!(Assets::block(signed(99), id.0, account(1)));
		finish(SLOT);
		assert_eq!([1, 2, 3].map(|who| energies(SLOT, who)), [(0, 0), (500, 0), (0, 500)]);
	});
}

#[test]
fn slot_fails_whole_when_money_cannot_move_and_the_next_goes_on() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		reads(SLOT.next(), 1, 0, 1_000);
		reads(SLOT.next(), 2, 1_000, 0);
		// The fee pot takes no money: found out when the giver is paid already.
		let block = || {
			assert_ok!(<Assets as frame_support::traits::fungibles::Mutate<_>>::mint_into(
				energy_primitives::SETTLEMENT_ASSET,
				&TestPots::fees(ZONE),
				1
			));
			assert_ok!(Assets::block(
				signed(99),
				energy_primitives::SETTLEMENT_ASSET,
				TestPots::fees(ZONE)
			));
		};
		block();
		finish(SLOT);
		assert_eq!([1, 2].map(|who| (free(who), held(who))), [(MONEY - DEPOSIT, DEPOSIT); 2]);
		assert_eq!(share_of(SLOT, 2), None);
		let failed = events(|event| matches!(event, Event::SharingFailed { .. }));
		assert_eq!(failed.len(), 1);
		assert!(events(|event| matches!(event, Event::CommunityShared { .. })).is_empty());
		assert_ok!(Assets::thaw(
			signed(99),
			energy_primitives::SETTLEMENT_ASSET,
			TestPots::fees(ZONE)
		));
		finish(SLOT.next());
		assert_eq!(energies(SLOT.next(), 2), (0, 1_000));
		// Given to the pot above.
		assert_ok!(<Assets as frame_support::traits::fungibles::Mutate<_>>::burn_from(
			energy_primitives::SETTLEMENT_ASSET,
			&TestPots::fees(ZONE),
			1,
			frame_support::traits::tokens::Preservation::Expendable,
			frame_support::traits::tokens::Precision::Exact,
			frame_support::traits::tokens::Fortitude::Polite,
		));
	});
}

#[test]
fn absurd_measurements_move_no_more_than_the_deposits() {
	run(|| {
		neighbours();
		reads(SLOT, 1, 0, u64::MAX);
		reads(SLOT, 2, u64::MAX, 0);
		reads(SLOT, 3, u64::MAX, 0);
		finish(SLOT);
		for who in [2, 3] {
			assert!(held(who) < 200, "all that the deposit pays for");
		}
		assert!(events(|event| matches!(event, Event::SharingFailed { .. })).is_empty());
	});
}
