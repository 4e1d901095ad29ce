//! What the chain answers without a transaction.

use crate::{
	configs::SettlementCurrency, AccountId, Assets, AssetsHolder, Aura, Balance, Block,
	Communities, EnergyMarket, Executive, Grandpa, InherentDataExt, Metering, Nonce, Participants,
	Runtime, RuntimeGenesisConfig, SessionKeys, System, TransactionPayment, VERSION,
};
use alloc::vec::Vec;
use energy_primitives::{
	api::{
		AttestedPage, Clock, DepthLevel, MarketAccount, OpenOffer, OpenOrder, ParticipantSummary,
		PastSlot, SlotSummary, ZoneSummary, PAGE_LIMIT,
	},
	AgentLimits, Bill, CommunityId, CommunitySummary, CouplingSummary, Meter, MeterId, MeterIndex,
	MeteredEnergy, Meters, OfferId, OrderIndex, Participants as _, Position, Region, RegionId,
	Share, Slot, SlotClock, StandingId, StandingOrder, ZoneId, SETTLEMENT_ASSET,
};
use frame_support::{
	genesis_builder_helper::{build_state, get_preset},
	traits::{fungible::Inspect, fungibles::InspectHold},
	weights::Weight,
};
use pallet_settlement::Pot;
use sp_api::impl_runtime_apis;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_core::{crypto::KeyTypeId, OpaqueMetadata};
use sp_runtime::{
	traits::{Block as BlockT, NumberFor},
	transaction_validity::{TransactionSource, TransactionValidity},
	ApplyExtrinsicResult,
};
use sp_version::RuntimeVersion;

