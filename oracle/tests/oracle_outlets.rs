//! Readings that leave again, end to end: what is sealed is in each outlet, once.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../crates/reading-sinks/tests/support/servers.rs"]
mod servers;
mod support;

use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc, time::Duration};

use energy_oracle::{
	metrics::Metrics,
	outlets::{
		progress::Progress,
		rows::{BatchLimits, SlotReader},
		FeedParts, OutletStore, OutletsConfig,
	},
	registry::{Registry, RegistryCell},
	retention::Retention,
	service::Config,
	store::{Store, StoredReading},
};
use energy_primitives::Slot;
use proptest::prelude::*;
use reading_sinks::postgres::PostgresOutlet;
use serde_json::{json, Value};
use servers::{open_folder, run, Cluster, Redis};
use support::*;
use wia_ene_014::canonical::{Quality, SignedMessage};

const OUTLETS: [&str; 3] = ["postgresql/warehouse", "archive/cold", "redis/board"];

fn slot(after: u32) -> Slot {
	Slot(FIRST_SLOT.0 + 1 + after)
}

/// A server of each kind.
struct Servers {
	cluster: Cluster,
	redis: Redis,
	folder: tempfile::TempDir,
}

impl Servers {
	fn start() -> Self {
		Self { cluster: Cluster::start(), redis: Redis::start(), folder: open_folder() }
	}

	fn config(&self) -> OutletsConfig {
		outlets(json!({
			"postgresql": { "warehouse": postgresql(&self.cluster) },
			"archive": { "cold": { "folder": self.folder.path() } },
			"redis": { "board": {
				"host": self.redis.socket(),
				"reconnect_minimum_ms": 1,
				"reconnect_maximum_ms": 20,
			} },
		}))
	}

	/// The rows of PostgreSQL: slot, meter, start, import, quality.
	fn rows(&self) -> Vec<String> {
		let columns =
			"slot, meter_index, extract(epoch FROM start_time)::bigint, import_wh, quality";
		let sql = format!("SELECT {columns} FROM readings ORDER BY 1, 2, 3");
		self.cluster.sql(&sql).lines().map(str::to_owned).collect()
	}

	/// The same of the archive.
	fn archived(&self) -> Vec<String> {
		archived(self.folder.path())
	}

	/// The same of Redis, without the rows that gave way to newer ones.
	fn latest(&self, devices: &[Device]) -> Vec<String> {
		let row = |device: &Device| {
			let hash = self.redis.hash(&format!("reading:{}:{}", ZONE.0, hex(&device.id().0)));
			["slot", "meter_index", "start_seconds", "import_wh", "quality"]
				.map(|field| hash.get(field).cloned().unwrap_or_default())
				.join("|")
		};
		devices.iter().map(row).collect()
	}
}

fn archived(folder: &Path) -> Vec<String> {
	let script = "
import sys
import pyarrow.dataset as dataset
rows = dataset.dataset(sys.argv[1], format='parquet', partitioning='hive').to_table().to_pylist()
for row in sorted((row['slot'], row['meter_index'], int(row['start_time'].timestamp()),
        row['import_wh'], row['quality']) for row in rows):
    print('|'.join(map(str, row)))
";
	let said = run(Command::new("python3").arg("-c").arg(script).arg(folder));
	said.lines().map(str::to_owned).collect()
}

fn postgresql(cluster: &Cluster) -> Value {
	json!({
		"host": cluster.folder.path(),
		"port": cluster.port,
		"database": "postgres",
		"username": "admin",
		"reconnect_minimum_ms": 1,
		"reconnect_maximum_ms": 20,
	})
}

