//! Arguments of `admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use energy_primitives::{AccountId, RegionId, Role, Slot, ZoneId};
use sp_core::{H160, H256};
use wia_ene_014::canonical::DeviceKey;

use super::{
	values::{parse_bytes, parse_device_key, parse_h160, parse_h256},
	Bytes, SignerArgs, WaitFor,
};
use crate::address;

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
	///
	/// It may have gridFeePpm (default 0: what a buyer pays the grid besides, in millionths of what
	/// it pays for the energy), bondPpm (default 1000000: the bond of an ask, in millionths of its
	/// energy at the shortage price), tolerancePpm (default 0: the part of a promise that may be
	/// missed, in millionths) and imbalancePricing ("dual", the default, or "single").
	SetTerms {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The terms
		#[arg(long, value_name = "FILE")]
		file: PathBuf,
	},
	/// Give the slots of a zone another length from a slot on
	///
	/// The slot must be one that nobody can trade in yet; slots before it keep their length. Not for
	/// a zone that is cleared together with others.
	SetSlotLength {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The length of a slot, in seconds, up to a day
		#[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
		seconds: u32,
		/// The first slot of that length, by its number
		#[arg(long, value_name = "S")]
		from: Slot,
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
	/// Call off a slot of a halted market: everyone gets everything back
	///
	/// Orders and positions of the slot end, and no money moves for it. It can be done until the
	/// first money of the slot has moved.
	Annul {
		/// Where
		#[arg(long, value_name = "ZONE")]
		zone: ZoneId,
		/// The slot, by its number
		#[arg(long, value_name = "S")]
		slot: Slot,
	},
	/// Say which zones are cleared together, and what joins them, from a slot on
	///
	/// The file is JSON: {"zones": [1, 2], "links": [{"from": 1, "to": 2, "capacityWh": 500000,
	/// "lossPpm": 20000, "feePerKwh": 10000, "feePpm": 0}], "proposalSeconds": 60}. Without zones
	/// the region couples nothing any more. The slot must be one that nobody can trade in yet.
	SetRegion {
		/// The region
		#[arg(long, value_name = "REGION")]
		region: RegionId,
		/// Its zones and links
		#[arg(long, value_name = "FILE")]
		file: PathBuf,
		/// The first slot, by its number
		#[arg(long, value_name = "S")]
		since: Slot,
	},
	/// Set what a region's links carry in one slot
	SetCapacities {
		/// The region
		#[arg(long, value_name = "REGION")]
		region: RegionId,
		/// The slot, by its number
		#[arg(long, value_name = "S")]
		slot: Slot,
		/// For each link of the region, in its order, Wh
		#[arg(long, value_name = "WH", value_delimiter = ',', required = true)]
		capacities_wh: Vec<u64>,
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
