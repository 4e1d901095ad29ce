//! What the call and the work in idle time cost.

use crate::{
	BenchmarkHelper, Bills, Call, Config, Job, Jobs, Pallet, Pass, Pending, Pot, Retired,
	RetiredRange, Step, Stop, WeightInfo, BILLS_PER_STEP,
};
use alloc::{vec, vec::Vec};
use energy_primitives::{
	Balance, Bill, CashFlow, ClearedMarket, Measured, Position, Quality, Slot, SlotClock, ZoneId,
};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{fungible::Inspect, Get},
	weights::WeightMeter,
	BoundedVec,
};
use frame_system::RawOrigin;

const ZONE: ZoneId = ZoneId(77);
const SLOT: Slot = Slot(1_000_000);
/// What each participant owes the grid, and as much again for imbalance, minor units.
const PART: Balance = 1_000_000;
/// What each participant has bought and sold, Wh.
const ENERGY: u64 = 1_000;
/// Somebody pays all that is held.
const PAYS: CashFlow = CashFlow { energy: 0, imbalance: -(PART as i128), grid_fee: PART };
/// Somebody is paid.
const RECEIVES: CashFlow = CashFlow { energy: PART as i128, imbalance: 0, grid_fee: 0 };

/// A zone that is open, and its utility.
fn open_zone<T: Config>() -> T::AccountId {
	let utility: T::AccountId = account("utility", 0, 0);
	T::BenchmarkHelper::open_zone(ZONE, &utility);
	utility
}

fn participant<T: Config>(number: u32) -> T::AccountId {
	account("participant", number, 0)
}

/// A cleared slot with so many positions.
fn clear<T: Config>(count: u32) {
	open_zone::<T>();
	let position = |number| Position {
		account: participant::<T>(number),
		bought_wh: ENERGY,
		sold_wh: ENERGY,
		held: 2 * PART,
	};
	T::BenchmarkHelper::clear(ZONE, SLOT, (0..count).map(position).collect());
}

/// A job of so many positions at the start of a pass.
fn job(count: u32, pass: Pass) -> Job {
	let mut job = Job::new(count);
	job.start(pass);
	job
}

/// Gives everyone the same bill, and adds it to the sums of the job.
fn bill<T: Config>(job: &mut Job, flow: CashFlow) {
	let measured = Measured { import_wh: ENERGY, export_wh: ENERGY, quality: Quality::Valid };
	let bill = Bill { bought_wh: ENERGY, sold_wh: ENERGY, measured, flow };
	for number in 0..job.positions {
		Bills::<T>::insert((ZONE, SLOT), participant::<T>(number), bill);
		job.sums.add(&flow).expect("the sums are small");
	}
}

fn balance<T: Config>(pot: Pot) -> Balance {
	T::Currency::balance(&Pallet::<T>::pot(ZONE, pot))
}

