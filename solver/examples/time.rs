//! How long solving and checking takes: 16 zones of 2,000 ticks each.
//!
//! `cargo run --release --example time`

use energy_market_core::coupling::{verify, ZoneBook};
use energy_solver::{
	sample::{Sample, Shape},
	solve,
};
use std::time::{Duration, Instant};

fn main() {
	println!("16 zones x 2,000 ticks, every price in use; median and longest of the problems");
	for (name, links, has_losses, has_percentages, problems) in [
		("without links", 0, false, false, 5),
		("24 links, fees", 24, false, false, 10),
		("24 links, fees and losses", 24, true, false, 10),
		("64 links, fees and losses", 64, true, false, 10),
		("64 links, fees, losses and percentages", 64, true, true, 10),
	] {
		let shape = Shape {
			zones: 16..=16,
			links: links..=links,
			ticks: 2_000..=2_000,
			energy_wh: 100_000..=100_000,
			has_losses,
			has_percentages,
		};
		let mut solving = Vec::new();
		let mut checking = Vec::new();
		let mut rounds = 0;
		for seed in 0..problems {
			let problem = Sample::new(seed).dense_problem(&shape);
			let start = Instant::now();
			let solution = solve(&problem);
			solving.push(start.elapsed());
			let solution = match solution {
				Ok(solution) => solution,
				Err(error) => {
					println!("{name}, problem {seed}: {error}");
					continue;
				}
			};
			rounds = rounds.max(solution.rounds);
			let books: Vec<ZoneBook> = problem.zones().iter().map(|zone| zone.book()).collect();
			let start = Instant::now();
			let verified = verify(&books, problem.links(), &solution.proposal);
			checking.push(start.elapsed());
			if verified.is_err() {
				println!("{name}, problem {seed}: not accepted");
			}
		}
		let (solve_median, solve_longest) = median_and_longest(solving);
		let (check_median, check_longest) = median_and_longest(checking);
		println!(
			"{name:<40} solve {solve_median:>9.1?} {solve_longest:>9.1?}   verify \
			 {check_median:>9.1?} {check_longest:>9.1?}   rounds up to {rounds}"
		);
	}
}

fn median_and_longest(mut times: Vec<Duration>) -> (Duration, Duration) {
	times.sort();
	let median = times.get(times.len() / 2).copied().unwrap_or_default();
	(median, times.last().copied().unwrap_or_default())
}
