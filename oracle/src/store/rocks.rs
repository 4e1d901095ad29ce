//! The store on RocksDB, one column family for each kind of entry.
//!
//! | column family | key, integers big-endian | value |
//! |---|---|---|
//! | `readings` | zone 4, slot 4, meter index 4, start 8 | signed message |
//! | `pages` | zone 4, slot 4, page 4 | sealed page |
//! | `outbox` | zone 4, slot 4, page 4 | nothing: the page has the content |
//! | `registry` | zone 4, meter index 4 | meter id, meter |
//! | `meters` | blinded meter id 16 | where the meter is and was: zone, meter index |
//! | `dead-letters` | number 8 | rejected message |
//! | `histories` | zone 4, meter index 4 | what a meter's figures are judged against |
//! | `assessments` | zone 4, slot 4, meter index 4 | what was found about its figures |
//! | `consents` | identifier 16 | what an owner shares, JSON |
//! | `consents` | identifier 16 | a consent to share data |
//! | `events` | number 8 | what happened |
//! | `usage` | zone 4, length of the period 1, its start 8, page 4 | energy of a page's meters |
//! | `answers` | blinded client and idempotency key 16 | what was answered |
//! | `webhooks` | identifier | a subscription |
//! | `deliveries` | subscription's identifier, 0, number 8 | an event on its way |
//! | `meta` | a name | depends |
//!
//! The readings of a slot, of a page, or of a meter in a slot are each one short scan of `readings`, and
//! a reading is one entry, so that writing it costs one. The newest slots of a meter are found by
//! looking for it in one slot after another, newest first. Values are SCALE, encrypted (see
//! [`keys`](super::keys)) but for the key ring itself, which guards itself, and the version of this
//! layout.
//!
//! Every write is one `WriteBatch` with a synced write-ahead log, so a change is there whole after a
//! power cut, or not at all.

use std::{
	ops::Range,
	path::Path,
	sync::{
		atomic::{AtomicU64, Ordering::Relaxed},
		Arc, Mutex, MutexGuard, PoisonError, RwLock,
	},
};

use codec::{Decode, DecodeAll, Encode};
use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId};
use rocksdb::{
	BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DBCompressionType,
	DBWithThreadMode, Direction, IteratorMode, Options, ReadOptions, SingleThreaded,
	SliceTransform, WriteBatch, WriteOptions,
};
use sealed_values::{key_id_of, KeyEncryptionKey};
use sp_core::H256;
use wia_ene_014::canonical::SignedMessage;

use super::{
	assessments::assessment_key, keys::StoreKeys, reading_key::READINGS, reseal::KeyCounts,
	Attestation, DeadLetter, KeptDeadLetter, PageKey, PageState, ReadingKey, ReadingSealer,
	RecentSlots, SealedPage, Store, StoreError, StoredReading,
};
use crate::registry::Registry;

mod port;

/// The layout this version reads and writes.
const FORMAT: u32 = 2;

pub(super) const PAGES: &str = "pages";
const OUTBOX: &str = "outbox";
pub(super) const REGISTRY: &str = "registry";
pub(super) const METERS: &str = "meters";
pub(super) const DEAD_LETTERS: &str = "dead-letters";
pub(super) const HISTORIES: &str = "histories";
pub(super) const ASSESSMENTS: &str = "assessments";
pub(super) const CONSENTS: &str = "consents";
pub(super) const EVENTS: &str = "events";
pub(super) const USAGE: &str = "usage";
pub(super) const ANSWERS: &str = "answers";
pub(super) const WEBHOOKS: &str = "webhooks";
pub(super) const DELIVERIES: &str = "deliveries";
pub(super) const META: &str = "meta";
/// All but the readings, which have options of their own.
const SMALL_FAMILIES: [&str; 14] = [
	PAGES,
	OUTBOX,
	REGISTRY,
	METERS,
	DEAD_LETTERS,
	HISTORIES,
	ASSESSMENTS,
	CONSENTS,
	EVENTS,
	USAGE,
	ANSWERS,
	WEBHOOKS,
	DELIVERIES,
	META,
];

