//! Splitting a whole number of watt-hours so that the parts add up to it exactly.

/// Splits `total_wh` in proportion to `weights`.
///
/// Cumulative rounding: part `i` is `floor(total * W(i) / W) - floor(total * W(i-1) / W)` where
/// `W(i)` is the sum of the first `i + 1` weights and `W` the sum of all. So the parts add up to the
/// total to the watt-hour, none is negative, each is less than one watt-hour away from its exact
/// share, and a part with weight zero is zero. If every weight is zero all count the same.
///
/// `None` when there is no part, or when `total * W` does not fit in a `u128`.
pub fn apportion(total_wh: u64, weights: &[u64]) -> Option<Vec<u64>> {
	if weights.is_empty() {
		return None;
	}
	let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
	if sum == 0 {
		return apportion(total_wh, &vec![1; weights.len()]);
	}
	let mut cumulated: u128 = 0;
	let mut given: u64 = 0;
	weights
		.iter()
		.map(|weight| {
			cumulated = cumulated.checked_add((*weight).into())?;
			let until = u128::from(total_wh).checked_mul(cumulated)? / sum;
			let until = u64::try_from(until).ok()?;
			let part = until.checked_sub(given)?;
			given = until;
			Some(part)
		})
		.collect()
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn apportion_gives_these_parts_when_computed_by_hand() {
		assert_eq!(apportion(10, &[1, 1, 1]), Some(vec![3, 3, 4]));
		assert_eq!(apportion(10, &[0, 5, 0]), Some(vec![0, 10, 0]));
		assert_eq!(apportion(7, &[0, 0]), Some(vec![3, 4]));
		assert_eq!(apportion(0, &[3, 4]), Some(vec![0, 0]));
		assert_eq!(apportion(u64::MAX, &[u64::MAX]), Some(vec![u64::MAX]));
	}

	#[test]
	fn apportion_is_none_when_it_cannot_be_computed() {
		assert_eq!(apportion(1, &[]), None);
		assert_eq!(apportion(u64::MAX, &[u64::MAX, u64::MAX, u64::MAX]), None);
	}

	proptest! {
		#[test]
		fn parts_sum_exactly_and_stay_within_one_of_the_share(
			total in 0u64..1 << 50,
			weights in proptest::collection::vec(0u64..1 << 40, 1..100),
		) {
			let parts = apportion(total, &weights).unwrap();
			prop_assert_eq!(parts.iter().sum::<u64>(), total);
			let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
			if sum > 0 {
				for (part, weight) in parts.iter().zip(&weights) {
					// |part - total * weight / sum| < 1, multiplied by sum.
					let exact = u128::from(total) * u128::from(*weight);
					prop_assert!((u128::from(*part) * sum).abs_diff(exact) < sum);
					prop_assert!(*weight != 0 || *part == 0);
				}
			}
		}
	}
}
