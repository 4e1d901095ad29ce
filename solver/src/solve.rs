//! From a problem to an outcome that is proven the best.

use crate::{
	curves::Curves,
	flows::whole_flows,
	linear::{LinearError, Optimum, Programme},
	prices,
	problem::Problem,
};
use energy_market_core::coupling::{verify, Proposal, Rejection, Verified, ZoneBook};
use thiserror::Error;

/// How often the linear programme is solved before giving up.
const MOST_ROUNDS: usize = 400;

/// An outcome that the certificate accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
	/// The outcome.
	pub proposal: Proposal,
	/// What the certificate says of it.
	pub verified: Verified,
	/// How often the linear programme was solved.
	pub rounds: usize,
}

/// Why there is no solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SolveError {
	/// The linear programme was not solved.
	#[error(transparent)]
	Linear(#[from] LinearError),
	/// No whole numbers were found that the certificate accepts.
	#[error("no whole flows and prices were found in {rounds} rounds")]
	NotWhole {
		/// How often it was tried.
		rounds: usize,
	},
	/// The certificate rejects what was found.
	#[error("the certificate rejects the outcome: {0}")]
	Rejected(#[from] Rejection),
}

/// Finds an outcome that the certificate accepts.
///
/// # Errors
///
/// [`SolveError`]: never an outcome that was not accepted.
pub fn solve(problem: &Problem) -> Result<Solution, SolveError> {
	let books: Vec<ZoneBook> = problem.zones().iter().map(|zone| zone.book()).collect();
	let curves: Vec<Curves> = problem.zones().iter().map(Curves::new).collect();
	let links = problem.links();
	let mut programme = Programme::new(problem)?;
	let mut leaks = vec![0.0; links.len()];
	let mut fees: Vec<f64> = links.iter().map(|link| link.fee_per_kwh as f64).collect();
	let mut rejection = None;
	for round in 1..=MOST_ROUNDS {
		let optimum = programme.solve(&fees, &leaks)?;
		let flows = whole_flows(problem, &curves, &optimum, &fees);
		if let Some(proposal) = prices::proposal(problem, &curves, &flows) {
			match verify(&books, links, &proposal) {
				Ok(verified) => return Ok(Solution { proposal, verified, rounds: round }),
				Err(error) => rejection = Some(error),
			}
		}
		let part = (4.0 / round as f64).min(1.0);
		update_leaks(problem, &flows, &mut leaks, part);
		update_fees(problem, &optimum, &mut fees, part);
	}
	Err(match rejection {
		Some(rejection) => SolveError::Rejected(rejection),
		None => SolveError::NotWhole { rounds: MOST_ROUNDS },
	})
}

/// What is lost by rounding moves the optimum by a few watt-hours; with it, the whole flows are
/// those of the programme, unless other links or orders are at the margin now. Should it swing
/// between two optima, later steps are smaller, and it settles where both are as good.
fn update_leaks(problem: &Problem, flows: &[u64], leaks: &mut [f64], part: f64) {
	for ((leak, link), &flow) in leaks.iter_mut().zip(problem.links()).zip(flows) {
		let exact = u128::from(flow) * u128::from(1_000_000 - link.loss_ppm);
		// The remainder is less than a million.
		let lost_by_rounding = (exact % 1_000_000) as f64 / 1e6;
		*leak += part * (lost_by_rounding - *leak);
	}
}

/// Fees in per cent at the prices that were found. A higher fee lowers the price of which it is a
/// part, so that the two approach each other; for swinging the same holds.
fn update_fees(problem: &Problem, optimum: &Optimum, fees: &mut [f64], part: f64) {
	for (fee, link) in fees.iter_mut().zip(problem.links()) {
		let percentage = f64::from(link.fee_ppm) / 1e6 * optimum.prices[link.from];
		let exact = link.fee_per_kwh as f64 + percentage;
		*fee += part * (exact - *fee);
	}
}
