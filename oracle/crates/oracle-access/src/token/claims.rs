//! The claims of a token.

use std::{collections::BTreeSet, fmt};

use serde::{
	de::{MapAccess, Visitor},
	Deserialize, Deserializer,
};
use serde_json::{Map, Value};

use super::error::TokenError;
use crate::{role::Role, scope::Scopes};

/// The longest issuer, subject, token id, account or meter, bytes.
const MAX_TEXT_BYTES: usize = 256;
/// The most audiences, roles or zones.
const MAX_ITEMS: usize = 256;

/// The claims by name.
pub(super) struct ClaimMap {
	claims: Map<String, Value>,
	/// Whether a name occurred twice, so that two readers could read two things.
	has_repeated_name: bool,
}

impl<'de> Deserialize<'de> for ClaimMap {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		struct Claims;
		impl<'de> Visitor<'de> for Claims {
			type Value = ClaimMap;

			fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
				f.write_str("an object of claims")
			}

			fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ClaimMap, A::Error> {
				let mut map = ClaimMap { claims: Map::new(), has_repeated_name: false };
				while let Some((name, value)) = entries.next_entry::<String, Value>()? {
					map.has_repeated_name |= map.claims.insert(name, value).is_some();
				}
				Ok(map)
			}
		}
		deserializer.deserialize_map(Claims)
	}
}

fn invalid(name: &str, expected: &'static str) -> TokenError {
	TokenError::ClaimInvalid { name: name.to_owned(), expected }
}

impl ClaimMap {
	fn required<T>(&self, name: &str, found: Option<T>) -> Result<T, TokenError> {
		found.ok_or_else(|| TokenError::ClaimMissing { name: name.to_owned() })
	}

	fn text(&self, name: &str) -> Result<Option<&str>, TokenError> {
		match self.claims.get(name) {
			None => Ok(None),
			Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_TEXT_BYTES => {
				Ok(Some(text))
			}
			Some(_) => Err(invalid(name, "a short text")),
		}
	}

	fn required_text(&self, name: &str) -> Result<&str, TokenError> {
		self.required(name, self.text(name)?)
	}

	fn seconds(&self, name: &str) -> Result<Option<u64>, TokenError> {
		match self.claims.get(name) {
			None => Ok(None),
			Some(value) => {
				value.as_u64().map(Some).ok_or_else(|| invalid(name, "a time in whole seconds"))
			}
		}
	}

	fn list(&self, name: &str) -> Result<&[Value], TokenError> {
		match self.claims.get(name) {
			None => Ok(&[]),
			Some(Value::Array(items)) if items.len() <= MAX_ITEMS => Ok(items),
			Some(_) => Err(invalid(name, "a short list")),
		}
	}

	/// Whether every claim is there once (RFC 7519, section 4).
	pub(super) fn check_names(&self) -> Result<(), TokenError> {
		if self.has_repeated_name {
			return Err(TokenError::ClaimTwice);
		}
		Ok(())
	}

	/// The issuer, to choose whose keys to check the signature with.
	pub(super) fn issuer(&self) -> Result<&str, TokenError> {
		self.required_text("iss")
	}

	/// Whether the token is for `audience`; `aud` is a text or a list of texts.
	fn is_for(&self, audience: &str) -> Result<bool, TokenError> {
		match self.claims.get("aud") {
			Some(Value::Array(_)) => {
				Ok(self.list("aud")?.iter().any(|value| value.as_str() == Some(audience)))
			}
			_ => Ok(self.required_text("aud")? == audience),
		}
	}

	/// The known scopes of `scope`, a list separated by spaces (RFC 9068, section 2.2.3).
	pub(super) fn scopes(&self) -> Result<Scopes, TokenError> {
		match self.claims.get("scope") {
			None => Ok(Scopes::default()),
			Some(Value::String(text)) => Ok(Scopes::known_in(text)),
			Some(_) => Err(invalid("scope", "a text")),
		}
	}

	/// The roles of this market in a claim; roles of other services are left out.
	pub(super) fn roles(&self, name: &str) -> Result<BTreeSet<Role>, TokenError> {
		let mut roles = BTreeSet::new();
		for value in self.list(name)? {
			let text = value.as_str().ok_or_else(|| invalid(name, "a list of texts"))?;
			roles.extend(text.parse::<Role>().ok());
		}
		Ok(roles)
	}

	/// The zones that the subject serves.
	pub(super) fn zones(&self) -> Result<BTreeSet<u32>, TokenError> {
		let zone = |value: &Value| value.as_u64().and_then(|zone| u32::try_from(zone).ok());
		let zones = self.list("zones")?.iter().map(zone).collect::<Option<_>>();
		zones.ok_or_else(|| invalid("zones", "a list of zone numbers"))
	}

	/// The account or the meter of the subject.
	pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, TokenError> {
		Ok(self.text(name)?.map(str::to_owned))
	}
}

/// The claims that every token has (RFC 9068, section 2.2).
pub(super) struct Registered {
	pub(super) subject: String,
	pub(super) token_id: String,
	pub(super) issued_at: u64,
	pub(super) expires_at: u64,
}

/// What the registered claims are checked against.
pub(super) struct Expected<'a> {
	pub(super) issuer: &'a str,
	pub(super) audience: &'a str,
	pub(super) now: u64,
	pub(super) leeway_seconds: u64,
	pub(super) max_lifetime_seconds: u64,
}

impl Registered {
	/// Checks the claims. Valid from `nbf − leeway` to before `exp + leeway`.
	pub(super) fn check(claims: &ClaimMap, expected: &Expected<'_>) -> Result<Self, TokenError> {
		let (now, leeway) = (expected.now, expected.leeway_seconds);
		if claims.issuer()? != expected.issuer {
			return Err(TokenError::IssuerUnknown);
		}
		if !claims.is_for(expected.audience)? {
			return Err(TokenError::AudienceWrong);
		}
		let expires_at = claims.required("exp", claims.seconds("exp")?)?;
		let issued_at = claims.required("iat", claims.seconds("iat")?)?;
		let not_before = claims.seconds("nbf")?;
		if now >= expires_at.saturating_add(leeway) {
			return Err(TokenError::Expired);
		}
		if not_before.is_some_and(|not_before| now.saturating_add(leeway) < not_before) {
			return Err(TokenError::NotYetValid);
		}
		if now.saturating_add(leeway) < issued_at || expires_at < issued_at {
			return Err(TokenError::TimesImpossible);
		}
		if expires_at - issued_at > expected.max_lifetime_seconds {
			return Err(TokenError::LifetimeTooLong {
				limit_seconds: expected.max_lifetime_seconds,
			});
		}
		Ok(Self {
			subject: claims.required_text("sub")?.to_owned(),
			token_id: claims.required_text("jti")?.to_owned(),
			issued_at,
			expires_at,
		})
	}
}
