//! The loop that keeps a connection, takes messages from it and acknowledges them.

use std::{
	future::{poll_fn, Future},
	pin::{pin, Pin},
	sync::Arc,
	task::Poll,
	time::Duration,
};

use oracle_port::ReadingSink;
use oracle_source::{add, Backoff, ConfigurationError, Counters, Offering, Status};
use tokio::{
	sync::watch,
	time::{sleep, sleep_until, timeout, Instant},
};

use crate::{
	configuration::Settings,
	connection::{Connection, Lost},
	exchange::{Exchange, Owed},
	transport::Connector,
};

/// How often an idle connection is looked at.
const CHECK: Duration = Duration::from_secs(1);

/// Takes messages from a broker and hands them to a sink.
#[derive(Debug)]
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
	/// When a certificate or key the settings name cannot be used.
	pub fn new(settings: Settings, sink: Arc<S>) -> Result<Self, ConfigurationError> {
		Connector::new(&settings)?;
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
		let settings = &self.settings;
		let offering = Offering::new(self.sink.clone(), self.counters.clone());
		let mut exchange = Exchange::new(offering, settings.batch, settings.maximum_payload_bytes);
		let mut backoff = Backoff::new(settings.reconnect_minimum, settings.reconnect_maximum);
		let mut number = 0;
		loop {
			self.status.send_replace(Status::Connecting);
			let patience = settings.connect_timeout;
			let opened = tokio::select! {
				biased;
				() = &mut stop => break,
				opened = timeout(patience, Connection::open(settings)) => opened,
			};
			let begin = Instant::now();
			let ended = match opened {
				Ok(Ok(connection)) => {
					number += 1;
					if number > 1 {
						add(&self.counters.reconnects, 1);
					}
					self.status.send_replace(Status::Subscribed);
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
			exchange.forget_waiting();
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
			while exchange.is_offered() {
				exchange.answered().await;
			}
		};
		if timeout(settings.stop_timeout, finish).await.is_err() {
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
		match self.exchange_messages(&mut connection, number, exchange, stop).await {
			Ok(()) => {
				match timeout(self.settings.connect_timeout, connection.close()).await {
					Ok(Ok(())) => {}
					Ok(Err(lost)) => tracing::warn!(reason = %lost, "stopped without a goodbye"),
					Err(_) => {
						tracing::warn!("stopped without a goodbye: the broker did not answer")
					}
				}
				Ended::Stopped
			}
			Err(lost) => Ended::Lost(lost),
		}
	}

	/// Returns when `stop` was ready and all is answered and acknowledged.
	async fn exchange_messages(
		&self,
		connection: &mut Connection,
		number: u64,
		exchange: &mut Exchange<S>,
		mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
	) -> Result<(), Lost> {
		let mut stop_by: Option<Instant> = None;
		loop {
			let now = Instant::now();
			exchange.offer(now);
			if let Some(stop_by) = stop_by {
				if exchange.is_empty() {
					return Ok(());
				}
				if now >= stop_by {
					tracing::warn!("stopped before the sink answered for everything");
					return Ok(());
				}
			}
			let taking = stop_by.is_none() && exchange.has_room();
			let deadline = [stop_by, exchange.deadline()]
				.into_iter()
				.flatten()
				.fold(now + CHECK, Instant::min);
			tokio::select! {
				biased;
				() = &mut stop, if stop_by.is_none() => {
					stop_by = Some(Instant::now() + self.settings.stop_timeout);
				},
				owed = exchange.answered(), if exchange.is_offered() => {
					if let Some(owed) = owed.filter(|owed| owed.connection == number) {
						connection.acknowledge(owed.delivery_tag).await?;
					}
				},
				delivery = connection.next(), if taking => {
					let delivery = delivery?;
					add(&self.counters.received, 1);
					let owed = Owed { connection: number, delivery_tag: delivery.delivery_tag };
					exchange.push(delivery.data, owed);
				},
				() = sleep_until(deadline) => connection.check()?,
			}
		}
	}
}
