//! The key-encryption key in a file.

mod support;

use std::{
	fs,
	path::{Path, PathBuf},
};

use sealed_values::{KekError, KeyEncryptionKey, KeyFile, KeyFileError, KeyRing, SecretKey};
use support::{new_kek, ring};
use tempfile::TempDir;

const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn folder() -> TempDir {
	tempfile::tempdir().expect("a temporary folder")
}

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
	fs::write(path, content).expect("the folder can be written");
	set_mode(path, mode);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
	use std::os::unix::fs::PermissionsExt;
	fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is ours");
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

fn written(folder: &TempDir, content: impl AsRef<[u8]>) -> PathBuf {
	let path = folder.path().join("key");
	write(&path, content, 0o600);
	path
}

mod opening {
	use super::*;

	#[test]
	fn key_is_read_raw_and_as_digits() {
		let folder = folder();
		let raw: Vec<u8> = (0..32).collect();
		let expected = KeyFile::open(&written(&folder, &raw)).expect("raw bytes");
		let ring = ring(&expected).to_bytes();
		for text in [
			DIGITS.to_owned(),
			DIGITS.to_uppercase(),
			format!("{DIGITS}\n"),
			format!("{DIGITS}\r\n"),
		] {
			let key = KeyFile::open(&written(&folder, text)).expect("digits");
			assert_eq!(key.id(), expected.id());
			KeyRing::from_bytes(&ring, &key).expect("the same key");
		}
	}

	#[test]
	fn key_is_read_when_only_the_owner_has_rights() {
		let folder = folder();
		for mode in [0o400, 0o600, 0o700] {
			write(&folder.path().join("key"), DIGITS, mode);
			KeyFile::open(&folder.path().join("key")).expect("the owner's own");
			set_mode(&folder.path().join("key"), 0o600);
		}
	}

	#[cfg(unix)]
	#[test]
	fn key_is_refused_when_others_have_rights() {
		let folder = folder();
		let path = folder.path().join("key");
		for shift in [0, 3] {
			for right in 1..8 {
				let mode = 0o600 | (right << shift);
				write(&path, DIGITS, mode);
				match KeyFile::open(&path).expect_err("others may use it") {
					KeyFileError::OpenToOthers { mode: found, .. } => assert_eq!(found, mode),
					error => panic!("{error}"),
				}
			}
		}
		write(&path, DIGITS, 0o640);
		let error = KeyFile::open(&path).expect_err("others may read it").to_string();
		assert!(
			error.ends_with("has mode 640: only its owner may have rights (chmod 600)"),
			"{error}"
		);
	}

	#[cfg(unix)]
	#[test]
	fn key_is_refused_when_others_have_rights_to_what_a_link_leads_to() {
		let folder = folder();
		let (path, link) = (folder.path().join("key"), folder.path().join("link"));
		write(&path, DIGITS, 0o644);
		std::os::unix::fs::symlink(&path, &link).expect("a link");
		let error = KeyFile::open(&link).expect_err("others may read it");
		assert!(matches!(error, KeyFileError::OpenToOthers { .. }), "{error}");
	}

	#[test]
	fn key_is_refused_when_the_content_is_no_key() {
		let folder = folder();
		let contents = [
			String::new(),
			"x".repeat(31),
			"x".repeat(33),
			DIGITS[1..].to_owned(),
			format!("{DIGITS}0"),
			format!("{DIGITS}00"),
			format!("{DIGITS}\n\n"),
			format!("{DIGITS}\r\nx"),
			format!(" {DIGITS}"),
			format!("0x{DIGITS}"),
			DIGITS.replace('f', "g"),
			DIGITS.repeat(2),
			DIGITS.repeat(10_000),
		];
		for content in contents {
			let error = KeyFile::open(&written(&folder, &content)).expect_err("no key");
			assert!(matches!(error, KeyFileError::Malformed { .. }), "{error}");
			let text = format!("{error} {error:?}");
			assert!(content.is_empty() || !text.contains(&content[..content.len().min(20)]));
		}
	}

	#[test]
	fn key_is_refused_when_it_is_one_byte_repeated() {
		let folder = folder();
		for content in [vec![0; 32], vec![0xff; 32], b"0".repeat(64), b"ab".repeat(32)] {
			let error = KeyFile::open(&written(&folder, content)).expect_err("no random key");
			assert!(matches!(error, KeyFileError::NotRandom { .. }), "{error}");
		}
	}

