//! What holds for all messages, all decimals and all bytes.

use proptest::{collection::vec, option, prelude::*, sample::Index};
use wia_ene_014::{
	signing_bytes, CanonicalMessage, Decimal, DeviceKey, DeviceSignature, EnergyData,
	EnergyQuantity, EnergyTotal, EnergyUnit, Message, MeterId, Phase, PreparedKey, Quality,
	Reading, SignedMessage, Timestamp, MAX_INTERVALS,
};

use crate::{
	round_trip::assert_round_trip,
	support::{
		at, ed25519_key, ed25519_secret, p256_key, p256_secret, verify, FULL, PLAIN,
		STANDARD_EXAMPLE,
	},
};

fn quality() -> impl Strategy<Value = Quality> {
	prop_oneof![
		Just(Quality::Valid),
		Just(Quality::Estimated),
		Just(Quality::Suspect),
		Just(Quality::Missing)
	]
}

/// A number of watt-hours in any unit.
fn written(watt_hours: i128) -> impl Strategy<Value = EnergyQuantity> {
	prop_oneof![
		Just((EnergyUnit::WattHour, 0)),
		Just((EnergyUnit::KilowattHour, 3)),
		Just((EnergyUnit::MegawattHour, 6))
	]
	.prop_map(move |(unit, power)| {
		EnergyQuantity::new(format!("{watt_hours}e-{power}").parse().unwrap(), unit).unwrap()
	})
}

pub fn unsigned() -> impl Strategy<Value = EnergyQuantity> {
	prop_oneof![0..100_000u64, any::<u64>()]
		.prop_flat_map(|watt_hours| written(i128::from(watt_hours)))
}

fn signed() -> impl Strategy<Value = EnergyQuantity> {
	any::<i64>().prop_flat_map(|watt_hours| written(i128::from(watt_hours)))
}

fn meter_id() -> impl Strategy<Value = MeterId> {
	"[!-~]{1,64}".prop_map(|text| text.parse().unwrap())
}

/// Readings in order, with gaps now and then, none of which breaks a rule.
fn readings() -> impl Strategy<Value = Vec<Reading>> {
	let reading = (0..5_000u64, 1..=86_400u32, unsigned(), unsigned(), quality()).boxed();
	let count = prop_oneof![9 => 0..6usize, 1 => 0..=MAX_INTERVALS];
	count.prop_flat_map(move |count| vec(reading.clone(), count)).prop_map(|parts| {
		let mut next = 0;
		parts
			.into_iter()
			.map(|(gap, duration_seconds, import, export, quality)| {
				let start = next + gap;
				next = start + u64::from(duration_seconds);
				let zero = EnergyQuantity::from_wh(0);
				let missing = quality == Quality::Missing;
				Reading {
					start: at(start),
					duration_seconds,
					import: if missing { zero } else { import },
					export: if missing { zero } else { export },
					quality,
				}
			})
			.collect()
	})
}

fn energy_data(quality: Quality) -> impl Strategy<Value = EnergyData> {
	let total = move |total| EnergyTotal { total, quality };
	(option::of(unsigned()), option::of(unsigned()), option::of(signed())).prop_map(
		move |(consumption, generation, storage)| EnergyData {
			consumption: consumption.map(total),
			generation: generation.map(total),
			storage: storage.map(total),
		},
	)
}

pub fn signature() -> impl Strategy<Value = DeviceSignature> {
	(any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(first, second, edwards)| {
		let mut bytes = [0; 64];
		bytes[..32].copy_from_slice(&first);
		bytes[32..].copy_from_slice(&second);
		if edwards {
			DeviceSignature::Ed25519(bytes)
		} else {
			DeviceSignature::P256(bytes)
		}
	})
}

/// Any message that a document can say, whether or not the market would take it.
pub fn any_message() -> impl Strategy<Value = Message> {
	let phase = prop_oneof![Just(Phase::One), Just(Phase::Two), Just(Phase::Three)];
	let data = quality().prop_flat_map(energy_data).boxed();
	(
		phase,
		0..=Timestamp::MAX_UNIX_SECONDS,
		option::of(meter_id()),
		readings().boxed(),
		option::of(data),
		option::of(quality()),
		option::of(signature()),
	)
		.prop_map(|(phase, timestamp, meter_id, readings, energy_data, quality, signature)| {
			Message {
				phase,
				timestamp: at(timestamp),
				meter_id,
				readings,
				energy_data,
				quality,
				signature,
			}
		})
		// On the heap: the strategies inside are large, and the stack of a test is small.
		.boxed()
}

