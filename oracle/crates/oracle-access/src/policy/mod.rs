//! Whether a principal may do something, decided by the policies in `access.cedar`.
//!
//! ```
//! use oracle_access::{policy::{Circumstances, Policies}, Action, Kind, Principal, Resource, Role};
//! # let now = 1_800_000_000;
//! # let asker = Principal {
//! #     issuer: "https://id.example".into(), subject: "anna".into(), token_id: "1".into(),
//! #     expires_at: now + 300, roles: [Role::Prosumer].into(),
//! #     scopes: "readings:read".parse().into_iter().collect(), account: Some("5Anna".into()),
//! #     zones: [].into(), meter: None,
//! # };
//! let policies = Policies::embedded()?;
//! let mut readings = Resource::new(Kind::Readings, "meter-7");
//! readings.owner = Some("5Anna".to_owned());
//! let decision = policies.decide(&asker, Action::Read, &readings, &Circumstances::at(now));
//! assert!(decision.is_allowed());
//! assert_eq!(decision.policies(), ["prosumer-reads-own"]);
//! # Ok::<(), oracle_access::policy::PolicyError>(())
//! ```

mod request;

use std::{collections::HashSet, str::FromStr as _};

use cedar_policy::{
	Authorizer, Entities, PolicyId, PolicySet, Request, Response, Schema, ValidationMode, Validator,
};

use self::request::Names;
use crate::{
	principal::Principal,
	resource::{Action, Consent, Resource},
	scope::Scope,
};

/// The policies that the oracle is built with.
pub const POLICIES: &str = include_str!("access.cedar");
/// The schema that they are checked against.
pub const SCHEMA: &str = include_str!("access.cedarschema");

/// The most consents that a decision looks at.
pub const MAX_CONSENTS: usize = 32;

/// What a decision depends on beside the principal, the action and the resource.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
	/// The time, seconds since 1970.
	pub now: u64,
	/// What the request says that the data is for.
	pub purpose: Option<&'a str>,
	/// Consents that may matter: of the resource's owner to the principal's account. Those after
	/// the first [`MAX_CONSENTS`] that do are not looked at.
	pub consents: &'a [Consent],
}

impl Circumstances<'_> {
	/// No purpose and no consent.
	pub const fn at(now: u64) -> Self {
		Self { now, purpose: None, consents: &[] }
	}
}

/// Whether something is allowed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
	is_allowed: bool,
	policies: Vec<String>,
	consent: Option<String>,
	errors: Vec<String>,
}

impl Decision {
	/// Whether it is allowed.
	pub const fn is_allowed(&self) -> bool {
		self.is_allowed
	}

	/// The identifiers of the policies that decided, sorted: those that permit, or those that
	/// forbid. None when it is denied because nothing permits it.
	pub fn policies(&self) -> &[String] {
		&self.policies
	}

	/// The consent that it is allowed by.
	pub fn consent(&self) -> Option<&str> {
		self.consent.as_deref()
	}

	/// What went wrong while deciding. Then it is denied, and someone must look at the policies.
	pub fn errors(&self) -> &[String] {
		&self.errors
	}

	fn failed(error: impl ToString) -> Self {
		let errors = vec![error.to_string()];
		Self { is_allowed: false, policies: Vec::new(), consent: None, errors }
	}

	/// A policy that fails to evaluate is skipped by the library, even one that forbids. So a
	/// failure denies.
	fn from_response(response: &Response) -> Self {
		let diagnostics = response.diagnostics();
		let mut policies: Vec<_> = diagnostics.reason().map(ToString::to_string).collect();
		policies.sort();
		let errors: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
		let is_allowed = response.decision() == cedar_policy::Decision::Allow && errors.is_empty();
		Self { is_allowed, policies, consent: None, errors }
	}
}

/// Why policies are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
	/// The schema does not parse.
	#[error("the schema: {0}")]
	Schema(String),
	/// The policies do not parse.
	#[error("the policies: {0}")]
	Syntax(String),
	/// A policy has no `@id`, so that a decision could not name it.
	#[error("the policy at position {0} has no @id")]
	Unnamed(String),
	/// Two policies have the same `@id`.
	#[error("two policies have the id `{0}`")]
	NameTwice(String),
	/// The policies do not fit the schema.
	#[error("the policies do not fit the schema: {0}")]
	Invalid(String),
}

