//! Deposits and limits.

use super::*;

fn deposit(who: u8, amount: Balance) -> DispatchResult {
	Communities::deposit(signed(who), FIRST, amount)
}

fn withdraw(who: u8, amount: Balance) -> DispatchResult {
	Communities::withdraw(signed(who), FIRST, amount)
}

fn set_limit(who: u8, limit: Balance) -> DispatchResult {
	Communities::set_limit(signed(who), FIRST, limit)
}

#[test]
fn deposit_is_held() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		assert_ok!(deposit(1, 5));
		System::assert_last_event(
			Event::Deposited { community: FIRST, account: account(1), amount: 5 }.into(),
		);
		assert_eq!((free(1), held(1)), (MONEY - DEPOSIT - 5, DEPOSIT + 5));
	});
}

#[test]
fn deposit_fails_when_no_member_or_not_enough_money() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		assert_noop!(deposit(1, MONEY), Error::<Test>::NotEnoughMoney);
		assert_noop!(deposit(1, Balance::MAX), Error::<Test>::NotEnoughMoney);
		assert_noop!(deposit(2, 5), Error::<Test>::NotAMember);
		assert_noop!(
			Communities::deposit(signed(1), CommunityId(9), 5),
			Error::<Test>::CommunityUnknown
		);
	});
}

#[test]
fn withdraw_leaves_the_least_deposit() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		let most = DEPOSIT - MIN_DEPOSIT;
		assert_noop!(withdraw(1, most + 1), Error::<Test>::DepositNeeded);
		assert_noop!(withdraw(1, DEPOSIT + 1), Error::<Test>::DepositNeeded);
		assert_ok!(withdraw(1, most));
		System::assert_last_event(
			Event::Withdrawn { community: FIRST, account: account(1), amount: most }.into(),
		);
		assert_eq!((free(1), held(1)), (MONEY - MIN_DEPOSIT, MIN_DEPOSIT));
		assert_ok!(withdraw(1, 0));
		assert_noop!(withdraw(2, 0), Error::<Test>::NotAMember);
		assert_noop!(
			Communities::withdraw(signed(1), CommunityId(9), 0),
			Error::<Test>::CommunityUnknown
		);
	});
}

#[test]
fn withdraw_leaves_what_may_be_charged_for_slots_that_have_begun() {
	run(|| {
		create(Method::StaticKeys);
		join_with(FIRST, 1, 0, 3_000_000, DEPOSIT);
		// Two slots have begun.
		begin(SLOT.next());
		assert_noop!(withdraw(1, 4_000_001), Error::<Test>::DepositNeeded);
		// A lower limit is not theirs.
		assert_ok!(set_limit(1, 0));
		assert_noop!(withdraw(1, 4_000_001), Error::<Test>::DepositNeeded);
		assert_ok!(withdraw(1, 4_000_000));
		finish(SLOT);
		assert_ok!(withdraw(1, 3_000_000));
		finish(SLOT.next());
		assert_ok!(withdraw(1, 3_000_000 - MIN_DEPOSIT));
	});
}

#[test]
fn withdraw_does_not_count_slots_in_which_the_member_takes_no_part() {
	run(|| {
		create(Method::StaticKeys);
		join_with(FIRST, 1, 0, 3_000_000, DEPOSIT);
		assert_ok!(Communities::leave(signed(1), FIRST));
		begin(Slot(SLOT.0 + 5));
		assert_ok!(withdraw(1, DEPOSIT - MIN_DEPOSIT));
	});
	run(|| {
		create(Method::StaticKeys);
		begin(SLOT);
		join_with(FIRST, 1, 0, 3_000_000, DEPOSIT);
		assert_ok!(Communities::dissolve(root(), FIRST));
		begin(Slot(SLOT.0 + 5));
		assert_ok!(withdraw(1, DEPOSIT - MIN_DEPOSIT));
	});
}

#[test]
fn set_limit_counts_from_the_next_slot_on() {
	run(|| {
		create(Method::StaticKeys);
		join_with(FIRST, 1, 0, 5, DEPOSIT);
		begin(SLOT);
		assert_ok!(set_limit(1, 7));
		System::assert_last_event(
			Event::LimitSet {
				community: FIRST,
				account: account(1),
				limit_per_slot: 7,
				from: SLOT.next(),
			}
			.into(),
		);
		let limit = Guarantees::<Test>::get(FIRST, account(1)).unwrap().limit_per_slot;
		assert_eq!((limit.at(SLOT), limit.at(SLOT.next())), (5, 7));
	});
}

#[test]
fn set_limit_fails_when_pending_no_member_or_no_community() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		begin(SLOT);
		assert_ok!(set_limit(1, 7));
		assert_ok!(set_limit(1, 8));
		begin(SLOT.next());
		assert_noop!(set_limit(1, 9), Error::<Test>::ChangePending);
		idle(frame_support::weights::Weight::MAX);
		assert_ok!(set_limit(1, 9));
		assert_noop!(set_limit(2, 7), Error::<Test>::NotAMember);
		assert_noop!(
			Communities::set_limit(signed(1), CommunityId(9), 7),
			Error::<Test>::CommunityUnknown
		);
	});
}
