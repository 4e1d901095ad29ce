//! `clock`, `zone`, `market`, `history`.

use energy_primitives::{
	api::{Clock, DepthLevel, PastSlot, SlotSummary, ZoneSummary},
	ClearingResult, HaltReason, ImbalancePricing, MarketTerms, MeteringStatus, Role, Slot,
	SlotState, ZoneId,
};
use serde_json::{json, Value};

use super::{
	args::{ClockArgs, HistoryArgs, MarketArgs, MomentChoice, SlotChoice, ZoneArgs},
	choose_zone, existing_zone,
	text::{self, pairs, table, Align},
	Context, Failure, Report,
};
use crate::{
	address,
	units::{format_energy, format_money, format_part, format_price},
};

/// The slot that was typed.
pub fn chosen_slot(clock: &Clock, choice: SlotChoice) -> Result<Slot, Failure> {
	choice
		.at(clock.slot)
		.ok_or_else(|| Failure::new("there is no such slot: its number does not fit"))
}

/// The moment that was typed, in seconds since 1970.
pub fn chosen_moment(now_seconds: u64, choice: MomentChoice) -> Result<u64, Failure> {
	choice
		.at(now_seconds)
		.ok_or_else(|| Failure::new("there is no such moment: its number does not fit"))
}

/// `14:15:00 to 14:30:00`, in local time.
pub fn slot_times(clock: &Clock, slot: Slot) -> String {
	format!(
		"{} to {}",
		text::time(clock.calendar.start_seconds(slot)),
		text::time_of_day(clock.calendar.end_seconds(slot))
	)
}

/// When the gate of a slot closes, seconds since 1970.
pub fn gate_closes(clock: &Clock, terms: &MarketTerms, slot: Slot) -> u64 {
	clock.calendar.start_seconds(slot).saturating_sub(terms.gate_closure_seconds.into())
}

/// The first slot whose gate is open.
pub fn first_open_slot(clock: &Clock, terms: &MarketTerms) -> Slot {
	let last_closed = clock.now_seconds.saturating_add(terms.gate_closure_seconds.into());
	clock.calendar.at(last_closed).next()
}

fn gate_words(clock: &Clock, gate: u64) -> String {
	match gate.checked_sub(clock.now_seconds) {
		Some(left) if left > 0 => format!("closes in {}", text::duration(left)),
		_ => "closed".into(),
	}
}

/// `clock`.
pub async fn clock(context: &Context, args: ClockArgs) -> Result<Report, Failure> {
	let account = context.account_if_any(&args.who)?;
	let client = context.connect().await?;

	// Without a zone there are no gates, but still a clock.
	let zone = match (args.zone.zone, &account) {
		(Some(zone), _) => Some(zone),
		(None, Some(account)) => client.participant(account).await?.map(|found| found.zone),
		(None, None) => None,
	};
	let terms = match zone {
		Some(zone) => existing_zone(&client, zone).await?.terms,
		None => None,
	};
	let clock = client.clock(zone.unwrap_or_default()).await?;
	let present = clock.slot;
	let slot_seconds = clock.calendar.slot_seconds(present);

	let mut rows = Vec::new();
	let mut slots = Vec::new();
	let mut slot = present;
	for _ in 0..args.count {
		let gate = terms.as_ref().map(|terms| gate_closes(&clock, terms, slot));
		rows.push(vec![
			slot.to_string(),
			if slot == present { "now".into() } else { format!("+{}", slot.0 - present.0) },
			slot_times(&clock, slot),
			gate.map_or_else(String::new, text::time_of_day),
			gate.map_or_else(String::new, |gate| gate_words(&clock, gate)),
		]);
		slots.push(json!({
			"slot": slot,
			"begins": text::utc(clock.calendar.start_seconds(slot)),
			"ends": text::utc(clock.calendar.end_seconds(slot)),
			"gateCloses": gate.map(text::utc),
			"gateClosesSeconds": gate,
			"gateOpen": gate.map(|gate| gate > clock.now_seconds),
		}));
		slot = slot.next();
	}
	let mut words = pairs(&[
		("now", text::time(clock.now_seconds)),
		("slot", format!("{present}, lasts {}", text::duration(slot_seconds.into()))),
		(
			"zone",
			match (zone, &terms) {
				(Some(zone), Some(_)) => zone.to_string(),
				(Some(zone), None) => format!("{zone}, which has no market"),
				(None, _) => "none named: gates are not known".into(),
			},
		),
	]);
	words.push_str("\n\n");
	words.push_str(&table(
		&[
			("slot", Align::Right),
			("", Align::Right),
			("delivery", Align::Left),
			("gate", Align::Left),
			("", Align::Left),
		],
		&rows,
	));
	let json = json!({
		"now": text::utc(clock.now_seconds),
		"nowSeconds": clock.now_seconds,
		"slotSeconds": slot_seconds,
		"calendar": clock.calendar,
		"slot": present,
		"zone": zone,
		"slots": slots,
	});
	Ok(Report::new(json, words))
}

