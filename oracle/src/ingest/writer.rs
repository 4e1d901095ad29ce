//! The one thread that decides what is new, and writes it.
//!
//! It keeps the figures of the slots that are being filled in memory, read from the store when a slot
//! is first touched, so that most decisions need no look at the disk.

use std::{
	collections::HashMap,
	sync::{Arc, Mutex, PoisonError},
	time::Instant,
};

use energy_primitives::{MeterIndex, Slot, SlotSpan, ZoneId};
use tokio::sync::{mpsc, oneshot};
use wia_ene_014::canonical::CanonicalInterval;

use super::Outcome;
use crate::{
	metrics::Metrics,
	reading::{figures_in, CheckedReading, Refusal, CONFLICTING_READING, SLOT_SEALED},
	store::{Store, StoreError, StoredReading},
};

/// The most readings in one write.
const GROUP_READINGS: usize = 20_000;
/// The most slots whose figures are kept in memory from one write to the next.
const OPEN_SLOTS: usize = 64;

/// The answer to [`Command::Store`].
pub type StoreAnswer = Result<Vec<Outcome>, Arc<StoreError>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum Command {
	/// Store readings; answer when they are on disk.
	Store {
		/// Checked against everything but the store.
		readings: Vec<CheckedReading>,
		/// One outcome for each reading, in order.
		answer: oneshot::Sender<StoreAnswer>,
	},
	/// Take no more readings for the slots of a zone up to one; answer when all that were taken
	/// before are on disk.
	Close {
		/// The zone.
		zone: ZoneId,
		/// The last slot that is closed.
		through: Slot,
		/// Answered when it is done.
		answer: oneshot::Sender<()>,
	},
}

/// How many meters of a slot have figures for all of it.
#[derive(Debug, Default)]
pub struct Coverage(Mutex<HashMap<(ZoneId, Slot), u32>>);

impl Coverage {
	/// How many meters have figures for the whole slot, as far as the writer has them in memory.
	pub fn complete_meters(&self, zone: ZoneId, slot: Slot) -> u32 {
		self.lock().get(&(zone, slot)).copied().unwrap_or(0)
	}

	fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(ZoneId, Slot), u32>> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

/// The figures of a slot that is being filled, by meter index.
#[derive(Debug, Default)]
struct OpenSlot {
	meters: HashMap<u32, Vec<CanonicalInterval>>,
	complete: u32,
	last_used: u64,
}

impl OpenSlot {
	fn insert(
		&mut self,
		meter: u32,
		figures: impl IntoIterator<Item = CanonicalInterval>,
		slot: &SlotSpan,
	) {
		let known = self.meters.entry(meter).or_default();
		let was_complete = covers(known, slot);
		known.extend(figures);
		if !was_complete && covers(known, slot) {
			self.complete = self.complete.saturating_add(1);
		}
	}
}

/// Whether figures that lie within one slot and do not overlap fill it.
fn covers(figures: &[CanonicalInterval], slot: &SlotSpan) -> bool {
	figures.iter().map(|figure| u64::from(figure.duration_seconds)).sum::<u64>()
		== slot.length_seconds()
}

/// What a slot already knows of some figures.
#[derive(Debug, PartialEq, Eq)]
enum Knowledge {
	/// All of them.
	All,
	/// None of them, and nothing that overlaps.
	Nothing,
	/// Something else: the place of the first figure that does not fit.
	Conflict(usize, &'static str),
}

fn compare(known: &[CanonicalInterval], figures: &[(usize, CanonicalInterval)]) -> Knowledge {
	let mut same = 0usize;
	for (place, figure) in figures {
		let end = figure.end_seconds().unwrap_or(u64::MAX);
		for other in known {
			if other == figure {
				same = same.saturating_add(1);
			} else if other.start_seconds < end
				&& figure.start_seconds < other.end_seconds().unwrap_or(u64::MAX)
			{
				return Knowledge::Conflict(*place, "another figure is stored for this time");
			}
		}
	}
	match (same, figures.first()) {
		(0, _) | (_, None) => Knowledge::Nothing,
		(same, _) if same == figures.len() => Knowledge::All,
		(_, Some((place, _))) => Knowledge::Conflict(
			*place,
			"some figures of this slot are stored already and some are new: send the new ones alone",
		),
	}
}

/// The writer. [`run`](Self::run) it on a thread of its own.
pub struct Writer {
	store: Arc<dyn Store>,
	metrics: Arc<Metrics>,
	coverage: Arc<Coverage>,
	open: HashMap<(ZoneId, Slot), OpenSlot>,
	closed: HashMap<ZoneId, Slot>,
	uses: u64,
}

impl Writer {
	/// A writer to a store.
	pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, coverage: Arc<Coverage>) -> Self {
		Self { store, metrics, coverage, open: HashMap::new(), closed: HashMap::new(), uses: 0 }
	}

	/// Serves until every sender is gone, and what they sent is written.
	pub fn run(mut self, mut commands: mpsc::Receiver<Command>) {
		while let Some(first) = commands.blocking_recv() {
			let mut group = vec![first];
			let mut readings = size(&group[0]);
			while readings < GROUP_READINGS {
				let Ok(command) = commands.try_recv() else { break };
				readings = readings.saturating_add(size(&command));
				group.push(command);
			}
			self.serve(group);
		}
	}

