//! Accepting, serving and draining connections.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
	io::{AsyncRead, AsyncWrite},
	net::{TcpListener, TcpSocket, TcpStream},
	sync::watch,
	task::JoinSet,
	time::{interval, sleep, timeout, MissedTickBehavior},
};
use tokio_rustls::TlsAcceptor;

use crate::{
	counters::{increment, Counters, CountersSnapshot},
	credentials::{Credentials, CredentialsError, Status},
	identity::{PeerAddress, PeerIdentity},
	limits::{Gate, Permit, Refusal},
	service::{Activity, ConnectionService},
	settings::{milliseconds, Limits, Settings, SettingsError},
};

/// Wait after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
	/// A setting cannot be used.
	#[error(transparent)]
	Settings(#[from] SettingsError),
	/// A certificate, a key or an authority cannot be used.
	#[error(transparent)]
	Credentials(#[from] CredentialsError),
	/// The address cannot be listened on.
	#[error("cannot listen on {address}: {source}")]
	Listen {
		/// The address of the settings.
		address: SocketAddr,
		/// What the system answered.
		source: io::Error,
	},
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
	/// Connections that finished what they had begun.
	pub finished: usize,
	/// Connections cut off when the drain time-out was over.
	pub cut_off: usize,
}

/// A server that listens but does not accept yet.
pub struct Server {
	listener: TcpListener,
	address: SocketAddr,
	shared: Arc<Shared>,
	handle: Handle,
}

/// Looks at a server and reloads its certificate from outside. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
	credentials: Option<Arc<Credentials>>,
	counters: Arc<Counters>,
}

impl Handle {
	/// Loads certificate, key and authorities again. It reads files, so call it where blocking
	/// is allowed. Without TLS it does nothing.
	///
	/// # Errors
	/// What is wrong with the new files. The old ones stay in use.
	pub fn reload(&self) -> Result<(), CredentialsError> {
		self.credentials.as_ref().map_or(Ok(()), |credentials| credentials.reload())
	}

	/// The counters now.
	pub fn counters(&self) -> CountersSnapshot {
		self.counters.snapshot()
	}

	/// The certificate in use and how the last reload went.
	pub fn status(&self) -> Status {
		self.credentials.as_ref().map(|credentials| credentials.status()).unwrap_or_default()
	}
}

/// What every connection needs.
struct Shared {
	limits: Limits,
	reload_interval: Option<Duration>,
	credentials: Option<Arc<Credentials>>,
	counters: Arc<Counters>,
	gate: Arc<Gate>,
	http1: http1::Builder,
	http2: http2::Builder<TokioExecutor>,
}

impl Server {
	/// Checks the settings, loads the certificate and listens.
	///
	/// # Errors
	/// A setting, a file or the address that cannot be used.
	pub async fn bind(settings: Settings) -> Result<Self, ServerError> {
		settings.validate()?;
		let counters = Arc::<Counters>::default();
		let Settings { address, tls, limits } = settings;
		let reload_interval = tls.as_ref().map_or(0, |tls| tls.reload_interval_ms);
		let credentials = tls.map(|tls| Credentials::load(tls, counters.clone())).transpose()?;
		let credentials = credentials.map(Arc::new);
		let listen = |source| ServerError::Listen { address, source };
		let listener = listen_on(address, limits.backlog).map_err(listen)?;
		let bound = listener.local_addr().map_err(listen)?;
		let gate = Gate::new(limits.connections, limits.connections_per_peer, counters.clone());
		let shared = Shared {
			http1: http1_builder(&limits),
			http2: http2_builder(&limits),
			reload_interval: (reload_interval > 0).then(|| milliseconds(reload_interval)),
			credentials: credentials.clone(),
			counters: counters.clone(),
			limits,
			gate,
		};
		let handle = Handle { credentials, counters };
		Ok(Self { listener, address: bound, shared: Arc::new(shared), handle })
	}

	/// The address listened on, with the port the system chose.
	pub fn address(&self) -> SocketAddr {
		self.address
	}

