//! What an oracle hands out: the signed readings behind a line of a bill, each with its path to
//! the root on the chain. Nothing of it is believed before it is verified (see [`crate::bill`]).

use std::time::Duration;

use codec::DecodeAll;
use energy_primitives::{merkle::MerklePath, MeterId, MeterIndex, Slot, ZoneId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sp_core::H256;
use wia_ene_014::canonical::SignedMessage;

/// The longest answer that is read. A slot of a day in one-second readings has less.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// The readings of one meter in one slot: the part of `GET /v1/meters/{meterId}/slots/{slot}` that
/// a proof needs. What else the oracle says is passed over: it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeterSlotRecord {
	/// The zone.
	pub zone: ZoneId,
	/// The meter's place in the zone.
	pub meter: MeterIndex,
	/// The slot.
	pub slot: Slot,
	/// The page of the attestation that carries the meter.
	pub page: u32,
	/// The root over all readings of the page, once the oracle takes no more of them.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub readings_root: Option<H256>,
	/// How many readings the page has, likewise.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub readings_count: Option<u32>,
	/// Those of the meter.
	pub readings: Vec<Reading>,
}

/// A signed message of a meter and its path to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
	/// What the meter signed, and its signature: `0x` and the SCALE of both.
	#[serde(serialize_with = "write_message", deserialize_with = "read_message")]
	pub signed_message: SignedMessage,
	/// The way to the root, once the oracle takes no more readings.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub path: Option<MerklePath>,
}

fn write_message<S: Serializer>(message: &SignedMessage, serializer: S) -> Result<S::Ok, S::Error> {
	serializer.serialize_str(&format!("0x{}", hex::encode(codec::Encode::encode(message))))
}

fn read_message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedMessage, D::Error> {
	use serde::de::Error;
	let text = String::deserialize(deserializer)?;
	let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(&text)).map_err(D::Error::custom)?;
	SignedMessage::decode_all(&mut bytes.as_slice()).map_err(D::Error::custom)
}

/// Why an oracle gave no readings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
	/// Not the address of an oracle.
	#[error("`{url}` is not the address of an oracle (such as http://127.0.0.1:8080)")]
	InvalidUrl {
		/// What was given.
		url: String,
	},
	/// Nobody answers.
	#[error("no oracle answers at {url}: {reason}")]
	Unreachable {
		/// Where.
		url: String,
		/// What the network says.
		reason: String,
	},
	/// The oracle has no reading of the meter in the slot.
	#[error("the oracle has no reading of this meter in this slot")]
	NoReadings,
	/// The oracle reports a failure.
	#[error("the oracle answers with status {status}: {detail}")]
	Refused {
		/// The HTTP status.
		status: u16,
		/// What it says.
		detail: String,
	},
	/// The answer is no record of readings.
	#[error("the oracle's answer cannot be read: {reason}")]
	Unreadable {
		/// Why.
		reason: String,
	},
}

/// A connection to an oracle's HTTP API.
pub struct OracleClient {
	url: String,
	http: reqwest::Client,
}

impl OracleClient {
	/// Prepares requests to `url`, each of which may take `timeout`. HTTPS is checked against the
	/// system's certificates.
	///
	/// # Errors
	/// When the URL is none.
	pub fn new(url: &str, timeout: Duration) -> Result<Self, OracleError> {
		if !(url.starts_with("http://") || url.starts_with("https://")) {
			return Err(OracleError::InvalidUrl { url: url.into() });
		}
		let mut builder = reqwest::Client::builder().timeout(timeout).use_rustls_tls();
		if url.starts_with("https://") {
			for certificate in rustls_native_certs::load_native_certs().certs {
				// A system may keep certificates that are not of use here.
				if let Ok(certificate) = reqwest::Certificate::from_der(&certificate) {
					builder = builder.add_root_certificate(certificate);
				}
			}
		}
		let http = builder.build().map_err(|error| OracleError::Unreachable {
			url: url.into(),
			reason: error.to_string(),
		})?;
		Ok(Self { url: url.trim_end_matches('/').into(), http })
	}

	/// Where it asks.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// The readings of a meter in a slot.
	///
	/// # Errors
	/// See [`OracleError`].
	pub async fn meter_slot(
		&self,
		meter: MeterId,
		slot: Slot,
	) -> Result<MeterSlotRecord, OracleError> {
		let url = format!("{}/v1/meters/{}/slots/{slot}", self.url, hex::encode(meter.0));
		let unreachable = |error: reqwest::Error| OracleError::Unreachable {
			url: self.url.clone(),
			reason: crate::client::root_cause(&error),
		};
		let mut response = self.http.get(&url).send().await.map_err(unreachable)?;
		let status = response.status();
		let mut body = Vec::new();
		while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
			if body.len() + chunk.len() > MAX_ANSWER_BYTES {
				return Err(OracleError::Unreadable { reason: "it is too long".into() });
			}
			body.extend_from_slice(&chunk);
		}
		if status == reqwest::StatusCode::NOT_FOUND {
			return Err(OracleError::NoReadings);
		}
		if !status.is_success() {
			return Err(OracleError::Refused { status: status.as_u16(), detail: problem(&body) });
		}
		serde_json::from_slice(&body)
			.map_err(|error| OracleError::Unreadable { reason: error.to_string() })
	}
}

/// The words of a problem document (RFC 9457), or the beginning of what came instead.
fn problem(body: &[u8]) -> String {
	#[derive(Deserialize)]
	struct Problem {
		title: Option<String>,
		detail: Option<String>,
	}
	match serde_json::from_slice::<Problem>(body) {
		Ok(Problem { detail: Some(text), .. }) | Ok(Problem { title: Some(text), .. }) => text,
		_ => String::from_utf8_lossy(body).chars().take(200).collect(),
	}
}
