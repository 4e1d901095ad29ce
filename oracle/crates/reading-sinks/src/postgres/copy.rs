//! Rows in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format").

use bytes::{BufMut, Bytes, BytesMut};

use crate::{BatchId, Row};

/// What every copy begins with: signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
const TRAILER: i16 = -1;
/// Fields of a row.
const FIELDS: i16 = 10;
/// Bytes after which a piece is sent.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes of a row without its meter id, quality and evidence, rounded up.
const ROW_BYTES: usize = 160;
/// PostgreSQL counts time from 2000-01-01: seconds since 1970.
const EPOCH_SECONDS: i64 = 946_684_800;

/// Encodes rows, a piece at a time.
pub(super) struct Pieces<'rows> {
	id: BatchId,
	rows: std::slice::Iter<'rows, Row>,
	begun: bool,
	ended: bool,
}

impl<'rows> Pieces<'rows> {
	pub(super) fn new(id: BatchId, rows: &'rows [Row]) -> Self {
		Self { id, rows: rows.iter(), begun: false, ended: false }
	}
}

impl Iterator for Pieces<'_> {
	type Item = Bytes;

	fn next(&mut self) -> Option<Bytes> {
		if self.ended {
			return None;
		}
		let mut piece = BytesMut::with_capacity(PIECE_BYTES + ROW_BYTES);
		if !self.begun {
			piece.put_slice(HEADER);
			self.begun = true;
		}
		while piece.len() < PIECE_BYTES {
			let Some(row) = self.rows.next() else {
				piece.put_i16(TRAILER);
				self.ended = true;
				break;
			};
			put_row(&mut piece, self.id, row);
		}
		Some(piece.freeze())
	}
}

/// The fields in the order of the columns. A batch has no value that a signed number cannot hold.
fn put_row(piece: &mut BytesMut, id: BatchId, row: &Row) {
	piece.put_i16(FIELDS);
	put_number(piece, id.zone.into());
	put_number(piece, id.slot.into());
	put_number(piece, row.meter_index.into());
	put_number(piece, microseconds(row.start_seconds));
	put_number(piece, row.duration_seconds.into());
	put_number(piece, row.import_wh as i64);
	put_number(piece, row.export_wh as i64);
	put_bytes(piece, row.quality.name().as_bytes());
	put_bytes(piece, row.meter_id.as_bytes());
	put_bytes(piece, &row.evidence);
}

fn put_number(piece: &mut BytesMut, value: i64) {
	piece.put_i32(8);
	piece.put_i64(value);
}

/// A batch has less evidence than a signed number of 32 bits can count.
fn put_bytes(piece: &mut BytesMut, bytes: &[u8]) {
	piece.put_i32(bytes.len() as i32);
	piece.put_slice(bytes);
}

/// Seconds since 1970 as microseconds since 2000. A batch has no start after the year 9999.
fn microseconds(start_seconds: u64) -> i64 {
	(start_seconds as i64 - EPOCH_SECONDS) * 1_000_000
}

#[cfg(test)]
mod tests {
	use proptest::prelude::*;

	use super::*;
	use crate::{MeterId, Quality, MAXIMUM_START_SECONDS};

	fn rows(number: usize, evidence_bytes: usize) -> Vec<Row> {
		let row = |index| Row {
			meter_id: MeterId::Canonical([7; 32]),
			meter_index: index as u32,
			start_seconds: 946_684_801,
			duration_seconds: 900,
			import_wh: 5,
			export_wh: 6,
			quality: Quality::Valid,
			evidence: vec![9; evidence_bytes],
		};
		(0..number).map(row).collect()
	}

	#[test]
	fn row_has_the_bytes_of_the_manual() {
		let id = BatchId { zone: 1, slot: 2, part: 0 };
		let bytes: Vec<u8> = Pieces::new(id, &rows(1, 2)).flatten().collect();
		let mut expected = b"PGCOPY\n\xff\r\n\0".to_vec();
		expected.extend([0; 8]);
		expected.extend([0, 10]);
		for value in [1i64, 2, 0, 1_000_000, 900, 5, 6] {
			expected.extend([0, 0, 0, 8]);
			expected.extend(value.to_be_bytes());
		}
		expected.extend(*b"\0\0\0\x05valid\0\0\0\x20");
		expected.extend([7; 32]);
		expected.extend([0, 0, 0, 2, 9, 9, 0xff, 0xff]);
		assert_eq!(bytes, expected);
	}

	#[test]
	fn start_is_counted_from_2000() {
		assert_eq!(microseconds(946_684_800), 0);
		assert_eq!(microseconds(0), -946_684_800_000_000);
		assert_eq!(microseconds(MAXIMUM_START_SECONDS), 252_455_615_999_000_000);
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(32))]
		#[test]
		fn pieces_are_bounded_and_make_the_whole(number in 1usize..400, evidence in 0usize..3000) {
			let rows = rows(number, evidence);
			let pieces: Vec<_> =
				Pieces::new(BatchId { zone: 0, slot: 0, part: 0 }, &rows).collect();
			let row_bytes = 2 + 7 * 12 + 9 + 36 + 4 + evidence;
			let whole: usize = pieces.iter().map(Bytes::len).sum();
			prop_assert_eq!(whole, HEADER.len() + number * row_bytes + 2);
			prop_assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + row_bytes + 2));
		}
	}
}
