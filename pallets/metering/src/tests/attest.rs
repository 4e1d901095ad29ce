use super::*;
use energy_primitives::{api::AttestedPage, merkle::MAX_PATH};

/// What a vote on page 0 of [`SLOT`] is for.
fn digest(values: Vec<MeterValue>) -> H256 {
	let values = values.try_into().unwrap();
	let candidate = Candidate { values, readings_root: H256::repeat_byte(1), readings_count: 7 };
	Metering::digest((ZONE, SLOT, 0), &candidate)
}

#[test]
fn attest_records_a_vote_when_it_is_the_first() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		System::assert_last_event(
			Event::Attested {
				zone: ZONE,
				slot: SLOT,
				page: 0,
				oracle: ORACLE_1,
				digest: digest(lines()),
			}
			.into(),
		);
		assert_eq!(
			Progress::<Test>::get((ZONE, SLOT)),
			Some(SlotProgress { meters: METERS, pages_final: 0, completed_at: None })
		);
		assert_eq!(Metering::attestation(ZONE, SLOT, 0), None);
		assert_eq!(
			Votes::<Test>::get((ZONE, SLOT, 0)).into_inner(),
			vec![(ORACLE_1, digest(lines()))]
		);
	});
}

#[test]
fn attest_makes_the_page_final_when_the_threshold_is_reached() {
	ExtBuilder::default().build_and_execute(|| {
		finalise(SLOT, 0, lines());
		System::assert_last_event(
			Event::PageFinalised {
				zone: ZONE,
				slot: SLOT,
				page: 0,
				readings_root: H256::repeat_byte(1),
				oracles: vec![ORACLE_1, ORACLE_2],
				dissenters: vec![],
			}
			.into(),
		);
		assert_eq!(
			Metering::attestation(ZONE, SLOT, 0),
			Some(AttestedPage {
				readings_root: H256::repeat_byte(1),
				readings_count: 7,
				values: lines(),
				oracles: vec![ORACLE_1, ORACLE_2],
			})
		);
		assert_eq!(
			Progress::<Test>::get((ZONE, SLOT)),
			Some(SlotProgress { meters: METERS, pages_final: 1, completed_at: None })
		);
		assert_eq!(Candidates::<Test>::iter().count(), 0);
		assert_eq!(Votes::<Test>::iter().count(), 0);
		assert_eq!(Faults::<Test>::iter().count(), 0);
	});
}

#[test]
fn attest_makes_the_page_final_at_once_when_one_oracle_is_enough() {
	ExtBuilder::default().with_meters(3).build_and_execute(|| {
		let members = vec![ORACLE_4].try_into().unwrap();
		assert_ok!(Metering::set_group(root(), ZONE, members, 1));
		assert_ok!(attest(ORACLE_4, SLOT, 0, lines()));
		System::assert_last_event(Event::SlotMeasured { zone: ZONE, slot: SLOT }.into());
	});
}

#[test]
fn attest_completes_the_slot_when_the_last_page_becomes_final() {
	ExtBuilder::default().build_and_execute(|| {
		finalise(SLOT, 1, vec![line(256, 5, 0)]);
		Now::mutate(|now| *now += 60);
		finalise(SLOT, 0, lines());
		System::assert_last_event(Event::SlotMeasured { zone: ZONE, slot: SLOT }.into());
		assert_eq!(
			Progress::<Test>::get((ZONE, SLOT)),
			Some(SlotProgress { meters: METERS, pages_final: 2, completed_at: Some(Now::get()) })
		);
	});
}

#[test]
fn attest_counts_a_fault_when_an_oracle_is_outvoted() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_3, SLOT, 0, vec![line(0, 99, 0)]));
		finalise(SLOT, 0, lines());
		assert_eq!(Faults::<Test>::get(ORACLE_3), 1);
		assert_eq!(Faults::<Test>::get(ORACLE_1), 0);
		assert_eq!(
			events(|event| matches!(
				event,
				Event::PageFinalised { oracles, dissenters, .. }
					if *oracles == [ORACLE_1, ORACLE_2] && *dissenters == [ORACLE_3]
			)),
			1
		);
		assert_eq!(Candidates::<Test>::iter().count(), 0);
	});
}

