//! What an operator writes about the archive, and what it means once it is checked.

use std::{
	path::{Path as FilePath, PathBuf},
	sync::Arc,
	time::Duration,
};

use object_store::{
	aws::{AmazonS3Builder, Checksum},
	local::LocalFileSystem,
	path::Path,
	Certificate, ClientOptions, ObjectStore, RetryConfig,
};
use oracle_source::invalid;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::credentials::AccessKey;
use crate::{
	configuration::{at_most, is_this_machine, retries, wait},
	ConfigurationError,
};

/// What an operator writes: either `folder` or `s3`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfiguration {
	/// A folder that exists.
	#[serde(default)]
	pub folder: Option<PathBuf>,
	/// A bucket.
	#[serde(default)]
	pub s3: Option<S3Configuration>,
	/// What the name of every object begins with, without `/` at its ends.
	#[serde(default)]
	pub prefix: String,
	/// Batches written at the same time at most.
	#[serde(default = "default_concurrent_writes")]
	pub concurrent_writes: usize,
	/// Milliseconds an object may take.
	#[serde(default = "default_write_timeout_ms")]
	pub write_timeout_ms: u64,
	/// Milliseconds before the first try after a failure; doubled with every further one.
	#[serde(default = "default_reconnect_minimum_ms")]
	pub reconnect_minimum_ms: u64,
	/// Milliseconds between two tries at most.
	#[serde(default = "default_reconnect_maximum_ms")]
	pub reconnect_maximum_ms: u64,
}

/// A bucket, and the way to it. `bucket` has no default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Configuration {
	/// Name of the bucket. It must exist.
	pub bucket: String,
	/// `https://host:port` of the server. Without it, Amazon's for the region.
	#[serde(default)]
	pub endpoint: Option<String>,
	/// Name of the region.
	#[serde(default = "default_region")]
	pub region: String,
	/// Public part of the access key. Without it, the machine's own role counts.
	#[serde(default)]
	pub access_key_id: Option<String>,
	/// File with the secret part; one line break at the end is not part of it. Read for every
	/// request.
	#[serde(default)]
	pub secret_access_key_file: Option<PathBuf>,
	/// PEM file with further authorities that may vouch for the server.
	#[serde(default)]
	pub ca_file: Option<PathBuf>,
	/// Whether to send everything readable to a host that is not this machine.
	#[serde(default)]
	pub plaintext: bool,
	/// Whether the bucket is part of the host's name instead of the path.
	#[serde(default)]
	pub virtual_hosted_style: bool,
}

fn default_concurrent_writes() -> usize {
	4
}
fn default_write_timeout_ms() -> u64 {
	60_000
}
fn default_reconnect_minimum_ms() -> u64 {
	200
}
fn default_reconnect_maximum_ms() -> u64 {
	30_000
}
fn default_region() -> String {
	"us-east-1".to_owned()
}

/// Batches written at the same time at most.
const MAXIMUM_CONCURRENT_WRITES: usize = 64;

/// A configuration that has been checked.
pub(super) struct Settings {
	pub(super) store: Arc<dyn ObjectStore>,
	pub(super) is_folder: bool,
	pub(super) prefix: Path,
	pub(super) concurrent_writes: usize,
	pub(super) write_timeout: Duration,
	pub(super) retries: (Duration, Duration),
}

impl Settings {
	/// Checks a configuration.
	///
	/// # Errors
	/// When a field is not as it must be.
	pub(super) fn new(configuration: &ArchiveConfiguration) -> Result<Self, ConfigurationError> {
		let write_timeout = wait("write_timeout_ms", configuration.write_timeout_ms)?;
		let (store, is_folder): (Arc<dyn ObjectStore>, bool) =
			match (&configuration.folder, &configuration.s3) {
				(Some(folder), None) => (Arc::new(local(folder)?), true),
				(None, Some(bucket)) => (s3(bucket, write_timeout)?, false),
				_ => return Err(invalid("folder", "give either this or s3")),
			};
		Ok(Self {
			store,
			is_folder,
			prefix: Path::parse(&configuration.prefix).map_err(|error| invalid("prefix", error))?,
			concurrent_writes: at_most(
				"concurrent_writes",
				configuration.concurrent_writes,
				MAXIMUM_CONCURRENT_WRITES,
			)?,
			write_timeout,
			retries: retries(
				configuration.reconnect_minimum_ms,
				configuration.reconnect_maximum_ms,
			)?,
		})
	}
}

