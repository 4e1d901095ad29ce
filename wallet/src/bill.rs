//! The proof behind a bill: from the money back to what the meters signed.
//!
//! ```text
//! bill ── measured energy ── Σ ── line of a meter in the attestation ── Σ ── signed readings
//!  (chain)                          (chain: values and Merkle root)           (from an oracle)
//! ```
//!
//! The bill, the attestation with its root, and the meter's public key come from the chain; only
//! the readings come from an oracle, and each must carry the meter's signature and a Merkle path to
//! the chain's root. So nobody need be believed but the chain.
//!
//! [`verify`] is a pure function: what it is given decides what it says.

use std::{collections::BTreeMap, fmt};

use energy_market_core::{grid_fee, imbalance, ImbalanceTerms};
use energy_primitives::{
	api::{AttestedPage, SlotSummary},
	Bill, CashFlow, Measured, MeterId, MeterIndex, PolicyContext, Slot, ZoneId,
};
use serde::{Serialize, Serializer};
use wia_ene_014::canonical::{CanonicalInterval, DeviceKey, Quality};

use crate::{
	oracle::MeterSlotRecord,
	units::{format_money, format_price, format_signed_money},
};

/// Which bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
	/// The zone.
	pub zone: ZoneId,
	/// The slot.
	pub slot: Slot,
	/// When the slot begins, seconds since 1970.
	pub start_seconds: u64,
	/// The length of the slot in seconds.
	pub slot_seconds: u32,
	/// What the money is reckoned with. `None` when nothing was traded, or it is no longer kept.
	pub rules: Option<Rules>,
}

/// What the money of a slot is reckoned with, from the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
	/// The clearing price, the imbalance prices, and the deviations of the slot.
	pub imbalance: ImbalanceTerms,
	/// What a buyer pays the grid, minor units per kWh.
	pub grid_fee: u64,
	/// What a buyer pays the grid besides, parts per million of what it pays for the energy.
	pub grid_fee_ppm: u32,
}

impl Rules {
	/// The rules of a slot that is settled.
	pub fn new(slot: &SlotSummary) -> Self {
		let context = PolicyContext {
			clearing_price: slot.result.map_or(0, |result| result.price),
			deviations: slot.deviations,
		};
		Self {
			imbalance: slot.terms.imbalance_terms(&context),
			grid_fee: slot.terms.grid_fee,
			grid_fee_ppm: slot.terms.grid_fee_ppm,
		}
	}

	/// What a participant owes or is owed by the terms alone: payers are rounded up, payees down.
	/// `None` when it does not fit.
	fn flow(&self, bill: &Bill) -> Option<CashFlow> {
		let promise = bill.promise(self.imbalance.clearing_price);
		let signed = |money: u128| i128::try_from(money).ok();
		let Measured { import_wh, export_wh, .. } = bill.measured;
		Some(CashFlow {
			energy: signed(promise.receivable)?.checked_sub(signed(promise.payable)?)?,
			imbalance: imbalance(&self.imbalance, &promise, import_wh, export_wh)?,
			grid_fee: grid_fee(
				promise.bought_wh,
				promise.payable,
				self.grid_fee,
				self.grid_fee_ppm,
			),
		})
	}
}

/// What there is about one meter of the bill.
#[derive(Clone, Debug)]
pub struct MeterEvidence {
	/// The meter.
	pub id: MeterId,
	/// Its place in the zone.
	pub index: MeterIndex,
	/// Its public key on the chain.
	pub key: DeviceKey,
	/// The page of the attestation that carries the meter, from the chain. `None` when there is
	/// none.
	pub attestation: Option<AttestedPage>,
	/// The readings, from an oracle; `Ok(None)` when it has none, else why they did not come.
	pub record: Result<Option<MeterSlotRecord>, String>,
}

/// What a step of the proof found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
	/// It holds.
	Passed,
	/// It does not.
	Failed,
	/// There is nothing to prove, for a reason that is said.
	Noted,
}

