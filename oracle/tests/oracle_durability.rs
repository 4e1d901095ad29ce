//! What is answered is on disk: many requests in one write, and a process that is killed.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	collections::{BTreeMap, BTreeSet},
	io::{BufRead, BufReader},
	ops::Range,
	path::Path,
	process::{Child, Command, Stdio},
	sync::{
		atomic::{AtomicU64, AtomicUsize, Ordering},
		Arc, Condvar, Mutex,
	},
	time::{SystemTime, UNIX_EPOCH},
};

use energy_oracle::{
	ingest::{
		body::Format,
		writer::{Coverage, Writer},
		Ingest, IngestError, IngestLimits, Messages, Sender,
	},
	metrics::Metrics,
	registry::{Registry, RegistryCell},
	store::{
		readings, rocks::RocksStore, Attestation, DeadLetter, KeptDeadLetter, PageKey, PageState,
		ReadingKey, ReadingSealer, RecentSlots, SealedPage, Store, StoreError, StoredReading,
	},
};
use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId};
use oracle_port::Verdict;
use sp_core::H256;
use support::*;
use tokio::sync::mpsc;
use wia_ene_014::canonical::Quality;

/// A store that can be held up, and that can fail.
struct Gate {
	inner: RocksStore,
	is_open: Mutex<bool>,
	opened: Condvar,
	writes: AtomicUsize,
	waiting: AtomicUsize,
	failures: AtomicUsize,
}

impl Gate {
	fn new(folder: &Path) -> Arc<Self> {
		Arc::new(Self {
			inner: open_store(&folder.join("db")).unwrap(),
			is_open: Mutex::new(true),
			opened: Condvar::new(),
			writes: AtomicUsize::new(0),
			waiting: AtomicUsize::new(0),
			failures: AtomicUsize::new(0),
		})
	}

	fn set_open(&self, is_open: bool) {
		*self.is_open.lock().unwrap() = is_open;
		self.opened.notify_all();
	}
}

impl Store for Gate {
	fn sealer(&self) -> ReadingSealer {
		self.inner.sealer()
	}
	fn add(
		&self,
		readings: &[(ReadingKey, &[u8])],
		dead_letters: &[DeadLetter],
	) -> Result<(), StoreError> {
		self.waiting.fetch_add(1, Ordering::SeqCst);
		let open = self.opened.wait_while(self.is_open.lock().unwrap(), |open| !*open).unwrap();
		drop(open);
		if self.failures.load(Ordering::SeqCst) > 0 {
			self.failures.fetch_sub(1, Ordering::SeqCst);
			return Err(StoreError::Database("no space left on device".into()));
		}
		self.writes.fetch_add(1, Ordering::SeqCst);
		self.inner.add(readings, dead_letters)
	}
	fn visit_readings(
		&self,
		zone: ZoneId,
		slot: Slot,
		meters: Range<u32>,
		visit: &mut dyn FnMut(StoredReading),
	) -> Result<(), StoreError> {
		self.inner.visit_readings(zone, slot, meters, visit)
	}
	fn next_slot_with_readings(
		&self,
		zone: ZoneId,
		after: Option<Slot>,
	) -> Result<Option<Slot>, StoreError> {
		self.inner.next_slot_with_readings(zone, after)
	}
	fn has_readings_from(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<bool, StoreError> {
		self.inner.has_readings_from(zone, slot, meter)
	}
	fn locate(
		&self,
		meter: MeterId,
		slot: Slot,
	) -> Result<Option<(ZoneId, MeterIndex)>, StoreError> {
		self.inner.locate(meter, slot)
	}
	fn recent_slots(
		&self,
		meter: MeterId,
		before: Option<Slot>,
		limit: usize,
	) -> Result<RecentSlots, StoreError> {
		self.inner.recent_slots(meter, before, limit)
	}
	fn dead_letters(
		&self,
		after: Option<u64>,
		limit: usize,
	) -> Result<Vec<KeptDeadLetter>, StoreError> {
		self.inner.dead_letters(after, limit)
	}
	fn forget_before(&self, zone: ZoneId, slot: Slot) -> Result<(), StoreError> {
		self.inner.forget_before(zone, slot)
	}
	fn seal(
		&self,
		zone: ZoneId,
		through: Slot,
		attestations: &[Attestation],
	) -> Result<(), StoreError> {
		self.inner.seal(zone, through, attestations)
	}
	fn sealed_through(&self, zone: ZoneId) -> Result<Option<Slot>, StoreError> {
		self.inner.sealed_through(zone)
	}
	fn page(&self, key: PageKey) -> Result<Option<SealedPage>, StoreError> {
		self.inner.page(key)
	}
	fn outbox(&self, limit: usize) -> Result<Vec<PageKey>, StoreError> {
		self.inner.outbox(limit)
	}
	fn finish(&self, key: PageKey, state: PageState) -> Result<(), StoreError> {
		self.inner.finish(key, state)
	}
	fn save_meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
		meters: &[(MeterId, Meter<AccountId>)],
	) -> Result<(), StoreError> {
		self.inner.save_meters(zone, from, meters)
	}
	fn save_calendar(&self, zone: ZoneId, calendar: &SlotCalendar) -> Result<(), StoreError> {
		self.inner.save_calendar(zone, calendar)
	}
	fn load_registry(&self, zones: &[ZoneId]) -> Result<Option<Registry>, StoreError> {
		self.inner.load_registry(zones)
	}
	fn bind_to_chain(&self, genesis: H256) -> Result<H256, StoreError> {
		self.inner.bind_to_chain(genesis)
	}
}

