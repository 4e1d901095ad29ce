//! Slots of another length, from a slot on that nobody trades in yet.

use crate::{mock::*, Books, Error, Event};
use energy_primitives::{
	GridLink, OrderRequest, Region, RegionId, Side, Slot, SlotCalendar, SlotClock, StandingId,
	ZoneId, MAX_LENGTH_CHANGES,
};
use frame_support::{assert_noop, assert_ok, weights::Weight, BoundedVec};
use sp_runtime::DispatchResult;

/// The first slot that may have another length: slot 100 is running, orders are taken 10 slots ahead,
/// and offers recur 96 times.
const FIRST: Slot = Slot(207);
/// When it begins, in slots of a minute.
const START: u64 = 207 * 60;

fn set(zone: ZoneId, slot_seconds: u32, from: Slot) -> DispatchResult {
	EnergyMarket::set_slot_length(RuntimeOrigin::root(), zone, slot_seconds, from)
}

fn place_in(slot: u32) -> DispatchResult {
	let who = RuntimeOrigin::signed(account(1));
	EnergyMarket::place(who, ZONE, Slot(slot), Side::Ask, 100_000, 100)
}

fn region(since: Slot) -> DispatchResult {
	let link = GridLink {
		from: ZONE,
		to: BARE_ZONE,
		capacity_wh: 500,
		loss_ppm: 0,
		fee_per_kwh: 0,
		fee_ppm: 0,
	};
	let region = Region {
		zones: BoundedVec::truncate_from(vec![ZONE, BARE_ZONE]),
		links: BoundedVec::truncate_from(vec![link]),
		proposal_seconds: 5,
	};
	EnergyMarket::set_region(RuntimeOrigin::root(), RegionId(1), region, since)
}

#[test]
fn slots_keep_their_length_until_the_first_of_another() {
	run(|| {
		assert_ok!(EnergyMarket::set_slot_length(
			RuntimeOrigin::signed(utility()),
			ZONE,
			20,
			FIRST
		));
		let event = Event::SlotLengthSet {
			zone: ZONE,
			from: FIRST,
			start_seconds: START,
			slot_seconds: 20,
		};
		System::assert_last_event(event.into());
		let calendar = EnergyMarket::calendar(ZONE);
		assert_eq!(calendar.end_seconds(Slot(206)), START);
		assert_eq!(calendar.end_seconds(FIRST), START + 20);
		assert_eq!(EnergyMarket::calendar(BARE_ZONE), SlotCalendar::uniform(60), "another zone");

		// The gate of slot 206 closes ten seconds before its minute, that of 208 before its 20 seconds.
		NowSeconds::set(START - 71);
		assert_ok!(place_in(206));
		assert_ok!(place_in(208));
		NowSeconds::set(START - 70);
		assert_noop!(place_in(206), Error::<Test>::GateClosed);
		NowSeconds::set(START + 9);
		assert_ok!(place_in(208));
		NowSeconds::set(START + 10);
		assert_noop!(place_in(208), Error::<Test>::GateClosed);
		idle(Weight::MAX);
		assert!(!Books::<Test>::get(ZONE, Slot(208)).unwrap().state.has_orders());
	});
}

#[test]
fn standing_order_is_placed_in_every_slot_across_the_change() {
	for length in [7, 600] {
		run(|| {
			assert_ok!(set(ZONE, length, FIRST));
			NowSeconds::set(START - 300);
			let order = OrderRequest {
				slot: Slot(204),
				side: Side::Ask,
				price: 100_000,
				energy_wh: 1,
				minimum_wh: 0,
				expires_seconds: None,
			};
			let who = RuntimeOrigin::signed(account(1));
			assert_ok!(EnergyMarket::place_standing(who, ZONE, order, Slot(210), 1_000_000));
			let mut placed = Vec::new();
			for now in START - 300..EnergyMarket::calendar(ZONE).end_seconds(Slot(211)) {
				NowSeconds::set(now);
				idle(Weight::MAX);
				for slot in (200..215).map(Slot) {
					if Books::<Test>::contains_key(ZONE, slot) && !placed.contains(&slot) {
						placed.push(slot);
					}
				}
			}
			assert_eq!(placed, (204..=210).map(Slot).collect::<Vec<_>>());
			System::assert_has_event(
				Event::StandingOrderEnded { zone: ZONE, id: StandingId(0) }.into(),
			);
		});
	}
}

