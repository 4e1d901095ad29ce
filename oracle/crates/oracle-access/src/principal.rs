//! Who asks.

use std::collections::BTreeSet;

use crate::{role::Role, scope::Scopes};

/// Who a verified token speaks for, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
	/// The issuer of the token. Subjects of different issuers are different principals.
	pub issuer: String,
	/// The subject at that issuer.
	pub subject: String,
	/// The token's own identifier (`jti`).
	pub token_id: String,
	/// When the token expires, without leeway.
	pub expires_at: u64,
	/// What it is.
	pub roles: BTreeSet<Role>,
	/// What the token may be used for.
	pub scopes: Scopes,
	/// Its account on the chain.
	pub account: Option<String>,
	/// The zones that it serves.
	pub zones: BTreeSet<u32>,
	/// The meter that it is.
	pub meter: Option<String>,
}

impl Principal {
	/// The issuer and the subject as one identifier, for the audit log.
	pub fn id(&self) -> String {
		format!("{}#{}", self.issuer, self.subject)
	}
}
