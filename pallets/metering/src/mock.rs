//! A runtime for the tests, with participants, meters and a clock that the tests set by hand, and
//! devices that sign.

use crate::{self as pallet_metering, *};
use ed25519_dalek::Signer as _;
use energy_primitives::{
	merkle, Meter, MeterId, MeterIndex, MeterValue, Quality, Role, Slot, SlotCalendar, ZoneId,
};
use frame_support::{
	derive_impl, parameter_types,
	traits::{ConstU32, Hooks},
	weights::Weight,
};
use frame_system::EnsureRoot;
use sp_core::H256;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use std::{
	collections::{BTreeMap, BTreeSet},
	sync::OnceLock,
};
use wia_ene_014::canonical::{
	signing_bytes, CanonicalInterval, CanonicalMessage, DeviceKey, DeviceSignature, SignedMessage,
};

pub type AccountId = AccountId32;

pub const ZONE: ZoneId = ZoneId(1);
pub const EMPTY_ZONE: ZoneId = ZoneId(2);
pub const ORACLE_1: AccountId = AccountId::new([1; 32]);
pub const ORACLE_2: AccountId = AccountId::new([2; 32]);
pub const ORACLE_3: AccountId = AccountId::new([3; 32]);
/// An oracle that is in no group.
pub const ORACLE_4: AccountId = AccountId::new([4; 32]);
pub const ALICE: AccountId = AccountId::new([10; 32]);
pub const STRANGER: AccountId = AccountId::new([99; 32]);

pub const SLOT_SECONDS: u32 = 900;
pub const SLOT: Slot = Slot(1_000);
/// One meter more than fits on a page.
pub const METERS: u32 = 257;
pub const DISPUTE: u64 = 1_800;
pub const DEADLINE: u64 = 3_600;
pub const RETENTION: u32 = 20;
pub const LOOKBACK: u32 = 3;

pub fn end(slot: Slot) -> u64 {
	calendar().end_seconds(slot)
}

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Metering = pallet_metering;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlock<Test>;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
}

parameter_types! {
	pub static Now: u64 = 0;
	pub static Oracles: BTreeSet<AccountId> = Default::default();
	pub static Active: BTreeSet<AccountId> = Default::default();
	pub static Registered: BTreeMap<ZoneId, Vec<(MeterId, DeviceKey)>> = Default::default();
	pub static PreviousKeys: BTreeMap<MeterId, DeviceKey> = Default::default();
	pub static Unsettled: BTreeSet<(ZoneId, Slot)> = Default::default();
}

pub struct MockParticipants;

impl energy_primitives::Participants<AccountId> for MockParticipants {
	fn is_active(who: &AccountId) -> bool {
		Active::get().contains(who)
	}

	fn has_role(who: &AccountId, role: Role) -> bool {
		Self::is_active(who) && role == Role::Oracle && Oracles::get().contains(who)
	}

	fn zone_of(who: &AccountId) -> Option<ZoneId> {
		Self::is_active(who).then_some(ZONE)
	}

	fn zone_exists(zone: ZoneId) -> bool {
		Registered::get().contains_key(&zone)
	}

	fn utility_of(_: ZoneId) -> Option<AccountId> {
		None
	}
}

pub struct MockMeters;

impl energy_primitives::Meters<AccountId> for MockMeters {
	fn meter(_: MeterId) -> Option<Meter<AccountId>> {
		None
	}

	fn meter_at(zone: ZoneId, index: MeterIndex) -> Option<(MeterId, Meter<AccountId>)> {
		let (id, key) = *Registered::get().get(&zone)?.get(index.0 as usize)?;
		Some((id, Meter { owner: ALICE, zone, index, key, rated_power_w: 10_000 }))
	}

	fn meters_of(_: &AccountId, _: ZoneId) -> Vec<MeterIndex> {
		vec![]
	}

	fn meter_count(zone: ZoneId) -> u32 {
		Registered::get().get(&zone).map_or(0, |meters| meters.len() as u32)
	}

	fn previous_key(id: MeterId) -> Option<DeviceKey> {
		PreviousKeys::get().get(&id).copied()
	}
}

