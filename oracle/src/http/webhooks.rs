//! Subscriptions to webhooks.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::{
	extract::State,
	http::StatusCode,
	response::{IntoResponse, Response},
	Json,
};
use energy_primitives::ZoneId;
use oracle_access::{Action, Kind, Resource};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use webhook_delivery::{PauseReason, Secret, Subscription, SubscriptionKey, SubscriptionState};

use super::{
	blocking,
	extract::{Caller, Document, Segments},
	problem::Problem,
	Shared,
};
use crate::{events::EventKind, webhooks::Webhooks};

/// The owner where there is no access control.
const ANYBODY: &str = "anybody";

/// What a subscriber sends.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhook {
	/// Where events go: `https`, port 443 or 1024 and higher, a public address.
	#[schema(format = "uri", max_length = 2048)]
	url: String,
	/// Kinds of events.
	#[schema(min_items = 1, value_type = Vec<EventKind>)]
	kinds: BTreeSet<EventKind>,
	/// Only events about these zones; all events, those about no zone too, if it is missing or empty.
	#[serde(default)]
	#[schema(value_type = Option<Vec<u32>>)]
	zones: Option<BTreeSet<ZoneId>>,
	/// A secret to sign with (HMAC-SHA-256), 64 to 256 hexadecimal digits. Without it the oracle's Ed25519 key signs.
	#[serde(default)]
	#[schema(pattern = "^([0-9a-fA-F]{2}){32,128}$")]
	secret: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
	id: String,
	url: String,
	owner: String,
	/// Kinds of events.
	kinds: Vec<String>,
	/// Zones; all if it is empty.
	zones: Vec<String>,
	/// `active` or `paused`.
	state: &'static str,
	/// Why it is paused.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	reason: Option<String>,
	created_seconds: u64,
	/// `ed25519` or `hmac-sha256`.
	algorithm: &'static str,
	/// The name of the key in the signature.
	key_id: String,
	/// The public key, 64 hexadecimal digits, where the oracle's own key signs.
	#[serde(skip_serializing_if = "Option::is_none")]
	#[schema(nullable = false)]
	public_key: Option<String>,
	/// Events that wait for it.
	waiting: usize,
}

/// What the kinds of webhooks begin with.
const KIND_PREFIX: &str = "energy.oracle.";

impl WebhookView {
	fn new(webhooks: &Webhooks, one: Subscription) -> Result<Self, Problem> {
		let (key_id, public_key) = webhooks.public_key();
		let is_own = one.key == SubscriptionKey::Ed25519;
		let (state, reason) = match &one.state {
			SubscriptionState::Active => ("active", None),
			SubscriptionState::Paused { reason, .. } => ("paused", Some(words(reason))),
		};
		Ok(Self {
			waiting: webhooks.waiting(&one.id)?,
			key_id: if is_own { key_id.to_owned() } else { one.id.clone() },
			public_key: is_own.then(|| public_key.to_owned()),
			algorithm: if is_own { "ed25519" } else { "hmac-sha256" },
			kinds: one
				.event_kinds
				.iter()
				.map(|kind| kind.strip_prefix(KIND_PREFIX).unwrap_or(kind).to_owned())
				.collect(),
			zones: one.zones.into_iter().collect(),
			id: one.id,
			url: one.url,
			owner: one.owner,
			state,
			reason,
			created_seconds: one.created_seconds,
		})
	}
}

fn words(reason: &PauseReason) -> String {
	match reason {
		PauseReason::ByOwner => "by its owner".to_owned(),
		PauseReason::Gone => "the receiver says that it is gone".to_owned(),
		PauseReason::Failing { attempts, last_failure } => {
			format!("{attempts} attempts failed, the last one: {last_failure}")
		}
		_ => "paused".to_owned(),
	}
}

/// Subscriptions.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookList {
	webhooks: Vec<WebhookView>,
}

