//! `coupling`: what a solver needs of a slot that is cleared for several zones together, and what it
//! found.

use std::{fs, path::Path};

use energy_primitives::{
	CouplingProposal, CouplingSummary, GridLink, MarketTerms, RegionId, Slot, ZoneId, ZoneProposal,
};
use serde::Deserialize;
use serde_json::{json, Value};
use sp_core::bounded::BoundedVec;

use super::{
	args::{CouplingCommand, CouplingProposeArgs, CouplingSlotArgs, SlotChoice},
	block_pair, existing_zone,
	market::{chosen_slot, no_market},
	progress,
	secrets::signer,
	text::{self, pairs},
	with_block, Context, Failure, Report,
};
use crate::{calls, client::ChainClient};

/// Does what is said about coupled slots.
pub async fn run(context: &Context, command: CouplingCommand) -> Result<Report, Failure> {
	match command {
		CouplingCommand::Problem(args) => problem(context, args).await,
		CouplingCommand::Propose(args) => propose(context, args).await,
	}
}

/// The slot that was typed, of the zones of a region: these have the same slots.
async fn slot_of(
	client: &ChainClient,
	region: RegionId,
	choice: SlotChoice,
) -> Result<Slot, Failure> {
	let versions = client.region(region).await?;
	let zone = versions.iter().rev().find_map(|(_, version)| version.zones.first());
	let zone = zone.ok_or_else(|| Failure::new(format!("there is no region {region}")))?;
	chosen_slot(&client.clock(*zone).await?, choice)
}

async fn summary(
	client: &ChainClient,
	region: RegionId,
	slot: Slot,
) -> Result<CouplingSummary, Failure> {
	client.coupling(region, slot).await?.ok_or_else(|| {
		Failure::new(format!("region {region} couples nothing in slot {slot}, or there is none"))
	})
}

/// The terms of a slot: those it was opened with, or those it would have.
async fn terms_of(client: &ChainClient, zone: ZoneId, slot: Slot) -> Result<MarketTerms, Failure> {
	if let Some(summary) = client.slot(zone, slot).await? {
		return Ok(summary.terms);
	}
	existing_zone(client, zone).await?.terms.ok_or_else(|| no_market(zone))
}

/// Prints the problem as `energy-solver` reads it. Zones are named by their numbers.
async fn problem(context: &Context, args: CouplingSlotArgs) -> Result<Report, Failure> {
	let client = context.connect().await?;
	let slot = slot_of(&client, args.region, args.slot).await?;
	let coupled = summary(&client, args.region, slot).await?;
	let mut zones = Vec::new();
	for zone in &coupled.region.zones {
		let terms = terms_of(&client, *zone, slot).await?;
		let (mut bids, mut asks) = (Vec::new(), Vec::new());
		for level in client.depth(*zone, slot).await? {
			let tick = terms.tick_of(level.price);
			let entry = |energy_wh: u64| json!({ "tick": tick, "energy_wh": energy_wh });
			if level.bid_wh > 0 {
				bids.push(entry(level.bid_wh));
			}
			if level.ask_wh > 0 {
				asks.push(entry(level.ask_wh));
			}
		}
		zones.push(json!({
			"name": zone.to_string(),
			"price_floor": terms.price_floor,
			"tick_size": terms.tick_size,
			"bids": bids,
			"asks": asks,
		}));
	}
	let links: Vec<Value> = coupled.region.links.iter().map(link_json).collect();
	let json = json!({ "zones": zones, "links": links });
	progress(
		context,
		&format!(
			"proposals for slot {slot} are taken from {} to {}",
			text::time(coupled.opens_seconds),
			text::time(coupled.closes_seconds)
		),
	);
	// The problem is meant for a program, also where no JSON was asked for.
	let words = serde_json::to_string_pretty(&json).unwrap_or_default();
	Ok(Report::new(json, words))
}

fn link_json(link: &GridLink) -> Value {
	json!({
		"from": link.from.to_string(),
		"to": link.to.to_string(),
		"capacity_wh": link.capacity_wh,
		"loss_ppm": link.loss_ppm,
		"fee_per_kwh": link.fee_per_kwh,
		"fee_ppm": link.fee_ppm,
	})
}

/// What `energy-solver` answers, as far as the chain wants to know it.
#[derive(Debug, Deserialize)]
struct Answer {
	zones: Vec<ZoneAnswer>,
	links: Vec<LinkAnswer>,
}

#[derive(Debug, Deserialize)]
struct ZoneAnswer {
	name: String,
	price: u64,
	bought_wh: u64,
	sold_wh: u64,
}

#[derive(Debug, Deserialize)]
struct LinkAnswer {
	from: String,
	to: String,
	flow_wh: u64,
}

