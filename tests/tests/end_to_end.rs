//! One kilowatt-hour from a signed meter reading to money in a wallet: the real node, the real oracle,
//! the real contract and the real wallets, with a real household's half-hours, and with
//! everything going wrong that a neighbourhood has to live with.

use std::{
	collections::BTreeMap,
	fs,
	path::Path,
	time::{Duration, Instant},
};

use energy_primitives::{Quality, Side, Slot, SlotState};
use energy_system_tests::{
	homes::{half_hours, household, HalfHour, Home, HOMES},
	network::{keypair, Chain, Network, POCKET_MONEY, QUICK, STOP, ZONE},
	process::fresh_folder,
	summary::{balances, Summary, ALL_MONEY},
	trading::{Order, Replayed, Rows},
	watch::Watcher,
};
use energy_wallet::{
	calls::{self, OrderPlaced},
	client::{Call, ClientError, Rejection},
};
use serde_json::{json, Value};

const SLOTS: usize = 3;
/// How long the oracle waits for a meter that is late, seconds.
const GRACE: u32 = 2;
const ROOF: usize = 0;
const CORNER: usize = 1;
const COTTAGE: usize = 2;
/// The genesis terms of the development chain, minor units per kWh.
const GRID_FEE: i128 = 30_000;
const SHORTAGE_PRICE: i128 = 600_000;
const SURPLUS_PRICE: i128 = 40_000;
const FLOOR: u64 = 50_000;
const TICK: u64 = 1_000;
const TICKS: u64 = 551;

/// The orders: in the second slot the roof sells more than its PV gives, and two bids have one price.
fn orders(first: Slot, rows: &[Vec<HalfHour>]) -> Vec<Order> {
	let order = |home, place: u32, side, price, energy_wh| Order {
		home,
		slot: Slot(first.0 + place),
		side,
		price,
		energy_wh,
	};
	let export = |row: usize| rows[ROOF][row].export_wh();
	let import = |home: usize, row: usize| rows[home][row].import_wh();
	vec![
		// Scarce: the cottage is rationed.
		order(ROOF, 0, Side::Ask, 100_000, export(0)),
		order(CORNER, 0, Side::Bid, 260_000, 150),
		order(COTTAGE, 0, Side::Bid, 180_000, import(COTTAGE, 0)),
		// Sold and not delivered; equal bids share.
		order(ROOF, 1, Side::Ask, 120_000, export(1) + 250),
		order(CORNER, 1, Side::Bid, 210_000, import(CORNER, 1)),
		order(COTTAGE, 1, Side::Bid, 210_000, import(COTTAGE, 1)),
		// Plenty: less is wanted than offered, and the corner buys more than it takes.
		order(ROOF, 2, Side::Ask, 90_000, export(2)),
		order(CORNER, 2, Side::Bid, 300_000, import(CORNER, 2) + 100),
		order(COTTAGE, 2, Side::Bid, 240_000, 99),
	]
}

/// What the chain should come to, reckoned from the published rules and nothing of its code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
	price: u64,
	volume_wh: u64,
	/// By home: bought, sold.
	traded: BTreeMap<usize, (u64, u64)>,
}

/// Tries every price, and walks through the orders in their order of arrival.
fn expected(orders: &[(Side, u64, u64, usize)]) -> Expected {
	let sum = |side: Side, reaches: &dyn Fn(u64) -> bool| -> u64 {
		orders.iter().filter(|order| order.0 == side && reaches(order.1)).map(|order| order.2).sum()
	};
	let demand = |price: u64| sum(Side::Bid, &|limit| limit >= price);
	let supply = |price: u64| sum(Side::Ask, &|limit| limit <= price);
	let clears: Vec<u64> = (0..TICKS)
		.map(|tick| FLOOR + tick * TICK)
		.filter(|price| {
			demand(price + TICK) <= supply(*price) && supply(price - TICK) <= demand(*price)
		})
		.collect();
	let (lowest, highest) = (clears[0], clears[clears.len() - 1]);
	let middle = (lowest - FLOOR) / TICK + (highest - FLOOR) / TICK;
	let price = FLOOR + middle / 2 * TICK;
	let volume_wh = demand(price).min(supply(price));

	let mut traded = BTreeMap::<usize, (u64, u64)>::new();
	for side in [Side::Bid, Side::Ask] {
		let mut limits: Vec<u64> =
			orders.iter().filter(|order| order.0 == side).map(|order| order.1).collect();
		limits.sort_unstable();
		limits.dedup();
		if side == Side::Bid {
			limits.reverse();
		}
		let mut left = volume_wh;
		for limit in limits {
			let level: Vec<_> =
				orders.iter().filter(|order| order.0 == side && order.1 == limit).collect();
			let wanted: u64 = level.iter().map(|order| order.2).sum();
			let served = left.min(wanted);
			let mut before = 0;
			for order in level {
				let share = |energy: u64| energy * served / wanted;
				let filled = share(before + order.2) - share(before);
				before += order.2;
				let entry = traded.entry(order.3).or_default();
				match side {
					Side::Bid => entry.0 += filled,
					Side::Ask => entry.1 += filled,
				}
			}
			left -= served;
		}
	}
	traded.retain(|_, energy| *energy != (0, 0));
	Expected { price, volume_wh, traded }
}

