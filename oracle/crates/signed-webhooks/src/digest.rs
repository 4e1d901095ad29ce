use aws_lc_rs::{constant_time, digest};
use base64::{engine::general_purpose::STANDARD, Engine};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// The value of `Content-Digest` for a body: its SHA-256 (RFC 9530, section 2).
pub fn content_digest(body: &[u8]) -> String {
	let hash = digest::digest(&digest::SHA256, body);
	format!("sha-256=:{}:", STANDARD.encode(hash.as_ref()))
}

/// Whether a value of `Content-Digest` has the SHA-256 of this body. Digests of other algorithms
/// beside it are not looked at.
pub fn content_digest_matches(value: &str, body: &[u8]) -> bool {
	let Ok(digests) = Parser::new(value).parse::<Dictionary>() else { return false };
	let Some(ListEntry::Item(item)) = digests.get("sha-256") else { return false };
	let BareItem::ByteSequence(bytes) = &item.bare_item else { return false };
	let hash = digest::digest(&digest::SHA256, body);
	constant_time::verify_slices_are_equal(bytes, hash.as_ref()).is_ok()
}
