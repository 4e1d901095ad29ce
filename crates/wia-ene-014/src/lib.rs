//! The message of the WIA-ENE-014 Energy Cloud standard: read it, check it, sign it, verify it.
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ed25519_dalek::SigningKey;
//! use wia_ene_014::{
//!     check, DeviceKey, Limits, Message, Quality, Reading, SignedMessage, Timestamp,
//! };
//!
//! // In the meter: a quarter of an hour, 350 Wh taken and 20 Wh given, signed.
//! let secret = SigningKey::from_bytes(&[7; 32]);
//! let start: Timestamp = "2025-12-25T10:15:00Z".parse()?;
//! let now: Timestamp = "2025-12-25T10:30:00Z".parse()?;
//! let reading = Reading::from_wh(start, 900, 350, 20, Quality::Valid);
//! let json = Message::build("KR-0001".parse()?, now, vec![reading])
//!     .sign_ed25519(&secret)?
//!     .to_json();
//!
//! // In the oracle: parse, check against the clock, verify with the registered key.
//! let signed = SignedMessage::parse(json.as_bytes())?;
//! check(&signed, &Limits::at(now.unix_seconds()))?;
//! let key = DeviceKey::Ed25519(secret.verifying_key().to_bytes());
//! signed.verify(&key)?;
//!
//! // On the chain: the same bytes, checked by the same code, without `std`.
//! let shown = SignedMessage::from_leaf_bytes(&signed.leaf_bytes())?;
//! shown.verify(&key)?;
//! let from = start.unix_seconds();
//! assert_eq!(shown.message.energy_in(from, from + 900)?.import_wh, 350);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```
//!
//! # Two forms of one message
//!
//! The **JSON message** ([`Message`]) is what travels. The **canonical message**
//! ([`CanonicalMessage`]) is what is signed: every number a whole watt-hour or a whole second,
//! every field at a place known from the bytes before it. Only the second exists on the chain.
//! Without the feature `std` the crate has only that second form.
//!
//! # Fields of the JSON message
//!
//! | Field | Content | Demanded | Signed as |
//! |---|---|---|---|
//! | `standard` | `"WIA-ENE-014"` | always | the signing domain |
//! | `version` | `"1.0"` | always | the signing domain |
//! | `phase` | 1, 2 or 3 | always | not signed: it changes no figure |
//! | `timestamp` | RFC 3339, whole seconds, any offset | always | unix seconds |
//! | `meterId` | 1 to 64 visible ASCII characters | by the market | [`meter_id()`] |
//! | `readings` | up to 96, in order of time, gaps allowed | by the market, one or more | intervals |
//! | `readings[].start` | RFC 3339 as above | always | unix seconds |
//! | `readings[].durationSeconds` | integer, 1 to 86400 | always | the same |
//! | `readings[].import`, `.export` | `{"value", "unit"}`, not negative | always | Wh |
//! | `readings[].quality` | `valid`, `estimated`, `suspect`, `missing` | always | [`Quality`] |
//! | `energyData.consumption`, `.generation` | `{"total", "unit", "quality"}`, not negative | no | Wh |
//! | `energyData.storage` | the same, negative when discharged | no | Wh |
//! | `quality` | a word of the table below | no | [`Message::overall_quality`] |
//! | `signature` | `{"algorithm": "ed25519" or "p256", "value": 128 hex digits}` | by the market | |
//!
//! "By the market" means [`SignedMessage::try_from`] demands it and [`Message::parse`] does not, so
//! that the example printed in the standard parses. As printed there it has a comma after the last
//! member of `energyData`, which is no JSON; without that comma it is read, and written back with
//! the same content. A field the standard does not know, or one that occurs twice, is refused:
//! nobody could say whether it was signed. `null` is no substitute for absence.
//!
//! # Units, numbers, rounding
//!
//! Units are `Wh`, `kWh` (1000 Wh) and `MWh` (1 000 000 Wh). Nothing is rounded anywhere: numbers
//! are decimals of up to 30 digits, with or without an exponent, never binary fractions, and an
//! energy that is not a whole number of watt-hours is refused ([`Decimal`], [`EnergyQuantity`]).
//! The only rounding in the crate is in a limit: [`Limits::max_power_w`].
//!
//! # Words for quality
//!
//! The example in the standard says `high` and lists no other word. This crate reads, in `quality`
//! and in `energyData`:
//!
//! | Standard | Ours | Meaning |
//! |---|---|---|
//! | `high` | `valid` | measured, no fault |
//! | `medium` | `estimated` | not measured, computed by a stated rule |
//! | `low` | `suspect` | measured, doubted |
//! | `missing` | `missing` | not measured; a reading like that must carry no energy |
//!
//! # Errors
//!
//! A [`Rejection`] names the field (`readings[2].import.value`), the reason for a human, and a
//! [`RejectionCode`] whose word never changes, for metrics. On the chain there are
//! [`CanonicalError`] and [`SignatureError`], each of which converts into a [`Rejection`].
//!
//! # Speed
//!
//! Who reads many messages for the market takes [`SignedMessage::parse`], or for a whole array
//! [`SignedMessage::parse_plain_array`], keeps a [`PreparedKey`] for each meter, and verifies with
//! [`verify_all`]. Results are the same as on the general way, errors included. The example
//! `throughput` measures both ways.
//!
//! # What a meter signs, byte by byte
//!
//! For those who write firmware. Integers are little-endian and of fixed width, except the one
//! count. There is no padding.
//!
//! | Bytes | Content |
//! |---|---|
//! | 23 | `WIA-ENE-014`, 0, `message`, 0, `v1`, 0 in ASCII, see [`SIGNING_DOMAIN`] |
//! | 32 | BLAKE2b-256 (RFC 7693, no key) of `WIA-ENE-014`, 0, `meter-id`, 0, `v1`, 0, then `meterId` |
//! | 8 | timestamp, unsigned unix seconds |
//! | 1 or 2 | count *n* of readings: one byte `4n` up to 63, above that two bytes `4n + 1` |
//! | 29 each | the readings, see below |
//! | 1 or 9 | `consumption`: 0 when absent, else 1 and unsigned Wh |
//! | 1 or 9 | `generation`: likewise |
//! | 1 or 9 | `storage`: 0 when absent, else 1 and signed Wh, two's complement |
//! | 1 | quality of the message: 0 valid, 1 estimated, 2 suspect, 3 missing |
//!
//! One reading:
//!
//! | Bytes | Content |
//! |---|---|
//! | 8 | start, unsigned unix seconds |
//! | 4 | duration, unsigned seconds |
//! | 8 | import, unsigned Wh |
//! | 8 | export, unsigned Wh |
//! | 1 | quality, as above |
//!
//! The quality of the message is `quality` when the JSON states it, else that of `energyData` when
//! there is one, else the worst of the readings. All totals of `energyData` must state that same
//! quality.
//!
//! **Ed25519** signs these bytes directly (RFC 8032, pure); the 64 bytes of `value` are `R`, `S`.
//! **P-256** signs the SHA-256 of these bytes with ECDSA, and the 64 bytes are `r`, `s`, each 32
//! bytes big-endian. Of the two possible values of `s` either may be sent; the reader keeps the
//! lower, and on the chain only the lower is accepted.
//!
//! A **leaf** of the Merkle tree of a slot is `WIA-ENE-014`, 0, `leaf`, 0, `v1`, 0 (20 bytes), then
//! the bytes above, then one byte for the algorithm (0 Ed25519, 1 P-256) and the 64 bytes of the
//! signature.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod batch;
pub mod canonical;
#[cfg(feature = "std")]
pub mod check;
#[cfg(feature = "std")]
mod document;
pub mod error;
#[cfg(feature = "std")]
pub mod message;
#[cfg(feature = "std")]
mod plain;
pub mod prepared;
#[cfg(feature = "std")]
pub mod quantity;
#[cfg(feature = "std")]
mod tagged_hex;

