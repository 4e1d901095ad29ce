//! Shapes that several answers share.

use energy_primitives::AccountId;
use sp_core::crypto::Ss58Codec;
use utoipa::ToSchema;

/// Bytes as `0x` and hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// An account as SS58 with the prefix 42, as the chain's RPC writes it.
pub fn account(account: &AccountId) -> String {
	account.to_ss58check()
}

/// How far a figure can be trusted.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)]
pub enum Quality {
	/// Measured.
	Valid,
	/// Estimated.
	Estimated,
	/// Measured, and doubted.
	Suspect,
	/// Not there.
	Missing,
}

/// When the slots of a zone are.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct Calendar {
	/// The first era that is remembered.
	first: Era,
	/// One for each later change of the length.
	later: Vec<Era>,
}

/// Slots of one length.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
pub struct Era {
	/// Its first slot.
	first: u32,
	/// When that begins.
	start_seconds: u64,
	/// The length of its slots.
	slot_seconds: u32,
}

/// The way from a leaf of a Merkle tree to its root.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
pub struct MerklePath {
	/// The place of the reading among the leaves.
	leaf_index: u32,
	/// How many leaves there are.
	leaf_count: u32,
	/// The neighbours on the way up, from the leaf; `0x` and 64 hexadecimal digits.
	siblings: Vec<String>,
}

/// What was found about one figure.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)]
pub struct Finding {
	/// When the figure begins.
	start_seconds: u64,
	/// How long it is.
	duration_seconds: u32,
	/// The quality that the meter states, or a worse one.
	quality: Quality,
	/// The rules that ran, and what they found.
	#[schema(value_type = Object)]
	verdict: (),
}
