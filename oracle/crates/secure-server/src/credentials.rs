//! Certificate, key and authorities: loading them and exchanging them.

use std::{
	fs,
	path::{Path, PathBuf},
	sync::{atomic::Ordering::Relaxed, Arc, Mutex, MutexGuard, PoisonError, RwLock},
	time::{SystemTime, UNIX_EPOCH},
};

use ::aws_lc_rs::digest::{Context, SHA256};
use rustls::{
	crypto::aws_lc_rs,
	pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
	server::WebPkiClientVerifier,
	version::TLS13,
	RootCertStore, ServerConfig,
};
use serde::Serialize;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::{
	counters::{increment, Counters},
	settings::{ClientAuthentication, TlsSettings},
};

/// Largest file that is read, in bytes.
const LARGEST_FILE: u64 = 1_048_576;

/// Why a certificate, a key or an authority cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` ({}): {reason}", path.display())]
pub struct CredentialsError {
	/// The setting that names the file.
	pub field: &'static str,
	/// The file.
	pub path: PathBuf,
	/// What is wrong with it.
	pub reason: String,
}

/// What certificate is in use, and how the last reload went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
	/// When the first certificate of the chain or of the client authorities expires, in seconds
	/// since the Unix epoch. `None` without TLS.
	pub expires_at: Option<i64>,
	/// Why the newest files are not in use. `None` when they are.
	pub reload_failure: Option<String>,
}

impl Status {
	/// Seconds until the first certificate expires, negative afterwards.
	pub fn seconds_to_expiry(&self) -> Option<i64> {
		self.expires_at.map(|at| at.saturating_sub(now()))
	}
}

type Fingerprint = [u8; 32];

struct Loaded {
	config: Arc<ServerConfig>,
	expires_at: i64,
}

struct Files {
	chain: Vec<u8>,
	key: Zeroizing<Vec<u8>>,
	authorities: Option<Vec<u8>>,
}

/// The credentials in use.
pub(crate) struct Credentials {
	settings: TlsSettings,
	counters: Arc<Counters>,
	config: RwLock<Arc<ServerConfig>>,
	/// Held during a reload, so that two do not overtake each other.
	state: Mutex<State>,
}

struct State {
	seen: Option<Fingerprint>,
	status: Status,
}

impl Credentials {
	/// Loads the files for the first time.
	pub(crate) fn load(
		settings: TlsSettings,
		counters: Arc<Counters>,
	) -> Result<Self, CredentialsError> {
		let files = read(&settings)?;
		let loaded = build(&settings, &files)?;
		let status = Status { expires_at: Some(loaded.expires_at), reload_failure: None };
		let state = Mutex::new(State { seen: Some(fingerprint(&files)), status });
		Ok(Self { settings, counters, config: RwLock::new(loaded.config), state })
	}

	/// The configuration for the next connection.
	pub(crate) fn config(&self) -> Arc<ServerConfig> {
		self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
	}

	pub(crate) fn status(&self) -> Status {
		self.state().status.clone()
	}

	/// Loads the files again. They are used if all of them are sound, else the old ones stay.
	pub(crate) fn reload(&self) -> Result<(), CredentialsError> {
		self.exchange(false).map(|_| ())
	}

	/// Loads the files again if they changed since they were last looked at.
	pub(crate) fn reload_if_changed(&self) {
		// A failure is logged, counted and kept in the status.
		let _reported = self.exchange(true);
	}

	fn exchange(&self, only_if_changed: bool) -> Result<(), CredentialsError> {
		let mut state = self.state();
		let files = read(&self.settings);
		let seen = files.as_ref().ok().map(fingerprint);
		let unchanged = seen == state.seen;
		if only_if_changed && unchanged {
			return Ok(());
		}
		state.seen = seen;
		match files.and_then(|files| build(&self.settings, &files)) {
			Ok(loaded) => {
				*self.config.write().unwrap_or_else(PoisonError::into_inner) = loaded.config;
				state.status = Status { expires_at: Some(loaded.expires_at), reload_failure: None };
				increment(&self.counters.reloads);
				tracing::info!(expires_at = loaded.expires_at, "certificate reloaded");
				Ok(())
			}
			Err(error) => {
				state.status.reload_failure = Some(error.to_string());
				self.counters.failed_reloads.fetch_add(1, Relaxed);
				tracing::error!(%error, "certificate not reloaded, the old one stays in use");
				Err(error)
			}
		}
	}

