//! What the program shows of a chain: answers made by hand, read by the program.

mod support;

use std::sync::{Arc, Mutex};

use codec::{Decode, Encode};
use energy_primitives::{
	api::{
		Clock, MarketAccount, OpenOffer, OpenOrder, ParticipantSummary, PastSlot, SlotSummary,
		ZoneSummary,
	},
	AccountId, AgentLimits, Agreed, Audience, Balance, Bill, CashFlow, ClearingResult, CommunityId,
	CommunityMember, CommunitySummary, EnergyKind, ImbalancePricing, MarketTerms, Measured,
	MeteringStatus, Method, OfferId, OfferRequest, OrderIndex, Position, Role, Roles, Scheduled,
	Share, Side, Slot, SlotCalendar, SlotDeviations, SlotState, StandingId, StandingOrder, ZoneId,
};
use support::{Node, Wallet};
use wia_ene_014::canonical::Quality;

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

fn alice() -> AccountId {
	energy_wallet::address::parse(ALICE).expect("is an address")
}

fn bob() -> AccountId {
	energy_wallet::address::parse(BOB).expect("is an address")
}

fn terms() -> MarketTerms {
	MarketTerms {
		gate_closure_seconds: 10,
		price_floor: 50_000,
		tick_size: 1_000,
		tick_count: 551,
		max_order_wh: 1_000_000,
		grid_fee: 30_000,
		grid_fee_ppm: 10_000,
		bond_ppm: 500_000,
		tolerance_ppm: 50_000,
		imbalance_pricing: ImbalancePricing::Single,
		shortage_price: 600_000,
		surplus_price: 40_000,
		policy: None,
	}
}

fn zone() -> ZoneSummary {
	ZoneSummary {
		terms: Some(terms()),
		halted: None,
		meters: 0,
		utility: None,
		oracles: Vec::new(),
		threshold: 0,
		imbalance_pot: 0,
		fee_pot: 0,
		imbalance_account: bob(),
		fee_account: bob(),
	}
}

fn slot(state: SlotState) -> SlotSummary {
	SlotSummary {
		state,
		gate_closes_seconds: 990,
		terms: terms(),
		orders: 3,
		bid_wh: 1_500,
		ask_wh: 800,
		result: Some(ClearingResult { price: 250_000, volume_wh: 800, net_import_wh: 300 }),
		positions: 2,
		metering: MeteringStatus::Final,
		deviations: SlotDeviations { shortage_wh: 120, surplus_wh: 40 },
	}
}

fn agreed() -> Agreed {
	Agreed { bought_wh: 500, sold_wh: 0, payable: 120_000, receivable: 0 }
}

/// Slot 10 lasts from 1000 to 1100; it is 1050.
fn common(method: &str) -> Option<Vec<u8>> {
	Some(match method {
		"EnergyApi_clock" => {
			Clock { now_seconds: 1_050, slot: Slot(10), calendar: SlotCalendar::uniform(100) }
				.encode()
		}
		"EnergyApi_zone" => Some(zone()).encode(),
		"EnergyApi_participant" => Some(ParticipantSummary {
			roles: Roles::from(Role::Prosumer),
			zone: ZoneId(1),
			active: true,
		})
		.encode(),
		_ => return None,
	})
}

fn wallet(
	answers: impl Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Wallet, Node) {
	let node = Node::new(move |method, args| answers(method, args).or_else(|| common(method)));
	(Wallet::at(&node), node)
}

#[test]
fn balance_shows_what_is_committed_and_free_in_the_market() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_money" => Some((7_000_000u128, 3_000_000u128).encode()),
		"EnergyApi_market_account" => {
			assert_eq!(args, alice().encode());
			Some(MarketAccount { balance: 3_000_000, committed: 1_000_000 }.encode())
		}
		_ => None,
	});
	wallet.run(&format!("balance --address {ALICE}")).ok().says(&[
		"spendable      7.000000",
		"in the market  3.000000",
		"  committed    1.000000",
		"  free         2.000000",
	]);
	let json = wallet.run(&format!("balance --address {ALICE} --json")).ok().json();
	assert_eq!(json["market"]["balance"], "3.000000");
	assert_eq!(json["market"]["committed"], "1.000000");
	assert_eq!(json["market"]["free"], "2.000000");
	assert_eq!(json["held"], "3.000000");
}

