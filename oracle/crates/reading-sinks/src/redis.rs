//! The latest reading of each meter in Redis.
//!
//! A meter has one hash, at `{prefix}:{zone}:{meter id in hexadecimal}`, with the fields `slot`,
//! `meter_index`, `start_seconds`, `duration_seconds`, `import_wh`, `export_wh` and `quality`. The
//! reading that begins last wins, in whatever order readings come; the comparison and the change are
//! one step in the server. The evidence stays where it is: this is a board, not an archive.
//!
//! With a time to live, a hash goes that long after the end of its reading, not after the moment it
//! was written; so writing a batch again brings nothing back.
//!
//! A server without persistence forgets everything at its end. A meter is there again with its next
//! reading.

mod configuration;
mod connection;

use std::{
	collections::BTreeMap,
	time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::timeout;

use self::{configuration::Settings, connection::Connector};
use crate::{outlet::unavailable, pool::Pool, Batch, ConfigurationError, Outlet, OutletError, Row};

pub use configuration::RedisConfiguration;

/// Writes the latest reading of each meter. Several batches at the same time, each on a connection of
/// its own.
pub struct RedisOutlet {
	pool: Pool<Connector>,
	write_timeout: Duration,
	key_prefix: String,
	time_to_live_seconds: Option<u64>,
}

impl RedisOutlet {
	/// Checks a configuration. Connects only when there is something to do.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub fn new(configuration: &RedisConfiguration) -> Result<Self, ConfigurationError> {
		let Settings { server, pool, write_timeout } = Settings::new(configuration)?;
		let connector = Connector::new(configuration, server, write_timeout);
		Ok(Self {
			pool: Pool::new(connector, pool),
			write_timeout,
			key_prefix: configuration.key_prefix.clone(),
			time_to_live_seconds: configuration.time_to_live_seconds,
		})
	}

	/// The readings of a batch that may be the latest of their meter, and that have not expired.
	fn latest<'batch>(&self, batch: &'batch Batch, now_seconds: u64) -> Vec<Latest<'batch>> {
		let mut latest = BTreeMap::new();
		for row in batch.rows() {
			let known = latest.entry(row.meter_id).or_insert(row);
			if known.start_seconds < row.start_seconds {
				*known = row;
			}
		}
		let zone = batch.id().zone;
		latest
			.into_values()
			.map(|row| Latest {
				key: format!("{}:{zone}:{}", self.key_prefix, hex::encode(row.meter_id.as_bytes())),
				slot: batch.id().slot,
				expires_seconds: self.expires_seconds(row),
				row,
			})
			.filter(|latest| latest.expires_seconds.is_none_or(|moment| moment > now_seconds))
			.collect()
	}

	fn expires_seconds(&self, row: &Row) -> Option<u64> {
		let end = row.start_seconds + u64::from(row.duration_seconds);
		self.time_to_live_seconds.map(|seconds| end + seconds)
	}
}

/// A reading that may be the latest of its meter.
struct Latest<'batch> {
	key: String,
	slot: u32,
	row: &'batch Row,
	expires_seconds: Option<u64>,
}

impl Outlet for RedisOutlet {
	async fn write(&self, batch: &Batch) -> Result<(), OutletError> {
		// A clock before 1970 lets nothing expire here; the server has one of its own.
		let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
		let latest = self.latest(batch, now.as_secs());
		if latest.is_empty() {
			return Ok(());
		}
		let mut lease = self.pool.lease().await?;
		let result = timeout(self.write_timeout, lease.connection.write(&latest))
			.await
			.unwrap_or_else(|_| Err(unavailable("no answer within the time allowed")));
		lease.end(result)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{BatchId, MeterId, Quality};

	fn outlet(time_to_live_seconds: Option<u64>) -> RedisOutlet {
		let json = serde_json::json!({
			"host": "localhost",
			"key_prefix": "p",
			"time_to_live_seconds": time_to_live_seconds,
		});
		RedisOutlet::new(&serde_json::from_value(json).unwrap()).unwrap()
	}

	fn batch() -> Batch {
		let row = |meter: u8, start_seconds| Row {
			meter_id: MeterId::Blinded([meter; 16]),
			meter_index: meter.into(),
			start_seconds,
			duration_seconds: 100,
			import_wh: 0,
			export_wh: 0,
			quality: Quality::Valid,
			evidence: Vec::new(),
		};
		let id = BatchId { zone: 7, slot: 8, part: 0 };
		Batch::new(id, vec![row(1, 300), row(1, 500), row(1, 400), row(2, 100)]).unwrap()
	}

	fn found(outlet: &RedisOutlet, now_seconds: u64) -> Vec<(u32, u64, Option<u64>)> {
		let batch = batch();
		let latest = outlet.latest(&batch, now_seconds);
		assert!(latest.iter().all(|latest| latest.key.starts_with("p:7:") && latest.slot == 8));
		latest
			.iter()
			.map(|latest| {
				(latest.row.meter_index, latest.row.start_seconds, latest.expires_seconds)
			})
			.collect()
	}

	#[test]
	fn only_the_latest_of_a_meter_is_sent() {
		assert_eq!(found(&outlet(None), u64::MAX), [(1, 500, None), (2, 100, None)]);
	}

	#[test]
	fn what_has_expired_is_not_sent() {
		let outlet = outlet(Some(50));
		assert_eq!(found(&outlet, 249), [(1, 500, Some(650)), (2, 100, Some(250))]);
		assert_eq!(found(&outlet, 250), [(1, 500, Some(650))]);
		assert_eq!(found(&outlet, 650), []);
	}
}
