//! The client file: what is taken, and that each mistake is named with its entry and field.

use std::sync::OnceLock;

use oracle_access::{
	issue::{Clients, ClientsError, Secret, SecretError, SecretHash},
	Role, Scopes,
};

/// The cheapest cost that is taken.
const COST: (u32, u32, u32) = (7_168, 5, 1);

/// A secret and its hash, made once.
pub fn known_secret() -> &'static (Secret, String) {
	static KNOWN: OnceLock<(Secret, String)> = OnceLock::new();
	KNOWN.get_or_init(|| {
		let secret = Secret::generate().unwrap();
		let hash = SecretHash::with_cost(&secret, COST).unwrap().phc();
		(secret, hash)
	})
}

/// An entry with some fields, each a line of TOML. Fields that are not given have good values.
pub fn entry(fields: &[(&str, &str)]) -> String {
	let hash = format!("[{:?}]", known_secret().1);
	let good = [
		("id", "\"one\""),
		("secret_hashes", hash.as_str()),
		("roles", "[\"regulator\"]"),
		("scopes", "[\"trades:read\"]"),
	];
	let given = |name: &str| fields.iter().any(|(field, _)| *field == name);
	let good = good.iter().filter(|(name, _)| !given(name));
	let lines = good.chain(fields).filter(|(_, value)| !value.is_empty());
	let lines: String = lines.map(|(name, value)| format!("{name} = {value}\n")).collect();
	format!("[[client]]\n{lines}\n")
}

/// What is wrong, as `entry, field: reason` texts.
fn errors(file: &str) -> Vec<String> {
	match Clients::parse(file).unwrap_err() {
		ClientsError::Entries(errors) => errors.iter().map(ToString::to_string).collect(),
		other => panic!("{other}"),
	}
}

