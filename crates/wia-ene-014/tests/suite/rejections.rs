//! One table of everything that is refused: by which code, for which field, and whether the JSON
//! Schema sees it too.

use std::collections::BTreeSet;

use wia_ene_014::{
	check, CanonicalError, CanonicalMessage, Limits, Message, Rejection, RejectionCode,
	RejectionCode::*, SignatureError, SignedMessage,
};

use crate::support::{ed25519_key, ed25519_secret, FULL, NOW};

/// What the JSON Schema makes of a document that the reader refuses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schema {
	/// It refuses it as well.
	Refuses,
	/// It cannot see the fault: it says nothing of exactness, time and order.
	CannotSee,
	/// The document does not even become a JSON value, or loses the fault on the way.
	NotAsked,
}
use Schema::{CannotSee, NotAsked, Refuses};

/// `(what to replace in the full document, by what, code, field, schema)`.
#[rustfmt::skip]
pub const TABLE: &[(&str, &str, RejectionCode, &str, Schema)] = &[
	// The document.
	("\"phase\": 3,", "\"phase\": 3,,", NotJson, "$", NotAsked),
	("\"phase\": 3", "\"phase\": 03", NotJson, "$", NotAsked),
	("KR-0001", "KR\\ud800", NotJson, "meterId", NotAsked),
	("\"KR-0001\"", "7", WrongType, "meterId", Refuses),
	("\"KR-0001\"", "null", WrongType, "meterId", Refuses),
	("\"2025-12-25T10:30:00Z\"", "1766658600", WrongType, "timestamp", Refuses),
	("\"phase\": 3", "\"phase\": \"3\"", WrongType, "phase", Refuses),
	("\"phase\": 3", "\"phase\": 1.5", WrongType, "phase", Refuses),
	("\"phase\": 3,", "\"phase\": 3, \"note\": \"\",", UnknownField, "note", Refuses),
	("\"phase\": 3,", "\"phase\": 3, \"a\\nb\": 1,", UnknownField, "a\\nb", Refuses),
	("\"phase\": 3,", "\"phase\": 3, \"phase\": 3,", DuplicateField, "phase", NotAsked),
	("\"phase\": 3,", "", MissingField, "phase", Refuses),
	("\"standard\": \"WIA-ENE-014\",", "", MissingField, "standard", Refuses),
	("\"version\": \"1.0\",", "", MissingField, "version", Refuses),
	("\"timestamp\": \"2025-12-25T10:30:00Z\",", "", MissingField, "timestamp", Refuses),
	("\"meterId\": \"KR-0001\",", "", MissingField, "meterId", CannotSee),
	// The version.
	("\"WIA-ENE-014\"", "\"WIA-ENE-015\"", UnsupportedVersion, "standard", Refuses),
	("\"version\": \"1.0\"", "\"version\": \"1.1\"", UnsupportedVersion, "version", Refuses),
	("\"version\": \"1.0\"", "\"version\": \"1.1\", \"new\": 1", UnsupportedVersion, "version", Refuses),
	("\"phase\": 3", "\"phase\": 0", UnsupportedVersion, "phase", Refuses),
	("\"phase\": 3", "\"phase\": 4", UnsupportedVersion, "phase", Refuses),
	// Simple fields.
	("2025-12-25T10:30:00Z", "2025-12-25 10:30", BadTimestamp, "timestamp", Refuses),
	("2025-12-25T10:30:00Z", "2025-12-25T10:30:00.5Z", BadTimestamp, "timestamp", Refuses),
	("2025-12-25T10:30:00Z", "2025-02-30T10:30:00Z", BadTimestamp, "timestamp", CannotSee),
	("2025-12-25T10:00:00Z", "yesterday", BadTimestamp, "readings[0].start", Refuses),
	("KR-0001", "", BadMeterId, "meterId", Refuses),
	("KR-0001", "KR 0001", BadMeterId, "meterId", Refuses),
	("KR-0001", "미터-1", BadMeterId, "meterId", Refuses),
	("KR-0001", "x2345678901234567890123456789012345678901234567890123456789012345", BadMeterId, "meterId", Refuses),
	("\"quality\": \"valid\",\n\t\"sig", "\"quality\": \"good\",\n\t\"sig", UnknownQuality, "quality", Refuses),
	// Readings.
	("\"readings\": [", "\"readings\": [7,", WrongType, "readings[0]", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": \"PT15M\"", WrongType, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": 0.5", WrongType, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": -900", Negative, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": 4294967296", OutOfRange, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": 0", ZeroDuration, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 600", "\"durationSeconds\": 86401", DurationTooLong, "readings[1].durationSeconds", Refuses),
	("\"durationSeconds\": 900,", "", MissingField, "readings[0].durationSeconds", Refuses),
	("\"durationSeconds\": 900,", "\"durationSeconds\": 900, \"end\": 1,", UnknownField, "readings[0].end", Refuses),
	("\"durationSeconds\": 900", "\"durationSeconds\": 901", Overlap, "readings[1].start", CannotSee),
	("2025-12-25T10:00:00Z", "2025-12-25T10:20:00Z", Unsorted, "readings[1].start", CannotSee),
	("\"durationSeconds\": 600", "\"durationSeconds\": 961", EndsAfterTimestamp, "readings[1].durationSeconds", CannotSee),
	("\"valid\"\n", "\"high\"\n", UnknownQuality, "readings[0].quality", Refuses),
	("\"valid\"\n", "\"missing\"\n", MissingWithEnergy, "readings[0]", CannotSee),
	("\"import\": { \"value\": 0.350, \"unit\": \"kWh\" },", "", MissingField, "readings[0].import", Refuses),
	("\"import\": { \"value\": 0.350, \"unit\": \"kWh\" }", "\"import\": 0.35", WrongType, "readings[0].import", Refuses),
	// Energies.
	("0.350", "\"0.350\"", WrongType, "readings[0].import.value", Refuses),
	("0.350", "true", WrongType, "readings[0].import.value", Refuses),
	("0.350", "0.3501", NotWholeWattHour, "readings[0].import.value", CannotSee),
	("0.350", "-0.350", Negative, "readings[0].import.value", Refuses),
	("0.350", "1e99", BadNumber, "readings[0].import.value", CannotSee),
	("0.350", "0.3500000000000000000000000000000000001", BadNumber, "readings[0].import.value", CannotSee),
	("0.350", "18446744073709551.616", OutOfRange, "readings[0].import.value", CannotSee),
	("0.350", "6", AbsurdPower, "readings[0].import.value", CannotSee),
	("1e-3, \"unit\": \"MWh\"", "1e-3, \"unit\": \"GWh\"", UnknownUnit, "readings[1].export.unit", Refuses),
	("1e-3, \"unit\": \"MWh\"", "1e-3, \"unit\": \"mwh\"", UnknownUnit, "readings[1].export.unit", Refuses),
	("1e-3, \"unit\": \"MWh\"", "1e-3", MissingField, "readings[1].export.unit", Refuses),
	("1e-3, \"unit\"", "1e-3, \"value\": 2, \"unit\"", DuplicateField, "readings[1].export.value", NotAsked),
	("1e-3", "1", AbsurdPower, "readings[1].export.value", CannotSee),
	// Totals.
	("1250.5", "-1250.5", Negative, "energyData.consumption.total", Refuses),
	("1250.5", "1250.50001", NotWholeWattHour, "energyData.consumption.total", CannotSee),
	("\"total\": -3", "\"total\": 9223372036854776", OutOfRange, "energyData.storage.total", CannotSee),
	("\"total\": -3, ", "", MissingField, "energyData.storage.total", Refuses),
	("\"total\": -3,", "\"total\": -3, \"sum\": 1,", UnknownField, "energyData.storage.sum", Refuses),
	("\"generation\"", "\"losses\"", UnknownField, "energyData.losses", Refuses),
	("-3, \"unit\": \"kWh\", \"quality\": \"high\"", "-3, \"unit\": \"kWh\", \"quality\": \"best\"", UnknownQuality, "energyData.storage.quality", Refuses),
	("-3, \"unit\": \"kWh\", \"quality\": \"high\"", "-3, \"unit\": \"kWh\", \"quality\": \"low\"", QualityMismatch, "energyData.storage.quality", CannotSee),
	// The signature.
	("\"algorithm\": \"ed25519\"", "\"algorithm\": \"rsa\"", UnknownAlgorithm, "signature.algorithm", Refuses),
	("\"algorithm\": \"ed25519\"", "\"algorithm\": \"Ed25519\"", UnknownAlgorithm, "signature.algorithm", Refuses),
	("\"algorithm\": \"ed25519\", ", "", MissingField, "signature.algorithm", Refuses),
	("\"value\": \"00", "\"value\": \"", BadSignatureEncoding, "signature.value", Refuses),
	("\"value\": \"00", "\"value\": \"0000", BadSignatureEncoding, "signature.value", Refuses),
	("\"value\": \"00", "\"value\": \"0x", BadSignatureEncoding, "signature.value", Refuses),
	("\"algorithm\": \"ed25519\"", "\"algorithm\": \"p256\"", SignatureInvalid, "signature", CannotSee),
	("\"phase\": 3", "\"phase\": 2", SignatureInvalid, "signature", CannotSee),
];

