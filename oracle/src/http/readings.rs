//! Takes signed readings.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
	body::Bytes,
	extract::{rejection::BytesRejection, FromRequest, Request, State},
	http::{header, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use oracle_port::Verdict;
use secure_server::PeerIdentity;
use serde::Serialize;
use utoipa::{
	openapi::{ArrayBuilder, Object, OneOfBuilder, RefOr, Schema},
	PartialSchema, ToSchema,
};

use super::{extract::Caller, problem::Problem, Shared, BODIES_KIB};
use crate::ingest::{body::Format, IngestError, Messages, Sender};

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// One message, or several.
struct MessagesView;

impl PartialSchema for MessagesView {
	fn schema() -> RefOr<Schema> {
		let several = ArrayBuilder::new().items(Object::new()).min_items(Some(1));
		OneOfBuilder::new().item(Object::new()).item(several).into()
	}
}

impl ToSchema for MessagesView {
	fn name() -> Cow<'static, str> {
		"Messages".into()
	}
}

/// What became of the messages.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Taken {
	/// How many were stored: they are on the disk.
	accepted: usize,
	/// How many had been stored before.
	duplicate: usize,
	/// How many are not taken, with the reason in their place.
	rejected: usize,
	/// One line for each message, in the order of the body.
	results: Vec<TakenLine>,
}

/// What became of one message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TakenLine {
	/// Its place in the body.
	index: usize,
	/// `accepted`, `duplicate` or `rejected`; a rejected one has the field, the reason and a code.
	#[serde(flatten)]
	#[schema(inline, value_type = VerdictView)]
	verdict: Verdict,
}

/// A verdict as it is written.
#[derive(ToSchema)]
#[schema(as = Verdict)]
#[allow(dead_code)]
struct VerdictView {
	/// What became of it.
	status: VerdictStatus,
	/// The field of the message that is wrong.
	#[schema(nullable = false)]
	field: Option<String>,
	/// What is wrong, for a human.
	#[schema(nullable = false)]
	reason: Option<String>,
	/// What is wrong, for a program.
	#[schema(nullable = false)]
	code: Option<String>,
}

/// What became of a message.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)]
enum VerdictStatus {
	/// It is on the disk.
	Accepted,
	/// It had been stored before.
	Duplicate,
	/// It is not taken.
	Rejected,
}

/// Take signed readings
///
/// One message of the standard, an array of them, or one on each line. A message is acknowledged when it is
/// on the disk; what is wrong with one of them is told in its place, and the others are taken. Messages may
/// be sent again: what was stored before is recognised. The body may be compressed.
#[utoipa::path(
	post,
	path = "/v1/readings",
	tag = "readings",
	request_body(
		description = "Messages of WIA-ENE-014, signed by their meters.",
		content(
			(MessagesView = "application/json"),
			(Object = "application/x-ndjson"),
		)
	),
	responses((status = 200, description = "What became of each message.", body = Taken))
)]
pub(super) async fn take_readings(State(shared): State<Arc<Shared>>, request: Request) -> Response {
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
	let (parts, body) = request.into_parts();
	let caller = Caller::of(&parts);
	let sender = match &shared.api.gate {
		None => Sender::Anyone,
		Some(gate) => {
			let authorization = caller.authorization.as_deref();
			let identity = parts.extensions.get::<PeerIdentity>();
			let request_id = caller.request_id();
			gate.sender_of(authorization, identity, &shared.api.zones, &request_id).await?
		}
	};
	let request = Request::from_parts(parts, body);
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

	// Room for the body first, so that many large requests at once wait instead of filling memory. How
	// long a compressed one will be is not known.
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
