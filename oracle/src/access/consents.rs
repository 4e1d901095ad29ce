//! Consents: what owners share, with whom, for what, and until when.
//!
//! A consent is never changed but to withdraw it. All that are kept are in memory, so that a decision
//! waits for no disk; a change is on disk before it counts.

use std::{
	collections::{BTreeMap, BTreeSet, HashMap},
	sync::{Arc, Mutex, PoisonError, RwLock},
};

use energy_primitives::AccountId;
use oracle_access::{policy::MAX_CONSENTS, Action, Consent, Kind, Principal, Resource};
use serde::{Deserialize, Serialize};

use super::{parse_meter, Denied, Gate};
use crate::store::StoreError;

/// The most consents that one owner has, ended ones among them.
pub const CONSENTS_PER_OWNER: usize = 1_000;
/// The most consents of all owners.
pub const CONSENTS_KEPT: usize = 100_000;
/// The longest time of a consent: three years of 366 days, seconds.
pub const MAX_CONSENT_SECONDS: u64 = 3 * 366 * 86_400;
/// The most meters in a consent.
pub const METERS_PER_CONSENT: usize = 1_000;
/// The longest purpose, bytes.
pub const MAX_PURPOSE_BYTES: usize = 64;
/// The most consents in an answer.
pub const CONSENTS_PER_PAGE: usize = 100;
/// Random bytes of a consent's identifier.
const ID_BYTES: usize = 16;

/// The kinds that can be shared: those that the policy `consent-shares` names.
const SHARED_KINDS: [Kind; 9] = [
	Kind::Readings,
	Kind::Meters,
	Kind::Slots,
	Kind::Attestations,
	Kind::Forecasts,
	Kind::Orders,
	Kind::Trades,
	Kind::Reconciliation,
	Kind::Streams,
];

/// Kinds by their names.
mod kind_names {
	use std::collections::BTreeSet;

	use oracle_access::Kind;
	use serde::{de::Error, Deserialize, Deserializer, Serializer};

	pub(super) fn serialize<S: Serializer>(
		kinds: &BTreeSet<Kind>,
		serializer: S,
	) -> Result<S::Ok, S::Error> {
		serializer.collect_seq(kinds.iter().map(|kind| kind.name()))
	}

	pub(super) fn deserialize<'de, D: Deserializer<'de>>(
		deserializer: D,
	) -> Result<BTreeSet<Kind>, D::Error> {
		let names = Vec::<String>::deserialize(deserializer)?;
		names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
	}
}

/// A consent as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptConsent {
	/// Its identifier: 32 hexadecimal digits.
	pub id: String,
	/// The account that shares.
	pub owner: String,
	/// The account that may read.
	pub grantee: String,
	/// What may be read.
	#[serde(with = "kind_names")]
	pub kinds: BTreeSet<Kind>,
	/// The meters it is limited to, 64 hexadecimal digits each; all of the owner's when `None`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub meters: Option<BTreeSet<String>>,
	/// What the data may be used for.
	pub purpose: String,
	/// The first second at which it holds.
	pub valid_from: u64,
	/// The first second at which it holds no longer.
	pub expires_at: u64,
	/// When it was given.
	pub given_at: u64,
	/// When it was withdrawn, if it was.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub withdrawn_at: Option<u64>,
}

impl KeptConsent {
	/// Whether it will never hold again.
	fn has_ended(&self, now: u64) -> bool {
		self.withdrawn_at.is_some() || self.expires_at <= now
	}

	/// When it ended, or will.
	fn end(&self) -> u64 {
		self.withdrawn_at.map_or(self.expires_at, |at| at.min(self.expires_at))
	}

	/// Whether it may matter to a request.
	fn applies(&self, resource: &Resource, purpose: &str, now: u64) -> bool {
		let covers_meter = match (&self.meters, &resource.meter) {
			(None, _) => true,
			(Some(meters), Some(meter)) => meters.contains(meter),
			(Some(_), None) => false,
		};
		!self.has_ended(now)
			&& self.valid_from <= now
			&& self.kinds.contains(&resource.kind)
			&& covers_meter
			&& self.purpose == purpose
	}

