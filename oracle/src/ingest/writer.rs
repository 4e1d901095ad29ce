//! The one thread that decides what is new, and writes it.
//!
//! It keeps the figures of the slots that are being filled in memory, read from the store when a slot
//! is first touched, so that most decisions need no look at the disk.

use std::{
	collections::HashMap,
	sync::{Arc, Mutex, PoisonError},
	time::Instant,
};

use energy_primitives::{Slot, SlotSpan, ZoneId};
use oracle_port::Verdict;
use tokio::sync::{mpsc, oneshot};

use super::{
	check::{CheckedBatch, CheckedReading},
	figure::{none, Figure, Knowledge, OpenSlot, MAX_FIGURES},
	IngestError,
};
use crate::{
	metrics::Metrics,
	reading::{figures_in, rejection, CONFLICTING_READING, SLOT_SEALED, TOO_MANY_FIGURES},
	store::{DeadLetter, ReadingKey, Store, StoreError},
};

/// The most messages in one write.
const GROUP_MESSAGES: usize = 20_000;
/// The most slots whose figures are kept in memory from one write to the next.
const OPEN_SLOTS: usize = 64;
/// The most figures that are kept in memory, where several slots share them.
const OPEN_FIGURES: usize = 8_000_000;

/// The answer to [`Command::Store`].
pub type Answer = Result<Vec<Verdict>, IngestError>;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum Command {
	/// Store messages; answer when they are on disk.
	Store {
		/// Checked against everything but the store.
		batch: Box<CheckedBatch>,
		/// One verdict for each message, in order.
		answer: oneshot::Sender<Answer>,
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

	fn note(&self, zone: ZoneId, slot: Slot, complete: u32) {
		// Most notes say nothing new, and nothing at all while no meter is complete.
		if complete > 0 {
			self.lock().insert((zone, slot), complete);
		}
	}

	fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(ZoneId, Slot), u32>> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

/// A part of a message that is to be written.
struct Fresh {
	key: ReadingKey,
	/// Which batch of the group.
	batch: usize,
	/// Where in its values.
	value: std::ops::Range<usize>,
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
			let mut messages = size(&group[0]);
			while messages < GROUP_MESSAGES {
				let Ok(command) = commands.try_recv() else { break };
				messages = messages.saturating_add(size(&command));
				group.push(command);
			}
			self.serve(group);
		}
	}

	/// Writes a group as one whole, then answers each command of it.
	fn serve(&mut self, group: Vec<Command>) {
		let started = Instant::now();
		let mut batches = Vec::new();
		let mut closes = Vec::new();
		let mut fresh = Vec::new();
		let mut letters = Vec::new();
		let mut failed = None;
		for command in group {
			match command {
				Command::Store { mut batch, answer } => {
					letters.append(&mut batch.dead_letters);
					for reading in std::mem::take(&mut batch.readings) {
						match self.judge(&reading, batches.len(), &mut fresh) {
							Ok(verdict) => {
								letters.extend(letter(&batch, &reading, &verdict));
								if let Some(place) = batch.verdicts.get_mut(reading.position) {
									*place = verdict;
								}
							}
							Err(error) => failed = Some(error),
						}
					}
					batches.push((batch, answer));
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
			None => self.write(&batches, &mut fresh, &letters),
		};
		// Only now: what is not on disk yet could not be read back.
		self.forget_idle_slots();
		// A receiver that is gone has hung up; its readings are stored all the same.
		match written {
			Ok(()) => {
				if !fresh.is_empty() {
					self.metrics.count_commit(fresh.len(), started.elapsed());
				}
				for (batch, answer) in batches {
					let _ = answer.send(Ok(batch.verdicts));
				}
				for answer in closes {
					let _ = answer.send(());
				}
			}
			Err(error) => {
				tracing::error!(%error, readings = fresh.len(), "readings could not be stored");
				self.metrics.count_failed_commit();
				// What is in memory may be more than what is on disk: forget it. A slot that was to
				// be closed stays closed for readings; its caller hears that it failed and asks again.
				self.open.clear();
				self.coverage.lock().clear();
				let error = Arc::new(error);
				for (_, answer) in batches {
					let _ = answer.send(Err(IngestError::Store(error.clone())));
				}
			}
		}
	}

	fn write(
		&self,
		batches: &[(Box<CheckedBatch>, oneshot::Sender<Answer>)],
		fresh: &mut [Fresh],
		letters: &[DeadLetter],
	) -> Result<(), StoreError> {
		if fresh.is_empty() && letters.is_empty() {
			return Ok(());
		}
		// In the order of their keys they cost the store least.
		fresh.sort_unstable_by_key(|part| part.key);
		let readings: Vec<(ReadingKey, &[u8])> = fresh
			.iter()
			.filter_map(|part| {
				let (batch, _answer) = batches.get(part.batch)?;
				Some((part.key, batch.values.get(part.value.clone())?))
			})
			.collect();
		self.store.add(&readings, letters)
	}

	/// Forgets the slots that were used least lately, while there are too many, or too many figures in
	/// them. They are read back when they are needed.
	fn forget_idle_slots(&mut self) {
		let mut figures: usize = self.open.values().map(OpenSlot::figures).sum();
		while self.open.len() > OPEN_SLOTS || (figures > OPEN_FIGURES && self.open.len() > 1) {
			let oldest = self.open.iter().min_by_key(|(_, open)| open.last_used);
			let Some(key) = oldest.map(|(key, _)| *key) else { break };
			let forgotten = self.open.remove(&key).map_or(0, |open| open.figures());
			figures = figures.saturating_sub(forgotten);
		}
	}

	/// Decides on one message, and adds what is new of it.
	fn judge(
		&mut self,
		reading: &CheckedReading,
		batch: usize,
		fresh: &mut Vec<Fresh>,
	) -> Result<Verdict, StoreError> {
		let CheckedReading { zone, meter, parts, .. } = reading;
		let mut new_parts = 0usize;
		for part in parts {
			let closed = self.is_closed(*zone, part.slot.slot)?;
			let (knowledge, count) = if closed {
				let mut known = OpenSlot::default();
				self.read_slot(&mut known, *zone, part.slot, meter.0..meter.0.saturating_add(1))?;
				let known = known.known(meter.0).unwrap_or_else(|| none());
				(known.compare(&part.figures), known.len())
			} else {
				let open = self.open_slot(*zone, part.slot)?;
				let known = open.known(meter.0).unwrap_or_else(|| none());
				(known.compare(&part.figures), known.len())
			};
			let first = part.figures.first().map_or(0, |(place, _)| *place);
			let refuse = |place: u16, code, reason: &str| {
				Ok(Verdict::Rejected(rejection(format!("readings[{place}]"), code, reason)))
			};
			match knowledge {
				Knowledge::All => {}
				Knowledge::Nothing if closed => {
					let reason = format!("slot {} has been sealed for attestation", part.slot.slot);
					return refuse(first, SLOT_SEALED, &reason);
				}
				Knowledge::Nothing if count.saturating_add(part.figures.len()) > MAX_FIGURES => {
					let reason = format!("a meter has at most {MAX_FIGURES} figures in a slot");
					return refuse(first, TOO_MANY_FIGURES, &reason);
				}
				Knowledge::Nothing => new_parts = new_parts.saturating_add(1),
				Knowledge::Conflict(place) => {
					let reason = "another figure is stored for this time";
					return refuse(place, CONFLICTING_READING, reason);
				}
				Knowledge::Mixed(place) => {
					let reason = "some figures of this slot are stored already and some are new: \
					              send the new ones alone";
					return refuse(place, CONFLICTING_READING, reason);
				}
			}
		}
		if new_parts == 0 {
			return Ok(Verdict::Duplicate);
		}
		for part in parts {
			let open = self.open_slot(*zone, part.slot)?;
			let known = open.known(meter.0).unwrap_or_else(|| none());
			if new_parts < parts.len() && known.compare(&part.figures) == Knowledge::All {
				continue;
			}
			open.insert(meter.0, part.figures.iter().map(|(_, figure)| *figure), &part.slot);
			let complete = open.complete();
			self.coverage.note(*zone, part.slot.slot, complete);
			fresh.push(Fresh { key: part.key, batch, value: part.value.clone() });
		}
		Ok(Verdict::Accepted)
	}

	fn is_closed(&mut self, zone: ZoneId, slot: Slot) -> Result<bool, StoreError> {
		if let Some(closed) = self.closed.get(&zone) {
			return Ok(slot <= *closed);
		}
		let Some(sealed) = self.store.sealed_through(zone)? else { return Ok(false) };
		self.closed.insert(zone, sealed);
		Ok(slot <= sealed)
	}

	/// Reads the figures of some meters in a slot from the store.
	fn read_slot(
		&self,
		open: &mut OpenSlot,
		zone: ZoneId,
		slot: SlotSpan,
		meters: std::ops::Range<u32>,
	) -> Result<(), StoreError> {
		self.store.visit_readings(zone, slot.slot, meters, &mut |stored| {
			let figures = figures_in(&stored.signed, slot);
			open.insert(stored.meter.0, figures.map(|figure| Figure::new(&figure, &slot)), &slot);
		})
	}

	/// The figures of a slot, in memory.
	fn open_slot(&mut self, zone: ZoneId, slot: SlotSpan) -> Result<&mut OpenSlot, StoreError> {
		self.uses = self.uses.wrapping_add(1);
		if !self.open.contains_key(&(zone, slot.slot)) {
			let mut open = OpenSlot::default();
			self.read_slot(&mut open, zone, slot, 0..u32::MAX)?;
			self.open.insert((zone, slot.slot), open);
		}
		let open = self.open.entry((zone, slot.slot)).or_default();
		open.last_used = self.uses;
		Ok(open)
	}
}

fn size(command: &Command) -> usize {
	match command {
		Command::Store { batch, .. } => batch.verdicts.len(),
		Command::Close { .. } => 1,
	}
}

/// What is kept of a message that was rejected.
fn letter(batch: &CheckedBatch, reading: &CheckedReading, verdict: &Verdict) -> Option<DeadLetter> {
	let Verdict::Rejected(rejection) = verdict else { return None };
	Some(DeadLetter::new(batch.received_seconds, batch.source, rejection, &reading.document))
}