/// A file is on disk when it is put.
fn local(folder: &FilePath) -> Result<LocalFileSystem, ConfigurationError> {
	LocalFileSystem::new_with_prefix(folder)
		.map(|store| store.with_fsync(true))
		.map_err(|error| invalid("folder", error))
}

fn s3(
	configuration: &S3Configuration,
	write_timeout: Duration,
) -> Result<Arc<dyn ObjectStore>, ConfigurationError> {
	for (field, value) in
		[("s3.bucket", &configuration.bucket), ("s3.region", &configuration.region)]
	{
		if value.is_empty() {
			return Err(invalid(field, "must not be empty"));
		}
	}
	let mut client = ClientOptions::new().with_timeout(write_timeout);
	if let Some(file) = &configuration.ca_file {
		for certificate in authorities(file)? {
			client = client.with_root_certificate(certificate);
		}
	}
	let mut builder = AmazonS3Builder::new()
		.with_bucket_name(&configuration.bucket)
		.with_region(&configuration.region)
		.with_checksum_algorithm(Checksum::SHA256)
		.with_virtual_hosted_style_request(configuration.virtual_hosted_style)
		// The outlet itself waits and tries again.
		.with_retry(RetryConfig { max_retries: 0, ..Default::default() });
	if let Some(endpoint) = &configuration.endpoint {
		let plain = is_plain(endpoint, configuration.plaintext)?;
		client = client.with_allow_http(plain);
		builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(plain);
	}
	match (&configuration.access_key_id, &configuration.secret_access_key_file) {
		(None, None) => {}
		(Some(id), Some(file)) => {
			let key = AccessKey { id: id.clone(), secret_file: file.clone() };
			builder = builder.with_credentials(Arc::new(key));
		}
		(Some(_), None) => {
			return Err(invalid("s3.secret_access_key_file", "is missing for access_key_id"))
		}
		(None, Some(_)) => {
			return Err(invalid("s3.access_key_id", "is missing for secret_access_key_file"))
		}
	}
	let store =
		builder.with_client_options(client).build().map_err(|error| invalid("s3", error))?;
	Ok(Arc::new(store))
}

fn authorities(file: &FilePath) -> Result<Vec<Certificate>, ConfigurationError> {
	let reason = |error: &dyn std::fmt::Display| {
		invalid("s3.ca_file", format!("{}: {error}", file.display()))
	};
	let pem = std::fs::read(file).map_err(|error| reason(&error))?;
	let found = Certificate::from_pem_bundle(&pem).map_err(|error| reason(&error))?;
	if found.is_empty() {
		return Err(reason(&"holds no certificate"));
	}
	Ok(found)
}