/// A way in to a store, with a writer of its own.
fn ingest(store: Arc<Gate>, devices: &[Device]) -> Ingest {
	ingest_with(store, devices, IngestLimits::default())
}

fn ingest_with(store: Arc<Gate>, devices: &[Device], limits: IngestLimits) -> Ingest {
	let mut registry = Registry::default();
	registry.set_calendar(ZONE, calendar());
	for device in devices {
		let (id, meter) = device.registration();
		registry.insert(id, &meter);
	}
	let cell = Arc::new(RegistryCell::default());
	cell.store(registry, 0);
	let clock = TestClock::default();
	clock.set(end(FIRST_SLOT) + 5);
	let metrics = Arc::new(Metrics::default());
	let (commands, inbox) = mpsc::channel(limits.queue_length);
	let writer = Writer::new(store.clone(), metrics.clone(), Arc::new(Coverage::default()));
	std::thread::spawn(move || writer.run(inbox));
	Ingest::start(cell, Arc::new(clock), metrics, store, limits, commands).unwrap()
}

/// Submits a body, and waits for its turn for as long as it takes.
async fn submit(
	ingest: &Ingest,
	format: Format,
	body: String,
) -> Result<Vec<Verdict>, IngestError> {
	let messages = Messages::Body(format, body.into());
	ingest.submit("test", Sender::Anyone, messages, std::time::Duration::from_secs(30)).await
}

mod group_commit {
	use super::*;

