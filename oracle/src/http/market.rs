//! The market as the chain has it in the last finalized block: orders, trades, bills; and beside it what
//! this oracle measured.

use std::sync::Arc;

use axum::{extract::State, Json};
use energy_primitives::{
	api::{OpenOrder, SlotSummary, PAGE_LIMIT},
	AccountId, Bill, MeteringStatus, OrderIndex, Position, Side, Slot, SlotState, ZoneId,
};
use oracle_access::{Action, Kind, Resource};
use serde::{Deserialize, Serialize};
use sp_core::crypto::Ss58Codec;
use utoipa::{IntoParams, ToSchema};
use wia_ene_014::canonical::Quality;

use super::{
	blocking,
	extract::{Caller, Params, Segments},
	problem::Problem,
	views::{self, hexadecimal},
	Shared,
};
use crate::store::{PageKey, PageState};

/// The most pages that a reconciliation asks the chain for.
const PAGES_COMPARED: usize = 64;

/// An account as it is written in a request.
pub(super) fn parse_account(text: &str) -> Result<AccountId, Problem> {
	AccountId::from_ss58check(text)
		.map_err(|_error| Problem::not_found("there is no such account: it is written as SS58"))
}

fn resource_in(kind: Kind, zone: ZoneId, slot: Slot, owner: Option<&AccountId>) -> Resource {
	let mut resource = Resource::new(kind, format!("zone-{zone}-slot-{slot}"));
	resource.zone = Some(zone.0);
	resource.owner = owner.map(views::account);
	resource
}

/// Whose, and from where on.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
	/// Only of this account, SS58. Without it, of all: for those who may see all.
	account: Option<String>,
	/// The first index; 0 if not given.
	from: Option<u32>,
}

/// Orders that are still in the book.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Orders {
	orders: Vec<OrderView>,
	/// More may come from this index on.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	next_from: Option<u32>,
}

/// An order in the book.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
	/// Its number in the zone and slot.
	index: u32,
	/// Whose it is, SS58.
	account: String,
	/// `bid` or `ask`.
	side: &'static str,
	/// The limit, minor units per kWh.
	price: u64,
	energy_wh: u64,
	/// The money committed for it, minor units.
	held: String,
	/// The least that is accepted, Wh; 0: anything.
	minimum_wh: u64,
	/// From when on it is not filled any more.
	expires_seconds: Option<u64>,
	/// The standing order that it came from.
	standing: Option<u32>,
	/// The agent that placed it, if its owner did not.
	agent: Option<String>,
}

impl From<OpenOrder> for OrderView {
	fn from(order: OpenOrder) -> Self {
		Self {
			index: order.index.0,
			account: views::account(&order.account),
			side: match order.side {
				Side::Bid => "bid",
				Side::Ask => "ask",
			},
			price: order.price,
			energy_wh: order.energy_wh,
			held: order.held.to_string(),
			minimum_wh: order.minimum_wh,
			expires_seconds: order.expires_seconds,
			standing: order.standing.map(|standing| standing.0),
			agent: order.agent.as_ref().map(views::account),
		}
	}
}

/// List open orders
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/slots/{slot}/orders",
	tag = "market",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
		OrdersQuery,
	),
	responses((status = 200, description = "Orders by their index.", body = Orders))
)]
pub(super) async fn orders(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot)): Segments<(ZoneId, Slot)>,
	Params(OrdersQuery { account, from }): Params<OrdersQuery>,
	caller: Caller,
) -> Result<Json<Orders>, Problem> {
	let account = account.as_deref().map(parse_account).transpose()?;
	let resource = resource_in(Kind::Orders, zone, slot, account.as_ref());
	shared.permit(&caller, Action::Read, resource).await?;
	let from = OrderIndex(from.unwrap_or(0));
	let orders = shared.api.market.orders(zone, slot, account, from).await?;
	let is_full = orders.len() >= PAGE_LIMIT as usize;
	let next_from = orders.last().filter(|_| is_full).map(|last| last.index.0.saturating_add(1));
	Ok(Json(Orders { orders: orders.into_iter().map(OrderView::from).collect(), next_from }))
}

/// What was traded.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trades {
	trades: Vec<TradeView>,
	/// More come from this index on.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	next_from: Option<u32>,
}

/// What an account traded in a slot: its position, until it is settled.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TradeView {
	/// Whose it is, SS58.
	account: String,
	/// Bought in the auction, Wh.
	bought_wh: u64,
	/// Sold in the auction, Wh.
	sold_wh: u64,
	agreed: AgreedView,
	/// The money committed for it, minor units.
	held: String,
}