#[test]
fn attest_sees_a_disagreement_when_only_the_root_or_the_count_differs() {
	ExtBuilder::default().build_and_execute(|| {
		let values: Lines = lines().try_into().unwrap();
		for (oracle, byte, count) in [(ORACLE_1, 1, 7), (ORACLE_2, 2, 7), (ORACLE_3, 1, 8)] {
			assert_ok!(Metering::attest(
				signed(oracle),
				ZONE,
				SLOT,
				0,
				values.clone(),
				H256::repeat_byte(byte),
				count
			));
		}
		assert_eq!(Candidates::<Test>::iter().count(), 3);
		assert_eq!(Metering::attestation(ZONE, SLOT, 0), None);
	});
}

#[test]
fn attest_forgets_votes_when_their_oracle_has_left_the_group() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		assert_ok!(attest(ORACLE_2, SLOT, 0, vec![line(0, 1, 0)]));
		let members = vec![ORACLE_2, ORACLE_3, ORACLE_4].try_into().unwrap();
		assert_ok!(Metering::set_group(root(), ZONE, members, 2));
		assert_ok!(attest(ORACLE_3, SLOT, 0, lines()));
		// The vote of the one who left does not count any more.
		assert_eq!(Metering::attestation(ZONE, SLOT, 0), None);
		assert_eq!(Votes::<Test>::get((ZONE, SLOT, 0)).len(), 2);
		assert_ok!(attest(ORACLE_4, SLOT, 0, lines()));
		let oracles = Metering::attestation(ZONE, SLOT, 0).unwrap().oracles;
		assert_eq!(oracles, vec![ORACLE_3, ORACLE_4]);
		assert_eq!(Faults::<Test>::get(ORACLE_2), 1);
	});
}

#[test]
fn attest_removes_a_candidate_when_nobody_stands_by_it() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, vec![line(0, 1, 0)]));
		let members = vec![ORACLE_2, ORACLE_3, ORACLE_4].try_into().unwrap();
		assert_ok!(Metering::set_group(root(), ZONE, members, 2));
		assert_ok!(attest(ORACLE_3, SLOT, 0, lines()));
		let left: Vec<_> = Candidates::<Test>::iter().map(|(_, digest, _)| digest).collect();
		assert_eq!(left, vec![digest(lines())]);
	});
}

#[test]
fn attest_keeps_the_number_of_pages_when_meters_are_registered_meanwhile() {
	ExtBuilder::default().with_meters(256).build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		Registered::mutate(|zones| {
			zones.get_mut(&ZONE).unwrap().push((id(256), device(256).key()));
		});
		assert_noop!(attest(ORACLE_1, SLOT, 1, vec![line(256, 1, 0)]), Error::<Test>::PageUnknown);
		assert_ok!(attest(ORACLE_2, SLOT, 0, lines()));
		System::assert_last_event(Event::SlotMeasured { zone: ZONE, slot: SLOT }.into());
		Now::set(end(SLOT.next()));
		assert_ok!(attest(ORACLE_1, SLOT.next(), 1, vec![line(256, 1, 0)]));
	});
}

#[test]
fn attest_takes_a_full_page_when_every_meter_has_a_line() {
	ExtBuilder::default().build_and_execute(|| {
		let full: Vec<_> = (0..256).map(|meter| line(meter, u64::MAX, u64::MAX)).collect();
		finalise(SLOT, 0, full.clone());
		assert_eq!(Metering::attestation(ZONE, SLOT, 0).unwrap().values, full);
	});
}

#[test]
fn attest_fails_when_there_is_no_signer() {
	ExtBuilder::default().build_and_execute(|| {
		let values: Lines = lines().try_into().unwrap();
		assert_noop!(Metering::attest(root(), ZONE, SLOT, 0, values, H256::zero(), 0), BadOrigin);
	});
}

#[test]
fn attest_fails_when_the_signer_is_no_active_oracle() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(attest(ALICE, SLOT, 0, lines()), Error::<Test>::NotAnOracle);
		assert_noop!(attest(STRANGER, SLOT, 0, lines()), Error::<Test>::NotAnOracle);
		suspend(ORACLE_1);
		assert_noop!(attest(ORACLE_1, SLOT, 0, lines()), Error::<Test>::NotAnOracle);
	});
}

