//! Arguments of `community`.

use clap::{Args, Subcommand, ValueEnum};
use energy_market_core::MILLION;
use energy_primitives::{AccountId, CommunityId, Method, ZoneId};

use super::{
	values::{parse_member_key, MemberKey},
	SlotChoice, SubmitArgs, ZoneArgs, ZonedReadArgs,
};
use crate::{address, units};

/// Commands about energy communities.
#[derive(Debug, Subcommand)]
pub enum CommunityCommand {
	/// List the communities of a zone
	List(ZoneArgs),
	/// Show a community: its members and their keys, price, grid fee, invitations, next slot
	Show(WhichCommunity),
	/// Show in which community of its zone an account is
	Of(ZonedReadArgs),
	/// Show what members gave, took, paid and received in a slot
	///
	/// Sums are at the end. What members paid beyond what members received are roundings: they go to
	/// the zone's imbalance pot, grid fees to its fee pot.
	Shares(CommunitySharesArgs),
	/// Join a community that you are invited to, from the next slot on
	///
	/// The deposit is held, and what you take is paid out of it. In a slot you never pay more than
	/// your limit, nor more than is left of the deposit: what you need beyond that, your supplier
	/// delivers.
	Join(CommunityJoinArgs),
	/// Leave with the next slot; the rest of the deposit comes back when your last slot is shared
	Leave(CommunityMemberArgs),
	/// Set the most that you are charged for a slot, from the next slot on
	SetLimit(CommunityLimitArgs),
	/// Add to your deposit
	Deposit(CommunityAmountArgs),
	/// Take back a part of your deposit
	///
	/// What is left is at least the least deposit, and at least your limit for each slot that has
	/// begun and is not shared yet.
	Withdraw(CommunityAmountArgs),
	/// Manager: invite an account with a key; whoever is invited again has the new key only
	Invite(CommunityInviteArgs),
	/// Manager: take an invitation back. Whoever is invited declines with it
	Revoke(CommunityAccountArgs),
	/// Manager: let a member leave, after the time of notice
	Exclude(CommunityAccountArgs),
	/// Manager: give members other keys from a slot on
	///
	/// Members that are not named keep theirs. Members must have notice: the slot must be far enough
	/// ahead for one who does not like it to leave.
	SetKeys(CommunityKeysArgs),
	/// Manager: set what a member pays another, from a slot on
	///
	/// Members must have notice: the slot must be far enough ahead for one who does not like it to
	/// leave.
	SetPrice(CommunityPriceArgs),
	/// Manager, utility or council: end a community with the next slot
	Dissolve(CommunityDissolveArgs),
	/// Utility or council: create a community
	Create(CommunityCreateArgs),
	/// Utility or council: give a community another manager
	SetManager(CommunityManagerArgs),
	/// Utility or council: set what a member that takes pays the grid, from a slot on
	///
	/// Members must have notice: the slot must be far enough ahead for one who does not like it to
	/// leave.
	SetGridFee(CommunityGridFeeArgs),
}

/// Which community.
#[derive(Debug, Args)]
pub struct WhichCommunity {
	/// The community's number, as `community list` prints it
	#[arg(long, value_name = "ID")]
	pub id: CommunityId,
}

/// A key: a part of what the community has to share.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeyChoice {
	/// The key: the member's part of the surplus, in parts per million
	#[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(..=i64::from(MILLION)))]
	pub key_ppm: Option<u32>,
	/// The key in percent, such as 33.3333
	#[arg(long, value_name = "PERCENT", value_parser = units::parse_percent)]
	pub key_percent: Option<u32>,
}

impl KeyChoice {
	/// The key in parts per million.
	pub fn ppm(&self) -> u32 {
		self.key_ppm.or(self.key_percent).unwrap_or(0)
	}
}

/// From which slot on a change holds.
#[derive(Debug, Args)]
pub struct FromArgs {
	/// The first slot that has it: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub from: SlotChoice,
}

/// Who does what only the utility of the zone or the council may.
#[derive(Debug, Args)]
pub struct GovernArgs {
	/// Let the superuser do it (development chains only)
	#[arg(long)]
	pub sudo: bool,
	/// Print the call's bytes and hash instead of sending it: for a motion of the council or a
	/// multisig
	#[arg(long, conflicts_with = "sudo")]
	pub call_data: bool,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// By what rule a community shares, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
	/// Each member has the part of the surplus that its key says; what it does not need goes to the
	/// others by theirs
	#[default]
	StaticKeys,
	/// Each member has a part as large as its part of all need; keys mean nothing
	ProportionalToNeed,
}

