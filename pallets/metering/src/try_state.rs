//! What is always true of the pallet's storage.

use crate::{
	measurement::ZoneLines, Candidates, Config, Corrected, Groups, PageValues, Pages, Pallet,
	ParameterHistory, Progress, PruneQueue, Pruning, Votes, MAX_TOTAL_SECONDS,
};
use alloc::collections::BTreeSet;
use frame_support::ensure;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// Checks every invariant.
	pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
		// 1. A group has distinct members and the threshold of a majority.
		for group in Groups::<T>::iter_values() {
			let distinct: BTreeSet<_> = group.members.iter().collect();
			ensure!(distinct.len() == group.members.len(), "an oracle is in a group twice");
			ensure!(
				Self::is_majority(group.threshold, group.members.len() as u32),
				"a threshold is no majority"
			);
		}

		// 2. The history of times is ascending, and no times are longer than allowed.
		let history = ParameterHistory::<T>::get();
		ensure!(
			history.windows(2).all(|pair| pair[0].0 < pair[1].0),
			"the history of times is not ascending"
		);
		ensure!(
			history.iter().all(|(_, times)| times.total_seconds() <= MAX_TOTAL_SECONDS),
			"times are too long"
		);

		// 3. An oracle has one vote on a page, for something that is known, on a page that is open.
		for ((zone, slot, page), votes) in Votes::<T>::iter() {
			let voters: BTreeSet<_> = votes.iter().map(|(voter, _)| voter).collect();
			ensure!(!votes.is_empty(), "an empty list of votes");
			ensure!(voters.len() == votes.len(), "an oracle voted twice");
			ensure!(
				votes.iter().all(|(_, digest)| {
					Candidates::<T>::contains_key((zone, slot, page), digest)
				}),
				"a vote for nothing"
			);
			ensure!(!Pages::<T>::contains_key((zone, slot), page), "votes on a final page");
			ensure!(
				Progress::<T>::get((zone, slot)).is_some_and(|p| page < p.pages()),
				"votes on a page that is not"
			);
		}

		// 4. Every candidate is what its digest says and has a vote, so none is of a final page.
		for (page, digest, candidate) in Candidates::<T>::iter() {
			ensure!(Self::digest(page, &candidate) == digest, "a digest is wrong");
			ensure!(
				Votes::<T>::get(page).iter().any(|(_, vote)| *vote == digest),
				"a candidate without a vote"
			);
		}

		// 5. A slot has as many final pages as it says, is complete when all are, and not before.
		for (zone_slot, progress) in Progress::<T>::iter() {
			let pages = Pages::<T>::iter_prefix(zone_slot).count() as u64;
			ensure!(pages == u64::from(progress.pages_final), "final pages are miscounted");
			ensure!(progress.pages() > 0, "an attestation without pages");
			ensure!(
				progress.completed_at.is_some() == progress.is_complete(),
				"a slot is not as complete as it says"
			);
		}

		// 6. A final page is of a slot that has it, and somebody vouched for it.
		for ((zone, slot), page, attested) in Pages::<T>::iter() {
			ensure!(
				Progress::<T>::get((zone, slot)).is_some_and(|p| page < p.pages()),
				"a final page that is not"
			);
			ensure!(!attested.oracles.is_empty(), "nobody vouched for a page");
		}

		// 7. Lines are of final pages, in order, and of meters of the page.
		for ((zone, slot), page, lines) in PageValues::<T>::iter() {
			ensure!(Pages::<T>::contains_key((zone, slot), page), "lines of an open page");
			let meters = Progress::<T>::get((zone, slot)).map_or(0, |p| p.meters);
			ensure!(Self::check_lines(&lines, page, meters).is_ok(), "lines are out of order");
		}

		// 8. A corrected line is there, and listed once.
		for ((zone, slot), page, meters) in Corrected::<T>::iter() {
			let distinct: BTreeSet<_> = meters.iter().collect();
			ensure!(distinct.len() == meters.len(), "a line was corrected twice");
			ensure!(
				meters.iter().all(|meter| {
					meter.page() == page && ZoneLines::<T>::of(zone).line(slot, *meter).is_some()
				}),
				"a corrected line is gone"
			);
		}

		// 9. The queue has no gaps, and every slot with lines is in it.
		let state = Pruning::<T>::get();
		ensure!(state.first <= state.next, "the queue ends before it begins");
		let mut queued = BTreeSet::new();
		for (number, zone_slot) in PruneQueue::<T>::iter() {
			ensure!((state.first..state.next).contains(&number), "an entry beyond the queue");
			ensure!(queued.insert(zone_slot), "a slot is in the queue twice");
			ensure!(Progress::<T>::contains_key(zone_slot), "an unknown slot is in the queue");
		}
		ensure!(
			state.next.saturating_sub(state.first) == queued.len() as u64,
			"the queue has a gap"
		);
		for (zone_slot, _, _) in PageValues::<T>::iter() {
			ensure!(queued.contains(&zone_slot), "lines that will never be pruned");
		}
		Ok(())
	}
}
