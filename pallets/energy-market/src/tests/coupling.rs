//! Two zones that are cleared together: cheap energy in one, buyers in the other.

use crate::{mock::*, AcceptedProposal, Books, Error, Event, Proposals, Regions};
use energy_primitives::{
	ClearedMarket, ClearingResult, CouplingProposal, GridLink, OrderRequest, Position, Region,
	RegionId, Side, Slot, SlotState, ZoneId, ZoneProposal, SETTLEMENT_ASSET,
};
use frame_support::{assert_noop, assert_ok, weights::Weight, BoundedVec};
use sp_runtime::DispatchResult;

const ID: RegionId = RegionId(1);
/// The first slot that may be coupled; its gate closes at 6,650.
const COUPLED: Slot = Slot(111);
const GATE: u64 = 6_650;

fn region() -> Region {
	let link = GridLink {
		from: ZONE,
		to: BARE_ZONE,
		capacity_wh: 500,
		loss_ppm: 100_000,
		fee_per_kwh: 10_000,
		fee_ppm: 0,
	};
	Region {
		zones: BoundedVec::truncate_from(vec![ZONE, BARE_ZONE]),
		links: BoundedVec::truncate_from(vec![link]),
		proposal_seconds: 5,
	}
}

fn couple() {
	assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), BARE_ZONE, terms()));
	assert_ok!(EnergyMarket::set_region(RuntimeOrigin::root(), ID, region(), COUPLED));
	NowSeconds::set(6_600);
}

fn order(who: crate::mock::AccountId, zone: ZoneId, side: Side, price: u64, energy_wh: u64) {
	let who = RuntimeOrigin::signed(who);
	assert_ok!(EnergyMarket::place(who, zone, COUPLED, side, price, energy_wh));
}

/// 1,000 Wh are offered at 0.10 in the first zone, 800 Wh wanted at 0.30 in the second.
fn orders() {
	order(account(1), ZONE, Side::Ask, 100_000, 1_000);
	order(elsewhere(), BARE_ZONE, Side::Bid, 300_000, 800);
	NowSeconds::set(GATE);
}

/// The link is full: 500 Wh go out, 450 Wh arrive.
fn best() -> CouplingProposal {
	CouplingProposal {
		zones: BoundedVec::truncate_from(vec![
			ZoneProposal { price: 100_000, bought_wh: 0, sold_wh: 500 },
			ZoneProposal { price: 300_000, bought_wh: 450, sold_wh: 0 },
		]),
		flows_wh: BoundedVec::truncate_from(vec![500]),
	}
}

fn propose(proposal: CouplingProposal) -> DispatchResult {
	EnergyMarket::propose_coupling(RuntimeOrigin::signed(account(9)), ID, COUPLED, proposal)
}

fn finish(zone: ZoneId, net: i128) {
	assert_ok!(<EnergyMarket as ClearedMarket<_>>::finish(zone, COUPLED, 0, &[net]));
	<EnergyMarket as ClearedMarket<crate::mock::AccountId>>::settled(zone, COUPLED);
}