/// A set of policies, checked against its schema.
pub struct Policies {
	set: PolicySet,
	schema: Schema,
	authorizer: Authorizer,
	names: Names,
}

impl Policies {
	/// The policies that the oracle is built with.
	pub fn embedded() -> Result<Self, PolicyError> {
		Self::parse(SCHEMA, POLICIES)
	}

	/// Reads a schema and policies in the Cedar language, and checks the ones against the other:
	/// every name exists, every expression has a type, nothing can fail when it is evaluated.
	pub fn parse(schema: &str, policies: &str) -> Result<Self, PolicyError> {
		let (schema, _) = Schema::from_cedarschema_str(schema)
			.map_err(|error| PolicyError::Schema(error.to_string()))?;
		let parsed = PolicySet::from_str(policies)
			.map_err(|error| PolicyError::Syntax(error.to_string()))?;
		let mut names = HashSet::new();
		let mut named = Vec::new();
		for policy in parsed.policies() {
			let name = policy.annotation("id").filter(|name| !name.is_empty());
			let name = name.ok_or_else(|| PolicyError::Unnamed(policy.id().to_string()))?;
			if !names.insert(name.to_owned()) {
				return Err(PolicyError::NameTwice(name.to_owned()));
			}
			named.push(policy.new_id(PolicyId::new(name)));
		}
		let set = PolicySet::from_policies(named)
			.map_err(|error| PolicyError::Syntax(error.to_string()))?;
		let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
		let problems: Vec<_> = result
			.validation_errors()
			.map(ToString::to_string)
			.chain(result.validation_warnings().map(ToString::to_string))
			.collect();
		if !problems.is_empty() {
			return Err(PolicyError::Invalid(problems.join("; ")));
		}
		let names = Names::new().map_err(PolicyError::Schema)?;
		Ok(Self { set, schema, authorizer: Authorizer::new(), names })
	}

	/// The identifiers of all policies, sorted.
	pub fn ids(&self) -> Vec<String> {
		let mut ids: Vec<_> = self.set.policies().map(|policy| policy.id().to_string()).collect();
		ids.sort();
		ids
	}

	/// Whether `principal` may do `action` to `resource` now. Consents are only looked at when
	/// nothing else permits it, one after the other.
	pub fn decide(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		circumstances: &Circumstances<'_>,
	) -> Decision {
		let scope = Scope { kind: resource.kind, action };
		let in_scope = principal.scopes.contains(scope);
		let entities = match self.names.entities(principal, resource) {
			Ok(entities) => entities,
			Err(error) => return Decision::failed(error),
		};
		let decide = |consent: Option<&Consent>| -> Result<Decision, String> {
			let context = self.names.context(in_scope, circumstances, consent)?;
			let request = self.names.request(principal, action, resource, context)?;
			Ok(self.evaluate(&request, &entities))
		};
		let decision = match decide(None) {
			Ok(decision) => decision,
			Err(error) => return Decision::failed(error),
		};
		let is_undecided = !decision.is_allowed
			&& decision.policies.is_empty()
			&& decision.errors.is_empty()
			&& circumstances.purpose.is_some();
		if !is_undecided {
			return decision;
		}
		let may_matter = |consent: &&Consent| {
			resource.owner.as_ref() == Some(&consent.owner)
				&& principal.account.as_ref() == Some(&consent.grantee)
		};
		for consent in circumstances.consents.iter().filter(may_matter).take(MAX_CONSENTS) {
			match decide(Some(consent)) {
				Ok(mut allowed) if allowed.is_allowed => {
					allowed.consent = Some(consent.id.clone());
					return allowed;
				}
				Ok(denied) if denied.errors.is_empty() => {}
				Ok(failed) => return failed,
				Err(error) => return Decision::failed(error),
			}
		}
		decision
	}

	fn evaluate(&self, request: &Request, entities: &Entities) -> Decision {
		Decision::from_response(&self.authorizer.is_authorized(request, &self.set, entities))
	}

	/// Checks a request against the schema, which [`Self::decide`] leaves out for speed because
	/// the types of its arguments allow nothing else.
	pub fn conforms(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		circumstances: &Circumstances<'_>,
	) -> Result<(), String> {
		let consents = circumstances.consents.iter().map(Some);
		for consent in std::iter::once(None).chain(consents) {
			let context = self.names.context(true, circumstances, consent)?;
			self.names.check(principal, action, resource, context, &self.schema)?;
		}
		Ok(())
	}
}
