//! Key files: that Polkadot wallets open ours, that we open theirs, and that a changed one is found.

use energy_wallet::{
	address,
	client::account_of,
	keystore::{
		decrypt, encrypt, new_mnemonic, Keystore, KeystoreError, MnemonicLength, SecretKey,
	},
};
use serde_json::Value;
use subxt_signer::{polkadot_js_compat::decrypt_json, sr25519::Keypair, SecretUri};

const PASSPHRASE: &str = "correct horse battery staple";
const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

/// The polkadot-js extension wrote this, with the passphrase `whoisalice`.
const OF_POLKADOT_JS: &str = r#"{
	"encoded": "DumgApKCTqoCty1OZW/8WS+sgo6RdpHhCwAkA2IoDBMAgAAAAQAAAAgAAAB6IG/q24EeVf0JqWqcBd5m2tKq5BlyY84IQ8oamLn9DZe9Ouhgunr7i36J1XxUnTI801axqL/ym1gil0U8440Qvj0lFVKwGuxq38zuifgoj0B3Yru0CI6QKEvQPU5xxj4MpyxdSxP+2PnTzYao0HDH0fulaGvlAYXfqtU89xrx2/z9z7IjSwS3oDFPXRQ9kAdDebtyCVreZ9Otw9v3",
	"encoding": {
		"content": ["pkcs8", "sr25519"],
		"type": ["scrypt", "xsalsa20-poly1305"],
		"version": "3"
	},
	"address": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
	"meta": { "genesisHash": "", "name": "Alice", "whenCreated": 1718265838755 }
}"#;

fn secret(uri: &str) -> SecretKey {
	SecretKey::from_uri(uri).expect("is a secret")
}

mod interoperation {
	use super::*;

	/// For several ways to write a secret: another implementation derives the same account, opens
	/// what we encrypt, and signs with the key inside.
	#[test]
	fn polkadot_js_opens_what_we_encrypt() {
		for uri in [
			PHRASE.to_owned(),
			"//Alice".to_owned(),
			format!("{PHRASE}//hard/soft///password"),
			format!("0x{}", "17".repeat(32)),
		] {
			let secret = secret(&uri);
			let json = encrypt(&secret, "test", PASSPHRASE).expect("is encrypted");

			let opened = decrypt_json(&json, PASSPHRASE).expect("another implementation opens it");
			let expected = Keypair::from_uri(&uri.parse::<SecretUri>().expect("is a URI"))
				.expect("is a secret");
			assert_eq!(opened.public_key().0, expected.public_key().0, "{uri}");
			assert_eq!(account_of(&opened), secret.account());

			let signature = opened.sign(b"an order");
			assert!(subxt_signer::sr25519::verify(&signature, b"an order", &expected.public_key()));
		}
	}

	#[test]
	fn we_open_what_polkadot_js_encrypted() {
		let opened = decrypt(OF_POLKADOT_JS, "whoisalice").expect("opens");
		assert_eq!(opened.public_key().0, subxt_signer::sr25519::dev::alice().public_key().0);
	}

