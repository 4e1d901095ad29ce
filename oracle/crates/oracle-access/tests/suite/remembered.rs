//! Tokens that are remembered after they were verified.

use std::sync::Arc;

use oracle_access::token::{
	KeyCache, KeyCacheLimits, Revocation, Revocations, TokenError, TokenVerifier, VerifierSettings,
};
use serde_json::json;

use crate::support::*;

fn world(remembered_tokens: usize) -> World {
	let settings = VerifierSettings { remembered_tokens, ..VerifierSettings::default() };
	World::with(TestSource::default(), settings)
}

#[test]
fn a_token_is_the_same_the_second_time() {
	let world = world(10);
	let token = world.ed.sign(&claims());
	let first = world.verify(&token).unwrap();
	assert_eq!(world.verifier.remembered_tokens(), 1);
	assert_eq!(world.verify(&token).unwrap(), first);
	// A token that differs in one letter is another one.
	let other = format!("{}{}", &token[..token.len() - 2], "AA");
	assert_eq!(world.verify(&other), Err(TokenError::SignatureWrong));
	assert_eq!(world.verifier.remembered_tokens(), 1);
}

#[test]
fn a_remembered_token_expires() {
	let world = world(10);
	let token = world.ed.sign(&claims());
	world.verify(&token).unwrap();
	world.clock.set(NOW + 300 + 29);
	world.verify(&token).unwrap();
	world.clock.set(NOW + 300 + 30);
	assert_eq!(world.verify(&token), Err(TokenError::Expired));
	assert_eq!(world.verifier.remembered_tokens(), 0);
	assert_eq!(world.verify(&token), Err(TokenError::Expired));
}

#[test]
fn a_clock_that_is_set_back_has_the_token_checked_again() {
	let world = world(10);
	let token = world.ed.sign(&claims_with("nbf", json!(NOW)));
	world.verify(&token).unwrap();
	world.clock.set(NOW - 31);
	assert_eq!(world.verify(&token), Err(TokenError::NotYetValid));
}

#[test]
fn a_remembered_token_can_be_revoked() {
	let world = world(10);
	let token = world.ed.sign(&claims());
	world.verify(&token).unwrap();
	let (issuer, token_id) = (ISSUER.to_owned(), "token-1".to_owned());
	let revocation = Revocation::Token { issuer, token_id, expires_at: NOW + 300 };
	world.revocations.revoke(revocation, NOW).unwrap();
	assert_eq!(world.verify(&token), Err(TokenError::Revoked));
	assert_eq!(world.verifier.remembered_tokens(), 0);
}

#[test]
fn a_subject_that_is_revoked_takes_its_remembered_tokens_with_it() {
	let world = world(10);
	let token = world.ed.sign(&claims());
	world.verify(&token).unwrap();
	let (issuer, subject) = (ISSUER.to_owned(), "anna".to_owned());
	world
		.revocations
		.revoke(Revocation::Subject { issuer, subject, not_before: NOW }, NOW)
		.unwrap();
	assert_eq!(world.verify(&token), Err(TokenError::Revoked));
}

#[test]
fn a_key_that_is_withdrawn_takes_its_remembered_tokens_with_it() {
	let world = world(10);
	let lasting = claims_with("exp", json!(NOW + 3600));
	let (by_ed, by_ec) = (world.ed.sign(&lasting), world.ec.sign(&lasting));
	world.verify(&by_ed).unwrap();
	world.verify(&by_ec).unwrap();
	world.source.publish(&[&world.ec]);
	world.clock.set(NOW + 600);
	assert_eq!(world.verify(&by_ed), Err(TokenError::KeyUnknown));
	world.verify(&by_ec).unwrap();
	// The same identifier with another key.
	let mut impostor = p256("ec-1");
	impostor.id = "ec-1".to_owned();
	world.source.publish(&[&impostor]);
	world.clock.set(NOW + 1200);
	assert_eq!(world.verify(&by_ec), Err(TokenError::SignatureWrong));
}

#[test]
fn no_more_tokens_are_remembered_than_said() {
	let world = world(3);
	let token = |id: usize| world.ed.sign(&claims_with("jti", json!(format!("t{id}"))));
	for id in 0..10 {
		assert_eq!(world.verify(&token(id)).unwrap().token_id, format!("t{id}"));
		assert!(world.verifier.remembered_tokens() <= 3);
	}
	assert_eq!(world.verifier.remembered_tokens(), 3);
	// Those that expired make room first.
	world.clock.set(NOW + 301);
	let fresh = world.ed.sign(&claims_with("exp", json!(NOW + 900)));
	world.verify(&fresh).unwrap();
	assert_eq!(world.verifier.remembered_tokens(), 1);
}

#[test]
fn nothing_is_remembered_where_that_is_said() {
	let world = world(0);
	let token = world.ed.sign(&claims());
	world.verify(&token).unwrap();
	world.verify(&token).unwrap();
	assert_eq!(world.verifier.remembered_tokens(), 0);
}

#[test]
fn tokens_of_an_issuer_whose_keys_are_lost_count_no_more() {
	let (clock, source) = (TestClock::new(), Arc::new(TestSource::default()));
	let key = ed25519("ed-1");
	source.publish(&[&key]);
	let limits = KeyCacheLimits { discard_after_seconds: 1000, ..KeyCacheLimits::default() };
	let verifier = TokenVerifier::new(
		[trusted(ISSUER, Arc::new(KeyCache::new(source.clone(), limits)))],
		VerifierSettings::default(),
		Arc::new(Revocations::new(10, 3600, 30)),
		clock.clone(),
	)
	.unwrap();
	let token = key.sign(&claims_with("exp", json!(NOW + 3600)));
	wait(verifier.verify(&token)).unwrap();
	source.publish_raw(None);
	clock.set(NOW + 999);
	wait(verifier.verify(&token)).unwrap();
	clock.set(NOW + 1000);
	assert_eq!(wait(verifier.verify(&token)), Err(TokenError::KeysUnavailable));
}
