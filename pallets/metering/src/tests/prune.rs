use super::*;
use frame_support::weights::Weight;

/// When the lines of [`SLOT`] are not needed any more.
fn old() -> u64 {
	end(Slot(SLOT.0 + RETENTION))
}

fn base() -> Weight {
	<() as WeightInfo>::prune_base()
}

fn slot() -> Weight {
	<() as WeightInfo>::prune_slot()
}

fn page() -> Weight {
	<() as WeightInfo>::prune_page()
}

#[test]
fn on_idle_removes_lines_and_keeps_roots_when_a_slot_is_old() {
	ExtBuilder::default().build_and_execute(|| {
		measure(SLOT, lines());
		Corrected::<Test>::insert(
			(ZONE, SLOT),
			0,
			MetersOfPage::truncate_from(vec![MeterIndex(1)]),
		);
		Now::set(old());
		assert_eq!(idle(Weight::MAX), base() + slot() + page() * 2);
		System::assert_last_event(Event::ValuesPruned { zone: ZONE, slot: SLOT }.into());
		assert_eq!(PageValues::<Test>::iter().count(), 0);
		assert_eq!(Corrected::<Test>::iter().count(), 0);
		assert_eq!(PruneQueue::<Test>::iter().count(), 0);
		let kept = Metering::attestation(ZONE, SLOT, 0).unwrap();
		assert_eq!(kept.readings_root, H256::repeat_byte(1));
		assert_eq!(kept.oracles, vec![ORACLE_1, ORACLE_2]);
		assert_eq!(kept.values, vec![]);
		assert_eq!(Progress::<Test>::get((ZONE, SLOT)).unwrap().pages_final, 2);
		assert_eq!(Metering::status(ZONE, SLOT), MeteringStatus::Final);
	});
}

#[test]
fn on_idle_removes_votes_when_a_page_never_became_final() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		assert_ok!(attest(ORACLE_2, SLOT, 0, vec![line(0, 1, 0)]));
		assert_ok!(attest(ORACLE_2, SLOT, 1, vec![line(256, 1, 0)]));
		Now::set(old());
		idle(Weight::MAX);
		assert_eq!(Votes::<Test>::iter().count(), 0);
		assert_eq!(Candidates::<Test>::iter().count(), 0);
	});
}

#[test]
fn on_idle_keeps_lines_while_a_slot_that_needs_them_is_not_settled() {
	for later in [0, LOOKBACK] {
		ExtBuilder::default().build_and_execute(|| {
			measure(SLOT, lines());
			Now::set(old());
			Unsettled::set([(ZONE, Slot(SLOT.0 + later))].into());
			idle(Weight::MAX);
			assert_eq!(PageValues::<Test>::iter().count(), 2);
			Unsettled::set([(ZONE, Slot(SLOT.0 + LOOKBACK + 1))].into());
			idle(Weight::MAX);
			assert_eq!(PageValues::<Test>::iter().count(), 0);
		});
	}
}

#[test]
fn on_idle_keeps_lines_when_a_slot_is_not_old() {
	ExtBuilder::default().build_and_execute(|| {
		measure(SLOT, lines());
		Now::set(old() - 1);
		assert_eq!(idle(Weight::MAX), base() + slot());
		assert_eq!(PageValues::<Test>::iter().count(), 2);
	});
}

#[test]
fn on_idle_goes_on_where_it_stopped_when_weight_runs_out() {
	ExtBuilder::default().build_and_execute(|| {
		measure(SLOT, lines());
		Now::set(end(SLOT.next()));
		measure(SLOT.next(), lines());
		Now::set(old() + u64::from(SLOT_SECONDS));

		assert_eq!(idle(Weight::zero()), Weight::zero());
		assert_eq!(idle(base()), base());
		assert_eq!(idle(base() + slot()), base() + slot());
		assert_eq!(PageValues::<Test>::iter().count(), 4);

		idle(base() + slot() + page());
		assert_eq!(Pruning::<Test>::get(), PruneState { first: 0, next: 2, page: 1 });
		assert_eq!(PageValues::<Test>::iter().count(), 3);
		assert_ok!(Metering::do_try_state());

		idle(base() + slot() + page());
		assert_eq!(Pruning::<Test>::get(), PruneState { first: 1, next: 2, page: 0 });
		assert_eq!(PageValues::<Test>::iter().count(), 2);
		assert_ok!(Metering::do_try_state());

		idle(Weight::MAX);
		assert_eq!(Pruning::<Test>::get(), PruneState { first: 2, next: 2, page: 0 });
		assert_eq!(PageValues::<Test>::iter().count(), 0);
	});
}

#[test]
fn on_idle_does_nothing_when_nothing_was_ever_measured() {
	ExtBuilder::default().build_and_execute(|| {
		Now::set(old());
		assert_eq!(idle(Weight::MAX), base());
	});
}
