//! Who may do what over HTTP: the crate `oracle-access`, joined to the interface.
//!
//! With `[access]` in the configuration every request but those for tokens, their keys and the health of
//! the process needs a bearer token; what no policy permits is denied, and each decision is in the audit
//! log, on disk, before it is acted upon. Without it the interface is open, for development.
//!
//! What a resource is and whose it is comes from the chain's registry, never from the request.

use std::{
	collections::BTreeSet,
	io,
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use energy_primitives::{MeterId, ZoneId};
use oracle_access::{
	audit::{AuditLog, LogSettings, Record},
	issue::{
		Clients, EndpointError, EndpointSettings, KeyRing, KeyRingSettings, LocalKeys, TokenAnswer,
		TokenEndpoint,
	},
	policy::{Circumstances, Policies},
	token::{
		bearer_token, Fetch, KeyCache, KeyCacheLimits, KeySource, KeySourceError, Revocations,
		TokenError, TokenVerifier, TrustedIssuer, VerifierSettings,
	},
	Action, Clock, Kind, Principal, Resource, Role,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::{ingest::Sender, registry::Registry};

/// The most bytes of a file with an issuer's keys.
const MAX_KEYS_BYTES: u64 = 64 * 1024;
/// How many decisions may wait for the audit log.
const AUDIT_QUEUE: usize = 1_024;
/// How many revocations are remembered.
const REVOCATIONS: usize = 10_000;
/// How long a decision may wait for the audit log.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(5);

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
	/// Whether readings are taken without a token: they are signed by their meters.
	#[serde(default)]
	pub readings_without_token: bool,
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
	pub keys_file: PathBuf,
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

/// The time of the oracle, for `oracle-access`.
struct OracleClock(Arc<dyn crate::clock::Clock>);

impl Clock for OracleClock {
	fn now_seconds(&self) -> u64 {
		self.0.now_seconds()
	}
}

/// The keys of an issuer, in a file.
struct KeysFile(PathBuf);

impl KeySource for KeysFile {
	fn fetch(&self) -> Fetch<'_> {
		let path = self.0.clone();
		Box::pin(async move {
			let read = tokio::task::spawn_blocking(move || {
				if std::fs::metadata(&path)?.len() > MAX_KEYS_BYTES {
					return Err(io::Error::other("the file is too long"));
				}
				std::fs::read(&path)
			});
			let read = read.await.map_err(|error| KeySourceError(error.to_string()))?;
			read.map_err(|error| KeySourceError(error.to_string()))
		})
	}
}

/// Decides on requests.
pub struct Gate {
	verifier: TokenVerifier,
	policies: Policies,
	endpoint: Arc<TokenEndpoint>,
	keys: Arc<LocalKeys>,
	audit: mpsc::Sender<(Record, oneshot::Sender<()>)>,
	clock: Arc<dyn Clock>,
	readings_without_token: bool,
}

fn read_file(field: &'static str, path: &Path) -> Result<String, AccessError> {
	let failed = unusable(field);
	std::fs::read_to_string(path)
		.map_err(|error| failed(&format_args!("{}: {error}", path.display())))
}

/// The keys that sign, from their file or new ones.
fn signing_keys(path: &Path, now: u64) -> Result<KeyRing, AccessError> {
	let failed = unusable("signing_key_file");
	let settings = KeyRingSettings::default();
	let mut ring = if path.exists() {
		KeyRing::load(path, settings).map_err(|error| failed(&error))?
	} else {
		let ring = KeyRing::create(settings, now).map_err(|error| failed(&error))?;
		ring.store(path).map_err(|error| failed(&error))?;
		ring
	};
	if ring.rotate_if_due(now).map_err(|error| failed(&error))? {
		ring.store(path).map_err(|error| failed(&error))?;
	}
	Ok(ring)
}

impl Gate {
	/// Sets access up. The audit log is open until the gate is gone.
	///
	/// # Errors
	/// The first setting that cannot be used.
	pub fn open(
		settings: &AccessSettings,
		clock: Arc<dyn crate::clock::Clock>,
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

		let cache = |source| Arc::new(KeyCache::new(source, KeyCacheLimits::default()));
		let mut issuers = vec![TrustedIssuer {
			issuer: settings.issuer.clone(),
			audience: settings.audience.clone(),
			keys: cache(keys.clone()),
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
				keys: cache(Arc::new(KeysFile(trusted.keys_file.clone()))),
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
		let verifier = TokenVerifier::new(issuers, limits, revocations, clock.clone())
			.map_err(|error| unusable("trusted")(&error))?;
		let policies = Policies::embedded().map_err(|error| unusable("policies")(&error))?;
		let audit = start_audit(&settings.audit_folder, clock.clone())?;
		Ok(Self {
			verifier,
			policies,
			endpoint: Arc::new(endpoint),
			keys,
			audit,
			clock,
			readings_without_token: settings.readings_without_token,
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
		let principal = self.principal(authorization, action, resource, request_id).await?;
		let allowed = self.decide(&principal, action, resource, request_id).await?;
		if allowed {
			Ok(principal)
		} else {
			Err(Denied::Policy)
		}
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
		request_id: &str,
	) -> Result<bool, Denied> {
		let circumstances = Circumstances::at(self.clock.now_seconds());
		let decision = self.policies.decide(principal, action, resource, &circumstances);
		for error in decision.errors() {
			tracing::error!(error, "the policies failed; the request is denied");
		}
		let allowed = decision.is_allowed();
		let record = Record::of_decision(principal.id(), action, resource, &decision, request_id);
		self.keep(record).await?;
		Ok(allowed)
	}

	/// Of which meters the bearer may send readings: a device its own, others those of their zones.
	///
	/// # Errors
	/// When of none.
	pub async fn sender(
		&self,
		authorization: Option<&str>,
		zones: &[ZoneId],
		request_id: &str,
	) -> Result<Sender, Denied> {
		if authorization.is_none() && self.readings_without_token {
			return Ok(Sender::Anyone);
		}
		let mut resource = Resource::new(Kind::Readings, "");
		let principal = self.principal(authorization, Action::Write, &resource, request_id).await?;
		if principal.roles.contains(&Role::Device) {
			let meter = principal.meter.as_deref().and_then(parse_meter);
			resource.id = principal.meter.clone().unwrap_or_default();
			resource.meter.clone_from(&principal.meter);
			let allowed = self.decide(&principal, Action::Write, &resource, request_id).await?;
			return match meter {
				Some(meter) if allowed => Ok(Sender::Meter(meter)),
				_ => Err(Denied::Policy),
			};
		}
		let mut permitted = BTreeSet::new();
		for zone in zones {
			resource.id = format!("zone-{zone}");
			resource.zone = Some(zone.0);
			if self.decide(&principal, Action::Write, &resource, request_id).await? {
				permitted.insert(*zone);
			}
		}
		if permitted.is_empty() {
			Err(Denied::Policy)
		} else {
			Ok(Sender::Zones(permitted))
		}
	}

	/// Waits until a decision is in the audit log.
	async fn keep(&self, record: Record) -> Result<(), Denied> {
		let (kept, done) = oneshot::channel();
		let keep = async {
			self.audit.send((record, kept)).await.ok()?;
			done.await.ok()
		};
		match tokio::time::timeout(AUDIT_TIMEOUT, keep).await {
			Ok(Some(())) => Ok(()),
			_ => Err(Denied::NotAudited),
		}
	}

	/// Answers a request for a token.
	///
	/// # Errors
	/// See [`EndpointError`].
	pub async fn token(
		&self,
		authorization: Option<String>,
		body: Vec<u8>,
	) -> Result<TokenAnswer, EndpointError> {
		let endpoint = self.endpoint.clone();
		let answer = move || endpoint.answer(authorization.as_deref(), &body);
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

/// Starts the thread that writes the audit log; what waits is written together.
fn start_audit(
	folder: &Path,
	clock: Arc<dyn Clock>,
) -> Result<mpsc::Sender<(Record, oneshot::Sender<()>)>, AccessError> {
	let failed = unusable("audit_folder");
	let opened =
		AuditLog::open(folder, LogSettings::default(), clock).map_err(|error| failed(&error))?;
	if opened.repaired_bytes > 0 {
		tracing::warn!(bytes = opened.repaired_bytes, "a cut off line of the audit log is removed");
	}
	let mut log = opened.log;
	let (records, mut waiting) = mpsc::channel::<(Record, oneshot::Sender<()>)>(AUDIT_QUEUE);
	std::thread::Builder::new()
		.name("oracle-audit".into())
		.spawn(move || {
			while let Some(first) = waiting.blocking_recv() {
				let mut group = vec![first];
				while group.len() < AUDIT_QUEUE {
					let Ok(next) = waiting.try_recv() else { break };
					group.push(next);
				}
				let (records, kept): (Vec<_>, Vec<_>) = group.into_iter().unzip();
				match log.append_all(&records) {
					// Whoever does not wait any more is not served either.
					Ok(()) => {
						for kept in kept {
							let _ = kept.send(());
						}
					}
					Err(error) => {
						tracing::error!(%error, "the audit log cannot be written: nobody is served");
					}
				}
			}
		})
		.map_err(|error| failed(&error))?;
	Ok(records)
}
