//! Who promised what: a uniform-price call auction for every zone and delivery slot.
//!
//! # Overview
//!
//! A day is cut into delivery slots. For each slot of a zone, households say how much energy they
//! would buy or sell and at what limit. Some time before the slot begins the gate closes; the
//! chain then finds the one price at which the most energy changes hands, tells everyone
//! what they bought or sold, and gives back the money that is not needed. Nobody, not
//! even the author of a block, chooses who trades.
//!
//! ## Journeys
//!
//! - A buyer calls [`Pallet::place`] with [`Side::Bid`]: the worst it can cost is held. After the gate it
//!   has a [`Position`] with what it bought, and holds only what that can cost.
//! - A seller calls [`Pallet::place`] with [`Side::Ask`]: a bond is held that covers the slot's
//!   shortage price, should it deliver nothing.
//! - Either may [`Pallet::cancel`] until the gate closes, or at any time before clearing while the
//!   zone is halted.
//!
//! ## Details
//!
//! - The price rule and the rationing rule are those of [`energy_market_core::clear`].
//! - Orders are added up by price when they arrive, so that finding the price costs the number
//!   of prices, not that of orders. Orders are then filled a few at a time, in the idle time of the blocks
//!   ([`Hooks::on_idle`]), in the order of their numbers.
//! - A slot keeps the [`MarketTerms`] it was opened with; only the policy contract is taken from
//!   the zone's present terms, so that a broken one can be replaced.
//! - Money is held under one [`HoldReason`]; each order and each position knows its part.
//!
//! Units: energy Wh, price minor units per kWh, money minor units, time seconds since 1970.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod clearing;
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

use alloc::{vec, vec::Vec};
use energy_primitives::{
	api::{DepthLevel, OpenOrder},
	AccountId as ChainAccountId, Balance, ClearedMarket, ClearingResult, HaltReason, MarketTerms,
	OnCleared, OrderIndex, Participants, Position, Role, Side, Slot, SlotClock, SlotState,
	UnsettledSlots, ZoneId,
};
use frame_support::{
	pallet_prelude::*,
	traits::{
		fungible::{Inspect, MutateHold},
		tokens::{Fortitude, Precision, Restriction},
		UnixTime,
	},
	weights::WeightMeter,
};
use frame_system::pallet_prelude::*;
use sp_core::H160;

const LOG_TARGET: &str = "runtime::energy-market";

/// Sets the stage for the benchmarks. Given by the runtime.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<AccountId> {
	/// Opens a zone that `utility` runs.
	fn open_zone(zone: ZoneId, utility: &AccountId);
	/// Admits a regulator to a zone that is open.
	fn admit_regulator(zone: ZoneId, who: &AccountId);
	/// Gives an account so much of the settlement currency, minor units. The account may be new.
	fn fund(who: &AccountId, amount: Balance);
	/// Sets the clock, in seconds since 1970.
	fn set_now_seconds(seconds: u64);
}

#[frame_support::pallet]
pub mod pallet {
	use super::*;

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Why money is held; the runtime's enum of all reasons.
		type RuntimeHoldReason: From<HoldReason>;
		/// The settlement currency.
		type Currency: MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ Inspect<Self::AccountId, Balance = Balance>;
		/// Who takes part. If it lets strangers in, they can lock storage by holding money.
		type Participants: Participants<Self::AccountId>;
		/// Hears when a slot is cleared; an error makes the pallet try again in the next block.
		type OnCleared: OnCleared;
		/// The clock of the chain.
		type Time: UnixTime;
		/// The council: may set terms, halt and resume markets, as others may where they are named.
		type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// The most prices a market may have.
		#[pallet::constant]
		type MaxTicks: Get<u16>;
		/// The most orders in one zone and slot, cancelled ones too.
		#[pallet::constant]
		type MaxOrdersPerSlot: Get<u32>;
		/// How many slots ahead orders are taken.
		#[pallet::constant]
		type MaxSlotsAhead: Get<u32>;
		/// How many books, of all zones together, may be open or being cleared at a time.
		#[pallet::constant]
		type MaxOpenBooks: Get<u32>;
		/// For how many slots a settled book is kept.
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

