//! The address of a receiver, as it was parsed.

use crate::{AddressGuard, AddressKind, AddressRefused};
use http::Uri;
use std::net::IpAddr;
use thiserror::Error;
use url::Url;

/// Most bytes of a URL.
pub const MAX_URL_BYTES: usize = 2048;

/// Why a URL was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
	/// Too long.
	#[error("url: {0} bytes, at most {MAX_URL_BYTES} are taken")]
	TooLong(usize),
	/// Not a URL.
	#[error("url: {0}")]
	Malformed(String),
	/// Not `https`.
	#[error("url: the scheme is {0}, it must be https")]
	Scheme(String),
	/// Has a user's name or password.
	#[error("url: must not have a user's name or password")]
	UserInfo,
	/// Has a fragment, which no receiver would see.
	#[error("url: must not have a fragment")]
	Fragment,
	/// The port is neither 443 nor 1024 or higher.
	#[error("url: port {0}, it must be 443 or 1024 and higher")]
	Port(u16),
	/// The host is written as an address that is not allowed.
	#[error("url: {0}")]
	Address(#[from] AddressRefused),
}

/// The host of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
	/// A name to be resolved, in lower case, in its ASCII form.
	Name(String),
	/// An address.
	Address(IpAddr),
}

/// Where a webhook goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
	/// The whole URL in its normal form: what the signature covers.
	pub uri: Uri,
	/// Its host.
	pub host: Host,
	/// Its port.
	pub port: u16,
	/// Whether it is `https`.
	pub tls: bool,
}

/// Which URLs are taken.
#[derive(Clone, Debug, Default)]
pub struct UrlRules {
	/// Which addresses.
	pub guard: AddressGuard,
	/// Whether `http` is taken for `localhost` and loopback addresses, for development.
	pub http_to_loopback: bool,
}

impl UrlRules {
	/// Parses the URL of a receiver: `https`, without user info and fragment, at port 443 or at
	/// 1024 and higher, in ASCII (an international name as `xn--…`). The other low ports are those
	/// of services that a webhook has no business with; the receivers inside a company are mostly
	/// at 8443 and the like. A host that is written as an address is checked at once, the addresses
	/// of a name at each connection.
	///
	/// # Errors
	/// When the URL is not taken.
	pub fn parse(&self, text: &str) -> Result<Target, UrlError> {
		if text.len() > MAX_URL_BYTES {
			return Err(UrlError::TooLong(text.len()));
		}
		// The parser drops line feeds and takes backslashes for slashes, as browsers do.
		if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
			return Err(UrlError::Malformed(
				"has a space, \\ or a character that is not ASCII".into(),
			));
		}
		let url = Url::parse(text).map_err(|error| UrlError::Malformed(error.to_string()))?;
		let host = match url.host() {
			Some(url::Host::Domain(name)) => Host::Name(name.to_owned()),
			Some(url::Host::Ipv4(address)) => Host::Address(address.into()),
			Some(url::Host::Ipv6(address)) => Host::Address(address.into()),
			None => return Err(UrlError::Malformed("has no host".into())),
		};
		let tls = url.scheme() == "https";
		let plain = || url.scheme() == "http" && self.http_to_loopback && is_loopback(&host);
		if !(tls || plain()) {
			return Err(UrlError::Scheme(url.scheme().to_owned()));
		}
		if !url.username().is_empty() || url.password().is_some() {
			return Err(UrlError::UserInfo);
		}
		if url.fragment().is_some() {
			return Err(UrlError::Fragment);
		}
		let port = url.port_or_known_default().unwrap_or(443);
		if tls && port != 443 && port < 1024 {
			return Err(UrlError::Port(port));
		}
		let uri = url.as_str().parse().map_err(malformed)?;
		let target = Target { uri, host, port, tls };
		if let Host::Address(address) = target.host {
			self.check_address(&target, address)?;
		}
		Ok(target)
	}

	/// Whether a webhook to this target may go to this address.
	///
	/// # Errors
	/// With the kind of an address that is not allowed.
	pub fn check_address(&self, target: &Target, address: IpAddr) -> Result<(), AddressRefused> {
		if target.tls {
			return self.guard.check(address);
		}
		match AddressKind::of(address) {
			AddressKind::Loopback => Ok(()),
			kind => Err(AddressRefused(kind)),
		}
	}
}

fn malformed(error: http::uri::InvalidUri) -> UrlError {
	UrlError::Malformed(error.to_string())
}

fn is_loopback(host: &Host) -> bool {
	match host {
		Host::Name(name) => name == "localhost",
		Host::Address(address) => AddressKind::of(*address) == AddressKind::Loopback,
	}
}
