//! The token endpoint itself.

use std::{
	fmt,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, PoisonError, RwLock,
	},
};

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
	client::{Client, Clients},
	key_ring::LocalKeys,
	request::{EndpointError, RevocationRequest, TokenRequest},
	secret::Secret,
};
use crate::{clock::Clock, principal::Principal, scope::Scopes};

/// Random bytes of a token's identifier.
const TOKEN_ID_BYTES: usize = 16;

/// What tokens say and how much work may be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
	/// The issuer, `iss`.
	pub issuer: String,
	/// Whom the tokens are for, `aud`.
	pub audience: String,
	/// How long a token is valid, seconds: 60 to 3600.
	pub lifetime_seconds: u64,
	/// The most secrets that are checked at once. Each takes the memory of an argon2id hash, 19
	/// MiB, and a core for some 20 ms.
	pub max_concurrent: usize,
}

/// Why an endpoint cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointSettingsError {
	/// The issuer or the audience is empty.
	#[error("the token endpoint needs an issuer and an audience")]
	Empty,
	/// The lifetime is out of range.
	#[error("tokens are valid for 60 to 3600 seconds, not {0}")]
	Lifetime(u64),
	/// Nothing may be under way.
	#[error("at least one secret must be checked at once")]
	NoneAtOnce,
}

/// The answer to a good request (RFC 6749, section 5.1). It goes out with `Cache-Control:
/// no-store`. The token is overwritten when dropped and never printed.
#[derive(Serialize)]
pub struct TokenAnswer {
	/// The token.
	pub access_token: Zeroizing<String>,
	/// How it is used: `Bearer`.
	pub token_type: &'static str,
	/// How long it is valid, seconds.
	pub expires_in: u64,
	/// What it may be used for.
	pub scope: String,
	/// Its `jti`, for the audit log.
	#[serde(skip)]
	pub token_id: String,
}

impl fmt::Debug for TokenAnswer {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("TokenAnswer")
			.field("token_id", &self.token_id)
			.field("expires_in", &self.expires_in)
			.field("scope", &self.scope)
			.finish_non_exhaustive()
	}
}

/// A request to revoke a token whose client is known (RFC 7009, section 2.1).
pub struct RevocationAsked {
	/// The client, with all that its own tokens could say; `None` if a bearer token stands for who
	/// asks.
	pub client: Option<Principal>,
	/// The token to be revoked. It may be of anybody, or nonsense. Overwritten when dropped.
	pub token: Zeroizing<String>,
}

impl fmt::Debug for RevocationAsked {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("RevocationAsked").field("client", &self.client).finish_non_exhaustive()
	}
}

/// The claims of a token (RFC 9068, section 2.2).
#[derive(Serialize)]
struct Claims<'a> {
	iss: &'a str,
	aud: &'a str,
	sub: &'a str,
	client_id: &'a str,
	iat: u64,
	nbf: u64,
	exp: u64,
	jti: &'a str,
	scope: &'a str,
	roles: Vec<&'static str>,
	#[serde(skip_serializing_if = "Option::is_none")]
	account: Option<&'a str>,
	#[serde(skip_serializing_if = "Vec::is_empty")]
	zones: Vec<u32>,
	#[serde(skip_serializing_if = "Option::is_none")]
	meter: Option<&'a str>,
}

/// Issues tokens to the clients of the client file.
pub struct TokenEndpoint {
	clients: RwLock<Arc<Clients>>,
	keys: Arc<LocalKeys>,
	settings: EndpointSettings,
	clock: Arc<dyn Clock>,
	under_way: AtomicUsize,
}

/// Counts a check of a secret for as long as it runs.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
	fn drop(&mut self) {
		self.0.fetch_sub(1, Ordering::AcqRel);
	}
}

impl TokenEndpoint {
	/// An endpoint for some clients, which signs with some keys.
	pub fn new(
		clients: Clients,
		keys: Arc<LocalKeys>,
		settings: EndpointSettings,
		clock: Arc<dyn Clock>,
	) -> Result<Self, EndpointSettingsError> {
		crate::token::install_cryptography();
		if settings.issuer.is_empty() || settings.audience.is_empty() {
			return Err(EndpointSettingsError::Empty);
		}
		if !(60..=3600).contains(&settings.lifetime_seconds) {
			return Err(EndpointSettingsError::Lifetime(settings.lifetime_seconds));
		}
		if settings.max_concurrent == 0 {
			return Err(EndpointSettingsError::NoneAtOnce);
		}
		let (clients, under_way) = (RwLock::new(Arc::new(clients)), AtomicUsize::new(0));
		Ok(Self { clients, keys, settings, clock, under_way })
	}

	/// Replaces the clients, after the file has changed.
	pub fn replace_clients(&self, clients: Clients) {
		*self.clients.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
	}

