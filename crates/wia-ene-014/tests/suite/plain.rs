//! The reader of plain messages takes what the general reader takes, and only that.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::value::RawValue;
use wia_ene_014::{DeviceSignature, Message, Rejection, SignedMessage, MAX_MESSAGE_BYTES};

use crate::{
	properties::{decimal_text, market_message},
	support::{ed25519_secret, p256_secret, sample, FULL, PLAIN},
};

fn general(document: &str) -> Result<SignedMessage, Rejection> {
	SignedMessage::try_from(&Message::parse(document.as_bytes())?)
}

/// What the one pass makes of a single message; nothing when it gives up.
fn plain(document: &str) -> Option<SignedMessage> {
	let body = format!("[{document}]");
	let messages = SignedMessage::parse_plain_array(body.as_bytes(), 1)?;
	assert_eq!(messages.len(), 1);
	let (place, message) = messages.into_iter().next()?;
	// Its place is all of it, but for blanks around it.
	assert_eq!(body[place].trim(), document.trim());
	Some(message)
}

/// The first digits of an `s` of P-256 in the upper half.
const HIGH_S: &str = "f00102030405060708090a0b";

/// The plain document with one place written in another way.
fn with(from: &str, to: &str) -> String {
	assert!(PLAIN.contains(from), "{from} occurs in the document");
	PLAIN.replacen(from, to, 1)
}

fn high_as_written() -> DeviceSignature {
	let message: Message = with("\"ed25519\"", "\"p256\"")
		.replace("000102030405060708090a0b", HIGH_S)
		.parse()
		.unwrap();
	message.signature.unwrap()
}

fn assert_agrees(document: &str) {
	let expected = general(document);
	assert_eq!(SignedMessage::parse(document.as_bytes()), expected, "{document}");
	if let Some(signed) = plain(document) {
		assert_eq!(Ok(signed), expected, "{document}");
	}
}

#[test]
fn plain_message_is_taken_in_one_pass() {
	let taken = [
		PLAIN.to_string(),
		sample().sign_ed25519(&ed25519_secret()).unwrap().to_json(),
		sample().sign_p256(&p256_secret()).unwrap().to_json(),
		PLAIN.replace(['\n', '\t'], ""),
		PLAIN.replace('\n', " \r\n\t"),
		with("\"readings\": [", "\"readings\": [ \n"),
		with("2025-12-25T10:30:00Z", "2025-12-25T23:59:59+13:29"),
		with("2025-12-25T10:30:00Z", "2025-12-25T10:30:00-00:00"),
		with("0.350", "0.0"),
		with("0.350", "100000000000.000000"),
		with("\"value\": 20", "\"value\": 999999999999999999"),
		with("\"total\": -3", "\"total\": -0"),
		with("\"KR-0001\"", &format!("\"{}\"", "~".repeat(64))),
		with(",\n\t\"quality\": \"valid\",\n\t\"sig", ",\n\t\"sig"),
		with("\"ed25519\"", "\"p256\""),
		with("\"ed25519\"", "\"p256\"").replace("000102030405060708090a0b", HIGH_S),
	];
	let high = general(&taken[taken.len() - 1]).unwrap().signature;
	assert_ne!(high, high_as_written(), "the case shows something");
	for document in taken {
		let signed = plain(&document);
		assert!(signed.is_some(), "{document}");
		assert_eq!(signed, general(&document).ok(), "{document}");
		assert_agrees(&document);
	}
}

/// What the general reader takes and this one leaves to it.
#[test]
fn unusual_message_is_left_to_the_general_reader() {
	let left = [
		FULL.to_string(),
		with("0.350", "3.5e-1"),
		with("0.350", "350E-3"),
		with("0.350", "0.3500000000000000000"),
		with("\"value\": 20,", "\"value\": -0,"),
		with("10:00:00Z", "10:00:00.000Z"),
		with("KR-0001", "KR-\\u0030001"),
		with("\"phase\"", "\"ph\\u0061se\""),
		with("\"phase\": 2", "\"phase\": 2.0"),
		with("\"durationSeconds\": 900", "\"durationSeconds\": 9e2"),
	];
	for document in left {
		assert_eq!(plain(&document), None, "{document}");
		assert!(general(&document).is_ok(), "{document}");
		assert_agrees(&document);
	}
}

