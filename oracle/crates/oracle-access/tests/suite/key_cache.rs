//! When keys are fetched, and what counts in between.

use std::sync::{atomic::Ordering, Arc};

use oracle_access::token::{KeyCacheLimits, TokenError, VerifierSettings};

use crate::support::*;

fn limits() -> KeyCacheLimits {
	KeyCacheLimits::default()
}

#[test]
fn key_is_fetched_once_and_kept() {
	let world = World::new();
	assert_eq!(world.cache.status().keys, 0);
	for _ in 0..10 {
		assert!(world.verify(&world.ed.sign(&claims())).is_ok());
	}
	assert_eq!(world.source.fetches(), 1);
	let status = world.cache.status();
	assert_eq!((status.keys, status.fetched_at, status.last_error), (2, Some(NOW), None));
}

#[test]
fn new_key_counts_from_its_first_token_on_and_the_old_one_while_published() {
	let world = World::new();
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
	let next = ed25519("ed-2");
	world.source.publish(&[&world.ed, &next]);
	world.clock.advance(limits().min_interval_seconds);
	assert!(world.verify(&next.sign(&claims())).is_ok());
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
	assert_eq!(world.source.fetches(), 2);
	// The old key is withdrawn. It goes when the set is fetched again because of its age.
	world.source.publish(&[&next]);
	world.clock.advance(limits().refresh_after_seconds - 1);
	let fresh = |key: &TestKey, now: u64| {
		let mut claims = claims();
		(claims["iat"], claims["nbf"], claims["exp"]) =
			(now.into(), now.into(), (now + 300).into());
		key.sign(&claims)
	};
	let now = world.cache.status().fetched_at.unwrap() + limits().refresh_after_seconds;
	assert!(world.verify(&fresh(&world.ed, now - 1)).is_ok());
	world.clock.set(now);
	assert_eq!(world.verify(&fresh(&world.ed, now)), Err(TokenError::KeyUnknown));
	assert!(world.verify(&fresh(&next, now)).is_ok());
}

#[test]
fn unknown_key_is_refused_without_a_fetch_when_the_last_one_was_just_now() {
	let world = World::new();
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
	let next = ed25519("ed-2");
	world.source.publish(&[&next]);
	world.clock.advance(limits().min_interval_seconds - 1);
	assert_eq!(world.verify(&next.sign(&claims())), Err(TokenError::KeyUnknown));
	assert_eq!(world.source.fetches(), 1);
	world.clock.advance(1);
	assert!(world.verify(&next.sign(&claims())).is_ok());
	assert_eq!(world.source.fetches(), 2);
}

