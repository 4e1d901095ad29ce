//! The token and the key on it.

use cryptoki::{
	context::Pkcs11,
	error::{Error, RvError},
	mechanism::Mechanism,
	object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
	session::{Session, UserType},
	slot::Slot,
};

use crate::{error::Pkcs11Error, module, pin, Pkcs11Settings};

/// Bytes of an AES-256 key.
const KEY_BYTES: u64 = 32;

/// Bytes of the `CKA_ID` of a new key.
const NEW_ID_BYTES: usize = 16;

/// The longest `CKA_ID`, bytes, that with the longest label still makes an id of at most 255 bytes.
const MAX_ID_BYTES: usize = 40;

/// A session that is logged in, and the key.
pub(crate) struct Connection {
	pub(crate) session: Session,
	pub(crate) key: ObjectHandle,
	/// The key's name, after RFC 7512.
	pub(crate) id: String,
}

/// Opens a session, logs in and finds the key.
pub(crate) fn connect(settings: &Pkcs11Settings) -> Result<Connection, Pkcs11Error> {
	let module = module::load(&settings.module)?;
	let session = module.open_ro_session(slot_of(&module, &settings.token_label)?)?;
	log_in(&session, settings)?;
	let key = match keys_of(&session, &settings.key_label)?.as_slice() {
		[key] => *key,
		[] => return Err(Pkcs11Error::KeyAbsent { label: settings.key_label.clone() }),
		keys => {
			let label = settings.key_label.clone();
			return Err(Pkcs11Error::KeyAmbiguous { label, count: keys.len() });
		}
	};
	let attributes = session.get_attributes(key, &EXAMINED)?;
	let unfit = |reason| Pkcs11Error::KeyUnfit { label: settings.key_label.clone(), reason };
	let cka_id = examine(&attributes).map_err(unfit)?;
	let id = name_of(&settings.token_label, cka_id);
	Ok(Connection { session, key, id })
}

/// Makes a key on the token.
pub(crate) fn generate(settings: &Pkcs11Settings) -> Result<(), Pkcs11Error> {
	let module = module::load(&settings.module)?;
	let session = module.open_rw_session(slot_of(&module, &settings.token_label)?)?;
	log_in(&session, settings)?;
	if !keys_of(&session, &settings.key_label)?.is_empty() {
		return Err(Pkcs11Error::KeyExists { label: settings.key_label.clone() });
	}
	let mut cka_id = vec![0; NEW_ID_BYTES];
	session.generate_random_slice(&mut cka_id)?;
	session.generate_key(
		&Mechanism::AesKeyGen,
		&[
			Attribute::Class(ObjectClass::SECRET_KEY),
			Attribute::KeyType(KeyType::AES),
			Attribute::ValueLen(KEY_BYTES.into()),
			Attribute::Label(settings.key_label.as_bytes().to_vec()),
			Attribute::Id(cka_id),
			Attribute::Token(true),
			Attribute::Private(true),
			Attribute::Sensitive(true),
			Attribute::Extractable(false),
			Attribute::Modifiable(false),
			Attribute::Encrypt(true),
			Attribute::Decrypt(true),
			Attribute::Wrap(false),
			Attribute::Unwrap(false),
			Attribute::Sign(false),
			Attribute::Verify(false),
			Attribute::Derive(false),
		],
	)?;
	Ok(())
}

fn slot_of(module: &Pkcs11, label: &str) -> Result<Slot, Pkcs11Error> {
	let mut found = Vec::new();
	for slot in module.get_slots_with_initialized_token()? {
		if module.get_token_info(slot)?.label() == label {
			found.push(slot);
		}
	}
	match found.as_slice() {
		[slot] => Ok(*slot),
		[] => Err(Pkcs11Error::TokenAbsent { label: label.to_owned() }),
		slots => Err(Pkcs11Error::TokenAmbiguous { label: label.to_owned(), count: slots.len() }),
	}
}

fn log_in(session: &Session, settings: &Pkcs11Settings) -> Result<(), Pkcs11Error> {
	let pin = pin::read(&settings.pin_file)?;
	match session.login(UserType::User, Some(&pin)) {
		// Another session of this process did it.
		Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
		Err(source) if is_about_the_pin(&source) => {
			Err(Pkcs11Error::PinRefused { label: settings.token_label.clone(), source })
		}
		Err(error) => Err(error.into()),
	}
}

fn is_about_the_pin(error: &Error) -> bool {
	use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
	let Error::Pkcs11(reason, _) = error else { return false };
	matches!(reason, PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked)
}

