//! The pipeline by itself: from bodies in memory to synced writes, without a network.

use std::{
	path::Path,
	sync::Arc,
	time::{Duration, Instant},
};

use anyhow::{ensure, Context, Result};
use bytes::Bytes;
use energy_oracle::{
	clock::Clock,
	ingest::{
		body::Format,
		writer::{Coverage, Writer},
		Ingest, IngestLimits, Messages, Sender,
	},
	metrics::Metrics,
	registry::{Registry, RegistryCell},
	store::{
		keys,
		rocks::{RocksStore, StoreLimits},
		Store,
	},
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
	corpus::{Corpus, SLOT_SECONDS, ZONE},
	usage::cpu_seconds,
};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
	/// Messages in a body.
	pub batch: usize,
	/// Bodies on their way at once.
	pub in_flight: usize,
	/// Whether signatures are verified.
	pub verifies_signatures: bool,
	/// Threads that check.
	pub threads: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
	/// Messages that were stored.
	pub messages: usize,
	/// Whether signatures were verified.
	pub verifies_signatures: bool,
	/// Threads that checked.
	pub threads: usize,
	/// Time that passed, seconds.
	pub seconds: f64,
	/// Time of processors, of all threads together, seconds.
	pub cpu_seconds: f64,
	/// Messages per second of time.
	pub per_second: f64,
	/// Messages per second of processor time.
	pub per_second_and_core: f64,
	/// Synced writes.
	pub commits: u64,
	/// Mean readings in one.
	pub readings_per_commit: f64,
}

struct FixedClock(u64);

impl Clock for FixedClock {
	fn now_seconds(&self) -> u64 {
		self.0
	}
}

/// Stores a corpus in a new folder.
///
/// # Errors
/// When something is not stored.
pub async fn run(corpus: &Corpus, folder: &Path, plan: Plan) -> Result<Figures> {
	let kek = keys::key_file(&folder.join("kek"))?;
	let store: Arc<dyn Store> = Arc::new(RocksStore::open(
		&folder.join("db"),
		Box::new(kek),
		corpus.now_seconds,
		StoreLimits::default(),
	)?);
	let mut registry = Registry::default();
	registry.set_calendar(ZONE, energy_primitives::SlotCalendar::uniform(SLOT_SECONDS));
	for (id, meter) in &corpus.meters {
		registry.insert(*id, meter);
	}
	let cell = Arc::new(RegistryCell::default());
	cell.store(registry, 0);
	let metrics = Arc::new(Metrics::default());
	let limits = IngestLimits {
		verifies_signatures: plan.verifies_signatures,
		parallel: plan.threads,
		..IngestLimits::default()
	};
	let (commands, inbox) = mpsc::channel(limits.queue_length);
	let writer = Writer::new(store.clone(), metrics.clone(), Arc::new(Coverage::default()));
	let writing = std::thread::spawn(move || writer.run(inbox));
	let clock = Arc::new(FixedClock(corpus.now_seconds));
	let ingest = Ingest::start(cell, clock, metrics.clone(), store, limits, commands)?;

	let bodies: Vec<Bytes> = corpus.bodies(plan.batch);
	let bodies = Arc::new(bodies);
	let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
	let (started, cpu_before) = (Instant::now(), cpu_seconds());
	let mut senders = Vec::new();
	for _ in 0..plan.in_flight {
		let (bodies, next, ingest) = (bodies.clone(), next.clone(), ingest.clone());
		senders.push(tokio::spawn(async move {
			let mut accepted = 0usize;
			loop {
				let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
				let Some(body) = bodies.get(index) else { return Ok::<_, anyhow::Error>(accepted) };
				let messages = Messages::Body(Format::Json, body.clone());
				let verdicts = ingest
					.submit("bench", Sender::Anyone, messages, Duration::from_secs(60))
					.await?;
				accepted += verdicts
					.iter()
					.filter(|verdict| matches!(verdict, oracle_port::Verdict::Accepted))
					.count();
			}
		}));
	}
	let mut accepted = 0usize;
	for sender in senders {
		accepted += sender.await.context("a sender broke off")??;
	}
	let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
	ensure!(accepted == corpus.messages.len(), "{accepted} of {}", corpus.messages.len());
	drop(ingest);
	writing.join().map_err(|_panic| anyhow::anyhow!("the writer broke off"))?;
	let (commits, readings) = metrics.commits();
	Ok(Figures {
		messages: accepted,
		verifies_signatures: plan.verifies_signatures,
		threads: plan.threads,
		seconds,
		cpu_seconds: cpu,
		per_second: accepted as f64 / seconds,
		per_second_and_core: accepted as f64 / cpu,
		commits,
		readings_per_commit: readings as f64 / commits.max(1) as f64,
	})
}
