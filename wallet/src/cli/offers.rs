//! `offer`: trades with a partner at a price of their own.

use energy_primitives::{
	api::OpenOffer, AccountId, Audience, EnergyKind, OfferId, OfferRequest, Side,
};
use serde_json::{json, Value};

use super::{
	args::{OfferAcceptArgs, OfferCommand, OfferListArgs, OfferMakeArgs, SubmitArgs, ZoneChoice},
	block_pair, choose_zone, existing_zone,
	market::{chosen_slot, no_market, slot_times},
	orders::{check_energy, side_word},
	progress,
	secrets::signer,
	text::{pairs, table, Align},
	with_block, Context, Failure, Report,
};
use crate::{
	address,
	calls::{self, OfferAccepted, OfferMade},
	client::account_of,
	units::{format_energy, format_money, format_price},
};

/// Does what is said about offers.
pub async fn run(context: &Context, command: OfferCommand) -> Result<Report, Failure> {
	match command {
		OfferCommand::Make(args) => make(context, args).await,
		OfferCommand::List(args) => list(context, args).await,
		OfferCommand::Accept(args) => accept(context, args).await,
		OfferCommand::Withdraw { id, submit } => withdraw(context, id, &submit).await,
	}
}

fn audience(args: &OfferMakeArgs) -> Audience<AccountId> {
	match (&args.to, args.community) {
		(Some(partner), _) => Audience::Partner(partner.clone()),
		(None, Some(community)) => Audience::Community(community),
		(None, None) => Audience::Anyone,
	}
}

fn audience_words(audience: &Audience<AccountId>) -> String {
	match audience {
		Audience::Anyone => "anyone".into(),
		Audience::Partner(partner) => address::format(partner),
		Audience::Community(community) => format!("community {community}"),
	}
}

fn kind_word(kind: EnergyKind) -> &'static str {
	match kind {
		EnergyKind::Any => "any",
		EnergyKind::Solar => "solar",
		EnergyKind::Wind => "wind",
		EnergyKind::Hydro => "hydro",
		EnergyKind::Biomass => "biomass",
		EnergyKind::Storage => "storage",
	}
}

fn request_json(request: &OfferRequest<AccountId>) -> Value {
	let (partner, community) = match &request.audience {
		Audience::Anyone => (None, None),
		Audience::Partner(partner) => (Some(address::format(partner)), None),
		Audience::Community(community) => (None, Some(*community)),
	};
	json!({
		"side": side_word(request.side),
		"partner": partner,
		"community": community,
		"kind": kind_word(request.kind),
		"price": format_price(request.price),
		"energyWh": request.energy_wh,
		"minimumWh": request.minimum_wh,
		"first": request.first,
		"slots": request.slots,
	})
}

async fn make(context: &Context, args: OfferMakeArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	if args.to.as_ref() == Some(&account) {
		return Err(Failure::new("that is your own account: nobody trades with itself"));
	}
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let terms = existing_zone(&client, zone).await?.terms.ok_or_else(|| no_market(zone))?;
	let clock = client.clock(zone).await?;
	let request = OfferRequest {
		side: args.side.into(),
		audience: audience(&args),
		kind: args.kind.into(),
		price: args.price,
		energy_wh: args.energy.energy_wh(),
		minimum_wh: args.minimum_wh,
		first: chosen_slot(&clock, args.slot)?,
		slots: args.slots,
	};
	check_energy(&terms, request.energy_wh, request.minimum_wh)?;
	if !(terms.price_floor..=terms.price_cap()).contains(&request.price) {
		return Err(Failure::with_help(
			format!("{} is outside the prices of this market", format_price(request.price)),
			format!(
				"they go from {} to {} per kWh; an offer may be between two of them",
				format_price(terms.price_floor),
				format_price(terms.price_cap())
			),
		));
	}

	progress(context, "sent; waiting for a block");
	let call = calls::make_offer(zone, &request);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let made: OfferMade = outcome.event("EnergyMarket", "OfferMade")?;
	let words = format!(
		"Offer {} waits: you {} {} at {} per kWh in {}.\n\n{}",
		made.id,
		match request.side {
			Side::Bid => "buy",
			Side::Ask => "sell",
		},
		format_energy(request.energy_wh),
		format_price(request.price),
		match request.slots {
			1 => format!("slot {}", request.first),
			slots => format!("each of {slots} slots from {} on", request.first),
		},
		pairs(&[
			("begins", slot_times(&clock, request.first)),
			("for", audience_words(&request.audience)),
			("kind", kind_word(request.kind).into()),
			("held", format_money(made.held)),
			block_pair(&outcome),
		])
	);
	let mut json = request_json(&request);
	json["id"] = json!(made.id);
	json["zone"] = json!(zone);
	json["maker"] = address::format(&made.maker).into();
	json["held"] = format_money(made.held).into();
	Ok(Report::new(with_block(json, &outcome), words))
}

