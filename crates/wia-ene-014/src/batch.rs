//! Many Ed25519 signatures at once, by the rule for one.
//!
//! # The sum, and why it is not enough
//!
//! A signature `(R, s)` of the key `A` over a message is good when `s·B - R - k·A` is the neutral
//! point, where `k` hashes `R`, `A` and the message. Instead of computing that for each signature,
//! one multiplies each by a random number of 128 bits and computes the sum of all, which is cheaper
//! (Bernstein, Duif, Lange, Schwabe and Yang, "High-speed high-security signatures", section 5). In
//! a group of prime order a bad signature passes by a chance of at most 2^-128: whatever the other
//! numbers are, at most one value of its own makes the sum vanish.
//!
//! The curve has eight times as many points as that group. A meter that knows its secret key can add
//! a point of small order to a sound `R`. [`DeviceKey::verify`] always refuses what comes of it; in
//! the sum the small part vanishes whenever its random number is a multiple of its order, one time
//! in two, four or eight (Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs").
//! A message that the oracle stored and that the chain refuses would be no evidence in a dispute
//! over a bill. To refuse points *of* small order does not help, because such an `R` is of large
//! order.
//!
//! # The test of the group
//!
//! So all points are shown to be in the group of prime order. Of a key that is found out once, when
//! it is first met, and remembered; signatures of a key outside are verified alone.
//!
//! Of the `R` of a batch, one picks each with even chance and adds the picked ones up. Let one of
//! them be outside. Whatever the others are, of the two sums with and without it at most one lies in
//! the group, so the sum is outside in at least half of the cases. 64 such sums, with picks of their
//! own, all lie in the group by a chance of at most 2^-64. The random bits come from the operating
//! system after the signatures are known, so they cannot be adapted to them.
//!
//! # What a bad signature costs
//!
//! When the sum does not vanish, it is computed of the halves, of their halves, and so on: all
//! points are in the group already, so that needs no new test. What is in a sum that vanishes is
//! good, by the same random numbers: there are fewer than 2^11 sums, fixed beforehand, so some bad
//! signature passes by a chance of at most 2^-117. Whatever is in no such sum is verified alone, and
//! so is a whole batch with an `R` outside of the group. Work on sums is bounded, so that nothing
//! costs more than a small multiple of verifying each alone.
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
	prepared::{is_small_order, PreparedKey},
};

/// Sums of picked points that must lie in the group of prime order: one for each bit of the picks.
const GROUP_TESTS: u32 = u64::BITS;
/// So many bits of the picks are dealt with together.
const WINDOW: u32 = 6;
/// Random bytes for one signature: its factor, and the picks of its `R`.
const RANDOM_BYTES: usize = 16 + 8;
/// With fewer signatures the test of the group costs more than the sum saves.
const FEWEST: usize = 128;
/// Bounds the memory, and what a bad signature among good ones costs.
const MOST: usize = 1_024;
/// With fewer signatures, halves are not worth a sum: each is verified alone.
const FEWEST_TO_HALVE: usize = 32;
/// Signatures in the sums of halves, for each signature of the batch. One bad signature needs two.
const HALVING_WORK: usize = 2;

/// Verifies the signature of each message with the key beside it, as
/// [`SignedMessage::verify_prepared`] does, and answers in order.
///
/// From some 130 Ed25519 signatures on it is faster than one by one, more than twice with 1000. It
/// accepts what is bad by a chance of at most 2^-64 for each 1024 messages, over random bits of the
/// operating system; it never refuses what is good. Without such bits each is verified alone.
///
/// Give it the messages of one submitter at a time: a bad signature costs time for those beside it.
pub fn verify_all(messages: &[(&SignedMessage, &PreparedKey)]) -> Vec<Result<(), SignatureError>> {
	let batches = messages.len().div_ceil(MOST).max(1);
	let size = messages.len().div_ceil(batches).max(1);
	messages.chunks(size).flat_map(verify_batch).collect()
}

fn verify_batch(messages: &[(&SignedMessage, &PreparedKey)]) -> Vec<Result<(), SignatureError>> {
	let mut is_good = vec![false; messages.len()];
	if messages.len() >= FEWEST {
		let (places, equations): (Vec<usize>, Vec<Equation>) = messages
			.iter()
			.enumerate()
			.filter_map(|(place, (signed, key))| {
				let bytes = signing_bytes(&signed.message);
				Some((place, Equation::new(&bytes, &signed.signature, key)?))
			})
			.unzip();
		for (place, holds) in places.into_iter().zip(which_hold(&equations)) {
			is_good[place] = holds;
		}
	}
	messages
		.iter()
		.zip(is_good)
		.map(|((signed, key), is_good)| if is_good { Ok(()) } else { signed.verify_prepared(key) })
		.collect()
}

/// `s·B = R + k·A`, of an `R` and an `s` in canonical encoding, an `R` that is not of small order,
/// and an `A` in the group of prime order that is not the neutral point.
struct Equation {
	s: Scalar,
	nonce_point: EdwardsPoint,
	challenge: Scalar,
	key_point: EdwardsPoint,
}

