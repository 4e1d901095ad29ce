//! Energy communities: neighbours share what they gave and took beyond the market, at their own
//! price.
//!
//! # Overview
//!
//! The tenants of a house with a roof full of panels, or a village with a small hydro plant, agree
//! to use the energy themselves. When a delivery slot has been measured, some members turn out to
//! have given more to the grid than they had sold in the market, and others to have taken more than
//! they had bought. This pallet gives the one to the other: by keys that the members agreed on or
//! in proportion to what they need, at the community's own price, and at a grid fee for neighbours.
//! It is a market of its own beside the auction, after the fact and without orders: the collective
//! self-consumption of Articles 21 and 22 of Directive (EU) 2018/2001.
//!
//! ## Journeys
//!
//! - The zone's utility opens a community ([`Pallet::create`]) and sets what its members pay the
//!   grid ([`Pallet::set_grid_fee`]). Its manager invites members with their keys
//!   ([`Pallet::invite`]) and sets the price ([`Pallet::set_price`]).
//! - A household agrees: it joins with the key it was offered, a deposit, and the most it may be
//!   charged for a slot ([`Pallet::join`]). From the next slot on it takes part. It may go at any
//!   time ([`Pallet::leave`]) and gets the rest of its deposit back once its last slot is shared.
//! - After each slot everyone can read what it gave, took, paid and received
//!   ([`Pallet::share_of`]), and reckon it again from the meters, the market's bills, the keys and
//!   the price.
//!
//! ## Details
//!
//! **What is shared.** For each member, what its meters measured on balance, less what it promised
//! in the market on balance ([`energy_market_core::residual`]). What was bought and taken, sold and
//! delivered, or paid for as an imbalance, the market has settled: it is not shared. Who gives and
//! who takes how much is [`energy_market_core::allocate`]. What is not shared is the suppliers', as
//! without a community.
//!
//! **When.** Slot by slot for each zone, in the idle time of the blocks: when metering is final and
//! the market, where it had a book, has settled. A slot is shared once. One that is still not ready
//! [`Config::LapseSlots`] slots later lapses: it is not shared, so that nobody's deposit waits for
//! ever.
//!
//! **Who.** Those who have a seat in the slot and are active when it is read; whoever is suspended
//! counts as if it had none, and its key for nothing. Nobody is in two communities of a zone.
//!
//! **Money.** Each member has a deposit on hold, and pays out of it: energy at the price and at the
//! grid fee, each rounded up. Those who give receive the price, rounded down. The grid fees go to
//! the zone's fee pot, what roundings leave to its imbalance pot:
//! `Σ paid + Σ grid fees = Σ received + fee pot + imbalance pot`. A member's need counts only as
//! far as both its deposit and its limit can pay for it, so nobody ever owes anything. For each
//! community and slot either all of this happens or nothing.
//!
//! **No change comes in hindsight.** Price, grid fee and keys change with a slot that is at least
//! [`Config::NoticeSlots`] away, so that a member that does not like it can leave in time; a limit
//! changes with the next slot. A change of which no slot has begun may be replaced. There is room
//! for one change that has begun: another can be made when the slots before it are shared. Money
//! that may be charged for slots that have begun cannot be withdrawn.
//!
//! Units: energy Wh, prices minor units per kWh, money minor units, keys parts per million, time
//! seconds since 1970.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod membership;
mod promises;
mod sharing;
#[cfg(any(feature = "try-runtime", feature = "std"))]
mod try_state;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

use alloc::vec::Vec;
use energy_market_core::MILLION;
use energy_primitives::{
	Balance, CommunityId, MeteredEnergy, Meters, Participants, SettledPromises, Slot, SlotClock,
	UnsettledSlots, ZoneId, ZonePots, POSITIONS_PER_PAGE,
};
use frame_support::{
	pallet_prelude::*,
	traits::fungible::{Inspect, MutateHold},
	weights::WeightMeter,
};
use frame_system::pallet_prelude::*;

