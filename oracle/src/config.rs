//! What an operator writes: a file in TOML, and variables of the environment over it.
//!
//! Every key of the file can be set by a variable, too: `ENERGY_ORACLE__HTTP__LISTEN` is the key `listen`
//! of the table `http`. Its text is read as a TOML value, and where it is none, as a string. Options of
//! the command line come last.

use std::{
	collections::BTreeSet,
	net::SocketAddr,
	path::{Path, PathBuf},
	time::Duration,
};

use energy_primitives::ZoneId;
use sealed_values_pkcs11::Pkcs11Settings;
use secure_server::{Limits, TlsSettings};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
	access::AccessSettings,
	chain::node::Account,
	http::rate::RateSettings,
	ingest::IngestLimits,
	key::{account_from_file, development_account, KeyError},
	outbox::OutboxConfig,
	outlets::{Outlets, OutletsConfig},
	reading::TimeLimits,
	service,
	sources::Sources,
	store::{keys::KekSettings, rocks::StoreLimits},
	webhooks::WebhookSettings,
};

/// What variables that set a key begin with.
pub const VARIABLE_PREFIX: &str = "ENERGY_ORACLE__";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
	/// The file cannot be read.
	#[error("{}: {source}", path.display())]
	Unreadable {
		/// Which file.
		path: PathBuf,
		/// The reason.
		source: std::io::Error,
	},
	/// The file is no TOML.
	#[error("{}: {reason}", path.display())]
	Syntax {
		/// Which file.
		path: PathBuf,
		/// Where, and what is wrong.
		reason: String,
	},
	/// A key is wrong.
	#[error("{key}: {reason}")]
	Key {
		/// The tables and the key, with points between them.
		key: String,
		/// What is wrong.
		reason: String,
	},
}

/// A key that is wrong.
fn wrong(key: impl Into<String>, reason: impl ToString) -> ConfigError {
	ConfigError::Key { key: key.into(), reason: reason.to_string() }
}

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
	/// The zones whose readings are taken.
	pub zones: Vec<ZoneId>,
	/// The node.
	pub node: NodeConfig,
	/// The account that attests.
	pub account: AccountConfig,
	/// Where readings are kept.
	pub storage: StorageConfig,
	/// What is taken, and how much at once.
	pub ingest: IngestConfig,
	/// How slots are attested.
	pub attestation: AttestationConfig,
	/// The HTTP interface.
	pub http: HttpConfig,
	/// Who may do what over HTTP; everybody everything, if it is left out.
	pub access: Option<AccessSettings>,
	/// Webhooks; none are sent, if it is left out.
	pub webhooks: Option<WebhookSettings>,
	/// Brokers of MQTT.
	pub mqtt: Vec<oracle_mqtt::Configuration>,
	/// Clusters of Kafka.
	pub kafka: Vec<oracle_kafka::Configuration>,
	/// Brokers of AMQP 0-9-1.
	pub amqp: Vec<oracle_amqp::Configuration>,
	/// What gets copies of sealed readings, by kind and name.
	pub outlets: OutletsConfig,
}

/// The node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
	/// WebSocket address.
	pub url: String,
	/// Seconds after which all meters are read again.
	pub registry_refresh_seconds: u64,
}

impl Default for NodeConfig {
	fn default() -> Self {
		Self { url: "ws://127.0.0.1:9944".into(), registry_refresh_seconds: 60 }
	}
}

/// The account that attests: one of the two.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountConfig {
	/// File with its secret phrase, secret URI or seed.
	pub key_file: Option<PathBuf>,
	/// A key that everybody knows, such as `//Oracle`, for development.
	pub development_key: Option<String>,
}

impl AccountConfig {
	/// The account.
	///
	/// # Errors
	/// When none or two are given, or the file cannot be read or holds no key.
	pub fn open(&self) -> Result<Account, ConfigError> {
		let unusable = |key: &str| {
			let key = key.to_owned();
			move |error: KeyError| wrong(key, error)
		};
		let key = match (&self.key_file, &self.development_key) {
			(Some(path), None) => account_from_file(path).map_err(unusable("account.key_file"))?,
			(None, Some(name)) => {
				tracing::warn!(name, "a development key: everybody can attest in its name");
				development_account(name).map_err(unusable("account.development_key"))?
			}
			(None, None) => return Err(wrong("account.key_file", "a key file is needed")),
			(Some(_), Some(_)) => {
				return Err(wrong("account", "has a key file and a development key"))
			}
		};
		Ok(Account::new(key))
	}
}

