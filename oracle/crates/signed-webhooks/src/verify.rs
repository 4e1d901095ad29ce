use crate::{
	content_digest_matches, message::signature_base, sign::webhook_components, Component,
	ComponentError, Message, VerifyingKey, DELIVERY_ID_HEADER, LABEL,
};
use sfv::{BareItem, DictSerializer, Dictionary, InnerList, KeyRef, ListEntry, Parser};
use thiserror::Error;

/// What a receiver demands of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
	/// Label of the signature to look at; other signatures are not looked at.
	pub label: String,
	/// Components that it must cover.
	pub components: Vec<Component>,
	/// How long after it was signed a request is taken, in seconds.
	pub max_age_seconds: u64,
	/// How far the sender's clock may be ahead, in seconds.
	pub max_clock_lead_seconds: u64,
}

impl Default for Policy {
	/// For the webhooks of this library: five minutes, and one minute ahead.
	fn default() -> Self {
		Self {
			label: LABEL.into(),
			components: webhook_components(),
			max_age_seconds: 300,
			max_clock_lead_seconds: 60,
		}
	}
}

/// A request whose signature is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
	/// Name of the key that signed it.
	pub key_id: String,
	/// When it was signed, in seconds since 1970-01-01T00:00:00Z.
	pub created_seconds: u64,
	/// Id of the delivery, if the signature covers it. A receiver does the work of an id once and
	/// answers success when the same id comes again.
	pub delivery_id: Option<String>,
}

