//! `agent`: who may place orders with an account's money.

use energy_primitives::{AccountId, AgentLimits, ZoneId};
use serde_json::{json, Value};

use super::{
	args::{AgentCommand, AgentSetArgs, AgentShowArgs, SubmitArgs},
	block_pair,
	market::chosen_moment,
	progress,
	secrets::signer,
	text::{self, pairs},
	with_block, Context, Failure, Report,
};
use crate::{
	address, calls,
	client::account_of,
	units::{format_energy, format_money},
};

/// Does what is said about agents.
pub async fn run(context: &Context, command: AgentCommand) -> Result<Report, Failure> {
	match command {
		AgentCommand::Set(args) => set(context, args).await,
		AgentCommand::Remove { agent, submit } => remove(context, &agent, &submit).await,
		AgentCommand::Show(args) => show(context, args).await,
	}
}

async fn set(context: &Context, args: AgentSetArgs) -> Result<Report, Failure> {
	let key = signer(context, &args.submit.signer)?;
	let owner = account_of(&key);
	if owner == args.agent {
		return Err(Failure::new("that is your own account: it needs no agent"));
	}
	let client = context.connect().await?;
	// Every zone has the same time.
	let now_seconds = client.clock(ZoneId::default()).await?.now_seconds;
	let limits = AgentLimits {
		allowance: args.allowance,
		max_order_wh: args.max_order_wh,
		until_seconds: chosen_moment(now_seconds, args.until)?,
	};
	if limits.until_seconds < now_seconds {
		return Err(Failure::with_help(
			format!("{} is over", text::time(limits.until_seconds)),
			format!("the chain's time is {}", text::time(now_seconds)),
		));
	}
	progress(context, "sent; waiting for a block");
	let call = calls::set_agent(&args.agent, &limits);
	let outcome = client.submit_until(&key, &call, args.submit.wait.into()).await?;
	let mut lines = limit_pairs(&limits);
	lines.push(block_pair(&outcome));
	let words = format!(
		"{} may place orders for {}.\n\n{}",
		address::format(&args.agent),
		address::format(&owner),
		pairs(&lines)
	);
	let json = limits_json(&owner, &args.agent, Some(&limits));
	Ok(Report::new(with_block(json, &outcome), words))
}

fn limit_pairs(limits: &AgentLimits) -> Vec<(&'static str, String)> {
	vec![
		("allowance left", format_money(limits.allowance)),
		("largest order", format_energy(limits.max_order_wh)),
		("until", text::time(limits.until_seconds)),
	]
}

fn limits_json(owner: &AccountId, agent: &AccountId, limits: Option<&AgentLimits>) -> Value {
	json!({
		"owner": address::format(owner),
		"agent": address::format(agent),
		"limits": limits.map(|limits| json!({
			"allowance": format_money(limits.allowance),
			"maxOrderWh": limits.max_order_wh,
			"until": text::utc(limits.until_seconds),
			"untilSeconds": limits.until_seconds,
		})),
	})
}

async fn remove(
	context: &Context,
	agent: &AccountId,
	submit: &SubmitArgs,
) -> Result<Report, Failure> {
	let key = signer(context, &submit.signer)?;
	let owner = account_of(&key);
	let client = context.connect().await?;
	progress(context, "sent; waiting for a block");
	let call = calls::remove_agent(agent);
	let outcome = client.submit_until(&key, &call, submit.wait.into()).await?;
	let words = format!(
		"{} may no longer place orders for {}; those that it has placed stay.\n\n{}",
		address::format(agent),
		address::format(&owner),
		pairs(&[block_pair(&outcome)])
	);
	Ok(Report::new(with_block(limits_json(&owner, agent, None), &outcome), words))
}

async fn show(context: &Context, args: AgentShowArgs) -> Result<Report, Failure> {
	let owner = context.account(&args.who)?;
	let client = context.connect().await?;
	let limits = client.agent(&owner, &args.agent).await?;
	let words = match &limits {
		Some(limits) => {
			let mut lines =
				vec![("owner", address::format(&owner)), ("agent", address::format(&args.agent))];
			lines.extend(limit_pairs(limits));
			pairs(&lines)
		}
		None => format!(
			"{} may not place orders for {}.",
			address::format(&args.agent),
			address::format(&owner)
		),
	};
	Ok(Report::new(limits_json(&owner, &args.agent, limits.as_ref()), words))
}
