//! The store on RocksDB, one column family for each kind of entry.
//!
//! | column family | key, integers big-endian | value |
//! |---|---|---|
//! | `readings` | zone 4, slot 4, meter index 4, start 8 | signed message |
//! | `slots` | meter id 32, inverted slot 4 | zone, meter index |
//! | `pages` | zone 4, slot 4, page 4 | sealed page |
//! | `outbox` | zone 4, slot 4, page 4 | nothing: the page has the content |
//! | `registry` | zone 4, meter index 4 | meter id, meter |
//! | `meta` | a name | depends |
//!
//! The readings of a slot, of a page, or of a meter in a slot are each one short scan of `readings`;
//! the newest slots of a meter are the first entries under its id in `slots`. Values are SCALE.
//!
//! Every write is one `WriteBatch` with a synced write-ahead log, so a change is there whole after a
//! power cut, or not at all.

use std::{ops::Range, path::Path};

use codec::{Decode, DecodeAll, Encode};
use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId};
use rocksdb::{
	ColumnFamily, DBWithThreadMode, Direction, IteratorMode, Options, ReadOptions, SingleThreaded,
	WriteBatch, WriteOptions,
};
use sp_core::H256;
use wia_ene_014::canonical::SignedMessage;

use super::{Attestation, PageKey, PageState, SealedPage, Store, StoreError, StoredReading};
use crate::registry::Registry;

/// The layout this version reads and writes.
const FORMAT: u32 = 1;

const READINGS: &str = "readings";
const SLOTS: &str = "slots";
const PAGES: &str = "pages";
const OUTBOX: &str = "outbox";
const REGISTRY: &str = "registry";
const META: &str = "meta";
const FAMILIES: [&str; 6] = [READINGS, SLOTS, PAGES, OUTBOX, REGISTRY, META];

const META_FORMAT: &[u8] = b"format";
const META_GENESIS: &[u8] = b"genesis";
const META_CALENDAR: &[u8] = b"calendar/";
const META_SEALED: &[u8] = b"sealed/";

/// First byte of every value: how the rest is kept. The place where encryption at rest will go.
const PLAIN: u8 = 0;

/// What is written for a value. Nothing is encrypted yet.
fn encode_value(value: &impl Encode) -> Vec<u8> {
	let mut bytes = Vec::with_capacity(value.size_hint().saturating_add(1));
	bytes.push(PLAIN);
	value.encode_to(&mut bytes);
	bytes
}

/// Reads back what [`encode_value`] wrote.
fn decode_value<T: Decode>(place: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
	match bytes.split_first() {
		Some((&PLAIN, mut body)) => {
			T::decode_all(&mut body).map_err(|_error| StoreError::Damaged { place })
		}
		_ => Err(StoreError::Damaged { place }),
	}
}

fn reading_key(zone: ZoneId, slot: Slot, meter: u32, start_seconds: u64) -> [u8; 20] {
	let mut key = [0; 20];
	key[..4].copy_from_slice(&zone.0.to_be_bytes());
	key[4..8].copy_from_slice(&slot.0.to_be_bytes());
	key[8..12].copy_from_slice(&meter.to_be_bytes());
	key[12..].copy_from_slice(&start_seconds.to_be_bytes());
	key
}

fn page_key(key: PageKey) -> [u8; 12] {
	let mut bytes = [0; 12];
	bytes[..4].copy_from_slice(&key.zone.0.to_be_bytes());
	bytes[4..8].copy_from_slice(&key.slot.0.to_be_bytes());
	bytes[8..].copy_from_slice(&key.page.to_be_bytes());
	bytes
}

