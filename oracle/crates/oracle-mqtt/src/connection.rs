//! One connection to the broker.

use std::io;

use bytes::BytesMut;
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
	time::{Duration, Instant},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
	configuration::Settings,
	decoder::{Decoder, Found},
	protocol::{self, Accepted, Acknowledgement, Incoming, ProtocolError},
	transport::Transport,
};

/// Output that waits for the broker to read; above this nothing more is taken from it.
const OUTPUT_LIMIT: usize = 256 << 10;

/// Why there is no connection any more, or none yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
	#[error("{0}")]
	Io(#[from] io::Error),
	#[error("{0}")]
	Protocol(#[from] ProtocolError),
	#[error("password_file: {0}")]
	Password(io::Error),
	#[error("the broker refused the connection: {0}")]
	Refused(String),
	#[error("the broker refused a subscription: {0}")]
	NotSubscribed(String),
	#[error("the broker closed the connection: {0}")]
	Closed(String),
	#[error("the broker closed the connection")]
	Ended,
	#[error("no answer within {0:?}")]
	Silent(Duration),
}

/// Reading side.
pub(crate) struct Input {
	half: ReadHalf<Transport>,
	pub(crate) decoder: Decoder,
}

impl Input {
	/// Waits for bytes and appends them. May be dropped at any time without loss.
	pub(crate) async fn fill(&mut self) -> Result<(), Lost> {
		match self.half.read_buf(self.decoder.space()).await? {
			0 => Err(Lost::Ended),
			_ => Ok(()),
		}
	}
}

/// Writing side.
pub(crate) struct Output {
	half: WriteHalf<Transport>,
	bytes: BytesMut,
	unflushed: bool,
}

impl Output {
	/// Whether [`flush`](Self::flush) has something to do.
	pub(crate) fn waits(&self) -> bool {
		self.unflushed
	}

	/// Whether the broker has stopped reading.
	pub(crate) fn is_full(&self) -> bool {
		self.bytes.len() >= OUTPUT_LIMIT
	}

	/// Writes what is there. May be dropped at any time and called again.
	pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
		while !self.bytes.is_empty() {
			self.half.write_buf(&mut self.bytes).await?;
		}
		self.half.flush().await?;
		self.unflushed = false;
		Ok(())
	}

	fn put(
		&mut self,
		write: impl FnOnce(&mut BytesMut) -> Result<(), ProtocolError>,
	) -> Result<(), Lost> {
		self.unflushed = true;
		Ok(write(&mut self.bytes)?)
	}

	/// Appends acknowledgements.
	pub(crate) fn acknowledge(
		&mut self,
		acknowledgements: impl Iterator<Item = Acknowledgement>,
	) -> Result<(), Lost> {
		for acknowledgement in acknowledgements {
			self.put(|bytes| protocol::acknowledge(acknowledgement, bytes))?;
		}
		Ok(())
	}

	/// Appends the end of a QoS 2 exchange.
	pub(crate) fn complete(&mut self, packet_id: u16) -> Result<(), Lost> {
		self.put(|bytes| protocol::complete(packet_id, bytes))
	}

	/// Says goodbye and closes.
	pub(crate) async fn disconnect(&mut self) -> Result<(), Lost> {
		self.put(protocol::disconnect)?;
		self.flush().await?;
		Ok(self.half.shutdown().await?)
	}
}

/// When something was last heard and said, and what follows.
#[derive(Debug)]
pub(crate) struct Liveness {
	keep_alive: Duration,
	last_received: Instant,
	last_sent: Instant,
	last_ping: Instant,
	listening: bool,
}

impl Liveness {
	pub(crate) fn new(keep_alive: Duration, now: Instant) -> Self {
		Self { keep_alive, last_received: now, last_sent: now, last_ping: now, listening: true }
	}

	/// Something came.
	pub(crate) fn received(&mut self, now: Instant) {
		self.last_received = now;
	}

	/// Something was sent.
	pub(crate) fn sent(&mut self, now: Instant) {
		self.last_sent = now;
	}

	/// Whether we read at present. What we do not read, we cannot miss.
	pub(crate) fn set_listening(&mut self, listening: bool, now: Instant) {
		if listening && !self.listening {
			self.last_received = now;
		}
		self.listening = listening;
	}

	/// Silence after which the broker counts as gone.
	pub(crate) fn patience(&self) -> Duration {
		self.keep_alive + self.keep_alive / 2
	}

	/// Whether the broker has been silent for too long.
	pub(crate) fn is_lost(&self, now: Instant) -> bool {
		self.listening && now >= self.last_received + self.patience()
	}

	fn ping_due(&self) -> Instant {
		let quiet_since = match self.listening {
			true => self.last_received.min(self.last_sent),
			false => self.last_sent,
		};
		quiet_since.max(self.last_ping) + self.keep_alive / 2
	}

