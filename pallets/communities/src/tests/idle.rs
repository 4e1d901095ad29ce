//! When slots are shared, a bounded step at a time.

use super::*;
use crate::weights::ReckonedWeight;
use frame_support::weights::Weight;

type W = ReckonedWeight<Test>;

fn base() -> Weight {
	W::work_base() + W::look_at_slot() + W::read_promises(0, 0) + W::look_at_community()
}

/// The most that reading so many members costs.
fn most(count: u32) -> Weight {
	Pallet::<Test>::most_to_read(count)
}

fn progress() -> Progress {
	ProgressOf::<Test>::get(ZONE).unwrap()
}

fn shared() -> usize {
	events(|event| matches!(event, Event::CommunityShared { .. })).len()
}

/// A giver and a taker.
fn pair() {
	create(Method::ProportionalToNeed);
	join(FIRST, 1, 0);
	join(FIRST, 2, 0);
}

fn read_pair(slot: Slot) {
	reads(slot, 1, 0, 100);
	reads(slot, 2, 100, 0);
}

#[test]
fn slot_waits_until_it_has_ended_and_is_measured_and_settled() {
	run(|| {
		pair();
		read_pair(SLOT);
		begin(SLOT);
		idle(Weight::MAX);
		assert_eq!(progress(), Progress::new(SLOT));
		Unmeasured::set([SLOT].into());
		Unsettled::set([SLOT].into());
		finish(SLOT);
		assert_eq!((progress(), MetersRead::get()), (Progress::new(SLOT), 0));
		assert!(Communities::is_unsettled(ZONE, SLOT));
		Unmeasured::set(Default::default());
		finish(SLOT);
		assert_eq!(progress(), Progress::new(SLOT));
		Unsettled::set(Default::default());
		finish(SLOT);
		assert_eq!((progress(), shared()), (Progress::new(SLOT.next()), 1));
		assert_eq!(energies(SLOT, 2), (0, 100));
		assert!(!Communities::is_unsettled(ZONE, SLOT));
		assert!(Communities::is_unsettled(ZONE, SLOT.next()));
		assert!(!Communities::is_unsettled(OTHER_ZONE, SLOT), "a zone without communities");
	});
}

#[test]
fn slot_is_shared_once() {
	run(|| {
		pair();
		read_pair(SLOT);
		finish(SLOT);
		let (money, meters) = (wealth(1), MetersRead::get());
		for _ in 0..3 {
			finish(SLOT);
		}
		assert_eq!((wealth(1), MetersRead::get(), shared()), (money, meters, 1));
	});
}

#[test]
fn slot_in_which_nothing_is_shared_is_done_too() {
	run(|| {
		pair();
		finish(SLOT);
		assert_eq!((progress(), shared()), (Progress::new(SLOT.next()), 1));
		assert_eq!(Shares::<Test>::iter().count(), 0);
	});
}

#[test]
fn slots_wait_for_those_before_them() {
	run(|| {
		pair();
		read_pair(SLOT);
		read_pair(SLOT.next());
		Unsettled::set([SLOT].into());
		finish(SLOT.next());
		assert_eq!(shared(), 0);
		Unsettled::set(Default::default());
		finish(SLOT.next());
		assert_eq!(shared(), 2);
		assert_eq!([SLOT, SLOT.next()].map(|slot| energies(slot, 2)), [(0, 100); 2]);
	});
}

#[test]
fn slot_lapses_when_it_is_not_ready_in_time() {
	run(|| {
		pair();
		read_pair(SLOT);
		read_pair(SLOT.next());
		Unsettled::set([SLOT, SLOT.next()].into());
		begin(Slot(SLOT.0 + LAPSE));
		idle(Weight::MAX);
		assert_eq!(progress(), Progress::new(SLOT));
		begin(Slot(SLOT.0 + LAPSE + 1));
		idle(Weight::MAX);
		System::assert_has_event(Event::SlotLapsed { zone: ZONE, slot: SLOT }.into());
		assert_eq!((progress(), MetersRead::get()), (Progress::new(SLOT.next()), 0));
		// Even if it is ready then.
		Unsettled::set(Default::default());
		begin(Slot(SLOT.0 + LAPSE + 2));
		idle(Weight::MAX);
		assert_eq!((share_of(SLOT, 2), share_of(SLOT.next(), 2)), (None, None));
		assert_eq!(progress().slot, Slot(SLOT.0 + LAPSE + 2));
	});
}

#[test]
fn every_community_of_every_zone_has_its_turn() {
	run(|| {
		pair();
		let second = create(Method::ProportionalToNeed);
		join(second, 3, 0);
		join(second, 4, 0);
		let third = create_in(OTHER_ZONE, OTHER_UTILITY, 31, Method::ProportionalToNeed);
		join(third, 32, 0);
		join(third, 33, 0);
		for who in [1, 3, 32] {
			reads(SLOT, who, 0, 100);
			reads(SLOT, who + 1, 100, 0);
		}
		finish(SLOT);
		for (community, who) in [(FIRST, 2), (second, 4), (third, 33)] {
			let share = Communities::share_of(community, SLOT, &account(who)).unwrap();
			assert_eq!(share.taken_wh, 100);
		}
		assert_eq!(Communities::share_of(second, SLOT, &account(2)), None);
		assert_eq!(shared(), 3);
	});
}

