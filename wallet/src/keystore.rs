//! Keys on disk, encrypted, in the format that Polkadot wallets read and write.
//!
//! A key is one file `NAME.json`: the JSON of polkadot-js, encoding version 3. The secret (a
//! PKCS#8 frame around the 64 bytes of an expanded sr25519 key and the public key) is sealed with
//! XSalsa20-Poly1305 under a key that scrypt (N = 32768, r = 8, p = 1) makes of the passphrase.
//! Such a file can be imported into the polkadot-js extension, Talisman, SubWallet or Nova, and
//! one exported from there can be put into the folder.
//!
//! Files are readable by their owner only and are never overwritten.

use std::{
	fs,
	path::{Path, PathBuf},
	time::{SystemTime, UNIX_EPOCH},
};

use base64::{engine::general_purpose::STANDARD as BASE64, Engine};
use crypto_secretbox::{
	aead::{Aead, KeyInit},
	Key, Nonce, XSalsa20Poly1305,
};
use energy_primitives::AccountId;
use serde::{Deserialize, Serialize};
use sp_core::{crypto::Ss58Codec, sr25519, Pair};
use subxt_signer::sr25519::Keypair;
use zeroize::Zeroizing;

use crate::address::{self, AddressError};

/// The least characters of a passphrase.
pub const MIN_PASSPHRASE_CHARACTERS: usize = 8;

/// scrypt's cost: 2^15 rounds over 1 KiB blocks, 32 MiB of memory.
const SCRYPT_LOG_N: u8 = 15;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;

const PKCS8_HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const PKCS8_DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];

const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Salt, three numbers of scrypt, nonce.
const PARAMETER_BYTES: usize = SALT_BYTES + 12 + NONCE_BYTES;
/// Poly1305's.
const TAG_BYTES: usize = 16;

/// Why a key cannot be kept or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
	/// The name would not make a plain file name.
	#[error("`{name}` is not a name for a key: use 1 to 64 letters, digits, `-` or `_`")]
	InvalidName {
		/// What was given.
		name: String,
	},
	/// There is no such key.
	#[error("there is no key `{name}` in {folder}")]
	UnknownKey {
		/// What was asked for.
		name: String,
		/// Where.
		folder: String,
	},
	/// A key is never overwritten.
	#[error("there already is a key `{name}`; choose another name")]
	NameTaken {
		/// What was given.
		name: String,
	},
	/// The passphrase is too short to protect anything.
	#[error("the passphrase has fewer than {MIN_PASSPHRASE_CHARACTERS} characters")]
	PassphraseTooShort,
	/// The passphrase does not open the file, or somebody changed the file.
	#[error("the passphrase does not open this key (or the file was changed)")]
	WrongPassphrase,
	/// The file opens, but its content does not fit together.
	#[error("the key file was changed: {reason}")]
	Tampered {
		/// What does not fit.
		reason: String,
	},
	/// The file is not one of ours nor of a Polkadot wallet's.
	#[error("{path} is not an encrypted sr25519 key in the polkadot-js format: {reason}")]
	NotAKeyFile {
		/// Which file.
		path: String,
		/// Why.
		reason: String,
	},
	/// The words or the URI do not make a key.
	#[error("this is not a secret phrase or URI: {reason}")]
	InvalidSecret {
		/// Why.
		reason: String,
	},
	/// The file system refused.
	#[error("cannot {action} {path}: {source}")]
	Io {
		/// What was tried.
		action: &'static str,
		/// With which file.
		path: String,
		/// What the system says.
		source: std::io::Error,
	},
	/// The system gives no random numbers.
	#[error("the system gives no random numbers: {0}")]
	NoRandomness(String),
}

impl KeystoreError {
	fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
		let path = path.display().to_string();
		move |source| Self::Io { action, path, source }
	}
}

/// A secret key on its way into a file. Its bytes are wiped when it is dropped.
pub struct SecretKey {
	/// The expanded key in the form of ed25519, as polkadot-js keeps it.
	expanded: Zeroizing<[u8; 64]>,
	public: [u8; 32],
}

