//! Prices, grid fees and keys change with notice and never in hindsight.

use super::*;

const SOON: Slot = Slot(SLOT.0 + NOTICE);

fn set_price(price: u64, from: Slot) -> DispatchResult {
	Communities::set_price(signed(MANAGER), FIRST, price, from)
}

fn set_keys(keys: &[(u8, u32)], from: Slot) -> DispatchResult {
	let keys = keys.iter().map(|(who, key_ppm)| (account(*who), *key_ppm)).collect();
	Communities::set_keys(signed(MANAGER), FIRST, BoundedVec::truncate_from(keys), from)
}

fn price(slot: Slot) -> u64 {
	CommunityOf::<Test>::get(FIRST).unwrap().price_per_kwh.at(slot)
}

#[test]
fn set_price_changes_it_from_a_slot_on() {
	run(|| {
		create(Method::StaticKeys);
		assert_ok!(set_price(7, SOON));
		System::assert_last_event(
			Event::PriceSet { community: FIRST, price_per_kwh: 7, from: SOON }.into(),
		);
		assert_eq!((price(Slot(SOON.0 - 1)), price(SOON)), (PRICE, 7));
	});
}

#[test]
fn set_price_fails_when_notice_is_too_short() {
	run(|| {
		create(Method::StaticKeys);
		assert_noop!(set_price(7, Slot(SOON.0 - 1)), Error::<Test>::NoticeTooShort);
		begin(SLOT);
		assert_noop!(set_price(7, SOON), Error::<Test>::NoticeTooShort);
	});
}

