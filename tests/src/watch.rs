//! What happens on the chain, block by block.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use codec::Decode;
use energy_primitives::{
	AccountId, Balance, Bill, ClearingResult, HaltReason, RegionId, Slot, ZoneId,
};
use energy_wallet::calls::OrderPlaced;
use subxt::{backend::LegacyBackend, rpcs::RpcClient, OnlineClient, SubstrateConfig};
use tokio::{sync::watch, task::JoinHandle};

use crate::network::ZONE;

/// What is known of a slot.
#[derive(Clone, Debug, Default)]
pub struct SlotRecord {
	/// Orders that were placed, in order of arrival.
	pub orders: Vec<OrderPlaced>,
	/// The block in which the gate closed, and what came of the auction.
	pub cleared: Option<(u64, Option<ClearingResult>)>,
	/// The block in which the last order was filled.
	pub filled: Option<u64>,
	/// How many accounts have a position.
	pub positions: u32,
	/// Votes of oracles on its attestation.
	pub votes: u32,
	/// The block in which all meters' values were final.
	pub measured: Option<u64>,
	/// The blocks in which the slot was settled. More than one would be a disaster.
	pub settled: Vec<u64>,
	/// What participants paid in all, minor units.
	pub collected: u128,
	/// What participants received in all, minor units.
	pub paid: u128,
	/// The bills.
	pub bills: BTreeMap<AccountId, Bill>,
}

/// Everything seen so far of one zone.
#[derive(Clone, Debug, Default)]
pub struct Record {
	/// The last finalized block.
	pub finalized: u64,
	/// By slot.
	pub slots: BTreeMap<Slot, SlotRecord>,
	/// What each region, of whatever zones, received for a slot, minor units.
	pub region_incomes: BTreeMap<(RegionId, Slot), Balance>,
	/// Why the zone's market was halted, each time.
	pub halts: Vec<HaltReason>,
	/// Why nothing more is recorded.
	pub broken: Option<String>,
}

/// Records the events of a zone in all finalized blocks.
pub struct Watcher {
	record: watch::Receiver<Arc<Record>>,
	task: JoinHandle<()>,
}

impl Drop for Watcher {
	fn drop(&mut self) {
		self.task.abort();
	}
}

impl Watcher {
	/// Begins with the blocks that are finalized from now on, and looks at [`ZONE`].
	///
	/// # Errors
	/// When the node cannot be reached.
	pub async fn start(node_url: &str) -> Result<Self> {
		Self::start_in(node_url, ZONE).await
	}

	/// The same for another zone.
	///
	/// # Errors
	/// When the node cannot be reached.
	pub async fn start_in(node_url: &str, zone: ZoneId) -> Result<Self> {
		let backend = LegacyBackend::builder().build(RpcClient::from_insecure_url(node_url).await?);
		let client = OnlineClient::<SubstrateConfig>::from_backend_with_config(
			SubstrateConfig::new(),
			Arc::new(backend),
		)
		.await?;
		let (sender, record) = watch::channel(Arc::new(Record::default()));
		let mut blocks = client.stream_blocks().await?;
		let task = tokio::spawn(async move {
			let mut record = Record::default();
			let failure = loop {
				let seen = match blocks.next().await {
					Some(Ok(block)) => note_block(&mut record, zone, block).await,
					Some(Err(error)) => Err(error.into()),
					None => Err(anyhow::anyhow!("the node sends no more blocks")),
				};
				if let Err(error) = seen {
					break error;
				}
				sender.send_replace(Arc::new(record.clone()));
			};
			record.broken = Some(format!("{failure:#}"));
			sender.send_replace(Arc::new(record));
		});
		Ok(Self { record, task })
	}

	/// What was seen so far.
	pub fn record(&self) -> Arc<Record> {
		self.record.borrow().clone()
	}

