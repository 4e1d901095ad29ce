//! Reading and checking the client file.

use std::{
	collections::{BTreeSet, HashSet},
	str::FromStr,
};

use toml::{Table, Value};

use super::{
	client::Client,
	secret::{SecretError, SecretHash},
};
use crate::{role::Role, scope::Scope};

/// The longest file, bytes.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// The longest identifier, account or meter, bytes.
const MAX_TEXT_BYTES: usize = 128;
/// The most secrets of a client: the old one and its successor.
const MAX_SECRETS: usize = 2;
/// The most zones of a client.
const MAX_ZONES: usize = 256;
/// The fields of an entry.
const FIELDS: [&str; 8] =
	["id", "secret_hashes", "roles", "scopes", "account", "zones", "meter", "enabled"];

/// What is wrong with one field of one entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry}, field `{field}`: {reason}")]
pub struct ClientError {
	/// Which entry: its number from 1, and its identifier if it has one.
	pub entry: String,
	/// Which field.
	pub field: String,
	/// What is wrong with it. Never has a hash in it.
	pub reason: String,
}

/// Why a client file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientsError {
	/// The file is too long.
	#[error("the client file has {length} bytes, the limit is {MAX_FILE_BYTES}")]
	TooLong {
		/// Bytes of the file.
		length: usize,
	},
	/// It is not TOML.
	#[error("the client file is not TOML: line {line}, {reason}")]
	Syntax {
		/// The line, from 1.
		line: usize,
		/// What is wrong there.
		reason: String,
	},
	/// It has something else than a list of clients.
	#[error("the client file has only tables `[[client]]`; found `{name}`")]
	Layout {
		/// What else it has.
		name: String,
	},
	/// Entries are wrong: all that was found.
	#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
	Entries(Vec<ClientError>),
	/// The hash that unknown clients are checked against cannot be made.
	#[error("{0}")]
	Decoy(SecretError),
}

/// Reads a file into clients that are each valid and together consistent.
pub(super) fn parse(text: &str) -> Result<Vec<Client>, ClientsError> {
	if text.len() > MAX_FILE_BYTES {
		return Err(ClientsError::TooLong { length: text.len() });
	}
	let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
		let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
		let line = before.matches('\n').count() + 1;
		ClientsError::Syntax { line, reason: error.message().to_owned() }
	})?;
	let entries = match table.remove("client") {
		None => Vec::new(),
		Some(Value::Array(entries)) => entries,
		Some(_) => return Err(ClientsError::Layout { name: "client".to_owned() }),
	};
	if let Some(name) = table.keys().next() {
		return Err(ClientsError::Layout { name: name.clone() });
	}
	let mut clients: Vec<Client> = Vec::new();
	let mut errors = Vec::new();
	let mut ids = HashSet::new();
	for (index, entry) in entries.iter().enumerate() {
		let mut reader = EntryReader::new(index, entry);
		let client = reader.client();
		if !client.id.is_empty() && !ids.insert(client.id.clone()) {
			reader.wrong("id", "another entry has it too");
		}
		let costs = |client: &Client| client.secret_hashes.first().map(SecretHash::cost);
		if let (Some(first), Some(cost)) = (clients.iter().find_map(costs), costs(&client)) {
			if first != cost {
				reader.wrong("secret_hashes", "all clients need the same m, t and p");
			}
		}
		errors.append(&mut reader.errors);
		clients.push(client);
	}
	if errors.is_empty() {
		Ok(clients)
	} else {
		Err(ClientsError::Entries(errors))
	}
}

/// Reads the fields of an entry and collects what is wrong with them.
struct EntryReader<'a> {
	name: String,
	table: Option<&'a Table>,
	errors: Vec<ClientError>,
}

impl<'a> EntryReader<'a> {
	fn new(index: usize, entry: &'a Value) -> Self {
		let table = entry.as_table();
		let id = table.and_then(|table| table.get("id")).and_then(Value::as_str);
		let name = match id {
			Some(id) => format!("client {} `{}`", index + 1, id.escape_default()),
			None => format!("client {}", index + 1),
		};
		Self { name, table, errors: Vec::new() }
	}

	fn wrong(&mut self, field: &str, reason: impl Into<String>) {
		self.errors.push(ClientError {
			entry: self.name.clone(),
			field: field.to_owned(),
			reason: reason.into(),
		});
	}

