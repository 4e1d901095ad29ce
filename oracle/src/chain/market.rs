//! What the oracle shows of the market: questions to the chain that change nothing.

use std::{future::Future, pin::Pin};

use energy_primitives::{
	api::{AttestedPage, OpenOrder, SlotSummary},
	AccountId, Bill, OrderIndex, Position, Slot, ZoneId,
};

use super::ChainError;

/// An answer that is on its way.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// Reads of the market in the last finalized block. Lists have at most
/// [`PAGE_LIMIT`](energy_primitives::api::PAGE_LIMIT) entries.
pub trait MarketReads: Send + Sync + 'static {
	/// A slot of a zone; `None` if it has no market.
	fn market_slot(&self, zone: ZoneId, slot: Slot) -> Reply<'_, Option<SlotSummary>>;

	/// Open orders from an index on, of one account or of all.
	fn orders(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: Option<AccountId>,
		from: OrderIndex,
	) -> Reply<'_, Vec<OpenOrder>>;

	/// Unsettled positions from an index on: what was traded.
	fn positions(&self, zone: ZoneId, slot: Slot, from: u32)
		-> Reply<'_, Vec<Position<AccountId>>>;

	/// An account's unsettled position.
	fn position(
		&self,
		zone: ZoneId,
		slot: Slot,
		account: AccountId,
	) -> Reply<'_, Option<Position<AccountId>>>;

	/// The bill of a settled slot.
	fn bill(&self, zone: ZoneId, slot: Slot, account: AccountId) -> Reply<'_, Option<Bill>>;

	/// A final page of the attestation of a slot.
	fn attestation(&self, zone: ZoneId, slot: Slot, page: u32) -> Reply<'_, Option<AttestedPage>>;
}