/// Comes after every key.
pub(super) const AFTER_ALL: [u8; 64] = [0xff; 64];

/// Where sealed values are. The entries of the outbox have none.
pub(super) fn sealed_families() -> impl Iterator<Item = &'static str> {
	[READINGS].into_iter().chain(SMALL_FAMILIES).filter(|family| *family != OUTBOX)
}

pub(super) const META_FORMAT: &[u8] = b"format";
pub(super) const META_KEY_RING: &[u8] = b"key-ring";
const META_GENESIS: &[u8] = b"genesis";
const META_CALENDAR: &[u8] = b"calendar/";
const META_SEALED: &[u8] = b"sealed/";

/// How many slots one question for the slots of a meter looks into.
const SLOTS_LOOKED_INTO: u32 = 10_000;
/// How many places a meter is remembered to have had.
const PLACES_KEPT: usize = 64;

/// Readings in memory before they are written to a table, bytes; there are up to four such tables.
const READINGS_BUFFER_BYTES: usize = 64 << 20;
/// Blocks of tables in memory, bytes.
const BLOCK_CACHE_BYTES: usize = 128 << 20;

fn page_key(key: PageKey) -> [u8; 12] {
	let mut bytes = [0; 12];
	bytes[..4].copy_from_slice(&key.zone.0.to_be_bytes());
	bytes[4..8].copy_from_slice(&key.slot.0.to_be_bytes());
	bytes[8..].copy_from_slice(&key.page.to_be_bytes());
	bytes
}

fn registry_key(zone: ZoneId, index: u32) -> [u8; 8] {
	let mut key = [0; 8];
	key[..4].copy_from_slice(&zone.0.to_be_bytes());
	key[4..].copy_from_slice(&index.to_be_bytes());
	key
}

fn sealed_key(zone: ZoneId) -> Vec<u8> {
	[META_SEALED, &zone.0.to_be_bytes()].concat()
}

fn calendar_key(zone: ZoneId) -> Vec<u8> {
	[META_CALENDAR, &zone.0.to_be_bytes()].concat()
}

/// The big-endian `u32` at `at`.
fn number_at(place: &'static str, key: &[u8], at: usize) -> Result<u32, StoreError> {
	key.get(at..at.saturating_add(4))
		.and_then(|bytes| bytes.try_into().ok())
		.map(u32::from_be_bytes)
		.ok_or(StoreError::Damaged { place })
}

impl From<rocksdb::Error> for StoreError {
	fn from(error: rocksdb::Error) -> Self {
		Self::Database(error.to_string())
	}
}

/// Limits of a store.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
	/// How many rejected messages are kept; the oldest go first.
	pub dead_letters: u64,
}

impl Default for StoreLimits {
	/// 100,000 rejected messages.
	fn default() -> Self {
		Self { dead_letters: 100_000 }
	}
}

/// The numbers of the rejected messages that are kept: from `first` to before `next`.
#[derive(Debug)]
pub(super) struct DeadLetterNumbers {
	first: u64,
	next: u64,
}

