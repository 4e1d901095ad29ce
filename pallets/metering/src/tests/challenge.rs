use super::*;
use energy_primitives::merkle::{self, MAX_PATH};
use frame_support::dispatch::{DispatchResultWithPostInfo, Pays};
use wia_ene_014::canonical::{CanonicalInterval, DeviceKey};

/// Signs with Ed25519.
const METER: u32 = 0;
/// Signs with P-256.
const P256_METER: u32 = 1;

const HALF: u32 = SLOT_SECONDS / 2;

/// A reading of the first, then one of the second half of the slot, 100 Wh in all.
fn halves() -> Vec<Vec<CanonicalInterval>> {
	vec![vec![interval(0, HALF, 60, 1)], vec![interval(HALF.into(), HALF, 40, 2)]]
}

fn signed_by(meter: u32, messages: Vec<Vec<CanonicalInterval>>) -> Readings {
	Readings(
		messages
			.into_iter()
			.map(|intervals| device(meter).sign(message(meter, intervals)))
			.collect(),
	)
}

/// Two oracles agree on the lines and on the readings behind them.
fn vouch(readings: &Readings, lines: Vec<MeterValue>) {
	for oracle in [ORACLE_1, ORACLE_2] {
		assert_ok!(Metering::attest(
			signed(oracle),
			ZONE,
			SLOT,
			0,
			lines.clone().try_into().unwrap(),
			readings.root(),
			readings.count()
		));
	}
}

fn challenge(meter: u32, evidence: Vec<Evidence>) -> DispatchResultWithPostInfo {
	Metering::challenge(signed(ALICE), ZONE, SLOT, MeterIndex(meter), evidence.try_into().unwrap())
}

fn measured(meter: u32) -> Measured {
	Metering::measured(ZONE, SLOT, MeterIndex(meter))
}

/// Everything is as it should be, but the oracles attested 1 Wh too much.
fn wrongly_attested(test: impl FnOnce(Readings)) {
	ExtBuilder::default().build_and_execute(|| {
		let readings = signed_by(METER, halves());
		vouch(&readings, vec![line(METER, 101, 3), line(2, 300, 0)]);
		test(readings);
	});
}

/// What was proven for [`METER`].
fn proven() -> Measured {
	Measured { import_wh: 100, export_wh: 3, quality: Quality::Valid }
}

mod upheld {
	use super::*;

	#[test]
	fn challenge_corrects_the_line_when_the_readings_say_otherwise() {
		wrongly_attested(|readings| {
			let post = challenge(METER, readings.evidence(&[0, 1])).unwrap();
			assert_eq!(post.pays_fee, Pays::No);
			assert_eq!(measured(METER), proven());
			System::assert_last_event(
				Event::ChallengeUpheld {
					zone: ZONE,
					slot: SLOT,
					meter: MeterIndex(METER),
					challenger: ALICE,
					old: Some(line(METER, 101, 3)),
					new: line(METER, 100, 3),
					oracles: vec![ORACLE_1, ORACLE_2],
				}
				.into(),
			);
			assert_eq!(Faults::<Test>::get(ORACLE_1), 1);
			assert_eq!(Faults::<Test>::get(ORACLE_2), 1);
			assert_eq!(Faults::<Test>::get(ORACLE_3), 0);
		});
	}

	#[test]
	fn challenge_takes_evidence_in_any_order() {
		wrongly_attested(|readings| {
			assert_ok!(challenge(METER, readings.evidence(&[1, 0])));
			assert_eq!(measured(METER), proven());
		});
	}

	#[test]
	fn challenge_is_upheld_when_the_device_signs_with_p256() {
		ExtBuilder::default().build_and_execute(|| {
			let readings = signed_by(P256_METER, halves());
			assert!(matches!(device(P256_METER).key(), DeviceKey::P256(_)));
			vouch(&readings, vec![line(P256_METER, 100, 0)]);
			assert_ok!(challenge(P256_METER, readings.evidence(&[0, 1])));
			assert_eq!(measured(P256_METER), proven());
		});
	}

