//! Says how far each figure can be trusted (validation, the V of VEE).
//!
//! When a slot is sealed, its readings are judged by the rules of the crate `vee`, each meter against its
//! own history, and what was found is kept. Nothing here changes a figure, or what is attested: several
//! oracles vote on the same page, and each has a history of its own. What was found is for people, for
//! forecasts and for dispatch.
//!
//! Slots are judged in order, page by page. How far it has come is kept together with what was found, as
//! one whole, so after a crash it goes on where it was, and no figure enters a history twice.

use std::sync::Arc;

use energy_primitives::{MeterId, MeterIndex, Slot, SlotSpan, ZoneId, METERS_PER_PAGE};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use vee::{Calendar, MeterClass, MeterFacts, MeterHistory, RuleSet, Validator, Verdict};
use wia_ene_014::canonical::Quality;

use crate::{
	events::{Event, EventKind, Events},
	metrics::Metrics,
	reading::figures_in,
	registry::{Registry, RegistryCell},
	store::{Store, StoreError, StoredReading},
};

/// What was found about one figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
	/// When the figure begins, seconds since 1970.
	pub start_seconds: u64,
	/// How long it is, seconds.
	pub duration_seconds: u32,
	/// The quality that the meter states, or a worse one.
	pub quality: Quality,
	/// The rules that ran, and what they found.
	pub verdict: Verdict,
}

/// What is kept of one meter and slot.
#[derive(Clone, Debug)]
pub struct AssessedMeter {
	/// The place of the meter in its zone.
	pub meter: MeterIndex,
	/// What its next figures are judged against.
	pub history: MeterHistory,
	/// The figures about which something was found.
	pub found: Vec<Assessment>,
}

/// A page of a slot, in the order in which pages are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssessedPage {
	/// The slot.
	pub slot: Slot,
	/// The page.
	pub page: u32,
}

/// Keeps what was found.
pub trait AssessmentStore: Send + Sync + 'static {
	/// The last page of a zone that was judged.
	fn assessed_through(&self, zone: ZoneId) -> Result<Option<AssessedPage>, StoreError>;

	/// The history of a meter; an empty one if there is none.
	fn history(&self, zone: ZoneId, meter: MeterIndex) -> Result<MeterHistory, StoreError>;

	/// Keeps what was found on a page, adds its sealed values to the [roll-ups](crate::usage), and that it
	/// was judged, as one whole.
	fn keep_assessed(
		&self,
		zone: ZoneId,
		page: AssessedPage,
		span: SlotSpan,
		meters: &[AssessedMeter],
	) -> Result<(), StoreError>;

	/// What was found about a meter's figures in a slot.
	fn assessments(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<Vec<Assessment>, StoreError>;
}

/// Judges sealed slots.
pub struct Assessor {
	/// Where readings are.
	pub readings: Arc<dyn Store>,
	/// Where to keep what is found.
	pub store: Arc<dyn AssessmentStore>,
	/// Knows ratings and calendars.
	pub registry: Arc<RegistryCell>,
	/// Where figures are counted.
	pub metrics: Arc<Metrics>,
	/// Told when something is found.
	pub events: Arc<Events>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// Told when a slot is sealed.
	pub sealed: Arc<Notify>,
}

impl Assessor {
	/// Judges what is sealed, and what will be. Ends only when the store fails.
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(self) -> Result<(), StoreError> {
		let assessor = Arc::new(self);
		loop {
			let work = {
				let assessor = assessor.clone();
				move || assessor.assess_sealed()
			};
			match tokio::task::spawn_blocking(work).await {
				Ok(done) => done?,
				Err(_panicked) => return Err(StoreError::Damaged { place: "histories" }),
			}
			assessor.sealed.notified().await;
		}
	}

