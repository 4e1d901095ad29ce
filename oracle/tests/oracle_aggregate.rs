//! The aggregation against a slow and obvious one, and its independence of the order of arrival.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use energy_oracle::{
	aggregate::aggregate,
	store::{readings, Attestation, PageKey, StoredReading},
};
use energy_primitives::{MeterIndex, MeterValue};
use proptest::prelude::*;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;
use support::*;
use wia_ene_014::canonical::{
	CanonicalInterval, CanonicalMessage, DeviceSignature, Quality, SignedMessage,
};

/// A stretch of a slot: its length, and what was measured, if there is a message of it.
type Stretch = (u32, Option<(u32, u32, Quality)>, bool);

fn quality() -> impl Strategy<Value = Quality> {
	prop_oneof![
		6 => Just(Quality::Valid),
		1 => Just(Quality::Estimated),
		1 => Just(Quality::Suspect),
		1 => Just(Quality::Missing),
	]
}

/// What a meter says of a slot: stretches in order, each perhaps the last one of its message.
fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
	let figure = prop::option::weighted(0.95, (0u32..1_000, 0u32..1_000, quality()));
	prop::collection::vec((1u32..=60, figure, any::<bool>()), 1..6)
}

/// Meters on three pages.
fn slot() -> impl Strategy<Value = BTreeMap<u32, Vec<Stretch>>> {
	let meter = prop_oneof![0u32..4, 254u32..260, 600u32..603];
	prop::collection::btree_map(meter, stretches(), 0..9)
}

/// The readings of a slot, in order.
fn stored(slot: &BTreeMap<u32, Vec<Stretch>>) -> Vec<StoredReading> {
	let mut readings = Vec::new();
	for (meter, stretches) in slot {
		let mut intervals = Vec::new();
		let mut second = 0;
		let mut flush = |intervals: &mut Vec<CanonicalInterval>| {
			let figure = intervals.iter().find(|interval| interval.quality != Quality::Missing);
			if let Some(figure) = figure {
				readings.push(StoredReading {
					zone: ZONE,
					slot: FIRST_SLOT,
					meter: MeterIndex(*meter),
					start_seconds: figure.start_seconds,
					signed: SignedMessage {
						message: CanonicalMessage {
							meter_id: Device::new(*meter).id().0,
							timestamp_seconds: end(FIRST_SLOT),
							intervals: intervals.clone(),
							consumption_wh: None,
							generation_wh: None,
							storage_wh: None,
							quality: Quality::Valid,
						},
						signature: DeviceSignature::Ed25519([*meter as u8; 64]),
					},
				});
			}
			intervals.clear();
		};
		for (length, figure, is_last) in stretches {
			let length = (*length).min(SLOT_SECONDS - second);
			if length == 0 {
				break;
			}
			if let Some((import_wh, export_wh, quality)) = figure {
				let is_missing = *quality == Quality::Missing;
				intervals.push(CanonicalInterval {
					start_seconds: start(FIRST_SLOT) + u64::from(second),
					duration_seconds: length,
					import_wh: if is_missing { 0 } else { (*import_wh).into() },
					export_wh: if is_missing { 0 } else { (*export_wh).into() },
					quality: *quality,
				});
			}
			second += length;
			if *is_last {
				flush(&mut intervals);
			}
		}
		flush(&mut intervals);
	}
	readings
}

/// The root by the book: hash every leaf, then pair by pair; an odd one goes up as it is.
fn root_by_the_book(leaves: &[Vec<u8>]) -> H256 {
	let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| blake2_256(leaf)).collect();
	while level.len() > 1 {
		level = level
			.chunks(2)
			.map(|pair| match pair {
				[left, right] => blake2_256(&[&left[..], &right[..]].concat()),
				odd => odd[0],
			})
			.collect();
	}
	H256(level.first().copied().unwrap_or_default())
}

/// Looks at every second of every meter on every page.
fn aggregate_by_the_book(readings: &[StoredReading]) -> Vec<Attestation> {
	let mut pages = Vec::new();
	for page in 0..4 {
		let mut values = Vec::new();
		let mut leaves = Vec::new();
		for meter in page * 256..(page + 1) * 256 {
			let mine: Vec<_> = readings.iter().filter(|reading| reading.meter.0 == meter).collect();
			leaves.extend(mine.iter().map(|reading| reading.signed.leaf_bytes()));
			let figures: Vec<_> = mine
				.iter()
				.flat_map(|reading| &reading.signed.message.intervals)
				.filter(|interval| interval.quality != Quality::Missing)
				.collect();
			let is_covered = (start(FIRST_SLOT)..end(FIRST_SLOT)).all(|second| {
				figures.iter().any(|figure| {
					(figure.start_seconds..figure.end_seconds().unwrap()).contains(&second)
				})
			});
			if is_covered {
				values.push(MeterValue {
					meter,
					import_wh: figures.iter().map(|figure| figure.import_wh).sum(),
					export_wh: figures.iter().map(|figure| figure.export_wh).sum(),
					quality: figures.iter().map(|figure| figure.quality).max().unwrap(),
				});
			}
		}
		if !leaves.is_empty() {
			pages.push(Attestation {
				key: PageKey { zone: ZONE, slot: FIRST_SLOT, page },
				values,
				readings_root: root_by_the_book(&leaves),
				readings_count: leaves.len() as u32,
			});
		}
	}
	pages
}

proptest! {
	#[test]
	fn aggregate_is_what_the_book_says(slot in slot()) {
		let readings = stored(&slot);
		prop_assert_eq!(
			aggregate(ZONE, calendar().span(FIRST_SLOT), &readings),
			aggregate_by_the_book(&readings)
		);
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(24))]

	#[test]
	fn aggregate_does_not_depend_on_the_order_of_arrival(
		(sorted, shuffled) in slot().prop_map(|slot| stored(&slot)).prop_flat_map(|readings| {
			(Just(readings.clone()), Just(readings).prop_shuffle())
		}),
		batch in 1usize..5,
	) {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		for readings in shuffled.chunks(batch) {
			store_readings(&store, readings).unwrap();
			// Written again, as after a lost answer.
			store_readings(&store, &readings[..1]).unwrap();
		}
		let found = readings(&store, ZONE, FIRST_SLOT, 0..u32::MAX).unwrap();
		prop_assert_eq!(&found, &sorted);
		prop_assert_eq!(
			aggregate(ZONE, calendar().span(FIRST_SLOT), &found),
			aggregate_by_the_book(&sorted)
		);
	}
}
