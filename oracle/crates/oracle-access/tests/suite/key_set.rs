//! Documents of keys that providers publish.

use oracle_access::token::{KeySet, KeySetError, SigningAlgorithm};
use serde_json::{json, Value};

use crate::support::*;

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
	KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn with(key: &TestKey, name: &str, value: Value) -> Value {
	let mut jwk = key.jwk.clone();
	jwk[name] = value;
	jwk
}

#[test]
fn parse_takes_both_kinds_of_keys_and_skips_others() {
	let (ed, ec) = (ed25519("ed"), p256("ec"));
	let set = parse(&[
		ed.jwk.clone(),
		json!({ "kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB", "alg": "RS256" }),
		json!({ "kty": "oct", "kid": "secret", "k": "AAAA" }),
		ec.jwk.clone(),
		json!("not a key"),
	])
	.unwrap();
	assert_eq!((set.len(), set.skipped(), set.is_empty()), (2, 3, false));
	assert_eq!(set.key("ed").unwrap().algorithm, SigningAlgorithm::EdDsa);
	assert_eq!(set.key("ec").unwrap().algorithm, SigningAlgorithm::Es256);
	assert!(set.key("rsa").is_none() && set.key("secret").is_none());
}

#[test]
fn parse_skips_keys_that_are_not_for_this() {
	let (ed, ec) = (ed25519("ed"), p256("ec"));
	for jwk in [
		with(&ed, "use", json!("enc")),
		with(&ed, "key_ops", json!(["sign"])),
		with(&ed, "alg", json!("ES256")),
		with(&ed, "crv", json!("X25519")),
		with(&ed, "crv", json!("Ed448")),
		with(&ed, "x", json!("AAAA")),
		with(&ed, "x", json!("not base64!")),
		with(&ed, "x", Value::Null),
		with(&ed, "kid", Value::Null),
		with(&ed, "kid", json!("")),
		with(&ed, "kid", json!("k".repeat(257))),
		with(&ec, "crv", json!("P-384")),
		with(&ec, "crv", json!("secp256k1")),
		with(&ec, "alg", json!("ES384")),
		with(&ec, "y", Value::Null),
		with(&ec, "y", json!("AAAA")),
		with(&ec, "kty", json!("OKP")),
	] {
		let result = parse(std::slice::from_ref(&jwk));
		assert_eq!(result.unwrap_err(), KeySetError::NoUsableKey, "{jwk}");
	}
	assert!(parse(&[with(&ed, "key_ops", json!(["verify"]))]).is_ok());
}

#[test]
fn parse_refuses_the_document_when_an_id_is_there_twice() {
	let twice = KeySetError::KeyIdTwice { key_id: "one".to_owned() };
	let rsa = json!({ "kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB" });
	assert_eq!(parse(&[ed25519("one").jwk, p256("one").jwk]).unwrap_err(), twice);
	assert_eq!(parse(&[rsa, ed25519("one").jwk]).unwrap_err(), twice);
}

#[test]
fn parse_refuses_what_is_too_long_or_no_key_set() {
	let document = vec![b' '; 64 * 1024 + 1];
	assert_eq!(
		KeySet::parse(&document).unwrap_err(),
		KeySetError::TooLong { length: document.len() }
	);
	assert_eq!(parse(&vec![json!({}); 65]).unwrap_err(), KeySetError::TooMany { count: 65 });
	assert_eq!(parse(&[]).unwrap_err(), KeySetError::NoUsableKey);
	for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, "\u{fffd}"] {
		assert_eq!(KeySet::parse(document.as_bytes()).unwrap_err(), KeySetError::Malformed);
	}
}
