//! One consumer of the group: takes records, hands them over in batches, commits what is handled.

use std::{
	sync::{atomic::Ordering, mpsc, Arc},
	time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use oracle_port::{ReadingSink, Rejection};
use oracle_source::{add, Backoff, Batch, Counters, Offering, Status};
use rdkafka::{
	config::ClientConfig,
	consumer::{BaseConsumer, CommitMode, Consumer as _},
	error::{KafkaError, KafkaResult, RDKafkaErrorCode},
	message::BorrowedMessage,
	Message, Offset, TopicPartitionList,
};
use tokio::{runtime::Handle, sync::watch, task::JoinSet};

use crate::{
	configuration::Settings,
	group::{apply, Change, Group},
	offsets::{AssignmentId, BatchId, Offsets},
	source::{Order, Orders},
};

/// The code of a rejection because the record has no value.
pub const TOMBSTONE: &str = "tombstone";

/// How long a poll waits while the sink has something to answer for, and while it has not.
const ATTENTIVE: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(100);
/// How long nothing may be polled because there is no room, before the partitions are paused.
const PAUSE_AFTER: Duration = Duration::from_secs(1);
/// How long a question to the brokers may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a commit before partitions go, or before the end, is tried. The sink has had its time
/// before that: what it has handled is committed even when it was too slow for the rest.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait between two tries.
const COMMIT_RETRY: Duration = Duration::from_millis(200);
/// Values are copied into blocks of this size.
const BLOCK_BYTES: usize = 64 << 10;

/// What the sink has been asked, whatever becomes of the consumer that asked.
pub(crate) struct Exchange<S> {
	pub(crate) offering: Offering<S>,
	pub(crate) runtime: Handle,
	answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
	/// Ended when dropped.
	tasks: JoinSet<()>,
	in_flight: usize,
	next_batch: u64,
	next_assignment: u64,
}

/// The sink has taken a batch.
struct Answer {
	batch: BatchId,
	assignments: Vec<AssignmentId>,
}

impl<S: ReadingSink> Exchange<S> {
	pub(crate) fn new(offering: Offering<S>, runtime: Handle) -> Self {
		Self {
			offering,
			runtime,
			answers: mpsc::channel(),
			tasks: JoinSet::new(),
			in_flight: 0,
			next_batch: 0,
			next_assignment: 0,
		}
	}

	fn offer(&mut self, batch: Batch, assignments: Vec<AssignmentId>) -> BatchId {
		let id = BatchId(self.next_batch);
		self.next_batch += 1;
		self.in_flight += 1;
		let (offering, answers) = (self.offering.clone(), self.answers.0.clone());
		let answered = async move {
			offering.offer(&batch).await;
			// Without a receiver nobody waits for the answer any more.
			let _ = answers.send(Answer { batch: id, assignments });
		};
		self.tasks.spawn_on(answered, &self.runtime);
		id
	}

	/// The next answer, waited for as long as given.
	fn answer(&mut self, wait: Duration) -> Option<Answer> {
		while let Some(ended) = self.tasks.try_join_next() {
			if let Err(Ok(panic)) = ended.map_err(tokio::task::JoinError::try_into_panic) {
				std::panic::resume_unwind(panic);
			}
		}
		let answer = match wait {
			Duration::ZERO => self.answers.1.try_recv().ok(),
			wait => self.answers.1.recv_timeout(wait).ok(),
		};
		self.in_flight -= usize::from(answer.is_some());
		answer
	}
}

/// Records that go to the sink together.
#[derive(Default)]
struct Waiting {
	batch: Batch,
	/// Up to where each partition is handled when this batch is.
	ends: Vec<(AssignmentId, i64)>,
	since: Option<Instant>,
	/// Room for values; it saves an allocation for each.
	block: BytesMut,
}

impl Waiting {
	fn keep(&mut self, value: &[u8]) -> Bytes {
		if self.block.capacity() < value.len() {
			self.block = BytesMut::with_capacity(BLOCK_BYTES.max(value.len()));
		}
		self.block.extend_from_slice(value);
		self.block.split().freeze()
	}

	fn reached(&mut self, assignment: AssignmentId, next_offset: i64) {
		self.since.get_or_insert_with(Instant::now);
		match self.ends.iter_mut().rfind(|(known, _)| *known == assignment) {
			Some((_, end)) => *end = next_offset,
			None => self.ends.push((assignment, next_offset)),
		}
	}
}

type CommitResult = Result<(), RDKafkaErrorCode>;

struct Assigned {
	topic: String,
	partition: i32,
	id: AssignmentId,
}

/// Why a consumer is no longer used.
pub(crate) enum Ended {
	Stopped,
	Lost(String),
}

/// A consumer that gives back its partitions when it is dropped, without a commit.
struct Member(BaseConsumer<Group>);

impl Drop for Member {
	fn drop(&mut self) {
		let group = self.0.context();
		group.close();
		while let Some(change) = group.take_change() {
			if let Err(error) = apply(&self.0, &change) {
				tracing::warn!(%error, "partitions could not be given back");
			}
		}
	}
}

/// A consumer at work.
pub(crate) struct Consumer<'source, S> {
	settings: &'source Settings,
	counters: Arc<Counters>,
	status: &'source watch::Sender<Status>,
	orders: &'source Orders,
	exchange: &'source mut Exchange<S>,
	member: Arc<Member>,
	offsets: Offsets,
	assigned: Vec<Assigned>,
	/// Index of the partition the last record came from.
	last: usize,
	waiting: Waiting,
	paused: bool,
	full_since: Option<Instant>,
	last_commit: Instant,
	committing: bool,
	committed: (mpsc::Sender<CommitResult>, mpsc::Receiver<CommitResult>),
	probes: Backoff,
	next_probe: Option<Instant>,
}