#[test]
fn zone_shows_every_part_of_its_terms() {
	let (wallet, _node) = wallet(|_, _| None);
	wallet.run("zone --zone 1").ok().says(&[
		"0.03 per kWh and 1 % of the energy's price, paid by the buyer",
		"50 % of what not delivering costs",
		"5 % of a promise",
		"one price for both",
	]);
	let json = wallet.run("zone --zone 1 --json").ok().json();
	assert_eq!(json["terms"]["gridFeePpm"], 10_000);
	assert_eq!(json["terms"]["bondPpm"], 500_000);
	assert_eq!(json["terms"]["tolerancePpm"], 50_000);
	assert_eq!(json["terms"]["imbalancePricing"], "single");
}

#[test]
fn market_shows_deviations_of_a_settled_slot_only() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_slot" => {
			let (_, number) = <(ZoneId, Slot)>::decode(&mut &*args).expect("decodes");
			let state = if number == Slot(9) { SlotState::Settled } else { SlotState::Annulled };
			Some(Some(slot(state)).encode())
		}
		"EnergyApi_depth" => Some(Vec::<energy_primitives::api::DepthLevel>::new().encode()),
		_ => None,
	});
	let run = wallet.run("market --zone 1 --slot 9").ok();
	let run = run.says(&[
		"0.8 kWh at 0.25 per kWh, 0.3 kWh of it from other zones",
		"0.12 kWh not delivered, 0.04 kWh not taken, beyond the tolerance",
	]);
	assert!(run.out.contains("settled"));
	let json = wallet.run("market --zone 1 --slot 9 --json").ok().json();
	assert_eq!(json["result"]["netImportWh"], 300);
	assert_eq!(json["deviations"]["shortageWh"], 120);
	assert_eq!(json["deviations"]["surplusWh"], 40);
	let run = wallet.run("market --zone 1 --slot 8").ok().says(&["called off"]);
	assert!(!run.out.contains("not delivered, "), "{run:#?}");
	let json = wallet.run("market --zone 1 --slot 8 --json").ok().json();
	assert_eq!(json["state"], "annulled");
}

#[test]
fn history_is_read_in_pages_up_to_a_slot() {
	let asked = Arc::new(Mutex::new(Vec::new()));
	let note = asked.clone();
	let (wallet, _node) = wallet(move |method, args| {
		if method != "EnergyApi_slots" {
			return None;
		}
		let question = <(ZoneId, Slot, u32)>::decode(&mut &*args).expect("decodes");
		note.lock().expect("is whole").push(question);
		let (_, from, count) = question;
		let past = |number: u32, state, result| PastSlot {
			slot: Slot(number),
			state,
			result,
			positions: 2,
		};
		let result = ClearingResult { price: 250_000, volume_wh: 800, net_import_wh: 300 };
		let all = [
			past(400, SlotState::Settled, Some(result)),
			past(700, SlotState::Annulled, None),
			past(900, SlotState::Open, None),
		];
		let found: Vec<PastSlot> = all
			.into_iter()
			.filter(|past| (from.0..from.0 + count).contains(&past.slot.0))
			.collect();
		Some(found.encode())
	});
	let run = wallet.run("history --zone 1 --until 899 --count 600").ok();
	let run = run.says(&["400", "settled", "0.25", "800", "700", "called off"]);
	assert!(!run.out.contains("900"), "{run:#?}");
	// The newest come first.
	assert!(run.out.find("700 ") < run.out.find("400 "), "{run:#?}");
	let zone = ZoneId(1);
	assert_eq!(
		*asked.lock().expect("is whole"),
		[(zone, Slot(300), 256), (zone, Slot(556), 256), (zone, Slot(812), 88)]
	);
	let json = wallet.run("history --zone 1 --until 899 --count 600 --json").ok().json();
	assert_eq!(json["slots"][1]["result"]["price"], "0.25");
	assert_eq!(json["slots"][0]["state"], "annulled");
	// Before the beginning of time there is nothing.
	wallet.run("history --zone 1").ok().says(&["Nobody traded"]);
}

