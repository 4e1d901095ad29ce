//! What the pallet remembers of a slot's measurement.

use crate::Config;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_primitives::{
	merkle::MerklePath, MeterIndex, MeterValue, Slot, ZoneId, METERS_PER_PAGE,
};
use frame_support::{
	traits::ConstU32, BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::H256;
use wia_ene_014::canonical::SignedMessage;

/// The lines of one page, ascending by meter.
pub type Lines = BoundedVec<MeterValue, ConstU32<METERS_PER_PAGE>>;
/// Some of the meters of one page.
pub type MetersOfPage = BoundedVec<MeterIndex, ConstU32<METERS_PER_PAGE>>;
/// A zone's slot.
pub type ZoneSlot = (ZoneId, Slot);
/// One page of a zone's slot.
pub type ZoneSlotPage = (ZoneId, Slot, u32);

/// How long oracles and challengers have.
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameters {
	/// How long a measurement can be disputed after its last page became final, in seconds.
	pub dispute_seconds: u32,
	/// How long oracles may attest after the slot has ended, in seconds.
	pub deadline_seconds: u32,
}

impl Default for Parameters {
	/// An hour each.
	fn default() -> Self {
		Self { dispute_seconds: 3_600, deadline_seconds: 3_600 }
	}
}

impl Parameters {
	/// The longest time from the end of a slot until its measurement is final, in seconds.
	pub fn total_seconds(&self) -> u64 {
		u64::from(self.dispute_seconds).saturating_add(self.deadline_seconds.into())
	}
}

/// The oracles of a zone.
#[derive(
	CloneNoBound,
	DebugNoBound,
	PartialEqNoBound,
	EqNoBound,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct Group<T: Config> {
	/// Whose attestations count.
	pub members: BoundedVec<T::AccountId, T::MaxOracles>,
	/// How many of them must agree: more than half.
	pub threshold: u32,
}

/// What some oracles say of a page, before enough of them say the same.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Candidate {
	/// The lines.
	pub values: Lines,
	/// The root of the tree over the signed readings behind them.
	pub readings_root: H256,
	/// How many signed readings the tree has.
	pub readings_count: u32,
}

/// What is kept of a page for good.
#[derive(
	CloneNoBound,
	DebugNoBound,
	PartialEqNoBound,
	EqNoBound,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct FinalPage<T: Config> {
	/// The root of the tree over the signed readings.
	pub readings_root: H256,
	/// How many signed readings the tree has.
	pub readings_count: u32,
	/// Who vouched for it, in order of their votes.
	pub oracles: BoundedVec<T::AccountId, T::MaxOracles>,
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
)]
pub struct SlotProgress {
	/// How many meters the zone had when the first oracle attested. Meters that came later have no
	/// place in the attestation.
	pub meters: u32,
	/// How many pages are final.
	pub pages_final: u32,
	/// When the last page became final, seconds since 1970.
	pub completed_at: Option<u64>,
}

impl SlotProgress {
	/// Nothing is final yet.
	pub const fn new(meters: u32) -> Self {
		Self { meters, pages_final: 0, completed_at: None }
	}

	/// How many pages the attestation has.
	pub const fn pages(&self) -> u32 {
		self.meters.div_ceil(METERS_PER_PAGE)
	}

	/// Whether every page is final.
	pub const fn is_complete(&self) -> bool {
		self.pages_final == self.pages()
	}
}

/// Where pruning stands: the queue's entries are numbered `first .. next`.
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
)]
pub struct PruneState {
	/// The entry to prune next.
	pub first: u64,
	/// The number that the next new entry gets.
	pub next: u64,
	/// The page of the first entry to prune next.
	pub page: u32,
}

/// A signed reading, and the proof that the attestation rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Evidence {
	/// What the meter signed.
	pub message: SignedMessage,
	/// The way from it to the root of its page.
	pub path: MerklePath,
}