/// The document of one row of the table.
pub fn document(from: &str, to: &str) -> String {
	assert!(FULL.contains(from), "{from} occurs in the document");
	FULL.replacen(from, to, 1)
}

/// Everything an oracle does with a document: 20 kW at most, the time of the document.
fn accept(document: &str, now: u64) -> Result<(), Rejection> {
	let general =
		Message::parse(document.as_bytes()).and_then(|message| SignedMessage::try_from(&message));
	let quick = SignedMessage::parse(document.as_bytes());
	assert_eq!(quick, general, "{document}");
	let signed = quick?;
	let limits = Limits { max_power_w: Some(20_000), ..Limits::at(now) };
	check(&signed, &limits)?;
	signed.verify(&ed25519_key())?;
	Ok(())
}

#[test]
fn document_accepted_when_signed_as_it_is() {
	let signed = FULL.parse::<Message>().unwrap().sign_ed25519(&ed25519_secret()).unwrap();
	assert_eq!(accept(&signed.to_json(), NOW), Ok(()));
}

#[test]
fn every_row_is_refused_by_its_code_and_field() {
	for (from, to, code, field, _schema) in TABLE {
		let rejection = accept(&document(from, to), NOW).unwrap_err();
		assert_eq!(
			(rejection.code, rejection.field.as_str()),
			(*code, *field),
			"{to}: {rejection}"
		);
	}
}

