//! What is done in the idle time of blocks: prices are found, orders filled, old books forgotten.

use crate::{
	Book, Books, Config, Depth, Event, Halted, Margin, OpenBooks, Order, Orders, Outcome, Pallet,
	PositionOf, Positions, Retired, RetiredRange, WeightInfo, WorstCase, LOG_TARGET,
	TICKS_PER_PAGE,
};
use alloc::vec::Vec;
use energy_primitives::{
	Balance, ClearedMarket, ClearingResult, HaltReason, OnCleared, OrderIndex, Position, Side,
	Slot, SlotClock, SlotState, ZoneId,
};
use frame_support::{
	dispatch::DispatchResult, storage::with_storage_layer, traits::Get, weights::WeightMeter,
};
use sp_runtime::ArithmeticError;

impl<T: Config> Pallet<T> {
	/// What is done in the idle time of a block.
	pub(crate) fn work(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::work_base()).is_err() {
			return;
		}
		let open = OpenBooks::<T>::get();
		let mut finished = Vec::new();
		for &(zone, slot) in &open {
			if meter.try_consume(T::WeightInfo::look_at_book()).is_err() {
				break;
			}
			if Halted::<T>::contains_key(zone) {
				continue;
			}
			if Self::advance(zone, slot, meter) {
				finished.push((zone, slot));
			}
		}
		if !finished.is_empty() {
			OpenBooks::<T>::mutate(|open| open.retain(|book| !finished.contains(book)));
		}
		Self::forget_old(meter);
	}

	/// Brings one book as far as the meter allows. Says whether it is cleared.
	pub(crate) fn advance(zone: ZoneId, slot: Slot, meter: &mut WeightMeter) -> bool {
		let Some(mut book) = Books::<T>::get(zone, slot) else { return true };
		if book.state == SlotState::Open {
			if Self::now_seconds() < Self::gate_closes_seconds(&book.terms, slot)
				|| meter.try_consume(T::WeightInfo::find_price()).is_err()
			{
				return false;
			}
			Self::find_price(zone, slot, &mut book);
		}
		while book.cursor < book.next_order {
			if meter.try_consume(T::WeightInfo::fill_order()).is_err() {
				break;
			}
			let filled = with_storage_layer(|| Self::fill_order(zone, slot, &mut book));
			if let Err(error) = filled {
				log::error!(target: LOG_TARGET, "zone {zone} slot {slot}: {error:?}");
				Books::<T>::insert(zone, slot, book);
				<Self as ClearedMarket<T::AccountId>>::halt(zone, HaltReason::BooksInconsistent);
				return false;
			}
		}
		let mut done = book.cursor >= book.next_order
			&& meter.try_consume(T::WeightInfo::finish_clearing()).is_ok();
		if done {
			let positions = book.positions;
			let heard = with_storage_layer(|| match positions {
				0 => Ok(()),
				_ => T::OnCleared::on_cleared(zone, slot, positions),
			});
			if heard.is_ok() {
				book.state = SlotState::Cleared;
				Self::deposit_event(Event::SlotCleared { zone, slot, positions });
			} else {
				done = false;
			}
		}
		Books::<T>::insert(zone, slot, &book);
		if done && book.positions == 0 {
			<Self as ClearedMarket<T::AccountId>>::settled(zone, slot);
		}
		done
	}

	pub(crate) fn find_price(zone: ZoneId, slot: Slot, book: &mut Book) {
		let ticks = book.terms.tick_count;
		let [bids, asks] =
			[Side::Bid, Side::Ask].map(|side| Self::depth_of(zone, slot, side, ticks));
		book.state = SlotState::Clearing;
		book.outcome = energy_market_core::clear(&bids, &asks).map(|clearing| Outcome {
			result: ClearingResult {
				price: book.terms.price_of(clearing.tick),
				volume_wh: clearing.volume,
			},
			bid: Margin::new(clearing.ration(energy_market_core::Side::Bid)),
			ask: Margin::new(clearing.ration(energy_market_core::Side::Ask)),
		});
		// At most two pages for every `TICKS_PER_PAGE` of `MaxTicks` prices.
		for side in [Side::Bid, Side::Ask] {
			for page in 0..ticks.div_ceil(TICKS_PER_PAGE) {
				Depth::<T>::remove((zone, slot), (side, page));
			}
		}
		let result = book.outcome.map(|outcome| outcome.result);
		Self::deposit_event(Event::GateClosed { zone, slot, result });
	}

	/// Fills the order at the cursor, if it was not cancelled, and moves the cursor on. On an
	/// error `book` is as it was.
	pub(crate) fn fill_order(zone: ZoneId, slot: Slot, book: &mut Book) -> DispatchResult {
		let mut next = book.clone();
		next.cursor = book.cursor.saturating_add(1);
		let index = OrderIndex(book.cursor);
		if let Some(order) = Orders::<T>::take((zone, slot), index) {
			let Order { account, side, tick, energy_wh, held } = order;
			let (filled_wh, needed) = match &mut next.outcome {
				None => (0, 0),
				Some(outcome) => {
					let margin = match side {
						Side::Bid => &mut outcome.bid,
						Side::Ask => &mut outcome.ask,
					};
					let filled = margin.fill(side, tick, energy_wh);
					let needed = book
						.terms
						.worst_case(side, filled, outcome.result.price)
						.ok_or(ArithmeticError::Overflow)?;
					(filled, needed)
				}
			};
			let released = held.checked_sub(needed).ok_or(ArithmeticError::Underflow)?;
			Self::release_held(&account, released)?;
			if filled_wh > 0 {
				Self::add_to_position(zone, slot, &mut next, &account, side, filled_wh, needed)?;
			}
			Self::deposit_event(Event::OrderFilled {
				zone,
				slot,
				index,
				account,
				filled_wh,
				released,
			});
		}
		*book = next;
		Ok(())
	}

	fn add_to_position(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		account: &T::AccountId,
		side: Side,
		filled_wh: u64,
		held: Balance,
	) -> DispatchResult {
		let overflow = ArithmeticError::Overflow;
		let number = PositionOf::<T>::get((zone, slot), account).unwrap_or(book.positions);
		let mut position = Positions::<T>::get((zone, slot), number).unwrap_or_else(|| Position {
			account: account.clone(),
			bought_wh: 0,
			sold_wh: 0,
			held: 0,
		});
		let energy = match side {
			Side::Bid => &mut position.bought_wh,
			Side::Ask => &mut position.sold_wh,
		};
		*energy = energy.checked_add(filled_wh).ok_or(overflow)?;
		position.held = position.held.checked_add(held).ok_or(overflow)?;
		if number == book.positions {
			PositionOf::<T>::insert((zone, slot), account, number);
			book.positions = number.checked_add(1).ok_or(overflow)?;
		}
		Positions::<T>::insert((zone, slot), number, position);
		Ok(())
	}

	/// Forgets books that were settled long ago.
	pub(crate) fn forget_old(meter: &mut WeightMeter) {
		let (mut first, end) = RetiredRange::<T>::get();
		let start = first;
		let now = Slot::at(Self::now_seconds(), Self::slot_seconds()).unwrap_or_default();
		while first < end {
			if meter.try_consume(T::WeightInfo::forget_book()).is_err() {
				break;
			}
			if let Some((zone, slot)) = Retired::<T>::get(first) {
				if slot.0.saturating_add(T::RetentionSlots::get()) >= now.0 {
					break;
				}
				Books::<T>::remove(zone, slot);
			}
			Retired::<T>::remove(first);
			first = first.saturating_add(1);
		}
		if first != start {
			RetiredRange::<T>::put((first, end));
		}
	}
}
