//! Settings as an operator writes them, and their validation.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::CredentialsError;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{field}`: {reason}")]
pub struct SettingsError {
	/// Path of the field, as in `limits.connections`.
	pub field: &'static str,
	/// Why its value is refused.
	pub reason: String,
}

/// Everything the server needs to know before it binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
	/// Address and port to listen on. Port 0 lets the system choose.
	pub address: SocketAddr,
	/// TLS. Without it the server speaks plain HTTP/1.1, on a loopback address only.
	#[serde(default)]
	pub tls: Option<TlsSettings>,
	/// Limits and time-outs.
	#[serde(default)]
	pub limits: Limits,
}

/// Certificate, key and client authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
	/// PEM file with the certificate chain, leaf first.
	pub certificate_chain: PathBuf,
	/// PEM file with the private key of the leaf.
	pub private_key: PathBuf,
	/// Whether clients authenticate with certificates.
	#[serde(default)]
	pub client_authentication: ClientAuthentication,
	/// PEM file with the authorities that sign client certificates. Required unless
	/// `client_authentication` is `none`.
	#[serde(default)]
	pub client_authorities: Option<PathBuf>,
	/// How often the files are looked at for a change, in milliseconds. 0 turns it off.
	#[serde(default = "default_reload_interval_ms")]
	pub reload_interval_ms: u64,
}

fn default_reload_interval_ms() -> u64 {
	5_000
}

/// Whether clients authenticate with certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
	/// Client certificates are not asked for.
	#[default]
	None,
	/// A client may present a certificate; one that does not verify is refused.
	Optional,
	/// A client must present a certificate that verifies.
	Required,
}

/// Limits and time-outs. The defaults suit a few busy senders and many quiet ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
	/// Connections in total. More are closed at once.
	pub connections: usize,
	/// Connections per IPv4 address or IPv6 /64 network. More are closed at once.
	pub connections_per_peer: usize,
	/// Connections the system queues before they are accepted.
	pub backlog: u32,
	/// Whether small segments are sent without delay (`TCP_NODELAY`).
	pub tcp_nodelay: bool,
	/// Longest TLS handshake, in milliseconds.
	pub handshake_timeout_ms: u64,
	/// Longest wait for a whole HTTP/1.1 request head, in milliseconds. It counts from the end
	/// of the request before, so on HTTP/1.1 it bounds the idle time too.
	pub header_read_timeout_ms: u64,
	/// Longest time without a request before a connection is closed, in milliseconds. It is
	/// noticed after one to two such periods.
	pub idle_timeout_ms: u64,
	/// Longest request head, in bytes: the read buffer on HTTP/1.1, the header list on HTTP/2.
	pub header_bytes: u32,
	/// Most header fields in an HTTP/1.1 request.
	pub header_count: usize,
	/// Time between HTTP/2 pings, in milliseconds.
	pub http2_ping_interval_ms: u64,
	/// Longest wait for the answer to an HTTP/2 ping, in milliseconds.
	pub http2_ping_timeout_ms: u64,
	/// Requests in progress on one HTTP/2 connection.
	pub http2_concurrent_streams: u32,
	/// Streams reset by the peer that wait to be forgotten before the connection is closed.
	pub http2_pending_reset_streams: usize,
	/// Streams reset by us for a peer's errors before the connection is closed.
	pub http2_local_error_reset_streams: usize,
	/// HTTP/2 flow-control window of a stream, in bytes.
	pub http2_stream_window_bytes: u32,
	/// HTTP/2 flow-control window of a connection, in bytes.
	pub http2_connection_window_bytes: u32,
	/// Bytes buffered for sending on one HTTP/2 stream.
	pub http2_send_buffer_bytes: usize,
	/// Longest time that requests in progress may take after the shutdown signal, in
	/// milliseconds.
	pub drain_timeout_ms: u64,
}

impl Default for Limits {
	fn default() -> Self {
		Self {
			connections: 4_096,
			connections_per_peer: 64,
			backlog: 1_024,
			tcp_nodelay: true,
			handshake_timeout_ms: 10_000,
			header_read_timeout_ms: 10_000,
			idle_timeout_ms: 60_000,
			header_bytes: 16 * 1_024,
			header_count: 64,
			http2_ping_interval_ms: 20_000,
			http2_ping_timeout_ms: 10_000,
			http2_concurrent_streams: 256,
			http2_pending_reset_streams: 20,
			http2_local_error_reset_streams: 256,
			http2_stream_window_bytes: 1_024 * 1_024,
			http2_connection_window_bytes: 8 * 1_024 * 1_024,
			http2_send_buffer_bytes: 256 * 1_024,
			drain_timeout_ms: 30_000,
		}
	}
}