/// The terms of a market in words of money.
fn terms_json(terms: &MarketTerms) -> Value {
	json!({
		"gateClosureSeconds": terms.gate_closure_seconds,
		"priceFloor": format_price(terms.price_floor),
		"priceStep": format_price(terms.tick_size),
		"priceCap": format_price(terms.price_cap()),
		"maxOrderWh": terms.max_order_wh,
		"gridFee": format_price(terms.grid_fee),
		"gridFeePpm": terms.grid_fee_ppm,
		"bondPpm": terms.bond_ppm,
		"tolerancePpm": terms.tolerance_ppm,
		"imbalancePricing": terms.imbalance_pricing,
		"shortagePrice": format_price(terms.shortage_price),
		"surplusPrice": format_price(terms.surplus_price),
		"policy": terms.policy.map(|policy| format!("{policy:?}")),
	})
}

fn price_range(terms: &MarketTerms) -> String {
	format!(
		"{} to {} per kWh in steps of {}",
		format_price(terms.price_floor),
		format_price(terms.price_cap()),
		format_price(terms.tick_size)
	)
}

fn terms_pairs(terms: &MarketTerms) -> Vec<(&'static str, String)> {
	vec![
		("prices", price_range(terms)),
		("largest order", format_energy(terms.max_order_wh)),
		(
			"gate",
			format!("closes {} before the slot", text::duration(terms.gate_closure_seconds.into())),
		),
		("grid fee", grid_fee_words(terms)),
		("bond", format!("{} of what not delivering costs", format_part(terms.bond_ppm))),
		("tolerance", format!("{} of a promise", format_part(terms.tolerance_ppm))),
		("not delivered", format!("costs {} per kWh", format_price(terms.shortage_price))),
		("not taken", format!("pays {} per kWh", format_price(terms.surplus_price))),
		(
			"imbalance",
			match terms.imbalance_pricing {
				ImbalancePricing::Dual => "a price for each".into(),
				ImbalancePricing::Single => {
					"one price for both: the first when the slot is short on balance, else the second"
						.into()
				}
			},
		),
		("policy", terms.policy.map_or_else(|| "none".into(), |policy| format!("{policy:?}"))),
	]
}

fn grid_fee_words(terms: &MarketTerms) -> String {
	let mut words = format!("{} per kWh", format_price(terms.grid_fee));
	if terms.grid_fee_ppm > 0 {
		let part = format_part(terms.grid_fee_ppm);
		words.push_str(&format!(" and {part} of the energy's price"));
	}
	words.push_str(", paid by the buyer");
	words
}