const LOG_TARGET: &str = "runtime::communities";

/// Sets the stage for the benchmarks. Given by the runtime.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<AccountId> {
	/// Opens a zone that `utility` runs.
	fn open_zone(zone: ZoneId, utility: &AccountId);
	/// Admits a prosumer to a zone that is open.
	fn admit(zone: ZoneId, who: &AccountId);
	/// Gives an account so much of the settlement currency, minor units. The account may be new.
	fn fund(who: &AccountId, amount: Balance);
	/// Each account, admitted to the zone, has as many meters as it may have. What they measured
	/// in the slot is final and takes the longest to find out; so does what the accounts promised
	/// in a market that has settled.
	fn measure(zone: ZoneId, slot: Slot, accounts: &[AccountId]);
	/// Sets the clock, in seconds since 1970.
	fn set_now_seconds(seconds: u64);
}

#[frame_support::pallet]
pub mod pallet {
	use super::*;

	/// The seats of a community.
	pub type SeatsOf<T> =
		BoundedVec<Seat<<T as frame_system::Config>::AccountId>, <T as Config>::MaxMembers>;
	/// Keys of some accounts, parts per million.
	pub type KeysOf<T> =
		BoundedVec<(<T as frame_system::Config>::AccountId, u32), <T as Config>::MaxMembers>;

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Why money is held; the runtime's enum of all reasons.
		type RuntimeHoldReason: From<HoldReason>;
		/// The settlement currency. Its smallest balance must be one minor unit, and an account
		/// must be able to exist on it alone: pots are paid whatever roundings leave.
		type Currency: MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ Inspect<Self::AccountId, Balance = Balance>;
		/// Who takes part. Given by `pallet-participants`.
		type Participants: Participants<Self::AccountId>;
		/// Which meters a member has. Given by `pallet-participants`.
		type Meters: Meters<Self::AccountId>;
		/// What the meters measured. Given by `pallet-metering`, which must keep the lines of
		/// slots that are unsettled here (see [`UnsettledSlots`]), or zeros are shared.
		type Metering: MeteredEnergy;
		/// Which slots the market has not settled. Given by `pallet-energy-market`.
		type Market: UnsettledSlots;
		/// What members bought and sold. Given by `pallet-settlement`; must know it for more than
		/// [`Config::LapseSlots`] slots, or energy is paid for twice.
		type Promises: SettledPromises<Self::AccountId>;
		/// The pots of the zones. Given by `pallet-settlement`.
		type Pots: ZonePots<Self::AccountId>;
		/// The clock of the chain. Given by `pallet-energy-market`.
		type Clock: SlotClock;
		/// The council: may do what a zone's utility may.
		type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// The most members of a community, those included whose last slot is not shared yet, and
		/// the most open invitations.
		#[pallet::constant]
		type MaxMembers: Get<u32>;
		/// The most communities of a zone.
		#[pallet::constant]
		type MaxCommunities: Get<u32>;
		/// The most zones that have communities.
		#[pallet::constant]
		type MaxZones: Get<u32>;
		/// Seats on one page: how many members' meters are read, or deposits given back, in one
		/// step.
		#[pallet::constant]
		type PageSize: Get<u32>;
		/// The most meters that one participant may have.
		#[pallet::constant]
		type MaxMetersPerOwner: Get<u32>;
		/// In how many earlier slots a meter's line is looked for to estimate a missing one.
		#[pallet::constant]
		type EstimateLookback: Get<u32>;
		/// The least deposit of a member, minor units.
		#[pallet::constant]
		type MinDeposit: Get<Balance>;
		/// How many slots lie between a change of price, grid fee or keys and the first slot that
		/// has it, at least, beside the slot that is running.
		#[pallet::constant]
		type NoticeSlots: Get<u32>;
		/// How many slots after it a slot can still be shared.
		#[pallet::constant]
		type LapseSlots: Get<u32>;
		/// For how many slots a share is kept.
		#[pallet::constant]
		type RetentionSlots: Get<u32>;
		/// Weights of the calls and of the work in idle time.
		type WeightInfo: WeightInfo;
		/// Sets the stage for the benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
	}

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	// Zones, slots and numbers of communities are not chosen by users, hence the fast hash;
	// accounts are.

	/// The number of the next community.
	#[pallet::storage]
	pub type NextCommunity<T> = StorageValue<_, CommunityId, ValueQuery>;

	/// The communities, until the last deposit is given back.
	#[pallet::storage]
	pub type CommunityOf<T: Config> =
		StorageMap<_, Twox64Concat, CommunityId, Community<T::AccountId>>;

	/// Who takes part, when and with what key; in the order in which members joined.
	#[pallet::storage]
	pub type Seats<T: Config> = StorageMap<_, Twox64Concat, CommunityId, SeatsOf<T>, ValueQuery>;

	/// What the member of each seat can be charged.
	#[pallet::storage]
	pub type Guarantees<T: Config> =
		StorageDoubleMap<_, Twox64Concat, CommunityId, Blake2_128Concat, T::AccountId, Guarantee>;

	/// In which community of a zone an account has a seat.
	#[pallet::storage]
	pub type Memberships<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneId, Blake2_128Concat, T::AccountId, CommunityId>;

	/// What a member of a community of the zone bought and sold in the last slot that was looked at and
	/// in which it traded.
	#[pallet::storage]
	pub type Promised<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneId, Blake2_128Concat, T::AccountId, Promise>;

	/// Who may join, and with what key.
	#[pallet::storage]
	pub type Invitations<T: Config> =
		StorageMap<_, Twox64Concat, CommunityId, KeysOf<T>, ValueQuery>;

	/// The zones that have communities.
	#[pallet::storage]
	pub type Zones<T: Config> = StorageValue<_, BoundedVec<ZoneId, T::MaxZones>, ValueQuery>;

	/// The communities of a zone, in the order in which they were created.
	#[pallet::storage]
	pub type CommunitiesIn<T: Config> =
		StorageMap<_, Twox64Concat, ZoneId, BoundedVec<CommunityId, T::MaxCommunities>, ValueQuery>;

	/// How far the zones that have communities have come.
	#[pallet::storage]
	pub type ProgressOf<T> = StorageMap<_, Twox64Concat, ZoneId, Progress>;

	/// What has been read so far of the community and slot at which a zone is.
	#[pallet::storage]
	pub type Readings<T: Config> = StorageMap<
		_,
		Twox64Concat,
		ZoneId,
		BoundedVec<Reading<T::AccountId>, T::MaxMembers>,
		ValueQuery,
	>;

	/// The place in [`Zones`] of the zone that comes first in the next block.
	#[pallet::storage]
	pub type Turn<T> = StorageValue<_, u32, ValueQuery>;

	/// What members gave and took, where something was shared.
	#[pallet::storage]
	pub type Shares<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		CommunityId,
		Twox64Concat,
		Slot,
		BoundedVec<(T::AccountId, Share), T::MaxMembers>,
		ValueQuery,
	>;

	/// The keys of [`Shares`], each with its zone, in the order in which they are to be forgotten: a
	/// queue of which [`RetiredRange`] says the part in use.
	#[pallet::storage]
	pub type Retired<T> = StorageMap<_, Twox64Concat, u64, (ZoneId, CommunityId, Slot)>;

	/// First and one-past-last number of [`Retired`].
	#[pallet::storage]
	pub type RetiredRange<T> = StorageValue<_, (u64, u64), ValueQuery>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// There is a new community.
		CommunityCreated {
			/// Its number.
			community: CommunityId,
			/// Zone.
			zone: ZoneId,
			/// Who invites members, and sets keys and price.
			manager: T::AccountId,
			/// By what rule it shares.
			method: Method,
			/// What a member pays another, minor units per kWh.
			price_per_kwh: u64,
			/// What a member that takes pays the grid, minor units per kWh.
			grid_fee_per_kwh: u64,
			/// The first slot that is shared.
			active_from: Slot,
		},
		/// A community has another manager.
		ManagerAppointed {
			/// Community.
			community: CommunityId,
			/// Who it is.
			manager: T::AccountId,
		},
		/// An account may join.
		MemberInvited {
			/// Community.
			community: CommunityId,
			/// Who may.
			account: T::AccountId,
			/// With what key, parts per million.
			key_ppm: u32,
		},
		/// An account may not join any more.
		InvitationRevoked {
			/// Community.
			community: CommunityId,
			/// Who may not.
			account: T::AccountId,
		},
		/// An account joined.
		MemberJoined {
			/// Community.
			community: CommunityId,
			/// Who.
			account: T::AccountId,
			/// Its part of the surplus, parts per million.
			key_ppm: u32,
			/// The most it is charged for a slot, minor units.
			limit_per_slot: Balance,
			/// Money held, minor units.
			deposit: Balance,
			/// The first slot in which it takes part.
			from: Slot,
		},
		/// A member will leave, by its own will or by that of the manager.
		MemberLeaving {
			/// Community.
			community: CommunityId,
			/// Who.
			account: T::AccountId,
			/// The first slot in which it does not take part any more.
			until: Slot,
		},
		/// A member's last slot is done: it is a member no more, and its deposit is free.
		MemberParted {
			/// Community.
			community: CommunityId,
			/// Who.
			account: T::AccountId,
			/// What was left of its deposit, minor units.
			released: Balance,
		},
		/// Members have other keys.
		KeysSet {
			/// Community.
			community: CommunityId,
			/// Whose, and what, parts per million. Others keep theirs.
			keys: Vec<(T::AccountId, u32)>,
			/// The first slot that has them.
			from: Slot,
		},
		/// There is another price.
		PriceSet {
			/// Community.
			community: CommunityId,
			/// What a member pays another, minor units per kWh.
			price_per_kwh: u64,
			/// The first slot that has it.
			from: Slot,
		},
		/// There is another grid fee.
		GridFeeSet {
			/// Community.
			community: CommunityId,
			/// What a member that takes pays the grid, minor units per kWh.
			grid_fee_per_kwh: u64,
			/// The first slot that has it.
			from: Slot,
		},
		/// A member set another limit.
		LimitSet {
			/// Community.
			community: CommunityId,
			/// Whose.
			account: T::AccountId,
			/// The most it is charged for a slot, minor units.
			limit_per_slot: Balance,
			/// The first slot that has it.
			from: Slot,
		},
		/// A member added to its deposit.
		Deposited {
			/// Community.
			community: CommunityId,
			/// Who.
			account: T::AccountId,
			/// What was added, minor units.
			amount: Balance,
		},
		/// A member took back a part of its deposit.
		Withdrawn {
			/// Community.
			community: CommunityId,
			/// Who.
			account: T::AccountId,
			/// What it took, minor units.
			amount: Balance,
		},
		/// A community will end.
		CommunityDissolved {
			/// Community.
			community: CommunityId,
			/// The first slot that is not shared any more.
			ends: Slot,
		},
		/// A community is no more: its last slot is done, and every deposit is free.
		CommunityClosed {
			/// Community.
			community: CommunityId,
		},
		/// A member gave or took energy.
		MemberShared {
			/// Community.
			community: CommunityId,
			/// Delivery slot.
			slot: Slot,
			/// Who.
			account: T::AccountId,
			/// The energy and the money.
			share: Share,
		},
		/// A slot is shared. The sums are those of [`Event::MemberShared`].
		CommunityShared {
			/// Community.
			community: CommunityId,
			/// Delivery slot.
			slot: Slot,
			/// The energy that was shared, Wh; perhaps nothing.
			volume_wh: u64,
			/// What members paid for it, minor units.
			paid: Balance,
			/// What members received for it, minor units.
			received: Balance,
			/// What the fee pot received, minor units.
			grid_fees: Balance,
			/// What the imbalance pot received: the roundings, minor units.
			remainder: Balance,
		},
		/// A slot could not be shared. Nothing was moved, and nothing will be.
		SharingFailed {
			/// Community.
			community: CommunityId,
			/// Delivery slot.
			slot: Slot,
			/// Why.
			error: DispatchError,
		},
		/// A slot of a zone was not ready in time: it is not shared.
		SlotLapsed {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// No such zone.
		ZoneUnknown,
		/// No such community.
		CommunityUnknown,
		/// The community ends.
		CommunityDissolved,
		/// Neither the council nor the zone's active utility.
		NotAllowed,
		/// Not the community's manager, or suspended.
		NotTheManager,
		/// A manager must be an active participant of the zone.
		ManagerUnfit,
		/// The zone has as many communities as it can have, or no further zone can have any.
		TooManyCommunities,
		/// The slot has begun.
		SlotBegun,
		/// Members must have notice of the change: its first slot is too near.
		NoticeTooShort,
		/// A change before this one has begun, and the slots before it are not shared yet.
		ChangePending,
		/// The community has as many open invitations as it can have.
		TooManyInvitations,
		/// The account is not invited.
		InvitationUnknown,
		/// The account was invited with another key.
		KeyDiffers,
		/// The keys of the members would sum to more than the whole.
		KeysExceedWhole,
		/// The account is no active prosumer.
		NotAProsumer,
		/// The account belongs to another zone.
		OtherZone,
		/// The account is in a community of the zone already, or its last slot there is not shared
		/// yet.
		AlreadyMember,
		/// The account is no member of the community.
		NotAMember,
		/// The community has as many members as it can have.
		CommunityFull,
		/// The deposit is too small.
		DepositTooSmall,
		/// The account does not have that much free.
		NotEnoughMoney,
		/// The deposit must not fall below the least, nor below what may still be charged for
		/// slots that have begun.
		DepositNeeded,
	}

	/// Why this pallet holds money.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposits of members of communities.
		Community,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::work(&mut meter);
			meter.consumed()
		}

		fn integrity_test() {
			assert!(T::PageSize::get() > 0, "a page needs a seat");
			assert!(T::MaxMembers::get() <= 1 << 16, "the core looks at so many members");
			assert!(T::LapseSlots::get() > 0, "a slot needs time to be shared");
			let limits = T::BlockWeights::get();
			let transactions = limits.get(DispatchClass::Normal).max_total.unwrap_or_default();
			let idle = limits.max_block.saturating_sub(transactions);
			let (page, members) = (T::PageSize::get(), T::MaxMembers::get());
			let before = T::WeightInfo::work_base()
				.saturating_add(T::WeightInfo::look_at_slot())
				.saturating_add(T::WeightInfo::look_at_community());
			for step in [
				T::WeightInfo::read_promises(POSITIONS_PER_PAGE, POSITIONS_PER_PAGE),
				Self::most_to_read(page),
				T::WeightInfo::share(members),
				T::WeightInfo::part_base().saturating_add(T::WeightInfo::release(page)),
			] {
				assert!(
					before.saturating_add(step).ref_time() < idle.ref_time(),
					"every step must fit into what transactions leave of a block"
				);
			}
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Creates a community of a zone. Prices are in minor units per kWh.
		///
		/// By the zone's utility or the council. `manager` is an active participant of the zone;
		/// `active_from`, the first slot that is shared, has not begun. Errors: `ZoneUnknown`,
		/// `NotAllowed`, `ManagerUnfit`, `SlotBegun`, `TooManyCommunities`. Event:
		/// `CommunityCreated`.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::create())]
		pub fn create(
			origin: OriginFor<T>,
			zone: ZoneId,
			manager: T::AccountId,
			method: Method,
			price_per_kwh: u64,
			grid_fee_per_kwh: u64,
			active_from: Slot,
		) -> DispatchResult {
			ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
			Self::ensure_governs(origin, zone)?;
			Self::do_create(zone, manager, method, price_per_kwh, grid_fee_per_kwh, active_from)
		}

		/// Gives a community another manager.
		///
		/// By the zone's utility or the council. The manager is an active participant of the zone.
		/// Errors: `CommunityUnknown`, `CommunityDissolved`, `NotAllowed`, `ManagerUnfit`. Event:
		/// `ManagerAppointed`.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::appoint_manager())]
		pub fn appoint_manager(
			origin: OriginFor<T>,
			community: CommunityId,
			manager: T::AccountId,
		) -> DispatchResult {
			let mut known = Self::living(community)?;
			Self::ensure_governs(origin, known.zone)?;
			Self::ensure_fit_manager(&manager, known.zone)?;
			known.manager = manager.clone();
			CommunityOf::<T>::insert(community, known);
			Self::deposit_event(Event::ManagerAppointed { community, manager });
			Ok(())
		}

		/// Invites an account to join with a key, in parts per million. Whoever is invited again
		/// has the new key only. Under [`Method::ProportionalToNeed`] keys mean nothing.
		///
		/// By the manager. Errors: `CommunityUnknown`, `CommunityDissolved`, `NotTheManager`,
		/// `KeysExceedWhole`, `AlreadyMember` of this community, `TooManyInvitations`. Event:
		/// `MemberInvited`.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::invite())]
		pub fn invite(
			origin: OriginFor<T>,
			community: CommunityId,
			account: T::AccountId,
			key_ppm: u32,
		) -> DispatchResult {
			let known = Self::managed(origin, community)?;
			ensure!(key_ppm <= MILLION, Error::<T>::KeysExceedWhole);
			ensure!(
				Memberships::<T>::get(known.zone, &account) != Some(community),
				Error::<T>::AlreadyMember
			);
			Invitations::<T>::try_mutate(community, |invited| {
				invited.retain(|(other, _)| *other != account);
				invited.try_push((account.clone(), key_ppm))
			})
			.map_err(|_| Error::<T>::TooManyInvitations)?;
			Self::deposit_event(Event::MemberInvited { community, account, key_ppm });
			Ok(())
		}

		/// Takes an invitation back, or declines it.
		///
		/// By the manager, or by the account that is invited. Errors: `CommunityUnknown`,
		/// `CommunityDissolved`, `NotTheManager`, `InvitationUnknown`. Event: `InvitationRevoked`.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::revoke_invitation())]
		pub fn revoke_invitation(
			origin: OriginFor<T>,
			community: CommunityId,
			account: T::AccountId,
		) -> DispatchResult {
			let known = Self::living(community)?;
			let who = ensure_signed(origin)?;
			ensure!(who == account || Self::manages(&who, &known), Error::<T>::NotTheManager);
			let mut invited = Invitations::<T>::get(community);
			Self::take_invitation(&mut invited, &account)?;
			Invitations::<T>::insert(community, invited);
			Self::deposit_event(Event::InvitationRevoked { community, account });
			Ok(())
		}

		/// Joins a community, from the first slot that has not begun on.
		///
		/// By an active prosumer of the zone that is invited with `key_ppm`, parts per million.
		/// `deposit` is held; `limit_per_slot` is the most that is charged for a slot, both in
		/// minor units. A member that only gives may have a limit of zero. Errors:
		/// `CommunityUnknown`, `CommunityDissolved`, `NotAProsumer`, `OtherZone`, `AlreadyMember`,
		/// `InvitationUnknown`, `KeyDiffers`, `DepositTooSmall`, `CommunityFull`,
		/// `KeysExceedWhole`, `NotEnoughMoney`. Event: `MemberJoined`.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::join())]
		pub fn join(
			origin: OriginFor<T>,
			community: CommunityId,
			key_ppm: u32,
			#[pallet::compact] limit_per_slot: Balance,
			#[pallet::compact] deposit: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::do_join(community, account, key_ppm, limit_per_slot, deposit)
		}

		/// Leaves a community with the first slot that has not begun. The deposit is free when the
		/// slots before it are shared.
		///
		/// By a member. Errors: `CommunityUnknown`, `NotAMember`. Event: `MemberLeaving`.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::leave())]
		pub fn leave(origin: OriginFor<T>, community: CommunityId) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::end_membership(community, account, Self::first_open)
		}

		/// Lets a member leave, after the time of notice.
		///
		/// By the manager. Errors: `CommunityUnknown`, `CommunityDissolved`, `NotTheManager`,
		/// `NotAMember`. Event: `MemberLeaving`.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::leave())]
		pub fn exclude(
			origin: OriginFor<T>,
			community: CommunityId,
			account: T::AccountId,
		) -> DispatchResult {
			Self::managed(origin, community)?;
			Self::end_membership(community, account, Self::first_with_notice)
		}

		/// Gives members other keys, in parts per million, from a slot on. Members that are not
		/// listed keep what they have, also what was to change.
		///
		/// By the manager, with notice. Errors: `CommunityUnknown`, `CommunityDissolved`,
		/// `NotTheManager`, `NoticeTooShort`, `NotAMember`, `ChangePending`, `KeysExceedWhole`.
		/// Event: `KeysSet`.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::set_keys(keys.len() as u32))]
		pub fn set_keys(
			origin: OriginFor<T>,
			community: CommunityId,
			keys: KeysOf<T>,
			from: Slot,
		) -> DispatchResult {
			let known = Self::managed(origin, community)?;
			let zone = known.zone;
			ensure!(from >= Self::first_with_notice(zone), Error::<T>::NoticeTooShort);
			let (first_open, oldest) = (Self::first_open(zone), Self::oldest(zone));
			let mut seats = Seats::<T>::get(community);
			for (account, key_ppm) in &keys {
				seats
					.iter_mut()
					.find(|seat| seat.account == *account)
					.ok_or(Error::<T>::NotAMember)?
					.key_ppm
					.schedule(*key_ppm, from, first_open, oldest)
					.map_err(Self::pending)?;
			}
			ensure!(keys_fit(&seats, first_open), Error::<T>::KeysExceedWhole);
			Seats::<T>::insert(community, seats);
			Self::deposit_event(Event::KeysSet { community, keys: keys.into_inner(), from });
			Ok(())
		}

		/// Sets what a member pays another, in minor units per kWh, from a slot on.
		///
		/// By the manager, with notice. Errors: `CommunityUnknown`, `CommunityDissolved`,
		/// `NotTheManager`, `NoticeTooShort`, `ChangePending`. Event: `PriceSet`.
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::set_price())]
		pub fn set_price(
			origin: OriginFor<T>,
			community: CommunityId,
			price_per_kwh: u64,
			from: Slot,
		) -> DispatchResult {
			let mut known = Self::managed(origin, community)?;
			Self::schedule(known.zone, &mut known.price_per_kwh, price_per_kwh, from)?;
			CommunityOf::<T>::insert(community, known);
			Self::deposit_event(Event::PriceSet { community, price_per_kwh, from });
			Ok(())
		}

		/// Sets what a member that takes pays the grid, in minor units per kWh, from a slot on.
		///
		/// By the zone's utility or the council, with notice. Errors: `CommunityUnknown`,
		/// `CommunityDissolved`, `NotAllowed`, `NoticeTooShort`, `ChangePending`. Event:
		/// `GridFeeSet`.
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::set_grid_fee())]
		pub fn set_grid_fee(
			origin: OriginFor<T>,
			community: CommunityId,
			grid_fee_per_kwh: u64,
			from: Slot,
		) -> DispatchResult {
			let mut known = Self::living(community)?;
			Self::ensure_governs(origin, known.zone)?;
			Self::schedule(known.zone, &mut known.grid_fee_per_kwh, grid_fee_per_kwh, from)?;
			CommunityOf::<T>::insert(community, known);
			Self::deposit_event(Event::GridFeeSet { community, grid_fee_per_kwh, from });
			Ok(())
		}

		/// Sets the most that the caller is charged for a slot, in minor units, from the first slot
		/// that has not begun on.
		///
		/// By a member. Errors: `CommunityUnknown`, `NotAMember`, `ChangePending`. Event:
		/// `LimitSet`.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::set_limit())]
		pub fn set_limit(
			origin: OriginFor<T>,
			community: CommunityId,
			#[pallet::compact] limit_per_slot: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			let (known, mut member) = Self::member(community, &account)?;
			let from = Self::first_open(known.zone);
			member
				.limit_per_slot
				.schedule(limit_per_slot, from, from, Self::oldest(known.zone))
				.map_err(Self::pending)?;
			Guarantees::<T>::insert(community, &account, member);
			Self::deposit_event(Event::LimitSet { community, account, limit_per_slot, from });
			Ok(())
		}

		/// Adds to the caller's deposit, minor units.
		///
		/// By a member. Errors: `CommunityUnknown`, `NotAMember`, `NotEnoughMoney`. Event:
		/// `Deposited`.
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::deposit())]
		pub fn deposit(
			origin: OriginFor<T>,
			community: CommunityId,
			#[pallet::compact] amount: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			let (_, mut member) = Self::member(community, &account)?;
			member.deposit =
				member.deposit.checked_add(amount).ok_or(Error::<T>::NotEnoughMoney)?;
			T::Currency::hold(&HoldReason::Community.into(), &account, amount)
				.map_err(|_| Error::<T>::NotEnoughMoney)?;
			Guarantees::<T>::insert(community, &account, member);
			Self::deposit_event(Event::Deposited { community, account, amount });
			Ok(())
		}

		/// Takes back a part of the caller's deposit, minor units.
		///
		/// By a member. What remains is at least [`Config::MinDeposit`], and at least the limit of
		/// each slot that has begun and is not shared. Errors: `CommunityUnknown`, `NotAMember`,
		/// `DepositNeeded`. Event: `Withdrawn`.
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw(
			origin: OriginFor<T>,
			community: CommunityId,
			#[pallet::compact] amount: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			let (known, mut member) = Self::member(community, &account)?;
			let needed = Self::pledged(community, &known, &account, &member)?;
			let remains = member.deposit.checked_sub(amount).ok_or(Error::<T>::DepositNeeded)?;
			ensure!(
				remains >= Balance::max(needed, T::MinDeposit::get()),
				Error::<T>::DepositNeeded
			);
			member.deposit = remains;
			Self::release_deposit(&account, amount)?;
			Guarantees::<T>::insert(community, &account, member);
			Self::deposit_event(Event::Withdrawn { community, account, amount });
			Ok(())
		}

		/// Ends a community with the first slot that has not begun. Deposits are free when the
		/// slots before it are shared.
		///
		/// By the manager, the zone's utility or the council. Errors: `CommunityUnknown`,
		/// `CommunityDissolved` before, `NotAllowed`. Event: `CommunityDissolved`.
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::dissolve())]
		pub fn dissolve(origin: OriginFor<T>, community: CommunityId) -> DispatchResult {
			let mut known = Self::living(community)?;
			if let Some(who) = Self::signer_or_governance(origin)? {
				let may = Self::manages(&who, &known) || Self::runs(&who, known.zone);
				ensure!(may, Error::<T>::NotAllowed);
			}
			let ends = Self::first_open(known.zone);
			known.ends = Some(ends);
			CommunityOf::<T>::insert(community, known);
			Self::deposit_event(Event::CommunityDissolved { community, ends });
			Ok(())
		}
	}
}
