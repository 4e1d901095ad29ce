//! From the readings of a slot to the pages that are attested: pure arithmetic, no I/O.
//!
//! # What a page says
//!
//! Page `p` carries the meters `256 p .. 256 (p + 1)` of the zone, and
//!
//! * a **line for each meter whose figures cover every second of the slot**: the sums of import and
//!   export, in Wh, and the worst quality among the figures. Nothing is rounded. A meter with a gap
//!   has no line: the chain estimates it by its own rule, and says so, instead of billing a part of
//!   the slot as if it were all of it;
//! * the **root over all signed readings** of these meters, also of those with a gap, in ascending
//!   order of (meter, start of the first figure in the slot), so that whatever was accepted can be
//!   proven.
//!
//! A page without any reading, or without any line, is not attested: silence is no statement about a
//! meter, and the chain takes no page without lines.
//!
//! The result depends on nothing but the readings, so an attestation that is computed again is the
//! same, byte for byte.

use energy_primitives::{merkle, MeterValue, SlotSpan, ZoneId};
use wia_ene_014::canonical::Quality;

use crate::{
	reading::figures_in,
	store::{Attestation, PageKey, StoredReading},
};

/// Collects the readings of one slot, in ascending order of (meter, start), into pages.
#[derive(Debug)]
pub struct Aggregator {
	zone: ZoneId,
	slot: SlotSpan,
	done: Vec<Attestation>,
	page: Option<Page>,
}

#[derive(Debug)]
struct Page {
	number: u32,
	leaves: Vec<Vec<u8>>,
	values: Vec<MeterValue>,
	meter: Sum,
}

/// One meter's figures so far.
#[derive(Clone, Copy, Debug)]
struct Sum {
	meter: u32,
	import_wh: u64,
	export_wh: u64,
	covered_seconds: u64,
	quality: Quality,
}

impl Sum {
	fn new(meter: u32) -> Self {
		Self { meter, import_wh: 0, export_wh: 0, covered_seconds: 0, quality: Quality::Valid }
	}
}

impl Page {
	/// Adds the line of the meter that was being summed up, if it covers the slot.
	fn end_meter(&mut self, slot: &SlotSpan) {
		let Sum { meter, import_wh, export_wh, covered_seconds, quality } = self.meter;
		if covered_seconds == slot.length_seconds() {
			self.values.push(MeterValue { meter, import_wh, export_wh, quality });
		}
	}
}

impl Aggregator {
	/// Nothing yet of a slot.
	pub fn new(zone: ZoneId, slot: SlotSpan) -> Self {
		Self { zone, slot, done: Vec::new(), page: None }
	}

	/// Adds the next reading.
	pub fn add(&mut self, reading: &StoredReading) {
		let number = reading.meter.page();
		if self.page.as_ref().is_some_and(|page| page.number != number) {
			self.end_page();
		}
		let page = self.page.get_or_insert_with(|| Page {
			number,
			leaves: Vec::new(),
			values: Vec::new(),
			meter: Sum::new(reading.meter.0),
		});
		if page.meter.meter != reading.meter.0 {
			page.end_meter(&self.slot);
			page.meter = Sum::new(reading.meter.0);
		}
		page.leaves.push(reading.signed.leaf_bytes());
		for figure in figures_in(&reading.signed, self.slot) {
			let sum = &mut page.meter;
			// Each figure is bounded by the rated power of the meter, so no sum of a slot reaches
			// the limit.
			sum.import_wh = sum.import_wh.saturating_add(figure.import_wh);
			sum.export_wh = sum.export_wh.saturating_add(figure.export_wh);
			sum.covered_seconds =
				sum.covered_seconds.saturating_add(u64::from(figure.duration_seconds));
			sum.quality = sum.quality.max(figure.quality);
		}
	}

	/// The pages, in order.
	pub fn finish(mut self) -> Vec<Attestation> {
		self.end_page();
		self.done
	}

	fn end_page(&mut self) {
		let Some(mut page) = self.page.take() else { return };
		page.end_meter(&self.slot);
		self.done.push(Attestation {
			key: PageKey { zone: self.zone, slot: self.slot.slot, page: page.number },
			values: page.values,
			readings_root: merkle::root(&page.leaves),
			readings_count: u32::try_from(page.leaves.len()).unwrap_or(u32::MAX),
		});
	}
}

/// The pages of a slot, from its readings in ascending order of (meter, start).
pub fn aggregate<'a>(
	zone: ZoneId,
	slot: SlotSpan,
	readings: impl IntoIterator<Item = &'a StoredReading>,
) -> Vec<Attestation> {
	let mut aggregator = Aggregator::new(zone, slot);
	readings.into_iter().for_each(|reading| aggregator.add(reading));
	aggregator.finish()
}