#[test]
fn orders_are_read_on_where_the_chain_stopped_looking() {
	let asked = Arc::new(Mutex::new(Vec::new()));
	let note = asked.clone();
	let order = |index: u32| OpenOrder {
		index: OrderIndex(index),
		account: alice(),
		side: Side::Bid,
		price: 250_000,
		energy_wh: 1_000,
		held: 280_000,
		minimum_wh: 0,
		expires_seconds: None,
		standing: None,
		agent: None,
	};
	let (wallet, _node) = wallet(move |method, args| match method {
		"EnergyApi_slot" => {
			Some(Some(SlotSummary { orders: 200_000, ..slot(SlotState::Open) }).encode())
		}
		"EnergyApi_orders" => {
			let (_, _, account, OrderIndex(from)) =
				<(ZoneId, Slot, Option<AccountId>, OrderIndex)>::decode(&mut &*args)
					.expect("decodes");
			assert_eq!(account, Some(alice()));
			note.lock().expect("is whole").push(from);
			// A full page at 100,000, and one order far behind it.
			let own = (100_000..100_256).chain([190_000]).filter(|index| *index >= from);
			let seen = own.filter(|index| *index < from + 65_536).take(256);
			Some(seen.map(order).collect::<Vec<_>>().encode())
		}
		_ => None,
	});
	let json = wallet.run(&format!("orders --slot 11 --address {ALICE} --json")).ok().json();
	assert_eq!(json["orders"].as_array().map(Vec::len), Some(257));
	assert_eq!(json["orders"][256]["order"], 190_000);
	assert_eq!(*asked.lock().expect("is whole"), [0, 65_536, 100_256, 165_792]);
}

#[test]
fn positions_show_what_was_agreed() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_position" => {
			let (_, number, who) =
				<(ZoneId, Slot, AccountId)>::decode(&mut &*args).expect("decodes");
			assert_eq!(who, alice());
			let position = Position {
				account: alice(),
				bought_wh: 800,
				sold_wh: 0,
				agreed: agreed(),
				held: 224_000,
			};
			Some((number == Slot(9)).then_some(position).encode())
		}
		_ => None,
	});
	wallet.run(&format!("positions --address {ALICE}")).ok().says(&[
		"agreed to buy, Wh",
		"agreed to sell, Wh",
		"500",
		"0.224000",
	]);
	let json = wallet.run(&format!("positions --address {ALICE} --json")).ok().json();
	assert_eq!(json["positions"].as_array().map(Vec::len), Some(1));
	assert_eq!(json["positions"][0]["agreed"]["boughtWh"], 500);
	assert_eq!(json["positions"][0]["agreed"]["payable"], "0.120000");
}

#[test]
fn bill_shows_what_was_agreed() {
	let (wallet, _node) = wallet(|method, _| match method {
		"EnergyApi_bill" => Some(
			Some(Bill {
				bought_wh: 800,
				sold_wh: 0,
				agreed: agreed(),
				measured: Measured { import_wh: 1_300, export_wh: 0, quality: Quality::Valid },
				flow: CashFlow { energy: -320_000, imbalance: 0, grid_fee: 42_200 },
			})
			.encode(),
		),
		_ => None,
	});
	let line = format!("bill --slot 9 --address {ALICE}");
	wallet.run(&line).ok().says(&["agreed        bought 0.5 kWh for 0.120000"]);
	let json = wallet.run(&format!("{line} --json")).ok().json();
	assert_eq!(json["agreed"]["boughtWh"], 500);
	assert_eq!(json["agreed"]["receivable"], "0.000000");
}

#[test]
fn bill_is_missed_with_a_reason_when_the_slot_was_called_off() {
	let (wallet, _node) = wallet(|method, _| match method {
		"EnergyApi_bill" => Some(Option::<Bill>::None.encode()),
		"EnergyApi_slot" => Some(Some(slot(SlotState::Annulled)).encode()),
		_ => None,
	});
	wallet
		.run(&format!("bill --slot 9 --address {ALICE}"))
		.fails_with(&["there is no bill", "called off"]);
}

#[test]
fn standing_orders_are_listed_for_one_or_all() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_standing_orders" => {
			let (_, account, _) =
				<(ZoneId, Option<AccountId>, StandingId)>::decode(&mut &*args).expect("decodes");
			let standing = |who: AccountId| StandingOrder {
				account: who,
				side: Side::Ask,
				price: 220_000,
				energy_wh: 1_500,
				minimum_wh: 300,
				first: Slot(11),
				last: Slot(106),
				budget: 20_000_000,
			};
			let all = [(StandingId(3), standing(alice())), (StandingId(8), standing(bob()))];
			let found: Vec<_> = all
				.into_iter()
				.filter(|(_, standing)| account.as_ref().is_none_or(|who| *who == standing.account))
				.collect();
			Some(found.encode())
		}
		_ => None,
	});
	let run = wallet.run(&format!("standing list --address {ALICE}")).ok();
	let run = run.says(&["ask", "1500", "300", "0.22", "106", "20.000000"]);
	assert!(!run.out.contains(BOB), "{run:#?}");
	wallet.run("standing list --all --zone 1").ok().says(&[ALICE, BOB]);
	let json = wallet.run(&format!("standing list --address {ALICE} --json")).ok().json();
	assert_eq!(json["standingOrders"][0]["id"], 3);
	assert_eq!(json["standingOrders"][0]["budget"], "20.000000");
	assert_eq!(json["standingOrders"].as_array().map(Vec::len), Some(1));
}

