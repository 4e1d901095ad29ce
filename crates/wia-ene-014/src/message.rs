//! The JSON message of the standard: reading, writing, signing.

use std::{
	borrow::Cow,
	fmt,
	str::{self, FromStr},
};

use chrono::{DateTime, SecondsFormat, Utc};
use p256::ecdsa::signature::Signer;
use serde::{
	de::{Deserialize, Deserializer},
	ser::{Serialize, SerializeMap, SerializeStruct, Serializer},
};
use serde_json::value::RawValue;

use crate::{
	canonical::{
		meter_id, signing_bytes, CanonicalInterval, CanonicalMessage, DeviceSignature, Quality,
		SignedMessage, MAX_INTERVALS,
	},
	document::{Object, Path, Text},
	error::{Rejection, RejectionCode},
	quantity::{Decimal, EnergyQuantity, EnergyUnit, QuantityError},
};

/// The only value of `standard` that is read.
pub const STANDARD: &str = "WIA-ENE-014";

/// The only value of `version` that is read.
pub const VERSION: &str = "1.0";

/// Longest JSON document that is read, in bytes: 64 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Longest meter identifier, in characters.
pub const MAX_METER_ID_LENGTH: usize = 64;

/// The phase of the standard that the sender implements. It changes no figure and is not signed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
	/// Foundation and data models.
	One,
	/// Virtual power plants and aggregation.
	Two,
	/// Energy trading and markets.
	Three,
}

impl Phase {
	/// The number in the JSON message, 1 to 3.
	pub const fn number(self) -> u8 {
		match self {
			Self::One => 1,
			Self::Two => 2,
			Self::Three => 3,
		}
	}

	/// The phase of that number.
	pub const fn from_number(number: i128) -> Option<Self> {
		match number {
			1 => Some(Self::One),
			2 => Some(Self::Two),
			3 => Some(Self::Three),
			_ => None,
		}
	}
}

/// A moment in whole seconds, from 1970 to the end of the year 9999.
///
/// Reads RFC 3339 with any offset; displays as UTC, such as `2025-12-25T10:30:00Z`. A fraction of
/// a second other than zero is refused, because the signed form has no place for it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
	/// The last moment, 9999-12-31T23:59:59Z.
	pub const MAX_UNIX_SECONDS: u64 = 253_402_300_799;

	/// The moment that many seconds after 1970-01-01T00:00:00Z, or `None` after the year 9999.
	pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
		if seconds > Self::MAX_UNIX_SECONDS {
			return None;
		}
		DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0).map(Self)
	}

	/// Seconds since 1970-01-01T00:00:00Z.
	pub fn unix_seconds(self) -> u64 {
		// Both ways to make one refuse moments before 1970.
		self.0.timestamp().unsigned_abs()
	}
}

impl fmt::Display for Timestamp {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
	}
}

/// Whether the text has the shape `YYYY-MM-DDTHH:MM:SS[.0…](Z|±HH:MM)`; the library alone would
/// also take blanks and lower case.
fn has_timestamp_shape(text: &str) -> bool {
	const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
	const OFFSET: &[u8] = b"dd:dd";
	let matches = |bytes: &[u8], shape: &[u8]| {
		bytes.len() == shape.len()
			&& bytes.iter().zip(shape).all(|(byte, expected)| match expected {
				b'd' => byte.is_ascii_digit(),
				_ => byte == expected,
			})
	};
	let Some((moment, rest)) = text.as_bytes().split_at_checked(SHAPE.len()) else { return false };
	let zone = match rest.strip_prefix(b".0") {
		Some(zeros) => {
			let end = zeros.iter().position(|byte| *byte != b'0').unwrap_or(zeros.len());
			zeros.get(end..).unwrap_or_default()
		}
		None => rest,
	};
	matches(moment, SHAPE)
		&& match zone {
			[b'Z'] => true,
			[b'+' | b'-', offset @ ..] => matches(offset, OFFSET),
			_ => false,
		}
}

impl FromStr for Timestamp {
	type Err = Rejection;

	fn from_str(text: &str) -> Result<Self, Rejection> {
		timestamp(text, &Path::Root.field("timestamp"))
	}
}

