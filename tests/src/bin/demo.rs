//! Three homes, a node and an oracle, from the opening of a market to the bills.

use std::{
	path::{Path, PathBuf},
	process::ExitCode,
	sync::Arc,
	time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use energy_primitives::{Side, Slot};
use energy_system_tests::{
	chart::{self, Column},
	homes::{half_hours, household, HalfHour, HOMES},
	network::{Chain, Network, QUICK, STOP, ZONE},
	summary::{balances, Summary},
	trading::{Order, Replayed, Rows},
	watch::{Record, SlotRecord, Watcher},
};
use energy_wallet::units::{format_money, format_price};

/// How many slots are traded.
const SLOTS: usize = 6;
/// How long the oracle waits for a meter that is late, seconds.
const GRACE: u32 = 2;
/// How long the wallets may take to place all orders, seconds.
const ORDERING: u64 = 25;
/// What the roof asks at least, minor units per kWh.
const ASK: u64 = 100_000;
/// What the two other homes bid at most, slot by slot.
const BIDS: [[u64; SLOTS]; 2] = [
	[260_000, 240_000, 280_000, 250_000, 230_000, 270_000],
	[180_000, 210_000, 160_000, 190_000, 200_000, 170_000],
];

/// Shows the whole energy market: starts a node, an oracle and three homes with wallets and meters, lets
/// market slots live from open to settled, prints the bills, and stops everything.
#[derive(Debug, Parser)]
#[command(name = "energy-demo", version)]
struct Arguments {
	/// The folder for logs, keys, the picture and summary.json; what an earlier run left is removed.
	#[arg(long, default_value = "target/demo")]
	folder: PathBuf,
	/// The household's file [default: the one in ENERGY_DATA_DIR; without that, a made-up one]
	#[arg(long)]
	household: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
	let arguments = Arguments::parse();
	let demo = tokio::select! {
		result = demo(&arguments) => result,
		_ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
	};
	match demo {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("demo: {error:#}");
			eprintln!("demo: the logs are in {}", arguments.folder.display());
			ExitCode::FAILURE
		}
	}
}

async fn demo(arguments: &Arguments) -> Result<()> {
	let begun = Instant::now();
	let say = |what: &str| println!("[{:5.1} s] {what}", begun.elapsed().as_secs_f64());
	let folder = &arguments.folder;
	if folder.exists() {
		std::fs::remove_dir_all(folder)?;
	}
	std::fs::create_dir_all(folder)?;
	let folder = &folder.canonicalize()?;

	// A home knows its last half-hour and expects the next to be like it.
	let file = match &arguments.household {
		Some(file) => file.clone(),
		None => household(folder)?,
	};
	let rows = HOMES
		.iter()
		.map(|home| half_hours(&file, home.from, SLOTS + 1))
		.collect::<Result<Vec<_>>>()?;

	let network = Network::start(folder, Chain::Development, QUICK, say).await?;
	let mut watcher = Watcher::start(&network.node_url).await?;
	say("the utility admits three homes and their meters; each gets 100.00");
	network.admit_homes().await?;
	say("starting an oracle");
	let (oracle, oracle_url) = network.start_oracle("Eve", "127.0.0.1:0", GRACE).await?;

	let first = network.slot_open_for(ORDERING).await?;
	let slots: Vec<Slot> = (first.0..).take(SLOTS).map(Slot).collect();
	let orders = orders(&rows, first);
	say(&format!(
		"the homes' wallets place {} orders for the slots {first} to {}",
		orders.len(),
		slots[SLOTS - 1]
	));
	network.place_all(&orders).await?;

	say(&format!("the meters report; a slot lasts {} s", QUICK.slot));
	let second_rows = second_rows(&file)?;
	let meters =
		futures::future::try_join_all(HOMES.iter().zip(&second_rows).map(|(home, from)| {
			let key = network.meter_key_file(home);
			let (network, oracle_url, file) = (&network, &oracle_url, &file);
			async move {
				let rows = Rows { file, from, count: SLOTS, first_slot: first };
				network.replay(home, &key, oracle_url, rows, false).await
			}
		}));
	let market = follow(&mut watcher, &slots, &say);
	let (replays, record): (Vec<Replayed>, _) = futures::future::try_join(meters, market).await?;

	println!("\n{}", chart::text(&columns(&rows, &record, &slots)));
	let picture = chart::svg(&columns(&rows, &record, &slots), "Three homes, one market");
	std::fs::write(folder.join("chart.svg"), picture)?;
	for (home, account) in HOMES.iter().zip(network.home_accounts()) {
		// The last slot in which the home took part.
		let took_part = |slot: &&Slot| {
			record.slots.get(slot).is_some_and(|seen| seen.bills.contains_key(&account))
		};
		match slots.iter().rev().find(took_part) {
			Some(slot) => print_bill(&network, home.name, &oracle_url, *slot).await?,
			None => println!("--- the wallet of {}: no bill, it took no part", home.name),
		}
	}
	print_balances(&network, &record, &slots).await?;

	let summary =
		Summary::of(&network, &record, &slots, &replays, begun.elapsed().as_secs_f64()).await?;
	summary.write(folder)?;
	drop(watcher);
	oracle.stop(STOP).await?;
	network.stop().await?;
	anyhow::ensure!(
		summary.slots_settled == SLOTS && summary.conservation_error == 0,
		"not every slot was settled, or money was made or lost: see summary.json"
	);
	println!();
	say(&format!(
		"done: {} slots settled, {} Wh traded, no minor unit made or lost; see {}",
		summary.slots_settled,
		summary.traded_wh,
		folder.join("summary.json").display()
	));
	Ok(())
}

