//! Forgets readings that are older than they have to be kept.
//!
//! A slot is forgotten when it ended longer ago than the retention time, it is sealed, and no page of it
//! or of an older slot is still on its way to the chain. [Outlets](crate::outlets) are not waited for: what
//! one of them does not have yet is counted and logged, and forgotten all the same, because a server that
//! is away for good must not fill the disk.

use std::{sync::Arc, time::Duration};

use energy_primitives::{Slot, ZoneId};

use crate::{
	clock::Clock,
	outlets::{progress::Progress, OutletStore},
	registry::RegistryCell,
	store::{Store, StoreError},
};

/// How often it is looked whether something is to be forgotten.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);

/// Forgets old readings.
pub struct Retention {
	/// Where they are.
	pub store: Arc<dyn Store>,
	/// Knows when the slots are.
	pub registry: Arc<RegistryCell>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// How long readings are kept, seconds.
	pub seconds: u64,
	/// Outlets that copy readings.
	pub outlets: Vec<Arc<Progress>>,
	/// Knows what they have.
	pub outlet_store: Arc<dyn OutletStore>,
}

impl Retention {
	/// Forgets what is old, again and again. Ends only when the store fails.
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(self) -> Result<(), StoreError> {
		let mut looks = tokio::time::interval(LOOK_INTERVAL);
		let retention = Arc::new(self);
		loop {
			looks.tick().await;
			let look = {
				let retention = retention.clone();
				move || retention.forget()
			};
			match tokio::task::spawn_blocking(look).await {
				Ok(forgotten) => forgotten?,
				Err(_panicked) => return Err(StoreError::Damaged { place: "readings" }),
			}
		}
	}

	/// Forgets what is old now.
	///
	/// # Errors
	/// When the store fails.
	pub fn forget(&self) -> Result<(), StoreError> {
		for &zone in &self.zones {
			if let Some(slot) = self.first_kept(zone)? {
				for outlet in &self.outlets {
					let (readings, store) = (self.store.as_ref(), self.outlet_store.as_ref());
					outlet.note_forgotten(readings, store, zone, slot)?;
				}
				self.store.forget_before(zone, slot)?;
				tracing::debug!(%zone, %slot, "readings before the slot are forgotten");
			}
		}
		Ok(())
	}

	/// The first slot of a zone that has to be kept.
	fn first_kept(&self, zone: ZoneId) -> Result<Option<Slot>, StoreError> {
		let Some(registry) = self.registry.load() else { return Ok(None) };
		let Some(calendar) = registry.calendar(zone) else { return Ok(None) };
		let Some(sealed) = self.store.sealed_through(zone)? else { return Ok(None) };
		let oldest_moment = self.clock.now_seconds().saturating_sub(self.seconds);
		let by_time = calendar.at(oldest_moment);
		let on_its_way = self.store.outbox(usize::MAX)?.into_iter().find(|key| key.zone == zone);
		let first = by_time.min(sealed.next());
		Ok(Some(on_its_way.map_or(first, |key| first.min(key.slot))))
	}
}
