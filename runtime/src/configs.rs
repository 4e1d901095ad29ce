//! What each pallet is told about the others, and every limit of the chain.

use crate::{
	policy::ContractPolicy, AccountId, Assets, AssetsHolder, Aura, Balance, Balances, Block,
	BlockNumber, Communities, EnergyMarket, Metering, Nonce, PalletInfo, Participants, Runtime,
	RuntimeCall, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask,
	RuntimeVersion, Session, SessionKeys, Settlement, System, Timestamp, DAYS, HOURS,
	MILLISECONDS_PER_BLOCK, MILLI_UNIT, UNIT, VERSION,
};
use energy_primitives::{
	Participants as _, Role, Slot, UnsettledSlots, ZoneId, MINOR_UNITS, SETTLEMENT_ASSET,
};
use frame_support::{
	derive_impl,
	dispatch::DispatchClass,
	parameter_types,
	traits::{
		fungible::ItemOf, AsEnsureOriginWithArg, ConstBool, ConstU128, ConstU16, ConstU32,
		ConstU64, ConstU8, Contains, EitherOfDiverse, EnsureOrigin, NeverEnsureOrigin,
		VariantCountOf,
	},
	weights::{
		constants::{
			WEIGHT_REF_TIME_PER_MICROS, WEIGHT_REF_TIME_PER_MILLIS, WEIGHT_REF_TIME_PER_SECOND,
		},
		ConstantMultiplier, IdentityFee, RuntimeDbWeight, Weight,
	},
	PalletId,
};
use frame_system::{
	limits::{BlockLength, BlockWeights},
	EnsureRoot, EnsureSigned,
};
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_core::H256;
use sp_runtime::{
	traits::{ConvertInto, One, OpaqueKeys},
	Perbill,
};

/// The part of a block that user transactions may fill; the rest is left to the work of the
/// market in idle time.
const NORMAL_RATIO: Perbill = Perbill::from_percent(75);
/// The bytes of a block.
const BLOCK_BYTES: u32 = 5 * 1024 * 1024;

parameter_types! {
	/// What a read and a write of the state cost, measured with `energy-bench steps`: a write with its part
	/// of the state root and of the commit takes 20 to 38 microseconds, a read 2 to 5 where the node has
	/// the entry in its cache and 32 to 36 where it does not.
	pub const DbWeight: RuntimeDbWeight = RuntimeDbWeight {
		read: 15 * WEIGHT_REF_TIME_PER_MICROS,
		write: 40 * WEIGHT_REF_TIME_PER_MICROS,
	};
	pub const BlockHashCount: BlockNumber = 2_400;
	pub const Version: RuntimeVersion = VERSION;
	/// One second of computing in a block of two seconds.
	pub RuntimeBlockWeights: BlockWeights = BlockWeights::with_sensible_defaults(
		Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND, u64::MAX),
		NORMAL_RATIO,
	);
	pub RuntimeBlockLength: BlockLength = BlockLength::builder()
		.max_length(BLOCK_BYTES)
		.modify_max_length_for_class(DispatchClass::Normal, |length| {
			*length = NORMAL_RATIO * *length;
		})
		.build();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
	type Block = Block;
	type BlockWeights = RuntimeBlockWeights;
	type BlockLength = RuntimeBlockLength;
	type AccountId = AccountId;
	type Nonce = Nonce;
	type Hash = H256;
	type BlockHashCount = BlockHashCount;
	type DbWeight = DbWeight;
	type Version = Version;
	type AccountData = pallet_balances::AccountData<Balance>;
	type OnNewAccount = pallet_revive::AutoMapper<Runtime>;
	type OnKilledAccount = pallet_revive::AutoMapper<Runtime>;
	type SS58Prefix = ConstU16<42>;
	type MaxConsumers = ConstU32<64>;
}

impl pallet_timestamp::Config for Runtime {
	type Moment = u64;
	type OnTimestampSet = Aura;
	type MinimumPeriod = ConstU64<{ MILLISECONDS_PER_BLOCK / 2 }>;
	type WeightInfo = ();
}

