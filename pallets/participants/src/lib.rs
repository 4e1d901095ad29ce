//! Who may do what: accounts, their roles and zones, and the meters with their device keys.
//!
//! # Overview
//!
//! The energy chain is open to members only. This pallet keeps the list of members: which account
//! was admitted, what it may do, in which part of the grid (*zone*) it lives, and whether it is
//! suspended. It also keeps the register of meters: whose each meter is, where it is connected, and
//! the public key with which the device signs its readings. Nothing personal is stored; a member is
//! an account and a salted hash of the papers that were checked elsewhere.
//!
//! # Who does what
//!
//! - **A zone opens.** Governance calls [`register_zone`](Pallet::register_zone) and names the
//!   utility that runs the zone's grid. Governance can name another one later
//!   ([`replace_utility`](Pallet::replace_utility)).
//! - **A household joins.** The zone's utility admits the account as a prosumer
//!   ([`admit`](Pallet::admit)) and registers its meter
//!   ([`register_meter`](Pallet::register_meter)). From then on the account can send transactions,
//!   and within its quota they cost nothing.
//! - **Something is wrong.** A regulator suspends the account ([`suspend`](Pallet::suspend)): the
//!   pool rejects its transactions until it is reinstated ([`reinstate`](Pallet::reinstate)).
//! - **A device is exchanged.** The utility gives the meter a new key
//!   ([`rotate_meter_key`](Pallet::rotate_meter_key)).
//!
//! # Other pallets and the runtime
//!
//! - [`energy_primitives::Participants`] and [`energy_primitives::Meters`] are how other pallets
//!   ask.
//! - [`CheckParticipant`] is the transaction extension that keeps strangers out of the pool.
//! - [`QuotaOrFee`] gives every active participant some weight for free in each period.
//!
//! # Details
//!
//! An admitted account gets a provider reference, so that it exists without any coin; it is given
//! back when the account is removed. The places of meters in a zone are numbered from zero without
//! gaps and are never given to another meter, because attestations name meters by their place.
//!
//! After a rotation the meter's former key is kept, one per meter, so that a reading that was
//! signed before can still prove an attestation wrong. After a second rotation, readings of before
//! the first one cannot: rotate no more than once per dispute window.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod extension;
mod quota;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use extension::{CheckParticipant, NOT_A_PARTICIPANT, SUSPENDED};
pub use pallet::*;
pub use quota::{Payment, QuotaOrFee};
pub use types::{
	GenesisKey, GenesisMeter, GenesisParticipant, Participant, QuotaUse, Status, Zone,
};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use energy_primitives::{Meter, MeterId, MeterIndex, Role, Roles, ZoneId};
	use frame_support::{pallet_prelude::*, traits::Contains};
	use frame_system::pallet_prelude::*;
	use sp_core::H256;
	use sp_runtime::{traits::Zero, ArithmeticError};
	use wia_ene_014::canonical::DeviceKey;

	/// Every role there is.
	const ALL_ROLES: [Role; 6] = [
		Role::Prosumer,
		Role::Aggregator,
		Role::Utility,
		Role::Oracle,
		Role::Regulator,
		Role::PaymentAgent,
	];

	#[pallet::config]
	pub trait Config: frame_system::Config {
		/// Opens zones, grants every role, and may do what a zone's utility and a regulator may do.
		/// Given by the runtime: a majority of the council. Whoever holds it decides who is a
		/// member.
		type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// The accounts that only governance may suspend. Given by the runtime: the members of the
		/// council. Left out, a regulator could suspend those who vote, and nobody could undo it.
		type Protected: Contains<Self::AccountId>;

		/// The most meters that one account may own. Everything an account owns is read when it is
		/// billed.
		#[pallet::constant]
		type MaxMetersPerOwner: Get<u32>;

		/// The length of a quota's period in blocks. Not zero.
		#[pallet::constant]
		type QuotaPeriod: Get<BlockNumberFor<Self>>;

		/// The weight that every active participant has for free in each period. Zero: fees only.
		#[pallet::constant]
		type Quota: Get<Weight>;

		/// What the calls cost. Given by the benchmarks.
		type WeightInfo: WeightInfo;
	}

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// The parts of the grid. Governance chooses the numbers, so a fast hash will do.
	#[pallet::storage]
	pub type Zones<T: Config> = StorageMap<_, Twox64Concat, ZoneId, Zone<T::AccountId>>;

	/// The admitted accounts.
	#[pallet::storage]
	pub type ParticipantsOf<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Participant>;

	/// The meters. The key is a hash, but one that anybody can search for a good one.
	#[pallet::storage]
	pub type Meters<T: Config> = StorageMap<_, Blake2_128Concat, MeterId, Meter<T::AccountId>>;

	/// The key a meter had before its last rotation.
	#[pallet::storage]
	pub type PreviousKeys<T: Config> = StorageMap<_, Blake2_128Concat, MeterId, DeviceKey>;

	/// Which meter has which place in a zone. Written together with [`Meters`].
	#[pallet::storage]
	pub type MetersOfZone<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneId, Twox64Concat, MeterIndex, MeterId>;

	/// How many places a zone has given out.
	#[pallet::storage]
	pub type MeterCount<T: Config> = StorageMap<_, Twox64Concat, ZoneId, u32, ValueQuery>;

	/// The places in a zone of the meters of an account, ascending. Written together with
	/// [`Meters`].
	#[pallet::storage]
	pub type MetersOf<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		T::AccountId,
		Twox64Concat,
		ZoneId,
		BoundedVec<MeterIndex, T::MaxMetersPerOwner>,
		ValueQuery,
	>;

	/// What accounts have used of their quota in the last period in which they used any.
	#[pallet::storage]
	pub type QuotaUsed<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, QuotaUse<BlockNumberFor<T>>>;

	/// The members that a chain begins with.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// The zones and their utilities. A utility is admitted with its zone, with the role
		/// [`Role::Utility`] and no commitment to its identity; do not name it again below.
		pub zones: Vec<(ZoneId, T::AccountId)>,
		/// The participants, after the zones.
		pub participants: Vec<GenesisParticipant<T::AccountId>>,
		/// The meters, after the participants. Their places follow this order.
		pub meters: Vec<GenesisMeter<T::AccountId>>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			for (zone, utility) in &self.zones {
				if let Err(error) = Pallet::<T>::do_register_zone(*zone, utility) {
					panic!("genesis: zone {zone} with utility {utility:?}: {error:?}");
				}
			}
			for GenesisParticipant { account, roles, zone, identity } in &self.participants {
				let admitted = Pallet::<T>::do_admit(account, Roles::of(roles), *zone, *identity);
				if let Err(error) = admitted {
					panic!("genesis: participant {account:?}: {error:?}");
				}
			}
			for GenesisMeter { id, owner, zone, key, rated_power_w } in &self.meters {
				let Some(key) = key.to_device_key() else {
					panic!("genesis: meter {id:?}: a P-256 key has 33 bytes");
				};
				let registered =
					Pallet::<T>::do_register_meter(*id, owner.clone(), *zone, key, *rated_power_w);
				if let Err(error) = registered {
					panic!("genesis: meter {id:?}: {error:?}");
				}
			}
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A zone was opened.
		ZoneRegistered {
			/// The zone.
			zone: ZoneId,
			/// Who runs its grid.
			utility: T::AccountId,
		},
		/// Another utility runs a zone's grid from now on.
		UtilityReplaced {
			/// The zone.
			zone: ZoneId,
			/// Who ran its grid.
			old: T::AccountId,
			/// Who runs it now.
			new: T::AccountId,
		},
		/// An account became a participant.
		Admitted {
			/// The account.
			who: T::AccountId,
			/// What it may do.
			roles: Roles,
			/// Where it belongs.
			zone: ZoneId,
			/// The commitment to its identity.
			identity: H256,
		},
		/// A participant may do nothing for now.
		Suspended {
			/// The participant.
			who: T::AccountId,
		},
		/// A suspended participant may act again.
		Reinstated {
			/// The participant.
			who: T::AccountId,
		},
		/// An account is no participant any more.
		Removed {
			/// The account.
			who: T::AccountId,
		},
		/// A meter was registered.
		MeterRegistered {
			/// The meter.
			id: MeterId,
			/// Who is billed for it.
			owner: T::AccountId,
			/// Where it is connected.
			zone: ZoneId,
			/// Its place in the zone.
			index: MeterIndex,
			/// The public key of the device.
			key: DeviceKey,
			/// The largest power of the connection, W.
			rated_power_w: u32,
		},
		/// A meter signs with another key from now on.
		MeterKeyRotated {
			/// The meter.
			id: MeterId,
			/// The key it signed with.
			old: DeviceKey,
			/// The key it signs with.
			new: DeviceKey,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// There is a zone of this number already.
		ZoneExists,
		/// There is no zone of this number.
		ZoneUnknown,
		/// The account is a participant already.
		AlreadyAdmitted,
		/// The account is no participant.
		NotAdmitted,
		/// The set of roles is empty, or has a role that does not exist.
		RolesInvalid,
		/// A utility admits prosumers and aggregators only.
		RoleNotGrantable,
		/// The signer is not the active utility of the zone.
		NotTheUtility,
		/// The account is no active utility that belongs to the zone.
		UtilityUnfit,
		/// The account runs the grid of its zone already.
		UtilityUnchanged,
		/// The signer is no active regulator.
		NotARegulator,
		/// Nobody suspends itself.
		OwnSuspension,
		/// Only governance may suspend this account.
		ProtectedAccount,
		/// The participant is suspended already.
		AlreadySuspended,
		/// The participant is not suspended.
		NotSuspended,
		/// A participant with meters cannot be removed.
		OwnsMeters,
		/// The utility of a zone cannot be removed.
		RunsZone,
		/// There is a meter of this identifier already.
		MeterExists,
		/// There is no meter of this identifier.
		MeterUnknown,
		/// The key is not a valid public key of its curve.
		KeyInvalid,
		/// The meter has this key already.
		KeyUnchanged,
		/// A connection carries some power.
		RatedPowerZero,
		/// The owner of a meter is an active prosumer of the meter's zone.
		OwnerUnfit,
		/// The account owns as many meters as an account may.
		TooManyMeters,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(!T::QuotaPeriod::get().is_zero(), "a quota's period has blocks");
			assert!(T::MaxMetersPerOwner::get() > 0, "an account may own a meter");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Opens a zone.
		///
		/// Governance. `utility` is admitted with the role [`Role::Utility`] in the new zone, with
		/// an empty (zero) commitment to its identity. It must not be a participant yet: an account
		/// belongs to one zone for good, so a company that runs several zones has an account for
		/// each.
		///
		/// Errors: [`Error::ZoneExists`], [`Error::AlreadyAdmitted`].
		/// Events: [`Event::ZoneRegistered`], [`Event::Admitted`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register_zone())]
		pub fn register_zone(
			origin: OriginFor<T>,
			zone: ZoneId,
			utility: T::AccountId,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			Self::do_register_zone(zone, &utility)
		}

		/// Lets another utility run a zone's grid.
		///
		/// Governance. `utility` must be an active participant of the zone with the role
		/// [`Role::Utility`]. The former one stays a participant.
		///
		/// Errors: [`Error::ZoneUnknown`], [`Error::UtilityUnchanged`], [`Error::UtilityUnfit`].
		/// Events: [`Event::UtilityReplaced`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::replace_utility())]
		pub fn replace_utility(
			origin: OriginFor<T>,
			zone: ZoneId,
			utility: T::AccountId,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			let old = Zones::<T>::get(zone).ok_or(Error::<T>::ZoneUnknown)?.utility;
			ensure!(old != utility, Error::<T>::UtilityUnchanged);
			let candidate = ParticipantsOf::<T>::get(&utility).ok_or(Error::<T>::UtilityUnfit)?;
			ensure!(
				candidate.zone == zone && candidate.can_act_as(Role::Utility),
				Error::<T>::UtilityUnfit
			);
			Zones::<T>::insert(zone, Zone { utility: utility.clone() });
			Self::deposit_event(Event::UtilityReplaced { zone, old, new: utility });
			Ok(())
		}

		/// Makes an account a participant of a zone.
		///
		/// Governance grants any role. The active utility of the zone grants [`Role::Prosumer`] and
		/// [`Role::Aggregator`]. The account gets a provider reference, so that it can send
		/// transactions without owning any coin.
		///
		/// Errors: [`Error::NotTheUtility`], [`Error::RoleNotGrantable`], [`Error::RolesInvalid`],
		/// [`Error::ZoneUnknown`], [`Error::AlreadyAdmitted`].
		/// Events: [`Event::Admitted`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::admit())]
		pub fn admit(
			origin: OriginFor<T>,
			who: T::AccountId,
			roles: Roles,
			zone: ZoneId,
			identity: H256,
		) -> DispatchResult {
			if let Some(signer) = Self::signer_or_governance(origin)? {
				Self::ensure_runs_zone(&signer, zone)?;
				let grantable = [
					Roles::of(&[Role::Prosumer]),
					Roles::of(&[Role::Aggregator]),
					Roles::of(&[Role::Prosumer, Role::Aggregator]),
				];
				ensure!(grantable.contains(&roles), Error::<T>::RoleNotGrantable);
			}
			Self::do_admit(&who, roles, zone, identity)
		}

		/// Forbids a participant to act.
		///
		/// Governance, or an active regulator; a regulator suspends neither itself nor an account
		/// that is [protected](Config::Protected). The pool takes no transaction of a suspended
		/// account.
		///
		/// Errors: [`Error::NotARegulator`], [`Error::OwnSuspension`], [`Error::ProtectedAccount`],
		/// [`Error::NotAdmitted`], [`Error::AlreadySuspended`].
		/// Events: [`Event::Suspended`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::suspend())]
		pub fn suspend(origin: OriginFor<T>, who: T::AccountId) -> DispatchResult {
			if let Some(signer) = Self::signer_or_governance(origin)? {
				Self::ensure_regulator(&signer)?;
				ensure!(signer != who, Error::<T>::OwnSuspension);
				ensure!(!T::Protected::contains(&who), Error::<T>::ProtectedAccount);
			}
			let mut participant = ParticipantsOf::<T>::get(&who).ok_or(Error::<T>::NotAdmitted)?;
			ensure!(participant.status.can_be_suspended(), Error::<T>::AlreadySuspended);
			participant.status = Status::Suspended;
			ParticipantsOf::<T>::insert(&who, participant);
			Self::deposit_event(Event::Suspended { who });
			Ok(())
		}

		/// Lets a suspended participant act again.
		///
		/// Governance, or an active regulator.
		///
		/// Errors: [`Error::NotARegulator`], [`Error::NotAdmitted`], [`Error::NotSuspended`].
		/// Events: [`Event::Reinstated`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::reinstate())]
		pub fn reinstate(origin: OriginFor<T>, who: T::AccountId) -> DispatchResult {
			if let Some(signer) = Self::signer_or_governance(origin)? {
				Self::ensure_regulator(&signer)?;
			}
			let mut participant = ParticipantsOf::<T>::get(&who).ok_or(Error::<T>::NotAdmitted)?;
			ensure!(participant.status.can_be_reinstated(), Error::<T>::NotSuspended);
			participant.status = Status::Active;
			ParticipantsOf::<T>::insert(&who, participant);
			Self::deposit_event(Event::Reinstated { who });
			Ok(())
		}

		/// Takes an account off the list.
		///
		/// Governance. The account must own no meter and run no zone. Its provider reference is
		/// given back, which fails while another pallet needs the account to exist.
		///
		/// Errors: [`Error::NotAdmitted`], [`Error::OwnsMeters`], [`Error::RunsZone`],
		/// [`DispatchError::ConsumerRemaining`].
		/// Events: [`Event::Removed`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::remove())]
		pub fn remove(origin: OriginFor<T>, who: T::AccountId) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			let participant = ParticipantsOf::<T>::get(&who).ok_or(Error::<T>::NotAdmitted)?;
			let zone = participant.zone;
			ensure!(MetersOf::<T>::get(&who, zone).is_empty(), Error::<T>::OwnsMeters);
			let runs_zone = Zones::<T>::get(zone).is_some_and(|zone| zone.utility == who);
			ensure!(!runs_zone, Error::<T>::RunsZone);
			frame_system::Pallet::<T>::dec_providers(&who)?;
			ParticipantsOf::<T>::remove(&who);
			QuotaUsed::<T>::remove(&who);
			Self::deposit_event(Event::Removed { who });
			Ok(())
		}

		/// Registers a meter and gives it the next place in its zone.
		///
		/// The zone's active utility, or governance. `rated_power_w` is in W.
		///
		/// Errors: [`Error::NotTheUtility`], [`Error::ZoneUnknown`], [`Error::MeterExists`],
		/// [`Error::KeyInvalid`], [`Error::RatedPowerZero`], [`Error::OwnerUnfit`],
		/// [`Error::TooManyMeters`].
		/// Events: [`Event::MeterRegistered`].
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::register_meter())]
		pub fn register_meter(
			origin: OriginFor<T>,
			id: MeterId,
			owner: T::AccountId,
			zone: ZoneId,
			key: DeviceKey,
			rated_power_w: u32,
		) -> DispatchResult {
			if let Some(signer) = Self::signer_or_governance(origin)? {
				Self::ensure_runs_zone(&signer, zone)?;
			}
			Self::do_register_meter(id, owner, zone, key, rated_power_w)
		}

		/// Gives a meter a new device key.
		///
		/// The active utility of the meter's zone, or governance. The former key is kept for
		/// disputes until the next rotation.
		///
		/// Errors: [`Error::MeterUnknown`], [`Error::NotTheUtility`], [`Error::KeyUnchanged`],
		/// [`Error::KeyInvalid`].
		/// Events: [`Event::MeterKeyRotated`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::rotate_meter_key())]
		pub fn rotate_meter_key(
			origin: OriginFor<T>,
			id: MeterId,
			key: DeviceKey,
		) -> DispatchResult {
			let signer = Self::signer_or_governance(origin)?;
			let mut meter = Meters::<T>::get(id).ok_or(Error::<T>::MeterUnknown)?;
			if let Some(signer) = signer {
				Self::ensure_runs_zone(&signer, meter.zone)?;
			}
			ensure!(meter.key != key, Error::<T>::KeyUnchanged);
			ensure!(key.check().is_ok(), Error::<T>::KeyInvalid);
			let old = core::mem::replace(&mut meter.key, key);
			PreviousKeys::<T>::insert(id, old);
			Meters::<T>::insert(id, meter);
			Self::deposit_event(Event::MeterKeyRotated { id, old, new: key });
			Ok(())
		}
	}

	impl<T: Config> Pallet<T> {
		/// `None` for governance, else the account that signed.
		fn signer_or_governance(
			origin: OriginFor<T>,
		) -> Result<Option<T::AccountId>, DispatchError> {
			match T::GovernanceOrigin::try_origin(origin) {
				Ok(_) => Ok(None),
				Err(origin) => Ok(Some(ensure_signed(origin)?)),
			}
		}

		fn ensure_runs_zone(signer: &T::AccountId, zone: ZoneId) -> DispatchResult {
			let utility = Zones::<T>::get(zone).ok_or(Error::<T>::ZoneUnknown)?.utility;
			let active = ParticipantsOf::<T>::get(signer)
				.is_some_and(|participant| participant.can_act_as(Role::Utility));
			ensure!(utility == *signer && active, Error::<T>::NotTheUtility);
			Ok(())
		}

		fn ensure_regulator(signer: &T::AccountId) -> DispatchResult {
			let regulator = ParticipantsOf::<T>::get(signer)
				.is_some_and(|participant| participant.can_act_as(Role::Regulator));
			ensure!(regulator, Error::<T>::NotARegulator);
			Ok(())
		}

		pub(crate) fn do_register_zone(zone: ZoneId, utility: &T::AccountId) -> DispatchResult {
			ensure!(!Zones::<T>::contains_key(zone), Error::<T>::ZoneExists);
			ensure!(!ParticipantsOf::<T>::contains_key(utility), Error::<T>::AlreadyAdmitted);
			Zones::<T>::insert(zone, Zone { utility: utility.clone() });
			Self::deposit_event(Event::ZoneRegistered { zone, utility: utility.clone() });
			Self::do_admit(utility, Role::Utility.into(), zone, H256::zero())
		}

		pub(crate) fn do_admit(
			who: &T::AccountId,
			roles: Roles,
			zone: ZoneId,
			identity: H256,
		) -> DispatchResult {
			ensure!(Self::are_valid(roles), Error::<T>::RolesInvalid);
			ensure!(Zones::<T>::contains_key(zone), Error::<T>::ZoneUnknown);
			ensure!(!ParticipantsOf::<T>::contains_key(who), Error::<T>::AlreadyAdmitted);
			frame_system::Pallet::<T>::inc_providers(who);
			let participant = Participant { roles, zone, status: Status::Active, identity };
			ParticipantsOf::<T>::insert(who, participant);
			Self::deposit_event(Event::Admitted { who: who.clone(), roles, zone, identity });
			Ok(())
		}

		pub(crate) fn do_register_meter(
			id: MeterId,
			owner: T::AccountId,
			zone: ZoneId,
			key: DeviceKey,
			rated_power_w: u32,
		) -> DispatchResult {
			ensure!(Zones::<T>::contains_key(zone), Error::<T>::ZoneUnknown);
			ensure!(!Meters::<T>::contains_key(id), Error::<T>::MeterExists);
			ensure!(key.check().is_ok(), Error::<T>::KeyInvalid);
			ensure!(rated_power_w > 0, Error::<T>::RatedPowerZero);
			let fit = ParticipantsOf::<T>::get(&owner)
				.is_some_and(|owner| owner.zone == zone && owner.can_act_as(Role::Prosumer));
			ensure!(fit, Error::<T>::OwnerUnfit);
			let count = MeterCount::<T>::get(zone);
			let next = count.checked_add(1).ok_or(ArithmeticError::Overflow)?;
			let index = MeterIndex(count);
			let mut owned = MetersOf::<T>::get(&owner, zone);
			owned.try_push(index).map_err(|_| Error::<T>::TooManyMeters)?;

			MeterCount::<T>::insert(zone, next);
			MetersOf::<T>::insert(&owner, zone, owned);
			MetersOfZone::<T>::insert(zone, index, id);
			let meter = Meter { owner: owner.clone(), zone, index, key, rated_power_w };
			Meters::<T>::insert(id, meter);
			Self::deposit_event(Event::MeterRegistered {
				id,
				owner,
				zone,
				index,
				key,
				rated_power_w,
			});
			Ok(())
		}

		/// Whether the set has a role, and none that does not exist: a bit without a meaning today
		/// may get one tomorrow.
		fn are_valid(roles: Roles) -> bool {
			let known: Vec<Role> =
				ALL_ROLES.into_iter().filter(|role| roles.contains(*role)).collect();
			!roles.is_empty() && Roles::of(&known) == roles
		}
	}

	impl<T: Config> energy_primitives::Participants<T::AccountId> for Pallet<T> {
		fn is_active(who: &T::AccountId) -> bool {
			ParticipantsOf::<T>::get(who).is_some_and(|participant| participant.status.can_act())
		}

		fn has_role(who: &T::AccountId, role: Role) -> bool {
			ParticipantsOf::<T>::get(who).is_some_and(|participant| participant.can_act_as(role))
		}

		fn zone_of(who: &T::AccountId) -> Option<ZoneId> {
			ParticipantsOf::<T>::get(who).map(|participant| participant.zone)
		}

		fn trading_zone(who: &T::AccountId) -> Option<ZoneId> {
			let participant = ParticipantsOf::<T>::get(who)?;
			[Role::Prosumer, Role::Aggregator, Role::Utility]
				.into_iter()
				.any(|role| participant.can_act_as(role))
				.then_some(participant.zone)
		}

		fn zone_exists(zone: ZoneId) -> bool {
			Zones::<T>::contains_key(zone)
		}

		fn utility_of(zone: ZoneId) -> Option<T::AccountId> {
			Zones::<T>::get(zone).map(|zone| zone.utility)
		}
	}

	impl<T: Config> energy_primitives::Meters<T::AccountId> for Pallet<T> {
		fn meter(id: MeterId) -> Option<Meter<T::AccountId>> {
			Meters::<T>::get(id)
		}

		fn meter_at(zone: ZoneId, index: MeterIndex) -> Option<(MeterId, Meter<T::AccountId>)> {
			let id = MetersOfZone::<T>::get(zone, index)?;
			Some((id, Meters::<T>::get(id)?))
		}

		fn meters_of(owner: &T::AccountId, zone: ZoneId) -> Vec<MeterIndex> {
			MetersOf::<T>::get(owner, zone).into_inner()
		}

		fn meter_count(zone: ZoneId) -> u32 {
			MeterCount::<T>::get(zone)
		}

		fn previous_key(id: MeterId) -> Option<DeviceKey> {
			PreviousKeys::<T>::get(id)
		}
	}

	#[cfg(any(feature = "try-runtime", test))]
	impl<T: Config> Pallet<T> {
		/// What is always true of the pallet's storage.
		pub(crate) fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
			// 1. The utility of a zone is a participant of that zone with the role of a utility.
			for (zone, Zone { utility }) in Zones::<T>::iter() {
				let fits = ParticipantsOf::<T>::get(&utility).is_some_and(|participant| {
					participant.zone == zone && participant.roles.contains(Role::Utility)
				});
				ensure!(fits, "a zone has no utility of its own");
			}

			// 2. A participant has roles that exist, a zone that exists, and a provider reference.
			for (who, participant) in ParticipantsOf::<T>::iter() {
				ensure!(Self::are_valid(participant.roles), "a participant has odd roles");
				ensure!(Zones::<T>::contains_key(participant.zone), "a participant has no zone");
				ensure!(frame_system::Pallet::<T>::providers(&who) > 0, "nobody provides");
			}

			// 3. A meter's owner is a prosumer of the meter's zone, its key is valid, and it is
			//    found under its place both in the zone and with its owner.
			let mut meters = 0u64;
			for (id, meter) in Meters::<T>::iter() {
				meters = meters.saturating_add(1);
				let fits = ParticipantsOf::<T>::get(&meter.owner).is_some_and(|owner| {
					owner.zone == meter.zone && owner.roles.contains(Role::Prosumer)
				});
				ensure!(fits, "a meter's owner is no prosumer of its zone");
				ensure!(meter.key.check().is_ok(), "a meter's key is invalid");
				ensure!(
					MetersOfZone::<T>::get(meter.zone, meter.index) == Some(id),
					"a meter is not at its place"
				);
				ensure!(
					MetersOf::<T>::get(&meter.owner, meter.zone).contains(&meter.index),
					"a meter is not with its owner"
				);
			}

			// 4. The places of a zone are 0 .. MeterCount, each with a meter.
			let mut places = 0u64;
			for (zone, index, id) in MetersOfZone::<T>::iter() {
				places = places.saturating_add(1);
				ensure!(index.0 < MeterCount::<T>::get(zone), "a place beyond the count");
				ensure!(Meters::<T>::contains_key(id), "a place without a meter");
			}
			let counted = MeterCount::<T>::iter_values().map(u64::from).sum::<u64>();
			ensure!(places == counted, "a zone has gaps between its meters");
			ensure!(places == meters, "a meter has two places");

			// 5. The lists of owners have every meter once, in ascending order.
			let mut owned = 0u64;
			for (_, _, indices) in MetersOf::<T>::iter() {
				ensure!(!indices.is_empty(), "an empty list of meters");
				ensure!(
					indices.windows(2).all(|pair| pair[0] < pair[1]),
					"a list of meters is not ascending"
				);
				owned = owned.saturating_add(indices.len() as u64);
			}
			ensure!(owned == meters, "a meter has two owners");

			// 6. A former key belongs to a meter that has another one.
			for (id, key) in PreviousKeys::<T>::iter() {
				let differs = Meters::<T>::get(id).is_some_and(|meter| meter.key != key);
				ensure!(differs, "a former key without a newer one");
			}

			// 7. Only participants use a quota, and never more than there is.
			for (who, quota) in QuotaUsed::<T>::iter() {
				ensure!(ParticipantsOf::<T>::contains_key(&who), "a stranger used a quota");
				ensure!(quota.period <= Self::quota_period(), "a quota of the future was used");
				ensure!(
					quota.period < Self::quota_period() || quota.used.all_lte(T::Quota::get()),
					"more than the quota was used"
				);
			}
			Ok(())
		}
	}
}
