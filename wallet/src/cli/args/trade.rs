//! Arguments of what traders do: orders, standing orders, offers, agents.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use energy_primitives::{
	AccountId, CommunityId, EnergyKind, OfferId, OrderIndex, RegionId, Side, StandingId,
	MAX_RECURRENCE,
};

use super::{MomentChoice, SlotChoice, SubmitArgs, WhoArgs, ZoneChoice};
use crate::{address, units};

/// Buying or selling, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideName {
	/// To buy
	Bid,
	/// To sell
	Ask,
}

impl From<SideName> for Side {
	fn from(name: SideName) -> Self {
		match name {
			SideName::Bid => Self::Bid,
			SideName::Ask => Self::Ask,
		}
	}
}

/// Where energy comes from, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KindName {
	/// Anything
	#[default]
	Any,
	/// Photovoltaics
	Solar,
	/// Wind
	Wind,
	/// Water
	Hydro,
	/// Biomass and biogas
	Biomass,
	/// Out of a battery
	Storage,
}

impl From<KindName> for EnergyKind {
	fn from(name: KindName) -> Self {
		match name {
			KindName::Any => Self::Any,
			KindName::Solar => Self::Solar,
			KindName::Wind => Self::Wind,
			KindName::Hydro => Self::Hydro,
			KindName::Biomass => Self::Biomass,
			KindName::Storage => Self::Storage,
		}
	}
}

/// `bid` and `ask`.
#[derive(Debug, Args)]
pub struct OrderArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// How much
	#[command(flatten)]
	pub energy: EnergyChoice,
	/// Your limit per kWh, in settlement currency, such as 0.25; it must be on the market's grid
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: u64,
	/// On what conditions
	#[command(flatten)]
	pub conditions: ConditionArgs,
	/// Place it for OWNER, with its money; you must be its agent (see `agent`)
	#[arg(long = "for", value_name = "OWNER", value_parser = address::parse)]
	pub owner: Option<AccountId>,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// What makes an order special.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ConditionArgs {
	/// The least that you accept, in whole Wh: all or nothing below it
	#[arg(long, value_name = "WH")]
	pub minimum_wh: Option<u64>,
	/// When it is no longer to be filled: a second since 1970, or from the chain's present time
	/// +600 (seconds), +10m, +12h or +30d
	///
	/// It stays in the book, and its money held, until it is cancelled or the gate closes.
	#[arg(long, value_name = "T|+SPAN")]
	pub expires: Option<MomentChoice>,
}

/// An amount of energy, in one of two units.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct EnergyChoice {
	/// How much energy, in whole Wh
	#[arg(long, value_name = "WH")]
	pub energy_wh: Option<u64>,
	/// How much energy, in kWh, such as 1.5
	#[arg(long, value_name = "KWH", value_parser = units::parse_kwh)]
	pub kwh: Option<u64>,
}

impl EnergyChoice {
	/// The energy in Wh.
	pub fn energy_wh(&self) -> u64 {
		self.energy_wh.or(self.kwh).unwrap_or(0)
	}
}

