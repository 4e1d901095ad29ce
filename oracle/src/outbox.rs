//! Brings sealed attestations to the chain, however often it takes.
//!
//! An attestation stays in the outbox until a finalized block shows that it is no longer needed there.
//! Sending it twice does no harm: its content was fixed when it was sealed, and the chain takes one
//! vote of an oracle on a page. So after a crash, a lost answer or a fork it is simply sent again.
//!
//! | the chain says | the page is |
//! |---|---|
//! | the vote is in a finalized block, or was there before | done |
//! | the page is final without it | done; a warning and a metric if it says something else |
//! | the slot's attestations are closed | too late: an error, for an operator to look into |
//! | anything else, or nothing | sent again, after a growing wait |

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{stream::FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use crate::{
	backoff::{Backoff, Pace},
	chain::{AttestError, ChainClient, ChainError},
	events::{Event, EventKind, Events},
	metrics::Metrics,
	store::{Attestation, PageKey, PageState, Store, StoreError},
};

/// How often the outbox is looked at without being told to.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// How the outbox is emptied.
#[derive(Clone, Copy, Debug)]
pub struct OutboxConfig {
	/// The most pages that are on their way at once.
	pub parallel: usize,
	/// How long to wait before a page is sent again.
	pub pace: Pace,
}

impl Default for OutboxConfig {
	/// 32 pages at once, waits from one second to one minute.
	fn default() -> Self {
		Self {
			parallel: 32,
			pace: Pace { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
		}
	}
}

/// Empties the outbox.
pub struct Outbox<C> {
	/// The chain.
	pub chain: Arc<C>,
	/// Where the outbox is.
	pub store: Arc<dyn Store>,
	/// Where pages are counted.
	pub metrics: Arc<Metrics>,
	/// Told what became of pages.
	pub events: Arc<Events>,
	/// Told when there is something new.
	pub filled: Arc<Notify>,
	/// How it is emptied.
	pub config: OutboxConfig,
}

impl<C: ChainClient> Outbox<C> {
	/// Sends what is in the outbox and what comes in. Ends only when the store fails; to stop it,
	/// drop it: what is on its way stays in the outbox.
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(&self) -> Result<(), StoreError> {
		let mut on_their_way = FuturesUnordered::new();
		let mut keys = BTreeSet::new();
		loop {
			if keys.len() < self.config.parallel {
				// The oldest entries are the first ones, so these contain all that are on their way.
				for key in self.store.outbox(self.config.parallel)? {
					if keys.len() < self.config.parallel && keys.insert(key) {
						on_their_way.push(self.deliver(key));
					}
				}
			}
			tokio::select! {
				Some(delivered) = on_their_way.next() => { keys.remove(&delivered?); },
				() = self.filled.notified() => {},
				() = tokio::time::sleep(LOOK_INTERVAL) => {},
			}
		}
	}

	/// Sends one page until it needs no more sending.
	async fn deliver(&self, key: PageKey) -> Result<PageKey, StoreError> {
		let PageKey { zone, slot, page } = key;
		let Some(sealed) = self.store.page(key)? else {
			return Err(StoreError::Damaged { place: "pages" });
		};
		let attestation = sealed.attestation;
		let mut backoff = Backoff::new(self.config.pace);
		loop {
			match self.attempt(&attestation).await {
				Attempt::Finished(state) => {
					self.store.finish(key, state)?;
					return Ok(key);
				}
				Attempt::Failed(failure) => {
					self.metrics.count_retry();
					let wait = backoff.after_failure();
					tracing::warn!(
						%zone, %slot, page, failure, ?wait, "the page will be sent again"
					);
					tokio::time::sleep(wait).await;
				}
			}
		}
	}

	/// Sends a page once, if the chain does not have it yet.
	async fn attempt(&self, attestation: &Attestation) -> Attempt {
		let PageKey { zone, slot, page } = attestation.key;
		let sent = match self.attested(attestation).await {
			Ok(true) => return self.done(attestation),
			Ok(false) => self.chain.attest(attestation).await,
			Err(error) => return Attempt::Failed(error.to_string()),
		};
		match sent {
			Ok(()) | Err(AttestError::AlreadyVoted) => self.done(attestation),
			Err(AttestError::PageFinal) => {
				// Look once more, for the warning; the page is final either way.
				let _ = self.attested(attestation).await;
				self.done(attestation)
			}
			Err(AttestError::TooLate) => {
				tracing::error!(%zone, %slot, page, "the page came too late for the chain");
				self.metrics.count_too_late();
				self.tell(EventKind::PageTooLate, attestation.key);
				Attempt::Finished(PageState::TooLate)
			}
			Err(error @ (AttestError::Refused(_) | AttestError::Unknown(_))) => {
				Attempt::Failed(error.to_string())
			}
		}
	}

	/// Whether the page is final on chain; warns if it says something else than ours.
	async fn attested(&self, attestation: &Attestation) -> Result<bool, ChainError> {
		let PageKey { zone, slot, page } = attestation.key;
		let Some(attested) = self.chain.attested_page(zone, slot, page).await? else {
			return Ok(false);
		};
		if attested.readings_root != attestation.readings_root
			|| attested.readings_count != attestation.readings_count
		{
			tracing::warn!(
				%zone, %slot, page,
				ours = ?attestation.readings_root,
				theirs = ?attested.readings_root,
				"the other oracles agreed on another page"
			);
			self.metrics.count_outvoted();
			self.tell(EventKind::PageOutvoted, attestation.key);
		}
		Ok(true)
	}

	fn tell(&self, kind: EventKind, PageKey { zone, slot, page }: PageKey) {
		self.events.publish(Event::of(kind).slot(zone, slot).page(page));
	}

	fn done(&self, attestation: &Attestation) -> Attempt {
		let PageKey { zone, slot, page } = attestation.key;
		self.metrics.count_attested();
		tracing::info!(%zone, %slot, page, "the page is attested");
		self.tell(EventKind::PageAttested, attestation.key);
		Attempt::Finished(PageState::Done)
	}
}

/// What came of sending a page once.
enum Attempt {
	/// It needs no more sending.
	Finished(PageState),
	/// It may help to send it again.
	Failed(String),
}