pub use canonical::{
	meter_id, signing_bytes, CanonicalInterval, CanonicalMessage, DeviceKey, DeviceSignature,
	Quality, SignedMessage, WindowEnergy, LEAF_DOMAIN, MAX_INTERVALS, MAX_INTERVAL_SECONDS,
	MAX_LEAF_BYTES, MAX_SIGNING_BYTES, METER_ID_DOMAIN, SIGNING_DOMAIN,
};
pub use error::{CanonicalError, SignatureError};
pub use prepared::PreparedKey;

#[cfg(feature = "std")]
pub use self::{
	batch::verify_all,
	check::{check, Limits, END_TOLERANCE_SECONDS},
	error::{Rejection, RejectionCode},
	message::{
		EnergyData, EnergyTotal, Message, MeterId, Phase, Reading, Timestamp, MAX_MESSAGE_BYTES,
		MAX_METER_ID_LENGTH, STANDARD, VERSION,
	},
	quantity::{Decimal, EnergyQuantity, EnergyUnit, QuantityError},
};

/// The crates whose key types appear in this crate's functions, at the versions it uses.
#[cfg(feature = "std")]
pub use {ed25519_dalek, p256};

/// The JSON Schema (2020-12) of the JSON message.
///
/// It says what a schema can. Whole watt-hours, the order of readings, clocks and signatures are
/// left to [`Message::parse`], [`check()`] and [`SignedMessage::verify`].
#[cfg(feature = "std")]
pub const SCHEMA: &str = include_str!("../schema/message.schema.json");
