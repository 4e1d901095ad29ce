//! Identifiers and values that cross the border between two parts.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use energy_market_core::{
	cost_rounded_down, cost_rounded_up, grid_fee, Deviations, ImbalanceTerms, Pricing,
};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::H160;
use sp_runtime::{
	traits::{IdentifyAccount, Verify},
	MultiSignature,
};
use wia_ene_014::canonical::DeviceKey;

pub use energy_market_core::Promise;
pub use wia_ene_014::canonical::Quality;

/// A signature on an extrinsic.
pub type Signature = MultiSignature;
/// An account of the chain: 32 bytes, SS58 in text.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Minor units of the settlement currency; six decimals.
pub type Balance = u128;
/// A block's number.
pub type BlockNumber = u32;
/// How many transactions an account has sent.
pub type Nonce = u32;

/// The asset in which energy is paid for.
pub const SETTLEMENT_ASSET: u32 = 1;
/// Minor units in one unit of the settlement currency.
pub const MINOR_UNITS: Balance = 1_000_000;
/// Meters on one page of an attestation. Page `p` carries the meters
/// `p * METERS_PER_PAGE .. (p + 1) * METERS_PER_PAGE` of a zone.
pub const METERS_PER_PAGE: u32 = 256;

/// Positions on one page of a slot. A page is one key of the chain's trie, and keys cost more than
/// bytes.
pub const POSITIONS_PER_PAGE: u32 = 32;

macro_rules! number {
	($(#[$doc:meta])* $name:ident($inner:ty)) => {
		$(#[$doc])*
		#[derive(
			Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode,
			DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Serialize, Deserialize,
		)]
		#[serde(transparent)]
		pub struct $name(pub $inner);

		impl fmt::Display for $name {
			fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
				self.0.fmt(f)
			}
		}

		impl core::str::FromStr for $name {
			type Err = core::num::ParseIntError;
			fn from_str(text: &str) -> Result<Self, Self::Err> {
				text.parse().map(Self)
			}
		}
	};
}

number! {
	/// A part of the grid with one market and one price.
	ZoneId(u32)
}
number! {
	/// A delivery slot of a zone, by its number; see [`crate::SlotCalendar`].
	Slot(u32)
}
number! {
	/// The place of a meter among the meters of its zone, in order of registration.
	MeterIndex(u32)
}
number! {
	/// The place of an order among the orders of its zone and slot, in order of arrival.
	OrderIndex(u32)
}
number! {
	/// A community that shares energy.
	CommunityId(u32)
}
number! {
	/// A standing order of a zone.
	StandingId(u32)
}
number! {
	/// Zones that are cleared together.
	RegionId(u32)
}
number! {
	/// A bilateral offer.
	OfferId(u32)
}

impl MeterIndex {
	/// The page of an attestation that carries this meter.
	pub fn page(self) -> u32 {
		self.0 / METERS_PER_PAGE
	}
}

impl Slot {
	/// The slot after this one, or this one at the end of time.
	pub fn next(self) -> Self {
		Self(self.0.saturating_add(1))
	}
}

/// Which meter: the hash of the identifier that is printed on it
/// ([`wia_ene_014::canonical::meter_id`]).
#[derive(
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Hash,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct MeterId(pub [u8; 32]);

impl fmt::Debug for MeterId {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
	}
}

/// What an account may do. An account may have several roles.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub enum Role {
	/// Buys and sells energy, owns meters.
	Prosumer,
	/// Offers the flexibility of many small devices as one.
	Aggregator,
	/// Runs the grid of a zone and a validator; sets the zone's terms.
	Utility,
	/// Brings meter readings to the chain.
	Oracle,
	/// Reads everything, suspends, halts.
	Regulator,
	/// Brings money in and out of the settlement currency.
	PaymentAgent,
}

/// A set of [`Role`]s.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct Roles(u8);

impl Roles {
	/// All of the given roles.
	pub fn of(roles: &[Role]) -> Self {
		Self(roles.iter().fold(0, |bits, role| bits | 1u8 << *role as u8))
	}

