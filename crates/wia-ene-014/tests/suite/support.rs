//! Sample messages and keys.

use wia_ene_014::{
	ed25519_dalek, p256, CanonicalInterval, CanonicalMessage, DeviceKey, DeviceSignature,
	EnergyData, EnergyQuantity, EnergyTotal, Message, PreparedKey, Quality, Reading,
	SignatureError, Timestamp,
};

/// 2025-12-25T10:30:00Z, the moment in the standard's example.
pub const NOW: u64 = 1_766_658_600;

/// The example of the standard, with its trailing comma removed.
pub const STANDARD_EXAMPLE: &str = include_str!("../../fuzz/corpus/parse_message/standard.json");

/// A document with every field; its signature is 64 zero bytes.
pub const FULL: &str = include_str!("../../fuzz/corpus/parse_message/full.json");

/// A document with every field, written as the reader of plain messages knows it.
pub const PLAIN: &str = include_str!("../../fuzz/corpus/parse_message/plain.json");

pub fn at(seconds: u64) -> Timestamp {
	Timestamp::from_unix_seconds(seconds).unwrap()
}

pub fn ed25519_secret() -> ed25519_dalek::SigningKey {
	ed25519_dalek::SigningKey::from_bytes(&[7; 32])
}

pub fn ed25519_key() -> DeviceKey {
	DeviceKey::Ed25519(ed25519_secret().verifying_key().to_bytes())
}

pub fn p256_secret() -> p256::ecdsa::SigningKey {
	p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

pub fn p256_key() -> DeviceKey {
	let point = p256_secret().verifying_key().to_encoded_point(true);
	DeviceKey::P256(point.as_bytes().try_into().unwrap())
}

/// Verifies with the key as it is and with the prepared one, which has to agree.
pub fn verify(
	key: &DeviceKey,
	bytes: &[u8],
	signature: &DeviceSignature,
) -> Result<(), SignatureError> {
	let result = key.verify(bytes, signature);
	assert_eq!(PreparedKey::from(key).verify(bytes, signature), result);
	result
}

/// Two quarter hours, two totals, no signature: the message behind the pinned bytes.
pub fn sample() -> Message {
	let total = |total| Some(EnergyTotal { total, quality: Quality::Estimated });
	let mut message = Message::build(
		"KR-0001".parse().unwrap(),
		at(NOW),
		vec![
			Reading::from_wh(at(NOW - 1_800), 900, 350, 20, Quality::Valid),
			Reading::from_wh(at(NOW - 900), 900, 0, 1_000_000, Quality::Estimated),
		],
	);
	message.energy_data = Some(EnergyData {
		consumption: total(EnergyQuantity::from_wh(1_250_500)),
		generation: None,
		storage: total(EnergyQuantity::from_signed_wh(-3_000)),
	});
	message
}

pub fn interval(start_seconds: u64, duration_seconds: u32) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds,
		duration_seconds,
		import_wh: 10,
		export_wh: 1,
		quality: Quality::Valid,
	}
}

pub fn with_intervals(intervals: Vec<CanonicalInterval>) -> CanonicalMessage {
	CanonicalMessage {
		meter_id: [1; 32],
		timestamp_seconds: NOW,
		intervals,
		consumption_wh: None,
		generation_wh: None,
		storage_wh: None,
		quality: Quality::Valid,
	}
}
