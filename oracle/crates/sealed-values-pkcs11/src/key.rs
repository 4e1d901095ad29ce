//! The key-encryption key on a token.

use std::{
	fmt,
	sync::{Mutex, PoisonError},
};

use cryptoki::{
	context::Function,
	error::{Error, RvError},
	mechanism::{aead::GcmParams, Mechanism},
};
use sealed_values::{KekError, KeyEncryptionKey, SecretKey, SECRET_BYTES};
use zeroize::Zeroizing;

use crate::{
	error::Pkcs11Error,
	token::{self, Connection},
	Pkcs11Settings,
};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const TAG_BITS: u64 = 8 * TAG_BYTES as u64;

/// A nonce, a secret and a tag.
const WRAPPED_BYTES: usize = NONCE_BYTES + SECRET_BYTES + TAG_BYTES;

/// An AES-256 key on a token, which wraps and unwraps there and never leaves it.
///
/// Threads take turns at its one session. Its [id](KeyEncryptionKey::id) is the token's label and the
/// key's `CKA_ID` as a URI of RFC 7512, such as `pkcs11:token=oracle;id=%01%02`.
pub struct Pkcs11Key {
	id: String,
	settings: Pkcs11Settings,
	state: Mutex<State>,
}

enum State {
	Connected(Connection),
	Lost,
	PinRefused,
}

impl Pkcs11Key {
	/// Logs in to the token and finds the key.
	///
	/// # Errors
	/// See [`Pkcs11Error`]. Each call tries the PIN once, and tokens lock after a few wrong ones.
	pub fn open(settings: &Pkcs11Settings) -> Result<Self, Pkcs11Error> {
		let connection = token::connect(settings)?;
		Ok(Self {
			id: connection.id.clone(),
			settings: settings.clone(),
			state: Mutex::new(State::Connected(connection)),
		})
	}

	/// Makes the key on the token, and opens it: AES-256, sensitive, not extractable, not
	/// modifiable, for encryption and decryption only, with a random `CKA_ID` of 16 bytes.
	///
	/// # Errors
	/// [`Pkcs11Error::KeyExists`] when there is one with this label; see [`Pkcs11Error`].
	pub fn generate(settings: &Pkcs11Settings) -> Result<Self, Pkcs11Error> {
		token::generate(settings)?;
		Self::open(settings)
	}

	/// Runs an operation, and once more in a new session if the session was lost.
	fn run<T>(
		&self,
		operation: impl Fn(&Connection) -> Result<T, Error>,
	) -> Result<T, Pkcs11Error> {
		let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
		match &*state {
			State::Connected(connection) => match operation(connection) {
				Err(error) if is_lost(&error) => {}
				done => return Ok(done?),
			},
			State::Lost => {}
			State::PinRefused => {
				let label = self.settings.token_label.clone();
				return Err(Pkcs11Error::PinRefusedBefore { label });
			}
		}
		// Closes the old session first: while it is open, the token may not ask for the PIN.
		*state = State::Lost;
		let connection = match self.connect_again() {
			Ok(connection) => connection,
			Err(error) => {
				if matches!(error, Pkcs11Error::PinRefused { .. }) {
					*state = State::PinRefused;
				}
				return Err(error);
			}
		};
		let done = operation(&connection);
		if !done.as_ref().is_err_and(is_lost) {
			*state = State::Connected(connection);
		}
		Ok(done?)
	}

	fn connect_again(&self) -> Result<Connection, Pkcs11Error> {
		let connection = token::connect(&self.settings)?;
		if connection.id != self.id {
			let expected = self.id.clone();
			return Err(Pkcs11Error::OtherKey { expected, found: connection.id });
		}
		Ok(connection)
	}
}

impl KeyEncryptionKey for Pkcs11Key {
	fn id(&self) -> &str {
		&self.id
	}

	fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError> {
		let wrapped = self
			.run(|connection| encrypt(connection, secret.expose(), context))
			.map_err(unavailable)?;
		match wrapped.len() {
			WRAPPED_BYTES => Ok(wrapped),
			_ => Err(KekError::Cipher),
		}
	}

	fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError> {
		if wrapped.len() != WRAPPED_BYTES {
			return Err(KekError::NotAuthentic);
		}
		let secret = self
			.run(|connection| decrypt_if_authentic(connection, wrapped, context))
			.map_err(unavailable)?
			.ok_or(KekError::NotAuthentic)?;
		if secret.len() != SECRET_BYTES {
			return Err(KekError::Cipher);
		}
		SecretKey::filled(|bytes| {
			bytes.copy_from_slice(&secret);
			Ok(())
		})
	}
}

impl fmt::Debug for Pkcs11Key {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.debug_struct("Pkcs11Key").field("id", &self.id).finish_non_exhaustive()
	}
}

fn unavailable(error: Pkcs11Error) -> KekError {
	KekError::Unavailable(Box::new(error))
}

/// Whether a new session may help.
fn is_lost(error: &Error) -> bool {
	use RvError::{
		CryptokiNotInitialized, DeviceError, DeviceRemoved, KeyHandleInvalid, ObjectHandleInvalid,
		OperationActive, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn,
	};
	let Error::Pkcs11(reason, _) = error else { return false };
	matches!(
		reason,
		CryptokiNotInitialized
			| DeviceError
			| DeviceRemoved
			| KeyHandleInvalid
			| ObjectHandleInvalid
			| OperationActive
			| SessionClosed
			| SessionHandleInvalid
			| TokenNotPresent
			| UserNotLoggedIn
	)
}

/// Nonce, ciphertext and tag.
fn encrypt(connection: &Connection, plaintext: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
	let mut nonce = [0; NONCE_BYTES];
	connection.session.generate_random_slice(&mut nonce)?;
	let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, TAG_BITS.into())?);
	let sealed = connection.session.encrypt(&mechanism, connection.key, plaintext)?;
	// Only now, as the token may have put a nonce of its own there.
	Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(
	connection: &Connection,
	wrapped: &[u8],
	context: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
	let (nonce, sealed) = wrapped.split_at(NONCE_BYTES);
	let mut nonce = nonce.to_vec();
	let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, context, TAG_BITS.into())?);
	connection.session.decrypt(&mechanism, connection.key, sealed).map(Zeroizing::new)
}

/// The plaintext, or nothing if the bytes or the context are not authentic.
///
/// Tokens say so with different codes, among them `CKR_GENERAL_ERROR`, which also stands for a broken
/// token. So the token has to decrypt something of its own before the bytes get the blame.
fn decrypt_if_authentic(
	connection: &Connection,
	wrapped: &[u8],
	context: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
	match decrypt(connection, wrapped, context) {
		Ok(plaintext) => Ok(Some(plaintext)),
		Err(error @ Error::Pkcs11(_, Function::Decrypt)) if !is_lost(&error) => {
			let probe = encrypt(connection, &[0; SECRET_BYTES], b"sealed-values-pkcs11: probe")?;
			match decrypt(connection, &probe, b"sealed-values-pkcs11: probe") {
				Ok(_) => Ok(None),
				Err(_) => Err(error),
			}
		}
		Err(error) => Err(error),
	}
}