/// What is left of an offer: `1500`, or `1500 x 4` where it is the same in several slots.
fn remaining_words(remaining_wh: &[u64]) -> String {
	match remaining_wh {
		[] => String::new(),
		[only] => only.to_string(),
		[first, rest @ ..] if rest.iter().all(|other| other == first) => {
			format!("{first} x {}", remaining_wh.len())
		}
		several => {
			let words: Vec<String> = several.iter().map(u64::to_string).collect();
			words.join(" ")
		}
	}
}

async fn list(context: &Context, args: OfferListArgs) -> Result<Report, Failure> {
	let account = if args.mine {
		Some(context.account(&args.who)?)
	} else {
		context.account_if_any(&args.who)?
	};
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	let mut offers = client.offers(zone).await?;
	if args.mine {
		offers.retain(|offer| Some(&offer.maker) == account.as_ref());
	}
	Ok(list_report(zone, &offers))
}

fn list_report(zone: energy_primitives::ZoneId, offers: &[OpenOffer]) -> Report {
	let rows: Vec<_> = offers
		.iter()
		.map(|offer| {
			let request = &offer.request;
			vec![
				offer.id.to_string(),
				side_word(request.side).into(),
				format_price(request.price),
				request.first.to_string(),
				remaining_words(&offer.remaining_wh),
				request.minimum_wh.to_string(),
				kind_word(request.kind).into(),
				address::format(&offer.maker),
				audience_words(&request.audience),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("No offers wait in zone {zone}.")
	} else {
		table(
			&[
				("id", Align::Right),
				("side", Align::Left),
				("per kWh", Align::Right),
				("slot", Align::Right),
				("left, Wh", Align::Left),
				("at least", Align::Right),
				("kind", Align::Left),
				("by", Align::Left),
				("for", Align::Left),
			],
			&rows,
		)
	};
	let json = json!({
		"zone": zone,
		"offers": offers.iter().map(|offer| {
			let mut json = request_json(&offer.request);
			json["id"] = json!(offer.id);
			json["maker"] = address::format(&offer.maker).into();
			json["remainingWh"] = json!(offer.remaining_wh);
			json
		}).collect::<Vec<_>>(),
	});
	Report::new(json, words)
}

async fn accept(context: &Context, args: OfferAcceptArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let client = context.connect().await?;
	// One may accept offers of one's own zone only.
	let zone = choose_zone(&client, &ZoneChoice { zone: None }, Some(&account)).await?;
	let clock = client.clock(zone).await?;
	let slot = chosen_slot(&clock, args.slot)?;
	progress(context, "sent; waiting for a block");
	let call = calls::accept_offer(args.id, slot, args.energy.energy_wh(), args.kind.into());
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let accepted: OfferAccepted = outcome.event("EnergyMarket", "OfferAccepted")?;
	let (verb, partner) = if accepted.buyer == account {
		("bought", &accepted.seller)
	} else {
		("sold", &accepted.buyer)
	};
	let words = format!(
		"You {verb} {} in slot {} at {} per kWh.\n\n{}",
		format_energy(accepted.energy_wh),
		accepted.slot,
		format_price(accepted.price),
		pairs(&[
			("delivery", slot_times(&clock, accepted.slot)),
			("partner", address::format(partner)),
			("kind", kind_word(accepted.kind).into()),
			block_pair(&outcome),
		])
	);
	let json = json!({
		"id": accepted.id,
		"zone": accepted.zone,
		"slot": accepted.slot,
		"buyer": address::format(&accepted.buyer),
		"seller": address::format(&accepted.seller),
		"kind": kind_word(accepted.kind),
		"price": format_price(accepted.price),
		"energyWh": accepted.energy_wh,
	});
	Ok(Report::new(with_block(json, &outcome), words))
}

async fn withdraw(context: &Context, id: OfferId, submit: &SubmitArgs) -> Result<Report, Failure> {
	let key = signer(context, &submit.signer)?;
	let client = context.connect().await?;
	progress(context, "sent; waiting for a block");
	let call = calls::withdraw_offer(id);
	let outcome = client.submit_until(&key, &call, submit.wait.into()).await?;
	let words = format!(
		"Offer {id} is withdrawn; its money is free again, and what was accepted stays.\n\n{}",
		pairs(&[block_pair(&outcome)])
	);
	Ok(Report::new(with_block(json!({ "id": id }), &outcome), words))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_is_left_is_said_short_when_it_is_the_same_everywhere() {
		assert_eq!(remaining_words(&[1_500]), "1500");
		assert_eq!(remaining_words(&[1_500; 4]), "1500 x 4");
		assert_eq!(remaining_words(&[1_500, 0, 7]), "1500 0 7");
		assert_eq!(remaining_words(&[]), "");
	}
}
