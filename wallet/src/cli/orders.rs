//! `bid`, `ask`, `replace`, `cancel`.

use energy_primitives::{api::Clock, AccountId, MarketTerms, OrderRequest, Side, Slot, ZoneId};
use serde_json::{json, Value};

use super::{
	args::{CancelArgs, OrderArgs, ReplaceArgs},
	block_pair, choose_zone, existing_zone,
	market::{
		chosen_moment, chosen_slot, first_open_slot, gate_closes, halt_words, no_market, slot_times,
	},
	progress,
	secrets::signer,
	text::{self, pairs},
	with_block, Context, Failure, Report,
};
use crate::{
	address,
	calls::{self, OrderPlaced, OrderRejected},
	client::{account_of, ChainClient, ClientError, TxOutcome},
	units::{format_energy, format_money, format_price},
};

/// `bid`.
pub async fn bid(context: &Context, args: OrderArgs) -> Result<Report, Failure> {
	place(context, args, Side::Bid).await
}

/// `ask`.
pub async fn ask(context: &Context, args: OrderArgs) -> Result<Report, Failure> {
	place(context, args, Side::Ask).await
}

async fn place(context: &Context, args: OrderArgs, side: Side) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	// An agent that is its own owner is none.
	let owner = args.owner.as_ref().filter(|owner| **owner != account);
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(owner.unwrap_or(&account))).await?;
	let clock = client.clock(zone).await?;
	let slot = chosen_slot(&clock, args.slot)?;
	let request = OrderRequest {
		slot,
		side,
		price: args.price,
		energy_wh: args.energy.energy_wh(),
		minimum_wh: args.conditions.minimum_wh.unwrap_or(0),
		expires_seconds: args
			.conditions
			.expires
			.map(|choice| chosen_moment(clock.now_seconds, choice))
			.transpose()?,
	};
	check_order(&clock, &terms_of(&client, zone, slot).await?, &request)?;
	if let Some(owner) = owner {
		check_agent(&client, &clock, owner, &account, request.energy_wh).await?;
	}

	let is_plain = owner.is_none() && request.minimum_wh == 0 && request.expires_seconds.is_none();
	let call = if is_plain {
		calls::place(zone, slot, side, request.price, request.energy_wh)
	} else {
		calls::place_batch(zone, owner, &[request])
	};
	progress(context, "sent; waiting for a block");
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	if let Some(Err(rejected)) = placed_or_rejected(&outcome)?.first() {
		return Err(refused(&client, rejected).await?);
	}
	let placed: OrderPlaced = outcome.event("EnergyMarket", "OrderPlaced")?;

	let mut lines = vec![("delivery", slot_times(&clock, slot))];
	if let Some(owner) = owner {
		lines.push(("for", address::format(owner)));
	}
	lines.extend(condition_pairs(&request));
	lines.extend([("held", format_money(placed.held)), block_pair(&outcome)]);
	let words = format!("{}\n\n{}", placed_words(&placed), pairs(&lines));
	Ok(Report::new(with_block(placed_json(&placed, &request), &outcome), words))
}

/// What a placed order says of itself.
fn placed_words(placed: &OrderPlaced) -> String {
	format!(
		"Order {} is in the book: {} {} in slot {} at {} per kWh or better.",
		placed.index,
		verb(placed.side),
		format_energy(placed.energy_wh),
		placed.slot,
		format_price(placed.price)
	)
}

fn verb(side: Side) -> &'static str {
	match side {
		Side::Bid => "buy",
		Side::Ask => "sell",
	}
}

/// A side in one word.
pub fn side_word(side: Side) -> &'static str {
	match side {
		Side::Bid => "bid",
		Side::Ask => "ask",
	}
}

fn condition_pairs(request: &OrderRequest) -> Vec<(&'static str, String)> {
	let mut lines = Vec::new();
	if request.minimum_wh > 0 {
		lines.push(("at least", format_energy(request.minimum_wh)));
	}
	if let Some(expiry) = request.expires_seconds {
		lines.push(("expires", text::time(expiry)));
	}
	lines
}

