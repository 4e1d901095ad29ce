//! A connection to Redis.

use std::{path::PathBuf, time::Duration};

use oracle_source::read_password;
use redis::{
	aio::MultiplexedConnection, AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo,
	RedisError,
};
use tokio::task::JoinHandle;

use super::{configuration::RedisConfiguration, Latest};
use crate::{
	outlet::{refused, unavailable},
	pool::Connect,
	server::Server,
	OutletError,
};

/// Sets the hash of a meter unless the one that is there begins as late or later. Starts are below
/// 2^38, so they are exact as Lua's numbers. The first argument is the start, the second the moment
/// at which the hash goes, 0 for never; the fields follow.
const SET_LATEST: &str = "\
local known = redis.call('HGET', KEYS[1], 'start_seconds')
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'start_seconds', ARGV[1], unpack(ARGV, 3))
if ARGV[2] == '0' then redis.call('PERSIST', KEYS[1])
else redis.call('EXPIREAT', KEYS[1], ARGV[2]) end
return 1";

/// Commands sent before an answer is awaited.
const PIPELINE_COMMANDS: usize = 1024;

/// What is needed to open a connection.
pub(super) struct Connector {
	server: Server,
	database: u16,
	username: Option<String>,
	password_file: Option<PathBuf>,
	response_timeout: Duration,
}

/// An open connection. Closed when it is dropped.
pub(super) struct Connection {
	commands: MultiplexedConnection,
	task: JoinHandle<()>,
	script: String,
}

impl Drop for Connection {
	fn drop(&mut self) {
		self.task.abort();
	}
}

impl Connector {
	pub(super) fn new(
		configuration: &RedisConfiguration,
		server: Server,
		response_timeout: Duration,
	) -> Self {
		Self {
			server,
			database: configuration.database,
			username: configuration.username.clone(),
			password_file: configuration.password_file.clone(),
			response_timeout,
		}
	}

	fn identity(&self) -> Result<RedisConnectionInfo, OutletError> {
		let mut identity =
			RedisConnectionInfo::default().set_db(self.database.into()).set_skip_set_lib_name();
		if let Some(username) = &self.username {
			identity = identity.set_username(username);
		}
		if let Some(file) = &self.password_file {
			let password = read_password(file)
				.map_err(|error| refused(format!("password_file: {}: {error}", file.display())))?;
			identity = identity.set_password(password.as_str());
		}
		Ok(identity)
	}
}

impl Connect for Connector {
	type Connection = Connection;

	async fn connect(&self) -> Result<Connection, OutletError> {
		let identity = self.identity()?;
		let no_connection = |error| unavailable(format!("no connection: {error}"));
		let stream = self.server.open_plain().await.map_err(no_connection)?;
		let stream = self.server.encrypt(stream).await.map_err(no_connection)?;
		let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.response_timeout));
		let (mut commands, driver) =
			MultiplexedConnection::new_with_config(&identity, stream, config)
				.await
				.map_err(|error| meaning(error, &[]))?;
		let task = tokio::spawn(driver);
		let script = redis::cmd("SCRIPT")
			.arg("LOAD")
			.arg(SET_LATEST)
			.query_async(&mut commands)
			.await
			.map_err(|error| meaning(error, &[]));
		match script {
			Ok(script) => Ok(Connection { commands, task, script }),
			Err(error) => {
				task.abort();
				Err(error)
			}
		}
	}

	fn is_closed(connection: &Connection) -> bool {
		connection.task.is_finished()
	}
}

impl Connection {
	/// Writes readings. After an error the connection must not be used again.
	pub(super) async fn write(&mut self, latest: &[Latest<'_>]) -> Result<(), OutletError> {
		for part in latest.chunks(PIPELINE_COMMANDS) {
			let mut pipeline = Pipeline::with_capacity(part.len());
			for latest in part {
				let row = latest.row;
				pipeline
					.cmd("EVALSHA")
					.arg(&self.script)
					.arg(1)
					.arg(&latest.key)
					.arg(row.start_seconds)
					.arg(latest.expires_seconds.unwrap_or(0))
					.arg(("slot", latest.slot))
					.arg(("meter_index", row.meter_index))
					.arg(("duration_seconds", row.duration_seconds))
					.arg(("import_wh", row.import_wh))
					.arg(("export_wh", row.export_wh))
					.arg(("quality", row.quality.name()))
					.ignore();
			}
			let () = pipeline
				.query_async(&mut self.commands)
				.await
				.map_err(|error| meaning(error, part))?;
		}
		Ok(())
	}
}

/// What an error means for a batch: whether it may pass by itself. `keys` are those of the commands.
fn meaning(error: RedisError, keys: &[Latest<'_>]) -> OutletError {
	/// Codes of errors that pass: the script is loaded again with the next connection; the server
	/// starts, is busy, has no room, is a replica or has lost those it needs.
	const PASSING: [&str; 10] = [
		"NOSCRIPT",
		"LOADING",
		"BUSY",
		"OOM",
		"READONLY",
		"MASTERDOWN",
		"NOREPLICAS",
		"MISCONF",
		"TRYAGAIN",
		"CLUSTERDOWN",
	];
	let (kind, text) = (error.kind(), error.to_string());
	let errors = error.into_server_errors().unwrap_or_default();
	match errors.iter().find(|(_, error)| !PASSING.contains(&error.code())) {
		Some((place, error)) => match keys.get(*place) {
			Some(latest) => refused(format!("{}: {error}", latest.key)),
			None => refused(error),
		},
		None if kind == ErrorKind::AuthenticationFailed => refused(text),
		None => unavailable(text),
	}
}
