//! What survives a crash: a port, its types, and the RocksDB adapter in [`rocks`].
//!
//! Everything that says something about a meter is encrypted: see [`keys`].

use codec::{Decode, Encode};
use energy_primitives::{
	AccountId, Meter, MeterId, MeterIndex, MeterValue, Slot, SlotCalendar, ZoneId,
};
use serde::Serialize;
use sp_core::H256;
use std::ops::Range;
use wia_ene_014::canonical::SignedMessage;

use crate::registry::Registry;

mod answers;
mod assessments;
mod consents;
pub mod dead_letter;
mod events;
pub mod keys;
mod outlets;
pub mod reading_key;
pub mod reseal;
pub mod rocks;
mod usage;
mod webhooks;

pub use dead_letter::{DeadLetter, KeptDeadLetter};
pub use reading_key::{ReadingKey, ReadingSealer};

/// A signed message as one slot keeps it.
///
/// A message whose figures fall into several slots is kept once for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReading {
	/// The zone of the meter.
	pub zone: ZoneId,
	/// The slot.
	pub slot: Slot,
	/// The place of the meter in the zone.
	pub meter: MeterIndex,
	/// When the first figure of the message in this slot begins, seconds since 1970.
	pub start_seconds: u64,
	/// The message and its signature.
	pub signed: SignedMessage,
}

/// Which page of which attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
pub struct PageKey {
	/// The zone.
	pub zone: ZoneId,
	/// The slot.
	pub slot: Slot,
	/// The page.
	pub page: u32,
}

/// What the oracle says about one page of a slot; the arguments of `Metering.attest`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attestation {
	/// Which page.
	pub key: PageKey,
	/// A line for each meter whose readings cover the whole slot, by ascending meter.
	pub values: Vec<MeterValue>,
	/// The root of the tree over the signed readings.
	pub readings_root: H256,
	/// How many signed readings the tree has.
	pub readings_count: u32,
}

/// How far an attestation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageState {
	/// On its way to the chain.
	Pending,
	/// The chain knows our vote, or needs it no more; irreversible.
	Done,
	/// The chain no longer takes it.
	TooLate,
	/// It has readings and no line, because no meter has figures for the whole slot. The chain takes
	/// no such page, and estimates the meters; the readings can still be shown.
	Incomplete,
}

/// A sealed page.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedPage {
	/// What was sealed; never changes.
	pub attestation: Attestation,
	/// How far it has come.
	pub state: PageState,
}

impl SealedPage {
	/// A page as it is when it is sealed.
	pub fn new(attestation: Attestation) -> Self {
		let state = match attestation.values.is_empty() {
			true => PageState::Incomplete,
			false => PageState::Pending,
		};
		Self { attestation, state }
	}
}

/// The store failed. Nothing that it was asked to write may be assumed to be there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
	/// The database reported an error.
	#[error("the database failed: {0}")]
	Database(String),
	/// An entry cannot be read.
	#[error("an entry of {place} is damaged")]
	Damaged {
		/// Which column family.
		place: &'static str,
	},
	/// The folder was written by another version.
	#[error("the data folder has format {found}, this version reads {expected}")]
	Format {
		/// What the folder says.
		found: u32,
		/// What this version reads.
		expected: u32,
	},
	/// A value cannot be encrypted, or the keys cannot be used.
	#[error("the keys of the data folder: {0}")]
	Keys(String),
}

/// Slots of a meter, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentSlots {
	/// Those with readings.
	pub slots: Vec<Slot>,
	/// Where to go on; `None` when there are no older ones.
	pub next_before: Option<Slot>,
}

