//! Both stores in memory, for tests and trials: nothing survives the process.

use crate::{
	Delivery, DeliveryStore, Enqueued, PauseReason, StoreError, Subscription, SubscriptionState,
	SubscriptionStore,
};
use std::{
	collections::{BTreeMap, VecDeque},
	sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Default)]
struct Queue {
	deliveries: VecDeque<Delivery>,
	last_sequence: u64,
}

/// Queues in memory.
#[derive(Debug, Default)]
pub struct MemoryDeliveryStore(Mutex<BTreeMap<String, Queue>>);

impl MemoryDeliveryStore {
	fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

impl DeliveryStore for MemoryDeliveryStore {
	fn enqueue(&self, delivery: &Delivery, limit: usize) -> Result<Enqueued, StoreError> {
		let mut queues = self.queues();
		let queue = queues.entry(delivery.subscription_id.clone()).or_default();
		if queue.deliveries.iter().any(|queued| queued.id == delivery.id) {
			return Ok(Enqueued::AlreadyQueued);
		}
		queue.last_sequence += 1;
		let delivery = Delivery { sequence: queue.last_sequence, ..delivery.clone() };
		queue.deliveries.push_back(delivery);
		let dropped = queue.deliveries.len().saturating_sub(limit);
		queue.deliveries.drain(..dropped);
		Ok(Enqueued::Added { dropped })
	}

	fn head(&self, subscription_id: &str) -> Result<Option<Delivery>, StoreError> {
		Ok(self.queues().get(subscription_id).and_then(|queue| queue.deliveries.front().cloned()))
	}

	fn reschedule(&self, delivery: &Delivery) -> Result<(), StoreError> {
		let mut queues = self.queues();
		let queue = queues.get_mut(&delivery.subscription_id);
		let queued = queue
			.and_then(|queue| queue.deliveries.iter_mut().find(|queued| queued.id == delivery.id));
		if let Some(queued) = queued {
			queued.clone_from(delivery);
		}
		Ok(())
	}

	fn delivered(&self, delivery: &Delivery) -> Result<(), StoreError> {
		if let Some(queue) = self.queues().get_mut(&delivery.subscription_id) {
			queue.deliveries.retain(|queued| queued.id != delivery.id);
		}
		Ok(())
	}

	fn count(&self, subscription_id: &str) -> Result<usize, StoreError> {
		Ok(self.queues().get(subscription_id).map_or(0, |queue| queue.deliveries.len()))
	}

	fn waiting(&self) -> Result<Vec<String>, StoreError> {
		let queues = self.queues();
		let waiting = queues.iter().filter(|(_, queue)| !queue.deliveries.is_empty());
		Ok(waiting.map(|(id, _)| id.clone()).collect())
	}

	fn remove_subscription(&self, subscription_id: &str) -> Result<usize, StoreError> {
		Ok(self.queues().remove(subscription_id).map_or(0, |queue| queue.deliveries.len()))
	}
}

/// Subscriptions in memory.
#[derive(Debug, Default)]
pub struct MemorySubscriptionStore(Mutex<BTreeMap<String, Subscription>>);

impl MemorySubscriptionStore {
	fn all(&self) -> MutexGuard<'_, BTreeMap<String, Subscription>> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Puts a subscription in, over one with the same id.
	pub fn put(&self, subscription: Subscription) {
		self.all().insert(subscription.id.clone(), subscription);
	}

	/// Takes a subscription out.
	pub fn remove(&self, id: &str) -> Option<Subscription> {
		self.all().remove(id)
	}
}

impl SubscriptionStore for MemorySubscriptionStore {
	fn subscription(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
		Ok(self.all().get(id).cloned())
	}

	fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
		Ok(self.all().values().cloned().collect())
	}

	fn pause(&self, id: &str, reason: &PauseReason, now_seconds: u64) -> Result<bool, StoreError> {
		match self.all().get_mut(id) {
			Some(Subscription { state: state @ SubscriptionState::Active, .. }) => {
				*state = SubscriptionState::Paused {
					reason: reason.clone(),
					since_seconds: now_seconds,
				};
				Ok(true)
			}
			_ => Ok(false),
		}
	}
}
