//! A gate for tests: a clock that is set, a client for each role, a folder that is gone afterwards.

use std::{
	path::Path,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, OnceLock,
	},
};

use oracle_access::{
	audit::{self, Checkpoint},
	issue::{Secret, SecretHash},
	Role, Scopes,
};

use super::{
	consents::{ConsentStore, MemoryConsents},
	AccessSettings, Gate,
};

/// When every test begins.
pub(super) const NOW: u64 = 1_800_000_000;
/// The secret of every client.
const SECRET: &str = "a secret that is long enough for a test, and known to everybody";

#[derive(Clone)]
pub(super) struct TestClock(Arc<AtomicU64>);

impl TestClock {
	pub(super) fn set(&self, now: u64) {
		self.0.store(now, Ordering::SeqCst);
	}
}

impl crate::clock::Clock for TestClock {
	fn now_seconds(&self) -> u64 {
		self.0.load(Ordering::SeqCst)
	}
}

/// The account of a client, as the chain writes it.
pub(super) fn account(number: u8) -> String {
	energy_primitives::AccountId::new([number; 32]).to_string()
}

/// A client for each role, named like it, and a second prosumer; accounts by their order.
fn clients() -> String {
	static HASH: OnceLock<String> = OnceLock::new();
	let hash =
		HASH.get_or_init(|| SecretHash::of(&Secret::new(SECRET.to_owned())).expect("a hash").phc());
	let names = Role::ALL.iter().map(|role| (role.name(), role.name()));
	names
		.chain([("neighbour", "prosumer")])
		.enumerate()
		.map(|(number, (id, role))| {
			let scopes: Vec<String> =
				Scopes::all().iter().map(|scope| format!("\"{scope}\"")).collect();
			let more = match role {
				"device" => format!("meter = \"{}\"\n", "07".repeat(32)),
				"utility" => "zones = [1]\n".to_owned(),
				"prosumer" | "aggregator" => {
					let number = u8::try_from(number).expect("few clients");
					format!("account = \"{}\"\n", account(number))
				}
				_ => String::new(),
			};
			format!(
				"[[client]]\nid = \"{id}\"\nsecret_hashes = [\"{hash}\"]\nroles = [\"{role}\"]\n\
				 scopes = [{}]\n{more}\n",
				scopes.join(", ")
			)
		})
		.collect()
}

/// Settings whose files are in a folder.
pub(super) fn settings(folder: &Path) -> AccessSettings {
	let clients_file = folder.join("clients.toml");
	std::fs::write(&clients_file, clients()).expect("the folder can be written");
	AccessSettings {
		issuer: "https://oracle.example".into(),
		audience: "oracle".into(),
		token_seconds: 600,
		signing_key_file: folder.join("signing.json"),
		clients_file,
		audit_folder: folder.join("audit"),
		anchor_audit_log: false,
		readings_without_token: false,
		devices_by_certificate: false,
		trusted: Vec::new(),
	}
}

pub(super) struct Guarded {
	pub(super) gate: Gate,
	pub(super) clock: TestClock,
	pub(super) consents: Arc<dyn ConsentStore>,
	pub(super) settings: AccessSettings,
	pub(super) folder: tempfile::TempDir,
}

impl Guarded {
	pub(super) fn new() -> Self {
		Self::with(|_| ())
	}

	pub(super) fn with(adjust: impl FnOnce(&mut AccessSettings)) -> Self {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let mut settings = settings(folder.path());
		adjust(&mut settings);
		let clock = TestClock(Arc::new(AtomicU64::new(NOW)));
		let consents: Arc<dyn ConsentStore> = Arc::new(MemoryConsents::default());
		let gate = Gate::open(&settings, Arc::new(clock.clone()), consents.clone());
		Self { gate: gate.expect("a gate"), clock, consents, settings, folder }
	}

	/// The same gate after the process was ended and started.
	pub(super) fn restarted(self) -> Self {
		let Self { gate, clock, consents, settings, folder } = self;
		drop(gate);
		// The audit log is let go of by its own thread.
		let opened = (0..1_000).find_map(|_| {
			std::thread::yield_now();
			let gate = Gate::open(&settings, Arc::new(clock.clone()), consents.clone());
			if gate.is_err() {
				std::thread::sleep(std::time::Duration::from_millis(1));
			}
			gate.ok()
		});
		Self { gate: opened.expect("a gate"), clock, consents, settings, folder }
	}

	pub(super) fn basic(client: &str) -> String {
		use base64::{engine::general_purpose::STANDARD, Engine as _};
		format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}")))
	}

	/// A token of a client.
	pub(super) async fn token(&self, client: &str) -> String {
		let body = b"grant_type=client_credentials".to_vec();
		let answer = self.gate.token(Some(Self::basic(client)), body).await.expect("a token");
		answer.access_token.to_string()
	}

	/// The header with a token of a client.
	pub(super) async fn bearer(&self, client: &str) -> String {
		format!("Bearer {}", self.token(client).await)
	}

	/// The lines of the audit log.
	pub(super) fn audit(&self) -> Vec<serde_json::Value> {
		let folder = &self.settings.audit_folder;
		audit::verify(folder, &Checkpoint::GENESIS).expect("a whole log");
		let text = std::fs::read_to_string(folder.join(format!("audit-{:020}.jsonl", 0)));
		let text = text.expect("the log can be read");
		text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
	}
}
