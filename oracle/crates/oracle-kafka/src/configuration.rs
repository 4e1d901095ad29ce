//! What an operator writes, and what it means once it is checked.

use std::{path::PathBuf, time::Duration};

use oracle_source::{invalid, milliseconds, positive, ConfigurationError};
use serde::{Deserialize, Serialize};

/// What an operator writes: every field by the name it has in a configuration file.
///
/// `brokers`, `group_id` and `topics` have no default. Becomes [`Settings`] by [`TryFrom`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
	/// Some brokers of the cluster, each `host:port`; they name the others.
	pub brokers: Vec<String>,
	/// Group among whose members the partitions are shared out, and whose offsets are committed.
	pub group_id: String,
	/// Topics to consume.
	pub topics: Vec<String>,
	/// Name of this client in the logs of the brokers.
	#[serde(default = "default_client_id")]
	pub client_id: String,
	/// Name of this member of the group. With it, the partitions wait for a member that restarts
	/// within the session time-out. Two members of one name throw each other out.
	#[serde(default)]
	pub group_instance_id: Option<String>,
	/// Where to begin in a partition of which the group has committed nothing, or nothing that is
	/// still there.
	#[serde(default)]
	pub offset_reset: OffsetReset,
	/// Whether to speak TLS with the brokers. Needs the feature `tls`.
	#[serde(default)]
	pub tls: bool,
	/// PEM file with the authorities that may vouch for the brokers. Without it, those of the
	/// system.
	#[serde(default)]
	pub ca_file: Option<PathBuf>,
	/// PEM file with the certificate chain of this client.
	#[serde(default)]
	pub client_certificate_file: Option<PathBuf>,
	/// PEM file with the private key of that certificate.
	#[serde(default)]
	pub client_key_file: Option<PathBuf>,
	/// How the password is proven.
	#[serde(default)]
	pub sasl_mechanism: SaslMechanism,
	/// Name of the user at the brokers.
	#[serde(default)]
	pub username: Option<String>,
	/// File with the password; one line break at the end is not part of it.
	#[serde(default)]
	pub password_file: Option<PathBuf>,
	/// Milliseconds without a sign of life after which the group gives away the partitions.
	#[serde(default = "default_session_timeout_ms")]
	pub session_timeout_ms: u64,
	/// Records handed over together at most.
	#[serde(default = "default_batch_messages")]
	pub batch_messages: usize,
	/// Bytes of values after which a batch is full. One record more may be in it.
	#[serde(default = "default_batch_bytes")]
	pub batch_bytes: usize,
	/// Batches the sink is asked to take at the same time.
	#[serde(default = "default_concurrent_batches")]
	pub concurrent_batches: usize,
	/// Milliseconds a record waits for others while the sink has a batch already. While it has
	/// none, nothing waits.
	#[serde(default = "default_linger_ms")]
	pub linger_ms: u64,
	/// Bytes of the largest value that is handed over.
	#[serde(default = "default_maximum_payload_bytes")]
	pub maximum_payload_bytes: usize,
	/// Bytes of records that are fetched ahead, at least 1024. One fetch more may be held.
	#[serde(default = "default_prefetch_bytes")]
	pub prefetch_bytes: usize,
	/// Milliseconds between two commits at least. What was handled since the last one comes again
	/// after a crash.
	#[serde(default = "default_commit_interval_ms")]
	pub commit_interval_ms: u64,
	/// Milliseconds the sink may take to answer before partitions that are taken away go without
	/// its answer. The records come again then, at the member that gets them.
	#[serde(default = "default_revoke_timeout_ms")]
	pub revoke_timeout_ms: u64,
	/// Milliseconds before the first try to connect again; doubled with every further try.
	#[serde(default = "default_reconnect_minimum_ms")]
	pub reconnect_minimum_ms: u64,
	/// Milliseconds between two tries at most.
	#[serde(default = "default_reconnect_maximum_ms")]
	pub reconnect_maximum_ms: u64,
	/// Milliseconds a stop waits for the sink to answer for what it has.
	#[serde(default = "default_stop_timeout_ms")]
	pub stop_timeout_ms: u64,
}

fn default_client_id() -> String {
	"oracle".to_owned()
}
fn default_session_timeout_ms() -> u64 {
	45_000
}
fn default_batch_messages() -> usize {
	4096
}
fn default_batch_bytes() -> usize {
	4 << 20
}
fn default_concurrent_batches() -> usize {
	2
}
fn default_linger_ms() -> u64 {
	5
}
fn default_maximum_payload_bytes() -> usize {
	64 << 10
}
fn default_prefetch_bytes() -> usize {
	16 << 20
}
fn default_commit_interval_ms() -> u64 {
	1000
}
fn default_revoke_timeout_ms() -> u64 {
	5000
}
fn default_reconnect_minimum_ms() -> u64 {
	200
}
fn default_reconnect_maximum_ms() -> u64 {
	30_000
}
fn default_stop_timeout_ms() -> u64 {
	10_000
}

