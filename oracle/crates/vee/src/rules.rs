//! Rules as data: which there are, their parameters, and sets of them with a versioned name.

use codec::Encode;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A rule of validation.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
	/// Length and alignment of an interval.
	IntervalLength,
	/// An interval that has not ended.
	Future,
	/// An interval that arrives late.
	Stale,
	/// Energy in an interval of quality missing.
	MissingEnergy,
	/// The meter's own doubt.
	MeterDoubt,
	/// Duplicate of, or overlap with, the interval before.
	Sequence,
	/// Energy against the rating.
	Range,
	/// Energy given to the grid without generation.
	ReverseEnergy,
	/// Solar generation in the dark.
	NightProduction,
	/// Nothing for a long time.
	ZeroRun,
	/// The same figure for a long time.
	FrozenRun,
	/// A register that counts up, with starting again at zero.
	Register,
	/// Sum of the intervals against the register.
	SumCheck,
	/// The highest interval of a day against the third highest.
	Spike,
	/// A day against the same weekday of earlier weeks.
	Usage,
}

impl Rule {
	/// Every rule.
	pub const ALL: [Self; 15] = [
		Self::IntervalLength,
		Self::Future,
		Self::Stale,
		Self::MissingEnergy,
		Self::MeterDoubt,
		Self::Sequence,
		Self::Range,
		Self::ReverseEnergy,
		Self::NightProduction,
		Self::ZeroRun,
		Self::FrozenRun,
		Self::Register,
		Self::SumCheck,
		Self::Spike,
		Self::Usage,
	];

	/// The name in rule sets, verdicts and documentation; never changed once published.
	pub const fn as_str(self) -> &'static str {
		match self {
			Self::IntervalLength => "interval-length",
			Self::Future => "future",
			Self::Stale => "stale",
			Self::MissingEnergy => "missing-energy",
			Self::MeterDoubt => "meter-doubt",
			Self::Sequence => "sequence",
			Self::Range => "range",
			Self::ReverseEnergy => "reverse-energy",
			Self::NightProduction => "night-production",
			Self::ZeroRun => "zero-run",
			Self::FrozenRun => "frozen-run",
			Self::Register => "register",
			Self::SumCheck => "sum-check",
			Self::Spike => "spike",
			Self::Usage => "usage",
		}
	}

	/// What the rule looks at, for a human.
	pub const fn description(self) -> &'static str {
		match self {
			Self::IntervalLength => "the length of the interval, and whether it starts on a border",
			Self::Future => "whether the interval had ended when it arrived",
			Self::Stale => "how long after its end the interval arrived",
			Self::MissingEnergy => "an interval of quality missing carries no energy",
			Self::MeterDoubt => "whether the meter itself doubts the figure",
			Self::Sequence => "the interval neither repeats the last one nor overlaps it",
			Self::Range => "the energy against the rating of the meter",
			Self::ReverseEnergy => "no energy is given to the grid where there is no generation",
			Self::NightProduction => "a solar plant generates nothing in the dark",
			Self::ZeroRun => "how long there has been no energy",
			Self::FrozenRun => "how long the figures have been the same",
			Self::Register => "the register counts up, and no more than the rating allows",
			Self::SumCheck => "the sum of a day's intervals against the register",
			Self::Spike => "the highest interval of a day against the third highest",
			Self::Usage => "a day against the same weekday of earlier weeks",
		}
	}

	/// The version of the rule that this crate implements. Another version is another arithmetic,
	/// not another parameter.
	pub const fn version(self) -> u16 {
		1
	}

	/// Whether the rule looks at one interval; else it looks at a whole day.
	pub const fn is_interval_rule(self) -> bool {
		!matches!(self, Self::Register | Self::SumCheck | Self::Spike | Self::Usage)
	}

	pub(crate) const fn bit(self) -> u32 {
		1 << self as u32
	}
}

/// When it is surely dark, as local time of the [`Calendar`](crate::Calendar).
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DarkHours {
	/// Minutes after midnight from which it is dark in the evening, up to 1,440.
	pub from_minute: u16,
	/// Minutes after midnight until which it is dark in the morning, up to 1,440.
	pub until_minute: u16,
}