	/// The length of a slot in seconds; set once, at genesis.
	#[pallet::storage]
	pub type SlotSeconds<T> = StorageValue<_, u32, ValueQuery, DefaultSlotSeconds>;

	/// Fifteen minutes.
	#[pallet::type_value]
	pub fn DefaultSlotSeconds() -> u32 {
		900
	}

	/// The terms of slots that open from now on. Zones are few and given by governance.
	#[pallet::storage]
	pub type Terms<T> = StorageMap<_, Twox64Concat, ZoneId, MarketTerms>;

	/// Zones whose market stands still, and why.
	#[pallet::storage]
	pub type Halted<T> = StorageMap<_, Twox64Concat, ZoneId, HaltReason>;

	/// The market of a zone and slot, from its first order on. Keys are numbers that only the
	/// clock and governance produce.
	#[pallet::storage]
	pub type Books<T> = StorageDoubleMap<_, Twox64Concat, ZoneId, Twox64Concat, Slot, Book>;

	/// Books that are not cleared yet.
	#[pallet::storage]
	pub type OpenBooks<T: Config> =
		StorageValue<_, BoundedVec<(ZoneId, Slot), T::MaxOpenBooks>, ValueQuery>;

	/// Energy by price, in pages of [`TICKS_PER_PAGE`] prices, while a book is open.
	#[pallet::storage]
	pub type Depth<T> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		(Side, u16),
		DepthPage,
		ValueQuery,
	>;

	/// Orders that are neither cancelled nor filled.
	#[pallet::storage]
	pub type Orders<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		OrderIndex,
		Order<T::AccountId>,
	>;

	/// Positions that are not settled, by their number.
	#[pallet::storage]
	pub type Positions<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		u32,
		Position<T::AccountId>,
	>;

	/// The number of an account's position. Accounts are chosen by users: hashed.
	#[pallet::storage]
	pub type PositionOf<T: Config> =
		StorageDoubleMap<_, Twox64Concat, (ZoneId, Slot), Blake2_128Concat, T::AccountId, u32>;

	/// Settled books in the order in which they are to be forgotten: a queue of which
	/// [`RetiredRange`] says the part in use.
	#[pallet::storage]
	pub type Retired<T> = StorageMap<_, Twox64Concat, u64, (ZoneId, Slot)>;

