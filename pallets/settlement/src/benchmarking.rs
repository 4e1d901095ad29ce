//! What the call and the work in idle time cost.

use crate::{
	BenchmarkHelper, Bills, Call, Config, Job, Jobs, Pallet, Pass, Pending, Pot, Retired,
	RetiredRange, Step, Stop, WeightInfo, PAGES_PER_STEP,
};
use alloc::{vec, vec::Vec};
use energy_primitives::{
	Agreed, Balance, Bill, CashFlow, ClearedMarket, Measured, MeterIndex, MeteredEnergy, Position,
	Quality, Slot, SlotClock, ZoneId, METERS_PER_PAGE, POSITIONS_PER_PAGE,
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
		agreed: Agreed::default(),
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

/// Gives the first `count` participants the same bill.
fn bill<T: Config>(count: u32, flow: CashFlow) {
	let measured = Measured { import_wh: ENERGY, export_wh: ENERGY, quality: Quality::Valid };
	let agreed = Agreed::default();
	let bill = Bill { bought_wh: ENERGY, sold_wh: ENERGY, agreed, measured, flow };
	let bills: Vec<_> = (0..count).map(|number| (participant::<T>(number), bill)).collect();
	for (page, bills) in (0u32..).zip(bills.chunks(POSITIONS_PER_PAGE as usize)) {
		Bills::<T>::insert((ZONE, SLOT), page, BoundedVec::truncate_from(bills.to_vec()));
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
		assert_eq!(Jobs::<T>::get((ZONE, SLOT)), Some(job(1, Pass::Measure)));
	}

	/// Everyone has as many meters as it may have.
	#[benchmark]
	fn measure(n: Linear<1, { POSITIONS_PER_PAGE }>) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Measure);

		#[block]
		{
			Pallet::<T>::measure(ZONE, SLOT, &mut job).map_err(stopped)?;
		}

		assert_eq!(Bills::<T>::get((ZONE, SLOT), 0).len() as u32, n);
		Ok(())
	}

	/// The lines of one participant's meters, none of which was attested.
	#[benchmark]
	fn read_lines(n: Linear<1, 128>) {
		clear::<T>(1);
		let meters: Vec<_> =
			(0..n).map(|number| MeterIndex(number.saturating_mul(METERS_PER_PAGE))).collect();
		let measured;

		#[block]
		{
			measured = T::Metering::measured_all(ZONE, SLOT, &meters).0;
		}

		assert_eq!(measured.len() as u32, n);
	}

	/// The last page of a slot; without the contract, whose weight is another matter.
	#[benchmark]
	fn ask(
		n: Linear<1, { T::PagesPerQuestion::get() * POSITIONS_PER_PAGE }>,
	) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Ask);
		bill::<T>(n, CashFlow::default());
		// What is owed does not matter here, only that it is within the terms.
		let answers = vec![CashFlow::default(); n as usize];

		#[block]
		{
			let pages = 0..n.div_ceil(POSITIONS_PER_PAGE);
			let question =
				Pallet::<T>::question(ZONE, SLOT, &job, pages.clone()).map_err(stopped)?;
			Pallet::<T>::take_answers(ZONE, SLOT, &mut job, pages, question, answers)
				.map_err(stopped)?;
			Pallet::<T>::check_sums(ZONE, SLOT, &job).map_err(stopped)?;
		}

		assert_eq!(job.sums.energy, 0);
		Ok(())
	}

	/// The last page of a slot. Everyone pays, and gets back what is still committed.
	#[benchmark]
	fn pay(n: Linear<1, { POSITIONS_PER_PAGE }>) -> Result<(), BenchmarkError> {
		clear::<T>(n);
		let mut job = job(n, Pass::Pay);
		bill::<T>(n, PAYS);
		for _ in 0..n {
			job.sums.add(&PAYS).expect("the sums are small");
		}

		#[block]
		{
			Pallet::<T>::pay(ZONE, SLOT, &mut job).map_err(stopped)?;
			Pallet::<T>::finish(ZONE, SLOT, &job).map_err(stopped)?;
		}

		assert!(T::Market::positions(ZONE, SLOT, 0).is_empty());
		assert_eq!(balance::<T>(Pot::Fees), PART * Balance::from(n));
		Ok(())
	}

	/// One participant, who gets back what is still committed.
	#[benchmark]
	fn return_money() -> Result<(), BenchmarkError> {
		clear::<T>(1);
		let returned;

		#[block]
		{
			returned = T::Market::finish(ZONE, SLOT, 0, &[0]);
		}

		assert_eq!(returned, Ok(1));
		Ok(())
	}

	#[benchmark]
	fn forget_bills(n: Linear<0, { PAGES_PER_STEP }>) {
		bill::<T>(n * POSITIONS_PER_PAGE, PAYS);
		Retired::<T>::insert(0u64, (ZONE, SLOT));
		RetiredRange::<T>::put((0u64, 1u64));
		let now = Slot(SLOT.0 + T::RetentionSlots::get() + 1);
		T::BenchmarkHelper::set_now_seconds(T::Clock::calendar(ZONE).start_seconds(now));

		#[block]
		{
			Pallet::<T>::forget_old(&mut WeightMeter::new());
		}

		assert_eq!(RetiredRange::<T>::get(), (1, 1));
		assert_eq!(Bills::<T>::iter_prefix((ZONE, SLOT)).count(), 0);
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
