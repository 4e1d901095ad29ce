//! Random problems, all of which must be solved.

use energy_solver::{
	sample::{Sample, Shape},
	solve, Problem,
};

/// Solves problems of one shape; the certificate has accepted what `solve` returns.
fn all_are_solved(shape: Shape, seeds: std::ops::Range<u64>) {
	let mut unsolved = Vec::new();
	let mut traded = 0;
	let mut congested = 0;
	let mut most_rounds = 0;
	for seed in seeds {
		let problem = Sample::new(seed).problem(&shape);
		match solve(&problem) {
			Ok(solution) => {
				most_rounds = most_rounds.max(solution.rounds);
				traded += usize::from(solution.proposal.flows_wh.iter().any(|flow| *flow > 0));
				congested += usize::from(is_congested(&problem, &solution.proposal.flows_wh));
			}
			Err(error) => unsolved.push((seed, error)),
		}
	}
	println!("{traded} with flows, {congested} congested, at most {most_rounds} rounds");
	assert!(unsolved.is_empty(), "{} unsolved: {unsolved:?}", unsolved.len());
	assert!(traded > 0, "no problem had any flow");
}

fn is_congested(problem: &Problem, flows: &[u64]) -> bool {
	let mut flows = problem.links().iter().zip(flows);
	flows.any(|(link, &flow)| flow > 0 && flow == link.capacity_wh)
}

fn shape(has_losses: bool, has_percentages: bool) -> Shape {
	Shape {
		zones: 1..=6,
		links: 0..=12,
		ticks: 1..=2_000,
		energy_wh: 1..=100_000,
		has_losses,
		has_percentages,
	}
}

#[test]
fn networks_without_losses_are_solved() {
	all_are_solved(shape(false, false), 0..100);
}

#[test]
fn networks_with_losses_are_solved() {
	all_are_solved(shape(true, false), 1_000..1_200);
}

#[test]
fn networks_with_losses_and_percentages_are_solved() {
	all_are_solved(shape(true, true), 2_000..2_200);
}

#[test]
fn networks_of_a_few_watt_hours_are_solved() {
	// Every watt-hour that is lost by rounding matters here.
	let few = Shape { ticks: 1..=12, energy_wh: 1..=8, ..shape(true, false) };
	all_are_solved(few.clone(), 3_000..4_000);
	all_are_solved(Shape { has_percentages: true, ..few }, 4_000..5_000);
}

#[test]
fn networks_of_many_watt_hours_are_solved() {
	let many = Shape { ticks: 1..=50, energy_wh: 1..=100_000_000_000, ..shape(true, true) };
	all_are_solved(many, 5_000..5_200);
}
