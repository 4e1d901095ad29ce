//! The life of the keys: rotation, another key-encryption key, and the end of old data keys.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	collections::{BTreeMap, BTreeSet},
	os::unix::fs::PermissionsExt,
	path::Path,
	process::Command,
	sync::atomic::{AtomicBool, AtomicU32, Ordering},
	time::{Duration, Instant},
};

use energy_oracle::store::{
	keys, readings,
	reseal::{ResealEnd, ResealOutcome, ResealPass},
	rocks::{RocksStore, StoreLimits},
	Attestation, DeadLetter, PageKey, PageState, ReadingKey, Store, StoreError, StoredReading,
};
use energy_primitives::{MeterIndex, MeterValue, Slot, ZoneId};
use oracle_port::Rejection;
use proptest::{collection::vec, prelude::*};
use sp_core::H256;
use support::*;
use wia_ene_014::canonical::{Quality, SignedMessage};

fn slot(number: u32) -> Slot {
	Slot(FIRST_SLOT.0 + number)
}

/// The reading of a meter that fills a slot; always the same.
fn reading(meter: u32, number: u32) -> StoredReading {
	let (device, slot) = (Device::new(meter), slot(number));
	let import_wh = u64::from(number % 7 + meter);
	let signed = SignedMessage::parse(device.full(slot, import_wh, 0).as_bytes()).unwrap();
	StoredReading { zone: ZONE, slot, meter: device.index, start_seconds: start(slot), signed }
}

fn page(number: u32) -> Attestation {
	let value = MeterValue { meter: 0, import_wh: 1, export_wh: 0, quality: Quality::Valid };
	Attestation {
		key: PageKey { zone: ZONE, slot: slot(number), page: 0 },
		values: vec![value],
		readings_root: H256::repeat_byte(number as u8),
		readings_count: 1,
	}
}

fn letter(number: u64) -> DeadLetter {
	let rejection =
		Rejection { field: "$".into(), reason: "no".into(), code: "invalid-json".into() };
	DeadLetter::new(number, "test", &rejection, &number.to_be_bytes())
}

fn data_keys(store: &RocksStore) -> Vec<u32> {
	store.keys().ring().keys().iter().map(|key| key.id.0).collect()
}

fn whole_pass(store: &RocksStore) -> ResealPass {
	let mut pass = store.begin_reseal();
	while store.reseal_batch(&mut pass).unwrap() {}
	pass
}

fn done(end: ResealEnd) -> ResealOutcome {
	match end {
		ResealEnd::Done(outcome) => outcome,
		ResealEnd::Busy(_) => panic!("nobody reads"),
		ResealEnd::Outdated => panic!("nobody wrote"),
	}
}

/// A reading as it is between its sealing and its writing.
fn sealed(store: &RocksStore, reading: &StoredReading) -> (ReadingKey, Vec<u8>) {
	let StoredReading { zone, slot, meter, start_seconds, signed } = reading;
	let key = ReadingKey::new(*zone, *slot, *meter, *start_seconds);
	let mut value = Vec::new();
	store.sealer().seal(&key, signed, &mut value).unwrap();
	(key, value)
}

mod retiring {
	use super::*;

	#[test]
	fn everything_is_sealed_anew_and_old_keys_are_dropped() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let stored: Vec<_> = (0..600).map(|number| reading(number % 3, number)).collect();
		let store = open_store(&data).unwrap();
		store_readings(&store, &stored[..300]).unwrap();
		store.seal(ZONE, slot(1), &[page(1)]).unwrap();
		store.add(&[], &[letter(0)]).unwrap();
		store.rotate_keys(5).unwrap();
		store_readings(&store, &stored[300..500]).unwrap();
		store.rotate_keys(9).unwrap();
		store_readings(&store, &stored[500..]).unwrap();
		let values = |store: &RocksStore| {
			let keys = store.data_key_use().unwrap();
			keys.into_iter().map(|key| (key.id, key.is_active, key.values)).collect::<Vec<_>>()
		};
		// The page, the mark that it is sealed, and the letter are under the first key, too.
		assert_eq!(values(&store), [(1, false, 303), (2, false, 200), (3, true, 100)]);

