//! What an operator writes, and what it means once it is checked.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::topic::TopicPattern;

/// What an operator writes: every field by the name it has in a configuration file.
///
/// Only `broker_url` has no default. Becomes [`Settings`] by [`TryFrom`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
	/// `mqtt://host:port`, or `mqtts://host:port` for TLS 1.3. Ports default to 1883 and 8883.
	pub broker_url: String,
	/// Version of the protocol to speak.
	#[serde(default)]
	pub protocol: ProtocolVersion,
	/// Name of the session at the broker. Two clients of one name throw each other out. May be
	/// empty only with `clean_start`.
	#[serde(default)]
	pub client_id: String,
	/// Whether the broker forgets what came while this client was away. Acknowledged delivery
	/// over a restart needs `false`, which is the default.
	#[serde(default)]
	pub clean_start: bool,
	/// Seconds for which the broker keeps the session of an absent client. Only MQTT 5 can say so;
	/// a broker of MQTT 3.1.1 keeps it as long as its own configuration says.
	#[serde(default = "default_session_expiry_seconds")]
	pub session_expiry_seconds: u32,
	/// Seconds, at least 1. Without a sign from the broker for one and a half times as long, the
	/// connection counts as lost.
	#[serde(default = "default_keep_alive_seconds")]
	pub keep_alive_seconds: u16,
	/// Name of the user at the broker.
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
	/// Topic patterns to subscribe to, see [`TopicPattern`].
	#[serde(default = "default_topics")]
	pub topics: Vec<String>,
	/// Group among whose members the broker shares out the messages (`$share/group/filter`).
	#[serde(default)]
	pub shared_group: Option<String>,
	/// Unacknowledged messages the broker may send ahead (the Receive Maximum of MQTT 5). With
	/// MQTT 3.1.1 only the broker's own limit counts.
	#[serde(default = "default_maximum_in_flight")]
	pub maximum_in_flight: u16,
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
	/// Milliseconds a connection may take until the broker has confirmed the subscriptions.
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

fn default_session_expiry_seconds() -> u32 {
	7 * 24 * 3600
}
fn default_keep_alive_seconds() -> u16 {
	30
}
fn default_topics() -> Vec<String> {
	vec!["energy-cloud/{region}/{deviceType}/{deviceId}/readings".to_owned()]
}
fn default_maximum_in_flight() -> u16 {
	8192
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

/// Version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum ProtocolVersion {
	/// MQTT 3.1.1, ISO/IEC 20922.
	#[serde(rename = "3.1.1")]
	V3_1_1,
	/// MQTT 5.0.
	#[default]
	#[serde(rename = "5")]
	V5,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ConfigurationError {
	/// Name of the field in [`Configuration`].
	pub field: &'static str,
	/// One sentence for a human.
	pub reason: String,
}

pub(crate) fn invalid(field: &'static str, reason: impl fmt::Display) -> ConfigurationError {
	ConfigurationError { field, reason: reason.to_string() }
}

/// A [`Configuration`] that has been checked.
#[derive(Clone, Debug)]
pub struct Settings {
	pub(crate) broker: BrokerUrl,
	pub(crate) protocol: ProtocolVersion,
	pub(crate) client_id: String,
	pub(crate) clean_start: bool,
	pub(crate) session_expiry_seconds: u32,
	pub(crate) keep_alive_seconds: u16,
	pub(crate) credentials: Option<Credentials>,
	pub(crate) ca_file: Option<PathBuf>,
	pub(crate) client_identity: Option<ClientIdentity>,
	pub(crate) topics: Vec<TopicPattern>,
	pub(crate) shared_group: Option<String>,
	pub(crate) maximum_in_flight: u16,
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

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
	pub(crate) username: String,
	pub(crate) password_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct ClientIdentity {
	pub(crate) certificate_file: PathBuf,
	pub(crate) key_file: PathBuf,
}

impl Settings {
	/// The filters as they are sent to the broker.
	pub(crate) fn filters(&self) -> impl Iterator<Item = String> + '_ {
		self.topics.iter().map(|topic| match &self.shared_group {
			Some(group) => format!("$share/{group}/{}", topic.filter()),
			None => topic.filter().to_owned(),
		})
	}

	/// The device a message on this topic must be from, if one of the patterns says so.
	pub(crate) fn device_id<'topic>(&self, topic: &'topic str) -> Option<&'topic str> {
		self.topics.iter().find_map(|pattern| pattern.device_id(topic))
	}
}

impl TryFrom<Configuration> for Settings {
	type Error = ConfigurationError;

