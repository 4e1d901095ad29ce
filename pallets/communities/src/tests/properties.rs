//! Whatever communities agree on and meters say: the money is what an independent reckoning of
//! each account says, and its sum does not change.

use super::*;
use energy_market_core::{cost_rounded_down, cost_rounded_up, residual};
use frame_support::weights::Weight;
use proptest::prelude::*;

/// A member of the random community.
#[derive(Clone, Debug)]
struct Neighbour {
	key_ppm: u32,
	limit: Balance,
	deposit: Balance,
	suspended: bool,
	/// For each slot: import, export, bought, sold.
	slots: Vec<(u64, u64, u64, u64)>,
}

const SLOTS: u32 = 3;

fn neighbour() -> impl Strategy<Value = Neighbour> {
	let energy = || prop_oneof![2 => Just(0u64), 3 => 0u64..3_000, 1 => 0u64..100_000_000];
	let slot = (
		energy(),
		energy(),
		prop_oneof![Just(0u64), 0u64..2_000],
		prop_oneof![Just(0u64), 0u64..2_000],
	);
	(
		0u32..120_000,
		prop_oneof![Just(Balance::MAX), 0u128..300_000, Just(0)],
		prop_oneof![Just(MIN_DEPOSIT), MIN_DEPOSIT..50_000_000],
		prop::bool::weighted(0.1),
		prop::collection::vec(slot, SLOTS as usize),
	)
		.prop_map(|(key_ppm, limit, deposit, suspended, slots)| Neighbour {
			key_ppm,
			limit,
			deposit,
			suspended,
			slots,
		})
}

fn price() -> impl Strategy<Value = u64> {
	prop_oneof![Just(0u64), 1u64..2_000, 50_000u64..500_000]
}

