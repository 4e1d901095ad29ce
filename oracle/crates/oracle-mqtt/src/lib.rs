//! Takes meter readings from an MQTT broker and hands them to the oracle.
//!
//! ```no_run
//! use std::sync::Arc;
//! use oracle_mqtt::{Configuration, Settings, Source};
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
//!         "broker_url": "mqtts://broker.example",
//!         "client_id": "oracle-seoul-1",
//!         "username": "oracle",
//!         "password_file": "/etc/oracle/broker-password",
//!         "topics": ["energy-cloud/{region}/{deviceType}/{deviceId}/readings"],
//!         "shared_group": "oracles"
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
//! # What is promised
//!
//! A message of QoS 1 is acknowledged only after the sink has answered for it: stored, stored
//! before, or rejected for good. While the sink is unavailable nothing is acknowledged, nothing
//! more is read from the socket, and the same batch is offered again. When the connection is lost,
//! the broker sends again what was not acknowledged, provided that the session is kept
//! (`clean_start = false`); the sink sees such a message twice and says so. An acknowledgement is
//! never sent on another connection than the one its message came on.
//!
//! Everything is subscribed with QoS 1, so the broker delivers QoS 2 as QoS 1. Messages of QoS 0
//! are handed over too, without a promise.
//!
//! Two kinds of messages the source refuses itself and gives to [`ReadingSink::reject`], with the
//! topic in the reason: one whose topic names another device than its `meterId` does, and one with
//! a payload larger than allowed, of which the first 4096 bytes are kept. They are counted, logged,
//! and acknowledged when the sink has kept them. Whatever else is wrong with a message is for the
//! sink to judge.
//!
//! [`ReadingSink::reject`]: oracle_port::ReadingSink::reject
//!
//! # Memory
//!
//! Held at most: one batch that waits and `concurrent_batches` the sink has, each of
//! `batch_messages` messages or `batch_bytes` bytes, and one packet. A publication beyond
//! `maximum_payload_bytes` is passed over; only its beginning, 4096 bytes, is held.
//!
//! # More than one core
//!
//! A source is one task and one connection. Several sources, in one process or in several, share
//! the messages by a common `shared_group`, each with its own `client_id`.
//!
//! # What to set at the broker
//!
//! Mosquitto sends at most `max_inflight_messages` (20) ahead and drops what exceeds
//! `max_queued_messages` (1000) for an absent client; it forgets sessions at a restart unless
//! `persistence` is on. A broker for meters needs larger numbers and persistence.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backoff;
mod configuration;
mod connection;
mod counters;
mod decoder;
mod exchange;
mod meter_id;
mod protocol;
mod source;
mod topic;
mod transport;

pub use configuration::{Configuration, ConfigurationError, ProtocolVersion, Settings};
pub use counters::Counters;
pub use source::{Source, Status, TOO_LARGE, TOPIC_MISMATCH};
pub use topic::{TopicPattern, TopicPatternError};
