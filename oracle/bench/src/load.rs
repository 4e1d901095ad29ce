//! Load on the HTTP interface from another process: bodies that were made beforehand, over TLS 1.3.
//!
//! In a closed loop each connection sends its next body when the last one is answered: that finds what
//! can be carried. In an open loop bodies are due at fixed times, whatever the answers do, and a delay is
//! counted from the moment at which a body was due: that finds how long a meter waits, without leaving
//! out those that wait longest.

use std::{
	net::SocketAddr,
	path::PathBuf,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

use anyhow::{bail, ensure, Context, Result};
use bytes::Bytes;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
};
use tokio_rustls::{
	rustls::{
		pki_types::{pem::PemObject, CertificateDer, ServerName},
		version::TLS13,
		ClientConfig, RootCertStore,
	},
	TlsConnector,
};

use crate::usage::cpu_seconds;

/// The name in the certificate.
const HOST: &str = "localhost";
/// The longest answer that is read, bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Where bodies go to.
#[derive(Clone, Debug)]
pub struct Target {
	/// The address.
	pub address: SocketAddr,
	/// The certificate that is trusted; plain HTTP without it.
	pub certificate: Option<PathBuf>,
}

/// When bodies are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
	/// As soon as the last one is answered.
	Closed,
	/// So many messages a second, whatever the answers do.
	Open {
		/// Messages a second.
		rate: f64,
	},
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
	/// Messages in bodies that were sent.
	pub sent: usize,
	/// Messages acknowledged as stored.
	pub accepted: usize,
	/// Messages acknowledged as stored before.
	pub duplicate: usize,
	/// Messages refused.
	pub rejected: usize,
	/// Messages in bodies that were turned away (429 or 503).
	pub shed: usize,
	/// From the first request to the last answer, seconds.
	pub seconds: f64,
	/// Acknowledged messages per second.
	pub acknowledged_per_second: f64,
	/// Processor time of this process, seconds.
	pub own_cpu_seconds: f64,
	/// Delay of acknowledged bodies, milliseconds: median.
	pub p50_ms: f64,
	/// The same: 99 of 100 are no longer.
	pub p99_ms: f64,
	/// The same: the longest.
	pub max_ms: f64,
	/// Delay of bodies that were turned away, milliseconds: 99 of 100 are no longer.
	pub shed_p99_ms: f64,
}

#[derive(Debug, Deserialize)]
struct Answer {
	accepted: usize,
	duplicate: usize,
	rejected: usize,
}

/// What one connection saw.
struct Seen {
	figures: Figures,
	acknowledged: Histogram<u64>,
	shed: Histogram<u64>,
}

impl Seen {
	fn new() -> Result<Self> {
		let histogram = || Histogram::new_with_bounds(1, 120_000_000, 3);
		Ok(Self { figures: Figures::default(), acknowledged: histogram()?, shed: histogram()? })
	}
}

/// Sends bodies of `batch` messages each over `connections` connections, for `limit` or until there are
/// no more.
///
/// # Errors
/// When a connection breaks off, or an answer cannot be understood.
pub async fn run(
	target: &Target,
	bodies: Arc<Vec<Bytes>>,
	batch: usize,
	connections: usize,
	pace: Pace,
	limit: Duration,
) -> Result<Figures> {
	let requests: Vec<Bytes> = bodies.iter().map(request).collect();
	let requests = Arc::new(requests);
	let mut streams = Vec::new();
	for _ in 0..connections {
		streams.push(connect(target).await?);
	}
	let next = Arc::new(AtomicUsize::new(0));
	let (started, cpu_before) = (Instant::now(), cpu_seconds());
	let tasks: Vec<_> = streams
		.into_iter()
		.map(|stream| {
			let (requests, next) = (requests.clone(), next.clone());
			tokio::spawn(send(stream, requests, batch, next, started, pace, limit))
		})
		.collect();
	let mut all = Seen::new()?;
	for task in tasks {
		let seen = task.await.context("a connection's task broke off")??;
		all.acknowledged.add(&seen.acknowledged)?;
		all.shed.add(&seen.shed)?;
		let (sum, one) = (&mut all.figures, seen.figures);
		sum.sent += one.sent;
		sum.accepted += one.accepted;
		sum.duplicate += one.duplicate;
		sum.rejected += one.rejected;
		sum.shed += one.shed;
	}
	let mut figures = all.figures;
	figures.seconds = started.elapsed().as_secs_f64();
	figures.own_cpu_seconds = cpu_seconds() - cpu_before;
	figures.acknowledged_per_second =
		(figures.accepted + figures.duplicate) as f64 / figures.seconds;
	let milliseconds = |histogram: &Histogram<u64>, quantile| {
		histogram.value_at_quantile(quantile) as f64 / 1_000.0
	};
	figures.p50_ms = milliseconds(&all.acknowledged, 0.5);
	figures.p99_ms = milliseconds(&all.acknowledged, 0.99);
	figures.max_ms = milliseconds(&all.acknowledged, 1.0);
	figures.shed_p99_ms = milliseconds(&all.shed, 0.99);
	Ok(figures)
}