	/// First and one-past-last number of [`Retired`].
	#[pallet::storage]
	pub type RetiredRange<T> = StorageValue<_, (u64, u64), ValueQuery>;

	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// The length of a slot in seconds. Zero means the default of 900.
		pub slot_seconds: u32,
		/// Terms by zone.
		pub terms: Vec<(ZoneId, MarketTerms)>,
		/// Binds the type to the runtime.
		#[serde(skip)]
		pub _config: PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if self.slot_seconds > 0 {
				SlotSeconds::<T>::put(self.slot_seconds);
			}
			for (zone, terms) in &self.terms {
				assert!(
					Pallet::<T>::check_terms(terms).is_ok(),
					"genesis: the terms of zone {zone} are not valid",
				);
				Terms::<T>::insert(zone, terms);
			}
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// New terms for slots that open from now on.
		TermsSet {
			/// Zone.
			zone: ZoneId,
			/// The terms.
			terms: MarketTerms,
		},
		/// An order is in the book.
		OrderPlaced {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// The order's number.
			index: OrderIndex,
			/// Whose it is.
			account: T::AccountId,
			/// Bid or ask.
			side: Side,
			/// Limit, minor units per kWh.
			price: u64,
			/// Wh.
			energy_wh: u64,
			/// Money held for it, minor units.
			held: Balance,
		},
		/// An order left the book, its money is free again.
		OrderCancelled {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// The order's number.
			index: OrderIndex,
		},
		/// The gate closed and the price is known; `None` if no bid reached an offer.
		GateClosed {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// Price and volume.
			result: Option<ClearingResult>,
		},
		/// An order was filled, perhaps with nothing; what is no longer needed was given back.
		OrderFilled {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// The order's number.
			index: OrderIndex,
			/// Whose it is.
			account: T::AccountId,
			/// Energy that was bought or sold, Wh.
			filled_wh: u64,
			/// Money given back, minor units.
			released: Balance,
		},
		/// All orders of a slot are filled.
		SlotCleared {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// How many accounts have a position.
			positions: u32,
		},
		/// The market of a zone stands still: no new orders, no clearing, no settlement.
		ZoneHalted {
			/// Zone.
			zone: ZoneId,
			/// Why.
			reason: HaltReason,
		},
		/// The market of a zone goes on where it stood.
		ZoneResumed {
			/// Zone.
			zone: ZoneId,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// No such zone.
		ZoneUnknown,
		/// The zone has no terms yet, so it has no market.
		ZoneWithoutTerms,
		/// The zone's market stands still.
		ZoneHalted,
		/// The zone's market does not stand still.
		ZoneNotHalted,
		/// The account is no active prosumer, aggregator or utility.
		NotATrader,
		/// The account belongs to another zone.
		OtherZone,
		/// Neither the council, nor the zone's utility or the regulator where they may.
		NotAllowed,
		/// The gate of the slot is closed.
		GateClosed,
		/// The slot is too far ahead.
		SlotTooFarAhead,
		/// The price is below the floor, above the cap, or between two ticks.
		PriceNotOnGrid,
		/// The energy of an order must not be zero.
		NoEnergy,
		/// The order asks for more energy than the terms allow.
		TooMuchEnergy,
		/// The account cannot pay what the order may cost: the whole bid with its fee, or the
		/// bond of an ask.
		NotEnoughMoney,
		/// The slot has as many orders as it can take.
		BookFull,
		/// Too many slots have open books.
		TooManyOpenBooks,
		/// No such order: never placed, cancelled or filled.
		OrderUnknown,
		/// The order is another account's.
		NotYourOrder,
		/// There must be 1 to `MaxTicks` prices, a distance between them, and the highest must
		/// fit.
		TermsPricesInvalid,
		/// Orders must be able to ask for energy.
		TermsOrderSizeInvalid,
		/// The gate must close within a week before the slot.
		TermsGateInvalid,
		/// It must not pay to promise and not deliver: the shortage price must be at least the
		/// highest price, the surplus price at most the lowest.
		TermsRewardImbalance,
	}

