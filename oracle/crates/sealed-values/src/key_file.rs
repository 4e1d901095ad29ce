//! A key-encryption key in a file.

use std::{
	fmt,
	fs::{File, OpenOptions},
	io::{self, Write},
	path::{Path, PathBuf},
};

use aws_lc_rs::{
	aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN},
	rand,
};
use zeroize::Zeroizing;

use crate::{
	data_key::TAG_BYTES,
	kek::{KekError, KeyEncryptionKey},
	private_file::{read_private, PrivateFileError},
	secret::{RandomFailed, SecretKey, SECRET_BYTES},
};

/// Hexadecimal digits of a key.
const HEX_DIGITS: usize = SECRET_BYTES * 2;

/// The longest key file, bytes: the digits, and a line end of two.
const MAX_FILE_BYTES: usize = HEX_DIGITS + 2;

/// A nonce, a secret and a tag.
const WRAPPED_BYTES: usize = NONCE_LEN + SECRET_BYTES + TAG_BYTES;

/// Bytes of the fingerprint that the id shows.
const FINGERPRINT_BYTES: usize = 16;

const WRAPPING: &[u8] = b"sealed-values key file: wrapping v1";
const FINGERPRINT: &[u8] = b"sealed-values key file: fingerprint v1";

/// Why there is no key. Says nothing of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
	/// The file cannot be read.
	#[error("cannot read the key file {path}: {source}")]
	Unreadable {
		/// The file.
		path: PathBuf,
		/// The reason.
		source: io::Error,
	},
	/// The file cannot be written, or is there already.
	#[error("cannot write the key file {path}: {source}")]
	Unwritable {
		/// The file.
		path: PathBuf,
		/// The reason.
		source: io::Error,
	},
	/// The path names a folder, a pipe, a socket or a device.
	#[error("the key file {path} is no regular file")]
	NotAFile {
		/// The path.
		path: PathBuf,
	},
	/// Somebody beside the owner has a right to the file.
	#[error("the key file {path} has mode {mode:03o}: only its owner may have rights (chmod 600)")]
	OpenToOthers {
		/// The file.
		path: PathBuf,
		/// Its permission bits.
		mode: u32,
	},
	/// The file holds neither 32 bytes nor 64 hexadecimal digits.
	#[error("the key file {path} holds neither 32 bytes nor 64 hexadecimal digits")]
	Malformed {
		/// The file.
		path: PathBuf,
	},
	/// All bytes of the key are the same, so nobody drew it at random.
	#[error("the key in {path} is one byte repeated, not a random key")]
	NotRandom {
		/// The file.
		path: PathBuf,
	},
	/// No key could be drawn.
	#[error(transparent)]
	Random(#[from] RandomFailed),
}

/// A key-encryption key from a file of 32 random bytes, raw or as 64 hexadecimal digits with at most
/// one line end.
///
/// The bytes in the file encrypt nothing themselves: HKDF-SHA-256 derives the AES-256-GCM key that
/// wraps, and apart from it the fingerprint in the [id](KeyEncryptionKey::id). A wrapped secret is a
/// random 96-bit nonce, the ciphertext and the tag (NIST SP 800-38D, section 8.2.2; the 2^32 wraps
/// that section 8.3 allows are out of reach).
pub struct KeyFile {
	id: String,
	wrapping: LessSafeKey,
}

impl KeyFile {
	/// Reads a key.
	///
	/// On Unix the file is refused when its group or others have any right to it. On other systems
	/// nothing is checked: protect the folder.
	///
	/// # Errors
	/// See [`KeyFileError`].
	pub fn open(path: &Path) -> Result<Self, KeyFileError> {
		// One byte more than allowed tells a file that is too long.
		let mut content = Zeroizing::new([0; MAX_FILE_BYTES + 1]);
		let length = read_private(path, content.as_mut_slice()).map_err(|error| {
			let path = path.to_owned();
			match error {
				PrivateFileError::Unreadable(source) => KeyFileError::Unreadable { path, source },
				PrivateFileError::NotAFile => KeyFileError::NotAFile { path },
				PrivateFileError::OpenToOthers(mode) => KeyFileError::OpenToOthers { path, mode },
			}
		})?;
		let secret = parse(&content[..length])
			.ok_or_else(|| KeyFileError::Malformed { path: path.to_owned() })?;
		if is_one_byte_repeated(&secret) {
			return Err(KeyFileError::NotRandom { path: path.to_owned() });
		}
		Ok(Self::from_secret(&secret))
	}

