//! Tokens that somebody made to get in.

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oracle_access::token::{Revocation, TokenError, VerifierSettings};
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

fn encoded(text: &str) -> String {
	URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn verify_refuses_alg_none_with_and_without_a_signature() {
	let world = World::new();
	let body = encoded(&claims().to_string());
	let good = world.ed.sign(&claims());
	let signature = good.rsplit('.').next().unwrap();
	for alg in ["none", "None", "NONE", "nOnE", ""] {
		let header = encoded(&json!({ "alg": alg, "typ": "JWT", "kid": "ed-1" }).to_string());
		for signature in ["", signature] {
			let token = format!("{header}.{body}.{signature}");
			assert_eq!(world.verify(&token), Err(TokenError::Malformed), "{alg}");
		}
	}
}

#[test]
fn verify_refuses_hmac_with_the_public_key_as_secret() {
	let world = World::new();
	for key in [&world.ed, &world.ec] {
		let text = key.jwk["x"].as_str().unwrap().as_bytes();
		for secret in [key.public.as_slice(), text] {
			for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
				let mut header = Header::new(algorithm);
				header.kid = Some(key.id.clone());
				let private = EncodingKey::from_secret(secret);
				let token = jsonwebtoken::encode(&header, &claims(), &private).unwrap();
				assert_eq!(world.verify(&token), Err(TokenError::AlgorithmRefused));
			}
		}
	}
}

#[test]
fn verify_refuses_every_algorithm_that_is_not_on_the_list() {
	let world = World::new();
	for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384"] {
		let header = json!({ "alg": alg, "kid": "ed-1" }).to_string();
		let token = world.ed.sign_raw(&header, &claims().to_string());
		assert_eq!(world.verify(&token), Err(TokenError::AlgorithmRefused), "{alg}");
	}
}

