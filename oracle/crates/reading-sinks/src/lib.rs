//! Outlets for meter readings that are already stored.
//!
//! The oracle's own store is the truth; an [`Outlet`] gives others a copy in a form they know. The
//! oracle reads its store from a cursor of its own for each outlet and hands over one [`Batch`] after
//! another, at least once; an outlet takes the same batch as often as it comes and keeps it once.
//!
//! | outlet | feature | where readings go |
//! | --- | --- | --- |
//! | [`postgres::PostgresOutlet`] | `postgres` | rows of PostgreSQL, or of a TimescaleDB hypertable |
//! | [`archive::ArchiveOutlet`] | `archive` | Parquet objects in a folder or in S3 |
//! | [`redis::RedisOutlet`] | `redis` | the latest reading of each meter |
//!
//! A configuration is read with serde, then checked by opening the outlet; an error names the field
//! and the reason. Secrets are in files of their own, read whenever they are needed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "archive")]
pub mod archive;
mod batch;
#[cfg(any(feature = "archive", feature = "server"))]
mod configuration;
mod outlet;
#[cfg(any(feature = "archive", feature = "server"))]
mod pace;
#[cfg(feature = "server")]
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "server")]
mod server;

pub use batch::{
	Batch, BatchError, BatchId, MeterId, Quality, Row, MAXIMUM_ENERGY_WH, MAXIMUM_EVIDENCE_BYTES,
	MAXIMUM_ROWS, MAXIMUM_START_SECONDS,
};
pub use oracle_source::ConfigurationError;
pub use outlet::{Outlet, OutletError};
#[cfg(feature = "server")]
pub use server::TlsConfiguration;
