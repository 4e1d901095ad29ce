//! The oracle of the energy chain: takes signed meter readings, keeps them, and attests them.
//!
//! ```text
//! meter ─signed message─▶ http ─▶ ingest ─▶ writer ─▶ store ─▶ seal ─▶ aggregate ─▶ outbox ─▶ chain
//!                                    ▲                           ▲
//!                                 registry ◀────── follow ───────┘ (blocks, clock, meters)
//! ```
//!
//! * [`ingest`] checks a message against the rules of [`reading`] and the [`registry`] of meters, and
//!   answers when it is on disk;
//! * [`seal`] decides when a slot is over, and [`aggregate`] turns its readings into pages;
//! * [`outbox`] brings the pages to the chain, however often it takes;
//! * [`outlets`] give copies of sealed readings to others, such as a PostgreSQL;
//! * [`follow`] reads the chain's blocks, clock and meters;
//! * [`http`] is the interface, [`service`] puts the parts together, [`replay`] plays a meter;
//! * [`standby`] waits for the data folder of another process, to take it over.
//!
//! The ports are the traits [`Store`](store::Store), [`ChainClient`](chain::ChainClient) and
//! [`Clock`](clock::Clock). The adapters are [`RocksStore`](store::rocks::RocksStore),
//! [`NodeClient`](chain::node::NodeClient) and [`SystemClock`](clock::SystemClock).
//!
//! # What is promised
//!
//! 1. A reading that is reported as accepted is on disk, also after `kill -9` and a power cut.
//! 2. A figure of a meter counts once, however often and in whatever company it is sent.
//! 3. What was sealed for a slot never changes, and reaches the chain as soon as the chain can be
//!    reached, unless it refuses it for good.
//! 4. No reading vanishes silently: it is attested, or its sender was told why not.

#![forbid(unsafe_code)]

pub mod access;
pub mod aggregate;
pub mod anchor;
pub mod assess;
pub mod backoff;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod events;
pub mod follow;
pub mod http;
pub mod https;
pub mod ingest;
pub mod key;
pub mod keys_command;
pub mod metrics;
pub mod outbox;
pub mod outlets;
pub mod reading;
pub mod registry;
pub mod replay;
pub mod reseal;
pub mod retention;
pub mod seal;
pub mod service;
pub mod sources;
pub mod standby;
pub mod store;
pub mod usage;
pub mod webhooks;
