//! A batch as a Parquet file.

use std::sync::Arc;

use parquet::{
	basic::{Compression, ZstdLevel},
	column::writer::ColumnWriter,
	data_type::ByteArray,
	errors::{ParquetError, Result},
	file::{
		metadata::KeyValue,
		properties::{EnabledStatistics, WriterProperties},
		writer::{SerializedFileWriter, SerializedRowGroupWriter},
	},
	schema::{parser::parse_message_type, types::ColumnPath},
};

use crate::{Batch, Row};

/// Starts are in milliseconds, because Parquet has no seconds.
const SCHEMA: &str = "message reading {
	required int32 slot (INTEGER(32, false));
	required int32 meter_index (INTEGER(32, false));
	required int64 start_time (TIMESTAMP(MILLIS, true));
	required int32 duration_seconds (INTEGER(32, false));
	required int64 import_wh;
	required int64 export_wh;
	required binary quality (STRING);
	required binary meter_id;
	required binary evidence;
}";

/// Stays the same when the library is a newer one, so that files stay the same.
const CREATED_BY: &str = "reading-sinks version 1";

/// Encodes a batch. The same batch gives the same bytes.
pub(super) fn encode(batch: &Batch) -> Result<Vec<u8>> {
	let schema = Arc::new(parse_message_type(SCHEMA)?);
	let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(batch)?))?;
	let mut group = writer.next_row_group()?;
	let (slot, rows) = (batch.id().slot, batch.rows());
	put_u32(&mut group, rows, |_| slot)?;
	put_u32(&mut group, rows, |row| row.meter_index)?;
	put_i64(&mut group, rows, |row| row.start_seconds * 1000)?;
	put_u32(&mut group, rows, |row| row.duration_seconds)?;
	put_i64(&mut group, rows, |row| row.import_wh)?;
	put_i64(&mut group, rows, |row| row.export_wh)?;
	put_bytes(&mut group, rows, |row| row.quality.name().as_bytes())?;
	put_bytes(&mut group, rows, |row| row.meter_id.as_bytes())?;
	put_bytes(&mut group, rows, |row| &row.evidence)?;
	group.close()?;
	writer.into_inner()
}

/// No two ids and no two signed messages are the same, so a dictionary or bounds of them are of no
/// use.
fn properties(batch: &Batch) -> Result<WriterProperties> {
	let id = batch.id();
	let entry = |key: &str, value: u32| KeyValue::new(key.to_owned(), value.to_string());
	let metadata = vec![
		entry("zone", id.zone),
		entry("slot", id.slot),
		entry("part", id.part),
		entry("rows", batch.rows().len() as u32),
	];
	let mut builder = WriterProperties::builder()
		.set_created_by(CREATED_BY.to_owned())
		.set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
		.set_statistics_enabled(EnabledStatistics::Chunk)
		.set_key_value_metadata(Some(metadata));
	for column in ["meter_id", "evidence"] {
		let column = ColumnPath::from(column);
		builder = builder
			.set_column_dictionary_enabled(column.clone(), false)
			.set_column_statistics_enabled(column, EnabledStatistics::None);
	}
	Ok(builder.build())
}

type Group<'file> = SerializedRowGroupWriter<'file, Vec<u8>>;

/// An unsigned number is kept in the bits of a signed one; the schema says so.
fn put_u32(group: &mut Group<'_>, rows: &[Row], field: impl Fn(&Row) -> u32) -> Result<()> {
	let values: Vec<_> = rows.iter().map(|row| field(row) as i32).collect();
	put(group, |column| match column {
		ColumnWriter::Int32ColumnWriter(column) => column.write_batch(&values, None, None),
		_ => Err(other_type()),
	})
}

/// A batch has no value that a signed number cannot hold.
fn put_i64(group: &mut Group<'_>, rows: &[Row], field: impl Fn(&Row) -> u64) -> Result<()> {
	let values: Vec<_> = rows.iter().map(|row| field(row) as i64).collect();
	put(group, |column| match column {
		ColumnWriter::Int64ColumnWriter(column) => column.write_batch(&values, None, None),
		_ => Err(other_type()),
	})
}

fn put_bytes(group: &mut Group<'_>, rows: &[Row], field: impl Fn(&Row) -> &[u8]) -> Result<()> {
	let values: Vec<_> = rows.iter().map(|row| ByteArray::from(field(row).to_vec())).collect();
	put(group, |column| match column {
		ColumnWriter::ByteArrayColumnWriter(column) => column.write_batch(&values, None, None),
		_ => Err(other_type()),
	})
}

/// Writes the next column.
fn put(
	group: &mut Group<'_>,
	write: impl FnOnce(&mut ColumnWriter<'_>) -> Result<usize>,
) -> Result<()> {
	let mut column =
		group.next_column()?.ok_or_else(|| ParquetError::General("no such column".into()))?;
	write(column.untyped())?;
	column.close()
}

fn other_type() -> ParquetError {
	ParquetError::General("a column has another type".into())
}
