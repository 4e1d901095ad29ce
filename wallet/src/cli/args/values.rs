//! Values as they are typed.

use std::str::FromStr;

use energy_market_core::MILLION;
use energy_primitives::{AccountId, Slot};
use sp_core::{H160, H256};
use wia_ene_014::canonical::DeviceKey;

use crate::{address, keystore::MnemonicLength};

/// A slot as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChoice {
	/// By its number.
	Number(u32),
	/// So many after the present one.
	After(u32),
	/// So many before the present one.
	Before(u32),
}

impl SlotChoice {
	/// The slot that is meant at `present`. `None` when there is none.
	pub fn at(self, present: Slot) -> Option<Slot> {
		match self {
			Self::Number(number) => Some(number),
			Self::After(count) => present.0.checked_add(count),
			Self::Before(count) => present.0.checked_sub(count),
		}
		.map(Slot)
	}
}

impl FromStr for SlotChoice {
	type Err = String;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let number = |digits: &str| {
			// `parse` would take a second sign.
			Some(digits)
				.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
				.and_then(|digits| digits.parse().ok())
				.ok_or_else(|| {
					format!(
						"`{text}` is not a slot: give its number, or +4 for the fourth after the \
						 present one, or -4 for the fourth before it"
					)
				})
		};
		match (text.strip_prefix('+'), text.strip_prefix('-')) {
			(Some(count), _) => number(count).map(Self::After),
			(_, Some(count)) => number(count).map(Self::Before),
			_ => number(text).map(Self::Number),
		}
	}
}

/// A moment as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentChoice {
	/// A second since 1970.
	At(u64),
	/// So many seconds after the present one.
	After(u64),
}

impl MomentChoice {
	/// The second since 1970 that is meant at `now`. `None` when it does not fit.
	pub fn at(self, now_seconds: u64) -> Option<u64> {
		match self {
			Self::At(seconds) => Some(seconds),
			Self::After(seconds) => now_seconds.checked_add(seconds),
		}
	}
}

impl FromStr for MomentChoice {
	type Err = String;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let wrong = || {
			format!(
				"`{text}` is not a moment: give a second since 1970, or from now +600 (seconds), \
				 +10m, +12h or +30d"
			)
		};
		let number = |digits: &str| {
			Some(digits)
				.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
				.and_then(|digits| digits.parse::<u64>().ok())
				.ok_or_else(wrong)
		};
		let Some(span) = text.strip_prefix('+') else { return number(text).map(Self::At) };
		let (digits, unit_seconds) = match span.chars().last() {
			Some('s') => (&span[..span.len() - 1], 1),
			Some('m') => (&span[..span.len() - 1], 60),
			Some('h') => (&span[..span.len() - 1], 3_600),
			Some('d') => (&span[..span.len() - 1], 86_400),
			_ => (span, 1),
		};
		number(digits)?.checked_mul(unit_seconds).map(Self::After).ok_or_else(wrong)
	}
}

/// Bytes in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

pub(super) fn parse_bytes(text: &str) -> Result<Bytes, String> {
	let digits = text.strip_prefix("0x").ok_or("it must begin with 0x")?;
	hex::decode(digits).map(Bytes).map_err(|error| error.to_string())
}

fn parse_array<const N: usize>(text: &str) -> Result<[u8; N], String> {
	parse_bytes(text)?
		.0
		.try_into()
		.map_err(|bytes: Vec<u8>| format!("it has {} bytes, not {N}", bytes.len()))
}

pub(super) fn parse_h256(text: &str) -> Result<H256, String> {
	parse_array(text).map(H256)
}

pub(super) fn parse_h160(text: &str) -> Result<H160, String> {
	parse_array(text).map(H160)
}

/// A member of a community with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKey {
	/// Who.
	pub account: AccountId,
	/// Its part of the surplus, parts per million.
	pub key_ppm: u32,
}

pub(super) fn parse_member_key(text: &str) -> Result<MemberKey, String> {
	let (account, key) = text.split_once('=').ok_or(
		"give the address, an equals sign and parts per million, such as 5GrwvaEF..=250000",
	)?;
	let account = address::parse(account).map_err(|error| error.to_string())?;
	let key_ppm = Some(key)
		.filter(|key| key.bytes().all(|byte| byte.is_ascii_digit()))
		.and_then(|key| key.parse::<u32>().ok())
		.filter(|key_ppm| *key_ppm <= MILLION)
		.ok_or_else(|| {
			format!("`{key}` is not a key: give whole parts per million, 0 to 1000000")
		})?;
	Ok(MemberKey { account, key_ppm })
}

