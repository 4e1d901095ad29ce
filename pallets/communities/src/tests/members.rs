//! Members are invited, join, leave and are excluded.

use super::*;

#[test]
fn member_joins_with_the_key_it_was_offered() {
	run(|| {
		create(Method::StaticKeys);
		assert_ok!(invite(FIRST, 1, 400_000));
		System::assert_last_event(
			Event::MemberInvited { community: FIRST, account: account(1), key_ppm: 400_000 }.into(),
		);
		assert_ok!(Communities::join(signed(1), FIRST, 400_000, 5, DEPOSIT));
		System::assert_last_event(
			Event::MemberJoined {
				community: FIRST,
				account: account(1),
				key_ppm: 400_000,
				limit_per_slot: 5,
				deposit: DEPOSIT,
				from: SLOT,
			}
			.into(),
		);
		assert_eq!((free(1), held(1)), (MONEY - DEPOSIT, DEPOSIT));
		assert!(Communities::is_member(FIRST, &account(1)));
		assert!(!Communities::is_member(FIRST, &account(2)));
		assert!(!Communities::is_member(CommunityId(9), &account(1)));
		assert!(Invitations::<Test>::get(FIRST).is_empty());
	});
}

#[test]
fn member_that_joins_early_takes_part_when_the_community_begins() {
	run(|| {
		let later = Slot(NOW + 9);
		let method = Method::StaticKeys;
		assert_ok!(Communities::create(root(), ZONE, account(MANAGER), method, PRICE, FEE, later));
		join(FIRST, 1, 0);
		assert_eq!(Seats::<Test>::get(FIRST)[0].from, later);
		assert!(Communities::is_member(FIRST, &account(1)));
	});
}

#[test]
fn invite_again_offers_another_key() {
	run(|| {
		create(Method::StaticKeys);
		assert_ok!(invite(FIRST, 1, 400_000));
		assert_ok!(invite(FIRST, 1, 300_000));
		assert_eq!(Invitations::<Test>::get(FIRST).len(), 1);
		let join = |key_ppm| Communities::join(signed(1), FIRST, key_ppm, 5, DEPOSIT);
		assert_noop!(join(400_000), Error::<Test>::KeyDiffers);
		assert_ok!(join(300_000));
	});
}

#[test]
fn invite_fails_when_not_the_active_manager() {
	run(|| {
		create(Method::StaticKeys);
		let invite = |who, community| Communities::invite(signed(who), community, account(1), 0);
		for who in [1, UTILITY] {
			assert_noop!(invite(who, FIRST), Error::<Test>::NotTheManager);
		}
		assert_noop!(invite(MANAGER, CommunityId(9)), Error::<Test>::CommunityUnknown);
		suspend(MANAGER);
		assert_noop!(invite(MANAGER, FIRST), Error::<Test>::NotTheManager);
	});
}

#[test]
fn invite_fails_when_the_key_is_more_than_the_whole() {
	run(|| {
		create(Method::StaticKeys);
		assert_noop!(invite(FIRST, 1, 1_000_001), Error::<Test>::KeysExceedWhole);
		assert_ok!(invite(FIRST, 1, 1_000_000));
	});
}

#[test]
fn invite_fails_when_a_member_or_too_many_are_invited() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		assert_noop!(invite(FIRST, 1, 0), Error::<Test>::AlreadyMember);
		for who in 2..2 + MEMBERS as u8 {
			assert_ok!(invite(FIRST, who, 0));
		}
		assert_noop!(invite(FIRST, 30, 0), Error::<Test>::TooManyInvitations);
		assert_ok!(invite(FIRST, 2, 1), ());
	});
}

#[test]
fn revoke_invitation_takes_it_back_or_declines_it() {
	run(|| {
		create(Method::StaticKeys);
		for who in [MANAGER, 1] {
			assert_ok!(invite(FIRST, 1, 7));
			assert_ok!(Communities::revoke_invitation(signed(who), FIRST, account(1)));
			System::assert_last_event(
				Event::InvitationRevoked { community: FIRST, account: account(1) }.into(),
			);
			assert_noop!(
				Communities::join(signed(1), FIRST, 7, 5, DEPOSIT),
				Error::<Test>::InvitationUnknown
			);
		}
	});
}

