//! Zones that are cleared together.

use crate::{AccountId, Slot, ZoneId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_market_core::coupling;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{bounded::BoundedVec, ConstU32};

/// The most zones of a region.
pub const MAX_COUPLED_ZONES: u32 = coupling::MAX_ZONES as u32;
/// The most links of a region.
pub const MAX_COUPLED_LINKS: u32 = coupling::MAX_LINKS as u32;

/// A link that can carry energy one way.
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
pub struct GridLink {
	/// The zone that sends.
	pub from: ZoneId,
	/// The zone that receives.
	pub to: ZoneId,
	/// The most that can be sent in a slot, Wh, where nothing else is said for the slot.
	pub capacity_wh: u64,
	/// What is lost on the way, parts per million of what is sent.
	pub loss_ppm: u32,
	/// The fee for what is sent, minor units per kWh.
	pub fee_per_kwh: u64,
	/// The fee for what is sent as a part of its price in the sending zone, parts per million.
	pub fee_ppm: u32,
}

/// Zones that are cleared together, and what joins them.
#[derive(
	Clone,
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
pub struct Region {
	/// The zones, each once; none to couple nothing any more.
	pub zones: BoundedVec<ZoneId, ConstU32<MAX_COUPLED_ZONES>>,
	/// The links between them.
	pub links: BoundedVec<GridLink, ConstU32<MAX_COUPLED_LINKS>>,
	/// For how many seconds after the gate proposals are taken.
	pub proposal_seconds: u32,
}

/// What is proposed for one zone of a region.
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
pub struct ZoneProposal {
	/// The one price of the zone, minor units per kWh.
	pub price: u64,
	/// What the zone's bids buy, Wh.
	pub bought_wh: u64,
	/// What the zone's asks sell, Wh.
	pub sold_wh: u64,
}

/// Prices, volumes and flows for all zones of a region in a slot.
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
pub struct CouplingProposal {
	/// One for each zone, in the order of the region's zones.
	pub zones: BoundedVec<ZoneProposal, ConstU32<MAX_COUPLED_ZONES>>,
	/// What each link sends, Wh, in the order of the region's links.
	pub flows_wh: BoundedVec<u64, ConstU32<MAX_COUPLED_LINKS>>,
}

/// How the coupling of a region stands in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CouplingSummary {
	/// The slot.
	pub slot: Slot,
	/// The region as it is for the slot; with the capacities of the slot.
	pub region: Region,
	/// From when on proposals are taken, seconds since 1970.
	pub opens_seconds: u64,
	/// Until when they are taken, seconds since 1970.
	pub closes_seconds: u64,
	/// The best proposal so far: whose it is, and its welfare in billionths of a minor unit.
	pub best: Option<(AccountId, i128)>,
}
