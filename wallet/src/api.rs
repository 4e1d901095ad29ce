//! The reads of `EnergyApi`, typed.

use std::collections::BTreeMap;

use energy_primitives::{
	api::{
		AttestedPage, Clock, DepthLevel, OpenOrder, ParticipantSummary, SlotSummary, ZoneSummary,
		PAGE_LIMIT,
	},
	AccountId, Balance, Bill, Meter, MeterId, MeterIndex, OrderIndex, Position, Slot, ZoneId,
};

use crate::client::{ChainClient, ClientError};

impl ChainClient {
	/// The time and the length of a slot.
	///
	/// # Errors
	/// As every read: see [`ChainClient::read`].
	pub async fn clock(&self) -> Result<Clock, ClientError> {
		self.read("EnergyApi_clock", ()).await
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
		let mut own = Vec::new();
		let mut from = MeterIndex(0);
		loop {
			let page = self.meters(zone, from).await?;
			let Some((_, last)) = page.last() else { return Ok(own) };
			let next = last.index.0.checked_add(1);
			own.extend(page.into_iter().filter(|(_, meter)| meter.owner == *owner));
			match next {
				// An answer that does not advance would be asked for again for ever.
				Some(next) if next > from.0 => from = MeterIndex(next),
				_ => return Ok(own),
			}
		}
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
		let mut orders: Vec<OpenOrder> = Vec::new();
		let mut from = OrderIndex(0);
		loop {
			let page: Vec<OpenOrder> =
				self.read("EnergyApi_orders", (zone, slot, account, from)).await?;
			let Some(next) = page.last().and_then(|order| order.index.0.checked_add(1)) else {
				return Ok(orders);
			};
			let whole = page.len() >= PAGE_LIMIT as usize;
			orders.extend(page);
			if !whole || next <= from.0 {
				return Ok(orders);
			}
			from = OrderIndex(next);
		}
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
		// An account has one position in a slot. Those that are settled are gone, so what comes from
		// an index on may begin later, and come again when that index is asked for.
		let mut positions = BTreeMap::new();
		let mut from = 0u32;
		while from < summary.positions {
			let page: Vec<Position<AccountId>> =
				self.read("EnergyApi_positions", (zone, slot, from)).await?;
			positions.extend(page.into_iter().map(|position| (position.account.clone(), position)));
			from = from.saturating_add(PAGE_LIMIT);
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
