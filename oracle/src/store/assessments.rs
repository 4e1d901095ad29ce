//! What was found about figures, on RocksDB.

use energy_primitives::{MeterIndex, Slot, SlotSpan, ZoneId};
use vee::MeterHistory;

use super::{
	rocks::{lock, RocksStore, ASSESSMENTS, HISTORIES, META},
	PageKey, Store, StoreError,
};
use crate::assess::{AssessedMeter, AssessedPage, Assessment, AssessmentStore};

const META_ASSESSED: &[u8] = b"assessed/";

fn assessed_key(zone: ZoneId) -> Vec<u8> {
	[META_ASSESSED, &zone.0.to_be_bytes()].concat()
}

fn history_key(zone: ZoneId, meter: MeterIndex) -> [u8; 8] {
	let mut key = [0; 8];
	key[..4].copy_from_slice(&zone.0.to_be_bytes());
	key[4..].copy_from_slice(&meter.0.to_be_bytes());
	key
}

/// The key of what was found: zone 4, slot 4, meter 4.
pub(super) fn assessment_key(zone: ZoneId, slot: Slot, meter: MeterIndex) -> [u8; 12] {
	let mut key = [0; 12];
	key[..4].copy_from_slice(&zone.0.to_be_bytes());
	key[4..8].copy_from_slice(&slot.0.to_be_bytes());
	key[8..].copy_from_slice(&meter.0.to_be_bytes());
	key
}

impl AssessmentStore for RocksStore {
	fn assessed_through(&self, zone: ZoneId) -> Result<Option<AssessedPage>, StoreError> {
		let page = self.get::<(Slot, u32)>(META, assessed_key(zone))?;
		Ok(page.map(|(slot, page)| AssessedPage { slot, page }))
	}

	fn history(&self, zone: ZoneId, meter: MeterIndex) -> Result<MeterHistory, StoreError> {
		match self.get::<Vec<u8>>(HISTORIES, history_key(zone, meter))? {
			None => Ok(MeterHistory::default()),
			Some(bytes) => MeterHistory::from_bytes(&bytes)
				.map_err(|_error| StoreError::Damaged { place: HISTORIES }),
		}
	}

	fn keep_assessed(
		&self,
		zone: ZoneId,
		page: AssessedPage,
		span: SlotSpan,
		meters: &[AssessedMeter],
	) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(|batch| {
			for AssessedMeter { meter, history, found } in meters {
				self.put(batch, HISTORIES, &history_key(zone, *meter), &history.to_bytes())?;
				if !found.is_empty() {
					let found = serde_json::to_vec(found)
						.map_err(|_error| StoreError::Damaged { place: ASSESSMENTS })?;
					let key = assessment_key(zone, page.slot, *meter);
					self.put(batch, ASSESSMENTS, &key, &found)?;
				}
			}
			let key = PageKey { zone, slot: page.slot, page: page.page };
			if let Some(sealed) = self.page(key)? {
				self.put_usage(batch, key, &sealed.attestation.values, span)?;
			}
			self.put(batch, META, &assessed_key(zone), &(page.slot, page.page))
		})
	}

	fn assessments(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<Vec<Assessment>, StoreError> {
		match self.get::<Vec<u8>>(ASSESSMENTS, assessment_key(zone, slot, meter))? {
			None => Ok(Vec::new()),
			Some(bytes) => serde_json::from_slice(&bytes)
				.map_err(|_error| StoreError::Damaged { place: ASSESSMENTS }),
		}
	}
}
