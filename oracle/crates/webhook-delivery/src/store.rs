//! What the deliverer needs of a database: two ports.

use crate::{Delivery, PauseReason, Subscription};
use thiserror::Error;

/// A store could not do what it was asked to.
#[derive(Debug, Error)]
#[error("store: {0}")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
	/// From what went wrong.
	pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
		Self(error.into())
	}
}

/// What became of a delivery that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
	/// It is queued.
	Added {
		/// How many of the oldest were dropped to make room.
		dropped: usize,
	},
	/// One with the same id is in the queue already.
	AlreadyQueued,
}

/// The durable queues of deliveries, one for each subscription. Each call is atomic, and what it
/// did is on the disk when it returns. Calls block; the deliverer makes them on threads for that.
///
/// Queues of different subscriptions do not touch each other. Only [`DeliveryStore::enqueue`] and
/// [`DeliveryStore::remove_subscription`] are called for a subscription while another call for it
/// runs.
pub trait DeliveryStore: Send + Sync + 'static {
	/// Puts a delivery at the end of its subscription's queue, with the next sequence of that
	/// subscription; the sequence in the argument does not count. Sequences begin with 1 and none
	/// is used again before the subscription is removed. Then drops the oldest until at most `limit`
	/// are left: the newest events are those that a receiver can still act on, and a gap in the
	/// sequences shows what is missing.
	///
	/// # Errors
	/// When the store fails; nothing is changed then.
	fn enqueue(&self, delivery: &Delivery, limit: usize) -> Result<Enqueued, StoreError>;

	/// The oldest delivery of a subscription, due or not.
	///
	/// # Errors
	/// When the store fails.
	fn head(&self, subscription_id: &str) -> Result<Option<Delivery>, StoreError>;

	/// Writes a delivery over the queued one with the same id. Does nothing if there is none: it
	/// was dropped meanwhile.
	///
	/// # Errors
	/// When the store fails.
	fn reschedule(&self, delivery: &Delivery) -> Result<(), StoreError>;

	/// Takes a delivery out of its queue. Does nothing if it is not there.
	///
	/// # Errors
	/// When the store fails.
	fn delivered(&self, delivery: &Delivery) -> Result<(), StoreError>;

	/// How many deliveries of a subscription are queued.
	///
	/// # Errors
	/// When the store fails.
	fn count(&self, subscription_id: &str) -> Result<usize, StoreError>;

	/// The ids of the subscriptions whose queues are not empty.
	///
	/// # Errors
	/// When the store fails.
	fn waiting(&self) -> Result<Vec<String>, StoreError>;

	/// Forgets a subscription with its queue, and says how many deliveries were dropped.
	///
	/// # Errors
	/// When the store fails.
	fn remove_subscription(&self, subscription_id: &str) -> Result<usize, StoreError>;
}

/// The subscriptions, which others write. Calls block; the deliverer makes them on threads for
/// that.
pub trait SubscriptionStore: Send + Sync + 'static {
	/// One subscription.
	///
	/// # Errors
	/// When the store fails.
	fn subscription(&self, id: &str) -> Result<Option<Subscription>, StoreError>;

	/// All subscriptions. This is called for each event: keep them in memory.
	///
	/// # Errors
	/// When the store fails.
	fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError>;

	/// Makes an active subscription a paused one and says whether it did. A subscription that is
	/// paused already, or not there, is left as it is.
	///
	/// # Errors
	/// When the store fails.
	fn pause(&self, id: &str, reason: &PauseReason, now_seconds: u64) -> Result<bool, StoreError>;
}
