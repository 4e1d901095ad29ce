use super::*;
use energy_primitives::Meter;

mod register_meter {
	use super::*;

	fn register(number: u8) -> sp_runtime::DispatchResult {
		Participants::register_meter(
			signed(UTILITY),
			meter(number),
			ALICE,
			ZONE,
			key(),
			u32::from(number),
		)
	}

	#[test]
	fn register_meter_gives_out_places_when_the_utility_or_governance_asks() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(register(7));
			let ed25519 = ed25519_key();
			assert_ok!(Participants::register_meter(root(), meter(5), ALICE, ZONE, ed25519, 5));
			System::assert_last_event(
				Event::MeterRegistered {
					id: meter(5),
					owner: ALICE,
					zone: ZONE,
					index: MeterIndex(1),
					key: ed25519,
					rated_power_w: 5,
				}
				.into(),
			);
			let first = Meter {
				owner: ALICE,
				zone: ZONE,
				index: MeterIndex(0),
				key: key(),
				rated_power_w: 7,
			};
			assert_eq!(Participants::meter(meter(7)), Some(first.clone()));
			assert_eq!(Participants::meter_at(ZONE, MeterIndex(0)), Some((meter(7), first)));
			assert_eq!(Participants::meter_at(ZONE, MeterIndex(2)), None);
			assert_eq!(Participants::meter_at(OTHER_ZONE, MeterIndex(0)), None);
			assert_eq!(Participants::meters_of(&ALICE, ZONE), vec![MeterIndex(0), MeterIndex(1)]);
			assert_eq!(Participants::meters_of(&ALICE, OTHER_ZONE), vec![]);
			assert_eq!(Participants::meters_of(&BOB, ZONE), vec![]);
			assert_eq!(Participants::meter_count(ZONE), 2);
			assert_eq!(Participants::meter_count(OTHER_ZONE), 0);
		});
	}

	#[test]
	fn register_meter_fails_when_the_signer_is_not_the_active_utility() {
		ExtBuilder::default().build_and_execute(|| {
			let by = |origin| Participants::register_meter(origin, meter(1), ALICE, ZONE, key(), 1);
			for signer in [OTHER_UTILITY, ALICE, REGULATOR, STRANGER] {
				assert_noop!(by(signed(signer)), Error::<Test>::NotTheUtility);
			}
			assert_ok!(Participants::suspend(root(), UTILITY));
			assert_noop!(by(signed(UTILITY)), Error::<Test>::NotTheUtility);
			assert_noop!(by(RuntimeOrigin::none()), BadOrigin);
		});
	}

	#[test]
	fn register_meter_fails_when_the_zone_is_unknown() {
		ExtBuilder::default().build_and_execute(|| {
			for origin in [root(), signed(UTILITY)] {
				assert_noop!(
					Participants::register_meter(origin, meter(1), ALICE, ZoneId(3), key(), 1),
					Error::<Test>::ZoneUnknown
				);
			}
		});
	}

	#[test]
	fn register_meter_fails_when_the_identifier_is_taken() {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(register(1));
			assert_noop!(register(1), Error::<Test>::MeterExists);
			admit(BOB, Role::Prosumer, OTHER_ZONE);
			assert_noop!(
				Participants::register_meter(root(), meter(1), BOB, OTHER_ZONE, key(), 1),
				Error::<Test>::MeterExists
			);
		});
	}

	#[test]
	fn register_meter_fails_when_the_key_is_no_point() {
		ExtBuilder::default().build_and_execute(|| {
			let weak = wia_ene_014::canonical::DeviceKey::Ed25519([0; 32]);
			for key in [invalid_key(), weak] {
				assert_noop!(
					Participants::register_meter(root(), meter(1), ALICE, ZONE, key, 1),
					Error::<Test>::KeyInvalid
				);
			}
		});
	}

	#[test]
	fn register_meter_fails_when_the_connection_carries_nothing() {
		ExtBuilder::default().build_and_execute(|| {
			assert_noop!(register(0), Error::<Test>::RatedPowerZero);
		});
	}

	#[test]
	fn register_meter_fails_when_the_owner_does_not_fit() {
		ExtBuilder::default().build_and_execute(|| {
			let to = |owner| Participants::register_meter(root(), meter(1), owner, ZONE, key(), 1);
			assert_noop!(to(STRANGER), Error::<Test>::OwnerUnfit);
			assert_noop!(to(REGULATOR), Error::<Test>::OwnerUnfit);
			admit(BOB, Role::Prosumer, OTHER_ZONE);
			assert_noop!(to(BOB), Error::<Test>::OwnerUnfit);
			assert_ok!(Participants::suspend(root(), ALICE));
			assert_noop!(to(ALICE), Error::<Test>::OwnerUnfit);
		});
	}

	#[test]
	fn register_meter_fails_when_the_owner_has_as_many_as_it_may() {
		ExtBuilder::default().build_and_execute(|| {
			for number in 1..=4 {
				assert_ok!(register(number));
			}
			assert_noop!(register(5), Error::<Test>::TooManyMeters);
		});
	}

	#[test]
	fn register_meter_fails_when_the_zone_has_no_place_left() {
		ExtBuilder::default().build().execute_with(|| {
			MeterCount::<Test>::insert(ZONE, u32::MAX);
			assert_noop!(register(1), sp_runtime::ArithmeticError::Overflow);
		});
	}
}

