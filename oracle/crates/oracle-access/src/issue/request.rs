//! Token requests (RFC 6749, sections 2.3.1 and 4.4.2), revocation requests (RFC 7009, section 2.1), and
//! what answers a wrong one (RFC 6749, section 5.2).

use std::{borrow::Cow, collections::BTreeMap};

use base64::{engine::general_purpose::STANDARD, Engine as _};
use zeroize::Zeroizing;

use super::secret::Secret;

/// The longest body and the longest `Authorization` header, bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Why no token is issued. The text may be shown to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
	/// A parameter is missing or repeated, or the request is not what the endpoint takes.
	#[error("{0}")]
	InvalidRequest(&'static str),
	/// The client does not exist, is disabled, or its secret is wrong: always this one answer.
	#[error("the client or its secret is not known")]
	InvalidClient,
	/// Only client credentials are issued here.
	#[error("the grant type must be client_credentials")]
	UnsupportedGrantType,
	/// A scope does not exist or the client is not registered for it.
	#[error("a scope is not known or the client is not registered for it")]
	InvalidScope,
	/// The token was issued to somebody else.
	#[error("the token was issued to another client")]
	UnauthorizedClient,
	/// Too many secrets are being checked already.
	#[error("too many requests at once, try again")]
	Busy,
	/// The token could not be made.
	#[error("the token could not be made")]
	Server,
}

impl EndpointError {
	/// The error code of RFC 6749; for the last two, the codes that section 4.1.2.1 has.
	pub const fn code(&self) -> &'static str {
		match self {
			Self::InvalidRequest(_) => "invalid_request",
			Self::InvalidClient => "invalid_client",
			Self::UnsupportedGrantType => "unsupported_grant_type",
			Self::InvalidScope => "invalid_scope",
			Self::UnauthorizedClient => "unauthorized_client",
			Self::Busy => "temporarily_unavailable",
			Self::Server => "server_error",
		}
	}

	/// The HTTP status.
	pub const fn status(&self) -> u16 {
		match self {
			Self::InvalidRequest(_)
			| Self::UnsupportedGrantType
			| Self::InvalidScope
			| Self::UnauthorizedClient => 400,
			Self::InvalidClient => 401,
			Self::Busy => 503,
			Self::Server => 500,
		}
	}

	/// The `WWW-Authenticate` header, which goes with status 401.
	pub const fn challenge(&self) -> Option<&'static str> {
		match self {
			Self::InvalidClient => Some("Basic realm=\"token endpoint\", charset=\"UTF-8\""),
			_ => None,
		}
	}

	/// The JSON body.
	pub fn body(&self) -> String {
		let text = self.to_string();
		serde_json::json!({ "error": self.code(), "error_description": text }).to_string()
	}
}

/// What a client asks for.
#[derive(Debug)]
pub(super) struct TokenRequest {
	pub(super) client_id: String,
	pub(super) secret: Secret,
	/// The scopes asked for, as they were written.
	pub(super) scope: Option<String>,
}

impl TokenRequest {
	/// Reads a request: the `Authorization` header and the body, a form. The client authenticates
	/// in one of the two.
	pub(super) fn parse(authorization: Option<&str>, body: &[u8]) -> Result<Self, EndpointError> {
		let mut form = bounded_form(authorization, body)?;
		match form.get("grant_type").map(|value| value.as_str()) {
			None => return Err(EndpointError::InvalidRequest("grant_type is missing")),
			Some("client_credentials") => {}
			Some(_) => return Err(EndpointError::UnsupportedGrantType),
		}
		let scope = form.remove("scope").map(|value| value.to_string());
		let (client_id, secret) = credentials(authorization, &mut form)?;
		Ok(Self { client_id, secret, scope })
	}
}

/// Which token is to be revoked. `token_type_hint` is not needed to find it, and not looked at.
#[derive(Debug)]
pub(super) struct RevocationRequest {
	/// The client and its secret; `None` if the request has none, because a bearer token stands for
	/// who asks.
	pub(super) client: Option<(String, Secret)>,
	pub(super) token: Zeroizing<String>,
}