#[test]
fn optimum_is_taken_and_both_zones_are_cleared_by_it() {
	run(|| {
		couple();
		orders();
		idle(Weight::MAX);
		let state = |zone| Books::<Test>::get(zone, COUPLED).unwrap().state;
		assert_eq!(state(ZONE), SlotState::Open, "proposals are awaited");
		assert_ok!(propose(best()));
		// 450 Wh at 0.30 less 500 Wh at 0.10 and 0.01: 80 minor units per thousand of each.
		let welfare = (450 * 300_000 - 500 * 110_000) * 1_000_000i128;
		let proposed: AcceptedProposal<_> = Proposals::<Test>::get(ID, COUPLED).unwrap();
		assert_eq!((proposed.welfare, proposed.proposer), (welfare, account(9)));
		assert_noop!(propose(best()), Error::<Test>::ProposalNotBetter);

		NowSeconds::set(GATE + 5);
		idle(Weight::MAX);
		let result =
			|zone| <EnergyMarket as ClearedMarket<crate::mock::AccountId>>::result(zone, COUPLED);
		let exporter = ClearingResult { price: 100_000, volume_wh: 0, net_import_wh: -500 };
		let importer = ClearingResult { price: 300_000, volume_wh: 450, net_import_wh: 450 };
		assert_eq!((result(ZONE), result(BARE_ZONE)), (Some(exporter), Some(importer)));
		let position = |zone| -> Position<crate::mock::AccountId> {
			EnergyMarket::position(zone, COUPLED, 0).unwrap()
		};
		assert_eq!((position(ZONE).sold_wh, position(BARE_ZONE).bought_wh), (500, 450));
		assert_eq!((state(ZONE), state(BARE_ZONE)), (SlotState::Cleared, SlotState::Cleared));
		crate::Pallet::<Test>::do_try_state().unwrap();

		// The exporting zone is settled first: its seller is paid before the buyer has paid.
		finish(ZONE, 50_000);
		assert_eq!(crate::InTransit::<Test>::get(), 50_000);
		crate::Pallet::<Test>::do_try_state().unwrap();
		finish(BARE_ZONE, -135_000);
		assert_eq!(crate::InTransit::<Test>::get(), 0);
		System::assert_has_event(
			Event::RegionSettled { id: ID, slot: COUPLED, income: 85_000 }.into(),
		);
		let region = EnergyMarket::region_account(ID);
		assert_eq!(Assets::balance(SETTLEMENT_ASSET, &region), 85_000);
		assert_eq!(Proposals::<Test>::iter().count(), 0);

		let root = RuntimeOrigin::root();
		assert_ok!(EnergyMarket::withdraw_region_income(root, ID, account(3), 85_000));
		assert_eq!(Assets::balance(SETTLEMENT_ASSET, account(3)), MONEY + 85_000);
	});
}

#[test]
fn every_other_proposal_is_refused() {
	run(|| {
		couple();
		orders();
		let change = |change: &dyn Fn(&mut CouplingProposal)| {
			let mut proposal = best();
			change(&mut proposal);
			proposal
		};
		for worse in [
			// Less is sent than could be, with the volumes that belong to it.
			change(&|proposal| {
				proposal.flows_wh[0] = 400;
				proposal.zones[0].sold_wh = 400;
				proposal.zones[1].bought_wh = 360;
			}),
			// Prices that do not fit the volumes, or the limits.
			change(&|proposal| proposal.zones[1].price = 290_000),
			change(&|proposal| proposal.zones[0].price = 110_000),
			change(&|proposal| proposal.zones[1].price = 310_000),
			// More than the link carries, more than arrives.
			change(&|proposal| proposal.flows_wh[0] = 501),
			change(&|proposal| proposal.zones[1].bought_wh = 451),
			// Not one for each.
			change(&|proposal| proposal.zones.truncate(1)),
			change(&|proposal| proposal.flows_wh.truncate(0)),
		] {
			assert_noop!(propose(worse), Error::<Test>::ProposalNotOptimal);
		}
		assert_ok!(propose(best()));
	});
}

#[test]
fn zones_are_cleared_by_themselves_when_nobody_proposes() {
	run(|| {
		couple();
		order(account(2), ZONE, Side::Bid, 200_000, 300);
		orders();
		NowSeconds::set(GATE + 5);
		idle(Weight::MAX);
		let result = <EnergyMarket as ClearedMarket<crate::mock::AccountId>>::result(ZONE, COUPLED);
		let alone = ClearingResult { price: 100_000, volume_wh: 300, net_import_wh: 0 };
		assert_eq!(result, Some(alone));
		assert_noop!(propose(best()), Error::<Test>::NoTimeForProposals);
	});
}

