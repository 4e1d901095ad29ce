//! What the calls cost.

use super::*;
use energy_primitives::{MeterId, MeterIndex, Role, Roles, ZoneId};
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::DispatchInfo,
	pallet_prelude::TransactionSource,
	traits::{EnsureOrigin, Get, OriginTrait},
	BoundedVec,
};
use frame_system::RawOrigin;
use sp_core::H256;
use sp_runtime::{
	traits::{Dispatchable, TransactionExtension, TxBaseImplication},
	transaction_validity::ValidTransaction,
};
use wia_ene_014::canonical::DeviceKey;

const ZONE: ZoneId = ZoneId(77);
/// The generator of P-256: checking it takes a square root, as for any other point.
const KEY: DeviceKey = DeviceKey::P256([
	0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
	0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
	0x96,
]);

/// A zone, and the signed origin of its utility.
fn zone<T: Config>() -> RawOrigin<T::AccountId> {
	let utility: T::AccountId = account("utility", 0, 0);
	Pallet::<T>::do_register_zone(ZONE, &utility).expect("the zone is new");
	RawOrigin::Signed(utility)
}

/// A participant of the zone.
fn participant<T: Config>(name: &'static str, role: Role) -> T::AccountId {
	let who: T::AccountId = account(name, 0, 0);
	Pallet::<T>::do_admit(&who, role.into(), ZONE, H256::repeat_byte(1)).expect("it is new");
	who
}

/// A prosumer with all but one of the meters it may have.
fn owner<T: Config>() -> T::AccountId {
	let owner = participant::<T>("owner", Role::Prosumer);
	for number in 1..T::MaxMetersPerOwner::get() {
		let mut id = [0; 32];
		id[..4].copy_from_slice(&number.to_le_bytes());
		Pallet::<T>::do_register_meter(MeterId(id), owner.clone(), ZONE, KEY, 1)
			.expect("there is room");
	}
	owner
}

#[benchmarks(where T: Send + Sync, T::RuntimeCall: Dispatchable<Info = DispatchInfo>)]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register_zone() -> Result<(), BenchmarkError> {
		let origin =
			T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
		let utility: T::AccountId = account("utility", 0, 0);

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, ZONE, utility);

		assert!(Zones::<T>::contains_key(ZONE));
		Ok(())
	}

	#[benchmark]
	fn replace_utility() -> Result<(), BenchmarkError> {
		zone::<T>();
		let utility = participant::<T>("successor", Role::Utility);
		let origin =
			T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, ZONE, utility.clone());

		assert_eq!(Zones::<T>::get(ZONE), Some(Zone { utility }));
		Ok(())
	}

	#[benchmark]
	fn admit() {
		let utility = zone::<T>();
		let who: T::AccountId = account("newcomer", 0, 0);
		let roles = Roles::of(&[Role::Prosumer, Role::Aggregator]);

		#[extrinsic_call]
		_(utility, who.clone(), roles, ZONE, H256::repeat_byte(2));

		assert!(ParticipantsOf::<T>::contains_key(who));
	}

	#[benchmark]
	fn suspend() {
		zone::<T>();
		let regulator = participant::<T>("regulator", Role::Regulator);
		let who = participant::<T>("suspect", Role::Prosumer);

		#[extrinsic_call]
		_(RawOrigin::Signed(regulator), who.clone());

		assert_eq!(ParticipantsOf::<T>::get(who).map(|p| p.status), Some(Status::Suspended));
	}

	#[benchmark]
	fn reinstate() {
		zone::<T>();
		let regulator = participant::<T>("regulator", Role::Regulator);
		let who = participant::<T>("suspect", Role::Prosumer);
		ParticipantsOf::<T>::mutate_extant(&who, |p| p.status = Status::Suspended);

		#[extrinsic_call]
		_(RawOrigin::Signed(regulator), who.clone());

		assert_eq!(ParticipantsOf::<T>::get(who).map(|p| p.status), Some(Status::Active));
	}

	#[benchmark]
	fn remove() -> Result<(), BenchmarkError> {
		zone::<T>();
		let who = participant::<T>("leaver", Role::Prosumer);
		let origin =
			T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, who.clone());

		assert!(!ParticipantsOf::<T>::contains_key(who));
		Ok(())
	}

	#[benchmark]
	fn register_meter() {
		let utility = zone::<T>();
		let owner = owner::<T>();
		let id = MeterId([255; 32]);

		#[extrinsic_call]
		_(utility, id, owner.clone(), ZONE, KEY, 10_000);

		let owned: BoundedVec<MeterIndex, T::MaxMetersPerOwner> = MetersOf::<T>::get(owner, ZONE);
		assert_eq!(owned.len() as u32, T::MaxMetersPerOwner::get());
	}

	#[benchmark]
	fn rotate_meter_key() {
		let utility = zone::<T>();
		let owner = participant::<T>("owner", Role::Prosumer);
		let id = MeterId([255; 32]);
		let former = DeviceKey::P256({
			let DeviceKey::P256(mut bytes) = KEY else { unreachable!("it is a P-256 key; qed") };
			bytes[0] = 0x02;
			bytes
		});
		Pallet::<T>::do_register_meter(id, owner, ZONE, former, 1).expect("there is room");

		#[extrinsic_call]
		_(utility, id, KEY);

		assert_eq!(PreviousKeys::<T>::get(id), Some(former));
	}

	#[benchmark]
	fn check_participant() -> Result<(), BenchmarkError> {
		zone::<T>();
		let who = participant::<T>("sender", Role::Prosumer);
		let call: T::RuntimeCall = frame_system::Call::remark { remark: Default::default() }.into();
		let info = DispatchInfo::default();
		let extension = CheckParticipant::<T>::new();
		let origin = T::RuntimeOrigin::signed(who);
		let validity: ValidTransaction;

		#[block]
		{
			(validity, _, _) = extension
				.validate(
					origin,
					&call,
					&info,
					0,
					(),
					&TxBaseImplication(()),
					TransactionSource::External,
				)
				.map_err(|_| BenchmarkError::Stop("the sender is a participant"))?;
		}

		assert_eq!(validity, ValidTransaction::default());
		Ok(())
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
