//! The byte stream to the broker: TCP, or TLS 1.3 over TCP, in the form the AMQP client takes.

use std::{
	future::Future,
	io::{self, Read, Write},
	net::SocketAddr,
	path::Path,
	pin::Pin,
	sync::Arc,
	task::{ready, Context, Poll},
	time::{Duration, Instant},
};

use async_rs::{traits::Reactor, Tokio};
use futures_core::Stream;
use oracle_source::{invalid, ConfigurationError};
use tokio::{
	io::{AsyncRead, AsyncWrite, ReadBuf},
	net::TcpStream,
};
use tokio_rustls::{
	rustls::{
		crypto::aws_lc_rs,
		pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer, ServerName},
		version::TLS13,
		ClientConfig, RootCertStore,
	},
	TlsConnector,
};
use zeroize::Zeroizing;

use crate::configuration::Settings;

/// Bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream to the broker.
pub(crate) struct Transport(Box<dyn Duplex>);

/// What is needed to open one.
#[derive(Clone)]
pub(crate) struct Connector {
	host: String,
	port: u16,
	tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
	/// Reads the files anew, so that renewed certificates count from the next connection on.
	///
	/// # Errors
	/// When a file cannot be read or holds nothing that fits.
	pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
		let broker = &settings.broker;
		let tls = match broker.tls {
			true => Some(tls_connector(settings)?),
			false => None,
		};
		Ok(Self { host: broker.host.clone(), port: broker.port, tls })
	}

	/// Connects, and shakes hands when TLS is asked for.
	pub(crate) async fn open(self) -> io::Result<Transport> {
		let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
		stream.set_nodelay(true)?;
		Ok(Transport(match self.tls {
			None => Box::new(stream),
			Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
		}))
	}
}

fn tls_connector(
	settings: &Settings,
) -> Result<(TlsConnector, ServerName<'static>), ConfigurationError> {
	let name = ServerName::try_from(settings.broker.host.clone())
		.map_err(|error| invalid("broker_url", error))?;
	let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
		.with_protocol_versions(&[&TLS13])
		.map_err(|error| invalid("broker_url", error))?
		.with_root_certificates(authorities(settings.ca_file.as_deref())?);
	let config = match &settings.certificate {
		None => builder.with_no_client_auth(),
		Some(identity) => {
			let chain = certificates("client_certificate_file", &identity.certificate_file)?;
			let key = private_key(&identity.key_file)?;
			builder
				.with_client_auth_cert(chain, key)
				.map_err(|error| invalid("client_key_file", error))?
		}
	};
	Ok((TlsConnector::from(Arc::new(config)), name))
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

impl futures_io::AsyncRead for Transport {
	fn poll_read(
		self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &mut [u8],
	) -> Poll<io::Result<usize>> {
		let mut buffer = ReadBuf::new(bytes);
		ready!(Pin::new(&mut self.get_mut().0).poll_read(context, &mut buffer))?;
		Poll::Ready(Ok(buffer.filled().len()))
	}
}

impl futures_io::AsyncWrite for Transport {
	fn poll_write(
		self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
	}

	fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.get_mut().0).poll_flush(context)
	}

	fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.get_mut().0).poll_shutdown(context)
	}
}

/// Tokio's reactor, with streams of ours.
#[derive(Clone, Debug)]
pub(crate) struct Network(pub(crate) Tokio);

impl Reactor for Network {
	type TcpStream = Transport;
	type Sleep = <Tokio as Reactor>::Sleep;

	/// The AMQP client registers nothing: it takes the stream its connector has opened.
	fn register<H: Read + Write + Send + 'static>(
		&self,
		_: H,
	) -> io::Result<impl futures_io::AsyncRead + futures_io::AsyncWrite + Send + Unpin + 'static> {
		Err::<Transport, _>(io::ErrorKind::Unsupported.into())
	}

	fn sleep(&self, wait: Duration) -> Self::Sleep {
		self.0.sleep(wait)
	}

	fn interval(&self, wait: Duration) -> impl Stream<Item = Instant> + Send + 'static {
		self.0.interval(wait)
	}

	// Not `async fn`: what it returns must not borrow the reactor.
	#[allow(clippy::manual_async_fn)]
	fn tcp_connect_addr(
		&self,
		address: SocketAddr,
	) -> impl Future<Output = io::Result<Transport>> + Send + 'static {
		async move { Ok(Transport(Box::new(TcpStream::connect(address).await?))) }
	}
}
