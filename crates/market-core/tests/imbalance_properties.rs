//! What deviations cost: nobody gains by one, and the pot is never worse off for netting.

use energy_market_core::{
	cost_rounded_down, cost_rounded_up, deviation, imbalance, Deviations, ImbalanceTerms, Pricing,
	Promise,
};
use proptest::prelude::*;

const SURPLUS_PRICE: u64 = 20_000;
const SHORTAGE_PRICE: u64 = 600_000;

/// A participant: bought, sold, what it pays and receives per kWh, import and export.
type Participant = (u64, u64, u64, u64, u64, u64);

fn participants() -> impl Strategy<Value = Vec<Participant>> {
	let price = || 50_000u64..500_000;
	prop::collection::vec(
		(0u64..3_000, 0u64..3_000, price(), price(), 0u64..4_000, 0u64..4_000),
		1..20,
	)
}

fn promise((bought_wh, sold_wh, pays, receives, ..): Participant) -> Promise {
	Promise {
		bought_wh,
		sold_wh,
		payable: cost_rounded_up(bought_wh, pays),
		receivable: cost_rounded_down(sold_wh, receives),
	}
}

fn terms(
	participants: &[Participant],
	clearing_price: u64,
	tolerance_ppm: u32,
	pricing: Pricing,
) -> ImbalanceTerms {
	let mut deviations = Deviations::default();
	for &(bought, sold, _, _, import, export) in participants {
		deviations.add(deviation(bought, sold, import, export, tolerance_ppm));
	}
	ImbalanceTerms {
		clearing_price,
		shortage_price: SHORTAGE_PRICE,
		surplus_price: SURPLUS_PRICE,
		tolerance_ppm,
		pricing,
		deviations,
	}
}

fn owed(terms: &ImbalanceTerms, participant: Participant) -> i128 {
	let (_, _, _, _, import, export) = participant;
	imbalance(terms, &promise(participant), import, export).expect("it fits")
}

/// The dual rule word for word, in fractions of a thousandth of a minor unit, without a rounding.
fn slowly(terms: &ImbalanceTerms, participant: Participant) -> f64 {
	let (bought, sold, _, _, import, export) = participant;
	let promise = promise(participant);
	let net = bought as f64 - sold as f64;
	let metered = import as f64 - export as f64;
	let (short, surplus) =
		(terms.deviations.shortage_wh as f64, terms.deviations.surplus_wh as f64);
	let (missed, promised) = if net > 0.0 {
		(net - metered.clamp(0.0, net), net)
	} else {
		(-net - (-metered).clamp(0.0, -net), -net)
	};
	let tolerated = missed.min((promised * f64::from(terms.tolerance_ppm) / 1e6).floor());
	let beyond = missed - tolerated;
	let total = if net > 0.0 { surplus } else { short };
	let netted = if total > 0.0 { (beyond * short.min(surplus) / total).floor() } else { 0.0 };
	let undone = tolerated + netted;
	if net > 0.0 {
		let own = promise.payable as f64 * undone / bought as f64;
		own.min(undone * terms.clearing_price as f64 / 1e3)
			+ (beyond - netted) * SURPLUS_PRICE as f64 / 1e3
	} else if net < 0.0 {
		let own = promise.receivable as f64 * undone / sold as f64;
		-own.max(undone * terms.clearing_price as f64 / 1e3)
			- (beyond - netted) * SHORTAGE_PRICE as f64 / 1e3
	} else {
		0.0
	}
}

fn cases() -> u32 {
	std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(cases()))]

	#[test]
	fn amounts_are_those_of_the_rule_but_for_roundings(
		participants in participants(),
		clearing_price in 50_000u64..500_000,
		tolerance_ppm in 0u32..300_000,
	) {
		let terms = terms(&participants, clearing_price, tolerance_ppm, Pricing::Dual);
		for participant in participants {
			let difference = owed(&terms, participant) as f64 - slowly(&terms, participant);
			// Two parts, each rounded in favour of the pot.
			prop_assert!((-2.01..=0.01).contains(&difference), "{difference}");
		}
	}

	#[test]
	fn nobody_gains_by_a_deviation_under_dual_prices(
		participants in participants(),
		clearing_price in 50_000u64..500_000,
		tolerance_ppm in 0u32..300_000,
	) {
		let terms = terms(&participants, clearing_price, tolerance_ppm, Pricing::Dual);
		for participant in participants {
			let Promise { bought_wh, sold_wh, payable, receivable } = promise(participant);
			let owed = owed(&terms, participant);
			// A seller gives back at least what it receives for what it did not deliver; a buyer gets
			// back at most what it pays for what it did not take.
			let (import, export) = (participant.4, participant.5);
			let net = i128::from(bought_wh) - i128::from(sold_wh);
			let metered = i128::from(import) - i128::from(export);
			if net > 0 {
				let untaken = net - metered.clamp(0, net);
				let paid = payable as i128 * untaken / i128::from(bought_wh) + 1;
				prop_assert!((0..=paid).contains(&owed));
			} else if net < 0 {
				let short = -net - (-metered).clamp(0, -net);
				let received = receivable as i128 * short / i128::from(sold_wh);
				prop_assert!(owed <= -received);
			}
		}
	}

	#[test]
	fn pot_pays_for_netted_and_tolerated_energy_only_what_sellers_and_buyers_gave_up(
		participants in participants(),
		clearing_price in 50_000u64..500_000,
	) {
		let terms = terms(&participants, clearing_price, 0, Pricing::Dual);
		let pot: i128 = -participants.iter().map(|who| owed(&terms, *who)).sum::<i128>();
		let Deviations { shortage_wh, surplus_wh } = terms.deviations;
		// What is netted brings in at least what it takes out, but for what each pro-rata share is
		// rounded down by: a watt-hour at most.
		let rest = cost_rounded_down(shortage_wh.saturating_sub(surplus_wh), SHORTAGE_PRICE) as i128
			- cost_rounded_up(surplus_wh.saturating_sub(shortage_wh), SURPLUS_PRICE) as i128;
		let roundings = participants.len() as i128 * (clearing_price as i128 / 1_000 + 2);
		prop_assert!(pot >= rest - roundings, "{pot} {rest}");
	}

	#[test]
	fn single_price_is_one_price_and_the_pot_never_loses_more_than_the_balance(
		participants in participants(),
		clearing_price in 50_000u64..500_000,
	) {
		let terms = terms(&participants, clearing_price, 0, Pricing::Single);
		let pot: i128 = -participants.iter().map(|who| owed(&terms, *who)).sum::<i128>();
		let Deviations { shortage_wh, surplus_wh } = terms.deviations;
		let expected = if shortage_wh > surplus_wh {
			cost_rounded_down(shortage_wh - surplus_wh, SHORTAGE_PRICE) as i128
		} else {
			-(cost_rounded_up(surplus_wh - shortage_wh, SURPLUS_PRICE) as i128)
		};
		prop_assert!((expected..=expected + 2 * participants.len() as i128).contains(&pot));
	}
}
