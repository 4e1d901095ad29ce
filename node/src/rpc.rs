//! The JSON-RPC methods beyond the ones that every node of this kind has: nonces and fees, and the
//! `energy` namespace.
//!
//! Energy is in Wh, money in minor units of the settlement currency, prices in minor units per kWh,
//! times in seconds since 1970. Lists come in pages of at most 256 entries; `from` is where the next page
//! begins. Every method takes a block hash as its last, optional parameter; without it, the best
//! block answers.
//!
//! Subscriptions follow the best block. Nothing is queued for a client that does not keep up: it is sent what
//! has changed by then after a later block.

use crate::service::{FullClient, Pool};
use energy_primitives::{
	api::{
		AttestedPage, Clock, DepthLevel, EnergyApi as _, MarketAccount, OpenOffer, OpenOrder,
		ParticipantSummary, PastSlot, SlotSummary, ZoneSummary, PAGE_LIMIT,
	},
	AccountId, AgentLimits, Bill, CommunityId, CommunitySummary, CouplingSummary, OfferId,
	OrderIndex, Position, Region, RegionId, Share, Slot, SlotState, StandingId, StandingOrder,
	ZoneId,
};
use energy_runtime::opaque::{Block, Hash};
use futures::{
	future::{select, Either},
	FutureExt, StreamExt,
};
use jsonrpsee::{
	core::{RegisterMethodError, RpcResult},
	proc_macros::rpc,
	types::ErrorObjectOwned,
	PendingSubscriptionSink, RpcModule, SubscriptionMessage, TrySendError,
};
use sc_client_api::BlockchainEvents;
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_core::traits::SpawnNamed;
use std::{collections::BTreeMap, pin::pin, sync::Arc};

/// The state at the block cannot be read: unknown, pruned, or of a runtime without the market.
pub const STATE_UNAVAILABLE: i32 = 7_001;

/// The node has as many subscriptions to the market as it takes.
pub const TOO_MANY_SUBSCRIPTIONS: i32 = 7_002;

/// The most subscriptions to the market at a time, of all connections together: each reads the state
/// anew with every block. How many one connection may have is the server's limit.
const MAX_SUBSCRIPTIONS: usize = 512;

/// An account's settlement currency, as decimal strings: minor units may exceed what JavaScript
/// counts exactly.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
	/// What can be spent.
	pub free: String,
	/// What is on hold or in the market.
	pub held: String,
}

/// What an account has in the market, as decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketMoney {
	/// All of it.
	pub balance: String,
	/// The part that is committed to orders, offers and positions.
	pub committed: String,
}

impl From<MarketAccount> for MarketMoney {
	fn from(MarketAccount { balance, committed }: MarketAccount) -> Self {
		Self { balance: balance.to_string(), committed: committed.to_string() }
	}
}

/// A standing order with its number.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberedStandingOrder {
	/// Its number in the zone.
	pub id: StandingId,
	/// The order.
	pub order: StandingOrder<AccountId>,
}

/// Bilateral offers, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferPage {
	/// Those of the zone among the ones that were looked at.
	pub offers: Vec<OpenOffer>,
	/// The last that was looked at, to go on after; none when there are no more.
	pub last: Option<OfferId>,
}

/// A region as it is from a slot on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionVersion {
	/// The first slot it holds for.
	pub since: Slot,
	/// Zones and links.
	pub region: Region,
}

/// What a member of a community gave and took in a slot.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberShare {
	/// Who.
	pub account: AccountId,
	/// What it gave, took, paid and received.
	pub share: Share,
}

/// The book of a slot, as of a block.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepthUpdate {
	/// The block.
	pub block: Hash,
	/// Whether the slot takes orders. If not, this is the last item of the subscription.
	pub open: bool,
	/// The non-empty price levels, from the lowest price; none when the slot takes no orders.
	pub levels: Vec<DepthLevel>,
}

/// What is new about the slots of a zone, as of a block.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotsUpdate {
	/// The block.
	pub block: Hash,
	/// The slots that have changed, in ascending order; all in the first item.
	pub slots: Vec<PastSlot>,
	/// Slots of earlier items that have no market any more, because the block with their first order
	/// was undone.
	pub gone: Vec<Slot>,
}

