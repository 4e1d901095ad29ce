//! What happened, on RocksDB.

use super::{
	rocks::{RocksStore, EVENTS},
	StoreError,
};
use crate::events::{Event, EventStore, EVENTS_KEPT};

fn damaged<E>(_error: E) -> StoreError {
	StoreError::Damaged { place: EVENTS }
}

impl EventStore for RocksStore {
	fn newest_event(&self) -> Result<u64, StoreError> {
		let newest = self.last_key(EVENTS)?;
		let number = newest.map(|key| key.as_ref().try_into().map(u64::from_be_bytes));
		Ok(number.transpose().map_err(damaged)?.unwrap_or(0))
	}

	fn keep_event(&self, event: &Event) -> Result<(), StoreError> {
		let json = serde_json::to_vec(event).map_err(damaged)?;
		self.change(|batch| {
			let oldest = event.number.saturating_sub(EVENTS_KEPT.saturating_sub(1));
			batch.delete_range_cf(self.family(EVENTS)?, [0; 8], oldest.to_be_bytes());
			self.put(batch, EVENTS, &event.number.to_be_bytes(), &json)
		})
	}

	fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
		let mut events = Vec::new();
		let Some(first) = after.checked_add(1).filter(|_| limit > 0) else { return Ok(events) };
		self.scan_from::<Vec<u8>>(EVENTS, &first.to_be_bytes(), |_key, json| {
			events.push(serde_json::from_slice(&json).map_err(damaged)?);
			Ok(events.len() < limit)
		})?;
		Ok(events)
	}
}
