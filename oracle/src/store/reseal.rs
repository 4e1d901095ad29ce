//! Seals values anew, until no value needs an old data key, and drops the keys that nothing needs.
//!
//! A pass looks at every value once, batch by batch, while the store is used. What is sealed with an older
//! data key is replaced, at the same place, by the same value under the newest one. A pass that ends
//! early leaves a store that is as good as before: the next one begins anew, and of values that were
//! sealed anew it reads no more than the header.
//!
//! # Why nothing is lost
//!
//! 1. *A value is not replaced by an older one, and not brought back.* Whoever changes or removes a value
//!    holds the lock `changing` (rejected messages: `dead_letters`) from reading it, or sealing it, until
//!    it is written; so does a batch. Readings are written without that lock, but never changed; they
//!    are removed under it.
//! 2. *No value is sealed with a key that is dropped.* The pass begins while it holds both locks, and takes
//!    no key for retired that somebody may still seal with; so what was sealed under them with a retired
//!    key is written by then, and the pass meets it. Readings are sealed long before they are
//!    written: the store counts the writes that have some of an older key, and when there was one
//!    during the pass, no key is dropped. After a key was dropped, readings under it are refused, and
//!    their senders send them again.
//! 3. *Nobody holds an older value in the hand.* Who reads holds a lock until the value is opened. Keys are
//!    dropped in a moment in which nobody does.
//! 4. *A power cut changes nothing.* New values are written to the log without waiting for the disk; the log is
//!    synced before a key is dropped.

use std::{
	sync::{
		atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
		Arc, PoisonError, TryLockError,
	},
	time::Duration,
};

use rocksdb::{WriteBatch, WriteOptions};
use sealed_values::{KeyId, KeyUsage, Place, ResealError};
use serde::Serialize;

use super::{
	rocks::{
		lock, sealed_families, RocksStore, AFTER_ALL, DEAD_LETTERS, META, META_FORMAT,
		META_KEY_RING,
	},
	StoreError,
};

/// How many data keys a store may have before a pass is due in any case: a quarter of the most.
pub const MANY_DATA_KEYS: usize = sealed_values::MAX_DATA_KEYS / 4;

/// The most values in a batch.
const BATCH_VALUES: usize = 256;
/// The most bytes that a batch writes, but for its last value.
const BATCH_BYTES: usize = 1 << 20;

/// A walk through all values.
pub struct ResealPass {
	usage: KeyUsage,
	/// How many writes of readings under older keys there were when it began.
	older_writes: u64,
	/// Which of the families, and the first key in it, come next.
	family: usize,
	next: Vec<u8>,
	outcome: ResealOutcome,
	_running: Running,
}

/// Says in the numbers that a pass is running, as long as it is there.
struct Running(Arc<KeyCounts>);

impl Running {
	fn new(counts: Arc<KeyCounts>) -> Self {
		counts.is_running.store(true, Relaxed);
		Self(counts)
	}
}

impl Drop for Running {
	fn drop(&mut self) {
		self.0.is_running.store(false, Relaxed);
	}
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResealOutcome {
	/// Values that were looked at.
	pub looked_at: u64,
	/// Values that were sealed anew.
	pub resealed: u64,
	/// Values that do not open. They stay as they are, and keep their data key.
	pub damaged: u64,
	/// The data keys that were dropped.
	pub dropped: Vec<u32>,
}

/// How a pass ended.
pub enum ResealEnd {
	/// The keys that nothing needs are dropped.
	Done(ResealOutcome),
	/// Somebody reads at this moment: try again in a moment.
	Busy(ResealPass),
	/// Readings under an older key were written meanwhile: make another pass later.
	Outdated,
}

/// A data key, and what it is needed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataKeyUse {
	/// Its number.
	pub id: u32,
	/// Whether new values are sealed with it.
	pub is_active: bool,
	/// When it was made, seconds since 1970.
	pub created_at_seconds: u64,
	/// How many processes sealed with it.
	pub sessions: u16,
	/// How many values are sealed with it.
	pub values: u64,
}

