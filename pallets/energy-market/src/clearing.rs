//! What is done in the idle time of blocks: prices are found, orders filled, slots called off,
//! standing orders placed, old books forgotten.

use crate::{
	coupling::Coupling, place_of, Book, Books, Config, Depth, Event, Halted, Margin, OpenBook,
	OpenBooks, Order, Orders, Outcome, Pallet, PositionOf, Positions, Retired, RetiredRange,
	SpecialOrders, WeightInfo, WorstCase, ENTRIES_PER_PAGE, LOG_TARGET, TICKS_PER_PAGE,
};
use alloc::vec::Vec;
use energy_market_core::{clear_with_minimums, MinimumOrder};
use energy_primitives::{
	Balance, ClearedMarket, ClearingResult, HaltReason, OnCleared, OrderIndex, Position, Side,
	Slot, SlotClock, SlotState, ZoneId,
};
use frame_support::{
	ensure,
	storage::with_storage_layer,
	traits::Get,
	weights::{Weight, WeightMeter},
};
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult};

/// What a page of orders changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
	/// Accounts whose money or position changed.
	pub accounts: u32,
	/// How often money left the market for an account of its owner.
	pub returned: u32,
}

impl Changes {
	fn weight<T: Config>(&self) -> Weight {
		let returns = T::WeightInfo::return_money().saturating_mul(self.returned.into());
		T::WeightInfo::change_accounts(self.accounts).saturating_add(returns)
	}
}

/// What orders of an account came to.
struct Fill<AccountId> {
	account: AccountId,
	bought_wh: u64,
	sold_wh: u64,
	/// Still committed, for the position.
	held: Balance,
	/// Not committed any more.
	released: Balance,
}

impl<AccountId> Fill<AccountId> {
	fn add(&mut self, other: &Self) -> Option<()> {
		self.bought_wh = self.bought_wh.checked_add(other.bought_wh)?;
		self.sold_wh = self.sold_wh.checked_add(other.sold_wh)?;
		self.held = self.held.checked_add(other.held)?;
		self.released = self.released.checked_add(other.released)?;
		Some(())
	}
}

