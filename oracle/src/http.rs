//! The HTTP interface.
//!
//! | | |
//! |---|---|
//! | `POST /v1/readings` | takes signed readings: one JSON message, an array, or one on each line |
//! | `GET /v1/meters/{meterId}/slots` | the newest slots in which a meter has readings |
//! | `GET /v1/meters/{meterId}/slots/{slot}` | its readings in a slot, with proofs |
//! | `GET /v1/dead-letters` | what was rejected, and why |
//! | `POST /oauth/token` | tokens for clients, where access is configured |
//! | `GET /.well-known/jwks.json` | the public keys of these tokens |
//! | `GET /v1/status` | what the oracle is doing |
//! | `GET /healthz` | the process answers |
//! | `GET /readyz` | readings can be taken and the node is there |
//! | `GET /metrics` | counters for Prometheus |
//!
//! A request that is refused as a whole is answered with a problem document (RFC 9457).

use std::{
	fmt::Display,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::Duration,
};

use axum::{
	body::Bytes,
	extract::{
		rejection::{BytesRejection, QueryRejection},
		DefaultBodyLimit, FromRequest, Path, Query, Request, State,
	},
	http::{header, HeaderMap, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	routing::{get, post},
	Extension, Json, Router,
};
use codec::Encode;
use energy_primitives::{
	merkle::{self, MerklePath},
	AccountId, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId, METERS_PER_PAGE,
};
use oracle_access::{Action, Kind, Resource};
use oracle_port::Verdict;
use secure_server::PeerAddress;
use serde::{Deserialize, Serialize};
use sp_core::H256;
use tokio::sync::Semaphore;
use wia_ene_014::canonical::{DeviceSignature, Quality, SignedMessage};

use crate::{
	access::{meter_resource, parse_meter, Denied, Gate},
	clock::Clock,
	ingest::{body::BodyError, body::Format, Ingest, IngestError, Messages, Sender},
	metrics::{Counts, Metrics},
	registry::RegistryCell,
	store::{readings, KeptDeadLetter, PageKey, PageState, RecentSlots, Store, StoreError},
};

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// All bodies that are being served together, KiB.
const BODIES_KIB: usize = 64 * 1024;
/// The most slots in one answer.
const RECENT_SLOTS: usize = 100;
/// The most rejected messages in one answer.
const RECENT_LETTERS: usize = 100;
/// The most outbox entries that are counted one by one for the metrics.
const OUTBOX_COUNTED: usize = 100_000;

/// What the handlers share.
pub struct Api {
	/// Who may do what; everybody everything without it.
	pub gate: Option<Gate>,
	/// The way in.
	pub ingest: Ingest,
	/// Where readings and pages are.
	pub store: Arc<dyn Store>,
	/// The registered meters.
	pub registry: Arc<RegistryCell>,
	/// The counters.
	pub metrics: Arc<Metrics>,
	/// What time it is.
	pub clock: Arc<dyn Clock>,
	/// The zones of this oracle.
	pub zones: Vec<ZoneId>,
	/// The account that attests.
	pub account: AccountId,
}

struct Shared {
	api: Api,
	requests: AtomicU64,
	bodies: Arc<Semaphore>,
}

/// The routes.
pub fn router(api: Api) -> Router {
	let max_body_bytes = api.ingest.limits().max_body_bytes;
	let bodies = Arc::new(Semaphore::new(BODIES_KIB));
	let shared = Arc::new(Shared { api, requests: AtomicU64::new(0), bodies });
	Router::new()
		.route("/v1/readings", post(take_readings))
		.route("/v1/meters/{meter_id}/slots", get(recent_slots))
		.route("/v1/meters/{meter_id}/slots/{slot}", get(slot_of_meter))
		.route("/v1/dead-letters", get(dead_letters))
		.route("/v1/status", get(status))
		.route("/oauth/token", post(token))
		.route("/.well-known/jwks.json", get(key_set))
		.route("/healthz", get(|| async { "ok\n" }))
		.route("/readyz", get(readiness))
		.route("/metrics", get(prometheus))
		.fallback(|| async {
			Problem::new(StatusCode::NOT_FOUND, "no-such-resource", "there is no such resource")
		})
		.method_not_allowed_fallback(|| async {
			Problem::new(
				StatusCode::METHOD_NOT_ALLOWED,
				"method-not-allowed",
				"the resource has no such method",
			)
		})
		.layer(DefaultBodyLimit::max(max_body_bytes))
		.with_state(shared)
}

impl Shared {
	/// A name for a request, in the audit log.
	fn request_id(&self) -> String {
		let number = self.requests.fetch_add(1, Ordering::Relaxed);
		format!("{}-{number}", self.api.clock.now_seconds())
	}

	/// Whether who asks may do something.
	async fn permit(
		&self,
		headers: &HeaderMap,
		action: Action,
		resource: Resource,
	) -> Result<(), Problem> {
		let Some(gate) = &self.api.gate else { return Ok(()) };
		gate.allow(authorization(headers), action, &resource, &self.request_id()).await?;
		Ok(())
	}

	/// Whether who asks may look at something of a meter.
	async fn permit_meter(
		&self,
		headers: &HeaderMap,
		kind: Kind,
		id: MeterId,
	) -> Result<(), Problem> {
		let registry = self.api.registry.load();
		let resource = meter_resource(kind, id, registry.as_deref());
		self.permit(headers, Action::Read, resource).await
	}
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
	headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

/// A problem document, RFC 9457.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
	/// Which kind of problem: `urn:energy-oracle:problem:` and a code.
	#[serde(rename = "type")]
	pub kind: String,
	/// The status in words.
	pub title: String,
	/// The status.
	pub status: u16,
	/// What happened, for a human.
	pub detail: String,
	/// How to identify oneself (`WWW-Authenticate`).
	#[serde(skip)]
	pub challenge: Option<String>,
}

impl Problem {
	fn new(status: StatusCode, code: &str, detail: impl Display) -> Self {
		Self {
			kind: format!("urn:energy-oracle:problem:{code}"),
			title: status.canonical_reason().unwrap_or("Error").to_owned(),
			status: status.as_u16(),
			detail: detail.to_string(),
			challenge: None,
		}
	}

	fn unavailable(code: &str, detail: impl Display) -> Self {
		Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
	}

	fn not_found(detail: impl Display) -> Self {
		Self::new(StatusCode::NOT_FOUND, "not-found", detail)
	}

	fn bad_request(code: &str, detail: impl Display) -> Self {
		Self::new(StatusCode::BAD_REQUEST, code, detail)
	}
}

impl IntoResponse for Problem {
	fn into_response(self) -> Response {
		let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
		let challenge = self.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
		let mut response = (status, Json(self)).into_response();
		let headers = response.headers_mut();
		if let Some(challenge) = challenge {
			headers.insert(header::WWW_AUTHENTICATE, challenge);
		}
		headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
		if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
			headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
		}
		response
	}
}

