//! What a meter signs, and how anyone checks it: SCALE types, keys and signatures.
//!
//! Everything here is `no_std` and free of floats, so the chain verifies a disputed reading with
//! the very code that the oracle used when it accepted the reading.

use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, MaxEncodedLen};
use p256::ecdsa::signature::Verifier;
use scale_info::TypeInfo;
use sp_crypto_hashing::blake2_256;

use crate::error::{CanonicalError, SignatureError};

/// First bytes of everything a meter signs, so that the signature means nothing anywhere else.
pub const SIGNING_DOMAIN: &[u8] = b"WIA-ENE-014\0message\0v1\0";

/// First bytes of every Merkle leaf, so that no inner node and no other hash can pose as one.
pub const LEAF_DOMAIN: &[u8] = b"WIA-ENE-014\0leaf\0v1\0";

/// First bytes of what [`meter_id`] hashes.
pub const METER_ID_DOMAIN: &[u8] = b"WIA-ENE-014\0meter-id\0v1\0";

/// Most intervals in one message: a day of quarter hours.
pub const MAX_INTERVALS: usize = 96;

/// Longest interval in seconds: one day.
pub const MAX_INTERVAL_SECONDS: u32 = 86_400;

/// Length of the longest valid [`signing_bytes`]: all 96 intervals and all three totals.
pub const MAX_SIGNING_BYTES: usize =
	SIGNING_DOMAIN.len() + 32 + 8 + 2 + MAX_INTERVALS * 29 + 3 * 9 + 1;

/// Length of the longest valid [`SignedMessage::leaf_bytes`].
pub const MAX_LEAF_BYTES: usize = LEAF_DOMAIN.len() + MAX_SIGNING_BYTES + 65;

/// How far a figure can be trusted, from best to worst: a worse quality compares greater.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	Hash,
	MaxEncodedLen,
	Ord,
	PartialEq,
	PartialOrd,
	TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Quality {
	/// Measured, and the meter found no fault.
	#[codec(index = 0)]
	Valid,
	/// Not measured, computed by a stated rule.
	#[codec(index = 1)]
	Estimated,
	/// Measured, but the meter doubts it.
	#[codec(index = 2)]
	Suspect,
	/// Not measured. Such an interval carries no energy and covers no time.
	#[codec(index = 3)]
	Missing,
}

/// Energy that crossed the meter in one interval, which is `[start, start + duration)`.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct CanonicalInterval {
	/// First second, counted from 1970-01-01T00:00:00Z without leap seconds.
	pub start_seconds: u64,
	/// Length in seconds, 1 to [`MAX_INTERVAL_SECONDS`].
	pub duration_seconds: u32,
	/// Energy taken from the grid, in watt-hours.
	pub import_wh: u64,
	/// Energy given to the grid, in watt-hours.
	pub export_wh: u64,
	/// How far both figures can be trusted.
	pub quality: Quality,
}

impl CanonicalInterval {
	/// First second after the interval, or `None` when it does not fit in a `u64`.
	pub fn end_seconds(&self) -> Option<u64> {
		self.start_seconds.checked_add(self.duration_seconds.into())
	}
}

/// The content of a message in the one form that is signed.
///
/// Any bytes of the right shape decode into this type, so call [`validate`](Self::validate) on what
/// came from outside, or decode with [`from_signing_bytes`](Self::from_signing_bytes).
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct CanonicalMessage {
	/// [`meter_id`] of the meter's text identifier.
	pub meter_id: [u8; 32],
	/// When the meter made the message, in unix seconds.
	pub timestamp_seconds: u64,
	/// 1 to [`MAX_INTERVALS`] intervals, in order of time, not overlapping. Gaps are allowed.
	pub intervals: Vec<CanonicalInterval>,
	/// Total consumption in watt-hours, if the message states it.
	pub consumption_wh: Option<u64>,
	/// Total generation in watt-hours, if the message states it.
	pub generation_wh: Option<u64>,
	/// Net energy into storage in watt-hours, negative when discharged, if the message states it.
	pub storage_wh: Option<i64>,
	/// Quality of the message as a whole.
	pub quality: Quality,
}

