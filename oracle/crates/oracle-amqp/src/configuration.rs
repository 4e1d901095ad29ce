//! What an operator writes, and what it means once it is checked.

use std::{path::PathBuf, str::FromStr, time::Duration};

use oracle_source::{invalid, milliseconds, positive, ConfigurationError};
use serde::{Deserialize, Serialize};

/// What an operator writes: every field by the name it has in a configuration file.
///
/// `broker_url` and `queue` have no default, and there must be a user or a client certificate.
/// Becomes [`Settings`] by [`TryFrom`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
	/// `amqp://host:port`, or `amqps://host:port` for TLS 1.3. Ports default to 5672 and 5671.
	pub broker_url: String,
	/// Virtual host at the broker.
	#[serde(default = "default_virtual_host")]
	pub virtual_host: String,
	/// Name of the user at the broker. Without it the client certificate says who this is
	/// (SASL EXTERNAL).
	#[serde(default)]
	pub username: Option<String>,
	/// File with the password; one line break at the end is not part of it. Read at every
	/// connection.
	#[serde(default)]
	pub password_file: Option<PathBuf>,
	/// PEM file with the authorities that may vouch for the broker. Without it, those of the
	/// system.
	#[serde(default)]
	pub ca_file: Option<PathBuf>,
	/// PEM file with the certificate chain of this client.
	#[serde(default)]
	pub client_certificate_file: Option<PathBuf>,
	/// PEM file with the private key of that certificate.
	#[serde(default)]
	pub client_key_file: Option<PathBuf>,
	/// Queue to consume.
	pub queue: String,
	/// Declares the queue as durable, of this type. Without it the queue must exist.
	#[serde(default)]
	pub declare: Option<QueueType>,
	/// Where the queue gets its messages from. Only with `declare`; the exchanges must exist.
	#[serde(default)]
	pub bindings: Vec<Binding>,
	/// Name of this consumer at the broker, for a human.
	#[serde(default = "default_consumer_name")]
	pub consumer_name: String,
	/// Seconds, at least 1. Without a sign from the broker for twice as long, the connection counts
	/// as lost. The broker may ask for less.
	#[serde(default = "default_heartbeat_seconds")]
	pub heartbeat_seconds: u16,
	/// Unacknowledged messages the broker may send ahead.
	#[serde(default = "default_prefetch_messages")]
	pub prefetch_messages: u16,
	/// Messages handed over together at most.
	#[serde(default = "default_batch_messages")]
	pub batch_messages: usize,
	/// Bytes of payload after which a batch is full. One message more may be in it.
	#[serde(default = "default_batch_bytes")]
	pub batch_bytes: usize,
	/// Batches the sink is asked to take at the same time.
	#[serde(default = "default_concurrent_batches")]
	pub concurrent_batches: usize,
	/// Milliseconds a message waits for others while the sink has a batch already. While it has
	/// none, nothing waits.
	#[serde(default = "default_linger_ms")]
	pub linger_ms: u64,
	/// Bytes of the largest payload that is handed over.
	#[serde(default = "default_maximum_payload_bytes")]
	pub maximum_payload_bytes: usize,
	/// Milliseconds a connection may take until the broker has confirmed the consumer.
	#[serde(default = "default_connect_timeout_ms")]
	pub connect_timeout_ms: u64,
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

fn default_virtual_host() -> String {
	"/".to_owned()
}
fn default_consumer_name() -> String {
	"oracle".to_owned()
}
fn default_heartbeat_seconds() -> u16 {
	30
}
fn default_prefetch_messages() -> u16 {
	4096
}
fn default_batch_messages() -> usize {
	1024
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
fn default_connect_timeout_ms() -> u64 {
	10_000
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

/// How the broker keeps a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
	/// On one node.
	Classic,
	/// On several nodes, by Raft. Such a queue may have a limit of deliveries; a message that comes
	/// again more often is dropped, so the limit must be off.
	Quorum,
}

impl QueueType {
	pub(crate) fn name(self) -> &'static str {
		match self {
			Self::Classic => "classic",
			Self::Quorum => "quorum",
		}
	}
}

