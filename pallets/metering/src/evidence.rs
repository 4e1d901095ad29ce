//! What signed readings prove.

use crate::{Config, Error, Evidence, FinalPage, Pallet};
use alloc::vec::Vec;
use energy_primitives::{merkle, Measured, MeterId, Quality};
use frame_support::ensure;
use sp_runtime::{ArithmeticError, DispatchError};
use wia_ene_014::canonical::{CanonicalInterval, DeviceKey};

impl<T: Config> Pallet<T> {
	/// What the readings add up to within `[from, to)`, if every one of them is of the meter,
	/// signed by it, and committed to by the page, and if together they leave no second of the
	/// window out and count none twice. The quality is the worst among them.
	///
	/// Signatures are verified last, because they are by far the dearest.
	pub(crate) fn proven(
		meter: MeterId,
		(key, previous_key): (DeviceKey, Option<DeviceKey>),
		(from, to): (u64, u64),
		page: &FinalPage<T>,
		evidence: &[Evidence],
	) -> Result<Measured, DispatchError> {
		for Evidence { message, path } in evidence {
			ensure!(message.message.validate().is_ok(), Error::<T>::EvidenceInvalid);
			ensure!(message.message.meter_id == meter.0, Error::<T>::EvidenceOfAnotherMeter);
			ensure!(path.siblings.len() <= merkle::MAX_PATH as usize, Error::<T>::PathTooLong);
			ensure!(
				path.leaf_count == page.readings_count
					&& path.verify(&page.readings_root, &message.leaf_bytes()),
				Error::<T>::EvidenceNotAttested
			);
		}
		let measured = sum_of(intervals_within(from, to, evidence), from, to)
			.ok_or(Error::<T>::EvidenceIncomplete)??;
		for Evidence { message, .. } in evidence {
			let signed = message.verify(&key).is_ok()
				|| previous_key.is_some_and(|previous| message.verify(&previous).is_ok());
			ensure!(signed, Error::<T>::SignatureInvalid);
		}
		Ok(measured)
	}
}

/// The intervals that lie wholly within the window and have a figure, in order of time. One that
/// crosses a border is left out, never split: nobody knows when within it the energy flowed.
fn intervals_within(from: u64, to: u64, evidence: &[Evidence]) -> Vec<&CanonicalInterval> {
	let mut intervals: Vec<_> = evidence
		.iter()
		.flat_map(|evidence| &evidence.message.message.intervals)
		.filter(|interval| {
			interval.quality != Quality::Missing
				&& interval.start_seconds >= from
				&& interval.end_seconds().is_some_and(|end| end <= to)
		})
		.collect();
	intervals.sort_by_key(|interval| interval.start_seconds);
	intervals
}

/// The sum, or `None` unless each interval begins where the one before ends, the first at `from`,
/// and the last ends at `to`.
fn sum_of(
	intervals: Vec<&CanonicalInterval>,
	from: u64,
	to: u64,
) -> Option<Result<Measured, ArithmeticError>> {
	let mut sum = Measured { import_wh: 0, export_wh: 0, quality: Quality::Valid };
	let mut covered_until = from;
	let mut overflow = false;
	for interval in intervals {
		if interval.start_seconds != covered_until {
			return None;
		}
		covered_until = interval.end_seconds()?;
		match (
			sum.import_wh.checked_add(interval.import_wh),
			sum.export_wh.checked_add(interval.export_wh),
		) {
			(Some(import_wh), Some(export_wh)) => {
				let quality = sum.quality.max(interval.quality);
				sum = Measured { import_wh, export_wh, quality };
			}
			_ => overflow = true,
		}
	}
	(covered_until == to).then_some(if overflow { Err(ArithmeticError::Overflow) } else { Ok(sum) })
}
