//! Tokens and subjects that count no more although their tokens have not expired.

use std::{
	collections::HashMap,
	sync::{PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

/// One revocation, to keep over a restart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Revocation {
	/// One token.
	Token {
		/// Who issued it.
		issuer: String,
		/// Its `jti`.
		token_id: String,
		/// Its `exp`.
		expires_at: u64,
	},
	/// All tokens of a subject that were issued until a time.
	Subject {
		/// Who issues its tokens.
		issuer: String,
		/// Its `sub`.
		subject: String,
		/// Tokens with an `iat` up to and including this one are refused.
		not_before: u64,
	},
}

/// Why a revocation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
	/// As many revocations as there may be are in force. None was removed to make room.
	#[error("the list of revocations is full: {capacity} are in force")]
	Full {
		/// The most there may be.
		capacity: usize,
	},
}

type Key = (String, String);

#[derive(Default)]
struct Lists {
	/// By issuer and `jti`: the token's `exp`.
	tokens: HashMap<Key, u64>,
	/// By issuer and subject: the last `iat` that is refused.
	subjects: HashMap<Key, u64>,
}

/// The revocations in force, a bounded number. An entry leaves when the tokens it is about would
/// be refused anyway because they have expired.
pub struct Revocations {
	capacity: usize,
	max_lifetime_seconds: u64,
	leeway_seconds: u64,
	lists: RwLock<Lists>,
}

impl Revocations {
	/// An empty list for at most `capacity` revocations of tokens that are valid for at most
	/// `max_lifetime_seconds`, checked with `leeway_seconds`: the figures of the verifier.
	pub fn new(capacity: usize, max_lifetime_seconds: u64, leeway_seconds: u64) -> Self {
		Self { capacity, max_lifetime_seconds, leeway_seconds, lists: RwLock::default() }
	}

	/// Adds a revocation. One that is in force already takes no more room; of two for a subject
	/// the later counts. One for tokens that have expired is not kept.
	pub fn revoke(&self, revocation: Revocation, now: u64) -> Result<(), RevocationError> {
		let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
		if !self.is_in_force(&revocation, now) {
			return Ok(());
		}
		let is_new = match &revocation {
			Revocation::Token { issuer, token_id, .. } => {
				!lists.tokens.contains_key(&(issuer.clone(), token_id.clone()))
			}
			Revocation::Subject { issuer, subject, .. } => {
				!lists.subjects.contains_key(&(issuer.clone(), subject.clone()))
			}
		};
		if is_new && lists.tokens.len() + lists.subjects.len() >= self.capacity {
			self.remove_expired(&mut lists, now);
			if lists.tokens.len() + lists.subjects.len() >= self.capacity {
				return Err(RevocationError::Full { capacity: self.capacity });
			}
		}
		let (list, key, time) = match revocation {
			Revocation::Token { issuer, token_id, expires_at } => {
				(&mut lists.tokens, (issuer, token_id), expires_at)
			}
			Revocation::Subject { issuer, subject, not_before } => {
				(&mut lists.subjects, (issuer, subject), not_before)
			}
		};
		let kept = list.entry(key).or_insert(time);
		*kept = time.max(*kept);
		Ok(())
	}

	/// Removes what is no longer in force and returns the rest in a fixed order, to be stored.
	pub fn in_force(&self, now: u64) -> Vec<Revocation> {
		let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
		self.remove_expired(&mut lists, now);
		let tokens = lists.tokens.iter().map(|((issuer, token_id), expires_at)| {
			let (issuer, token_id) = (issuer.clone(), token_id.clone());
			Revocation::Token { issuer, token_id, expires_at: *expires_at }
		});
		let subjects = lists.subjects.iter().map(|((issuer, subject), not_before)| {
			let (issuer, subject) = (issuer.clone(), subject.clone());
			Revocation::Subject { issuer, subject, not_before: *not_before }
		});
		let mut all: Vec<_> = tokens.chain(subjects).collect();
		all.sort();
		all
	}

	/// Whether a token was revoked, or its subject after the token was issued.
	pub fn is_revoked(&self, issuer: &str, token_id: &str, subject: &str, issued_at: u64) -> bool {
		let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
		lists.tokens.contains_key(&(issuer.to_owned(), token_id.to_owned()))
			|| lists
				.subjects
				.get(&(issuer.to_owned(), subject.to_owned()))
				.is_some_and(|not_before| issued_at <= *not_before)
	}

	fn is_in_force(&self, revocation: &Revocation, now: u64) -> bool {
		match revocation {
			Revocation::Token { expires_at, .. } => self.token_counts(*expires_at, now),
			Revocation::Subject { not_before, .. } => self.subject_counts(*not_before, now),
		}
	}

	/// The verifier takes a token until `exp + leeway`.
	fn token_counts(&self, expires_at: u64, now: u64) -> bool {
		now < expires_at.saturating_add(self.leeway_seconds)
	}

	/// The last token it is about was issued at `not_before`.
	fn subject_counts(&self, not_before: u64, now: u64) -> bool {
		self.token_counts(not_before.saturating_add(self.max_lifetime_seconds), now)
	}

	fn remove_expired(&self, lists: &mut Lists, now: u64) {
		lists.tokens.retain(|_, expires_at| self.token_counts(*expires_at, now));
		lists.subjects.retain(|_, not_before| self.subject_counts(*not_before, now));
	}
}