/// Where readings are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
	/// Folder of the database.
	pub folder: Option<PathBuf>,
	/// File of the key that wraps the keys of the database; made if there is none. Beside the folder
	/// unless said otherwise.
	pub encryption_key_file: Option<PathBuf>,
	/// The token that has that key, instead of a file.
	pub pkcs11: Option<Pkcs11Table>,
	/// Days after which values are encrypted with another data key.
	pub data_key_days: u64,
	/// Days after its replacement for which a data key is kept; then what it encrypted is encrypted
	/// anew, and it is dropped. Only when there are more than a thousand, if not given.
	pub data_key_retire_days: Option<u64>,
	/// Days for which readings are kept; for ever if not given.
	pub retention_days: Option<u64>,
	/// How many rejected messages are kept.
	pub dead_letters: u64,
	/// Whether to wait, as a standby, while another process has the folder open.
	pub standby: bool,
}

impl Default for StorageConfig {
	fn default() -> Self {
		Self {
			folder: None,
			encryption_key_file: None,
			pkcs11: None,
			data_key_days: 90,
			data_key_retire_days: None,
			retention_days: None,
			dead_letters: StoreLimits::default().dead_letters,
			standby: false,
		}
	}
}

impl StorageConfig {
	/// The folder of the database, and where the key is that wraps its keys.
	///
	/// # Errors
	/// When there is no folder, or the key is in two places.
	pub fn paths(&self) -> Result<(PathBuf, KekSettings), ConfigError> {
		let folder = self.folder.clone();
		let folder = folder.ok_or_else(|| wrong("storage.folder", "a folder is needed"))?;
		let key = match (&self.pkcs11, &self.encryption_key_file) {
			(None, None) => KekSettings::File(folder.with_extension("key")),
			(None, Some(path)) => KekSettings::File(path.clone()),
			(Some(token), None) => KekSettings::Token(token.settings()),
			(Some(_), Some(_)) => {
				return Err(wrong("storage", "has an encryption_key_file and a pkcs11 token"))
			}
		};
		Ok((folder, key))
	}
}

/// A key on a PKCS#11 token.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Table {
	/// The library of the token's maker.
	pub module: PathBuf,
	/// The label of the token.
	pub token: String,
	/// The label of the key on it.
	pub key: String,
	/// File with the PIN, readable by its owner only.
	pub pin_file: PathBuf,
}

impl Pkcs11Table {
	/// The same, for the crate that speaks to the token.
	pub fn settings(&self) -> Pkcs11Settings {
		Pkcs11Settings {
			module: self.module.clone(),
			token_label: self.token.clone(),
			key_label: self.key.clone(),
			pin_file: self.pin_file.clone(),
		}
	}
}

/// What is taken, and how much at once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
	/// The greatest age of a message and of a reading in it, seconds.
	pub max_age_seconds: u64,
	/// How far the clock of a meter may be ahead, seconds.
	pub max_future_seconds: u64,
	/// Milliseconds for which a request waits for its turn, before it is told to come back.
	pub patience_ms: u64,
	/// Threads that check messages; as many as there are cores if not given.
	pub threads: Option<usize>,
	/// The longest body, bytes.
	pub max_body_bytes: usize,
	/// The most messages in a body.
	pub max_messages: usize,
}

impl Default for IngestConfig {
	fn default() -> Self {
		let IngestLimits { time, max_body_bytes, max_messages, .. } = IngestLimits::default();
		Self {
			max_age_seconds: time.max_age_seconds,
			max_future_seconds: time.max_future_seconds,
			patience_ms: 100,
			threads: None,
			max_body_bytes,
			max_messages,
		}
	}
}

/// How slots are attested.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttestationConfig {
	/// Seconds to wait for readings after a slot ends; ten, or a sixth of the slot where that is less,
	/// if not given.
	pub grace_seconds: Option<u32>,
	/// The most pages on their way to the chain at once.
	pub parallel_pages: usize,
}

impl Default for AttestationConfig {
	fn default() -> Self {
		Self { grace_seconds: None, parallel_pages: OutboxConfig::default().parallel }
	}
}

