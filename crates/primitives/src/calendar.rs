//! How the slots of a zone lie in time.

use crate::Slot;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{bounded::BoundedVec, ConstU32};

/// How many changes of the length of its slots a zone remembers.
pub const MAX_LENGTH_CHANGES: u32 = 8;

/// Slots of one length, one after another.
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
pub struct Era {
	/// The first slot.
	pub first: Slot,
	/// When it begins, seconds since 1970.
	pub start_seconds: u64,
	/// The length of each slot, seconds; not zero.
	pub slot_seconds: u32,
}

impl Era {
	/// As if slots of this length had been counted since 1970.
	fn since_1970(slot_seconds: u32) -> Self {
		Self { first: Slot(0), start_seconds: 0, slot_seconds }
	}

	fn length(&self) -> u64 {
		u64::from(self.slot_seconds.max(1))
	}

	fn start_of(&self, slot: Slot) -> u64 {
		let slots = u64::from(slot.0.saturating_sub(self.first.0));
		self.start_seconds.saturating_add(slots.saturating_mul(self.length()))
	}

	fn at(&self, seconds: u64) -> Slot {
		let slots = seconds.saturating_sub(self.start_seconds) / self.length();
		Slot(self.first.0.saturating_add(u32::try_from(slots).unwrap_or(u32::MAX)))
	}
}

/// Which slot is when. Slots are numbered without a gap, whatever their length: the first of a new
/// length begins when the last of the old one ends.
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
pub struct SlotCalendar {
	/// The slots before the first change, back to 1970.
	pub first: Era,
	/// The slots from each change on, in order.
	pub later: BoundedVec<Era, ConstU32<MAX_LENGTH_CHANGES>>,
}

/// A slot with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSpan {
	/// Which slot.
	pub slot: Slot,
	/// When it begins, seconds since 1970.
	pub start_seconds: u64,
	/// The first second that is no longer of it.
	pub end_seconds: u64,
}

impl SlotSpan {
	/// How long it lasts, seconds.
	pub fn length_seconds(&self) -> u64 {
		self.end_seconds.saturating_sub(self.start_seconds)
	}
}

/// Why a calendar cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarError {
	/// A slot must last a second at least.
	NoLength,
	/// A change for a later slot is planned, or this one is for the very first slot.
	NotLast,
	/// No more changes are remembered.
	TooManyChanges,
}

impl SlotCalendar {
	/// Slots of one length, counted since 1970. A length of zero counts as a second.
	pub fn uniform(slot_seconds: u32) -> Self {
		Self { first: Era::since_1970(slot_seconds), later: BoundedVec::new() }
	}

	fn eras(&self) -> impl DoubleEndedIterator<Item = &Era> {
		core::iter::once(&self.first).chain(&self.later)
	}

	fn era_of(&self, slot: Slot) -> &Era {
		self.eras().rev().find(|era| era.first <= slot).unwrap_or(&self.first)
	}

	/// When a slot begins, seconds since 1970.
	pub fn start_seconds(&self, slot: Slot) -> u64 {
		self.era_of(slot).start_of(slot)
	}

	/// The first second that is no longer of a slot.
	pub fn end_seconds(&self, slot: Slot) -> u64 {
		let era = self.era_of(slot);
		era.start_of(slot).saturating_add(era.length())
	}

	/// How long a slot lasts, seconds. Never zero.
	pub fn slot_seconds(&self, slot: Slot) -> u32 {
		self.era_of(slot).slot_seconds.max(1)
	}

	/// The slot that a moment falls into, in seconds since 1970; the last there is, if slots have no
	/// numbers that large.
	pub fn at(&self, seconds: u64) -> Slot {
		let era = self.eras().rev().find(|era| era.start_seconds <= seconds);
		era.unwrap_or(&self.first).at(seconds)
	}

	/// A slot with its time.
	pub fn span(&self, slot: Slot) -> SlotSpan {
		let (start_seconds, end_seconds) = (self.start_seconds(slot), self.end_seconds(slot));
		SlotSpan { slot, start_seconds, end_seconds }
	}

	/// The calendar with slots of another length from `from` on. A change from the same slot on is
	/// replaced.
	///
	/// # Errors
	/// See [`CalendarError`].
	pub fn with_length(&self, from: Slot, slot_seconds: u32) -> Result<Self, CalendarError> {
		if slot_seconds == 0 {
			return Err(CalendarError::NoLength);
		}
		let mut changed = self.clone();
		if changed.later.last().is_some_and(|last| last.first == from) {
			changed.later.pop();
		}
		if changed.eras().any(|era| era.first >= from) {
			return Err(CalendarError::NotLast);
		}
		let start_seconds = changed.start_seconds(from);
		let era = Era { first: from, start_seconds, slot_seconds };
		changed.later.try_push(era).map_err(|_| CalendarError::TooManyChanges)?;
		Ok(changed)
	}