/// Where to begin without a committed offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetReset {
	/// With the oldest record, so that nothing is missed.
	#[default]
	Earliest,
	/// With what comes from now on.
	Latest,
}

/// How a password is proven, RFC 4616 and RFC 5802.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum SaslMechanism {
	/// It is sent as it is: only with TLS a secret.
	#[default]
	#[serde(rename = "PLAIN")]
	Plain,
	/// SCRAM with SHA-256. Needs the feature `tls`.
	#[serde(rename = "SCRAM-SHA-256")]
	ScramSha256,
	/// SCRAM with SHA-512. Needs the feature `tls`.
	#[serde(rename = "SCRAM-SHA-512")]
	ScramSha512,
}

impl SaslMechanism {
	pub(crate) fn name(self) -> &'static str {
		match self {
			Self::Plain => "PLAIN",
			Self::ScramSha256 => "SCRAM-SHA-256",
			Self::ScramSha512 => "SCRAM-SHA-512",
		}
	}
}

/// A [`Configuration`] that has been checked.
#[derive(Clone, Debug)]
pub struct Settings {
	pub(crate) brokers: Vec<String>,
	pub(crate) group_id: String,
	pub(crate) topics: Vec<String>,
	pub(crate) client_id: String,
	pub(crate) group_instance_id: Option<String>,
	pub(crate) offset_reset: OffsetReset,
	pub(crate) tls: bool,
	pub(crate) ca_file: Option<PathBuf>,
	pub(crate) client_identity: Option<ClientIdentity>,
	pub(crate) credentials: Option<Credentials>,
	pub(crate) session_timeout: Duration,
	pub(crate) batch: BatchLimits,
	pub(crate) maximum_payload_bytes: usize,
	pub(crate) prefetch_bytes: usize,
	pub(crate) commit_interval: Duration,
	pub(crate) revoke_timeout: Duration,
	pub(crate) reconnect_minimum: Duration,
	pub(crate) reconnect_maximum: Duration,
	pub(crate) stop_timeout: Duration,
}

/// When a batch is handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
	pub(crate) messages: usize,
	pub(crate) bytes: usize,
	pub(crate) concurrent: usize,
	pub(crate) linger: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
	pub(crate) mechanism: SaslMechanism,
	pub(crate) username: String,
	pub(crate) password_file: PathBuf,
}

#[derive(Clone, Debug)]
pub(crate) struct ClientIdentity {
	pub(crate) certificate_file: PathBuf,
	pub(crate) key_file: PathBuf,
}

impl TryFrom<Configuration> for Settings {
	type Error = ConfigurationError;