fn outlets(config: Value) -> OutletsConfig {
	serde_json::from_value(config).unwrap()
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with(config: &OutletsConfig) -> impl FnOnce(&mut Config) {
	let config = config.clone();
	move |service| service.outlets = config
}

/// Stops the oracle and starts it again with other outlets, after `change` to its store.
async fn restarted(
	oracle: Running,
	config: &OutletsConfig,
	change: impl FnOnce(&dyn OutletStore),
) -> Running {
	let Running { chain, clock, service, folder, .. } = oracle;
	let stopped = tokio::time::timeout(Duration::from_secs(15), service.stop()).await;
	stopped.expect("nothing holds the database for longer");
	change(&open_store(&folder.path().join("db")).unwrap());
	let oracle = Running::start_in(folder, chain, clock, with(config)).await;
	oracle.wait_until_ready().await;
	oracle
}

/// Sends a message of each device for a slot, in two figures, and waits until the slot is sealed.
/// Returns what is to be found of it.
async fn send_and_seal(oracle: &Running, devices: &[Device], slot: Slot) -> Vec<String> {
	oracle.clock.set(end(slot));
	let mut rows = Vec::new();
	for device in devices {
		let (first, second) = (start(slot), start(slot) + 30);
		let (one, two) = (u64::from(device.index.0 % 20), u64::from(slot.0 % 20));
		let intervals =
			[(first, 30, one, 0, Quality::Valid), (second, 30, two, 1, Quality::Estimated)];
		let message = device.message(end(slot), &intervals).to_json();
		assert_eq!(oracle.post(message).await.line(0), ("accepted", None));
		let index = device.index.0;
		rows.push(format!("{}|{index}|{first}|{one}|valid", slot.0));
		rows.push(format!("{}|{index}|{second}|{two}|estimated", slot.0));
	}
	oracle.advance(end(slot) + 30).await;
	oracle.wait_until_sealed(slot).await;
	rows
}

/// The last row of each meter.
fn latest_of(rows: &[String]) -> Vec<String> {
	let meter = |row: &String| row.split('|').nth(1).unwrap().parse::<u32>().unwrap();
	let latest: BTreeMap<_, _> = rows.iter().map(|row| (meter(row), row.clone())).collect();
	latest.into_values().collect()
}

async fn metric(oracle: &Running, outlet: &str, what: &str) -> u64 {
	let name = format!("energy_oracle_outlet_progress{{of=\"{outlet}\",what=\"{what}\"}} ");
	let text = oracle.get("/metrics").await.body.as_str().unwrap().to_owned();
	text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

async fn has(oracle: &Running, outlet: &str, what: &str, value: u64) {
	let name = format!("{outlet} {what} {value}");
	eventually(&name, || async { metric(oracle, outlet, what).await == value }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_a_sealed_slot_is_in_each_outlet_once() {
	let servers = Servers::start();
	let devices = [0, 1, 700].map(Device::new);
	let oracle = Running::start_with(&devices, with(&servers.config())).await;
	let mut expected = Vec::new();
	for after in 0..2 {
		expected.extend(send_and_seal(&oracle, &devices, slot(after)).await);
		for outlet in OUTLETS {
			has(&oracle, outlet, "slots-written", u64::from(after) + 1).await;
			has(&oracle, outlet, "rows-written", expected.len() as u64).await;
			has(&oracle, outlet, "slots-behind", 0).await;
		}
		assert_eq!(servers.rows(), expected);
		assert_eq!(servers.archived(), expected);
		assert_eq!(servers.latest(&devices), latest_of(&expected));
	}
	// What a row says can be proved: its evidence is what the proof is about.
	let id = hex(&devices[2].id().0);
	let path = format!("/v1/meters/{id}/slots/{}", slot(1).0);
	let proof = oracle.get(&path).await.body;
	let of = format!("meter_id = decode('{id}', 'hex') AND slot = {}", slot(1).0);
	let evidence = servers
		.cluster
		.sql(&format!("SELECT DISTINCT '0x' || encode(evidence, 'hex') FROM readings WHERE {of}"));
	assert_eq!(proof["readings"][0]["signedMessage"], evidence);
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outlet_that_is_away_misses_nothing_and_nothing_waits_for_it() {
	let mut servers = Servers::start();
	let devices = [0, 1].map(Device::new);
	let oracle = Running::start_with(&devices, with(&servers.config())).await;
	let mut expected = send_and_seal(&oracle, &devices, slot(0)).await;
	for outlet in OUTLETS {
		has(&oracle, outlet, "slots-written", 1).await;
	}
	servers.cluster.end();
	servers.redis.end();
	for after in 1..4 {
		expected.extend(send_and_seal(&oracle, &devices, slot(after)).await);
		// Attestation goes on, and so does the outlet that is there.
		oracle.wait_until_delivered().await;
		has(&oracle, "archive/cold", "slots-written", u64::from(after) + 1).await;
	}
	assert_eq!(oracle.chain.pages().len(), 4);
	for outlet in ["postgresql/warehouse", "redis/board"] {
		has(&oracle, outlet, "failing", 1).await;
		has(&oracle, outlet, "slots-behind", 3).await;
		assert_eq!(metric(&oracle, outlet, "slots-written").await, 1);
	}
	servers.cluster.begin();
	servers.redis.begin();
	for outlet in OUTLETS {
		has(&oracle, outlet, "slots-behind", 0).await;
		has(&oracle, outlet, "slots-written", 4).await;
		has(&oracle, outlet, "failing", 0).await;
	}
	assert_eq!(servers.rows(), expected);
	assert_eq!(servers.archived(), expected);
	assert_eq!(servers.latest(&devices), latest_of(&expected));
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outlet_that_was_away_across_a_restart_misses_nothing() {
	let servers = Servers::start();
	let devices = [Device::new(3)];
	servers.cluster.end();
	let config = servers.config();
	let oracle = Running::start_with(&devices, with(&config)).await;
	let expected = send_and_seal(&oracle, &devices, slot(0)).await;
	has(&oracle, "postgresql/warehouse", "failing", 1).await;
	let oracle = restarted(oracle, &config, |store| {
		assert_eq!(store.delivered_through("postgresql/warehouse", ZONE).unwrap(), None);
		servers.cluster.begin();
	})
	.await;
	has(&oracle, "postgresql/warehouse", "slots-written", 1).await;
	assert_eq!(servers.rows(), expected);
	oracle.stop().await;
}

/// As after a crash between the acknowledgement of the outlets and the note of it.
#[tokio::test(flavor = "multi_thread")]
async fn slot_that_comes_twice_is_there_once() {
	let servers = Servers::start();
	let devices = [0, 300].map(Device::new);
	let config = servers.config();
	let oracle = Running::start_with(&devices, with(&config)).await;
	let mut expected = send_and_seal(&oracle, &devices, slot(0)).await;
	expected.extend(send_and_seal(&oracle, &devices, slot(1)).await);
	for outlet in OUTLETS {
		has(&oracle, outlet, "slots-written", 2).await;
	}
	let oracle = restarted(oracle, &config, |store| {
		for outlet in OUTLETS {
			assert_eq!(store.delivered_through(outlet, ZONE).unwrap(), Some(slot(1)));
			store.keep_delivered(outlet, ZONE, FIRST_SLOT).unwrap();
		}
	})
	.await;
	for outlet in OUTLETS {
		has(&oracle, outlet, "slots-written", 2).await;
		has(&oracle, outlet, "rows-written", expected.len() as u64).await;
	}
	assert_eq!(servers.rows(), expected);
	assert_eq!(servers.archived(), expected);
	assert_eq!(servers.latest(&devices), latest_of(&expected));
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_outlet_gets_what_is_kept_and_goes_on_where_it_was() {
	let devices = [Device::new(0)];
	let folder = open_folder();
	let oracle = Running::start_with(&devices, |_| ()).await;
	let mut expected = send_and_seal(&oracle, &devices, slot(0)).await;
	expected.extend(send_and_seal(&oracle, &devices, slot(1)).await);

	let config = outlets(json!({ "archive": { "cold": { "folder": folder.path() } } }));
	let oracle = restarted(oracle, &config, |_| ()).await;
	has(&oracle, "archive/cold", "slots-written", 2).await;
	assert_eq!(archived(folder.path()), expected);

	let oracle = restarted(oracle, &config, |_| ()).await;
	expected.extend(send_and_seal(&oracle, &devices, slot(2)).await);
	has(&oracle, "archive/cold", "slots-behind", 0).await;
	has(&oracle, "archive/cold", "slots-written", 1).await;
	assert_eq!(archived(folder.path()), expected);
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outlet_that_refuses_gets_everything_once_someone_has_acted() {
	let cluster = Cluster::start();
	let devices = [Device::new(0)];
	let mut table = postgresql(&cluster);
	table["create_table"] = false.into();
	let config = outlets(json!({ "postgresql": { "warehouse": table } }));
	let oracle = Running::start_with(&devices, with(&config)).await;
	send_and_seal(&oracle, &devices, slot(0)).await;
	has(&oracle, "postgresql/warehouse", "failing", 1).await;
	let administrator = PostgresOutlet::new(&config.postgresql["warehouse"]).unwrap();
	administrator.migrate().await.unwrap();
	has(&oracle, "postgresql/warehouse", "failing", 0).await;
	has(&oracle, "postgresql/warehouse", "slots-behind", 0).await;
	assert_eq!(cluster.number("SELECT count(*) FROM readings"), 2);
	oracle.stop().await;
}

#[test]
fn what_is_forgotten_before_an_outlet_has_it_is_counted() {
	let folder = tempfile::tempdir().unwrap();
	let store = Arc::new(open_store(&folder.path().join("db")).unwrap());
	let device = Device::new(0);
	let stored: Vec<_> = [0, 1, 3, 4, 5].map(|after| message(&device, slot(after), 0, 1)).into();
	store_readings(store.as_ref(), &stored).unwrap();
	store.seal(ZONE, slot(4), &[]).unwrap();
	let registry = Arc::new(RegistryCell::default());
	let mut meters = Registry::default();
	meters.set_calendar(ZONE, calendar());
	registry.store(meters, 0);
	let parts = FeedParts {
		readings: store.clone(),
		store: store.clone(),
		registry: registry.clone(),
		zones: vec![ZONE],
	};
	let progress = ["archive/none", "archive/some", "archive/all"]
		.map(|name| Arc::new(Progress::new(name.into())));
	let [none, some, all] = &progress;
	some.keep_delivered(&parts, ZONE, slot(1)).unwrap();
	all.keep_delivered(&parts, ZONE, slot(4)).unwrap();
	let metrics = Metrics::default();
	for progress in &progress {
		progress.note_behind(&parts).unwrap();
		progress.show(&metrics);
	}
	let number = |outlet: &str, what: &str| {
		let name = format!("energy_oracle_outlet_progress{{of=\"{outlet}\",what=\"{what}\"}} ");
		let text = metrics.render(0, 0);
		text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u64>().unwrap()
	};
	let behind = |outlet: &str| number(outlet, "slots-behind");
	assert_eq!((behind("archive/none"), behind("archive/some"), behind("archive/all")), (5, 2, 0));
	assert_eq!(none.next_slot(&parts, ZONE).unwrap(), Some(slot(0)));
	assert_eq!(all.next_slot(&parts, ZONE).unwrap(), None, "the rest is not sealed");

	let clock = TestClock::default();
	let retention = Retention {
		store: store.clone(),
		registry,
		clock: Arc::new(clock.clone()),
		zones: vec![ZONE],
		seconds: 60,
		outlets: progress.to_vec(),
		outlet_store: store.clone(),
	};
	let skipped = |outlet: &str| number(outlet, "slots-skipped");
	for (now, of_none, of_some) in [(slot(1), 0, 0), (slot(5), 3, 1), (slot(5), 3, 1)] {
		clock.set(start(now));
		retention.forget().unwrap();
		assert_eq!(skipped("archive/none"), of_none);
		assert_eq!(skipped("archive/some"), of_some);
		assert_eq!(skipped("archive/all"), 0);
	}
	// What is left comes.
	assert_eq!(none.next_slot(&parts, ZONE).unwrap(), Some(slot(4)));
}

/// A stored message of a device with figures of ten seconds, from a second of a slot on.
fn message(device: &Device, slot: Slot, first: u64, figures: u64) -> StoredReading {
	let start_seconds = start(slot) + first;
	let intervals: Vec<_> = (0..figures)
		.map(|number| (start_seconds + number * 10, 10, number, first, Quality::Valid))
		.collect();
	let message = device.message(end(slot), &intervals).to_json();
	let signed = SignedMessage::parse(message.as_bytes()).unwrap();
	StoredReading { zone: ZONE, slot, meter: device.index, start_seconds, signed }
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(24))]
	#[test]
	fn parts_of_a_slot_are_within_their_limits_and_have_every_figure_once(
		// Meters on several pages, some of them with a second message.
		meters in proptest::collection::btree_map(0u32..1500, (1u64..4, 0u64..3), 1..30),
		rows in 1usize..12,
		evidence_bytes in 1usize..2000,
	) {
		let folder = tempfile::tempdir().unwrap();
		let store = Arc::new(open_store(&folder.path().join("db")).unwrap());
		let (mut stored, mut expected) = (Vec::new(), Vec::new());
		for (&index, &(figures, more)) in &meters {
			let device = Device::new(index);
			for (first, figures) in [(0, figures), (40, more)] {
				if figures > 0 {
					stored.push(message(&device, slot(1), first, figures));
				}
				let row = |number| (index, start(slot(1)) + first + number * 10, number, first);
				expected.extend((0..figures).map(row));
			}
			// What is beside the slot is no part of it.
			stored.extend([slot(0), slot(2)].map(|slot| message(&device, slot, 0, 1)));
		}
		store_readings(store.as_ref(), &stored).unwrap();
		let read = || {
			let limits = BatchLimits { rows, evidence_bytes };
			let span = calendar().span(slot(1));
			let mut reader = SlotReader::new(store.clone(), ZONE, span, limits);
			let mut batches = Vec::new();
			while let Some(batch) = reader.next_batch().unwrap() {
				batches.push(batch.unwrap());
			}
			batches
		};
		let batches = read();
		for (part, batch) in (0..).zip(&batches) {
			let id = batch.id();
			prop_assert_eq!((id.zone, id.slot, id.part), (ZONE.0, slot(1).0, part));
			let bytes: usize = batch.rows().iter().map(|row| row.evidence.len()).sum();
			let count = batch.rows().len();
			prop_assert!(count <= rows && (bytes <= evidence_bytes || count == 1));
		}
		let found: Vec<_> = batches.iter().flat_map(|batch| batch.rows()).collect();
		for row in &found {
			prop_assert_eq!(row.meter_id.as_bytes(), &Device::new(row.meter_index).id().0[..]);
		}
		let found: Vec<_> = found
			.iter()
			.map(|row| (row.meter_index, row.start_seconds, row.import_wh, row.export_wh))
			.collect();
		prop_assert_eq!(found, expected);
		prop_assert_eq!(read(), batches);
	}
}
