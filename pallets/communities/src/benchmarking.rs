//! What the calls and the work in idle time cost.

use crate::{
	sharing::Step, BenchmarkHelper, Call, CommunitiesIn, CommunityOf, Config, Guarantee,
	Guarantees, HoldReason, Invitations, KeysOf, Memberships, Method, Pallet, Pass, Progress,
	ProgressOf, Reading, Readings, Retired, RetiredRange, Scheduled, Seat, Seats, Share, Shares,
	WeightInfo, Zones,
};
use alloc::vec::Vec;
use energy_primitives::{
	Balance, CommunityId, MeterIndex, MeteredEnergy, Quality, Slot, SlotClock, ZoneId, ZonePots,
	METERS_PER_PAGE, POSITIONS_PER_PAGE,
};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{
		fungible::{Inspect, InspectHold, MutateHold},
		Get,
	},
	weights::WeightMeter,
	BoundedVec,
};
use frame_system::RawOrigin;

const ZONE: ZoneId = ZoneId(77);
const FIRST: CommunityId = CommunityId(0);
/// The first slot of the community, and the one that is shared.
const SLOT: Slot = Slot(1_000_001);
/// What everybody has at first, minor units.
const MONEY: Balance = 1_000_000_000_000;
const DEPOSIT: Balance = 100_000_000_000;
const PRICE: u64 = 150_001;
const FEE: u64 = 20_001;
/// What everybody who needs energy needs, Wh.
const ENERGY: u64 = 1_001;

fn begin<T: Config>(slot: Slot) {
	T::BenchmarkHelper::set_now_seconds(T::Clock::calendar(ZONE).start_seconds(slot));
}

fn named<T: Config>(name: &'static str) -> T::AccountId {
	account(name, 0, 0)
}

fn member<T: Config>(number: u32) -> T::AccountId {
	account("member", number, 0)
}

/// A member that is admitted and has money.
fn admit<T: Config>(number: u32) -> T::AccountId {
	let who = member::<T>(number);
	T::BenchmarkHelper::admit(ZONE, &who);
	T::BenchmarkHelper::fund(&who, MONEY);
	who
}

/// The zone, in the slot before [`SLOT`]. Its utility and a manager.
fn open_zone<T: Config>() -> (T::AccountId, T::AccountId) {
	begin::<T>(Slot(SLOT.0 - 1));
	let (utility, manager) = (named::<T>("utility"), named::<T>("manager"));
	T::BenchmarkHelper::open_zone(ZONE, &utility);
	T::BenchmarkHelper::admit(ZONE, &manager);
	(utility, manager)
}

/// A community, in the slot before its first one. The utility of its zone and its manager.
fn create<T: Config>() -> (T::AccountId, T::AccountId) {
	let (utility, manager) = open_zone::<T>();
	Pallet::<T>::create(
		RawOrigin::Signed(utility.clone()).into(),
		ZONE,
		manager.clone(),
		Method::StaticKeys,
		PRICE,
		FEE,
		SLOT,
	)
	.expect("the zone is new");
	(utility, manager)
}

/// Gives so many members seats, each of which changes its key with a slot of its own.
fn seat<T: Config>(count: u32) {
	let mut seats = Vec::new();
	for number in 0..count {
		let account = admit::<T>(number);
		T::Currency::hold(&HoldReason::Community.into(), &account, DEPOSIT).expect("is funded");
		let limit_per_slot = Scheduled::new(DEPOSIT);
		Guarantees::<T>::insert(FIRST, &account, Guarantee { deposit: DEPOSIT, limit_per_slot });
		Memberships::<T>::insert(ZONE, &account, FIRST);
		let change = Slot(SLOT.0 + 1_000 + number);
		let key_ppm = Scheduled { before: 1, from: change, after: 2 };
		seats.push(Seat { account, from: SLOT, until: None, key_ppm });
	}
	Seats::<T>::insert(FIRST, BoundedVec::truncate_from(seats));
}

/// Invites so many strangers.
fn invite<T: Config>(count: u32) {
	let strangers: Vec<_> = (0..count).map(|number| (account("stranger", number, 0), 1)).collect();
	Invitations::<T>::insert(FIRST, BoundedVec::truncate_from(strangers));
}

