//! What is owed for the difference between a promise and the meters.
//!
//! # The rule
//!
//! 1. A net seller is *short* by what it sold and did not give to the grid; a net buyer leaves
//!    *untaken* what it bought and did not take. Energy beyond the promise is the supplier's, not
//!    the market's.
//! 2. *Tolerance*: a deviation within a part of the promise costs nothing beyond undoing the trade.
//! 3. With [`Pricing::Dual`], shortages and surpluses of a slot meet first: when `D` Wh are short
//!    beyond the tolerance and `S` Wh are left over, `min(D, S)` Wh of each side are *netted*, shared pro
//!    rata, rounded down. What is netted is undone like what is tolerated. The rest of the shortages
//!    pays the shortage price, the rest of the surpluses receives the surplus price.
//! 4. With [`Pricing::Single`] there is one price for all that is beyond the tolerance: the
//!    shortage price when the slot is short on balance, else the surplus price. Who deviates
//!    against the slot gains by it, as is the purpose of a single price.
//!
//! *Undoing* never gains: a seller gives back the larger of what it was to receive for the energy and
//! what it costs at the clearing price, rounded up; a buyer gets back the smaller of what it was to
//! pay and the worth at the clearing price, rounded down.
//!
//! Dual and single imbalance prices are the two designs of Commission Regulation (EU) 2017/2195,
//! Article 55.

use crate::{cost_rounded_down, cost_rounded_up, delivery, Delivery};

/// One million: the whole, where a part is given in parts per million.
pub const MILLION: u32 = 1_000_000;

/// Which imbalance prices apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
	/// Shortages and surpluses have a price each.
	Dual,
	/// One price for both, by the state of the slot.
	Single,
}

/// Deviations beyond the tolerance, summed over a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deviations {
	/// Sold and not delivered, Wh.
	pub shortage_wh: u64,
	/// Bought and not taken, Wh.
	pub surplus_wh: u64,
}

/// The prices and rules of a slot, prices in minor units per kWh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImbalanceTerms {
	/// The price of the auction; zero when nothing was traded in it.
	pub clearing_price: u64,
	/// The price of shortages.
	pub shortage_price: u64,
	/// The price of surpluses.
	pub surplus_price: u64,
	/// The part of a promise that may be missed, in parts per million.
	pub tolerance_ppm: u32,
	/// Which imbalance prices apply.
	pub pricing: Pricing,
	/// The sums of the slot.
	pub deviations: Deviations,
}

/// What a participant promised for a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
	/// Bought, Wh.
	pub bought_wh: u64,
	/// Sold, Wh.
	pub sold_wh: u64,
	/// To be paid for what was bought, minor units.
	pub payable: u128,
	/// To be received for what was sold, minor units.
	pub receivable: u128,
}

/// How far a participant missed its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
	/// Nothing was promised on balance, or the promise was kept.
	None,
	/// Bought and not taken.
	Untaken {
		/// Within the tolerance, Wh.
		tolerated: u64,
		/// Beyond it, Wh.
		beyond: u64,
	},
	/// Sold and not delivered.
	Short {
		/// Within the tolerance, Wh.
		tolerated: u64,
		/// Beyond it, Wh.
		beyond: u64,
	},
}

/// Compares a promise with the meters. The tolerance is a part of the net promise, rounded down.
pub fn deviation(
	bought_wh: u64,
	sold_wh: u64,
	import_wh: u64,
	export_wh: u64,
	tolerance_ppm: u32,
) -> Deviation {
	let split = |missed: u64, promised: u64| {
		let band =
			u128::from(promised) * u128::from(tolerance_ppm.min(MILLION)) / u128::from(MILLION);
		// At most `promised`, so it fits.
		let tolerated = missed.min(band as u64);
		(tolerated, missed - tolerated)
	};
	match delivery(bought_wh, sold_wh, import_wh, export_wh) {
		Delivery::Bought { taken, untaken } if untaken > 0 => {
			let (tolerated, beyond) = split(untaken, taken + untaken);
			Deviation::Untaken { tolerated, beyond }
		}
		Delivery::Sold { delivered, short } if short > 0 => {
			let (tolerated, beyond) = split(short, delivered + short);
			Deviation::Short { tolerated, beyond }
		}
		_ => Deviation::None,
	}
}

