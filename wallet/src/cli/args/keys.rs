//! Arguments of `key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{parse_dev_key, values::parse_words, PassphraseArgs};
use crate::keystore::MnemonicLength;

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
	/// Make a new key and show its secret words, once
	///
	/// Write the words down on paper: they are the only way back to the account when this computer
	/// or the passphrase is lost, and whoever has them has the account.
	New {
		/// A name for it: letters, digits, - and _
		name: String,
		/// How many secret words
		#[arg(long, value_name = "12|24", default_value = "12", value_parser = parse_words)]
		words: MnemonicLength,
		/// Where the passphrase comes from
		#[command(flatten)]
		passphrase: PassphraseArgs,
	},
	/// Import a key from its secret words or URI
	Import {
		/// A name for it: letters, digits, - and _
		name: String,
		/// Where the secret comes from
		#[command(flatten)]
		source: ImportSource,
		/// Where the passphrase comes from
		#[command(flatten)]
		passphrase: PassphraseArgs,
	},
	/// List the keys and their addresses
	List,
	/// Show the address of a key
	Show {
		/// Its name
		name: String,
	},
	/// Print the encrypted key as JSON, to import it into a Polkadot wallet
	///
	/// It opens with the passphrase of the key. What is printed is also what is on the disk.
	Export {
		/// Its name
		name: String,
	},
}

/// Where an imported secret comes from: a file, so that it is in no list of processes and in no
/// history of the shell.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ImportSource {
	/// A file with the secret words
	#[arg(long, value_name = "FILE")]
	pub mnemonic_file: Option<PathBuf>,
	/// A file with a secret URI: words or 0x.., then //hard and /soft derivations, ///password
	#[arg(long, value_name = "FILE")]
	pub uri_file: Option<PathBuf>,
	/// A development key that everybody knows, such as //Alice
	#[arg(long, value_name = "//NAME", value_parser = parse_dev_key)]
	pub dev: Option<String>,
}
