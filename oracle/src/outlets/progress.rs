//! How far an outlet has come.

use std::sync::{
	atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
	Arc,
};

use energy_primitives::{Slot, ZoneId};

use super::{FeedParts, OutletStore};
use crate::{
	metrics::Metrics,
	store::{Store, StoreError},
};

/// The metric with the numbers of outlets.
const METRIC: &str = "outlet_progress";
const HELP: &str = "Numbers of the outlets.";

/// How far an outlet has come, and what is counted on the way. It holds no store: metrics show it until the
/// very end, when the store must be free.
pub struct Progress {
	name: String,
	rows_written: AtomicU64,
	slots_written: AtomicU64,
	failures: AtomicU64,
	is_failing: AtomicBool,
	slots_behind: AtomicU64,
	slots_skipped: AtomicU64,
}

impl Progress {
	/// Of an outlet, by its kind and name, such as `postgresql/warehouse`.
	pub fn new(name: String) -> Self {
		Self {
			name,
			rows_written: AtomicU64::new(0),
			slots_written: AtomicU64::new(0),
			failures: AtomicU64::new(0),
			is_failing: AtomicBool::new(false),
			slots_behind: AtomicU64::new(0),
			slots_skipped: AtomicU64::new(0),
		}
	}

	/// The kind and the name of the outlet.
	pub fn name(&self) -> &str {
		&self.name
	}

	/// Shows the numbers among the metrics.
	pub fn show(self: &Arc<Self>, metrics: &Metrics) {
		let progress = self.clone();
		metrics.add_gauges(METRIC, HELP, self.name.clone(), move || {
			vec![
				("rows-written", progress.rows_written.load(Relaxed)),
				("slots-written", progress.slots_written.load(Relaxed)),
				("write-failures", progress.failures.load(Relaxed)),
				("failing", progress.is_failing.load(Relaxed).into()),
				("slots-behind", progress.slots_behind.load(Relaxed)),
				("slots-skipped", progress.slots_skipped.load(Relaxed)),
			]
		});
	}

	/// Counts rows that the outlet has acknowledged.
	pub fn count_rows(&self, rows: usize) {
		self.rows_written.fetch_add(rows as u64, Relaxed);
		self.is_failing.store(false, Relaxed);
	}

	/// Counts an attempt that failed.
	pub fn count_failure(&self) {
		self.failures.fetch_add(1, Relaxed);
		self.is_failing.store(true, Relaxed);
	}

	/// The first sealed slot of a zone that has readings and that the outlet lacks.
	///
	/// # Errors
	/// When the store fails.
	pub fn next_slot(&self, parts: &FeedParts, zone: ZoneId) -> Result<Option<Slot>, StoreError> {
		let Some(sealed) = parts.readings.sealed_through(zone)? else { return Ok(None) };
		let delivered = parts.store.delivered_through(&self.name, zone)?;
		let next = parts.readings.next_slot_with_readings(zone, delivered)?;
		Ok(next.filter(|slot| *slot <= sealed))
	}

	/// Keeps that the outlet has a slot of a zone.
	///
	/// # Errors
	/// When the store fails.
	pub fn keep_delivered(
		&self,
		parts: &FeedParts,
		zone: ZoneId,
		slot: Slot,
	) -> Result<(), StoreError> {
		parts.store.keep_delivered(&self.name, zone, slot)?;
		self.slots_written.fetch_add(1, Relaxed);
		Ok(())
	}

	/// Notes how many slots the outlet is behind: in each zone from the oldest sealed slot with readings
	/// that it lacks to the newest sealed one.
	///
	/// # Errors
	/// When the store fails.
	pub fn note_behind(&self, parts: &FeedParts) -> Result<(), StoreError> {
		let mut behind = 0u64;
		for &zone in &parts.zones {
			let sealed = parts.readings.sealed_through(zone)?;
			if let (Some(slot), Some(sealed)) = (self.next_slot(parts, zone)?, sealed) {
				let slots = u64::from(sealed.0.saturating_sub(slot.0)).saturating_add(1);
				behind = behind.saturating_add(slots);
			}
		}
		self.slots_behind.store(behind, Relaxed);
		Ok(())
	}

	/// Counts the slots before `first_kept`, which are about to be forgotten, that the outlet does not
	/// have in whole.
	///
	/// # Errors
	/// When the store fails.
	pub fn note_forgotten(
		&self,
		readings: &dyn Store,
		store: &dyn OutletStore,
		zone: ZoneId,
		first_kept: Slot,
	) -> Result<(), StoreError> {
		let mut slot = store.delivered_through(&self.name, zone)?;
		let mut skipped = 0u64;
		loop {
			slot = readings.next_slot_with_readings(zone, slot)?;
			if slot.is_none_or(|slot| slot >= first_kept) {
				break;
			}
			skipped = skipped.saturating_add(1);
		}
		if skipped > 0 {
			self.slots_skipped.fetch_add(skipped, Relaxed);
			tracing::error!(
				outlet = self.name, %zone, before = %first_kept, skipped,
				"slots are forgotten that an outlet does not have"
			);
		}
		Ok(())
	}
}
