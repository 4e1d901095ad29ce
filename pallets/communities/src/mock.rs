//! A small chain: the settlement currency and communities. Time, participants, meters and the
//! market are set by the test.

use crate::{self as pallet_communities, *};
use energy_primitives::{
	Balance, CommunityId, Measured, Meter, MeterId, MeterIndex, MeteredEnergy, MeteringStatus,
	Meters, Participants, Quality, Role, SettledPromise, SettledPromises, Slot, SlotCalendar,
	SlotClock, UnsettledSlots, ZoneId, ZonePots, POSITIONS_PER_PAGE, SETTLEMENT_ASSET,
};
use frame_support::{
	assert_ok, derive_impl, parameter_types,
	traits::{
		fungible::{Inspect, InspectHold, ItemOf},
		AsEnsureOriginWithArg, ConstU128, ConstU32, Hooks,
	},
	weights::Weight,
};
use frame_system::{EnsureRoot, EnsureSigned};
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, DispatchResult};
use std::collections::{BTreeMap, BTreeSet};

pub type AccountId = AccountId32;
pub type Currency = ItemOf<AssetsHolder, SettlementAsset, AccountId>;

pub const ZONE: ZoneId = ZoneId(1);
pub const OTHER_ZONE: ZoneId = ZoneId(2);
pub const SLOT_SECONDS: u32 = 60;
/// The slot that is running when a test begins.
pub const NOW: u32 = 100;
/// The first slot that has not begun when a test begins.
pub const SLOT: Slot = Slot(NOW + 1);
pub const NOTICE: u32 = 2;
pub const LAPSE: u32 = 10;
pub const RETENTION: u32 = 5;
pub const PAGE: u32 = 3;
pub const MEMBERS: u32 = 16;
pub const MONEY: Balance = 1_000_000_000;
pub const DEPOSIT: Balance = 10_000_000;
pub const MIN_DEPOSIT: Balance = 1_000_000;
pub const PRICE: u64 = 150_001;
pub const FEE: u64 = 20_001;
pub const UTILITY: u8 = 61;
pub const OTHER_UTILITY: u8 = 62;
pub const MANAGER: u8 = 50;
pub const AGGREGATOR: u8 = 45;
/// The first community of a test.
pub const FIRST: CommunityId = CommunityId(0);

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeTask,
		RuntimeHoldReason,
		RuntimeFreezeReason,
		RuntimeViewFunction
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(2)]
	pub type Assets = pallet_assets;
	#[runtime::pallet_index(3)]
	pub type AssetsHolder = pallet_assets_holder;
	#[runtime::pallet_index(4)]
	pub type Communities = pallet_communities;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlock<Test>;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<1>;
	type AccountStore = System;
}

#[derive_impl(pallet_assets::config_preludes::TestDefaultConfig)]
impl pallet_assets::Config for Test {
	type Balance = Balance;
	type Currency = Balances;
	type CreateOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
	type ForceOrigin = EnsureRoot<AccountId>;
	type Holder = AssetsHolder;
}

impl pallet_assets_holder::Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeEvent = RuntimeEvent;
}

parameter_types! {
	pub const SettlementAsset: u32 = SETTLEMENT_ASSET;
	pub static NowSeconds: u64 = 0;
	/// Slots of which the meters are not final, beside those that have not ended.
	pub static Unmeasured: BTreeSet<Slot> = BTreeSet::new();
	/// Slots that the market has not settled.
	pub static Unsettled: BTreeSet<Slot> = BTreeSet::new();
	pub static Measurements: BTreeMap<(Slot, u32), (u64, u64, Quality)> = BTreeMap::new();
	/// How often a meter was asked for.
	pub static MetersRead: u32 = 0;
	/// What was bought and sold.
	pub static Promises: BTreeMap<(Slot, AccountId), (u64, u64)> = BTreeMap::new();
	pub static Suspended: BTreeSet<AccountId> = BTreeSet::new();
	/// Participants of the benchmarks, and the utilities of their zones.
	pub static Admitted: BTreeMap<AccountId, ZoneId> = BTreeMap::new();
	pub static Utilities: BTreeMap<ZoneId, AccountId> = BTreeMap::new();
}

