//! Writing the audit log, opening it again, segments, days.

use std::{fs, path::Path, sync::Arc};

use oracle_access::{
	audit::{
		digest_of_day, prune, verify, AuditError, AuditLog, Checkpoint, DayDigest, Digest, Entry,
		LogSettings, Opened, Outcome, Record, SyncPolicy, SECONDS_PER_DAY,
	},
	policy::{Circumstances, Policies},
	token::TokenError,
	Action, Kind, Principal, Resource, Role, Scopes,
};
use tempfile::TempDir;

use crate::support::*;

pub const SETTINGS: LogSettings = LogSettings { segment_bytes: 0, sync: SyncPolicy::OnRequest };

pub fn record(number: usize) -> Record {
	Record {
		principal: format!("https://id.example#subject-{number}"),
		action: "read".to_owned(),
		resource: format!("readings/{}", "m".repeat(200)),
		outcome: if number.is_multiple_of(3) { Outcome::Deny } else { Outcome::Allow },
		policies: vec!["prosumer-reads-own".to_owned(); 20],
		consent: None,
		request_id: format!("request-{number}"),
	}
}

pub fn open(folder: &Path, clock: &Arc<TestClock>) -> Opened {
	AuditLog::open(folder, SETTINGS, clock.clone()).unwrap()
}

/// A log with a number of entries.
pub fn log_of(count: usize) -> TempDir {
	let folder = TempDir::new().unwrap();
	let mut log = open(folder.path(), &TestClock::new()).log;
	log.append_all(&(0..count).map(record).collect::<Vec<_>>()).unwrap();
	folder
}

/// The segments in order.
pub fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
	let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
	let mut segments: Vec<_> =
		files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
	segments.sort();
	segments
}

pub fn entries(folder: &Path) -> Vec<Entry> {
	let texts = segments(folder).into_iter().map(|path| fs::read_to_string(path).unwrap());
	let text: String = texts.collect();
	text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn append_writes_one_line_of_json_for_a_decision() {
	let policies = Policies::embedded().unwrap();
	let asker = Principal {
		issuer: "https://id.example".to_owned(),
		subject: "anna".to_owned(),
		token_id: "1".to_owned(),
		expires_at: NOW + 300,
		roles: [Role::Prosumer].into(),
		scopes: Scopes::all(),
		account: Some("5Anna".to_owned()),
		zones: [].into(),
		meter: None,
	};
	let mut own = Resource::new(Kind::Readings, "meter-7");
	own.owner = asker.account.clone();
	let folder = TempDir::new().unwrap();
	let mut log = open(folder.path(), &TestClock::new()).log;
	for (resource, id) in [(&own, "r-1"), (&Resource::new(Kind::Access, "clients"), "r-2")] {
		let decision = policies.decide(&asker, Action::Read, resource, &Circumstances::at(NOW));
		let record = Record::of_decision(asker.id(), Action::Read, resource, &decision, id);
		log.append(&record).unwrap();
	}
	let text = fs::read_to_string(&segments(folder.path())[0]).unwrap();
	let first = text.lines().next().unwrap();
	assert_eq!(
		first,
		"{\"sequence\":0,\"time\":1800000000,\"principal\":\"https://id.example#anna\",\
		 \"action\":\"read\",\"resource\":\"readings/meter-7\",\"outcome\":\"allow\",\
		 \"policies\":[\"prosumer-reads-own\"],\"request_id\":\"r-1\",\"previous\":\
		 \"0000000000000000000000000000000000000000000000000000000000000000\"}"
	);
	let refused = TokenError::Expired.code();
	log.append(&Record::of_refusal(refused, Action::Write, "orders/7", "r-3")).unwrap();
	let third = entries(folder.path()).remove(2);
	assert_eq!((third.principal.as_str(), third.outcome), ("unauthenticated", Outcome::Deny));
	assert_eq!((third.action.as_str(), third.resource.as_str()), ("write", "orders/7"));
	assert_eq!((third.policies, third.request_id), (vec![refused.to_owned()], "r-3".to_owned()));
	let second = &entries(folder.path())[1];
	assert_eq!(second.outcome, Outcome::Deny);
	assert_eq!(second.previous, Digest::of(first.as_bytes()));
	assert!(second.policies.is_empty());
}

#[test]
fn log_continues_where_it_ended_when_opened_again() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	for number in 0..5 {
		let Opened { mut log, repaired_bytes } = open(folder.path(), &clock);
		assert_eq!(repaired_bytes, 0);
		assert_eq!(log.end().next, number as u64 * 2);
		let receipt = log.append(&record(number)).unwrap();
		assert_eq!((receipt.sequence, receipt.time), (number as u64 * 2, NOW));
		log.append(&record(number)).unwrap();
		log.sync().unwrap();
	}
	let verified = verify(folder.path(), &Checkpoint::GENESIS).unwrap();
	assert_eq!((verified.end.next, verified.torn_bytes), (10, 0));
	assert_eq!(open(folder.path(), &clock).log.end(), verified.end);
}

