//! From this crate's types to the entities and the context that the policies speak of.

use std::{
	collections::{HashMap, HashSet},
	str::FromStr as _,
};

use cedar_policy::{
	Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
	RestrictedExpression as Expression, Schema,
};

use super::Circumstances;
use crate::{
	principal::Principal,
	resource::{Action, Consent, Kind, Resource},
	role::Role,
};

/// The names of the schema, parsed once.
pub(super) struct Names {
	person: EntityTypeName,
	resource: EntityTypeName,
	actions: HashMap<Action, EntityUid>,
	roles: HashMap<Role, EntityUid>,
	kinds: HashMap<Kind, EntityUid>,
}

fn text(value: &str) -> Expression {
	Expression::new_string(value.to_owned())
}

/// Times beyond the year 292 billion count as that year.
fn seconds(value: u64) -> Expression {
	Expression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

fn zone(zone: u32) -> Expression {
	Expression::new_long(i64::from(zone))
}

fn attributes<const N: usize>(
	pairs: [(&str, Option<Expression>); N],
) -> HashMap<String, Expression> {
	let present = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
	present.collect()
}

fn of_type(name: &EntityTypeName, id: &str) -> EntityUid {
	EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

impl Names {
	pub(super) fn new() -> Result<Self, String> {
		let type_name =
			|name: &str| EntityTypeName::from_str(name).map_err(|error| error.to_string());
		let (action, role, kind) = (type_name("Action")?, type_name("Role")?, type_name("Kind")?);
		let actions = Action::ALL.map(|value| (value, of_type(&action, value.name())));
		let roles = Role::ALL.map(|value| (value, of_type(&role, value.name())));
		let kinds = Kind::ALL.map(|value| (value, of_type(&kind, value.name())));
		Ok(Self {
			person: type_name("Person")?,
			resource: type_name("Resource")?,
			actions: actions.into(),
			roles: roles.into(),
			kinds: kinds.into(),
		})
	}

	fn principal_id(&self, principal: &Principal) -> EntityUid {
		of_type(&self.person, &principal.id())
	}

	fn resource_id(&self, resource: &Resource) -> EntityUid {
		of_type(&self.resource, &format!("{}/{}", resource.kind, resource.id))
	}

	/// The principal and the resource with what the policies look at.
	pub(super) fn entities(
		&self,
		principal: &Principal,
		resource: &Resource,
	) -> Result<Entities, String> {
		let zones = principal.zones.iter().map(|number| zone(*number));
		let person = Entity::new(
			self.principal_id(principal),
			attributes([
				("account", principal.account.as_deref().map(text)),
				("zones", Some(Expression::new_set(zones))),
				("meter", principal.meter.as_deref().map(text)),
			]),
			principal.roles.iter().map(|role| self.roles[role].clone()).collect(),
		)
		.map_err(|error| error.to_string())?;
		let parties = resource.parties.iter().map(|party| text(party));
		let resource = Entity::new(
			self.resource_id(resource),
			attributes([
				("owner", resource.owner.as_deref().map(text)),
				("zone", resource.zone.map(zone)),
				("meter", resource.meter.as_deref().map(text)),
				("parties", Some(Expression::new_set(parties))),
			]),
			HashSet::from([self.kinds[&resource.kind].clone()]),
		)
		.map_err(|error| error.to_string())?;
		Entities::from_entities([person, resource], None).map_err(|error| error.to_string())
	}

	/// What else a policy looks at.
	pub(super) fn context(
		&self,
		in_scope: bool,
		circumstances: &Circumstances<'_>,
		consent: Option<&Consent>,
	) -> Result<Context, String> {
		let consent = consent.map(|consent| self.consent(consent)).transpose()?;
		Context::from_pairs(attributes([
			("now", Some(seconds(circumstances.now))),
			("in_scope", Some(Expression::new_bool(in_scope))),
			("purpose", circumstances.purpose.map(text)),
			("consent", consent),
		]))
		.map_err(|error| error.to_string())
	}

	fn consent(&self, consent: &Consent) -> Result<Expression, String> {
		let kinds = consent.kinds.iter();
		let kinds = kinds.map(|kind| Expression::new_entity_uid(self.kinds[kind].clone()));
		let meters = consent.meters.as_ref();
		let meters =
			meters.map(|meters| Expression::new_set(meters.iter().map(|meter| text(meter))));
		Expression::new_record(attributes([
			("owner", Some(text(&consent.owner))),
			("grantee", Some(text(&consent.grantee))),
			("kinds", Some(Expression::new_set(kinds))),
			("meters", meters),
			("purpose", Some(text(&consent.purpose))),
			("valid_from", Some(seconds(consent.valid_from))),
			("expires_at", Some(seconds(consent.expires_at))),
		]))
		.map_err(|error| error.to_string())
	}

	pub(super) fn request(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		context: Context,
	) -> Result<Request, String> {
		self.request_with(principal, action, resource, context, None)
	}

	fn request_with(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		context: Context,
		schema: Option<&Schema>,
	) -> Result<Request, String> {
		let (principal, resource) = (self.principal_id(principal), self.resource_id(resource));
		Request::new(principal, self.actions[&action].clone(), resource, context, schema)
			.map_err(|error| error.to_string())
	}

	/// Checks everything that a decision looks at against the schema.
	pub(super) fn check(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		context: Context,
		schema: &Schema,
	) -> Result<(), String> {
		self.request_with(principal, action, resource, context, Some(schema))?;
		let entities = self.entities(principal, resource)?;
		Entities::from_entities(entities.iter().cloned(), Some(schema))
			.map_err(|error| error.to_string())?;
		Ok(())
	}
}