/// How slots lie in time.
pub fn calendar() -> SlotCalendar {
	SlotCalendar::uniform(SLOT_SECONDS)
}

pub struct TestClock;
impl SlotClock for TestClock {
	fn calendar(_: ZoneId) -> SlotCalendar {
		calendar()
	}
	fn now_seconds() -> u64 {
		NowSeconds::get()
	}
}

fn number(who: &AccountId) -> u8 {
	AsRef::<[u8]>::as_ref(who)[0]
}

/// Accounts 1 to 30 are prosumers of the zone, 31 to 40 of the other one.
pub struct TestParticipants;
impl Participants<AccountId> for TestParticipants {
	fn is_active(who: &AccountId) -> bool {
		!Suspended::get().contains(who) && Self::zone_of(who).is_some()
	}
	fn has_role(who: &AccountId, role: Role) -> bool {
		let is_prosumer = Admitted::get().contains_key(who)
			|| (*who == account(number(who)) && number(who) <= 40);
		Self::is_active(who) && role == Role::Prosumer && is_prosumer
	}
	fn zone_of(who: &AccountId) -> Option<ZoneId> {
		Admitted::get().get(who).copied().or_else(|| {
			if *who != account(number(who)) {
				return None;
			}
			match number(who) {
				1..=30 | AGGREGATOR | MANAGER | UTILITY => Some(ZONE),
				31..=40 | OTHER_UTILITY => Some(OTHER_ZONE),
				_ => None,
			}
		})
	}
	fn zone_exists(zone: ZoneId) -> bool {
		Self::utility_of(zone).is_some()
	}
	fn utility_of(zone: ZoneId) -> Option<AccountId> {
		Utilities::get().get(&zone).cloned()
	}
}

/// Account `n` has the meter `n`; account 9 has the meters 9 and 109; account 20 has none.
pub struct TestMeters;
impl Meters<AccountId> for TestMeters {
	fn meter(_: MeterId) -> Option<Meter<AccountId>> {
		None
	}
	fn meter_at(_: ZoneId, _: MeterIndex) -> Option<(MeterId, Meter<AccountId>)> {
		None
	}
	fn meters_of(owner: &AccountId, _: ZoneId) -> Vec<MeterIndex> {
		let number = number(owner);
		match number {
			9 => vec![MeterIndex(9), MeterIndex(109)],
			20 => vec![],
			_ => vec![MeterIndex(number.into())],
		}
	}
	fn meter_count(_: ZoneId) -> u32 {
		200
	}
}

pub struct TestMetering;
impl MeteredEnergy for TestMetering {
	fn status(_: ZoneId, slot: Slot) -> MeteringStatus {
		let has_ended = calendar().end_seconds(slot) <= NowSeconds::get();
		if has_ended && !Unmeasured::get().contains(&slot) {
			MeteringStatus::Final
		} else {
			MeteringStatus::Pending
		}
	}
	fn measured(_: ZoneId, slot: Slot, meter: MeterIndex) -> Measured {
		MetersRead::mutate(|count| *count += 1);
		let (import_wh, export_wh, quality) = Measurements::get()
			.get(&(slot, meter.0))
			.copied()
			.unwrap_or((0, 0, Quality::Estimated));
		Measured { import_wh, export_wh, quality }
	}
	/// Each meter has a page of its own.
	fn measured_all(zone: ZoneId, slot: Slot, meters: &[MeterIndex]) -> (Vec<Measured>, u32) {
		let measured = meters.iter().map(|meter| Self::measured(zone, slot, *meter)).collect();
		(measured, meters.len() as u32)
	}
}

pub struct TestMarket;
impl UnsettledSlots for TestMarket {
	fn is_unsettled(_: ZoneId, slot: Slot) -> bool {
		Unsettled::get().contains(&slot)
	}
}
impl SettledPromises<AccountId> for TestMarket {
	fn promises(_: ZoneId, slot: Slot, page: u32) -> Vec<SettledPromise<AccountId>> {
		Promises::get()
			.into_iter()
			.filter(|((of, _), _)| *of == slot)
			.map(|((_, account), (bought_wh, sold_wh))| SettledPromise {
				account,
				bought_wh,
				sold_wh,
			})
			.skip((page * POSITIONS_PER_PAGE) as usize)
			.take(POSITIONS_PER_PAGE as usize)
			.collect()
	}
}

