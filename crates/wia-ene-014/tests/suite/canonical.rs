//! The canonical form: pinned bytes, rules, windows.

use codec::{Decode, Encode, MaxEncodedLen};
use sp_crypto_hashing::blake2_256;
use wia_ene_014::{
	meter_id, signing_bytes, CanonicalError, CanonicalInterval, CanonicalMessage, DeviceKey,
	DeviceSignature, Quality, SignedMessage, WindowEnergy, LEAF_DOMAIN, MAX_INTERVALS,
	MAX_LEAF_BYTES, MAX_SIGNING_BYTES, SIGNING_DOMAIN,
};

use crate::support::{interval, sample, with_intervals};

/// Computed outside this crate, from the table in its documentation.
const PINNED: &str = concat!(
	"5749412d454e452d303134006d65737361676500763100", // domain
	"8ccd99761bd8641b6faf2a91010e1af68dafd734e339e603fa1581d1c2c942a6", // KR-0001
	"28124d6900000000",                               // timestamp
	"08",                                             // two readings
	"200b4d6900000000840300005e01000000000000140000000000000000",
	"a40e4d690000000084030000000000000000000040420f000000000001",
	"01c414130000000000", // consumption 1250500
	"00",                 // no generation
	"0148f4ffffffffffff", // storage -3000
	"01",                 // estimated
);

mod pinned {
	use super::*;

	#[test]
	fn signing_bytes_are_pinned() {
		let bytes = signing_bytes(&sample().canonical().unwrap());
		assert_eq!(hex::encode(&bytes), PINNED);
		assert_eq!(
			hex::encode(blake2_256(&bytes)),
			"4ac1cbb295a33b821a69fa2a7c3b7e7fe6baf0d0f1d57affaaa4dc91d7070545"
		);
	}

	#[test]
	fn meter_id_is_pinned() {
		assert_eq!(
			hex::encode(meter_id("KR-0001")),
			"8ccd99761bd8641b6faf2a91010e1af68dafd734e339e603fa1581d1c2c942a6"
		);
		assert_ne!(meter_id("KR-0001"), meter_id("kr-0001"));
	}

	#[test]
	fn leaf_bytes_are_domain_message_and_signature() {
		let signed = SignedMessage {
			message: sample().canonical().unwrap(),
			signature: DeviceSignature::P256([0xab; 64]),
		};
		let expected = format!("{}{PINNED}01{}", hex::encode(LEAF_DOMAIN), "ab".repeat(64));
		assert_eq!(hex::encode(signed.leaf_bytes()), expected);
	}

	#[test]
	fn codec_indices_are_pinned() {
		let qualities = [Quality::Valid, Quality::Estimated, Quality::Suspect, Quality::Missing];
		for (index, quality) in (0u8..).zip(qualities) {
			assert_eq!(quality.encode(), [index]);
		}
		assert!(Quality::decode(&mut &[4u8][..]).is_err());
		assert_eq!(DeviceKey::Ed25519([1; 32]).encode()[0], 0);
		assert_eq!(DeviceKey::P256([1; 33]).encode()[0], 1);
		assert_eq!(DeviceSignature::Ed25519([1; 64]).encode()[0], 0);
		assert_eq!(DeviceSignature::P256([1; 64]).encode()[0], 1);
	}

	#[test]
	fn lengths_are_what_the_documentation_says() {
		assert_eq!(SIGNING_DOMAIN.len(), 23);
		assert_eq!(LEAF_DOMAIN.len(), 20);
		assert_eq!(CanonicalInterval::max_encoded_len(), 29);
		assert_eq!(DeviceKey::max_encoded_len(), 34);
		assert_eq!(DeviceSignature::max_encoded_len(), 65);
		let longest = CanonicalMessage {
			consumption_wh: Some(u64::MAX),
			generation_wh: Some(u64::MAX),
			storage_wh: Some(i64::MIN),
			..with_intervals((0..96).map(|index| interval(index * 900, 900)).collect())
		};
		assert_eq!(signing_bytes(&longest).len(), MAX_SIGNING_BYTES);
		let signed =
			SignedMessage { message: longest, signature: DeviceSignature::Ed25519([0; 64]) };
		assert_eq!(signed.leaf_bytes().len(), MAX_LEAF_BYTES);
		assert_eq!(SignedMessage::from_leaf_bytes(&signed.leaf_bytes()), Ok(signed));
	}

