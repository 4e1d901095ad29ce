//! Applying a rule set to intervals and days.

use wia_ene_014::canonical::{CanonicalInterval, Quality, MAX_INTERVAL_SECONDS};

use crate::{
	calendar::{month_of_day, Calendar},
	history::{DaySummary, Energy, MeterHistory, Observed},
	register::{register_difference, RegisterError, RegisterFacts, RegisterPair},
	rules::{ConfiguredRule, DarkHours, Parameters, Rule, RuleSet, RuleSetError, RuleSetReference},
	verdict::{Channel, Outcome, Reason, Verdict},
};

/// What is known of a meter. A rule whose fact is not known does not run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MeterFacts {
	/// The length of its intervals in seconds; 0 if any length is right.
	pub interval_seconds: u32,
	/// The most it can take, in watts.
	pub rated_import_w: Option<u32>,
	/// The most it can give, in watts.
	pub rated_export_w: Option<u32>,
	/// Its register of energy taken.
	pub import_register: RegisterFacts,
	/// Its register of energy given.
	pub export_register: RegisterFacts,
}

impl MeterFacts {
	/// A meter with one rating in watts for both directions, intervals of any length, and registers
	/// of whole watt-hours.
	pub fn rated(rated_power_w: u32) -> Self {
		Self {
			interval_seconds: 0,
			rated_import_w: Some(rated_power_w),
			rated_export_w: Some(rated_power_w),
			import_register: RegisterFacts::default(),
			export_register: RegisterFacts::default(),
		}
	}
}

/// The readings of the registers at the two ends of a day, as far as they are known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DayRegisters {
	/// Energy taken.
	pub import: Option<RegisterPair>,
	/// Energy given.
	pub export: Option<RegisterPair>,
}

/// What came of an interval.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
	/// The verdict on the interval.
	pub verdict: Verdict,
	/// The day that it finished, and the verdict on that.
	pub finished_day: Option<(DaySummary, Verdict)>,
}

/// A rule set, checked and ready for use.
#[derive(Clone, Debug)]
pub struct Validator {
	reference: RuleSetReference,
	interval_rules: Vec<Parameters>,
	day_rules: Vec<Parameters>,
}

/// The most energy of a rating, in watt-hours, rounded up: the very figure of the oracle.
fn most_wh(power_w: u64, seconds: u64) -> u64 {
	let most = u128::from(power_w).saturating_mul(seconds.into()).div_ceil(3_600);
	u64::try_from(most).unwrap_or(u64::MAX)
}

impl Validator {
	/// A validator for a rule set.
	///
	/// # Errors
	/// What [`RuleSet::check`] finds.
	pub fn new(rule_set: RuleSet) -> Result<Self, RuleSetError> {
		rule_set.check()?;
		let reference = rule_set.reference();
		let (interval_rules, day_rules) = rule_set
			.rules
			.into_iter()
			.map(|ConfiguredRule { parameters, .. }| parameters)
			.partition(|parameters| parameters.rule().is_interval_rule());
		Ok(Self { reference, interval_rules, day_rules })
	}

	/// The rule set, as verdicts name it.
	pub fn rule_set(&self) -> &RuleSetReference {
		&self.reference
	}

	/// Judges an interval; remembers it unless it is rejected; judges the day that it finishes,
	/// without registers.
	pub fn take(
		&self,
		facts: &MeterFacts,
		calendar: &Calendar,
		history: &mut MeterHistory,
		interval: &CanonicalInterval,
		received_seconds: u64,
	) -> Taken {
		let verdict = self.check_interval(facts, calendar, history, interval, received_seconds);
		if verdict.outcome() == Outcome::Reject {
			return Taken { verdict, finished_day: None };
		}
		let finished_day = match history.observe(interval, calendar) {
			Observed::FinishedDay(day) => {
				let of_day =
					self.check_day(facts, &day, &DayRegisters::default(), received_seconds);
				Some((day, of_day))
			}
			Observed::SameDay | Observed::PassedOver => None,
		};
		Taken { verdict, finished_day }
	}

