//! Consents, on RocksDB: encrypted, because they name people and their meters.

use super::{
	rocks::{RocksStore, CONSENTS},
	StoreError,
};
use crate::access::consents::{ConsentStore, KeptConsent};

fn damaged<E>(_error: E) -> StoreError {
	StoreError::Damaged { place: CONSENTS }
}

impl ConsentStore for RocksStore {
	fn consents(&self) -> Result<Vec<KeptConsent>, StoreError> {
		let mut consents = Vec::new();
		self.scan::<Vec<u8>>(CONSENTS, |_key, json| {
			consents.push(serde_json::from_slice(&json).map_err(damaged)?);
			Ok(())
		})?;
		Ok(consents)
	}

	fn keep_consent(
		&self,
		consent: &KeptConsent,
		forgotten: Option<&str>,
	) -> Result<(), StoreError> {
		let key = hex::decode(&consent.id).map_err(damaged)?;
		let forgotten = forgotten.map(hex::decode).transpose().map_err(damaged)?;
		let json = serde_json::to_vec(consent).map_err(damaged)?;
		self.change(|batch| {
			if let Some(key) = &forgotten {
				self.delete(batch, CONSENTS, key)?;
			}
			self.put(batch, CONSENTS, &key, &json)
		})
	}
}
