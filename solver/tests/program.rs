//! The program: answers, errors and exit codes.

#![allow(clippy::unwrap_used)]

use std::{
	io::Write,
	process::{Command, Output, Stdio},
};

fn run(arguments: &[&str], input: &str) -> Output {
	let mut child = Command::new(env!("CARGO_BIN_EXE_energy-solver"))
		.args(arguments)
		.current_dir(env!("CARGO_MANIFEST_DIR"))
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::piped())
		.spawn()
		.unwrap();
	// The program may end without reading.
	let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
	child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the README says the example answers.
fn expected() -> serde_json::Value {
	let readme = include_str!("../README.md");
	let start = readme.find("```json\n").map(|start| start + 8).unwrap();
	let end = start + readme[start..].find("```").unwrap();
	serde_json::from_str(&readme[start..end]).unwrap()
}

#[test]
fn example_is_answered_as_the_readme_says() {
	let output = run(&["examples/two-zones.json"], "");
	assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
	let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(answer, expected());
	assert!(text(&output.stderr).contains("north → south"));
}

#[test]
fn json_alone_when_asked_for() {
	let problem = std::fs::read_to_string("examples/two-zones.json").unwrap();
	let output = run(&["--json"], &problem);
	assert_eq!(output.status.code(), Some(0));
	assert_eq!(text(&output.stderr), "");
	let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(answer, expected());
}

#[test]
fn error_names_field_and_reason() {
	let problem = r#"{"zones": [{"name": "a", "price_floor": 0, "tick_size": 0}]}"#;
	let output = run(&[], problem);
	assert_eq!(output.status.code(), Some(2));
	assert_eq!(text(&output.stdout), "");
	assert_eq!(text(&output.stderr), "error: zones[0].tick_size: must not be zero\n");

	let output = run(&["--json"], problem);
	assert_eq!(output.status.code(), Some(2));
	let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
	let expected = serde_json::json!({
		"error": { "field": "zones[0].tick_size", "reason": "must not be zero" }
	});
	assert_eq!(error, expected);
}

#[test]
fn error_names_the_file_when_it_is_missing() {
	let output = run(&["examples/none.json"], "");
	assert_eq!(output.status.code(), Some(2));
	assert!(text(&output.stderr).starts_with("error: examples/none.json: No such file"));
}

#[test]
fn help_explains_both_formats_and_the_exit_code() {
	let output = run(&["--help"], "");
	assert_eq!(output.status.code(), Some(0));
	let help = text(&output.stdout);
	for word in [
		"--json",
		"price_floor",
		"tick_size",
		"energy_wh",
		"capacity_wh",
		"loss_ppm",
		"fee_per_kwh",
		"fee_ppm",
		"bought_wh",
		"sold_wh",
		"flow_wh",
		"EXIT CODE",
	] {
		assert!(help.contains(word), "{word} is missing in:\n{help}");
	}
}
