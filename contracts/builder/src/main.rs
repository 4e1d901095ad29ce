//! Command line of the builder: `contracts-builder build --all`.

use std::path::Path;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds the ink! contracts to PolkaVM blobs.
#[derive(Parser)]
#[command(version)]
struct Cli {
	#[command(subcommand)]
	command: Action,
}

#[derive(Subcommand)]
enum Action {
	/// Builds contracts and prints the path and the size of each blob.
	Build {
		/// Names of folders in `contracts/`.
		#[arg(required_unless_present = "all")]
		names: Vec<String>,
		/// Every contract there is.
		#[arg(long, conflicts_with = "names")]
		all: bool,
		/// Prints a JSON array of objects with `contract`, `path` and `bytes`.
		#[arg(long)]
		json: bool,
	},
}

fn main() -> Result<()> {
	let Action::Build { names, all, json } = Cli::parse().command;
	let names = if all { contracts_builder::contracts()? } else { names };
	let mut lines = Vec::new();
	for name in names {
		let blob = contracts_builder::build(&name)?;
		let bytes = std::fs::metadata(&blob)?.len();
		lines.push(if json {
			json_object(&name, &blob, bytes)
		} else {
			format!("{} {bytes} bytes", blob.display())
		});
	}
	if json {
		println!("[{}]", lines.join(","));
	} else {
		lines.iter().for_each(|line| println!("{line}"));
	}
	Ok(())
}

fn json_object(contract: &str, blob: &Path, bytes: u64) -> String {
	let path = json_string(&blob.to_string_lossy());
	format!(r#"{{"contract":{},"path":{path},"bytes":{bytes}}}"#, json_string(contract))
}

fn json_string(text: &str) -> String {
	let escaped: String = text
		.chars()
		.map(|character| match character {
			'"' | '\\' => format!("\\{character}"),
			control if control < ' ' => format!("\\u{:04x}", u32::from(control)),
			other => other.to_string(),
		})
		.collect();
	format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn json_escapes_what_json_cannot_hold() {
		let object = json_object("a", Path::new("/t\n\"x\\y\""), 3);
		assert_eq!(object, r#"{"contract":"a","path":"/t\u000a\"x\\y\"","bytes":3}"#);
	}
}