/// Largest HTTP/2 window (RFC 9113, section 6.9.1).
const LARGEST_WINDOW: u64 = (1 << 31) - 1;
/// Longest time-out: one day.
const LONGEST_TIMEOUT_MS: u64 = 86_400_000;

impl Settings {
	/// Reads the certificate, the key and the authorities, as the server will.
	///
	/// # Errors
	/// What cannot be read or used, with its field.
	pub fn check_files(&self) -> Result<(), CredentialsError> {
		self.tls.as_ref().map_or(Ok(()), crate::credentials::check)
	}

	/// Checks every field.
	///
	/// # Errors
	/// The first field that cannot be used, with the reason.
	pub fn validate(&self) -> Result<(), SettingsError> {
		match &self.tls {
			None if !self.address.ip().to_canonical().is_loopback() => {
				return refuse("tls", "required unless `address` is a loopback address")
			}
			None => {}
			Some(tls) => tls.validate()?,
		}
		self.limits.validate()
	}
}

impl TlsSettings {
	fn validate(&self) -> Result<(), SettingsError> {
		let wanted = self.client_authentication != ClientAuthentication::None;
		match (&self.client_authorities, wanted) {
			(None, true) => refuse(
				"tls.client_authorities",
				"required when `client_authentication` is not `none`",
			),
			(Some(_), false) => refuse(
				"tls.client_authorities",
				"has no effect while `client_authentication` is `none`",
			),
			_ if self.reload_interval_ms > LONGEST_TIMEOUT_MS => {
				refuse("tls.reload_interval_ms", "must be at most 86400000")
			}
			_ => Ok(()),
		}
	}
}

impl Limits {
	fn validate(&self) -> Result<(), SettingsError> {
		between("limits.connections", self.connections as u64, 1, 1_000_000)?;
		let connections = self.connections as u64;
		between("limits.connections_per_peer", self.connections_per_peer as u64, 1, connections)?;
		between("limits.backlog", self.backlog.into(), 1, 65_535)?;
		for (field, milliseconds) in [
			("limits.handshake_timeout_ms", self.handshake_timeout_ms),
			("limits.header_read_timeout_ms", self.header_read_timeout_ms),
			("limits.idle_timeout_ms", self.idle_timeout_ms),
			("limits.http2_ping_interval_ms", self.http2_ping_interval_ms),
			("limits.http2_ping_timeout_ms", self.http2_ping_timeout_ms),
			("limits.drain_timeout_ms", self.drain_timeout_ms),
		] {
			between(field, milliseconds, 1, LONGEST_TIMEOUT_MS)?;
		}
		between("limits.header_bytes", self.header_bytes.into(), 8_192, 1_048_576)?;
		between("limits.header_count", self.header_count as u64, 1, 1_000)?;
		let streams = self.http2_concurrent_streams;
		between("limits.http2_concurrent_streams", streams.into(), 1, 10_000)?;
		let resets = self.http2_pending_reset_streams as u64;
		between("limits.http2_pending_reset_streams", resets, 1, 10_000)?;
		let resets = self.http2_local_error_reset_streams as u64;
		between("limits.http2_local_error_reset_streams", resets, 1, 10_000)?;
		let window = self.http2_stream_window_bytes.into();
		between("limits.http2_stream_window_bytes", window, 65_535, LARGEST_WINDOW)?;
		let connection = self.http2_connection_window_bytes.into();
		between("limits.http2_connection_window_bytes", connection, window, LARGEST_WINDOW)?;
		let buffer = self.http2_send_buffer_bytes as u64;
		between("limits.http2_send_buffer_bytes", buffer, 16_384, 16_777_216)
	}
}

pub(crate) fn milliseconds(value: u64) -> Duration {
	Duration::from_millis(value)
}

fn refuse(field: &'static str, reason: &str) -> Result<(), SettingsError> {
	Err(SettingsError { field, reason: reason.to_owned() })
}

fn between(field: &'static str, value: u64, least: u64, most: u64) -> Result<(), SettingsError> {
	if (least..=most).contains(&value) {
		return Ok(());
	}
	Err(SettingsError { field, reason: format!("{value} is not between {least} and {most}") })
}