	/// Whether the role is in the set.
	pub fn contains(self, role: Role) -> bool {
		self.0 & (1u8 << role as u8) != 0
	}

	/// Whether there is no role in the set.
	pub fn is_empty(self) -> bool {
		self.0 == 0
	}
}

impl From<Role> for Roles {
	fn from(role: Role) -> Self {
		Self::of(&[role])
	}
}

/// A registered meter.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Meter<AccountId> {
	/// Who is billed for what it measures.
	pub owner: AccountId,
	/// Where it is connected.
	pub zone: ZoneId,
	/// Its place among the meters of the zone; never reused.
	pub index: MeterIndex,
	/// The public key of the device.
	pub key: DeviceKey,
	/// The largest power that the connection can carry in either direction, W.
	pub rated_power_w: u32,
}

/// What a meter measured in one slot.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
	/// Energy taken from the grid, Wh.
	pub import_wh: u64,
	/// Energy given to the grid, Wh.
	pub export_wh: u64,
	/// Whether the figure was measured or estimated.
	pub quality: Quality,
}

/// One meter's line in an attestation.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct MeterValue {
	/// Which meter of the zone.
	#[codec(compact)]
	pub meter: u32,
	/// Energy taken from the grid in the slot, Wh.
	#[codec(compact)]
	pub import_wh: u64,
	/// Energy given to the grid in the slot, Wh.
	#[codec(compact)]
	pub export_wh: u64,
	/// The worst quality of the readings behind the line.
	pub quality: Quality,
}

/// How far the measurement of a zone's slot has come.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum MeteringStatus {
	/// Readings are still being attested, or may still be disputed.
	Pending,
	/// The values will not change any more; what is missing is estimated.
	Final,
}

/// Buying or selling.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Side {
	/// An offer to buy.
	Bid,
	/// An offer to sell.
	Ask,
}

/// Which imbalance prices apply, see `energy_market_core::imbalance`.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum ImbalancePricing {
	/// Shortages and surpluses have a price each.
	#[default]
	Dual,
	/// One price for both: the shortage price when the slot is short on balance, else the surplus
	/// price.
	Single,
}

/// The rules of one market, as they were when the slot opened.
#[derive(
	Clone,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct MarketTerms {
	/// Orders are taken until so many seconds before the slot begins.
	pub gate_closure_seconds: u32,
	/// The lowest price an order may name, minor units per kWh.
	pub price_floor: u64,
	/// The distance between two neighbouring prices, minor units per kWh.
	pub tick_size: u64,
	/// How many prices there are.
	pub tick_count: u16,
	/// The most energy that one order may ask for, Wh.
	pub max_order_wh: u64,
	/// What a buyer pays the grid, minor units per kWh.
	pub grid_fee: u64,
	/// What a buyer pays the grid besides, parts per million of what it pays for the energy.
	pub grid_fee_ppm: u32,
	/// The bond of an ask, parts per million of its energy at the shortage price.
	pub bond_ppm: u32,
	/// The part of a promise that may be missed without an imbalance price, parts per million.
	pub tolerance_ppm: u32,
	/// Which imbalance prices apply.
	pub imbalance_pricing: ImbalancePricing,
	/// What a seller pays for energy that it sold and did not deliver, minor units per kWh.
	pub shortage_price: u64,
	/// What a buyer is paid for energy that it bought and did not take, minor units per kWh.
	pub surplus_price: u64,
	/// The contract that says what is owed. A slot without one is not settled.
	pub policy: Option<H160>,
}

impl MarketTerms {
	/// The highest price an order may name, minor units per kWh.
	pub fn price_cap(&self) -> u64 {
		self.price_of(self.tick_count.saturating_sub(1))
	}

	/// The price of a tick, minor units per kWh.
	pub fn price_of(&self, tick: u16) -> u64 {
		self.price_floor.saturating_add(self.tick_size.saturating_mul(u64::from(tick)))
	}