pub(super) fn parse_words(text: &str) -> Result<MnemonicLength, String> {
	match text {
		"12" => Ok(MnemonicLength::Twelve),
		"24" => Ok(MnemonicLength::TwentyFour),
		_ => Err("12 or 24".into()),
	}
}

pub(super) fn parse_dev_key(text: &str) -> Result<String, String> {
	let is_path = text.strip_prefix("//").is_some_and(|path| {
		let plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-".contains(letter);
		path.starts_with(|letter: char| letter.is_ascii_alphanumeric())
			&& path.chars().all(plain)
			&& !path.contains("//")
	});
	if is_path {
		Ok(text.into())
	} else {
		Err("a development key is two slashes and a name, such as //Alice; for secret words use \
		     `key import --mnemonic-file`"
			.into())
	}
}

pub(super) fn parse_device_key(text: &str) -> Result<DeviceKey, String> {
	let (algorithm, digits) = text
		.split_once(':')
		.ok_or("give the algorithm, a colon and the key, such as ed25519:1f2e..")?;
	let digits = format!("0x{}", digits.strip_prefix("0x").unwrap_or(digits));
	let key = match algorithm {
		"ed25519" => DeviceKey::Ed25519(parse_array(&digits)?),
		"p256" => DeviceKey::P256(parse_array(&digits)?),
		_ => return Err(format!("`{algorithm}` is no algorithm of a meter: ed25519 or p256")),
	};
	key.check().map_err(|error| error.to_string())?;
	Ok(key)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn slot_is_counted_from_the_present_one() {
		let at = |text: &str| text.parse::<SlotChoice>().expect("is a slot").at(Slot(100));
		assert_eq!(at("7"), Some(Slot(7)));
		assert_eq!(at("+4"), Some(Slot(104)));
		assert_eq!(at("-4"), Some(Slot(96)));
		assert_eq!(at("+0"), Some(Slot(100)));
		assert_eq!(at("-101"), None);
		assert_eq!(at("+4294967295"), None);
		for text in ["", "+", "-", "++1", "+-1", "1.5", "x", "4294967296", "+ 1"] {
			assert!(text.parse::<SlotChoice>().is_err(), "{text}");
		}
	}

	#[test]
	fn moment_is_a_second_or_counted_from_now() {
		let at = |text: &str| text.parse::<MomentChoice>().expect("is a moment").at(1_000);
		assert_eq!(at("7"), Some(7));
		assert_eq!(at("+7"), Some(1_007));
		assert_eq!(at("+7s"), Some(1_007));
		assert_eq!(at("+2m"), Some(1_120));
		assert_eq!(at("+2h"), Some(8_200));
		assert_eq!(at("+2d"), Some(173_800));
		assert_eq!(at("+18446744073709551615"), None);
		for text in ["", "+", "+m", "-1", "++1", "+-1", "7m", "1.5", "+1.5h", "+1w", "+1 h", "+1é"]
		{
			assert!(text.parse::<MomentChoice>().is_err(), "{text}");
		}
		assert!("+18446744073709551615d".parse::<MomentChoice>().is_err());
	}

	#[test]
	fn device_key_is_checked() {
		// The base point of Ed25519, and that of P-256 in compressed form.
		let ed25519 = "ed25519:5866666666666666666666666666666666666666666666666666666666666666";
		assert!(matches!(parse_device_key(ed25519), Ok(DeviceKey::Ed25519(_))));
		let p256 = "p256:036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
		assert!(matches!(parse_device_key(p256), Ok(DeviceKey::P256(_))));
		assert!(parse_device_key("ed25519:00").is_err());
		assert!(parse_device_key(&format!("ed25519:{}", "00".repeat(32))).is_err());
		assert!(parse_device_key("rsa:00").is_err());
		assert!(parse_device_key("00").is_err());
	}

	#[test]
	fn dev_key_is_a_derivation_and_no_secret() {
		assert!(parse_dev_key("//Alice").is_ok());
		assert!(parse_dev_key("//Alice/stash").is_ok());
		assert!(parse_dev_key(
			"bottom drive obey lake curtain smoke basket hold race lonely fit walk"
		)
		.is_err());
		assert!(parse_dev_key("//").is_err());
		assert!(parse_dev_key("///password").is_err());
		assert!(parse_dev_key("Alice").is_err());
	}
}