#[test]
fn bad_message_is_left_to_the_general_reader() {
	let bad = [
		"".to_string(),
		"{}".into(),
		"[]".into(),
		format!("{PLAIN} {PLAIN}"),
		format!("{PLAIN},"),
		PLAIN.trim_end().trim_end_matches('}').into(),
		with("\"phase\": 2,", "\"phase\": 2,,"),
		with("\"phase\": 2,", "\"phase\": 02,"),
		with("\"phase\": 2,", "\"phase\": 4,"),
		with("\"phase\": 2,", "\"phase\" 2,"),
		with("\"phase\": 2,", "\"phase\": 2"),
		with("\"phase\": 2,", "\"phase\": 2, \"phase\": 2,"),
		with("\"phase\": 2,", "\"phase\": 2, \"note\": 2,"),
		with("\"phase\": 2,", ""),
		with("WIA-ENE-014", "WIA-ENE-015"),
		with("\"1.0\"", "\"1.1\""),
		with("\"meterId\": \"KR-0001\",", ""),
		with("KR-0001", ""),
		with("KR-0001", "KR 0001"),
		with("KR-0001", "KR\t0001"),
		with("KR-0001", "KR-0001é"),
		with("\"KR-0001\"", &format!("\"{}\"", "x".repeat(65))),
		with("10:30:00Z", "10:30:60Z"),
		with("10:30:00Z", "24:30:00Z"),
		with("10:30:00Z", "10:30:00"),
		with("10:30:00Z", "10:30:00z"),
		with("10:30:00Z", "10:30:00+24:00"),
		with("10:30:00Z", "10:30:00+00:60"),
		with("2025-12-25T10:30", "2025-02-29T10:30"),
		with("2025-12-25T10:30:00Z", "1970-01-01T00:59:59+01:00"),
		with("2025-12-25T10:30:00Z", "9999-12-31T23:00:00-01:00"),
		with("\"durationSeconds\": 900", "\"durationSeconds\": 4294967296"),
		with("\"durationSeconds\": 900", "\"durationSeconds\": 901"),
		with("\"durationSeconds\": 900", "\"durationSeconds\": 0"),
		with("\"durationSeconds\": 900", "\"durationSeconds\": -900"),
		with("0.350", "-0.350"),
		with("0.350", "0.3501"),
		with("0.350", "00.350"),
		with("0.350", ".350"),
		with("0.350", "0."),
		with("0.350", "+0.350"),
		with("0.350", "999999999999999999.999"),
		with("0.350, \"unit\": \"kWh\"", "99999999999999, \"unit\": \"MWh\""),
		with("0.350, \"unit\": \"kWh\"", "0.350, \"unit\": \"GWh\""),
		with("\"valid\"\n", "\"high\"\n"),
		with("\"valid\"\n", "\"missing\"\n"),
		with(
			"-3, \"unit\": \"kWh\", \"quality\": \"high\"",
			"-3, \"unit\": \"kWh\", \"quality\": \"low\"",
		),
		with("\"consumption\": { \"total\": 1250.5", "\"consumption\": { \"total\": -1250.5"),
		with("\"generation\"", "\"consumption\""),
		with("\"quality\": \"valid\",\n\t\"sig", "\"quality\": \"low\",\n\t\"sig"),
		with("\"ed25519\"", "\"rsa\""),
		with("\"0011", "\"00x1"),
		with("\"0011", "\" 0011"),
		with("1e1f\"", "1e1f \""),
		with("1e1f\"", "1e1f00\""),
		with("1e1f\"", "1e\""),
	];
	for document in bad {
		assert_eq!(plain(&document), None, "{document}");
		assert!(general(&document).is_err(), "{document}");
		assert_agrees(&document);
	}
}

#[test]
fn document_is_refused_above_the_limit_alone_and_in_an_array() {
	// One space more in the document itself, then one more after it.
	let room = MAX_MESSAGE_BYTES - PLAIN.trim().len();
	let longest = PLAIN.trim().replacen('\n', &format!("\n{}", " ".repeat(room)), 1);
	assert_eq!(longest.len(), MAX_MESSAGE_BYTES);
	assert!(SignedMessage::parse(longest.as_bytes()).is_ok());
	assert!(plain(&longest).is_some());
	assert!(plain(&format!(" {longest} ")).is_some(), "blanks around it do not count");

	let longer = longest.replacen('\n', "\n ", 1);
	assert_eq!(plain(&longer), None);
	assert_agrees(&longer);
	assert!(general(&longer).is_err());
}

