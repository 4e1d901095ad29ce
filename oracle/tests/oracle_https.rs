//! The commands that speak to an oracle, over TLS.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	path::{Path, PathBuf},
	process::{Command, Output},
};

use energy_oracle::replay::{Replay, Row, Schedule, Summary};
use secure_server::{ClientAuthentication, TlsSettings};
use support::*;

/// A certificate for this machine, its own authority, and the files of it.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
	let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
	let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key.pem")));
	std::fs::write(&chain, made.cert.pem()).unwrap();
	std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
	(chain, key)
}

struct Secure {
	oracle: Running,
	files: tempfile::TempDir,
	ca_file: PathBuf,
}

impl Secure {
	async fn start(devices: &[Device]) -> Self {
		let files = tempfile::tempdir().unwrap();
		let (certificate_chain, private_key) = certificate(files.path(), "oracle");
		let ca_file = certificate_chain.clone();
		let now = end(FIRST_SLOT) + 5;
		let clock = TestClock::default();
		clock.set(now);
		let chain = FakeChain::new(now, devices);
		let oracle = Running::start_in(tempfile::tempdir().unwrap(), chain, clock, |config| {
			config.http.tls = Some(TlsSettings {
				certificate_chain,
				private_key,
				client_authentication: ClientAuthentication::None,
				client_authorities: None,
				reload_interval_ms: 0,
			});
		})
		.await;
		Self { oracle, files, ca_file }
	}

	fn url(&self) -> String {
		self.oracle.service.url()
	}

	async fn wait_until_ready(&self) {
		let client = energy_oracle::https::builder(Some(&self.ca_file)).unwrap().build().unwrap();
		eventually("the oracle is ready", || async {
			let answer = client.get(format!("{}/readyz", self.url())).send().await;
			answer.is_ok_and(|answer| answer.status() == 200)
		})
		.await;
	}

