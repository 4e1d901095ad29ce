//! Follows the chain: its blocks, its clock, and who has which meter.

use std::{
	collections::{BTreeMap, BTreeSet},
	sync::Arc,
	time::Duration,
};

use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, SlotCalendar, ZoneId};
use sp_core::H256;
use tokio::sync::watch;

use crate::{
	backoff::{Backoff, Pace},
	chain::{ChainClient, ChainError, Head},
	clock::Clock,
	events::{Event, EventKind, Events},
	metrics::Metrics,
	registry::{Registry, RegistryCell},
	store::{Store, StoreError},
};

/// How long to wait for a node that is away.
const RECONNECT: Pace =
	Pace { first: Duration::from_millis(500), longest: Duration::from_secs(30) };

/// Why following ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
	/// The data folder has readings and attestations of another chain.
	#[error("the data folder belongs to the chain {bound:?}, the node is of {found:?}")]
	OtherChain {
		/// The genesis hash in the folder.
		bound: H256,
		/// The genesis hash of the node.
		found: H256,
	},
	/// The store failed.
	#[error(transparent)]
	Store(#[from] StoreError),
}

/// Publishes every new best block.
pub struct HeadFollower<C> {
	/// The chain.
	pub chain: Arc<C>,
	/// What the chain must belong to.
	pub store: Arc<dyn Store>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// Where the block's number goes.
	pub metrics: Arc<Metrics>,
	/// Where it is told that the node goes and comes.
	pub events: Arc<Events>,
	/// Where the chain's clock is noted.
	pub registry: Arc<RegistryCell>,
	/// Where the blocks go.
	pub heads: watch::Sender<Option<Head>>,
}

impl<C: ChainClient> HeadFollower<C> {
	/// Follows, and waits for a node that is away.
	///
	/// # Errors
	/// Only what will not pass by itself.
	pub async fn run(self) -> Result<(), FollowError> {
		let mut backoff = Backoff::new(RECONNECT);
		loop {
			let error = self.follow(&mut backoff).await?;
			if self.metrics.is_connected() {
				self.events.publish(Event::of(EventKind::NodeAway).detail(error.to_string()));
			}
			self.metrics.note_disconnected();
			let wait = backoff.after_failure();
			tracing::warn!(%error, ?wait, "the node is away");
			tokio::time::sleep(wait).await;
		}
	}

	/// Follows until the node is away. It may come back as a node of another chain, so that is
	/// checked first.
	async fn follow(&self, backoff: &mut Backoff) -> Result<ChainError, FollowError> {
		let found = match self.chain.genesis().await {
			Ok(genesis) => genesis,
			Err(error) => return Ok(error),
		};
		let bound = self.store.bind_to_chain(found)?;
		if bound != found {
			return Err(FollowError::OtherChain { bound, found });
		}
		loop {
			let head = match self.chain.next_head().await {
				Ok(head) => head,
				Err(error) => return Ok(error),
			};
			if !self.metrics.is_connected() {
				tracing::info!(block = head.number, "connected to the node");
				self.events.publish(Event::of(EventKind::NodeBack).count(head.number));
			}
			backoff.reset();
			self.registry.note_time(head.now_seconds);
			self.metrics.note_head(head.number, head.finalized, self.clock.now_seconds());
			self.heads.send_replace(Some(head));
		}
	}
}

/// Keeps the registry up to date.
///
/// New meters are read when the zone's count has grown; everything is read again after
/// `full_refresh_seconds`, because keys are rotated and ratings change.
pub struct RegistryFollower<C> {
	/// The chain.
	pub chain: Arc<C>,
	/// Where the copy goes.
	pub store: Arc<dyn Store>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// Where the number of meters goes.
	pub metrics: Arc<Metrics>,
	/// Where the registry goes.
	pub registry: Arc<RegistryCell>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// After how many seconds everything is read again.
	pub full_refresh_seconds: u64,
}

/// A zone as it was read: its slots, and its meters in order of their places.
#[derive(Default)]
struct ZoneCopy {
	calendar: Option<SlotCalendar>,
	count: u32,
	meters: Vec<(MeterId, Meter<AccountId>)>,
	/// How many of them the store has too.
	saved: usize,
}

