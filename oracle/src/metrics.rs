//! Counters, and their text for Prometheus.

use std::{
	collections::BTreeMap,
	fmt::Write,
	sync::{
		atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
		Mutex, PoisonError,
	},
	time::Duration,
};

use oracle_port::Verdict;
use serde::Serialize;

/// What the oracle counts. Labels are the rejection codes, of which there is a fixed number.
#[derive(Debug, Default)]
pub struct Metrics {
	accepted: AtomicU64,
	duplicate: AtomicU64,
	rejected: Mutex<BTreeMap<String, u64>>,
	requests_refused: AtomicU64,
	turned_away: AtomicU64,
	failed_commits: AtomicU64,
	last_commit_failed: AtomicBool,
	commits: AtomicU64,
	committed_readings: AtomicU64,
	commit_microseconds: AtomicU64,
	readings_assessed: AtomicU64,
	figures_doubted: AtomicU64,
	pages_sealed: AtomicU64,
	pages_attested: AtomicU64,
	pages_too_late: AtomicU64,
	pages_outvoted: AtomicU64,
	attest_retries: AtomicU64,
	head_number: AtomicU64,
	finalized_number: AtomicU64,
	head_arrived_seconds: AtomicU64,
	connected: AtomicBool,
	registered_meters: AtomicU64,
	gauges: Mutex<Vec<Gauges>>,
}

/// Numbers that are counted elsewhere.
struct Gauges {
	name: &'static str,
	help: &'static str,
	of: String,
	read: Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>,
}

impl std::fmt::Debug for Gauges {
	fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		formatter.debug_struct("Gauges").field("name", &self.name).field("of", &self.of).finish()
	}
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
	/// Messages that were stored.
	pub accepted: u64,
	/// Messages that were stored before.
	pub duplicate: u64,
	/// Messages that were not taken, by code.
	pub rejected: BTreeMap<String, u64>,
	/// Pages put into the outbox.
	pub pages_sealed: u64,
	/// Pages that the chain has.
	pub pages_attested: u64,
	/// Pages that the chain would no longer take.
	pub pages_too_late: u64,
	/// Pages on which the other oracles agreed on something else.
	pub pages_outvoted: u64,
	/// Attempts to attest that will be repeated.
	pub attest_retries: u64,
}

impl Metrics {
	/// Counts what became of the messages of a request.
	pub fn count_verdicts(&self, verdicts: &[Verdict]) {
		let (mut accepted, mut duplicate) = (0, 0);
		for verdict in verdicts {
			match verdict {
				Verdict::Accepted => accepted += 1,
				Verdict::Duplicate => duplicate += 1,
				Verdict::Rejected(rejection) => self.count_rejected(&rejection.code),
			}
		}
		self.accepted.fetch_add(accepted, Relaxed);
		self.duplicate.fetch_add(duplicate, Relaxed);
	}

	fn count_rejected(&self, code: &str) {
		let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
		match rejected.get_mut(code) {
			Some(count) => *count = count.saturating_add(1),
			None => {
				rejected.insert(code.to_owned(), 1);
			}
		}
	}

	/// Counts messages that were turned away because there was too much to do.
	pub fn count_turned_away(&self) {
		self.turned_away.fetch_add(1, Relaxed);
	}

	/// Counts a request that was refused as a whole.
	pub fn count_refused_request(&self) {
		self.requests_refused.fetch_add(1, Relaxed);
	}

	/// Shows numbers that are counted elsewhere, too: a metric with two labels, of whom they are and
	/// what they count. Metrics of one name have the same help.
	pub fn add_gauges(
		&self,
		name: &'static str,
		help: &'static str,
		of: impl Into<String>,
		read: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
	) {
		let gauges = Gauges { name, help, of: of.into(), read: Box::new(read) };
		self.gauges.lock().unwrap_or_else(PoisonError::into_inner).push(gauges);
	}

	/// Counts one synced write.
	pub fn count_commit(&self, readings: usize, took: Duration) {
		self.last_commit_failed.store(false, Relaxed);
		self.commits.fetch_add(1, Relaxed);
		self.committed_readings.fetch_add(readings as u64, Relaxed);
		let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
		self.commit_microseconds.fetch_add(microseconds, Relaxed);
	}

