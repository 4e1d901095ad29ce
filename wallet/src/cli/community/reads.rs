//! What is known of communities, and what their members shared.

use energy_primitives::{
	api::Clock, AccountId, Balance, CommunityMember, CommunitySummary, Method, Scheduled, Share,
	Slot, ZoneId,
};
use serde_json::{json, Value};

use super::{
	super::{
		args::{CommunitySharesArgs, WhichCommunity, ZoneArgs, ZonedReadArgs},
		choose_zone, existing_zone,
		market::chosen_slot,
		text::{pairs, table, Align},
		Context, Failure, Report,
	},
	existing, slot_words,
};
use crate::{
	address,
	bill::quality_word,
	units::{format_money, format_part, format_price},
};

/// By what rule a community shares, for programs.
pub fn method_word(method: Method) -> &'static str {
	match method {
		Method::StaticKeys => "staticKeys",
		Method::ProportionalToNeed => "proportionalToNeed",
	}
}

/// By what rule a community shares, for people.
pub fn method_words(method: Method) -> &'static str {
	match method {
		Method::StaticKeys => "by keys",
		Method::ProportionalToNeed => "in proportion to need",
	}
}

/// A value at the present slot, and since when or until when it is that.
fn scheduled_words<V: Copy + PartialEq>(
	value: &Scheduled<V>,
	present: Slot,
	words: impl Fn(V) -> String,
) -> String {
	let now = words(value.at(present));
	if value.before == value.after {
		now
	} else if present < value.from {
		format!("{now}, from slot {} on {}", value.from, words(value.after))
	} else {
		format!("{now} since slot {}", value.from)
	}
}

fn scheduled_json<V: Copy>(value: &Scheduled<V>, present: Slot, one: impl Fn(V) -> Value) -> Value {
	json!({
		"now": one(value.at(present)),
		"before": one(value.before),
		"from": value.from,
		"after": one(value.after),
	})
}

fn price_words(price: &Scheduled<u64>, present: Slot) -> String {
	scheduled_words(price, present, |price| format!("{} per kWh", format_price(price)))
}

fn price_json(price: &Scheduled<u64>, present: Slot) -> Value {
	scheduled_json(price, present, |price| format_price(price).into())
}

/// `community list`.
pub async fn list(context: &Context, args: ZoneArgs) -> Result<Report, Failure> {
	let account = match args.zone.zone {
		Some(_) => None,
		None => context.account_if_any(&args.who)?,
	};
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, account.as_ref()).await?;
	existing_zone(&client, zone).await?;
	let present = client.clock(zone).await?.slot;
	let mut communities = Vec::new();
	for id in client.communities(zone).await? {
		// Between two answers a block may pass, and with it a community that is over.
		communities.extend(client.community(id).await?);
	}
	Ok(list_report(zone, present, &communities))
}

fn list_report(zone: ZoneId, present: Slot, communities: &[CommunitySummary]) -> Report {
	let rows: Vec<_> = communities
		.iter()
		.map(|community| {
			vec![
				community.id.to_string(),
				community.members.len().to_string(),
				method_words(community.method).into(),
				format_price(community.price_per_kwh.at(present)),
				format_price(community.grid_fee_per_kwh.at(present)),
				community.active_from.to_string(),
				community.ends.map_or_else(|| "-".into(), |ends| ends.to_string()),
				address::format(&community.manager),
			]
		})
		.collect();
	let words = if rows.is_empty() {
		format!("There are no communities in zone {zone}.")
	} else {
		table(
			&[
				("id", Align::Right),
				("members", Align::Right),
				("shares", Align::Left),
				("per kWh", Align::Right),
				("grid fee", Align::Right),
				("from", Align::Right),
				("ends", Align::Right),
				("manager", Align::Left),
			],
			&rows,
		)
	};
	let json = json!({
		"zone": zone,
		"slot": present,
		"communities": communities
			.iter()
			.map(|community| {
				let mut json = community_json(community, present);
				json["members"] = community.members.len().into();
				json
			})
			.collect::<Vec<_>>(),
	});
	Report::new(json, words)
}

/// What is known of a community but its members and those who are invited.
fn community_json(community: &CommunitySummary, present: Slot) -> Value {
	json!({
		"id": community.id,
		"zone": community.zone,
		"manager": address::format(&community.manager),
		"method": method_word(community.method),
		"pricePerKwh": price_json(&community.price_per_kwh, present),
		"gridFeePerKwh": price_json(&community.grid_fee_per_kwh, present),
		"activeFrom": community.active_from,
		"ends": community.ends,
		"nextSlot": community.next_slot,
	})
}

fn member_json(member: &CommunityMember, present: Slot) -> Value {
	json!({
		"account": address::format(&member.account),
		"keyPpm": scheduled_json(&member.key_ppm, present, |key_ppm| key_ppm.into()),
		"from": member.from,
		"until": member.until,
		"deposit": format_money(member.deposit),
		"limitPerSlot": scheduled_json(&member.limit_per_slot, present, |limit| {
			format_money(limit).into()
		}),
	})
}

