//! What was measured: attestations by a quorum of oracles, estimates, and disputes by proof.
//!
//! # Overview
//!
//! Meters do not speak to the chain. Several independent *oracles* collect the signed readings of a
//! zone, add them up for each delivery slot, and each of them tells the chain the same list: this
//! meter took so much from the grid and gave so much to it. When enough oracles of the zone have
//! said exactly the same, the list is final. For a while anybody can still prove it wrong with
//! readings that the meter signed and the oracles themselves committed to. After that, money moves
//! by it.
//!
//! # Who does what
//!
//! - **Oracles attest.** When the slot has ended, each oracle of the zone's group sends the slot's
//!   pages ([`attest`](Pallet::attest)). A page becomes final with the vote that reaches the
//!   threshold; those who voted otherwise get a fault each. When all pages are final the slot is
//!   measured.
//! - **Somebody disagrees.** Until the dispute window closes, any participant shows the signed
//!   readings of one meter that fill the slot, each with its path to the page's root
//!   ([`challenge`](Pallet::challenge)). If they add up to something else, the line is corrected
//!   and everyone who vouched for it gets a fault.
//! - **Settlement asks.** Through [`energy_primitives::MeteredEnergy`]: first whether the figures
//!   are final, then for the figures, meter by meter.
//! - **Governance** names the groups ([`set_group`](Pallet::set_group)) and sets the times
//!   ([`set_parameters`](Pallet::set_parameters)).
//!
//! # Pages
//!
//! Page `p` carries the meters `256 p .. 256 (p + 1)` of a zone. How many pages a slot has is fixed
//! by the first vote on any of them. An oracle votes once on a page. The group's threshold is more
//! than half of it, so two different lists can never both win. If the group changes meanwhile, the
//! votes of those who left are forgotten with the next vote.
//!
//! # When figures are final
//!
//! Either `dispute_seconds` after the last page became final, or, with pages missing,
//! `deadline_seconds + dispute_seconds` after the end of the slot, whichever comes first. A slot
//! keeps the times that were in force when it ended: governance can change them for the future
//! only. A zone without any meter has nothing to wait for: its slots are final when they end.
//!
//! # Estimates
//!
//! A meter without a line, or with a line of quality `Missing`, is estimated: it is taken to have
//! measured what it did in the most recent of the last [`Config::EstimateLookback`] slots for which
//! it has a line of quality `Valid`, and nothing at all if there is none. The figure is always
//! flagged `Estimated`. The rule looks back a short time only, so that a meter which stays silent
//! soon counts as one that neither took nor gave: nobody is paid for long for energy that nobody
//! measured.
//!
//! # What is kept
//!
//! Roots, counts and names of oracles are kept for good; the lines are removed
//! [`Config::RetentionSlots`] slots later, a few pages in each block that has time left.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod evidence;
mod measurement;
mod pruning;
#[cfg(any(feature = "try-runtime", test))]
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
pub use types::{
	Candidate, Evidence, FinalPage, Group, Lines, MetersOfPage, Parameters, PruneState,
	SlotProgress, ZoneSlot, ZoneSlotPage,
};
pub use weights::WeightInfo;

/// The most entries of the history of [`Parameters`].
pub const MAX_PARAMETER_CHANGES: u32 = 16;
/// The longest time from the end of a slot until its measurement is final, seconds: a week.
pub const MAX_TOTAL_SECONDS: u64 = 7 * 24 * 3_600;

/// Sets the stage for the benchmarks. Given by the runtime.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<AccountId> {
	/// Opens a zone.
	fn open_zone(zone: energy_primitives::ZoneId);
	/// Admits an oracle.
	fn admit_oracle(zone: energy_primitives::ZoneId, who: &AccountId);
	/// Registers a meter, whoever owns it.
	fn register_meter(
		zone: energy_primitives::ZoneId,
		id: energy_primitives::MeterId,
		key: wia_ene_014::canonical::DeviceKey,
	);
	/// Sets the clock, in seconds since 1970.
	fn set_now_seconds(seconds: u64);
}