impl Deviations {
	/// Adds a participant's deviation. Sums beyond the largest number are held at it.
	pub fn add(&mut self, deviation: Deviation) {
		match deviation {
			Deviation::None => {}
			Deviation::Untaken { beyond, .. } => {
				self.surplus_wh = self.surplus_wh.saturating_add(beyond)
			}
			Deviation::Short { beyond, .. } => {
				self.shortage_wh = self.shortage_wh.saturating_add(beyond)
			}
		}
	}
}

impl ImbalanceTerms {
	/// What of `beyond`, on a side with `total`, meets the other side, Wh.
	fn netted(&self, beyond: u64, total: u64) -> u64 {
		let matched = match self.pricing {
			Pricing::Dual => self.deviations.shortage_wh.min(self.deviations.surplus_wh),
			Pricing::Single => 0,
		};
		let share = u128::from(beyond) * u128::from(matched);
		// At most `beyond`, because `matched` is at most `total`.
		share.checked_div(u128::from(total)).unwrap_or(0).min(beyond.into()) as u64
	}
}

/// What a participant receives for its deviation, minor units; negative: pays. `None` if the
/// amount exceeds 127 bits, which no real energy and price do.
pub fn imbalance(
	terms: &ImbalanceTerms,
	promise: &Promise,
	import_wh: u64,
	export_wh: u64,
) -> Option<i128> {
	let Promise { bought_wh, sold_wh, payable, receivable } = *promise;
	let totals = terms.deviations;
	let single = if totals.shortage_wh > totals.surplus_wh {
		terms.shortage_price
	} else {
		terms.surplus_price
	};
	match deviation(bought_wh, sold_wh, import_wh, export_wh, terms.tolerance_ppm) {
		Deviation::None => Some(0),
		Deviation::Untaken { tolerated, beyond } => {
			let netted = terms.netted(beyond, totals.surplus_wh);
			// At most what was bought.
			let undone = tolerated + netted;
			let paid_back = part_rounded_down(payable, undone, bought_wh)
				.min(cost_rounded_down(undone, terms.clearing_price));
			let price = match terms.pricing {
				Pricing::Dual => terms.surplus_price,
				Pricing::Single => single,
			};
			i128::try_from(paid_back.checked_add(cost_rounded_down(beyond - netted, price))?).ok()
		}
		Deviation::Short { tolerated, beyond } => {
			let netted = terms.netted(beyond, totals.shortage_wh);
			let undone = tolerated + netted;
			let given_back = part_rounded_up(receivable, undone, sold_wh)
				.max(cost_rounded_up(undone, terms.clearing_price));
			let price = match terms.pricing {
				Pricing::Dual => terms.shortage_price,
				Pricing::Single => single,
			};
			let owed = given_back.checked_add(cost_rounded_up(beyond - netted, price))?;
			i128::try_from(owed).ok()?.checked_neg()
		}
	}
}

/// What a grid takes: a price per kWh bought and a part of what is paid for it, each rounded up.
pub fn grid_fee(energy_wh: u64, payable: u128, fee_per_kwh: u64, fee_ppm: u32) -> u128 {
	cost_rounded_up(energy_wh, fee_per_kwh).saturating_add(part_rounded_up(
		payable,
		fee_ppm.into(),
		MILLION.into(),
	))
}

/// `floor(amount * part / whole)`; zero when there is no whole. `part` must not exceed `whole`, or
/// the result is held at the largest number.
pub fn part_rounded_down(amount: u128, part: u64, whole: u64) -> u128 {
	let Some((quotient, remainder)) = divide(amount, whole) else { return 0 };
	// The remainder is below 2^64, so its product is below 2^128.
	quotient
		.saturating_mul(part.into())
		.saturating_add(remainder * u128::from(part) / u128::from(whole))
}

/// `ceil(amount * part / whole)`; zero when there is no whole. `part` must not exceed `whole`, or
/// the result is held at the largest number.
pub fn part_rounded_up(amount: u128, part: u64, whole: u64) -> u128 {
	let Some((quotient, remainder)) = divide(amount, whole) else { return 0 };
	quotient
		.saturating_mul(part.into())
		.saturating_add((remainder * u128::from(part)).div_ceil(u128::from(whole)))
}

