//! Readings that go to an outlet together.

use std::{fmt, sync::Arc};

/// Rows in a batch at most.
pub const MAXIMUM_ROWS: usize = 65_536;
/// Bytes of evidence in a batch at most.
pub const MAXIMUM_EVIDENCE_BYTES: usize = 64 << 20;
/// The last second that has a date with a year of four digits: 9999-12-31, 23:59:59 UTC.
pub const MAXIMUM_START_SECONDS: u64 = 253_402_300_799;
/// The most energy a row can have, watt-hours: what a signed 64-bit number can hold, because not
/// every outlet has unsigned ones.
pub const MAXIMUM_ENERGY_WH: u64 = i64::MAX as u64;

/// The name of a batch. A batch with the same name always has the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
	/// The zone of all meters in it.
	pub zone: u32,
	/// The delivery slot of all readings in it.
	pub slot: u32,
	/// Which part of the slot's readings this is, counted from 0.
	pub part: u32,
}

impl fmt::Display for BatchId {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(formatter, "zone {}, slot {}, part {}", self.zone, self.slot, self.part)
	}
}

/// How a meter is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterId {
	/// The canonical id of the standard.
	Canonical([u8; 32]),
	/// An id that says nothing about the meter to those who lack the key.
	Blinded([u8; 16]),
}

impl MeterId {
	/// The bytes, 32 or 16.
	pub fn as_bytes(&self) -> &[u8] {
		match self {
			Self::Canonical(bytes) => bytes,
			Self::Blinded(bytes) => bytes,
		}
	}
}

impl fmt::Debug for MeterId {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		self.as_bytes().iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
	}
}

/// What is known about how good a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
	/// Measured, and nothing speaks against it.
	Valid,
	/// Computed by a rule, because nothing was measured.
	Estimated,
	/// Measured, and something speaks against it.
	Suspect,
	/// Nothing was measured and nothing was computed; the energies say nothing.
	Missing,
}

impl Quality {
	/// All of them.
	pub const ALL: [Self; 4] = [Self::Valid, Self::Estimated, Self::Suspect, Self::Missing];

	/// The name that every outlet writes.
	pub fn name(self) -> &'static str {
		match self {
			Self::Valid => "valid",
			Self::Estimated => "estimated",
			Self::Suspect => "suspect",
			Self::Missing => "missing",
		}
	}
}

/// One reading. Its zone and slot are those of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
	/// The meter.
	pub meter_id: MeterId,
	/// The place of the meter in its zone. With zone, slot and start it names the reading.
	pub meter_index: u32,
	/// When the reading begins, seconds since 1970, at most [`MAXIMUM_START_SECONDS`].
	pub start_seconds: u64,
	/// How long it lasts, seconds.
	pub duration_seconds: u32,
	/// Energy from the grid to the meter's owner, watt-hours, at most [`MAXIMUM_ENERGY_WH`].
	pub import_wh: u64,
	/// Energy from the meter's owner to the grid, watt-hours, at most [`MAXIMUM_ENERGY_WH`].
	pub export_wh: u64,
	/// How good it is.
	pub quality: Quality,
	/// The signed message it comes from, in SCALE.
	pub evidence: Vec<u8>,
}

/// Why rows make no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct BatchError {
	/// Which field of which row, by its place among the rows given.
	pub field: String,
	/// One sentence for a human.
	pub reason: String,
}

/// Readings that are stored, on their way to an outlet. Cheap to clone.
///
/// Never empty; sorted by meter index, then start; no two rows have both in common. So a batch with
/// the same rows is the same, in whatever order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
	id: BatchId,
	rows: Arc<[Row]>,
}