	/// Answers a request: its `Authorization` header and its body, which is a form
	/// (`application/x-www-form-urlencoded`). Takes a core for the time of a hash or two, so it
	/// belongs on a thread that may block.
	pub fn answer(
		&self,
		authorization: Option<&str>,
		body: &[u8],
	) -> Result<TokenAnswer, EndpointError> {
		let request = TokenRequest::parse(authorization, body)?;
		self.with_client(&request.client_id, &request.secret, |client| {
			self.issue(client, &granted(client, request.scope.as_deref())?)
		})
	}

	/// Reads a request to revoke a token: its `Authorization` header and its body, a form. The client
	/// authenticates as for a token. A bearer token in the header is for the caller to verify. Takes
	/// a core for the time of a hash or two, like [`Self::answer`].
	pub fn revocation(
		&self,
		authorization: Option<&str>,
		body: &[u8],
	) -> Result<RevocationAsked, EndpointError> {
		let RevocationRequest { client, token } = RevocationRequest::parse(authorization, body)?;
		let client = client.map(|(id, secret)| {
			self.with_client(&id, &secret, |client| Ok(self.principal(client)))
		});
		Ok(RevocationAsked { client: client.transpose()?, token })
	}

	/// Does something with the client that a secret belongs to.
	fn with_client<T>(
		&self,
		id: &str,
		secret: &Secret,
		work: impl FnOnce(&Client) -> Result<T, EndpointError>,
	) -> Result<T, EndpointError> {
		let turn = self.turn()?;
		let clients = Arc::clone(&self.clients.read().unwrap_or_else(PoisonError::into_inner));
		let client = clients.authenticate(id, secret).ok_or(EndpointError::InvalidClient)?;
		drop(turn);
		work(client)
	}

	/// A client as the principal that its tokens speak for.
	fn principal(&self, client: &Client) -> Principal {
		Principal {
			issuer: self.settings.issuer.clone(),
			subject: client.id.clone(),
			token_id: String::new(),
			expires_at: self.clock.now_seconds(),
			roles: client.roles.clone(),
			scopes: client.scopes.clone(),
			account: client.account.clone(),
			zones: client.zones.clone(),
			meter: client.meter.clone(),
		}
	}

	fn turn(&self) -> Result<Turn<'_>, EndpointError> {
		let before = self.under_way.fetch_add(1, Ordering::AcqRel);
		let turn = Turn(&self.under_way);
		if before >= self.settings.max_concurrent {
			return Err(EndpointError::Busy);
		}
		Ok(turn)
	}

	fn issue(&self, client: &Client, scopes: &Scopes) -> Result<TokenAnswer, EndpointError> {
		let now = self.clock.now_seconds();
		let mut random = [0u8; TOKEN_ID_BYTES];
		aws_lc_rs::rand::fill(&mut random).map_err(|_| EndpointError::Server)?;
		let (token_id, scope) = (hex::encode(random), scopes.to_string());
		let claims = Claims {
			iss: &self.settings.issuer,
			aud: &self.settings.audience,
			sub: &client.id,
			client_id: &client.id,
			iat: now,
			nbf: now,
			exp: now.saturating_add(self.settings.lifetime_seconds),
			jti: &token_id,
			scope: &scope,
			roles: client.roles.iter().map(|role| role.name()).collect(),
			account: client.account.as_deref(),
			zones: client.zones.iter().copied().collect(),
			meter: client.meter.as_deref(),
		};
		let (key_id, key) = self.keys.read(|ring| {
			let key = ring.signing_key(now);
			(key.key_id.clone(), key.encoding_key())
		});
		let mut header = Header::new(Algorithm::EdDSA);
		header.typ = Some("at+jwt".to_owned());
		header.kid = Some(key_id);
		let token = jsonwebtoken::encode(&header, &claims, &key);
		Ok(TokenAnswer {
			access_token: Zeroizing::new(token.map_err(|_| EndpointError::Server)?),
			token_type: "Bearer",
			expires_in: self.settings.lifetime_seconds,
			scope,
			token_id,
		})
	}
}

/// The scopes that were asked for, if the client is registered for all of them; all that it is
/// registered for if it asks for none in particular.
fn granted(client: &Client, asked: Option<&str>) -> Result<Scopes, EndpointError> {
	let Some(asked) = asked else {
		return Ok(client.scopes.clone());
	};
	let scopes: Scopes = asked
		.split(' ')
		.map(|scope| scope.parse().map_err(|_| EndpointError::InvalidScope))
		.collect::<Result<_, _>>()?;
	if !scopes.is_subset(&client.scopes) {
		return Err(EndpointError::InvalidScope);
	}
	Ok(scopes)
}