fn up(energy_wh: u64, price: i128) -> i128 {
	let product = i128::from(energy_wh) * price;
	product / 1_000 + i128::from(product % 1_000 > 0)
}

fn down(energy_wh: u64, price: i128) -> i128 {
	i128::from(energy_wh) * price / 1_000
}

/// What a home's money changes by, and what goes to the grid and to the imbalance pot for it.
fn owed(bought: u64, sold: u64, import: u64, export: u64, price: u64) -> (i128, i128, i128) {
	let price = i128::from(price);
	let energy = down(sold, price) - up(bought, price);
	let fee = up(bought, GRID_FEE);
	let net = i128::from(import) - i128::from(export);
	let promised = i128::from(bought) - i128::from(sold);
	let wh = |energy: i128| u64::try_from(energy).expect("not negative");
	let imbalance = if promised > 0 {
		down(wh(promised - net.clamp(0, promised)), SURPLUS_PRICE)
	} else {
		-up(wh(-promised - (-net).clamp(0, -promised)), SHORTAGE_PRICE)
	};
	(energy + imbalance - fee, fee, -(energy + imbalance))
}

fn rows_of<'a>(file: &'a Path, home: &Home, first_slot: Slot, count: usize) -> Rows<'a> {
	Rows { file, from: home.from, count, first_slot }
}

/// Posts one message and returns the answer's one result.
async fn post(oracle: &str, message: String) -> Value {
	let answer: Value = reqwest::Client::new()
		.post(format!("{oracle}/v1/readings"))
		.header("content-type", "application/json")
		.body(message)
		.send()
		.await
		.expect("the oracle answers")
		.json()
		.await
		.expect("it answers JSON");
	answer["results"][0].clone()
}

async fn bad_transactions_are_refused(network: &Network, open: Slot) {
	let zone = ZONE.to_string();
	let slot = open.to_string();
	let passphrase = network.passphrase_file().display().to_string();
	let order = |slot: &str, zone: &str, energy: &str, price: &str| -> Vec<String> {
		["bid", "--zone", zone, "--slot", slot, "--energy-wh", energy, "--price", price]
			.map(str::to_owned)
			.to_vec()
	};
	let corner = ["--key", "corner", "--passphrase-file", &passphrase];
	let cases = [
		(order(&slot, &zone, "1000000", "0.6"), corner.as_slice(), "money"),
		(order(&slot, "77", "100", "0.2"), &corner, "zone"),
		(order("+0", &zone, "100", "0.2"), &corner, "gate"),
		(order(&slot, &zone, "100", "0.7"), &corner, "price"),
		(order(&slot, &zone, "1000001", "0.2"), &corner, "order"),
		(order(&slot, &zone, "100", "0.2"), &["--dev-key", "//Bob"], "participant"),
	];
	for (words, signer, reason) in cases {
		let arguments: Vec<&str> =
			words.iter().map(String::as_str).chain(signer.iter().copied()).collect();
		let said = network.refusal(&arguments).await.expect("it is refused");
		assert!(
			said.to_lowercase().contains(reason),
			"{arguments:?} was refused for another reason than its {reason}: {said}"
		);
	}
}