#[test]
fn revoke_invitation_fails_when_another_asks_or_nobody_is_invited() {
	run(|| {
		create(Method::StaticKeys);
		assert_ok!(invite(FIRST, 1, 7));
		let revoke =
			|who, id, invited| Communities::revoke_invitation(signed(who), id, account(invited));
		assert_noop!(revoke(2, FIRST, 1), Error::<Test>::NotTheManager);
		assert_noop!(revoke(MANAGER, FIRST, 2), Error::<Test>::InvitationUnknown);
		assert_noop!(revoke(MANAGER, CommunityId(9), 1), Error::<Test>::CommunityUnknown);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(revoke(MANAGER, FIRST, 1), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn join_fails_when_not_an_active_prosumer_of_the_zone() {
	run(|| {
		create(Method::StaticKeys);
		suspend(2);
		for (who, error) in [
			(AGGREGATOR, Error::<Test>::NotAProsumer),
			(2, Error::<Test>::NotAProsumer),
			(31, Error::<Test>::OtherZone),
		] {
			assert_ok!(invite(FIRST, who, 0));
			assert_noop!(Communities::join(signed(who), FIRST, 0, 5, DEPOSIT), error);
		}
	});
}

#[test]
fn join_fails_when_the_account_is_in_a_community_of_the_zone() {
	run(|| {
		create(Method::StaticKeys);
		create(Method::StaticKeys);
		let second = CommunityId(1);
		join(FIRST, 1, 0);
		assert_ok!(invite(second, 1, 0));
		let join = || Communities::join(signed(1), second, 0, 5, DEPOSIT);
		assert_noop!(join(), Error::<Test>::AlreadyMember);
		// Until its last slot there is shared.
		assert_ok!(Communities::leave(signed(1), FIRST));
		assert_noop!(join(), Error::<Test>::AlreadyMember);
		finish(SLOT);
		assert_ok!(join());
	});
}

#[test]
fn join_fails_when_not_invited_or_not_with_enough_money() {
	run(|| {
		create(Method::StaticKeys);
		let join = |deposit| Communities::join(signed(1), FIRST, 0, 5, deposit);
		assert_noop!(join(DEPOSIT), Error::<Test>::InvitationUnknown);
		assert_ok!(invite(FIRST, 1, 0));
		assert_noop!(join(MIN_DEPOSIT - 1), Error::<Test>::DepositTooSmall);
		assert_noop!(join(MONEY + 1), Error::<Test>::NotEnoughMoney);
		assert_ok!(join(MIN_DEPOSIT));
	});
}

#[test]
fn join_fails_when_the_community_is_full_unknown_or_dissolved() {
	run(|| {
		create(Method::StaticKeys);
		for who in 1..=MEMBERS as u8 {
			join(FIRST, who, 0);
		}
		assert_ok!(invite(FIRST, 30, 0));
		let join = |id| Communities::join(signed(30), id, 0, 5, DEPOSIT);
		assert_noop!(join(FIRST), Error::<Test>::CommunityFull);
		assert_noop!(join(CommunityId(9)), Error::<Test>::CommunityUnknown);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(join(FIRST), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn join_fails_when_keys_would_exceed_the_whole_now_or_later() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 600_000);
		assert_ok!(invite(FIRST, 2, 400_001));
		let join_2 = |key_ppm| Communities::join(signed(2), FIRST, key_ppm, 5, DEPOSIT);
		assert_noop!(join_2(400_001), Error::<Test>::KeysExceedWhole);
		let more = BoundedVec::truncate_from(vec![(account(1), 600_001)]);
		assert_ok!(Communities::set_keys(signed(MANAGER), FIRST, more, Slot(NOW + 5)));
		assert_ok!(invite(FIRST, 2, 400_000));
		assert_noop!(join_2(400_000), Error::<Test>::KeysExceedWhole);
		assert_ok!(invite(FIRST, 2, 399_999));
		assert_ok!(join_2(399_999));
	});
}

#[test]
fn key_of_a_member_that_leaves_is_free_from_its_last_slot_on() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 1_000_000);
		assert_ok!(invite(FIRST, 2, 1_000_000));
		let join_2 = || Communities::join(signed(2), FIRST, 1_000_000, 5, DEPOSIT);
		assert_noop!(join_2(), Error::<Test>::KeysExceedWhole);
		begin(SLOT);
		assert_ok!(Communities::leave(signed(1), FIRST));
		assert_ok!(join_2());
		let seats = Seats::<Test>::get(FIRST);
		assert!(seats[0].takes_part(SLOT) && !seats[0].takes_part(SLOT.next()));
		assert!(!seats[1].takes_part(SLOT) && seats[1].takes_part(SLOT.next()));
	});
}

#[test]
fn leave_takes_effect_with_the_next_slot() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		begin(SLOT);
		assert_ok!(Communities::leave(signed(1), FIRST));
		System::assert_last_event(
			Event::MemberLeaving { community: FIRST, account: account(1), until: SLOT.next() }
				.into(),
		);
		assert_eq!(held(1), DEPOSIT);
		assert!(!Communities::is_member(FIRST, &account(1)), "no longer counted upon");
		// Leaving twice does not put it off.
		begin(Slot(SLOT.0 + 1));
		assert_ok!(Communities::leave(signed(1), FIRST));
		assert_eq!(Seats::<Test>::get(FIRST)[0].until, Some(SLOT.next()));
	});
}

#[test]
fn leave_and_exclude_fail_when_no_member_or_no_community() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		let unknown = CommunityId(9);
		assert_noop!(Communities::leave(signed(2), FIRST), Error::<Test>::NotAMember);
		assert_noop!(Communities::leave(signed(1), unknown), Error::<Test>::CommunityUnknown);
		let exclude = |who, id, member| Communities::exclude(signed(who), id, account(member));
		assert_noop!(exclude(MANAGER, FIRST, 2), Error::<Test>::NotAMember);
		assert_noop!(exclude(MANAGER, unknown, 1), Error::<Test>::CommunityUnknown);
		assert_noop!(exclude(UTILITY, FIRST, 1), Error::<Test>::NotTheManager);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(exclude(MANAGER, FIRST, 1), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn exclude_gives_notice_and_a_member_may_go_before() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		assert_ok!(Communities::exclude(signed(MANAGER), FIRST, account(1)));
		let until = Slot(SLOT.0 + NOTICE);
		System::assert_last_event(
			Event::MemberLeaving { community: FIRST, account: account(1), until }.into(),
		);
		assert_ok!(Communities::leave(signed(1), FIRST));
		assert_eq!(Seats::<Test>::get(FIRST)[0].until, Some(SLOT));
		assert_ok!(Communities::exclude(signed(MANAGER), FIRST, account(1)));
		assert_eq!(Seats::<Test>::get(FIRST)[0].until, Some(SLOT));
	});
}
