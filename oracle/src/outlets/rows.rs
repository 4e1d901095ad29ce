//! The readings of a slot as batches of rows.

use std::{collections::VecDeque, sync::Arc};

use codec::Encode;
use energy_primitives::{MeterIndex, SlotSpan, ZoneId, METERS_PER_PAGE};
use reading_sinks::{Batch, BatchError, BatchId, MeterId, Quality, Row};
use wia_ene_014::canonical;

use crate::{
	reading::figures_in,
	store::{Store, StoreError, StoredReading},
};

/// How large batches are. What is in which part of a slot follows from it: when it changes, a slot that
/// was on its way comes in other parts.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
	/// Rows at most.
	pub rows: usize,
	/// Bytes of evidence at most, unless a row alone has more.
	pub evidence_bytes: usize,
}

impl Default for BatchLimits {
	/// 32,768 rows, and 16 MiB.
	fn default() -> Self {
		Self { rows: 32_768, evidence_bytes: 16 << 20 }
	}
}

/// Reads a slot that is sealed, one batch after another. In memory are a batch and a page of readings.
///
/// Each figure is a row, with the quality that the meter states and the whole message it comes from.
pub struct SlotReader {
	readings: Arc<dyn Store>,
	zone: ZoneId,
	slot: SlotSpan,
	limits: BatchLimits,
	next_meter: MeterIndex,
	page: VecDeque<StoredReading>,
	message: VecDeque<Row>,
	part: u32,
}

impl SlotReader {
	/// At the beginning of a slot.
	pub fn new(
		readings: Arc<dyn Store>,
		zone: ZoneId,
		slot: SlotSpan,
		limits: BatchLimits,
	) -> Self {
		Self {
			readings,
			zone,
			slot,
			limits,
			next_meter: MeterIndex(0),
			page: VecDeque::new(),
			message: VecDeque::new(),
			part: 0,
		}
	}

	/// The next batch; `None` after the last one. A reader that was asked again at the beginning gives
	/// the same ones.
	///
	/// # Errors
	/// When the store fails; inside, when rows make no batch.
	pub fn next_batch(&mut self) -> Result<Option<Result<Batch, BatchError>>, StoreError> {
		let mut rows = Vec::new();
		let mut evidence_bytes = 0usize;
		while rows.len() < self.limits.rows.max(1) {
			let Some(row) = self.next_row()? else { break };
			evidence_bytes = evidence_bytes.saturating_add(row.evidence.len());
			if evidence_bytes > self.limits.evidence_bytes && !rows.is_empty() {
				self.message.push_front(row);
				break;
			}
			rows.push(row);
		}
		if rows.is_empty() {
			return Ok(None);
		}
		let id = BatchId { zone: self.zone.0, slot: self.slot.slot.0, part: self.part };
		self.part = self.part.saturating_add(1);
		Ok(Some(Batch::new(id, rows)))
	}

	fn next_row(&mut self) -> Result<Option<Row>, StoreError> {
		loop {
			if let Some(row) = self.message.pop_front() {
				return Ok(Some(row));
			}
			if let Some(reading) = self.page.pop_front() {
				self.message = rows_of(&reading, self.slot);
			} else if !self.read_page()? {
				return Ok(None);
			}
		}
	}

	/// Reads some meters more. Returns whether there were any.
	fn read_page(&mut self) -> Result<bool, StoreError> {
		let (slot, first) = (self.slot.slot, self.next_meter);
		if !self.readings.has_readings_from(self.zone, slot, first)? {
			return Ok(false);
		}
		let next = first.0.saturating_add(METERS_PER_PAGE);
		let meters = first.0..next;
		self.page = crate::store::readings(self.readings.as_ref(), self.zone, slot, meters)?.into();
		self.next_meter = MeterIndex(next);
		Ok(true)
	}
}

/// The figures of a message in a slot.
fn rows_of(reading: &StoredReading, slot: SlotSpan) -> VecDeque<Row> {
	let evidence = reading.signed.encode();
	let row = |figure: canonical::CanonicalInterval| Row {
		meter_id: MeterId::Canonical(reading.signed.message.meter_id),
		meter_index: reading.meter.0,
		start_seconds: figure.start_seconds,
		duration_seconds: figure.duration_seconds,
		import_wh: figure.import_wh,
		export_wh: figure.export_wh,
		quality: quality(figure.quality),
		evidence: evidence.clone(),
	};
	figures_in(&reading.signed, slot).map(row).collect()
}

fn quality(quality: canonical::Quality) -> Quality {
	match quality {
		canonical::Quality::Valid => Quality::Valid,
		canonical::Quality::Estimated => Quality::Estimated,
		canonical::Quality::Suspect => Quality::Suspect,
		canonical::Quality::Missing => Quality::Missing,
	}
}