#[test]
fn failed_fetches_are_limited_too_and_old_keys_count_until_they_are_too_old() {
	let settings =
		VerifierSettings { max_lifetime_seconds: u64::MAX, ..VerifierSettings::default() };
	let world = World::with(TestSource::default(), settings);
	let mut forever = claims();
	forever["exp"] = (NOW * 2).into();
	let token = world.ed.sign(&forever);
	world.source.publish_raw(None);
	for _ in 0..10 {
		assert_eq!(world.verify(&token), Err(TokenError::KeysUnavailable));
	}
	assert_eq!(world.source.fetches(), 1);
	let error = world.cache.status().last_error.unwrap();
	assert_eq!(error, "the keys could not be fetched: connection refused");

	world.source.publish(&[&world.ed]);
	world.clock.advance(limits().min_interval_seconds);
	let fetched_at = NOW + limits().min_interval_seconds;
	assert!(world.verify(&token).is_ok());
	assert_eq!(world.cache.status().last_error, None);

	// The provider is away, or answers with something else.
	for document in [None, Some(b"<html>".to_vec()), Some(br#"{"keys":[]}"#.to_vec())] {
		world.source.publish_raw(document);
		world.clock.advance(limits().refresh_after_seconds);
		assert!(world.verify(&token).is_ok());
		assert!(world.cache.status().last_error.is_some());
		assert_eq!(world.cache.status().fetched_at, Some(fetched_at));
	}
	world.clock.set(fetched_at + limits().discard_after_seconds - 1);
	assert!(world.verify(&token).is_ok());
	world.clock.set(fetched_at + limits().discard_after_seconds);
	assert_eq!(world.verify(&token), Err(TokenError::KeysUnavailable));
	assert_eq!(TokenError::KeysUnavailable.status(), 503);
}

#[test]
fn waiting_requests_share_one_fetch() {
	let source = TestSource::with_gate(0);
	let world = Arc::new(World::with(source, VerifierSettings::default()));
	wait(async {
		let requests: Vec<_> = (0..20)
			.map(|_| {
				let world = world.clone();
				let token = world.ed.sign(&claims());
				tokio::spawn(async move { world.verifier.verify(&token).await })
			})
			.collect();
		while world.source.fetches() == 0 {
			tokio::task::yield_now().await;
		}
		world.source.gate.as_ref().unwrap().add_permits(1);
		for request in requests {
			assert!(request.await.unwrap().is_ok());
		}
	});
	assert_eq!(world.source.fetches(), 1);
}

#[test]
fn known_key_does_not_wait_for_a_fetch_that_hangs() {
	let source = TestSource::with_gate(1);
	let world = Arc::new(World::with(source, VerifierSettings::default()));
	let token = world.ed.sign(&claims());
	wait(async {
		assert!(world.verifier.verify(&token).await.is_ok());
		world.clock.advance(60);
		// Somebody's unknown key starts a fetch, which hangs.
		let (flooded, unknown) = (world.clone(), ed25519("unknown").sign(&claims()));
		let flood = tokio::spawn(async move { flooded.verifier.verify(&unknown).await });
		while world.source.fetches() < 2 {
			tokio::task::yield_now().await;
		}
		assert!(world.verifier.verify(&token).await.is_ok());
		world.source.gate.as_ref().unwrap().add_permits(1);
		assert_eq!(flood.await.unwrap(), Err(TokenError::KeyUnknown));
	});
	assert_eq!(world.source.fetches(), 2);
}

#[test]
fn fetch_goes_on_when_who_asked_has_gone_away() {
	let world = Arc::new(World::with(TestSource::with_gate(0), VerifierSettings::default()));
	let token = world.ed.sign(&claims());
	wait(async {
		let asking = {
			let (world, token) = (world.clone(), token.clone());
			tokio::spawn(async move { world.verifier.verify(&token).await })
		};
		while world.source.fetches() == 0 {
			tokio::task::yield_now().await;
		}
		asking.abort();
		assert!(asking.await.unwrap_err().is_cancelled());
		world.source.gate.as_ref().unwrap().add_permits(1);
		// At the same second, so without another fetch.
		assert!(world.verifier.verify(&token).await.is_ok());
	});
	assert_eq!(world.source.fetches(), 1);
}

#[test]
fn fetch_ends_when_it_takes_too_long_or_the_source_panics() {
	let world = World::with(TestSource::with_gate(0), VerifierSettings::default());
	let token = world.ed.sign(&claims());
	assert_eq!(world.verify(&token), Err(TokenError::KeysUnavailable));
	let error = |world: &World| world.cache.status().last_error.unwrap();
	assert_eq!(error(&world), "the keys could not be fetched: it took too long");
	world.source.is_broken.store(true, Ordering::SeqCst);
	world.clock.advance(limits().min_interval_seconds);
	assert_eq!(world.verify(&token), Err(TokenError::KeysUnavailable));
	assert_eq!(error(&world), "the keys could not be fetched: the source failed");
	// And the next attempt is as good as any.
	world.source.is_broken.store(false, Ordering::SeqCst);
	world.source.gate.as_ref().unwrap().add_permits(1);
	world.clock.advance(limits().min_interval_seconds);
	assert!(world.verify(&token).is_ok());
}