		let before = store.key_counts().numbers();
		assert_eq!(before[0], ("data-keys", 3));
		let outcome = store.reseal().unwrap();
		let expected =
			ResealOutcome { looked_at: 603, resealed: 503, damaged: 0, dropped: vec![1, 2] };
		assert_eq!(outcome, expected);
		assert_eq!(values(&store), [(3, true, 603)]);
		let after: BTreeMap<_, _> = store.key_counts().numbers().into_iter().collect();
		for (what, number) in
			[("data-keys", 1), ("dropped", 2), ("resealed", 503), ("reseal-running", 0)]
		{
			assert_eq!(after[what], number, "{what}");
		}
		drop(store);

		let store = open_store(&data).unwrap();
		for expected in &stored {
			let found = readings(&store, ZONE, expected.slot, 0..9).unwrap();
			assert_eq!(found, std::slice::from_ref(expected));
		}
		assert_eq!(store.page(page(1).key).unwrap().unwrap().attestation, page(1));
		assert_eq!(store.dead_letters(None, 9).unwrap()[0].letter, letter(0));
		// The next pass finds nothing to do.
		let again = store.reseal().unwrap();
		assert_eq!((again.resealed, again.dropped), (0, vec![]));
	}

	#[test]
	fn a_pass_that_was_broken_off_is_made_again_and_does_not_do_twice_what_was_done() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		{
			let store = open_store(&data).unwrap();
			let stored: Vec<_> = (0..600).map(|number| reading(0, number)).collect();
			store_readings(&store, &stored).unwrap();
			store.rotate_keys(5).unwrap();
			let mut pass = store.begin_reseal();
			assert!(store.reseal_batch(&mut pass).unwrap());
			assert!(store.finish_reseal(pass).is_err(), "it has not seen everything");
			assert_eq!(data_keys(&store), [1, 2]);
		}
		let store = open_store(&data).unwrap();
		let outcome = store.reseal().unwrap();
		assert_eq!((outcome.looked_at, outcome.resealed), (600, 600 - 256));
		assert_eq!(outcome.dropped, [1]);
	}

	#[test]
	fn it_is_due_when_a_key_was_replaced_long_enough_ago() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		assert!(!store.is_reseal_due(u64::MAX, Some(0)), "there is one key only");
		store.rotate_keys(1_000).unwrap();
		assert!(!store.is_reseal_due(1_099, Some(100)));
		assert!(store.is_reseal_due(1_100, Some(100)));
		assert!(!store.is_reseal_due(u64::MAX, None));
		store.reseal().unwrap();
		assert!(!store.is_reseal_due(1_100, Some(100)));
	}

	#[test]
	fn no_key_is_dropped_with_which_a_value_on_its_way_was_sealed() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		let (early, late) = (sealed(&store, &reading(0, 0)), sealed(&store, &reading(0, 1)));
		let held = store.sealer();
		store.rotate_keys(5).unwrap();
		// Somebody may still seal with the old one.
		assert_eq!(done(store.finish_reseal(whole_pass(&store)).unwrap()).dropped, [0; 0]);
		drop(held);
		// A value under it is written during the pass, and the pass may have been there before.
		let pass = whole_pass(&store);
		store.add(&[(early.0, &early.1)], &[]).unwrap();
		assert!(matches!(store.finish_reseal(pass).unwrap(), ResealEnd::Outdated));
		assert_eq!(data_keys(&store), [1, 2]);
		let outcome = done(store.finish_reseal(whole_pass(&store)).unwrap());
		assert_eq!((outcome.resealed, outcome.dropped), (1, vec![1]));
		// What comes later still is not written, and its sender is not told that it was.
		let refused = store.add(&[(late.0, &late.1)], &[]);
		assert!(matches!(refused, Err(StoreError::Keys(_))), "{refused:?}");
		assert_eq!(readings(&store, ZONE, slot(0), 0..9).unwrap(), [reading(0, 0)]);
		assert_eq!(readings(&store, ZONE, slot(1), 0..9).unwrap(), []);
	}

	#[test]
	fn no_key_is_dropped_while_somebody_reads() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		store_readings(&store, &[reading(0, 0), reading(1, 0)]).unwrap();
		store.rotate_keys(5).unwrap();
		let mut pass = Some(whole_pass(&store));
		let mut seen = 0;
		store
			.visit_readings(ZONE, slot(0), 0..9, &mut |_reading| {
				// The scan began after the values were replaced; a longer one could be before.
				let end = store.finish_reseal(pass.take().unwrap()).unwrap();
				let ResealEnd::Busy(returned) = end else { panic!("somebody reads") };
				pass = Some(returned);
				seen += 1;
			})
			.unwrap();
		assert_eq!(seen, 2);
		assert_eq!(done(store.finish_reseal(pass.unwrap()).unwrap()).dropped, [1]);
	}

	#[test]
	fn a_value_that_does_not_open_stays_and_keeps_its_key() {
		let folder = tempfile::tempdir().unwrap();
		let store = open_store(&folder.path().join("db")).unwrap();
		store_readings(&store, &[reading(0, 0)]).unwrap();
		let (key, mut value) = sealed(&store, &reading(0, 1));
		*value.last_mut().unwrap() ^= 1;
		store.add(&[(key, &value)], &[]).unwrap();
		store.rotate_keys(5).unwrap();
		let expected = ResealOutcome { looked_at: 2, resealed: 1, damaged: 1, dropped: vec![] };
		assert_eq!(store.reseal().unwrap(), expected);
		assert_eq!(data_keys(&store), [1, 2]);
		assert_eq!(readings(&store, ZONE, slot(0), 0..9).unwrap(), [reading(0, 0)]);
	}

	#[test]
	fn nothing_is_lost_while_threads_write_and_read() {
		const WRITERS: u32 = 3;
		const EACH: u32 = 60;
		const ROUNDS: u64 = 60;
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let store = open_store(&data).unwrap();
		let (is_over, refused) = (AtomicBool::new(false), AtomicU32::new(0));
		let dropped = std::thread::scope(|scope| {
			let writers: Vec<_> = (0..WRITERS)
				.map(|meter| {
					let (store, refused) = (&store, &refused);
					scope.spawn(move || {
						for number in 0..EACH {
							let stored = reading(meter, number);
							// As a client does: until it is taken.
							while store_readings(store, std::slice::from_ref(&stored)).is_err() {
								refused.fetch_add(1, Ordering::SeqCst);
							}
							let index = meter..meter + 1;
							let found = readings(store, ZONE, stored.slot, index).unwrap();
							assert_eq!(found, [stored]);
							if number % 20 == 0 {
								store.seal(ZONE, slot(number), &[page(number)]).unwrap();
								assert!(store.page(page(number).key).unwrap().is_some());
							}
						}
					})
				})
				.collect();
			// What is forgotten does not come back: the values of a batch that is being sealed anew, or not.
			let forgetting = scope.spawn(|| {
				let elsewhere = |number| StoredReading { zone: ZoneId(2), ..reading(9, number) };
				let stored: Vec<_> = (0..256).map(elsewhere).collect();
				for round in 0..ROUNDS {
					while store_readings(&store, &stored).is_err() {}
					let until = Instant::now() + Duration::from_micros(100 * round);
					while Instant::now() < until {
						std::hint::spin_loop();
					}
					store.forget_before(ZoneId(2), slot(256)).unwrap();
					let left = store.next_slot_with_readings(ZoneId(2), None).unwrap();
					assert_eq!(left, None, "round {round}");
				}
			});
			let resealing = scope.spawn(|| {
				let mut dropped = 0;
				while !is_over.load(Ordering::SeqCst) {
					store.rotate_keys(1).unwrap();
					let mut end = store.finish_reseal(whole_pass(&store)).unwrap();
					while let ResealEnd::Busy(pass) = end {
						end = store.finish_reseal(pass).unwrap();
					}
					if let ResealEnd::Done(outcome) = end {
						assert_eq!(outcome.damaged, 0);
						dropped += outcome.dropped.len();
					}
				}
				dropped
			});
			// All of them end, also when one fails: the one that seals anew waits for the word.
			let ended: Vec<_> =
				writers.into_iter().chain([forgetting]).map(|one| one.join()).collect();
			is_over.store(true, Ordering::SeqCst);
			assert!(ended.iter().all(Result::is_ok), "{ended:?}");
			resealing.join().unwrap()
		});
		assert!(dropped > 0, "keys were dropped meanwhile");
		assert_eq!(store.next_slot_with_readings(ZoneId(2), None).unwrap(), None);
		let check = |store: &RocksStore| {
			for number in 0..EACH {
				let expected: Vec<_> = (0..WRITERS).map(|meter| reading(meter, number)).collect();
				assert_eq!(readings(store, ZONE, slot(number), 0..9).unwrap(), expected);
			}
		};
		check(&store);
		store.reseal().unwrap();
		assert_eq!(data_keys(&store).len(), 1);
		drop(store);
		check(&open_store(&data).unwrap());
	}

	#[derive(Clone, Debug)]
	enum Step {
		Add(u32, u32),
		Reject,
		Seal(u32),
		Deliver(u32),
		Register,
		Forget(u32),
		Rotate,
		Reseal,
		Finish,
		Reopen,
	}

	fn step() -> impl Strategy<Value = Step> {
		prop_oneof![
			4 => (0..3u32, 0..8u32).prop_map(|(meter, number)| Step::Add(meter, number)),
			1 => Just(Step::Reject),
			2 => (0..8u32).prop_map(Step::Seal),
			1 => (0..8u32).prop_map(Step::Deliver),
			1 => Just(Step::Register),
			1 => (0..8u32).prop_map(Step::Forget),
			3 => Just(Step::Rotate),
			8 => Just(Step::Reseal),
			3 => Just(Step::Finish),
			1 => Just(Step::Reopen),
		]
	}

	proptest! {
		#![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

		/// Whatever is done between the batches of a pass, the store has what a simple model has.
		#[test]
		fn the_store_has_what_a_model_has(steps in vec(step(), 1..60)) {
			let folder = tempfile::tempdir().unwrap();
			let data = folder.path().join("db");
			let mut store = open_store(&data).unwrap();
			let mut pass: Option<(ResealPass, bool)> = None;
			let (mut stored, mut pages) = (BTreeSet::new(), BTreeMap::new());
			let (mut letters, mut is_registered) = (0, false);
			for step in steps {
				match step {
					Step::Add(meter, number) => {
						store_readings(&store, &[reading(meter, number)]).unwrap();
						stored.insert((number, meter));
					}
					Step::Reject => {
						store.add(&[], &[letter(letters)]).unwrap();
						letters += 1;
					}
					Step::Seal(number) => {
						store.seal(ZONE, slot(number), &[page(number)]).unwrap();
						pages.insert(number, PageState::Pending);
					}
					Step::Deliver(number) => if let Some(state) = pages.get_mut(&number) {
						store.finish(page(number).key, PageState::Done).unwrap();
						*state = PageState::Done;
					}
					Step::Register => {
						let meters = [Device::new(0).registration()];
						store.save_meters(ZONE, MeterIndex(0), &meters).unwrap();
						store.save_calendar(ZONE, &calendar()).unwrap();
						is_registered = true;
					}
					Step::Forget(number) => {
						store.forget_before(ZONE, slot(number)).unwrap();
						stored.retain(|(of, _)| *of >= number);
						pages.retain(|of, _| *of >= number);
					}
					Step::Rotate => store.rotate_keys(1).unwrap(),
					Step::Reseal => {
						let (pass, has_more) =
							pass.get_or_insert_with(|| (store.begin_reseal(), true));
						*has_more = store.reseal_batch(pass).unwrap();
					}
					Step::Finish => if let Some((pass, false)) = pass.take() {
						prop_assert_eq!(done(store.finish_reseal(pass).unwrap()).damaged, 0);
					}
					Step::Reopen => {
						pass = None;
						drop(store);
						store = open_store(&data).unwrap();
					}
				}
			}
			store.reseal().unwrap();
			prop_assert_eq!(data_keys(&store).len(), 1);
			drop(store);
			let store = open_store(&data).unwrap();
			for number in 0..8 {
				let found = readings(&store, ZONE, slot(number), 0..9).unwrap();
				let of_slot = stored.iter().filter(|(of, _)| *of == number);
				let expected: Vec<_> =
					of_slot.map(|(number, meter)| reading(*meter, *number)).collect();
				prop_assert_eq!(found, expected);
				let state = store.page(page(number).key).unwrap().map(|page| page.state);
				prop_assert_eq!(state, pages.get(&number).copied());
			}
			prop_assert_eq!(store.dead_letters(None, 99).unwrap().len() as u64, letters);
			prop_assert_eq!(store.load_registry(&[ZONE]).unwrap().is_some(), is_registered);
		}
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn a_running_oracle_retires_them_by_itself() {
		let folder = tempfile::tempdir().unwrap();
		let devices = [Device::new(0)];
		let now = end(slot(1)) + 5;
		{
			let store = open_store(&folder.path().join("db")).unwrap();
			let meters: Vec<_> = devices.iter().map(Device::registration).collect();
			store.save_meters(ZONE, MeterIndex(0), &meters).unwrap();
			store.save_calendar(ZONE, &calendar()).unwrap();
			store_readings(&store, &[reading(0, 0)]).unwrap();
			store.rotate_keys(now - 20).unwrap();
			store_readings(&store, &[reading(0, 1)]).unwrap();
			store.rotate_keys(now - 10).unwrap();
		}
		let clock = TestClock::default();
		clock.set(now);
		let chain = FakeChain::new(now, &devices);
		let adjust = |config: &mut energy_oracle::service::Config| {
			config.data_key_retire_seconds = Some(0);
		};
		let oracle = Running::start_in(folder, chain, clock, adjust).await;
		eventually("the old keys are dropped", || async {
			let metrics = oracle.get("/metrics").await.body;
			let has = |what: &str, number: u32| {
				let line = format!(
					"energy_oracle_encryption_keys{{of=\"data\",what=\"{what}\"}} {number}\n"
				);
				metrics.as_str().unwrap().contains(&line)
			};
			has("dropped", 2) && has("data-keys", 1) && has("reseal-running", 0)
		})
		.await;
		let id: String = devices[0].id().0.iter().map(|byte| format!("{byte:02x}")).collect();
		for number in [0, 1] {
			let path = format!("/v1/meters/{id}/slots/{}", slot(number).0);
			let answer = oracle.get(&path).await;
			assert_eq!(answer.status, 200, "{answer:?}");
		}
		let Running { service, folder, .. } = oracle;
		service.stop().await;
		let store = open_store(&folder.path().join("db")).unwrap();
		assert_eq!(data_keys(&store), [3]);
	}
}

