//! Who owes whom: positions against meters, priced by a policy contract, paid by the runtime.
//!
//! # Overview
//!
//! When a delivery slot is cleared, everyone who bought or sold has a position. When the meters
//! of the slot are known, this pallet asks the zone's policy contract what each
//! participant owes or is owed, checks the answers, and moves the money. A contract only answers;
//! it never touches money. A contract that answers wrongly, or not at all, stops the
//! market of its zone; nothing is lost, and governance may replace it and let the market go on.
//!
//! ## Journeys
//!
//! - A buyer's held money pays for what it bought; the rest is free again. A seller is paid, or,
//!   if its meter did not give what it sold, pays the shortage price out of its bond. Both
//!   read their [`Bill`].
//! - A utility receives the grid fees in the fee pot of its zone and takes them out with
//!   [`Pallet::withdraw_fees`]. It keeps the imbalance pot filled: shortage payments go in,
//!   payments for energy that was bought and not taken come out.
//! - A regulator recomputes any [`Bill`] from the slot's terms, price and meter values.
//!
//! ## Details
//!
//! A slot is settled in three passes over its positions, a few at a time, in the idle time of the
//! blocks:
//!
//! 1. *Measure*: what each participant's meters say is put beside its promise, and the deviations of
//!    the slot are summed.
//! 2. *Ask*: one contract call for a page. Each answer is checked against what is committed and what
//!    the terms allow. After the last page the sums are checked. Until here no money has moved.
//! 3. *Pay*: every bill is an entry in the clearing accounts of the market; what is no longer committed is
//!    free; the positions are forgotten. The pots pay before the first entry and are paid after the
//!    last.
//!
//! ## What a policy contract may not do
//!
//! | check | otherwise the zone halts with |
//! |---|---|
//! | there is a contract, it answers, and with one flow for each position | `PolicyMissing`, `PolicyFailed`, `PolicyAnswerUnreadable` |
//! | nobody pays more for energy than it promised, for imbalance than it sold at the shortage price, or to the grid than the fee of what it bought; nor in all more than is committed for the position | `PolicyOverchargesParticipant` |
//! | nobody receives more for energy than it was promised, nor more for imbalance than it bought at the dearest price a surplus can have | `PolicyOverpaysParticipant` |
//! | the energy flows of a slot sum to what was promised: no more, and at most two minor units a position less | `PolicyNotConserving` |
//! | the zone's imbalance pot can pay the balance | `ImbalancePotShort` |
//!
//! The roundings go to the imbalance pot, so that every minor unit is accounted for:
//! `Σ paid = Σ received + grid fees + change of the imbalance pot + what other zones are owed`.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

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
use energy_market_core::{cost_rounded_up, deviation};
use energy_primitives::{
	Balance, Bill, CashFlow, ClearedMarket, HaltReason, ImbalancePricing, MarketTerms, Measured,
	MeterIndex, MeteredEnergy, MeteringStatus, Meters, OnCleared, Participants, PolicyAnswer,
	PolicyContext, PolicyError, PolicyQuestion, Position, Quality, SettledPromise, SettledPromises,
	SettlementPolicy, Slot, SlotClock, SlotDeviations, ZoneId, ZonePots, POSITIONS_PER_PAGE,
};
use frame_support::{
	pallet_prelude::*,
	storage::with_storage_layer,
	traits::{
		fungible::{Inspect, Mutate},
		tokens::Preservation,
	},
	weights::WeightMeter,
	PalletId,
};
use frame_system::pallet_prelude::*;
use sp_core::H160;
use sp_runtime::{traits::AccountIdConversion, ArithmeticError};

const LOG_TARGET: &str = "runtime::settlement";
/// The most pages of bills that are forgotten in one step.
const PAGES_PER_STEP: u32 = 16;

