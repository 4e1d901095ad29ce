//! Who may do what over HTTP: every role on every endpoint, and what is written about it.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, path::Path};

use energy_oracle::{
	access::{consents::MemoryConsents, AccessSettings, Gate},
	webhooks::WebhookSettings,
};
use oracle_access::{
	audit::{self, Checkpoint},
	issue::{Secret, SecretHash},
	Action, Kind, Role,
};
use support::*;

/// The secret of every client.
const SECRET: &str = "a secret that is long enough for a test, and known to everybody";

/// The account of the first device, as the chain writes it.
fn account(device: &Device) -> String {
	device.registration().1.owner.to_string()
}

/// One client for each role, named like it; `zone` is that of utilities.
fn clients(devices: &[Device], zone: u32) -> String {
	let secret = Secret::new(SECRET.to_owned());
	let hash = SecretHash::of(&secret).unwrap().phc();
	Role::ALL
		.iter()
		.map(|role| {
			let more = match role {
				Role::Prosumer | Role::Aggregator => {
					format!("account = \"{}\"\n", account(&devices[0]))
				}
				Role::Utility => format!("zones = [{zone}]\n"),
				Role::Device => format!("meter = \"{}\"\n", hex::encode(devices[0].id().0)),
				_ => String::new(),
			};
			let scopes: Vec<String> = Kind::ALL
				.iter()
				.flat_map(|kind| {
					Action::ALL
						.iter()
						.map(move |action| (kind, action))
						.filter(|(kind, action)| **action == Action::Read || kind.is_writable())
				})
				.map(|(kind, action)| format!("\"{kind}:{action}\""))
				.collect();
			let scopes = scopes.join(", ");
			format!(
				"[[client]]\nid = \"{role}\"\nsecret_hashes = [\"{hash}\"]\nroles = [\"{role}\"]\n\
				 scopes = [{scopes}]\n{more}\n"
			)
		})
		.chain([format!(
			"[[client]]\nid = \"grantee\"\nsecret_hashes = [\"{hash}\"]\nroles = [\"prosumer\"]\n\
			 scopes = [\"slots:read\", \"readings:read\", \"consents:write\"]\naccount = \"{}\"\n",
			account(devices.last().unwrap())
		)])
		.collect()
}

fn settings(folder: &Path, clients: &str) -> AccessSettings {
	let clients_file = folder.join("clients.toml");
	std::fs::write(&clients_file, clients).unwrap();
	AccessSettings {
		issuer: "https://oracle.example".into(),
		audience: "oracle".into(),
		token_seconds: 600,
		signing_key_file: folder.join("signing.json"),
		clients_file,
		audit_folder: folder.join("audit"),
		anchor_audit_log: false,
		readings_without_token: false,
		devices_by_certificate: false,
		trusted: Vec::new(),
	}
}

struct Guarded {
	oracle: Running,
	files: tempfile::TempDir,
}

impl Guarded {
	async fn start(
		devices: &[Device],
		zone: u32,
		adjust: impl FnOnce(&mut AccessSettings),
	) -> Self {
		let files = tempfile::tempdir().unwrap();
		let mut access = settings(files.path(), &clients(devices, zone));
		adjust(&mut access);
		let webhooks = WebhookSettings {
			signing_key_file: files.path().join("webhooks.key"),
			source: "https://oracle.example".into(),
			allowed_networks: Vec::new(),
			authorities_file: None,
			http_to_loopback: false,
		};
		let oracle = Running::start_with(devices, |config| {
			config.access = Some(access);
			config.webhooks = Some(webhooks);
		})
		.await;
		Self { oracle, files }
	}

	async fn token(&self, client: &str) -> String {
		let answer = self
			.oracle
			.client
			.post(format!("{}/oauth/token", self.oracle.url))
			.basic_auth(client, Some(SECRET))
			.header("content-type", "application/x-www-form-urlencoded")
			.body("grant_type=client_credentials")
			.send()
			.await
			.unwrap();
		assert_eq!(answer.status(), 200, "{client}");
		assert_eq!(answer.headers()["cache-control"], "no-store");
		let answer: serde_json::Value = answer.json().await.unwrap();
		answer["access_token"].as_str().unwrap().to_owned()
	}

