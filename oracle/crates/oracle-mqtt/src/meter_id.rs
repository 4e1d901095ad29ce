//! Finds out who a message says it is from, without reading the rest of it.

use std::borrow::Cow;

use serde::Deserialize;

#[derive(Deserialize)]
struct Named<'message> {
	#[serde(rename = "meterId", borrow)]
	meter_id: Cow<'message, str>,
}

/// The `meterId` of a JSON message. `None` when the payload is no JSON object with that one
/// string, which is for the sink to judge.
pub(crate) fn meter_id(payload: &[u8]) -> Option<Cow<'_, str>> {
	serde_json::from_slice::<Named<'_>>(payload).ok().map(|named| named.meter_id)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn meter_id_is_found_wherever_it_stands() {
		for payload in [
			r#"{"meterId":"KR-1"}"#,
			r#"{"a":{"meterId":"other"},"b":[1,{"meterId":"x"}],"meterId":"KR-1","c":1e400}"#,
			r#" { "meterId" : "\u004bR-1" } "#,
		] {
			assert_eq!(meter_id(payload.as_bytes()).as_deref(), Some("KR-1"), "{payload}");
		}
	}

	#[test]
	fn meter_id_is_none_when_the_sink_must_judge() {
		for payload in [
			&b""[..],
			b"\xff\xfe",
			b"[]",
			b"{}",
			br#"{"meterId":null}"#,
			br#"{"meterId":7}"#,
			br#"{"meterId":"a","meterId":"b"}"#,
			br#"{"meterId":"a""#,
		] {
			assert_eq!(meter_id(payload), None, "{}", String::from_utf8_lossy(payload));
		}
	}
}
