//! Placing, replacing and cancelling orders.

use crate::{
	accounts::Purse, place_of, Agents, Book, Books, Conditions, Config, Depth, DepthPage, Error,
	Event, Halted, OpenBook, OpenBooks, Order, Orders, Pallet, Placed, SpecialOrders,
	StandingOrders, Terms, WorstCase,
};
use core::marker::PhantomData;
use energy_primitives::{
	AgentLimits, Balance, OrderIndex, OrderRequest, Participants, Slot, SlotCalendar, SlotClock,
	SlotState, StandingId, ZoneId,
};
use frame_support::{dispatch::DispatchResult, ensure, traits::Get};
use sp_runtime::DispatchError;

/// What says which slots of a zone take orders at present, read once for a whole call.
pub(crate) struct Hours<T: Config> {
	zone: ZoneId,
	calendar: SlotCalendar,
	now_seconds: u64,
	is_halted: bool,
	_config: PhantomData<T>,
}

impl<T: Config> Hours<T> {
	/// Reads them.
	pub fn of(zone: ZoneId) -> Self {
		Self {
			zone,
			calendar: Pallet::<T>::calendar(zone),
			now_seconds: Pallet::<T>::now_seconds(),
			is_halted: Halted::<T>::contains_key(zone),
			_config: PhantomData,
		}
	}

	/// The book of a slot, if it takes orders at present; a new one, if there is none. `true` with
	/// it when it is new.
	pub fn book(&self, slot: Slot) -> Result<(Book, bool), Error<T>> {
		ensure!(!self.is_halted, Error::<T>::ZoneHalted);
		let (book, is_new) = match Books::<T>::get(self.zone, slot) {
			Some(book) => (book, false),
			None => {
				let terms = Terms::<T>::get(self.zone).ok_or(Error::<T>::ZoneWithoutTerms)?;
				(Book::new(terms), true)
			}
		};
		ensure!(self.take_orders(&book, slot), Error::<T>::GateClosed);
		let running = self.calendar.at(self.now_seconds);
		let farthest = running.0.saturating_add(T::MaxSlotsAhead::get());
		ensure!(slot.0 <= farthest, Error::<T>::SlotTooFarAhead);
		if is_new {
			let open = OpenBooks::<T>::decode_len().unwrap_or_default();
			ensure!(open < T::MaxOpenBooks::get() as usize, Error::<T>::TooManyOpenBooks);
		}
		Ok((book, is_new))
	}

	/// Lists a new book as open.
	pub fn list_book(&self, slot: Slot, book: &Book) -> DispatchResult {
		let due_seconds = Pallet::<T>::gate_closes_seconds(&self.calendar, &book.terms, slot);
		OpenBooks::<T>::try_append(OpenBook { zone: self.zone, slot, due_seconds })
			.map_err(|()| Error::<T>::TooManyOpenBooks.into())
	}

	/// Whether the gate of a book is open.
	fn take_orders(&self, book: &Book, slot: Slot) -> bool {
		let gate = Pallet::<T>::gate_closes_seconds(&self.calendar, &book.terms, slot);
		book.state == SlotState::Open && self.now_seconds < gate
	}
}

/// Where orders for one zone are taken. The book of a slot is read and written once for
/// all orders in a row that are for the slot.
pub(crate) struct Desk<T: Config> {
	hours: Hours<T>,
	open: Option<(Slot, Book)>,
}

impl<T: Config> Desk<T> {
	/// Opens the desk of a zone.
	pub fn new(zone: ZoneId) -> Self {
		Self { hours: Hours::of(zone), open: None }
	}

	/// The book of a slot, if it takes orders at present. `true` with it when it is new.
	fn book(&mut self, slot: Slot) -> Result<(Book, bool), Error<T>> {
		match &self.open {
			Some((open, book)) if *open == slot => Ok((book.clone(), false)),
			_ => self.hours.book(slot),
		}
	}

	/// The book as it is after an order.
	fn keep(&mut self, slot: Slot, book: Book) {
		if self.open.as_ref().is_some_and(|(open, _)| *open != slot) {
			self.write();
		}
		self.open = Some((slot, book));
	}

	fn write(&mut self) {
		if let Some((slot, book)) = self.open.take() {
			Books::<T>::insert(self.hours.zone, slot, book);
		}
	}

	/// Writes what was changed.
	pub fn close(mut self) {
		self.write();
	}
}

