//! The audit log on the chain, day by day.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	fs,
	path::Path,
	sync::{Arc, Mutex},
};

use codec::Encode;
use energy_oracle::{
	anchor::{
		verify::{verify, AuditReport, DayState, VerifyError},
		Anchor, AnchorError, ANCHORS_FILE, MAX_DAYS_AT_ONCE, REMARK_BYTES, START_FILE, TAG,
	},
	chain::{AttestError, ChainError, FinalizedBlocks, Inclusion},
	clock::Clock,
};
use oracle_access::{
	audit::{self, AuditLog, Checkpoint, LogSettings, Record, SECONDS_PER_DAY},
	Action,
};
use support::*;

const FIRST_DAY: u64 = 20_000;

/// The clock of the log.
struct LogClock(TestClock);

impl oracle_access::Clock for LogClock {
	fn now_seconds(&self) -> u64 {
		self.0.now_seconds()
	}
}

struct World {
	folder: tempfile::TempDir,
	clock: TestClock,
	chain: FakeChain,
	log: Mutex<AuditLog>,
}

impl World {
	fn new() -> Self {
		let folder = tempfile::tempdir().unwrap();
		let clock = TestClock::default();
		let settings = LogSettings { segment_bytes: 0, ..LogSettings::default() };
		let log_clock = Arc::new(LogClock(clock.clone()));
		let log = AuditLog::open(folder.path(), settings, log_clock).unwrap().log;
		Self { folder, clock, chain: FakeChain::new(0, &[]), log: Mutex::new(log) }
	}

	/// Writes some entries on a day.
	fn write(&self, day: u64, entries: usize) {
		self.clock.set(day * SECONDS_PER_DAY + 3_600);
		let record = Record::of_refusal("token-missing", Action::Read, "slots/1", "1");
		self.log.lock().unwrap().append_all(&vec![record; entries]).unwrap();
	}

	fn anchor(&self) -> Anchor<FakeChain> {
		Anchor {
			chain: Arc::new(self.chain.clone()),
			clock: Arc::new(self.clock.clone()),
			folder: self.folder.path().to_owned(),
		}
	}

	async fn catch_up(&self, until: u64) -> Result<usize, AnchorError> {
		self.anchor().catch_up(until).await
	}

	async fn report(&self) -> Result<AuditReport, VerifyError> {
		verify(self.folder.path(), Some(&self.chain_as_read())).await
	}

	/// The blocks with the remarks as a node shows them.
	fn chain_as_read(&self) -> Blocks {
		Blocks { remarks: self.chain.remarks(), is_away: false }
	}

	fn anchors(&self) -> String {
		fs::read_to_string(self.folder.path().join(ANCHORS_FILE)).unwrap_or_default()
	}
}

/// Finalized blocks with one remark each.
struct Blocks {
	remarks: Vec<Vec<u8>>,
	is_away: bool,
}

impl FinalizedBlocks for Blocks {
	async fn extrinsic(&self, at: &Inclusion) -> Result<Option<Vec<u8>>, ChainError> {
		if self.is_away {
			return Err(ChainError::Unreachable("away".into()));
		}
		let remark = self.remarks.get(at.block_number as usize);
		Ok(remark.map(|remark| [b"signature and call".to_vec(), remark.encode()].concat()))
	}
}

fn states(report: &AuditReport) -> Vec<DayState> {
	report.days.iter().map(|day| day.state).collect()
}

#[tokio::test]
async fn each_day_that_is_over_is_on_the_chain_once() {
	let world = World::new();
	world.write(FIRST_DAY, 3);
	assert_eq!(world.catch_up(FIRST_DAY).await.unwrap(), 0, "the day is not over");
	assert_eq!(world.catch_up(FIRST_DAY + 1).await.unwrap(), 1);
	assert_eq!(world.catch_up(FIRST_DAY + 1).await.unwrap(), 0, "once");
	// A day without entries has none; two that were missed are made up for, the oldest first.
	world.write(FIRST_DAY + 2, 1);
	world.write(FIRST_DAY + 3, 2);
	world.write(FIRST_DAY + 4, 1);
	assert_eq!(world.catch_up(FIRST_DAY + 4).await.unwrap(), 2);

	let remarks = world.chain.remarks();
	let mut expected = Vec::new();
	for (day, last) in [(FIRST_DAY, 2u64), (FIRST_DAY + 2, 3), (FIRST_DAY + 3, 5)] {
		let found = audit::digest_of_day(world.folder.path(), &Checkpoint::GENESIS, day).unwrap();
		let found = found.unwrap();
		assert_eq!(found.last, last);
		let parts = [&TAG[..], &day.to_be_bytes(), &last.to_be_bytes(), &found.digest().0];
		expected.push(parts.concat());
	}
	assert_eq!(remarks, expected);
	assert!(remarks.iter().all(|remark| remark.len() == REMARK_BYTES));

	let report = world.report().await.unwrap();
	assert!(report.is_good);
	assert_eq!(report.entries, 7);
	let on_chain = DayState::OnChain;
	assert_eq!(states(&report), [on_chain, on_chain, on_chain, DayState::NotAnchored]);
	assert_eq!(report.days[0].date, "2024-10-04");
	let offline = verify(world.folder.path(), None::<&Blocks>).await.unwrap();
	assert!(offline.is_good);
	assert_eq!(states(&offline)[..2], [DayState::NotAsked, DayState::NotAsked]);
}

