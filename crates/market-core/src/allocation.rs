//! What the members of an energy community share among themselves.
//!
//! Members that gave more to the grid than they sold have a *surplus*; members that took more from
//! it than they bought have a *need* ([`residual`]). [`allocate`] says who gives and who takes how
//! much. The methods are those of collective self-consumption under Articles 21 and 22 of Directive
//! (EU) 2018/2001: fixed keys, like the coefficients of the Spanish Royal Decree 244/2019 (Annex I)
//! and the static keys of the French *autoconsommation collective* (Code de l'énergie, article
//! L315-2), or in proportion to need.

use crate::{cost_rounded_up, MILLION};
use alloc::{vec, vec::Vec};

/// The most members that are looked at.
const MOST_MEMBERS: usize = 1 << 16;
/// Wh in a kWh.
const WH_PER_KWH: u128 = 1_000;

/// A member's part of the pot, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u32);

/// By what rule the surplus of a community is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationMethod {
	/// Each member has a fixed part of the surplus. What it does not need goes to the others by
	/// their keys. What no key stands for is not shared.
	StaticKeys,
	/// Each member has a part as large as its part of all need. Keys mean nothing.
	ProportionalToNeed,
}

/// Who gives and who takes, Wh, in the order of the members. Both sum to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
	/// What each member gives; at most its surplus.
	pub given: Vec<u64>,
	/// What each member takes; at most its need.
	pub taken: Vec<u64>,
}

impl Allocation {
	/// The energy that is shared, Wh.
	pub fn volume_wh(&self) -> u64 {
		sum(self.taken.iter().copied())
	}
}

/// Shares the surplus of some members among those that need it.
///
/// The three slices are in the order of the members; members past the shortest of them, or past the
/// 65,536th, take no part. Sums beyond `u64::MAX` are held there: what goes beyond is not shared.
///
/// With `S` the sum of the surplus, `N` that of the needs, `N₊` that of the needs of members with a
/// key, and `K` the sum of the keys, the volume is
///
/// - `min(floor(S * min(K, 1_000_000) / 1_000_000), N₊)` under
///   [`StaticKeys`](AllocationMethod::StaticKeys),
/// - `min(S, N)` under [`ProportionalToNeed`](AllocationMethod::ProportionalToNeed),
///
/// and both what is given and what is taken sum to it, to the watt-hour.
///
/// - *Given* is in proportion to surplus.
/// - *Taken* by static keys is `min(need, level * key)` with the one level at which it sums to the
///   volume: what comes of sharing by key again and again what members could not take, until nobody
///   is left who cannot take its part. A key sum beyond the whole counts as the whole.
/// - *Taken* in proportion is in proportion to need.
///
/// Fractions of a watt-hour telescope: a member has `floor(c₂ * V / Q) - floor(c₁ * V / Q)`, where
/// `c₁` and `c₂` are the sums of the weights before and after it and `Q` is that of all. So
/// every member has its exact part rounded down or up, and the order of the members moves it by at
/// most one watt-hour. The time is that of sorting the members.
///
/// ```
/// use energy_market_core::{allocate, AllocationMethod, Key};
/// // A roof has 900 Wh left. Half of them are the first flat's, which needs 100 only: the other
/// // two share what remains by their keys, 3 to 2.
/// let keys = [Key(0), Key(500_000), Key(300_000), Key(200_000)];
/// let (surplus, need) = ([900, 0, 0, 0], [0, 100, 5_000, 5_000]);
/// let shared = allocate(&surplus, &need, &keys, AllocationMethod::StaticKeys);
/// assert_eq!(shared.given, [900, 0, 0, 0]);
/// assert_eq!(shared.taken, [0, 100, 480, 320]);
/// ```
pub fn allocate(
	surplus_wh: &[u64],
	need_wh: &[u64],
	keys: &[Key],
	method: AllocationMethod,
) -> Allocation {
	let count = surplus_wh.len().min(need_wh.len()).min(keys.len()).min(MOST_MEMBERS);
	let (surplus_wh, need_wh) = (&surplus_wh[..count], &need_wh[..count]);
	let keys = &keys[..count];
	let surplus = sum(surplus_wh.iter().copied());
	let taken = match method {
		AllocationMethod::StaticKeys => by_keys(surplus, need_wh, keys),
		AllocationMethod::ProportionalToNeed => {
			let volume = surplus.min(sum(need_wh.iter().copied()));
			in_proportion(volume, need_wh.iter().copied())
		}
	};
	let volume = sum(taken.iter().copied());
	Allocation { given: in_proportion(volume, surplus_wh.iter().copied()), taken }
}

/// The sum, or the largest number.
fn sum(values: impl Iterator<Item = u64>) -> u64 {
	values.fold(0, u64::saturating_add)
}

