//! What the tests of the program need: the program itself, a folder for keys, a node and an oracle
//! that answer as they are told.

#![allow(dead_code)]

use std::{
	collections::HashMap,
	io::{BufRead, BufReader, Write},
	net::TcpListener,
	path::PathBuf,
	process::{Command, Output},
	sync::Arc,
};

use jsonrpsee::{
	server::{Server, ServerHandle},
	types::ErrorObjectOwned,
	RpcModule,
};
use serde_json::Value;
use sp_core::H256;

/// Good enough for a test.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// The program, with a folder of keys of its own.
pub struct Wallet {
	folder: tempfile::TempDir,
	node: Option<String>,
	oracle: Option<String>,
}

impl Wallet {
	pub fn new() -> Self {
		let folder = tempfile::tempdir().expect("is made");
		let wallet = Self { folder, node: None, oracle: None };
		wallet.write("passphrase", &format!("{PASSPHRASE}\n"));
		wallet
	}

	pub fn at(node: &Node) -> Self {
		Self { node: Some(node.url.clone()), ..Self::new() }
	}

	pub fn with_oracle(mut self, url: &str) -> Self {
		self.oracle = Some(url.into());
		self
	}

	/// Writes a file that only its owner can read, and says where it is.
	pub fn write(&self, name: &str, text: &str) -> String {
		let path = self.folder.path().join(name);
		std::fs::write(&path, text).expect("is written");
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
				.expect("is set");
		}
		path.display().to_string()
	}

	pub fn keys(&self) -> PathBuf {
		self.folder.path().join("keys")
	}

	pub fn passphrase_file(&self) -> String {
		self.folder.path().join("passphrase").display().to_string()
	}

	/// Runs the program with the words of a line, and more arguments.
	pub fn run_with(&self, line: &str, more: &[&str]) -> Run {
		let mut command = Command::new(env!("CARGO_BIN_EXE_energy-wallet"));
		command
			.env_clear()
			.env("TZ", "UTC")
			.env("ENERGY_KEYSTORE", self.keys())
			.env("ENERGY_NODE", self.node.as_deref().unwrap_or("ws://127.0.0.1:1"))
			.env("ENERGY_ORACLE", self.oracle.as_deref().unwrap_or("http://127.0.0.1:1"))
			.args(line.split_whitespace())
			.args(more);
		Run::of(command.output().expect("the program starts"))
	}

	pub fn run(&self, line: &str) -> Run {
		self.run_with(line, &[])
	}

	/// As `run`, with the passphrase.
	pub fn unlocked(&self, line: &str) -> Run {
		self.run_with(line, &["--passphrase-file", &self.passphrase_file()])
	}
}

/// What the program did.
#[derive(Debug)]
pub struct Run {
	pub status: i32,
	pub out: String,
	pub err: String,
}

impl Run {
	fn of(output: Output) -> Self {
		Self {
			status: output.status.code().expect("it ended by itself"),
			out: String::from_utf8(output.stdout).expect("is text"),
			err: String::from_utf8(output.stderr).expect("is text"),
		}
	}

	/// It did what was asked.
	#[track_caller]
	pub fn ok(self) -> Self {
		assert_eq!(self.status, 0, "{self:#?}");
		self
	}

	/// It did not, and says all of this.
	#[track_caller]
	pub fn fails_with(self, words: &[&str]) -> Self {
		assert_eq!(self.status, 1, "{self:#?}");
		for word in words {
			assert!(self.err.contains(word), "{word:?} is missing in {self:#?}");
		}
		self
	}

	/// It printed all of this.
	#[track_caller]
	pub fn says(self, words: &[&str]) -> Self {
		for word in words {
			assert!(self.out.contains(word), "{word:?} is missing in {self:#?}");
		}
		self
	}

	#[track_caller]
	pub fn json(&self) -> Value {
		serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
	}
}

/// How a node answers `state_call`: the method and its arguments. `None`: no such method.
pub type Answers = dyn Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync;

/// A node that knows only what it is told.
pub struct Node {
	pub url: String,
	_handle: ServerHandle,
	_runtime: tokio::runtime::Runtime,
}

impl Node {
	pub fn new(answers: impl Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
		let mut module = RpcModule::new(Arc::new(answers) as Arc<Answers>);
		module
			.register_method("chain_getBlockHash", |_, _, _| format!("{:?}", H256::repeat_byte(1)))
			.expect("is new");
		module
			.register_method("chain_getFinalizedHead", |_, _, _| {
				format!("{:?}", H256::repeat_byte(2))
			})
			.expect("is new");
		module
			.register_method("state_getStorage", |_, _, _| Option::<String>::None)
			.expect("is new");
		module
			.register_method("state_call", |params, answers, _| {
				let mut params = params.sequence();
				let method: String = params.next()?;
				let args: String = params.next()?;
				let args = bytes(&args);
				answers(&method, &args).map(|answer| hex(&answer)).ok_or_else(|| {
					ErrorObjectOwned::owned(
						4003,
						format!(
							"Client error: Execution failed: Exported method {method} is not found"
						),
						None::<()>,
					)
				})
			})
			.expect("is new");
		Self::serve(module)
	}

	/// Serves any methods.
	pub fn serve<C: Send + Sync + 'static>(module: RpcModule<C>) -> Self {
		let runtime = tokio::runtime::Builder::new_multi_thread()
			.worker_threads(2)
			.enable_all()
			.build()
			.expect("starts");
		let (url, handle) = runtime.block_on(async {
			let server = Server::builder().build("127.0.0.1:0").await.expect("listens");
			let address = server.local_addr().expect("has an address");
			(format!("ws://{address}"), server.start(module))
		});
		Self { url, _handle: handle, _runtime: runtime }
	}
}

pub fn hex(bytes: &[u8]) -> String {
	format!("0x{}", ::hex::encode(bytes))
}

pub fn bytes(text: &str) -> Vec<u8> {
	::hex::decode(text.trim_start_matches("0x")).expect("is hexadecimal")
}

/// An oracle that answers paths with a status and a text; its address.
pub fn oracle(answers: HashMap<String, (u16, String)>) -> String {
	let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
	let url = format!("http://{}", listener.local_addr().expect("has an address"));
	std::thread::spawn(move || {
		for stream in listener.incoming() {
			let Ok(mut stream) = stream else { return };
			let mut lines = BufReader::new(&stream).lines();
			let first = lines.next().and_then(Result::ok).unwrap_or_default();
			// The rest of the head, up to the empty line.
			while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
			let path = first.split(' ').nth(1).unwrap_or_default();
			let (status, body) = answers.get(path).cloned().unwrap_or((404, "{}".into()));
			let _ = write!(
				stream,
				"HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
				body.len()
			);
		}
	});
	url
}
