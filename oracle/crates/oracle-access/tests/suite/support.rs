//! A clock that stands still, an issuer outside and everything to verify its tokens.

use std::sync::{
	atomic::{AtomicU64, AtomicUsize, Ordering},
	Arc, Mutex,
};

use aws_lc_rs::{
	rand::SystemRandom,
	signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ECDSA_P256_SHA256_FIXED_SIGNING},
};
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oracle_access::{
	token::{
		Fetch, KeyCache, KeyCacheLimits, KeySource, KeySourceError, Revocations, TokenError,
		TokenVerifier, TrustedIssuer, VerifierSettings,
	},
	Clock, Principal, Role,
};
use serde_json::{json, Value};

/// When every test begins.
pub const NOW: u64 = 1_800_000_000;
pub const ISSUER: &str = "https://id.example/realm";
pub const AUDIENCE: &str = "https://oracle.example";

/// A clock that tests move.
pub struct TestClock(AtomicU64);

impl TestClock {
	pub fn new() -> Arc<Self> {
		Arc::new(Self(AtomicU64::new(NOW)))
	}

	pub fn set(&self, now: u64) {
		self.0.store(now, Ordering::SeqCst);
	}

	pub fn advance(&self, seconds: u64) {
		self.0.fetch_add(seconds, Ordering::SeqCst);
	}
}

impl Clock for TestClock {
	fn now_seconds(&self) -> u64 {
		self.0.load(Ordering::SeqCst)
	}
}

/// A private key and how it is published.
pub struct TestKey {
	pub id: String,
	pub algorithm: Algorithm,
	pub private: EncodingKey,
	/// The public key's bytes.
	pub public: Vec<u8>,
	pub jwk: Value,
}

pub fn ed25519(id: &str) -> TestKey {
	let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
	let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
	let public = pair.public_key().as_ref().to_vec();
	let x = URL_SAFE_NO_PAD.encode(&public);
	TestKey {
		id: id.to_owned(),
		algorithm: Algorithm::EdDSA,
		private: EncodingKey::from_ed_der(document.as_ref()),
		public,
		jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id, "use": "sig" }),
	}
}

pub fn p256(id: &str) -> TestKey {
	let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
	let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
	let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
	let public = pair.public_key().as_ref().to_vec();
	let (x, y) = (URL_SAFE_NO_PAD.encode(&public[1..33]), URL_SAFE_NO_PAD.encode(&public[33..]));
	TestKey {
		id: id.to_owned(),
		algorithm: Algorithm::ES256,
		private: EncodingKey::from_ec_der(document.as_ref()),
		public,
		jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "alg": "ES256" }),
	}
}

impl TestKey {
	pub fn header(&self) -> Header {
		let mut header = Header::new(self.algorithm);
		header.kid = Some(self.id.clone());
		header
	}

	pub fn sign(&self, claims: &Value) -> String {
		jsonwebtoken::encode(&self.header(), claims, &self.private).unwrap()
	}

	/// Signs a header and a body as they are written, whatever they say.
	pub fn sign_raw(&self, header: &str, body: &str) -> String {
		let message =
			format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body));
		let signature =
			jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
		format!("{message}.{signature}")
	}
}

/// Claims that are taken.
pub fn claims() -> Value {
	json!({
		"iss": ISSUER,
		"aud": AUDIENCE,
		"sub": "anna",
		"jti": "token-1",
		"iat": NOW,
		"nbf": NOW,
		"exp": NOW + 300,
		"scope": "openid readings:read orders:write",
		"roles": ["prosumer", "offline_access"],
		"account": "5Anna",
	})
}

/// The claims with one changed, or taken away by `null`.
pub fn claims_with(name: &str, value: Value) -> Value {
	let mut claims = claims();
	let map = claims.as_object_mut().unwrap();
	match value {
		Value::Null => map.remove(name),
		value => map.insert(name.to_owned(), value),
	};
	claims
}

/// A place that keys come from, as the test wants it.
#[derive(Default)]
pub struct TestSource {
	document: Mutex<Option<Vec<u8>>>,
	fetches: AtomicUsize,
	/// Whether a fetch panics.
	pub is_broken: std::sync::atomic::AtomicBool,
	/// Lets a fetch go on, when there is one.
	pub gate: Option<tokio::sync::Semaphore>,
}

impl TestSource {
	/// A source that hangs after some fetches, until it is let go on.
	pub fn with_gate(permits: usize) -> Self {
		Self { gate: Some(tokio::sync::Semaphore::new(permits)), ..Self::default() }
	}

	pub fn publish(&self, keys: &[&TestKey]) {
		let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
		self.publish_raw(Some(json!({ "keys": keys }).to_string().into_bytes()));
	}

	/// Publishes a document as it is; with `None` the fetch fails.
	pub fn publish_raw(&self, document: Option<Vec<u8>>) {
		*self.document.lock().unwrap() = document;
	}

	pub fn fetches(&self) -> usize {
		self.fetches.load(Ordering::SeqCst)
	}
}

impl KeySource for TestSource {
	fn fetch(&self) -> Fetch<'_> {
		Box::pin(async {
			self.fetches.fetch_add(1, Ordering::SeqCst);
			assert!(!self.is_broken.load(Ordering::SeqCst), "a fault in the source");
			if let Some(gate) = &self.gate {
				gate.acquire().await.unwrap().forget();
			}
			let document = self.document.lock().unwrap().clone();
			document.ok_or_else(|| KeySourceError("connection refused".to_owned()))
		})
	}
}

/// A verifier and all it depends on.
pub struct World {
	pub clock: Arc<TestClock>,
	pub source: Arc<TestSource>,
	pub cache: Arc<KeyCache>,
	pub revocations: Arc<Revocations>,
	pub verifier: TokenVerifier,
	pub ed: TestKey,
	pub ec: TestKey,
}

impl World {
	/// An issuer that publishes one key of each kind.
	pub fn new() -> Self {
		Self::with(TestSource::default(), VerifierSettings::default())
	}

	pub fn with(source: TestSource, settings: VerifierSettings) -> Self {
		let (ed, ec) = (ed25519("ed-1"), p256("ec-1"));
		source.publish(&[&ed, &ec]);
		let (clock, source) = (TestClock::new(), Arc::new(source));
		let cache = Arc::new(KeyCache::new(source.clone(), KeyCacheLimits::default()));
		let revocations =
			Arc::new(Revocations::new(100, settings.max_lifetime_seconds, settings.leeway_seconds));
		let verifier = TokenVerifier::new(
			[trusted(ISSUER, cache.clone())],
			settings,
			revocations.clone(),
			clock.clone(),
		)
		.unwrap();
		Self { clock, source, cache, revocations, verifier, ed, ec }
	}

	pub fn verify(&self, token: &str) -> Result<Principal, TokenError> {
		wait(self.verifier.verify(token))
	}

	/// What becomes of a token with some claims, signed as it should be.
	pub fn verify_claims(&self, claims: &Value) -> Result<Principal, TokenError> {
		self.verify(&self.ed.sign(claims))
	}
}

pub fn trusted(issuer: &str, keys: Arc<KeyCache>) -> TrustedIssuer {
	TrustedIssuer {
		issuer: issuer.to_owned(),
		audience: AUDIENCE.to_owned(),
		keys,
		roles_claim: "roles".to_owned(),
		roles: Role::ALL.into(),
	}
}

/// Runs something to its end on this thread. Where it waits for time alone, time passes at once.
pub fn wait<T>(future: impl std::future::Future<Output = T>) -> T {
	let mut runtime = tokio::runtime::Builder::new_current_thread();
	runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}