mod rewrapping {
	use super::*;

	fn open_with(data: &Path, key: &Path) -> Result<RocksStore, StoreError> {
		let kek = keys::key_file(key).unwrap();
		RocksStore::open(data, Box::new(kek), 0, StoreLimits::default())
	}

	#[test]
	fn a_folder_opens_with_the_old_key_before_and_with_the_new_one_after() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let [old, new] = ["db.key", "new"].map(|name| folder.path().join(name));
		let mut store = open_with(&data, &old).unwrap();
		store_readings(&store, &[reading(0, 0)]).unwrap();
		store.rotate_keys(1).unwrap();
		store_readings(&store, &[reading(0, 1)]).unwrap();
		let kek = || Box::new(keys::key_file(&new).unwrap());
		// Stopped when the file of the new key is there and nothing was wrapped.
		drop(kek());
		drop(store);
		assert!(matches!(open_with(&data, &new).err(), Some(StoreError::Keys(_))));
		store = open_with(&data, &old).unwrap();
		store.rewrap_keys(kek()).unwrap();
		// It goes on, and changes the ring once more with the new key.
		store.rotate_keys(2).unwrap();
		assert!(matches!(store.rewrap_keys(kek()), Err(StoreError::Keys(_))), "it is the same");
		drop(store);
		let error = open_with(&data, &old).err().unwrap().to_string();
		assert!(error.contains("wrapped by the key-encryption key"), "{error}");
		let store = open_with(&data, &new).unwrap();
		for number in [0, 1] {
			let found = readings(&store, ZONE, slot(number), 0..9).unwrap();
			assert_eq!(found, [reading(0, number)]);
		}
	}
}