/// How slots lie in time.
pub fn calendar() -> SlotCalendar {
	SlotCalendar::uniform(SLOT_SECONDS)
}

pub struct MockClock;

impl energy_primitives::SlotClock for MockClock {
	fn calendar(_: ZoneId) -> SlotCalendar {
		calendar()
	}

	fn now_seconds() -> u64 {
		Now::get()
	}
}

pub struct MockMarket;

impl energy_primitives::UnsettledSlots for MockMarket {
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool {
		Unsettled::get().contains(&(zone, slot))
	}
}

impl Config for Test {
	type GovernanceOrigin = EnsureRoot<AccountId>;
	type Participants = MockParticipants;
	type Meters = MockMeters;
	type Clock = MockClock;
	type Market = MockMarket;
	type MaxOracles = ConstU32<4>;
	type MaxEvidence = ConstU32<4>;
	type EstimateLookback = ConstU32<LOOKBACK>;
	type RetentionSlots = ConstU32<RETENTION>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = MockBenchmarkHelper;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct MockBenchmarkHelper;

#[cfg(feature = "runtime-benchmarks")]
impl BenchmarkHelper<AccountId> for MockBenchmarkHelper {
	fn open_zone(zone: ZoneId) {
		Registered::mutate(|zones| zones.insert(zone, vec![]));
	}

	fn admit_oracle(_: ZoneId, who: &AccountId) {
		Oracles::mutate(|oracles| oracles.insert(who.clone()));
		Active::mutate(|active| active.insert(who.clone()));
	}

	fn register_meter(zone: ZoneId, id: MeterId, key: DeviceKey) {
		Registered::mutate(|zones| zones.entry(zone).or_default().push((id, key)));
	}

	fn set_now_seconds(seconds: u64) {
		Now::set(seconds);
	}
}

/// Begins at the end of [`SLOT`], with [`METERS`] meters in [`ZONE`], none in [`EMPTY_ZONE`], and
/// two of three oracles needed in both.
pub struct ExtBuilder {
	meters: u32,
	genesis: GenesisConfig<Test>,
}

impl Default for ExtBuilder {
	fn default() -> Self {
		let group = vec![ORACLE_1, ORACLE_2, ORACLE_3];
		let genesis = GenesisConfig {
			groups: vec![(ZONE, group.clone(), 2), (EMPTY_ZONE, group, 2)],
			parameters: Parameters {
				dispute_seconds: DISPUTE as u32,
				deadline_seconds: DEADLINE as u32,
			},
		};
		Self { meters: METERS, genesis }
	}
}

impl ExtBuilder {
	/// One page is enough.
	pub fn with_meters(mut self, meters: u32) -> Self {
		self.meters = meters;
		self
	}

	pub fn with_genesis(mut self, change: impl FnOnce(&mut GenesisConfig<Test>)) -> Self {
		change(&mut self.genesis);
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		let oracles = BTreeSet::from([ORACLE_1, ORACLE_2, ORACLE_3, ORACLE_4]);
		Active::set(oracles.iter().cloned().chain([ALICE]).collect());
		Oracles::set(oracles);
		let meters = (0..self.meters).map(|index| (id(index), key(index))).collect();
		Registered::set(BTreeMap::from([(ZONE, meters), (EMPTY_ZONE, vec![])]));
		PreviousKeys::set(Default::default());
		Unsettled::set(Default::default());
		Now::set(end(SLOT));
		let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
		self.genesis.assimilate_storage(&mut storage).unwrap();
		let mut externalities = sp_io::TestExternalities::from(storage);
		externalities.execute_with(|| System::set_block_number(1));
		externalities
	}

	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			Metering::do_try_state().unwrap();
		});
	}
}

/// The key of a meter. Kept, because a key takes a while to compute.
fn key(index: u32) -> DeviceKey {
	static KEYS: OnceLock<Vec<DeviceKey>> = OnceLock::new();
	let all = || (0..METERS).map(|index| device(index).key()).collect();
	KEYS.get_or_init(all)[index as usize]
}

pub fn id(index: u32) -> MeterId {
	MeterId(sp_io::hashing::blake2_256(&index.to_le_bytes()))
}

