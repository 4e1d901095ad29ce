//! Subscriptions and the queues of what is on its way to them, on RocksDB.

use webhook_delivery::{Delivery, Enqueued, Subscription};

use super::{
	rocks::{RocksStore, DELIVERIES, META, WEBHOOKS},
	StoreError,
};

const META_SEQUENCE: &[u8] = b"webhook-sequence/";
const META_PUBLISHED: &[u8] = b"webhooks-published";

fn damaged<E>(_error: E) -> StoreError {
	StoreError::Damaged { place: DELIVERIES }
}

/// Identifiers have no zero byte, so no queue begins with another one's.
fn delivery_key(subscription: &str, sequence: u64) -> Vec<u8> {
	[subscription.as_bytes(), &[0], &sequence.to_be_bytes()].concat()
}

fn sequence_key(subscription: &str) -> Vec<u8> {
	[META_SEQUENCE, subscription.as_bytes()].concat()
}

/// The subscription and the sequence of a key.
fn parts(key: &[u8]) -> Result<(String, u64), StoreError> {
	let place = key.len().checked_sub(9).ok_or(StoreError::Damaged { place: DELIVERIES })?;
	let (subscription, rest) = key.split_at(place);
	let sequence = rest[1..].try_into().map(u64::from_be_bytes).map_err(damaged)?;
	Ok((String::from_utf8(subscription.to_vec()).map_err(damaged)?, sequence))
}

