//! The commands on the keys of a data folder that no oracle has open.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sealed_values::KeyEncryptionKey;
use sealed_values_pkcs11::Pkcs11Key;
use serde::Serialize;

use crate::{
	cli::Settings,
	config::{FileConfig, Pkcs11Table},
	store::{
		keys::{self, KekSettings},
		reseal::{DataKeyUse, ResealOutcome},
		rocks::{RocksStore, StoreLimits},
		StoreError,
	},
};

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
	/// What to do.
	#[command(subcommand)]
	pub command: KeysCommand,
}

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
	/// Show the data keys, and how many values each is needed for. Reads the whole database.
	List(FolderArgs),
	/// Encrypt new values with a new data key from now on.
	Rotate(FolderArgs),
	/// Make the key-encryption key on the token that the settings name (`storage.pkcs11`), once. It never
	/// leaves the token: have a copy made by the token's own means.
	Generate(FolderArgs),
	/// Wrap the data keys with another key-encryption key. Afterwards the settings have to name it.
	Rewrap(RewrapArgs),
	/// Encrypt what is under old data keys with the newest one, and drop those that nothing needs.
	Reseal(FolderArgs),
}

/// Which folder.
#[derive(Debug, Args)]
pub struct FolderArgs {
	/// The settings of the oracle, of which those of the storage count.
	#[command(flatten)]
	pub settings: Settings,
	/// Print the result as JSON.
	#[arg(long)]
	pub json: bool,
}

