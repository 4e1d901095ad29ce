//! The port through which sources (a broker, a file, a web server) hand meter readings to the oracle.
//!
//! A source takes messages from outside, hands them to a [`ReadingSink`] in batches, and says to the
//! outside that they are taken only when the sink has answered: what a sink reports as stored or as a
//! duplicate is on disk. What is rejected will never be taken, so it may be acknowledged too; the sink
//! has kept it with the reason. A message that a source itself cannot hand over goes to
//! [`ReadingSink::reject`], so that it is kept as well. While the sink is unavailable, nothing is
//! acknowledged, and the source holds back or offers the same messages again: that is how a slow
//! disk slows a client.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Verdict {
	/// It is on disk.
	Accepted,
	/// It was on disk already.
	Duplicate,
	/// It was not taken, and never will be.
	Rejected(Rejection),
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
	/// Path of the field in the JSON document, `$` for the document as a whole.
	pub field: String,
	/// One sentence for a human.
	pub reason: String,
	/// The same for a machine; never changed once published.
	pub code: String,
}

/// Nothing of a batch may be assumed to be stored. It may be offered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
	/// One sentence for a human.
	pub reason: String,
	/// How long to wait before it is offered again.
	pub retry_after: Duration,
}

impl std::fmt::Display for Unavailable {
	fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		formatter.write_str(&self.reason)
	}
}

impl std::error::Error for Unavailable {}

/// Takes messages. Given by the oracle; cheap to share.
pub trait ReadingSink: Send + Sync + 'static {
	/// Takes messages of the standard, each a JSON document of its own, and answers for each, in
	/// order. Waits while the oracle is busy, up to a limit of its own.
	///
	/// # Errors
	/// When nothing can be taken at present.
	fn submit(
		&self,
		messages: Vec<Bytes>,
	) -> impl Future<Output = Result<Vec<Verdict>, Unavailable>> + Send;

	/// Keeps messages that the source refuses itself, each with the reason, among the rejected ones.
	/// Of a message that is too long, its beginning is enough.
	///
	/// # Errors
	/// When nothing can be kept at present.
	fn reject(
		&self,
		messages: Vec<(Bytes, Rejection)>,
	) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