impl ZoneCopy {
	/// Takes what was read. Whether it differs from before.
	fn replace(&mut self, count: u32, meters: Vec<(MeterId, Meter<AccountId>)>) -> bool {
		let same = meters.iter().zip(&self.meters).take_while(|(new, old)| new == old).count();
		let changed = (meters.len(), self.meters.len()) != (same, same);
		if changed {
			self.saved = self.saved.min(same);
			self.meters = meters;
		}
		self.count = count;
		changed
	}

	/// The place after the last meter of a list.
	fn next_place(meters: &[(MeterId, Meter<AccountId>)]) -> MeterIndex {
		MeterIndex(meters.last().map_or(0, |(_, meter)| meter.index.0.saturating_add(1)))
	}
}

impl<C: ChainClient> RegistryFollower<C> {
	/// Follows until the heads end.
	///
	/// # Errors
	/// When the store fails.
	pub async fn run(self, mut heads: watch::Receiver<Option<Head>>) -> Result<(), StoreError> {
		let mut copies: BTreeMap<ZoneId, ZoneCopy> = BTreeMap::new();
		let mut unauthorised = BTreeSet::new();
		let mut unpublished = true;
		let mut read_everything_at: Option<u64> = None;
		let mut finalized = None;
		while heads.changed().await.is_ok() {
			let Some(head) = *heads.borrow_and_update() else { continue };
			if finalized == Some(head.finalized) {
				continue;
			}
			let now = self.clock.now_seconds();
			let everything = read_everything_at
				.is_none_or(|at| now.saturating_sub(at) >= self.full_refresh_seconds);
			let mut complete = true;
			for zone in &self.zones {
				let copy = copies.entry(*zone).or_default();
				match self.read_zone(*zone, copy, everything, &mut unauthorised).await {
					Ok(changed) => unpublished |= changed,
					Err(error) => {
						tracing::warn!(%zone, %error, "the meters of the zone could not be read");
						complete = false;
					}
				}
			}
			if !complete {
				continue;
			}
			finalized = Some(head.finalized);
			if everything {
				read_everything_at = Some(now);
			}
			if unpublished {
				self.publish(head.now_seconds, &mut copies)?;
				unpublished = false;
			}
		}
		Ok(())
	}

	/// Reads what is new of a zone. Whether anything changed.
	async fn read_zone(
		&self,
		zone: ZoneId,
		copy: &mut ZoneCopy,
		everything: bool,
		unauthorised: &mut BTreeSet<ZoneId>,
	) -> Result<bool, ChainError> {
		let summary = self.chain.zone(zone).await?;
		let me = self.chain.account();
		if summary.as_ref().is_some_and(|zone| zone.oracles.contains(&me)) {
			unauthorised.remove(&zone);
		} else if unauthorised.insert(zone) {
			tracing::warn!(%zone, account = %me, "this account is not an oracle of the zone yet");
		}
		let calendar = Some(self.chain.calendar(zone).await?);
		let has_other_slots = copy.calendar != calendar;
		copy.calendar = calendar;
		let count = summary.map_or(0, |zone| zone.meters);
		if count == copy.count && !everything {
			return Ok(has_other_slots);
		}
		let mut meters =
			if !everything && count > copy.count { copy.meters.clone() } else { Vec::new() };
		loop {
			let page = self.chain.meters(zone, ZoneCopy::next_place(&meters)).await?;
			if page.is_empty() {
				break;
			}
			meters.extend(page);
		}
		Ok(copy.replace(count, meters) || has_other_slots)
	}

	/// Saves and publishes what was read.
	fn publish(
		&self,
		now_seconds: u64,
		copies: &mut BTreeMap<ZoneId, ZoneCopy>,
	) -> Result<(), StoreError> {
		let earlier = self.registry.load();
		let mut registry = Registry::default();
		for (zone, copy) in copies {
			let (saved, unsaved) = copy.meters.split_at(copy.saved);
			self.store.save_meters(*zone, ZoneCopy::next_place(saved), unsaved)?;
			copy.saved = copy.meters.len();
			if let Some(calendar) = &copy.calendar {
				self.store.save_calendar(*zone, calendar)?;
				registry.set_calendar(*zone, calendar.clone());
			}
			for (id, meter) in &copy.meters {
				registry.insert_after(*id, meter, earlier.as_deref());
			}
		}
		self.metrics.note_registered(registry.len());
		tracing::info!(meters = registry.len(), "the registry is up to date");
		self.registry.store(registry, now_seconds);
		Ok(())
	}
}
