//! What can be typed after `energy-wallet`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use energy_primitives::{AccountId, MeterIndex, OrderIndex, Role, Slot, ZoneId};
use sp_core::{H160, H256};
use wia_ene_014::canonical::DeviceKey;

use crate::{address, client, keystore::MnemonicLength, units};

const EXAMPLES: &str = "\
Examples:
  energy-wallet key new home                       make a key; write its words down
  energy-wallet balance                            what can be spent, what is held
  energy-wallet clock                              slots and when their gates close
  energy-wallet market --slot +4                   the market of the slot after the next three
  energy-wallet ask --slot +4 --kwh 1.5 --price 0.22
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
	/// Show what an account can spend and what is held for its orders
	Balance(ReadArgs),
	/// Show the time, the present slot, and when the gates of the next slots close
	Clock(ClockArgs),
	/// Show a zone: its terms, its oracles, its pots
	Zone(ZoneArgs),
	/// Show the market of a slot: state, gate, price, and what is bid and offered
	Market(MarketArgs),
	/// Offer to buy energy in a slot
	///
	/// The worst-case cost (your limit and the grid fee) is held. What is not needed comes back when
	/// the gate closes, and what is left when the slot is settled.
	Bid(OrderArgs),
	/// Offer to sell energy in a slot
	///
	/// A bond is held: what you would owe for not delivering. What is not needed comes back when the
	/// gate closes, and what is left when the slot is settled.
	Ask(OrderArgs),
	/// Take an order back before the gate closes
	Cancel(CancelArgs),
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
	/// For utilities, regulators and developers: participants, meters, terms, contracts
	Admin(AdminArgs),
}

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
	/// Make a new key and show its secret words, once
	///
	/// Write the words down on paper: they are the only way back to the account when this computer
	/// or the passphrase is lost, and whoever has them has the account.
	New {
		/// A name for it: letters, digits, - and _
		name: String,
		/// How many secret words
		#[arg(long, value_name = "12|24", default_value = "12", value_parser = parse_words)]
		words: MnemonicLength,
		/// Where the passphrase comes from
		#[command(flatten)]
		passphrase: PassphraseArgs,
	},
	/// Import a key from its secret words or URI
	Import {
		/// A name for it: letters, digits, - and _
		name: String,
		/// Where the secret comes from
		#[command(flatten)]
		source: ImportSource,
		/// Where the passphrase comes from
		#[command(flatten)]
		passphrase: PassphraseArgs,
	},
	/// List the keys and their addresses
	List,
	/// Show the address of a key
	Show {
		/// Its name
		name: String,
	},
	/// Print the encrypted key as JSON, to import it into a Polkadot wallet
	///
	/// It opens with the passphrase of the key. What is printed is also what is on the disk.
	Export {
		/// Its name
		name: String,
	},
}

/// Where an imported secret comes from: a file, so that it is in no list of processes and in no
/// history of the shell.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ImportSource {
	/// A file with the secret words
	#[arg(long, value_name = "FILE")]
	pub mnemonic_file: Option<PathBuf>,
	/// A file with a secret URI: words or 0x.., then //hard and /soft derivations, ///password
	#[arg(long, value_name = "FILE")]
	pub uri_file: Option<PathBuf>,
	/// A development key that everybody knows, such as //Alice
	#[arg(long, value_name = "//NAME", value_parser = parse_dev_key)]
	pub dev: Option<String>,
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
	/// How long to wait
	#[arg(long, value_name = "UNTIL", value_enum, default_value_t)]
	pub wait: WaitFor,
	/// Who signs
	#[command(flatten)]
	pub signer: SignerArgs,
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
	/// How long to wait
	#[arg(long, value_name = "UNTIL", value_enum, default_value_t)]
	pub wait: WaitFor,
	/// Who signs
	#[command(flatten)]
	pub signer: SignerArgs,
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
	/// How long to wait
	#[arg(long, value_name = "UNTIL", value_enum, default_value_t)]
	pub wait: WaitFor,
	/// Who signs
	#[command(flatten)]
	pub signer: SignerArgs,
}

/// `admin`.
#[derive(Debug, Args)]
pub struct AdminArgs {
	/// What to do
	#[command(subcommand)]
	pub command: AdminCommand,
	/// Let the superuser do it (development chains only)
	#[arg(long, global = true)]
	pub sudo: bool,
	/// Print the call's bytes and hash instead of sending it: for a motion of the council or a
	/// multisig
	#[arg(long, global = true, conflicts_with = "sudo")]
	pub call_data: bool,
	/// How long to wait
	#[arg(long, global = true, value_name = "UNTIL", value_enum, default_value_t)]
	pub wait: WaitFor,
	/// Who signs
	#[command(flatten)]
	pub signer: SignerArgs,
}

