//! Samples, and what is made of them.

use std::time::Duration;

use serde::Serialize;

use crate::chain::Made;

/// The median of samples, and how far they spread.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spread {
	/// The middle sample.
	pub median: f64,
	/// The smallest sample.
	pub min: f64,
	/// The largest sample.
	pub max: f64,
	/// How many samples there are.
	pub samples: usize,
}

impl Spread {
	/// Of these samples; all zeros if there are none.
	pub fn of(mut samples: Vec<f64>) -> Self {
		samples.sort_by(f64::total_cmp);
		let (Some(min), Some(max)) = (samples.first(), samples.last()) else {
			return Self::default();
		};
		let middle = samples.len() / 2;
		let median = if samples.len() % 2 == 1 {
			samples[middle]
		} else {
			(samples[middle - 1] + samples[middle]) / 2.0
		};
		Self { median, min: *min, max: *max, samples: samples.len() }
	}
}

/// One block, as it is kept in `market-samples.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
	/// What was measured.
	pub scenario: &'static str,
	/// Which part of it.
	pub phase: String,
	/// The block's number.
	pub block: u32,
	/// The block's time, milliseconds since 1970.
	pub chain_milliseconds: u64,
	/// Transactions in it.
	pub transactions: usize,
	/// Whether a transaction found no more room.
	pub is_full: bool,
	/// Building, microseconds.
	pub build_us: f64,
	/// Executing and committing, microseconds.
	pub import_us: f64,
	/// Making an earlier block final, microseconds.
	pub finalise_us: f64,
	/// What the processor did for the two, microseconds.
	pub processor_us: f64,
	/// The weight that was used, microseconds on the reference machine.
	pub weight_us: f64,
}

/// All blocks that were measured.
#[derive(Default)]
pub struct Journal(pub Vec<Sample>);

impl Journal {
	/// Notes a block.
	pub fn note(&mut self, scenario: &'static str, phase: &str, made: &Made) {
		let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
		self.0.push(Sample {
			scenario,
			phase: phase.into(),
			block: made.number,
			chain_milliseconds: made.milliseconds,
			transactions: made.transactions,
			is_full: made.is_full,
			build_us: microseconds(made.build.wall),
			import_us: microseconds(made.import.wall),
			finalise_us: microseconds(made.finalise.wall),
			processor_us: microseconds(made.took().processor),
			weight_us: made.weight.ref_time() as f64 / 1e6,
		});
	}

	/// How much longer the blocks took by the clock on the wall than the processor worked for them.
	/// Where it is much more than one, the machine was busy with something else.
	pub fn wall_by_processor(&self) -> Option<f64> {
		let sum = |of: fn(&Sample) -> f64| self.0.iter().map(of).sum::<f64>();
		let processor = sum(|sample| sample.processor_us);
		let wall = sum(|sample| sample.import_us + sample.finalise_us);
		(processor > 0.0).then(|| wall / processor)
	}
}

/// The coefficients that explain the samples best: `y ≈ c[0] + c[1] x[0] + c[2] x[1] + …`, by the
/// method of least squares. `None` if the samples do not decide them.
pub fn fit(samples: &[(Vec<f64>, f64)]) -> Option<Vec<f64>> {
	let size = samples.first()?.0.len() + 1;
	// The normal equations, the right side last.
	let mut rows = vec![vec![0.0; size + 1]; size];
	for (features, outcome) in samples {
		let row: Vec<f64> = std::iter::once(1.0).chain(features.iter().copied()).collect();
		for (equation, factor) in rows.iter_mut().zip(&row) {
			for (cell, value) in equation.iter_mut().zip(row.iter().chain([outcome])) {
				*cell += factor * value;
			}
		}
	}
	for column in 0..size {
		let pivot = (column..size)
			.max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
		rows.swap(column, pivot);
		let lead = rows[column][column];
		if lead.abs() < 1e-9 {
			return None;
		}
		rows[column].iter_mut().for_each(|cell| *cell /= lead);
		let pivot_row = rows[column].clone();
		for (other, row) in rows.iter_mut().enumerate() {
			if other != column {
				let factor = row[column];
				row.iter_mut().zip(&pivot_row).for_each(|(cell, value)| *cell -= factor * value);
			}
		}
	}
	Some(rows.into_iter().map(|row| row[size]).collect())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn median_is_between_the_middle_samples_when_their_number_is_even() {
		let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]);
		assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
	}

	#[test]
	fn fit_finds_the_plane_that_the_samples_lie_on() {
		let samples: Vec<_> = (0..20u32)
			.map(|number| {
				let x = vec![f64::from(number), f64::from(number * number % 7)];
				let y = 3.0 + 2.0 * x[0] - 5.0 * x[1];
				(x, y)
			})
			.collect();
		let found = fit(&samples).expect("the samples decide it");
		for (found, expected) in found.iter().zip([3.0, 2.0, -5.0]) {
			assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
		}
	}

	#[test]
	fn fit_finds_nothing_when_the_samples_do_not_decide() {
		assert_eq!(fit(&[(vec![1.0], 1.0), (vec![1.0], 2.0)]), None);
	}
}