impl<'source, S: ReadingSink> Consumer<'source, S> {
	/// Joins the group.
	pub(crate) fn open(
		settings: &'source Settings,
		client: &ClientConfig,
		counters: Arc<Counters>,
		status: &'source watch::Sender<Status>,
		orders: &'source Orders,
		exchange: &'source mut Exchange<S>,
	) -> KafkaResult<Self> {
		let member = Arc::new(Member(client.create_with_context(Group::default())?));
		let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
		member.0.subscribe(&topics)?;
		Ok(Self {
			settings,
			counters,
			status,
			orders,
			exchange,
			member,
			offsets: Offsets::default(),
			assigned: Vec::new(),
			last: 0,
			waiting: Waiting::default(),
			paused: false,
			full_since: None,
			last_commit: Instant::now(),
			committing: false,
			committed: mpsc::channel(),
			probes: Backoff::new(settings.reconnect_minimum, settings.reconnect_maximum),
			next_probe: None,
		})
	}

	/// Takes records until it is told to stop or the consumer is of no use any more.
	pub(crate) fn run(mut self) -> Ended {
		let mut stop_by = None;
		loop {
			match self.orders.now() {
				Order::Run => {}
				Order::Stop => {
					stop_by = stop_by.or(Some(Instant::now() + self.settings.stop_timeout));
				}
				Order::Abandon => return Ended::Stopped,
			}
			while let Some(answer) = self.exchange.answer(Duration::ZERO) {
				self.handled(answer);
			}
			let taking = stop_by.is_none() && self.has_room();
			let outcome = if taking { self.take_what_is_there() } else { Ok(()) };
			let outcome = outcome.and_then(|()| self.change_partitions());
			self.offer(Instant::now(), false);
			self.commit_when_due();
			self.probe_when_due();

			let now = Instant::now();
			if let Some(stop_by) = stop_by {
				let answered = self.exchange.in_flight == 0 && self.waiting.batch.is_empty();
				if answered || now >= stop_by {
					if !answered {
						tracing::warn!("stopped before the sink answered for everything");
					}
					self.commit_and_wait();
					return Ended::Stopped;
				}
			}
			if let Err(error) = outcome.and_then(|()| self.wait(stop_by.is_some(), now)) {
				return Ended::Lost(error.to_string());
			}
		}
	}

	/// Whether another record may wait.
	fn has_room(&self) -> bool {
		!self.is_full() && !self.exchange.offering.is_refused()
	}

