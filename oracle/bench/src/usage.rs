//! What a process has used.

use std::fs;

/// Ticks in a second of the times in `/proc`, on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of all threads of a process so far, seconds, of the program and of the system for it
/// (`proc(5)`, fields 14 and 15 of `stat`). Zero when it is gone.
pub fn cpu_seconds_of(process: &str) -> f64 {
	let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
	// The second field is a name in brackets, in which there may be blanks.
	let after_name = stat.rsplit(')').next().unwrap_or_default();
	let ticks: u64 = after_name
		.split_whitespace()
		.skip(11)
		.take(2)
		.filter_map(|field| field.parse::<u64>().ok())
		.sum();
	ticks as f64 / TICKS_PER_SECOND
}

/// The same of this process.
pub fn cpu_seconds() -> f64 {
	cpu_seconds_of("self")
}