#[tokio::test]
async fn a_chain_that_is_away_costs_nothing_but_time() {
	let world = World::new();
	world.write(FIRST_DAY, 1);
	world.write(FIRST_DAY + 1, 1);
	world.chain.set_away(true);
	let error = world.catch_up(FIRST_DAY + 2).await.unwrap_err();
	assert!(matches!(error, AnchorError::Chain(AttestError::Unknown(_))), "{error}");
	assert_eq!(world.anchors(), "");
	// The first remark gets there, its answer is lost: it is there twice afterwards.
	world.chain.set_away(false);
	world.chain.inject([Fault::AnswerLost]);
	assert!(world.catch_up(FIRST_DAY + 2).await.is_err());
	assert_eq!(world.catch_up(FIRST_DAY + 2).await.unwrap(), 2);
	let remarks = world.chain.remarks();
	assert_eq!((remarks.len(), &remarks[0]), (3, &remarks[1]));
	assert!(world.report().await.unwrap().is_good);
}

#[tokio::test]
async fn the_task_anchors_what_is_over_when_it_starts() {
	let world = World::new();
	world.write(FIRST_DAY, 1);
	world.clock.set((FIRST_DAY + 1) * SECONDS_PER_DAY + 60);
	let anchor = world.anchor();
	let run = tokio::spawn(async move { anchor.run().await });
	eventually("the day is anchored", || async { !world.anchors().is_empty() }).await;
	run.abort();
	assert_eq!(world.chain.remarks().len(), 1);
	assert_eq!(world.chain.remarks()[0][16..24], FIRST_DAY.to_be_bytes());
}

#[tokio::test]
async fn no_more_than_a_month_is_made_up_for() {
	let world = World::new();
	let days = MAX_DAYS_AT_ONCE as u64 + 4;
	for day in FIRST_DAY..FIRST_DAY + days {
		world.write(day, 1);
	}
	assert_eq!(world.catch_up(FIRST_DAY + days).await.unwrap(), MAX_DAYS_AT_ONCE);
	let report = world.report().await.unwrap();
	assert!(report.is_good);
	assert_eq!(
		states(&report)[..5],
		[[DayState::NotAnchored; 4].as_slice(), &[DayState::OnChain]].concat()
	);
	assert_eq!(world.catch_up(FIRST_DAY + days).await.unwrap(), 0);
}

