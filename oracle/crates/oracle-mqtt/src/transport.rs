//! The byte stream to the broker: TCP, or TLS 1.3 over TCP.

use std::{io, path::Path, pin::Pin, sync::Arc, task::Context, task::Poll};

use tokio::{
	io::{AsyncRead, AsyncWrite, ReadBuf},
	net::TcpStream,
};
use tokio_rustls::{
	client::TlsStream,
	rustls::{
		crypto::aws_lc_rs,
		pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer, ServerName},
		version::TLS13,
		ClientConfig, RootCertStore,
	},
	TlsConnector,
};
use zeroize::Zeroizing;

use crate::configuration::{invalid, ConfigurationError, Settings};

/// A stream to the broker.
pub(crate) enum Transport {
	Plain(TcpStream),
	Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
	/// Connects, and shakes hands when TLS is asked for. The files are read anew, so that renewed
	/// certificates count from the next connection on.
	pub(crate) async fn open(settings: &Settings) -> io::Result<Self> {
		let broker = &settings.broker;
		let connector = tls_connector(settings).map_err(io::Error::other)?;
		let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await?;
		stream.set_nodelay(true)?;
		match connector {
			None => Ok(Self::Plain(stream)),
			Some((connector, name)) => {
				Ok(Self::Tls(Box::new(connector.connect(name, stream).await?)))
			}
		}
	}
}

/// What is needed for TLS; `None` when the broker's URL does not ask for it.
///
/// # Errors
/// When a file cannot be read or holds nothing that fits.
pub(crate) fn tls_connector(
	settings: &Settings,
) -> Result<Option<(TlsConnector, ServerName<'static>)>, ConfigurationError> {
	if !settings.broker.tls {
		return Ok(None);
	}
	let name = ServerName::try_from(settings.broker.host.clone())
		.map_err(|error| invalid("broker_url", error))?;
	let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
		.with_protocol_versions(&[&TLS13])
		.map_err(|error| invalid("broker_url", error))?
		.with_root_certificates(authorities(settings.ca_file.as_deref())?);
	let config = match &settings.client_identity {
		None => builder.with_no_client_auth(),
		Some(identity) => {
			let chain = certificates("client_certificate_file", &identity.certificate_file)?;
			let key = private_key(&identity.key_file)?;
			builder
				.with_client_auth_cert(chain, key)
				.map_err(|error| invalid("client_key_file", error))?
		}
	};
	Ok(Some((TlsConnector::from(Arc::new(config)), name)))
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, ConfigurationError> {
	const FIELD: &str = "ca_file";
	let mut store = RootCertStore::empty();
	match file {
		Some(file) => {
			for certificate in certificates(FIELD, file)? {
				store.add(certificate).map_err(|error| invalid(FIELD, error))?;
			}
		}
		None => {
			let found = rustls_native_certs::load_native_certs();
			let (_, ignored) = store.add_parsable_certificates(found.certs);
			if ignored > 0 || !found.errors.is_empty() {
				tracing::warn!(ignored, errors = ?found.errors, "some system certificates unusable");
			}
			if store.is_empty() {
				return Err(invalid(FIELD, "is not set, and the system has no authorities"));
			}
		}
	}
	Ok(store)
}

fn certificates(
	field: &'static str,
	file: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConfigurationError> {
	let reason =
		|error: &dyn std::fmt::Display| invalid(field, format!("{}: {error}", file.display()));
	let found = CertificateDer::pem_file_iter(file)
		.and_then(Iterator::collect::<Result<Vec<_>, _>>)
		.map_err(|error| reason(&error))?;
	if found.is_empty() {
		return Err(reason(&"holds no certificate"));
	}
	Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, ConfigurationError> {
	let reason = |error: &dyn std::fmt::Display| {
		invalid("client_key_file", format!("{}: {error}", file.display()))
	};
	let pem = Zeroizing::new(std::fs::read(file).map_err(|error| reason(&error))?);
	PrivateKeyDer::from_pem_slice(&pem).map_err(|error| reason(&error))
}

impl AsyncRead for Transport {
	fn poll_read(
		self: Pin<&mut Self>,
		context: &mut Context<'_>,
		buffer: &mut ReadBuf<'_>,
	) -> Poll<io::Result<()>> {
		match self.get_mut() {
			Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
			Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
		}
	}
}

impl AsyncWrite for Transport {
	fn poll_write(
		self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		match self.get_mut() {
			Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
			Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
		}
	}

	fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		match self.get_mut() {
			Self::Plain(stream) => Pin::new(stream).poll_flush(context),
			Self::Tls(stream) => Pin::new(stream).poll_flush(context),
		}
	}

	fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		match self.get_mut() {
			Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
			Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
		}
	}
}
