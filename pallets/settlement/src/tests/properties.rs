//! Whatever is traded and whatever the meters say: the money is what an independent reckoning of
//! each account says, and its sum does not change.

use crate::mock::*;
use energy_primitives::{Side, SlotState};
use proptest::prelude::*;

proptest! {
	#![proptest_config(ProptestConfig::with_cases(200))]

	#[test]
	fn balances_are_what_the_bills_say(
		orders in prop::collection::vec(
			(1u8..13, any::<bool>(), 0u64..46, 1u64..3_000), 0..40,
		),
		meters in prop::collection::vec((0u64..2_000, 0u64..2_000), 14),
	) {
		run(|| {
			for (who, is_bid, tick, energy_wh) in orders {
				let side = if is_bid { Side::Bid } else { Side::Ask };
				place(who, side, 50_000 + tick * 10_000, energy_wh);
			}
			for (meter, (import_wh, export_wh)) in (0u8..).zip(meters) {
				reads(meter, import_wh, export_wh);
			}
			settle();
			if let Some(book) = pallet_energy_market::Books::<Test>::get(ZONE, SLOT) {
				assert_eq!(book.state, SlotState::Settled);
			}
			for who in 1u8..13 {
				let net = Settlement::bill(ZONE, SLOT, &account(who))
					.map_or(0, |bill| bill.flow.net().unwrap());
				assert_eq!(free(who) as i128, MONEY as i128 + net);
			}
		});
	}
}