/// Commands for those who run the chain.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
	/// Admit an account with roles in a zone
	Admit {
		/// Whom
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		account: AccountId,
		/// What it may do, separated by commas
		#[arg(long, value_name = "ROLES", value_enum, required = true, value_delimiter = ',')]
		roles: Vec<RoleName>,
		/// Where it belongs
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// A commitment to who it is
		#[command(flatten)]
		identity: IdentityArgs,
	},
	/// Suspend an account
	Suspend {
		/// Whom
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		account: AccountId,
	},
	/// End a suspension
	Reinstate {
		/// Whom
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		account: AccountId,
	},
	/// Remove an account
	Remove {
		/// Whom
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		account: AccountId,
	},
	/// Make a zone
	RegisterZone {
		/// Its number
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The utility that runs its grid
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		utility: AccountId,
	},
	/// Register a meter and the key with which it signs
	RegisterMeter {
		/// The identifier that is printed on it
		#[arg(long, value_name = "TEXT")]
		meter_text: String,
		/// Who is billed for what it measures
		#[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
		owner: AccountId,
		/// Where it is connected
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// Its public key: ed25519: and 64, or p256: and 66 hexadecimal digits
		#[arg(long, value_name = "ALGORITHM:HEX", value_parser = parse_device_key)]
		device_key: DeviceKey,
		/// The largest power of the connection in either direction, in W
		#[arg(long, value_name = "W")]
		rated_power_w: u32,
	},
	/// Give a meter a new key
	RotateMeterKey {
		/// The identifier that is printed on it
		#[arg(long, value_name = "TEXT")]
		meter_text: String,
		/// Its new public key: ed25519: and 64, or p256: and 66 hexadecimal digits
		#[arg(long, value_name = "ALGORITHM:HEX", value_parser = parse_device_key)]
		device_key: DeviceKey,
	},
	/// Set the rules of a zone's market for slots that open from now on
	///
	/// The file is JSON with the fields gateClosureSeconds, priceFloor, tickSize, tickCount,
	/// maxOrderWh, gridFee, shortagePrice, surplusPrice and policy (an address 0x.. or null). Prices
	/// there are whole minor units (0.000001) per kWh.
	SetTerms {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The terms
		#[arg(long, value_name = "FILE")]
		file: PathBuf,
	},
	/// Upload a contract and make one instance of it
	DeployContract {
		/// The PolkaVM program
		file: PathBuf,
		/// What the constructor is given
		#[arg(long, value_name = "0xHEX", default_value = "0x", value_parser = parse_bytes)]
		data: Bytes,
		/// 32 bytes that decide the address; without, each deployment has a new one
		#[arg(long, value_name = "0xHEX", value_parser = parse_h256)]
		salt: Option<H256>,
		/// The most computing time to use, in picoseconds [default: half of what one may]
		#[arg(long, value_name = "PS")]
		ref_time: Option<u64>,
		/// The most proof size to use, in bytes [default: half of what one may]
		#[arg(long, value_name = "BYTES")]
		proof_size: Option<u64>,
		/// The most native coin to leave as a deposit for storage, in its smallest unit
		#[arg(long, value_name = "UNITS", default_value_t = u128::MAX, hide_default_value = true)]
		storage_deposit_limit: u128,
	},
	/// Make a contract the settlement policy of a zone; other terms stay
	SetPolicy {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The contract
		#[arg(long, value_name = "0xADDRESS", value_parser = parse_h160)]
		contract: H160,
	},
	/// Let a halted market go on
	Resume {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
	},
	/// Stop a market
	Halt {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
	},
	/// Name the oracles of a zone and how many must agree
	SetOracles {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The oracles, separated by commas
		#[arg(long, value_name = "ADDRESSES", required = true, value_delimiter = ',', value_parser = address::parse)]
		members: Vec<AccountId>,
		/// How many must say the same
		#[arg(long, value_name = "N")]
		threshold: u32,
	},
}

/// A commitment to who an account is: nothing personal is on the chain.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct IdentityArgs {
	/// The commitment itself [default: none]
	#[arg(long, value_name = "0xHEX", value_parser = parse_h256)]
	pub identity: Option<H256>,
	/// A file with the identity; the commitment is BLAKE2b-256 of a new 32-byte salt and the file.
	/// Keep the salt that is printed with the file
	#[arg(long, value_name = "FILE")]
	pub identity_file: Option<PathBuf>,
}

/// A role by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
	/// Buys and sells energy, owns meters
	Prosumer,
	/// Offers the flexibility of many devices as one
	Aggregator,
	/// Runs the grid of a zone
	Utility,
	/// Brings meter readings to the chain
	Oracle,
	/// Reads everything, suspends, halts
	Regulator,
	/// Brings money in and out
	PaymentAgent,
}

impl From<RoleName> for Role {
	fn from(name: RoleName) -> Self {
		match name {
			RoleName::Prosumer => Self::Prosumer,
			RoleName::Aggregator => Self::Aggregator,
			RoleName::Utility => Self::Utility,
			RoleName::Oracle => Self::Oracle,
			RoleName::Regulator => Self::Regulator,
			RoleName::PaymentAgent => Self::PaymentAgent,
		}
	}
}

/// A slot as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChoice {
	/// By its number.
	Number(u32),
	/// So many after the present one.
	After(u32),
	/// So many before the present one.
	Before(u32),
}

