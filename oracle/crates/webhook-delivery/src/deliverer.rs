//! Takes deliveries from the queues to the receivers.

use crate::{
	clock::{millis, Clock},
	counters::{add, Counters, Counts},
	request::signed_fields,
	retry::retry_after,
	Client, Delivery, DeliveryStore, Enqueued, Event, EventError, PauseReason, RetryPolicy,
	SenderKey, StoreError, Subscription, SubscriptionState, SubscriptionStore,
};
use bytes::Bytes;
use http::StatusCode;
use std::{
	collections::{hash_map::Entry, HashMap},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use thiserror::Error;
use tokio::{
	select,
	sync::{Notify, Semaphore},
	task,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct Settings {
	/// Most attempts at the same time. One subscription never has more than one.
	pub parallel_attempts: usize,
	/// Most deliveries in the queue of one subscription.
	pub queue_limit: usize,
	/// For how long a signature is valid.
	pub signature_lifetime: Duration,
	/// When to try again, and when not any more.
	pub retry: RetryPolicy,
}

impl Default for Settings {
	/// 16 attempts at the same time, 10 000 deliveries in a queue, five minutes for a signature.
	fn default() -> Self {
		Self {
			parallel_attempts: 16,
			queue_limit: 10_000,
			signature_lifetime: Duration::from_secs(300),
			retry: RetryPolicy::default(),
		}
	}
}

/// A setting that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct SettingsError {
	/// Name of the setting.
	pub field: &'static str,
	/// What is wrong with it.
	pub reason: &'static str,
}

impl Settings {
	/// Checks every setting.
	///
	/// # Errors
	/// With the first setting that is not taken.
	pub fn check(&self) -> Result<(), SettingsError> {
		let error = |field, reason| Err(SettingsError { field, reason });
		let retry = &self.retry;
		match () {
			() if !(1..=Semaphore::MAX_PERMITS).contains(&self.parallel_attempts) => {
				error("parallel_attempts", "must be at least 1")
			}
			() if self.queue_limit == 0 => error("queue_limit", "must be at least 1"),
			() if self.signature_lifetime.as_secs() == 0 => {
				error("signature_lifetime", "must be at least a second")
			}
			() if millis(retry.shortest) == 0 => error("shortest", "must be at least 1 ms"),
			() if retry.longest < retry.shortest => error("longest", "is less than the shortest"),
			() if retry.give_up_failures == 0 => error("give_up_failures", "must be at least 1"),
			() => Ok(()),
		}
	}
}

/// Is told when a subscription is paused here, so that its owner can be told.
pub trait PauseObserver: Send + Sync + 'static {
	/// Called after the subscription was paused. Must return at once.
	fn paused(&self, subscription: &Subscription, reason: &PauseReason);
}

/// Everything that a deliverer uses.
pub struct Ports {
	/// The queues.
	pub deliveries: Arc<dyn DeliveryStore>,
	/// The subscriptions.
	pub subscriptions: Arc<dyn SubscriptionStore>,
	/// Sends the requests.
	pub client: Client,
	/// Tells the time.
	pub clock: Arc<dyn Clock>,
	/// Is told of pauses.
	pub observer: Arc<dyn PauseObserver>,
	/// The sender's own key.
	pub sender_key: SenderKey,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
	/// For how many subscriptions it was queued.
	pub queued: usize,
	/// For how many it was in the queue already.
	pub already_queued: usize,
	/// How many older deliveries were dropped to make room.
	pub dropped: usize,
}