/// Sets the stage for the benchmarks. Given by the runtime.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<AccountId> {
	/// Opens a zone that `utility` runs.
	fn open_zone(zone: ZoneId, utility: &AccountId);
	/// Gives an account so much of the settlement currency, minor units. The account may be new.
	fn fund(who: &AccountId, amount: Balance);
	/// Makes a slot that is cleared, with these positions, in a zone that is open. What they hold
	/// is held from their accounts. Each account has as many meters as it may have, and what they
	/// measured is final and takes the longest to find out.
	fn clear(zone: ZoneId, slot: Slot, positions: Vec<Position<AccountId>>);
	/// Sets the clock, in seconds since 1970.
	fn set_now_seconds(seconds: u64);
}

#[frame_support::pallet]
pub mod pallet {
	use super::*;

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// The settlement currency.
		type Currency: Mutate<Self::AccountId> + Inspect<Self::AccountId, Balance = Balance>;
		/// The market whose positions are settled. It holds the participants' money.
		type Market: ClearedMarket<Self::AccountId>;
		/// What the meters measured.
		type Metering: MeteredEnergy;
		/// Which meters a participant has.
		type Meters: Meters<Self::AccountId>;
		/// Who takes part.
		type Participants: Participants<Self::AccountId>;
		/// Asks the policy contract. Must not move money and must stop within
		/// [`Config::PolicyWeight`].
		type Policy: SettlementPolicy;
		/// The clock of the chain.
		type Clock: SlotClock;
		/// The most weight that one call of a policy contract takes.
		#[pallet::constant]
		type PolicyWeight: Get<Weight>;
		/// How many pages of [`POSITIONS_PER_PAGE`] positions one call of a policy contract is asked about.
		#[pallet::constant]
		type PagesPerQuestion: Get<u32>;
		/// The most meters that one participant may have.
		#[pallet::constant]
		type MaxMetersPerOwner: Get<u32>;
		/// In how many earlier slots a meter's line is looked for to estimate a missing one.
		#[pallet::constant]
		type EstimateLookback: Get<u32>;
		/// The most slots, of all zones together, that may wait for settlement.
		#[pallet::constant]
		type MaxPending: Get<u32>;
		/// For how many slots a bill is kept.
		#[pallet::constant]
		type RetentionSlots: Get<u32>;
		/// From which the accounts of the pots derive.
		#[pallet::constant]
		type PalletId: Get<PalletId>;
		/// Weights of the call and of the work in idle time.
		type WeightInfo: WeightInfo;
		/// Sets the stage for the benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
	}

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// Slots that are cleared and not settled, in the order in which they were cleared.
	#[pallet::storage]
	pub type Pending<T: Config> =
		StorageValue<_, BoundedVec<(ZoneId, Slot), T::MaxPending>, ValueQuery>;

	/// How far the settlement of a pending slot has come.
	#[pallet::storage]
	pub type Jobs<T> = StorageMap<_, Twox64Concat, (ZoneId, Slot), Job>;

	/// The deviations of a settled slot, with its bills.
	#[pallet::storage]
	pub type Deviations<T> = StorageMap<_, Twox64Concat, (ZoneId, Slot), SlotDeviations>;

	/// Bills, in the pages of their positions. While a slot is being settled, what was measured and
	/// what the contract has answered so far; final once `SlotSettled` was emitted.
	#[pallet::storage]
	pub type Bills<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		u32,
		BillPage<T::AccountId>,
		ValueQuery,
	>;

	/// Settled slots in the order in which their bills are to be forgotten: a queue of which
	/// [`RetiredRange`] says the part in use.
	#[pallet::storage]
	pub type Retired<T> = StorageMap<_, Twox64Concat, u64, (ZoneId, Slot)>;

	/// First and one-past-last number of [`Retired`].
	#[pallet::storage]
	pub type RetiredRange<T> = StorageValue<_, (u64, u64), ValueQuery>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A participant's bill is paid.
		Billed {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// Whose.
			account: T::AccountId,
			/// The bill.
			bill: Bill,
		},
		/// Everyone in a slot is paid.
		SlotSettled {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// What the participants paid in all, minor units.
			collected: Balance,
			/// What the participants received in all, minor units.
			paid: Balance,
			/// What the fee pot received, minor units.
			grid_fees: Balance,
			/// What the imbalance pot received; negative: paid, minor units.
			imbalance: i128,
		},
		/// A utility took grid fees out of its zone's fee pot.
		FeesWithdrawn {
			/// Zone.
			zone: ZoneId,
			/// To whom.
			utility: T::AccountId,
			/// Minor units.
			amount: Balance,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// Too many slots wait for settlement.
		TooManyPending,
		/// Money of the slot has already moved.
		AlreadyPaying,
		/// Only the active utility of the zone may.
		NotTheUtility,
		/// The pot has less.
		PotShort,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::work(&mut meter);
			meter.consumed()
		}

		fn integrity_test() {
			assert!(T::PagesPerQuestion::get() > 0, "a question needs a page");
			let limits = T::BlockWeights::get();
			let transactions = limits.get(DispatchClass::Normal).max_total.unwrap_or_default();
			let idle = limits.max_block.saturating_sub(transactions);
			for pass in [Pass::Measure, Pass::Ask, Pass::Pay] {
				assert!(
					Self::most(pass, T::PagesPerQuestion::get() * POSITIONS_PER_PAGE).ref_time()
						< idle.ref_time(),
					"each pass over a page must fit into what transactions leave of a block"
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
		/// Takes `amount` minor units of grid fees out of the zone's fee pot.
		///
		/// By the zone's active utility, which receives them. Errors: `NotTheUtility`,
		/// `PotShort`. Event: `FeesWithdrawn`.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::withdraw_fees())]
		pub fn withdraw_fees(
			origin: OriginFor<T>,
			zone: ZoneId,
			#[pallet::compact] amount: Balance,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let is_utility = T::Participants::utility_of(zone).as_ref() == Some(&who)
				&& T::Participants::is_active(&who);
			ensure!(is_utility, Error::<T>::NotTheUtility);
			let pot = Self::pot(zone, Pot::Fees);
			ensure!(T::Currency::balance(&pot) >= amount, Error::<T>::PotShort);
			Self::transfer(&pot, &who, amount)?;
			Self::deposit_event(Event::FeesWithdrawn { zone, utility: who, amount });
			Ok(())
		}
	}
}

/// What a step of the settlement came to.
enum Step {
	/// There is more to do for the slot.
	Further,
	/// The slot waits: for its meters, for the market to be resumed, or for weight.
	Waits,
	/// The slot is settled.
	Done,
}

/// What the contract is asked about some pages of positions.
struct Question<AccountId> {
	terms: MarketTerms,
	context: PolicyContext,
	policy: H160,
	participants: Vec<PolicyQuestion>,
	/// Where the answers go, page by page.
	bills: Vec<BillPage<AccountId>>,
}

/// The bills of a page of positions.
pub type BillPage<AccountId> =
	BoundedVec<(AccountId, Bill), frame_support::traits::ConstU32<POSITIONS_PER_PAGE>>;

/// Why a step did nothing but stop the zone.
struct Stop(HaltReason);

impl From<DispatchError> for Stop {
	fn from(error: DispatchError) -> Self {
		log::error!(target: LOG_TARGET, "settlement cannot go on: {error:?}");
		Self(HaltReason::BooksInconsistent)
	}
}

impl From<ArithmeticError> for Stop {
	fn from(error: ArithmeticError) -> Self {
		DispatchError::from(error).into()
	}
}

impl From<Stop> for DispatchError {
	fn from(_: Stop) -> Self {
		DispatchError::Corruption
	}
}

impl<T: Config> Pallet<T> {
	/// The account of a pot of a zone.
	pub fn pot(zone: ZoneId, pot: Pot) -> T::AccountId {
		T::PalletId::get().into_sub_account_truncating((pot, zone))
	}

	fn transfer(from: &T::AccountId, to: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount > 0 {
			T::Currency::transfer(from, to, amount, Preservation::Expendable)?;
		}
		Ok(())
	}

	fn work(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::work_base()).is_err() {
			return;
		}
		let pending = Pending::<T>::get();
		let mut done = Vec::new();
		for &(zone, slot) in &pending {
			loop {
				match Self::step(zone, slot, meter) {
					Step::Further => {}
					Step::Waits => break,
					Step::Done => {
						done.push((zone, slot));
						break;
					}
				}
			}
		}
		if !done.is_empty() {
			Pending::<T>::mutate(|pending| pending.retain(|job| !done.contains(job)));
		}
		Self::forget_old(meter);
	}

	/// The most that a pass over `count` positions costs.
	fn most(pass: Pass, count: u32) -> Weight {
		match pass {
			Pass::Wait => Weight::zero(),
			Pass::Measure => {
				let meters = count.min(POSITIONS_PER_PAGE) * T::MaxMetersPerOwner::get();
				let slots = T::EstimateLookback::get().saturating_add(1);
				T::WeightInfo::measure(meters)
					.saturating_add(T::WeightInfo::read_lines(meters.saturating_mul(slots)))
			}
			Pass::Ask => T::WeightInfo::ask(count).saturating_add(T::PolicyWeight::get()),
			Pass::Pay => T::WeightInfo::pay(count)
				.saturating_add(T::WeightInfo::return_money().saturating_mul(count.into())),
		}
	}

	/// One page of one pass for one slot.
	fn step(zone: ZoneId, slot: Slot, meter: &mut WeightMeter) -> Step {
		if meter.try_consume(T::WeightInfo::look_at_job()).is_err() || T::Market::is_halted(zone) {
			return Step::Waits;
		}
		let Some(job) = Jobs::<T>::get((zone, slot)) else { return Step::Done };
		let pages = match job.pass {
			Pass::Ask => job.pages(T::PagesPerQuestion::get()),
			Pass::Wait | Pass::Measure | Pass::Pay => job.pages(1),
		};
		let most = Self::most(job.pass, job.positions_on(&pages));
		if !meter.can_consume(most) {
			return Step::Waits;
		}
		let mut next = job.clone();
		// What was used where nothing says otherwise.
		let mut used = most;
		let mut stop = None;
		let stepped = with_storage_layer::<_, DispatchError, _>(|| {
			Self::pass(zone, slot, &mut next, pages, &mut used).map_err(|reason| {
				stop = Some(Stop(reason.0));
				DispatchError::from(reason)
			})
		});
		meter.consume(used.min(most));
		match (stepped, stop) {
			(Ok(step), _) => {
				match step {
					Step::Done => Jobs::<T>::remove((zone, slot)),
					_ if next != job => Jobs::<T>::insert((zone, slot), next),
					_ => {}
				}
				step
			}
			(Err(_), stop) => {
				let reason = stop.map_or(HaltReason::BooksInconsistent, |stop| stop.0);
				if job.pass == Pass::Ask {
					// Nothing has moved: whoever repairs the policy starts from the first page.
					Jobs::<T>::insert((zone, slot), Job::new(job.positions));
				}
				T::Market::halt(zone, reason);
				Step::Waits
			}
		}
	}

	/// Some pages of the pass that the job is at. `used` is set to what it cost.
	fn pass(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		pages: core::ops::Range<u32>,
		used: &mut Weight,
	) -> Result<Step, Stop> {
		match job.pass {
			Pass::Wait => {
				if T::Metering::status(zone, slot) != MeteringStatus::Final {
					return Ok(Step::Waits);
				}
				T::Market::settling(zone, slot);
				job.start(Pass::Measure);
			}
			Pass::Measure => {
				*used = Self::measure(zone, slot, job)?;
				job.next = pages.end;
				if job.is_at_end() {
					job.start(Pass::Ask);
				}
			}
			Pass::Ask => {
				let count = job.positions_on(&pages);
				let end = pages.end;
				let consumed = Self::ask(zone, slot, job, pages)?;
				job.next = end;
				*used = T::WeightInfo::ask(count).saturating_add(consumed);
				if job.is_at_end() {
					Self::check_sums(zone, slot, job)?;
					Self::pay_from_pot(zone, slot, job)?;
					job.start(Pass::Pay);
				}
			}
			Pass::Pay => {
				let count = job.positions_on(&pages);
				let returned = Self::pay(zone, slot, job)?;
				job.next = pages.end;
				*used = T::WeightInfo::pay(count)
					.saturating_add(T::WeightInfo::return_money().saturating_mul(returned.into()));
				if job.is_at_end() {
					Self::finish(zone, slot, job)?;
					return Ok(Step::Done);
				}
			}
		}
		Ok(Step::Further)
	}

	/// Puts what was measured beside what was promised, for the next page. Says what it cost.
	fn measure(zone: ZoneId, slot: Slot, job: &mut Job) -> Result<Weight, Stop> {
		let terms = T::Market::terms(zone, slot).ok_or(Stop(HaltReason::BooksInconsistent))?;
		let positions = T::Market::positions(zone, slot, job.next);
		let mut meters: Vec<MeterIndex> = Vec::new();
		let mut counts = Vec::with_capacity(positions.len());
		for position in &positions {
			let own = T::Meters::meters_of(&position.account, zone);
			counts.push(own.len());
			meters.extend(own);
		}
		// A participant without meters is work, too.
		let work = meters.len().max(positions.len()) as u32;
		let (measured, pages) = T::Metering::measured_all(zone, slot, &meters);
		let mut measured = measured.into_iter();
		let mut bills = BillPage::<T::AccountId>::default();
		for (position, count) in positions.into_iter().zip(counts) {
			let measured = Self::sum(measured.by_ref().take(count));
			let bought = position.bought_wh.saturating_add(position.agreed.bought_wh);
			let sold = position.sold_wh.saturating_add(position.agreed.sold_wh);
			let Measured { import_wh, export_wh, .. } = measured;
			job.add_deviation(deviation(bought, sold, import_wh, export_wh, terms.tolerance_ppm));
			let Position { account, bought_wh, sold_wh, agreed, .. } = position;
			let flow = CashFlow::default();
			let bill = Bill { bought_wh, sold_wh, agreed, measured, flow };
			bills.try_push((account, bill)).map_err(|_| Stop(HaltReason::BooksInconsistent))?;
		}
		Bills::<T>::insert((zone, slot), job.next, bills);
		Ok(T::WeightInfo::measure(work).saturating_add(T::WeightInfo::read_lines(pages)))
	}

	/// What several meters measured together; the worst quality of them.
	fn sum(measured: impl Iterator<Item = Measured>) -> Measured {
		let nothing = Measured { import_wh: 0, export_wh: 0, quality: Quality::Valid };
		measured.fold(nothing, |sum, one| Measured {
			import_wh: sum.import_wh.saturating_add(one.import_wh),
			export_wh: sum.export_wh.saturating_add(one.export_wh),
			quality: sum.quality.max(one.quality),
		})
	}

	/// Asks the contract about some pages and checks each answer. Says what the call cost.
	fn ask(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		pages: core::ops::Range<u32>,
	) -> Result<Weight, Stop> {
		let question = Self::question(zone, slot, job, pages.clone())?;
		let PolicyAnswer { flows, consumed } = T::Policy::cash_flows(
			question.policy,
			&question.terms,
			&question.context,
			&question.participants,
		);
		let flows = flows.map_err(|error| {
			Stop(match error {
				PolicyError::Failed => HaltReason::PolicyFailed,
				PolicyError::Unreadable => HaltReason::PolicyAnswerUnreadable,
			})
		})?;
		Self::take_answers(zone, slot, job, pages, question, flows)?;
		Ok(consumed)
	}

	/// What is to be asked about some pages, and whom.
	fn question(
		zone: ZoneId,
		slot: Slot,
		job: &Job,
		pages: core::ops::Range<u32>,
	) -> Result<Question<T::AccountId>, Stop> {
		let inconsistent = || Stop(HaltReason::BooksInconsistent);
		let terms = T::Market::terms(zone, slot).ok_or_else(inconsistent)?;
		let context = PolicyContext {
			clearing_price: T::Market::result(zone, slot).map_or(0, |result| result.price),
			deviations: job.deviations,
		};
		let policy = T::Market::policy(zone).ok_or(Stop(HaltReason::PolicyMissing))?;
		let mut bills = Vec::new();
		let mut participants = Vec::new();
		for page in pages {
			let billed = Bills::<T>::get((zone, slot), page);
			let positions = T::Market::positions(zone, slot, page);
			ensure!(billed.len() == positions.len(), inconsistent());
			participants.extend(positions.iter().zip(&billed).map(|(position, (_, bill))| {
				PolicyQuestion {
					promise: position.promise(context.clearing_price),
					import_wh: bill.measured.import_wh,
					export_wh: bill.measured.export_wh,
					held: position.held,
				}
			}));
			bills.push(billed);
		}
		Ok(Question { terms, context, policy, participants, bills })
	}

	/// Checks the answers for some pages, one for each position, and writes them on the bills.
	fn take_answers(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		pages: core::ops::Range<u32>,
		question: Question<T::AccountId>,
		flows: Vec<CashFlow>,
	) -> Result<(), Stop> {
		let Question { terms, context, participants, bills, .. } = question;
		if flows.len() != participants.len() {
			return Err(Stop(HaltReason::PolicyAnswerUnreadable));
		}
		let overflow = ArithmeticError::Overflow;
		let mut answers = participants.iter().zip(flows);
		for (page, mut bills) in pages.zip(bills) {
			for ((_, bill), (participant, flow)) in bills.iter_mut().zip(answers.by_ref()) {
				Self::check_flow(&terms, &context, participant, &flow)?;
				job.sums.add(&flow).ok_or(overflow)?;
				let promise = &participant.promise;
				let promised = i128::try_from(promise.receivable)
					.ok()
					.zip(i128::try_from(promise.payable).ok())
					.and_then(|(receivable, payable)| receivable.checked_sub(payable))
					.and_then(|promised| promised.checked_add(job.sums.promised));
				job.sums.promised = promised.ok_or(overflow)?;
				bill.flow = flow;
			}
			Bills::<T>::insert((zone, slot), page, bills);
		}
		Ok(())
	}

	/// What no contract may do to one participant.
	fn check_flow(
		terms: &MarketTerms,
		context: &PolicyContext,
		question: &PolicyQuestion,
		flow: &CashFlow,
	) -> Result<(), Stop> {
		let promise = &question.promise;
		let dearest = match terms.imbalance_pricing {
			ImbalancePricing::Dual => terms.surplus_price,
			ImbalancePricing::Single => terms.surplus_price.max(terms.shortage_price),
		};
		let most_imbalance =
			cost_rounded_up(promise.bought_wh, dearest.max(context.clearing_price));
		let exceeds = |received: i128, most: u128| {
			u128::try_from(received).is_ok_and(|received| received > most)
		};
		if exceeds(flow.energy, promise.receivable) || exceeds(flow.imbalance, most_imbalance) {
			return Err(Stop(HaltReason::PolicyOverpaysParticipant));
		}
		let is_at_most = |flow: i128, most: u128| flow >= 0 || flow.unsigned_abs() <= most;
		// What is undone and what is short are rounded up one by one.
		let most_shortage =
			cost_rounded_up(promise.sold_wh, terms.shortage_price).saturating_add(1);
		let is_owed = is_at_most(flow.energy, promise.payable)
			&& is_at_most(flow.imbalance, most_shortage)
			&& flow.grid_fee <= terms.grid_fee_of(promise.bought_wh, promise.payable);
		let is_held = flow.net().is_some_and(|net| is_at_most(net, question.held));
		ensure!(is_owed && is_held, Stop(HaltReason::PolicyOverchargesParticipant));
		Ok(())
	}

	/// What no contract may do to a slot as a whole.
	fn check_sums(zone: ZoneId, slot: Slot, job: &Job) -> Result<(), Stop> {
		let roundings = i128::from(job.positions).saturating_mul(2);
		let least = job.sums.promised.saturating_sub(roundings);
		if !(least..=job.sums.promised).contains(&job.sums.energy) {
			return Err(Stop(HaltReason::PolicyNotConserving));
		}
		let change = Self::imbalance_pot(zone, slot, job)?;
		let pot = T::Currency::balance(&Self::pot(zone, Pot::Imbalance));
		if change < 0 && change.unsigned_abs() > pot {
			return Err(Stop(HaltReason::ImbalancePotShort));
		}
		Ok(())
	}

	/// What the imbalance pot receives; negative: pays.
	fn imbalance_pot(zone: ZoneId, slot: Slot, job: &Job) -> Result<i128, Stop> {
		let owed = T::Market::owed_to_other_zones(zone, slot);
		Ok(job.sums.imbalance_pot(owed).ok_or(ArithmeticError::Overflow)?)
	}

	/// The imbalance pot pays its part, if it has to.
	fn pay_from_pot(zone: ZoneId, slot: Slot, job: &Job) -> Result<(), Stop> {
		let change = Self::imbalance_pot(zone, slot, job)?;
		if change < 0 {
			T::Market::pay_in(&Self::pot(zone, Pot::Imbalance), change.unsigned_abs())?;
		}
		Ok(())
	}

	/// Every bill of the next page is paid; what is no longer committed is free; the positions are
	/// forgotten. Says for how many money left the market.
	fn pay(zone: ZoneId, slot: Slot, job: &mut Job) -> Result<u32, Stop> {
		let overflow = ArithmeticError::Overflow;
		let bills = Bills::<T>::get((zone, slot), job.next);
		let mut nets = Vec::with_capacity(bills.len());
		for (account, bill) in bills {
			let net = bill.flow.net().ok_or(overflow)?;
			let sum = if net < 0 { &mut job.sums.collected } else { &mut job.sums.paid };
			*sum = sum.checked_add(net.unsigned_abs()).ok_or(overflow)?;
			nets.push(net);
			Self::deposit_event(Event::Billed { zone, slot, account, bill });
		}
		Ok(T::Market::finish(zone, slot, job.next, &nets)?)
	}

	/// The pots receive their part, and the slot is settled.
	fn finish(zone: ZoneId, slot: Slot, job: &Job) -> Result<(), Stop> {
		let Sums { collected, paid, grid_fees, .. } = job.sums;
		let imbalance = Self::imbalance_pot(zone, slot, job)?;
		T::Market::pay_out(&Self::pot(zone, Pot::Fees), grid_fees)?;
		if imbalance > 0 {
			T::Market::pay_out(&Self::pot(zone, Pot::Imbalance), imbalance.unsigned_abs())?;
		}
		T::Market::settled(zone, slot);
		Deviations::<T>::insert((zone, slot), job.deviations);
		let (first, end) = RetiredRange::<T>::get();
		Retired::<T>::insert(end, (zone, slot));
		RetiredRange::<T>::put((first, end.saturating_add(1)));
		Self::deposit_event(Event::SlotSettled {
			zone,
			slot,
			collected,
			paid,
			grid_fees,
			imbalance,
		});
		Ok(())
	}

	/// Forgets bills of slots that were settled long ago.
	fn forget_old(meter: &mut WeightMeter) {
		let (mut first, end) = RetiredRange::<T>::get();
		let start = first;
		// Where the deletion of a slot's bills stopped: within a block, deleted keys are seen again.
		let mut cursor: Option<Vec<u8>> = None;
		while first < end {
			if meter.try_consume(T::WeightInfo::forget_bills(PAGES_PER_STEP)).is_err() {
				break;
			}
			if let Some((zone, slot)) = Retired::<T>::get(first) {
				if slot.0.saturating_add(T::RetentionSlots::get()) >= T::Clock::running(zone).0 {
					break;
				}
				cursor = Bills::<T>::clear_prefix((zone, slot), PAGES_PER_STEP, cursor.as_deref())
					.maybe_cursor;
				if cursor.is_some() {
					continue;
				}
				Deviations::<T>::remove((zone, slot));
			}
			Retired::<T>::remove(first);
			first = first.saturating_add(1);
		}
		if first != start {
			RetiredRange::<T>::put((first, end));
		}
	}

	/// The bill of a settled slot; `None` before it is final.
	pub fn bill(zone: ZoneId, slot: Slot, account: &T::AccountId) -> Option<Bill> {
		Deviations::<T>::contains_key((zone, slot))
			.then(|| {
				// Off chain only: as many pages as the slot has.
				Bills::<T>::iter_prefix_values((zone, slot))
					.flatten()
					.find_map(|(whose, bill)| (whose == *account).then_some(bill))
			})
			.flatten()
	}
}