impl From<Denied> for Problem {
	fn from(denied: Denied) -> Self {
		match denied {
			Denied::Token(error) => {
				let status =
					StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
				let challenge = Some(error.challenge());
				Self { challenge, ..Self::new(status, error.code(), error) }
			}
			Denied::Policy => {
				Self::new(StatusCode::FORBIDDEN, "not-permitted", "no policy permits it")
			}
			Denied::NotAudited => {
				Self::unavailable("not-audited", "the decision cannot be written to the audit log")
			}
		}
	}
}

impl From<IngestError> for Problem {
	fn from(error: IngestError) -> Self {
		let code = match &error {
			IngestError::Body(BodyError::TooMany { .. }) => {
				return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-messages", error)
			}
			IngestError::Body(BodyError::Empty) => return Self::bad_request("no-message", error),
			IngestError::Body(_) => return Self::bad_request("not-json", error),
			IngestError::Busy => return Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", error),
			IngestError::NoRegistry => "no-registry",
			IngestError::Closed => "shutting-down",
			IngestError::Store(_) => "storage-failed",
		};
		Self::unavailable(code, error)
	}
}

impl From<StoreError> for Problem {
	fn from(error: StoreError) -> Self {
		tracing::error!(%error, "a request could not be answered");
		Self::new(StatusCode::INTERNAL_SERVER_ERROR, "storage-failed", "the store cannot be read")
	}
}

