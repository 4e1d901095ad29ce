//! Requests that may be sent again: the header `idempotency-key`.
//!
//! The first answer is kept for a day, encrypted, and given again to the same client with the same key and
//! the same request. The same key with another request is refused.

use std::{
	collections::{HashSet, VecDeque},
	future::Future,
	sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{
	http::{header, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
};
use codec::{Decode, Encode};
use serde::Serialize;
use sp_crypto_hashing::blake2_128;

use super::{blocking, extract::Caller, problem::Problem, Shared};
use crate::store::StoreError;

/// For how long an answer is kept, seconds.
const KEPT_SECONDS: u64 = 86_400;
/// The most answers that are kept; the oldest go first.
const KEPT_ANSWERS: usize = 10_000;
/// The longest key.
const KEY_BYTES: usize = 255;

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GivenAnswer {
	/// When.
	pub seconds: u64,
	/// Of the request.
	pub fingerprint: [u8; 16],
	/// The status.
	pub status: u16,
	/// The document.
	pub body: Vec<u8>,
}

/// Keeps answers.
pub trait AnswerStore: Send + Sync + 'static {
	/// All that are kept: when they were given, and for what.
	///
	/// # Errors
	/// When the store fails.
	fn answers(&self) -> Result<Vec<(u64, [u8; 16])>, StoreError>;

	/// What was answered.
	///
	/// # Errors
	/// When the store fails.
	fn answer(&self, key: [u8; 16]) -> Result<Option<GivenAnswer>, StoreError>;

	/// Keeps an answer, and forgets others. It is on disk when this returns `Ok`.
	///
	/// # Errors
	/// When the store fails.
	fn keep_answer(
		&self,
		key: [u8; 16],
		answer: &GivenAnswer,
		forgotten: &[[u8; 16]],
	) -> Result<(), StoreError>;
}

/// Which answers are kept, and which requests are being answered.
#[derive(Default)]
pub struct Answers {
	kept: VecDeque<(u64, [u8; 16])>,
	on_their_way: HashSet<[u8; 16]>,
}

impl Answers {
	/// Those of a store.
	///
	/// # Errors
	/// When the store fails.
	pub fn open(store: &dyn AnswerStore) -> Result<Mutex<Self>, StoreError> {
		let mut kept = store.answers()?;
		kept.sort_unstable();
		Ok(Mutex::new(Self { kept: kept.into(), on_their_way: HashSet::new() }))
	}

	/// Those that need not be kept any more, if another one is.
	fn outdated(&self, now: u64) -> Vec<[u8; 16]> {
		let surplus = (self.kept.len() + 1).saturating_sub(KEPT_ANSWERS);
		let is_old = |seconds: u64| seconds.saturating_add(KEPT_SECONDS) <= now;
		let kept = self.kept.iter().enumerate();
		kept.take_while(|(place, (seconds, _))| *place < surplus || is_old(*seconds))
			.map(|(_, (_, key))| *key)
			.collect()
	}
}

/// A request that is being answered; when it is dropped, it may come again.
struct OnItsWay<'a>(&'a Mutex<Answers>, [u8; 16]);

impl Drop for OnItsWay<'_> {
	fn drop(&mut self) {
		lock(self.0).on_their_way.remove(&self.1);
	}
}

fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
	answers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn conflict(detail: &str) -> Problem {
	Problem::new(StatusCode::CONFLICT, "idempotency-key", detail)
}

fn document(status: StatusCode, body: Vec<u8>) -> Response {
	let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
	(status, json, body).into_response()
}

impl Shared {
	/// Does something once for a client and its key, however often it asks; each time if it names no key.
	/// A refusal is not kept.
	pub(super) async fn once<T: Serialize>(
		&self,
		client: &str,
		caller: &Caller,
		request: &serde_json::Value,
		act: impl Future<Output = Result<(StatusCode, T), Problem>>,
	) -> Result<Response, Problem> {
		let encode = |value: &T| serde_json::to_vec(value).map_err(|_error| Problem::failed());
		let Some(key) = &caller.idempotency_key else {
			let (status, value) = act.await?;
			return Ok(document(status, encode(&value)?));
		};
		if key.is_empty() || key.len() > KEY_BYTES {
			let detail = "the header idempotency-key has 1 to 255 characters";
			return Err(Problem::bad_request("idempotency-key", detail));
		}
		let key = blake2_128(&(client, key).encode());
		let fingerprint = blake2_128(request.to_string().as_bytes());
		if !lock(&self.answers).on_their_way.insert(key) {
			return Err(conflict("a request with this key is being answered"));
		}
		let _on_its_way = OnItsWay(&self.answers, key);
		let now = self.api.clock.now_seconds();
		let store = self.api.database.clone();
		let given = blocking(move || Ok(store.answer(key)?)).await?;
		if let Some(given) = given.filter(|given| given.seconds.saturating_add(KEPT_SECONDS) > now)
		{
			if given.fingerprint != fingerprint {
				return Err(conflict("the key was used for another request"));
			}
			let status = StatusCode::from_u16(given.status).unwrap_or(StatusCode::OK);
			return Ok(document(status, given.body));
		}
		let (status, value) = act.await?;
		let body = encode(&value)?;
		let answer =
			GivenAnswer { seconds: now, fingerprint, status: status.as_u16(), body: body.clone() };
		let outdated = lock(&self.answers).outdated(now);
		let store = self.api.database.clone();
		let forgotten = outdated.clone();
		blocking(move || Ok(store.keep_answer(key, &answer, &forgotten)?)).await?;
		let mut answers = lock(&self.answers);
		answers.kept.retain(|(_, kept)| *kept != key && !outdated.contains(kept));
		answers.kept.push_back((now, key));
		Ok(document(status, body))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn old_answers_and_those_that_are_too_many_go() {
		let key = |number: usize| blake2_128(&number.to_be_bytes());
		let mut answers = Answers::default();
		answers.kept.extend((0..3).map(|number| (number as u64 * 10, key(number))));
		assert_eq!(answers.outdated(KEPT_SECONDS - 1), Vec::<[u8; 16]>::new());
		assert_eq!(answers.outdated(KEPT_SECONDS + 10), vec![key(0), key(1)]);
		answers.kept = (0..KEPT_ANSWERS).map(|number| (100, key(number))).collect();
		assert_eq!(answers.outdated(100), vec![key(0)]);
	}
}
