use super::*;

const METER: MeterIndex = MeterIndex(0);

fn with_quality(meter: u32, quality: Quality) -> MeterValue {
	MeterValue { quality, ..line(meter, 50, 5) }
}

fn measured(slot: Slot) -> Measured {
	Metering::measured(ZONE, slot, METER)
}

/// An estimate.
fn estimated(import_wh: u64, export_wh: u64) -> Measured {
	Measured { import_wh, export_wh, quality: Quality::Estimated }
}

/// Makes the first page of a slot final as soon as it ends.
fn at(slot: Slot, lines: Vec<MeterValue>) {
	Now::set(end(slot));
	finalise(slot, 0, lines);
}

#[test]
fn measured_is_the_attested_line_when_there_is_one() {
	for quality in [Quality::Valid, Quality::Estimated, Quality::Suspect] {
		ExtBuilder::default().build_and_execute(|| {
			at(SLOT, vec![with_quality(0, quality)]);
			assert_eq!(measured(SLOT), Measured { import_wh: 50, export_wh: 5, quality });
		});
	}
}

#[test]
fn measured_is_nothing_when_nothing_is_known() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(measured(SLOT), estimated(0, 0));
		assert_eq!(measured(Slot(0)), estimated(0, 0));
		assert_eq!(Metering::measured(ZoneId(3), SLOT, MeterIndex(u32::MAX)), estimated(0, 0));
	});
}

#[test]
fn measured_is_that_of_the_most_recent_valid_line_when_the_line_is_missing() {
	ExtBuilder::default().build_and_execute(|| {
		at(SLOT, vec![line(0, 1, 2), line(1, 9, 9)]);
		at(Slot(SLOT.0 + 1), vec![line(0, 3, 4)]);
		at(Slot(SLOT.0 + 2), vec![line(1, 9, 9)]);
		assert_eq!(measured(Slot(SLOT.0 + 2)), estimated(3, 4));
		assert_eq!(measured(Slot(SLOT.0 + 3)), estimated(3, 4));
	});
}

#[test]
fn measured_is_an_estimate_when_the_quality_of_the_line_is_missing() {
	ExtBuilder::default().build_and_execute(|| {
		at(SLOT, vec![line(0, 1, 2)]);
		at(SLOT.next(), vec![with_quality(0, Quality::Missing)]);
		assert_eq!(measured(SLOT.next()), estimated(1, 2));
	});
}

#[test]
fn measured_passes_over_earlier_lines_when_they_are_not_valid() {
	ExtBuilder::default().build_and_execute(|| {
		at(SLOT, vec![line(0, 1, 2)]);
		at(Slot(SLOT.0 + 1), vec![with_quality(0, Quality::Estimated)]);
		at(Slot(SLOT.0 + 2), vec![with_quality(0, Quality::Suspect)]);
		assert_eq!(measured(Slot(SLOT.0 + 3)), estimated(1, 2));
	});
}

#[test]
fn measured_is_nothing_when_the_meter_is_silent_for_longer_than_the_rule_looks_back() {
	ExtBuilder::default().build_and_execute(|| {
		at(SLOT, vec![line(0, 1, 2)]);
		assert_eq!(measured(Slot(SLOT.0 + LOOKBACK)), estimated(1, 2));
		assert_eq!(measured(Slot(SLOT.0 + LOOKBACK + 1)), estimated(0, 0));
	});
}

#[test]
fn measured_does_not_look_at_candidates_when_a_page_is_open() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(attest(ORACLE_1, SLOT, 0, lines()));
		assert_eq!(measured(SLOT), estimated(0, 0));
	});
}