	fn state(&self) -> MutexGuard<'_, State> {
		self.state.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

/// Whether the files of a server can be used.
pub(crate) fn check(settings: &TlsSettings) -> Result<(), CredentialsError> {
	build(settings, &read(settings)?).map(|_loaded| ())
}

fn read(settings: &TlsSettings) -> Result<Files, CredentialsError> {
	let authorities = settings.client_authorities.as_deref();
	Ok(Files {
		chain: read_file("tls.certificate_chain", &settings.certificate_chain)?,
		key: Zeroizing::new(read_file("tls.private_key", &settings.private_key)?),
		authorities: authorities
			.map(|path| read_file("tls.client_authorities", path))
			.transpose()?,
	})
}

fn read_file(field: &'static str, path: &Path) -> Result<Vec<u8>, CredentialsError> {
	let refuse = |reason: String| CredentialsError { field, path: path.to_owned(), reason };
	let metadata = fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
	if !metadata.is_file() || metadata.len() > LARGEST_FILE {
		return Err(refuse(format!("not a file of at most {LARGEST_FILE} bytes")));
	}
	fs::read(path).map_err(|error| refuse(error.to_string()))
}

fn fingerprint(files: &Files) -> Fingerprint {
	let mut context = Context::new(&SHA256);
	let authorities = files.authorities.as_deref().unwrap_or_default();
	for part in [files.chain.as_slice(), files.key.as_slice(), authorities] {
		context.update(&(part.len() as u64).to_be_bytes());
		context.update(part);
	}
	let mut fingerprint = Fingerprint::default();
	fingerprint.copy_from_slice(context.finish().as_ref());
	fingerprint
}

fn build(settings: &TlsSettings, files: &Files) -> Result<Loaded, CredentialsError> {
	let chain_error = |reason: String| CredentialsError {
		field: "tls.certificate_chain",
		path: settings.certificate_chain.clone(),
		reason,
	};
	let key_error = |reason: String| CredentialsError {
		field: "tls.private_key",
		path: settings.private_key.clone(),
		reason,
	};
	let chain = certificates(&files.chain).map_err(chain_error)?;
	let mut expires_at = earliest_expiry(&chain).map_err(chain_error)?;
	// The parser's own words could quote the file; the key stays out of messages.
	let key = PrivateKeyDer::from_pem_slice(&files.key)
		.map_err(|_| key_error("holds no private key in PEM".to_owned()))?;
	let provider = Arc::new(aws_lc_rs::default_provider());
	let builder = ServerConfig::builder_with_provider(provider.clone())
		.with_protocol_versions(&[&TLS13])
		.map_err(|error| key_error(error.to_string()))?;
	let builder = match (settings.client_authentication, &files.authorities) {
		(ClientAuthentication::None, _) | (_, None) => builder.with_no_client_auth(),
		(wanted, Some(pem)) => {
			let path = settings.client_authorities.clone().unwrap_or_default();
			let refuse = |reason: String| CredentialsError {
				field: "tls.client_authorities",
				path: path.clone(),
				reason,
			};
			let authorities = certificates(pem).map_err(refuse)?;
			expires_at = expires_at.min(earliest_expiry(&authorities).map_err(refuse)?);
			let mut roots = RootCertStore::empty();
			for authority in authorities {
				roots.add(authority).map_err(|error| refuse(error.to_string()))?;
			}
			let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
			let verifier = match wanted {
				ClientAuthentication::Optional => verifier.allow_unauthenticated(),
				_ => verifier,
			};
			let verifier = verifier.build().map_err(|error| refuse(error.to_string()))?;
			builder.with_client_cert_verifier(verifier)
		}
	};
	let mut config =
		builder.with_single_cert(chain, key).map_err(|error| key_error(error.to_string()))?;
	config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
	Ok(Loaded { config: Arc::new(config), expires_at })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
	let certificates = CertificateDer::pem_slice_iter(pem)
		.collect::<Result<Vec<_>, _>>()
		.map_err(|error| error.to_string())?;
	if certificates.is_empty() {
		return Err("holds no certificate in PEM".to_owned());
	}
	Ok(certificates)
}

/// When the first of them expires, in seconds since the Unix epoch. All must be valid now.
fn earliest_expiry(certificates: &[CertificateDer<'_>]) -> Result<i64, String> {
	let now = now();
	let mut earliest = i64::MAX;
	for (position, certificate) in certificates.iter().enumerate() {
		let (_, certificate) = X509Certificate::from_der(certificate)
			.map_err(|error| format!("certificate {position}: {error}"))?;
		let validity = certificate.validity();
		if validity.not_before.timestamp() > now {
			return Err(format!("certificate {position} is not valid yet"));
		}
		if validity.not_after.timestamp() <= now {
			return Err(format!("certificate {position} has expired"));
		}
		earliest = earliest.min(validity.not_after.timestamp());
	}
	Ok(earliest)
}

fn now() -> i64 {
	let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
	i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
