//! Asks a policy contract, through its Solidity interface, what is owed.

use crate::{AccountId, Revive, Runtime, RuntimeOrigin};
use alloc::vec::Vec;
use energy_primitives::{
	CashFlow, ImbalancePricing, MarketTerms, PolicyAnswer, PolicyContext, PolicyError,
	PolicyQuestion, SettlementPolicy,
};
use frame_support::storage::{with_transaction, TransactionOutcome};
use pallet_revive::{
	precompiles::alloy::{self, sol_types::SolCall},
	ExecConfig, ExecReturnValue, TransactionLimits,
};
use sp_core::{H160, U256};
use sp_runtime::DispatchError;

alloy::sol! {
	/// See `contracts/interfaces/ISettlementPolicy.sol`.
	interface ISettlementPolicy {
		struct Terms {
			uint64 clearingPrice;
			uint64 gridFee;
			uint32 gridFeePpm;
			uint32 tolerancePpm;
			bool singlePrice;
			uint64 shortagePrice;
			uint64 surplusPrice;
			uint64 shortageWh;
			uint64 surplusWh;
		}
		struct Position {
			uint64 boughtWh;
			uint64 soldWh;
			uint128 payableAmount;
			uint128 receivableAmount;
			uint64 importWh;
			uint64 exportWh;
			uint128 held;
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
		terms: &MarketTerms,
		context: &PolicyContext,
		page: &[PolicyQuestion],
	) -> PolicyAnswer {
		let call = ISettlementPolicy::settleCall {
			terms: ISettlementPolicy::Terms {
				clearingPrice: context.clearing_price,
				gridFee: terms.grid_fee,
				gridFeePpm: terms.grid_fee_ppm,
				tolerancePpm: terms.tolerance_ppm,
				singlePrice: terms.imbalance_pricing == ImbalancePricing::Single,
				shortagePrice: terms.shortage_price,
				surplusPrice: terms.surplus_price,
				shortageWh: context.deviations.shortage_wh,
				surplusWh: context.deviations.surplus_wh,
			},
			positions: page
				.iter()
				.map(|question| ISettlementPolicy::Position {
					boughtWh: question.promise.bought_wh,
					soldWh: question.promise.sold_wh,
					payableAmount: question.promise.payable,
					receivableAmount: question.promise.receivable,
					importWh: question.import_wh,
					exportWh: question.export_wh,
					held: question.held,
				})
				.collect(),
		};
		let limit = <Runtime as pallet_settlement::Config>::PolicyWeight::get();
		let mut consumed = limit;
		let answered = with_transaction::<_, DispatchError, _>(|| {
			let answer = Revive::bare_call(
				RuntimeOrigin::signed(Self::caller()),
				policy,
				U256::zero(),
				TransactionLimits::WeightAndDeposit { weight_limit: limit, deposit_limit: 0 },
				call.abi_encode(),
				&ExecConfig::new_substrate_tx_without_bump(),
			);
			consumed = answer.weight_consumed;
			TransactionOutcome::Rollback(Ok(answer.result))
		})
		.and_then(|answer| answer);
		PolicyAnswer { flows: Self::flows(policy, page.len(), answered), consumed }
	}
}

impl ContractPolicy {
	/// Reads the answer for `count` positions.
	fn flows(
		policy: H160,
		count: usize,
		answered: Result<ExecReturnValue, DispatchError>,
	) -> Result<Vec<CashFlow>, PolicyError> {
		let data = answered.map_err(|error| {
			log::warn!(target: "runtime::settlement", "policy {policy:?}: {error:?}");
			PolicyError::Failed
		})?;
		if data.did_revert() {
			return Err(PolicyError::Failed);
		}
		let flows = ISettlementPolicy::settleCall::abi_decode_returns_validate(&data.data)
			.map_err(|_| PolicyError::Unreadable)?;
		if flows.len() != count {
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
