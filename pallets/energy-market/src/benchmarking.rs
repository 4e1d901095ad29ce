//! What the calls and the work in idle time cost.

use crate::{
	accounts::Purse, place_of, Accounts, Agents, BenchmarkHelper, Book, Books, Call, Capacities,
	Config, Depth, DepthPage, Halted, Margin, Offers, OpenBook, OpenBooks, Outcome, Pallet,
	PositionOf, Positions, Proposals, RegionOf, Regions, Renewal, Renewals, Retired, RetiredRange,
	StandingIds, StandingOrders, Terms, WeightInfo, ENTRIES_PER_PAGE, TICKS_PER_PAGE,
};
use alloc::{vec, vec::Vec};
use energy_primitives::{
	AgentLimits, Audience, Balance, ClearingResult, CouplingProposal, EnergyKind, GridLink,
	HaltReason, ImbalancePricing, MarketTerms, OfferId, OfferRequest, OrderIndex, OrderRequest,
	Position, Region, RegionId, Side, Slot, SlotClock, SlotState, StandingId, ZoneId, ZoneProposal,
	MAX_COUPLED_LINKS, MAX_COUPLED_ZONES, MAX_RECURRENCE,
};
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::DispatchResult,
	storage::with_storage_layer,
	traits::Get,
	weights::{Weight, WeightMeter},
	BoundedVec,
};
use frame_system::RawOrigin;
use sp_core::H160;

const ZONE: ZoneId = ZoneId(77);
const SLOT: Slot = Slot(1_000_000);
/// More than all orders of a benchmark can cost, minor units.
const MONEY: Balance = 1_000_000_000_000;
/// What an order asks for, Wh.
const ENERGY: u64 = 1_000;

/// As many prices as a market may have.
fn terms<T: Config>() -> MarketTerms {
	let mut terms = MarketTerms {
		gate_closure_seconds: 0,
		price_floor: 50_000,
		tick_size: 1_000,
		tick_count: T::MaxTicks::get(),
		max_order_wh: ENERGY,
		grid_fee: 3_001,
		grid_fee_ppm: 10_000,
		bond_ppm: 1_000_000,
		tolerance_ppm: 50_000,
		imbalance_pricing: ImbalancePricing::Dual,
		shortage_price: 0,
		surplus_price: 20_000,
		policy: Some(H160::repeat_byte(7)),
	};
	terms.shortage_price = terms.price_of(terms.tick_count);
	terms
}

/// The price of the highest tick.
fn highest_price(terms: &MarketTerms) -> u64 {
	terms.price_of(terms.tick_count.saturating_sub(1))
}

fn set_now<T: Config>(slot: Slot) {
	T::BenchmarkHelper::set_now_seconds(Pallet::<T>::calendar(ZONE).start_seconds(slot));
}

/// A zone with a market whose utility, which is returned, can pay; the slot before [`SLOT`] begins.
fn stage<T: Config>() -> T::AccountId {
	let utility: T::AccountId = account("utility", 0, 0);
	T::BenchmarkHelper::open_zone(ZONE, &utility);
	T::BenchmarkHelper::fund(&utility, MONEY);
	Terms::<T>::insert(ZONE, terms::<T>());
	set_now::<T>(Slot(SLOT.0 - 1));
	utility
}

fn regulator<T: Config>() -> RawOrigin<T::AccountId> {
	let regulator: T::AccountId = account("regulator", 0, 0);
	T::BenchmarkHelper::admit_regulator(ZONE, &regulator);
	RawOrigin::Signed(regulator)
}

fn put_order<T: Config>(who: &T::AccountId, side: Side, price: u64, energy_wh: u64) {
	let who = RawOrigin::Signed(who.clone());
	Pallet::<T>::place(who.into(), ZONE, SLOT, side, price, energy_wh).expect("it is in order");
}

/// A page of the book with energy at every price.
fn full_page(energy_wh: u64) -> DepthPage {
	let mut page = DepthPage::default();
	for tick in 0..TICKS_PER_PAGE {
		page.add(DepthPage::place(tick).1, energy_wh);
	}
	page
}