async fn stranger_is_rejected_in_the_pool(network: &Network, open: Slot) {
	// Bob has native coins, but nobody admitted him.
	let before = network.rpc("system_accountNextIndex", json!([BOB])).await.expect("an index");
	let bob = keypair("//Bob").expect("a key");
	let order = calls::place(ZONE, open, Side::Bid, 200_000, 100);
	let remark = Call::new("System", "remark", (b"hello".to_vec(),));
	for call in [order, remark] {
		let error = network.client.submit(&bob, &call).await.expect_err("Bob is a stranger");
		assert!(
			matches!(error, ClientError::Rejected(Rejection::NotAParticipant)),
			"{call:?} was refused for another reason: {error}"
		);
	}
	let after = network.rpc("system_accountNextIndex", json!([BOB])).await.expect("an index");
	assert_eq!(before, after, "it was not taken into a block");
}

const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

async fn bad_readings_are_refused(
	network: &Network,
	oracle: &str,
	file: &Path,
	past: Slot,
) -> Vec<Replayed> {
	let roof_key = network.meter_key_file(&HOMES[ROOF]);
	let corner = &HOMES[CORNER];
	let corner_key = network.meter_key_file(corner);
	let one = |first_slot| rows_of(file, corner, first_slot, 1);

	let forged = network.replay(corner, &roof_key, oracle, one(past), true).await.expect("runs");
	assert_eq!((forged.accepted, forged.rejected), (0, 1));
	assert!(forged.reasons[0].contains("signature-invalid"), "{:?}", forged.reasons);

	let stranger = Home { meter: "NOBODY-9", ..*corner };
	let unknown =
		network.replay(&stranger, &corner_key, oracle, one(past), true).await.expect("runs");
	assert!(unknown.reasons[0].contains("unknown-meter"), "{:?}", unknown.reasons);

	let long_ago = Slot(past.0 - 90_000 / QUICK.slot);
	let stale =
		network.replay(corner, &corner_key, oracle, one(long_ago), true).await.expect("runs");
	assert!(stale.reasons[0].contains("stale"), "{:?}", stale.reasons);

	let far_ahead = Slot(past.0 + 4_000 / QUICK.slot);
	let future =
		network.replay(corner, &corner_key, oracle, one(far_ahead), true).await.expect("runs");
	assert!(future.reasons[0].contains("future"), "{:?}", future.reasons);

	let absurd_file = network.folder.join("absurd.csv");
	fs::write(&absurd_file, format!("time,GC,GG\n{},50000,0\n", corner.from)).expect("written");
	let absurd = rows_of(&absurd_file, corner, past, 1);
	let absurd = network.replay(corner, &corner_key, oracle, absurd, true).await.expect("runs");
	assert!(absurd.reasons[0].contains("absurd-power"), "{:?}", absurd.reasons);

	let negative = json!({
		"standard": "WIA-ENE-014", "version": "1.0", "phase": "PHASE_1_DATA_COLLECTION",
		"timestamp": "2026-11-24T12:00:00Z", "meterId": corner.meter, "readings": [{
			"timestamp": "2026-11-24T11:59:00Z", "value": -1.5, "unit": "kWh",
		}],
	});
	let answer = post(oracle, negative.to_string()).await;
	assert_eq!(answer["status"], "rejected", "{answer}");
	let field = answer["field"].as_str().unwrap_or_default();
	let reason = answer["reason"].as_str().unwrap_or_default();
	assert!(!field.is_empty() && !reason.is_empty(), "{answer}");
	vec![forged, unknown, stale, future, absurd]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_homes_trade_and_are_paid_to_the_last_minor_unit() {
	let begun = Instant::now();
	let say = |what: &str| eprintln!("[{:5.1} s] {what}", begun.elapsed().as_secs_f64());
	let folder = fresh_folder("end-to-end").expect("a folder");
	let file = household(&folder).expect("the household");
	let rows: Vec<Vec<HalfHour>> = HOMES
		.iter()
		.map(|home| half_hours(&file, home.from, SLOTS).expect("the rows are there"))
		.collect();

	let network =
		Network::start(&folder, Chain::Development, QUICK, say).await.expect("the network starts");
	let mut watcher = Watcher::start(&network.node_url).await.expect("the node streams blocks");
	network.admit_homes().await.expect("the homes are admitted");
	say("the homes are admitted");
	let (oracle, oracle_url) =
		network.start_oracle("Eve", "127.0.0.1:0", GRACE).await.expect("the oracle starts");

	// Orders for three slots.
	let first = network.slot_open_for(15).await.expect("a slot");
	let slots: Vec<Slot> = (first.0..).take(SLOTS).map(Slot).collect();
	let orders = orders(first, &rows);
	network.place_all(&orders).await.expect("the orders are placed");
	say("the orders are placed");

	// The meters report; the cottage's falls silent in the third slot.
	let keys = HOMES.map(|home| network.meter_key_file(&home));
	let silent = |home: usize| if home == COTTAGE { SLOTS - 1 } else { SLOTS };
	let meters = futures::future::try_join_all((0..HOMES.len()).map(|home| {
		let rows = rows_of(&file, &HOMES[home], first, silent(home));
		network.replay(&HOMES[home], &keys[home], &oracle_url, rows, false)
	}));

	let trouble = async {
		let now = network.slot_open_for(0).await.expect("a slot");
		stranger_is_rejected_in_the_pool(&network, Slot(now.0 + 20)).await;
		bad_transactions_are_refused(&network, Slot(now.0 + 20)).await;
		say("bad transactions are refused");
		let present = network.client.clock(ZONE).await.expect("a clock").slot;
		let past = Slot(present.0 - 1);
		let refused = bad_readings_are_refused(&network, &oracle_url, &file, past).await;
		say("bad readings are refused");

		// The oracle is killed after it has attested the second slot and before that is settled.
		watcher
			.wait_until("the attestation of the second slot", Duration::from_secs(120), |record| {
				record.slots.get(&slots[1]).is_some_and(|slot| slot.measured.is_some())
			})
			.await
			.expect("it is attested");
		oracle.kill().expect("the oracle is killed");
		let second = network.client.slot(ZONE, slots[1]).await.expect("a read").expect("a slot");
		assert_ne!(second.state, SlotState::Settled, "killed too late to prove anything");
		let listen = oracle_url.trim_start_matches("http://").to_owned();
		let (restarted, _) =
			network.start_oracle("Eve", &listen, GRACE).await.expect("the oracle starts again");
		say("the oracle was killed and started again");
		(restarted, refused)
	};
	let (replays, (oracle, refused)) = tokio::join!(meters, trouble);
	let mut replays: Vec<Replayed> = replays.expect("the meters report");

	// What was sent is sent again.
	let again = rows_of(&file, &HOMES[CORNER], first, 1);
	let duplicate = network
		.replay(&HOMES[CORNER], &keys[CORNER], &oracle_url, again, true)
		.await
		.expect("the meter reports");
	assert_eq!((duplicate.accepted, duplicate.duplicate, duplicate.rejected), (0, 1, 0));

	let record = watcher
		.wait_until("the settlement of all slots", Duration::from_secs(180), |record| {
			slots
				.iter()
				.all(|slot| record.slots.get(slot).is_some_and(|slot| !slot.settled.is_empty()))
		})
		.await
		.expect("all slots are settled");
	say("all slots are settled");
	assert_eq!(record.halts, [], "the market never stood still");

	// Every bill, and every balance, to the last minor unit.
	let accounts = network.home_accounts();
	let mut money = [i128::try_from(POCKET_MONEY).expect("fits"); 3];
	let (mut fees, mut pot) = (0i128, 0i128);
	for (place, slot) in slots.iter().enumerate() {
		let seen = &record.slots[slot];
		assert_eq!(seen.settled.len(), 1, "slot {slot} is settled exactly once");
		// The wallets ran at the same time: only the order of arrival is taken from the chain.
		let mut book: Vec<_> = orders
			.iter()
			.filter(|order| order.slot == *slot)
			.map(|order| (order.side, order.price, order.energy_wh, order.home))
			.collect();
		book.sort_by_key(|(side, .., home)| {
			let arrived =
				|order: &OrderPlaced| order.side == *side && order.account == accounts[*home];
			seen.orders.iter().position(arrived).expect("the order is in the book")
		});
		let expected = expected(&book);
		let result = seen.cleared.and_then(|(_, result)| result).expect("energy changed hands");
		assert_eq!((result.price, result.volume_wh), (expected.price, expected.volume_wh));
		assert_eq!(seen.bills.len(), expected.traded.len());
		for (home, (bought, sold)) in &expected.traded {
			// The silent meter is taken to have measured what it last did.
			let is_silent = *home == COTTAGE && place == SLOTS - 1;
			let row = rows[*home][if is_silent { place - 1 } else { place }];
			let bill = &seen.bills[&accounts[*home]];
			assert_eq!((bill.bought_wh, bill.sold_wh), (*bought, *sold), "{home} in slot {place}");
			assert_eq!(
				(bill.measured.import_wh, bill.measured.export_wh, bill.measured.quality),
				(
					row.import_wh(),
					row.export_wh(),
					if is_silent { Quality::Estimated } else { Quality::Valid }
				),
				"{home} in slot {place}"
			);
			let (net, fee, to_pot) =
				owed(*bought, *sold, row.import_wh(), row.export_wh(), expected.price);
			assert_eq!(bill.flow.net(), Some(net), "{home} in slot {place}");
			money[*home] += net;
			fees += fee;
			pot += to_pot;
		}
	}
	let short = &record.slots[&slots[1]].bills[&accounts[ROOF]];
	assert!(short.flow.imbalance < 0, "the roof pays for what it did not deliver");
	let untaken = &record.slots[&slots[2]].bills[&accounts[CORNER]];
	assert!(untaken.flow.imbalance > 0, "the corner is paid for what it did not take");

	let spent = i128::try_from(POCKET_MONEY).expect("fits") * 3;
	let shares = [
		("roof", money[ROOF]),
		("corner", money[CORNER]),
		("cottage", money[COTTAGE]),
		("utility", 1_000_000_000_000 - spent),
		("imbalance pot", 10_000_000_000 + pot),
		("fee pot", fees),
	];
	let found = balances(&network).await.expect("balances");
	for ((name, free, held), (expected_name, amount)) in found.iter().zip(shares) {
		assert_eq!(name, expected_name);
		assert_eq!(i128::try_from(*free).expect("fits"), amount, "{name}");
		assert_eq!(*held, 0, "nothing is held for {name} any more");
	}
	let total: u128 = found.iter().map(|(_, free, held)| free + held).sum();
	assert_eq!(total, ALL_MONEY, "no minor unit was made or lost");
	say("every balance is right");

	// Anyone can follow a bill back to the meter's signature, and sees where that is not possible.
	for (home, account) in HOMES.iter().zip(&accounts) {
		let address = energy_wallet::address::format(account);
		let slot = slots[1].to_string();
		let bill = network
			.wallet(&[
				"bill",
				"--zone",
				&ZONE.to_string(),
				"--slot",
				&slot,
				"--address",
				&address,
				"--verify",
				"--oracle",
				&oracle_url,
			])
			.await
			.unwrap_or_else(|error| panic!("the bill of {}: {error:#}", home.name));
		assert_eq!(bill["verified"], true, "{bill}");
		let passed = |check: &str| {
			let steps = bill["steps"].as_array().expect("steps");
			steps.iter().any(|step| step["check"] == check && step["outcome"] == "passed")
		};
		for check in ["signature", "path", "lineSum", "billSum", "money"] {
			assert!(passed(check), "{check}: {bill}");
		}
	}

	// The namespace of the node answers the same.
	let slot =
		network.rpc("energy_slot", json!([ZONE.0, slots[0].0])).await.expect("energy_slot answers");
	assert_eq!(slot["state"], "settled");
	for (method, arguments) in [
		("energy_depth", json!([ZONE.0, slots[0].0])),
		("energy_positions", json!([ZONE.0, slots[0].0, 0])),
	] {
		let answer = network.rpc(method, arguments).await.expect("it answers");
		assert_eq!(answer, json!([]), "{method} of a settled slot");
	}

	replays.push(duplicate);
	replays.extend(refused);
	let seconds = begun.elapsed().as_secs_f64();
	let summary =
		Summary::of(&network, &record, &slots, &replays, seconds).await.expect("a summary");
	summary.write(&network.folder).expect("written");
	assert_eq!(summary.slots_settled, SLOTS);
	assert_eq!(summary.orders, 9);
	assert_eq!((summary.readings_accepted, summary.readings_rejected), (8, 5));
	assert_eq!(summary.conservation_error, 0);
	drop(watcher);
	oracle.stop(STOP).await.expect("the oracle stops");
	network.stop().await.expect("the node stops");
}