/// `community show`.
pub async fn show(context: &Context, args: WhichCommunity) -> Result<Report, Failure> {
	let client = context.connect().await?;
	let community = existing(&client, args.id).await?;
	let clock = client.clock(community.zone).await?;
	Ok(show_report(&community, &clock))
}

fn show_report(community: &CommunitySummary, clock: &Clock) -> Report {
	let present = clock.slot;
	let keys = community
		.members
		.iter()
		.filter(|member| member.from <= present && member.until.is_none_or(|until| present < until))
		.fold(0u32, |sum, member| sum.saturating_add(member.key_ppm.at(present)));
	let mut lines = vec![
		("community", community.id.to_string()),
		("zone", community.zone.to_string()),
		("manager", address::format(&community.manager)),
		("shares", method_words(community.method).into()),
		("price", price_words(&community.price_per_kwh, present)),
		("grid fee", price_words(&community.grid_fee_per_kwh, present)),
		("first slot", slot_words(clock, community.active_from)),
		("next to share", slot_words(clock, community.next_slot)),
		("keys together", format_part(keys)),
	];
	if let Some(ends) = community.ends {
		lines.push(("ends with", slot_words(clock, ends)));
	}
	let mut parts = vec![pairs(&lines), members_words(&community.members, present)];
	if !community.invited.is_empty() {
		parts.push(invited_words(&community.invited));
	}
	let mut json = community_json(community, present);
	json["slot"] = json!(present);
	json["members"] = community
		.members
		.iter()
		.map(|member| member_json(member, present))
		.collect::<Vec<_>>()
		.into();
	json["invited"] = community
		.invited
		.iter()
		.map(|(account, key_ppm)| json!({ "account": address::format(account), "keyPpm": key_ppm }))
		.collect::<Vec<_>>()
		.into();
	Report::new(json, parts.join("\n\n"))
}

fn members_words(members: &[CommunityMember], present: Slot) -> String {
	if members.is_empty() {
		return "It has no members.".into();
	}
	let rows: Vec<_> = members
		.iter()
		.map(|member| {
			vec![
				address::format(&member.account),
				scheduled_words(&member.key_ppm, present, format_part),
				member.from.to_string(),
				member.until.map_or_else(|| "-".into(), |until| until.to_string()),
				format_money(member.deposit),
				scheduled_words(&member.limit_per_slot, present, format_money),
			]
		})
		.collect();
	table(
		&[
			("member", Align::Left),
			("key", Align::Left),
			("from", Align::Right),
			("until", Align::Right),
			("deposit", Align::Right),
			("limit for a slot", Align::Left),
		],
		&rows,
	)
}

fn invited_words(invited: &[(AccountId, u32)]) -> String {
	let rows: Vec<_> = invited
		.iter()
		.map(|(account, key_ppm)| vec![address::format(account), format_part(*key_ppm)])
		.collect();
	table(&[("invited", Align::Left), ("key", Align::Left)], &rows)
}

/// `community of`.
pub async fn of(context: &Context, args: ZonedReadArgs) -> Result<Report, Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let zone = choose_zone(&client, &args.zone, Some(&account)).await?;
	let present = client.clock(zone).await?.slot;
	let community = match client.community_of(zone, &account).await? {
		Some(id) => Some(existing(&client, id).await?),
		None => None,
	};
	Ok(of_report(zone, &account, present, community.as_ref()))
}

fn of_report(
	zone: ZoneId,
	account: &AccountId,
	present: Slot,
	community: Option<&CommunitySummary>,
) -> Report {
	let member = community
		.and_then(|community| community.members.iter().find(|member| member.account == *account));
	let who = address::format(account);
	let words = match (community, member) {
		(None, _) => format!("{who} is in no community of zone {zone}."),
		(Some(community), None) => format!("{who} is in community {}.", community.id),
		(Some(community), Some(member)) => {
			let mut lines = vec![
				("community", community.id.to_string()),
				("key", scheduled_words(&member.key_ppm, present, format_part)),
				("first slot", member.from.to_string()),
				("deposit", format_money(member.deposit)),
				(
					"limit for a slot",
					scheduled_words(&member.limit_per_slot, present, format_money),
				),
				("price", price_words(&community.price_per_kwh, present)),
				("grid fee", price_words(&community.grid_fee_per_kwh, present)),
			];
			if let Some(until) = member.until {
				lines.push(("leaves with slot", until.to_string()));
			}
			pairs(&lines)
		}
	};
	let json = json!({
		"zone": zone,
		"account": who,
		"community": community.map(|community| community.id),
		"member": member.map(|member| member_json(member, present)),
	});
	Report::new(json, words)
}

/// Sums over the members of a community in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
	given_wh: u64,
	taken_wh: u64,
	received: Balance,
	paid: Balance,
	grid_fees: Balance,
}

impl Sums {
	fn of(shares: &[(AccountId, Share)]) -> Self {
		shares.iter().fold(Self::default(), |sums, (_, share)| Self {
			given_wh: sums.given_wh.saturating_add(share.given_wh),
			taken_wh: sums.taken_wh.saturating_add(share.taken_wh),
			received: sums.received.saturating_add(share.received),
			paid: sums.paid.saturating_add(share.paid),
			grid_fees: sums.grid_fees.saturating_add(share.grid_fee),
		})
	}

