//! A few connections, opened when needed and kept while they work.

use std::{
	future::Future,
	sync::{Mutex, MutexGuard, PoisonError},
	time::Duration,
};

use tokio::{
	sync::{Semaphore, SemaphorePermit},
	time::timeout,
};

use crate::{outlet::unavailable, pace::Pace, OutletError};

/// Opens connections.
pub(crate) trait Connect: Send + Sync + 'static {
	/// What it opens. Dropping it closes it, whatever is under way.
	type Connection: Send;

	/// Opens one.
	fn connect(&self) -> impl Future<Output = Result<Self::Connection, OutletError>> + Send;

	/// Whether the other side has gone.
	fn is_closed(connection: &Self::Connection) -> bool;
}

/// How a pool behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
	/// Connections at most.
	pub(crate) connections: usize,
	/// How long opening one may take.
	pub(crate) connect_timeout: Duration,
	/// The wait after the first failure to open one.
	pub(crate) reconnect_minimum: Duration,
	/// The longest wait.
	pub(crate) reconnect_maximum: Duration,
}

/// A few connections.
pub(crate) struct Pool<C: Connect> {
	connector: C,
	connect_timeout: Duration,
	permits: Semaphore,
	idle: Mutex<Vec<C::Connection>>,
	pace: Pace,
}

/// A connection that one caller has for itself. It is closed when it is dropped: what was under way
/// is in an unknown state then.
pub(crate) struct Lease<'pool, C: Connect> {
	pool: &'pool Pool<C>,
	_permit: SemaphorePermit<'pool>,
	pub(crate) connection: C::Connection,
}

impl<C: Connect> Pool<C> {
	pub(crate) fn new(connector: C, settings: PoolSettings) -> Self {
		Self {
			connector,
			connect_timeout: settings.connect_timeout,
			permits: Semaphore::new(settings.connections),
			idle: Mutex::default(),
			pace: Pace::new(settings.reconnect_minimum, settings.reconnect_maximum),
		}
	}

	/// Waits for a connection that is free, or opens one. After a failure to open one, waits first.
	///
	/// # Errors
	/// When none can be opened.
	pub(crate) async fn lease(&self) -> Result<Lease<'_, C>, OutletError> {
		let permit = self.permits.acquire().await.map_err(unavailable)?;
		let connection = match self.idle() {
			Some(connection) => connection,
			None => self.open().await?,
		};
		Ok(Lease { pool: self, _permit: permit, connection })
	}

	fn idle(&self) -> Option<C::Connection> {
		let mut idle = lock(&self.idle);
		idle.retain(|connection| !C::is_closed(connection));
		idle.pop()
	}

	async fn open(&self) -> Result<C::Connection, OutletError> {
		self.pace.wait().await;
		timeout(self.connect_timeout, self.connector.connect())
			.await
			.unwrap_or_else(|_| Err(unavailable("no connection within the time allowed")))
			.inspect_err(|error| self.failed(error))
	}

	fn failed(&self, error: &OutletError) {
		let wait = self.pace.failed();
		tracing::debug!(%error, ?wait, "an outlet cannot write");
	}
}

impl<C: Connect> Lease<'_, C> {
	/// Gives the connection back if all went well. Otherwise closes it, and the next one has to wait.
	pub(crate) fn end<T>(self, result: Result<T, OutletError>) -> Result<T, OutletError> {
		match &result {
			Ok(_) => {
				self.pool.pace.succeeded();
				lock(&self.pool.idle).push(self.connection);
			}
			Err(error) => self.pool.failed(error),
		}
		result
	}
}

