//! One HTTPS request to one receiver.
//!
//! There is no redirect, proxy, cookie or pool here to be switched off: a connection is made to an
//! address that was checked, one request is sent on it, and it is closed.

use crate::{clock::BoxFuture, AddressRefused, Host, Resolver, Target, UrlRules};
use bytes::Bytes;
use http::{header, HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
	crypto::aws_lc_rs,
	pki_types::{pem::PemObject, CertificateDer, ServerName},
	version::{TLS12, TLS13},
	ClientConfig, RootCertStore,
};
use std::{
	io,
	net::{IpAddr, SocketAddr},
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};
use thiserror::Error;
use tokio::{
	io::{AsyncRead, AsyncWrite},
	net::TcpStream,
	task::JoinSet,
	time::{timeout, timeout_at, Instant},
};
use tokio_rustls::TlsConnector;

/// Most bytes of an answer's body that are read, and thrown away.
const MAX_ANSWER_BODY_BYTES: usize = 1024;
/// Most bytes of an answer's header, and of what is read at once.
const MAX_ANSWER_HEADER_BYTES: usize = 16 * 1024;
/// Most fields of an answer's header.
const MAX_ANSWER_FIELDS: usize = 64;
/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 4;

/// How receivers are connected to.
#[derive(Clone, Debug)]
pub struct ClientSettings {
	/// Which URLs and addresses.
	pub rules: UrlRules,
	/// Certificates of authorities (PEM) that are trusted besides those of the machine.
	pub authorities_file: Option<PathBuf>,
	/// Longest wait for a name's addresses.
	pub resolve_timeout: Duration,
	/// Longest wait for a connection to one address, TLS included.
	pub connect_timeout: Duration,
	/// Longest time from the begin to the answer's header.
	pub total_timeout: Duration,
}

impl Default for ClientSettings {
	fn default() -> Self {
		Self {
			rules: UrlRules::default(),
			authorities_file: None,
			resolve_timeout: Duration::from_secs(5),
			connect_timeout: Duration::from_secs(5),
			total_timeout: Duration::from_secs(15),
		}
	}
}

