//! Rotation of the signing keys and the file that they are kept in.

use std::{fs, os::unix::fs::PermissionsExt as _};

use oracle_access::issue::{KeyFileError, KeyRing, KeyRingError, KeyRingSettings, LocalKeys};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::{TestClock, NOW};

const SETTINGS: KeyRingSettings =
	KeyRingSettings { period_seconds: 1000, lead_seconds: 100, overlap_seconds: 200 };

fn published(ring: &KeyRing, now: u64) -> Vec<String> {
	ring.published(now).keys.into_iter().map(|key| key.kid.unwrap()).collect()
}

#[test]
fn rotate_publishes_before_it_signs_and_after() {
	let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
	let old = ring.signing_key(NOW).key_id.clone();
	assert_eq!(published(&ring, NOW), std::slice::from_ref(&old));
	ring.rotate(NOW).unwrap();
	let new = ring.signing_key(NOW + 100).key_id.clone();
	assert_ne!(old, new);
	for (now, signs, both) in [
		(NOW, &old, true),
		(NOW + 99, &old, true),
		(NOW + 100, &new, true),
		(NOW + 299, &new, true),
		(NOW + 300, &new, false),
	] {
		assert_eq!(&ring.signing_key(now).key_id, signs, "{now}");
		let expected = if both { vec![old.clone(), new.clone()] } else { vec![new.clone()] };
		assert_eq!(published(&ring, now), expected, "{now}");
	}
	// Before its time a ring signs with what it has.
	assert_eq!(ring.signing_key(NOW - 1).key_id, old);
}

#[test]
fn rotate_refuses_while_the_next_key_waits() {
	let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
	ring.rotate(NOW).unwrap();
	let pending = Err(KeyRingError::Pending { active_from: NOW + 100 });
	assert_eq!(ring.rotate(NOW + 99), pending);
	assert_eq!(published(&ring, NOW + 99).len(), 2);
	ring.rotate(NOW + 100).unwrap();
	assert_eq!(published(&ring, NOW + 100).len(), 3);
}

#[test]
fn rotate_if_due_does_so_once_a_period() {
	let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
	let mut rotated = Vec::new();
	for now in (NOW..NOW + 3000).step_by(10) {
		if ring.rotate_if_due(now).unwrap() {
			rotated.push(now - NOW);
		}
		assert!(published(&ring, now).len() <= 2);
	}
	assert_eq!(rotated, [900, 1900, 2900]);
}

#[test]
fn replace_all_leaves_one_new_key() {
	let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
	ring.rotate(NOW).unwrap();
	let before = published(&ring, NOW);
	ring.replace_all(NOW).unwrap();
	let after = published(&ring, NOW);
	assert_eq!(after.len(), 1);
	assert!(!before.contains(&after[0]));
	assert_eq!(ring.signing_key(NOW).key_id, after[0]);
}

#[test]
fn key_id_is_the_thumbprint_of_the_published_key() {
	let ring = KeyRing::create(SETTINGS, NOW).unwrap();
	let jwk = ring.signing_key(NOW).jwk();
	let text = serde_json::to_string(&jwk).unwrap();
	let library: jsonwebtoken::jwk::Jwk = serde_json::from_str(&text).unwrap();
	oracle_access::token::TokenVerifier::new(
		[],
		Default::default(),
		std::sync::Arc::new(oracle_access::token::Revocations::new(1, 1, 1)),
		std::sync::Arc::new(oracle_access::SystemClock),
	)
	.unwrap();
	let thumbprint = library.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
	assert_eq!(jwk.kid, Some(thumbprint));
	assert!(!text.contains("\"d\""), "no private part is published");
}

#[test]
fn store_and_load_keep_the_keys_in_a_private_file() {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("keys.json");
	let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
	ring.store(&path).unwrap();
	ring.rotate(NOW).unwrap();
	// A file that a stop left behind does not matter.
	fs::write(folder.path().join("keys.json.new"), "half").unwrap();
	ring.store(&path).unwrap();
	assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
	assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
	let loaded = KeyRing::load(&path, SETTINGS).unwrap();
	for now in [NOW, NOW + 100, NOW + 300] {
		assert_eq!(published(&loaded, now), published(&ring, now));
		assert_eq!(loaded.signing_key(now).key_id, ring.signing_key(now).key_id);
	}
}

