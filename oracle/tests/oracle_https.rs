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
