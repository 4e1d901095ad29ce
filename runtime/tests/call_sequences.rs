//! Random calls on the whole runtime, with what must always be true checked after each: money is
//! conserved, the books agree with themselves, and nothing panics.
//!
//! The calls are drawn from a seed, so that a failure can be repeated: `CALL_SEQUENCES_SEED`. How many
//! sequences are tried is `CALL_SEQUENCES`.

use energy_primitives::{
	AgentLimits, Audience, CommunityId, EnergyKind, ImbalancePricing, MarketTerms, MeterId,
	MeterValue, Method, OfferId, OfferRequest, OrderIndex, OrderRequest, Quality, Role, Roles,
	Side, Slot, SlotClock, StandingId, ZoneId, MINOR_UNITS, SETTLEMENT_ASSET,
};
use energy_runtime::{
	configs::SettlementCurrency,
	genesis_config_presets::{self, ZONE},
	AccountId, AllPalletsWithSystem, Balance, Communities, EnergyMarket, Metering, Participants,
	Runtime, RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, Settlement, System,
};
use frame_support::{
	assert_ok,
	dispatch::GetDispatchInfo,
	genesis_builder_helper::{build_state, get_preset},
	traits::{fungible::Inspect, OnIdle},
	weights::Weight,
	BoundedVec,
};
use sp_core::{H160, H256};
use sp_keyring::Sr25519Keyring;
use sp_runtime::traits::Dispatchable;

const HOMES: u8 = 6;
const MONEY: Balance = 100 * MINOR_UNITS;
/// The first slot that opens; slots last a minute at first.
const FIRST: u32 = 101;

/// xorshift64*, the same on every run.
struct Dice(u64);

impl Dice {
	fn any(&mut self) -> u64 {
		self.0 ^= self.0 >> 12;
		self.0 ^= self.0 << 25;
		self.0 ^= self.0 >> 27;
		self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
	}

	/// A number below `end`.
	fn below(&mut self, end: u64) -> u64 {
		(self.any() >> 11) % end
	}

	/// Mostly a sensible number, now and then an absurd one.
	fn number(&mut self, end: u64) -> u64 {
		match self.below(20) {
			0 => 0,
			1 => self.any(),
			2 => u64::MAX,
			_ => self.below(end),
		}
	}

	fn side(&mut self) -> Side {
		if self.below(2) == 0 {
			Side::Bid
		} else {
			Side::Ask
		}
	}

	fn price(&mut self) -> u64 {
		match self.below(12) {
			0 => self.any(),
			_ => 50_000 + self.below(551) * 1_000,
		}
	}

	fn slot(&mut self) -> Slot {
		let now = u64::from(EnergyMarket::running(ZONE).0);
		let slot = now.saturating_add(self.below(4)).saturating_sub(u64::from(self.below(9) == 0));
		Slot(slot as u32)
	}

	/// A slot in which much may change.
	fn later_slot(&mut self) -> Slot {
		Slot(EnergyMarket::running(ZONE).0 + 90 + self.below(220) as u32)
	}

	fn community(&mut self) -> CommunityId {
		CommunityId(self.below(4) as u32)
	}

	fn key(&mut self) -> u32 {
		self.number(400_000) as u32
	}

	fn home(&mut self) -> AccountId {
		home(self.below(u64::from(HOMES)) as u8)
	}

	fn order(&mut self) -> OrderRequest {
		OrderRequest {
			slot: self.slot(),
			side: self.side(),
			price: self.price(),
			energy_wh: self.number(3_000),
			minimum_wh: if self.below(4) == 0 { self.number(2_000) } else { 0 },
			expires_seconds: (self.below(8) == 0)
				.then(|| pallet_timestamp::Now::<Runtime>::get() / 1_000 + self.below(90)),
		}
	}

	fn terms(&mut self) -> MarketTerms {
		MarketTerms {
			grid_fee: self.below(50_000),
			grid_fee_ppm: self.below(200_000) as u32,
			bond_ppm: 1 + self.below(1_000_000) as u32,
			tolerance_ppm: self.below(300_000) as u32,
			imbalance_pricing: if self.below(2) == 0 {
				ImbalancePricing::Dual
			} else {
				ImbalancePricing::Single
			},
			// Nothing is deployed there: settlement halts, and the regulator has something to do.
			policy: (self.below(2) == 0).then(|| H160::repeat_byte(9)),
			..genesis_config_presets::terms()
		}
	}
}

fn home(number: u8) -> AccountId {
	AccountId::new([number + 1; 32])
}

fn market(call: pallet_energy_market::Call<Runtime>) -> RuntimeCall {
	RuntimeCall::EnergyMarket(call)
}

fn utility() -> RuntimeOrigin {
	RuntimeOrigin::signed(Sr25519Keyring::Alice.to_account_id())
}

