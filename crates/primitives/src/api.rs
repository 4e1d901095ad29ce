//! What the chain answers to a node's RPC, a wallet and an oracle without a transaction.
//!
//! The answers are SCALE-encoded types of this crate, so that a client decodes them with the same
//! code that the runtime encodes them with.

use crate::{
	AccountId, AgentLimits, Balance, Bill, ClearingResult, CommunityId, CommunitySummary,
	CouplingSummary, HaltReason, MarketTerms, Meter, MeterId, MeterIndex, MeterValue,
	MeteringStatus, OfferId, OfferRequest, OrderIndex, Position, Region, RegionId, Roles, Share,
	Side, Slot, SlotCalendar, SlotDeviations, SlotState, StandingId, StandingOrder, ZoneId,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::H256;

/// Entries on one page of an answer.
pub const PAGE_LIMIT: u32 = 256;
/// The most places of orders that one read looks at.
pub const ORDERS_LOOKED_AT: u32 = 65_536;

/// The chain's clock in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
	/// Seconds since 1970, as of the block.
	pub now_seconds: u64,
	/// The slot that is running.
	pub slot: Slot,
	/// When each slot of the zone is.
	pub calendar: SlotCalendar,
}

/// The energy on offer at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepthLevel {
	/// Minor units per kWh.
	pub price: u64,
	/// Energy that would be bought at exactly this limit, Wh.
	pub bid_wh: u64,
	/// Energy that would be sold at exactly this limit, Wh.
	pub ask_wh: u64,
}

/// A market's slot at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotSummary {
	/// Where it stands.
	pub state: SlotState,
	/// When the gate closes, seconds since 1970.
	pub gate_closes_seconds: u64,
	/// The rules it was opened with.
	pub terms: MarketTerms,
	/// Orders placed, cancelled ones too.
	pub orders: u32,
	/// Energy that is bid for, Wh.
	pub bid_wh: u64,
	/// Energy that is offered, Wh.
	pub ask_wh: u64,
	/// The outcome, once the gate is closed and energy changes hands.
	pub result: Option<ClearingResult>,
	/// How many positions came of it.
	pub positions: u32,
	/// How far the meters are.
	pub metering: MeteringStatus,
	/// How far the participants missed what they promised, beyond the tolerance; zero until the slot
	/// is settled.
	pub deviations: SlotDeviations,
}

/// An order that is still in the book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenOrder {
	/// Its number in the zone and slot.
	pub index: OrderIndex,
	/// Whose it is.
	pub account: AccountId,
	/// Bid or ask.
	pub side: Side,
	/// The limit, minor units per kWh.
	pub price: u64,
	/// Wh.
	pub energy_wh: u64,
	/// The money held for it, minor units.
	pub held: Balance,
	/// The least that is accepted, Wh.
	pub minimum_wh: u64,
	/// When it expires, seconds since 1970.
	pub expires_seconds: Option<u64>,
	/// The standing order that it came from.
	pub standing: Option<StandingId>,
	/// The agent that placed it, if its owner did not.
	pub agent: Option<AccountId>,
}

/// What an account has in the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketAccount {
	/// All of it, minor units.
	pub balance: Balance,
	/// The part that is committed to orders, offers and positions, minor units.
	pub committed: Balance,
}

/// A bilateral offer that waits to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenOffer {
	/// Its number.
	pub id: OfferId,
	/// Whose it is.
	pub maker: AccountId,
	/// What was asked for.
	pub request: OfferRequest<AccountId>,
	/// What is left in each slot from the first on, Wh.
	pub remaining_wh: Vec<u64>,
}

/// What came of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastSlot {
	/// Which.
	pub slot: Slot,
	/// Where it stands.
	pub state: SlotState,
	/// Price and volume of the auction, if energy changed hands in it.
	pub result: Option<ClearingResult>,
	/// How many positions came of it.
	pub positions: u32,
}

/// One final page of an attestation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestedPage {
	/// The root of the tree over the signed readings.
	pub readings_root: H256,
	/// How many signed readings the tree has.
	pub readings_count: u32,
	/// The values, until they are pruned.
	pub values: Vec<MeterValue>,
	/// Who vouched for it.
	pub oracles: Vec<AccountId>,
}

/// A participant as others may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantSummary {
	/// What it may do.
	pub roles: Roles,
	/// Where it belongs.
	pub zone: ZoneId,
	/// Whether it is active (not suspended).
	pub active: bool,
}

