//! The state of the service.

use std::sync::Arc;

use axum::{
	extract::State,
	http::{header, HeaderValue},
	response::{IntoResponse, Response},
	Extension, Json,
};
use energy_primitives::{Slot, SlotCalendar, ZoneId};
use oracle_access::{Action, Kind, Resource};
use secure_server::PeerAddress;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
	blocking,
	extract::{Caller, Params},
	problem::Problem,
	views, Api, Shared, ITEMS,
};
use crate::{
	metrics::Counts,
	store::{KeptDeadLetter, StoreError},
};

/// The most outbox entries that are counted one by one for the metrics.
const OUTBOX_COUNTED: usize = 100_000;

/// Which rejected messages are shown.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LettersQuery {
	/// Those after this number.
	after: Option<u64>,
	/// At most so many.
	#[param(minimum = 1, maximum = 100, default = 100)]
	limit: Option<usize>,
}

/// Rejected messages, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
	letters: Vec<LetterView>,
	/// More come after this number.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	next_after: Option<u64>,
}

/// A rejected message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LetterView {
	number: u64,
	received_seconds: u64,
	/// Where it came from.
	source: String,
	/// The field that is wrong.
	field: String,
	/// What is wrong, for a program.
	code: String,
	/// What is wrong, for a human.
	reason: String,
	/// The beginning of the message; what is no UTF-8 in it is replaced.
	message: String,
}

/// List rejected messages
#[utoipa::path(
	get,
	path = "/v1/dead-letters",
	tag = "operations",
	params(LettersQuery),
	responses((status = 200, description = "Rejected messages, oldest first.", body = DeadLetters))
)]
pub(super) async fn dead_letters(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Params(LettersQuery { after, limit }): Params<LettersQuery>,
) -> Result<Json<DeadLetters>, Problem> {
	let resource = Resource::new(Kind::OperationsEvents, "dead-letters");
	shared.permit(&caller, Action::Read, resource).await?;
	let limit = limit.unwrap_or(ITEMS);
	if !(1..=ITEMS).contains(&limit) {
		return Err(Problem::bad_request("bad-query", format!("limit: 1 to {ITEMS}")));
	}
	blocking(move || {
		let kept = shared.api.store.dead_letters(after, limit)?;
		let next_after = kept.last().filter(|_| kept.len() == limit).map(|last| last.number);
		let view = |kept: KeptDeadLetter| LetterView {
			number: kept.number,
			received_seconds: kept.letter.received_seconds,
			source: kept.letter.source,
			field: kept.letter.field,
			code: kept.letter.code,
			reason: kept.letter.reason,
			message: String::from_utf8_lossy(&kept.letter.message).into_owned(),
		};
		Ok(Json(DeadLetters { letters: kept.into_iter().map(view).collect(), next_after }))
	})
	.await
}

/// The process answers
#[utoipa::path(
	get,
	path = "/healthz",
	tag = "operations",
	security(()),
	responses((status = 200, description = "It does.", body = String, content_type = "text/plain"))
)]
pub(super) async fn health() -> &'static str {
	"ok\n"
}

/// Readings can be taken and the node is there
#[utoipa::path(
	get,
	path = "/readyz",
	tag = "operations",
	security(()),
	responses((status = 200, description = "It is.", body = String, content_type = "text/plain"))
)]
pub(super) async fn readiness(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
	let api = &shared.api;
	if api.registry.load().is_none() {
		return Err(Problem::unavailable("no-registry", "the registry has not been read yet"));
	}
	if api.metrics.is_storage_failing() {
		return Err(Problem::unavailable("storage-failed", "the last write failed"));
	}
	if !api.metrics.is_connected() {
		return Err(Problem::unavailable(
			"node-away",
			"the node is away; readings are still taken",
		));
	}
	Ok("ready\n")
}

/// Counters for Prometheus
///
/// From this machine without a token: Prometheus beside the oracle has none.
#[utoipa::path(
	get,
	path = "/metrics",
	tag = "operations",
	security((), ("bearer" = []), ("oauth2" = [])),
	responses((status = 200, description = "Counters.", body = String, content_type = "text/plain"))
)]
pub(super) async fn prometheus(
	State(shared): State<Arc<Shared>>,
	peer: Option<Extension<PeerAddress>>,
	caller: Caller,
) -> Result<Response, Problem> {
	let is_local = peer.is_some_and(|Extension(PeerAddress(peer))| peer.ip().is_loopback());
	if !is_local {
		let resource = Resource::new(Kind::OperationsEvents, "metrics");
		shared.permit(&caller, Action::Read, resource).await?;
	}
	blocking(move || {
		let api = &shared.api;
		let outbox = api.store.outbox(OUTBOX_COUNTED)?.len();
		let text = api.metrics.render(api.clock.now_seconds(), outbox);
		let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
		Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
	})
	.await
}

/// What the oracle is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
	version: &'static str,
	/// The account that attests, SS58.
	account: String,
	node_connected: bool,
	best_block: u64,
	finalized_block: u64,
	seconds_since_last_block: Option<u64>,
	zones: Vec<ZoneStatus>,
	/// Pages that are on their way to the chain.
	outbox_pages: usize,
	#[schema(value_type = Object)]
	counts: Counts,
}

/// A zone of the oracle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
	#[schema(value_type = u32)]
	zone: ZoneId,
	meters: u32,
	/// When the slots of the zone are; null before the chain was read.
	#[schema(value_type = Option<views::Calendar>)]
	calendar: Option<SlotCalendar>,
	/// All slots up to this one are sealed.
	#[schema(value_type = Option<u32>)]
	sealed_through: Option<Slot>,
}

/// Show what the oracle is doing
#[utoipa::path(
	get,
	path = "/v1/status",
	tag = "operations",
	responses((status = 200, description = "The state of the service.", body = Status))
)]
pub(super) async fn status(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
) -> Result<Json<Status>, Problem> {
	let resource = Resource::new(Kind::OperationsEvents, "status");
	shared.permit(&caller, Action::Read, resource).await?;
	blocking(move || {
		let Api { store, registry, metrics, clock, zones, account, .. } = &shared.api;
		let registry = registry.load();
		let zones = zones
			.iter()
			.map(|zone| {
				Ok(ZoneStatus {
					zone: *zone,
					meters: registry.as_ref().map_or(0, |registry| registry.count(*zone)),
					calendar: registry.as_ref().and_then(|known| known.calendar(*zone)).cloned(),
					sealed_through: store.sealed_through(*zone)?,
				})
			})
			.collect::<Result<_, StoreError>>()?;
		let (best_block, finalized_block) = metrics.head();
		Ok(Json(Status {
			version: env!("CARGO_PKG_VERSION"),
			account: views::account(account),
			node_connected: metrics.is_connected(),
			best_block,
			finalized_block,
			seconds_since_last_block: metrics.seconds_since_head(clock.now_seconds()),
			zones,
			outbox_pages: store.outbox(OUTBOX_COUNTED)?.len(),
			counts: metrics.counts(),
		}))
	})
	.await
}
