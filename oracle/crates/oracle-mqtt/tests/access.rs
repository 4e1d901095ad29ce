//! Who may connect to whom: TLS, certificates, passwords, permissions.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use oracle_mqtt::{Configuration, Settings, Source};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, SanType};
use support::*;
use tempfile::TempDir;

/// An authority that vouches for a broker on this machine and for a client.
struct Authority {
	certificate: Certificate,
}

impl Authority {
	fn new() -> Self {
		let mut params = CertificateParams::new(Vec::<String>::new());
		params.distinguished_name.push(DnType::CommonName, "authority of the test");
		params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
		Self { certificate: Certificate::from_params(params).unwrap() }
	}

	fn file(&self, folder: &Path, name: &str) -> PathBuf {
		let file = folder.join(name);
		std::fs::write(&file, self.certificate.serialize_pem().unwrap()).unwrap();
		file
	}

	/// Writes a certificate and its key.
	fn issue(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
		let mut params = CertificateParams::new(vec!["localhost".to_owned()]);
		params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
		let certificate = Certificate::from_params(params).unwrap();
		let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
		let pem = certificate.serialize_pem_with_signer(&self.certificate).unwrap();
		std::fs::write(&files.0, pem).unwrap();
		std::fs::write(&files.1, certificate.serialize_private_key_pem()).unwrap();
		files
	}
}

struct TlsBroker {
	broker: Broker,
	authority: Authority,
	ca_file: PathBuf,
}

async fn tls_broker(extra: &str, openssl_config: Option<&str>) -> Option<TlsBroker> {
	let folder = TempDir::new().unwrap();
	let authority = Authority::new();
	let ca_file = authority.file(folder.path(), "ca.pem");
	let (certificate, key) = authority.issue(folder.path(), "broker");
	let openssl_config = openssl_config.map(|text| {
		let file = folder.path().join("openssl.cnf");
		std::fs::write(&file, text).unwrap();
		file
	});
	let extra = format!(
		"allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\n{extra}",
		ca_file.display(),
		certificate.display(),
		key.display()
	);
	let broker = Broker::start_with(folder, &extra, openssl_config.as_deref()).await?;
	Some(TlsBroker { broker, authority, ca_file })
}

impl TlsBroker {
	fn configuration(&self, client: &str) -> Configuration {
		Configuration {
			broker_url: format!("mqtts://127.0.0.1:{}", self.broker.port),
			ca_file: Some(self.ca_file.clone()),
			..configuration(&self.broker, client, "5")
		}
	}
}

#[tokio::test]
async fn tls_with_the_own_authority_connects_and_with_another_does_not() {
	let Some(tls) = tls_broker("", None).await else { return };
	let sink = TestSink::new(Mode::Open);
	for host in ["127.0.0.1", "localhost"] {
		let broker_url = format!("mqtts://{host}:{}", tls.broker.port);
		let mut source =
			Running::start(Configuration { broker_url, ..tls.configuration("trusted") }, &sink);
		source.subscribed().await;
		source.stop().await;
	}

	let other = Authority::new().file(tls.broker.folder.path(), "other.pem");
	let mut source = Running::start(
		Configuration { ca_file: Some(other), ..tls.configuration("distrusted") },
		&sink,
	);
	let reason = source.refused().await;
	assert!(reason.contains("certificate"), "{reason}");
	source.stop().await;
}

#[tokio::test]
async fn broker_that_knows_only_tls_1_2_is_refused() {
	let only_tls_1_2 = "openssl_conf = first\n[first]\nssl_conf = ssl\n[ssl]\n\
		system_default = limits\n[limits]\nMaxProtocol = TLSv1.2\n";
	let Some(tls) = tls_broker("", Some(only_tls_1_2)).await else { return };
	let sink = TestSink::new(Mode::Open);
	let mut source = Running::start(tls.configuration("modern"), &sink);
	let reason = source.refused().await;
	assert!(reason.contains("ProtocolVersion"), "{reason}");
	source.stop().await;
}

