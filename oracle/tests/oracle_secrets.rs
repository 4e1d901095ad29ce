//! What is secret is in no log, however much is logged.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
	io::{BufRead, BufReader, Read},
	os::unix::fs::PermissionsExt,
	path::Path,
	process::{Child, Command, Stdio},
	sync::mpsc,
	time::Duration,
};

use oracle_access::issue::{Secret, SecretHash};

const CLIENT_SECRET: &str = "planted-client-secret-f2c81d93a7b0";
const ACCOUNT_SEED: &str = "4b1d0f5e6a7c8b9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f";

struct Killed(Child);

impl Drop for Killed {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

fn secret_file(path: &Path, content: &str) {
	std::fs::write(path, content).unwrap();
	std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_log() {
	let folder = tempfile::tempdir().unwrap();
	let at = |name: &str| folder.path().join(name);
	let hash = SecretHash::of(&Secret::new(CLIENT_SECRET.to_owned())).unwrap().phc();
	std::fs::write(
		at("clients.toml"),
		format!(
			"[[client]]\nid = \"operator\"\nsecret_hashes = [\"{hash}\"]\n\
			 roles = [\"oracle-operator\"]\nscopes = [\"operations-events:read\"]\n"
		),
	)
	.unwrap();
	secret_file(&at("account.key"), ACCOUNT_SEED);
	std::fs::write(
		at("oracle.toml"),
		format!(
			"zones = [1]\n[node]\nurl = \"ws://127.0.0.1:1\"\n[account]\nkey_file = \"{0}/account.key\"\n\
			 [storage]\nfolder = \"{0}/db\"\nencryption_key_file = \"{0}/db.key\"\n\
			 [http]\nlisten = \"127.0.0.1:0\"\n[access]\nissuer = \"https://oracle.example\"\n\
			 audience = \"oracle\"\nsigning_key_file = \"{0}/signing.json\"\n\
			 clients_file = \"{0}/clients.toml\"\naudit_folder = \"{0}/audit\"\n",
			folder.path().display()
		),
	)
	.unwrap();
	let mut oracle = Killed(
		Command::new(env!("CARGO_BIN_EXE_energy-oracle"))
			.args(["run", "--config"])
			.arg(at("oracle.toml"))
			.env("RUST_LOG", "trace")
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.spawn()
			.unwrap(),
	);
	let (lines, heard) = mpsc::channel();
	let streams: [Box<dyn Read + Send>; 2] =
		[Box::new(oracle.0.stdout.take().unwrap()), Box::new(oracle.0.stderr.take().unwrap())];
	for stream in streams {
		let lines = lines.clone();
		std::thread::spawn(move || {
			for line in BufReader::new(stream).lines().map_while(Result::ok) {
				if lines.send(line).is_err() {
					return;
				}
			}
		});
	}
	drop(lines);

	let mut log = String::new();
	let url = loop {
		let line = heard.recv_timeout(Duration::from_secs(30)).expect("the oracle starts");
		log.push_str(&line);
		log.push('\n');
		let found = line.split("http://127.0.0.1:").nth(1).and_then(|rest| {
			let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
			port.parse::<u16>().ok()
		});
		if let Some(port) = found.filter(|port| *port > 1) {
			break format!("http://127.0.0.1:{port}");
		}
	};
	let client = energy_oracle::https::builder(None).unwrap().build().unwrap();
	let token = |secret: &'static str| {
		client
			.post(format!("{url}/oauth/token"))
			.basic_auth("operator", Some(secret))
			.header("content-type", "application/x-www-form-urlencoded")
			.body("grant_type=client_credentials")
			.send()
	};
	let wrong = "planted-wrong-secret-91ab";
	assert_eq!(token(wrong).await.unwrap().status(), 401);
	let answer: serde_json::Value = token(CLIENT_SECRET).await.unwrap().json().await.unwrap();
	let good = answer["access_token"].as_str().unwrap();
	let bad = format!("{}planted", &good[..good.len() - 8]);
	for (token, status) in [(good, 200), (bad.as_str(), 401)] {
		let answer =
			client.get(format!("{url}/v1/status")).bearer_auth(token).send().await.unwrap();
		assert_eq!(answer.status(), status);
	}
	oracle.0.kill().unwrap();
	log.extend(heard.iter().map(|line| line + "\n"));

	assert!(log.contains("TRACE") || log.contains("DEBUG"), "little was logged: {log}");
	let key_file = std::fs::read_to_string(at("db.key")).unwrap();
	let signing: serde_json::Value =
		serde_json::from_str(&std::fs::read_to_string(at("signing.json")).unwrap()).unwrap();
	let mut secrets = vec![CLIENT_SECRET, wrong, ACCOUNT_SEED, good, &bad, &hash];
	// A token without its signature, too.
	secrets.extend(good.rsplit_once('.').map(|(head, _)| head));
	secrets.extend(key_file.split_whitespace().filter(|word| word.len() >= 32));
	let mut texts = Vec::new();
	strings(&signing, &mut texts);
	secrets.extend(texts.iter().map(String::as_str).filter(|text| text.len() >= 40));
	assert!(secrets.len() >= 9, "{}", secrets.len());
	for secret in secrets {
		assert!(!log.contains(secret), "the log has {secret}");
	}
}

/// Every text in a document.
fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
	match value {
		serde_json::Value::String(text) => found.push(text.clone()),
		serde_json::Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
		serde_json::Value::Object(values) => {
			values.values().for_each(|value| strings(value, found))
		}
		_ => {}
	}
}
