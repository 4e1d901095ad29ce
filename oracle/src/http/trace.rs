//! Identifiers of requests: W3C Trace Context.

use axum::http::HeaderMap;
use sp_crypto_hashing::blake2_128;
use std::{
	fmt,
	sync::atomic::{AtomicU64, Ordering},
};

/// The header that carries the context.
pub const HEADER: &str = "traceparent";

/// The identifier of a request: that of the trace it belongs to, if its sender names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl fmt::Display for TraceId {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
	}
}

impl TraceId {
	/// That of the header `traceparent`, if there is exactly one that can be read: version, trace,
	/// parent and flags in lower-case hexadecimal digits, with hyphens between them.
	pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
		let mut values = headers.get_all(HEADER).iter();
		let text = values.next()?.to_str().ok()?;
		if values.next().is_some() {
			return None;
		}
		let mut parts = text.split('-');
		let (version, trace, parent, flags) =
			(parts.next()?, parts.next()?, parts.next()?, parts.next()?);
		let is_number = |part: &str, digits: usize| {
			part.len() == digits
				&& part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
		};
		let is_well_formed = is_number(version, 2)
			&& version != "ff"
			&& is_number(parent, 16)
			&& parent.bytes().any(|byte| byte != b'0')
			&& is_number(flags, 2)
			// Later versions may have more parts.
			&& (version != "00" || parts.next().is_none());
		let mut id = [0; 16];
		if !is_well_formed || !is_number(trace, 32) || hex::decode_to_slice(trace, &mut id).is_err()
		{
			return None;
		}
		(id != [0; 16]).then_some(Self(id))
	}
}

/// Makes identifiers for requests that have none.
#[derive(Debug)]
pub struct TraceIds {
	start: u64,
	made: AtomicU64,
}

impl TraceIds {
	/// Identifiers of a process that started at a time; of two starts, not the same.
	pub fn new(start_nanoseconds: u64) -> Self {
		Self { start: start_nanoseconds, made: AtomicU64::new(0) }
	}

	/// Another one.
	pub fn next(&self) -> TraceId {
		let number = self.made.fetch_add(1, Ordering::Relaxed);
		TraceId(blake2_128(
			&[
				self.start.to_be_bytes(),
				number.to_be_bytes(),
				u64::from(std::process::id()).to_be_bytes(),
			]
			.concat(),
		))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

	fn of(values: &[&str]) -> Option<String> {
		let mut headers = HeaderMap::new();
		for value in values {
			headers.append(HEADER, value.parse().expect("a header's value"));
		}
		TraceId::of_headers(&headers).map(|id| id.to_string())
	}

	#[test]
	fn takes_the_trace_of_its_sender() {
		assert_eq!(of(&[PARENT]).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
		let later = format!("01{}-more", &PARENT[2..]);
		assert_eq!(of(&[&later]).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
	}

	#[test]
	fn does_not_take_what_is_malformed() {
		let zero_trace = PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
		let zero_parent = PARENT.replace("00f067aa0ba902b7", &"0".repeat(16));
		let cases = [
			"",
			"00",
			&PARENT.to_uppercase(),
			&format!("ff{}", &PARENT[2..]),
			&format!("{PARENT}-more"),
			&PARENT[..PARENT.len() - 1],
			&PARENT.replace("4b", "4"),
			&zero_trace,
			&zero_parent,
			&PARENT.replace("-01", "-0x"),
		];
		for case in cases {
			assert_eq!(of(&[case]), None, "{case}");
		}
		assert_eq!(of(&[PARENT, PARENT]), None);
		assert_eq!(of(&[]), None);
	}

	#[test]
	fn makes_different_ones() {
		let ids = TraceIds::new(1);
		assert_ne!(ids.next(), ids.next());
		assert_ne!(TraceIds::new(1).next(), TraceIds::new(2).next());
	}
}
