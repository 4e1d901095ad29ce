use super::*;
use crate::canonical::DeviceKey;
use curve25519_dalek::constants::EIGHT_TORSION;

/// Bytes that look random, the same for the same seed.
fn random(seed: u64, equations: usize) -> Vec<[u8; RANDOM_BYTES]> {
	(0..equations as u64)
		.map(|number| {
			let hash = Sha512::new()
				.chain_update(seed.to_le_bytes())
				.chain_update(number.to_le_bytes())
				.finalize();
			let mut bytes = [0; RANDOM_BYTES];
			bytes.copy_from_slice(&hash[..RANDOM_BYTES]);
			bytes
		})
		.collect()
}

/// An equation that holds.
fn good(number: u64) -> Equation {
	let (secret, nonce) = (Scalar::from(number + 1), Scalar::from(number + 1_000_000));
	let challenge = Scalar::from(number * number + 7);
	Equation {
		s: nonce + challenge * secret,
		nonce_point: EdwardsPoint::mul_base(&nonce),
		challenge,
		key_point: EdwardsPoint::mul_base(&secret),
	}
}

fn good_ones(number: u64) -> Vec<Equation> {
	(0..number).map(good).collect()
}

fn hold(equations: &[Equation], seed: u64) -> Vec<bool> {
	which_hold_with(equations, &random(seed, equations.len()))
}

fn weighted(equations: &[Equation], seed: u64) -> Vec<Weighted> {
	let random = random(seed, equations.len());
	equations.iter().zip(&random).map(|(equation, random)| equation.weighted(random)).collect()
}

/// A point with its picks; the rest is of no account to the test of the group.
fn picked(nonce_point: EdwardsPoint, picks: u64) -> Weighted {
	Weighted { nonce_point, picks, ..good(0).weighted(&[0; RANDOM_BYTES]) }
}

#[test]
fn good_equations_hold_together() {
	let equations = good_ones(9);
	assert_eq!(hold(&equations, 1), [true; 9]);
	assert_eq!(hold(&equations[..1], 1), [true]);
	assert!(hold(&[], 1).is_empty());
}

#[test]
fn equation_without_random_bytes_is_not_said_to_hold() {
	assert_eq!(which_hold_with(&good_ones(5), &random(1, 4)), [true; 4]);
}

#[test]
fn one_wrong_value_among_good_ones_is_found() {
	for place in 0..3 {
		let with = |change: fn(&mut Equation)| {
			let mut equations = good_ones(3);
			change(&mut equations[place]);
			hold(&equations, 1)
		};
		assert_eq!(with(|one| one.s += Scalar::ONE), [false; 3]);
		assert_eq!(with(|one| one.challenge += Scalar::ONE), [false; 3]);
		assert_eq!(with(|one| one.nonce_point += ED25519_BASEPOINT_POINT), [false; 3]);
		assert_eq!(with(|one| one.key_point += ED25519_BASEPOINT_POINT), [false; 3]);
	}
	// Two wrong ones that cancel each other out, were it not for the random factors.
	let mut equations = good_ones(3);
	equations[0].s += Scalar::ONE;
	equations[1].s -= Scalar::ONE;
	assert_eq!(hold(&equations, 1), [false; 3]);
}

#[test]
fn halves_without_a_bad_equation_hold() {
	for bad in [0, 77, 127] {
		let mut equations = good_ones(128);
		equations[bad].s += Scalar::ONE;
		// Quarters of 32 are halved once more; those of 16 are not.
		let quarter = bad / 16 * 16..bad / 16 * 16 + 16;
		let expected: Vec<bool> = (0..128).map(|place| !quarter.contains(&place)).collect();
		assert_eq!(hold(&equations, 1), expected, "bad: {bad}");
	}
}