/// Numbers of the accounts of the members: one has two meters, one has none.
fn number(place: usize) -> u8 {
	[9, 20, 1, 2, 3, 4, 5, 6][place]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(100))]

	#[test]
	fn money_is_what_the_shares_say(
		neighbours in prop::collection::vec(neighbour(), 1..9),
		by_keys in any::<bool>(),
		price in price(),
		fee in price(),
		blocks in any::<bool>(),
	) {
		run(|| {
			let method = if by_keys { Method::StaticKeys } else { Method::ProportionalToNeed };
			let manager = account(MANAGER);
			assert_ok!(Communities::create(root(), ZONE, manager, method, price, fee, SLOT));
			for (place, neighbour) in neighbours.iter().enumerate() {
				let who = number(place);
				join_with(FIRST, who, neighbour.key_ppm, neighbour.limit, neighbour.deposit);
				if neighbour.suspended {
					suspend(who);
				}
				for (slot, (import, export, bought, sold)) in (SLOT.0..).zip(&neighbour.slots) {
					reads(Slot(slot), who, *import, *export);
					promises(Slot(slot), who, *bought, *sold);
				}
			}
			begin(Slot(SLOT.0 + SLOTS));
			if blocks {
				type W = crate::weights::ReckonedWeight<Test>;
				let limit = W::work_base() + W::look_at_slot() + W::look_at_community()
					+ Pallet::<Test>::most_to_read(PAGE).max(W::share(8)).max(W::part_base());
				for _ in 0..30 {
					idle(limit);
					assert_ok!(Communities::do_try_state());
				}
			}
			idle(Weight::MAX);
			assert_eq!(ProgressOf::<Test>::get(ZONE), Some(Progress::new(Slot(SLOT.0 + SLOTS))));

			let mut pots = (0, 0);
			let mut balances = vec![(0, 0); neighbours.len()];
			for (index, slot) in (0usize..).zip((SLOT.0..SLOT.0 + SLOTS).map(Slot)) {
				let (mut given, mut taken, mut paid, mut received) = (0, 0, 0, 0);
				let (mut surplus, mut need) = (0, 0);
				for (place, neighbour) in neighbours.iter().enumerate() {
					let (import, export, bought, sold) = neighbour.slots[index];
					let (import, export) =
						if number(place) == 20 { (0, 0) } else { (import, export) };
					let left = residual(bought, sold, import, export);
					let Some(share) = share_of(slot, number(place)) else { continue };
					assert!(!neighbour.suspended);
					assert!(share.given_wh <= left.surplus_wh && share.taken_wh <= left.need_wh);
					assert_eq!(share.received, cost_rounded_down(share.given_wh, price));
					assert_eq!(share.paid, cost_rounded_up(share.taken_wh, price));
					assert_eq!(share.grid_fee, cost_rounded_up(share.taken_wh, fee));
					let charged = share.paid + share.grid_fee;
					let (balance, spent) = &mut balances[place];
					assert!(charged <= neighbour.limit, "within the limit");
					*balance += share.received;
					*spent += charged;
					assert!(*spent <= neighbour.deposit, "within the deposit");
					given += share.given_wh;
					taken += share.taken_wh;
					paid += share.paid;
					received += share.received;
					pots.0 += share.grid_fee;
					surplus += left.surplus_wh;
					need += left.need_wh;
				}
				assert_eq!(given, taken);
				assert!(taken <= surplus && taken <= need);
				pots.1 += paid - received;
			}
			for (place, neighbour) in neighbours.iter().enumerate() {
				let (received, spent) = balances[place];
				assert_eq!(free(number(place)), MONEY - neighbour.deposit + received);
				assert_eq!(held(number(place)), neighbour.deposit - spent);
			}
			assert_eq!((fees(), imbalance()), pots);
			let shared = events(|event| matches!(event, Event::CommunityShared { .. }));
			assert_eq!(shared.len(), SLOTS as usize, "each slot once");
		});
	}

	#[test]
	fn invariants_hold_whatever_is_called_in_whatever_order(
		calls in prop::collection::vec((0u8..13, 0u8..3, 1u8..8, 0u32..600_000, 0u32..6), 1..60),
	) {
		run(|| {
			for (call, community, who, value, later) in calls {
				let id = CommunityId(community.into());
				let (member, amount) = (account(who), Balance::from(value) * 10);
				let manager = || signed(MANAGER);
				let from = Slot(Communities::first_with_notice(ZONE).0 + later);
				// Whether a call is refused does not matter here.
				let _ = match call {
					0 if NextCommunity::<Test>::get().0 < 3 => {
						create(if later < 3 {
							Method::StaticKeys
						} else {
							Method::ProportionalToNeed
						});
						Ok(())
					}
					1 | 2 => {
						Communities::invite(manager(), id, member.clone(), value).and_then(|()| {
							let deposit = MIN_DEPOSIT + amount;
							Communities::join(signed(who), id, value, amount, deposit)
						})
					}
					3 => Communities::leave(signed(who), id),
					4 => Communities::exclude(manager(), id, member),
					5 => {
						let keys = BoundedVec::truncate_from(vec![(member, value)]);
						Communities::set_keys(manager(), id, keys, from)
					}
					6 => Communities::set_price(manager(), id, value.into(), from),
					7 => Communities::set_limit(signed(who), id, amount),
					8 => Communities::deposit(signed(who), id, amount),
					9 => Communities::withdraw(signed(who), id, amount),
					10 if later == 0 => Communities::dissolve(root(), id),
					11 => {
						let now = Slot(Communities::first_open(ZONE).0.saturating_sub(1));
						let (import, export) = if value % 2 == 0 { (value, 0) } else { (0, value) };
						reads(now, who, import.into(), export.into());
						Ok(())
					}
					_ => {
						NowSeconds::mutate(|now| *now += u64::from(later) * 20);
						idle(if value % 3 == 0 { Weight::MAX } else {
							Weight::from_parts(u64::from(value) * 20_000, u64::MAX)
						});
						Ok(())
					}
				};
				assert_ok!(Communities::do_try_state());
			}
		});
	}
}
