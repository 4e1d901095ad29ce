//! Energy times price, and promises against meters.

/// Wh in a kWh.
const WH_PER_KWH: u128 = 1_000;

/// What a payer owes for `energy_wh` at `price` per kWh: rounded up, so that the pot never runs
/// short.
pub fn cost_rounded_up(energy_wh: u64, price: u64) -> u128 {
	// At most (2^64 - 1)^2 / 1000 + 1: no overflow.
	(u128::from(energy_wh) * u128::from(price)).div_ceil(WH_PER_KWH)
}

/// What a payee is owed for `energy_wh` at `price` per kWh: rounded down, so that the pot never
/// runs short.
pub fn cost_rounded_down(energy_wh: u64, price: u64) -> u128 {
	u128::from(energy_wh) * u128::from(price) / WH_PER_KWH
}

/// A promise beside what the meters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
	/// Nothing was promised on balance.
	Balanced,
	/// A net buyer.
	Bought {
		/// Energy that was bought and taken from the grid, Wh.
		taken: u64,
		/// Energy that was bought and not taken, Wh.
		untaken: u64,
	},
	/// A net seller.
	Sold {
		/// Energy that was sold and given to the grid, Wh.
		delivered: u64,
		/// Energy that was sold and not given to the grid, Wh.
		short: u64,
	},
}

/// Compares what a participant promised on balance with what its meters measured on balance.
///
/// Energy beyond the promise is not the market's: the participant's supplier settles it.
pub fn delivery(bought_wh: u64, sold_wh: u64, import_wh: u64, export_wh: u64) -> Delivery {
	let metered = i128::from(import_wh) - i128::from(export_wh);
	// What part of `promised` (which fits u64) the meters confirm.
	let confirmed = |promised: u64, metered: i128| metered.clamp(0, i128::from(promised)) as u64;
	if bought_wh > sold_wh {
		let promised = bought_wh - sold_wh;
		let taken = confirmed(promised, metered);
		Delivery::Bought { taken, untaken: promised - taken }
	} else if sold_wh > bought_wh {
		let promised = sold_wh - bought_wh;
		let delivered = confirmed(promised, -metered);
		Delivery::Sold { delivered, short: promised - delivered }
	} else {
		Delivery::Balanced
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn roundings_differ_by_one_unless_exact() {
		assert_eq!((cost_rounded_down(1, 1), cost_rounded_up(1, 1)), (0, 1));
		assert_eq!((cost_rounded_down(1_500, 2), cost_rounded_up(1_500, 2)), (3, 3));
		assert_eq!(cost_rounded_up(0, u64::MAX), 0);
		let largest = u128::from(u64::MAX) * u128::from(u64::MAX);
		assert_eq!(cost_rounded_down(u64::MAX, u64::MAX), largest / 1_000);
		assert_eq!(cost_rounded_up(u64::MAX, u64::MAX), largest / 1_000 + 1);
	}

	#[test]
	fn buyer_takes_at_most_what_it_bought() {
		assert_eq!(delivery(10, 0, 7, 0), Delivery::Bought { taken: 7, untaken: 3 });
		assert_eq!(delivery(10, 0, 70, 0), Delivery::Bought { taken: 10, untaken: 0 });
		assert_eq!(delivery(10, 0, 0, 5), Delivery::Bought { taken: 0, untaken: 10 });
		assert_eq!(delivery(10, 4, 7, 2), Delivery::Bought { taken: 5, untaken: 1 });
	}

	#[test]
	fn seller_delivers_at_most_what_it_sold() {
		assert_eq!(delivery(0, 10, 0, 7), Delivery::Sold { delivered: 7, short: 3 });
		assert_eq!(delivery(0, 10, 0, 70), Delivery::Sold { delivered: 10, short: 0 });
		assert_eq!(delivery(0, 10, 5, 0), Delivery::Sold { delivered: 0, short: 10 });
		assert_eq!(
			delivery(0, u64::MAX, u64::MAX, 0),
			Delivery::Sold { delivered: 0, short: u64::MAX }
		);
	}

	#[test]
	fn nothing_is_promised_when_bought_equals_sold() {
		assert_eq!(delivery(10, 10, 99, 0), Delivery::Balanced);
	}
}