/// A meter's signing half.
pub enum Device {
	Ed25519(ed25519_dalek::SigningKey),
	P256(p256::ecdsa::SigningKey),
}

/// The device of a meter. Odd meters sign with P-256.
pub fn device(index: u32) -> Device {
	let seed = sp_io::hashing::blake2_256(&[&b"device"[..], &index.to_le_bytes()].concat());
	if index.is_multiple_of(2) {
		Device::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
	} else {
		Device::P256(p256::ecdsa::SigningKey::from_slice(&seed).unwrap())
	}
}

impl Device {
	pub fn key(&self) -> DeviceKey {
		match self {
			Self::Ed25519(key) => DeviceKey::Ed25519(key.verifying_key().to_bytes()),
			Self::P256(key) => {
				let point = key.verifying_key().to_encoded_point(true);
				DeviceKey::P256(point.as_bytes().try_into().unwrap())
			}
		}
	}

	pub fn sign(&self, message: CanonicalMessage) -> SignedMessage {
		let bytes = signing_bytes(&message);
		let signature = match self {
			Self::Ed25519(key) => DeviceSignature::Ed25519(key.sign(&bytes).to_bytes()),
			Self::P256(key) => {
				let signature: p256::ecdsa::Signature =
					p256::ecdsa::signature::Signer::sign(key, &bytes);
				DeviceSignature::P256(signature.to_bytes().into()).normalized()
			}
		};
		SignedMessage { message, signature }
	}
}

/// An interval that begins `offset` seconds after the slot and was measured well.
pub fn interval(offset: u64, seconds: u32, import_wh: u64, export_wh: u64) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds: calendar().start_seconds(SLOT) + offset,
		duration_seconds: seconds,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	}
}

pub fn message(meter: u32, intervals: Vec<CanonicalInterval>) -> CanonicalMessage {
	CanonicalMessage {
		meter_id: id(meter).0,
		timestamp_seconds: end(SLOT),
		intervals,
		consumption_wh: None,
		generation_wh: None,
		storage_wh: None,
		quality: Quality::Valid,
	}
}

/// The signed readings behind a page.
pub struct Readings(pub Vec<SignedMessage>);

impl Readings {
	fn leaves(&self) -> Vec<Vec<u8>> {
		self.0.iter().map(SignedMessage::leaf_bytes).collect()
	}

	pub fn root(&self) -> H256 {
		merkle::root(&self.leaves())
	}

	pub fn count(&self) -> u32 {
		self.0.len() as u32
	}

	/// The evidence that these of the readings are.
	pub fn evidence(&self, which: &[u32]) -> Vec<Evidence> {
		which
			.iter()
			.map(|index| Evidence {
				message: self.0[*index as usize].clone(),
				path: merkle::path(&self.leaves(), *index).unwrap(),
			})
			.collect()
	}
}

pub fn line(meter: u32, import_wh: u64, export_wh: u64) -> MeterValue {
	MeterValue { meter, import_wh, export_wh, quality: Quality::Valid }
}

/// The lines that most tests attest: of the first three meters.
pub fn lines() -> Vec<MeterValue> {
	vec![line(0, 100, 0), line(1, 200, 20), line(2, 300, 0)]
}

pub fn attest(
	oracle: AccountId,
	slot: Slot,
	page: u32,
	values: Vec<MeterValue>,
) -> sp_runtime::DispatchResult {
	Metering::attest(
		RuntimeOrigin::signed(oracle),
		ZONE,
		slot,
		page,
		values.try_into().unwrap(),
		H256::repeat_byte(1),
		7,
	)
}

/// Two oracles agree, which makes the page final.
pub fn finalise(slot: Slot, page: u32, values: Vec<MeterValue>) {
	attest(ORACLE_1, slot, page, values.clone()).unwrap();
	attest(ORACLE_2, slot, page, values).unwrap();
}

/// Makes both pages of a slot final.
pub fn measure(slot: Slot, values: Vec<MeterValue>) {
	finalise(slot, 0, values);
	finalise(slot, 1, vec![line(256, 1, 0)]);
}

/// A block with so much weight to spare.
pub fn idle(weight: Weight) -> Weight {
	<Metering as Hooks<u64>>::on_idle(1, weight)
}