fn timestamp(text: &str, path: &Path<'_>) -> Result<Timestamp, Rejection> {
	let refuse = |reason| path.reject(RejectionCode::BadTimestamp, reason);
	if !has_timestamp_shape(text) {
		return Err(refuse("not RFC 3339 in whole seconds, such as 2025-12-25T10:30:00Z"));
	}
	let moment = DateTime::parse_from_rfc3339(text)
		.map_err(|_error| refuse("no such moment in the calendar"))?;
	if moment.timestamp_subsec_nanos() != 0 {
		// How the library represents second 60.
		return Err(refuse("leap seconds have no place in unix time"));
	}
	u64::try_from(moment.timestamp())
		.ok()
		.and_then(Timestamp::from_unix_seconds)
		.ok_or_else(|| refuse("before 1970 or after 9999"))
}

impl Serialize for Timestamp {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(self)
	}
}

/// A meter's identifier: 1 to 64 visible ASCII characters, no blanks. Case matters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MeterId(String);

impl MeterId {
	/// The identifier as text.
	pub fn as_str(&self) -> &str {
		&self.0
	}

	/// What stands for it in the signed bytes and on the chain: [`meter_id`].
	pub fn hash(&self) -> [u8; 32] {
		meter_id(&self.0)
	}
}

impl fmt::Display for MeterId {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(&self.0)
	}
}

impl FromStr for MeterId {
	type Err = Rejection;

	fn from_str(text: &str) -> Result<Self, Rejection> {
		let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
		if text.is_empty() || text.len() > MAX_METER_ID_LENGTH || !visible {
			return Err(Rejection::new(
				"meterId",
				RejectionCode::BadMeterId,
				format_args!("not 1 to {MAX_METER_ID_LENGTH} visible ASCII characters"),
			));
		}
		Ok(Self(text.into()))
	}
}

impl Serialize for MeterId {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.serialize_str(&self.0)
	}
}

/// One entry of `readings`.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
	/// First second of the interval.
	pub start: Timestamp,
	/// Length of the interval in seconds.
	pub duration_seconds: u32,
	/// Energy taken from the grid, not negative.
	pub import: EnergyQuantity,
	/// Energy given to the grid, not negative.
	pub export: EnergyQuantity,
	/// How far both can be trusted.
	pub quality: Quality,
}

impl Reading {
	/// A reading written in watt-hours.
	pub fn from_wh(
		start: Timestamp,
		duration_seconds: u32,
		import_wh: u64,
		export_wh: u64,
		quality: Quality,
	) -> Self {
		Self {
			start,
			duration_seconds,
			import: EnergyQuantity::from_wh(import_wh),
			export: EnergyQuantity::from_wh(export_wh),
			quality,
		}
	}

	fn canonical(&self, path: &Path<'_>) -> Result<CanonicalInterval, Rejection> {
		Ok(CanonicalInterval {
			start_seconds: self.start.unix_seconds(),
			duration_seconds: self.duration_seconds,
			import_wh: unsigned(&self.import, &path.field("import"), "value")?,
			export_wh: unsigned(&self.export, &path.field("export"), "value")?,
			quality: self.quality,
		})
	}
}

/// One total of `energyData`, written `{"total": number, "unit": "kWh", "quality": "high"}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnergyTotal {
	/// The energy; negative only for `storage`.
	pub total: EnergyQuantity,
	/// How far it can be trusted.
	pub quality: Quality,
}

impl Serialize for EnergyTotal {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		let mut object = serializer.serialize_struct("EnergyTotal", 3)?;
		object.serialize_field("total", &self.total.value())?;
		object.serialize_field("unit", &self.total.unit())?;
		object.serialize_field("quality", word_of_the_standard(self.quality))?;
		object.end()
	}
}

/// The totals of `energyData`, each of which may be absent.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct EnergyData {
	/// Energy consumed, not negative.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub consumption: Option<EnergyTotal>,
	/// Energy generated, not negative.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub generation: Option<EnergyTotal>,
	/// Net energy into storage: negative when more was discharged than charged.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub storage: Option<EnergyTotal>,
}

impl EnergyData {
	/// Each total with its name.
	fn totals(&self) -> [(&'static str, Option<&EnergyTotal>); 3] {
		[
			("consumption", self.consumption.as_ref()),
			("generation", self.generation.as_ref()),
			("storage", self.storage.as_ref()),
		]
	}
}

/// A message of the standard. The fields mirror the JSON; `standard` and `version` are constants.
///
/// As `serde` types go it belongs to `serde_json`, because other formats keep no exact decimals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
	/// The phase the sender implements.
	pub phase: Phase,
	/// When the message was made.
	pub timestamp: Timestamp,
	/// Which meter made it.
	pub meter_id: Option<MeterId>,
	/// Its readings; an absent array and an empty one are the same.
	pub readings: Vec<Reading>,
	/// Its totals.
	pub energy_data: Option<EnergyData>,
	/// Quality of the message as a whole.
	pub quality: Option<Quality>,
	/// The meter's signature over [`Message::canonical`].
	pub signature: Option<DeviceSignature>,
}