mod rotate_meter_key {
	use super::*;

	fn with_meter(test: impl FnOnce()) {
		ExtBuilder::default().build_and_execute(|| {
			assert_ok!(Participants::register_meter(root(), meter(1), ALICE, ZONE, key(), 1));
			test();
		});
	}

	#[test]
	fn rotate_meter_key_keeps_the_former_key_when_the_utility_or_governance_asks() {
		with_meter(|| {
			assert_eq!(Participants::previous_key(meter(1)), None);
			assert_ok!(Participants::rotate_meter_key(signed(UTILITY), meter(1), other_key()));
			assert_eq!(Participants::meter(meter(1)).unwrap().key, other_key());
			assert_eq!(Participants::previous_key(meter(1)), Some(key()));
			System::assert_last_event(
				Event::MeterKeyRotated { id: meter(1), old: key(), new: other_key() }.into(),
			);
			assert_ok!(Participants::rotate_meter_key(root(), meter(1), ed25519_key()));
			assert_eq!(Participants::previous_key(meter(1)), Some(other_key()));
		});
	}

	#[test]
	fn rotate_meter_key_fails_when_the_signer_is_not_the_active_utility() {
		with_meter(|| {
			for signer in [OTHER_UTILITY, ALICE, STRANGER] {
				assert_noop!(
					Participants::rotate_meter_key(signed(signer), meter(1), other_key()),
					Error::<Test>::NotTheUtility
				);
			}
			assert_noop!(
				Participants::rotate_meter_key(RuntimeOrigin::none(), meter(1), other_key()),
				BadOrigin
			);
		});
	}

	#[test]
	fn rotate_meter_key_fails_when_the_meter_is_unknown() {
		with_meter(|| {
			assert_noop!(
				Participants::rotate_meter_key(root(), meter(2), other_key()),
				Error::<Test>::MeterUnknown
			);
		});
	}

	#[test]
	fn rotate_meter_key_fails_when_nothing_changes() {
		with_meter(|| {
			assert_noop!(
				Participants::rotate_meter_key(root(), meter(1), key()),
				Error::<Test>::KeyUnchanged
			);
		});
	}

	#[test]
	fn rotate_meter_key_fails_when_the_key_is_no_point() {
		with_meter(|| {
			assert_noop!(
				Participants::rotate_meter_key(root(), meter(1), invalid_key()),
				Error::<Test>::KeyInvalid
			);
		});
	}
}