impl SecretKey {
	/// Reads a secret URI: twelve or more words, or `0x` and 32 bytes, then perhaps `//hard` and
	/// `/soft` derivations and `///password`. `//Alice` alone means the public development phrase.
	///
	/// # Errors
	/// [`KeystoreError::InvalidSecret`].
	pub fn from_uri(uri: &str) -> Result<Self, KeystoreError> {
		let invalid = |reason: String| KeystoreError::InvalidSecret { reason };
		let pair =
			sr25519::Pair::from_string(uri, None).map_err(|error| invalid(error.to_string()))?;
		let bytes = Zeroizing::new(pair.to_raw_vec());
		let secret = schnorrkel::SecretKey::from_bytes(&bytes)
			.map_err(|error| invalid(error.to_string()))?;
		Ok(Self { expanded: Zeroizing::new(secret.to_ed25519_bytes()), public: pair.public().0 })
	}

	/// The account that the key signs for.
	pub fn account(&self) -> AccountId {
		AccountId::new(self.public)
	}
}

/// New words for a new key, from the system's random numbers. 12 words carry 128 bits, 24 words
/// 256.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_mnemonic(words: MnemonicLength) -> Result<Zeroizing<String>, KeystoreError> {
	let mut entropy = Zeroizing::new([0u8; 32]);
	getrandom::getrandom(&mut entropy[..])
		.map_err(|error| KeystoreError::NoRandomness(error.to_string()))?;
	let mnemonic = bip39::Mnemonic::from_entropy(&entropy[..words.entropy_bytes()])
		.map_err(|error| KeystoreError::NoRandomness(error.to_string()))?;
	Ok(Zeroizing::new(mnemonic.to_string()))
}

/// How many words a new key is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MnemonicLength {
	/// Twelve.
	#[default]
	Twelve,
	/// Twenty-four.
	TwentyFour,
}

impl MnemonicLength {
	fn entropy_bytes(self) -> usize {
		match self {
			Self::Twelve => 16,
			Self::TwentyFour => 32,
		}
	}
}

/// The JSON of polkadot-js.
#[derive(Serialize, Deserialize)]
struct KeyFile {
	encoded: String,
	encoding: Encoding,
	address: String,
	#[serde(default)]
	meta: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Encoding {
	content: Vec<String>,
	r#type: Vec<String>,
	version: String,
}

/// Seals a key under a passphrase and writes it as the JSON of polkadot-js.
///
/// # Errors
/// When the passphrase is too short or the system gives no random numbers.
pub fn encrypt(secret: &SecretKey, name: &str, passphrase: &str) -> Result<String, KeystoreError> {
	if passphrase.chars().count() < MIN_PASSPHRASE_CHARACTERS {
		return Err(KeystoreError::PassphraseTooShort);
	}
	let mut random = [0u8; SALT_BYTES + NONCE_BYTES];
	getrandom::getrandom(&mut random)
		.map_err(|error| KeystoreError::NoRandomness(error.to_string()))?;
	let (salt, nonce) = random.split_at(SALT_BYTES);

	let mut plain = Zeroizing::new(Vec::with_capacity(117));
	plain.extend_from_slice(&PKCS8_HEADER);
	plain.extend_from_slice(&secret.expanded[..]);
	plain.extend_from_slice(&PKCS8_DIVIDER);
	plain.extend_from_slice(&secret.public);

	let parameters = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32)
		.map_err(|error| KeystoreError::InvalidSecret { reason: error.to_string() })?;
	let mut key = Zeroizing::new([0u8; 32]);
	scrypt::scrypt(passphrase.as_bytes(), salt, &parameters, &mut key[..])
		.map_err(|error| KeystoreError::InvalidSecret { reason: error.to_string() })?;
	let sealed = XSalsa20Poly1305::new(Key::from_slice(&key[..]))
		.encrypt(Nonce::from_slice(nonce), plain.as_slice())
		.map_err(|error| KeystoreError::InvalidSecret { reason: error.to_string() })?;

	let mut encoded = Vec::with_capacity(PARAMETER_BYTES + sealed.len());
	encoded.extend_from_slice(salt);
	encoded.extend_from_slice(&(1u32 << SCRYPT_LOG_N).to_le_bytes());
	encoded.extend_from_slice(&SCRYPT_P.to_le_bytes());
	encoded.extend_from_slice(&SCRYPT_R.to_le_bytes());
	encoded.extend_from_slice(nonce);
	encoded.extend_from_slice(&sealed);

