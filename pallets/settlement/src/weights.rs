//! Weights of the call and of the work in idle time. `n` is a number of positions.
//!
//! Not measured yet: reckoned from the reads and writes of each step with the database weights of
//! the runtime and generous computing times. The weight of a contract call comes on top.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What each step costs.
pub trait WeightInfo {
	/// [`Pallet::withdraw_fees`](crate::Pallet::withdraw_fees).
	fn withdraw_fees() -> Weight;
	/// Reading the list of pending slots.
	fn work_base() -> Weight;
	/// Seeing whether there is something to do for a slot, and writing the job back.
	fn look_at_job() -> Weight;
	/// Reading positions and meters, and checking and writing the answers.
	fn ask(n: u32) -> Weight;
	/// Taking money from those who pay.
	fn collect(n: u32) -> Weight;
	/// Giving money to those who receive, and releasing what is held.
	fn pay(n: u32) -> Weight;
	/// Forgetting bills.
	fn forget_bills(n: u32) -> Weight;
}

/// The most meters of one owner.
const METERS: u64 = 16;
/// The slots in which a meter's line is looked for: its own, and four earlier ones for an estimate.
const SLOTS: u64 = 5;
/// A page of 256 lines in a proof.
const PAGE_BYTES: u64 = 9_000;

/// Reckoned weights.
pub struct ReckonedWeight<T>(PhantomData<T>);

fn step<T: frame_system::Config>(micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), (reads + writes).saturating_mul(512))
		.saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for ReckonedWeight<T> {
	fn withdraw_fees() -> Weight {
		step::<T>(60, 5, 4)
	}
	fn work_base() -> Weight {
		step::<T>(10, 3, 2)
	}
	fn look_at_job() -> Weight {
		step::<T>(20, 6, 3)
	}
	fn ask(n: u32) -> Weight {
		// Where every meter's line is missing, each of the earlier slots is looked at too.
		let pages = METERS.saturating_mul(SLOTS);
		let position = step::<T>(10, 3, 1)
			.saturating_add(step::<T>(20, 1, 0).saturating_mul(pages))
			.saturating_add(Weight::from_parts(0, pages.saturating_mul(PAGE_BYTES)));
		step::<T>(20, 4, 0).saturating_add(position.saturating_mul(n.into()))
	}
	fn collect(n: u32) -> Weight {
		step::<T>(60, 6, 6).saturating_add(step::<T>(60, 6, 4).saturating_mul(n.into()))
	}
	fn pay(n: u32) -> Weight {
		step::<T>(20, 4, 4).saturating_add(step::<T>(90, 8, 7).saturating_mul(n.into()))
	}
	fn forget_bills(n: u32) -> Weight {
		step::<T>(10, 2, 2).saturating_add(step::<T>(5, 1, 1).saturating_mul(n.into()))
	}
}