impl<T: Config> SettledPromises<T::AccountId> for Pallet<T> {
	fn promises(zone: ZoneId, slot: Slot, page: u32) -> Vec<SettledPromise<T::AccountId>> {
		if !Deviations::<T>::contains_key((zone, slot)) {
			return Vec::new();
		}
		Bills::<T>::get((zone, slot), page)
			.into_iter()
			.map(|(account, bill)| SettledPromise {
				account,
				bought_wh: bill.bought_wh.saturating_add(bill.agreed.bought_wh),
				sold_wh: bill.sold_wh.saturating_add(bill.agreed.sold_wh),
			})
			.collect()
	}
}

impl<T: Config> ZonePots<T::AccountId> for Pallet<T> {
	fn fees(zone: ZoneId) -> T::AccountId {
		Self::pot(zone, Pot::Fees)
	}

	fn imbalance(zone: ZoneId) -> T::AccountId {
		Self::pot(zone, Pot::Imbalance)
	}
}

impl<T: Config> OnCleared for Pallet<T> {
	fn on_cleared(zone: ZoneId, slot: Slot, positions: u32) -> DispatchResult {
		Pending::<T>::try_append((zone, slot)).map_err(|()| Error::<T>::TooManyPending)?;
		Jobs::<T>::insert((zone, slot), Job::new(positions));
		Ok(())
	}

