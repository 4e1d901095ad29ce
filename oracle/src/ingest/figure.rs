//! What the writer remembers of a slot that is being filled.

use std::collections::HashMap;

use energy_primitives::SlotSpan;
use smallvec::{smallvec, SmallVec};
use wia_ene_014::canonical::{CanonicalInterval, Quality};

/// The most figures that a meter may have in one slot: one a second in a quarter of an hour, and some.
pub const MAX_FIGURES: usize = 1_024;

/// Bits of [`Figure::length`] that are the seconds; an interval has no more than 86,400.
const SECONDS_BITS: u32 = 30;

/// A figure of a meter within a slot, in 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
	import_wh: u64,
	export_wh: u64,
	/// Seconds from the beginning of the slot.
	offset: u32,
	/// Seconds, and the quality in the two highest bits.
	length: u32,
}

impl Figure {
	/// A figure that lies within the slot and has a figure, that is, is not of quality `missing`.
	pub fn new(interval: &CanonicalInterval, slot: &SlotSpan) -> Self {
		let offset = interval.start_seconds.saturating_sub(slot.start_seconds);
		let quality = match interval.quality {
			Quality::Valid => 0,
			Quality::Estimated => 1,
			Quality::Suspect => 2,
			Quality::Missing => 3,
		};
		Self {
			import_wh: interval.import_wh,
			export_wh: interval.export_wh,
			// A slot lasts a day at most.
			offset: u32::try_from(offset).unwrap_or(u32::MAX),
			length: interval.duration_seconds | (quality << SECONDS_BITS),
		}
	}

	fn seconds(&self) -> u32 {
		self.length & ((1 << SECONDS_BITS) - 1)
	}

	fn end(&self) -> u32 {
		self.offset.saturating_add(self.seconds())
	}
}

/// The figures of a message that fall into one slot, in order of time, each with its place among the
/// intervals of the message.
pub type PlacedFigures = SmallVec<[(u16, Figure); 1]>;

/// What is known of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
	/// All of them.
	All,
	/// None of them, and nothing that overlaps.
	Nothing,
	/// Another figure is known for the time of the one at this place of the message.
	Conflict(u16),
	/// Some of them, and not all: the place of the first one.
	Mixed(u16),
}

/// The figures of one meter in a slot, in order of time. They do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFigures(SmallVec<[Figure; 1]>);

impl KnownFigures {
	/// How many there are.
	pub fn len(&self) -> usize {
		self.0.len()
	}

	/// Whether there is none.
	pub fn is_empty(&self) -> bool {
		self.0.is_empty()
	}

	/// What is known of the figures of a message.
	pub fn compare(&self, figures: &PlacedFigures) -> Knowledge {
		let mut same = 0usize;
		for (place, figure) in figures {
			let after = self.0.partition_point(|known| known.offset <= figure.offset);
			let before = after.checked_sub(1).and_then(|index| self.0.get(index));
			if before == Some(figure) {
				same = same.saturating_add(1);
			} else if before.is_some_and(|known| known.end() > figure.offset)
				|| self.0.get(after).is_some_and(|known| known.offset < figure.end())
			{
				return Knowledge::Conflict(*place);
			}
		}
		match (same, figures.first()) {
			(0, _) | (_, None) => Knowledge::Nothing,
			(same, _) if same == figures.len() => Knowledge::All,
			(_, Some((place, _))) => Knowledge::Mixed(*place),
		}
	}

	/// Adds figures of which nothing is known.
	fn insert(&mut self, figures: impl IntoIterator<Item = Figure>) {
		for figure in figures {
			let at = self.0.partition_point(|known| known.offset <= figure.offset);
			self.0.insert(at, figure);
		}
	}

	/// Whether they fill the slot.
	fn cover(&self, slot: &SlotSpan) -> bool {
		let seconds: u64 = self.0.iter().map(|figure| u64::from(figure.seconds())).sum();
		seconds == slot.length_seconds()
	}
}

/// The figures of a slot that is being filled.
#[derive(Debug, Default)]
pub struct OpenSlot {
	meters: HashMap<u32, KnownFigures>,
	figures: usize,
	complete: u32,
	/// When it was used last, by the writer's count.
	pub last_used: u64,
}

impl OpenSlot {
	/// The figures of the meter with that place in the zone.
	pub fn known(&self, meter: u32) -> Option<&KnownFigures> {
		self.meters.get(&meter)
	}

	/// Adds figures of which nothing is known.
	pub fn insert(
		&mut self,
		meter: u32,
		figures: impl IntoIterator<Item = Figure>,
		slot: &SlotSpan,
	) {
		let known = self.meters.entry(meter).or_default();
		let (count, was_complete) = (known.len(), known.cover(slot));
		known.insert(figures);
		self.figures = self.figures.saturating_add(known.len().saturating_sub(count));
		if !was_complete && known.cover(slot) {
			self.complete = self.complete.saturating_add(1);
		}
	}

	/// How many meters have figures for the whole slot.
	pub fn complete(&self) -> u32 {
		self.complete
	}

