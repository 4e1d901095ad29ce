//! Real servers for tests, each in a folder of its own and ended with the test.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
	collections::BTreeMap,
	io::{BufRead, BufReader},
	net::TcpListener,
	os::unix::{fs::PermissionsExt, process::CommandExt},
	path::PathBuf,
	process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A folder that servers of other users can enter.
pub fn open_folder() -> TempDir {
	let folder = TempDir::new().unwrap();
	std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
	folder
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
	TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a program and returns what it says.
pub fn run(command: &mut Command) -> String {
	let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
	let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
	assert!(
		output.status.success(),
		"{command:?}: {}{}",
		text(&output.stdout),
		text(&output.stderr)
	);
	text(&output.stdout)
}

/// A program that is ended when this is dropped.
pub struct Program(Child);

impl Program {
	/// Starts it and waits until it has said a line with `ready` in it, which is returned.
	pub fn start(command: &mut Command, package: &str, ready: &str) -> (Self, String) {
		// Both streams are read as one.
		let (reader, writer) = std::io::pipe().unwrap();
		command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
		let child = command.spawn().unwrap_or_else(|error| {
			panic!("{:?}: {error}; install {package}", command.get_program())
		});
		// The command holds the other ends of the pipe.
		command.stdout(Stdio::null()).stderr(Stdio::null());
		let program = Self(child);
		let mut lines = BufReader::new(reader).lines();
		let mut said = Vec::new();
		while let Some(Ok(line)) = lines.next() {
			if line.contains(ready) {
				// What it says from now on is read and dropped, so that it never has to wait.
				std::thread::spawn(move || lines.for_each(drop));
				return (program, line);
			}
			said.push(line);
		}
		panic!("{:?} ended, is {package} installed? {said:#?}", command.get_program());
	}
}

impl Drop for Program {
	fn drop(&mut self) {
		self.0.kill().unwrap();
		self.0.wait().unwrap();
	}
}

/// A PostgreSQL of its own.
pub struct Cluster {
	pub folder: TempDir,
	pub port: u16,
	settings: Vec<String>,
}

/// A program of PostgreSQL. Debian keeps those of the server in a folder for each version; elsewhere
/// they are in the search path.
fn postgres_program(name: &str) -> PathBuf {
	let version = |folder: &PathBuf| -> u32 {
		folder.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default()
	};
	let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
	let newest = folders
		.map(|entry| entry.unwrap().path())
		.filter(|folder| folder.join("bin").join(name).exists())
		.max_by_key(version);
	newest.map_or_else(|| PathBuf::from(name), |folder| folder.join("bin").join(name))
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &str) -> Command {
	let path = postgres_program(program);
	let mut command = match run(Command::new("id").arg("-u")).trim() {
		"0" => {
			let mut command = Command::new("runuser");
			command.args(["-u", "postgres", "--"]).arg(path);
			command
		}
		_ => Command::new(path),
	};
	command.current_dir("/").process_group(0);
	command
}

impl Cluster {
	/// Starts one that only its Unix socket leads to.
	pub fn start() -> Self {
		Self::start_with(Vec::new())
	}

	/// Starts one with further settings.
	pub fn start_with(settings: Vec<String>) -> Self {
		let cluster = Self { folder: open_folder(), port: free_port(), settings };
		run(as_postgres("initdb")
			.arg("--pgdata")
			.arg(cluster.data())
			.args(["--no-sync", "--username=admin", "--encoding=UTF8", "--locale=C"])
			.args(["--auth-local=trust", "--auth-host=scram-sha-256"]));
		cluster.begin();
		cluster
	}

	pub fn data(&self) -> PathBuf {
		self.folder.path().join("data")
	}

	/// Starts it again.
	pub fn begin(&self) {
		let mut options = format!(
			"-c listen_addresses='' -c unix_socket_directories={} -c port={} -c fsync=off",
			self.folder.path().display(),
			self.port
		);
		for setting in &self.settings {
			options += &format!(" -c {setting}");
		}
		run(as_postgres("pg_ctl")
			.arg("--pgdata")
			.arg(self.data())
			.arg("--log")
			.arg(self.folder.path().join("log"))
			.args(["--wait", "--silent", "--options", &options, "start"]));
	}

	/// Ends it as a power cut would.
	pub fn end(&self) {
		run(as_postgres("pg_ctl").arg("--pgdata").arg(self.data()).args([
			"--wait",
			"--silent",
			"--mode=immediate",
			"stop",
		]));
	}

	/// Runs SQL as the administrator, and returns what it gives, one line a row.
	pub fn sql(&self, sql: &str) -> String {
		let text = run(Command::new(postgres_program("psql"))
			.arg("--host")
			.arg(self.folder.path())
			.args(["--port", &self.port.to_string(), "--username=admin", "--dbname=postgres"])
			.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
			.args(["--set=ON_ERROR_STOP=1", "--command", sql]));
		text.trim_end().to_owned()
	}

	pub fn number(&self, sql: &str) -> u64 {
		self.sql(sql).parse().unwrap()
	}
}

impl Drop for Cluster {
	fn drop(&mut self) {
		if self.data().join("postmaster.pid").exists() {
			self.end();
		}
		// Its files belong to another user.
		run(Command::new("rm").arg("-rf").arg(self.data()));
	}
}

/// A Redis of its own, that its Unix socket leads to.
pub struct Redis {
	pub folder: TempDir,
	program: Option<Program>,
	options: Vec<String>,
}

impl Redis {
	/// Starts one that only its Unix socket leads to.
	pub fn start() -> Self {
		Self::start_with(open_folder(), &["--port", "0"])
	}

	/// Starts one with further options.
	pub fn start_with(folder: TempDir, options: &[&str]) -> Self {
		let options = options.iter().map(|option| option.to_string()).collect();
		let mut server = Self { folder, program: None, options };
		server.begin();
		server
	}

	pub fn socket(&self) -> PathBuf {
		self.folder.path().join("redis.sock")
	}

	/// Starts it again, with nothing of what it knew.
	pub fn begin(&mut self) {
		let mut command = Command::new("redis-server");
		command.args(&self.options).arg("--unixsocket").arg(self.socket());
		command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(self.folder.path());
		let (program, _) = Program::start(&mut command, "redis-server", "eady to accept");
		self.program = Some(program);
	}

	/// Ends it as a power cut would.
	pub fn end(&mut self) {
		self.program = None;
	}

	/// What the server says, one line an entry.
	pub fn ask(&self, command: &[&str]) -> String {
		let mut cli = Command::new("redis-cli");
		run(cli.arg("-s").arg(self.socket()).args(command)).trim_end().to_owned()
	}

	/// The fields of a hash.
	pub fn hash(&self, key: &str) -> BTreeMap<String, String> {
		let said = self.ask(&["HGETALL", key]);
		let lines: Vec<_> = said.lines().map(str::to_owned).collect();
		lines.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
	}
}