/// Writes the whole log anew with other entries, a chain of hashes in itself.
fn write_anew(folder: &Path, days: &[(u64, usize)]) {
	for file in fs::read_dir(folder).unwrap() {
		let path = file.unwrap().path();
		if path.file_name().unwrap().to_str().unwrap().starts_with("audit-") {
			fs::remove_file(path).unwrap();
		}
	}
	let clock = TestClock::default();
	let log_clock = Arc::new(LogClock(clock.clone()));
	let mut log = AuditLog::open(folder, LogSettings::default(), log_clock).unwrap().log;
	for (day, entries) in days {
		clock.set(day * SECONDS_PER_DAY);
		let record = Record::of_refusal("token-expired", Action::Read, "slots/1", "1");
		log.append_all(&vec![record; *entries]).unwrap();
	}
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found_out() {
	let world = World::new();
	world.write(FIRST_DAY, 2);
	world.write(FIRST_DAY + 1, 2);
	world.catch_up(FIRST_DAY + 2).await.unwrap();
	let World { folder, chain, log, .. } = world;
	drop(log);
	let blocks = Blocks { remarks: chain.remarks(), is_away: false };

	write_anew(folder.path(), &[(FIRST_DAY, 2), (FIRST_DAY + 1, 2)]);
	let report = verify(folder.path(), Some(&blocks)).await.unwrap();
	assert_eq!(states(&report), [DayState::Changed; 2]);
	assert!(!report.is_good);
	write_anew(folder.path(), &[(FIRST_DAY + 1, 4)]);
	let report = verify(folder.path(), None::<&Blocks>).await.unwrap();
	assert_eq!(states(&report), [DayState::Missing, DayState::Changed]);
	assert!(!report.is_good);

	// Who writes the file of anchored days anew as well is found out by the chain.
	write_anew(folder.path(), &[(FIRST_DAY, 2)]);
	let path = folder.path().join(ANCHORS_FILE);
	let first: serde_json::Value =
		serde_json::from_str(fs::read_to_string(&path).unwrap().lines().next().unwrap()).unwrap();
	let forged = audit::digest_of_day(folder.path(), &Checkpoint::GENESIS, FIRST_DAY).unwrap();
	let mut line = first;
	line["digest"] = forged.unwrap().digest().to_string().into();
	fs::write(&path, format!("{line}\n")).unwrap();
	let offline = verify(folder.path(), None::<&Blocks>).await.unwrap();
	assert_eq!(states(&offline), [DayState::NotAsked]);
	let report = verify(folder.path(), Some(&blocks)).await.unwrap();
	assert_eq!(states(&report), [DayState::NotOnChain]);
	assert!(!report.is_good);
	let away = Blocks { is_away: true, ..blocks };
	let error = verify(folder.path(), Some(&away)).await.unwrap_err();
	assert!(matches!(error, VerifyError::Chain(ChainError::Unreachable(_))), "{error}");
}

#[tokio::test]
async fn damage_is_told_and_a_line_that_was_cut_off_is_not_damage() {
	let world = World::new();
	world.write(FIRST_DAY, 1);
	world.write(FIRST_DAY + 1, 1);
	world.catch_up(FIRST_DAY + 2).await.unwrap();
	let (path, whole) = (world.folder.path().join(ANCHORS_FILE), world.anchors());
	// The last line was being written: its day is anchored once more.
	fs::write(&path, &whole[..whole.len() - 10]).unwrap();
	assert_eq!(world.catch_up(FIRST_DAY + 2).await.unwrap(), 1);
	assert_eq!(world.anchors().lines().count(), 2);
	assert!(world.report().await.unwrap().is_good);

	for (text, line) in [
		("nonsense\n".to_owned(), 1),
		(format!("{whole}{whole}"), 3),
		(whole.replacen("blockHash", "block", 1), 1),
	] {
		fs::write(&path, text).unwrap();
		let error = world.catch_up(FIRST_DAY + 2).await.unwrap_err();
		let is_line = matches!(error, AnchorError::Malformed { line: found, .. } if found == line);
		assert!(is_line, "{error}");
		assert!(matches!(world.report().await, Err(VerifyError::Log(_))));
	}
	fs::write(&path, whole).unwrap();
	let segment = world.folder.path().join(format!("audit-{:020}.jsonl", 0));
	let text = fs::read_to_string(&segment).unwrap();
	fs::write(&segment, text.replacen("deny", "allow", 1)).unwrap();
	let error = world.catch_up(FIRST_DAY + 3).await.unwrap_err();
	assert!(matches!(error, AnchorError::Audit(_)), "{error}");
}

#[tokio::test]
async fn a_log_whose_beginning_was_archived_is_checked_from_there_on() {
	let world = World::new();
	// Several segments of 64 KiB each.
	for day in FIRST_DAY..FIRST_DAY + 4 {
		world.write(day, 400);
	}
	world.catch_up(FIRST_DAY + 4).await.unwrap();
	let start = audit::prune(world.folder.path(), &Checkpoint::GENESIS, 700).unwrap();
	assert!(start.next > 0 && start.next <= 700, "{start:?}");
	assert!(world.report().await.is_err(), "its beginning is missing");
	let text = serde_json::to_string(&start).unwrap();
	fs::write(world.folder.path().join(START_FILE), text).unwrap();
	let report = world.report().await.unwrap();
	assert!(report.is_good, "{report:?}");
	assert_eq!(report.days.last().unwrap().state, DayState::OnChain);
	world.write(FIRST_DAY + 4, 1);
	assert_eq!(world.catch_up(FIRST_DAY + 5).await.unwrap(), 1);
	assert!(world.report().await.unwrap().is_good);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a node for development, its address in ENERGY_NODE_URL"]
async fn a_node_takes_the_remark_and_shows_it_again() {
	use energy_oracle::{
		chain::node::{Account, NodeBlocks, NodeClient},
		key::development_account,
	};
	let url = std::env::var("ENERGY_NODE_URL").unwrap();
	let world = World::new();
	world.write(FIRST_DAY, 3);
	world.write(FIRST_DAY + 1, 1);
	let account = Account::new(development_account("//Eve").unwrap());
	let anchor = Anchor {
		chain: Arc::new(NodeClient::new(url.clone(), account)),
		clock: Arc::new(world.clock.clone()),
		folder: world.folder.path().to_owned(),
	};
	assert_eq!(anchor.catch_up(FIRST_DAY + 2).await.unwrap(), 2);
	let blocks = NodeBlocks::connect(&url).await.unwrap();
	let report = verify(world.folder.path(), Some(&blocks)).await.unwrap();
	assert_eq!(states(&report), [DayState::OnChain; 2], "{report:?}");

	// The same block, another place in it; another block.
	let path = world.folder.path().join(ANCHORS_FILE);
	let text = world.anchors();
	let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
	for (name, value) in [
		("extrinsicIndex", 0.into()),
		("extrinsicIndex", 100.into()),
		("blockNumber", 0.into()),
		("blockNumber", u32::MAX.into()),
		("blockHash", format!("0x{}", "11".repeat(32)).into()),
	] {
		let mut other = first.clone();
		other[name] = value;
		fs::write(&path, format!("{other}\n")).unwrap();
		let report = verify(world.folder.path(), Some(&blocks)).await.unwrap();
		assert_eq!(report.days[0].state, DayState::NotOnChain, "{other}");
	}
}
