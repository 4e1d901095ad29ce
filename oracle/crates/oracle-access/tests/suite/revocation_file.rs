//! Revocations over a restart.

use std::{fs, path::PathBuf};

use oracle_access::token::{
	Revocation, RevocationError, RevocationFile, RevocationFileError, Revocations,
};
use tempfile::TempDir;

use crate::support::{ISSUER, NOW};

const LEEWAY: u64 = 30;

fn token(id: usize, expires_at: u64) -> Revocation {
	Revocation::Token { issuer: ISSUER.to_owned(), token_id: format!("t{id}"), expires_at }
}

struct Kept {
	list: Revocations,
	file: RevocationFile,
}

fn open_with(
	path: &std::path::Path,
	capacity: usize,
	now: u64,
) -> Result<Kept, RevocationFileError> {
	let list = Revocations::new(capacity, 3600, LEEWAY);
	let file = RevocationFile::open(path, &list, now)?;
	Ok(Kept { list, file })
}

impl Kept {
	fn revoke(&mut self, revocation: Revocation, now: u64) {
		self.file.revoke(revocation, &self.list, now).unwrap();
	}

	fn has(&self, id: usize) -> bool {
		self.list.is_revoked(ISSUER, &format!("t{id}"), "anna", NOW)
	}
}

fn place() -> (TempDir, PathBuf) {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("revocations.jsonl");
	(folder, path)
}

fn lines(path: &std::path::Path) -> usize {
	fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn what_was_revoked_is_revoked_after_a_restart() {
	let (_folder, path) = place();
	let mut kept = open_with(&path, 10, NOW).unwrap();
	let subject = Revocation::Subject {
		issuer: ISSUER.to_owned(),
		subject: "bert".to_owned(),
		not_before: NOW,
	};
	kept.revoke(token(1, NOW + 300), NOW);
	kept.revoke(subject, NOW);
	// Nothing was closed: the bytes are there when `revoke` has returned.
	let again = open_with(&path, 10, NOW + 1).unwrap();
	assert!(again.has(1));
	assert!(!again.has(2));
	assert!(again.list.is_revoked(ISSUER, "other", "bert", NOW));
	assert!(!again.list.is_revoked(ISSUER, "other", "bert", NOW + 1));
}

#[test]
fn what_has_expired_leaves_the_file_when_it_is_opened() {
	let (_folder, path) = place();
	let mut kept = open_with(&path, 10, NOW).unwrap();
	kept.revoke(token(1, NOW + 100), NOW);
	kept.revoke(token(2, NOW + 200), NOW);
	assert_eq!(lines(&path), 2);
	let at_the_end = open_with(&path, 10, NOW + 100 + LEEWAY - 1).unwrap();
	assert!(at_the_end.has(1));
	assert_eq!(lines(&path), 2);
	let after = open_with(&path, 10, NOW + 100 + LEEWAY).unwrap();
	assert!(!after.has(1));
	assert!(after.has(2));
	assert_eq!(lines(&path), 1);
}

#[test]
fn a_busy_file_stays_short() {
	let (_folder, path) = place();
	let mut kept = open_with(&path, 10, NOW).unwrap();
	for id in 0..2_500 {
		// One is in force at a time.
		let now = NOW + 100 * id as u64;
		kept.revoke(token(id, now + 10), now);
		assert!(kept.has(id));
	}
	assert!(lines(&path) <= 1_010, "{}", lines(&path));
	let now = NOW + 100 * 2_499;
	assert!(open_with(&path, 10, now).unwrap().has(2_499));
}

#[test]
fn a_line_that_was_cut_off_is_left_out_and_any_other_damage_is_told() {
	let (_folder, path) = place();
	let mut kept = open_with(&path, 10, NOW).unwrap();
	kept.revoke(token(1, NOW + 300), NOW);
	kept.revoke(token(2, NOW + 300), NOW);
	let text = fs::read_to_string(&path).unwrap();
	fs::write(&path, &text[..text.len() - 5]).unwrap();
	let again = open_with(&path, 10, NOW).unwrap();
	assert!(again.has(1));
	assert!(!again.has(2));
	fs::write(&path, text.replacen("token", "taken", 1)).unwrap();
	let error = open_with(&path, 10, NOW).err().unwrap();
	assert!(matches!(error, RevocationFileError::Malformed { line: 1 }), "{error}");
	assert_eq!(lines(&path), 2, "the file is as it was");
}

#[test]
fn a_full_list_is_told_and_nothing_is_written() {
	let (_folder, path) = place();
	let mut kept = open_with(&path, 2, NOW).unwrap();
	kept.revoke(token(1, NOW + 300), NOW);
	kept.revoke(token(2, NOW + 300), NOW);
	let error = kept.file.revoke(token(3, NOW + 300), &kept.list, NOW).err().unwrap();
	let full = RevocationError::Full { capacity: 2 };
	assert!(matches!(error, RevocationFileError::Full(found) if found == full));
	assert_eq!(lines(&path), 2);
	// A list that became smaller than its file cannot be opened, and says so.
	assert!(matches!(open_with(&path, 1, NOW), Err(RevocationFileError::Full(_))));
}
