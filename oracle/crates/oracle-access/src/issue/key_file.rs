//! Keeping the signing keys in a file that only its owner can read.

use std::{
	fs::{self, File, OpenOptions},
	io::{self, Read as _, Write as _},
	path::Path,
};

use base64::{engine::general_purpose::STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, KeyRingError, KeyRingSettings, SigningKey};

/// The longest file, bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why the key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
	/// The file system refuses.
	#[error("the key file cannot be read or written: {0}")]
	Io(#[from] io::Error),
	/// Others than the owner may read the file.
	#[error("the key file may be read by others: its mode is {mode:o}, it must be 600")]
	Readable {
		/// The mode of the file.
		mode: u32,
	},
	/// It is not what this crate writes. The text has nothing of the file.
	#[error("the key file is not a list of keys (line {line})")]
	Malformed {
		/// The line, from 1.
		line: usize,
	},
	/// A key cannot be used.
	#[error("the key file: {0}")]
	Keys(#[from] KeyRingError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
	keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
	/// PKCS #8, base64.
	pkcs8: Zeroizing<String>,
	active_from: u64,
}

impl KeyRing {
	/// Reads the keys from a file.
	pub fn load(path: &Path, settings: KeyRingSettings) -> Result<Self, KeyFileError> {
		let file = File::open(path)?;
		check_mode(&file)?;
		// Room for all of it, so that no copy is left behind by growing.
		let capacity = file.metadata()?.len().min(MAX_FILE_BYTES + 1) as usize + 1;
		let mut text = Zeroizing::new(Vec::with_capacity(capacity));
		file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
		if text.len() as u64 > MAX_FILE_BYTES {
			return Err(KeyFileError::Malformed { line: 1 });
		}
		let stored: KeyFile = serde_json::from_slice(&text)
			.map_err(|error| KeyFileError::Malformed { line: error.line() })?;
		let key = |(index, stored): (usize, &StoredKey)| {
			let pkcs8 = STANDARD.decode(stored.pkcs8.as_bytes()).ok().map(Zeroizing::new);
			pkcs8
				.and_then(|pkcs8| SigningKey::from_pkcs8(pkcs8, stored.active_from))
				.ok_or(KeyRingError::NotEd25519 { index })
		};
		let keys = stored.keys.iter().enumerate().map(key).collect::<Result<_, _>>()?;
		Ok(Self::from_keys(keys, settings)?)
	}

	/// Writes the keys to a file, which has the old keys or the new ones whenever the machine
	/// stops.
	pub fn store(&self, path: &Path) -> Result<(), KeyFileError> {
		let keys = self.keys().iter().map(|key| StoredKey {
			pkcs8: Zeroizing::new(STANDARD.encode(&key.pkcs8)),
			active_from: key.active_from,
		});
		let file = KeyFile { keys: keys.collect() };
		let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize));
		serde_json::to_writer(&mut *text, &file).map_err(io::Error::from)?;
		let mut name = path.file_name().unwrap_or_default().to_owned();
		name.push(".new");
		let new_path = path.with_file_name(name);
		// One that a stop has left behind may have another mode.
		match fs::remove_file(&new_path) {
			Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
			_ => {}
		}
		let mut new_file = private_file(&new_path)?;
		new_file.write_all(&text)?;
		new_file.sync_all()?;
		fs::rename(&new_path, path)?;
		let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
		File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
		Ok(())
	}
}

fn private_file(path: &Path) -> io::Result<File> {
	let mut options = OpenOptions::new();
	options.write(true).create_new(true);
	#[cfg(unix)]
	std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
	options.open(path)
}

#[cfg(unix)]
fn check_mode(file: &File) -> Result<(), KeyFileError> {
	use std::os::unix::fs::PermissionsExt as _;
	let mode = file.metadata()?.permissions().mode() & 0o777;
	if mode & 0o077 != 0 {
		return Err(KeyFileError::Readable { mode });
	}
	Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &File) -> Result<(), KeyFileError> {
	Ok(())
}
