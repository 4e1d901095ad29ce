//! What happens, as a list that streams and webhooks follow.
//!
//! Each event has a number, one more than that of the event before. The list is on disk and bounded: the
//! oldest go first. Whoever follows it remembers the last number it has seen, and so misses nothing after a
//! broken connection, unless it was away for longer than the list is long; it sees that by the numbers.

use std::sync::{Arc, Mutex, PoisonError};

use energy_primitives::{Slot, ZoneId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::{clock::Clock, store::StoreError};

/// How many events are kept.
pub const EVENTS_KEPT: u64 = 100_000;

/// A kind of event.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
	/// The oracle has started.
	Started,
	/// No more readings of a slot are taken; `count` is how many it has.
	SlotSealed,
	/// The chain has this oracle's page, or no longer needs it.
	PageAttested,
	/// The chain would no longer take a page.
	PageTooLate,
	/// The other oracles agreed on another page.
	PageOutvoted,
	/// Validation found something; `count` is about how many figures of the page.
	FiguresDoubted,
	/// The node does not answer.
	NodeAway,
	/// The node answers again.
	NodeBack,
	/// Values are encrypted with a new data key.
	DataKeyRenewed,
	/// A subscription gets no webhooks any more; `detail` says why.
	WebhookPaused,
}

impl EventKind {
	/// Every kind.
	pub const ALL: [Self; 10] = [
		Self::Started,
		Self::SlotSealed,
		Self::PageAttested,
		Self::PageTooLate,
		Self::PageOutvoted,
		Self::FiguresDoubted,
		Self::NodeAway,
		Self::NodeBack,
		Self::DataKeyRenewed,
		Self::WebhookPaused,
	];

	/// The name, as in JSON.
	pub const fn name(self) -> &'static str {
		match self {
			Self::Started => "started",
			Self::SlotSealed => "slot-sealed",
			Self::PageAttested => "page-attested",
			Self::PageTooLate => "page-too-late",
			Self::PageOutvoted => "page-outvoted",
			Self::FiguresDoubted => "figures-doubted",
			Self::NodeAway => "node-away",
			Self::NodeBack => "node-back",
			Self::DataKeyRenewed => "data-key-renewed",
			Self::WebhookPaused => "webhook-paused",
		}
	}
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
	/// Its number.
	pub number: u64,
	/// When, by the oracle's clock, seconds since 1970.
	pub time_seconds: u64,
	/// What.
	pub kind: EventKind,
	/// The zone that it is about.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	#[schema(value_type = Option<u32>, nullable = false)]
	pub zone: Option<ZoneId>,
	/// The slot that it is about.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	#[schema(value_type = Option<u32>, nullable = false)]
	pub slot: Option<Slot>,
	/// The page of the slot's attestation that it is about.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	pub page: Option<u32>,
	/// How many; of what, the kind says.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	pub count: Option<u64>,
	/// More, for a human.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	pub detail: Option<String>,
}

impl Event {
	/// An event of a kind, without number and time: [`Events::publish`] gives them.
	pub fn of(kind: EventKind) -> Self {
		Self {
			number: 0,
			time_seconds: 0,
			kind,
			zone: None,
			slot: None,
			page: None,
			count: None,
			detail: None,
		}
	}

	/// About a slot of a zone.
	pub fn slot(self, zone: ZoneId, slot: Slot) -> Self {
		Self { zone: Some(zone), slot: Some(slot), ..self }
	}

	/// About a page of a slot's attestation.
	pub fn page(self, page: u32) -> Self {
		Self { page: Some(page), ..self }
	}

	/// With a number of things.
	pub fn count(self, count: u64) -> Self {
		Self { count: Some(count), ..self }
	}

	/// With words.
	pub fn detail(self, detail: impl Into<String>) -> Self {
		Self { detail: Some(detail.into()), ..self }
	}
}

/// Keeps events.
pub trait EventStore: Send + Sync + 'static {
	/// The number of the newest event; 0 if there is none.
	///
	/// # Errors
	/// When the store fails.
	fn newest_event(&self) -> Result<u64, StoreError>;

	/// Keeps an event, and forgets those that are [`EVENTS_KEPT`] older. It is on disk when this returns
	/// `Ok`.
	///
	/// # Errors
	/// When the store fails.
	fn keep_event(&self, event: &Event) -> Result<(), StoreError>;

	/// The events after a number, oldest first, at most `limit`.
	///
	/// # Errors
	/// When the store fails.
	fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError>;
}

/// The list of events.
pub struct Events {
	store: Arc<dyn EventStore>,
	clock: Arc<dyn Clock>,
	newest: watch::Sender<u64>,
	/// Held from taking a number until the event with it is kept.
	numbering: Mutex<()>,
}

impl Events {
	/// The list of a store.
	///
	/// # Errors
	/// When the store fails.
	pub fn open(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
		let newest = store.newest_event()?;
		let (newest, _) = watch::channel(newest);
		Ok(Self { store, clock, newest, numbering: Mutex::new(()) })
	}

	/// Adds an event. Whoever tells of something has done it already, so a store that fails here stops
	/// nothing: the event is in the log of the process only.
	pub fn publish(&self, event: Event) {
		let _numbering = self.numbering.lock().unwrap_or_else(PoisonError::into_inner);
		let number = self.newest.borrow().saturating_add(1);
		let event = Event { number, time_seconds: self.clock.now_seconds(), ..event };
		match self.store.keep_event(&event) {
			Ok(()) => {
				self.newest.send_replace(number);
			}
			Err(error) => tracing::error!(%error, ?event, "the event cannot be kept"),
		}
	}

	/// The number of the newest event, now and whenever there is another one.
	pub fn follow(&self) -> watch::Receiver<u64> {
		self.newest.subscribe()
	}

	/// The events after a number, oldest first, at most `limit`.
	///
	/// # Errors
	/// When the store fails.
	pub fn after(&self, number: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
		self.store.events(number, limit)
	}
}
