//! Accounts as people write them: SS58 with the network prefix 42.

use energy_primitives::AccountId;
use sp_core::crypto::{PublicError, Ss58AddressFormat, Ss58Codec};

/// The network prefix of this chain's addresses.
pub const SS58_FORMAT: u16 = 42;

/// Why a text is not an address of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
	/// A letter is missing, too many or wrong.
	#[error("`{text}` is not an address: {reason}; copy it again, whole")]
	Malformed {
		/// What was given.
		text: String,
		/// What is wrong.
		reason: String,
	},
	/// A good address, of another chain.
	#[error(
		"`{text}` is an address of another network (prefix {prefix}, this chain has \
		 {SS58_FORMAT}); ask for the address on this chain"
	)]
	OtherNetwork {
		/// What was given.
		text: String,
		/// Its prefix.
		prefix: u16,
	},
}

/// Writes an account with this chain's prefix.
pub fn format(account: &AccountId) -> String {
	account.to_ss58check_with_version(Ss58AddressFormat::custom(SS58_FORMAT))
}

/// Reads an address of this chain, or `0x` and the 32 bytes of a public key.
///
/// # Errors
/// See [`AddressError`].
pub fn parse(text: &str) -> Result<AccountId, AddressError> {
	if let Some(bytes) = text.strip_prefix("0x") {
		let mut key = [0u8; 32];
		hex::decode_to_slice(bytes, &mut key).map_err(|_| AddressError::Malformed {
			text: text.into(),
			reason: "after 0x there must be 64 hexadecimal digits".into(),
		})?;
		return Ok(AccountId::new(key));
	}
	let (account, format) = decode(text)?;
	let prefix = u16::from(format);
	if prefix != SS58_FORMAT {
		return Err(AddressError::OtherNetwork { text: text.into(), prefix });
	}
	Ok(account)
}

/// Reads an address of any network: another wallet may have written a key file with its own.
pub(crate) fn parse_any_network(text: &str) -> Result<AccountId, AddressError> {
	decode(text).map(|(account, _)| account)
}

fn decode(text: &str) -> Result<(AccountId, Ss58AddressFormat), AddressError> {
	AccountId::from_ss58check_with_version(text).map_err(|error| AddressError::Malformed {
		text: text.into(),
		reason: match error {
			PublicError::InvalidChecksum => "its checksum is wrong".into(),
			PublicError::BadBase58 => "it has letters that no address has".into(),
			PublicError::BadLength => "its length is wrong".into(),
			_ => "it is in no known form".into(),
		},
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

	#[test]
	fn address_round_trips() {
		let account = parse(ALICE).expect("an address of this chain");
		assert_eq!(format(&account), ALICE);
		let bytes: &[u8] = account.as_ref();
		assert_eq!(parse(&format!("0x{}", hex::encode(bytes))), Ok(account));
	}

	#[test]
	fn address_is_refused_when_one_letter_is_wrong() {
		let wrong = ALICE.replace("kutQY", "kutQZ").replace("GKutQY", "GKutQZ");
		assert!(matches!(parse(&wrong), Err(AddressError::Malformed { .. })));
		assert!(parse(&ALICE[1..]).is_err());
		assert!(parse("").is_err());
		assert!(parse("0x12").is_err());
	}

	#[test]
	fn address_is_refused_when_it_is_of_another_network() {
		let account = parse(ALICE).expect("an address of this chain");
		let polkadot = account.to_ss58check_with_version(Ss58AddressFormat::custom(0));
		assert_eq!(
			parse(&polkadot),
			Err(AddressError::OtherNetwork { text: polkadot.clone(), prefix: 0 })
		);
		assert_eq!(parse_any_network(&polkadot), Ok(account));
	}
}
