//! Validation, estimation and editing of meter readings (VEE), written down and versioned.
//!
//! What is attested for billing is always the figure that the meter signed, or nothing. Nothing in
//! this crate changes a signed figure. It does three other things with it:
//!
//! - **Validation** says how good a figure is. A [`RuleSet`] is data with a versioned name; a
//!   [`Validator`] applies it; every [`Verdict`] names the rule set and the version of each rule
//!   that found something, so that it can be repeated later.
//! - **Estimation** fills gaps for forecasting, dispatch and display: see [`estimate_gap`]. An
//!   [`Estimate`] is a type of its own that does not turn into a reading, so it cannot be attested.
//! - **Editing** lets an operator overrule a figure that is shown or used for operation, and keeps
//!   who, when, why, old and new: see [`EditTrail`].
//!
//! Everything is arithmetic on integers: watt-hours, watts and seconds. There is no clock and no
//! input or output; the moment of arrival is an argument.
//!
//! ```
//! use vee::{Calendar, MeterClass, MeterFacts, MeterHistory, Outcome, RuleSet, Validator};
//! use wia_ene_014::canonical::{CanonicalInterval, Quality};
//!
//! let validator = Validator::new(RuleSet::default_1(MeterClass::Consumer))?;
//! let facts = MeterFacts { interval_seconds: 900, ..MeterFacts::rated(10_000) };
//! let mut history = MeterHistory::default();
//! let reading = CanonicalInterval {
//!     start_seconds: 1_800_000_000,
//!     duration_seconds: 900,
//!     import_wh: 250,
//!     export_wh: 40,
//!     quality: Quality::Valid,
//! };
//! let taken = validator.take(&facts, &Calendar::default(), &mut history, &reading, 1_800_000_960);
//! // A consumer has no generation, so energy given to the grid is suspect.
//! assert_eq!(taken.verdict.outcome(), Outcome::Suspect);
//! assert_eq!(taken.verdict.quality(reading.quality), Quality::Suspect);
//! # Ok::<(), vee::RuleSetError>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apportion;
mod calendar;
mod edit;
mod estimate;
mod history;
mod quality;
mod register;
mod rules;
mod timeline;
mod validate;
mod verdict;

pub use apportion::apportion;
pub use calendar::{
	Calendar, CalendarError, DayKind, LocalTime, OffsetChange, FRIDAY, MONDAY, SATURDAY,
	SECONDS_PER_DAY, SUNDAY, THURSDAY, TUESDAY, WEDNESDAY,
};
pub use edit::{
	Act, Current, EditEntry, EditError, EditRequest, EditTrail, Figure, Origin, Target, Unit,
	MAX_ENTRIES, MAX_OPERATOR_BYTES, MAX_REASON_BYTES,
};
pub use estimate::{
	estimate_gap, remaining_wh, Estimate, EstimateError, EstimationRule, Gap, Method,
	ESTIMATION_VERSION, MAX_GAP_SLOTS, MAX_SERIES,
};
pub use history::{
	DaySummary, Energy, HistoryError, MeterHistory, Observed, HISTORY_FORMAT, REMEMBERED_WEEKS,
};
pub use quality::{espi_quality_of_reading, iec_61968_9_code, Provenance};
pub use register::{
	register_difference, Difference, RegisterError, RegisterFacts, RegisterPair, RegisterReading,
};
pub use rules::{
	ConfiguredRule, DarkHours, MeterClass, Parameters, Rule, RuleSet, RuleSetError, RuleSetName,
	RuleSetNameError, RuleSetReference,
};
pub use timeline::{timeline, TimeSpan, Timeline};
pub use validate::{DayRegisters, MeterFacts, Taken, Validator};
pub use verdict::{Channel, Finding, Outcome, Reason, Verdict};
