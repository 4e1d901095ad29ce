//! Tokens of this oracle, and their keys.

use std::sync::Arc;

use axum::{
	body::Bytes,
	extract::State,
	http::{header, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use oracle_access::issue::EndpointError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::RevokeError;

use super::{extract::Caller, problem::Problem, Shared};

/// A token.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Token {
	access_token: String,
	token_type: String,
	expires_in: u64,
	scope: String,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
struct TokenRefusal {
	error: String,
	#[schema(nullable = false)]
	error_description: Option<String>,
}

/// What a client sends.
#[derive(ToSchema)]
#[allow(dead_code)]
struct TokenRequest {
	/// `client_credentials`.
	grant_type: String,
	/// What the token is to be good for; all that the client may have if not given.
	#[schema(nullable = false)]
	scope: Option<String>,
}

/// Get a token
///
/// The client-credentials grant of OAuth 2.0 (RFC 6749, section 4.4). The client identifies itself by HTTP
/// Basic or by `client_id` and `client_secret` in the body. People sign in at an identity provider
/// that this oracle trusts; it only verifies their tokens.
#[utoipa::path(
	post,
	path = "/oauth/token",
	tag = "access",
	security(()),
	request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
	responses(
		(status = 200, description = "A token.", body = Token),
		(status = 400, description = "The request is wrong.", body = TokenRefusal),
		(status = 401, description = "The client is not known.", body = TokenRefusal),
		(status = 404, description = "This oracle issues no tokens.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn token(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	body: Bytes,
) -> Result<Response, Problem> {
	let Some(gate) = &shared.api.gate else {
		return Err(Problem::not_found("this oracle issues no tokens"));
	};
	let mut response = match gate.token(caller.authorization, body.to_vec()).await {
		Ok(answer) => Json(answer).into_response(),
		Err(error) => refusal(&error),
	};
	// Tokens are not to be kept on the way.
	let headers = response.headers_mut();
	headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
	Ok(response)
}

/// What a client sends to revoke a token.
#[derive(ToSchema)]
#[allow(dead_code)]
struct RevocationRequest {
	/// The token.
	#[schema(min_length = 1)]
	token: String,
}

/// Revoke a token
///
/// RFC 7009. A client may revoke its own tokens, and who administers access those of others. A token that is
/// none, or has expired, is no error.
#[utoipa::path(
	post,
	path = "/oauth/revoke",
	tag = "access",
	security(()),
	request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
	responses(
		(status = 200, description = "It is good for nothing any more."),
		(status = 400, description = "The request is wrong.", body = TokenRefusal),
		(status = 401, description = "The client is not known.", body = TokenRefusal),
		(status = 403, description = "No policy permits it.", body = Problem,
			content_type = "application/problem+json"),
		(status = 404, description = "This oracle issues no tokens.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn revoke(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	body: Bytes,
) -> Result<Response, Problem> {
	let Some(gate) = &shared.api.gate else {
		return Err(Problem::not_found("this oracle issues no tokens"));
	};
	let request_id = caller.request_id();
	match gate.revoke(caller.authorization, body.to_vec(), &request_id).await {
		Ok(()) => Ok(StatusCode::OK.into_response()),
		Err(RevokeError::Endpoint(error)) => Ok(refusal(&error)),
		Err(RevokeError::Denied(denied)) => Err(denied.into()),
		Err(RevokeError::Unavailable) => {
			Err(Problem::unavailable("no-keys", "the keys of the token's issuer are not there"))
		}
		Err(RevokeError::NotKept) => Err(Problem::failed()),
	}
}

/// Why the token endpoint refuses (RFC 6749, section 5.2).
fn refusal(error: &EndpointError) -> Response {
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

/// Get the public keys of the tokens
///
/// A JSON Web Key set (RFC 7517).
#[utoipa::path(
	get,
	path = "/.well-known/jwks.json",
	tag = "access",
	security(()),
	responses(
		(status = 200, description = "The keys.", body = Object,
			content_type = "application/jwk-set+json"),
		(status = 404, description = "This oracle issues no tokens.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn key_set(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
	let Some(gate) = &shared.api.gate else {
		return Err(Problem::not_found("this oracle issues no tokens"));
	};
	let document = gate.key_set().map_err(|error| {
		tracing::error!(%error, "the key set cannot be written");
		Problem::failed()
	})?;
	Ok(([(header::CONTENT_TYPE, "application/jwk-set+json")], document).into_response())
}