#[test]
fn proposals_have_their_time() {
	run(|| {
		couple();
		order(account(1), ZONE, Side::Ask, 100_000, 1_000);
		NowSeconds::set(GATE - 1);
		assert_noop!(propose(best()), Error::<Test>::NoTimeForProposals);
		let early = EnergyMarket::propose_coupling(
			RuntimeOrigin::signed(account(9)),
			ID,
			Slot(110),
			best(),
		);
		assert_eq!(early, Err(Error::<Test>::RegionUnknown.into()));
		NowSeconds::set(GATE);
		let by_stranger =
			EnergyMarket::propose_coupling(RuntimeOrigin::signed(suspended()), ID, COUPLED, best());
		assert_eq!(by_stranger, Err(Error::<Test>::NotAllowed.into()));
		assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), BARE_ZONE));
		assert_noop!(propose(best()), Error::<Test>::ZoneHalted);
	});
}

#[test]
fn capacities_of_a_slot_replace_the_usual_ones() {
	run(|| {
		couple();
		let set = |slot, capacities: Vec<u64>| {
			let capacities = BoundedVec::truncate_from(capacities);
			EnergyMarket::set_capacities(RuntimeOrigin::root(), ID, slot, capacities)
		};
		assert_noop!(set(Slot(110), vec![1]), Error::<Test>::RegionUnknown);
		assert_noop!(set(COUPLED, vec![1, 2]), Error::<Test>::CapacitiesInvalid);
		assert_noop!(set(Slot(200), vec![1]), Error::<Test>::SlotTooFarAhead);
		assert_ok!(set(COUPLED, vec![200]));
		orders();
		assert_noop!(set(COUPLED, vec![500]), Error::<Test>::GateClosed);
		assert_noop!(propose(best()), Error::<Test>::ProposalNotOptimal);
		let mut less = best();
		less.flows_wh[0] = 200;
		less.zones[0].sold_wh = 200;
		less.zones[1].bought_wh = 180;
		assert_ok!(propose(less));
	});
}

#[test]
fn region_is_refused_when_it_makes_no_sense_or_comes_too_soon() {
	run(|| {
		let set =
			|id, region, since| EnergyMarket::set_region(RuntimeOrigin::root(), id, region, since);
		assert_noop!(set(ID, region(), Slot(110)), Error::<Test>::RegionTooSoon);
		let mut twice = region();
		twice.zones[1] = ZONE;
		assert_noop!(set(ID, twice, COUPLED), Error::<Test>::RegionInvalid);
		let mut nowhere = region();
		nowhere.zones[1] = ZoneId(99);
		assert_noop!(set(ID, nowhere, COUPLED), Error::<Test>::ZoneUnknown);
		let mut lossy = region();
		lossy.links[0].loss_ppm = 1_000_000;
		assert_noop!(set(ID, lossy, COUPLED), Error::<Test>::RegionInvalid);
		let mut inward = region();
		inward.links[0].to = ZONE;
		assert_noop!(set(ID, inward, COUPLED), Error::<Test>::RegionInvalid);

		assert_ok!(set(ID, region(), COUPLED));
		assert_noop!(set(RegionId(2), region(), COUPLED), Error::<Test>::OtherRegion);
		for since in 112..115 {
			assert_ok!(set(ID, region(), Slot(since)));
		}
		assert_noop!(set(ID, region(), Slot(115)), Error::<Test>::TooManyRegionVersions);
		// An earlier change takes the place of later ones.
		assert_ok!(set(ID, Region::default(), Slot(112)));
		assert_eq!(Regions::<Test>::get(ID).len(), 2);
		assert!(EnergyMarket::coupling(ID, COUPLED).is_some());
		assert!(EnergyMarket::coupling(ID, Slot(112)).is_none());
	});
}

#[test]
fn coupled_zone_takes_no_conditions_and_is_not_called_off() {
	run(|| {
		couple();
		let order = OrderRequest {
			slot: COUPLED,
			side: Side::Bid,
			price: 100_000,
			energy_wh: 10,
			minimum_wh: 5,
			expires_seconds: None,
		};
		let orders_of = BoundedVec::truncate_from(vec![order]);
		let trader = RuntimeOrigin::signed(account(2));
		assert_ok!(EnergyMarket::place_batch(trader, ZONE, None, orders_of));
		System::assert_last_event(
			Event::OrderRejected {
				zone: ZONE,
				slot: COUPLED,
				account: account(2),
				item: 0,
				error: Error::<Test>::ConditionsInCoupledZone.into(),
			}
			.into(),
		);
		orders();
		assert_ok!(propose(best()));
		assert_ok!(EnergyMarket::halt(RuntimeOrigin::root(), ZONE));
		let seller = RuntimeOrigin::signed(account(1));
		assert_noop!(
			EnergyMarket::cancel(seller, ZONE, COUPLED, energy_primitives::OrderIndex(0)),
			Error::<Test>::GateClosed
		);
		assert_noop!(
			EnergyMarket::annul(RuntimeOrigin::root(), ZONE, COUPLED),
			Error::<Test>::SlotIsCoupled
		);
	});
}