/// A call about a community and who makes it.
fn draw_for_community(dice: &mut Dice) -> (RuntimeOrigin, RuntimeCall) {
	use pallet_communities::Call;
	let community = dice.community();
	let account = dice.home();
	let manager = RuntimeOrigin::signed(home(0));
	let who = RuntimeOrigin::signed(account.clone());
	let from = dice.later_slot();
	let amount = dice.number(5 * MINOR_UNITS as u64).into();
	let (origin, call) = match dice.below(20) {
		0 | 1 => {
			let call = Call::create {
				zone: ZONE,
				manager: home(0),
				method: if dice.below(2) == 0 {
					Method::StaticKeys
				} else {
					Method::ProportionalToNeed
				},
				price_per_kwh: dice.price(),
				grid_fee_per_kwh: dice.number(50_000),
				active_from: dice.slot(),
			};
			(utility(), call)
		}
		2..=5 => (manager, Call::invite { community, account, key_ppm: 100_000 }),
		6..=10 => {
			let limit_per_slot = dice.number(2_000_000).into();
			let deposit = MINOR_UNITS + Balance::from(dice.below(5_000_000));
			(who, Call::join { community, key_ppm: 100_000, limit_per_slot, deposit })
		}
		11 => (who, Call::leave { community }),
		12 => (manager, Call::exclude { community, account }),
		13 => {
			let keys = BoundedVec::truncate_from(vec![(account, dice.key())]);
			(manager, Call::set_keys { community, keys, from })
		}
		14 => (manager, Call::set_price { community, price_per_kwh: dice.price(), from }),
		15 => {
			let grid_fee_per_kwh = dice.number(50_000);
			(utility(), Call::set_grid_fee { community, grid_fee_per_kwh, from })
		}
		16 => (who, Call::set_limit { community, limit_per_slot: amount }),
		17 => (who, Call::deposit { community, amount }),
		18 => (who, Call::withdraw { community, amount }),
		_ if dice.below(6) == 0 => (manager, Call::dissolve { community }),
		_ => (manager, Call::revoke_invitation { community, account }),
	};
	(origin, RuntimeCall::Communities(call))
}

/// A call and who makes it.
fn draw(dice: &mut Dice) -> (RuntimeOrigin, RuntimeCall) {
	if dice.below(4) == 0 {
		return draw_for_community(dice);
	}
	draw_for_market(dice)
}

fn draw_for_market(dice: &mut Dice) -> (RuntimeOrigin, RuntimeCall) {
	use pallet_energy_market::Call;
	let who = RuntimeOrigin::signed(dice.home());
	let regulator = RuntimeOrigin::signed(Sr25519Keyring::Ferdie.to_account_id());
	let zone = if dice.below(30) == 0 { ZoneId(7) } else { ZONE };
	let index = OrderIndex(dice.below(12) as u32);
	let call = match dice.below(19) {
		0..=4 => Call::place {
			zone,
			slot: dice.slot(),
			side: dice.side(),
			price: dice.price(),
			energy_wh: dice.number(3_000),
		},
		5 | 6 => {
			let orders: Vec<_> = (0..dice.below(40)).map(|_| dice.order()).collect();
			let owner = (dice.below(3) == 0).then(|| dice.home());
			Call::place_batch { zone, owner, orders: BoundedVec::truncate_from(orders) }
		}
		7 => Call::cancel { zone, slot: dice.slot(), index },
		8 => Call::replace { zone, slot: dice.slot(), index, order: dice.order() },
		9 => Call::withdraw { amount: dice.number(MONEY as u64).into() },
		10 => Call::set_agent {
			agent: dice.home(),
			limits: AgentLimits {
				allowance: dice.number(MONEY as u64).into(),
				max_order_wh: dice.number(3_000),
				until_seconds: dice.number(10_000),
			},
		},
		11 => Call::place_standing {
			zone,
			order: OrderRequest { expires_seconds: None, ..dice.order() },
			last: Slot(dice.slot().0 + dice.below(5) as u32),
			budget: dice.number(2_000_000).into(),
		},
		12 => Call::cancel_standing { zone, id: StandingId(dice.below(6) as u32) },
		13 => {
			let audience = match dice.below(4) {
				0 => Audience::Anyone,
				1 => Audience::Community(dice.community()),
				_ => Audience::Partner(dice.home()),
			};
			let offer = OfferRequest {
				side: dice.side(),
				audience,
				kind: EnergyKind::Any,
				price: dice.price(),
				energy_wh: dice.number(2_000),
				minimum_wh: dice.number(500),
				first: dice.slot(),
				slots: dice.number(4) as u32,
			};
			Call::make_offer { zone, offer }
		}
		14 | 15 => Call::accept_offer {
			id: OfferId(dice.below(8) as u32),
			slot: dice.slot(),
			energy_wh: dice.number(1_500),
			kind: EnergyKind::Any,
		},
		16 => Call::withdraw_offer { id: OfferId(dice.below(8) as u32) },
		17 => {
			let call = match dice.below(4) {
				0 => Call::halt { zone },
				1 => Call::annul { zone, slot: dice.slot() },
				_ => Call::resume { zone },
			};
			return (regulator, market(call));
		}
		_ => {
			let call = match dice.below(3) {
				0 => {
					let slot_seconds = dice.number(120) as u32;
					Call::set_slot_length { zone, slot_seconds, from: dice.later_slot() }
				}
				_ => Call::set_terms { zone, terms: dice.terms() },
			};
			return (utility(), market(call));
		}
	};
	(who, market(call))
}

