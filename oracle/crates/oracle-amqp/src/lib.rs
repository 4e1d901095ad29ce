//! Takes meter readings from a broker that speaks AMQP 0-9-1, such as RabbitMQ, and hands them to
//! the oracle.
//!
//! ```no_run
//! use std::sync::Arc;
//! use oracle_amqp::{Configuration, Settings, Source};
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
//!         "broker_url": "amqps://broker.example",
//!         "username": "oracle",
//!         "password_file": "/etc/oracle/broker-password",
//!         "queue": "meter-readings",
//!         "declare": "quorum",
//!         "bindings": [{ "exchange": "meters", "routing_key": "readings.#" }]
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
//! The body of one message is one message of WIA-ENE-014. Properties, headers and routing keys are
//! not looked at, nor is the `user-id` of the publisher: who a reading is from is for the sink to
//! judge, by the signature in it.
//!
//! # What is promised
//!
//! A message is acknowledged only after the sink has answered for it and for all that came before
//! it: stored, stored before, or rejected for good. While the sink is unavailable nothing is
//! acknowledged, nothing more is taken, and the same batch is offered again. When the connection is
//! lost, the broker sends again what was not acknowledged; the sink sees such a message twice and
//! says so. An acknowledgement is never sent on another connection than the one its message came on.
//!
//! A message with a body larger than allowed ([`TOO_LARGE`]) goes to
//! [`ReadingSink::reject`](oracle_port::ReadingSink::reject) and is acknowledged after that.
//!
//! # Memory
//!
//! Held at most: `prefetch_messages` that the broker has sent ahead, one batch that waits and
//! `concurrent_batches` the sink has, each of `batch_messages` messages or `batch_bytes` bytes and
//! one message more. The protocol has no limit in bytes for what is sent ahead: the largest message
//! is up to the broker (`max_message_size`).
//!
//! # TLS
//!
//! `amqps://` is TLS 1.3 and nothing older, with the name of the broker checked.
//!
//! # What to set at the broker
//!
//! RabbitMQ closes a channel whose messages are not acknowledged within `consumer_timeout` (30
//! minutes); the source connects again then, and nothing is lost. It drops messages of a quorum
//! queue that were delivered more often than its delivery limit (20 by default since 4.0): switch
//! that limit off by a policy, for a message comes again whenever a connection is lost.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod configuration;
mod connection;
mod exchange;
mod source;
mod transport;

pub use configuration::{Binding, Configuration, QueueType, Settings};
pub use oracle_source::{ConfigurationError, Counters, Status, TOO_LARGE};
pub use source::Source;
