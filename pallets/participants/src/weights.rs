//! Weights of the pallet.
//!
//! NOT YET MEASURED. The figures are estimates by hand: reads and writes are counted from the code,
//! computing times and proof sizes are rounded up. To be replaced by the output of the benchmarks.

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, RuntimeDbWeight, Weight},
};

/// What the calls of the pallet cost.
pub trait WeightInfo {
	/// Opening a zone.
	fn register_zone() -> Weight;
	/// Replacing a zone's utility.
	fn replace_utility() -> Weight;
	/// Admitting an account.
	fn admit() -> Weight;
	/// Suspending a participant.
	fn suspend() -> Weight;
	/// Reinstating a participant.
	fn reinstate() -> Weight;
	/// Removing a participant.
	fn remove() -> Weight;
	/// Registering a meter.
	fn register_meter() -> Weight;
	/// Giving a meter a new key.
	fn rotate_meter_key() -> Weight;
	/// Checking the signer of a transaction.
	fn check_participant() -> Weight;
}

/// Picoseconds in a microsecond.
const MICROSECOND: u64 = 1_000_000;
/// Decompressing a point of P-256 or of Edwards 25519, rounded up.
const KEY_CHECK: u64 = 600 * MICROSECOND;
/// Proof of one item of storage: the item, and the path to it.
const ITEM: u64 = 3_000;

fn estimate(db: RuntimeDbWeight, time: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(time, ITEM.saturating_mul(reads))
		.saturating_add(db.reads_writes(reads, writes))
}

macro_rules! estimates {
	($db:expr) => {
		fn register_zone() -> Weight {
			estimate($db, 30 * MICROSECOND, 4, 3)
		}
		fn replace_utility() -> Weight {
			estimate($db, 20 * MICROSECOND, 2, 1)
		}
		fn admit() -> Weight {
			estimate($db, 30 * MICROSECOND, 5, 2)
		}
		fn suspend() -> Weight {
			estimate($db, 20 * MICROSECOND, 3, 1)
		}
		fn reinstate() -> Weight {
			estimate($db, 20 * MICROSECOND, 2, 1)
		}
		fn remove() -> Weight {
			estimate($db, 30 * MICROSECOND, 5, 3)
		}
		fn register_meter() -> Weight {
			estimate($db, 40 * MICROSECOND + KEY_CHECK, 7, 4)
		}
		fn rotate_meter_key() -> Weight {
			estimate($db, 30 * MICROSECOND + KEY_CHECK, 3, 2)
		}
		fn check_participant() -> Weight {
			estimate($db, 5 * MICROSECOND, 1, 0)
		}
	};
}

/// The weights with the runtime's own database costs.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	estimates!(T::DbWeight::get());
}

/// For tests.
impl WeightInfo for () {
	estimates!(RocksDbWeight::get());
}
