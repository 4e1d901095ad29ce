//! Problem documents, RFC 9457.

use std::fmt::Display;

use axum::{
	http::{header, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
	access::Denied,
	chain::ChainError,
	ingest::{body::BodyError, IngestError},
	store::StoreError,
};

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// What the types of problems begin with.
const TYPE_PREFIX: &str = "urn:energy-oracle:problem:";
/// How long to wait before asking again, seconds, where nothing better is known.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A problem document, RFC 9457: why a request was refused as a whole.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
	/// Which kind of problem: `urn:energy-oracle:problem:` and a code.
	#[serde(rename = "type")]
	pub kind: String,
	/// The status in words.
	pub title: &'static str,
	/// The status.
	#[schema(minimum = 400, maximum = 599)]
	pub status: u16,
	/// What happened, for a human.
	pub detail: String,
	/// The identifier of the request (W3C Trace Context), as in the logs.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub trace_id: Option<String>,
	/// How to identify oneself (`WWW-Authenticate`).
	#[serde(skip)]
	pub challenge: Option<Box<str>>,
	/// After how many seconds it may help to ask again (`Retry-After`).
	#[serde(skip)]
	pub retry_after_seconds: Option<u32>,
}

impl Problem {
	/// A problem.
	pub fn new(status: StatusCode, code: &str, detail: impl Display) -> Self {
		let may_pass =
			matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
		Self {
			kind: format!("{TYPE_PREFIX}{code}"),
			title: status.canonical_reason().unwrap_or("Error"),
			status: status.as_u16(),
			detail: detail.to_string(),
			trace_id: None,
			challenge: None,
			retry_after_seconds: may_pass.then_some(RETRY_AFTER_SECONDS),
		}
	}

	/// The oracle cannot answer now (503).
	pub fn unavailable(code: &str, detail: impl Display) -> Self {
		Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
	}

	/// There is no such thing (404).
	pub fn not_found(detail: impl Display) -> Self {
		Self::new(StatusCode::NOT_FOUND, "not-found", detail)
	}

	/// The request is wrong (400).
	pub fn bad_request(code: &str, detail: impl Display) -> Self {
		Self::new(StatusCode::BAD_REQUEST, code, detail)
	}

	/// The program failed (500); the reason is in the log.
	pub fn failed() -> Self {
		Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed")
	}

	/// What a bare status of the HTTP library means.
	pub fn of_status(status: StatusCode) -> Self {
		let (code, detail) = match status {
			StatusCode::BAD_REQUEST => ("bad-request", "the request cannot be read"),
			StatusCode::NOT_FOUND => ("no-such-resource", "there is no such resource"),
			StatusCode::METHOD_NOT_ALLOWED => {
				("method-not-allowed", "the resource has no such method")
			}
			StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "the body is too large"),
			StatusCode::UNSUPPORTED_MEDIA_TYPE => (
				"unsupported-media-type",
				"the body's type or its content coding is not taken; gzip, deflate and zstd are",
			),
			StatusCode::UPGRADE_REQUIRED => ("upgrade-required", "this resource is a WebSocket"),
			_ => ("refused", "the request was refused"),
		};
		Self::new(status, code, detail)
	}
}

impl IntoResponse for Problem {
	fn into_response(self) -> Response {
		let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
		let mut response = (status, Json(&self)).into_response();
		let headers = response.headers_mut();
		if let Some(challenge) =
			self.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok())
		{
			headers.insert(header::WWW_AUTHENTICATE, challenge);
		}
		if let Some(seconds) = self.retry_after_seconds {
			headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
		}
		headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
		// For whoever adds the identifier of the request.
		response.extensions_mut().insert(self);
		response
	}
}

impl From<Denied> for Problem {
	fn from(denied: Denied) -> Self {
		match denied {
			Denied::Token(error) => {
				let status =
					StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
				let challenge = Some(error.challenge().into());
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

impl From<ChainError> for Problem {
	fn from(error: ChainError) -> Self {
		tracing::warn!(%error, "a request could not be answered from the chain");
		Self::unavailable("node-away", "the node does not answer")
	}
}
