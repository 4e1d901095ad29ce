//! `community`: energy that neighbours share, after the market and at a price of their own.

mod govern;
mod reads;

use energy_primitives::{api::Clock, AccountId, CommunityId, CommunitySummary, Slot};
use serde_json::{json, Value};
use subxt_signer::sr25519::Keypair;

use super::{
	args::{
		CommunityAccountArgs, CommunityAmountArgs, CommunityCommand, CommunityInviteArgs,
		CommunityJoinArgs, CommunityKeysArgs, CommunityLimitArgs, CommunityMemberArgs,
		CommunityPriceArgs, MemberKey, SubmitArgs,
	},
	block_pair,
	market::{chosen_slot, slot_times},
	progress,
	secrets::signer,
	text::pairs,
	with_block, Context, Failure, Report,
};
use crate::{
	address,
	calls::communities::{self, LimitSet, MemberJoined, MemberLeaving, PALLET},
	client::{account_of, Call, ChainClient, TxOutcome},
	units::{format_money, format_part, format_price},
};

/// Does what is said about communities.
pub async fn run(context: &Context, command: CommunityCommand) -> Result<Report, Failure> {
	match command {
		CommunityCommand::List(args) => reads::list(context, args).await,
		CommunityCommand::Show(args) => reads::show(context, args).await,
		CommunityCommand::Of(args) => reads::of(context, args).await,
		CommunityCommand::Shares(args) => reads::shares(context, args).await,
		CommunityCommand::Join(args) => join(context, args).await,
		CommunityCommand::Leave(args) => leave(context, args).await,
		CommunityCommand::SetLimit(args) => set_limit(context, args).await,
		CommunityCommand::Deposit(args) => deposit(context, args).await,
		CommunityCommand::Withdraw(args) => withdraw(context, args).await,
		CommunityCommand::Invite(args) => invite(context, args).await,
		CommunityCommand::Revoke(args) => revoke(context, args).await,
		CommunityCommand::Exclude(args) => exclude(context, args).await,
		CommunityCommand::SetKeys(args) => set_keys(context, args).await,
		CommunityCommand::SetPrice(args) => set_price(context, args).await,
		CommunityCommand::Dissolve(args) => govern::dissolve(context, args).await,
		CommunityCommand::Create(args) => govern::create(context, args).await,
		CommunityCommand::SetManager(args) => govern::set_manager(context, args).await,
		CommunityCommand::SetGridFee(args) => govern::set_grid_fee(context, args).await,
	}
}

/// A community that is there.
async fn existing(client: &ChainClient, id: CommunityId) -> Result<CommunitySummary, Failure> {
	client.community(id).await?.ok_or_else(|| {
		Failure::with_help(
			format!("there is no community {id}"),
			"`community list` lists those of a zone",
		)
	})
}

/// A slot for people: its number, and when it is.
fn slot_words(clock: &Clock, slot: Slot) -> String {
	format!("{slot}, {}", slot_times(clock, slot))
}

/// What every call of a member or a manager begins with: the key, the chain, the community.
async fn begin(
	context: &Context,
	submit: &SubmitArgs,
	id: CommunityId,
) -> Result<(Keypair, ChainClient, CommunitySummary), Failure> {
	let key = signer(context, &submit.signer)?;
	let client = context.connect().await?;
	let community = existing(&client, id).await?;
	Ok((key, client, community))
}

async fn send(
	context: &Context,
	client: &ChainClient,
	key: &Keypair,
	call: &Call,
	submit: &SubmitArgs,
) -> Result<TxOutcome, Failure> {
	progress(context, "sent; waiting for a block");
	Ok(client.submit_until(key, call, submit.wait.into()).await?)
}

/// What is done, with where it is.
fn done(sentence: &str, json: Value, outcome: &TxOutcome) -> Report {
	let words = format!("{sentence}\n\n{}", pairs(&[block_pair(outcome)]));
	Report::new(with_block(json, outcome), words)
}

/// Whether the account may join with the key. The chain would refuse it otherwise.
fn check_invitation(
	community: &CommunitySummary,
	account: &AccountId,
	key_ppm: u32,
) -> Result<(), Failure> {
	let who = address::format(account);
	let id = community.id;
	if community.members.iter().any(|member| member.account == *account) {
		return Err(Failure::with_help(
			format!("{who} is in community {id} already"),
			format!("`community show --id {id}` lists its members"),
		));
	}
	let Some((_, offered)) = community.invited.iter().find(|(invited, _)| invited == account)
	else {
		return Err(Failure::with_help(
			format!("{who} is not invited to community {id}"),
			format!("ask its manager, {}, for an invitation", address::format(&community.manager)),
		));
	};
	if *offered != key_ppm {
		return Err(Failure::with_help(
			format!(
				"{who} is invited with a key of {}, not {}",
				format_part(*offered),
				format_part(key_ppm)
			),
			format!("if you agree, say --key-ppm {offered}; if not, ask its manager for another"),
		));
	}
	Ok(())
}