/// The HTTP interface.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
	/// Address to serve on.
	pub listen: SocketAddr,
	/// TLS. Without it only a loopback address can be served on.
	pub tls: Option<TlsSettings>,
	/// Limits of connections.
	pub limits: Limits,
	/// How much one client may ask for.
	pub rate: RateSettings,
}

impl Default for HttpConfig {
	fn default() -> Self {
		Self {
			listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
			tls: None,
			limits: Limits::default(),
			rate: RateSettings::default(),
		}
	}
}

impl FileConfig {
	/// Reads a file, if one is given, and puts variables of the environment over it.
	///
	/// # Errors
	/// See [`ConfigError`]. Values that can only be wrong together are looked at by
	/// [`service`](Self::service).
	pub fn load(
		path: Option<&Path>,
		variables: impl IntoIterator<Item = (String, String)>,
	) -> Result<Self, ConfigError> {
		let mut table = match path {
			None => Table::new(),
			Some(path) => {
				let text = std::fs::read_to_string(path)
					.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
				text.parse::<Table>().map_err(|error| ConfigError::Syntax {
					path: path.to_owned(),
					reason: error.to_string(),
				})?
			}
		};
		for (name, text) in variables {
			if let Some(keys) = name.strip_prefix(VARIABLE_PREFIX) {
				let keys: Vec<String> =
					keys.split("__").map(|key| key.to_ascii_lowercase()).collect();
				set(&mut table, &keys, value_of(&text)).map_err(|reason| wrong(&name, reason))?;
			}
		}
		serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
			let key = error.path().to_string();
			wrong(key, error.into_inner().message().trim())
		})
	}

	/// The settings as a file.
	///
	/// # Errors
	/// When they cannot be written, which is a fault of this program.
	pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
		toml::to_string(self)
	}

	/// The configuration of the service.
	///
	/// # Errors
	/// The first value that cannot be used.
	pub fn service(&self) -> Result<service::Config, ConfigError> {
		if self.zones.is_empty() {
			return Err(wrong("zones", "at least one zone is needed"));
		}
		let (folder, key_encryption_key) = self.storage.paths()?;
		let at_least_one = |key: &str, value: usize| match value {
			0 => Err(wrong(key, "must be at least 1")),
			value => Ok(value),
		};
		let limits = IngestLimits {
			time: TimeLimits {
				max_age_seconds: self.ingest.max_age_seconds,
				max_future_seconds: self.ingest.max_future_seconds,
			},
			max_body_bytes: at_least_one("ingest.max_body_bytes", self.ingest.max_body_bytes)?,
			max_messages: at_least_one("ingest.max_messages", self.ingest.max_messages)?,
			patience: Duration::from_millis(self.ingest.patience_ms),
			parallel: match self.ingest.threads {
				None => IngestLimits::default().parallel,
				Some(threads) => at_least_one("ingest.threads", threads)?,
			},
			..IngestLimits::default()
		};
		let parallel = at_least_one("attestation.parallel_pages", self.attestation.parallel_pages)?;
		let sources = Sources {
			mqtt: checked("mqtt", &self.mqtt, |error: oracle_mqtt::ConfigurationError| {
				(error.field, error.reason)
			})?,
			kafka: checked("kafka", &self.kafka, of_source)?,
			amqp: checked("amqp", &self.amqp, of_source)?,
		};
		Outlets::open(&self.outlets).map_err(|error| wrong(error.key, error.reason))?;
		let http = secure_server::Settings {
			address: self.http.listen,
			tls: self.http.tls.clone(),
			limits: self.http.limits.clone(),
		};
		self.check_devices_by_certificate()?;
		if let Some(webhooks) = &self.webhooks {
			let wrong_key = |error: crate::webhooks::WebhookError| {
				wrong(format!("webhooks.{}", error.field), error.reason)
			};
			webhooks.rules().map_err(wrong_key)?;
		}
		http.validate().map_err(|error| wrong(format!("http.{}", error.field), error.reason))?;
		let zones: BTreeSet<ZoneId> = self.zones.iter().copied().collect();
		let config = service::Config::new(folder, http, zones.into_iter().collect());
		Ok(service::Config {
			key_encryption_key,
			data_key_max_age_seconds: self.storage.data_key_days.saturating_mul(86_400),
			data_key_retire_seconds: self
				.storage
				.data_key_retire_days
				.map(|days| days.saturating_mul(86_400)),
			retention_seconds: self.storage.retention_days.map(|days| days.saturating_mul(86_400)),
			store: StoreLimits { dead_letters: self.storage.dead_letters },
			grace_seconds: self.attestation.grace_seconds,
			registry_refresh_seconds: self.node.registry_refresh_seconds,
			limits,
			outbox: OutboxConfig { parallel, ..OutboxConfig::default() },
			sources,
			outlets: self.outlets.clone(),
			access: self.access.clone(),
			webhooks: self.webhooks.clone(),
			rate: self.http.rate,
			..config
		})
	}
}

