//! Who may do what over HTTP: the crate `oracle-access`, joined to the interface.
//!
//! With `[access]` in the configuration every request but those for tokens, their keys and the health of
//! the process needs a bearer token; what no policy permits is denied, and each decision is in the audit
//! log, on disk, before it is acted upon. Without it the interface is open, for development.
//!
//! What a resource is and whose it is comes from the chain's registry, never from the request.

use std::{
	collections::BTreeSet,
	path::{Path, PathBuf},
	sync::{Arc, Mutex},
};

use energy_primitives::{MeterId, ZoneId};
use oracle_access::{
	audit::Record,
	issue::{
		Clients, EndpointError, EndpointSettings, KeyRing, KeyRingSettings, LocalKeys, TokenAnswer,
		TokenEndpoint,
	},
	policy::{Circumstances, Policies},
	token::{
		bearer_token, KeyCache, KeyCacheLimits, RevocationFile, Revocations, TokenError,
		TokenVerifier, TrustedIssuer, VerifierSettings,
	},
	Action, Clock, Kind, Principal, Resource, Role,
};
use secure_server::PeerIdentity;
use serde::{Deserialize, Serialize};

use self::{
	audit_queue::AuditQueue,
	consents::{ConsentStore, Consents},
	keys::{issuer_keys, signing_keys},
};
use crate::{ingest::Sender, registry::Registry};

mod audit_queue;
pub mod consents;
pub mod devices;
mod keys;
mod revoke;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use revoke::RevokeError;

/// How many revocations are remembered.
const REVOCATIONS: usize = 10_000;
/// The file of revocations, in the folder of the audit log.
const REVOCATIONS_FILE: &str = "revocations.jsonl";

/// What an operator writes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
	/// The name under which this oracle issues tokens (`iss`).
	pub issuer: String,
	/// Whom tokens are for (`aud`).
	pub audience: String,
	/// How long its tokens are valid, seconds: 60 to 3600.
	#[serde(default = "default_token_seconds")]
	pub token_seconds: u64,
	/// File with the keys that sign its tokens; made if there is none.
	pub signing_key_file: PathBuf,
	/// File with the clients that get tokens from it.
	pub clients_file: PathBuf,
	/// Folder of the audit log.
	pub audit_folder: PathBuf,
	/// Whether the digest of each day of the audit log goes to the chain, as a remark of the account
	/// that attests.
	#[serde(default)]
	pub anchor_audit_log: bool,
	/// Whether readings are taken without a token: they are signed by their meters.
	#[serde(default)]
	pub readings_without_token: bool,
	/// Whether a meter may send its own readings without a token when it shows a certificate of one of
	/// the authorities in `http.tls.client_authorities`, with its URI `urn:wia-ene-014:meter:` and 64
	/// hexadecimal digits. These authorities must give such a URI to nobody but the meter.
	#[serde(default)]
	pub devices_by_certificate: bool,
	/// Other issuers whose tokens are taken, such as that of the company's directory.
	#[serde(default)]
	pub trusted: Vec<TrustedSettings>,
}

fn default_token_seconds() -> u64 {
	900
}

/// An issuer whose tokens are taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedSettings {
	/// What its tokens have in `iss`.
	pub issuer: String,
	/// What its tokens for this oracle have in `aud`.
	pub audience: String,
	/// File with its JSON Web Key set. It is read again when a token names a key that is not known.
	#[serde(default)]
	pub keys_file: Option<PathBuf>,
	/// In the place of a file: the address of the set (`jwks_uri`), `https://`. It is asked again when
	/// a token names a key that is not known, once a minute at most. While it is away the last good
	/// keys count, for a day.
	#[serde(default)]
	pub keys_url: Option<String>,
	/// File with the authorities, PEM, that the certificate of `keys_url` must come from; those that
	/// the machine trusts if it is left out.
	#[serde(default)]
	pub ca_file: Option<PathBuf>,
	/// The claim that lists roles.
	#[serde(default = "default_roles_claim")]
	pub roles_claim: String,
	/// The roles that it may give.
	pub roles: BTreeSet<String>,
}

fn default_roles_claim() -> String {
	"roles".to_owned()
}

/// Access cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("access.{field}: {reason}")]
pub struct AccessError {
	/// The key of the configuration.
	pub field: &'static str,
	/// What is wrong.
	pub reason: String,
}