	fn try_from(raw: Configuration) -> Result<Self, Self::Error> {
		let broker: BrokerUrl =
			raw.broker_url.parse().map_err(|reason| invalid("broker_url", reason))?;
		if raw.client_id.is_empty() && !raw.clean_start {
			return Err(invalid("client_id", "a session that is kept needs a name"));
		}
		if raw.client_id.len() > usize::from(u16::MAX) || raw.client_id.contains('\0') {
			return Err(invalid("client_id", "is longer than 65535 bytes or has a null character"));
		}
		if raw.keep_alive_seconds == 0 {
			return Err(invalid("keep_alive_seconds", "must be at least 1"));
		}
		let credentials = match (raw.username, raw.password_file) {
			(Some(username), password_file) => Some(Credentials { username, password_file }),
			(None, None) => None,
			(None, Some(_)) => return Err(invalid("password_file", "there is no username")),
		};
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
		if !broker.tls && raw.ca_file.is_some() {
			return Err(invalid("ca_file", "needs `mqtts://`"));
		}
		if !broker.tls && client_identity.is_some() {
			return Err(invalid("client_certificate_file", "needs `mqtts://`"));
		}
		if raw.topics.is_empty() {
			return Err(invalid("topics", "names no topic"));
		}
		let topics = raw
			.topics
			.iter()
			.map(|topic| {
				topic.parse().map_err(|reason| invalid("topics", format!("`{topic}` {reason}")))
			})
			.collect::<Result<_, _>>()?;
		if raw.shared_group.as_ref().is_some_and(|group| {
			group.is_empty() || group.len() > 1024 || group.contains(['/', '+', '#', '\0'])
		}) {
			return Err(invalid("shared_group", "is empty, too long, or has one of `/`, `+`, `#`"));
		}
		positive("maximum_in_flight", raw.maximum_in_flight.into())?;
		positive("batch_messages", raw.batch_messages)?;
		positive("batch_bytes", raw.batch_bytes)?;
		positive("concurrent_batches", raw.concurrent_batches)?;
		positive("maximum_payload_bytes", raw.maximum_payload_bytes)?;
		positive("connect_timeout_ms", raw.connect_timeout_ms.try_into().unwrap_or(usize::MAX))?;
		positive(
			"reconnect_minimum_ms",
			raw.reconnect_minimum_ms.try_into().unwrap_or(usize::MAX),
		)?;
		// MQTT has no larger packet.
		if raw.maximum_payload_bytes > 256 << 20 {
			return Err(invalid("maximum_payload_bytes", "must be at most 268435456"));
		}
		if raw.reconnect_maximum_ms < raw.reconnect_minimum_ms {
			return Err(invalid("reconnect_maximum_ms", "is below reconnect_minimum_ms"));
		}
		Ok(Self {
			broker,
			protocol: raw.protocol,
			client_id: raw.client_id,
			clean_start: raw.clean_start,
			session_expiry_seconds: raw.session_expiry_seconds,
			keep_alive_seconds: raw.keep_alive_seconds,
			credentials,
			ca_file: raw.ca_file,
			client_identity,
			topics,
			shared_group: raw.shared_group,
			maximum_in_flight: raw.maximum_in_flight,
			batch: BatchLimits {
				messages: raw.batch_messages,
				bytes: raw.batch_bytes,
				concurrent: raw.concurrent_batches,
				linger: milliseconds("linger_ms", raw.linger_ms)?,
			},
			maximum_payload_bytes: raw.maximum_payload_bytes,
			connect_timeout: milliseconds("connect_timeout_ms", raw.connect_timeout_ms)?,
			reconnect_minimum: milliseconds("reconnect_minimum_ms", raw.reconnect_minimum_ms)?,
			reconnect_maximum: milliseconds("reconnect_maximum_ms", raw.reconnect_maximum_ms)?,
			stop_timeout: milliseconds("stop_timeout_ms", raw.stop_timeout_ms)?,
		})
	}
}

fn positive(field: &'static str, value: usize) -> Result<(), ConfigurationError> {
	if value == 0 {
		return Err(invalid(field, "must be at least 1"));
	}
	Ok(())
}

