//! The oracle is killed, again and again, while it is under load; then its store is compared with what it
//! had acknowledged.

use std::{
	collections::{HashMap, VecDeque},
	io::{BufRead, BufReader},
	path::Path,
	process::{Child, Command, Stdio},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex,
	},
	time::{Duration, Instant},
};

use anyhow::{ensure, Context, Result};
use bytes::Bytes;
use energy_oracle::store::{
	keys, readings,
	rocks::{RocksStore, StoreLimits},
	Store,
};
use energy_primitives::{MeterIndex, SlotCalendar};
use serde::{Deserialize, Serialize};

use crate::corpus::{Corpus, SLOT_SECONDS, ZONE};

/// Messages in a request.
const BATCH: usize = 100;
/// Requests on their way at once.
const SENDERS: usize = 8;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
	/// How often the process was killed.
	pub kill9_runs: usize,
	/// Messages that were acknowledged as stored, by all processes together.
	pub acknowledged: usize,
	/// Messages that were acknowledged and are not there.
	pub acked_lost: usize,
	/// Figures of a meter that are there more than once, or overlap.
	pub doubled: usize,
	/// Messages that are there though no answer said so: the process died in between.
	pub stored_without_answer: usize,
	/// Messages that a process had stored, and a later one was sent again.
	pub sent_again_and_recognised: usize,
	/// The time from the start of a process to its first answer, seconds: longest of all.
	pub longest_recovery_seconds: f64,
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
	Unsent,
	/// It was on its way when the process died.
	Unknown,
	Acknowledged,
}

#[derive(Debug, Deserialize)]
struct Answer {
	accepted: usize,
	duplicate: usize,
	rejected: usize,
}

/// A running oracle; killed when it is dropped.
struct Oracle {
	process: Child,
	url: String,
}