/// Energy of the intervals of a message inside a window of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WindowEnergy {
	/// Energy taken from the grid, in watt-hours.
	pub import_wh: u64,
	/// Energy given to the grid, in watt-hours.
	pub export_wh: u64,
	/// Seconds of the window for which there is a figure.
	pub covered_seconds: u64,
	/// The worst quality among the intervals counted, `Missing` when none was.
	pub quality: Quality,
}

impl CanonicalMessage {
	/// Checks every rule that needs neither a clock nor a key.
	///
	/// There are 1 to [`MAX_INTERVALS`] intervals; each is 1 second to [`MAX_INTERVAL_SECONDS`]
	/// long and ends within a `u64`; each starts no earlier than the one before it ends; one of
	/// quality [`Quality::Missing`] carries no energy.
	///
	/// # Errors
	/// The first broken rule, with the index of the interval that breaks it.
	pub fn validate(&self) -> Result<(), CanonicalError> {
		if self.intervals.is_empty() {
			return Err(CanonicalError::NoIntervals);
		}
		if self.intervals.len() > MAX_INTERVALS {
			return Err(CanonicalError::TooManyIntervals { count: self.intervals.len() });
		}
		let mut previous: Option<(u64, u64)> = None;
		for (index, interval) in self.intervals.iter().enumerate() {
			if interval.duration_seconds == 0 {
				return Err(CanonicalError::ZeroDuration { index });
			}
			if interval.duration_seconds > MAX_INTERVAL_SECONDS {
				return Err(CanonicalError::DurationTooLong { index });
			}
			let end = interval.end_seconds().ok_or(CanonicalError::EndOutOfRange { index })?;
			if let Some((previous_start, previous_end)) = previous {
				if interval.start_seconds < previous_start {
					return Err(CanonicalError::Unsorted { index });
				}
				if interval.start_seconds < previous_end {
					return Err(CanonicalError::Overlap { index });
				}
			}
			if interval.quality == Quality::Missing
				&& (interval.import_wh, interval.export_wh) != (0, 0)
			{
				return Err(CanonicalError::MissingWithEnergy { index });
			}
			previous = Some((interval.start_seconds, end));
		}
		Ok(())
	}

	/// Reads back what [`signing_bytes`] wrote, and validates it.
	///
	/// # Errors
	/// [`CanonicalError::NotCanonical`] when the bytes are not exactly one message, else what
	/// [`validate`](Self::validate) finds.
	pub fn from_signing_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
		if bytes.len() > MAX_SIGNING_BYTES {
			return Err(CanonicalError::NotCanonical);
		}
		let mut body = bytes.strip_prefix(SIGNING_DOMAIN).ok_or(CanonicalError::NotCanonical)?;
		let message = Self::decode_all(&mut body).map_err(|_error| CanonicalError::NotCanonical)?;
		message.validate()?;
		Ok(message)
	}

	/// Adds up the intervals that lie wholly within `[from_seconds, to_seconds)`.
	///
	/// An interval across a border of the window is left out, never split: a meter says nothing
	/// about when within it the energy flowed. Intervals of quality [`Quality::Missing`] are left
	/// out too. Nothing is rounded.
	///
	/// # Errors
	/// What [`validate`](Self::validate) finds, so that no second is counted twice, or
	/// [`CanonicalError::EnergyOverflow`] when a sum does not fit in a `u64`.
	pub fn energy_in(
		&self,
		from_seconds: u64,
		to_seconds: u64,
	) -> Result<WindowEnergy, CanonicalError> {
		self.validate()?;
		let mut sum = WindowEnergy {
			import_wh: 0,
			export_wh: 0,
			covered_seconds: 0,
			quality: Quality::Missing,
		};
		for interval in &self.intervals {
			let within = interval.start_seconds >= from_seconds
				&& interval.end_seconds().is_some_and(|end| end <= to_seconds);
			if !within || interval.quality == Quality::Missing {
				continue;
			}
			let add = |total: u64, part: u64| {
				total.checked_add(part).ok_or(CanonicalError::EnergyOverflow)
			};
			sum.quality = if sum.covered_seconds == 0 {
				interval.quality
			} else {
				sum.quality.max(interval.quality)
			};
			sum.import_wh = add(sum.import_wh, interval.import_wh)?;
			sum.export_wh = add(sum.export_wh, interval.export_wh)?;
			sum.covered_seconds = add(sum.covered_seconds, interval.duration_seconds.into())?;
		}
		Ok(sum)
	}
}

