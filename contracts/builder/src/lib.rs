//! Builds the ink! contracts of `contracts/` to blobs that `pallet-revive` runs.
//!
//! ```no_run
//! let blob = std::fs::read(contracts_builder::build("p2p-settlement")?)?;
//! # anyhow::Ok(())
//! ```
//!
//! Cargo compiles the contract for PolkaVM, with the library sources of the compiler that is first
//! on `PATH`, then `polkavm-linker` turns the ELF file into a blob. All of it happens in a target
//! folder of its own, because the contracts are compiled for another machine, and with another ABI
//! of ink!, than everything else. A second call costs no more than cargo's look at the sources.

use std::{
	env,
	ffi::OsStr,
	fs::{self, File},
	path::{Path, PathBuf},
	process::{Command, Stdio},
	time::UNIX_EPOCH,
};

use anyhow::{bail, ensure, Context, Result};
use polkavm_linker::{OptLevel, RustcVersion, TargetInstructionSet, TargetJsonArgs};

/// How blobs are linked. Part of the record beside each blob: change it with anything that changes
/// the outcome.
const LINKING: &str = "polkavm-linker 0.35.0, ReviveV1, O1, stripped";

/// What a contract can be asked in one call, in bytes: ink! reads the call data into a buffer of
/// this size and cuts off the rest. This is all that `pallet-revive` hands over; ink!'s default of
/// 16 KiB would end a page at 126 positions.
const CALL_DATA_BYTES: &str = "131072";

/// Chooses the Solidity ABI. Appended to every call of the compiler, not set as a flag of the
/// target, because ink!'s macros must know it too, and those run on the host.
const WRAPPER: &str = r#"#!/bin/sh
exec "$@" --cfg 'ink_abi="sol"' --check-cfg 'cfg(ink_abi, values("ink", "sol", "all"))'
"#;

/// Flags of the compiler for the target: a panic is a trap. ink!'s own handler of panics panics.
const PANIC_TRAPS: &str = "-Zunstable-options -Cpanic=immediate-abort";

/// Builds `contracts/<contract>` and returns the path of its blob,
/// `<target>/contracts/<contract>.polkavm`.
///
/// `<target>` is `CARGO_TARGET_DIR`, or the workspace's `target`. Any number of processes may call
/// this at once: one builds, the others wait. Progress and the compiler's messages go to the
/// standard error.
///
/// # Errors
///
/// When there is no such contract, when the compiler's library sources are missing, and when cargo
/// or the linker fails.
pub fn build(contract: &str) -> Result<PathBuf> {
	ensure!(
		contracts()?.iter().any(|known| known == contract),
		"no contract named {contract:?} in {}",
		contracts_folder().display()
	);
	let target = target_folder()?;
	fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
	// Held until it is dropped, also when the process dies.
	let lock_path = target.join("builder.lock");
	let lock = File::create(&lock_path).with_context(|| lock_path.display().to_string())?;
	lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;

	let elf = compile(contract, &target)?;
	let blob = target.join(contract).with_extension("polkavm");
	link(&elf, &blob)?;
	Ok(blob)
}

/// The names of the contracts, in alphabetical order.
///
/// # Errors
///
/// When the folder of the contracts cannot be read.
pub fn contracts() -> Result<Vec<String>> {
	let folder = contracts_folder();
	let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
	let mut names = Vec::new();
	for entry in entries {
		let entry = entry?;
		let name = entry.file_name().to_string_lossy().into_owned();
		let is_program =
			["Cargo.toml", "src/main.rs"].iter().all(|file| entry.path().join(file).is_file());
		if is_program && entry.path() != builder_folder() {
			names.push(name);
		}
	}
	names.sort();
	Ok(names)
}

fn builder_folder() -> &'static Path {
	Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn contracts_folder() -> &'static Path {
	builder_folder().parent().expect("the builder is in the folder of the contracts; qed")
}

fn target_folder() -> Result<PathBuf> {
	let workspace = contracts_folder().parent().context("the contracts are not in a workspace")?;
	let target = env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
	// A relative folder is relative to where the outer cargo was started, as a rule the workspace.
	Ok(workspace.join(target.unwrap_or_else(|| "target".into())).join("contracts"))
}

/// Compiles a contract to an ELF file.
fn compile(contract: &str, target: &Path) -> Result<PathBuf> {
	check_library_sources()?;
	let mut target_json = TargetJsonArgs::default();
	target_json.is_64_bit = true;
	// Its own detection stumbles over the version strings of Linux distributions.
	target_json.rustc_version = RustcVersion::Rustc_1_91;
	let target_json = polkavm_linker::target_json_path(target_json).map_err(anyhow::Error::msg)?;
	let machine = target_json.file_stem().context("a target without a name")?;

	eprintln!("contract {contract}: compiling");
	let status = tool("cargo")
		.args(["build", "--release", "--locked", "--no-default-features", "--package", contract])
		.args(["-Zbuild-std=core,alloc", "-Zjson-target-spec", "--target"])
		.arg(&target_json)
		.arg("--target-dir")
		.arg(target)
		.current_dir(contracts_folder())
		.env("RUSTC_BOOTSTRAP", "1")
		.env("RUSTC_WRAPPER", wrapper(target)?)
		// The size is repeated because cargo compiles again when a flag changes, not when a
		// variable does.
		.env("RUSTFLAGS", format!("{PANIC_TRAPS} --cfg call_data_bytes=\"{CALL_DATA_BYTES}\""))
		.env("INK_STATIC_BUFFER_SIZE", CALL_DATA_BYTES)
		.stdin(Stdio::null())
		// What is printed is for the caller of this function alone.
		.stdout(Stdio::from(std::io::stderr()))
		.status()
		.context("cannot run cargo")?;
	ensure!(status.success(), "contract {contract}: cargo failed ({status})");
	Ok(target.join(machine).join("release").join(contract))
}

