//! The reads of `EnergyApi`, typed.

use std::collections::BTreeMap;

use energy_primitives::{
	api::{
		AttestedPage, Clock, DepthLevel, MarketAccount, OpenOffer, OpenOrder, ParticipantSummary,
		PastSlot, SlotSummary, ZoneSummary, ORDERS_LOOKED_AT, PAGE_LIMIT,
	},
	AccountId, AgentLimits, Balance, Bill, CommunityId, CommunitySummary, CouplingSummary, Meter,
	MeterId, MeterIndex, OfferId, OrderIndex, Position, Region, RegionId, Share, Slot, StandingId,
	StandingOrder, ZoneId,
};

use crate::client::{ChainClient, ClientError};

impl ChainClient {
	/// The time, and when the slots of a zone are.
	///
	/// A zone of which nothing is known has the slots that every zone has at first.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn clock(&self, zone: ZoneId) -> Result<Clock, ClientError> {
		self.read("EnergyApi_clock", zone).await
	}

	/// A zone.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn zone(&self, zone: ZoneId) -> Result<Option<ZoneSummary>, ClientError> {
		self.read("EnergyApi_zone", zone).await
	}

	/// A participant.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn participant(
		&self,
		account: &AccountId,
	) -> Result<Option<ParticipantSummary>, ClientError> {
		self.read("EnergyApi_participant", account).await
	}

	/// What an account can spend, and what is held, in minor units of the settlement currency.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn money(&self, account: &AccountId) -> Result<(Balance, Balance), ClientError> {
		self.read("EnergyApi_money", account).await
	}

	/// One page of a zone's meters, from a place on.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, ClientError> {
		self.read("EnergyApi_meters", (zone, from)).await
	}

	/// All meters in a zone that an account is billed for. Looks at every meter of the zone, a page
	/// at a time.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn meters_of(
		&self,
		zone: ZoneId,
		owner: &AccountId,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, ClientError> {
		let Some(summary) = self.zone(zone).await? else { return Ok(Vec::new()) };
		// Places may be empty, so what comes from a place on may begin later, and come again when
		// that place is asked for.
		let mut own = BTreeMap::new();
		let mut from = 0u32;
		while from < summary.meters {
			let page = self.meters(zone, MeterIndex(from)).await?;
			own.extend(
				page.into_iter()
					.filter(|(_, meter)| meter.owner == *owner)
					.map(|(id, meter)| (meter.index, (id, meter))),
			);
			from = from.saturating_add(PAGE_LIMIT);
		}
		Ok(own.into_values().collect())
	}

	/// The non-empty price levels of an open book.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn depth(&self, zone: ZoneId, slot: Slot) -> Result<Vec<DepthLevel>, ClientError> {
		self.read("EnergyApi_depth", (zone, slot)).await
	}

	/// A slot of a zone.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn slot(&self, zone: ZoneId, slot: Slot) -> Result<Option<SlotSummary>, ClientError> {
		self.read("EnergyApi_slot", (zone, slot)).await
	}

	/// All open orders of a zone and slot, of one account or of all.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<&AccountId>,
	) -> Result<Vec<OpenOrder>, ClientError> {
		let Some(summary) = self.slot(zone, slot).await? else { return Ok(Vec::new()) };
		let mut orders = Vec::new();
		let mut from = 0u32;
		while from < summary.orders {
			let page: Vec<OpenOrder> =
				self.read("EnergyApi_orders", (zone, slot, account, OrderIndex(from))).await?;
			// A page that is not full ends where the chain stopped looking.
			let next = match page.last() {
				Some(last) if page.len() >= PAGE_LIMIT as usize => last.index.0.checked_add(1),
				_ => from.checked_add(ORDERS_LOOKED_AT),
			};
			orders.extend(page);
			let Some(next) = next.filter(|next| *next > from) else { break };
			from = next;
		}
		Ok(orders)
	}

	/// One open order.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn order(
		&self,
		zone: ZoneId,
		slot: Slot,
		index: OrderIndex,
	) -> Result<Option<OpenOrder>, ClientError> {
		let page: Vec<OpenOrder> =
			self.read("EnergyApi_orders", (zone, slot, Option::<&AccountId>::None, index)).await?;
		Ok(page.into_iter().next().filter(|order| order.index == index))
	}

	/// An account's unsettled position.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: &AccountId,
	) -> Result<Option<Position<AccountId>>, ClientError> {
		self.read("EnergyApi_position", (zone, slot, account)).await
	}

	/// What an account has in the market.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn market_account(&self, account: &AccountId) -> Result<MarketAccount, ClientError> {
		self.read("EnergyApi_market_account", account).await
	}

	/// All standing orders of a zone, of one account or of all.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn standing_orders(
		&self,
		zone: ZoneId,
		account: Option<&AccountId>,
	) -> Result<Vec<(StandingId, StandingOrder<AccountId>)>, ClientError> {
		let mut orders = Vec::new();
		let mut from = StandingId(0);
		loop {
			let page: Vec<(StandingId, StandingOrder<AccountId>)> =
				self.read("EnergyApi_standing_orders", (zone, account, from)).await?;
			let is_full = page.len() >= PAGE_LIMIT as usize;
			let next = page.last().and_then(|(id, _)| id.0.checked_add(1)).map(StandingId);
			orders.extend(page);
			match next {
				Some(next) if is_full && next > from => from = next,
				_ => return Ok(orders),
			}
		}
	}

	/// The bilateral offers that wait in a zone, by their numbers.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn offers(&self, zone: ZoneId) -> Result<Vec<OpenOffer>, ClientError> {
		// Between two pages a block may pass: what is seen twice counts once.
		let mut offers = BTreeMap::new();
		let mut after: Option<OfferId> = None;
		loop {
			let (page, last): (Vec<OpenOffer>, Option<OfferId>) =
				self.read("EnergyApi_offers", (zone, after)).await?;
			offers.extend(page.into_iter().map(|offer| (offer.id, offer)));
			if last.is_none() || last == after {
				return Ok(offers.into_values().collect());
			}
			after = last;
		}
	}

	/// What is known of a region, each version with the first slot it holds for.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn region(&self, region: RegionId) -> Result<Vec<(Slot, Region)>, ClientError> {
		self.read("EnergyApi_region", region).await
	}

	/// How the coupling of a region stands in a slot. `None` where it couples nothing.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn coupling(
		&self,
		region: RegionId,
		slot: Slot,
	) -> Result<Option<CouplingSummary>, ClientError> {
		self.read("EnergyApi_coupling", (region, slot)).await
	}

	/// The limits of an owner's agent.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn agent(
		&self,
		owner: &AccountId,
		agent: &AccountId,
	) -> Result<Option<AgentLimits>, ClientError> {
		self.read("EnergyApi_agent", (owner, agent)).await
	}

	/// The slots with a market among the `count` from one on.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn slots(
		&self,
		zone: ZoneId,
		from: Slot,
		count: u32,
	) -> Result<Vec<PastSlot>, ClientError> {
		let end = from.0.saturating_add(count);
		let mut slots = Vec::new();
		let mut from = from.0;
		while from < end {
			let count = PAGE_LIMIT.min(end - from);
			let page: Vec<PastSlot> =
				self.read("EnergyApi_slots", (zone, Slot(from), count)).await?;
			slots.extend(page);
			from = from.saturating_add(count);
		}
		Ok(slots)
	}

	/// All unsettled positions of a zone and slot.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn positions(
		&self,
		zone: ZoneId,
		slot: Slot,
	) -> Result<Vec<Position<AccountId>>, ClientError> {
		let Some(summary) = self.slot(zone, slot).await? else { return Ok(Vec::new()) };
		let page_from = |from: u32| {
			self.read::<Vec<Position<AccountId>>>("EnergyApi_positions", (zone, slot, from))
		};

		// Positions are settled in order, so those that are left are the last ones: find the first.
		let (mut first, mut known) = (0, summary.positions);
		while first < known {
			let middle = first + (known - first) / 2;
			if page_from(middle).await?.is_empty() {
				first = middle + 1;
			} else {
				known = middle;
			}
		}
		// An account has one position in a slot.
		let mut positions = BTreeMap::new();
		while first < summary.positions {
			let page = page_from(first).await?;
			positions.extend(page.into_iter().map(|position| (position.account.clone(), position)));
			first = first.saturating_add(PAGE_LIMIT);
		}
		Ok(positions.into_values().collect())
	}

	/// The bill of a settled slot.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn bill(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: &AccountId,
	) -> Result<Option<Bill>, ClientError> {
		self.read("EnergyApi_bill", (zone, slot, account)).await
	}

	/// The communities of a zone, in the order in which they were created.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn communities(&self, zone: ZoneId) -> Result<Vec<CommunityId>, ClientError> {
		self.read("EnergyApi_communities", zone).await
	}

	/// A community with its members.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn community(
		&self,
		id: CommunityId,
	) -> Result<Option<CommunitySummary>, ClientError> {
		self.read("EnergyApi_community", id).await
	}

	/// The community of a zone in which an account has a seat.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn community_of(
		&self,
		zone: ZoneId,
		account: &AccountId,
	) -> Result<Option<CommunityId>, ClientError> {
		self.read("EnergyApi_community_of", (zone, account)).await
	}

	/// What the members of a community gave and took in a slot, if something was shared.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn shares(
		&self,
		id: CommunityId,
		slot: Slot,
	) -> Result<Vec<(AccountId, Share)>, ClientError> {
		self.read("EnergyApi_shares", (id, slot)).await
	}

	/// A final page of the attestation of a slot.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn attestation(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
	) -> Result<Option<AttestedPage>, ClientError> {
		self.read("EnergyApi_attestation", (zone, slot, page)).await
	}
}
