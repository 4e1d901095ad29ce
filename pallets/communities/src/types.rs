//! What the pallet stores.

use alloc::collections::BTreeSet;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_market_core::MILLION;
use energy_primitives::{Balance, Quality, Slot, ZoneId};
use scale_info::TypeInfo;

pub use energy_primitives::{ChangePending, Method, Scheduled, Share};

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

/// What a member bought and sold in a slot.
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
pub struct Promise {
	/// Which slot.
	pub slot: Slot,
	/// Energy bought, Wh.
	pub bought_wh: u64,
	/// Energy sold, Wh.
	pub sold_wh: u64,
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
	/// What members promised is looked up, a page of the zone's bills at a time, for all communities
	/// of the zone together.
	Promises,
	/// The members' meters are read, a page at a time.
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
	/// The seat, or the page of bills, at which the pass goes on.
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