#[tokio::test]
async fn client_certificate_is_shown_when_there_is_one() {
	let Some(tls) = tls_broker("require_certificate true\n", None).await else { return };
	let sink = TestSink::new(Mode::Open);
	let (certificate, key) = tls.authority.issue(tls.broker.folder.path(), "client");
	let mut source = Running::start(
		Configuration {
			client_certificate_file: Some(certificate),
			client_key_file: Some(key),
			..tls.configuration("known")
		},
		&sink,
	);
	source.subscribed().await;
	source.stop().await;

	let mut source = Running::start(tls.configuration("unknown"), &sink);
	source.refused().await;
	source.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_before_anything_starts() {
	let folder = TempDir::new().unwrap();
	let authority = Authority::new();
	let ca_file = authority.file(folder.path(), "ca.pem");
	let (certificate, key) = authority.issue(folder.path(), "client");
	let empty = folder.path().join("empty.pem");
	std::fs::write(&empty, "").unwrap();
	let missing = folder.path().join("missing.pem");
	let sink = TestSink::new(Mode::Open);
	let with = |ca: &Path, certificate: &Path, key: &Path| {
		let configuration: Configuration = serde_json::from_value(serde_json::json!({
			"broker_url": "mqtts://localhost", "client_id": "x",
			"ca_file": ca, "client_certificate_file": certificate, "client_key_file": key,
		}))
		.unwrap();
		Source::new(Settings::try_from(configuration).unwrap(), sink.clone())
			.map(|_| ())
			.map_err(|error| error.field)
	};
	assert_eq!(with(&ca_file, &certificate, &key), Ok(()));
	for bad in [&empty, &missing, &key] {
		assert_eq!(with(bad, &certificate, &key), Err("ca_file"));
		assert_eq!(with(&ca_file, bad, &key), Err("client_certificate_file"));
	}
	for bad in [&empty, &missing, &certificate] {
		assert_eq!(with(&ca_file, &certificate, bad), Err("client_key_file"));
	}
}

#[tokio::test]
async fn password_comes_from_the_file_and_a_wrong_one_is_refused() {
	let folder = TempDir::new().unwrap();
	let users = folder.path().join("users");
	std::fs::write(&users, "oracle:correct horse\n").unwrap();
	match std::process::Command::new("mosquitto_passwd").arg("-U").arg(&users).status() {
		Ok(status) => assert!(status.success()),
		// The same package has both programs.
		Err(error) => {
			assert!(Broker::start().await.is_none(), "mosquitto without mosquitto_passwd: {error}");
			return;
		}
	}
	let extra = format!("allow_anonymous false\npassword_file {}\n", users.display());
	let Some(broker) = Broker::start_with(folder, &extra, None).await else { return };
	let sink = TestSink::new(Mode::Open);
	let password_file = broker.folder.path().join("password");
	for version in ["3.1.1", "5"] {
		std::fs::write(&password_file, "wrong\n").unwrap();
		let mut source = Running::start(
			Configuration {
				username: Some("oracle".into()),
				password_file: Some(password_file.clone()),
				..configuration(&broker, "user", version)
			},
			&sink,
		);
		let reason = source.refused().await;
		assert!(reason.contains("refused the connection"), "{reason}");
		// A corrected file counts from the next try on.
		std::fs::write(&password_file, "correct horse\n").unwrap();
		source.subscribed().await;
		source.stop().await;

		std::fs::remove_file(&password_file).unwrap();
		let mut source = Running::start(
			Configuration {
				username: Some("oracle".into()),
				password_file: Some(password_file.clone()),
				..configuration(&broker, "user", version)
			},
			&sink,
		);
		let reason = source.refused().await;
		assert!(reason.contains("password_file"), "{reason}");
		source.stop().await;
	}
}
