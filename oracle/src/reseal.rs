//! Retires old data keys while the oracle runs: seals their values anew, a few at a time, and drops them.
//!
//! How, and why nothing is lost, is said in [`store::reseal`](crate::store::reseal).

use std::{
	sync::Arc,
	time::{Duration, Instant},
};

use crate::{
	clock::Clock,
	store::{
		reseal::{pause_after, ResealEnd, ResealOutcome},
		rocks::RocksStore,
		StoreError,
	},
};

/// How often it is looked whether a pass is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How long it is waited after a pass: it may have left keys that somebody still needed.
const PASS_INTERVAL: Duration = Duration::from_secs(3_600);
/// How often it is tried to drop keys in a moment in which nobody reads.
const DROP_ATTEMPTS: u32 = 1_000;
/// How long it is waited between two attempts.
const DROP_PAUSE: Duration = Duration::from_millis(10);

/// Retires old data keys.
pub struct Resealer {
	/// Whose keys.
	pub store: Arc<RocksStore>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// How long after its replacement a data key is retired, seconds; if not given, only when there are
	/// very many.
	pub retire_seconds: Option<u64>,
}

impl Resealer {
	/// Looks again and again, and makes a pass when it is due. A pass that fails is logged and tried
	/// again later: until then the old keys stay, and nothing else suffers. Never ends.
	pub async fn run(self) {
		loop {
			if !self.store.is_reseal_due(self.clock.now_seconds(), self.retire_seconds) {
				tokio::time::sleep(LOOK_INTERVAL).await;
				continue;
			}
			tracing::info!("values under old data keys are encrypted anew");
			match self.pass().await {
				Ok(Some(ResealOutcome { looked_at, resealed, damaged, dropped })) => {
					tracing::info!(
						looked_at,
						resealed,
						damaged,
						?dropped,
						"old data keys are retired"
					);
				}
				Ok(None) => tracing::info!("old data keys were in use: they stay for now"),
				Err(error) => tracing::error!(%error, "old data keys could not be retired"),
			}
			tokio::time::sleep(PASS_INTERVAL).await;
		}
	}

	/// One pass. `None` if the keys were in use to the end.
	async fn pass(&self) -> Result<Option<ResealOutcome>, StoreError> {
		let mut pass = self.store.begin_reseal();
		loop {
			let store = self.store.clone();
			let batch = move || {
				let started = Instant::now();
				let has_more = store.reseal_batch(&mut pass);
				(pass, has_more, started.elapsed())
			};
			let (returned, has_more, took) = blocking(batch).await?;
			pass = returned;
			if !has_more? {
				break;
			}
			tokio::time::sleep(pause_after(took)).await;
		}
		for _ in 0..DROP_ATTEMPTS {
			let store = self.store.clone();
			match blocking(move || store.finish_reseal(pass)).await?? {
				ResealEnd::Done(outcome) => return Ok(Some(outcome)),
				ResealEnd::Outdated => return Ok(None),
				ResealEnd::Busy(returned) => pass = returned,
			}
			tokio::time::sleep(DROP_PAUSE).await;
		}
		Ok(None)
	}
}

async fn blocking<T: Send + 'static>(
	work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
	tokio::task::spawn_blocking(work)
		.await
		.map_err(|_panicked| StoreError::Keys("sealing anew broke off".into()))
}
