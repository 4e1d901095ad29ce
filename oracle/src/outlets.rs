//! Gives readings of sealed slots to others: PostgreSQL, a Parquet archive, Redis.
//!
//! The oracle's own store is the truth; an outlet keeps a copy in a form that others know. Each outlet
//! has a [feed](feed) of its own, which reads the store and knows how far it has come, also after a
//! restart. So an outlet that is slow or away falls behind, and nothing else waits for it.
//!
//! A slot is handed over once it is sealed, because its readings can no longer change. A feed moves on
//! when the outlet has acknowledged the whole slot, so after a crash a slot may come twice. What it comes
//! to:
//!
//! | outlet | a slot that comes twice |
//! |---|---|
//! | PostgreSQL | its rows are there once: a row is named by zone, slot, meter and start |
//! | archive | its objects are there once: the same rows make the same object under the same name |
//! | Redis | changes nothing: a reading gives way only to one that begins later |
//!
//! An outlet without a cursor begins with the oldest slot that is kept. Readings leave as they are, not
//! encrypted, with the meters' identifiers: whoever reads the outlet reads them.

use std::{collections::BTreeMap, sync::Arc};

use energy_primitives::{Slot, ZoneId};
use reading_sinks::{
	archive::{ArchiveConfiguration, ArchiveOutlet},
	postgres::{PostgresConfiguration, PostgresOutlet},
	redis::{RedisConfiguration, RedisOutlet},
	ConfigurationError, Outlet,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
	metrics::Metrics,
	registry::RegistryCell,
	store::{Store, StoreError},
};

pub mod feed;
pub mod progress;
pub mod rows;

use feed::Feed;
use progress::Progress;

/// The longest name of an outlet, bytes.
const MAXIMUM_NAME_BYTES: usize = 32;

/// Keeps how far each outlet has come.
pub trait OutletStore: Send + Sync + 'static {
	/// The last slot of a zone that an outlet has.
	fn delivered_through(&self, outlet: &str, zone: ZoneId) -> Result<Option<Slot>, StoreError>;

	/// Keeps that an outlet has a slot and all before it.
	fn keep_delivered(&self, outlet: &str, zone: ZoneId, slot: Slot) -> Result<(), StoreError>;
}

/// What an operator writes: outlets by their names. A name stands for how far the outlet has come, so
/// an outlet with a new name gets everything.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutletsConfig {
	/// Tables of PostgreSQL.
	pub postgresql: BTreeMap<String, PostgresConfiguration>,
	/// Parquet files in a folder or in S3.
	pub archive: BTreeMap<String, ArchiveConfiguration>,
	/// The latest readings in Redis.
	pub redis: BTreeMap<String, RedisConfiguration>,
}

/// An outlet cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct OutletError {
	/// The tables and the key, with points between them.
	pub key: String,
	/// What is wrong.
	pub reason: String,
}

/// Outlets whose configuration was checked. None has been reached yet.
pub struct Outlets {
	postgresql: Vec<(String, PostgresOutlet)>,
	archive: Vec<(String, ArchiveOutlet)>,
	redis: Vec<(String, RedisOutlet)>,
}

/// What feeds need of the oracle.
#[derive(Clone)]
pub struct FeedParts {
	/// Where readings are.
	pub readings: Arc<dyn Store>,
	/// Where it is kept how far outlets have come.
	pub store: Arc<dyn OutletStore>,
	/// Knows when the slots are.
	pub registry: Arc<RegistryCell>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
}

/// Feeds that run.
pub struct RunningOutlets {
	/// How far each outlet has come.
	pub progress: Vec<Arc<Progress>>,
	/// What to tell, each, when a slot is sealed.
	pub sealed: Vec<Arc<Notify>>,
}

impl Outlets {
	/// Checks what an operator wrote. Reads files that it names, and reaches no server.
	///
	/// # Errors
	/// The first key that is wrong.
	pub fn open(config: &OutletsConfig) -> Result<Self, OutletError> {
		Ok(Self {
			postgresql: open("postgresql", &config.postgresql, PostgresOutlet::new)?,
			archive: open("archive", &config.archive, ArchiveOutlet::new)?,
			redis: open("redis", &config.redis, RedisOutlet::new)?,
		})
	}

	/// Starts a feed for each outlet. A feed ends only when the oracle's store fails.
	pub fn start<E: From<StoreError> + Send + 'static>(
		self,
		parts: &FeedParts,
		metrics: &Metrics,
		tasks: &mut JoinSet<Result<(), E>>,
	) -> RunningOutlets {
		let mut running = RunningOutlets { progress: Vec::new(), sealed: Vec::new() };
		start_each(self.postgresql, parts, metrics, tasks, &mut running);
		start_each(self.archive, parts, metrics, tasks, &mut running);
		start_each(self.redis, parts, metrics, tasks, &mut running);
		running
	}
}

fn start_each<O: Outlet, E: From<StoreError> + Send + 'static>(
	outlets: Vec<(String, O)>,
	parts: &FeedParts,
	metrics: &Metrics,
	tasks: &mut JoinSet<Result<(), E>>,
	running: &mut RunningOutlets,
) {
	for (name, outlet) in outlets {
		let progress = Arc::new(Progress::new(name));
		progress.show(metrics);
		let sealed = Arc::new(Notify::new());
		running.progress.push(progress.clone());
		running.sealed.push(sealed.clone());
		let feed = Feed { outlet, progress, parts: parts.clone(), sealed };
		tasks.spawn(async move { feed.run().await.map_err(E::from) });
	}
}

/// Opens the outlets of one kind. The name of each is that of its table.
fn open<Configuration, O>(
	kind: &str,
	configurations: &BTreeMap<String, Configuration>,
	new: impl Fn(&Configuration) -> Result<O, ConfigurationError>,
) -> Result<Vec<(String, O)>, OutletError> {
	let mut outlets = Vec::new();
	for (name, configuration) in configurations {
		let table = format!("outlets.{kind}.{name}");
		if !is_name(name) {
			let reason = format!(
				"the name must have 1 to {MAXIMUM_NAME_BYTES} lower-case letters, digits, - or _"
			);
			return Err(OutletError { key: table, reason });
		}
		let outlet = new(configuration).map_err(|error| OutletError {
			key: format!("{table}.{}", error.field),
			reason: error.reason,
		})?;
		outlets.push((format!("{kind}/{name}"), outlet));
	}
	Ok(outlets)
}

fn is_name(name: &str) -> bool {
	let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
	(1..=MAXIMUM_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}