#[test]
fn log_is_one_process_s_at_a_time() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	let first = open(folder.path(), &clock);
	let second = AuditLog::open(folder.path(), SETTINGS, clock.clone());
	assert!(matches!(second.err(), Some(AuditError::Locked)));
	drop(first);
	assert!(AuditLog::open(folder.path(), SETTINGS, clock).is_ok());
}

#[test]
fn segments_are_bounded_and_the_chain_goes_through_them() {
	let folder = log_of(400);
	let segments = segments(folder.path());
	assert!(segments.len() >= 4, "{segments:?}");
	for segment in &segments {
		assert!(fs::metadata(segment).unwrap().len() <= 64 * 1024);
	}
	let verified = verify(folder.path(), &Checkpoint::GENESIS).unwrap();
	assert_eq!((verified.end.next, verified.segments), (400, segments.len()));
	let numbers: Vec<_> = entries(folder.path()).iter().map(|entry| entry.sequence).collect();
	assert_eq!(numbers, (0..400).collect::<Vec<_>>());
}

#[test]
fn appending_one_by_one_and_all_at_once_gives_the_same_bytes() {
	let clock = TestClock::new();
	let (one, all) = (TempDir::new().unwrap(), log_of(150));
	let settings = LogSettings { sync: SyncPolicy::EveryAppend, ..SETTINGS };
	let mut log = AuditLog::open(one.path(), settings, clock).unwrap().log;
	for number in 0..150 {
		log.append(&record(number)).unwrap();
	}
	let bytes = |folder: &Path| -> Vec<_> {
		segments(folder).into_iter().map(|path| fs::read(path).unwrap()).collect()
	};
	assert_eq!(bytes(one.path()), bytes(all.path()));
	assert!(bytes(one.path()).len() > 1);
}

#[test]
fn time_does_not_go_back_when_the_clock_does() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	let mut log = open(folder.path(), &clock).log;
	log.append(&record(0)).unwrap();
	clock.set(NOW - 100);
	assert_eq!(log.append(&record(1)).unwrap().time, NOW);
	drop(log);
	let mut log = open(folder.path(), &clock).log;
	assert_eq!(log.append(&record(2)).unwrap().time, NOW);
	assert!(verify(folder.path(), &Checkpoint::GENESIS).is_ok());
}

#[test]
fn overlong_text_is_written_as_its_hash() {
	let folder = TempDir::new().unwrap();
	let mut log = open(folder.path(), &TestClock::new()).log;
	let long = "x".repeat(1_000_000);
	let record = Record {
		principal: long.clone(),
		request_id: "y".repeat(256),
		consent: Some(long.clone()),
		..record(0)
	};
	log.append(&record).unwrap();
	let entry = &entries(folder.path())[0];
	let hash = format!("sha256:{}", Digest::of(long.as_bytes()));
	assert_eq!((entry.principal.as_str(), entry.consent.as_ref()), (&*hash, Some(&hash)));
	assert_eq!(entry.request_id, "y".repeat(256));
}

#[test]
fn entry_that_is_too_long_is_refused_and_the_log_goes_on() {
	let folder = TempDir::new().unwrap();
	let mut log = open(folder.path(), &TestClock::new()).log;
	let long = Record { policies: vec!["x".repeat(200); 200], ..record(0) };
	match log.append(&long) {
		Err(AuditError::EntryTooLong { length, limit }) => assert!(length > limit),
		other => panic!("{other:?}"),
	}
	assert_eq!(log.append(&record(0)).unwrap().sequence, 0);
	assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().end.next, 1);
}

#[test]
fn append_fails_when_the_next_segment_cannot_be_made_and_goes_on_when_it_can() {
	let folder = TempDir::new().unwrap();
	let mut log = open(folder.path(), &TestClock::new()).log;
	// Find out where the next segment begins, in another log of the same entries.
	let other = log_of(400);
	let next = segments(other.path())[1].file_name().unwrap().to_owned();
	fs::create_dir(folder.path().join(&next)).unwrap();
	let mut number = 0;
	let error = loop {
		match log.append(&record(number)) {
			Ok(_) => number += 1,
			Err(error) => break error,
		}
	};
	assert!(matches!(error, AuditError::Io(_)), "{error}");
	assert_eq!(log.end().next as usize, number);
	fs::remove_dir(folder.path().join(&next)).unwrap();
	log.append(&record(number)).unwrap();
	let verified = verify(folder.path(), &Checkpoint::GENESIS).unwrap();
	assert_eq!((verified.end.next as usize, verified.segments), (number + 1, 2));
}

#[test]
fn empty_log_is_whole_and_an_empty_last_segment_is_continued() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	drop(open(folder.path(), &clock));
	assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().end, Checkpoint::GENESIS);
	// The machine stopped after a segment was begun and before it had an entry.
	let folder = log_of(3);
	fs::write(folder.path().join("audit-00000000000000000003.jsonl"), "").unwrap();
	let mut log = open(folder.path(), &clock).log;
	assert_eq!(log.append(&record(3)).unwrap().sequence, 3);
	assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().end.next, 4);
}