impl FileConfig {
	/// Meters are known by their certificates only where certificates are asked for.
	fn check_devices_by_certificate(&self) -> Result<(), ConfigError> {
		let is_wanted = self.access.as_ref().is_some_and(|access| access.devices_by_certificate);
		let are_asked_for = self.http.tls.as_ref().is_some_and(|tls| {
			tls.client_authentication != secure_server::ClientAuthentication::None
		});
		if is_wanted && !are_asked_for {
			let reason = "http.tls.client_authentication must be optional or required for that";
			return Err(wrong("access.devices_by_certificate", reason));
		}
		Ok(())
	}
}

fn of_source(error: oracle_source::ConfigurationError) -> (&'static str, String) {
	(error.field, error.reason)
}

/// Checks the configurations of the sources of one kind.
fn checked<Configuration: Clone, Settings, Error>(
	table: &str,
	configurations: &[Configuration],
	field_and_reason: impl Fn(Error) -> (&'static str, String),
) -> Result<Vec<Settings>, ConfigError>
where
	Settings: TryFrom<Configuration, Error = Error>,
{
	let check = |(index, configuration): (usize, &Configuration)| {
		Settings::try_from(configuration.clone()).map_err(|error| {
			let (field, reason) = field_and_reason(error);
			wrong(format!("{table}[{index}].{field}"), reason)
		})
	};
	configurations.iter().enumerate().map(check).collect()
}

/// The value that a variable's text means.
fn value_of(text: &str) -> Value {
	let table = format!("value = {text}").parse::<Table>().ok();
	table
		.filter(|table| table.len() == 1)
		.and_then(|mut table| table.remove("value"))
		.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
	match keys {
		[] => Ok(()),
		[key] => {
			table.insert(key.clone(), value);
			Ok(())
		}
		[first, rest @ ..] => {
			let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
			match inner {
				Value::Table(inner) => set(inner, rest, value),
				_ => Err(format!("{first} is no table")),
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn load(text: &str, variables: &[(&str, &str)]) -> Result<FileConfig, ConfigError> {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let path = folder.path().join("oracle.toml");
		std::fs::write(&path, text).expect("the folder can be written");
		let variables =
			variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
		FileConfig::load(Some(&path), variables)
	}

	const SMALL: &str = "zones = [1]\n[storage]\nfolder = \"/data/db\"\n";

	#[test]
	fn what_is_not_said_is_the_default() {
		let config = load(SMALL, &[]).and_then(|config| config.service()).expect("a config");
		assert_eq!(config.zones, [ZoneId(1)]);
		let is_beside = |key: &KekSettings| matches!(key, KekSettings::File(path) if path == Path::new("/data/db.key"));
		assert!(is_beside(&config.key_encryption_key));
		assert_eq!(config.limits.patience, Duration::from_millis(100));
		assert!(config.limits.verifies_signatures);
	}

	#[test]
	fn what_is_shown_can_be_read_back() {
		let broker = "[[mqtt]]\nbroker_url = \"mqtt://broker\"\nclient_id = \"one\"\n";
		let outlets =
			"[outlets.postgresql.a]\nhost = \"::1\"\ndatabase = \"d\"\nusername = \"u\"\n\
			tls = { ca_file = \"f\" }\n[outlets.archive.b]\ns3 = { bucket = \"b\" }\n\
			[outlets.redis.c]\nhost = \"::1\"\ntime_to_live_seconds = 5\n";
		let config = load(&format!("{SMALL}{broker}{outlets}"), &[]).expect("a config");
		assert_eq!(config.outlets.redis["c"].time_to_live_seconds, Some(5));
		let shown = config.to_toml().expect("it can be shown");
		let again = load(&shown, &[]).expect("it can be read");
		assert_eq!(format!("{config:?}"), format!("{again:?}"));
	}

	#[test]
	fn an_account_has_one_key() {
		let open = |account: &str| {
			let config = load(&format!("{SMALL}[account]\n{account}"), &[]).expect("a config");
			config.account.open().map(|_account| ()).map_err(|error| error.to_string())
		};
		assert_eq!(open("development_key = \"//Oracle\""), Ok(()));
		assert_eq!(open(""), Err("account.key_file: a key file is needed".to_owned()));
		let both = open("development_key = \"//Oracle\"\nkey_file = \"k\"");
		assert_eq!(both, Err("account: has a key file and a development key".to_owned()));
		assert!(open("key_file = \"/no/such/file\"").is_err());
	}

	#[test]
	fn variables_come_over_the_file() {
		let config = load(
			SMALL,
			&[
				("ENERGY_ORACLE__HTTP__LISTEN", "127.0.0.1:9"),
				("ENERGY_ORACLE__ZONES", "[3, 2, 3]"),
				("ENERGY_ORACLE__INGEST__PATIENCE_MS", "7"),
				("ENERGY_ORACLE_ZONE", "an option of the command line"),
			],
		)
		.and_then(|config| config.service())
		.expect("a config");
		assert_eq!(config.http.address, SocketAddr::from(([127, 0, 0, 1], 9)));
		assert_eq!(config.zones, [ZoneId(2), ZoneId(3)]);
		assert_eq!(config.limits.patience, Duration::from_millis(7));
	}

	#[test]
	fn what_is_wrong_is_named() {
		let message = |text: &str, variables: &[(&str, &str)]| {
			load(text, variables)
				.and_then(|config| config.service())
				.expect_err("it is wrong")
				.to_string()
		};
		assert!(message("zones = [1\n", &[]).contains("line 1"));
		assert!(message("zoness = [1]\n", &[]).contains("unknown field `zoness`"));
		let listen = message("[http]\nlisten = \"here\"\n", &[]);
		assert!(listen.starts_with("http.listen: "), "{listen}");
		assert_eq!(message("", &[]), "zones: at least one zone is needed");
		assert_eq!(message("zones = [1]\n", &[]), "storage.folder: a folder is needed");
		let threads = format!("{SMALL}[ingest]\nthreads = 0\n");
		assert_eq!(message(&threads, &[]), "ingest.threads: must be at least 1");
		let broker = format!("{SMALL}[[mqtt]]\nbroker_url = \"http://x\"\n");
		let broker = message(&broker, &[]);
		assert!(broker.starts_with("mqtt[0].broker_url: "), "{broker}");
		for (outlet, wrong) in [
			("postgresql.a", "outlets.postgresql.a: missing field `host`"),
			("archive.a", "outlets.archive.a.folder: give either this or s3"),
			("redis.a]\nhost = \"cache\"\n[outlets.redis.b", "outlets.redis.b: missing field"),
			("redis.B]\nhost = \"::1\"\n[x", "x: unknown field"),
			("redis.\"a/b\"]\nhost = \"::1\"\n[node", "outlets.redis.a/b: the name must have 1 to"),
			("redis.\"\"]\nhost = \"::1\"\n[node", "outlets.redis.: the name must have 1 to"),
			("redis.a]\nhost = \"cache\"\n[node", "outlets.redis.a.tls: is required, unless"),
			("redis.a]\nhots = \"cache\"\n[node", "outlets.redis.a.hots: unknown field `hots`"),
			("kafka.a", "outlets.kafka: unknown field `kafka`"),
		] {
			let found = message(&format!("{SMALL}[outlets.{outlet}]\n"), &[]);
			assert!(found.starts_with(wrong), "{outlet}: {found}");
		}
		let outlet = "ENERGY_ORACLE__OUTLETS__REDIS__A__HOST";
		let found = message(SMALL, &[(outlet, "cache.example")]);
		assert!(found.starts_with("outlets.redis.a.tls: is required"), "{found}");
		let open = message(SMALL, &[("ENERGY_ORACLE__HTTP__LISTEN", "0.0.0.0:1")]);
		assert!(open.starts_with("http.tls: required unless"), "{open}");
		let table = message(SMALL, &[("ENERGY_ORACLE__ZONES__X", "1")]);
		assert_eq!(table, "ENERGY_ORACLE__ZONES__X: zones is no table");
		assert!(FileConfig::load(Some(Path::new("/no/such/file")), []).is_err());
	}
}