#[test]
fn community_that_begins_later_is_passed_over() {
	run(|| {
		pair();
		let (manager, later) = (account(MANAGER), SLOT.next());
		let method = Method::ProportionalToNeed;
		assert_ok!(Communities::create(root(), ZONE, manager, method, PRICE, FEE, later));
		let second = CommunityId(1);
		join(second, 3, 0);
		join(second, 4, 0);
		for slot in [SLOT, later] {
			read_pair(slot);
			reads(slot, 3, 0, 100);
			reads(slot, 4, 100, 0);
		}
		finish(later);
		assert_eq!(Communities::share_of(second, SLOT, &account(4)), None);
		assert_eq!(Communities::share_of(second, later, &account(4)).unwrap().taken_wh, 100);
		assert_eq!(energies(SLOT, 2), (0, 100));
	});
}

#[test]
fn members_are_read_page_by_page_over_many_blocks() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=8 {
			join(FIRST, who, 0);
			reads(SLOT, who, if who == 1 { 0 } else { 100 }, if who == 1 { 700 } else { 0 });
		}
		begin(SLOT.next());
		let mut blocks = 0;
		while progress().slot == SLOT {
			let dearest = most(PAGE).max(W::share(8)).max(W::part_base() + W::release(PAGE));
			let limit = base() + dearest;
			assert!(idle(limit).all_lte(limit));
			check();
			if progress().slot == SLOT && progress().pass == Pass::Read {
				assert_eq!(share_of(SLOT, 2), None, "nothing is shared by halves");
			}
			blocks += 1;
			assert!(blocks < 50, "sharing must end");
		}
		assert!(blocks > 3);
		assert_eq!(MetersRead::get(), 8);
		for who in 2..=8 {
			assert_eq!(energies(SLOT, who), (0, 100));
		}
	});
}

#[test]
fn members_may_come_and_go_while_they_are_read() {
	run(|| {
		create(Method::ProportionalToNeed);
		for who in 1..=6 {
			join(FIRST, who, 0);
			reads(SLOT, who, if who == 1 { 0 } else { 100 }, if who == 1 { 500 } else { 0 });
		}
		begin(SLOT.next());
		idle(base() + most(PAGE));
		assert_eq!((progress().pass, progress().next), (Pass::Read, PAGE));
		assert_eq!(Readings::<Test>::get(ZONE).len(), 3);
		join(FIRST, 7, 0);
		reads(SLOT, 7, 100, 0);
		assert_ok!(Communities::leave(signed(2), FIRST));
		assert_ok!(Communities::leave(signed(6), FIRST));
		check();
		finish(SLOT);
		for who in 2..=6 {
			assert_eq!(energies(SLOT, who), (0, 100));
		}
		assert_eq!(share_of(SLOT, 7), None);
	});
}

#[test]
fn nothing_is_done_without_weight() {
	run(|| {
		pair();
		read_pair(SLOT);
		begin(SLOT.next());
		assert_eq!(idle(Weight::zero()), Weight::zero());
		assert_eq!(idle(W::work_base()), W::work_base());
		for limit in [base(), base() + most(2) - Weight::from_parts(1, 0)] {
			idle(limit);
			assert_eq!((progress().slot, MetersRead::get()), (SLOT, 0));
		}
		// Sharing needs its weight, too, and waits for it.
		idle(base() + most(2));
		assert_eq!(progress().pass, Pass::Share);
		idle(base());
		assert_eq!((progress().pass, shared()), (Pass::Share, 0));
		idle(base() + W::share(2));
		assert_eq!((progress().pass, shared()), (Pass::Part, 1));
	});
}

#[test]
fn zones_take_turns_when_weight_is_short() {
	run(|| {
		pair();
		let other = create_in(OTHER_ZONE, OTHER_UTILITY, 31, Method::ProportionalToNeed);
		join(other, 32, 0);
		join(other, 33, 0);
		begin(Slot(SLOT.0 + 5));
		// Enough for one step of one zone in each block.
		let limit = base() + most(2) + W::share(2);
		let slots = || [ZONE, OTHER_ZONE].map(|zone| ProgressOf::<Test>::get(zone).unwrap().slot);
		for _ in 0..6 {
			idle(limit);
			check();
		}
		let [first, second] = slots();
		assert!(first > SLOT && second > SLOT, "neither zone starves: {first} {second}");
	});
}

#[test]
fn shares_are_forgotten_after_the_retention() {
	run(|| {
		pair();
		read_pair(SLOT);
		read_pair(SLOT.next());
		finish(SLOT.next());
		begin(Slot(SLOT.0 + RETENTION));
		idle(Weight::MAX);
		assert!(share_of(SLOT, 2).is_some());
		begin(Slot(SLOT.0 + RETENTION + 1));
		idle(Weight::MAX);
		assert!(share_of(SLOT, 2).is_none() && share_of(SLOT.next(), 2).is_some());
		assert_eq!(Retired::<Test>::iter().count(), 1);
	});
}

#[test]
fn sharing_the_most_members_costs_what_its_weight_says() {
	// The weights are for communities of up to so many.
	assert!(u64::from(MEMBERS) <= crate::weights::MEMBERS);
	assert!(W::share(2).all_lte(W::share(MEMBERS)));
}