/// A rule with its parameters. What each means is in the rule's row of the documentation.
#[derive(Clone, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Parameters {
	/// See [`Rule::IntervalLength`]. The expected length is a fact of the meter.
	IntervalLength {},
	/// See [`Rule::Future`].
	Future {
		/// How many seconds after its arrival an interval may end.
		max_future_seconds: u64,
	},
	/// See [`Rule::Stale`].
	Stale {
		/// How many seconds before its arrival an interval may have ended.
		max_age_seconds: u64,
	},
	/// See [`Rule::MissingEnergy`].
	MissingEnergy {},
	/// See [`Rule::MeterDoubt`].
	MeterDoubt {},
	/// See [`Rule::Sequence`].
	Sequence {},
	/// See [`Rule::Range`].
	Range {
		/// Thousandths of the rating above which energy is suspect; above the rating it is rejected.
		suspect_above_per_mille: u32,
	},
	/// See [`Rule::ReverseEnergy`].
	ReverseEnergy {
		/// Watt-hours of an interval up to which nothing is said.
		tolerance_wh: u64,
	},
	/// See [`Rule::NightProduction`].
	NightProduction {
		/// Watt-hours of an interval up to which nothing is said.
		tolerance_wh: u64,
		/// One entry for each month, January first.
		dark: [DarkHours; 12],
	},
	/// See [`Rule::ZeroRun`].
	ZeroRun {
		/// Seconds without energy from which intervals are suspect.
		suspect_from_seconds: u64,
	},
	/// See [`Rule::FrozenRun`].
	FrozenRun {
		/// Seconds with the same figure from which intervals are suspect.
		suspect_from_seconds: u64,
		/// Watt-hours of an interval, both directions together, below which nothing is said: small
		/// figures are coarse and repeat.
		ignore_below_wh: u64,
	},
	/// See [`Rule::Register`].
	Register {},
	/// See [`Rule::SumCheck`].
	SumCheck {
		/// Steps of the register that the sum may be off.
		tolerance_steps: u64,
		/// Watt-hours for each interval that the sum may be off, as each is rounded.
		tolerance_wh_per_interval: u64,
	},
	/// See [`Rule::Spike`].
	Spike {
		/// Thousandths of the third highest interval by which the highest may exceed it.
		threshold_per_mille: u32,
		/// Watt-hours of the highest interval below which nothing is said.
		ignore_below_wh: u64,
	},
	/// See [`Rule::Usage`].
	Usage {
		/// Thousandths of the average of earlier weeks below which a day is suspect.
		low_per_mille: u32,
		/// Thousandths of the average of earlier weeks above which a day is suspect.
		high_per_mille: u32,
		/// Watt-hours of difference up to which nothing is said.
		ignore_difference_wh: u64,
		/// Days of the same weekday that must be known.
		minimum_days: u8,
	},
}

impl Parameters {
	/// The rule they belong to.
	pub const fn rule(&self) -> Rule {
		match self {
			Self::IntervalLength {} => Rule::IntervalLength,
			Self::Future { .. } => Rule::Future,
			Self::Stale { .. } => Rule::Stale,
			Self::MissingEnergy {} => Rule::MissingEnergy,
			Self::MeterDoubt {} => Rule::MeterDoubt,
			Self::Sequence {} => Rule::Sequence,
			Self::Range { .. } => Rule::Range,
			Self::ReverseEnergy { .. } => Rule::ReverseEnergy,
			Self::NightProduction { .. } => Rule::NightProduction,
			Self::ZeroRun { .. } => Rule::ZeroRun,
			Self::FrozenRun { .. } => Rule::FrozenRun,
			Self::Register {} => Rule::Register,
			Self::SumCheck { .. } => Rule::SumCheck,
			Self::Spike { .. } => Rule::Spike,
			Self::Usage { .. } => Rule::Usage,
		}
	}