	async fn get(&self, path: &str, token: Option<&str>) -> u16 {
		let mut request = self.oracle.client.get(format!("{}{path}", self.oracle.url));
		if let Some(token) = token {
			request = request.bearer_auth(token);
		}
		request.send().await.unwrap().status().as_u16()
	}

	async fn post(&self, body: String, token: Option<&str>) -> (u16, serde_json::Value) {
		let mut request = self
			.oracle
			.client
			.post(format!("{}/v1/readings", self.oracle.url))
			.header("content-type", "application/x-ndjson")
			.body(body);
		if let Some(token) = token {
			request = request.bearer_auth(token);
		}
		let answer = request.send().await.unwrap();
		(answer.status().as_u16(), answer.json().await.unwrap())
	}

	/// Stops the oracle; how many decisions its log has, each in the chain.
	async fn stop(self) -> u64 {
		let audit_folder = self.files.path().join("audit");
		self.oracle.stop().await;
		audit::verify(&audit_folder, &Checkpoint::GENESIS).unwrap().end.next
	}
}

/// What is expected of each role: an own meter's slots, another's, its readings, operations.
fn matrix() -> BTreeMap<&'static str, [u16; 5]> {
	// own slots, other's slots, own readings, dead letters, status
	BTreeMap::from([
		("prosumer", [200, 403, 200, 403, 403]),
		("aggregator", [200, 403, 200, 403, 403]),
		("utility", [200, 200, 200, 403, 403]),
		("oracle-operator", [200, 200, 200, 200, 200]),
		("regulator", [200, 200, 200, 200, 200]),
		("administrator", [403, 403, 403, 200, 200]),
		("device", [403, 403, 403, 403, 403]),
	])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_do_on_every_endpoint_what_the_table_says() {
	let devices = [Device::new(0), Device::new(1)];
	let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
	let device = guarded.token("device").await;
	let utility = guarded.token("utility").await;
	let line = |device: &Device| device.full(FIRST_SLOT, 1, 0);

	// A device sends its own readings, and those of no other.
	let (status, answer) =
		guarded.post(format!("{}\n{}", line(&devices[0]), line(&devices[1])), Some(&device)).await;
	assert_eq!((status, &answer["accepted"]), (200, &1.into()));
	assert_eq!(answer["results"][1]["code"], "not-permitted");
	// A utility those of its zone.
	let (status, answer) = guarded.post(line(&devices[1]), Some(&utility)).await;
	assert_eq!((status, &answer["accepted"]), (200, &1.into()));

	let id = |device: &Device| hex::encode(device.id().0);
	let paths = [
		format!("/v1/meters/{}/slots", id(&devices[0])),
		format!("/v1/meters/{}/slots", id(&devices[1])),
		format!("/v1/meters/{}/slots/{FIRST_SLOT}", id(&devices[0])),
		"/v1/dead-letters".to_owned(),
		"/v1/status".to_owned(),
	];
	let matrix = matrix();
	assert_eq!(matrix.len(), Role::ALL.len());
	for (role, expected) in &matrix {
		let token = guarded.token(role).await;
		for (path, expected) in paths.iter().zip(expected) {
			assert_eq!(guarded.get(path, Some(&token)).await, *expected, "{role} on {path}");
		}
		let may_write = matches!(*role, "device" | "utility");
		let (status, _) = guarded.post(line(&devices[0]), Some(&token)).await;
		assert_eq!(status, if may_write { 200 } else { 403 }, "{role} sends");
	}
	// Nobody without a token, but for what is public.
	for path in &paths {
		assert_eq!(guarded.get(path, None).await, 401, "{path}");
	}
	assert_eq!(guarded.post(line(&devices[0]), None).await.0, 401);
	for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/metrics"] {
		assert_eq!(guarded.get(path, None).await, 200, "{path}");
	}

	// 2 posts at first, 5 reads and a post of each role, 6 refusals without a token; decisions on
	// readings are one for each zone, of which there is one.
	let decisions = 2 + 7 * 6 + 6;
	assert_eq!(guarded.stop().await, decisions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_utility_of_another_zone_sends_nothing() {
	let devices = [Device::new(0)];
	let guarded = Guarded::start(&devices, ZONE.0 + 1, |_| ()).await;
	let utility = guarded.token("utility").await;
	let (status, problem) = guarded.post(devices[0].full(FIRST_SLOT, 1, 0), Some(&utility)).await;
	assert_eq!(
		(status, &problem["type"]),
		(403, &"urn:energy-oracle:problem:not-permitted".into())
	);
	guarded.oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_may_come_without_a_token_where_that_is_said() {
	let devices = [Device::new(0)];
	let guarded =
		Guarded::start(&devices, ZONE.0, |access| access.readings_without_token = true).await;
	let (status, answer) = guarded.post(devices[0].full(FIRST_SLOT, 1, 0), None).await;
	assert_eq!((status, &answer["accepted"]), (200, &1.into()));
	assert_eq!(guarded.get("/v1/status", None).await, 401);
	// Who shows a token is held to it.
	let regulator = guarded.token("regulator").await;
	assert_eq!(guarded.post(devices[0].full(FIRST_SLOT, 1, 0), Some(&regulator)).await.0, 403);
	guarded.oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_good_are_refused() {
	let devices = [Device::new(0)];
	let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
	let good = guarded.token("regulator").await;
	assert_eq!(guarded.get("/v1/status", Some(&good)).await, 200);
	let parts: Vec<&str> = good.split('.').collect();
	let encode = |text: &str| {
		use base64::Engine;
		base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
	};
	let none = encode(r#"{"alg":"none","typ":"at+jwt"}"#);
	let hmac = encode(r#"{"alg":"HS256","typ":"at+jwt","kid":"1"}"#);
	for (what, token) in [
		("no algorithm", format!("{none}.{}.", parts[1])),
		("an algorithm with a shared secret", format!("{hmac}.{}.{}", parts[1], parts[2])),
		("a signature that is cut", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..20])),
		("other claims", format!("{}.{}.{}", parts[0], encode("{}"), parts[2])),
		("nonsense", "nonsense".to_owned()),
	] {
		assert_eq!(guarded.get("/v1/status", Some(&token)).await, 401, "{what}");
	}
	// The wrong secret gets no token at all.
	let answer = guarded
		.oracle
		.client
		.post(format!("{}/oauth/token", guarded.oracle.url))
		.basic_auth("regulator", Some("another secret that is just as long as the right one"))
		.header("content-type", "application/x-www-form-urlencoded")
		.body("grant_type=client_credentials")
		.send()
		.await
		.unwrap();
	assert_eq!(answer.status(), 401);
	// A token is good for its time.
	guarded.oracle.clock.set(end(FIRST_SLOT) + 5 + 700);
	assert_eq!(guarded.get("/v1/status", Some(&good)).await, 401);
	guarded.oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_are_named() {
	let devices = [Device::new(0)];
	let files = tempfile::tempdir().unwrap();
	let good = settings(files.path(), &clients(&devices, 1));
	let clock = || std::sync::Arc::new(TestClock::default());
	let field = |settings: &AccessSettings| {
		let consents = std::sync::Arc::new(MemoryConsents::default());
		Gate::open(settings, clock(), consents).err().map(|error| error.field)
	};
	let missing = files.path().join("missing.toml");
	let other = AccessSettings { clients_file: missing, ..good.clone() };
	assert_eq!(field(&other), Some("clients_file"));
	let other = AccessSettings { token_seconds: 5, ..good.clone() };
	assert_eq!(field(&other), Some("token_seconds"));
	let trusted = energy_oracle::access::TrustedSettings {
		issuer: "https://id.example".into(),
		audience: "oracle".into(),
		keys_file: Some(files.path().join("keys.json")),
		keys_url: None,
		ca_file: None,
		roles_claim: "roles".into(),
		roles: ["king".to_owned()].into(),
	};
	let other = AccessSettings { trusted: vec![trusted], ..good.clone() };
	assert_eq!(field(&other), Some("trusted.roles"));
	assert_eq!(field(&good), None);
}

/// A market on the chain, and two meters with a sealed slot.
mod endpoints {
	use super::*;

	/// Who may read what: the roles, besides those that may read everything of the kind.
	const OWN: &[&str] = &["prosumer", "aggregator", "utility", "oracle-operator", "regulator"];
	const ZONES: &[&str] = &["utility", "oracle-operator", "regulator"];

	#[tokio::test(flavor = "multi_thread")]
	async fn every_role_reads_what_the_table_says_and_nothing_else() {
		let devices = [Device::new(0), Device::new(1)];
		let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
		let slot = FIRST_SLOT;
		let utility = guarded.token("utility").await;
		let body = format!("{}\n{}", devices[0].full(slot, 1, 0), devices[1].full(slot, 2, 0));
		assert_eq!(guarded.post(body, Some(&utility)).await.1["accepted"], 2);

		let meter = |device: &Device| hex::encode(device.id().0);
		let (own, other) = (meter(&devices[0]), meter(&devices[1]));
		let owner = account(&devices[0]);
		let stranger = account(&devices[1]);
		let base = format!("/v1/zones/{ZONE}/slots/{slot}");
		let time = "fromSeconds=0&toSeconds=1";
		let slots = format!("zone={ZONE}&fromSlot=1&toSlot=2");
		let table: Vec<(String, &[&str])> = vec![
			(format!("/v1/meters/{own}"), OWN),
			(format!("/v1/meters/{other}"), ZONES),
			(format!("/v1/meters/{own}/usage?{time}"), OWN),
			(format!("/v1/meters/{other}/usage?{time}"), ZONES),
			(format!("/v1/meters/{own}/green-button?{time}"), OWN),
			(format!("/v1/meters/{other}/green-button?{time}"), ZONES),
			(format!("/v1/meters/{own}/slots/{slot}/findings"), OWN),
			(format!("/v1/meters/{other}/slots/{slot}/findings"), ZONES),
			(format!("/v1/zones/{ZONE}/meters"), ZONES),
			(format!("{base}/attestations"), ZONES),
			(format!("{base}/reconciliation"), ZONES),
			(format!("{base}/orders"), &["regulator"]),
			(format!("{base}/orders?account={owner}"), &["prosumer", "aggregator", "regulator"]),
			(format!("{base}/orders?account={stranger}"), &["regulator"]),
			(format!("{base}/trades"), &["regulator"]),
			(format!("{base}/trades?account={owner}"), &["prosumer", "aggregator", "regulator"]),
			(format!("{base}/trades?account={stranger}"), &["regulator"]),
			(
				format!("/v1/examination{base}/accounts/{owner}").replace("/v1/zones", "/zones"),
				&["regulator"],
			),
			("/v1/events".into(), &["oracle-operator", "regulator", "administrator"]),
			(
				format!("/v1/events?zone={ZONE}"),
				&["utility", "oracle-operator", "regulator", "administrator"],
			),
			("/v1/events/stream".into(), &["oracle-operator", "regulator"]),
			(format!("/v1/events/stream?zone={ZONE}"), ZONES),
			(format!("/v1/exports/accounts/{owner}?{slots}"), &["prosumer", "regulator"]),
			(format!("/v1/exports/accounts/{stranger}?{slots}"), &["regulator"]),
			(format!("/v1/exports/zones?{slots}"), &["regulator"]),
			(format!("/v1/consents?account={owner}"), &["prosumer", "regulator"]),
			(format!("/v1/consents?account={stranger}"), &["regulator"]),
		];
		for role in Role::ALL {
			let role = role.to_string();
			let token = guarded.token(&role).await;
			for (path, permitted) in &table {
				let expected = if permitted.contains(&role.as_str()) { 200 } else { 403 };
				assert_eq!(guarded.get(path, Some(&token)).await, expected, "{role} on {path}");
			}
		}
		for (path, _) in &table {
			assert_eq!(guarded.get(path, None).await, 401, "{path}");
		}
		guarded.stop().await;
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn a_consent_opens_what_it_names_for_its_purpose_until_it_is_withdrawn() {
		let devices = [Device::new(0), Device::new(1)];
		let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
		let utility = guarded.token("utility").await;
		assert_eq!(guarded.post(devices[0].full(FIRST_SLOT, 1, 0), Some(&utility)).await.0, 200);
		let (owner, grantee) = (guarded.token("prosumer").await, guarded.token("grantee").await);
		let path = format!("/v1/meters/{}/slots", hex::encode(devices[0].id().0));
		let client = &guarded.oracle.client;
		let read = |purpose: &'static str| {
			client
				.get(format!("{}{path}", guarded.oracle.url))
				.bearer_auth(&grantee)
				.header("purpose", purpose)
				.send()
		};
		assert_eq!(read("advice").await.unwrap().status(), 403);

		let give = |key: &'static str, purpose: &'static str| {
			let request = serde_json::json!({
				"grantee": account(&devices[1]),
				"kinds": ["slots"],
				"purpose": purpose,
				"expiresAt": end(FIRST_SLOT) + 86_400,
			});
			client
				.post(format!("{}/v1/consents", guarded.oracle.url))
				.bearer_auth(&owner)
				.header("idempotency-key", key)
				.header("content-type", "application/json")
				.body(request.to_string())
				.send()
		};
		let given = give("first", "advice").await.unwrap();
		assert_eq!(given.status(), 201);
		let given: serde_json::Value = given.json().await.unwrap();
		// The same again is the same consent; another request under the same key is refused.
		let again = give("first", "advice").await.unwrap();
		assert_eq!(again.status(), 201);
		assert_eq!(again.json::<serde_json::Value>().await.unwrap(), given);
		assert_eq!(give("first", "research").await.unwrap().status(), 409);

		assert_eq!(read("advice").await.unwrap().status(), 200);
		assert_eq!(read("advertising").await.unwrap().status(), 403);
		let readings = format!("{path}/{FIRST_SLOT}");
		assert_eq!(guarded.get(&readings, Some(&grantee)).await, 403, "it shares slots only");

		let id = given["id"].as_str().unwrap();
		let withdraw = |token: &str| {
			client
				.delete(format!("{}/v1/consents/{id}", guarded.oracle.url))
				.bearer_auth(token)
				.send()
		};
		assert_eq!(withdraw(&grantee).await.unwrap().status(), 403);
		assert_eq!(withdraw(&owner).await.unwrap().status(), 200);
		assert_eq!(read("advice").await.unwrap().status(), 403);
		guarded.stop().await;
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn webhooks_are_for_those_who_may_follow_the_same_as_a_stream() {
		let devices = [Device::new(0)];
		let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
		let url = format!("{}/v1/webhooks", guarded.oracle.url);
		let subscribe = |token: String, zones: serde_json::Value| {
			let request = serde_json::json!({
				"url": "https://receiver.example/hook",
				"kinds": ["page-too-late"],
				"zones": zones,
			});
			let post = guarded.oracle.client.post(&url).bearer_auth(token);
			post.header("content-type", "application/json").body(request.to_string()).send()
		};
		for role in Role::ALL {
			let role = role.to_string();
			let expected = if role == "oracle-operator" { 201 } else { 403 };
			for zones in [serde_json::json!([]), serde_json::json!([ZONE.0])] {
				let answer = subscribe(guarded.token(&role).await, zones).await.unwrap();
				assert_eq!(answer.status(), expected, "{role}");
			}
		}
		let operator = guarded.token("oracle-operator").await;
		let made = subscribe(operator.clone(), serde_json::json!([])).await.unwrap();
		let made: serde_json::Value = made.json().await.unwrap();
		let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
		for (role, expected) in [("oracle-operator", 200), ("prosumer", 403), ("utility", 403)] {
			assert_eq!(
				guarded.get(&path, Some(&guarded.token(role).await)).await,
				expected,
				"{role}"
			);
		}
		assert_eq!(guarded.get(&path, None).await, 401);
		guarded.stop().await;
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn a_revoked_token_is_good_for_nothing() {
		let devices = [Device::new(0)];
		let guarded = Guarded::start(&devices, ZONE.0, |_| ()).await;
		let token = guarded.token("regulator").await;
		let other = guarded.token("regulator").await;
		assert_eq!(guarded.get("/v1/status", Some(&token)).await, 200);
		let revoke = |token: &str, client: &str| {
			guarded
				.oracle
				.client
				.post(format!("{}/oauth/revoke", guarded.oracle.url))
				.basic_auth(client, Some(SECRET))
				.header("content-type", "application/x-www-form-urlencoded")
				.body(format!("token={token}"))
				.send()
		};
		let by_another = revoke(&token, "prosumer").await.unwrap();
		assert_eq!(by_another.status(), 400);
		assert_eq!(guarded.get("/v1/status", Some(&token)).await, 200);
		assert_eq!(revoke(&token, "regulator").await.unwrap().status(), 200);
		assert_eq!(guarded.get("/v1/status", Some(&token)).await, 401);
		assert_eq!(guarded.get("/v1/status", Some(&other)).await, 200);
		assert_eq!(revoke("no token", "regulator").await.unwrap().status(), 200);
		guarded.stop().await;
	}
}