	fn is_full(&self) -> bool {
		let limits = &self.settings.batch;
		self.waiting.batch.len() >= limits.messages || self.waiting.batch.bytes() >= limits.bytes
	}

	/// Waits for records or, when there is no room, for answers. Whoever waits long for answers
	/// pauses the partitions and goes on polling.
	fn wait(&mut self, stopping: bool, now: Instant) -> KafkaResult<()> {
		if !stopping && self.has_room() {
			self.full_since = None;
			self.set_paused(false)?;
			let idle = self.exchange.in_flight == 0 && self.waiting.batch.is_empty();
			return self.poll(if idle { IDLE } else { ATTENTIVE }).map(drop);
		}
		let full_since = *self.full_since.get_or_insert(now);
		if stopping || self.exchange.offering.is_refused() || now >= full_since + PAUSE_AFTER {
			self.set_paused(true)?;
			self.poll(Duration::ZERO)?;
		}
		if let Some(answer) = self.exchange.answer(ATTENTIVE) {
			self.handled(answer);
		}
		Ok(())
	}

	fn take_what_is_there(&mut self) -> KafkaResult<()> {
		while !self.is_full() && self.poll(Duration::ZERO)? {}
		Ok(())
	}

	/// Takes a record if one comes in time. Whether one did.
	fn poll(&mut self, wait: Duration) -> KafkaResult<bool> {
		// The record borrows the consumer; what is done with it touches other fields only.
		let Self { member, settings, counters, waiting, assigned, last, .. } = self;
		match member.0.poll(wait) {
			None => Ok(false),
			Some(Ok(record)) => {
				match assignment(assigned, last, &record) {
					Some(id) => take(&record, id, settings, waiting),
					// It comes again, at the member that has the partition now.
					None => {
						tracing::debug!(topic = record.topic(), "a record of no partition here")
					}
				}
				counters.received.fetch_add(1, Ordering::Relaxed);
				if self.next_probe.is_some() {
					self.connected();
				}
				Ok(true)
			}
			Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
			Some(Err(error)) => {
				self.report(&error);
				Ok(false)
			}
		}
	}

	/// An error librdkafka goes on after.
	fn report(&mut self, error: &KafkaError) {
		tracing::warn!(%error, "from the brokers");
		let Some(code) = error.rdkafka_error_code() else { return };
		if !matters(code) {
			return;
		}
		self.status.send_replace(Status::Disconnected { reason: error.to_string() });
		if self.next_probe.is_none() {
			self.next_probe = Some(Instant::now() + self.probes.wait());
		}
	}

	/// librdkafka connects again by itself and does not say when it has.
	fn probe_when_due(&mut self) {
		if self.next_probe.is_none_or(|next| Instant::now() < next) {
			return;
		}
		let topic = self.settings.topics.first().map(String::as_str);
		let answered = match self.member.0.fetch_metadata(topic, PROBE_TIMEOUT) {
			Ok(metadata) => metadata.topics().iter().all(|topic| topic.error().is_none()),
			Err(_) => false,
		};
		if answered {
			self.connected();
		} else {
			self.next_probe = Some(Instant::now() + self.probes.wait());
		}
	}

	fn connected(&mut self) {
		if self.next_probe.take().is_some() {
			add(&self.counters.reconnects, 1);
			self.probes.reset();
		}
		self.status.send_replace(Status::Subscribed);
	}

	fn change_partitions(&mut self) -> KafkaResult<()> {
		while let Some(change) = self.member.0.context().take_change() {
			match &change {
				Change::Assigned(partitions) => {
					for element in partitions.elements() {
						let id = AssignmentId(self.exchange.next_assignment);
						self.exchange.next_assignment += 1;
						self.offsets.assign(id);
						let topic = element.topic().to_owned();
						self.assigned.push(Assigned { topic, partition: element.partition(), id });
					}
					apply(&self.member.0, &change)?;
					if self.paused {
						self.member.0.pause(partitions)?;
					}
					tracing::info!(partitions = self.assigned.len(), "partitions assigned");
					self.connected();
				}
				Change::Revoked(partitions) => {
					let gone = self.revoked(partitions);
					self.let_the_sink_finish(&gone);
					self.commit_and_wait();
					apply(&self.member.0, &change)?;
					for id in &gone {
						self.offsets.revoke(*id);
					}
					self.assigned.retain(|assigned| !gone.contains(&assigned.id));
					self.last = 0;
					tracing::info!(partitions = self.assigned.len(), "partitions revoked");
				}
			}
		}
		Ok(())
	}

