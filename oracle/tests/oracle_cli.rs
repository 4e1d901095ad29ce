//! The command as a user meets it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
	fs,
	io::{BufRead, BufReader, Read},
	os::unix::fs::PermissionsExt,
	process::{Command, Output, Stdio},
};

fn oracle(arguments: &[&str]) -> Command {
	let mut command = Command::new(env!("CARGO_BIN_EXE_energy-oracle"));
	command.args(arguments).env_remove("RUST_LOG");
	command
}

fn text_of(output: &Output) -> (String, String) {
	let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
	(text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_names_every_command_and_option() {
	let help = |arguments: &[&str]| {
		let output = oracle(arguments).output().unwrap();
		assert!(output.status.success());
		text_of(&output).0
	};
	let general = help(&["--help"]);
	for command in ["run", "check-config", "keys", "replay", "status", "verify-audit"] {
		assert!(general.contains(command), "{general}");
	}
	let run = help(&["run", "--help"]);
	for option in [
		"--node",
		"--data",
		"--listen",
		"--zone",
		"--key-file",
		"--dev-key",
		"--grace",
		"--standby",
	] {
		assert!(run.contains(option), "{run}");
	}
	assert!(run.contains("ENERGY_ORACLE_DATA") && run.contains("development only"), "{run}");
	let replay = help(&["replay", "--help"]);
	for option in ["--meter", "--from", "--intervals", "--start-slot", "--speed", "--no-wait"] {
		assert!(replay.contains(option), "{replay}");
	}
}

#[test]
fn bad_arguments_are_refused_with_a_reason() {
	for arguments in [
		&["run", "--data", "d", "--zone", "1", "--dev-key", "//Oracle", "--key-file", "k"][..],
		&["run", "--data", "d", "--zone", "north", "--dev-key", "//Oracle"],
		&["replay", "f.csv", "--key-file", "k"],
		&["replay", "f.csv", "--key-file", "k", "--meter", "a b"],
		&["replay", "f.csv", "--key-file", "k", "--meter", "m", "--speed", "0"],
		&["replay", "f.csv", "--key-file", "k", "--meter", "m", "--start-slot", "soon"],
		&["serve"],
	] {
		let output = oracle(arguments).output().unwrap();
		assert_eq!(output.status.code(), Some(2), "{arguments:?}");
		assert!(text_of(&output).1.contains("error:"), "{arguments:?}");
	}
}

#[test]
fn what_is_missing_or_wrong_in_the_settings_is_named() {
	let folder = tempfile::tempdir().unwrap();
	let file = folder.path().join("oracle.toml");
	let check = |text: &str, more: &[&str]| {
		fs::write(&file, text).unwrap();
		let output = oracle(&["check-config", "--config"]).arg(&file).args(more).output().unwrap();
		let (stdout, stderr) = text_of(&output);
		(output.status.code(), stdout, stderr)
	};
	let good = "zones = [1]\n[storage]\nfolder = \"d\"\n";
	for (text, key) in [
		("", "zones: "),
		("zones = [1]\n", "storage.folder: "),
		(good, "account.key_file: "),
		("zones = [1]\n[http]\nlisten = 7\n", "http.listen: "),
	] {
		let (code, _, stderr) = check(text, &[]);
		assert_eq!(code, Some(1), "{text}");
		assert!(stderr.contains(key), "{stderr}");
	}
	let (code, stdout, _) = check(good, &["--dev-key", "//Oracle", "--json"]);
	assert_eq!(code, Some(0));
	let shown: serde_json::Value = serde_json::from_str(&stdout).unwrap();
	assert_eq!(shown["zones"], serde_json::json!([1]));
	assert_eq!(shown["ingest"]["patience_ms"], 100);
	assert!(!folder.path().join("d").exists(), "nothing is started");
}

#[test]
fn a_secret_is_never_shown_and_an_open_key_file_is_warned_about() {
	let folder = tempfile::tempdir().unwrap();
	let key = folder.path().join("key");
	fs::write(&key, "correct horse battery staple").unwrap();
	fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
	let output = oracle(&["run", "--zone", "1", "--listen", "127.0.0.1:0"])
		.arg("--key-file")
		.arg(&key)
		.arg("--data")
		.arg(folder.path().join("db"))
		.output()
		.unwrap();
	assert_eq!(output.status.code(), Some(1));
	let (stdout, stderr) = text_of(&output);
	assert!(stderr.contains("chmod 600") && stderr.contains("holds no secret phrase"), "{stderr}");
	assert!(!stderr.contains("horse") && !stdout.contains("horse"));
}

#[test]
fn run_serves_and_stops_when_it_is_told_to() {
	let folder = tempfile::tempdir().unwrap();
	let key = folder.path().join("key");
	fs::write(&key, "22".repeat(32)).unwrap();
	fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
	for signal in ["-TERM", "-INT"] {
		let mut process = oracle(&["run", "--zone", "1,2", "--node", "ws://127.0.0.1:9"])
			.args(["--listen", "127.0.0.1:0", "--key-file"])
			.arg(&key)
			.env("ENERGY_ORACLE_DATA", folder.path().join("db"))
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.spawn()
			.unwrap();
		let mut line = String::new();
		BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
		let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();

		let status = oracle(&["status", "--url", &url]).output().unwrap();
		assert!(status.status.success());
		let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
		assert_eq!(status["zones"].as_array().unwrap().len(), 2);
		assert_eq!(status["nodeConnected"], false);

		let told = Command::new("kill").args([signal, &process.id().to_string()]).status();
		assert!(told.unwrap().success());
		assert_eq!(process.wait().unwrap().code(), Some(0));
		let mut stderr = String::new();
		process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
		assert!(stderr.contains("stopping") && !stderr.contains("ERROR"), "{stderr}");
		assert!(!stderr.contains(&"22".repeat(32)) && !stderr.contains("chmod"), "{stderr}");
	}
}

#[test]
fn replay_reports_what_cannot_be_replayed() {
	let folder = tempfile::tempdir().unwrap();
	let key = folder.path().join("key");
	fs::write(&key, "33".repeat(32)).unwrap();
	let csv = folder.path().join("home.csv");
	fs::write(&csv, ",GC,GG\n2011-07-01 00:00:00,0.5,0.0\n").unwrap();
	let replay = |more: &[&str]| {
		let output = oracle(&["replay", "--meter", "M1", "--no-wait"])
			.args(more)
			.arg("--key-file")
			.arg(&key)
			.arg(&csv)
			.output()
			.unwrap();
		(output.status.code(), text_of(&output).1)
	};
	let (code, stderr) = replay(&["--from", "2012-07-01 00:00:00"]);
	assert_eq!(code, Some(1));
	assert!(stderr.contains("no row has the time"), "{stderr}");
}

#[test]
fn an_audit_log_is_checked_from_the_command_line() {
	use oracle_access::audit::{AuditLog, LogSettings, Record};
	let folder = tempfile::tempdir().unwrap();
	let path = folder.path().to_str().unwrap();
	let clock = std::sync::Arc::new(oracle_access::SystemClock);
	let mut log = AuditLog::open(folder.path(), LogSettings::default(), clock).unwrap().log;
	let record = Record::of_refusal("token-missing", oracle_access::Action::Read, "slots/1", "one");
	log.append_all(&[record.clone(), record]).unwrap();
	let run = |more: &[&str]| {
		let arguments = [&["verify-audit", "--folder", path], more].concat();
		let output = oracle(&arguments).env_remove("ENERGY_ORACLE_NODE").output().unwrap();
		(output.status.code(), text_of(&output))
	};
	let (status, (text, _)) = run(&[]);
	assert_eq!(status, Some(0));
	assert!(text.contains("2 entries") && text.contains("not anchored"), "{text}");
	let (status, (text, _)) = run(&["--json"]);
	let report: serde_json::Value = serde_json::from_str(&text).unwrap();
	assert_eq!((status, &report["entries"], &report["isGood"]), (Some(0), &2.into(), &true.into()));
	let segment = folder.path().join(format!("audit-{:020}.jsonl", 0));
	let changed = fs::read_to_string(&segment).unwrap().replacen("slots/1", "slots/2", 1);
	fs::write(&segment, changed).unwrap();
	let (status, (_, error)) = run(&[]);
	assert_eq!(status, Some(1));
	assert!(error.contains("entry 0"), "{error}");
	// A node that is not there.
	let (status, (_, error)) = run(&["--node", "ws://127.0.0.1:1"]);
	assert_eq!(status, Some(1));
	assert!(error.contains("does not answer"), "{error}");
}