#[test]
fn prune_removes_whole_segments_and_the_rest_verifies_from_where_it_begins() {
	let folder = log_of(400);
	let before = segments(folder.path());
	let end = verify(folder.path(), &Checkpoint::GENESIS).unwrap().end;
	let first_of = |path: &Path| -> u64 {
		let name = path.file_stem().unwrap().to_str().unwrap();
		name.trim_start_matches("audit-").parse().unwrap()
	};
	// Nothing ends before the first entry of the second segment but one.
	let second = first_of(&before[1]);
	assert_eq!(
		prune(folder.path(), &Checkpoint::GENESIS, second - 1).unwrap(),
		Checkpoint::GENESIS
	);
	assert_eq!(segments(folder.path()).len(), before.len());
	let kept = prune(folder.path(), &Checkpoint::GENESIS, second + 1).unwrap();
	assert_eq!(kept.next, second);
	assert_eq!(segments(folder.path()), before[1..]);
	assert_eq!(verify(folder.path(), &kept).unwrap().end, end);
	// From the beginning it is not whole any more, and from a wrong place neither.
	assert!(verify(folder.path(), &Checkpoint::GENESIS).is_err());
	let forged = Checkpoint { head: Digest([7; 32]), ..kept };
	assert!(verify(folder.path(), &forged).is_err());
	// More than there is.
	assert!(matches!(prune(folder.path(), &kept, 401), Err(AuditError::NoSuchEntry(401))));
	// The last entry stays, even if a segment without any follows it.
	fs::write(folder.path().join(format!("audit-{:020}.jsonl", 400)), "").unwrap();
	let kept = prune(folder.path(), &kept, 400).unwrap();
	assert_eq!(segments(folder.path()).len(), 2);
	let mut log = open(folder.path(), &TestClock::new()).log;
	assert_eq!(log.append(&record(400)).unwrap().sequence, 400);
	assert_eq!(verify(folder.path(), &kept).unwrap().end.next, 401);
}

#[test]
fn open_refuses_a_log_whose_last_entry_is_gone() {
	let folder = log_of(3);
	fs::rename(&segments(folder.path())[0], folder.path().join("archived")).unwrap();
	fs::write(folder.path().join("audit-00000000000000000003.jsonl"), "").unwrap();
	let opened = AuditLog::open(folder.path(), SETTINGS, TestClock::new());
	assert!(matches!(opened.err(), Some(AuditError::NoSuchEntry(2))));
}

#[test]
fn digest_of_day_has_the_entries_of_the_day_and_changes_with_any_of_them() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	let mut log = open(folder.path(), &clock).log;
	let day = NOW / SECONDS_PER_DAY;
	for (time, count) in [
		(day * SECONDS_PER_DAY, 2),
		((day + 1) * SECONDS_PER_DAY - 1, 1),
		((day + 1) * SECONDS_PER_DAY, 3),
		((day + 3) * SECONDS_PER_DAY, 200),
	] {
		clock.set(time);
		log.append_all(&(0..count).map(record).collect::<Vec<_>>()).unwrap();
	}
	let digest = |day| digest_of_day(folder.path(), &Checkpoint::GENESIS, day).unwrap();
	let first = digest(day).unwrap();
	assert_eq!((first.day, first.first, first.last), (day, 0, 2));
	let second = digest(day + 1).unwrap();
	assert_eq!((second.first, second.last, second.before), (3, 5, first.head));
	assert_eq!(digest(day + 2), None);
	let last = digest(day + 3).unwrap();
	assert_eq!((last.first, last.last, last.before), (6, 205, second.head));
	assert_eq!(last.head, log.end().head);
	// One entry more is another digest, of that day only.
	log.append(&record(0)).unwrap();
	assert_ne!(digest(day + 3).unwrap().digest(), last.digest());
	assert_eq!(digest(day + 1).unwrap().digest(), second.digest());
}

#[test]
fn digest_is_of_all_that_a_day_has() {
	let day = DayDigest {
		day: 20_833,
		first: 1,
		last: 2,
		before: Digest([3; 32]),
		head: Digest([4; 32]),
	};
	let mut bytes = b"energy-oracle/audit-day/1".to_vec();
	bytes.extend([0, 0, 0, 0, 0, 0, 0x51, 0x61, 0, 0, 0, 0, 0, 0, 0, 1]);
	bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]);
	bytes.extend([3; 32]);
	bytes.extend([4; 32]);
	assert_eq!(day.digest(), Digest::of(&bytes));
	for other in [
		DayDigest { day: 20_834, ..day },
		DayDigest { first: 2, ..day },
		DayDigest { last: 3, ..day },
		DayDigest { before: Digest([5; 32]), ..day },
		DayDigest { head: Digest([5; 32]), ..day },
	] {
		assert_ne!(other.digest(), day.digest());
	}
}
