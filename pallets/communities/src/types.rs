//! What the pallet stores.

use alloc::collections::BTreeSet;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_market_core::MILLION;
use energy_primitives::{Balance, Quality, Slot, ZoneId};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// By what rule a community shares, as [`energy_market_core::AllocationMethod`] has it.
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

impl From<Method> for energy_market_core::AllocationMethod {
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
)]
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

/// A community.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Community<AccountId> {
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
}

impl<AccountId> Community<AccountId> {
	/// Whether the slot is shared.
	pub fn shares(&self, slot: Slot) -> bool {
		self.active_from <= slot && !self.is_over(slot)
	}

	/// Whether neither the slot nor a later one is shared.
	pub fn is_over(&self, slot: Slot) -> bool {
		self.ends.is_some_and(|ends| ends <= slot)
	}
}

/// The place of a member in a community.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Seat<AccountId> {
	/// Whose.
	pub account: AccountId,
	/// The first slot in which it takes part.
	pub from: Slot,
	/// The first slot in which it does not any more.
	pub until: Option<Slot>,
	/// Its part of the surplus, parts per million.
	pub key_ppm: Scheduled<u32>,
}

impl<AccountId> Seat<AccountId> {
	/// Whether the member takes part in the slot.
	pub fn takes_part(&self, slot: Slot) -> bool {
		self.from <= slot && !self.is_over(slot)
	}

	/// Whether the member takes part neither in the slot nor in a later one.
	pub fn is_over(&self, slot: Slot) -> bool {
		self.until.is_some_and(|until| until <= slot)
	}

	/// The member leaves with the slot, unless it leaves earlier already.
	pub fn end(&mut self, until: Slot) -> Slot {
		let until = self.until.map_or(until, |earlier| earlier.min(until));
		self.until = Some(until);
		until
	}
}

/// Whether the keys of those who take part sum to at most the whole, in `first` and in every slot
/// after it.
pub fn keys_fit<AccountId>(seats: &[Seat<AccountId>], first: Slot) -> bool {
	// Between two of these the sum does not grow.
	let changes: BTreeSet<Slot> = seats
		.iter()
		.flat_map(|seat| [seat.from, seat.key_ppm.from])
		.map(|change| change.max(first))
		.collect();
	changes.into_iter().all(|slot| {
		let sum = seats
			.iter()
			.filter(|seat| seat.takes_part(slot))
			.fold(0u64, |sum, seat| sum.saturating_add(seat.key_ppm.at(slot).into()));
		sum <= MILLION.into()
	})
}

/// What a member can be charged.
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
pub struct Guarantee {
	/// The money that is held for it, minor units.
	pub deposit: Balance,
	/// The most that it is charged for a slot, minor units.
	pub limit_per_slot: Scheduled<Balance>,
}

/// What a member has to share in a slot.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Reading<AccountId> {
	/// Whose.
	pub account: AccountId,
	/// Its part of the surplus, parts per million.
	pub key_ppm: u32,
	/// Energy given to the grid beyond what was sold, Wh.
	pub surplus_wh: u64,
	/// Energy taken from the grid beyond what was bought, Wh.
	pub need_wh: u64,
	/// The worst quality of its meters.
	pub quality: Quality,
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

/// What is done for a slot, one after another.
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
pub enum Pass {
	/// The slot has not ended, or what was measured and promised is not known yet.
	Wait,
	/// The members' meters and positions are read, a page at a time.
	Read,
	/// Energy is shared and money moves, all at once.
	Share,
	/// Those whose last slot it was get their deposits back, a page at a time.
	Part,
}

/// How far a zone has come.
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
pub struct Progress {
	/// The first slot that is not done.
	pub slot: Slot,
	/// Whether the slot came too late to be shared.
	pub lapsed: bool,
	/// The place, among the communities of the zone, of the one at which the work is.
	pub community: u32,
	/// What is being done for it.
	pub pass: Pass,
	/// The seat at which the pass goes on.
	pub next: u32,
}

impl Progress {
	/// Nothing is done for a slot.
	pub const fn new(slot: Slot) -> Self {
		Self { slot, lapsed: false, community: 0, pass: Pass::Wait, next: 0 }
	}

	/// Goes on with another pass of the same community.
	pub fn start(&mut self, pass: Pass) {
		self.pass = pass;
		self.next = 0;
	}

	/// Goes on with the next community.
	pub fn next_community(&mut self) {
		self.community = self.community.saturating_add(1);
		self.start(Pass::Read);
	}
}
