//! Agents that trade with another's money, within limits.

use crate::{mock::*, Agents, Error, Event};
use energy_primitives::{AgentLimits, Balance, OrderIndex, OrderRequest, Side};
use frame_support::{assert_noop, assert_ok, BoundedVec};
use sp_runtime::{DispatchError, DispatchResult};

const OWNER: u8 = 1;
const AGENT: u8 = 5;

fn limits() -> AgentLimits {
	AgentLimits { allowance: 600_000, max_order_wh: 800, until_seconds: 6_010 }
}

fn appoint() {
	let owner = RuntimeOrigin::signed(account(OWNER));
	assert_ok!(EnergyMarket::set_agent(owner, account(AGENT), limits()));
}

fn request(energy_wh: u64) -> OrderRequest {
	let (slot, side, price) = (SLOT, Side::Ask, 100_000);
	OrderRequest { slot, side, price, energy_wh, minimum_wh: 0, expires_seconds: None }
}

fn place_for(who: u8, energy_wh: u64) -> DispatchResult {
	let who = RuntimeOrigin::signed(account(who));
	let orders = BoundedVec::truncate_from(vec![request(energy_wh)]);
	EnergyMarket::place_batch(who, ZONE, Some(account(OWNER)), orders)
}

fn rejection() -> Option<DispatchError> {
	System::events().into_iter().rev().find_map(|record| match record.event {
		RuntimeEvent::EnergyMarket(Event::OrderRejected { error, .. }) => Some(error),
		_ => None,
	})
}

fn allowance() -> Balance {
	Agents::<Test>::get(account(OWNER), account(AGENT)).unwrap().allowance
}

#[test]
fn agent_places_with_the_owners_money_until_its_allowance_is_used_up() {
	run(|| {
		appoint();
		assert_ok!(place_for(AGENT, 800));
		assert_eq!((held(OWNER), held(AGENT), allowance()), (480_000, 0, 120_000));
		let order = EnergyMarket::order(ZONE, SLOT, OrderIndex(0)).unwrap();
		assert_eq!(order.account, account(OWNER));
		assert_ok!(place_for(AGENT, 201));
		assert_eq!(rejection(), Some(Error::<Test>::AllowanceUsedUp.into()));
		assert_ok!(place_for(AGENT, 200));
		assert_eq!(allowance(), 0);
	});
}

#[test]
fn agent_cancels_and_replaces_and_gets_its_allowance_back() {
	run(|| {
		appoint();
		assert_ok!(place_for(AGENT, 800));
		let agent = || RuntimeOrigin::signed(account(AGENT));
		assert_ok!(EnergyMarket::replace(agent(), ZONE, SLOT, OrderIndex(0), request(700)));
		assert_eq!((held(OWNER), allowance()), (420_000, 180_000));
		assert_ok!(EnergyMarket::cancel(agent(), ZONE, SLOT, OrderIndex(1)));
		assert_eq!((held(OWNER), allowance()), (0, 600_000));
	});
}

#[test]
fn agent_leaves_the_owners_own_orders_alone() {
	run(|| {
		appoint();
		assert_ok!(place(OWNER, Side::Ask, 100_000, 100));
		let agent = || RuntimeOrigin::signed(account(AGENT));
		assert_noop!(
			EnergyMarket::cancel(agent(), ZONE, SLOT, OrderIndex(0)),
			Error::<Test>::NotYourOrder
		);
		assert_ok!(place_for(AGENT, 100));
		NowSeconds::set(6_011);
		assert_noop!(
			EnergyMarket::cancel(agent(), ZONE, SLOT, OrderIndex(1)),
			Error::<Test>::AgencyExpired
		);
		// The owner may always.
		let owner = RuntimeOrigin::signed(account(OWNER));
		assert_ok!(EnergyMarket::cancel(owner, ZONE, SLOT, OrderIndex(1)));
	});
}

#[test]
fn agent_is_held_to_its_limits() {
	run(|| {
		appoint();
		assert_ok!(place_for(AGENT, 801));
		assert_eq!(rejection(), Some(Error::<Test>::TooMuchEnergyForAgent.into()));
		assert_ok!(place_for(AGENT, 10));
		NowSeconds::set(6_011);
		assert_ok!(place_for(AGENT, 10));
		assert_eq!(rejection(), Some(Error::<Test>::AgencyExpired.into()));
		assert_noop!(
			EnergyMarket::replace(
				RuntimeOrigin::signed(account(AGENT)),
				ZONE,
				SLOT,
				OrderIndex(0),
				request(10)
			),
			Error::<Test>::AgencyExpired
		);
	});
}

#[test]
fn others_are_no_agents() {
	run(|| {
		appoint();
		assert_noop!(place_for(6, 10), Error::<Test>::NotAnAgent);
		let owner = || RuntimeOrigin::signed(account(OWNER));
		assert_ok!(EnergyMarket::remove_agent(owner(), account(AGENT)));
		System::assert_last_event(
			Event::AgentRemoved { owner: account(OWNER), agent: account(AGENT) }.into(),
		);
		assert_noop!(place_for(AGENT, 10), Error::<Test>::NotAnAgent);
		assert_noop!(
			EnergyMarket::remove_agent(owner(), account(AGENT)),
			Error::<Test>::NotAnAgent
		);
	});
}

#[test]
fn only_traders_have_agents_and_nobody_is_its_own() {
	run(|| {
		let set = |who, agent| EnergyMarket::set_agent(RuntimeOrigin::signed(who), agent, limits());
		assert_noop!(set(regulator(), account(AGENT)), Error::<Test>::NotATrader);
		assert_noop!(set(account(1), account(1)), Error::<Test>::OwnAgent);
	});
}
