//! What subscribers are told.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Most bytes of an event in JSON.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
	/// Id, unique for the source. The same event has the same id each time it is published.
	pub id: String,
	/// Where it happened: a reference by URI (RFC 3986), such as `/oracle/1`.
	pub source: String,
	/// Kind, such as `energy.slot.sealed`: the `type` of CloudEvents.
	pub kind: String,
	/// When it happened, in milliseconds since 1970-01-01T00:00:00Z.
	pub time_millis: u64,
	/// What it is about, if one thing.
	pub subject: Option<String>,
	/// Meters it is about; for the subscriptions that name meters, not sent.
	pub meters: Vec<String>,
	/// Zones it is about; for the subscriptions that name zones, not sent.
	pub zones: Vec<String>,
	/// The event's own content in JSON.
	pub data: Box<RawValue>,
}

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
	/// A field that must be there is empty.
	#[error("{0}: must not be empty")]
	Empty(&'static str),
	/// The source is not a reference by URI.
	#[error("source: must be a URI reference, without spaces and control characters")]
	Source,
	/// The time cannot be written.
	#[error("time_millis: after the year 9999")]
	Time,
	/// Too long in JSON.
	#[error("event: {0} bytes, at most {MAX_BODY_BYTES} are taken")]
	TooLong(usize),
	/// It cannot be written in JSON.
	#[error("event: {0}")]
	Json(String),
}

#[derive(Serialize)]
struct CloudEvent<'a> {
	specversion: &'static str,
	id: &'a str,
	source: &'a str,
	r#type: &'a str,
	time: String,
	#[serde(skip_serializing_if = "Option::is_none")]
	subject: Option<&'a str>,
	datacontenttype: &'static str,
	data: &'a RawValue,
}

impl Event {
	/// The event in the JSON format of CloudEvents 1.0, structured mode.
	///
	/// # Errors
	/// When a field is empty or cannot be written, or the whole is too long.
	pub fn body(&self) -> Result<String, EventError> {
		for (field, text) in [("id", &self.id), ("source", &self.source), ("kind", &self.kind)] {
			if text.is_empty() {
				return Err(EventError::Empty(field));
			}
		}
		if self.subject.as_ref().is_some_and(String::is_empty) {
			return Err(EventError::Empty("subject"));
		}
		if !self.source.bytes().all(|byte| byte.is_ascii_graphic()) {
			return Err(EventError::Source);
		}
		let event = CloudEvent {
			specversion: "1.0",
			id: &self.id,
			source: &self.source,
			r#type: &self.kind,
			time: rfc3339(self.time_millis)?,
			subject: self.subject.as_deref(),
			datacontenttype: "application/json",
			data: &self.data,
		};
		let body =
			serde_json::to_string(&event).map_err(|error| EventError::Json(error.to_string()))?;
		if body.len() > MAX_BODY_BYTES {
			return Err(EventError::TooLong(body.len()));
		}
		Ok(body)
	}
}

fn rfc3339(millis: u64) -> Result<String, EventError> {
	const YEAR_10000_MILLIS: u64 = 253_402_300_800_000;
	if millis >= YEAR_10000_MILLIS {
		return Err(EventError::Time);
	}
	let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
	Ok(time.ok_or(EventError::Time)?.to_rfc3339_opts(SecondsFormat::Millis, true))
}
