//! Two processes on one data folder: one serves, the other waits and takes over.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	collections::{BTreeMap, BTreeSet},
	io::{BufRead, BufReader},
	path::Path,
	process::{Child, ChildStdout, Command, Stdio},
	sync::{
		atomic::{AtomicBool, AtomicUsize, Ordering},
		Arc, Mutex,
	},
	time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use energy_oracle::{
	standby::{occupancy, Occupancy},
	store::{readings, Attestation, PageKey, Store},
};
use energy_primitives::{MeterIndex, MeterValue, Slot};
use sp_core::H256;
use support::*;
use wia_ene_014::canonical::Quality;

const TAKE_OVERS: u64 = 10;
const METERS: u32 = 4;
/// Batches that each meter sends between two take-overs.
const BATCHES: u64 = 12;
/// One-second figures in a batch: some batches end in the middle of a slot.
const BATCH: u64 = 25;
/// Pages that are in the outbox from the beginning.
const PAGES: u32 = 5;

/// The running binary; killed when it is dropped.
struct Oracle {
	process: Child,
	stdout: BufReader<ChildStdout>,
	url: String,
}

impl Oracle {
	fn start(data: &Path, is_standby: bool) -> Self {
		let mut command = Command::new(env!("CARGO_BIN_EXE_energy-oracle"));
		command
			.args(["run", "--zone", "1", "--dev-key", "//Oracle"])
			// Nobody listens there: readings are taken with the saved registry.
			.args(["--node", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0"])
			.arg("--data")
			.arg(data)
			.env("RUST_LOG", "error")
			.stdout(Stdio::piped());
		if is_standby {
			command.arg("--standby");
		}
		let mut process = command.spawn().unwrap();
		let stdout = BufReader::new(process.stdout.take().unwrap());
		let mut oracle = Self { process, stdout, url: String::new() };
		oracle.url = oracle.line(if is_standby { "standby on " } else { "listening on " });
		oracle
	}

	/// The rest of the next line, which has to begin with `prefix`.
	fn line(&mut self, prefix: &str) -> String {
		let mut line = String::new();
		self.stdout.read_line(&mut line).unwrap();
		line.trim()
			.strip_prefix(prefix)
			.unwrap_or_else(|| panic!("{prefix:?}: {line:?}"))
			.to_owned()
	}

	fn kill(&mut self) {
		self.process.kill().unwrap();
		self.process.wait().unwrap();
	}

	fn terminate(&mut self) {
		let id = self.process.id().to_string();
		assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
		assert!(self.process.wait().unwrap().success(), "it stops with success");
	}
}

impl Drop for Oracle {
	fn drop(&mut self) {
		let _ = self.process.kill();
		let _ = self.process.wait();
	}
}

/// What a load client and the test share.
struct Shared {
	client: reqwest::Client,
	/// The figures of which an answer said that they are on disk: meter, second.
	acknowledged: Mutex<BTreeSet<(u32, u64)>>,
}

/// The message of the figure with a number, and its second and import.
fn reading(device: &Device, first_second: u64, number: u64) -> (u64, u64, String) {
	let start = first_second + number;
	let import_wh = (number + u64::from(device.index.0)) % 2;
	let interval = (start, 1, import_wh, 1 - import_wh, Quality::Valid);
	(start, import_wh, device.message(start + 1, &[interval]).to_json())
}

fn batch(device: &Device, first_second: u64, number: u64) -> String {
	let lines = (number..number + BATCH).map(|number| reading(device, first_second, number).2);
	lines.collect::<Vec<_>>().join("\n")
}

fn post(client: &reqwest::Client, url: &str, body: String) -> reqwest::RequestBuilder {
	client
		.post(format!("{url}/v1/readings"))
		.header("content-type", "application/x-ndjson")
		.timeout(Duration::from_secs(5))
		.body(body)
}

/// Sends a batch. The answer, if it is known that all of it is on disk.
async fn send(client: &reqwest::Client, url: &str, body: String) -> Option<serde_json::Value> {
	let answer = post(client, url, body).send().await.ok()?;
	if answer.status() != 200 {
		return None;
	}
	let answer = answer.json::<serde_json::Value>().await.ok()?;
	assert_eq!(answer["rejected"], 0, "every reading is good: {answer}");
	Some(answer)
}

/// That a standby says it is one, and takes nothing.
async fn is_refused_by(standby: &str, client: &reqwest::Client, body: String) {
	let get = |path: &str| client.get(format!("{standby}{path}")).send();
	assert_eq!(get("/healthz").await.unwrap().status(), 200);
	let metrics = get("/metrics").await.unwrap().text().await.unwrap();
	assert!(metrics.ends_with("energy_oracle_standby 1\n"), "{metrics}");
	for answer in [
		get("/readyz").await.unwrap(),
		get("/v1/status").await.unwrap(),
		post(client, standby, body).send().await.unwrap(),
	] {
		assert_eq!(answer.status(), 503);
		assert_eq!(answer.headers()["content-type"], "application/problem+json");
		assert_eq!(answer.headers()["retry-after"], "1");
		let problem: serde_json::Value = answer.json().await.unwrap();
		assert_eq!(problem["type"], "urn:energy-oracle:problem:standby");
		assert_eq!(problem["status"], 503);
	}
}

/// Prepares a folder: registered meters, their slots, and pages that wait for the chain.
fn prepare(data: &Path, devices: &[Device], first_slot: Slot) -> Vec<Attestation> {
	let store = open_store(data).unwrap();
	let meters: Vec<_> = devices.iter().map(Device::registration).collect();
	store.save_meters(ZONE, MeterIndex(0), &meters).unwrap();
	store.save_calendar(ZONE, &calendar()).unwrap();
	let before = |slots: u32| Slot(first_slot.0 - slots);
	let value = MeterValue { meter: 0, import_wh: 1, export_wh: 0, quality: Quality::Valid };
	let pages: Vec<_> = (1..=PAGES)
		.rev()
		.map(|slots| Attestation {
			key: PageKey { zone: ZONE, slot: before(slots), page: 0 },
			values: vec![value],
			readings_root: H256::repeat_byte(slots as u8),
			readings_count: 1,
		})
		.collect();
	store.seal(ZONE, before(1), &pages).unwrap();
	pages
}

/// Sends the batches of a meter, first to the one that serves, then wherever it is taken.
async fn load(
	shared: Arc<Shared>,
	device: Device,
	(first_second, from): (u64, u64),
	(active, standby): (String, String),
	is_killed: Arc<AtomicBool>,
	acknowledged_now: Arc<AtomicUsize>,
) {
	let mut urls = [&active, &standby];
	for index in 0..BATCHES {
		let number = from + index * BATCH;
		loop {
			let body = batch(&device, first_second, number);
			if send(&shared.client, urls[0], body).await.is_some() {
				let is_of_standby = *urls[0] == standby;
				assert!(!is_of_standby || is_killed.load(Ordering::SeqCst), "one serves at a time");
				break;
			}
			urls.reverse();
			tokio::time::sleep(Duration::from_millis(5)).await;
		}
		let seconds = first_second + number..first_second + number + BATCH;
		let figures = seconds.map(|second| (device.index.0, second));
		shared.acknowledged.lock().unwrap().extend(figures);
		acknowledged_now.fetch_add(1, Ordering::SeqCst);
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_and_nothing_is_lost_or_doubled() {
	let folder = tempfile::tempdir().unwrap();
	let data = folder.path().join("db");
	let devices: Vec<_> = (0..METERS).map(Device::new).collect();
	let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
	let first_slot = calendar().at(now - 20_000);
	let first_second = start(first_slot);
	let waiting_pages = prepare(&data, &devices, first_slot);
	let shared = Arc::new(Shared {
		client: energy_oracle::https::builder(None).unwrap().build().unwrap(),
		acknowledged: Mutex::new(BTreeSet::new()),
	});

	assert_eq!(occupancy(&data).unwrap(), Occupancy::Free);
	let mut active = Oracle::start(&data, false);
	for round in 0..TAKE_OVERS {
		assert_eq!(occupancy(&data).unwrap(), Occupancy::InUse);
		let mut standby = Oracle::start(&data, true);
		let from = round * BATCHES * BATCH;
		let is_killed = Arc::new(AtomicBool::new(false));
		let acknowledged_now = Arc::new(AtomicUsize::new(0));
		let tasks: Vec<_> = devices
			.iter()
			.map(|device| {
				tokio::spawn(load(
					shared.clone(),
					device.clone(),
					(first_second, from),
					(active.url.clone(), standby.url.clone()),
					is_killed.clone(),
					acknowledged_now.clone(),
				))
			})
			.collect();
		// While the one lives and is busy, the other takes nothing.
		let first_batch = batch(&devices[0], first_second, from);
		is_refused_by(&standby.url, &shared.client, first_batch.clone()).await;
		let half = (BATCHES as usize * devices.len()) / 2;
		eventually("half of it is acknowledged", || async {
			acknowledged_now.load(Ordering::SeqCst) >= half
		})
		.await;
		is_refused_by(&standby.url, &shared.client, first_batch).await;
		let of_the_dead = shared.acknowledged.lock().unwrap().clone();
		is_killed.store(true, Ordering::SeqCst);
		active.kill();

		// Nobody does anything, and the other one serves, at the same address.
		assert_eq!(standby.line("listening on "), standby.url);
		for task in tasks {
			task.await.unwrap();
		}
		// What the dead one acknowledged, the new one knows.
		for device in &devices {
			let numbers = (from..from + BATCHES * BATCH).step_by(BATCH as usize);
			let sent_again: Vec<_> = numbers
				.take_while(|number| {
					let last = first_second + number + BATCH - 1;
					of_the_dead.contains(&(device.index.0, last))
				})
				.collect();
			for number in &sent_again {
				let body = batch(device, first_second, *number);
				let answer = send(&shared.client, &standby.url, body).await.unwrap();
				assert_eq!(answer["duplicate"], BATCH, "{answer}");
			}
		}
		let status = shared.client.get(format!("{}/v1/status", standby.url)).send().await.unwrap();
		let status: serde_json::Value = status.json().await.unwrap();
		assert_eq!(status["outboxPages"], PAGES, "the pages are still on their way");
		active = standby;
	}
	active.kill();

	// Every figure is there once, and nothing else.
	let total = TAKE_OVERS * BATCHES * BATCH;
	{
		let store = open_store(&data).unwrap();
		let mut stored: BTreeMap<(u32, u64), u64> = BTreeMap::new();
		let mut slot = None;
		while let Some(found) = store.next_slot_with_readings(ZONE, slot).unwrap() {
			for reading in readings(&store, ZONE, found, 0..u32::MAX).unwrap() {
				for figure in &reading.signed.message.intervals {
					let key = (reading.meter.0, figure.start_seconds);
					let twice = stored.insert(key, figure.import_wh);
					assert_eq!(twice, None, "a figure is stored once");
				}
			}
			slot = Some(found);
		}
		assert!(stored.keys().eq(shared.acknowledged.lock().unwrap().iter()));
		for device in &devices {
			for number in 0..total {
				let (second, import_wh, _) = reading(device, first_second, number);
				assert_eq!(stored.remove(&(device.index.0, second)), Some(import_wh));
			}
		}
		assert!(stored.is_empty());
	}

	// The last one that takes over has a chain: the pages that waited reach it, and those of the slots
	// that were filled under eleven processes.
	let filled = (total / u64::from(SLOT_SECONDS)) as u32;
	let chain = FakeChain::new(now, &devices);
	let clock = TestClock::default();
	clock.set(now);
	let oracle = Running::start_in(folder, chain, clock, |_config| ()).await;
	oracle.wait_until_ready().await;
	oracle.advance(now + 60).await;
	oracle.wait_until_sealed(Slot(first_slot.0 + filled - 1)).await;
	oracle.wait_until_delivered().await;
	let pages = oracle.chain.pages();
	assert_eq!(oracle.chain.received().len(), pages.len(), "each was sent once");
	let (waited, sealed) = pages.split_at(PAGES as usize);
	assert_eq!(waited, waiting_pages);
	let values = sealed.iter().flat_map(|page| &page.values);
	let import_wh: u64 = values.clone().map(|value| value.import_wh).sum();
	assert_eq!(values.count(), filled as usize * devices.len());
	// Every other second has one watt-hour.
	assert_eq!(import_wh, total / 2 * u64::from(METERS));
	oracle.stop().await;
}

#[test]
fn a_standby_waits_for_a_database_makes_none_and_stops_when_told_to() {
	let folder = tempfile::tempdir().unwrap();
	let data = folder.path().join("db");
	// Storage that is not mounted looks like this.
	let mut waiting = Oracle::start(&data, true);
	assert_eq!(occupancy(&data).unwrap(), Occupancy::Absent);
	assert!(!data.exists());
	waiting.terminate();
	assert!(!data.exists() && !data.with_extension("key").exists());
	let mut rest = String::new();
	std::io::Read::read_to_string(&mut waiting.stdout, &mut rest).unwrap();
	assert_eq!(rest, "", "it never served");
}

#[test]
fn one_of_two_standbys_takes_over_and_the_other_goes_on_waiting() {
	let folder = tempfile::tempdir().unwrap();
	let data = folder.path().join("db");
	drop(open_store(&data).unwrap());
	let mut first = Oracle::start(&data, true);
	// A folder that is free is taken at once.
	assert_eq!(first.line("listening on "), first.url);
	let mut standbys = [Oracle::start(&data, true), Oracle::start(&data, true)];
	first.terminate();
	// Each serves in the end, the second after the first one was stopped.
	let started = Instant::now();
	let mut served = 0;
	let mut told = [false; 2];
	while served < 2 {
		assert!(started.elapsed() < Duration::from_secs(30), "both serve in time");
		for (standby, told) in standbys.iter_mut().zip(&mut told) {
			if *told {
				continue;
			}
			let client = std::net::TcpStream::connect(standby.url.strip_prefix("http://").unwrap());
			let is_ready = client.is_ok_and(is_serving);
			if is_ready {
				assert_eq!(occupancy(&data).unwrap(), Occupancy::InUse);
				standby.terminate();
				*told = true;
				served += 1;
			}
		}
		std::thread::sleep(Duration::from_millis(20));
	}
	assert_eq!(occupancy(&data).unwrap(), Occupancy::Free);
}

/// Whether `/v1/status` is answered with 200: a standby answers 503.
fn is_serving(mut stream: std::net::TcpStream) -> bool {
	use std::io::Write;
	let request = "GET /v1/status HTTP/1.1\r\nhost: oracle\r\nconnection: close\r\n\r\n";
	let mut line = String::new();
	stream.write_all(request.as_bytes()).is_ok()
		&& BufReader::new(stream).read_line(&mut line).is_ok()
		&& line.starts_with("HTTP/1.1 200")
}
