//! Reading and writing the JSON message: what is accepted, and what it means.

use wia_ene_014::{
	check, EnergyQuantity, EnergyUnit, Limits, Message, Phase, Quality, Rejection, RejectionCode,
	SignedMessage, Timestamp, MAX_MESSAGE_BYTES,
};

use crate::support::{
	at, ed25519_key, ed25519_secret, p256_key, p256_secret, sample, FULL, NOW, STANDARD_EXAMPLE,
};

fn parse(document: &str) -> Message {
	document.parse().unwrap()
}

fn value(json: &str) -> serde_json::Value {
	serde_json::from_str(json).unwrap()
}

mod example_of_the_standard {
	use super::*;

	#[test]
	fn parses_and_prints_with_the_same_content() {
		let message = parse(STANDARD_EXAMPLE);
		assert_eq!(message.phase, Phase::One);
		assert_eq!(message.timestamp, at(NOW));
		assert_eq!((message.meter_id.as_ref(), message.readings.len()), (None, 0));
		let consumption = message.energy_data.clone().unwrap().consumption.unwrap();
		assert_eq!(consumption.total.unsigned_wh(), Ok(1_250_500));
		assert_eq!(consumption.quality, Quality::Valid);
		assert_eq!(value(&message.to_json()), value(STANDARD_EXAMPLE));
	}

	#[test]
	fn refused_as_printed_with_its_trailing_comma() {
		let printed = STANDARD_EXAMPLE.replace("}\n}\n}", "},\n}\n}");
		assert_ne!(printed, STANDARD_EXAMPLE);
		let rejection = printed.parse::<Message>().unwrap_err();
		assert_eq!(rejection.code, RejectionCode::NotJson);
	}

	#[test]
	fn refused_by_the_market_for_want_of_a_meter() {
		let rejection = SignedMessage::try_from(&parse(STANDARD_EXAMPLE)).unwrap_err();
		assert_eq!(rejection.to_string(), "meterId: missing");
		assert_eq!(rejection.code, RejectionCode::MissingField);
	}
}

mod reading {
	use super::*;

	#[test]
	fn every_field_is_read() {
		let message = parse(FULL);
		assert_eq!(message.phase, Phase::Three);
		let canonical = message.canonical().unwrap();
		let [first, second] = canonical.intervals[..] else { panic!("two readings") };
		assert_eq!((first.start_seconds, first.duration_seconds), (NOW - 1_800, 900));
		assert_eq!((first.import_wh, first.export_wh), (350, 20));
		assert_eq!((second.start_seconds, second.duration_seconds), (NOW - 900, 600));
		assert_eq!((second.import_wh, second.export_wh), (0, 1_000));
		assert_eq!(second.quality, Quality::Estimated);
		assert_eq!(canonical.consumption_wh, Some(1_250_500));
		assert_eq!(canonical.generation_wh, Some(12_000_000));
		assert_eq!(canonical.storage_wh, Some(-3_000));
		assert_eq!(canonical.quality, Quality::Valid);
	}