impl Message {
	/// A message of phase 1 with readings and nothing else, to be signed next.
	pub fn build(meter_id: MeterId, timestamp: Timestamp, readings: Vec<Reading>) -> Self {
		Self {
			phase: Phase::One,
			timestamp,
			meter_id: Some(meter_id),
			readings,
			energy_data: None,
			quality: None,
			signature: None,
		}
	}

	/// Reads a JSON document of at most [`MAX_MESSAGE_BYTES`]. Never panics, rounds nothing.
	///
	/// This is the standard's own profile: `meterId`, `readings`, `energyData`, `quality` and
	/// `signature` may be absent. What the market needs, [`SignedMessage::try_from`] demands.
	///
	/// # Errors
	/// The first fault found, with its path.
	pub fn parse(document: &[u8]) -> Result<Self, Rejection> {
		let root = Path::Root;
		if document.len() > MAX_MESSAGE_BYTES {
			return Err(root.reject(
				RejectionCode::TooLarge,
				format_args!("{} bytes, at most {MAX_MESSAGE_BYTES} are allowed", document.len()),
			));
		}
		let text =
			str::from_utf8(document).map_err(|error| root.reject(RejectionCode::NotJson, error))?;
		let raw: &RawValue = serde_json::from_str(text)
			.map_err(|error| root.reject(RejectionCode::NotJson, error))?;
		read_message(raw)
	}

	/// Writes the message as JSON. Fields that are absent are left out; totals use the words of
	/// the standard for their quality.
	pub fn to_json(&self) -> String {
		serde_json::to_string(self).expect(
			"keys are literals, values are strings, integers and decimals displayed by the \
			 grammar of JSON, and writing to a string does not fail; qed",
		)
	}

	/// The one quality that is signed.
	///
	/// It is `quality` when stated, else that of the totals when there are any, else the worst of
	/// the readings. The totals have no quality of their own in the signed bytes, so each of them
	/// must state this one.
	///
	/// # Errors
	/// [`RejectionCode::QualityMismatch`] naming the total that states another one.
	pub fn overall_quality(&self) -> Result<Quality, Rejection> {
		let totals = self.energy_data.as_ref().map(EnergyData::totals).unwrap_or_default();
		let stated = totals.iter().find_map(|(_name, total)| total.map(|total| total.quality));
		let worst_reading = self.readings.iter().map(|reading| reading.quality).max();
		let overall = self.quality.or(stated).or(worst_reading).unwrap_or(Quality::Missing);
		for (name, total) in totals {
			if total.is_some_and(|total| total.quality != overall) {
				return Err(Path::Root.field("energyData").field(name).field("quality").reject(
					RejectionCode::QualityMismatch,
					"differs from the quality of the message, the only one that is signed",
				));
			}
		}
		Ok(overall)
	}

	/// What is signed. Demands `meterId` and at least one reading.
	///
	/// # Errors
	/// [`RejectionCode::MissingField`] naming the absent field, [`RejectionCode::QualityMismatch`],
	/// and what [`CanonicalMessage::validate`] finds.
	pub fn canonical(&self) -> Result<CanonicalMessage, Rejection> {
		let root = Path::Root;
		let meter_id = self.meter_id.as_ref().ok_or_else(|| root.field("meterId").missing())?;
		let readings = root.field("readings");
		let intervals = self
			.readings
			.iter()
			.enumerate()
			.map(|(index, reading)| reading.canonical(&readings.item(index)))
			.collect::<Result<_, _>>()?;
		let energy_data = root.field("energyData");
		let total = |name, total: Option<&EnergyTotal>| {
			total.map(|total| unsigned(&total.total, &energy_data.field(name), "total")).transpose()
		};
		let data = self.energy_data.as_ref();
		let message = CanonicalMessage {
			meter_id: meter_id.hash(),
			timestamp_seconds: self.timestamp.unix_seconds(),
			intervals,
			consumption_wh: total("consumption", data.and_then(|data| data.consumption.as_ref()))?,
			generation_wh: total("generation", data.and_then(|data| data.generation.as_ref()))?,
			storage_wh: data
				.and_then(|data| data.storage.as_ref())
				.map(|total| signed(&total.total, &energy_data.field("storage"), "total"))
				.transpose()?,
			quality: self.overall_quality()?,
		};
		message.validate()?;
		Ok(message)
	}

