//! What happens to a log that a crash cut off, and to one that somebody changed.

use std::{fs, path::Path};

use oracle_access::audit::{
	digest_of_day, prune, verify, AuditError, AuditLog, Breach, Checkpoint,
};
use tempfile::TempDir;

use crate::{audit::*, support::*};

fn broken(result: Result<impl Sized, AuditError>) -> (u64, Breach) {
	match result.err() {
		Some(AuditError::Broken { sequence, breach, .. }) => (sequence, breach),
		other => panic!("{other:?}"),
	}
}

fn verify_broken(folder: &Path) -> (u64, Breach) {
	broken(verify(folder, &Checkpoint::GENESIS))
}

/// Changes the lines of a segment.
fn change(folder: &Path, segment: usize, change: impl FnOnce(&mut Vec<String>)) {
	let path = &segments(folder)[segment];
	let text = fs::read_to_string(path).unwrap();
	let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
	change(&mut lines);
	fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn append_bytes(path: &Path, bytes: &[u8]) {
	let mut content = fs::read(path).unwrap();
	content.extend(bytes);
	fs::write(path, content).unwrap();
}

#[test]
fn open_removes_a_last_line_that_was_cut_off_at_any_byte() {
	let folder = log_of(4);
	let path = &segments(folder.path())[0];
	let whole = fs::read(path).unwrap();
	let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
	for cut in [last_line + 1, last_line + 2, (last_line + whole.len()) / 2, whole.len() - 1] {
		fs::write(path, &whole[..cut]).unwrap();
		let verified = verify(folder.path(), &Checkpoint::GENESIS).unwrap();
		let torn = (cut - last_line) as u64;
		assert_eq!((verified.end.next, verified.torn_bytes), (3, torn));
		let opened = open(folder.path(), &TestClock::new());
		assert_eq!((opened.repaired_bytes, opened.log.end().next), (torn, 3));
		drop(opened);
		assert_eq!(fs::read(path).unwrap(), whole[..last_line]);
		// The same entry again gives the same bytes: nothing of the torn one is left.
		open(folder.path(), &TestClock::new()).log.append(&record(3)).unwrap();
		assert_eq!(fs::read(path).unwrap(), whole);
	}
}

#[test]
fn open_removes_zeros_that_the_file_system_left_at_the_end() {
	let folder = log_of(2);
	append_bytes(&segments(folder.path())[0], &[0; 4096]);
	assert_eq!(open(folder.path(), &TestClock::new()).repaired_bytes, 4096);
	assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().torn_bytes, 0);
}

#[test]
fn verify_names_the_entry_whose_content_was_changed() {
	for (at, from, to) in [
		(5, "subject-5", "subject-6"),
		(0, "\"time\":1800000000", "\"time\":1700000000"),
		(7, "allow", "deny"),
		(8, "request-8", "request-9"),
		(2, "{", "{ "),
		(4, "readings/", "meters/"),
	] {
		let folder = log_of(10);
		change(folder.path(), 0, |lines| lines[at] = lines[at].replacen(from, to, 1));
		assert_eq!(verify_broken(folder.path()), (at as u64, Breach::Changed), "{from}");
		// A log that is not whole is neither continued nor pruned nor summed up.
		let opened = AuditLog::open(folder.path(), SETTINGS, TestClock::new());
		assert_eq!(broken(opened).0, at as u64);
		assert_eq!(broken(prune(folder.path(), &Checkpoint::GENESIS, 1)).0, at as u64);
		let day = digest_of_day(folder.path(), &Checkpoint::GENESIS, 0);
		assert_eq!(broken(day).0, at as u64);
	}
}

#[test]
fn verify_names_the_place_of_an_entry_that_was_removed_added_or_moved() {
	let case = |edit: fn(&mut Vec<String>)| {
		let folder = log_of(10);
		change(folder.path(), 0, edit);
		verify_broken(folder.path())
	};
	assert_eq!(case(|lines| drop(lines.remove(0))), (0, Breach::Displaced));
	assert_eq!(case(|lines| drop(lines.remove(4))), (4, Breach::Displaced));
	assert_eq!(case(|lines| lines.swap(3, 4)), (3, Breach::Displaced));
	assert_eq!(case(|lines| lines.insert(4, lines[3].clone())), (4, Breach::Displaced));
	assert_eq!(case(|lines| lines.insert(4, String::new())), (4, Breach::NotAnEntry));
	assert_eq!(case(|lines| lines[6] = "{}".to_owned()), (6, Breach::NotAnEntry));
	assert_eq!(
		case(|lines| lines[6] = lines[6].replacen('{', "{\"x\":1,", 1)),
		(6, Breach::NotAnEntry)
	);
	assert_eq!(
		case(|lines| lines[6] = lines[6].replacen('{', "{\"action\":\"write\",", 1)),
		(6, Breach::NotAnEntry)
	);
	// A removed entry whose followers were numbered anew.
	let renumbered = case(|lines| {
		lines.remove(4);
		for (number, line) in lines.iter_mut().enumerate().skip(4) {
			let (old, new) = (format!("e\":{},", number + 1), format!("e\":{number},"));
			*line = line.replacen(&old, &new, 1);
		}
	});
	assert_eq!(renumbered, (3, Breach::Changed));
	assert_eq!(case(|lines| lines[6] = "x".repeat(32 * 1024)), (6, Breach::NotAnEntry));
	assert_eq!(case(|lines| lines[6] = "x".repeat(32 * 1024 + 1)), (6, Breach::TooLong));
}