#[test]
fn offers_are_listed_to_the_last_page() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_offers" => {
			let (_, after) = <(ZoneId, Option<OfferId>)>::decode(&mut &*args).expect("decodes");
			let offer = |id: u32, maker, audience| OpenOffer {
				id: OfferId(id),
				maker,
				request: OfferRequest {
					side: Side::Ask,
					audience,
					kind: EnergyKind::Solar,
					price: 234_500,
					energy_wh: 1_500,
					minimum_wh: 100,
					first: Slot(12),
					slots: 2,
				},
				remaining_wh: vec![1_500, 700],
			};
			let first = offer(5, alice(), Audience::Partner(bob()));
			let second = offer(300, bob(), Audience::Community(CommunityId(4)));
			// In no order, and one of them on both pages.
			Some(match after {
				None => (vec![second.clone()], Some(OfferId(7))).encode(),
				Some(OfferId(7)) => (vec![second, first], Option::<OfferId>::None).encode(),
				Some(other) => panic!("asked after {other}"),
			})
		}
		_ => None,
	});
	wallet.run("offer list --zone 1").ok().says(&[
		"0.2345",
		"1500 700",
		"solar",
		ALICE,
		BOB,
		"community 4",
	]);
	let json = wallet.run("offer list --zone 1 --json").ok().json();
	assert_eq!(json["offers"][0]["partner"], BOB);
	assert_eq!(json["offers"][0]["remainingWh"][1], 700);
	assert_eq!(json["offers"][1]["community"], 4);
	let mine = wallet.run(&format!("offer list --mine --address {BOB} --json")).ok().json();
	assert_eq!(mine["offers"].as_array().map(Vec::len), Some(1));
	assert_eq!(mine["offers"][0]["id"], 300);
}

#[test]
fn agent_is_shown_with_its_limits_or_none() {
	let (wallet, _node) = wallet(|method, args| match method {
		"EnergyApi_agent" => {
			let (owner, agent) = <(AccountId, AccountId)>::decode(&mut &*args).expect("decodes");
			let limits = AgentLimits {
				allowance: 50_000_000 as Balance,
				max_order_wh: 2_000,
				until_seconds: 1_772_374_500,
			};
			Some(((owner, agent) == (alice(), bob())).then_some(limits).encode())
		}
		_ => None,
	});
	let line = format!("agent show --agent {BOB} --address {ALICE}");
	wallet.run(&line).ok().says(&["50.000000", "2 kWh", "2026-03-01"]);
	let json = wallet.run(&format!("{line} --json")).ok().json();
	assert_eq!(json["limits"]["until"], "2026-03-01T14:15:00Z");
	wallet
		.run(&format!("agent show --agent {ALICE} --address {BOB}"))
		.ok()
		.says(&["may not place orders for"]);
}

fn community() -> CommunitySummary {
	let member = |account, key_ppm, limit| CommunityMember {
		account,
		key_ppm: Scheduled::new(key_ppm),
		from: Slot(5),
		until: None,
		deposit: 20_000_000,
		limit_per_slot: Scheduled::new(limit),
	};
	let leaving = CommunityMember {
		until: Some(Slot(12)),
		key_ppm: Scheduled { before: 250_000, from: Slot(11), after: 200_000 },
		..member(bob(), 0, 500_000)
	};
	CommunitySummary {
		id: CommunityId(3),
		zone: ZoneId(1),
		manager: bob(),
		method: Method::StaticKeys,
		price_per_kwh: Scheduled { before: 150_001, from: Slot(120), after: 180_000 },
		grid_fee_per_kwh: Scheduled { before: 0, from: Slot(7), after: 10_000 },
		active_from: Slot(5),
		ends: None,
		next_slot: Slot(9),
		members: vec![member(alice(), 333_333, 0), leaving],
		invited: vec![(AccountId::new([7; 32]), 100_000)],
	}
}