/// Numbers of the data keys, for metrics. Outlives the store.
#[derive(Debug, Default)]
pub struct KeyCounts {
	data_keys: AtomicU64,
	is_running: AtomicBool,
	passes: AtomicU64,
	looked_at: AtomicU64,
	resealed: AtomicU64,
	damaged: AtomicU64,
	dropped: AtomicU64,
}

impl KeyCounts {
	/// Notes how many data keys there are.
	pub(super) fn note_keys(&self, data_keys: usize) {
		self.data_keys.store(data_keys as u64, Relaxed);
	}

	/// The numbers, each with its name: data keys now, whether a pass is running, and what passes of
	/// this process did.
	pub fn numbers(&self) -> Vec<(&'static str, u64)> {
		vec![
			("data-keys", self.data_keys.load(Relaxed)),
			("reseal-running", self.is_running.load(Relaxed).into()),
			("reseal-passes", self.passes.load(Relaxed)),
			("reseal-looked-at", self.looked_at.load(Relaxed)),
			("resealed", self.resealed.load(Relaxed)),
			("reseal-damaged", self.damaged.load(Relaxed)),
			("dropped", self.dropped.load(Relaxed)),
		]
	}
}

impl RocksStore {
	/// Whether a pass is due: a data key was replaced at least `retire_seconds` ago (never, if not
	/// given), or there are more than [`MANY_DATA_KEYS`].
	pub fn is_reseal_due(&self, now_seconds: u64, retire_seconds: Option<u64>) -> bool {
		let keys = self.keys().ring().keys();
		let replaced_at = keys.iter().skip(1).map(|key| key.created_at_seconds).min();
		let is_old = |at: u64| {
			retire_seconds.is_some_and(|seconds| now_seconds.saturating_sub(at) >= seconds)
		};
		keys.len() > MANY_DATA_KEYS || replaced_at.is_some_and(is_old)
	}

	/// Begins a pass.
	pub fn begin_reseal(&self) -> ResealPass {
		// See 2. above: whoever sealed with an older key under these locks has written.
		let _numbers = lock(&self.dead_letters);
		let _changing = lock(&self.changing);
		ResealPass {
			usage: self.keys().ring().usage(),
			older_writes: self.older_writes.load(Relaxed),
			family: 0,
			next: Vec::new(),
			outcome: ResealOutcome::default(),
			_running: Running::new(self.key_counts()),
		}
	}

	/// Seals the next values of a pass anew. Whether there are more.
	///
	/// # Errors
	/// When the store fails, or nothing can be sealed at present. The batch can be tried again.
	pub fn reseal_batch(&self, pass: &mut ResealPass) -> Result<bool, StoreError> {
		let Some(place) = sealed_families().nth(pass.family) else { return Ok(false) };
		let _numbers = (place == DEAD_LETTERS).then(|| lock(&self.dead_letters));
		let _changing = lock(&self.changing);
		let family = self.family(place)?;
		let cipher = self.keys().ring().cipher();
		let mut batch = WriteBatch::default();
		let mut outcome = ResealOutcome::default();
		let mut usage = pass.usage.clone();
		let mut next = None;
		let mut sealed = Vec::new();
		self.scan_sealed(place, &pass.next, &AFTER_ALL, |key, value| {
			let is_full = outcome.looked_at >= BATCH_VALUES as u64;
			if is_full || batch.size_in_bytes() >= BATCH_BYTES {
				next = Some(key.to_vec());
				return Ok(false);
			}
			if !is_sealed(place, key) {
				return Ok(true);
			}
			outcome.looked_at += 1;
			sealed.clear();
			let kept =
				match cipher.reseal_into(Place { column_family: place, key }, value, &mut sealed) {
					Ok(true) => {
						outcome.resealed += 1;
						batch.put_cf(family, key, &sealed);
						&sealed
					}
					Ok(false) => value,
					Err(ResealError::Open(error)) => {
						tracing::error!(family = place, %error, "a stored value does not open");
						outcome.damaged += 1;
						value
					}
					Err(error) => return Err(StoreError::Keys(error.to_string())),
				};
			// What cannot be counted names no key that could be dropped: a key that is newer than the
			// pass, or none that there ever was.
			let _ = usage.count(kept);
			Ok(true)
		})?;
		if !batch.is_empty() {
			// See 4. above.
			self.database.write_opt(batch, &WriteOptions::default())?;
		}
		pass.usage = usage;
		pass.outcome.looked_at += outcome.looked_at;
		pass.outcome.resealed += outcome.resealed;
		pass.outcome.damaged += outcome.damaged;
		self.key_counts.looked_at.fetch_add(outcome.looked_at, Relaxed);
		self.key_counts.resealed.fetch_add(outcome.resealed, Relaxed);
		self.key_counts.damaged.fetch_add(outcome.damaged, Relaxed);
		if next.is_none() {
			pass.family += 1;
		}
		pass.next = next.unwrap_or_default();
		Ok(pass.family < sealed_families().count())
	}

