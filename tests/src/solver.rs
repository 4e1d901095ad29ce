//! The solver of coupled zones: a program of a workspace of its own.

use std::{
	env,
	path::{Path, PathBuf},
	process::{Command, Stdio},
	time::Duration,
};

use anyhow::{ensure, Context, Result};
use serde_json::Value;

use crate::process::{self, Output};

/// How long solving a problem of a few orders may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The program: the one that the variable `ENERGY_SOLVER` names, or, where it is not set, the one of
/// this repository, which is built first. That compiles a C++ library and takes minutes, once.
///
/// # Errors
/// When the variable names no file, or the solver does not build.
pub fn program() -> Result<PathBuf> {
	if let Some(named) = env::var_os("ENERGY_SOLVER").filter(|named| !named.is_empty()) {
		let path = PathBuf::from(named);
		ensure!(path.is_file(), "ENERGY_SOLVER: there is no {}", path.display());
		return Ok(path);
	}
	let workspace =
		Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests are in no workspace")?;
	let target = env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
	// A relative folder is relative to where the outer cargo was started, as a rule the workspace.
	let target = workspace.join(target.unwrap_or_else(|| "target".into())).join("solver");
	eprintln!("note: ENERGY_SOLVER is not set; building the solver");
	let status = Command::new("cargo")
		.args(["build", "--release", "--locked", "--quiet", "--target-dir"])
		.arg(&target)
		.current_dir(workspace.join("solver"))
		// Set by the outer cargo for its own programs.
		.env_remove("LD_LIBRARY_PATH")
		.stdin(Stdio::null())
		.status()
		.context("cannot run cargo")?;
	ensure!(status.success(), "the solver does not build ({status})");
	Ok(target.join("release/energy-solver"))
}

/// Solves the problem in a file, and returns the answer.
///
/// # Errors
/// When there is none; with what the solver says.
pub async fn solve(program: &Path, problem: &Path) -> Result<Value> {
	let arguments = ["--json".into(), problem.display().to_string()];
	let Output { status, stdout, stderr } = process::run_file(program, &arguments, LIMIT).await?;
	ensure!(status.success(), "{}: {status}\n{stderr}", problem.display());
	Ok(serde_json::from_str(&stdout)?)
}