	/// Why the parameters make no sense, if they do not.
	fn fault(&self) -> Option<&'static str> {
		match self {
			Self::Range { suspect_above_per_mille } if *suspect_above_per_mille > 1_000 => {
				Some("suspect_above_per_mille: more than 1000, where it is rejected anyway")
			}
			Self::NightProduction { dark, .. }
				if dark.iter().any(|hours| hours.from_minute.max(hours.until_minute) > 1_440) =>
			{
				Some("dark: a day has 1440 minutes")
			}
			Self::ZeroRun { suspect_from_seconds: 0 }
			| Self::FrozenRun { suspect_from_seconds: 0, .. } => {
				Some("suspect_from_seconds: must be at least 1")
			}
			Self::Usage { low_per_mille, high_per_mille, .. }
				if low_per_mille >= high_per_mille =>
			{
				Some("low_per_mille: must be below high_per_mille")
			}
			Self::Usage { minimum_days, .. }
				if *minimum_days == 0
					|| usize::from(*minimum_days) > crate::history::REMEMBERED_WEEKS =>
			{
				Some("minimum_days: must be 1 to 3")
			}
			_ => None,
		}
	}
}

/// A rule of a set.
#[derive(Clone, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredRule {
	/// The version of the rule that the set was made for.
	pub version: u16,
	/// The rule and its parameters.
	pub parameters: Parameters,
}

/// What kind of meter it is, as far as rules differ.
#[derive(Clone, Copy, Debug, Deserialize, Encode, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeterClass {
	/// Takes energy only.
	Consumer,
	/// Takes and gives: consumption with generation or storage behind one meter.
	Prosumer,
	/// A solar plant by itself.
	Solar,
	/// A storage by itself.
	Storage,
}

/// Longest name of a rule set in bytes.
const NAME_BYTES: usize = 32;

/// The name of a rule set: words of `a` to `z` and digits joined by `-`, the last a number from 1,
/// the version. At most 32 bytes. For example `default-1`.
#[derive(Clone, Copy, Deserialize, Encode, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleSetName([u8; NAME_BYTES]);

/// The text is no name of a rule set.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a name of a rule set: words of a-z and 0-9 joined by '-', the last a number from 1, at most 32 bytes")]
pub struct RuleSetNameError;

impl FromStr for RuleSetName {
	type Err = RuleSetNameError;

	fn from_str(text: &str) -> Result<Self, RuleSetNameError> {
		let (words, version) = text.rsplit_once('-').ok_or(RuleSetNameError)?;
		let word = |word: &str| {
			!word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
		};
		let is_version = !version.is_empty()
			&& version.bytes().all(|byte| byte.is_ascii_digit())
			&& !version.starts_with('0');
		if !is_version || !words.split('-').all(word) {
			return Err(RuleSetNameError);
		}
		let mut bytes = [0; NAME_BYTES];
		bytes.get_mut(..text.len()).ok_or(RuleSetNameError)?.copy_from_slice(text.as_bytes());
		Ok(Self(bytes))
	}
}

impl TryFrom<String> for RuleSetName {
	type Error = RuleSetNameError;

	fn try_from(text: String) -> Result<Self, RuleSetNameError> {
		text.parse()
	}
}

impl From<RuleSetName> for String {
	fn from(name: RuleSetName) -> Self {
		name.to_string()
	}
}

impl fmt::Display for RuleSetName {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		self.0
			.iter()
			.take_while(|byte| **byte != 0)
			.try_for_each(|byte| fmt::Write::write_char(formatter, char::from(*byte)))
	}
}

impl fmt::Debug for RuleSetName {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(formatter, "{self}")
	}
}

/// Which rule set it was, to the letter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSetReference {
	/// Its name with the version.
	pub name: RuleSetName,
	/// The class of meters it was for.
	pub class: MeterClass,
	/// `blake2_256` of the SCALE encoding of the [`RuleSet`], so that a set that was changed under
	/// the same name is noticed.
	pub digest: [u8; 32],
}

/// Rules for a class of meters, under a name with a version. Plain data.
#[derive(Clone, Debug, Deserialize, Encode, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
	/// The name. One name covers a set for each class.
	pub name: RuleSetName,
	/// For which meters.
	pub class: MeterClass,
	/// The rules, each at most once.
	pub rules: Vec<ConfiguredRule>,
}