fn unusable(field: &'static str) -> impl Fn(&dyn std::fmt::Display) -> AccessError {
	move |reason| AccessError { field, reason: reason.to_string() }
}

/// Why a request is not served.
#[derive(Debug)]
pub enum Denied {
	/// There is no token, or none that is good.
	Token(TokenError),
	/// No policy permits it.
	Policy,
	/// The decision cannot be kept.
	NotAudited,
}

fn read_file(field: &'static str, path: &Path) -> Result<String, AccessError> {
	let failed = unusable(field);
	std::fs::read_to_string(path)
		.map_err(|error| failed(&format_args!("{}: {error}", path.display())))
}

/// The time of the oracle, for `oracle-access`.
struct OracleClock(Arc<dyn crate::clock::Clock>);

impl Clock for OracleClock {
	fn now_seconds(&self) -> u64 {
		self.0.now_seconds()
	}
}

/// Decides on requests.
pub struct Gate {
	verifier: TokenVerifier,
	policies: Policies,
	endpoint: Arc<TokenEndpoint>,
	keys: Arc<LocalKeys>,
	signing_key_file: PathBuf,
	revocations: Arc<Revocations>,
	revocation_file: Arc<Mutex<RevocationFile>>,
	consents: Arc<Consents>,
	audit: AuditQueue,
	clock: Arc<dyn Clock>,
	readings_without_token: bool,
	devices_by_certificate: bool,
}

impl AccessSettings {
	/// Looks at the files that have to be there, and changes none.
	///
	/// # Errors
	/// The first setting that cannot be used.
	pub fn check_files(&self) -> Result<(), AccessError> {
		Clients::parse(&read_file("clients_file", &self.clients_file)?)
			.map_err(|error| unusable("clients_file")(&error))?;
		if self.signing_key_file.exists() {
			KeyRing::load(&self.signing_key_file, KeyRingSettings::default())
				.map_err(|error| unusable("signing_key_file")(&error))?;
		}
		for trusted in &self.trusted {
			issuer_keys(trusted)?;
			if let Some(path) = &trusted.keys_file {
				read_file("trusted.keys_file", path)?;
			}
		}
		Ok(())
	}
}

impl Gate {
	/// Sets access up, with what was shared so far. The audit log is open until the gate is gone.
	///
	/// # Errors
	/// The first setting that cannot be used.
	pub fn open(
		settings: &AccessSettings,
		clock: Arc<dyn crate::clock::Clock>,
		consents: Arc<dyn ConsentStore>,
	) -> Result<Self, AccessError> {
		let clock: Arc<dyn Clock> = Arc::new(OracleClock(clock));
		let ring = signing_keys(&settings.signing_key_file, clock.now_seconds())?;
		let keys = Arc::new(LocalKeys::new(ring, clock.clone()));
		let clients = Clients::parse(&read_file("clients_file", &settings.clients_file)?)
			.map_err(|error| unusable("clients_file")(&error))?;
		let endpoint = TokenEndpoint::new(
			clients,
			keys.clone(),
			EndpointSettings {
				issuer: settings.issuer.clone(),
				audience: settings.audience.clone(),
				lifetime_seconds: settings.token_seconds,
				max_concurrent: 2,
			},
			clock.clone(),
		)
		.map_err(|error| unusable("token_seconds")(&error))?;

		let mut issuers = vec![TrustedIssuer {
			issuer: settings.issuer.clone(),
			audience: settings.audience.clone(),
			keys: Arc::new(KeyCache::new(keys.clone(), KeyCacheLimits::default())),
			roles_claim: default_roles_claim(),
			roles: Role::ALL.into(),
		}];
		for trusted in &settings.trusted {
			let roles = trusted
				.roles
				.iter()
				.map(|name| {
					name.parse::<Role>()
						.map_err(|_| unusable("trusted.roles")(&format_args!("no role {name:?}")))
				})
				.collect::<Result<_, _>>()?;
			issuers.push(TrustedIssuer {
				issuer: trusted.issuer.clone(),
				audience: trusted.audience.clone(),
				keys: issuer_keys(trusted)?,
				roles_claim: trusted.roles_claim.clone(),
				roles,
			});
		}
		let limits = VerifierSettings::default();
		let revocations = Arc::new(Revocations::new(
			REVOCATIONS,
			limits.max_lifetime_seconds,
			limits.leeway_seconds,
		));
		let verifier = TokenVerifier::new(issuers, limits, revocations.clone(), clock.clone())
			.map_err(|error| unusable("trusted")(&error))?;
		let policies = Policies::embedded().map_err(|error| unusable("policies")(&error))?;
		// The log makes the folder, and holds it: the file of revocations has one writer as well.
		let audit = AuditQueue::start(&settings.audit_folder, clock.clone())?;
		let revocation_file = RevocationFile::open(
			&settings.audit_folder.join(REVOCATIONS_FILE),
			&revocations,
			clock.now_seconds(),
		)
		.map_err(|error| unusable("audit_folder")(&error))?;
		let consents = Consents::open(consents).map_err(|error| unusable("consents")(&error))?;
		Ok(Self {
			verifier,
			policies,
			endpoint: Arc::new(endpoint),
			keys,
			signing_key_file: settings.signing_key_file.clone(),
			revocations,
			revocation_file: Arc::new(Mutex::new(revocation_file)),
			consents: Arc::new(consents),
			audit,
			clock,
			readings_without_token: settings.readings_without_token,
			devices_by_certificate: settings.devices_by_certificate,
		})
	}

