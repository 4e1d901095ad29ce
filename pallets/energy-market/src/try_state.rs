//! What is always true of the pallet's storage.

use crate::{Books, Config, HoldReason, OpenBooks, Orders, Pallet, PositionOf, Positions};
use alloc::{collections::BTreeMap, vec::Vec};
use energy_primitives::{Balance, Side, SlotState};
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// What must always be true of the pallet's storage:
	///
	/// 1. The money held for an account is what its orders and positions say.
	/// 2. The depth of an open book is the sum of its orders, by side and price.
	/// 3. A book that is open or being cleared is listed once, and no other.
	/// 4. Energy bought is energy sold, once a slot is cleared and none of it settled.
	/// 5. Positions are numbered without gaps and known by account, until settlement.
	/// 6. Orders are only where a book is open or being cleared.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut held = BTreeMap::<T::AccountId, Balance>::new();
		let mut add = |account: &T::AccountId, amount: Balance| {
			let sum = held.entry(account.clone()).or_default();
			*sum = sum.saturating_add(amount);
		};
		let mut open = Vec::new();
		for (zone, slot, book) in Books::<T>::iter() {
			let mut depth = BTreeMap::<(u8, u16), u64>::new();
			for (index, order) in Orders::<T>::iter_prefix((zone, slot)) {
				ensure!(index.0 < book.next_order, "order beyond the last");
				ensure!(
					matches!(book.state, SlotState::Open | SlotState::Clearing),
					"6: order in a cleared book"
				);
				add(&order.account, order.held);
				let sum = depth.entry((order.side as u8, order.tick)).or_default();
				*sum = sum.saturating_add(order.energy_wh);
			}
			if matches!(book.state, SlotState::Open | SlotState::Clearing) {
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
			}
			let positions: Vec<_> = Positions::<T>::iter_prefix((zone, slot)).collect();
			let (mut bought, mut sold) = (0u64, 0u64);
			for (number, position) in &positions {
				add(&position.account, position.held);
				bought = bought.saturating_add(position.bought_wh);
				sold = sold.saturating_add(position.sold_wh);
				ensure!(
					PositionOf::<T>::get((zone, slot), &position.account) == Some(*number),
					"5: position not known by its account"
				);
			}
			if book.state == SlotState::Cleared {
				let volume = book.outcome.map_or(0, |outcome| outcome.result.volume_wh);
				ensure!(bought == volume && sold == volume, "4: bought differs from sold");
				ensure!(positions.len() == book.positions as usize, "5: gap in the positions");
			}
		}
		let mut listed = OpenBooks::<T>::get().into_inner();
		listed.sort();
		open.sort();
		ensure!(listed == open, "3: the list of open books is wrong");
		for (account, amount) in held {
			let on_hold = T::Currency::balance_on_hold(&HoldReason::Market.into(), &account);
			ensure!(on_hold == amount, "1: money held differs from orders and positions");
		}
		Ok(())
	}
}