/// Where a queue gets messages from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
	/// Name of the exchange.
	pub exchange: String,
	/// Key, or pattern of keys, of the messages.
	pub routing_key: String,
}

/// A [`Configuration`] that has been checked.
#[derive(Clone, Debug)]
pub struct Settings {
	pub(crate) broker: BrokerUrl,
	pub(crate) virtual_host: String,
	pub(crate) identity: Identity,
	pub(crate) ca_file: Option<PathBuf>,
	pub(crate) certificate: Option<ClientCertificate>,
	pub(crate) queue: String,
	pub(crate) declare: Option<QueueType>,
	pub(crate) bindings: Vec<Binding>,
	pub(crate) consumer_name: String,
	pub(crate) heartbeat_seconds: u16,
	pub(crate) prefetch_messages: u16,
	pub(crate) batch: BatchLimits,
	pub(crate) maximum_payload_bytes: usize,
	pub(crate) connect_timeout: Duration,
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

/// Who this is.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
	Password { username: String, password_file: PathBuf },
	Certificate,
}

#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate {
	pub(crate) certificate_file: PathBuf,
	pub(crate) key_file: PathBuf,
}

impl TryFrom<Configuration> for Settings {
	type Error = ConfigurationError;

	fn try_from(raw: Configuration) -> Result<Self, Self::Error> {
		let broker: BrokerUrl =
			raw.broker_url.parse().map_err(|reason| invalid("broker_url", reason))?;
		let certificate = match (raw.client_certificate_file, raw.client_key_file) {
			(Some(certificate_file), Some(key_file)) => {
				Some(ClientCertificate { certificate_file, key_file })
			}
			(None, None) => None,
			(Some(_), None) => {
				return Err(invalid("client_key_file", "the certificate has no key"))
			}
			(None, Some(_)) => {
				return Err(invalid("client_certificate_file", "the key has no certificate"))
			}
		};
		if !broker.tls && raw.ca_file.is_some() {
			return Err(invalid("ca_file", "needs `amqps://`"));
		}
		if !broker.tls && certificate.is_some() {
			return Err(invalid("client_certificate_file", "needs `amqps://`"));
		}
		let identity = match (raw.username, raw.password_file) {
			(Some(username), _) if username.is_empty() || username.contains('\0') => {
				return Err(invalid("username", "is empty or has a null character"))
			}
			(Some(username), Some(password_file)) => Identity::Password { username, password_file },
			(Some(_), None) => return Err(invalid("password_file", "the user has no password")),
			(None, Some(_)) => return Err(invalid("username", "the password has no user")),
			(None, None) if certificate.is_some() => Identity::Certificate,
			(None, None) => {
				return Err(invalid("username", "is not set, and there is no client certificate"))
			}
		};
		short_string("queue", &raw.queue)?;
		short_string("consumer_name", &raw.consumer_name)?;
		short_string("virtual_host", &raw.virtual_host)?;
		if raw.declare.is_none() && !raw.bindings.is_empty() {
			return Err(invalid("bindings", "need `declare`"));
		}
		for binding in &raw.bindings {
			short_string("bindings", &binding.exchange)?;
			if binding.routing_key.len() > SHORT_STRING_BYTES {
				return Err(invalid("bindings", "a routing key has more than 255 bytes"));
			}
		}
		positive("heartbeat_seconds", raw.heartbeat_seconds)?;
		// The protocol takes 0 for no limit.
		positive("prefetch_messages", raw.prefetch_messages)?;
		positive("connect_timeout_ms", raw.connect_timeout_ms)?;
		positive("reconnect_minimum_ms", raw.reconnect_minimum_ms)?;
		if raw.reconnect_maximum_ms < raw.reconnect_minimum_ms {
			return Err(invalid("reconnect_maximum_ms", "is below reconnect_minimum_ms"));
		}
		Ok(Self {
			broker,
			virtual_host: raw.virtual_host,
			identity,
			ca_file: raw.ca_file,
			certificate,
			queue: raw.queue,
			declare: raw.declare,
			bindings: raw.bindings,
			consumer_name: raw.consumer_name,
			heartbeat_seconds: raw.heartbeat_seconds,
			prefetch_messages: raw.prefetch_messages,
			batch: BatchLimits {
				messages: positive("batch_messages", raw.batch_messages)?,
				bytes: positive("batch_bytes", raw.batch_bytes)?,
				concurrent: positive("concurrent_batches", raw.concurrent_batches)?,
				linger: milliseconds("linger_ms", raw.linger_ms)?,
			},
			maximum_payload_bytes: positive("maximum_payload_bytes", raw.maximum_payload_bytes)?,
			connect_timeout: milliseconds("connect_timeout_ms", raw.connect_timeout_ms)?,
			reconnect_minimum: milliseconds("reconnect_minimum_ms", raw.reconnect_minimum_ms)?,
			reconnect_maximum: milliseconds("reconnect_maximum_ms", raw.reconnect_maximum_ms)?,
			stop_timeout: milliseconds("stop_timeout_ms", raw.stop_timeout_ms)?,
		})
	}
}

