//! Readings as rows of PostgreSQL, or of a hypertable where TimescaleDB is there.
//!
//! A batch is one transaction: its rows go by binary COPY into a temporary table of the connection,
//! from there into the table of readings, where a row that is there already is left as it is. So a
//! batch is there whole or not at all, and writing it again changes nothing.
//!
//! The role that writes needs INSERT on the table and TEMPORARY on the database, nothing else, where
//! `create_table` is false; [`PostgresOutlet::migrate`] needs the rights to create the table.

mod configuration;
mod connection;
mod copy;
mod schema;

use std::{future::Future, time::Duration};

use tokio::{sync::OnceCell, time::timeout};

use self::{configuration::Settings, connection::Connector};
use crate::{
	outlet::{refused, unavailable},
	pool::Pool,
	Batch, ConfigurationError, Outlet, OutletError,
};

pub use configuration::PostgresConfiguration;

/// Writes batches to a table. Several batches at the same time, each on a connection of its own.
pub struct PostgresOutlet {
	pool: Pool<Connector>,
	write_timeout: Duration,
	table: String,
	creates_table: bool,
	migrated: OnceCell<()>,
}

impl PostgresOutlet {
	/// Checks a configuration. Connects only when there is something to do.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub fn new(configuration: &PostgresConfiguration) -> Result<Self, ConfigurationError> {
		let Settings { server, pool, write_timeout, table } = Settings::new(configuration)?;
		let connector = Connector::new(configuration, server, table.clone(), write_timeout);
		Ok(Self {
			pool: Pool::new(connector, pool),
			write_timeout,
			table,
			creates_table: configuration.create_table,
			migrated: OnceCell::new(),
		})
	}

	/// Brings the tables to the version this outlet needs. Does nothing when they are. Safe to be
	/// called by several at the same time.
	///
	/// # Errors
	/// When the tables are newer than this outlet, the role lacks the rights, or the server is gone.
	pub async fn migrate(&self) -> Result<(), OutletError> {
		let mut lease = self.pool.lease().await?;
		let result = self.in_time(schema::migrate(&mut lease.connection.client, &self.table)).await;
		lease.end(result)
	}

	async fn in_time(
		&self,
		work: impl Future<Output = Result<(), OutletError>>,
	) -> Result<(), OutletError> {
		timeout(self.write_timeout, work)
			.await
			.unwrap_or_else(|_| Err(unavailable("no answer within the time allowed")))
	}
}

impl Outlet for PostgresOutlet {
	async fn write(&self, batch: &Batch) -> Result<(), OutletError> {
		if self.creates_table {
			self.migrated.get_or_try_init(|| self.migrate()).await?;
		}
		let mut lease = self.pool.lease().await?;
		let result = self.in_time(lease.connection.write(batch)).await;
		lease.end(result)
	}
}

/// What an error of the database means for a batch: whether it may pass by itself.
fn meaning(error: &tokio_postgres::Error) -> OutletError {
	let Some(database) = error.as_db_error() else {
		return unavailable(with_sources(error));
	};
	let reason = format!("{} ({})", database.message(), database.code().code());
	// Connection, transaction rollback, resources, not in the right state, operator, system.
	match database.code().code().get(..2) {
		Some("08" | "40" | "53" | "55" | "57" | "58") => unavailable(reason),
		_ => refused(reason),
	}
}

fn with_sources(error: &dyn std::error::Error) -> String {
	let mut text = error.to_string();
	let mut source = error.source();
	while let Some(inner) = source {
		text = format!("{text}: {inner}");
		source = inner.source();
	}
	text
}