	/// Whether every slot from `slot` on is at the same time in both.
	pub fn agrees_from(&self, other: &Self, slot: Slot) -> bool {
		let later = |calendar: &Self| {
			calendar.later.iter().filter(|era| era.first > slot).copied().collect::<Vec<_>>()
		};
		self.start_seconds(slot) == other.start_seconds(slot)
			&& self.slot_seconds(slot) == other.slot_seconds(slot)
			&& later(self) == later(other)
	}

	/// Forgets the lengths of slots before `oldest`: what is left gives wrong times for them, and the
	/// same as before from `oldest` on.
	pub fn forget_before(&mut self, oldest: Slot) {
		while self.later.first().is_some_and(|next| next.first <= oldest) {
			self.first = self.later.remove(0);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// Slot after slot, from 1970 on.
	fn slow_start(changes: &[(u32, u32)], first_length: u32, slot: u32) -> u64 {
		(0..slot)
			.map(|number| {
				let changed = changes.iter().rev().find(|(from, _)| *from <= number);
				u64::from(changed.map_or(first_length, |(_, length)| *length))
			})
			.sum()
	}

	fn calendar(changes: &[(u32, u32)], first_length: u32) -> SlotCalendar {
		changes.iter().fold(SlotCalendar::uniform(first_length), |calendar, (from, length)| {
			calendar.with_length(Slot(*from), *length).unwrap()
		})
	}

	#[test]
	fn slots_follow_each_other_without_gap_whatever_their_length() {
		let changes = [(10, 300), (25, 3_600), (26, 7)];
		let calendar = calendar(&changes, 900);
		for number in 0..40 {
			let slot = Slot(number);
			let start = slow_start(&changes, 900, number);
			assert_eq!(calendar.start_seconds(slot), start);
			assert_eq!(calendar.end_seconds(slot), calendar.start_seconds(slot.next()));
			let length = u64::from(calendar.slot_seconds(slot));
			assert_eq!(calendar.end_seconds(slot), start + length);
			assert_eq!(calendar.at(start), slot);
			assert_eq!(calendar.at(start + length - 1), slot);
		}
	}

	#[test]
	fn a_calendar_of_one_length_counts_since_1970() {
		let calendar = SlotCalendar::uniform(900);
		assert_eq!(calendar.at(1_800), Slot(2));
		assert_eq!(calendar.start_seconds(Slot(2)), 1_800);
		assert_eq!(calendar.at(u64::MAX), Slot(u32::MAX));
		assert_eq!(SlotCalendar::uniform(0).at(5), Slot(5));
	}

	#[test]
	fn a_change_may_be_replaced_but_not_overtaken() {
		let planned = calendar(&[(10, 300)], 900);
		let replaced = planned.with_length(Slot(10), 60).unwrap();
		assert_eq!(replaced, calendar(&[(10, 60)], 900));
		assert_eq!(planned.with_length(Slot(9), 60), Err(CalendarError::NotLast));
		assert_eq!(planned.with_length(Slot(0), 60), Err(CalendarError::NotLast));
		assert_eq!(planned.with_length(Slot(11), 0), Err(CalendarError::NoLength));
		let many: Vec<_> = (1..=MAX_LENGTH_CHANGES).map(|from| (from, 60)).collect();
		let full = calendar(&many, 900);
		assert_eq!(full.with_length(Slot(100), 60), Err(CalendarError::TooManyChanges));
	}

	#[test]
	fn calendars_agree_from_where_their_slots_are_the_same() {
		let whole = calendar(&[(10, 300), (25, 3_600)], 900);
		let other = calendar(&[(10, 300), (20, 300), (25, 3_600)], 900);
		assert!(whole.agrees_from(&other, Slot(25)));
		assert!(!whole.agrees_from(&calendar(&[(10, 300)], 900), Slot(10)));
		assert!(!whole.agrees_from(&calendar(&[(10, 301), (25, 3_600)], 900), Slot(30)));
		let mut short = whole.clone();
		short.forget_before(Slot(30));
		assert!(whole.agrees_from(&short, Slot(25)));
		assert!(!whole.agrees_from(&short, Slot(9)));
	}

	#[test]
	fn what_is_forgotten_changes_nothing_later() {
		let whole = calendar(&[(10, 300), (25, 3_600)], 900);
		let mut short = whole.clone();
		short.forget_before(Slot(24));
		assert_eq!(short.later.len(), 1);
		for number in 10..40 {
			assert_eq!(short.start_seconds(Slot(number)), whole.start_seconds(Slot(number)));
			let start = whole.start_seconds(Slot(number));
			assert_eq!(short.at(start), Slot(number));
		}
	}
}
