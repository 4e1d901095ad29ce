//! The threads that check what comes in.
//!
//! What waits is taken together, up to a limit: the signatures of many messages cost less for each than
//! those of few. Somebody who does not want to wait any longer is passed over.

use std::{
	io,
	sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::{
	body,
	check::{check_batches, CheckRules, CheckedBatch},
	writer::{Answer, Command},
	IngestError, Messages, Sender,
};
use crate::{registry::Registry, store::Store};

/// The most messages that are checked together, but for those of one body.
const GROUP_MESSAGES: usize = 1_024;

/// Messages that wait to be checked.
pub struct Job {
	/// Where they come from.
	pub source: &'static str,
	/// Of which meters they may be.
	pub sender: Sender,
	/// The messages.
	pub messages: Messages,
	/// When they came, seconds since 1970.
	pub received_seconds: u64,
	/// The meters at that moment.
	pub registry: Arc<Registry>,
	/// Told when it is their turn. Nobody listens: then nobody waits any longer.
	pub taken: Option<oneshot::Sender<()>>,
	/// Told what came of them.
	pub answer: oneshot::Sender<Answer>,
}

/// What the threads share.
pub struct Checker {
	/// What waits.
	pub jobs: Mutex<mpsc::Receiver<Job>>,
	/// Seals.
	pub store: Arc<dyn Store>,
	/// How messages are checked.
	pub rules: CheckRules,
	/// The most messages in a body.
	pub max_messages: usize,
	/// How many threads there are.
	pub threads: usize,
}

impl Checker {
	/// Starts the threads. They end when nobody can send them anything more.
	///
	/// # Errors
	/// When a thread cannot be started.
	pub fn start(self, writer: &mpsc::Sender<Command>) -> io::Result<()> {
		let checker = Arc::new(self);
		for number in 0..checker.threads.max(1) {
			let (checker, writer) = (checker.clone(), writer.clone());
			std::thread::Builder::new()
				.name(format!("oracle-check-{number}"))
				.spawn(move || checker.run(&writer))?;
		}
		Ok(())
	}

	fn run(&self, writer: &mpsc::Sender<Command>) {
		while let Some(jobs) = self.next_group() {
			self.check(jobs, writer);
		}
	}

	/// Waits for something to do, and takes this thread's part of what waits.
	fn next_group(&self) -> Option<Vec<Job>> {
		let mut waiting = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
		loop {
			let first = waiting.blocking_recv()?;
			let share = waiting.len().saturating_add(1).div_ceil(self.threads.max(1));
			let mut messages = 0usize;
			let mut jobs = Vec::new();
			let mut next = Some(first);
			while let Some(mut job) = next {
				if job.taken.take().is_some_and(|taken| taken.send(()).is_ok()) {
					messages = messages.saturating_add(job.messages.estimated_count());
					jobs.push(job);
				}
				let has_room = jobs.len() < share && messages < GROUP_MESSAGES;
				next = if has_room { waiting.try_recv().ok() } else { None };
			}
			if !jobs.is_empty() {
				return Some(jobs);
			}
		}
	}

	/// Checks messages and hands them to the writer, who answers.
	fn check(&self, jobs: Vec<Job>, writer: &mpsc::Sender<Command>) {
		let mut parsed = Vec::with_capacity(jobs.len());
		let mut answers = Vec::with_capacity(jobs.len());
		for job in jobs {
			let messages = match job.messages {
				Messages::Body(format, body) => body::parse_body(format, &body, self.max_messages),
				Messages::Each(documents) => Ok(documents.into_iter().map(body::parse).collect()),
			};
			match messages {
				Ok(messages) => {
					let batch = CheckedBatch {
						sender: job.sender,
						..CheckedBatch::new(job.source, job.received_seconds)
					};
					parsed.push((messages, job.registry, batch));
					answers.push(job.answer);
				}
				// Whoever does not listen any more has hung up.
				Err(error) => drop(job.answer.send(Err(error.into()))),
			}
		}
		match check_batches(parsed, self.rules, self.store.sealer()) {
			Ok(batches) => {
				for (batch, answer) in batches.into_iter().zip(answers) {
					let command = Command::Store { batch: Box::new(batch), answer };
					// The writer is gone: the answer is dropped, and its receiver knows.
					let _ = writer.blocking_send(command);
				}
			}
			Err(error) => {
				let error = Arc::new(error);
				for answer in answers {
					let _ = answer.send(Err(IngestError::Store(error.clone())));
				}
			}
		}
	}
}
