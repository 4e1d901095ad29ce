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
	verified::{hash_of, TokenHash, VerifiedToken, VerifiedTokens},
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
	/// How many verified tokens are remembered, so that their signatures are not checked again; none
	/// when 0.
	pub remembered_tokens: usize,
}

impl Default for VerifierSettings {
	fn default() -> Self {
		Self {
			leeway_seconds: 30,
			max_token_bytes: 8 * 1024,
			max_lifetime_seconds: 60 * 60,
			remembered_tokens: 10_000,
		}
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
	verified: VerifiedTokens,
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
		let verified = VerifiedTokens::new(settings.remembered_tokens);
		Ok(Self { issuers: by_name, settings, revocations, verified, clock })
	}

	/// Who a token speaks for. See the module for what is checked, and in which order.
	pub async fn verify(&self, token: &str) -> Result<Principal, TokenError> {
		let limit = self.settings.max_token_bytes;
		if token.len() > limit {
			return Err(TokenError::TooLong { length: token.len(), limit });
		}
		let hash = hash_of(token);
		if let Some(remembered) = self.verified.token(&hash) {
			if let Some(known) = self.remembered(&hash, &remembered).await {
				return known;
			}
		}
		let signature = header::read(token)?;
		// Read before the signature is checked, to learn whose key should have made it. Nothing
		// else of it is used.
		let unverified = jsonwebtoken::dangerous::insecure_decode_claims::<ClaimMap>(token)
			.map_err(|_| TokenError::Malformed)?;
		unverified.check_names()?;
		let issuer = self.issuers.get(unverified.issuer()?).ok_or(TokenError::IssuerUnknown)?;

		let now = self.clock.now_seconds();
		let (key, key_generation) = issuer.keys.key(&signature.key_id, now).await?;
		if key.algorithm != signature.algorithm {
			return Err(TokenError::AlgorithmRefused);
		}
		let verified =
			jsonwebtoken::decode::<ClaimMap>(token, &key.key, &signature_only(key.algorithm))
				.map_err(|error| match error.kind() {
					ErrorKind::InvalidSignature => TokenError::SignatureWrong,
					_ => TokenError::Malformed,
				})?;
		let (principal, issued_at) = self.principal(issuer, &verified.claims, now)?;
		let token = VerifiedToken {
			principal: principal.clone(),
			issued_at,
			key_id: signature.key_id,
			key_generation,
			verified_at: now,
		};
		self.verified.keep(hash, token, now);
		Ok(principal)
	}

	/// How many verified tokens are remembered now.
	pub fn remembered_tokens(&self) -> usize {
		self.verified.len()
	}

	/// What a token that was verified before is good for now; `None` if it must be verified again,
	/// because the issuer's keys were fetched since, or the clock was set back.
	async fn remembered(
		&self,
		hash: &TokenHash,
		token: &VerifiedToken,
	) -> Option<Result<Principal, TokenError>> {
		let VerifiedToken { principal, issued_at, key_id, key_generation, verified_at } = token;
		let now = self.clock.now_seconds();
		if now < *verified_at {
			return None;
		}
		if now >= principal.expires_at.saturating_add(self.settings.leeway_seconds) {
			self.verified.remove(hash);
			return Some(Err(TokenError::Expired));
		}
		let issuer = self.issuers.get(&principal.issuer)?;
		// Fetches the keys again when they are due.
		match issuer.keys.key(key_id, now).await {
			Ok((_, generation)) if generation == *key_generation => {}
			Ok(_) => return None,
			Err(error) => return Some(Err(error)),
		}
		let Principal { issuer, subject, token_id, .. } = principal;
		if self.revocations.is_revoked(issuer, token_id, subject, *issued_at) {
			self.verified.remove(hash);
			return Some(Err(TokenError::Revoked));
		}
		Some(Ok(principal.clone()))
	}

	fn principal(
		&self,
		issuer: &TrustedIssuer,
		claims: &ClaimMap,
		now: u64,
	) -> Result<(Principal, u64), TokenError> {
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
		let principal = Principal {
			issuer: issuer.issuer.clone(),
			subject,
			token_id,
			expires_at,
			roles,
			scopes: claims.scopes()?,
			account: claims.optional_text("account")?,
			zones: claims.zones()?,
			meter: claims.optional_text("meter")?,
		};
		Ok((principal, issued_at))
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
