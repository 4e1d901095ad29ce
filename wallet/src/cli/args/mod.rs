//! What can be typed after `energy-wallet`.

mod admin;
mod community;
mod keys;
mod trade;
mod values;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use energy_primitives::{AccountId, MeterIndex, ZoneId};

use crate::{address, client, units};

pub use admin::{AdminArgs, AdminCommand, IdentityArgs, RoleName};
pub use community::{
	CommunityAccountArgs, CommunityAmountArgs, CommunityCommand, CommunityCreateArgs,
	CommunityDissolveArgs, CommunityGridFeeArgs, CommunityInviteArgs, CommunityJoinArgs,
	CommunityKeysArgs, CommunityLimitArgs, CommunityManagerArgs, CommunityMemberArgs,
	CommunityPriceArgs, CommunitySharesArgs, GovernArgs, WhichCommunity,
};
pub use keys::{ImportSource, KeyCommand};
pub use trade::{
	AgentCommand, AgentSetArgs, AgentShowArgs, BatchArgs, CancelArgs, CouplingCommand,
	CouplingProposeArgs, CouplingSlotArgs, OfferAcceptArgs, OfferCommand, OfferListArgs,
	OfferMakeArgs, OrderArgs, ReplaceArgs, StandingCommand, StandingListArgs, StandingPlaceArgs,
};
pub use values::{Bytes, MemberKey, MomentChoice, SlotChoice};

use values::parse_dev_key;

const EXAMPLES: &str = "\
Examples:
  energy-wallet key new home                       make a key; write its words down
  energy-wallet balance                            what can be spent, what is held
  energy-wallet clock                              slots and when their gates close
  energy-wallet market --slot +4                   the market of the slot after the next three
  energy-wallet ask --slot +4 --kwh 1.5 --price 0.22
  energy-wallet standing place --side bid --kwh 0.5 --price 0.25 --last +96 --budget 20
  energy-wallet bill --slot -3 --verify            a bill, proven down to the meter

Amounts: money and prices are decimals of the settlement currency with at most six places, prices
are per kWh, energy is whole Wh. With --json they come as exact decimal strings and whole Wh.

Exit status: 0 done; 1 not done, the message says why; 2 a bill could not be verified.";

/// The wallet of the energy chain.
///
/// Buy and sell energy for delivery slots, see what you hold and owe, and check your bill against
/// what your own meter signed. Keys stay on this computer, encrypted.
#[derive(Debug, Parser)]
#[command(name = "energy-wallet", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
	/// What holds for every command.
	#[command(flatten)]
	pub global: Global,
	/// The command.
	#[command(subcommand)]
	pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
	/// Print one JSON document instead of text (errors too, on standard error)
	#[arg(long, global = true)]
	pub json: bool,
	/// The node to ask: the address of its WebSocket
	#[arg(
		long,
		global = true,
		env = "ENERGY_NODE",
		value_name = "URL",
		default_value = "ws://127.0.0.1:9944"
	)]
	pub node: String,
	/// The oracle to fetch signed readings from (for `bill --verify`)
	#[arg(
		long,
		global = true,
		env = "ENERGY_ORACLE",
		value_name = "URL",
		default_value = "http://127.0.0.1:8080"
	)]
	pub oracle: String,
	/// The folder with the keys [default: ~/.local/share/energy-wallet/keys]
	#[arg(long, global = true, env = "ENERGY_KEYSTORE", value_name = "DIR")]
	pub keystore: Option<PathBuf>,
	/// How many seconds an answer, or a block, may take
	#[arg(long, global = true, value_name = "SECONDS", default_value_t = client::DEFAULT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
	pub timeout: u64,
	/// Read the newest finalized block, which cannot be undone, instead of the newest one
	#[arg(long, global = true)]
	pub finalized: bool,
}