	/// Signs the message by any means: `sign` gets [`signing_bytes`] and returns the signature.
	///
	/// # Errors
	/// Those of [`Message::canonical`].
	pub fn sign(mut self, sign: impl FnOnce(&[u8]) -> DeviceSignature) -> Result<Self, Rejection> {
		let bytes = signing_bytes(&self.canonical()?);
		self.signature = Some(sign(&bytes).normalized());
		Ok(self)
	}

	/// Signs the message with an Ed25519 key.
	///
	/// # Errors
	/// Those of [`Message::canonical`].
	pub fn sign_ed25519(self, key: &ed25519_dalek::SigningKey) -> Result<Self, Rejection> {
		self.sign(|bytes| DeviceSignature::Ed25519(key.sign(bytes).to_bytes()))
	}

	/// Signs the message with a P-256 key, deterministically (RFC 6979).
	///
	/// # Errors
	/// Those of [`Message::canonical`].
	pub fn sign_p256(self, key: &p256::ecdsa::SigningKey) -> Result<Self, Rejection> {
		self.sign(|bytes| {
			let signature: p256::ecdsa::Signature = key.sign(bytes);
			DeviceSignature::P256(signature.to_bytes().into())
		})
	}
}

impl TryFrom<&Message> for SignedMessage {
	type Error = Rejection;

	/// Takes a message for the market: demands `meterId`, at least one reading and `signature`.
	///
	/// The signature is brought to its lower `s`, and not verified.
	fn try_from(message: &Message) -> Result<Self, Rejection> {
		let canonical = message.canonical()?;
		let signature = message.signature.ok_or_else(|| Path::Root.field("signature").missing())?;
		Ok(Self { message: canonical, signature: signature.normalized() })
	}
}

impl FromStr for Message {
	type Err = Rejection;

	fn from_str(text: &str) -> Result<Self, Rejection> {
		Self::parse(text.as_bytes())
	}
}

impl Serialize for Message {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		let mut object = serializer.serialize_map(None)?;
		object.serialize_entry("standard", STANDARD)?;
		object.serialize_entry("version", VERSION)?;
		object.serialize_entry("phase", &self.phase.number())?;
		object.serialize_entry("timestamp", &self.timestamp)?;
		if let Some(meter_id) = &self.meter_id {
			object.serialize_entry("meterId", meter_id)?;
		}
		if !self.readings.is_empty() {
			object.serialize_entry("readings", &self.readings)?;
		}
		if let Some(energy_data) = &self.energy_data {
			object.serialize_entry("energyData", energy_data)?;
		}
		if let Some(quality) = &self.quality {
			object.serialize_entry("quality", quality)?;
		}
		if let Some(signature) = &self.signature {
			object.serialize_entry("signature", signature)?;
		}
		object.end()
	}
}

impl<'de> Deserialize<'de> for Message {
	/// Needs `serde_json` as the format. The [`Rejection`] becomes the text of the error.
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let raw = Box::<RawValue>::deserialize(deserializer)?;
		Self::parse(raw.get().as_bytes()).map_err(serde::de::Error::custom)
	}
}

/// Our words for a quality and those of the standard's example, which has only `high`.
const QUALITY_WORDS: [(&str, &str, Quality); 4] = [
	("valid", "high", Quality::Valid),
	("estimated", "medium", Quality::Estimated),
	("suspect", "low", Quality::Suspect),
	("missing", "missing", Quality::Missing),
];

const fn word_of_the_standard(quality: Quality) -> &'static str {
	match quality {
		Quality::Valid => "high",
		Quality::Estimated => "medium",
		Quality::Suspect => "low",
		Quality::Missing => "missing",
	}
}