/// The store on RocksDB.
pub struct RocksStore {
	pub(super) database: DBWithThreadMode<SingleThreaded>,
	keys: StoreKeys,
	limits: StoreLimits,
	/// Held while readings and rejected messages are written. Taken before `changing`.
	pub(super) dead_letters: Mutex<DeadLetterNumbers>,
	/// Held while a value is read, changed or sealed, and written or removed; see
	/// [`reseal`](super::reseal).
	pub(super) changing: Mutex<()>,
	/// Held for reading until a value that was read is opened. Taken for writing without waiting only,
	/// so that one who reads may read within.
	pub(super) reading: RwLock<()>,
	/// How many writes had readings that an older data key sealed. Changed with `dead_letters` held.
	pub(super) older_writes: AtomicU64,
	/// Numbers of the data keys.
	pub(super) key_counts: Arc<KeyCounts>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
	mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn database_options() -> Options {
	let mut options = Options::default();
	options.create_if_missing(true);
	options.create_missing_column_families(true);
	options.set_keep_log_file_num(4);
	options.set_max_background_jobs(2);
	// The log is synced at every commit; tables are handed to the disk little by little.
	options.set_bytes_per_sync(1 << 20);
	options
}

/// Readings come in about the order of their keys, are never changed, and look random, because they
/// are encrypted.
fn readings_options(cache: &Cache) -> Options {
	let mut options = Options::default();
	options.set_compression_type(DBCompressionType::None);
	options.set_write_buffer_size(READINGS_BUFFER_BYTES);
	options.set_max_write_buffer_number(4);
	options.set_target_file_size_base(64 << 20);
	options.set_max_bytes_for_level_base(512 << 20);
	options.set_level_compaction_dynamic_level_bytes(true);
	// A group of readings is sorted before it is written: the next one belongs beside the last one
	// of its zone and slot.
	options.set_prefix_extractor(SliceTransform::create_fixed_prefix(8));
	options.set_memtable_prefix_bloom_ratio(0.0);
	options.set_block_based_table_factory(&block_options(cache));
	options
}

fn block_options(cache: &Cache) -> BlockBasedOptions {
	let mut blocks = BlockBasedOptions::default();
	blocks.set_block_cache(cache);
	blocks.set_block_size(16 << 10);
	blocks
}

impl RocksStore {
	/// Opens the folder, or makes it. Its values are encrypted under keys that `kek` wraps.
	///
	/// # Errors
	/// When another process has it open, it cannot be read, another version wrote it, or it belongs to
	/// another key-encryption key.
	pub fn open(
		folder: &Path,
		kek: Box<dyn KeyEncryptionKey>,
		now_seconds: u64,
		limits: StoreLimits,
	) -> Result<Self, StoreError> {
		let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
		let mut small = Options::default();
		small.set_block_based_table_factory(&block_options(&cache));
		let families = SMALL_FAMILIES
			.iter()
			.map(|name| ColumnFamilyDescriptor::new(*name, small.clone()))
			.chain([ColumnFamilyDescriptor::new(READINGS, readings_options(&cache))]);
		let database = DBWithThreadMode::<SingleThreaded>::open_cf_descriptors(
			&database_options(),
			folder,
			families,
		)?;

		let meta = database.cf_handle(META).ok_or(StoreError::Damaged { place: META })?;
		let put_meta = |key: &[u8], value: &[u8]| {
			let mut options = WriteOptions::default();
			options.set_sync(true);
			database.put_cf_opt(meta, key, value, &options).map_err(StoreError::from)
		};
		match database.get_cf(meta, META_FORMAT)? {
			Some(bytes) => {
				let found = number_at(META, &bytes, 0)?;
				if found != FORMAT {
					return Err(StoreError::Format { found, expected: FORMAT });
				}
			}
			None => put_meta(META_FORMAT, &FORMAT.to_be_bytes())?,
		}
		let ring = database.get_cf(meta, META_KEY_RING)?;
		let keys = StoreKeys::open(ring.as_deref(), kek, now_seconds, |ring| {
			put_meta(META_KEY_RING, ring)
		})?;

		let numbers = Mutex::new(DeadLetterNumbers { first: 0, next: 0 });
		let store = Self {
			database,
			keys,
			limits,
			dead_letters: numbers,
			changing: Mutex::new(()),
			reading: RwLock::new(()),
			older_writes: AtomicU64::new(0),
			key_counts: Arc::default(),
		};
		store.key_counts.note_keys(store.keys.ring().keys().len());
		*lock(&store.dead_letters) = store.dead_letter_numbers()?;
		Ok(store)
	}

	/// Encrypts with a new data key, if that is due.
	///
	/// # Errors
	/// When the new key cannot be kept.
	pub fn rotate_keys_if_due(
		&self,
		now_seconds: u64,
		max_age_seconds: u64,
	) -> Result<bool, StoreError> {
		if !self.keys.is_rotation_due(now_seconds, max_age_seconds) {
			return Ok(false);
		}
		self.rotate_keys(now_seconds)?;
		Ok(true)
	}