	/// Counts a write that failed.
	pub fn count_failed_commit(&self) {
		self.failed_commits.fetch_add(1, Relaxed);
		self.last_commit_failed.store(true, Relaxed);
	}

	/// Whether the last write failed: the disk is full, or worse.
	pub fn is_storage_failing(&self) -> bool {
		self.last_commit_failed.load(Relaxed)
	}

	/// How many synced writes there were, and how many readings they wrote.
	pub fn commits(&self) -> (u64, u64) {
		(self.commits.load(Relaxed), self.committed_readings.load(Relaxed))
	}

	/// Counts readings that were judged by the rules of validation, and the figures in them about which
	/// something was found.
	pub fn count_assessed(&self, readings: usize, doubted: usize) {
		self.readings_assessed.fetch_add(readings as u64, Relaxed);
		self.figures_doubted.fetch_add(doubted as u64, Relaxed);
	}

	/// Counts pages put into the outbox.
	pub fn count_sealed(&self, pages: usize) {
		self.pages_sealed.fetch_add(pages as u64, Relaxed);
	}

	/// Counts a page that the chain has.
	pub fn count_attested(&self) {
		self.pages_attested.fetch_add(1, Relaxed);
	}

	/// Counts a page that came too late.
	pub fn count_too_late(&self) {
		self.pages_too_late.fetch_add(1, Relaxed);
	}

	/// Counts a page on which the others agreed on something else.
	pub fn count_outvoted(&self) {
		self.pages_outvoted.fetch_add(1, Relaxed);
	}

	/// Counts an attempt that will be repeated.
	pub fn count_retry(&self) {
		self.attest_retries.fetch_add(1, Relaxed);
	}

	/// Notes a new block.
	pub fn note_head(&self, number: u64, finalized: u64, arrived_seconds: u64) {
		self.head_number.store(number, Relaxed);
		self.finalized_number.store(finalized, Relaxed);
		self.head_arrived_seconds.store(arrived_seconds, Relaxed);
		self.connected.store(true, Relaxed);
	}

	/// Notes that the node is away.
	pub fn note_disconnected(&self) {
		self.connected.store(false, Relaxed);
	}

	/// Notes how many meters are registered.
	pub fn note_registered(&self, meters: usize) {
		self.registered_meters.store(meters as u64, Relaxed);
	}

	/// Whether the last question to the node was answered.
	pub fn is_connected(&self) -> bool {
		self.connected.load(Relaxed)
	}

	/// The number of the best block and of the last finalized one.
	pub fn head(&self) -> (u64, u64) {
		(self.head_number.load(Relaxed), self.finalized_number.load(Relaxed))
	}

	/// Seconds since the last block arrived, if any did.
	pub fn seconds_since_head(&self, now_seconds: u64) -> Option<u64> {
		match self.head_arrived_seconds.load(Relaxed) {
			0 => None,
			arrived => Some(now_seconds.saturating_sub(arrived)),
		}
	}

	/// The counters.
	pub fn counts(&self) -> Counts {
		Counts {
			accepted: self.accepted.load(Relaxed),
			duplicate: self.duplicate.load(Relaxed),
			rejected: self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone(),
			pages_sealed: self.pages_sealed.load(Relaxed),
			pages_attested: self.pages_attested.load(Relaxed),
			pages_too_late: self.pages_too_late.load(Relaxed),
			pages_outvoted: self.pages_outvoted.load(Relaxed),
			attest_retries: self.attest_retries.load(Relaxed),
		}
	}

	/// The text that Prometheus reads (exposition format 0.0.4).
	pub fn render(&self, now_seconds: u64, outbox_pages: usize) -> String {
		let counts = self.counts();
		let mut text = String::new();
		let mut metric = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
			let _ = writeln!(text, "# HELP energy_oracle_{name} {help}");
			let _ = writeln!(text, "# TYPE energy_oracle_{name} {kind}");
			for (labels, value) in lines {
				let _ = writeln!(text, "energy_oracle_{name}{labels} {value}");
			}
		};
		let one = |value: u64| vec![(String::new(), value.to_string())];

