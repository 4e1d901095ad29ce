//! Plays a meter: turns a file of measured intervals into signed messages and sends them.
//!
//! Each row becomes one message with one reading that fills one slot of the chain, whatever length of
//! time the row was measured over. A half-hour's energy in a one-minute slot is thirty times the
//! power, which the meter's registered rating must allow.
//!
//! # Rounding
//!
//! Consumption and generation are rounded to whole Wh each, half up. Import is what consumption
//! exceeds generation by, export the reverse, so that import − export = consumption − generation to
//! the watt-hour.

use std::{
	io,
	path::PathBuf,
	time::{Duration, SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::SigningKey;
use energy_primitives::{Slot, SlotCalendar, SlotSpan};
use serde::{Deserialize, Serialize};
use wia_ene_014::{
	canonical::Quality,
	error::Rejection,
	message::{EnergyData, EnergyTotal, Message, MeterId, Reading, Timestamp},
	quantity::EnergyQuantity,
};

use crate::{
	backoff::{Backoff, Pace},
	https::{self, HttpsError},
};

/// How often one request is tried.
const ATTEMPTS: u32 = 8;
/// How many messages go into one request when nothing is waited for.
const BATCH: usize = 500;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
	/// The time as written; only used to find the first row.
	pub time: String,
	/// What was consumed, Wh.
	pub consumption_wh: u64,
	/// What was generated, Wh.
	pub generation_wh: u64,
}

impl Row {
	/// What was taken from the grid, Wh.
	pub fn import_wh(&self) -> u64 {
		self.consumption_wh.saturating_sub(self.generation_wh)
	}

	/// What was given to the grid, Wh.
	pub fn export_wh(&self) -> u64 {
		self.generation_wh.saturating_sub(self.consumption_wh)
	}
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
	/// The file is no CSV.
	#[error("the file cannot be read: {0}")]
	Csv(#[from] csv::Error),
	/// A row does not have a time, a consumption and a generation in kWh.
	#[error("line {line}: {reason}")]
	Row {
		/// Which line.
		line: u64,
		/// What is wrong.
		reason: String,
	},
	/// No row has the time that was asked for.
	#[error("no row has the time {0:?}")]
	NoSuchTime(String),
	/// There is nothing to send.
	#[error("the file has no rows")]
	Empty,
	/// A message cannot be made.
	#[error("a message cannot be made: {0}")]
	Message(#[from] Rejection),
	/// A slot is beyond the end of time.
	#[error("the slot is out of range")]
	SlotOutOfRange,
	/// The client cannot be made.
	#[error(transparent)]
	Client(#[from] HttpsError),
}

/// Reads kWh as written in decimal, and rounds to whole Wh, half up. `None` for anything else than a
/// number that is not negative.
pub fn kwh_to_wh(text: &str) -> Option<u64> {
	let text = text.trim();
	let (mantissa, exponent) = match text.split_once(['e', 'E']) {
		Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
		None => (text, 0),
	};
	let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
	let digits = [integer, fraction].concat();
	if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
		return None;
	}
	// The decimal point of the number of Wh stands after so many digits.
	let point = i32::try_from(integer.len()).ok()?.checked_add(exponent)?.checked_add(3)?;
	let digit_at = |place: i32| {
		usize::try_from(place)
			.ok()
			.and_then(|place| digits.as_bytes().get(place))
			.map_or(0, |byte| u64::from(byte.saturating_sub(b'0')))
	};
	if point > 64 {
		return (0..i32::try_from(digits.len()).ok()?)
			.all(|place| digit_at(place) == 0)
			.then_some(0);
	}
	let whole = (0..point.max(0))
		.try_fold(0u64, |sum, place| sum.checked_mul(10)?.checked_add(digit_at(place)))?;
	whole.checked_add(u64::from(digit_at(point) >= 5))
}

/// Reads a file: a header line, then lines of time, consumption in kWh, generation in kWh.
///
/// # Errors
/// The first line that is not of that form.
pub fn read_csv(source: impl io::Read) -> Result<Vec<Row>, ReplayError> {
	let mut rows = Vec::new();
	for record in csv::Reader::from_reader(source).into_records() {
		let record = record?;
		let line = record.position().map_or(0, csv::Position::line);
		let number = |column: usize, name: &str| {
			let text = record.get(column).unwrap_or_default();
			kwh_to_wh(text).ok_or_else(|| ReplayError::Row {
				line,
				reason: format!("the {name} {text:?} is no number of kWh"),
			})
		};
		rows.push(Row {
			time: record.get(0).unwrap_or_default().to_owned(),
			consumption_wh: number(1, "consumption")?,
			generation_wh: number(2, "generation")?,
		});
	}
	if rows.is_empty() {
		return Err(ReplayError::Empty);
	}
	Ok(rows)
}

/// The rows from the one with a time on, or all; at most `limit` of them.
///
/// # Errors
/// When no row has the time.
pub fn select(
	mut rows: Vec<Row>,
	from: Option<&str>,
	limit: Option<usize>,
) -> Result<Vec<Row>, ReplayError> {
	if let Some(from) = from {
		let place = rows
			.iter()
			.position(|row| row.time == from)
			.ok_or_else(|| ReplayError::NoSuchTime(from.to_owned()))?;
		rows.drain(..place);
	}
	rows.truncate(limit.unwrap_or(usize::MAX));
	Ok(rows)
}

/// The message of a row: one reading that fills `slot`, made at the moment the slot ends. Not signed.
///
/// # Errors
/// When the slot is out of range.
pub fn to_message(
	row: &Row,
	meter_id: &MeterId,
	slot: Slot,
	slot_seconds: u32,
) -> Result<Message, ReplayError> {
	let moment = |seconds| Timestamp::from_unix_seconds(seconds).ok_or(ReplayError::SlotOutOfRange);
	let SlotSpan { start_seconds, end_seconds, .. } =
		SlotCalendar::uniform(slot_seconds).span(slot);
	let (start, end) = (moment(start_seconds)?, moment(end_seconds)?);
	let reading =
		Reading::from_wh(start, slot_seconds, row.import_wh(), row.export_wh(), Quality::Valid);
	let total = |energy_wh| {
		Some(EnergyTotal { total: EnergyQuantity::from_wh(energy_wh), quality: Quality::Valid })
	};
	let mut message = Message::build(meter_id.clone(), end, vec![reading]);
	message.energy_data = Some(EnergyData {
		consumption: total(row.consumption_wh),
		generation: total(row.generation_wh),
		storage: None,
	});
	Ok(message)
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
	/// At once, many in a request.
	NoWait,
	/// Each when its slot ends, counted from the end of the first slot, time running this much faster.
	Paced {
		/// 1 is real time.
		speed: f64,
	},
}

/// What is replayed, and where to.
pub struct Replay {
	/// The base address of the oracle, `http://` or `https://`.
	pub url: String,
	/// File with the authorities of the oracle's certificate; those of the machine if not given.
	pub ca_file: Option<PathBuf>,
	/// The identifier printed on the meter.
	pub meter_id: MeterId,
	/// The key of the meter.
	pub key: SigningKey,
	/// The slot of the first row.
	pub start_slot: Slot,
	/// The length of a slot.
	pub slot_seconds: u32,
	/// When messages are sent.
	pub schedule: Schedule,
}

/// What became of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
	/// The meter's identifier in hexadecimal digits, as the chain and the oracle know it.
	pub meter_id: String,
	/// The slot of the first message.
	pub first_slot: Slot,
	/// The slot of the last message.
	pub last_slot: Slot,
	/// Messages that were sent.
	pub sent: usize,
	/// Messages that the oracle took.
	pub accepted: usize,
	/// Messages that the oracle had.
	pub duplicate: usize,
	/// Messages that the oracle did not take.
	pub rejected: usize,
	/// Messages of which nothing is known: the oracle did not answer.
	pub unanswered: usize,
	/// What the oracle said about those it did not take, the first few.
	pub reasons: Vec<String>,
	/// Import of all messages, Wh.
	pub import_wh: u64,
	/// Export of all messages, Wh.
	pub export_wh: u64,
}

impl Summary {
	/// Whether every message is known to be stored.
	pub fn is_complete(&self) -> bool {
		self.accepted.saturating_add(self.duplicate) == self.sent
	}
}

#[derive(Debug, Deserialize)]
struct Answer {
	accepted: usize,
	duplicate: usize,
	rejected: usize,
	results: Vec<AnswerLine>,
}

#[derive(Debug, Deserialize)]
struct AnswerLine {
	#[serde(default)]
	field: String,
	#[serde(default)]
	reason: String,
	code: Option<String>,
}

impl Replay {
	/// Sends the rows, one slot after the other, and calls `progress` after each request.
	///
	/// # Errors
	/// When a message cannot be made. An oracle that does not answer is no error: see the summary.
	pub async fn run(
		&self,
		rows: &[Row],
		mut progress: impl FnMut(&Summary),
	) -> Result<Summary, ReplayError> {
		let client = https::client(self.ca_file.as_deref(), ANSWER_TIMEOUT)?;
		let mut summary = Summary {
			meter_id: hex::encode(self.meter_id.hash()),
			first_slot: self.start_slot,
			last_slot: self.start_slot,
			..Summary::default()
		};
		let batch = match self.schedule {
			Schedule::NoWait => BATCH,
			Schedule::Paced { .. } => 1,
		};
		let mut next = Some(self.start_slot);
		for rows in rows.chunks(batch) {
			let mut body = String::new();
			for row in rows {
				let slot = next.ok_or(ReplayError::SlotOutOfRange)?;
				next = slot.0.checked_add(1).map(Slot);
				let message = to_message(row, &self.meter_id, slot, self.slot_seconds)?;
				body.push_str(&message.sign_ed25519(&self.key)?.to_json());
				body.push('\n');
				summary.last_slot = slot;
				summary.import_wh = summary.import_wh.saturating_add(row.import_wh());
				summary.export_wh = summary.export_wh.saturating_add(row.export_wh());
			}
			self.wait_for(summary.last_slot).await;
			summary.sent = summary.sent.saturating_add(rows.len());
			match self.send(&client, body).await {
				Some(answer) => {
					summary.accepted = summary.accepted.saturating_add(answer.accepted);
					summary.duplicate = summary.duplicate.saturating_add(answer.duplicate);
					summary.rejected = summary.rejected.saturating_add(answer.rejected);
					for line in answer.results {
						if let Some(code) = line.code.filter(|_| summary.reasons.len() < 5) {
							let AnswerLine { field, reason, .. } = line;
							summary.reasons.push(format!("{field}: {reason} ({code})"));
						}
					}
				}
				None => summary.unanswered = summary.unanswered.saturating_add(rows.len()),
			}
			progress(&summary);
		}
		Ok(summary)
	}

	/// Waits until the message of a slot is due.
	async fn wait_for(&self, slot: Slot) {
		let Schedule::Paced { speed } = self.schedule else { return };
		let calendar = SlotCalendar::uniform(self.slot_seconds);
		let first = Duration::from_secs(calendar.end_seconds(self.start_slot));
		let later = Duration::from_secs(calendar.end_seconds(slot)).saturating_sub(first);
		let due = first.saturating_add(later.div_f64(speed));
		let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
		tokio::time::sleep(due.saturating_sub(now)).await;
	}

	/// Sends a request until it is answered for good, or often enough.
	async fn send(&self, client: &reqwest::Client, body: String) -> Option<Answer> {
		let url = format!("{}/v1/readings", self.url.trim_end_matches('/'));
		let pace = Pace { first: Duration::from_millis(250), longest: Duration::from_secs(10) };
		let mut backoff = Backoff::new(pace);
		for attempt in 1..=ATTEMPTS {
			let request = client
				.post(&url)
				.header(reqwest::header::CONTENT_TYPE, "application/x-ndjson")
				.body(body.clone());
			let failure = match request.send().await {
				Ok(response) if response.status().is_success() => {
					match response.json::<Answer>().await {
						Ok(answer) => return Some(answer),
						Err(error) => error.to_string(),
					}
				}
				Ok(response) => {
					let status = response.status();
					let detail = response.text().await.unwrap_or_default();
					if status.is_client_error() {
						tracing::error!(%status, detail, "the oracle refused the request");
						return None;
					}
					status.to_string()
				}
				Err(error) => error.to_string(),
			};
			let wait = backoff.after_failure();
			tracing::warn!(attempt, failure, ?wait, "the oracle did not take the request");
			if attempt < ATTEMPTS {
				tokio::time::sleep(wait).await;
			}
		}
		None
	}
}