/// Lists books of slots that have none.
fn list_books<T: Config>(count: u32) {
	let books: Vec<_> = (0..count)
		.map(|number| OpenBook { zone: ZONE, slot: Slot(number), due_seconds: 0 })
		.collect();
	let books: BoundedVec<_, T::MaxOpenBooks> = BoundedVec::truncate_from(books);
	OpenBooks::<T>::put(books);
}

/// A book whose price is known.
fn priced<T: Config>(state: SlotState) -> Book {
	let mut book = Book::new(terms::<T>());
	let margin = Margin { tick: 0, available: ENERGY, total: ENERGY, filled_before: 0 };
	let result =
		ClearingResult { price: book.terms.price_of(0), volume_wh: ENERGY, net_import_wh: 0 };
	book.state = state;
	book.outcome = Some(Outcome { result, bid: margin, ask: margin });
	book
}

impl<T: Config> Pallet<T> {
	/// Makes a slot that is cleared, with these positions, in a zone that is open. What they hold
	/// is committed from money that their accounts are given. For the benchmarks of whoever settles
	/// slots.
	pub fn put_cleared(
		zone: ZoneId,
		slot: Slot,
		positions: Vec<Position<T::AccountId>>,
	) -> DispatchResult {
		let mut book = priced::<T>(SlotState::Cleared);
		book.positions = positions.len() as u32;
		Terms::<T>::insert(zone, &book.terms);
		Books::<T>::insert(zone, slot, book);
		for (number, position) in (0u32..).zip(positions) {
			T::BenchmarkHelper::fund(&position.account, MONEY);
			let mut purse = Purse::<T>::open(&position.account);
			purse.commit(position.held)?;
			purse.close()?;
			PositionOf::<T>::insert((zone, slot), &position.account, number);
			let (page, _) = place_of(number);
			Positions::<T>::try_append((zone, slot), page, position)
				.map_err(|()| sp_runtime::DispatchError::Exhausted)?;
		}
		Ok(())
	}
}

/// The largest region: the zones from [`ZONE`] on, each joined to the next and the ones after it.
fn region<T: Config>() -> Region {
	let zones: Vec<_> =
		(0..MAX_COUPLED_ZONES).map(|number| ZoneId(ZONE.0.saturating_add(number))).collect();
	for zone in &zones {
		let utility: T::AccountId = account("utility", zone.0, 0);
		T::BenchmarkHelper::open_zone(*zone, &utility);
		Terms::<T>::insert(zone, terms::<T>());
	}
	let links = (0..MAX_COUPLED_LINKS as usize)
		.map(|number| GridLink {
			from: zones[number % zones.len()],
			to: zones[(number + 1 + number / zones.len()) % zones.len()],
			capacity_wh: ENERGY,
			loss_ppm: 10_000,
			fee_per_kwh: 1_000,
			fee_ppm: 0,
		})
		.collect();
	Region {
		zones: BoundedVec::truncate_from(zones),
		links: BoundedVec::truncate_from(links),
		proposal_seconds: 60,
	}
}

/// Couples the zones in [`SLOT`].
fn couple<T: Config>() {
	let region = region::<T>();
	for zone in &region.zones {
		RegionOf::<T>::insert(zone, RegionId(0));
	}
	Regions::<T>::insert(RegionId(0), BoundedVec::truncate_from(vec![(Slot(0), region)]));
}

fn request<T: Config>(slot: Slot, side: Side) -> OrderRequest {
	let price = highest_price(&terms::<T>());
	OrderRequest { slot, side, price, energy_wh: ENERGY, minimum_wh: 0, expires_seconds: None }
}

fn put_standing<T: Config>(who: &T::AccountId) {
	let who = RawOrigin::Signed(who.clone());
	let order = request::<T>(Slot(0), Side::Ask);
	Pallet::<T>::place_standing(who.into(), ZONE, order, Slot(u32::MAX), MONEY)
		.expect("it is in order");
}

fn offer<T: Config>() -> OfferRequest<T::AccountId> {
	OfferRequest {
		side: Side::Ask,
		audience: Audience::Anyone,
		kind: EnergyKind::Solar,
		price: terms::<T>().price_floor,
		energy_wh: ENERGY,
		minimum_wh: 1,
		first: SLOT,
		slots: MAX_RECURRENCE,
	}
}

