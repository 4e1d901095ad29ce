//! Puts the parts together, starts them, and stops them in order.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use energy_primitives::ZoneId;
use secure_server::{Drained, Handle, Server};
use tokio::{
	sync::{mpsc, oneshot, watch, Notify},
	task::JoinSet,
};

use crate::{
	access::{AccessError, AccessSettings, Gate},
	anchor::Anchor,
	assess::Assessor,
	chain::{market::MarketReads, ChainClient},
	clock::Clock,
	events::{Event, EventKind, Events},
	follow::{FollowError, HeadFollower, RegistryFollower},
	http::{self, rate::RateSettings, Api},
	ingest::{
		writer::{Coverage, Writer},
		Ingest, IngestLimits,
	},
	metrics::Metrics,
	outbox::{Outbox, OutboxConfig},
	outlets::{FeedParts, OutletError, Outlets, OutletsConfig},
	registry::RegistryCell,
	reseal::Resealer,
	retention::Retention,
	seal::Sealer,
	sources::{SourceError, Sources},
	store::{
		keys::{self, KekSettings},
		rocks::{RocksStore, StoreLimits},
		Store, StoreError,
	},
	webhooks::{WebhookError, WebhookSettings, Webhooks},
};

/// How long requests that are being served may take when the oracle stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// How often it is looked whether the database is still in use.
const CLOSE_LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// How often it is looked whether a new data key is due.
const KEY_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How the oracle runs.
#[derive(Clone, Debug)]
pub struct Config {
	/// Where to listen (port 0 for any free one), TLS, and limits of connections.
	pub http: secure_server::Settings,
	/// The folder of the database.
	pub data: PathBuf,
	/// Where the key is that wraps the keys of the database.
	pub key_encryption_key: KekSettings,
	/// After how many seconds values are encrypted with another data key.
	pub data_key_max_age_seconds: u64,
	/// How many seconds after its replacement a data key is retired; only when there are very many, if
	/// not given.
	pub data_key_retire_seconds: Option<u64>,
	/// For how many seconds readings are kept; for ever if not given.
	pub retention_seconds: Option<u64>,
	/// Limits of the database.
	pub store: StoreLimits,
	/// The zones whose readings are taken.
	pub zones: Vec<ZoneId>,
	/// How long to wait after the end of a slot, by the chain's clock;
	/// [`default_grace_seconds`](crate::seal::default_grace_seconds) if not given.
	pub grace_seconds: Option<u32>,
	/// After how many seconds the whole registry is read again.
	pub registry_refresh_seconds: u64,
	/// Limits of the way in.
	pub limits: IngestLimits,
	/// How the outbox is emptied.
	pub outbox: OutboxConfig,
	/// Brokers that readings are taken from.
	pub sources: Sources,
	/// What gets copies of sealed readings.
	pub outlets: OutletsConfig,
	/// Who may do what over HTTP; everybody everything, if not given.
	pub access: Option<AccessSettings>,
	/// How webhooks are sent; none are, if not given.
	pub webhooks: Option<WebhookSettings>,
	/// How much one client may ask for over HTTP.
	pub rate: RateSettings,
}

impl Config {
	/// The defaults, for a folder, an address and zones.
	pub fn new(data: PathBuf, http: secure_server::Settings, zones: Vec<ZoneId>) -> Self {
		Self {
			http,
			key_encryption_key: KekSettings::File(data.with_extension("key")),
			data,
			data_key_max_age_seconds: 90 * 86_400,
			data_key_retire_seconds: None,
			retention_seconds: None,
			store: StoreLimits::default(),
			zones,
			grace_seconds: None,
			registry_refresh_seconds: 60,
			limits: IngestLimits::default(),
			outbox: OutboxConfig::default(),
			sources: Sources::default(),
			outlets: OutletsConfig::default(),
			access: None,
			webhooks: None,
			rate: RateSettings::default(),
		}
	}
}

