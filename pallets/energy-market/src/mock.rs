//! A small chain: balances, the settlement currency, and the market. Time, participants and the
//! reaction of settlement are set by the test.

use crate as pallet_energy_market;
use crate::{Accounts, Pallet};
use energy_primitives::{
	Balance, CommunityId, CommunityMembers, ImbalancePricing, MarketTerms, OnCleared, Participants,
	Role, Side, Slot, ZoneId, SETTLEMENT_ASSET,
};
use frame_support::{
	derive_impl, parameter_types,
	traits::{
		fungible::ItemOf, AsEnsureOriginWithArg, ConstU128, ConstU16, ConstU32, Get, Hooks,
		UnixTime,
	},
	weights::Weight,
	PalletId,
};
use frame_system::{EnsureRoot, EnsureSigned};
use sp_core::H160;
use sp_runtime::{AccountId32, BuildStorage, DispatchError, DispatchResult};
use std::{collections::BTreeMap, time::Duration};

pub type AccountId = AccountId32;

pub const ZONE: ZoneId = ZoneId(1);
/// A zone without terms.
pub const BARE_ZONE: ZoneId = ZoneId(2);
pub const SLOT_SECONDS: u32 = 60;
pub const NOW: u64 = 6_000;
/// The slot after the present one; its gate closes at 6,050.
pub const SLOT: Slot = Slot(101);
pub const MONEY: Balance = 1_000_000_000;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeTask,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeViewFunction
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(2)]
	pub type Assets = pallet_assets;
	#[runtime::pallet_index(4)]
	pub type EnergyMarket = pallet_energy_market;
}

type Block = frame_system::mocking::MockBlock<Test>;

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountId = AccountId;
	type Lookup = sp_runtime::traits::IdentityLookup<AccountId>;
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
}

parameter_types! {
	pub const TestPalletId: PalletId = PalletId(*b"en/markt");
	pub const SettlementAsset: u32 = SETTLEMENT_ASSET;
	pub static NowSeconds: u64 = NOW;
	pub static SettlementTakesMore: bool = true;
	pub static ClearedSlots: Vec<(ZoneId, Slot, u32)> = Vec::new();
	pub static Admitted: BTreeMap<AccountId, (ZoneId, Role)> = BTreeMap::new();
}

pub struct TestTime;
impl UnixTime for TestTime {
	fn now() -> Duration {
		Duration::from_secs(NowSeconds::get())
	}
}

/// Accounts 1 to 49 are prosumers of `ZONE`; see the functions for the others, and `Admitted` for
/// those of the benchmarks.
pub struct TestParticipants;
impl Participants<AccountId> for TestParticipants {
	fn is_active(who: &AccountId) -> bool {
		*who != suspended()
	}
	fn has_role(who: &AccountId, role: Role) -> bool {
		if let Some((_, admitted)) = Admitted::get().get(who) {
			return *admitted == role;
		}
		Self::is_active(who)
			&& match role {
				Role::Prosumer => *who < account(50),
				Role::Utility => *who == utility(),
				Role::Regulator => *who == regulator(),
				_ => false,
			}
	}
	fn zone_of(who: &AccountId) -> Option<ZoneId> {
		if let Some((zone, _)) = Admitted::get().get(who) {
			return Some(*zone);
		}
		Some(if *who == elsewhere() { BARE_ZONE } else { ZONE })
	}
	fn zone_exists(zone: ZoneId) -> bool {
		[ZONE, BARE_ZONE].contains(&zone)
			|| Admitted::get().values().any(|(admitted, _)| *admitted == zone)
	}
	fn utility_of(zone: ZoneId) -> Option<AccountId> {
		Admitted::get()
			.into_iter()
			.find(|(_, admission)| *admission == (zone, Role::Utility))
			.map(|(who, _)| who)
			.or_else(|| (zone == ZONE).then(utility))
	}
}

/// Accounts 1 and 2 are the members of community 1.
pub struct TestCommunities;
impl CommunityMembers<AccountId> for TestCommunities {
	fn is_member(community: CommunityId, who: &AccountId) -> bool {
		community == CommunityId(1) && [account(1), account(2)].contains(who)
	}
}

pub struct TestSettlement;
impl OnCleared for TestSettlement {
	fn on_cleared(zone: ZoneId, slot: Slot, positions: u32) -> DispatchResult {
		if !SettlementTakesMore::get() {
			return Err(DispatchError::Exhausted);
		}
		ClearedSlots::mutate(|slots| slots.push((zone, slot, positions)));
		Ok(())
	}

	fn on_annulled(zone: ZoneId, slot: Slot) -> DispatchResult {
		if !SettlementTakesMore::get() {
			return Err(DispatchError::Exhausted);
		}
		ClearedSlots::mutate(|slots| {
			slots.retain(|cleared| (cleared.0, cleared.1) != (zone, slot))
		});
		Ok(())
	}
}

