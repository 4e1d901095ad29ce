//! `bill`.

use energy_primitives::{
	api::Clock, AccountId, Agreed, Bill, Meter, MeterId, MeterIndex, Slot, SlotState, ZoneId,
};
use serde_json::{json, Value};

use super::{
	args::BillArgs,
	choose_zone, existing_zone,
	market::{chosen_slot, slot_times, state_words},
	progress,
	text::pairs,
	Context, Failure, Report, UNVERIFIED,
};
use crate::{
	address,
	bill::{quality_word, verify, MeterEvidence, Question, Rules, Verification},
	client::ChainClient,
	oracle::{OracleClient, OracleError},
	units::{format_energy, format_money, format_signed_money},
};

/// `bill`.
pub async fn run(context: &Context, args: BillArgs) -> Result<Report, Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	existing_zone(&client, zone).await?;
	let clock = client.clock(zone).await?;
	let slot = chosen_slot(&clock, args.slot)?;
	let Some(bill) = client.bill(zone, slot, &account).await? else {
		return Err(no_bill(&client, zone, slot, &clock).await?);
	};
	let net = bill.flow.net().ok_or_else(|| {
		Failure::new("the bill's money does not fit; the chain is broken, tell its operator")
	})?;

	let mut words = format!("Bill of {}\n\n", address::format(&account));
	let mut lines = vec![
		("slot", format!("{slot}, {}", slot_times(&clock, slot))),
		("zone", zone.to_string()),
		("bought", format_energy(bill.bought_wh)),
		("sold", format_energy(bill.sold_wh)),
	];
	lines.extend(agreed_pairs(&bill.agreed));
	lines.extend([
		("measured in", format_energy(bill.measured.import_wh)),
		("measured out", format_energy(bill.measured.export_wh)),
		("quality", quality_word(bill.measured.quality).into()),
		("energy", format_signed_money(bill.flow.energy)),
		("imbalance", format_signed_money(bill.flow.imbalance)),
		("grid fee", grid_fee(&bill)),
		("net", format!("{} ({})", format_signed_money(net), direction(net))),
	]);
	words.push_str(&pairs(&lines));
	let mut json = json!({
		"account": address::format(&account),
		"zone": zone,
		"slot": slot,
		"boughtWh": bill.bought_wh,
		"soldWh": bill.sold_wh,
		"agreed": agreed_json(&bill.agreed),
		"measuredImportWh": bill.measured.import_wh,
		"measuredExportWh": bill.measured.export_wh,
		"quality": quality_word(bill.measured.quality),
		"energy": format_signed_money(bill.flow.energy),
		"imbalance": format_signed_money(bill.flow.imbalance),
		"gridFee": format_money(bill.flow.grid_fee),
		"net": format_signed_money(net),
	});
	if !args.verify {
		return Ok(Report::new(json, words));
	}

	let rules = client.slot(zone, slot).await?.as_ref().map(Rules::new);
	let question = Question {
		zone,
		slot,
		start_seconds: clock.calendar.start_seconds(slot),
		slot_seconds: clock.calendar.slot_seconds(slot),
		rules,
	};
	let verification =
		verify_with(context, &client, &question, &bill, &account, &args.meter).await?;
	let passed = verification.passed();
	words.push_str("\n\n");
	words.push_str(&verification_words(&verification));
	json["verified"] = passed.into();
	json["steps"] = serde_json::to_value(&verification.steps).unwrap_or_default();
	Ok(Report { json, text: words, status: if passed { 0 } else { UNVERIFIED } })
}

/// What was agreed with partners, where there is anything.
fn agreed_pairs(agreed: &Agreed) -> Vec<(&'static str, String)> {
	let mut lines = Vec::new();
	if agreed.bought_wh > 0 {
		let (energy, money) = (format_energy(agreed.bought_wh), format_money(agreed.payable));
		lines.push(("agreed", format!("bought {energy} for {money}")));
	}
	if agreed.sold_wh > 0 {
		let (energy, money) = (format_energy(agreed.sold_wh), format_money(agreed.receivable));
		lines.push(("agreed", format!("sold {energy} for {money}")));
	}
	lines
}

