//! The played meter: rounding, messages, and a run against an oracle.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use energy_oracle::replay::{
	kwh_to_wh, read_csv, select, to_message, Replay, ReplayError, Row, Schedule,
};
use energy_primitives::Slot;
use proptest::prelude::*;
use support::*;
use wia_ene_014::{canonical::Quality, message::Message};

#[test]
fn kwh_are_rounded_to_whole_wh_half_up() {
	for (text, expected) in [
		("0", 0),
		("0.0", 0),
		("0.392", 392),
		("0.48200000000000004", 482),
		("0.0004", 0),
		("0.0005", 1),
		("0.00049999999999", 0),
		("1.2345", 1_235),
		("1.2344999", 1_234),
		("12", 12_000),
		(".5", 500),
		(" 2.5 ", 2_500),
		("9.999999999999787e-05", 0),
		("5e-4", 1),
		("1.5E1", 15_000),
		("1e-99", 0),
		("0e99", 0),
	] {
		assert_eq!(kwh_to_wh(text), Some(expected), "{text}");
	}
	for text in ["", ".", "-0.1", "+1", "NaN", "inf", "1,5", "1.2.3", "1e", "0x10", "1e99"] {
		assert_eq!(kwh_to_wh(text), None, "{text}");
	}
}

proptest! {
	#[test]
	fn rounding_agrees_with_integer_arithmetic(millionths in 0u64..10_000_000_000_000) {
		let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
		prop_assert_eq!(kwh_to_wh(&text), Some((millionths + 500) / 1_000));
	}

	#[test]
	fn net_energy_is_the_difference_of_the_totals(consumption in 0u64..9_999, generation in 0u64..9_999) {
		let row = Row {
			time: String::new(),
			consumption_wh: consumption,
			generation_wh: generation,
		};
		prop_assert_eq!(row.import_wh() + generation, row.export_wh() + consumption);
		prop_assert!(row.import_wh() == 0 || row.export_wh() == 0);
	}
}

#[test]
fn a_file_is_read_and_bad_lines_are_named() {
	let file = ",GC,GG\n2011-07-01 00:00:00,0.392,0.0\n2011-07-01 00:30:00,0.1,1.2345\n";
	let rows = read_csv(file.as_bytes()).unwrap();
	assert_eq!((rows[0].import_wh(), rows[0].export_wh()), (392, 0));
	assert_eq!((rows[1].import_wh(), rows[1].export_wh()), (0, 1_135));
	let from = select(rows.clone(), Some("2011-07-01 00:30:00"), None).unwrap();
	assert_eq!(from, rows[1..]);
	assert_eq!(select(rows.clone(), None, Some(1)).unwrap(), rows[..1]);
	assert!(matches!(select(rows, Some("never"), None), Err(ReplayError::NoSuchTime(_))));
	assert!(matches!(read_csv(",GC,GG\n".as_bytes()), Err(ReplayError::Empty)));
	let bad = ",GC,GG\na,1,2\nb,1,-2\n";
	assert!(matches!(read_csv(bad.as_bytes()), Err(ReplayError::Row { line: 3, .. })));
	assert!(matches!(read_csv(",GC,GG\na,1\n".as_bytes()), Err(ReplayError::Csv(_))));
}

#[test]
fn a_row_becomes_one_signed_message_that_fills_the_slot() {
	let device = Device::new(0);
	let row = Row { time: String::new(), consumption_wh: 500, generation_wh: 1_700 };
	let message =
		to_message(&row, &device.name.parse().unwrap(), FIRST_SLOT, SLOT_SECONDS).unwrap();
	let json = message.sign_ed25519(&device.key).unwrap().to_json();
	let canonical = Message::parse(json.as_bytes()).unwrap().canonical().unwrap();
	assert_eq!(canonical.meter_id, device.id().0);
	assert_eq!(canonical.timestamp_seconds, end(FIRST_SLOT));
	assert_eq!((canonical.consumption_wh, canonical.generation_wh), (Some(500), Some(1_700)));
	let energy = canonical.energy_in(start(FIRST_SLOT), end(FIRST_SLOT)).unwrap();
	assert_eq!((energy.import_wh, energy.export_wh), (0, 1_200));
	assert_eq!(energy.covered_seconds, u64::from(SLOT_SECONDS));
	assert_eq!(energy.quality, Quality::Valid);
}

#[tokio::test]
async fn a_replay_is_stored_and_played_again_changes_nothing() {
	let device = Device::new(0);
	let oracle = Running::start(std::slice::from_ref(&device)).await;
	let rows: Vec<Row> = (0..700)
		.map(|number| Row {
			time: number.to_string(),
			consumption_wh: number % 50,
			generation_wh: number % 30,
		})
		.collect();
	let first = Slot(FIRST_SLOT.0 - 699);
	let replay = Replay {
		ca_file: None,
		url: oracle.url.clone(),
		meter_id: device.name.parse().unwrap(),
		key: device.key.clone(),
		start_slot: first,
		slot_seconds: SLOT_SECONDS,
		schedule: Schedule::NoWait,
	};
	let mut seen = Vec::new();
	let summary = replay.run(&rows, |summary| seen.push(summary.sent)).await.unwrap();
	assert_eq!(seen, [500, 700]);
	assert_eq!((summary.accepted, summary.sent), (700, 700), "{summary:?}");
	assert_eq!((summary.first_slot, summary.last_slot), (first, FIRST_SLOT));
	assert_eq!(summary.import_wh, rows.iter().map(Row::import_wh).sum::<u64>());
	assert!(summary.is_complete());
	let again = replay.run(&rows, |_| ()).await.unwrap();
	assert_eq!((again.accepted, again.duplicate), (0, 700));
	oracle.stop().await;
}

#[test]
#[ignore = "needs the real household in ENERGY_DATA_DIR"]
fn the_real_home_is_read_whole() {
	let folder = PathBuf::from(std::env::var_os("ENERGY_DATA_DIR").unwrap());
	let file = std::fs::File::open(folder.join("ausgrid-customer12-2011-2012.csv")).unwrap();
	let rows = read_csv(file).unwrap();
	assert_eq!(rows.len(), 17_568);
	let day = select(rows, Some("2011-11-29 06:00:00"), Some(48)).unwrap();
	assert_eq!(day.len(), 48);
	assert!(day.iter().any(|row| row.export_wh() > 0), "the roof delivers");
	assert!(day.iter().any(|row| row.import_wh() > 0), "the night does not");
}
