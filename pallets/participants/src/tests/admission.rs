use super::*;

mod admit {
	use super::*;

	fn by(origin: RuntimeOrigin, roles: &[Role]) -> sp_runtime::DispatchResult {
		Participants::admit(origin, BOB, Roles::of(roles), ZONE, IDENTITY)
	}

	#[test]
	fn admit_grants_any_role_when_governance_asks() {
		for role in [
			Role::Prosumer,
			Role::Aggregator,
			Role::Utility,
			Role::Oracle,
			Role::Regulator,
			Role::PaymentAgent,
		] {
			ExtBuilder::default().build_and_execute(|| {
				assert!(!Participants::is_active(&BOB));
				assert_ok!(by(root(), &[role]));
				assert!(Participants::is_active(&BOB));
				assert!(Participants::has_role(&BOB, role));
				assert_eq!(Participants::zone_of(&BOB), Some(ZONE));
				System::assert_last_event(
					Event::Admitted {
						who: BOB,
						roles: role.into(),
						zone: ZONE,
						identity: IDENTITY,
					}
					.into(),
				);
			});
		}
	}

	#[test]
	fn admit_lets_the_account_exist_when_it_owns_no_coin() {
		ExtBuilder::default().build_and_execute(|| {
			assert!(!System::account_exists(&BOB));
			assert_ok!(by(root(), &[Role::Prosumer]));
			assert!(System::account_exists(&BOB));
		});
	}

	#[test]
	fn admit_grants_prosumer_and_aggregator_when_the_utility_asks() {
		for roles in [
			&[Role::Prosumer][..],
			&[Role::Aggregator][..],
			&[Role::Prosumer, Role::Aggregator][..],
		] {
			ExtBuilder::default().build_and_execute(|| {
				assert_ok!(by(signed(UTILITY), roles));
				assert!(roles.iter().all(|role| Participants::has_role(&BOB, *role)));
			});
		}
	}

	#[test]
	fn admit_fails_when_the_utility_grants_another_role() {
		ExtBuilder::default().build_and_execute(|| {
			for role in [Role::Utility, Role::Oracle, Role::Regulator, Role::PaymentAgent] {
				assert_noop!(by(signed(UTILITY), &[role]), Error::<Test>::RoleNotGrantable);
				assert_noop!(
					by(signed(UTILITY), &[Role::Prosumer, role]),
					Error::<Test>::RoleNotGrantable
				);
			}
			assert_noop!(by(signed(UTILITY), &[]), Error::<Test>::RoleNotGrantable);
		});
	}

	#[test]
	fn admit_fails_when_the_signer_is_not_the_active_utility() {
		ExtBuilder::default().build_and_execute(|| {
			for signer in [OTHER_UTILITY, ALICE, REGULATOR, STRANGER] {
				assert_noop!(by(signed(signer), &[Role::Prosumer]), Error::<Test>::NotTheUtility);
			}
			assert_ok!(Participants::suspend(root(), UTILITY));
			assert_noop!(by(signed(UTILITY), &[Role::Prosumer]), Error::<Test>::NotTheUtility);
		});
	}

	#[test]
	fn admit_fails_when_there_is_no_signer() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(by(RuntimeOrigin::none(), &[Role::Prosumer]), BadOrigin);
		});
	}

	#[test]
	fn admit_fails_when_the_roles_are_invalid() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(by(root(), &[]), Error::<Test>::RolesInvalid);
			let unknown: Roles = codec::Decode::decode(&mut &[0b0100_0001u8][..]).unwrap();
			assert_noop!(
				Participants::admit(root(), BOB, unknown, ZONE, IDENTITY),
				Error::<Test>::RolesInvalid
			);
		});
	}

	#[test]
	fn admit_fails_when_the_zone_is_unknown() {
		ExtBuilder::default().build_and_execute(|| {
			for origin in [root(), signed(UTILITY)] {
				assert_noop!(
					Participants::admit(origin, BOB, Role::Prosumer.into(), ZoneId(3), IDENTITY),
					Error::<Test>::ZoneUnknown
				);
			}
		});
	}

	#[test]
	fn admit_fails_when_the_account_is_a_participant() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::admit(root(), ALICE, Role::Oracle.into(), ZONE, IDENTITY),
				Error::<Test>::AlreadyAdmitted
			);
		});
	}
}

mod remove {
	use super::*;

	#[test]
	fn remove_forgets_the_account_when_it_owns_nothing() {
		ExtBuilder::default().build_and_execute(|| {
			assert!(Participants::use_quota(&ALICE, Quota::get()));
			assert_ok!(Participants::remove(root(), ALICE));
			assert_eq!(ParticipantsOf::<Test>::get(ALICE), None);
			assert_eq!(QuotaUsed::<Test>::get(ALICE), None);
			assert!(!System::account_exists(&ALICE));
			System::assert_last_event(Event::Removed { who: ALICE }.into());
		});
	}

	#[test]
	fn remove_fails_when_the_origin_is_not_governance() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::remove(signed(UTILITY), ALICE), BadOrigin);
		});
	}

	#[test]
	fn remove_fails_when_the_account_is_no_participant() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::remove(root(), STRANGER), Error::<Test>::NotAdmitted);
		});
	}

	#[test]
	fn remove_fails_when_the_account_owns_meters() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Participants::register_meter(root(), meter(1), ALICE, ZONE, key(), 1));
			assert_noop!(Participants::remove(root(), ALICE), Error::<Test>::OwnsMeters);
		});
	}

	#[test]
	fn remove_fails_when_the_account_runs_a_zone() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::remove(root(), UTILITY), Error::<Test>::RunsZone);
		});
	}

	#[test]
	fn remove_fails_when_the_account_is_needed_elsewhere() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(System::inc_consumers(&ALICE));
			assert_noop!(Participants::remove(root(), ALICE), DispatchError::ConsumerRemaining);
		});
	}
}