/// Community 3 is the only one of zone 1, and Bob is in it.
fn communities(method: &str, args: &[u8]) -> Option<Vec<u8>> {
	Some(match method {
		"EnergyApi_communities" => vec![CommunityId(3)].encode(),
		"EnergyApi_community" => {
			let id = CommunityId::decode(&mut &*args).expect("decodes");
			(id == CommunityId(3)).then(community).encode()
		}
		"EnergyApi_community_of" => {
			let (zone, who) = <(ZoneId, AccountId)>::decode(&mut &*args).expect("decodes");
			((zone, who) == (ZoneId(1), bob())).then_some(CommunityId(3)).encode()
		}
		"EnergyApi_shares" => {
			let (id, slot) = <(CommunityId, Slot)>::decode(&mut &*args).expect("decodes");
			assert_eq!(id, CommunityId(3));
			let given = Share {
				given_wh: 333,
				taken_wh: 0,
				received: 49_950,
				paid: 0,
				grid_fee: 0,
				quality: Quality::Valid,
			};
			let taken = Share {
				given_wh: 0,
				taken_wh: 333,
				received: 0,
				paid: 49_951,
				grid_fee: 3_330,
				quality: Quality::Estimated,
			};
			let shares =
				if slot == Slot(8) { vec![(alice(), given), (bob(), taken)] } else { Vec::new() };
			shares.encode()
		}
		_ => return None,
	})
}

#[test]
fn communities_of_a_zone_are_listed_with_their_prices_now() {
	let (wallet, _node) = wallet(communities);
	wallet.run("community list --zone 1").ok().says(&["3", "by keys", "0.150001", "0.01", BOB]);
	let json = wallet.run(&format!("community list --address {ALICE} --json")).ok().json();
	assert_eq!(json["communities"][0]["id"], 3);
	assert_eq!(json["communities"][0]["members"], 2);
	assert_eq!(json["communities"][0]["pricePerKwh"]["now"], "0.150001");
}

#[test]
fn communities_are_missed_where_there_are_none() {
	let (wallet, _node) = wallet(|method, _| {
		(method == "EnergyApi_communities").then(|| Vec::<CommunityId>::new().encode())
	});
	wallet.run("community list --zone 1").ok().says(&["There are no communities in zone 1."]);
}

#[test]
fn community_is_shown_with_what_changes_and_when() {
	let (wallet, _node) = wallet(communities);
	wallet.run("community show --id 3").ok().says(&[
		"0.150001 per kWh, from slot 120 on 0.18 per kWh",
		"0.01 per kWh since slot 7",
		"25 %, from slot 11 on 20 %",
		"33.3333 %",
		"keys together  58.3333 %",
		"20.000000",
		ALICE,
		"invited",
		"10 %",
	]);
	let json = wallet.run("community show --id 3 --json").ok().json();
	assert_eq!(json["nextSlot"], 9);
	assert_eq!(json["gridFeePerKwh"]["now"], "0.01");
	assert_eq!(json["members"][1]["keyPpm"]["after"], 200_000);
	assert_eq!(json["members"][1]["until"], 12);
	assert_eq!(json["members"][0]["limitPerSlot"]["now"], "0.000000");
	assert_eq!(json["invited"][0]["keyPpm"], 100_000);
	wallet.run("community show --id 4").fails_with(&["there is no community 4", "community list"]);
}

#[test]
fn community_of_an_account_is_found_in_its_zone() {
	let (wallet, _node) = wallet(communities);
	wallet.run(&format!("community of --address {BOB}")).ok().says(&[
		"25 %, from slot 11 on 20 %",
		"leaves with slot",
		"0.500000",
	]);
	let json = wallet.run(&format!("community of --address {BOB} --json")).ok().json();
	assert_eq!(json["community"], 3);
	assert_eq!(json["zone"], 1);
	assert_eq!(json["member"]["deposit"], "20.000000");
	wallet.run(&format!("community of --address {ALICE}")).ok().says(&["is in no community"]);
	let json = wallet.run(&format!("community of --address {ALICE} --json")).ok().json();
	assert!(json["community"].is_null() && json["member"].is_null());
}

#[test]
fn shares_are_summed() {
	let (wallet, _node) = wallet(communities);
	wallet.run("community shares --id 3 --slot -2").ok().says(&[
		"gave, Wh",
		"333",
		"0.049950",
		"0.049951",
		"0.003330",
		"estimated",
		"to the imbalance pot  0.000001, roundings",
	]);
	let json = wallet.run("community shares --id 3 --slot 8 --json").ok().json();
	assert_eq!(json["isDone"], true);
	assert_eq!(json["shares"][0]["givenWh"], 333);
	assert_eq!(json["shares"][1]["paid"], "0.049951");
	assert_eq!(json["sums"]["takenWh"], 333);
	assert_eq!(json["sums"]["gridFees"], "0.003330");
	assert_eq!(json["sums"]["remainder"], "0.000001");
}

