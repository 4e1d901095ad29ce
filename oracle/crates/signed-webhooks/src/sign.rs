use crate::{
	message::signature_base, Component, ComponentError, Message, SigningKey, DELIVERY_ID_HEADER,
};
use base64::{engine::general_purpose::STANDARD, Engine};
use sfv::{DictSerializer, KeyRef, StringRef};
use thiserror::Error;

/// Label of the signature in both header fields.
pub const LABEL: &str = "webhook";

/// What every webhook's signature covers.
pub fn webhook_components() -> Vec<Component> {
	vec![
		Component::Method,
		Component::TargetUri,
		Component::Field("content-digest".into()),
		Component::Field("content-type".into()),
		Component::Field(DELIVERY_ID_HEADER.into()),
	]
}

/// The two header fields of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFields {
	/// Value of `Signature-Input`.
	pub signature_input: String,
	/// Value of `Signature`.
	pub signature: String,
}

/// The parameters of a signature (RFC 9421, section 2.3). Times are whole seconds since
/// 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
	/// Label in the header fields: lower case letters, digits, `_-.*`.
	pub label: String,
	/// What is covered, in this order.
	pub components: Vec<Component>,
	/// When it was signed.
	pub created_seconds: u64,
	/// When it ends to be valid, if ever.
	pub expires_seconds: Option<u64>,
	/// By what name the receiver finds the key: printable ASCII.
	pub key_id: String,
	/// Whether to name the algorithm.
	pub name_algorithm: bool,
}

/// Why a request was not signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
	/// A component is not in the request.
	#[error(transparent)]
	Component(#[from] ComponentError),
	/// A parameter cannot be written in a header field.
	#[error("{0}: cannot be written in a header field")]
	Parameter(&'static str),
}

/// Signs a request (RFC 9421, section 3.1).
pub fn sign(
	message: &Message,
	parameters: &Parameters,
	key: &SigningKey,
) -> Result<SignatureFields, SignError> {
	let label = KeyRef::from_str(&parameters.label).map_err(|_| SignError::Parameter("label"))?;
	let list = parameters_value(label, parameters, key)?;
	let base = signature_base(message, &parameters.components, &list)?;
	let signature = key.sign(base.as_bytes());
	Ok(SignatureFields {
		signature_input: format!("{label}={list}"),
		signature: format!("{label}=:{}:", STANDARD.encode(signature)),
	})
}

/// The inner list of `Signature-Input`, with its parameters.
fn parameters_value(
	label: &KeyRef,
	parameters: &Parameters,
	key: &SigningKey,
) -> Result<String, SignError> {
	let time = |name, seconds: u64| {
		let seconds = i64::try_from(seconds).map_err(|_| SignError::Parameter(name))?;
		sfv::Integer::try_from(seconds).map_err(|_| SignError::Parameter(name))
	};
	let name = |text: &'static str| KeyRef::from_str(text).map_err(|_| SignError::Parameter(text));
	let mut serializer = DictSerializer::new();
	let mut list = serializer.inner_list(label);
	for component in &parameters.components {
		let text = component.to_string();
		let text = StringRef::from_str(&text).map_err(|_| SignError::Parameter("components"))?;
		list.bare_item(text);
	}
	let mut list = list
		.finish()
		.parameter(name("created")?, time("created_seconds", parameters.created_seconds)?);
	if let Some(expires) = parameters.expires_seconds {
		list = list.parameter(name("expires")?, time("expires_seconds", expires)?);
	}
	let key_id =
		StringRef::from_str(&parameters.key_id).map_err(|_| SignError::Parameter("key_id"))?;
	list = list.parameter(name("keyid")?, key_id);
	if parameters.name_algorithm {
		let algorithm =
			StringRef::from_str(key.algorithm().name()).map_err(|_| SignError::Parameter("alg"))?;
		list = list.parameter(name("alg")?, algorithm);
	}
	let _ = list.finish();
	let value = serializer.finish().ok_or(SignError::Parameter("components"))?;
	Ok(value[label.as_str().len() + 1..].to_owned())
}
