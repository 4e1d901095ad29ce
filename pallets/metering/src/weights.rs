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
	/// Naming a group of `m` oracles.
	fn set_group(m: u32) -> Weight;
	/// Setting the times.
	fn set_parameters() -> Weight;
	/// Attesting a page of `v` lines, in the worst case the last vote on the last page, with every
	/// other oracle of another opinion.
	fn attest(v: u32) -> Weight;
	/// Challenging a line with `e` readings of the greatest length.
	fn challenge(e: u32) -> Weight;
	/// Looking whether there is something to prune.
	fn prune_base() -> Weight;
	/// Looking at a slot to prune, and taking it off the queue.
	fn prune_slot() -> Weight;
	/// Pruning a page with candidates.
	fn prune_page() -> Weight;
}

/// Picoseconds in a microsecond.
const MICROSECOND: u64 = 1_000_000;
/// Verifying one P-256 signature with two keys in Wasm, hashing the path and the message.
const EVIDENCE: u64 = 4_000 * MICROSECOND;
/// Proof of one small item of storage: the item, and the path to it.
const ITEM: u64 = 3_000;
/// Proof of a page's lines.
const PAGE: u64 = 9_000;
/// Oracles of a large group. Each may have a candidate of its own.
const ORACLES: u64 = 16;

fn estimate(db: RuntimeDbWeight, time: u64, proof: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(time, proof).saturating_add(db.reads_writes(reads, writes))
}

macro_rules! estimates {
	($db:expr) => {
		fn set_group(m: u32) -> Weight {
			let m = u64::from(m);
			let time = (20 * MICROSECOND).saturating_add(m.saturating_mul(5 * MICROSECOND));
			estimate($db, time, ITEM.saturating_mul(m.saturating_add(2)), m.saturating_add(1), 1)
		}
		fn set_parameters() -> Weight {
			estimate($db, 20 * MICROSECOND, 2 * ITEM, 4, 1)
		}
		fn attest(v: u32) -> Weight {
			let time =
				(120 * MICROSECOND).saturating_add(u64::from(v).saturating_mul(MICROSECOND / 5));
			estimate($db, time, 20 * ITEM + ORACLES * ITEM, 13 + ORACLES, 8 + 2 * ORACLES)
		}
		fn challenge(e: u32) -> Weight {
			let time = (100 * MICROSECOND).saturating_add(u64::from(e).saturating_mul(EVIDENCE));
			estimate($db, time, 10 * ITEM + PAGE + ORACLES * ITEM, 11 + ORACLES, 2 + ORACLES)
		}
		fn prune_base() -> Weight {
			estimate($db, 10 * MICROSECOND, 3 * ITEM, 3, 1)
		}
		fn prune_slot() -> Weight {
			// The market is asked about the slot and those that may estimate from it.
			estimate($db, 15 * MICROSECOND, 7 * ITEM, 7, 1)
		}
		fn prune_page() -> Weight {
			estimate($db, 40 * MICROSECOND, 2 * ITEM, 1, 3 + ORACLES)
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
