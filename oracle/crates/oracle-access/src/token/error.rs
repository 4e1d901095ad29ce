//! Why a token is refused.

/// Why a token is refused. The text has nothing of the token but names of claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
	/// There is no `Authorization` header, or it is not a bearer token.
	#[error("the request has no bearer token")]
	Missing,
	/// The token is longer than the limit.
	#[error("the token has {length} bytes, the limit is {limit}")]
	TooLong {
		/// Bytes of the token.
		length: usize,
		/// The most that are taken.
		limit: usize,
	},
	/// It is not three parts of base64url with JSON in the first two.
	#[error("the token is not a signed JSON Web Token")]
	Malformed,
	/// It is signed with something else than EdDSA or ES256, or the key is for another algorithm.
	#[error("the token's algorithm is not allowed")]
	AlgorithmRefused,
	/// The header has something that is not taken.
	#[error("the token's header has `{name}`, which is not accepted")]
	HeaderRefused {
		/// The parameter.
		name: &'static str,
	},
	/// The header names no key.
	#[error("the token's header names no key")]
	KeyIdMissing,
	/// The issuer is not one of the trusted.
	#[error("the token's issuer is not trusted")]
	IssuerUnknown,
	/// The issuer publishes no such key.
	#[error("the token's key is not known")]
	KeyUnknown,
	/// The issuer's keys could not be fetched for too long.
	#[error("the issuer's keys are not available")]
	KeysUnavailable,
	/// The signature is not the key's.
	#[error("the token's signature is wrong")]
	SignatureWrong,
	/// A name occurs twice.
	#[error("the token has a claim twice")]
	ClaimTwice,
	/// A claim is not there.
	#[error("the token has no claim `{name}`")]
	ClaimMissing {
		/// The claim.
		name: String,
	},
	/// A claim has the wrong type or is too long.
	#[error("the token's claim `{name}` is not {expected}")]
	ClaimInvalid {
		/// The claim.
		name: String,
		/// What it should be.
		expected: &'static str,
	},
	/// The token is for somebody else.
	#[error("the token is for another audience")]
	AudienceWrong,
	/// The token has expired.
	#[error("the token has expired")]
	Expired,
	/// The token is not valid yet.
	#[error("the token is not valid yet")]
	NotYetValid,
	/// The token says that it was issued later than now, or that it expires before it was issued.
	#[error("the token's times are impossible")]
	TimesImpossible,
	/// The token is valid for longer than the oracle allows.
	#[error("the token is valid for longer than {limit_seconds} seconds")]
	LifetimeTooLong {
		/// The longest that is taken, seconds.
		limit_seconds: u64,
	},
	/// The token or its subject was revoked.
	#[error("the token was revoked")]
	Revoked,
}

impl TokenError {
	/// A short name for the audit log and for counters.
	pub const fn code(&self) -> &'static str {
		match self {
			Self::Missing => "token-missing",
			Self::TooLong { .. } => "token-too-long",
			Self::Malformed => "token-malformed",
			Self::AlgorithmRefused => "token-algorithm-refused",
			Self::HeaderRefused { .. } => "token-header-refused",
			Self::KeyIdMissing => "token-key-id-missing",
			Self::IssuerUnknown => "token-issuer-unknown",
			Self::KeyUnknown => "token-key-unknown",
			Self::KeysUnavailable => "token-keys-unavailable",
			Self::SignatureWrong => "token-signature-wrong",
			Self::ClaimTwice => "token-claim-twice",
			Self::ClaimMissing { .. } => "token-claim-missing",
			Self::ClaimInvalid { .. } => "token-claim-invalid",
			Self::AudienceWrong => "token-audience-wrong",
			Self::Expired => "token-expired",
			Self::NotYetValid => "token-not-yet-valid",
			Self::TimesImpossible => "token-times-impossible",
			Self::LifetimeTooLong { .. } => "token-lifetime-too-long",
			Self::Revoked => "token-revoked",
		}
	}

	/// The HTTP status that answers it: 401, or 503 when the fault is not the caller's.
	pub const fn status(&self) -> u16 {
		match self {
			Self::KeysUnavailable => 503,
			_ => 401,
		}
	}

	/// The `WWW-Authenticate` header that goes with status 401 (RFC 6750, section 3).
	pub fn challenge(&self) -> String {
		match self {
			Self::Missing => "Bearer".to_owned(),
			// The text is ASCII; claim names that an operator chose may hold a quote.
			error => {
				let text = error.to_string().replace(['"', '\\'], "'");
				format!("Bearer error=\"invalid_token\", error_description=\"{text}\"")
			}
		}
	}
}
