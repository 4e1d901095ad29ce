//! Keys: those that sign the oracle's own tokens, and where the keys of other issuers come from.

use std::{
	io,
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use oracle_access::{
	issue::{KeyRing, KeyRingSettings},
	token::{Fetch, KeyCache, KeyCacheLimits, KeySource, KeySourceError},
};

use super::{unusable, AccessError, TrustedSettings};
use crate::https;

/// The most bytes of an issuer's keys.
const MAX_KEYS_BYTES: u64 = 64 * 1024;
/// How long an issuer's answer may take.
const KEYS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an issuer is asked for its keys at most, seconds, whoever sends tokens with unknown keys.
const KEYS_INTERVAL_SECONDS: u64 = 60;
/// How long the last good keys of an issuer that does not answer count, seconds.
const KEYS_KEPT_SECONDS: u64 = 24 * 60 * 60;

/// The keys that sign, from their file or new ones.
pub(super) fn signing_keys(path: &Path, now: u64) -> Result<KeyRing, AccessError> {
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

/// The keys of a trusted issuer: from a file, or from an address.
pub(super) fn issuer_keys(trusted: &TrustedSettings) -> Result<Arc<KeyCache>, AccessError> {
	match (&trusted.keys_file, &trusted.keys_url) {
		(Some(path), None) if trusted.ca_file.is_none() => {
			Ok(Arc::new(KeyCache::new(Arc::new(KeysFile(path.clone())), KeyCacheLimits::default())))
		}
		(Some(_), None) => Err(unusable("trusted.ca_file")(&"is for keys_url only")),
		(None, Some(url)) => {
			let limits = KeyCacheLimits {
				min_interval_seconds: KEYS_INTERVAL_SECONDS,
				timeout_seconds: KEYS_TIMEOUT.as_secs(),
				discard_after_seconds: KEYS_KEPT_SECONDS,
				..KeyCacheLimits::default()
			};
			let source = KeysUrl::new(url, trusted.ca_file.as_deref())?;
			Ok(Arc::new(KeyCache::new(Arc::new(source), limits)))
		}
		(None, None) => Err(unusable("trusted.keys_file")(&"keys_file or keys_url is needed")),
		(Some(_), Some(_)) => {
			Err(unusable("trusted.keys_url")(&"there are keys_file and keys_url: one is needed"))
		}
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

/// The keys of an issuer, at its `jwks_uri`.
struct KeysUrl {
	url: reqwest::Url,
	client: reqwest::Client,
}

impl KeysUrl {
	fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, AccessError> {
		let failed = unusable("trusted.keys_url");
		let url: reqwest::Url = url.parse().map_err(|error| failed(&error))?;
		if url.scheme() != "https" {
			return Err(failed(&"must begin with https://"));
		}
		let client = https::strict_client(ca_file, KEYS_TIMEOUT)
			.map_err(|error| unusable("trusted.ca_file")(&error))?;
		Ok(Self { url, client })
	}

	async fn document(&self) -> Result<Vec<u8>, String> {
		let request = self
			.client
			.get(self.url.clone())
			.header(reqwest::header::ACCEPT, "application/jwk-set+json, application/json");
		let mut answer = request.send().await.map_err(|error| with_causes(&error))?;
		if answer.status() != reqwest::StatusCode::OK {
			return Err(format!("the issuer answered with status {}", answer.status()));
		}
		let mut document = Vec::new();
		while let Some(part) = answer.chunk().await.map_err(|error| with_causes(&error))? {
			document.extend_from_slice(&part);
			if document.len() as u64 > MAX_KEYS_BYTES {
				return Err(format!("the answer has more than {MAX_KEYS_BYTES} bytes"));
			}
		}
		Ok(document)
	}
}

/// An error with what caused it: the client's own text says only that a request failed.
fn with_causes(error: &dyn std::error::Error) -> String {
	let mut text = error.to_string();
	let mut cause = error.source();
	while let Some(error) = cause {
		text = format!("{text}: {error}");
		cause = error.source();
	}
	text
}

impl KeySource for KeysUrl {
	fn fetch(&self) -> Fetch<'_> {
		Box::pin(async move {
			let fetched = self.document().await;
			if let Err(error) = &fetched {
				tracing::warn!(url = %self.url, error, "the issuer's keys cannot be fetched");
			}
			fetched.map_err(KeySourceError)
		})
	}
}

#[cfg(test)]
mod tests {
	use std::sync::{
		atomic::{AtomicU64, AtomicUsize, Ordering},
		Mutex,
	};

	use axum::{
		http::{header, StatusCode},
		response::IntoResponse,
		routing::get,
		Router,
	};
	use oracle_access::{
		issue::LocalKeys,
		token::{Revocations, TokenError, TokenVerifier, TrustedIssuer, VerifierSettings},
		Clock, Role,
	};
	use secure_server::{Limits, Server, Settings, TlsSettings};

	use super::*;

	const NOW: u64 = 1_800_000_000;

	struct TestClock(AtomicU64);

	impl Clock for TestClock {
		fn now_seconds(&self) -> u64 {
			self.0.load(Ordering::SeqCst)
		}
	}

	/// How the issuer answers.
	#[derive(Clone)]
	enum Answer {
		Keys(Vec<u8>),
		Redirect,
		TooLong,
		Failed,
	}

	/// An issuer that serves its keys over TLS.
	struct Issuer {
		url: String,
		ca_file: PathBuf,
		answer: Arc<Mutex<Answer>>,
		asked: Arc<AtomicUsize>,
		_folder: tempfile::TempDir,
	}

	async fn issuer() -> Issuer {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
		let (ca_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
		std::fs::write(&ca_file, made.cert.pem()).expect("written");
		std::fs::write(&key_file, made.signing_key.serialize_pem()).expect("written");
		let settings = Settings {
			address: "127.0.0.1:0".parse().expect("an address"),
			tls: Some(TlsSettings {
				certificate_chain: ca_file.clone(),
				private_key: key_file,
				client_authorities: None,
				client_authentication: secure_server::ClientAuthentication::None,
				..toml_tls()
			}),
			limits: Limits::default(),
		};
		let server = Server::bind(settings).await.expect("it listens");
		let url = format!("https://localhost:{}/keys", server.address().port());
		let answer = Arc::new(Mutex::new(Answer::Failed));
		let asked = Arc::new(AtomicUsize::new(0));
		let (answers, asks) = (answer.clone(), asked.clone());
		let routes = Router::new()
			.route(
				"/keys",
				get(move || async move {
					asks.fetch_add(1, Ordering::SeqCst);
					let answer = answers.lock().expect("no panic").clone();
					match answer {
						Answer::Keys(keys) => keys.into_response(),
						Answer::Redirect => {
							(StatusCode::FOUND, [(header::LOCATION, "/other")]).into_response()
						}
						Answer::TooLong => vec![b' '; 64 * 1024 + 1].into_response(),
						Answer::Failed => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
					}
				}),
			)
			.route("/other", get(|| async { r#"{"keys":[]}"# }));
		tokio::spawn(server.run(routes, std::future::pending()));
		Issuer { url, ca_file, answer, asked, _folder: folder }
	}

	/// The settings of TLS with what is usual.
	fn toml_tls() -> TlsSettings {
		toml::from_str("certificate_chain = \"c\"\nprivate_key = \"k\"").expect("settings")
	}

	fn trusted(issuer: &Issuer) -> TrustedSettings {
		TrustedSettings {
			issuer: "https://id.example".into(),
			audience: "oracle".into(),
			keys_file: None,
			keys_url: Some(issuer.url.clone()),
			ca_file: Some(issuer.ca_file.clone()),
			roles_claim: "roles".into(),
			roles: ["regulator".to_owned()].into(),
		}
	}

	/// A signer of tokens and its published keys.
	fn signer(clock: &Arc<TestClock>) -> (oracle_access::issue::TokenEndpoint, String, Vec<u8>) {
		use oracle_access::issue::{Clients, EndpointSettings, Secret, SecretHash, TokenEndpoint};
		let ring = KeyRing::create(KeyRingSettings::default(), NOW).expect("a ring");
		let keys = Arc::new(LocalKeys::new(ring, clock.clone()));
		let published = keys.document().expect("keys");
		let secret = Secret::generate().expect("a secret");
		let clients = format!(
			"[[client]]\nid = \"a\"\nsecret_hashes = [\"{}\"]\nroles = [\"regulator\"]\n\
			 scopes = [\"trades:read\"]\n",
			SecretHash::of(&secret).expect("a hash").phc()
		);
		let settings = EndpointSettings {
			issuer: "https://id.example".into(),
			audience: "oracle".into(),
			lifetime_seconds: 3600,
			max_concurrent: 1,
		};
		let clients = Clients::parse(&clients).expect("clients");
		let endpoint =
			TokenEndpoint::new(clients, keys, settings, clock.clone()).expect("an endpoint");
		let form =
			format!("grant_type=client_credentials&client_id=a&client_secret={}", secret.expose());
		(endpoint, form, published)
	}

	#[tokio::test]
	async fn keys_are_fetched_over_tls_and_the_last_good_ones_stay() {
		let issuer = issuer().await;
		let clock = Arc::new(TestClock(AtomicU64::new(NOW)));
		let (endpoint, form, published) = signer(&clock);
		let token = endpoint.answer(None, form.as_bytes()).expect("a token").access_token;
		let verifier = TokenVerifier::new(
			[TrustedIssuer {
				issuer: "https://id.example".into(),
				audience: "oracle".into(),
				keys: issuer_keys(&trusted(&issuer)).expect("keys"),
				roles_claim: "roles".into(),
				roles: Role::ALL.into(),
			}],
			VerifierSettings { remembered_tokens: 0, ..VerifierSettings::default() },
			Arc::new(Revocations::new(10, 3600, 30)),
			clock.clone(),
		)
		.expect("a verifier");
		let set = |answer| *issuer.answer.lock().expect("no panic") = answer;
		let asked = || issuer.asked.load(Ordering::SeqCst);

		// Unknown keys ask once a minute, however many tokens come.
		for answer in [Answer::Redirect, Answer::TooLong, Answer::Failed] {
			set(answer);
			let before = asked();
			for _ in 0..3 {
				assert_eq!(verifier.verify(&token).await, Err(TokenError::KeysUnavailable));
			}
			assert_eq!(asked(), before + 1);
			clock.0.fetch_add(60, Ordering::SeqCst);
		}
		set(Answer::Keys(published));
		assert!(verifier.verify(&token).await.is_ok());
		assert_eq!(asked(), 4);
		// Away, its last keys count.
		set(Answer::Failed);
		clock.0.fetch_add(1000, Ordering::SeqCst);
		assert!(verifier.verify(&token).await.is_ok());
		assert_eq!(asked(), 5);
		// A token with a key that the issuer does not have asks again, a minute later.
		let (other, form, _) = signer(&clock);
		let other = other.answer(None, form.as_bytes()).expect("a token").access_token;
		for _ in 0..3 {
			assert_eq!(verifier.verify(&other).await, Err(TokenError::KeyUnknown));
		}
		assert_eq!(asked(), 5);
		clock.0.fetch_add(60, Ordering::SeqCst);
		assert_eq!(verifier.verify(&other).await, Err(TokenError::KeyUnknown));
		assert_eq!(asked(), 6);
	}

	#[tokio::test]
	async fn an_issuer_of_another_authority_is_not_believed() {
		let (issuer, other) = (issuer().await, issuer().await);
		*issuer.answer.lock().expect("no panic") = Answer::Keys(br#"{"keys":[]}"#.to_vec());
		let fetch = |ca_file: &Path| {
			let source = KeysUrl::new(&issuer.url, Some(ca_file)).expect("a source");
			async move { source.document().await }
		};
		assert!(fetch(&issuer.ca_file).await.is_ok());
		let error = fetch(&other.ca_file).await.expect_err("it is refused");
		assert!(error.contains("certificate"), "{error}");
		*issuer.answer.lock().expect("no panic") = Answer::Redirect;
		let error = fetch(&issuer.ca_file).await.expect_err("it is refused");
		assert!(error.contains("302"), "{error}");
		*issuer.answer.lock().expect("no panic") = Answer::TooLong;
		let error = fetch(&issuer.ca_file).await.expect_err("it is refused");
		assert!(error.contains("65536"), "{error}");
	}

	#[tokio::test]
	async fn an_issuer_has_its_keys_in_one_place() {
		let issuer = issuer().await;
		let good = trusted(&issuer);
		let field = |trusted: TrustedSettings| issuer_keys(&trusted).err().map(|error| error.field);
		let file = Some(PathBuf::from("keys.json"));
		assert_eq!(field(good.clone()), None);
		let both = TrustedSettings { keys_file: file.clone(), ..good.clone() };
		assert_eq!(field(both), Some("trusted.keys_url"));
		let none = TrustedSettings { keys_url: None, ca_file: None, ..good.clone() };
		assert_eq!(field(none.clone()), Some("trusted.keys_file"));
		assert_eq!(field(TrustedSettings { keys_file: file.clone(), ..none }), None);
		let authority = TrustedSettings { keys_file: file, keys_url: None, ..good.clone() };
		assert_eq!(field(authority), Some("trusted.ca_file"));
		for url in ["http://id.example/keys", "file:///etc/passwd", "id.example"] {
			let other = TrustedSettings { keys_url: Some(url.into()), ..good.clone() };
			assert_eq!(field(other), Some("trusted.keys_url"), "{url}");
		}
		let missing = TrustedSettings { ca_file: Some("no/such/file".into()), ..good };
		assert_eq!(field(missing), Some("trusted.ca_file"));
	}
}
