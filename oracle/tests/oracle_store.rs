//! What is kept, how it looks on disk, and what is forgotten.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{fs, path::Path, sync::Arc};

use codec::Encode;
use energy_oracle::{
	assess::{AssessmentStore, Assessor},
	events::Events,
	registry::{Registry, RegistryCell},
	retention::Retention,
	store::{
		keys, readings,
		rocks::{RocksStore, StoreLimits},
		Attestation, DeadLetter, PageKey, PageState, ReadingKey, Store, StoreError, StoredReading,
	},
};
use energy_primitives::{MeterIndex, MeterValue, Slot, ZoneId};
use oracle_port::Rejection;
use sp_core::H256;
use support::*;
use tokio::sync::Notify;
use wia_ene_014::canonical::{Quality, SignedMessage};

/// A reading that fills a slot.
fn reading(device: &Device, slot: Slot, import_wh: u64) -> StoredReading {
	let signed = SignedMessage::parse(device.full(slot, import_wh, 0).as_bytes()).unwrap();
	StoredReading { zone: ZONE, slot, meter: device.index, start_seconds: start(slot), signed }
}

fn registry_of(devices: &[Device]) -> Arc<RegistryCell> {
	let mut registry = Registry::default();
	registry.set_calendar(ZONE, calendar());
	for device in devices {
		let (id, meter) = device.registration();
		registry.insert(id, &meter);
	}
	let cell = Arc::new(RegistryCell::default());
	cell.store(registry, 0);
	cell
}

fn slot(after: u32) -> Slot {
	Slot(FIRST_SLOT.0 + after)
}

fn page(slot: Slot, lines: u32) -> Attestation {
	let value = |meter| MeterValue { meter, import_wh: 1, export_wh: 0, quality: Quality::Valid };
	Attestation {
		key: PageKey { zone: ZONE, slot, page: 0 },
		values: (0..lines).map(value).collect(),
		readings_root: H256::zero(),
		readings_count: lines,
	}
}

mod on_disk {
	use super::*;

	fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
		for entry in fs::read_dir(folder).unwrap() {
			let path = entry.unwrap().path();
			if path.is_dir() {
				files(&path, found);
			} else {
				found.push(fs::read(path).unwrap());
			}
		}
	}

	fn is_in(all: &[Vec<u8>], needle: &[u8]) -> bool {
		all.iter().any(|file| file.windows(needle.len()).any(|window| window == needle))
	}

	#[test]
	fn nothing_that_says_something_about_a_meter_can_be_read_there() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let devices: Vec<_> = (0..300).map(Device::new).collect();
		let stored: Vec<_> = devices.iter().map(|device| reading(device, slot(0), 55)).collect();
		let planted = b"a message that is planted to be looked for";
		{
			let store = open_store(&data).unwrap();
			let meters: Vec<_> = devices.iter().map(Device::registration).collect();
			store.save_meters(ZONE, MeterIndex(0), &meters).unwrap();
			store.save_calendar(ZONE, &calendar()).unwrap();
			store.bind_to_chain(H256::repeat_byte(0xab)).unwrap();
			store_readings(&store, &stored).unwrap();
			let rejection = Rejection {
				field: "planted.field".into(),
				reason: "planted reason".into(),
				code: "planted-code".into(),
			};
			store.add(&[], &[DeadLetter::new(1, "planted-source", &rejection, planted)]).unwrap();
			let mut sealed = page(slot(0), 3);
			sealed.readings_root = H256::repeat_byte(0xcd);
			store.seal(ZONE, slot(0), &[sealed]).unwrap();
		}
		// Opened once more, so that what was in the log is in tables as well.
		drop(open_store(&data).unwrap());
		let mut all = Vec::new();
		files(&data, &mut all);
		assert!(
			all.iter().map(Vec::len).sum::<usize>() > 300 * 100,
			"there is something to look at"
		);
		for (device, reading) in devices.iter().zip(&stored) {
			assert!(!is_in(&all, device.name.as_bytes()));
			assert!(!is_in(&all, &device.id().0));
			assert!(!is_in(&all, &device.key.verifying_key().to_bytes()));
			let signed = reading.signed.encode();
			// The signature is at the end, the meter's identifier at the beginning.
			assert!(!is_in(&all, &signed[signed.len() - 64..]));
		}
		assert!(!is_in(&all, planted));
		for text in ["planted.field", "planted reason", "planted-code", "planted-source"] {
			assert!(!is_in(&all, text.as_bytes()), "{text}");
		}
		assert!(!is_in(&all, &[0xcd; 32]) && !is_in(&all, &[0xab; 32]));
		// The search finds what is there: the names of the column families.
		assert!(is_in(&all, b"dead-letters"));
	}

	#[test]
	fn a_folder_opens_with_its_own_key_only() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		drop(open_store(&data).unwrap());
		let other = keys::key_file(&folder.path().join("other")).unwrap();
		let refused = RocksStore::open(&data, Box::new(other), 0, StoreLimits::default());
		assert!(matches!(refused.err(), Some(StoreError::Keys(_))));
		drop(open_store(&data).unwrap());
	}

	#[test]
	fn no_key_is_made_for_a_database_that_has_one() {
		let folder = tempfile::tempdir().unwrap();
		let (data, key) = (folder.path().join("db"), folder.path().join("key"));
		drop(keys::key_file_of(&data, &key).unwrap());
		drop(open_store(&data).unwrap());
		fs::remove_file(&key).unwrap();
		assert!(matches!(keys::key_file_of(&data, &key).err(), Some(StoreError::Keys(_))));
		assert!(!key.exists());
	}

	#[test]
	fn a_value_that_was_changed_or_moved_is_not_believed() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		let device = Device::new(0);
		let mut values = Vec::new();
		let key = ReadingKey::new(ZONE, slot(0), MeterIndex(0), start(slot(0)));
		let signed = reading(&device, slot(0), 5).signed;
		let at = store.sealer().seal(&key, &signed, &mut values).unwrap();
		let elsewhere = ReadingKey::new(ZONE, slot(1), MeterIndex(0), start(slot(1)));
		store.add(&[(elsewhere, &values[at.clone()])], &[]).unwrap();
		let mut changed = values[at].to_vec();
		*changed.last_mut().unwrap() ^= 1;
		store.add(&[(key, &changed)], &[]).unwrap();
		for slot in [slot(0), slot(1)] {
			let found = readings(&store, ZONE, slot, 0..9);
			assert!(matches!(found, Err(StoreError::Damaged { place: "readings" })), "{found:?}");
		}
	}

	#[test]
	fn what_an_older_data_key_sealed_still_opens() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let device = Device::new(0);
		let before = reading(&device, slot(0), 5);
		let after = reading(&device, slot(1), 6);
		{
			let store = open_store(&data).unwrap();
			store_readings(&store, std::slice::from_ref(&before)).unwrap();
			assert!(!store.rotate_keys_if_due(100, 100).unwrap(), "the key is not old yet");
			assert!(store.rotate_keys_if_due(101, 100).unwrap());
			store_readings(&store, std::slice::from_ref(&after)).unwrap();
		}
		let store = open_store(&data).unwrap();
		assert_eq!(readings(&store, ZONE, slot(0), 0..9).unwrap(), [before]);
		assert_eq!(readings(&store, ZONE, slot(1), 0..9).unwrap(), [after]);
	}
}

mod dead_letters {
	use super::*;

	fn letter(number: u64) -> DeadLetter {
		let rejection =
			Rejection { field: "$".into(), reason: "no".into(), code: "invalid-json".into() };
		DeadLetter::new(number, "test", &rejection, &number.to_be_bytes())
	}

	#[test]
	fn the_newest_are_kept_and_numbered_through() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let open = || {
			let kek = keys::key_file(&folder.path().join("key")).unwrap();
			RocksStore::open(&data, Box::new(kek), 0, StoreLimits { dead_letters: 10 }).unwrap()
		};
		let numbers = |store: &RocksStore, after, limit| -> Vec<u64> {
			let kept = store.dead_letters(after, limit).unwrap();
			assert!(kept.iter().all(|kept| kept.letter == letter(kept.number)));
			kept.iter().map(|kept| kept.number).collect()
		};
		{
			let store = open();
			assert!(numbers(&store, None, 99).is_empty());
			for first in (0..24).step_by(6) {
				store.add(&[], &(first..first + 6).map(letter).collect::<Vec<_>>()).unwrap();
			}
			assert_eq!(numbers(&store, None, 99), (14..24).collect::<Vec<_>>());
		}
		let store = open();
		assert_eq!(store.dead_letters_kept(), 10);
		store.add(&[], &[letter(24)]).unwrap();
		assert_eq!(numbers(&store, None, 99), (15..25).collect::<Vec<_>>());
		assert_eq!(numbers(&store, Some(20), 2), [21, 22]);
		assert!(numbers(&store, Some(24), 9).is_empty());
		assert!(numbers(&store, Some(u64::MAX), 9).is_empty());
		assert!(numbers(&store, None, 0).is_empty());
	}

	#[tokio::test]
	async fn what_is_rejected_is_kept_with_the_reason() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		assert_eq!(oracle.post(device.full(slot(0), 1, 0)).await.line(0), ("accepted", None));
		// A figure that contradicts the first one, and something that is no message at all.
		let other = device.full(slot(0), 2, 0);
		let answer = oracle.post_as("application/x-ndjson", format!("{other}\nnonsense")).await;
		assert_eq!(answer.line(0), ("rejected", Some("conflicting-reading")));
		assert_eq!(answer.line(1), ("rejected", Some("not-json")));
		let Running { service, folder, .. } = oracle;
		service.stop().await;

		let store = open_store(&folder.path().join("db")).unwrap();
		let mut kept = store.dead_letters(None, 9).unwrap();
		kept.sort_by_key(|kept| kept.letter.code.clone());
		let found: Vec<_> = kept
			.iter()
			.map(|kept| (kept.letter.code.as_str(), kept.letter.message.as_slice()))
			.collect();
		let expected =
			[("conflicting-reading", other.as_bytes()), ("not-json", b"nonsense".as_slice())];
		assert_eq!(found, expected);
		assert!(kept.iter().all(|kept| kept.letter.source == "http"));
	}
}

