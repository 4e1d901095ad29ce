//! What every request passes on its way in and out: its identifier, the limit of its address, a
//! problem document for what the library refuses, and the entity tag of what is read.

use std::sync::Arc;

use axum::{
	body::{to_bytes, Body, HttpBody},
	extract::{Request, State},
	http::{header, HeaderMap, HeaderValue, Method, StatusCode},
	middleware::Next,
	response::{IntoResponse, Response},
};
use secure_server::PeerAddress;
use sp_crypto_hashing::blake2_128;
use tracing::Instrument;

use super::{
	problem::{Problem, MEDIA_TYPE},
	rate::network_of,
	trace::{self, TraceId},
	Shared,
};

/// The longest answer that gets an entity tag, bytes.
const TAGGED_BYTES: usize = 4 << 20;

/// Takes a request in, and its answer out.
pub async fn pass(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
	let trace = TraceId::of_headers(request.headers()).unwrap_or_else(|| shared.traces.next());
	request.extensions_mut().insert(trace);
	let method = request.method().clone();
	let known_tags: Vec<HeaderValue> =
		request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
	let response = match limit(&shared, &request) {
		Err(problem) => problem.into_response(),
		Ok(()) => {
			let span =
				tracing::debug_span!("request", %trace, %method, path = request.uri().path());
			next.run(request).instrument(span).await
		}
	};
	let mut response = explain(response, trace).await;
	if method == Method::GET && response.status() == StatusCode::OK {
		response = tag(response, &known_tags).await;
	}
	if let Ok(value) = HeaderValue::from_str(&format!("00-{trace}-{}-00", shared.span_id)) {
		response.headers_mut().insert(trace::HEADER, value);
	}
	response
}

fn limit(shared: &Shared, request: &Request) -> Result<(), Problem> {
	let Some(PeerAddress(peer)) = request.extensions().get::<PeerAddress>() else {
		return Ok(());
	};
	let network = network_of(peer.ip());
	match request.uri().path() {
		"/healthz" | "/readyz" | "/metrics" => Ok(()),
		"/v1/readings" => shared.reading_rate.check(&network),
		_ => shared.address_rate.check(&network),
	}
}

/// Makes a problem document of every refusal.
async fn explain(response: Response, trace: TraceId) -> Response {
	let status = response.status();
	if !status.is_client_error() && !status.is_server_error() {
		return response;
	}
	let problem = match response.extensions().get::<Problem>() {
		Some(problem) => problem.clone(),
		None if has_json(&response) => return response,
		None => Problem::of_status(status),
	};
	let problem = Problem { trace_id: Some(trace.to_string()), ..problem };
	let mut explained = problem.into_response();
	for (name, value) in response.headers() {
		let is_of_the_body =
			[header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
				.contains(name);
		if !is_of_the_body && !explained.headers().contains_key(name) {
			explained.headers_mut().insert(name.clone(), value.clone());
		}
	}
	explained
}

fn content_type(headers: &HeaderMap) -> &str {
	headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether an answer explains itself; the token endpoint's refusals are not problem documents.
fn has_json(response: &Response) -> bool {
	let content_type = content_type(response.headers());
	content_type.starts_with("application/json") || content_type.starts_with(MEDIA_TYPE)
}

/// Gives what was read an entity tag, and leaves it out if the client has it already (RFC 9110).
async fn tag(response: Response, known: &[HeaderValue]) -> Response {
	let is_whole =
		response.body().size_hint().exact().is_some_and(|size| size <= TAGGED_BYTES as u64);
	if !is_whole || !content_type(response.headers()).starts_with("application/json") {
		return response;
	}
	let (mut parts, body) = response.into_parts();
	let Ok(bytes) = to_bytes(body, TAGGED_BYTES).await else {
		return Problem::failed().into_response();
	};
	// Weak: the same answer may be sent with another content coding.
	let tag = format!("W/\"{}\"", hex::encode(blake2_128(&bytes)));
	let matches = known
		.iter()
		.filter_map(|value| value.to_str().ok())
		.flat_map(|value| value.split(','))
		.map(str::trim)
		.any(|candidate| candidate == "*" || weak(candidate) == weak(&tag));
	if let Ok(value) = HeaderValue::from_str(&tag) {
		parts.headers.insert(header::ETAG, value);
	}
	let ask_again = HeaderValue::from_static("private, no-cache");
	parts.headers.entry(header::CACHE_CONTROL).or_insert(ask_again);
	if matches {
		parts.status = StatusCode::NOT_MODIFIED;
		parts.headers.remove(header::CONTENT_TYPE);
		parts.headers.remove(header::CONTENT_LENGTH);
		return Response::from_parts(parts, Body::empty());
	}
	Response::from_parts(parts, Body::from(bytes))
}

/// A tag without its mark of weakness: for reading they compare the same.
fn weak(tag: &str) -> &str {
	tag.strip_prefix("W/").unwrap_or(tag)
}
