//! What participants have in the market.
//!
//! The money is in the pallet's own account; each participant's part is a [`ClearingAccount`]. Money
//! comes in when an order needs more than is free here, and all of it goes back to the
//! participant's own account as soon as nothing is committed any more. In between, filling orders
//! and settling slots are entries in these accounts: no currency is moved for them.

use crate::{Accounts, ClearingAccount, Config, Error, InTransit, Pallet};
use energy_primitives::Balance;
use frame_support::{
	ensure,
	traits::{
		fungible::{Inspect, Mutate},
		tokens::{Fortitude, Preservation},
		Get,
	},
};
use sp_runtime::{traits::AccountIdConversion, ArithmeticError, DispatchError, DispatchResult};

/// A participant's clearing account, opened for a change. Nothing happens until it is
/// closed, so that a batch of orders moves currency once.
pub(crate) struct Purse<T: Config> {
	who: T::AccountId,
	account: ClearingAccount,
	/// What could still be brought in, minor units.
	available: Balance,
	/// What may still be committed, if there is a limit.
	allowance: Option<Balance>,
	/// Who acts for the participant.
	agent: Option<T::AccountId>,
}

impl<T: Config> Purse<T> {
	/// Opens the account of a participant.
	pub fn open(who: &T::AccountId) -> Self {
		Self {
			who: who.clone(),
			account: Accounts::<T>::get(who),
			available: T::Currency::reducible_balance(
				who,
				Preservation::Expendable,
				Fortitude::Polite,
			),
			allowance: None,
			agent: None,
		}
	}

	/// Whose it is.
	pub fn who(&self) -> &T::AccountId {
		&self.who
	}

	/// Lets an agent act, who may commit no more than its allowance.
	pub fn act_through(&mut self, agent: &T::AccountId, allowance: Balance) {
		self.agent = Some(agent.clone());
		self.limit(allowance);
	}

	/// Who acts for the participant, if it does not itself.
	pub fn agent(&self) -> Option<&T::AccountId> {
		self.agent.as_ref()
	}

	/// Lets no more be committed than this.
	pub fn limit(&mut self, allowance: Balance) {
		self.allowance = Some(allowance);
	}

	/// What is left of the limit.
	pub fn allowance(&self) -> Option<Balance> {
		self.allowance
	}

	/// Commits money, free money of the market first. An error changes nothing.
	pub fn commit(&mut self, amount: Balance) -> Result<(), Error<T>> {
		let allowance = match self.allowance {
			Some(allowance) => {
				Some(allowance.checked_sub(amount).ok_or(Error::<T>::AllowanceUsedUp)?)
			}
			None => None,
		};
		let committed =
			self.account.committed.checked_add(amount).ok_or(Error::<T>::NotEnoughMoney)?;
		ensure!(
			committed <= self.account.balance.saturating_add(self.available),
			Error::<T>::NotEnoughMoney
		);
		self.account.committed = committed;
		self.allowance = allowance;
		Ok(())
	}

	/// Frees money that was committed.
	pub fn uncommit(&mut self, amount: Balance) -> DispatchResult {
		let committed = self.account.committed.checked_sub(amount);
		self.account.committed = committed.ok_or(ArithmeticError::Underflow)?;
		self.allowance = self.allowance.map(|allowance| allowance.saturating_add(amount));
		Ok(())
	}

	/// Brings in what is missing, or gives back everything if nothing is committed.
	pub fn close(self) -> DispatchResult {
		let Self { who, mut account, .. } = self;
		if let Some(missing) = account.committed.checked_sub(account.balance).filter(|m| *m > 0) {
			T::Currency::transfer(
				&who,
				&Pallet::<T>::clearing_house(),
				missing,
				Preservation::Expendable,
			)
			.map_err(|_| Error::<T>::NotEnoughMoney)?;
			account.balance = account.committed;
		}
		Pallet::<T>::store_account(&who, account);
		Ok(())
	}
}

impl<T: Config> Pallet<T> {
	/// The account that has the money of all clearing accounts.
	pub fn clearing_house() -> T::AccountId {
		T::PalletId::get().into_account_truncating()
	}

	/// Writes a clearing account; if nothing is committed, gives the money back to its owner first.
	/// Says whether it did. Money that the owner's own account cannot take stays here, free.
	pub(crate) fn store_account(who: &T::AccountId, account: ClearingAccount) -> bool {
		let is_idle = account.committed == 0;
		let is_returned = is_idle
			&& account.balance > 0
			&& T::Currency::transfer(
				&Self::clearing_house(),
				who,
				account.balance,
				Preservation::Expendable,
			)
			.is_ok();
		if is_returned || (is_idle && account.balance == 0) {
			Accounts::<T>::remove(who);
		} else {
			Accounts::<T>::insert(who, account);
		}
		is_returned
	}

	/// Frees committed money. Says whether it left the market.
	pub(crate) fn uncommit(who: &T::AccountId, amount: Balance) -> Result<bool, DispatchError> {
		if amount == 0 {
			return Ok(false);
		}
		let mut account = Accounts::<T>::get(who);
		account.committed =
			account.committed.checked_sub(amount).ok_or(ArithmeticError::Underflow)?;
		Ok(Self::store_account(who, account))
	}

	/// Frees committed money and adds `net` to the account (negative: takes it from what was
	/// committed). Says whether money left the market.
	pub(crate) fn settle_account(
		who: &T::AccountId,
		held: Balance,
		net: i128,
	) -> Result<bool, DispatchError> {
		ensure!(net >= 0 || net.unsigned_abs() <= held, ArithmeticError::Underflow);
		let mut account = Accounts::<T>::get(who);
		account.committed =
			account.committed.checked_sub(held).ok_or(ArithmeticError::Underflow)?;
		account.balance =
			account.balance.checked_add_signed(net).ok_or(ArithmeticError::Overflow)?;
		Self::change_transit(net)?;
		Ok(Self::store_account(who, account))
	}

	/// Keeps account of money between those who paid and those who are still to receive.
	pub(crate) fn change_transit(change: i128) -> DispatchResult {
		if change != 0 {
			let sum = InTransit::<T>::get().checked_add(change);
			InTransit::<T>::put(sum.ok_or(ArithmeticError::Overflow)?);
		}
		Ok(())
	}
}
