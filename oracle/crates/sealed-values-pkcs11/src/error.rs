//! Why a key on a token is not usable.

use std::{io, path::PathBuf};

use cryptoki::error::Error as TokenError;

/// Why there is no PIN. Says nothing of the PIN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinFileError {
	/// The file cannot be read.
	#[error("cannot read the PIN file {path}: {source}")]
	Unreadable {
		/// The file.
		path: PathBuf,
		/// The reason.
		source: io::Error,
	},
	/// The path names a folder, a pipe, a socket or a device.
	#[error("the PIN file {path} is no regular file")]
	NotAFile {
		/// The path.
		path: PathBuf,
	},
	/// Somebody beside the owner has a right to the file.
	#[error("the PIN file {path} has mode {mode:03o}: only its owner may have rights (chmod 600)")]
	OpenToOthers {
		/// The file.
		path: PathBuf,
		/// Its permission bits.
		mode: u32,
	},
	/// The file is empty, too long or no text.
	#[error("the PIN file {path} does not hold one line of 1 to 255 bytes of UTF-8")]
	Malformed {
		/// The file.
		path: PathBuf,
	},
}

/// Why a key on a token was not opened, made or used. Says nothing of the PIN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
	/// The library is absent, is no PKCS#11 library, or does not start.
	#[error("cannot use the PKCS#11 module {path}: {source}")]
	Module {
		/// The library.
		path: PathBuf,
		/// The reason.
		source: TokenError,
	},
	/// There is no PIN.
	#[error(transparent)]
	PinFile(#[from] PinFileError),
	/// No slot has a token with this label.
	#[error("there is no token with the label {label:?}")]
	TokenAbsent {
		/// The token's label.
		label: String,
	},
	/// Several slots have a token with this label.
	#[error("{count} tokens have the label {label:?}, there has to be one")]
	TokenAmbiguous {
		/// The token's label.
		label: String,
		/// How many there are.
		count: usize,
	},
	/// The token did not take the PIN. It is not tried again.
	#[error("the token {label:?} refused the PIN: {source}")]
	PinRefused {
		/// The token's label.
		label: String,
		/// The reason.
		source: TokenError,
	},
	/// The token refused the PIN before, and was not asked again.
	#[error(
		"the token {label:?} refused the PIN before: correct the PIN file and open the key again"
	)]
	PinRefusedBefore {
		/// The token's label.
		label: String,
	},
	/// The token has no secret key with this label.
	#[error("the token has no secret key with the label {label:?}")]
	KeyAbsent {
		/// The key's label.
		label: String,
	},
	/// The token has several secret keys with this label.
	#[error("the token has {count} secret keys with the label {label:?}, there has to be one")]
	KeyAmbiguous {
		/// The key's label.
		label: String,
		/// How many there are.
		count: usize,
	},
	/// The token has a secret key with this label already. It is left as it is.
	#[error("the token has a secret key with the label {label:?} already")]
	KeyExists {
		/// The key's label.
		label: String,
	},
	/// The key cannot serve as a key-encryption key, or should not.
	#[error("the key {label:?} does not fit: {reason}")]
	KeyUnfit {
		/// The key's label.
		label: String,
		/// What is wrong with it.
		reason: &'static str,
	},
	/// After a lost session the token has another key under the label.
	#[error("the token now has the key {found} where {expected} was")]
	OtherKey {
		/// The id of the key that was opened.
		expected: String,
		/// The id of the key that is there.
		found: String,
	},
	/// A call to the token failed.
	#[error("the token failed: {0}")]
	Token(#[from] TokenError),
}
