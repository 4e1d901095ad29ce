//! The description of the interface: OpenAPI 3.1, and the same as 3.0.

use axum::{
	http::header,
	response::{IntoResponse, Response},
};
use serde_json::{json, Map, Value};
use utoipa::{
	openapi::{
		security::{
			ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
		},
		OpenApi as Description,
	},
	Modify, OpenApi,
};

use super::problem::{Problem, MEDIA_TYPE};

/// What holds for the whole interface; paths and schemas come from the routes.
#[derive(OpenApi)]
#[openapi(
	info(
		title = "Energy oracle",
		description = "The oracle of an energy market: takes signed meter readings, keeps them, \
			attests them to the chain, and shows what it has. Energy is in watt-hours, times in whole \
			seconds since 1970-01-01T00:00:00Z, money in minor units as decimal strings. A request \
			that is refused as a whole is answered with a problem document (RFC 9457). What is read \
			has an entity tag; `traceparent` (W3C) is taken and returned.",
		license(name = "Apache-2.0", url = "https://www.apache.org/licenses/LICENSE-2.0"),
	),
	tags(
		(name = "readings", description = "Signed meter readings come in."),
		(name = "meters", description = "Meters, their slots, proofs, figures and findings."),
		(name = "market", description = "Orders, trades and bills, as the chain has them."),
		(name = "attestations", description = "What was attested, beside what the chain has."),
		(name = "events", description = "What happens, as a list and as streams."),
		(name = "webhooks", description = "Addresses that are told what happens."),
		(name = "sharing", description = "Consents, exports and evidence."),
		(name = "access", description = "Tokens."),
		(name = "operations", description = "The state of the service."),
	),
	components(schemas(Problem, super::sharing::ConsentSideView)),
	security(("bearer" = []), ("oauth2" = [])),
	modifiers(&Security),
)]
pub struct Interface;

struct Security;

impl Modify for Security {
	fn modify(&self, description: &mut Description) {
		let components = description.components.get_or_insert_with(Default::default);
		let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
		components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
		let flow = ClientCredentials::new("/oauth/token", Scopes::new());
		let flow = OAuth2::new([Flow::ClientCredentials(flow)]);
		components.add_security_scheme("oauth2", SecurityScheme::OAuth2(flow));
	}
}

/// Both versions of the description, as text.
pub struct Documents {
	/// OpenAPI 3.1.
	pub current: String,
	/// OpenAPI 3.0.
	pub earlier: String,
}

impl Documents {
	/// Completes the description that the routes make, of an oracle with or without access control.
	///
	/// # Errors
	/// When it is no JSON, which is a fault of this program.
	pub fn new(description: &Description, is_guarded: bool) -> serde_json::Result<Self> {
		let mut document = serde_json::to_value(description)?;
		if !is_guarded {
			open(&mut document);
		}
		add_refusals(&mut document, is_guarded);
		add_bounds(&mut document);
		let current = serde_json::to_string(&document)?;
		to_earlier(&mut document);
		Ok(Self { current, earlier: serde_json::to_string(&document)? })
	}
}

/// A description as an answer.
pub fn answer(document: String) -> Response {
	([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

/// Takes out what says that a token is needed.
fn open(document: &mut Value) {
	if let Some(document) = document.as_object_mut() {
		document.remove("security");
	}
	if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
		components.remove("securitySchemes");
	}
	let paths = document.get_mut("paths").and_then(Value::as_object_mut);
	for item in paths.into_iter().flat_map(|paths| paths.values_mut()) {
		for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
			if let Some(operation) = operation.as_object_mut() {
				operation.remove("security");
			}
		}
	}
}

/// Says how large the numbers of this program can be. The formats `int32` and `int64` are those of signed
/// numbers, and a description made of unsigned ones says no more than that they are not below zero.
fn add_bounds(value: &mut Value) {
	match value {
		Value::Array(values) => values.iter_mut().for_each(add_bounds),
		Value::Object(object) => {
			object.values_mut().for_each(add_bounds);
			if object.get("minimum").and_then(Value::as_u64) == Some(0) {
				let largest = match object.get("format").and_then(Value::as_str) {
					Some("int32") => u64::from(u32::MAX),
					Some("int64") => u64::MAX,
					_ => return,
				};
				object.remove("format");
				object.entry("maximum").or_insert_with(|| json!(largest));
			}
		}
		_ => {}
	}
}

/// Adds to each operation the ways in which it can be refused.
fn add_refusals(document: &mut Value, is_guarded: bool) {
	let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
	for operations in paths.values_mut() {
		let Some(operations) = operations.as_object_mut() else { continue };
		for operation in operations.values_mut() {
			let is_open = !is_guarded
				|| operation.get("security").is_some_and(|security| {
					security.as_array().is_some_and(|any| any.iter().all(|one| one == &json!({})))
				});
			let takes_body = operation.get("requestBody").is_some();
			let names_something =
				operation.get("parameters").and_then(Value::as_array).is_some_and(|all| {
					let names = ["account", "zone"].map(Value::from);
					all.iter().any(|one| one["in"] == "path" || names.contains(&one["name"]))
				});
			let mut refusals = vec![
				(400, "The request is wrong."),
				(405, "The resource has no such method."),
				(429, "This client asks too often, or there is too much to do; see Retry-After."),
				(500, "The program failed; the reason is in its log."),
				(503, "It cannot be answered now; see Retry-After."),
			];
			if !is_open {
				refusals.push((401, "There is no token, or none that is good."));
				refusals.push((403, "No policy permits it."));
			}
			if names_something {
				refusals.push((404, "There is no such thing."));
			}
			if takes_body {
				refusals.push((408, "The body did not arrive in time."));
				refusals.push((413, "The body is too large."));
				refusals.push((415, "The body's type or content coding is not taken."));
			}
			let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut)
			else {
				continue;
			};
			for (status, description) in refusals {
				let reference = json!({ "$ref": "#/components/schemas/Problem" });
				responses.entry(status.to_string()).or_insert_with(|| {
					json!({
						"description": description,
						"content": { MEDIA_TYPE: { "schema": reference } },
					})
				});
			}
		}
	}
}