impl_runtime_apis! {
	impl sp_api::Core<Block> for Runtime {
		fn version() -> RuntimeVersion {
			VERSION
		}
		fn execute_block(block: <Block as BlockT>::LazyBlock) {
			Executive::execute_block(block);
		}
		fn initialize_block(header: &<Block as BlockT>::Header) -> sp_runtime::ExtrinsicInclusionMode {
			Executive::initialize_block(header)
		}
	}

	impl sp_api::Metadata<Block> for Runtime {
		fn metadata() -> OpaqueMetadata {
			OpaqueMetadata::new(Runtime::metadata().into())
		}
		fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
			Runtime::metadata_at_version(version)
		}
		fn metadata_versions() -> Vec<u32> {
			Runtime::metadata_versions()
		}
	}

	impl frame_support::view_functions::runtime_api::RuntimeViewFunction<Block> for Runtime {
		fn execute_view_function(
			id: frame_support::view_functions::ViewFunctionId,
			input: Vec<u8>,
		) -> Result<Vec<u8>, frame_support::view_functions::ViewFunctionDispatchError> {
			Runtime::execute_view_function(id, input)
		}
	}

	impl sp_block_builder::BlockBuilder<Block> for Runtime {
		fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
			Executive::apply_extrinsic(extrinsic)
		}
		fn finalize_block() -> <Block as BlockT>::Header {
			Executive::finalize_block()
		}
		fn inherent_extrinsics(
			data: sp_inherents::InherentData,
		) -> Vec<<Block as BlockT>::Extrinsic> {
			data.create_extrinsics()
		}
		fn check_inherents(
			block: <Block as BlockT>::LazyBlock,
			data: sp_inherents::InherentData,
		) -> sp_inherents::CheckInherentsResult {
			data.check_extrinsics(&block)
		}
	}

	impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
		fn validate_transaction(
			source: TransactionSource,
			transaction: <Block as BlockT>::Extrinsic,
			block_hash: <Block as BlockT>::Hash,
		) -> TransactionValidity {
			Executive::validate_transaction(source, transaction, block_hash)
		}
	}

	impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
		fn offchain_worker(header: &<Block as BlockT>::Header) {
			Executive::offchain_worker(header)
		}
	}

	impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
		fn slot_duration() -> sp_consensus_aura::SlotDuration {
			sp_consensus_aura::SlotDuration::from_millis(Aura::slot_duration())
		}
		fn authorities() -> Vec<AuraId> {
			pallet_aura::Authorities::<Runtime>::get().into_inner()
		}
	}

	impl sp_session::SessionKeys<Block> for Runtime {
		fn generate_session_keys(
			owner: Vec<u8>,
			seed: Option<Vec<u8>>,
		) -> sp_session::OpaqueGeneratedSessionKeys {
			SessionKeys::generate(&owner, seed).into()
		}
		fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
			SessionKeys::decode_into_raw_public_keys(&encoded)
		}
	}

	impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
		fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
			Grandpa::grandpa_authorities()
		}
		fn current_set_id() -> sp_consensus_grandpa::SetId {
			Grandpa::current_set_id()
		}
		fn submit_report_equivocation_unsigned_extrinsic(
			_proof: sp_consensus_grandpa::EquivocationProof<
				<Block as BlockT>::Hash,
				NumberFor<Block>,
			>,
			_owner: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
		) -> Option<()> {
			None
		}
		fn generate_key_ownership_proof(
			_set: sp_consensus_grandpa::SetId,
			_authority: sp_consensus_grandpa::AuthorityId,
		) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
			None
		}
	}

	impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
		fn account_nonce(account: AccountId) -> Nonce {
			System::account_nonce(account)
		}
	}

	impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
		fn query_info(
			extrinsic: <Block as BlockT>::Extrinsic,
			length: u32,
		) -> pallet_transaction_payment_rpc_runtime_api::RuntimeDispatchInfo<Balance> {
			TransactionPayment::query_info(extrinsic, length)
		}
		fn query_fee_details(
			extrinsic: <Block as BlockT>::Extrinsic,
			length: u32,
		) -> pallet_transaction_payment::FeeDetails<Balance> {
			TransactionPayment::query_fee_details(extrinsic, length)
		}
		fn query_weight_to_fee(weight: Weight) -> Balance {
			TransactionPayment::weight_to_fee(weight)
		}
		fn query_length_to_fee(length: u32) -> Balance {
			TransactionPayment::length_to_fee(length)
		}
	}

	impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
		fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
			build_state::<RuntimeGenesisConfig>(config)
		}
		fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
			get_preset::<RuntimeGenesisConfig>(id, crate::genesis_config_presets::get_preset)
		}
		fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
			crate::genesis_config_presets::preset_names()
		}
	}

	impl energy_primitives::api::EnergyApi<Block> for Runtime {
		fn clock(zone: ZoneId) -> Clock {
			Clock {
				now_seconds: EnergyMarket::now_seconds(),
				slot: EnergyMarket::running(zone),
				calendar: EnergyMarket::calendar(zone),
			}
		}
		fn zone(zone: ZoneId) -> Option<ZoneSummary> {
			if !Participants::zone_exists(zone) {
				return None;
			}
			let (oracles, threshold) = Metering::group(zone)
				.map_or((Vec::new(), 0), |group| (group.members.into_inner(), group.threshold));
			let [fee_account, imbalance_account] = [Pot::Fees, Pot::Imbalance]
				.map(|pot| pallet_settlement::Pallet::<Runtime>::pot(zone, pot));
			Some(ZoneSummary {
				terms: pallet_energy_market::Terms::<Runtime>::get(zone),
				halted: pallet_energy_market::Halted::<Runtime>::get(zone),
				meters: Participants::meter_count(zone),
				utility: Participants::utility_of(zone),
				oracles,
				threshold,
				imbalance_pot: SettlementCurrency::balance(&imbalance_account),
				fee_pot: SettlementCurrency::balance(&fee_account),
				imbalance_account,
				fee_account,
			})
		}
		fn participant(account: AccountId) -> Option<ParticipantSummary> {
			let participant = pallet_participants::ParticipantsOf::<Runtime>::get(&account)?;
			Some(ParticipantSummary {
				roles: participant.roles,
				zone: participant.zone,
				active: participant.status.can_act(),
			})
		}
		fn money(account: AccountId) -> (Balance, Balance) {
			let market = pallet_energy_market::Accounts::<Runtime>::get(&account).balance;
			let held = AssetsHolder::total_balance_on_hold(SETTLEMENT_ASSET, &account);
			(Assets::balance(SETTLEMENT_ASSET, &account), held.saturating_add(market))
		}
		fn meters(zone: ZoneId, from: MeterIndex) -> Vec<(MeterId, Meter<AccountId>)> {
			(from.0..Participants::meter_count(zone))
				.take(PAGE_LIMIT as usize)
				.filter_map(|index| Participants::meter_at(zone, MeterIndex(index)))
				.collect()
		}
		fn depth(zone: ZoneId, slot: Slot) -> Vec<DepthLevel> {
			EnergyMarket::depth(zone, slot)
		}
		fn slot(zone: ZoneId, slot: Slot) -> Option<SlotSummary> {
			let book = pallet_energy_market::Books::<Runtime>::get(zone, slot)?;
			Some(SlotSummary {
				state: book.state,
				gate_closes_seconds: EnergyMarket::gate_closes_seconds(
					&EnergyMarket::calendar(zone),
					&book.terms,
					slot,
				),
				terms: book.terms,
				orders: book.next_order,
				bid_wh: book.bid_wh,
				ask_wh: book.ask_wh,
				result: book.outcome.map(|outcome| outcome.result),
				positions: book.positions,
				metering: Metering::status(zone, slot),
				deviations: pallet_settlement::Deviations::<Runtime>::get((zone, slot))
					.unwrap_or_default(),
			})
		}
		fn orders(
			zone: ZoneId,
			slot: Slot,
			account: Option<AccountId>,
			from: OrderIndex,
		) -> Vec<OpenOrder> {
			EnergyMarket::orders(zone, slot, account.as_ref(), from, PAGE_LIMIT)
		}
		fn positions(zone: ZoneId, slot: Slot, from: u32) -> Vec<Position<AccountId>> {
			EnergyMarket::positions_from(zone, slot, from, PAGE_LIMIT)
		}
		fn position(
			zone: ZoneId,
			slot: Slot,
			account: AccountId,
		) -> Option<Position<AccountId>> {
			EnergyMarket::position_of(zone, slot, &account)
		}
		fn market_account(account: AccountId) -> MarketAccount {
			let pallet_energy_market::ClearingAccount { balance, committed } =
				pallet_energy_market::Accounts::<Runtime>::get(account);
			MarketAccount { balance, committed }
		}
		fn standing_orders(
			zone: ZoneId,
			account: Option<AccountId>,
			from: StandingId,
		) -> Vec<(StandingId, StandingOrder<AccountId>)> {
			EnergyMarket::standing_orders(zone, account.as_ref(), from, PAGE_LIMIT)
		}
		fn offers(zone: ZoneId, after: Option<OfferId>) -> (Vec<OpenOffer>, Option<OfferId>) {
			EnergyMarket::offers(zone, after, PAGE_LIMIT)
		}
		fn agent(owner: AccountId, agent: AccountId) -> Option<AgentLimits> {
			pallet_energy_market::Agents::<Runtime>::get(owner, agent)
		}
		fn region(region: RegionId) -> Vec<(Slot, Region)> {
			pallet_energy_market::Regions::<Runtime>::get(region).into_inner()
		}
		fn coupling(region: RegionId, slot: Slot) -> Option<CouplingSummary> {
			EnergyMarket::coupling(region, slot)
		}
		fn slots(zone: ZoneId, from: Slot, count: u32) -> Vec<PastSlot> {
			EnergyMarket::slots(zone, from, count.min(PAGE_LIMIT))
		}
		fn bill(zone: ZoneId, slot: Slot, account: AccountId) -> Option<Bill> {
			pallet_settlement::Pallet::<Runtime>::bill(zone, slot, &account)
		}
		fn communities(zone: ZoneId) -> Vec<CommunityId> {
			pallet_communities::CommunitiesIn::<Runtime>::get(zone).into_inner()
		}
		fn community(id: CommunityId) -> Option<CommunitySummary> {
			Communities::summary(id)
		}
		fn community_of(zone: ZoneId, account: AccountId) -> Option<CommunityId> {
			pallet_communities::Memberships::<Runtime>::get(zone, account)
		}
		fn shares(id: CommunityId, slot: Slot) -> Vec<(AccountId, Share)> {
			pallet_communities::Shares::<Runtime>::get(id, slot).into_inner()
		}
		fn attestation(zone: ZoneId, slot: Slot, page: u32) -> Option<AttestedPage> {
			Metering::attestation(zone, slot, page)
		}
	}
}
