//! What validation says about a figure, and why.

use serde::{Deserialize, Serialize};
use wia_ene_014::canonical::Quality;

use crate::{
	register::RegisterError,
	rules::{Rule, RuleSetReference},
};

/// The result of a rule, from best to worst.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
	/// Nothing found.
	Pass,
	/// Measured, but unlikely: used only where nothing better is at hand.
	Suspect,
	/// Impossible, or already known: not used for operation, an estimate takes its place.
	Reject,
}

/// A direction of energy at the meter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
	/// Taken from the grid.
	Import,
	/// Given to the grid.
	Export,
}

/// Why a rule found something, with the numbers it compared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
// The message of each variant says what it means and in which unit each figure is.
#[allow(missing_docs)]
pub enum Reason {
	#[error("{duration_seconds} seconds is no possible length of an interval")]
	ImpossibleLength { duration_seconds: u32 },
	#[error("{duration_seconds} seconds long, {expected_seconds} are expected")]
	UnexpectedLength { duration_seconds: u32, expected_seconds: u32 },
	#[error("starts {seconds} seconds after a border of intervals")]
	Misaligned { seconds: u64 },
	#[error("ends {ahead_seconds} seconds after it arrived, {allowed_seconds} are allowed")]
	Future { ahead_seconds: u64, allowed_seconds: u64 },
	#[error("ended {age_seconds} seconds before it arrived, {allowed_seconds} are allowed")]
	Stale { age_seconds: u64, allowed_seconds: u64 },
	#[error("is of quality missing, but carries energy")]
	MissingWithEnergy,
	#[error("the meter itself doubts the figure")]
	MeterDoubts,
	#[error("the same figure is known already")]
	Duplicate,
	#[error("another figure is known until {known_until_seconds}")]
	Overlap { known_until_seconds: u64 },
	#[error("{energy_wh} Wh, the rating allows {allowed_wh} Wh")]
	AboveRating { energy_wh: u64, allowed_wh: u64 },
	#[error("{energy_wh} Wh come near the rating; up to {usual_wh} Wh are usual")]
	NearRating { energy_wh: u64, usual_wh: u64 },
	#[error("{energy_wh} Wh given to the grid where there is no generation")]
	ReverseEnergy { energy_wh: u64 },
	#[error("{energy_wh} Wh generated in the dark")]
	NightProduction { energy_wh: u64 },
	#[error("no energy for {run_seconds} seconds")]
	ZeroRun { run_seconds: u64 },
	#[error("the same figure for {run_seconds} seconds")]
	FrozenRun { run_seconds: u64 },
	#[error("register: {0}")]
	Register(RegisterError),
	#[error("intervals sum to {sum_wh} Wh, the register counted {register_wh} Wh, {tolerance_wh} Wh of difference are allowed")]
	SumDiffers { sum_wh: u64, register_wh: u64, tolerance_wh: u64 },
	#[error("the highest interval has {highest_wh} Wh, the third highest {third_wh} Wh")]
	Spike { highest_wh: u64, third_wh: u64 },
	#[error("{day_wh} Wh on a day that usually has {usual_wh} Wh")]
	HighUsage { day_wh: u64, usual_wh: u64 },
	#[error("only {day_wh} Wh on a day that usually has {usual_wh} Wh")]
	LowUsage { day_wh: u64, usual_wh: u64 },
}

/// Something that a rule found.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
	/// The rule.
	pub rule: Rule,
	/// The version of the rule.
	pub version: u16,
	/// How bad it is; never [`Outcome::Pass`].
	pub outcome: Outcome,
	/// The direction concerned, if it is one.
	pub channel: Option<Channel>,
	/// What was compared.
	pub reason: Reason,
}

/// What a rule set says. With the same inputs it says the same again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
	/// The rule set.
	pub rule_set: RuleSetReference,
	/// When the figure arrived, in unix seconds, as the time rules took it.
	pub received_seconds: u64,
	/// One bit for each rule that ran, bit `n` for place `n` of [`Rule::ALL`]. A rule whose inputs
	/// are not known does not run, and so neither passes nor finds anything.
	pub rules_run: u32,
	/// Seconds without a figure between the interval before and this one. A gap says nothing against
	/// the figure that ends it, so it is no finding.
	pub gap_before_seconds: u64,
	/// Everything found, in the order of the rule set.
	pub findings: Vec<Finding>,
}

impl Verdict {
	pub(crate) fn new(rule_set: RuleSetReference, received_seconds: u64) -> Self {
		Self {
			rule_set,
			received_seconds,
			rules_run: 0,
			gap_before_seconds: 0,
			findings: Vec::new(),
		}
	}

	pub(crate) fn mark_run(&mut self, rule: Rule) {
		self.rules_run |= rule.bit();
	}

	pub(crate) fn find(
		&mut self,
		rule: Rule,
		outcome: Outcome,
		channel: Option<Channel>,
		reason: Reason,
	) {
		self.findings.push(Finding { rule, version: rule.version(), outcome, channel, reason });
	}

	/// The worst outcome.
	pub fn outcome(&self) -> Outcome {
		self.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Pass)
	}

	/// Whether a rule ran.
	pub fn ran(&self, rule: Rule) -> bool {
		self.rules_run & rule.bit() != 0
	}

	/// The quality of the figure: the meter's own, or `Suspect` if that is worse and there is any
	/// finding. What is missing stays missing.
	pub fn quality(&self, reported: Quality) -> Quality {
		if self.findings.is_empty() {
			reported
		} else {
			reported.max(Quality::Suspect)
		}
	}
}