	#[test]
	fn count_takes_two_bytes_from_sixty_four_readings_on() {
		let count = |readings: u64| {
			let intervals = (0..readings).map(|index| interval(index * 900, 900)).collect();
			signing_bytes(&with_intervals(intervals))[63..65].to_vec()
		};
		assert_eq!(count(63)[0], 4 * 63);
		assert_eq!(count(64), (4u16 * 64 + 1).to_le_bytes());
		assert_eq!(count(96), (4u16 * 96 + 1).to_le_bytes());
	}
}

mod from_bytes {
	use super::*;

	fn refused(bytes: &[u8]) {
		let refused = CanonicalMessage::from_signing_bytes(bytes);
		assert_eq!(refused, Err(CanonicalError::NotCanonical));
	}

	#[test]
	fn message_returns_from_its_bytes() {
		let message = sample().canonical().unwrap();
		let bytes = signing_bytes(&message);
		assert_eq!(CanonicalMessage::from_signing_bytes(&bytes), Ok(message));
	}

	#[test]
	fn refused_when_truncated_extended_or_of_another_domain() {
		let bytes = signing_bytes(&sample().canonical().unwrap());
		for length in 0..bytes.len() {
			refused(&bytes[..length]);
		}
		refused(&[&bytes[..], &[0]].concat());
		refused(&bytes[SIGNING_DOMAIN.len()..]);
		let mut other = bytes.clone();
		other[SIGNING_DOMAIN.len() - 2] = b'2';
		refused(&other);
	}

	#[test]
	fn refused_when_longer_than_any_message() {
		let intervals = (0..200).map(|index| interval(index * 900, 900)).collect();
		refused(&signing_bytes(&with_intervals(intervals)));
	}

	#[test]
	fn refused_when_decoded_message_breaks_a_rule() {
		let bytes = signing_bytes(&with_intervals(vec![interval(0, 0)]));
		assert_eq!(
			CanonicalMessage::from_signing_bytes(&bytes),
			Err(CanonicalError::ZeroDuration { index: 0 })
		);
	}

	#[test]
	fn leaf_refused_when_it_is_only_signing_bytes() {
		let signed = SignedMessage {
			message: sample().canonical().unwrap(),
			signature: DeviceSignature::Ed25519([0; 64]),
		};
		let leaf = signed.leaf_bytes();
		let refuse = |bytes: &[u8]| {
			assert_eq!(SignedMessage::from_leaf_bytes(bytes), Err(CanonicalError::NotCanonical));
		};
		refuse(&leaf[LEAF_DOMAIN.len()..]);
		refuse(&leaf[..leaf.len() - 1]);
		refuse(&[&leaf[..], &[0]].concat());
		refuse(&vec![0; MAX_LEAF_BYTES + 1]);
		let mut unknown_algorithm = leaf.clone();
		unknown_algorithm[leaf.len() - 65] = 2;
		refuse(&unknown_algorithm);
	}
}

mod validate {
	use super::*;

	fn result(intervals: Vec<CanonicalInterval>) -> Result<(), CanonicalError> {
		with_intervals(intervals).validate()
	}

	#[test]
	fn accepted_when_intervals_touch_or_leave_gaps() {
		assert_eq!(result(vec![interval(0, 900), interval(900, 1), interval(10_000, 900)]), Ok(()));
	}

	#[test]
	fn count_is_one_to_ninety_six() {
		let many = |count| (0..count).map(|index| interval(index * 900, 900)).collect();
		assert_eq!(result(many(0)), Err(CanonicalError::NoIntervals));
		assert_eq!(result(many(1)), Ok(()));
		assert_eq!(result(many(MAX_INTERVALS as u64)), Ok(()));
		assert_eq!(result(many(97)), Err(CanonicalError::TooManyIntervals { count: 97 }));
	}

	#[test]
	fn duration_is_one_second_to_one_day() {
		let last = |duration| result(vec![interval(0, 900), interval(900, duration)]);
		assert_eq!(last(0), Err(CanonicalError::ZeroDuration { index: 1 }));
		assert_eq!(last(1), Ok(()));
		assert_eq!(last(86_400), Ok(()));
		assert_eq!(last(86_401), Err(CanonicalError::DurationTooLong { index: 1 }));
	}