/// Writes a description of OpenAPI 3.1 as one of 3.0, whose schemas are an older JSON Schema.
fn to_earlier(document: &mut Value) {
	document["openapi"] = json!("3.0.3");
	if let Some(license) = document.pointer_mut("/info/license").and_then(Value::as_object_mut) {
		license.remove("identifier");
	}
	rewrite(document);
}

fn rewrite(value: &mut Value) {
	match value {
		Value::Array(values) => values.iter_mut().for_each(rewrite),
		Value::Object(object) => {
			object.values_mut().for_each(rewrite);
			rewrite_schema(object);
		}
		_ => {}
	}
}

fn rewrite_schema(schema: &mut Map<String, Value>) {
	// "Or null" is a type of its own in 3.1, and a mark in 3.0.
	if let Some(Value::Array(types)) = schema.get("type") {
		let others: Vec<Value> = types.iter().filter(|one| *one != "null").cloned().collect();
		let is_nullable = others.len() < types.len();
		if let [only] = others.as_slice() {
			schema.insert("type".into(), only.clone());
		} else {
			schema.remove("type");
		}
		if is_nullable {
			schema.insert("nullable".into(), json!(true));
		}
	}
	for choice in ["oneOf", "anyOf"] {
		let Some(Value::Array(choices)) = schema.get(choice) else { continue };
		let others: Vec<Value> =
			choices.iter().filter(|one| one.get("type") != Some(&json!("null"))).cloned().collect();
		if others.len() == choices.len() {
			continue;
		}
		schema.insert("nullable".into(), json!(true));
		if others.len() == 1 {
			schema.remove(choice);
			schema.insert("allOf".into(), Value::Array(others));
		} else {
			schema.insert(choice.into(), Value::Array(others));
		}
	}
	if matches!(schema.get("examples"), Some(Value::Array(_))) {
		if let Some(Value::Array(mut examples)) = schema.remove("examples") {
			if !examples.is_empty() {
				schema.insert("example".into(), examples.swap_remove(0));
			}
		}
	}
	if let Some(only) = schema.remove("const") {
		schema.insert("enum".into(), Value::Array(vec![only]));
	}
	schema.remove("propertyNames");
	for (bound, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
		if schema.get(bound).is_some_and(Value::is_number) {
			if let Some(value) = schema.insert(bound.into(), json!(true)) {
				schema.insert(limit.into(), value);
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn an_earlier_description_says_the_same() {
		let mut document = json!({
			"openapi": "3.1.0",
			"info": { "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
			"components": { "schemas": { "Example": { "properties": {
				"maybe": { "type": ["string", "null"] },
				"either": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/A" }] },
				"any": { "anyOf": [{ "type": "null" }, { "type": "string" }, { "type": "integer" }] },
				"fixed": { "const": 1, "examples": [1, 2] },
				"more": { "exclusiveMinimum": 0 },
				"type": { "type": "string" },
			} } } },
		});
		to_earlier(&mut document);
		let properties = &document["components"]["schemas"]["Example"]["properties"];
		assert_eq!(document["openapi"], "3.0.3");
		assert_eq!(document["info"]["license"], json!({ "name": "Apache-2.0" }));
		assert_eq!(properties["maybe"], json!({ "type": "string", "nullable": true }));
		assert_eq!(
			properties["either"],
			json!({ "nullable": true, "allOf": [{ "$ref": "#/components/schemas/A" }] })
		);
		assert_eq!(
			properties["any"],
			json!({ "nullable": true, "anyOf": [{ "type": "string" }, { "type": "integer" }] })
		);
		assert_eq!(properties["fixed"], json!({ "enum": [1], "example": 1 }));
		assert_eq!(properties["more"], json!({ "minimum": 0, "exclusiveMinimum": true }));
		assert_eq!(properties["type"], json!({ "type": "string" }));
	}
}