	#[test]
	fn moment_may_have_an_offset_and_zero_fraction() {
		for text in [
			"2025-12-25T10:30:00Z",
			"2025-12-25T10:30:00.000Z",
			"2025-12-25T19:30:00+09:00",
			"2025-12-25T05:00:00.0-05:30",
			"2025-12-25T10:30:00-00:00",
		] {
			assert_eq!(text.parse(), Ok(at(NOW)), "{text}");
		}
		assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(at(0)));
		let last: Timestamp = "9999-12-31T23:59:59Z".parse().unwrap();
		assert_eq!(last.unix_seconds(), Timestamp::MAX_UNIX_SECONDS);
		assert_eq!(Timestamp::from_unix_seconds(Timestamp::MAX_UNIX_SECONDS + 1), None);
	}

	#[test]
	fn moment_refused_when_not_a_whole_second_of_the_calendar() {
		for text in [
			"",
			"2025-12-25",
			"2025-12-25T10:30:00",
			"2025-12-25 10:30:00Z",
			"2025-12-25t10:30:00z",
			"2025-12-25T10:30Z",
			"2025-12-25T10:30:00.5Z",
			"2025-12-25T10:30:00.Z",
			"2025-12-25T10:30:00.0001Z",
			"2025-12-25T10:30:60Z",
			"2016-12-31T23:59:60Z",
			"2025-02-29T00:00:00Z",
			"2025-13-01T00:00:00Z",
			"2025-12-25T24:00:00Z",
			"2025-12-25T10:30:00+9:00",
			"2025-12-25T10:30:00+0900",
			"2025-12-25T10:30:00Z ",
			"1969-12-31T23:59:59Z",
			"1970-01-01T00:00:00+01:00",
			"9999-12-31T23:59:59-00:01",
			"12025-12-25T10:30:00Z",
			"+2025-12-25T10:30:00Z",
			"２025-12-25T10:30:00Z",
		] {
			let rejection = text.parse::<Timestamp>().unwrap_err();
			assert_eq!(rejection.code, RejectionCode::BadTimestamp, "{text}");
		}
	}

	#[test]
	fn words_of_both_vocabularies_mean_the_same() {
		for (word, quality) in [
			("high", Quality::Valid),
			("valid", Quality::Valid),
			("medium", Quality::Estimated),
			("estimated", Quality::Estimated),
			("low", Quality::Suspect),
			("suspect", Quality::Suspect),
			("missing", Quality::Missing),
		] {
			let document = STANDARD_EXAMPLE.replace("high", word);
			let total = parse(&document).energy_data.unwrap().consumption.unwrap();
			assert_eq!(total.quality, quality, "{word}");
			let document =
				FULL.replace(r#""quality": "valid","#, &format!(r#""quality":"{word}","#));
			assert_eq!(parse(&document).quality, Some(quality), "{word}");
		}
	}

	#[test]
	fn escaped_text_is_the_same_text() {
		let escaped =
			FULL.replace("KR-0001", r"KR\u002d0001").replace("\"phase\"", r#""ph\u0061se""#);
		assert_eq!(parse(&escaped), parse(FULL));
	}

	#[test]
	fn document_of_the_largest_size_is_read() {
		let padded = format!("{FULL}{}", " ".repeat(MAX_MESSAGE_BYTES - FULL.len()));
		assert_eq!(parse(&padded), parse(FULL));
		let rejection = format!("{padded} ").parse::<Message>().unwrap_err();
		assert_eq!((rejection.field.as_str(), rejection.code), ("$", RejectionCode::TooLarge));
	}

	#[test]
	fn ninety_six_readings_fit() {
		let mut message = sample();
		message.energy_data = None;
		message.readings = vec![message.readings[0].clone(); 96];
		for (index, reading) in (0..).zip(&mut message.readings) {
			reading.start = at(NOW - 96 * 900 + index * 900);
			reading.import =
				EnergyQuantity::new("0.001".parse().unwrap(), EnergyUnit::KilowattHour).unwrap();
		}
		let message = message.sign_p256(&p256_secret()).unwrap();
		assert_eq!(parse(&message.to_json()), message);
	}

	#[test]
	fn deeply_nested_document_is_refused_without_a_crash() {
		for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
			let depth = MAX_MESSAGE_BYTES / 7;
			let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
			assert!(nested.parse::<Message>().is_err());
		}
		let many_fields: String = (0..7_000).map(|index| format!("\"{index}\":1,")).collect();
		let document = format!("{{{many_fields}{}", &FULL[1..]);
		let rejection = document.parse::<Message>().unwrap_err();
		assert_eq!((rejection.field.as_str(), rejection.code), ("0", RejectionCode::UnknownField));
	}

	#[test]
	fn serde_reads_several_messages_at_once() {
		let messages: Vec<Message> =
			serde_json::from_str(&format!("[{FULL},{STANDARD_EXAMPLE}]")).unwrap();
		assert_eq!(messages, [parse(FULL), parse(STANDARD_EXAMPLE)]);
		let error = serde_json::from_str::<Message>("{}").unwrap_err();
		assert!(error.to_string().starts_with("standard: missing"), "{error}");
	}
}

mod writing {
	use super::*;

	#[test]
	fn absent_fields_are_left_out() {
		let message = Message::build("M".parse().unwrap(), at(0), Vec::new());
		assert_eq!(
			message.to_json(),
			concat!(
				r#"{"standard":"WIA-ENE-014","version":"1.0","phase":1,"#,
				r#""timestamp":"1970-01-01T00:00:00Z","meterId":"M"}"#
			)
		);
	}

	#[test]
	fn numbers_are_plain_and_exact() {
		let json = parse(FULL).to_json();
		for part in [
			r#""import":{"value":0.35,"unit":"kWh"}"#,
			r#""export":{"value":0.001,"unit":"MWh"}"#,
			r#""storage":{"total":-3,"unit":"kWh","quality":"high"}"#,
			r#""start":"2025-12-25T10:15:00Z""#,
		] {
			assert!(json.contains(part), "{part} in {json}");
		}
		assert_eq!(parse(&json), parse(FULL));
	}

