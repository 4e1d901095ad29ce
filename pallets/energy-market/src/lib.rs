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
//! - A buyer calls [`Pallet::place`] with [`Side::Bid`]: the worst it can cost is committed. After the
//!   gate it has a [`Position`] with what it bought, for which only what that can cost is committed.
//! - A seller calls [`Pallet::place`] with [`Side::Ask`]: a bond is committed that covers the slot's
//!   shortage price, or the part of it that the terms say, should it deliver nothing.
//! - Either may [`Pallet::cancel`] or [`Pallet::replace`] until the gate closes, or cancel at any time
//!   before clearing while the zone is halted; may place many orders at once
//!   ([`Pallet::place_batch`]), by itself or through an agent with limits ([`Pallet::set_agent`]); or
//!   leave a standing order that is placed in every slot ([`Pallet::place_standing`]).
//! - Two partners trade at a price of their own: one calls [`Pallet::make_offer`], the other
//!   [`Pallet::accept_offer`].
//! - A regulator calls off a slot of a halted zone ([`Pallet::annul`]): everyone gets everything back.
//!
//! ## Details
//!
//! - The price rule and the rationing rule are those of [`energy_market_core::clear`]; orders with a
//!   minimum follow [`energy_market_core::clear_with_minimums`].
//! - Orders are added up by price when they arrive, so that finding the price costs the number
//!   of prices, not that of orders. Orders are then filled a few at a time, in the idle time of the blocks
//!   ([`Hooks::on_idle`]), in the order of their numbers.
//! - A slot keeps the [`MarketTerms`] it was opened with; only the policy contract is taken from
//!   the zone's present terms, so that a broken one can be replaced.
//! - Money is in the clearing house, an account of this pallet; see [`ClearingAccount`]. It comes in
//!   when orders need it and goes back when nothing is committed any more.
//!
//! Units: energy Wh, price minor units per kWh, money minor units, time seconds since 1970.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

mod accounts;
mod bilateral;
mod clearing;
mod coupling;
mod interfaces;
mod orders;
mod standing;
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

use accounts::Purse;
use alloc::vec::Vec;
use energy_primitives::{
	api::DepthLevel, AgentLimits, Balance, ClearedMarket, ClearingResult, CommunityMembers,
	CouplingProposal, EnergyKind, HaltReason, MarketTerms, OfferId, OfferRequest, OnCleared,
	OrderIndex, OrderRequest, Participants, Position, Region, RegionId, Role, Side, Slot,
	SlotCalendar, SlotClock, SlotState, StandingId, StandingOrder, ZoneId, MAX_COUPLED_LINKS,
	MAX_RECURRENCE,
};
use frame_support::{
	pallet_prelude::*,
	traits::{
		fungible::{Inspect, Mutate},
		tokens::Preservation,
		UnixTime,
	},
	weights::WeightMeter,
	PalletId,
};
use frame_system::pallet_prelude::*;
use orders::Desk;

