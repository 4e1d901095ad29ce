//! Four validators in one network, and two oracles that must agree.

use std::{collections::BTreeSet, time::Duration};

use energy_primitives::{AccountId, Slot};
use energy_system_tests::{
	homes::{household, HOMES},
	network::{keypair, rpc, Chain, Network, Times, QUICK, STOP, ZONE},
	process::fresh_folder,
	trading::Rows,
	watch::Watcher,
};
use energy_wallet::client::account_of;
use serde_json::{json, Value};

/// How long an oracle waits for meters: longer than they need here.
const GRACE: u32 = 10;
/// The second oracle may take its time.
const TIMES: Times = Times { deadline: 120, ..QUICK };
const LIMIT: Duration = Duration::from_secs(90);

/// Lets the meters of all homes report one slot that is over.
async fn report(network: &Network, oracle_url: &str, slot: Slot) {
	let file = household(&network.folder).expect("the household");
	for home in &HOMES {
		let rows = Rows { file: &file, from: home.from, count: 1, first_slot: slot };
		let key = network.meter_key_file(home);
		let replayed =
			network.replay(home, &key, oracle_url, rows, true).await.expect("the meter reports");
		assert_eq!((replayed.accepted, replayed.sent), (1, 1), "{:?}", replayed.reasons);
	}
}

fn oracle_account(name: &str) -> AccountId {
	account_of(&keypair(&format!("//{name}")).expect("a key"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_finalise_what_two_of_three_oracles_attest() {
	let folder = fresh_folder("local-network").expect("a folder");
	let network = Network::start(&folder, Chain::Local, TIMES, |what| eprintln!("{what}"))
		.await
		.expect("the network starts");
	let mut watcher = Watcher::start(&network.node_url).await.expect("the node streams blocks");
	network.admit_homes().await.expect("the homes are admitted");
	// An oracle reads the meters of the finalized chain when it starts.
	let admitted = network.best_block().await.expect("the node answers");
	watcher
		.wait_until("the homes to be finalized", LIMIT, |record| record.finalized >= admitted)
		.await
		.expect("blocks are finalized");

	let (eve, eve_url) =
		network.start_oracle("Eve", "127.0.0.1:0", GRACE).await.expect("the oracle starts");
	let clock = network.client.clock(ZONE).await.expect("a clock");
	let (slot, end) = (clock.slot, clock.calendar.end_seconds(clock.slot));
	watcher
		.wait_until("the end of the slot", LIMIT, |record| record.finalized > 0)
		.await
		.expect("blocks are finalized");
	while network.client.clock(ZONE).await.expect("a clock").now_seconds < end {
		let block = watcher.record().finalized;
		watcher
			.wait_until("a block", LIMIT, |record| record.finalized > block)
			.await
			.expect("blocks are finalized");
	}
	report(&network, &eve_url, slot).await;
	let record = watcher
		.wait_until("the vote of the first oracle", LIMIT, |record| {
			record.slots.get(&slot).is_some_and(|slot| slot.votes == 1)
		})
		.await
		.expect("it votes");
	assert_eq!(record.slots[&slot].measured, None, "one vote is not enough");
	let page = network.client.attestation(ZONE, slot, 0).await.expect("a read");
	assert_eq!(page, None, "one vote is not enough");

	let (one, one_url) =
		network.start_oracle("One", "127.0.0.1:0", GRACE).await.expect("the oracle starts");
	report(&network, &one_url, slot).await;
	watcher
		.wait_until("the second vote", LIMIT, |record| {
			record.slots.get(&slot).is_some_and(|slot| slot.measured.is_some())
		})
		.await
		.expect("two votes are enough");
	let page =
		network.client.attestation(ZONE, slot, 0).await.expect("a read").expect("a final page");
	let voters: BTreeSet<AccountId> = page.oracles.into_iter().collect();
	assert_eq!(voters, BTreeSet::from(["Eve", "One"].map(oracle_account)));
	assert_eq!((page.readings_count, page.values.len()), (3, 3));

	// All four see the same finalized block.
	let number = watcher.record().finalized;
	let mut hashes = BTreeSet::new();
	for node in &network.nodes {
		let hash: Value =
			rpc(&node.url, "chain_getBlockHash", json!([number])).await.expect("a hash");
		hashes.insert(hash.as_str().expect("every node has the block").to_owned());
		let health = rpc(&node.url, "system_health", json!([])).await.expect("health");
		assert_eq!(health["peers"], 3, "{health}");
	}
	assert_eq!(hashes.len(), 1, "{hashes:?}");

	drop(watcher);
	eve.stop(STOP).await.expect("the oracle stops");
	one.stop(STOP).await.expect("the oracle stops");
	network.stop().await.expect("the nodes stop");
}
