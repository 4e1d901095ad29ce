//! Waits until the data folder of another process is free, to take it over.
//!
//! One process at a time has a data folder open. RocksDB sees to that with a lock on the file `LOCK` in the
//! folder (a POSIX record lock, `fcntl`), which the system takes away when the process ends, however it
//! ends. A standby looks at the lock and never takes it: it opens the file to read, and changes nothing
//! in the folder. What it waits for is a folder that has a database whose lock is free; a folder that is
//! empty or away, such as storage that is not mounted, is no reason to begin with a new database.
//!
//! While it waits it serves on the oracle's own address, so that whoever spreads the load sees it:
//! `/healthz` says that the process is well, `/metrics` that it is a standby, and everything else, also
//! `/readyz`, is answered with 503 and the problem `standby`. Nothing is read from a request's body.

use std::{
	fs::File,
	io,
	path::{Path, PathBuf},
	time::Duration,
};

use axum::{
	http::{header, StatusCode},
	response::{IntoResponse, Response},
	routing::get,
	Json, Router,
};
use rustix::process::{fcntl_getlk, Flock, FlockType};
use secure_server::Server;
use serde_json::json;

use crate::service::Config;

/// How often the lock is looked at. A look costs a file opened and a question to the system.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long requests that a standby is answering may take when it takes over.
const DRAIN_TIMEOUT_MS: u64 = 1_000;
/// The file that RocksDB locks.
const LOCK_FILE: &str = "LOCK";
/// The file that every database has.
const CURRENT_FILE: &str = "CURRENT";

/// Why a standby cannot wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandbyError {
	/// The lock cannot be looked at.
	#[error("cannot look at the lock {path}: {source}")]
	Lock {
		/// The file.
		path: PathBuf,
		/// What the system answered.
		source: io::Error,
	},
	/// The address cannot be listened on, or the certificate cannot be used.
	#[error("cannot serve as a standby: {0}")]
	Serve(#[from] secure_server::ServerError),
}

/// Who has the database of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
	/// There is no database, or the folder cannot be reached.
	Absent,
	/// Nobody has it open.
	Free,
	/// Another process has it open.
	InUse,
}

/// Who has the database of a folder. Changes nothing there.
///
/// A process must not ask about a database that it has open itself: closing the file would take its own
/// lock away.
///
/// # Errors
/// When the lock is there and cannot be looked at.
pub fn occupancy(folder: &Path) -> Result<Occupancy, StandbyError> {
	let path = folder.join(LOCK_FILE);
	let failed = |source| StandbyError::Lock { path: path.clone(), source };
	let file = match File::open(&path) {
		Ok(file) => file,
		Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupancy::Absent),
		Err(error) => return Err(failed(error)),
	};
	let whole_file = Flock::from(FlockType::WriteLock);
	match fcntl_getlk(&file, &whole_file) {
		Ok(Some(_holder)) => Ok(Occupancy::InUse),
		Ok(None) if folder.join(CURRENT_FILE).exists() => Ok(Occupancy::Free),
		Ok(None) => Ok(Occupancy::Absent),
		Err(error) => Err(failed(error.into())),
	}
}

/// A process that waits for a data folder, and says so on the oracle's address.
pub struct Standby {
	folder: PathBuf,
	url: String,
	server: Server,
}

impl Standby {
	/// Listens on the oracle's address. Where that has port 0, the port that the system gives is put
	/// into the configuration, so that the oracle gets the same one afterwards.
	///
	/// # Errors
	/// When the address cannot be listened on.
	pub async fn start(config: &mut Config) -> Result<Self, StandbyError> {
		let mut http = config.http.clone();
		http.limits.drain_timeout_ms = http.limits.drain_timeout_ms.min(DRAIN_TIMEOUT_MS);
		let scheme = if http.tls.is_some() { "https" } else { "http" };
		let server = Server::bind(http).await?;
		config.http.address = server.address();
		let url = format!("{scheme}://{}", server.address());
		Ok(Self { folder: config.data.clone(), url, server })
	}

	/// Its base address.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// Waits until nobody has the folder's database open, and stops serving before it returns. The
	/// database may be taken by another standby before the caller opens it: then wait again. A future
	/// that is dropped stops serving at once.
	///
	/// # Errors
	/// When the lock cannot be looked at at the beginning. Later that is a reason to wait: storage that
	/// other machines use too may be away for a moment.
	pub async fn wait(self) -> Result<(), StandbyError> {
		let Self { folder, url, server } = self;
		let now = occupancy(&folder)?;
		if now == Occupancy::Free {
			return Ok(());
		}
		tracing::info!(
			folder = %folder.display(), database = ?now, url, "waiting for the data folder as a standby"
		);
		server.run(router(), wait_until_free(&folder)).await;
		Ok(())
	}
}

/// Looks again and again.
async fn wait_until_free(folder: &Path) {
	let mut looks = tokio::time::interval(LOOK_INTERVAL);
	looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
	let mut is_warned = false;
	loop {
		looks.tick().await;
		let look = {
			let folder = folder.to_owned();
			move || occupancy(&folder)
		};
		match tokio::task::spawn_blocking(look).await {
			Ok(Ok(Occupancy::Free)) => {
				tracing::info!(folder = %folder.display(), "the data folder is free: taking over");
				return;
			}
			Ok(Ok(Occupancy::InUse | Occupancy::Absent)) => is_warned = false,
			Ok(Err(error)) => {
				if !is_warned {
					tracing::warn!(%error, "the data folder cannot be looked at: waiting");
				}
				is_warned = true;
			}
			Err(error) => tracing::error!(%error, "a look at the data folder broke off"),
		}
	}
}

fn router() -> Router {
	const METRICS: &str =
		"# HELP energy_oracle_standby Whether this process waits for the data folder of another.\n\
		 # TYPE energy_oracle_standby gauge\n\
		 energy_oracle_standby 1\n";
	Router::new()
		.route("/healthz", get(|| async { "ok\n" }))
		.route("/metrics", get(|| async { METRICS }))
		.fallback(refuse)
}

async fn refuse() -> Response {
	let problem = json!({
		"type": "urn:energy-oracle:problem:standby",
		"title": "Service Unavailable",
		"status": StatusCode::SERVICE_UNAVAILABLE.as_u16(),
		"detail": "this process is a standby: another one has the data folder",
	});
	let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
	// In this order the type of the headers replaces that of the body.
	(StatusCode::SERVICE_UNAVAILABLE, headers, Json(problem)).into_response()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_folder_without_a_database_is_absent_and_stays_as_it_is() {
		let folder = tempfile::tempdir().expect("a temporary folder");
		let look = || occupancy(folder.path()).expect("it can be looked at");
		assert_eq!(look(), Occupancy::Absent);
		assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
		std::fs::write(folder.path().join(LOCK_FILE), "").expect("it can be written");
		assert_eq!(look(), Occupancy::Absent, "a lock is no database");
		std::fs::write(folder.path().join(CURRENT_FILE), "").expect("it can be written");
		assert_eq!(look(), Occupancy::Free);
		let away = folder.path().join("not mounted");
		assert_eq!(occupancy(&away).expect("it can be looked at"), Occupancy::Absent);
		assert!(!away.exists());
	}

	#[test]
	fn a_lock_that_cannot_be_looked_at_is_an_error_that_names_it() {
		let folder = tempfile::tempdir().expect("a temporary folder");
		// A file where the folder should be.
		let file = folder.path().join("file");
		std::fs::write(&file, "").expect("it can be written");
		let error = occupancy(&file).expect_err("it is no folder").to_string();
		assert!(error.contains("file/LOCK"), "{error}");
	}
}
