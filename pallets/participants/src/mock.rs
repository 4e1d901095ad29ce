//! A runtime for the tests: this pallet, balances, and fees that a quota waives.

use crate::{self as pallet_participants, *};
use energy_primitives::{MeterId, Role, ZoneId};
use frame_support::{
	derive_impl, parameter_types,
	traits::{ConstU128, ConstU32, ConstU64, Contains},
	weights::{IdentityFee, Weight},
};
use frame_system::EnsureRoot;
use pallet_transaction_payment::FungibleAdapter;
use sp_core::H256;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};
use wia_ene_014::canonical::DeviceKey;

pub type AccountId = AccountId32;

pub const ZONE: ZoneId = ZoneId(1);
pub const OTHER_ZONE: ZoneId = ZoneId(2);
pub const UTILITY: AccountId = AccountId::new([1; 32]);
pub const OTHER_UTILITY: AccountId = AccountId::new([2; 32]);
pub const REGULATOR: AccountId = AccountId::new([3; 32]);
pub const ALICE: AccountId = AccountId::new([10; 32]);
pub const BOB: AccountId = AccountId::new([11; 32]);
pub const COUNCILLOR: AccountId = AccountId::new([12; 32]);
pub const STRANGER: AccountId = AccountId::new([99; 32]);
pub const IDENTITY: H256 = H256::repeat_byte(7);

/// The generator of P-256, and the same point on the other side of the curve.
const P256_X: [u8; 32] = [
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];

fn p256(sign: u8) -> DeviceKey {
	let mut bytes = [sign; 33];
	bytes[1..].copy_from_slice(&P256_X);
	DeviceKey::P256(bytes)
}

pub fn key() -> DeviceKey {
	p256(3)
}

pub fn other_key() -> DeviceKey {
	p256(2)
}

/// The base point of Ed25519.
pub fn ed25519_key() -> DeviceKey {
	let mut bytes = [0x66; 32];
	bytes[0] = 0x58;
	DeviceKey::Ed25519(bytes)
}

/// Not the x coordinate of any point of P-256: it exceeds the field.
pub fn invalid_key() -> DeviceKey {
	let mut bytes = [0xff; 33];
	bytes[0] = 2;
	DeviceKey::P256(bytes)
}

pub fn meter(number: u8) -> MeterId {
	MeterId([number; 32])
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
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(2)]
	pub type TransactionPayment = pallet_transaction_payment;
	#[runtime::pallet_index(3)]
	pub type Participants = pallet_participants;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u128>;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = u128;
	type ExistentialDeposit = ConstU128<1>;
	type AccountStore = System;
}

impl pallet_transaction_payment::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction = QuotaOrFee<FungibleAdapter<Balances, ()>>;
	type OperationalFeeMultiplier = frame_support::traits::ConstU8<1>;
	type WeightToFee = IdentityFee<u128>;
	type LengthToFee = IdentityFee<u128>;
	type FeeMultiplierUpdate = ();
	type WeightInfo = ();
}

pub struct Councillors;
impl Contains<AccountId> for Councillors {
	fn contains(who: &AccountId) -> bool {
		*who == COUNCILLOR
	}
}

parameter_types! {
	pub static Quota: Weight = Weight::from_parts(10_000_000_000, 10_000);
}

impl Config for Test {
	type GovernanceOrigin = EnsureRoot<AccountId>;
	type Protected = Councillors;
	type MaxMetersPerOwner = ConstU32<4>;
	type QuotaPeriod = ConstU64<10>;
	type Quota = Quota;
	type WeightInfo = ();
}

/// Begins with two zones, a regulator, a councillor, and `ALICE`, a prosumer of the first zone.
pub struct ExtBuilder {
	genesis: GenesisConfig<Test>,
}

pub fn named(account: AccountId, roles: &[Role], zone: ZoneId) -> GenesisParticipant<AccountId> {
	GenesisParticipant { account, roles: roles.to_vec(), zone, identity: IDENTITY }
}

impl Default for ExtBuilder {
	fn default() -> Self {
		let genesis = GenesisConfig {
			zones: vec![(ZONE, UTILITY), (OTHER_ZONE, OTHER_UTILITY)],
			participants: vec![
				named(REGULATOR, &[Role::Regulator], ZONE),
				named(COUNCILLOR, &[Role::PaymentAgent], ZONE),
				named(ALICE, &[Role::Prosumer], ZONE),
			],
			meters: vec![],
		};
		Self { genesis }
	}
}

impl ExtBuilder {
	pub fn with_genesis(mut self, change: impl FnOnce(&mut GenesisConfig<Test>)) -> Self {
		change(&mut self.genesis);
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
		self.genesis.assimilate_storage(&mut storage).unwrap();
		let mut externalities = sp_io::TestExternalities::from(storage);
		externalities.execute_with(|| System::set_block_number(1));
		externalities
	}

	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			Participants::do_try_state().unwrap();
		});
	}
}
