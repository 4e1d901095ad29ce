//! A small chain: the settlement currency, the real market, and settlement. Time, meters and the
//! policy contract are set by the test.

use crate as pallet_settlement;
use crate::{Pallet, Pot};
use energy_market_core::imbalance;
use energy_primitives::{
	Balance, CashFlow, ImbalancePricing, MarketTerms, Measured, Meter, MeterId, MeterIndex,
	MeteredEnergy, MeteringStatus, Meters, Participants, PolicyAnswer, PolicyContext, PolicyError,
	PolicyQuestion, Quality, Role, SettlementPolicy, Side, Slot, ZoneId, SETTLEMENT_ASSET,
};
use frame_support::{
	assert_ok, derive_impl, parameter_types,
	traits::{
		fungible::ItemOf, AsEnsureOriginWithArg, ConstU128, ConstU16, ConstU32, Hooks, UnixTime,
	},
	weights::Weight,
	PalletId,
};
use frame_system::{EnsureRoot, EnsureSigned};
use sp_core::H160;
use sp_runtime::{AccountId32, BuildStorage};
use std::{collections::BTreeMap, time::Duration};

pub type AccountId = AccountId32;

pub const ZONE: ZoneId = ZoneId(1);
pub const NOW: u64 = 6_000;
pub const SLOT: Slot = Slot(101);
pub const MONEY: Balance = 1_000_000_000;
pub const POT: Balance = 500_000_000;
pub const ALL_MONEY: Balance = 80 * MONEY + POT;

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
	#[runtime::pallet_index(4)]
	pub type EnergyMarket = pallet_energy_market;
	#[runtime::pallet_index(5)]
	pub type Settlement = pallet_settlement;
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

/// How the policy contract behaves.
#[derive(Clone, Copy)]
pub enum Behaviour {
	Honest,
	Fails,
	Unreadable,
	OneFlowTooFew,
	/// Adds to the energy flow of the first seller that it is asked about.
	AddsEnergy(i128),
	/// Adds to the imbalance flow of each net buyer.
	AddsImbalance(i128),
	/// Adds to everyone's grid fee.
	AddsFee(u128),
}

parameter_types! {
	pub const SettlementAsset: u32 = SETTLEMENT_ASSET;
	pub const MarketPalletId: PalletId = PalletId(*b"en/markt");
	pub const TestPalletId: PalletId = PalletId(*b"en/setlm");
	pub const TestPolicyWeight: Weight = Weight::from_parts(1_000_000_000, 10_000);
	pub static NowSeconds: u64 = NOW;
	pub static MetersAreFinal: bool = true;
	pub static Readings: BTreeMap<u8, (u64, u64, Quality)> = BTreeMap::new();
	pub static Policy: Behaviour = Behaviour::Honest;
	pub static PolicyCalls: Vec<usize> = Vec::new();
	pub static Utilities: BTreeMap<ZoneId, AccountId> = BTreeMap::new();
}

pub struct TestTime;
impl UnixTime for TestTime {
	fn now() -> Duration {
		Duration::from_secs(NowSeconds::get())
	}
}

/// Everybody is a prosumer of every zone; account 61 is the utility. The zones of the benchmarks
/// have the utilities that `Utilities` says.
pub struct TestParticipants;
impl Participants<AccountId> for TestParticipants {
	fn is_active(who: &AccountId) -> bool {
		*who != account(62)
	}
	fn has_role(_: &AccountId, role: Role) -> bool {
		role == Role::Prosumer
	}
	fn zone_of(_: &AccountId) -> Option<ZoneId> {
		Some(ZONE)
	}
	fn zone_exists(_: ZoneId) -> bool {
		true
	}
	fn utility_of(zone: ZoneId) -> Option<AccountId> {
		let of_benchmark = Utilities::get().get(&zone).cloned();
		of_benchmark.or_else(|| Some(account(if zone == ZONE { 61 } else { 62 })))
	}
}

/// Account `n` has the meter `n`; account 9 has the meters 9 and 10; account 20 has none.
pub struct TestMeters;
impl Meters<AccountId> for TestMeters {
	fn meter(_: MeterId) -> Option<Meter<AccountId>> {
		None
	}
	fn meter_at(_: ZoneId, _: MeterIndex) -> Option<(MeterId, Meter<AccountId>)> {
		None
	}
	fn meters_of(owner: &AccountId, _: ZoneId) -> Vec<MeterIndex> {
		let number = u32::from(AsRef::<[u8]>::as_ref(owner)[0]);
		match number {
			9 => vec![MeterIndex(9), MeterIndex(10)],
			20 => vec![],
			_ => vec![MeterIndex(number)],
		}
	}
	fn meter_count(_: ZoneId) -> u32 {
		100
	}
}

