//! The commands on the keys of a data folder that no oracle has open.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
	cli::Settings,
	config::FileConfig,
	store::{
		keys,
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
	/// Wrap the data keys with another key-encryption key. Afterwards the settings have to name its
	/// file.
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
	#[arg(long, value_name = "FILE")]
	pub new_key_file: PathBuf,
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
	new_key_file: PathBuf,
}

/// A folder, and the file of its key-encryption key.
struct Folder {
	data: PathBuf,
	key_file: PathBuf,
	now_seconds: u64,
}

impl Folder {
	fn of(settings: &FileConfig, now_seconds: u64) -> Result<Self, KeysError> {
		let (data, key_file) = settings.storage.paths()?;
		// The store would make one.
		if !data.join("CURRENT").exists() {
			return Err(KeysError::NoDatabase(data));
		}
		Ok(Self { data, key_file, now_seconds })
	}

	fn open(&self) -> Result<RocksStore, KeysError> {
		self.open_with(keys::key_file_of(&self.data, &self.key_file)?)
	}

	fn open_with(&self, kek: sealed_values::KeyFile) -> Result<RocksStore, KeysError> {
		let limits = StoreLimits::default();
		Ok(RocksStore::open(&self.data, Box::new(kek), self.now_seconds, limits)?)
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
	let path = &args.new_key_file;
	let new = || keys::key_file(path);
	// Made, if there is none, and on the disk before anything is wrapped with it.
	let wrapping = new()?;
	let was_done_before = match folder.open() {
		Ok(mut store) => {
			store.rewrap_keys(Box::new(wrapping))?;
			false
		}
		Err(error) => match folder.open_with(wrapping) {
			Ok(_store) => true,
			Err(_error) => return Err(error),
		},
	};
	// What was done is looked at as the oracle will.
	let store = folder.open_with(new()?)?;
	let rewrapped = Rewrapped {
		key_encryption_key: store.keys().kek_id().to_owned(),
		was_done_before,
		new_key_file: path.clone(),
	};
	if args.folder.json {
		return Ok(serde_json::to_string_pretty(&rewrapped)?);
	}
	let already = if was_done_before { " already" } else { "" };
	Ok(format!(
		"the data keys are{already} wrapped by {}\nput into the settings: \
		 storage.encryption_key_file = {:?}",
		rewrapped.key_encryption_key, rewrapped.new_key_file
	))
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
