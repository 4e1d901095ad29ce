//! Decides when a slot is over for good, and turns its readings into attestations.
//!
//! A slot is sealed when, by the **chain's clock in the best block**,
//!
//! * it ended at least the grace period ago, or
//! * it has ended and every registered meter of the zone has figures for all of it.
//!
//! Slots are sealed in order, each zone by itself. After a start the grace period begins anew, so that
//! meters that could not deliver while the oracle was away get a chance.
//!
//! Sealing first closes the slot in the [writer](crate::ingest::writer), which from then on refuses
//! readings for it, and then writes the attestations into the outbox together with the mark that the
//! slot is sealed, as one whole. A crash in between changes nothing on disk: the slot is closed again
//! after the restart, with the same readings and the same result.

use std::sync::Arc;

use energy_primitives::{Slot, SlotCalendar, SlotSpan, ZoneId};
use tokio::sync::{watch, Notify};

use crate::{
	aggregate::Aggregator,
	chain::Head,
	events::{Event, EventKind, Events},
	ingest::{writer::Coverage, Ingest, IngestError},
	metrics::Metrics,
	registry::RegistryCell,
	store::{Store, StoreError},
};

/// How long after the end of a slot its readings are waited for, where nothing else is configured:
/// ten seconds, or a sixth of the slot where that is less.
pub fn default_grace_seconds(slot_seconds: u32) -> u32 {
	(slot_seconds / 6).min(10)
}

/// Why a slot could not be sealed. It is tried again at the next block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
	/// The writer is gone, or its disk failed.
	#[error(transparent)]
	Ingest(#[from] IngestError),
	/// The store failed.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The aggregation broke off.
	#[error("the aggregation broke off")]
	Aborted,
}

/// Seals slots.
pub struct Sealer {
	/// Where the readings are.
	pub store: Arc<dyn Store>,
	/// The way to the writer.
	pub ingest: Ingest,
	/// What the writer knows of slots that are being filled.
	pub coverage: Arc<Coverage>,
	/// The registered meters.
	pub registry: Arc<RegistryCell>,
	/// Where pages are counted.
	pub metrics: Arc<Metrics>,
	/// Told when there is something in the outbox.
	pub outbox_filled: Arc<Notify>,
	/// Told, each, when a slot is sealed.
	pub slot_sealed: Vec<Arc<Notify>>,
	/// Where it is told that a slot is sealed.
	pub events: Arc<Events>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// How long to wait after the end of a slot; `None` for [`default_grace_seconds`].
	pub grace_seconds: Option<u32>,
}

impl Sealer {
	/// Seals what is due, at every new block, until the heads end.
	pub async fn run(self, mut heads: watch::Receiver<Option<Head>>) {
		while heads.changed().await.is_ok() {
			let Some(head) = *heads.borrow_and_update() else { continue };
			for &zone in &self.zones {
				if let Err(error) = self.seal_due(zone, head.now_seconds).await {
					tracing::error!(%zone, %error, "the slot could not be sealed");
				}
			}
		}
	}

	/// Seals every slot of a zone that is due.
	///
	/// # Errors
	/// See [`SealError`]; what was not sealed will be due again.
	pub async fn seal_due(&self, zone: ZoneId, now_seconds: u64) -> Result<(), SealError> {
		// Otherwise nothing was taken yet, and nothing can be.
		let Some(ready_since) = self.registry.ready_since() else { return Ok(()) };
		let Some(registry) = self.registry.load() else { return Ok(()) };
		let Some(calendar) = registry.calendar(zone) else { return Ok(()) };
		let sealed = self.store.sealed_through(zone)?;
		let Some(through) = self.due_through(zone, calendar, now_seconds, ready_since, sealed)
		else {
			return Ok(());
		};
		if sealed.is_some_and(|sealed| sealed >= through) {
			return Ok(());
		}
		// From here on no reading comes in for these slots, so what is read is what there is.
		self.ingest.close(zone, through).await?;
		let mut done = sealed;
		loop {
			let next = self.store.next_slot_with_readings(zone, done)?;
			let Some(slot) = next.filter(|slot| *slot <= through) else { break };
			self.seal_slot(zone, calendar.span(slot)).await?;
			done = Some(slot);
		}
		if done != Some(through) {
			self.store.seal(zone, through, &[])?;
		}
		Ok(())
	}

	/// The last slot that may be sealed.
	fn due_through(
		&self,
		zone: ZoneId,
		calendar: &SlotCalendar,
		now_seconds: u64,
		ready_since: u64,
		sealed: Option<Slot>,
	) -> Option<Slot> {
		let slot_seconds = calendar.slot_seconds(calendar.at(now_seconds));
		let grace =
			u64::from(self.grace_seconds.unwrap_or_else(|| default_grace_seconds(slot_seconds)));
		let last_ended = |now: u64| calendar.at(now).0.checked_sub(1).map(Slot);
		let mut through = sealed;
		if now_seconds >= ready_since.saturating_add(grace) {
			through = through.max(now_seconds.checked_sub(grace).and_then(last_ended));
		}
		// Slots that ended just now need not wait when nothing is missing.
		let ended = last_ended(now_seconds)?;
		while let Some(next) = through.map(Slot::next).filter(|next| *next <= ended) {
			let registered = self.registry.load().map_or(0, |registry| registry.count(zone));
			if registered == 0 || self.coverage.complete_meters(zone, next) < registered {
				break;
			}
			through = Some(next);
		}
		through
	}

	/// Seals one slot whose readings are closed.
	async fn seal_slot(&self, zone: ZoneId, span: SlotSpan) -> Result<(), SealError> {
		let slot = span.slot;
		let store = self.store.clone();
		let pages = tokio::task::spawn_blocking(move || {
			let mut aggregator = Aggregator::new(zone, span);
			store.visit_readings(zone, slot, 0..u32::MAX, &mut |reading| {
				aggregator.add(&reading);
			})?;
			let pages = aggregator.finish();
			store.seal(zone, slot, &pages)?;
			Ok::<_, StoreError>(pages)
		})
		.await
		.map_err(|_panicked| SealError::Aborted)??;
		let readings: u64 = pages.iter().map(|page| u64::from(page.readings_count)).sum();
		let meters: usize = pages.iter().map(|page| page.values.len()).sum();
		tracing::info!(%zone, %slot, pages = pages.len(), readings, meters, "the slot is sealed");
		self.metrics.count_sealed(pages.len());
		let event = Event::of(EventKind::SlotSealed).slot(zone, slot).count(readings);
		self.events.publish(event);
		self.outbox_filled.notify_one();
		self.slot_sealed.iter().for_each(|follower| follower.notify_one());
		Ok(())
	}
}