	#[test]
	fn end_fits_in_sixty_four_bits() {
		assert_eq!(result(vec![interval(u64::MAX - 900, 900)]), Ok(()));
		let beyond = result(vec![interval(u64::MAX - 899, 900)]);
		assert_eq!(beyond, Err(CanonicalError::EndOutOfRange { index: 0 }));
	}

	#[test]
	fn order_is_strict() {
		let second = |start| result(vec![interval(1_000, 900), interval(start, 900)]);
		assert_eq!(second(1_900), Ok(()));
		assert_eq!(second(1_899), Err(CanonicalError::Overlap { index: 1 }));
		assert_eq!(second(1_000), Err(CanonicalError::Overlap { index: 1 }));
		assert_eq!(second(999), Err(CanonicalError::Unsorted { index: 1 }));
		assert_eq!(second(0), Err(CanonicalError::Unsorted { index: 1 }));
	}

	#[test]
	fn missing_interval_carries_no_energy() {
		let missing = |import_wh, export_wh| {
			result(vec![CanonicalInterval {
				import_wh,
				export_wh,
				quality: Quality::Missing,
				..interval(0, 900)
			}])
		};
		assert_eq!(missing(0, 0), Ok(()));
		assert_eq!(missing(1, 0), Err(CanonicalError::MissingWithEnergy { index: 0 }));
		assert_eq!(missing(0, 1), Err(CanonicalError::MissingWithEnergy { index: 0 }));
	}
}

mod energy_in {
	use super::*;

	fn hour() -> CanonicalMessage {
		let mut message =
			with_intervals((0..4).map(|index| interval(3_600 + index * 900, 900)).collect());
		message.intervals[2].quality = Quality::Suspect;
		message
	}

	#[test]
	fn whole_window_counts_everything_once() {
		let expected = WindowEnergy {
			import_wh: 40,
			export_wh: 4,
			covered_seconds: 3_600,
			quality: Quality::Suspect,
		};
		assert_eq!(hour().energy_in(3_600, 7_200), Ok(expected));
		assert_eq!(hour().energy_in(0, u64::MAX), Ok(expected));
	}

	#[test]
	fn adjoining_windows_add_up_to_the_whole() {
		let first = hour().energy_in(3_600, 5_400).unwrap();
		let second = hour().energy_in(5_400, 7_200).unwrap();
		assert_eq!((first.import_wh, first.quality), (20, Quality::Valid));
		assert_eq!((second.import_wh, second.quality), (20, Quality::Suspect));
	}

	#[test]
	fn interval_across_a_border_is_left_out() {
		assert_eq!(hour().energy_in(3_601, 7_200).unwrap().import_wh, 30);
		assert_eq!(hour().energy_in(3_600, 7_199).unwrap().covered_seconds, 2_700);
	}

	#[test]
	fn nothing_when_window_is_empty_reversed_or_elsewhere() {
		for (from, to) in [(3_600, 3_600), (7_200, 3_600), (0, 3_600), (7_200, 10_000)] {
			let energy = hour().energy_in(from, to).unwrap();
			assert_eq!((energy.import_wh, energy.covered_seconds), (0, 0));
			assert_eq!(energy.quality, Quality::Missing);
		}
	}

	#[test]
	fn missing_interval_covers_nothing() {
		let mut message = hour();
		message.intervals[0] = CanonicalInterval {
			import_wh: 0,
			export_wh: 0,
			quality: Quality::Missing,
			..message.intervals[0]
		};
		assert_eq!(message.energy_in(3_600, 7_200).unwrap().covered_seconds, 2_700);
	}

	#[test]
	fn refused_when_sum_overflows() {
		for exported in [false, true] {
			let mut message = hour();
			let first = &mut message.intervals[0];
			*(if exported { &mut first.export_wh } else { &mut first.import_wh }) = u64::MAX;
			assert_eq!(message.energy_in(0, u64::MAX), Err(CanonicalError::EnergyOverflow));
			assert!(message.energy_in(3_600, 4_500).is_ok());
		}
	}

	#[test]
	fn refused_when_a_second_would_count_twice() {
		let message = with_intervals(vec![interval(0, 900), interval(0, 900)]);
		assert_eq!(message.energy_in(0, 900), Err(CanonicalError::Overlap { index: 1 }));
	}
}

#[test]
fn qualities_compare_from_best_to_worst() {
	assert!(Quality::Valid < Quality::Estimated);
	assert!(Quality::Estimated < Quality::Suspect);
	assert!(Quality::Suspect < Quality::Missing);
}
