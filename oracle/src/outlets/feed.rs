//! Brings sealed slots to one outlet.

use std::sync::Arc;

use energy_primitives::{Slot, SlotSpan, ZoneId};
use reading_sinks::{Batch, Outlet};
use tokio::sync::Notify;

use super::{
	progress::Progress,
	rows::{BatchLimits, SlotReader},
	FeedParts,
};
use crate::store::StoreError;

/// Brings sealed slots to an outlet, in order, each zone by itself, one batch at a time.
pub struct Feed<O> {
	/// Where to.
	pub outlet: O,
	/// How far it has come.
	pub progress: Arc<Progress>,
	/// Where from.
	pub parts: FeedParts,
	/// Told when a slot is sealed.
	pub sealed: Arc<Notify>,
}

/// Why a slot was not delivered.
enum Failure {
	/// The store failed.
	Store(StoreError),
	/// A reading is not what an outlet can take.
	Batch(reading_sinks::BatchError),
}

impl From<StoreError> for Failure {
	fn from(error: StoreError) -> Self {
		Self::Store(error)
	}
}

impl<O: Outlet> Feed<O> {
	/// Brings what is sealed, and what will be. Ends only when the store fails; to stop it, drop it: what
	/// was not acknowledged comes again after the next start.
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(self) -> Result<(), StoreError> {
		loop {
			while self.deliver_round().await? {}
			self.sealed.notified().await;
		}
	}

	/// Brings the next slot of each zone. Returns whether there may be more.
	async fn deliver_round(&self) -> Result<bool, StoreError> {
		let mut may_be_more = false;
		for &zone in &self.parts.zones {
			let Some(slot) = self.next_slot(zone).await? else { continue };
			match self.deliver_slot(zone, slot).await {
				Ok(()) => may_be_more = true,
				Err(Failure::Store(error)) => return Err(error),
				Err(Failure::Batch(error)) => {
					// Trying again at once would be in vain; the next sealed slot is a reason to.
					self.progress.count_failure();
					tracing::error!(
						outlet = self.progress.name(), %zone, slot = %slot.slot, %error,
						"a reading is not what an outlet can take"
					);
				}
			}
		}
		Ok(may_be_more)
	}

	/// The next slot of a zone that the outlet lacks.
	async fn next_slot(&self, zone: ZoneId) -> Result<Option<SlotSpan>, StoreError> {
		let Some(registry) = self.parts.registry.load() else { return Ok(None) };
		let Some(calendar) = registry.calendar(zone) else { return Ok(None) };
		let next = self.look(move |progress, parts| progress.next_slot(parts, zone)).await?;
		Ok(next.map(|slot| calendar.span(slot)))
	}

	/// Brings a slot, and keeps that the outlet has it.
	async fn deliver_slot(&self, zone: ZoneId, slot: SlotSpan) -> Result<(), Failure> {
		let readings = self.parts.readings.clone();
		let mut reader = SlotReader::new(readings, zone, slot, BatchLimits::default());
		loop {
			let read = move || {
				let batch = reader.next_batch();
				(reader, batch)
			};
			let batch;
			(reader, batch) = tokio::task::spawn_blocking(read)
				.await
				.map_err(|_panicked| StoreError::Damaged { place: "readings" })?;
			match batch? {
				Some(batch) => self.write(&batch.map_err(Failure::Batch)?).await?,
				None => break,
			}
		}
		self.keep_delivered(zone, slot.slot).await?;
		Ok(())
	}

	/// Writes a batch, however often it takes. The outlet itself waits after a failure, longer with each
	/// one.
	async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
		while let Err(error) = self.outlet.write(batch).await {
			self.progress.count_failure();
			let (outlet, batch) = (self.progress.name(), batch.id());
			match error.is_temporary() {
				true => tracing::warn!(outlet, %batch, %error, "readings wait for an outlet"),
				false => tracing::error!(outlet, %batch, %error, "readings wait for an outlet"),
			}
			self.note_behind().await?;
		}
		self.progress.count_rows(batch.rows().len());
		Ok(())
	}

	async fn note_behind(&self) -> Result<(), StoreError> {
		self.look(|progress, parts| progress.note_behind(parts)).await
	}

	async fn keep_delivered(&self, zone: ZoneId, slot: Slot) -> Result<(), StoreError> {
		self.look(move |progress, parts| {
			progress.keep_delivered(parts, zone, slot)?;
			progress.note_behind(parts)
		})
		.await
	}

	/// Asks the store on a thread that may wait.
	async fn look<T: Send + 'static>(
		&self,
		look: impl FnOnce(&Progress, &FeedParts) -> Result<T, StoreError> + Send + 'static,
	) -> Result<T, StoreError> {
		let (progress, parts) = (self.progress.clone(), self.parts.clone());
		tokio::task::spawn_blocking(move || look(&progress, &parts))
			.await
			.map_err(|_panicked| StoreError::Damaged { place: "outlets" })?
	}
}