	#[tokio::test(flavor = "multi_thread")]
	async fn requests_that_wait_are_written_together_and_each_gets_its_own_answer() {
		const REQUESTS: u32 = 40;
		let folder = tempfile::tempdir().unwrap();
		let devices: Vec<_> = (0..=REQUESTS).map(Device::new).collect();
		let gate = Gate::new(folder.path());
		let ingest = ingest(gate.clone(), &devices);
		let send = |body: String| {
			let ingest = ingest.clone();
			tokio::spawn(async move { submit(&ingest, Format::JsonLines, body).await })
		};

		// The first write is held up; all others queue behind it.
		gate.set_open(false);
		let first = send(devices[0].full(FIRST_SLOT, 1, 0));
		eventually("the writer waits", || async { gate.waiting.load(Ordering::SeqCst) == 1 }).await;
		let others: Vec<_> = devices[1..]
			.iter()
			.map(|device| {
				let new = device.full(FIRST_SLOT, 1, 0);
				let known = devices[0].full(FIRST_SLOT, 1, 0);
				send(format!("{new}\n{known}\n{new}"))
			})
			.collect();
		tokio::time::sleep(std::time::Duration::from_millis(500)).await;
		assert!(!first.is_finished(), "nothing is answered before it is written");
		assert!(others.iter().all(|other| !other.is_finished()));
		gate.set_open(true);

		assert_eq!(first.await.unwrap().unwrap(), [Verdict::Accepted]);
		for other in others {
			let expected = [Verdict::Accepted, Verdict::Duplicate, Verdict::Duplicate];
			assert_eq!(other.await.unwrap().unwrap(), expected);
		}
		let writes = gate.writes.load(Ordering::SeqCst);
		assert!(writes <= 4, "{writes} writes for {} requests", REQUESTS + 1);
		let stored = readings(gate.as_ref(), ZONE, FIRST_SLOT, 0..u32::MAX).unwrap();
		assert_eq!(stored.len(), devices.len());
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn who_does_not_want_to_wait_is_passed_over() {
		let folder = tempfile::tempdir().unwrap();
		let devices: Vec<_> = (0..20).map(Device::new).collect();
		let gate = Gate::new(folder.path());
		let limits = IngestLimits { queue_length: 1, parallel: 2, ..IngestLimits::default() };
		let ingest = ingest_with(gate.clone(), &devices, limits);
		gate.set_open(false);
		let mut patient: Vec<_> = devices[..10]
			.iter()
			.map(|device| Box::pin(submit(&ingest, Format::Json, device.full(FIRST_SLOT, 1, 0))))
			.collect();
		// Each is in line before the next one comes: more than the threads and the queues can hold.
		for one in &mut patient {
			assert!(futures::poll!(one.as_mut()).is_pending());
		}
		eventually("the writer waits", || async { gate.waiting.load(Ordering::SeqCst) == 1 }).await;
		let hasty: Vec<_> = devices[10..]
			.iter()
			.map(|device| {
				let messages = Messages::Body(Format::Json, device.full(FIRST_SLOT, 1, 0).into());
				ingest.submit(
					"test",
					Sender::Anyone,
					messages,
					std::time::Duration::from_millis(50),
				)
			})
			.collect();
		let hasty = futures::future::join_all(hasty).await;
		assert!(hasty.iter().all(|answer| matches!(answer, Err(IngestError::Busy))), "{hasty:?}");
		gate.set_open(true);
		for answer in futures::future::join_all(patient).await {
			assert_eq!(answer.unwrap(), [Verdict::Accepted]);
		}
		// Whoever heard that the oracle is busy has to send again, and finds nothing there.
		let again = submit(&ingest, Format::Json, devices[19].full(FIRST_SLOT, 1, 0)).await;
		assert_eq!(again.unwrap(), [Verdict::Accepted]);
		let stored = readings(gate.as_ref(), ZONE, FIRST_SLOT, 0..u32::MAX).unwrap();
		assert_eq!(stored.len(), 11);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn those_that_are_checked_together_get_each_their_own_answer() {
		let folder = tempfile::tempdir().unwrap();
		let devices: Vec<_> = (0..300).map(Device::new).collect();
		let gate = Gate::new(folder.path());
		let limits = IngestLimits { parallel: 1, ..IngestLimits::default() };
		let ingest = ingest_with(gate.clone(), &devices, limits);
		// One of a hundred is signed by another meter, in a body each of which has ten messages.
		let forged = |index: usize| index % 100 == 37;
		let message = |index: usize, device: &Device| {
			let key = if forged(index) { Device::new(7_777).key } else { device.key.clone() };
			Device { key, ..device.clone() }.full(FIRST_SLOT, 1, 0)
		};
		let bodies: Vec<String> = devices
			.iter()
			.enumerate()
			.map(|(index, device)| message(index, device))
			.collect::<Vec<_>>()
			.chunks(10)
			.map(|messages| format!("[{}]", messages.join(",")))
			.chain(["neither a message nor a list".to_owned()])
			.collect();
		let answers = bodies.into_iter().map(|body| submit(&ingest, Format::Json, body));
		let mut answers = futures::future::join_all(answers).await;
		assert!(matches!(answers.pop(), Some(Err(IngestError::Body(_)))));
		let verdicts: Vec<_> = answers.into_iter().flat_map(Result::unwrap).collect();
		assert_eq!(verdicts.len(), devices.len());
		for (index, verdict) in verdicts.iter().enumerate() {
			match verdict {
				Verdict::Rejected(rejection) => {
					assert!(forged(index));
					assert_eq!(rejection.code, "signature-invalid");
				}
				other => assert_eq!((other, forged(index)), (&Verdict::Accepted, false)),
			}
		}
		assert_eq!(gate.dead_letters(None, 999).unwrap().len(), 3);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn a_failed_write_is_reported_and_leaves_nothing_behind() {
		let folder = tempfile::tempdir().unwrap();
		let device = Device::new(0);
		let gate = Gate::new(folder.path());
		let ingest = ingest(gate.clone(), std::slice::from_ref(&device));
		let message = device.full(FIRST_SLOT, 1, 0);
		gate.failures.store(1, Ordering::SeqCst);
		let failed = submit(&ingest, Format::Json, message.clone()).await;
		assert!(matches!(failed, Err(IngestError::Store(_))), "{failed:?}");
		// It must not be taken for a duplicate now.
		assert_eq!(submit(&ingest, Format::Json, message).await.unwrap(), [Verdict::Accepted]);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn closing_a_slot_waits_for_the_readings_before_it() {
		let folder = tempfile::tempdir().unwrap();
		let devices = [Device::new(0), Device::new(1)];
		let gate = Gate::new(folder.path());
		let ingest = ingest(gate.clone(), &devices);
		gate.set_open(false);
		let taken = tokio::spawn({
			let (ingest, body) = (ingest.clone(), devices[0].full(FIRST_SLOT, 1, 0));
			async move { submit(&ingest, Format::Json, body).await }
		});
		eventually("the writer waits", || async { gate.waiting.load(Ordering::SeqCst) == 1 }).await;
		let closed = tokio::spawn({
			let ingest = ingest.clone();
			async move { ingest.close(ZONE, FIRST_SLOT).await }
		});
		tokio::time::sleep(std::time::Duration::from_millis(100)).await;
		assert!(!closed.is_finished());
		gate.set_open(true);
		closed.await.unwrap().unwrap();
		let stored = readings(gate.as_ref(), ZONE, FIRST_SLOT, 0..u32::MAX).unwrap();
		assert_eq!(stored.len(), 1);
		assert_eq!(taken.await.unwrap().unwrap(), [Verdict::Accepted]);
		let late = submit(&ingest, Format::Json, devices[1].full(FIRST_SLOT, 1, 0)).await.unwrap();
		let Verdict::Rejected(refusal) = &late[0] else { panic!("{late:?}") };
		assert_eq!(refusal.code, "slot-sealed");
	}
}

mod recovery {
	use super::*;

	const KILLS: usize = 5;
	const METERS: u32 = 6;
	const BATCH: u64 = 25;

	/// The running binary; killed when it is dropped.
	struct Oracle {
		process: Child,
		url: String,
	}

	impl Oracle {
		fn start(data: &Path) -> Self {
			let mut process = Command::new(env!("CARGO_BIN_EXE_energy-oracle"))
				.args(["run", "--zone", "1", "--dev-key", "//Oracle"])
				// Nobody listens there: readings are taken with the saved registry.
				.args(["--node", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0"])
				.arg("--data")
				.arg(data)
				.env("RUST_LOG", "error")
				.stdout(Stdio::piped())
				.spawn()
				.unwrap();
			let mut line = String::new();
			BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
			let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
			Self { process, url }
		}

		fn kill(&mut self) {
			self.process.kill().unwrap();
			self.process.wait().unwrap();
		}
	}

	impl Drop for Oracle {
		fn drop(&mut self) {
			let _ = self.process.kill();
			let _ = self.process.wait();
		}
	}

	/// One-second figures, numbered from zero, from yesterday on.
	fn reading(device: &Device, first_second: u64, number: u64) -> (u64, u64, String) {
		let start = first_second + number;
		let import_wh = (number + u64::from(device.index.0)) % 2;
		let interval = (start, 1, import_wh, 1 - import_wh, Quality::Valid);
		(start, import_wh, device.message(start + 1, &[interval]).to_json())
	}

	/// Sends the readings of one batch. Whether they are known to be stored.
	async fn send(client: &reqwest::Client, url: &str, body: String) -> bool {
		let answer = client
			.post(format!("{url}/v1/readings"))
			.header("content-type", "application/x-ndjson")
			.body(body)
			.send()
			.await;
		let Ok(answer) = answer else { return false };
		let Ok(answer) = answer.json::<serde_json::Value>().await else { return false };
		let rejected = answer["rejected"].as_u64();
		assert_eq!(rejected, Some(0), "every reading is good: {answer}");
		true
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn what_was_acknowledged_survives_kills_and_nothing_is_there_twice() {
		let folder = tempfile::tempdir().unwrap();
		let data = folder.path().join("db");
		let devices: Vec<_> = (0..METERS).map(Device::new).collect();
		{
			let store = open_store(&data).unwrap();
			let meters: Vec<_> = devices.iter().map(Device::registration).collect();
			store.save_meters(ZONE, MeterIndex(0), &meters).unwrap();
			store.save_calendar(ZONE, &calendar()).unwrap();
		}
		let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
		let first_second = (now - 80_000) / 60 * 60;
		let next: Vec<_> = devices.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
		let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
		let client = http_client();

		for _ in 0..KILLS {
			let mut oracle = Oracle::start(&data);
			let before = acknowledged.lock().unwrap().len();
			let load: Vec<_> = devices
				.iter()
				.zip(&next)
				.map(|(device, next)| {
					let (device, next) = (device.clone(), next.clone());
					let (client, url) = (client.clone(), oracle.url.clone());
					let acknowledged = acknowledged.clone();
					tokio::spawn(async move {
						// Begins with the batch whose fate is unknown.
						loop {
							let number = next.load(Ordering::SeqCst);
							let batch: Vec<_> = (number..number + BATCH)
								.map(|number| reading(&device, first_second, number))
								.collect();
							let lines: Vec<_> =
								batch.iter().map(|(.., json)| json.as_str()).collect();
							if !send(&client, &url, lines.join("\n")).await {
								break;
							}
							acknowledged
								.lock()
								.unwrap()
								.extend(batch.iter().map(|(start, ..)| (device.index.0, *start)));
							next.store(number + BATCH, Ordering::SeqCst);
						}
					})
				})
				.collect();
			eventually("enough is acknowledged", || async {
				acknowledged.lock().unwrap().len() >= before + 1_000
			})
			.await;
			oracle.kill();
			for task in load {
				task.await.unwrap();
			}
		}

		// One last round, with a stop as it should be.
		let mut oracle = Oracle::start(&data);
		for (device, next) in devices.iter().zip(&next) {
			let number = next.load(Ordering::SeqCst);
			let batch: Vec<_> = (number..number + BATCH)
				.map(|number| reading(device, first_second, number).2)
				.collect();
			assert!(send(&client, &oracle.url, batch.join("\n")).await);
			next.store(number + BATCH, Ordering::SeqCst);
		}
		let terminated = Command::new("kill")
			.args(["-TERM", &oracle.process.id().to_string()])
			.status()
			.unwrap();
		assert!(terminated.success());
		assert!(oracle.process.wait().unwrap().success(), "it stops with success");

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
		let acknowledged = acknowledged.lock().unwrap();
		assert!(acknowledged.len() >= KILLS * 1_000);
		assert!(acknowledged.iter().all(|key| stored.contains_key(key)), "none is lost");
		for (device, next) in devices.iter().zip(&next) {
			for number in 0..next.load(Ordering::SeqCst) {
				let (start, import_wh, _) = reading(device, first_second, number);
				assert_eq!(stored.remove(&(device.index.0, start)), Some(import_wh));
			}
		}
		assert!(stored.is_empty(), "and nothing else is there");
	}
}
