//! Token requests (RFC 6749, sections 2.3.1 and 4.4.2) and what answers a wrong one (section 5.2).

use std::{borrow::Cow, collections::BTreeMap};

use base64::{engine::general_purpose::STANDARD, Engine as _};
use zeroize::Zeroizing;

use super::secret::Secret;

/// The longest body and the longest `Authorization` header, bytes.
const MAX_BYTES: usize = 8 * 1024;

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
			Self::Busy => "temporarily_unavailable",
			Self::Server => "server_error",
		}
	}

	/// The HTTP status.
	pub const fn status(&self) -> u16 {
		match self {
			Self::InvalidRequest(_) | Self::UnsupportedGrantType | Self::InvalidScope => 400,
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
		let authorization_bytes = authorization.map_or(0, str::len);
		if body.len() > MAX_BYTES || authorization_bytes > MAX_BYTES {
			return Err(EndpointError::InvalidRequest("the request is too long"));
		}
		let mut form = form(body)?;
		match form.get("grant_type").map(|value| value.as_str()) {
			None => return Err(EndpointError::InvalidRequest("grant_type is missing")),
			Some("client_credentials") => {}
			Some(_) => return Err(EndpointError::UnsupportedGrantType),
		}
		let scope = form.remove("scope").map(|value| value.to_string());
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
					return Err(EndpointError::InvalidRequest(
						"client_id differs from the header's",
					));
				}
				(name, secret)
			}
			(None, (Some(client_id), Some(secret))) => (client_id, secret),
			(None, _) => return Err(EndpointError::InvalidClient),
		};
		let secret = Secret::from(secret);
		Ok(Self { client_id: client_id.to_string(), secret, scope })
	}
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