impl<T: Config> Pallet<T> {
	/// An active participant that may trade in the zone.
	pub(crate) fn ensure_trader(who: &T::AccountId, zone: ZoneId) -> Result<(), Error<T>> {
		match T::Participants::trading_zone(who) {
			Some(own) if own == zone => Ok(()),
			_ if !T::Participants::zone_exists(zone) => Err(Error::<T>::ZoneUnknown),
			Some(_) => Err(Error::<T>::OtherZone),
			None => Err(Error::<T>::NotATrader),
		}
	}

	/// Whether orders are taken so far ahead.
	pub(crate) fn is_near(zone: ZoneId, slot: Slot) -> bool {
		slot.0 <= Self::running(zone).0.saturating_add(T::MaxSlotsAhead::get())
	}

	/// Puts an order into the book. An error changes nothing.
	pub(crate) fn put_order(
		desk: &mut Desk<T>,
		request: &OrderRequest,
		purse: &mut Purse<T>,
		standing: Option<StandingId>,
	) -> Result<Placed, DispatchError> {
		let OrderRequest { slot, side, price, energy_wh, minimum_wh, expires_seconds } = *request;
		let zone = desk.hours.zone;
		let (mut book, is_new) = desk.book(slot)?;
		let tick = book.terms.tick_of(price).ok_or(Error::<T>::PriceNotOnGrid)?;
		ensure!(energy_wh > 0, Error::<T>::NoEnergy);
		ensure!(energy_wh <= book.terms.max_order_wh, Error::<T>::TooMuchEnergy);
		ensure!(minimum_wh <= energy_wh, Error::<T>::MinimumTooLarge);
		ensure!(
			expires_seconds.is_none_or(|expiry| expiry > desk.hours.now_seconds),
			Error::<T>::AlreadyExpired
		);
		ensure!(book.next_order < T::MaxOrdersPerSlot::get(), Error::<T>::BookFull);
		let is_special = minimum_wh > 0 || expires_seconds.is_some();
		if is_special {
			let special = SpecialOrders::<T>::decode_len((zone, slot)).unwrap_or_default();
			// What couples zones is a linear programme: it knows no conditions.
			ensure!(Self::region_at(zone, slot).is_none(), Error::<T>::ConditionsInCoupledZone);
			ensure!(
				special < T::MaxSpecialOrders::get() as usize,
				Error::<T>::TooManySpecialOrders
			);
		}
		let held =
			book.terms.worst_case(side, energy_wh, price).ok_or(Error::<T>::NotEnoughMoney)?;
		let side_wh = book.side_mut(side);
		*side_wh = side_wh.checked_add(energy_wh).ok_or(Error::<T>::BookFull)?;
		purse.commit(held)?;

		// From here on nothing can fail: there is room in both lists.
		if is_new {
			desk.hours.list_book(slot, &book)?;
		}
		let index = OrderIndex(book.next_order);
		book.next_order = book.next_order.saturating_add(1);
		if is_special {
			SpecialOrders::<T>::try_append((zone, slot), index)
				.map_err(|()| Error::<T>::TooManySpecialOrders)?;
		}
		let (page, place) = DepthPage::place(tick);
		Depth::<T>::mutate((zone, slot), (side, page), |depth| {
			// No larger than the side's total, which is checked above.
			depth.add(place, energy_wh);
		});
		let order = Order {
			account: purse.who().clone(),
			side,
			tick,
			energy_wh,
			held,
			conditions: is_special.then_some(Conditions {
				minimum_wh,
				expires_seconds,
				excluded: false,
			}),
			standing,
			agent: purse.agent().cloned(),
		};
		let (page, _) = place_of(index.0);
		Orders::<T>::try_append((zone, slot), page, Some(order))
			.map_err(|()| Error::<T>::BookFull)?;
		desk.keep(slot, book);
		Self::deposit_event(Event::OrderPlaced {
			zone,
			slot,
			index,
			account: purse.who().clone(),
			side,
			price,
			energy_wh,
			minimum_wh,
			expires_seconds,
			standing,
			held,
		});
		Ok(Placed { index, held })
	}

	/// An order that is neither cancelled nor filled.
	pub fn order(zone: ZoneId, slot: Slot, index: OrderIndex) -> Option<Order<T::AccountId>> {
		let (page, place) = place_of(index.0);
		Orders::<T>::get((zone, slot), page).into_inner().into_iter().nth(place).flatten()
	}

	/// Puts an order into its place, or leaves a gap.
	pub(crate) fn write_order(
		zone: ZoneId,
		slot: Slot,
		index: OrderIndex,
		order: Option<Order<T::AccountId>>,
	) {
		let (page, place) = place_of(index.0);
		Orders::<T>::mutate((zone, slot), page, |orders| {
			if let Some(entry) = orders.get_mut(place) {
				*entry = order;
			}
		});
	}