fn divide(amount: u128, whole: u64) -> Option<(u128, u128)> {
	let whole = u128::from(whole);
	Some((amount.checked_div(whole)?, amount.checked_rem(whole)?))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn terms() -> ImbalanceTerms {
		ImbalanceTerms {
			clearing_price: 300_000,
			shortage_price: 600_000,
			surplus_price: 40_000,
			tolerance_ppm: 0,
			pricing: Pricing::Dual,
			deviations: Deviations::default(),
		}
	}

	fn seller() -> Promise {
		Promise { sold_wh: 1_000, receivable: 300_000, ..Default::default() }
	}

	fn buyer() -> Promise {
		Promise { bought_wh: 1_000, payable: 300_000, ..Default::default() }
	}

	#[test]
	fn kept_promise_costs_nothing() {
		assert_eq!(imbalance(&terms(), &seller(), 0, 1_000), Some(0));
		assert_eq!(imbalance(&terms(), &buyer(), 2_000, 0), Some(0));
	}

	#[test]
	fn lone_deviation_is_settled_at_its_price() {
		assert_eq!(imbalance(&terms(), &seller(), 0, 600), Some(-240_000));
		assert_eq!(imbalance(&terms(), &buyer(), 600, 0), Some(16_000));
	}

	#[test]
	fn tolerated_deviation_undoes_the_trade() {
		let terms = ImbalanceTerms { tolerance_ppm: 100_000, ..terms() };
		// 100 Wh undone at 0.30, 300 Wh at 0.60.
		assert_eq!(imbalance(&terms, &seller(), 0, 600), Some(-210_000));
		assert_eq!(imbalance(&terms, &buyer(), 600, 0), Some(30_000 + 12_000));
		// A trade above the clearing price does not pay when it is not delivered, ...
		let dear = Promise { receivable: 500_000, ..seller() };
		assert_eq!(imbalance(&terms, &dear, 0, 900), Some(-50_000));
		// ... nor does one below it when it is not taken.
		let cheap = Promise { payable: 100_000, ..buyer() };
		assert_eq!(imbalance(&terms, &cheap, 900, 0), Some(10_000));
	}

	#[test]
	fn shortages_and_surpluses_are_netted_pro_rata() {
		let deviations = Deviations { shortage_wh: 800, surplus_wh: 400 };
		let terms = ImbalanceTerms { deviations, ..terms() };
		// Half of the shortage is netted, all of the surplus.
		assert_eq!(imbalance(&terms, &seller(), 0, 600), Some(-60_000 - 120_000));
		assert_eq!(imbalance(&terms, &buyer(), 600, 0), Some(120_000));
	}

	#[test]
	fn single_price_follows_the_slot() {
		let single = ImbalanceTerms { pricing: Pricing::Single, ..terms() };
		let short = Deviations { shortage_wh: 800, surplus_wh: 400 };
		let long = Deviations { shortage_wh: 400, surplus_wh: 800 };
		let terms = |deviations| ImbalanceTerms { deviations, ..single };
		let seller = |deviations| imbalance(&terms(deviations), &seller(), 0, 600);
		assert_eq!((seller(short), seller(long)), (Some(-240_000), Some(-16_000)));
		let buyer = |deviations| imbalance(&terms(deviations), &buyer(), 600, 0);
		assert_eq!((buyer(short), buyer(long)), (Some(240_000), Some(16_000)));
	}

	#[test]
	fn parts_are_exact_and_do_not_overflow() {
		assert_eq!((part_rounded_down(10, 1, 3), part_rounded_up(10, 1, 3)), (3, 4));
		assert_eq!((part_rounded_down(9, 1, 3), part_rounded_up(9, 1, 3)), (3, 3));
		assert_eq!((part_rounded_down(9, 1, 0), part_rounded_up(9, 1, 0)), (0, 0));
		assert_eq!(part_rounded_down(u128::MAX, u64::MAX, u64::MAX), u128::MAX);
		assert_eq!(part_rounded_up(u128::MAX, u64::MAX, u64::MAX), u128::MAX);
		assert_eq!(grid_fee(1_000, 300_000, 30_000, 20_000), 30_000 + 6_000);
	}
}
