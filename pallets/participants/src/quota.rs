//! Free weight for participants, so that nobody needs a coin to take part.

use crate::{Config, Pallet, ParticipantsOf, QuotaUse, QuotaUsed};
use codec::Encode;
use core::marker::PhantomData;
use frame_support::{
	dispatch::{DispatchInfo, Pays, PostDispatchInfo},
	traits::Get,
	weights::Weight,
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_transaction_payment::{OnChargeTransaction, TxCreditHold};
use sp_runtime::{
	traits::{CheckedDiv, Dispatchable, Zero},
	transaction_validity::TransactionValidityError,
};

/// Charges a transaction to the quota of its signer, or, where the signer is no active participant
/// or the rest of the quota is too small, to `Inner`.
///
/// - A transaction uses its declared weight, the base weight of its class, and its call's length in
///   bytes as proof size, the way the block's own limits count it. What it did not need is given
///   back afterwards.
/// - A transaction is charged to one or the other, never half to each.
/// - A tip is a gift to the block's author, not a fee: it is always paid, through `Inner`.
/// - A transaction that pays no fee anyway uses no quota.
///
/// The fee that `pallet-transaction-payment` names in its event and in its estimates is what the
/// transaction would have cost without a quota.
pub struct QuotaOrFee<Inner>(PhantomData<Inner>);

/// How a transaction was paid for, until the actual weight is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Payment<LiquidityInfo> {
	/// From the quota.
	Quota {
		/// What was taken from the quota.
		used: Weight,
		/// How the tip was paid.
		tip: LiquidityInfo,
	},
	/// As a fee.
	Fee(LiquidityInfo),
}

impl<LiquidityInfo: Default> Default for Payment<LiquidityInfo> {
	fn default() -> Self {
		Self::Fee(Default::default())
	}
}

impl<Inner> QuotaOrFee<Inner> {
	/// What a transaction takes from a quota.
	fn cost<T: Config>(call: &T::RuntimeCall, info: &DispatchInfo) -> Weight {
		let length = u64::try_from(call.encoded_size()).unwrap_or(u64::MAX);
		info.total_weight()
			.saturating_add(T::BlockWeights::get().get(info.class).base_extrinsic)
			.saturating_add(Weight::from_parts(0, length))
	}
}

impl<T, Inner> TxCreditHold<T> for QuotaOrFee<Inner>
where
	T: pallet_transaction_payment::Config,
	Inner: TxCreditHold<T>,
{
	type Credit = Inner::Credit;
}

impl<T, Inner> OnChargeTransaction<T> for QuotaOrFee<Inner>
where
	T: Config + pallet_transaction_payment::Config,
	T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
	Inner: OnChargeTransaction<T>,
{
	type Balance = Inner::Balance;
	type LiquidityInfo = Payment<Inner::LiquidityInfo>;

	fn withdraw_fee(
		who: &T::AccountId,
		call: &T::RuntimeCall,
		info: &DispatchInfo,
		fee_with_tip: Self::Balance,
		tip: Self::Balance,
	) -> Result<Self::LiquidityInfo, TransactionValidityError> {
		if fee_with_tip > tip {
			let used = Self::cost::<T>(call, info);
			if Pallet::<T>::use_quota(who, used) {
				let tip = Inner::withdraw_fee(who, call, info, tip, tip)?;
				return Ok(Payment::Quota { used, tip });
			}
		}
		Inner::withdraw_fee(who, call, info, fee_with_tip, tip).map(Payment::Fee)
	}

	fn can_withdraw_fee(
		who: &T::AccountId,
		call: &T::RuntimeCall,
		info: &DispatchInfo,
		fee_with_tip: Self::Balance,
		tip: Self::Balance,
	) -> Result<(), TransactionValidityError> {
		let free =
			fee_with_tip > tip && Self::cost::<T>(call, info).all_lte(Pallet::<T>::quota_left(who));
		Inner::can_withdraw_fee(who, call, info, if free { tip } else { fee_with_tip }, tip)
	}

	fn correct_and_deposit_fee(
		who: &T::AccountId,
		info: &DispatchInfo,
		post_info: &PostDispatchInfo,
		corrected_fee_with_tip: Self::Balance,
		tip: Self::Balance,
		payment: Self::LiquidityInfo,
	) -> Result<(), TransactionValidityError> {
		match payment {
			Payment::Quota { used, tip: paid } => {
				let unused = match post_info.pays_fee(info) {
					Pays::Yes => post_info.calc_unspent(info),
					Pays::No => used,
				};
				Pallet::<T>::return_quota(who, unused);
				Inner::correct_and_deposit_fee(who, info, post_info, tip, tip, paid)
			}
			Payment::Fee(paid) => Inner::correct_and_deposit_fee(
				who,
				info,
				post_info,
				corrected_fee_with_tip,
				tip,
				paid,
			),
		}
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn endow_account(who: &T::AccountId, amount: Self::Balance) {
		Inner::endow_account(who, amount)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn minimum_balance() -> Self::Balance {
		Inner::minimum_balance()
	}
}

impl<T: Config> Pallet<T> {
	/// The free weight that the account has left in the present period: nothing, unless it is an
	/// active participant.
	pub fn quota_left(who: &T::AccountId) -> Weight {
		match ParticipantsOf::<T>::get(who) {
			Some(participant) if participant.status.can_act() => {
				T::Quota::get().saturating_sub(Self::quota_used(who))
			}
			_ => Weight::zero(),
		}
	}

	/// What the account has used of its quota in the present period.
	fn quota_used(who: &T::AccountId) -> Weight {
		QuotaUsed::<T>::get(who)
			.filter(|quota| quota.period == Self::quota_period())
			.map_or(Weight::zero(), |quota| quota.used)
	}

	/// The present period.
	pub(crate) fn quota_period() -> BlockNumberFor<T> {
		frame_system::Pallet::<T>::block_number()
			.checked_div(&T::QuotaPeriod::get())
			.unwrap_or_else(Zero::zero)
	}

	/// Takes `cost` from the quota if there is that much left, and says whether there was.
	pub(crate) fn use_quota(who: &T::AccountId, cost: Weight) -> bool {
		if !cost.all_lte(Self::quota_left(who)) {
			return false;
		}
		let used = Self::quota_used(who).saturating_add(cost);
		QuotaUsed::<T>::insert(who, QuotaUse { period: Self::quota_period(), used });
		true
	}

	/// Gives back what a transaction of the present period did not need. An account that was
	/// removed by its own transaction has no quota to give back to.
	pub(crate) fn return_quota(who: &T::AccountId, unused: Weight) {
		if unused.is_zero() {
			return;
		}
		QuotaUsed::<T>::mutate_extant(who, |quota| {
			quota.used = quota.used.saturating_sub(unused);
		});
	}
}
