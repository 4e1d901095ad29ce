//! On what was measured: the machine, the compiler, the code.

use std::{fs, path::Path, process::Command};

use serde::Serialize;
use serde_json::{json, Value};

/// Crates whose versions decide the figures.
const CRATES: [&str; 8] = [
	"frame-executive",
	"frame-system",
	"pallet-revive",
	"polkavm",
	"rocksdb",
	"sc-client-db",
	"sc-service",
	"wasmtime",
];

/// On what was measured. What cannot be found out is empty.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
	/// The model of the processor.
	pub cpu: String,
	/// How many cores there are.
	pub cores: usize,
	/// Memory, MiB.
	pub memory_mebibytes: u64,
	/// The operating system.
	pub system: String,
	/// The compiler.
	pub rustc: String,
	/// The commit of the code, with a plus sign if files differ from it.
	pub commit: String,
	/// The version of each of the crates that matter most.
	pub crates: Value,
	/// How busy the machine was when the run began: processes, mean of a minute.
	pub load: String,
}

impl Machine {
	/// This machine.
	pub fn this() -> Self {
		let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
		let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
		let field = |text: &str, name: &str, separator: char| {
			text.lines()
				.find_map(|line| {
					let (key, value) = line.split_once(separator)?;
					(key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
				})
				.unwrap_or_default()
		};
		let kibibytes = field(&read("/proc/meminfo"), "MemTotal", ':');
		let git =
			|arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(&root));
		let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
		let lock = read(&root.join("Cargo.lock").display().to_string());
		let load = read("/proc/loadavg");
		Self {
			cpu: field(&read("/proc/cpuinfo"), "model name", ':'),
			cores: std::thread::available_parallelism().map_or(0, usize::from),
			memory_mebibytes: kibibytes
				.split_whitespace()
				.next()
				.and_then(|number| number.parse::<u64>().ok())
				.unwrap_or_default()
				/ 1024,
			system: field(&read("/etc/os-release"), "PRETTY_NAME", '='),
			rustc: output(Command::new("rustc").arg("--version")),
			commit: git(&["rev-parse", "HEAD"]) + if changed.is_empty() { "" } else { "+" },
			crates: CRATES
				.iter()
				.map(|name| ((*name).to_owned(), json!(versions(&lock, name))))
				.collect::<serde_json::Map<_, _>>()
				.into(),
			load: load.split_whitespace().next().unwrap_or_default().to_owned(),
		}
	}
}

/// The versions of a crate in a lock file.
fn versions(lock: &str, name: &str) -> Vec<String> {
	let name = format!("name = \"{name}\"");
	lock.lines()
		.zip(lock.lines().skip(1))
		.filter(|(line, _)| *line == name)
		.filter_map(|(_, next)| next.strip_prefix("version = "))
		.map(|version| version.trim_matches('"').to_owned())
		.collect()
}

/// What a program says, or nothing.
fn output(command: &mut Command) -> String {
	command
		.output()
		.ok()
		.filter(|output| output.status.success())
		.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
		.unwrap_or_default()
}