impl pallet_authorship::Config for Runtime {
	type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Aura>;
	type EventHandler = ();
}

parameter_types! {
	pub const SessionPeriod: BlockNumber = 10 * crate::MINUTES;
	pub const SessionOffset: BlockNumber = 0;
}

impl pallet_session::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type ValidatorId = AccountId;
	type ValidatorIdOf = ConvertInto;
	type ShouldEndSession = pallet_session::PeriodicSessions<SessionPeriod, SessionOffset>;
	type NextSessionRotation = pallet_session::PeriodicSessions<SessionPeriod, SessionOffset>;
	/// The validators of the genesis stay.
	type SessionManager = ();
	type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
	type Keys = SessionKeys;
	type DisablingStrategy = ();
	type WeightInfo = ();
	type Currency = Balances;
	type KeyDeposit = ConstU128<0>;
}

/// The most validators.
pub type MaxValidators = ConstU32<100>;

impl pallet_aura::Config for Runtime {
	type AuthorityId = AuraId;
	type DisabledValidators = Session;
	type MaxAuthorities = MaxValidators;
	type AllowMultipleBlocksPerSlot = ConstBool<false>;
	type SlotDuration = ConstU64<MILLISECONDS_PER_BLOCK>;
}

impl pallet_grandpa::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = ();
	type MaxAuthorities = MaxValidators;
	type MaxNominators = ConstU32<0>;
	type MaxSetIdSessionEntries = ConstU64<0>;
	type KeyOwnerProof = sp_core::Void;
	type EquivocationReportSystem = ();
}

impl pallet_balances::Config for Runtime {
	type MaxLocks = ConstU32<50>;
	type MaxReserves = ConstU32<50>;
	type ReserveIdentifier = [u8; 8];
	type Balance = Balance;
	type RuntimeEvent = RuntimeEvent;
	type DustRemoval = ();
	type ExistentialDeposit = ConstU128<MILLI_UNIT>;
	type AccountStore = System;
	type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type DoneSlashHandler = ();
}

parameter_types! {
	pub FeeMultiplier: Multiplier = Multiplier::one();
}

impl pallet_transaction_payment::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction = pallet_participants::QuotaOrFee<FungibleAdapter<Balances, ()>>;
	type WeightToFee = IdentityFee<Balance>;
	/// A byte costs as much as a tenth of a microsecond.
	type LengthToFee = ConstantMultiplier<Balance, ConstU128<100_000>>;
	type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
	type OperationalFeeMultiplier = ConstU8<5>;
	type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}

impl pallet_assets::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type Balance = Balance;
	type RemoveItemsLimit = ConstU32<1000>;
	type AssetId = u32;
	type AssetIdParameter = codec::Compact<u32>;
	type ReserveData = ();
	type Currency = Balances;
	/// Assets are made at genesis or by the council.
	type CreateOrigin = AsEnsureOriginWithArg<NeverEnsureOrigin<AccountId>>;
	type ForceOrigin = GovernanceOrigin;
	type AssetDeposit = ConstU128<UNIT>;
	type AssetAccountDeposit = ConstU128<MILLI_UNIT>;
	type MetadataDepositBase = ConstU128<MILLI_UNIT>;
	type MetadataDepositPerByte = ConstU128<MILLI_UNIT>;
	type ApprovalDeposit = ConstU128<MILLI_UNIT>;
	type StringLimit = ConstU32<50>;
	type Freezer = ();
	type Holder = AssetsHolder;
	type Extra = ();
	type CallbackHandle = ();
	type AssetIdAllocator = ();
	type WeightInfo = pallet_assets::weights::SubstrateWeight<Runtime>;
}

impl pallet_assets_holder::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeEvent = RuntimeEvent;
}

impl pallet_sudo::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

/// The council's instance of the collective pallet.
pub type CouncilCollective = pallet_collective::Instance1;

/// Two thirds of the council; in the development preset also the sudo key.
pub type GovernanceOrigin = EitherOfDiverse<
	EnsureRoot<AccountId>,
	pallet_collective::EnsureProportionAtLeast<AccountId, CouncilCollective, 2, 3>,
>;