	/// Judges an interval by the rules for intervals. Constant time.
	///
	/// An interval of quality `Missing` has no figure: only its time is judged, and that it carries
	/// no energy. For one that begins before the last one, sequence and runs are not judged.
	pub fn check_interval(
		&self,
		facts: &MeterFacts,
		calendar: &Calendar,
		history: &MeterHistory,
		interval: &CanonicalInterval,
		received_seconds: u64,
	) -> Verdict {
		let mut verdict = Verdict::new(self.reference, received_seconds);
		let known_until = history.end_seconds();
		if interval.quality != Quality::Missing {
			verdict.gap_before_seconds =
				known_until.map_or(0, |end| interval.start_seconds.saturating_sub(end));
		}
		let context =
			IntervalContext { facts, calendar, history, interval, received_seconds, known_until };
		for parameters in &self.interval_rules {
			context.apply(parameters, &mut verdict);
		}
		verdict
	}

	/// Judges a finished day by the rules for days.
	///
	/// The sum check runs for a complete day with readings of the register at exactly its ends; the
	/// spike check for at least three intervals; the usage check for a complete day with enough
	/// earlier weeks. The result depends on the summary and the registers only, and
	/// [`DaySummary::from_intervals`] does not depend on the order in which the intervals arrived.
	pub fn check_day(
		&self,
		facts: &MeterFacts,
		day: &DaySummary,
		registers: &DayRegisters,
		received_seconds: u64,
	) -> Verdict {
		let mut verdict = Verdict::new(self.reference, received_seconds);
		let channels = [
			(Channel::Import, registers.import, &facts.import_register, facts.rated_import_w),
			(Channel::Export, registers.export, &facts.export_register, facts.rated_export_w),
		];
		for parameters in &self.day_rules {
			for (channel, pair, register, rated_w) in channels {
				let found = match parameters {
					Parameters::Register {} => pair.map(|pair| {
						difference_wh(&pair, register, rated_w)
							.err()
							.map(|error| (register_outcome(error), Reason::Register(error)))
					}),
					Parameters::SumCheck { tolerance_steps, tolerance_wh_per_interval } => {
						let tolerance_wh =
							tolerance_steps.saturating_mul(register.resolution_wh).saturating_add(
								tolerance_wh_per_interval.saturating_mul(day.intervals.into()),
							);
						pair.filter(|pair| is_of(pair, day))
							.and_then(|pair| difference_wh(&pair, register, rated_w).ok())
							.map(|register_wh| {
								let sum_wh = of(channel, &day.energy);
								(sum_wh.abs_diff(register_wh) > tolerance_wh).then_some((
									Outcome::Suspect,
									Reason::SumDiffers { sum_wh, register_wh, tolerance_wh },
								))
							})
					}
					Parameters::Spike { threshold_per_mille, ignore_below_wh } => {
						(day.intervals >= 3).then(|| {
							spike(channel, day, *threshold_per_mille, *ignore_below_wh)
								.map(|reason| (Outcome::Suspect, reason))
						})
					}
					Parameters::Usage { minimum_days, .. } => {
						(day.is_complete() && day.known_weeks >= *minimum_days).then(|| {
							usage(channel, day, parameters).map(|reason| (Outcome::Suspect, reason))
						})
					}
					_ => None,
				};
				let Some(found) = found else { continue };
				verdict.mark_run(parameters.rule());
				if let Some((outcome, reason)) = found {
					verdict.find(parameters.rule(), outcome, Some(channel), reason);
				}
			}
		}
		verdict
	}
}

fn of(channel: Channel, energy: &Energy) -> u64 {
	match channel {
		Channel::Import => energy.import_wh,
		Channel::Export => energy.export_wh,
	}
}

fn is_of(pair: &RegisterPair, day: &DaySummary) -> bool {
	day.is_complete()
		&& pair.earlier.at_seconds == day.start_seconds
		&& pair.later.at_seconds == day.end_seconds
}

fn difference_wh(
	pair: &RegisterPair,
	register: &RegisterFacts,
	rated_w: Option<u32>,
) -> Result<u64, RegisterError> {
	let seconds = pair.later.at_seconds.saturating_sub(pair.earlier.at_seconds);
	let most = rated_w
		.map(|rated_w| most_wh(rated_w.into(), seconds).saturating_add(register.resolution_wh));
	register_difference(pair, register, most).map(|difference| difference.energy_wh)
}

/// What the register cannot show is no reading; the rest is only unlikely.
fn register_outcome(error: RegisterError) -> Outcome {
	match error {
		RegisterError::NotLater | RegisterError::BeyondModulus { .. } => Outcome::Reject,
		RegisterError::Backwards { .. } | RegisterError::TooMuch { .. } => Outcome::Suspect,
	}
}

