//! The program without a chain: its help, its keys, its errors.

mod support;

use support::{Wallet, PASSPHRASE};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

mod help {
	use super::*;

	#[test]
	fn help_names_every_command_and_explains_the_status() {
		let help = Wallet::new().run("--help").ok();
		for command in [
			"key",
			"balance",
			"clock",
			"zone",
			"market",
			"history",
			"bid",
			"ask",
			"batch",
			"replace",
			"cancel",
			"standing",
			"offer",
			"agent",
			"community",
			"coupling",
			"orders",
			"positions",
			"meters",
			"bill",
			"send",
			"withdraw",
			"admin",
		] {
			assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
		}
		help.says(&["ENERGY_NODE", "ENERGY_ORACLE", "--json", "Exit status: 0 done", "per kWh"]);
	}

	#[test]
	fn help_of_every_command_is_there() {
		let wallet = Wallet::new();
		for line in [
			"key new",
			"key import",
			"key list",
			"key show",
			"key export",
			"balance",
			"clock",
			"zone",
			"market",
			"history",
			"bid",
			"ask",
			"batch",
			"replace",
			"cancel",
			"standing place",
			"standing list",
			"standing cancel",
			"offer make",
			"offer list",
			"offer accept",
			"offer withdraw",
			"agent set",
			"agent remove",
			"agent show",
			"community list",
			"community show",
			"community of",
			"community shares",
			"community join",
			"community leave",
			"community set-limit",
			"community deposit",
			"community withdraw",
			"community invite",
			"community revoke",
			"community exclude",
			"community set-keys",
			"community set-price",
			"community dissolve",
			"community create",
			"community set-manager",
			"community set-grid-fee",
			"coupling problem",
			"coupling propose",
			"orders",
			"positions",
			"meters",
			"bill",
			"send",
			"withdraw",
			"admin admit",
			"admin suspend",
			"admin reinstate",
			"admin remove",
			"admin register-zone",
			"admin register-meter",
			"admin rotate-meter-key",
			"admin set-terms",
			"admin set-slot-length",
			"admin deploy-contract",
			"admin set-policy",
			"admin resume",
			"admin halt",
			"admin annul",
			"admin set-oracles",
		] {
			let help = wallet.run(&format!("{line} --help")).ok();
			assert!(help.out.contains("Usage: energy-wallet"), "{line}");
			assert!(
				help.out
					.lines()
					.filter(|text| !text.starts_with("Usage:"))
					.all(|text| text.chars().count() <= 100),
				"{line}"
			);
		}
	}

	#[test]
	fn help_of_an_order_explains_what_is_held() {
		Wallet::new().run("bid --help").ok().says(&[
			"is held",
			"+N",
			"0.25",
			"in-block",
			"finalized",
		]);
	}

	#[test]
	fn nothing_takes_a_passphrase_as_an_argument() {
		let wallet = Wallet::new();
		for line in [
			"key new",
			"key import",
			"bid",
			"send",
			"offer make",
			"agent set",
			"community join",
			"admin admit",
		] {
			let help = wallet.run(&format!("{line} --help")).ok();
			assert!(help.out.contains("--passphrase-file <FILE>"), "{line}");
			assert!(!help.out.contains("--passphrase "), "{line}");
			assert!(!help.out.contains("--mnemonic "), "{line}");
		}
	}
}

mod usage {
	use super::*;

	/// Status 2 means that a bill does not hold; a typing error is no such thing.
	#[test]
	fn status_is_1_when_the_command_is_wrong() {
		let wallet = Wallet::new();
		for line in [
			"",
			"fly",
			"bid --slot +1 --price 0.25",
			"bid --slot +1 --price 0.25 --kwh 1 --energy-wh 1000",
			"bid --slot +1 --price 0,25 --kwh 1",
			"bid --slot +1 --price 0.25 --kwh 0.0001",
			"bid --slot soon --price 0.25 --kwh 1",
			"send --to nobody --amount 1",
			"admin admit --account x --roles king --zone 1",
			"key import home",
			"bill --slot 1 --meter 3",
			"bid --slot +1 --price 0.25 --kwh 1 --expires soon",
			"replace --slot 1 --order 1",
			"standing place --side bid --price 0.25 --kwh 1 --last +9",
			"offer make --side ask --price 0.25 --kwh 1 --slot +1 --slots 97",
			"offer accept --id 1 --slot +1",
			"agent set --agent nobody --allowance 1 --max-order-wh 1 --until +1d",
			"withdraw --amount 1,5",
			"batch",
			"community join --id 3 --limit 0.5 --deposit 20",
			"community join --id 3 --key-ppm 1000001 --limit 0.5 --deposit 20",
			"community set-keys --id 3 --from +100",
			"community set-price --id 3 --price 0.15",
			"community shares --id 3",
			"admin set-slot-length --zone 1 --seconds 0 --from 700",
		] {
			assert_eq!(wallet.run(line).status, 1, "{line}");
		}
	}

