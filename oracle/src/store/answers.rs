//! Answers that are given again, on RocksDB.

use super::{
	rocks::{RocksStore, ANSWERS},
	StoreError,
};
use crate::http::once::{AnswerStore, GivenAnswer};

impl AnswerStore for RocksStore {
	fn answers(&self) -> Result<Vec<(u64, [u8; 16])>, StoreError> {
		let mut answers = Vec::new();
		self.scan::<GivenAnswer>(ANSWERS, |key, answer| {
			let key = key.try_into().map_err(|_error| StoreError::Damaged { place: ANSWERS })?;
			answers.push((answer.seconds, key));
			Ok(())
		})?;
		Ok(answers)
	}

	fn answer(&self, key: [u8; 16]) -> Result<Option<GivenAnswer>, StoreError> {
		self.get(ANSWERS, key)
	}

	fn keep_answer(
		&self,
		key: [u8; 16],
		answer: &GivenAnswer,
		forgotten: &[[u8; 16]],
	) -> Result<(), StoreError> {
		self.change(|batch| {
			for key in forgotten {
				self.delete(batch, ANSWERS, key)?;
			}
			self.put(batch, ANSWERS, &key, &answer)
		})
	}
}
