//! One event on its way to one subscription.

use crate::{Event, EventError};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One event on its way to one subscription. Times are in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
	/// Id, the same for each attempt: `webhook-id`. It follows from the subscription and the event,
	/// so that an event which is published twice is queued once.
	pub id: String,
	/// The subscription's id.
	pub subscription_id: String,
	/// Place in the queue of the subscription, from 1: `webhook-sequence`. The store gives it, each
	/// number once. A receiver that misses a number has missed an event.
	pub sequence: u64,
	/// The body of the request.
	pub body: String,
	/// When it was queued.
	pub queued_millis: u64,
	/// How many attempts were made.
	pub attempts: u32,
	/// How many of them failed since the subscription was last made active.
	pub failures: u32,
	/// When the first of these failures was.
	pub failing_since_millis: Option<u64>,
	/// Before this there is no attempt.
	pub next_attempt_millis: u64,
}

/// The bytes are not those of a delivery.
#[derive(Debug, Error)]
#[error("delivery: {0}")]
pub struct DeliveryBytesError(#[from] serde_json::Error);

impl Delivery {
	/// A delivery to be queued. Its sequence is 0 until a store gives it one.
	///
	/// # Errors
	/// When the event cannot be written.
	pub fn new(subscription_id: &str, event: &Event, now_millis: u64) -> Result<Self, EventError> {
		Ok(Self::with_body(subscription_id, event, event.body()?, now_millis))
	}

	pub(crate) fn with_body(
		subscription_id: &str,
		event: &Event,
		body: String,
		now_millis: u64,
	) -> Self {
		Self {
			id: delivery_id(subscription_id, event),
			subscription_id: subscription_id.to_owned(),
			sequence: 0,
			body,
			queued_millis: now_millis,
			attempts: 0,
			failures: 0,
			failing_since_millis: None,
			next_attempt_millis: now_millis,
		}
	}

	/// For a store that keeps bytes: JSON.
	///
	/// # Errors
	/// When it cannot be written.
	pub fn to_bytes(&self) -> Result<Vec<u8>, DeliveryBytesError> {
		Ok(serde_json::to_vec(self)?)
	}

	/// From what [`Delivery::to_bytes`] wrote.
	///
	/// # Errors
	/// When the bytes are not those of a delivery.
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeliveryBytesError> {
		Ok(serde_json::from_slice(bytes)?)
	}
}

/// Half of the SHA-256 of the subscription's id and the event's source and id.
fn delivery_id(subscription_id: &str, event: &Event) -> String {
	let mut hash = Context::new(&SHA256);
	for part in [subscription_id, &event.source, &event.id] {
		hash.update(&(part.len() as u64).to_be_bytes());
		hash.update(part.as_bytes());
	}
	format!("msg_{}", hex::encode(&hash.finish().as_ref()[..16]))
}
