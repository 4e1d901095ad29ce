//! The JSON-RPC methods beyond the ones that every node of this kind has: nonces and fees, and the
//! `energy` namespace.
//!
//! Energy is in Wh, money in minor units of the settlement currency, prices in minor units per kWh,
//! times in seconds since 1970. Orders and positions come in pages of at most 256 entries; `from` is
//! where the next page begins. Every method takes a block hash as its last, optional parameter; without it,
//! the best block answers.

use crate::service::{FullClient, Pool};
use energy_primitives::{
	api::{
		AttestedPage, Clock, DepthLevel, EnergyApi as _, OpenOrder, ParticipantSummary,
		SlotSummary, ZoneSummary,
	},
	AccountId, Bill, OrderIndex, Position, Slot, ZoneId,
};
use energy_runtime::opaque::{Block, Hash};
use jsonrpsee::{
	core::{RegisterMethodError, RpcResult},
	proc_macros::rpc,
	types::ErrorObjectOwned,
	RpcModule,
};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// The state at the block cannot be read: unknown, pruned, or of a runtime without the market.
pub const STATE_UNAVAILABLE: i32 = 7_001;

/// An account's settlement currency, as decimal strings: minor units may exceed what JavaScript
/// counts exactly.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
	/// What can be spent.
	pub free: String,
	/// What is held for orders and positions.
	pub held: String,
}

/// Reads of the energy market.
#[rpc(server, namespace = "energy")]
pub trait EnergyRpc {
	/// The chain's clock and the length of a slot.
	#[method(name = "clock")]
	fn clock(&self, at: Option<Hash>) -> RpcResult<Clock>;

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

	/// What an account can spend, and what is held.
	#[method(name = "money")]
	fn money(&self, account: AccountId, at: Option<Hash>) -> RpcResult<Money>;

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
}

struct Energy {
	client: Arc<FullClient>,
}

impl Energy {
	fn read<Answer>(
		&self,
		at: Option<Hash>,
		ask: impl FnOnce(
			&ApiRef<'_, <FullClient as ProvideRuntimeApi<Block>>::Api>,
			Hash,
		) -> Result<Answer, ApiError>,
	) -> RpcResult<Answer> {
		let at = at.unwrap_or_else(|| self.client.info().best_hash);
		ask(&self.client.runtime_api(), at).map_err(|error| {
			ErrorObjectOwned::owned(
				STATE_UNAVAILABLE,
				format!("the state at block {at:?} cannot be read"),
				Some(error.to_string()),
			)
		})
	}
}

impl EnergyRpcServer for Energy {
	fn clock(&self, at: Option<Hash>) -> RpcResult<Clock> {
		self.read(at, |api, at| api.clock(at))
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
}

/// The methods of this module.
pub fn methods(
	client: Arc<FullClient>,
	pool: Arc<Pool>,
) -> Result<RpcModule<()>, RegisterMethodError> {
	use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
	use substrate_frame_rpc_system::{System, SystemApiServer};

	let mut module = RpcModule::new(());
	module.merge(System::new(client.clone(), pool).into_rpc())?;
	module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
	module.merge(Energy { client }.into_rpc())?;
	Ok(module)
}
