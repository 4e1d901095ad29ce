//! The chain: a port, its types, and the adapter to a node in [`node`].

use std::future::Future;

use energy_primitives::{
	api::{AttestedPage, ZoneSummary},
	AccountId, Meter, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId,
};
use sp_core::H256;

use crate::store::Attestation;

pub mod market;
pub mod node;

/// A new block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
	/// The number of the best block.
	pub number: u64,
	/// The number of the last finalized block.
	pub finalized: u64,
	/// The chain's clock in the best block, seconds since 1970.
	pub now_seconds: u64,
}

/// The node did not answer, or not in a way that can be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
	/// The node cannot be reached, or broke off.
	#[error("the node does not answer: {0}")]
	Unreachable(String),
	/// The answer is not of the expected shape: another chain, or another version of it.
	#[error("the answer to {question} cannot be read: {reason}")]
	Unreadable {
		/// What was asked.
		question: &'static str,
		/// What is wrong.
		reason: String,
	},
}

/// Why an attestation is not in a finalized block, as far as is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
	/// This oracle's vote on the page is on chain already.
	#[error("this oracle has voted on the page already")]
	AlreadyVoted,
	/// The page is final already.
	#[error("the page is final already")]
	PageFinal,
	/// The chain no longer takes attestations of the slot.
	#[error("the slot's attestations are closed")]
	TooLate,
	/// The chain refused it for another reason, which may pass.
	#[error("the chain refused it: {0}")]
	Refused(String),
	/// It is not known whether it will be included.
	#[error("its fate is unknown: {0}")]
	Unknown(String),
}

/// Where a transaction is, in a finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
	/// The number of the block.
	pub block_number: u64,
	/// The hash of the block.
	pub block_hash: H256,
	/// The place of the transaction in the block.
	pub extrinsic_index: u32,
}

/// What the oracle asks of the chain.
///
/// Every answer is of the last finalized block unless stated otherwise. A call that fails because the
/// node is away may be repeated; the adapter connects anew.
pub trait ChainClient: Send + Sync + 'static {
	/// The account that attests.
	fn account(&self) -> AccountId;

	/// The hash of the first block.
	fn genesis(&self) -> impl Future<Output = Result<H256, ChainError>> + Send;

	/// Waits for the next best block. The first call answers at once.
	fn next_head(&self) -> impl Future<Output = Result<Head, ChainError>> + Send;

	/// A zone.
	fn zone(
		&self,
		zone: ZoneId,
	) -> impl Future<Output = Result<Option<ZoneSummary>, ChainError>> + Send;

	/// When the slots of a zone are.
	fn calendar(
		&self,
		zone: ZoneId,
	) -> impl Future<Output = Result<SlotCalendar, ChainError>> + Send;

	/// Some meters of a zone in order of their places, from one on; none if there are no more.
	fn meters(
		&self,
		zone: ZoneId,
		from: MeterIndex,
	) -> impl Future<Output = Result<Vec<(MeterId, Meter<AccountId>)>, ChainError>> + Send;

	/// A page of an attestation, once it is final.
	fn attested_page(
		&self,
		zone: ZoneId,
		slot: Slot,
		page: u32,
	) -> impl Future<Output = Result<Option<AttestedPage>, ChainError>> + Send;

	/// Votes for an attestation, and waits until the vote is in a finalized block.
	fn attest(
		&self,
		attestation: &Attestation,
	) -> impl Future<Output = Result<(), AttestError>> + Send;

	/// Puts some bytes on the chain as a remark, which means nothing to the chain, and waits until they
	/// are in a finalized block. Of the errors only the last two of [`AttestError`] come.
	fn remark(&self, bytes: &[u8]) -> impl Future<Output = Result<Inclusion, AttestError>> + Send;
}

/// Reads finalized blocks.
pub trait FinalizedBlocks {
	/// A transaction as it is in a block; `None` if the block is not the finalized one of its number,
	/// or has no such transaction.
	fn extrinsic(
		&self,
		at: &Inclusion,
	) -> impl Future<Output = Result<Option<Vec<u8>>, ChainError>> + Send;
}