fn read_answer(path: &Path) -> Result<Answer, Failure> {
	let bytes = fs::read(path)
		.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
	serde_json::from_slice(&bytes).map_err(|error| {
		Failure::with_help(
			format!("{} is not the answer of a solver: {error}", path.display()),
			"`energy-solver --json` prints one",
		)
	})
}

/// The answer in the order of the region's zones and links.
fn proposal(coupled: &CouplingSummary, answer: &Answer) -> Result<CouplingProposal, Failure> {
	let zones: Vec<ZoneProposal> = coupled
		.region
		.zones
		.iter()
		.map(|zone| {
			let name = zone.to_string();
			let found = answer.zones.iter().find(|answer| answer.name == name);
			let ZoneAnswer { price, bought_wh, sold_wh, .. } =
				found.ok_or_else(|| Failure::new(format!("the answer has no zone {name}")))?;
			Ok(ZoneProposal { price: *price, bought_wh: *bought_wh, sold_wh: *sold_wh })
		})
		.collect::<Result<_, Failure>>()?;
	let links = &coupled.region.links;
	let fit = answer.links.len() == links.len()
		&& answer.links.iter().zip(links).all(|(answer, link)| {
			answer.from == link.from.to_string() && answer.to == link.to.to_string()
		});
	if !fit {
		return Err(Failure::with_help(
			"the links of the answer are not those of the region, in its order",
			"`coupling problem` prints the problem anew",
		));
	}
	Ok(CouplingProposal {
		zones: BoundedVec::truncate_from(zones),
		flows_wh: BoundedVec::truncate_from(answer.links.iter().map(|link| link.flow_wh).collect()),
	})
}

async fn propose(context: &Context, args: CouplingProposeArgs) -> Result<Report, Failure> {
	let answer = read_answer(&args.file)?;
	let key = signer(context, &args.submit.signer)?;
	let client = context.connect().await?;
	let region = args.of.region;
	let slot = slot_of(&client, region, args.of.slot).await?;
	let coupled = summary(&client, region, slot).await?;
	let call = calls::propose_coupling(region, slot, &proposal(&coupled, &answer)?);
	progress(context, "sent; waiting for a block");
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let words = format!(
		"The proposal for region {region} in slot {slot} is proven and the best so far.\n\n{}",
		pairs(&[("decided", text::time(coupled.closes_seconds)), block_pair(&outcome),])
	);
	let json = json!({
		"region": region,
		"slot": slot,
		"decidedSeconds": coupled.closes_seconds,
	});
	Ok(Report::new(with_block(json, &outcome), words))
}

#[cfg(test)]
mod tests {
	use super::*;
	use energy_primitives::Region;

	fn coupled() -> CouplingSummary {
		let link = GridLink {
			from: ZoneId(1),
			to: ZoneId(2),
			capacity_wh: 500,
			loss_ppm: 0,
			fee_per_kwh: 0,
			fee_ppm: 0,
		};
		CouplingSummary {
			slot: Slot(7),
			region: Region {
				zones: BoundedVec::truncate_from(vec![ZoneId(1), ZoneId(2)]),
				links: BoundedVec::truncate_from(vec![link]),
				proposal_seconds: 10,
			},
			opens_seconds: 0,
			closes_seconds: 10,
			best: None,
		}
	}

	fn answer(from: &str) -> Answer {
		serde_json::from_value(json!({
			"zones": [
				{ "name": "2", "price": 30, "bought_wh": 450, "sold_wh": 0 },
				{ "name": "1", "price": 10, "bought_wh": 0, "sold_wh": 450 },
			],
			"links": [{ "from": from, "to": "2", "flow_wh": 450, "income": "9" }],
			"welfare": "9",
		}))
		.expect("an answer")
	}

	#[test]
	fn answer_is_brought_into_the_order_of_the_region() {
		let proposal = proposal(&coupled(), &answer("1")).map_err(|failure| failure.message);
		let proposal = proposal.expect("it fits");
		assert_eq!(proposal.zones[0].sold_wh, 450);
		assert_eq!(proposal.zones[1].price, 30);
		assert_eq!(proposal.flows_wh.to_vec(), [450]);
	}

	#[test]
	fn answer_is_refused_when_it_is_about_other_zones_or_links() {
		let failure = proposal(&coupled(), &answer("3")).expect_err("other links");
		assert!(failure.message.contains("links"), "{}", failure.message);
		let mut other = answer("1");
		other.zones[1].name = "9".into();
		let failure = proposal(&coupled(), &other).expect_err("other zones");
		assert!(failure.message.contains("zone 1"), "{}", failure.message);
	}
}
