//! Weights of the calls and of the work in idle time.
//!
//! Not measured yet: reckoned from the reads and writes of each step with the database weights of
//! the runtime and generous computing times.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What each step costs.
pub trait WeightInfo {
	/// [`Pallet::set_terms`](crate::Pallet::set_terms).
	fn set_terms() -> Weight;
	/// [`Pallet::place`](crate::Pallet::place).
	fn place() -> Weight;
	/// [`Pallet::cancel`](crate::Pallet::cancel).
	fn cancel() -> Weight;
	/// [`Pallet::halt`](crate::Pallet::halt).
	fn halt() -> Weight;
	/// [`Pallet::resume`](crate::Pallet::resume).
	fn resume() -> Weight;
	/// Reading the list of open books.
	fn work_base() -> Weight;
	/// Seeing whether there is something to do for a book, and writing it back.
	fn look_at_book() -> Weight;
	/// Reading and removing the depth of a book of `MaxTicks` prices, and clearing it.
	fn find_price() -> Weight;
	/// Filling one order.
	fn fill_order() -> Weight;
	/// Telling settlement that a slot is cleared.
	fn finish_clearing() -> Weight;
	/// Forgetting one old book.
	fn forget_book() -> Weight;
}

/// Reckoned weights.
pub struct ReckonedWeight<T>(PhantomData<T>);

fn step<T: frame_system::Config>(micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), (reads + writes).saturating_mul(512))
		.saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: frame_system::Config> WeightInfo for ReckonedWeight<T> {
	fn set_terms() -> Weight {
		step::<T>(20, 2, 1)
	}
	fn place() -> Weight {
		step::<T>(60, 10, 8)
	}
	fn cancel() -> Weight {
		step::<T>(60, 9, 8)
	}
	fn halt() -> Weight {
		step::<T>(20, 3, 1)
	}
	fn resume() -> Weight {
		step::<T>(20, 2, 1)
	}
	fn work_base() -> Weight {
		step::<T>(10, 3, 2)
	}
	fn look_at_book() -> Weight {
		step::<T>(10, 3, 1)
	}
	fn find_price() -> Weight {
		step::<T>(300, 64, 64)
	}
	fn fill_order() -> Weight {
		step::<T>(60, 7, 7)
	}
	fn finish_clearing() -> Weight {
		step::<T>(20, 3, 4)
	}
	fn forget_book() -> Weight {
		step::<T>(10, 2, 2)
	}
}