#[test]
fn parse_takes_an_entry_with_all_fields() {
	let file =
		entry(&[
			("roles", r#"["prosumer", "utility"]"#),
			("scopes", r#"["readings:read", "orders:write"]"#),
			("account", "\"5One\""),
			("zones", "[0, 4294967295]"),
			("enabled", "true"),
		]) + &entry(&[("id", "\"meter.7\""), ("roles", "[\"device\"]"), ("meter", "\"m7\"")]);
	let clients = Clients::parse(&file).unwrap();
	assert_eq!((clients.len(), clients.is_empty()), (2, false));
	let client = clients.client("one").unwrap();
	assert_eq!(client.roles, [Role::Prosumer, Role::Utility].into());
	assert_eq!(client.scopes, Scopes::known_in("readings:read orders:write"));
	assert_eq!(client.account.as_deref(), Some("5One"));
	assert_eq!(client.zones, [0, u32::MAX].into());
	assert!(client.enabled);
	assert_eq!(clients.client("meter.7").unwrap().meter.as_deref(), Some("m7"));
	assert!(clients.client("two").is_none());
}

#[test]
fn parse_takes_an_empty_file_and_lets_nobody_in() {
	let clients = Clients::parse("").unwrap();
	assert!(clients.is_empty());
	assert!(clients.authenticate("one", &known_secret().0).is_none());
}

#[test]
fn parse_names_the_entry_and_the_field_of_every_mistake() {
	let bad_hash = SecretHash::with_cost(&known_secret().0, (7_168, 5, 1)).unwrap().phc();
	let cheap = bad_hash.replace("t=5", "t=4");
	let dear = bad_hash.replace("m=7168", "m=65537");
	let argon2i = bad_hash.replace("argon2id", "argon2i");
	let old = bad_hash.replace("v=19", "v=16");
	let no_hash = bad_hash.rsplit_once('$').unwrap().0;
	let quoted = |hash: &str| format!("[{hash:?}]");
	let cost = "item 1: the cost is out of range: m·t at least 35840 KiB, m at most 65536, t at \
	            most 16, p at most 4";
	let form = "item 1: not a hash of the form `$argon2id$v=19$m=..,t=..,p=..$salt$hash`";
	let text = "must be a text of 1 to 128 bytes";
	let list = "must be a list with at least one item";
	let many = format!("{:?}", vec![known_secret().1.as_str(); 3]);
	let zones = format!("{:?}", vec![1; 257]);
	let long = format!("{:?}", "x".repeat(129));
	let device = ("roles", "[\"device\"]");
	for (fields, field, reason) in [
		(vec![("id", "")], "id", "is missing"),
		(vec![("id", "7")], "id", text),
		(vec![("id", "\"\"")], "id", text),
		(vec![("id", &*long)], "id", text),
		(vec![("id", "\"a b\"")], "id", "may have letters, digits, `-`, `.` and `_`"),
		(vec![("id", "\"a:b\"")], "id", "may have letters, digits, `-`, `.` and `_`"),
		(vec![("secret_hashes", "")], "secret_hashes", "is missing"),
		(vec![("secret_hashes", "\"x\"")], "secret_hashes", list),
		(vec![("secret_hashes", "[]")], "secret_hashes", list),
		(vec![("secret_hashes", "[7]")], "secret_hashes", "must be a list of texts"),
		(vec![("secret_hashes", &*many)], "secret_hashes", "has more than 2 items"),
		(vec![("secret_hashes", "[\"hunter2\"]")], "secret_hashes", form),
		(vec![("secret_hashes", &*quoted(&argon2i))], "secret_hashes", form),
		(vec![("secret_hashes", &*quoted(&old))], "secret_hashes", form),
		(vec![("secret_hashes", &*quoted(no_hash))], "secret_hashes", form),
		(vec![("secret_hashes", &*quoted(&cheap))], "secret_hashes", cost),
		(vec![("secret_hashes", &*quoted(&dear))], "secret_hashes", cost),
		(vec![("roles", "")], "roles", "is missing"),
		(vec![("roles", "[]")], "roles", list),
		(vec![("roles", "[\"king\"]")], "roles", "`king` is not a role"),
		(vec![("roles", "[7]")], "roles", "must be a list of texts"),
		(vec![("roles", r#"["regulator", "regulator"]"#)], "roles", "`regulator` is there twice"),
		(
			vec![("roles", r#"["regulator", "oracle-operator"]"#)],
			"roles",
			"regulator, administrator and device go with no other role",
		),
		(vec![("scopes", "")], "scopes", "is missing"),
		(vec![("scopes", "[]")], "scopes", list),
		(vec![("scopes", "[\"trades:write\"]")], "scopes", "`trades:write` is not a scope"),
		(vec![("scopes", r#"["a\nb"]"#)], "scopes", r"`a\nb` is not a scope"),
		(vec![("account", "7"), ("roles", "[\"prosumer\"]")], "account", text),
		(vec![("roles", "[\"prosumer\"]")], "account", "a prosumer or an aggregator needs one"),
		(
			vec![("account", "\"5One\"")],
			"account",
			"only a prosumer, an aggregator or a utility has one",
		),
		(
			vec![("roles", "[\"utility\"]")],
			"zones",
			"a utility needs at least one, nobody else has any",
		),
		(vec![("zones", "[1]")], "zones", "a utility needs at least one, nobody else has any"),
		(vec![("zones", "[-1]")], "zones", "must be a list of numbers from 0 to 4294967295"),
		(vec![("zones", "7")], "zones", "must be a list of at most 256 numbers"),
		(vec![("zones", &*zones)], "zones", "must be a list of at most 256 numbers"),
		(vec![device], "meter", "a device needs one, nobody else has any"),
		(vec![("meter", "\"m\"")], "meter", "a device needs one, nobody else has any"),
		(vec![device, ("meter", "\"\"")], "meter", text),
		(vec![("enabled", "\"yes\"")], "enabled", "must be true or false"),
		(vec![("secret", "\"plain\"")], "secret", "there is no such field"),
	] {
		// The second entry is the wrong one.
		let file = entry(&[("id", "\"first\"")]) + &entry(&fields);
		let found = errors(&file);
		let expected = format!("field `{field}`: {reason}");
		assert!(
			found.iter().any(|error| error.starts_with("client 2") && error.ends_with(&expected)),
			"{fields:?}: {found:?}"
		);
	}
}

#[test]
fn parse_reports_all_mistakes_at_once() {
	let file = entry(&[("roles", "[\"king\"]"), ("scopes", "")]) + "client_x = 1\n";
	assert_eq!(
		errors(&file),
		[
			"client 1 `one`, field `client_x`: there is no such field",
			"client 1 `one`, field `roles`: `king` is not a role",
			"client 1 `one`, field `scopes`: is missing",
		]
	);
	assert_eq!(errors("client = [7]")[0], "client 1, field `client`: must be a table");
}

#[test]
fn parse_refuses_an_id_that_is_there_twice_and_costs_that_differ() {
	let twice = entry(&[]) + &entry(&[]);
	assert_eq!(errors(&twice), ["client 2 `one`, field `id`: another entry has it too"]);
	let other = SecretHash::with_cost(&known_secret().0, (7_168, 6, 1)).unwrap().phc();
	let differ = "field `secret_hashes`: all clients need the same m, t and p";
	let hashes = format!("[{other:?}]");
	let file = entry(&[]) + &entry(&[("id", "\"two\""), ("secret_hashes", &hashes)]);
	assert_eq!(errors(&file), [format!("client 2 `two`, {differ}")]);
	let hashes = format!("[{:?}, {other:?}]", known_secret().1);
	assert_eq!(
		errors(&entry(&[("secret_hashes", &hashes)])),
		[format!("client 1 `one`, {differ}")]
	);
}

#[test]
fn parse_refuses_what_is_no_client_file() {
	let error = |file: &str| Clients::parse(file).unwrap_err();
	match error("\n\n[[client]\n") {
		ClientsError::Syntax { line, .. } => assert_eq!(line, 3),
		other => panic!("{other}"),
	}
	assert_eq!(error("client = 7"), ClientsError::Layout { name: "client".to_owned() });
	assert_eq!(error("[clients]"), ClientsError::Layout { name: "clients".to_owned() });
	let length = 4 * 1024 * 1024 + 1;
	assert_eq!(error(&"#".repeat(length)), ClientsError::TooLong { length });
}

#[test]
fn errors_and_debug_have_no_secret_and_no_hash() {
	let (secret, hash) = known_secret();
	let tail = hash.rsplit('$').next().unwrap();
	let broken = hash.replace("t=5", "t=1");
	let file = entry(&[("secret_hashes", &format!("[{broken:?}]"))]);
	let error = Clients::parse(&file).unwrap_err();
	let clients = Clients::parse(&entry(&[])).unwrap();
	let hash = SecretHash::parse(hash).unwrap();
	for text in [
		format!("{error} {error:?}"),
		format!("{clients:?}"),
		format!("{secret:?}"),
		format!("{hash:?}"),
	] {
		assert!(!text.contains(tail) && !text.contains(secret.expose()), "{text}");
	}
}

#[test]
fn secret_is_random_and_its_hash_has_the_recommended_cost() {
	let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
	assert_eq!(one.expose().len(), 43);
	assert_ne!(one.expose(), two.expose());
	let hash = SecretHash::of(&one).unwrap();
	assert!(hash.phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.phc());
	assert_ne!(hash.phc(), SecretHash::of(&one).unwrap().phc(), "the salt is random");
	let hash = SecretHash::parse(&hash.phc()).unwrap();
	assert!(hash.matches(&one) && !hash.matches(&two));
	assert_eq!(SecretHash::with_cost(&one, (7_168, 1, 1)).unwrap_err(), SecretError::Cost);
	assert!(matches!(SecretHash::with_cost(&one, (1, 0, 0)), Err(SecretError::Hash(_))));
}