/// A zone at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSummary {
	/// The rules of slots that open from now on.
	pub terms: Option<MarketTerms>,
	/// Why the market stands still, if it does.
	pub halted: Option<HaltReason>,
	/// How many meters were registered.
	pub meters: u32,
	/// The zone's utility.
	pub utility: Option<AccountId>,
	/// Whose attestations count.
	pub oracles: Vec<AccountId>,
	/// How many of them must agree.
	pub threshold: u32,
	/// What the zone's imbalance pot holds, minor units.
	pub imbalance_pot: Balance,
	/// What the zone's grid-fee pot holds, minor units.
	pub fee_pot: Balance,
	/// The account of the imbalance pot.
	pub imbalance_account: AccountId,
	/// The account of the fee pot.
	pub fee_account: AccountId,
}

sp_api::decl_runtime_apis! {
	/// Reads of the energy market.
	pub trait EnergyApi {
		/// The time, and when the slots of a zone are.
		fn clock(zone: ZoneId) -> Clock;
		/// A zone.
		fn zone(zone: ZoneId) -> Option<ZoneSummary>;
		/// A participant.
		fn participant(account: AccountId) -> Option<ParticipantSummary>;
		/// What an account can spend, and what is held, of the settlement currency.
		fn money(account: AccountId) -> (Balance, Balance);
		/// The meters of a zone from a place on, at most `PAGE_LIMIT`.
		fn meters(zone: ZoneId, from: MeterIndex) -> Vec<(MeterId, Meter<AccountId>)>;
		/// The non-empty price levels of an open book.
		fn depth(zone: ZoneId, slot: Slot) -> Vec<DepthLevel>;
		/// A slot of a zone.
		fn slot(zone: ZoneId, slot: Slot) -> Option<SlotSummary>;
		/// Open orders among the [`ORDERS_LOOKED_AT`] places from an index on, at most `PAGE_LIMIT`, of
		/// one account or of all.
		fn orders(
			zone: ZoneId,
			slot: Slot,
			account: Option<AccountId>,
			from: OrderIndex,
		) -> Vec<OpenOrder>;
		/// Unsettled positions from an index on, at most `PAGE_LIMIT`.
		fn positions(zone: ZoneId, slot: Slot, from: u32) -> Vec<Position<AccountId>>;
		/// An account's unsettled position.
		fn position(zone: ZoneId, slot: Slot, account: AccountId) -> Option<Position<AccountId>>;
		/// What an account has in the market.
		fn market_account(account: AccountId) -> MarketAccount;
		/// The standing orders of a zone from a number on, at most `PAGE_LIMIT`, of one account or of
		/// all.
		fn standing_orders(
			zone: ZoneId,
			account: Option<AccountId>,
			from: StandingId,
		) -> Vec<(StandingId, StandingOrder<AccountId>)>;
		/// The bilateral offers that wait in a zone, in no order, after one of them: at most
		/// `PAGE_LIMIT` of all zones are looked at. The last of these, if there may be more.
		fn offers(zone: ZoneId, after: Option<OfferId>) -> (Vec<OpenOffer>, Option<OfferId>);
		/// The limits of an owner's agent.
		fn agent(owner: AccountId, agent: AccountId) -> Option<AgentLimits>;
		/// What is known of a region, each version with the first slot it holds for.
		fn region(region: RegionId) -> Vec<(Slot, Region)>;
		/// How the coupling of a region stands in a slot.
		fn coupling(region: RegionId, slot: Slot) -> Option<CouplingSummary>;
		/// The slots with a market among the `count` from one on, at most `PAGE_LIMIT`.
		fn slots(zone: ZoneId, from: Slot, count: u32) -> Vec<PastSlot>;
		/// The bill of a settled slot.
		fn bill(zone: ZoneId, slot: Slot, account: AccountId) -> Option<Bill>;
		/// The communities of a zone, in the order in which they were created.
		fn communities(zone: ZoneId) -> Vec<CommunityId>;
		/// A community with its members.
		fn community(id: CommunityId) -> Option<CommunitySummary>;
		/// The community of a zone in which an account has a seat.
		fn community_of(zone: ZoneId, account: AccountId) -> Option<CommunityId>;
		/// What the members of a community gave and took in a slot, if something was shared.
		fn shares(id: CommunityId, slot: Slot) -> Vec<(AccountId, Share)>;
		/// A final page of the attestation of a slot.
		fn attestation(zone: ZoneId, slot: Slot, page: u32) -> Option<AttestedPage>;
	}
}
