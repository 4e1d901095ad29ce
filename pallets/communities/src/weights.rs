//! Weights of the calls and of the work in idle time. `n` is a number of keys, seats or readings.
//!
//! Not measured yet: reckoned from the reads and writes of each step with the database weights of
//! the runtime and generous computing times, for communities of up to [`MEMBERS`] members.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// What each call and each step costs.
pub trait WeightInfo {
	/// [`Pallet::create`](crate::Pallet::create).
	fn create() -> Weight;
	/// [`Pallet::appoint_manager`](crate::Pallet::appoint_manager).
	fn appoint_manager() -> Weight;
	/// [`Pallet::invite`](crate::Pallet::invite).
	fn invite() -> Weight;
	/// [`Pallet::revoke_invitation`](crate::Pallet::revoke_invitation).
	fn revoke_invitation() -> Weight;
	/// [`Pallet::join`](crate::Pallet::join).
	fn join() -> Weight;
	/// [`Pallet::leave`](crate::Pallet::leave) and [`Pallet::exclude`](crate::Pallet::exclude).
	fn leave() -> Weight;
	/// [`Pallet::set_keys`](crate::Pallet::set_keys).
	fn set_keys(n: u32) -> Weight;
	/// [`Pallet::set_price`](crate::Pallet::set_price).
	fn set_price() -> Weight;
	/// [`Pallet::set_grid_fee`](crate::Pallet::set_grid_fee).
	fn set_grid_fee() -> Weight;
	/// [`Pallet::set_limit`](crate::Pallet::set_limit).
	fn set_limit() -> Weight;
	/// [`Pallet::deposit`](crate::Pallet::deposit).
	fn deposit() -> Weight;
	/// [`Pallet::withdraw`](crate::Pallet::withdraw).
	fn withdraw() -> Weight;
	/// [`Pallet::dissolve`](crate::Pallet::dissolve).
	fn dissolve() -> Weight;
	/// Reading the list of zones and what is to be forgotten.
	fn work_base() -> Weight;
	/// Seeing whether a slot of a zone can be shared, and writing the progress back.
	fn look_at_slot() -> Weight;
	/// Reading a community, its seats and what was read of its members.
	fn look_at_community() -> Weight;
	/// Reading a page of `n` bills, and noting those of `members` members.
	fn read_promises(n: u32, members: u32) -> Weight;
	/// Reading the meters and promises of `n` members; without [`WeightInfo::read_lines`].
	fn read(n: u32) -> Weight;
	/// Reading `n` pages of meters' lines.
	fn read_lines(n: u32) -> Weight;
	/// Sharing a slot among those who have something to share.
	fn share(n: u32) -> Weight;
	/// Looking who has to leave, and ending a community.
	fn part_base() -> Weight;
	/// Giving deposits back.
	fn release(n: u32) -> Weight;
	/// Forgetting the shares of a slot.
	fn forget_share() -> Weight;
}

/// The most members of a community.
pub const MEMBERS: u64 = 256;
/// A page of 256 lines in a proof.
const PAGE_BYTES: u64 = 9_000;
/// The seats, invitations, readings or shares of a community in a proof: up to 100 bytes each.
const LIST_BYTES: u64 = 100 * MEMBERS;

/// Reckoned weights.
pub struct ReckonedWeight<T>(PhantomData<T>);

fn step<T: frame_system::Config>(micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), (reads + writes).saturating_mul(512))
		.saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

/// The proof of so many lists of a community, and the time to read and write them.
fn lists(count: u64) -> Weight {
	Weight::from_parts(count.saturating_mul(50_000_000), count.saturating_mul(LIST_BYTES))
}

impl<T: frame_system::Config> WeightInfo for ReckonedWeight<T> {
	fn create() -> Weight {
		step::<T>(60, 11, 5)
	}
	fn appoint_manager() -> Weight {
		step::<T>(40, 5, 1)
	}
	fn invite() -> Weight {
		step::<T>(40, 4, 1).saturating_add(lists(1))
	}
	fn revoke_invitation() -> Weight {
		step::<T>(40, 3, 1).saturating_add(lists(1))
	}
	fn join() -> Weight {
		// The sum of the keys is looked at wherever a key changes: as often as there are seats.
		step::<T>(700, 13, 9).saturating_add(lists(2))
	}
	fn leave() -> Weight {
		step::<T>(40, 5, 1).saturating_add(lists(1))
	}
	fn set_keys(n: u32) -> Weight {
		step::<T>(700, 6, 1)
			.saturating_add(lists(1))
			.saturating_add(Weight::from_parts(u64::from(n).saturating_mul(6_000_000), 0))
	}
	fn set_price() -> Weight {
		step::<T>(40, 5, 1)
	}
	fn set_grid_fee() -> Weight {
		step::<T>(40, 6, 1)
	}
	fn set_limit() -> Weight {
		step::<T>(40, 5, 1)
	}
	fn deposit() -> Weight {
		step::<T>(90, 7, 5)
	}
	fn withdraw() -> Weight {
		step::<T>(90, 10, 5).saturating_add(lists(1))
	}
	fn dissolve() -> Weight {
		step::<T>(40, 5, 1)
	}
	fn work_base() -> Weight {
		step::<T>(10, 5, 2)
	}
	fn look_at_slot() -> Weight {
		step::<T>(20, 9, 1)
	}
	fn look_at_community() -> Weight {
		step::<T>(20, 4, 0).saturating_add(lists(2))
	}
	fn read_promises(n: u32, members: u32) -> Weight {
		// A bill has less than 200 bytes.
		step::<T>(30, 2, 0)
			.saturating_add(Weight::from_parts(0, 200 * u64::from(n)))
			.saturating_add(step::<T>(5, 1, 0).saturating_mul(n.into()))
			.saturating_add(step::<T>(5, 0, 1).saturating_mul(members.into()))
	}
	fn read(n: u32) -> Weight {
		step::<T>(20, 1, 1)
			.saturating_add(lists(1))
			.saturating_add(step::<T>(25, 4, 0).saturating_mul(n.into()))
	}
	fn read_lines(n: u32) -> Weight {
		step::<T>(20, 1, 0)
			.saturating_add(Weight::from_parts(0, PAGE_BYTES))
			.saturating_mul(n.into())
	}
	fn share(n: u32) -> Weight {
		// Somebody who takes: member, hold, sum of holds and account. There are at most two more
		// transfers than members.
		step::<T>(200, 8, 10)
			.saturating_add(lists(2))
			.saturating_add(step::<T>(120, 4, 4).saturating_mul(n.into()))
	}
	fn part_base() -> Weight {
		step::<T>(40, 2, 7).saturating_add(lists(2))
	}
	fn release(n: u32) -> Weight {
		step::<T>(10, 1, 1).saturating_add(step::<T>(100, 6, 7).saturating_mul(n.into()))
	}
	fn forget_share() -> Weight {
		step::<T>(10, 3, 2).saturating_add(lists(1))
	}
}