impl SlotChoice {
	/// The slot that is meant at `present`. `None` when there is none.
	pub fn at(self, present: Slot) -> Option<Slot> {
		match self {
			Self::Number(number) => Some(number),
			Self::After(count) => present.0.checked_add(count),
			Self::Before(count) => present.0.checked_sub(count),
		}
		.map(Slot)
	}
}

impl FromStr for SlotChoice {
	type Err = String;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let number = |digits: &str| {
			// `parse` would take a second sign.
			Some(digits)
				.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
				.and_then(|digits| digits.parse().ok())
				.ok_or_else(|| {
					format!(
						"`{text}` is not a slot: give its number, or +4 for the fourth after the \
						 present one, or -4 for the fourth before it"
					)
				})
		};
		match (text.strip_prefix('+'), text.strip_prefix('-')) {
			(Some(count), _) => number(count).map(Self::After),
			(_, Some(count)) => number(count).map(Self::Before),
			_ => number(text).map(Self::Number),
		}
	}
}

/// Bytes in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

fn parse_bytes(text: &str) -> Result<Bytes, String> {
	let digits = text.strip_prefix("0x").ok_or("it must begin with 0x")?;
	hex::decode(digits).map(Bytes).map_err(|error| error.to_string())
}

fn parse_array<const N: usize>(text: &str) -> Result<[u8; N], String> {
	parse_bytes(text)?
		.0
		.try_into()
		.map_err(|bytes: Vec<u8>| format!("it has {} bytes, not {N}", bytes.len()))
}

fn parse_h256(text: &str) -> Result<H256, String> {
	parse_array(text).map(H256)
}

fn parse_h160(text: &str) -> Result<H160, String> {
	parse_array(text).map(H160)
}

fn parse_words(text: &str) -> Result<MnemonicLength, String> {
	match text {
		"12" => Ok(MnemonicLength::Twelve),
		"24" => Ok(MnemonicLength::TwentyFour),
		_ => Err("12 or 24".into()),
	}
}

fn parse_dev_key(text: &str) -> Result<String, String> {
	let is_path = text.strip_prefix("//").is_some_and(|path| {
		let plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-".contains(letter);
		path.starts_with(|letter: char| letter.is_ascii_alphanumeric())
			&& path.chars().all(plain)
			&& !path.contains("//")
	});
	if is_path {
		Ok(text.into())
	} else {
		Err("a development key is two slashes and a name, such as //Alice; for secret words use \
		     `key import --mnemonic-file`"
			.into())
	}
}

fn parse_device_key(text: &str) -> Result<DeviceKey, String> {
	let (algorithm, digits) = text
		.split_once(':')
		.ok_or("give the algorithm, a colon and the key, such as ed25519:1f2e..")?;
	let digits = format!("0x{}", digits.strip_prefix("0x").unwrap_or(digits));
	let key = match algorithm {
		"ed25519" => DeviceKey::Ed25519(parse_array(&digits)?),
		"p256" => DeviceKey::P256(parse_array(&digits)?),
		_ => return Err(format!("`{algorithm}` is no algorithm of a meter: ed25519 or p256")),
	};
	key.check().map_err(|error| error.to_string())?;
	Ok(key)
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn arguments_are_consistent() {
		Cli::command().debug_assert();
	}

	#[test]
	fn slot_is_counted_from_the_present_one() {
		let at = |text: &str| text.parse::<SlotChoice>().expect("is a slot").at(Slot(100));
		assert_eq!(at("7"), Some(Slot(7)));
		assert_eq!(at("+4"), Some(Slot(104)));
		assert_eq!(at("-4"), Some(Slot(96)));
		assert_eq!(at("+0"), Some(Slot(100)));
		assert_eq!(at("-101"), None);
		assert_eq!(at("+4294967295"), None);
		for text in ["", "+", "-", "++1", "+-1", "1.5", "x", "4294967296", "+ 1"] {
			assert!(text.parse::<SlotChoice>().is_err(), "{text}");
		}
	}

	#[test]
	fn device_key_is_checked() {
		// The base point of Ed25519, and that of P-256 in compressed form.
		let ed25519 = "ed25519:5866666666666666666666666666666666666666666666666666666666666666";
		assert!(matches!(parse_device_key(ed25519), Ok(DeviceKey::Ed25519(_))));
		let p256 = "p256:036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
		assert!(matches!(parse_device_key(p256), Ok(DeviceKey::P256(_))));
		assert!(parse_device_key("ed25519:00").is_err());
		assert!(parse_device_key(&format!("ed25519:{}", "00".repeat(32))).is_err());
		assert!(parse_device_key("rsa:00").is_err());
		assert!(parse_device_key("00").is_err());
	}

	#[test]
	fn dev_key_is_a_derivation_and_no_secret() {
		assert!(parse_dev_key("//Alice").is_ok());
		assert!(parse_dev_key("//Alice/stash").is_ok());
		assert!(parse_dev_key(
			"bottom drive obey lake curtain smoke basket hold race lonely fit walk"
		)
		.is_err());
		assert!(parse_dev_key("//").is_err());
		assert!(parse_dev_key("///password").is_err());
		assert!(parse_dev_key("Alice").is_err());
	}
}