impl Shared {
	fn webhooks(&self) -> Result<Arc<Webhooks>, Problem> {
		let webhooks = self.api.webhooks.clone();
		webhooks.ok_or_else(|| Problem::not_found("this oracle sends no webhooks"))
	}

	/// Lets who asks do something with a subscription of an owner; its own, if none is named. The owner,
	/// and a name for who asks.
	async fn permit_webhook(
		&self,
		caller: &Caller,
		action: Action,
		id: &str,
		owner: Option<&str>,
	) -> Result<String, Problem> {
		let Some(gate) = &self.api.gate else { return Ok(ANYBODY.to_owned()) };
		let mut resource = Resource::new(Kind::Webhooks, id);
		let authorization = caller.authorization.as_deref();
		let request_id = caller.request_id();
		let bearer = gate.bearer(authorization, action, &resource, &request_id).await?;
		let own = bearer.account.clone().unwrap_or_else(|| bearer.id());
		resource.owner = Some(owner.map_or_else(|| own.clone(), str::to_owned));
		self.permit(caller, action, resource).await?;
		Ok(own)
	}
}

fn new_id() -> Result<String, Problem> {
	let mut id = [0; 16];
	SystemRandom::new().fill(&mut id).map_err(|_error| Problem::failed())?;
	Ok(hex::encode(id))
}

/// Subscribe to webhooks
///
/// Events go out as CloudEvents by POST, signed by HTTP Message Signatures (RFC 9421), at least once and in order. With the
/// header `idempotency-key` a request that is sent again makes no second subscription. Whoever subscribes may
/// follow the events of these zones as a stream, too.
#[utoipa::path(
	post,
	path = "/v1/webhooks",
	tag = "webhooks",
	params((
		"idempotency-key" = Option<String>,
		Header,
		description = "A name for this request.",
		min_length = 1,
		max_length = 255
	)),
	request_body = NewWebhook,
	responses(
		(status = 201, description = "It is active.", body = WebhookView),
		(status = 404, description = "This oracle sends no webhooks.", body = Problem,
			content_type = "application/problem+json"),
		(status = 409, description = "There are as many as there may be, or the key was used for another \
			request.", body = Problem, content_type = "application/problem+json"),
	)
)]
pub(super) async fn subscribe(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
	Document(request): Document<serde_json::Value>,
) -> Result<Response, Problem> {
	let webhooks = shared.webhooks()?;
	let owner = shared.permit_webhook(&caller, Action::Write, "new", None).await?;
	let bad = |error: &dyn std::fmt::Display| Problem::bad_request("bad-document", error);
	let wanted: NewWebhook =
		serde_json::from_value(request.clone()).map_err(|error| bad(&error))?;
	let zones = wanted.zones.unwrap_or_default();
	if zones.is_empty() {
		shared.permit(&caller, Action::Read, Resource::new(Kind::Streams, "all")).await?;
	}
	for zone in &zones {
		let mut resource = Resource::new(Kind::Streams, format!("zone-{zone}"));
		resource.zone = Some(zone.0);
		shared.permit(&caller, Action::Read, resource).await?;
	}
	let key = match wanted.secret {
		None => SubscriptionKey::Ed25519,
		Some(text) => {
			let secret = hex::decode(&text).map_err(|error| bad(&format!("secret: {error}")))?;
			SubscriptionKey::SharedSecret(Secret::new(secret))
		}
	};
	let subscription = Subscription {
		id: new_id()?,
		url: wanted.url,
		owner: owner.clone(),
		event_kinds: wanted
			.kinds
			.iter()
			.map(|kind| format!("{KIND_PREFIX}{}", kind.name()))
			.collect(),
		meters: BTreeSet::new(),
		zones: zones.iter().map(ToString::to_string).collect(),
		key,
		state: SubscriptionState::Active,
		created_seconds: shared.api.clock.now_seconds(),
	};
	subscription.check(webhooks.rules()).map_err(|error| bad(&error))?;
	shared
		.once(&owner, &caller, &request, async {
			let made = subscription.clone();
			let view = blocking(move || {
				if !webhooks.subscribe(made.clone())? {
					let detail = "there are as many subscriptions as there may be";
					return Err(Problem::new(StatusCode::CONFLICT, "too-many-webhooks", detail));
				}
				WebhookView::new(&webhooks, made)
			})
			.await?;
			Ok((StatusCode::CREATED, view))
		})
		.await
}

