//! Takes meter readings from Kafka and hands them to the oracle.
//!
//! ```no_run
//! use std::sync::Arc;
//! use oracle_kafka::{Configuration, Settings, Source};
//! use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
//!
//! # struct Store;
//! # impl ReadingSink for Store {
//! #     async fn submit(&self, messages: Vec<bytes::Bytes>) -> Result<Vec<Verdict>, Unavailable> {
//! #         Ok(vec![Verdict::Accepted; messages.len()])
//! #     }
//! #     async fn reject(&self, _: Vec<(bytes::Bytes, Rejection)>) -> Result<(), Unavailable> {
//! #         Ok(())
//! #     }
//! # }
//! # async fn example(store: Arc<Store>, shutdown: tokio::sync::oneshot::Receiver<()>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let configuration: Configuration = serde_json::from_str(
//!     r#"{
//!         "brokers": ["kafka-1.example:9092", "kafka-2.example:9092"],
//!         "group_id": "oracle-seoul",
//!         "topics": ["meter-readings"]
//!     }"#,
//! )?;
//! let source = Source::new(Settings::try_from(configuration)?, store)?;
//! let counters = source.counters();
//! source.run(async { shutdown.await.unwrap_or_default() }).await;
//! # drop(counters);
//! # Ok(())
//! # }
//! ```
//!
//! One record is one message of WIA-ENE-014. Keys and headers are not looked at: who a reading is
//! from is for the sink to judge, by the signature in it.
//!
//! # What is promised
//!
//! An offset is committed only when the sink has answered for its record and for every record
//! before it of the same partition: stored, stored before, or rejected for good. While the sink is
//! unavailable nothing is committed, the same batches are offered again, and the partitions are
//! paused; the consumer goes on polling, so that the group does not throw it out. When partitions
//! are taken away, the answers for what the sink has are waited for, up to `revoke_timeout_ms`, and
//! committed first. After a crash the records since the last commit come again; the sink sees them
//! twice and says so.
//!
//! Two kinds of records never reach [`ReadingSink::submit`](oracle_port::ReadingSink::submit): one
//! with a value larger than allowed ([`TOO_LARGE`]) and one without a value ([`TOMBSTONE`]). They go
//! to [`ReadingSink::reject`](oracle_port::ReadingSink::reject) and count as handled after that.
//!
//! # Memory
//!
//! Held at most: one batch that waits and `concurrent_batches` the sink has, each of
//! `batch_messages` records or `batch_bytes` bytes and one record more, and `prefetch_bytes` of
//! records that were fetched ahead, and one fetch more.
//!
//! # Threads
//!
//! A source has a thread of its own that polls, besides those of librdkafka; the sink is asked on
//! the runtime [`Source::run`] is called on. Several sources of one `group_id`, in one process or
//! in several, share the partitions.
//!
//! # TLS
//!
//! Only with the feature `tls`, by the OpenSSL of the system, whose configuration sets the lowest
//! version of the protocol (`MinProtocol = TLSv1.3`). SCRAM needs the feature too. The password is
//! read whenever a consumer is made; librdkafka keeps it in memory while the consumer lives.

#![cfg_attr(test, allow(clippy::unwrap_used))]

// The support of the tests in `tests` serves the tests in here too.
#[cfg(test)]
extern crate self as oracle_kafka;

mod configuration;
mod consumer;
mod group;
mod offsets;
mod source;

pub use configuration::{Configuration, OffsetReset, SaslMechanism, Settings};
pub use consumer::TOMBSTONE;
pub use oracle_source::{ConfigurationError, Counters, Status, TOO_LARGE};
pub use source::Source;