	/// What the imbalance pot received: the roundings.
	fn remainder(&self) -> Balance {
		self.paid.saturating_sub(self.received)
	}
}

/// `community shares`.
pub async fn shares(context: &Context, args: CommunitySharesArgs) -> Result<Report, Failure> {
	let client = context.connect().await?;
	let community = existing(&client, args.of.id).await?;
	let clock = client.clock(community.zone).await?;
	let slot = chosen_slot(&clock, args.slot)?;
	let shares = client.shares(community.id, slot).await?;
	Ok(shares_report(&community, &clock, slot, &shares))
}

/// Why there are no shares of a slot.
fn nothing_words(community: &CommunitySummary, slot: Slot) -> String {
	let id = community.id;
	if slot < community.active_from {
		format!(
			"Community {id} shares from slot {} on, not yet slot {slot}.",
			community.active_from
		)
	} else if community.ends.is_some_and(|ends| ends <= slot) {
		format!("Community {id} is over in slot {slot}.")
	} else if slot >= community.next_slot {
		format!("Slot {slot} is not shared yet: the next one is {}.", community.next_slot)
	} else {
		format!(
			"In slot {slot} community {id} shared nothing, or it is so long ago that the chain has \
			 forgotten it."
		)
	}
}

fn shares_report(
	community: &CommunitySummary,
	clock: &Clock,
	slot: Slot,
	shares: &[(AccountId, Share)],
) -> Report {
	let sums = Sums::of(shares);
	let words = if shares.is_empty() {
		nothing_words(community, slot)
	} else {
		format!(
			"{}\n\n{}\n\n{}",
			pairs(&[("community", community.id.to_string()), ("slot", slot_words(clock, slot)),]),
			shares_words(shares, &sums),
			pairs(&[
				("to the fee pot", format_money(sums.grid_fees)),
				("to the imbalance pot", format!("{}, roundings", format_money(sums.remainder()))),
			])
		)
	};
	let json = json!({
		"community": community.id,
		"slot": slot,
		"isDone": slot < community.next_slot,
		"shares": shares
			.iter()
			.map(|(account, share)| json!({
				"account": address::format(account),
				"givenWh": share.given_wh,
				"takenWh": share.taken_wh,
				"received": format_money(share.received),
				"paid": format_money(share.paid),
				"gridFee": format_money(share.grid_fee),
				"quality": quality_word(share.quality),
			}))
			.collect::<Vec<_>>(),
		"sums": {
			"givenWh": sums.given_wh,
			"takenWh": sums.taken_wh,
			"received": format_money(sums.received),
			"paid": format_money(sums.paid),
			"gridFees": format_money(sums.grid_fees),
			"remainder": format_money(sums.remainder()),
		},
	});
	Report::new(json, words)
}

fn shares_words(shares: &[(AccountId, Share)], sums: &Sums) -> String {
	let mut rows: Vec<_> = shares
		.iter()
		.map(|(account, share)| {
			vec![
				address::format(account),
				share.given_wh.to_string(),
				share.taken_wh.to_string(),
				format_money(share.received),
				format_money(share.paid),
				format_money(share.grid_fee),
				quality_word(share.quality).into(),
			]
		})
		.collect();
	rows.push(vec![
		"sum".into(),
		sums.given_wh.to_string(),
		sums.taken_wh.to_string(),
		format_money(sums.received),
		format_money(sums.paid),
		format_money(sums.grid_fees),
		String::new(),
	]);
	table(
		&[
			("member", Align::Left),
			("gave, Wh", Align::Right),
			("took, Wh", Align::Right),
			("received", Align::Right),
			("paid", Align::Right),
			("grid fee", Align::Right),
			("quality", Align::Left),
		],
		&rows,
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn value_says_since_when_or_until_when_it_is_that() {
		let words = |value: Scheduled<u64>, present: u32| {
			scheduled_words(&value, Slot(present), format_price)
		};
		assert_eq!(words(Scheduled::new(150_000), 10), "0.15");
		let changed = Scheduled { before: 150_000, from: Slot(11), after: 180_000 };
		assert_eq!(words(changed, 10), "0.15, from slot 11 on 0.18");
		assert_eq!(words(changed, 11), "0.18 since slot 11");
		let json = price_json(&changed, Slot(10));
		assert_eq!(json, json!({ "now": "0.15", "before": "0.15", "from": 11, "after": "0.18" }));
	}

	#[test]
	fn sums_do_not_overflow() {
		let share = Share {
			given_wh: u64::MAX,
			taken_wh: 1,
			received: Balance::MAX,
			paid: 2,
			grid_fee: 3,
			quality: energy_primitives::Quality::Valid,
		};
		let who = AccountId::new([1; 32]);
		let sums = Sums::of(&[(who.clone(), share), (who, share)]);
		let expected =
			Sums { given_wh: u64::MAX, taken_wh: 2, received: Balance::MAX, paid: 4, grid_fees: 6 };
		assert_eq!((sums, sums.remainder()), (expected, 0));
	}
}