#[test]
fn work_on_halves_is_bounded_when_all_is_bad() {
	let mut equations = good_ones(128);
	equations.iter_mut().for_each(|equation| equation.s += Scalar::ONE);
	let weighted = weighted(&equations, 1);
	let (mut known, mut work) = (vec![false; 128], 200);
	halve(&weighted, &mut known, &mut work);
	assert_eq!(known, [false; 128]);
	// 64 + 32 + 16 + 16 + 32 + 16 + 16 are spent, and 64 are not left.
	assert_eq!(work, 8);
	assert_eq!(hold(&equations, 1), [false; 128]);
}

/// A thousand batches with one, two or three nonce points of which a part is of small order, some
/// of them chosen to cancel each other out. The sum of the equations alone lets many pass.
#[test]
fn nonce_points_outside_of_the_group_are_found_also_where_the_sum_vanishes() {
	let mut vanished = 0;
	for seed in 0..1_000 {
		let mut equations = good_ones(3);
		let small = &EIGHT_TORSION[1 + seed as usize % 7];
		equations[seed as usize % 3].nonce_point += small;
		match seed / 7 % 4 {
			0 => {}
			1 => equations[(seed as usize + 1) % 3].nonce_point -= small,
			2 => equations[(seed as usize + 1) % 3].nonce_point += small,
			_ => equations.iter_mut().for_each(|one| one.nonce_point += EIGHT_TORSION[4]),
		}
		if equations.iter().all(|one| is_in_group(&one.nonce_point)) {
			continue;
		}
		let weighted = weighted(&equations, seed);
		vanished += usize::from(sum_vanishes(&weighted));
		assert!(!are_in_group(&weighted), "seed {seed}");
		assert_eq!(hold(&equations, seed), [false; 3], "seed {seed}");
	}
	assert!(vanished > 100, "{vanished}");
}

/// The claim on which the chance of 2^-64 rests: a sum lies in the group at most every second time,
/// however the points outside are chosen. Counted over all picks.
#[test]
fn at_most_half_of_the_sums_are_in_the_group() {
	const POINTS: usize = 4;
	for small in 1..8u8.pow(POINTS as u32 - 1) {
		// Multiples of a point of order 8, the last one always of order 2.
		let multiples: [usize; POINTS] =
			[usize::from(small % 8), usize::from(small / 8 % 8), usize::from(small / 64), 4];
		let inside = (0..1u32 << POINTS)
			.filter(|picks| {
				let sum: EdwardsPoint = (0..POINTS)
					.filter(|point| picks >> point & 1 == 1)
					.map(|point| EIGHT_TORSION[multiples[point]])
					.sum();
				sum.is_identity()
			})
			.count();
		assert!(inside <= 1 << (POINTS - 1), "{multiples:?}: {inside}");
	}
}

#[test]
fn each_bit_of_the_picks_counts() {
	let (outside, inside) = (EIGHT_TORSION[1] + ED25519_BASEPOINT_POINT, ED25519_BASEPOINT_POINT);
	assert!(are_in_group(&[picked(outside, 0), picked(inside, u64::MAX)]));
	for bit in 0..GROUP_TESTS {
		let points = [picked(outside, 1 << bit), picked(inside, u64::MAX)];
		assert!(!are_in_group(&points), "bit {bit}");
	}
}

/// Two points that cancel each other out in the sums of the highest bits, not in a lower one.
#[test]
fn lower_bits_count_of_points_that_have_a_higher_one() {
	let highest = (0..GROUP_TESTS)
		.filter(|bit| bit % WINDOW == WINDOW - 1 || bit + 1 == GROUP_TESTS)
		.fold(0, |bits, bit| bits | 1u64 << bit);
	let small = EIGHT_TORSION[1];
	assert!(are_in_group(&[picked(small, highest), picked(-small, highest)]));
	for bit in (0..GROUP_TESTS).filter(|bit| highest >> bit & 1 == 0) {
		let points = [picked(small, highest | 1 << bit), picked(-small, highest)];
		assert!(!are_in_group(&points), "bit {bit}");
	}
}

