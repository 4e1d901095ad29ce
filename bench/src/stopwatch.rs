//! Measures how long something takes: by the clock on the wall, and by what the processor did for
//! it.
//!
//! On a machine that has nothing else to do both are nearly the same. Where the first is much
//! larger the machine was busy, and a rate that is reckoned from it is too low. Work that is handed
//! to other threads, as the database does with its files, is in the first alone, as far as it is
//! waited for.

use std::{
	ops::Add,
	time::{Duration, Instant},
};

/// How long something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
	/// By the clock on the wall.
	pub wall: Duration,
	/// What the processor did for this thread.
	pub processor: Duration,
}

impl Add for Took {
	type Output = Self;

	fn add(self, other: Self) -> Self {
		Self { wall: self.wall + other.wall, processor: self.processor + other.processor }
	}
}

/// Runs since it was started.
pub struct Stopwatch {
	wall: Instant,
	processor: Duration,
}

impl Stopwatch {
	/// Starts a stopwatch.
	pub fn start() -> Self {
		Self { processor: processor_time(), wall: Instant::now() }
	}

	/// How long it has been running.
	pub fn took(&self) -> Took {
		let wall = self.wall.elapsed();
		Took { wall, processor: processor_time().saturating_sub(self.processor) }
	}
}

/// What the processor has done for this thread so far. Zero if the system does not say.
fn processor_time() -> Duration {
	let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
	// SAFETY: the pointer is to a value of the type that the function writes, and lives longer.
	let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
	if outcome != 0 {
		return Duration::ZERO;
	}
	let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
	whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn processor_does_nothing_while_the_thread_sleeps() {
		let watch = Stopwatch::start();
		std::thread::sleep(Duration::from_millis(50));
		let took = watch.took();
		assert!(took.wall >= Duration::from_millis(50));
		assert!(took.processor < Duration::from_millis(25));
	}
}