/// Parts of `volume` in proportion to the weights. They sum to it if any weight is not zero. Where
/// `volume` is at most the sum of the weights, no part is larger than its weight.
fn in_proportion(volume: u64, weights: impl Iterator<Item = u64> + Clone) -> Vec<u64> {
	let total = sum(weights.clone());
	let share = |cumulative: u64| {
		// At most `volume`, because `cumulative <= total`.
		(u128::from(cumulative) * u128::from(volume))
			.checked_div(u128::from(total))
			.unwrap_or_default() as u64
	};
	let mut before = 0u64;
	weights
		.map(|weight| {
			let after = before.saturating_add(weight);
			let part = share(after).saturating_sub(share(before));
			before = after;
			part
		})
		.collect()
}

/// What members take of the surplus by their keys, nobody more than it needs.
fn by_keys(surplus: u64, need_wh: &[u64], keys: &[Key]) -> Vec<u64> {
	// Of those whose part is not known yet.
	let mut weights: Vec<u64> = keys.iter().map(|key| u64::from(key.0)).collect();
	let mut weight_sum = sum(weights.iter().copied());
	let keyed = u128::from(weight_sum.min(MILLION.into()));
	// At most `surplus`.
	let pot = (u128::from(surplus) * keyed / u128::from(MILLION)) as u64;
	let mut open: Vec<usize> = (0..keys.len()).filter(|member| weights[*member] > 0).collect();
	let mut left = pot.min(sum(open.iter().map(|member| need_wh[*member])));

	// Who needs the least for its key is satisfied first. The products are below 2^112.
	let product =
		|need: usize, weight: usize| u128::from(need_wh[need]) * u128::from(keys[weight].0);
	open.sort_by(|a, b| product(*a, *b).cmp(&product(*b, *a)));
	let mut taken = vec![0; keys.len()];
	for member in open {
		let (need, weight) = (need_wh[member], weights[member]);
		if u128::from(need) * u128::from(weight_sum) > u128::from(left) * u128::from(weight) {
			// It needs more than its part by key, and so do all after it.
			break;
		}
		taken[member] = need;
		left -= need;
		weight_sum -= weight;
		weights[member] = 0;
	}
	for (taken, part) in taken.iter_mut().zip(in_proportion(left, weights.into_iter())) {
		*taken += part;
	}
	taken
}

/// What a participant took or gave beyond what it promised, Wh. At most one is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residual {
	/// Given to the grid on balance, beyond what was sold on balance.
	pub surplus_wh: u64,
	/// Taken from the grid on balance, beyond what was bought on balance.
	pub need_wh: u64,
}

/// What the market has not settled of a participant's metered energy.
///
/// The complement of [`delivery`](crate::delivery): what was bought and taken, or sold and
/// delivered, is in that and not in this; what was bought and not taken, or sold and not
/// delivered, is an imbalance, which the market has settled too.
pub fn residual(bought_wh: u64, sold_wh: u64, import_wh: u64, export_wh: u64) -> Residual {
	Residual {
		surplus_wh: export_wh
			.saturating_sub(import_wh)
			.saturating_sub(sold_wh.saturating_sub(bought_wh)),
		need_wh: import_wh
			.saturating_sub(export_wh)
			.saturating_sub(bought_wh.saturating_sub(sold_wh)),
	}
}

