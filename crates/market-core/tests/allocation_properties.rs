//! The fast sharing beside a slow and obvious one, in many random communities.

use energy_market_core::{
	affordable_wh, allocate, cost_rounded_up, delivery, residual, Allocation, AllocationMethod,
	Delivery, Key, Residual, MILLION,
};
use proptest::prelude::*;

/// A member: surplus, need, key.
type Member = (u64, u64, u32);

const METHODS: [AllocationMethod; 2] =
	[AllocationMethod::StaticKeys, AllocationMethod::ProportionalToNeed];

/// Some give, some take, some neither, some (which the pallet never asks for) both.
fn energy() -> impl Strategy<Value = u64> {
	prop_oneof![3 => Just(0), 3 => 1u64..20, 3 => 0u64..5_000, 1 => 0u64..1_000_000_000_000]
}

fn members() -> impl Strategy<Value = Vec<Member>> {
	let key = prop_oneof![1 => Just(0), 1 => 1u32..4, 3 => 0u32..40_000, 1 => Just(MILLION)];
	prop::collection::vec((energy(), energy(), key), 0..25)
}

fn share(members: &[Member], method: AllocationMethod) -> Allocation {
	let surplus: Vec<_> = members.iter().map(|member| member.0).collect();
	let need: Vec<_> = members.iter().map(|member| member.1).collect();
	let keys: Vec<_> = members.iter().map(|member| Key(member.2)).collect();
	allocate(&surplus, &need, &keys, method)
}

fn sum(parts: &[u64]) -> u128 {
	parts.iter().copied().map(u128::from).sum()
}

