//! Roll-ups, on RocksDB.

use std::ops::Range;

use energy_primitives::{MeterIndex, MeterValue, Slot, SlotSpan, ZoneId};
use rocksdb::WriteBatch;

use super::{
	rocks::{RocksStore, USAGE},
	PageKey, Store, StoreError,
};
use crate::usage::{add_page, Granularity, PageUsage, SlotValue, Usage, UsageStore};

/// The key of a page's roll-up: zone 4, length of the period 1, its start 8, page 4.
fn usage_key(zone: ZoneId, granularity: Granularity, start_seconds: u64, page: u32) -> [u8; 17] {
	let mut key = [0; 17];
	key[..4].copy_from_slice(&zone.0.to_be_bytes());
	key[4] = granularity.code();
	key[5..13].copy_from_slice(&start_seconds.to_be_bytes());
	key[13..].copy_from_slice(&page.to_be_bytes());
	key
}

impl RocksStore {
	/// Adds the values of a sealed page to its hour, day and month. Whoever calls this holds the lock for
	/// changes, and sees to it that a page is added once.
	pub(super) fn put_usage(
		&self,
		batch: &mut WriteBatch,
		page: PageKey,
		values: &[MeterValue],
		span: SlotSpan,
	) -> Result<(), StoreError> {
		for granularity in Granularity::ALL {
			let Some(start) = granularity.period_start(span.start_seconds) else { continue };
			let key = usage_key(page.zone, granularity, start, page.page);
			let mut usage: PageUsage = self.get(USAGE, key)?.unwrap_or_default();
			add_page(&mut usage, values, span);
			self.put(batch, USAGE, &key, &usage)?;
		}
		Ok(())
	}
}

impl UsageStore for RocksStore {
	fn usage(
		&self,
		zone: ZoneId,
		meter: MeterIndex,
		granularity: Granularity,
		start_seconds: u64,
	) -> Result<Option<Usage>, StoreError> {
		let key = usage_key(zone, granularity, start_seconds, meter.page());
		let page: PageUsage = self.get(USAGE, key)?.unwrap_or_default();
		let place = page.binary_search_by_key(&meter.0, |(meter, _)| *meter).ok();
		Ok(place.and_then(|place| page.get(place)).map(|(_, usage)| *usage))
	}

	fn slot_values(
		&self,
		zone: ZoneId,
		meter: MeterIndex,
		slots: Range<Slot>,
		limit: usize,
	) -> Result<Vec<SlotValue>, StoreError> {
		let mut values = Vec::new();
		for slot in self.sealed_slots(zone, slots, limit)? {
			let Some(sealed) = self.page(PageKey { zone, slot, page: meter.page() })? else {
				continue;
			};
			let value = sealed.attestation.values.iter().find(|value| value.meter == meter.0);
			values.extend(value.map(|value| SlotValue { slot, value: *value }));
		}
		Ok(values)
	}
}