/// No wait is longer than a day; that also keeps every deadline within the clock's range.
fn milliseconds(field: &'static str, value: u64) -> Result<Duration, ConfigurationError> {
	const DAY_MS: u64 = 24 * 3600 * 1000;
	if value > DAY_MS {
		return Err(invalid(field, "must be at most 86400000, a day"));
	}
	Ok(Duration::from_millis(value))
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
		let (tls, authority) = if let Some(rest) = text.strip_prefix("mqtt://") {
			(false, rest)
		} else if let Some(rest) = text.strip_prefix("mqtts://") {
			(true, rest)
		} else {
			return Err("must begin with `mqtt://` or `mqtts://`");
		};
		let authority = authority.strip_suffix('/').unwrap_or(authority);
		if authority.contains('@') {
			return Err("must not carry a user or password; use username and password_file");
		}
		if authority.contains(['/', '?', '#']) {
			return Err("must end after the port");
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
			None if tls => 8883,
			None => 1883,
		};
		Ok(Self { tls, host: host.to_owned(), port })
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn configuration(json: &str) -> Configuration {
		serde_json::from_str(json).unwrap()
	}

	fn base() -> Configuration {
		configuration(r#"{"broker_url":"mqtts://broker","client_id":"oracle-1"}"#)
	}

	#[test]
	fn defaults_keep_a_session_and_subscribe_to_readings() {
		let settings = Settings::try_from(base()).unwrap();
		assert_eq!(settings.protocol, ProtocolVersion::V5);
		assert!(!settings.clean_start);
		assert_eq!(settings.filters().collect::<Vec<_>>(), ["energy-cloud/+/+/+/readings"]);
		assert_eq!(settings.device_id("energy-cloud/kr/meter/KR-1/readings"), Some("KR-1"));
	}

	#[test]
	fn shared_group_goes_before_every_filter() {
		let settings = Settings::try_from(Configuration {
			topics: vec!["a/{x}".into(), "b/#".into()],
			shared_group: Some("oracles".into()),
			..base()
		})
		.unwrap();
		assert_eq!(
			settings.filters().collect::<Vec<_>>(),
			["$share/oracles/a/+", "$share/oracles/b/#"]
		);
	}

	#[test]
	fn unknown_field_or_version_is_refused() {
		for json in [
			r#"{"broker_url":"mqtt://a","client_id":"x","qos":2}"#,
			r#"{"broker_url":"mqtt://a","protocol":"4"}"#,
			r#"{"client_id":"x"}"#,
		] {
			assert!(serde_json::from_str::<Configuration>(json).is_err(), "{json}");
		}
	}

	#[test]
	fn broker_url_is_read() {
		for (text, tls, host, port) in [
			("mqtt://broker.example", false, "broker.example", 1883),
			("mqtts://broker.example/", true, "broker.example", 8883),
			("mqtt://127.0.0.1:1884", false, "127.0.0.1", 1884),
			("mqtts://[::1]:9", true, "::1", 9),
			("mqtts://[fe80::1]", true, "fe80::1", 8883),
		] {
			let url = BrokerUrl { tls, host: host.to_owned(), port };
			assert_eq!(text.parse(), Ok(url), "{text}");
		}
		for text in [
			"",
			"http://a",
			"mqtt://",
			"mqtt://:1883",
			"mqtt://a:0",
			"mqtt://a:70000",
			"mqtt://a:b",
			"mqtt://user:secret@a",
			"mqtt://a/b",
			"mqtt://[::1",
			"mqtt://[host]",
			"mqtt://[::1]x",
			"mqtt://::1",
			"mqtt://a b",
		] {
			assert!(text.parse::<BrokerUrl>().is_err(), "{text}");
		}
	}

	#[test]
	fn every_wrong_field_is_named() {
		type Change = fn(&mut Configuration);
		let cases: [(&str, Change); 21] = [
			("broker_url", |raw| raw.broker_url = "tcp://a".into()),
			("client_id", |raw| raw.client_id.clear()),
			("client_id", |raw| raw.client_id = "\0".into()),
			("keep_alive_seconds", |raw| raw.keep_alive_seconds = 0),
			("password_file", |raw| raw.password_file = Some("p".into())),
			("client_key_file", |raw| raw.client_certificate_file = Some("c".into())),
			("client_certificate_file", |raw| raw.client_key_file = Some("k".into())),
			("ca_file", |raw| {
				raw.broker_url = "mqtt://a".into();
				raw.ca_file = Some("c".into());
			}),
			("client_certificate_file", |raw| {
				raw.broker_url = "mqtt://a".into();
				raw.client_certificate_file = Some("c".into());
				raw.client_key_file = Some("k".into());
			}),
			("topics", |raw| raw.topics.clear()),
			("topics", |raw| raw.topics = vec!["a/#/b".into()]),
			("shared_group", |raw| raw.shared_group = Some("a/b".into())),
			("maximum_in_flight", |raw| raw.maximum_in_flight = 0),
			("batch_messages", |raw| raw.batch_messages = 0),
			("batch_bytes", |raw| raw.batch_bytes = 0),
			("concurrent_batches", |raw| raw.concurrent_batches = 0),
			("maximum_payload_bytes", |raw| raw.maximum_payload_bytes = 0),
			("maximum_payload_bytes", |raw| raw.maximum_payload_bytes = usize::MAX),
			("connect_timeout_ms", |raw| raw.connect_timeout_ms = 0),
			("reconnect_maximum_ms", |raw| raw.reconnect_maximum_ms = 1),
			("linger_ms", |raw| raw.linger_ms = u64::MAX),
		];
		for (field, change) in cases {
			let mut raw = base();
			change(&mut raw);
			let error = Settings::try_from(raw).unwrap_err();
			assert_eq!(error.field, field, "{error}");
		}
	}
}
