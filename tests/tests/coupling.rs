//! Two zones that are cleared together: cheap energy in one, a buyer in the other, a link between
//! them that is too small. The real node, the real wallets, the real solver, the real oracle and
//! contract; and what happens in a slot for which nobody proposes anything.

use std::{
	fs,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

use codec::{Compact, Decode, Encode};
use energy_primitives::{
	AccountId, Balance, ClearingResult, Region, RegionId, Slot, ZoneId, MINOR_UNITS,
};
use energy_system_tests::{
	homes::HOMES,
	network::{Chain, Network, Times, POCKET_MONEY, QUICK, STOP, ZONE},
	process::fresh_folder,
	solver,
	summary::ALL_MONEY,
	trading::Rows,
	watch::{SlotRecord, Watcher},
};
use energy_wallet::{
	address,
	client::{account_of, Call},
	units::{format_money, format_price, format_signed_money},
};
use serde_json::{json, Value};
use sp_crypto_hashing::{twox_128, twox_64};
use subxt_signer::sr25519::dev;

/// The zone of the buyer; the seller's is [`ZONE`].
const BUYING: ZoneId = ZoneId(2);
const REGION: RegionId = RegionId(1);
const ROOF: usize = 0;
const CORNER: usize = 1;
const COTTAGE: usize = 2;

/// The meters report when everything else has been looked at.
const TIMES: Times = Times { deadline: 300, ..QUICK };
/// For how long proposals are taken: longer than all those of this test need.
const PROPOSAL_SECONDS: u32 = 40;
/// How long the oracle waits for meters after it has started: longer than they need here.
const GRACE: u32 = 10;
/// How long something may take that the chain does at the next blocks.
const LIMIT: Duration = Duration::from_secs(120);

/// The genesis terms of the development chain, minor units per kWh.
const FLOOR: u64 = 50_000;
const TICK: u64 = 1_000;
const GRID_FEE: u64 = 30_000;
const SHORTAGE_PRICE: u64 = 600_000;

/// The roof asks for at least so much, and offers more than anyone wants.
const ASK: u64 = 100_000;
const OFFERED_WH: u64 = 1_500;
/// The cottage is in the roof's zone and gets all that it wants.
const COTTAGE_BID: u64 = 200_000;
const COTTAGE_WH: u64 = 300;
/// The corner is in the other zone and wants more than arrives.
const CORNER_BID: u64 = 300_000;
const CORNER_WH: u64 = 800;

/// What the link carries in any slot: more than is wanted.
const USUAL_CAPACITY_WH: u64 = 2_000;
/// What it carries in the coupled slot: less than is wanted.
const CAPACITY_WH: u64 = 500;
/// 4 % of what is sent are lost.
const LOSS_PPM: u64 = 40_000;
/// Minor units per kWh sent.
const LINK_FEE: u64 = 10_000;
/// What arrives of a full link.
const ARRIVING_WH: u64 = 480;
/// What the roof sells in the coupled slot.
const SOLD_WH: u64 = COTTAGE_WH + CAPACITY_WH;
/// The roof delivers so much less than it has sold in the coupled slot.
const MISSING_WH: u64 = 100;

/// The money for energy at a price, minor units: of the figures here, a whole number.
fn money(energy_wh: u64, price: u64) -> Balance {
	let product = u128::from(energy_wh) * u128::from(price);
	assert_eq!(product % 1_000, 0, "{energy_wh} Wh at {price} is not a whole number");
	product / 1_000
}

fn owed(amount: Balance) -> i128 {
	i128::try_from(amount).expect("fits")
}

fn region() -> Region {
	serde_json::from_value(json!({
		"zones": [ZONE, BUYING],
		"links": [{
			"from": ZONE,
			"to": BUYING,
			"capacityWh": USUAL_CAPACITY_WH,
			"lossPpm": LOSS_PPM,
			"feePerKwh": LINK_FEE,
			"feePpm": 0,
		}],
		"proposalSeconds": PROPOSAL_SECONDS,
	}))
	.expect("a region")
}

/// The chain's time, seconds since 1970.
async fn now_seconds(network: &Network) -> u64 {
	network.client.clock(ZONE).await.expect("a clock").now_seconds
}

/// Waits, block by block, until the chain's clock shows a time.
async fn wait_for_time(network: &Network, watcher: &mut Watcher, seconds: u64) {
	while now_seconds(network).await < seconds {
		let block = watcher.record().finalized;
		watcher
			.wait_until("a block", LIMIT, |record| record.finalized > block)
			.await
			.expect("blocks are finalized");
	}
}

/// Waits until a slot of the watched zone has come to something.
async fn wait_for_slot(
	watcher: &mut Watcher,
	what: &str,
	slot: Slot,
	enough: impl Fn(&SlotRecord) -> bool,
) -> SlotRecord {
	let record = watcher
		.wait_until(what, LIMIT, |record| record.slots.get(&slot).is_some_and(&enough))
		.await
		.expect("the chain goes on");
	record.slots[&slot].clone()
}

/// Runs `admin` as the superuser of the development chain, who stands for the council.
async fn council(network: &Network, arguments: &[&str]) -> anyhow::Result<Value> {
	network.wallet(&by_council(arguments)).await
}

fn by_council<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
	[&["admin"], arguments, &["--sudo", "--dev-key", "//Alice"]].concat()
}

