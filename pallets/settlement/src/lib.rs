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
//! A slot is settled in three passes over its positions, a page at a time, in the idle time of the
//! blocks:
//!
//! 1. *Ask*: one contract call for a page. Each answer is checked against what is held and what the
//!    terms allow. After the last page the sums are checked. Until here no money has moved.
//! 2. *Collect*: who pays, pays out of its held money into the zone's escrow.
//! 3. *Pay*: the pots and those who receive are paid from the escrow; what is still held is given
//!    back; the positions are forgotten.
//!
//! ## What a policy contract may not do
//!
//! | check | otherwise the zone halts with |
//! |---|---|
//! | there is a contract, it answers, and with one flow for each position | `PolicyMissing`, `PolicyFailed`, `PolicyAnswerUnreadable` |
//! | nobody pays more for energy than it bought at the clearing price, for imbalance than it sold at the shortage price, or to the grid than the fee of what it bought; nor in all more than is held for the position | `PolicyOverchargesParticipant` |
//! | nobody receives more for energy than it sold at the clearing price, nor more for imbalance than it bought at the surplus price | `PolicyOverpaysParticipant` |
//! | the energy flows of a slot sum to zero, but for roundings in favour of the pot: at most two minor units a position | `PolicyNotConserving` |
//! | the zone's imbalance pot can pay the balance | `ImbalancePotShort` |
//!
//! The roundings go to the imbalance pot, so that every minor unit is accounted for:
//! `Σ paid = Σ received + grid fees + change of the imbalance pot`.

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
use energy_primitives::{
	Balance, Bill, CashFlow, ClearedMarket, HaltReason, MarketTerms, Measured, MeteredEnergy,
	MeteringStatus, Meters, OnCleared, Participants, PolicyError, PolicyQuestion, Position,
	Quality, SettlementPolicy, Slot, SlotClock, ZoneId,
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
/// The most bills that are forgotten in one step.
const BILLS_PER_STEP: u32 = 64;

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
		/// Positions on one page: what one call of a policy contract is asked about.
		#[pallet::constant]
		type PageSize: Get<u32>;
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

	/// Bills. While a slot is being settled, what the contract has answered so far; final once
	/// `SlotSettled` was emitted. Accounts are chosen by users: hashed.
	#[pallet::storage]
	pub type Bills<T: Config> =
		StorageDoubleMap<_, Twox64Concat, (ZoneId, Slot), Blake2_128Concat, T::AccountId, Bill>;

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
			assert!(T::PageSize::get() > 0, "a page needs a position");
			let limits = T::BlockWeights::get();
			let transactions = limits.get(DispatchClass::Normal).max_total.unwrap_or_default();
			let page =
				T::WeightInfo::ask(T::PageSize::get()).saturating_add(T::PolicyWeight::get());
			assert!(
				page.ref_time() < limits.max_block.saturating_sub(transactions).ref_time(),
				"a page of positions must fit into what transactions leave of a block"
			);
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

/// What the contract is asked about a page of positions.
struct Page<AccountId> {
	terms: MarketTerms,
	price: u64,
	policy: H160,
	positions: Vec<(Position<AccountId>, Measured)>,
}

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

	/// One page of one pass for one slot.
	fn step(zone: ZoneId, slot: Slot, meter: &mut WeightMeter) -> Step {
		if meter.try_consume(T::WeightInfo::look_at_job()).is_err() || T::Market::is_halted(zone) {
			return Step::Waits;
		}
		let Some(job) = Jobs::<T>::get((zone, slot)) else { return Step::Done };
		let page = job.page(T::PageSize::get());
		let count = page.len() as u32;
		let weight = match job.pass {
			Pass::Wait => Weight::zero(),
			Pass::Ask => T::WeightInfo::ask(count).saturating_add(T::PolicyWeight::get()),
			Pass::Collect => T::WeightInfo::collect(count),
			Pass::Pay => T::WeightInfo::pay(count),
		};
		if meter.try_consume(weight).is_err() {
			return Step::Waits;
		}
		let mut next = job.clone();
		let mut stop = None;
		let stepped = with_storage_layer::<_, DispatchError, _>(|| {
			Self::pass(zone, slot, &mut next, page).map_err(|reason| {
				stop = Some(Stop(reason.0));
				DispatchError::from(reason)
			})
		});
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

	fn pass(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		page: core::ops::Range<u32>,
	) -> Result<Step, Stop> {
		match job.pass {
			Pass::Wait => {
				if T::Metering::status(zone, slot) != MeteringStatus::Final {
					return Ok(Step::Waits);
				}
				T::Market::settling(zone, slot);
				job.start(Pass::Ask);
			}
			Pass::Ask => {
				Self::ask(zone, slot, job, page)?;
				if job.is_at_end() {
					Self::check_sums(zone, job)?;
					job.start(Pass::Collect);
				}
			}
			Pass::Collect => {
				Self::collect(zone, slot, job, page)?;
				if job.is_at_end() {
					Self::settle_pots(zone, job)?;
					job.start(Pass::Pay);
				}
			}
			Pass::Pay => {
				Self::pay(zone, slot, job, page)?;
				if job.is_at_end() {
					Self::finish(zone, slot, job)?;
					return Ok(Step::Done);
				}
			}
		}
		Ok(Step::Further)
	}

	/// Asks the contract about a page and checks each answer.
	fn ask(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		page: core::ops::Range<u32>,
	) -> Result<(), Stop> {
		let page = Self::read_page(zone, slot, page)?;
		let questions: Vec<PolicyQuestion> = page
			.positions
			.iter()
			.map(|(position, measured)| PolicyQuestion {
				bought_wh: position.bought_wh,
				sold_wh: position.sold_wh,
				import_wh: measured.import_wh,
				export_wh: measured.export_wh,
			})
			.collect();
		let flows = T::Policy::cash_flows(page.policy, page.price, &page.terms, &questions)
			.map_err(|error| {
				Stop(match error {
					PolicyError::Failed => HaltReason::PolicyFailed,
					PolicyError::Unreadable => HaltReason::PolicyAnswerUnreadable,
				})
			})?;
		Self::take_answers(zone, slot, job, page, flows)
	}

	/// Reads a page of positions, what their meters measured, and whom to ask.
	fn read_page(
		zone: ZoneId,
		slot: Slot,
		page: core::ops::Range<u32>,
	) -> Result<Page<T::AccountId>, Stop> {
		let inconsistent = || Stop(HaltReason::BooksInconsistent);
		let terms = T::Market::terms(zone, slot).ok_or_else(inconsistent)?;
		let price = T::Market::result(zone, slot).ok_or_else(inconsistent)?.price;
		let policy = T::Market::policy(zone).ok_or(Stop(HaltReason::PolicyMissing))?;
		let positions = page
			.map(|index| {
				let position = T::Market::position(zone, slot, index)?;
				let measured = Self::measured(zone, slot, &position.account);
				Some((position, measured))
			})
			.collect::<Option<Vec<_>>>()
			.ok_or_else(inconsistent)?;
		Ok(Page { terms, price, policy, positions })
	}

	/// Checks the answers for a page, one for each position, and makes them bills.
	fn take_answers(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		page: Page<T::AccountId>,
		flows: Vec<CashFlow>,
	) -> Result<(), Stop> {
		let Page { terms, price, positions, .. } = page;
		if flows.len() != positions.len() {
			return Err(Stop(HaltReason::PolicyAnswerUnreadable));
		}
		for ((position, measured), flow) in positions.into_iter().zip(flows) {
			Self::check_flow(&terms, price, &position, &flow)?;
			job.sums.add(&flow).ok_or(ArithmeticError::Overflow)?;
			let bill =
				Bill { bought_wh: position.bought_wh, sold_wh: position.sold_wh, measured, flow };
			Bills::<T>::insert((zone, slot), position.account, bill);
			job.next = job.next.saturating_add(1);
		}
		Ok(())
	}

	/// What all meters of an account in a zone measured; the worst quality of them.
	fn measured(zone: ZoneId, slot: Slot, account: &T::AccountId) -> Measured {
		T::Meters::meters_of(account, zone)
			.into_iter()
			.map(|meter| T::Metering::measured(zone, slot, meter))
			.fold(Measured { import_wh: 0, export_wh: 0, quality: Quality::Valid }, |sum, one| {
				Measured {
					import_wh: sum.import_wh.saturating_add(one.import_wh),
					export_wh: sum.export_wh.saturating_add(one.export_wh),
					quality: sum.quality.max(one.quality),
				}
			})
	}

	/// What no contract may do to one participant.
	fn check_flow(
		terms: &MarketTerms,
		price: u64,
		position: &Position<T::AccountId>,
		flow: &CashFlow,
	) -> Result<(), Stop> {
		use energy_market_core::{cost_rounded_down, cost_rounded_up};
		let overpays = Stop(HaltReason::PolicyOverpaysParticipant);
		let most_energy = cost_rounded_down(position.sold_wh, price);
		let most_imbalance = cost_rounded_up(position.bought_wh, terms.surplus_price);
		let exceeds = |received: i128, most: u128| {
			u128::try_from(received).is_ok_and(|received| received > most)
		};
		if exceeds(flow.energy, most_energy) || exceeds(flow.imbalance, most_imbalance) {
			return Err(overpays);
		}
		let is_at_most = |flow: i128, most: u128| flow >= 0 || flow.unsigned_abs() <= most;
		let owes = (
			cost_rounded_up(position.bought_wh, price),
			cost_rounded_up(position.sold_wh, terms.shortage_price),
			cost_rounded_up(position.bought_wh, terms.grid_fee),
		);
		let is_owed = is_at_most(flow.energy, owes.0)
			&& is_at_most(flow.imbalance, owes.1)
			&& flow.grid_fee <= owes.2;
		let is_held = flow.net().is_some_and(|net| is_at_most(net, position.held));
		ensure!(is_owed && is_held, Stop(HaltReason::PolicyOverchargesParticipant));
		Ok(())
	}

	/// What no contract may do to a slot as a whole.
	fn check_sums(zone: ZoneId, job: &Job) -> Result<(), Stop> {
		let roundings = -2i128.saturating_mul(i128::from(job.positions));
		if !(roundings..=0).contains(&job.sums.energy) {
			return Err(Stop(HaltReason::PolicyNotConserving));
		}
		let change = job.sums.imbalance_pot().ok_or(ArithmeticError::Overflow)?;
		let pot = T::Currency::balance(&Self::pot(zone, Pot::Imbalance));
		if change < 0 && change.unsigned_abs() > pot {
			return Err(Stop(HaltReason::ImbalancePotShort));
		}
		Ok(())
	}

	fn bill_of(zone: ZoneId, slot: Slot, index: u32) -> Result<(T::AccountId, Bill, i128), Stop> {
		let inconsistent = || Stop(HaltReason::BooksInconsistent);
		let account = T::Market::position(zone, slot, index).ok_or_else(inconsistent)?.account;
		let bill = Bills::<T>::get((zone, slot), &account).ok_or_else(inconsistent)?;
		let net = bill.flow.net().ok_or(ArithmeticError::Overflow)?;
		Ok((account, bill, net))
	}

	/// Those who pay, pay into the escrow.
	fn collect(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		page: core::ops::Range<u32>,
	) -> Result<(), Stop> {
		let escrow = Self::pot(zone, Pot::Escrow);
		for index in page {
			let (_, _, net) = Self::bill_of(zone, slot, index)?;
			if net < 0 {
				let amount = net.unsigned_abs();
				T::Market::collect(zone, slot, index, amount, &escrow)?;
				job.sums.collected =
					job.sums.collected.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
			}
			job.next = job.next.saturating_add(1);
		}
		Ok(())
	}

	/// The fee pot and the imbalance pot receive or pay their part.
	fn settle_pots(zone: ZoneId, job: &Job) -> Result<(), Stop> {
		let escrow = Self::pot(zone, Pot::Escrow);
		let imbalance = Self::pot(zone, Pot::Imbalance);
		let change = job.sums.imbalance_pot().ok_or(ArithmeticError::Overflow)?;
		if change < 0 {
			Self::transfer(&imbalance, &escrow, change.unsigned_abs())?;
		}
		Self::transfer(&escrow, &Self::pot(zone, Pot::Fees), job.sums.grid_fees)?;
		if change > 0 {
			Self::transfer(&escrow, &imbalance, change.unsigned_abs())?;
		}
		Ok(())
	}

	/// Those who receive are paid; everyone's remaining money is free; the positions are
	/// forgotten.
	fn pay(
		zone: ZoneId,
		slot: Slot,
		job: &mut Job,
		page: core::ops::Range<u32>,
	) -> Result<(), Stop> {
		let escrow = Self::pot(zone, Pot::Escrow);
		for index in page {
			let (account, bill, net) = Self::bill_of(zone, slot, index)?;
			if net > 0 {
				let amount = net.unsigned_abs();
				Self::transfer(&escrow, &account, amount)?;
				job.sums.paid =
					job.sums.paid.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
			}
			T::Market::release(zone, slot, index)?;
			Self::deposit_event(Event::Billed { zone, slot, account, bill });
			job.next = job.next.saturating_add(1);
		}
		Ok(())
	}

	fn finish(zone: ZoneId, slot: Slot, job: &Job) -> Result<(), Stop> {
		let Sums { collected, paid, grid_fees, .. } = job.sums;
		let imbalance = job.sums.imbalance_pot().ok_or(ArithmeticError::Overflow)?;
		T::Market::settled(zone, slot);
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
		let now = Slot::at(T::Clock::now_seconds(), T::Clock::slot_seconds()).unwrap_or_default();
		// Where the deletion of a slot's bills stopped: within a block, deleted keys are seen again.
		let mut cursor: Option<Vec<u8>> = None;
		while first < end {
			if meter.try_consume(T::WeightInfo::forget_bills(BILLS_PER_STEP)).is_err() {
				break;
			}
			if let Some((zone, slot)) = Retired::<T>::get(first) {
				if slot.0.saturating_add(T::RetentionSlots::get()) >= now.0 {
					break;
				}
				cursor = Bills::<T>::clear_prefix((zone, slot), BILLS_PER_STEP, cursor.as_deref())
					.maybe_cursor;
				if cursor.is_some() {
					continue;
				}
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
		if Jobs::<T>::contains_key((zone, slot)) {
			return None;
		}
		Bills::<T>::get((zone, slot), account)
	}
}

impl<T: Config> OnCleared for Pallet<T> {
	fn on_cleared(zone: ZoneId, slot: Slot, positions: u32) -> DispatchResult {
		Pending::<T>::try_append((zone, slot)).map_err(|()| Error::<T>::TooManyPending)?;
		Jobs::<T>::insert((zone, slot), Job::new(positions));
		Ok(())
	}
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// What must always be true of the pallet's storage:
	///
	/// 1. Every pending slot has a job, and every job is pending.
	/// 2. The cursor of a job is within its positions.
	/// 3. Between two settlements of a zone its escrow is empty.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		let mut pending = Pending::<T>::get().into_inner();
		let mut jobs: Vec<_> = Jobs::<T>::iter_keys().collect();
		pending.sort();
		jobs.sort();
		ensure!(pending == jobs, "1: jobs differ from pending slots");
		for ((zone, _), job) in Jobs::<T>::iter() {
			ensure!(job.next <= job.positions, "2: cursor beyond the last position");
			let moves = Jobs::<T>::iter().any(|((other, _), job)| {
				other == zone && matches!(job.pass, Pass::Collect | Pass::Pay)
			});
			ensure!(
				moves || T::Currency::total_balance(&Self::pot(zone, Pot::Escrow)) == 0,
				"3: money was left in the escrow"
			);
		}
		for zone in Retired::<T>::iter_values().map(|(zone, _)| zone) {
			let moves = Jobs::<T>::iter_keys().any(|(other, _)| other == zone);
			ensure!(
				moves || T::Currency::total_balance(&Self::pot(zone, Pot::Escrow)) == 0,
				"3: money was left in the escrow"
			);
		}
		Ok(())
	}
}
