//! Deposits are given back when the last slot is done.

use super::*;
use crate::weights::ReckonedWeight;
use frame_support::weights::Weight;

#[test]
fn deposit_is_free_when_the_last_slot_is_shared() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		join(FIRST, 2, 0);
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		begin(SLOT);
		assert_ok!(Communities::leave(signed(2), FIRST));
		Unmeasured::set([SLOT].into());
		finish(SLOT.next());
		assert_eq!(held(2), DEPOSIT, "its last slot is not shared yet");
		Unmeasured::set(Default::default());
		finish(SLOT.next());
		let charged = 150_001 + 20_001;
		System::assert_has_event(
			Event::MemberParted {
				community: FIRST,
				account: account(2),
				released: DEPOSIT - charged,
			}
			.into(),
		);
		assert_eq!((free(2), held(2)), (MONEY - charged, 0));
		assert_eq!(Seats::<Test>::get(FIRST).len(), 1);
		assert_eq!(Memberships::<Test>::get(ZONE, account(2)), None);
		assert_eq!(energies(SLOT, 2), (0, 1_000), "its share stays readable");
	});
}

#[test]
fn member_that_never_took_part_gets_all_back() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		assert_ok!(Communities::leave(signed(1), FIRST));
		finish(SLOT);
		assert_eq!((free(1), held(1)), (MONEY, 0));
	});
}

#[test]
fn deposit_is_free_in_the_end_when_the_market_never_settles() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		begin(SLOT);
		assert_ok!(Communities::leave(signed(1), FIRST));
		Unsettled::set((SLOT.0..SLOT.0 + 99).map(Slot).collect());
		finish(SLOT);
		assert_eq!(held(1), DEPOSIT);
		begin(Slot(SLOT.0 + LAPSE + 1));
		idle(Weight::MAX);
		assert_eq!(held(1), 0);
	});
}

#[test]
fn deposit_of_a_suspended_member_that_is_excluded_is_free() {
	run(|| {
		create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		suspend(1);
		assert_ok!(Communities::exclude(signed(MANAGER), FIRST, account(1)));
		finish(Slot(SLOT.0 + NOTICE));
		assert_eq!((free(1), held(1)), (MONEY, 0));
	});
}

#[test]
fn many_part_page_by_page() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=9 {
			join(FIRST, who, 0);
			if who != 5 {
				assert_ok!(Communities::leave(signed(who), FIRST));
			}
		}
		begin(SLOT.next());
		type W = ReckonedWeight<Test>;
		let limit = W::work_base()
			+ W::look_at_slot()
			+ W::look_at_community()
			+ Pallet::<Test>::most_to_read(1)
				.max(W::share(1))
				.max(W::part_base() + W::release(PAGE));
		let mut left = vec![];
		while ProgressOf::<Test>::get(ZONE).unwrap().slot == SLOT {
			assert!(idle(limit).all_lte(limit));
			check();
			left.push(Seats::<Test>::get(FIRST).len());
			assert!(left.len() < 50, "parting must end");
		}
		left.dedup();
		assert!(left.len() > 2, "not all at once: {left:?}");
		assert_eq!(Seats::<Test>::get(FIRST)[0].account, account(5));
		assert_eq!(left.last(), Some(&1));
	});
}

#[test]
fn dissolved_community_is_forgotten_when_its_last_slot_is_shared() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=7 {
			join(FIRST, who, 0);
		}
		assert_ok!(invite(FIRST, 8, 0));
		reads(SLOT, 1, 0, 1_000);
		reads(SLOT, 2, 1_000, 0);
		begin(SLOT);
		assert_ok!(Communities::dissolve(signed(MANAGER), FIRST));
		assert!(!Communities::is_member(FIRST, &account(1)));
		finish(SLOT);
		System::assert_has_event(Event::CommunityClosed { community: FIRST }.into());
		for who in 1..=7 {
			assert_eq!(held(who), 0);
		}
		assert_eq!(energies(SLOT, 2), (0, 1_000));
		assert_eq!(CommunityOf::<Test>::iter().count(), 0);
		assert_eq!(ProgressOf::<Test>::get(ZONE), None);
		assert!(Zones::<Test>::get().is_empty());
		assert!(!Communities::is_unsettled(ZONE, SLOT.next()));
		// The zone may begin anew, with another number.
		assert_eq!(create(Method::StaticKeys), CommunityId(1));
		assert_eq!(ProgressOf::<Test>::get(ZONE), Some(Progress::new(Slot(SLOT.0 + 2))));
	});
}

#[test]
fn other_communities_of_the_zone_go_on_when_one_is_dissolved() {
	run(|| {
		create(Method::ProportionalToNeed);
		let second = create(Method::ProportionalToNeed);
		let third = create(Method::ProportionalToNeed);
		join(FIRST, 1, 0);
		for (community, who) in [(second, 3), (third, 5)] {
			join(community, who, 0);
			join(community, who + 1, 0);
			reads(SLOT, who, 0, 100);
			reads(SLOT, who + 1, 100, 0);
		}
		assert_ok!(Communities::dissolve(root(), FIRST));
		finish(SLOT);
		assert_eq!(CommunitiesIn::<Test>::get(ZONE).into_inner(), [second, third]);
		for (community, who) in [(second, 4), (third, 6)] {
			let share = Communities::share_of(community, SLOT, &account(who)).unwrap();
			assert_eq!(share.taken_wh, 100);
		}
	});
}

#[test]
fn community_that_never_began_is_forgotten() {
	run(|| {
		let (manager, later) = (account(MANAGER), Slot(SLOT.0 + 50));
		let method = Method::StaticKeys;
		assert_ok!(Communities::create(root(), ZONE, manager, method, PRICE, FEE, later));
		join(FIRST, 1, 0);
		assert_ok!(Communities::dissolve(root(), FIRST));
		finish(SLOT);
		assert_eq!((held(1), CommunityOf::<Test>::iter().count()), (0, 0));
	});
}

#[test]
fn member_that_cannot_be_paid_back_keeps_its_seat_until_it_can() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=5 {
			join(FIRST, who, 0);
		}
		assert_ok!(Communities::dissolve(root(), FIRST));
		let asset = energy_primitives::SETTLEMENT_ASSET;
		assert_ok!(Assets::block(signed(99), asset, account(2)));
		finish(SLOT);
		let seats = Seats::<Test>::get(FIRST);
		assert_eq!(seats.iter().map(|seat| seat.account.clone()).collect::<Vec<_>>(), [account(2)]);
		assert_eq!(held(2), DEPOSIT);
		check();
		assert_ok!(Assets::thaw(signed(99), asset, account(2)));
		finish(SLOT.next());
		assert_eq!((held(2), CommunityOf::<Test>::iter().count()), (0, 0));
	});
}