	/// Judges every slot that is sealed and was not judged yet.
	///
	/// # Errors
	/// When the store fails.
	pub fn assess_sealed(&self) -> Result<(), StoreError> {
		let rules = RuleSet::default_1(MeterClass::Prosumer);
		let validator = Validator::new(rules)
			.map_err(|_unsound| StoreError::Damaged { place: "the rules of validation" })?;
		for &zone in &self.zones {
			let Some(registry) = self.registry.load() else { return Ok(()) };
			let Some(calendar) = registry.calendar(zone) else { continue };
			let Some(sealed) = self.readings.sealed_through(zone)? else { continue };
			loop {
				let done = self.store.assessed_through(zone)?;
				// The slot of the last page may have more pages; then the next slot.
				let before = done.and_then(|page| page.slot.0.checked_sub(1).map(Slot));
				let mut next = self.readings.next_slot_with_readings(zone, before)?;
				if let (Some(slot), Some(page)) = (next, done) {
					if slot == page.slot && !self.has_more(zone, page)? {
						next = self.readings.next_slot_with_readings(zone, Some(slot))?;
					}
				}
				let Some(slot) = next.filter(|slot| *slot <= sealed) else { break };
				let first = match done {
					Some(page) if page.slot == slot => page.page.saturating_add(1),
					_ => 0,
				};
				self.assess_slot(&validator, &registry, zone, calendar.span(slot), first)?;
			}
		}
		Ok(())
	}

	/// Whether a slot has readings after a page.
	fn has_more(&self, zone: ZoneId, page: AssessedPage) -> Result<bool, StoreError> {
		let next = page.page.saturating_add(1).saturating_mul(METERS_PER_PAGE);
		self.readings.has_readings_from(zone, page.slot, MeterIndex(next))
	}

	/// Judges a slot from a page on.
	fn assess_slot(
		&self,
		validator: &Validator,
		registry: &Registry,
		zone: ZoneId,
		slot: SlotSpan,
		first_page: u32,
	) -> Result<(), StoreError> {
		let mut page_number = first_page;
		loop {
			let first = page_number.saturating_mul(METERS_PER_PAGE);
			let meters = first..first.saturating_add(METERS_PER_PAGE);
			let readings = crate::store::readings(self.readings.as_ref(), zone, slot.slot, meters)?;
			let mut assessed: Vec<AssessedMeter> = Vec::new();
			for reading in &readings {
				if assessed.last().is_none_or(|last| last.meter != reading.meter) {
					let history = self.store.history(zone, reading.meter)?;
					let meter = reading.meter;
					assessed.push(AssessedMeter { meter, history, found: Vec::new() });
				}
				if let Some(last) = assessed.last_mut() {
					judge(validator, registry, slot, reading, last);
				}
			}
			let found = assessed.iter().map(|meter| meter.found.len()).sum();
			let page = AssessedPage { slot: slot.slot, page: page_number };
			self.store.keep_assessed(zone, page, slot, &assessed)?;
			self.metrics.count_assessed(readings.len(), found);
			if found > 0 {
				let event = Event::of(EventKind::FiguresDoubted).slot(zone, slot.slot);
				self.events.publish(event.page(page_number).count(found as u64));
			}
			if !self.has_more(zone, page)? {
				return Ok(());
			}
			page_number = page_number.saturating_add(1);
		}
	}
}

/// Judges the figures of a reading in a slot.
fn judge(
	validator: &Validator,
	registry: &Registry,
	slot: SlotSpan,
	reading: &StoredReading,
	assessed: &mut AssessedMeter,
) {
	let meter = registry.meter(&MeterId(reading.signed.message.meter_id));
	// Of a meter that is no longer registered the rating is not known.
	let mut facts = MeterFacts::rated(meter.map_or(0, |meter| meter.rated_power_w));
	if meter.is_none() {
		(facts.rated_import_w, facts.rated_export_w) = (None, None);
	}
	for figure in figures_in(&reading.signed, slot) {
		// When it came in, the ingest looked at its age; what counts here is that the slot is over.
		let taken = validator.take(
			&facts,
			&Calendar::default(),
			&mut assessed.history,
			&figure,
			slot.end_seconds,
		);
		if !taken.verdict.findings.is_empty() {
			assessed.found.push(Assessment {
				start_seconds: figure.start_seconds,
				duration_seconds: figure.duration_seconds,
				quality: taken.verdict.quality(figure.quality),
				verdict: taken.verdict,
			});
		}
	}
}
