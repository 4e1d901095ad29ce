//! Tells subscribers what happens: events of the list go out as signed webhooks.
//!
//! A task follows the list of [events](crate::events) and puts each one into the durable queue of every
//! subscription that wants it; the crate `webhook-delivery` takes the queues to the receivers. How far the
//! list has been followed is on disk, so that after a crash no event is missing, and the last one may come
//! twice.

use std::{
	collections::BTreeMap,
	io::Write,
	os::unix::fs::OpenOptionsExt,
	path::{Path, PathBuf},
	sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use signed_webhooks::SigningKey;
use webhook_delivery::{
	AddressGuard, Client, ClientSettings, Deliverer, Delivery, DeliveryStore, Enqueued,
	PauseObserver, PauseReason, Ports, SenderKey, Settings, StoreError as DeliveryError,
	Subscription, SubscriptionState, SubscriptionStore, SystemClock, SystemResolver, UrlRules,
};
use zeroize::Zeroizing;

use crate::{
	events::{Event, EventKind, Events},
	key::device_from_file,
	store::{rocks::RocksStore, StoreError},
};

/// The most subscriptions.
pub const MAX_SUBSCRIPTIONS: usize = 1_000;
/// What an event about no zone has in the place of one: it is for those alone that want all zones.
const NO_ZONE: &str = "-";
/// How many events are read at once.
const EVENTS_AT_ONCE: usize = 100;
/// Names that are being resolved at once.
const PARALLEL_NAMES: usize = 16;

/// What an operator writes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
	/// File with the Ed25519 key that signs, 64 hexadecimal digits; made if there is none.
	pub signing_key_file: PathBuf,
	/// What the events name as their source, such as `https://oracle.example`.
	pub source: String,
	/// Networks inside the operator's own that receivers may be in, such as `10.20.0.0/16`.
	#[serde(default)]
	pub allowed_networks: Vec<String>,
	/// File with certificates of authorities that are trusted besides those of the machine.
	#[serde(default)]
	pub authorities_file: Option<PathBuf>,
	/// Whether `http` is taken for receivers on this machine, for development.
	#[serde(default)]
	pub http_to_loopback: bool,
}

/// Webhooks cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.{field}: {reason}")]
pub struct WebhookError {
	/// The key of the configuration.
	pub field: &'static str,
	/// What is wrong.
	pub reason: String,
}

fn unusable(field: &'static str) -> impl Fn(&dyn std::fmt::Display) -> WebhookError {
	move |reason| WebhookError { field, reason: reason.to_string() }
}

impl WebhookSettings {
	/// Which receivers are taken.
	///
	/// # Errors
	/// When a network is none.
	pub fn rules(&self) -> Result<UrlRules, WebhookError> {
		let failed = unusable("allowed_networks");
		let networks = self
			.allowed_networks
			.iter()
			.map(|text| text.parse().map_err(|error| failed(&format_args!("{text:?}: {error}"))));
		let guard = AddressGuard::new(networks.collect::<Result<_, _>>()?);
		Ok(UrlRules { guard, http_to_loopback: self.http_to_loopback })
	}
}

/// The seed of the key in a file; a new one if there is no file.
fn signing_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, WebhookError> {
	let failed = unusable("signing_key_file");
	let at = |error: &dyn std::fmt::Display| failed(&format_args!("{}: {error}", path.display()));
	let mut seed = Zeroizing::new([0; 32]);
	if path.exists() {
		let key = device_from_file(path).map_err(|error| failed(&error))?;
		seed.copy_from_slice(key.as_bytes());
		return Ok(seed);
	}
	SystemRandom::new().fill(seed.as_mut()).map_err(|error| at(&error))?;
	let text = Zeroizing::new(hex::encode(*seed));
	let mut options = std::fs::OpenOptions::new();
	let mut file =
		options.write(true).create_new(true).mode(0o600).open(path).map_err(|error| at(&error))?;
	let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
	written.map_err(|error| at(&error))?;
	Ok(seed)
}

/// The subscriptions and the queues, as the deliverer sees them.
pub struct Queues {
	database: Arc<RocksStore>,
	subscriptions: RwLock<BTreeMap<String, Subscription>>,
}

impl Queues {
	fn open(database: Arc<RocksStore>) -> Result<Self, StoreError> {
		let subscriptions = database.subscriptions()?;
		let subscriptions = subscriptions.into_iter().map(|one| (one.id.clone(), one)).collect();
		Ok(Self { database, subscriptions: RwLock::new(subscriptions) })
	}