/// `batch`.
#[derive(Debug, Args)]
pub struct BatchArgs {
	/// A file with the orders, JSON or CSV
	///
	/// JSON: a list of objects with slot, side, price, energyWh, and if wanted minimumWh and expires.
	/// CSV: the same names in its first line. A slot is a number, or +N from the present one; side is
	/// bid or ask; a price is a decimal, in JSON in quotes; expires as for `bid --expires`. Example:
	/// [{"slot": "+4", "side": "bid", "price": "0.25", "energyWh": 1500}]
	pub file: PathBuf,
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Place them for OWNER, with its money; you must be its agent (see `agent`)
	#[arg(long = "for", value_name = "OWNER", value_parser = address::parse)]
	pub owner: Option<AccountId>,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// The order's number, as `bid`, `ask` and `orders` print it
	#[arg(long, value_name = "INDEX")]
	pub order: OrderIndex,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `replace`.
#[derive(Debug, Args)]
pub struct ReplaceArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The delivery slot of the order: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// The order's number, as `bid`, `ask` and `orders` print it
	#[arg(long, value_name = "INDEX")]
	pub order: OrderIndex,
	/// What is to be different
	#[command(flatten)]
	pub change: ChangeArgs,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// What is to be different about an order.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct ChangeArgs {
	/// Another delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub to_slot: Option<SlotChoice>,
	/// Another limit per kWh, in settlement currency, such as 0.25
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: Option<u64>,
	/// Another amount of energy, in whole Wh
	#[arg(long, value_name = "WH", conflicts_with = "kwh")]
	pub energy_wh: Option<u64>,
	/// Another amount of energy, in kWh, such as 1.5
	#[arg(long, value_name = "KWH", value_parser = units::parse_kwh)]
	pub kwh: Option<u64>,
	/// The least that you accept, in whole Wh; 0: anything [default: as before]
	#[arg(long, value_name = "WH")]
	pub minimum_wh: Option<u64>,
	/// When it is no longer to be filled, as for `bid` [default: as before]
	#[arg(long, value_name = "T|+SPAN")]
	pub expires: Option<MomentChoice>,
}

/// Commands about standing orders.
#[derive(Debug, Subcommand)]
pub enum StandingCommand {
	/// Leave an order that is placed anew in every slot
	///
	/// It is placed one to two slots before each gate closes, as long as its budget lasts. What an
	/// order does not need in the end comes back to the budget. No money is held before.
	Place(StandingPlaceArgs),
	/// List the standing orders of an account, or of a zone
	List(StandingListArgs),
	/// End a standing order; orders that it has placed stay
	Cancel {
		/// Where
		#[command(flatten)]
		zone: ZoneChoice,
		/// Its number, as `standing place` and `standing list` print it
		#[arg(long, value_name = "ID")]
		id: StandingId,
		/// How to send it
		#[command(flatten)]
		submit: SubmitArgs,
	},
}

/// `standing place`.
#[derive(Debug, Args)]
pub struct StandingPlaceArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// To buy or to sell
	#[arg(long, value_name = "SIDE", value_enum)]
	pub side: SideName,
	/// How much in each slot
	#[command(flatten)]
	pub energy: EnergyChoice,
	/// Your limit per kWh, in settlement currency, such as 0.25; it must be on the market's grid
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: u64,
	/// The least that you accept in a slot, in whole Wh: all or nothing below it
	#[arg(long, value_name = "WH", default_value_t = 0)]
	pub minimum_wh: u64,
	/// The first slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", default_value = "+1", allow_hyphen_values = true)]
	pub first: SlotChoice,
	/// The last slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub last: SlotChoice,
	/// The most money that its orders may have committed and spent, such as 20
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub budget: u128,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `standing list`.
#[derive(Debug, Args)]
pub struct StandingListArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Those of everyone in the zone
	#[arg(long)]
	pub all: bool,
	/// Whose
	#[command(flatten)]
	pub who: WhoArgs,
}

/// Commands about agents.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
	/// Let an account place, replace and cancel orders with your money, within limits
	///
	/// The limits replace earlier ones of the same agent.
	Set(AgentSetArgs),
	/// Take an agent's right away; orders that it has placed stay
	Remove {
		/// Whom
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		agent: AccountId,
		/// How to send it
		#[command(flatten)]
		submit: SubmitArgs,
	},
	/// Show the limits of an agent
	Show(AgentShowArgs),
}