const LOG_TARGET: &str = "runtime::energy-market";
/// The most versions of a region: the present one, and those that lie ahead.
const MAX_REGION_VERSIONS: u32 = 4;

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
		/// The settlement currency.
		type Currency: Mutate<Self::AccountId> + Inspect<Self::AccountId, Balance = Balance>;
		/// Who takes part. If it lets strangers in, they can fill the books.
		type Participants: Participants<Self::AccountId>;
		/// Which communities there are, for offers to their members; `()` for none.
		type Communities: CommunityMembers<Self::AccountId>;
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
		/// The most orders in one batch.
		#[pallet::constant]
		type MaxBatch: Get<u32>;
		/// The most orders with a minimum or an expiry in one zone and slot.
		#[pallet::constant]
		type MaxSpecialOrders: Get<u32>;
		/// The most standing orders of one zone.
		#[pallet::constant]
		type MaxStandingOrders: Get<u32>;
		/// The most standing orders of one account.
		#[pallet::constant]
		type MaxStandingOrdersPerAccount: Get<u32>;
		/// The most bilateral offers of one account at a time.
		#[pallet::constant]
		type MaxOffersPerAccount: Get<u32>;
		/// From which the account of the clearing house derives.
		#[pallet::constant]
		type PalletId: Get<PalletId>;
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

	/// The length in seconds of the slots of a zone of which nothing else was said; set once, at
	/// genesis.
	#[pallet::storage]
	pub type SlotSeconds<T> = StorageValue<_, u32, ValueQuery, DefaultSlotSeconds>;

	/// Fifteen minutes.
	#[pallet::type_value]
	pub fn DefaultSlotSeconds() -> u32 {
		900
	}

	/// How the slots of a zone lie in time, once it has terms.
	#[pallet::storage]
	pub type Calendars<T> = StorageMap<_, Twox64Concat, ZoneId, SlotCalendar>;

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

	/// Books that are not cleared yet, or are being annulled.
	#[pallet::storage]
	pub type OpenBooks<T: Config> =
		StorageValue<_, BoundedVec<OpenBook, T::MaxOpenBooks>, ValueQuery>;

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

	/// Orders that are not filled, in pages of [`ENTRIES_PER_PAGE`].
	#[pallet::storage]
	pub type Orders<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		u32,
		OrderPage<T::AccountId>,
		ValueQuery,
	>;

	/// Orders with a minimum or an expiry, while a book is open.
	#[pallet::storage]
	pub type SpecialOrders<T: Config> = StorageMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		BoundedVec<OrderIndex, T::MaxSpecialOrders>,
		ValueQuery,
	>;

	/// What participants have in the market. Accounts are chosen by users: hashed.
	#[pallet::storage]
	pub type Accounts<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, ClearingAccount, ValueQuery>;

	/// What was added to clearing accounts beyond what was taken from others, minor units; zero
	/// but while a slot is being paid, or while some zones of a coupled slot are paid and others are
	/// not. What the clearing house has is the sum of all balances less this.
	#[pallet::storage]
	pub type InTransit<T> = StorageValue<_, i128, ValueQuery>;

	/// Who may place orders for whom, and how far: owner, agent.
	#[pallet::storage]
	pub type Agents<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		T::AccountId,
		Blake2_128Concat,
		T::AccountId,
		AgentLimits,
	>;

	/// Standing orders.
	#[pallet::storage]
	pub type StandingOrders<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		ZoneId,
		Twox64Concat,
		StandingId,
		StandingOrder<T::AccountId>,
	>;

	/// The standing orders of a zone, in ascending order.
	#[pallet::storage]
	pub type StandingIds<T: Config> = StorageMap<
		_,
		Twox64Concat,
		ZoneId,
		BoundedVec<StandingId, T::MaxStandingOrders>,
		ValueQuery,
	>;

	/// The number of a zone's next standing order.
	#[pallet::storage]
	pub type NextStanding<T> = StorageMap<_, Twox64Concat, ZoneId, StandingId, ValueQuery>;

	/// How far the standing orders of each zone that has some are placed.
	#[pallet::storage]
	pub type Renewals<T> = StorageMap<_, Twox64Concat, ZoneId, Renewal>;

	/// Bilateral offers that wait to be accepted.
	#[pallet::storage]
	pub type Offers<T: Config> = StorageMap<_, Twox64Concat, OfferId, Offer<T::AccountId>>;

	/// The number of the next offer.
	#[pallet::storage]
	pub type NextOffer<T> = StorageValue<_, OfferId, ValueQuery>;

	/// The offer that was looked at last, in search of money to free.
	#[pallet::storage]
	pub type OfferSweep<T> = StorageValue<_, OfferId>;

	/// How many standing orders and offers an account has.
	#[pallet::storage]
	pub type HoldingsOf<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, Holdings, ValueQuery>;

	/// Regions: what each is, from which slot on.
	#[pallet::storage]
	pub type Regions<T> = StorageMap<
		_,
		Twox64Concat,
		RegionId,
		BoundedVec<(Slot, Region), ConstU32<MAX_REGION_VERSIONS>>,
		ValueQuery,
	>;

	/// The one region that a zone may ever belong to.
	#[pallet::storage]
	pub type RegionOf<T> = StorageMap<_, Twox64Concat, ZoneId, RegionId>;

	/// The capacities of a region's links in a slot, where they differ from the usual ones, Wh.
	#[pallet::storage]
	pub type Capacities<T> = StorageDoubleMap<
		_,
		Twox64Concat,
		RegionId,
		Twox64Concat,
		Slot,
		BoundedVec<u64, ConstU32<MAX_COUPLED_LINKS>>,
	>;

	/// The best proposal for a region and slot, until all its zones are settled.
	#[pallet::storage]
	pub type Proposals<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		RegionId,
		Twox64Concat,
		Slot,
		AcceptedProposal<T::AccountId>,
	>;

	/// Coupled slots of which some zones are settled and some are not.
	#[pallet::storage]
	pub type CoupledSlots<T> =
		StorageDoubleMap<_, Twox64Concat, RegionId, Twox64Concat, Slot, CoupledSlot>;

	/// Positions that are not settled, by their number, in pages of [`ENTRIES_PER_PAGE`].
	#[pallet::storage]
	pub type Positions<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(ZoneId, Slot),
		Twox64Concat,
		u32,
		PositionPage<T::AccountId>,
		ValueQuery,
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
		/// The length of a slot in seconds, until a zone has another. Zero means the default of 900.
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
				Pallet::<T>::write_terms(*zone, terms);
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
		/// Slots of a zone have another length.
		SlotLengthSet {
			/// Zone.
			zone: ZoneId,
			/// The first slot of that length.
			from: Slot,
			/// When it begins, seconds since 1970.
			start_seconds: u64,
			/// The length, seconds.
			slot_seconds: u32,
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
			/// The least that is accepted, Wh.
			minimum_wh: u64,
			/// When it expires, seconds since 1970.
			expires_seconds: Option<u64>,
			/// The standing order that it came from.
			standing: Option<StandingId>,
			/// Money committed for it, minor units.
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
			/// Money no longer committed, minor units.
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
		/// An order of a batch was not placed. The others were.
		OrderRejected {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// Whose it would have been.
			account: T::AccountId,
			/// Its place in the batch.
			item: u32,
			/// Why.
			error: DispatchError,
		},
		/// An account took free money out of the market.
		Withdrawn {
			/// Whose.
			account: T::AccountId,
			/// Minor units.
			amount: Balance,
		},
		/// An account lets an agent place orders for it.
		AgentSet {
			/// The account.
			owner: T::AccountId,
			/// The agent.
			agent: T::AccountId,
			/// How far it may go.
			limits: AgentLimits,
		},
		/// An agent may no longer place orders for an account.
		AgentRemoved {
			/// The account.
			owner: T::AccountId,
			/// The agent.
			agent: T::AccountId,
		},
		/// A standing order was left.
		StandingOrderPlaced {
			/// Zone.
			zone: ZoneId,
			/// Its number in the zone.
			id: StandingId,
			/// Whose it is, and what.
			order: StandingOrder<T::AccountId>,
		},
		/// A standing order could not be placed in a slot. It stays for the next ones.
		StandingOrderSkipped {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// Its number in the zone.
			id: StandingId,
			/// Why.
			error: DispatchError,
		},
		/// A standing order is over: its last slot has passed, or it was cancelled.
		StandingOrderEnded {
			/// Zone.
			zone: ZoneId,
			/// Its number in the zone.
			id: StandingId,
		},
		/// A bilateral offer waits to be accepted.
		OfferMade {
			/// Its number.
			id: OfferId,
			/// Zone.
			zone: ZoneId,
			/// Whose it is.
			maker: T::AccountId,
			/// What is offered.
			offer: OfferRequest<T::AccountId>,
			/// Money committed for it, minor units.
			held: Balance,
		},
		/// A part of a bilateral offer was accepted.
		OfferAccepted {
			/// The offer's number.
			id: OfferId,
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
			/// Who buys.
			buyer: T::AccountId,
			/// Who sells.
			seller: T::AccountId,
			/// What the seller declares the energy to be.
			kind: EnergyKind,
			/// What is paid, minor units per kWh.
			price: u64,
			/// Wh.
			energy_wh: u64,
		},
		/// A bilateral offer is over: accepted whole, withdrawn, or its last gate has closed.
		OfferEnded {
			/// The offer's number.
			id: OfferId,
		},
		/// A region is as given from a slot on.
		RegionSet {
			/// The region.
			id: RegionId,
			/// The first slot.
			since: Slot,
			/// Its zones and links.
			region: Region,
		},
		/// The capacities of a region's links differ in a slot.
		CapacitiesSet {
			/// The region.
			id: RegionId,
			/// Delivery slot.
			slot: Slot,
			/// In the order of the region's links, Wh.
			capacities_wh: BoundedVec<u64, ConstU32<MAX_COUPLED_LINKS>>,
		},
		/// The best proposal so far for a region and slot, proven to be optimal.
		CouplingProposed {
			/// The region.
			id: RegionId,
			/// Delivery slot.
			slot: Slot,
			/// Whose it is.
			proposer: T::AccountId,
			/// Billionths of a minor unit.
			welfare: i128,
			/// The proposal.
			proposal: CouplingProposal,
		},
		/// All zones of a coupled slot are settled, and the region has received what is left.
		RegionSettled {
			/// The region.
			id: RegionId,
			/// Delivery slot.
			slot: Slot,
			/// Fees of the links, losses and rents, minor units.
			income: Balance,
		},
		/// The income of a region was taken out.
		RegionIncomeWithdrawn {
			/// The region.
			id: RegionId,
			/// To whom.
			to: T::AccountId,
			/// Minor units.
			amount: Balance,
		},
		/// A slot is being called off: everyone gets everything back.
		SlotAnnulling {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
		},
		/// A slot was called off, and everyone has everything back.
		SlotAnnulled {
			/// Zone.
			zone: ZoneId,
			/// Delivery slot.
			slot: Slot,
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
		/// The least that is accepted must not be more than all.
		MinimumTooLarge,
		/// An order must not expire before it is placed.
		AlreadyExpired,
		/// The slot has as many orders with a minimum or an expiry as it can take.
		TooManySpecialOrders,
		/// The account lets nobody with this account place orders for it.
		NotAnAgent,
		/// Nobody is its own agent.
		OwnAgent,
		/// The time of the agent is over.
		AgencyExpired,
		/// The agent may not ask for so much energy at once.
		TooMuchEnergyForAgent,
		/// The agent, or the standing order, may not commit so much money any more.
		AllowanceUsedUp,
		/// The account has less free money in the market.
		NotEnoughFreeMoney,
		/// A standing order must have slots, and its last must not be over.
		StandingSlotsInvalid,
		/// The zone or the account has as many standing orders as it may.
		TooManyStandingOrders,
		/// No such standing order.
		StandingOrderUnknown,
		/// An offer must be for 1 to `MAX_RECURRENCE` slots.
		RecurrenceInvalid,
		/// The account has as many offers as it may.
		TooManyOffers,
		/// No such offer: never made, accepted whole, withdrawn, or over.
		OfferUnknown,
		/// Nobody trades with itself.
		OwnOffer,
		/// The offer is not made to this account.
		NotForYou,
		/// What the seller declares is not what the buyer wants.
		WrongEnergyKind,
		/// The offer is not for this slot, or has less energy left in it.
		NotInOffer,
		/// The offer wants more to be accepted at a time.
		BelowMinimum,
		/// Whoever made the offer may not trade at present.
		MakerInactive,
		/// Whoever made the offer cannot pay what the slot's terms ask beyond those of the time it was
		/// made.
		MakerCannotPay,
		/// In a zone that is cleared together with others, orders have neither minimum nor expiry.
		ConditionsInCoupledZone,
		/// A region has each zone once, and links between its zones that lose less than all.
		RegionInvalid,
		/// The zone belongs to another region.
		OtherRegion,
		/// A region may change only for slots that nobody can trade in yet.
		RegionTooSoon,
		/// Too many changes of the region lie ahead.
		TooManyRegionVersions,
		/// No such region, or it couples nothing in this slot.
		RegionUnknown,
		/// There must be a capacity for each link.
		CapacitiesInvalid,
		/// Proposals for the slot are not taken yet, or not any more.
		NoTimeForProposals,
		/// The proposal is not feasible, or its prices do not prove it the best.
		ProposalNotOptimal,
		/// Another proposal is at least as good.
		ProposalNotBetter,
		/// Importers would pay less than exporters receive.
		ProposalLosesMoney,
		/// Other zones count on the slot: it is cleared together with them.
		SlotIsCoupled,
		/// No such slot, or it is settled.
		SlotUnknown,
		/// Money of the slot has already moved, so that it cannot be called off.
		TooLateToAnnul,
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
		/// The bond must be more than nothing, and no part more than the whole.
		TermsPartsInvalid,
		/// A slot lasts from a second to a day.
		SlotLengthInvalid,
		/// Slots in which somebody may trade or offer already keep their length.
		SlotLengthTooSoon,
		/// A change of the length for a later slot is planned already, or too many changes are
		/// remembered.
		SlotLengthChangePending,
		/// The zone is cleared together with others in that slot or later: their slots must be the same.
		ZoneInRegion,
		/// The slots of zones that are cleared together must be the same.
		SlotsDiffer,
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
			Self::ensure_governs(origin, zone)?;
			Self::check_terms(&terms)?;
			Self::write_terms(zone, &terms);
			Self::deposit_event(Event::TermsSet { zone, terms });
			Ok(())
		}

		/// Places an order: to buy or sell up to `energy_wh` in `slot` at `price` minor units per
		/// kWh or better.
		///
		/// By an active prosumer, aggregator or utility of the zone, until the gate closes. What
		/// the order may cost is committed, see [`WorstCase`]. Errors: each of those above. Event:
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
			let request =
				OrderRequest { slot, side, price, energy_wh, minimum_wh: 0, expires_seconds: None };
			let mut purse = Purse::open(&who);
			let mut desk = Desk::new(zone);
			Self::put_order(&mut desk, &request, &mut purse, None)?;
			desk.close();
			purse.close()
		}

		/// Takes an order out of the book and frees its money.
		///
		/// By its owner or the agent that placed it, until the gate closes; while the zone is halted,
		/// until the price is found, unless other zones count on the slot. Errors: `OrderUnknown`,
		/// `NotYourOrder`, `AgencyExpired`, `GateClosed`. Event: `OrderCancelled`.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::cancel())]
		pub fn cancel(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			index: OrderIndex,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let order = Self::order_of(&who, zone, slot, index)?;
			let mut purse = Self::purse_of(&order.account, &who)?;
			Self::take_order(zone, slot, index, &order, &mut purse)?;
			Self::close_purse(purse, &who)
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

		/// Places many orders at once. One that cannot be placed does not stop the others.
		///
		/// By an active prosumer, aggregator or utility of the zone for itself, or for `owner` by an
		/// agent within its limits. Costs the weight of the orders that were placed or looked at.
		/// Errors: `ZoneUnknown`, `NotATrader`, `OtherZone`, `NotAnAgent`. Events: `OrderPlaced` or
		/// `OrderRejected` for each.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::place_batch(orders.len() as u32))]
		pub fn place_batch(
			origin: OriginFor<T>,
			zone: ZoneId,
			owner: Option<T::AccountId>,
			orders: BoundedVec<OrderRequest, T::MaxBatch>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let owner = owner.unwrap_or_else(|| who.clone());
			Self::ensure_trader(&owner, zone)?;
			let mut purse = Self::purse_of(&owner, &who)?;
			let mut desk = Desk::new(zone);
			for (item, request) in (0u32..).zip(&orders) {
				let placed = Self::ensure_agent_may_place(&owner, &who, request.energy_wh)
					.and_then(|()| Self::put_order(&mut desk, request, &mut purse, None));
				if let Err(error) = placed {
					let account = owner.clone();
					let slot = request.slot;
					Self::deposit_event(Event::OrderRejected { zone, slot, account, item, error });
				}
			}
			desk.close();
			Self::close_purse(purse, &who)
		}

		/// Takes an order out of the book and places another in its stead, or changes nothing.
		///
		/// By its owner or the agent that placed it. The new order may be for another slot. Errors: those
		/// of `cancel` and of `place_batch`'s orders. Events: `OrderCancelled`, `OrderPlaced`.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::replace())]
		pub fn replace(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot: Slot,
			index: OrderIndex,
			order: OrderRequest,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let old = Self::order_of(&who, zone, slot, index)?;
			Self::ensure_trader(&old.account, zone)?;
			Self::ensure_agent_may_place(&old.account, &who, order.energy_wh)?;
			let mut purse = Self::purse_of(&old.account, &who)?;
			Self::take_order(zone, slot, index, &old, &mut purse)?;
			let mut desk = Desk::new(zone);
			Self::put_order(&mut desk, &order, &mut purse, None)?;
			desk.close();
			Self::close_purse(purse, &who)
		}

		/// Takes money out of the market that is not committed. By its owner.
		///
		/// Rarely needed: when nothing is committed any more, all money goes back by itself. Errors:
		/// `NotEnoughFreeMoney`. Event: `Withdrawn`.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw(
			origin: OriginFor<T>,
			#[pallet::compact] amount: Balance,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let mut account = Accounts::<T>::get(&who);
			let free = account.balance.saturating_sub(account.committed);
			ensure!(amount <= free, Error::<T>::NotEnoughFreeMoney);
			T::Currency::transfer(&Self::clearing_house(), &who, amount, Preservation::Expendable)?;
			account.balance = account.balance.saturating_sub(amount);
			Self::store_account(&who, account);
			Self::deposit_event(Event::Withdrawn { account: who, amount });
			Ok(())
		}

		/// Lets `agent` place, replace and cancel orders with the caller's money, within limits that
		/// replace earlier ones.
		///
		/// By an active participant. Errors: `NotATrader`, `OwnAgent`. Event: `AgentSet`.
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::set_agent())]
		pub fn set_agent(
			origin: OriginFor<T>,
			agent: T::AccountId,
			limits: AgentLimits,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			ensure!(T::Participants::trading_zone(&owner).is_some(), Error::<T>::NotATrader);
			ensure!(agent != owner, Error::<T>::OwnAgent);
			Agents::<T>::insert(&owner, &agent, limits);
			Self::deposit_event(Event::AgentSet { owner, agent, limits });
			Ok(())
		}

		/// Takes an agent's right away. Orders that it has placed stay. By the owner.
		///
		/// Errors: `NotAnAgent`. Event: `AgentRemoved`.
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::set_agent())]
		pub fn remove_agent(origin: OriginFor<T>, agent: T::AccountId) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Agents::<T>::take(&owner, &agent).ok_or(Error::<T>::NotAnAgent)?;
			Self::deposit_event(Event::AgentRemoved { owner, agent });
			Ok(())
		}

		/// Leaves an order that is placed anew in every slot from `first` to `last`, one to two slots
		/// before its gate closes, as long as its budget lasts. What is not needed for what was
		/// traded comes back to the budget; no money is committed before an order is placed.
		///
		/// By an active prosumer, aggregator or utility of the zone. Errors: `NotATrader`,
		/// `ZoneWithoutTerms`, `PriceNotOnGrid`, `NoEnergy`, `TooMuchEnergy`, `MinimumTooLarge`,
		/// `StandingSlotsInvalid`, `TooManyStandingOrders`. Event: `StandingOrderPlaced`; then
		/// `OrderPlaced` or `StandingOrderSkipped` in each slot.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::place_standing())]
		pub fn place_standing(
			origin: OriginFor<T>,
			zone: ZoneId,
			order: OrderRequest,
			last: Slot,
			budget: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::ensure_trader(&account, zone)?;
			let terms = Terms::<T>::get(zone).ok_or(Error::<T>::ZoneWithoutTerms)?;
			let OrderRequest { slot: first, side, price, energy_wh, minimum_wh, .. } = order;
			terms.tick_of(price).ok_or(Error::<T>::PriceNotOnGrid)?;
			ensure!(energy_wh > 0, Error::<T>::NoEnergy);
			ensure!(energy_wh <= terms.max_order_wh, Error::<T>::TooMuchEnergy);
			ensure!(minimum_wh <= energy_wh, Error::<T>::MinimumTooLarge);
			let now = Self::running(zone);
			ensure!(
				first <= last && last > now && order.expires_seconds.is_none(),
				Error::<T>::StandingSlotsInvalid
			);
			let id = NextStanding::<T>::get(zone);
			let next = StandingId(id.0.checked_add(1).ok_or(Error::<T>::TooManyStandingOrders)?);
			StandingIds::<T>::try_append(zone, id)
				.map_err(|()| Error::<T>::TooManyStandingOrders)?;
			Self::count_standing(&account)?;
			NextStanding::<T>::insert(zone, next);
			if !Renewals::<T>::contains_key(zone) {
				Renewals::<T>::insert(zone, Renewal::default());
			}
			let standing =
				StandingOrder { account, side, price, energy_wh, minimum_wh, first, last, budget };
			StandingOrders::<T>::insert(zone, id, &standing);
			Self::deposit_event(Event::StandingOrderPlaced { zone, id, order: standing });
			Ok(())
		}

		/// Ends a standing order. Orders that it has placed stay. By its owner.
		///
		/// Errors: `StandingOrderUnknown`, `NotYourOrder`. Event: `StandingOrderEnded`.
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::cancel_standing())]
		pub fn cancel_standing(
			origin: OriginFor<T>,
			zone: ZoneId,
			id: StandingId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let standing =
				StandingOrders::<T>::get(zone, id).ok_or(Error::<T>::StandingOrderUnknown)?;
			ensure!(standing.account == who, Error::<T>::NotYourOrder);
			Self::end_standing(zone, id, &who);
			Ok(())
		}

		/// Offers a trade at a price of its own to one partner, a community, or anyone, in one slot or
		/// in several one after the other. The worst it can cost is committed for every slot.
		///
		/// By an active prosumer, aggregator or utility of the zone. Errors: `RecurrenceInvalid`,
		/// `PriceNotOnGrid` (outside the prices of the auction), `OwnOffer`, `TooManyOffers`, and those
		/// of `place`. Event: `OfferMade`.
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::make_offer())]
		pub fn make_offer(
			origin: OriginFor<T>,
			zone: ZoneId,
			offer: OfferRequest<T::AccountId>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_make_offer(who, zone, offer)
		}

		/// Accepts `energy_wh` of an offer in a slot, until the slot's gate closes. Both partners have
		/// a position then. `kind` is what the caller declares to sell, or wants to buy.
		///
		/// By whom the offer is made to. Errors: `OfferUnknown`, `MakerInactive`, `OwnOffer`,
		/// `NotForYou`, `WrongEnergyKind`, `NotInOffer`, `BelowMinimum`, `MakerCannotPay`, and those of
		/// `place`. Events: `OfferAccepted`; `OfferEnded` when nothing is left.
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::accept_offer())]
		pub fn accept_offer(
			origin: OriginFor<T>,
			id: OfferId,
			slot: Slot,
			energy_wh: u64,
			kind: EnergyKind,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_accept_offer(who, id, slot, energy_wh, kind)
		}

		/// Withdraws what is left of an offer; what was accepted stays. By its maker.
		///
		/// Errors: `OfferUnknown`, `NotYourOrder`. Event: `OfferEnded`.
		#[pallet::call_index(14)]
		#[pallet::weight(T::WeightInfo::withdraw_offer())]
		pub fn withdraw_offer(origin: OriginFor<T>, id: OfferId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let offer = Offers::<T>::get(id).ok_or(Error::<T>::OfferUnknown)?;
			ensure!(offer.maker == who, Error::<T>::NotYourOrder);
			let held = offer.held().ok_or(sp_runtime::ArithmeticError::Overflow)?;
			Self::uncommit(&who, held)?;
			Self::end_offer(id, &who);
			Ok(())
		}

		/// Calls off a slot of a halted zone: orders and positions end, everyone gets everything back.
		/// The work is done in idle time, also while the zone is halted.
		///
		/// By the council or an active regulator, until money of the slot moves. Errors: `NotAllowed`,
		/// `ZoneNotHalted`, `SlotUnknown`, `TooLateToAnnul`, `TooManyOpenBooks`. Events:
		/// `SlotAnnulling`, then `SlotAnnulled`.
		#[pallet::call_index(15)]
		#[pallet::weight(T::WeightInfo::annul())]
		pub fn annul(origin: OriginFor<T>, zone: ZoneId, slot: Slot) -> DispatchResult {
			Self::ensure_council_or(origin, |who| T::Participants::has_role(who, Role::Regulator))?;
			ensure!(Halted::<T>::contains_key(zone), Error::<T>::ZoneNotHalted);
			let mut book = Books::<T>::get(zone, slot).ok_or(Error::<T>::SlotUnknown)?;
			ensure!(!Self::is_coupled(zone, slot), Error::<T>::SlotIsCoupled);
			match book.state {
				SlotState::Open => {
					Self::forget_depth(zone, slot, book.terms.tick_count);
					SpecialOrders::<T>::remove((zone, slot));
				}
				SlotState::Clearing => {}
				SlotState::Cleared | SlotState::Settling => {
					T::OnCleared::on_annulled(zone, slot)
						.map_err(|_| Error::<T>::TooLateToAnnul)?;
				}
				SlotState::Annulling | SlotState::Annulled | SlotState::Settled => {
					return Err(Error::<T>::SlotUnknown.into())
				}
			}
			OpenBooks::<T>::mutate(|open| {
				open.retain(|book| (book.zone, book.slot) != (zone, slot));
				open.try_push(OpenBook { zone, slot, due_seconds: 0 })
			})
			.map_err(|_| Error::<T>::TooManyOpenBooks)?;
			book.state = SlotState::Annulling;
			book.outcome = None;
			book.cursor = 0;
			Books::<T>::insert(zone, slot, book);
			Self::deposit_event(Event::SlotAnnulling { zone, slot });
			Ok(())
		}

		/// Says which zones are cleared together, and what joins them, from a slot on that nobody can
		/// trade in yet. A region without zones couples nothing any more.
		///
		/// By the council. Errors: `RegionTooSoon`, `RegionInvalid`, `ZoneUnknown`, `OtherRegion`,
		/// `SlotsDiffer`, `TooManyRegionVersions`. Event: `RegionSet`.
		#[pallet::call_index(16)]
		#[pallet::weight(T::WeightInfo::set_region())]
		pub fn set_region(
			origin: OriginFor<T>,
			id: RegionId,
			region: Region,
			since: Slot,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			Self::do_set_region(id, region, since)
		}

		/// Sets the capacities of a region's links in one slot, until its proposals are taken.
		///
		/// By the council. Errors: `RegionUnknown`, `CapacitiesInvalid`, `GateClosed`,
		/// `SlotTooFarAhead`. Event: `CapacitiesSet`.
		#[pallet::call_index(17)]
		#[pallet::weight(T::WeightInfo::set_capacities())]
		pub fn set_capacities(
			origin: OriginFor<T>,
			id: RegionId,
			slot: Slot,
			capacities_wh: BoundedVec<u64, ConstU32<MAX_COUPLED_LINKS>>,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			let region = Self::region_in(id, slot).ok_or(Error::<T>::RegionUnknown)?;
			ensure!(capacities_wh.len() == region.links.len(), Error::<T>::CapacitiesInvalid);
			let zone = region.zones.first().ok_or(Error::<T>::RegionUnknown)?;
			ensure!(Self::is_near(*zone, slot), Error::<T>::SlotTooFarAhead);
			let window = Self::proposal_window(&region, slot);
			ensure!(
				window.is_some_and(|(opens, _)| Self::now_seconds() < opens),
				Error::<T>::GateClosed
			);
			Capacities::<T>::insert(id, slot, &capacities_wh);
			Self::deposit_event(Event::CapacitiesSet { id, slot, capacities_wh });
			Ok(())
		}

		/// Proposes prices, volumes and flows for all zones of a region in a slot. It is taken if its
		/// prices prove that no other is better, and if no earlier one is as good.
		///
		/// By any active participant, after the last gate of the zones, for as long as the region says.
		/// Errors: `RegionUnknown`, `NoTimeForProposals`, `ZoneHalted`, `ProposalNotOptimal`,
		/// `ProposalNotBetter`, `ProposalLosesMoney`, `NotAllowed`. Event: `CouplingProposed`.
		#[pallet::call_index(18)]
		#[pallet::weight(T::WeightInfo::propose_coupling())]
		pub fn propose_coupling(
			origin: OriginFor<T>,
			id: RegionId,
			slot: Slot,
			proposal: CouplingProposal,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_propose(who, id, slot, proposal)
		}

		/// Takes income out of a region's account. By the council.
		///
		/// Errors: those of the currency. Event: `RegionIncomeWithdrawn`.
		#[pallet::call_index(19)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw_region_income(
			origin: OriginFor<T>,
			id: RegionId,
			to: T::AccountId,
			#[pallet::compact] amount: Balance,
		) -> DispatchResult {
			T::GovernanceOrigin::ensure_origin(origin)?;
			T::Currency::transfer(
				&Self::region_account(id),
				&to,
				amount,
				Preservation::Expendable,
			)?;
			Self::deposit_event(Event::RegionIncomeWithdrawn { id, to, amount });
			Ok(())
		}

		/// Gives the slots of a zone another length, in seconds, from a slot on in which nobody can
		/// trade or offer yet. Slots before it, and all that is measured and paid for them, keep theirs.
		///
		/// By the council or the zone's utility, while the zone is cleared by itself. Errors:
		/// `ZoneUnknown`, `NotAllowed`, `SlotLengthInvalid`, `SlotLengthTooSoon`, `ZoneInRegion`,
		/// `SlotLengthChangePending`. Event: `SlotLengthSet`.
		#[pallet::call_index(20)]
		#[pallet::weight(T::WeightInfo::set_slot_length())]
		pub fn set_slot_length(
			origin: OriginFor<T>,
			zone: ZoneId,
			slot_seconds: u32,
			from: Slot,
		) -> DispatchResult {
			Self::ensure_governs(origin, zone)?;
			Self::do_set_slot_length(zone, slot_seconds, from)
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// The prices of an open book at which there is energy, from the lowest.
		pub fn view_depth(zone: ZoneId, slot: Slot) -> Vec<DepthLevel> {
			Self::depth(zone, slot)
		}

		/// What an account promised in a slot that is not settled.
		pub fn view_position(
			zone: ZoneId,
			slot: Slot,
			account: T::AccountId,
		) -> Option<Position<T::AccountId>> {
			Self::position_of(zone, slot, &account)
		}

		/// Price and volume of a slot.
		pub fn view_result(zone: ZoneId, slot: Slot) -> Option<ClearingResult> {
			<Self as ClearedMarket<T::AccountId>>::result(zone, slot)
		}

		/// What an account has in the market.
		pub fn view_account(account: T::AccountId) -> ClearingAccount {
			Accounts::<T>::get(account)
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
		let parts = [terms.bond_ppm, terms.grid_fee_ppm, terms.tolerance_ppm];
		ensure!(
			terms.bond_ppm > 0 && parts.into_iter().all(|part| part <= energy_market_core::MILLION),
			Error::<T>::TermsPartsInvalid
		);
		Ok(())
	}

	/// The council or the active utility of a zone.
	fn ensure_governs(origin: OriginFor<T>, zone: ZoneId) -> DispatchResult {
		ensure!(T::Participants::zone_exists(zone), Error::<T>::ZoneUnknown);
		Self::ensure_council_or(origin, |who| {
			T::Participants::utility_of(zone).as_ref() == Some(who)
				&& T::Participants::is_active(who)
		})
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

	/// When the gate of a slot closes, by the calendar of its zone.
	pub fn gate_closes_seconds(calendar: &SlotCalendar, terms: &MarketTerms, slot: Slot) -> u64 {
		calendar.start_seconds(slot).saturating_sub(u64::from(terms.gate_closure_seconds))
	}

	/// Writes the terms of a zone. With the first ones it gets a calendar.
	fn write_terms(zone: ZoneId, terms: &MarketTerms) {
		if !Calendars::<T>::contains_key(zone) {
			Calendars::<T>::insert(zone, Self::calendar(zone));
		}
		Terms::<T>::insert(zone, terms);
	}

	/// Gives a zone slots of another length; see [`Call::set_slot_length`].
	fn do_set_slot_length(zone: ZoneId, slot_seconds: u32, from: Slot) -> DispatchResult {
		const DAY: u32 = 24 * 3_600;
		ensure!((1..=DAY).contains(&slot_seconds), Error::<T>::SlotLengthInvalid);
		let mut calendar = Self::calendar(zone);
		let running = calendar.at(Self::now_seconds());
		let farthest = T::MaxSlotsAhead::get().saturating_add(MAX_RECURRENCE);
		ensure!(from.0 > running.0.saturating_add(farthest), Error::<T>::SlotLengthTooSoon);
		ensure!(!Self::is_in_region_from(zone, from), Error::<T>::ZoneInRegion);
		calendar.forget_before(Slot(running.0.saturating_sub(T::RetentionSlots::get())));
		let calendar = calendar
			.with_length(from, slot_seconds)
			.map_err(|_| Error::<T>::SlotLengthChangePending)?;
		let start_seconds = calendar.start_seconds(from);
		Calendars::<T>::insert(zone, calendar);
		Self::deposit_event(Event::SlotLengthSet { zone, from, start_seconds, slot_seconds });
		Ok(())
	}

	fn set_state(zone: ZoneId, slot: Slot, state: SlotState) {
		Books::<T>::mutate(zone, slot, |book| {
			if let Some(book) = book {
				book.state = state;
			}
		});
	}
}
