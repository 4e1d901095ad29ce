//! Many Ed25519 signatures at once, by the rule for one.
//!
//! # The sum, and why it is not enough
//!
//! A signature `(R, s)` of the key `A` over a message is good when `s·B - R - k·A` is the neutral
//! point, where `k` hashes `R`, `A` and the message. Instead of computing that for each signature,
//! one multiplies each by a random number of 128 bits and computes the sum of all, which is cheaper
//! (Bernstein, Duif, Lange, Schwabe and Yang, "High-speed high-security signatures", section 5). In
//! a group of prime order a bad signature passes by a chance of 2^-128.
//!
//! The curve has eight times as many points as that group. A meter that knows its secret key can add
//! a point of small order to a sound `R`. [`DeviceKey::verify`] always refuses what comes of it; in
//! the sum the small part vanishes whenever its random number is a multiple of its order, one time
//! in two, four or eight. A message that the oracle stored and that the chain refuses would be no
//! evidence in a dispute over a bill. To refuse points *of* small order does not help, because such
//! an `R` is of large order.
//!
//! # The test of the group
//!
//! So all `R` and `A` of a batch are shown to be in the group of prime order. One picks each of them
//! with even chance and adds the picked ones up. A point outside of the group makes the sum a point
//! outside in at least half of the cases, whatever the others are. 64 such sums, picked anew each
//! time, all lie in the group by a chance of 2^-64. The picks come from the operating
//! system after the signatures are known, so each try costs a cheat a message that is refused.
//!
//! With canonical encodings, which are looked at one by one, what passes both is what
//! [`DeviceKey::verify`] accepts. Whatever does not pass says nothing about any one signature: then
//! each of them is verified alone.
//!
//! [`DeviceKey::verify`]: crate::DeviceKey::verify

use curve25519_dalek::{
	constants::ED25519_BASEPOINT_POINT,
	edwards::{CompressedEdwardsY, EdwardsPoint},
	scalar::Scalar,
	traits::{Identity, IsIdentity, VartimeMultiscalarMul},
};
use sha2::{Digest, Sha512};

use crate::{
	canonical::{is_canonical_field_element, signing_bytes, DeviceSignature, SignedMessage},
	error::SignatureError,
	prepared::PreparedKey,
};

/// Sums of picked points that must lie in the group of prime order.
const GROUP_TESTS: usize = 64;
/// A random byte picks for that many sums at a time.
const TESTS_PER_BYTE: usize = 8;
/// Random bytes for one signature: its factor, and the picks of `R` and of `A`.
const RANDOM_BYTES: usize = 16 + 2 * GROUP_TESTS / TESTS_PER_BYTE;
/// With fewer signatures the test of the group costs more than the sum saves.
const FEWEST: usize = 192;
/// Bounds the memory, and what a bad signature among good ones costs.
const MOST: usize = 1_024;

/// Verifies the signature of each message with the key beside it, as
/// [`SignedMessage::verify_prepared`] does, and answers in order.
///
/// From some 200 Ed25519 signatures on it is faster than one by one, up to twice with 1000. A bad
/// signature makes up to 1024 of them cost both ways.
pub fn verify_all(messages: &[(&SignedMessage, &PreparedKey)]) -> Vec<Result<(), SignatureError>> {
	if messages.len() < FEWEST {
		return messages.iter().map(|(signed, key)| signed.verify_prepared(key)).collect();
	}
	let mut known_good = vec![false; messages.len()];
	let equations: Vec<(usize, Equation)> = messages
		.iter()
		.enumerate()
		.filter_map(|(index, (signed, key))| Some((index, Equation::new(signed, key)?)))
		.collect();
	for batch in equations.chunks(MOST) {
		if batch.len() < FEWEST {
			continue;
		}
		let mut random = vec![0; batch.len().saturating_mul(RANDOM_BYTES)];
		if getrandom::getrandom(&mut random).is_err() {
			// Without chance there is no batch.
			continue;
		}
		let equations: Vec<&Equation> = batch.iter().map(|(_index, equation)| equation).collect();
		if all_hold(&equations, &random) {
			for (index, _equation) in batch {
				known_good[*index] = true;
			}
		}
	}
	messages
		.iter()
		.zip(known_good)
		.map(|((signed, key), good)| if good { Ok(()) } else { signed.verify_prepared(key) })
		.collect()
}

/// `s·B = R + k·A`, of an `R` and an `s` in canonical encoding.
struct Equation {
	s: Scalar,
	nonce_point: EdwardsPoint,
	challenge: Scalar,
	key_point: EdwardsPoint,
}