	#[test]
	fn challenge_inserts_the_line_in_its_place_when_it_was_left_out() {
		ExtBuilder::default().build_and_execute(|| {
			let readings = signed_by(P256_METER, halves());
			vouch(&readings, vec![line(0, 5, 0), line(2, 300, 0)]);
			assert_ok!(challenge(P256_METER, readings.evidence(&[0, 1])));
			assert_eq!(
				Metering::attestation(ZONE, SLOT, 0).unwrap().values,
				vec![line(0, 5, 0), line(P256_METER, 100, 3), line(2, 300, 0)]
			);
			assert_eq!(
				events(|event| matches!(event, Event::ChallengeUpheld { old: None, .. })),
				1
			);
		});
	}

	#[test]
	fn challenge_fills_the_page_when_one_line_was_left_out() {
		ExtBuilder::default().build_and_execute(|| {
			let readings = signed_by(METER, halves());
			vouch(&readings, (1..256).map(|meter| line(meter, 1, 0)).collect());
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
			assert_eq!(Metering::attestation(ZONE, SLOT, 0).unwrap().values.len(), 256);
		});
	}

	#[test]
	fn challenge_replaces_a_missing_line_when_the_energies_happen_to_be_the_same() {
		ExtBuilder::default().build_and_execute(|| {
			let readings = signed_by(METER, halves());
			let missing = MeterValue { quality: Quality::Missing, ..line(METER, 100, 3) };
			vouch(&readings, vec![missing]);
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
			assert_eq!(measured(METER), proven());
		});
	}

	#[test]
	fn challenge_takes_the_worst_quality_when_readings_differ() {
		ExtBuilder::default().build_and_execute(|| {
			let mut intervals = halves().concat();
			intervals[1].quality = Quality::Suspect;
			let readings = signed_by(METER, vec![intervals]);
			vouch(&readings, vec![line(METER, 1, 1)]);
			assert_ok!(challenge(METER, readings.evidence(&[0])));
			assert_eq!(measured(METER), Measured { quality: Quality::Suspect, ..proven() });
		});
	}

	#[test]
	fn challenge_leaves_out_intervals_when_they_are_beyond_the_slot() {
		ExtBuilder::default().build_and_execute(|| {
			let mut before = interval(0, HALF, 1_000, 0);
			before.start_seconds -= u64::from(HALF);
			let after = interval(SLOT_SECONDS.into(), 60, 1_000, 0);
			let intervals = [vec![before], halves().concat(), vec![after]].concat();
			let readings = signed_by(METER, vec![intervals]);
			vouch(&readings, vec![line(METER, 1, 1)]);
			assert_ok!(challenge(METER, readings.evidence(&[0])));
			assert_eq!(measured(METER), proven());
		});
	}

	#[test]
	fn challenge_accepts_the_previous_key_when_the_meter_has_a_new_one() {
		wrongly_attested(|readings| {
			Registered::mutate(|zones| zones.get_mut(&ZONE).unwrap()[0].1 = device(50).key());
			assert_noop!(
				challenge(METER, readings.evidence(&[0, 1])),
				Error::<Test>::SignatureInvalid
			);
			PreviousKeys::mutate(|keys| keys.insert(id(METER), device(METER).key()));
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
		});
	}

	#[test]
	fn challenge_is_upheld_when_other_pages_are_open_and_until_the_window_closes() {
		wrongly_attested(|readings| {
			Now::set(end(SLOT) + DEADLINE + DISPUTE - 1);
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
		});
	}

	#[test]
	fn challenge_keeps_other_lines_when_one_is_corrected() {
		wrongly_attested(|readings| {
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
			assert_eq!(
				Metering::attestation(ZONE, SLOT, 0).unwrap().values,
				vec![line(METER, 100, 3), line(2, 300, 0)]
			);
		});
	}
}

mod rejected {
	use super::*;

	#[test]
	fn challenge_fails_when_the_readings_say_the_same() {
		for quality in [Quality::Valid, Quality::Suspect, Quality::Estimated] {
			ExtBuilder::default().build_and_execute(|| {
				let readings = signed_by(METER, halves());
				vouch(&readings, vec![MeterValue { quality, ..line(METER, 100, 3) }]);
				assert_noop!(
					challenge(METER, readings.evidence(&[0, 1])),
					Error::<Test>::ChallengeUnfounded
				);
			});
		}
	}