/// Why there is no client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
	/// The file of authorities cannot be read, or has no certificate.
	#[error("authorities_file: {}: {reason}", path.display())]
	Authorities {
		/// The file.
		path: PathBuf,
		/// What is wrong with it.
		reason: String,
	},
	/// A time-out is nothing.
	#[error("{0}: must be more than 0")]
	Timeout(&'static str),
	/// TLS cannot be set up.
	#[error("tls: {0}")]
	Tls(#[from] rustls::Error),
}

/// Why no answer came. The text is shown to the owner of the subscription, and names no address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
	/// The name was not resolved.
	#[error("the name of the host was not resolved: {}", .0.kind())]
	Resolve(io::Error),
	/// The name was not resolved in time.
	#[error("the name of the host was not resolved in time")]
	ResolveTimeout,
	/// The name has no address.
	#[error("the name of the host has no address")]
	NoAddress,
	/// One of the name's addresses is not allowed.
	#[error(transparent)]
	Address(#[from] AddressRefused),
	/// No connection, or no TLS on it.
	#[error("no connection: {}", reason_of(.0))]
	Connect(io::Error),
	/// No connection in time.
	#[error("no connection in time")]
	ConnectTimeout,
	/// No answer in time.
	#[error("no answer in time")]
	Timeout,
	/// What came is no answer.
	#[error("no answer: {0}")]
	Http(#[from] hyper::Error),
	/// The request cannot be written.
	#[error("the request cannot be written: {0}")]
	Request(#[from] http::Error),
}

/// What TLS found wrong, or else the kind of the error.
fn reason_of(error: &io::Error) -> String {
	match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
		Some(error) => error.to_string(),
		None => error.kind().to_string(),
	}
}

/// A receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
	/// Status.
	pub status: StatusCode,
	/// Value of `Retry-After`.
	pub retry_after: Option<HeaderValue>,
}

/// Sends requests to receivers.
pub struct Client {
	settings: ClientSettings,
	resolver: Arc<dyn Resolver>,
	tls: TlsConnector,
}

impl Client {
	/// Reads the file of authorities.
	///
	/// # Errors
	/// When a setting is not taken.
	pub fn new(settings: ClientSettings, resolver: Arc<dyn Resolver>) -> Result<Self, ClientError> {
		for (field, value) in [
			("resolve_timeout", settings.resolve_timeout),
			("connect_timeout", settings.connect_timeout),
			("total_timeout", settings.total_timeout),
		] {
			if value.is_zero() {
				return Err(ClientError::Timeout(field));
			}
		}
		let mut roots = RootCertStore::empty();
		let found = rustls_native_certs::load_native_certs();
		for error in &found.errors {
			tracing::warn!(%error, "a certificate of the machine cannot be read, and is not trusted");
		}
		let (_, unusable) = roots.add_parsable_certificates(found.certs);
		if unusable > 0 {
			tracing::warn!(unusable, "certificates of the machine cannot be used");
		}
		if let Some(path) = &settings.authorities_file {
			add_authorities(&mut roots, path)
				.map_err(|reason| ClientError::Authorities { path: path.clone(), reason })?;
		}
		if roots.is_empty() {
			tracing::warn!("no authority is trusted: no receiver can be reached over HTTPS");
		}
		let provider = Arc::new(aws_lc_rs::default_provider());
		let mut config = ClientConfig::builder_with_provider(provider)
			.with_protocol_versions(&[&TLS13, &TLS12])?
			.with_root_certificates(roots)
			.with_no_client_auth();
		config.alpn_protocols = vec![b"http/1.1".to_vec()];
		Ok(Self { settings, resolver, tls: TlsConnector::from(Arc::new(config)) })
	}

	/// Which URLs and addresses are taken.
	pub fn rules(&self) -> &UrlRules {
		&self.settings.rules
	}

	/// Posts a body. Redirects are not followed: they are answers as any other.
	///
	/// # Errors
	/// When no answer came.
	pub async fn post(
		&self,
		target: &Target,
		fields: HeaderMap,
		body: Bytes,
	) -> Result<Answer, SendError> {
		let request = request(target, fields, body)?;
		let deadline = Instant::now() + self.settings.total_timeout;
		let exchange = async {
			let addresses = self.addresses(target).await?;
			let stream = self.connect(target, &addresses).await?;
			let (mut sender, connection) = http1::Builder::new()
				.max_buf_size(MAX_ANSWER_HEADER_BYTES)
				.max_headers(MAX_ANSWER_FIELDS)
				.handshake(TokioIo::new(stream))
				.await?;
			// Dropped at the end of everything here, which closes the connection.
			let mut driver = JoinSet::new();
			driver.spawn(connection);
			Ok((sender.send_request(request).await?, driver))
		};
		let (response, _driver) =
			timeout_at(deadline, exchange).await.unwrap_or(Err(SendError::Timeout))?;
		let answer = Answer {
			status: response.status(),
			retry_after: response.headers().get(header::RETRY_AFTER).cloned(),
		};
		// The answer is known: a body that does not end in time changes nothing about it.
		let _ = timeout_at(deadline, read_some(response.into_body())).await;
		Ok(answer)
	}

	/// The addresses of the target, every one of which is allowed. A name with one address outside
	/// and one inside is not the name of a receiver.
	async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, SendError> {
		let addresses = match &target.host {
			Host::Address(address) => vec![*address],
			Host::Name(name) => timeout(self.settings.resolve_timeout, self.resolver.resolve(name))
				.await
				.map_err(|_| SendError::ResolveTimeout)?
				.map_err(SendError::Resolve)?,
		};
		for address in &addresses {
			self.settings.rules.check_address(target, *address)?;
		}
		Ok(addresses)
	}

	/// Connects to the first address that lets it.
	async fn connect(&self, target: &Target, addresses: &[IpAddr]) -> Result<BoxStream, SendError> {
		let mut failure = SendError::NoAddress;
		for address in addresses.iter().take(MAX_ADDRESSES) {
			let address = SocketAddr::new(*address, target.port);
			match timeout(self.settings.connect_timeout, self.open(target, address)).await {
				Ok(Ok(stream)) => return Ok(stream),
				Ok(Err(error)) => failure = SendError::Connect(error),
				Err(_) => failure = SendError::ConnectTimeout,
			}
		}
		Err(failure)
	}

	fn open(&self, target: &Target, address: SocketAddr) -> BoxFuture<io::Result<BoxStream>> {
		let tls = target.tls.then(|| (self.tls.clone(), server_name(&target.host)));
		Box::pin(async move {
			let stream = TcpStream::connect(address).await?;
			stream.set_nodelay(true)?;
			Ok(match tls {
				None => Box::new(stream) as BoxStream,
				Some((tls, name)) => Box::new(tls.connect(name?, stream).await?),
			})
		})
	}
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type BoxStream = Box<dyn Stream>;

fn server_name(host: &Host) -> io::Result<ServerName<'static>> {
	match host {
		Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
		Host::Name(name) => {
			let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "not a name of a host");
			ServerName::try_from(name.clone()).map_err(invalid)
		}
	}
}

fn request(
	target: &Target,
	fields: HeaderMap,
	body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
	let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
	let host = target.uri.authority().map_or("", |authority| authority.as_str());
	let mut request = Request::builder()
		.method(Method::POST)
		.uri(Uri::builder().path_and_query(path).build()?)
		.header(header::HOST, host)
		.body(Full::new(body))?;
	request.headers_mut().extend(fields);
	Ok(request)
}

async fn read_some(mut body: Incoming) {
	let mut read = 0;
	while read < MAX_ANSWER_BODY_BYTES {
		match body.frame().await {
			Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
			_ => return,
		}
	}
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
	let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
	let mut count = 0;
	for certificate in certificates {
		let certificate = certificate.map_err(|error| error.to_string())?;
		roots.add(certificate).map_err(|error| error.to_string())?;
		count += 1;
	}
	if count == 0 {
		return Err("has no certificate".into());
	}
	Ok(())
}
