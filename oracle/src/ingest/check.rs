//! What is done with messages before the writer sees them, on as many threads as there are cores.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use energy_primitives::{MeterId, MeterIndex, SlotSpan, ZoneId};
use oracle_port::{Rejection, Verdict};
use smallvec::SmallVec;
use wia_ene_014::{
	batch::verify_all, canonical::SignedMessage, error::SignatureError, prepared::PreparedKey,
};

use super::{
	body::Parsed,
	figure::{placed, PlacedFigures},
	Sender,
};
use crate::{
	reading::{check_rules, fault, rejection, Candidate, TimeLimits, NOT_PERMITTED},
	registry::Registry,
	store::{DeadLetter, ReadingKey, ReadingSealer, StoreError},
};

/// A part of a message, ready to be written: what its slot has to know, and the entry of the store.
#[derive(Debug)]
pub struct CheckedPart {
	/// The slot.
	pub slot: SlotSpan,
	/// Its figures.
	pub figures: PlacedFigures,
	/// Where it will be stored.
	pub key: ReadingKey,
	/// Its value, among the [values](CheckedBatch::values) of the batch.
	pub value: Range<usize>,
}

/// A message that passed every rule that needs no look into the store.
#[derive(Debug)]
pub struct CheckedReading {
	/// Its place among the messages that came together.
	pub position: usize,
	/// The message as it came in.
	pub document: Bytes,
	/// The zone of the meter.
	pub zone: ZoneId,
	/// The place of the meter in the zone.
	pub meter: MeterIndex,
	/// Slot by slot.
	pub parts: SmallVec<[CheckedPart; 1]>,
}

/// Messages that came together, checked.
#[derive(Debug, Default)]
pub struct CheckedBatch {
	/// Where they came from.
	pub source: &'static str,
	/// Of which meters they may be.
	pub sender: Sender,
	/// When, seconds since 1970.
	pub received_seconds: u64,
	/// The verdict on each message, as far as it is known: the writer knows the others.
	pub verdicts: Vec<Verdict>,
	/// Those that the writer has to decide on.
	pub readings: Vec<CheckedReading>,
	/// The sealed values of all parts.
	pub values: Vec<u8>,
	/// Those that were rejected.
	pub dead_letters: Vec<DeadLetter>,
}

impl CheckedBatch {
	/// Nothing yet.
	pub fn new(source: &'static str, received_seconds: u64) -> Self {
		Self { source, received_seconds, ..Self::default() }
	}

	/// Notes a message that is not taken. Its verdict comes next.
	pub fn reject(&mut self, document: &[u8], rejection: Rejection) {
		let letter = DeadLetter::new(self.received_seconds, self.source, &rejection, document);
		self.dead_letters.push(letter);
		self.verdicts.push(Verdict::Rejected(rejection));
	}
}

/// How messages are checked.
#[derive(Clone, Copy, Debug)]
pub struct CheckRules {
	/// How old and how new they may be.
	pub time: TimeLimits,
	/// Whether signatures are verified. Only a measurement of everything else leaves it out.
	pub verifies_signatures: bool,
}

/// Messages that came together, with the meters of that moment, and what is known of them.
pub type ToCheck = (Vec<Parsed>, Arc<Registry>, CheckedBatch);

/// Checks messages that came in several batches, and seals what passes.
///
/// # Errors
/// When nothing can be sealed at present.
pub fn check_batches(
	batches: Vec<ToCheck>,
	rules: CheckRules,
	mut sealer: ReadingSealer,
) -> Result<Vec<CheckedBatch>, StoreError> {
	let mut registries = Vec::with_capacity(batches.len());
	let mut parsed = Vec::with_capacity(batches.len());
	for (messages, registry, batch) in batches {
		registries.push(registry);
		parsed.push((messages, batch));
	}
	let candidates: Vec<(Vec<Checked<'_>>, CheckedBatch)> = parsed
		.into_iter()
		.zip(&registries)
		.map(|((messages, batch), registry)| {
			let check = |(document, parsed): Parsed| {
				let candidate = parsed.and_then(|signed| {
					check_rules(signed, registry, batch.received_seconds, rules.time)
				});
				let candidate = candidate.and_then(|candidate| {
					let meter = MeterId(candidate.signed.message.meter_id);
					if batch.sender.may_send(&meter, candidate.meter.zone) {
						return Ok(candidate);
					}
					let reason = "this sender may not send for the meter";
					Err(rejection("meterId", NOT_PERMITTED, reason))
				});
				(document, candidate)
			};
			(messages.into_iter().map(check).collect(), batch)
		})
		.collect();
	let mut signatures = verify(&candidates, rules.verifies_signatures).into_iter();

	let mut checked = Vec::with_capacity(candidates.len());
	for (messages, mut batch) in candidates {
		batch.verdicts.reserve(messages.len());
		batch.readings.reserve(messages.len());
		for (document, candidate) in messages {
			let candidate = candidate.and_then(|candidate| {
				// There is one answer for each candidate; without it nothing is taken.
				let verified = signatures.next().unwrap_or(Err(SignatureError::InvalidSignature));
				verified.map(|()| candidate).map_err(|error| fault(error.into()))
			});
			match candidate {
				Ok(candidate) => {
					let reading = seal(candidate, document, &mut sealer, &mut batch)?;
					batch.readings.push(reading);
					batch.verdicts.push(Verdict::Accepted);
				}
				Err(rejection) => batch.reject(&document, rejection),
			}
		}
		checked.push(batch);
	}
	Ok(checked)
}

/// A message, and what came of it so far.
type Checked<'a> = (Bytes, Result<Candidate<'a>, Rejection>);

/// One answer for each candidate, in order.
fn verify(
	batches: &[(Vec<Checked<'_>>, CheckedBatch)],
	verifies_signatures: bool,
) -> Vec<Result<(), SignatureError>> {
	let candidates: Vec<(&SignedMessage, &PreparedKey)> = batches
		.iter()
		.flat_map(|(messages, _batch)| messages)
		.filter_map(|(_document, candidate)| candidate.as_ref().ok())
		.map(|candidate| (&candidate.signed, &candidate.meter.key))
		.collect();
	if verifies_signatures {
		verify_all(&candidates)
	} else {
		vec![Ok(()); candidates.len()]
	}
}

fn seal(
	candidate: Candidate<'_>,
	document: Bytes,
	sealer: &mut ReadingSealer,
	batch: &mut CheckedBatch,
) -> Result<CheckedReading, StoreError> {
	let Candidate { meter, signed, parts } = candidate;
	let intervals = &signed.message.intervals;
	let mut checked = SmallVec::new();
	for part in parts {
		let of_part = part
			.places
			.iter()
			.filter_map(|place| Some((*place, intervals.get(usize::from(*place))?)));
		let start_seconds =
			of_part.clone().next().map_or(0, |(_place, interval)| interval.start_seconds);
		let key = ReadingKey::new(meter.zone, part.slot.slot, meter.index, start_seconds);
		let value = sealer.seal(&key, &signed, &mut batch.values)?;
		let figures = placed(of_part, &part.slot);
		checked.push(CheckedPart { slot: part.slot, figures, key, value });
	}
	Ok(CheckedReading {
		position: batch.verdicts.len(),
		document,
		zone: meter.zone,
		meter: meter.index,
		parts: checked,
	})
}