/// The most of `need_wh` that `money` pays for, where each kWh costs `price` and `grid_fee`, and
/// each of the two costs is rounded up ([`cost_rounded_up`]).
pub fn affordable_wh(need_wh: u64, money: u128, price: u64, grid_fee: u64) -> u64 {
	// At most 2 * (2^128 / 1000 + 1).
	let pays = |energy_wh: u64| {
		cost_rounded_up(energy_wh, price) + cost_rounded_up(energy_wh, grid_fee) <= money
	};
	if pays(need_wh) {
		return need_wh;
	}
	// Here something costs something. The two roundings add less than two minor units.
	let both = u128::from(price) + u128::from(grid_fee);
	let without_rounding = |money: u128| {
		let energy = money.checked_mul(WH_PER_KWH).and_then(|money| money.checked_div(both));
		energy.and_then(|energy| u64::try_from(energy).ok()).unwrap_or(need_wh).min(need_wh)
	};
	// `pays(low)` holds and `pays(high + 1)` does not.
	let (mut low, mut high) = (without_rounding(money.saturating_sub(2)), without_rounding(money));
	if !pays(low) {
		// So much money that a thousand times as much is no number.
		low = 0;
	}
	while low < high {
		let middle = high - (high - low) / 2;
		if pays(middle) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	low
}

#[cfg(test)]
mod tests {
	use super::*;
	use AllocationMethod::{ProportionalToNeed, StaticKeys};

	fn keys(parts: &[u32]) -> Vec<Key> {
		parts.iter().copied().map(Key).collect()
	}

	#[test]
	fn nothing_is_shared_when_nobody_gives_or_nobody_takes() {
		for method in [StaticKeys, ProportionalToNeed] {
			for (surplus, need) in [([0, 0], [7, 7]), ([7, 7], [0, 0]), ([0, 0], [0, 0])] {
				let shared = allocate(&surplus, &need, &keys(&[500_000, 500_000]), method);
				assert_eq!((shared.given, shared.taken), (vec![0, 0], vec![0, 0]));
			}
			let nobody = allocate(&[], &[], &[], method);
			assert_eq!((nobody.volume_wh(), nobody.given.len()), (0, 0));
		}
	}

	#[test]
	fn part_without_key_is_not_shared() {
		let shared = allocate(&[1_001, 0], &[0, 9_000], &keys(&[0, 250_000]), StaticKeys);
		assert_eq!((shared.given, shared.taken), (vec![250, 0], vec![0, 250]));
	}

	#[test]
	fn member_without_key_takes_nothing_by_keys_and_its_part_in_proportion() {
		let (surplus, need, keys) = ([900, 0, 0], [0, 900, 900], keys(&[0, 1_000_000, 0]));
		assert_eq!(allocate(&surplus, &need, &keys, StaticKeys).taken, [0, 900, 0]);
		assert_eq!(allocate(&surplus, &need, &keys, ProportionalToNeed).taken, [0, 450, 450]);
	}

	#[test]
	fn what_members_cannot_take_goes_round_until_nothing_moves() {
		// Parts 250 each; the first takes 10, so 330 each; the second takes 300, so 345 each.
		let need = [10, 300, 344, 9_000, 0];
		let shared = allocate(
			&[0, 0, 0, 0, 1_000],
			&need,
			&keys(&[250_000, 250_000, 250_000, 250_000, 0]),
			StaticKeys,
		);
		assert_eq!(shared.taken, [10, 300, 344, 346, 0]);
		assert_eq!(shared.given, [0, 0, 0, 0, 1_000]);
	}

	#[test]
	fn everyone_is_satisfied_when_there_is_enough() {
		let shared = allocate(&[500, 500, 0], &[0, 0, 300], &keys(&[0, 0, 1_000_000]), StaticKeys);
		assert_eq!((shared.given, shared.taken), (vec![150, 150, 0], vec![0, 0, 300]));
	}

	#[test]
	fn keys_beyond_the_whole_count_as_the_whole() {
		let shared =
			allocate(&[900, 0, 0], &[0, 900, 900], &keys(&[0, u32::MAX, u32::MAX]), StaticKeys);
		assert_eq!(shared.taken, [0, 450, 450]);
	}

	#[test]
	fn members_past_the_shortest_list_take_no_part() {
		let shared = allocate(&[10, 10], &[5, 5, 5], &keys(&[1_000_000]), StaticKeys);
		assert_eq!((shared.given, shared.taken), (vec![5], vec![5]));
	}

	#[test]
	fn largest_energies_do_not_overflow() {
		for method in [StaticKeys, ProportionalToNeed] {
			let all = [u64::MAX; 3];
			let shared = allocate(&all, &all, &keys(&[u32::MAX; 3]), method);
			let sum = |parts: &[u64]| parts.iter().copied().map(u128::from).sum::<u128>();
			assert_eq!(sum(&shared.given), u128::from(u64::MAX));
			assert_eq!(sum(&shared.taken), u128::from(u64::MAX));
		}
	}

	#[test]
	fn residual_is_what_lies_beyond_the_promise() {
		let some = |surplus_wh, need_wh| Residual { surplus_wh, need_wh };
		assert_eq!(residual(0, 0, 7, 0), some(0, 7));
		assert_eq!(residual(0, 0, 2, 7), some(5, 0));
		assert_eq!(residual(10, 0, 17, 0), some(0, 7));
		assert_eq!(residual(10, 0, 7, 0), some(0, 0), "bought and not taken is an imbalance");
		assert_eq!(residual(10, 0, 0, 7), some(7, 0));
		assert_eq!(residual(0, 10, 0, 17), some(7, 0));
		assert_eq!(residual(0, 10, 0, 7), some(0, 0), "sold and not delivered is an imbalance");
		assert_eq!(residual(0, 10, 7, 0), some(0, 7));
		assert_eq!(residual(10, 4, 17, 1), some(0, 10));
		assert_eq!(residual(0, u64::MAX, u64::MAX, 0), some(0, u64::MAX));
	}

	#[test]
	fn affordable_is_bounded_by_money_and_both_roundings() {
		assert_eq!(affordable_wh(1_000, 0, 1, 0), 0);
		assert_eq!(affordable_wh(1_000, 0, 0, 0), 1_000, "what is free needs no money");
		// One watt-hour costs two minor units already, and so does everything up to a kWh.
		assert_eq!(affordable_wh(5_000, 1, 1, 1), 0);
		assert_eq!(affordable_wh(5_000, 2, 1, 1), 1_000);
		assert_eq!(affordable_wh(5_000, 3, 1, 1), 1_000);
		assert_eq!(affordable_wh(5_000, 100_000, 150_000, 50_000), 500);
		assert_eq!(affordable_wh(u64::MAX, u128::MAX, u64::MAX, u64::MAX), u64::MAX);
		let most = 2 * cost_rounded_up(u64::MAX, u64::MAX);
		assert_eq!(affordable_wh(u64::MAX, most - 1, u64::MAX, u64::MAX), u64::MAX - 1);
	}
}