#[test]
fn shares_are_missed_with_a_reason() {
	let (wallet, _node) = wallet(communities);
	for (slot, why) in [
		(4, "shares from slot 5 on"),
		(7, "shared nothing, or it is so long ago"),
		(9, "is not shared yet: the next one is 9"),
	] {
		wallet.run(&format!("community shares --id 3 --slot {slot}")).ok().says(&[why]);
	}
	let json = wallet.run("community shares --id 3 --slot 9 --json").ok().json();
	assert_eq!(json["isDone"], false);
	assert_eq!(json["shares"].as_array().map(Vec::len), Some(0));
}

/// Nothing is signed that the chain would refuse.
#[test]
fn membership_is_refused_before_it_is_sent() {
	let (wallet, _node) = wallet(communities);
	let join = "community join --key-ppm 5 --limit 0.5 --deposit 20";
	wallet
		.run(&format!("{join} --id 4 --dev-key //Charlie"))
		.fails_with(&["there is no community 4"]);
	wallet
		.run(&format!("{join} --id 3 --dev-key //Charlie"))
		.fails_with(&["is not invited to community 3", BOB]);
	wallet.run(&format!("{join} --id 3 --dev-key //Bob")).fails_with(&["in community 3 already"]);
	wallet
		.run(&format!("community set-keys --id 3 --from +100 {BOB}=1 {BOB}=2 --dev-key //Bob"))
		.fails_with(&["is named twice"]);
	wallet
		.run(&format!(
			"community create --zone 1 --manager {BOB} --price 0.15 --grid-fee 0.01 --from 10 \
			 --call-data"
		))
		.fails_with(&["slot 10 has begun"]);
}

/// Nothing is signed that the chain would refuse.
#[test]
fn order_is_refused_before_it_is_sent() {
	let (wallet, _node) = wallet(|method, _| match method {
		"EnergyApi_slot" => Some(Option::<SlotSummary>::None.encode()),
		"EnergyApi_agent" => Some(Option::<AgentLimits>::None.encode()),
		"EnergyApi_market_account" => Some(MarketAccount { balance: 5, committed: 5 }.encode()),
		"EnergyApi_orders" => Some(Vec::<OpenOrder>::new().encode()),
		_ => None,
	});
	let bid = "bid --slot +4 --energy-wh 1000 --price 0.25 --dev-key //Alice";
	wallet
		.run(&format!("{bid} --minimum-wh 1001"))
		.fails_with(&["the least that is accepted (1.001 kWh) is more than all (1 kWh)"]);
	wallet.run(&format!("{bid} --expires 1050")).fails_with(&["would expire", "is over"]);
	wallet.run(&format!("{bid} --for {BOB}")).fails_with(&["lets no agent", "agent set"]);
	wallet
		.run("replace --slot 14 --order 3 --price 0.3 --dev-key //Alice")
		.fails_with(&["there is no open order 3 in slot 14"]);
	wallet
		.run("standing place --side bid --kwh 1 --price 0.2505 --last +9 --budget 1 --dev-key //Alice")
		.fails_with(&["is not a price of this market"]);
	wallet
		.run("standing place --side bid --kwh 1 --price 0.25 --first 5 --last 9 --budget 1 --dev-key //Alice")
		.fails_with(&["needs slots to come"]);
	wallet
		.run("offer make --side ask --kwh 1 --price 0.9 --slot +4 --dev-key //Alice")
		.fails_with(&["outside the prices", "0.05 to 0.60"]);
	wallet
		.run(&format!(
			"offer make --side ask --kwh 1 --price 0.25 --slot +4 --to {ALICE} --dev-key //Alice"
		))
		.fails_with(&["nobody trades with itself"]);
	wallet.run("withdraw --dev-key //Alice").fails_with(&["has no free money in the market"]);
	wallet.run("withdraw --amount 1 --dev-key //Alice").fails_with(&["0.000000 of the market"]);
	wallet
		.run(&format!(
			"agent set --agent {BOB} --allowance 1 --max-order-wh 1 --until 1000 --dev-key //Alice"
		))
		.fails_with(&["is over"]);
}
