//! What the utility of a zone or the council does about communities.

use energy_primitives::Method;
use serde_json::json;
use subxt_signer::sr25519::Keypair;

use super::{
	super::{
		admin::call_data_report,
		args::{
			CommunityCreateArgs, CommunityDissolveArgs, CommunityGridFeeArgs, CommunityManagerArgs,
			GovernArgs,
		},
		block_pair, existing_zone,
		market::chosen_slot,
		progress,
		secrets::signer,
		text::pairs,
		with_block, Context, Failure, Report,
	},
	done, existing,
	reads::{method_word, method_words},
	slot_words,
};
use crate::{
	address,
	calls::communities::{self, CommunityCreated, CommunityDissolved, PALLET},
	client::{Call, ChainClient, TxOutcome},
	units::format_price,
};

/// What became of a call.
enum Carried {
	/// It is in a block.
	Sent(TxOutcome),
	/// It was printed, for others to decide.
	Printed(Report),
}

/// Who signs; nobody, if the call is only to be printed.
fn key_of(context: &Context, args: &GovernArgs) -> Result<Option<Keypair>, Failure> {
	if args.call_data {
		Ok(None)
	} else {
		signer(context, &args.submit.signer).map(Some)
	}
}

async fn carry_out(
	context: &Context,
	client: &ChainClient,
	key: Option<&Keypair>,
	args: &GovernArgs,
	call: &Call,
) -> Result<Carried, Failure> {
	let Some(key) = key else {
		let bytes = client.call_data(call).await?;
		return Ok(Carried::Printed(call_data_report(call, &bytes, &[])));
	};
	let sudo = if args.sudo { Some(client.sudo(call).await?) } else { None };
	progress(context, "sent; waiting for a block");
	let call = sudo.as_ref().unwrap_or(call);
	Ok(Carried::Sent(client.submit_until(key, call, args.submit.wait.into()).await?))
}

/// `community create`.
pub async fn create(context: &Context, args: CommunityCreateArgs) -> Result<Report, Failure> {
	let key = key_of(context, &args.govern)?;
	let client = context.connect().await?;
	existing_zone(&client, args.zone).await?;
	let clock = client.clock(args.zone).await?;
	let from = chosen_slot(&clock, args.from)?;
	if from <= clock.slot {
		return Err(Failure::with_help(
			format!("slot {from} has begun: a community shares slots to come"),
			format!("the present slot is {}", clock.slot),
		));
	}
	let method = Method::from(args.method);
	let call =
		communities::create(args.zone, &args.manager, method, args.price, args.grid_fee, from);
	let outcome = match carry_out(context, &client, key.as_ref(), &args.govern, &call).await? {
		Carried::Sent(outcome) => outcome,
		Carried::Printed(report) => return Ok(report),
	};
	let created: CommunityCreated = outcome.event(PALLET, "CommunityCreated")?;
	let words = format!(
		"There is a community {} in zone {}.\n\n{}",
		created.community,
		created.zone,
		pairs(&[
			("manager", address::format(&created.manager)),
			("shares", method_words(created.method).into()),
			("price", format!("{} per kWh", format_price(created.price_per_kwh))),
			("grid fee", format!("{} per kWh", format_price(created.grid_fee_per_kwh))),
			("first slot", slot_words(&clock, created.active_from)),
			block_pair(&outcome),
		])
	);
	let json = json!({
		"community": created.community,
		"zone": created.zone,
		"manager": address::format(&created.manager),
		"method": method_word(created.method),
		"pricePerKwh": format_price(created.price_per_kwh),
		"gridFeePerKwh": format_price(created.grid_fee_per_kwh),
		"activeFrom": created.active_from,
	});
	Ok(Report::new(with_block(json, &outcome), words))
}

/// `community set-manager`.
pub async fn set_manager(context: &Context, args: CommunityManagerArgs) -> Result<Report, Failure> {
	let key = key_of(context, &args.govern)?;
	let client = context.connect().await?;
	let id = existing(&client, args.of.id).await?.id;
	let call = communities::appoint_manager(id, &args.manager);
	let outcome = match carry_out(context, &client, key.as_ref(), &args.govern, &call).await? {
		Carried::Sent(outcome) => outcome,
		Carried::Printed(report) => return Ok(report),
	};
	let manager = address::format(&args.manager);
	let sentence = format!("{manager} is the manager of community {id}.");
	Ok(done(&sentence, json!({ "community": id, "manager": manager }), &outcome))
}

/// `community set-grid-fee`.
pub async fn set_grid_fee(
	context: &Context,
	args: CommunityGridFeeArgs,
) -> Result<Report, Failure> {
	let key = key_of(context, &args.govern)?;
	let client = context.connect().await?;
	let community = existing(&client, args.of.id).await?;
	let id = community.id;
	let clock = client.clock(community.zone).await?;
	let from = chosen_slot(&clock, args.from.from)?;
	let call = communities::set_grid_fee(id, args.grid_fee, from);
	let outcome = match carry_out(context, &client, key.as_ref(), &args.govern, &call).await? {
		Carried::Sent(outcome) => outcome,
		Carried::Printed(report) => return Ok(report),
	};
	let grid_fee = format_price(args.grid_fee);
	let words = format!(
		"Who takes in community {id} pays the grid {grid_fee} per kWh from slot {from} on.\n\n{}",
		pairs(&[("first slot", slot_words(&clock, from)), block_pair(&outcome)])
	);
	let json = json!({ "community": id, "gridFeePerKwh": grid_fee, "from": from });
	Ok(Report::new(with_block(json, &outcome), words))
}

/// `community dissolve`.
pub async fn dissolve(context: &Context, args: CommunityDissolveArgs) -> Result<Report, Failure> {
	let key = key_of(context, &args.govern)?;
	let client = context.connect().await?;
	let community = existing(&client, args.of.id).await?;
	let clock = client.clock(community.zone).await?;
	let call = communities::dissolve(community.id);
	let outcome = match carry_out(context, &client, key.as_ref(), &args.govern, &call).await? {
		Carried::Sent(outcome) => outcome,
		Carried::Printed(report) => return Ok(report),
	};
	let ended: CommunityDissolved = outcome.event(PALLET, "CommunityDissolved")?;
	let words = format!(
		"Community {} ends with slot {}. Deposits come back when the slots before it are shared.\n\n{}",
		ended.community,
		ended.ends,
		pairs(&[("first slot without", slot_words(&clock, ended.ends)), block_pair(&outcome)])
	);
	let json = json!({ "community": ended.community, "ends": ended.ends });
	Ok(Report::new(with_block(json, &outcome), words))
}
