use super::*;

mod set_group {
	use super::*;

	fn set(members: &[AccountId], threshold: u32) -> sp_runtime::DispatchResult {
		Metering::set_group(root(), ZONE, members.to_vec().try_into().unwrap(), threshold)
	}

	#[test]
	fn set_group_replaces_the_group_when_it_is_sound() {
		ExtBuilder::default().build_and_execute(|| {
			for (members, threshold) in [
				(vec![ORACLE_4], 1),
				(vec![ORACLE_4, ORACLE_1], 2),
				(vec![ORACLE_4, ORACLE_1, ORACLE_2], 2),
				(vec![ORACLE_4, ORACLE_1, ORACLE_2, ORACLE_3], 3),
				(vec![ORACLE_4, ORACLE_1, ORACLE_2, ORACLE_3], 4),
			] {
				assert_ok!(set(&members, threshold));
				let group = Metering::group(ZONE).unwrap();
				assert_eq!(
					(group.members.into_inner(), group.threshold),
					(members.clone(), threshold)
				);
				System::assert_last_event(
					Event::GroupSet { zone: ZONE, members, threshold }.into(),
				);
			}
		});
	}

	#[test]
	fn set_group_fails_when_the_origin_is_not_governance() {
		ExtBuilder::default().build_and_execute(|| {
			let members = vec![ORACLE_1].try_into().unwrap();
			assert_noop!(Metering::set_group(signed(ORACLE_1), ZONE, members, 1), BadOrigin);
		});
	}

	#[test]
	fn set_group_fails_when_the_zone_is_unknown() {
		ExtBuilder::default().build_and_execute(|| {
			let members = vec![ORACLE_1].try_into().unwrap();
			assert_noop!(
				Metering::set_group(root(), ZoneId(3), members, 1),
				Error::<Test>::ZoneUnknown
			);
		});
	}

	#[test]
	fn set_group_fails_when_a_member_is_no_active_oracle() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(set(&[ALICE], 1), Error::<Test>::NotAnOracle);
			suspend(ORACLE_2);
			assert_noop!(set(&[ORACLE_1, ORACLE_2], 2), Error::<Test>::NotAnOracle);
		});
	}

	#[test]
	fn set_group_fails_when_a_member_comes_twice() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(set(&[ORACLE_1, ORACLE_1], 2), Error::<Test>::OracleTwice);
		});
	}

	#[test]
	fn set_group_fails_when_the_threshold_is_no_majority() {
		ExtBuilder::default().build_and_execute(|| {
			let all = [ORACLE_1, ORACLE_2, ORACLE_3, ORACLE_4];
			for (members, threshold) in [(0, 0), (1, 0), (1, 2), (2, 1), (3, 1), (3, 4), (4, 2)] {
				assert_noop!(set(&all[..members], threshold), Error::<Test>::ThresholdInvalid);
			}
		});
	}
}

mod set_parameters {
	use super::*;

	const LONGEST: u32 = MAX_TOTAL_SECONDS as u32;

	#[test]
	fn set_parameters_spares_slots_that_have_ended_when_times_change() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Metering::set_parameters(root(), 10, 20));
			let parameters = Parameters { dispute_seconds: 10, deadline_seconds: 20 };
			System::assert_last_event(Event::ParametersSet { from: Now::get(), parameters }.into());
			assert_eq!(Metering::parameters(end(SLOT.next())), parameters);
			assert_eq!(Metering::parameters(end(Slot(u32::MAX))), parameters);
			let former =
				Parameters { dispute_seconds: DISPUTE as u32, deadline_seconds: DEADLINE as u32 };
			assert_eq!(Metering::parameters(end(SLOT)), former);
			assert_eq!(Metering::parameters(end(Slot(0))), former);
		});
	}

	#[test]
	fn set_parameters_replaces_the_entry_when_the_moment_is_the_same() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Metering::set_parameters(root(), 10, 20));
			assert_ok!(Metering::set_parameters(root(), 0, 1));
			assert_eq!(ParameterHistory::<Test>::get().len(), 2);
			assert_eq!(
				Metering::parameters(end(SLOT.next())),
				Parameters { dispute_seconds: 0, deadline_seconds: 1 }
			);
		});
	}

	#[test]
	fn set_parameters_keeps_a_slot_final_when_times_become_longer() {
		ExtBuilder::default().build_and_execute(|| {
			Now::set(end(SLOT) + DEADLINE + DISPUTE);
			assert_eq!(Metering::status(ZONE, SLOT), MeteringStatus::Final);
			assert_ok!(Metering::set_parameters(root(), LONGEST - 1, 1));
			assert_eq!(Metering::status(ZONE, SLOT), MeteringStatus::Final);
		});
	}

	#[test]
	fn set_parameters_fails_when_the_origin_is_not_governance() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Metering::set_parameters(signed(ORACLE_1), 1, 1), BadOrigin);
		});
	}

	#[test]
	fn set_parameters_fails_when_oracles_have_no_time() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Metering::set_parameters(root(), 1, 0), Error::<Test>::DeadlineZero);
		});
	}

	#[test]
	fn set_parameters_fails_when_times_are_longer_than_a_week() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Metering::set_parameters(root(), LONGEST, 1), Error::<Test>::TimesTooLong);
			assert_noop!(
				Metering::set_parameters(root(), u32::MAX, u32::MAX),
				Error::<Test>::TimesTooLong
			);
			assert_ok!(Metering::set_parameters(root(), LONGEST - 1, 1));
		});
	}

	#[test]
	fn set_parameters_forgets_times_of_slots_long_over_when_changes_go_on() {
		ExtBuilder::default().build_and_execute(|| {
			// The times of the beginning are the first entry.
			for change in 1..MAX_PARAMETER_CHANGES {
				Now::set(end(SLOT) + u64::from(change * SLOT_SECONDS));
				assert_ok!(Metering::set_parameters(root(), change, 1));
			}
			Now::set(end(SLOT) + u64::from(MAX_PARAMETER_CHANGES * SLOT_SECONDS));
			assert_noop!(Metering::set_parameters(root(), 99, 1), Error::<Test>::TooManyChanges);
			// A week after the second entry was made, no slot needs the first.
			let second = end(SLOT) + u64::from(SLOT_SECONDS);
			Now::set(second + MAX_TOTAL_SECONDS - 1);
			assert_noop!(Metering::set_parameters(root(), 99, 1), Error::<Test>::TooManyChanges);
			Now::set(second + MAX_TOTAL_SECONDS);
			assert_ok!(Metering::set_parameters(root(), 99, 1));
			assert_eq!(ParameterHistory::<Test>::get().len() as u32, MAX_PARAMETER_CHANGES);
			assert_eq!(Metering::parameters(end(SLOT)).dispute_seconds, 1);
		});
	}
}

mod genesis {
	use super::*;

	#[test]
	#[should_panic(expected = "genesis: oracles of zone 1")]
	fn genesis_panics_when_a_group_is_unsound() {
		ExtBuilder::default().with_genesis(|genesis| genesis.groups[0].2 = 1).build();
	}

	#[test]
	#[should_panic(expected = "genesis: zone 1 has too many oracles")]
	fn genesis_panics_when_a_group_is_too_large() {
		ExtBuilder::default().with_genesis(|genesis| genesis.groups[0].1 = vec![ALICE; 5]).build();
	}

	#[test]
	#[should_panic(expected = "genesis: oracles have no time to attest")]
	fn genesis_panics_when_oracles_have_no_time() {
		ExtBuilder::default()
			.with_genesis(|genesis| genesis.parameters.deadline_seconds = 0)
			.build();
	}
}