mod command {
	use super::*;

	struct Outcome {
		code: Option<i32>,
		stdout: String,
		stderr: String,
	}

	impl Outcome {
		fn json(&self) -> serde_json::Value {
			assert_eq!(self.code, Some(0), "{}", self.stderr);
			serde_json::from_str(&self.stdout).unwrap()
		}
	}

	fn keys_command(data: &Path, key: &Path, arguments: &[&str]) -> Outcome {
		let output = Command::new(env!("CARGO_BIN_EXE_energy-oracle"))
			.arg("keys")
			.args(arguments)
			.arg("--data")
			.arg(data)
			.env("ENERGY_ORACLE__STORAGE__ENCRYPTION_KEY_FILE", key)
			.env_remove("RUST_LOG")
			.output()
			.unwrap();
		Outcome {
			code: output.status.code(),
			stdout: String::from_utf8(output.stdout).unwrap(),
			stderr: String::from_utf8(output.stderr).unwrap(),
		}
	}

	#[test]
	fn keys_are_listed_rotated_resealed_and_rewrapped() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let (old, new) = (data.with_extension("key"), folder.path().join("new"));
		{
			let store = open_store(&data).unwrap();
			store_readings(&store, &[reading(0, 0), reading(0, 1)]).unwrap();
		}
		let rotated = keys_command(&data, &old, &["rotate", "--json"]).json();
		assert_eq!(rotated["activeDataKey"], 2);
		let listed = keys_command(&data, &old, &["list", "--json"]).json();
		let old_kek = listed["keyEncryptionKey"].as_str().unwrap().to_owned();
		assert!(old_kek.starts_with("file:"), "{listed}");
		let data_keys = listed["dataKeys"].as_array().unwrap();
		assert_eq!(data_keys.len(), 2);
		assert_eq!(
			(&data_keys[0]["values"], &data_keys[0]["isActive"]),
			(&2.into(), &false.into())
		);
		assert_eq!((&data_keys[1]["values"], &data_keys[1]["isActive"]), (&0.into(), &true.into()));
		let shown = keys_command(&data, &old, &["list"]);
		assert!(shown.stdout.contains("needed") && shown.stdout.contains("active"));