impl Batch {
	/// Checks and sorts rows.
	///
	/// # Errors
	/// When there is no row, there are too many, a value is too large for an outlet, or two rows
	/// name the same reading.
	pub fn new(id: BatchId, mut rows: Vec<Row>) -> Result<Self, BatchError> {
		let invalid = |field: &str, reason: String| Err(BatchError { field: field.into(), reason });
		if rows.is_empty() {
			return invalid("rows", "has none".into());
		}
		if rows.len() > MAXIMUM_ROWS {
			return invalid("rows", format!("has {}; the limit is {MAXIMUM_ROWS}", rows.len()));
		}
		let evidence_bytes: usize = rows.iter().map(|row| row.evidence.len()).sum();
		if evidence_bytes > MAXIMUM_EVIDENCE_BYTES {
			let reason =
				format!("has {evidence_bytes} bytes; the limit is {MAXIMUM_EVIDENCE_BYTES}");
			return invalid("rows.evidence", reason);
		}
		for (place, row) in rows.iter().enumerate() {
			for (name, value, limit) in [
				("start_seconds", row.start_seconds, MAXIMUM_START_SECONDS),
				("import_wh", row.import_wh, MAXIMUM_ENERGY_WH),
				("export_wh", row.export_wh, MAXIMUM_ENERGY_WH),
			] {
				if value > limit {
					let reason = format!("is {value}; the limit is {limit}");
					return invalid(&format!("rows[{place}].{name}"), reason);
				}
			}
		}
		rows.sort_by_key(key);
		if let Some(pair) = rows.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
			let (meter, start) = key(&pair[0]);
			let reason = format!("two are of meter index {meter} and begin at {start}");
			return invalid("rows", reason);
		}
		Ok(Self { id, rows: rows.into() })
	}

	/// The name.
	pub fn id(&self) -> BatchId {
		self.id
	}

	/// The rows, sorted by meter index, then start.
	pub fn rows(&self) -> &[Row] {
		&self.rows
	}
}

fn key(row: &Row) -> (u32, u64) {
	(row.meter_index, row.start_seconds)
}

#[cfg(test)]
mod tests {
	use super::*;

	const ID: BatchId = BatchId { zone: 1, slot: 2, part: 3 };

	fn row(meter_index: u32, start_seconds: u64) -> Row {
		Row {
			meter_id: MeterId::Blinded([meter_index as u8; 16]),
			meter_index,
			start_seconds,
			duration_seconds: 60,
			import_wh: 1,
			export_wh: 0,
			quality: Quality::Valid,
			evidence: vec![1, 2, 3],
		}
	}

	fn error(rows: Vec<Row>) -> String {
		Batch::new(ID, rows).unwrap_err().to_string()
	}

	#[test]
	fn batch_is_the_same_in_whatever_order_rows_come() {
		let rows = vec![row(2, 0), row(1, 60), row(1, 0)];
		let sorted = vec![row(1, 0), row(1, 60), row(2, 0)];
		let batch = Batch::new(ID, rows).unwrap();
		assert_eq!(batch.rows(), sorted);
		assert_eq!(batch, Batch::new(ID, sorted).unwrap());
		assert_eq!(batch.id().to_string(), "zone 1, slot 2, part 3");
	}

	#[test]
	fn largest_values_pass() {
		let mut largest = row(u32::MAX, MAXIMUM_START_SECONDS);
		largest.import_wh = MAXIMUM_ENERGY_WH;
		largest.export_wh = MAXIMUM_ENERGY_WH;
		assert_eq!(Batch::new(ID, vec![largest.clone()]).unwrap().rows(), [largest]);
	}

	#[test]
	fn rows_that_make_no_batch_are_named() {
		assert_eq!(error(Vec::new()), "rows: has none");
		assert_eq!(error(vec![row(0, 0); 65_537]), "rows: has 65537; the limit is 65536");
		assert_eq!(
			error(vec![row(7, 5), row(1, 1), row(7, 5)]),
			"rows: two are of meter index 7 and begin at 5"
		);
		assert_eq!(
			error(vec![row(0, 0), row(0, MAXIMUM_START_SECONDS + 1)]),
			"rows[1].start_seconds: is 253402300800; the limit is 253402300799"
		);
		let mut large = row(0, 0);
		large.import_wh = 1 << 63;
		assert_eq!(
			error(vec![large]),
			"rows[0].import_wh: is 9223372036854775808; the limit is 9223372036854775807"
		);
		let mut large = row(0, 0);
		large.export_wh = u64::MAX;
		assert!(error(vec![large]).starts_with("rows[0].export_wh: is 18446744073709551615"));
		let mut large = row(0, 0);
		large.evidence = vec![0; MAXIMUM_EVIDENCE_BYTES + 1];
		assert_eq!(error(vec![large]), "rows.evidence: has 67108865 bytes; the limit is 67108864");
	}

	#[test]
	fn meter_id_shows_its_bytes() {
		assert_eq!(format!("{:?}", MeterId::Blinded([0xab; 16])), "ab".repeat(16));
		assert_eq!(MeterId::Canonical([1; 32]).as_bytes(), [1; 32]);
	}
}
