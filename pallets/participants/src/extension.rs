//! Keeps the transactions of strangers out of the pool.

use crate::{Config, ParticipantsOf, WeightInfo};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
	pallet_prelude::TransactionSource, traits::OriginTrait, CloneNoBound, DebugNoBound,
	DefaultNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
	impl_tx_ext_default,
	traits::{DispatchInfoOf, TransactionExtension, ValidateResult},
	transaction_validity::InvalidTransaction,
	Weight,
};

/// [`InvalidTransaction::Custom`] with this number: the signer was never admitted.
pub const NOT_A_PARTICIPANT: u8 = 101;
/// [`InvalidTransaction::Custom`] with this number: the signer is suspended.
pub const SUSPENDED: u8 = 102;

/// Lets a signed transaction pass only if its signer is an active participant.
///
/// It looks at the signer, before the call is looked at, so it does not matter what the call is or
/// what is wrapped in it. Transactions without a signer (inherents, authorised calls) pass: what
/// they may do is decided by whoever authorised them.
///
/// An origin that a pallet makes while a transaction runs (a proxy, a contract) is not seen here.
/// Calls that need a participant ask `energy_primitives::Participants` themselves.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	TypeInfo,
	CloneNoBound,
	DebugNoBound,
	DefaultNoBound,
	EqNoBound,
	PartialEqNoBound,
)]
#[scale_info(skip_type_params(T))]
pub struct CheckParticipant<T>(PhantomData<T>);

impl<T> CheckParticipant<T> {
	/// The extension. It carries nothing.
	pub fn new() -> Self {
		Self(PhantomData)
	}
}

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for CheckParticipant<T> {
	const IDENTIFIER: &'static str = "CheckParticipant";
	type Implicit = ();
	type Val = ();
	type Pre = ();

	fn weight(&self, _: &T::RuntimeCall) -> Weight {
		T::WeightInfo::check_participant()
	}

	fn validate(
		&self,
		origin: T::RuntimeOrigin,
		_call: &T::RuntimeCall,
		_info: &DispatchInfoOf<T::RuntimeCall>,
		_len: usize,
		_self_implicit: Self::Implicit,
		_inherited_implication: &impl Encode,
		_source: TransactionSource,
	) -> ValidateResult<Self::Val, T::RuntimeCall> {
		if let Some(who) = origin.as_signer() {
			match ParticipantsOf::<T>::get(who) {
				Some(participant) if participant.status.can_act() => (),
				Some(_) => return Err(InvalidTransaction::Custom(SUSPENDED).into()),
				None => return Err(InvalidTransaction::Custom(NOT_A_PARTICIPANT).into()),
			}
		}
		Ok((Default::default(), (), origin))
	}

	impl_tx_ext_default!(T::RuntimeCall; prepare);
}
