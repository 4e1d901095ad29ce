//! What traders ask of the market.

use crate::{Balance, CommunityId, Side, Slot};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// The most slots that one bilateral offer is for.
pub const MAX_RECURRENCE: u32 = 96;

/// An order as a trader asks for it.
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
pub struct OrderRequest {
	/// The delivery slot.
	pub slot: Slot,
	/// Bid or ask.
	pub side: Side,
	/// The limit, minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
	/// The least that is accepted, Wh; zero accepts anything.
	#[serde(default)]
	pub minimum_wh: u64,
	/// From this second on (since 1970) the order is not filled any more. It stays in the book, and
	/// holds money, until it is cancelled or the slot is cleared.
	#[serde(default)]
	pub expires_seconds: Option<u64>,
}

/// How far an agent may go for an owner.
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
pub struct AgentLimits {
	/// The money that its orders may still commit, minor units. An order that the agent cancels
	/// gives its part back.
	pub allowance: Balance,
	/// The most energy of one order, Wh.
	pub max_order_wh: u64,
	/// The last second (since 1970) at which it may act.
	pub until_seconds: u64,
}

/// An order that is placed anew in every slot.
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
pub struct StandingOrder<AccountId> {
	/// Whose it is.
	pub account: AccountId,
	/// Bid or ask.
	pub side: Side,
	/// The limit, minor units per kWh.
	pub price: u64,
	/// Energy in each slot, Wh.
	pub energy_wh: u64,
	/// The least that is accepted in a slot, Wh.
	pub minimum_wh: u64,
	/// The first slot.
	pub first: Slot,
	/// The last slot.
	pub last: Slot,
	/// The money that its orders may still commit, minor units. What an order does not need in the
	/// end comes back.
	pub budget: Balance,
}

/// Where energy comes from, as its seller declares it.
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
pub enum EnergyKind {
	/// Anything.
	Any,
	/// Photovoltaics.
	Solar,
	/// Wind.
	Wind,
	/// Water.
	Hydro,
	/// Biomass and biogas.
	Biomass,
	/// Out of a battery.
	Storage,
}

impl EnergyKind {
	/// Whether a buyer who wants this takes what a seller declares.
	pub fn accepts(self, declared: Self) -> bool {
		self == Self::Any || self == declared
	}
}

/// Who may accept an offer.
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
pub enum Audience<AccountId> {
	/// Every trader of the zone.
	Anyone,
	/// One trader.
	Partner(AccountId),
	/// The members of a community.
	Community(CommunityId),
}

/// A bilateral offer as its maker asks for it.
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
pub struct OfferRequest<AccountId> {
	/// Whether the maker buys or sells.
	pub side: Side,
	/// Who may accept.
	pub audience: Audience<AccountId>,
	/// What the maker sells, or wants to buy.
	pub kind: EnergyKind,
	/// What is paid, minor units per kWh; within the prices of the auction, between ticks too.
	pub price: u64,
	/// Energy in each slot, Wh.
	pub energy_wh: u64,
	/// The least that may be accepted at a time, Wh; what is left may always be accepted whole.
	pub minimum_wh: u64,
	/// The first slot.
	pub first: Slot,
	/// In how many slots, one after the other.
	pub slots: u32,
}