	/// Waits until what was seen makes `enough` true.
	///
	/// # Errors
	/// When time is up or the node is gone.
	pub async fn wait_until(
		&mut self,
		what: &str,
		limit: Duration,
		enough: impl Fn(&Record) -> bool,
	) -> Result<Arc<Record>> {
		let seen = self.record.wait_for(|record| record.broken.is_some() || enough(record));
		let record = tokio::time::timeout(limit, seen)
			.await
			.with_context(|| format!("{what} did not come in {limit:?}"))??
			.clone();
		match &record.broken {
			Some(failure) => anyhow::bail!("while waiting for {what}: {failure}"),
			None => Ok(record),
		}
	}
}

async fn note_block(
	record: &mut Record,
	zone: ZoneId,
	block: subxt::client::Block<SubstrateConfig>,
) -> Result<()> {
	let number = block.number();
	let events = block.at().await?.events().fetch().await?;
	for event in events.iter() {
		let event = event?;
		let name = (event.pallet_name(), event.event_name());
		note_event(record, zone, number, name, event.field_bytes())
			.with_context(|| format!("the event {name:?} of block {number}"))?;
	}
	record.finalized = number;
	Ok(())
}

fn note_event(
	record: &mut Record,
	zone: ZoneId,
	block: u64,
	(pallet, name): (&str, &str),
	fields: &[u8],
) -> Result<()> {
	let fields = &mut &*fields;
	let is_of_a_zone = matches!(
		(pallet, name),
		("EnergyMarket", "OrderPlaced" | "GateClosed" | "SlotCleared" | "ZoneHalted")
			| ("Metering", "Attested" | "SlotMeasured")
			| ("Settlement", "Billed" | "SlotSettled")
	);
	// Each of them begins with the zone.
	if is_of_a_zone && ZoneId::decode(&mut &**fields)? != zone {
		return Ok(());
	}
	let mut slot = |record: &mut Record| -> Result<Slot> {
		let (_, slot) = <(ZoneId, Slot)>::decode(fields)?;
		record.slots.entry(slot).or_default();
		Ok(slot)
	};
	match (pallet, name) {
		("EnergyMarket", "OrderPlaced") => {
			let order = OrderPlaced::decode(fields)?;
			record.slots.entry(order.slot).or_default().orders.push(order);
		}
		("EnergyMarket", "GateClosed") => {
			let slot = slot(record)?;
			let result = Option::<ClearingResult>::decode(fields)?;
			record.slots.entry(slot).or_default().cleared = Some((block, result));
		}
		("EnergyMarket", "SlotCleared") => {
			let slot = slot(record)?;
			let entry = record.slots.entry(slot).or_default();
			entry.positions = u32::decode(fields)?;
			entry.filled = Some(block);
		}
		("EnergyMarket", "ZoneHalted") => {
			let (_, reason) = <(ZoneId, HaltReason)>::decode(fields)?;
			record.halts.push(reason);
		}
		("EnergyMarket", "RegionSettled") => {
			let (region, slot, income) = <(RegionId, Slot, Balance)>::decode(fields)?;
			record.region_incomes.insert((region, slot), income);
		}
		("Metering", "Attested") => {
			let slot = slot(record)?;
			record.slots.entry(slot).or_default().votes += 1;
		}
		("Metering", "SlotMeasured") => {
			let slot = slot(record)?;
			record.slots.entry(slot).or_default().measured = Some(block);
		}
		("Settlement", "Billed") => {
			let slot = slot(record)?;
			let (account, bill) = <(AccountId, Bill)>::decode(fields)?;
			record.slots.entry(slot).or_default().bills.insert(account, bill);
		}
		("Settlement", "SlotSettled") => {
			let slot = slot(record)?;
			let (collected, paid) = <(u128, u128)>::decode(fields)?;
			let entry = record.slots.entry(slot).or_default();
			entry.settled.push(block);
			entry.collected += collected;
			entry.paid += paid;
		}
		_ => {}
	}
	Ok(())
}
