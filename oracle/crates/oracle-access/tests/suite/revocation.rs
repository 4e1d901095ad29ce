//! The list of revocations: what it refuses, that it is bounded, that it forgets in time.

use std::collections::BTreeSet;

use oracle_access::token::{Revocation, RevocationError, Revocations};
use proptest::prelude::*;

use crate::support::NOW;

const LIFETIME: u64 = 3600;
const LEEWAY: u64 = 30;

fn token(id: &str, expires_at: u64) -> Revocation {
	Revocation::Token { issuer: "i".to_owned(), token_id: id.to_owned(), expires_at }
}

fn subject(name: &str, not_before: u64) -> Revocation {
	Revocation::Subject { issuer: "i".to_owned(), subject: name.to_owned(), not_before }
}

#[test]
fn revoke_refuses_when_full_and_loses_nothing() {
	let list = Revocations::new(2, LIFETIME, LEEWAY);
	list.revoke(token("a", NOW + 10), NOW).unwrap();
	list.revoke(subject("s", NOW), NOW).unwrap();
	let full = Err(RevocationError::Full { capacity: 2 });
	assert_eq!(list.revoke(token("b", NOW + 10), NOW), full);
	assert_eq!(list.revoke(subject("t", NOW), NOW), full);
	// The same ones again take no room.
	list.revoke(token("a", NOW + 20), NOW).unwrap();
	list.revoke(subject("s", NOW + 5), NOW).unwrap();
	assert_eq!(list.in_force(NOW), [token("a", NOW + 20), subject("s", NOW + 5)]);
	// One has expired, its place is free.
	list.revoke(token("b", NOW + 100), NOW + 20 + LEEWAY).unwrap();
	assert_eq!(list.in_force(NOW + 20 + LEEWAY), [token("b", NOW + 100), subject("s", NOW + 5)]);
}

#[test]
fn revocation_leaves_when_its_tokens_have_expired_and_not_before() {
	let list = Revocations::new(10, LIFETIME, LEEWAY);
	list.revoke(token("a", NOW + 10), NOW).unwrap();
	list.revoke(subject("s", NOW), NOW).unwrap();
	assert_eq!(list.in_force(NOW + 10 + LEEWAY - 1).len(), 2);
	assert_eq!(list.in_force(NOW + 10 + LEEWAY), [subject("s", NOW)]);
	assert_eq!(list.in_force(NOW + LIFETIME + LEEWAY - 1).len(), 1);
	assert_eq!(list.in_force(NOW + LIFETIME + LEEWAY), []);
	assert!(!list.is_revoked("i", "a", "s", NOW));
	// One that comes too late is not kept.
	list.revoke(token("a", NOW), NOW + LEEWAY).unwrap();
	assert_eq!(list.in_force(NOW), []);
}

#[test]
fn revocation_is_for_one_issuer_only() {
	let list = Revocations::new(10, LIFETIME, LEEWAY);
	list.revoke(token("a", NOW + 10), NOW).unwrap();
	list.revoke(subject("s", NOW), NOW).unwrap();
	assert!(list.is_revoked("i", "a", "x", NOW + 1));
	assert!(list.is_revoked("i", "x", "s", NOW));
	assert!(!list.is_revoked("i", "x", "s", NOW + 1));
	assert!(!list.is_revoked("j", "a", "s", NOW));
}

#[test]
fn earlier_revocation_of_a_subject_does_not_weaken_a_later_one() {
	let list = Revocations::new(10, LIFETIME, LEEWAY);
	list.revoke(subject("s", NOW), NOW).unwrap();
	list.revoke(subject("s", NOW - 100), NOW).unwrap();
	assert!(list.is_revoked("i", "x", "s", NOW));
}

#[test]
fn revocations_survive_a_restart_as_json() {
	let all = vec![token("a", NOW + 10), subject("s", NOW)];
	let text = serde_json::to_string(&all).unwrap();
	assert_eq!(
		text,
		r#"[{"kind":"token","issuer":"i","token_id":"a","expires_at":1800000010},{"kind":"subject","issuer":"i","subject":"s","not_before":1800000000}]"#
	);
	assert_eq!(serde_json::from_str::<Vec<Revocation>>(&text).unwrap(), all);
}

proptest! {
	/// Against the obvious list: everything that was ever revoked, looked through each time.
	#[test]
	fn revocations_equal_a_plain_list(
		steps in prop::collection::vec((0u64..200, 0u8..2, 0u8..6, 0u64..5000), 1..60),
	) {
		let list = Revocations::new(4, LIFETIME, LEEWAY);
		let mut plain: Vec<Revocation> = Vec::new();
		let mut now = NOW;
		for (wait, kind, name, offset) in steps {
			now += wait;
			let name = name.to_string();
			let revocation = match kind {
				0 => token(&name, now - 1000 + offset),
				_ => subject(&name, now - 5000 + offset),
			};
			let end = |revocation: &Revocation| match revocation {
				Revocation::Token { expires_at, .. } => expires_at + LEEWAY,
				Revocation::Subject { not_before, .. } => not_before + LIFETIME + LEEWAY,
			};
			let key = |revocation: &Revocation| match revocation {
				Revocation::Token { token_id, .. } => (0, token_id.clone()),
				Revocation::Subject { subject, .. } => (1, subject.clone()),
			};
			plain.retain(|other| now < end(other));
			let keys: BTreeSet<_> = plain.iter().map(key).collect();
			let taken = list.revoke(revocation.clone(), now);
			if now >= end(&revocation) {
				prop_assert_eq!(taken, Ok(()));
			} else if keys.contains(&key(&revocation)) || keys.len() < 4 {
				prop_assert_eq!(taken, Ok(()));
				plain.push(revocation);
			} else {
				prop_assert_eq!(taken, Err(RevocationError::Full { capacity: 4 }));
			}
			for name in 0..6u8 {
				let name = name.to_string();
				for issued_at in [now - 4000, now - 10, now] {
					let expected = plain.iter().any(|revocation| match revocation {
						Revocation::Subject { subject, not_before, .. } => {
							*subject == name && issued_at <= *not_before
						}
						Revocation::Token { .. } => false,
					});
					// An entry that has expired but was not swept yet refuses tokens that have
					// expired as well, so only what is swept here can be compared.
					list.in_force(now);
					prop_assert_eq!(list.is_revoked("i", "none", &name, issued_at), expected);
				}
				let expected = plain.iter().any(|revocation| {
					matches!(revocation, Revocation::Token { token_id, .. } if *token_id == name)
				});
				prop_assert_eq!(list.is_revoked("i", &name, "none", now), expected);
			}
		}
	}
}