async fn join(context: &Context, args: CommunityJoinArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	check_invitation(&community, &account_of(&key), args.key.ppm())?;
	let clock = client.clock(community.zone).await?;
	let call = communities::join(community.id, args.key.ppm(), args.limit, args.deposit);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let joined: MemberJoined = outcome.event(PALLET, "MemberJoined")?;
	let words = format!(
		"You are a member of community {}.\n\n{}",
		joined.community,
		pairs(&[
			("first slot", slot_words(&clock, joined.from)),
			("key", format_part(joined.key_ppm)),
			("limit", format!("{} for a slot", format_money(joined.limit_per_slot))),
			("deposit", format_money(joined.deposit)),
			("price", format!("{} per kWh", format_price(community.price_per_kwh.at(joined.from)))),
			(
				"grid fee",
				format!("{} per kWh", format_price(community.grid_fee_per_kwh.at(joined.from)))
			),
			block_pair(&outcome),
		])
	);
	let json = json!({
		"community": joined.community,
		"account": address::format(&joined.account),
		"keyPpm": joined.key_ppm,
		"limitPerSlot": format_money(joined.limit_per_slot),
		"deposit": format_money(joined.deposit),
		"from": joined.from,
	});
	Ok(Report::new(with_block(json, &outcome), words))
}

/// What came of a call after which somebody is a member no more.
fn leaving(clock: &Clock, outcome: &TxOutcome, subject: &str) -> Result<Report, Failure> {
	let leaving: MemberLeaving = outcome.event(PALLET, "MemberLeaving")?;
	let words = format!(
		"{subject} in community {} until slot {} begins. The deposit, less what is still to be paid, \
		 comes back when the slots before it are shared.\n\n{}",
		leaving.community,
		leaving.until,
		pairs(&[
			("first slot without", slot_words(clock, leaving.until)),
			block_pair(outcome),
		])
	);
	let json = json!({
		"community": leaving.community,
		"account": address::format(&leaving.account),
		"until": leaving.until,
	});
	Ok(Report::new(with_block(json, outcome), words))
}

async fn leave(context: &Context, args: CommunityMemberArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let clock = client.clock(community.zone).await?;
	let call = communities::leave(community.id);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	leaving(&clock, &outcome, "You are")
}

async fn exclude(context: &Context, args: CommunityAccountArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let clock = client.clock(community.zone).await?;
	let call = communities::exclude(community.id, &args.account);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	leaving(&clock, &outcome, &format!("{} is", address::format(&args.account)))
}

async fn set_limit(context: &Context, args: CommunityLimitArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let call = communities::set_limit(community.id, args.limit);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let set: LimitSet = outcome.event(PALLET, "LimitSet")?;
	let sentence = format!(
		"You are charged at most {} for a slot in community {}, from slot {} on.",
		format_money(set.limit_per_slot),
		set.community,
		set.from
	);
	let json = json!({
		"community": set.community,
		"account": address::format(&set.account),
		"limitPerSlot": format_money(set.limit_per_slot),
		"from": set.from,
	});
	Ok(done(&sentence, json, &outcome))
}

fn amount_json(args: &CommunityAmountArgs, account: &AccountId) -> Value {
	json!({
		"community": args.of.id,
		"account": address::format(account),
		"amount": format_money(args.amount),
	})
}

async fn deposit(context: &Context, args: CommunityAmountArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let call = communities::deposit(community.id, args.amount);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let amount = format_money(args.amount);
	let sentence = format!("{amount} are added to your deposit in community {}.", community.id);
	Ok(done(&sentence, amount_json(&args, &account_of(&key)), &outcome))
}

async fn withdraw(context: &Context, args: CommunityAmountArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let call = communities::withdraw(community.id, args.amount);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let amount = format_money(args.amount);
	let sentence =
		format!("{amount} of your deposit in community {} are free again.", community.id);
	Ok(done(&sentence, amount_json(&args, &account_of(&key)), &outcome))
}

async fn invite(context: &Context, args: CommunityInviteArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let (id, key_ppm) = (community.id, args.key.ppm());
	let call = communities::invite(id, &args.account, key_ppm);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let account = address::format(&args.account);
	let sentence =
		format!("{account} may join community {id} with a key of {}.", format_part(key_ppm));
	let json = json!({ "community": id, "account": account, "keyPpm": key_ppm });
	Ok(done(&sentence, json, &outcome))
}

async fn revoke(context: &Context, args: CommunityAccountArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let id = community.id;
	let call = communities::revoke_invitation(id, &args.account);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let account = address::format(&args.account);
	let sentence = format!("{account} is not invited to community {id} any more.");
	Ok(done(&sentence, json!({ "community": id, "account": account }), &outcome))
}

/// The accounts and keys as the chain takes them.
fn keys_of(keys: &[MemberKey]) -> Result<Vec<(AccountId, u32)>, Failure> {
	let mut listed: Vec<(AccountId, u32)> = Vec::with_capacity(keys.len());
	for MemberKey { account, key_ppm } in keys {
		if listed.iter().any(|(other, _)| other == account) {
			return Err(Failure::new(format!("{} is named twice", address::format(account))));
		}
		listed.push((account.clone(), *key_ppm));
	}
	Ok(listed)
}