	/// Draws a key and writes it to a new file as hexadecimal digits, readable by its owner alone.
	/// When it returns, the key is on the disk.
	///
	/// # Errors
	/// [`KeyFileError::Unwritable`] also when the file is there already; it is left as it is.
	pub fn create(path: &Path) -> Result<Self, KeyFileError> {
		let secret = SecretKey::random()?;
		let mut digits = Zeroizing::new([b'\n'; HEX_DIGITS + 1]);
		hex::encode_to_slice(secret.expose(), &mut digits[..HEX_DIGITS])
			.expect("the buffer has two digits for each byte; qed");
		write_new(path, digits.as_slice())
			.map_err(|source| KeyFileError::Unwritable { path: path.to_owned(), source })?;
		Ok(Self::from_secret(&secret))
	}

	/// The key that the secret stands for, as if it had been read from a file.
	pub fn from_secret(secret: &SecretKey) -> Self {
		let fingerprint = secret.derive(FINGERPRINT);
		let id = format!("file:{}", hex::encode(&fingerprint.expose()[..FINGERPRINT_BYTES]));
		let wrapping = UnboundKey::new(&AES_256_GCM, secret.derive(WRAPPING).expose())
			.expect("the key has the 32 bytes of AES-256; qed");
		Self { id, wrapping: LessSafeKey::new(wrapping) }
	}
}

impl KeyEncryptionKey for KeyFile {
	fn id(&self) -> &str {
		&self.id
	}

	fn wrap(&self, secret: &SecretKey, context: &[u8]) -> Result<Vec<u8>, KekError> {
		let mut nonce = [0; NONCE_LEN];
		rand::fill(&mut nonce).map_err(|_error| RandomFailed)?;
		let mut wrapped = vec![0; WRAPPED_BYTES];
		let (head, tag) = wrapped.split_at_mut(NONCE_LEN + SECRET_BYTES);
		head[..NONCE_LEN].copy_from_slice(&nonce);
		self.wrapping
			.seal_out_of_place_scatter(
				Nonce::assume_unique_for_key(nonce),
				Aad::from(context),
				secret.expose(),
				&mut head[NONCE_LEN..],
				&[],
				tag,
			)
			.map_err(|_error| KekError::Cipher)?;
		Ok(wrapped)
	}

	fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<SecretKey, KekError> {
		if wrapped.len() != WRAPPED_BYTES {
			return Err(KekError::NotAuthentic);
		}
		let (nonce, rest) = wrapped.split_at(NONCE_LEN);
		let (ciphertext, tag) = rest.split_at(SECRET_BYTES);
		SecretKey::filled(|bytes| {
			let nonce = Nonce::try_assume_unique_for_key(nonce)?;
			let context = Aad::from(context);
			self.wrapping.open_separate_gather(nonce, context, ciphertext, tag, bytes)
		})
		.map_err(|_error| KekError::NotAuthentic)
	}
}

impl fmt::Debug for KeyFile {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.debug_struct("KeyFile").field("id", &self.id).finish_non_exhaustive()
	}
}

/// The key in the content of a file.
fn parse(content: &[u8]) -> Option<SecretKey> {
	SecretKey::filled(|bytes| {
		if content.len() == SECRET_BYTES {
			bytes.copy_from_slice(content);
			return Ok(());
		}
		let digits = content.strip_suffix(b"\n").unwrap_or(content);
		let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
		hex::decode_to_slice(digits, bytes)
	})
	.ok()
}

fn is_one_byte_repeated(secret: &SecretKey) -> bool {
	let bytes = secret.expose();
	bytes.iter().all(|byte| *byte == bytes[0])
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
	let mut options = OpenOptions::new();
	options.write(true).create_new(true);
	#[cfg(unix)]
	std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
	let mut file = options.open(path)?;
	file.write_all(content)?;
	file.sync_all()?;
	sync_folder_of(path)
}

/// Makes the entry of a new file in its folder durable.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
	match path.parent() {
		Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
		_ => File::open(".")?.sync_all(),
	}
}

#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> io::Result<()> {
	Ok(())
}