#[test]
fn every_code_is_hit() {
	let mut hit: BTreeSet<RejectionCode> =
		TABLE.iter().map(|(_from, _to, code, _field, _schema)| *code).collect();

	let full = FULL;
	hit.insert(accept(full, NOW + 86_401).unwrap_err().code);
	hit.insert(accept(full, NOW - 301).unwrap_err().code);
	hit.insert(accept(&" ".repeat(70_000), NOW).unwrap_err().code);
	let not_canonical = CanonicalMessage::from_signing_bytes(b"").unwrap_err();
	hit.insert(Rejection::from(not_canonical).code);
	let many = "7,".repeat(97);
	let many = FULL.replace("\"readings\": [", &format!("\"readings\": [{many}"));
	let rejection = accept(&many, NOW).unwrap_err();
	assert_eq!(rejection.field, "readings");
	hit.insert(rejection.code);

	let all: BTreeSet<RejectionCode> = RejectionCode::ALL.iter().copied().collect();
	assert_eq!(hit, all);
}

#[test]
fn not_json_when_not_utf8_empty_or_several() {
	for document in [&b"\xff"[..], b"", b" ", b"{} {}", b"\xef\xbb\xbf{}", b"{\"a\":\xff}"] {
		assert_eq!(Message::parse(document).unwrap_err().code, NotJson);
	}
	for document in [&b"[]"[..], b"null", b"1", b"\"\"", b"true"] {
		let rejection = Message::parse(document).unwrap_err();
		assert_eq!((rejection.field.as_str(), rejection.code), ("$", WrongType));
	}
}