/// Why an event was not queued for everyone who wants it. Publishing it again is right: nobody has
/// it in the queue twice.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
	/// The event is not taken.
	#[error(transparent)]
	Event(#[from] EventError),
	/// A store failed.
	#[error(transparent)]
	Store(#[from] StoreError),
}

/// Delivers events to subscribers. Cloning is cheap and gives the same deliverer.
///
/// A queue that is not empty has a task, which takes its deliveries one after another. Memory is
/// bounded by the number of subscriptions.
#[derive(Clone)]
pub struct Deliverer(Arc<Inner>);

struct Inner {
	settings: Settings,
	ports: Arc<Ports>,
	counters: Counters,
	permits: Semaphore,
	lanes: Mutex<HashMap<String, Lane>>,
	tasks: TaskTracker,
	stopping: CancellationToken,
}

/// The task of one queue.
struct Lane {
	/// Something was queued since the task last saw an empty queue.
	look_again: bool,
	/// Ends a wait between two attempts.
	hurry: Arc<Notify>,
}

/// How an attempt ended.
enum Outcome {
	Delivered,
	Gone,
	Failed { reason: String, asked_for: Option<Duration> },
}

/// The deliverer was told to stop.
struct Stopping;

impl Deliverer {
	/// Checks the settings. Nothing is sent before [`Deliverer::start`] or the first event.
	///
	/// # Errors
	/// With the first setting that is not taken.
	pub fn new(settings: Settings, ports: Ports) -> Result<Self, SettingsError> {
		settings.check()?;
		Ok(Self(Arc::new(Inner {
			permits: Semaphore::new(settings.parallel_attempts),
			settings,
			ports: Arc::new(ports),
			counters: Counters::default(),
			lanes: Mutex::default(),
			tasks: TaskTracker::new(),
			stopping: CancellationToken::new(),
		})))
	}

	/// Begins with what the queues have from before. Must be called in a Tokio runtime, as
	/// everything here.
	///
	/// # Errors
	/// When the store fails.
	pub async fn start(&self) -> Result<(), StoreError> {
		let deliveries = self.0.ports.deliveries.clone();
		for subscription_id in blocking(move || deliveries.waiting()).await? {
			self.wake(&subscription_id, false);
		}
		Ok(())
	}

	/// Queues an event for every subscription that wants it, the paused ones too. When this
	/// returns, the event is on the disk.
	///
	/// # Errors
	/// When the event is not taken, or a store fails; see [`PublishError`].
	pub async fn publish(&self, event: Event) -> Result<Published, PublishError> {
		let body = event.body()?;
		let inner = self.0.clone();
		let (published, queued_for, failure) =
			blocking(move || Ok(inner.enqueue(&event, &body))).await?;
		for subscription_id in queued_for {
			self.wake(&subscription_id, false);
		}
		failure.map_or(Ok(published), |error| Err(error.into()))
	}

	/// Tries the oldest delivery of a subscription at once: for an owner who made a paused
	/// subscription active again, or has put the receiver right.
	pub fn retry(&self, subscription_id: &str) {
		self.wake(subscription_id, true);
	}

	/// Forgets the queue of a subscription that was removed, and says how many deliveries were
	/// dropped. An attempt that runs is not broken off.
	///
	/// # Errors
	/// When the store fails.
	pub async fn remove_subscription(&self, subscription_id: &str) -> Result<usize, StoreError> {
		let deliveries = self.0.ports.deliveries.clone();
		let id = subscription_id.to_owned();
		let dropped = blocking(move || deliveries.remove_subscription(&id)).await?;
		add(&self.0.counters.dropped, dropped);
		Ok(dropped)
	}

	/// What was done since the start.
	pub fn counts(&self) -> Counts {
		self.0.counters.counts()
	}

	/// Begins no attempt any more, and waits for the end of those that run, which is bounded by
	/// the client's time-outs. What is queued stays queued.
	pub async fn stop(&self) {
		self.0.stopping.cancel();
		self.0.tasks.close();
		self.0.tasks.wait().await;
	}

	/// Makes sure that a task looks at the queue after now.
	fn wake(&self, subscription_id: &str, at_once: bool) {
		if self.0.stopping.is_cancelled() {
			return;
		}
		match self.0.lanes().entry(subscription_id.to_owned()) {
			Entry::Occupied(mut lane) => {
				lane.get_mut().look_again = true;
				if at_once {
					lane.get().hurry.notify_one();
				}
			}
			Entry::Vacant(place) => {
				let hurry = Arc::new(Notify::new());
				if at_once {
					hurry.notify_one();
				}
				place.insert(Lane { look_again: false, hurry: hurry.clone() });
				let inner = self.0.clone();
				let subscription_id = subscription_id.to_owned();
				self.0.tasks.spawn(async move {
					while inner.drain(&subscription_id, &hurry).await.is_ok()
						&& inner.looks_again(&subscription_id)
					{}
				});
			}
		}
	}
}

impl Inner {
	fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
		self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Whether something was queued since the queue was seen empty; else the lane is no more. Both
	/// under one lock: what is queued later makes a new lane.
	fn looks_again(&self, subscription_id: &str) -> bool {
		let mut lanes = self.lanes();
		let again =
			lanes.get_mut(subscription_id).is_some_and(|lane| std::mem::take(&mut lane.look_again));
		if !again {
			lanes.remove(subscription_id);
		}
		again
	}

	/// Queues an event. Says for which subscriptions, and what failed on the way, if anything.
	fn enqueue(&self, event: &Event, body: &str) -> (Published, Vec<String>, Option<StoreError>) {
		let mut published = Published::default();
		let mut queued_for = Vec::new();
		let now_millis = self.ports.clock.now_millis();
		let subscriptions = match self.ports.subscriptions.subscriptions() {
			Ok(subscriptions) => subscriptions,
			Err(error) => return (published, queued_for, Some(error)),
		};
		for subscription in subscriptions.into_iter().filter(|one| one.wants(event)) {
			let delivery =
				Delivery::with_body(&subscription.id, event, body.to_owned(), now_millis);
			match self.ports.deliveries.enqueue(&delivery, self.settings.queue_limit) {
				Ok(Enqueued::AlreadyQueued) => published.already_queued += 1,
				Ok(Enqueued::Added { dropped }) => {
					published.queued += 1;
					published.dropped += dropped;
					add(&self.counters.queued, 1);
					add(&self.counters.dropped, dropped);
					queued_for.push(subscription.id);
				}
				Err(error) => return (published, queued_for, Some(error)),
			}
		}
		if published.dropped > 0 {
			tracing::warn!(dropped = published.dropped, "webhooks dropped: queues are full");
		}
		(published, queued_for, None)
	}

	/// Takes the deliveries of one queue to the receiver, until it is empty or the subscription is
	/// paused or removed.
	async fn drain(&self, subscription_id: &str, hurry: &Notify) -> Result<(), Stopping> {
		let mut at_once = false;
		loop {
			let id = subscription_id.to_owned();
			let head = self.stored(move |ports| ports.deliveries.head(&id)).await?;
			let Some(mut delivery) = head else { return Ok(()) };
			let now_millis = self.ports.clock.now_millis();
			if delivery.next_attempt_millis > now_millis && !at_once {
				at_once = self.wait(delivery.next_attempt_millis, hurry).await?;
				continue;
			}
			at_once = false;
			let _permit = select! {
				biased;
				() = self.stopping.cancelled() => return Err(Stopping),
				permit = self.permits.acquire() => permit.map_err(|_| Stopping)?,
			};
			// The attempt that begins is what a hurry before it asked for.
			select! {
				biased;
				() = hurry.notified() => {}
				() = std::future::ready(()) => {}
			}
			let id = subscription_id.to_owned();
			match self.stored(move |ports| ports.subscriptions.subscription(&id)).await? {
				Some(one) if one.state == SubscriptionState::Active => {
					let outcome = self.attempt(&delivery, &one).await;
					self.record(&mut delivery, one, outcome).await?;
				}
				Some(_) => return Ok(()),
				None => {
					let id = subscription_id.to_owned();
					let dropped =
						self.stored(move |ports| ports.deliveries.remove_subscription(&id)).await?;
					add(&self.counters.dropped, dropped);
					return Ok(());
				}
			}
		}
	}

	/// Waits until a time, or until somebody is in a hurry; says whether somebody is.
	async fn wait(&self, until_millis: u64, hurry: &Notify) -> Result<bool, Stopping> {
		select! {
			biased;
			() = self.stopping.cancelled() => Err(Stopping),
			() = hurry.notified() => Ok(true),
			() = self.ports.clock.sleep_until(until_millis) => Ok(false),
		}
	}

	async fn attempt(&self, delivery: &Delivery, subscription: &Subscription) -> Outcome {
		let failed = |reason: String| Outcome::Failed { reason, asked_for: None };
		let target = match self.ports.client.rules().parse(&subscription.url) {
			Ok(target) => target,
			Err(error) => return failed(error.to_string()),
		};
		let fields = signed_fields(
			delivery,
			&subscription.key,
			&self.ports.sender_key,
			&target,
			self.ports.clock.now_millis() / 1000,
			self.settings.signature_lifetime.as_secs(),
		);
		let fields = match fields {
			Ok(fields) => fields,
			Err(error) => return failed(error.to_string()),
		};
		let body = Bytes::from(delivery.body.clone());
		match self.ports.client.post(&target, fields, body).await {
			Err(error) => failed(error.to_string()),
			Ok(answer) if answer.status.is_success() => Outcome::Delivered,
			Ok(answer) if answer.status == StatusCode::GONE => Outcome::Gone,
			Ok(answer) => {
				let now_millis = self.ports.clock.now_millis();
				let asked_for =
					answer.retry_after.and_then(|value| retry_after(&value, now_millis));
				Outcome::Failed {
					reason: format!("answered {}", answer.status.as_u16()),
					asked_for,
				}
			}
		}
	}

	/// Writes down how an attempt ended.
	async fn record(
		&self,
		delivery: &mut Delivery,
		subscription: Subscription,
		outcome: Outcome,
	) -> Result<(), Stopping> {
		let now_millis = self.ports.clock.now_millis();
		delivery.attempts = delivery.attempts.saturating_add(1);
		let pause = match outcome {
			Outcome::Delivered => {
				add(&self.counters.delivered, 1);
				let delivered = delivery.clone();
				return self.stored(move |ports| ports.deliveries.delivered(&delivered)).await;
			}
			Outcome::Gone => Some(PauseReason::Gone),
			Outcome::Failed { reason, asked_for } => {
				delivery.failures = delivery.failures.saturating_add(1);
				let since = *delivery.failing_since_millis.get_or_insert(now_millis);
				let wait = self.settings.retry.wait_millis(delivery.failures, asked_for);
				delivery.next_attempt_millis = now_millis.saturating_add(wait);
				tracing::debug!(
					subscription = delivery.subscription_id,
					delivery = delivery.id,
					attempt = delivery.attempts,
					reason,
					"webhook not delivered"
				);
				self.gives_up(delivery.failures, now_millis.saturating_sub(since)).then_some(
					PauseReason::Failing { attempts: delivery.failures, last_failure: reason },
				)
			}
		};
		add(&self.counters.failed_attempts, 1);
		if let Some(reason) = pause {
			self.pause(subscription, reason).await?;
			// The subscription begins anew when its owner makes it active again.
			delivery.failures = 0;
			delivery.failing_since_millis = None;
			delivery.next_attempt_millis = now_millis;
		}
		let failed = delivery.clone();
		self.stored(move |ports| ports.deliveries.reschedule(&failed)).await
	}

	fn gives_up(&self, failures: u32, failing_for_millis: u64) -> bool {
		let retry = &self.settings.retry;
		failures >= retry.give_up_failures || failing_for_millis >= millis(retry.give_up_after)
	}

	async fn pause(&self, subscription: Subscription, reason: PauseReason) -> Result<(), Stopping> {
		let now_seconds = self.ports.clock.now_millis() / 1000;
		let id = subscription.id.clone();
		let given = reason.clone();
		let paused =
			self.stored(move |ports| ports.subscriptions.pause(&id, &given, now_seconds)).await?;
		if paused {
			add(&self.counters.paused, 1);
			tracing::warn!(subscription = subscription.id, ?reason, "webhooks paused");
			self.ports.observer.paused(&subscription, &reason);
		}
		Ok(())
	}

	/// Calls a store until it does what it is asked to: an attempt that cannot be written down
	/// must not be made again and again meanwhile.
	async fn stored<T: Send + 'static>(
		&self,
		call: impl Fn(&Ports) -> Result<T, StoreError> + Send + Sync + 'static,
	) -> Result<T, Stopping> {
		let call = Arc::new(call);
		let mut failures = 0u32;
		loop {
			let (call, ports) = (call.clone(), self.ports.clone());
			let error = match blocking(move || call(&ports)).await {
				Ok(done) => return Ok(done),
				Err(error) => error,
			};
			add(&self.counters.store_failures, 1);
			tracing::error!(%error, "webhooks wait for the store");
			failures = failures.saturating_add(1);
			let wait = self.settings.retry.wait_millis(failures, None);
			let until_millis = self.ports.clock.now_millis().saturating_add(wait);
			select! {
				biased;
				() = self.stopping.cancelled() => return Err(Stopping),
				() = self.ports.clock.sleep_until(until_millis) => {}
			}
		}
	}
}

/// Runs what blocks where that does no harm.
async fn blocking<T: Send + 'static>(
	work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
	task::spawn_blocking(work).await.map_err(StoreError::new)?
}
