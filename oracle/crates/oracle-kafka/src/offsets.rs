//! Which offset of a partition may be committed.

use std::collections::{HashMap, VecDeque};

/// Names one assignment of a partition. A partition that is taken away and given again is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AssignmentId(pub(crate) u64);

/// Names a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BatchId(pub(crate) u64);

/// The records of one partition in a batch: up to which one the partition is handled when this
/// batch and all before it are.
#[derive(Clone, Copy, Debug)]
struct Run {
	batch: BatchId,
	next_offset: i64,
	handled: bool,
}

#[derive(Debug, Default)]
struct Partition {
	/// In the order in which the records came.
	runs: VecDeque<Run>,
	/// The offset to commit: the one after the last that is handled with all before it.
	handled_to: Option<i64>,
	committed_to: Option<i64>,
}

impl Partition {
	fn is_due(&self) -> bool {
		self.handled_to.is_some() && self.committed_to != self.handled_to
	}
}

/// Remembers per partition which batches are handled, and up to which offset all are.
///
/// Offsets need not follow each other without a gap; the order of delivery counts.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
	partitions: HashMap<AssignmentId, Partition>,
}

impl Offsets {
	/// Begins with a partition.
	pub(crate) fn assign(&mut self, assignment: AssignmentId) {
		self.partitions.insert(assignment, Partition::default());
	}

	/// Forgets a partition.
	pub(crate) fn revoke(&mut self, assignment: AssignmentId) {
		self.partitions.remove(&assignment);
	}

	/// A batch was offered that ends, for this partition, before `next_offset`. Batches of one
	/// partition are told in the order of their records.
	pub(crate) fn offered(&mut self, assignment: AssignmentId, batch: BatchId, next_offset: i64) {
		if let Some(partition) = self.partitions.get_mut(&assignment) {
			partition.runs.push_back(Run { batch, next_offset, handled: false });
		}
	}

	/// The sink has answered for a batch with records of this partition.
	pub(crate) fn handled(&mut self, assignment: AssignmentId, batch: BatchId) {
		let Some(partition) = self.partitions.get_mut(&assignment) else { return };
		for run in partition.runs.iter_mut().filter(|run| run.batch == batch) {
			run.handled = true;
		}
		while let Some(run) = partition.runs.front().filter(|run| run.handled) {
			partition.handled_to = Some(run.next_offset);
			partition.runs.pop_front();
		}
	}

	/// Whether any record of this partition waits for the sink's answer.
	pub(crate) fn is_waiting(&self, assignment: AssignmentId) -> bool {
		self.partitions.get(&assignment).is_some_and(|partition| !partition.runs.is_empty())
	}

	/// Whether there is anything to commit.
	pub(crate) fn has_commits(&self) -> bool {
		self.partitions.values().any(Partition::is_due)
	}

	/// What there is to commit, and takes it as committed.
	pub(crate) fn take_commits(&mut self) -> Vec<(AssignmentId, i64)> {
		let mut commits = Vec::new();
		for (assignment, partition) in &mut self.partitions {
			if !partition.is_due() {
				continue;
			}
			partition.committed_to = partition.handled_to;
			commits.extend(partition.handled_to.map(|offset| (*assignment, offset)));
		}
		commits
	}

	/// A commit failed: all are due again.
	pub(crate) fn forget_commits(&mut self) {
		for partition in self.partitions.values_mut() {
			partition.committed_to = None;
		}
	}
}

#[cfg(test)]
mod tests {
	use std::collections::BTreeMap;

	use proptest::prelude::*;

	use super::*;

	const FIRST: AssignmentId = AssignmentId(1);

	#[test]
	fn nothing_is_committed_beyond_a_batch_without_answer() {
		let mut offsets = Offsets::default();
		offsets.assign(FIRST);
		for (batch, next_offset) in [(0, 10), (1, 25), (2, 26)] {
			offsets.offered(FIRST, BatchId(batch), next_offset);
		}
		offsets.handled(FIRST, BatchId(1));
		assert_eq!(offsets.take_commits(), []);
		offsets.handled(FIRST, BatchId(0));
		assert_eq!(offsets.take_commits(), [(FIRST, 25)]);
		assert_eq!(offsets.take_commits(), []);
		assert!(offsets.is_waiting(FIRST));
		offsets.handled(FIRST, BatchId(2));
		assert!(!offsets.is_waiting(FIRST));
		assert_eq!(offsets.take_commits(), [(FIRST, 26)]);
		offsets.forget_commits();
		assert_eq!(offsets.take_commits(), [(FIRST, 26)]);
	}