/// A message that can be signed.
pub fn market_message() -> impl Strategy<Value = Message> {
	(any_message(), meter_id(), quality()).prop_filter_map(
		"has no reading",
		|(mut message, meter_id, quality)| {
			message.meter_id = Some(meter_id);
			message.quality = Some(quality);
			if let Some(data) = &mut message.energy_data {
				let totals = [&mut data.consumption, &mut data.generation, &mut data.storage];
				totals.into_iter().flatten().for_each(|total| total.quality = quality);
			}
			(!message.readings.is_empty()).then_some(message)
		},
	)
}

pub fn decimal_text() -> impl Strategy<Value = String> {
	"-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?"
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(512))]

	#[test]
	fn message_returns_from_its_json(message in any_message()) {
		let json = message.to_json();
		prop_assert_eq!(Message::parse(json.as_bytes()), Ok(message.clone()));
		prop_assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
	}

	#[test]
	fn message_returns_from_its_canonical_bytes(message in market_message()) {
		let canonical = message.canonical().unwrap();
		let bytes = signing_bytes(&canonical);
		prop_assert_eq!(CanonicalMessage::from_signing_bytes(&bytes), Ok(canonical));
	}

	#[test]
	fn signature_verifies_after_the_journey(message in market_message(), edwards: bool) {
		let (message, key) = if edwards {
			(message.sign_ed25519(&ed25519_secret()).unwrap(), ed25519_key())
		} else {
			(message.sign_p256(&p256_secret()).unwrap(), p256_key())
		};
		let received = Message::parse(message.to_json().as_bytes()).unwrap();
		let signed = SignedMessage::try_from(&received).unwrap();
		prop_assert_eq!(signed.verify(&key), Ok(()));
		prop_assert_eq!(signed.verify_prepared(&PreparedKey::from(&key)), Ok(()));
		let shown = SignedMessage::from_leaf_bytes(&signed.leaf_bytes()).unwrap();
		prop_assert_eq!(shown.verify(&key), Ok(()));
	}

	#[test]
	fn split_window_adds_up(message in market_message(), cut: Index) {
		let message = message.canonical().unwrap();
		let cut = message.intervals[cut.index(message.intervals.len())].start_seconds;
		if let Ok(whole) = message.energy_in(0, u64::MAX) {
			let before = message.energy_in(0, cut).unwrap();
			let after = message.energy_in(cut, u64::MAX).unwrap();
			prop_assert_eq!(before.import_wh + after.import_wh, whole.import_wh);
			prop_assert_eq!(before.export_wh + after.export_wh, whole.export_wh);
			prop_assert_eq!(before.covered_seconds + after.covered_seconds, whole.covered_seconds);
		} else {
			let sum: u128 = message.intervals.iter().map(|one| u128::from(one.import_wh)).sum();
			let exported: u128 = message.intervals.iter().map(|one| u128::from(one.export_wh)).sum();
			prop_assert!(sum.max(exported) > u128::from(u64::MAX));
		}
	}

	#[test]
	fn decimal_returns_from_its_text(text in decimal_text()) {
		if let Ok(decimal) = text.parse::<Decimal>() {
			let printed = decimal.to_string();
			prop_assert_eq!(printed.parse::<Decimal>(), Ok(decimal));
			// Both texts are of the same number, so they round to the same float.
			prop_assert_eq!(printed.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
			prop_assert_eq!(serde_json::to_string(&decimal).unwrap(), printed);
		}
	}

	#[test]
	fn decimal_is_integer_times_power_of_ten(integer: i64, exponent in 0u32..=11) {
		let decimal: Decimal = format!("{integer}e{exponent}").parse().unwrap();
		prop_assert_eq!(decimal.to_integer(), Some(i128::from(integer) * 10i128.pow(exponent)));
		let shrunk: Decimal = format!("{integer}e-{exponent}").parse().unwrap();
		let power = 10i64.pow(exponent);
		let expected = (integer % power == 0).then(|| i128::from(integer / power));
		prop_assert_eq!(shrunk.to_integer(), expected);
	}

	#[test]
	fn decimals_are_equal_when_their_values_are(
		integer: i64,
		exponent in -12i32..=11,
		zeros in 0usize..5,
	) {
		let plain: Decimal = format!("{integer}e{exponent}").parse().unwrap();
		let padded = format!("{integer}{}e{}", "0".repeat(zeros), exponent - zeros as i32);
		if integer != 0 {
			prop_assert_eq!(padded.parse(), Ok(plain));
		}
		prop_assert_eq!(format!("{integer}.000e{exponent}").parse(), Ok(plain));
	}

	#[test]
	fn reader_takes_any_decimal_exactly(watt_hours: u64, places in 0usize..=3) {
		let text = format!("{watt_hours:04}");
		let (whole, part) = text.split_at(text.len() - places);
		let whole = match whole.trim_start_matches('0') { "" => "0", whole => whole };
		let number = if part.is_empty() { whole.to_string() } else { format!("{whole}.{part}") };
		let document = STANDARD_EXAMPLE.replace("1250.5", &number);
		let total = Message::parse(document.as_bytes()).map(|message| {
			message.energy_data.unwrap().consumption.unwrap().total.unsigned_wh().unwrap()
		});
		match watt_hours.checked_mul(10u64.pow(3 - places as u32)) {
			Some(expected) => prop_assert_eq!(total, Ok(expected)),
			None => prop_assert!(total.is_err()),
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(4_096))]

	#[test]
	fn any_bytes_are_safe(bytes in vec(any::<u8>(), 0..200)) {
		assert_round_trip(&bytes);
	}

	#[test]
	fn any_text_is_safe(text in "[{}\\[\\]\":,0-9eE.+\\-a-z\\\\ ]{0,120}") {
		assert_round_trip(text.as_bytes());
	}

	#[test]
	fn any_value_in_any_place_is_safe(place: Index, value in prop_oneof![
		decimal_text(),
		Just("null".to_string()),
		Just("[]".to_string()),
		Just("{}".to_string()),
		"\"[ -~]{0,20}\"",
	]) {
		// Replaces what stands between some colon and the next comma or brace.
		for seed in [FULL, PLAIN] {
			let colons: Vec<usize> = seed.match_indices("\": ").map(|(at, _text)| at + 3).collect();
			let start = colons[place.index(colons.len())];
			let end = start + seed[start..].find([',', '}', '\n']).unwrap();
			assert_round_trip(format!("{}{value}{}", &seed[..start], &seed[end..]).as_bytes());
		}
	}

	#[test]
	fn mutated_documents_are_safe(edits in vec((any::<Index>(), any::<u8>(), 0u8..4), 1..8)) {
		for seed in [FULL, PLAIN, STANDARD_EXAMPLE] {
			let mut document = seed.as_bytes().to_vec();
			for (place, byte, kind) in &edits {
				if document.is_empty() {
					break;
				}
				let place = place.index(document.len());
				match kind {
					0 => document[place] = *byte,
					1 => document[place] ^= 1 << (byte % 8),
					2 => drop(document.remove(place)),
					_ => document.insert(place, *byte),
				}
				assert_round_trip(&document);
			}
		}
	}

	#[test]
	fn bytes_that_decode_encode_to_themselves(
		message in market_message(),
		signature in signature(),
		edits in vec((any::<Index>(), any::<u8>()), 0..3),
	) {
		let message = message.canonical().unwrap();
		let mut signing = signing_bytes(&message);
		let mut leaf = SignedMessage { message, signature }.leaf_bytes();
		for (place, byte) in edits {
			let index = place.index(signing.len());
			signing[index] = byte;
			let index = place.index(leaf.len());
			leaf[index] = byte;
		}
		if let Ok(message) = CanonicalMessage::from_signing_bytes(&signing) {
			prop_assert_eq!(signing_bytes(&message), signing);
		}
		if let Ok(signed) = SignedMessage::from_leaf_bytes(&leaf) {
			prop_assert_eq!(signed.leaf_bytes(), leaf);
		}
	}

	#[test]
	fn any_key_is_safe(edwards: [u8; 32], tag in 0u8..6, signature in signature()) {
		let mut compressed = [tag; 33];
		compressed[1..].copy_from_slice(&edwards);
		for key in [DeviceKey::Ed25519(edwards), DeviceKey::P256(compressed)] {
			let _ = key.check();
			prop_assert!(verify(&key, b"message", &signature).is_err());
			prop_assert!(verify(&key, b"message", &signature.normalized()).is_err());
		}
	}
}
