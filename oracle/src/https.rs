//! HTTP clients that speak TLS: to issuers of tokens, and from the commands to an oracle.

use std::{
	fs::File,
	io::{self, Read},
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use rustls::{
	crypto::aws_lc_rs,
	pki_types::{pem::PemObject, CertificateDer},
	ClientConfig, RootCertStore,
};

/// The most bytes of a file with authorities.
const MAX_AUTHORITIES_BYTES: u64 = 1024 * 1024;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpsError {
	/// The file of authorities cannot be read.
	#[error("{}: {source}", path.display())]
	Unreadable {
		/// The file.
		path: PathBuf,
		/// The reason.
		source: io::Error,
	},
	/// The file of authorities holds none, or one that cannot be used.
	#[error("{}: {reason}", path.display())]
	Authorities {
		/// The file.
		path: PathBuf,
		/// What is wrong.
		reason: String,
	},
	/// TLS or the client cannot be set up.
	#[error("no HTTP client can be made: {0}")]
	Client(String),
}

fn no_client(error: impl std::fmt::Display) -> HttpsError {
	HttpsError::Client(error.to_string())
}

/// The authorities in a file, PEM.
fn authorities_of(path: &Path) -> Result<RootCertStore, HttpsError> {
	let unreadable = |source| HttpsError::Unreadable { path: path.to_owned(), source };
	let unusable = |reason: String| HttpsError::Authorities { path: path.to_owned(), reason };
	let mut pem = Vec::new();
	let file = File::open(path).map_err(unreadable)?;
	file.take(MAX_AUTHORITIES_BYTES + 1).read_to_end(&mut pem).map_err(unreadable)?;
	if pem.len() as u64 > MAX_AUTHORITIES_BYTES {
		return Err(unusable(format!("has more than {MAX_AUTHORITIES_BYTES} bytes")));
	}
	let mut roots = RootCertStore::empty();
	for certificate in CertificateDer::pem_slice_iter(&pem) {
		let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
		roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
	}
	if roots.is_empty() {
		return Err(unusable("holds no certificate in PEM".to_owned()));
	}
	Ok(roots)
}

/// The authorities that this machine trusts. Where it has none, no certificate is taken.
fn authorities_of_machine() -> RootCertStore {
	let mut roots = RootCertStore::empty();
	let found = rustls_native_certs::load_native_certs();
	for error in &found.errors {
		tracing::warn!(%error, "some of the machine's authorities cannot be read");
	}
	let (_taken, unusable) = roots.add_parsable_certificates(found.certs);
	if unusable > 0 {
		tracing::debug!(unusable, "some of the machine's authorities cannot be used");
	}
	roots
}

/// What a client is built from. It takes `http://` and `https://` addresses, TLS 1.2 and 1.3, and
/// certificates of the authorities in `ca_file`, else of those that the machine trusts. It follows no
/// redirect: what is sent to one address goes to no other.
///
/// # Errors
/// When the authorities cannot be used.
pub fn builder(ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, HttpsError> {
	let roots = match ca_file {
		Some(path) => authorities_of(path)?,
		None => authorities_of_machine(),
	};
	let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
		.with_safe_default_protocol_versions()
		.map_err(no_client)?
		.with_root_certificates(roots)
		.with_no_client_auth();
	Ok(reqwest::Client::builder()
		.use_preconfigured_tls(tls)
		.redirect(reqwest::redirect::Policy::none())
		.connect_timeout(CONNECT_TIMEOUT))
}

/// A client as [`builder`] makes it, whose answers may take so long.
///
/// # Errors
/// When the authorities cannot be used.
pub fn client(ca_file: Option<&Path>, timeout: Duration) -> Result<reqwest::Client, HttpsError> {
	builder(ca_file)?.timeout(timeout).build().map_err(no_client)
}

/// A client that takes nothing but `https://` addresses.
///
/// # Errors
/// When the authorities cannot be used.
pub fn strict_client(
	ca_file: Option<&Path>,
	timeout: Duration,
) -> Result<reqwest::Client, HttpsError> {
	builder(ca_file)?.https_only(true).timeout(timeout).build().map_err(no_client)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn authorities_that_cannot_be_used_are_named() {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let path = folder.path().join("ca.pem");
		let timeout = Duration::from_secs(1);
		assert!(matches!(client(Some(&path), timeout), Err(HttpsError::Unreadable { .. })));
		let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
		for text in ["", "no certificate", broken] {
			std::fs::write(&path, text).expect("the folder can be written");
			let error = client(Some(&path), timeout).expect_err("it is refused");
			assert!(matches!(error, HttpsError::Authorities { .. }), "{error}");
			assert!(error.to_string().contains("ca.pem"), "{error}");
		}
		assert!(client(None, timeout).is_ok());
	}

	#[tokio::test]
	async fn a_strict_client_asks_nobody_in_the_clear() {
		let client = strict_client(None, Duration::from_secs(1)).expect("a client");
		let error = client.get("http://127.0.0.1:1/").send().await.expect_err("it is refused");
		assert!(error.is_builder(), "{error:?}");
	}
}