/// The 32 bytes that stand for a meter's text identifier:
/// `blake2_256(`[`METER_ID_DOMAIN`]` ++ utf8)`.
pub fn meter_id(text: &str) -> [u8; 32] {
	let mut bytes = Vec::with_capacity(METER_ID_DOMAIN.len().saturating_add(text.len()));
	bytes.extend_from_slice(METER_ID_DOMAIN);
	bytes.extend_from_slice(text.as_bytes());
	blake2_256(&bytes)
}

/// The exact bytes a meter signs: [`SIGNING_DOMAIN`]` ++ SCALE(message)`.
pub fn signing_bytes(message: &CanonicalMessage) -> Vec<u8> {
	let mut bytes = Vec::with_capacity(SIGNING_DOMAIN.len().saturating_add(message.size_hint()));
	bytes.extend_from_slice(SIGNING_DOMAIN);
	message.encode_to(&mut bytes);
	bytes
}

/// The public key of a meter, as registered on the chain.
///
/// As JSON: `{"algorithm": "ed25519", "value": "<hex>"}`, the same shape as a signature.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	Hash,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(
	feature = "std",
	serde(into = "crate::tagged_hex::TaggedHex", try_from = "crate::tagged_hex::TaggedHex")
)]
pub enum DeviceKey {
	/// Ed25519 (RFC 8032): the compressed point, 32 bytes.
	#[codec(index = 0)]
	Ed25519([u8; 32]),
	/// NIST P-256: the compressed point of SEC 1, section 2.3.3, 33 bytes starting with 2 or 3.
	#[codec(index = 1)]
	P256([u8; 33]),
}

/// A meter's signature over [`signing_bytes`].
///
/// As JSON: `{"algorithm": "p256", "value": "<hex>"}`.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	Hash,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(
	feature = "std",
	serde(into = "crate::tagged_hex::TaggedHex", try_from = "crate::tagged_hex::TaggedHex")
)]
pub enum DeviceSignature {
	/// Ed25519 (RFC 8032): `R ++ S`.
	#[codec(index = 0)]
	Ed25519([u8; 64]),
	/// ECDSA on P-256 over the SHA-256 of the bytes: `r ++ s`, both big-endian.
	#[codec(index = 1)]
	P256([u8; 64]),
}

impl DeviceSignature {
	/// The same signature in the one form that [`DeviceKey::verify`] accepts.
	///
	/// ECDSA has two values of `s` for every signature; this picks the lower one. Everything else,
	/// also what is no signature at all, is returned as it is.
	pub fn normalized(self) -> Self {
		match self {
			Self::Ed25519(_) => self,
			Self::P256(bytes) => p256::ecdsa::Signature::from_slice(&bytes)
				.ok()
				.and_then(|signature| signature.normalize_s())
				.map_or(self, |low| Self::P256(low.to_bytes().into())),
		}
	}
}

impl DeviceKey {
	/// Checks that the bytes are a usable public key; for the moment a key is registered.
	///
	/// Ed25519: a canonically encoded point of the curve that is not of small order (with such a
	/// point one signature fits many messages). P-256: a compressed point of the curve.
	///
	/// # Errors
	/// [`SignatureError::InvalidKey`].
	pub fn check(&self) -> Result<(), SignatureError> {
		match self {
			Self::Ed25519(bytes) => {
				if !is_canonical_field_element(bytes) || ed25519_key(bytes)?.is_weak() {
					return Err(SignatureError::InvalidKey);
				}
			}
			Self::P256(bytes) => {
				p256_key(bytes)?;
			}
		}
		Ok(())
	}