/// What was agreed besides the auction.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreedView {
	bought_wh: u64,
	sold_wh: u64,
	/// To be paid for it, minor units.
	payable: String,
	/// To be received for it, minor units.
	receivable: String,
}

impl From<energy_primitives::Agreed> for AgreedView {
	fn from(agreed: energy_primitives::Agreed) -> Self {
		Self {
			bought_wh: agreed.bought_wh,
			sold_wh: agreed.sold_wh,
			payable: agreed.payable.to_string(),
			receivable: agreed.receivable.to_string(),
		}
	}
}

impl From<Position<AccountId>> for TradeView {
	fn from(position: Position<AccountId>) -> Self {
		Self {
			account: views::account(&position.account),
			bought_wh: position.bought_wh,
			sold_wh: position.sold_wh,
			agreed: position.agreed.into(),
			held: position.held.to_string(),
		}
	}
}

/// List what was traded in a slot
///
/// Positions that are not settled yet; afterwards there are bills. With `account`, that of one account.
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/slots/{slot}/trades",
	tag = "market",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
		OrdersQuery,
	),
	responses((status = 200, description = "Positions.", body = Trades))
)]
pub(super) async fn trades(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot)): Segments<(ZoneId, Slot)>,
	Params(OrdersQuery { account, from }): Params<OrdersQuery>,
	caller: Caller,
) -> Result<Json<Trades>, Problem> {
	let account = account.as_deref().map(parse_account).transpose()?;
	let resource = resource_in(Kind::Trades, zone, slot, account.as_ref());
	shared.permit(&caller, Action::Read, resource).await?;
	if let Some(account) = account {
		let position = shared.api.market.position(zone, slot, account).await?;
		let trades = position.into_iter().map(TradeView::from).collect();
		return Ok(Json(Trades { trades, next_from: None }));
	}
	let from = from.unwrap_or(0);
	let positions = shared.api.market.positions(zone, slot, from).await?;
	let is_full = positions.len() >= PAGE_LIMIT as usize;
	let next_from = is_full.then(|| from.saturating_add(PAGE_LIMIT));
	Ok(Json(Trades { trades: positions.into_iter().map(TradeView::from).collect(), next_from }))
}

/// A bill: every figure that led to the money that moved.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BillView {
	/// Bought in the auction, Wh.
	bought_wh: u64,
	/// Sold in the auction, Wh.
	sold_wh: u64,
	agreed: AgreedView,
	measured: MeasuredView,
	flow: FlowView,
}

/// What all meters of an account measured.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredView {
	/// Taken from the grid, Wh.
	import_wh: u64,
	/// Given to the grid, Wh.
	export_wh: u64,
	#[schema(value_type = views::Quality)]
	quality: Quality,
}

/// Money, minor units.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowView {
	/// For the energy; positive when the participant receives.
	energy: String,
	/// For the deviation from what was promised; positive when the participant receives.
	imbalance: String,
	/// What the participant pays the grid.
	grid_fee: String,
	/// What the participant receives in all; negative: pays.
	net: Option<String>,
}

impl From<Bill> for BillView {
	fn from(bill: Bill) -> Self {
		Self {
			bought_wh: bill.bought_wh,
			sold_wh: bill.sold_wh,
			agreed: bill.agreed.into(),
			measured: MeasuredView {
				import_wh: bill.measured.import_wh,
				export_wh: bill.measured.export_wh,
				quality: bill.measured.quality,
			},
			flow: FlowView {
				energy: bill.flow.energy.to_string(),
				imbalance: bill.flow.imbalance.to_string(),
				grid_fee: bill.flow.grid_fee.to_string(),
				net: bill.flow.net().map(|net| net.to_string()),
			},
		}
	}
}

/// Show a bill
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/slots/{slot}/bills/{account}",
	tag = "market",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
		("account" = String, Path, description = "SS58."),
	),
	responses((status = 200, description = "The bill.", body = BillView))
)]
pub(super) async fn bill(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot, account)): Segments<(ZoneId, Slot, String)>,
	caller: Caller,
) -> Result<Json<BillView>, Problem> {
	let account = parse_account(&account)?;
	let resource = resource_in(Kind::Reconciliation, zone, slot, Some(&account));
	shared.permit(&caller, Action::Read, resource).await?;
	let bill = shared.api.market.bill(zone, slot, account).await?;
	let bill = bill.ok_or_else(|| {
		Problem::not_found("the account has no bill: not settled yet, no part in it, or forgotten")
	})?;
	Ok(Json(bill.into()))
}