/// `agent set`.
#[derive(Debug, Args)]
pub struct AgentSetArgs {
	/// Whom
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub agent: AccountId,
	/// The most money that its orders may commit, such as 50; what it cancels comes back
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub allowance: u128,
	/// The most energy of one order, in whole Wh
	#[arg(long, value_name = "WH")]
	pub max_order_wh: u64,
	/// The last moment at which it may act: a second since 1970, or from the chain's present time
	/// +600 (seconds), +10m, +12h or +30d
	#[arg(long, value_name = "T|+SPAN")]
	pub until: MomentChoice,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `agent show`.
#[derive(Debug, Args)]
pub struct AgentShowArgs {
	/// Which agent
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub agent: AccountId,
	/// Whose agent
	#[command(flatten)]
	pub who: WhoArgs,
}

/// Commands about slots that are cleared for several zones together.
#[derive(Debug, Subcommand)]
pub enum CouplingCommand {
	/// Print the problem of a slot, as `energy-solver` reads it
	///
	/// The books are final once the gates are closed.
	Problem(CouplingSlotArgs),
	/// Propose what a solver found
	///
	/// The chain takes it if its prices prove it the best and no earlier proposal is as good. Any
	/// active participant may propose, from the last gate of the zones on for as long as the region
	/// says.
	Propose(CouplingProposeArgs),
}

/// A region and a slot.
#[derive(Debug, Args)]
pub struct CouplingSlotArgs {
	/// The region
	#[arg(long, value_name = "REGION")]
	pub region: RegionId,
	/// The delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
}

/// `coupling propose`.
#[derive(Debug, Args)]
pub struct CouplingProposeArgs {
	/// The answer of a solver, as `energy-solver --json` prints it
	#[arg(value_name = "FILE")]
	pub file: PathBuf,
	/// Which slot
	#[command(flatten)]
	pub of: CouplingSlotArgs,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// Commands about bilateral offers.
#[derive(Debug, Subcommand)]
pub enum OfferCommand {
	/// Offer a trade to one partner, a community, or anyone in the zone
	///
	/// The worst-case cost is held for every slot: it goes into the market and is committed there.
	/// The price need not be one of the auction's, but must be within them.
	Make(OfferMakeArgs),
	/// List the offers that wait in a zone
	List(OfferListArgs),
	/// Accept an offer, or a part of it, in a slot
	///
	/// Both partners have promised the energy then, at the offer's price, beside what they buy and
	/// sell in the auction.
	Accept(OfferAcceptArgs),
	/// Withdraw what is left of your offer; what was accepted stays
	Withdraw {
		/// Its number, as `offer make` and `offer list` print it
		#[arg(long, value_name = "ID")]
		id: OfferId,
		/// How to send it
		#[command(flatten)]
		submit: SubmitArgs,
	},
}

/// `offer make`.
#[derive(Debug, Args)]
pub struct OfferMakeArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Whether you buy or sell
	#[arg(long, value_name = "SIDE", value_enum)]
	pub side: SideName,
	/// How much in each slot
	#[command(flatten)]
	pub energy: EnergyChoice,
	/// The price per kWh, in settlement currency, such as 0.2345
	#[arg(long, value_name = "PRICE", value_parser = units::parse_price)]
	pub price: u64,
	/// The least that may be accepted at a time, in whole Wh; the rest may always be accepted whole
	#[arg(long, value_name = "WH", default_value_t = 0)]
	pub minimum_wh: u64,
	/// What you sell, or want to buy; for a sale it is what you declare
	#[arg(long, value_name = "KIND", value_enum, default_value_t)]
	pub kind: KindName,
	/// The first delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// In how many slots, one after the other
	#[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RECURRENCE)))]
	pub slots: u32,
	/// Who may accept: this account only [default: every trader of the zone]
	#[arg(long, value_name = "ADDRESS", conflicts_with = "community", value_parser = address::parse)]
	pub to: Option<AccountId>,
	/// Who may accept: the members of this community
	#[arg(long, value_name = "ID")]
	pub community: Option<CommunityId>,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `offer list`.
#[derive(Debug, Args)]
pub struct OfferListArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Offers of the account only
	#[arg(long)]
	pub mine: bool,
	/// Whose zone, and with --mine whose offers
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `offer accept`.
#[derive(Debug, Args)]
pub struct OfferAcceptArgs {
	/// The offer's number, as `offer list` prints it
	#[arg(long, value_name = "ID")]
	pub id: OfferId,
	/// The delivery slot: its number, or +N from the present one
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// How much of it
	#[command(flatten)]
	pub energy: EnergyChoice,
	/// What you declare to sell, or want to buy
	#[arg(long, value_name = "KIND", value_enum, default_value_t)]
	pub kind: KindName,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

#[cfg(test)]
mod tests {
	use super::{super::*, *};
	use clap::Parser;