#[test]
fn random_bytes_are_the_factor_and_then_the_picks() {
	let bytes: [u8; RANDOM_BYTES] = std::array::from_fn(|index| index as u8);
	let weighted = good(1).weighted(&bytes);
	assert_eq!(weighted.nonce_factor, Scalar::from(0x0f0e0d0c_0b0a0908_07060504_03020100u128));
	assert_eq!(weighted.picks, 0x17161514_13121110);
}

fn is_equation(key: &DeviceKey, nonce_point: [u8; 32], s: [u8; 32]) -> bool {
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(&nonce_point);
	signature[32..].copy_from_slice(&s);
	let signature = DeviceSignature::Ed25519(signature);
	Equation::new(&[], &signature, &PreparedKey::from(key)).is_some()
}

#[test]
fn encoding_that_is_not_canonical_or_of_small_order_is_no_equation() {
	let base = ED25519_BASEPOINT_POINT.compress().to_bytes();
	let key = DeviceKey::Ed25519(base);
	let is_equation = |nonce_point, s| is_equation(&key, nonce_point, s);
	assert!(is_equation(base, [0; 32]));
	assert!(EIGHT_TORSION.iter().all(|small| !is_equation(small.compress().to_bytes(), [0; 32])));
	// y = 2^255 - 19 + 3 is read as 3 by the library.
	let mut encoding = [0xff; 32];
	(encoding[0], encoding[31]) = (0xed + 3, 0x7f);
	let point = CompressedEdwardsY(encoding).decompress().expect("the library reads it");
	assert!(!point.is_small_order());
	assert!(!is_equation(encoding, [0; 32]));
	// The order of the group is the first number that is no canonical s.
	let mut order = (-Scalar::ONE).to_bytes();
	assert!(is_equation(base, order));
	order[0] += 1;
	assert!(!is_equation(base, order));
}

#[test]
fn key_outside_of_the_group_makes_no_equation() {
	let base = ED25519_BASEPOINT_POINT;
	for (index, small) in EIGHT_TORSION.iter().enumerate() {
		let key = DeviceKey::Ed25519((base + small).compress().to_bytes());
		assert_eq!(is_equation(&key, base.compress().to_bytes(), [0; 32]), index == 0);
		let key = DeviceKey::Ed25519(small.compress().to_bytes());
		assert!(!is_equation(&key, base.compress().to_bytes(), [0; 32]));
	}
}

#[test]
fn group_is_that_of_the_base_point() {
	for (index, small) in EIGHT_TORSION.iter().enumerate() {
		for number in 0u64..9 {
			let point = EdwardsPoint::mul_base(&Scalar::from(number)) + small;
			assert_eq!(is_in_group(&point), index == 0);
			assert_eq!(point.is_torsion_free(), index == 0);
		}
	}
}

/// Each of the published edge cases has a point outside of the group, a point of small order, or an
/// encoding that is not canonical. So none gets into a sum, and all are judged by the rule for one.
#[test]
fn published_edge_cases_are_judged_by_the_rule_for_one() {
	let mut accepted = Vec::new();
	let cases = include_str!("edge_cases.txt").lines().filter(|line| !line.starts_with('#'));
	for (number, line) in cases.enumerate() {
		let mut fields = line.split(' ').map(|field| hex::decode(field).expect("hexadecimal"));
		let mut next = || fields.next().expect("three fields");
		let (message, key, signature) = (next(), next(), next());
		let key = DeviceKey::Ed25519(key.try_into().expect("32 bytes"));
		let signature = DeviceSignature::Ed25519(signature.try_into().expect("64 bytes"));
		let prepared = PreparedKey::from(&key);
		assert!(Equation::new(&message, &signature, &prepared).is_none(), "{line}");
		let answer = key.verify(&message, &signature);
		assert_eq!(prepared.verify(&message, &signature), answer, "{line}");
		if answer.is_ok() {
			accepted.push(number);
		}
	}
	// Its key and its `R` are outside of the group, and the equation holds without the cofactor.
	assert_eq!(accepted, [6]);
}