fn put_offer<T: Config>(who: &T::AccountId) {
	let who = RawOrigin::Signed(who.clone());
	Pallet::<T>::make_offer(who.into(), ZONE, offer::<T>()).expect("it is in order");
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn set_terms() {
		let utility = stage::<T>();
		let mut terms = terms::<T>();
		terms.grid_fee = 0;

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, terms.clone());

		assert_eq!(Terms::<T>::get(ZONE), Some(terms));
	}

	/// The first order of the last book for which there is room.
	#[benchmark]
	fn place() {
		let utility = stage::<T>();
		list_books::<T>(T::MaxOpenBooks::get() - 1);
		let price = highest_price(&terms::<T>());

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, SLOT, Side::Ask, price, ENERGY);

		assert!(Pallet::<T>::order(ZONE, SLOT, OrderIndex(0)).is_some());
		assert_eq!(OpenBooks::<T>::get().last().map(|book| book.slot), Some(SLOT));
	}

	/// After the gate has closed, in a zone that is halted.
	#[benchmark]
	fn cancel() {
		let utility = stage::<T>();
		put_order::<T>(&utility, Side::Ask, highest_price(&terms::<T>()), ENERGY);
		Halted::<T>::insert(ZONE, HaltReason::Ordered);
		set_now::<T>(SLOT);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility.clone()), ZONE, SLOT, OrderIndex(0));

		assert!(Pallet::<T>::order(ZONE, SLOT, OrderIndex(0)).is_none());
		assert_eq!(Accounts::<T>::get(&utility).committed, 0);
	}

	#[benchmark]
	fn halt() {
		stage::<T>();
		let regulator = regulator::<T>();

		#[extrinsic_call]
		_(regulator, ZONE);

		assert_eq!(Halted::<T>::get(ZONE), Some(HaltReason::Ordered));
	}

	#[benchmark]
	fn resume() {
		stage::<T>();
		let regulator = regulator::<T>();
		Halted::<T>::insert(ZONE, HaltReason::Ordered);

		#[extrinsic_call]
		_(regulator, ZONE);

		assert_eq!(Halted::<T>::get(ZONE), None);
	}

	/// With as many books as there may be, one of which is done, so that the list is written too.
	#[benchmark]
	fn work_base() {
		stage::<T>();
		list_books::<T>(T::MaxOpenBooks::get());
		let limit = T::WeightInfo::work_base().saturating_add(T::WeightInfo::look_at_book());

		#[block]
		{
			Pallet::<T>::work(&mut WeightMeter::with_limit(limit));
		}

		assert_eq!(OpenBooks::<T>::get().len() as u32, T::MaxOpenBooks::get() - 1);
	}

	/// A book with an order to fill, but no weight for it.
	#[benchmark]
	fn look_at_book() {
		stage::<T>();
		let mut book = priced::<T>(SlotState::Clearing);
		book.next_order = 1;
		Books::<T>::insert(ZONE, SLOT, &book);
		let mut meter = WeightMeter::with_limit(Weight::zero());
		let is_done;

		#[block]
		{
			is_done =
				!Halted::<T>::contains_key(ZONE) && Pallet::<T>::advance(ZONE, SLOT, &mut meter);
		}

		assert!(!is_done);
		assert_eq!(Books::<T>::get(ZONE, SLOT), Some(book));
	}

	/// Each bid outweighs all offers together, so that every price is looked at; each order with a
	/// minimum is taken out in a round of its own.
	#[benchmark]
	fn find_price(n: Linear<0, { T::MaxSpecialOrders::get() }>) {
		let utility = stage::<T>();
		let terms = terms::<T>();
		for number in 0..n {
			let order = OrderRequest {
				slot: SLOT,
				side: Side::Bid,
				// The highest first: each is at the margin once the one before is out.
				price: terms.price_of(terms.tick_count.saturating_sub(1 + number as u16)),
				energy_wh: ENERGY,
				minimum_wh: ENERGY,
				expires_seconds: None,
			};
			let who = RawOrigin::Signed(utility.clone());
			let orders = BoundedVec::truncate_from(vec![order]);
			Pallet::<T>::place_batch(who.into(), ZONE, None, orders).expect("it is in order");
		}
		let mut book = Books::<T>::get(ZONE, SLOT).unwrap_or_else(|| Book::new(terms));
		for (side, energy_wh) in [(Side::Bid, 1 << 20), (Side::Ask, 1)] {
			for page in 0..book.terms.tick_count.div_ceil(TICKS_PER_PAGE) {
				let depth = full_page(energy_wh);
				Depth::<T>::insert((ZONE, SLOT), (side, page), depth);
			}
		}

		#[block]
		{
			Pallet::<T>::find_price(ZONE, SLOT, &mut book);
		}

		assert_eq!(book.state, SlotState::Clearing);
		let volume_wh = book.outcome.map(|outcome| outcome.result.volume_wh);
		assert_eq!(volume_wh, Some(u64::from(book.terms.tick_count)));
		assert_eq!(Depth::<T>::iter_prefix((ZONE, SLOT)).count(), 0);
	}

	/// Bids of as many accounts, each filled in half; money is freed, and stays because more is
	/// committed.
	#[benchmark]
	fn fill_orders(n: Linear<1, { ENTRIES_PER_PAGE }>) {
		let utility = stage::<T>();
		let terms = terms::<T>();
		for number in 0..n {
			let bidder: T::AccountId = account("bidder", number, 0);
			T::BenchmarkHelper::open_zone(ZONE, &bidder);
			T::BenchmarkHelper::fund(&bidder, MONEY);
			put_order::<T>(&bidder, Side::Bid, highest_price(&terms), ENERGY);
			Accounts::<T>::mutate(&bidder, |account| {
				account.balance += 1;
				account.committed += 1;
			});
		}
		T::BenchmarkHelper::open_zone(ZONE, &utility);
		for _ in 0..n {
			put_order::<T>(&utility, Side::Ask, terms.price_floor, ENERGY / 2);
		}
		let mut book = Books::<T>::get(ZONE, SLOT).expect("it has orders");
		Pallet::<T>::find_price(ZONE, SLOT, &mut book);
		let changes;

		#[block]
		{
			changes = with_storage_layer(|| Pallet::<T>::fill_page(ZONE, SLOT, &mut book, 0))
				.expect("the orders can be filled");
		}

		assert!(changes.accounts >= n);
		assert!(book.positions >= n);
	}

	/// The same, for what it writes: each bid is another account's.
	#[benchmark]
	fn change_accounts(n: Linear<1, { ENTRIES_PER_PAGE }>) {
		let mut book = Book::new(terms::<T>());
		let fills: Vec<T::AccountId> = (0..n).map(|number| account("bidder", number, 0)).collect();

		#[block]
		{
			for bidder in &fills {
				Pallet::<T>::change_position(ZONE, SLOT, &mut book, bidder, |position| {
					position.bought_wh = ENERGY;
					Some(())
				})
				.expect("there is room");
			}
		}

		assert_eq!(book.positions, n);
	}

	/// All that an account has in the market.
	#[benchmark]
	fn return_money() {
		let utility = stage::<T>();
		let mut purse = Purse::<T>::open(&utility);
		purse.commit(MONEY / 2).expect("the money is there");
		purse.close().expect("the money is there");
		let returned;

		#[block]
		{
			returned = Pallet::<T>::uncommit(&utility, MONEY / 2);
		}

		assert_eq!(returned, Ok(true));
		assert!(!Accounts::<T>::contains_key(&utility));
	}

	/// Each order opens a book.
	#[benchmark]
	fn place_batch(n: Linear<1, { T::MaxBatch::get() }>) {
		let utility = stage::<T>();
		let now = SLOT.0 - 1;
		let books = T::MaxOpenBooks::get().min(T::MaxSlotsAhead::get());
		let orders: Vec<_> =
			(0..n).map(|number| request::<T>(Slot(now + 1 + number % books), Side::Ask)).collect();
		let orders = BoundedVec::truncate_from(orders);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, None, orders);

		assert_eq!(OpenBooks::<T>::get().len() as u32, n.min(books));
	}

	#[benchmark]
	fn replace() {
		let utility = stage::<T>();
		put_order::<T>(&utility, Side::Ask, highest_price(&terms::<T>()), ENERGY);
		let order = request::<T>(SLOT, Side::Bid);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, SLOT, OrderIndex(0), order);

		assert!(Pallet::<T>::order(ZONE, SLOT, OrderIndex(0)).is_none());
		assert!(Pallet::<T>::order(ZONE, SLOT, OrderIndex(1)).is_some());
	}

	#[benchmark]
	fn withdraw() {
		let utility = stage::<T>();
		let mut purse = Purse::<T>::open(&utility);
		purse.commit(MONEY / 2).expect("the money is there");
		purse.close().expect("the money is there");
		Accounts::<T>::mutate(&utility, |account| account.committed = 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility.clone()), MONEY / 4);

		assert_eq!(Accounts::<T>::get(&utility).balance, MONEY / 4);
	}

	#[benchmark]
	fn set_agent() {
		let utility = stage::<T>();
		let agent: T::AccountId = account("agent", 0, 0);
		let limits = AgentLimits { allowance: MONEY, max_order_wh: ENERGY, until_seconds: 0 };

		#[extrinsic_call]
		_(RawOrigin::Signed(utility.clone()), agent.clone(), limits);

		assert_eq!(Agents::<T>::get(&utility, &agent), Some(limits));
	}

	#[benchmark]
	fn place_standing() {
		let utility = stage::<T>();
		let order = request::<T>(SLOT, Side::Ask);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, order, Slot(SLOT.0 + 1), MONEY);

		assert!(StandingOrders::<T>::contains_key(ZONE, StandingId(0)));
	}

	#[benchmark]
	fn cancel_standing() {
		let utility = stage::<T>();
		put_standing::<T>(&utility);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, StandingId(0));

		assert_eq!(StandingIds::<T>::get(ZONE).len(), 0);
	}

	/// Nothing to do.
	#[benchmark]
	fn look_at_renewal() {
		let utility = stage::<T>();
		put_standing::<T>(&utility);
		Renewals::<T>::insert(ZONE, Renewal { slot: Slot(u32::MAX), after: Some(StandingId(0)) });

		#[block]
		{
			Pallet::<T>::renew_standing_orders(&mut WeightMeter::new());
		}

		assert_eq!(Books::<T>::iter().count(), 0);
	}

	#[benchmark]
	fn renew_order() {
		let utility = stage::<T>();
		put_standing::<T>(&utility);

		#[block]
		{
			Pallet::<T>::renew_standing_orders(&mut WeightMeter::new());
		}

		assert_eq!(Books::<T>::iter().count(), 1);
	}

	#[benchmark]
	fn make_offer() {
		let utility = stage::<T>();
		let offer = offer::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, offer);

		assert!(Offers::<T>::contains_key(OfferId(0)));
	}

	/// The first energy of a slot.
	#[benchmark]
	fn accept_offer() {
		let utility = stage::<T>();
		put_offer::<T>(&utility);
		let partner: T::AccountId = account("partner", 0, 0);
		T::BenchmarkHelper::open_zone(ZONE, &partner);
		T::BenchmarkHelper::fund(&partner, MONEY);

		#[extrinsic_call]
		_(RawOrigin::Signed(partner), OfferId(0), SLOT, ENERGY / 2, EnergyKind::Any);

		assert_eq!(Positions::<T>::get((ZONE, SLOT), 0).len(), 2);
	}

	#[benchmark]
	fn withdraw_offer() {
		let utility = stage::<T>();
		put_offer::<T>(&utility);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility.clone()), OfferId(0));

		assert!(!Accounts::<T>::contains_key(&utility));
	}

	/// All slots of an offer are past.
	#[benchmark]
	fn sweep_offer() {
		let utility = stage::<T>();
		put_offer::<T>(&utility);
		set_now::<T>(Slot(SLOT.0 + MAX_RECURRENCE));

		#[block]
		{
			Pallet::<T>::sweep_offers(&mut WeightMeter::new());
		}

		assert_eq!(Offers::<T>::iter().count(), 0);
	}

	/// A book with orders at every price.
	#[benchmark]
	fn annul() {
		let utility = stage::<T>();
		put_order::<T>(&utility, Side::Ask, highest_price(&terms::<T>()), ENERGY);
		let book = Books::<T>::get(ZONE, SLOT).expect("it has an order");
		for side in [Side::Bid, Side::Ask] {
			for page in 0..book.terms.tick_count.div_ceil(TICKS_PER_PAGE) {
				let depth = full_page(1);
				Depth::<T>::insert((ZONE, SLOT), (side, page), depth);
			}
		}
		Halted::<T>::insert(ZONE, HaltReason::Ordered);
		let regulator = regulator::<T>();

		#[extrinsic_call]
		_(regulator, ZONE, SLOT);

		assert_eq!(Books::<T>::get(ZONE, SLOT).map(|book| book.state), Some(SlotState::Annulling));
	}

	#[benchmark]
	fn set_region() {
		stage::<T>();

		#[extrinsic_call]
		_(RawOrigin::Root, RegionId(0), region::<T>(), Slot(SLOT.0 + T::MaxSlotsAhead::get()));

		assert_eq!(Regions::<T>::get(RegionId(0)).len(), 1);
	}

	#[benchmark]
	fn set_capacities() {
		stage::<T>();
		couple::<T>();
		let capacities = BoundedVec::truncate_from(vec![1; MAX_COUPLED_LINKS as usize]);

		#[extrinsic_call]
		_(RawOrigin::Root, RegionId(0), SLOT, capacities);

		assert!(Capacities::<T>::contains_key(RegionId(0), SLOT));
	}

	/// Every zone has a book with all prices; nothing is the best that can be done.
	#[benchmark]
	fn propose_coupling() {
		let utility = stage::<T>();
		couple::<T>();
		let terms = terms::<T>();
		for number in 0..MAX_COUPLED_ZONES {
			let zone = ZoneId(ZONE.0 + number);
			Books::<T>::insert(zone, SLOT, Book::new(terms.clone()));
			for page in 0..terms.tick_count.div_ceil(TICKS_PER_PAGE) {
				// Only asks: there is nothing to trade.
				let depth = full_page(1);
				Depth::<T>::insert((zone, SLOT), (Side::Ask, page), depth);
			}
		}
		set_now::<T>(SLOT);
		let zone = ZoneProposal { price: terms.price_floor, bought_wh: 0, sold_wh: 0 };
		let proposal = CouplingProposal {
			zones: BoundedVec::truncate_from(vec![zone; MAX_COUPLED_ZONES as usize]),
			flows_wh: BoundedVec::truncate_from(vec![0; MAX_COUPLED_LINKS as usize]),
		};

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), RegionId(0), SLOT, proposal);

		assert!(Proposals::<T>::contains_key(RegionId(0), SLOT));
	}

	#[benchmark]
	fn finish_clearing() {
		stage::<T>();
		let mut book = priced::<T>(SlotState::Clearing);
		(book.next_order, book.cursor, book.positions) = (1, 1, 1);
		Books::<T>::insert(ZONE, SLOT, book);
		let is_done;

		#[block]
		{
			is_done = Pallet::<T>::advance(ZONE, SLOT, &mut WeightMeter::new());
		}

		assert!(is_done);
		assert_eq!(Books::<T>::get(ZONE, SLOT).map(|book| book.state), Some(SlotState::Cleared));
	}

	#[benchmark]
	fn forget_book() {
		stage::<T>();
		Books::<T>::insert(ZONE, SLOT, priced::<T>(SlotState::Settled));
		Retired::<T>::insert(0u64, (ZONE, SLOT));
		RetiredRange::<T>::put((0u64, 1u64));
		set_now::<T>(Slot(SLOT.0 + T::RetentionSlots::get() + 1));

		#[block]
		{
			Pallet::<T>::forget_old(&mut WeightMeter::new());
		}

		assert_eq!(RetiredRange::<T>::get(), (1, 1));
		assert_eq!(Books::<T>::get(ZONE, SLOT), None);
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
