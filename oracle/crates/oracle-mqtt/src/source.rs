//! The loop that keeps a connection, takes messages from it and acknowledges them.

use std::{
	future::{poll_fn, Future},
	pin::{pin, Pin},
	sync::Arc,
	task::Poll,
};

use bytes::Bytes;
use oracle_port::{ReadingSink, Rejection};
use tokio::{
	sync::watch,
	time::{sleep, sleep_until, timeout, Instant},
};

use crate::{
	backoff::Backoff,
	configuration::{ConfigurationError, Settings},
	connection::{Connection, Lost},
	counters::{add, Counters},
	decoder::{Found, LONGEST_BEGINNING},
	exchange::{Exchange, Owed},
	meter_id::meter_id,
	protocol::{Acknowledgement, Incoming, ProtocolError, Publication},
	transport,
};

/// The code of a rejection because the topic names another device than the message does.
pub const TOPIC_MISMATCH: &str = "topic-mismatch";

/// The code of a rejection because the message is larger than allowed.
pub const TOO_LARGE: &str = "too-large";

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
	/// Not connected yet, or on the way to it.
	Connecting,
	/// Connected, and the broker has confirmed the subscriptions.
	Subscribed,
	/// Not connected; tries again after a while.
	Disconnected {
		/// One sentence for a human.
		reason: String,
	},
	/// Stopped for good.
	Stopped,
}

/// Takes messages from a broker and hands them to a sink.
pub struct Source<S> {
	settings: Settings,
	sink: Arc<S>,
	counters: Arc<Counters>,
	status: watch::Sender<Status>,
}

/// Why a connection is no longer served.
enum Ended {
	Stopped,
	Lost(Lost),
}