impl RevocationRequest {
	/// Reads a request, authenticated as a token request is, or by a bearer token in the header,
	/// which is not looked at here.
	pub(super) fn parse(authorization: Option<&str>, body: &[u8]) -> Result<Self, EndpointError> {
		let mut form = bounded_form(authorization, body)?;
		let token =
			form.remove("token").ok_or(EndpointError::InvalidRequest("token is missing"))?;
		let scheme = authorization.and_then(|header| header.split_once(' '));
		let has_bearer = scheme.is_some_and(|(name, _)| name.eq_ignore_ascii_case("bearer"));
		if has_bearer && form.contains_key("client_secret") {
			return Err(EndpointError::InvalidRequest(
				"the client authenticates in the header and in the body",
			));
		}
		let client = (!has_bearer).then(|| credentials(authorization, &mut form)).transpose()?;
		Ok(Self { client, token })
	}
}

/// The form of a request that is not too long.
fn bounded_form(
	authorization: Option<&str>,
	body: &[u8],
) -> Result<BTreeMap<String, Zeroizing<String>>, EndpointError> {
	if body.len() > MAX_BYTES || authorization.map_or(0, str::len) > MAX_BYTES {
		return Err(EndpointError::InvalidRequest("the request is too long"));
	}
	form(body)
}

/// Who a client says it is, in the header or in the form.
fn credentials(
	authorization: Option<&str>,
	form: &mut BTreeMap<String, Zeroizing<String>>,
) -> Result<(String, Secret), EndpointError> {
	let in_body = (form.remove("client_id"), form.remove("client_secret"));
	let (client_id, secret) = match (authorization, in_body) {
		(Some(_), (_, Some(_))) => {
			return Err(EndpointError::InvalidRequest(
				"the client authenticates in the header and in the body",
			))
		}
		(Some(header), (client_id, None)) => {
			let (name, secret) = basic(header).ok_or(EndpointError::InvalidClient)?;
			if client_id.is_some_and(|client_id| client_id != name) {
				return Err(EndpointError::InvalidRequest("client_id differs from the header's"));
			}
			(name, secret)
		}
		(None, (Some(client_id), Some(secret))) => (client_id, secret),
		(None, _) => return Err(EndpointError::InvalidClient),
	};
	Ok((client_id.to_string(), Secret::from(secret)))
}

/// The parameters of a form, decoded. An empty one counts as not there (RFC 6749, section 3.2).
fn form(body: &[u8]) -> Result<BTreeMap<String, Zeroizing<String>>, EndpointError> {
	let mut parameters = BTreeMap::new();
	for (name, value) in form_urlencoded::parse(body) {
		// Taken over, so that a decoded secret is not left behind.
		let value = Zeroizing::new(value.into_owned());
		if parameters.insert(name.into_owned(), value).is_some() {
			return Err(EndpointError::InvalidRequest("a parameter is repeated"));
		}
	}
	parameters.retain(|_, value| !value.is_empty());
	Ok(parameters)
}

/// The client and its secret from HTTP Basic, each form-encoded before (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
	let (scheme, encoded) = header.split_once(' ')?;
	if !scheme.eq_ignore_ascii_case("basic") {
		return None;
	}
	let decoded = Zeroizing::new(STANDARD.decode(encoded.trim_matches(' ')).ok()?);
	let (client_id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
	Some((form_decoded(client_id)?, form_decoded(secret)?))
}

/// One form-encoded value.
fn form_decoded(text: &str) -> Option<Zeroizing<String>> {
	if text.contains(['=', '&']) {
		return None;
	}
	match form_urlencoded::parse(text.as_bytes()).next() {
		Some((Cow::Borrowed(value), _)) => Some(Zeroizing::new(value.to_owned())),
		Some((Cow::Owned(value), _)) => Some(Zeroizing::new(value)),
		None => None,
	}
}