	fn all(&self) -> RwLockReadGuard<'_, BTreeMap<String, Subscription>> {
		self.subscriptions.read().unwrap_or_else(PoisonError::into_inner)
	}

	/// Changes one subscription, on the disk first. Whether there is one, and `change` wanted to.
	fn change(
		&self,
		id: &str,
		change: impl FnOnce(&mut Subscription) -> bool,
	) -> Result<bool, StoreError> {
		let mut all = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
		let Some(mut changed) = all.get(id).cloned() else { return Ok(false) };
		if !change(&mut changed) {
			return Ok(false);
		}
		self.database.keep_subscription(&changed)?;
		all.insert(id.to_owned(), changed);
		Ok(true)
	}
}

impl DeliveryStore for Queues {
	fn enqueue(&self, delivery: &Delivery, limit: usize) -> Result<Enqueued, DeliveryError> {
		self.database.enqueue_delivery(delivery, limit).map_err(DeliveryError::new)
	}

	fn head(&self, subscription_id: &str) -> Result<Option<Delivery>, DeliveryError> {
		self.database.queue_head(subscription_id).map_err(DeliveryError::new)
	}

	fn reschedule(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
		self.database.reschedule_delivery(delivery).map_err(DeliveryError::new)
	}

	fn delivered(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
		self.database.forget_delivery(delivery).map_err(DeliveryError::new)
	}

	fn count(&self, subscription_id: &str) -> Result<usize, DeliveryError> {
		self.database.queue_length(subscription_id).map_err(DeliveryError::new)
	}

	fn waiting(&self) -> Result<Vec<String>, DeliveryError> {
		self.database.queues().map_err(DeliveryError::new)
	}

	fn remove_subscription(&self, subscription_id: &str) -> Result<usize, DeliveryError> {
		self.database.forget_queue(subscription_id).map_err(DeliveryError::new)
	}
}

impl SubscriptionStore for Queues {
	fn subscription(&self, id: &str) -> Result<Option<Subscription>, DeliveryError> {
		Ok(self.all().get(id).cloned())
	}

	fn subscriptions(&self) -> Result<Vec<Subscription>, DeliveryError> {
		Ok(self.all().values().cloned().collect())
	}

	fn pause(
		&self,
		id: &str,
		reason: &PauseReason,
		now_seconds: u64,
	) -> Result<bool, DeliveryError> {
		let paused = self.change(id, |subscription| {
			let was_active = subscription.state == SubscriptionState::Active;
			let reason = reason.clone();
			subscription.state = SubscriptionState::Paused { reason, since_seconds: now_seconds };
			was_active
		});
		paused.map_err(DeliveryError::new)
	}
}

struct Tell(Arc<Events>);

impl PauseObserver for Tell {
	fn paused(&self, subscription: &Subscription, reason: &PauseReason) {
		let detail = format!("{}: {reason:?}", subscription.id);
		self.0.publish(Event::of(EventKind::WebhookPaused).detail(detail));
	}
}

/// Webhooks, as the interface and the service use them.
pub struct Webhooks {
	queues: Arc<Queues>,
	deliverer: Deliverer,
	rules: UrlRules,
	public_key: String,
	key_id: String,
	source: String,
	events: Arc<Events>,
	database: Arc<RocksStore>,
}

impl Webhooks {
	/// Sets webhooks up.
	///
	/// # Errors
	/// When a setting cannot be used, or the store fails.
	pub fn open(
		settings: &WebhookSettings,
		database: Arc<RocksStore>,
		events: Arc<Events>,
	) -> Result<Self, WebhookError> {
		let seed = signing_seed(&settings.signing_key_file)?;
		let key =
			SigningKey::ed25519(&seed[..]).map_err(|error| unusable("signing_key_file")(&error))?;
		let public_key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
		let public_key = hex::encode(public_key.to_bytes());
		let key_id = format!("ed25519-{}", &public_key[..16]);
		let rules = settings.rules()?;
		let client_settings = ClientSettings {
			rules: rules.clone(),
			authorities_file: settings.authorities_file.clone(),
			..ClientSettings::default()
		};
		let client = Client::new(client_settings, Arc::new(SystemResolver::new(PARALLEL_NAMES)))
			.map_err(|error| unusable("authorities_file")(&error))?;
		let queues = Queues::open(database.clone()).map_err(|error| unusable("store")(&error))?;
		let queues = Arc::new(queues);
		let deliverer = Deliverer::new(
			Settings::default(),
			Ports {
				deliveries: queues.clone(),
				subscriptions: queues.clone(),
				client,
				clock: Arc::new(SystemClock),
				observer: Arc::new(Tell(events.clone())),
				sender_key: SenderKey { key_id: key_id.clone(), key },
			},
		)
		.map_err(|error| unusable("settings")(&error))?;
		Ok(Self {
			queues,
			deliverer,
			rules,
			public_key,
			key_id,
			source: settings.source.clone(),
			events,
			database,
		})
	}