	/// Why this pallet holds money.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For open orders and unsettled positions.
		Market,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::work(&mut meter);
			meter.consumed()
		}

		fn integrity_test() {
			assert!(T::MaxTicks::get() > 0, "a market needs a price");
			assert!(T::MaxOpenBooks::get() > 0, "a chain needs a book");
			assert!(T::MaxOrdersPerSlot::get() < u32::MAX, "the cursor goes one past the last");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Sets the terms of slots that open from now on; slots that are open keep theirs.
		///
		/// By the council or the zone's utility. Errors: `ZoneUnknown`, `NotAllowed`, `Terms…`.
		/// Event: `TermsSet`.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, zone: ZoneId, terms: MarketTerms) -> DispatchResult {
			ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
			Self::ensure_council_or(origin, |who| {
				T::Participants::utility_of(zone).as_ref() == Some(who)
					&& T::Participants::is_active(who)
			})?;
			Self::check_terms(&terms)?;
			Terms::<T>::insert(zone, &terms);
			Self::deposit_event(Event::TermsSet { zone, terms });
			Ok(())
		}

		/// Places an order: to buy or sell up to `energy_wh` in `slot` at `price` minor units per
		/// kWh or better.
		///
		/// By an active prosumer, aggregator or utility of the zone, until the gate closes. What
		/// the order may cost is held, see [`WorstCase`]. Errors: each of those above. Event:
		/// `OrderPlaced`.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::place())]
		pub fn place(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			side: Side,
			price: u64,
			energy_wh: u64,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::ensure_trader(&who, zone)?;
			ensure!(!Halted::<T>::contains_key(zone), Error::<T>::ZoneHalted);
			let known_book = Books::<T>::get(zone, slot);
			let is_new = known_book.is_none();
			let mut book = match known_book {
				Some(book) => book,
				None => Book::new(Terms::<T>::get(zone).ok_or(Error::<T>::ZoneWithoutTerms)?),
			};
			ensure!(Self::takes_orders(&book, slot), Error::<T>::GateClosed);
			ensure!(Self::is_near(slot), Error::<T>::SlotTooFarAhead);
			let tick = book.terms.tick_of(price).ok_or(Error::<T>::PriceNotOnGrid)?;
			ensure!(energy_wh > 0, Error::<T>::NoEnergy);
			ensure!(energy_wh <= book.terms.max_order_wh, Error::<T>::TooMuchEnergy);
			ensure!(book.next_order < T::MaxOrdersPerSlot::get(), Error::<T>::BookFull);
			let held =
				book.terms.worst_case(side, energy_wh, price).ok_or(Error::<T>::NotEnoughMoney)?;
			let side_wh = book.side_mut(side);
			*side_wh = side_wh.checked_add(energy_wh).ok_or(Error::<T>::BookFull)?;

			T::Currency::hold(&HoldReason::Market.into(), &who, held)
				.map_err(|_| Error::<T>::NotEnoughMoney)?;
			if is_new {
				OpenBooks::<T>::try_append((zone, slot))
					.map_err(|()| Error::<T>::TooManyOpenBooks)?;
			}
			let (page, place) = DepthPage::place(tick);
			Depth::<T>::mutate((zone, slot), (side, page), |depth| {
				// No larger than the side's total, which is checked above.
				depth.0[place] = depth.0[place].saturating_add(energy_wh);
			});
			let index = OrderIndex(book.next_order);
			book.next_order = book.next_order.saturating_add(1);
			let order = Order { account: who.clone(), side, tick, energy_wh, held };
			Orders::<T>::insert((zone, slot), index, order);
			Books::<T>::insert(zone, slot, book);
			Self::deposit_event(Event::OrderPlaced {
				zone,
				slot,
				index,
				account: who,
				side,
				price,
				energy_wh,
				held,
			});
			Ok(())
		}

		/// Takes an order out of the book and frees its money.
		///
		/// By whoever placed it, until the gate closes; while the zone is halted, until the slot is
		/// cleared. Errors: `OrderUnknown`, `NotYourOrder`, `GateClosed`. Event:
		/// `OrderCancelled`.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::cancel())]
		pub fn cancel(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			index: OrderIndex,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let order = Orders::<T>::get((zone, slot), index).ok_or(Error::<T>::OrderUnknown)?;
			ensure!(order.account == who, Error::<T>::NotYourOrder);
			let mut book = Books::<T>::get(zone, slot).ok_or(Error::<T>::OrderUnknown)?;
			let may_cancel = Self::takes_orders(&book, slot)
				|| (book.state == SlotState::Open && Halted::<T>::contains_key(zone));
			ensure!(may_cancel, Error::<T>::GateClosed);

			Self::release_held(&who, order.held)?;
			let (page, place) = DepthPage::place(order.tick);
			Depth::<T>::mutate((zone, slot), (order.side, page), |depth| {
				depth.0[place] = depth.0[place].saturating_sub(order.energy_wh);
			});
			let side_wh = book.side_mut(order.side);
			*side_wh = side_wh.saturating_sub(order.energy_wh);
			Orders::<T>::remove((zone, slot), index);
			Books::<T>::insert(zone, slot, book);
			Self::deposit_event(Event::OrderCancelled { zone, slot, index });
			Ok(())
		}

		/// Stops the market of a zone: no new orders, no clearing, no settlement.
		///
		/// By the council or an active regulator. Errors: `ZoneUnknown`, `ZoneHalted`,
		/// `NotAllowed`. Event: `ZoneHalted`.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::halt())]
		pub fn halt(origin: OriginFor<T>, zone: ZoneId) -> DispatchResult {
			Self::ensure_council_or(origin, |who| T::Participants::has_role(who, Role::Regulator))?;
			ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
			ensure!(!Halted::<T>::contains_key(zone), Error::<T>::ZoneHalted);
			<Self as ClearedMarket<T::AccountId>>::halt(zone, HaltReason::Ordered);
			Ok(())
		}

		/// Lets the market of a halted zone go on where it stood.
		///
		/// By the council or an active regulator. Errors: `ZoneNotHalted`, `NotAllowed`. Event:
		/// `ZoneResumed`.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::resume())]
		pub fn resume(origin: OriginFor<T>, zone: ZoneId) -> DispatchResult {
			Self::ensure_council_or(origin, |who| T::Participants::has_role(who, Role::Regulator))?;
			ensure!(Halted::<T>::take(zone).is_some(), Error::<T>::ZoneNotHalted);
			Self::deposit_event(Event::ZoneResumed { zone });
			Ok(())
		}
	}
}