/// Reads of the energy market.
#[rpc(server, namespace = "energy")]
pub trait EnergyRpc {
	/// The time, and when the slots of a zone are.
	#[method(name = "clock")]
	fn clock(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Clock>;

	/// A zone: its terms, oracles, and whether it is halted. `null` if there is none.
	#[method(name = "zone")]
	fn zone(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Option<ZoneSummary>>;

	/// A participant's roles and zone. `null` if the account is none.
	#[method(name = "participant")]
	fn participant(
		&self,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<ParticipantSummary>>;

	/// What an account can spend, and what is on hold or in the market.
	#[method(name = "money")]
	fn money(&self, account: AccountId, at: Option<Hash>) -> RpcResult<Money>;

	/// What an account has in the market.
	#[method(name = "marketAccount")]
	fn market_account(&self, account: AccountId, at: Option<Hash>) -> RpcResult<MarketMoney>;

	/// The non-empty price levels of a book, from the lowest price.
	#[method(name = "depth")]
	fn depth(&self, zone: ZoneId, slot: Slot, at: Option<Hash>) -> RpcResult<Vec<DepthLevel>>;

	/// A slot of a zone. `null` if nobody placed an order in it or it is pruned.
	#[method(name = "slot")]
	fn slot(&self, zone: ZoneId, slot: Slot, at: Option<Hash>) -> RpcResult<Option<SlotSummary>>;

	/// Open orders, of one account or, with `null`, of all.
	#[method(name = "orders")]
	fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<AccountId>,
		from: Option<OrderIndex>,
		at: Option<Hash>,
	) -> RpcResult<Vec<OpenOrder>>;

	/// Positions that are not settled yet.
	#[method(name = "positions")]
	fn positions(
		&self,
		zone: ZoneId,
		slot: Slot,
		from: Option<u32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<Position<AccountId>>>;

	/// An account's position that is not settled yet. `null` if there is none.
	#[method(name = "position")]
	fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<Position<AccountId>>>;

	/// Standing orders, of one account or, with `null`, of all.
	#[method(name = "standingOrders")]
	fn standing_orders(
		&self,
		zone: ZoneId,
		account: Option<AccountId>,
		from: Option<StandingId>,
		at: Option<Hash>,
	) -> RpcResult<Vec<NumberedStandingOrder>>;

	/// Bilateral offers that wait to be accepted, in no order; `after` is the `last` of the page before.
	#[method(name = "offers")]
	fn offers(
		&self,
		zone: ZoneId,
		after: Option<OfferId>,
		at: Option<Hash>,
	) -> RpcResult<OfferPage>;

	/// The limits of an owner's agent. `null` if it is none.
	#[method(name = "agent")]
	fn agent(
		&self,
		owner: AccountId,
		agent: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<AgentLimits>>;

	/// How the coupling of a region stands in a slot. `null` if nothing is coupled in it.
	#[method(name = "coupling")]
	fn coupling(
		&self,
		region: RegionId,
		slot: Slot,
		at: Option<Hash>,
	) -> RpcResult<Option<CouplingSummary>>;

	/// What is known of a region, each version with the first slot it holds for.
	#[method(name = "region")]
	fn region(&self, region: RegionId, at: Option<Hash>) -> RpcResult<Vec<RegionVersion>>;

	/// The communities of a zone.
	#[method(name = "communities")]
	fn communities(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Vec<CommunityId>>;

	/// A community with its members. `null` if there is none.
	#[method(name = "community")]
	fn community(
		&self,
		community: CommunityId,
		at: Option<Hash>,
	) -> RpcResult<Option<CommunitySummary>>;

	/// The community of a zone in which an account has a seat. `null` if it has none.
	#[method(name = "communityOf")]
	fn community_of(
		&self,
		zone: ZoneId,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<CommunityId>>;

	/// What the members of a community gave and took in a slot.
	#[method(name = "shares")]
	fn shares(
		&self,
		community: CommunityId,
		slot: Slot,
		at: Option<Hash>,
	) -> RpcResult<Vec<MemberShare>>;

	/// The slots with a market among `count` from one on; no more than 256 are looked at.
	#[method(name = "slots")]
	fn slots(
		&self,
		zone: ZoneId,
		from: Slot,
		count: u32,
		at: Option<Hash>,
	) -> RpcResult<Vec<PastSlot>>;

	/// An account's bill of a settled slot. `null` if there is none.
	#[method(name = "bill")]
	fn bill(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<Bill>>;

	/// A final page of a slot's attestation. `null` while there is none.
	#[method(name = "attestation")]
	fn attestation(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
		at: Option<Hash>,
	) -> RpcResult<Option<AttestedPage>>;

	/// The book of a slot at once, and after each best block in which it has changed, until the gate
	/// closes.
	#[subscription(
		name = "subscribeDepth" => "depthUpdate",
		unsubscribe = "unsubscribeDepth",
		item = DepthUpdate
	)]
	fn subscribe_depth(&self, zone: ZoneId, slot: Slot);

	/// The slots of a zone near the present one at once, and after each best block those that have
	/// changed.
	#[subscription(
		name = "subscribeSlots" => "slotsUpdate",
		unsubscribe = "unsubscribeSlots",
		item = SlotsUpdate
	)]
	fn subscribe_slots(&self, zone: ZoneId);
}

/// The runtime's API, at any block.
type Api<'client> = ApiRef<'client, <FullClient as ProvideRuntimeApi<Block>>::Api>;

fn unavailable(at: Hash, error: &ApiError) -> ErrorObjectOwned {
	ErrorObjectOwned::owned(
		STATE_UNAVAILABLE,
		format!("the state at block {at:?} cannot be read"),
		Some(error.to_string()),
	)
}

struct Energy {
	client: Arc<FullClient>,
	executor: Arc<dyn SpawnNamed>,
	/// One copy here, and one for each subscription.
	subscriptions: Arc<()>,
}

impl Energy {
	fn read<Answer>(
		&self,
		at: Option<Hash>,
		ask: impl FnOnce(&Api, Hash) -> Result<Answer, ApiError>,
	) -> RpcResult<Answer> {
		let at = at.unwrap_or_else(|| self.client.info().best_hash);
		ask(&self.client.runtime_api(), at).map_err(|error| unavailable(at, &error))
	}

	fn subscribe(&self, pending: PendingSubscriptionSink, feed: impl Feed) {
		let permit = self.subscriptions.clone();
		let client = self.client.clone();
		let is_too_many = Arc::strong_count(&permit) > MAX_SUBSCRIPTIONS + 1;
		let task = async move {
			if is_too_many {
				let refusal = ErrorObjectOwned::owned(
					TOO_MANY_SUBSCRIPTIONS,
					"the node has as many subscriptions to the market as it takes",
					None::<()>,
				);
				pending.reject(refusal).await;
			} else {
				follow(&client, pending, feed).await;
			}
			drop(permit);
		};
		self.executor.spawn("energy-subscription", Some("rpc"), task.boxed());
	}
}

/// What a subscription tells.
trait Feed: Send + 'static {
	/// What is sent.
	type Item: serde::Serialize + Send;

	/// What is new at a block against what was sent; something, if nothing was sent yet.
	fn news(&mut self, api: &Api, at: Hash) -> Result<Option<Self::Item>, ApiError>;

	/// Notes that the last news were sent. Says whether nothing more will come.
	fn sent(&mut self, item: Self::Item) -> bool;
}

/// Sends what is new in the best block, until the feed is over or the client goes.
///
/// Never waits for the client, so that the blocks that are announced to it do not pile up.
async fn follow<F: Feed>(client: &FullClient, pending: PendingSubscriptionSink, mut feed: F) {
	// Before the first look at the state, so that no block is missed.
	let mut blocks = client.import_notification_stream();
	let mut seen = client.info().best_hash;
	let first = feed.news(&client.runtime_api(), seen);
	let mut news = match first {
		Ok(news) => news,
		Err(error) => return pending.reject(unavailable(seen, &error)).await,
	};
	let Ok(mut sink) = pending.accept().await else { return };
	loop {
		if let Some(item) = news.take() {
			let Ok(message) = SubscriptionMessage::from_json(&item) else { return };
			match sink.try_send(message) {
				Ok(()) => {
					if feed.sent(item) {
						return;
					}
				}
				// It is still news after the next block.
				Err(TrySendError::Full(_)) => {}
				Err(TrySendError::Closed(_)) => return,
			}
		}
		match select(blocks.next(), pin!(sink.closed())).await {
			Either::Left((Some(_), _)) => {}
			_ => return,
		}
		// Blocks that came while the state was read count once.
		while let Some(Some(_)) = blocks.next().now_or_never() {}
		let best = client.info().best_hash;
		if best != seen {
			seen = best;
			// A block that cannot be read is left out; the next one has what it had.
			news = feed.news(&client.runtime_api(), best).unwrap_or_default();
		}
	}
}

/// The book of a slot, until its gate closes.
struct DepthFeed {
	zone: ZoneId,
	slot: Slot,
	sent: Option<DepthUpdate>,
}

impl DepthFeed {
	fn takes_orders(&self, api: &Api, at: Hash) -> Result<bool, ApiError> {
		let clock = api.clock(at, self.zone)?;
		let gate_closes_seconds = match api.slot(at, self.zone, self.slot)? {
			Some(summary) if summary.state != SlotState::Open => return Ok(false),
			Some(summary) => Some(summary.gate_closes_seconds),
			// Nobody has placed an order yet.
			None => api.zone(at, self.zone)?.and_then(|zone| zone.terms).map(|terms| {
				clock
					.calendar
					.start_seconds(self.slot)
					.saturating_sub(terms.gate_closure_seconds.into())
			}),
		};
		Ok(gate_closes_seconds.is_some_and(|gate| clock.now_seconds < gate))
	}
}

impl Feed for DepthFeed {
	type Item = DepthUpdate;

	fn news(&mut self, api: &Api, at: Hash) -> Result<Option<DepthUpdate>, ApiError> {
		let open = self.takes_orders(api, at)?;
		let levels = if open { api.depth(at, self.zone, self.slot)? } else { Vec::new() };
		let is_known =
			self.sent.as_ref().is_some_and(|sent| (sent.open, &sent.levels) == (open, &levels));
		Ok((!is_known).then_some(DepthUpdate { block: at, open, levels }))
	}

	fn sent(&mut self, item: DepthUpdate) -> bool {
		let is_over = !item.open;
		self.sent = Some(item);
		is_over
	}
}

/// The slots of a zone: 256 before the present one, and as many from it on, which is more than orders are
/// taken for.
struct SlotsFeed {
	zone: ZoneId,
	/// As of the last look.
	latest: BTreeMap<Slot, PastSlot>,
	/// As the client knows them.
	sent: Option<BTreeMap<Slot, PastSlot>>,
}

impl Feed for SlotsFeed {
	type Item = SlotsUpdate;

	fn news(&mut self, api: &Api, at: Hash) -> Result<Option<SlotsUpdate>, ApiError> {
		let clock = api.clock(at, self.zone)?;
		let present = clock.slot;
		let first = Slot(present.0.saturating_sub(PAGE_LIMIT));
		self.latest.clear();
		for from in [first, present] {
			let page = api.slots(at, self.zone, from, PAGE_LIMIT)?;
			self.latest.extend(page.into_iter().map(|past| (past.slot, past)));
		}
		let (slots, gone) = changes(self.sent.as_ref(), &self.latest, first);
		let is_news = self.sent.is_none() || !slots.is_empty() || !gone.is_empty();
		Ok(is_news.then_some(SlotsUpdate { block: at, slots, gone }))
	}

	fn sent(&mut self, _: SlotsUpdate) -> bool {
		self.sent = Some(std::mem::take(&mut self.latest));
		false
	}
}

/// Which slots are new or changed, and which are gone though they are not before `first`.
fn changes(
	known: Option<&BTreeMap<Slot, PastSlot>>,
	latest: &BTreeMap<Slot, PastSlot>,
	first: Slot,
) -> (Vec<PastSlot>, Vec<Slot>) {
	let changed = |past: &&PastSlot| known.and_then(|known| known.get(&past.slot)) != Some(*past);
	let gone = |slot: &&Slot| **slot >= first && !latest.contains_key(*slot);
	(
		latest.values().filter(changed).copied().collect(),
		known.into_iter().flat_map(BTreeMap::keys).filter(gone).copied().collect(),
	)
}

impl EnergyRpcServer for Energy {
	fn clock(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Clock> {
		self.read(at, |api, at| api.clock(at, zone))
	}

	fn zone(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Option<ZoneSummary>> {
		self.read(at, |api, at| api.zone(at, zone))
	}

	fn participant(
		&self,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<ParticipantSummary>> {
		self.read(at, |api, at| api.participant(at, account))
	}

	fn money(&self, account: AccountId, at: Option<Hash>) -> RpcResult<Money> {
		let (free, held) = self.read(at, |api, at| api.money(at, account))?;
		Ok(Money { free: free.to_string(), held: held.to_string() })
	}

	fn market_account(&self, account: AccountId, at: Option<Hash>) -> RpcResult<MarketMoney> {
		self.read(at, |api, at| api.market_account(at, account)).map(Into::into)
	}

	fn depth(&self, zone: ZoneId, slot: Slot, at: Option<Hash>) -> RpcResult<Vec<DepthLevel>> {
		self.read(at, |api, at| api.depth(at, zone, slot))
	}

	fn slot(&self, zone: ZoneId, slot: Slot, at: Option<Hash>) -> RpcResult<Option<SlotSummary>> {
		self.read(at, |api, at| api.slot(at, zone, slot))
	}

	fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<AccountId>,
		from: Option<OrderIndex>,
		at: Option<Hash>,
	) -> RpcResult<Vec<OpenOrder>> {
		let from = from.unwrap_or(OrderIndex(0));
		self.read(at, |api, at| api.orders(at, zone, slot, account, from))
	}

	fn positions(
		&self,
		zone: ZoneId,
		slot: Slot,
		from: Option<u32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<Position<AccountId>>> {
		self.read(at, |api, at| api.positions(at, zone, slot, from.unwrap_or(0)))
	}

	fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<Position<AccountId>>> {
		self.read(at, |api, at| api.position(at, zone, slot, account))
	}

	fn standing_orders(
		&self,
		zone: ZoneId,
		account: Option<AccountId>,
		from: Option<StandingId>,
		at: Option<Hash>,
	) -> RpcResult<Vec<NumberedStandingOrder>> {
		let from = from.unwrap_or_default();
		let orders = self.read(at, |api, at| api.standing_orders(at, zone, account, from))?;
		Ok(orders.into_iter().map(|(id, order)| NumberedStandingOrder { id, order }).collect())
	}

	fn offers(
		&self,
		zone: ZoneId,
		after: Option<OfferId>,
		at: Option<Hash>,
	) -> RpcResult<OfferPage> {
		let (offers, last) = self.read(at, |api, at| api.offers(at, zone, after))?;
		Ok(OfferPage { offers, last })
	}

	fn agent(
		&self,
		owner: AccountId,
		agent: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<AgentLimits>> {
		self.read(at, |api, at| api.agent(at, owner, agent))
	}

	fn coupling(
		&self,
		region: RegionId,
		slot: Slot,
		at: Option<Hash>,
	) -> RpcResult<Option<CouplingSummary>> {
		self.read(at, |api, at| api.coupling(at, region, slot))
	}

	fn region(&self, region: RegionId, at: Option<Hash>) -> RpcResult<Vec<RegionVersion>> {
		let versions = self.read(at, |api, at| api.region(at, region))?;
		Ok(versions.into_iter().map(|(since, region)| RegionVersion { since, region }).collect())
	}

	fn communities(&self, zone: ZoneId, at: Option<Hash>) -> RpcResult<Vec<CommunityId>> {
		self.read(at, |api, at| api.communities(at, zone))
	}

	fn community(
		&self,
		community: CommunityId,
		at: Option<Hash>,
	) -> RpcResult<Option<CommunitySummary>> {
		self.read(at, |api, at| api.community(at, community))
	}

	fn community_of(
		&self,
		zone: ZoneId,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<CommunityId>> {
		self.read(at, |api, at| api.community_of(at, zone, account))
	}

	fn shares(
		&self,
		community: CommunityId,
		slot: Slot,
		at: Option<Hash>,
	) -> RpcResult<Vec<MemberShare>> {
		let shares = self.read(at, |api, at| api.shares(at, community, slot))?;
		Ok(shares.into_iter().map(|(account, share)| MemberShare { account, share }).collect())
	}

	fn slots(
		&self,
		zone: ZoneId,
		from: Slot,
		count: u32,
		at: Option<Hash>,
	) -> RpcResult<Vec<PastSlot>> {
		self.read(at, |api, at| api.slots(at, zone, from, count))
	}

	fn bill(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
		at: Option<Hash>,
	) -> RpcResult<Option<Bill>> {
		self.read(at, |api, at| api.bill(at, zone, slot, account))
	}

	fn attestation(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
		at: Option<Hash>,
	) -> RpcResult<Option<AttestedPage>> {
		self.read(at, |api, at| api.attestation(at, zone, slot, page))
	}

	fn subscribe_depth(&self, pending: PendingSubscriptionSink, zone: ZoneId, slot: Slot) {
		self.subscribe(pending, DepthFeed { zone, slot, sent: None });
	}

	fn subscribe_slots(&self, pending: PendingSubscriptionSink, zone: ZoneId) {
		self.subscribe(pending, SlotsFeed { zone, latest: BTreeMap::new(), sent: None });
	}
}

/// The methods of this module. Subscriptions run as tasks of the executor.
pub fn methods(
	client: Arc<FullClient>,
	pool: Arc<Pool>,
	executor: Arc<dyn SpawnNamed>,
) -> Result<RpcModule<()>, RegisterMethodError> {
	use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
	use substrate_frame_rpc_system::{System, SystemApiServer};

	let mut module = RpcModule::new(());
	module.merge(System::new(client.clone(), pool).into_rpc())?;
	module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
	module.merge(Energy { client, executor, subscriptions: Arc::new(()) }.into_rpc())?;
	Ok(module)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn slots(states: &[(u32, SlotState)]) -> BTreeMap<Slot, PastSlot> {
		let past = |slot, state| PastSlot { slot, state, result: None, positions: 0 };
		states.iter().map(|(slot, state)| (Slot(*slot), past(Slot(*slot), *state))).collect()
	}

	fn numbers((changed, gone): (Vec<PastSlot>, Vec<Slot>)) -> (Vec<u32>, Vec<u32>) {
		let changed = changed.into_iter().map(|past| past.slot.0).collect();
		(changed, gone.into_iter().map(|slot| slot.0).collect())
	}

	#[test]
	fn everything_has_changed_when_nothing_is_known() {
		let latest = slots(&[(7, SlotState::Settled), (9, SlotState::Open)]);
		assert_eq!(numbers(changes(None, &latest, Slot(5))), (vec![7, 9], vec![]));
	}

	#[test]
	fn changes_are_what_is_new_or_other_or_undone() {
		let known = slots(&[
			(4, SlotState::Settled),
			(7, SlotState::Cleared),
			(8, SlotState::Open),
			(9, SlotState::Open),
		]);
		let latest =
			slots(&[(7, SlotState::Settling), (9, SlotState::Open), (10, SlotState::Open)]);
		// Slot 4 is too long ago, slot 8 was undone.
		assert_eq!(numbers(changes(Some(&known), &latest, Slot(5))), (vec![7, 10], vec![8]));
		assert_eq!(numbers(changes(Some(&latest), &latest, Slot(5))), (vec![], vec![]));
	}
}
