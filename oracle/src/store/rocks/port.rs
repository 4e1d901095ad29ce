//! What the oracle asks of its store, see [`Store`].

use super::*;

impl Store for RocksStore {
	fn sealer(&self) -> ReadingSealer {
		ReadingSealer::new(self.keys.ring().cipher())
	}

	fn add(
		&self,
		readings: &[(ReadingKey, &[u8])],
		dead_letters: &[DeadLetter],
	) -> Result<(), StoreError> {
		let mut numbers = lock(&self.dead_letters);
		self.check_readings(readings)?;
		let mut after = None;
		self.write(|batch| {
			let family = self.family(READINGS)?;
			for (key, value) in readings {
				batch.put_cf(family, key.as_bytes(), value);
			}
			if !dead_letters.is_empty() {
				after = Some(self.put_dead_letters(batch, dead_letters, &numbers)?);
			}
			Ok(())
		})?;
		if let Some(after) = after {
			*numbers = after;
		}
		Ok(())
	}

	fn visit_readings(
		&self,
		zone: ZoneId,
		slot: Slot,
		meters: Range<u32>,
		visit: &mut dyn FnMut(StoredReading),
	) -> Result<(), StoreError> {
		let range = ReadingKey::range(zone, slot, meters);
		let mut plain = Vec::new();
		self.scan_sealed(READINGS, range.start.as_bytes(), range.end.as_bytes(), |bytes, value| {
			let key = reading_key(bytes)?;
			let signed: SignedMessage = self.decode(READINGS, bytes, value, &mut plain)?;
			let (meter, start_seconds) = (key.meter(), key.start_seconds());
			visit(StoredReading { zone, slot, meter, start_seconds, signed });
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
		let from = ReadingKey::new(zone, first, MeterIndex(0), 0);
		let to = ReadingKey::new(zone, Slot(u32::MAX), MeterIndex(u32::MAX), u64::MAX);
		let mut found = None;
		self.scan_sealed(READINGS, from.as_bytes(), to.as_bytes(), |key, _value| {
			found = Some(reading_key(key)?.slot());
			Ok(false)
		})?;
		Ok(found)
	}

	fn has_readings_from(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<bool, StoreError> {
		self.has_readings_of(zone, slot, meter.0..u32::MAX)
	}

	fn locate(
		&self,
		meter: MeterId,
		slot: Slot,
	) -> Result<Option<(ZoneId, MeterIndex)>, StoreError> {
		for (zone, index) in self.places(meter)? {
			if self.has_readings(zone, slot, index)? {
				return Ok(Some((zone, index)));
			}
		}
		Ok(None)
	}

	fn recent_slots(
		&self,
		meter: MeterId,
		before: Option<Slot>,
		limit: usize,
	) -> Result<RecentSlots, StoreError> {
		let places = self.places(meter)?;
		let mut recent = RecentSlots::default();
		let mut before = before.unwrap_or(Slot(u32::MAX));
		for _ in 0..SLOTS_LOOKED_INTO {
			if recent.slots.len() >= limit {
				break;
			}
			let mut newest = None;
			for (zone, _index) in &places {
				newest = newest.max(self.newest_slot_before(*zone, before)?);
			}
			let Some(slot) = newest else { return Ok(recent) };
			for (zone, index) in &places {
				if self.has_readings(*zone, slot, *index)? {
					recent.slots.push(slot);
					break;
				}
			}
			before = slot;
		}
		recent.next_before = Some(before);
		Ok(recent)
	}

	fn dead_letters(
		&self,
		after: Option<u64>,
		limit: usize,
	) -> Result<Vec<KeptDeadLetter>, StoreError> {
		let mut kept = Vec::new();
		if limit == 0 || after == Some(u64::MAX) {
			return Ok(kept);
		}
		let from = after.map_or(0, |after| after.saturating_add(1)).to_be_bytes();
		let mut plain = Vec::new();
		self.scan_sealed(DEAD_LETTERS, &from, &[0xff; 9], |key, value| {
			let letter = self.decode(DEAD_LETTERS, key, value, &mut plain)?;
			kept.push(KeptDeadLetter { number: dead_letter_number(key)?, letter });
			Ok(kept.len() < limit)
		})?;
		Ok(kept)
	}

	fn seal(
		&self,
		zone: ZoneId,
		through: Slot,
		attestations: &[Attestation],
	) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(|batch| {
			let outbox = self.family(OUTBOX)?;
			for attestation in attestations {
				let key = page_key(attestation.key);
				let page = SealedPage::new(attestation.clone());
				self.put(batch, PAGES, &key, &page)?;
				if page.state == PageState::Pending {
					batch.put_cf(outbox, key, []);
				}
			}
			self.put(batch, META, &sealed_key(zone), &through)
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
		self.scan_sealed(OUTBOX, &[], &[0xff; 13], |key, _value| {
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
		let _changing = lock(&self.changing);
		let Some(mut page) = self.page(key)? else {
			return Err(StoreError::Damaged { place: PAGES });
		};
		page.state = state;
		self.write(|batch| {
			self.put(batch, PAGES, &page_key(key), &page)?;
			batch.delete_cf(self.family(OUTBOX)?, page_key(key));
			Ok(())
		})
	}

	fn forget_before(&self, zone: ZoneId, slot: Slot) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(|batch| {
			let at = |slot| ReadingKey::new(zone, slot, MeterIndex(0), 0);
			let (first, end) = (at(Slot(0)), at(slot));
			batch.delete_range_cf(self.family(READINGS)?, first.as_bytes(), end.as_bytes());
			let at = |slot| page_key(PageKey { zone, slot, page: 0 });
			batch.delete_range_cf(self.family(PAGES)?, at(Slot(0)), at(slot));
			let at = |slot| assessment_key(zone, slot, MeterIndex(0));
			batch.delete_range_cf(self.family(ASSESSMENTS)?, at(Slot(0)), at(slot));
			Ok(())
		})
	}

	fn save_meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
		meters: &[(MeterId, Meter<AccountId>)],
	) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(|batch| {
			let (first, last) = (registry_key(zone, from.0), registry_key(zone, u32::MAX));
			batch.delete_range_cf(self.family(REGISTRY)?, first, last);
			for entry in meters {
				let (id, meter) = entry;
				self.put(batch, REGISTRY, &registry_key(zone, meter.index.0), entry)?;
				let mut places = self.places(*id)?;
				if !places.contains(&(zone, meter.index)) {
					places.insert(0, (zone, meter.index));
					places.truncate(PLACES_KEPT);
					let blinded = self.keys.ring().blinding().blind(&id.0);
					self.put(batch, METERS, &blinded, &places)?;
				}
			}
			Ok(())
		})
	}

	fn save_calendar(&self, zone: ZoneId, calendar: &SlotCalendar) -> Result<(), StoreError> {
		let _changing = lock(&self.changing);
		self.write(|batch| self.put(batch, META, &calendar_key(zone), calendar))
	}

	fn load_registry(&self, zones: &[ZoneId]) -> Result<Option<Registry>, StoreError> {
		let mut registry = Registry::default();
		let mut is_known = false;
		let mut plain = Vec::new();
		for zone in zones {
			if let Some(calendar) = self.get::<SlotCalendar>(META, calendar_key(*zone))? {
				registry.set_calendar(*zone, calendar);
				is_known = true;
			}
			let (from, to) = (registry_key(*zone, 0), registry_key(*zone, u32::MAX));
			self.scan_sealed(REGISTRY, &from, &to, |key, value| {
				let entry =
					self.decode::<(MeterId, Meter<AccountId>)>(REGISTRY, key, value, &mut plain)?;
				registry.insert(entry.0, &entry.1);
				Ok(true)
			})?;
		}
		Ok(is_known.then_some(registry))
	}

	fn bind_to_chain(&self, genesis: H256) -> Result<H256, StoreError> {
		let _changing = lock(&self.changing);
		if let Some(bound) = self.get::<H256>(META, META_GENESIS)? {
			return Ok(bound);
		}
		self.write(|batch| self.put(batch, META, META_GENESIS, &genesis))?;
		Ok(genesis)
	}
}