#[test]
fn missing_readings_and_signature_are_named() {
	let readings = FULL.find("\"readings\"").unwrap()..FULL.find("\"energyData\"").unwrap();
	let mut document = FULL.to_string();
	document.replace_range(readings, "");
	assert_eq!(accept(&document, NOW).unwrap_err().field, "readings");
	let mut message: Message = FULL.parse().unwrap();
	message.signature = None;
	let rejection = SignedMessage::try_from(&message).unwrap_err();
	assert_eq!((rejection.field.as_str(), rejection.code), ("signature", MissingField));
}

#[test]
fn unknown_field_is_shortened() {
	let document = document("\"phase\"", &format!("\"{}\": 1, \"phase\"", "x".repeat(10_000)));
	assert_eq!(accept(&document, NOW).unwrap_err().field, "x".repeat(40));
}

#[test]
fn words_of_the_codes_are_unique_and_in_kebab_case() {
	let words: BTreeSet<&str> = RejectionCode::ALL.iter().map(|code| code.as_str()).collect();
	assert_eq!(words.len(), RejectionCode::ALL.len());
	for code in RejectionCode::ALL {
		let word = code.as_str();
		assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
		assert_eq!(code.to_string(), word);
		assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{word}\""));
	}
}

#[test]
fn rejection_is_displayed_and_serialised() {
	let rejection = accept(&document("0.350", "0.3501"), NOW).unwrap_err();
	assert_eq!(rejection.to_string(), "readings[0].import.value: not a whole watt-hour");
	assert_eq!(
		serde_json::to_string(&rejection).unwrap(),
		concat!(
			r#"{"field":"readings[0].import.value","reason":"not a whole watt-hour","#,
			r#""code":"not-whole-watt-hour"}"#
		)
	);
}

#[test]
fn errors_of_the_chain_become_rejections() {
	for (error, field, code) in [
		(CanonicalError::NotCanonical, "$", NotCanonical),
		(CanonicalError::NoIntervals, "readings", MissingField),
		(CanonicalError::TooManyIntervals { count: 97 }, "readings", TooManyReadings),
		(CanonicalError::ZeroDuration { index: 2 }, "readings[2].durationSeconds", ZeroDuration),
		(
			CanonicalError::DurationTooLong { index: 2 },
			"readings[2].durationSeconds",
			DurationTooLong,
		),
		(CanonicalError::EndOutOfRange { index: 2 }, "readings[2].durationSeconds", OutOfRange),
		(CanonicalError::Unsorted { index: 2 }, "readings[2].start", Unsorted),
		(CanonicalError::Overlap { index: 2 }, "readings[2].start", Overlap),
		(CanonicalError::MissingWithEnergy { index: 2 }, "readings[2]", MissingWithEnergy),
		(CanonicalError::EnergyOverflow, "readings", OutOfRange),
	] {
		let rejection = Rejection::from(error);
		assert_eq!((rejection.field.as_str(), rejection.code), (field, code));
		assert_eq!(rejection.reason, error.to_string());
	}
	for error in [
		SignatureError::AlgorithmMismatch,
		SignatureError::InvalidKey,
		SignatureError::InvalidSignature,
		SignatureError::HighS,
	] {
		let rejection = Rejection::from(error);
		assert_eq!((rejection.field.as_str(), rejection.code), ("signature", SignatureInvalid));
		assert_eq!(rejection.reason, error.to_string());
	}
}