mod slots_of_a_meter {
	use super::*;

	#[test]
	fn the_newest_come_first_and_one_can_go_on() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		let devices = [Device::new(0), Device::new(1)];
		store
			.save_meters(ZONE, MeterIndex(0), &devices.clone().map(|device| device.registration()))
			.unwrap();
		// The first one sends in every third slot, the second one in every slot.
		let stored: Vec<_> = (0..30)
			.flat_map(|after| {
				devices
					.iter()
					.filter(move |device| device.index.0 == 1 || after % 3 == 0)
					.map(move |device| reading(device, slot(after), 1))
			})
			.collect();
		store_readings(&store, &stored).unwrap();
		let mut found = Vec::new();
		let mut before = None;
		loop {
			let recent = store.recent_slots(devices[0].id(), before, 4).unwrap();
			found.extend(recent.slots);
			before = recent.next_before;
			if before.is_none() {
				break;
			}
		}
		let expected: Vec<_> = (0..10).rev().map(|third| slot(third * 3)).collect();
		assert_eq!(found, expected);
		assert_eq!(store.locate(devices[0].id(), slot(3)).unwrap(), Some((ZONE, MeterIndex(0))));
		assert_eq!(store.locate(devices[0].id(), slot(4)).unwrap(), None);
		assert_eq!(store.locate(Device::new(7).id(), slot(3)).unwrap(), None);
		let unknown = store.recent_slots(Device::new(7).id(), None, 4).unwrap();
		assert!(unknown.slots.is_empty() && unknown.next_before.is_none());
	}

	#[test]
	fn a_meter_is_found_where_it_was_too() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		let device = Device::new(0);
		let (id, mut meter) = device.registration();
		store.save_meters(ZONE, MeterIndex(0), &[(id, meter.clone())]).unwrap();
		store_readings(&store, &[reading(&device, slot(0), 1)]).unwrap();
		// It moves to another place of another zone, and sends from there.
		let there = ZoneId(2);
		(meter.zone, meter.index) = (there, MeterIndex(5));
		store.save_meters(ZONE, MeterIndex(0), &[]).unwrap();
		store.save_meters(there, MeterIndex(0), &[(id, meter)]).unwrap();
		let moved =
			StoredReading { zone: there, meter: MeterIndex(5), ..reading(&device, slot(1), 1) };
		store_readings(&store, &[moved]).unwrap();
		assert_eq!(store.recent_slots(id, None, 9).unwrap().slots, [slot(1), slot(0)]);
		assert_eq!(store.locate(id, slot(0)).unwrap(), Some((ZONE, MeterIndex(0))));
		assert_eq!(store.locate(id, slot(1)).unwrap(), Some((there, MeterIndex(5))));
	}
}

mod retention {
	use super::*;

