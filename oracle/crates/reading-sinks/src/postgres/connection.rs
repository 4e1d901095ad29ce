//! A connection to PostgreSQL.

use std::{future::Future, io, path::PathBuf, pin::Pin, time::Duration};

use futures_util::SinkExt;
use oracle_source::read_password;
use tokio::task::JoinHandle;
use tokio_postgres::{
	config::SslMode,
	tls::{ChannelBinding, TlsConnect, TlsStream},
	Client, Config, NoTls,
};

use super::{configuration::PostgresConfiguration, copy::Pieces, meaning, schema};
use crate::{
	outlet::refused,
	pool::Connect,
	server::{Server, Stream},
	Batch, OutletError,
};

/// The temporary table of a connection.
const STAGING: &str = "pg_temp.reading_staging";

/// What is needed to open a connection.
pub(super) struct Connector {
	server: Server,
	database: String,
	username: String,
	password_file: Option<PathBuf>,
	table: String,
	write_timeout: Duration,
}

/// An open connection. Closed when it is dropped; what was under way is rolled back by the server.
pub(super) struct Connection {
	pub(super) client: Client,
	task: JoinHandle<()>,
	copy: String,
	insert: String,
	has_staging: bool,
}

impl Drop for Connection {
	fn drop(&mut self) {
		self.task.abort();
	}
}

impl Connector {
	pub(super) fn new(
		configuration: &PostgresConfiguration,
		server: Server,
		table: String,
		write_timeout: Duration,
	) -> Self {
		Self {
			server,
			database: configuration.database.clone(),
			username: configuration.username.clone(),
			password_file: configuration.password_file.clone(),
			table,
			write_timeout,
		}
	}

	/// What the server gives up by itself. A connection that was lost without a word would hold its
	/// locks for hours, and one that waits for a lock would not notice that nobody is there any more.
	fn limits(&self) -> String {
		let limit_ms = self.write_timeout.as_millis().saturating_mul(2);
		format!(
			"SET statement_timeout = {limit_ms}; \
			SET idle_in_transaction_session_timeout = {limit_ms}"
		)
	}

	fn config(&self) -> Result<Config, OutletError> {
		let mut config = Config::new();
		config
			.dbname(&self.database)
			.user(&self.username)
			.application_name("reading-sinks")
			.ssl_mode(if self.server.tls.is_some() { SslMode::Require } else { SslMode::Disable });
		if let Some(file) = &self.password_file {
			let password = read_password(file)
				.map_err(|error| refused(format!("password_file: {}: {error}", file.display())))?;
			config.password(password.as_bytes());
		}
		Ok(config)
	}
}

impl Connect for Connector {
	type Connection = Connection;

	async fn connect(&self) -> Result<Connection, OutletError> {
		let config = self.config()?;
		let stream = self
			.server
			.open_plain()
			.await
			.map_err(|error| crate::outlet::unavailable(format!("no connection: {error}")))?;
		let (client, task) = match self.server.tls {
			Some(_) => {
				let encryption = Encryption(self.server.clone());
				let (client, connection) = config
					.connect_raw(stream, encryption)
					.await
					.map_err(|error| meaning(&error))?;
				(client, tokio::spawn(drive(connection)))
			}
			None => {
				let (client, connection) =
					config.connect_raw(stream, NoTls).await.map_err(|error| meaning(&error))?;
				(client, tokio::spawn(drive(connection)))
			}
		};
		let columns = schema::COLUMNS;
		let connection = Connection {
			client,
			task,
			copy: format!("COPY {STAGING} ({columns}) FROM STDIN (FORMAT binary)"),
			// A batch is sorted, and a temporary table gives its rows as they came. So two that write
			// the same rows wait for each other in the same order.
			insert: format!(
				"INSERT INTO {} ({columns}) SELECT {columns} FROM {STAGING} ON CONFLICT DO NOTHING",
				self.table
			),
			has_staging: false,
		};
		let limited = connection.client.batch_execute(&self.limits()).await;
		limited.map_err(|error| meaning(&error))?;
		Ok(connection)
	}

	fn is_closed(connection: &Connection) -> bool {
		connection.client.is_closed()
	}
}

impl Connection {
	/// Writes a batch in one transaction. After an error the connection must not be used again.
	pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), OutletError> {
		self.try_write(batch).await.map_err(|error| match meaning(&error) {
			OutletError::Refused { reason } => refused(format!("{}: {reason}", batch.id())),
			unavailable => unavailable,
		})
	}

	async fn try_write(&mut self, batch: &Batch) -> Result<(), tokio_postgres::Error> {
		if !self.has_staging {
			let columns = schema::TYPED_COLUMNS;
			let create =
				format!("CREATE TEMPORARY TABLE reading_staging ({columns}) ON COMMIT DELETE ROWS");
			self.client.batch_execute(&create).await?;
			self.has_staging = true;
		}
		let transaction = self.client.transaction().await?;
		let mut sink = Box::pin(transaction.copy_in(&self.copy).await?);
		for piece in Pieces::new(batch.id(), batch.rows()) {
			sink.send(piece).await?;
		}
		sink.as_mut().finish().await?;
		transaction.batch_execute(&self.insert).await?;
		transaction.commit().await
	}
}

async fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
	S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
	T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
	if let Err(error) = connection.await {
		tracing::warn!(%error, "lost a connection to PostgreSQL");
	}
}

/// Encrypts the stream once the server has agreed to it.
struct Encryption(Server);

impl TlsConnect<Stream> for Encryption {
	type Stream = Stream;
	type Error = io::Error;
	type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

	fn connect(self, stream: Stream) -> Self::Future {
		Box::pin(async move { self.0.encrypt(stream).await })
	}
}

/// The certificate is checked against the authorities; the password is not bound to the channel.
impl TlsStream for Stream {
	fn channel_binding(&self) -> ChannelBinding {
		ChannelBinding::none()
	}
}
