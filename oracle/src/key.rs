//! Reads secrets from files, and only from files.

use std::{
	fs::{self, File},
	io::{self, Read},
	path::{Path, PathBuf},
	str::FromStr,
};

use ed25519_dalek::SigningKey;
use subxt_signer::{sr25519::Keypair, SecretUri};
use zeroize::Zeroizing;

/// The longest key file, bytes. A secret phrase with derivations is far shorter.
const MAX_KEY_FILE_BYTES: u64 = 4096;

/// Why there is no key. Says nothing of the secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
	/// The file cannot be read.
	#[error("cannot read the key file {path}: {source}")]
	Unreadable {
		/// The file.
		path: PathBuf,
		/// The reason.
		source: io::Error,
	},
	/// The file holds no secret of the expected form.
	#[error("the key file {path} holds no {expected}")]
	Malformed {
		/// The file.
		path: PathBuf,
		/// What should be in it.
		expected: &'static str,
	},
	/// The name is no derivation of the well-known development phrase.
	#[error("a development key is a name such as //Oracle")]
	NotADevelopmentKey,
}

/// The secret in a file, without the white space around it. Warns when others may read the file.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
	let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
	warn_if_open(path).map_err(unreadable)?;
	let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE_BYTES as usize));
	File::open(path)
		.map_err(unreadable)?
		.take(MAX_KEY_FILE_BYTES)
		.read_to_string(&mut text)
		.map_err(unreadable)?;
	Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(unix)]
fn warn_if_open(path: &Path) -> io::Result<()> {
	use std::os::unix::fs::PermissionsExt;
	let mode = fs::metadata(path)?.permissions().mode();
	if mode & 0o077 != 0 {
		tracing::warn!(
			path = %path.display(),
			mode = format_args!("{:o}", mode & 0o777),
			"others may read the key file: chmod 600"
		);
	}
	Ok(())
}

#[cfg(not(unix))]
fn warn_if_open(path: &Path) -> io::Result<()> {
	fs::metadata(path).map(|_| ())
}

fn keypair(secret: &str) -> Option<Keypair> {
	let is_bare_seed = secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
	let uri = if is_bare_seed {
		SecretUri::from_str(&Zeroizing::new(format!("0x{secret}")))
	} else {
		SecretUri::from_str(secret)
	};
	Keypair::from_uri(&uri.ok()?).ok()
}

/// The key of the oracle's account, from a file with a secret phrase, a secret URI, or a seed of 64
/// hexadecimal digits (sr25519).
///
/// # Errors
/// See [`KeyError`].
pub fn account_from_file(path: &Path) -> Result<Keypair, KeyError> {
	keypair(&read_secret(path)?).ok_or_else(|| KeyError::Malformed {
		path: path.to_owned(),
		expected: "secret phrase, secret URI or seed of 64 hexadecimal digits",
	})
}

/// A key that everybody knows: a derivation, such as `//Oracle`, of the phrase that every
/// development chain uses.
///
/// # Errors
/// When the name does not begin with `//`.
pub fn development_account(name: &str) -> Result<Keypair, KeyError> {
	if !name.starts_with("//") {
		return Err(KeyError::NotADevelopmentKey);
	}
	keypair(name).ok_or(KeyError::NotADevelopmentKey)
}

/// The key of a meter, from a file with an ed25519 seed of 64 hexadecimal digits.
///
/// # Errors
/// See [`KeyError`].
pub fn device_from_file(path: &Path) -> Result<SigningKey, KeyError> {
	let text = read_secret(path)?;
	let mut seed = Zeroizing::new([0; 32]);
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(&text), seed.as_mut_slice()).map_err(
		|_error| KeyError::Malformed {
			path: path.to_owned(),
			expected: "ed25519 seed of 64 hexadecimal digits",
		},
	)?;
	Ok(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_seed_is_read_with_and_without_prefix_and_white_space() {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let path = folder.path().join("key");
		let seed = "11".repeat(32);
		let mut public_keys = Vec::new();
		for text in [seed.clone(), format!("0x{seed}\n"), format!("  {seed}  \n")] {
			fs::write(&path, text).expect("the folder can be written");
			public_keys.push(account_from_file(&path).expect("a seed").public_key().0);
			device_from_file(&path).expect("a seed");
		}
		public_keys.dedup();
		assert_eq!(public_keys.len(), 1);
	}

	#[test]
	fn what_is_no_secret_is_refused_without_being_shown() {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let path = folder.path().join("key");
		fs::write(&path, "hunter2").expect("the folder can be written");
		for error in [
			account_from_file(&path).err().map(|error| error.to_string()),
			device_from_file(&path).err().map(|error| error.to_string()),
		] {
			assert!(!error.expect("it is refused").contains("hunter2"));
		}
		assert!(account_from_file(&folder.path().join("absent")).is_err());
	}

	#[test]
	fn a_development_key_is_a_derivation() {
		assert!(development_account("//Oracle").is_ok());
		assert!(development_account("Oracle").is_err());
	}
}