/// Why a market stands still, in words.
pub fn halt_words(reason: HaltReason) -> &'static str {
	match reason {
		HaltReason::Ordered => "the regulator or the council halted it",
		HaltReason::PolicyMissing => "it has no settlement policy",
		HaltReason::PolicyFailed => "its settlement policy failed",
		HaltReason::PolicyAnswerUnreadable => "its settlement policy answered nonsense",
		HaltReason::PolicyOverchargesParticipant => {
			"its settlement policy wanted more from somebody than is held"
		}
		HaltReason::PolicyOverpaysParticipant => {
			"its settlement policy wanted to pay more than the terms allow"
		}
		HaltReason::PolicyNotConserving => "its settlement policy's payments do not sum to zero",
		HaltReason::ImbalancePotShort => "its imbalance pot cannot pay what it owes",
		HaltReason::BooksInconsistent => "the books of the market contradict each other",
	}
}

/// `zone`.
pub async fn zone(context: &Context, args: ZoneArgs) -> Result<Report, Failure> {
	let account = context.account_if_any(&args.who)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	let summary = existing_zone(&client, zone).await?;

	let mut lines = vec![
		("zone", zone.to_string()),
		(
			"market",
			match (summary.halted, &summary.terms) {
				(Some(reason), _) => format!("halted: {}", halt_words(reason)),
				(None, Some(_)) => "runs".into(),
				(None, None) => "none: no terms are set".into(),
			},
		),
	];
	lines.extend(summary.terms.iter().flat_map(terms_pairs));
	lines.extend([
		("utility", summary.utility.as_ref().map_or_else(|| "none".into(), address::format)),
		("meters", summary.meters.to_string()),
		("oracles", format!("{} of {} must agree", summary.threshold, summary.oracles.len())),
	]);
	lines.extend(summary.oracles.iter().map(|oracle| ("", address::format(oracle))));
	lines.extend([
		("imbalance pot", format_money(summary.imbalance_pot)),
		("fee pot", format_money(summary.fee_pot)),
	]);
	let json = json!({
		"zone": zone,
		"halted": summary.halted,
		"terms": summary.terms.as_ref().map(terms_json),
		"utility": summary.utility.as_ref().map(address::format),
		"meters": summary.meters,
		"oracles": summary.oracles.iter().map(address::format).collect::<Vec<_>>(),
		"threshold": summary.threshold,
		"imbalancePot": format_money(summary.imbalance_pot),
		"feePot": format_money(summary.fee_pot),
		"imbalanceAccount": address::format(&summary.imbalance_account),
		"feeAccount": address::format(&summary.fee_account),
	});
	Ok(Report::new(json, pairs(&lines)))
}

/// A slot's state in words.
pub fn state_words(state: SlotState) -> &'static str {
	match state {
		SlotState::Open => "open: takes orders",
		SlotState::Clearing => "clearing: the price is known, orders are being filled",
		SlotState::Cleared => "cleared: waits for the meters",
		SlotState::Settling => "settling: the meters are known, money moves",
		SlotState::Settled => "settled",
		SlotState::Annulling => "being called off: everyone gets everything back",
		SlotState::Annulled => "called off: everyone has everything back",
	}
}

/// A slot's state in one word.
fn state_word(state: SlotState) -> &'static str {
	match state {
		SlotState::Open => "open",
		SlotState::Clearing => "clearing",
		SlotState::Cleared => "cleared",
		SlotState::Settling => "settling",
		SlotState::Settled => "settled",
		SlotState::Annulling => "being called off",
		SlotState::Annulled => "called off",
	}
}

/// `market`.
pub async fn market(context: &Context, args: MarketArgs) -> Result<Report, Failure> {
	let account = match args.zone.zone {
		Some(_) => None,
		None => context.account_if_any(&args.who)?,
	};
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	let zone_summary = existing_zone(&client, zone).await?;
	let clock = client.clock(zone).await?;
	let slot = match (args.slot, &zone_summary.terms) {
		(Some(choice), _) => chosen_slot(&clock, choice)?,
		(None, Some(terms)) => first_open_slot(&clock, terms),
		(None, None) => return Err(no_market(zone)),
	};
	let summary = client.slot(zone, slot).await?;
	let depth = client.depth(zone, slot).await?;
	Ok(market_report(zone, slot, &clock, &zone_summary, summary.as_ref(), &depth))
}