pub struct TestPots;
impl ZonePots<AccountId> for TestPots {
	fn fees(zone: ZoneId) -> AccountId {
		account(100 + zone.0 as u8)
	}
	fn imbalance(zone: ZoneId) -> AccountId {
		account(110 + zone.0 as u8)
	}
}

impl pallet_communities::Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Currency;
	type Participants = TestParticipants;
	type Meters = TestMeters;
	type Metering = TestMetering;
	type Market = TestMarket;
	type Promises = TestMarket;
	type Pots = TestPots;
	type Clock = TestClock;
	type GovernanceOrigin = EnsureRoot<AccountId>;
	type MaxMembers = ConstU32<MEMBERS>;
	type MaxCommunities = ConstU32<3>;
	type MaxZones = ConstU32<2>;
	type PageSize = ConstU32<PAGE>;
	type MaxMetersPerOwner = ConstU32<2>;
	type EstimateLookback = ConstU32<1>;
	type MinDeposit = ConstU128<MIN_DEPOSIT>;
	type NoticeSlots = ConstU32<NOTICE>;
	type LapseSlots = ConstU32<LAPSE>;
	type RetentionSlots = ConstU32<RETENTION>;
	type WeightInfo = crate::weights::ReckonedWeight<Test>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = TestBenchmarkHelper;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct TestBenchmarkHelper;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for TestBenchmarkHelper {
	fn open_zone(zone: ZoneId, utility: &AccountId) {
		Utilities::mutate(|utilities| utilities.insert(zone, utility.clone()));
		Admitted::mutate(|admitted| admitted.insert(utility.clone(), zone));
	}

	fn admit(zone: ZoneId, who: &AccountId) {
		Admitted::mutate(|admitted| admitted.insert(who.clone(), zone));
	}

	fn fund(who: &AccountId, amount: Balance) {
		use frame_support::traits::fungible::Mutate;
		ItemOf::<Assets, SettlementAsset, AccountId>::mint_into(who, amount)
			.expect("the asset is there");
	}

	fn measure(zone: ZoneId, slot: Slot, accounts: &[AccountId]) {
		for who in accounts {
			for meter in TestMeters::meters_of(who, zone) {
				let value = (1_000, 0, Quality::Estimated);
				Measurements::mutate(|all| all.insert((slot, meter.0), value));
			}
			Promises::mutate(|all| all.insert((slot, who.clone()), (1, 0)));
		}
	}

	fn set_now_seconds(seconds: u64) {
		NowSeconds::set(seconds);
	}
}

pub const fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
}

