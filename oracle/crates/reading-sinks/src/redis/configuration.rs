//! What an operator writes about Redis, and what it means once it is checked.

use std::{path::PathBuf, time::Duration};

use oracle_source::{invalid, positive};
use serde::{Deserialize, Serialize};

use crate::{
	configuration::{at_most, retries, wait},
	pool::PoolSettings,
	server::{Server, TlsConfiguration},
	ConfigurationError,
};

/// What an operator writes. `host` has no default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfiguration {
	/// Name or address of the server, or the path of its Unix socket.
	pub host: String,
	/// Port of the server.
	#[serde(default = "default_port")]
	pub port: u16,
	/// Number of the database.
	#[serde(default)]
	pub database: u16,
	/// Name of the user. Without it, the server's default user.
	#[serde(default)]
	pub username: Option<String>,
	/// File with the password; one line break at the end is not part of it. Read at every
	/// connection.
	#[serde(default)]
	pub password_file: Option<PathBuf>,
	/// How the connection is encrypted. Required, unless the host is this machine.
	#[serde(default)]
	pub tls: Option<TlsConfiguration>,
	/// Whether to send everything readable to a host that is not this machine.
	#[serde(default)]
	pub plaintext: bool,
	/// What every key begins with.
	#[serde(default = "default_key_prefix")]
	pub key_prefix: String,
	/// Seconds after the end of a reading at which it goes. Without it, it stays.
	#[serde(default)]
	pub time_to_live_seconds: Option<u64>,
	/// Connections at most; so many batches are written at the same time.
	#[serde(default = "default_connections")]
	pub connections: usize,
	/// Milliseconds a connection may take until it can be used.
	#[serde(default = "default_connect_timeout_ms")]
	pub connect_timeout_ms: u64,
	/// Milliseconds a batch may take.
	#[serde(default = "default_write_timeout_ms")]
	pub write_timeout_ms: u64,
	/// Milliseconds before the first try to connect again; doubled with every further try.
	#[serde(default = "default_reconnect_minimum_ms")]
	pub reconnect_minimum_ms: u64,
	/// Milliseconds between two tries at most.
	#[serde(default = "default_reconnect_maximum_ms")]
	pub reconnect_maximum_ms: u64,
}

fn default_port() -> u16 {
	6379
}
fn default_key_prefix() -> String {
	"reading".to_owned()
}
fn default_connections() -> usize {
	2
}
fn default_connect_timeout_ms() -> u64 {
	10_000
}
fn default_write_timeout_ms() -> u64 {
	30_000
}
fn default_reconnect_minimum_ms() -> u64 {
	200
}
fn default_reconnect_maximum_ms() -> u64 {
	30_000
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(super) struct Settings {
	pub(super) server: Server,
	pub(super) pool: PoolSettings,
	pub(super) write_timeout: Duration,
}

/// Connections at most.
const MAXIMUM_CONNECTIONS: usize = 16;
/// Bytes of a key prefix at most: it is stored with every meter.
const MAXIMUM_PREFIX_BYTES: usize = 64;
/// A hundred years.
const MAXIMUM_TIME_TO_LIVE_SECONDS: u64 = 100 * 366 * 86_400;

impl Settings {
	/// Checks a configuration.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub(super) fn new(configuration: &RedisConfiguration) -> Result<Self, ConfigurationError> {
		let RedisConfiguration { host, port, tls, plaintext, .. } = configuration;
		let server =
			Server::new(host, *port, tls.as_ref(), *plaintext, std::path::Path::to_path_buf)?;
		if configuration.username.is_some() && configuration.password_file.is_none() {
			return Err(invalid("password_file", "is missing for the username"));
		}
		let prefix = &configuration.key_prefix;
		if prefix.is_empty() || prefix.len() > MAXIMUM_PREFIX_BYTES {
			let reason = format!("must have 1 to {MAXIMUM_PREFIX_BYTES} bytes");
			return Err(invalid("key_prefix", reason));
		}
		if let Some(seconds) = configuration.time_to_live_seconds {
			if positive("time_to_live_seconds", seconds)? > MAXIMUM_TIME_TO_LIVE_SECONDS {
				let reason = format!("must be at most {MAXIMUM_TIME_TO_LIVE_SECONDS}");
				return Err(invalid("time_to_live_seconds", reason));
			}
		}
		let (reconnect_minimum, reconnect_maximum) =
			retries(configuration.reconnect_minimum_ms, configuration.reconnect_maximum_ms)?;
		Ok(Self {
			server,
			pool: PoolSettings {
				connections: at_most(
					"connections",
					configuration.connections,
					MAXIMUM_CONNECTIONS,
				)?,
				connect_timeout: wait("connect_timeout_ms", configuration.connect_timeout_ms)?,
				reconnect_minimum,
				reconnect_maximum,
			},
			write_timeout: wait("write_timeout_ms", configuration.write_timeout_ms)?,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn check(change: &str) -> Result<Settings, String> {
		let mut json = serde_json::json!({ "host": "/run/redis.sock" });
		let change: serde_json::Value = serde_json::from_str(change).unwrap();
		for (field, value) in change.as_object().unwrap() {
			json[field] = value.clone();
		}
		let configuration = serde_json::from_value(json).map_err(|error| error.to_string())?;
		Settings::new(&configuration).map_err(|error| error.to_string())
	}

	#[test]
	fn defaults_are_used() {
		let settings = check("{}").unwrap();
		assert_eq!(settings.pool.connections, 2);
		assert_eq!(settings.write_timeout, Duration::from_secs(30));
	}

	#[test]
	fn wrong_fields_are_named() {
		for (change, error) in [
			(r#"{"host":"cache.example"}"#, "tls: is required, unless the host is"),
			(r#"{"host":"localhost","port":0}"#, "port: must be at least 1"),
			(r#"{"username":"a"}"#, "password_file: is missing for the username"),
			(r#"{"key_prefix":""}"#, "key_prefix: must have 1 to 64 bytes"),
			(r#"{"time_to_live_seconds":0}"#, "time_to_live_seconds: must be at least 1"),
			(r#"{"time_to_live_seconds":3162240001}"#, "time_to_live_seconds: must be at most"),
			(r#"{"connections":0}"#, "connections: must be at least 1"),
			(r#"{"connections":17}"#, "connections: must be at most 16"),
			(r#"{"connect_timeout_ms":0}"#, "connect_timeout_ms: must be at least 1"),
			(r#"{"write_timeout_ms":0}"#, "write_timeout_ms: must be at least 1"),
			(r#"{"reconnect_minimum_ms":0}"#, "reconnect_minimum_ms: must be at least 1"),
			(r#"{"reconnect_maximum_ms":1}"#, "reconnect_maximum_ms: must be at least reconnect_m"),
			(r#"{"pasword":"x"}"#, "unknown field `pasword`"),
		] {
			let found = check(change).unwrap_err();
			assert!(found.starts_with(error), "{change}: {found}");
		}
	}
}
