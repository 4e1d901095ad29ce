//! Signatures against the vectors of RFC 9421 and RFC 9530, and against another implementation.

#![allow(clippy::unwrap_used)]

use base64::{engine::general_purpose::STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use signed_webhooks::*;

const CREATED: u64 = 1_618_884_473;
/// `test-shared-secret` (RFC 9421, B.1.5).
const SECRET: &str =
	"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
/// Seed of `test-key-ed25519` (RFC 9421, B.1.4).
const SEED: &str = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=";
const BODY: &[u8] = br#"{"hello": "world"}"#;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
	fields
		.iter()
		.map(|(name, value)| {
			(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
		})
		.collect()
}

fn hmac_key() -> SigningKey {
	SigningKey::hmac_sha256(&STANDARD.decode(SECRET).unwrap()).unwrap()
}

fn ed25519_key() -> SigningKey {
	SigningKey::ed25519(&STANDARD.decode(SEED).unwrap()).unwrap()
}

/// The names as components.
fn components(names: &[&str]) -> Vec<Component> {
	names
		.iter()
		.map(|name| match *name {
			"@method" => Component::Method,
			"@target-uri" => Component::TargetUri,
			"@authority" => Component::Authority,
			"@path" => Component::Path,
			field => Component::Field(field.into()),
		})
		.collect()
}

mod vectors {
	use super::*;

	fn check(label: &str, names: &[&str], key_id: &str, key: &SigningKey, expected: (&str, &str)) {
		let mut headers = headers(&[
			("host", "example.com"),
			("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
			("content-type", "application/json"),
			("content-length", "18"),
		]);
		let uri = Uri::from_static("https://example.com/foo?param=Value&Pet=dog");
		let parameters = Parameters {
			label: label.into(),
			components: components(names),
			created_seconds: CREATED,
			expires_seconds: None,
			key_id: key_id.into(),
			name_algorithm: false,
		};
		let message = Message { method: &Method::POST, target_uri: &uri, headers: &headers };
		let fields = sign(&message, &parameters, key).unwrap();
		assert_eq!(fields.signature_input, format!("{label}={}", expected.0));
		assert_eq!(fields.signature, format!("{label}=:{}:", expected.1));

		headers.insert("signature-input", fields.signature_input.parse().unwrap());
		headers.insert("signature", fields.signature.parse().unwrap());
		let message = Message { method: &Method::POST, target_uri: &uri, headers: &headers };
		let policy =
			Policy { label: label.into(), components: components(names), ..Policy::default() };
		let verifying = key.verifying_key();
		let verified =
			verify(&message, BODY, &policy, |name| (name == key_id).then_some(&verifying), CREATED);
		assert_eq!(verified.unwrap().key_id, key_id);
	}

	/// RFC 9421, B.2.5.
	#[test]
	fn hmac_sha256_has_the_signature_of_the_standard() {
		check(
			"sig-b25",
			&["date", "@authority", "content-type"],
			"test-shared-secret",
			&hmac_key(),
			(
				r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
				"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
			),
		);
	}

	/// RFC 9421, B.2.6.
	#[test]
	fn ed25519_has_the_signature_of_the_standard() {
		check(
			"sig-b26",
			&["date", "@method", "@path", "@authority", "content-type", "content-length"],
			"test-key-ed25519",
			&ed25519_key(),
			(
				r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
				"wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
			),
		);
	}

	/// RFC 9530, appendix B.1 (with a line feed) and the digest of nothing.
	#[test]
	fn content_digest_is_that_of_the_standard() {
		for (body, digest) in [
			(&b"{\"hello\": \"world\"}\n"[..], "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="),
			(BODY, "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
			(b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
		] {
			let value = format!("sha-256=:{digest}:");
			assert_eq!(content_digest(body), value);
			assert!(content_digest_matches(&value, body));
			assert!(content_digest_matches(&format!("unknown=:AA==:, {value}"), body));
			assert!(!content_digest_matches(&value, b"other"));
		}
		for value in ["", "sha-256", "sha-256=AA", "sha-512=:AA==:", "sha-256=:AA==:", "(("] {
			assert!(!content_digest_matches(value, BODY), "{value}");
		}
	}
}

/// A webhook as the receiver gets it.
struct Webhook {
	method: Method,
	uri: Uri,
	headers: HeaderMap,
	body: Vec<u8>,
}

const NOW: u64 = CREATED + 10;

fn webhook(
	key: &SigningKey,
	created_seconds: u64,
	change: impl FnOnce(&mut Parameters),
) -> Webhook {
	let uri = Uri::from_static("https://hooks.example/energy?meter=7");
	let mut headers = headers(&[
		("content-type", "application/json"),
		("content-digest", &content_digest(BODY)),
		("webhook-id", "delivery-1"),
	]);
	let mut parameters = Parameters {
		label: LABEL.into(),
		components: webhook_components(),
		created_seconds,
		expires_seconds: Some(created_seconds + 120),
		key_id: "key-1".into(),
		name_algorithm: true,
	};
	change(&mut parameters);
	let message = Message { method: &Method::POST, target_uri: &uri, headers: &headers };
	let fields = sign(&message, &parameters, key).unwrap();
	headers.insert("signature-input", fields.signature_input.parse().unwrap());
	headers.insert("signature", fields.signature.parse().unwrap());
	Webhook { method: Method::POST, uri, headers, body: BODY.to_vec() }
}

impl Webhook {
	fn verify(&self, key: &VerifyingKey, now: u64) -> Result<Verified, VerifyError> {
		let message =
			Message { method: &self.method, target_uri: &self.uri, headers: &self.headers };
		let known = |name: &str| (name == "key-1").then_some(key);
		verify(&message, &self.body, &Policy::default(), known, now)
	}

	fn set(&mut self, name: &'static str, value: &str) {
		self.headers.insert(name, value.parse().unwrap());
	}

	/// Replaces a part of `Signature-Input`.
	fn rewrite(&mut self, from: &str, to: &str) {
		let input = self.headers["signature-input"].to_str().unwrap().to_owned();
		assert!(input.contains(from), "{input}");
		self.set("signature-input", &input.replace(from, to));
	}
}

mod verification {
	use super::*;

	#[test]
	fn webhook_is_taken_with_either_algorithm() {
		for key in [hmac_key(), ed25519_key()] {
			let verified = webhook(&key, CREATED, |_| ()).verify(&key.verifying_key(), NOW);
			assert_eq!(
				verified,
				Ok(Verified {
					key_id: "key-1".into(),
					created_seconds: CREATED,
					delivery_id: Some("delivery-1".into()),
				})
			);
		}
	}

	#[test]
	fn every_change_is_noticed() {
		for key in [hmac_key(), ed25519_key()] {
			let verifying = key.verifying_key();
			let changed = |change: fn(&mut Webhook)| {
				let mut webhook = webhook(&key, CREATED, |_| ());
				change(&mut webhook);
				webhook.verify(&verifying, NOW).unwrap_err()
			};
			let wrong = VerifyError::WrongSignature;
			assert_eq!(changed(|w| w.method = Method::PUT), wrong);
			assert_eq!(
				changed(|w| w.uri = Uri::from_static("https://hooks.example/energy")),
				wrong
			);
			assert_eq!(
				changed(|w| w.uri = Uri::from_static("http://hooks.example/energy?meter=7")),
				wrong
			);
			assert_eq!(changed(|w| w.set("content-type", "text/plain")), wrong);
			assert_eq!(changed(|w| w.set("webhook-id", "delivery-2")), wrong);
			assert_eq!(changed(|w| w.set("content-digest", &content_digest(b""))), wrong);
			assert_eq!(changed(|w| w.rewrite("1618884473", "1618884474")), wrong);
			assert_eq!(changed(|w| w.body.push(b' ')), VerifyError::WrongDigest);
		}
	}

	#[test]
	fn other_key_of_the_same_algorithm_is_refused() {
		let webhook = webhook(&ed25519_key(), CREATED, |_| ());
		let other = SigningKey::ed25519(&[7; 32]).unwrap().verifying_key();
		assert_eq!(webhook.verify(&other, NOW), Err(VerifyError::WrongSignature));
	}

	/// RFC 9421, section 2.2.3: the scheme's own port is left out, another one is not.
	#[test]
	fn port_counts_unless_it_is_the_scheme_s_own() {
		let key = hmac_key();
		let headers = HeaderMap::new();
		let parameters = Parameters {
			label: LABEL.into(),
			components: components(&["@authority"]),
			created_seconds: CREATED,
			expires_seconds: None,
			key_id: "key-1".into(),
			name_algorithm: true,
		};
		let signature = |uri: &'static str| {
			let uri = Uri::from_static(uri);
			let message = Message { method: &Method::POST, target_uri: &uri, headers: &headers };
			sign(&message, &parameters, &key).unwrap().signature
		};
		let plain = signature("http://hooks.example/");
		assert_eq!(signature("http://hooks.example:80/"), plain);
		assert_eq!(signature("https://hooks.example:443/"), plain);
		assert_ne!(signature("http://hooks.example:443/"), plain);
		assert_ne!(signature("https://hooks.example:80/"), plain);
	}

	/// A public key must never be used as a shared secret.
	#[test]
	fn algorithm_is_that_of_the_key() {
		let public = hmac_key().verifying_key();
		let mut webhook = webhook(&ed25519_key(), CREATED, |_| ());
		assert_eq!(webhook.verify(&public, NOW), Err(VerifyError::WrongAlgorithm));
		webhook.rewrite(";alg=\"ed25519\"", "");
		assert_eq!(webhook.verify(&public, NOW), Err(VerifyError::WrongSignature));
	}

	#[test]
	fn window_is_closed_at_both_ends() {
		let key = hmac_key();
		let verifying = key.verifying_key();
		let short = webhook(&key, CREATED, |_| ());
		assert!(short.verify(&verifying, CREATED - 60).is_ok());
		assert_eq!(short.verify(&verifying, CREATED - 61), Err(VerifyError::NotYet));
		assert!(short.verify(&verifying, CREATED + 120).is_ok());
		assert_eq!(short.verify(&verifying, CREATED + 121), Err(VerifyError::Expired));
		let long = webhook(&key, CREATED, |p| p.expires_seconds = None);
		assert!(long.verify(&verifying, CREATED + 300).is_ok());
		assert_eq!(long.verify(&verifying, CREATED + 301), Err(VerifyError::Expired));
	}

	#[test]
	fn signature_that_covers_too_little_is_refused() {
		let key = hmac_key();
		for (index, name) in
			["@method", "@target-uri", "content-digest", "content-type", "webhook-id"]
				.into_iter()
				.enumerate()
		{
			let webhook = webhook(&key, CREATED, |p| {
				p.components.remove(index);
			});
			let refused = webhook.verify(&key.verifying_key(), NOW);
			assert_eq!(refused, Err(VerifyError::NotCovered(name.into())));
		}
	}

	#[test]
	fn malformed_and_missing_parts_are_named() {
		let key = hmac_key();
		let refused = |change: fn(&mut Webhook)| {
			let mut webhook = webhook(&key, CREATED, |_| ());
			change(&mut webhook);
			webhook.verify(&key.verifying_key(), NOW).unwrap_err().to_string()
		};
		assert_eq!(
			refused(|w| drop(w.headers.remove("signature"))),
			"signature: no signature with the label"
		);
		assert_eq!(
			refused(|w| drop(w.headers.remove("signature-input"))),
			"signature-input: no signature with the label"
		);
		assert_eq!(
			refused(|w| w.rewrite("webhook=", "other=")),
			"signature-input: no signature with the label"
		);
		assert_eq!(
			refused(|w| w.set("signature-input", "webhook=(")),
			"signature-input: malformed"
		);
		assert_eq!(
			refused(|w| w.set("signature-input", "webhook=1")),
			"signature-input: malformed"
		);
		assert_eq!(refused(|w| w.set("signature", "webhook=\"a\"")), "signature: malformed");
		assert_eq!(refused(|w| w.set("signature", "webhook=()")), "signature: malformed");
		assert_eq!(refused(|w| w.rewrite("=1618884473", "=-1")), "created: malformed");
		assert_eq!(refused(|w| w.rewrite("\"key-1\"", "1")), "keyid: malformed");
		assert_eq!(refused(|w| w.rewrite(";keyid=\"key-1\"", "")), "parameter keyid: missing");
		assert_eq!(refused(|w| w.rewrite(";created=1618884473", "")), "parameter created: missing");
		assert_eq!(refused(|w| w.rewrite("key-1", "key-2")), "keyid: unknown");
		assert_eq!(
			refused(|w| w.rewrite("\"@method\"", "\"@method\" \"@method\"")),
			"component @method: covered twice"
		);
		assert_eq!(
			refused(|w| w.rewrite("\"@method\"", "\"@method\";req")),
			"component @method: not supported"
		);
		assert_eq!(
			refused(|w| w.rewrite("\"@method\"", "\"@method\" \"@status\"")),
			"component @status: not supported"
		);
		assert_eq!(
			refused(|w| drop(w.headers.remove("webhook-id"))),
			"component webhook-id: not in the request"
		);
		assert_eq!(
			refused(|w| drop(
				w.headers.insert("webhook-id", HeaderValue::from_bytes(b"\xE9").unwrap())
			)),
			"component webhook-id: has a byte that is not printable ASCII"
		);
		assert_eq!(
			refused(|w| w.uri = Uri::from_static("/energy")),
			"target_uri: has no scheme or host"
		);
	}

	#[test]
	fn key_and_parameters_are_checked() {
		assert_eq!(SigningKey::ed25519(&[0; 31]).unwrap_err(), KeyError::Seed);
		assert_eq!(SigningKey::hmac_sha256(&[0; 31]).unwrap_err(), KeyError::SecretTooShort(31));
		assert_eq!(VerifyingKey::hmac_sha256(b"").unwrap_err(), KeyError::SecretTooShort(0));
		assert_eq!(VerifyingKey::ed25519(&[0; 33]).unwrap_err(), KeyError::PublicKeyLength(33));
		assert_eq!(format!("{:?}", hmac_key()), "SigningKey(hmac-sha256)");
		let (uri, headers) = (Uri::from_static("https://a.example"), HeaderMap::new());
		let message = Message { method: &Method::POST, target_uri: &uri, headers: &headers };
		let good = Parameters {
			label: LABEL.into(),
			components: components(&["@method"]),
			created_seconds: 1,
			expires_seconds: None,
			key_id: "k".into(),
			name_algorithm: true,
		};
		let refused =
			|parameters: Parameters| sign(&message, &parameters, &hmac_key()).unwrap_err();
		for (parameters, field) in [
			(Parameters { label: "A b".into(), ..good.clone() }, "label"),
			(Parameters { key_id: "\n".into(), ..good.clone() }, "key_id"),
			(Parameters { created_seconds: u64::MAX, ..good.clone() }, "created_seconds"),
			(Parameters { expires_seconds: Some(1 << 62), ..good.clone() }, "expires_seconds"),
		] {
			assert_eq!(refused(parameters), SignError::Parameter(field));
		}
		let absent = Parameters { components: components(&["date"]), ..good };
		assert!(matches!(refused(absent), SignError::Component(ComponentError::Absent(_))));
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(256))]

	/// Whatever stands in the two fields, verifying neither panics nor trusts it.
	#[test]
	fn arbitrary_fields_are_refused(
		input in "[ -~]{0,80}", signature in "[ -~]{0,80}", prefix in any::<bool>(),
	) {
		let key = hmac_key();
		let mut webhook = webhook(&key, CREATED, |_| ());
		webhook.set("signature-input", &if prefix { format!("webhook={input}") } else { input });
		webhook.set("signature", &if prefix { format!("webhook=:{signature}:") } else { signature });
		prop_assert!(webhook.verify(&key.verifying_key(), NOW).is_err());
	}

	/// Another spelling of the scheme's own port and of the host is the same address.
	#[test]
	fn default_port_and_case_of_the_host_do_not_matter(path in "/[a-z0-9/]{0,12}") {
		let key = ed25519_key();
		let mut webhook = webhook(&key, CREATED, |_| ());
		let headers = webhook.headers.clone();
		webhook.uri = "https://HOOKS.example:443/energy?meter=7".parse().unwrap();
		prop_assert!(webhook.verify(&key.verifying_key(), NOW).is_ok());
		webhook.uri = format!("https://hooks.example{path}x").parse().unwrap();
		prop_assert!(webhook.verify(&key.verifying_key(), NOW).is_err());
		prop_assert_eq!(headers, webhook.headers);
	}
}

/// Against the Python package `http-message-signatures` 3.0.0. `PYTHON` names the interpreter.
mod interop {
	use super::*;
	use serde_json::{json, Value};
	use std::{
		io::Write,
		process::{Command, Stdio},
		time::{SystemTime, UNIX_EPOCH},
	};

	fn python(action: &str, input: &Value) -> Value {
		let interpreter = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
		let mut child = Command::new(interpreter)
			.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop.py"))
			.arg(action)
			.stdin(Stdio::piped())
			.stdout(Stdio::piped())
			.spawn()
			.unwrap();
		child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
		let output = child.wait_with_output().unwrap();
		assert!(output.status.success(), "{action} failed");
		serde_json::from_slice(&output.stdout).unwrap()
	}

	fn request(webhook: &Webhook, algorithm: &str, secret: &str) -> Value {
		let headers: serde_json::Map<String, Value> = webhook
			.headers
			.iter()
			.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
			.collect();
		json!({
			"method": "POST",
			"url": webhook.uri.to_string(),
			"headers": headers,
			"algorithm": algorithm,
			"secret": secret,
		})
	}

	fn now() -> u64 {
		SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
	}

	#[test]
	#[ignore = "needs Python with http-message-signatures"]
	fn each_side_verifies_what_the_other_signs() {
		for (key, algorithm, secret) in
			[(hmac_key(), "hmac-sha256", SECRET), (ed25519_key(), "ed25519", SEED)]
		{
			let mut webhook = webhook(&key, now(), |_| ());
			let covered = python("verify", &request(&webhook, algorithm, secret));
			let names: Vec<String> =
				webhook_components().iter().map(|name| format!("\"{name}\"")).collect();
			for name in names {
				assert!(covered.to_string().replace("\\\"", "\"").contains(&name), "{covered}");
			}
			webhook.headers.remove("signature-input");
			webhook.headers.remove("signature");
			let signed = python("sign", &request(&webhook, algorithm, secret));
			for name in ["signature-input", "signature"] {
				let value = signed
					.as_object()
					.unwrap()
					.iter()
					.find(|(field, _)| field.eq_ignore_ascii_case(name))
					.map(|(_, value)| value.as_str().unwrap())
					.unwrap();
				webhook.set(name, value);
			}
			assert_eq!(webhook.verify(&key.verifying_key(), now()).unwrap().key_id, "key-1");
		}
	}
}