#[test]
fn load_refuses_a_file_that_is_wrong() {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("keys.json");
	let load = || KeyRing::load(&path, SETTINGS).unwrap_err();
	assert!(matches!(load(), KeyFileError::Io(_)));
	KeyRing::create(SETTINGS, NOW).unwrap().store(&path).unwrap();
	let good = fs::read_to_string(&path).unwrap();
	fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
	match load() {
		KeyFileError::Readable { mode } => assert_eq!(mode, 0o640),
		other => panic!("{other}"),
	}
	fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
	let write = |text: &str| fs::write(&path, text).unwrap();
	write("{\n\"keys\": 7}");
	assert!(matches!(load(), KeyFileError::Malformed { line: 2 }));
	write(&good.replace("pkcs8", "pkcs9"));
	assert!(matches!(load(), KeyFileError::Malformed { line: 1 }));
	write(&" ".repeat(64 * 1024 + 1));
	assert!(matches!(load(), KeyFileError::Malformed { .. }));
	write(r#"{"keys":[]}"#);
	assert!(matches!(load(), KeyFileError::Keys(KeyRingError::Empty)));
	let not_a_key = KeyRingError::NotEd25519 { index: 0 };
	for key in ["AAAA", "!!"] {
		write(&format!(r#"{{"keys":[{{"pkcs8":"{key}","active_from":0}}]}}"#));
		assert!(matches!(load(), KeyFileError::Keys(error) if error == not_a_key));
	}
	write(&good);
	assert!(KeyRing::load(&path, SETTINGS).is_ok());
}

#[test]
fn debug_and_errors_have_no_private_key() {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("keys.json");
	let ring = KeyRing::create(SETTINGS, NOW).unwrap();
	ring.store(&path).unwrap();
	let file = fs::read_to_string(&path).unwrap();
	let private = file.split('"').nth(5).unwrap().to_owned();
	assert!(private.len() > 60, "{file}");
	fs::write(&path, file.replace("active_from\":", "active_from\":-")).unwrap();
	let error = KeyRing::load(&path, SETTINGS).unwrap_err();
	let text = format!("{ring:?} {:?} {error} {error:?}", ring.signing_key(NOW));
	assert!(!text.contains(&private) && !text.contains("pkcs8"), "{text}");
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// However rotations fall: the key that signs is published, was published for the lead before
	/// it began, and stays published for the overlap after it signed last.
	#[test]
	fn signing_key_is_published_before_and_after(steps in prop::collection::vec(1u64..400, 1..30)) {
		let mut ring = KeyRing::create(SETTINGS, NOW).unwrap();
		let mut now = NOW;
		let mut signed: Vec<(u64, String)> = Vec::new();
		let mut seen: Vec<(u64, String)> = vec![(NOW - 100, published(&ring, NOW).remove(0))];
		for step in steps {
			now += step;
			if step % 3 == 0 {
				let _ = ring.rotate(now);
			} else {
				ring.rotate_if_due(now).unwrap();
			}
			let keys = published(&ring, now);
			let signing = ring.signing_key(now).key_id.clone();
			prop_assert!(keys.contains(&signing));
			for key in &keys {
				if !seen.iter().any(|(_, id)| id == key) {
					seen.push((now, key.clone()));
				}
			}
			let first_seen = seen.iter().find(|(_, id)| *id == signing).unwrap().0;
			prop_assert!(now >= first_seen + SETTINGS.lead_seconds);
			signed.push((now, signing));
			for (time, key) in &signed {
				if now < time + SETTINGS.overlap_seconds {
					prop_assert!(keys.contains(key));
				}
			}
			prop_assert!(keys.len() <= 5);
		}
	}
}

#[test]
fn local_keys_rotate_while_they_sign_and_are_stored_first() {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("signing.json");
	let clock = TestClock::new();
	let keys = LocalKeys::new(KeyRing::create(SETTINGS, NOW).unwrap(), clock.clone());
	let signs = |now| keys.read(|ring| ring.signing_key(now).key_id.clone());
	let old = signs(NOW);
	assert!(!keys.rotate_if_due(&path).unwrap());
	assert!(!path.exists());
	clock.set(NOW + 900);
	assert!(keys.rotate_if_due(&path).unwrap());
	// Published beside the old one, on the disk, and not signing yet.
	let stored = KeyRing::load(&path, SETTINGS).unwrap();
	assert_eq!(published(&stored, NOW + 900).len(), 2);
	assert_eq!(signs(NOW + 999), old);
	let new = signs(NOW + 1000);
	assert_ne!(new, old);
	assert_eq!(stored.signing_key(NOW + 1000).key_id, new);
	let published = |now| {
		clock.set(now);
		String::from_utf8(keys.document().unwrap()).unwrap()
	};
	for (now, has_old) in [(NOW + 1000, true), (NOW + 1199, true), (NOW + 1200, false)] {
		assert!(published(now).contains(&new), "{now}");
		assert_eq!(published(now).contains(&old), has_old, "{now}");
	}
	assert!(!keys.rotate_if_due(&path).unwrap());
}

#[test]
fn local_keys_that_cannot_be_stored_stay_as_they_are() {
	let folder = TempDir::new().unwrap();
	let path = folder.path().join("no such folder").join("signing.json");
	let clock = TestClock::new();
	let keys = LocalKeys::new(KeyRing::create(SETTINGS, NOW).unwrap(), clock.clone());
	clock.set(NOW + 900);
	assert!(matches!(keys.rotate_if_due(&path), Err(KeyFileError::Io(_))));
	let later = NOW + 5000;
	assert_eq!(keys.read(|ring| published(ring, later)).len(), 1);
	// It is tried again, and goes well when the folder is there.
	fs::create_dir(path.parent().unwrap()).unwrap();
	assert!(keys.rotate_if_due(&path).unwrap());
	assert_eq!(keys.read(|ring| published(ring, NOW + 900)).len(), 2);
}