/// The market of a slot.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketView {
	/// `open`, `clearing`, `cleared`, `settling`, `settled`, `annulling` or `annulled`.
	state: &'static str,
	gate_closes_seconds: u64,
	/// Orders placed, cancelled ones too.
	orders: u32,
	/// How many positions came of it.
	positions: u32,
	/// The one price, minor units per kWh, if energy changed hands in the auction.
	price: Option<u64>,
	/// Bought, Wh.
	volume_wh: Option<u64>,
	/// What of it comes from other zones, Wh.
	net_import_wh: Option<i64>,
	/// Whether the figures of the meters are final.
	metering_final: bool,
	/// Sold and not delivered, beyond the tolerance, Wh; zero until the slot is settled.
	shortage_wh: u64,
	/// Bought and not taken, beyond the tolerance, Wh; zero until the slot is settled.
	surplus_wh: u64,
}

impl From<SlotSummary> for MarketView {
	fn from(slot: SlotSummary) -> Self {
		Self {
			state: match slot.state {
				SlotState::Open => "open",
				SlotState::Clearing => "clearing",
				SlotState::Cleared => "cleared",
				SlotState::Settling => "settling",
				SlotState::Settled => "settled",
				SlotState::Annulling => "annulling",
				SlotState::Annulled => "annulled",
			},
			gate_closes_seconds: slot.gate_closes_seconds,
			orders: slot.orders,
			positions: slot.positions,
			price: slot.result.map(|result| result.price),
			volume_wh: slot.result.map(|result| result.volume_wh),
			net_import_wh: slot.result.map(|result| result.net_import_wh),
			metering_final: matches!(slot.metering, MeteringStatus::Final),
			shortage_wh: slot.deviations.shortage_wh,
			surplus_wh: slot.deviations.surplus_wh,
		}
	}
}

/// A page of an attestation: what this oracle sealed, beside what the chain has.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestationView {
	/// Meters `256 × page` and on.
	page: u32,
	/// How far this oracle's page has come.
	#[schema(value_type = super::meters::SlotState)]
	state: super::meters::SlotState,
	/// The root of the tree over the signed readings.
	readings_root: String,
	readings_count: u32,
	/// Lines of the page: meters whose readings fill the slot.
	meters: usize,
	import_wh: u64,
	export_wh: u64,
	/// The root that the oracles agreed on; null while they have not.
	chain_root: Option<String>,
	/// Whether it is the same.
	agrees: Option<bool>,
	/// Who vouched for it, SS58.
	oracles: Vec<String>,
}

/// What was traded, measured and attested in a slot.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
	/// The market of the slot; null if there is none.
	market: Option<MarketView>,
	/// Taken from the grid by all meters with whole readings here, Wh.
	import_wh: u64,
	/// Given to the grid by them, Wh.
	export_wh: u64,
	/// Pages, at most 64.
	pages: Vec<AttestationView>,
	/// Whether all pages are there, and the chain has the same.
	agrees: bool,
}

async fn pages(
	shared: &Arc<Shared>,
	zone: ZoneId,
	slot: Slot,
) -> Result<Vec<AttestationView>, Problem> {
	let reader = shared.clone();
	let sealed = blocking(move || {
		let registry = reader.api.registry.load();
		let meters = registry.as_ref().map_or(0, |registry| registry.count(zone));
		let last_page = meters.saturating_sub(1) / energy_primitives::METERS_PER_PAGE;
		let mut sealed = Vec::new();
		for page in 0..=last_page {
			if sealed.len() == PAGES_COMPARED {
				break;
			}
			sealed.extend(reader.api.store.page(PageKey { zone, slot, page })?);
		}
		Ok::<_, Problem>(sealed)
	})
	.await?;
	let mut views = Vec::new();
	for page in sealed {
		let ours = page.attestation;
		let number = ours.key.page;
		let theirs = match page.state {
			// Nothing was sent.
			PageState::Incomplete => None,
			_ => shared.api.market.attestation(zone, slot, number).await?,
		};
		views.push(AttestationView {
			page: number,
			state: page.state.into(),
			readings_root: hexadecimal(ours.readings_root.as_bytes()),
			readings_count: ours.readings_count,
			meters: ours.values.len(),
			import_wh: ours.values.iter().map(|value| value.import_wh).fold(0, u64::saturating_add),
			export_wh: ours.values.iter().map(|value| value.export_wh).fold(0, u64::saturating_add),
			agrees: theirs.as_ref().map(|theirs| theirs.readings_root == ours.readings_root),
			chain_root: theirs.as_ref().map(|theirs| hexadecimal(theirs.readings_root.as_bytes())),
			oracles: theirs.iter().flat_map(|theirs| &theirs.oracles).map(views::account).collect(),
		});
	}
	Ok(views)
}