/// What was agreed with partners, for programs.
pub fn agreed_json(agreed: &Agreed) -> Value {
	json!({
		"boughtWh": agreed.bought_wh,
		"soldWh": agreed.sold_wh,
		"payable": format_money(agreed.payable),
		"receivable": format_money(agreed.receivable),
	})
}

fn grid_fee(bill: &Bill) -> String {
	match bill.flow.grid_fee {
		0 => format_money(0),
		fee => format!("-{}", format_money(fee)),
	}
}

fn direction(net: i128) -> &'static str {
	match net {
		0 => "nothing moved",
		1.. => "you received it",
		_ => "you paid it",
	}
}

/// Why there is no bill, and whether one will come.
async fn no_bill(
	client: &ChainClient,
	zone: ZoneId,
	slot: Slot,
	clock: &Clock,
) -> Result<Failure, Failure> {
	let message = format!("there is no bill for slot {slot} of zone {zone}");
	Ok(match client.slot(zone, slot).await? {
		Some(summary) if summary.state == SlotState::Annulled => Failure::with_help(
			message,
			"the market of the slot was called off: everyone got everything back",
		),
		Some(summary) if summary.state.is_final() => {
			Failure::with_help(message, "the slot is settled, and this account took no part in it")
		}
		Some(summary) => Failure::with_help(
			message,
			format!(
				"the slot is {}; the bill comes when it is settled",
				state_words(summary.state)
			),
		),
		None if slot >= clock.slot => {
			Failure::with_help(message, "nobody has placed an order for it yet")
		}
		None => Failure::with_help(message, "nobody traded in it, or its bills are no longer kept"),
	})
}

async fn verify_with(
	context: &Context,
	client: &ChainClient,
	question: &Question,
	bill: &Bill,
	account: &AccountId,
	places: &[MeterIndex],
) -> Result<Verification, Failure> {
	progress(context, "looking for your meters");
	let meters = if places.is_empty() {
		client.meters_of(question.zone, account).await?
	} else {
		named_meters(client, question.zone, account, places).await?
	};
	let oracle = OracleClient::new(&context.global.oracle, context.global.options().timeout)?;

	progress(context, "fetching attestations and signed readings");
	let mut evidence = Vec::with_capacity(meters.len());
	for (id, meter) in meters {
		let attestation =
			client.attestation(question.zone, question.slot, meter.index.page()).await?;
		let record = match oracle.meter_slot(id, question.slot).await {
			Ok(record) => Ok(Some(record)),
			Err(OracleError::NoReadings) => Ok(None),
			Err(error) => Err(error.to_string()),
		};
		evidence.push(MeterEvidence {
			id,
			index: meter.index,
			key: meter.key,
			attestation,
			record,
		});
	}
	Ok(verify(question, bill, &evidence))
}

/// The meters at the places that were named; each must be of the account.
async fn named_meters(
	client: &ChainClient,
	zone: ZoneId,
	account: &AccountId,
	places: &[MeterIndex],
) -> Result<Vec<(MeterId, Meter<AccountId>)>, Failure> {
	let mut places = places.to_vec();
	places.sort();
	places.dedup();
	let mut meters = Vec::with_capacity(places.len());
	for place in places {
		let found = client
			.meters(zone, place)
			.await?
			.into_iter()
			.find(|(_, meter)| meter.index == place && meter.owner == *account);
		match found {
			Some(meter) => meters.push(meter),
			None => {
				return Err(Failure::with_help(
					format!("the account has no meter at place {place} of zone {zone}"),
					"`meters` lists the places of your meters",
				))
			}
		}
	}
	Ok(meters)
}

fn verification_words(verification: &Verification) -> String {
	let mut lines = Vec::new();
	let mut of = None;
	for step in &verification.steps {
		if lines.is_empty() || step.meter != of {
			of = step.meter;
			lines.push(match of {
				Some(meter) => format!("Meter 0x{meter:?}"),
				None => "The bill".into(),
			});
		}
		lines.push(format!("  {} {}", step.outcome, step.text));
	}
	lines.push(String::new());
	lines.push(
		if verification.passed() {
			"✓ The bill holds."
		} else {
			"✗ The bill does not hold: see the lines marked ✗, and show them to your utility."
		}
		.into(),
	);
	lines.join("\n")
}