/// Why the oracle cannot run, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
	/// The store cannot be opened, or failed.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The address cannot be listened on, or the certificate cannot be used.
	#[error("cannot serve: {0}")]
	Serve(#[from] secure_server::ServerError),
	/// The node is not of the right chain.
	#[error(transparent)]
	Follow(#[from] FollowError),
	/// A part ended that should not.
	#[error("{0} ended unexpectedly")]
	Ended(&'static str),
	/// Access cannot be set up.
	#[error(transparent)]
	Access(#[from] AccessError),
	/// A broker's source cannot be started.
	#[error("a source cannot be started: {0}")]
	Source(#[from] SourceError),
	/// Webhooks cannot be set up.
	#[error(transparent)]
	Webhooks(#[from] WebhookError),
	/// The interface cannot be served.
	#[error(transparent)]
	Interface(#[from] http::InterfaceError),
	/// An outlet cannot be used as it is configured.
	#[error(transparent)]
	Outlet(#[from] OutletError),
	/// A thread could not be started.
	#[error("cannot start a thread: {0}")]
	Thread(io::Error),
}

/// A running oracle.
pub struct Service {
	address: SocketAddr,
	is_secure: bool,
	server_handle: Handle,
	metrics: Arc<Metrics>,
	database: Arc<RocksStore>,
	stop: watch::Sender<bool>,
	server: tokio::task::JoinHandle<Drained>,
	sources: JoinSet<()>,
	webhooks: Option<Arc<Webhooks>>,
	tasks: JoinSet<Result<(), ServiceError>>,
	writer_done: oneshot::Receiver<()>,
	writer_ended_early: bool,
}

impl Service {
	/// Opens the store and starts every part.
	///
	/// # Errors
	/// When the store cannot be opened or the address cannot be listened on. A node that is away is
	/// no error: readings are taken with the registry that was last saved.
	pub async fn start(
		config: Config,
		chain: impl ChainClient + MarketReads,
		clock: impl Clock,
	) -> Result<Self, ServiceError> {
		let (chain, clock): (_, Arc<dyn Clock>) = (Arc::new(chain), Arc::new(clock));
		let outlets = Outlets::open(&config.outlets)?;
		let kek = keys::kek_of(&config.data, &config.key_encryption_key)?;
		let now_seconds = clock.now_seconds();
		let store = RocksStore::open(&config.data, kek, now_seconds, config.store)?;
		let database = Arc::new(store);
		let store: Arc<dyn Store> = database.clone();
		let metrics = Arc::new(Metrics::default());
		let events = Arc::new(Events::open(database.clone(), clock.clone())?);
		let version = env!("CARGO_PKG_VERSION");
		events.publish(Event::of(EventKind::Started).detail(version));
		let registry = Arc::new(RegistryCell::default());
		if let Some(saved) = store.load_registry(&config.zones)? {
			tracing::info!(meters = saved.len(), "using the saved registry until the node answers");
			metrics.note_registered(saved.len());
			registry.store(saved, 0);
		}
		let is_secure = config.http.tls.is_some();
		let server = Server::bind(config.http).await?;
		let (address, server_handle) = (server.address(), server.handle());
		let connections = server.handle();
		metrics.add_gauges(
			"connections",
			"Connections of the HTTP interface.",
			"http",
			move || connection_counts(&connections),
		);

		let coverage = Arc::new(Coverage::default());
		let (commands, inbox) = mpsc::channel(config.limits.queue_length.max(1));
		let writer = Writer::new(store.clone(), metrics.clone(), coverage.clone());
		let (done, writer_done) = oneshot::channel();
		std::thread::Builder::new()
			.name("oracle-writer".into())
			.spawn(move || {
				// Dropped when the writer ends, also by a panic.
				let _done: oneshot::Sender<()> = done;
				writer.run(inbox);
			})
			.map_err(ServiceError::Thread)?;
		let ingest = Ingest::start(
			registry.clone(),
			clock.clone(),
			metrics.clone(),
			store.clone(),
			config.limits,
			commands,
		)
		.map_err(ServiceError::Thread)?;

		let outbox_filled = Arc::new(Notify::new());
		let (heads, new_heads) = watch::channel(None);
		let mut tasks = JoinSet::new();
		let outbox = Outbox {
			chain: chain.clone(),
			store: store.clone(),
			metrics: metrics.clone(),
			events: events.clone(),
			filled: outbox_filled.clone(),
			config: config.outbox,
		};
		tasks.spawn(async move { outbox.run().await.map_err(ServiceError::Store) });
		let feeds = FeedParts {
			readings: store.clone(),
			store: database.clone(),
			registry: registry.clone(),
			zones: config.zones.clone(),
		};
		let outlets = outlets.start(&feeds, &metrics, &mut tasks);
		let assessor_told = Arc::new(Notify::new());
		let assessor = Assessor {
			readings: store.clone(),
			store: database.clone(),
			registry: registry.clone(),
			metrics: metrics.clone(),
			events: events.clone(),
			zones: config.zones.clone(),
			sealed: assessor_told.clone(),
		};
		tasks.spawn(async move { assessor.run().await.map_err(ServiceError::Store) });
		let sealer = Sealer {
			store: store.clone(),
			ingest: ingest.clone(),
			coverage,
			registry: registry.clone(),
			metrics: metrics.clone(),
			events: events.clone(),
			outbox_filled,
			slot_sealed: outlets.sealed.into_iter().chain([assessor_told]).collect(),
			zones: config.zones.clone(),
			grace_seconds: config.grace_seconds,
		};
		let sealer_heads = new_heads.clone();
		tasks.spawn(async move {
			sealer.run(sealer_heads).await;
			Ok(())
		});
		let registry_follower = RegistryFollower {
			chain: chain.clone(),
			store: store.clone(),
			clock: clock.clone(),
			metrics: metrics.clone(),
			registry: registry.clone(),
			zones: config.zones.clone(),
			full_refresh_seconds: config.registry_refresh_seconds,
		};
		tasks.spawn(
			async move { registry_follower.run(new_heads).await.map_err(ServiceError::Store) },
		);
		let head_follower = HeadFollower {
			chain: chain.clone(),
			store: store.clone(),
			clock: clock.clone(),
			metrics: metrics.clone(),
			events: events.clone(),
			registry: registry.clone(),
			heads,
		};
		tasks.spawn(async move { head_follower.run().await.map_err(ServiceError::Follow) });

		let (max_age_seconds, key_clock) = (config.data_key_max_age_seconds, clock.clone());
		let (key_database, key_events) = (database.clone(), events.clone());
		tasks.spawn(async move {
			renew_data_keys(key_database, key_events, key_clock, max_age_seconds)
				.await
				.map_err(ServiceError::Store)
		});

		let key_counts = database.key_counts();
		metrics.add_gauges(
			"encryption_keys",
			"Keys that values are encrypted with, and how far old ones are retired.",
			"data",
			move || key_counts.numbers(),
		);
		let resealer = Resealer {
			store: database.clone(),
			clock: clock.clone(),
			retire_seconds: config.data_key_retire_seconds,
		};
		tasks.spawn(async move {
			resealer.run().await;
			Ok(())
		});

		if let Some(seconds) = config.retention_seconds {
			let retention = Retention {
				store: store.clone(),
				registry: registry.clone(),
				clock: clock.clone(),
				zones: config.zones.clone(),
				seconds,
				outlets: outlets.progress,
				outlet_store: database.clone(),
			};
			tasks.spawn(async move { retention.run().await.map_err(ServiceError::Store) });
		}

		let (stop, mut stopped) = watch::channel(false);
		let sources = config.sources.start(&ingest, &metrics, &stop)?;
		let gate = match &config.access {
			Some(settings) => Some(Gate::open(settings, clock.clone(), database.clone())?),
			None => {
				tracing::warn!(
					"no access is configured: whoever reaches the port may do everything"
				);
				None
			}
		};
		if let Some(access) = config.access.filter(|access| access.anchor_audit_log) {
			let (chain, clock, folder) = (chain.clone(), clock.clone(), access.audit_folder);
			let anchor = Anchor { chain, clock, folder };
			tasks.spawn(async move {
				anchor.run().await;
				Ok(())
			});
		}
		let webhooks = match &config.webhooks {
			None => None,
			Some(settings) => {
				let webhooks = Webhooks::open(settings, database.clone(), events.clone())?;
				let webhooks = Arc::new(webhooks);
				// The counters outlive the service, and are not to hold its database.
				let counted = Arc::downgrade(&webhooks);
				metrics.add_gauges(
					"webhooks",
					"Webhooks by what became of them.",
					"http",
					move || {
						counted
							.upgrade()
							.map_or_else(Vec::new, |webhooks| webhook_counts(&webhooks))
					},
				);
				let running = webhooks.clone();
				tasks.spawn(async move { running.run().await.map_err(ServiceError::Store) });
				Some(webhooks)
			}
		};
		let routes = http::router(Api {
			gate,
			rate: config.rate,
			ingest,
			store,
			database: database.clone(),
			market: chain.clone(),
			ending: stopped.clone(),
			webhooks: webhooks.clone(),
			events,
			registry,
			metrics: metrics.clone(),
			clock,
			zones: config.zones,
			account: chain.account(),
		})?;
		let server = server.run(routes, async move {
			// An error means that the service is gone, which is a reason to stop as well.
			let _ = stopped.wait_for(|stop| *stop).await;
		});
		Ok(Self {
			address,
			is_secure,
			server_handle,
			metrics,
			database,
			stop,
			server: tokio::spawn(server),
			sources,
			webhooks,
			tasks,
			writer_done,
			writer_ended_early: false,
		})
	}

	/// Where it listens.
	pub fn address(&self) -> SocketAddr {
		self.address
	}

	/// Its base address.
	pub fn url(&self) -> String {
		let scheme = if self.is_secure { "https" } else { "http" };
		format!("{scheme}://{}", self.address)
	}

	/// Reads the certificate and the key again. Connections that are open go on; what cannot be used
	/// changes nothing.
	///
	/// # Errors
	/// When they cannot be used.
	pub fn reload_certificate(&self) -> Result<(), secure_server::CredentialsError> {
		self.server_handle.reload()
	}

	/// Its counters.
	pub fn metrics(&self) -> &Metrics {
		&self.metrics
	}

	/// Waits until a part fails. While all goes well it does not return.
	pub async fn failed(&mut self) -> ServiceError {
		tokio::select! {
			Some(_ended) = self.sources.join_next() => ServiceError::Ended("a broker's source"),
			Some(ended) = self.tasks.join_next() => match ended {
				Ok(Err(error)) => error,
				Ok(Ok(())) => ServiceError::Ended("a task"),
				Err(_panicked) => ServiceError::Ended("a task that panicked"),
			},
			_ = &mut self.writer_done, if !self.writer_ended_early => {
				self.writer_ended_early = true;
				ServiceError::Ended("the writer")
			},
			_ended = &mut self.server => ServiceError::Ended("the server"),
		}
	}

	/// Stops: takes no more connections, answers what was asked, writes what was taken.
	pub async fn stop(mut self) {
		self.stop.send_replace(true);
		// It has a limit of its own.
		match (&mut self.server).await {
			Ok(Drained { cut_off: 0, .. }) => {}
			Ok(Drained { cut_off, .. }) => {
				tracing::warn!(cut_off, "some requests took too long and were broken off");
			}
			Err(error) => tracing::error!(%error, "the server broke off"),
		}
		let sources = async { while self.sources.join_next().await.is_some() {} };
		if tokio::time::timeout(DRAIN_TIMEOUT, sources).await.is_err() {
			tracing::warn!("a broker's source took too long and was broken off");
		}
		self.sources.shutdown().await;
		if let Some(webhooks) = self.webhooks.take() {
			webhooks.stop().await;
		}
		// The tasks hold a way to the writer; with the last one gone it ends by itself.
		self.tasks.shutdown().await;
		if !self.writer_ended_early
			&& tokio::time::timeout(DRAIN_TIMEOUT, &mut self.writer_done).await.is_err()
		{
			tracing::error!("the writer did not finish");
		}
		// Threads that check or judge may still hold the database for a moment: it is closed, and its
		// folder free for others, when they have let go.
		let closed = async {
			while Arc::strong_count(&self.database) > 1 {
				tokio::time::sleep(CLOSE_LOOK_INTERVAL).await;
			}
		};
		if tokio::time::timeout(DRAIN_TIMEOUT, closed).await.is_err() {
			tracing::error!("the database is still in use");
		}
	}
}

/// Encrypts with a new data key when the old one is used up or too old. Ends only when that fails: then
/// nothing more could be written soon.
async fn renew_data_keys(
	store: Arc<RocksStore>,
	events: Arc<Events>,
	clock: Arc<dyn Clock>,
	max_age_seconds: u64,
) -> Result<(), StoreError> {
	let mut looks = tokio::time::interval(KEY_LOOK_INTERVAL);
	loop {
		looks.tick().await;
		let (store, now_seconds) = (store.clone(), clock.now_seconds());
		let rotate = move || store.rotate_keys_if_due(now_seconds, max_age_seconds);
		match tokio::task::spawn_blocking(rotate).await {
			Ok(Ok(true)) => {
				tracing::info!("values are encrypted with a new data key");
				events.publish(Event::of(EventKind::DataKeyRenewed));
			}
			Ok(Ok(false)) => {}
			Ok(Err(error)) => return Err(error),
			Err(_panicked) => return Err(StoreError::Keys("the rotation broke off".into())),
		}
	}
}

fn webhook_counts(webhooks: &Webhooks) -> Vec<(&'static str, u64)> {
	let counts = webhooks.counts();
	vec![
		("queued", counts.queued),
		("delivered", counts.delivered),
		("failed-attempts", counts.failed_attempts),
		("dropped", counts.dropped),
		("paused", counts.paused),
		("store-failures", counts.store_failures),
	]
}

fn connection_counts(server: &Handle) -> Vec<(&'static str, u64)> {
	let counts = server.counters();
	let mut numbers = vec![
		("accepted", counts.accepted),
		("active", counts.active_connections),
		("refused", counts.refused_total.saturating_add(counts.refused_per_peer)),
		("handshake-failures", counts.handshake_failures),
		("handshake-timeouts", counts.handshake_timeouts),
		("reloads", counts.reloads),
		("failed-reloads", counts.failed_reloads),
	];
	numbers.extend(
		server
			.status()
			.seconds_to_expiry()
			.map(|seconds| ("certificate-seconds-left", u64::try_from(seconds).unwrap_or(0))),
	);
	numbers
}