/// Arguments of `keys rewrap`.
#[derive(Debug, Args)]
pub struct RewrapArgs {
	/// Which folder.
	#[command(flatten)]
	pub folder: FolderArgs,
	/// The file of the new key-encryption key; made if there is none.
	#[arg(long, value_name = "FILE", required_unless_present = "new_pkcs11")]
	pub new_key_file: Option<PathBuf>,
	/// File with the table `storage.pkcs11` of the new settings: module, token, key, pin_file. The key has
	/// to be on the token (`keys generate`).
	#[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
	pub new_pkcs11: Option<PathBuf>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
	/// The settings are wrong.
	#[error(transparent)]
	Config(#[from] crate::config::ConfigError),
	/// The folder has no database.
	#[error("there is no database in {0}")]
	NoDatabase(PathBuf),
	/// The new key cannot be found.
	#[error("{0}")]
	NewKey(String),
	/// The store failed, or an oracle has it open.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The result cannot be shown.
	#[error("the result cannot be shown: {0}")]
	Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
	key_encryption_key: String,
	now_seconds: u64,
	data_keys: Vec<DataKeyUse>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
	active_data_key: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rewrapped {
	key_encryption_key: String,
	/// Whether it was wrapped by it before: an earlier call was stopped after its work.
	was_done_before: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
	key_encryption_key: String,
}

/// A folder, and where its key-encryption key is.
struct Folder {
	data: PathBuf,
	key: KekSettings,
	now_seconds: u64,
}

impl Folder {
	fn of(settings: &FileConfig, now_seconds: u64) -> Result<Self, KeysError> {
		let (data, key) = settings.storage.paths()?;
		// The store would make one.
		if !data.join("CURRENT").exists() {
			return Err(KeysError::NoDatabase(data));
		}
		Ok(Self { data, key, now_seconds })
	}

	fn open(&self) -> Result<RocksStore, KeysError> {
		self.open_with(keys::kek_of(&self.data, &self.key)?)
	}

	fn open_with(&self, kek: Box<dyn KeyEncryptionKey>) -> Result<RocksStore, KeysError> {
		let limits = StoreLimits::default();
		Ok(RocksStore::open(&self.data, kek, self.now_seconds, limits)?)
	}
}

/// Carries a command out. The text for the user.
///
/// # Errors
/// See [`KeysError`].
pub fn run(args: &KeysArgs, now_seconds: u64) -> Result<String, KeysError> {
	let folder = |args: &FolderArgs| Folder::of(&args.settings.load()?, now_seconds);
	match &args.command {
		KeysCommand::List(args) => list(&folder(args)?, args.json),
		KeysCommand::Rotate(args) => rotate(&folder(args)?, args.json),
		KeysCommand::Generate(args) => generate(&args.settings.load()?, args.json),
		KeysCommand::Rewrap(args) => rewrap(&folder(&args.folder)?, args),
		KeysCommand::Reseal(args) => reseal(&folder(args)?, args.json),
	}
}

fn list(folder: &Folder, is_json: bool) -> Result<String, KeysError> {
	let store = folder.open()?;
	let listed = Listed {
		key_encryption_key: store.keys().kek_id().to_owned(),
		now_seconds: folder.now_seconds,
		data_keys: store.data_key_use()?,
	};
	if is_json {
		return Ok(serde_json::to_string_pretty(&listed)?);
	}
	let mut lines = vec![
		format!("key-encryption key {}", listed.key_encryption_key),
		format!(
			"{:>8}  {:8} {:>9} {:>8} {:>12}",
			"data key", "state", "age/days", "starts", "values"
		),
	];
	lines.extend(listed.data_keys.iter().map(|key| {
		let state = match (key.is_active, key.values) {
			(true, _) => "active",
			(false, 0) => "unused",
			(false, _) => "needed",
		};
		let days = listed.now_seconds.saturating_sub(key.created_at_seconds) / 86_400;
		format!("{:>8}  {state:8} {days:>9} {:>8} {:>12}", key.id, key.sessions, key.values)
	}));
	Ok(lines.join("\n"))
}

fn rotate(folder: &Folder, is_json: bool) -> Result<String, KeysError> {
	let store = folder.open()?;
	store.rotate_keys(folder.now_seconds)?;
	let active_data_key = store.keys().ring().cipher().active_key().map(|id| id.0);
	if is_json {
		return Ok(serde_json::to_string_pretty(&Rotated { active_data_key })?);
	}
	Ok(match active_data_key {
		Some(id) => format!("new values are encrypted with data key {id}"),
		None => "new values cannot be encrypted".to_owned(),
	})
}

fn rewrap(folder: &Folder, args: &RewrapArgs) -> Result<String, KeysError> {
	let new = || -> Result<Box<dyn KeyEncryptionKey>, KeysError> {
		if let Some(path) = &args.new_key_file {
			return Ok(Box::new(keys::key_file(path)?));
		}
		let path = args.new_pkcs11.clone().unwrap_or_default();
		let failed = |reason: &dyn std::fmt::Display| {
			KeysError::NewKey(format!("{}: {reason}", path.display()))
		};
		let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
		let table: Pkcs11Table = toml::from_str(&text).map_err(|error| failed(&error))?;
		Ok(keys::kek_of(&folder.data, &KekSettings::Token(table.settings()))?)
	};
	// Made, if there is none, and on the disk before anything is wrapped with it.
	let wrapping = new()?;
	let was_done_before = match folder.open() {
		Ok(mut store) => {
			store.rewrap_keys(wrapping)?;
			false
		}
		Err(error) => match folder.open_with(wrapping) {
			Ok(_store) => true,
			Err(_error) => return Err(error),
		},
	};
	// What was done is looked at as the oracle will.
	let store = folder.open_with(new()?)?;
	let rewrapped =
		Rewrapped { key_encryption_key: store.keys().kek_id().to_owned(), was_done_before };
	if args.folder.json {
		return Ok(serde_json::to_string_pretty(&rewrapped)?);
	}
	let already = if was_done_before { " already" } else { "" };
	Ok(format!(
		"the data keys are{already} wrapped by {}\nput into the settings: {}",
		rewrapped.key_encryption_key,
		match &args.new_key_file {
			Some(path) => format!("storage.encryption_key_file = {path:?}"),
			None => "the new table storage.pkcs11, and no encryption_key_file".to_owned(),
		}
	))
}

fn generate(settings: &FileConfig, is_json: bool) -> Result<String, KeysError> {
	let Some(token) = &settings.storage.pkcs11 else {
		return Err(KeysError::NewKey("the settings have no table storage.pkcs11".to_owned()));
	};
	let key = Pkcs11Key::generate(&token.settings())
		.map_err(|error| KeysError::NewKey(error.to_string()))?;
	let generated = Generated { key_encryption_key: key.id().to_owned() };
	if is_json {
		return Ok(serde_json::to_string_pretty(&generated)?);
	}
	Ok(format!("the key-encryption key {} is on the token", generated.key_encryption_key))
}

fn reseal(folder: &Folder, is_json: bool) -> Result<String, KeysError> {
	let outcome = folder.open()?.reseal()?;
	if is_json {
		return Ok(serde_json::to_string_pretty(&outcome)?);
	}
	let ResealOutcome { looked_at, resealed, damaged, dropped } = outcome;
	Ok(format!(
		"{looked_at} values, {resealed} encrypted anew, {damaged} do not open; dropped data keys: \
		 {dropped:?}"
	))
}