/// A placed order for programs.
pub fn placed_json(placed: &OrderPlaced, request: &OrderRequest) -> Value {
	json!({
		"zone": placed.zone,
		"slot": placed.slot,
		"order": placed.index,
		"side": side_word(placed.side),
		"account": address::format(&placed.account),
		"price": format_price(placed.price),
		"energyWh": placed.energy_wh,
		"minimumWh": request.minimum_wh,
		"expires": request.expires_seconds.map(text::utc),
		"expiresSeconds": request.expires_seconds,
		"held": format_money(placed.held),
	})
}

/// What became of each order of a transaction, in order.
pub fn placed_or_rejected(
	outcome: &TxOutcome,
) -> Result<Vec<Result<OrderPlaced, OrderRejected>>, ClientError> {
	outcome
		.events
		.iter()
		.filter(|event| event.pallet == "EnergyMarket")
		.filter_map(|event| match event.name.as_str() {
			"OrderPlaced" => Some(event.decode().map(Ok)),
			"OrderRejected" => Some(event.decode().map(Err)),
			_ => None,
		})
		.collect()
}

/// The failure of a command whose only order was not placed.
async fn refused(client: &ChainClient, rejected: &OrderRejected) -> Result<Failure, Failure> {
	let failure = client.explain(&rejected.error).await?;
	Ok(Failure {
		message: format!("the chain refused it: {failure}"),
		help: failure.help().map(Into::into),
	})
}

/// The terms of a slot in which orders may be placed.
async fn terms_of(client: &ChainClient, zone: ZoneId, slot: Slot) -> Result<MarketTerms, Failure> {
	let zone_summary = existing_zone(client, zone).await?;
	if let Some(reason) = zone_summary.halted {
		return Err(Failure::with_help(
			format!("the market of zone {zone} is halted: {}", halt_words(reason)),
			"your money is safe where it is; try again when governance has resumed the market",
		));
	}
	let summary = client.slot(zone, slot).await?;
	summary.map(|summary| summary.terms).or(zone_summary.terms).ok_or_else(|| no_market(zone))
}

/// Whether an agent may place so much for an owner.
pub async fn check_agent(
	client: &ChainClient,
	clock: &Clock,
	owner: &AccountId,
	agent: &AccountId,
	energy_wh: u64,
) -> Result<(), Failure> {
	let Some(limits) = client.agent(owner, agent).await? else {
		return Err(Failure::with_help(
			format!(
				"{} lets no agent {} place orders for it",
				address::format(owner),
				address::format(agent)
			),
			"the owner does with `agent set`",
		));
	};
	if clock.now_seconds > limits.until_seconds {
		return Err(Failure::with_help(
			format!("the agent's time was over at {}", text::time(limits.until_seconds)),
			"the owner gives more with `agent set`",
		));
	}
	if energy_wh > limits.max_order_wh {
		return Err(Failure::with_help(
			format!(
				"{} is more than the agent may ask for at once ({})",
				format_energy(energy_wh),
				format_energy(limits.max_order_wh)
			),
			"split it into several orders",
		));
	}
	Ok(())
}

/// What the chain would refuse, found before anything is signed.
fn check_order(clock: &Clock, terms: &MarketTerms, order: &OrderRequest) -> Result<(), Failure> {
	let slot = order.slot;
	let gate = gate_closes(clock, terms, slot);
	if gate <= clock.now_seconds {
		let open = first_open_slot(clock, terms);
		return Err(Failure::with_help(
			format!(
				"the gate of slot {slot} closed at {}; orders are taken until {} before the slot",
				text::time(gate),
				text::duration(terms.gate_closure_seconds.into())
			),
			format!("the next open slot is {open} (+{})", open.0.saturating_sub(clock.slot.0)),
		));
	}
	check_price(terms, order.price)?;
	check_energy(terms, order.energy_wh, order.minimum_wh)?;
	match order.expires_seconds {
		Some(expiry) if expiry <= clock.now_seconds => Err(Failure::with_help(
			format!("the order would expire at {}, which is over", text::time(expiry)),
			format!("the chain's time is {}", text::time(clock.now_seconds)),
		)),
		_ => Ok(()),
	}
}

