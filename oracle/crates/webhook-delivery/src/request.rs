//! The signed header of a webhook.

use crate::{Delivery, SubscriptionKey, Target};
use http::{header::InvalidHeaderValue, HeaderMap, HeaderValue, Method};
use signed_webhooks::{
	content_digest, sign, webhook_components, Component, KeyError, Message, Parameters, SignError,
	SigningKey, DELIVERY_ID_HEADER, LABEL,
};
use thiserror::Error;

/// Media type of the body: CloudEvents 1.0 in JSON, structured mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Header field with the number of the attempt, from 1.
pub const ATTEMPT_HEADER: &str = "webhook-attempt";
/// Header field with the place of the delivery among those of the subscription, from 1.
pub const SEQUENCE_HEADER: &str = "webhook-sequence";

/// The sender's own key, for the subscriptions without a shared secret.
#[derive(Debug)]
pub struct SenderKey {
	/// By what name receivers find it: printable ASCII.
	pub key_id: String,
	/// The key.
	pub key: SigningKey,
}

/// Why a webhook was not signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
	/// The shared secret is not taken.
	#[error(transparent)]
	Key(#[from] KeyError),
	/// The signature cannot be made.
	#[error(transparent)]
	Sign(#[from] SignError),
	/// A value cannot be written in a header field.
	#[error(transparent)]
	Value(#[from] InvalidHeaderValue),
}

/// The header of one attempt. The signature covers what [`webhook_components`] says, the number of
/// the attempt and the sequence.
pub(crate) fn signed_fields(
	delivery: &Delivery,
	subscription_key: &SubscriptionKey,
	sender_key: &SenderKey,
	target: &Target,
	now_seconds: u64,
	lifetime_seconds: u64,
) -> Result<HeaderMap, RequestError> {
	let mut fields = HeaderMap::new();
	let attempt = delivery.attempts.saturating_add(1);
	fields.insert("content-type", HeaderValue::from_static(CONTENT_TYPE));
	fields.insert("content-digest", content_digest(delivery.body.as_bytes()).try_into()?);
	fields.insert(DELIVERY_ID_HEADER, HeaderValue::from_str(&delivery.id)?);
	fields.insert(ATTEMPT_HEADER, attempt.into());
	fields.insert(SEQUENCE_HEADER, delivery.sequence.into());

	let mut components = webhook_components();
	components.push(Component::Field(ATTEMPT_HEADER.into()));
	components.push(Component::Field(SEQUENCE_HEADER.into()));
	let shared;
	let (key_id, key) = match subscription_key {
		SubscriptionKey::Ed25519 => (&sender_key.key_id, &sender_key.key),
		SubscriptionKey::SharedSecret(secret) => {
			shared = secret.signing_key()?;
			(&delivery.subscription_id, &shared)
		}
	};
	let parameters = Parameters {
		label: LABEL.into(),
		components,
		created_seconds: now_seconds,
		expires_seconds: Some(now_seconds.saturating_add(lifetime_seconds)),
		key_id: key_id.clone(),
		name_algorithm: true,
	};
	let message = Message { method: &Method::POST, target_uri: &target.uri, headers: &fields };
	let signature = sign(&message, &parameters, key)?;
	fields.insert("signature-input", signature.signature_input.try_into()?);
	fields.insert("signature", signature.signature.try_into()?);
	Ok(fields)
}