	/// Takes an order out of the book; its money is free in the purse of its owner.
	pub(crate) fn take_order(
		zone: ZoneId,
		slot: Slot,
		index: OrderIndex,
		order: &Order<T::AccountId>,
		purse: &mut Purse<T>,
	) -> DispatchResult {
		let mut book = Books::<T>::get(zone, slot).ok_or(Error::<T>::OrderUnknown)?;
		let hours = Hours::<T>::of(zone);
		let may_cancel =
			hours.take_orders(&book, slot) || (book.state == SlotState::Open && hours.is_halted);
		ensure!(may_cancel && !Self::is_coupled(zone, slot), Error::<T>::GateClosed);

		purse.uncommit(order.held)?;
		let (page, place) = DepthPage::place(order.tick);
		Depth::<T>::mutate((zone, slot), (order.side, page), |depth| {
			depth.take(place, order.energy_wh);
		});
		let side_wh = book.side_mut(order.side);
		*side_wh = side_wh.saturating_sub(order.energy_wh);
		if order.conditions.is_some() {
			SpecialOrders::<T>::mutate((zone, slot), |special| {
				special.retain(|other| *other != index)
			});
		}
		Self::return_budget(zone, order.standing, order.held);
		Self::write_order(zone, slot, index, None);
		Books::<T>::insert(zone, slot, book);
		Self::deposit_event(Event::OrderCancelled { zone, slot, index });
		Ok(())
	}

	/// Gives a standing order, if it is still there, what one of its orders did not need.
	pub(crate) fn return_budget(zone: ZoneId, standing: Option<StandingId>, amount: Balance) {
		if let Some(id) = standing {
			StandingOrders::<T>::mutate(zone, id, |standing| {
				if let Some(standing) = standing {
					standing.budget = standing.budget.saturating_add(amount);
				}
			});
		}
	}

	/// The order, if `who` may take it out: its owner, or the agent that placed it.
	pub(crate) fn order_of(
		who: &T::AccountId,
		zone: ZoneId,
		slot: Slot,
		index: OrderIndex,
	) -> Result<Order<T::AccountId>, DispatchError> {
		let order = Self::order(zone, slot, index).ok_or(Error::<T>::OrderUnknown)?;
		let is_agent = order.agent.as_ref() == Some(who);
		ensure!(order.account == *who || is_agent, Error::<T>::NotYourOrder);
		if is_agent {
			Self::ensure_agent_may_act(&order.account, who)?;
		}
		Ok(order)
	}

	/// Opens the purse of `owner` for `who`: the owner itself, or an agent within its limits.
	pub(crate) fn purse_of(
		owner: &T::AccountId,
		who: &T::AccountId,
	) -> Result<Purse<T>, DispatchError> {
		let mut purse = Purse::open(owner);
		if owner != who {
			let limits = Agents::<T>::get(owner, who).ok_or(Error::<T>::NotAnAgent)?;
			purse.act_through(who, limits.allowance);
		}
		Ok(purse)
	}

	/// Closes a purse that [`Pallet::purse_of`] opened, and writes what an agent has left.
	pub(crate) fn close_purse(purse: Purse<T>, who: &T::AccountId) -> DispatchResult {
		if let Some(allowance) = purse.allowance() {
			Agents::<T>::mutate(purse.who(), who, |limits| {
				if let Some(limits) = limits {
					limits.allowance = allowance;
				}
			});
		}
		purse.close()
	}

	/// The limits of an agent, if it may act at present.
	fn ensure_agent_may_act(
		owner: &T::AccountId,
		agent: &T::AccountId,
	) -> Result<AgentLimits, DispatchError> {
		let limits = Agents::<T>::get(owner, agent).ok_or(Error::<T>::NotAnAgent)?;
		ensure!(Self::now_seconds() <= limits.until_seconds, Error::<T>::AgencyExpired);
		Ok(limits)
	}

	/// Whether an agent may place the order at present.
	pub(crate) fn ensure_agent_may_place(
		owner: &T::AccountId,
		who: &T::AccountId,
		energy_wh: u64,
	) -> DispatchResult {
		if owner != who {
			let limits = Self::ensure_agent_may_act(owner, who)?;
			ensure!(energy_wh <= limits.max_order_wh, Error::<T>::TooMuchEnergyForAgent);
		}
		Ok(())
	}
}