	fn try_from(raw: Configuration) -> Result<Self, Self::Error> {
		if raw.brokers.is_empty() {
			return Err(invalid("brokers", "names no broker"));
		}
		for broker in &raw.brokers {
			check_broker(broker)
				.map_err(|reason| invalid("brokers", format!("`{broker}` {reason}")))?;
		}
		check_name("group_id", &raw.group_id)?;
		check_name("client_id", &raw.client_id)?;
		if let Some(name) = &raw.group_instance_id {
			check_name("group_instance_id", name)?;
		}
		if raw.topics.is_empty() {
			return Err(invalid("topics", "names no topic"));
		}
		for topic in &raw.topics {
			if !is_topic(topic) {
				let reason = "must have 1 to 249 of letters, digits, `.`, `_` and `-`";
				return Err(invalid("topics", format!("`{topic}` {reason}")));
			}
		}
		if raw.tls && !cfg!(feature = "tls") {
			return Err(invalid("tls", "this program is built without the feature `tls`"));
		}
		let client_identity = match (raw.client_certificate_file, raw.client_key_file) {
			(Some(certificate_file), Some(key_file)) => {
				Some(ClientIdentity { certificate_file, key_file })
			}
			(None, None) => None,
			(Some(_), None) => {
				return Err(invalid("client_key_file", "the certificate has no key"))
			}
			(None, Some(_)) => {
				return Err(invalid("client_certificate_file", "the key has no certificate"))
			}
		};
		if !raw.tls && raw.ca_file.is_some() {
			return Err(invalid("ca_file", "needs `tls`"));
		}
		if !raw.tls && client_identity.is_some() {
			return Err(invalid("client_certificate_file", "needs `tls`"));
		}
		let credentials = match (raw.username, raw.password_file) {
			(Some(username), Some(_)) if username.is_empty() || username.contains('\0') => {
				return Err(invalid("username", "is empty or has a null character"))
			}
			(Some(username), Some(password_file)) => {
				Some(Credentials { mechanism: raw.sasl_mechanism, username, password_file })
			}
			(None, None) => None,
			(Some(_), None) => return Err(invalid("password_file", "the user has no password")),
			(None, Some(_)) => return Err(invalid("username", "the password has no user")),
		};
		if raw.sasl_mechanism != SaslMechanism::Plain {
			if credentials.is_none() {
				return Err(invalid("username", "the mechanism needs a user"));
			}
			if !cfg!(feature = "tls") {
				let reason = "SCRAM needs a program built with the feature `tls`";
				return Err(invalid("sasl_mechanism", reason));
			}
		}
		let session_timeout = milliseconds("session_timeout_ms", raw.session_timeout_ms)?;
		if session_timeout < Duration::from_secs(1) || session_timeout > Duration::from_secs(3600) {
			return Err(invalid("session_timeout_ms", "must be from 1000 to 3600000"));
		}
		positive("reconnect_minimum_ms", raw.reconnect_minimum_ms)?;
		if raw.reconnect_maximum_ms < raw.reconnect_minimum_ms {
			return Err(invalid("reconnect_maximum_ms", "is below reconnect_minimum_ms"));
		}
		// librdkafka takes no larger messages, and counts them in kilobytes.
		if raw.maximum_payload_bytes > 1_000_000_000 {
			return Err(invalid("maximum_payload_bytes", "must be at most 1000000000"));
		}
		if !(1024..=2_000_000_000).contains(&raw.prefetch_bytes) {
			return Err(invalid("prefetch_bytes", "must be from 1024 to 2000000000"));
		}
		let longest_wait = Duration::from_secs(240);
		let revoke_timeout = milliseconds("revoke_timeout_ms", raw.revoke_timeout_ms)?;
		if revoke_timeout > longest_wait {
			// The group gives a member up that does not poll for five minutes.
			return Err(invalid("revoke_timeout_ms", "must be at most 240000"));
		}
		Ok(Self {
			brokers: raw.brokers,
			group_id: raw.group_id,
			topics: raw.topics,
			client_id: raw.client_id,
			group_instance_id: raw.group_instance_id,
			offset_reset: raw.offset_reset,
			tls: raw.tls,
			ca_file: raw.ca_file,
			client_identity,
			credentials,
			session_timeout,
			batch: BatchLimits {
				messages: positive("batch_messages", raw.batch_messages)?,
				bytes: positive("batch_bytes", raw.batch_bytes)?,
				concurrent: positive("concurrent_batches", raw.concurrent_batches)?,
				linger: milliseconds("linger_ms", raw.linger_ms)?,
			},
			maximum_payload_bytes: positive("maximum_payload_bytes", raw.maximum_payload_bytes)?,
			prefetch_bytes: raw.prefetch_bytes,
			commit_interval: milliseconds("commit_interval_ms", raw.commit_interval_ms)?,
			revoke_timeout,
			reconnect_minimum: milliseconds("reconnect_minimum_ms", raw.reconnect_minimum_ms)?,
			reconnect_maximum: milliseconds("reconnect_maximum_ms", raw.reconnect_maximum_ms)?,
			stop_timeout: milliseconds("stop_timeout_ms", raw.stop_timeout_ms)?,
		})
	}
}

fn check_broker(broker: &str) -> Result<(), &'static str> {
	let (host, port) = broker.rsplit_once(':').ok_or("has no port")?;
	if port.parse::<u16>().map_or(true, |port| port == 0) {
		return Err("has a port that is not a number from 1 to 65535");
	}
	let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
	let is_host = match bare {
		Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
		None => {
			let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
			!host.is_empty() && host.chars().all(allowed)
		}
	};
	if !is_host {
		return Err("has no host");
	}
	Ok(())
}

fn check_name(field: &'static str, name: &str) -> Result<(), ConfigurationError> {
	if name.is_empty() || name.len() > 249 || name.contains(char::is_control) {
		return Err(invalid(field, "must have 1 to 249 bytes and no control character"));
	}
	Ok(())
}