fn read_message(raw: &RawValue) -> Result<Message, Rejection> {
	let path = Path::Root;
	let object = Object::read(raw, &path)?;
	// Before anything else: another version has the right to other fields.
	for (name, expected) in [("standard", STANDARD), ("version", VERSION)] {
		let stated = text(object.required(name)?, &path.field(name))?;
		if stated != expected {
			return Err(path
				.field(name)
				.reject(RejectionCode::UnsupportedVersion, format_args!("not {expected}")));
		}
	}
	let phase = integer(object.required("phase")?, &path.field("phase"))?;
	let phase = Phase::from_number(phase).ok_or_else(|| {
		path.field("phase").reject(RejectionCode::UnsupportedVersion, "not 1 to 3")
	})?;
	object.only(&[
		"standard",
		"version",
		"phase",
		"timestamp",
		"meterId",
		"readings",
		"energyData",
		"quality",
		"signature",
	])?;

	let timestamp_path = path.field("timestamp");
	Ok(Message {
		phase,
		timestamp: timestamp(
			&text(object.required("timestamp")?, &timestamp_path)?,
			&timestamp_path,
		)?,
		meter_id: object
			.find("meterId")
			.map(|raw| text(raw, &path.field("meterId"))?.parse())
			.transpose()?,
		readings: object.find("readings").map(read_readings).transpose()?.unwrap_or_default(),
		energy_data: object.find("energyData").map(read_energy_data).transpose()?,
		quality: object
			.find("quality")
			.map(|raw| read_quality(raw, &path.field("quality"), true))
			.transpose()?,
		signature: object.find("signature").map(read_signature).transpose()?,
	})
}

fn read_readings(raw: &RawValue) -> Result<Vec<Reading>, Rejection> {
	let root = Path::Root;
	let path = root.field("readings");
	if !raw.get().starts_with('[') {
		return Err(path.reject(RejectionCode::WrongType, "not an array"));
	}
	let items: Vec<&RawValue> = serde_json::from_str(raw.get())
		.map_err(|error| path.reject(RejectionCode::NotJson, error))?;
	if items.len() > MAX_INTERVALS {
		return Err(crate::CanonicalError::TooManyIntervals { count: items.len() }.into());
	}
	items.into_iter().enumerate().map(|(index, raw)| read_reading(raw, &path.item(index))).collect()
}

fn read_reading(raw: &RawValue, path: &Path<'_>) -> Result<Reading, Rejection> {
	let object = Object::read(raw, path)?;
	object.only(&["start", "durationSeconds", "import", "export", "quality"])?;
	let start = path.field("start");
	let duration = path.field("durationSeconds");
	let energy = |name| -> Result<EnergyQuantity, Rejection> {
		let path = path.field(name);
		let object = Object::read(object.required(name)?, &path)?;
		object.only(&["value", "unit"])?;
		let quantity = read_quantity(&object, "value")?;
		unsigned(&quantity, &path, "value")?;
		Ok(quantity)
	};
	Ok(Reading {
		start: timestamp(&text(object.required("start")?, &start)?, &start)?,
		duration_seconds: {
			let seconds = integer(object.required("durationSeconds")?, &duration)?;
			if seconds < 0 {
				return Err(quantity_rejection(QuantityError::Negative, &duration));
			}
			u32::try_from(seconds)
				.map_err(|_error| quantity_rejection(QuantityError::OutOfRange, &duration))?
		},
		import: energy("import")?,
		export: energy("export")?,
		quality: read_quality(object.required("quality")?, &path.field("quality"), false)?,
	})
}

fn read_energy_data(raw: &RawValue) -> Result<EnergyData, Rejection> {
	let root = Path::Root;
	let path = root.field("energyData");
	let object = Object::read(raw, &path)?;
	object.only(&["consumption", "generation", "storage"])?;
	let total = |name, with_sign: bool| -> Result<Option<EnergyTotal>, Rejection> {
		let Some(raw) = object.find(name) else { return Ok(None) };
		let path = path.field(name);
		let object = Object::read(raw, &path)?;
		object.only(&["total", "unit", "quality"])?;
		let total = read_quantity(&object, "total")?;
		if with_sign {
			signed(&total, &path, "total")?;
		} else {
			unsigned(&total, &path, "total")?;
		}
		let quality = read_quality(object.required("quality")?, &path.field("quality"), true)?;
		Ok(Some(EnergyTotal { total, quality }))
	};
	Ok(EnergyData {
		consumption: total("consumption", false)?,
		generation: total("generation", false)?,
		storage: total("storage", true)?,
	})
}