fn stopped(_: Stop) -> BenchmarkError {
	BenchmarkError::Stop("the zone was stopped")
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// All that is in the pot, to an account without money.
	#[benchmark]
	fn withdraw_fees() {
		let utility = open_zone::<T>();
		T::BenchmarkHelper::fund(&Pallet::<T>::pot(ZONE, Pot::Fees), PART);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility.clone()), ZONE, PART);

		assert_eq!(balance::<T>(Pot::Fees), 0);
		assert_eq!(T::Currency::balance(&utility), PART);
	}

	/// With as many slots as there may be, one of which is done, so that the list is written too.
	#[benchmark]
	fn work_base() {
		open_zone::<T>();
		let slots: Vec<_> = (0..T::MaxPending::get()).map(|number| (ZONE, Slot(number))).collect();
		let slots: BoundedVec<_, T::MaxPending> = BoundedVec::truncate_from(slots);
		Pending::<T>::put(slots);
		let limit = T::WeightInfo::work_base().saturating_add(T::WeightInfo::look_at_job());

		#[block]
		{
			Pallet::<T>::work(&mut WeightMeter::with_limit(limit));
		}

		assert_eq!(Pending::<T>::get().len() as u32, T::MaxPending::get() - 1);
	}

	/// The meters of the slot have just become known.
	#[benchmark]
	fn look_at_job() {
		clear::<T>(1);
		Jobs::<T>::insert((ZONE, SLOT), Job::new(1));
		let step;

		#[block]
		{
			step = Pallet::<T>::step(ZONE, SLOT, &mut WeightMeter::new());
		}

		assert!(matches!(step, Step::Further));
		assert_eq!(Jobs::<T>::get((ZONE, SLOT)), Some(job(1, Pass::Ask)));
	}

	/// The last page of a slot; without the contract, whose weight is another matter.
	#[benchmark]
	fn ask(n: Linear<1, { T::PageSize::get() }>) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Ask);
		// What is owed does not matter here, only that it is within the terms.
		let answers = vec![CashFlow::default(); n as usize];

		#[block]
		{
			let page = Pallet::<T>::read_page(ZONE, SLOT, 0..n).map_err(stopped)?;
			Pallet::<T>::take_answers(ZONE, SLOT, &mut job, page, answers).map_err(stopped)?;
			Pallet::<T>::check_sums(ZONE, &job).map_err(stopped)?;
		}

		assert!(job.is_at_end());
		assert_eq!(Bills::<T>::iter_prefix((ZONE, SLOT)).count() as u32, n);
		Ok(())
	}

	/// The last page of a slot. Everyone pays.
	#[benchmark]
	fn collect(n: Linear<1, { T::PageSize::get() }>) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Collect);
		bill::<T>(&mut job, PAYS);
		let before = balance::<T>(Pot::Imbalance);

		#[block]
		{
			Pallet::<T>::collect(ZONE, SLOT, &mut job, 0..n).map_err(stopped)?;
			Pallet::<T>::settle_pots(ZONE, &job).map_err(stopped)?;
		}

		assert!(job.is_at_end());
		assert_eq!(balance::<T>(Pot::Fees), PART * Balance::from(n));
		assert_eq!(balance::<T>(Pot::Imbalance) - before, PART * Balance::from(n));
		Ok(())
	}

	/// The last page of a slot. Everyone is paid, and gets back what is held.
	#[benchmark]
	fn pay(n: Linear<1, { T::PageSize::get() }>) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Pay);
		bill::<T>(&mut job, RECEIVES);
		let paid = PART * Balance::from(n);
		T::BenchmarkHelper::fund(&Pallet::<T>::pot(ZONE, Pot::Escrow), paid);

		#[block]
		{
			Pallet::<T>::pay(ZONE, SLOT, &mut job, 0..n).map_err(stopped)?;
			Pallet::<T>::finish(ZONE, SLOT, &job).map_err(stopped)?;
		}

		assert_eq!(job.sums.paid, paid);
		assert_eq!(balance::<T>(Pot::Escrow), 0);
		assert!((0..n).all(|number| T::Market::position(ZONE, SLOT, number).is_none()));
		Ok(())
	}

	#[benchmark]
	fn forget_bills(n: Linear<0, { BILLS_PER_STEP }>) {
		bill::<T>(&mut job(n, Pass::Pay), RECEIVES);
		Retired::<T>::insert(0u64, (ZONE, SLOT));
		RetiredRange::<T>::put((0u64, 1u64));
		let now = Slot(SLOT.0 + T::RetentionSlots::get() + 1);
		T::BenchmarkHelper::set_now_seconds(now.start_seconds(T::Clock::slot_seconds()));

		#[block]
		{
			Pallet::<T>::forget_old(&mut WeightMeter::new());
		}

		assert_eq!(RetiredRange::<T>::get(), (1, 1));
		assert_eq!(Bills::<T>::iter_prefix((ZONE, SLOT)).count(), 0);
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
