//! Writes a customer's energy usage as Green Button data: an Atom feed (RFC 4287) whose entries
//! hold the resources of the Energy Service Provider Interface (NAESB REQ.21, ESPI).
//!
//! ```
//! use green_button::{Description, FeedWriter, Interval, LocalTime, Quality};
//!
//! let description = Description {
//!     meter_id: "meter-7".into(),
//!     title: "12 Mill Lane".into(),
//!     author: "Riverside Energy".into(),
//!     resource_base: "/espi/1_1/resource".into(),
//!     updated_seconds: 1_764_000_000,
//!     period_start_seconds: 1_763_942_400,
//!     period_end_seconds: 1_764_028_800,
//!     interval_seconds: 900,
//!     local_time: LocalTime { offset_seconds: 3600, daylight_saving: None },
//! };
//! let mut feed = FeedWriter::start(Vec::new(), &description)?;
//! feed.push(&Interval {
//!     start_seconds: 1_763_942_400,
//!     duration_seconds: 900,
//!     import_wh: 250,
//!     export_wh: 0,
//!     quality: Quality::Valid,
//! })?;
//! let xml = String::from_utf8(feed.finish()?)?;
//! assert!(xml.contains("<espi:value>250</espi:value>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The feed has one usage point with its local time parameters, and two meter readings: energy
//! that the customer took from the network (`flowDirection` 1, forward) and energy that the
//! customer fed into it (`flowDirection` 19, reverse). Both are in watt-hours (`uom` 72,
//! `powerOfTenMultiplier` 0), as amounts for each interval (`accumulationBehaviour` 4, delta data).
//! The intervals of a local standard day make one interval block for each direction.
//!
//! - Nothing is rounded: a watt-hour in is a watt-hour out.
//! - Memory holds the intervals of one day, however long the period is.
//! - Every id is a name-based UUID (version 5, RFC 9562) of what it identifies, and the time of
//!   the update is an argument, so the same export has the same bytes.
//! - Times are whole seconds since 1970-01-01T00:00:00Z.
//! - The order of the elements is that of `espi.xsd`, version 4.0.

mod description;
mod error;
mod feed;
mod identifier;
mod interval;
mod local_time;

pub use description::{Description, MAX_TEXT_CHARACTERS};
pub use error::ExportError;
pub use feed::FeedWriter;
pub use interval::{Direction, EstimationMethod, Interval, Quality, MAX_ENERGY_WH};
pub use local_time::{DaylightSaving, LocalTime, Occurrence, SwitchRule, Weekday};