/// List one's subscriptions
#[utoipa::path(
	get,
	path = "/v1/webhooks",
	tag = "webhooks",
	responses(
		(status = 200, description = "Those of the bearer.", body = WebhookList),
		(status = 404, description = "This oracle sends no webhooks.", body = Problem,
			content_type = "application/problem+json"),
	)
)]
pub(super) async fn list(
	State(shared): State<Arc<Shared>>,
	caller: Caller,
) -> Result<Json<WebhookList>, Problem> {
	let webhooks = shared.webhooks()?;
	let owner = shared.permit_webhook(&caller, Action::Read, "list", None).await?;
	blocking(move || {
		let own = webhooks.subscriptions().into_iter().filter(|one| one.owner == owner);
		let webhooks = own.map(|one| WebhookView::new(&webhooks, one)).collect::<Result<_, _>>()?;
		Ok(Json(WebhookList { webhooks }))
	})
	.await
}

/// The subscription of an identifier, if who asks may do something with it.
async fn permitted(
	shared: &Shared,
	caller: &Caller,
	action: Action,
	id: &str,
) -> Result<Subscription, Problem> {
	let found = shared.webhooks()?.subscription(id);
	let owner = found.as_ref().map(|one| one.owner.as_str());
	shared.permit_webhook(caller, action, id, owner).await?;
	found.ok_or_else(|| Problem::not_found("there is no such subscription"))
}

/// Show a subscription
#[utoipa::path(
	get,
	path = "/v1/webhooks/{id}",
	tag = "webhooks",
	params(("id" = String, Path, description = "32 hexadecimal digits.")),
	responses((status = 200, description = "The subscription.", body = WebhookView))
)]
pub(super) async fn show(
	State(shared): State<Arc<Shared>>,
	Segments(id): Segments<String>,
	caller: Caller,
) -> Result<Json<WebhookView>, Problem> {
	let one = permitted(&shared, &caller, Action::Read, &id).await?;
	let webhooks = shared.webhooks()?;
	blocking(move || WebhookView::new(&webhooks, one).map(Json)).await
}

/// End a subscription
///
/// What waits for it is forgotten.
#[utoipa::path(
	delete,
	path = "/v1/webhooks/{id}",
	tag = "webhooks",
	params(("id" = String, Path, description = "32 hexadecimal digits.")),
	responses((status = 204, description = "It is no more."))
)]
pub(super) async fn unsubscribe(
	State(shared): State<Arc<Shared>>,
	Segments(id): Segments<String>,
	caller: Caller,
) -> Result<Response, Problem> {
	permitted(&shared, &caller, Action::Write, &id).await?;
	let webhooks = shared.webhooks()?;
	blocking(move || Ok(webhooks.unsubscribe(&id)?)).await?;
	Ok(StatusCode::NO_CONTENT.into_response())
}

/// Make a paused subscription active again
///
/// What waits for it is delivered at once.
#[utoipa::path(
	post,
	path = "/v1/webhooks/{id}/resume",
	tag = "webhooks",
	params(("id" = String, Path, description = "32 hexadecimal digits.")),
	responses((status = 204, description = "It is active."))
)]
pub(super) async fn resume(
	State(shared): State<Arc<Shared>>,
	Segments(id): Segments<String>,
	caller: Caller,
) -> Result<Response, Problem> {
	permitted(&shared, &caller, Action::Write, &id).await?;
	let webhooks = shared.webhooks()?;
	blocking(move || Ok(webhooks.resume(&id)?)).await?;
	Ok(StatusCode::NO_CONTENT.into_response())
}