	fn on_annulled(zone: ZoneId, slot: Slot) -> DispatchResult {
		let job = Jobs::<T>::take((zone, slot));
		ensure!(job.is_none_or(|job| job.pass != Pass::Pay), Error::<T>::AlreadyPaying);
		Pending::<T>::mutate(|pending| pending.retain(|waiting| *waiting != (zone, slot)));
		// Bills without money, from passes that were made: forgotten with the settled ones.
		let (first, end) = RetiredRange::<T>::get();
		Retired::<T>::insert(end, (zone, slot));
		RetiredRange::<T>::put((first, end.saturating_add(1)));
		Ok(())
	}
}

#[cfg(any(feature = "try-runtime", feature = "std"))]
impl<T: Config> Pallet<T> {
	/// What must always be true of the pallet's storage:
	///
	/// 1. Every pending slot has a job, and every job is pending.
	/// 2. The cursor of a job is within its positions.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		let mut pending = Pending::<T>::get().into_inner();
		let mut jobs: Vec<_> = Jobs::<T>::iter_keys().collect();
		pending.sort();
		jobs.sort();
		ensure!(pending == jobs, "1: jobs differ from pending slots");
		for (_, job) in Jobs::<T>::iter() {
			ensure!(job.next <= job.page_count(), "2: cursor beyond the last page");
		}
		Ok(())
	}
}