/// Why a request is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
	/// A header field is not what RFC 9421, section 4, says.
	#[error("{0}: malformed")]
	Malformed(&'static str),
	/// There is no signature with the label.
	#[error("{0}: no signature with the label")]
	NoSignature(&'static str),
	/// A component's value could not be taken.
	#[error(transparent)]
	Component(#[from] ComponentError),
	/// A component is covered twice.
	#[error("component {0}: covered twice")]
	Repeated(String),
	/// A component that must be covered is not.
	#[error("component {0}: not covered")]
	NotCovered(String),
	/// A parameter that must be there is not.
	#[error("parameter {0}: missing")]
	NoParameter(&'static str),
	/// The key is not known.
	#[error("keyid: unknown")]
	UnknownKey,
	/// The algorithm is not that of the key.
	#[error("alg: not the algorithm of the key")]
	WrongAlgorithm,
	/// It was signed in the future.
	#[error("created: in the future")]
	NotYet,
	/// It was signed too long ago, or it says that it is not valid any more.
	#[error("expires: not valid any more")]
	Expired,
	/// The signature is not of this request, or not by this key.
	#[error("signature: does not match")]
	WrongSignature,
	/// The body is not the one that was signed.
	#[error("content-digest: not of this body")]
	WrongDigest,
}

/// Verifies a request (RFC 9421, section 3.2) at a time in seconds since 1970-01-01T00:00:00Z.
///
/// The digest of the body is checked if the signature covers `content-digest`.
pub fn verify<'k>(
	message: &Message,
	body: &[u8],
	policy: &Policy,
	key: impl FnOnce(&str) -> Option<&'k VerifyingKey>,
	now_seconds: u64,
) -> Result<Verified, VerifyError> {
	let list = signature_input(message, policy)?;
	let signature = signature(message, policy)?;
	let components = components(&list, policy)?;

	let key_id = text(&list, "keyid")?.ok_or(VerifyError::NoParameter("keyid"))?;
	let key = key(key_id).ok_or(VerifyError::UnknownKey)?;
	if text(&list, "alg")?.is_some_and(|algorithm| algorithm != key.algorithm().name()) {
		return Err(VerifyError::WrongAlgorithm);
	}
	let created_seconds = time(&list, "created")?.ok_or(VerifyError::NoParameter("created"))?;
	if created_seconds > now_seconds.saturating_add(policy.max_clock_lead_seconds) {
		return Err(VerifyError::NotYet);
	}
	let expires = time(&list, "expires")?;
	if now_seconds > created_seconds.saturating_add(policy.max_age_seconds)
		|| expires.is_some_and(|expires| now_seconds > expires)
	{
		return Err(VerifyError::Expired);
	}

	let base = signature_base(message, &components, &serialize(&list)?)?;
	if !key.verifies(base.as_bytes(), &signature) {
		return Err(VerifyError::WrongSignature);
	}
	let value_of = |name: &str| {
		let component = Component::Field(name.to_owned());
		components.contains(&component).then(|| component.value(message)).transpose()
	};
	if let Some(digest) = value_of("content-digest")? {
		if !content_digest_matches(&digest, body) {
			return Err(VerifyError::WrongDigest);
		}
	}
	Ok(Verified {
		key_id: key_id.to_owned(),
		created_seconds,
		delivery_id: value_of(DELIVERY_ID_HEADER)?,
	})
}

fn dictionary(message: &Message, name: &'static str) -> Result<Dictionary, VerifyError> {
	let value = match Component::Field(name.to_owned()).value(message) {
		Ok(value) => value,
		Err(ComponentError::Absent(_)) => return Err(VerifyError::NoSignature(name)),
		Err(error) => return Err(error.into()),
	};
	Parser::new(&value).parse().map_err(|_| VerifyError::Malformed(name))
}

fn signature_input(message: &Message, policy: &Policy) -> Result<InnerList, VerifyError> {
	let name = "signature-input";
	match dictionary(message, name)?.swap_remove(policy.label.as_str()) {
		Some(ListEntry::InnerList(list)) => Ok(list),
		Some(ListEntry::Item(_)) => Err(VerifyError::Malformed(name)),
		None => Err(VerifyError::NoSignature(name)),
	}
}

fn signature(message: &Message, policy: &Policy) -> Result<Vec<u8>, VerifyError> {
	let name = "signature";
	match dictionary(message, name)?.swap_remove(policy.label.as_str()) {
		Some(ListEntry::Item(item)) => match item.bare_item {
			BareItem::ByteSequence(bytes) => Ok(bytes),
			_ => Err(VerifyError::Malformed(name)),
		},
		Some(ListEntry::InnerList(_)) => Err(VerifyError::Malformed(name)),
		None => Err(VerifyError::NoSignature(name)),
	}
}

/// The covered components. One with parameters of its own is not supported.
fn components(list: &InnerList, policy: &Policy) -> Result<Vec<Component>, VerifyError> {
	let mut components = Vec::new();
	for item in &list.items {
		let name =
			item.bare_item.as_string().ok_or(VerifyError::Malformed("signature-input"))?.as_str();
		if !item.params.is_empty() {
			return Err(ComponentError::Unsupported(name.to_owned()).into());
		}
		let component = Component::parse(name)?;
		if components.contains(&component) {
			return Err(VerifyError::Repeated(name.to_owned()));
		}
		components.push(component);
	}
	match policy.components.iter().find(|component| !components.contains(component)) {
		Some(component) => Err(VerifyError::NotCovered(component.to_string())),
		None => Ok(components),
	}
}

fn text<'a>(list: &'a InnerList, name: &'static str) -> Result<Option<&'a str>, VerifyError> {
	match list.params.get(name) {
		Some(BareItem::String(text)) => Ok(Some(text.as_str())),
		Some(_) => Err(VerifyError::Malformed(name)),
		None => Ok(None),
	}
}

fn time(list: &InnerList, name: &'static str) -> Result<Option<u64>, VerifyError> {
	match list.params.get(name) {
		Some(BareItem::Integer(seconds)) => {
			u64::try_from(i64::from(*seconds)).map(Some).map_err(|_| VerifyError::Malformed(name))
		}
		Some(_) => Err(VerifyError::Malformed(name)),
		None => Ok(None),
	}
}

/// The list as the signer serialized it (RFC 9421, section 2.5: strict serialization).
fn serialize(list: &InnerList) -> Result<String, VerifyError> {
	let malformed = VerifyError::Malformed("signature-input");
	let label = KeyRef::from_str("a").map_err(|_| malformed.clone())?;
	let mut serializer = DictSerializer::new();
	let mut items = serializer.inner_list(label);
	items.items(&list.items);
	let _ = items.finish().parameters(&list.params).finish();
	let value = serializer.finish().ok_or(malformed)?;
	Ok(value["a=".len()..].to_owned())
}
