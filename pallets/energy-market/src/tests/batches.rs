//! Many orders at once, and one in the stead of another.

use crate::{mock::*, Books, Error, Event};
use energy_primitives::{OrderIndex, OrderRequest, Side, Slot};
use frame_support::{assert_noop, assert_ok, BoundedVec};
use sp_runtime::DispatchResult;

fn request(slot: u32, side: Side, price: u64, energy_wh: u64) -> OrderRequest {
	OrderRequest { slot: Slot(slot), side, price, energy_wh, minimum_wh: 0, expires_seconds: None }
}

fn batch(who: u8, orders: Vec<OrderRequest>) -> DispatchResult {
	let orders = BoundedVec::try_from(orders).expect("not too many");
	EnergyMarket::place_batch(RuntimeOrigin::signed(account(who)), ZONE, None, orders)
}

#[test]
fn batch_places_what_can_be_placed_and_names_the_rest() {
	run(|| {
		assert_ok!(batch(
			1,
			vec![
				request(101, Side::Ask, 100_000, 10),
				request(101, Side::Ask, 100_001, 10),
				request(102, Side::Bid, 100_000, 10),
				request(100, Side::Bid, 100_000, 10),
				request(102, Side::Ask, 100_000, 20),
			],
		));
		// 30 Wh of bonds at 0.60, and 10 Wh at 0.10 with the fee of ceil(30.01).
		assert_eq!(held(1), 18_000 + 1_000 + 31);
		assert_eq!(Books::<Test>::get(ZONE, Slot(102)).unwrap().next_order, 2);
		for (item, slot, error) in
			[(1, 101, Error::<Test>::PriceNotOnGrid), (3, 100, Error::<Test>::GateClosed)]
		{
			System::assert_has_event(
				Event::OrderRejected {
					zone: ZONE,
					slot: Slot(slot),
					account: account(1),
					item,
					error: error.into(),
				}
				.into(),
			);
		}
	});
}

#[test]
fn batch_moves_currency_once() {
	run(|| {
		let before = System::events().len();
		assert_ok!(batch(1, vec![request(101, Side::Ask, 100_000, 10); 8]));
		let transfers = System::events()[before..]
			.iter()
			.filter(|record| {
				matches!(
					record.event,
					RuntimeEvent::Assets(pallet_assets::Event::Transferred { .. })
				)
			})
			.count();
		assert_eq!(transfers, 1);
	});
}

#[test]
fn batch_stops_placing_when_the_money_is_used_up() {
	run(|| {
		// Each needs 0.6 of the money.
		let order = request(101, Side::Ask, 100_000, 1_000_000);
		assert_ok!(batch(1, vec![order, order, request(101, Side::Ask, 100_000, 1)]));
		assert_eq!(held(1), 600_000_000 + 600);
		let orders = EnergyMarket::all_orders(ZONE, SLOT);
		assert_eq!(orders.len(), 2);
	});
}

#[test]
fn batch_is_refused_when_its_account_may_not_trade_here() {
	run(|| {
		let orders = || BoundedVec::truncate_from(vec![request(101, Side::Bid, 100_000, 10)]);
		for (who, error) in
			[(regulator(), Error::<Test>::NotATrader), (elsewhere(), Error::<Test>::OtherZone)]
		{
			let origin = RuntimeOrigin::signed(who);
			assert_noop!(EnergyMarket::place_batch(origin, ZONE, None, orders()), error);
		}
	});
}

mod replace {
	use super::*;

	fn replace(who: u8, index: u32, order: OrderRequest) -> DispatchResult {
		let who = RuntimeOrigin::signed(account(who));
		EnergyMarket::replace(who, ZONE, SLOT, OrderIndex(index), order)
	}

	#[test]
	fn takes_the_old_order_out_and_puts_the_new_one_in() {
		run(|| {
			assert_ok!(place(1, Side::Ask, 100_000, 1_000));
			assert_ok!(replace(1, 0, request(102, Side::Bid, 200_000, 700)));
			assert_eq!(held(1), 140_000 + 2_101);
			assert!(EnergyMarket::order(ZONE, SLOT, OrderIndex(0)).is_none());
			assert!(EnergyMarket::order(ZONE, Slot(102), OrderIndex(0)).is_some());
		});
	}

	#[test]
	fn needs_only_the_money_of_the_new_order() {
		run(|| {
			assert_ok!(place(1, Side::Ask, 100_000, 1_000_000));
			assert_ok!(replace(1, 0, request(101, Side::Ask, 110_000, 1_000_000)));
			assert_eq!(held(1), 600_000_000);
		});
	}

	#[test]
	fn changes_nothing_when_the_new_order_is_refused() {
		run(|| {
			assert_ok!(place(1, Side::Ask, 100_000, 1_000));
			let at_wrong_price = request(101, Side::Ask, 100_001, 1_000);
			assert_noop!(replace(1, 0, at_wrong_price), Error::<Test>::PriceNotOnGrid);
			let order = request(101, Side::Ask, 100_000, 1_000);
			assert_noop!(replace(2, 0, order), Error::<Test>::NotYourOrder);
			assert_noop!(replace(1, 1, order), Error::<Test>::OrderUnknown);
		});
	}
}