	/// The consent as the policies see it.
	fn consent(&self) -> Consent {
		Consent {
			id: self.id.clone(),
			owner: self.owner.clone(),
			grantee: self.grantee.clone(),
			kinds: self.kinds.clone(),
			meters: self.meters.clone(),
			purpose: self.purpose.clone(),
			valid_from: self.valid_from,
			expires_at: self.expires_at,
		}
	}
}

/// What an owner sends to give a consent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentRequest {
	/// The account that may read.
	pub grantee: String,
	/// The kinds of data.
	pub kinds: Vec<String>,
	/// Meters to limit it to.
	#[serde(default)]
	pub meters: Option<Vec<String>>,
	/// What the data may be used for: letters, digits and `-`.
	pub purpose: String,
	/// The first second at which it holds, seconds since 1970; now if not given.
	#[serde(default)]
	pub valid_from: Option<u64>,
	/// The first second at which it holds no longer, seconds since 1970.
	pub expires_at: u64,
}

/// Why something cannot be done with consents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsentError {
	/// The request is wrong.
	#[error("{field}: {reason}")]
	Field {
		/// Which part of it.
		field: &'static str,
		/// What is wrong.
		reason: String,
	},
	/// Who asks may not.
	#[error("it is not permitted")]
	Denied(Denied),
	/// There is no such consent.
	#[error("there is no such consent")]
	Unknown,
	/// The owner has as many that hold as there may be.
	#[error("there are {CONSENTS_PER_OWNER} consents of this account already")]
	TooMany,
	/// There is no room for more.
	#[error("no more consents can be kept")]
	Full,
	/// It cannot be kept.
	#[error(transparent)]
	Store(#[from] StoreError),
}

impl From<Denied> for ConsentError {
	fn from(denied: Denied) -> Self {
		Self::Denied(denied)
	}
}

/// Keeps consents.
pub trait ConsentStore: Send + Sync + 'static {
	/// All that are kept, in any order.
	///
	/// # Errors
	/// When the store fails.
	fn consents(&self) -> Result<Vec<KeptConsent>, StoreError>;

	/// Keeps a consent, in the place of what had its identifier, and forgets another one. It is on
	/// disk when this returns `Ok`.
	///
	/// # Errors
	/// When the store fails; then nothing has changed.
	fn keep_consent(
		&self,
		consent: &KeptConsent,
		forgotten: Option<&str>,
	) -> Result<(), StoreError>;
}

/// Consents in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryConsents(Mutex<BTreeMap<String, KeptConsent>>);

impl ConsentStore for MemoryConsents {
	fn consents(&self) -> Result<Vec<KeptConsent>, StoreError> {
		let consents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
		Ok(consents.values().cloned().collect())
	}

	fn keep_consent(
		&self,
		consent: &KeptConsent,
		forgotten: Option<&str>,
	) -> Result<(), StoreError> {
		let mut consents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
		if let Some(id) = forgotten {
			consents.remove(id);
		}
		consents.insert(consent.id.clone(), consent.clone());
		Ok(())
	}
}

/// Which consents of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentSide {
	/// Those that it gave.
	Given,
	/// Those that were given to it.
	Received,
}

/// Some consents of an account, by identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentPage {
	/// At most [`CONSENTS_PER_PAGE`].
	pub consents: Vec<KeptConsent>,
	/// Others come after this identifier.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub next_after: Option<String>,
}

/// The identifiers of an account's consents.
type Ids = BTreeSet<String>;

#[derive(Default)]
struct Index {
	by_id: HashMap<String, KeptConsent>,
	by_owner: HashMap<String, Ids>,
	/// By grantee, then by owner.
	by_grantee: HashMap<String, HashMap<String, Ids>>,
}

