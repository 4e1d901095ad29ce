//! What the calls and the work in idle time cost.

use crate::{
	BenchmarkHelper, Book, Books, Call, Config, Depth, DepthPage, Halted, HoldReason, Margin,
	OpenBooks, Orders, Outcome, Pallet, PositionOf, Positions, Retired, RetiredRange, Terms,
	WeightInfo, TICKS_PER_PAGE,
};
use alloc::vec::Vec;
use energy_primitives::{
	Balance, ClearingResult, HaltReason, MarketTerms, OrderIndex, Position, Side, Slot, SlotClock,
	SlotState, ZoneId,
};
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::DispatchResult,
	storage::with_storage_layer,
	traits::{
		fungible::{InspectHold, MutateHold},
		Get,
	},
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
	T::BenchmarkHelper::set_now_seconds(slot.start_seconds(Pallet::<T>::slot_seconds()));
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

/// Lists books of slots that have none.
fn list_books<T: Config>(count: u32) {
	let books: Vec<_> = (0..count).map(|number| (ZONE, Slot(number))).collect();
	let books: BoundedVec<_, T::MaxOpenBooks> = BoundedVec::truncate_from(books);
	OpenBooks::<T>::put(books);
}

/// A book whose price is known.
fn priced<T: Config>(state: SlotState) -> Book {
	let mut book = Book::new(terms::<T>());
	let margin = Margin { tick: 0, available: ENERGY, total: ENERGY, filled_before: 0 };
	let result = ClearingResult { price: book.terms.price_of(0), volume_wh: ENERGY };
	book.state = state;
	book.outcome = Some(Outcome { result, bid: margin, ask: margin });
	book
}

impl<T: Config> Pallet<T> {
	/// Makes a slot that is cleared, with these positions, in a zone that is open. What they hold
	/// is held from money that their accounts are given. For the benchmarks of whoever settles
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
			T::Currency::hold(&HoldReason::Market.into(), &position.account, position.held)?;
			PositionOf::<T>::insert((zone, slot), &position.account, number);
			Positions::<T>::insert((zone, slot), number, position);
		}
		Ok(())
	}
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

		assert!(Orders::<T>::contains_key((ZONE, SLOT), OrderIndex(0)));
		assert_eq!(OpenBooks::<T>::get().last(), Some(&(ZONE, SLOT)));
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

		assert!(!Orders::<T>::contains_key((ZONE, SLOT), OrderIndex(0)));
		assert_eq!(T::Currency::balance_on_hold(&HoldReason::Market.into(), &utility), 0);
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

	/// Each bid outweighs all offers together, so that every price is looked at.
	#[benchmark]
	fn find_price() {
		stage::<T>();
		let mut book = Book::new(terms::<T>());
		for (side, energy_wh) in [(Side::Bid, 1 << 20), (Side::Ask, 1)] {
			for page in 0..book.terms.tick_count.div_ceil(TICKS_PER_PAGE) {
				let depth = DepthPage([energy_wh; TICKS_PER_PAGE as usize]);
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

	/// The first bid of an account. Half of it is filled, and money given back.
	#[benchmark]
	fn fill_order() {
		let utility = stage::<T>();
		let terms = terms::<T>();
		put_order::<T>(&utility, Side::Bid, highest_price(&terms), ENERGY);
		put_order::<T>(&utility, Side::Ask, terms.price_floor, ENERGY / 2);
		let mut book = Books::<T>::get(ZONE, SLOT).expect("it has orders");
		Pallet::<T>::find_price(ZONE, SLOT, &mut book);

		#[block]
		{
			with_storage_layer(|| Pallet::<T>::fill_order(ZONE, SLOT, &mut book))
				.expect("the order can be filled");
		}

		assert_eq!((book.cursor, book.positions), (1, 1));
		let position = Positions::<T>::get((ZONE, SLOT), 0u32);
		assert_eq!(position.map(|position| position.bought_wh), Some(ENERGY / 2));
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
