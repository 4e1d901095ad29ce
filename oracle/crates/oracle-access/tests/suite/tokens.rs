//! What a good token gives, and each claim that makes one bad.

use std::sync::Arc;

use oracle_access::{
	token::{
		bearer_token, KeyCache, KeyCacheLimits, Revocations, TokenError, TokenVerifier,
		TrustedIssuer, VerifierError, VerifierSettings,
	},
	Role, Scopes,
};
use serde_json::{json, Value};

use crate::support::*;

#[test]
fn verify_gives_the_principal_when_the_token_is_good() {
	let world = World::new();
	for key in [&world.ed, &world.ec] {
		let principal = world.verify(&key.sign(&claims())).unwrap();
		assert_eq!(principal.issuer, ISSUER);
		assert_eq!(principal.subject, "anna");
		assert_eq!(principal.token_id, "token-1");
		assert_eq!(principal.expires_at, NOW + 300);
		assert_eq!(principal.roles, [Role::Prosumer].into());
		assert_eq!(principal.scopes, Scopes::known_in("readings:read orders:write"));
		assert_eq!(principal.account.as_deref(), Some("5Anna"));
		assert!(principal.zones.is_empty());
		assert_eq!(principal.meter, None);
		assert_eq!(principal.id(), "https://id.example/realm#anna");
	}
}

#[test]
fn verify_takes_a_list_of_audiences_and_a_token_without_nbf_roles_or_scope() {
	let world = World::new();
	let mut claims = claims_with("aud", json!(["https://other.example", AUDIENCE]));
	let map = claims.as_object_mut().unwrap();
	for name in ["nbf", "roles", "scope", "account"] {
		map.remove(name);
	}
	map.insert("zones".to_owned(), json!([7, 3]));
	map.insert("meter".to_owned(), json!("meter-1"));
	let principal = world.verify_claims(&claims).unwrap();
	assert!(principal.roles.is_empty() && principal.scopes.is_empty());
	assert_eq!(principal.zones, [3, 7].into());
	assert_eq!(principal.meter.as_deref(), Some("meter-1"));
}

#[test]
fn verify_refuses_when_a_required_claim_is_missing() {
	let world = World::new();
	for name in ["iss", "aud", "sub", "jti", "iat", "exp"] {
		let missing = TokenError::ClaimMissing { name: name.to_owned() };
		assert_eq!(world.verify_claims(&claims_with(name, Value::Null)), Err(missing));
	}
}

#[test]
fn verify_refuses_when_a_claim_has_the_wrong_type_or_is_too_long() {
	let world = World::new();
	let long = "x".repeat(257);
	for (name, value) in [
		("iss", json!(["https://id.example/realm"])),
		("aud", json!(7)),
		("aud", json!(vec!["x"; 257])),
		("sub", json!("")),
		("sub", json!(long)),
		("jti", json!(7)),
		("jti", json!(long)),
		("iat", json!("1800000000")),
		("exp", json!(1.8e9 + 300.5)),
		("exp", json!(-1)),
		("nbf", json!(true)),
		("scope", json!(["readings:read"])),
		("roles", json!("administrator")),
		("roles", json!([7])),
		("zones", json!([-1])),
		("zones", json!([4_294_967_296_u64])),
		("zones", json!("1")),
		("account", json!(7)),
		("meter", json!("")),
	] {
		match world.verify_claims(&claims_with(name, value.clone())) {
			Err(TokenError::ClaimInvalid { name: found, .. }) => assert_eq!(found, name),
			other => panic!("{name} {value}: {other:?}"),
		}
	}
}

#[test]
fn verify_counts_times_with_the_leeway_and_to_the_second() {
	let world = World::new();
	let leeway = VerifierSettings::default().leeway_seconds;
	let at = |now: u64, claims: &Value| {
		world.clock.set(now);
		world.verify_claims(claims).map(|_| ())
	};
	let good = claims();
	assert_eq!(at(NOW + 300 + leeway - 1, &good), Ok(()));
	assert_eq!(at(NOW + 300 + leeway, &good), Err(TokenError::Expired));
	assert_eq!(at(NOW - leeway, &good), Ok(()));
	let later = claims_with("nbf", json!(NOW + 100));
	assert_eq!(at(NOW + 100 - leeway, &later), Ok(()));
	assert_eq!(at(NOW + 99 - leeway, &later), Err(TokenError::NotYetValid));
	let from_the_future = claims_with("nbf", Value::Null);
	assert_eq!(at(NOW - leeway - 1, &from_the_future), Err(TokenError::TimesImpossible));
	let backwards = claims_with("exp", json!(NOW - 1));
	assert_eq!(at(NOW, &backwards), Err(TokenError::TimesImpossible));
}