impl Index {
	fn insert(&mut self, consent: KeptConsent) {
		let KeptConsent { id, owner, grantee, .. } = &consent;
		self.by_owner.entry(owner.clone()).or_default().insert(id.clone());
		let of_grantee = self.by_grantee.entry(grantee.clone()).or_default();
		of_grantee.entry(owner.clone()).or_default().insert(id.clone());
		self.by_id.insert(id.clone(), consent);
	}

	fn remove(&mut self, id: &str) {
		let Some(consent) = self.by_id.remove(id) else { return };
		if let Some(ids) = self.by_owner.get_mut(&consent.owner) {
			ids.remove(id);
		}
		let of_grantee = self.by_grantee.get_mut(&consent.grantee);
		if let Some(ids) = of_grantee.and_then(|owners| owners.get_mut(&consent.owner)) {
			ids.remove(id);
		}
	}

	fn of_owner(&self, owner: &str) -> impl Iterator<Item = &KeptConsent> {
		let ids = self.by_owner.get(owner).into_iter().flatten();
		ids.filter_map(|id| self.by_id.get(id))
	}
}

/// The consents of an oracle.
pub(super) struct Consents {
	store: Arc<dyn ConsentStore>,
	index: RwLock<Index>,
	/// Held while one is added or changed.
	changing: Mutex<()>,
}

impl Consents {
	pub(super) fn open(store: Arc<dyn ConsentStore>) -> Result<Self, StoreError> {
		let mut index = Index::default();
		for consent in store.consents()? {
			index.insert(consent);
		}
		Ok(Self { store, index: RwLock::new(index), changing: Mutex::new(()) })
	}

	fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
		look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
	}

	/// Those that a request may rest on.
	pub(super) fn applying(
		&self,
		principal: &Principal,
		resource: &Resource,
		purpose: &str,
		now: u64,
	) -> Vec<Consent> {
		let (Some(grantee), Some(owner)) = (&principal.account, &resource.owner) else {
			return Vec::new();
		};
		self.read(|index| {
			let ids = index.by_grantee.get(grantee).and_then(|owners| owners.get(owner));
			ids.into_iter()
				.flatten()
				.filter_map(|id| index.by_id.get(id))
				.filter(|consent| consent.applies(resource, purpose, now))
				.take(MAX_CONSENTS)
				.map(KeptConsent::consent)
				.collect()
		})
	}

	fn consent(&self, id: &str) -> Option<KeptConsent> {
		self.read(|index| index.by_id.get(id).cloned())
	}

	/// Adds a consent. When its owner has too many, the one that ended first makes room.
	fn give(&self, consent: KeptConsent, now: u64) -> Result<(), ConsentError> {
		let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
		let forgotten = self.read(|index| {
			if index.of_owner(&consent.owner).count() >= CONSENTS_PER_OWNER {
				let ended = index.of_owner(&consent.owner).filter(|given| given.has_ended(now));
				let oldest = ended.min_by_key(|given| given.end()).ok_or(ConsentError::TooMany)?;
				return Ok(Some(oldest.id.clone()));
			}
			match index.by_id.len() >= CONSENTS_KEPT {
				true => Err(ConsentError::Full),
				false => Ok(None),
			}
		})?;
		self.store.keep_consent(&consent, forgotten.as_deref())?;
		let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
		if let Some(id) = forgotten {
			index.remove(&id);
		}
		index.insert(consent);
		Ok(())
	}

	/// Withdraws a consent; one that is withdrawn already stays as it is.
	fn withdraw(&self, id: &str, now: u64) -> Result<KeptConsent, ConsentError> {
		let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
		let mut consent = self.consent(id).ok_or(ConsentError::Unknown)?;
		if consent.withdrawn_at.is_none() {
			consent.withdrawn_at = Some(now);
			self.store.keep_consent(&consent, None)?;
			let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
			index.insert(consent.clone());
		}
		Ok(consent)
	}

	fn page(&self, account: &str, side: ConsentSide, after: Option<&str>) -> ConsentPage {
		self.read(|index| {
			let is_after = |id: &&String| after.is_none_or(|after| id.as_str() > after);
			let none = Ids::new();
			let mut ids: Vec<&String> = match side {
				ConsentSide::Given => {
					index.by_owner.get(account).unwrap_or(&none).iter().filter(is_after).collect()
				}
				ConsentSide::Received => {
					let owners = index.by_grantee.get(account).into_iter().flatten();
					owners.flat_map(|(_owner, ids)| ids).filter(is_after).collect()
				}
			};
			ids.sort_unstable();
			let next_after = ids.get(CONSENTS_PER_PAGE).and(ids.get(CONSENTS_PER_PAGE - 1));
			let next_after = next_after.map(|id| (*id).clone());
			let page = ids.iter().take(CONSENTS_PER_PAGE);
			let consents = page.filter_map(|id| index.by_id.get(*id).cloned()).collect();
			ConsentPage { consents, next_after }
		})
	}
}