	/// Encrypts with a new data key from now on.
	///
	/// # Errors
	/// When the new key cannot be kept.
	pub fn rotate_keys(&self, now_seconds: u64) -> Result<(), StoreError> {
		self.keys.rotate(now_seconds, |ring| self.keep_ring(ring))?;
		self.key_counts.note_keys(self.keys.ring().keys().len());
		Ok(())
	}

	/// Wraps the keys with another key-encryption key, which the folder needs from then on. It is one
	/// write: after a crash the folder opens with the old key or with the new one.
	///
	/// # Errors
	/// When it is the same key, it fails, or the ring cannot be written: then the old one stays.
	pub fn rewrap_keys(&mut self, kek: Box<dyn KeyEncryptionKey>) -> Result<(), StoreError> {
		let rewrapped = self.keys.rewrap(kek.as_ref(), |ring| self.keep_ring(ring));
		rewrapped.map(|()| self.keys.set_kek(kek))
	}

	/// The keys.
	pub fn keys(&self) -> &StoreKeys {
		&self.keys
	}

	/// Numbers of the data keys, which outlive the store.
	pub fn key_counts(&self) -> Arc<KeyCounts> {
		self.key_counts.clone()
	}

	/// Whether the values can be written: their data keys are there. To be asked with `dead_letters` held.
	fn check_readings(&self, readings: &[(ReadingKey, &[u8])]) -> Result<(), StoreError> {
		let ring = self.keys.ring();
		let active = ring.cipher().active_key();
		let key_ids = readings.iter().map(|(_key, value)| key_id_of(value));
		if key_ids.clone().all(|id| id.ok() == active) {
			return Ok(());
		}
		let known = ring.keys();
		for id in key_ids {
			let id = id.map_err(|error| StoreError::Keys(error.to_string()))?;
			if !known.iter().any(|key| key.id == id) {
				return Err(StoreError::Keys(format!("data key {id} was dropped meanwhile")));
			}
		}
		self.older_writes.fetch_add(1, Relaxed);
		Ok(())
	}

	pub(super) fn keep_ring(&self, ring: &[u8]) -> Result<(), StoreError> {
		self.write(|batch| {
			batch.put_cf(self.family(META)?, META_KEY_RING, ring);
			Ok(())
		})
	}

	fn dead_letter_numbers(&self) -> Result<DeadLetterNumbers, StoreError> {
		let family = self.family(DEAD_LETTERS)?;
		let number = |mode| {
			let entry = self.database.iterator_cf(family, mode).next().transpose()?;
			entry.map(|(key, _value)| dead_letter_number(&key)).transpose()
		};
		let first = number(IteratorMode::Start)?;
		let last = number(IteratorMode::End)?;
		let next = last.map_or(0, |last| last.saturating_add(1));
		Ok(DeadLetterNumbers { first: first.unwrap_or(next), next })
	}

	/// How many rejected messages are kept.
	pub fn dead_letters_kept(&self) -> u64 {
		let numbers = lock(&self.dead_letters);
		numbers.next.saturating_sub(numbers.first)
	}

	/// The meters of a zone from a place on, at most `limit`.
	///
	/// # Errors
	/// When the store fails.
	pub fn meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
		limit: usize,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, StoreError> {
		let mut meters = Vec::new();
		let mut plain = Vec::new();
		let (from, to) = (registry_key(zone, from.0), registry_key(zone, u32::MAX));
		self.scan_sealed(REGISTRY, &from, &to, |key, value| {
			meters.push(self.decode(REGISTRY, key, value, &mut plain)?);
			Ok(meters.len() < limit)
		})?;
		Ok(meters)
	}

	/// Adds rejected messages to a batch, and takes the oldest out if there are too many. The numbers
	/// after it.
	fn put_dead_letters(
		&self,
		batch: &mut WriteBatch,
		letters: &[DeadLetter],
		numbers: &DeadLetterNumbers,
	) -> Result<DeadLetterNumbers, StoreError> {
		let family = self.family(DEAD_LETTERS)?;
		let mut next = numbers.next;
		for letter in letters {
			self.put(batch, DEAD_LETTERS, &next.to_be_bytes(), letter)?;
			next = next.saturating_add(1);
		}
		let first = numbers.first.max(next.saturating_sub(self.limits.dead_letters));
		if first > numbers.first {
			batch.delete_range_cf(family, numbers.first.to_be_bytes(), first.to_be_bytes());
		}
		Ok(DeadLetterNumbers { first, next })
	}