/// Links an ELF file to a blob, unless the blob is already that file's.
fn link(elf: &Path, blob: &Path) -> Result<()> {
	let metadata = fs::metadata(elf).with_context(|| elf.display().to_string())?;
	let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
	let origin = format!("{LINKING}\n{} bytes, {modified}\n", metadata.len());
	let origin_path = blob.with_extension("polkavm.origin");
	if blob.is_file() && fs::read_to_string(&origin_path).is_ok_and(|known| known == origin) {
		return Ok(());
	}
	eprintln!("contract {}: linking", elf.file_name().unwrap_or_default().to_string_lossy());
	let mut config = polkavm_linker::Config::default();
	config.set_strip(true);
	// The next level takes all the memory there is on the output of recent compilers.
	config.set_opt_level(OptLevel::O1);
	let program =
		polkavm_linker::program_from_elf(config, TargetInstructionSet::ReviveV1, &fs::read(elf)?)
			.with_context(|| format!("cannot link {}", elf.display()))?;
	replace(blob, &program)?;
	replace(&origin_path, origin.as_bytes())
}

/// The script through which cargo calls the compiler.
fn wrapper(target: &Path) -> Result<PathBuf> {
	let path = target.join("rustc-wrapper.sh");
	// Cargo compiles everything again when the wrapper's time changes.
	if !fs::read_to_string(&path).is_ok_and(|known| known == WRAPPER) {
		replace(&path, WRAPPER.as_bytes())?;
	}
	#[cfg(unix)]
	{
		use std::os::unix::fs::PermissionsExt;
		let mut permissions = fs::metadata(&path)?.permissions();
		if permissions.mode() & 0o111 != 0o111 {
			permissions.set_mode(0o755);
			fs::set_permissions(&path, permissions)?;
		}
	}
	Ok(path)
}

/// Writes a file so that nobody ever reads a part of it.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
	let mut unfinished = path.as_os_str().to_owned();
	unfinished.push(".unfinished");
	fs::write(&unfinished, content).with_context(|| format!("cannot write {}", path.display()))?;
	fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}

/// No compiled library exists for PolkaVM: cargo compiles `core` and `alloc` as well.
fn check_library_sources() -> Result<()> {
	let output = tool("rustc").args(["--print", "sysroot"]).output().context("cannot run rustc")?;
	if !output.status.success() {
		bail!("rustc --print sysroot failed: {}", String::from_utf8_lossy(&output.stderr).trim());
	}
	let sysroot = String::from_utf8(output.stdout).context("rustc --print sysroot")?;
	let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
	ensure!(
		sources.is_dir(),
		"the sources of Rust's library are not in {}: install them (`rustup component add \
		 rust-src`, or `rust-src`/`rust-web-src` of a Linux distribution)",
		sources.display()
	);
	Ok(())
}

/// A tool of the first Rust on `PATH`, in an environment without the traces of an outer cargo: the
/// host's flags, wrapper and targets are not the contract's.
fn tool(name: &str) -> Command {
	let mut command = Command::new(name);
	env::vars_os().map(|(name, _)| name).filter(|name| is_trace(name)).for_each(|name| {
		command.env_remove(name);
	});
	command
}

fn is_trace(variable: &OsStr) -> bool {
	const KEPT: [&str; 4] = ["CARGO_BUILD_JOBS", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
	// How the network and the registries are reached, and how progress looks.
	const KEPT_PREFIXES: [&str; 4] = ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
	const REMOVED: [&str; 8] = [
		"HOST",
		"LD_LIBRARY_PATH",
		"MAKEFLAGS",
		"NUM_JOBS",
		"OPT_LEVEL",
		"OUT_DIR",
		"PROFILE",
		"TARGET",
	];
	let Some(variable) = variable.to_str() else { return false };
	let kept =
		KEPT.contains(&variable) || KEPT_PREFIXES.iter().any(|prefix| variable.starts_with(prefix));
	let removed = variable.starts_with("CARGO")
		|| variable.starts_with("RUST")
		|| REMOVED.contains(&variable);
	removed && !kept
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn contracts_are_the_programs_beside_the_builder() {
		assert_eq!(contracts().expect("the folder is there"), ["misbehaving", "p2p-settlement"]);
	}

	#[test]
	fn build_fails_when_there_is_no_such_contract() {
		for name in ["", "builder", "policy", "../node", "unknown"] {
			let error = build(name).expect_err("not a contract").to_string();
			assert!(error.contains("no contract named"), "{error}");
		}
	}

	#[test]
	fn outer_cargo_leaves_no_trace() {
		for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
			assert!(is_trace(OsStr::new(name)), "{name}");
		}
		for name in ["RUSTC", "RUSTFLAGS", "RUSTC_WRAPPER", "RUST_LOG", "OUT_DIR"] {
			assert!(is_trace(OsStr::new(name)), "{name}");
		}
		for name in
			["PATH", "HOME", "CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_TOOLCHAIN", "TMPDIR"]
		{
			assert!(!is_trace(OsStr::new(name)), "{name}");
		}
	}
}
