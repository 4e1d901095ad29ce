//! The token endpoint: RFC 6749, sections 2.3.1, 4.4 and 5.

use std::{collections::BTreeSet, sync::Arc};

use base64::{engine::general_purpose::STANDARD, Engine as _};
use oracle_access::{
	issue::{
		Clients, EndpointError, EndpointSettings, EndpointSettingsError, KeyRing, KeyRingSettings,
		LocalKeys, TokenEndpoint,
	},
	token::{KeyCache, KeyCacheLimits, Revocations, TokenVerifier, VerifierSettings},
	Principal, Role, Scopes,
};
use serde_json::{json, Value};

use crate::{
	clients::{entry, known_secret},
	support::*,
};

struct Endpoint {
	clock: Arc<TestClock>,
	keys: Arc<LocalKeys>,
	endpoint: TokenEndpoint,
	verifier: TokenVerifier,
}

fn settings() -> EndpointSettings {
	EndpointSettings {
		issuer: ISSUER.to_owned(),
		audience: AUDIENCE.to_owned(),
		lifetime_seconds: 300,
		max_concurrent: 4,
	}
}

fn client_file() -> String {
	entry(&[
		("id", "\"east\""),
		("roles", r#"["utility", "prosumer"]"#),
		("scopes", r#"["readings:read", "meters:read", "orders:write"]"#),
		("account", "\"5East\""),
		("zones", "[2, 1]"),
	]) + &entry(&[("id", "\"off\""), ("enabled", "false")])
		+ &entry(&[("id", "\"meter\""), ("roles", "[\"device\"]"), ("meter", "\"m7\"")])
}

impl Endpoint {
	fn new() -> Self {
		Self::with(settings()).unwrap()
	}

	fn with(settings: EndpointSettings) -> Result<Self, EndpointSettingsError> {
		let clock = TestClock::new();
		let ring = KeyRing::create(KeyRingSettings::default(), NOW).unwrap();
		let keys = Arc::new(LocalKeys::new(ring, clock.clone()));
		let clients = Clients::parse(&client_file()).unwrap();
		let endpoint = TokenEndpoint::new(clients, keys.clone(), settings, clock.clone())?;
		let cache = Arc::new(KeyCache::new(keys.clone(), KeyCacheLimits::default()));
		let verifier = TokenVerifier::new(
			[trusted(ISSUER, cache)],
			VerifierSettings::default(),
			Arc::new(Revocations::new(10, 3600, 30)),
			clock.clone(),
		)
		.unwrap();
		Ok(Self { clock, keys, endpoint, verifier })
	}

	/// What a request with HTTP Basic gives: the JSON of the answer.
	fn basic(&self, id: &str, secret: &str, body: &str) -> Result<Value, EndpointError> {
		let credentials = STANDARD.encode(format!("{id}:{secret}"));
		self.answer(Some(&format!("Basic {credentials}")), body)
	}

	fn answer(&self, authorization: Option<&str>, body: &str) -> Result<Value, EndpointError> {
		let answer = self.endpoint.answer(authorization, body.as_bytes())?;
		Ok(serde_json::to_value(&answer).unwrap())
	}

	fn verify(&self, answer: &Value) -> Principal {
		wait(self.verifier.verify(answer["access_token"].as_str().unwrap())).unwrap()
	}
}

const GRANT: &str = "grant_type=client_credentials";

fn secret() -> &'static str {
	known_secret().0.expose()
}

#[test]
fn answer_issues_a_token_that_the_verifier_takes() {
	let endpoint = Endpoint::new();
	let answer = endpoint.basic("east", secret(), GRANT).unwrap();
	let names: BTreeSet<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
	assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"].into());
	assert_eq!(answer["token_type"], "Bearer");
	assert_eq!(answer["expires_in"], 300);
	assert_eq!(answer["scope"], "readings:read meters:read orders:write");
	let principal = endpoint.verify(&answer);
	assert_eq!(principal.id(), "https://id.example/realm#east");
	assert_eq!(principal.expires_at, NOW + 300);
	assert_eq!(principal.roles, [Role::Prosumer, Role::Utility].into());
	assert_eq!(principal.scopes, Scopes::known_in("readings:read meters:read orders:write"));
	assert_eq!(principal.account.as_deref(), Some("5East"));
	assert_eq!(principal.zones, [1, 2].into());
	let header = jsonwebtoken::decode_header(answer["access_token"].as_str().unwrap()).unwrap();
	assert_eq!(header.typ.as_deref(), Some("at+jwt"));
	assert_eq!(header.alg, jsonwebtoken::Algorithm::EdDSA);
}

#[test]
fn answer_takes_the_secret_in_the_body_too_and_each_token_has_its_own_id() {
	let endpoint = Endpoint::new();
	let body = format!("{GRANT}&client_id=meter&client_secret={}&resource=x", secret());
	let one = endpoint.verify(&endpoint.answer(None, &body).unwrap());
	let two = endpoint.verify(&endpoint.answer(None, &body).unwrap());
	assert_eq!(one.meter.as_deref(), Some("m7"));
	assert_ne!(one.token_id, two.token_id);
	assert_eq!(one.token_id.len(), 32);
	// In the header it may be form-encoded, every letter of it, and the name may be repeated.
	let all: String = secret().bytes().map(|byte| format!("%{byte:02x}")).collect();
	let body = format!("{GRANT}&client_id=meter");
	assert!(endpoint.basic("m%65ter", &all, &body).is_ok());
}

#[test]
fn answer_narrows_to_the_scopes_asked_for_and_never_widens() {
	let endpoint = Endpoint::new();
	let ask = |scope: &str| endpoint.basic("east", secret(), &format!("{GRANT}&scope={scope}"));
	let answer = ask("meters:read").unwrap();
	assert_eq!(answer["scope"], "meters:read");
	assert_eq!(endpoint.verify(&answer).scopes, Scopes::known_in("meters:read"));
	assert_eq!(ask("orders%3Awrite+meters:read").unwrap()["scope"], "meters:read orders:write");
	// An empty parameter counts as not there.
	assert_eq!(ask("").unwrap()["scope"], "readings:read meters:read orders:write");
	for scope in
		["access:write", "meters:read+access:write", "openid", "meters:read++", "trades:write"]
	{
		assert_eq!(ask(scope), Err(EndpointError::InvalidScope), "{scope}");
	}
}

#[test]
fn answer_is_the_same_for_an_unknown_client_a_disabled_one_and_a_wrong_secret() {
	let endpoint = Endpoint::new();
	let long = "x".repeat(3000);
	for (id, secret) in [
		("nobody", secret()),
		("off", secret()),
		("east", "wrong"),
		("east", ""),
		("", secret()),
		("EAST", secret()),
		("east", long.as_str()),
		("east", "a=b"),
		("east", "a&b"),
	] {
		let error = endpoint.basic(id, secret, GRANT).unwrap_err();
		assert_eq!(error, EndpointError::InvalidClient, "{id}");
	}
	let error = EndpointError::InvalidClient;
	assert_eq!(error.status(), 401);
	assert_eq!(error.challenge(), Some("Basic realm=\"token endpoint\", charset=\"UTF-8\""));
	assert_eq!(
		serde_json::from_str::<Value>(&error.body()).unwrap(),
		json!({
			"error": "invalid_client",
			"error_description": "the client or its secret is not known",
		})
	);
}

#[test]
fn answer_refuses_a_request_that_is_not_one() {
	let endpoint = Endpoint::new();
	let basic = format!("Basic {}", STANDARD.encode(format!("east:{}", secret())));
	let both = format!("{GRANT}&client_id=east&client_secret={}", secret());
	let long = format!("{GRANT}&x={}", "x".repeat(16 * 1024));
	let invalid = EndpointError::InvalidRequest;
	let twice = invalid("a parameter is repeated");
	let not_twice = invalid("the client authenticates in the header and in the body");
	let missing = invalid("grant_type is missing");
	let scope_twice = format!("{GRANT}&scope=a&scope=a");
	let differs = format!("{GRANT}&client_id=off");
	for (authorization, body, error) in [
		(Some(&*basic), "", missing.clone()),
		(Some(&*basic), "grant_type=", missing),
		(Some(&*basic), "grant_type=client_credentials&grant_type=x", twice.clone()),
		(Some(&*basic), &*scope_twice, twice),
		(Some(&*basic), "grant_type=password", EndpointError::UnsupportedGrantType),
		(Some(&*basic), "grant_type=authorization_code", EndpointError::UnsupportedGrantType),
		(Some(&*basic), &*both, not_twice),
		(Some(&*basic), &*differs, invalid("client_id differs from the header's")),
		(Some(&*basic), &*long, invalid("the request is too long")),
		(None, GRANT, EndpointError::InvalidClient),
		(Some("Bearer x"), GRANT, EndpointError::InvalidClient),
		(Some("Basic"), GRANT, EndpointError::InvalidClient),
		(Some("Basic !!"), GRANT, EndpointError::InvalidClient),
		(Some("Basic YQ=="), GRANT, EndpointError::InvalidClient),
		(Some("Basic //86"), GRANT, EndpointError::InvalidClient),
	] {
		assert_eq!(endpoint.answer(authorization, body), Err(error), "{authorization:?} {body}");
	}
}

#[test]
fn errors_have_the_codes_and_statuses_of_the_rfc() {
	for (error, code, status) in [
		(EndpointError::InvalidRequest("x"), "invalid_request", 400),
		(EndpointError::InvalidClient, "invalid_client", 401),
		(EndpointError::UnsupportedGrantType, "unsupported_grant_type", 400),
		(EndpointError::InvalidScope, "invalid_scope", 400),
		(EndpointError::Busy, "temporarily_unavailable", 503),
		(EndpointError::Server, "server_error", 500),
	] {
		assert_eq!((error.code(), error.status()), (code, status));
		assert_eq!(error.challenge().is_some(), status == 401);
		let body: Value = serde_json::from_str(&error.body()).unwrap();
		assert_eq!(body["error"], code);
		assert!(body["error_description"].is_string());
	}
}

#[test]
fn answer_checks_a_bounded_number_of_secrets_at_once() {
	let endpoint = Endpoint::with(EndpointSettings { max_concurrent: 2, ..settings() }).unwrap();
	let results = std::thread::scope(|scope| {
		let ask = || endpoint.basic("east", secret(), GRANT).map(|_| ());
		let threads: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
		threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
	});
	// Which of them come through depends on the machine, but nothing else can come out.
	assert!(results.iter().any(Result::is_ok));
	for result in results {
		assert!(matches!(result, Ok(()) | Err(EndpointError::Busy)), "{result:?}");
	}
	// And every turn was given back.
	for _ in 0..3 {
		assert!(endpoint.basic("east", secret(), GRANT).is_ok());
		assert!(endpoint.basic("east", "wrong", GRANT).is_err());
	}
}

#[test]
fn new_endpoint_refuses_settings_that_are_wrong() {
	let new = |settings| Endpoint::with(settings).err();
	assert_eq!(new(settings()), None);
	for lifetime_seconds in [0, 59, 3601] {
		let wrong = EndpointSettings { lifetime_seconds, ..settings() };
		assert_eq!(new(wrong), Some(EndpointSettingsError::Lifetime(lifetime_seconds)));
	}
	let nobody = EndpointSettings { issuer: String::new(), ..settings() };
	assert_eq!(new(nobody), Some(EndpointSettingsError::Empty));
	let for_nobody = EndpointSettings { audience: String::new(), ..settings() };
	assert_eq!(new(for_nobody), Some(EndpointSettingsError::Empty));
	let none = EndpointSettings { max_concurrent: 0, ..settings() };
	assert_eq!(new(none), Some(EndpointSettingsError::NoneAtOnce));
}

#[test]
fn replaced_clients_count_from_the_next_request_on() {
	let endpoint = Endpoint::new();
	assert!(endpoint.basic("east", secret(), GRANT).is_ok());
	endpoint.endpoint.replace_clients(Clients::parse(&entry(&[])).unwrap());
	assert_eq!(endpoint.basic("east", secret(), GRANT), Err(EndpointError::InvalidClient));
	assert!(endpoint.basic("one", secret(), GRANT).is_ok());
}

#[test]
fn tokens_stay_good_while_keys_change_and_are_refused_when_all_are_replaced() {
	let endpoint = Endpoint::new();
	let settings = KeyRingSettings::default();
	let limits = KeyCacheLimits::default();
	let ask = || {
		let answer = endpoint.basic("east", secret(), GRANT).unwrap();
		answer["access_token"].as_str().unwrap().to_owned()
	};
	let verify = |token: &str| wait(endpoint.verifier.verify(token)).is_ok();
	let first = ask();
	assert!(verify(&first));
	let key_of = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
	endpoint.keys.change(|ring| ring.rotate(NOW)).unwrap();
	assert_eq!(key_of(&ask()), key_of(&first), "the new key does not sign yet");
	// Just before and at the change.
	endpoint.clock.set(NOW + settings.lead_seconds - 1);
	let last = ask();
	assert_eq!(key_of(&last), key_of(&first));
	assert!(verify(&last));
	endpoint.clock.advance(1);
	let new = ask();
	assert_ne!(key_of(&new), key_of(&first));
	assert!(verify(&new) && verify(&last));
	// A key became known: what it signed counts no more once the set is fetched again.
	endpoint.keys.change(|ring| ring.replace_all(NOW + settings.lead_seconds)).unwrap();
	endpoint.clock.advance(limits.min_interval_seconds);
	assert!(verify(&ask()));
	assert!(!verify(&new) && !verify(&last));
}

#[test]
fn debug_has_no_token_and_no_secret() {
	let endpoint = Endpoint::new();
	let body = format!("{GRANT}&client_id=east&client_secret={}", secret());
	let answer = endpoint.endpoint.answer(None, body.as_bytes()).unwrap();
	let text = format!("{answer:?}");
	assert!(text.contains(&answer.token_id) && !text.contains(answer.access_token.as_str()));
}

#[test]
fn revocation_says_who_asks_and_for_which_token() {
	let endpoint = Endpoint::new();
	let basic =
		|id: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
	let header = basic("east", secret());
	let ask = |authorization: Option<&str>, body: &str| {
		let asked = endpoint.endpoint.revocation(authorization, body.as_bytes())?;
		Ok((asked.client.map(|client| client.id()), asked.token.to_string()))
	};
	let east = Some("https://id.example/realm#east".to_owned());
	let body = "token=abc.def&token_type_hint=access_token";
	assert_eq!(ask(Some(&header), body), Ok((east.clone(), "abc.def".to_owned())));
	let in_body = format!("{body}&client_id=east&client_secret={}", secret());
	assert_eq!(ask(None, &in_body), Ok((east, "abc.def".to_owned())));
	// A hint that nobody knows is no error (RFC 7009, section 2.1).
	assert!(ask(Some(&header), "token=a&token_type_hint=device_secret").is_ok());
	assert_eq!(ask(Some("Bearer x.y.z"), "token=a"), Ok((None, "a".to_owned())));

	let invalid = EndpointError::InvalidRequest;
	for (authorization, body, expected) in [
		(Some(&*header), "token_type_hint=access_token", invalid("token is missing")),
		(Some(&*header), "token=a&token=b", invalid("a parameter is repeated")),
		(Some(&*header), "token=", invalid("token is missing")),
		(None, "token=a", EndpointError::InvalidClient),
		(None, "token=a&client_id=east", EndpointError::InvalidClient),
		(Some(&*basic("east", "wrong")), "token=a", EndpointError::InvalidClient),
		(Some(&*basic("off", secret())), "token=a", EndpointError::InvalidClient),
		(
			Some("Bearer x"),
			"token=a&client_secret=b",
			invalid("the client authenticates in the header and in the body"),
		),
	] {
		assert_eq!(ask(authorization, body), Err(expected), "{body}");
	}
	let asked = endpoint.endpoint.revocation(Some(&header), body.as_bytes()).unwrap();
	assert!(!format!("{asked:?}").contains("abc"));
	assert_eq!(
		asked.client.unwrap().scopes,
		endpoint.verify(&endpoint.basic("east", secret(), GRANT).unwrap()).scopes
	);
}