impl fmt::Display for Outcome {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Self::Passed => "✓",
			Self::Failed => "✗",
			Self::Noted => "•",
		})
	}
}

/// What a step of the proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
	/// The chain has an attestation that carries the meter.
	Attestation,
	/// The oracle's answer is about this meter, slot and attestation.
	Record,
	/// The meter's key signed a reading.
	Signature,
	/// A reading is among those whose root is on the chain.
	Path,
	/// The readings do not contradict each other.
	Intervals,
	/// The readings add up to the meter's line.
	LineSum,
	/// The lines add up to the bill.
	BillSum,
	/// The bill says how good its figures are.
	Quality,
	/// The money follows from the slot's price and terms.
	Money,
}

/// One step of the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
	/// Of which meter; `None` for the bill as a whole.
	#[serde(serialize_with = "write_meter", skip_serializing_if = "Option::is_none")]
	pub meter: Option<MeterId>,
	/// What is checked.
	pub check: Check,
	/// What came out.
	pub outcome: Outcome,
	/// In words.
	pub text: String,
}

fn write_meter<S: Serializer>(meter: &Option<MeterId>, serializer: S) -> Result<S::Ok, S::Error> {
	match meter {
		Some(meter) => serializer.serialize_str(&format!("0x{meter:?}")),
		None => serializer.serialize_none(),
	}
}

/// The whole proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
	/// The steps, in order.
	pub steps: Vec<Step>,
}

impl Verification {
	/// Whether no step failed.
	pub fn passed(&self) -> bool {
		self.steps.iter().all(|step| step.outcome != Outcome::Failed)
	}

	fn push(&mut self, meter: Option<MeterId>, check: Check, outcome: Outcome, text: String) {
		self.steps.push(Step { meter, check, outcome, text });
	}
}

/// The steps of one meter.
struct MeterSteps<'a> {
	meter: MeterId,
	steps: &'a mut Verification,
}

impl MeterSteps<'_> {
	fn pass(&mut self, check: Check, text: String) {
		self.steps.push(Some(self.meter), check, Outcome::Passed, text);
	}

	fn fail(&mut self, check: Check, text: String) {
		self.steps.push(Some(self.meter), check, Outcome::Failed, text);
	}

	fn note(&mut self, check: Check, text: String) {
		self.steps.push(Some(self.meter), check, Outcome::Noted, text);
	}
}

/// Energy and how much of the slot it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
	import_wh: u64,
	export_wh: u64,
	covered_seconds: u64,
	quality: Quality,
}

/// Follows a bill back to the readings that the meters signed.
pub fn verify(question: &Question, bill: &Bill, meters: &[MeterEvidence]) -> Verification {
	let mut verification = Verification::default();
	let lines: Vec<_> = meters
		.iter()
		.map(|meter| {
			verify_meter(
				question,
				meter,
				&mut MeterSteps { meter: meter.id, steps: &mut verification },
			)
		})
		.collect();
	verify_bill(bill, &lines, &mut verification);
	verify_money(question.rules, bill, &mut verification);
	verification
}