	/// Whether the bearer of an `Authorization` header may do something. The decision is on disk when
	/// this returns.
	///
	/// # Errors
	/// Why not.
	pub async fn allow(
		&self,
		authorization: Option<&str>,
		action: Action,
		resource: &Resource,
		request_id: &str,
	) -> Result<Principal, Denied> {
		self.allow_for_purpose(authorization, None, action, resource, request_id).await
	}

	/// As [`Self::allow`], for a request that says what the data is for: then the consents count that
	/// the resource's owner gave to the bearer's account for this purpose.
	///
	/// # Errors
	/// Why not.
	pub async fn allow_for_purpose(
		&self,
		authorization: Option<&str>,
		purpose: Option<&str>,
		action: Action,
		resource: &Resource,
		request_id: &str,
	) -> Result<Principal, Denied> {
		let principal = self.principal(authorization, action, resource, request_id).await?;
		let allowed = self.decide(&principal, action, resource, purpose, request_id).await?;
		if allowed {
			Ok(principal)
		} else {
			Err(Denied::Policy)
		}
	}

	/// Who the bearer is, whatever it may do.
	///
	/// # Errors
	/// When there is no token that is good; that is in the audit log.
	pub async fn bearer(
		&self,
		authorization: Option<&str>,
		action: Action,
		resource: &Resource,
		request_id: &str,
	) -> Result<Principal, Denied> {
		self.principal(authorization, action, resource, request_id).await
	}

	async fn principal(
		&self,
		authorization: Option<&str>,
		action: Action,
		resource: &Resource,
		request_id: &str,
	) -> Result<Principal, Denied> {
		let verified = match bearer_token(authorization) {
			Ok(token) => self.verifier.verify(token).await,
			Err(error) => Err(error),
		};
		match verified {
			Ok(principal) => Ok(principal),
			Err(error) => {
				let what = format!("{}/{}", resource.kind, resource.id);
				self.keep(Record::of_refusal(error.code(), action, what, request_id)).await?;
				Err(Denied::Token(error))
			}
		}
	}

	async fn decide(
		&self,
		principal: &Principal,
		action: Action,
		resource: &Resource,
		purpose: Option<&str>,
		request_id: &str,
	) -> Result<bool, Denied> {
		let now = self.clock.now_seconds();
		let consents = match (action, purpose) {
			(Action::Read, Some(purpose)) => {
				self.consents.applying(principal, resource, purpose, now)
			}
			_ => Vec::new(),
		};
		let circumstances = Circumstances { now, purpose, consents: &consents };
		let decision = self.policies.decide(principal, action, resource, &circumstances);
		for error in decision.errors() {
			tracing::error!(error, "the policies failed; the request is denied");
		}
		let allowed = decision.is_allowed();
		let record = Record::of_decision(principal.id(), action, resource, &decision, request_id);
		self.keep(record).await?;
		Ok(allowed)
	}

	/// As [`Self::sender_of`], for a connection without a certificate.
	///
	/// # Errors
	/// When of none.
	pub async fn sender(
		&self,
		authorization: Option<&str>,
		zones: &[ZoneId],
		request_id: &str,
	) -> Result<Sender, Denied> {
		self.sender_of(authorization, None, zones, request_id).await
	}