fn wrong(field: &'static str, reason: impl ToString) -> ConsentError {
	ConsentError::Field { field, reason: reason.to_string() }
}

/// Checks a request and makes the consent that it asks for.
fn checked(owner: &str, request: &ConsentRequest, now: u64) -> Result<KeptConsent, ConsentError> {
	let grantee = request.grantee.parse::<AccountId>();
	let grantee = grantee.map_err(|_| wrong("grantee", "is no account"))?.to_string();
	if grantee == owner {
		return Err(wrong("grantee", "is the owner"));
	}
	if request.kinds.is_empty() {
		return Err(wrong("kinds", "at least one kind is needed"));
	}
	let kinds = request.kinds.iter().map(|name| {
		let kind = name.parse().ok().filter(|kind| SHARED_KINDS.contains(kind));
		kind.ok_or_else(|| wrong("kinds", format_args!("{name:?} cannot be shared")))
	});
	let kinds = kinds.collect::<Result<BTreeSet<Kind>, _>>()?;
	let meters = request.meters.as_ref().map(|meters| checked_meters(meters)).transpose()?;
	let purpose = request.purpose.clone();
	let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
	if purpose.is_empty() || purpose.len() > MAX_PURPOSE_BYTES || !purpose.bytes().all(is_plain) {
		let reason =
			format!("must be 1 to {MAX_PURPOSE_BYTES} letters, digits and the character -");
		return Err(wrong("purpose", reason));
	}
	let valid_from = request.valid_from.unwrap_or(now);
	let expires_at = request.expires_at;
	if expires_at <= valid_from {
		return Err(wrong("expiresAt", "must be after validFrom"));
	}
	if expires_at <= now {
		return Err(wrong("expiresAt", "is over"));
	}
	if expires_at - valid_from > MAX_CONSENT_SECONDS {
		return Err(wrong("expiresAt", "must be at most three years after validFrom"));
	}
	let mut id = [0; ID_BYTES];
	aws_lc_rs::rand::fill(&mut id)
		.map_err(|_| StoreError::Keys("no random numbers are available".into()))?;
	Ok(KeptConsent {
		id: hex::encode(id),
		owner: owner.to_owned(),
		grantee,
		kinds,
		meters,
		purpose,
		valid_from,
		expires_at,
		given_at: now,
		withdrawn_at: None,
	})
}

fn checked_meters(meters: &[String]) -> Result<BTreeSet<String>, ConsentError> {
	if meters.is_empty() || meters.len() > METERS_PER_CONSENT {
		let reason = format!("must be 1 to {METERS_PER_CONSENT} meters, or left out");
		return Err(wrong("meters", reason));
	}
	let id = |text: &String| {
		let meter = parse_meter(text).map(|meter| hex::encode(meter.0));
		meter.ok_or_else(|| wrong("meters", format_args!("{text:?} is no meter's identifier")))
	};
	meters.iter().map(id).collect()
}

