//! The keys of one issuer, fetched when needed and not more often than that.

use std::{
	future::Future,
	pin::Pin,
	sync::{Arc, PoisonError, RwLock},
	time::Duration,
};

use super::{
	error::TokenError,
	jwks::{KeySet, VerificationKey},
};

/// A fetch that is under way: the bytes of a JSON Web Key set.
pub type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, KeySourceError>> + Send + 'a>>;

/// Where the keys of an issuer come from: its `jwks_uri`, a file, this process.
pub trait KeySource: Send + Sync + 'static {
	/// Fetches the published set. The source reads no more than 64 KiB.
	fn fetch(&self) -> Fetch<'_>;
}

/// Why keys could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys could not be fetched: {0}")]
pub struct KeySourceError(pub String);

/// When keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCacheLimits {
	/// The least time between two attempts, whatever asks for them, seconds.
	pub min_interval_seconds: u64,
	/// The age at which the set is fetched again, so that a withdrawn key stops counting, seconds.
	pub refresh_after_seconds: u64,
	/// How long a fetch may take, seconds: requests with a new key wait for it.
	pub timeout_seconds: u64,
	/// The age from which the set counts no more when it cannot be fetched again, seconds.
	pub discard_after_seconds: u64,
}

impl Default for KeyCacheLimits {
	fn default() -> Self {
		Self {
			min_interval_seconds: 30,
			refresh_after_seconds: 10 * 60,
			timeout_seconds: 5,
			discard_after_seconds: 4 * 60 * 60,
		}
	}
}

/// How the cache is doing, for metrics and logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCacheStatus {
	/// When keys were last fetched and taken.
	pub fetched_at: Option<u64>,
	/// When they were last asked for.
	pub attempted_at: Option<u64>,
	/// How many there are.
	pub keys: usize,
	/// Why the last attempt failed, if it did.
	pub last_error: Option<String>,
}

#[derive(Default)]
struct State {
	keys: KeySet,
	fetched_at: Option<u64>,
	attempted_at: Option<u64>,
	last_error: Option<String>,
	/// How often a set was taken.
	generation: u64,
}

/// The published keys of one issuer. Exactly the keys of the last set that was fetched count: an
/// old one for as long as it is published, a new one from the first token that names it.
pub struct KeyCache {
	source: Arc<dyn KeySource>,
	limits: KeyCacheLimits,
	state: RwLock<State>,
	/// Held during a fetch, so that there is one at a time.
	fetching: Arc<tokio::sync::Mutex<()>>,
}

impl KeyCache {
	/// An empty cache; the first token fills it.
	pub fn new(source: Arc<dyn KeySource>, limits: KeyCacheLimits) -> Self {
		Self { source, limits, state: RwLock::default(), fetching: Arc::default() }
	}

	/// How the cache is doing.
	pub fn status(&self) -> KeyCacheStatus {
		let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
		KeyCacheStatus {
			fetched_at: state.fetched_at,
			attempted_at: state.attempted_at,
			keys: state.keys.len(),
			last_error: state.last_error.clone(),
		}
	}

	/// The key with an identifier, from a set that is not too old, and the number of that set:
	/// another number means that keys may have been withdrawn.
	///
	/// A known key never waits for somebody else's fetch. An unknown one does, and makes one
	/// itself if the last attempt is long enough ago: a flood of unknown keys costs the issuer one
	/// request per `min_interval_seconds`.
	pub(super) async fn key(
		self: &Arc<Self>,
		key_id: &str,
		now: u64,
	) -> Result<(VerificationKey, u64), TokenError> {
		let (found, is_due) = {
			let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
			let is_due = is_older(state.fetched_at, self.limits.refresh_after_seconds, now);
			(self.usable(&state, key_id, now), is_due)
		};
		let fetching = Arc::clone(&self.fetching);
		let turn = match found {
			Ok(key) if !is_due => return Ok(key),
			Ok(_) => fetching.try_lock_owned().ok(),
			Err(_) => Some(fetching.lock_owned().await),
		};
		if let Some(turn) = turn.filter(|_| self.begin_attempt(now)) {
			self.attempt(turn, now).await;
		}
		let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
		self.usable(&state, key_id, now)
	}

	/// Fetches the set in a task of its own: who asks and goes away does not take the attempt with
	/// him, so nobody can use up all attempts.
	async fn attempt(self: &Arc<Self>, turn: tokio::sync::OwnedMutexGuard<()>, now: u64) {
		let cache = Arc::clone(self);
		let task = tokio::spawn(async move {
			let _turn = turn;
			let limit = Duration::from_secs(cache.limits.timeout_seconds);
			let fetched = tokio::time::timeout(limit, cache.source.fetch()).await;
			let too_late = |_| Err(KeySourceError("it took too long".to_owned()));
			cache.end_attempt(now, fetched.unwrap_or_else(too_late));
		});
		if task.await.is_err() {
			self.end_attempt(now, Err(KeySourceError("the source failed".to_owned())));
		}
	}

	fn usable(
		&self,
		state: &State,
		key_id: &str,
		now: u64,
	) -> Result<(VerificationKey, u64), TokenError> {
		if is_older(state.fetched_at, self.limits.discard_after_seconds, now) {
			return Err(TokenError::KeysUnavailable);
		}
		let key = state.keys.key(key_id).cloned().ok_or(TokenError::KeyUnknown)?;
		Ok((key, state.generation))
	}

	/// Whether an attempt may be made now; if so, it counts from here on.
	fn begin_attempt(&self, now: u64) -> bool {
		let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
		let may = is_older(state.attempted_at, self.limits.min_interval_seconds, now);
		if may {
			state.attempted_at = Some(now);
		}
		may
	}

	fn end_attempt(&self, now: u64, fetched: Result<Vec<u8>, KeySourceError>) {
		let keys = fetched
			.map_err(|error| error.to_string())
			.and_then(|document| KeySet::parse(&document).map_err(|error| error.to_string()));
		let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
		match keys {
			Ok(keys) => {
				state.keys = keys;
				state.fetched_at = Some(now);
				state.generation = state.generation.wrapping_add(1);
				state.last_error = None;
			}
			Err(error) => state.last_error = Some(error),
		}
	}
}

/// Whether something happened at least `seconds` ago or never. A clock that was set back counts
/// like one that was set forward.
fn is_older(at: Option<u64>, seconds: u64, now: u64) -> bool {
	at.is_none_or(|at| now.abs_diff(at) >= seconds)
}