	/// The client, complete only if there is no error.
	fn client(&mut self) -> Client {
		match self.table {
			None => self.wrong("client", "must be a table"),
			Some(table) => {
				for field in table.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
					self.wrong(field, "there is no such field");
				}
			}
		}
		let client = Client {
			id: self.id(),
			secret_hashes: self.secret_hashes(),
			roles: self.parsed::<Role>("roles", "a role").into_iter().collect(),
			scopes: self.parsed::<Scope>("scopes", "a scope").into_iter().collect(),
			account: self.text("account"),
			zones: self.zones(),
			meter: self.text("meter"),
			enabled: self.enabled(),
		};
		self.check_together(&client);
		client
	}

	fn value(&self, field: &str) -> Option<&'a Value> {
		self.table?.get(field)
	}

	fn text(&mut self, field: &str) -> Option<String> {
		match self.value(field)? {
			Value::String(text) if !text.is_empty() && text.len() <= MAX_TEXT_BYTES => {
				Some(text.clone())
			}
			_ => {
				self.wrong(field, format!("must be a text of 1 to {MAX_TEXT_BYTES} bytes"));
				None
			}
		}
	}

	fn id(&mut self) -> String {
		if self.value("id").is_none() {
			self.wrong("id", "is missing");
		}
		let id = self.text("id").unwrap_or_default();
		let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
		if !id.chars().all(is_plain) {
			self.wrong("id", "may have letters, digits, `-`, `.` and `_`");
		}
		id
	}

	/// A list that must be there and must not be empty.
	fn list(&mut self, field: &str) -> &'a [Value] {
		match self.value(field) {
			Some(Value::Array(items)) if !items.is_empty() => items,
			Some(_) => {
				self.wrong(field, "must be a list with at least one item");
				&[]
			}
			None => {
				self.wrong(field, "is missing");
				&[]
			}
		}
	}

	fn parsed<T: FromStr + PartialEq>(&mut self, field: &str, what: &str) -> Vec<T> {
		let mut all = Vec::new();
		for item in self.list(field) {
			match item.as_str().map(|text| (text, text.parse::<T>())) {
				Some((_, Ok(parsed))) if !all.contains(&parsed) => all.push(parsed),
				Some((text, Ok(_))) => self.wrong(field, format!("`{text}` is there twice")),
				Some((text, Err(_))) => {
					self.wrong(field, format!("`{}` is not {what}", text.escape_default()))
				}
				None => self.wrong(field, "must be a list of texts"),
			}
		}
		all
	}

	fn secret_hashes(&mut self) -> Vec<SecretHash> {
		let items = self.list("secret_hashes");
		if items.len() > MAX_SECRETS {
			self.wrong("secret_hashes", format!("has more than {MAX_SECRETS} items"));
		}
		let mut hashes: Vec<SecretHash> = Vec::new();
		for (index, item) in items.iter().enumerate() {
			// The reason names the item by number, so that no hash reaches a log.
			match item.as_str().map(SecretHash::parse) {
				Some(Ok(hash)) => hashes.push(hash),
				Some(Err(error)) => {
					self.wrong("secret_hashes", format!("item {}: {error}", index + 1))
				}
				None => self.wrong("secret_hashes", "must be a list of texts"),
			}
		}
		if hashes.iter().any(|hash| hash.cost() != hashes[0].cost()) {
			self.wrong("secret_hashes", "all clients need the same m, t and p");
		}
		hashes
	}

	fn zones(&mut self) -> BTreeSet<u32> {
		let zone = |item: &Value| item.as_integer().and_then(|zone| u32::try_from(zone).ok());
		match self.value("zones") {
			None => BTreeSet::new(),
			Some(Value::Array(items)) if items.len() <= MAX_ZONES => {
				items.iter().map(zone).collect::<Option<_>>().unwrap_or_else(|| {
					self.wrong("zones", "must be a list of numbers from 0 to 4294967295");
					BTreeSet::new()
				})
			}
			Some(_) => {
				self.wrong("zones", format!("must be a list of at most {MAX_ZONES} numbers"));
				BTreeSet::new()
			}
		}
	}

	fn enabled(&mut self) -> bool {
		match self.value("enabled") {
			None => true,
			Some(Value::Boolean(enabled)) => *enabled,
			Some(_) => {
				self.wrong("enabled", "must be true or false");
				false
			}
		}
	}

	/// A role needs what its policies look at, and nobody else has it.
	fn check_together(&mut self, client: &Client) {
		let has = |role: Role| client.roles.contains(&role);
		let trades = has(Role::Prosumer) || has(Role::Aggregator);
		if client.roles.len() > 1 && client.roles.iter().any(|role| role.stands_alone()) {
			self.wrong("roles", "regulator, administrator and device go with no other role");
		}
		if trades && client.account.is_none() {
			self.wrong("account", "a prosumer or an aggregator needs one");
		}
		if !trades && !has(Role::Utility) && client.account.is_some() {
			self.wrong("account", "only a prosumer, an aggregator or a utility has one");
		}
		if has(Role::Utility) == client.zones.is_empty() {
			self.wrong("zones", "a utility needs at least one, nobody else has any");
		}
		if has(Role::Device) != client.meter.is_some() {
			self.wrong("meter", "a device needs one, nobody else has any");
		}
	}
}
