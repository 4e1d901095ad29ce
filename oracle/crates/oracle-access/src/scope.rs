//! OAuth scopes (RFC 6749, section 3.3): `<kind>:<action>`, such as `readings:read`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::resource::{Action, Kind, UnknownName};

/// What a token may be used for, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
	/// On which resources.
	pub kind: Kind,
	/// Doing what.
	pub action: Action,
}

impl fmt::Display for Scope {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}:{}", self.kind, self.action)
	}
}

impl FromStr for Scope {
	type Err = UnknownName;

	fn from_str(text: &str) -> Result<Self, UnknownName> {
		let (kind, action) = text.split_once(':').ok_or(UnknownName)?;
		let (kind, action) = (Kind::from_str(kind)?, Action::from_str(action)?);
		if action == Action::Write && !kind.is_writable() {
			return Err(UnknownName);
		}
		Ok(Self { kind, action })
	}
}

/// A set of scopes, at most one of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
	/// Every scope there is.
	pub fn all() -> Self {
		let of_kind = |kind: Kind| {
			let actions = Action::ALL.into_iter();
			actions
				.filter(move |action| *action == Action::Read || kind.is_writable())
				.map(move |action| Scope { kind, action })
		};
		Kind::ALL.into_iter().flat_map(of_kind).collect()
	}

	/// Whether the set has a scope.
	pub fn contains(&self, scope: Scope) -> bool {
		self.0.contains(&scope)
	}

	/// Whether every scope of this set is in the other.
	pub fn is_subset(&self, of: &Self) -> bool {
		self.0.is_subset(&of.0)
	}

	/// Whether there is none.
	pub fn is_empty(&self) -> bool {
		self.0.is_empty()
	}

	/// The scopes, in a fixed order.
	pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
		self.0.iter().copied()
	}

	/// Adds a scope; tells whether it was new.
	pub fn insert(&mut self, scope: Scope) -> bool {
		self.0.insert(scope)
	}

	/// The scopes of a list separated by spaces. Scopes of other services, such as `openid`, are
	/// left out.
	pub fn known_in(text: &str) -> Self {
		text.split(' ').filter_map(|scope| scope.parse().ok()).collect()
	}
}

impl FromIterator<Scope> for Scopes {
	fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
		Self(scopes.into_iter().collect())
	}
}

/// Separated by single spaces, as in a token and in an answer of the token endpoint.
impl fmt::Display for Scopes {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		for (index, scope) in self.0.iter().enumerate() {
			if index > 0 {
				f.write_str(" ")?;
			}
			write!(f, "{scope}")?;
		}
		Ok(())
	}
}