/// Reports meters of the slot before the present one, so that some slots can be settled.
fn attest(dice: &mut Dice) {
	let slot = Slot(EnergyMarket::running(ZONE).0 - 1);
	let values: Vec<_> = (0..u32::from(HOMES))
		.map(|meter| MeterValue {
			meter,
			import_wh: dice.below(3_000),
			export_wh: dice.below(3_000),
			quality: Quality::Valid,
		})
		.collect();
	let values = values.try_into().expect("a page has room for them");
	let eve = RuntimeOrigin::signed(Sr25519Keyring::Eve.to_account_id());
	// Refused when the slot is attested already.
	let _ = Metering::attest(eve, ZONE, slot, 0, values, H256::repeat_byte(1), 6);
}

fn development_chain() -> sp_io::TestExternalities {
	let mut chain = sp_io::TestExternalities::default();
	chain.execute_with(|| {
		let json = get_preset::<RuntimeGenesisConfig>(
			&Some(sp_genesis_builder::DEV_RUNTIME_PRESET.into()),
			genesis_config_presets::get_preset,
		);
		let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).expect("JSON");
		let patch: serde_json::Value =
			serde_json::from_slice(&json.expect("the preset exists")).expect("it is JSON");
		for (key, value) in patch.as_object().expect("an object") {
			let entry = &mut config[key];
			for (field, value) in value.as_object().expect("an object") {
				entry[field] = value.clone();
			}
		}
		build_state::<RuntimeGenesisConfig>(config.to_string().into_bytes())
			.expect("the preset makes a state");
		System::set_block_number(1);
		pallet_timestamp::Now::<Runtime>::put(u64::from(FIRST - 1) * 60_000);
		for number in 0..HOMES {
			let roles = Roles::from(Role::Prosumer);
			assert_ok!(Participants::admit(utility(), home(number), roles, ZONE, H256::zero()));
			use sp_core::Pair;
			let key = sp_core::ed25519::Pair::from_seed(&[number + 1; 32]).public().0;
			assert_ok!(Participants::register_meter(
				utility(),
				MeterId([number + 1; 32]),
				home(number),
				ZONE,
				wia_ene_014::canonical::DeviceKey::Ed25519(key),
				11_000,
			));
			assert_ok!(energy_runtime::Assets::transfer(
				utility(),
				codec::Compact(SETTLEMENT_ASSET),
				home(number).into(),
				MONEY,
			));
		}
	});
	chain
}

fn all_is_well(money: Balance) {
	EnergyMarket::do_try_state().expect("the books of the market are right");
	Settlement::do_try_state().expect("the books of settlement are right");
	Communities::do_try_state().expect("the books of the communities are right");
	let total = <SettlementCurrency as Inspect<AccountId>>::total_issuance();
	assert_eq!(total, money, "money appears or vanishes");
}

/// One sequence. Says how many of its calls succeeded.
fn sequence(seed: u64) -> usize {
	let mut succeeded = 0;
	development_chain().execute_with(|| {
		let money = <SettlementCurrency as Inspect<AccountId>>::total_issuance();
		let mut dice = Dice(seed);
		for _ in 0..60 {
			let (origin, call) = draw(&mut dice);
			let weight = call.get_dispatch_info().call_weight;
			assert!(weight.ref_time() > 0, "{call:?} is free");
			let called = frame_support::storage::with_storage_layer(|| {
				call.clone().dispatch(origin).map_err(|error| error.error)
			});
			succeeded += usize::from(called.is_ok());
			all_is_well(money);
			if dice.below(3) == 0 {
				// Now and then so long that the length of the slots may change.
				let longest = if dice.below(40) == 0 { 20_000 } else { 25 };
				let step = 1 + dice.below(longest) * 1_000;
				pallet_timestamp::Now::<Runtime>::mutate(|now| *now += step);
				if dice.below(3) == 0 {
					attest(&mut dice);
				}
				let idle = Weight::from_parts(dice.below(300_000_000_000), u64::MAX);
				let used = AllPalletsWithSystem::on_idle(System::block_number(), idle);
				assert!(used.all_lte(idle), "the idle work used {used:?} of {idle:?}");
				System::set_block_number(System::block_number() + 1);
				System::reset_events();
				all_is_well(money);
			}
		}
	});
	succeeded
}

fn setting(name: &str, default: u64) -> u64 {
	std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn books_stay_right_whatever_is_called() {
	let first = setting("CALL_SEQUENCES_SEED", 14);
	let count = setting("CALL_SEQUENCES", 200);
	let mut succeeded = 0;
	for number in 0..count {
		let seed = first.wrapping_add(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
		succeeded += sequence(seed);
	}
	println!("{count} sequences from seed {first}: {succeeded} of {} calls succeeded", count * 60);
	assert!(succeeded as u64 > count * 10, "most calls are refused: nothing is tried");
}