/// What each member takes, as a fraction: the numerators and the one denominator.
///
/// Static keys in rounds, as one would with pen and paper: everyone who is not satisfied is offered
/// its part of what is left; those who need no more than that are satisfied; until all the others
/// can take their part.
fn reference(members: &[Member], method: AllocationMethod) -> (Vec<u128>, u128) {
	let surplus: u128 = members.iter().map(|member| u128::from(member.0)).sum();
	if method == AllocationMethod::ProportionalToNeed {
		let need: u128 = members.iter().map(|member| u128::from(member.1)).sum();
		let volume = surplus.min(need);
		let parts = members.iter().map(|member| u128::from(member.1) * volume).collect();
		return (parts, need.max(1));
	}
	let keyed: u128 = members.iter().map(|member| u128::from(member.2)).sum();
	let mut left = surplus * keyed.min(MILLION.into()) / u128::from(MILLION);
	let mut satisfied = vec![false; members.len()];
	loop {
		let open: u128 = members
			.iter()
			.zip(&satisfied)
			.filter(|(_, satisfied)| !**satisfied)
			.map(|(member, _)| u128::from(member.2))
			.sum();
		let offered = left;
		let mut moved = false;
		for (&(_, need, key), satisfied) in members.iter().zip(&mut satisfied) {
			let fits = u128::from(need) * open <= offered * u128::from(key);
			if !*satisfied && key > 0 && fits {
				*satisfied = true;
				moved = true;
				left -= u128::from(need);
			}
		}
		if !moved {
			let open = open.max(1);
			let parts = members.iter().zip(satisfied).map(|(&(_, need, key), satisfied)| {
				if satisfied {
					u128::from(need) * open
				} else {
					left * u128::from(key)
				}
			});
			return (parts.collect(), open);
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(2_000))]

	#[test]
	fn everyone_takes_what_the_reference_says_rounded_down_or_up(members in members()) {
		for method in METHODS {
			let shared = share(&members, method);
			let (parts, whole) = reference(&members, method);
			for (taken, part) in shared.taken.into_iter().map(u128::from).zip(parts) {
				prop_assert!(taken == part / whole || taken == part.div_ceil(whole));
			}
		}
	}

	#[test]
	fn given_is_taken_and_is_the_volume_that_is_promised(members in members()) {
		let surplus: u128 = members.iter().map(|member| u128::from(member.0)).sum();
		let need_where = |taker: fn(&Member) -> bool| -> u128 {
			members.iter().filter(|member| taker(member)).map(|member| u128::from(member.1)).sum()
		};
		let keyed: u128 = members.iter().map(|member| u128::from(member.2)).sum();
		let pot = surplus * keyed.min(1_000_000) / 1_000_000;
		let by_keys = pot.min(need_where(|member| member.2 > 0));
		let volumes = [by_keys, surplus.min(need_where(|_| true))];
		for (method, volume) in METHODS.into_iter().zip(volumes) {
			let shared = share(&members, method);
			prop_assert_eq!(sum(&shared.given), volume);
			prop_assert_eq!(sum(&shared.taken), volume);
			prop_assert_eq!(u128::from(shared.volume_wh()), volume);
		}
	}

	#[test]
	fn nobody_gives_or_takes_more_than_it_has_or_needs(members in members()) {
		for method in METHODS {
			let shared = share(&members, method);
			prop_assert_eq!(shared.given.len(), members.len());
			prop_assert_eq!(shared.taken.len(), members.len());
			for (member, (given, taken)) in
				members.iter().zip(shared.given.into_iter().zip(shared.taken))
			{
				prop_assert!(given <= member.0 && taken <= member.1);
			}
		}
	}

	#[test]
	fn giving_is_in_proportion_to_surplus(members in members()) {
		let surplus: u128 = members.iter().map(|member| u128::from(member.0)).sum();
		for method in METHODS {
			let shared = share(&members, method);
			let volume = sum(&shared.given);
			for (member, given) in members.iter().zip(shared.given) {
				let part = u128::from(member.0) * volume;
				prop_assert!(
					u128::from(given) == part / surplus.max(1)
						|| u128::from(given) == part.div_ceil(surplus.max(1))
				);
			}
		}
	}

	#[test]
	fn order_of_the_members_moves_a_part_by_at_most_one_watt_hour(
		(members, shuffled) in members().prop_flat_map(|members| {
			let places: Vec<usize> = (0..members.len()).collect();
			(Just(members), Just(places).prop_shuffle())
		}),
	) {
		for method in METHODS {
			let shared = share(&members, method);
			let others: Vec<_> = shuffled.iter().map(|place| members[*place]).collect();
			let again = share(&others, method);
			for (place, (given, taken)) in
				shuffled.iter().zip(again.given.into_iter().zip(again.taken))
			{
				prop_assert!(shared.given[*place].abs_diff(given) <= 1);
				prop_assert!(shared.taken[*place].abs_diff(taken) <= 1);
			}
		}
	}

	#[test]
	fn nobody_takes_less_because_there_is_more(members in members(), more in 1u64..1_000) {
		prop_assume!(!members.is_empty());
		for method in METHODS {
			let before = share(&members, method);
			let mut sunnier = members.clone();
			sunnier[0].0 += more;
			let after = share(&sunnier, method);
			for (before, after) in before.taken.into_iter().zip(after.taken) {
				// Its exact part has not become smaller; its rounding may have turned.
				prop_assert!(after + 1 >= before);
			}
		}
	}

	#[test]
	fn whoever_needs_more_takes_no_less(members in members(), more in 1u64..1_000) {
		prop_assume!(!members.is_empty());
		for method in METHODS {
			let before = share(&members, method).taken[0];
			let mut hungrier = members.clone();
			hungrier[0].1 += more;
			prop_assert!(share(&hungrier, method).taken[0] >= before);
		}
	}

	#[test]
	fn any_input_is_shared_without_overflow(
		members in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..8),
	) {
		for method in METHODS {
			let shared = share(&members, method);
			prop_assert_eq!(sum(&shared.given), sum(&shared.taken));
			for (member, (given, taken)) in
				members.iter().zip(shared.given.into_iter().zip(shared.taken))
			{
				prop_assert!(given <= member.0 && taken <= member.1);
			}
		}
	}

	#[test]
	fn market_and_community_settle_the_metered_energy_once(
		bought in 0u64..3_000, sold in 0u64..3_000, import in 0u64..3_000, export in 0u64..3_000,
	) {
		let Residual { surplus_wh, need_wh } = residual(bought, sold, import, export);
		let (taken, delivered) = match delivery(bought, sold, import, export) {
			Delivery::Balanced => (0, 0),
			Delivery::Bought { taken, .. } => (taken, 0),
			Delivery::Sold { delivered, .. } => (0, delivered),
		};
		prop_assert_eq!(taken + need_wh, import.saturating_sub(export));
		prop_assert_eq!(delivered + surplus_wh, export.saturating_sub(import));
		prop_assert!(surplus_wh == 0 || need_wh == 0);
	}

	#[test]
	fn affordable_is_the_most_that_the_money_pays(
		need in prop_oneof![0u64..20_000, any::<u64>()],
		money in prop_oneof![0u128..50, 0u128..10_000_000, any::<u128>()],
		price in prop_oneof![0u64..5, 0u64..1_000_000, any::<u64>()],
		grid_fee in prop_oneof![0u64..5, 0u64..1_000_000, any::<u64>()],
	) {
		let cost = |energy| cost_rounded_up(energy, price) + cost_rounded_up(energy, grid_fee);
		let most = affordable_wh(need, money, price, grid_fee);
		prop_assert!(most <= need);
		prop_assert!(cost(most) <= money);
		prop_assert!(most == need || cost(most + 1) > money);
	}

	#[test]
	fn affordable_of_a_few_is_found_by_trying_all(
		need in 0u64..60, money in 0u128..120, price in 0u64..3_000, grid_fee in 0u64..3_000,
	) {
		let cost = |energy| cost_rounded_up(energy, price) + cost_rounded_up(energy, grid_fee);
		let tried = (0..=need).rev().find(|energy| cost(*energy) <= money);
		prop_assert_eq!(Some(affordable_wh(need, money, price, grid_fee)), tried);
	}
}
