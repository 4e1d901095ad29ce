use super::*;
use frame_support::{
	dispatch::{DispatchInfo, GetDispatchInfo, Pays, PostDispatchInfo},
	traits::{fungible::Mutate, Get},
	weights::Weight,
};
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_runtime::{
	traits::DispatchTransaction,
	transaction_validity::{InvalidTransaction, TransactionSource::External},
};

const TIP: u128 = 5;

fn call() -> RuntimeCall {
	frame_system::Call::remark { remark: vec![0; 100] }.into()
}

fn info() -> DispatchInfo {
	DispatchInfo { call_weight: Weight::from_parts(1_000_000, 1_000), ..call().get_dispatch_info() }
}

fn base() -> Weight {
	let weights: frame_system::limits::BlockWeights =
		<Test as frame_system::Config>::BlockWeights::get();
	weights.get(info().class).base_extrinsic
}

/// What the transaction takes from the quota.
fn cost() -> Weight {
	use codec::Encode;
	info().total_weight() + base() + Weight::from_parts(0, call().encoded_size() as u64)
}

/// Sends a transaction which turns out to weigh `actual`.
fn send(who: AccountId, tip: u128, actual: PostDispatchInfo) -> Result<(), InvalidTransaction> {
	ChargeTransactionPayment::<Test>::from(tip)
		.test_run(signed(who), &call(), &info(), 200, 0, |_| Ok(actual))
		.map(|result| {
			assert_ok!(result);
		})
		.map_err(|error| match error {
			sp_runtime::transaction_validity::TransactionValidityError::Invalid(error) => error,
			other => panic!("{other:?}"),
		})
}

fn fee(who: &AccountId, tip: u128) -> u128 {
	let before = Balances::free_balance(who);
	assert_ok!(send(who.clone(), tip, ().into()));
	before - Balances::free_balance(who)
}

fn full_fee() -> u128 {
	pallet_transaction_payment::Pallet::<Test>::compute_fee(200, &info(), 0)
}

fn endow(who: &AccountId) {
	Balances::set_balance(who, 1_000_000_000_000);
}

#[test]
fn transaction_is_free_when_the_quota_covers_it() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(Balances::free_balance(ALICE), 0);
		assert_eq!(Participants::quota_left(&ALICE), Quota::get());
		assert_ok!(send(ALICE, 0, ().into()));
		assert_eq!(Participants::quota_left(&ALICE), Quota::get() - cost());
	});
}

#[test]
fn transaction_costs_the_fee_when_the_quota_is_too_small() {
	ExtBuilder::default().build_and_execute(|| {
		Quota::set(cost());
		endow(&ALICE);
		assert_eq!(fee(&ALICE, 0), 0);
		assert_eq!(Participants::quota_left(&ALICE), Weight::zero());
		assert_eq!(fee(&ALICE, 0), full_fee());
		assert_eq!(fee(&ALICE, TIP), full_fee() + TIP);
		assert_eq!(Participants::quota_left(&ALICE), Weight::zero());
	});
}

#[test]
fn transaction_costs_the_fee_when_one_dimension_of_the_quota_is_too_small() {
	for short in [Weight::from_parts(1, 0), Weight::from_parts(0, 1)] {
		ExtBuilder::default().build_and_execute(|| {
			Quota::set(cost() - short);
			endow(&ALICE);
			assert_eq!(fee(&ALICE, 0), full_fee());
			assert_eq!(Participants::quota_left(&ALICE), Quota::get());
		});
	}
}

#[test]
fn transaction_is_invalid_when_neither_quota_nor_balance_covers_it() {
	ExtBuilder::default().build_and_execute(|| {
		Quota::set(Weight::zero());
		assert_eq!(send(ALICE, 0, ().into()), Err(InvalidTransaction::Payment));
	});
}

#[test]
fn transaction_costs_the_fee_when_the_signer_is_not_active() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Participants::suspend(root(), ALICE));
		for who in [ALICE, STRANGER] {
			assert_eq!(Participants::quota_left(&who), Weight::zero());
			assert_eq!(send(who.clone(), 0, ().into()), Err(InvalidTransaction::Payment));
			endow(&who);
			assert_eq!(fee(&who, 0), full_fee());
			assert_eq!(QuotaUsed::<Test>::get(who), None);
		}
	});
}

#[test]
fn tip_is_paid_when_the_fee_is_waived() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(send(ALICE, TIP, ().into()), Err(InvalidTransaction::Payment));
		assert_eq!(QuotaUsed::<Test>::get(ALICE), None);
		endow(&ALICE);
		assert_eq!(fee(&ALICE, TIP), TIP);
		assert_eq!(Participants::quota_left(&ALICE), Quota::get() - cost());
	});
}

#[test]
fn quota_is_given_back_when_the_transaction_needed_less() {
	ExtBuilder::default().build_and_execute(|| {
		let actual = Weight::from_parts(400_000, 300);
		let post = PostDispatchInfo { actual_weight: Some(actual), pays_fee: Pays::Yes };
		assert_ok!(send(ALICE, 0, post));
		let unused = info().call_weight - actual;
		assert_eq!(Participants::quota_left(&ALICE), Quota::get() - (cost() - unused));
	});
}

#[test]
fn quota_is_given_back_whole_when_the_transaction_turns_out_to_be_free() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(send(ALICE, 0, Pays::No.into()));
		assert_eq!(Participants::quota_left(&ALICE), Quota::get());
	});
}

#[test]
fn quota_is_not_used_when_the_transaction_pays_no_fee() {
	ExtBuilder::default().build_and_execute(|| {
		let free = DispatchInfo { pays_fee: Pays::No, ..info() };
		assert_ok!(ChargeTransactionPayment::<Test>::from(0)
			.test_run(signed(ALICE), &call(), &free, 200, 0, |_| Ok(().into()))
			.unwrap());
		assert_eq!(QuotaUsed::<Test>::get(ALICE), None);
	});
}

#[test]
fn quota_is_not_used_when_a_transaction_is_only_validated() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(ChargeTransactionPayment::<Test>::from(0).validate_only(
			signed(ALICE),
			&call(),
			&info(),
			200,
			External,
			0
		));
		assert_eq!(QuotaUsed::<Test>::get(ALICE), None);
	});
}

#[test]
fn quota_is_whole_again_when_a_period_begins() {
	ExtBuilder::default().build_and_execute(|| {
		System::set_block_number(9);
		assert_ok!(send(ALICE, 0, ().into()));
		assert_eq!(Participants::quota_left(&ALICE), Quota::get() - cost());
		System::set_block_number(10);
		assert_eq!(Participants::quota_left(&ALICE), Quota::get());
		assert_ok!(send(ALICE, 0, ().into()));
		assert_eq!(QuotaUsed::<Test>::get(ALICE), Some(QuotaUse { period: 1, used: cost() }));
	});
}

#[test]
fn quota_of_one_account_is_untouched_when_another_sends() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(send(ALICE, 0, ().into()));
		assert_eq!(Participants::quota_left(&REGULATOR), Quota::get());
	});
}

#[test]
fn quota_is_forgotten_when_the_sender_is_removed_by_its_own_transaction() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(ChargeTransactionPayment::<Test>::from(0)
			.test_run(signed(ALICE), &call(), &info(), 200, 0, |_| {
				Participants::remove(root(), ALICE)?;
				Ok(Some(Weight::zero()).into())
			})
			.unwrap());
		assert_eq!(QuotaUsed::<Test>::get(ALICE), None);
	});
}