impl From<MethodName> for Method {
	fn from(name: MethodName) -> Self {
		match name {
			MethodName::StaticKeys => Self::StaticKeys,
			MethodName::ProportionalToNeed => Self::ProportionalToNeed,
		}
	}
}

/// `community shares`.
#[derive(Debug, Args)]
pub struct CommunitySharesArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// The slot: its number, or -N from the present one
	#[arg(long, value_name = "S|-N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
}

/// `community join`.
#[derive(Debug, Args)]
pub struct CommunityJoinArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// The key that you were invited with
	#[command(flatten)]
	pub key: KeyChoice,
	/// The most that you are charged for a slot, such as 0.5; 0 if you only give
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub limit: u128,
	/// The money to hold, such as 20
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub deposit: u128,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community leave`.
#[derive(Debug, Args)]
pub struct CommunityMemberArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community set-limit`.
#[derive(Debug, Args)]
pub struct CommunityLimitArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// The most that you are charged for a slot, such as 0.5; 0 if you only give
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub limit: u128,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community deposit` and `community withdraw`.
#[derive(Debug, Args)]
pub struct CommunityAmountArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// How much, such as 12.5
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub amount: u128,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community invite`.
#[derive(Debug, Args)]
pub struct CommunityInviteArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// Whom
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub account: AccountId,
	/// The key it may join with
	#[command(flatten)]
	pub key: KeyChoice,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community revoke` and `community exclude`.
#[derive(Debug, Args)]
pub struct CommunityAccountArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// Whom
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub account: AccountId,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community set-keys`.
#[derive(Debug, Args)]
pub struct CommunityKeysArgs {
	/// The members and their keys in parts per million, such as 5GrwvaEF..=250000
	#[arg(value_name = "ACCOUNT=PPM", required = true, value_parser = parse_member_key)]
	pub keys: Vec<MemberKey>,
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// From when on
	#[command(flatten)]
	pub from: FromArgs,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community set-price`.
#[derive(Debug, Args)]
pub struct CommunityPriceArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// The price per kWh, in settlement currency, such as 0.15
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: u64,
	/// From when on
	#[command(flatten)]
	pub from: FromArgs,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `community dissolve`.
#[derive(Debug, Args)]
pub struct CommunityDissolveArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// Who does it
	#[command(flatten)]
	pub govern: GovernArgs,
}

/// `community create`.
#[derive(Debug, Args)]
pub struct CommunityCreateArgs {
	/// Where
	#[arg(long, value_name = "ZONE")]
	pub zone: ZoneId,
	/// Who invites members, and sets keys and price: an active participant of the zone
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub manager: AccountId,
	/// By what rule it shares
	#[arg(long, value_name = "METHOD", value_enum, default_value_t)]
	pub method: MethodName,
	/// What a member pays another per kWh, in settlement currency, such as 0.15
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: u64,
	/// What a member that takes pays the grid per kWh, in settlement currency, such as 0.01
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub grid_fee: u64,
	/// The first slot that is shared: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub from: SlotChoice,
	/// Who does it
	#[command(flatten)]
	pub govern: GovernArgs,
}

/// `community set-manager`.
#[derive(Debug, Args)]
pub struct CommunityManagerArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// Who it is: an active participant of the zone
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub manager: AccountId,
	/// Who does it
	#[command(flatten)]
	pub govern: GovernArgs,
}

/// `community set-grid-fee`.
#[derive(Debug, Args)]
pub struct CommunityGridFeeArgs {
	/// Which community
	#[command(flatten)]
	pub of: WhichCommunity,
	/// The grid fee per kWh, in settlement currency, such as 0.01
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub grid_fee: u64,
	/// From when on
	#[command(flatten)]
	pub from: FromArgs,
	/// Who does it
	#[command(flatten)]
	pub govern: GovernArgs,
}

#[cfg(test)]
mod tests {
	use super::{super::*, *};
	use clap::Parser;

	fn parse(line: &str) -> Result<CommunityCommand, clap::Error> {
		let words = ["energy-wallet", "community"].into_iter().chain(line.split_whitespace());
		Cli::try_parse_from(words).map(|cli| match cli.command {
			Command::Community(command) => command,
			other => panic!("{other:?}"),
		})
	}

	fn refusal(line: &str) -> String {
		parse(line).map(|_| ()).expect_err("is refused").to_string()
	}

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
	const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

	#[test]
	fn key_is_typed_in_one_of_two_units() {
		let join = "join --id 3 --limit 0.5 --deposit 20";
		let Ok(CommunityCommand::Join(args)) = parse(&format!("{join} --key-percent 2.5")) else {
			panic!()
		};
		assert_eq!((args.of.id, args.key.ppm()), (CommunityId(3), 25_000));
		assert_eq!((args.limit, args.deposit), (500_000, 20_000_000));
		let Ok(CommunityCommand::Join(args)) = parse(&format!("{join} --key-ppm 1000000")) else {
			panic!()
		};
		assert_eq!(args.key.ppm(), 1_000_000);
		assert!(parse(join).is_err());
		assert!(parse(&format!("{join} --key-ppm 1 --key-percent 1")).is_err());
		assert!(refusal(&format!("{join} --key-ppm 1000001")).contains("1000001"));
		assert!(refusal(&format!("{join} --key-percent 100.1")).contains("too large"));
		assert!(refusal("join --id 3 --key-ppm 1 --limit 0,5 --deposit 1").contains("no comma"));
	}

	#[test]
	fn members_have_their_keys_with_them() {
		let line = format!("set-keys --id 3 --from +100 {ALICE}=250000 {BOB}=0");
		let Ok(CommunityCommand::SetKeys(args)) = parse(&line) else { panic!() };
		let keys: Vec<_> =
			args.keys.iter().map(|key| (address::format(&key.account), key.key_ppm)).collect();
		assert_eq!(keys, [(ALICE.to_owned(), 250_000), (BOB.to_owned(), 0)]);
		assert_eq!(args.from.from, SlotChoice::After(100));
		assert!(parse("set-keys --id 3 --from +100").is_err());
		for key in
			[format!("{ALICE}=1000001"), format!("{ALICE}=-1"), "nobody=1".into(), "=".into()]
		{
			assert!(parse(&format!("set-keys --id 3 --from +100 {key}")).is_err(), "{key}");
		}
		assert!(refusal(&format!("set-keys --id 3 --from +100 {ALICE}")).contains("=250000"));
	}

	#[test]
	fn prices_change_with_a_slot() {
		let Ok(CommunityCommand::SetPrice(args)) =
			parse("set-price --id 3 --price 0.15 --from 700")
		else {
			panic!()
		};
		assert_eq!((args.price, args.from.from), (150_000, SlotChoice::Number(700)));
		assert!(parse("set-price --id 3 --price 0.15").is_err());
		assert!(parse("set-grid-fee --id 3 --grid-fee 0.01 --from +100 --sudo").is_ok());
		assert!(
			parse("set-grid-fee --id 3 --grid-fee 0.01 --from +100 --sudo --call-data").is_err()
		);
	}

	#[test]
	fn community_is_created_with_keys_unless_another_rule_is_named() {
		let create = format!(
			"create --zone 1 --manager {ALICE} --price 0.15 --grid-fee 0.01 --from +1 --call-data"
		);
		let Ok(CommunityCommand::Create(args)) = parse(&create) else { panic!() };
		assert_eq!(Method::from(args.method), Method::StaticKeys);
		assert_eq!((args.price, args.grid_fee), (150_000, 10_000));
		assert!(args.govern.call_data && !args.govern.sudo);
		let Ok(CommunityCommand::Create(args)) =
			parse(&format!("{create} --method proportional-to-need"))
		else {
			panic!()
		};
		assert_eq!(Method::from(args.method), Method::ProportionalToNeed);
		assert!(refusal(&format!("{create} --method lots")).contains("static-keys"));
	}

	#[test]
	fn shares_are_of_past_slots_too() {
		let Ok(CommunityCommand::Shares(args)) = parse("shares --id 3 --slot -4") else { panic!() };
		assert_eq!((args.of.id, args.slot), (CommunityId(3), SlotChoice::Before(4)));
		assert!(parse("shares --id 3").is_err());
		assert!(parse("show").is_err());
	}
}