/// Builds the chain at block 1, in the middle of the slot [`NOW`].
pub fn chain() -> sp_io::TestExternalities {
	begin(Slot(NOW));
	NowSeconds::mutate(|now| *now += 30);
	Unmeasured::set(BTreeSet::new());
	Unsettled::set(BTreeSet::new());
	Measurements::set(BTreeMap::new());
	MetersRead::set(0);
	Promises::set(BTreeMap::new());
	Suspended::set(BTreeSet::new());
	Admitted::set(BTreeMap::new());
	Utilities::set([(ZONE, account(UTILITY)), (OTHER_ZONE, account(OTHER_UTILITY))].into());
	let mut storage =
		frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis");
	pallet_assets::GenesisConfig::<Test> {
		assets: vec![(SETTLEMENT_ASSET, account(99), true, 1)],
		accounts: (1..=62).map(|number| (SETTLEMENT_ASSET, account(number), MONEY)).collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("genesis");
	let mut chain = sp_io::TestExternalities::new(storage);
	chain.execute_with(|| System::set_block_number(1));
	chain
}

/// Builds the chain, runs the test, and checks the invariants and the sum of all money afterwards.
pub fn run(test: impl FnOnce()) {
	chain().execute_with(|| {
		test();
		check();
	});
}

/// The invariants hold, and no money has appeared or vanished.
pub fn check() {
	Pallet::<Test>::do_try_state().expect("the invariants hold");
	let pots = [ZONE, OTHER_ZONE].map(|zone| [TestPots::fees(zone), TestPots::imbalance(zone)]);
	let all = (1..=62).map(account).chain(pots.into_iter().flatten());
	let money: Balance = all.map(|who| Currency::total_balance(&who)).sum();
	assert_eq!(money, 62 * MONEY, "no money appears or vanishes");
}

/// The first second of a slot.
pub fn begin(slot: Slot) {
	NowSeconds::set(calendar().start_seconds(slot));
}

pub fn signed(who: u8) -> RuntimeOrigin {
	RuntimeOrigin::signed(account(who))
}

pub fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

/// What an account can spend.
pub fn free(who: u8) -> Balance {
	Currency::balance(&account(who))
}

pub fn held(who: u8) -> Balance {
	Currency::balance_on_hold(&HoldReason::Community.into(), &account(who))
}

/// Free and held money of an account.
pub fn wealth(who: u8) -> Balance {
	Currency::total_balance(&account(who))
}

pub fn fees() -> Balance {
	Currency::balance(&TestPots::fees(ZONE))
}

pub fn imbalance() -> Balance {
	Currency::balance(&TestPots::imbalance(ZONE))
}

/// A community of the zone, from the next slot on.
pub fn create(method: Method) -> CommunityId {
	create_in(ZONE, UTILITY, MANAGER, method)
}

pub fn create_in(zone: ZoneId, utility: u8, manager: u8, method: Method) -> CommunityId {
	let id = NextCommunity::<Test>::get();
	let (manager, next) = (account(manager), Communities::first_open(zone));
	assert_ok!(Communities::create(signed(utility), zone, manager, method, PRICE, FEE, next));
	id
}

pub fn invite(id: CommunityId, who: u8, key_ppm: u32) -> DispatchResult {
	let manager = CommunityOf::<Test>::get(id).expect("known").manager;
	Communities::invite(RuntimeOrigin::signed(manager), id, account(who), key_ppm)
}

/// Invites and joins with a deposit of [`DEPOSIT`] and no other limit.
pub fn join(id: CommunityId, who: u8, key_ppm: u32) {
	join_with(id, who, key_ppm, Balance::MAX, DEPOSIT);
}

pub fn join_with(id: CommunityId, who: u8, key_ppm: u32, limit: Balance, deposit: Balance) {
	assert_ok!(invite(id, who, key_ppm));
	assert_ok!(Communities::join(signed(who), id, key_ppm, limit, deposit));
}

pub fn reads(slot: Slot, meter: u8, import_wh: u64, export_wh: u64) {
	let value = (import_wh, export_wh, Quality::Valid);
	Measurements::mutate(|all| all.insert((slot, meter.into()), value));
}

pub fn promises(slot: Slot, who: u8, bought_wh: u64, sold_wh: u64) {
	Promises::mutate(|all| all.insert((slot, account(who)), (bought_wh, sold_wh)));
}

pub fn suspend(who: u8) {
	Suspended::mutate(|suspended| suspended.insert(account(who)));
}

pub fn idle(weight: Weight) -> Weight {
	Communities::on_idle(System::block_number(), weight)
}

/// Lets the slot end and the idle time of a block do all its work.
pub fn finish(slot: Slot) {
	let end = calendar().end_seconds(slot);
	NowSeconds::mutate(|now| *now = end.max(*now));
	idle(Weight::MAX);
}

pub fn share_of(slot: Slot, who: u8) -> Option<Share> {
	Communities::share_of(FIRST, slot, &account(who))
}

/// What an account gave and took.
pub fn energies(slot: Slot, who: u8) -> (u64, u64) {
	share_of(slot, who).map_or((0, 0), |share| (share.given_wh, share.taken_wh))
}

/// The events of the pallet that satisfy the condition.
pub fn events(condition: impl Fn(&Event<Test>) -> bool) -> Vec<Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Communities(event) if condition(&event) => Some(event),
			_ => None,
		})
		.collect()
}