		let resealed = keys_command(&data, &old, &["reseal", "--json"]).json();
		assert_eq!(resealed["resealed"], 2);
		assert_eq!(resealed["dropped"], serde_json::json!([1]));

		let new_file = ["rewrap", "--json", "--new-key-file", new.to_str().unwrap()];
		let rewrapped = keys_command(&data, &old, &new_file).json();
		assert_ne!(rewrapped["keyEncryptionKey"], old_kek.as_str());
		assert_eq!(rewrapped["wasDoneBefore"], false);
		assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
		// The settings name the old file until somebody changes them.
		let refused = keys_command(&data, &old, &["list"]);
		assert_eq!(refused.code, Some(1));
		assert!(refused.stderr.contains(&old_kek), "{}", refused.stderr);
		let again = keys_command(&data, &old, &new_file).json();
		assert_eq!(again["wasDoneBefore"], true);
		let listed = keys_command(&data, &new, &["list", "--json"]).json();
		assert_eq!(listed["keyEncryptionKey"], rewrapped["keyEncryptionKey"]);
		assert_eq!(listed["dataKeys"][0]["values"], 2);
		let same = keys_command(&data, &new, &new_file);
		assert_eq!(same.code, Some(1));
		assert!(same.stderr.contains("already"), "{}", same.stderr);
		// No secret was shown.
		let secret = std::fs::read_to_string(&new).unwrap();
		for shown in [shown.stdout, refused.stderr, rewrapped.to_string(), same.stderr] {
			assert!(!shown.contains(secret.trim()));
		}
	}

	#[test]
	fn a_folder_without_a_database_or_in_use_is_refused_and_left_alone() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let key = data.with_extension("key");
		for arguments in
			[&["list"][..], &["rotate"], &["reseal"], &["rewrap", "--new-key-file", "n"]]
		{
			let refused = keys_command(&data, &key, arguments);
			assert_eq!(refused.code, Some(1));
			assert!(refused.stderr.contains("there is no database in"), "{}", refused.stderr);
		}
		assert!(!data.exists() && !key.exists());
		let store = open_store(&data).unwrap();
		let refused = keys_command(&data, &key, &["reseal"]);
		assert_eq!(refused.code, Some(1));
		assert!(refused.stderr.contains("lock"), "{}", refused.stderr);
		store_readings(&store, &[reading(0, 0)]).unwrap();
		let usage = keys_command(&data, &key, &["rewrap"]);
		assert_eq!(usage.code, Some(2), "a file for the new key is needed");
	}
}