/// Keeps readings, seals, attestations on their way, and a copy of the registry.
///
/// Every writing method has synced its change to the disk, as one whole, when it returns `Ok`.
pub trait Store: Send + Sync + 'static {
	/// Encodes and encrypts readings with the keys of this moment. Take one for a request.
	fn sealer(&self) -> ReadingSealer;

	/// Adds readings, each with its sealed value, and what was rejected.
	fn add(
		&self,
		readings: &[(ReadingKey, &[u8])],
		dead_letters: &[DeadLetter],
	) -> Result<(), StoreError>;

	/// Shows the readings of a slot by (meter, start), of the meters in the range.
	fn visit_readings(
		&self,
		zone: ZoneId,
		slot: Slot,
		meters: Range<u32>,
		visit: &mut dyn FnMut(StoredReading),
	) -> Result<(), StoreError>;

	/// The first slot after `after` (from the first one of all) that has a reading.
	fn next_slot_with_readings(
		&self,
		zone: ZoneId,
		after: Option<Slot>,
	) -> Result<Option<Slot>, StoreError>;

	/// Whether a slot has readings of meters from a place in the zone on.
	fn has_readings_from(
		&self,
		zone: ZoneId,
		slot: Slot,
		meter: MeterIndex,
	) -> Result<bool, StoreError>;

	/// Where a meter has readings in a slot.
	fn locate(
		&self,
		meter: MeterId,
		slot: Slot,
	) -> Result<Option<(ZoneId, MeterIndex)>, StoreError>;

	/// The newest slots, older than `before`, in which a meter has readings, at most `limit`. Looks at
	/// a bounded number of slots: there may be fewer than `limit` and older ones all the same.
	fn recent_slots(
		&self,
		meter: MeterId,
		before: Option<Slot>,
		limit: usize,
	) -> Result<RecentSlots, StoreError>;

	/// What was rejected, oldest first, after a number, at most `limit`.
	fn dead_letters(
		&self,
		after: Option<u64>,
		limit: usize,
	) -> Result<Vec<KeptDeadLetter>, StoreError>;

	/// Marks every slot up to `through` as sealed, keeps the attestations, and puts those that are
	/// [pending](SealedPage::new) into the outbox.
	fn seal(
		&self,
		zone: ZoneId,
		through: Slot,
		attestations: &[Attestation],
	) -> Result<(), StoreError>;

	/// The last sealed slot of a zone. All slots before it are sealed too.
	fn sealed_through(&self, zone: ZoneId) -> Result<Option<Slot>, StoreError>;

	/// A sealed page.
	fn page(&self, key: PageKey) -> Result<Option<SealedPage>, StoreError>;

	/// The pages that are on their way, oldest first, at most `limit`.
	fn outbox(&self, limit: usize) -> Result<Vec<PageKey>, StoreError>;

	/// Takes a page out of the outbox.
	fn finish(&self, key: PageKey, state: PageState) -> Result<(), StoreError>;

	/// Forgets the readings and pages of a zone before a slot.
	fn forget_before(&self, zone: ZoneId, slot: Slot) -> Result<(), StoreError>;

	/// Replaces the copy of a zone's meters from the place `from` on.
	fn save_meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
		meters: &[(MeterId, Meter<AccountId>)],
	) -> Result<(), StoreError>;

	/// Remembers when the slots of a zone are.
	fn save_calendar(&self, zone: ZoneId, calendar: &SlotCalendar) -> Result<(), StoreError>;

	/// The copy of the registry, for some zones; `None` if the chain was never read.
	fn load_registry(&self, zones: &[ZoneId]) -> Result<Option<Registry>, StoreError>;

	/// The genesis hash of the chain this folder belongs to; taken from the first call.
	fn bind_to_chain(&self, genesis: H256) -> Result<H256, StoreError>;
}

/// All readings of a slot of the meters in the range, in memory.
///
/// # Errors
/// When the store fails.
pub fn readings(
	store: &dyn Store,
	zone: ZoneId,
	slot: Slot,
	meters: Range<u32>,
) -> Result<Vec<StoredReading>, StoreError> {
	let mut readings = Vec::new();
	store.visit_readings(zone, slot, meters, &mut |reading| readings.push(reading))?;
	Ok(readings)
}