/// Follows one meter's line. `None` when the chain had to estimate it.
fn verify_meter(
	question: &Question,
	meter: &MeterEvidence,
	steps: &mut MeterSteps<'_>,
) -> Option<Measured> {
	let Some(page) = &meter.attestation else {
		steps.note(
			Check::Attestation,
			"estimated: no oracle attested this meter for this slot, so the chain estimated it"
				.into(),
		);
		return None;
	};
	// A line that says that nothing was measured is none: the chain estimates it.
	let line = page
		.values
		.iter()
		.find(|value| value.meter == meter.index.0 && value.quality != Quality::Missing);

	let record = match &meter.record {
		Ok(record) => record.as_ref(),
		Err(reason) => {
			steps.fail(Check::Record, format!("the readings cannot be fetched: {reason}"));
			return line.map(line_of);
		}
	};
	let readings = match record {
		None => None,
		Some(record) if !belongs(question, meter, page, record, steps) => return line.map(line_of),
		Some(record) => match verify_readings(question, meter, page, record, steps) {
			Some(sum) => Some(sum),
			None => return line.map(line_of),
		},
	};

	let slot_seconds = u64::from(question.slot_seconds);
	match (line, readings) {
		(Some(line), None) => {
			let text = format!(
				"the chain has {} Wh in and {} Wh out, but there is no signed reading behind it",
				line.import_wh, line.export_wh
			);
			if line.quality == Quality::Valid {
				steps.fail(Check::Attestation, text);
			} else {
				steps.note(Check::Attestation, format!("{}: {text}", quality_word(line.quality)));
			}
			Some(line_of(line))
		}
		(Some(line), Some(sum)) => {
			steps.pass(
				Check::Attestation,
				format!(
					"{} of the zone's oracles attested {} Wh in and {} Wh out",
					page.oracles.len(),
					line.import_wh,
					line.export_wh
				),
			);
			let sums = format!(
				"the readings add up to {} Wh in and {} Wh out over {} of {slot_seconds} s",
				sum.import_wh, sum.export_wh, sum.covered_seconds
			);
			if (sum.import_wh, sum.export_wh) != (line.import_wh, line.export_wh) {
				steps.fail(
					Check::LineSum,
					format!("{sums}, the chain says {} and {} Wh", line.import_wh, line.export_wh),
				);
			} else if sum.covered_seconds != slot_seconds {
				steps.fail(Check::LineSum, format!("{sums}: a part of the slot is not measured"));
			} else {
				steps.pass(Check::LineSum, sums);
			}
			if line.quality < sum.quality {
				steps.fail(
					Check::Quality,
					format!(
						"the chain says {}, the meter says {}",
						quality_word(line.quality),
						quality_word(sum.quality)
					),
				);
			}
			Some(line_of(line))
		}
		(None, Some(sum)) if page.values.is_empty() && sum.covered_seconds == slot_seconds => {
			steps.pass(
				Check::LineSum,
				format!(
					"the chain keeps the root and no longer the line; the readings add up to {} Wh \
					 in and {} Wh out",
					sum.import_wh, sum.export_wh
				),
			);
			Some(Measured {
				import_wh: sum.import_wh,
				export_wh: sum.export_wh,
				quality: sum.quality,
			})
		}
		(None, Some(sum)) => {
			let text = format!(
				"the signed readings ({} Wh in, {} Wh out) cover {} of {slot_seconds} s",
				sum.import_wh, sum.export_wh, sum.covered_seconds
			);
			if sum.covered_seconds == slot_seconds {
				steps.fail(
					Check::LineSum,
					format!("{text}, and yet the attestation has no line for this meter"),
				);
			} else {
				steps.note(Check::LineSum, format!("estimated: {text}, so the chain estimated it"));
			}
			None
		}
		(None, None) => {
			steps.note(
				Check::Attestation,
				"estimated: there is no reading of this meter, so the chain estimated it".into(),
			);
			None
		}
	}
}

fn line_of(line: &energy_primitives::MeterValue) -> Measured {
	Measured { import_wh: line.import_wh, export_wh: line.export_wh, quality: line.quality }
}

/// Whether the oracle's answer is about this meter, slot and attestation.
fn belongs(
	question: &Question,
	meter: &MeterEvidence,
	page: &AttestedPage,
	record: &MeterSlotRecord,
	steps: &mut MeterSteps<'_>,
) -> bool {
	if (record.zone, record.slot, record.meter, record.page)
		!= (question.zone, question.slot, meter.index, meter.index.page())
	{
		steps.fail(Check::Record, "the oracle answered for another meter or slot".into());
		return false;
	}
	let (Some(root), Some(count)) = (record.readings_root, record.readings_count) else {
		steps.fail(
			Check::Record,
			"the oracle still takes readings for this slot, but the chain has an attestation; ask \
			 another oracle of the zone"
				.into(),
		);
		return false;
	};
	if (root, count) != (page.readings_root, page.readings_count) {
		steps.fail(
			Check::Record,
			format!(
				"the oracle has the root {root:?} over {count} readings, the chain {:?} over {}; ask \
				 another oracle of the zone",
				page.readings_root, page.readings_count
			),
		);
		return false;
	}
	steps.pass(
		Check::Record,
		format!(
			"the oracle has {} of the {} readings under the chain's root {:?}",
			record.readings.len(),
			page.readings_count,
			page.readings_root
		),
	);
	true
}