/// The answer to `POST /v1/readings`.
#[derive(Clone, Debug, Serialize)]
struct Taken {
	accepted: usize,
	duplicate: usize,
	rejected: usize,
	results: Vec<TakenLine>,
}

#[derive(Clone, Debug, Serialize)]
struct TakenLine {
	index: usize,
	#[serde(flatten)]
	verdict: Verdict,
}

async fn take_readings(State(shared): State<Arc<Shared>>, request: Request) -> Response {
	match take(&shared, request).await {
		Ok(verdicts) => {
			let count = |wanted: fn(&Verdict) -> bool| {
				verdicts.iter().filter(|verdict| wanted(verdict)).count()
			};
			Json(Taken {
				accepted: count(|verdict| matches!(verdict, Verdict::Accepted)),
				duplicate: count(|verdict| matches!(verdict, Verdict::Duplicate)),
				rejected: count(|verdict| matches!(verdict, Verdict::Rejected(_))),
				results: verdicts
					.into_iter()
					.enumerate()
					.map(|(index, verdict)| TakenLine { index, verdict })
					.collect(),
			})
			.into_response()
		}
		Err(problem) => {
			shared.api.metrics.count_refused_request();
			problem.into_response()
		}
	}
}

/// What the headers say of a body: its format, and its length where they name one.
fn announcement(request: &Request) -> Result<(Format, Option<usize>), Problem> {
	let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
	let format =
		header(header::CONTENT_TYPE).and_then(Format::of_content_type).ok_or_else(|| {
			Problem::new(
				StatusCode::UNSUPPORTED_MEDIA_TYPE,
				"unsupported-media-type",
				"send application/json or application/x-ndjson",
			)
		})?;
	let length = header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
	Ok((format, length))
}

async fn take(shared: &Shared, request: Request) -> Result<Vec<Verdict>, Problem> {
	let sender = match &shared.api.gate {
		None => Sender::Anyone,
		Some(gate) => {
			let authorization = authorization(request.headers());
			gate.sender(authorization, &shared.api.zones, &shared.request_id()).await?
		}
	};
	let (format, announced) = announcement(&request)?;
	let limits = shared.api.ingest.limits();
	let too_large = || {
		Problem::new(
			StatusCode::PAYLOAD_TOO_LARGE,
			"body-too-large",
			format_args!("the body has more than {} bytes", limits.max_body_bytes),
		)
	};
	if announced.is_some_and(|length| length > limits.max_body_bytes) {
		return Err(too_large());
	}

	// Room for the body first, so that many large requests at once wait instead of filling memory.
	let kib = announced.unwrap_or(limits.max_body_bytes).div_ceil(1024).clamp(1, BODIES_KIB);
	let room = shared.bodies.clone().acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX));
	let _room = tokio::time::timeout(limits.patience, room)
		.await
		.map_err(|_elapsed| IngestError::Busy)?
		.map_err(|_closed| IngestError::Closed)?;

	let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &()))
		.await
		.map_err(|_elapsed| {
			Problem::new(
				StatusCode::REQUEST_TIMEOUT,
				"body-too-slow",
				"the body did not arrive in time",
			)
		})?
		.map_err(|rejection: BytesRejection| match rejection.status() {
			StatusCode::PAYLOAD_TOO_LARGE => too_large(),
			_ => Problem::bad_request("body-broken-off", rejection.body_text()),
		})?;
	let messages = Messages::Body(format, body);
	Ok(shared.api.ingest.submit("http", sender, messages, limits.patience).await?)
}

