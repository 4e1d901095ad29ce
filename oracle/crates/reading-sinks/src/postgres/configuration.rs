//! What an operator writes about PostgreSQL, and what it means once it is checked.

use std::{path::PathBuf, time::Duration};

use oracle_source::invalid;
use serde::{Deserialize, Serialize};

use crate::{
	configuration::{at_most, retries, wait},
	pool::PoolSettings,
	server::{Server, TlsConfiguration},
	ConfigurationError,
};

/// What an operator writes. `host`, `database` and `username` have no default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfiguration {
	/// Name or address of the server, or the folder of its Unix socket.
	pub host: String,
	/// Port of the server.
	#[serde(default = "default_port")]
	pub port: u16,
	/// Name of the database.
	pub database: String,
	/// Name of the role.
	pub username: String,
	/// File with the password; one line break at the end is not part of it. Read at every
	/// connection. Without it the server must know the role by its certificate or its socket.
	#[serde(default)]
	pub password_file: Option<PathBuf>,
	/// How the connection is encrypted. Required, unless the host is this machine.
	#[serde(default)]
	pub tls: Option<TlsConfiguration>,
	/// Whether to send everything readable to a host that is not this machine.
	#[serde(default)]
	pub plaintext: bool,
	/// Name of the table of readings: lower-case letters, digits and underscores.
	#[serde(default = "default_table")]
	pub table: String,
	/// Whether the table is created when it is missing, for which the role needs the rights. With
	/// false it must be there; then INSERT on it and TEMPORARY on the database are enough.
	#[serde(default = "default_create_table")]
	pub create_table: bool,
	/// Connections at most; so many batches are written at the same time.
	#[serde(default = "default_connections")]
	pub connections: usize,
	/// Milliseconds a connection may take until it can be used.
	#[serde(default = "default_connect_timeout_ms")]
	pub connect_timeout_ms: u64,
	/// Milliseconds a batch may take. The server breaks off a statement or an idle transaction by
	/// itself after twice as long, so that a lost connection holds no lock.
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
	5432
}
fn default_table() -> String {
	"readings".to_owned()
}
fn default_create_table() -> bool {
	true
}
fn default_connections() -> usize {
	4
}
fn default_connect_timeout_ms() -> u64 {
	10_000
}
fn default_write_timeout_ms() -> u64 {
	60_000
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
	pub(super) table: String,
}

/// Connections at most: what a server of ordinary size can spare.
const MAXIMUM_CONNECTIONS: usize = 64;
/// Bytes of the longest table name: names that are made of it must fit into PostgreSQL's 63.
const MAXIMUM_TABLE_BYTES: usize = 40;

impl Settings {
	/// Checks a configuration.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub(super) fn new(configuration: &PostgresConfiguration) -> Result<Self, ConfigurationError> {
		let PostgresConfiguration { host, port, database, username, table, .. } = configuration;
		let socket = |folder: &std::path::Path| folder.join(format!(".s.PGSQL.{port}"));
		let tls = configuration.tls.as_ref();
		let server = Server::new(host, *port, tls, configuration.plaintext, socket)?;
		for (field, value) in [("database", database), ("username", username)] {
			if value.is_empty() || value.contains('\0') {
				return Err(invalid(field, "must be a name"));
			}
		}
		if !is_identifier(table) {
			let reason =
				"must be 1 to 40 lower-case letters, digits and underscores, no digit first";
			return Err(invalid("table", reason));
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
			table: table.clone(),
		})
	}
}

/// Whether a name can be put into SQL as it is.
fn is_identifier(name: &str) -> bool {
	let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
	name.len() <= MAXIMUM_TABLE_BYTES
		&& name.bytes().next().is_some_and(is_letter)
		&& name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
	use super::*;

	fn check(change: &str) -> Result<Settings, String> {
		let mut json = serde_json::json!({ "host": "::1", "database": "d", "username": "u" });
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
		assert_eq!((settings.pool.connections, settings.table.as_str()), (4, "readings"));
		assert_eq!(settings.write_timeout, Duration::from_secs(60));
	}

	#[test]
	fn wrong_fields_are_named() {
		for (change, error) in [
			(r#"{"host":"db.example"}"#, "tls: is required, unless the host is"),
			(r#"{"port":0}"#, "port: must be at least 1"),
			(r#"{"database":""}"#, "database: must be a name"),
			(r#"{"username":"a\u0000"}"#, "username: must be a name"),
			(r#"{"table":"a b"}"#, "table: must be 1 to 40 lower-case letters"),
			(r#"{"table":"1a"}"#, "table: must be"),
			(r#"{"table":""}"#, "table: must be"),
			(r#"{"table":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, "table: must be"),
			(r#"{"connections":0}"#, "connections: must be at least 1"),
			(r#"{"connections":65}"#, "connections: must be at most 64"),
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