#[test]
fn set_price_fails_when_not_the_manager_or_no_community() {
	run(|| {
		create(Method::StaticKeys);
		let set = |who, id| Communities::set_price(signed(who), id, 7, SOON);
		for who in [1, UTILITY] {
			assert_noop!(set(who, FIRST), Error::<Test>::NotTheManager);
		}
		assert_noop!(set(MANAGER, CommunityId(9)), Error::<Test>::CommunityUnknown);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(set(MANAGER, FIRST), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn change_of_which_no_slot_has_begun_is_replaced() {
	run(|| {
		create(Method::StaticKeys);
		assert_ok!(set_price(7, SOON));
		assert_ok!(set_price(8, Slot(SOON.0 + 5)));
		assert_eq!((price(SOON), price(Slot(SOON.0 + 5))), (PRICE, 8));
		assert_ok!(set_price(9, SOON));
		assert_eq!((price(Slot(SOON.0 - 1)), price(SOON)), (PRICE, 9));
	});
}

#[test]
fn change_fails_when_another_has_begun_and_slots_before_it_are_not_shared() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		assert_ok!(set_price(7, SOON));
		assert_ok!(set_keys(&[(1, 5)], SOON));
		Unmeasured::set([Slot(SOON.0 - 1)].into());
		begin(SOON);
		idle(frame_support::weights::Weight::MAX);
		let next = Slot(SOON.0 + 1 + NOTICE);
		assert_noop!(set_price(8, next), Error::<Test>::ChangePending);
		assert_noop!(set_keys(&[(1, 6)], next), Error::<Test>::ChangePending);
		assert_eq!((price(Slot(SOON.0 - 1)), price(SOON)), (PRICE, 7));
		// Once they are, there is room for the next change.
		Unmeasured::set(Default::default());
		idle(frame_support::weights::Weight::MAX);
		assert_ok!(set_price(8, next));
		assert_ok!(set_keys(&[(1, 6)], next));
		assert_eq!((price(SOON), price(next)), (7, 8));
	});
}

#[test]
fn set_grid_fee_changes_it_when_the_council_or_the_utility_asks() {
	run(|| {
		create(Method::StaticKeys);
		let set = |who, id, from| Communities::set_grid_fee(who, id, 7, from);
		for origin in [root(), signed(UTILITY)] {
			assert_ok!(set(origin, FIRST, SOON));
			System::assert_last_event(
				Event::GridFeeSet { community: FIRST, grid_fee_per_kwh: 7, from: SOON }.into(),
			);
		}
		let fee = CommunityOf::<Test>::get(FIRST).unwrap().grid_fee_per_kwh;
		assert_eq!((fee.at(Slot(SOON.0 - 1)), fee.at(SOON)), (FEE, 7));
		for who in [1, MANAGER, OTHER_UTILITY] {
			assert_noop!(set(signed(who), FIRST, SOON), Error::<Test>::NotAllowed);
		}
		assert_noop!(set(root(), FIRST, SLOT), Error::<Test>::NoticeTooShort);
		assert_noop!(set(root(), CommunityId(9), SOON), Error::<Test>::CommunityUnknown);
		begin(SOON);
		let late = Slot(SOON.0 + 1 + NOTICE);
		assert_noop!(set(root(), FIRST, late), Error::<Test>::ChangePending);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(set(root(), FIRST, late), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn set_keys_changes_those_listed_from_a_slot_on() {
	run(|| {
		create(Method::StaticKeys);
		for who in 1..=3 {
			join(FIRST, who, 300_000);
		}
		assert_ok!(set_keys(&[(1, 0), (3, 700_000)], SOON));
		System::assert_last_event(
			Event::KeysSet {
				community: FIRST,
				keys: vec![(account(1), 0), (account(3), 700_000)],
				from: SOON,
			}
			.into(),
		);
		let seats = Seats::<Test>::get(FIRST);
		let keys = |slot| seats.iter().map(|seat| seat.key_ppm.at(slot)).collect::<Vec<_>>();
		assert_eq!(keys(Slot(SOON.0 - 1)), [300_000, 300_000, 300_000]);
		assert_eq!(keys(SOON), [0, 300_000, 700_000]);
	});
}

#[test]
fn set_keys_fails_when_they_exceed_the_whole_in_any_slot() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 500_000);
		join(FIRST, 2, 500_000);
		assert_noop!(set_keys(&[(1, 500_001)], SOON), Error::<Test>::KeysExceedWhole);
		assert_noop!(set_keys(&[(1, u32::MAX)], SOON), Error::<Test>::KeysExceedWhole);
		// The first grows before the second shrinks.
		assert_ok!(set_keys(&[(2, 400_000)], Slot(SOON.0 + 1)));
		assert_noop!(set_keys(&[(1, 600_000)], SOON), Error::<Test>::KeysExceedWhole);
		assert_ok!(set_keys(&[(1, 600_000)], Slot(SOON.0 + 1)));
	});
}

#[test]
fn set_keys_fails_when_not_the_manager_no_member_or_no_notice() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 500_000);
		assert_noop!(set_keys(&[(2, 1)], SOON), Error::<Test>::NotAMember);
		assert_noop!(set_keys(&[(1, 1)], SLOT), Error::<Test>::NoticeTooShort);
		let nothing = || BoundedVec::truncate_from(vec![]);
		let set = |who, id| Communities::set_keys(signed(who), id, nothing(), SOON);
		assert_noop!(set(1, FIRST), Error::<Test>::NotTheManager);
		assert_noop!(set(MANAGER, CommunityId(9)), Error::<Test>::CommunityUnknown);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(set(MANAGER, FIRST), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn scheduled_value_keeps_the_past() {
	let mut value = Scheduled::new(1);
	assert_eq!((value.at(Slot(0)), value.at(Slot(u32::MAX))), (1, 1));
	assert_eq!(value.schedule(2, Slot(10), Slot(5), Slot(3)), Ok(()));
	assert_eq!((value.at(Slot(9)), value.at(Slot(10))), (1, 2));
	// Slot 10 has begun, and slot 9 is not shared.
	assert_eq!(value.schedule(3, Slot(20), Slot(11), Slot(9)), Err(ChangePending));
	assert_eq!(value.schedule(3, Slot(20), Slot(11), Slot(10)), Ok(()));
	assert_eq!((value.at(Slot(19)), value.at(Slot(20))), (2, 3));
}