/// Asks for a resource, over a connection of its own: the status and the text.
///
/// # Errors
/// When there is no answer.
pub async fn get(target: &Target, path: &str) -> Result<(u16, String)> {
	let request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
	let (status, body) = connect(target).await?.exchange(request.as_bytes()).await?;
	Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn request(body: &Bytes) -> Bytes {
	let mut request = format!(
		"POST /v1/readings HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n\
		 content-length: {}\r\n\r\n",
		body.len()
	)
	.into_bytes();
	request.extend_from_slice(body);
	request.into()
}

/// A connection, secure or not.
enum Stream {
	Plain(TcpStream),
	Secure(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(target: &Target) -> Result<Connection> {
	let tcp = TcpStream::connect(target.address).await.context("cannot connect")?;
	tcp.set_nodelay(true)?;
	let stream = match &target.certificate {
		None => Stream::Plain(tcp),
		Some(path) => {
			let mut roots = RootCertStore::empty();
			for certificate in CertificateDer::pem_file_iter(path)? {
				roots.add(certificate?)?;
			}
			let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
			let config = ClientConfig::builder_with_provider(provider)
				.with_protocol_versions(&[&TLS13])?
				.with_root_certificates(roots)
				.with_no_client_auth();
			let name = ServerName::try_from(HOST)?;
			let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
			Stream::Secure(Box::new(stream))
		}
	};
	Ok(Connection { stream, buffer: Vec::with_capacity(16 << 10) })
}

struct Connection {
	stream: Stream,
	/// What was read of an answer.
	buffer: Vec<u8>,
}

impl Connection {
	async fn write(&mut self, bytes: &[u8]) -> Result<()> {
		match &mut self.stream {
			Stream::Plain(stream) => stream.write_all(bytes).await?,
			Stream::Secure(stream) => {
				stream.write_all(bytes).await?;
				stream.flush().await?;
			}
		}
		Ok(())
	}

	async fn read_more(&mut self) -> Result<()> {
		let read = match &mut self.stream {
			Stream::Plain(stream) => stream.read_buf(&mut self.buffer).await?,
			Stream::Secure(stream) => stream.read_buf(&mut self.buffer).await?,
		};
		ensure!(read > 0, "the oracle closed the connection");
		ensure!(self.buffer.len() <= MAX_ANSWER, "the answer is too long");
		Ok(())
	}

	/// Sends a request, and reads the answer: its status and its body.
	async fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
		self.write(request).await?;
		let head = loop {
			if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
				break end + 4;
			}
			self.read_more().await?;
		};
		let text = std::str::from_utf8(&self.buffer[..head])?.to_ascii_lowercase();
		let status: u16 =
			text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
		let length: usize = text
			.lines()
			.find_map(|line| line.strip_prefix("content-length:"))
			.and_then(|length| length.trim().parse().ok())
			.context("no length")?;
		while self.buffer.len() < head + length {
			self.read_more().await?;
		}
		let body = self.buffer[head..head + length].to_vec();
		self.buffer.drain(..head + length);
		Ok((status, body))
	}
}

async fn send(
	mut connection: Connection,
	requests: Arc<Vec<Bytes>>,
	batch: usize,
	next: Arc<AtomicUsize>,
	started: Instant,
	pace: Pace,
	limit: Duration,
) -> Result<Seen> {
	let mut seen = Seen::new()?;
	loop {
		let index = next.fetch_add(1, Ordering::Relaxed);
		let Some(request) = requests.get(index) else { return Ok(seen) };
		let due = match pace {
			Pace::Closed => Instant::now(),
			Pace::Open { rate } => {
				let after = Duration::from_secs_f64((index * batch) as f64 / rate);
				let due = started + after;
				tokio::time::sleep_until(due.into()).await;
				due
			}
		};
		if due.duration_since(started) >= limit {
			return Ok(seen);
		}
		let (status, body) = connection.exchange(request).await?;
		let delay = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
		seen.figures.sent += batch;
		match status {
			200 => {
				let answer: Answer = serde_json::from_slice(&body)?;
				seen.figures.accepted += answer.accepted;
				seen.figures.duplicate += answer.duplicate;
				seen.figures.rejected += answer.rejected;
				seen.acknowledged.saturating_record(delay);
			}
			429 | 503 => {
				seen.figures.shed += batch;
				seen.shed.saturating_record(delay);
			}
			status => bail!("the oracle answers {status}: {}", String::from_utf8_lossy(&body)),
		}
	}
}
