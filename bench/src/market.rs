//! The way of a slot through the market, block by block.

use anyhow::{bail, ensure, Result};
use energy_primitives::{Slot, SlotState};

use crate::{
	calls,
	chain::{Made, Queue},
	town::{sells, Town, MATCHED_WH},
};

/// The most blocks that a slot may need for one part of its way.
const MOST_BLOCKS: usize = 50_000;

/// Makes blocks, with what is in the queue, until the slot has come so far and the queue is empty.
/// Returns the blocks.
///
/// # Errors
/// When the zone halts, the slot does not get there, or a block cannot be made.
pub fn until(
	town: &mut Town<'_>,
	slot: Slot,
	queue: &mut Queue,
	is_there: impl Fn(SlotState) -> bool,
	mut note: impl FnMut(&Made),
) -> Result<usize> {
	for blocks in 1..=MOST_BLOCKS {
		let made = town.chain.block(queue, usize::MAX)?;
		note(&made);
		if queue.is_empty() && is_there(town.chain.slot(slot)?.state) {
			return Ok(blocks);
		}
		if blocks % 64 == 0 {
			if let Some(reason) = town.chain.zone()?.halted {
				bail!("the zone halted: {reason:?}");
			}
		}
		if blocks % 500 == 0 {
			eprintln!("  slot {slot}: {:?} after {blocks} blocks", town.chain.slot(slot)?.state);
		}
	}
	bail!("slot {slot} is still {:?} after {MOST_BLOCKS} blocks", town.chain.slot(slot)?.state)
}

/// Closes the gate of a slot and makes blocks until every position is known.
///
/// # Errors
/// As [`until`].
pub fn clear(town: &mut Town<'_>, slot: Slot, note: impl FnMut(&Made)) -> Result<usize> {
	town.chain.jump_to(town.gate(slot));
	let is_cleared = |state| !matches!(state, SlotState::Open | SlotState::Clearing);
	until(town, slot, &mut Queue::new(), is_cleared, note)
}

/// Ends a slot, attests what everyone measured, and makes blocks until everyone is paid. Everyone
/// gave and took what `orders` matched orders of it promised. `note` hears of each block, and
/// whether there was an attestation in it.
///
/// # Errors
/// As [`until`].
pub fn settle(
	town: &mut Town<'_>,
	slot: Slot,
	orders: u64,
	mut note: impl FnMut(&Made),
) -> Result<usize> {
	let energy = orders * MATCHED_WH;
	let measured: Vec<_> = (0..town.people.len())
		.map(|person| if sells(person) { (0, energy) } else { (energy, 0) })
		.collect();
	let mut queue = Queue::new();
	for call in calls::attest(slot, &measured)? {
		queue.push_back(town.by_oracle(call));
	}
	town.chain.jump_to(town.end(slot));
	until(town, slot, &mut queue, SlotState::is_final, &mut note)
}

/// The trades of a slot: how many matched orders were bought and, in another place, sold.
///
/// # Errors
/// When not all of them were, or there is no book.
pub fn trades(town: &Town<'_>, slot: Slot, orders: u64) -> Result<u64> {
	let volume = town.chain.slot(slot)?.result.map_or(0, |result| result.volume_wh);
	let expected = town.people.len() as u64 / 2 * orders;
	let trades = volume / MATCHED_WH;
	ensure!(trades == expected, "slot {slot} has {trades} trades in the place of {expected}");
	Ok(trades)
}
