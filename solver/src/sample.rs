//! Random problems, for tests and timings: the same seed gives the same problems everywhere.

use crate::problem::{Problem, Zone};
use energy_market_core::coupling::Link;
use std::ops::RangeInclusive;

/// A sequence of random numbers (SplitMix64; Steele, Lea and Flood 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Sample(u64);

/// What problems look like.
#[derive(Clone, Debug)]
pub struct Shape {
	/// How many zones.
	pub zones: RangeInclusive<usize>,
	/// How many links.
	pub links: RangeInclusive<usize>,
	/// How many ticks a book has.
	pub ticks: RangeInclusive<usize>,
	/// The most energy at one tick, Wh.
	pub energy_wh: RangeInclusive<u64>,
	/// Whether links may lose energy.
	pub has_losses: bool,
	/// Whether links may cost a percentage of the price.
	pub has_percentages: bool,
}

impl Sample {
	/// A sequence.
	pub fn new(seed: u64) -> Self {
		Self(seed)
	}

	fn next(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mut mixed = self.0;
		mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		mixed ^ (mixed >> 31)
	}

	/// A number in a range.
	pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
		let span = range.end() - range.start();
		range.start() + self.next() % span.saturating_add(1).max(1)
	}

	/// An index or a count in a range.
	pub fn count(&mut self, range: RangeInclusive<usize>) -> usize {
		// A range of counts has counts.
		self.within(*range.start() as u64..=*range.end() as u64) as usize
	}

	/// Once in `times`.
	pub fn once_in(&mut self, times: u64) -> bool {
		self.next().is_multiple_of(times.max(1))
	}

	/// One of several.
	pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
		choices[self.count(0..=choices.len() - 1)]
	}

	/// A problem with all that can make it hard: empty and one-sided books, books that do not
	/// cross, equal limits, very small and very large energies, links without capacity, without a
	/// limit, in parallel, in both directions and in circles.
	pub fn problem(&mut self, shape: &Shape) -> Problem {
		let count = self.count(shape.zones.clone());
		let zones: Vec<Zone> = (0..count).map(|index| self.zone(index, shape)).collect();
		let mut links = Vec::new();
		if count > 1 {
			for _ in 0..self.count(shape.links.clone()) {
				let link = self.link(count, &links, shape);
				links.push(link);
			}
		}
		Problem::new(zones, links).expect("samples are within all limits")
	}

	/// A problem with energy on both sides at each tick of each zone, and zones of which some are
	/// rich and some are poor in energy.
	pub fn dense_problem(&mut self, shape: &Shape) -> Problem {
		let count = self.count(shape.zones.clone());
		let mut zones = Vec::new();
		for index in 0..count {
			let ticks = self.count(shape.ticks.clone());
			let energy = self.within(shape.energy_wh.clone());
			let wanted = self.within(1..=energy);
			let offered = self.within(1..=energy);
			zones.push(Zone {
				name: format!("zone {index}"),
				price_floor: 0,
				tick_size: 1,
				bids: (0..ticks).map(|_| self.within(1..=wanted)).collect(),
				asks: (0..ticks).map(|_| self.within(1..=offered)).collect(),
			});
		}
		let mut links = Vec::new();
		for _ in 0..self.count(shape.links.clone()) {
			let link = self.link(count, &links, shape);
			links.push(link);
		}
		Problem::new(zones, links).expect("samples are within all limits")
	}

	fn zone(&mut self, index: usize, shape: &Shape) -> Zone {
		let ticks = self.count(shape.ticks.clone());
		let energy = self.within(shape.energy_wh.clone());
		// From a few orders to orders at each tick.
		let rarity = self.one_of(&[1, 1, 3, 20, 200]);
		let kind = self.count(0..=9);
		let middle = ticks / 2;
		let mut bids = vec![0; ticks];
		let mut asks = vec![0; ticks];
		for tick in 0..ticks {
			let (has_bids, has_asks) = match kind {
				0 => (false, false),
				1 => (true, false),
				2 => (false, true),
				// Nobody would trade within the zone.
				3 => (tick < middle, tick >= middle),
				_ => (true, true),
			};
			if has_bids && self.once_in(rarity) {
				bids[tick] = self.within(1..=energy.max(1));
			}
			if has_asks && self.once_in(rarity) {
				asks[tick] = self.within(1..=energy.max(1));
			}
		}
		Zone {
			name: format!("zone {index}"),
			price_floor: self.one_of(&[0, 0, 1, 50, 1_000]),
			tick_size: self.one_of(&[1, 1, 1, 5, 100]),
			bids,
			asks,
		}
	}

	fn link(&mut self, zones: usize, others: &[Link], shape: &Shape) -> Link {
		let from = self.count(0..=zones - 1);
		let to = (from + self.count(1..=zones - 1)) % zones;
		let (from, to) = match others.last() {
			// Another link beside the last, or one back.
			Some(last) if self.once_in(4) => (last.from, last.to),
			Some(last) if self.once_in(4) => (last.to, last.from),
			_ => (from, to),
		};
		let energy = *shape.energy_wh.end();
		let capacity_wh = match self.count(0..=7) {
			0 => 0,
			1 => self.within(1..=10),
			2 => u64::MAX,
			3 => self.within(0..=energy),
			_ => self.within(0..=energy.saturating_mul(shape.ticks.end().div_ceil(4) as u64)),
		};
		let loss_ppm = match self.count(0..=4) {
			_ if !shape.has_losses => 0,
			0 => 0,
			1 => self.within(1..=1_000),
			2 => self.within(0..=999_999),
			_ => self.within(0..=100_000),
		};
		let fee_ppm = match self.count(0..=2) {
			_ if !shape.has_percentages => 0,
			0 => self.within(0..=200_000),
			_ => 0,
		};
		Link {
			from,
			to,
			capacity_wh,
			// Less than a million.
			loss_ppm: loss_ppm as u32,
			fee_per_kwh: if self.once_in(2) { 0 } else { self.within(0..=100) },
			fee_ppm: fee_ppm as u32,
		}
	}
}