/// What is said of a zone without a market.
pub fn no_market(zone: ZoneId) -> Failure {
	Failure::with_help(
		format!("zone {zone} has no market: no terms are set"),
		"its utility sets them with `admin set-terms`",
	)
}

fn market_report(
	zone: ZoneId,
	slot: Slot,
	clock: &Clock,
	zone_summary: &ZoneSummary,
	summary: Option<&SlotSummary>,
	depth: &[DepthLevel],
) -> Report {
	let terms = summary.map(|summary| &summary.terms).or(zone_summary.terms.as_ref());
	let gate = summary
		.map(|summary| summary.gate_closes_seconds)
		.or_else(|| terms.map(|terms| gate_closes(clock, terms, slot)));
	let state = match summary {
		Some(summary) => state_words(summary.state).to_owned(),
		None if gate.is_some_and(|gate| gate > clock.now_seconds) => {
			"open: takes orders, has none yet".to_owned()
		}
		None => "nothing is known of it: nobody traded, or it is long settled".to_owned(),
	};
	let mut lines =
		vec![("zone", zone.to_string()), ("slot", format!("{slot}, {}", slot_times(clock, slot)))];
	if let Some(reason) = zone_summary.halted {
		lines.push(("halted", halt_words(reason).into()));
	}
	lines.push(("state", state));
	if let Some(gate) = gate {
		let words = gate_words(clock, gate);
		lines.push(("gate", format!("{} ({words})", text::time(gate))));
	}
	if let Some(terms) = terms {
		lines.push(("prices", price_range(terms)));
	}
	if let Some(summary) = summary {
		lines.push((
			"orders",
			format!(
				"{}: {} bid for, {} offered",
				summary.orders,
				format_energy(summary.bid_wh),
				format_energy(summary.ask_wh)
			),
		));
		if let Some(result) = summary.result {
			lines.push(("result", result_words(result)));
		}
		if summary.positions > 0 {
			lines.push(("positions", summary.positions.to_string()));
		}
		lines.push(("meters", metering_words(summary.metering).into()));
		if summary.state == SlotState::Settled {
			lines.push((
				"missed",
				format!(
					"{} not delivered, {} not taken, beyond the tolerance",
					format_energy(summary.deviations.shortage_wh),
					format_energy(summary.deviations.surplus_wh)
				),
			));
		}
	}
	let mut words = pairs(&lines);
	if !depth.is_empty() {
		words.push_str("\n\n");
		words.push_str(&ladder(depth));
	}

	let json = json!({
		"zone": zone,
		"slot": slot,
		"begins": text::utc(clock.calendar.start_seconds(slot)),
		"ends": text::utc(clock.calendar.end_seconds(slot)),
		"state": summary.map(|summary| summary.state),
		"halted": zone_summary.halted,
		"gateCloses": gate.map(text::utc),
		"gateClosesSeconds": gate,
		"gateOpen": gate.map(|gate| gate > clock.now_seconds),
		"terms": terms.map(terms_json),
		"orders": summary.map(|summary| summary.orders),
		"bidWh": summary.map(|summary| summary.bid_wh),
		"askWh": summary.map(|summary| summary.ask_wh),
		"result": summary.and_then(|summary| summary.result).map(result_json),
		"positions": summary.map(|summary| summary.positions),
		"metering": summary.map(|summary| summary.metering),
		"deviations": summary.map(|summary| summary.deviations),
		"depth": depth.iter().map(|level| json!({
			"price": format_price(level.price),
			"bidWh": level.bid_wh,
			"askWh": level.ask_wh,
		})).collect::<Vec<_>>(),
	});
	Report::new(json, words)
}

/// Price and volume of an auction, in words.
fn result_words(result: ClearingResult) -> String {
	let mut words =
		format!("{} at {} per kWh", format_energy(result.volume_wh), format_price(result.price));
	let energy = format_energy(result.net_import_wh.unsigned_abs());
	match result.net_import_wh {
		0 => {}
		1.. => words.push_str(&format!(", {energy} of it from other zones")),
		_ => words.push_str(&format!(", and {energy} for other zones")),
	}
	words
}