fn parse_meter_id(text: &str) -> Result<MeterId, Problem> {
	parse_meter(text).ok_or_else(|| {
		Problem::bad_request("bad-meter-id", "a meter's id is 64 hexadecimal digits")
	})
}

/// Runs what reads the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
	read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
	tokio::task::spawn_blocking(read).await.unwrap_or_else(|_panicked| {
		Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed"))
	})
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlotsOfMeter {
	meter_id: String,
	slots: Vec<Slot>,
	/// Older slots come after this one.
	#[serde(skip_serializing_if = "Option::is_none")]
	next_before: Option<Slot>,
}

/// From where on slots are shown.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Before {
	before: Option<Slot>,
}

async fn recent_slots(
	State(shared): State<Arc<Shared>>,
	Path(meter_id): Path<String>,
	headers: HeaderMap,
	query: Result<Query<Before>, QueryRejection>,
) -> Result<Json<SlotsOfMeter>, Problem> {
	let id = parse_meter_id(&meter_id)?;
	shared.permit_meter(&headers, Kind::Slots, id).await?;
	let Query(Before { before }) =
		query.map_err(|error| Problem::bad_request("bad-query", error.body_text()))?;
	blocking(move || {
		let RecentSlots { slots, next_before } =
			shared.api.store.recent_slots(id, before, RECENT_SLOTS)?;
		if slots.is_empty() && next_before.is_none() && before.is_none() {
			return Err(Problem::not_found("the meter has no readings here"));
		}
		Ok(Json(SlotsOfMeter { meter_id: hex::encode(id.0), slots, next_before }))
	})
	.await
}

/// A meter's readings in a slot, and what proves that they were attested.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlotOfMeter {
	meter_id: String,
	zone: ZoneId,
	meter: MeterIndex,
	slot: Slot,
	page: u32,
	state: SlotState,
	#[serde(skip_serializing_if = "Option::is_none")]
	readings_root: Option<H256>,
	#[serde(skip_serializing_if = "Option::is_none")]
	readings_count: Option<u32>,
	#[serde(skip_serializing_if = "Option::is_none")]
	value: Option<Value>,
	readings: Vec<ReadingWithPath>,
}

/// How far a meter's slot has come.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum SlotState {
	/// More readings may come.
	Open,
	/// Sealed, and on its way to the chain.
	Pending,
	/// The chain has it.
	Done,
	/// The chain would no longer take it.
	TooLate,
	/// No meter of the page has figures for the whole slot, so there is nothing to attest.
	Incomplete,
}

