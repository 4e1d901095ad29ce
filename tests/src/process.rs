//! Programs of this project as child processes: started, watched, stopped, never left behind.

use std::{
	fs::{self, File, OpenOptions},
	path::{Path, PathBuf},
	process::{Child, Command, ExitStatus, Stdio},
	time::{Duration, Instant},
};

use anyhow::{bail, ensure, Context, Result};

/// How often a log is looked at while a line is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The oracle, which is of a workspace of its own, in the target folder.
const ORACLE: &str = "oracle/release/energy-oracle";

/// A program that was built together with this one.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> Result<PathBuf> {
	let own = std::env::current_exe()?;
	let place = if name == "energy-oracle" { ORACLE } else { name };
	own.ancestors()
		.skip(1)
		.map(|folder| folder.join(place))
		.find(|path| path.is_file())
		.with_context(|| format!("{name} is not built; run scripts/build.sh"))
}

/// An empty folder beside the programs, for what a test leaves.
///
/// # Errors
/// When the folder of an earlier run cannot be removed.
pub fn fresh_folder(name: &str) -> Result<PathBuf> {
	let folder = program("energy-node")?.with_file_name(name);
	if folder.exists() {
		fs::remove_dir_all(&folder)?;
	}
	fs::create_dir_all(&folder)?;
	Ok(folder)
}

/// A child process that writes to a log file. It is killed when this is dropped.
pub struct Running {
	name: String,
	child: Child,
	log: PathBuf,
	/// Where in the log this run of the program begins.
	begins: u64,
}

impl Running {
	/// Starts a program. What it prints is appended to `log`.
	///
	/// # Errors
	/// When it cannot be started.
	pub fn start(name: &str, arguments: &[String], log: &Path) -> Result<Self> {
		let path = program(name)?;
		let file: File = OpenOptions::new().create(true).append(true).open(log)?;
		let begins = file.metadata()?.len();
		let child = Command::new(&path)
			.args(arguments)
			.stdin(Stdio::null())
			.stdout(file.try_clone()?)
			.stderr(file)
			.spawn()
			.with_context(|| format!("cannot start {}", path.display()))?;
		Ok(Self { name: name.into(), child, log: log.into(), begins })
	}

	/// Waits for a line with `marker` in it, and returns what follows the marker on that line.
	///
	/// # Errors
	/// When the program ends, or time is up, before such a line.
	pub async fn wait_for(&mut self, marker: &str, limit: Duration) -> Result<String> {
		let deadline = Instant::now() + limit;
		loop {
			let text = self.output()?;
			// The last line may be half written.
			let whole = text.rfind('\n').map_or("", |end| &text[..end]);
			if let Some((_, rest)) = whole.lines().find_map(|line| line.split_once(marker)) {
				return Ok(rest.trim().to_owned());
			}
			if let Some(status) = self.child.try_wait()? {
				bail!("{} ended with {status} before {marker:?}:\n{}", self.name, tail(&text));
			}
			ensure!(
				Instant::now() < deadline,
				"{} did not say {marker:?} in {limit:?}:\n{}",
				self.name,
				tail(&text)
			);
			tokio::time::sleep(LOOK_AGAIN).await;
		}
	}

	/// What this run has printed so far.
	///
	/// # Errors
	/// When the log cannot be read.
	pub fn output(&self) -> Result<String> {
		let bytes = fs::read(&self.log)?;
		let begins = usize::try_from(self.begins)?.min(bytes.len());
		Ok(String::from_utf8_lossy(&bytes[begins..]).into_owned())
	}

	/// Ends it as `kill -9` does.
	///
	/// # Errors
	/// When it cannot be ended.
	pub fn kill(mut self) -> Result<ExitStatus> {
		self.child.kill()?;
		Ok(self.child.wait()?)
	}

	/// Asks it to end, and waits until it has.
	///
	/// # Errors
	/// When it does not end in time; it is killed then.
	pub async fn stop(mut self, limit: Duration) -> Result<ExitStatus> {
		let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
		ensure!(asked.success(), "{} cannot be asked to end", self.name);
		let deadline = Instant::now() + limit;
		loop {
			if let Some(status) = self.child.try_wait()? {
				return Ok(status);
			}
			ensure!(Instant::now() < deadline, "{} did not end in {limit:?}", self.name);
			tokio::time::sleep(LOOK_AGAIN).await;
		}
	}
}

impl Drop for Running {
	fn drop(&mut self) {
		// It has ended already, or is ended here.
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
	/// How it ended.
	pub status: ExitStatus,
	/// What it printed.
	pub stdout: String,
	/// What it complained of.
	pub stderr: String,
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn run(name: &str, arguments: &[String], limit: Duration) -> Result<Output> {
	run_file(&program(name)?, arguments, limit).await
}

/// Runs the program in a file to its end.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn run_file(path: &Path, arguments: &[String], limit: Duration) -> Result<Output> {
	let output = tokio::process::Command::new(path)
		.args(arguments)
		.stdin(Stdio::null())
		.kill_on_drop(true)
		.output();
	let output = tokio::time::timeout(limit, output)
		.await
		.with_context(|| format!("{} {arguments:?} did not end in {limit:?}", path.display()))?
		.with_context(|| format!("cannot start {}", path.display()))?;
	Ok(Output {
		status: output.status,
		stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
		stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
	})
}

/// The last lines of a log.
fn tail(text: &str) -> String {
	let lines: Vec<_> = text.lines().collect();
	lines[lines.len().saturating_sub(30)..].join("\n")
}