	/// The tick of a price, if the price is one of the market's.
	pub fn tick_of(&self, price: u64) -> Option<u16> {
		let above = price.checked_sub(self.price_floor)?;
		if above.checked_rem(self.tick_size)? != 0 {
			return None;
		}
		u16::try_from(above / self.tick_size).ok().filter(|tick| *tick < self.tick_count)
	}
}

/// Where the market of a zone and slot stands.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum SlotState {
	/// Takes orders until the gate closes.
	Open,
	/// The price is known; orders are being filled, page by page.
	Clearing,
	/// Every order is filled or released; waits for the meters.
	Cleared,
	/// The meters are known; the policy's answers are being collected and paid.
	Settling,
	/// Everyone is paid.
	Settled,
	/// The market of the slot was called off; money is being given back.
	Annulling,
	/// The market of the slot was called off; all money was given back.
	Annulled,
}

impl SlotState {
	/// Whether nothing more will happen.
	pub fn is_final(self) -> bool {
		matches!(self, Self::Settled | Self::Annulled)
	}

	/// Whether orders may wait in the book.
	pub fn has_orders(self) -> bool {
		matches!(self, Self::Open | Self::Clearing | Self::Annulling)
	}
}

/// The outcome of a call auction.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct ClearingResult {
	/// The one price of the zone and slot, minor units per kWh.
	pub price: u64,
	/// The energy that is bought, Wh.
	pub volume_wh: u64,
	/// What of it comes from other zones, Wh; negative: so much more is sold here than bought.
	pub net_import_wh: i64,
}

impl ClearingResult {
	/// The energy that is sold, Wh. `None` if the figures contradict each other.
	pub fn sold_wh(&self) -> Option<u64> {
		self.volume_wh.checked_add_signed(self.net_import_wh.checked_neg()?)
	}

	/// What the zone owes other zones for its net import, minor units, rounded up; negative: what
	/// they owe it, rounded down in size. `None` on overflow.
	///
	/// As everywhere, who pays is rounded up and who receives is rounded down. The zone can always
	/// pay it: its buyers pay, less what its sellers receive, a whole number that is not below the
	/// exact cost.
	pub fn owed_to_other_zones(&self) -> Option<i128> {
		let energy_wh = self.net_import_wh.unsigned_abs();
		if self.net_import_wh >= 0 {
			i128::try_from(cost_rounded_up(energy_wh, self.price)).ok()
		} else {
			i128::try_from(cost_rounded_down(energy_wh, self.price)).ok()?.checked_neg()
		}
	}
}

/// What was agreed between partners outside the auction, each trade at its own price.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Agreed {
	/// Energy bought, Wh.
	pub bought_wh: u64,
	/// Energy sold, Wh.
	pub sold_wh: u64,
	/// What is to be paid for it, minor units; each trade rounded up.
	pub payable: Balance,
	/// What is to be received for it, minor units; each trade rounded down.
	pub receivable: Balance,
}

/// What an account has promised in a zone and slot.
#[derive(
	Clone,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Position<AccountId> {
	/// Whose.
	pub account: AccountId,
	/// Energy bought in the auction, Wh.
	pub bought_wh: u64,
	/// Energy sold in the auction, Wh.
	pub sold_wh: u64,
	/// What was agreed besides.
	pub agreed: Agreed,
	/// The money committed for it, minor units.
	pub held: Balance,
}

impl<AccountId> Position<AccountId> {
	/// A position without energy.
	pub fn new(account: AccountId) -> Self {
		Self { account, bought_wh: 0, sold_wh: 0, agreed: Agreed::default(), held: 0 }
	}

	/// All that was promised, where the auction had `clearing_price`.
	pub fn promise(&self, clearing_price: u64) -> Promise {
		promise(self.bought_wh, self.sold_wh, &self.agreed, clearing_price)
	}
}

fn promise(bought_wh: u64, sold_wh: u64, agreed: &Agreed, clearing_price: u64) -> Promise {
	Promise {
		bought_wh: bought_wh.saturating_add(agreed.bought_wh),
		sold_wh: sold_wh.saturating_add(agreed.sold_wh),
		payable: cost_rounded_up(bought_wh, clearing_price).saturating_add(agreed.payable),
		receivable: cost_rounded_down(sold_wh, clearing_price).saturating_add(agreed.receivable),
	}
}