impl Equation {
	/// `None` when the signature has to be looked at alone.
	fn new(signed: &SignedMessage, key: &PreparedKey) -> Option<Self> {
		let DeviceSignature::Ed25519(signature) = &signed.signature else { return None };
		let key = key.ed25519()?;
		let (nonce_point_bytes, s) = signature.split_first_chunk::<32>()?;
		if !is_canonical_field_element(nonce_point_bytes) {
			return None;
		}
		let nonce_point = CompressedEdwardsY(*nonce_point_bytes).decompress()?;
		if nonce_point.is_small_order() {
			return None;
		}
		let hash = Sha512::new()
			.chain_update(nonce_point_bytes)
			.chain_update(key.as_bytes())
			.chain_update(signing_bytes(&signed.message));
		Some(Self {
			s: Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?,
			nonce_point,
			challenge: Scalar::from_bytes_mod_order_wide(&hash.finalize().into()),
			key_point: key.to_edwards(),
		})
	}
}

/// Whether all equations hold and all points are in the group of prime order. A wrong `true` has a
/// chance of 2^-64 over the random bytes, of which there are [`RANDOM_BYTES`] for each equation.
fn all_hold(equations: &[&Equation], random: &[u8]) -> bool {
	let mut base_factor = Scalar::ZERO;
	let mut factors = Vec::with_capacity(equations.len().saturating_mul(2).saturating_add(1));
	let mut points = Vec::with_capacity(factors.capacity());
	let mut picks = Vec::with_capacity(factors.capacity());
	for (equation, random) in equations.iter().zip(random.chunks_exact(RANDOM_BYTES)) {
		let Some((factor, random)) = random.split_first_chunk::<16>() else { return false };
		let factor = Scalar::from(u128::from_le_bytes(*factor));
		base_factor += factor * equation.s;
		factors.extend([factor, factor * equation.challenge]);
		points.extend([equation.nonce_point, equation.key_point]);
		picks.extend(random.chunks_exact(GROUP_TESTS / TESTS_PER_BYTE));
	}
	if !are_in_group(&points, &picks) {
		return false;
	}
	factors.push(-base_factor);
	points.push(ED25519_BASEPOINT_POINT);
	picks.len().saturating_add(1) == points.len()
		&& EdwardsPoint::vartime_multiscalar_mul(&factors, &points).is_identity()
}

/// Whether the sums of picked points are in the group of prime order. Bit `b` of byte `n` of the
/// picks of a point says whether it is in sum `8n + b`.
fn are_in_group(points: &[EdwardsPoint], picks: &[&[u8]]) -> bool {
	(0..GROUP_TESTS / TESTS_PER_BYTE).all(|byte| {
		// Points with the same byte are in the same sums, so they are added up first.
		let mut sums = vec![EdwardsPoint::identity(); 1 << TESTS_PER_BYTE];
		for (point, picks) in points.iter().zip(picks) {
			sums[usize::from(picks[byte])] += point;
		}
		(0..TESTS_PER_BYTE).rev().all(|bit| {
			// The upper half are the points that have the bit; then the bit no longer matters.
			let upper = sums.split_off(1 << bit);
			let sum: EdwardsPoint = upper.iter().sum();
			sums.iter_mut().zip(&upper).for_each(|(lower, upper)| *lower += upper);
			is_in_group(&sum)
		})
	})
}

