//! A chain that stands still but for its clock: it knows the meters, and takes every attestation.

use std::time::Duration;

use energy_oracle::{
	chain::{
		market::{MarketReads, Reply},
		AttestError, ChainClient, ChainError, Head, Inclusion,
	},
	clock::{Clock, SystemClock},
	store::Attestation,
};
use energy_primitives::{
	api::{AttestedPage, OpenOrder, SlotSummary, ZoneSummary, PAGE_LIMIT},
	AccountId, Bill, Meter, MeterId, MeterIndex, OrderIndex, Position, Slot, SlotCalendar, ZoneId,
};
use sp_core::H256;
use tokio::sync::Mutex;

use crate::corpus::{SLOT_SECONDS, ZONE};

/// How often there is a block.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// The chain.
pub struct StandingChain {
	meters: Vec<(MeterId, Meter<AccountId>)>,
	blocks: Mutex<u64>,
}

impl StandingChain {
	/// A chain with these meters, in order of their places.
	pub fn new(meters: Vec<(MeterId, Meter<AccountId>)>) -> Self {
		Self { meters, blocks: Mutex::new(0) }
	}
}

impl ChainClient for StandingChain {
	fn account(&self) -> AccountId {
		AccountId::new([9; 32])
	}

	async fn genesis(&self) -> Result<H256, ChainError> {
		Ok(H256::repeat_byte(1))
	}

	async fn next_head(&self) -> Result<Head, ChainError> {
		let mut blocks = self.blocks.lock().await;
		if *blocks > 0 {
			tokio::time::sleep(BLOCK_TIME).await;
		}
		*blocks += 1;
		Ok(Head { number: *blocks, finalized: *blocks, now_seconds: SystemClock.now_seconds() })
	}

	async fn zone(&self, zone: ZoneId) -> Result<Option<ZoneSummary>, ChainError> {
		Ok((zone == ZONE).then(|| ZoneSummary {
			terms: None,
			halted: None,
			meters: self.meters.len() as u32,
			utility: None,
			oracles: vec![self.account()],
			threshold: 1,
			imbalance_pot: 0,
			fee_pot: 0,
			imbalance_account: AccountId::new([0; 32]),
			fee_account: AccountId::new([0; 32]),
		}))
	}

	async fn calendar(&self, _zone: ZoneId) -> Result<SlotCalendar, ChainError> {
		Ok(SlotCalendar::uniform(SLOT_SECONDS))
	}

	async fn meters(
		&self,
		_zone: ZoneId,
		from: MeterIndex,
	) -> Result<Vec<(MeterId, Meter<AccountId>)>, ChainError> {
		let meters = self.meters.iter().skip(from.0 as usize);
		Ok(meters.take(PAGE_LIMIT as usize).cloned().collect())
	}

	async fn attested_page(
		&self,
		_zone: ZoneId,
		_slot: Slot,
		_page: u32,
	) -> Result<Option<AttestedPage>, ChainError> {
		Ok(None)
	}

	async fn remark(&self, _: &[u8]) -> Result<Inclusion, AttestError> {
		Err(AttestError::Refused("this chain stands still".into()))
	}

	async fn attest(&self, _attestation: &Attestation) -> Result<(), AttestError> {
		Ok(())
	}
}

/// There is no market on it.
impl MarketReads for StandingChain {
	fn market_slot(&self, _: ZoneId, _: Slot) -> Reply<'_, Option<SlotSummary>> {
		Box::pin(async { Ok(None) })
	}

	fn orders(
		&self,
		_: ZoneId,
		_: Slot,
		_: Option<AccountId>,
		_: OrderIndex,
	) -> Reply<'_, Vec<OpenOrder>> {
		Box::pin(async { Ok(Vec::new()) })
	}

	fn positions(&self, _: ZoneId, _: Slot, _: u32) -> Reply<'_, Vec<Position<AccountId>>> {
		Box::pin(async { Ok(Vec::new()) })
	}

	fn position(&self, _: ZoneId, _: Slot, _: AccountId) -> Reply<'_, Option<Position<AccountId>>> {
		Box::pin(async { Ok(None) })
	}

	fn bill(&self, _: ZoneId, _: Slot, _: AccountId) -> Reply<'_, Option<Bill>> {
		Box::pin(async { Ok(None) })
	}

	fn attestation(&self, zone: ZoneId, slot: Slot, page: u32) -> Reply<'_, Option<AttestedPage>> {
		Box::pin(self.attested_page(zone, slot, page))
	}
}
