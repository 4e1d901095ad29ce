use http::{HeaderMap, Method, Uri};
use std::fmt;
use thiserror::Error;

/// A request, as far as a signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
	/// Method.
	pub method: &'a Method,
	/// The whole address, as the sender wrote it. A receiver behind a proxy puts its public scheme
	/// and host before the path it was asked for.
	pub target_uri: &'a Uri,
	/// Header fields.
	pub headers: &'a HeaderMap,
}

/// A part of a request that a signature covers (RFC 9421, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
	/// `@method`.
	Method,
	/// `@target-uri`.
	TargetUri,
	/// `@authority`.
	Authority,
	/// `@path`.
	Path,
	/// A header field, by its name in lower case.
	Field(String),
}

/// Why the value of a component could not be taken from a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ComponentError {
	/// No such component, or one that this library does not know.
	#[error("component {0}: not supported")]
	Unsupported(String),
	/// The request has no such header field.
	#[error("component {0}: not in the request")]
	Absent(String),
	/// The header field has a byte that is not printable ASCII.
	#[error("component {0}: has a byte that is not printable ASCII")]
	NotAscii(String),
	/// The address has no scheme or host.
	#[error("target_uri: has no scheme or host")]
	RelativeTarget,
}

impl fmt::Display for Component {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(match self {
			Self::Method => "@method",
			Self::TargetUri => "@target-uri",
			Self::Authority => "@authority",
			Self::Path => "@path",
			Self::Field(name) => name,
		})
	}
}

impl Component {
	/// From the name in a signature's list.
	pub(crate) fn parse(name: &str) -> Result<Self, ComponentError> {
		let is_field_name =
			|c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&c);
		match name {
			"@method" => Ok(Self::Method),
			"@target-uri" => Ok(Self::TargetUri),
			"@authority" => Ok(Self::Authority),
			"@path" => Ok(Self::Path),
			_ if !name.is_empty() && name.bytes().all(is_field_name) => {
				Ok(Self::Field(name.to_owned()))
			}
			_ => Err(ComponentError::Unsupported(name.to_owned())),
		}
	}

	/// The component's value (RFC 9421, sections 2.1 and 2.2).
	pub(crate) fn value(&self, message: &Message) -> Result<String, ComponentError> {
		match self {
			Self::Method => Ok(message.method.as_str().to_owned()),
			Self::Authority => authority(message.target_uri),
			Self::Path => Ok(path(message.target_uri).to_owned()),
			Self::TargetUri => target_uri(message.target_uri),
			Self::Field(name) => field(message.headers, name),
		}
	}
}

/// Host in lower case, with the port where it is not the scheme's own (section 2.2.3).
fn authority(uri: &Uri) -> Result<String, ComponentError> {
	let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
		return Err(ComponentError::RelativeTarget);
	};
	let host = authority.host().to_ascii_lowercase();
	Ok(match (scheme, authority.port_u16()) {
		(_, None) | ("https", Some(443)) | ("http", Some(80)) => host,
		(_, Some(port)) => format!("{host}:{port}"),
	})
}

/// The path, `/` if empty (section 2.2.6).
fn path(uri: &Uri) -> &str {
	match uri.path() {
		"" => "/",
		path => path,
	}
}

fn target_uri(uri: &Uri) -> Result<String, ComponentError> {
	let scheme = uri.scheme_str().ok_or(ComponentError::RelativeTarget)?;
	let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
	Ok(format!("{scheme}://{}{}{query}", authority(uri)?, path(uri)))
}

/// The values of all fields of this name, trimmed, joined with a comma and a space (section 2.1).
fn field(headers: &HeaderMap, name: &str) -> Result<String, ComponentError> {
	let mut values = Vec::new();
	for value in headers.get_all(name) {
		let value = value.to_str().map_err(|_| ComponentError::NotAscii(name.to_owned()))?;
		values.push(value.trim_matches([' ', '\t']));
	}
	if values.is_empty() {
		return Err(ComponentError::Absent(name.to_owned()));
	}
	Ok(values.join(", "))
}

/// The signature base (section 2.5): a line for each component, and the parameters last, without
/// a line feed at the end.
pub(crate) fn signature_base(
	message: &Message,
	components: &[Component],
	parameters: &str,
) -> Result<String, ComponentError> {
	let mut base = String::new();
	for component in components {
		base.push_str(&format!("\"{component}\": {}\n", component.value(message)?));
	}
	base.push_str(&format!("\"@signature-params\": {parameters}"));
	Ok(base)
}
