//! What is always true of the pallet's storage.

use crate::{
	Accounts, Books, Config, Holdings, HoldingsOf, InTransit, Offers, OpenBooks, Order, Orders,
	Pallet, PositionOf, Positions, Renewals, SpecialOrders, StandingIds, StandingOrders,
	ENTRIES_PER_PAGE,
};
use alloc::{collections::BTreeMap, vec::Vec};
use energy_primitives::{Balance, OrderIndex, Position, Side, Slot, SlotState, ZoneId};
use frame_support::{ensure, traits::fungible::Inspect};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// All orders of a slot that are neither cancelled nor filled.
	pub fn all_orders(zone: ZoneId, slot: Slot) -> Vec<(OrderIndex, Order<T::AccountId>)> {
		let mut orders: Vec<_> = Orders::<T>::iter_prefix((zone, slot))
			.flat_map(|(page, orders)| (page.saturating_mul(ENTRIES_PER_PAGE)..).zip(orders))
			.filter_map(|(index, order)| Some((OrderIndex(index), order?)))
			.collect();
		orders.sort_by_key(|(index, _)| *index);
		orders
	}

	/// All positions of a slot that are not settled.
	pub fn all_positions(zone: ZoneId, slot: Slot) -> Vec<(u32, Position<T::AccountId>)> {
		let mut positions: Vec<_> = Positions::<T>::iter_prefix((zone, slot))
			.flat_map(|(page, positions)| (page.saturating_mul(ENTRIES_PER_PAGE)..).zip(positions))
			.collect();
		positions.sort_by_key(|(number, _)| *number);
		positions
	}

	/// What must always be true of the pallet's storage:
	///
	/// 1. The money committed for an account is what its orders, offers and positions say, and no
	///    more than the account has in the market.
	/// 2. The depth of an open book is the sum of its orders, by side and price.
	/// 3. A book that is open, being cleared or being annulled is listed once, and no other.
	/// 4. Energy bought is energy sold and imported, once a slot is cleared and none of it settled:
	///    in the auction, and in what was agreed besides.
	/// 5. Positions are numbered without gaps and known by account, until settlement.
	/// 6. Orders are only where a book is open, being cleared or being annulled.
	/// 7. The clearing house has at least the sum of all accounts, less what is in transit.
	/// 8. Standing orders and offers are listed and counted.
	/// 9. Orders with conditions are listed, and only they, while a book is open.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut committed = BTreeMap::<T::AccountId, Balance>::new();
		let mut add = |account: &T::AccountId, amount: Balance| {
			let sum = committed.entry(account.clone()).or_default();
			*sum = sum.saturating_add(amount);
		};
		let mut open = Vec::new();
		for (zone, slot, book) in Books::<T>::iter() {
			let mut depth = BTreeMap::<(u8, u16), u64>::new();
			let mut special = Vec::new();
			for (index, order) in Self::all_orders(zone, slot) {
				ensure!(index.0 < book.next_order, "order beyond the last");
				ensure!(book.state.has_orders(), "6: order in a cleared book");
				add(&order.account, order.held);
				let sum = depth.entry((order.side as u8, order.tick)).or_default();
				*sum = sum.saturating_add(order.energy_wh);
				if order.conditions.is_some() {
					special.push(index);
				}
			}
			if book.state.has_orders() {
				open.push((zone, slot));
			}
			if book.state == SlotState::Open {
				for side in [Side::Bid, Side::Ask] {
					let ticks = Self::depth_of(zone, slot, side, book.terms.tick_count);
					for (tick, energy) in (0u16..).zip(ticks) {
						let orders = depth.get(&(side as u8, tick)).copied().unwrap_or(0);
						ensure!(energy == orders, "2: depth differs from the orders");
					}
				}
				let mut listed = SpecialOrders::<T>::get((zone, slot)).into_inner();
				listed.sort();
				special.sort();
				ensure!(listed == special, "9: the list of orders with conditions is wrong");
			}
			let positions = Self::all_positions(zone, slot);
			let (mut auction, mut agreed) = ((0u64, 0u64), (0u64, 0u64));
			for (number, position) in &positions {
				add(&position.account, position.held);
				auction.0 = auction.0.saturating_add(position.bought_wh);
				auction.1 = auction.1.saturating_add(position.sold_wh);
				agreed.0 = agreed.0.saturating_add(position.agreed.bought_wh);
				agreed.1 = agreed.1.saturating_add(position.agreed.sold_wh);
				ensure!(
					PositionOf::<T>::get((zone, slot), &position.account) == Some(*number),
					"5: position not known by its account"
				);
			}
			if matches!(book.state, SlotState::Open | SlotState::Clearing | SlotState::Cleared) {
				ensure!(agreed.0 == agreed.1, "4: agreed purchases differ from sales");
				ensure!(positions.len() == book.positions as usize, "5: gap in the positions");
			}
			if book.state == SlotState::Cleared {
				let traded = match book.outcome {
					Some(outcome) => {
						(outcome.result.volume_wh, outcome.result.sold_wh().unwrap_or_default())
					}
					None => (0, 0),
				};
				ensure!(auction == traded, "4: bought differs from sold");
			}
		}
		let mut listed: Vec<_> =
			OpenBooks::<T>::get().iter().map(|book| (book.zone, book.slot)).collect();
		listed.sort();
		open.sort();
		ensure!(listed == open, "3: the list of open books is wrong");
		let mut holdings = BTreeMap::<T::AccountId, Holdings>::new();
		for (_, offer) in Offers::<T>::iter() {
			add(&offer.maker, offer.held().unwrap_or_default());
			holdings.entry(offer.maker).or_default().offers += 1;
		}
		let mut standing = BTreeMap::<_, Vec<_>>::new();
		for (zone, id, order) in StandingOrders::<T>::iter() {
			holdings.entry(order.account).or_default().standing += 1;
			standing.entry(zone).or_default().push(id);
		}
		for (zone, mut ids) in standing {
			ids.sort();
			ensure!(StandingIds::<T>::get(zone).into_inner() == ids, "8: standing orders");
			ensure!(Renewals::<T>::contains_key(zone), "8: a zone is not renewed");
		}
		ensure!(HoldingsOf::<T>::iter().collect::<BTreeMap<_, _>>() == holdings, "8: counts");

		let mut balances: Balance = 0;
		for (who, account) in Accounts::<T>::iter() {
			let expected = committed.remove(&who).unwrap_or_default();
			ensure!(account.committed == expected, "1: committed differs from what it is for");
			ensure!(account.committed <= account.balance, "1: more committed than there is");
			balances = balances.saturating_add(account.balance);
		}
		ensure!(committed.values().all(|amount| *amount == 0), "1: money is not there");
		let house = T::Currency::total_balance(&Self::clearing_house());
		let expected = balances.checked_add_signed(InTransit::<T>::get().saturating_neg());
		// Anyone may send money to it.
		ensure!(
			expected.is_some_and(|expected| expected <= house),
			"7: the clearing house has less than the accounts"
		);
		Ok(())
	}
}
