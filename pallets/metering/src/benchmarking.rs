//! What the calls and the hook cost.

use super::*;
use alloc::{vec, vec::Vec};
use energy_primitives::{
	merkle, MeterId, MeterIndex, MeterValue, Quality, Slot, SlotClock, ZoneId, METERS_PER_PAGE,
};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{EnsureOrigin, Get},
	weights::WeightMeter,
	BoundedVec,
};
use frame_system::RawOrigin;
use p256::ecdsa::{signature::Signer, Signature, SigningKey};
use sp_core::H256;
use wia_ene_014::canonical::{
	signing_bytes, CanonicalInterval, CanonicalMessage, DeviceKey, DeviceSignature, SignedMessage,
	MAX_INTERVALS,
};

const ZONE: ZoneId = ZoneId(77);
const SLOT: Slot = Slot(1_000_000);
const METER: MeterIndex = MeterIndex(0);
/// Leaves of the tree behind the page.
const LEAVES: u32 = 1_024;

/// The signing half of the benchmarked meter. P-256 is the dearer of the two algorithms.
fn device() -> SigningKey {
	SigningKey::from_slice(&[7; 32]).expect("the scalar is in range; qed")
}

fn meter_id() -> MeterId {
	MeterId([255; 32])
}

/// A zone with a page of meters and the largest group that is unanimous, just after the slot.
fn stage<T: Config>() -> Vec<T::AccountId> {
	T::BenchmarkHelper::open_zone(ZONE);
	let point = device().verifying_key().to_encoded_point(true);
	let key = DeviceKey::P256(point.as_bytes().try_into().expect("it is compressed; qed"));
	T::BenchmarkHelper::register_meter(ZONE, meter_id(), key);
	for number in 1..METERS_PER_PAGE {
		let id = MeterId(sp_io::hashing::blake2_256(&number.to_le_bytes()));
		T::BenchmarkHelper::register_meter(ZONE, id, key);
	}
	let oracles = oracles::<T>(T::MaxOracles::get());
	let members = BoundedVec::truncate_from(oracles.clone());
	let majority = T::MaxOracles::get() / 2 + 1;
	Pallet::<T>::do_set_group(ZONE, members, majority).expect("the group is sound");
	T::BenchmarkHelper::set_now_seconds(T::Clock::calendar(ZONE).end_seconds(SLOT));
	oracles
}

fn oracles<T: Config>(count: u32) -> Vec<T::AccountId> {
	(0..count)
		.map(|number| {
			let oracle: T::AccountId = account("oracle", number, 0);
			T::BenchmarkHelper::admit_oracle(ZONE, &oracle);
			oracle
		})
		.collect()
}

/// The lines of the first `count` meters, as large as lines can be.
fn lines(count: u32, import_wh: u64) -> Lines {
	let line =
		|meter| MeterValue { meter, import_wh, export_wh: u64::MAX, quality: Quality::Valid };
	BoundedVec::truncate_from((0..count).map(line).collect())
}

fn attest<T: Config>(oracle: &T::AccountId, import_wh: u64) {
	Pallet::<T>::attest(
		RawOrigin::Signed(oracle.clone()).into(),
		ZONE,
		SLOT,
		0,
		lines(METERS_PER_PAGE, import_wh),
		H256::zero(),
		0,
	)
	.expect("the oracle may vote");
}

