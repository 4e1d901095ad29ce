//! Homes that trade and meters that report, each through its own program.

use std::{path::Path, time::Duration};

use anyhow::{ensure, Context, Result};
use energy_primitives::{Side, Slot};
use energy_wallet::units::format_price;
use serde::Deserialize;
use serde_json::Value;

use crate::{
	homes::{Home, HOMES},
	network::{Network, ZONE},
	process,
};

/// An order of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
	/// Which of [`HOMES`].
	pub home: usize,
	/// The delivery slot.
	pub slot: Slot,
	/// Bid or ask.
	pub side: Side,
	/// Minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
}

/// What a replay says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
	/// Messages that were sent.
	pub sent: u64,
	/// Messages that the oracle took.
	pub accepted: u64,
	/// Messages that the oracle had.
	pub duplicate: u64,
	/// Messages that the oracle did not take.
	pub rejected: u64,
	/// Messages without an answer.
	pub unanswered: u64,
	/// What the oracle said about those it did not take.
	pub reasons: Vec<String>,
}

/// Which rows of the household's file a meter reports, and for which slots.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
	/// The file.
	pub file: &'a Path,
	/// The time of the first row.
	pub from: &'a str,
	/// How many.
	pub count: usize,
	/// The slot of the first row.
	pub first_slot: Slot,
}

impl Network {
	/// The first slot whose gate is still open `seconds` from now.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn slot_open_for(&self, seconds: u64) -> Result<Slot> {
		let clock = self.client.clock(ZONE).await?;
		let moment = clock.now_seconds + seconds + u64::from(self.times.gate);
		Ok(clock.calendar.at(moment).next())
	}

	/// Places an order with the wallet of the home.
	///
	/// # Errors
	/// When the wallet could not place it.
	pub async fn place(&self, order: &Order) -> Result<Value> {
		let Order { home, slot, side, price, energy_wh } = *order;
		let word = match side {
			Side::Bid => "bid",
			Side::Ask => "ask",
		};
		self.wallet_of(
			&HOMES[home],
			&[
				word,
				"--zone",
				&ZONE.to_string(),
				"--slot",
				&slot.to_string(),
				"--energy-wh",
				&energy_wh.to_string(),
				"--price",
				&format_price(price),
			],
		)
		.await
	}

	/// Places all orders: the homes at the same time, each its own one after the other.
	///
	/// # Errors
	/// When a wallet could not place one.
	pub async fn place_all(&self, orders: &[Order]) -> Result<()> {
		let of_home = |home| async move {
			for order in orders.iter().filter(|order| order.home == home) {
				self.place(order).await.with_context(|| format!("{order:?}"))?;
			}
			anyhow::Ok(())
		};
		futures::future::try_join_all((0..HOMES.len()).map(of_home)).await?;
		Ok(())
	}

	/// Lets the meter of a home report rows: each when its slot is over, or, if `at_once`, all now.
	/// `key` is the file with the seed that signs.
	///
	/// # Errors
	/// When the program cannot be run.
	pub async fn replay(
		&self,
		home: &Home,
		key: &Path,
		oracle_url: &str,
		rows: Rows<'_>,
		at_once: bool,
	) -> Result<Replayed> {
		let mut arguments: Vec<String> = [
			"replay",
			&rows.file.display().to_string(),
			"--meter",
			home.meter,
			"--key-file",
			&key.display().to_string(),
			"--url",
			oracle_url,
			"--from",
			rows.from,
			"--intervals",
			&rows.count.to_string(),
			"--interval-seconds",
			&self.times.slot.to_string(),
			"--start-slot",
			&rows.first_slot.to_string(),
			"--json",
		]
		.map(str::to_owned)
		.to_vec();
		if at_once {
			arguments.push("--no-wait".into());
		}
		let slots = u64::try_from(rows.count)?.saturating_add(10);
		let limit = Duration::from_secs(u64::from(self.times.slot) * slots + 120);
		let output = process::run("energy-oracle", &arguments, limit).await?;
		let line = output.stdout.lines().last().unwrap_or_default();
		let replayed: Replayed = serde_json::from_str(line)
			.with_context(|| format!("replay {arguments:?}: {}", output.stderr))?;
		let complete = replayed.accepted + replayed.duplicate == replayed.sent;
		ensure!(output.status.success() == complete, "the exit status hides what became of it");
		Ok(replayed)
	}
}
