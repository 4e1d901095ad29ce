//! What is measured. Each scenario builds a town of its own, so that none feels what another left.

pub mod clearing;
pub mod growth;
pub mod latency;
pub mod steps;
pub mod throughput;
pub mod trades;

use std::cell::RefCell;

use crate::{chain::Made, measure::Journal, node::Workshop};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
	/// Prosumers where rates and delays are measured.
	pub people: usize,
	/// Blocks that a rate is measured over.
	pub blocks: usize,
	/// Transactions in a block at most.
	pub most: usize,
	/// Orders in the books that are cleared.
	pub books: [usize; 3],
	/// How often an execution is repeated.
	pub repeats: usize,
	/// Orders of each person in the slot whose delays are measured.
	pub orders_per_person: usize,
	/// People who trade until they are paid.
	pub traders: usize,
	/// Slots in which they do.
	pub traded_slots: usize,
	/// Slots over which storage is watched.
	pub watched_slots: usize,
	/// People who trade in each of them.
	pub watched_people: usize,
}

impl Sizes {
	/// Of a real run.
	pub fn full() -> Self {
		Self {
			people: 10_000,
			blocks: 12,
			most: usize::MAX,
			books: [1_000, 100_000, 1_000_000],
			repeats: 21,
			orders_per_person: 10,
			traders: 1_000,
			traded_slots: 100,
			watched_slots: 1_000,
			watched_people: 20,
		}
	}

	/// Of a run that only shows that everything works.
	pub fn quick() -> Self {
		Self {
			people: 200,
			blocks: 3,
			most: 100,
			books: [500, 1_000, 3_000],
			repeats: 3,
			orders_per_person: 2,
			traders: 40,
			traded_slots: 3,
			watched_slots: 12,
			watched_people: 6,
		}
	}
}

/// What all scenarios share.
pub struct Bench {
	/// Where chains are made.
	pub workshop: Workshop,
	/// How much of everything.
	pub sizes: Sizes,
	/// From which keys and orders are made.
	pub seed: u64,
	/// The policy contract.
	pub policy: Vec<u8>,
	/// Every block that was measured.
	pub journal: RefCell<Journal>,
}

impl Bench {
	/// Notes a block.
	pub fn note(&self, scenario: &'static str, phase: &str, made: &Made) {
		self.journal.borrow_mut().note(scenario, phase, made);
	}
}
