//! Weights of the calls and of the work in idle time.
//!
//! Reckoned from the reads and writes of each step, with the database weights of the runtime, and
//! computing times. Those of orders, batches and fills are not below what `energy-bench steps` measures
//! through whole blocks in Wasm; see the decision record on weights.

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
	/// [`Pallet::place_batch`](crate::Pallet::place_batch) of `n` orders.
	fn place_batch(n: u32) -> Weight;
	/// [`Pallet::replace`](crate::Pallet::replace).
	fn replace() -> Weight;
	/// [`Pallet::withdraw`](crate::Pallet::withdraw).
	fn withdraw() -> Weight;
	/// [`Pallet::set_agent`](crate::Pallet::set_agent).
	fn set_agent() -> Weight;
	/// [`Pallet::place_standing`](crate::Pallet::place_standing).
	fn place_standing() -> Weight;
	/// [`Pallet::cancel_standing`](crate::Pallet::cancel_standing).
	fn cancel_standing() -> Weight;
	/// [`Pallet::make_offer`](crate::Pallet::make_offer).
	fn make_offer() -> Weight;
	/// [`Pallet::accept_offer`](crate::Pallet::accept_offer).
	fn accept_offer() -> Weight;
	/// [`Pallet::withdraw_offer`](crate::Pallet::withdraw_offer).
	fn withdraw_offer() -> Weight;
	/// [`Pallet::annul`](crate::Pallet::annul).
	fn annul() -> Weight;
	/// [`Pallet::set_region`](crate::Pallet::set_region) of the largest region.
	fn set_region() -> Weight;
	/// [`Pallet::set_capacities`](crate::Pallet::set_capacities) of the most links.
	fn set_capacities() -> Weight;
	/// [`Pallet::propose_coupling`](crate::Pallet::propose_coupling) for the largest region, with
	/// `MaxTicks` prices in each zone.
	fn propose_coupling() -> Weight;
	/// [`Pallet::set_slot_length`](crate::Pallet::set_slot_length).
	fn set_slot_length() -> Weight;
	/// [`Pallet::halt`](crate::Pallet::halt).
	fn halt() -> Weight;
	/// [`Pallet::resume`](crate::Pallet::resume).
	fn resume() -> Weight;
	/// Reading the list of open books.
	fn work_base() -> Weight;
	/// Seeing whether there is something to do for a book, and writing it back.
	fn look_at_book() -> Weight;
	/// Reading and removing the depth of a book of `MaxTicks` prices, and clearing it, with `n` orders
	/// that have a minimum or an expiry.
	fn find_price(n: u32) -> Weight;
	/// Filling a page of `n` orders, or releasing so many orders or positions; without what their
	/// accounts cost.
	fn fill_orders(n: u32) -> Weight;
	/// Writing what became of the orders of `n` accounts; without [`WeightInfo::return_money`].
	fn change_accounts(n: u32) -> Weight;
	/// Giving money back to a participant's own account.
	fn return_money() -> Weight;
	/// Seeing whether a zone has standing orders to place.
	fn look_at_renewal() -> Weight;
	/// Placing a standing order.
	fn renew_order() -> Weight;
	/// Looking at one bilateral offer and freeing its money.
	fn sweep_offer() -> Weight;
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
		step::<T>(20, 4, 2)
	}
	fn place() -> Weight {
		step::<T>(60, 10, 8)
	}
	fn cancel() -> Weight {
		step::<T>(60, 9, 8)
	}
	fn place_batch(n: u32) -> Weight {
		step::<T>(60, 8, 5).saturating_add(step::<T>(40, 1, 1).saturating_mul(n.into()))
	}
	fn replace() -> Weight {
		step::<T>(100, 14, 12)
	}
	fn withdraw() -> Weight {
		step::<T>(60, 5, 4)
	}
	fn set_agent() -> Weight {
		step::<T>(20, 2, 1)
	}
	fn place_standing() -> Weight {
		step::<T>(40, 8, 5)
	}
	fn cancel_standing() -> Weight {
		step::<T>(40, 3, 3)
	}
	fn make_offer() -> Weight {
		step::<T>(100, 12, 8)
	}
	fn accept_offer() -> Weight {
		step::<T>(160, 20, 16)
	}
	fn withdraw_offer() -> Weight {
		step::<T>(80, 7, 7)
	}
	fn annul() -> Weight {
		step::<T>(60, 6, 70)
	}
	fn set_region() -> Weight {
		step::<T>(200, 50, 18)
	}
	fn set_capacities() -> Weight {
		step::<T>(100, 52, 1)
	}
	fn propose_coupling() -> Weight {
		step::<T>(8_000, 16 * 68 + 20, 1)
	}
	fn set_slot_length() -> Weight {
		step::<T>(30, 7, 1)
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
	fn find_price(n: u32) -> Weight {
		step::<T>(300, 65, 65).saturating_add(step::<T>(50, 1, 1).saturating_mul(n.into()))
	}
	fn fill_orders(n: u32) -> Weight {
		step::<T>(20, 2, 2).saturating_add(step::<T>(12, 0, 0).saturating_mul(n.into()))
	}
	fn change_accounts(n: u32) -> Weight {
		step::<T>(15, 2, 1).saturating_mul(n.into())
	}
	fn return_money() -> Weight {
		step::<T>(60, 4, 4)
	}
	fn look_at_renewal() -> Weight {
		step::<T>(10, 4, 1)
	}
	fn renew_order() -> Weight {
		step::<T>(100, 14, 10)
	}
	fn sweep_offer() -> Weight {
		step::<T>(80, 9, 8)
	}
	fn finish_clearing() -> Weight {
		step::<T>(20, 3, 4)
	}
	fn forget_book() -> Weight {
		step::<T>(10, 3, 2)
	}
}