impl pallet_energy_market::Config for Test {
	type Currency = ItemOf<Assets, SettlementAsset, AccountId>;
	type Participants = TestParticipants;
	type Communities = TestCommunities;
	type OnCleared = TestSettlement;
	type Time = TestTime;
	type GovernanceOrigin = EnsureRoot<AccountId>;
	type MaxTicks = ConstU16<200>;
	type MaxOrdersPerSlot = ConstU32<100>;
	type MaxSlotsAhead = ConstU32<10>;
	type MaxOpenBooks = ConstU32<3>;
	type RetentionSlots = ConstU32<5>;
	type MaxBatch = ConstU32<8>;
	type MaxSpecialOrders = ConstU32<3>;
	type MaxStandingOrders = ConstU32<4>;
	type MaxStandingOrdersPerAccount = ConstU32<2>;
	type MaxOffersPerAccount = ConstU32<2>;
	type PalletId = TestPalletId;
	type WeightInfo = crate::weights::ReckonedWeight<Test>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = TestBenchmarkHelper;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct TestBenchmarkHelper;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for TestBenchmarkHelper {
	fn open_zone(zone: ZoneId, utility: &AccountId) {
		Admitted::mutate(|admitted| admitted.insert(utility.clone(), (zone, Role::Utility)));
	}

	fn admit_regulator(zone: ZoneId, who: &AccountId) {
		Admitted::mutate(|admitted| admitted.insert(who.clone(), (zone, Role::Regulator)));
	}

	fn fund(who: &AccountId, amount: Balance) {
		use frame_support::traits::fungible::Mutate;
		ItemOf::<Assets, SettlementAsset, AccountId>::mint_into(who, amount)
			.expect("the asset is there");
	}

	fn set_now_seconds(seconds: u64) {
		NowSeconds::set(seconds);
	}
}

pub fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
}
pub fn regulator() -> AccountId {
	account(60)
}
pub fn utility() -> AccountId {
	account(61)
}
/// A prosumer of `BARE_ZONE`.
pub fn elsewhere() -> AccountId {
	account(40)
}
pub fn suspended() -> AccountId {
	account(41)
}
/// A prosumer without money.
pub fn penniless() -> AccountId {
	account(42)
}

/// Prices from 0.05 to 0.50 in steps of 0.01 per kWh.
pub fn terms() -> MarketTerms {
	MarketTerms {
		gate_closure_seconds: 10,
		price_floor: 50_000,
		tick_size: 10_000,
		tick_count: 46,
		max_order_wh: 1_000_000,
		grid_fee: 3_001,
		grid_fee_ppm: 0,
		bond_ppm: 1_000_000,
		tolerance_ppm: 0,
		imbalance_pricing: ImbalancePricing::Dual,
		shortage_price: 600_000,
		surplus_price: 20_000,
		policy: Some(H160::repeat_byte(7)),
	}
}

/// Builds the chain at block 1.
pub fn chain() -> sp_io::TestExternalities {
	NowSeconds::set(NOW);
	SettlementTakesMore::set(true);
	ClearedSlots::set(Vec::new());
	Admitted::set(BTreeMap::new());
	let mut storage =
		frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis");
	pallet_assets::GenesisConfig::<Test> {
		assets: vec![(SETTLEMENT_ASSET, account(99), true, 1)],
		accounts: (1..=41).map(|number| (SETTLEMENT_ASSET, account(number), MONEY)).collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("genesis");
	pallet_energy_market::GenesisConfig::<Test> {
		slot_seconds: SLOT_SECONDS,
		terms: vec![(ZONE, terms())],
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("genesis");
	let mut chain = sp_io::TestExternalities::new(storage);
	chain.execute_with(|| System::set_block_number(1));
	chain
}

/// Builds the chain, runs the test, and checks the invariants afterwards.
pub fn run(test: impl FnOnce()) {
	chain().execute_with(|| {
		test();
		Pallet::<Test>::do_try_state().expect("the invariants hold");
	});
}

pub fn place(who: u8, side: Side, price: u64, energy_wh: u64) -> DispatchResult {
	EnergyMarket::place(RuntimeOrigin::signed(account(who)), ZONE, SLOT, side, price, energy_wh)
}

pub fn held(who: u8) -> Balance {
	Accounts::<Test>::get(account(who)).committed
}

pub fn idle(weight: Weight) -> Weight {
	EnergyMarket::on_idle(System::block_number(), weight)
}

/// Lets the gate of `SLOT` close and the blocks' idle time do its work.
pub fn clear() {
	NowSeconds::set(6_050);
	idle(Weight::MAX);
}

pub fn block_weight() -> Weight {
	<<Test as frame_system::Config>::BlockWeights as Get<frame_system::limits::BlockWeights>>::get()
		.max_block
}
