//! The HTTP interface. Its description, `GET /v1/openapi.json` (OpenAPI 3.1; 3.0 beside it), is made from the
//! same source as its routes.
//!
//! A request passes [`edge`]: it gets an identifier, and what is refused is answered with a problem document
//! (RFC 9457). Handlers ask [`Shared::permit`] before anything else.

use std::{
	sync::{Arc, Mutex},
	time::{SystemTime, UNIX_EPOCH},
};

use axum::{extract::DefaultBodyLimit, middleware, routing::get, Router};
use energy_primitives::{AccountId, MeterId, ZoneId};
use oracle_access::{Action, Kind, Principal, Resource};
use tokio::sync::{watch, Semaphore};
use tower_http::{compression::CompressionLayer, decompression::RequestDecompressionLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
	access::{meter_resource, Gate},
	chain::market::MarketReads,
	clock::Clock,
	events::Events,
	ingest::Ingest,
	metrics::Metrics,
	registry::RegistryCell,
	store::{rocks::RocksStore, Store, StoreError},
	webhooks::Webhooks,
};

pub mod document;
mod edge;
mod events;
mod extract;
mod market;
mod meters;
pub mod once;
mod operations;
pub mod problem;
pub mod rate;
mod readings;
mod sharing;
mod tokens;
mod trace;
mod usage;
mod views;
mod webhooks;

use document::{Documents, Interface};
use extract::Caller;
use once::Answers;
use problem::Problem;
use rate::{Rate, RateSettings};
use trace::TraceIds;

/// All bodies that are being served together, KiB.
const BODIES_KIB: usize = 64 * 1024;
/// The most streams and exports at once.
const STREAMS: usize = 1_000;
/// The most items in one answer.
const ITEMS: usize = 100;

/// What the handlers share.
pub struct Api {
	/// Who may do what; everybody everything without it.
	pub gate: Option<Gate>,
	/// How much one client may ask for.
	pub rate: RateSettings,
	/// The way in.
	pub ingest: Ingest,
	/// Where readings and pages are.
	pub store: Arc<dyn Store>,
	/// The same database, for what only this interface reads.
	pub database: Arc<RocksStore>,
	/// The registered meters.
	pub registry: Arc<RegistryCell>,
	/// The market on the chain.
	pub market: Arc<dyn MarketReads>,
	/// Sends webhooks, if that is configured.
	pub webhooks: Option<Arc<Webhooks>>,
	/// What happens.
	pub events: Arc<Events>,
	/// The counters.
	pub metrics: Arc<Metrics>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// Becomes true when the service ends; streams end with it.
	pub ending: watch::Receiver<bool>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// The account that attests.
	pub account: AccountId,
}

