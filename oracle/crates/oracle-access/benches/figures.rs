//! How many decisions, verifications and log entries a core makes in a second.

#![allow(clippy::unwrap_used)]

use std::{
	hint::black_box,
	sync::Arc,
	time::{Duration, Instant},
};

use oracle_access::{
	audit::{verify, AuditLog, Checkpoint, LogSettings, Record, SyncPolicy},
	issue::{
		Clients, EndpointSettings, KeyRing, KeyRingSettings, LocalKeys, Secret, SecretHash,
		TokenEndpoint,
	},
	policy::{Circumstances, Policies},
	token::{
		KeyCache, KeyCacheLimits, Revocations, TokenVerifier, TrustedIssuer, VerifierSettings,
	},
	Action, Clock, Consent, Kind, Principal, Resource, Role, Scopes, SystemClock,
};

/// Does something over and over for a second or so and prints how often.
fn measure(name: &str, each: u64, mut work: impl FnMut()) {
	work();
	let (start, mut runs) = (Instant::now(), 0);
	while start.elapsed() < Duration::from_secs(1) {
		work();
		runs += 1;
	}
	let per_second = (runs * each) as f64 / start.elapsed().as_secs_f64();
	println!("{name:<48} {per_second:>12.0} /s");
}

fn decisions() {
	let now = SystemClock.now_seconds();
	let policies = Policies::embedded().unwrap();
	let asker = |role: Role| Principal {
		issuer: "https://id.example".to_owned(),
		subject: "somebody".to_owned(),
		token_id: "1".to_owned(),
		expires_at: now + 300,
		roles: [role].into(),
		scopes: Scopes::all(),
		account: Some("5Mine".to_owned()),
		zones: [1, 2, 3].into(),
		meter: Some("meter-1".to_owned()),
	};
	let resource = |owner: &str| Resource {
		owner: Some(owner.to_owned()),
		zone: Some(1),
		meter: Some("meter-1".to_owned()),
		..Resource::new(Kind::Readings, "meter-1")
	};
	let consents = [Consent {
		id: "consent-1".to_owned(),
		owner: "5Other".to_owned(),
		grantee: "5Mine".to_owned(),
		kinds: [Kind::Readings].into(),
		meters: None,
		purpose: "billing".to_owned(),
		valid_from: 0,
		expires_at: u64::MAX,
	}];
	let plain = Circumstances::at(now);
	let with_consent = Circumstances { now, purpose: Some("billing"), consents: &consents };
	for (name, role, action, owner, circumstances, allowed) in [
		("decide: prosumer reads its own", Role::Prosumer, Action::Read, "5Mine", &plain, true),
		("decide: utility reads its zone", Role::Utility, Action::Read, "5Other", &plain, true),
		("decide: device writes its readings", Role::Device, Action::Write, "5Other", &plain, true),
		("decide: denied by default", Role::Prosumer, Action::Read, "5Other", &plain, false),
		("decide: by consent", Role::Prosumer, Action::Read, "5Other", &with_consent, true),
	] {
		let (asker, resource) = (asker(role), resource(owner));
		measure(name, 1, || {
			let decision = policies.decide(black_box(&asker), action, &resource, circumstances);
			assert_eq!(decision.is_allowed(), allowed);
		});
	}
}

fn tokens() {
	let clock = Arc::new(SystemClock);
	let ring = KeyRing::create(KeyRingSettings::default(), clock.now_seconds()).unwrap();
	let keys = Arc::new(LocalKeys::new(ring, clock.clone()));
	let secret = Secret::generate().unwrap();
	let hash = SecretHash::of(&secret).unwrap().phc();
	let file = format!(
		"[[client]]\nid = \"a\"\nsecret_hashes = [\"{hash}\"]\nroles = [\"prosumer\"]\n\
		 scopes = [\"readings:read\"]\naccount = \"5Mine\"\n"
	);
	let settings = EndpointSettings {
		issuer: "https://id.example".to_owned(),
		audience: "https://oracle.example".to_owned(),
		lifetime_seconds: 3600,
		max_concurrent: 1,
	};
	let clients = Clients::parse(&file).unwrap();
	let endpoint = TokenEndpoint::new(clients, keys.clone(), settings, clock.clone()).unwrap();
	let form =
		format!("grant_type=client_credentials&client_id=a&client_secret={}", secret.expose());
	let answer = endpoint.answer(None, form.as_bytes()).unwrap();
	measure("token endpoint: argon2id 19 MiB, two passes", 1, || {
		endpoint.answer(None, form.as_bytes()).unwrap();
	});
	let issuer = TrustedIssuer {
		issuer: "https://id.example".to_owned(),
		audience: "https://oracle.example".to_owned(),
		keys: Arc::new(KeyCache::new(keys, KeyCacheLimits::default())),
		roles_claim: "roles".to_owned(),
		roles: Role::ALL.into(),
	};
	let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
	for (name, remembered_tokens) in [
		("verify: EdDSA token", 0),
		("verify: EdDSA token, remembered", VerifierSettings::default().remembered_tokens),
	] {
		let verifier = TokenVerifier::new(
			[issuer.clone()],
			VerifierSettings { remembered_tokens, ..VerifierSettings::default() },
			Arc::new(Revocations::new(1000, 3600, 30)),
			clock.clone(),
		)
		.unwrap();
		measure(name, 1, || {
			runtime.block_on(verifier.verify(&answer.access_token)).unwrap();
		});
	}
}

fn audit() {
	let record = Record {
		principal: "https://id.example#somebody".to_owned(),
		action: "read".to_owned(),
		resource: "readings/meter-1".to_owned(),
		outcome: oracle_access::audit::Outcome::Allow,
		policies: vec!["prosumer-reads-own".to_owned()],
		consent: None,
		request_id: "0123456789abcdef0123456789abcdef".to_owned(),
	};
	let folder = tempfile::TempDir::new().unwrap();
	let open = |sync| {
		let settings = LogSettings { sync, ..LogSettings::default() };
		AuditLog::open(folder.path(), settings, Arc::new(SystemClock)).unwrap().log
	};
	let mut log = open(SyncPolicy::EveryAppend);
	measure("audit: append, each synced", 1, || {
		log.append(&record).unwrap();
	});
	let batch = vec![record.clone(); 100];
	measure("audit: append 100, then one sync", 100, || log.append_all(&batch).unwrap());
	drop(log);
	let mut log = open(SyncPolicy::OnRequest);
	measure("audit: append, synced on request", 1, || {
		log.append(&record).unwrap();
	});
	log.sync().unwrap();
	let entries = log.end().next;
	measure("audit: verify the chain", entries, || {
		verify(folder.path(), &Checkpoint::GENESIS).unwrap();
	});
}

fn main() {
	decisions();
	tokens();
	audit();
}
