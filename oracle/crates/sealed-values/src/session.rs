//! Nonces that are unique by construction. `nonces.md`, a part of the crate's page, says why.

use std::sync::{
	atomic::{AtomicU64, Ordering},
	Arc,
};

use aws_lc_rs::rand;

use crate::{
	data_key::{DataKey, NONCE_BYTES},
	secret::RandomFailed,
};

/// How many AES blocks one session may encrypt.
pub const MAX_BLOCKS_PER_SESSION: u64 = 1 << (8 * COUNTER_BYTES);

/// How many sessions a data key may have.
pub const MAX_SESSIONS_PER_KEY: u16 = 1 << 8;

const BLOCK_BYTES: usize = 16;
const COUNTER_BYTES: usize = 5;
const FIXED_BYTES: usize = NONCE_BYTES - COUNTER_BYTES;

/// The session has no numbers left for a value of this length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// A counter that all threads write, apart from what they only read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheLine(AtomicU64);

/// The right of this process to seal with a data key.
#[derive(Debug)]
pub(crate) struct Session {
	pub(crate) key: Arc<DataKey>,
	fixed: [u8; FIXED_BYTES],
	/// The first block that no value has taken.
	next_block: CacheLine,
}

impl Session {
	/// The caller has claimed the number for this key, and keeps the session unused until the claim
	/// is on the disk.
	pub(crate) fn new(key: Arc<DataKey>, number: u8) -> Result<Self, RandomFailed> {
		let mut fixed = [number; FIXED_BYTES];
		rand::fill(&mut fixed[1..]).map_err(|_error| RandomFailed)?;
		Ok(Self { key, fixed, next_block: CacheLine::default() })
	}

	/// A nonce that no other value under this key has.
	pub(crate) fn nonce(&self, value_bytes: usize) -> Result<[u8; NONCE_BYTES], Exhausted> {
		// A failed call may add a little, so look first: the counter stays far from overflow.
		if self.next_block.0.load(Ordering::Relaxed) >= MAX_BLOCKS_PER_SESSION {
			return Err(Exhausted);
		}
		let blocks = value_bytes.div_ceil(BLOCK_BYTES) as u64 + 1;
		// Uniqueness needs the addition to be atomic, and no order relative to other memory.
		let first = self.next_block.0.fetch_add(blocks, Ordering::Relaxed);
		if first + blocks > MAX_BLOCKS_PER_SESSION {
			return Err(Exhausted);
		}
		let mut nonce = [0; NONCE_BYTES];
		nonce[..FIXED_BYTES].copy_from_slice(&self.fixed);
		nonce[FIXED_BYTES..].copy_from_slice(&first.to_be_bytes()[8 - COUNTER_BYTES..]);
		Ok(nonce)
	}

	/// Goes on as if this were the first block that no value has taken.
	#[cfg(test)]
	pub(crate) fn skip_to(&self, block: u64) {
		self.next_block.0.store(block, Ordering::Relaxed);
	}

	/// How many blocks are left.
	pub(crate) fn remaining_blocks(&self) -> u64 {
		MAX_BLOCKS_PER_SESSION.saturating_sub(self.next_block.0.load(Ordering::Relaxed))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{sealed::KeyId, secret::SecretKey};

	fn session_from(number: u8, next_block: u64) -> Session {
		let secret = SecretKey::random().expect("random bytes");
		let key = Arc::new(DataKey::new(KeyId(1), &secret));
		let session = Session::new(key, number).expect("random bytes");
		session.skip_to(next_block);
		session
	}

	#[test]
	fn nonce_has_number_random_bits_and_first_block() {
		let session = session_from(7, 0x01_0203_0405);
		let nonce = session.nonce(16).expect("far from the end");
		assert_eq!(nonce[0], 7);
		assert_eq!(nonce[1..7], session.fixed[1..]);
		assert_eq!(nonce[7..], [1, 2, 3, 4, 5]);
		assert_ne!(session.fixed[1..], session_from(7, 0).fixed[1..]);
	}

	#[test]
	fn nonce_counts_blocks_when_values_have_any_length() {
		let session = session_from(0, 0);
		for (value_bytes, taken) in [(0, 1), (1, 2), (16, 2), (17, 3), (250, 17)] {
			let before = session.remaining_blocks();
			session.nonce(value_bytes).expect("far from the end");
			assert_eq!(before - session.remaining_blocks(), taken, "{value_bytes} bytes");
		}
	}

	#[test]
	fn nonce_is_refused_when_the_session_has_too_few_blocks() {
		let session = session_from(0, MAX_BLOCKS_PER_SESSION - 2);
		session.nonce(16).expect("the last two blocks");
		assert_eq!(session.remaining_blocks(), 0);
		assert_eq!(session.nonce(0), Err(Exhausted));

		let session = session_from(0, MAX_BLOCKS_PER_SESSION - 2);
		assert_eq!(session.nonce(17), Err(Exhausted));
		assert_eq!(session.nonce(0), Err(Exhausted), "what was refused is not given later");
	}
}