impl<T: Config> Pallet<T> {
	/// Whether the terms make sense.
	pub fn check_terms(terms: &MarketTerms) -> Result<(), Error<T>> {
		const WEEK: u32 = 7 * 24 * 3_600;
		ensure!(
			(1..=T::MaxTicks::get()).contains(&terms.tick_count) && terms.tick_size > 0,
			Error::<T>::TermsPricesInvalid
		);
		let cap = terms
			.tick_size
			.checked_mul(u64::from(terms.tick_count.saturating_sub(1)))
			.and_then(|range| range.checked_add(terms.price_floor))
			.ok_or(Error::<T>::TermsPricesInvalid)?;
		ensure!(terms.max_order_wh > 0, Error::<T>::TermsOrderSizeInvalid);
		ensure!(terms.gate_closure_seconds <= WEEK, Error::<T>::TermsGateInvalid);
		ensure!(
			terms.shortage_price >= cap && terms.surplus_price <= terms.price_floor,
			Error::<T>::TermsRewardImbalance
		);
		Ok(())
	}

	fn ensure_council_or(
		origin: OriginFor<T>,
		allowed: impl FnOnce(&T::AccountId) -> bool,
	) -> DispatchResult {
		let Err(origin) = T::GovernanceOrigin::try_origin(origin) else { return Ok(()) };
		let who = ensure_signed(origin)?;
		ensure!(allowed(&who), Error::<T>::NotAllowed);
		Ok(())
	}

	fn ensure_trader(who: &T::AccountId, zone: ZoneId) -> DispatchResult {
		ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
		let trades = [Role::Prosumer, Role::Aggregator, Role::Utility]
			.into_iter()
			.any(|role| T::Participants::has_role(who, role));
		ensure!(trades, Error::<T>::NotATrader);
		ensure!(T::Participants::zone_of(who) == Some(zone), Error::<T>::OtherZone);
		Ok(())
	}

	/// When the gate of a slot closes.
	pub fn gate_closes_seconds(terms: &MarketTerms, slot: Slot) -> u64 {
		slot.start_seconds(Self::slot_seconds())
			.saturating_sub(u64::from(terms.gate_closure_seconds))
	}

	fn takes_orders(book: &Book, slot: Slot) -> bool {
		book.state == SlotState::Open
			&& Self::now_seconds() < Self::gate_closes_seconds(&book.terms, slot)
	}

	fn is_near(slot: Slot) -> bool {
		Slot::at(Self::now_seconds(), Self::slot_seconds())
			.is_some_and(|now| slot.0 <= now.0.saturating_add(T::MaxSlotsAhead::get()))
	}

	fn release_held(who: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount > 0 {
			T::Currency::release(&HoldReason::Market.into(), who, amount, Precision::Exact)?;
		}
		Ok(())
	}

	/// The energy at every tick of one side.
	fn depth_of(zone: ZoneId, slot: Slot, side: Side, tick_count: u16) -> Vec<u64> {
		let mut energies = vec![0; usize::from(tick_count)];
		for (page, chunk) in (0u16..).zip(energies.chunks_mut(usize::from(TICKS_PER_PAGE))) {
			if let Ok(depth) = Depth::<T>::try_get((zone, slot), (side, page)) {
				chunk.copy_from_slice(&depth.0[..chunk.len()]);
			}
		}
		energies
	}

	fn set_state(zone: ZoneId, slot: Slot, state: SlotState) {
		Books::<T>::mutate(zone, slot, |book| {
			if let Some(book) = book {
				book.state = state;
			}
		});
	}
}

/// Reads for the runtime's API; off chain only.
impl<T: Config> Pallet<T> {
	/// The prices of an open book at which there is energy.
	pub fn depth(zone: ZoneId, slot: Slot) -> Vec<DepthLevel> {
		let Some(book) = Books::<T>::get(zone, slot) else { return Vec::new() };
		let terms = book.terms;
		let [bids, asks] =
			[Side::Bid, Side::Ask].map(|side| Self::depth_of(zone, slot, side, terms.tick_count));
		(0u16..)
			.zip(bids.into_iter().zip(asks))
			.filter(|(_, (bid_wh, ask_wh))| *bid_wh > 0 || *ask_wh > 0)
			.map(|(tick, (bid_wh, ask_wh))| DepthLevel {
				price: terms.price_of(tick),
				bid_wh,
				ask_wh,
			})
			.collect()
	}

