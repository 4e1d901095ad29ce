use super::*;
use frame_support::dispatch::DispatchInfo;
use sp_runtime::{
	traits::{DispatchTransaction, TransactionExtension, TxBaseImplication},
	transaction_validity::{
		InvalidTransaction, TransactionSource::External, TransactionValidityError, ValidTransaction,
	},
};

fn call() -> RuntimeCall {
	frame_system::Call::remark { remark: vec![] }.into()
}

fn validate(who: AccountId) -> Result<ValidTransaction, TransactionValidityError> {
	CheckParticipant::<Test>::new()
		.validate_only(signed(who), &call(), &DispatchInfo::default(), 0, External, 0)
		.map(|(validity, _, _)| validity)
}

#[test]
fn check_participant_passes_when_the_signer_is_active() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(validate(ALICE), Ok(ValidTransaction::default()));
	});
}

#[test]
fn check_participant_rejects_when_the_signer_is_a_stranger() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(validate(STRANGER), Err(InvalidTransaction::Custom(NOT_A_PARTICIPANT).into()));
		assert_ok!(Participants::remove(root(), ALICE));
		assert_eq!(validate(ALICE), Err(InvalidTransaction::Custom(NOT_A_PARTICIPANT).into()));
	});
}

#[test]
fn check_participant_rejects_when_the_signer_is_suspended() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Participants::suspend(root(), ALICE));
		assert_eq!(validate(ALICE), Err(InvalidTransaction::Custom(SUSPENDED).into()));
		assert_ok!(Participants::reinstate(root(), ALICE));
		assert_eq!(validate(ALICE), Ok(ValidTransaction::default()));
	});
}

#[test]
fn check_participant_passes_when_there_is_no_signer() {
	ExtBuilder::default().build_and_execute(|| {
		for origin in [RuntimeOrigin::none(), root(), frame_system::RawOrigin::Authorized.into()] {
			assert!(CheckParticipant::<Test>::new()
				.validate(
					origin,
					&call(),
					&DispatchInfo::default(),
					0,
					(),
					&TxBaseImplication(call()),
					External
				)
				.is_ok());
		}
	});
}

#[test]
fn check_participant_carries_nothing() {
	use codec::Encode;
	assert!(CheckParticipant::<Test>::new().encode().is_empty());
	assert_eq!(CheckParticipant::<Test>::IDENTIFIER, "CheckParticipant");
}
