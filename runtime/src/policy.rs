//! Asks a policy contract, through its Solidity interface, what is owed.

use crate::{AccountId, Revive, Runtime, RuntimeOrigin};
use alloc::vec::Vec;
use energy_primitives::{CashFlow, MarketTerms, PolicyError, PolicyQuestion, SettlementPolicy};
use frame_support::storage::{with_transaction, TransactionOutcome};
use pallet_revive::{
	precompiles::alloy::{self, sol_types::SolCall},
	ExecConfig, TransactionLimits,
};
use sp_core::{H160, U256};
use sp_runtime::DispatchError;

alloy::sol! {
	/// See `contracts/interfaces/ISettlementPolicy.sol`.
	interface ISettlementPolicy {
		struct Terms {
			uint64 clearingPrice;
			uint64 gridFee;
			uint64 shortagePrice;
			uint64 surplusPrice;
		}
		struct Position {
			uint64 boughtWh;
			uint64 soldWh;
			uint64 importWh;
			uint64 exportWh;
		}
		struct Flow {
			int128 energy;
			int128 imbalance;
			uint128 gridFee;
		}
		function settle(Terms terms, Position[] positions) external view returns (Flow[] flows);
	}
}

/// Calls the contract on `pallet-revive`.
///
/// The contract sees a caller without money. Whatever it writes or emits is undone: it
/// gives an answer and nothing else.
pub struct ContractPolicy;

impl ContractPolicy {
	/// Who calls: an address that nobody has the key of, padded as Ethereum addresses are.
	fn caller() -> AccountId {
		let mut account = [0xEE; 32];
		account[..20].copy_from_slice(b"energy settlement...");
		AccountId::new(account)
	}
}

impl SettlementPolicy for ContractPolicy {
	fn cash_flows(
		policy: H160,
		clearing_price: u64,
		terms: &MarketTerms,
		page: &[PolicyQuestion],
	) -> Result<Vec<CashFlow>, PolicyError> {
		let call = ISettlementPolicy::settleCall {
			terms: ISettlementPolicy::Terms {
				clearingPrice: clearing_price,
				gridFee: terms.grid_fee,
				shortagePrice: terms.shortage_price,
				surplusPrice: terms.surplus_price,
			},
			positions: page
				.iter()
				.map(|question| ISettlementPolicy::Position {
					boughtWh: question.bought_wh,
					soldWh: question.sold_wh,
					importWh: question.import_wh,
					exportWh: question.export_wh,
				})
				.collect(),
		};
		let data = with_transaction::<_, DispatchError, _>(|| {
			let answer = Revive::bare_call(
				RuntimeOrigin::signed(Self::caller()),
				policy,
				U256::zero(),
				TransactionLimits::WeightAndDeposit {
					weight_limit: <Runtime as pallet_settlement::Config>::PolicyWeight::get(),
					deposit_limit: 0,
				},
				call.abi_encode(),
				&ExecConfig::new_substrate_tx_without_bump(),
			);
			TransactionOutcome::Rollback(Ok(answer.result))
		})
		.and_then(|answer| answer)
		.map_err(|error| {
			log::warn!(target: "runtime::settlement", "policy {policy:?}: {error:?}");
			PolicyError::Failed
		})?;
		if data.did_revert() {
			return Err(PolicyError::Failed);
		}
		let flows = ISettlementPolicy::settleCall::abi_decode_returns_validate(&data.data)
			.map_err(|_| PolicyError::Unreadable)?;
		if flows.len() != page.len() {
			return Err(PolicyError::Unreadable);
		}
		Ok(flows
			.into_iter()
			.map(|flow| CashFlow {
				energy: flow.energy,
				imbalance: flow.imbalance,
				grid_fee: flow.gridFee,
			})
			.collect())
	}
}
