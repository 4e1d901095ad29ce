//! Consents to share data, and exports of what is held.

use std::sync::Arc;

use axum::{
	body::{Body, Bytes},
	extract::State,
	http::{header, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use energy_primitives::{AccountId, MeterId, Slot, ZoneId};
use oracle_access::{Action, Kind, Resource};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use super::{
	extract::{Caller, Document, Params, Segments},
	market::parse_account,
	meters::PageOfSlot,
	problem::Problem,
	views, Shared,
};
use crate::{
	access::{
		consents::{ConsentError, ConsentPage, ConsentRequest, ConsentSide, KeptConsent},
		Gate,
	},
	store::PageKey,
};

/// How many lines of an export wait for a slow reader.
const LINES_WAITING: usize = 16;

impl From<ConsentError> for Problem {
	fn from(error: ConsentError) -> Self {
		match error {
			ConsentError::Field { .. } => Self::bad_request("bad-document", error),
			ConsentError::Denied(denied) => denied.into(),
			ConsentError::Unknown => Self::not_found(error),
			ConsentError::TooMany => Self::new(StatusCode::CONFLICT, "too-many-consents", error),
			ConsentError::Full => Self::unavailable("full", error),
			ConsentError::Store(error) => error.into(),
		}
	}
}

impl Shared {
	/// What decides on access; without it there is nobody to share with.
	pub(super) fn gate(&self) -> Result<&Gate, Problem> {
		self.api
			.gate
			.as_ref()
			.ok_or_else(|| Problem::not_found("this oracle has no access control"))
	}
}

/// A consent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
struct Consent {
	/// 32 hexadecimal digits.
	id: String,
	/// The account that shares, SS58.
	owner: String,
	/// The account that may read, SS58.
	grantee: String,
	/// What may be read.
	kinds: Vec<String>,
	/// The meters it is limited to; all of the owner's if it is missing.
	#[schema(nullable = false)]
	meters: Option<Vec<String>>,
	/// What the data may be used for. The header `purpose` of a request must name the same.
	purpose: String,
	/// The first second at which it holds.
	valid_from: u64,
	/// The first second at which it holds no longer.
	expires_at: u64,
	given_at: u64,
	#[schema(nullable = false)]
	withdrawn_at: Option<u64>,
}

/// What an owner sends to give a consent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
struct NewConsent {
	/// The account that may read, SS58.
	grantee: String,
	/// Kinds of data, such as `readings` and `slots`.
	#[schema(min_items = 1)]
	kinds: Vec<String>,
	/// Meters to limit it to, 64 hexadecimal digits each.
	meters: Option<Vec<String>>,
	/// What the data may be used for: letters, digits and `-`.
	purpose: String,
	/// The first second at which it holds; now if not given.
	valid_from: Option<u64>,
	/// The first second at which it holds no longer; within three years.
	expires_at: u64,
}

/// Consents of an account.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
struct Consents {
	consents: Vec<Consent>,
	/// Others come after this identifier.
	#[schema(nullable = false)]
	next_after: Option<String>,
}

/// Give a consent to share data
///
/// In the name of the bearer's account. With the header `idempotency-key` a request that is sent again gives
/// no second consent.
#[utoipa::path(
	post,
	path = "/v1/consents",
	tag = "sharing",
	params((
		"idempotency-key" = Option<String>,
		Header,
		description = "A name for this request.",
		min_length = 1,
		max_length = 255
	)),
	request_body = NewConsent,
	responses(
		(status = 201, description = "It holds.", body = Consent),
		(status = 404, description = "This oracle has no access control.", body = Problem,
			content_type = "application/problem+json"),
		(status = 409, description = "The account has as many as there may be, or the key was used for \
			another request.", body = Problem, content_type = "application/problem+json"),
	)
)]
pub(super) async fn give(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Document(request): Document<serde_json::Value>,
) -> Result<Response, Problem> {
	let gate = shared.gate()?;
	let authorization = caller.authorization.as_deref();
	let resource = Resource::new(Kind::Consents, "new");
	let request_id = caller.request_id();
	let bearer = gate.bearer(authorization, Action::Write, &resource, &request_id).await?;
	shared
		.once(&bearer.id(), &caller, &request, async {
			let request: ConsentRequest = serde_json::from_value(request.clone())
				.map_err(|error| Problem::bad_request("bad-document", error))?;
			let consent = gate.give_consent(authorization, &request, &request_id).await?;
			Ok((StatusCode::CREATED, consent))
		})
		.await
}

