//! Takes a request's body apart into messages.

use bytes::Bytes;
use oracle_port::Rejection;
use serde_json::value::RawValue;
use wia_ene_014::canonical::SignedMessage;

use crate::reading::fault;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
	/// One JSON object, or an array of objects.
	Json,
	/// One JSON object on each line; empty lines do not count.
	JsonLines,
}

impl Format {
	/// The format of a media type; parameters and case do not matter.
	pub fn of_content_type(content_type: &str) -> Option<Self> {
		let essence = content_type.split(';').next().unwrap_or_default().trim();
		match essence.to_ascii_lowercase().as_str() {
			"application/json" => Some(Self::Json),
			"application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
				Some(Self::JsonLines)
			}
			_ => None,
		}
	}
}

/// Why a body is no list of messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
	/// It is not JSON.
	#[error("the body is not JSON: {0}")]
	NotJson(String),
	/// It is JSON, and neither an object nor an array.
	#[error("the body is neither a message nor an array of messages")]
	NotMessages,
	/// It is empty.
	#[error("the body has no message")]
	Empty,
	/// It has more messages than are allowed.
	#[error("the body has more than {limit} messages")]
	TooMany {
		/// How many are allowed.
		limit: usize,
	},
}

/// A message as it came in, and what it says.
pub type Parsed = (Bytes, Result<SignedMessage, Rejection>);

/// Reads one message.
pub fn parse(document: Bytes) -> Parsed {
	let signed = SignedMessage::parse(&document).map_err(fault);
	(document, signed)
}

/// Reads the messages of a body.
///
/// # Errors
/// When the body is not a list of at most `limit` messages. What is wrong with one of them is told
/// in its place.
pub fn parse_body(format: Format, body: &Bytes, limit: usize) -> Result<Vec<Parsed>, BodyError> {
	// Most bodies are an array of plain messages, which is read in one pass.
	let plain = match format {
		Format::Json => SignedMessage::parse_plain_array(body, limit),
		Format::JsonLines => None,
	};
	if let Some(messages) = plain {
		return Ok(messages.into_iter().map(|(at, signed)| (body.slice(at), Ok(signed))).collect());
	}
	let messages = split(format, body, limit)?;
	Ok(messages.into_iter().map(|message| parse(body.slice_ref(message))).collect())
}

/// The messages of a body, each as the bytes it was written with. A line that is no JSON is a message
/// that will be rejected, not an error of the body.
fn split(format: Format, body: &[u8], limit: usize) -> Result<Vec<&[u8]>, BodyError> {
	let messages = match format {
		Format::Json => split_json(body)?,
		Format::JsonLines => body
			.split(|byte| *byte == b'\n')
			.map(<[u8]>::trim_ascii)
			.filter(|line| !line.is_empty())
			.take(limit.saturating_add(1))
			.collect(),
	};
	if messages.is_empty() {
		return Err(BodyError::Empty);
	}
	if messages.len() > limit {
		return Err(BodyError::TooMany { limit });
	}
	Ok(messages)
}

fn split_json(body: &[u8]) -> Result<Vec<&[u8]>, BodyError> {
	let not_json = |error: serde_json::Error| BodyError::NotJson(error.to_string());
	match body.trim_ascii_start().first() {
		None => Err(BodyError::Empty),
		Some(b'[') => {
			let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(not_json)?;
			Ok(items.into_iter().map(|item| item.get().as_bytes()).collect())
		}
		Some(first) => {
			serde_json::from_slice::<&RawValue>(body).map_err(not_json)?;
			if *first == b'{' {
				Ok(vec![body])
			} else {
				Err(BodyError::NotMessages)
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn split_finds_each_message_with_its_own_bytes() {
		let one = br#" {"a": 1.50} "#;
		assert_eq!(split(Format::Json, one, 1), Ok(vec![&one[..]]));
		let two = br#"[ {"a": 1.50}, 7 ]"#;
		let expected: Vec<&[u8]> = vec![br#"{"a": 1.50}"#, b"7"];
		assert_eq!(split(Format::Json, two, 2), Ok(expected));
		let lines = b"{\"a\":1}\r\n\n  not json\n";
		let expected: Vec<&[u8]> = vec![b"{\"a\":1}", b"not json"];
		assert_eq!(split(Format::JsonLines, lines, 2), Ok(expected));
	}

	#[test]
	fn split_refuses_a_body_that_is_no_list_of_messages() {
		for format in [Format::Json, Format::JsonLines] {
			assert_eq!(split(format, b" \n ", 9), Err(BodyError::Empty));
		}
		assert_eq!(split(Format::Json, b"[]", 9), Err(BodyError::Empty));
		assert_eq!(split(Format::Json, b"7", 9), Err(BodyError::NotMessages));
		assert!(matches!(split(Format::Json, b"{\"a\":", 9), Err(BodyError::NotJson(_))));
		assert!(matches!(split(Format::Json, b"[{}] []", 9), Err(BodyError::NotJson(_))));
		assert!(matches!(split(Format::Json, b"{} {}", 9), Err(BodyError::NotJson(_))));
		assert_eq!(split(Format::Json, b"[1,2,3]", 2), Err(BodyError::TooMany { limit: 2 }));
		assert_eq!(split(Format::JsonLines, b"1\n2\n3", 2), Err(BodyError::TooMany { limit: 2 }));
	}

	#[test]
	fn each_message_is_kept_with_what_it_says() {
		let body = Bytes::from_static(b"{\"a\":1}\n7\n");
		let parsed = parse_body(Format::JsonLines, &body, 9).expect("two lines");
		let documents: Vec<&[u8]> = parsed.iter().map(|(document, _)| &document[..]).collect();
		assert_eq!(documents, [&b"{\"a\":1}"[..], b"7"]);
		assert!(parsed.iter().all(|(_, signed)| signed.is_err()));
		assert_eq!(parse_body(Format::Json, &Bytes::new(), 9), Err(BodyError::Empty));
	}

	#[test]
	fn format_is_known_by_its_media_type() {
		assert_eq!(Format::of_content_type("Application/JSON; charset=utf-8"), Some(Format::Json));
		assert_eq!(Format::of_content_type("application/x-ndjson"), Some(Format::JsonLines));
		assert_eq!(Format::of_content_type("text/plain"), None);
	}
}