/// Whether a price is one of the auction's.
pub fn check_price(terms: &MarketTerms, price: u64) -> Result<(), Failure> {
	if terms.tick_of(price).is_some() {
		return Ok(());
	}
	let cap = terms.price_cap();
	let near = if price < terms.price_floor {
		format!("the lowest price is {}", format_price(terms.price_floor))
	} else if price > cap {
		format!("the highest price is {}", format_price(cap))
	} else {
		// Between floor and cap and off the grid, so there is a tick on either side.
		let below = price - (price - terms.price_floor).checked_rem(terms.tick_size).unwrap_or(0);
		format!(
			"next to it are {} and {}",
			format_price(below),
			format_price(below.saturating_add(terms.tick_size))
		)
	};
	Err(Failure::with_help(
		format!(
			"{} is not a price of this market: they go from {} (floor) to {} (cap) per kWh, in \
			 steps of {}",
			format_price(price),
			format_price(terms.price_floor),
			format_price(cap),
			format_price(terms.tick_size)
		),
		near,
	))
}

/// Whether one order may be for so much energy.
pub fn check_energy(terms: &MarketTerms, energy_wh: u64, minimum_wh: u64) -> Result<(), Failure> {
	if energy_wh == 0 {
		return Err(Failure::new("an order is for at least 1 Wh"));
	}
	if energy_wh > terms.max_order_wh {
		return Err(Failure::with_help(
			format!(
				"{} is more than one order may be for ({})",
				format_energy(energy_wh),
				format_energy(terms.max_order_wh)
			),
			"split it into several orders",
		));
	}
	if minimum_wh > energy_wh {
		return Err(Failure::new(format!(
			"the least that is accepted ({}) is more than all ({})",
			format_energy(minimum_wh),
			format_energy(energy_wh)
		)));
	}
	Ok(())
}

/// `replace`.
pub async fn replace(context: &Context, args: ReplaceArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let clock = client.clock(zone).await?;
	let slot = chosen_slot(&clock, args.slot)?;
	let Some(old) = client.order(zone, slot, args.order).await? else {
		return Err(Failure::with_help(
			format!("there is no open order {} in slot {slot} of zone {zone}", args.order),
			"`orders` lists your open orders with their slots and numbers",
		));
	};
	let change = &args.change;
	let request = OrderRequest {
		slot: change.to_slot.map_or(Ok(slot), |choice| chosen_slot(&clock, choice))?,
		side: old.side,
		price: change.price.unwrap_or(old.price),
		energy_wh: change.energy_wh.or(change.kwh).unwrap_or(old.energy_wh),
		minimum_wh: change.minimum_wh.unwrap_or(old.minimum_wh),
		expires_seconds: change
			.expires
			.map(|choice| chosen_moment(clock.now_seconds, choice))
			.transpose()?
			.or(old.expires_seconds),
	};
	check_order(&clock, &terms_of(&client, zone, request.slot).await?, &request)?;
	if old.account != account {
		check_agent(&client, &clock, &old.account, &account, request.energy_wh).await?;
	}

	progress(context, "sent; waiting for a block");
	let call = calls::replace(zone, slot, args.order, &request);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let placed: OrderPlaced = outcome.event("EnergyMarket", "OrderPlaced")?;
	let mut lines = vec![("delivery", slot_times(&clock, placed.slot))];
	lines.extend(condition_pairs(&request));
	lines.extend([("held", format_money(placed.held)), block_pair(&outcome)]);
	let words = format!(
		"Order {} of slot {slot} is out of the book. {}\n\n{}",
		args.order,
		placed_words(&placed),
		pairs(&lines)
	);
	let mut json = placed_json(&placed, &request);
	json["replaced"] = json!({ "slot": slot, "order": args.order });
	Ok(Report::new(with_block(json, &outcome), words))
}

/// `cancel`.
pub async fn cancel(context: &Context, args: CancelArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let slot = chosen_slot(&client.clock(zone).await?, args.slot)?;
	progress(context, "sent; waiting for a block");
	let call = calls::cancel(zone, slot, args.order);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let words = format!(
		"Order {} of slot {slot} is out of the book; its money is free again.\n\n{}",
		args.order,
		pairs(&[block_pair(&outcome)])
	);
	let json = json!({ "zone": zone, "slot": slot, "order": args.order });
	Ok(Report::new(with_block(json, &outcome), words))
}