impl RocksStore {
	/// Every subscription.
	///
	/// # Errors
	/// When the store fails.
	pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
		let mut subscriptions = Vec::new();
		self.scan::<Vec<u8>>(WEBHOOKS, |_key, json| {
			let subscription = serde_json::from_slice(&json)
				.map_err(|_error| StoreError::Damaged { place: WEBHOOKS })?;
			subscriptions.push(subscription);
			Ok(())
		})?;
		Ok(subscriptions)
	}

	/// Keeps a subscription, over one with the same identifier.
	///
	/// # Errors
	/// When the store fails.
	pub fn keep_subscription(&self, subscription: &Subscription) -> Result<(), StoreError> {
		let json = serde_json::to_vec(subscription)
			.map_err(|_error| StoreError::Damaged { place: WEBHOOKS })?;
		self.change(|batch| self.put(batch, WEBHOOKS, subscription.id.as_bytes(), &json))
	}

	/// Forgets a subscription; its queue is another thing.
	///
	/// # Errors
	/// When the store fails.
	pub fn forget_subscription(&self, id: &str) -> Result<(), StoreError> {
		self.change(|batch| self.delete(batch, WEBHOOKS, id.as_bytes()))
	}

	/// The number of the last event that is in every queue it belongs to; `None` before the first.
	///
	/// # Errors
	/// When the store fails.
	pub fn events_published(&self) -> Result<Option<u64>, StoreError> {
		self.get(META, META_PUBLISHED)
	}

	/// Remembers that.
	///
	/// # Errors
	/// When the store fails.
	pub fn keep_events_published(&self, number: u64) -> Result<(), StoreError> {
		self.change(|batch| self.put(batch, META, META_PUBLISHED, &number))
	}

	/// The first and the last sequence of a queue: nothing is taken out of its middle.
	fn queue_ends(&self, subscription: &str) -> Result<Option<(u64, u64)>, StoreError> {
		let Some(first) = self.queue_head(subscription)? else { return Ok(None) };
		let last = self.get(META, sequence_key(subscription))?.unwrap_or(first.sequence);
		Ok(Some((first.sequence, last)))
	}

	/// Puts a delivery at the end of its queue. Only the newest entry is looked at for the same delivery:
	/// events come in order, and the only one that can come again is the last.
	///
	/// # Errors
	/// When the store fails.
	pub fn enqueue_delivery(
		&self,
		delivery: &Delivery,
		limit: usize,
	) -> Result<Enqueued, StoreError> {
		let subscription = delivery.subscription_id.as_str();
		let newest: u64 = self.get(META, sequence_key(subscription))?.unwrap_or(0);
		let last: Option<Vec<u8>> = self.get(DELIVERIES, delivery_key(subscription, newest))?;
		if let Some(last) = last {
			if Delivery::from_bytes(&last).map_err(damaged)?.id == delivery.id {
				return Ok(Enqueued::AlreadyQueued);
			}
		}
		let sequence = newest.saturating_add(1);
		let queued = Delivery { sequence, ..delivery.clone() };
		let bytes = queued.to_bytes().map_err(damaged)?;
		let first = self.queue_ends(subscription)?.map_or(sequence, |(first, _)| first);
		let kept_from = sequence.saturating_sub((limit as u64).saturating_sub(1)).max(first);
		self.change(|batch| {
			batch.delete_range_cf(
				self.family(DELIVERIES)?,
				delivery_key(subscription, 0),
				delivery_key(subscription, kept_from),
			);
			self.put(batch, META, &sequence_key(subscription), &sequence)?;
			self.put(batch, DELIVERIES, &delivery_key(subscription, sequence), &bytes)
		})?;
		let dropped = usize::try_from(kept_from.saturating_sub(first)).unwrap_or(usize::MAX);
		Ok(Enqueued::Added { dropped })
	}

	/// The oldest delivery of a queue.
	///
	/// # Errors
	/// When the store fails.
	pub fn queue_head(&self, subscription: &str) -> Result<Option<Delivery>, StoreError> {
		let mut head = None;
		let from = delivery_key(subscription, 0);
		self.scan_from::<Vec<u8>>(DELIVERIES, &from, |key, bytes| {
			if parts(key)?.0 == subscription {
				head = Some(Delivery::from_bytes(&bytes).map_err(damaged)?);
			}
			Ok(false)
		})?;
		Ok(head)
	}

	/// Writes a delivery over the one with the same place, if that is still there.
	///
	/// # Errors
	/// When the store fails.
	pub fn reschedule_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
		let key = delivery_key(&delivery.subscription_id, delivery.sequence);
		let bytes = delivery.to_bytes().map_err(damaged)?;
		self.change(|batch| match self.get::<Vec<u8>>(DELIVERIES, &key)? {
			Some(_) => self.put(batch, DELIVERIES, &key, &bytes),
			None => Ok(()),
		})
	}

	/// Takes a delivery out of its queue.
	///
	/// # Errors
	/// When the store fails.
	pub fn forget_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
		let key = delivery_key(&delivery.subscription_id, delivery.sequence);
		self.change(|batch| self.delete(batch, DELIVERIES, &key))
	}

	/// How many deliveries a queue has.
	///
	/// # Errors
	/// When the store fails.
	pub fn queue_length(&self, subscription: &str) -> Result<usize, StoreError> {
		let ends = self.queue_ends(subscription)?;
		let length = ends.map_or(0, |(first, last)| last.saturating_sub(first).saturating_add(1));
		Ok(usize::try_from(length).unwrap_or(usize::MAX))
	}

	/// The subscriptions whose queues are not empty.
	///
	/// # Errors
	/// When the store fails.
	pub fn queues(&self) -> Result<Vec<String>, StoreError> {
		let mut queues: Vec<String> = Vec::new();
		let mut from = Vec::new();
		loop {
			let mut next = None;
			self.scan_from::<Vec<u8>>(DELIVERIES, &from, |key, _bytes| {
				next = Some(parts(key)?.0);
				Ok(false)
			})?;
			let Some(subscription) = next else { return Ok(queues) };
			// After every place of this queue.
			from = [subscription.as_bytes(), &[1]].concat();
			queues.push(subscription);
		}
	}

	/// Forgets a queue. How many deliveries it had.
	///
	/// # Errors
	/// When the store fails.
	pub fn forget_queue(&self, subscription: &str) -> Result<usize, StoreError> {
		let length = self.queue_length(subscription)?;
		self.change(|batch| {
			let (from, to) = (delivery_key(subscription, 0), delivery_key(subscription, u64::MAX));
			batch.delete_range_cf(self.family(DELIVERIES)?, from, to);
			self.delete(batch, META, &sequence_key(subscription))
		})?;
		Ok(length)
	}
}