async fn set_keys(context: &Context, args: CommunityKeysArgs) -> Result<Report, Failure> {
	let keys = keys_of(&args.keys)?;
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let id = community.id;
	let clock = client.clock(community.zone).await?;
	let from = chosen_slot(&clock, args.from.from)?;
	let call = communities::set_keys(id, &keys, from);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let words = format!(
		"Members of community {id} have other keys from slot {from} on.\n\n{}",
		pairs(&[("first slot", slot_words(&clock, from)), block_pair(&outcome)])
	);
	let keys: Vec<Value> = keys
		.iter()
		.map(|(account, key_ppm)| json!({ "account": address::format(account), "keyPpm": key_ppm }))
		.collect();
	let json = json!({ "community": id, "keys": keys, "from": from });
	Ok(Report::new(with_block(json, &outcome), words))
}

async fn set_price(context: &Context, args: CommunityPriceArgs) -> Result<Report, Failure> {
	let (key, client, community) = begin(context, &args.submit, args.of.id).await?;
	let id = community.id;
	let clock = client.clock(community.zone).await?;
	let from = chosen_slot(&clock, args.from.from)?;
	let call = communities::set_price(id, args.price, from);
	let outcome = send(context, &client, &key, &call, &args.submit).await?;
	let price = format_price(args.price);
	let words = format!(
		"Members of community {id} pay each other {price} per kWh from slot {from} on.\n\n{}",
		pairs(&[("first slot", slot_words(&clock, from)), block_pair(&outcome)])
	);
	let json = json!({ "community": id, "pricePerKwh": price, "from": from });
	Ok(Report::new(with_block(json, &outcome), words))
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use energy_primitives::{CommunityMember, Method, Scheduled, SlotCalendar, ZoneId};
	use sp_core::H256;

	use crate::client::ChainEvent;

	fn account(byte: u8) -> AccountId {
		AccountId::new([byte; 32])
	}

	fn community() -> CommunitySummary {
		CommunitySummary {
			id: CommunityId(3),
			zone: ZoneId(1),
			manager: account(9),
			method: Method::StaticKeys,
			price_per_kwh: Scheduled::new(150_000),
			grid_fee_per_kwh: Scheduled::new(10_000),
			active_from: Slot(5),
			ends: None,
			next_slot: Slot(9),
			members: vec![CommunityMember {
				account: account(1),
				key_ppm: Scheduled::new(250_000),
				from: Slot(5),
				until: None,
				deposit: 20_000_000,
				limit_per_slot: Scheduled::new(500_000),
			}],
			invited: vec![(account(2), 333_333)],
		}
	}

	fn refusal(who: u8, key_ppm: u32) -> Failure {
		check_invitation(&community(), &account(who), key_ppm).expect_err("is refused")
	}

	#[test]
	fn joining_is_for_those_who_are_invited_with_this_key() {
		assert!(check_invitation(&community(), &account(2), 333_333).is_ok());
		let other_key = refusal(2, 333_334);
		assert!(other_key.message.contains("33.3333 %, not 33.3334 %"), "{}", other_key.message);
		assert!(other_key.help.is_some_and(|help| help.contains("--key-ppm 333333")));
		let uninvited = refusal(4, 333_333);
		assert!(uninvited.message.contains("is not invited to community 3"));
		let manager = address::format(&account(9));
		assert!(uninvited.help.is_some_and(|help| help.contains(&manager)));
		assert!(refusal(1, 250_000).message.contains("is in community 3 already"));
	}

	#[test]
	fn keys_are_refused_when_a_member_is_named_twice() {
		let key = |byte: u8, key_ppm| MemberKey { account: account(byte), key_ppm };
		let keys = keys_of(&[key(1, 5), key(2, 6)]).map_err(|failure| failure.message);
		assert_eq!(keys, Ok(vec![(account(1), 5), (account(2), 6)]));
		let twice = keys_of(&[key(1, 5), key(2, 6), key(1, 5)]).expect_err("is refused");
		assert!(twice.message.contains("is named twice"), "{}", twice.message);
	}

	#[test]
	fn leaving_says_with_which_slot() {
		let clock =
			Clock { now_seconds: 1_050, slot: Slot(10), calendar: SlotCalendar::uniform(100) };
		let event =
			MemberLeaving { community: CommunityId(3), account: account(1), until: Slot(11) };
		let outcome = TxOutcome {
			transaction_hash: H256::zero(),
			block_hash: H256::zero(),
			block_number: 1,
			events: vec![ChainEvent {
				pallet: PALLET.into(),
				name: "MemberLeaving".into(),
				fields: event.encode(),
			}],
		};
		let report = leaving(&clock, &outcome, "You are").map_err(|failure| failure.message);
		let report = report.expect("has the event");
		assert!(report.text.starts_with("You are in community 3 until slot 11 begins."));
		assert_eq!((&report.json["until"], &report.json["community"]), (&json!(11), &json!(3)));
		let nothing = TxOutcome { events: Vec::new(), ..outcome };
		assert!(leaving(&clock, &nothing, "You are").is_err());
	}
}