#[test]
fn verify_refuses_a_time_that_goes_back_even_in_a_chain_that_was_made_anew() {
	let folder = TempDir::new().unwrap();
	let clock = TestClock::new();
	let mut log = open(folder.path(), &clock).log;
	log.append(&record(0)).unwrap();
	log.append(&record(1)).unwrap();
	// Nothing follows the last entry, so that its chain fits.
	change(folder.path(), 0, |lines| lines[1] = lines[1].replacen("1800000000", "1799999999", 1));
	assert_eq!(verify_broken(folder.path()), (1, Breach::TimeBackwards));
}

#[test]
fn verify_names_what_is_wrong_across_segments() {
	let folder = log_of(400);
	let paths = segments(folder.path());
	let first_of =
		|path: &Path| -> u64 { path.file_stem().unwrap().to_str().unwrap()[6..].parse().unwrap() };
	let second = first_of(&paths[1]);
	let good: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
	let restore = || {
		for (path, bytes) in paths.iter().zip(&good) {
			fs::write(path, bytes).unwrap();
		}
	};

	// The last entry of a segment is confirmed by the first of the next one.
	change(folder.path(), 0, |lines| {
		let last = lines.last_mut().unwrap();
		*last = last.replacen("read", "feed", 1);
	});
	match verify(folder.path(), &Checkpoint::GENESIS) {
		Err(AuditError::Broken { sequence, segment, line, breach }) => {
			assert_eq!((sequence, breach), (second - 1, Breach::Changed));
			assert_eq!(segment, "audit-00000000000000000000.jsonl");
			assert_eq!(line, second);
		}
		other => panic!("{other:?}"),
	}
	restore();

	// A segment in the middle is gone, or its end, or its name is another's.
	fs::remove_file(&paths[1]).unwrap();
	assert_eq!(verify_broken(folder.path()), (second, Breach::Displaced));
	restore();
	fs::write(&paths[0], &good[0][..good[0].len() - 1]).unwrap();
	assert_eq!(verify_broken(folder.path()), (second - 1, Breach::CutOff));
	restore();
	change(folder.path(), 0, |lines| drop(lines.pop()));
	assert_eq!(verify_broken(folder.path()), (second - 1, Breach::Displaced));
	restore();
	fs::write(&paths[1], &good[2]).unwrap();
	assert_eq!(verify_broken(folder.path()), (second, Breach::Displaced));
	restore();
	assert!(verify(folder.path(), &Checkpoint::GENESIS).is_ok());
}

#[test]
fn end_shows_a_tail_that_was_cut_off_and_a_log_that_was_written_anew() {
	let folder = log_of(10);
	let end = verify(folder.path(), &Checkpoint::GENESIS).unwrap().end;
	change(folder.path(), 0, |lines| lines.truncate(8));
	let cut = verify(folder.path(), &Checkpoint::GENESIS).unwrap().end;
	assert_eq!(cut.next, 8);
	assert_ne!(cut, end);
	let anew = TempDir::new().unwrap();
	let mut log = open(anew.path(), &TestClock::new()).log;
	log.append_all(&(1..11).map(record).collect::<Vec<_>>()).unwrap();
	let anew = verify(anew.path(), &Checkpoint::GENESIS).unwrap().end;
	assert_eq!(anew.next, end.next);
	assert_ne!(anew.head, end.head);
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
	let folder = log_of(3);
	for name in ["audit-1.jsonl", "audit-x.jsonl", "notes.txt", "audit-00000000000000000003.gz"] {
		fs::write(folder.path().join(name), "something else").unwrap();
	}
	assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().end.next, 3);
	assert_eq!(open(folder.path(), &TestClock::new()).log.end().next, 3);
}