/// Which consents.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsentsQuery {
	/// Of which account, SS58; the bearer's own if not given.
	account: Option<String>,
	/// Those that it gave, or those that were given to it.
	#[serde(default = "given")]
	#[param(value_type = Option<ConsentSideView>)]
	side: ConsentSide,
	/// Those after this identifier.
	after: Option<String>,
}

fn given() -> ConsentSide {
	ConsentSide::Given
}

/// Which side of a consent an account is on.
#[derive(ToSchema)]
#[schema(as = ConsentSide, rename_all = "kebab-case")]
#[allow(dead_code)]
pub(super) enum ConsentSideView {
	/// It gave it.
	Given,
	/// It was given to it.
	Received,
}

/// List consents
#[utoipa::path(
	get,
	path = "/v1/consents",
	tag = "sharing",
	params(ConsentsQuery),
	responses(
		(status = 200, description = "Consents.", body = Consents),
		(status = 404, description = "This oracle has no access control.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn consents(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Params(ConsentsQuery { account, side, after }): Params<ConsentsQuery>,
) -> Result<Json<ConsentPage>, Problem> {
	let (account, after) = (account.as_deref(), after.as_deref());
	let authorization = caller.authorization.as_deref();
	let gate = shared.gate()?;
	let page = gate.consents_of(authorization, account, side, after, &caller.request_id()).await?;
	Ok(Json(page))
}

/// Show a consent
#[utoipa::path(
	get,
	path = "/v1/consents/{id}",
	tag = "sharing",
	params(("id" = String, Path, description = "32 hexadecimal digits.")),
	responses((status = 200, description = "The consent.", body = Consent))
)]
pub(super) async fn consent(
	State(shared): State<Arc<Shared>>,
	Segments(id): Segments<String>,
	caller: Caller,
) -> Result<Json<KeptConsent>, Problem> {
	let authorization = caller.authorization.as_deref();
	Ok(Json(shared.gate()?.consent(authorization, &id, &caller.request_id()).await?))
}

/// Withdraw a consent
///
/// It counts for no request that comes after the answer, and stays in the list as withdrawn.
#[utoipa::path(
	delete,
	path = "/v1/consents/{id}",
	tag = "sharing",
	params(("id" = String, Path, description = "32 hexadecimal digits.")),
	responses((status = 200, description = "It is withdrawn.", body = Consent))
)]
pub(super) async fn withdraw(
	State(shared): State<Arc<Shared>>,
	Segments(id): Segments<String>,
	caller: Caller,
) -> Result<Json<KeptConsent>, Problem> {
	let authorization = caller.authorization.as_deref();
	Ok(Json(shared.gate()?.withdraw_consent(authorization, &id, &caller.request_id()).await?))
}

/// Which slots of which zone.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ExportQuery {
	/// The zone.
	#[param(value_type = u32)]
	zone: ZoneId,
	/// The first slot.
	#[param(value_type = u32)]
	from_slot: Slot,
	/// The first slot after them.
	#[param(value_type = u32)]
	to_slot: Slot,
}

/// The last line of an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Closing {
	/// How many lines come before this one.
	lines: u64,
	/// SHA-256 over them, with their line feeds.
	sha256: String,
}

