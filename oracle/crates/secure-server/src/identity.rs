//! Who is at the other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Address of the peer, in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The verified client certificate, in the extensions of every request on its connection.
/// Clones share one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity(Arc<Names>);

#[derive(Debug, PartialEq, Eq)]
struct Names {
	certificate: Vec<u8>,
	common_name: Option<String>,
	uris: Vec<String>,
	dns_names: Vec<String>,
}

impl PeerIdentity {
	/// Reads the names of a leaf certificate. `None` when it is not a certificate. It says nothing
	/// about whether the certificate can be trusted: only those that the server hands to handlers were
	/// verified.
	pub fn from_leaf(leaf: &CertificateDer<'_>) -> Option<Self> {
		let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
		let common_name = certificate.subject().iter_common_name().next();
		let common_name = common_name.and_then(|name| name.as_str().ok()).map(str::to_owned);
		let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
		if let Some(names) = certificate.subject_alternative_name().ok()? {
			for name in &names.value.general_names {
				match name {
					GeneralName::URI(uri) => uris.push((*uri).to_owned()),
					GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
					_ => {}
				}
			}
		}
		let certificate = leaf.to_vec();
		Some(Self(Arc::new(Names { certificate, common_name, uris, dns_names })))
	}

	/// The leaf certificate in DER.
	pub fn certificate(&self) -> &[u8] {
		&self.0.certificate
	}

	/// The first common name of the subject.
	pub fn common_name(&self) -> Option<&str> {
		self.0.common_name.as_deref()
	}

	/// The URIs among the subject's alternative names.
	pub fn uris(&self) -> &[String] {
		&self.0.uris
	}

	/// The DNS names among the subject's alternative names.
	pub fn dns_names(&self) -> &[String] {
		&self.0.dns_names
	}
}