	/// Where a meter is and was.
	fn places(&self, meter: MeterId) -> Result<Vec<(ZoneId, MeterIndex)>, StoreError> {
		let blinded = self.keys.ring().blinding().blind(&meter.0);
		Ok(self.get(METERS, blinded)?.unwrap_or_default())
	}

	/// Whether a meter has readings in a slot.
	fn has_readings(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<bool, StoreError> {
		self.has_readings_of(zone, slot, meter.0..meter.0.saturating_add(1))
	}

	/// Whether some of the meters have readings in a slot.
	fn has_readings_of(
		&self,
		zone: ZoneId,
		slot: Slot,
		meters: Range<u32>,
	) -> Result<bool, StoreError> {
		let range = ReadingKey::range(zone, slot, meters);
		let mut found = false;
		self.scan_sealed(
			READINGS,
			range.start.as_bytes(),
			range.end.as_bytes(),
			|_key, _value| {
				found = true;
				Ok(false)
			},
		)?;
		Ok(found)
	}

	/// The newest slot before `before` in which a zone has readings.
	fn newest_slot_before(&self, zone: ZoneId, before: Slot) -> Result<Option<Slot>, StoreError> {
		let lowest = ReadingKey::new(zone, Slot(0), MeterIndex(0), 0);
		let end = ReadingKey::new(zone, before, MeterIndex(0), 0);
		let mut options = ReadOptions::default();
		options.set_total_order_seek(true);
		options.set_iterate_lower_bound(lowest.as_bytes());
		options.set_iterate_upper_bound(end.as_bytes());
		let newest = self
			.database
			.iterator_cf_opt(self.family(READINGS)?, options, IteratorMode::End)
			.next()
			.transpose()?;
		newest.map(|(key, _value)| Ok(reading_key(&key)?.slot())).transpose()
	}

	pub(super) fn family(&self, name: &'static str) -> Result<&ColumnFamily, StoreError> {
		self.database.cf_handle(name).ok_or(StoreError::Damaged { place: name })
	}

	pub(super) fn get<T: Decode>(
		&self,
		place: &'static str,
		key: impl AsRef<[u8]>,
	) -> Result<Option<T>, StoreError> {
		let key = key.as_ref();
		let _reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
		self.database
			.get_pinned_cf(self.family(place)?, key)?
			.map(|sealed| self.decode(place, key, &sealed, &mut Vec::new()))
			.transpose()
	}

	/// Decrypts and decodes a value.
	fn decode<T: Decode>(
		&self,
		place: &'static str,
		key: &[u8],
		sealed: &[u8],
		plain: &mut Vec<u8>,
	) -> Result<T, StoreError> {
		self.keys.open_value(place, key, sealed, plain)?;
		T::decode_all(&mut plain.as_slice()).map_err(|_error| StoreError::Damaged { place })
	}

	/// Encodes, encrypts and adds a value to a batch.
	pub(super) fn put(
		&self,
		batch: &mut WriteBatch,
		place: &'static str,
		key: &[u8],
		value: &impl Encode,
	) -> Result<(), StoreError> {
		let mut sealed = Vec::new();
		self.keys.seal(place, key, &value.encode(), &mut sealed)?;
		batch.put_cf(self.family(place)?, key, sealed);
		Ok(())
	}

	/// The same as [`write`](Self::write), for values that can change: nobody else changes one meanwhile.
	pub(super) fn change(
		&self,
		fill: impl FnOnce(&mut WriteBatch) -> Result<(), StoreError>,
	) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(fill)
	}