	async fn status(&self, ca_file: Option<&Path>) -> Output {
		let mut command = Command::new(env!("CARGO_BIN_EXE_energy-oracle"));
		command.args(["status", "--url", &self.url()]).env_remove("ENERGY_ORACLE_CA_FILE");
		if let Some(path) = ca_file {
			command.arg("--ca-file").arg(path);
		}
		tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_shown_over_tls_to_who_knows_the_authority() {
	let secure = Secure::start(&[]).await;
	let shown = secure.status(Some(&secure.ca_file)).await;
	assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
	let status: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
	assert!(status["zones"].is_array(), "{status}");
	let (other, _) = certificate(secure.files.path(), "other");
	for ca_file in [None, Some(other.as_path())] {
		let refused = secure.status(ca_file).await;
		assert_eq!(refused.status.code(), Some(1), "{ca_file:?}");
		assert!(refused.stdout.is_empty());
	}
	let missing = secure.status(Some(Path::new("no/such/file"))).await;
	assert!(String::from_utf8_lossy(&missing.stderr).contains("no/such/file"));
	secure.oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_over_tls() {
	let device = Device::new(0);
	let secure = Secure::start(std::slice::from_ref(&device)).await;
	secure.wait_until_ready().await;
	let rows = [Row { time: "now".into(), consumption_wh: 5, generation_wh: 1 }];
	let replay = Replay {
		url: secure.url(),
		ca_file: Some(secure.ca_file.clone()),
		meter_id: device.name.parse().unwrap(),
		key: device.key.clone(),
		start_slot: FIRST_SLOT,
		slot_seconds: SLOT_SECONDS,
		schedule: Schedule::NoWait,
	};
	let summary: Summary = replay.run(&rows, |_| ()).await.unwrap();
	assert!(summary.is_complete(), "{summary:?}");
	secure.oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_scanner_finds_tls_1_3_and_nothing_older() {
	let secure = Secure::start(&[]).await;
	let address = secure.oracle.service.address().to_string();
	let scan = tokio::task::spawn_blocking(move || {
		let mut command = Command::new("timeout");
		command.args(["60", "sslscan", "--no-colour", "--xml=-", &address]);
		command.output().unwrap()
	});
	let scan = scan.await.unwrap();
	let report = String::from_utf8_lossy(&scan.stdout);
	assert!(scan.status.success(), "{report}");
	for (kind, version, enabled) in [
		("ssl", "2", 0),
		("ssl", "3", 0),
		("tls", "1.0", 0),
		("tls", "1.1", 0),
		("tls", "1.2", 0),
		("tls", "1.3", 1),
	] {
		let line =
			format!("<protocol type=\"{kind}\" version=\"{version}\" enabled=\"{enabled}\" />");
		assert!(report.contains(&line), "{line}\n{report}");
	}
	let offered: Vec<&str> = report
		.lines()
		.filter(|line| line.contains("<cipher "))
		.filter_map(|line| line.split("cipher=\"").nth(1)?.split('"').next())
		.collect();
	assert!(!offered.is_empty(), "{report}");
	assert!(offered.iter().all(|cipher| cipher.starts_with("TLS_")), "{offered:?}");
	assert!(offered.contains(&"TLS_AES_256_GCM_SHA384"), "{offered:?}");
	secure.oracle.stop().await;
}

/// A certificate of a meter, signed by an authority of the test, as one PEM document with its key.
fn device_certificate(authority: &rcgen::Issuer<'_, rcgen::KeyPair>, device: &Device) -> String {
	let name = format!("urn:wia-ene-014:meter:{}", hex::encode(device.id().0));
	let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
	parameters.subject_alt_names.push(rcgen::SanType::URI(name.try_into().unwrap()));
	parameters.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
	let key = rcgen::KeyPair::generate().unwrap();
	let certificate = parameters.signed_by(&key, authority).unwrap();
	format!("{}{}", certificate.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_sends_its_own_readings_with_its_certificate_and_no_others() {
	let devices = [Device::new(0), Device::new(1)];
	let files = tempfile::tempdir().unwrap();
	let (certificate_chain, private_key) = certificate(files.path(), "oracle");
	let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
	parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
	let authority_key = rcgen::KeyPair::generate().unwrap();
	let client_authorities = files.path().join("devices.pem");
	std::fs::write(&client_authorities, parameters.self_signed(&authority_key).unwrap().pem())
		.unwrap();
	let authority = rcgen::Issuer::new(parameters, authority_key);
	std::fs::write(files.path().join("clients.toml"), "").unwrap();
	let access: energy_oracle::access::AccessSettings = toml::from_str(&format!(
		"issuer = \"https://oracle.example\"\naudience = \"oracle\"\ndevices_by_certificate = true\n\
		 signing_key_file = \"{0}/signing.json\"\nclients_file = \"{0}/clients.toml\"\n\
		 audit_folder = \"{0}/audit\"\n",
		files.path().display()
	))
	.unwrap();
	let clock = TestClock::default();
	let now = end(FIRST_SLOT) + 5;
	clock.set(now);
	let ca_file = certificate_chain.clone();
	let chain = FakeChain::new(now, &devices);
	let oracle = Running::start_in(tempfile::tempdir().unwrap(), chain, clock, |config| {
		config.access = Some(access);
		config.http.tls = Some(TlsSettings {
			certificate_chain,
			private_key,
			client_authentication: ClientAuthentication::Optional,
			client_authorities: Some(client_authorities),
			reload_interval_ms: 0,
		});
	})
	.await;
	let client = |identity: Option<String>| {
		// Another client than the program's own, which shows no certificate.
		let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
		let root = reqwest::Certificate::from_pem(&std::fs::read(&ca_file).unwrap()).unwrap();
		let builder = reqwest::Client::builder().add_root_certificate(root);
		match identity {
			None => builder,
			Some(pem) => builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()),
		}
		.build()
		.unwrap()
	};
	let anybody = client(None);
	eventually("the oracle is ready", || async {
		let answer = anybody.get(format!("{}/readyz", oracle.service.url())).send().await;
		answer.is_ok_and(|answer| answer.status() == 200)
	})
	.await;
	let post = |client: &reqwest::Client, device: &Device| {
		client
			.post(format!("{}/v1/readings", oracle.service.url()))
			.header("content-type", "application/json")
			.body(device.full(FIRST_SLOT, 1, 0))
			.send()
	};
	assert_eq!(post(&anybody, &devices[0]).await.unwrap().status(), 401);
	let device = client(Some(device_certificate(&authority, &devices[0])));
	let own: serde_json::Value = post(&device, &devices[0]).await.unwrap().json().await.unwrap();
	assert_eq!(own["accepted"], 1, "{own}");
	let others: serde_json::Value = post(&device, &devices[1]).await.unwrap().json().await.unwrap();
	assert_eq!(others["results"][0]["code"], "not-permitted", "{others}");
	oracle.stop().await;
}
