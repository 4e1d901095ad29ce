//! The JSON Schema agrees with the reader, as far as a schema can.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;
use wia_ene_014::{Message, SCHEMA};

use crate::{
	properties::any_message,
	rejections::{document, Schema, TABLE},
	support::{ed25519_secret, sample, FULL, STANDARD_EXAMPLE},
};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
	let schema: Value = serde_json::from_str(SCHEMA).unwrap();
	jsonschema::draft202012::meta::validate(&schema).unwrap();
	jsonschema::validator_for(&schema).unwrap()
});

fn accepts(document: &str) -> bool {
	VALIDATOR.is_valid(&serde_json::from_str(document).unwrap())
}

#[test]
fn examples_are_accepted() {
	assert!(accepts(STANDARD_EXAMPLE));
	assert!(accepts(FULL));
	assert!(accepts(&sample().sign_ed25519(&ed25519_secret()).unwrap().to_json()));
	assert!(accepts(include_str!("../../fuzz/corpus/parse_message/numbers.json")));
}

#[test]
fn bad_documents_are_refused_by_schema_and_reader() {
	for (from, to, code, _field, schema) in TABLE {
		let document = document(from, to);
		match schema {
			Schema::Refuses => assert!(!accepts(&document), "{code}: {to}"),
			Schema::CannotSee => assert!(accepts(&document), "{code}: {to}"),
			Schema::NotAsked => {}
		}
	}
}

#[test]
fn readings_are_limited_to_ninety_six() {
	let mut value: Value = serde_json::from_str(FULL).unwrap();
	let reading = value["readings"][0].clone();
	value["readings"] = vec![reading.clone(); 96].into();
	assert!(VALIDATOR.is_valid(&value));
	assert!(Message::parse(value.to_string().as_bytes()).is_ok());
	value["readings"] = vec![reading; 97].into();
	assert!(!VALIDATOR.is_valid(&value));
	assert!(Message::parse(value.to_string().as_bytes()).is_err());
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(256))]

	#[test]
	fn generated_messages_are_accepted(message in any_message()) {
		prop_assert!(accepts(&message.to_json()));
	}
}