#[test]
fn only_the_council_and_the_utility_may() {
	run(|| {
		for who in [account(1), regulator()] {
			let origin = RuntimeOrigin::signed(who);
			assert_noop!(
				EnergyMarket::set_slot_length(origin, ZONE, 20, FIRST),
				Error::<Test>::NotAllowed
			);
		}
		assert_noop!(set(ZoneId(99), 20, FIRST), Error::<Test>::ZoneUnknown);
	});
}

#[test]
fn a_length_is_from_a_second_to_a_day() {
	run(|| {
		for wrong in [0, 24 * 3_600 + 1, u32::MAX] {
			assert_noop!(set(ZONE, wrong, FIRST), Error::<Test>::SlotLengthInvalid);
		}
		assert_ok!(set(ZONE, 1, FIRST));
		assert_ok!(set(ZONE, 24 * 3_600, FIRST));
	});
}

#[test]
fn slots_in_which_somebody_may_trade_or_offer_keep_their_length() {
	run(|| {
		assert_noop!(set(ZONE, 20, Slot(FIRST.0 - 1)), Error::<Test>::SlotLengthTooSoon);
		assert_noop!(set(ZONE, 20, Slot(0)), Error::<Test>::SlotLengthTooSoon);
		assert_ok!(set(ZONE, 20, FIRST));
	});
}

#[test]
fn a_planned_change_is_replaced_for_the_same_slot_only() {
	run(|| {
		assert_ok!(set(ZONE, 20, Slot(300)));
		assert_ok!(set(ZONE, 30, Slot(300)));
		assert_eq!(EnergyMarket::calendar(ZONE).slot_seconds(Slot(300)), 30);
		assert_noop!(set(ZONE, 30, Slot(299)), Error::<Test>::SlotLengthChangePending);
		for change in 1..MAX_LENGTH_CHANGES {
			assert_ok!(set(ZONE, 20 + change, Slot(300 + change)));
		}
		assert_noop!(set(ZONE, 20, Slot(400)), Error::<Test>::SlotLengthChangePending);
		// When the first changes are so long ago that nothing of their slots is kept, there is room.
		NowSeconds::set(EnergyMarket::calendar(ZONE).start_seconds(Slot(306)));
		assert_ok!(set(ZONE, 20, Slot(500)));
	});
}

#[test]
fn zones_that_are_cleared_together_have_the_same_slots() {
	run(|| {
		assert_ok!(EnergyMarket::set_terms(RuntimeOrigin::root(), BARE_ZONE, terms()));
		assert_ok!(region(Slot(300)));
		assert_noop!(set(ZONE, 20, Slot(250)), Error::<Test>::ZoneInRegion);
		assert_noop!(set(ZONE, 20, Slot(300)), Error::<Test>::ZoneInRegion);
		let nothing = Region::default();
		assert_noop!(
			EnergyMarket::set_region(
				RuntimeOrigin::root(),
				RegionId(1),
				nothing.clone(),
				Slot(110)
			),
			Error::<Test>::RegionTooSoon
		);
		assert_ok!(EnergyMarket::set_region(
			RuntimeOrigin::root(),
			RegionId(1),
			nothing,
			Slot(400)
		));
		assert_noop!(set(ZONE, 20, Slot(399)), Error::<Test>::ZoneInRegion);
		assert_ok!(set(ZONE, 20, Slot(400)));
		assert_noop!(region(Slot(500)), Error::<Test>::SlotsDiffer);
		assert_ok!(set(BARE_ZONE, 20, Slot(400)));
		assert_ok!(region(Slot(500)));
	});
}