	/// The outside of the file, as polkadot-js documents it.
	#[test]
	fn file_has_the_fields_of_polkadot_js() {
		let secret = secret("//Alice");
		let json = encrypt(&secret, "home", PASSPHRASE).expect("is encrypted");
		let value: Value = serde_json::from_str(&json).expect("is JSON");
		assert_eq!(value["encoding"]["content"], serde_json::json!(["pkcs8", "sr25519"]));
		assert_eq!(value["encoding"]["type"], serde_json::json!(["scrypt", "xsalsa20-poly1305"]));
		assert_eq!(value["encoding"]["version"], "3");
		assert_eq!(value["address"], address::format(&secret.account()).as_str());
		assert_eq!(value["meta"]["name"], "home");

		use base64::Engine;
		let encoded = base64::engine::general_purpose::STANDARD
			.decode(value["encoded"].as_str().expect("is text"))
			.expect("is base64");
		// Salt 32, N = 32768, p = 1, r = 8, nonce 24, then 117 bytes and a tag of 16.
		assert_eq!(encoded[32..44], [0, 128, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
		assert_eq!(encoded.len(), 32 + 12 + 24 + 117 + 16);
	}

	#[test]
	fn two_files_of_one_key_have_nothing_secret_in_common() {
		let secret = secret("//Alice");
		let files: Vec<Value> = (0..2)
			.map(|_| {
				let json = encrypt(&secret, "home", PASSPHRASE).expect("is encrypted");
				serde_json::from_str(&json).expect("is JSON")
			})
			.collect();
		assert_ne!(files[0]["encoded"], files[1]["encoded"]);
	}
}

mod tampering {
	use super::*;

	fn file() -> Value {
		serde_json::from_str(OF_POLKADOT_JS).expect("is JSON")
	}

	#[test]
	fn file_does_not_open_when_the_passphrase_is_wrong() {
		assert!(matches!(decrypt(OF_POLKADOT_JS, "whoisbob"), Err(KeystoreError::WrongPassphrase)));
	}

	/// Flips one bit at a time: in the salt, the numbers of scrypt, the nonce, the sealed key.
	#[test]
	fn file_does_not_open_when_one_bit_of_it_was_changed() {
		use base64::Engine;
		let base64 = base64::engine::general_purpose::STANDARD;
		let original = file();
		let encoded =
			base64.decode(original["encoded"].as_str().expect("is text")).expect("is base64");
		for place in [0, 33, 36, 40, 44, 67, 68, 100, encoded.len() - 1] {
			let mut changed = encoded.clone();
			changed[place] ^= 1;
			let mut json = original.clone();
			json["encoded"] = base64.encode(changed).into();
			assert!(decrypt(&json.to_string(), "whoisalice").is_err(), "byte {place}");
		}
	}

	#[test]
	fn file_does_not_open_when_another_address_was_written_on_it() {
		let mut json = file();
		json["address"] = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty".into();
		assert!(matches!(
			decrypt(&json.to_string(), "whoisalice"),
			Err(KeystoreError::Tampered { .. })
		));
	}

	#[test]
	fn file_is_refused_when_it_is_cut_off_or_something_else() {
		let mut short = file();
		short["encoded"] = "AAAA".into();
		let mut empty = file();
		empty["encoded"] = "".into();
		let mut ed25519 = file();
		ed25519["encoding"]["content"] = serde_json::json!(["pkcs8", "ed25519"]);
		for text in
			[short.to_string(), empty.to_string(), ed25519.to_string(), "{}".into(), "".into()]
		{
			assert!(
				matches!(decrypt(&text, "whoisalice"), Err(KeystoreError::NotAKeyFile { .. })),
				"{text}"
			);
		}
	}
}

mod folder {
	use super::*;

	fn keystore() -> (tempfile::TempDir, Keystore) {
		let folder = tempfile::tempdir().expect("is made");
		let keystore = Keystore::new(folder.path().join("deep/keys"));
		(folder, keystore)
	}

	#[test]
	fn key_round_trips() {
		let (_folder, keystore) = keystore();
		assert_eq!(keystore.list().expect("lists"), []);
		let info = keystore.insert("home", &secret("//Bob"), PASSPHRASE).expect("is kept");
		assert_eq!(keystore.list().expect("lists"), [info.clone()]);
		let opened = keystore.unlock("home", PASSPHRASE).expect("opens");
		assert_eq!(account_of(&opened), info.account);
	}

	#[test]
	fn key_is_never_overwritten() {
		let (_folder, keystore) = keystore();
		keystore.insert("home", &secret("//Bob"), PASSPHRASE).expect("is kept");
		let before = keystore.export("home").expect("is there");
		assert!(matches!(
			keystore.insert("home", &secret("//Eve"), PASSPHRASE),
			Err(KeystoreError::NameTaken { .. })
		));
		assert_eq!(keystore.export("home").expect("is there"), before);
	}

	#[test]
	fn name_is_refused_when_it_leads_out_of_the_folder() {
		let (_folder, keystore) = keystore();
		for name in ["", "../home", "a/b", "a.b", "a b", &"a".repeat(65), "ä"] {
			assert!(
				matches!(
					keystore.insert(name, &secret("//Bob"), PASSPHRASE),
					Err(KeystoreError::InvalidName { .. })
				),
				"{name}"
			);
		}
	}

	#[test]
	fn key_is_refused_when_the_passphrase_is_short() {
		let (_folder, keystore) = keystore();
		assert!(matches!(
			keystore.insert("home", &secret("//Bob"), "1234567"),
			Err(KeystoreError::PassphraseTooShort)
		));
		assert_eq!(keystore.list().expect("lists"), []);
	}

	#[test]
	fn other_files_are_passed_over() {
		let (_folder, keystore) = keystore();
		keystore.insert("home", &secret("//Bob"), PASSPHRASE).expect("is kept");
		for (name, text) in [("notes.txt", "x"), ("other.json", "{}"), (".new-x", "x")] {
			std::fs::write(keystore.folder().join(name), text).expect("is written");
		}
		assert_eq!(keystore.list().expect("lists").len(), 1);
	}

	#[cfg(unix)]
	#[test]
	fn nobody_else_may_read() {
		use std::os::unix::fs::PermissionsExt;
		let (_folder, keystore) = keystore();
		keystore.insert("home", &secret("//Bob"), PASSPHRASE).expect("is kept");
		let mode = |path: &std::path::Path| {
			std::fs::metadata(path).expect("is there").permissions().mode() & 0o777
		};
		let file = keystore.folder().join("home.json");
		assert_eq!(mode(keystore.folder()), 0o700);
		assert_eq!(mode(&file), 0o600);
		assert_eq!(keystore.readable_by_others(), Vec::<std::path::PathBuf>::new());

		std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("is set");
		assert_eq!(keystore.readable_by_others(), [file]);
	}
}

mod mnemonic {
	use super::*;

	#[test]
	fn words_are_new_each_time_and_make_a_key() {
		for (length, words) in [(MnemonicLength::Twelve, 12), (MnemonicLength::TwentyFour, 24)] {
			let first = new_mnemonic(length).expect("is made");
			let second = new_mnemonic(length).expect("is made");
			assert_eq!(first.split(' ').count(), words);
			assert_ne!(*first, *second);
			let expected = Keypair::from_uri(&first.parse::<SecretUri>().expect("is a URI"))
				.expect("is a secret");
			assert_eq!(secret(&first).account(), account_of(&expected));
		}
	}

	#[test]
	fn words_are_refused_when_one_is_wrong() {
		for wrong in [PHRASE.replace("walk", "talk"), PHRASE.replace(" walk", ""), "one two".into()]
		{
			assert!(
				matches!(SecretKey::from_uri(&wrong), Err(KeystoreError::InvalidSecret { .. })),
				"{wrong}"
			);
		}
	}
}