impl From<PageState> for SlotState {
	fn from(state: PageState) -> Self {
		match state {
			PageState::Pending => Self::Pending,
			PageState::Done => Self::Done,
			PageState::TooLate => Self::TooLate,
			PageState::Incomplete => Self::Incomplete,
		}
	}
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Value {
	import_wh: u64,
	export_wh: u64,
	quality: Quality,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadingWithPath {
	/// SCALE of the signed message, which is the Merkle leaf without its two domains.
	signed_message: String,
	message: MessageView,
	signature: DeviceSignature,
	#[serde(skip_serializing_if = "Option::is_none")]
	path: Option<MerklePath>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageView {
	timestamp_seconds: u64,
	intervals: Vec<IntervalView>,
	#[serde(skip_serializing_if = "Option::is_none")]
	consumption_wh: Option<u64>,
	#[serde(skip_serializing_if = "Option::is_none")]
	generation_wh: Option<u64>,
	#[serde(skip_serializing_if = "Option::is_none")]
	storage_wh: Option<i64>,
	quality: Quality,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntervalView {
	start_seconds: u64,
	duration_seconds: u32,
	import_wh: u64,
	export_wh: u64,
	quality: Quality,
}

impl ReadingWithPath {
	fn new(signed: &SignedMessage, path: Option<MerklePath>) -> Self {
		let message = &signed.message;
		Self {
			signed_message: format!("0x{}", hex::encode(signed.encode())),
			message: MessageView {
				timestamp_seconds: message.timestamp_seconds,
				intervals: message
					.intervals
					.iter()
					.map(|interval| IntervalView {
						start_seconds: interval.start_seconds,
						duration_seconds: interval.duration_seconds,
						import_wh: interval.import_wh,
						export_wh: interval.export_wh,
						quality: interval.quality,
					})
					.collect(),
				consumption_wh: message.consumption_wh,
				generation_wh: message.generation_wh,
				storage_wh: message.storage_wh,
				quality: message.quality,
			},
			signature: signed.signature,
			path,
		}
	}
}

async fn slot_of_meter(
	State(shared): State<Arc<Shared>>,
	Path((meter_id, slot)): Path<(String, String)>,
	headers: HeaderMap,
) -> Result<Json<SlotOfMeter>, Problem> {
	let id = parse_meter_id(&meter_id)?;
	shared.permit_meter(&headers, Kind::Readings, id).await?;
	let slot: Slot = slot.parse().map_err(|_error| {
		Problem::bad_request("bad-slot", "a slot is a number from 0 to 4294967295")
	})?;
	blocking(move || read_slot(shared.api.store.as_ref(), id, slot).map(Json)).await
}

fn read_slot(store: &dyn Store, id: MeterId, slot: Slot) -> Result<SlotOfMeter, Problem> {
	let Some((zone, meter)) = store.locate(id, slot)? else {
		return Err(Problem::not_found("the meter has no readings in the slot here"));
	};
	let page = meter.page();
	let mut view = SlotOfMeter {
		meter_id: hex::encode(id.0),
		zone,
		meter,
		slot,
		page,
		state: SlotState::Open,
		readings_root: None,
		readings_count: None,
		value: None,
		readings: Vec::new(),
	};
	let Some(sealed) = store.page(PageKey { zone, slot, page })? else {
		let range = meter.0..meter.0.saturating_add(1);
		view.readings = readings(store, zone, slot, range)?
			.iter()
			.map(|reading| ReadingWithPath::new(&reading.signed, None))
			.collect();
		return Ok(view);
	};

	let first = page.saturating_mul(METERS_PER_PAGE);
	let all = readings(store, zone, slot, first..first.saturating_add(METERS_PER_PAGE))?;
	let leaves: Vec<Vec<u8>> = all.iter().map(|reading| reading.signed.leaf_bytes()).collect();
	let attestation = sealed.attestation;
	if merkle::root(&leaves) != attestation.readings_root {
		tracing::error!(%zone, %slot, page, "the stored readings are not those that were sealed");
		return Err(StoreError::Damaged { place: "readings" }.into());
	}
	view.state = sealed.state.into();
	view.readings_root = Some(attestation.readings_root);
	view.readings_count = Some(attestation.readings_count);
	view.value = attestation.values.iter().find(|value| value.meter == meter.0).map(|value| {
		Value { import_wh: value.import_wh, export_wh: value.export_wh, quality: value.quality }
	});
	view.readings = all
		.iter()
		.zip(0u32..)
		.filter(|(reading, _)| reading.meter == meter)
		.map(|(reading, place)| ReadingWithPath::new(&reading.signed, merkle::path(&leaves, place)))
		.collect();
	Ok(view)
}

/// Which rejected messages are shown.
#[derive(Clone, Copy, Debug, Deserialize)]
struct LettersQuery {
	/// Those after this number.
	after: Option<u64>,
	/// At most so many.
	limit: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
	letters: Vec<LetterView>,
	/// More come after this number.
	#[serde(skip_serializing_if = "Option::is_none")]
	next_after: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterView {
	number: u64,
	received_seconds: u64,
	source: String,
	field: String,
	code: String,
	reason: String,
	/// The beginning of the message; what is no UTF-8 in it is replaced.
	message: String,
}

async fn dead_letters(
	State(shared): State<Arc<Shared>>,
	headers: HeaderMap,
	query: Result<Query<LettersQuery>, QueryRejection>,
) -> Result<Json<DeadLetters>, Problem> {
	let resource = Resource::new(Kind::OperationsEvents, "dead-letters");
	shared.permit(&headers, Action::Read, resource).await?;
	let Query(LettersQuery { after, limit }) =
		query.map_err(|error| Problem::bad_request("bad-query", error.body_text()))?;
	let limit = limit.unwrap_or(RECENT_LETTERS).clamp(1, RECENT_LETTERS);
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

/// The token endpoint (RFC 6749, section 3.2), where access is configured.
async fn token(
	State(shared): State<Arc<Shared>>,
	headers: HeaderMap,
	body: Bytes,
) -> Result<Response, Problem> {
	let Some(gate) = &shared.api.gate else {
		return Err(Problem::not_found("this oracle issues no tokens"));
	};
	let authorization = authorization(&headers).map(str::to_owned);
	let mut response = match gate.token(authorization, body.to_vec()).await {
		Ok(answer) => Json(answer).into_response(),
		Err(error) => {
			let status = StatusCode::from_u16(error.status());
			let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
			let json = [(header::CONTENT_TYPE, "application/json")];
			let mut response = (status, json, error.body()).into_response();
			if let Some(challenge) = error.challenge() {
				let challenge = HeaderValue::from_static(challenge);
				response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
			}
			response
		}
	};
	// Tokens are not to be kept on the way.
	let headers = response.headers_mut();
	headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
	Ok(response)
}

/// The public keys of the tokens that this oracle issues (RFC 7517).
async fn key_set(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
	let Some(gate) = &shared.api.gate else {
		return Err(Problem::not_found("this oracle issues no tokens"));
	};
	let document = gate.key_set().map_err(|error| {
		tracing::error!(%error, "the key set cannot be written");
		Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed")
	})?;
	Ok(([(header::CONTENT_TYPE, "application/jwk-set+json")], document).into_response())
}

async fn readiness(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
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

/// From this machine without a token: Prometheus beside the oracle has none.
async fn prometheus(
	State(shared): State<Arc<Shared>>,
	peer: Option<Extension<PeerAddress>>,
	headers: HeaderMap,
) -> Result<Response, Problem> {
	let is_local = peer.is_some_and(|Extension(PeerAddress(peer))| peer.ip().is_loopback());
	if !is_local {
		let resource = Resource::new(Kind::OperationsEvents, "metrics");
		shared.permit(&headers, Action::Read, resource).await?;
	}
	blocking(move || {
		let api = &shared.api;
		let outbox = api.store.outbox(OUTBOX_COUNTED)?.len();
		let text = api.metrics.render(api.clock.now_seconds(), outbox);
		Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
	})
	.await
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
	version: &'static str,
	account: AccountId,
	node_connected: bool,
	best_block: u64,
	finalized_block: u64,
	seconds_since_last_block: Option<u64>,
	zones: Vec<ZoneStatus>,
	outbox_pages: usize,
	counts: Counts,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ZoneStatus {
	zone: ZoneId,
	meters: u32,
	calendar: Option<SlotCalendar>,
	sealed_through: Option<Slot>,
}

async fn status(
	State(shared): State<Arc<Shared>>,
	headers: HeaderMap,
) -> Result<Json<Status>, Problem> {
	let resource = Resource::new(Kind::OperationsEvents, "status");
	shared.permit(&headers, Action::Read, resource).await?;
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
			account: account.clone(),
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