	#[test]
	fn challenge_fails_when_there_is_no_signer() {
		wrongly_attested(|readings| {
			let evidence = readings.evidence(&[0, 1]).try_into().unwrap();
			assert_noop!(
				Metering::challenge(root(), ZONE, SLOT, MeterIndex(METER), evidence),
				BadOrigin
			);
		});
	}

	#[test]
	fn challenge_fails_when_the_signer_is_no_active_participant() {
		wrongly_attested(|readings| {
			suspend(ALICE);
			assert_noop!(
				challenge(METER, readings.evidence(&[0, 1])),
				Error::<Test>::NotAParticipant
			);
		});
	}

	#[test]
	fn challenge_fails_when_the_page_is_not_final() {
		ExtBuilder::default().build_and_execute(|| {
			let readings = signed_by(METER, halves());
			assert_noop!(challenge(METER, readings.evidence(&[0, 1])), Error::<Test>::PageNotFinal);
			assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
			assert_noop!(challenge(METER, readings.evidence(&[0, 1])), Error::<Test>::PageNotFinal);
		});
	}

	#[test]
	fn challenge_fails_when_the_window_of_a_complete_slot_is_over() {
		wrongly_attested(|readings| {
			Now::set(end(SLOT) + 60);
			finalise(SLOT, 1, vec![line(256, 1, 0)]);
			Now::set(end(SLOT) + 60 + DISPUTE);
			assert_noop!(
				challenge(METER, readings.evidence(&[0, 1])),
				Error::<Test>::DisputeWindowOver
			);
			Now::set(end(SLOT) + 60 + DISPUTE - 1);
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
		});
	}

	#[test]
	fn challenge_fails_when_the_window_of_an_incomplete_slot_is_over() {
		wrongly_attested(|readings| {
			Now::set(end(SLOT) + DEADLINE + DISPUTE);
			assert_noop!(
				challenge(METER, readings.evidence(&[0, 1])),
				Error::<Test>::DisputeWindowOver
			);
		});
	}

	#[test]
	fn challenge_fails_when_the_meter_has_no_place() {
		ExtBuilder::default().with_meters(3).build_and_execute(|| {
			let readings = signed_by(METER, halves());
			vouch(&readings, lines());
			// Registered after the attestation began.
			Registered::mutate(|zones| {
				zones.get_mut(&ZONE).unwrap().push((id(3), device(3).key()));
			});
			for meter in [3, 4] {
				assert_noop!(
					challenge(meter, readings.evidence(&[0, 1])),
					Error::<Test>::MeterUnknown
				);
			}
		});
	}

	#[test]
	fn challenge_fails_when_the_line_was_corrected() {
		ExtBuilder::default().build_and_execute(|| {
			// The meter signed two stories, and the oracles committed to both.
			let readings =
				signed_by(METER, [halves(), vec![vec![interval(0, 900, 7, 0)]]].concat());
			vouch(&readings, vec![line(METER, 1, 1)]);
			assert_ok!(challenge(METER, readings.evidence(&[0, 1])));
			assert_noop!(
				challenge(METER, readings.evidence(&[2])),
				Error::<Test>::AlreadyCorrected
			);
			assert_eq!(Faults::<Test>::get(ORACLE_1), 1);
		});
	}

	#[test]
	fn challenge_fails_when_a_message_breaks_the_rules_of_its_format() {
		ExtBuilder::default().build_and_execute(|| {
			let mut backwards = halves().concat();
			backwards.reverse();
			let readings = signed_by(METER, vec![vec![], backwards]);
			vouch(&readings, vec![line(METER, 1, 1)]);
			for which in [0, 1] {
				assert_noop!(
					challenge(METER, readings.evidence(&[which])),
					Error::<Test>::EvidenceInvalid
				);
			}
		});
	}

	#[test]
	fn challenge_fails_when_a_message_is_of_another_meter() {
		wrongly_attested(|readings| {
			assert_noop!(
				challenge(2, readings.evidence(&[0, 1])),
				Error::<Test>::EvidenceOfAnotherMeter
			);
		});
	}