	/// Writes what `fill` puts into the batch, all of it or nothing, and waits for the disk.
	pub(super) fn write(
		&self,
		fill: impl FnOnce(&mut WriteBatch) -> Result<(), StoreError>,
	) -> Result<(), StoreError> {
		let mut batch = WriteBatch::default();
		fill(&mut batch)?;
		let mut options = WriteOptions::default();
		options.set_sync(true);
		self.database.write_opt(batch, &options)?;
		Ok(())
	}

	/// Takes an entry out with a batch.
	pub(super) fn delete(
		&self,
		batch: &mut WriteBatch,
		place: &'static str,
		key: &[u8],
	) -> Result<(), StoreError> {
		batch.delete_cf(self.family(place)?, key);
		Ok(())
	}

	/// Shows every entry of a family, decrypted.
	pub(super) fn scan<T: Decode>(
		&self,
		place: &'static str,
		mut visit: impl FnMut(&[u8], T) -> Result<(), StoreError>,
	) -> Result<(), StoreError> {
		let mut plain = Vec::new();
		for entry in self.database.iterator_cf(self.family(place)?, IteratorMode::Start) {
			let (key, sealed) = entry?;
			visit(&key, self.decode(place, &key, &sealed, &mut plain)?)?;
		}
		Ok(())
	}

	/// Shows the entries of a family from a key on, decrypted, until `visit` says stop.
	pub(super) fn scan_from<T: Decode>(
		&self,
		place: &'static str,
		from: &[u8],
		mut visit: impl FnMut(&[u8], T) -> Result<bool, StoreError>,
	) -> Result<(), StoreError> {
		let mut plain = Vec::new();
		self.scan_sealed(place, from, &AFTER_ALL, |key, sealed| {
			visit(key, self.decode(place, key, sealed, &mut plain)?)
		})
	}

	/// The last key of a family.
	pub(super) fn last_key(&self, place: &'static str) -> Result<Option<Box<[u8]>>, StoreError> {
		let family = self.family(place)?;
		let last = self.database.iterator_cf(family, IteratorMode::End).next().transpose()?;
		Ok(last.map(|(key, _value)| key))
	}

	/// The slots among some that have pages, oldest first, at most `limit`.
	pub(super) fn sealed_slots(
		&self,
		zone: ZoneId,
		slots: Range<Slot>,
		limit: usize,
	) -> Result<Vec<Slot>, StoreError> {
		let mut found: Vec<Slot> = Vec::new();
		let mut from = slots.start;
		let end = page_key(PageKey { zone, slot: slots.end, page: 0 });
		// From slot to slot: a slot may have many pages.
		while found.len() < limit && from < slots.end {
			let mut next = None;
			let first = page_key(PageKey { zone, slot: from, page: 0 });
			self.scan_sealed(PAGES, &first, &end, |key, _value| {
				next = Some(Slot(number_at(PAGES, key, 4)?));
				Ok(false)
			})?;
			let Some(slot) = next else { break };
			found.push(slot);
			from = slot.next();
		}
		Ok(found)
	}

	/// Shows the entries from `from` to before `to`, as they are stored, until `visit` says stop.
	pub(super) fn scan_sealed(
		&self,
		place: &'static str,
		from: &[u8],
		to: &[u8],
		mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
	) -> Result<(), StoreError> {
		let _reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
		let mut options = ReadOptions::default();
		options.set_total_order_seek(true);
		options.set_iterate_upper_bound(to);
		let entries = self.database.iterator_cf_opt(
			self.family(place)?,
			options,
			IteratorMode::From(from, Direction::Forward),
		);
		for entry in entries {
			let (key, value) = entry?;
			if !visit(&key, &value)? {
				break;
			}
		}
		Ok(())
	}
}

fn reading_key(key: &[u8]) -> Result<ReadingKey, StoreError> {
	ReadingKey::from_bytes(key).ok_or(StoreError::Damaged { place: READINGS })
}

fn dead_letter_number(key: &[u8]) -> Result<u64, StoreError> {
	let damaged = |_error| StoreError::Damaged { place: DEAD_LETTERS };
	key.try_into().map(u64::from_be_bytes).map_err(damaged)
}
