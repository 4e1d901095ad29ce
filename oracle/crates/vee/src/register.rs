//! Registers that count up: how much energy lies between two readings of one.

use serde::{Deserialize, Serialize};

/// What is known of a register.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterFacts {
	/// The reading at which the register starts again at zero, in watt-hours; `None` if it never
	/// does. A register of six digits of kilowatt-hours starts again at 1,000,000,000 Wh.
	pub modulus_wh: Option<u64>,
	/// The smallest step of the register in watt-hours, for example 1,000 for whole kilowatt-hours.
	pub resolution_wh: u64,
}

impl Default for RegisterFacts {
	/// Whole watt-hours, never starting again.
	fn default() -> Self {
		Self { modulus_wh: None, resolution_wh: 1 }
	}
}

/// What a register showed at a moment.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterReading {
	/// When, in unix seconds.
	pub at_seconds: u64,
	/// What it showed, in watt-hours.
	pub reading_wh: u64,
}

/// The two readings at the ends of a period.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterPair {
	/// At the start.
	pub earlier: RegisterReading,
	/// At the end.
	pub later: RegisterReading,
}

/// The energy between two readings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Difference {
	/// Energy in watt-hours.
	pub energy_wh: u64,
	/// Whether the register started again at zero in between.
	pub rolled_over: bool,
}

/// Why two readings give no energy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterError {
	/// The second reading is not later than the first.
	#[error("the second reading is not later than the first")]
	NotLater,
	/// A reading that the register cannot show.
	#[error("the register starts again at {modulus_wh} Wh and cannot show {reading_wh} Wh")]
	BeyondModulus {
		/// The reading.
		reading_wh: u64,
		/// Where the register starts again.
		modulus_wh: u64,
	},
	/// The register runs backwards, and starting again at zero does not explain it.
	#[error("the register went back from {earlier_wh} Wh to {later_wh} Wh")]
	Backwards {
		/// The first reading.
		earlier_wh: u64,
		/// The second reading.
		later_wh: u64,
	},
	/// More energy than the rating allows.
	#[error("{energy_wh} Wh between the readings, at most {most_wh} Wh are possible")]
	TooMuch {
		/// Energy between the readings.
		energy_wh: u64,
		/// What is possible.
		most_wh: u64,
	},
}

/// The energy between two readings of a register that counts up.
///
/// A second reading below the first is taken as the register starting again at zero, once, if it
/// has a modulus and the energy that follows from this does not exceed `most_wh`. With `most_wh`
/// unknown every such step counts as starting again.
///
/// # Errors
/// See [`RegisterError`].
pub fn register_difference(
	pair: &RegisterPair,
	facts: &RegisterFacts,
	most_wh: Option<u64>,
) -> Result<Difference, RegisterError> {
	let RegisterPair { earlier, later } = pair;
	if later.at_seconds <= earlier.at_seconds {
		return Err(RegisterError::NotLater);
	}
	if let Some(modulus_wh) = facts.modulus_wh {
		for reading_wh in [earlier.reading_wh, later.reading_wh] {
			if reading_wh >= modulus_wh {
				return Err(RegisterError::BeyondModulus { reading_wh, modulus_wh });
			}
		}
	}
	if let Some(energy_wh) = later.reading_wh.checked_sub(earlier.reading_wh) {
		return match most_wh {
			Some(most_wh) if energy_wh > most_wh => {
				Err(RegisterError::TooMuch { energy_wh, most_wh })
			}
			_ => Ok(Difference { energy_wh, rolled_over: false }),
		};
	}
	let backwards =
		RegisterError::Backwards { earlier_wh: earlier.reading_wh, later_wh: later.reading_wh };
	// Below the modulus, as both readings are.
	let energy_wh = facts
		.modulus_wh
		.and_then(|modulus_wh| modulus_wh.checked_sub(earlier.reading_wh))
		.and_then(|rest| rest.checked_add(later.reading_wh))
		.ok_or(backwards)?;
	if most_wh.is_some_and(|most_wh| energy_wh > most_wh) {
		return Err(backwards);
	}
	Ok(Difference { energy_wh, rolled_over: true })
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn pair(earlier_wh: u64, later_wh: u64) -> RegisterPair {
		RegisterPair {
			earlier: RegisterReading { at_seconds: 0, reading_wh: earlier_wh },
			later: RegisterReading { at_seconds: 86_400, reading_wh: later_wh },
		}
	}

	#[test]
	fn difference_table() {
		let turning = RegisterFacts { modulus_wh: Some(1_000), resolution_wh: 1 };
		let endless = RegisterFacts::default();
		let fine = |energy_wh, rolled_over| Ok(Difference { energy_wh, rolled_over });
		for (readings, facts, most_wh, expected) in [
			(pair(10, 10), endless, Some(0), fine(0, false)),
			(pair(10, 25), endless, Some(15), fine(15, false)),
			(
				pair(10, 26),
				endless,
				Some(15),
				Err(RegisterError::TooMuch { energy_wh: 16, most_wh: 15 }),
			),
			(pair(0, u64::MAX), endless, None, fine(u64::MAX, false)),
			(
				pair(10, 9),
				endless,
				None,
				Err(RegisterError::Backwards { earlier_wh: 10, later_wh: 9 }),
			),
			(pair(990, 5), turning, Some(15), fine(15, true)),
			(
				pair(990, 6),
				turning,
				Some(15),
				Err(RegisterError::Backwards { earlier_wh: 990, later_wh: 6 }),
			),
			(pair(10, 9), turning, None, fine(999, true)),
			(pair(0, 999), turning, None, fine(999, false)),
			(
				pair(0, 1_000),
				turning,
				None,
				Err(RegisterError::BeyondModulus { reading_wh: 1_000, modulus_wh: 1_000 }),
			),
		] {
			assert_eq!(register_difference(&readings, &facts, most_wh), expected, "{readings:?}");
		}
		let mut same_time = pair(1, 2);
		same_time.later.at_seconds = 0;
		assert_eq!(register_difference(&same_time, &endless, None), Err(RegisterError::NotLater));
	}

	proptest! {
		#[test]
		fn difference_is_the_energy_that_was_counted(
			modulus in 1u64..1 << 60,
			start in 0u64..1 << 60,
			energy in 0u64..1 << 60,
		) {
			let start = start % modulus;
			let energy = energy % modulus;
			let facts = RegisterFacts { modulus_wh: Some(modulus), resolution_wh: 1 };
			let readings = pair(start, (start + energy) % modulus);
			let difference = register_difference(&readings, &facts, None).unwrap();
			prop_assert_eq!(difference.energy_wh, energy);
			prop_assert_eq!(difference.rolled_over, start + energy >= modulus);
		}
	}
}
