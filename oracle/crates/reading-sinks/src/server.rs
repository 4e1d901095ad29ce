//! The byte stream to a server: TCP, TLS over TCP, or a Unix socket.

use std::{
	fmt::Display,
	io,
	path::{Path, PathBuf},
	pin::Pin,
	sync::Arc,
	task::{Context, Poll},
};

use oracle_source::{invalid, ConfigurationError};
use serde::{Deserialize, Serialize};
use tokio::{
	io::{AsyncRead, AsyncWrite, ReadBuf},
	net::{TcpStream, UnixStream},
};
use tokio_rustls::{
	rustls::{
		crypto::aws_lc_rs,
		pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer, ServerName},
		ClientConfig, RootCertStore,
	},
	TlsConnector,
};
use zeroize::Zeroizing;

use crate::configuration::is_this_machine;

/// How a connection is encrypted: TLS 1.3 or 1.2, the server's certificate checked for its name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfiguration {
	/// PEM file with the authorities that may vouch for the server. Without it, those of the system.
	#[serde(default)]
	pub ca_file: Option<PathBuf>,
	/// PEM file with the certificate chain of this client.
	#[serde(default)]
	pub client_certificate_file: Option<PathBuf>,
	/// PEM file with the private key of that certificate.
	#[serde(default)]
	pub client_key_file: Option<PathBuf>,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub(crate) struct Server {
	address: Address,
	pub(crate) tls: Option<TlsConfiguration>,
}

#[derive(Clone, Debug)]
enum Address {
	Tcp(String, u16),
	Unix(PathBuf),
}

/// A stream to the server, of whatever kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream to the server.
pub(crate) struct Stream(pub(crate) Box<dyn Duplex>);

impl Server {
	/// Checks where a server is and how it is reached. A host that begins with `/` is a Unix socket,
	/// at the path that `socket` makes of it.
	///
	/// # Errors
	/// When the host is missing, or what is sent could be read on the way and nobody has allowed it,
	/// or a file cannot be used.
	pub(crate) fn new(
		host: &str,
		port: u16,
		tls: Option<&TlsConfiguration>,
		plaintext: bool,
		socket: impl FnOnce(&Path) -> PathBuf,
	) -> Result<Self, ConfigurationError> {
		let address = match host {
			"" => return Err(invalid("host", "must not be empty")),
			path if path.starts_with('/') => Address::Unix(socket(Path::new(path))),
			_ => Address::Tcp(host.to_owned(), oracle_source::positive("port", port)?),
		};
		match (&address, tls) {
			(Address::Unix(_), Some(_)) => return Err(invalid("tls", "is not for a Unix socket")),
			(Address::Tcp(..), Some(_)) if plaintext => {
				return Err(invalid("plaintext", "contradicts tls"))
			}
			(Address::Tcp(..), None) if !plaintext && !is_this_machine(host) => {
				let reason = "is required, unless the host is this machine or plaintext is true";
				return Err(invalid("tls", reason));
			}
			_ => {}
		}
		let server = Self { address, tls: tls.cloned() };
		server.connector()?;
		Ok(server)
	}

	/// Reads the certificates anew, so that renewed ones count from the next connection on.
	fn connector(&self) -> Result<Option<(TlsConnector, ServerName<'static>)>, ConfigurationError> {
		let (Address::Tcp(host, _), Some(tls)) = (&self.address, &self.tls) else {
			return Ok(None);
		};
		let name = ServerName::try_from(host.clone()).map_err(|error| invalid("host", error))?;
		Ok(Some((TlsConnector::from(Arc::new(client_config(tls)?)), name)))
	}

	/// Opens a TCP connection or a Unix socket, without TLS.
	///
	/// # Errors
	/// When the server does not answer.
	pub(crate) async fn open_plain(&self) -> io::Result<Stream> {
		Ok(Stream(match &self.address {
			Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
			Address::Tcp(host, port) => {
				let stream = TcpStream::connect((host.as_str(), *port)).await?;
				stream.set_nodelay(true)?;
				Box::new(stream)
			}
		}))
	}

	/// Encrypts a stream, if that is asked for.
	///
	/// # Errors
	/// When the certificates cannot be used or the other side is not who it should be.
	pub(crate) async fn encrypt(&self, stream: Stream) -> io::Result<Stream> {
		match self.connector().map_err(io::Error::other)? {
			None => Ok(stream),
			Some((connector, name)) => Ok(Stream(Box::new(connector.connect(name, stream).await?))),
		}
	}
}