/// Why a rule set cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleSetError {
	/// A version of a rule that this crate does not have.
	#[error("rules[{index}].version: version {version} of {rule:?} is not known")]
	UnknownVersion {
		/// Place of the rule.
		index: usize,
		/// The rule.
		rule: Rule,
		/// The version asked for.
		version: u16,
	},
	/// A rule twice.
	#[error("rules[{index}]: {rule:?} is in the set already")]
	Repeated {
		/// Place of the second.
		index: usize,
		/// The rule.
		rule: Rule,
	},
	/// Parameters that make no sense.
	#[error("rules[{index}].parameters.{reason}")]
	Parameters {
		/// Place of the rule.
		index: usize,
		/// Field and reason.
		reason: &'static str,
	},
}

impl RuleSet {
	/// The set `default-1` of a class of meters.
	///
	/// Time limits are those of the oracle: a day of age, and five minutes of clock error with one
	/// minute of tolerance for the end of a reading.
	pub fn default_1(class: MeterClass) -> Self {
		let mut name = [0; NAME_BYTES];
		name[..9].copy_from_slice(b"default-1");
		let solar = class == MeterClass::Solar;
		// A plant or a storage runs at its rating for hours.
		let suspect_above_per_mille =
			if matches!(class, MeterClass::Solar | MeterClass::Storage) { 1_000 } else { 900 };
		let mut rules = vec![
			Parameters::IntervalLength {},
			Parameters::Future { max_future_seconds: 360 },
			Parameters::Stale { max_age_seconds: 86_400 },
			Parameters::MissingEnergy {},
			Parameters::MeterDoubt {},
			Parameters::Sequence {},
			Parameters::Range { suspect_above_per_mille },
			Parameters::Register {},
			Parameters::SumCheck { tolerance_steps: 1, tolerance_wh_per_interval: 1 },
		];
		match class {
			MeterClass::Consumer => rules.push(Parameters::ReverseEnergy { tolerance_wh: 0 }),
			MeterClass::Solar => rules.push(Parameters::NightProduction {
				tolerance_wh: 5,
				dark: [DarkHours { from_minute: 1_320, until_minute: 120 }; 12],
			}),
			MeterClass::Prosumer | MeterClass::Storage => {}
		}
		if class != MeterClass::Storage {
			rules.extend([
				Parameters::ZeroRun { suspect_from_seconds: if solar { 259_200 } else { 86_400 } },
				Parameters::FrozenRun { suspect_from_seconds: 28_800, ignore_below_wh: 50 },
			]);
		}
		if matches!(class, MeterClass::Consumer | MeterClass::Prosumer) {
			rules.extend([
				Parameters::Spike { threshold_per_mille: 1_800, ignore_below_wh: 1_000 },
				Parameters::Usage {
					low_per_mille: 250,
					high_per_mille: 3_000,
					ignore_difference_wh: 2_000,
					minimum_days: 2,
				},
			]);
		}
		let rules = rules
			.into_iter()
			.map(|parameters| ConfiguredRule { version: parameters.rule().version(), parameters })
			.collect();
		Self { name: RuleSetName(name), class, rules }
	}

	/// Checks that every rule is known, there once, and has parameters that make sense.
	///
	/// # Errors
	/// The first fault.
	pub fn check(&self) -> Result<(), RuleSetError> {
		let mut seen = 0u32;
		for (index, configured) in self.rules.iter().enumerate() {
			let rule = configured.parameters.rule();
			if configured.version != rule.version() {
				return Err(RuleSetError::UnknownVersion {
					index,
					rule,
					version: configured.version,
				});
			}
			if seen & rule.bit() != 0 {
				return Err(RuleSetError::Repeated { index, rule });
			}
			seen |= rule.bit();
			if let Some(reason) = configured.parameters.fault() {
				return Err(RuleSetError::Parameters { index, reason });
			}
		}
		Ok(())
	}

	/// Which rule set this is, to the letter.
	pub fn reference(&self) -> RuleSetReference {
		RuleSetReference {
			name: self.name,
			class: self.class,
			digest: sp_crypto_hashing::blake2_256(&self.encode()),
		}
	}
}