	#[test]
	fn error_says_what_is_wrong_with_a_value() {
		let wallet = Wallet::new();
		wallet.run("bid --slot +1 --price 0,25 --kwh 1").fails_with(&[
			"0,25",
			"plain decimal number",
			"no comma",
		]);
		wallet.run("bid --slot +1 --price 0.25 --kwh 0.0001").fails_with(&["0.001 kWh"]);
		wallet.run("bid --slot soon --price 0.25 --kwh 1").fails_with(&["+4 for the fourth"]);
		wallet
			.run("send --to 15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5 --amount 1")
			.fails_with(&["another network", "prefix 0"]);
	}
}

mod keys {
	use super::*;

	#[test]
	fn key_new_makes_a_key_that_its_words_bring_back() {
		let wallet = Wallet::new();
		let made = wallet.unlocked("key new home --json").ok().json();
		let words = made["mnemonic"].as_str().expect("is text").to_owned();
		assert_eq!(words.split(' ').count(), 12);

		// The words are shown once and are nowhere on the disk.
		let file = std::fs::read_to_string(wallet.keys().join("home.json")).expect("is there");
		assert!(!file.contains(words.split(' ').next().expect("a word")) || !file.contains(&words));
		assert!(!wallet.run("key export home").ok().out.contains(&words));

		let path = wallet.write("words", &words);
		let again =
			wallet.unlocked(&format!("key import again --mnemonic-file {path} --json")).ok().json();
		assert_eq!(again["address"], made["address"]);
		assert_eq!(again["mnemonic"], serde_json::Value::Null);
	}

	#[test]
	fn key_new_shows_the_words_with_a_warning() {
		let wallet = Wallet::new();
		let run = wallet.unlocked("key new home --words 24").ok().says(&[
			"shown this once",
			"Write them down",
			"address  5",
		]);
		let words = run.out.trim_end().lines().last().expect("a line").trim().to_owned();
		assert_eq!(words.split(' ').count(), 24);
	}

	#[test]
	fn key_list_and_show_give_addresses() {
		let wallet = Wallet::new();
		wallet.run("key list").ok().says(&["There are no keys", "key new"]);
		let run = wallet.unlocked("key import alice --dev //Alice").ok().says(&[ALICE]);
		assert!(run.err.contains("development key"), "{run:#?}");
		wallet.unlocked("key new home").ok();
		wallet.run("key list").ok().says(&["name", "alice", ALICE, "home"]);
		assert_eq!(wallet.run("key show alice").ok().out.trim(), ALICE);
		let list = wallet.run("key list --json").ok().json();
		assert_eq!(list[0]["address"], ALICE);
		assert_eq!(list.as_array().map(Vec::len), Some(2));
	}

	#[test]
	fn key_import_reads_words_and_uris() {
		let wallet = Wallet::new();
		let words = wallet.write("words", &format!("{PHRASE}\n"));
		let uri = wallet.write("uri", &format!("{PHRASE}//Alice\n"));
		wallet.unlocked(&format!("key import root --mnemonic-file {words}")).ok();
		wallet.unlocked(&format!("key import derived --uri-file {uri}")).ok().says(&[ALICE]);

		// A URI is not words, and words with a typing error are no words.
		wallet
			.unlocked(&format!("key import x --mnemonic-file {uri}"))
			.fails_with(&["does not hold secret words", "--uri-file"]);
		let typo = wallet.write("typo", &PHRASE.replace("walk", "wolk"));
		wallet
			.unlocked(&format!("key import x --mnemonic-file {typo}"))
			.fails_with(&["not a secret phrase"]);
		wallet
			.unlocked("key import x --mnemonic-file /no/such/file")
			.fails_with(&["cannot read /no/such/file"]);
		wallet.run("key import x --dev Alice").fails_with(&["such as //Alice"]);
		assert_eq!(wallet.run("key list --json").ok().json().as_array().map(Vec::len), Some(2));
	}

	#[test]
	fn key_export_is_opened_by_another_implementation() {
		let wallet = Wallet::new();
		wallet.unlocked("key import alice --dev //Alice").ok();
		let json = wallet.run("key export alice").ok().out;
		let pair = subxt_signer::polkadot_js_compat::decrypt_json(&json, PASSPHRASE)
			.expect("another implementation opens it");
		assert_eq!(pair.public_key().0, subxt_signer::sr25519::dev::alice().public_key().0);
	}

	#[test]
	fn key_is_not_made_when_its_name_is_taken_or_none() {
		let wallet = Wallet::new();
		wallet.unlocked("key new home").ok();
		let before = wallet.run("key export home").ok().out;
		wallet.unlocked("key new home").fails_with(&["already is a key `home`"]);
		wallet.unlocked("key import home --dev //Alice").fails_with(&["already is a key"]);
		assert_eq!(wallet.run("key export home").ok().out, before);
		wallet.unlocked("key new ../home").fails_with(&["not a name for a key"]);
		wallet.run("key show nobody").fails_with(&["there is no key `nobody`", "key list"]);
	}