/// Each home offers or asks for what its last half-hour was.
fn orders(rows: &[Vec<HalfHour>], first: Slot) -> Vec<Order> {
	let mut orders = Vec::new();
	for (home, rows) in rows.iter().enumerate() {
		for (place, (slot, expected)) in (first.0..).map(Slot).zip(rows).take(SLOTS).enumerate() {
			let (side, price, energy_wh) = match expected.export_wh() {
				0 => (Side::Bid, BIDS[home.saturating_sub(1)][place], expected.import_wh()),
				export => (Side::Ask, ASK, export),
			};
			if energy_wh > 0 {
				orders.push(Order { home, slot, side, price, energy_wh });
			}
		}
	}
	orders
}

/// The time of the second row of each home: the first that its meter reports.
fn second_rows(file: &Path) -> Result<Vec<String>> {
	let mut reader = csv::Reader::from_path(file)?;
	let times = reader
		.records()
		.map(|record| Ok(record?.get(0).unwrap_or_default().to_owned()))
		.collect::<Result<Vec<String>>>()?;
	HOMES
		.iter()
		.map(|home| {
			let first = times.iter().position(|time| time == home.from);
			first
				.and_then(|first| times.get(first + 1))
				.cloned()
				.with_context(|| format!("the file has no rows from {} on", home.from))
		})
		.collect()
}

/// Tells what happens to the slots until all are settled.
async fn follow(watcher: &mut Watcher, slots: &[Slot], say: &impl Fn(&str)) -> Result<Arc<Record>> {
	let limit = Duration::from_secs(u64::from(QUICK.slot) * 10);
	let mut told = Vec::new();
	loop {
		let news = |record: &Record| {
			slots.iter().flat_map(|slot| news_of(record, *slot)).collect::<Vec<_>>()
		};
		let record = watcher
			.wait_until("something new", limit, |record| news(record).len() > told.len())
			.await?;
		for line in news(&record) {
			if !told.contains(&line) {
				say(&line);
				told.push(line);
			}
		}
		let is_settled =
			|slot| record.slots.get(slot).is_some_and(|seen: &SlotRecord| !seen.settled.is_empty());
		if slots.iter().all(is_settled) {
			return Ok(record);
		}
	}
}

/// What there is to tell of a slot.
fn news_of(record: &Record, slot: Slot) -> Vec<String> {
	let Some(seen) = record.slots.get(&slot) else { return Vec::new() };
	let mut news = Vec::new();
	match seen.cleared {
		Some((_, Some(result))) => news.push(format!(
			"slot {slot}: gate closed, {} Wh change hands at {} per kWh",
			result.volume_wh,
			format_price(result.price)
		)),
		Some((_, None)) => news.push(format!("slot {slot}: gate closed, nothing changes hands")),
		None => {}
	}
	if seen.measured.is_some() {
		news.push(format!("slot {slot}: the oracle attested what the meters signed"));
	}
	if !seen.settled.is_empty() {
		news.push(format!("slot {slot}: settled, {} paid", format_money(seen.collected)));
	}
	news
}

fn columns(rows: &[Vec<HalfHour>], record: &Record, slots: &[Slot]) -> Vec<Column> {
	(1..)
		.zip(slots)
		.map(|(row, slot)| {
			let sum = |of: fn(&HalfHour) -> u64| rows.iter().map(|rows| of(&rows[row])).sum();
			let result = record.slots.get(slot).and_then(|slot| slot.cleared?.1);
			Column {
				load_wh: sum(|half_hour| half_hour.load_wh),
				pv_wh: sum(|half_hour| half_hour.pv_wh),
				traded_wh: result.map_or(0, |result| result.volume_wh),
				price: result.map(|result| result.price),
			}
		})
		.collect()
}

/// A home's bill of a slot, proven down to the meter's signature, as its wallet shows it.
async fn print_bill(network: &Network, home: &str, oracle_url: &str, slot: Slot) -> Result<()> {
	let (zone, slot) = (ZONE.to_string(), slot.to_string());
	let arguments = [
		"bill", "--zone", &zone, "--slot", &slot, "--key", home, "--verify", "--oracle", oracle_url,
	];
	let output = network.wallet_output(&arguments, false).await?;
	anyhow::ensure!(
		output.status.success(),
		"the bill of {home}: {}{}",
		output.stdout,
		output.stderr
	);
	println!(
		"--- the wallet of {home}: energy-wallet bill --slot {slot} --verify\n{}",
		output.stdout
	);
	Ok(())
}

async fn print_balances(network: &Network, record: &Record, slots: &[Slot]) -> Result<()> {
	println!("--- money after {} slots", slots.len());
	for (home, account) in HOMES.iter().zip(network.home_accounts()) {
		let net: i128 = slots
			.iter()
			.filter_map(|slot| record.slots.get(slot)?.bills.get(&account)?.flow.net())
			.sum();
		println!(
			"{:<14} all bills together {}",
			home.name,
			energy_wallet::units::format_signed_money(net)
		);
	}
	for (name, free, held) in balances(network).await? {
		println!("{name:<14} {:>18}   held {}", format_money(free), format_money(held));
	}
	Ok(())
}