/// The key-encryption key on a token: SoftHSM, as an HSM would be used.
mod token {
	use super::*;
	use std::process::Output;

	/// Where Debian has SoftHSM's library.
	const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

	struct Token {
		folder: tempfile::TempDir,
	}

	impl Token {
		fn new() -> Self {
			let folder = tempfile::tempdir().unwrap();
			let at = |name: &str| folder.path().join(name);
			std::fs::create_dir(at("tokens")).unwrap();
			let settings = format!("directories.tokendir = {}\n", at("tokens").display());
			std::fs::write(at("softhsm2.conf"), settings).unwrap();
			std::fs::write(at("pin"), "2468").unwrap();
			std::fs::set_permissions(at("pin"), std::fs::Permissions::from_mode(0o600)).unwrap();
			let table = format!(
				"module = \"{MODULE}\"\ntoken = \"oracle\"\nkey = \"kek\"\npin_file = \"{}\"\n",
				at("pin").display()
			);
			std::fs::write(at("pkcs11.toml"), &table).unwrap();
			let settings = format!(
				"zones = [1]\n[storage]\nfolder = \"{}\"\n[storage.pkcs11]\n{table}",
				at("db").display()
			);
			std::fs::write(at("oracle.toml"), settings).unwrap();
			let token = Self { folder };
			let made = Command::new("softhsm2-util")
				.args(["--init-token", "--free", "--label", "oracle", "--pin", "2468"])
				.args(["--so-pin", "13579"])
				.env("SOFTHSM2_CONF", token.at("softhsm2.conf"))
				.output()
				.expect("softhsm2 is installed, see scripts/setup.sh");
			assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
			token
		}