	fn parse(line: &str) -> Result<Command, clap::Error> {
		let words = ["energy-wallet"].into_iter().chain(line.split_whitespace());
		Cli::try_parse_from(words).map(|cli| cli.command)
	}

	fn refusal(line: &str) -> String {
		parse(line).map(|_| ()).expect_err("is refused").to_string()
	}

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

	#[test]
	fn order_has_no_conditions_unless_they_are_given() {
		let Ok(Command::Bid(args)) = parse("bid --slot +4 --kwh 1 --price 0.25") else { panic!() };
		assert_eq!((args.conditions.minimum_wh, args.conditions.expires), (None, None));
		assert_eq!(args.owner, None);
		let line = format!(
			"ask --slot +4 --kwh 1 --price 0.25 --minimum-wh 400 --expires +10m --for {ALICE}"
		);
		let Ok(Command::Ask(args)) = parse(&line) else { panic!() };
		assert_eq!(args.conditions.minimum_wh, Some(400));
		assert_eq!(args.conditions.expires, Some(MomentChoice::After(600)));
		assert_eq!(args.owner, address::parse(ALICE).ok());
		assert!(refusal("bid --slot +4 --kwh 1 --price 0.25 --expires soon").contains("+10m"));
	}

	#[test]
	fn replacement_must_differ_in_something() {
		assert!(parse("replace --slot 7 --order 1").is_err());
		assert!(parse("replace --slot 7 --order 1 --kwh 1 --energy-wh 1000").is_err());
		let Ok(Command::Replace(args)) = parse("replace --slot 7 --order 1 --price 0.3 --kwh 2")
		else {
			panic!()
		};
		assert_eq!((args.change.price, args.change.kwh), (Some(300_000), Some(2_000)));
		assert_eq!(args.change.to_slot, None);
	}

	#[test]
	fn standing_order_begins_with_the_next_slot() {
		let line = "standing place --side ask --kwh 1 --price 0.25 --last +96 --budget 20";
		let Ok(Command::Standing(StandingCommand::Place(args))) = parse(line) else { panic!() };
		assert_eq!(args.first, SlotChoice::After(1));
		assert_eq!(args.last, SlotChoice::After(96));
		assert_eq!((args.budget, args.minimum_wh), (20_000_000, 0));
		assert_eq!(Side::from(args.side), Side::Ask);
		assert!(parse("standing place --side ask --kwh 1 --price 0.25 --last +96").is_err());
	}

	#[test]
	fn offer_is_to_anyone_or_one_or_a_community() {
		let make = "offer make --side ask --kwh 1 --price 0.25 --slot +4";
		let Ok(Command::Offer(OfferCommand::Make(args))) = parse(make) else { panic!() };
		assert_eq!((&args.to, args.community, args.slots), (&None, None, 1));
		assert_eq!(EnergyKind::from(args.kind), EnergyKind::Any);
		assert!(parse(&format!("{make} --to {ALICE}")).is_ok());
		assert!(parse(&format!("{make} --community 3 --kind solar --slots 96")).is_ok());
		assert!(parse(&format!("{make} --to {ALICE} --community 3")).is_err());
		assert!(parse(&format!("{make} --slots 97")).is_err());
		assert!(parse(&format!("{make} --slots 0")).is_err());
		assert!(refusal(&format!("{make} --kind coal")).contains("solar"));
	}

	#[test]
	fn agent_has_all_limits() {
		let line = format!("agent set --agent {ALICE} --allowance 50 --max-order-wh 2000");
		assert!(parse(&line).is_err());
		let Ok(Command::Agent(AgentCommand::Set(args))) = parse(&format!("{line} --until +30d"))
		else {
			panic!()
		};
		assert_eq!((args.allowance, args.max_order_wh), (50_000_000, 2_000));
		assert_eq!(args.until, MomentChoice::After(2_592_000));
	}
}
