//! Tokens that were verified a moment ago, so that a busy client does not cost a signature with every
//! request.

use std::{
	collections::HashMap,
	sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{digest, SHA256};

use crate::principal::Principal;

/// The SHA-256 of a token. The token itself is not kept.
pub(super) type TokenHash = [u8; 32];

/// The hash that a token is found by.
pub(super) fn hash_of(token: &str) -> TokenHash {
	let mut hash = [0; 32];
	hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
	hash
}

/// What a token said, and what that rests on.
pub(super) struct VerifiedToken {
	pub(super) principal: Principal,
	pub(super) issued_at: u64,
	/// The key that signed it.
	pub(super) key_id: String,
	/// Which set of the issuer's keys it was in.
	pub(super) key_generation: u64,
	/// When it was verified.
	pub(super) verified_at: u64,
}

#[derive(Default)]
struct Tokens {
	by_hash: HashMap<TokenHash, Arc<VerifiedToken>>,
	/// When expired ones were last removed.
	swept_at: u64,
}

/// A bounded number of verified tokens.
pub(super) struct VerifiedTokens {
	capacity: usize,
	tokens: RwLock<Tokens>,
}

impl VerifiedTokens {
	pub(super) fn new(capacity: usize) -> Self {
		Self { capacity, tokens: RwLock::default() }
	}

	pub(super) fn token(&self, hash: &TokenHash) -> Option<Arc<VerifiedToken>> {
		let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
		tokens.by_hash.get(hash).cloned()
	}

	pub(super) fn remove(&self, hash: &TokenHash) {
		self.tokens.write().unwrap_or_else(PoisonError::into_inner).by_hash.remove(hash);
	}

	/// Keeps a token. When there is no room, expired ones go first, then any one: it only has to be
	/// verified again.
	pub(super) fn keep(&self, hash: TokenHash, token: VerifiedToken, now: u64) {
		if self.capacity == 0 {
			return;
		}
		let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
		if tokens.by_hash.len() >= self.capacity && !tokens.by_hash.contains_key(&hash) {
			// Once a second at most, so that a full cache costs no sweep for each token.
			if tokens.swept_at != now {
				tokens.swept_at = now;
				tokens.by_hash.retain(|_, token| now < token.principal.expires_at);
			}
			if tokens.by_hash.len() >= self.capacity {
				if let Some(any) = tokens.by_hash.keys().next().copied() {
					tokens.by_hash.remove(&any);
				}
			}
		}
		tokens.by_hash.insert(hash, Arc::new(token));
	}

	pub(super) fn len(&self) -> usize {
		self.tokens.read().unwrap_or_else(PoisonError::into_inner).by_hash.len()
	}
}
