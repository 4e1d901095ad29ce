//! The contracts on the real runtime: an honest policy settles a slot, and every misbehaving one
//! halts its zone and loses nothing.

use codec::Encode;
use contracts_builder::build;
use energy_primitives::{
	HaltReason, ImbalancePricing, MarketTerms, Measured, MeterId, MeterValue, PolicyContext,
	PolicyError, PolicyQuestion, Promise, Quality, Role, Roles, SettlementPolicy, Side, Slot,
	SlotDeviations, SlotState, MINOR_UNITS, POSITIONS_PER_PAGE, SETTLEMENT_ASSET,
};
use energy_runtime::{
	configs::SettlementCurrency, genesis_config_presets, policy::ContractPolicy, AccountId,
	AllPalletsWithSystem, Assets, Balance, EnergyMarket, Metering, Participants, Revive, Runtime,
	RuntimeGenesisConfig, RuntimeOrigin, Settlement, System, UNIT,
};
use frame_support::{
	assert_ok,
	genesis_builder_helper::{build_state, get_preset},
	traits::{fungible::Inspect, OnIdle},
	weights::Weight,
};
use pallet_revive::{Code, ExecConfig, TransactionLimits};
use pallet_settlement::Pot;
use sp_core::{H160, H256, U256};
use sp_keyring::Sr25519Keyring;

const ZONE: energy_primitives::ZoneId = genesis_config_presets::ZONE;
/// A slot that begins at 6,060 seconds.
const SLOT: Slot = Slot(101);
const MONEY: Balance = 1_000 * MINOR_UNITS;

fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
	match (base, patch) {
		(serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
			for (key, value) in patch {
				merge(base.entry(key).or_insert(serde_json::Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

/// The development chain at its first block, at 6,000 seconds.
fn development_chain() -> sp_io::TestExternalities {
	let mut chain = sp_io::TestExternalities::default();
	chain.execute_with(|| {
		let preset = |name| {
			let json =
				get_preset::<RuntimeGenesisConfig>(&name, genesis_config_presets::get_preset);
			serde_json::from_slice(&json.expect("the preset exists")).expect("it is JSON")
		};
		let mut config: serde_json::Value = preset(None);
		merge(&mut config, preset(Some(sp_genesis_builder::DEV_RUNTIME_PRESET.into())));
		build_state::<RuntimeGenesisConfig>(config.to_string().into_bytes())
			.expect("the preset makes a state");
		System::set_block_number(1);
		pallet_timestamp::Now::<Runtime>::put(6_000_000);
	});
	chain
}

fn alice() -> AccountId {
	Sr25519Keyring::Alice.to_account_id()
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

fn home(number: u8) -> AccountId {
	AccountId::new([number; 32])
}

fn deploy(contract: &str, data: Vec<u8>) -> H160 {
	let blob = std::fs::read(build(contract).expect("the contract builds")).expect("a file");
	// Its address derives from this; the nonce does not change between two calls that are no
	// transactions.
	let salt = sp_io::hashing::blake2_256(&(contract, &data).encode());
	let limits = TransactionLimits::WeightAndDeposit {
		weight_limit: Weight::from_parts(2_000_000_000_000, u64::MAX / 2),
		deposit_limit: 500 * UNIT,
	};
	Revive::bare_instantiate(
		signed(&alice()),
		U256::zero(),
		limits,
		Code::Upload(blob),
		data,
		Some(salt),
		&ExecConfig::new_substrate_tx(),
	)
	.result
	.expect("the utility may deploy")
	.addr
}

fn use_policy(policy: H160) {
	let terms = MarketTerms { policy: Some(policy), ..genesis_config_presets::terms() };
	assert_ok!(EnergyMarket::set_terms(signed(&alice()), ZONE, terms));
}

/// A contract of `misbehaving` in one of its modes.
fn misbehaving(mode: u8) -> H160 {
	let mut word = vec![0; 32];
	word[31] = mode;
	deploy("misbehaving", word)
}

fn meter(number: u8) -> MeterId {
	MeterId([number; 32])
}

/// Homes 1 (sells) and 2 (buys), each with a meter and money.
fn admit_homes() {
	for number in [1, 2] {
		assert_ok!(Participants::admit(
			signed(&alice()),
			home(number),
			Roles::from(Role::Prosumer),
			ZONE,
			H256::zero(),
		));
		let key = wia_ene_014::canonical::DeviceKey::Ed25519(
			sp_core::ed25519::Pair::from_seed_slice_or_panic(number),
		);
		assert_ok!(Participants::register_meter(
			signed(&alice()),
			meter(number),
			home(number),
			ZONE,
			key,
			11_000,
		));
		assert_ok!(Assets::transfer(
			signed(&alice()),
			codec::Compact(SETTLEMENT_ASSET),
			home(number).into(),
			MONEY,
		));
	}
}

trait FromSeed {
	fn from_seed_slice_or_panic(number: u8) -> [u8; 32];
}

impl FromSeed for sp_core::ed25519::Pair {
	fn from_seed_slice_or_panic(number: u8) -> [u8; 32] {
		use sp_core::Pair;
		sp_core::ed25519::Pair::from_seed(&[number; 32]).public().0
	}
}

/// 1,000 Wh at 0.15 per kWh, delivered and taken in full.
fn trade_and_measure() {
	trade();
	measure(1_000, 1_000);
}

fn trade() {
	for (number, side) in [(1, Side::Ask), (2, Side::Bid)] {
		assert_ok!(EnergyMarket::place(signed(&home(number)), ZONE, SLOT, side, 150_000, 1_000));
	}
}

/// Home 1 gave so much to the grid in [`SLOT`], home 2 took so much; all is final afterwards.
fn measure(export_wh: u64, import_wh: u64) {
	at(6_121);
	attest(SLOT, export_wh, import_wh);
	at(6_130);
}

fn attest(slot: Slot, export_wh: u64, import_wh: u64) {
	let eve = Sr25519Keyring::Eve.to_account_id();
	let line = |meter, import_wh, export_wh| MeterValue {
		meter,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	};
	let values = vec![line(0, 0, export_wh), line(1, import_wh, 0)];
	assert_ok!(Metering::attest(
		signed(&eve),
		ZONE,
		slot,
		0,
		values.try_into().expect("two fit"),
		H256::repeat_byte(1),
		2,
	));
}

fn at(seconds: u64) {
	pallet_timestamp::Now::<Runtime>::put(seconds * 1_000);
	AllPalletsWithSystem::on_idle(System::block_number(), Weight::from_parts(u64::MAX, u64::MAX));
}

fn money(who: &AccountId) -> Balance {
	SettlementCurrency::balance(who)
}

fn state() -> SlotState {
	pallet_energy_market::Books::<Runtime>::get(ZONE, SLOT).expect("the slot has a book").state
}

fn all_money() -> Balance {
	<SettlementCurrency as Inspect<AccountId>>::total_issuance()
}

/// A question about a position of the auction whose money covers everything.
fn question(
	price: u64,
	bought_wh: u64,
	sold_wh: u64,
	import_wh: u64,
	export_wh: u64,
) -> PolicyQuestion {
	use energy_market_core::{cost_rounded_down, cost_rounded_up};
	PolicyQuestion {
		promise: Promise {
			bought_wh,
			sold_wh,
			payable: cost_rounded_up(bought_wh, price),
			receivable: cost_rounded_down(sold_wh, price),
		},
		import_wh,
		export_wh,
		held: Balance::MAX / 4,
	}
}

#[test]
fn honest_contract_answers_what_the_core_reckons() {
	development_chain().execute_with(|| {
		let policy = deploy("p2p-settlement", vec![]);
		let price = 123_457;
		let question = |bought, sold, import, export| question(price, bought, sold, import, export);
		let page = vec![
			question(1_501, 0, 1_400, 0),
			question(0, 1_501, 0, 1_400),
			question(5, 5, 0, 9),
			question(0, 0, 0, 0),
			question(u64::MAX, 0, 0, u64::MAX),
			question(0, u64::MAX, u64::MAX, 0),
			// A bond that does not cover the shortage.
			PolicyQuestion { held: 7_000, ..question(0, 1_501, 0, 0) },
		];
		let dual = genesis_config_presets::terms();
		let single = MarketTerms {
			grid_fee_ppm: 12_345,
			tolerance_ppm: 50_000,
			imbalance_pricing: ImbalancePricing::Single,
			..dual.clone()
		};
		for (terms, deviations) in [
			(&dual, SlotDeviations::default()),
			(&dual, SlotDeviations { shortage_wh: 300, surplus_wh: 101 }),
			(&single, SlotDeviations { shortage_wh: 300, surplus_wh: 101 }),
			(&single, SlotDeviations { shortage_wh: 101, surplus_wh: 300 }),
		] {
			let context = PolicyContext { clearing_price: price, deviations };
			let flows = ContractPolicy::cash_flows(policy, terms, &context, &page).flows;
			for (question, flow) in page.iter().zip(flows.expect("an answer")) {
				let signed = |amount: u128| i128::try_from(amount).expect("fits");
				let PolicyQuestion { promise, import_wh, export_wh, held } = *question;
				let energy = signed(promise.receivable) - signed(promise.payable);
				assert_eq!(flow.energy, energy);
				let grid_fee = terms.grid_fee_of(promise.bought_wh, promise.payable);
				assert_eq!(flow.grid_fee, grid_fee);
				let imbalance_terms = terms.imbalance_terms(&context);
				let owed =
					energy_market_core::imbalance(&imbalance_terms, &promise, import_wh, export_wh);
				let most = signed(held) + energy - signed(grid_fee);
				assert_eq!(flow.imbalance, owed.expect("fits").max(-most.max(0)));
			}
		}
	});
}

#[test]
fn page_of_the_largest_size_is_answered_within_its_weight() {
	development_chain().execute_with(|| {
		let policy = deploy("p2p-settlement", vec![]);
		type Pages = <Runtime as pallet_settlement::Config>::PagesPerQuestion;
		let size = <Pages as frame_support::traits::Get<u32>>::get() * POSITIONS_PER_PAGE;
		let terms = MarketTerms { tolerance_ppm: 50_000, ..genesis_config_presets::terms() };
		let context = PolicyContext {
			clearing_price: 150_000,
			deviations: SlotDeviations { shortage_wh: 90_000, surplus_wh: 70_000 },
		};
		let one = ContractPolicy::cash_flows(
			policy,
			&terms,
			&context,
			&[question(150_000, 1_000, 0, 7, 0)],
		);
		let page = vec![question(150_000, 1_000, 0, 7, 0); size as usize];
		let all = ContractPolicy::cash_flows(policy, &terms, &context, &page);
		let micros = |weight: Weight| weight.ref_time() / 1_000_000;
		println!(
			"contract: {} us for one position, {} us for {size}",
			micros(one.consumed),
			micros(all.consumed)
		);
		assert_eq!(all.flows.map(|flows| flows.len()), Ok(size as usize));
	});
}

#[test]
fn slot_is_settled_when_the_contract_is_honest() {
	development_chain().execute_with(|| {
		admit_homes();
		use_policy(deploy("p2p-settlement", vec![]));
		let before = all_money();
		trade_and_measure();
		assert_eq!(state(), SlotState::Settled);
		assert_eq!(money(&home(1)), MONEY + 150_000);
		assert_eq!(money(&home(2)), MONEY - 150_000 - 30_000);
		assert_eq!(money(&Settlement::pot(ZONE, Pot::Fees)), 30_000);
		assert_eq!(all_money(), before);
		let bill = Settlement::bill(ZONE, SLOT, &home(2)).expect("a bill");
		let measured = Measured { import_wh: 1_000, export_wh: 0, quality: Quality::Valid };
		assert_eq!((bill.bought_wh, bill.measured), (1_000, measured));
	});
}

/// The zone halts with the reason, nobody's money moved, and an honest contract in the place of
/// the broken one settles the slot.
fn halts_with(policy: impl FnOnce() -> H160, reason: HaltReason) {
	development_chain().execute_with(|| {
		admit_homes();
		use_policy(policy());
		trade_and_measure();
		assert_eq!(pallet_energy_market::Halted::<Runtime>::get(ZONE), Some(reason));
		assert_eq!(money(&home(1)), MONEY - 600_000, "the bond is still held");
		assert_eq!(money(&home(2)), MONEY - 180_000, "the cost is still held");

		use_policy(deploy("p2p-settlement", vec![]));
		assert_ok!(EnergyMarket::resume(signed(&Sr25519Keyring::Ferdie.to_account_id()), ZONE));
		at(6_140);
		assert_eq!(state(), SlotState::Settled);
		assert_eq!(money(&home(1)), MONEY + 150_000);
		assert_eq!(money(&home(2)), MONEY - 180_000);
		assert_eq!(EnergyMarket::all_positions(ZONE, SLOT), [], "nothing is left behind");
	});
}

#[test]
fn zone_is_halted_when_the_contract_overspends() {
	halts_with(|| misbehaving(0), HaltReason::PolicyOverpaysParticipant);
}

#[test]
fn zone_is_halted_when_the_contract_reverts() {
	halts_with(|| misbehaving(1), HaltReason::PolicyFailed);
}

#[test]
fn zone_is_halted_when_the_contract_loops() {
	halts_with(|| misbehaving(2), HaltReason::PolicyFailed);
}

#[test]
fn zone_is_halted_when_the_contract_returns_garbage() {
	halts_with(|| misbehaving(3), HaltReason::PolicyAnswerUnreadable);
}

#[test]
fn zone_is_halted_when_the_contract_leaves_a_flow_out_or_adds_one() {
	halts_with(|| misbehaving(4), HaltReason::PolicyAnswerUnreadable);
	halts_with(|| misbehaving(8), HaltReason::PolicyAnswerUnreadable);
}

#[test]
fn zone_is_halted_when_the_contract_charges_more_than_is_held() {
	halts_with(|| misbehaving(5), HaltReason::PolicyOverchargesParticipant);
}

#[test]
fn zone_is_halted_when_the_contract_drains_the_imbalance_pot() {
	halts_with(|| misbehaving(6), HaltReason::PolicyOverpaysParticipant);
}

#[test]
fn zone_is_halted_when_the_contract_traps() {
	halts_with(|| misbehaving(7), HaltReason::PolicyFailed);
}

#[test]
fn zone_is_halted_when_there_is_no_contract_at_the_address() {
	halts_with(|| H160::repeat_byte(9), HaltReason::PolicyAnswerUnreadable);
}

#[test]
fn call_of_a_missing_contract_is_no_answer() {
	development_chain().execute_with(|| {
		let answer = ContractPolicy::cash_flows(
			H160::repeat_byte(9),
			&genesis_config_presets::terms(),
			&PolicyContext::default(),
			&[question(1, 1, 0, 0, 0)],
		);
		assert!(matches!(answer.flows, Err(PolicyError::Unreadable | PolicyError::Failed)));
	});
}

#[test]
fn community_shares_what_is_left_after_the_market() {
	use energy_primitives::{CommunityId, Method, Share};
	use energy_runtime::Communities;
	development_chain().execute_with(|| {
		admit_homes();
		use_policy(deploy("p2p-settlement", vec![]));
		let id = CommunityId(0);
		let (price, grid_fee) = (100_001, 10_001);
		assert_ok!(Communities::create(
			signed(&alice()),
			ZONE,
			home(1),
			Method::StaticKeys,
			price,
			grid_fee,
			SLOT,
		));
		for (number, key_ppm) in [(1, 0), (2, 1_000_000)] {
			let (limit, deposit) = (MINOR_UNITS, 2 * MINOR_UNITS);
			assert_ok!(Communities::invite(signed(&home(1)), id, home(number), key_ppm));
			assert_ok!(Communities::join(signed(&home(number)), id, key_ppm, limit, deposit));
		}
		let fees = || money(&Settlement::pot(ZONE, Pot::Fees));
		let supply = all_money();

		// 500 Wh more than sold, 300 Wh more than bought.
		trade();
		measure(1_500, 1_300);
		assert_eq!(state(), SlotState::Settled);
		let fees_of_the_market = genesis_config_presets::terms().grid_fee_of(1_000, 150_000);
		let shared = |given_wh, taken_wh, received, paid, grid_fee| Share {
			given_wh,
			taken_wh,
			received,
			paid,
			grid_fee,
			quality: Quality::Valid,
		};
		// 300 Wh at 0.100001 are 30,000.3 minor units, the fee is 3,000.3.
		let share = |number| Communities::share_of(id, SLOT, &home(number));
		assert_eq!(share(1), Some(shared(300, 0, 30_000, 0, 0)));
		assert_eq!(share(2), Some(shared(0, 300, 0, 30_001, 3_001)));
		assert_eq!(fees(), fees_of_the_market + 3_001);
		assert_eq!(all_money(), supply);

		// Both leave, and have everything back but what moved.
		for number in [1, 2] {
			assert_ok!(Communities::leave(signed(&home(number)), id));
		}
		// Their last slot must be known first; without a reading it would be estimated from this one.
		at(6_181);
		attest(SLOT.next(), 0, 0);
		at(6_190);
		assert_eq!(money(&home(1)), MONEY + 150_000 + 30_000);
		assert_eq!(money(&home(2)), MONEY - 150_000 - fees_of_the_market - 33_002);
		assert_eq!(all_money(), supply);
		Communities::do_try_state().expect("the books of the communities are right");
	});
}