fn slot_key(meter: MeterId, slot: Slot) -> [u8; 36] {
	let mut key = [0; 36];
	key[..32].copy_from_slice(&meter.0);
	key[32..].copy_from_slice(&(!slot.0).to_be_bytes());
	key
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

/// The store on RocksDB.
pub struct RocksStore {
	database: DBWithThreadMode<SingleThreaded>,
}

impl RocksStore {
	/// Opens the folder, or makes it.
	///
	/// # Errors
	/// When another process has it open, it cannot be read, or another version wrote it.
	pub fn open(folder: &Path) -> Result<Self, StoreError> {
		let mut options = Options::default();
		options.create_if_missing(true);
		options.create_missing_column_families(true);
		options.set_keep_log_file_num(4);
		let database = DBWithThreadMode::open_cf(&options, folder, FAMILIES)?;
		let store = Self { database };
		match store.get::<u32>(META, META_FORMAT)? {
			Some(FORMAT) => {}
			Some(found) => return Err(StoreError::Format { found, expected: FORMAT }),
			None => store.write(|batch| {
				batch.put_cf(store.family(META)?, META_FORMAT, encode_value(&FORMAT));
				Ok(())
			})?,
		}
		Ok(store)
	}

	fn family(&self, name: &'static str) -> Result<&ColumnFamily, StoreError> {
		self.database.cf_handle(name).ok_or(StoreError::Damaged { place: name })
	}

	fn get<T: Decode>(
		&self,
		place: &'static str,
		key: impl AsRef<[u8]>,
	) -> Result<Option<T>, StoreError> {
		self.database
			.get_pinned_cf(self.family(place)?, key)?
			.map(|bytes| decode_value(place, &bytes))
			.transpose()
	}

	/// Writes what `fill` puts into the batch, all of it or nothing, and waits for the disk.
	fn write(
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

	/// Shows the entries from `from` to before `to`, until `visit` says stop.
	fn scan(
		&self,
		place: &'static str,
		from: &[u8],
		to: &[u8],
		mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
	) -> Result<(), StoreError> {
		let mut options = ReadOptions::default();
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

impl Store for RocksStore {
	fn add_readings(&self, readings: &[StoredReading]) -> Result<(), StoreError> {
		self.write(|batch| {
			let (by_slot, by_meter) = (self.family(READINGS)?, self.family(SLOTS)?);
			for reading in readings {
				batch.put_cf(
					by_slot,
					reading_key(reading.zone, reading.slot, reading.meter.0, reading.start_seconds),
					encode_value(&reading.signed),
				);
				batch.put_cf(
					by_meter,
					slot_key(MeterId(reading.signed.message.meter_id), reading.slot),
					encode_value(&(reading.zone, reading.meter)),
				);
			}
			Ok(())
		})
	}

	fn visit_readings(
		&self,
		zone: ZoneId,
		slot: Slot,
		meters: Range<u32>,
		visit: &mut dyn FnMut(StoredReading),
	) -> Result<(), StoreError> {
		let from = reading_key(zone, slot, meters.start, 0);
		let to = reading_key(zone, slot, meters.end, 0);
		self.scan(READINGS, &from, &to, |key, value| {
			let start_seconds = key
				.get(12..20)
				.and_then(|bytes| bytes.try_into().ok())
				.map(u64::from_be_bytes)
				.ok_or(StoreError::Damaged { place: READINGS })?;
			visit(StoredReading {
				zone,
				slot,
				meter: MeterIndex(number_at(READINGS, key, 8)?),
				start_seconds,
				signed: decode_value::<SignedMessage>(READINGS, value)?,
			});
			Ok(true)
		})
	}

	fn next_slot_with_readings(
		&self,
		zone: ZoneId,
		after: Option<Slot>,
	) -> Result<Option<Slot>, StoreError> {
		let first = match after {
			Some(Slot(u32::MAX)) => return Ok(None),
			Some(slot) => slot.next(),
			None => Slot(0),
		};
		let mut found = None;
		let from = reading_key(zone, first, 0, 0);
		let to = reading_key(zone, Slot(u32::MAX), u32::MAX, u64::MAX);
		self.scan(READINGS, &from, &to, |key, _value| {
			found = Some(Slot(number_at(READINGS, key, 4)?));
			Ok(false)
		})?;
		Ok(found)
	}

	fn locate(
		&self,
		meter: MeterId,
		slot: Slot,
	) -> Result<Option<(ZoneId, MeterIndex)>, StoreError> {
		self.get(SLOTS, slot_key(meter, slot))
	}

	fn recent_slots(&self, meter: MeterId, limit: usize) -> Result<Vec<Slot>, StoreError> {
		let mut slots = Vec::new();
		if limit == 0 {
			return Ok(slots);
		}
		let to = [&meter.0[..], &[0xff; 5]].concat();
		self.scan(SLOTS, &slot_key(meter, Slot(u32::MAX)), &to, |key, _value| {
			slots.push(Slot(!number_at(SLOTS, key, 32)?));
			Ok(slots.len() < limit)
		})?;
		Ok(slots)
	}

	fn seal(
		&self,
		zone: ZoneId,
		through: Slot,
		attestations: &[Attestation],
	) -> Result<(), StoreError> {
		self.write(|batch| {
			let (pages, outbox) = (self.family(PAGES)?, self.family(OUTBOX)?);
			for attestation in attestations {
				let key = page_key(attestation.key);
				let page = SealedPage::new(attestation.clone());
				batch.put_cf(pages, key, encode_value(&page));
				if page.state == PageState::Pending {
					batch.put_cf(outbox, key, encode_value(&()));
				}
			}
			batch.put_cf(self.family(META)?, sealed_key(zone), encode_value(&through));
			Ok(())
		})
	}

	fn sealed_through(&self, zone: ZoneId) -> Result<Option<Slot>, StoreError> {
		self.get(META, sealed_key(zone))
	}

	fn page(&self, key: PageKey) -> Result<Option<SealedPage>, StoreError> {
		self.get(PAGES, page_key(key))
	}

	fn outbox(&self, limit: usize) -> Result<Vec<PageKey>, StoreError> {
		let mut keys = Vec::new();
		if limit == 0 {
			return Ok(keys);
		}
		self.scan(OUTBOX, &[], &[0xff; 13], |key, _value| {
			keys.push(PageKey {
				zone: ZoneId(number_at(OUTBOX, key, 0)?),
				slot: Slot(number_at(OUTBOX, key, 4)?),
				page: number_at(OUTBOX, key, 8)?,
			});
			Ok(keys.len() < limit)
		})?;
		Ok(keys)
	}

	fn finish(&self, key: PageKey, state: PageState) -> Result<(), StoreError> {
		let Some(mut page) = self.page(key)? else {
			return Err(StoreError::Damaged { place: PAGES });
		};
		page.state = state;
		self.write(|batch| {
			batch.put_cf(self.family(PAGES)?, page_key(key), encode_value(&page));
			batch.delete_cf(self.family(OUTBOX)?, page_key(key));
			Ok(())
		})
	}

	fn save_meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
		meters: &[(MeterId, Meter<AccountId>)],
	) -> Result<(), StoreError> {
		self.write(|batch| {
			let family = self.family(REGISTRY)?;
			let (first, last) = (registry_key(zone, from.0), registry_key(zone, u32::MAX));
			batch.delete_range_cf(family, first, last);
			for entry in meters {
				batch.put_cf(family, registry_key(zone, entry.1.index.0), encode_value(entry));
			}
			Ok(())
		})
	}

	fn save_calendar(&self, zone: ZoneId, calendar: &SlotCalendar) -> Result<(), StoreError> {
		self.write(|batch| {
			batch.put_cf(self.family(META)?, calendar_key(zone), encode_value(calendar));
			Ok(())
		})
	}

	fn load_registry(&self, zones: &[ZoneId]) -> Result<Option<Registry>, StoreError> {
		let mut registry = Registry::default();
		let mut is_known = false;
		for zone in zones {
			if let Some(calendar) = self.get::<SlotCalendar>(META, calendar_key(*zone))? {
				registry.set_calendar(*zone, calendar);
				is_known = true;
			}
			let (from, to) = (registry_key(*zone, 0), registry_key(*zone, u32::MAX));
			self.scan(REGISTRY, &from, &to, |_key, value| {
				let (id, meter) = decode_value::<(MeterId, Meter<AccountId>)>(REGISTRY, value)?;
				registry.insert(id, &meter);
				Ok(true)
			})?;
		}
		Ok(is_known.then_some(registry))
	}

	fn bind_to_chain(&self, genesis: H256) -> Result<H256, StoreError> {
		if let Some(bound) = self.get::<H256>(META, META_GENESIS)? {
			return Ok(bound);
		}
		self.write(|batch| {
			batch.put_cf(self.family(META)?, META_GENESIS, encode_value(&genesis));
			Ok(())
		})?;
		Ok(genesis)
	}
}