	/// Open orders from an index on, of one account or of all, at most `limit`.
	pub fn orders(
		zone: ZoneId,
		slot: Slot,
		account: Option<&T::AccountId>,
		from: OrderIndex,
		limit: u32,
	) -> Vec<OpenOrder>
	where
		T::AccountId: Into<ChainAccountId>,
	{
		let Some(book) = Books::<T>::get(zone, slot) else { return Vec::new() };
		(from.0..book.next_order)
			.filter_map(|index| {
				let index = OrderIndex(index);
				let order = Orders::<T>::get((zone, slot), index)?;
				account.is_none_or(|account| *account == order.account).then(|| OpenOrder {
					index,
					account: order.account.into(),
					side: order.side,
					price: book.terms.price_of(order.tick),
					energy_wh: order.energy_wh,
					held: order.held,
				})
			})
			.take(limit as usize)
			.collect()
	}
}

impl<T: Config> SlotClock for Pallet<T> {
	fn slot_seconds() -> u32 {
		SlotSeconds::<T>::get().max(1)
	}

	fn now_seconds() -> u64 {
		T::Time::now().as_secs()
	}
}

impl<T: Config> UnsettledSlots for Pallet<T> {
	fn is_unsettled(zone: ZoneId, slot: Slot) -> bool {
		Books::<T>::get(zone, slot).is_some_and(|book| !book.state.is_final())
	}
}

impl<T: Config> ClearedMarket<T::AccountId> for Pallet<T> {
	fn terms(zone: ZoneId, slot: Slot) -> Option<MarketTerms> {
		Books::<T>::get(zone, slot).map(|book| book.terms)
	}

	fn result(zone: ZoneId, slot: Slot) -> Option<ClearingResult> {
		Books::<T>::get(zone, slot)?.outcome.map(|outcome| outcome.result)
	}

	fn policy(zone: ZoneId) -> Option<H160> {
		Terms::<T>::get(zone)?.policy
	}

	fn position(zone: ZoneId, slot: Slot, index: u32) -> Option<Position<T::AccountId>> {
		Positions::<T>::get((zone, slot), index)
	}

	fn collect(
		zone: ZoneId,
		slot: Slot,
		index: u32,
		amount: Balance,
		to: &T::AccountId,
	) -> DispatchResult {
		let mut position =
			Positions::<T>::get((zone, slot), index).ok_or(DispatchError::CannotLookup)?;
		position.held =
			position.held.checked_sub(amount).ok_or(sp_runtime::TokenError::FundsUnavailable)?;
		T::Currency::transfer_on_hold(
			&HoldReason::Market.into(),
			&position.account,
			to,
			amount,
			Precision::Exact,
			Restriction::Free,
			Fortitude::Polite,
		)?;
		Positions::<T>::insert((zone, slot), index, position);
		Ok(())
	}

	fn release(zone: ZoneId, slot: Slot, index: u32) -> DispatchResult {
		let position =
			Positions::<T>::take((zone, slot), index).ok_or(DispatchError::CannotLookup)?;
		PositionOf::<T>::remove((zone, slot), &position.account);
		Self::release_held(&position.account, position.held)
	}

	fn settling(zone: ZoneId, slot: Slot) {
		Self::set_state(zone, slot, SlotState::Settling);
	}

	fn settled(zone: ZoneId, slot: Slot) {
		Self::set_state(zone, slot, SlotState::Settled);
		let (first, end) = RetiredRange::<T>::get();
		Retired::<T>::insert(end, (zone, slot));
		RetiredRange::<T>::put((first, end.saturating_add(1)));
	}

	fn is_halted(zone: ZoneId) -> bool {
		Halted::<T>::contains_key(zone)
	}

	fn halt(zone: ZoneId, reason: HaltReason) {
		Halted::<T>::insert(zone, reason);
		Self::deposit_event(Event::ZoneHalted { zone, reason });
	}
}