	#[test]
	fn key_is_refused_when_there_is_no_file() {
		let folder = folder();
		let error = KeyFile::open(&folder.path().join("absent")).expect_err("no file");
		assert!(matches!(error, KeyFileError::Unreadable { .. }), "{error}");
		assert!(error.to_string().contains("absent"));
	}

	#[cfg(unix)]
	#[test]
	fn key_is_refused_when_it_is_no_file() {
		let folder = folder();
		let error = KeyFile::open(folder.path()).expect_err("a folder");
		assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
		let socket = folder.path().join("socket");
		let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
		let error = KeyFile::open(&socket).expect_err("a socket");
		assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
		let error = KeyFile::open(Path::new("/dev/zero")).expect_err("a device");
		assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
	}
}

mod creating {
	use super::*;

	#[test]
	fn created_key_is_the_one_in_the_file() {
		let folder = folder();
		let path = folder.path().join("key");
		let created = KeyFile::create(&path).expect("a new file");
		let ring = ring(&created).to_bytes();
		let read = KeyFile::open(&path).expect("it can be read");
		assert_eq!(read.id(), created.id());
		KeyRing::from_bytes(&ring, &read).expect("the same key");
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			let mode = fs::metadata(&path).expect("the file is there").permissions().mode();
			assert_eq!(mode & 0o777, 0o600);
		}
		let other = KeyFile::create(&folder.path().join("other")).expect("a new file");
		assert_ne!(other.id(), created.id());
	}

	#[test]
	fn create_is_refused_when_the_file_is_there_and_leaves_it() {
		let folder = folder();
		let path = written(&folder, DIGITS);
		let error = KeyFile::create(&path).expect_err("it is there");
		assert!(matches!(error, KeyFileError::Unwritable { .. }), "{error}");
		assert_eq!(fs::read_to_string(&path).expect("it is there"), DIGITS);
	}

	#[test]
	fn create_is_refused_when_there_is_no_folder() {
		let folder = folder();
		let error = KeyFile::create(&folder.path().join("absent/key")).expect_err("no folder");
		assert!(matches!(error, KeyFileError::Unwritable { .. }), "{error}");
	}
}

mod wrapping {
	use super::*;

	fn is_refused(result: Result<SecretKey, KekError>) -> bool {
		matches!(result, Err(KekError::NotAuthentic))
	}

	#[test]
	fn secret_unwraps_with_the_same_key_and_context_only() {
		let (key, secret) = (new_kek(), SecretKey::random().expect("random bytes"));
		let wrapped = key.wrap(&secret, b"context").expect("it wraps");
		assert!(key.unwrap(&wrapped, b"context").expect("it unwraps").matches(&secret));
		assert!(is_refused(key.unwrap(&wrapped, b"contexT")));
		assert!(is_refused(key.unwrap(&wrapped, b"")));
		assert!(is_refused(new_kek().unwrap(&wrapped, b"context")));
	}

	#[test]
	fn wrapped_secret_is_refused_when_changed_cut_or_made_longer() {
		let (key, secret) = (new_kek(), SecretKey::random().expect("random bytes"));
		let wrapped = key.wrap(&secret, b"context").expect("it wraps");
		for bit in 0..wrapped.len() * 8 {
			let mut changed = wrapped.clone();
			changed[bit / 8] ^= 1 << (bit % 8);
			assert!(is_refused(key.unwrap(&changed, b"context")), "bit {bit}");
		}
		for length in 0..wrapped.len() {
			assert!(is_refused(key.unwrap(&wrapped[..length], b"context")), "{length} bytes");
		}
		assert!(is_refused(key.unwrap(&[&wrapped[..], &[0]].concat(), b"context")));
	}

	#[test]
	fn secret_is_wrapped_differently_each_time_and_not_shown() {
		let (key, secret) = (new_kek(), SecretKey::random().expect("random bytes"));
		let wrap = || key.wrap(&secret, b"context").expect("it wraps");
		let (first, second) = (wrap(), wrap());
		assert_ne!(first[..12], second[..12], "nonces");
		assert_ne!(first[12..44], second[12..44], "ciphertexts");
		assert_ne!(&first[12..44], secret.expose());
	}
}