	#[test]
	fn challenge_fails_when_a_path_is_longer_than_any() {
		wrongly_attested(|readings| {
			let mut evidence = readings.evidence(&[0, 1]);
			evidence[0].path.siblings = vec![H256::zero(); MAX_PATH as usize];
			assert_noop!(challenge(METER, evidence.clone()), Error::<Test>::EvidenceNotAttested);
			evidence[0].path.siblings.push(H256::zero());
			assert_noop!(challenge(METER, evidence), Error::<Test>::PathTooLong);
		});
	}

	#[test]
	fn challenge_fails_when_the_oracles_did_not_commit_to_a_reading() {
		wrongly_attested(|readings| {
			let other = signed_by(METER, vec![halves().concat()]);
			assert_noop!(
				challenge(METER, other.evidence(&[0])),
				Error::<Test>::EvidenceNotAttested
			);
			let mut swapped = readings.evidence(&[0, 1]);
			swapped[0].path = merkle::MerklePath { leaf_index: 1, ..swapped[0].path.clone() };
			assert_noop!(challenge(METER, swapped), Error::<Test>::EvidenceNotAttested);
			let mut altered = readings.evidence(&[0, 1]);
			altered[0].message.message.intervals[0].import_wh = 1;
			assert_noop!(challenge(METER, altered), Error::<Test>::EvidenceNotAttested);
		});
	}

	#[test]
	fn challenge_fails_when_a_path_is_of_a_tree_of_another_size() {
		wrongly_attested(|readings| {
			let mut evidence = readings.evidence(&[0, 1]);
			evidence[0].path.leaf_count = 3;
			assert_noop!(challenge(METER, evidence), Error::<Test>::EvidenceNotAttested);
		});
	}

	#[test]
	fn challenge_fails_when_the_device_did_not_sign() {
		for meter in [METER, P256_METER] {
			ExtBuilder::default().build_and_execute(|| {
				let mut readings = signed_by(meter, halves());
				let forged = device(meter + 2).sign(readings.0[1].message.clone());
				readings.0[1] = forged;
				vouch(&readings, vec![line(meter, 1, 1)]);
				assert_noop!(
					challenge(meter, readings.evidence(&[0, 1])),
					Error::<Test>::SignatureInvalid
				);
			});
		}
	}

	#[test]
	fn challenge_fails_when_the_intervals_do_not_fill_the_slot() {
		let hole = interval(u64::from(HALF) + 1, HALF - 1, 1, 0);
		let overlap = interval(u64::from(HALF) - 1, HALF + 1, 1, 0);
		let mut missing = interval(HALF.into(), HALF, 0, 0);
		missing.quality = Quality::Missing;
		let beyond = interval(HALF.into(), HALF + 1, 1, 0);
		let short = interval(HALF.into(), HALF - 1, 1, 0);
		for second in [hole, overlap, missing, beyond, short] {
			ExtBuilder::default().build_and_execute(|| {
				let first = interval(0, HALF, 60, 1);
				let readings = signed_by(METER, vec![vec![first], vec![second]]);
				vouch(&readings, vec![line(METER, 1, 1)]);
				assert_noop!(
					challenge(METER, readings.evidence(&[0, 1])),
					Error::<Test>::EvidenceIncomplete
				);
			});
		}
	}

	#[test]
	fn challenge_fails_when_evidence_is_left_out_or_shown_twice() {
		wrongly_attested(|readings| {
			for which in [&[][..], &[0], &[1], &[0, 0], &[0, 1, 1]] {
				assert_noop!(
					challenge(METER, readings.evidence(which)),
					Error::<Test>::EvidenceIncomplete
				);
			}
		});
	}

	#[test]
	fn challenge_fails_when_the_sum_does_not_fit() {
		ExtBuilder::default().build_and_execute(|| {
			let intervals = vec![interval(0, HALF, u64::MAX, 0), interval(HALF.into(), HALF, 1, 0)];
			let readings = signed_by(METER, vec![intervals]);
			vouch(&readings, vec![line(METER, 1, 1)]);
			assert_noop!(
				challenge(METER, readings.evidence(&[0])),
				sp_runtime::ArithmeticError::Overflow
			);
		});
	}
}
