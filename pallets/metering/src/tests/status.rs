use super::*;
use MeteringStatus::{Final, Pending};

fn status_at(seconds: u64) -> MeteringStatus {
	Now::set(seconds);
	Metering::status(ZONE, SLOT)
}

#[test]
fn status_is_final_when_the_dispute_window_of_a_complete_slot_is_over() {
	ExtBuilder::default().build_and_execute(|| {
		Now::set(end(SLOT) + 100);
		measure(SLOT, lines());
		assert_eq!(status_at(end(SLOT) + 100), Pending);
		assert_eq!(status_at(end(SLOT) + 100 + DISPUTE - 1), Pending);
		assert_eq!(status_at(end(SLOT) + 100 + DISPUTE), Final);
	});
}

#[test]
fn status_is_final_at_the_latest_when_deadline_and_dispute_are_over() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(status_at(end(SLOT) + DEADLINE + DISPUTE - 1), Pending);
		assert_eq!(status_at(end(SLOT) + DEADLINE + DISPUTE), Final);
		Now::set(end(SLOT));
		finalise(SLOT, 0, lines());
		assert_eq!(status_at(end(SLOT) + DEADLINE + DISPUTE - 1), Pending);
		assert_eq!(status_at(end(SLOT) + DEADLINE + DISPUTE), Final);
	});
}

#[test]
fn status_is_final_when_a_slot_without_meters_ends() {
	ExtBuilder::default().build_and_execute(|| {
		Now::set(end(SLOT) - 1);
		assert_eq!(Metering::status(EMPTY_ZONE, SLOT), Pending);
		Now::set(end(SLOT));
		assert_eq!(Metering::status(EMPTY_ZONE, SLOT), Final);
		assert_eq!(Metering::status(ZONE, SLOT), Pending);
	});
}

#[test]
fn status_is_pending_when_the_slot_has_not_ended() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(status_at(0), Pending);
		assert_eq!(status_at(end(SLOT) - 1), Pending);
	});
}