impl Equation {
	/// `None` when the signature has to be looked at alone.
	fn new(bytes: &[u8], signature: &DeviceSignature, key: &PreparedKey) -> Option<Self> {
		let DeviceSignature::Ed25519(signature) = signature else { return None };
		let key = key.ed25519_in_group()?;
		let (nonce_point_bytes, s) = signature.split_first_chunk::<32>()?;
		if !is_canonical_field_element(nonce_point_bytes) || is_small_order(nonce_point_bytes) {
			return None;
		}
		let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
		let hash = Sha512::new()
			.chain_update(nonce_point_bytes)
			.chain_update(key.as_bytes())
			.chain_update(bytes);
		Some(Self {
			s,
			nonce_point: CompressedEdwardsY(*nonce_point_bytes).decompress()?,
			challenge: Scalar::from_bytes_mod_order_wide(&hash.finalize().into()),
			key_point: key.to_edwards(),
		})
	}
}

/// Of each equation, whether it is known to hold; `false` says nothing. A wrong `true` has a chance
/// of at most 2^-64.
fn which_hold(equations: &[Equation]) -> Vec<bool> {
	let mut random = vec![[0; RANDOM_BYTES]; equations.len()];
	if equations.len() < FEWEST || getrandom::getrandom(random.as_flattened_mut()).is_err() {
		return vec![false; equations.len()];
	}
	which_hold_with(equations, &random)
}

/// As [`which_hold`], with the random bytes for each equation.
fn which_hold_with(equations: &[Equation], random: &[[u8; RANDOM_BYTES]]) -> Vec<bool> {
	let weighted: Vec<Weighted> =
		equations.iter().zip(random).map(|(equation, random)| equation.weighted(random)).collect();
	let mut hold = vec![false; weighted.len()];
	if are_in_group(&weighted) {
		if sum_vanishes(&weighted) {
			hold.fill(true);
		} else {
			let mut work = weighted.len().saturating_mul(HALVING_WORK);
			halve(&weighted, &mut hold, &mut work);
		}
	}
	hold
}

/// An [`Equation`] times its random factor.
struct Weighted {
	base_factor: Scalar,
	nonce_point: EdwardsPoint,
	nonce_factor: Scalar,
	key_point: EdwardsPoint,
	key_factor: Scalar,
	/// Bit by bit, whether `R` is in that sum.
	picks: u64,
}

impl Equation {
	fn weighted(&self, random: &[u8; RANDOM_BYTES]) -> Weighted {
		let (mut factor, mut picks) = ([0; 16], [0; 8]);
		factor.copy_from_slice(&random[..16]);
		picks.copy_from_slice(&random[16..]);
		let factor = Scalar::from(u128::from_le_bytes(factor));
		Weighted {
			base_factor: factor * self.s,
			nonce_point: self.nonce_point,
			nonce_factor: factor,
			key_point: self.key_point,
			key_factor: factor * self.challenge,
			picks: u64::from_le_bytes(picks),
		}
	}
}

/// Whether the sum of all is the neutral point.
fn sum_vanishes(weighted: &[Weighted]) -> bool {
	let base_factor: Scalar = weighted.iter().map(|one| one.base_factor).sum();
	let factors: Vec<Scalar> = weighted
		.iter()
		.flat_map(|one| [one.nonce_factor, one.key_factor])
		.chain([-base_factor])
		.collect();
	let points: Vec<EdwardsPoint> = weighted
		.iter()
		.flat_map(|one| [one.nonce_point, one.key_point])
		.chain([ED25519_BASEPOINT_POINT])
		.collect();
	EdwardsPoint::vartime_multiscalar_mul(&factors, &points).is_identity()
}

/// Marks what is in a half whose sum vanishes, of equations whose own sum does not. All points are
/// in the group of prime order. `work` is how many equations may still be in sums.
fn halve(weighted: &[Weighted], hold: &mut [bool], work: &mut usize) {
	if weighted.len() < FEWEST_TO_HALVE {
		return;
	}
	let middle = weighted.len() / 2;
	let (hold_left, hold_right) = hold.split_at_mut(middle);
	let (left, right) = weighted.split_at(middle);
	for (half, hold) in [(left, hold_left), (right, hold_right)] {
		let Some(rest) = work.checked_sub(half.len()) else { return };
		*work = rest;
		if sum_vanishes(half) {
			hold.fill(true);
		} else {
			halve(half, hold, work);
		}
	}
}

/// Whether the sums of picked `R` are in the group of prime order.
fn are_in_group(weighted: &[Weighted]) -> bool {
	(0..GROUP_TESTS).step_by(WINDOW as usize).all(|shift| {
		let width = WINDOW.min(GROUP_TESTS - shift);
		// Points with the same bits in the window are in the same sums, so they are added up first.
		let mut sums = vec![EdwardsPoint::identity(); 1 << width];
		for one in weighted {
			sums[(one.picks >> shift) as usize % (1 << width)] += one.nonce_point;
		}
		(0..width).rev().all(|bit| {
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
pub(crate) fn is_in_group(point: &EdwardsPoint) -> bool {
	let order_less_one = -Scalar::ONE;
	let product =
		EdwardsPoint::vartime_double_scalar_mul_basepoint(&order_less_one, point, &Scalar::ZERO);
	(product + point).is_identity()
}

#[cfg(test)]
mod tests;