pub struct TestMetering;
impl MeteredEnergy for TestMetering {
	fn status(_: ZoneId, _: Slot) -> MeteringStatus {
		if MetersAreFinal::get() {
			MeteringStatus::Final
		} else {
			MeteringStatus::Pending
		}
	}
	fn measured(_: ZoneId, _: Slot, meter: MeterIndex) -> Measured {
		let (import_wh, export_wh, quality) =
			Readings::get().get(&(meter.0 as u8)).copied().unwrap_or((0, 0, Quality::Estimated));
		Measured { import_wh, export_wh, quality }
	}
	fn measured_all(zone: ZoneId, slot: Slot, meters: &[MeterIndex]) -> (Vec<Measured>, u32) {
		(meters.iter().map(|meter| Self::measured(zone, slot, *meter)).collect(), 1)
	}
}

/// What the contract `p2p-settlement` answers, from the arithmetic of the core.
pub fn honest_flow(
	terms: &MarketTerms,
	context: &PolicyContext,
	question: &PolicyQuestion,
) -> CashFlow {
	let PolicyQuestion { promise, import_wh, export_wh, held } = *question;
	let signed = |amount: u128| i128::try_from(amount).unwrap();
	let energy = signed(promise.receivable) - signed(promise.payable);
	let grid_fee = terms.grid_fee_of(promise.bought_wh, promise.payable);
	let owed = imbalance(&terms.imbalance_terms(context), &promise, import_wh, export_wh).unwrap();
	let most = signed(held) + energy - signed(grid_fee);
	CashFlow { energy, imbalance: owed.max(-most.max(0)), grid_fee }
}

pub struct TestPolicy;
impl SettlementPolicy for TestPolicy {
	fn cash_flows(
		_: H160,
		terms: &MarketTerms,
		context: &PolicyContext,
		page: &[PolicyQuestion],
	) -> PolicyAnswer {
		PolicyCalls::mutate(|calls| calls.push(page.len()));
		let consumed = TestPolicyWeight::get();
		let mut flows: Vec<_> =
			page.iter().map(|question| honest_flow(terms, context, question)).collect();
		match Policy::get() {
			Behaviour::Honest => {}
			Behaviour::Fails => return PolicyAnswer { flows: Err(PolicyError::Failed), consumed },
			Behaviour::Unreadable => {
				return PolicyAnswer { flows: Err(PolicyError::Unreadable), consumed }
			}
			Behaviour::OneFlowTooFew => drop(flows.pop()),
			Behaviour::AddsEnergy(amount) => {
				let seller = page.iter().position(|question| question.promise.sold_wh > 0);
				seller.into_iter().for_each(|seller| flows[seller].energy += amount)
			}
			Behaviour::AddsImbalance(amount) => page
				.iter()
				.zip(&mut flows)
				.filter(|(question, _)| question.promise.bought_wh > 0)
				.for_each(|(_, flow)| flow.imbalance += amount),
			Behaviour::AddsFee(amount) => flows.iter_mut().for_each(|flow| flow.grid_fee += amount),
		}
		PolicyAnswer { flows: Ok(flows), consumed }
	}
}

impl pallet_energy_market::Config for Test {
	type Currency = ItemOf<Assets, SettlementAsset, AccountId>;
	type Participants = TestParticipants;
	type Communities = ();
	type OnCleared = Settlement;
	type Time = TestTime;
	type GovernanceOrigin = EnsureRoot<AccountId>;
	type MaxTicks = ConstU16<200>;
	type MaxOrdersPerSlot = ConstU32<100>;
	type MaxSlotsAhead = ConstU32<10>;
	type MaxOpenBooks = ConstU32<8>;
	type RetentionSlots = ConstU32<5>;
	type MaxBatch = ConstU32<8>;
	type MaxSpecialOrders = ConstU32<8>;
	type MaxStandingOrders = ConstU32<8>;
	type MaxStandingOrdersPerAccount = ConstU32<8>;
	type MaxOffersPerAccount = ConstU32<8>;
	type PalletId = MarketPalletId;
	type WeightInfo = pallet_energy_market::weights::ReckonedWeight<Test>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = TestBenchmarkHelper;
}