fn keys_of(session: &Session, label: &str) -> Result<Vec<ObjectHandle>, Error> {
	session.find_objects(&[
		Attribute::Class(ObjectClass::SECRET_KEY),
		Attribute::Label(label.as_bytes().to_vec()),
	])
}

const EXAMINED: [AttributeType; 8] = [
	AttributeType::KeyType,
	AttributeType::ValueLen,
	AttributeType::Token,
	AttributeType::Sensitive,
	AttributeType::Extractable,
	AttributeType::Encrypt,
	AttributeType::Decrypt,
	AttributeType::Id,
];

/// The `CKA_ID` of a key that may be used, or why it may not.
fn examine(attributes: &[Attribute]) -> Result<&[u8], &'static str> {
	let required = [
		(Attribute::KeyType(KeyType::AES), "it is no AES key"),
		(Attribute::ValueLen(KEY_BYTES.into()), "it has not 32 bytes"),
		(Attribute::Token(true), "it vanishes with its session (CKA_TOKEN is false)"),
		(Attribute::Sensitive(true), "it can be read (CKA_SENSITIVE is false)"),
		(
			Attribute::Extractable(false),
			"it can be taken out of the token (CKA_EXTRACTABLE is true)",
		),
		(Attribute::Encrypt(true), "it may not encrypt (CKA_ENCRYPT is false)"),
		(Attribute::Decrypt(true), "it may not decrypt (CKA_DECRYPT is false)"),
	];
	for (attribute, reason) in required {
		if !attributes.contains(&attribute) {
			return Err(reason);
		}
	}
	let cka_id = attributes.iter().find_map(|attribute| match attribute {
		Attribute::Id(cka_id) if (1..=MAX_ID_BYTES).contains(&cka_id.len()) => Some(&**cka_id),
		_ => None,
	});
	cka_id.ok_or("its CKA_ID has not 1 to 40 bytes")
}

/// The name of a key by its token and `CKA_ID`, as a URI of RFC 7512.
fn name_of(token_label: &str, cka_id: &[u8]) -> String {
	let mut name = String::from("pkcs11:token=");
	for byte in token_label.bytes() {
		match byte {
			b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
				name.push(char::from(byte))
			}
			_ => name.push_str(&format!("%{byte:02X}")),
		}
	}
	name.push_str(";id=");
	cka_id.iter().for_each(|byte| name.push_str(&format!("%{byte:02X}")));
	name
}

#[cfg(test)]
mod tests {
	use sealed_values::MAX_KEK_ID_BYTES;

	use super::*;

	#[test]
	fn a_name_is_a_uri_and_keeps_its_parts_apart() {
		assert_eq!(name_of("My token-1", &[0x01, 0xab]), "pkcs11:token=My%20token-1;id=%01%AB");
		assert_ne!(name_of("a;id=%01", &[2]), name_of("a", &[1, 2]));
		assert!(name_of(&"ü".repeat(16), &[0xff; MAX_ID_BYTES]).len() <= MAX_KEK_ID_BYTES);
	}

	#[test]
	fn a_key_is_refused_for_each_attribute_that_is_wrong() {
		let fit = || {
			vec![
				Attribute::KeyType(KeyType::AES),
				Attribute::ValueLen(32.into()),
				Attribute::Token(true),
				Attribute::Sensitive(true),
				Attribute::Extractable(false),
				Attribute::Encrypt(true),
				Attribute::Decrypt(true),
				Attribute::Id(vec![1; MAX_ID_BYTES]),
			]
		};
		assert_eq!(examine(&fit()), Ok([1; MAX_ID_BYTES].as_slice()));
		let wrong = [
			(Attribute::KeyType(KeyType::GENERIC_SECRET), "no AES"),
			(Attribute::ValueLen(16.into()), "32 bytes"),
			(Attribute::Token(false), "CKA_TOKEN"),
			(Attribute::Sensitive(false), "CKA_SENSITIVE"),
			(Attribute::Extractable(true), "CKA_EXTRACTABLE"),
			(Attribute::Encrypt(false), "CKA_ENCRYPT"),
			(Attribute::Decrypt(false), "CKA_DECRYPT"),
			(Attribute::Id(vec![1; MAX_ID_BYTES + 1]), "CKA_ID"),
		];
		for (index, (attribute, part)) in wrong.into_iter().enumerate() {
			let mut attributes = fit();
			attributes[index] = attribute;
			let reason = examine(&attributes).expect_err(part);
			assert!(reason.contains(part), "{reason}");
			attributes.remove(index);
			assert_eq!(examine(&attributes), Err(reason), "absent");
		}
		let mut attributes = fit();
		attributes[7] = Attribute::Id(Vec::new());
		assert!(examine(&attributes).is_err());
	}
}
