//! What the tests of several outlets need.
#![allow(dead_code, clippy::unwrap_used)]

pub mod servers;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use reading_sinks::{Batch, BatchId, MeterId, Quality, Row};

/// A certificate for `localhost` that vouches for itself, and its key.
pub struct Certificate {
	pub certificate_file: PathBuf,
	pub key_file: PathBuf,
}

impl Certificate {
	pub fn new(folder: &Path, name: &str) -> Self {
		let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
		let certificate_file = folder.join(format!("{name}.pem"));
		let key_file = folder.join(format!("{name}.key"));
		std::fs::write(&certificate_file, certified.serialize_pem().unwrap()).unwrap();
		std::fs::write(&key_file, certified.serialize_private_key_pem()).unwrap();
		Self { certificate_file, key_file }
	}
}

/// A row with values that follow from two numbers.
pub fn row(meter_index: u32, start_seconds: u64) -> Row {
	let mut id = [0x5a; 32];
	id[..4].copy_from_slice(&meter_index.to_be_bytes());
	Row {
		meter_id: MeterId::Canonical(id),
		meter_index,
		start_seconds,
		duration_seconds: 900,
		import_wh: u64::from(meter_index) + start_seconds,
		export_wh: 3,
		quality: Quality::ALL[meter_index as usize % 4],
		evidence: meter_index.to_be_bytes().repeat(50),
	}
}

/// A batch of meters, one reading each.
pub fn batch(zone: u32, slot: u32, part: u32, meters: std::ops::Range<u32>) -> Batch {
	let rows = meters.map(|meter| row(meter, u64::from(slot) * 900)).collect();
	Batch::new(BatchId { zone, slot, part }, rows).unwrap()
}

/// A row with the largest values, and one with the smallest.
pub fn extremes() -> Batch {
	let largest = Row {
		meter_id: MeterId::Canonical([0xff; 32]),
		meter_index: u32::MAX,
		start_seconds: reading_sinks::MAXIMUM_START_SECONDS,
		duration_seconds: u32::MAX,
		import_wh: reading_sinks::MAXIMUM_ENERGY_WH,
		export_wh: reading_sinks::MAXIMUM_ENERGY_WH,
		quality: Quality::Missing,
		evidence: vec![0xff; 100_000],
	};
	let smallest = Row {
		meter_id: MeterId::Blinded([0; 16]),
		meter_index: 0,
		start_seconds: 0,
		duration_seconds: 0,
		import_wh: 0,
		export_wh: 0,
		quality: Quality::Valid,
		evidence: Vec::new(),
	};
	let id = BatchId { zone: u32::MAX, slot: u32::MAX, part: u32::MAX };
	Batch::new(id, vec![largest, smallest]).unwrap()
}

/// Some of the readings of a small world, which always have the same values.
pub fn batches() -> impl Strategy<Value = Vec<Batch>> {
	let keys = proptest::collection::btree_set((0u32..6, 0u64..5), 1..12);
	let batch = (0u32..2, keys).prop_map(|(zone, keys)| {
		let rows = keys.into_iter().map(|(meter, start)| row(meter, start * 60)).collect();
		Batch::new(BatchId { zone, slot: 1, part: 0 }, rows).unwrap()
	});
	proptest::collection::vec(batch, 1..8)
}