impl Global {
	/// How to connect to the node.
	pub fn options(&self) -> client::Options {
		client::Options {
			timeout: Duration::from_secs(self.timeout),
			view: if self.finalized { client::View::Finalized } else { client::View::Best },
		}
	}
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Make, import, list and export keys
	#[command(subcommand)]
	Key(KeyCommand),
	/// Show what an account can spend, and what it has in the market
	Balance(ReadArgs),
	/// Show the time, the present slot, and when the gates of the next slots close
	Clock(ClockArgs),
	/// Show a zone: its terms, its oracles, its pots
	Zone(ZoneArgs),
	/// Show the market of a slot: state, gate, price, and what is bid and offered
	Market(MarketArgs),
	/// List what became of past slots of a zone
	History(HistoryArgs),
	/// Offer to buy energy in a slot
	///
	/// The worst-case cost (your limit and the grid's fees) is held: it goes into the market and is
	/// committed there. What is not needed is free when the gate closes, and what is left when the
	/// slot is settled; when nothing is committed any more, all of it comes back.
	Bid(OrderArgs),
	/// Offer to sell energy in a slot
	///
	/// A bond is held: what you would owe for not delivering, or the part of it that the terms ask
	/// for. It goes into the market and is committed there. What is not needed is free when the gate
	/// closes, and what is left when the slot is settled; when nothing is committed any more, all of
	/// it comes back.
	Ask(OrderArgs),
	/// Place many orders at once, from a file
	///
	/// An order that cannot be placed does not stop the others; a line says what became of each.
	/// Ends with status 1 when one was not placed.
	Batch(BatchArgs),
	/// Take an order out and place another in its stead, or change nothing
	///
	/// What is not named stays as it is, --minimum-wh and --expires too; --minimum-wh 0 takes the
	/// minimum away.
	Replace(ReplaceArgs),
	/// Take an order back before the gate closes
	Cancel(CancelArgs),
	/// Orders that are placed anew in every slot, within a budget
	#[command(subcommand)]
	Standing(StandingCommand),
	/// Trade with a partner at a price of your own
	#[command(subcommand)]
	Offer(OfferCommand),
	/// Let another account place orders with your money, within limits
	#[command(subcommand)]
	Agent(AgentCommand),
	/// Share energy with neighbours, after the market
	#[command(subcommand)]
	Community(CommunityCommand),
	/// Slots that are cleared for several zones together
	#[command(subcommand)]
	Coupling(CouplingCommand),
	/// List your open orders
	Orders(SlotsArgs),
	/// List what you have bought and sold and is not settled yet
	Positions(SlotsArgs),
	/// List your meters
	Meters(ZonedReadArgs),
	/// Show your bill for a slot, and with --verify prove it
	Bill(BillArgs),
	/// Send settlement currency to another account
	Send(SendArgs),
	/// Take money out of the market that is not committed
	///
	/// Rarely needed: when nothing is committed any more, all of it comes back by itself.
	Withdraw(WithdrawArgs),
	/// For utilities, regulators and developers: participants, meters, terms, contracts
	Admin(AdminArgs),
}

/// Where the passphrase of a key comes from.
#[derive(Debug, Args)]
pub struct PassphraseArgs {
	/// Read the passphrase from the first line of a file instead of asking for it
	#[arg(long, global = true, value_name = "FILE")]
	pub passphrase_file: Option<PathBuf>,
}

/// Who signs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub struct SignerArgs {
	/// The key to sign with [default: the only one there is]
	#[arg(long, global = true, env = "ENERGY_KEY", value_name = "NAME")]
	pub key: Option<String>,
	/// Sign with a development key that everybody knows, such as //Alice
	#[arg(long, global = true, value_name = "//NAME", conflicts_with = "passphrase_file", value_parser = parse_dev_key)]
	pub dev_key: Option<String>,
	/// Where the passphrase comes from
	#[command(flatten)]
	pub passphrase: PassphraseArgs,
}

/// How long to wait for a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
	/// Until it is in a block of the best chain
	#[default]
	InBlock,
	/// Until the block cannot be undone any more
	Finalized,
}

impl From<WaitFor> for client::Wait {
	fn from(wait: WaitFor) -> Self {
		match wait {
			WaitFor::InBlock => Self::InBlock,
			WaitFor::Finalized => Self::Finalized,
		}
	}
}

/// How to send something.
#[derive(Debug, Args)]
pub struct SubmitArgs {
	/// How long to wait
	#[arg(long, value_name = "UNTIL", value_enum, default_value_t)]
	pub wait: WaitFor,
	/// Who signs
	#[command(flatten)]
	pub signer: SignerArgs,
}