impl<T: Config> Pallet<T> {
	/// What is done in the idle time of a block.
	pub(crate) fn work(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::work_base()).is_err() {
			return;
		}
		let now = Self::now_seconds();
		let mut finished = Vec::new();
		for entry in OpenBooks::<T>::get() {
			let OpenBook { zone, slot, due_seconds } = entry;
			if now < due_seconds {
				continue;
			}
			if meter.try_consume(T::WeightInfo::look_at_book()).is_err() {
				break;
			}
			if Self::advance(zone, slot, meter) {
				finished.push((zone, slot));
			}
		}
		if !finished.is_empty() {
			OpenBooks::<T>::mutate(|open| {
				open.retain(|book| !finished.contains(&(book.zone, book.slot)))
			});
		}
		Self::renew_standing_orders(meter);
		Self::sweep_offers(meter);
		Self::forget_old(meter);
	}

	/// Brings one book as far as the meter allows. Says whether nothing is left to do for it here.
	pub(crate) fn advance(zone: ZoneId, slot: Slot, meter: &mut WeightMeter) -> bool {
		let Some(mut book) = Books::<T>::get(zone, slot) else { return true };
		if book.state == SlotState::Annulling {
			return Self::annul_entries(zone, slot, book, meter);
		}
		if Halted::<T>::contains_key(zone) {
			return false;
		}
		if book.state == SlotState::Open {
			let coupling = Self::coupling_of(zone, slot);
			if matches!(coupling, Coupling::Waits) {
				return false;
			}
			let special = SpecialOrders::<T>::decode_len((zone, slot)).unwrap_or_default();
			let weight = T::WeightInfo::find_price(special as u32);
			if meter.try_consume(weight).is_err() {
				return false;
			}
			match coupling {
				Coupling::Coupled(coupled) => {
					Self::take_proposal(zone, slot, &mut book, coupled);
				}
				Coupling::Alone | Coupling::Waits => Self::find_price(zone, slot, &mut book),
			}
		}
		if !Self::fill_orders(zone, slot, &mut book, meter) {
			Books::<T>::insert(zone, slot, book);
			return false;
		}
		if meter.try_consume(T::WeightInfo::finish_clearing()).is_err() {
			Books::<T>::insert(zone, slot, book);
			return false;
		}
		let positions = book.positions;
		let heard = with_storage_layer(|| match positions {
			0 => Ok(()),
			_ => T::OnCleared::on_cleared(zone, slot, positions),
		});
		if heard.is_ok() {
			book.state = SlotState::Cleared;
			Self::deposit_event(Event::SlotCleared { zone, slot, positions });
		}
		Books::<T>::insert(zone, slot, &book);
		if heard.is_ok() && positions == 0 {
			<Self as ClearedMarket<T::AccountId>>::settled(zone, slot);
		}
		heard.is_ok()
	}

	/// Fills the orders from the book's cursor on, as far as the meter allows. Says whether all are
	/// done.
	fn fill_orders(zone: ZoneId, slot: Slot, book: &mut Book, meter: &mut WeightMeter) -> bool {
		let end = book.next_order;
		Self::for_pages(zone, slot, book, end, meter, |book, page| {
			Self::fill_page(zone, slot, book, page)
		})
	}

	/// Handles the pages from the book's cursor to `end`, as far as the meter allows. Says whether
	/// all are done. Where one contradicts the books the zone is halted, and that page is as it was.
	fn for_pages(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		end: u32,
		meter: &mut WeightMeter,
		handle: impl Fn(&mut Book, u32) -> Result<Changes, DispatchError>,
	) -> bool {
		while book.cursor < end {
			let (page, _) = place_of(book.cursor);
			let count = ENTRIES_PER_PAGE.min(end.saturating_sub(book.cursor));
			let orders = T::WeightInfo::fill_orders(count);
			let most = Changes { accounts: count, returned: count };
			if !meter.can_consume(orders.saturating_add(most.weight::<T>())) {
				return false;
			}
			let before = book.clone();
			let handled = with_storage_layer::<_, DispatchError, _>(|| handle(&mut *book, page));
			match handled {
				Ok(changes) => {
					meter.consume(orders.saturating_add(changes.weight::<T>()));
					book.cursor = book.cursor.saturating_add(count);
				}
				Err(error) => {
					log::error!(target: LOG_TARGET, "zone {zone} slot {slot}: {error:?}");
					*book = before;
					let reason = HaltReason::BooksInconsistent;
					<Self as ClearedMarket<T::AccountId>>::halt(zone, reason);
					return false;
				}
			}
		}
		true
	}

	pub(crate) fn find_price(zone: ZoneId, slot: Slot, book: &mut Book) {
		let ticks = book.terms.tick_count;
		let [mut bids, mut asks] =
			[Side::Bid, Side::Ask].map(|side| Self::depth_of(zone, slot, side, ticks));
		let cleared = Self::clear_special(zone, slot, &mut bids, &mut asks);
		book.state = SlotState::Clearing;
		book.outcome = cleared.map(|clearing| Outcome {
			result: ClearingResult {
				price: book.terms.price_of(clearing.tick),
				volume_wh: clearing.volume,
				net_import_wh: 0,
			},
			bid: Margin::new(clearing.ration(energy_market_core::Side::Bid)),
			ask: Margin::new(clearing.ration(energy_market_core::Side::Ask)),
		});
		Self::forget_depth(zone, slot, ticks);
		let result = book.outcome.map(|outcome| outcome.result);
		Self::deposit_event(Event::GateClosed { zone, slot, result });
	}

	/// Clears the book without the orders that are expired and those whose minimum cannot be met;
	/// these are marked.
	fn clear_special(
		zone: ZoneId,
		slot: Slot,
		bids: &mut [u64],
		asks: &mut [u64],
	) -> Option<energy_market_core::Clearing> {
		let special: Vec<(OrderIndex, Order<T::AccountId>)> =
			SpecialOrders::<T>::take((zone, slot))
				.into_iter()
				.filter_map(|index| Some((index, Self::order(zone, slot, index)?)))
				.collect();
		let now = Self::now_seconds();
		let (expired, waiting): (Vec<_>, Vec<_>) = special.into_iter().partition(|(_, order)| {
			let expiry = order.conditions.and_then(|conditions| conditions.expires_seconds);
			expiry.is_some_and(|expiry| expiry <= now)
		});
		for (_, order) in &expired {
			let depth = match order.side {
				Side::Bid => &mut *bids,
				Side::Ask => &mut *asks,
			};
			if let Some(energy) = depth.get_mut(usize::from(order.tick)) {
				*energy = energy.saturating_sub(order.energy_wh);
			}
		}
		let minimums: Vec<MinimumOrder> =
			waiting.iter().map(|(_, order)| order.minimum_order()).collect();
		let cleared = clear_with_minimums(bids, asks, &minimums);
		let rejected = waiting
			.into_iter()
			.zip(cleared.excluded)
			.filter_map(|(entry, is_excluded)| is_excluded.then_some(entry));
		for (index, mut order) in expired.into_iter().chain(rejected) {
			if let Some(conditions) = &mut order.conditions {
				conditions.excluded = true;
			}
			Self::write_order(zone, slot, index, Some(order));
		}
		cleared.clearing
	}

	/// At most two pages for every `TICKS_PER_PAGE` of `MaxTicks` prices.
	pub(crate) fn forget_depth(zone: ZoneId, slot: Slot, ticks: u16) {
		for side in [Side::Bid, Side::Ask] {
			for page in 0..ticks.div_ceil(TICKS_PER_PAGE) {
				Depth::<T>::remove((zone, slot), (side, page));
			}
		}
	}

	/// The energy at every tick of one side.
	pub(crate) fn depth_of(zone: ZoneId, slot: Slot, side: Side, tick_count: u16) -> Vec<u64> {
		let mut energies = alloc::vec![0; usize::from(tick_count)];
		for (page, chunk) in (0u16..).zip(energies.chunks_mut(usize::from(TICKS_PER_PAGE))) {
			for tick in Depth::<T>::get((zone, slot), (side, page)).ticks() {
				if let Some(energy_wh) = chunk.get_mut(usize::from(tick.place)) {
					*energy_wh = tick.energy_wh;
				}
			}
		}
		energies
	}

	/// Fills the orders of a page that were not cancelled. What neighbouring orders of one account
	/// come to is written once.
	pub(crate) fn fill_page(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		page: u32,
	) -> Result<Changes, DispatchError> {
		let mut changes = Changes::default();
		let mut open: Option<Fill<T::AccountId>> = None;
		let first = page.saturating_mul(ENTRIES_PER_PAGE);
		for (index, order) in (first..).zip(Orders::<T>::take((zone, slot), page)) {
			let Some(order) = order else { continue };
			let fill = Self::fill_order(zone, slot, book, OrderIndex(index), order)?;
			match &mut open {
				Some(sum) if sum.account == fill.account => {
					sum.add(&fill).ok_or(ArithmeticError::Overflow)?
				}
				_ => {
					if let Some(sum) = open.replace(fill) {
						Self::write_fill(zone, slot, book, sum, &mut changes)?;
					}
				}
			}
		}
		if let Some(sum) = open {
			Self::write_fill(zone, slot, book, sum, &mut changes)?;
		}
		Ok(changes)
	}

	/// What an order receives.
	fn fill_order(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		index: OrderIndex,
		order: Order<T::AccountId>,
	) -> Result<Fill<T::AccountId>, DispatchError> {
		let is_excluded = order.is_excluded();
		let Order { account, side, tick, energy_wh, held, standing, .. } = order;
		let (filled_wh, needed) = match &mut book.outcome {
			Some(outcome) if !is_excluded => {
				let margin = match side {
					Side::Bid => &mut outcome.bid,
					Side::Ask => &mut outcome.ask,
				};
				let filled = margin.fill(side, tick, energy_wh);
				let price = outcome.result.price;
				let needed = book.terms.worst_case(side, filled, price);
				(filled, needed.ok_or(ArithmeticError::Overflow)?)
			}
			_ => (0, 0),
		};
		let released = held.checked_sub(needed).ok_or(ArithmeticError::Underflow)?;
		Self::return_budget(zone, standing, released);
		let (bought_wh, sold_wh) = match side {
			Side::Bid => (filled_wh, 0),
			Side::Ask => (0, filled_wh),
		};
		Self::deposit_event(Event::OrderFilled {
			zone,
			slot,
			index,
			account: account.clone(),
			filled_wh,
			released,
		});
		Ok(Fill { account, bought_wh, sold_wh, held: needed, released })
	}

	/// Writes what orders of an account came to.
	fn write_fill(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		fill: Fill<T::AccountId>,
		changes: &mut Changes,
	) -> DispatchResult {
		changes.accounts += 1;
		changes.returned += u32::from(Self::uncommit(&fill.account, fill.released)?);
		if fill.bought_wh == 0 && fill.sold_wh == 0 {
			return Ok(());
		}
		Self::change_position(zone, slot, book, &fill.account, |position| {
			position.bought_wh = position.bought_wh.checked_add(fill.bought_wh)?;
			position.sold_wh = position.sold_wh.checked_add(fill.sold_wh)?;
			position.held = position.held.checked_add(fill.held)?;
			Some(())
		})
	}

	/// Changes an account's position, a new one if it has none. `change` says `None` on overflow.
	pub(crate) fn change_position(
		zone: ZoneId,
		slot: Slot,
		book: &mut Book,
		account: &T::AccountId,
		change: impl FnOnce(&mut Position<T::AccountId>) -> Option<()>,
	) -> DispatchResult {
		let overflow = ArithmeticError::Overflow;
		if let Some(number) = PositionOf::<T>::get((zone, slot), account) {
			let (page, place) = place_of(number);
			return Positions::<T>::mutate((zone, slot), page, |positions| {
				let position = positions.get_mut(place).ok_or(DispatchError::CannotLookup)?;
				Ok(change(position).ok_or(overflow)?)
			});
		}
		let number = book.positions;
		let mut position = Position::new(account.clone());
		change(&mut position).ok_or(overflow)?;
		let (page, _) = place_of(number);
		Positions::<T>::try_append((zone, slot), page, position)
			.map_err(|()| DispatchError::Exhausted)?;
		PositionOf::<T>::insert((zone, slot), account, number);
		book.positions = number.checked_add(1).ok_or(overflow)?;
		Ok(())
	}

	/// Ends the positions of one page: see [`ClearedMarket::finish`].
	pub(crate) fn finish_positions(
		zone: ZoneId,
		slot: Slot,
		page: u32,
		nets: &[i128],
	) -> Result<u32, DispatchError> {
		let positions = Positions::<T>::get((zone, slot), page);
		ensure!(positions.len() == nets.len(), DispatchError::CannotLookup);
		let mut returned = 0;
		for (position, net) in positions.into_iter().zip(nets) {
			returned += u32::from(Self::settle_account(&position.account, position.held, *net)?);
			PositionOf::<T>::remove((zone, slot), &position.account);
		}
		Positions::<T>::remove((zone, slot), page);
		Ok(returned)
	}

	/// Calls off a slot, page by page: first the orders, then the positions. Says whether all is
	/// done.
	fn annul_entries(zone: ZoneId, slot: Slot, mut book: Book, meter: &mut WeightMeter) -> bool {
		let mut done = true;
		if book.next_order > 0 {
			let end = book.next_order;
			done = Self::for_pages(zone, slot, &mut book, end, meter, |_, page| {
				let mut changes = Changes::default();
				let first = page.saturating_mul(ENTRIES_PER_PAGE);
				for (index, order) in (first..).zip(Orders::<T>::take((zone, slot), page)) {
					let Some(order) = order else { continue };
					Self::return_budget(zone, order.standing, order.held);
					let index = OrderIndex(index);
					Self::deposit_event(Event::OrderCancelled { zone, slot, index });
					changes.accounts += 1;
					changes.returned += u32::from(Self::uncommit(&order.account, order.held)?);
				}
				Ok(changes)
			});
			if done {
				// From here on the cursor counts positions.
				book.next_order = 0;
				book.cursor = 0;
			}
		}
		if done {
			let end = book.positions;
			done = Self::for_pages(zone, slot, &mut book, end, meter, |_, page| {
				let count = Positions::<T>::decode_len((zone, slot), page).unwrap_or_default();
				let returned = Self::finish_positions(zone, slot, page, &alloc::vec![0; count])?;
				Ok(Changes { accounts: count as u32, returned })
			});
		}
		Books::<T>::insert(zone, slot, book);
		if done {
			Self::retire(zone, slot, SlotState::Annulled);
			Self::deposit_event(Event::SlotAnnulled { zone, slot });
		}
		done
	}

	/// Nothing more will happen in a slot; its book is forgotten after a while.
	pub(crate) fn retire(zone: ZoneId, slot: Slot, state: SlotState) {
		Self::set_state(zone, slot, state);
		let (first, end) = RetiredRange::<T>::get();
		Retired::<T>::insert(end, (zone, slot));
		RetiredRange::<T>::put((first, end.saturating_add(1)));
	}

	/// Forgets books that were settled long ago.
	pub(crate) fn forget_old(meter: &mut WeightMeter) {
		let (mut first, end) = RetiredRange::<T>::get();
		let start = first;
		while first < end {
			if meter.try_consume(T::WeightInfo::forget_book()).is_err() {
				break;
			}
			if let Some((zone, slot)) = Retired::<T>::get(first) {
				if slot.0.saturating_add(T::RetentionSlots::get()) >= Self::running(zone).0 {
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