impl pallet_settlement::Config for Test {
	type Currency = ItemOf<Assets, SettlementAsset, AccountId>;
	type Market = EnergyMarket;
	type Metering = TestMetering;
	type Meters = TestMeters;
	type Participants = TestParticipants;
	type Policy = TestPolicy;
	type Clock = EnergyMarket;
	type PolicyWeight = TestPolicyWeight;
	type PagesPerQuestion = ConstU32<1>;
	type MaxMetersPerOwner = ConstU32<2>;
	type EstimateLookback = ConstU32<1>;
	type MaxPending = ConstU32<2>;
	type RetentionSlots = ConstU32<5>;
	type PalletId = TestPalletId;
	type WeightInfo = crate::weights::ReckonedWeight<Test>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = TestBenchmarkHelper;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct TestBenchmarkHelper;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_energy_market::BenchmarkHelper<AccountId> for TestBenchmarkHelper {
	fn open_zone(zone: ZoneId, utility: &AccountId) {
		Utilities::mutate(|utilities| utilities.insert(zone, utility.clone()));
	}

	fn admit_regulator(_: ZoneId, _: &AccountId) {}

	fn fund(who: &AccountId, amount: Balance) {
		use frame_support::traits::fungible::Mutate;
		ItemOf::<Assets, SettlementAsset, AccountId>::mint_into(who, amount)
			.expect("the asset is there");
	}

	fn set_now_seconds(seconds: u64) {
		NowSeconds::set(seconds);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for TestBenchmarkHelper {
	fn open_zone(zone: ZoneId, utility: &AccountId) {
		<Self as pallet_energy_market::BenchmarkHelper<_>>::open_zone(zone, utility);
	}

	fn fund(who: &AccountId, amount: Balance) {
		<Self as pallet_energy_market::BenchmarkHelper<_>>::fund(who, amount);
	}

	fn clear(zone: ZoneId, slot: Slot, positions: Vec<energy_primitives::Position<AccountId>>) {
		EnergyMarket::put_cleared(zone, slot, positions).expect("the accounts can pay");
	}

	fn set_now_seconds(seconds: u64) {
		<Self as pallet_energy_market::BenchmarkHelper<_>>::set_now_seconds(seconds);
	}
}

/// The accounts that have money.
pub fn homes() -> impl Iterator<Item = u8> {
	(1..=30).chain(100..150)
}

pub fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
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
		surplus_price: 20_001,
		policy: Some(H160::repeat_byte(7)),
	}
}

/// Builds the chain at block 1.
pub fn chain() -> sp_io::TestExternalities {
	NowSeconds::set(NOW);
	MetersAreFinal::set(true);
	Readings::set(BTreeMap::new());
	Policy::set(Behaviour::Honest);
	PolicyCalls::set(Vec::new());
	Utilities::set(BTreeMap::new());
	let mut storage =
		frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis");
	let pot = Pallet::<Test>::pot(ZONE, Pot::Imbalance);
	pallet_assets::GenesisConfig::<Test> {
		assets: vec![(SETTLEMENT_ASSET, account(99), true, 1)],
		accounts: homes()
			.map(|number| (SETTLEMENT_ASSET, account(number), MONEY))
			.chain([(SETTLEMENT_ASSET, pot, POT)])
			.collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("genesis");
	pallet_energy_market::GenesisConfig::<Test> {
		slot_seconds: 60,
		terms: vec![(ZONE, terms())],
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
		Pallet::<Test>::do_try_state().expect("the invariants of settlement hold");
		pallet_energy_market::Pallet::<Test>::do_try_state()
			.expect("the invariants of the market hold");
		assert_eq!(all_money(), ALL_MONEY, "no money appears or vanishes");
	});
}

/// The money of all accounts and pots, and of the market.
pub fn all_money() -> Balance {
	use frame_support::traits::fungible::Inspect;
	let pots = [Pot::Fees, Pot::Imbalance].map(|pot| Pallet::<Test>::pot(ZONE, pot));
	homes()
		.map(account)
		.chain(pots)
		.chain([account(61), EnergyMarket::clearing_house()])
		.map(|who| ItemOf::<Assets, SettlementAsset, AccountId>::balance(&who))
		.sum()
}

pub fn free(who: u8) -> Balance {
	Assets::balance(SETTLEMENT_ASSET, account(who))
}

pub fn pot(pot: Pot) -> Balance {
	Assets::balance(SETTLEMENT_ASSET, Pallet::<Test>::pot(ZONE, pot))
}

pub fn place(who: u8, side: Side, price: u64, energy_wh: u64) {
	place_in(SLOT, who, side, price, energy_wh);
}

pub fn place_in(slot: Slot, who: u8, side: Side, price: u64, energy_wh: u64) {
	let who = RuntimeOrigin::signed(account(who));
	assert_ok!(EnergyMarket::place(who, ZONE, slot, side, price, energy_wh));
}

pub fn reads(meter: u8, import_wh: u64, export_wh: u64) {
	Readings::mutate(|readings| readings.insert(meter, (import_wh, export_wh, Quality::Valid)));
}

pub fn idle(weight: Weight) {
	EnergyMarket::on_idle(System::block_number(), weight);
	Settlement::on_idle(System::block_number(), weight);
}

/// Lets the gate of `SLOT` close and the blocks' idle time do all its work.
pub fn settle() {
	NowSeconds::set(NowSeconds::get().max(6_050));
	idle(Weight::MAX);
}