	/// Whether a PINGREQ is due; if so, it counts as sent.
	pub(crate) fn take_ping(&mut self, now: Instant) -> bool {
		let due = now >= self.ping_due();
		if due {
			self.last_ping = now;
		}
		due
	}

	/// When to look again.
	pub(crate) fn deadline(&self) -> Instant {
		match self.listening {
			true => self.ping_due().min(self.last_received + self.patience()),
			false => self.ping_due(),
		}
	}
}

/// A connection the broker has accepted. Its subscriptions are asked for and not confirmed yet.
pub(crate) struct Connection {
	pub(crate) input: Input,
	pub(crate) output: Output,
	pub(crate) liveness: Liveness,
}

impl Connection {
	/// Connects and is accepted.
	pub(crate) async fn open(settings: &Settings) -> Result<Self, Lost> {
		let password = password(settings).map_err(Lost::Password)?;
		let (reader, half) = tokio::io::split(Transport::open(settings).await?);
		let decoder = Decoder::new(settings.protocol, settings.maximum_payload_bytes);
		let mut input = Input { half: reader, decoder };
		let mut output = Output { half, bytes: BytesMut::new(), unflushed: false };

		let mut greeting = BytesMut::with_capacity(4096);
		protocol::connect(settings, password, &mut greeting)?;
		let written = output.half.write_all(&greeting).await;
		greeting.as_mut().zeroize();
		written?;
		output.half.flush().await?;

		let accepted = loop {
			match input.decoder.next()? {
				Some(Found::Packet(Incoming::Accepted(accepted))) => break accepted,
				Some(Found::Packet(Incoming::Refused(reason))) => {
					return Err(Lost::Refused(reason))
				}
				Some(_) => {
					return Err(ProtocolError::Unexpected("a packet before it accepted").into());
				}
				None => input.fill().await?,
			}
		};
		report(settings, &accepted);
		output.put(|bytes| protocol::subscribe(settings, bytes))?;
		let keep_alive = accepted
			.keep_alive
			.unwrap_or(Duration::from_secs(settings.keep_alive_seconds.into()))
			.max(Duration::from_secs(1));
		let liveness = Liveness::new(keep_alive, Instant::now());
		Ok(Self { input, output, liveness })
	}

	/// Sends PINGREQ when it is due.
	///
	/// # Errors
	/// When the broker has been silent for too long.
	pub(crate) fn keep_alive(&mut self, now: Instant) -> Result<(), Lost> {
		if self.liveness.is_lost(now) {
			return Err(Lost::Silent(self.liveness.patience()));
		}
		if self.liveness.take_ping(now) {
			self.output.put(protocol::ping)?;
		}
		Ok(())
	}
}

fn report(settings: &Settings, accepted: &Accepted) {
	tracing::info!(
		host = settings.broker.host,
		port = settings.broker.port,
		session_present = accepted.session_present,
		"connected to the broker"
	);
	if let Some(seconds) = accepted.session_expiry_seconds {
		if !settings.clean_start && seconds < settings.session_expiry_seconds {
			tracing::warn!(
				asked_seconds = settings.session_expiry_seconds,
				given_seconds = seconds,
				"the broker keeps the session for less time than asked"
			);
		}
	}
}

/// The password, with its buffer wiped when it is dropped.
fn password(settings: &Settings) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
	let file = settings.credentials.as_ref().and_then(|given| given.password_file.as_ref());
	let Some(file) = file else { return Ok(None) };
	let mut password = Zeroizing::new(std::fs::read(file)?);
	if password.ends_with(b"\n") {
		password.pop();
		if password.ends_with(b"\r") {
			password.pop();
		}
	}
	Ok(Some(password))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn silence_is_answered_by_a_ping_and_then_by_a_loss() {
		let start = Instant::now();
		let second = Duration::from_secs(1);
		let mut liveness = Liveness::new(10 * second, start);
		assert_eq!(liveness.deadline(), start + 5 * second);
		assert!(!liveness.take_ping(start + 4 * second));
		assert!(liveness.take_ping(start + 5 * second));
		assert!(!liveness.take_ping(start + 6 * second));
		assert!(!liveness.is_lost(start + 14 * second));
		assert!(liveness.is_lost(start + 15 * second));

		// Busy in one direction only: still asked whether anybody is there.
		liveness.received(start + 15 * second);
		assert!(liveness.take_ping(start + 15 * second));
		liveness.sent(start + 15 * second);
		assert!(!liveness.take_ping(start + 16 * second));
	}

	#[test]
	fn what_is_not_read_is_not_missed() {
		let start = Instant::now();
		let second = Duration::from_secs(1);
		let mut liveness = Liveness::new(10 * second, start);
		liveness.set_listening(false, start);
		assert!(!liveness.is_lost(start + 100 * second));
		assert!(liveness.take_ping(start + 100 * second));
		liveness.set_listening(true, start + 100 * second);
		assert!(!liveness.is_lost(start + 114 * second));
		assert!(liveness.is_lost(start + 115 * second));
	}
}