#[test]
fn verify_refuses_when_the_lifetime_is_too_long() {
	let world = World::new();
	let limit_seconds = VerifierSettings::default().max_lifetime_seconds;
	assert!(world.verify_claims(&claims_with("exp", json!(NOW + limit_seconds))).is_ok());
	assert_eq!(
		world.verify_claims(&claims_with("exp", json!(NOW + limit_seconds + 1))),
		Err(TokenError::LifetimeTooLong { limit_seconds })
	);
	// Extreme times are times like others, and no sum overflows.
	assert_eq!(
		world.verify_claims(&claims_with("exp", json!(u64::MAX))),
		Err(TokenError::LifetimeTooLong { limit_seconds })
	);
	assert_eq!(
		world.verify_claims(&claims_with("nbf", json!(u64::MAX))),
		Err(TokenError::NotYetValid)
	);
}

#[test]
fn verify_leaves_out_roles_that_the_issuer_may_not_give() {
	let world = World::new();
	let cache = Arc::new(KeyCache::new(world.source.clone(), KeyCacheLimits::default()));
	let issuer = TrustedIssuer {
		roles: [Role::Prosumer].into(),
		roles_claim: "groups".to_owned(),
		..trusted(ISSUER, cache)
	};
	let verifier = TokenVerifier::new(
		[issuer],
		VerifierSettings::default(),
		world.revocations.clone(),
		world.clock.clone(),
	)
	.unwrap();
	let claims = claims_with("groups", json!(["prosumer", "administrator"]));
	let principal = wait(verifier.verify(&world.ed.sign(&claims))).unwrap();
	assert_eq!(principal.roles, [Role::Prosumer].into());
}

#[test]
fn new_verifier_refuses_when_an_issuer_is_empty_or_there_twice() {
	let world = World::new();
	let new = |issuers: Vec<TrustedIssuer>| {
		let revocations = Arc::new(Revocations::new(1, 1, 1));
		let settings = VerifierSettings::default();
		TokenVerifier::new(issuers, settings, revocations, world.clock.clone()).err()
	};
	let issuer = |name: &str| trusted(name, world.cache.clone());
	assert_eq!(new(vec![issuer("a"), issuer("b")]), None);
	assert_eq!(
		new(vec![issuer("a"), issuer("a")]),
		Some(VerifierError::IssuerTwice("a".to_owned()))
	);
	assert_eq!(new(vec![issuer("")]), Some(VerifierError::Empty));
	let nobody = TrustedIssuer { audience: String::new(), ..issuer("a") };
	assert_eq!(new(vec![nobody]), Some(VerifierError::Empty));
}

#[test]
fn bearer_token_is_taken_from_the_header_only_in_its_own_scheme() {
	assert_eq!(bearer_token(Some("Bearer a.b.c")), Ok("a.b.c"));
	assert_eq!(bearer_token(Some("bearer   a.b.c ")), Ok("a.b.c"));
	for wrong in
		[None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some("a.b.c")]
	{
		assert_eq!(bearer_token(wrong), Err(TokenError::Missing), "{wrong:?}");
	}
}

#[test]
fn error_says_status_and_challenge() {
	assert_eq!(TokenError::Missing.status(), 401);
	assert_eq!(TokenError::Missing.challenge(), "Bearer");
	assert_eq!(TokenError::Missing.code(), "token-missing");
	assert_eq!(TokenError::Expired.code(), "token-expired");
	assert_eq!(TokenError::KeysUnavailable.status(), 503);
	assert_eq!(
		TokenError::Expired.challenge(),
		r#"Bearer error="invalid_token", error_description="the token has expired""#
	);
	let quoted = TokenError::ClaimMissing { name: "a\"b\\".to_owned() };
	assert_eq!(
		quoted.challenge(),
		r#"Bearer error="invalid_token", error_description="the token has no claim `a'b'`""#
	);
}