/// Signed readings that together fill the slot, each of the greatest length: all intervals but one
/// are before the slot, so that they cost without being of use.
fn readings<T: Config>(count: u32) -> Vec<SignedMessage> {
	let calendar = T::Clock::calendar(ZONE);
	let (start, slot_seconds) = (calendar.start_seconds(SLOT), calendar.slot_seconds(SLOT));
	let interval = |start_seconds, duration_seconds| CanonicalInterval {
		start_seconds,
		duration_seconds,
		import_wh: 1,
		export_wh: 1,
		quality: Quality::Valid,
	};
	let before = MAX_INTERVALS as u64 - 1;
	(0..count)
		.map(|number| {
			let last = number + 1 == count;
			let duration = if last { slot_seconds - number } else { 1 };
			let mut intervals: Vec<_> =
				(0..before).map(|second| interval(start - before + second, 1)).collect();
			intervals.push(interval(start + u64::from(number), duration));
			let message = CanonicalMessage {
				meter_id: meter_id().0,
				timestamp_seconds: start,
				intervals,
				consumption_wh: Some(1),
				generation_wh: Some(1),
				storage_wh: Some(1),
				quality: Quality::Valid,
			};
			let signature: Signature = device().sign(&signing_bytes(&message));
			let signature = DeviceSignature::P256(signature.to_bytes().into()).normalized();
			SignedMessage { message, signature }
		})
		.collect()
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn set_group(m: Linear<1, { T::MaxOracles::get() }>) -> Result<(), BenchmarkError> {
		T::BenchmarkHelper::open_zone(ZONE);
		let members = BoundedVec::truncate_from(oracles::<T>(m));
		let origin =
			T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, ZONE, members, m);

		assert!(Groups::<T>::contains_key(ZONE));
		Ok(())
	}

	#[benchmark]
	fn set_parameters() -> Result<(), BenchmarkError> {
		T::BenchmarkHelper::set_now_seconds(T::Clock::calendar(ZONE).start_seconds(SLOT));
		let old =
			(0..MAX_PARAMETER_CHANGES).map(|number| (u64::from(number), Parameters::default()));
		ParameterHistory::<T>::put(BoundedVec::truncate_from(old.collect()));
		let origin =
			T::GovernanceOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, 1, 1);

		assert_eq!(
			Pallet::<T>::parameters(T::Clock::calendar(ZONE).end_seconds(SLOT)),
			Parameters { dispute_seconds: 1, deadline_seconds: 1 }
		);
		Ok(())
	}

	/// The vote that decides: the others who had voted otherwise did so each in another way.
	#[benchmark]
	fn attest(v: Linear<1, { METERS_PER_PAGE }>) {
		let oracles = stage::<T>();
		let majority = oracles.len() / 2 + 1;
		let values = lines(v, u64::MAX);
		for (number, oracle) in oracles.iter().skip(majority).enumerate() {
			super::attest::<T>(oracle, number as u64);
		}
		for oracle in &oracles[1..majority] {
			let vote = RawOrigin::Signed(oracle.clone());
			let (values, root) = (values.clone(), H256::zero());
			Pallet::<T>::attest(vote.into(), ZONE, SLOT, 0, values, root, 0).expect("it may vote");
		}

		#[extrinsic_call]
		_(RawOrigin::Signed(oracles[0].clone()), ZONE, SLOT, 0, values, H256::zero(), 0);

		assert!(Progress::<T>::get((ZONE, SLOT)).is_some_and(|progress| progress.is_complete()));
	}

	#[benchmark]
	fn challenge(e: Linear<1, { T::MaxEvidence::get() }>) {
		let oracles = stage::<T>();
		let messages = readings::<T>(e);
		let mut leaves: Vec<_> = messages.iter().map(SignedMessage::leaf_bytes).collect();
		leaves.resize(LEAVES as usize, vec![0; 256]);
		let evidence: Vec<_> = (0..e)
			.zip(messages)
			.filter_map(|(number, message)| {
				Some(Evidence { message, path: merkle::path(&leaves, number)? })
			})
			.collect();
		let page = FinalPage::<T> {
			readings_root: merkle::root(&leaves),
			readings_count: LEAVES,
			oracles: BoundedVec::truncate_from(oracles.clone()),
		};
		Pages::<T>::insert((ZONE, SLOT), 0, page);
		PageValues::<T>::insert((ZONE, SLOT), 0, lines(METERS_PER_PAGE, u64::MAX));
		let now = T::Clock::now_seconds();
		let progress =
			SlotProgress { meters: METERS_PER_PAGE, pages_final: 1, completed_at: Some(now) };
		Progress::<T>::insert((ZONE, SLOT), progress);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(oracles[0].clone()),
			ZONE,
			SLOT,
			METER,
			BoundedVec::truncate_from(evidence),
		);

		assert_eq!(Corrected::<T>::get((ZONE, SLOT), 0).into_inner(), vec![METER]);
	}

	#[benchmark]
	fn prune_base() {
		#[block]
		{
			Pallet::<T>::prune(&mut WeightMeter::new());
		}

		assert_eq!(Pruning::<T>::get(), PruneState::default());
	}

	#[benchmark]
	fn prune_slot() {
		let old = Slot(SLOT.0 + T::RetentionSlots::get() + 1);
		T::BenchmarkHelper::set_now_seconds(T::Clock::calendar(ZONE).start_seconds(old));
		PruneQueue::<T>::insert(0, (ZONE, SLOT));
		Progress::<T>::insert((ZONE, SLOT), SlotProgress::new(0));
		Pruning::<T>::put(PruneState { first: 0, next: 1, page: 0 });

		#[block]
		{
			Pallet::<T>::prune(&mut WeightMeter::new());
		}

		assert_eq!(Pruning::<T>::get(), PruneState { first: 1, next: 1, page: 0 });
	}

	/// A page on which every oracle said something else.
	#[benchmark]
	fn prune_page() {
		let oracles = stage::<T>();
		for (number, oracle) in oracles.iter().enumerate() {
			let mut votes = Votes::<T>::get((ZONE, SLOT, 0));
			let candidate = Candidate {
				values: lines(METERS_PER_PAGE, number as u64),
				readings_root: H256::zero(),
				readings_count: 0,
			};
			let digest = Pallet::<T>::digest((ZONE, SLOT, 0), &candidate);
			Candidates::<T>::insert((ZONE, SLOT, 0), digest, candidate);
			votes.try_push((oracle.clone(), digest)).expect("there is room for the group; qed");
			Votes::<T>::insert((ZONE, SLOT, 0), votes);
		}
		PageValues::<T>::insert((ZONE, SLOT), 0, lines(METERS_PER_PAGE, u64::MAX));

		#[block]
		{
			Pallet::<T>::prune_page(ZONE, SLOT, 0);
		}

		assert_eq!(PageValues::<T>::get((ZONE, SLOT), 0), None);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