/// The council makes a zone that Bob runs, with the oracle of the first zone; Bob gives it the terms
/// of the first zone, whose contract settles it too.
async fn open_second_zone(network: &Network) {
	let zone = BUYING.to_string();
	let utility = address::format(&account_of(&dev::bob()));
	let first = network.client.zone(ZONE).await.expect("a read").expect("the first zone");
	let oracles: Vec<String> = first.oracles.iter().map(address::format).collect();
	let oracles = oracles.join(",");
	council(network, &["register-zone", "--zone", &zone, "--utility", &utility])
		.await
		.expect("the zone is made");
	let group = ["set-oracles", "--zone", &zone, "--members", &oracles, "--threshold", "1"];
	council(network, &group).await.expect("its oracle is named");
	let terms = first.terms.expect("the first zone has a market");
	assert!(terms.policy.is_some(), "the first zone has a contract");
	let file = network.folder.join("terms.json");
	fs::write(&file, serde_json::to_vec(&terms).expect("JSON")).expect("written");
	let file = file.display().to_string();
	network
		.wallet(&["admin", "set-terms", "--zone", &zone, "--file", &file, "--dev-key", "//Bob"])
		.await
		.expect("its utility sets the terms");
}

/// The council joins the zones.
///
/// The chain takes a region only for slots in which nobody can trade yet, and these are more than
/// half an hour away. So it is set for such a slot, and then the superuser moves its beginning to the
/// present, in the chain's storage.
async fn couple(network: &Network) {
	let file = network.folder.join("region.json");
	fs::write(&file, serde_json::to_vec(&region()).expect("JSON")).expect("written");
	let (file, id) = (file.display().to_string(), REGION.to_string());
	let open = network.slot_open_for(0).await.expect("a slot");
	let ahead = network.client.constant("EnergyMarket", "MaxSlotsAhead").await.expect("a read");
	let ahead = u32::decode(&mut ahead.expect("a constant").as_slice()).expect("a number");

	let command = |since: Slot| {
		["set-region", "--region", &id, "--file", &file, "--since"]
			.map(str::to_owned)
			.into_iter()
			.chain([since.to_string()])
			.collect::<Vec<String>>()
	};
	let too_soon = command(open);
	let too_soon: Vec<&str> = too_soon.iter().map(String::as_str).collect();
	let reason = network.refusal(&by_council(&too_soon)).await.expect("it is refused");
	assert!(reason.contains("EnergyMarket.RegionTooSoon"), "{reason}");

	let since = Slot(open.0 + ahead + 20);
	let far = command(since);
	let far: Vec<&str> = far.iter().map(String::as_str).collect();
	council(network, &far).await.expect("the region is set");
	let summary = network.client.coupling(REGION, since).await.expect("a read").expect("a region");
	assert_eq!(summary.region, region());
	assert_eq!(network.client.coupling(REGION, open).await.expect("a read"), None);

	let place = REGION.encode();
	let key = [&storage_prefix("Regions")[..], &twox_64(&place), &place].concat();
	let stored = network.client.storage(&key).await.expect("a read").expect("the region");
	assert_eq!(stored, vec![(since, region())].encode(), "this is where the region is kept");
	let moved = vec![(open, region())].encode();
	let write = Call::new("System", "set_storage", (vec![(key, moved)],));
	let write = network.client.sudo(&write).await.expect("the chain has the call");
	network.client.submit(&dev::alice(), &write).await.expect("it is written");
	let summary = network.client.coupling(REGION, open).await.expect("a read").expect("a region");
	assert_eq!(summary.region, region());
}