#[test]
fn proposal_in_which_exporters_would_get_more_than_importers_pay_is_refused() {
	run(|| {
		// At such prices what is lost on the way is within the rounding of whole prices.
		let cheap = energy_primitives::MarketTerms {
			price_floor: 1,
			tick_size: 1,
			surplus_price: 0,
			..terms()
		};
		couple();
		for zone in [ZONE, BARE_ZONE] {
			assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), zone, cheap.clone()));
		}
		let mut region = region();
		region.links[0].fee_per_kwh = 0;
		region.links[0].capacity_wh = 5_000;
		Regions::<Test>::mutate(ID, |versions| versions[0].1 = region);
		order(account(1), ZONE, Side::Ask, 2, 10_000);
		order(elsewhere(), BARE_ZONE, Side::Bid, 2, 8_000);
		NowSeconds::set(GATE);
		// 9 minor units for what arrives, 10 for what is sent.
		let proposal = CouplingProposal {
			zones: BoundedVec::truncate_from(vec![
				ZoneProposal { price: 2, bought_wh: 0, sold_wh: 5_000 },
				ZoneProposal { price: 2, bought_wh: 4_500, sold_wh: 0 },
			]),
			flows_wh: BoundedVec::truncate_from(vec![5_000]),
		};
		assert_noop!(propose(proposal), Error::<Test>::ProposalLosesMoney);
	});
}

#[test]
fn one_price_between_ticks_is_taken_where_a_link_costs_and_loses_nothing() {
	run(|| {
		couple();
		let mut region = region();
		region.links[0].fee_per_kwh = 0;
		region.links[0].loss_ppm = 0;
		Regions::<Test>::mutate(ID, |versions| versions[0].1 = region);
		order(account(1), ZONE, Side::Ask, 100_000, 301);
		order(elsewhere(), BARE_ZONE, Side::Bid, 300_000, 301);
		NowSeconds::set(GATE);
		// 31,755.5 minor units: the importer owes 31,756, the exporter is owed 31,755.
		let proposal = CouplingProposal {
			zones: BoundedVec::truncate_from(vec![
				ZoneProposal { price: 105_500, bought_wh: 0, sold_wh: 301 },
				ZoneProposal { price: 105_500, bought_wh: 301, sold_wh: 0 },
			]),
			flows_wh: BoundedVec::truncate_from(vec![301]),
		};
		assert_ok!(propose(proposal));
		NowSeconds::set(GATE + 5);
		idle(Weight::MAX);
		// The seller receives 31,755, the buyer pays 31,756.
		finish(ZONE, 31_755);
		finish(BARE_ZONE, -31_756);
		assert_eq!(crate::InTransit::<Test>::get(), 0);
		System::assert_has_event(Event::RegionSettled { id: ID, slot: COUPLED, income: 1 }.into());
		crate::Pallet::<Test>::do_try_state().unwrap();
	});
}

#[test]
fn doing_nothing_is_the_best_where_nothing_can_be_traded() {
	run(|| {
		couple();
		NowSeconds::set(GATE);
		let zone = ZoneProposal { price: 100_000, bought_wh: 0, sold_wh: 0 };
		let nothing = CouplingProposal {
			zones: BoundedVec::truncate_from(vec![zone; 2]),
			flows_wh: BoundedVec::truncate_from(vec![0]),
		};
		assert_ok!(propose(nothing));
		assert_eq!(Proposals::<Test>::get(ID, COUPLED).unwrap().welfare, 0);
	});
}