/// A consent as a resource.
fn resource_of(consent: &KeptConsent) -> Resource {
	let mut resource = Resource::new(Kind::Consents, consent.id.clone());
	resource.owner = Some(consent.owner.clone());
	resource.parties = [consent.grantee.clone()].into();
	resource
}

/// Runs what writes to the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
	write: impl FnOnce() -> Result<T, ConsentError> + Send + 'static,
) -> Result<T, ConsentError> {
	let written = tokio::task::spawn_blocking(write).await;
	written
		.unwrap_or_else(|_panicked| Err(StoreError::Database("the write broke off".into()).into()))
}

impl Gate {
	/// Gives a consent in the name of the bearer's account. The decision is in the audit log, and the
	/// consent on disk, when this returns.
	///
	/// # Errors
	/// When the bearer may not, the request is wrong, or it cannot be kept.
	pub async fn give_consent(
		&self,
		authorization: Option<&str>,
		request: &ConsentRequest,
		request_id: &str,
	) -> Result<KeptConsent, ConsentError> {
		let mut resource = Resource::new(Kind::Consents, "new");
		let principal = self.principal(authorization, Action::Write, &resource, request_id).await?;
		resource.owner.clone_from(&principal.account);
		if !self.decide(&principal, Action::Write, &resource, None, request_id).await? {
			return Err(Denied::Policy.into());
		}
		let owner = principal.account.ok_or(Denied::Policy)?;
		let now = self.clock.now_seconds();
		let consent = checked(&owner, request, now)?;
		let (consents, given) = (self.consents.clone(), consent.clone());
		blocking(move || consents.give(given, now)).await?;
		Ok(consent)
	}

	/// Withdraws a consent. It counts for no decision that is made after this returns.
	///
	/// # Errors
	/// When the bearer may not, there is no such consent, or the change cannot be kept. Whoever may
	/// write no consent but its own learns of another's only that it may not.
	pub async fn withdraw_consent(
		&self,
		authorization: Option<&str>,
		id: &str,
		request_id: &str,
	) -> Result<KeptConsent, ConsentError> {
		let resource = self
			.consents
			.consent(id)
			.map_or_else(|| Resource::new(Kind::Consents, id), |consent| resource_of(&consent));
		self.allow(authorization, Action::Write, &resource, request_id).await?;
		let (consents, id, now) = (self.consents.clone(), id.to_owned(), self.clock.now_seconds());
		blocking(move || consents.withdraw(&id, now)).await
	}

	/// One consent, for those who may look at it.
	///
	/// # Errors
	/// When the bearer may not, or there is none.
	pub async fn consent(
		&self,
		authorization: Option<&str>,
		id: &str,
		request_id: &str,
	) -> Result<KeptConsent, ConsentError> {
		let consent = self.consents.consent(id);
		let resource =
			consent.as_ref().map_or_else(|| Resource::new(Kind::Consents, id), resource_of);
		self.allow(authorization, Action::Read, &resource, request_id).await?;
		consent.ok_or(ConsentError::Unknown)
	}

	/// The consents of an account, the bearer's own if none is named, after an identifier.
	///
	/// # Errors
	/// When the bearer may not look at them, or has no account and names none.
	pub async fn consents_of(
		&self,
		authorization: Option<&str>,
		account: Option<&str>,
		side: ConsentSide,
		after: Option<&str>,
		request_id: &str,
	) -> Result<ConsentPage, ConsentError> {
		let mut resource = Resource::new(Kind::Consents, "list");
		let principal = self.principal(authorization, Action::Read, &resource, request_id).await?;
		let account = account.map(str::to_owned).or_else(|| principal.account.clone());
		match side {
			ConsentSide::Given => resource.owner.clone_from(&account),
			ConsentSide::Received => resource.parties.extend(account.clone()),
		}
		if !self.decide(&principal, Action::Read, &resource, None, request_id).await? {
			return Err(Denied::Policy.into());
		}
		let account = account.ok_or_else(|| wrong("account", "an account is needed"))?;
		Ok(self.consents.page(&account, side, after))
	}
}

#[cfg(test)]
mod tests;
