//! Passphrases and keys for signing.

use std::{fs, io::IsTerminal, path::Path, str::FromStr};

use subxt_signer::{sr25519::Keypair, SecretUri};
use zeroize::Zeroizing;

use super::{
	args::{PassphraseArgs, SignerArgs},
	warn, Context, Failure,
};
use crate::keystore::{is_open_to_others, Keystore, MIN_PASSPHRASE_CHARACTERS};

/// The first line of a file that holds a secret.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
	let text = fs::read_to_string(path)
		.map(Zeroizing::new)
		.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
	if is_open_to_others(path) {
		warn(&format!("others on this computer can read {}: `chmod 600` it", path.display()));
	}
	Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// The passphrase of a key that is there.
fn existing_passphrase(args: &PassphraseArgs, name: &str) -> Result<Zeroizing<String>, Failure> {
	match &args.passphrase_file {
		Some(path) => read_secret_file(path),
		None => prompt(&format!("Passphrase of the key `{name}`: ")),
	}
}

/// The passphrase of a key that is being made; typed twice.
pub fn new_passphrase(args: &PassphraseArgs, name: &str) -> Result<Zeroizing<String>, Failure> {
	if let Some(path) = &args.passphrase_file {
		return read_secret_file(path);
	}
	let passphrase = prompt(&format!(
		"New passphrase for the key `{name}` (at least {MIN_PASSPHRASE_CHARACTERS} characters): "
	))?;
	if *passphrase != *prompt("The same again: ")? {
		return Err(Failure::new("the two passphrases differ; nothing was written"));
	}
	Ok(passphrase)
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
	rpassword::prompt_password(question).map(Zeroizing::new).map_err(|error| {
		let message = if std::io::stdin().is_terminal() {
			format!("cannot read the passphrase: {error}")
		} else {
			"there is no terminal to ask for the passphrase".into()
		};
		Failure::with_help(message, "give a file with --passphrase-file")
	})
}

/// The key that is named, else the only one there is.
pub fn key_name(keystore: &Keystore, name: Option<&str>) -> Result<String, Failure> {
	if let Some(name) = name {
		return Ok(name.into());
	}
	let keys = keystore.list()?;
	match keys.as_slice() {
		[key] => Ok(key.name.clone()),
		[] => Err(Failure::with_help(
			format!("there is no key in {}", keystore.folder().display()),
			"make one with `key new NAME`, or name an account with --address",
		)),
		keys => {
			let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
			Err(Failure::with_help(
				format!("which key? There are {}", names.join(", ")),
				"name one with --key or in ENERGY_KEY",
			))
		}
	}
}

/// A key that everybody knows.
pub fn dev_key(uri: &str) -> Result<Keypair, Failure> {
	let invalid = |error: String| Failure::new(format!("`{uri}` is no development key: {error}"));
	let uri = SecretUri::from_str(uri).map_err(|error| invalid(error.to_string()))?;
	Keypair::from_uri(&uri).map_err(|error| invalid(error.to_string()))
}

/// Opens the key to sign with.
pub fn signer(context: &Context, args: &SignerArgs) -> Result<Keypair, Failure> {
	if let Some(uri) = &args.dev_key {
		warn(&format!("{uri} is a development key: everybody has it"));
		return dev_key(uri);
	}
	for path in context.keystore.readable_by_others() {
		warn(&format!("others on this computer can read {}: `chmod go-rwx` it", path.display()));
	}
	let name = key_name(&context.keystore, args.key.as_deref())?;
	// Asked before the passphrase, so that a wrong name is found at once.
	context.keystore.info(&name)?;
	let passphrase = existing_passphrase(&args.passphrase, &name)?;
	Ok(context.keystore.unlock(&name, &passphrase)?)
}