parameter_types! {
	pub MaxProposalWeight: Weight = Perbill::from_percent(50) * RuntimeBlockWeights::get().max_block;
}

impl pallet_collective::Config<CouncilCollective> for Runtime {
	type RuntimeOrigin = RuntimeOrigin;
	type Proposal = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type MotionDuration = ConstU32<DAYS>;
	type MaxProposals = ConstU32<100>;
	type MaxMembers = ConstU32<100>;
	type DefaultVote = pallet_collective::PrimeDefaultVote;
	type WeightInfo = pallet_collective::weights::SubstrateWeight<Runtime>;
	type SetMembersOrigin = GovernanceOrigin;
	type MaxProposalWeight = MaxProposalWeight;
	type DisapproveOrigin = GovernanceOrigin;
	type KillOrigin = GovernanceOrigin;
	type Consideration = ();
}

/// Members of the council: a regulator cannot suspend them.
pub struct CouncilMembers;

impl Contains<AccountId> for CouncilMembers {
	fn contains(who: &AccountId) -> bool {
		pallet_collective::Members::<Runtime, CouncilCollective>::get().contains(who)
	}
}

parameter_types! {
	/// Five seconds of computing and 64 MiB an hour: some thousand orders.
	pub const Quota: Weight =
		Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND.saturating_mul(5), 64 * 1024 * 1024);
}

/// The most meters of one participant in a zone.
pub type MaxMetersPerOwner = ConstU32<16>;
/// In how many earlier slots a meter's line is looked for to estimate a missing one.
pub type EstimateLookback = ConstU32<4>;

impl pallet_participants::Config for Runtime {
	type GovernanceOrigin = GovernanceOrigin;
	type Protected = CouncilMembers;
	type MaxMetersPerOwner = MaxMetersPerOwner;
	type QuotaPeriod = ConstU32<HOURS>;
	type Quota = Quota;
	type WeightInfo = pallet_participants::weights::SubstrateWeight<Runtime>;
}

/// All that is paid by what was measured.
pub struct MarketAndCommunities;

impl UnsettledSlots for MarketAndCommunities {
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool {
		EnergyMarket::is_unsettled(zone, slot) || Communities::is_unsettled(zone, slot)
	}
}

impl pallet_metering::Config for Runtime {
	type Meters = Participants;
	type Participants = Participants;
	type Clock = EnergyMarket;
	type Market = MarketAndCommunities;
	type GovernanceOrigin = GovernanceOrigin;
	type MaxOracles = ConstU32<16>;
	type MaxEvidence = ConstU32<16>;
	type EstimateLookback = EstimateLookback;
	type RetentionSlots = ConstU32<96>;
	type WeightInfo = pallet_metering::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
	pub const SettlementAsset: u32 = SETTLEMENT_ASSET;
}

/// The settlement currency as one currency.
pub type SettlementCurrency = ItemOf<Assets, SettlementAsset, AccountId>;

impl pallet_energy_market::Config for Runtime {
	type Currency = SettlementCurrency;
	type Participants = Participants;
	type Communities = Communities;
	type OnCleared = Settlement;
	type Time = Timestamp;
	type GovernanceOrigin = GovernanceOrigin;
	type MaxTicks = ConstU16<2_000>;
	type MaxOrdersPerSlot = ConstU32<2_000_000>;
	type MaxSlotsAhead = ConstU32<192>;
	type MaxOpenBooks = ConstU32<512>;
	type RetentionSlots = ConstU32<2_880>;
	type MaxBatch = ConstU32<128>;
	type MaxSpecialOrders = ConstU32<64>;
	type MaxStandingOrders = ConstU32<4_096>;
	type MaxStandingOrdersPerAccount = ConstU32<16>;
	type MaxOffersPerAccount = ConstU32<16>;
	type PalletId = MarketPalletId;
	type WeightInfo = pallet_energy_market::weights::ReckonedWeight<Runtime>;
}

parameter_types! {
	pub const MarketPalletId: PalletId = PalletId(*b"en/markt");
	pub const SettlementPalletId: PalletId = PalletId(*b"en/setlm");
	/// A tenth of a second of computing.
	pub const PolicyWeight: Weight =
		Weight::from_parts(WEIGHT_REF_TIME_PER_MILLIS.saturating_mul(100), 5 * 1024 * 1024);
}