		fn at(&self, name: &str) -> std::path::PathBuf {
			self.folder.path().join(name)
		}

		fn keys(&self, arguments: &[&str]) -> Output {
			Command::new(env!("CARGO_BIN_EXE_energy-oracle"))
				.arg("keys")
				.args(arguments)
				.env("SOFTHSM2_CONF", self.at("softhsm2.conf"))
				.env_remove("RUST_LOG")
				.output()
				.unwrap()
		}
	}

	fn json(output: &Output) -> serde_json::Value {
		assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
		serde_json::from_slice(&output.stdout).unwrap()
	}

	#[test]
	fn the_key_moves_from_a_file_to_a_token_and_back() {
		let token = Token::new();
		let (data, config) = (token.at("db"), token.at("oracle.toml"));
		let config = config.to_str().unwrap();
		let reading = reading(0, 7);
		store_readings(&open_store(&data).unwrap(), std::slice::from_ref(&reading)).unwrap();

		// Before there is a key on the token, nothing opens.
		let refused = token.keys(&["list", "--config", config]);
		assert_eq!(refused.status.code(), Some(1));
		let made = json(&token.keys(&["generate", "--json", "--config", config]));
		let id = made["keyEncryptionKey"].as_str().unwrap();
		assert!(id.starts_with("pkcs11:token=oracle;"), "{id}");
		let again = token.keys(&["generate", "--config", config]);
		assert_eq!(again.status.code(), Some(1), "there is one already");

		let table = token.at("pkcs11.toml");
		let data_text = data.to_str().unwrap();
		let rewrap = ["rewrap", "--json", "--data", data_text, "--new-pkcs11"];
		let rewrapped = json(&token.keys(&[&rewrap[..], &[table.to_str().unwrap()]].concat()));
		assert_eq!(
			(&rewrapped["keyEncryptionKey"], &rewrapped["wasDoneBefore"]),
			(&id.into(), &false.into())
		);
		let listed = json(&token.keys(&["list", "--json", "--config", config]));
		assert_eq!(listed["keyEncryptionKey"], id);
		assert!(open_store(&data).is_err(), "the file opens it no more");

		std::fs::write(token.at("pin"), "9999").unwrap();
		let refused = token.keys(&["list", "--config", config]);
		let error = String::from_utf8_lossy(&refused.stderr).into_owned();
		assert!(!refused.status.success() && !error.contains("9999"), "{error}");
		std::fs::write(token.at("pin"), "2468").unwrap();

		let new = token.at("new.key");
		let back =
			["rewrap", "--json", "--config", config, "--new-key-file", new.to_str().unwrap()];
		json(&token.keys(&back));
		std::fs::rename(&new, data.with_extension("key")).unwrap();
		let store = open_store(&data).unwrap();
		let kept = readings(&store, ZONE, slot(7), 0..u32::MAX).unwrap();
		assert_eq!(kept, [reading]);
	}
}