/// The interface cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceError {
	/// Its description cannot be written.
	#[error("the interface cannot be described: {0}")]
	Description(#[from] serde_json::Error),
	/// The store failed.
	#[error(transparent)]
	Store(#[from] StoreError),
}

/// The state behind the routes.
struct Shared {
	api: Api,
	bodies: Arc<Semaphore>,
	/// Room for streams and exports.
	streams: Arc<Semaphore>,
	answers: Mutex<Answers>,
	traces: TraceIds,
	/// What this process calls itself in answers' trace context.
	span_id: String,
	address_rate: Rate<std::net::IpAddr>,
	client_rate: Rate<String>,
	reading_rate: Rate<std::net::IpAddr>,
}

/// The routes, and their description.
fn described() -> OpenApiRouter<Arc<Shared>> {
	OpenApiRouter::with_openapi(Interface::openapi())
		.routes(routes!(readings::take_readings))
		.routes(routes!(meters::meters_of_zone))
		.routes(routes!(meters::meter))
		.routes(routes!(meters::recent_slots))
		.routes(routes!(meters::slot_of_meter))
		.routes(routes!(meters::findings))
		.routes(routes!(usage::usage))
		.routes(routes!(usage::green_button))
		.routes(routes!(market::orders))
		.routes(routes!(market::trades))
		.routes(routes!(market::bill))
		.routes(routes!(market::attestations))
		.routes(routes!(market::reconciliation))
		.routes(routes!(market::examine))
		.routes(routes!(events::list))
		.routes(routes!(events::stream))
		.routes(routes!(events::socket))
		.routes(routes!(webhooks::subscribe, webhooks::list))
		.routes(routes!(webhooks::show, webhooks::unsubscribe))
		.routes(routes!(webhooks::resume))
		.routes(routes!(sharing::give, sharing::consents))
		.routes(routes!(sharing::consent, sharing::withdraw))
		.routes(routes!(sharing::export_account))
		.routes(routes!(sharing::export_zone))
		.routes(routes!(operations::dead_letters))
		.routes(routes!(operations::status))
		.routes(routes!(operations::health))
		.routes(routes!(operations::readiness))
		.routes(routes!(operations::prometheus))
		.routes(routes!(tokens::token))
		.routes(routes!(tokens::revoke))
		.routes(routes!(tokens::key_set))
}

/// The description of the interface, of an oracle with or without access control.
///
/// # Errors
/// When it cannot be written, which is a fault of this program.
pub fn documents(is_guarded: bool) -> serde_json::Result<Documents> {
	let (_routes, description) = described().split_for_parts();
	Documents::new(&description, is_guarded)
}

/// The routes.
///
/// # Errors
/// When their description cannot be written, which is a fault of this program, or the store fails.
pub fn router(api: Api) -> Result<Router, InterfaceError> {
	let max_body_bytes = api.ingest.limits().max_body_bytes;
	let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
	let traces = TraceIds::new(u64::try_from(started.as_nanos()).unwrap_or(u64::MAX));
	let RateSettings {
		requests_per_second,
		burst,
		clients_per_address,
		reading_requests_per_second,
	} = api.rate;
	let shared = Arc::new(Shared {
		bodies: Arc::new(Semaphore::new(BODIES_KIB)),
		streams: Arc::new(Semaphore::new(STREAMS)),
		answers: Answers::open(api.database.as_ref())?,
		span_id: traces.next().to_string()[..16].to_owned(),
		traces,
		address_rate: Rate::new(
			requests_per_second.saturating_mul(clients_per_address),
			burst.saturating_mul(clients_per_address),
		),
		client_rate: Rate::new(requests_per_second, burst),
		reading_rate: Rate::new(reading_requests_per_second, reading_requests_per_second),
		api,
	});
	let is_guarded = shared.api.gate.is_some();
	let (routes, description) = described().split_for_parts();
	let Documents { current, earlier } = Documents::new(&description, is_guarded)?;
	Ok(routes
		.route("/v1/openapi.json", get(|| async { document::answer(current) }))
		.route("/v1/openapi-3.0.json", get(|| async { document::answer(earlier) }))
		.layer(DefaultBodyLimit::max(max_body_bytes))
		.layer(RequestDecompressionLayer::new())
		.layer(middleware::from_fn_with_state(shared.clone(), edge::pass))
		.layer(CompressionLayer::new())
		.with_state(shared))
}

impl Shared {
	/// Whether who asks may do something; who it is, where that matters.
	async fn permit(
		&self,
		caller: &Caller,
		action: Action,
		resource: Resource,
	) -> Result<Option<Principal>, Problem> {
		let Some(gate) = &self.api.gate else { return Ok(None) };
		let authorization = caller.authorization.as_deref();
		let purpose = caller.purpose.as_deref();
		let request_id = caller.request_id();
		let principal =
			gate.allow_for_purpose(authorization, purpose, action, &resource, &request_id).await?;
		self.client_rate.check(&principal.id().to_string())?;
		Ok(Some(principal))
	}

	/// Whether who asks may look at something of a meter.
	async fn permit_meter(
		&self,
		caller: &Caller,
		kind: Kind,
		id: MeterId,
	) -> Result<Option<Principal>, Problem> {
		let registry = self.api.registry.load();
		let resource = meter_resource(kind, id, registry.as_deref());
		self.permit(caller, Action::Read, resource).await
	}

	/// Whether this oracle has a zone.
	fn serves(&self, zone: ZoneId) -> Result<(), Problem> {
		if self.api.zones.contains(&zone) {
			Ok(())
		} else {
			Err(Problem::not_found("this oracle does not serve the zone"))
		}
	}
}

/// Runs what reads the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
	read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
	tokio::task::spawn_blocking(read).await.unwrap_or_else(|_panicked| Err(Problem::failed()))
}