/// The longest name the protocol can carry.
const SHORT_STRING_BYTES: usize = 255;

fn short_string(field: &'static str, text: &str) -> Result<(), ConfigurationError> {
	if text.is_empty() || text.len() > SHORT_STRING_BYTES || text.contains('\0') {
		return Err(invalid(field, "must have 1 to 255 bytes and no null character"));
	}
	Ok(())
}

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerUrl {
	pub(crate) tls: bool,
	/// Name or address, an IPv6 address without brackets.
	pub(crate) host: String,
	pub(crate) port: u16,
}

impl FromStr for BrokerUrl {
	type Err = &'static str;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let (tls, authority) = if let Some(rest) = text.strip_prefix("amqp://") {
			(false, rest)
		} else if let Some(rest) = text.strip_prefix("amqps://") {
			(true, rest)
		} else {
			return Err("must begin with `amqp://` or `amqps://`");
		};
		let authority = authority.strip_suffix('/').unwrap_or(authority);
		if authority.contains('@') {
			return Err("must not carry a user or password; use username and password_file");
		}
		if authority.contains(['/', '?', '#']) {
			return Err("must end after the port; use virtual_host");
		}
		let (host, port) = match authority.strip_prefix('[') {
			Some(rest) => {
				let (address, rest) = rest.split_once(']').ok_or("lacks a closing `]`")?;
				if address.parse::<std::net::Ipv6Addr>().is_err() {
					return Err("has no IPv6 address between the brackets");
				}
				match rest.strip_prefix(':') {
					Some(port) => (address, Some(port)),
					None if rest.is_empty() => (address, None),
					None => return Err("has something other than a port after the brackets"),
				}
			}
			None => match authority.split_once(':') {
				Some((host, port)) => (host, Some(port)),
				None => (authority, None),
			},
		};
		if host.is_empty() || host.contains(char::is_whitespace) {
			return Err("has no host");
		}
		let port = match port {
			Some(port) => match port.parse() {
				Ok(port) if port != 0 => port,
				_ => return Err("has a port that is not a number from 1 to 65535"),
			},
			None if tls => 5671,
			None => 5672,
		};
		Ok(Self { tls, host: host.to_owned(), port })
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn base() -> Configuration {
		serde_json::from_str(
			r#"{"broker_url":"amqps://a","queue":"q","username":"u","password_file":"p"}"#,
		)
		.unwrap()
	}

	#[test]
	fn defaults_declare_nothing_and_are_bounded() {
		let settings = Settings::try_from(base()).unwrap();
		assert_eq!(settings.declare, None);
		assert_eq!(settings.virtual_host, "/");
		assert_eq!(settings.prefetch_messages, 4096);
		assert_eq!(settings.broker, "amqps://a:5671".parse().unwrap());
	}

	#[test]
	fn unknown_field_or_value_is_refused() {
		for json in [
			r#"{"broker_url":"amqp://a","queue":"q","qos":2}"#,
			r#"{"broker_url":"amqp://a","queue":"q","declare":"stream"}"#,
			r#"{"broker_url":"amqp://a","queue":"q","bindings":[{"exchange":"e"}]}"#,
			r#"{"broker_url":"amqp://a"}"#,
		] {
			assert!(serde_json::from_str::<Configuration>(json).is_err(), "{json}");
		}
	}

	#[test]
	fn broker_url_is_read() {
		for (text, tls, host, port) in [
			("amqp://broker.example", false, "broker.example", 5672),
			("amqps://broker.example/", true, "broker.example", 5671),
			("amqp://127.0.0.1:1884", false, "127.0.0.1", 1884),
			("amqps://[::1]:9", true, "::1", 9),
		] {
			let url = BrokerUrl { tls, host: host.to_owned(), port };
			assert_eq!(text.parse(), Ok(url), "{text}");
		}
		for text in [
			"",
			"http://a",
			"amqp://",
			"amqp://:1",
			"amqp://a:0",
			"amqp://a:b",
			"amqp://u:s@a",
			"amqp://a/b",
			"amqp://[::1",
			"amqp://[host]",
			"amqp://[::1]x",
			"amqp://a b",
		] {
			assert!(text.parse::<BrokerUrl>().is_err(), "{text}");
		}
	}

	#[test]
	fn every_wrong_field_is_named() {
		type Change = fn(&mut Configuration);
		let cases: [(&str, Change); 27] = [
			("broker_url", |raw| raw.broker_url = "tcp://a".into()),
			("virtual_host", |raw| raw.virtual_host.clear()),
			("username", |raw| raw.username = None),
			("username", |raw| raw.username = Some("\0".into())),
			("username", |raw| {
				raw.username = None;
				raw.password_file = None;
			}),
			("password_file", |raw| raw.password_file = None),
			("client_key_file", |raw| raw.client_certificate_file = Some("c".into())),
			("client_certificate_file", |raw| raw.client_key_file = Some("k".into())),
			("ca_file", |raw| {
				raw.broker_url = "amqp://a".into();
				raw.ca_file = Some("c".into());
			}),
			("client_certificate_file", |raw| {
				raw.broker_url = "amqp://a".into();
				raw.client_certificate_file = Some("c".into());
				raw.client_key_file = Some("k".into());
			}),
			("queue", |raw| raw.queue.clear()),
			("queue", |raw| raw.queue = "x".repeat(256)),
			("consumer_name", |raw| raw.consumer_name.clear()),
			("bindings", |raw| {
				raw.bindings = vec![Binding { exchange: "e".into(), routing_key: "k".into() }];
			}),
			("bindings", |raw| {
				raw.declare = Some(QueueType::Classic);
				raw.bindings = vec![Binding { exchange: "".into(), routing_key: "k".into() }];
			}),
			("bindings", |raw| {
				raw.declare = Some(QueueType::Classic);
				let routing_key = "k".repeat(256);
				raw.bindings = vec![Binding { exchange: "e".into(), routing_key }];
			}),
			("heartbeat_seconds", |raw| raw.heartbeat_seconds = 0),
			("prefetch_messages", |raw| raw.prefetch_messages = 0),
			("batch_messages", |raw| raw.batch_messages = 0),
			("batch_bytes", |raw| raw.batch_bytes = 0),
			("concurrent_batches", |raw| raw.concurrent_batches = 0),
			("linger_ms", |raw| raw.linger_ms = u64::MAX),
			("maximum_payload_bytes", |raw| raw.maximum_payload_bytes = 0),
			("connect_timeout_ms", |raw| raw.connect_timeout_ms = 0),
			("reconnect_minimum_ms", |raw| raw.reconnect_minimum_ms = 0),
			("reconnect_maximum_ms", |raw| raw.reconnect_maximum_ms = 1),
			("stop_timeout_ms", |raw| raw.stop_timeout_ms = u64::MAX),
		];
		for (field, change) in cases {
			let mut raw = base();
			change(&mut raw);
			let error = Settings::try_from(raw).unwrap_err();
			assert_eq!(error.field, field, "{error}");
		}
	}
}