	#[test]
	fn only_what_is_old_and_sealed_and_delivered_is_forgotten() {
		let folder = tempfile::tempdir().unwrap();
		let store = Arc::new(open_store(&folder.path().join("db")).unwrap());
		let device = Device::new(0);
		let stored: Vec<_> = (0..10).map(|after| reading(&device, slot(after), 1)).collect();
		store_readings(store.as_ref(), &stored).unwrap();
		let clock = TestClock::default();
		let retention = Retention {
			store: store.clone(),
			registry: registry_of(&[device]),
			clock: Arc::new(clock.clone()),
			zones: vec![ZONE],
			seconds: 120,
			outlets: Vec::new(),
			outlet_store: store.clone(),
		};
		let first_kept = || {
			retention.forget().unwrap();
			store.next_slot_with_readings(ZONE, None).unwrap()
		};
		clock.set(start(slot(8)));
		assert_eq!(first_kept(), Some(slot(0)), "nothing is sealed");
		store.seal(ZONE, slot(3), &[page(slot(2), 1)]).unwrap();
		assert_eq!(first_kept(), Some(slot(2)), "a page is on its way");
		store.finish(page(slot(2), 1).key, PageState::Done).unwrap();
		assert_eq!(first_kept(), Some(slot(4)), "the rest is not sealed");
		store.seal(ZONE, slot(9), &[]).unwrap();
		assert_eq!(first_kept(), Some(slot(6)), "the rest is not old");
		assert!(store.page(page(slot(2), 1).key).unwrap().is_none());
	}
}

mod assessment {
	use super::*;

	fn assessor(store: &Arc<RocksStore>, devices: &[Device]) -> Assessor {
		Assessor {
			readings: store.clone(),
			store: store.clone(),
			registry: registry_of(devices),
			metrics: Arc::default(),
			events: Arc::new(Events::open(store.clone(), Arc::new(TestClock::default())).unwrap()),
			zones: vec![ZONE],
			sealed: Arc::new(Notify::new()),
		}
	}

	#[test]
	fn figures_are_judged_once_the_slot_is_sealed_and_each_of_them_once() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		// On two pages, with an empty one between them.
		let devices = [Device::new(0), Device::new(700)];
		// The rating allows 60 Wh in a slot: 59 come near it.
		let usual = |device: &Device, after| reading(device, slot(after), 10 + u64::from(after));
		{
			let store = Arc::new(open_store(&data).unwrap());
			let assessor = assessor(&store, &devices);
			assessor.assess_sealed().unwrap();
			assert_eq!(store.assessed_through(ZONE).unwrap(), None);
			for after in 0..3 {
				let readings = [usual(&devices[0], after), usual(&devices[1], after)];
				store_readings(store.as_ref(), &readings).unwrap();
			}
			store_readings(store.as_ref(), &[reading(&devices[1], slot(3), 59)]).unwrap();
			store.seal(ZONE, slot(1), &[]).unwrap();
			assessor.assess_sealed().unwrap();
			let through = store.assessed_through(ZONE).unwrap().unwrap();
			assert_eq!((through.slot, through.page), (slot(1), 2));
			store.seal(ZONE, slot(3), &[]).unwrap();
		}
		// Another process goes on.
		let store = Arc::new(open_store(&data).unwrap());
		let assessor = assessor(&store, &devices);
		assessor.assess_sealed().unwrap();
		let histories = |store: &RocksStore| {
			devices.clone().map(|device| store.history(ZONE, device.index).unwrap())
		};
		let ends = histories(&store).map(|history| history.end_seconds());
		assert_eq!(ends, [Some(end(slot(2))), Some(end(slot(3)))]);
		let found = store.assessments(ZONE, slot(3), devices[1].index).unwrap();
		assert_eq!(found.len(), 1);
		assert_eq!(found[0].quality, Quality::Suspect);
		assert_eq!(found[0].start_seconds, start(slot(3)));
		for after in 0..3 {
			for device in &devices {
				let found = store.assessments(ZONE, slot(after), device.index).unwrap();
				assert!(found.is_empty(), "{found:?}");
			}
		}
		// Looking again changes nothing: a figure that was judged twice would be a duplicate.
		let before = histories(&store);
		assessor.assess_sealed().unwrap();
		assert_eq!(histories(&store), before);
	}

	#[tokio::test]
	async fn a_sealed_slot_is_judged_without_being_asked() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		assert_eq!(oracle.post(device.full(slot(0), 60, 0)).await.line(0), ("accepted", None));
		oracle.advance(end(slot(0)) + 30).await;
		oracle.wait_until_sealed(slot(0)).await;
		eventually("the slot is judged", || async {
			let metrics = oracle.get("/metrics").await.body;
			let metrics = metrics.as_str().unwrap().to_owned();
			metrics.contains("energy_oracle_readings_assessed_total 1\n")
				&& metrics.contains("energy_oracle_figures_doubted_total 1\n")
		})
		.await;
		oracle.stop().await;
	}
}