/// Verifies signature and path of every reading, and adds up what falls into the slot. `None` when
/// something is wrong.
fn verify_readings(
	question: &Question,
	meter: &MeterEvidence,
	page: &AttestedPage,
	record: &MeterSlotRecord,
	steps: &mut MeterSteps<'_>,
) -> Option<Sum> {
	let from = question.start_seconds;
	let to = from.saturating_add(question.slot_seconds.into());
	let mut good = true;
	// By their start.
	let mut figures: BTreeMap<u64, CanonicalInterval> = BTreeMap::new();

	for (number, reading) in (1..).zip(&record.readings) {
		let signed = &reading.signed_message;
		let count = record.readings.len();
		if signed.message.meter_id != meter.id.0 {
			steps
				.fail(Check::Signature, format!("reading {number} of {count} is of another meter"));
			good = false;
		} else if let Err(error) = signed.verify(&meter.key) {
			steps.fail(
				Check::Signature,
				format!(
					"reading {number} of {count} is not signed with the meter's key on the chain \
					 ({error}); was the key replaced since?"
				),
			);
			good = false;
		} else {
			steps.pass(
				Check::Signature,
				format!("reading {number} of {count} is signed with the meter's key"),
			);
		}

		let path = reading.path.as_ref().filter(|path| {
			path.leaf_count == page.readings_count
				&& path.verify(&page.readings_root, &signed.leaf_bytes())
		});
		match path {
			Some(path) => steps.pass(
				Check::Path,
				format!(
					"reading {number} of {count} is leaf {} of {} under the chain's root",
					path.leaf_index, path.leaf_count
				),
			),
			None => {
				steps.fail(
					Check::Path,
					format!("reading {number} of {count} does not lead to the chain's root"),
				);
				good = false;
			}
		}

		if let Err(error) = signed.message.validate() {
			steps.fail(Check::Intervals, format!("reading {number} of {count}: {error}"));
			good = false;
			continue;
		}
		for figure in &signed.message.intervals {
			let within =
				figure.start_seconds >= from && figure.end_seconds().is_some_and(|end| end <= to);
			if !within || figure.quality == Quality::Missing {
				continue;
			}
			match figures.insert(figure.start_seconds, *figure) {
				Some(earlier) if earlier != *figure => {
					steps.fail(
						Check::Intervals,
						format!("two readings contradict each other at {}", figure.start_seconds),
					);
					good = false;
				}
				_ => {}
			}
		}
	}

	let mut sum = Sum { import_wh: 0, export_wh: 0, covered_seconds: 0, quality: Quality::Valid };
	let mut measured_until = from;
	for figure in figures.values() {
		if figure.start_seconds < measured_until {
			steps.fail(
				Check::Intervals,
				format!("two readings measure the same time at {}", figure.start_seconds),
			);
			good = false;
		}
		measured_until = figure.end_seconds().unwrap_or(u64::MAX);
		let added = sum
			.import_wh
			.checked_add(figure.import_wh)
			.zip(sum.export_wh.checked_add(figure.export_wh));
		let Some((import_wh, export_wh)) = added else {
			steps.fail(Check::Intervals, "the readings add up to more energy than fits".into());
			return None;
		};
		sum = Sum {
			import_wh,
			export_wh,
			covered_seconds: sum.covered_seconds.saturating_add(figure.duration_seconds.into()),
			quality: sum.quality.max(figure.quality),
		};
	}
	good.then_some(sum)
}

