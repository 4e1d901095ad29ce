//! An independent tool, schemathesis, makes requests from the description of the interface, right ones and
//! wrong ones, and compares the answers with it: none is undocumented, none says that the program failed.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Stdio;

use energy_oracle::access::AccessSettings;
use oracle_access::{
	issue::{Secret, SecretHash},
	Action, Kind,
};
use serde_json::Value;
use support::*;
use tokio::process::Command;

/// The examples for each operation.
const EXAMPLES: u32 = 40;
/// Seconds for all of them.
const PATIENCE: &str = "300";
const SECRET: &str = "a secret that is long enough for a test, and known to everybody";

/// What the tool asks for, where it is to find something: otherwise it makes names up, of which there are
/// none.
fn known(devices: &[Device]) -> String {
	format!(
		"[parameters]\n\"path.meterId\" = \"{}\"\n\"path.account\" = \"{}\"\n\"path.slot\" = {MARKET_SLOT}\n\
		 \"path.zone\" = {ZONE}\n\"query.zone\" = {ZONE}\n",
		hex::encode(devices[0].id().0),
		devices[0].registration().1.owner
	)
}

/// What the description cannot say. The parts of a consent have to fit together, and webhooks go to public
/// addresses only. One wrong message does not
/// spoil the others of its body: it is told in its place.
const BEYOND_THE_SCHEMA: &str = r#"
[[operations]]
include-name = "POST /v1/consents"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /v1/webhooks"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path-regex = "^/oauth/"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /v1/readings"
checks.negative_data_rejection.enabled = false
"#;

/// Runs the tool on a version of the description. Fails with what it printed, if it found something.
async fn check(oracle: &Running, document: &str, token: Option<&str>, settings: &str) {
	let settings = format!("{settings}{BEYOND_THE_SCHEMA}");
	std::fs::write(oracle.folder.path().join("schemathesis.toml"), settings).unwrap();
	let mut command = Command::new("timeout");
	command
		.args([PATIENCE, "schemathesis", "run", &format!("{}{document}", oracle.url)])
		.args(["--mode", "all", "--phases", "examples,coverage,fuzzing"])
		.args(["--max-examples", &EXAMPLES.to_string(), "--seed", "14", "--workers", "1"])
		// Streams do not end.
		.args(["--exclude-path-regex", "/(stream|socket)$"])
		.args(["--no-color", "--generation-database", "none"])
		.current_dir(oracle.folder.path())
		.stdin(Stdio::null());
	if let Some(token) = token {
		command.args(["--header", &format!("Authorization: Bearer {token}")]);
	}
	let output = command.output().await.expect("schemathesis is installed, see scripts/setup.sh");
	let text = String::from_utf8_lossy(&output.stdout);
	let errors = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
	assert!(text.contains("generated"), "nothing was tried: {text}");
}

fn unlimited(config: &mut energy_oracle::service::Config) {
	config.rate.requests_per_second = 0;
}

/// A slot with readings, and a market beside it.
async fn fill(oracle: &Running, devices: &[Device]) {
	set_market(&oracle.chain, &devices[0]);
	for device in devices {
		oracle.post(device.full(MARKET_SLOT, 30, 0)).await;
	}
	oracle.advance(end(MARKET_SLOT) + 30).await;
	eventually("the page is attested", || async {
		oracle.service.metrics().counts().pages_attested > 0
	})
	.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_description_where_everybody_may_do_everything() {
	let devices = [Device::new(0), Device::new(1)];
	let files = tempfile::tempdir().unwrap();
	let webhooks = energy_oracle::webhooks::WebhookSettings {
		signing_key_file: files.path().join("webhooks.key"),
		source: "https://oracle.example".into(),
		allowed_networks: Vec::new(),
		authorities_file: None,
		http_to_loopback: false,
	};
	let oracle = Running::start_with(&devices, |config| {
		unlimited(config);
		config.webhooks = Some(webhooks);
	})
	.await;
	fill(&oracle, &devices).await;
	check(&oracle, "/v1/openapi.json", None, "").await;
	assert_eq!(oracle.get("/healthz").await.status, 200);
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_earlier_description_for_a_prosumer() {
	let devices = [Device::new(0), Device::new(1)];
	let files = tempfile::tempdir().unwrap();
	let hash = SecretHash::of(&Secret::new(SECRET.to_owned())).unwrap().phc();
	let scopes: Vec<String> = Kind::ALL
		.iter()
		.flat_map(|kind| {
			let actions = Action::ALL.into_iter();
			let possible = actions.filter(|action| *action == Action::Read || kind.is_writable());
			possible.map(move |action| format!("\"{kind}:{action}\""))
		})
		.collect();
	let clients = format!(
		"[[client]]\nid = \"home\"\nsecret_hashes = [\"{hash}\"]\nroles = [\"prosumer\"]\n\
		 scopes = [{}]\naccount = \"{}\"\n",
		scopes.join(", "),
		devices[0].registration().1.owner
	);
	let clients_file = files.path().join("clients.toml");
	std::fs::write(&clients_file, clients).unwrap();
	let access: AccessSettings = toml::from_str(&format!(
		"issuer = \"https://oracle.example\"\naudience = \"oracle\"\ntoken_seconds = 3600\n\
		 signing_key_file = \"{0}/signing.json\"\nclients_file = \"{0}/clients.toml\"\n\
		 audit_folder = \"{0}/audit\"\nreadings_without_token = true\n",
		files.path().display()
	))
	.unwrap();
	let oracle = Running::start_with(&devices, |config| {
		unlimited(config);
		config.access = Some(access);
	})
	.await;
	fill(&oracle, &devices).await;
	let token: Value = oracle
		.client
		.post(format!("{}/oauth/token", oracle.url))
		.basic_auth("home", Some(SECRET))
		.header("content-type", "application/x-www-form-urlencoded")
		.body("grant_type=client_credentials")
		.send()
		.await
		.unwrap()
		.json()
		.await
		.unwrap();
	let token = token["access_token"].as_str().unwrap();
	check(&oracle, "/v1/openapi-3.0.json", Some(token), &known(&devices)).await;
	oracle.stop().await;
}
