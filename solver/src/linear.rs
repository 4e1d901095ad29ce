//! The linear programme of the coupling, in floating point.
//!
//! One column for each level of a book and for each link, one row for the balance of each zone; the
//! duals of the rows are the prices. A further column for each link stands for energy that does not
//! arrive because what arrives is rounded down to a watt-hour. It is rewarded so highly that it
//! takes all of that, except where there is not as much energy.

use crate::problem::Problem;
use energy_market_core::coupling::Link;
use highs::{ColProblem, HighsModelStatus, Model, Sense};
use thiserror::Error;

/// The linear programme, which can be solved again with other fees and other leaks.
pub struct Programme<'a> {
	problem: &'a Problem,
	/// Which of the methods is in use.
	method: usize,
	/// There between calls; the solver takes it and gives it back.
	model: Option<Model>,
	flows: Vec<highs::Col>,
	leaks: Vec<highs::Col>,
	/// Columns before those of the links.
	orders: usize,
	zones: usize,
	/// Energies are in this many Wh.
	unit_wh: f64,
}

/// The solver's tolerances are absolute, a ten-millionth, so that much larger numbers would have
/// to be more exact than floating point is.
const LARGEST_NUMBER: u64 = 1 << 23;

/// Solver and simplification beforehand, the fastest first; another is taken when one gives up.
/// With many columns and few rows, simplifying takes eight times as long as solving.
const METHODS: [(&str, &str); 3] = [("simplex", "off"), ("simplex", "on"), ("ipm", "on")];

/// An optimum in floating point.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
	/// What each link sends, Wh.
	pub flows_wh: Vec<f64>,
	/// The price of each zone, minor units per kWh.
	pub prices: Vec<f64>,
}

/// Why the linear programme has no optimum in floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinearError {
	/// The library does not take the programme.
	#[error("HiGHS does not take the linear programme: {0:?}")]
	Refused(highs::HighsStatus),
	/// No optimum was found. As nothing at all is always a feasible outcome and volumes are
	/// bounded, this says that numbers are too far apart for floating point.
	#[error("HiGHS ends without an optimum: {0:?}")]
	NoOptimum(HighsModelStatus),
}

impl<'a> Programme<'a> {
	/// Sets up the programme of a problem.
	///
	/// # Errors
	///
	/// [`LinearError::Refused`].
	pub fn new(problem: &'a Problem) -> Result<Self, LinearError> {
		Self::with_method(problem, 0)
	}

	fn with_method(problem: &'a Problem, method: usize) -> Result<Self, LinearError> {
		let mut columns = ColProblem::new();
		let rows: Vec<highs::Row> =
			problem.zones().iter().map(|_| columns.add_row(0.0..=0.0)).collect();
		let offered = problem.offered_wh();
		let wanted: u64 = problem.zones().iter().flat_map(|zone| &zone.bids).sum();
		// A power of two, by which nothing is rounded.
		let unit_wh = offered.max(wanted).div_ceil(LARGEST_NUMBER).next_power_of_two() as f64;
		let mut orders = 0;
		for (zone, row) in problem.zones().iter().zip(&rows) {
			for (depth, sign) in [(&zone.asks, 1.0), (&zone.bids, -1.0)] {
				for (tick, &energy) in depth.iter().enumerate().filter(|(_, energy)| **energy > 0) {
					let limit = zone.price(tick) as f64;
					let most = energy as f64 / unit_wh;
					columns.add_column(sign * limit, 0.0..=most, [(*row, sign)]);
					orders += 1;
				}
			}
		}
		// No link needs to carry more than all that is offered, and without this a capacity that
		// means "no limit" would be too far from the other numbers. A little more, because a link
		// that carries all there is must not seem to be full.
		let useful = offered + offered / 1_000 + 1;
		let mut flows = Vec::new();
		let mut leaks = Vec::new();
		let mut model = columns.try_optimise(Sense::Minimise).map_err(LinearError::Refused)?;
		// One thread, so that the same problem has the same answer everywhere.
		model.set_option("threads", 1);
		model.set_option("random_seed", 0);
		let (solver, presolve) = METHODS[method];
		model.set_option("solver", solver);
		model.set_option("presolve", presolve);
		for link in problem.links() {
			let most = link.capacity_wh.min(useful) as f64 / unit_wh;
			let ends = [(rows[link.from], -1.0), (rows[link.to], arriving(link))];
			let flow = model.try_add_column(0.0, 0.0..=most, ends).map_err(LinearError::Refused)?;
			flows.push(flow);
		}
		let highest = problem
			.zones()
			.iter()
			.map(|zone| zone.price(zone.bids.len().max(zone.asks.len())) as f64);
		let reward = 2.0 * highest.fold(1.0, f64::max);
		for link in problem.links() {
			let end = [(rows[link.to], -1.0)];
			let leak =
				model.try_add_column(-reward, 0.0..=0.0, end).map_err(LinearError::Refused)?;
			leaks.push(leak);
		}
		let (model, zones) = (Some(model), rows.len());
		Ok(Self { problem, method, model, flows, leaks, orders, zones, unit_wh })
	}

	/// Solves the programme with a fee, minor units per kWh, and a leak, Wh, for each link.
	///
	/// # Errors
	///
	/// [`LinearError::NoOptimum`] when every method gives up.
	pub fn solve(&mut self, fees: &[f64], leaks: &[f64]) -> Result<Optimum, LinearError> {
		loop {
			match self.solve_once(fees, leaks) {
				Err(_) if self.method + 1 < METHODS.len() => {
					*self = Self::with_method(self.problem, self.method + 1)?;
				}
				result => return result,
			}
		}
	}

	fn solve_once(&mut self, fees: &[f64], leaks: &[f64]) -> Result<Optimum, LinearError> {
		if self.zones == 0 {
			return Ok(Optimum { flows_wh: vec![], prices: vec![] });
		}
		let mut model = match self.model.take() {
			Some(model) => model,
			// It was lost with an earlier error.
			None => {
				*self = Self::with_method(self.problem, self.method)?;
				return self.solve_once(fees, leaks);
			}
		};
		for (column, fee) in self.flows.iter().zip(fees) {
			model.change_column_cost(*column, *fee);
		}
		for (column, leak) in self.leaks.iter().zip(leaks) {
			model.change_column_bounds(*column, 0.0..=*leak / self.unit_wh);
		}
		let solved = model.try_solve().map_err(LinearError::Refused)?;
		match solved.status() {
			HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => {}
			status => return Err(LinearError::NoOptimum(status)),
		}
		let solution = solved.get_solution();
		let flows = solution.columns().iter().skip(self.orders).take(self.flows.len());
		let optimum = Optimum {
			flows_wh: flows.map(|flow| flow * self.unit_wh).collect(),
			// What one more Wh in a zone's balance costs. Prices below zero are never needed: no
			// limit is, and so a zone with such a price sends and sells nothing.
			prices: solution.dual_rows().iter().map(|price| price.max(0.0)).collect(),
		};
		self.model = Some(solved.into());
		Ok(optimum)
	}
}

/// The part of what is sent that arrives.
pub(crate) fn arriving(link: &Link) -> f64 {
	1.0 - f64::from(link.loss_ppm) / 1e6
}
