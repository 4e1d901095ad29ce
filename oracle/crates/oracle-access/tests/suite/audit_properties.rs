//! What holds of every log, whatever is written to it.

use std::fs;

use oracle_access::audit::{verify, AuditError, AuditLog, Checkpoint, Outcome, Record};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::{audit::*, support::*};

fn any_record() -> impl Strategy<Value = Record> {
	// Every character, with those that end lines, open quotes or turn the writing direction often.
	let character = prop_oneof![
		any::<char>(),
		prop::sample::select(vec![
			'\n', '\r', '\0', '"', '\\', '\u{7f}', '\u{85}', '\u{2028}', '\u{202e}', '\u{1b}', '😀'
		])
	];
	let text = prop::collection::vec(character, 0..40).prop_map(String::from_iter);
	let texts = prop::collection::vec(text.clone(), 0..3);
	(
		text.clone(),
		text.clone(),
		text.clone(),
		any::<bool>(),
		texts,
		prop::option::of(text.clone()),
		text,
	)
		.prop_map(|(principal, action, resource, allowed, policies, consent, request_id)| {
			Record {
				principal,
				action,
				resource,
				outcome: if allowed { Outcome::Allow } else { Outcome::Deny },
				policies,
				consent,
				request_id,
			}
		})
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// One line each, printable ASCII, and what is read is what was written.
	#[test]
	fn no_text_breaks_out_of_its_line(records in prop::collection::vec(any_record(), 1..8)) {
		let folder = TempDir::new().unwrap();
		let mut log = open(folder.path(), &TestClock::new()).log;
		log.append_all(&records).unwrap();
		let bytes = fs::read(&segments(folder.path())[0]).unwrap();
		prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), records.len());
		prop_assert!(bytes.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
		let entries = entries(folder.path());
		for (record, entry) in records.iter().zip(&entries) {
			prop_assert_eq!(&record.principal, &entry.principal);
			prop_assert_eq!(&record.action, &entry.action);
			prop_assert_eq!(&record.resource, &entry.resource);
			prop_assert_eq!(record.outcome, entry.outcome);
			prop_assert_eq!(&record.policies, &entry.policies);
			prop_assert_eq!(&record.consent, &entry.consent);
			prop_assert_eq!(&record.request_id, &entry.request_id);
		}
		prop_assert_eq!(verify(folder.path(), &Checkpoint::GENESIS).unwrap().end, log.end());
	}

	/// Any changed byte before the last line is found, at that entry or, if its end was changed,
	/// at the one that ran into it; all entries before it are as they were.
	#[test]
	fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), to in any::<u8>()) {
		let folder = log_of(6);
		let path = &segments(folder.path())[0];
		let mut bytes = fs::read(path).unwrap();
		let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
		let at = at.index(last_line);
		prop_assume!(bytes[at] != to);
		let number = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
		bytes[at] = to;
		fs::write(path, &bytes).unwrap();
		match verify(folder.path(), &Checkpoint::GENESIS) {
			// Its own link to the entry before it may be what was changed.
			Err(AuditError::Broken { sequence, .. }) => {
				prop_assert!(sequence == number || sequence + 1 == number, "{} {}", sequence, number)
			}
			other => prop_assert!(false, "{:?}", other),
		}
	}

	/// Cut off anywhere, a log opens with all entries that were whole and goes on from there.
	#[test]
	fn log_that_was_cut_off_anywhere_goes_on(at in any::<prop::sample::Index>()) {
		let folder = log_of(6);
		let path = &segments(folder.path())[0];
		let bytes = fs::read(path).unwrap();
		let cut = at.index(bytes.len() + 1);
		let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
		fs::write(path, &bytes[..cut]).unwrap();
		let opened = AuditLog::open(folder.path(), SETTINGS, TestClock::new()).unwrap();
		prop_assert_eq!(opened.log.end().next as usize, whole);
		let mut log = opened.log;
		log.append_all(&(whole..6).map(record).collect::<Vec<_>>()).unwrap();
		prop_assert_eq!(fs::read(path).unwrap(), bytes);
	}
}
