//! `standing`: orders that are placed anew in every slot.

use energy_primitives::{AccountId, OrderRequest, StandingId, StandingOrder};
use serde_json::{json, Value};

use super::{
	args::{StandingCommand, StandingListArgs, StandingPlaceArgs, SubmitArgs, ZoneChoice},
	block_pair, choose_zone, existing_zone,
	market::{chosen_slot, no_market, slot_times},
	orders::{check_energy, check_price, side_word},
	progress,
	secrets::signer,
	text::{pairs, table, Align},
	with_block, Context, Failure, Report,
};
use crate::{
	address,
	calls::{self, StandingOrderPlaced},
	client::account_of,
	units::{format_energy, format_money, format_price},
};

/// Does what is said about standing orders.
pub async fn run(context: &Context, command: StandingCommand) -> Result<Report, Failure> {
	match command {
		StandingCommand::Place(args) => place(context, args).await,
		StandingCommand::List(args) => list(context, args).await,
		StandingCommand::Cancel { zone, id, submit } => cancel(context, &zone, id, &submit).await,
	}
}

async fn place(context: &Context, args: StandingPlaceArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let terms = existing_zone(&client, zone).await?.terms.ok_or_else(|| no_market(zone))?;
	let clock = client.clock(zone).await?;
	let request = OrderRequest {
		slot: chosen_slot(&clock, args.first)?,
		side: args.side.into(),
		price: args.price,
		energy_wh: args.energy.energy_wh(),
		minimum_wh: args.minimum_wh,
		expires_seconds: None,
	};
	let last = chosen_slot(&clock, args.last)?;
	check_price(&terms, request.price)?;
	check_energy(&terms, request.energy_wh, request.minimum_wh)?;
	let present = clock.slot;
	if last < request.slot || last <= present {
		return Err(Failure::with_help(
			format!(
				"a standing order needs slots to come: from {} to {last} there is none",
				request.slot
			),
			format!("the present slot is {present}"),
		));
	}

	progress(context, "sent; waiting for a block");
	let call = calls::place_standing(zone, &request, last, args.budget);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let placed: StandingOrderPlaced = outcome.event("EnergyMarket", "StandingOrderPlaced")?;
	let standing = StandingOrder {
		account,
		side: request.side,
		price: request.price,
		energy_wh: request.energy_wh,
		minimum_wh: request.minimum_wh,
		first: request.slot,
		last,
		budget: args.budget,
	};
	let words = format!(
		"Standing order {} is left: a {} of {} at {} per kWh or better in each slot.\n\n{}",
		placed.id,
		side_word(standing.side),
		format_energy(standing.energy_wh),
		format_price(standing.price),
		pairs(&[
			("first", format!("{}, {}", standing.first, slot_times(&clock, standing.first))),
			("last", format!("{}, {}", standing.last, slot_times(&clock, standing.last))),
			("budget", format_money(standing.budget)),
			block_pair(&outcome),
		])
	);
	let mut json = standing_json(placed.id, &standing);
	json["zone"] = json!(zone);
	Ok(Report::new(with_block(json, &outcome), words))
}

fn standing_json(id: StandingId, standing: &StandingOrder<AccountId>) -> Value {
	json!({
		"id": id,
		"account": address::format(&standing.account),
		"side": side_word(standing.side),
		"price": format_price(standing.price),
		"energyWh": standing.energy_wh,
		"minimumWh": standing.minimum_wh,
		"first": standing.first,
		"last": standing.last,
		"budget": format_money(standing.budget),
	})
}

async fn list(context: &Context, args: StandingListArgs) -> Result<Report, Failure> {
	let account =
		if args.all && args.zone.zone.is_some() { None } else { Some(context.account(&args.who)?) };
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	let of = account.as_ref().filter(|_| !args.all);
	let orders = client.standing_orders(zone, of).await?;
	let rows: Vec<_> = orders
		.iter()
		.map(|(id, standing)| {
			let mut row = vec![
				id.to_string(),
				side_word(standing.side).into(),
				standing.energy_wh.to_string(),
				standing.minimum_wh.to_string(),
				format_price(standing.price),
				standing.first.to_string(),
				standing.last.to_string(),
				format_money(standing.budget),
			];
			if args.all {
				row.push(address::format(&standing.account));
			}
			row
		})
		.collect();
	let words = match (rows.is_empty(), of) {
		(true, Some(account)) => {
			format!("{} has no standing orders in zone {zone}.", address::format(account))
		}
		(true, None) => format!("There are no standing orders in zone {zone}."),
		(false, _) => {
			let mut head = vec![
				("id", Align::Right),
				("side", Align::Left),
				("Wh", Align::Right),
				("at least", Align::Right),
				("per kWh", Align::Right),
				("first", Align::Right),
				("last", Align::Right),
				("budget left", Align::Right),
			];
			if args.all {
				head.push(("account", Align::Left));
			}
			table(&head, &rows)
		}
	};
	let json = json!({
		"zone": zone,
		"account": of.map(address::format),
		"standingOrders": orders
			.iter()
			.map(|(id, standing)| standing_json(*id, standing))
			.collect::<Vec<_>>(),
	});
	Ok(Report::new(json, words))
}

async fn cancel(
	context: &Context,
	zone: &ZoneChoice,
	id: StandingId,
	submit: &SubmitArgs,
) -> Result<Report, Failure> {
	let key = signer(context, &submit.signer)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, zone, Some(&account_of(&key))).await?;
	progress(context, "sent; waiting for a block");
	let call = calls::cancel_standing(zone, id);
	let outcome = client.submit_until(&key, &call, submit.wait.into()).await?;
	let words = format!(
		"Standing order {id} is over; orders that it has placed stay.\n\n{}",
		pairs(&[block_pair(&outcome)])
	);
	Ok(Report::new(with_block(json!({ "zone": zone, "id": id }), &outcome), words))
}