/// The names Kafka allows. None begins with `^`, which librdkafka takes for a pattern.
fn is_topic(name: &str) -> bool {
	let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
	(1..=249).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
	use super::*;

	fn base() -> Configuration {
		serde_json::from_str(r#"{"brokers":["a:9092"],"group_id":"g","topics":["t"]}"#).unwrap()
	}

	#[test]
	fn defaults_miss_nothing_and_are_bounded() {
		let settings = Settings::try_from(base()).unwrap();
		assert_eq!(settings.offset_reset, OffsetReset::Earliest);
		assert!(!settings.tls && settings.credentials.is_none());
		assert_eq!(settings.batch.messages, 4096);
		assert_eq!(settings.prefetch_bytes, 16 << 20);
	}

	#[test]
	fn unknown_field_or_value_is_refused() {
		for json in [
			r#"{"brokers":["a:1"],"group_id":"g","topics":["t"],"acks":1}"#,
			r#"{"brokers":["a:1"],"group_id":"g","topics":["t"],"offset_reset":"none"}"#,
			r#"{"brokers":["a:1"],"group_id":"g","topics":["t"],"sasl_mechanism":"GSSAPI"}"#,
			r#"{"brokers":["a:1"],"group_id":"g"}"#,
		] {
			assert!(serde_json::from_str::<Configuration>(json).is_err(), "{json}");
		}
	}

	#[test]
	fn brokers_are_read() {
		for broker in ["a:9092", "kafka-1.example:1", "127.0.0.1:65535", "[::1]:9092"] {
			assert_eq!(check_broker(broker), Ok(()), "{broker}");
		}
		for broker in ["", "a", "a:", ":1", "a:0", "a:70000", "a b:1", "::1:9", "[a]:1", "x://a:1"]
		{
			assert!(check_broker(broker).is_err(), "{broker}");
		}
	}

	#[test]
	fn every_wrong_field_is_named() {
		type Change = fn(&mut Configuration);
		let mut cases: Vec<(&str, Change)> = vec![
			("brokers", |raw| raw.brokers.clear()),
			("brokers", |raw| raw.brokers = vec!["a".into()]),
			("group_id", |raw| raw.group_id.clear()),
			("client_id", |raw| raw.client_id = "\0".into()),
			("group_instance_id", |raw| raw.group_instance_id = Some("x".repeat(250))),
			("topics", |raw| raw.topics.clear()),
			("topics", |raw| raw.topics = vec!["^meter".into()]),
			("topics", |raw| raw.topics = vec!["..".into()]),
			("client_key_file", |raw| raw.client_certificate_file = Some("c".into())),
			("client_certificate_file", |raw| raw.client_key_file = Some("k".into())),
			("ca_file", |raw| raw.ca_file = Some("c".into())),
			("client_certificate_file", |raw| {
				raw.client_certificate_file = Some("c".into());
				raw.client_key_file = Some("k".into());
			}),
			("password_file", |raw| raw.username = Some("u".into())),
			("username", |raw| raw.password_file = Some("p".into())),
			("username", |raw| raw.sasl_mechanism = SaslMechanism::ScramSha256),
			("username", |raw| {
				raw.username = Some("\0".into());
				raw.password_file = Some("p".into());
			}),
			("session_timeout_ms", |raw| raw.session_timeout_ms = 999),
			("batch_messages", |raw| raw.batch_messages = 0),
			("batch_bytes", |raw| raw.batch_bytes = 0),
			("concurrent_batches", |raw| raw.concurrent_batches = 0),
			("linger_ms", |raw| raw.linger_ms = u64::MAX),
			("maximum_payload_bytes", |raw| raw.maximum_payload_bytes = 0),
			("maximum_payload_bytes", |raw| raw.maximum_payload_bytes = usize::MAX),
			("prefetch_bytes", |raw| raw.prefetch_bytes = 1023),
			("commit_interval_ms", |raw| raw.commit_interval_ms = u64::MAX),
			("revoke_timeout_ms", |raw| raw.revoke_timeout_ms = 240_001),
			("reconnect_minimum_ms", |raw| raw.reconnect_minimum_ms = 0),
			("reconnect_maximum_ms", |raw| raw.reconnect_maximum_ms = 1),
			("stop_timeout_ms", |raw| raw.stop_timeout_ms = u64::MAX),
		];
		if !cfg!(feature = "tls") {
			cases.push(("tls", |raw| raw.tls = true));
			cases.push(("sasl_mechanism", |raw| {
				raw.sasl_mechanism = SaslMechanism::ScramSha512;
				raw.username = Some("u".into());
				raw.password_file = Some("p".into());
			}));
		}
		for (field, change) in cases {
			let mut raw = base();
			change(&mut raw);
			let error = Settings::try_from(raw).unwrap_err();
			assert_eq!(error.field, field, "{error}");
		}
	}
}