	/// Verifies a signature over `bytes`.
	///
	/// Ed25519 is verified strictly: the scalar is canonical, neither the key nor `R` is of small
	/// order. P-256 is ECDSA over SHA-256, and of the two values of `s` only the lower is accepted,
	/// so nobody can make a second signature out of a given one. A meter whose hardware returns
	/// either goes through [`DeviceSignature::normalized`], as the JSON reader does.
	///
	/// # Errors
	/// See [`SignatureError`].
	pub fn verify(&self, bytes: &[u8], signature: &DeviceSignature) -> Result<(), SignatureError> {
		match (self, signature) {
			(Self::Ed25519(key), DeviceSignature::Ed25519(signature)) => ed25519_key(key)?
				.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(signature))
				.map_err(|_error| SignatureError::InvalidSignature),
			(Self::P256(key), DeviceSignature::P256(signature)) => {
				verify_p256(&p256_key(key)?, bytes, signature)
			}
			(Self::Ed25519(_), DeviceSignature::P256(_))
			| (Self::P256(_), DeviceSignature::Ed25519(_)) => Err(SignatureError::AlgorithmMismatch),
		}
	}
}

pub(crate) fn ed25519_key(bytes: &[u8; 32]) -> Result<ed25519_dalek::VerifyingKey, SignatureError> {
	ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_error| SignatureError::InvalidKey)
}

pub(crate) fn p256_key(bytes: &[u8; 33]) -> Result<p256::ecdsa::VerifyingKey, SignatureError> {
	// The library also knows "compact" points (first byte 5), a second encoding of the same key.
	if !matches!(bytes[0], 2 | 3) {
		return Err(SignatureError::InvalidKey);
	}
	p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_error| SignatureError::InvalidKey)
}

/// Verifies by ECDSA over SHA-256, and accepts only the lower `s`.
pub(crate) fn verify_p256(
	key: &p256::ecdsa::VerifyingKey,
	bytes: &[u8],
	signature: &[u8; 64],
) -> Result<(), SignatureError> {
	let signature = p256::ecdsa::Signature::from_slice(signature)
		.map_err(|_error| SignatureError::InvalidSignature)?;
	if signature.normalize_s().is_some() {
		return Err(SignatureError::HighS);
	}
	key.verify(bytes, &signature).map_err(|_error| SignatureError::InvalidSignature)
}

/// Whether the y coordinate, without the sign bit, is below 2^255 - 19.
pub(crate) fn is_canonical_field_element(bytes: &[u8; 32]) -> bool {
	let [lowest, middle @ .., highest] = bytes;
	*lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// A message with the meter's signature: what is stored, attested and, in a dispute, shown.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct SignedMessage {
	/// What was signed.
	pub message: CanonicalMessage,
	/// The meter's signature over [`signing_bytes`] of the message.
	pub signature: DeviceSignature,
}

impl SignedMessage {
	/// The leaf of a slot's Merkle tree:
	/// [`LEAF_DOMAIN`]` ++ signing_bytes(message) ++ SCALE(signature)`.
	pub fn leaf_bytes(&self) -> Vec<u8> {
		let mut bytes = Vec::with_capacity(
			LEAF_DOMAIN.len().saturating_add(SIGNING_DOMAIN.len()).saturating_add(self.size_hint()),
		);
		bytes.extend_from_slice(LEAF_DOMAIN);
		bytes.extend_from_slice(SIGNING_DOMAIN);
		self.encode_to(&mut bytes);
		bytes
	}

	/// Reads back what [`leaf_bytes`](Self::leaf_bytes) wrote, and validates the message. The
	/// signature is not verified.
	///
	/// # Errors
	/// [`CanonicalError::NotCanonical`] when the bytes are not exactly one leaf, else what
	/// [`CanonicalMessage::validate`] finds.
	pub fn from_leaf_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
		if bytes.len() > MAX_LEAF_BYTES {
			return Err(CanonicalError::NotCanonical);
		}
		let mut body = bytes
			.strip_prefix(LEAF_DOMAIN)
			.and_then(|rest| rest.strip_prefix(SIGNING_DOMAIN))
			.ok_or(CanonicalError::NotCanonical)?;
		let signed = Self::decode_all(&mut body).map_err(|_error| CanonicalError::NotCanonical)?;
		signed.message.validate()?;
		Ok(signed)
	}

	/// Verifies the signature with the key registered for the meter.
	///
	/// Looking up the key of [`CanonicalMessage::meter_id`] is up to the caller.
	///
	/// # Errors
	/// See [`SignatureError`].
	pub fn verify(&self, key: &DeviceKey) -> Result<(), SignatureError> {
		key.verify(&signing_bytes(&self.message), &self.signature)
	}
}