/// Whose data to show.
#[derive(Debug, Args)]
pub struct WhoArgs {
	/// Of which key [default: the only one there is]
	#[arg(long, env = "ENERGY_KEY", value_name = "NAME")]
	pub key: Option<String>,
	/// Of any account, by its address
	#[arg(long, value_name = "ADDRESS", conflicts_with = "dev_key", value_parser = address::parse)]
	pub address: Option<AccountId>,
	/// Of a development key, such as //Alice
	#[arg(long, value_name = "//NAME", value_parser = parse_dev_key)]
	pub dev_key: Option<String>,
}

/// Of which account.
#[derive(Debug, Args)]
pub struct ReadArgs {
	/// Whose
	#[command(flatten)]
	pub who: WhoArgs,
}

/// Of which account, where.
#[derive(Debug, Args)]
pub struct ZonedReadArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Whose
	#[command(flatten)]
	pub who: WhoArgs,
}

/// Which zone.
#[derive(Debug, Args)]
pub struct ZoneChoice {
	/// The zone [default: the zone the account belongs to]
	#[arg(long, env = "ENERGY_ZONE", value_name = "ZONE")]
	pub zone: Option<ZoneId>,
}

/// `clock`.
#[derive(Debug, Args)]
pub struct ClockArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// How many slots to list
	#[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
	pub count: u32,
	/// Whose zone
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `zone`.
#[derive(Debug, Args)]
pub struct ZoneArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// Whose zone
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `market`.
#[derive(Debug, Args)]
pub struct MarketArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The slot: its number, or +N / -N from the present one [default: the next with an open gate]
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: Option<SlotChoice>,
	/// Whose zone
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The last slot to list: its number, or -N from the present one [default: the present one]
	#[arg(long, value_name = "S|-N", allow_hyphen_values = true)]
	pub until: Option<SlotChoice>,
	/// How many slots to look at; those without a market are left out
	#[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=2_880))]
	pub count: u32,
	/// Whose zone
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `orders` and `positions`.
#[derive(Debug, Args)]
pub struct SlotsArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// One slot: its number, or +N / -N from the present one [default: all near the present one]
	#[arg(long, value_name = "S|+N", allow_hyphen_values = true)]
	pub slot: Option<SlotChoice>,
	/// Without --slot: how many slots before the present one to look at
	#[arg(long, value_name = "N", default_value_t = 16)]
	pub back: u32,
	/// Without --slot: how many slots after the present one to look at
	#[arg(long, value_name = "N", default_value_t = 32)]
	pub ahead: u32,
	/// Whose
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `bill`.
#[derive(Debug, Args)]
pub struct BillArgs {
	/// Where
	#[command(flatten)]
	pub zone: ZoneChoice,
	/// The slot: its number, or -N from the present one
	#[arg(long, value_name = "S|-N", allow_hyphen_values = true)]
	pub slot: SlotChoice,
	/// Follow the bill back to the readings that your meters signed
	///
	/// Fetches the readings from the oracle and checks, for each of your meters: the meter's
	/// signature with its key from the chain; the Merkle path of every reading to the root on the
	/// chain; that the readings add up to the attested line, and the lines to the bill. Ends with
	/// status 2 when anything does not hold.
	#[arg(long)]
	pub verify: bool,
	/// With --verify: your meters' places in the zone, instead of looking through the whole zone
	#[arg(long, value_name = "INDEX", requires = "verify", value_delimiter = ',')]
	pub meter: Vec<MeterIndex>,
	/// Whose
	#[command(flatten)]
	pub who: WhoArgs,
}

/// `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
	/// To whom
	#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
	pub to: AccountId,
	/// How much, such as 12.5
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub amount: u128,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

/// `withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
	/// How much, such as 12.5 [default: all that is not committed]
	#[arg(long, value_name = "AMOUNT", value_parser = units::parse_money)]
	pub amount: Option<u128>,
	/// How to send it
	#[command(flatten)]
	pub submit: SubmitArgs,
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn arguments_are_consistent() {
		Cli::command().debug_assert();
	}
}