	#[test]
	fn meter_id_with_quotes_is_escaped() {
		let message = Message::build(r#""\"/<>"#.parse().unwrap(), at(NOW), Vec::new());
		assert_eq!(parse(&message.to_json()), message);
	}
}

mod quality_of_the_message {
	use super::*;

	#[test]
	fn stated_one_wins_then_totals_then_worst_reading() {
		let mut message = sample();
		assert_eq!(message.overall_quality(), Ok(Quality::Estimated));
		message.energy_data = None;
		message.readings[0].quality = Quality::Suspect;
		assert_eq!(message.overall_quality(), Ok(Quality::Suspect));
		message.quality = Some(Quality::Valid);
		assert_eq!(message.overall_quality(), Ok(Quality::Valid));
		message.quality = None;
		message.readings.clear();
		assert_eq!(message.overall_quality(), Ok(Quality::Missing));
	}

	#[test]
	fn total_with_another_quality_is_refused() {
		let mut message = sample();
		message.quality = Some(Quality::Valid);
		let rejection = message.canonical().unwrap_err();
		assert_eq!(rejection.code, RejectionCode::QualityMismatch);
		assert_eq!(rejection.field, "energyData.consumption.quality");
	}
}

mod signing {
	use super::*;

	#[test]
	fn signed_message_travels_and_verifies() {
		for (message, key) in [
			(sample().sign_ed25519(&ed25519_secret()).unwrap(), ed25519_key()),
			(sample().sign_p256(&p256_secret()).unwrap(), p256_key()),
		] {
			let received = parse(&message.to_json());
			let signed = SignedMessage::try_from(&received).unwrap();
			assert_eq!(check(&signed, &Limits::at(NOW)), Ok(()));
			assert_eq!(signed.verify(&key), Ok(()));
		}
	}

	#[test]
	fn same_energy_in_another_unit_keeps_the_signature() {
		let mut message = sample().sign_ed25519(&ed25519_secret()).unwrap();
		message.readings[0].import =
			EnergyQuantity::new("0.35".parse().unwrap(), EnergyUnit::KilowattHour).unwrap();
		let signed = SignedMessage::try_from(&message).unwrap();
		assert_eq!(signed.verify(&ed25519_key()), Ok(()));
	}

	#[test]
	fn every_changed_figure_breaks_the_signature() {
		let message = sample().sign_ed25519(&ed25519_secret()).unwrap();
		let changes: [fn(&mut Message); 9] = [
			|message| message.timestamp = at(NOW + 1),
			|message| message.meter_id = Some("KR-0002".parse().unwrap()),
			|message| message.readings[0].start = at(NOW - 1_801),
			|message| message.readings[0].duration_seconds -= 1,
			|message| message.readings[0].import = EnergyQuantity::from_wh(351),
			|message| message.readings[1].export = EnergyQuantity::from_wh(0),
			|message| message.readings[1].quality = Quality::Valid,
			|message| {
				message.readings.pop();
			},
			|message| message.energy_data.as_mut().unwrap().storage = None,
		];
		for (index, change) in changes.into_iter().enumerate() {
			let mut changed = message.clone();
			change(&mut changed);
			let signed = SignedMessage::try_from(&changed).unwrap();
			assert!(signed.verify(&ed25519_key()).is_err(), "change {index}");
		}
	}

	#[test]
	fn refused_when_built_with_what_no_document_can_say() {
		let refused = |change: fn(&mut Message)| {
			let mut message = sample();
			change(&mut message);
			let Rejection { field, code, .. } =
				message.sign_ed25519(&ed25519_secret()).unwrap_err();
			(field, code)
		};
		assert_eq!(
			refused(|message| message.readings[1].import = EnergyQuantity::from_signed_wh(-1)),
			("readings[1].import.value".into(), RejectionCode::Negative)
		);
		assert_eq!(
			refused(|message| message
				.energy_data
				.as_mut()
				.unwrap()
				.storage
				.as_mut()
				.unwrap()
				.total = EnergyQuantity::from_wh(u64::MAX)),
			("energyData.storage.total".into(), RejectionCode::OutOfRange)
		);
		assert_eq!(
			refused(|message| message.readings.clear()),
			("readings".into(), RejectionCode::MissingField)
		);
		assert_eq!(
			refused(|message| message.meter_id = None),
			("meterId".into(), RejectionCode::MissingField)
		);
	}
}