	/// How many figures there are.
	pub fn figures(&self) -> usize {
		self.figures
	}
}

/// No figures of a meter.
pub fn none() -> &'static KnownFigures {
	static NONE: KnownFigures = KnownFigures(SmallVec::new_const());
	&NONE
}

/// Figures of a message, as the writer compares them.
pub fn placed<'a>(
	intervals: impl IntoIterator<Item = (u16, &'a CanonicalInterval)>,
	slot: &SlotSpan,
) -> PlacedFigures {
	let mut figures = smallvec![];
	figures.extend(
		intervals.into_iter().map(|(place, interval)| (place, Figure::new(interval, slot))),
	);
	figures
}

#[cfg(test)]
mod tests {
	use super::*;
	use energy_primitives::SlotCalendar;
	use proptest::prelude::*;

	fn slot() -> SlotSpan {
		let calendar = SlotCalendar::uniform(900);
		calendar.span(energy_primitives::Slot(1_000))
	}

	fn interval(offset: u64, seconds: u32, import_wh: u64, quality: Quality) -> CanonicalInterval {
		CanonicalInterval {
			start_seconds: slot().start_seconds + offset,
			duration_seconds: seconds,
			import_wh,
			export_wh: 0,
			quality,
		}
	}

	#[test]
	fn a_figure_is_small_and_tells_all_apart() {
		assert_eq!(std::mem::size_of::<Figure>(), 24);
		let one = Figure::new(&interval(0, 900, 5, Quality::Valid), &slot());
		assert_eq!(one.seconds(), 900);
		for other in [
			interval(1, 900, 5, Quality::Valid),
			interval(0, 899, 5, Quality::Valid),
			interval(0, 900, 6, Quality::Valid),
			interval(0, 900, 5, Quality::Estimated),
			CanonicalInterval { export_wh: 1, ..interval(0, 900, 5, Quality::Valid) },
		] {
			assert_ne!(one, Figure::new(&other, &slot()));
		}
	}

	/// The same decision, looking at every pair.
	fn slow(known: &[CanonicalInterval], figures: &[(u16, CanonicalInterval)]) -> Knowledge {
		let end = |one: &CanonicalInterval| one.start_seconds + u64::from(one.duration_seconds);
		let mut same = 0;
		for (place, figure) in figures {
			if known.contains(figure) {
				same += 1;
			} else if known
				.iter()
				.any(|one| one.start_seconds < end(figure) && figure.start_seconds < end(one))
			{
				return Knowledge::Conflict(*place);
			}
		}
		match same {
			0 => Knowledge::Nothing,
			same if same == figures.len() => Knowledge::All,
			_ => Knowledge::Mixed(figures[0].0),
		}
	}

	/// Intervals in order that do not overlap.
	fn intervals() -> impl Strategy<Value = Vec<CanonicalInterval>> {
		prop::collection::vec((0u64..4, 1u32..4, 0u64..3, 0u8..3), 0..8).prop_map(|steps| {
			let mut offset = 0;
			steps
				.into_iter()
				.map(|(gap, seconds, energy, quality)| {
					offset += gap;
					let quality = match quality {
						0 => Quality::Valid,
						1 => Quality::Estimated,
						_ => Quality::Suspect,
					};
					let interval = interval(offset, seconds, energy, quality);
					offset += u64::from(seconds);
					interval
				})
				.collect()
		})
	}

	proptest! {
		#[test]
		fn what_is_known_is_what_a_look_at_every_pair_says(
			known in intervals(),
			message in intervals().prop_filter("a message has a figure", |all| !all.is_empty()),
			repeats in any::<bool>(),
			order in any::<prop::sample::Index>(),
		) {
			let message = if repeats && !known.is_empty() { known.clone() } else { message };
			let numbered: Vec<(u16, CanonicalInterval)> =
				(0u16..).zip(message.iter().copied()).collect();
			let mut open = OpenSlot::default();
			// In any order: the rotated one is not sorted.
			let mut shuffled = known.clone();
			if !shuffled.is_empty() {
				let by = order.index(shuffled.len());
				shuffled.rotate_left(by);
			}
			for one in &shuffled {
				open.insert(7, [Figure::new(one, &slot())], &slot());
			}
			let figures = placed(numbered.iter().map(|(place, one)| (*place, one)), &slot());
			let fast = open.known(7).unwrap_or_else(|| none()).compare(&figures);
			prop_assert_eq!(fast, slow(&known, &numbered));
			prop_assert_eq!(open.figures(), known.len());
		}
	}

	#[test]
	fn a_slot_is_complete_when_every_second_has_a_figure() {
		let mut open = OpenSlot::default();
		open.insert(1, [Figure::new(&interval(450, 450, 1, Quality::Valid), &slot())], &slot());
		assert_eq!(open.complete(), 0);
		open.insert(1, [Figure::new(&interval(0, 450, 1, Quality::Valid), &slot())], &slot());
		assert_eq!((open.complete(), open.figures()), (1, 2));
		assert!(open.known(2).is_none());
	}
}
