//! `energy-solver`: reads a problem, prints an outcome that the certificate accepts.

use clap::Parser;
use energy_solver::{solve, summary, Answer, Problem};
use std::{io::Read, path::PathBuf, process::ExitCode};

const FORMATS: &str = r#"PROBLEM, a JSON object:
  zones[]      name, price_floor, tick_size, bids[], asks[]
               The price of tick t is price_floor + t * tick_size, minor units per kWh.
               A level of bids or asks has tick (0 to 65535) and energy_wh.
               Without bids, or without asks, a zone has none.
  links[]      from, to (names of zones), capacity_wh, and if not zero: loss_ppm (what is lost
               of what is sent), fee_per_kwh (minor units per kWh sent), fee_ppm (a part of the
               price in the sending zone)
  At most 16 zones and 64 links.

ANSWER, a JSON object on standard output:
  zones[]      name, price, bought_wh, sold_wh
  links[]      from, to, flow_wh, arriving_wh, income
  welfare, gap, tolerance, income: minor units, decimal, as text

EXIT CODE
  0  an outcome was found, and the certificate accepts it
  1  none was found
  2  the arguments, the file or the problem are wrong

EXAMPLE
  energy-solver examples/two-zones.json"#;

/// Finds the best outcome of coupled zones in whole numbers, with prices that prove it.
///
/// Only what the chain's certificate accepts is printed. A summary for people goes to standard
/// error.
#[derive(Parser)]
#[command(version, after_help = FORMATS, max_term_width = 100)]
struct Arguments {
	/// The problem, a JSON file; "-" or nothing reads standard input.
	#[arg(value_name = "PROBLEM", default_value = "-")]
	problem: PathBuf,

	/// Nothing but JSON: no summary, and an error is a JSON object {"error": {"field", "reason"}}
	/// on standard error.
	#[arg(long)]
	json: bool,
}

/// What went wrong, where, and the exit code.
struct Failure {
	field: Option<String>,
	reason: String,
	exit_code: u8,
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	match run(&arguments) {
		Ok(()) => ExitCode::SUCCESS,
		Err(Failure { field, reason, exit_code }) => {
			if arguments.json {
				let error = serde_json::json!({ "error": { "field": field, "reason": reason } });
				eprintln!("{error}");
			} else {
				match field {
					Some(field) => eprintln!("error: {field}: {reason}"),
					None => eprintln!("error: {reason}"),
				}
			}
			ExitCode::from(exit_code)
		}
	}
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
	let wrong =
		|field: String, reason: String| Failure { field: Some(field), reason, exit_code: 2 };
	let unsolved = |reason: String| Failure { field: None, reason, exit_code: 1 };
	let path = arguments.problem.as_path();
	let text = if path == std::path::Path::new("-") {
		let mut text = String::new();
		std::io::stdin().read_to_string(&mut text).map(|_| text)
	} else {
		std::fs::read_to_string(path)
	};
	let text = text.map_err(|error| wrong(path.display().to_string(), error.to_string()))?;
	let problem = Problem::from_json(&text).map_err(|error| wrong(error.field, error.reason))?;
	let solution = solve(&problem).map_err(|error| unsolved(error.to_string()))?;
	let answer = Answer::new(&problem, &solution);
	let json =
		serde_json::to_string_pretty(&answer).map_err(|error| unsolved(error.to_string()))?;
	println!("{json}");
	if !arguments.json {
		eprint!("{}", summary(&answer, solution.rounds));
	}
	Ok(())
}