#[test]
fn array_is_left_when_it_is_no_list_of_plain_messages_within_the_limit() {
	let parse = |body: &str, limit| {
		SignedMessage::parse_plain_array(body.as_bytes(), limit).map(|messages| messages.len())
	};
	let two = format!(" [ {PLAIN} ,\n{PLAIN} ] \n");
	assert_eq!(parse(&two, 2), Some(2));
	assert_eq!(parse(&two, 3), Some(2));
	assert_eq!(parse(&two, 1), None);
	for body in [
		"[]".to_string(),
		"[".into(),
		"".into(),
		PLAIN.into(),
		format!("[{PLAIN}"),
		format!("[{PLAIN},]"),
		format!("[,{PLAIN}]"),
		format!("[{PLAIN} {PLAIN}]"),
		format!("[{PLAIN}] []"),
		format!("[{PLAIN}]]"),
		format!("[{PLAIN},{FULL}]"),
		format!("[{PLAIN},7]"),
		format!("\u{feff}[{PLAIN}]"),
		format!("\u{b}[{PLAIN}]"),
	] {
		assert_eq!(parse(&body, 9), None, "{body}");
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(256))]

	#[test]
	fn any_message_written_by_us_is_read_alike(message in market_message(), edwards: bool) {
		let message = if edwards {
			message.sign_ed25519(&ed25519_secret()).unwrap()
		} else {
			message.sign_p256(&p256_secret()).unwrap()
		};
		let document = message.to_json();
		assert_agrees(&document);
		// Only escapes and numbers of many digits are left to the general reader.
		let has_escape = document.contains('\\');
		let data = message.energy_data.unwrap_or_default();
		let totals = [data.consumption, data.generation, data.storage];
		let energies = message.readings.iter().flat_map(|reading| [reading.import, reading.export]);
		let has_long_number = energies
			.chain(totals.into_iter().flatten().map(|total| total.total))
			.map(|energy| energy.value().to_string())
			.any(|text| text.bytes().filter(u8::is_ascii_digit).count() > 18);
		prop_assert!(plain(&document).is_some() || has_escape || has_long_number);
	}

	#[test]
	fn any_number_is_read_alike(number in decimal_text(), unit in "Wh|kWh|MWh") {
		assert_agrees(&with("0.350, \"unit\": \"kWh\"", &format!("{number}, \"unit\": \"{unit}\"")));
		assert_agrees(&with("1250.5", &number));
		assert_agrees(&with("-3", &number));
		assert_agrees(&with("\"phase\": 2", &format!("\"phase\": {number}")));
		assert_agrees(&with("\"durationSeconds\": 900", &format!("\"durationSeconds\": {number}")));
	}

	#[test]
	fn any_number_without_an_exponent_is_read_alike(
		whole: u64,
		fraction in 0u64..1_000_000_000_000,
		places in 0usize..13,
		digits in 0usize..20,
		unit in "Wh|kWh|MWh",
	) {
		let whole = &whole.to_string()[..digits.clamp(1, whole.to_string().len())];
		let fraction = &format!("{fraction:012}")[..places.min(12)];
		let point = if fraction.is_empty() { "" } else { "." };
		for sign in ["", "-"] {
			let number = format!("{sign}{whole}{point}{fraction}");
			assert_agrees(&with("0.350, \"unit\": \"kWh\"", &format!("{number}, \"unit\": \"{unit}\"")));
			assert_agrees(&with("-3, \"unit\": \"kWh\"", &format!("{number}, \"unit\": \"{unit}\"")));
		}
	}

	#[test]
	fn any_timestamp_is_read_alike(
		date in "(19[67][0-9]|20[0-3][0-9]|0000|9999)-[01][0-9]-[0-3][0-9]",
		time in "[0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
		zone in "Z|Z|[+-][0-2][0-9]:[0-6][0-9]|[+-]0[0-9]:[0-5][0-9]|z|\\.0Z|",
	) {
		assert_agrees(&with("2025-12-25T10:30:00Z", &format!("{date}T{time}{zone}")));
		assert_agrees(&with("2025-12-25T10:00:00Z", &format!("{date}T{time}{zone}")));
	}

	#[test]
	fn any_array_is_read_as_by_a_parser(
		items in vec(prop_oneof![9 => Just(PLAIN), 1 => Just(FULL), 1 => Just("7")], 0..4),
		blanks in "[ \n\t\r]{0,2}",
		limit in 0usize..5,
		edits in vec((any::<Index>(), prop_oneof![
			Just(b','), Just(b'['), Just(b']'), Just(b'{'), Just(b'}'), Just(b' '), any::<u8>()
		], 0u8..3), 0..3),
	) {
		let separator = format!("{blanks},{blanks}");
		let mut body = format!("{blanks}[{}]{blanks}", items.join(&separator)).into_bytes();
		for (place, byte, kind) in edits {
			let place = place.index(body.len());
			match kind {
				0 => body[place] = byte,
				1 => drop(body.remove(place)),
				_ => body.insert(place, byte),
			}
		}
		if let Some(messages) = SignedMessage::parse_plain_array(&body, limit) {
			let raw: Vec<&RawValue> = serde_json::from_slice(&body).unwrap();
			prop_assert!((1..=limit).contains(&messages.len()));
			prop_assert_eq!(messages.len(), raw.len());
			for ((place, message), raw) in messages.into_iter().zip(raw) {
				prop_assert_eq!(body[place].trim_ascii(), raw.get().as_bytes());
				prop_assert_eq!(message, general(raw.get()).unwrap());
			}
		}
	}
}