/// Where the market keeps a value.
fn storage_prefix(name: &str) -> Vec<u8> {
	[twox_128(b"EnergyMarket"), twox_128(name.as_bytes())].concat()
}

/// What was paid to some zones and has not come from others yet, minor units.
async fn in_transit(network: &Network) -> i128 {
	let stored = network.client.storage(&storage_prefix("InTransit")).await.expect("a read");
	stored.map_or(0, |bytes| i128::decode(&mut bytes.as_slice()).expect("a number"))
}

/// The account of the region, as the chain derives it.
async fn region_account(network: &Network) -> AccountId {
	let pallet = network.client.constant("EnergyMarket", "PalletId").await.expect("a read");
	let mut bytes =
		[b"modl".to_vec(), pallet.expect("a constant"), ("region", REGION).encode()].concat();
	bytes.resize(32, 0);
	AccountId::decode(&mut bytes.as_slice()).expect("an account")
}

/// The same orders in a slot of both zones, each by its own wallet.
async fn place_orders(network: &Network, slots: &[Slot]) {
	let orders = [
		(ROOF, ZONE, "ask", OFFERED_WH, ASK),
		(COTTAGE, ZONE, "bid", COTTAGE_WH, COTTAGE_BID),
		(CORNER, BUYING, "bid", CORNER_WH, CORNER_BID),
	];
	let place = |(home, zone, side, energy_wh, price): (usize, ZoneId, &'static str, u64, u64)| async move {
		for slot in slots {
			let placed = network
				.wallet_of(
					&HOMES[home],
					&[
						side,
						"--zone",
						&zone.to_string(),
						"--slot",
						&slot.to_string(),
						"--energy-wh",
						&energy_wh.to_string(),
						"--price",
						&format_price(price),
					],
				)
				.await?;
			assert_eq!(placed["zone"], json!(zone), "{placed}");
		}
		anyhow::Ok(())
	};
	futures::future::try_join_all(orders.map(place)).await.expect("the orders are placed");
}

/// The problem, as the solver's documentation describes it.
fn expected_problem() -> Value {
	let level = |price: u64, energy_wh: u64| json!({ "tick": (price - FLOOR) / TICK, "energy_wh": energy_wh });
	json!({
		"zones": [
			{
				"name": "1", "price_floor": FLOOR, "tick_size": TICK,
				"bids": [level(COTTAGE_BID, COTTAGE_WH)], "asks": [level(ASK, OFFERED_WH)],
			},
			{
				"name": "2", "price_floor": FLOOR, "tick_size": TICK,
				"bids": [level(CORNER_BID, CORNER_WH)], "asks": [],
			},
		],
		"links": [{
			"from": "1", "to": "2", "capacity_wh": CAPACITY_WH, "loss_ppm": LOSS_PPM,
			"fee_per_kwh": LINK_FEE, "fee_ppm": 0,
		}],
	})
}

/// What orders are worth at their limits less the fee of the link, minor units.
fn welfare() -> Balance {
	money(COTTAGE_WH, COTTAGE_BID) + money(ARRIVING_WH, CORNER_BID)
		- money(SOLD_WH, ASK)
		- money(CAPACITY_WH, LINK_FEE)
}

/// What the corner pays for what arrives less what the roof gets for what is sent: the fee, what is
/// lost, and the rent of the full link, minor units.
fn region_income() -> Balance {
	money(ARRIVING_WH, CORNER_BID) - money(CAPACITY_WH, ASK)
}

/// The one best outcome. The roof has energy left, so that its limit is the price of its zone; the
/// corner wants more, so that its limit is the price of its own.
fn expected_answer() -> Value {
	let sum = |amount: Balance| format!("{amount}.000000000");
	json!({
		"zones": [
			{ "name": "1", "price": ASK, "bought_wh": COTTAGE_WH, "sold_wh": SOLD_WH },
			{ "name": "2", "price": CORNER_BID, "bought_wh": ARRIVING_WH, "sold_wh": 0 },
		],
		"links": [{
			"from": "1", "to": "2", "flow_wh": CAPACITY_WH, "arriving_wh": ARRIVING_WH,
			"income": sum(region_income()),
		}],
		"welfare": sum(welfare()),
		"gap": sum(0),
		"tolerance": sum(0),
	})
}