/// What the policy contract answers for one position, minor units.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct CashFlow {
	/// For the energy itself; positive when the participant receives.
	pub energy: i128,
	/// For the deviation from what was promised; positive when the participant receives.
	pub imbalance: i128,
	/// What the participant pays the grid.
	pub grid_fee: u128,
}

impl CashFlow {
	/// What the participant receives in all (negative: pays). `None` on overflow.
	pub fn net(&self) -> Option<i128> {
		self.energy.checked_add(self.imbalance)?.checked_sub(i128::try_from(self.grid_fee).ok()?)
	}
}

/// What the policy contract is told of the slot, beside the terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyContext {
	/// The price of the auction, minor units per kWh; zero when nothing was traded in it.
	pub clearing_price: u64,
	/// The deviations of all participants.
	pub deviations: SlotDeviations,
}

/// What the policy contract is asked about one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyQuestion {
	/// What was promised.
	pub promise: Promise,
	/// Energy taken from the grid by all meters of the participant in the zone, Wh.
	pub import_wh: u64,
	/// Energy given to the grid by all meters of the participant in the zone, Wh.
	pub export_wh: u64,
	/// The money committed for it, minor units.
	pub held: Balance,
}

/// Deviations beyond the tolerance, summed over a slot.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct SlotDeviations {
	/// Sold and not delivered, Wh.
	pub shortage_wh: u64,
	/// Bought and not taken, Wh.
	pub surplus_wh: u64,
}

impl MarketTerms {
	/// What the arithmetic of imbalances needs of the terms.
	pub fn imbalance_terms(&self, context: &PolicyContext) -> ImbalanceTerms {
		let PolicyContext { clearing_price, deviations } = *context;
		ImbalanceTerms {
			clearing_price,
			shortage_price: self.shortage_price,
			surplus_price: self.surplus_price,
			tolerance_ppm: self.tolerance_ppm,
			pricing: match self.imbalance_pricing {
				ImbalancePricing::Dual => Pricing::Dual,
				ImbalancePricing::Single => Pricing::Single,
			},
			deviations: Deviations {
				shortage_wh: deviations.shortage_wh,
				surplus_wh: deviations.surplus_wh,
			},
		}
	}

	/// What the grid takes of a buyer, minor units, each part rounded up.
	pub fn grid_fee_of(&self, bought_wh: u64, payable: Balance) -> Balance {
		grid_fee(bought_wh, payable, self.grid_fee, self.grid_fee_ppm)
	}
}

/// A participant's bill for one zone and slot: every figure that led to the money that moved.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
	/// Energy bought in the auction, Wh.
	pub bought_wh: u64,
	/// Energy sold in the auction, Wh.
	pub sold_wh: u64,
	/// What was agreed besides.
	pub agreed: Agreed,
	/// What the meters measured, or what was estimated for them.
	pub measured: Measured,
	/// The money.
	pub flow: CashFlow,
}

impl Bill {
	/// All that was promised, where the auction had `clearing_price`.
	pub fn promise(&self, clearing_price: u64) -> Promise {
		promise(self.bought_wh, self.sold_wh, &self.agreed, clearing_price)
	}
}

/// Why a zone's market stands still.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum HaltReason {
	/// The regulator or the council said so.
	Ordered,
	/// The zone has no policy contract.
	PolicyMissing,
	/// The policy contract reverted, trapped or ran out of weight.
	PolicyFailed,
	/// The policy contract's answer could not be read, or has the wrong number of flows.
	PolicyAnswerUnreadable,
	/// The policy contract would take more from a participant than is held.
	PolicyOverchargesParticipant,
	/// The policy contract would pay a participant more than the terms allow.
	PolicyOverpaysParticipant,
	/// The flows of a slot do not sum to what was promised.
	PolicyNotConserving,
	/// The imbalance pot of the zone cannot pay what it owes.
	ImbalancePotShort,
	/// The chain's own books contradict each other. Nothing was moved in the step that saw it.
	BooksInconsistent,
}
