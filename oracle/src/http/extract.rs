//! What handlers take out of a request. What does not fit is refused with a problem document.

use std::convert::Infallible;

use axum::{
	extract::{
		rejection::{JsonRejection, PathRejection, QueryRejection},
		FromRequest, FromRequestParts, Path, Query, Request,
	},
	http::{header, request::Parts, StatusCode},
	Json,
};
use energy_primitives::MeterId;
use serde::{de::DeserializeOwned, Deserialize, Deserializer};

use super::{problem::Problem, trace::TraceId};
use crate::access::parse_meter;

/// The header that says what the data is asked for, where somebody shares it for a purpose.
pub const PURPOSE_HEADER: &str = "purpose";

/// Who asks, as far as the request says.
#[derive(Clone, Debug)]
pub struct Caller {
	/// The header `Authorization`.
	pub authorization: Option<String>,
	/// What the data is asked for.
	pub purpose: Option<String>,
	/// A name that the client gives to this request, so that it can send it again.
	pub idempotency_key: Option<String>,
	/// The identifier of the request.
	pub trace: Option<TraceId>,
}

impl Caller {
	/// The identifier of the request, for the audit log.
	pub fn request_id(&self) -> String {
		self.trace.map(|trace| trace.to_string()).unwrap_or_default()
	}

	/// Who asks, of the parts of a request.
	pub fn of(parts: &Parts) -> Self {
		let text = |name: header::HeaderName| {
			parts.headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
		};
		Self {
			authorization: text(header::AUTHORIZATION),
			purpose: text(header::HeaderName::from_static(PURPOSE_HEADER)),
			idempotency_key: text(header::HeaderName::from_static("idempotency-key")),
			trace: parts.extensions.get().copied(),
		}
	}
}

impl<S: Sync> FromRequestParts<S> for Caller {
	type Rejection = Infallible;

	async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
		Ok(Self::of(parts))
	}
}

/// The variable parts of the path.
pub struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
	type Rejection = Problem;

	async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
		let Path(value) = Path::from_request_parts(parts, state)
			.await
			.map_err(|error: PathRejection| Problem::bad_request("bad-path", error.body_text()))?;
		Ok(Self(value))
	}
}

/// The query.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
	type Rejection = Problem;

	async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
		let Query(value) =
			Query::from_request_parts(parts, state).await.map_err(|error: QueryRejection| {
				Problem::bad_request("bad-query", error.body_text())
			})?;
		Ok(Self(value))
	}
}

/// A body that is a JSON document.
pub struct Document<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequest<S> for Document<T> {
	type Rejection = Problem;

	async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
		match Json::from_request(request, state).await {
			Ok(Json(value)) => Ok(Self(value)),
			Err(error @ JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
				StatusCode::UNSUPPORTED_MEDIA_TYPE,
				"unsupported-media-type",
				error.body_text(),
			)),
			Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
				Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE))
			}
			Err(error) => Err(Problem::bad_request("bad-document", error.body_text())),
		}
	}
}

/// A meter's identifier: 64 hexadecimal digits, with or without `0x` before them.
#[derive(Clone, Copy, Debug)]
pub struct MeterText(pub MeterId);

impl<'de> Deserialize<'de> for MeterText {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let text = String::deserialize(deserializer)?;
		let id = parse_meter(&text);
		id.map(Self)
			.ok_or_else(|| serde::de::Error::custom("a meter's id is 64 hexadecimal digits"))
	}
}
