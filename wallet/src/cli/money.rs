//! `balance` and `send`.

use codec::Decode;
use energy_primitives::{AccountId, Balance};
use serde_json::json;

use super::{
	args::{ReadArgs, SendArgs},
	market::role_words,
	progress,
	secrets::signer,
	text::pairs,
	Context, Failure, Report,
};
use crate::{
	address, calls,
	client::{account_of, ChainClient, ClientError},
	units::format_money,
};

/// `balance`.
pub async fn balance(context: &Context, args: ReadArgs) -> Result<Report, Failure> {
	let account = context.account(&args.who)?;
	let client = context.connect().await?;
	let (spendable, held) = client.money(&account).await?;
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
	];
	if native > 0 {
		lines.push(("native coin", format!("{native} of its smallest unit, for fees")));
	}
	let json = json!({
		"account": address::format(&account),
		"spendable": format_money(spendable),
		"held": format_money(held),
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
	let key = signer(context, &args.signer)?;
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
		.submit_until(&key, &calls::transfer(&args.to, args.amount), args.wait.into())
		.await?;
	let words = format!(
		"{} went to {}.\n\n{}",
		format_money(args.amount),
		address::format(&args.to),
		pairs(&[("block", format!("{} {:?}", outcome.block_number, outcome.block_hash))])
	);
	let json = json!({
		"from": address::format(&account),
		"to": address::format(&args.to),
		"amount": format_money(args.amount),
		"blockHash": format!("{:?}", outcome.block_hash),
		"blockNumber": outcome.block_number,
		"transactionHash": format!("{:?}", outcome.transaction_hash),
	});
	Ok(Report::new(json, words))
}