/// Whether an endpoint is not encrypted.
fn is_plain(endpoint: &str, plaintext: bool) -> Result<bool, ConfigurationError> {
	const FIELD: &str = "s3.endpoint";
	let url = Url::parse(endpoint).map_err(|error| invalid(FIELD, error))?;
	if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
		return Err(invalid(FIELD, "must have no user, password or query"));
	}
	let is_near = match url.host() {
		None => return Err(invalid(FIELD, "has no host")),
		Some(Host::Domain(name)) => is_this_machine(name),
		Some(Host::Ipv4(address)) => address.is_loopback(),
		Some(Host::Ipv6(address)) => address.is_loopback(),
	};
	match url.scheme() {
		"https" if plaintext => Err(invalid("s3.plaintext", "contradicts the endpoint's https")),
		"https" => Ok(false),
		"http" if plaintext || is_near => Ok(true),
		"http" => {
			Err(invalid(FIELD, "must be https, unless it is this machine or plaintext is true"))
		}
		_ => Err(invalid(FIELD, "must begin with https:// or http://")),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn check(json: &str) -> Result<Settings, String> {
		let configuration = serde_json::from_str(json).map_err(|error| error.to_string())?;
		Settings::new(&configuration).map_err(|error| error.to_string())
	}

	#[test]
	fn folder_or_bucket_is_opened() {
		let folder = check(r#"{"folder":"/","prefix":"a/b"}"#).unwrap();
		assert_eq!((folder.is_folder, folder.concurrent_writes), (true, 4));
		assert_eq!(folder.prefix.as_ref(), "a/b");
		for endpoint in ["https://s3.example", "http://localhost:9000/", "http://[::1]:9000"] {
			let json = format!(r#"{{"s3":{{"bucket":"b","endpoint":"{endpoint}"}}}}"#);
			assert!(check(&json).is_ok_and(|settings| !settings.is_folder), "{endpoint}");
		}
	}

	#[test]
	fn wrong_fields_are_named() {
		let none = "/none/at/all";
		for (json, error) in [
			("{}".to_owned(), "folder: give either this or s3"),
			(r#"{"folder":"/","s3":{"bucket":"b"}}"#.into(), "folder: give either"),
			(format!(r#"{{"folder":"{none}"}}"#), "folder: "),
			(r#"{"folder":"/","prefix":"a//b"}"#.into(), "prefix: "),
			(r#"{"folder":"/","prefix":"../b"}"#.into(), "prefix: "),
			(r#"{"folder":"/","concurrent_writes":0}"#.into(), "concurrent_writes: must be at"),
			(r#"{"folder":"/","concurrent_writes":65}"#.into(), "concurrent_writes: must be at"),
			(r#"{"folder":"/","write_timeout_ms":0}"#.into(), "write_timeout_ms: must be"),
			(r#"{"folder":"/","reconnect_maximum_ms":1}"#.into(), "reconnect_maximum_ms: must"),
			(r#"{"folder":"/","fodler":1}"#.into(), "unknown field `fodler`"),
			(r#"{"s3":{"bucket":""}}"#.into(), "s3.bucket: must not be empty"),
			(r#"{"s3":{"bucket":"b","region":""}}"#.into(), "s3.region: must not be empty"),
			(
				r#"{"s3":{"bucket":"b","access_key_id":"a"}}"#.into(),
				"s3.secret_access_key_file: is missing",
			),
			(
				r#"{"s3":{"bucket":"b","secret_access_key_file":"a"}}"#.into(),
				"s3.access_key_id: is missing",
			),
			(format!(r#"{{"s3":{{"bucket":"b","ca_file":"{none}"}}}}"#), "s3.ca_file: /none"),
			(r#"{"s3":{"bucket":"b","ca_file":"/dev/null"}}"#.into(), "s3.ca_file: /dev/null"),
		] {
			let found = check(&json).err().unwrap_or_default();
			assert!(found.starts_with(error), "{json}: {found}");
		}
	}

	#[test]
	fn endpoint_is_encrypted_unless_it_is_near_or_nobody_minds() {
		assert!(is_plain("http://s3.example", true).unwrap());
		assert!(!is_plain("https://s3.example", false).unwrap());
		for (endpoint, plaintext, error) in [
			("http://s3.example", false, "s3.endpoint: must be https"),
			("https://s3.example", true, "s3.plaintext: contradicts"),
			("ftp://s3.example", false, "s3.endpoint: must begin"),
			("https://a:b@s3.example", false, "s3.endpoint: must have no user"),
			("unix:/a", false, "s3.endpoint: has no host"),
			("s3", false, "s3.endpoint: "),
		] {
			let found = is_plain(endpoint, plaintext).unwrap_err().to_string();
			assert!(found.starts_with(error), "{endpoint}: {found}");
		}
	}
}
