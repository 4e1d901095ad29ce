//! Communities that share energy.

use crate::{AccountId, Balance, CommunityId, Quality, Slot, ZoneId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_market_core::AllocationMethod;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// By what rule a community shares, as [`AllocationMethod`] has it.
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
pub enum Method {
	/// Each member has a fixed part of the surplus; what it does not need goes to the others.
	StaticKeys,
	/// Each member has a part as large as its part of all need.
	ProportionalToNeed,
}

impl From<Method> for AllocationMethod {
	fn from(method: Method) -> Self {
		match method {
			Method::StaticKeys => Self::StaticKeys,
			Method::ProportionalToNeed => Self::ProportionalToNeed,
		}
	}
}

/// A value that changes with a slot, and only there.
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
pub struct Scheduled<V> {
	/// The value of slots before `from`.
	pub before: V,
	/// The first slot that has the new value.
	pub from: Slot,
	/// The value of `from` and the slots after it.
	pub after: V,
}

/// A change has begun, and a slot that needs the value of before it is not shared yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangePending;

impl<V: Copy> Scheduled<V> {
	/// A value that every slot has.
	pub const fn new(value: V) -> Self {
		Self { before: value, from: Slot(0), after: value }
	}

	/// The value of a slot.
	pub fn at(&self, slot: Slot) -> V {
		if slot < self.from {
			self.before
		} else {
			self.after
		}
	}

	/// Gives the slots from `from` on another value.
	///
	/// `from` must be at least `first_open`, the first slot that has not begun. A change of which
	/// no slot has begun is replaced. `oldest` is the first slot whose value is still needed.
	pub fn schedule(
		&mut self,
		value: V,
		from: Slot,
		first_open: Slot,
		oldest: Slot,
	) -> Result<(), ChangePending> {
		if self.from < first_open {
			if self.from > oldest {
				return Err(ChangePending);
			}
			self.before = self.after;
		}
		self.from = from;
		self.after = value;
		Ok(())
	}
}

/// What a member gave or took in a slot, and the money that moved for it.
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
pub struct Share {
	/// Energy given to other members, Wh.
	pub given_wh: u64,
	/// Energy taken from other members, Wh.
	pub taken_wh: u64,
	/// Received for what was given, minor units; rounded down.
	pub received: Balance,
	/// Paid for what was taken, minor units; rounded up.
	pub paid: Balance,
	/// Paid to the grid for what was taken, minor units; rounded up.
	pub grid_fee: Balance,
	/// The worst quality of the member's meters.
	pub quality: Quality,
}

/// A community as others may see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommunitySummary {
	/// Its number.
	pub id: CommunityId,
	/// The zone in which its members are.
	pub zone: ZoneId,
	/// Who invites members, and sets keys and price.
	pub manager: AccountId,
	/// By what rule it shares.
	pub method: Method,
	/// What a member pays another, minor units per kWh.
	pub price_per_kwh: Scheduled<u64>,
	/// What a member that takes pays the grid, minor units per kWh.
	pub grid_fee_per_kwh: Scheduled<u64>,
	/// The first slot that is shared.
	pub active_from: Slot,
	/// The first slot that is not shared any more.
	pub ends: Option<Slot>,
	/// The first slot that is not shared yet.
	pub next_slot: Slot,
	/// Its members, those included whose last slot is not shared yet.
	pub members: Vec<CommunityMember>,
	/// Who may join, and with what key, parts per million.
	pub invited: Vec<(AccountId, u32)>,
}

/// A member of a community as others may see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommunityMember {
	/// Who.
	pub account: AccountId,
	/// Its part of the surplus, parts per million.
	pub key_ppm: Scheduled<u32>,
	/// The first slot in which it takes part.
	pub from: Slot,
	/// The first slot in which it does not any more.
	pub until: Option<Slot>,
	/// What is left of its deposit, minor units.
	pub deposit: Balance,
	/// The most that it is charged for a slot, minor units.
	pub limit_per_slot: Scheduled<Balance>,
}
