use super::*;

mod suspend {
	use super::*;

	#[test]
	fn suspend_stops_a_participant_when_governance_or_a_regulator_asks() {
		for origin in [root(), signed(REGULATOR)] {
			ExtBuilder::default().build_and_execute(|| {
				assert_ok!(Participants::suspend(origin, ALICE));
				assert!(!Participants::is_active(&ALICE));
				assert!(!Participants::has_role(&ALICE, Role::Prosumer));
				assert_eq!(Participants::zone_of(&ALICE), Some(ZONE));
				System::assert_last_event(Event::Suspended { who: ALICE }.into());
			});
		}
	}

	#[test]
	fn suspend_fails_when_the_signer_is_no_active_regulator() {
		ExtBuilder::default().build_and_execute(|| {
			for signer in [UTILITY, ALICE, STRANGER] {
				assert_noop!(
					Participants::suspend(signed(signer), ALICE),
					Error::<Test>::NotARegulator
				);
			}
			assert_ok!(Participants::suspend(root(), REGULATOR));
			assert_noop!(
				Participants::suspend(signed(REGULATOR), ALICE),
				Error::<Test>::NotARegulator
			);
			assert_noop!(Participants::suspend(RuntimeOrigin::none(), ALICE), BadOrigin);
		});
	}

	#[test]
	fn suspend_fails_when_a_regulator_names_itself() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::suspend(signed(REGULATOR), REGULATOR),
				Error::<Test>::OwnSuspension
			);
		});
	}

	#[test]
	fn suspend_needs_governance_when_the_account_is_protected() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(
				Participants::suspend(signed(REGULATOR), COUNCILLOR),
				Error::<Test>::ProtectedAccount
			);
			assert_ok!(Participants::suspend(root(), COUNCILLOR));
		});
	}

	#[test]
	fn suspend_fails_when_the_account_is_no_participant() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::suspend(root(), STRANGER), Error::<Test>::NotAdmitted);
		});
	}

	#[test]
	fn suspend_fails_when_it_happened_already() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Participants::suspend(root(), ALICE));
			assert_noop!(Participants::suspend(root(), ALICE), Error::<Test>::AlreadySuspended);
		});
	}
}

mod reinstate {
	use super::*;

	#[test]
	fn reinstate_lets_a_participant_act_when_governance_or_a_regulator_asks() {
		for origin in [root(), signed(REGULATOR)] {
			ExtBuilder::default().build_and_execute(|| {
				assert_ok!(Participants::suspend(root(), ALICE));
				assert_ok!(Participants::reinstate(origin, ALICE));
				assert!(Participants::has_role(&ALICE, Role::Prosumer));
				System::assert_last_event(Event::Reinstated { who: ALICE }.into());
			});
		}
	}

	#[test]
	fn reinstate_fails_when_the_signer_is_no_active_regulator() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Participants::suspend(root(), REGULATOR));
			for signer in [REGULATOR, UTILITY, STRANGER] {
				assert_noop!(
					Participants::reinstate(signed(signer), REGULATOR),
					Error::<Test>::NotARegulator
				);
			}
			assert_noop!(Participants::reinstate(RuntimeOrigin::none(), REGULATOR), BadOrigin);
		});
	}

	#[test]
	fn reinstate_fails_when_the_account_is_no_participant() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::reinstate(root(), STRANGER), Error::<Test>::NotAdmitted);
		});
	}

	#[test]
	fn reinstate_fails_when_the_participant_is_active() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(Participants::reinstate(root(), ALICE), Error::<Test>::NotSuspended);
		});
	}
}