impl pallet_settlement::Config for Runtime {
	type Currency = SettlementCurrency;
	type Market = EnergyMarket;
	type Metering = Metering;
	type Meters = Participants;
	type Participants = Participants;
	type Policy = ContractPolicy;
	type Clock = EnergyMarket;
	type PolicyWeight = PolicyWeight;
	type PagesPerQuestion = ConstU32<4>;
	type MaxMetersPerOwner = MaxMetersPerOwner;
	type EstimateLookback = EstimateLookback;
	type MaxPending = ConstU32<512>;
	type RetentionSlots = BillRetentionSlots;
	type PalletId = SettlementPalletId;
	type WeightInfo = pallet_settlement::weights::ReckonedWeight<Runtime>;
}

/// How long bills and shares are kept, in slots.
pub type BillRetentionSlots = ConstU32<2_880>;
/// How many slots after it a slot can still be shared in a community; bills must be kept for longer.
pub type LapseSlots = ConstU32<672>;

impl pallet_communities::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = ItemOf<AssetsHolder, SettlementAsset, AccountId>;
	type Participants = Participants;
	type Meters = Participants;
	type Metering = Metering;
	type Market = EnergyMarket;
	type Promises = Settlement;
	type Pots = Settlement;
	type Clock = EnergyMarket;
	type GovernanceOrigin = GovernanceOrigin;
	type MaxMembers = ConstU32<{ pallet_communities::weights::MEMBERS as u32 }>;
	type MaxCommunities = ConstU32<64>;
	type MaxZones = ConstU32<64>;
	type PageSize = ConstU32<16>;
	type MaxMetersPerOwner = MaxMetersPerOwner;
	type EstimateLookback = EstimateLookback;
	type MinDeposit = ConstU128<MINOR_UNITS>;
	type NoticeSlots = ConstU32<96>;
	type LapseSlots = LapseSlots;
	type RetentionSlots = BillRetentionSlots;
	type WeightInfo = pallet_communities::weights::ReckonedWeight<Runtime>;
}

/// Those who may deploy contracts: active utilities.
pub struct EnsureUtility;

impl EnsureOrigin<RuntimeOrigin> for EnsureUtility {
	type Success = AccountId;

	fn try_origin(origin: RuntimeOrigin) -> Result<AccountId, RuntimeOrigin> {
		EnsureSigned::<AccountId>::try_origin(origin.clone()).and_then(|who| {
			if Participants::has_role(&who, Role::Utility) {
				Ok(who)
			} else {
				Err(origin)
			}
		})
	}
}

parameter_types! {
	pub const DepositPerItem: Balance = MILLI_UNIT;
	pub const DepositPerByte: Balance = MILLI_UNIT / 1_000;
	pub const CodeHashLockupDepositPercent: Perbill = Perbill::from_percent(30);
}

#[derive_impl(pallet_revive::config_preludes::TestDefaultConfig)]
impl pallet_revive::Config for Runtime {
	type Time = Timestamp;
	type Balance = Balance;
	type Currency = Balances;
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type RuntimeOrigin = RuntimeOrigin;
	type RuntimeHoldReason = RuntimeHoldReason;
	type WeightInfo = pallet_revive::weights::SubstrateWeight<Runtime>;
	type Precompiles = ();
	type FindAuthor = <Runtime as pallet_authorship::Config>::FindAuthor;
	type DepositPerByte = DepositPerByte;
	type DepositPerItem = DepositPerItem;
	type DepositPerChildTrieItem = DepositPerItem;
	type CodeHashLockupDepositPercent = CodeHashLockupDepositPercent;
	type AddressMapper = pallet_revive::AccountId32Mapper<Self>;
	type AllowEVMBytecode = ConstBool<true>;
	type UploadOrigin = EnsureUtility;
	type InstantiateOrigin = EnsureUtility;
	type ChainId = ConstU64<14_014>;
	type AutoMap = ConstBool<true>;
}