#[test]
fn attest_fails_when_the_zone_has_no_group() {
	ExtBuilder::default().with_genesis(|genesis| genesis.groups.clear()).build_and_execute(|| {
		assert_noop!(attest(ORACLE_1, SLOT, 0, lines()), Error::<Test>::GroupUnknown);
	});
}

#[test]
fn attest_fails_when_the_oracle_is_of_another_group() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(attest(ORACLE_4, SLOT, 0, lines()), Error::<Test>::NotInGroup);
	});
}

#[test]
fn attest_fails_when_the_slot_has_not_ended() {
	ExtBuilder::default().build_and_execute(|| {
		Now::set(end(SLOT) - 1);
		assert_noop!(attest(ORACLE_1, SLOT, 0, lines()), Error::<Test>::SlotNotEnded);
		Now::set(end(SLOT));
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
	});
}

#[test]
fn attest_fails_when_the_deadline_has_passed() {
	ExtBuilder::default().build_and_execute(|| {
		Now::set(end(SLOT) + DEADLINE);
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		Now::set(end(SLOT) + DEADLINE + 1);
		assert_noop!(attest(ORACLE_2, SLOT, 0, lines()), Error::<Test>::AttestationLate);
	});
}

#[test]
fn attest_fails_when_there_is_no_such_page() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(attest(ORACLE_1, SLOT, 2, vec![line(512, 1, 0)]), Error::<Test>::PageUnknown);
		let values: Lines = lines().try_into().unwrap();
		assert_noop!(
			Metering::attest(signed(ORACLE_1), EMPTY_ZONE, SLOT, 0, values, H256::zero(), 0),
			Error::<Test>::PageUnknown
		);
	});
}

#[test]
fn attest_fails_when_the_page_is_final() {
	ExtBuilder::default().build_and_execute(|| {
		finalise(SLOT, 0, lines());
		assert_noop!(attest(ORACLE_3, SLOT, 0, lines()), Error::<Test>::PageFinal);
	});
}

#[test]
fn attest_fails_when_the_oracle_has_voted() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		assert_noop!(attest(ORACLE_1, SLOT, 0, lines()), Error::<Test>::AlreadyVoted);
		assert_noop!(attest(ORACLE_1, SLOT, 0, vec![line(0, 1, 0)]), Error::<Test>::AlreadyVoted);
		assert_ok!(attest(ORACLE_1, SLOT, 1, vec![line(256, 1, 0)]));
	});
}

#[test]
fn attest_fails_when_there_are_no_lines() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(attest(ORACLE_1, SLOT, 0, vec![]), Error::<Test>::ValuesEmpty);
	});
}

#[test]
fn attest_fails_when_lines_are_not_strictly_ascending() {
	ExtBuilder::default().build_and_execute(|| {
		for meters in [[0, 0], [1, 0]] {
			assert_noop!(
				attest(ORACLE_1, SLOT, 0, meters.map(|meter| line(meter, 1, 0)).to_vec()),
				Error::<Test>::ValuesUnordered
			);
		}
	});
}

#[test]
fn attest_fails_when_a_meter_is_not_on_the_page() {
	ExtBuilder::default().build_and_execute(|| {
		for (page, meter) in [(0, 256), (1, 255), (1, 257)] {
			assert_noop!(
				attest(ORACLE_1, SLOT, page, vec![line(meter, 1, 0)]),
				Error::<Test>::MeterNotOnPage
			);
		}
	});
}

#[test]
fn attest_fails_when_the_tree_is_too_large() {
	ExtBuilder::default().build_and_execute(|| {
		let with = |count| {
			let values: Lines = lines().try_into().unwrap();
			Metering::attest(signed(ORACLE_1), ZONE, SLOT, 0, values, H256::zero(), count)
		};
		assert_noop!(with((1 << MAX_PATH) + 1), Error::<Test>::TooManyReadings);
		assert_ok!(with(1 << MAX_PATH));
	});
}
