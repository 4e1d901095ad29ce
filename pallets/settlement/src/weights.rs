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
	/// Putting meters beside a page of positions, for `n` meters; without [`WeightInfo::read_lines`].
	fn measure(n: u32) -> Weight;
	/// Reading `n` pages of meters' lines.
	fn read_lines(n: u32) -> Weight;
	/// Reading `n` positions, and checking and writing the answers; without the contract's call.
	fn ask(n: u32) -> Weight;
	/// Paying `n` bills; without [`WeightInfo::return_money`].
	fn pay(n: u32) -> Weight;
	/// Giving money back to a participant's own account.
	fn return_money() -> Weight;
	/// Forgetting `n` pages of bills.
	fn forget_bills(n: u32) -> Weight;
}

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
	fn measure(n: u32) -> Weight {
		step::<T>(40, 3, 1).saturating_add(step::<T>(10, 1, 0).saturating_mul(n.into()))
	}
	fn read_lines(n: u32) -> Weight {
		step::<T>(20, 1, 0)
			.saturating_add(Weight::from_parts(0, PAGE_BYTES))
			.saturating_mul(n.into())
	}
	fn ask(n: u32) -> Weight {
		step::<T>(100, 14, 7).saturating_add(step::<T>(15, 0, 0).saturating_mul(n.into()))
	}
	fn pay(n: u32) -> Weight {
		step::<T>(200, 12, 12).saturating_add(step::<T>(15, 1, 2).saturating_mul(n.into()))
	}
	fn return_money() -> Weight {
		step::<T>(60, 4, 4)
	}
	fn forget_bills(n: u32) -> Weight {
		step::<T>(10, 2, 2).saturating_add(step::<T>(5, 1, 1).saturating_mul(n.into()))
	}
}