impl<S: ReadingSink> Source<S> {
	/// A source that does nothing before [`run`](Self::run).
	///
	/// # Errors
	/// When a file the settings name cannot be used.
	pub fn new(settings: Settings, sink: Arc<S>) -> Result<Self, ConfigurationError> {
		transport::tls_connector(&settings)?;
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

	/// How the source is doing. To be asked for before [`run`](Self::run).
	pub fn status(&self) -> watch::Receiver<Status> {
		self.status.subscribe()
	}

	/// Runs until `stop` is ready; then takes nothing more, waits for the sink to answer for what
	/// is in hand, acknowledges that and disconnects.
	///
	/// A lost or refused connection is no end: it is tried again with growing waits, and said by
	/// [`status`](Self::status).
	pub async fn run(self, stop: impl Future<Output = ()> + Send) {
		// May be asked again after it was ready, when the connection is lost while stopping.
		let mut stop = Box::pin(stop);
		let mut stopped = false;
		let mut stop = pin!(poll_fn(move |context| {
			stopped = stopped || stop.as_mut().poll(context).is_ready();
			if stopped {
				Poll::Ready(())
			} else {
				Poll::Pending
			}
		}));
		let mut exchange =
			Exchange::new(self.sink.clone(), self.counters.clone(), self.settings.batch);
		let mut backoff =
			Backoff::new(self.settings.reconnect_minimum, self.settings.reconnect_maximum);
		let mut number = 0;
		loop {
			self.status.send_replace(Status::Connecting);
			let patience = self.settings.connect_timeout;
			let opened = tokio::select! {
				biased;
				() = &mut stop => break,
				opened = timeout(patience, Connection::open(&self.settings)) => opened,
			};
			let begin = Instant::now();
			let ended = match opened {
				Ok(Ok(connection)) => {
					number += 1;
					if number > 1 {
						add(&self.counters.reconnects, 1);
					}
					self.serve(connection, number, &mut exchange, stop.as_mut()).await
				}
				Ok(Err(lost)) => Ended::Lost(lost),
				Err(_) => Ended::Lost(Lost::Silent(patience)),
			};
			let lost = match ended {
				Ended::Stopped => {
					self.status.send_replace(Status::Stopped);
					return;
				}
				Ended::Lost(lost) => lost,
			};
			if begin.elapsed() > backoff.longest() {
				backoff.reset();
			}
			let wait = backoff.wait();
			tracing::warn!(reason = %lost, ?wait, "no connection to the broker");
			self.status.send_replace(Status::Disconnected { reason: lost.to_string() });
			tokio::select! {
				biased;
				() = &mut stop => break,
				() = sleep(wait) => {},
			}
		}
		// There is no connection, so the broker will send these again; but the sink may finish.
		let finish = async {
			while !exchange.is_empty() {
				exchange.offer(Instant::now());
				exchange.answered().await;
			}
		};
		if timeout(self.settings.stop_timeout, finish).await.is_err() {
			tracing::warn!("stopped before the sink answered for everything");
		}
		self.status.send_replace(Status::Stopped);
	}

	async fn serve(
		&self,
		mut connection: Connection,
		number: u64,
		exchange: &mut Exchange<S>,
		stop: Pin<&mut (impl Future<Output = ()> + Send)>,
	) -> Ended {
		match self.exchange_packets(&mut connection, number, exchange, stop).await {
			Ok(()) => {
				let patience = self.settings.stop_timeout;
				match timeout(patience, connection.output.disconnect()).await {
					Ok(Ok(())) => {}
					Ok(Err(lost)) => tracing::warn!(reason = %lost, "stopped without a goodbye"),
					Err(_) => tracing::warn!("stopped without a goodbye: the broker did not read"),
				}
				Ended::Stopped
			}
			Err(lost) => Ended::Lost(lost),
		}
	}

	/// Returns when `stop` was ready and all is answered and acknowledged.
	async fn exchange_packets(
		&self,
		connection: &mut Connection,
		number: u64,
		exchange: &mut Exchange<S>,
		mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
	) -> Result<(), Lost> {
		let mut subscribe_by = Some(Instant::now() + self.settings.connect_timeout);
		let mut stop_by: Option<Instant> = None;
		loop {
			// As many as wait, as long as there is room for them.
			loop {
				while stop_by.is_none() && exchange.has_room() {
					let Some(found) = connection.input.decoder.next()? else { break };
					if self.take(found, connection, number, exchange)? {
						subscribe_by = None;
						self.status.send_replace(Status::Subscribed);
					}
				}
				if !exchange.offer(Instant::now()) {
					break;
				}
			}

			let now = Instant::now();
			if let Some(stop_by) = stop_by {
				if exchange.is_empty() && !connection.output.waits() {
					return Ok(());
				}
				if now >= stop_by {
					tracing::warn!("stopped before the sink answered for everything");
					return Ok(());
				}
			}
			let listening =
				stop_by.is_none() && exchange.has_room() && !connection.output.is_full();
			let answer_by = subscribe_by.filter(|_| listening);
			if answer_by.is_some_and(|answer_by| now >= answer_by) {
				return Err(Lost::Silent(self.settings.connect_timeout));
			}
			connection.liveness.set_listening(listening, now);
			connection.keep_alive(now)?;
			let deadline = [answer_by, stop_by, exchange.deadline()]
				.into_iter()
				.flatten()
				.fold(connection.liveness.deadline(), Instant::min);

			tokio::select! {
				biased;
				() = &mut stop, if stop_by.is_none() => {
					stop_by = Some(Instant::now() + self.settings.stop_timeout);
				},
				owed = exchange.answered(), if exchange.is_offered() => {
					let ours = owed.into_iter().filter(|owed| owed.connection == number);
					connection.output.acknowledge(ours.map(|owed| owed.acknowledgement))?;
				},
				flushed = connection.output.flush(), if connection.output.waits() => {
					flushed?;
					connection.liveness.sent(Instant::now());
				},
				filled = connection.input.fill(), if listening => {
					filled?;
					connection.liveness.received(Instant::now());
				},
				() = sleep_until(deadline) => {},
			}
		}
	}

	/// Deals with one packet. Whether it confirmed the subscriptions.
	fn take(
		&self,
		found: Found,
		connection: &mut Connection,
		number: u64,
		exchange: &mut Exchange<S>,
	) -> Result<bool, Lost> {
		let owed = |acknowledgement: Option<Acknowledgement>| {
			acknowledgement.map(|acknowledgement| Owed { connection: number, acknowledgement })
		};
		match found {
			Found::Packet(Incoming::Publication(publication)) => {
				add(&self.counters.received, 1);
				let owed = owed(publication.acknowledgement);
				match self.refuse(&publication) {
					None => exchange.push(publication.payload, owed),
					Some(rejection) => {
						let beginning = beginning(&publication.payload, &rejection);
						exchange.push_refused(beginning, rejection, owed);
					}
				}
			}
			Found::TooLarge(too_large) => {
				add(&self.counters.received, 1);
				let rejection = self.refuse_too_large(&too_large.topic, too_large.packet_bytes);
				exchange.push_refused(
					too_large.beginning,
					rejection,
					owed(too_large.acknowledgement),
				);
			}
			Found::Packet(Incoming::Release(packet_id)) => connection.output.complete(packet_id)?,
			Found::Packet(Incoming::Subscribed) => return Ok(true),
			Found::Packet(Incoming::NotSubscribed(reason)) => {
				return Err(Lost::NotSubscribed(reason))
			}
			Found::Packet(Incoming::Closed(reason)) => return Err(Lost::Closed(reason)),
			Found::Packet(Incoming::Pong) => {}
			Found::Packet(Incoming::Accepted(_) | Incoming::Refused(_)) => {
				return Err(ProtocolError::Unexpected("a second CONNACK").into())
			}
		}
		Ok(false)
	}

	/// Why the source refuses a message itself, if it does.
	fn refuse(&self, publication: &Publication) -> Option<Rejection> {
		let topic = String::from_utf8_lossy(&publication.topic);
		let length = publication.payload.len();
		if length > self.settings.maximum_payload_bytes {
			return Some(self.refuse_too_large(&topic, length));
		}
		let device = self.settings.device_id(&topic)?;
		if meter_id(&publication.payload).is_none_or(|meter| meter == device) {
			return None;
		}
		add(&self.counters.topic_mismatch, 1);
		tracing::warn!(
			%topic,
			code = TOPIC_MISMATCH,
			"refused a message that is from another device than its topic says"
		);
		Some(Rejection {
			field: "meterId".into(),
			reason: format!("is not the device of the topic `{}`", shortened(&topic)),
			code: TOPIC_MISMATCH.into(),
		})
	}

	/// `bytes` is the length of the payload, or of the whole packet when it was passed over.
	fn refuse_too_large(&self, topic: &str, bytes: usize) -> Rejection {
		let maximum_payload_bytes = self.settings.maximum_payload_bytes;
		add(&self.counters.too_large, 1);
		tracing::warn!(
			topic,
			bytes,
			maximum_payload_bytes,
			code = TOO_LARGE,
			"refused a message that is too large"
		);
		Rejection {
			field: "$".into(),
			reason: format!(
				"has more than the {maximum_payload_bytes} bytes allowed; only the beginning is \
				 kept; the topic is `{}`",
				shortened(topic)
			),
			code: TOO_LARGE.into(),
		}
	}
}

/// What is kept of a refused message: of one that is too large, no more than the beginning.
fn beginning(payload: &Bytes, rejection: &Rejection) -> Bytes {
	if rejection.code != TOO_LARGE || payload.len() <= LONGEST_BEGINNING {
		return payload.clone();
	}
	// A copy, so that the memory of the whole is free.
	Bytes::copy_from_slice(&payload[..LONGEST_BEGINNING])
}

/// A topic may have 64 KiB; a reason names no more than this many bytes of it.
const LONGEST_NAMED_TOPIC: usize = 512;

fn shortened(topic: &str) -> &str {
	&topic[..topic.floor_char_boundary(LONGEST_NAMED_TOPIC)]
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn long_topic_is_shortened_between_two_letters() {
		assert_eq!(shortened("a/b"), "a/b");
		assert_eq!(shortened(&"9".repeat(513)), "9".repeat(512));
		// A letter of three bytes lies across the border.
		assert_eq!(shortened(&"전".repeat(200)), "전".repeat(170));
	}
}
