//! Orders with a minimum or an expiry.

use crate::{mock::*, Error, Order, SpecialOrders};
use energy_primitives::{OrderIndex, OrderRequest, Side};
use frame_support::{assert_ok, BoundedVec};
use sp_runtime::DispatchError;

fn request(side: Side, price: u64, energy_wh: u64) -> OrderRequest {
	OrderRequest { slot: SLOT, side, price, energy_wh, minimum_wh: 0, expires_seconds: None }
}

/// Places one order by way of a batch; what it was refused for, if it was.
fn place_special(who: u8, order: OrderRequest) -> Option<DispatchError> {
	System::reset_events();
	let orders = BoundedVec::truncate_from(vec![order]);
	let origin = RuntimeOrigin::signed(account(who));
	assert_ok!(EnergyMarket::place_batch(origin, ZONE, None, orders));
	System::events().into_iter().find_map(|record| match record.event {
		RuntimeEvent::EnergyMarket(crate::Event::OrderRejected { error, .. }) => Some(error),
		_ => None,
	})
}

fn energies() -> Vec<(u64, u64)> {
	(0..9)
		.filter_map(|index| EnergyMarket::position(ZONE, SLOT, index))
		.map(|position: energy_primitives::Position<crate::mock::AccountId>| {
			(position.bought_wh, position.sold_wh)
		})
		.collect()
}

#[test]
fn order_is_left_out_when_its_share_would_be_below_its_minimum() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		let all_or_nothing = OrderRequest { minimum_wh: 100, ..request(Side::Bid, 150_000, 100) };
		assert_eq!(place_special(2, all_or_nothing), None);
		assert_ok!(place(3, Side::Bid, 150_000, 60));
		clear();
		assert_eq!(energies(), [(0, 60), (60, 0)]);
		assert_eq!(held(2), 0);
	});
}

#[test]
fn order_is_served_when_its_share_reaches_its_minimum() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		let half = OrderRequest { minimum_wh: 50, ..request(Side::Bid, 150_000, 100) };
		assert_eq!(place_special(2, half), None);
		assert_ok!(place(3, Side::Bid, 150_000, 100));
		clear();
		assert_eq!(energies(), [(0, 100), (50, 0), (50, 0)]);
	});
}

#[test]
fn expired_order_is_not_filled_and_its_money_comes_back() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 100));
		let brief =
			OrderRequest { expires_seconds: Some(6_050), ..request(Side::Bid, 150_000, 100) };
		assert_eq!(place_special(2, brief), None);
		let lasting = OrderRequest { expires_seconds: Some(6_051), ..brief };
		assert_eq!(place_special(3, lasting), None);
		clear();
		assert_eq!(energies(), [(0, 100), (100, 0)]);
		assert_eq!(held(2), 0);
		assert!(SpecialOrders::<Test>::get((ZONE, SLOT)).is_empty());
	});
}

#[test]
fn cancelled_order_makes_room_for_another() {
	run(|| {
		let order = OrderRequest { minimum_wh: 1, ..request(Side::Bid, 150_000, 100) };
		for _ in 0..3 {
			assert_eq!(place_special(1, order), None);
		}
		assert_eq!(place_special(1, order), Some(Error::<Test>::TooManySpecialOrders.into()));
		let owner = RuntimeOrigin::signed(account(1));
		assert_ok!(EnergyMarket::cancel(owner, ZONE, SLOT, OrderIndex(1)));
		assert_eq!(place_special(1, order), None);
		let order: Order<_> = EnergyMarket::order(ZONE, SLOT, OrderIndex(3)).unwrap();
		assert_eq!(order.conditions.map(|conditions| conditions.minimum_wh), Some(1));
	});
}

#[test]
fn impossible_conditions_are_refused() {
	run(|| {
		let order = request(Side::Bid, 150_000, 100);
		let greedy = OrderRequest { minimum_wh: 101, ..order };
		assert_eq!(place_special(1, greedy), Some(Error::<Test>::MinimumTooLarge.into()));
		let late = OrderRequest { expires_seconds: Some(NOW), ..order };
		assert_eq!(place_special(1, late), Some(Error::<Test>::AlreadyExpired.into()));
	});
}