	/// Drops the data keys of which a pass that has seen everything met no value.
	///
	/// # Errors
	/// When the store fails. The keys stay.
	pub fn finish_reseal(&self, mut pass: ResealPass) -> Result<ResealEnd, StoreError> {
		if pass.family < sealed_families().count() {
			return Err(StoreError::Keys("the pass has not seen everything".into()));
		}
		self.database.flush_wal(true)?;
		let _numbers = lock(&self.dead_letters);
		let _changing = lock(&self.changing);
		let nobody_reads = match self.reading.try_write() {
			Ok(guard) => guard,
			Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
			Err(TryLockError::WouldBlock) => return Ok(ResealEnd::Busy(pass)),
		};
		if self.older_writes.load(Relaxed) != pass.older_writes {
			return Ok(ResealEnd::Outdated);
		}
		let unused: Vec<KeyId> = pass.usage.unused().collect();
		for id in unused {
			if self.keys().drop_key(id, |ring| self.keep_ring(ring))? {
				pass.outcome.dropped.push(id.0);
				self.key_counts.dropped.fetch_add(1, Relaxed);
			}
		}
		drop(nobody_reads);
		self.key_counts.passes.fetch_add(1, Relaxed);
		self.key_counts.note_keys(self.keys().ring().keys().len());
		Ok(ResealEnd::Done(pass.outcome))
	}

	/// A whole pass at once, for a store that nobody else uses.
	///
	/// # Errors
	/// When the store fails, or is used.
	pub fn reseal(&self) -> Result<ResealOutcome, StoreError> {
		let mut pass = self.begin_reseal();
		while self.reseal_batch(&mut pass)? {}
		match self.finish_reseal(pass)? {
			ResealEnd::Done(outcome) => Ok(outcome),
			ResealEnd::Busy(_) | ResealEnd::Outdated => {
				Err(StoreError::Keys("the store is in use".into()))
			}
		}
	}

	/// The data keys by ascending number, and how many values are sealed with each. Reads everything.
	///
	/// # Errors
	/// When the store fails.
	pub fn data_key_use(&self) -> Result<Vec<DataKeyUse>, StoreError> {
		let mut usage = self.keys().ring().usage();
		for place in sealed_families() {
			self.scan_sealed(place, &[], &AFTER_ALL, |key, value| {
				if is_sealed(place, key) {
					usage.count(value).map_err(|_error| StoreError::Damaged { place })?;
				}
				Ok(true)
			})?;
		}
		let keys = self.keys().ring().keys();
		let values = |id| usage.counts().find(|(of, _)| *of == id).map_or(0, |(_, values)| values);
		Ok(keys
			.into_iter()
			.map(|key| DataKeyUse {
				id: key.id.0,
				is_active: key.is_active,
				created_at_seconds: key.created_at_seconds,
				sessions: key.sessions,
				values: values(key.id),
			})
			.collect())
	}
}

/// Whether the value of an entry is sealed: all but the format and the ring, which guards itself.
fn is_sealed(place: &str, key: &[u8]) -> bool {
	place != META || (key != META_FORMAT && key != META_KEY_RING)
}

/// How long to wait after a batch that took `took`, so that passes take a fifth of the time at most.
pub fn pause_after(took: Duration) -> Duration {
	took.saturating_mul(4).max(Duration::from_millis(1))
}
