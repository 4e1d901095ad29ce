//! `balance`, `send` and `withdraw`.

use codec::Decode;
use energy_primitives::{AccountId, Balance};
use serde_json::json;

use super::{
	args::{ReadArgs, SendArgs, WithdrawArgs},
	block_pair,
	market::role_words,
	progress,
	secrets::signer,
	text::pairs,
	with_block, Context, Failure, Report,
};
use crate::{
	address,
	calls::{self, Withdrawn},
	client::{account_of, ChainClient, ClientError},
	units::format_money,
};

/// `balance`.
pub async fn balance(context: &Context, args: ReadArgs) -> Result<Report, Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let (spendable, held) = client.money(&account).await?;
	let market = client.market_account(&account).await?;
	let free = market.balance.saturating_sub(market.committed);
	let participant = client.participant(&account).await?;
	let native = native_coin(&client, &account).await?;

	let standing = match &participant {
		None => "not a participant".to_owned(),
		Some(participant) => format!(
			"{}{} in zone {}",
			if participant.active { "" } else { "SUSPENDED " },
			role_words(participant.roles),
			participant.zone
		),
	};
	let mut lines = vec![
		("account", address::format(&account)),
		("standing", standing),
		("spendable", format_money(spendable)),
		("held", format_money(held)),
		("in the market", format_money(market.balance)),
		("  committed", format_money(market.committed)),
		("  free", format_money(free)),
	];
	if native > 0 {
		lines.push(("native coin", format!("{native} of its smallest unit, for fees")));
	}
	let json = json!({
		"account": address::format(&account),
		"spendable": format_money(spendable),
		"held": format_money(held),
		"market": {
			"balance": format_money(market.balance),
			"committed": format_money(market.committed),
			"free": format_money(free),
		},
		"nativeUnits": native.to_string(),
		"participant": participant.map(|participant| json!({
			"roles": role_words(participant.roles).split(", ").collect::<Vec<_>>(),
			"zone": participant.zone,
			"active": participant.active,
		})),
	});
	Ok(Report::new(json, pairs(&lines)))
}

/// The free native coin of an account, in its smallest unit.
async fn native_coin(client: &ChainClient, account: &AccountId) -> Result<Balance, ClientError> {
	let bytes: &[u8] = account.as_ref();
	let mut key = Vec::with_capacity(80);
	key.extend_from_slice(&sp_crypto_hashing::twox_128(b"System"));
	key.extend_from_slice(&sp_crypto_hashing::twox_128(b"Account"));
	key.extend_from_slice(&sp_crypto_hashing::blake2_128(bytes));
	key.extend_from_slice(bytes);
	let Some(value) = client.storage(&key).await? else { return Ok(0) };
	// Nonce and three counters of references come first.
	<([u32; 4], Balance)>::decode(&mut value.as_slice()).map(|(_, free)| free).map_err(|error| {
		ClientError::Undecodable { what: "the account".into(), reason: error.to_string() }
	})
}

/// `send`.
pub async fn send(context: &Context, args: SendArgs) -> Result<Report, Failure> {
	if args.amount == 0 {
		return Err(Failure::new("there is nothing to send: the amount is zero"));
	}
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	if account == args.to {
		return Err(Failure::new("that is your own account"));
	}
	let client = context.connect().await?;
	let (spendable, held) = client.money(&account).await?;
	if spendable < args.amount {
		return Err(Failure::with_help(
			format!(
				"{} has {} to spend, not {}",
				address::format(&account),
				format_money(spendable),
				format_money(args.amount)
			),
			format!("{} is held for orders and positions", format_money(held)),
		));
	}
	progress(context, "sent; waiting for a block");
	let outcome = client
		.submit_until(&key, &calls::transfer(&args.to, args.amount), args.submit.wait.into())
		.await?;
	let words = format!(
		"{} went to {}.\n\n{}",
		format_money(args.amount),
		address::format(&args.to),
		pairs(&[block_pair(&outcome)])
	);
	let json = json!({
		"from": address::format(&account),
		"to": address::format(&args.to),
		"amount": format_money(args.amount),
	});
	Ok(Report::new(with_block(json, &outcome), words))
}

/// `withdraw`.
pub async fn withdraw(context: &Context, args: WithdrawArgs) -> Result<Report, Failure> {
	if args.amount == Some(0) {
		return Err(Failure::new("there is nothing to withdraw: the amount is zero"));
	}
	let key = signer(context, &args.submit.signer)?;
	let account = account_of(&key);
	let client = context.connect().await?;
	let market = client.market_account(&account).await?;
	let free = market.balance.saturating_sub(market.committed);
	let amount = args.amount.unwrap_or(free);
	if amount == 0 {
		return Err(Failure::with_help(
			format!("{} has no free money in the market", address::format(&account)),
			format!(
				"{} is committed; it comes back when its orders and positions are over",
				format_money(market.committed)
			),
		));
	}
	if amount > free {
		return Err(Failure::with_help(
			format!(
				"{} of the market's money of {} is free, not {}",
				format_money(free),
				address::format(&account),
				format_money(amount)
			),
			format!(
				"{} is committed to orders, offers and positions",
				format_money(market.committed)
			),
		));
	}
	progress(context, "sent; waiting for a block");
	let outcome =
		client.submit_until(&key, &calls::withdraw(amount), args.submit.wait.into()).await?;
	let withdrawn: Withdrawn = outcome.event("EnergyMarket", "Withdrawn")?;
	let words = format!(
		"{} came out of the market.\n\n{}",
		format_money(withdrawn.amount),
		pairs(&[block_pair(&outcome)])
	);
	let json = json!({
		"account": address::format(&withdrawn.account),
		"amount": format_money(withdrawn.amount),
	});
	Ok(Report::new(with_block(json, &outcome), words))
}