	fn revoked(&self, partitions: &TopicPartitionList) -> Vec<AssignmentId> {
		let is_named = |assigned: &&Assigned| {
			partitions.find_partition(&assigned.topic, assigned.partition).is_some()
		};
		self.assigned.iter().filter(is_named).map(|assigned| assigned.id).collect()
	}

	/// Waits for the answers for these partitions, as long as the sink takes anything at all.
	fn let_the_sink_finish(&mut self, gone: &[AssignmentId]) {
		let deadline = Instant::now() + self.settings.revoke_timeout;
		loop {
			self.offer(Instant::now(), true);
			let waiting = self.waiting.ends.iter().any(|(id, _)| gone.contains(id));
			let offered = gone.iter().any(|id| self.offsets.is_waiting(*id));
			let refused = self.exchange.offering.is_refused();
			let stopped = self.orders.now() == Order::Abandon;
			if !(waiting || offered) || refused || stopped || Instant::now() >= deadline {
				return;
			}
			if let Some(answer) = self.exchange.answer(ATTENTIVE) {
				self.handled(answer);
			}
		}
	}

	/// Offers what waits if the sink is idle, the batch is full, it has waited long enough or it
	/// is told to.
	fn offer(&mut self, now: Instant, at_once: bool) {
		let Some(since) = self.waiting.since else { return };
		let limits = &self.settings.batch;
		let due = at_once
			|| self.exchange.in_flight == 0
			|| self.is_full()
			|| now >= since + limits.linger;
		if !due || self.exchange.in_flight >= limits.concurrent {
			return;
		}
		let batch = std::mem::take(&mut self.waiting.batch);
		let ends = std::mem::take(&mut self.waiting.ends);
		self.waiting.since = None;
		let assignments = ends.iter().map(|(assignment, _)| *assignment).collect();
		let id = self.exchange.offer(batch, assignments);
		for (assignment, next_offset) in ends {
			self.offsets.offered(assignment, id, next_offset);
		}
	}

	fn handled(&mut self, answer: Answer) {
		for assignment in answer.assignments {
			self.offsets.handled(assignment, answer.batch);
		}
	}

	fn commit_when_due(&mut self) {
		while let Ok(result) = self.committed.1.try_recv() {
			self.commit_ended(result);
		}
		if self.last_commit.elapsed() >= self.settings.commit_interval {
			self.last_commit = Instant::now();
			self.commit();
		}
	}

	/// Commits all that is handled, and returns when the brokers have it. While the group is being
	/// rebalanced it may take no commits, or find them out of date, and a coordinator may move: that
	/// passes, and it is tried again.
	fn commit_and_wait(&mut self) {
		let deadline = Instant::now() + COMMIT_TIMEOUT;
		let mut retries = Backoff::new(ATTENTIVE, COMMIT_RETRY);
		loop {
			if self.member.0.assignment_lost() {
				tracing::warn!("partitions were lost before what is handled was committed");
				return;
			}
			self.commit();
			let mut result = Ok(());
			while self.committing {
				if self.orders.now() == Order::Abandon || Instant::now() >= deadline {
					tracing::warn!("did not wait for a commit");
					return;
				}
				if let Ok(ended) = self.committed.1.recv_timeout(ATTENTIVE) {
					result = ended;
					self.commit_ended(ended);
				}
			}
			match result {
				Ok(()) if !self.offsets.has_commits() => return,
				Ok(()) => {}
				Err(code) if is_final(code) || Instant::now() >= deadline => return,
				Err(_) => std::thread::sleep(retries.wait()),
			}
			if self.orders.now() == Order::Abandon {
				return;
			}
		}
	}

