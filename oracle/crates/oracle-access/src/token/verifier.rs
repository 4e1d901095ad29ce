//! From a bearer token to a principal.

use std::{
	collections::{BTreeSet, HashMap},
	fmt,
	sync::Arc,
};

use jsonwebtoken::{errors::ErrorKind, Validation};

use super::{
	claims::{ClaimMap, Expected, Registered},
	error::TokenError,
	header,
	jwks::SigningAlgorithm,
	key_cache::KeyCache,
	revocation::Revocations,
};
use crate::{clock::Clock, principal::Principal, role::Role};

/// An issuer whose tokens are taken, and how far it is trusted.
#[derive(Clone)]
pub struct TrustedIssuer {
	/// What its tokens have in `iss`, letter by letter.
	pub issuer: String,
	/// What its tokens for this oracle have in `aud`.
	pub audience: String,
	/// Its keys.
	pub keys: Arc<KeyCache>,
	/// The claim that lists roles: `roles` (RFC 9068, section 2.2.3.1) or the provider's own.
	pub roles_claim: String,
	/// The roles that it may give. Others in its tokens are left out.
	pub roles: BTreeSet<Role>,
}

impl fmt::Debug for TrustedIssuer {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("TrustedIssuer")
			.field("issuer", &self.issuer)
			.field("audience", &self.audience)
			.field("roles", &self.roles)
			.finish_non_exhaustive()
	}
}

/// The limits of every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifierSettings {
	/// How far clocks may differ, seconds.
	pub leeway_seconds: u64,
	/// The longest token that is looked at, bytes.
	pub max_token_bytes: usize,
	/// The longest time from `iat` to `exp`, seconds.
	pub max_lifetime_seconds: u64,
}

impl Default for VerifierSettings {
	fn default() -> Self {
		Self { leeway_seconds: 30, max_token_bytes: 8 * 1024, max_lifetime_seconds: 60 * 60 }
	}
}

/// Why a verifier cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
	/// An issuer or its audience is empty.
	#[error("an issuer needs a name and an audience")]
	Empty,
	/// An issuer is there twice.
	#[error("the issuer `{0}` is configured twice")]
	IssuerTwice(String),
}

/// Verifies tokens.
pub struct TokenVerifier {
	issuers: HashMap<String, TrustedIssuer>,
	settings: VerifierSettings,
	revocations: Arc<Revocations>,
	clock: Arc<dyn Clock>,
}

/// The token of an `Authorization` header (RFC 6750, section 2.1). Tokens in the address or in a
/// form are not taken: addresses end up in logs.
pub fn bearer_token(authorization: Option<&str>) -> Result<&str, TokenError> {
	let (scheme, token) =
		authorization.and_then(|value| value.split_once(' ')).ok_or(TokenError::Missing)?;
	let token = token.trim_matches(' ');
	if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
		return Err(TokenError::Missing);
	}
	Ok(token)
}

impl TokenVerifier {
	/// A verifier for the tokens of some issuers.
	pub fn new(
		issuers: impl IntoIterator<Item = TrustedIssuer>,
		settings: VerifierSettings,
		revocations: Arc<Revocations>,
		clock: Arc<dyn Clock>,
	) -> Result<Self, VerifierError> {
		super::install_cryptography();
		let mut by_name = HashMap::new();
		for issuer in issuers {
			if issuer.issuer.is_empty() || issuer.audience.is_empty() {
				return Err(VerifierError::Empty);
			}
			if let Some(twice) = by_name.insert(issuer.issuer.clone(), issuer) {
				return Err(VerifierError::IssuerTwice(twice.issuer));
			}
		}
		Ok(Self { issuers: by_name, settings, revocations, clock })
	}

	/// Who a token speaks for. See the module for what is checked, and in which order.
	pub async fn verify(&self, token: &str) -> Result<Principal, TokenError> {
		let limit = self.settings.max_token_bytes;
		if token.len() > limit {
			return Err(TokenError::TooLong { length: token.len(), limit });
		}
		let signature = header::read(token)?;
		// Read before the signature is checked, to learn whose key should have made it. Nothing
		// else of it is used.
		let unverified = jsonwebtoken::dangerous::insecure_decode_claims::<ClaimMap>(token)
			.map_err(|_| TokenError::Malformed)?;
		unverified.check_names()?;
		let issuer = self.issuers.get(unverified.issuer()?).ok_or(TokenError::IssuerUnknown)?;

		let now = self.clock.now_seconds();
		let key = issuer.keys.key(&signature.key_id, now).await?;
		if key.algorithm != signature.algorithm {
			return Err(TokenError::AlgorithmRefused);
		}
		let verified =
			jsonwebtoken::decode::<ClaimMap>(token, &key.key, &signature_only(key.algorithm))
				.map_err(|error| match error.kind() {
					ErrorKind::InvalidSignature => TokenError::SignatureWrong,
					_ => TokenError::Malformed,
				})?;
		self.principal(issuer, &verified.claims, now)
	}

	fn principal(
		&self,
		issuer: &TrustedIssuer,
		claims: &ClaimMap,
		now: u64,
	) -> Result<Principal, TokenError> {
		let registered = Registered::check(
			claims,
			&Expected {
				issuer: &issuer.issuer,
				audience: &issuer.audience,
				now,
				leeway_seconds: self.settings.leeway_seconds,
				max_lifetime_seconds: self.settings.max_lifetime_seconds,
			},
		)?;
		let Registered { subject, token_id, issued_at, expires_at } = registered;
		if self.revocations.is_revoked(&issuer.issuer, &token_id, &subject, issued_at) {
			return Err(TokenError::Revoked);
		}
		let mut roles = claims.roles(&issuer.roles_claim)?;
		roles.retain(|role| issuer.roles.contains(role));
		Ok(Principal {
			issuer: issuer.issuer.clone(),
			subject,
			token_id,
			expires_at,
			roles,
			scopes: claims.scopes()?,
			account: claims.optional_text("account")?,
			zones: claims.zones()?,
			meter: claims.optional_text("meter")?,
		})
	}
}

/// The library checks the signature with exactly one algorithm. It would check the times against
/// the clock of the machine, so the claims are checked here instead, all of them.
fn signature_only(algorithm: SigningAlgorithm) -> Validation {
	let mut validation = Validation::new(algorithm.for_library());
	validation.required_spec_claims.clear();
	validation.validate_exp = false;
	validation.validate_nbf = false;
	validation.validate_aud = false;
	validation
}