/// The answer with the buyer's price a little lower, with less sent, and with more sold than is
/// bought and sent.
fn worse_answers() -> [(&'static str, Value); 3] {
	let change = |changes: &[(&str, Value)]| {
		let mut answer = expected_answer();
		for (field, value) in changes {
			*answer.pointer_mut(field).expect("the answer has the field") = value.clone();
		}
		answer
	};
	[
		("price", change(&[("/zones/1/price", json!(CORNER_BID - 10 * TICK))])),
		(
			"flow",
			change(&[
				("/links/0/flow_wh", json!(CAPACITY_WH - 100)),
				("/zones/0/sold_wh", json!(SOLD_WH - 100)),
				("/zones/1/bought_wh", json!(ARRIVING_WH - 96)),
			]),
		),
		("balance", change(&[("/zones/0/sold_wh", json!(SOLD_WH + 1))])),
	]
}

/// What the wallet types to propose an answer, as Bob: any participant may.
fn proposal_words(network: &Network, name: &str, answer: &Value, slot: Slot) -> Vec<String> {
	let file = network.folder.join(format!("answer-{name}.json"));
	fs::write(&file, answer.to_string()).expect("written");
	let (file, region, slot) = (file.display().to_string(), REGION.to_string(), slot.to_string());
	let words =
		["coupling", "propose", &file, "--region", &region, "--slot", &slot, "--dev-key", "//Bob"];
	words.map(str::to_owned).to_vec()
}

/// The reason for which a proposal is refused.
async fn refused_proposal(network: &Network, name: &str, answer: &Value, slot: Slot) -> String {
	let words = proposal_words(network, name, answer, slot);
	let words: Vec<&str> = words.iter().map(String::as_str).collect();
	network.refusal(&words).await.expect("it is refused")
}

/// From the closing of the gates to the accepted proposal.
async fn propose(network: &Network, solver: &Path, slot: Slot) {
	let of_slot = ["--region", &REGION.to_string(), "--slot", &slot.to_string()].map(str::to_owned);
	let [region_flag, region, slot_flag, number] = &of_slot;
	let problem = network
		.wallet(&["coupling", "problem", region_flag, region, slot_flag, number])
		.await
		.expect("the wallet writes the problem");
	assert_eq!(problem, expected_problem());
	let file = network.folder.join("problem.json");
	fs::write(&file, problem.to_string()).expect("written");
	let answer = solver::solve(solver, &file).await.expect("the solver finds the best outcome");
	assert_eq!(answer, expected_answer());

	let before = network.client.coupling(REGION, slot).await.expect("a read").expect("a region");
	assert_eq!(before.best, None);
	for (name, worse) in worse_answers() {
		let reason = refused_proposal(network, name, &worse, slot).await;
		assert!(reason.contains("EnergyMarket.ProposalNotOptimal"), "{name}: {reason}");
	}
	let other_link = {
		let mut answer = expected_answer();
		answer["links"][0]["to"] = json!("3");
		answer
	};
	let reason = refused_proposal(network, "other-link", &other_link, slot).await;
	assert!(reason.contains("links"), "{reason}");
	let after = network.client.coupling(REGION, slot).await.expect("a read").expect("a region");
	assert_eq!(after, before, "what was refused changes nothing");

	let words = proposal_words(network, "best", &answer, slot);
	let words: Vec<&str> = words.iter().map(String::as_str).collect();
	let proposed = network.wallet(&words).await.expect("the best outcome is taken");
	assert_eq!(proposed["decidedSeconds"], json!(before.closes_seconds), "{proposed}");
	let taken = network.client.coupling(REGION, slot).await.expect("a read").expect("a region");
	let billionths = owed(welfare()) * 1_000_000_000;
	assert_eq!(taken.best, Some((account_of(&dev::bob()), billionths)));
	let reason = refused_proposal(network, "again", &answer, slot).await;
	assert!(reason.contains("EnergyMarket.ProposalNotBetter"), "{reason}");
}

/// What the wallet shows of a slot's market and of a home's position in it.
async fn assert_cleared(
	network: &Network,
	zone: ZoneId,
	slot: Slot,
	result: Option<ClearingResult>,
) {
	let market = network
		.wallet(&["market", "--zone", &zone.to_string(), "--slot", &slot.to_string()])
		.await
		.expect("the wallet shows the market");
	let expected = result.map(|result| {
		json!({
			"price": format_price(result.price),
			"volumeWh": result.volume_wh,
			"netImportWh": result.net_import_wh,
		})
	});
	assert_eq!(market["result"], json!(expected), "{market}");
}

async fn assert_position(network: &Network, home: usize, zone: ZoneId, slot: Slot, wh: (u64, u64)) {
	let account = address::format(&network.home_accounts()[home]);
	let (zone, slot) = (zone.to_string(), slot.to_string());
	let shown = network
		.wallet(&["positions", "--zone", &zone, "--slot", &slot, "--address", &account])
		.await
		.expect("the wallet shows positions");
	let positions = shown["positions"].as_array().expect("a list");
	if wh == (0, 0) {
		assert!(positions.is_empty(), "{shown}");
		return;
	}
	assert_eq!(positions.len(), 1, "{shown}");
	let (bought, sold) = (&positions[0]["boughtWh"], &positions[0]["soldWh"]);
	assert_eq!((bought, sold), (&json!(wh.0), &json!(wh.1)), "{shown}");
}

/// What meters measured in the coupled slot and in the one after it: import or export, Wh.
fn measured(home: usize) -> [(u64, u64); 2] {
	match home {
		ROOF => [(0, SOLD_WH - MISSING_WH), (0, COTTAGE_WH)],
		CORNER => [(ARRIVING_WH, 0), (0, 0)],
		_ => [(COTTAGE_WH, 0), (COTTAGE_WH, 0)],
	}
}

/// The rows of a meter in a file as households have them, in kWh.
fn rows_file(folder: &Path, home: usize) -> PathBuf {
	let mut text = String::from("time,consumption,generation\n");
	for ((import_wh, export_wh), time) in measured(home).into_iter().zip(["first", "second"]) {
		text.push_str(&format!("{time},0.{import_wh:03},0.{export_wh:03}\n"));
	}
	let file = folder.join(format!("{}.csv", HOMES[home].name));
	fs::write(&file, text).expect("written");
	file
}

/// A home's bill, proven down to the meter's signature, comes to `net` minor units.
async fn assert_bill(
	network: &Network,
	oracle_url: &str,
	(home, zone, slot): (usize, ZoneId, Slot),
	net: i128,
) {
	let account = address::format(&network.home_accounts()[home]);
	let (zone, slot) = (zone.to_string(), slot.to_string());
	let words = ["bill", "--zone", &zone, "--slot", &slot, "--address", &account];
	let words = [&words[..], &["--verify", "--oracle", oracle_url]].concat();
	let bill = network.wallet(&words).await.expect("the wallet proves the bill");
	assert_eq!(bill["verified"], true, "{bill}");
	assert_eq!(bill["net"], json!(format_signed_money(net)), "{}: {bill}", HOMES[home].name);
}

/// Who has money: the homes, the utilities, the pots of both zones, and the region.
async fn balances(network: &Network) -> Vec<(String, Balance)> {
	let mut accounts = vec![
		("first utility".to_owned(), account_of(&dev::alice())),
		("second utility".to_owned(), account_of(&dev::bob())),
		("region".to_owned(), region_account(network).await),
	];
	for (home, account) in HOMES.iter().zip(network.home_accounts()) {
		accounts.push((home.name.to_owned(), account));
	}
	for zone in [ZONE, BUYING] {
		let summary = network.client.zone(zone).await.expect("a read").expect("a zone");
		accounts.push((format!("imbalance pot of zone {zone}"), summary.imbalance_account));
		accounts.push((format!("fee pot of zone {zone}"), summary.fee_account));
	}
	let mut money = Vec::new();
	for (name, account) in accounts {
		let (free, held) = network.client.money(&account).await.expect("a read");
		assert_eq!(held, 0, "nothing is held for {name} any more");
		money.push((name, free));
	}
	money
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coupled_zones_clear_by_a_proven_proposal_and_by_themselves_without_one() {
	let begun = Instant::now();
	let say = |what: &str| eprintln!("[{:5.1} s] {what}", begun.elapsed().as_secs_f64());
	let solver = tokio::task::spawn_blocking(solver::program)
		.await
		.expect("it does not panic")
		.expect("there is a solver");
	let folder = fresh_folder("coupling").expect("a folder");
	let network =
		Network::start(&folder, Chain::Development, TIMES, say).await.expect("the network starts");
	let mut seller = Watcher::start(&network.node_url).await.expect("the node streams blocks");
	let mut buyer =
		Watcher::start_in(&network.node_url, BUYING).await.expect("the node streams blocks");

	open_second_zone(&network).await;
	let (first, second) = (dev::alice(), dev::bob());
	network
		.admit_homes_to(&[(ZONE, &first), (BUYING, &second), (ZONE, &first)])
		.await
		.expect("the homes are admitted");
	couple(&network).await;
	say("there are two zones with a link between them");

	// The same orders in two slots. In the first one the link carries less than usual.
	let coupled = network.slot_open_for(20).await.expect("a slot");
	let alone = coupled.next();
	let (region, number) = (REGION.to_string(), coupled.to_string());
	let capacity = CAPACITY_WH.to_string();
	let words = ["--region", &region, "--slot", &number, "--capacities-wh", &capacity];
	council(&network, &[&["set-capacities"], &words[..]].concat())
		.await
		.expect("the capacities are set");
	place_orders(&network, &[coupled, alone]).await;
	say("the orders are placed");

	let window = network.client.coupling(REGION, coupled).await.expect("a read").expect("a region");
	let seconds = window.closes_seconds - window.opens_seconds;
	assert_eq!(seconds, u64::from(PROPOSAL_SECONDS));
	wait_for_time(&network, &mut seller, window.opens_seconds).await;
	propose(&network, &solver, coupled).await;
	say("the proposal is taken");

	// Both zones are cleared by it, and the next slot without one.
	for slot in [coupled, alone] {
		for watcher in [&mut seller, &mut buyer] {
			wait_for_slot(watcher, "the filled orders", slot, |slot| slot.filled.is_some()).await;
		}
	}
	let result =
		|price, volume_wh, net_import_wh| Some(ClearingResult { price, volume_wh, net_import_wh });
	let (sent, arriving) =
		(i64::try_from(CAPACITY_WH).expect("fits"), i64::try_from(ARRIVING_WH).expect("fits"));
	for (zone, slot, result) in [
		(ZONE, coupled, result(ASK, COTTAGE_WH, -sent)),
		(BUYING, coupled, result(CORNER_BID, ARRIVING_WH, arriving)),
		(ZONE, alone, result(ASK, COTTAGE_WH, 0)),
		(BUYING, alone, None),
	] {
		assert_cleared(&network, zone, slot, result).await;
	}
	for (home, zone, slot, wh) in [
		(ROOF, ZONE, coupled, (0, SOLD_WH)),
		(COTTAGE, ZONE, coupled, (COTTAGE_WH, 0)),
		(CORNER, BUYING, coupled, (ARRIVING_WH, 0)),
		(ROOF, ZONE, alone, (0, COTTAGE_WH)),
		(COTTAGE, ZONE, alone, (COTTAGE_WH, 0)),
		(CORNER, BUYING, alone, (0, 0)),
	] {
		assert_position(&network, home, zone, slot, wh).await;
	}
	let reason = refused_proposal(&network, "late", &expected_answer(), alone).await;
	assert!(reason.contains("EnergyMarket.NoTimeForProposals"), "{reason}");
	say("one slot is cleared for both zones together, the next one zone by zone");

	// The meters report both slots; only the roof has delivered less than it sold.
	let (oracle, oracle_url) = network
		.start_oracle_of(&[ZONE, BUYING], "Eve", "127.0.0.1:0", GRACE)
		.await
		.expect("the oracle starts");
	let meters = (0..HOMES.len()).map(|home| {
		let (network, oracle_url) = (&network, &oracle_url);
		async move {
			let file = rows_file(&network.folder, home);
			let key = network.meter_key_file(&HOMES[home]);
			let rows = Rows { file: &file, from: "first", count: 2, first_slot: coupled };
			network.replay(&HOMES[home], &key, oracle_url, rows, true).await
		}
	});
	for replayed in futures::future::try_join_all(meters).await.expect("the meters report") {
		assert_eq!((replayed.accepted, replayed.sent), (2, 2), "{:?}", replayed.reasons);
	}
	let is_settled = |slot: &SlotRecord| !slot.settled.is_empty();
	let seller_coupled = wait_for_slot(&mut seller, "the settlement", coupled, is_settled).await;
	let buyer_coupled = wait_for_slot(&mut buyer, "the settlement", coupled, is_settled).await;
	let seller_alone = wait_for_slot(&mut seller, "the settlement", alone, is_settled).await;
	say("everyone is paid");

	// Every bill to the last minor unit. The corner's is at its own zone's price.
	let cottage = owed(money(COTTAGE_WH, ASK) + money(COTTAGE_WH, GRID_FEE));
	let corner = owed(money(ARRIVING_WH, CORNER_BID) + money(ARRIVING_WH, GRID_FEE));
	let short = owed(money(MISSING_WH, SHORTAGE_PRICE));
	let roof = owed(money(SOLD_WH, ASK)) - short;
	let roof_alone = owed(money(COTTAGE_WH, ASK));
	for (whose, net) in [
		((ROOF, ZONE, coupled), roof),
		((COTTAGE, ZONE, coupled), -cottage),
		((CORNER, BUYING, coupled), -corner),
		((ROOF, ZONE, alone), roof_alone),
		((COTTAGE, ZONE, alone), -cottage),
	] {
		assert_bill(&network, &oracle_url, whose, net).await;
	}
	let sums = |slot: &SlotRecord| (owed(slot.collected), owed(slot.paid), slot.settled.len());
	assert_eq!(sums(&seller_coupled), (cottage, roof, 1));
	assert_eq!(sums(&buyer_coupled), (corner, 0, 1));
	assert_eq!(sums(&seller_alone), (cottage, roof_alone, 1));

	// What crossed the link is paid for, and what is left of it is the region's.
	for watcher in [&mut seller, &mut buyer] {
		let record = watcher
			.wait_until("the region's income", LIMIT, |record| !record.region_incomes.is_empty())
			.await
			.expect("it comes with the last zone's settlement");
		let incomes: Vec<_> = record.region_incomes.clone().into_iter().collect();
		assert_eq!(incomes, [((REGION, coupled), region_income())]);
		assert_eq!(record.halts, [], "the market never stood still");
	}
	assert_eq!(in_transit(&network).await, 0, "nothing is left in transit");
	let pocket = owed(POCKET_MONEY);
	let homes = owed(POCKET_MONEY) * 3;
	let shares = [
		("first utility", 1_000_000 * owed(MINOR_UNITS) - homes),
		("second utility", 0),
		("region", owed(region_income())),
		("roof", pocket + roof + roof_alone),
		("corner", pocket - corner),
		("cottage", pocket - 2 * cottage),
		("imbalance pot of zone 1", 10_000 * owed(MINOR_UNITS) + short),
		("fee pot of zone 1", 2 * owed(money(COTTAGE_WH, GRID_FEE))),
		("imbalance pot of zone 2", 0),
		("fee pot of zone 2", owed(money(ARRIVING_WH, GRID_FEE))),
	];
	let found = balances(&network).await;
	assert_eq!(found.len(), shares.len());
	for ((name, amount), (expected_name, share)) in found.iter().zip(shares) {
		assert_eq!((name.as_str(), owed(*amount)), (expected_name, share));
	}
	let total: Balance = found.iter().map(|(_, amount)| amount).sum();
	assert_eq!(total, ALL_MONEY, "no minor unit was made or lost");

	// The council disposes of the region's income.
	let income = Compact(region_income());
	let call = Call::new(
		"EnergyMarket",
		"withdraw_region_income",
		(REGION, account_of(&dev::bob()), income),
	);
	let call = network.client.sudo(&call).await.expect("the chain has the call");
	network.client.submit(&dev::alice(), &call).await.expect("the income is there");
	let balance = network.wallet(&["balance", "--dev-key", "//Bob"]).await.expect("a balance");
	assert_eq!(balance["spendable"], json!(format_money(region_income())), "{balance}");
	say("every balance is right");

	drop((seller, buyer));
	oracle.stop(STOP).await.expect("the oracle stops");
	network.stop().await.expect("the node stops");
}