/// The bill as a whole: its lines and its quality.
fn verify_bill(bill: &Bill, lines: &[Option<Measured>], verification: &mut Verification) {
	let mut push = |check, outcome, text: String| verification.push(None, check, outcome, text);
	let total = |of: fn(&Measured) -> u64| {
		lines.iter().flatten().try_fold(0u64, |sum, line| sum.checked_add(of(line)))
	};
	let estimated = lines.iter().filter(|line| line.is_none()).count();
	let measured = &bill.measured;
	let billed = (measured.import_wh, measured.export_wh);

	match total(|line| line.import_wh).zip(total(|line| line.export_wh)) {
		Some(sum) if estimated == 0 && sum == billed => push(
			Check::BillSum,
			Outcome::Passed,
			format!(
				"the {} of the account add up to the bill: {} Wh in and {} Wh out",
				counted(lines.len(), "meter"),
				billed.0,
				billed.1
			),
		),
		Some(sum) if estimated > 0 && sum.0 <= billed.0 && sum.1 <= billed.1 => push(
			Check::BillSum,
			Outcome::Noted,
			format!(
				"of {} Wh in and {} Wh out on the bill, {} Wh in and {} Wh out are estimated ({})",
				billed.0,
				billed.1,
				billed.0 - sum.0,
				billed.1 - sum.1,
				counted(estimated, "meter"),
			),
		),
		Some(sum) => push(
			Check::BillSum,
			Outcome::Failed,
			format!(
				"the meters of the account add up to {} Wh in and {} Wh out, the bill has {} and {} \
				 Wh",
				sum.0, sum.1, billed.0, billed.1
			),
		),
		None => push(
			Check::BillSum,
			Outcome::Failed,
			"the meters of the account add up to more energy than fits".into(),
		),
	}

	let worst = lines
		.iter()
		.map(|line| line.map_or(Quality::Estimated, |line| line.quality))
		.max()
		.unwrap_or(measured.quality);
	if measured.quality < worst {
		push(
			Check::Quality,
			Outcome::Failed,
			format!(
				"the bill says {}, the meters are {}",
				quality_word(measured.quality),
				quality_word(worst)
			),
		);
	} else {
		push(
			Check::Quality,
			Outcome::Passed,
			format!("the bill says of its energy: {}", quality_word(measured.quality)),
		);
	}
}

/// The money of the bill: reckoned again from the slot's price and terms.
fn verify_money(rules: Option<Rules>, bill: &Bill, verification: &mut Verification) {
	let (outcome, text) = match (bill.flow.net(), rules) {
		(None, _) => (Outcome::Failed, "the money on the bill does not add up".into()),
		(Some(_), None) => (
			Outcome::Noted,
			"the chain keeps no price of the slot, so the money was not reckoned again".into(),
		),
		(Some(net), Some(rules)) => match rules.flow(bill) {
			Some(flow) if flow == bill.flow => (
				Outcome::Passed,
				match rules.imbalance.clearing_price {
					0 => "the money follows from what was agreed, the slot's terms and the energy"
						.into(),
					price => format!(
						"the money follows from {} per kWh, the slot's terms and the energy",
						format_price(price)
					),
				},
			),
			Some(flow) if flow.net().is_some_and(|owed| net > owed) => {
				(Outcome::Noted, "the zone's contract was kinder than the slot's terms".into())
			}
			Some(CashFlow { energy, imbalance, grid_fee }) => (
				Outcome::Failed,
				format!(
					"by the slot's terms it is {} for energy, {} for imbalance, {} for the grid",
					format_signed_money(energy),
					format_signed_money(imbalance),
					format_money(grid_fee)
				),
			),
			None => (Outcome::Failed, "the money of so much energy does not fit".into()),
		},
	};
	verification.push(None, Check::Money, outcome, text);
}

fn counted(count: usize, what: &str) -> String {
	match count {
		1 => format!("1 {what}"),
		_ => format!("{count} {what}s"),
	}
}

/// A quality in one word.
pub fn quality_word(quality: Quality) -> &'static str {
	match quality {
		Quality::Valid => "measured",
		Quality::Estimated => "estimated",
		Quality::Suspect => "suspect",
		Quality::Missing => "missing",
	}
}