/// Export everything that is held of an account
///
/// One line in JSON for each meter and slot, by slot: the signed readings, with proofs. The last line says how
/// many lines there are before it and has their SHA-256; an export without it is not complete.
#[utoipa::path(
	get,
	path = "/v1/exports/accounts/{account}",
	tag = "sharing",
	params(("account" = String, Path, description = "SS58."), ExportQuery),
	responses((status = 200, description = "Lines, as they are read.", body = String,
		content_type = "application/x-ndjson"))
)]
pub(super) async fn export_account(
	State(shared): State<Arc<Shared>>,
	Segments(account): Segments<String>,
	Params(query): Params<ExportQuery>,
	caller: Caller,
) -> Result<Response, Problem> {
	let account = parse_account(&account)?;
	let mut resource = Resource::new(Kind::Exports, views::account(&account));
	resource.owner = Some(views::account(&account));
	shared.permit(&caller, Action::Read, resource).await?;
	export(shared, Some(account), query)
}

/// Export everything that is held of a zone
///
/// Like the export of an account, for all meters of the zone.
#[utoipa::path(
	get,
	path = "/v1/exports/zones",
	tag = "sharing",
	params(ExportQuery),
	responses((status = 200, description = "Lines, as they are read.", body = String,
		content_type = "application/x-ndjson"))
)]
pub(super) async fn export_zone(
	State(shared): State<Arc<Shared>>,
	Params(query): Params<ExportQuery>,
	caller: Caller,
) -> Result<Response, Problem> {
	let mut resource = Resource::new(Kind::Exports, format!("zone-{}", query.zone));
	resource.zone = Some(query.zone.0);
	shared.permit(&caller, Action::Read, resource).await?;
	export(shared, None, query)
}

fn export(
	shared: Arc<Shared>,
	owner: Option<AccountId>,
	query: ExportQuery,
) -> Result<Response, Problem> {
	let ExportQuery { zone, from_slot, to_slot } = query;
	shared.serves(zone)?;
	let Some(registry) = shared.api.registry.load() else {
		return Err(Problem::unavailable("no-registry", "the registry has not been read yet"));
	};
	let meters = registry.meters_of(zone, owner.as_ref());
	let room = shared.streams.clone().try_acquire_owned().map_err(|_full| {
		Problem::unavailable("too-many-streams", "as many streams are open as there may be")
	})?;
	let (lines, waiting) = mpsc::channel::<Result<Bytes, std::io::Error>>(LINES_WAITING);
	tokio::task::spawn_blocking(move || {
		let _room = room;
		if let Err(problem) = write_export(&shared, zone, from_slot..to_slot, &meters, &lines) {
			// A client sees by the broken connection that the export is not complete.
			let _ = lines.blocking_send(Err(std::io::Error::other(problem.detail)));
		}
	});
	let body = Body::from_stream(ReceiverStream::new(waiting));
	Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Writes the lines of an export, as fast as they are taken.
fn write_export(
	shared: &Shared,
	zone: ZoneId,
	slots: std::ops::Range<Slot>,
	meters: &[MeterId],
	lines: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> Result<(), Problem> {
	let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
	let mut count = 0u64;
	let store = shared.api.store.as_ref();
	let mut after = slots.start.0.checked_sub(1).map(Slot);
	loop {
		let next = store.next_slot_with_readings(zone, after)?;
		let Some(slot) = next.filter(|slot| *slot < slots.end) else { break };
		let mut page: Option<PageOfSlot> = None;
		for &id in meters {
			let Some((zone, meter)) = store.locate(id, slot)? else { continue };
			let key = PageKey { zone, slot, page: meter.page() };
			// Meters come by their places: many are on the page that was read last.
			let page = match page.take().filter(|page| page.key() == key) {
				Some(read) => page.insert(read),
				None => page.insert(PageOfSlot::read(store, key, None)?),
			};
			let mut line = json_line(&page.of(id, meter))?;
			line.push(b'\n');
			digest.update(&line);
			count = count.saturating_add(1);
			if lines.blocking_send(Ok(line.into())).is_err() {
				// The client has gone.
				return Ok(());
			}
		}
		after = Some(slot);
	}
	let sha256 = hex::encode(digest.finish());
	let mut line = json_line(&Closing { lines: count, sha256 })?;
	line.push(b'\n');
	let _ = lines.blocking_send(Ok(line.into()));
	Ok(())
}

fn json_line(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
	serde_json::to_vec(value).map_err(|error| {
		tracing::error!(%error, "a line of an export cannot be written");
		Problem::failed()
	})
}