fn result_json(result: ClearingResult) -> Value {
	json!({
		"price": format_price(result.price),
		"volumeWh": result.volume_wh,
		"netImportWh": result.net_import_wh,
	})
}

fn metering_words(status: MeteringStatus) -> &'static str {
	match status {
		MeteringStatus::Pending => "not final yet",
		MeteringStatus::Final => "final",
	}
}

/// `history`.
pub async fn history(context: &Context, args: HistoryArgs) -> Result<Report, Failure> {
	let account = match args.zone.zone {
		Some(_) => None,
		None => context.account_if_any(&args.who)?,
	};
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	existing_zone(&client, zone).await?;
	let clock = client.clock(zone).await?;
	let last = match args.until {
		Some(choice) => chosen_slot(&clock, choice)?,
		None => clock.slot,
	};
	let end = last.next();
	let first = Slot(end.0.saturating_sub(args.count));
	let mut slots = client.slots(zone, first, end.0 - first.0).await?;
	// The newest first: what one looks for is mostly there.
	slots.reverse();
	Ok(history_report(zone, &clock, &slots))
}

fn history_report(zone: ZoneId, clock: &Clock, slots: &[PastSlot]) -> Report {
	let rows: Vec<_> = slots
		.iter()
		.map(|past| {
			vec![
				past.slot.to_string(),
				slot_times(clock, past.slot),
				state_word(past.state).into(),
				past.result.map_or_else(String::new, |result| format_price(result.price)),
				past.result.map_or_else(String::new, |result| result.volume_wh.to_string()),
				past.positions.to_string(),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("Nobody traded in these slots of zone {zone}, or they are no longer kept.")
	} else {
		table(
			&[
				("slot", Align::Right),
				("delivery", Align::Left),
				("state", Align::Left),
				("per kWh", Align::Right),
				("Wh", Align::Right),
				("positions", Align::Right),
			],
			&rows,
		)
	};
	let json = json!({
		"zone": zone,
		"slots": slots.iter().map(|past| json!({
			"slot": past.slot,
			"begins": text::utc(clock.calendar.start_seconds(past.slot)),
			"ends": text::utc(clock.calendar.end_seconds(past.slot)),
			"state": past.state,
			"result": past.result.map(result_json),
			"positions": past.positions,
		})).collect::<Vec<_>>(),
	});
	Report::new(json, words)
}

/// The book as a ladder: the dearest price on top, bids to the left, asks to the right.
fn ladder(depth: &[DepthLevel]) -> String {
	const BAR: u64 = 20;
	let most = depth.iter().flat_map(|level| [level.bid_wh, level.ask_wh]).max().unwrap_or(0);
	let bar = |energy_wh: u64| {
		let length = if energy_wh == 0 || most == 0 {
			0
		} else {
			let length = u128::from(energy_wh) * u128::from(BAR) / u128::from(most);
			// Whatever there is can be seen.
			length.max(1)
		};
		"█".repeat(usize::try_from(length).unwrap_or(0))
	};
	let figure =
		|energy_wh: u64| if energy_wh == 0 { String::new() } else { energy_wh.to_string() };

	let mut levels = depth.to_vec();
	levels.sort_by_key(|level| std::cmp::Reverse(level.price));
	let rows: Vec<_> = levels
		.iter()
		.map(|level| {
			vec![
				bar(level.bid_wh),
				figure(level.bid_wh),
				format_price(level.price),
				figure(level.ask_wh),
				bar(level.ask_wh),
			]
		})
		.collect();
	table(
		&[
			("", Align::Right),
			("bids, Wh", Align::Right),
			("per kWh", Align::Right),
			("asks, Wh", Align::Right),
			("", Align::Left),
		],
		&rows,
	)
}

/// The roles of an account in words.
pub fn role_words(roles: energy_primitives::Roles) -> String {
	let named = [
		(Role::Prosumer, "prosumer"),
		(Role::Aggregator, "aggregator"),
		(Role::Utility, "utility"),
		(Role::Oracle, "oracle"),
		(Role::Regulator, "regulator"),
		(Role::PaymentAgent, "payment agent"),
	];
	let words: Vec<&str> =
		named.iter().filter(|(role, _)| roles.contains(*role)).map(|(_, word)| *word).collect();
	words.join(", ")
}

#[cfg(test)]
pub(super) mod tests {
	use super::*;
	use energy_primitives::SlotCalendar;

	pub(in super::super) fn terms() -> MarketTerms {
		MarketTerms {
			gate_closure_seconds: 60,
			price_floor: 50_000,
			tick_size: 10_000,
			tick_count: 46,
			max_order_wh: 10_000,
			grid_fee: 20_000,
			grid_fee_ppm: 0,
			bond_ppm: 1_000_000,
			tolerance_ppm: 0,
			imbalance_pricing: ImbalancePricing::Dual,
			shortage_price: 400_000,
			surplus_price: 30_000,
			policy: None,
		}
	}

	/// Slot 10 lasts from 1000 to 1100.
	pub(in super::super) fn clock(now_seconds: u64) -> Clock {
		let calendar = SlotCalendar::uniform(100);
		Clock { now_seconds, slot: calendar.at(now_seconds), calendar }
	}

	#[test]
	fn first_open_slot_has_an_open_gate_and_the_one_before_has_none() {
		for now in 900..1200 {
			let clock = clock(now);
			let open = first_open_slot(&clock, &terms());
			assert!(gate_closes(&clock, &terms(), open) > now);
			assert!(gate_closes(&clock, &terms(), Slot(open.0 - 1)) <= now);
		}
	}

	#[test]
	fn result_names_what_came_from_other_zones() {
		let words = |net_import_wh| {
			result_words(ClearingResult { price: 250_000, volume_wh: 800, net_import_wh })
		};
		assert_eq!(words(0), "0.8 kWh at 0.25 per kWh");
		assert_eq!(words(300), "0.8 kWh at 0.25 per kWh, 0.3 kWh of it from other zones");
		assert_eq!(words(-300), "0.8 kWh at 0.25 per kWh, and 0.3 kWh for other zones");
	}

	#[test]
	fn terms_name_every_part() {
		let words = |terms: &MarketTerms| {
			pairs(&terms_pairs(terms)).split_whitespace().collect::<Vec<_>>().join(" ")
		};
		let plain = words(&terms());
		assert!(plain.contains("grid fee 0.02 per kWh, paid by the buyer bond 100 %"), "{plain}");
		assert!(plain.contains("tolerance 0 %"), "{plain}");
		let other = words(&MarketTerms {
			grid_fee_ppm: 15_000,
			bond_ppm: 250_000,
			tolerance_ppm: 50_000,
			imbalance_pricing: ImbalancePricing::Single,
			..terms()
		});
		assert!(other.contains("0.02 per kWh and 1.5 % of the energy's price"), "{other}");
		assert!(other.contains("bond 25 % of what not delivering costs"), "{other}");
		assert!(other.contains("one price for both"), "{other}");
	}

	#[test]
	fn ladder_has_the_dearest_price_on_top() {
		let text = ladder(&[
			DepthLevel { price: 200_000, bid_wh: 1000, ask_wh: 0 },
			DepthLevel { price: 250_000, bid_wh: 0, ask_wh: 500 },
			DepthLevel { price: 300_000, bid_wh: 0, ask_wh: 1 },
		]);
		let lines: Vec<_> = text.lines().collect();
		assert!(lines[1].contains("0.30") && lines[1].ends_with("1  █"), "{text}");
		assert!(lines[2].contains("0.25") && lines[2].ends_with("█".repeat(10).as_str()), "{text}");
		assert!(lines[3].starts_with(&"█".repeat(20)) && lines[3].contains("0.20"), "{text}");
	}
}
