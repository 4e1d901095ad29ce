//! A [key-encryption key](sealed_values::KeyEncryptionKey) that lives on a PKCS#11 token, such as a
//! hardware security module.
//!
//! ```no_run
//! use sealed_values::KeyRing;
//! use sealed_values_pkcs11::{Pkcs11Key, Pkcs11Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now_seconds = 1_700_000_000;
//! let settings = Pkcs11Settings {
//!     module: "/usr/lib/softhsm/libsofthsm2.so".into(),
//!     token_label: "oracle".into(),
//!     key_label: "store".into(),
//!     pin_file: "/etc/energy-oracle/token.pin".into(),
//! };
//! Pkcs11Key::generate(&settings)?; // once, when the token is set up
//! let kek = Pkcs11Key::open(&settings)?;
//! let ring = KeyRing::generate(&kek, now_seconds)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Setting up a token
//!
//! SoftHSM 2 (Debian package `softhsm2`) is a token in files, for trials and tests. A device has
//! a tool of its own for the first step; the rest is the same.
//!
//! ```text
//! softhsm2-util --init-token --free --label oracle     # asks for the officer's PIN and the user's
//! install -m 600 /dev/null /etc/energy-oracle/token.pin
//! editor /etc/energy-oracle/token.pin                  # the user's PIN, nothing else
//! ```
//!
//! The variable `SOFTHSM2_CONF` names SoftHSM's configuration, and that the folder of its tokens; the
//! user of the process needs to read and write there. [`Pkcs11Key::generate`] then makes the key.
//! A key made by other means fits if it is an AES key of 32 bytes, sensitive, not extractable, may
//! encrypt and decrypt, and has a `CKA_ID` of 1 to 40 bytes.
//!
//! **Back up the token** by its maker's means before anything is sealed under it: without the key
//! nothing opens.
//!
//! # How secrets are wrapped
//!
//! `C_Encrypt` with `CKM_AES_GCM`, a 96-bit random nonce from the token, the context as additional
//! data and a 128-bit tag. The wrapped form is nonce 12 bytes, ciphertext 32 bytes, tag 16 bytes. A
//! token that insists on a nonce of its own writes it over the one it was given; that one is kept.
//!
//! # Sessions and PIN
//!
//! The PIN is read from its file for each login, overwritten after it, and kept nowhere. A session
//! that was lost is opened anew once for each call. A PIN that the token refused is not tried again
//! by the same [`Pkcs11Key`], so that the token does not lock itself: correct the file and open the
//! key again. PKCS#11 logs in a process, not a session: while another session of this process is
//! logged in to the token, the PIN in the file is not looked at by the token.
//!
//! A library is loaded and initialized once for each process and never unloaded. Nothing here has a
//! time-out: a call takes as long as the library takes.
#![forbid(unsafe_code)]

mod error;
mod key;
mod module;
mod pin;
mod token;

use std::path::PathBuf;

pub use error::{PinFileError, Pkcs11Error};
pub use key::Pkcs11Key;

/// Where a key is, and how to reach it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Settings {
	/// The PKCS#11 library of the token's maker.
	pub module: PathBuf,
	/// The token's label (`CK_TOKEN_INFO.label` without its padding), at most 32 bytes.
	pub token_label: String,
	/// The key's label (`CKA_LABEL`).
	pub key_label: String,
	/// A file with the user's PIN in UTF-8 and at most one line end, that only its owner has rights to.
	pub pin_file: PathBuf,
}