	/// The key that signs, 64 hexadecimal digits, and its name.
	pub fn public_key(&self) -> (&str, &str) {
		(&self.key_id, &self.public_key)
	}

	/// Which receivers are taken.
	pub fn rules(&self) -> &UrlRules {
		&self.rules
	}

	/// What was delivered so far.
	pub fn counts(&self) -> webhook_delivery::Counts {
		self.deliverer.counts()
	}

	/// Every subscription.
	pub fn subscriptions(&self) -> Vec<Subscription> {
		self.queues.all().values().cloned().collect()
	}

	/// A subscription.
	pub fn subscription(&self, id: &str) -> Option<Subscription> {
		self.queues.all().get(id).cloned()
	}

	/// How many events wait for a subscription.
	///
	/// # Errors
	/// When the store fails.
	pub fn waiting(&self, id: &str) -> Result<usize, StoreError> {
		self.database.queue_length(id)
	}

	/// Keeps a new subscription; events that come from now on are for it, too. `false` if there are as
	/// many as there may be.
	///
	/// # Errors
	/// When the store fails.
	pub fn subscribe(&self, subscription: Subscription) -> Result<bool, StoreError> {
		let mut all = self.queues.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
		if all.len() >= MAX_SUBSCRIPTIONS {
			return Ok(false);
		}
		self.database.keep_subscription(&subscription)?;
		all.insert(subscription.id.clone(), subscription);
		Ok(true)
	}

	/// Makes a subscription active again. `false` if there is none.
	///
	/// # Errors
	/// When the store fails.
	pub fn resume(&self, id: &str) -> Result<bool, StoreError> {
		let there_is = self.queues.change(id, |subscription| {
			subscription.state = SubscriptionState::Active;
			true
		})?;
		if there_is {
			self.deliverer.retry(id);
		}
		Ok(there_is)
	}

	/// Forgets a subscription and what waits for it. `false` if there is none.
	///
	/// # Errors
	/// When the store fails.
	pub fn unsubscribe(&self, id: &str) -> Result<bool, StoreError> {
		let mut all = self.queues.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
		if !all.contains_key(id) {
			return Ok(false);
		}
		self.database.forget_subscription(id)?;
		all.remove(id);
		drop(all);
		self.database.forget_queue(id)?;
		Ok(true)
	}

	/// Follows the events until the service ends; drop it then, and [`stop`](Self::stop).
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(&self) -> Result<(), StoreError> {
		self.deliverer.start().await.map_err(failed)?;
		let mut newest = self.events.follow();
		// What happened before there were webhooks is told to nobody.
		let mut published = match self.database.events_published()? {
			Some(number) => number,
			None => *newest.borrow(),
		};
		loop {
			newest.borrow_and_update();
			let events = self.events.after(published, EVENTS_AT_ONCE)?;
			for event in &events {
				self.publish(event).await?;
			}
			match events.last() {
				Some(last) => {
					published = last.number;
					self.database.keep_events_published(published)?;
				}
				None => {
					if newest.changed().await.is_err() {
						return Ok(());
					}
				}
			}
		}
	}

	async fn publish(&self, event: &Event) -> Result<(), StoreError> {
		if self.queues.all().is_empty() {
			return Ok(());
		}
		let data = serde_json::value::to_raw_value(event).map_err(failed)?;
		let event = webhook_delivery::Event {
			id: event.number.to_string(),
			source: self.source.clone(),
			kind: format!("energy.oracle.{}", event.kind.name()),
			time_millis: event.time_seconds.saturating_mul(1_000),
			subject: event.slot.map(|slot| format!("slot/{slot}")),
			meters: Vec::new(),
			zones: vec![event.zone.map_or_else(|| NO_ZONE.to_owned(), |zone| zone.to_string())],
			data,
		};
		self.deliverer.publish(event).await.map(|_published| ()).map_err(failed)
	}

	/// Begins no delivery any more, and waits for those that run. What waits, waits on disk.
	pub async fn stop(&self) {
		self.deliverer.stop().await;
	}
}

fn failed(error: impl std::fmt::Display) -> StoreError {
	StoreError::Database(format!("webhooks: {error}"))
}
