//! Keeps a consumer at work until it is told to stop.

use std::{
	future::Future,
	path::Path,
	sync::{
		atomic::{AtomicU8, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use oracle_port::ReadingSink;
use oracle_source::{
	add, invalid, read_password, Backoff, ConfigurationError, Counters, Offering, Status,
};
use rdkafka::config::ClientConfig;
use tokio::{runtime::Handle, sync::watch, task::spawn_blocking};

use crate::{
	configuration::{OffsetReset, Settings},
	consumer::{Consumer, Ended, Exchange},
};

/// How often a wait looks whether it is told to stop.
const LOOK: Duration = Duration::from_millis(20);
/// A group gives up a member that does not poll for so long.
const POLL_INTERVAL_MS: u128 = 300_000;
/// The largest record batch a broker takes by default. A smaller fetch would be made larger.
const SMALLEST_FETCH_BYTES: usize = 1 << 20;

/// What a consumer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
	Run,
	/// Take nothing more, wait for the sink, commit, leave.
	Stop,
	/// Leave at once.
	Abandon,
}

/// Tells the thread that polls what to do.
#[derive(Debug, Default)]
pub(crate) struct Orders(AtomicU8);

impl Orders {
	pub(crate) fn now(&self) -> Order {
		match self.0.load(Ordering::Acquire) {
			0 => Order::Run,
			1 => Order::Stop,
			_ => Order::Abandon,
		}
	}

	/// An order is never taken back.
	pub(crate) fn give(&self, order: Order) {
		self.0.fetch_max(order as u8, Ordering::AcqRel);
	}
}

/// Nobody waits for the thread any more when this is dropped.
struct Abandon(Arc<Orders>);

impl Drop for Abandon {
	fn drop(&mut self) {
		self.0.give(Order::Abandon);
	}
}

/// Takes records from Kafka and hands them to a sink.
#[derive(Debug)]
pub struct Source<S> {
	settings: Settings,
	sink: Arc<S>,
	counters: Arc<Counters>,
	status: watch::Sender<Status>,
}

impl<S: ReadingSink> Source<S> {
	/// A source that does nothing before [`run`](Self::run).
	///
	/// # Errors
	/// When a file the settings name cannot be read, or librdkafka does not take a setting.
	pub fn new(settings: Settings, sink: Arc<S>) -> Result<Self, ConfigurationError> {
		client_config(&settings)?
			.create_native_config()
			.map_err(|error| invalid("brokers", error))?;
		Ok(Self {
			settings,
			sink,
			counters: Arc::default(),
			status: watch::Sender::new(Status::Connecting),
		})
	}

	/// What happened so far. To be asked for before [`run`](Self::run).
	pub fn counters(&self) -> Arc<Counters> {
		self.counters.clone()
	}

	/// How the source is doing: `Subscribed` when the group has given it its partitions. To be
	/// asked for before [`run`](Self::run).
	pub fn status(&self) -> watch::Receiver<Status> {
		self.status.subscribe()
	}

	/// Runs until `stop` is ready; then takes nothing more, waits for the sink to answer for what
	/// is in hand, commits that and leaves the group.
	///
	/// A lost connection is no end: it is tried again with growing waits, and said by
	/// [`status`](Self::status). Dropping what this returns leaves the group without a commit.
	pub async fn run(self, stop: impl Future<Output = ()> + Send) {
		let orders = Arc::new(Orders::default());
		let abandon = Abandon(orders.clone());
		let runtime = Handle::current();
		let mut thread = spawn_blocking({
			let orders = orders.clone();
			move || self.work(&orders, runtime)
		});
		let ended = tokio::select! {
			() = stop => {
				orders.give(Order::Stop);
				(&mut thread).await
			}
			ended = &mut thread => ended,
		};
		drop(abandon);
		if let Err(Ok(panic)) = ended.map_err(tokio::task::JoinError::try_into_panic) {
			std::panic::resume_unwind(panic);
		}
	}

	fn work(self, orders: &Orders, runtime: Handle) {
		let Self { settings, sink, counters, status } = self;
		let mut exchange = Exchange::new(Offering::new(sink, counters.clone()), runtime);
		let mut backoff = Backoff::new(settings.reconnect_minimum, settings.reconnect_maximum);
		let mut begun = false;
		while orders.now() == Order::Run {
			status.send_replace(Status::Connecting);
			if std::mem::replace(&mut begun, true) {
				add(&counters.reconnects, 1);
			}
			let begin = Instant::now();
			let opened =
				client_config(&settings).map_err(|error| error.to_string()).and_then(|client| {
					let counters = counters.clone();
					Consumer::open(&settings, &client, counters, &status, orders, &mut exchange)
						.map_err(|error| error.to_string())
				});
			let reason = match opened.map(Consumer::run) {
				Ok(Ended::Stopped) => break,
				Ok(Ended::Lost(reason)) | Err(reason) => reason,
			};
			if begin.elapsed() > backoff.longest() {
				backoff.reset();
			}
			let wait = backoff.wait();
			tracing::warn!(reason, ?wait, "no consumer");
			status.send_replace(Status::Disconnected { reason });
			let until = Instant::now() + wait;
			while orders.now() == Order::Run && Instant::now() < until {
				std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
			}
		}
		status.send_replace(Status::Stopped);
	}
}

/// The settings as librdkafka takes them. The password is in it; it goes with the consumer.
pub(crate) fn client_config(settings: &Settings) -> Result<ClientConfig, ConfigurationError> {
	let mut client = ClientConfig::new();
	let mut set = |name: &str, value: String| {
		client.set(name, value);
	};
	let session_ms = settings.session_timeout.as_millis();
	let fetch_bytes = settings.prefetch_bytes.max(SMALLEST_FETCH_BYTES);
	set("bootstrap.servers", settings.brokers.join(","));
	set("client.id", settings.client_id.clone());
	set("group.id", settings.group_id.clone());
	if let Some(name) = &settings.group_instance_id {
		set("group.instance.id", name.clone());
	}
	set("enable.auto.commit", "false".to_owned());
	set("enable.auto.offset.store", "false".to_owned());
	// A rebalance leaves alone who keeps its partitions.
	set("partition.assignment.strategy", "cooperative-sticky".to_owned());
	let reset = match settings.offset_reset {
		OffsetReset::Earliest => "earliest",
		OffsetReset::Latest => "latest",
	};
	set("auto.offset.reset", reset.to_owned());
	set("session.timeout.ms", session_ms.to_string());
	// Often enough that a member hears of a rebalance long before the group goes on without it.
	set("heartbeat.interval.ms", (session_ms / 10).min(3000).to_string());
	set("max.poll.interval.ms", POLL_INTERVAL_MS.max(session_ms).to_string());
	set("queued.max.messages.kbytes", (settings.prefetch_bytes / 1024).to_string());
	// How soon it is fetched again after that many bytes were there; a second otherwise.
	set("fetch.queue.backoff.ms", "10".to_owned());
	set("fetch.max.bytes", fetch_bytes.to_string());
	set("receive.message.max.bytes", (fetch_bytes + 1024).max(100_000_000).to_string());
	set("reconnect.backoff.ms", settings.reconnect_minimum.as_millis().to_string());
	set("reconnect.backoff.max.ms", settings.reconnect_maximum.as_millis().to_string());
	// A topic that is made later, or gets more partitions, is found in so long.
	set("topic.metadata.refresh.interval.ms", "60000".to_owned());
	set("socket.keepalive.enable", "true".to_owned());
	let protocol = match (settings.tls, settings.credentials.is_some()) {
		(false, false) => "plaintext",
		(true, false) => "ssl",
		(false, true) => "sasl_plaintext",
		(true, true) => "sasl_ssl",
	};
	set("security.protocol", protocol.to_owned());
	if let Some(file) = &settings.ca_file {
		set("ssl.ca.location", readable("ca_file", file)?);
	}
	if let Some(identity) = &settings.client_identity {
		let certificate = readable("client_certificate_file", &identity.certificate_file)?;
		set("ssl.certificate.location", certificate);
		set("ssl.key.location", readable("client_key_file", &identity.key_file)?);
	}
	if let Some(credentials) = &settings.credentials {
		let password = read_password(&credentials.password_file).map_err(|error| {
			let file = credentials.password_file.display();
			invalid("password_file", format!("{file}: {error}"))
		})?;
		set("sasl.mechanism", credentials.mechanism.name().to_owned());
		set("sasl.username", credentials.username.clone());
		set("sasl.password", password.as_str().to_owned());
	}
	Ok(client)
}

/// The path of a file that can be read.
fn readable(field: &'static str, file: &Path) -> Result<String, ConfigurationError> {
	let opened = std::fs::File::open(file);
	opened.map_err(|error| invalid(field, format!("{}: {error}", file.display())))?;
	let path = file.to_str().ok_or_else(|| invalid(field, "the path is no UTF-8"))?;
	Ok(path.to_owned())
}
