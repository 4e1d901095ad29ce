//! Readings as Parquet objects, in a folder or in S3 or what speaks its language.
//!
//! A batch is one object, `zone={zone}/date={date}/slot={slot}-{part}.parquet`, where the date is the
//! UTC day on which the first of its readings begins. It is put whole, so nobody ever sees a part of
//! it; in a folder it is a hidden file until then, because readers of a data set take every other file.
//! The same batch makes the same bytes under the same name; writing it again replaces it by itself. In
//! S3 the object's metadata has its digest as `sha256`, and the server checks what it
//! received against it.
//!
//! The zone is in the name and in the file's key-value metadata, and no column: readers of a data set
//! take `zone` and `date` from the folders.

mod configuration;
mod credentials;
mod file;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use object_store::{
	path::Path, Attribute, Attributes, ObjectStore, PutOptions, PutPayload, RenameOptions,
};
use tokio::{sync::Semaphore, time::timeout};

use self::configuration::Settings;
use crate::{
	outlet::{refused, unavailable},
	pace::Pace,
	Batch, ConfigurationError, Outlet, OutletError,
};

pub use configuration::{ArchiveConfiguration, S3Configuration};

/// Writes each batch as an object.
pub struct ArchiveOutlet {
	store: Arc<dyn ObjectStore>,
	is_folder: bool,
	prefix: Path,
	permits: Arc<Semaphore>,
	pace: Pace,
	write_timeout: Duration,
}

/// An object that has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedBatch {
	/// Its name in the folder or bucket.
	pub path: String,
	/// Its length.
	pub bytes: usize,
	/// SHA-256 of its content.
	pub sha256: [u8; 32],
}

impl ArchiveOutlet {
	/// Checks a configuration. Connects only when there is something to do.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub fn new(configuration: &ArchiveConfiguration) -> Result<Self, ConfigurationError> {
		let settings = Settings::new(configuration)?;
		let (shortest, longest) = settings.retries;
		Ok(Self {
			store: settings.store,
			is_folder: settings.is_folder,
			prefix: settings.prefix,
			permits: Arc::new(Semaphore::new(settings.concurrent_writes)),
			pace: Pace::new(shortest, longest),
			write_timeout: settings.write_timeout,
		})
	}

	/// Writes a batch and says what it has become.
	///
	/// # Errors
	/// When it is not certain that the object is there.
	pub async fn archive(&self, batch: &Batch) -> Result<ArchivedBatch, OutletError> {
		self.pace.wait().await;
		let result = self.try_archive(batch).await;
		match &result {
			Ok(_) => self.pace.succeeded(),
			Err(error) => {
				let wait = self.pace.failed();
				tracing::debug!(%error, ?wait, "an object was not written");
			}
		}
		result
	}

	async fn try_archive(&self, batch: &Batch) -> Result<ArchivedBatch, OutletError> {
		let path = self.path(batch, "")?;
		// S3 shows an object when it is whole.
		let put_at = if self.is_folder { self.path(batch, ".")? } else { path.clone() };
		let permit = timeout(self.write_timeout, self.permits.clone().acquire_owned())
			.await
			.map_err(|_| unavailable("earlier writes have not ended"))?
			.map_err(unavailable)?;
		let rows = batch.clone();
		// Compression takes long enough to be in the way of others.
		let (content, sha256) = tokio::task::spawn_blocking(move || digested(&rows))
			.await
			.map_err(unavailable)?
			.map_err(|error| refused(format!("{}: {error}", batch.id())))?;
		let mut attributes = Attributes::new();
		if !self.is_folder {
			attributes.insert(Attribute::Metadata("sha256".into()), hex::encode(sha256).into());
		}
		let bytes = content.len();
		let options = PutOptions { attributes, ..Default::default() };
		let (store, to) = (self.store.clone(), path.clone());
		// A file system that hangs cannot be interrupted. Its thread keeps the permit, so that no more
		// threads than permits can ever hang.
		let put = tokio::spawn(async move {
			let _permit = permit;
			store.put_opts(&put_at, PutPayload::from(content), options).await?;
			if put_at != to {
				store.rename_opts(&put_at, &to, RenameOptions::default()).await?;
			}
			Ok(())
		});
		timeout(self.write_timeout, put)
			.await
			.map_err(|_| unavailable("no answer within the time allowed"))?
			.map_err(unavailable)?
			.map_err(|error: object_store::Error| meaning(&error))?;
		Ok(ArchivedBatch { path: path.into(), bytes, sha256 })
	}

	/// The name of an object, with a mark before its last part.
	fn path(&self, batch: &Batch, mark: &str) -> Result<Path, OutletError> {
		let id = batch.id();
		let first = batch.rows().iter().map(|row| row.start_seconds).min().unwrap_or_default();
		// A batch has no start that is out of range.
		let moment = i64::try_from(first)
			.ok()
			.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
			.ok_or_else(|| refused(format!("{id}: {first} is no date")))?;
		Ok(self
			.prefix
			.clone()
			.join(format!("zone={}", id.zone))
			.join(format!("date={}", moment.format("%Y-%m-%d")))
			.join(format!("{mark}slot={}-{}.parquet", id.slot, id.part)))
	}
}