fn client_config(tls: &TlsConfiguration) -> Result<ClientConfig, ConfigurationError> {
	let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
		.with_safe_default_protocol_versions()
		.map_err(|error| invalid("tls", error))?
		.with_root_certificates(authorities(tls.ca_file.as_deref())?);
	match (&tls.client_certificate_file, &tls.client_key_file) {
		(None, None) => Ok(builder.with_no_client_auth()),
		(Some(certificate), Some(key)) => {
			let chain = certificates("tls.client_certificate_file", certificate)?;
			builder
				.with_client_auth_cert(chain, private_key("tls.client_key_file", key)?)
				.map_err(|error| invalid("tls.client_key_file", error))
		}
		(Some(_), None) => Err(invalid("tls.client_key_file", "is missing for the certificate")),
		(None, Some(_)) => Err(invalid("tls.client_certificate_file", "is missing for the key")),
	}
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, ConfigurationError> {
	const FIELD: &str = "tls.ca_file";
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
	let found = CertificateDer::pem_file_iter(file)
		.and_then(Iterator::collect::<Result<Vec<_>, _>>)
		.map_err(|error| in_file(field, file, error))?;
	if found.is_empty() {
		return Err(in_file(field, file, "holds no certificate"));
	}
	Ok(found)
}

fn private_key(
	field: &'static str,
	file: &Path,
) -> Result<PrivateKeyDer<'static>, ConfigurationError> {
	let pem = Zeroizing::new(std::fs::read(file).map_err(|error| in_file(field, file, error))?);
	PrivateKeyDer::from_pem_slice(&pem).map_err(|error| in_file(field, file, error))
}

fn in_file(field: &'static str, file: &Path, reason: impl Display) -> ConfigurationError {
	invalid(field, format!("{}: {reason}", file.display()))
}

impl AsyncRead for Stream {
	fn poll_read(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		buffer: &mut ReadBuf<'_>,
	) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_read(context, buffer)
	}
}

impl AsyncWrite for Stream {
	fn poll_write(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write(context, bytes)
	}

	fn poll_write_vectored(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		slices: &[io::IoSlice<'_>],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write_vectored(context, slices)
	}

	fn is_write_vectored(&self) -> bool {
		self.0.is_write_vectored()
	}

	fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_flush(context)
	}

	fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_shutdown(context)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn server(
		host: &str,
		tls: Option<TlsConfiguration>,
		plaintext: bool,
	) -> Result<Server, String> {
		Server::new(host, 1, tls.as_ref(), plaintext, Path::to_path_buf)
			.map_err(|error| error.to_string())
	}

	#[test]
	fn plain_stream_is_only_for_this_machine_or_by_wish() {
		for host in ["localhost", "127.0.0.2", "::1", "/run/socket"] {
			assert!(server(host, None, false).is_ok(), "{host}");
		}
		assert!(server("database.example", None, true).is_ok());
		assert_eq!(
			server("database.example", None, false).unwrap_err(),
			"tls: is required, unless the host is this machine or plaintext is true"
		);
	}

	#[test]
	fn contradictions_are_named() {
		let tls = || Some(TlsConfiguration::default());
		assert_eq!(server("", None, false).unwrap_err(), "host: must not be empty");
		assert_eq!(server("a", tls(), true).unwrap_err(), "plaintext: contradicts tls");
		assert_eq!(server("/a", tls(), false).unwrap_err(), "tls: is not for a Unix socket");
		assert!(Server::new("a", 0, None, true, Path::to_path_buf).is_err());
		let folder = tempfile::TempDir::new().unwrap();
		let empty = folder.path().join("empty.pem");
		std::fs::write(&empty, "").unwrap();
		let error = |change: &dyn Fn(&mut TlsConfiguration)| {
			let certified = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
			let ca_file = folder.path().join("ca.pem");
			std::fs::write(&ca_file, certified.serialize_pem().unwrap()).unwrap();
			let mut tls = TlsConfiguration { ca_file: Some(ca_file), ..Default::default() };
			change(&mut tls);
			server("a", Some(tls), false).err().unwrap_or_default()
		};
		assert_eq!(error(&|_| {}), "");
		let message = error(&|tls| tls.ca_file = Some(empty.clone()));
		assert!(message.starts_with("tls.ca_file: ") && message.ends_with("no certificate"));
		let message = error(&|tls| tls.client_certificate_file = tls.ca_file.clone());
		assert_eq!(message, "tls.client_key_file: is missing for the certificate");
		let message = error(&|tls| tls.client_key_file = Some(empty.clone()));
		assert_eq!(message, "tls.client_certificate_file: is missing for the key");
		let message = error(&|tls| {
			tls.client_certificate_file = tls.ca_file.clone();
			tls.client_key_file = Some(empty.clone());
		});
		assert!(message.starts_with("tls.client_key_file: "), "{message}");
	}
}
