//! Communities are created, managed and dissolved.

use super::*;

fn attempt(who: RuntimeOrigin, zone: ZoneId, manager: u8, active_from: Slot) -> DispatchResult {
	let method = Method::StaticKeys;
	Communities::create(who, zone, account(manager), method, PRICE, FEE, active_from)
}

#[test]
fn create_makes_a_community_when_the_council_or_the_utility_asks() {
	run(|| {
		for (number, origin) in (0u32..).zip([root(), signed(UTILITY)]) {
			assert_ok!(attempt(origin, ZONE, MANAGER, SLOT));
			System::assert_last_event(
				Event::CommunityCreated {
					community: CommunityId(number),
					zone: ZONE,
					manager: account(MANAGER),
					method: Method::StaticKeys,
					price_per_kwh: PRICE,
					grid_fee_per_kwh: FEE,
					active_from: SLOT,
				}
				.into(),
			);
		}
		let both = [CommunityId(0), CommunityId(1)];
		assert_eq!(CommunitiesIn::<Test>::get(ZONE).into_inner(), both);
		assert_eq!(Zones::<Test>::get().into_inner(), [ZONE]);
		assert_eq!(ProgressOf::<Test>::get(ZONE), Some(Progress::new(SLOT)));
		let community = CommunityOf::<Test>::get(FIRST).unwrap();
		assert_eq!(community.price_per_kwh, Scheduled::new(PRICE));
		assert!(!community.shares(Slot(NOW)) && community.shares(SLOT));
	});
}

#[test]
fn create_fails_when_the_zone_is_unknown() {
	run(|| {
		assert_noop!(attempt(root(), ZoneId(9), MANAGER, SLOT), Error::<Test>::ZoneUnknown);
	});
}

#[test]
fn create_fails_when_neither_council_nor_active_utility_of_the_zone() {
	run(|| {
		for who in [1, MANAGER, OTHER_UTILITY] {
			assert_noop!(attempt(signed(who), ZONE, MANAGER, SLOT), Error::<Test>::NotAllowed);
		}
		assert_noop!(attempt(RuntimeOrigin::none(), ZONE, MANAGER, SLOT), BadOrigin);
		suspend(UTILITY);
		assert_noop!(attempt(signed(UTILITY), ZONE, MANAGER, SLOT), Error::<Test>::NotAllowed);
	});
}

#[test]
fn create_fails_when_the_manager_is_suspended_or_of_another_zone() {
	run(|| {
		suspend(2);
		for manager in [2, 31, 99] {
			assert_noop!(attempt(root(), ZONE, manager, SLOT), Error::<Test>::ManagerUnfit);
		}
		assert_ok!(attempt(root(), ZONE, AGGREGATOR, SLOT));
	});
}

#[test]
fn create_fails_when_the_first_slot_has_begun() {
	run(|| {
		assert_noop!(attempt(root(), ZONE, MANAGER, Slot(NOW)), Error::<Test>::SlotBegun);
		begin(SLOT);
		assert_noop!(attempt(root(), ZONE, MANAGER, SLOT), Error::<Test>::SlotBegun);
		NowSeconds::mutate(|now| *now -= 1);
		assert_ok!(attempt(root(), ZONE, MANAGER, SLOT));
	});
}

#[test]
fn create_fails_when_a_zone_has_too_many_communities() {
	run(|| {
		for _ in 0..3 {
			create(Method::StaticKeys);
		}
		assert_noop!(attempt(root(), ZONE, MANAGER, SLOT), Error::<Test>::TooManyCommunities);
	});
}

#[test]
fn create_fails_when_too_many_zones_have_communities() {
	run(|| {
		create(Method::StaticKeys);
		create_in(OTHER_ZONE, OTHER_UTILITY, 31, Method::StaticKeys);
		let third = ZoneId(3);
		Utilities::mutate(|utilities| utilities.insert(third, account(41)));
		Admitted::mutate(|admitted| admitted.insert(account(41), third));
		assert_noop!(attempt(root(), third, 41, SLOT), Error::<Test>::TooManyCommunities);
	});
}

#[test]
fn create_fails_when_numbers_are_used_up() {
	run(|| {
		NextCommunity::<Test>::put(CommunityId(u32::MAX));
		assert_noop!(attempt(root(), ZONE, MANAGER, SLOT), Error::<Test>::TooManyCommunities);
	});
}

#[test]
fn appoint_manager_puts_another_in_the_place() {
	run(|| {
		create(Method::StaticKeys);
		for (origin, manager) in [(root(), 2), (signed(UTILITY), 3)] {
			assert_ok!(Communities::appoint_manager(origin, FIRST, account(manager)));
			System::assert_last_event(
				Event::ManagerAppointed { community: FIRST, manager: account(manager) }.into(),
			);
		}
		let invite = |who| Communities::invite(signed(who), FIRST, account(1), 0);
		assert_noop!(invite(MANAGER), Error::<Test>::NotTheManager);
		assert_ok!(invite(3));
	});
}

#[test]
fn appoint_manager_fails_when_not_allowed_or_unfit() {
	run(|| {
		create(Method::StaticKeys);
		let appoint = |who, community, manager| {
			Communities::appoint_manager(signed(who), community, account(manager))
		};
		assert_noop!(appoint(MANAGER, FIRST, 2), Error::<Test>::NotAllowed);
		assert_noop!(appoint(OTHER_UTILITY, FIRST, 2), Error::<Test>::NotAllowed);
		assert_noop!(appoint(UTILITY, FIRST, 31), Error::<Test>::ManagerUnfit);
		assert_noop!(appoint(UTILITY, CommunityId(9), 2), Error::<Test>::CommunityUnknown);
		assert_ok!(Communities::dissolve(root(), FIRST));
		assert_noop!(appoint(UTILITY, FIRST, 2), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn dissolve_ends_a_community_with_the_next_slot() {
	for origin in [root(), signed(UTILITY), signed(MANAGER)] {
		run(|| {
			create(Method::StaticKeys);
			begin(SLOT);
			assert_ok!(Communities::dissolve(origin, FIRST));
			System::assert_last_event(
				Event::CommunityDissolved { community: FIRST, ends: SLOT.next() }.into(),
			);
			let community = CommunityOf::<Test>::get(FIRST).unwrap();
			assert!(community.shares(SLOT) && !community.shares(SLOT.next()));
		});
	}
}

#[test]
fn dissolve_fails_when_not_allowed_or_done_before() {
	run(|| {
		create(Method::StaticKeys);
		join(FIRST, 1, 0);
		let dissolve = |who, community| Communities::dissolve(signed(who), community);
		for who in [1, OTHER_UTILITY] {
			assert_noop!(dissolve(who, FIRST), Error::<Test>::NotAllowed);
		}
		assert_noop!(dissolve(UTILITY, CommunityId(9)), Error::<Test>::CommunityUnknown);
		suspend(MANAGER);
		assert_noop!(dissolve(MANAGER, FIRST), Error::<Test>::NotAllowed);
		assert_ok!(dissolve(UTILITY, FIRST));
		assert_noop!(dissolve(UTILITY, FIRST), Error::<Test>::CommunityDissolved);
	});
}

#[test]
fn limits_of_the_mock_pass_the_integrity_test() {
	use frame_support::traits::Hooks;
	chain().execute_with(<Communities as Hooks<_>>::integrity_test);
}