		let mut readings = vec![
			("{outcome=\"accepted\"}".to_owned(), counts.accepted.to_string()),
			("{outcome=\"duplicate\"}".to_owned(), counts.duplicate.to_string()),
		];
		let rejected: u64 = counts.rejected.values().sum();
		readings.push(("{outcome=\"rejected\"}".to_owned(), rejected.to_string()));
		metric("readings_total", "counter", "Messages by what became of them.", &readings);
		let by_code: Vec<_> = counts
			.rejected
			.iter()
			.map(|(code, count)| (format!("{{code=\"{code}\"}}"), count.to_string()))
			.collect();
		metric("readings_rejected_total", "counter", "Messages not taken, by code.", &by_code);
		metric(
			"requests_refused_total",
			"counter",
			"Requests refused as a whole.",
			&one(self.requests_refused.load(Relaxed)),
		);
		metric(
			"requests_turned_away_total",
			"counter",
			"Requests turned away because there was too much to do.",
			&one(self.turned_away.load(Relaxed)),
		);
		let (commits, committed) = self.commits();
		metric("commits_total", "counter", "Synced writes of readings.", &one(commits));
		metric(
			"failed_commits_total",
			"counter",
			"Writes of readings that failed.",
			&one(self.failed_commits.load(Relaxed)),
		);
		metric("committed_readings_total", "counter", "Readings in them.", &one(committed));
		let microseconds = self.commit_microseconds.load(Relaxed);
		metric(
			"commit_seconds_total",
			"counter",
			"Time spent on them.",
			&[(
				String::new(),
				format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000),
			)],
		);
		metric(
			"readings_assessed_total",
			"counter",
			"Readings judged by the rules of validation.",
			&one(self.readings_assessed.load(Relaxed)),
		);
		metric(
			"figures_doubted_total",
			"counter",
			"Figures about which these rules found something.",
			&one(self.figures_doubted.load(Relaxed)),
		);
		metric("pages_sealed_total", "counter", "Pages sealed.", &one(counts.pages_sealed));
		metric(
			"pages_attested_total",
			"counter",
			"Pages that the chain has.",
			&one(counts.pages_attested),
		);
		metric(
			"pages_too_late_total",
			"counter",
			"Pages that the chain no longer took.",
			&one(counts.pages_too_late),
		);
		metric(
			"pages_outvoted_total",
			"counter",
			"Pages on which the other oracles agreed on something else.",
			&one(counts.pages_outvoted),
		);
		metric(
			"attest_retries_total",
			"counter",
			"Attempts to attest that were repeated.",
			&one(counts.attest_retries),
		);
		metric("outbox_pages", "gauge", "Pages on their way.", &one(outbox_pages as u64));
		metric(
			"registered_meters",
			"gauge",
			"Meters known from the chain.",
			&one(self.registered_meters.load(Relaxed)),
		);
		let mut gauges: BTreeMap<&str, (&str, Vec<(String, String)>)> = BTreeMap::new();
		for one in self.gauges.lock().unwrap_or_else(PoisonError::into_inner).iter() {
			let (_help, lines) = gauges.entry(one.name).or_insert((one.help, Vec::new()));
			lines.extend((one.read)().into_iter().map(|(what, value)| {
				(format!("{{of=\"{}\",what=\"{what}\"}}", one.of), value.to_string())
			}));
		}
		for (name, (help, lines)) in gauges {
			metric(name, "gauge", help, &lines);
		}
		let (best, finalized) = self.head();
		metric("best_block", "gauge", "Number of the best block.", &one(best));
		metric("finalized_block", "gauge", "Number of the finalized block.", &one(finalized));
		metric(
			"node_connected",
			"gauge",
			"Whether the node answers.",
			&one(self.is_connected().into()),
		);
		if let Some(seconds) = self.seconds_since_head(now_seconds) {
			metric(
				"seconds_since_last_block",
				"gauge",
				"Seconds since a block arrived.",
				&one(seconds),
			);
		}
		text
	}
}
