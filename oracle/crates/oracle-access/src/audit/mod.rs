//! Who asked for what and what was answered, in a log that shows when it was changed.
//!
//! Every line of the log is an [`Entry`] in JSON, in ASCII only. It has the SHA-256 of the line
//! before it, without the line end, so that nobody changes, removes or adds a line without
//! changing all that follow. What the chain alone cannot show is that its end was cut off or that
//! all of it was written anew: for that, compare [`Verified::end`] with a [`Checkpoint`] from
//! elsewhere, or the [`DayDigest`] of each day with the one that was put on the chain.
//!
//! The log is a folder of segments, `audit-<sequence of the first entry>.jsonl`. A segment is
//! begun when the last one is full, and continues its chain. None is removed by itself:
//! [`prune`] removes those that were archived and tells where the rest begins.
//!
//! Appending waits for the disk. A service that answers many requests at once gives the log a
//! thread of its own behind a bounded queue, which appends all that waits with one
//! [`AuditLog::append_all`], and answers a request when its entry is there.
//!
//! An entry has identifiers only: the issuer and the subject, a kind and an id. No name, no
//! address, no token, no data. The subject of an outside provider must not be somebody's e-mail
//! address or name.
//!
//! [`verify`] fails at the first entry that cannot be trusted. A last line without a line end is
//! what remains when the machine stops while it is written: [`AuditLog::open`] removes it, since
//! its append never returned. Anything else that is wrong stays as it is, for a person to look at.

mod day;
mod entry;
mod error;
mod log;
mod scan;
mod segment;

pub use day::{digest_of_day, digests_of_days, DayDigest, SECONDS_PER_DAY};
pub use entry::{Checkpoint, Digest, Entry, Outcome, Record};
pub use error::{AuditError, Breach};
pub use log::{AuditLog, LogSettings, Opened, Receipt, SyncPolicy};
pub use scan::{prune, verify, Verified};
