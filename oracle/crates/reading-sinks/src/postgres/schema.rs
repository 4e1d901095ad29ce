//! The tables, and how they come to be.

use tokio_postgres::Client;

use super::meaning;
use crate::{outlet::refused, OutletError};

/// The version of the tables that this outlet needs.
const VERSION: i32 = 1;

/// The columns of a reading, in the order in which they are copied.
pub(super) const COLUMNS: &str = "zone, slot, meter_index, start_time, duration_seconds, \
	import_wh, export_wh, quality, meter_id, evidence";

/// The same with their types. Unsigned numbers of 32 bits are in signed ones of 64. The wide columns
/// of fixed size come first, so that no space is lost between them.
pub(super) const TYPED_COLUMNS: &str = "
	zone bigint NOT NULL,
	slot bigint NOT NULL,
	meter_index bigint NOT NULL,
	start_time timestamptz NOT NULL,
	duration_seconds bigint NOT NULL,
	import_wh bigint NOT NULL,
	export_wh bigint NOT NULL,
	quality text NOT NULL,
	meter_id bytea NOT NULL,
	evidence bytea NOT NULL";

/// The table of readings.
///
/// The primary key is what names a reading in the oracle's store. Readings come slot by slot, so new
/// entries of a zone lie side by side in the index instead of all over it, as they would by meter id;
/// that keeps it fast when it is larger than memory. It serves a slot, a page of a slot, and a meter
/// slot by slot. The start is in it because TimescaleDB wants its time column in every unique index.
fn create_table(table: &str) -> String {
	format!(
		"CREATE TABLE {table} ({TYPED_COLUMNS},
			PRIMARY KEY (zone, slot, meter_index, start_time),
			CONSTRAINT {table}_quality
				CHECK (quality IN ('valid', 'estimated', 'suspect', 'missing')),
			CONSTRAINT {table}_meter_id CHECK (octet_length(meter_id) IN (16, 32))
		);
		COMMENT ON COLUMN {table}.meter_index IS 'place of the meter in its zone';
		COMMENT ON COLUMN {table}.import_wh IS 'from the grid, watt-hours';
		COMMENT ON COLUMN {table}.export_wh IS 'to the grid, watt-hours';
		COMMENT ON COLUMN {table}.meter_id IS 'canonical id, 32 bytes, or blinded id, 16 bytes';
		COMMENT ON COLUMN {table}.evidence IS 'the signed message, SCALE';"
	)
}

/// An index by time for a plain table. Rows lie on disk nearly in the order of time, so the first
/// and last time of every few pages is enough to find a day, and costs next to nothing to keep. A
/// hypertable has its chunks for that.
fn create_time_index(table: &str) -> String {
	format!(
		"CREATE INDEX {table}_start_time ON {table} USING brin (start_time)
			WITH (pages_per_range = 32, autosummarize = on);"
	)
}

/// One chunk for each day. The primary key and the chunks serve as they are, so no further index.
fn create_hypertable(table: &str) -> String {
	format!(
		"SELECT create_hypertable('{table}', 'start_time',
			chunk_time_interval => INTERVAL '1 day', create_default_indexes => FALSE);"
	)
}

/// Creates what is missing, in one transaction, one caller at a time.
pub(super) async fn migrate(client: &mut Client, table: &str) -> Result<(), OutletError> {
	let transaction = client.transaction().await.map_err(|error| meaning(&error))?;
	let versions = format!("{table}_schema_version");
	let prepare = format!(
		"SELECT pg_advisory_xact_lock(hashtext('{versions}'));
		CREATE TABLE IF NOT EXISTS {versions} (version integer PRIMARY KEY);"
	);
	transaction.batch_execute(&prepare).await.map_err(|error| meaning(&error))?;
	let version: i32 = transaction
		.query_one(&format!("SELECT coalesce(max(version), 0) FROM {versions}"), &[])
		.await
		.map_err(|error| meaning(&error))?
		.get(0);
	if version > VERSION {
		return Err(refused(format!(
			"the tables have version {version}; this outlet knows {VERSION} at most"
		)));
	}
	if version < VERSION {
		let extension = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')";
		let has_timescale: bool =
			transaction.query_one(extension, &[]).await.map_err(|error| meaning(&error))?.get(0);
		let by_time = match has_timescale {
			true => create_hypertable(table),
			false => create_time_index(table),
		};
		let create = format!(
			"{}{by_time} INSERT INTO {versions} (version) VALUES ({VERSION});",
			create_table(table)
		);
		transaction.batch_execute(&create).await.map_err(|error| meaning(&error))?;
		tracing::info!(table, version = VERSION, has_timescale, "created the table of readings");
	}
	transaction.commit().await.map_err(|error| meaning(&error))
}