	/// Commits what is handled, if no commit is on its way. It has a thread of its own meanwhile:
	/// the result of a commit that nobody waits for is not told.
	fn commit(&mut self) {
		if self.committing {
			return;
		}
		let mut commits = TopicPartitionList::new();
		for (id, offset) in self.offsets.take_commits() {
			let Some(assigned) = self.assigned.iter().find(|assigned| assigned.id == id) else {
				continue;
			};
			let Assigned { topic, partition, .. } = assigned;
			let offset = Offset::Offset(offset);
			if let Err(error) = commits.add_partition_offset(topic, *partition, offset) {
				tracing::error!(%error, topic, partition, "an offset cannot be committed");
			}
		}
		if commits.count() == 0 {
			return;
		}
		self.committing = true;
		let (member, committed) = (self.member.clone(), self.committed.0.clone());
		self.exchange.runtime.spawn_blocking(move || {
			let result = member.0.commit(&commits, CommitMode::Sync);
			drop(member);
			let result = result.map_err(|error| {
				tracing::warn!(%error, "offsets were not committed");
				error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
			});
			// Without a receiver the consumer has ended.
			let _ = committed.send(result);
		});
	}

	fn commit_ended(&mut self, result: CommitResult) {
		self.committing = false;
		if result.is_err() {
			self.offsets.forget_commits();
		}
	}

	fn set_paused(&mut self, paused: bool) -> KafkaResult<()> {
		if self.paused == paused {
			return Ok(());
		}
		let mut partitions = TopicPartitionList::new();
		for assigned in &self.assigned {
			partitions.add_partition(&assigned.topic, assigned.partition);
		}
		match paused {
			true => self.member.0.pause(&partitions)?,
			false => self.member.0.resume(&partitions)?,
		}
		self.paused = paused;
		tracing::debug!(paused, "polling");
		Ok(())
	}
}

/// The partition a record is from. Most come from the same one as the record before.
fn assignment(
	assigned: &[Assigned],
	last: &mut usize,
	record: &BorrowedMessage<'_>,
) -> Option<AssignmentId> {
	let (topic, partition) = (record.topic(), record.partition());
	let is_from = |assigned: &Assigned| assigned.partition == partition && assigned.topic == topic;
	if !assigned.get(*last).is_some_and(is_from) {
		*last = assigned.iter().position(is_from)?;
	}
	assigned.get(*last).map(|assigned| assigned.id)
}

fn take(
	record: &BorrowedMessage<'_>,
	assignment: AssignmentId,
	settings: &Settings,
	waiting: &mut Waiting,
) {
	match record.payload() {
		None => {
			let reason = "has no value; a reading cannot be taken back".to_owned();
			let rejection = Rejection { field: "$".to_owned(), reason, code: TOMBSTONE.to_owned() };
			waiting.batch.refuse(Bytes::new(), rejection);
		}
		Some(value) if value.len() > settings.maximum_payload_bytes => {
			waiting.batch.refuse_too_large(value, settings.maximum_payload_bytes);
		}
		Some(value) => {
			let value = waiting.keep(value);
			waiting.batch.push(value);
		}
	}
	waiting.reached(assignment, record.offset() + 1);
}

/// Whether a commit that was refused so is refused again.
fn is_final(code: RDKafkaErrorCode) -> bool {
	use RDKafkaErrorCode::*;
	matches!(
		code,
		UnknownMemberId
			| FencedInstanceId
			| Fatal | GroupAuthorizationFailed
			| TopicAuthorizationFailed
			| OffsetMetadataTooLarge
			| InvalidCommitOffsetSize
	)
}

/// Whether nothing comes until somebody does something about it, or the network comes back.
fn matters(code: RDKafkaErrorCode) -> bool {
	use RDKafkaErrorCode::*;
	matches!(
		code,
		AllBrokersDown
			| Authentication
			| SaslAuthenticationFailed
			| ClusterAuthorizationFailed
			| GroupAuthorizationFailed
			| TopicAuthorizationFailed
			| UnknownTopicOrPartition
			| UnknownTopic
			| NotImplemented
			| BadCompression
	)
}

#[cfg(test)]
mod tests;
