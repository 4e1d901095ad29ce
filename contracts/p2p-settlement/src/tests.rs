//! Tables for each rule, the extremes, and a comparison with the rules written down the slow way.

use super::*;

const TERMS: Terms = Terms {
	clearing_price: 150_000,
	grid_fee: 20_000,
	grid_fee_ppm: 0,
	tolerance_ppm: 0,
	single_price: false,
	shortage_price: 400_000,
	surplus_price: 30_000,
	shortage_wh: 0,
	surplus_wh: 0,
};

/// A position of the auction whose money covers everything.
fn position(bought_wh: u64, sold_wh: u64, import_wh: u64, export_wh: u64) -> Position {
	let held = i128::MAX as u128 / 2;
	Position { bought_wh, sold_wh, import_wh, export_wh, held, ..Default::default() }
}

/// What the runtime says that an auction's position is to pay and to receive.
fn priced(terms: &Terms, position: Position) -> Position {
	let amount = |energy_wh: u64| u128::from(energy_wh) * u128::from(terms.clearing_price);
	Position {
		payable_amount: amount(position.bought_wh).div_ceil(1_000),
		receivable_amount: amount(position.sold_wh) / 1_000,
		..position
	}
}

fn flow(terms: &Terms, position: Position) -> CashFlow {
	settle(terms, &priced(terms, position)).expect("no input overflows")
}

mod energy {
	use super::*;

	#[test]
	fn buyer_pays_and_seller_receives_the_clearing_price() {
		assert_eq!(flow(&TERMS, position(2_000, 0, 2_000, 0)).energy, -300_000);
		assert_eq!(flow(&TERMS, position(0, 2_000, 0, 2_000)).energy, 300_000);
		assert_eq!(flow(&TERMS, position(2_000, 500, 1_500, 0)).energy, -225_000);
	}

	#[test]
	fn buyer_rounds_up_and_seller_down() {
		let terms = Terms { clearing_price: 1, ..TERMS };
		for (energy_wh, paid, received) in
			[(0, 0, 0), (1, 1, 0), (999, 1, 0), (1_000, 1, 1), (1_001, 2, 1), (1_999, 2, 1)]
		{
			assert_eq!(flow(&terms, position(energy_wh, 0, energy_wh, 0)).energy, -paid);
			assert_eq!(flow(&terms, position(0, energy_wh, 0, energy_wh)).energy, received);
		}
	}

	#[test]
	fn pot_keeps_the_roundings_when_one_position_trades_with_itself() {
		let terms = Terms { clearing_price: 1, ..TERMS };
		assert_eq!(flow(&terms, position(1, 1, 0, 0)).energy, -1);
	}
}

mod imbalance {
	use super::*;

	#[test]
	fn net_buyer_gets_the_surplus_price_for_what_it_did_not_take() {
		for (import_wh, export_wh, expected) in [
			(1_000, 0, 0),
			// More than contracted is not this contract's business.
			(1_500, 0, 0),
			(400, 0, 18_000),
			(0, 0, 30_000),
			// A net export takes nothing, and not less than nothing.
			(0, 700, 30_000),
			(900, 500, 18_000),
		] {
			let flow = flow(&TERMS, position(1_000, 0, import_wh, export_wh));
			assert_eq!(flow.imbalance, expected, "import {import_wh}, export {export_wh}");
		}
	}

	#[test]
	fn net_seller_pays_the_shortage_price_for_what_it_did_not_deliver() {
		for (import_wh, export_wh, expected) in [
			(0, 1_000, 0),
			(0, 1_500, 0),
			(0, 400, -240_000),
			(0, 0, -400_000),
			(700, 0, -400_000),
			(500, 900, -240_000),
		] {
			let flow = flow(&TERMS, position(0, 1_000, import_wh, export_wh));
			assert_eq!(flow.imbalance, expected, "import {import_wh}, export {export_wh}");
		}
	}

	#[test]
	fn nothing_when_nothing_is_contracted_net() {
		for position in [position(0, 0, 0, 0), position(0, 0, 9, 5), position(700, 700, 0, 9_000)] {
			assert_eq!(flow(&TERMS, position).imbalance, 0);
		}
	}

	#[test]
	fn surplus_rounds_down_and_shortage_up() {
		let terms = Terms { shortage_price: 1, surplus_price: 1, ..TERMS };
		for (missing_wh, surplus, shortage) in
			[(1, 0, -1), (999, 0, -1), (1_000, 1, -1), (1_001, 1, -2)]
		{
			assert_eq!(flow(&terms, position(missing_wh, 0, 0, 0)).imbalance, surplus);
			assert_eq!(flow(&terms, position(0, missing_wh, 0, 0)).imbalance, shortage);
		}
	}
}

#[test]
fn grid_fee_is_paid_on_what_is_bought_and_rounds_up() {
	assert_eq!(flow(&TERMS, position(1_500, 0, 0, 0)).grid_fee, 30_000);
	assert_eq!(flow(&TERMS, position(0, 1_500, 0, 0)).grid_fee, 0);
	let terms = Terms { grid_fee: 1, ..TERMS };
	for (bought_wh, fee) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
		assert_eq!(flow(&terms, position(bought_wh, 0, 0, 0)).grid_fee, fee);
	}
}

mod extremes {
	use super::*;

	const MAX: u64 = u64::MAX;
	const DEAR: Terms = Terms {
		clearing_price: MAX,
		grid_fee: MAX,
		shortage_price: MAX,
		surplus_price: MAX,
		..TERMS
	};
	/// `(2^64 - 1)^2 / 1000`, with a remainder.
	const DOWN: i128 = 340_282_366_920_938_463_426_481_119_284_349_108;
	const UP: i128 = DOWN + 1;