	/// Writes a group as one whole, then answers each command of it.
	fn serve(&mut self, group: Vec<Command>) {
		let started = Instant::now();
		let mut batch = Vec::new();
		let mut stores = Vec::new();
		let mut closes = Vec::new();
		let mut failed = None;
		for command in group {
			match command {
				Command::Store { readings, answer } => {
					let mut outcomes = Vec::with_capacity(readings.len());
					for reading in readings {
						match self.judge(reading, &mut batch) {
							Ok(outcome) => outcomes.push(outcome),
							Err(error) => failed = Some(error),
						}
					}
					stores.push((answer, outcomes));
				}
				Command::Close { zone, through, answer } => {
					let closed = self.closed.entry(zone).or_insert(through);
					*closed = through.max(*closed);
					self.open.retain(|(of, slot), _| *of != zone || *slot > through);
					self.coverage.lock().retain(|(of, slot), _| *of != zone || *slot > through);
					closes.push(answer);
				}
			}
		}
		let written = match failed {
			Some(error) => Err(error),
			None if batch.is_empty() => Ok(()),
			None => self.store.add_readings(&batch),
		};
		// Only now: what is not on disk yet could not be read back.
		while self.open.len() > OPEN_SLOTS {
			let oldest = self.open.iter().min_by_key(|(_, open)| open.last_used);
			let Some(key) = oldest.map(|(key, _)| *key) else { break };
			self.open.remove(&key);
		}
		// A receiver that is gone has hung up; its readings are stored all the same.
		match written {
			Ok(()) => {
				if !batch.is_empty() {
					self.metrics.count_commit(batch.len(), started.elapsed());
				}
				for (answer, outcomes) in stores {
					let _ = answer.send(Ok(outcomes));
				}
				for answer in closes {
					let _ = answer.send(());
				}
			}
			Err(error) => {
				tracing::error!(%error, readings = batch.len(), "readings could not be stored");
				// What is in memory may be more than what is on disk: forget it. A slot that was to
				// be closed stays closed for readings; its caller hears that it failed and asks again.
				self.open.clear();
				self.coverage.lock().clear();
				let error = Arc::new(error);
				for (answer, _) in stores {
					let _ = answer.send(Err(error.clone()));
				}
			}
		}
	}

	/// Decides on one reading, and adds what is new to the batch.
	fn judge(
		&mut self,
		reading: CheckedReading,
		batch: &mut Vec<StoredReading>,
	) -> Result<Outcome, StoreError> {
		let CheckedReading { zone, meter, signed, parts } = reading;
		let mut fresh = Vec::with_capacity(parts.len());
		for part in parts {
			let closed = self.is_closed(zone, part.slot.slot)?;
			let knowledge = if closed {
				let known = self.stored_figures(zone, part.slot, meter)?;
				compare(&known, &part.figures)
			} else {
				let open = self.open_slot(zone, part.slot)?;
				compare(open.meters.get(&meter.0).map_or(&[], Vec::as_slice), &part.figures)
			};
			let place = part.figures.first().map_or(0, |(place, _)| *place);
			match knowledge {
				Knowledge::All => {}
				Knowledge::Nothing if closed => {
					return Ok(Outcome::Rejected(Refusal::new(
						format!("readings[{place}]"),
						SLOT_SEALED,
						format_args!("slot {} has been sealed for attestation", part.slot.slot),
					)))
				}
				Knowledge::Nothing => fresh.push(part),
				Knowledge::Conflict(place, reason) => {
					return Ok(Outcome::Rejected(Refusal::new(
						format!("readings[{place}]"),
						CONFLICTING_READING,
						reason,
					)))
				}
			}
		}
		if fresh.is_empty() {
			return Ok(Outcome::Duplicate);
		}
		for part in fresh {
			let Some((_, first)) = part.figures.first() else { continue };
			let start_seconds = first.start_seconds;
			let open = self.open_slot(zone, part.slot)?;
			open.insert(meter.0, part.figures.into_iter().map(|(_, figure)| figure), &part.slot);
			let complete = open.complete;
			self.coverage.lock().insert((zone, part.slot.slot), complete);
			batch.push(StoredReading {
				zone,
				slot: part.slot.slot,
				meter,
				start_seconds,
				signed: signed.clone(),
			});
		}
		Ok(Outcome::Accepted)
	}

	fn is_closed(&mut self, zone: ZoneId, slot: Slot) -> Result<bool, StoreError> {
		if let Some(closed) = self.closed.get(&zone) {
			return Ok(slot <= *closed);
		}
		let Some(sealed) = self.store.sealed_through(zone)? else { return Ok(false) };
		self.closed.insert(zone, sealed);
		Ok(slot <= sealed)
	}

	/// The figures of one meter in a slot, from the store.
	fn stored_figures(
		&self,
		zone: ZoneId,
		slot: SlotSpan,
		meter: MeterIndex,
	) -> Result<Vec<CanonicalInterval>, StoreError> {
		let mut figures = Vec::new();
		let range = meter.0..meter.0.saturating_add(1);
		self.store.visit_readings(zone, slot.slot, range, &mut |stored| {
			figures.extend(figures_in(&stored.signed, slot));
		})?;
		Ok(figures)
	}

	/// The figures of a slot, in memory.
	fn open_slot(&mut self, zone: ZoneId, slot: SlotSpan) -> Result<&mut OpenSlot, StoreError> {
		self.uses = self.uses.wrapping_add(1);
		if !self.open.contains_key(&(zone, slot.slot)) {
			let mut open = OpenSlot::default();
			self.store.visit_readings(zone, slot.slot, 0..u32::MAX, &mut |stored| {
				let figures: Vec<_> = figures_in(&stored.signed, slot).collect();
				open.insert(stored.meter.0, figures, &slot);
			})?;
			self.open.insert((zone, slot.slot), open);
		}
		let open = self.open.entry((zone, slot.slot)).or_default();
		open.last_used = self.uses;
		Ok(open)
	}
}

fn size(command: &Command) -> usize {
	match command {
		Command::Store { readings, .. } => readings.len(),
		Command::Close { .. } => 1,
	}
}
