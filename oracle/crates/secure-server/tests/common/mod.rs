//! Certificates, a server and raw clients for the tests.
#![allow(dead_code, clippy::unwrap_used)]

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use axum::{
	body::Bytes,
	routing::{get, post},
	Extension, Router,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::{
	pki_types::{CertificateDer, PrivateKeyDer, ServerName},
	ClientConfig, RootCertStore, SupportedProtocolVersion,
};
use secure_server::{
	ClientAuthentication, Drained, Handle, Limits, PeerAddress, PeerIdentity, Server, Settings,
	TlsSettings,
};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
	sync::oneshot,
	task::JoinHandle,
};
use tokio_rustls::{client::TlsStream, TlsConnector};

pub struct Authority {
	pub pem: String,
	pub der: CertificateDer<'static>,
	issuer: Issuer<'static, KeyPair>,
}

pub struct Leaf {
	pub pem: String,
	pub key_pem: String,
	pub der: CertificateDer<'static>,
	pub key: PrivateKeyDer<'static>,
}

impl Authority {
	pub fn new() -> Self {
		let key = KeyPair::generate().unwrap();
		let mut params = CertificateParams::new(Vec::new()).unwrap();
		params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
		params.distinguished_name.push(DnType::CommonName, "authority");
		let certificate = params.self_signed(&key).unwrap();
		let (pem, der) = (certificate.pem(), certificate.der().clone());
		Self { pem, der, issuer: Issuer::new(params, key) }
	}

	pub fn leaf(&self, name: &str, expired: bool) -> Leaf {
		let key = KeyPair::generate().unwrap();
		let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
		params.distinguished_name.push(DnType::CommonName, name);
		let uri = format!("urn:meter:{name}").try_into().unwrap();
		params.subject_alt_names.push(SanType::URI(uri));
		if expired {
			params.not_after = rcgen::date_time_ymd(2020, 1, 1);
		}
		let certificate = params.signed_by(&key, &self.issuer).unwrap();
		Leaf {
			pem: certificate.pem(),
			key_pem: key.serialize_pem(),
			der: certificate.der().clone(),
			key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
		}
	}
}

pub fn write(folder: &Path, leaf: &Leaf) {
	fs::write(folder.join("chain.pem"), &leaf.pem).unwrap();
	fs::write(folder.join("key.pem"), &leaf.key_pem).unwrap();
}

pub struct Running {
	pub address: SocketAddr,
	pub handle: Handle,
	pub stop: Option<oneshot::Sender<()>>,
	pub task: JoinHandle<Drained>,
	pub folder: tempfile::TempDir,
	pub authority: Authority,
}

async fn who(
	Extension(PeerAddress(_)): Extension<PeerAddress>,
	identity: Option<Extension<PeerIdentity>>,
) -> String {
	match identity {
		None => "anonymous".to_owned(),
		Some(Extension(identity)) => format!(
			"{} {} {}",
			identity.common_name().unwrap(),
			identity.uris().join(","),
			identity.dns_names().join(",")
		),
	}
}

pub fn router() -> Router {
	Router::new()
		.route("/", get(who))
		.route("/echo", post(|body: Bytes| async move { body }))
		.route("/forever", get(std::future::pending::<()>))
}

pub async fn start(limits: Limits, tls: Option<ClientAuthentication>) -> Running {
	start_watching(limits, tls, 0).await
}

pub async fn start_watching(
	limits: Limits,
	tls: Option<ClientAuthentication>,
	reload_interval_ms: u64,
) -> Running {
	let folder = tempfile::tempdir().unwrap();
	let authority = Authority::new();
	write(folder.path(), &authority.leaf("first", false));
	fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
	let tls = tls.map(|client_authentication| TlsSettings {
		certificate_chain: folder.path().join("chain.pem"),
		private_key: folder.path().join("key.pem"),
		client_authentication,
		client_authorities: (client_authentication != ClientAuthentication::None)
			.then(|| folder.path().join("ca.pem")),
		reload_interval_ms,
	});
	let address = "127.0.0.1:0".parse().unwrap();
	let server = Server::bind(Settings { address, tls, limits }).await.unwrap();
	let (stop, stopped) = oneshot::channel();
	let (address, handle) = (server.address(), server.handle());
	let task = tokio::spawn(server.run(router(), async {
		let _stopped = stopped.await;
	}));
	Running { address, handle, stop: Some(stop), task, folder, authority }
}

impl Running {
	pub async fn connect(
		&self,
		version: &'static SupportedProtocolVersion,
		protocol: &[u8],
		identity: Option<&Leaf>,
	) -> std::io::Result<TlsStream<TcpStream>> {
		let mut roots = RootCertStore::empty();
		roots.add(self.authority.der.clone()).unwrap();
		let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
		let builder = ClientConfig::builder_with_provider(provider)
			.with_protocol_versions(&[version])
			.unwrap()
			.with_root_certificates(roots);
		let mut config = match identity {
			None => builder.with_no_client_auth(),
			Some(leaf) => {
				builder.with_client_auth_cert(vec![leaf.der.clone()], leaf.key.clone_key()).unwrap()
			}
		};
		config.alpn_protocols = vec![protocol.to_vec()];
		let stream = TcpStream::connect(self.address).await?;
		let name = ServerName::try_from("localhost").unwrap();
		TlsConnector::from(Arc::new(config)).connect(name, stream).await
	}

	/// Sends bytes over plain TCP and reads until the server closes.
	pub async fn raw(&self, bytes: &[u8]) -> String {
		let mut stream = TcpStream::connect(self.address).await.unwrap();
		stream.write_all(bytes).await.unwrap();
		read_all(&mut stream).await
	}
}

/// Reads to the end; a reset is an end too.
pub async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
	let (mut all, mut part) = (Vec::new(), [0; 4096]);
	while let Ok(length @ 1..) = stream.read(&mut part).await {
		all.extend_from_slice(&part[..length]);
	}
	String::from_utf8_lossy(&all).into_owned()
}