	#[test]
	fn key_is_not_made_when_the_passphrase_is_short() {
		let wallet = Wallet::new();
		let short = wallet.write("short", "1234567\n");
		wallet
			.run_with("key new home", &["--passphrase-file", &short])
			.fails_with(&["fewer than 8 characters"]);
		wallet.run("key show home").fails_with(&["there is no key"]);
	}

	#[test]
	fn key_does_not_sign_when_the_passphrase_is_wrong() {
		let wallet = Wallet::new();
		wallet.unlocked("key new home").ok();
		let wrong = wallet.write("wrong", "not the passphrase\n");
		wallet
			.run_with("bid --zone 1 --slot +4 --kwh 1 --price 0.25", &["--passphrase-file", &wrong])
			.fails_with(&["passphrase does not open this key", "secret words"]);
	}

	#[cfg(unix)]
	#[test]
	fn nobody_else_may_read_the_keys() {
		use std::os::unix::fs::PermissionsExt;
		let wallet = Wallet::new();
		wallet.unlocked("key new home").ok();
		let mode = |path: &std::path::Path| {
			std::fs::metadata(path).expect("is there").permissions().mode() & 0o777
		};
		let file = wallet.keys().join("home.json");
		assert_eq!(mode(&wallet.keys()), 0o700);
		assert_eq!(mode(&file), 0o600);

		std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("is set");
		let run = wallet.unlocked("send --to 0x0101010101010101010101010101010101010101010101010101010101010101 --amount 1");
		assert!(run.err.contains("others on this computer can read"), "{run:#?}");
	}
}

mod errors {
	use super::*;

	#[test]
	fn error_says_that_no_node_answers_and_what_to_do() {
		let wallet = Wallet::new();
		let run = wallet.run(&format!("balance --address {ALICE}"));
		run.fails_with(&[
			"no node answers at ws://127.0.0.1:1",
			"refused",
			"--node",
			"ENERGY_NODE",
		]);
		wallet
			.run(&format!("balance --address {ALICE} --node http://127.0.0.1:1"))
			.fails_with(&["is not the address of a node", "ws://127.0.0.1:9944"]);
	}

	#[test]
	fn error_is_json_when_json_is_asked_for() {
		let run = Wallet::new().run(&format!("balance --json --address {ALICE}"));
		assert_eq!(run.status, 1);
		assert_eq!(run.out, "");
		let error: serde_json::Value = serde_json::from_str(&run.err).expect("is JSON");
		assert!(error["error"]["message"].as_str().expect("is text").contains("no node answers"));
		assert!(error["error"]["help"].as_str().expect("is text").contains("--node"));
	}

	#[test]
	fn error_asks_which_key_when_there_are_several_or_none() {
		let wallet = Wallet::new();
		wallet.run("balance").fails_with(&["there is no key in", "key new"]);
		wallet.unlocked("key new home").ok();
		// The only key is meant.
		wallet.run("balance").fails_with(&["no node answers"]);
		wallet.unlocked("key new office").ok();
		wallet.run("balance").fails_with(&["which key?", "home, office", "--key"]);
		wallet.run("balance --key office").fails_with(&["no node answers"]);
	}

	#[test]
	fn development_key_signs_with_a_warning() {
		let run =
			Wallet::new().run("bid --zone 1 --slot +4 --kwh 1 --price 0.25 --dev-key //Alice");
		run.fails_with(&["warning: //Alice is a development key", "no node answers"]);
	}

	#[test]
	fn batch_finds_mistakes_before_it_asks_for_a_passphrase() {
		let wallet = Wallet::new();
		wallet.run("batch /no/such/file").fails_with(&["cannot read /no/such/file"]);
		let wrong = wallet.write("orders.json", r#"[{"slot": 1, "side": "bid", "price": 0.25}]"#);
		wallet.run(&format!("batch {wrong}")).fails_with(&[
			"does not hold orders",
			"order 1: price: write it in quotes",
			"batch --help",
		]);
		let good = wallet.write("orders.csv", "slot,side,price,energyWh\n+4,bid,0.25,1500\n");
		wallet
			.run(&format!("batch {good} --zone 1 --dev-key //Alice"))
			.fails_with(&["no node answers"]);
	}

	#[test]
	fn admin_finds_mistakes_before_it_asks_for_a_passphrase() {
		let wallet = Wallet::new();
		let terms = wallet.write("terms.json", "{\"priceFloor\": 1}");
		wallet
			.run(&format!("admin set-terms --zone 1 --file {terms}"))
			.fails_with(&["does not hold the terms of a market", "missing field"]);
		let program = wallet.write("program", "ELF");
		wallet
			.run(&format!("admin deploy-contract {program}"))
			.fails_with(&["is not a PolkaVM program"]);
		let program = wallet.write("program.polkavm", "PVM\0");
		wallet
			.run(&format!("admin deploy-contract {program} --sudo"))
			.fails_with(&["leave out --sudo"]);
	}
}