fn spike(
	channel: Channel,
	day: &DaySummary,
	threshold_per_mille: u32,
	ignore_below_wh: u64,
) -> Option<Reason> {
	let [highest_wh, _, third_wh] = day.peaks.map(|peak| of(channel, &peak));
	let above = u128::from(highest_wh.saturating_sub(third_wh)).saturating_mul(1_000);
	let allowed = u128::from(third_wh).saturating_mul(threshold_per_mille.into());
	(highest_wh >= ignore_below_wh && above > allowed)
		.then_some(Reason::Spike { highest_wh, third_wh })
}

/// Average of the known weeks, rounded down, against the day.
fn usage(channel: Channel, day: &DaySummary, parameters: &Parameters) -> Option<Reason> {
	let Parameters::Usage { low_per_mille, high_per_mille, ignore_difference_wh, .. } = parameters
	else {
		return None;
	};
	let known = day.earlier_weeks.iter().take(day.known_weeks.into());
	let sum: u128 = known.map(|energy| u128::from(of(channel, energy))).sum();
	let usual_wh = u64::try_from(sum.checked_div(day.known_weeks.into())?).ok()?;
	let day_wh = of(channel, &day.energy);
	if day_wh.abs_diff(usual_wh) <= *ignore_difference_wh {
		return None;
	}
	let thousandfold = u128::from(day_wh).saturating_mul(1_000);
	let limit = |per_mille: u32| u128::from(usual_wh).saturating_mul(per_mille.into());
	if thousandfold > limit(*high_per_mille) {
		return Some(Reason::HighUsage { day_wh, usual_wh });
	}
	(thousandfold < limit(*low_per_mille)).then_some(Reason::LowUsage { day_wh, usual_wh })
}

struct IntervalContext<'a> {
	facts: &'a MeterFacts,
	calendar: &'a Calendar,
	history: &'a MeterHistory,
	interval: &'a CanonicalInterval,
	received_seconds: u64,
	known_until: Option<u64>,
}

