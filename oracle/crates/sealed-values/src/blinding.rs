//! Blinding of meter ids in the keys of the store.

use std::fmt;

use aws_lc_rs::hmac;

use crate::secret::SecretKey;

/// Bytes of a blinded meter id.
pub const BLINDED_METER_BYTES: usize = 16;

const PURPOSE: &[u8] = b"sealed-values: meter blinding v1";

/// Replaces meter ids in the store's keys, which are not encrypted, by values that say nothing of
/// the meter to whoever has not the secret.
///
/// The blinded id is HMAC-SHA-256 (RFC 2104) of the meter id, cut to its first 128 bits (at least
/// half of the output, as RFC 2104, section 5, advises), under a key that HKDF-SHA-256 derives from
/// the ring's secret. That secret does not change when data keys are rotated or the ring is wrapped
/// anew, so entries stay where they are.
///
/// **Collisions.** With `n` meters, two share a blinded id with a probability of at most n²/2^129:
/// 1.5·10^-25 for 10 million meters.
///
/// **What it does not hide.** Equal meters have equal blinded ids, so how many entries a meter has,
/// and when they were written, can be seen. A key is not authenticated by itself: what proves that a
/// value belongs under it is the sealed value.
#[derive(Clone)]
pub struct MeterBlinding {
	key: hmac::Key,
}

impl MeterBlinding {
	/// The blinding of a secret.
	pub fn new(secret: &SecretKey) -> Self {
		let key = secret.derive(PURPOSE);
		Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
	}

	/// The blinded id: the same for the same meter, always.
	pub fn blind(&self, meter_id: &[u8]) -> [u8; BLINDED_METER_BYTES] {
		truncated_hmac(&self.key, meter_id)
	}
}

impl fmt::Debug for MeterBlinding {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str("MeterBlinding(hidden)")
	}
}

fn truncated_hmac(key: &hmac::Key, message: &[u8]) -> [u8; BLINDED_METER_BYTES] {
	let tag = hmac::sign(key, message);
	let mut truncated = [0; BLINDED_METER_BYTES];
	truncated.copy_from_slice(&tag.as_ref()[..BLINDED_METER_BYTES]);
	truncated
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn hmac_agrees_with_the_rfc_4231_test_cases() {
		let cases: [(&[u8], &[u8], &str); 4] = [
			// Test case 1, 2 and 3, the first 128 bits.
			(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
			(b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
			(&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a7"),
			// Test case 5, which is cut to 128 bits in the RFC too.
			(&[0x0c; 20], b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
		];
		for (key, message, expected) in cases {
			let key = hmac::Key::new(hmac::HMAC_SHA256, key);
			assert_eq!(hex::encode(truncated_hmac(&key, message)), expected);
		}
	}
}
