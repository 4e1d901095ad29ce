//! The header of a token.

use jsonwebtoken::Header;

use super::{error::TokenError, jwks::SigningAlgorithm};

/// The longest key id, bytes.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;

/// What the header says of the signature.
pub(super) struct Signature {
	pub(super) algorithm: SigningAlgorithm,
	pub(super) key_id: String,
}

/// Reads the header of a token. Nothing is believed yet.
pub(super) fn read(token: &str) -> Result<Signature, TokenError> {
	// An algorithm that the library has no name for, such as `none`, does not parse.
	let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
	let algorithm = match header.alg {
		jsonwebtoken::Algorithm::EdDSA => SigningAlgorithm::EdDsa,
		jsonwebtoken::Algorithm::ES256 => SigningAlgorithm::Es256,
		_ => return Err(TokenError::AlgorithmRefused),
	};
	if let Some(name) = refused_parameter(&header) {
		return Err(TokenError::HeaderRefused { name });
	}
	match header.kid {
		Some(key_id) if !key_id.is_empty() && key_id.len() <= MAX_KEY_ID_BYTES => {
			Ok(Signature { algorithm, key_id })
		}
		_ => Err(TokenError::KeyIdMissing),
	}
}

/// Extensions that the issuer calls critical are not understood here (RFC 7515, section 4.1.11);
/// keys come from the issuer's published set and never from the token or an address in it; a token
/// is neither compressed nor encrypted nor a wrapper around another one.
fn refused_parameter(header: &Header) -> Option<&'static str> {
	let is_access_token = |kind: &String| {
		let kind = kind.to_ascii_lowercase();
		matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
	};
	[
		("crit", header.crit.is_some()),
		("jwk", header.jwk.is_some()),
		("jku", header.jku.is_some()),
		("x5u", header.x5u.is_some()),
		("x5c", header.x5c.is_some()),
		("enc", header.enc.is_some()),
		("zip", header.zip.is_some()),
		("cty", header.cty.is_some()),
		("b64", header.extras.inner().contains_key("b64")),
		("typ", !header.typ.as_ref().is_none_or(is_access_token)),
	]
	.into_iter()
	.find_map(|(name, present)| present.then_some(name))
}
