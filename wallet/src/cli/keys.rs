//! `key`.

use serde_json::{json, Value};

use super::{
	args::{ImportSource, KeyCommand},
	secrets::{new_passphrase, read_secret_file},
	text::{table, Align},
	warn, Context, Failure, Report,
};
use crate::{
	address,
	keystore::{new_mnemonic, KeyInfo, SecretKey},
};

/// Makes, imports, lists and exports keys.
pub fn run(context: &Context, command: KeyCommand) -> Result<Report, Failure> {
	let keystore = &context.keystore;
	match command {
		KeyCommand::New { name, words, passphrase } => {
			refuse_taken(context, &name)?;
			let mnemonic = new_mnemonic(words)?;
			let secret = SecretKey::from_uri(&mnemonic)?;
			let key = keystore.insert(&name, &secret, &new_passphrase(&passphrase, &name)?)?;
			let mut json = key_json(&key);
			json["mnemonic"] = mnemonic.as_str().into();
			let text = format!(
				"The key `{name}` is made.\n\n  address  {}\n\n\
				 Its secret words, shown this once. Write them down on paper and keep them where \
				 nobody\nelse finds them. Whoever has them has the account; without them a lost \
				 passphrase is final.\n\n  {}\n",
				address::format(&key.account),
				*mnemonic
			);
			Ok(Report::new(json, text))
		}
		KeyCommand::Import { name, source, passphrase } => {
			refuse_taken(context, &name)?;
			let secret = match source {
				ImportSource { mnemonic_file: Some(path), .. } => {
					let words = read_secret_file(&path)?;
					let is_words = |letter: char| letter.is_ascii_lowercase() || letter == ' ';
					if !words.trim().chars().all(is_words) {
						return Err(Failure::with_help(
							format!("{} does not hold secret words", path.display()),
							"the words stand on the first line, in lower case, with spaces between; \
							 for a URI with // or 0x use --uri-file",
						));
					}
					SecretKey::from_uri(words.trim())?
				}
				ImportSource { uri_file: Some(path), .. } => {
					SecretKey::from_uri(read_secret_file(&path)?.trim())?
				}
				ImportSource { dev: Some(uri), .. } => {
					warn(&format!("{uri} is a development key: everybody has it"));
					SecretKey::from_uri(&uri)?
				}
				_ => return Err(Failure::new("there is nothing to import")),
			};
			let key = keystore.insert(&name, &secret, &new_passphrase(&passphrase, &name)?)?;
			let text = format!(
				"The key `{name}` is imported.\n\n  address  {}",
				address::format(&key.account)
			);
			Ok(Report::new(key_json(&key), text))
		}
		KeyCommand::List => {
			let keys = keystore.list()?;
			let rows: Vec<_> = keys
				.iter()
				.map(|key| vec![key.name.clone(), address::format(&key.account)])
				.collect();
			let text = if rows.is_empty() {
				format!(
					"There are no keys in {}. Make one with `key new NAME`.",
					keystore.folder().display()
				)
			} else {
				table(&[("name", Align::Left), ("address", Align::Left)], &rows)
			};
			Ok(Report::new(keys.iter().map(key_json).collect(), text))
		}
		KeyCommand::Show { name } => {
			let key = keystore.info(&name)?;
			Ok(Report::new(key_json(&key), address::format(&key.account)))
		}
		KeyCommand::Export { name } => {
			// A file that is none is not handed out.
			keystore.info(&name)?;
			let text = keystore.export(&name)?;
			let json = serde_json::from_str(&text).unwrap_or(Value::Null);
			Ok(Report::new(json, text))
		}
	}
}

/// Found out before anything is asked.
fn refuse_taken(context: &Context, name: &str) -> Result<(), Failure> {
	use crate::keystore::KeystoreError;
	match context.keystore.export(name) {
		Ok(_) => Err(KeystoreError::NameTaken { name: name.into() }.into()),
		Err(KeystoreError::UnknownKey { .. }) => Ok(()),
		Err(error) => Err(error.into()),
	}
}

fn key_json(key: &KeyInfo) -> Value {
	let public: &[u8] = key.account.as_ref();
	json!({
		"name": key.name,
		"address": address::format(&key.account),
		"publicKey": format!("0x{}", hex::encode(public)),
	})
}
