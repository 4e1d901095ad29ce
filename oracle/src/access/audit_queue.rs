//! The thread that writes the audit log; what waits is written together.

use std::{path::Path, sync::Arc, time::Duration};

use oracle_access::{
	audit::{AuditLog, LogSettings, Record},
	Clock,
};
use tokio::sync::{mpsc, oneshot};

use super::{unusable, AccessError};

/// How many decisions may wait for the audit log.
const AUDIT_QUEUE: usize = 1_024;
/// How long a decision may wait for the audit log.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to the audit log. The log is open until the last way to it is gone.
#[derive(Clone)]
pub(super) struct AuditQueue(mpsc::Sender<(Record, oneshot::Sender<()>)>);

impl AuditQueue {
	/// Waits until a record is in the log, on disk; whether it is.
	pub(super) async fn keep(&self, record: Record) -> bool {
		let (kept, done) = oneshot::channel();
		let keep = async {
			self.0.send((record, kept)).await.ok()?;
			done.await.ok()
		};
		matches!(tokio::time::timeout(AUDIT_TIMEOUT, keep).await, Ok(Some(())))
	}

	/// Opens the log and starts the thread.
	pub(super) fn start(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
		let failed = unusable("audit_folder");
		let opened = AuditLog::open(folder, LogSettings::default(), clock)
			.map_err(|error| failed(&error))?;
		if opened.repaired_bytes > 0 {
			let bytes = opened.repaired_bytes;
			tracing::warn!(bytes, "a cut off line of the audit log is removed");
		}
		let mut log = opened.log;
		let (records, mut waiting) = mpsc::channel::<(Record, oneshot::Sender<()>)>(AUDIT_QUEUE);
		std::thread::Builder::new()
			.name("oracle-audit".into())
			.spawn(move || {
				while let Some(first) = waiting.blocking_recv() {
					let mut group = vec![first];
					while group.len() < AUDIT_QUEUE {
						let Ok(next) = waiting.try_recv() else { break };
						group.push(next);
					}
					let (records, kept): (Vec<_>, Vec<_>) = group.into_iter().unzip();
					match log.append_all(&records) {
						// Whoever does not wait any more is not served either.
						Ok(()) => {
							for kept in kept {
								let _ = kept.send(());
							}
						}
						Err(error) => {
							tracing::error!(
								%error,
								"the audit log cannot be written: nobody is served"
							);
						}
					}
				}
			})
			.map_err(|error| failed(&error))?;
		Ok(Self(records))
	}
}