impl Oracle {
	fn start(data: &Path) -> Result<Self> {
		let here = std::env::current_exe()?;
		let program = here.with_file_name("energy-oracle");
		let mut process = Command::new(&program)
			.args(["run", "--zone", &ZONE.0.to_string(), "--dev-key", "//Oracle"])
			// Nobody listens there: messages are taken with the saved registry.
			.args(["--node", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0", "--data"])
			.arg(data)
			.env("RUST_LOG", "error")
			.stdout(Stdio::piped())
			.spawn()
			.with_context(|| format!("cannot start {}", program.display()))?;
		let mut line = String::new();
		let stdout = process.stdout.take().context("it has no output")?;
		BufReader::new(stdout).read_line(&mut line)?;
		let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
		Ok(Self { process, url: url.with_context(|| format!("it says {line:?}"))? })
	}

	fn kill(&mut self) -> Result<()> {
		self.process.kill()?;
		self.process.wait()?;
		Ok(())
	}
}

impl Drop for Oracle {
	fn drop(&mut self) {
		// An error means that it is gone already.
		let _ = self.process.kill();
		let _ = self.process.wait();
	}
}

fn open(data: &Path) -> Result<RocksStore> {
	let kek = keys::key_file(&data.with_extension("key"))?;
	Ok(RocksStore::open(data, Box::new(kek), 0, StoreLimits::default())?)
}

/// Kills an oracle `runs` times. Messages are those of the corpus, each sent until it is acknowledged.
///
/// # Errors
/// When the oracle does not start, or rejects a message.
pub async fn run(corpus: &Corpus, folder: &Path, runs: usize) -> Result<Figures> {
	let data = folder.join("db");
	{
		let store = open(&data)?;
		store.save_meters(ZONE, MeterIndex(0), &corpus.meters)?;
		store.save_calendar(ZONE, &SlotCalendar::uniform(SLOT_SECONDS))?;
	}
	let bodies: Arc<Vec<Bytes>> = Arc::new(corpus.bodies(BATCH));
	let fates = Arc::new(Mutex::new(vec![Fate::Unsent; bodies.len()]));
	let recognised = Arc::new(AtomicUsize::new(0));
	let mut figures = Figures::default();
	let client = energy_oracle::https::builder(None)?.build()?;
	for run in 0..runs {
		let started = Instant::now();
		let mut oracle = Oracle::start(&data)?;
		let answers = Arc::new(AtomicUsize::new(0));
		// First what the last process left open, then what is new.
		let queue = Arc::new(Mutex::new({
			let fates = lock(&fates);
			let of = |wanted: Fate| {
				let places = fates.iter().enumerate();
				places.filter(move |(_, fate)| **fate == wanted).map(|(index, _)| index)
			};
			of(Fate::Unknown).chain(of(Fate::Unsent)).collect::<VecDeque<usize>>()
		}));
		let senders: Vec<_> = (0..SENDERS)
			.map(|_| {
				let url = format!("{}/v1/readings", oracle.url);
				let (bodies, fates, client) = (bodies.clone(), fates.clone(), client.clone());
				let (answers, recognised) = (answers.clone(), recognised.clone());
				tokio::spawn(send(url, bodies, queue.clone(), fates, client, answers, recognised))
			})
			.collect();
		while answers.load(Ordering::SeqCst) == 0 {
			ensure!(started.elapsed() < Duration::from_secs(60), "run {run}: no answer");
			tokio::time::sleep(Duration::from_millis(1)).await;
		}
		let recovery = started.elapsed().as_secs_f64();
		figures.longest_recovery_seconds = figures.longest_recovery_seconds.max(recovery);
		// Somewhere between two commits, in one, or after many: another moment in each run.
		let moment = (run as u64).wrapping_mul(7_919) % 250;
		tokio::time::sleep(Duration::from_millis(moment)).await;
		oracle.kill()?;
		for sender in senders {
			sender.await??;
		}
		figures.kill9_runs += 1;
		let left = lock(&fates).iter().filter(|fate| **fate != Fate::Acknowledged).count();
		if run % 10 == 9 {
			eprintln!("killed {} times, {} of {} requests left", run + 1, left, bodies.len());
		}
		ensure!(left > 0, "there are no more messages to send: make the corpus larger");
	}

	let store = open(&data)?;
	let fates = lock(&fates).clone();
	let acknowledged: usize = fates
		.iter()
		.zip(corpus.messages.chunks(BATCH))
		.filter(|(fate, _)| **fate == Fate::Acknowledged)
		.map(|(_, messages)| messages.len())
		.sum();
	let mut stored: HashMap<(u32, u64), u32> = HashMap::new();
	let mut slot = None;
	while let Some(found) = store.next_slot_with_readings(ZONE, slot)? {
		for reading in readings(&store, ZONE, found, 0..u32::MAX)? {
			for figure in &reading.signed.message.intervals {
				// Each figure fills its slot, so whatever overlaps begins at the same moment.
				*stored.entry((reading.meter.0, figure.start_seconds)).or_default() += 1;
			}
		}
		slot = Some(found);
	}
	figures.doubled = stored.values().filter(|count| **count > 1).count();
	let mut there_of_acknowledged = 0usize;
	for (fate, places) in fates.iter().zip(corpus.places.chunks(BATCH)) {
		for place in places {
			let is_there = stored.contains_key(place);
			match fate {
				Fate::Acknowledged if is_there => there_of_acknowledged += 1,
				Fate::Acknowledged => figures.acked_lost += 1,
				Fate::Unknown if is_there => figures.stored_without_answer += 1,
				Fate::Unknown => {}
				Fate::Unsent => ensure!(!is_there, "something is there that nobody sent"),
			}
		}
	}
	figures.acknowledged = acknowledged;
	figures.sent_again_and_recognised = recognised.load(Ordering::SeqCst);
	ensure!(
		there_of_acknowledged + figures.stored_without_answer == stored.len(),
		"what is stored and what was sent do not add up"
	);
	Ok(figures)
}

fn lock(fates: &Mutex<Vec<Fate>>) -> std::sync::MutexGuard<'_, Vec<Fate>> {
	fates.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Sends bodies whose fate is unknown or that were not sent, until the oracle is gone.
async fn send(
	url: String,
	bodies: Arc<Vec<Bytes>>,
	queue: Arc<Mutex<VecDeque<usize>>>,
	fates: Arc<Mutex<Vec<Fate>>>,
	client: reqwest::Client,
	answers: Arc<AtomicUsize>,
	recognised: Arc<AtomicUsize>,
) -> Result<()> {
	loop {
		let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
		let Some(index) = next else { return Ok(()) };
		let Some(body) = bodies.get(index) else { return Ok(()) };
		let answer = loop {
			let request = client
				.post(&url)
				.header("content-type", "application/json")
				.body(body.clone())
				.send()
				.await;
			match request {
				// Too much at once.
				Ok(answer) if answer.status().as_u16() == 429 => {}
				Ok(answer) if answer.status().is_success() => break answer.json::<Answer>().await,
				Ok(answer) => anyhow::bail!("the oracle answers {}", answer.status()),
				Err(error) => break Err(error),
			}
		};
		let mut fates = lock(&fates);
		match answer {
			Ok(answer) => {
				ensure!(answer.rejected == 0, "every message is good: {answer:?}");
				ensure!(answer.accepted + answer.duplicate > 0, "an empty answer");
				recognised.fetch_add(answer.duplicate, Ordering::SeqCst);
				fates[index] = Fate::Acknowledged;
				answers.fetch_add(1, Ordering::SeqCst);
			}
			// The process died. What it did with the body nobody knows; the next one is asked.
			Err(_gone) => {
				fates[index] = Fate::Unknown;
				return Ok(());
			}
		}
	}
}
