//! How far outlets have come, on RocksDB.

use energy_primitives::{Slot, ZoneId};

use super::{
	rocks::{RocksStore, META},
	StoreError,
};
use crate::outlets::OutletStore;

const META_OUTLET: &[u8] = b"outlet/";

/// Names have no zero byte, so no key begins with another one's name.
fn delivered_key(outlet: &str, zone: ZoneId) -> Vec<u8> {
	[META_OUTLET, outlet.as_bytes(), &[0], &zone.0.to_be_bytes()].concat()
}

impl OutletStore for RocksStore {
	fn delivered_through(&self, outlet: &str, zone: ZoneId) -> Result<Option<Slot>, StoreError> {
		self.get(META, delivered_key(outlet, zone))
	}

	fn keep_delivered(&self, outlet: &str, zone: ZoneId, slot: Slot) -> Result<(), StoreError> {
		self.change(|batch| self.put(batch, META, &delivered_key(outlet, zone), &slot))
	}
}