	/// Of which meters somebody may send readings: a device its own, others those of their zones. Who
	/// sends no token may be a meter that is known by its certificate, where that is configured. Who
	/// sends one is held to it.
	///
	/// # Errors
	/// When of none.
	pub async fn sender_of(
		&self,
		authorization: Option<&str>,
		identity: Option<&PeerIdentity>,
		zones: &[ZoneId],
		request_id: &str,
	) -> Result<Sender, Denied> {
		if authorization.is_none() {
			let identity = identity.filter(|_| self.devices_by_certificate);
			if let Some(meter) = identity.and_then(devices::meter_of) {
				return self.device(meter, request_id).await;
			}
			if self.readings_without_token {
				return Ok(Sender::Anyone);
			}
		}
		let mut resource = Resource::new(Kind::Readings, "");
		let principal = self.principal(authorization, Action::Write, &resource, request_id).await?;
		if principal.roles.contains(&Role::Device) {
			let meter = principal.meter.as_deref().and_then(parse_meter);
			resource.id = principal.meter.clone().unwrap_or_default();
			resource.meter.clone_from(&principal.meter);
			let allowed =
				self.decide(&principal, Action::Write, &resource, None, request_id).await?;
			return match meter {
				Some(meter) if allowed => Ok(Sender::Meter(meter)),
				_ => Err(Denied::Policy),
			};
		}
		let mut permitted = BTreeSet::new();
		for zone in zones {
			resource.id = format!("zone-{zone}");
			resource.zone = Some(zone.0);
			if self.decide(&principal, Action::Write, &resource, None, request_id).await? {
				permitted.insert(*zone);
			}
		}
		if permitted.is_empty() {
			Err(Denied::Policy)
		} else {
			Ok(Sender::Zones(permitted))
		}
	}

	/// Lets a meter that is known by its certificate send its own readings, if the policies do.
	async fn device(&self, meter: MeterId, request_id: &str) -> Result<Sender, Denied> {
		let principal = devices::principal_of(meter, self.clock.now_seconds());
		let mut resource = Resource::new(Kind::Readings, principal.subject.clone());
		resource.meter.clone_from(&principal.meter);
		match self.decide(&principal, Action::Write, &resource, None, request_id).await? {
			true => Ok(Sender::Meter(meter)),
			false => Err(Denied::Policy),
		}
	}

	/// Waits until a decision is in the audit log.
	async fn keep(&self, record: Record) -> Result<(), Denied> {
		match self.audit.keep(record).await {
			true => Ok(()),
			false => Err(Denied::NotAudited),
		}
	}

	/// Answers a request for a token. Before that, the keys that sign are rotated if that is due: a key
	/// signs for a month, and a new one is published for an hour before it signs.
	///
	/// # Errors
	/// See [`EndpointError`].
	pub async fn token(
		&self,
		authorization: Option<String>,
		body: Vec<u8>,
	) -> Result<TokenAnswer, EndpointError> {
		let (endpoint, keys) = (self.endpoint.clone(), self.keys.clone());
		let signing_key_file = self.signing_key_file.clone();
		let answer = move || {
			match keys.rotate_if_due(&signing_key_file) {
				Ok(true) => tracing::info!("a new key that signs tokens is published"),
				Ok(false) => {}
				Err(error) => {
					tracing::error!(%error, "the key that signs tokens cannot be replaced");
				}
			}
			endpoint.answer(authorization.as_deref(), &body)
		};
		tokio::task::spawn_blocking(answer).await.unwrap_or(Err(EndpointError::Busy))
	}

	/// The public keys of its tokens, a JSON Web Key set.
	///
	/// # Errors
	/// When it cannot be written, which is a fault of this program.
	pub fn key_set(&self) -> Result<Vec<u8>, serde_json::Error> {
		self.keys.document()
	}
}

/// The identifier that 64 hexadecimal digits are, with or without `0x` before them.
pub fn parse_meter(text: &str) -> Option<MeterId> {
	let mut id = [0; 32];
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut id).ok()?;
	Some(MeterId(id))
}

/// A meter as a resource: whose it is, as the chain says.
pub fn meter_resource(kind: Kind, id: MeterId, registry: Option<&Registry>) -> Resource {
	let text = hex::encode(id.0);
	let mut resource = Resource::new(kind, text.clone());
	if let Some(meter) = registry.and_then(|registry| registry.meter(&id)) {
		resource.owner = Some(meter.owner.to_string());
		resource.zone = Some(meter.zone.0);
		resource.meter = Some(text);
	}
	resource
}