	/// For reloads, counters and status.
	pub fn handle(&self) -> Handle {
		self.handle.clone()
	}

	/// Serves until `shutdown` ends, then drains: no new connections, requests in progress may
	/// finish until the drain time-out, the rest is cut off.
	pub async fn run(self, router: Router, shutdown: impl Future<Output = ()>) -> Drained {
		let Self { listener, shared, .. } = self;
		let (draining, drain) = watch::channel(false);
		let mut connections = JoinSet::new();
		let mut watcher = JoinSet::new();
		if let (Some(period), Some(credentials)) = (shared.reload_interval, &shared.credentials) {
			watcher.spawn(watch_files(credentials.clone(), period));
		}
		let mut shutdown = pin!(shutdown);
		loop {
			tokio::select! {
				biased;
				() = &mut shutdown => break,
				Some(ended) = connections.join_next() => report_panic(ended),
				accepted = listener.accept() => match accepted {
					Ok((stream, peer)) => if let Some(permit) = shared.admit(peer) {
						connections.spawn(serve(
							shared.clone(), permit, stream, peer, router.clone(), drain.clone(),
						));
					},
					Err(error) => {
						increment(&shared.counters.accept_failures);
						tracing::warn!(%error, "connection not accepted");
						sleep(ACCEPT_BACK_OFF).await;
					},
				},
			}
		}
		drop(listener);
		draining.send_replace(true);
		let open = connections.len();
		let all_ended = async {
			while let Some(ended) = connections.join_next().await {
				report_panic(ended);
			}
		};
		let drained = timeout(milliseconds(shared.limits.drain_timeout_ms), all_ended).await;
		let cut_off = if drained.is_ok() { 0 } else { connections.len() };
		connections.shutdown().await;
		if cut_off > 0 {
			tracing::warn!(cut_off, "connections cut off at shutdown");
		}
		Drained { finished: open - cut_off, cut_off }
	}
}

impl Shared {
	fn admit(&self, peer: SocketAddr) -> Option<Permit> {
		match self.gate.enter(peer.ip()) {
			Ok(permit) => {
				increment(&self.counters.accepted);
				Some(permit)
			}
			Err(refusal) => {
				increment(match refusal {
					Refusal::Total => &self.counters.refused_total,
					Refusal::PerPeer => &self.counters.refused_per_peer,
				});
				tracing::debug!(%peer, ?refusal, "connection refused");
				None
			}
		}
	}
}

/// A panic in a handler ends its connection, not the server.
fn report_panic(ended: Result<(), tokio::task::JoinError>) {
	if let Err(error) = ended {
		tracing::error!(%error, "connection task failed");
	}
}

async fn watch_files(credentials: Arc<Credentials>, period: Duration) {
	let mut ticks = interval(period);
	ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
	loop {
		ticks.tick().await;
		let credentials = credentials.clone();
		let looked = tokio::task::spawn_blocking(move || credentials.reload_if_changed()).await;
		if let Err(error) = looked {
			tracing::error!(%error, "certificate files not looked at");
		}
	}
}

