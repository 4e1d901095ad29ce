//! Money in the market: in when it is needed, out when nothing is committed.

use crate::{mock::*, Accounts, ClearingAccount, Error, Event};
use energy_primitives::{OrderIndex, Side, SETTLEMENT_ASSET};
use frame_support::{assert_noop, assert_ok};

fn free(who: u8) -> energy_primitives::Balance {
	Assets::balance(SETTLEMENT_ASSET, account(who))
}

#[test]
fn money_comes_in_with_an_order_and_goes_back_with_the_last() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 1_000));
		assert_ok!(place(1, Side::Ask, 100_000, 500));
		assert_eq!((free(1), held(1)), (MONEY - 900_000, 900_000));
		assert_eq!(Assets::balance(SETTLEMENT_ASSET, EnergyMarket::clearing_house()), 900_000);
		let cancel = |index| {
			EnergyMarket::cancel(RuntimeOrigin::signed(account(1)), ZONE, SLOT, OrderIndex(index))
		};
		assert_ok!(cancel(0));
		// Free, but still in the market: another order may need it.
		let account_now = ClearingAccount { balance: 900_000, committed: 300_000 };
		assert_eq!(Accounts::<Test>::get(account(1)), account_now);
		assert_ok!(cancel(1));
		assert_eq!(free(1), MONEY);
		assert!(!Accounts::<Test>::contains_key(account(1)));
	});
}

#[test]
fn free_money_of_the_market_is_used_first() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 1_000));
		assert_ok!(place(1, Side::Ask, 100_000, 1));
		let owner = RuntimeOrigin::signed(account(1));
		assert_ok!(EnergyMarket::cancel(owner, ZONE, SLOT, OrderIndex(0)));
		assert_ok!(place(1, Side::Ask, 100_000, 999));
		assert_eq!((free(1), held(1)), (MONEY - 600_600, 600_000));
	});
}

#[test]
fn withdraw_takes_what_is_free_and_no_more() {
	run(|| {
		assert_ok!(place(1, Side::Ask, 100_000, 1_000));
		assert_ok!(place(1, Side::Ask, 100_000, 1));
		let owner = || RuntimeOrigin::signed(account(1));
		assert_ok!(EnergyMarket::cancel(owner(), ZONE, SLOT, OrderIndex(0)));
		assert_noop!(EnergyMarket::withdraw(owner(), 600_001), Error::<Test>::NotEnoughFreeMoney);
		assert_ok!(EnergyMarket::withdraw(owner(), 600_000));
		assert_eq!((free(1), held(1)), (MONEY - 600, 600));
		System::assert_last_event(Event::Withdrawn { account: account(1), amount: 600_000 }.into());
	});
}