#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::{collections::BTreeSet, vec::Vec};
	use codec::Encode;
	use energy_primitives::{
		merkle, MeterIndex, MeterValue, MeteredEnergy, MeteringStatus, Meters as _,
		Participants as _, Quality, Role, Slot, SlotClock, UnsettledSlots, ZoneId,
	};
	use frame_support::{pallet_prelude::*, weights::WeightMeter};
	use frame_system::pallet_prelude::*;
	use sp_core::H256;
	use sp_runtime::ArithmeticError;

	#[pallet::config]
	pub trait Config: frame_system::Config {
		/// Names oracles and sets times. Given by the runtime: the council. Whoever
		/// holds it decides what was measured.
		type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// Who takes part. Given by `pallet-participants`.
		type Participants: energy_primitives::Participants<Self::AccountId>;

		/// Which meters there are. Given by `pallet-participants`.
		type Meters: energy_primitives::Meters<Self::AccountId>;

		/// The time. Given by `pallet-energy-market`. If the length of a slot changed, attestations
		/// of before would mean other times.
		type Clock: SlotClock;
		/// Which slots are not settled: their lines are kept however old they are. Given by
		/// `pallet-energy-market`.
		type Market: UnsettledSlots;

		/// The most oracles of a group.
		#[pallet::constant]
		type MaxOracles: Get<u32>;

		/// The most signed readings that one challenge may show.
		#[pallet::constant]
		type MaxEvidence: Get<u32>;

		/// How many slots an estimate looks back. Each costs whoever asks the read of a page (6 KB)
		/// for each missing meter, so not many.
		#[pallet::constant]
		type EstimateLookback: Get<u32>;

		/// How many slots the lines are kept. Longer than any dispute, plus the time that
		/// settlement takes, plus what an estimate looks back.
		#[pallet::constant]
		type RetentionSlots: Get<u32>;

		/// What the calls cost. Given by the benchmarks.
		type WeightInfo: WeightInfo;

		/// Sets the stage for the benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
	}

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	// Zones and slots are numbers that no user can choose freely, hence the fast hash below.

	/// The oracles of the zones.
	#[pallet::storage]
	pub type Groups<T: Config> = StorageMap<_, Twox64Concat, ZoneId, Group<T>>;

	/// The times, each with the moment it was set, in seconds since 1970, ascending. A slot has the
	/// last entry that was set before it ended.
	#[pallet::storage]
	pub type ParameterHistory<T: Config> =
		StorageValue<_, BoundedVec<(u64, Parameters), ConstU32<MAX_PARAMETER_CHANGES>>, ValueQuery>;

	/// What oracles say of pages that are not final, by digest. Each has a vote in [`Votes`].
	#[pallet::storage]
	pub type Candidates<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneSlotPage, Identity, H256, Candidate>;

	/// Who voted for which digest, in order, on pages that are not final.
	#[pallet::storage]
	pub type Votes<T: Config> = StorageMap<
		_,
		Twox64Concat,
		ZoneSlotPage,
		BoundedVec<(T::AccountId, H256), T::MaxOracles>,
		ValueQuery,
	>;

	/// The final pages. Kept for good.
	#[pallet::storage]
	pub type Pages<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneSlot, Twox64Concat, u32, FinalPage<T>>;

	/// The lines of final pages, until they are pruned.
	#[pallet::storage]
	pub type PageValues<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneSlot, Twox64Concat, u32, Lines>;

	/// Which lines of a final page were corrected, until they are pruned.
	#[pallet::storage]
	pub type Corrected<T: Config> =
		StorageDoubleMap<_, Twox64Concat, ZoneSlot, Twox64Concat, u32, MetersOfPage, ValueQuery>;

	/// How far slots have come, from their first vote on. Kept for good.
	#[pallet::storage]
	pub type Progress<T: Config> = StorageMap<_, Twox64Concat, ZoneSlot, SlotProgress>;

	/// The slots whose lines are to be pruned, in order of their first votes.
	#[pallet::storage]
	pub type PruneQueue<T: Config> = StorageMap<_, Twox64Concat, u64, ZoneSlot>;

	/// How far pruning has come.
	#[pallet::storage]
	pub type Pruning<T: Config> = StorageValue<_, PruneState, ValueQuery>;

	/// How often an oracle was outvoted or proven wrong.
	#[pallet::storage]
	pub type Faults<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

	/// The groups and times that a chain begins with.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Zones, their oracles, and how many of these must agree. The oracles must be participants
		/// already, so the runtime names this pallet after `pallet-participants`.
		pub groups: Vec<(ZoneId, Vec<T::AccountId>, u32)>,
		/// The times.
		pub parameters: Parameters,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			assert!(
				self.parameters.deadline_seconds > 0,
				"genesis: oracles have no time to attest"
			);
			ParameterHistory::<T>::mutate(|history| {
				history.try_push((0, self.parameters)).expect("it was empty; qed")
			});
			for (zone, members, threshold) in &self.groups {
				let Ok(members) = BoundedVec::try_from(members.clone()) else {
					panic!("genesis: zone {zone} has too many oracles");
				};
				if let Err(error) = Pallet::<T>::do_set_group(*zone, members, *threshold) {
					panic!("genesis: oracles of zone {zone}: {error:?}");
				}
			}
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A zone has a new group of oracles.
		GroupSet {
			/// The zone.
			zone: ZoneId,
			/// Whose attestations count.
			members: Vec<T::AccountId>,
			/// How many of them must agree.
			threshold: u32,
		},
		/// Slots have other times.
		ParametersSet {
			/// Slots that end later have them, seconds since 1970.
			from: u64,
			/// The times.
			parameters: Parameters,
		},
		/// An oracle voted on a page.
		Attested {
			/// The zone.
			zone: ZoneId,
			/// The slot.
			slot: Slot,
			/// The page.
			page: u32,
			/// Who voted.
			oracle: T::AccountId,
			/// What for: the hash of the page's content.
			digest: H256,
		},
		/// Enough oracles agree on a page.
		PageFinalised {
			/// The zone.
			zone: ZoneId,
			/// The slot.
			slot: Slot,
			/// The page.
			page: u32,
			/// The root of the tree over the signed readings.
			readings_root: H256,
			/// Who vouched for it.
			oracles: Vec<T::AccountId>,
			/// Who voted otherwise, and got a fault each.
			dissenters: Vec<T::AccountId>,
		},
		/// Every page of a slot is final.
		SlotMeasured {
			/// The zone.
			zone: ZoneId,
			/// The slot.
			slot: Slot,
		},
		/// A line was proven wrong and corrected. Everyone who vouched for it got a fault.
		ChallengeUpheld {
			/// The zone.
			zone: ZoneId,
			/// The slot.
			slot: Slot,
			/// The meter.
			meter: MeterIndex,
			/// Who proved it.
			challenger: T::AccountId,
			/// The line as it was, if there was one.
			old: Option<MeterValue>,
			/// The line as it is.
			new: MeterValue,
			/// Who had vouched for it.
			oracles: Vec<T::AccountId>,
		},
		/// The lines of a slot were removed. Its roots stay.
		ValuesPruned {
			/// The zone.
			zone: ZoneId,
			/// The slot.
			slot: Slot,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// There is no zone of this number.
		ZoneUnknown,
		/// The account is no active oracle.
		NotAnOracle,
		/// An oracle is named twice.
		OracleTwice,
		/// The threshold is not more than half of the group and at most all of it.
		ThresholdInvalid,
		/// Oracles need some time to attest.
		DeadlineZero,
		/// The times are longer than lines are kept.
		TimesTooLong,
		/// The times were changed too often lately.
		TooManyChanges,
		/// The zone has no group of oracles.
		GroupUnknown,
		/// The oracle is not of the zone's group.
		NotInGroup,
		/// The slot has not ended.
		SlotNotEnded,
		/// The time to attest is over.
		AttestationLate,
		/// The slot has no page of this number.
		PageUnknown,
		/// The page is final already.
		PageFinal,
		/// The oracle has voted on the page.
		AlreadyVoted,
		/// A page has at least one line.
		ValuesEmpty,
		/// The lines are not strictly ascending by meter.
		ValuesUnordered,
		/// A line is of a meter that is not on the page.
		MeterNotOnPage,
		/// The tree has more readings than a path can prove.
		TooManyReadings,
		/// The account is no active participant.
		NotAParticipant,
		/// The page of the meter is not final.
		PageNotFinal,
		/// The figures do not change any more.
		DisputeWindowOver,
		/// The meter has no place in the attestation.
		MeterUnknown,
		/// The line was corrected once; that is final.
		AlreadyCorrected,
		/// A message breaks a rule of its format.
		EvidenceInvalid,
		/// A message is of another meter.
		EvidenceOfAnotherMeter,
		/// A path has more nodes than any tree.
		PathTooLong,
		/// A path does not lead to the root of the page.
		EvidenceNotAttested,
		/// A signature is not of the meter's key, nor of its previous one.
		SignatureInvalid,
		/// The intervals do not fill the slot without gap and overlap.
		EvidenceIncomplete,
		/// The readings add up to what was attested.
		ChallengeUnfounded,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(T::MaxOracles::get() > 0, "a group has members");
			assert!(T::MaxEvidence::get() > 0, "a challenge shows evidence");
			assert!(
				T::EstimateLookback::get() < T::RetentionSlots::get(),
				"an estimate looks at lines that are kept"
			);
		}

		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::prune(&mut meter);
			meter.consumed()
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Names the oracles of a zone and how many of them must agree.
		///
		/// Governance. The members must be active oracles; the threshold is more than half of them.
		/// Votes on open pages stay, except those of oracles who are not in the group any more.
		///
		/// Errors: [`Error::ZoneUnknown`], [`Error::NotAnOracle`], [`Error::OracleTwice`],
		/// [`Error::ThresholdInvalid`].
		/// Events: [`Event::GroupSet`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::set_group(members.len() as u32))]
		pub fn set_group(
			origin: OriginFor<T>,
			zone: ZoneId,
			members: BoundedVec<T::AccountId, T::MaxOracles>,
			threshold: u32,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			Self::do_set_group(zone, members, threshold)
		}

		/// Sets how long slots can be attested and disputed, in seconds.
		///
		/// Governance. For the slots that are running and those after them; slots that have ended keep
		/// their times. Together not more than a week.
		///
		/// Errors: [`Error::DeadlineZero`], [`Error::TimesTooLong`], [`Error::TooManyChanges`].
		/// Events: [`Event::ParametersSet`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::set_parameters())]
		pub fn set_parameters(
			origin: OriginFor<T>,
			dispute_seconds: u32,
			deadline_seconds: u32,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			let parameters = Parameters { dispute_seconds, deadline_seconds };
			ensure!(deadline_seconds > 0, Error::<T>::DeadlineZero);
			ensure!(parameters.total_seconds() <= MAX_TOTAL_SECONDS, Error::<T>::TimesTooLong);
			let from = T::Clock::now_seconds();
			let mut history = ParameterHistory::<T>::get();
			// What is only for slots that ended long ago is not needed: those are final under any times.
			let long_ago = from.saturating_sub(MAX_TOTAL_SECONDS);
			while history.get(1).is_some_and(|(set, _)| *set <= long_ago) {
				history.remove(0);
			}
			match history.last_mut() {
				Some(last) if last.0 == from => last.1 = parameters,
				_ => {
					history.try_push((from, parameters)).map_err(|_| Error::<T>::TooManyChanges)?
				}
			}
			ParameterHistory::<T>::put(history);
			Self::deposit_event(Event::ParametersSet { from, parameters });
			Ok(())
		}

		/// Says what the meters of one page measured in a slot.
		///
		/// An active oracle of the zone's group, once for each page, from the end of the slot until
		/// the deadline. `values` are in Wh, strictly ascending by meter; a meter without a line is
		/// estimated. `readings_root` is [`merkle::root`] over the signed readings behind the
		/// lines, `readings_count` their number. The vote that reaches the threshold makes the page
		/// final; who voted otherwise gets a fault.
		///
		/// Errors: [`Error::NotAnOracle`], [`Error::GroupUnknown`], [`Error::NotInGroup`],
		/// [`Error::SlotNotEnded`], [`Error::AttestationLate`], [`Error::PageUnknown`],
		/// [`Error::PageFinal`], [`Error::ValuesEmpty`], [`Error::ValuesUnordered`],
		/// [`Error::MeterNotOnPage`], [`Error::TooManyReadings`], [`Error::AlreadyVoted`].
		/// Events: [`Event::Attested`], [`Event::PageFinalised`], [`Event::SlotMeasured`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::attest(values.len() as u32))]
		pub fn attest(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			page: u32,
			values: Lines,
			readings_root: H256,
			readings_count: u32,
		) -> DispatchResult {
			let oracle = ensure_signed(origin)?;
			ensure!(T::Participants::has_role(&oracle, Role::Oracle), Error::<T>::NotAnOracle);
			let group = Groups::<T>::get(zone).ok_or(Error::<T>::GroupUnknown)?;
			ensure!(group.members.contains(&oracle), Error::<T>::NotInGroup);
			let now = T::Clock::now_seconds();
			let end = T::Clock::calendar(zone).end_seconds(slot);
			ensure!(now >= end, Error::<T>::SlotNotEnded);
			let deadline = end.saturating_add(Self::parameters(end).deadline_seconds.into());
			ensure!(now <= deadline, Error::<T>::AttestationLate);
			let progress = Progress::<T>::get((zone, slot));
			let meters = progress.map_or_else(|| T::Meters::meter_count(zone), |p| p.meters);
			let open = progress.unwrap_or(SlotProgress::new(meters));
			ensure!(page < open.pages(), Error::<T>::PageUnknown);
			ensure!(!Pages::<T>::contains_key((zone, slot), page), Error::<T>::PageFinal);
			Self::check_lines(&values, page, meters)?;
			ensure!(readings_count <= 1 << merkle::MAX_PATH, Error::<T>::TooManyReadings);
			let mut votes = Votes::<T>::get((zone, slot, page));
			ensure!(votes.iter().all(|(voter, _)| *voter != oracle), Error::<T>::AlreadyVoted);

			if progress.is_none() {
				Self::enqueue(zone, slot);
				Progress::<T>::insert((zone, slot), open);
			}
			Self::forget_former_members(&mut votes, &group, (zone, slot, page));
			let candidate = Candidate { values, readings_root, readings_count };
			let digest = Self::digest((zone, slot, page), &candidate);
			// Everyone left is another member of the group, and the group has a place for this one.
			votes.try_push((oracle.clone(), digest)).map_err(|_| DispatchError::Corruption)?;
			Self::deposit_event(Event::Attested { zone, slot, page, oracle, digest });

			let agreeing = votes.iter().filter(|(_, other)| *other == digest).count();
			if agreeing as u64 >= u64::from(group.threshold) {
				Self::finalise(zone, slot, page, digest, candidate, votes, open, now)
			} else {
				Votes::<T>::insert((zone, slot, page), votes);
				if !Candidates::<T>::contains_key((zone, slot, page), digest) {
					Candidates::<T>::insert((zone, slot, page), digest, candidate);
				}
				Ok(())
			}
		}

		/// Proves a line of a final page wrong.
		///
		/// Any active participant, until the dispute window closes. The evidence is signed readings
		/// of the meter that are leaves of the page's tree; together, those of their intervals that
		/// lie within the slot fill it without gap and overlap (an interval of quality `Missing`
		/// fills nothing). If they add up to other energies than the line, or if there is no line,
		/// the line is set to what they add up to, with the worst quality among them, every oracle
		/// who vouched for the page gets a fault, and the challenger pays no fee. A line is
		/// corrected once only. Nothing is rounded.
		///
		/// Errors: [`Error::NotAParticipant`], [`Error::PageNotFinal`],
		/// [`Error::DisputeWindowOver`], [`Error::MeterUnknown`], [`Error::AlreadyCorrected`],
		/// [`Error::EvidenceInvalid`], [`Error::EvidenceOfAnotherMeter`], [`Error::PathTooLong`],
		/// [`Error::EvidenceNotAttested`], [`Error::SignatureInvalid`],
		/// [`Error::EvidenceIncomplete`], [`Error::ChallengeUnfounded`],
		/// [`ArithmeticError::Overflow`]. Events: [`Event::ChallengeUpheld`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::challenge(evidence.len() as u32))]
		pub fn challenge(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			meter: MeterIndex,
			evidence: BoundedVec<Evidence, T::MaxEvidence>,
		) -> DispatchResultWithPostInfo {
			let challenger = ensure_signed(origin)?;
			ensure!(T::Participants::is_active(&challenger), Error::<T>::NotAParticipant);
			let page = meter.page();
			let attested = Pages::<T>::get((zone, slot), page).ok_or(Error::<T>::PageNotFinal)?;
			ensure!(
				Self::status(zone, slot) == MeteringStatus::Pending,
				Error::<T>::DisputeWindowOver
			);
			let progress = Progress::<T>::get((zone, slot)).ok_or(Error::<T>::PageNotFinal)?;
			ensure!(meter.0 < progress.meters, Error::<T>::MeterUnknown);
			let (id, registered) =
				T::Meters::meter_at(zone, meter).ok_or(Error::<T>::MeterUnknown)?;
			let mut corrected = Corrected::<T>::get((zone, slot), page);
			ensure!(!corrected.contains(&meter), Error::<T>::AlreadyCorrected);
			let calendar = T::Clock::calendar(zone);
			let proven = Self::proven(
				id,
				(registered.key, T::Meters::previous_key(id)),
				(calendar.start_seconds(slot), calendar.end_seconds(slot)),
				&attested,
				&evidence,
			)?;
			let new = MeterValue {
				meter: meter.0,
				import_wh: proven.import_wh,
				export_wh: proven.export_wh,
				quality: proven.quality,
			};
			let mut lines =
				PageValues::<T>::get((zone, slot), page).ok_or(Error::<T>::DisputeWindowOver)?;
			let old = Self::replace_line(&mut lines, new)?;
			corrected.try_push(meter).map_err(|_| DispatchError::Corruption)?;

			PageValues::<T>::insert((zone, slot), page, lines);
			Corrected::<T>::insert((zone, slot), page, corrected);
			let oracles = attested.oracles.into_inner();
			oracles.iter().for_each(Self::add_fault);
			Self::deposit_event(Event::ChallengeUpheld {
				zone,
				slot,
				meter,
				challenger,
				old,
				new,
				oracles,
			});
			Ok(Pays::No.into())
		}
	}

	impl<T: Config> Pallet<T> {
		/// The oracles of a zone and how many of them must agree.
		pub fn group(zone: ZoneId) -> Option<Group<T>> {
			Groups::<T>::get(zone)
		}

		/// The times of the slots that end at `end_seconds`.
		pub fn parameters(end_seconds: u64) -> Parameters {
			let history = ParameterHistory::<T>::get();
			history
				.iter()
				.rev()
				.find(|(set, _)| *set < end_seconds)
				.or(history.first())
				.map(|(_, parameters)| *parameters)
				.unwrap_or_default()
		}

		pub(crate) fn do_set_group(
			zone: ZoneId,
			members: BoundedVec<T::AccountId, T::MaxOracles>,
			threshold: u32,
		) -> DispatchResult {
			ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
			let distinct: BTreeSet<_> = members.iter().collect();
			ensure!(distinct.len() == members.len(), Error::<T>::OracleTwice);
			ensure!(
				members.iter().all(|member| T::Participants::has_role(member, Role::Oracle)),
				Error::<T>::NotAnOracle
			);
			ensure!(
				Self::is_majority(threshold, members.len() as u32),
				Error::<T>::ThresholdInvalid
			);
			let group = Group::<T> { members: members.clone(), threshold };
			Groups::<T>::insert(zone, group);
			Self::deposit_event(Event::GroupSet { zone, members: members.into_inner(), threshold });
			Ok(())
		}

		pub(crate) fn is_majority(threshold: u32, members: u32) -> bool {
			threshold <= members && threshold > members / 2
		}

		/// Lines are of meters of the page that the slot has, each at most once, in order.
		pub(crate) fn check_lines(lines: &[MeterValue], page: u32, meters: u32) -> DispatchResult {
			ensure!(!lines.is_empty(), Error::<T>::ValuesEmpty);
			ensure!(
				lines.windows(2).all(|pair| pair[0].meter < pair[1].meter),
				Error::<T>::ValuesUnordered
			);
			ensure!(
				lines
					.iter()
					.all(|line| line.meter < meters && MeterIndex(line.meter).page() == page),
				Error::<T>::MeterNotOnPage
			);
			Ok(())
		}

		/// What a vote is for.
		pub(crate) fn digest(page: ZoneSlotPage, candidate: &Candidate) -> H256 {
			H256(sp_io::hashing::blake2_256(&(page, candidate).encode()))
		}

		/// Drops the votes of oracles who are not in the group any more, and what only they said.
		fn forget_former_members(
			votes: &mut BoundedVec<(T::AccountId, H256), T::MaxOracles>,
			group: &Group<T>,
			page: ZoneSlotPage,
		) {
			let before: BTreeSet<H256> = votes.iter().map(|(_, digest)| *digest).collect();
			votes.retain(|(voter, _)| group.members.contains(voter));
			for digest in before {
				if votes.iter().all(|(_, other)| *other != digest) {
					Candidates::<T>::remove(page, digest);
				}
			}
		}

		fn finalise(
			zone: ZoneId,
			slot: Slot,
			page: u32,
			digest: H256,
			candidate: Candidate,
			votes: BoundedVec<(T::AccountId, H256), T::MaxOracles>,
			mut progress: SlotProgress,
			now: u64,
		) -> DispatchResult {
			for other in votes.iter().map(|(_, digest)| digest).collect::<BTreeSet<_>>() {
				Candidates::<T>::remove((zone, slot, page), other);
			}
			Votes::<T>::remove((zone, slot, page));
			let (agreeing, dissenting): (Vec<_>, Vec<_>) =
				votes.into_iter().partition(|(_, other)| *other == digest);
			let oracles: Vec<_> = agreeing.into_iter().map(|(voter, _)| voter).collect();
			let dissenters: Vec<_> = dissenting.into_iter().map(|(voter, _)| voter).collect();
			dissenters.iter().for_each(Self::add_fault);

			let Candidate { values, readings_root, readings_count } = candidate;
			let vouched = BoundedVec::truncate_from(oracles.clone());
			let kept = FinalPage::<T> { readings_root, readings_count, oracles: vouched };
			Pages::<T>::insert((zone, slot), page, kept);
			PageValues::<T>::insert((zone, slot), page, values);
			progress.pages_final =
				progress.pages_final.checked_add(1).ok_or(ArithmeticError::Overflow)?;
			if progress.is_complete() {
				progress.completed_at = Some(now);
			}
			Progress::<T>::insert((zone, slot), progress);
			Self::deposit_event(Event::PageFinalised {
				zone,
				slot,
				page,
				readings_root,
				oracles,
				dissenters,
			});
			if progress.is_complete() {
				Self::deposit_event(Event::SlotMeasured { zone, slot });
			}
			Ok(())
		}

		fn add_fault(oracle: &T::AccountId) {
			Faults::<T>::mutate(oracle, |faults| *faults = faults.saturating_add(1));
		}

		/// Puts a proven line in the place of the attested one, which it returns.
		fn replace_line(
			lines: &mut Lines,
			new: MeterValue,
		) -> Result<Option<MeterValue>, DispatchError> {
			match lines.binary_search_by_key(&new.meter, |line| line.meter) {
				Ok(place) => {
					let line = lines.get_mut(place).ok_or(DispatchError::Corruption)?;
					let same = (line.import_wh, line.export_wh) == (new.import_wh, new.export_wh);
					ensure!(
						!same || line.quality == Quality::Missing,
						Error::<T>::ChallengeUnfounded
					);
					Ok(Some(core::mem::replace(line, new)))
				}
				// There is room: a page has one place for each of its meters.
				Err(place) => {
					lines.try_insert(place, new).map_err(|_| DispatchError::Corruption)?;
					Ok(None)
				}
			}
		}
	}
}
