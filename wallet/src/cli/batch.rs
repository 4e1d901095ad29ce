//! `batch`: many orders from a file.

use std::path::Path;

use codec::Decode;
use energy_primitives::{api::Clock, OrderRequest, Side};
use serde_json::{json, Map, Value};

use super::{
	args::{BatchArgs, MomentChoice, SlotChoice},
	block_pair, choose_zone, existing_zone,
	market::{chosen_moment, chosen_slot, halt_words},
	orders::{check_agent, placed_json, placed_or_rejected, side_word},
	progress,
	secrets::signer,
	text::{pairs, table, Align},
	with_block, Context, Failure, Report, FAILED,
};
use crate::{
	address, calls,
	client::{account_of, ChainClient, ClientError},
	units::{format_money, format_price, parse_price},
};

/// An order as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
	slot: SlotChoice,
	side: Side,
	price: u64,
	energy_wh: u64,
	minimum_wh: u64,
	expires: Option<MomentChoice>,
}

impl Line {
	/// Reads the names and values of one order; numbers may be text.
	fn new(fields: &Map<String, Value>) -> Result<Self, String> {
		const NAMES: [&str; 6] = ["slot", "side", "price", "energyWh", "minimumWh", "expires"];
		if let Some(name) = fields.keys().find(|name| !NAMES.contains(&name.as_str())) {
			return Err(format!("`{name}` is no field of an order: {}", NAMES.join(", ")));
		}
		let optional = |name: &str| match fields.get(name) {
			None | Some(Value::Null) => Ok(None),
			Some(Value::String(text)) if text.is_empty() => Ok(None),
			Some(Value::String(text)) => Ok(Some(text.clone())),
			Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
			Some(Value::Number(_)) => {
				Err(format!("{name}: write it in quotes, so that it stays exact"))
			}
			Some(_) => Err(format!("{name}: neither a number nor a text")),
		};
		let text = |name: &str| optional(name)?.ok_or_else(|| format!("{name} is missing"));
		let energy = |name: &str, text: String| {
			text.parse::<u64>().map_err(|_| format!("{name}: `{text}` is no number of whole Wh"))
		};
		Ok(Self {
			slot: text("slot")?.parse()?,
			side: match text("side")?.as_str() {
				"bid" => Side::Bid,
				"ask" => Side::Ask,
				other => return Err(format!("side: `{other}` is neither bid nor ask")),
			},
			price: parse_price(&text("price")?).map_err(|error| format!("price: {error}"))?,
			energy_wh: energy("energyWh", text("energyWh")?)?,
			minimum_wh: optional("minimumWh")?
				.map_or(Ok(0), |minimum| energy("minimumWh", minimum))?,
			expires: optional("expires")?.map(|moment| moment.parse()).transpose()?,
		})
	}

	/// The order that is meant at a clock's time.
	fn request(&self, clock: &Clock) -> Result<OrderRequest, Failure> {
		Ok(OrderRequest {
			slot: chosen_slot(clock, self.slot)?,
			side: self.side,
			price: self.price,
			energy_wh: self.energy_wh,
			minimum_wh: self.minimum_wh,
			expires_seconds: self
				.expires
				.map(|moment| chosen_moment(clock.now_seconds, moment))
				.transpose()?,
		})
	}
}

/// Reads a file of orders: JSON if it begins like a list, else CSV.
fn read_orders(path: &Path) -> Result<Vec<Line>, Failure> {
	let text = std::fs::read_to_string(path)
		.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
	parse_orders(&text).map_err(|error| {
		Failure::with_help(
			format!("{} does not hold orders: {error}", path.display()),
			"`batch --help` explains the file",
		)
	})
}

fn parse_orders(text: &str) -> Result<Vec<Line>, String> {
	let rows =
		if text.trim_start().starts_with('[') { rows_of_json(text)? } else { rows_of_csv(text)? };
	if rows.is_empty() {
		return Err("there are none".into());
	}
	(1..)
		.zip(&rows)
		.map(|(number, row)| Line::new(row).map_err(|error| format!("order {number}: {error}")))
		.collect()
}