/// What is locked is never left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
	mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
	use std::sync::{
		atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
		Arc,
	};

	use tokio::time::Instant;

	use super::*;

	#[derive(Default)]
	struct Side {
		works: AtomicBool,
		silent: AtomicBool,
		attempts: AtomicUsize,
	}

	/// A connection is closed when its flag says so.
	impl Connect for Arc<Side> {
		type Connection = Arc<AtomicBool>;

		async fn connect(&self) -> Result<Self::Connection, OutletError> {
			self.attempts.fetch_add(1, SeqCst);
			if self.silent.load(SeqCst) {
				std::future::pending::<()>().await;
			}
			match self.works.load(SeqCst) {
				true => Ok(Arc::default()),
				false => Err(unavailable("down")),
			}
		}

		fn is_closed(connection: &Self::Connection) -> bool {
			connection.load(SeqCst)
		}
	}

	fn pool(works: bool) -> (Arc<Side>, Pool<Arc<Side>>) {
		let side = Arc::new(Side { works: works.into(), ..Default::default() });
		let settings = PoolSettings {
			connections: 2,
			connect_timeout: Duration::from_secs(5),
			reconnect_minimum: Duration::from_millis(1000),
			reconnect_maximum: Duration::from_millis(4000),
		};
		(side.clone(), Pool::new(side, settings))
	}

	#[tokio::test(start_paused = true)]
	async fn connection_is_used_again_unless_it_is_closed_or_dropped() {
		let (side, pool) = pool(true);
		pool.lease().await.unwrap().end(Ok(())).unwrap();
		let lease = pool.lease().await.unwrap();
		assert_eq!(side.attempts.load(SeqCst), 1);
		lease.connection.store(true, SeqCst);
		lease.end(Ok(())).unwrap();
		drop(pool.lease().await.unwrap());
		assert_eq!(side.attempts.load(SeqCst), 2);
		pool.lease().await.unwrap().end(Ok(())).unwrap();
		assert_eq!(side.attempts.load(SeqCst), 3);
	}

	#[tokio::test(start_paused = true)]
	async fn third_caller_waits_for_one_of_two_connections() {
		let (side, pool) = pool(true);
		let (first, _second) = (pool.lease().await.unwrap(), pool.lease().await.unwrap());
		assert!(timeout(Duration::from_secs(60), pool.lease()).await.is_err());
		first.end(Ok(())).unwrap();
		assert!(timeout(Duration::from_secs(60), pool.lease()).await.is_ok());
		assert_eq!(side.attempts.load(SeqCst), 2);
	}

	#[tokio::test(start_paused = true)]
	async fn waits_double_while_nothing_can_be_written_and_end_when_something_is() {
		let (side, pool) = pool(false);
		let mut waits = Vec::new();
		for _ in 0..4 {
			let before = Instant::now();
			assert_eq!(pool.lease().await.err().unwrap().to_string(), "unavailable: down");
			waits.push(before.elapsed().as_millis());
		}
		assert_eq!(waits[0], 0);
		for (wait, whole) in waits[1..].iter().zip([1000, 2000, 4000]) {
			assert!((whole / 2..=whole + 1).contains(wait), "{wait} of {whole}");
		}
		side.works.store(true, SeqCst);
		let refused = pool.lease().await.unwrap().end(Err::<(), _>(unavailable("full")));
		assert_eq!(refused.unwrap_err().to_string(), "unavailable: full");
		let before = Instant::now();
		pool.lease().await.unwrap().end(Ok(())).unwrap();
		assert!(before.elapsed().as_millis() >= 2000);
		side.works.store(false, SeqCst);
		for (begin, end) in [(0, 0), (500, 1001)] {
			let before = Instant::now();
			pool.idle();
			assert!(pool.lease().await.is_err());
			assert!((begin..=end).contains(&before.elapsed().as_millis()));
		}
	}

	#[tokio::test(start_paused = true)]
	async fn silent_side_is_given_up() {
		let (side, pool) = pool(true);
		side.silent.store(true, SeqCst);
		let before = Instant::now();
		let error = pool.lease().await.err().unwrap();
		assert_eq!(error.to_string(), "unavailable: no connection within the time allowed");
		assert_eq!(before.elapsed().as_secs(), 5);
	}
}