/// The attestations of a slot.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attestations {
	/// Pages, at most 64.
	pages: Vec<AttestationView>,
}

/// List what was attested of a slot
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/slots/{slot}/attestations",
	tag = "attestations",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
	),
	responses((status = 200, description = "Pages.", body = Attestations))
)]
pub(super) async fn attestations(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot)): Segments<(ZoneId, Slot)>,
	caller: Caller,
) -> Result<Json<Attestations>, Problem> {
	let resource = resource_in(Kind::Attestations, zone, slot, None);
	shared.permit(&caller, Action::Read, resource).await?;
	shared.serves(zone)?;
	Ok(Json(Attestations { pages: pages(&shared, zone, slot).await? }))
}

/// Compare what was traded, measured and attested in a slot
#[utoipa::path(
	get,
	path = "/v1/zones/{zone}/slots/{slot}/reconciliation",
	tag = "market",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
	),
	responses((status = 200, description = "Both sides.", body = Reconciliation))
)]
pub(super) async fn reconciliation(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot)): Segments<(ZoneId, Slot)>,
	caller: Caller,
) -> Result<Json<Reconciliation>, Problem> {
	let resource = resource_in(Kind::Reconciliation, zone, slot, None);
	shared.permit(&caller, Action::Read, resource).await?;
	shared.serves(zone)?;
	let market = shared.api.market.market_slot(zone, slot).await?;
	let pages = pages(&shared, zone, slot).await?;
	let sum = |of: fn(&AttestationView) -> u64| pages.iter().map(of).fold(0, u64::saturating_add);
	Ok(Json(Reconciliation {
		market: market.map(MarketView::from),
		import_wh: sum(|page| page.import_wh),
		export_wh: sum(|page| page.export_wh),
		agrees: !pages.is_empty() && pages.iter().all(|page| page.agrees == Some(true)),
		pages,
	}))
}

/// Evidence for a bill: from the money to the meters' signatures.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
	#[schema(value_type = u32)]
	zone: ZoneId,
	#[schema(value_type = u32)]
	slot: Slot,
	account: String,
	/// The bill; null: not settled yet, no part in it, or forgotten.
	bill: Option<BillView>,
	/// The market of the slot; null if there is none.
	market: Option<MarketView>,
	/// What each meter of the account signed, with the way to the attested root. Meters without
	/// readings here are missing.
	meters: Vec<super::meters::SlotOfMeter>,
}

/// Collect the evidence for a bill
///
/// For the regulator: the bill, the market, and each signed reading with its Merkle path. Everything can
/// be checked against the chain, without trust in this oracle.
#[utoipa::path(
	get,
	path = "/v1/examination/zones/{zone}/slots/{slot}/accounts/{account}",
	tag = "sharing",
	params(
		("zone" = u32, Path, description = "The zone."),
		("slot" = u32, Path, description = "The slot."),
		("account" = String, Path, description = "SS58."),
	),
	responses((status = 200, description = "The evidence.", body = Evidence))
)]
pub(super) async fn examine(
	State(shared): State<Arc<Shared>>,
	Segments((zone, slot, account)): Segments<(ZoneId, Slot, String)>,
	caller: Caller,
) -> Result<Json<Evidence>, Problem> {
	let account = parse_account(&account)?;
	let resource = resource_in(Kind::Examination, zone, slot, Some(&account));
	shared.permit(&caller, Action::Read, resource).await?;
	shared.serves(zone)?;
	let bill = shared.api.market.bill(zone, slot, account.clone()).await?;
	let market = shared.api.market.market_slot(zone, slot).await?;
	let owner = account.clone();
	let reader = shared.clone();
	let meters = blocking(move || {
		let Some(registry) = reader.api.registry.load() else {
			return Err(Problem::unavailable("no-registry", "the registry has not been read yet"));
		};
		let mut meters = Vec::new();
		for id in registry.meters_of(zone, Some(&owner)) {
			if reader.api.store.locate(id, slot)?.is_some() {
				meters.push(super::meters::read_slot(reader.api.store.as_ref(), id, slot)?);
			}
		}
		Ok(meters)
	})
	.await?;
	Ok(Json(Evidence {
		zone,
		slot,
		account: views::account(&account),
		bill: bill.map(BillView::from),
		market: market.map(MarketView::from),
		meters,
	}))
}
