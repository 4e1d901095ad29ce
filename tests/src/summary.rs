//! What a run came to, in figures.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use energy_primitives::{api::ZoneSummary, Balance, Slot, MINOR_UNITS, POSITIONS_PER_PAGE};
use energy_wallet::client::{account_of, ChainClient};
use serde::Serialize;
use subxt_signer::sr25519::dev;

use crate::{
	network::{Network, ZONE},
	process,
	trading::Replayed,
	watch::Record,
};

/// All settlement currency of the development chain: what Alice and the imbalance pot begin with.
pub const ALL_MONEY: Balance = 1_010_000 * MINOR_UNITS;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
	/// The node's name and version.
	pub node: String,
	/// The number of the newest block.
	pub blocks: u64,
	/// The number of the newest finalized block.
	pub finalized: u64,
	/// Slots in which everyone was paid.
	pub slots_settled: usize,
	/// Readings that the oracle took.
	pub readings_accepted: u64,
	/// Readings that the oracle did not take.
	pub readings_rejected: u64,
	/// Orders that were placed.
	pub orders: u64,
	/// Energy that changed hands, Wh.
	pub traded_wh: u64,
	/// The price of each slot in order, minor units per kWh; `null` where nothing was traded.
	pub clearing_prices: Vec<Option<u64>>,
	/// What participants paid, minor units.
	pub paid_minor_units: Balance,
	/// All balances together, less what there was at the start, minor units.
	pub conservation_error: i128,
	/// Calls of the settlement contract: one for each page of positions.
	pub contract_calls: u64,
	/// How long it all took.
	pub seconds: f64,
}

/// Everyone's money: who, what is free, what is held.
///
/// # Errors
/// When the node does not answer.
pub async fn balances(network: &Network) -> Result<Vec<(String, Balance, Balance)>> {
	let client: &ChainClient = &network.client;
	let zone: ZoneSummary = client.zone(ZONE).await?.context("the zone is gone")?;
	let mut accounts: Vec<_> = crate::homes::HOMES
		.iter()
		.zip(network.home_accounts())
		.map(|(home, account)| (home.name.to_owned(), account))
		.collect();
	accounts.push(("utility".into(), account_of(&dev::alice())));
	accounts.push(("imbalance pot".into(), zone.imbalance_account));
	accounts.push(("fee pot".into(), zone.fee_account));
	let mut money = Vec::with_capacity(accounts.len());
	for (name, account) in accounts {
		let (free, held) = client.money(&account).await?;
		money.push((name, free, held));
	}
	Ok(money)
}

impl Summary {
	/// Adds up a run over `slots`.
	///
	/// # Errors
	/// When the node does not answer.
	pub async fn of(
		network: &Network,
		record: &Record,
		slots: &[Slot],
		replays: &[Replayed],
		seconds: f64,
	) -> Result<Self> {
		let version =
			process::run("energy-node", &["--version".into()], crate::network::STOP).await?;
		let pages_per_question = network
			.client
			.constant("Settlement", "PagesPerQuestion")
			.await?
			.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
			.map(u32::from_le_bytes)
			.context("the chain does not say how much a question is about")?;
		let question = pages_per_question.saturating_mul(POSITIONS_PER_PAGE);
		let of_slots = || slots.iter().filter_map(|slot| record.slots.get(slot));
		let total: Balance =
			balances(network).await?.iter().map(|(_, free, held)| free + held).sum();
		Ok(Self {
			node: version.stdout.trim().to_owned(),
			blocks: network.best_block().await?,
			finalized: record.finalized,
			slots_settled: of_slots().filter(|slot| slot.settled.len() == 1).count(),
			readings_accepted: replays.iter().map(|replay| replay.accepted).sum(),
			readings_rejected: replays.iter().map(|replay| replay.rejected).sum(),
			orders: of_slots().map(|slot| slot.orders.len() as u64).sum(),
			traded_wh: of_slots()
				.filter_map(|slot| slot.cleared?.1)
				.map(|result| result.volume_wh)
				.sum(),
			clearing_prices: slots
				.iter()
				.map(|slot| Some(record.slots.get(slot)?.cleared?.1?.price))
				.collect(),
			paid_minor_units: of_slots().map(|slot| slot.collected).sum(),
			conservation_error: i128::try_from(total)? - i128::try_from(ALL_MONEY)?,
			contract_calls: of_slots()
				.map(|slot| u64::from(slot.positions.div_ceil(question)))
				.sum(),
			seconds: (seconds * 10.0).round() / 10.0,
		})
	}

	/// Writes `summary.json` into a folder.
	///
	/// # Errors
	/// When it cannot be written.
	pub fn write(&self, folder: &Path) -> Result<()> {
		let mut text = serde_json::to_string_pretty(self)?;
		text.push('\n');
		fs::create_dir_all(folder)?;
		fs::write(folder.join("summary.json"), text)?;
		Ok(())
	}
}