/// The first slot that a change may have.
fn later<T: Config>() -> Slot {
	Pallet::<T>::first_with_notice(ZONE)
}

/// The zone is at a pass of the community, and the slot is over.
fn progress<T: Config>(pass: Pass) -> Progress {
	begin::<T>(SLOT.next());
	let mut progress = Progress::new(SLOT);
	progress.start(pass);
	ProgressOf::<T>::insert(ZONE, progress);
	progress
}

fn step<T: Config>(progress: &mut Progress) -> Step {
	Pallet::<T>::step(ZONE, progress, &mut WeightMeter::new())
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// The first of its zone.
	#[benchmark]
	fn create() {
		let (utility, manager) = open_zone::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), ZONE, manager, Method::StaticKeys, PRICE, FEE, SLOT);

		assert!(CommunityOf::<T>::contains_key(FIRST));
	}

	#[benchmark]
	fn appoint_manager() {
		let (utility, _) = super::create::<T>();
		let other = admit::<T>(0);

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), FIRST, other.clone());

		assert_eq!(CommunityOf::<T>::get(FIRST).map(|known| known.manager), Some(other));
	}

	/// The last that can be invited.
	#[benchmark]
	fn invite() {
		let (_, manager) = super::create::<T>();
		super::invite::<T>(T::MaxMembers::get() - 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(manager), FIRST, member::<T>(0), 7);

		assert_eq!(Invitations::<T>::get(FIRST).len() as u32, T::MaxMembers::get());
	}

	#[benchmark]
	fn revoke_invitation() {
		let (_, manager) = super::create::<T>();
		super::invite::<T>(T::MaxMembers::get());
		let last: T::AccountId = account("stranger", T::MaxMembers::get() - 1, 0);

		#[extrinsic_call]
		_(RawOrigin::Signed(manager), FIRST, last);

		assert_eq!(Invitations::<T>::get(FIRST).len() as u32, T::MaxMembers::get() - 1);
	}

	/// The last that finds a seat, when every member's key changes with a slot of its own.
	#[benchmark]
	fn join() {
		super::create::<T>();
		let count = T::MaxMembers::get() - 1;
		seat::<T>(count);
		super::invite::<T>(count);
		let who = admit::<T>(count);
		Invitations::<T>::mutate(FIRST, |invited| invited.force_push((who.clone(), 7)));

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), FIRST, 7, DEPOSIT, DEPOSIT);

		assert!(Guarantees::<T>::contains_key(FIRST, who));
		assert_eq!(Seats::<T>::get(FIRST).len() as u32, T::MaxMembers::get());
	}

	/// The last seat.
	#[benchmark]
	fn leave() {
		let (_, manager) = super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		let last = member::<T>(T::MaxMembers::get() - 1);

		#[extrinsic_call]
		exclude(RawOrigin::Signed(manager), FIRST, last);

		assert!(Seats::<T>::get(FIRST).last().is_some_and(|seat| seat.until.is_some()));
	}

	/// Of the last seats, when every member's key changes with a slot of its own.
	#[benchmark]
	fn set_keys(n: Linear<1, { T::MaxMembers::get() }>) {
		let (_, manager) = super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		let from = T::MaxMembers::get() - n;
		let keys = (from..from + n).map(|number| (member::<T>(number), 3)).collect();
		let keys: KeysOf<T> = BoundedVec::truncate_from(keys);
		let slot = later::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(manager), FIRST, keys, slot);

		let set = Seats::<T>::get(FIRST).iter().filter(|seat| seat.key_ppm.at(slot) == 3).count();
		assert_eq!(set as u32, n);
	}

	#[benchmark]
	fn set_price() {
		let (_, manager) = super::create::<T>();
		let slot = later::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(manager), FIRST, 7, slot);

		assert_eq!(CommunityOf::<T>::get(FIRST).map(|known| known.price_per_kwh.after), Some(7));
	}

	#[benchmark]
	fn set_grid_fee() {
		let (utility, _) = super::create::<T>();
		let slot = later::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), FIRST, 7, slot);

		assert_eq!(CommunityOf::<T>::get(FIRST).map(|known| known.grid_fee_per_kwh.after), Some(7));
	}

	#[benchmark]
	fn set_limit() {
		super::create::<T>();
		seat::<T>(1);

		#[extrinsic_call]
		_(RawOrigin::Signed(member::<T>(0)), FIRST, 7);

		let limit =
			Guarantees::<T>::get(FIRST, member::<T>(0)).map(|member| member.limit_per_slot.after);
		assert_eq!(limit, Some(7));
	}

	#[benchmark]
	fn deposit() {
		super::create::<T>();
		seat::<T>(1);

		#[extrinsic_call]
		_(RawOrigin::Signed(member::<T>(0)), FIRST, DEPOSIT);

		let left = Guarantees::<T>::get(FIRST, member::<T>(0)).map(|member| member.deposit);
		assert_eq!(left, Some(2 * DEPOSIT));
	}

	/// The last seat.
	#[benchmark]
	fn withdraw() {
		super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		let last = member::<T>(T::MaxMembers::get() - 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(last.clone()), FIRST, DEPOSIT - T::MinDeposit::get());

		let left = Guarantees::<T>::get(FIRST, last).map(|member| member.deposit);
		assert_eq!(left, Some(T::MinDeposit::get()));
	}

	#[benchmark]
	fn dissolve() {
		let (utility, _) = super::create::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(utility), FIRST);

		assert_eq!(CommunityOf::<T>::get(FIRST).and_then(|known| known.ends), Some(SLOT));
	}

	/// With as many zones as there may be, at the first of which the weight runs out.
	#[benchmark]
	fn work_base() {
		let zones = (0..T::MaxZones::get()).map(ZoneId).collect();
		Zones::<T>::put(BoundedVec::<_, T::MaxZones>::truncate_from(zones));

		#[block]
		{
			Pallet::<T>::work(&mut WeightMeter::with_limit(T::WeightInfo::work_base()));
		}

		assert_eq!(crate::Turn::<T>::get(), 1 % T::MaxZones::get());
	}

	/// A slot that can be shared; the progress is written.
	#[benchmark]
	fn look_at_slot() {
		super::create::<T>();
		T::BenchmarkHelper::measure(ZONE, SLOT, &[]);
		progress::<T>(Pass::Wait);
		let limit = T::WeightInfo::look_at_slot();

		#[block]
		{
			Pallet::<T>::work_on_zone(ZONE, &mut WeightMeter::with_limit(limit));
		}

		assert_eq!(ProgressOf::<T>::get(ZONE).map(|progress| progress.pass), Some(Pass::Promises));
	}

	/// A community with the most members, none of whom takes part.
	#[benchmark]
	fn look_at_community() {
		super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		Seats::<T>::mutate(FIRST, |seats| {
			seats.iter_mut().for_each(|seat| seat.from = SLOT.next());
		});
		let mut progress = progress::<T>(Pass::Read);

		#[block]
		{
			step::<T>(&mut progress);
		}

		assert_eq!(progress.next, T::PageSize::get().min(T::MaxMembers::get()));
	}

	/// A page of `n` bills, `m` of them of members.
	#[benchmark]
	fn read_promises(n: Linear<0, { POSITIONS_PER_PAGE }>, m: Linear<0, { POSITIONS_PER_PAGE }>) {
		super::create::<T>();
		let members = m.min(n).min(T::MaxMembers::get());
		seat::<T>(members);
		let accounts: Vec<_> = (0..n).map(member::<T>).collect();
		T::BenchmarkHelper::measure(ZONE, SLOT, &accounts);
		let mut progress = progress::<T>(Pass::Promises);

		#[block]
		{
			step::<T>(&mut progress);
		}

		assert_eq!(crate::Promised::<T>::iter_prefix(ZONE).count() as u32, members);
	}

	/// The first page of a community with the most members.
	#[benchmark]
	fn read(n: Linear<1, { T::PageSize::get() }>) {
		super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		Seats::<T>::mutate(FIRST, |seats| {
			seats.iter_mut().skip(n as usize).for_each(|seat| seat.from = SLOT.next());
		});
		let members: Vec<_> = (0..n).map(member::<T>).collect();
		T::BenchmarkHelper::measure(ZONE, SLOT, &members);
		let mut progress = progress::<T>(Pass::Read);

		#[block]
		{
			step::<T>(&mut progress);
		}

		assert!(progress.pass == Pass::Share || progress.next > 0);
	}

	/// Lines of as many pages, none of which was attested.
	#[benchmark]
	fn read_lines(n: Linear<1, { T::PageSize::get() }>) {
		super::create::<T>();
		let meters: Vec<_> =
			(0..n).map(|number| MeterIndex(number.saturating_mul(METERS_PER_PAGE))).collect();
		let measured;

		#[block]
		{
			measured = T::Metering::measured_all(ZONE, SLOT, &meters).0;
		}

		assert_eq!(measured.len() as u32, n);
	}

	/// One gives, all others take.
	#[benchmark]
	fn share(n: Linear<2, { T::MaxMembers::get() }>) {
		super::create::<T>();
		seat::<T>(n);
		let readings = (0..n).map(|number| Reading {
			account: member::<T>(number),
			key_ppm: if number == 0 { 0 } else { 1_000_000 / n },
			surplus_wh: if number == 0 { ENERGY * u64::from(n) } else { 0 },
			need_wh: if number == 0 { 0 } else { ENERGY },
			quality: Quality::Valid,
		});
		let readings: Vec<_> = readings.collect();
		Readings::<T>::insert(ZONE, BoundedVec::truncate_from(readings));
		let mut progress = progress::<T>(Pass::Share);

		#[block]
		{
			step::<T>(&mut progress);
		}

		assert_eq!(progress.pass, Pass::Part);
		assert_eq!(Shares::<T>::get(FIRST, SLOT).len() as u32, n);
		assert!(T::Currency::balance(&T::Pots::fees(ZONE)) > 0);
		let reason = HoldReason::Community.into();
		assert!(T::Currency::balance_on_hold(&reason, &member::<T>(n - 1)) < DEPOSIT);
	}

	/// The only community of a zone has ended, and everyone is paid back.
	#[benchmark]
	fn part_base() {
		super::create::<T>();
		super::invite::<T>(T::MaxMembers::get());
		CommunityOf::<T>::mutate(FIRST, |known| {
			known.iter_mut().for_each(|known| known.ends = Some(SLOT));
		});
		let mut progress = progress::<T>(Pass::Part);
		let step;

		#[block]
		{
			step = super::step::<T>(&mut progress);
		}

		assert_eq!(step, Step::ZoneDone);
		assert!(CommunitiesIn::<T>::get(ZONE).is_empty());
	}

	/// The last page of a community with the most members.
	#[benchmark]
	fn release(n: Linear<0, { T::PageSize::get().min(T::MaxMembers::get()) }>) {
		super::create::<T>();
		seat::<T>(T::MaxMembers::get());
		let stays = T::MaxMembers::get() - n;
		Seats::<T>::mutate(FIRST, |seats| {
			seats.iter_mut().skip(stays as usize).for_each(|seat| seat.until = Some(SLOT.next()));
		});
		let mut progress = progress::<T>(Pass::Part);

		#[block]
		{
			step::<T>(&mut progress);
		}

		assert_eq!(Seats::<T>::get(FIRST).len() as u32, stays);
		let last = member::<T>(T::MaxMembers::get() - 1);
		let held = T::Currency::balance_on_hold(&HoldReason::Community.into(), &last);
		assert_eq!(held == 0, n > 0);
	}

	/// A slot in which the most members gave or took.
	#[benchmark]
	fn forget_share() {
		let given = Share {
			given_wh: 1,
			taken_wh: 0,
			received: 1,
			paid: 0,
			grid_fee: 0,
			quality: Quality::Valid,
		};
		let shares = (0..T::MaxMembers::get()).map(|number| (member::<T>(number), given)).collect();
		Shares::<T>::insert(FIRST, SLOT, BoundedVec::truncate_from(shares));
		Retired::<T>::insert(0u64, (ZONE, FIRST, SLOT));
		RetiredRange::<T>::put((0u64, 1u64));
		begin::<T>(Slot(SLOT.0 + T::RetentionSlots::get() + 1));

		#[block]
		{
			Pallet::<T>::forget_old(&mut WeightMeter::new());
		}

		assert_eq!(RetiredRange::<T>::get(), (1, 1));
		assert!(Shares::<T>::get(FIRST, SLOT).is_empty());
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
