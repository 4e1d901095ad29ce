//! Counters for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
	($($(#[$doc:meta])* $name:ident),* $(,)?) => {
		/// Counters shared by the server and its [`Handle`](crate::Handle).
		#[derive(Debug, Default)]
		pub struct Counters { $(pub(crate) $name: AtomicU64,)* }

		/// The values of [`Counters`] at one moment.
		#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
		pub struct CountersSnapshot { $($(#[$doc])* pub $name: u64,)* }

		impl Counters {
			/// Reads every counter. They are read one by one, not as a whole.
			pub fn snapshot(&self) -> CountersSnapshot {
				CountersSnapshot { $($name: self.$name.load(Relaxed),)* }
			}
		}
	};
}

counters! {
	/// Connections accepted and served.
	accepted,
	/// Connections closed at once because the total was reached.
	refused_total,
	/// Connections closed at once because their peer had too many.
	refused_per_peer,
	/// Failed calls to accept, as when file descriptors ran out.
	accept_failures,
	/// TLS handshakes that failed.
	handshake_failures,
	/// TLS handshakes that took too long.
	handshake_timeouts,
	/// Connections open now, with those in the handshake.
	active_connections,
	/// Connections that ended with a protocol error, a time-out or a peer that went away.
	connection_failures,
	/// Connections closed because they were idle.
	idle_closed,
	/// Certificates and authorities exchanged.
	reloads,
	/// Reloads refused; the old certificate stayed.
	failed_reloads,
}

pub(crate) fn increment(counter: &AtomicU64) {
	counter.fetch_add(1, Relaxed);
}