fn rows_of_json(text: &str) -> Result<Vec<Map<String, Value>>, String> {
	serde_json::from_str(text).map_err(|error| error.to_string())
}

fn rows_of_csv(text: &str) -> Result<Vec<Map<String, Value>>, String> {
	let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
	let names = reader.headers().map_err(|error| error.to_string())?.clone();
	reader
		.records()
		.map(|record| {
			let record = record.map_err(|error| error.to_string())?;
			let fields = names.iter().zip(&record);
			Ok(fields.map(|(name, value)| (name.to_owned(), value.into())).collect())
		})
		.collect()
}

/// How many orders the chain takes in one batch.
async fn most_orders(client: &ChainClient) -> Result<u32, ClientError> {
	let bytes = client.constant("EnergyMarket", "MaxBatch").await?.unwrap_or_default();
	u32::decode(&mut bytes.as_slice()).map_err(|error| ClientError::Undecodable {
		what: "the constant EnergyMarket.MaxBatch".into(),
		reason: error.to_string(),
	})
}

/// `batch`.
pub async fn run(context: &Context, args: BatchArgs) -> Result<Report, Failure> {
	// What is wrong with the file is said before anybody types a passphrase.
	let lines = read_orders(&args.file)?;
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let owner = args.owner.as_ref().filter(|owner| **owner != account);
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(owner.unwrap_or(&account))).await?;
	if let Some(reason) = existing_zone(&client, zone).await?.halted {
		return Err(Failure::with_help(
			format!("the market of zone {zone} is halted: {}", halt_words(reason)),
			"your money is safe where it is; try again when governance has resumed the market",
		));
	}
	let most = most_orders(&client).await?;
	if lines.len() > most as usize {
		return Err(Failure::with_help(
			format!("the file has {} orders, the chain takes {most} at a time", lines.len()),
			"split the file",
		));
	}
	let clock = client.clock(zone).await?;
	let requests: Vec<OrderRequest> =
		lines.iter().map(|line| line.request(&clock)).collect::<Result<_, _>>()?;
	if let Some(owner) = owner {
		check_agent(&client, &clock, owner, &account, 0).await?;
	}

	progress(context, "sent; waiting for a block");
	let call = calls::place_batch(zone, owner, &requests);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let results = placed_or_rejected(&outcome)?;
	if results.len() != requests.len() {
		return Err(ClientError::EventMissing { event: "EnergyMarket.OrderPlaced".into() }.into());
	}

	let mut rows = Vec::new();
	let mut orders = Vec::new();
	let mut rejections = 0u32;
	for (request, result) in requests.iter().zip(&results) {
		let mut row = vec![
			request.slot.to_string(),
			side_word(request.side).into(),
			request.energy_wh.to_string(),
			format_price(request.price),
		];
		match result {
			Ok(placed) => {
				row.extend([placed.index.to_string(), format_money(placed.held), String::new()]);
				orders.push(placed_json(placed, request));
			}
			Err(rejected) => {
				rejections = rejections.saturating_add(1);
				let failure = client.explain(&rejected.error).await?;
				row.extend([String::new(), String::new(), failure.to_string()]);
				orders.push(json!({
					"slot": request.slot,
					"side": side_word(request.side),
					"price": format_price(request.price),
					"energyWh": request.energy_wh,
					"error": {
						"name": failure.name,
						"message": failure.to_string(),
						"help": failure.help(),
					},
				}));
			}
		}
		rows.push(row);
	}
	let mut facts = Vec::new();
	if let Some(owner) = owner {
		facts.push(("for", address::format(owner)));
	}
	facts.push(block_pair(&outcome));
	let placed = results.len() - rejections as usize;
	let words = format!(
		"{placed} of {} orders are in the book.\n\n{}\n\n{}",
		results.len(),
		table(
			&[
				("slot", Align::Right),
				("side", Align::Left),
				("Wh", Align::Right),
				("per kWh", Align::Right),
				("order", Align::Right),
				("held", Align::Right),
				("", Align::Left),
			],
			&rows,
		),
		pairs(&facts)
	);
	let json = json!({ "zone": zone, "placed": placed, "rejected": rejections, "orders": orders });
	let mut report = Report::new(with_block(json, &outcome), words);
	if rejections > 0 {
		report.status = FAILED;
	}
	Ok(report)
}

