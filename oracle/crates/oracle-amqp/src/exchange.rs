//! The exchange with the sink: messages go in, in batches, and answers come back in order.

use std::collections::VecDeque;

use bytes::Bytes;
use oracle_port::ReadingSink;
use oracle_source::{Batch, Offering};
use tokio::{task::JoinHandle, time::Instant};

use crate::configuration::BatchLimits;

/// What is owed to the broker: this message and all before it, on this connection. Another
/// connection counts its messages from one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
	pub(crate) connection: u64,
	pub(crate) delivery_tag: u64,
}

/// Messages on their way to the sink and back.
pub(crate) struct Exchange<S> {
	offering: Offering<S>,
	limits: BatchLimits,
	maximum_payload_bytes: usize,
	waiting: Batch,
	/// For the messages that wait, and when the first of them came.
	owed: Option<(Owed, Instant)>,
	offered: VecDeque<(Owed, JoinHandle<()>)>,
}

impl<S: ReadingSink> Exchange<S> {
	pub(crate) fn new(
		offering: Offering<S>,
		limits: BatchLimits,
		maximum_payload_bytes: usize,
	) -> Self {
		Self {
			offering,
			limits,
			maximum_payload_bytes,
			waiting: Batch::default(),
			owed: None,
			offered: VecDeque::new(),
		}
	}

	/// Whether another message may wait.
	pub(crate) fn has_room(&self) -> bool {
		!self.is_full() && !self.offering.is_refused()
	}

	fn is_full(&self) -> bool {
		self.waiting.len() >= self.limits.messages || self.waiting.bytes() >= self.limits.bytes
	}

	/// Whether the sink has something to answer for.
	pub(crate) fn is_offered(&self) -> bool {
		!self.offered.is_empty()
	}

	/// Whether nothing is on its way.
	pub(crate) fn is_empty(&self) -> bool {
		self.offered.is_empty() && self.waiting.is_empty()
	}

	/// Adds a message. Messages of one connection are added in the order of their tags.
	pub(crate) fn push(&mut self, payload: Vec<u8>, owed: Owed) {
		if payload.len() > self.maximum_payload_bytes {
			self.waiting.refuse_too_large(&payload, self.maximum_payload_bytes);
		} else {
			self.waiting.push(Bytes::from(payload));
		}
		let since = self.owed.map_or_else(Instant::now, |(_, since)| since);
		self.owed = Some((owed, since));
	}

	/// Forgets what was not offered yet: the connection is gone, and it comes again.
	pub(crate) fn forget_waiting(&mut self) {
		self.waiting = Batch::default();
		self.owed = None;
	}

	/// When the messages that wait have waited long enough. `None` when that makes no difference.
	pub(crate) fn deadline(&self) -> Option<Instant> {
		let may_offer = self.offered.len() < self.limits.concurrent;
		self.owed.filter(|_| may_offer).map(|(_, since)| since + self.limits.linger)
	}

	/// Offers what waits if the sink is idle, the batch is full, or it has waited long enough.
	pub(crate) fn offer(&mut self, now: Instant) {
		let Some((owed, since)) = self.owed else { return };
		let due = self.offered.is_empty() || self.is_full() || now >= since + self.limits.linger;
		if !due || self.offered.len() >= self.limits.concurrent {
			return;
		}
		self.owed = None;
		let batch = std::mem::take(&mut self.waiting);
		let offering = self.offering.clone();
		let answered = tokio::spawn(async move { offering.offer(&batch).await });
		self.offered.push_back((owed, answered));
	}

	/// What is owed for the batch that was offered first, once the sink has answered. Waits for
	/// ever when nothing is offered. May be dropped at any time and called again.
	pub(crate) async fn answered(&mut self) -> Option<Owed> {
		let Some((owed, first)) = self.offered.front_mut() else {
			return std::future::pending().await;
		};
		let (owed, answered) = (*owed, first.await);
		self.offered.pop_front();
		match answered {
			Ok(()) => Some(owed),
			Err(error) => match error.try_into_panic() {
				Ok(panic) => std::panic::resume_unwind(panic),
				// Only the runtime cancels, when it ends; the broker sends these messages again.
				Err(_) => None,
			},
		}
	}
}

impl<S> Drop for Exchange<S> {
	fn drop(&mut self) {
		for (_, offered) in &self.offered {
			offered.abort();
		}
	}
}

#[cfg(test)]
mod tests {
	use std::time::Duration;

	use oracle_source::testing::{Mode, TestSink};

	use super::*;

	fn owed(delivery_tag: u64) -> Owed {
		Owed { connection: 1, delivery_tag }
	}

	#[tokio::test]
	async fn batches_are_answered_for_in_order_and_each_owes_its_last_message() {
		let sink = TestSink::new(Mode::Held);
		let limits = BatchLimits {
			messages: 3,
			bytes: 1000,
			concurrent: 2,
			linger: Duration::from_secs(3600),
		};
		let offering = Offering::new(sink.clone(), Default::default());
		let mut exchange = Exchange::new(offering, limits, 10);
		let now = Instant::now();
		// The sink is idle: the first message does not wait.
		exchange.push(b"1".to_vec(), owed(1));
		exchange.offer(now);
		assert!(exchange.is_offered() && exchange.deadline().is_none());
		for tag in 2..=3 {
			exchange.push(b"22".to_vec(), owed(tag));
			exchange.offer(now);
		}
		assert!(exchange.deadline().is_some() && exchange.has_room());
		exchange.push(vec![b'x'; 11], owed(4));
		assert!(!exchange.has_room());
		exchange.offer(now);
		// Two are offered; the next one waits, full or not.
		exchange.push(b"3".to_vec(), owed(5));
		exchange.offer(now + Duration::from_secs(7200));
		assert!(!exchange.is_empty() && exchange.deadline().is_none());
		sink.mode.send_replace(Mode::Open);
		assert_eq!(exchange.answered().await, Some(owed(1)));
		assert_eq!(exchange.answered().await, Some(owed(4)));
		assert!(!exchange.is_offered());
		exchange.forget_waiting();
		exchange.offer(now);
		assert!(exchange.is_empty());
		assert!(sink.has(b"22") && !sink.has(b"3"));
		assert_eq!(sink.refused().len(), 1);
	}
}
