//! The clients that may ask for tokens.

use std::collections::{BTreeSet, HashMap};

use super::{
	client_file::{self, ClientsError},
	secret::{Secret, SecretHash},
};
use crate::{role::Role, scope::Scopes};

/// A machine that may ask for tokens, and what its tokens say.
#[derive(Clone, Debug)]
pub struct Client {
	/// Its identifier, which is the subject of its tokens too.
	pub id: String,
	/// The hashes of its secrets: one, or two while a secret is being replaced.
	pub secret_hashes: Vec<SecretHash>,
	/// What it is.
	pub roles: BTreeSet<Role>,
	/// The most that its tokens may be used for.
	pub scopes: Scopes,
	/// Its account on the chain.
	pub account: Option<String>,
	/// The zones that it serves.
	pub zones: BTreeSet<u32>,
	/// The meter that it is.
	pub meter: Option<String>,
	/// Whether it gets tokens at all.
	pub enabled: bool,
}

/// All clients of the file.
#[derive(Debug)]
pub struct Clients {
	by_id: HashMap<String, Client>,
	/// Checked in the place of a hash that is not there; nobody knows its secret.
	decoy: SecretHash,
	/// Hashes that are checked for every request: as many as any client has.
	checks: usize,
}

impl Clients {
	/// Reads a client file. Every entry is checked; the error lists all that is wrong.
	pub fn parse(text: &str) -> Result<Self, ClientsError> {
		let clients = client_file::parse(text)?;
		let hashes = || clients.iter().flat_map(|client| &client.secret_hashes);
		let cost = hashes().map(SecretHash::cost).next().unwrap_or(SecretHash::default_cost());
		let decoy = Secret::generate()
			.and_then(|secret| SecretHash::with_cost(&secret, cost))
			.map_err(ClientsError::Decoy)?;
		let checks = clients.iter().map(|client| client.secret_hashes.len()).max().unwrap_or(1);
		let by_id = clients.into_iter().map(|client| (client.id.clone(), client)).collect();
		Ok(Self { by_id, decoy, checks })
	}

	/// The client with an identifier.
	pub fn client(&self, id: &str) -> Option<&Client> {
		self.by_id.get(id)
	}

	/// How many there are.
	pub fn len(&self) -> usize {
		self.by_id.len()
	}

	/// Whether there is none.
	pub fn is_empty(&self) -> bool {
		self.by_id.is_empty()
	}

	/// The client, if it is enabled and the secret is one of its own. The same number of equally
	/// dear hashes is computed for a right secret, a wrong one, a disabled client and one that
	/// does not exist, so that the time tells nothing.
	pub fn authenticate(&self, id: &str, secret: &Secret) -> Option<&Client> {
		self.authenticate_with(id, |hash| hash.matches(secret))
	}

	fn authenticate_with(
		&self,
		id: &str,
		mut matches: impl FnMut(&SecretHash) -> bool,
	) -> Option<&Client> {
		let client = self.by_id.get(id).filter(|client| client.enabled);
		let mut is_right = false;
		for index in 0..self.checks {
			let hash = client.and_then(|client| client.secret_hashes.get(index));
			// `&` computes the hash in any case; the decoy never lets anybody in.
			is_right |= matches(hash.unwrap_or(&self.decoy)) & hash.is_some();
		}
		client.filter(|_| is_right)
	}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
	use super::*;

	const COST: (u32, u32, u32) = (7_168, 5, 1);

	#[test]
	fn authenticate_computes_the_same_hashes_whoever_asks() {
		let secrets: Vec<_> = (0..3).map(|_| Secret::generate().unwrap()).collect();
		let hashes: Vec<_> = secrets
			.iter()
			.map(|secret| SecretHash::with_cost(secret, COST).unwrap().phc())
			.collect();
		let entry = |id: &str, hashes: &str, rest: &str| {
			format!(
				"[[client]]\nid = \"{id}\"\nsecret_hashes = [{hashes}]\nroles = [\"regulator\"]\n\
				 scopes = [\"trades:read\"]\n{rest}\n"
			)
		};
		let file = entry("one", &format!("{:?}", hashes[0]), "")
			+ &entry("two", &format!("{:?}, {:?}", hashes[1], hashes[2]), "")
			+ &entry("off", &format!("{:?}", hashes[0]), "enabled = false");
		let clients = Clients::parse(&file).unwrap();
		let runs = |id: &str, secret: &Secret| {
			let mut costs = Vec::new();
			let found = clients.authenticate_with(id, |hash| {
				costs.push(hash.cost());
				hash.matches(secret)
			});
			(found.map(|client| client.id.clone()), costs)
		};
		let wrong = Secret::new("wrong".to_owned());
		let found = |id: &str| Some(id.to_owned());
		for (id, secret, expected) in [
			("one", &secrets[0], found("one")),
			("two", &secrets[1], found("two")),
			("two", &secrets[2], found("two")),
			("one", &secrets[1], None),
			("one", &wrong, None),
			("off", &secrets[0], None),
			("nobody", &secrets[0], None),
			("", &wrong, None),
		] {
			assert_eq!(runs(id, secret), (expected, vec![COST, COST]), "{id}");
		}
		// The decoy's own secret is random, but even a match with it lets nobody in.
		assert!(clients.authenticate_with("nobody", |_| true).is_none());
		assert!(clients.authenticate_with("off", |_| true).is_none());
	}
}