#[cfg(test)]
mod tests {
	use super::*;
	use energy_primitives::{Slot, SlotCalendar};

	const FIRST: Line = Line {
		slot: SlotChoice::After(4),
		side: Side::Bid,
		price: 250_000,
		energy_wh: 1_500,
		minimum_wh: 0,
		expires: None,
	};
	const SECOND: Line = Line {
		slot: SlotChoice::Number(7),
		side: Side::Ask,
		price: 200_000,
		energy_wh: 800,
		minimum_wh: 400,
		expires: Some(MomentChoice::After(600)),
	};

	#[test]
	fn orders_are_read_from_json() {
		let text = r#" [
			{"slot": "+4", "side": "bid", "price": "0.25", "energyWh": 1500},
			{"slot": 7, "side": "ask", "price": "0.2", "energyWh": "800", "minimumWh": 400,
			 "expires": "+10m"}
		]"#;
		assert_eq!(parse_orders(text), Ok(vec![FIRST, SECOND]));
	}

	#[test]
	fn orders_are_read_from_csv() {
		let text = "slot,side,price,energyWh\n+4,bid,0.25,1500\n";
		assert_eq!(parse_orders(text), Ok(vec![FIRST]));
		let text = "side, slot, energyWh, price, minimumWh, expires\r\n\
		            bid, +4, 1500, 0.25, ,\r\n\
		            ask, 7, 800, 0.2, 400, +600\r\n";
		assert_eq!(parse_orders(text), Ok(vec![FIRST, SECOND]));
	}

	#[test]
	fn orders_are_refused_with_their_number_and_the_field() {
		let json = |fields: &str| {
			let good = r#"{"slot": 1, "side": "bid", "price": "0.25", "energyWh": 1}"#;
			parse_orders(&format!("[{good}, {{{fields}}}]")).expect_err("is refused")
		};
		for (fields, words) in [
			(r#""slot": 1"#, "order 2: side is missing"),
			(r#""slot": 1.5"#, "order 2: slot: write it in quotes"),
			(r#""slot": "soon""#, "is not a slot"),
			(r#""slot": 1, "side": "buy""#, "neither bid nor ask"),
			(r#""slot": 1, "side": "bid", "price": 0.25"#, "price: write it in quotes"),
			(r#""slot": 1, "side": "bid", "price": "0,25""#, "price: `0,25`"),
			(r#""slot": 1, "side": "bid", "price": "1""#, "energyWh is missing"),
			(r#""slot": 1, "side": "bid", "price": "1", "energyWh": -1"#, "energyWh: write it"),
			(r#""slot": 1, "side": "bid", "price": "1", "energyWh": "1kWh""#, "whole Wh"),
			(r#""slot": 1, "side": "bid", "price": "1", "energyWh": []"#, "neither a number"),
			(r#""kwh": 1"#, "`kwh` is no field of an order"),
		] {
			let error = json(fields);
			assert!(error.contains(words), "{fields}: {error}");
		}
		for text in ["", "[]", "slot,side,price,energyWh\n", "[1]", "[{\"slot\": 1}"] {
			assert!(parse_orders(text).is_err(), "{text:?}");
		}
		let short = parse_orders("slot,side,price,energyWh\n+4,bid,0.25\n");
		assert!(short.is_err(), "a line with fields missing is no order");
	}

	#[test]
	fn order_is_meant_at_the_chains_time() {
		let calendar = SlotCalendar::uniform(100);
		let clock = Clock { now_seconds: 1_000, slot: Slot(10), calendar };
		let request = SECOND.request(&clock).expect("is an order");
		assert_eq!((request.slot, request.expires_seconds), (Slot(7), Some(1_600)));
		assert_eq!(FIRST.request(&clock).expect("is an order").slot, Slot(14));
	}
}