/// Serves one connection. The permit is given back when it ends.
async fn serve(
	shared: Arc<Shared>,
	_permit: Permit,
	stream: TcpStream,
	peer: SocketAddr,
	router: Router,
	mut drain: watch::Receiver<bool>,
) {
	if let Err(error) = stream.set_nodelay(shared.limits.tcp_nodelay) {
		tracing::debug!(%peer, %error, "TCP_NODELAY not set");
	}
	let address = PeerAddress(peer);
	let activity = Arc::<Activity>::default();
	let mut service =
		ConnectionService { router, address, identity: None, activity: activity.clone() };
	let Some(credentials) = &shared.credentials else {
		return serve_http1(&shared, stream, service, activity, drain).await;
	};
	let handshake = TlsAcceptor::from(credentials.config()).accept(stream);
	let handshake = timeout(milliseconds(shared.limits.handshake_timeout_ms), handshake);
	let stream = tokio::select! {
		_ = drain.wait_for(|draining| *draining) => return,
		shaken = handshake => match shaken {
			Ok(Ok(stream)) => stream,
			Ok(Err(error)) => {
				increment(&shared.counters.handshake_failures);
				return tracing::debug!(%peer, %error, "TLS handshake failed");
			},
			Err(_) => {
				increment(&shared.counters.handshake_timeouts);
				return tracing::debug!(%peer, "TLS handshake timed out");
			},
		},
	};
	let (_, session) = stream.get_ref();
	if let Some(leaf) = session.peer_certificates().and_then(|chain| chain.first()) {
		service.identity = PeerIdentity::from_leaf(leaf);
		if service.identity.is_none() {
			increment(&shared.counters.handshake_failures);
			return tracing::warn!(%peer, "names of the client certificate not readable");
		}
	}
	if session.alpn_protocol() == Some(b"h2") {
		serve_http2(&shared, stream, service, activity, drain).await
	} else {
		serve_http1(&shared, stream, service, activity, drain).await
	}
}

/// Drives a hyper connection until it ends, is idle for too long or is drained.
macro_rules! drive {
	($shared:expr, $connection:expr, $activity:expr, $drain:expr) => {{
		let mut connection = pin!($connection);
		let mut ending = false;
		let mut idle = interval(milliseconds($shared.limits.idle_timeout_ms));
		idle.tick().await;
		let mut before = None;
		loop {
			tokio::select! {
				ended = connection.as_mut() => {
					if let Err(error) = ended {
						increment(&$shared.counters.connection_failures);
						tracing::debug!(%error, "connection failed");
					}
					return;
				},
				_ = $drain.wait_for(|draining| *draining), if !ending => {
					ending = true;
					connection.as_mut().graceful_shutdown();
				},
				_ = idle.tick() => {
					let now = $activity.idle_since();
					if now.is_some() && now == before {
						// A peer that does not answer the farewell is left.
						if ending {
							return;
						}
						increment(&$shared.counters.idle_closed);
						ending = true;
						connection.as_mut().graceful_shutdown();
					}
					before = now;
				},
			}
		}
	}};
}

async fn serve_http1(
	shared: &Shared,
	stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
	service: ConnectionService,
	activity: Arc<Activity>,
	mut drain: watch::Receiver<bool>,
) {
	// A connection that becomes a WebSocket is its handler's from then on.
	let connection = shared.http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
	drive!(shared, connection, activity, drain)
}

async fn serve_http2(
	shared: &Shared,
	stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
	service: ConnectionService,
	activity: Arc<Activity>,
	mut drain: watch::Receiver<bool>,
) {
	let connection = shared.http2.serve_connection(TokioIo::new(stream), service);
	drive!(shared, connection, activity, drain)
}

fn listen_on(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
	let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
	socket.set_reuseaddr(true)?;
	socket.bind(address)?;
	socket.listen(backlog)
}

fn http1_builder(limits: &Limits) -> http1::Builder {
	let mut builder = http1::Builder::new();
	builder
		.timer(TokioTimer::new())
		.half_close(false)
		.header_read_timeout(milliseconds(limits.header_read_timeout_ms))
		.max_headers(limits.header_count)
		.max_buf_size(limits.header_bytes as usize);
	builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
	let mut builder = http2::Builder::new(TokioExecutor::new());
	builder
		.timer(TokioTimer::new())
		.keep_alive_interval(milliseconds(limits.http2_ping_interval_ms))
		.keep_alive_timeout(milliseconds(limits.http2_ping_timeout_ms))
		.max_concurrent_streams(limits.http2_concurrent_streams)
		.max_pending_accept_reset_streams(limits.http2_pending_reset_streams)
		.max_local_error_reset_streams(limits.http2_local_error_reset_streams)
		.max_header_list_size(limits.header_bytes)
		.initial_stream_window_size(limits.http2_stream_window_bytes)
		.initial_connection_window_size(limits.http2_connection_window_bytes)
		.max_send_buf_size(limits.http2_send_buffer_bytes);
	builder
}
