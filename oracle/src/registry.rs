//! The meters of the oracle's zones, as the chain last told them.
//!
//! The chain is the authority; this is a copy in memory, so that a message is checked without a
//! question to a node. A copy on disk lets a restarted oracle take readings while its node is away.

use std::{
	collections::{BTreeMap, HashMap},
	sync::{Arc, OnceLock, PoisonError, RwLock},
};

use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, SlotCalendar, ZoneId};
use wia_ene_014::{canonical::DeviceKey, prepared::PreparedKey};

/// What a message is checked against.
#[derive(Clone, Debug)]
pub struct RegisteredMeter {
	/// Where it is connected.
	pub zone: ZoneId,
	/// Its place among the meters of the zone.
	pub index: MeterIndex,
	/// Whose it is.
	pub owner: AccountId,
	/// The public key of the device.
	pub device_key: DeviceKey,
	/// The same, ready to verify with.
	pub key: PreparedKey,
	/// The largest power of the connection, W.
	pub rated_power_w: u32,
}

/// The meters of the oracle's zones at one moment.
#[derive(Clone, Debug, Default)]
pub struct Registry {
	calendars: BTreeMap<ZoneId, SlotCalendar>,
	meters: HashMap<MeterId, RegisteredMeter>,
	counts: BTreeMap<ZoneId, u32>,
}

impl Registry {
	/// Says when the slots of a zone are.
	pub fn set_calendar(&mut self, zone: ZoneId, calendar: SlotCalendar) {
		self.calendars.insert(zone, calendar);
	}

	/// Adds a meter, or replaces what was known of it.
	pub fn insert(&mut self, id: MeterId, meter: &Meter<AccountId>) {
		self.insert_after(id, meter, None);
	}

	/// The same; takes over what an earlier registry knows of the key, if it is still the same. To
	/// get a key ready costs about as much as to verify a signature.
	pub fn insert_after(
		&mut self,
		id: MeterId,
		meter: &Meter<AccountId>,
		earlier: Option<&Registry>,
	) {
		let known = earlier
			.and_then(|earlier| earlier.meter(&id))
			.filter(|known| known.device_key == meter.key);
		let registered = RegisteredMeter {
			zone: meter.zone,
			index: meter.index,
			owner: meter.owner.clone(),
			device_key: meter.key,
			key: known.map_or_else(|| PreparedKey::from(&meter.key), |known| known.key.clone()),
			rated_power_w: meter.rated_power_w,
		};
		match self.meters.insert(id, registered) {
			Some(before) if before.zone == meter.zone => {}
			before => {
				if let Some(count) = before.and_then(|old| self.counts.get_mut(&old.zone)) {
					*count = count.saturating_sub(1);
				}
				let count = self.counts.entry(meter.zone).or_default();
				*count = count.saturating_add(1);
			}
		}
	}

	/// When the slots of a zone are; `None` for a zone that was not read.
	pub fn calendar(&self, zone: ZoneId) -> Option<&SlotCalendar> {
		self.calendars.get(&zone)
	}

	/// A meter by its identifier.
	pub fn meter(&self, id: &MeterId) -> Option<&RegisteredMeter> {
		self.meters.get(id)
	}

	/// The meters of a zone, by their places; of one account, or of all. Looks at every meter.
	pub fn meters_of(&self, zone: ZoneId, owner: Option<&AccountId>) -> Vec<MeterId> {
		let is_wanted = |meter: &RegisteredMeter| {
			meter.zone == zone && owner.is_none_or(|owner| meter.owner == *owner)
		};
		let wanted = self.meters.iter().filter(|(_, meter)| is_wanted(meter));
		let mut meters: Vec<_> = wanted.map(|(id, meter)| (meter.index, *id)).collect();
		meters.sort_unstable();
		meters.into_iter().map(|(_, id)| id).collect()
	}

	/// How many meters of a zone are known.
	pub fn count(&self, zone: ZoneId) -> u32 {
		self.counts.get(&zone).copied().unwrap_or(0)
	}

	/// How many meters are known in all zones.
	pub fn len(&self) -> usize {
		self.meters.len()
	}

	/// Whether no meter is known.
	pub fn is_empty(&self) -> bool {
		self.meters.is_empty()
	}
}

/// The present registry, swapped whole; `None` until the chain was read once.
#[derive(Debug, Default)]
pub struct RegistryCell {
	present: RwLock<Option<Arc<Registry>>>,
	ready_since: OnceLock<u64>,
}

impl RegistryCell {
	/// The present registry.
	pub fn load(&self) -> Option<Arc<Registry>> {
		self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// Replaces the registry, as it is at a time of the chain's clock; 0 if that is not known.
	pub fn store(&self, registry: Registry, now_seconds: u64) {
		if now_seconds > 0 {
			self.ready_since.get_or_init(|| now_seconds);
		}
		*self.present.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(registry));
	}

	/// Notes the chain's clock at a block. If there is a registry at the first such note, readings
	/// can be taken from then on.
	pub fn note_time(&self, now_seconds: u64) {
		// The first block of a chain has no time.
		if now_seconds > 0 && self.load().is_some() {
			self.ready_since.get_or_init(|| now_seconds);
		}
	}

	/// The chain's clock when this process began to take readings.
	pub fn ready_since(&self) -> Option<u64> {
		self.ready_since.get().copied()
	}
}