	let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
	let file = KeyFile {
		encoded: BASE64.encode(encoded),
		encoding: Encoding {
			content: vec!["pkcs8".into(), "sr25519".into()],
			r#type: vec!["scrypt".into(), "xsalsa20-poly1305".into()],
			version: "3".into(),
		},
		address: secret.account().to_ss58check_with_version(address::SS58_FORMAT.into()),
		meta: [
			("genesisHash".to_owned(), "".into()),
			("name".to_owned(), name.into()),
			("whenCreated".to_owned(), u64::try_from(created).unwrap_or(u64::MAX).into()),
		]
		.into_iter()
		.collect(),
	};
	serde_json::to_string_pretty(&file)
		.map_err(|error| KeystoreError::InvalidSecret { reason: error.to_string() })
}

/// Opens the JSON of polkadot-js. The key found inside must be the one of the address outside.
///
/// # Errors
/// When the text is no such JSON, the passphrase is wrong, or the content does not fit together.
pub fn decrypt(json: &str, passphrase: &str) -> Result<Keypair, KeystoreError> {
	let not_a_key = |reason: String| KeystoreError::NotAKeyFile { path: "this".into(), reason };
	let file: KeyFile = serde_json::from_str(json).map_err(|error| not_a_key(error.to_string()))?;
	let encoded = BASE64.decode(&file.encoded).map_err(|error| not_a_key(error.to_string()))?;
	// The library that decrypts takes the first bytes without asking how many there are.
	if encoded.len() < PARAMETER_BYTES + TAG_BYTES {
		return Err(not_a_key("the encoded key is too short".into()));
	}
	use subxt_signer::polkadot_js_compat::Error;
	subxt_signer::polkadot_js_compat::decrypt_json(json, passphrase).map_err(|error| match error {
		Error::Secretbox(_) => KeystoreError::WrongPassphrase,
		Error::InvalidKeys => KeystoreError::Tampered {
			reason: "the key inside is not the key of the address outside".into(),
		},
		other => not_a_key(other.to_string()),
	})
}

/// What is known of a key without its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
	/// The file's name without its ending.
	pub name: String,
	/// Whose key it claims to be; proven only when it is opened.
	pub account: AccountId,
}

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct Keystore {
	folder: PathBuf,
}

impl Keystore {
	/// The keys in `folder`, which is made when the first key is put there.
	pub fn new(folder: impl Into<PathBuf>) -> Self {
		Self { folder: folder.into() }
	}

	/// Where keys are kept when nobody says otherwise: `energy-wallet/keys` in `XDG_DATA_HOME` or
	/// in `~/.local/share`. `None` when there is no home folder.
	pub fn default_folder() -> Option<PathBuf> {
		let absolute = |name: &str| {
			std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
		};
		absolute("XDG_DATA_HOME")
			.or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
			.map(|data| data.join("energy-wallet/keys"))
	}

	/// Where the keys are.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	/// All keys, by name. Other files in the folder are passed over.
	///
	/// # Errors
	/// When the folder cannot be read. A folder that is not there has no keys.
	pub fn list(&self) -> Result<Vec<KeyInfo>, KeystoreError> {
		let entries = match fs::read_dir(&self.folder) {
			Ok(entries) => entries,
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
			Err(error) => return Err(KeystoreError::io("read", &self.folder)(error)),
		};
		let mut keys = Vec::new();
		for entry in entries {
			let path = entry.map_err(KeystoreError::io("read", &self.folder))?.path();
			let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
			if path.extension().is_some_and(|ending| ending == "json") && is_name(name) {
				if let Ok(info) = self.info(name) {
					keys.push(info);
				}
			}
		}
		keys.sort_by(|left, right| left.name.cmp(&right.name));
		Ok(keys)
	}

	/// One key, without opening it.
	///
	/// # Errors
	/// When there is no such key or the file is none.
	pub fn info(&self, name: &str) -> Result<KeyInfo, KeystoreError> {
		let json = self.export(name)?;
		let not_a_key = |reason: String| KeystoreError::NotAKeyFile {
			path: self.folder.join(format!("{name}.json")).display().to_string(),
			reason,
		};
		let file: KeyFile =
			serde_json::from_str(&json).map_err(|error| not_a_key(error.to_string()))?;
		let account = address::parse_any_network(&file.address)
			.map_err(|error: AddressError| not_a_key(error.to_string()))?;
		Ok(KeyInfo { name: name.into(), account })
	}

