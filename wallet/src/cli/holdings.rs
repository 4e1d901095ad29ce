//! What an account has in the market: `orders`, `positions`, `meters`.

use energy_primitives::{api::Clock, AccountId, Position, Slot, ZoneId};
use futures::{stream, StreamExt, TryStreamExt};
use serde_json::json;
use wia_ene_014::canonical::DeviceKey;

use super::{
	args::{SlotsArgs, ZonedReadArgs},
	bill::agreed_json,
	choose_zone,
	market::chosen_slot,
	orders::side_word,
	text::{table, Align},
	Context, Failure, Report,
};
use crate::{
	address,
	client::{ChainClient, ClientError},
	units::{format_money, format_price},
};

/// How many questions are asked of a node at once.
const QUESTIONS_AT_ONCE: usize = 8;

/// The slots to look through.
fn slots_to_look_at(clock: &Clock, args: &SlotsArgs) -> Result<Vec<Slot>, Failure> {
	if let Some(choice) = args.slot {
		return Ok(vec![chosen_slot(clock, choice)?]);
	}
	let present = clock.slot.0;
	let first = present.saturating_sub(args.back);
	let last = present.saturating_add(args.ahead);
	Ok((first..=last).map(Slot).collect())
}

/// Whose, where, when: for `orders` and `positions`.
async fn looked_at(
	context: &Context,
	args: &SlotsArgs,
) -> Result<(ChainClient, AccountId, ZoneId, Vec<Slot>), Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let slots = slots_to_look_at(&client.clock(zone).await?, args)?;
	Ok((client, account, zone, slots))
}

/// `orders`.
pub async fn orders(context: &Context, args: SlotsArgs) -> Result<Report, Failure> {
	let (client, account, zone, slots) = looked_at(context, &args).await?;
	let client = &client;
	let own = &account;
	let found: Vec<_> = stream::iter(slots)
		.map(|slot| async move {
			Ok::<_, ClientError>((slot, client.orders(zone, slot, Some(own)).await?))
		})
		.buffered(QUESTIONS_AT_ONCE)
		.try_collect()
		.await?;
	let orders: Vec<_> = found
		.into_iter()
		.flat_map(|(slot, orders)| orders.into_iter().map(move |order| (slot, order)))
		.collect();

	let rows: Vec<_> = orders
		.iter()
		.map(|(slot, order)| {
			vec![
				slot.to_string(),
				order.index.to_string(),
				side_word(order.side).into(),
				order.energy_wh.to_string(),
				format_price(order.price),
				format_money(order.held),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("{} has no open orders in zone {zone}.", address::format(&account))
	} else {
		table(
			&[
				("slot", Align::Right),
				("order", Align::Right),
				("side", Align::Left),
				("Wh", Align::Right),
				("per kWh", Align::Right),
				("held", Align::Right),
			],
			&rows,
		)
	};
	let json = json!({
		"account": address::format(&account),
		"zone": zone,
		"orders": orders.iter().map(|(slot, order)| json!({
			"slot": slot,
			"order": order.index,
			"side": side_word(order.side),
			"energyWh": order.energy_wh,
			"price": format_price(order.price),
			"held": format_money(order.held),
		})).collect::<Vec<_>>(),
	});
	Ok(Report::new(json, words))
}

/// `positions`.
pub async fn positions(context: &Context, args: SlotsArgs) -> Result<Report, Failure> {
	let (client, account, zone, slots) = looked_at(context, &args).await?;
	let client = &client;
	let own = &account;
	let found: Vec<(Slot, Option<Position<AccountId>>)> = stream::iter(slots)
		.map(
			|slot| async move { Ok::<_, ClientError>((slot, client.position(zone, slot, own).await?)) },
		)
		.buffered(QUESTIONS_AT_ONCE)
		.try_collect()
		.await?;
	let positions: Vec<_> =
		found.into_iter().filter_map(|(slot, position)| Some((slot, position?))).collect();

	let rows: Vec<_> = positions
		.iter()
		.map(|(slot, position)| {
			vec![
				slot.to_string(),
				position.bought_wh.to_string(),
				position.sold_wh.to_string(),
				position.agreed.bought_wh.to_string(),
				position.agreed.sold_wh.to_string(),
				format_money(position.held),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("{} has no unsettled positions in zone {zone}.", address::format(&account))
	} else {
		table(
			&[
				("slot", Align::Right),
				("bought, Wh", Align::Right),
				("sold, Wh", Align::Right),
				("agreed to buy, Wh", Align::Right),
				("agreed to sell, Wh", Align::Right),
				("held", Align::Right),
			],
			&rows,
		)
	};
	let json = json!({
		"account": address::format(&account),
		"zone": zone,
		"positions": positions.iter().map(|(slot, position)| json!({
			"slot": slot,
			"boughtWh": position.bought_wh,
			"soldWh": position.sold_wh,
			"agreed": agreed_json(&position.agreed),
			"held": format_money(position.held),
		})).collect::<Vec<_>>(),
	});
	Ok(Report::new(json, words))
}

/// A device key as `register-meter` takes it.
fn device_key_words(key: &DeviceKey) -> String {
	match key {
		DeviceKey::Ed25519(bytes) => format!("ed25519:{}", hex::encode(bytes)),
		DeviceKey::P256(bytes) => format!("p256:{}", hex::encode(bytes)),
	}
}

/// `meters`.
pub async fn meters(context: &Context, args: ZonedReadArgs) -> Result<Report, Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let meters = client.meters_of(zone, &account).await?;
	let rows: Vec<_> = meters
		.iter()
		.map(|(id, meter)| {
			vec![
				meter.index.to_string(),
				format!("0x{id:?}"),
				meter.rated_power_w.to_string(),
				device_key_words(&meter.key),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("{} has no meters in zone {zone}.", address::format(&account))
	} else {
		table(
			&[
				("place", Align::Right),
				("meter", Align::Left),
				("W", Align::Right),
				("signs with", Align::Left),
			],
			&rows,
		)
	};
	let json = json!({
		"account": address::format(&account),
		"zone": zone,
		"meters": meters.iter().map(|(id, meter)| json!({
			"index": meter.index,
			"id": format!("0x{id:?}"),
			"ratedPowerW": meter.rated_power_w,
			"deviceKey": device_key_words(&meter.key),
		})).collect::<Vec<_>>(),
	});
	Ok(Report::new(json, words))
}
