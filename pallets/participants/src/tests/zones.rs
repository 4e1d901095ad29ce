use super::*;

mod register_zone {
	use super::*;

	#[test]
	fn register_zone_admits_the_utility_when_both_are_new() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Participants::register_zone(root(), ZoneId(3), BOB));
			assert_eq!(Zones::<Test>::get(ZoneId(3)), Some(Zone { utility: BOB }));
			assert_eq!(
				ParticipantsOf::<Test>::get(BOB),
				Some(Participant {
					roles: Role::Utility.into(),
					zone: ZoneId(3),
					status: Status::Active,
					identity: H256::zero(),
				})
			);
			assert_eq!(System::providers(&BOB), 1);
			assert!(Participants::zone_exists(ZoneId(3)));
			assert_eq!(Participants::utility_of(ZoneId(3)), Some(BOB));
			System::assert_has_event(
				Event::ZoneRegistered { zone: ZoneId(3), utility: BOB }.into(),
			);
			System::assert_last_event(
				Event::Admitted {
					who: BOB,
					roles: Role::Utility.into(),
					zone: ZoneId(3),
					identity: H256::zero(),
				}
				.into(),
			);
		});
	}

	#[test]
	fn register_zone_fails_when_the_origin_is_not_governance() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::register_zone(signed(UTILITY), ZoneId(3), BOB), BadOrigin);
		});
	}

	#[test]
	fn register_zone_fails_when_the_zone_exists() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::register_zone(root(), ZONE, BOB), Error::<Test>::ZoneExists);
		});
	}

	#[test]
	fn register_zone_fails_when_the_utility_is_a_participant() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::register_zone(root(), ZoneId(3), UTILITY),
				Error::<Test>::AlreadyAdmitted
			);
		});
	}
}

mod replace_utility {
	use super::*;

	#[test]
	fn replace_utility_hands_the_zone_over_when_the_successor_fits() {
		ExtBuilder::default().build_and_execute(|| {
			admit(BOB, Role::Utility, ZONE);
			assert_ok!(Participants::replace_utility(root(), ZONE, BOB));
			assert_eq!(Participants::utility_of(ZONE), Some(BOB));
			System::assert_last_event(
				Event::UtilityReplaced { zone: ZONE, old: UTILITY, new: BOB }.into(),
			);
			let admit = |who| {
				Participants::admit(signed(who), STRANGER, Role::Prosumer.into(), ZONE, IDENTITY)
			};
			assert_noop!(admit(UTILITY), Error::<Test>::NotTheUtility);
			assert_ok!(admit(BOB));
			assert_ok!(Participants::remove(root(), UTILITY));
		});
	}

	#[test]
	fn replace_utility_fails_when_the_origin_is_not_governance() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::replace_utility(signed(UTILITY), ZONE, BOB), BadOrigin);
		});
	}

	#[test]
	fn replace_utility_fails_when_the_zone_is_unknown() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::replace_utility(root(), ZoneId(3), UTILITY),
				Error::<Test>::ZoneUnknown
			);
		});
	}

	#[test]
	fn replace_utility_fails_when_nothing_changes() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::replace_utility(root(), ZONE, UTILITY),
				Error::<Test>::UtilityUnchanged
			);
		});
	}

	#[test]
	fn replace_utility_fails_when_the_successor_does_not_fit() {
		ExtBuilder::default().build_and_execute(|| {
			let replace = |who| Participants::replace_utility(root(), ZONE, who);
			assert_noop!(replace(STRANGER), Error::<Test>::UtilityUnfit);
			assert_noop!(replace(OTHER_UTILITY), Error::<Test>::UtilityUnfit);
			assert_noop!(replace(ALICE), Error::<Test>::UtilityUnfit);
			admit(BOB, Role::Utility, ZONE);
			assert_ok!(Participants::suspend(root(), BOB));
			assert_noop!(replace(BOB), Error::<Test>::UtilityUnfit);
		});
	}
}