	#[test]
	fn greatest_product_fits() {
		let square = u128::from(MAX) * u128::from(MAX);
		assert_eq!((square / 1_000) as i128, DOWN);
		assert_ne!(square % 1_000, 0);
	}

	#[test]
	fn no_input_overflows() {
		for (position, energy, imbalance, grid_fee) in [
			(position(MAX, 0, 0, 0), -UP, DOWN, UP as u128),
			(position(MAX, 0, MAX, 0), -UP, 0, UP as u128),
			(position(MAX, 0, 0, MAX), -UP, DOWN, UP as u128),
			(position(0, MAX, 0, 0), DOWN, -UP, 0),
			(position(0, MAX, 0, MAX), DOWN, 0, 0),
			(position(0, MAX, MAX, 0), DOWN, -UP, 0),
			(position(MAX, MAX, MAX, MAX), -1, 0, UP as u128),
			(position(0, 0, MAX, MAX), 0, 0, 0),
		] {
			assert_eq!(
				flow(&DEAR, position),
				CashFlow { energy, imbalance, grid_fee },
				"{position:?}"
			);
		}
	}
}

/// xorshift64*, enough to spread inputs over all magnitudes, the same on every run.
struct Numbers(u64);

impl Numbers {
	fn any(&mut self) -> u64 {
		self.0 ^= self.0 >> 12;
		self.0 ^= self.0 << 25;
		self.0 ^= self.0 >> 27;
		self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
	}

	/// Any magnitude is as likely as any other.
	fn spread(&mut self) -> u64 {
		let bits = self.any() % 65;
		self.any().checked_shr(64 - bits as u32).unwrap_or(0)
	}

	fn terms(&mut self) -> Terms {
		Terms {
			clearing_price: self.spread(),
			grid_fee: self.spread(),
			shortage_price: self.spread(),
			surplus_price: self.spread(),
			..TERMS
		}
	}

	fn position(&mut self) -> Position {
		position(self.spread(), self.spread(), self.spread(), self.spread())
	}
}

/// The rules word for word, in signed numbers.
fn by_the_book(terms: &Terms, position: &Position) -> CashFlow {
	// `div_euclid` rounds down for a positive divisor, whatever the sign.
	let floor = |energy_wh: i128, price: u64| {
		let (whole_kwh, rest_wh) = (energy_wh.div_euclid(1_000), energy_wh.rem_euclid(1_000));
		whole_kwh * i128::from(price) + (rest_wh * i128::from(price)).div_euclid(1_000)
	};
	let ceil = |energy_wh: i128, price: u64| -floor(-energy_wh, price);
	let [bought, sold, import, export] =
		[position.bought_wh, position.sold_wh, position.import_wh, position.export_wh]
			.map(i128::from);
	let (contracted, metered) = (bought - sold, import - export);
	let imbalance = match contracted {
		1.. => floor(contracted - metered.clamp(0, contracted), terms.surplus_price),
		0 => 0,
		_ => -ceil(-contracted - (-metered).clamp(0, -contracted), terms.shortage_price),
	};
	CashFlow {
		energy: floor(sold, terms.clearing_price) - ceil(bought, terms.clearing_price),
		imbalance,
		grid_fee: ceil(bought, terms.grid_fee) as u128,
	}
}

mod bond {
	use super::*;

	#[test]
	fn shortage_takes_no_more_than_what_is_committed_and_received() {
		let short = Position { held: 100_000, ..position(0, 1_000, 0, 0) };
		// 150,000 received and 100,000 committed against 400,000 owed.
		let flow = flow(&TERMS, short);
		assert_eq!((flow.energy, flow.imbalance), (150_000, -250_000));
	}

	#[test]
	fn surplus_is_paid_whatever_is_committed() {
		let untaken = Position { held: 0, ..position(1_000, 0, 0, 0) };
		assert_eq!(flow(&TERMS, untaken).imbalance, 30_000);
	}
}

mod bilateral {
	use super::*;

	#[test]
	fn each_trade_has_its_own_price() {
		let position = Position { payable_amount: 77, ..position(1_000, 0, 1_000, 0) };
		let flow = settle(&TERMS, &position).expect("no input overflows");
		assert_eq!((flow.energy, flow.imbalance, flow.grid_fee), (-77, 0, 20_000));
	}
}

#[test]
fn part_of_the_price_is_paid_to_the_grid() {
	let terms = Terms { grid_fee_ppm: 100_000, ..TERMS };
	assert_eq!(flow(&terms, position(1_000, 0, 1_000, 0)).grid_fee, 20_000 + 15_000);
}

#[test]
fn agrees_with_the_rules_written_down_the_slow_way() {
	let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
	for _ in 0..100_000 {
		let (terms, position) = (numbers.terms(), numbers.position());
		assert_eq!(
			flow(&terms, position),
			by_the_book(&terms, &position),
			"{terms:?} {position:?}"
		);
	}
}

#[test]
fn pot_never_runs_short_when_bought_equals_sold() {
	let mut numbers = Numbers(7);
	for _ in 0..1_000 {
		let terms = Terms { clearing_price: numbers.spread() >> 8, ..TERMS };
		let trades: Vec<_> = (0..20).map(|_| numbers.spread() >> 8).collect();
		let sold_wh: u64 = trades.iter().sum();
		let paid: i128 =
			trades.iter().map(|wh| flow(&terms, position(*wh, 0, *wh, 0)).energy).sum();
		let received = flow(&terms, position(0, sold_wh, 0, sold_wh)).energy;
		assert!(paid + received <= 0);
		// Each trade rounds by less than one minor unit.
		assert!(paid + received > -21);
	}
}