	#[test]
	fn answer_for_a_partition_that_was_taken_away_is_ignored() {
		let mut offsets = Offsets::default();
		offsets.assign(FIRST);
		offsets.offered(FIRST, BatchId(0), 10);
		offsets.revoke(FIRST);
		// Given again: another assignment, which knows nothing of the old batch.
		let again = AssignmentId(2);
		offsets.assign(again);
		offsets.handled(FIRST, BatchId(0));
		assert!(!offsets.is_waiting(again));
		assert_eq!(offsets.take_commits(), []);
	}

	#[derive(Clone, Debug)]
	enum Step {
		/// A batch with so many records of each partition, each so far from the last.
		Offer(Vec<(usize, Vec<i64>)>),
		/// The batch at this place among those without an answer is answered.
		Answer(prop::sample::Index),
		Revoke(usize),
		Commit,
		Fail,
	}

	fn step() -> impl Strategy<Value = Step> {
		let records = (0..3usize, prop::collection::vec(1..4i64, 1..4));
		prop_oneof![
			4 => prop::collection::vec(records, 1..4).prop_map(Step::Offer),
			4 => any::<prop::sample::Index>().prop_map(Step::Answer),
			1 => (0..3usize).prop_map(Step::Revoke),
			2 => Just(Step::Commit),
			1 => Just(Step::Fail),
		]
	}

	/// Every record that came, one by one, and whether it is handled.
	#[derive(Default)]
	struct Reference {
		records: BTreeMap<AssignmentId, Vec<(i64, BatchId, bool)>>,
		committed: BTreeMap<AssignmentId, i64>,
	}

	impl Reference {
		fn commits(&mut self) -> Vec<(AssignmentId, i64)> {
			let mut commits = Vec::new();
			for (assignment, records) in &self.records {
				let last = records.iter().take_while(|(_, _, handled)| *handled).last();
				if let Some((offset, _, _)) = last {
					if self.committed.insert(*assignment, offset + 1) != Some(offset + 1) {
						commits.push((*assignment, offset + 1));
					}
				}
			}
			commits
		}
	}

	proptest! {
		#[test]
		fn agrees_with_the_record_by_record_reference(
			steps in prop::collection::vec(step(), 1..60),
		) {
			let mut offsets = Offsets::default();
			let mut reference = Reference::default();
			let mut assignments: Vec<AssignmentId> = (0..3).map(AssignmentId).collect();
			let mut positions = [0i64; 3];
			for assignment in &assignments {
				offsets.assign(*assignment);
				reference.records.insert(*assignment, Vec::new());
			}
			let mut unanswered: Vec<(BatchId, Vec<AssignmentId>)> = Vec::new();
			for (number, step) in (0u64..).zip(steps) {
				match step {
					Step::Offer(parts) => {
						let batch = BatchId(number);
						let mut ends = BTreeMap::new();
						for (partition, distances) in parts {
							let assignment = assignments[partition];
							for distance in distances {
								positions[partition] += distance;
								let record = (positions[partition], batch, false);
								reference.records.get_mut(&assignment).unwrap().push(record);
							}
							ends.insert(assignment, positions[partition] + 1);
						}
						for (assignment, next_offset) in &ends {
							offsets.offered(*assignment, batch, *next_offset);
						}
						unanswered.push((batch, ends.into_keys().collect()));
					}
					Step::Answer(index) if !unanswered.is_empty() => {
						let (batch, parts) = unanswered.remove(index.index(unanswered.len()));
						for assignment in parts {
							offsets.handled(assignment, batch);
						}
						for record in reference.records.values_mut().flatten() {
							record.2 |= record.1 == batch;
						}
					}
					Step::Answer(_) => {}
					Step::Revoke(partition) => {
						offsets.revoke(assignments[partition]);
						reference.records.remove(&assignments[partition]);
						assignments[partition] = AssignmentId(100 + number);
						offsets.assign(assignments[partition]);
						reference.records.insert(assignments[partition], Vec::new());
					}
					Step::Commit => {
						let mut commits = offsets.take_commits();
						commits.sort();
						prop_assert_eq!(commits, reference.commits());
						prop_assert!(!offsets.has_commits());
					}
					Step::Fail => {
						offsets.forget_commits();
						reference.committed.clear();
					}
				}
				for (assignment, records) in &reference.records {
					let waiting = records.iter().any(|(_, _, handled)| !handled);
					prop_assert_eq!(offsets.is_waiting(*assignment), waiting);
				}
			}
		}
	}
}
