//! The node's command as an operator meets it.

use std::process::{Command, Output};

use serde_json::Value;

fn node(arguments: &[&str]) -> Output {
	Command::new(env!("CARGO_BIN_EXE_energy-node"))
		.args(arguments)
		.output()
		.expect("the node can be started")
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8_lossy(bytes).into_owned()
}

fn specification(chain: &str) -> Value {
	let output = node(&["export-chain-spec", "--chain", chain]);
	assert!(output.status.success(), "{}", text(&output.stderr));
	serde_json::from_slice(&output.stdout).expect("a specification is JSON")
}

#[test]
fn help_names_every_command() {
	let help = text(&node(&["--help"]).stdout);
	for command in [
		"key",
		"export-chain-spec",
		"check-block",
		"export-blocks",
		"export-state",
		"import-blocks",
		"purge-chain",
		"revert",
		"chain-info",
	] {
		assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
	}
}

#[test]
fn development_chain_has_one_validator_and_a_superuser() {
	let genesis = &specification("dev")["genesis"]["runtimeGenesis"]["patch"];
	assert_eq!(genesis["session"]["keys"].as_array().map(Vec::len), Some(1));
	assert_eq!(genesis["energyMarket"]["slotSeconds"], 60);
	assert_eq!(genesis["metering"]["groups"][0][1].as_array().map(Vec::len), Some(1));
	assert!(genesis["sudo"]["key"].is_string());
}

#[test]
fn local_chain_has_four_validators_two_of_three_oracles_and_no_superuser() {
	let genesis = &specification("local")["genesis"]["runtimeGenesis"]["patch"];
	assert_eq!(genesis["session"]["keys"].as_array().map(Vec::len), Some(4));
	let group = &genesis["metering"]["groups"][0];
	assert_eq!((group[1].as_array().map(Vec::len), group[2].as_u64()), (Some(3), Some(2)));
	assert!(genesis["sudo"]["key"].is_null());
}

#[test]
fn unknown_chain_is_refused_with_what_would_do() {
	let output = node(&["export-chain-spec", "--chain", "nowhere"]);
	assert!(!output.status.success());
	assert!(
		text(&output.stderr).contains("neither dev, local nor a file"),
		"{}",
		text(&output.stderr)
	);
}