impl IntervalContext<'_> {
	fn apply(&self, parameters: &Parameters, verdict: &mut Verdict) {
		let interval = self.interval;
		let rule = parameters.rule();
		let has_figure = interval.quality != Quality::Missing;
		let in_order = self.known_until.is_none_or(|end| interval.start_seconds >= end);
		let end_seconds = interval.end_seconds().unwrap_or(u64::MAX);
		let mut found = |outcome, reason| verdict.find(rule, outcome, None, reason);
		match parameters {
			Parameters::IntervalLength {} => self.check_length(&mut found),
			Parameters::Future { max_future_seconds: allowed_seconds } => {
				let ahead_seconds = end_seconds.saturating_sub(self.received_seconds);
				if ahead_seconds > *allowed_seconds {
					let allowed_seconds = *allowed_seconds;
					found(Outcome::Reject, Reason::Future { ahead_seconds, allowed_seconds });
				}
			}
			Parameters::Stale { max_age_seconds: allowed_seconds } if has_figure => {
				let age_seconds = self.received_seconds.saturating_sub(end_seconds);
				if age_seconds > *allowed_seconds {
					let allowed_seconds = *allowed_seconds;
					found(Outcome::Reject, Reason::Stale { age_seconds, allowed_seconds });
				}
			}
			Parameters::MissingEnergy {} => {
				if !has_figure && (interval.import_wh, interval.export_wh) != (0, 0) {
					found(Outcome::Reject, Reason::MissingWithEnergy);
				}
			}
			Parameters::MeterDoubt {} if has_figure => {
				if interval.quality == Quality::Suspect {
					found(Outcome::Suspect, Reason::MeterDoubts);
				}
			}
			Parameters::Sequence {} if has_figure => {
				// An interval that lies wholly before the last one cannot be judged by it.
				if !in_order && self.history.start_seconds().is_some_and(|last| end_seconds <= last)
				{
					return;
				}
				match self.known_until {
					Some(_) if self.history.is_repeated_by(interval) => {
						found(Outcome::Reject, Reason::Duplicate);
					}
					Some(known_until_seconds) if !in_order => {
						found(Outcome::Reject, Reason::Overlap { known_until_seconds });
					}
					_ => {}
				}
			}
			Parameters::Range { suspect_above_per_mille } if has_figure => {
				if !self.check_range(*suspect_above_per_mille, verdict) {
					return;
				}
			}
			Parameters::ReverseEnergy { tolerance_wh } if has_figure => {
				if interval.export_wh > *tolerance_wh {
					let energy_wh = interval.export_wh;
					found(Outcome::Suspect, Reason::ReverseEnergy { energy_wh });
				}
			}
			Parameters::NightProduction { tolerance_wh, dark } if has_figure => {
				if interval.export_wh > *tolerance_wh && self.is_dark(dark) {
					let energy_wh = interval.export_wh;
					found(Outcome::Suspect, Reason::NightProduction { energy_wh });
				}
			}
			Parameters::ZeroRun { suspect_from_seconds } if has_figure && in_order => {
				let run_seconds = self.history.zero_run_with(interval);
				if run_seconds >= *suspect_from_seconds {
					found(Outcome::Suspect, Reason::ZeroRun { run_seconds });
				}
			}
			Parameters::FrozenRun { suspect_from_seconds, ignore_below_wh }
				if has_figure && in_order =>
			{
				let run_seconds = self.history.frozen_run_with(interval);
				let energy_wh = interval.import_wh.saturating_add(interval.export_wh);
				if energy_wh > 0
					&& energy_wh >= *ignore_below_wh
					&& run_seconds >= *suspect_from_seconds
				{
					found(Outcome::Suspect, Reason::FrozenRun { run_seconds });
				}
			}
			_ => return,
		}
		verdict.mark_run(rule);
	}

	fn check_length(&self, found: &mut impl FnMut(Outcome, Reason)) {
		let interval = self.interval;
		let duration_seconds = interval.duration_seconds;
		let expected_seconds = self.facts.interval_seconds;
		let possible = (1..=MAX_INTERVAL_SECONDS).contains(&duration_seconds)
			&& interval.end_seconds().is_some();
		if !possible {
			found(Outcome::Reject, Reason::ImpossibleLength { duration_seconds });
		} else if expected_seconds != 0 && duration_seconds != expected_seconds {
			let reason = Reason::UnexpectedLength { duration_seconds, expected_seconds };
			found(Outcome::Suspect, reason);
		}
		if let Some(seconds) = interval.start_seconds.checked_rem(expected_seconds.into()) {
			if seconds != 0 {
				found(Outcome::Suspect, Reason::Misaligned { seconds });
			}
		}
	}

	/// Whether there was a rating to compare with.
	fn check_range(&self, suspect_above_per_mille: u32, verdict: &mut Verdict) -> bool {
		let seconds = self.interval.duration_seconds.into();
		let mut ran = false;
		for (channel, energy_wh, rated_w) in [
			(Channel::Import, self.interval.import_wh, self.facts.rated_import_w),
			(Channel::Export, self.interval.export_wh, self.facts.rated_export_w),
		] {
			let Some(rated_w) = rated_w else { continue };
			ran = true;
			let allowed_wh = most_wh(rated_w.into(), seconds);
			if energy_wh > allowed_wh {
				let reason = Reason::AboveRating { energy_wh, allowed_wh };
				verdict.find(Rule::Range, Outcome::Reject, Some(channel), reason);
				continue;
			}
			let usual_w = u64::from(rated_w).saturating_mul(suspect_above_per_mille.into()) / 1_000;
			let usual_wh = most_wh(usual_w, seconds);
			if energy_wh > usual_wh {
				let reason = Reason::NearRating { energy_wh, usual_wh };
				verdict.find(Rule::Range, Outcome::Suspect, Some(channel), reason);
			}
		}
		ran
	}

	/// Whether it is dark from the first to the last second of the interval. An interval that is
	/// longer than twelve hours never counts as dark.
	fn is_dark(&self, dark: &[DarkHours; 12]) -> bool {
		let dark_at = |seconds| {
			let local = self.calendar.local(seconds);
			let hours = dark.get(month_of_day(local.day));
			hours.is_some_and(|hours| {
				local.second_of_day < u32::from(hours.until_minute).saturating_mul(60)
					|| local.second_of_day >= u32::from(hours.from_minute).saturating_mul(60)
			})
		};
		let last = self.interval.end_seconds().map_or(u64::MAX, |end| end.saturating_sub(1));
		self.interval.duration_seconds <= 43_200
			&& dark_at(self.interval.start_seconds)
			&& dark_at(last)
	}
}