/// Reads the number called `number` and the `unit` beside it.
fn read_quantity(object: &Object<'_>, number: &str) -> Result<EnergyQuantity, Rejection> {
	let number_path = object.path.field(number);
	let unit_path = object.path.field("unit");
	let value = decimal(object.required(number)?, &number_path)?;
	let symbol = text(object.required("unit")?, &unit_path)?;
	let unit = EnergyUnit::ALL
		.into_iter()
		.find(|unit| unit.symbol() == symbol)
		.ok_or_else(|| unit_path.reject(RejectionCode::UnknownUnit, "not Wh, kWh or MWh"))?;
	EnergyQuantity::new(value, unit).map_err(|error| quantity_rejection(error, &number_path))
}

fn read_quality(
	raw: &RawValue,
	path: &Path<'_>,
	standard_words: bool,
) -> Result<Quality, Rejection> {
	let word = text(raw, path)?;
	quality_of_word(word.as_bytes(), standard_words).ok_or_else(|| {
		path.reject(
			RejectionCode::UnknownQuality,
			if standard_words {
				"not valid, estimated, suspect, missing, high, medium or low"
			} else {
				"not valid, estimated, suspect or missing"
			},
		)
	})
}

/// The quality that one of our words states, or one of the standard's if those count.
pub(crate) fn quality_of_word(word: &[u8], standard_words: bool) -> Option<Quality> {
	QUALITY_WORDS
		.iter()
		.find(|(ours, standard, _quality)| {
			word == ours.as_bytes() || (standard_words && word == standard.as_bytes())
		})
		.map(|(_ours, _standard, quality)| *quality)
}

fn read_signature(raw: &RawValue) -> Result<DeviceSignature, Rejection> {
	let root = Path::Root;
	let path = root.field("signature");
	let object = Object::read(raw, &path)?;
	object.only(&["algorithm", "value"])?;
	let algorithm_path = path.field("algorithm");
	let algorithm = text(object.required("algorithm")?, &algorithm_path)?;
	let signature: fn([u8; 64]) -> DeviceSignature = match algorithm.as_ref() {
		"ed25519" => DeviceSignature::Ed25519,
		"p256" => DeviceSignature::P256,
		_ => {
			return Err(
				algorithm_path.reject(RejectionCode::UnknownAlgorithm, "not ed25519 or p256")
			)
		}
	};
	let value_path = path.field("value");
	let mut bytes = [0; 64];
	hex::decode_to_slice(text(object.required("value")?, &value_path)?.as_bytes(), &mut bytes)
		.map_err(|_error| {
			value_path.reject(RejectionCode::BadSignatureEncoding, "not 128 hexadecimal digits")
		})?;
	Ok(signature(bytes))
}

fn quantity_rejection(error: QuantityError, path: &Path<'_>) -> Rejection {
	let code = match error {
		QuantityError::NotANumber => RejectionCode::WrongType,
		QuantityError::TooManyDigits => RejectionCode::BadNumber,
		QuantityError::NotWholeWattHour => RejectionCode::NotWholeWattHour,
		QuantityError::Negative => RejectionCode::Negative,
		QuantityError::OutOfRange => RejectionCode::OutOfRange,
	};
	path.reject(code, error)
}

fn unsigned(quantity: &EnergyQuantity, path: &Path<'_>, name: &str) -> Result<u64, Rejection> {
	quantity.unsigned_wh().map_err(|error| quantity_rejection(error, &path.field(name)))
}

fn signed(quantity: &EnergyQuantity, path: &Path<'_>, name: &str) -> Result<i64, Rejection> {
	quantity.signed_wh().map_err(|error| quantity_rejection(error, &path.field(name)))
}

fn text<'a>(raw: &'a RawValue, path: &Path<'_>) -> Result<Cow<'a, str>, Rejection> {
	if !raw.get().starts_with('"') {
		return Err(path.reject(RejectionCode::WrongType, "not a string"));
	}
	serde_json::from_str::<Text<'a>>(raw.get())
		.map(|text| text.0)
		.map_err(|error| path.reject(RejectionCode::NotJson, error))
}

fn decimal(raw: &RawValue, path: &Path<'_>) -> Result<Decimal, Rejection> {
	raw.get().parse().map_err(|error| quantity_rejection(error, path))
}

fn integer(raw: &RawValue, path: &Path<'_>) -> Result<i128, Rejection> {
	decimal(raw, path)?
		.to_integer()
		.ok_or_else(|| path.reject(RejectionCode::WrongType, "not an integer"))
}