/// Whether the order of the group times the point is the neutral point. In variable time: all is
/// public.
fn is_in_group(point: &EdwardsPoint) -> bool {
	let order_less_one = -Scalar::ONE;
	let product =
		EdwardsPoint::vartime_double_scalar_mul_basepoint(&order_less_one, point, &Scalar::ZERO);
	(product + point).is_identity()
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::canonical::{CanonicalMessage, DeviceKey, Quality};
	use curve25519_dalek::constants::EIGHT_TORSION;

	/// Bytes that look random, the same for the same seed.
	fn random(seed: u64, equations: usize) -> Vec<u8> {
		let blocks = (0..).map(|block: u64| {
			Sha512::new().chain_update(seed.to_le_bytes()).chain_update(block.to_le_bytes())
		});
		blocks.flat_map(|hash| hash.finalize()).take(equations * RANDOM_BYTES).collect()
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

	fn holds(equations: &[Equation], seed: u64) -> bool {
		all_hold(&equations.iter().collect::<Vec<_>>(), &random(seed, equations.len()))
	}

	#[test]
	fn good_equations_hold_together() {
		let equations: Vec<Equation> = (0..9).map(good).collect();
		assert!(holds(&equations, 1));
		assert!(holds(&equations[..1], 1));
		assert!(holds(&[], 1));
	}

	#[test]
	fn one_wrong_value_among_good_ones_is_found() {
		for place in 0..3 {
			let with = |change: fn(&mut Equation)| {
				let mut equations: Vec<Equation> = (0..3).map(good).collect();
				change(&mut equations[place]);
				equations
			};
			assert!(!holds(&with(|one| one.s += Scalar::ONE), 1));
			assert!(!holds(&with(|one| one.challenge += Scalar::ONE), 1));
			assert!(!holds(&with(|one| one.nonce_point += ED25519_BASEPOINT_POINT), 1));
			assert!(!holds(&with(|one| one.key_point += ED25519_BASEPOINT_POINT), 1));
		}
		// Two wrong ones that cancel each other out, were it not for the random factors.
		let mut equations: Vec<Equation> = (0..3).map(good).collect();
		equations[0].s += Scalar::ONE;
		equations[1].s -= Scalar::ONE;
		assert!(!holds(&equations, 1));
	}

	#[test]
	fn points_outside_of_the_group_are_found_also_where_the_sum_vanishes() {
		// Of order 8, 4 and 2.
		for small in [EIGHT_TORSION[1], EIGHT_TORSION[2], EIGHT_TORSION[4]] {
			for seed in 0..3 {
				let mut equations: Vec<Equation> = (0..3).map(good).collect();
				equations[1].nonce_point += small;
				assert!(!holds(&equations, seed));
				// Twice, so that they may cancel each other out.
				equations[2].nonce_point -= small;
				assert!(!holds(&equations, seed));
				// A challenge that is a multiple of eight hides it in the equation of the key.
				let mut equations: Vec<Equation> = (0..3).map(good).collect();
				equations[1].challenge = Scalar::ZERO;
				equations[1].s = Scalar::from(1_000_001u64);
				equations[1].key_point += small;
				assert!(!holds(&equations, seed));
			}
		}
	}

	#[test]
	fn each_bit_of_the_picks_counts() {
		let points = [EIGHT_TORSION[1] + ED25519_BASEPOINT_POINT, ED25519_BASEPOINT_POINT];
		const BYTES: usize = GROUP_TESTS / TESTS_PER_BYTE;
		assert!(are_in_group(&points, &[&[0; BYTES], &[0xff; BYTES]]));
		// Every bit and every byte, each once in a while.
		for bit in (0..GROUP_TESTS).step_by(7) {
			let mut picks = [0; BYTES];
			picks[bit / TESTS_PER_BYTE] = 1 << (bit % TESTS_PER_BYTE);
			assert!(!are_in_group(&points, &[&picks, &[0xff; BYTES]]), "bit {bit}");
		}
	}

	/// Two points that cancel each other out in the sum of the highest bit, not in a lower one.
	#[test]
	fn lower_bits_count_of_points_that_have_a_higher_one() {
		const BYTES: usize = GROUP_TESTS / TESTS_PER_BYTE;
		let points = [EIGHT_TORSION[1], -EIGHT_TORSION[1]];
		assert!(are_in_group(&points, &[&[0x80; BYTES], &[0x80; BYTES]]));
		for bit in 0..7 {
			assert!(!are_in_group(&points, &[&[0x80 | 1 << bit; BYTES], &[0x80; BYTES]]));
		}
	}

	#[test]
	fn encoding_that_is_not_canonical_or_of_small_order_is_no_equation() {
		let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
		let key = DeviceKey::Ed25519(secret.verifying_key().to_bytes());
		let key = PreparedKey::from(&key);
		let is_equation = |encoding: [u8; 32]| {
			let message = CanonicalMessage {
				meter_id: [1; 32],
				timestamp_seconds: 0,
				intervals: Vec::new(),
				consumption_wh: None,
				generation_wh: None,
				storage_wh: None,
				quality: Quality::Valid,
			};
			let mut signature = [0; 64];
			signature[..32].copy_from_slice(&encoding);
			let signature = DeviceSignature::Ed25519(signature);
			Equation::new(&SignedMessage { message, signature }, &key).is_some()
		};
		assert!(is_equation(ED25519_BASEPOINT_POINT.compress().to_bytes()));
		assert!(EIGHT_TORSION.iter().all(|small| !is_equation(small.compress().to_bytes())));
		// y = 2^255 - 19 + 3 is read as 3 by the library.
		let mut encoding = [0xff; 32];
		(encoding[0], encoding[31]) = (0xed + 3, 0x7f);
		let point = CompressedEdwardsY(encoding).decompress().expect("the library reads it");
		assert!(!point.is_small_order());
		assert!(!is_equation(encoding));
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
}