	/// The file of a key: encrypted JSON that Polkadot wallets import.
	///
	/// # Errors
	/// When there is no such key.
	pub fn export(&self, name: &str) -> Result<String, KeystoreError> {
		let path = self.path(name)?;
		fs::read_to_string(&path).map_err(|error| match error.kind() {
			std::io::ErrorKind::NotFound => KeystoreError::UnknownKey {
				name: name.into(),
				folder: self.folder.display().to_string(),
			},
			_ => KeystoreError::io("read", &path)(error),
		})
	}

	/// Keeps a key under a name, sealed with a passphrase.
	///
	/// The file appears whole or not at all, and nothing is overwritten.
	///
	/// # Errors
	/// When the name is taken or no file name, the passphrase too short, or the disk refuses.
	pub fn insert(
		&self,
		name: &str,
		secret: &SecretKey,
		passphrase: &str,
	) -> Result<KeyInfo, KeystoreError> {
		let path = self.path(name)?;
		if path.exists() {
			return Err(KeystoreError::NameTaken { name: name.into() });
		}
		let json = encrypt(secret, name, passphrase)?;
		create_private_folder(&self.folder)?;

		// A temporary file is made with mode 0600.
		let mut file = tempfile::Builder::new()
			.prefix(".new-")
			.tempfile_in(&self.folder)
			.map_err(KeystoreError::io("write into", &self.folder))?;
		std::io::Write::write_all(&mut file, json.as_bytes())
			.and_then(|()| file.as_file().sync_all())
			.map_err(KeystoreError::io("write", &path))?;
		file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
			std::io::ErrorKind::AlreadyExists => KeystoreError::NameTaken { name: name.into() },
			_ => KeystoreError::io("write", &path)(error.error),
		})?;
		#[cfg(unix)]
		fs::File::open(&self.folder)
			.and_then(|folder| folder.sync_all())
			.map_err(KeystoreError::io("write", &self.folder))?;
		Ok(KeyInfo { name: name.into(), account: secret.account() })
	}

	/// Opens a key for signing.
	///
	/// # Errors
	/// When there is no such key, the passphrase is wrong, or the file was changed.
	pub fn unlock(&self, name: &str, passphrase: &str) -> Result<Keypair, KeystoreError> {
		decrypt(&self.export(name)?, passphrase).map_err(|error| match error {
			KeystoreError::NotAKeyFile { reason, .. } => KeystoreError::NotAKeyFile {
				path: self.folder.join(format!("{name}.json")).display().to_string(),
				reason,
			},
			other => other,
		})
	}

	/// What of the folder, or of a key in it, others on this machine can read; to be warned of.
	pub fn readable_by_others(&self) -> Vec<PathBuf> {
		let mut open = Vec::new();
		if is_open_to_others(&self.folder) {
			open.push(self.folder.clone());
		}
		for key in self.list().unwrap_or_default() {
			let path = self.folder.join(format!("{}.json", key.name));
			if is_open_to_others(&path) {
				open.push(path);
			}
		}
		open
	}

	fn path(&self, name: &str) -> Result<PathBuf, KeystoreError> {
		if !is_name(name) {
			return Err(KeystoreError::InvalidName { name: name.into() });
		}
		Ok(self.folder.join(format!("{name}.json")))
	}
}

fn is_name(name: &str) -> bool {
	(1..=64).contains(&name.len())
		&& name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether anybody but the owner may read a file or folder.
pub fn is_open_to_others(path: &Path) -> bool {
	#[cfg(unix)]
	{
		use std::os::unix::fs::PermissionsExt;
		fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
	}
	#[cfg(not(unix))]
	{
		let _ = path;
		false
	}
}

fn create_private_folder(folder: &Path) -> Result<(), KeystoreError> {
	let mut builder = fs::DirBuilder::new();
	builder.recursive(true);
	#[cfg(unix)]
	std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
	builder.create(folder).map_err(KeystoreError::io("make the folder", folder))
}