#[cfg(test)]
mod tests {
	use super::{
		super::market::tests::{clock, terms},
		*,
	};
	use crate::client::ChainEvent;
	use codec::Encode;
	use energy_primitives::OrderIndex;
	use sp_core::H256;
	use sp_runtime::DispatchError;

	fn order(slot: u32, price: u64, energy_wh: u64) -> OrderRequest {
		OrderRequest {
			slot: Slot(slot),
			side: Side::Bid,
			price,
			energy_wh,
			minimum_wh: 0,
			expires_seconds: None,
		}
	}

	fn check(now: u64, order: OrderRequest) -> Result<(), Failure> {
		check_order(&clock(now), &terms(), &order)
	}

	fn refusal(now: u64, order: OrderRequest) -> Failure {
		check(now, order).expect_err("is refused")
	}

	#[test]
	fn order_is_refused_when_the_gate_is_closed() {
		assert!(check(1039, order(11, 250_000, 1)).is_ok());
		let failure = refusal(1040, order(11, 250_000, 1));
		assert!(failure.message.contains("closed"), "{}", failure.message);
		assert_eq!(failure.help.as_deref(), Some("the next open slot is 12 (+2)"));
	}

	#[test]
	fn order_is_refused_when_the_price_is_off_the_grid() {
		let failure = refusal(1000, order(12, 255_000, 1));
		assert_eq!(
			failure.message,
			"0.255 is not a price of this market: they go from 0.05 (floor) to 0.50 (cap) per kWh, \
			 in steps of 0.01"
		);
		assert_eq!(failure.help.as_deref(), Some("next to it are 0.25 and 0.26"));
		let low = refusal(1000, order(12, 40_000, 1));
		assert_eq!(low.help.as_deref(), Some("the lowest price is 0.05"));
		let high = refusal(1000, order(12, 510_000, 1));
		assert_eq!(high.help.as_deref(), Some("the highest price is 0.50"));
		assert!(check(1000, order(12, 500_000, 1)).is_ok());
	}

	#[test]
	fn order_is_refused_when_the_energy_is_none_or_too_much() {
		assert!(refusal(1000, order(12, 250_000, 0)).message.contains("at least 1 Wh"));
		assert!(refusal(1000, order(12, 250_000, 10_001)).message.contains("10.001 kWh"));
		assert!(check(1000, order(12, 250_000, 10_000)).is_ok());
	}

	#[test]
	fn order_is_refused_when_its_conditions_cannot_hold() {
		let minimum = |minimum_wh| OrderRequest { minimum_wh, ..order(12, 250_000, 1_000) };
		assert!(check(1000, minimum(1_000)).is_ok());
		assert!(refusal(1000, minimum(1_001)).message.contains("1.001 kWh"));
		let expires =
			|second| OrderRequest { expires_seconds: Some(second), ..order(12, 250_000, 1) };
		assert!(check(1000, expires(1_001)).is_ok());
		assert!(refusal(1000, expires(1_000)).message.contains("would expire"));
	}

	#[test]
	fn results_of_a_batch_come_in_its_order() {
		let account = AccountId::new([1; 32]);
		let placed = OrderPlaced {
			zone: ZoneId(1),
			slot: Slot(12),
			index: OrderIndex(3),
			account: account.clone(),
			side: Side::Ask,
			price: 250_000,
			energy_wh: 1,
			minimum_wh: 0,
			expires_seconds: Some(7),
			standing: None,
			held: 2,
		};
		let rejected = OrderRejected {
			zone: ZoneId(1),
			slot: Slot(9),
			account,
			item: 0,
			error: DispatchError::BadOrigin,
		};
		let event = |pallet: &str, name: &str, fields: Vec<u8>| ChainEvent {
			pallet: pallet.into(),
			name: name.into(),
			fields,
		};
		let outcome = TxOutcome {
			transaction_hash: H256::zero(),
			block_hash: H256::zero(),
			block_number: 1,
			events: vec![
				event("Assets", "Transferred", Vec::new()),
				event("EnergyMarket", "OrderRejected", rejected.encode()),
				event("EnergyMarket", "OrderPlaced", placed.encode()),
				event("System", "ExtrinsicSuccess", Vec::new()),
			],
		};
		assert_eq!(placed_or_rejected(&outcome).expect("decodes"), [Err(rejected), Ok(placed)]);
	}
}