#[test]
fn verify_refuses_when_the_key_is_for_another_algorithm() {
	let world = World::new();
	let body = claims().to_string();
	// An ES256 token that names the EdDSA key, and the other way round.
	let token = world.ec.sign_raw(r#"{"alg":"ES256","kid":"ed-1"}"#, &body);
	assert_eq!(world.verify(&token), Err(TokenError::AlgorithmRefused));
	let token = world.ed.sign_raw(r#"{"alg":"EdDSA","kid":"ec-1"}"#, &body);
	assert_eq!(world.verify(&token), Err(TokenError::AlgorithmRefused));
	// The header says what the key is for, but the signature is of the other kind.
	let token = world.ec.sign_raw(r#"{"alg":"EdDSA","kid":"ed-1"}"#, &body);
	assert_eq!(world.verify(&token), Err(TokenError::SignatureWrong));
}

#[test]
fn verify_refuses_another_key_with_the_same_id() {
	let world = World::new();
	for key in [ed25519("ed-1"), p256("ec-1")] {
		assert_eq!(world.verify(&key.sign(&claims())), Err(TokenError::SignatureWrong));
	}
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
}

#[test]
fn verify_refuses_a_key_of_another_trusted_issuer() {
	let world = World::new();
	let other_key = ed25519("other-1");
	let other = World::new();
	other.source.publish(&[&other_key]);
	let verifier = oracle_access::token::TokenVerifier::new(
		[trusted(ISSUER, world.cache.clone()), trusted("https://b.example", other.cache.clone())],
		VerifierSettings::default(),
		world.revocations.clone(),
		world.clock.clone(),
	)
	.unwrap();
	let verify = |token: String| wait(verifier.verify(&token)).map(|principal| principal.id());
	let as_other = claims_with("iss", json!("https://b.example"));
	assert_eq!(verify(other_key.sign(&as_other)), Ok("https://b.example#anna".to_owned()));
	// The other issuer's key under this issuer's name.
	assert_eq!(verify(other_key.sign(&claims())), Err(TokenError::KeyUnknown));
	assert_eq!(verify(world.ed.sign(&as_other)), Err(TokenError::KeyUnknown));
}

#[test]
fn verify_refuses_the_wrong_issuer() {
	let world = World::new();
	for issuer in ["https://evil.example", "https://id.example/realm/", "HTTPS://ID.EXAMPLE/realm"]
	{
		let token = world.ed.sign(&claims_with("iss", json!(issuer)));
		assert_eq!(world.verify(&token), Err(TokenError::IssuerUnknown));
	}
	assert_eq!(world.source.fetches(), 0, "an unknown issuer causes no request");
}

#[test]
fn verify_refuses_the_wrong_audience() {
	let world = World::new();
	for audience in [json!("https://other.example"), json!([]), json!(["a", 7])] {
		let token = world.ed.sign(&claims_with("aud", audience));
		assert_eq!(world.verify(&token), Err(TokenError::AudienceWrong));
	}
}

#[test]
fn verify_refuses_an_expired_token_and_one_that_is_not_valid_yet() {
	let world = World::new();
	let mut expired = claims_with("exp", json!(NOW - 60));
	expired["iat"] = json!(NOW - 600);
	assert_eq!(world.verify_claims(&expired), Err(TokenError::Expired));
	let early = claims_with("nbf", json!(NOW + 60));
	assert_eq!(world.verify_claims(&early), Err(TokenError::NotYetValid));
}

#[test]
fn verify_fetches_keys_once_when_flooded_with_unknown_key_ids() {
	let world = World::new();
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
	assert_eq!(world.source.fetches(), 1);
	world.clock.advance(60);
	for number in 0..200 {
		let header = format!(r#"{{"alg":"EdDSA","kid":"unknown-{number}"}}"#);
		let token = world.ed.sign_raw(&header, &claims().to_string());
		assert_eq!(world.verify(&token), Err(TokenError::KeyUnknown));
	}
	assert_eq!(world.source.fetches(), 2);
	// The flood does not keep others out.
	assert!(world.verify(&world.ed.sign(&claims())).is_ok());
}

#[test]
fn verify_refuses_a_claim_that_is_there_twice() {
	let world = World::new();
	let header = r#"{"alg":"EdDSA","kid":"ed-1"}"#;
	let good = claims().to_string();
	assert!(world.verify(&world.ed.sign_raw(header, &good)).is_ok());
	for twice in [
		r#""sub":"root","#.to_owned(),
		r#""roles":["administrator"],"#.to_owned(),
		format!(r#""exp":{},"#, NOW + 100),
		format!(r#""iss":"{ISSUER}","#),
		// The same name, written differently.
		r#""s\u0075b":"root","#.to_owned(),
		// A name that nobody reads.
		r#""x":1,"x":1,"#.to_owned(),
	] {
		let body = good.replacen('{', &format!("{{{twice}"), 1);
		let token = world.ed.sign_raw(header, &body);
		assert_eq!(world.verify(&token), Err(TokenError::ClaimTwice), "{twice}");
	}
}

#[test]
fn verify_refuses_a_header_parameter_that_is_there_twice() {
	let world = World::new();
	for header in [
		r#"{"alg":"EdDSA","alg":"EdDSA","kid":"ed-1"}"#,
		r#"{"alg":"EdDSA","kid":"ed-2","kid":"ed-1"}"#,
	] {
		let token = world.ed.sign_raw(header, &claims().to_string());
		assert_eq!(world.verify(&token), Err(TokenError::Malformed), "{header}");
	}
}

#[test]
fn verify_refuses_a_huge_token_before_it_parses_it() {
	let world = World::new();
	let limit = VerifierSettings::default().max_token_bytes;
	let huge = world.ed.sign(&claims_with("x", json!("x".repeat(limit))));
	let length = huge.len();
	assert_eq!(world.verify(&huge), Err(TokenError::TooLong { length, limit }));
	// Not even a token; the length is all that is looked at.
	let length = 10_000_000;
	let garbage = ".".repeat(length);
	assert_eq!(world.verify(&garbage), Err(TokenError::TooLong { length, limit }));
	// Nesting within the limit ends the parser, not the process.
	let body = format!(r#"{{"iss":"{ISSUER}","x":{}1{}}}"#, "[".repeat(2000), "]".repeat(2000));
	let token = world.ed.sign_raw(r#"{"alg":"EdDSA","kid":"ed-1"}"#, &body);
	assert!(token.len() <= limit);
	assert_eq!(world.verify(&token), Err(TokenError::Malformed));
}

#[test]
fn verify_refuses_header_parameters_that_change_how_it_is_read() {
	let world = World::new();
	let jwk = &world.ed.jwk;
	for (name, value) in [
		("crit", json!(["exp"])),
		("crit", json!([])),
		("jwk", jwk.clone()),
		("jku", json!("https://evil.example/keys")),
		("x5u", json!("https://evil.example/certificate")),
		("x5c", json!(["MIIB"])),
		("enc", json!("A256GCM")),
		("zip", json!("DEF")),
		("cty", json!("JWT")),
		("b64", json!(false)),
		("typ", json!("dpop+jwt")),
	] {
		let header = json!({ "alg": "EdDSA", "kid": "ed-1", name: value }).to_string();
		let token = world.ed.sign_raw(&header, &claims().to_string());
		assert_eq!(world.verify(&token), Err(TokenError::HeaderRefused { name }), "{value}");
	}
	for typ in ["JWT", "at+jwt", "application/at+jwt", "AT+JWT"] {
		let header = json!({ "alg": "EdDSA", "kid": "ed-1", "typ": typ }).to_string();
		assert!(world.verify(&world.ed.sign_raw(&header, &claims().to_string())).is_ok());
	}
}

#[test]
fn verify_never_uses_a_key_that_the_token_brings() {
	let world = World::new();
	let evil = ed25519("ed-1");
	for header in [
		json!({ "alg": "EdDSA", "kid": "ed-1", "jwk": evil.jwk }),
		json!({ "alg": "EdDSA", "kid": "ed-1", "jku": "https://evil.example/keys" }),
		json!({ "alg": "EdDSA", "kid": "ed-1", "x5u": "https://evil.example/certificate" }),
	] {
		let token = evil.sign_raw(&header.to_string(), &claims().to_string());
		assert!(matches!(world.verify(&token), Err(TokenError::HeaderRefused { .. })));
	}
	assert_eq!(world.source.fetches(), 0);
}

#[test]
fn verify_refuses_when_the_header_names_no_key() {
	let world = World::new();
	let long = "k".repeat(257);
	for header in [
		json!({ "alg": "EdDSA" }),
		json!({ "alg": "EdDSA", "kid": "" }),
		json!({ "alg": "EdDSA", "kid": long }),
	] {
		let token = world.ed.sign_raw(&header.to_string(), &claims().to_string());
		assert_eq!(world.verify(&token), Err(TokenError::KeyIdMissing));
	}
}

#[test]
fn verify_refuses_a_revoked_token_and_a_revoked_subject() {
	let world = World::new();
	let token = world.ed.sign(&claims());
	let later = world.ed.sign(&claims_with("jti", json!("token-2")));
	let revoke = |revocation| world.revocations.revoke(revocation, NOW).unwrap();
	revoke(Revocation::Token {
		issuer: ISSUER.to_owned(),
		token_id: "token-1".to_owned(),
		expires_at: NOW + 300,
	});
	assert_eq!(world.verify(&token), Err(TokenError::Revoked));
	assert!(world.verify(&later).is_ok());
	revoke(Revocation::Subject {
		issuer: ISSUER.to_owned(),
		subject: "anna".to_owned(),
		not_before: NOW,
	});
	assert_eq!(world.verify(&later), Err(TokenError::Revoked));
	world.clock.advance(1);
	let mut new = claims_with("jti", json!("token-3"));
	new["iat"] = json!(NOW + 1);
	assert!(world.verify_claims(&new).is_ok());
}

#[test]
fn verify_refuses_what_is_not_a_token() {
	let world = World::new();
	let good = world.ed.sign(&claims());
	let (message, signature) = good.rsplit_once('.').unwrap();
	for token in [
		String::new(),
		"a".to_owned(),
		"..".to_owned(),
		message.to_owned(),
		format!("{good}.{signature}"),
		format!("{good}="),
		format!(" {good}"),
		good.replace('.', ","),
		world.ed.sign_raw("[]", "{}"),
		world.ed.sign_raw(r#"{"alg":"EdDSA","kid":"ed-1"}"#, "[]"),
		world.ed.sign_raw(r#"{"alg":"EdDSA","kid":"ed-1"}"#, "{}x"),
	] {
		assert_eq!(world.verify(&token), Err(TokenError::Malformed), "{token}");
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// No letter of a token can be changed. The last one of a part may have spare bits, which the
	/// decoder refuses when they are set.
	#[test]
	fn verify_refuses_a_token_with_a_changed_byte(at in any::<prop::sample::Index>(), to in 0x21u8..0x7f) {
		let world = World::new();
		let mut token = world.ed.sign(&claims()).into_bytes();
		let at = at.index(token.len());
		prop_assume!(token[at] != to);
		token[at] = to;
		let token = String::from_utf8(token).unwrap();
		prop_assert!(world.verify(&token).is_err());
	}

	#[test]
	fn verify_never_panics(token in ".{0,200}") {
		prop_assert!(World::new().verify(&token).is_err());
	}
}