impl Outlet for ArchiveOutlet {
	async fn write(&self, batch: &Batch) -> Result<(), OutletError> {
		self.archive(batch).await.map(|_| ())
	}
}

/// The file of a batch, and the SHA-256 of it.
fn digested(batch: &Batch) -> parquet::errors::Result<(Bytes, [u8; 32])> {
	let content = file::encode(batch)?;
	let mut sha256 = [0; 32];
	sha256
		.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content).as_ref());
	Ok((content.into(), sha256))
}

/// What an error means for a batch: whether it may pass by itself.
fn meaning(error: &object_store::Error) -> OutletError {
	use object_store::Error;
	match error {
		// No such bucket, no right, wrong key, or a name that the store does not take.
		Error::NotFound { .. }
		| Error::PermissionDenied { .. }
		| Error::Unauthenticated { .. }
		| Error::NotSupported { .. }
		| Error::NotImplemented { .. }
		| Error::InvalidPath { .. }
		| Error::UnknownConfigurationKey { .. } => refused(error),
		_ => unavailable(error),
	}
}

#[cfg(test)]
mod tests {
	use object_store::{
		memory::InMemory,
		throttle::{ThrottleConfig, ThrottledStore},
	};

	use super::*;
	use crate::{BatchId, MeterId, Quality, Row};

	fn batch() -> Batch {
		let row = Row {
			meter_id: MeterId::Blinded([1; 16]),
			meter_index: 1,
			start_seconds: 60,
			duration_seconds: 60,
			import_wh: 0,
			export_wh: 0,
			quality: Quality::Valid,
			evidence: Vec::new(),
		};
		Batch::new(BatchId { zone: 1, slot: 1, part: 0 }, vec![row]).unwrap()
	}

	/// With a store that takes an hour for each object.
	fn outlet(concurrent_writes: usize) -> ArchiveOutlet {
		let slow = ThrottleConfig {
			wait_put_per_call: Duration::from_secs(3600),
			..ThrottleConfig::default()
		};
		ArchiveOutlet {
			store: Arc::new(ThrottledStore::new(InMemory::new(), slow)),
			is_folder: false,
			prefix: Path::default(),
			permits: Arc::new(Semaphore::new(concurrent_writes)),
			pace: Pace::new(Duration::from_secs(100), Duration::from_secs(100)),
			write_timeout: Duration::from_secs(10),
		}
	}

	#[tokio::test(start_paused = true)]
	async fn writes_that_hang_are_not_more_than_allowed_and_not_tried_at_once() {
		let outlet = outlet(2);
		let begin = tokio::time::Instant::now();
		for expected in [
			"unavailable: no answer within the time allowed",
			"unavailable: no answer within the time allowed",
			"unavailable: earlier writes have not ended",
			"unavailable: earlier writes have not ended",
		] {
			assert_eq!(outlet.archive(&batch()).await.unwrap_err().to_string(), expected);
		}
		// Four times until it is given up, three times a wait of at least half of the pace.
		assert!(begin.elapsed() >= Duration::from_secs(4 * 10 + 3 * 50));
		assert_eq!(outlet.permits.available_permits(), 0);
		tokio::time::sleep(Duration::from_secs(3600)).await;
		assert_eq!(outlet.permits.available_permits(), 2);
	}
}
