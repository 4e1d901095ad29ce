//! What the figures were measured on.

use std::{fs, process::Command};

use serde_json::{json, Value};

fn field(text: &str, name: &str, separator: char) -> String {
	text.lines()
		.find_map(|line| line.split_once(separator).filter(|(key, _)| key.trim() == name))
		.map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
}

fn output(program: &str, arguments: &[&str]) -> String {
	let output = Command::new(program).args(arguments).output();
	output.map_or(String::new(), |output| {
		String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
	})
}

/// The machine, the system, and the versions of what was used.
pub fn describe() -> Value {
	let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
	json!({
		"processor": field(&read("/proc/cpuinfo"), "model name", ':'),
		"cores": std::thread::available_parallelism().map_or(1, usize::from),
		"memory": field(&read("/proc/meminfo"), "MemTotal", ':'),
		"system": field(&read("/etc/os-release"), "PRETTY_NAME", '='),
		"rustc": output("rustc", &["--version"]),
		"mosquitto": output("mosquitto", &["-h"]),
		"commit": output("git", &["rev-parse", "HEAD"]),
	})
}
